/*
 * kinds: what the texts of a column have in common: are they all dates, or all yes and no? Told by their texts, each
 * distinct one once, while a table is read. Thread rule: one thread at a time.
 */
#ifndef VERAD_SCHEMA_KINDS_H
#define VERAD_SCHEMA_KINDS_H

#include "schema/date.h"
#include "schema/table.h"

struct kinds { /* of one column; {0} before the first text */
	bool any, no_date, no_boolean, yes, no;
	unsigned orders; /* of dates that depend on the order: a bit for each that all so far are in; 0: none came */
	bool fixed;      /* its type is known otherwise: nothing is told */
};
void kinds_note(struct kinds *k, const char *text, size_t len);
/* Of a column of dates, some of which depend on the order in which they are written: those orders, a bit each; 0: it is
 * none. */
unsigned kinds_date_orders(const struct kinds *k);
/* COLUMN_DATE where all were dates in whatever order, COLUMN_BOOLEAN where all were of yes and no, and both of them
 * came; else text. */
enum column_type kinds_type(const struct kinds *k);

/* What a cell that does not fit is refused as: "not_a_number", "not_a_date", "not_a_boolean". */
const char *kinds_refusal(enum column_type type);
/* Does the text fit the type, dates being in this order? Every text is one. */
bool kinds_fits(enum column_type type, enum date_order order, const char *text, size_t len);

#endif
