/*
 * number_form: numbers as they are written for people: with a percent or currency sign, their thousands apart. A column
 * is read by a form when all of its cells are of that one; plain numbers are of every form, but of signs where there is
 * one. Thread rule: pure.
 *
 *   13%   $5   -$5   ($5)   1,50 €   1,234,567.8   1 234   1'234   USD 1,234
 *
 * The value is the number without its sign: 13% is 13. Between groups of three digits stands one of , . ' and a space,
 * a no-break space among them, that is not the decimal mark.
 */
#ifndef VERAD_SCHEMA_NUMBER_FORM_H
#define VERAD_SCHEMA_NUMBER_FORM_H

#include <stdbool.h>
#include <stddef.h>

enum { NUMBER_UNIT_SIZE = 8 };
struct number_form {                 /* all zero: plain numbers */
	char unit[NUMBER_UNIT_SIZE]; /* "%", "$", "EUR"; "": none */
	char group;                  /* ',', '.', '\'', ' ' (of whatever width); 0: none */
};
bool number_form_is_plain(const struct number_form *f);
bool number_form_unit_known(const char *unit); /* one that is read */
bool number_form_group_known(char group);

/* Text of this form, or a plain number. */
bool number_form_parse(const struct number_form *f, const char *text, size_t len, char mark, double *out);

/* Is the text a number of a form that is not plain? Which one? */
bool number_form_of(const char *text, size_t len, char mark, struct number_form *out);

/* What the cells of a column have in common; {0} before the first. */
struct number_forms {
	struct number_form form;
	bool any, none; /* a cell has come; one that is of no form, or of another than those before it */
	bool certain;   /* its groups cannot be decimals: 1,234,567 or 1,234.5 */
};
void number_forms_note(struct number_forms *f, const char *text, size_t len, char mark);
/* Is there one form, other than the plain one? */
bool number_forms_agree(const struct number_forms *f);

#endif
