/*
 * json_rows: rows in JSON, in the shapes that clients write them, into a predictor, and its answers out as JSON. What
 * the bodies around the rows look like is for json_predict and invocations.
 *
 * Rows are read one by one and answered batch by batch, so that beyond body and reply little memory is needed however
 * many they are. Cells: a number, a string (read as CSV would read the same text), true or false (the texts), null
 * (missing). Errors name the row, from 1, in place of a line: ERR_DATA "missing_column", "duplicate_column",
 * "duplicate_key", "not_a_number", "not_a_cell", "ragged_row", "no_rows"; ERR_INVALID "invalid_rows";
 * ERR_TOO_LARGE "too_many_columns".
 */
#ifndef VERAD_SCHEMA_JSON_ROWS_H
#define VERAD_SCHEMA_JSON_ROWS_H

#include "schema/answers_json.h"
#include "schema/json_read.h"

struct json_rows {
	const struct bundle *bundle; /* borrowed, as is out */
	struct buf *out;
	unsigned include; /* enum include */
	enum answers_form form;
	uint64_t max_answers; /* bytes */
	const char *what;     /* the field that has the rows, for messages */

	struct predictor *predictor;
	uint64_t row; /* the one being read, from 1; 0: none yet */
	size_t n_answered;

	/* Of rows that are objects. */
	struct dictionary extra; /* keys that the model does not know */
	size_t n_known; /* it knows these: the encoder's columns and the label's; numbers of extra ones follow */
	uint64_t *seen; /* [seen_cap]: the last row with the key of this number */
	size_t seen_cap;
	size_t *target; /* [encoder_n_columns]: declared column of the predictor; SIZE_MAX: not wanted */
	size_t n_wanted;
};

enum status json_rows_init(struct json_rows *r, const struct bundle *b, unsigned include, uint64_t max_answers,
	struct buf *out, struct err *e);
void json_rows_release(struct json_rows *r); /* accepts a zeroed struct */

/* One of these, on a reader that has just given the '[' (or '{') of the rows; reads to its end. */
enum status json_rows_objects(struct json_rows *r, struct json_reader *in, struct err *e); /* [{column:value},…] */
/* [[value,…],…] of these columns; names NULL: the columns that the model wants, in its order. */
enum status json_rows_lists(
	struct json_rows *r, struct json_reader *in, const char *const *names, size_t n, struct err *e);
/* The first of the two that the first row looks like. */
enum status json_rows_any(struct json_rows *r, struct json_reader *in, struct err *e);
enum status json_rows_by_column(struct json_rows *r, struct json_reader *in, struct err *e); /* {column:[value,…],…} */

/* The last answers, and the warnings. ERR_DATA "no_rows". */
enum status json_rows_finish(struct json_rows *r, struct err *e);

/* A list of distinct texts: {"columns":["a","b"]}. ERR_INVALID "invalid_columns". */
enum status json_names(struct json_reader *in, const char *what, struct dictionary *out, struct err *e);

#endif
