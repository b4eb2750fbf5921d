/*
 * rows: an encoded table as the engine reads it: dense numbers, and one-hot blocks kept as codes.
 *
 * Encoded features are numbered 0..d-1: first the n_dense dense ones, then the blocks of the n_codes coded columns in
 * order. Block j covers the features offset[j] .. offset[j + 1] - 1; a code c there means feature offset[j] + c is
 * `on` and the others of the block are `off`. So a wide one-hot table costs two bytes a column and row, not four
 * bytes a feature. Thread rule: read-only while shared.
 */
#ifndef VERAD_ENGINE_ROWS_H
#define VERAD_ENGINE_ROWS_H

#include "engine/err.h"
#include "engine/real.h"

struct rows {
	size_t n; /* rows */
	size_t n_dense;
	size_t n_codes;
	size_t d;         /* n_dense + the widths of all blocks */
	float *dense;     /* [n][n_dense], owned */
	uint16_t *code;   /* [n][n_codes], owned */
	uint32_t *offset; /* [n_codes + 1], owned; offset[0] = n_dense, offset[n_codes] = d */
	float off, on;    /* the two values of a one-hot feature */
};

/* Zeroed storage for n rows; width[j] = features of block j, at most 65536. Call rows_release on success. */
enum status rows_init(struct rows *r, size_t n, size_t n_dense, size_t n_codes, const uint32_t width[], struct err *e);
void rows_release(struct rows *r); /* accepts a zeroed struct */

/* The rows index[0..n-1] (NULL: the rows first .. first + n - 1), expanded: out is [n][d]. */
void rows_expand(const struct rows *r, const uint32_t *index, size_t first, size_t n, real *out);

#endif
