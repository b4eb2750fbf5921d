/*
 * onnx_graph: a graph of ONNX in the making: values, the tensors that are constants, the operators between them
 * (onnx.ai; onnx.proto for the numbers of its fields).
 *
 * A value is known by a number; 0 is none. Values that are made here are called PREFIX.SOMETHING, with a prefix that no
 * input's name begins with, so that inputs may be called anything. What fails, fails once and for all: too little
 * memory, or more bytes than allowed; the rest does nothing then, and onnx_graph_write says so.
 */
#ifndef VERAD_SCHEMA_ONNX_GRAPH_H
#define VERAD_SCHEMA_ONNX_GRAPH_H

#include "engine/buf.h"
#include "engine/real.h"
#include "schema/export.h"

enum onnx_type { ONNX_FLOAT = 1, ONNX_INT64 = 7, ONNX_STRING = 8, ONNX_BOOL = 9, ONNX_DOUBLE = 11 };

struct onnx_graph { /* zeroed, but for prefix and max_bytes */
	const char *prefix;
	size_t max_bytes;
	bool too_large;
	struct buf node, initializer, input, output;
	struct buf attribute; /* of the node to come */
	size_t n_values, cap;
	char **name; /* [n_values], owned */
};
void onnx_graph_release(struct onnx_graph *g);

/* [N, 1], N the rows. */
size_t onnx_input(struct onnx_graph *g, const char *name, enum onnx_type type, const char *doc);
/* [N], or [N, width] where that is not 0. */
void onnx_output(
	struct onnx_graph *g, size_t value, const char *name, enum onnx_type type, size_t width, const char *doc);

/* Constants. A shape is three sizes, 0 behind the last: {0} a number, {n} a vector, {n, m} a matrix. */
struct onnx_shape {
	size_t size[3];
};

static inline struct onnx_shape
onnx_vector(size_t n)
{
	return (struct onnx_shape){{n}};
}

static inline struct onnx_shape
onnx_matrix(size_t n, size_t m)
{
	return (struct onnx_shape){{n, m}};
}

size_t onnx_floats(struct onnx_graph *g, const char *name, struct onnx_shape shape, const real *v);
size_t onnx_doubles(struct onnx_graph *g, const char *name, struct onnx_shape shape, const double *v);
size_t onnx_ints(struct onnx_graph *g, const char *name, struct onnx_shape shape, const int64_t *v);
size_t onnx_texts(struct onnx_graph *g, const char *name, char *const *text, size_t n);
size_t onnx_float(struct onnx_graph *g, const char *name, double v);
size_t onnx_double(struct onnx_graph *g, const char *name, double v);
size_t onnx_int(struct onnx_graph *g, const char *name, int64_t v);
/* A name for one of many: "network.0.bias" and the like, for one call. */
struct onnx_name {
	char text[64];
};
struct onnx_name onnx_namef(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Attributes of the node to come, in any order. */
void onnx_set_int(struct onnx_graph *g, const char *name, int64_t v);
void onnx_set_ints(struct onnx_graph *g, const char *name, const int64_t *v, size_t n);
void onnx_set_float(struct onnx_graph *g, const char *name, float v);
void onnx_set_texts(struct onnx_graph *g, const char *name, const char *const *text, size_t n);

/* An operator of up to three inputs, and its value. Those of machine learning (LabelEncoder) have a domain of their
 * own, and a name that begins with "ml.". */
size_t onnx_op(struct onnx_graph *g, const char *op, size_t a, size_t b, size_t c);
size_t onnx_op_n(struct onnx_graph *g, const char *op, const size_t *in, size_t n);
size_t onnx_cast(struct onnx_graph *g, size_t value, enum onnx_type to);
size_t onnx_gather(struct onnx_graph *g, size_t table, size_t at, int64_t axis);
/* Over axis 1. */
size_t onnx_concat(struct onnx_graph *g, const size_t *in, size_t n);
size_t onnx_reduce(struct onnx_graph *g, const char *op, size_t value, bool keep); /* not for ReduceSum */

/* The whole file, the notes among its metadata. ERR_TOO_LARGE "export_too_large", ERR_NOMEM. */
enum status onnx_graph_write(const struct onnx_graph *g, const char *doc, const struct export_note *note,
	size_t n_notes, struct buf *out, struct err *e);

#endif
