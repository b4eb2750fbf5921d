/*
 * encode_private: what the rooms of the encoder share, and no one else includes:
 *
 *   encode.c         a finished encoder at work
 *   encode_fit.c     fitting one on the rows of a training table
 *   encode_bytes.c   its bytes and its description
 */
#ifndef VERAD_SCHEMA_ENCODE_PRIVATE_H
#define VERAD_SCHEMA_ENCODE_PRIVATE_H

#include <stdlib.h>

#include "schema/date.h"
#include "schema/encode.h"
#include "schema/scale.h"

enum {
	ENCODER_MAX_WIDTH = 65536,      /* features of one text column: rows.h keeps codes of 16 bits */
	ENCODER_MAX_CANDIDATES = 20000, /* distinct texts counted in a column */
};

enum use { /* part of the format: only ever append */
	USED,
	UNUSED_CONSTANT,   /* one value in every row */
	UNUSED_EMPTY,      /* no value at all */
	UNUSED_IDENTIFIER, /* text that hardly repeats */
	UNUSED_ROW_NUMBER, /* whole numbers that count the rows */
	N_USES,
};
struct encoder_column {
	char *name; /* owned */
	enum column_type type;
	enum use use;
	bool missing_seen;          /* in the rows observed: the column has an indicator, or a category, for it */
	struct scale scale;         /* number, date: of its days */
	unsigned cycles;            /* date: a bit for each enum date_cycle that has features */
	struct dictionary category; /* text, boolean: code = category; then missing, if seen; then the rest bucket */
	uint64_t *rest;             /* [n_rest], owned, ascending: checksums of the texts seen that are no categories */
	size_t n_rest;
};

struct fit_column {    /* of the rows observed so far */
	size_t source; /* column of the table */
	size_t n_present, n_missing;
	struct sample sample; /* number, date */
	bool counts_rows;     /* number: whole numbers, each above the one before */
	double last;
	unsigned weekdays, hours; /* date: bits of those seen */
	struct dictionary text;   /* text: candidates, with their counts; empty once crowded */
	size_t *count, cap;
	size_t n_bytes;
	bool crowded; /* more candidates or bytes of them than are kept */
};

struct encoder {
	enum scaling scaling;
	size_t max_categories;
	size_t n_columns;
	struct encoder_column *column; /* [n_columns], owned */
	struct fit_column *fit;        /* [n_columns], owned; NULL once finished */
	size_t n_rows;                 /* observed while fitting */

	size_t n_dense, n_codes; /* derived by lay_out */
	uint32_t *width;         /* [n_codes], owned */
	size_t d;
};

/* Is it a column of dense features? Else it is a block. */
static inline bool
encoder_is_dense(const struct encoder_column *column)
{
	return column->type == COLUMN_NUMBER || column->type == COLUMN_DATE;
}

/* The value, where it varies; whether it is missing, where it was; of dates two for each cycle. */
static inline size_t
encoder_n_dense_of(const struct encoder_column *column)
{
	size_t n = 0;

	if (!encoder_is_dense(column) || column->use != USED)
		return 0;
	for (unsigned cycles = column->cycles; cycles; cycles >>= 1)
		n += 2 * (cycles & 1);
	return n + (size_t)scale_varies(&column->scale) + column->missing_seen;
}

static inline size_t
encoder_width_of(const struct encoder_column *column)
{
	if (encoder_is_dense(column) || column->use != USED)
		return 0;
	return column->category.n + column->missing_seen + 1;
}

/* The texts of a chunk's column of dates, each read once if it is among the first. */
struct date_memo { /* {0} before the first cell */
	struct {
		double days;
		bool known, missing;
	} of[256];
};
/* The cell as days; NaN: it is missing (*missing), or no date. */
double encoder_date(const struct column *from, size_t row, struct date_memo *memo, bool *missing);
/* The text that a column of yes and no has for this one: "true", "false", NULL where it is missing, or the same. */
const char *encoder_boolean(const char *text, size_t *len);

/* Where each column's features lie, from what the columns are. */
enum status encoder_lay_out(struct encoder *c, struct err *e);
void encoder_fit_release(struct encoder *c); /* what is kept while fitting alone */

/* Checksums in ascending order, for qsort and bsearch. */
int encoder_by_checksum(const void *a, const void *b);

#endif
