/*
 * onnx_encode: what encode.h does to a row, as operators of ONNX: cells in, [N, d] encoded numbers out.
 *
 * An input for each column that rows must have, by its name and in the encoder's order: of numbers DOUBLE [N, 1], NaN
 * where the cell is missing; of texts STRING [N, 1], empty where it is. Numbers are scaled in double precision, as
 * verad does, since a date or an identifier has more digits than a float, and are floats from there on. All columns of
 * numbers are scaled at a time, so the graph does not grow with them. What stands for a missing cell by `reading` does
 * in the graph.
 */
#ifndef VERAD_SCHEMA_ONNX_ENCODE_H
#define VERAD_SCHEMA_ONNX_ENCODE_H

#include "schema/encode.h"
#include "schema/onnx_graph.h"
#include "schema/reading.h"

enum status onnx_encode(
	struct onnx_graph *g, const struct encoder *c, const struct reading *reading, size_t *x, struct err *e);

/* A table of numbers in ascending order, or several of one length behind each other, that values are looked up in. */
struct onnx_table {
	size_t value;         /* its numbers, all in one row */
	const char *name;     /* for the names of what is made */
	const int64_t *first; /* [n_tables] where each begins */
	size_t n_tables, n;   /* n >= 1: numbers of each */
};
/* How many of the n are below the value (relation "Less") or not above it ("LessOrEqual"), by bisection: INT64, of the
 * shape of `value`, whose last axis has a table for each of its columns, or any size where there is one table. */
size_t onnx_count(struct onnx_graph *g, const struct onnx_table *t, const char *relation, size_t value);

#endif
