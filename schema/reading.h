/*
 * reading: how the cells of the table that a model was trained on were read, which the model remembers, so that rows to
 * predict are read the same way: a cell that was missing there is missing here, and "1,5" is the number it was.
 *
 * It is ingest_options without the roles and types of columns and what is of bad rows. Thread rule: const once made;
 * any number of threads may use it.
 */
#ifndef VERAD_SCHEMA_READING_H
#define VERAD_SCHEMA_READING_H

#include "schema/ingest_options.h"

struct reading { /* all zero: the defaults */
	struct ingest_options options;
	double na_number[INGEST_MAX_LISTED]; /* [n_na_numbers]: the listed missing values that are numbers */
	size_t n_na_numbers;
};
void reading_release(struct reading *r); /* accepts a zeroed struct; leaves one */

/* From the JSON object of a data set's summary, NULL: the defaults; and as one, owned, NULL when memory was lacking.
 * What is no such object, or one that makes no sense: ERR_INVALID. */
enum status reading_from_json(const char *options, struct reading *out, struct err *e);
char *reading_to_json(const struct reading *r);
bool reading_is_default(const struct reading *r);

/* Text of a cell in a column of numbers: *v, NaN where the cell is missing or infinite; false: it is no number. */
bool reading_number(const struct reading *r, const char *text, size_t len, double *v);
/* The same of a column that has a form (reading_form): plain or of that form. NULL: it has none. */
bool reading_number_as(
	const struct reading *r, const struct number_form *form, const char *text, size_t len, double *v);
const struct number_form *reading_form(const struct reading *r, const char *column); /* borrowed */
/* Is this text, of which reading_number made NaN, an infinite number rather than a missing one? */
bool reading_is_infinite(const struct reading *r, const char *text, size_t len);
/* Do this number in a column of numbers, this text in a column of texts, this label stand for a missing one? */
bool reading_misses_number(const struct reading *r, double v);
bool reading_misses_text(const struct reading *r, const char *text, size_t len);
bool reading_misses_label(const struct reading *r, const char *text, size_t len);

#endif
