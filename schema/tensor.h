/*
 * tensor: one tensor of a request of the Open Inference Protocol, and a cursor over its elements, which lie in JSON or
 * in bytes. Nothing that is said of a tensor is trusted. Thread rule: one thread at a time per tensor.
 */
#ifndef VERAD_SCHEMA_TENSOR_H
#define VERAD_SCHEMA_TENSOR_H

#include "schema/json_read.h"

enum tensor_type {
	TENSOR_BOOL,
	TENSOR_INT8,
	TENSOR_INT16,
	TENSOR_INT32,
	TENSOR_INT64,
	TENSOR_UINT8,
	TENSOR_UINT16,
	TENSOR_UINT32,
	TENSOR_UINT64,
	TENSOR_FP32,
	TENSOR_FP64,
	TENSOR_BYTES,
	N_TENSOR_TYPES,
};
const char *tensor_type_name(enum tensor_type t);               /* "FP32" */
enum tensor_type tensor_type_named(const char *text, size_t n); /* N_TENSOR_TYPES: there is none */

struct tensor {
	char *name; /* owned */
	enum tensor_type type;
	size_t n_dims;
	uint64_t dim[2]; /* n_dims are 1 or 2 */
	bool binary;
	uint64_t binary_size;      /* bytes, as was said */
	const unsigned char *from; /* of its data in JSON; borrowed */
	size_t n_from;
	struct json_reader json; /* where the next element is */
	struct reader bytes;     /* where the next element is, of a binary one */
};
void tensor_release(struct tensor *t); /* accepts a zeroed struct */

/* In front of the first element; `bytes` are those of a binary tensor. ERR_SYNTAX "bad_tensor_size" where they cannot
 * be dim[0] * dim[1] elements. */
enum status tensor_start(struct tensor *t, const struct reader *bytes, struct err *e);

struct tensor_cell {
	enum { TENSOR_CELL_MISSING, TENSOR_CELL_NUMBER, TENSOR_CELL_TEXT } kind;
	double number;
	const char *text; /* borrowed until the next element is asked for */
	size_t len;
};
/* ERR_DATA "bad_shape" past the last element of JSON, "not_a_cell", "not_a_number" (an infinity, a fraction among whole
 * numbers), "invalid_utf8". The messages have the tensor's name. */
enum status tensor_next(struct tensor *t, struct tensor_cell *out, struct err *e);
/* Behind the last element there must be no more: ERR_DATA "bad_shape". */
enum status tensor_finish(struct tensor *t, struct err *e);

#endif
