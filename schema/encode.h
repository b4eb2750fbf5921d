/*
 * encode: the fitted translation from table columns to encoded rows, kept inside the model.
 *
 * Fitting is two-phased, so that a data set is never whole in memory as text: observe every chunk (rows with take[i]
 * == 0 are skipped: held-out rows), then finish; afterwards apply to chunks or batches. The result depends on the rows
 * taken and their order, not on how they were cut into chunks nor on the rows skipped.
 *
 * Per number column: one dense feature, scaled as scale.h says and clipped to [-10, 10], and, if cells were missing in
 * the rows observed, one more that is 1 where the cell is missing; a missing cell takes the median. A column of one
 * value and missing cells has the second alone. Mean, deviation, median and quantiles come from a fixed-size
 * deterministic sample (65,536 values a column, fewer in tables of over 512 columns, at least 4,096), exact below that
 * size; the range is exact always.
 *
 * Per date column: the same of its days (date.h), and behind them sine and cosine of the year, the week and the day it
 * is in, of each where the dates observed go on for more than one and, of weeks and days, do not all lie in the same
 * place. A cell that is no date is missing.
 *
 * Per text column: one-hot over the `max_categories` most frequent texts (ties by byte order) and a rest bucket for all
 * others, unseen ones included; missing is one of the categories (named only by being missing) where it was seen in
 * training, else it goes to the rest.
 *
 * A boolean column is one of the texts "true" and "false", whatever they are spelled like (boolean.h).
 *
 * Columns left without features, with the reason that encoder_describe gives as "ignored": "constant" (one value in
 * every row), "empty" (no value at all), and "identifier_or_free_text" (texts that hardly repeat: in 100 rows or more,
 * above max_categories distinct ones and more than half of all; or above 20,000 distinct ones, or 4 MiB of them), and
 * "row_number" (100 or more whole numbers, each above the one before, with no more than half as many left out).
 *
 * Thread rule: a finished encoder is const; any number of threads may apply it.
 */
#ifndef VERAD_SCHEMA_ENCODE_H
#define VERAD_SCHEMA_ENCODE_H

#include "engine/params.h"
#include "engine/rows.h"
#include "schema/table.h"

struct encoder;
struct scale;

struct encoder_options {
	enum scaling scaling;
	size_t max_categories;
	uint64_t seed; /* of the sample */
};

/* columns: names and types of the whole table; left out are those whose name is NULL, and the one that is called
 * `skip` (may be NULL). */
enum status encoder_new(const struct encoder_options *o, const char *const *names, const enum column_type *types,
	size_t n_columns, const char *skip, struct encoder **out, struct err *e);
enum status encoder_observe(struct encoder *c, const struct table *chunk, const unsigned char *take, struct err *e);
enum status encoder_finish(struct encoder *c, struct err *e); /* ERR_DATA "no_features" where nothing varies */
void encoder_free(struct encoder *c);

/* Columns that the encoder knows, in its order: all of the table but the label column. Those that it wants are what
 * rows to predict must have; constant columns count, empty ones and identifiers do not and may be left out. */
size_t encoder_n_columns(const struct encoder *c);
const char *encoder_column_name(const struct encoder *c, size_t i);
enum column_type encoder_column_type(const struct encoder *c, size_t i);
bool encoder_column_wanted(const struct encoder *c, size_t i);

/* What a column becomes, for those who write the translation down in another form; borrowed from the encoder. Dense
 * features come first, of all columns in their order, then the one-hot blocks of the text columns in theirs. */
struct encoder_features {
	const struct scale *scale; /* of numbers: a dense feature; NULL: none, where they never vary */
	unsigned cycles; /* of dates: a bit for each enum date_cycle, two dense features behind all others of the column
			  */
	const struct dictionary
		*category; /* of texts and yes or no: category k is feature k of the block; NULL: no block */
	bool missing;      /* was seen: a dense feature behind the number's; of the block the last but one */
	size_t width;      /* of the block, whose last feature is the rest's */
};
struct encoder_features encoder_column_features(const struct encoder *c, size_t i);

size_t encoder_n_features(const struct encoder *c);
/* Storage for n encoded rows in this encoder's layout. */
enum status encoder_rows_init(const struct encoder *c, struct rows *rows, size_t n, struct err *e);

/* What was served but deserves a word, counted per column of the encoder. */
struct encode_warnings {
	size_t *unseen_category; /* [encoder_n_columns], owned */
	size_t *missing_cell;    /* [encoder_n_columns]: empty cells in columns that had none in training */
	size_t *not_a_date;      /* [encoder_n_columns]: cells of a date column that were taken as missing */
	size_t *infinite;        /* [encoder_n_columns]: numbers taken as missing; counted by whoever reads the cells */
	size_t *clipped;         /* [encoder_n_columns]: numbers beyond the training range that were clipped */
};
/* A text of the rest bucket that training had seen is not counted as unseen. */
enum status encode_warnings_init(struct encode_warnings *w, const struct encoder *c, struct err *e);
void encode_warnings_clear(struct encode_warnings *w, const struct encoder *c);
void encode_warnings_release(struct encode_warnings *w); /* accepts a zeroed struct */

/* Encodes all rows of `t` into rows at .. at + t->n_rows - 1. map[i] = column of t that is the encoder's column i
 * (types must agree). warnings may be NULL; else the counts of these rows are added. */
void encoder_apply(const struct encoder *c, const struct table *t, const size_t *map, struct rows *rows, size_t at,
	struct encode_warnings *warnings);

/* What belongs to features, added up over those of each column: feature [encoder_n_features] to column
 * [encoder_n_columns]. Columns without a feature, which the model makes no use of, get 0. */
bool encoder_column_used(const struct encoder *c, size_t i);
void encoder_sum_by_column(const struct encoder *c, const double *feature, double *column);
/* Of n encoded rows x [n][encoder_n_features] the features of numbers and dates become where these lie in their ranges,
 * -1 to 1: what is a bent scale for a network tells how near rows are once it is straight. */
void encoder_positions(const struct encoder *c, real *x, size_t n);
/* A made-up row at `at` that has in every column what is usual there: the median, the most frequent text. */
void encoder_typical_row(const struct encoder *c, struct rows *rows, size_t at);

/* Bytes, and what `inspect` and the model resource say of it: a cJSON array of columns with name, type, n_features,
 * missing (seen in training), ignored (the reason, if so), scaling figures or categories. */
void encoder_write(const struct encoder *c, struct buf *out);
enum status encoder_read(struct reader *in, struct encoder **out, struct err *e);
struct cJSON;
struct cJSON *encoder_describe(const struct encoder *c); /* owned; NULL when out of memory */

#endif
