/*
 * onnx_graph: see onnx_graph.h. The fields of each message are put in the order of their numbers, numbers that repeat
 * one by one: so that reading and writing with ONNX's own library gives the same bytes again.
 */
#include "schema/onnx_graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/protobuf.h"

/* Of 2022, which onnxruntime reads since 1.11 and the onnx library since 1.11. */
enum { IR_VERSION = 8, OPSET = 15, OPSET_ML = 2 };
static const char domain_ml[] = "ai.onnx.ml";

enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_DOC = 6, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_STRINGS = 9 };
enum { ATTRIBUTE_TYPE = 20, IS_FLOAT = 1, IS_INT = 2, IS_INTS = 7, IS_STRINGS = 8 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_STRINGS = 6, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, VALUE_DOC = 3 };
enum { TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

void
onnx_graph_release(struct onnx_graph *g)
{
	for (size_t i = 0; i < g->n_values; i++)
		free(g->name[i]);
	free(g->name);
	buf_release(&g->node);
	buf_release(&g->initializer);
	buf_release(&g->input);
	buf_release(&g->output);
	buf_release(&g->attribute);
	memset(g, 0, sizeof *g);
}

/* Is there still a point in going on? `more` bytes are to come. */
static bool
sound(struct onnx_graph *g, size_t more)
{
	size_t used = g->node.len + g->initializer.len + g->input.len + g->output.len + g->attribute.len;

	if (used > g->max_bytes || more > g->max_bytes - used)
		g->too_large = true;
	return !g->too_large && !g->node.failed && !g->initializer.failed;
}

/* The name is the graph's from here on; NULL: there was no memory for it. */
static size_t
add_value(struct onnx_graph *g, char *name)
{
	if (name && g->n_values == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		char **grown = realloc(g->name, cap * sizeof *grown);

		if (!grown) {
			free(name);
			name = NULL;
		} else {
			g->name = grown;
			g->cap = cap;
		}
	}
	if (!name) {
		g->node.failed = true;
		return 0;
	}
	g->name[g->n_values++] = name;
	return g->n_values;
}

static size_t
add_internal(struct onnx_graph *g, const char *name)
{
	size_t n = strlen(g->prefix) + strlen(name) + 2;
	char *full = malloc(n);

	if (full)
		snprintf(full, n, "%s.%s", g->prefix, name);
	return add_value(g, full);
}

static const char *
name_of(const struct onnx_graph *g, size_t value)
{
	return value ? g->name[value - 1] : "";
}

/* ---- Inputs and outputs ------------------------------------------------------------------------------------- */

static void
put_dim(struct buf *b, size_t n)
{
	size_t dim = protobuf_open(b, SHAPE_DIM);

	if (n)
		protobuf_int(b, DIM_VALUE, (int64_t)n);
	else
		protobuf_text(b, DIM_PARAM, "N");
	protobuf_close(b, dim);
}

static void
put_value_info(struct buf *b, unsigned field, const char *name, enum onnx_type element, size_t width, const char *doc)
{
	size_t info = protobuf_open(b, field), type, tensor, shape;

	protobuf_text(b, VALUE_NAME, name);
	type = protobuf_open(b, VALUE_TYPE);
	tensor = protobuf_open(b, TYPE_TENSOR);
	protobuf_int(b, TENSOR_ELEMENT, element);
	shape = protobuf_open(b, TENSOR_SHAPE);
	put_dim(b, 0);
	if (width)
		put_dim(b, width);
	protobuf_close(b, shape);
	protobuf_close(b, tensor);
	protobuf_close(b, type);
	protobuf_text(b, VALUE_DOC, doc);
	protobuf_close(b, info);
}

size_t
onnx_input(struct onnx_graph *g, const char *name, enum onnx_type type, const char *doc)
{
	if (!sound(g, strlen(name)))
		return 0;
	put_value_info(&g->input, GRAPH_INPUT, name, type, 1, doc);
	return add_value(g, strdup(name));
}

/* ---- Constants ---------------------------------------------------------------------------------------------- */

static size_t
count_of(struct onnx_shape shape)
{
	size_t n = 1;

	for (size_t i = 0; i < 3 && shape.size[i]; i++)
		n *= shape.size[i];
	return n;
}

/* Up to where its numbers go; 0 where nothing is to be put any more. */
static size_t
open_tensor(struct onnx_graph *g, const char *name, enum onnx_type type, struct onnx_shape shape, size_t n_bytes,
	size_t *tensor)
{
	struct buf *b = &g->initializer;
	size_t value;

	if (!sound(g, n_bytes) || !(value = add_internal(g, name)))
		return 0;
	*tensor = protobuf_open(b, GRAPH_INITIALIZER);
	for (size_t i = 0; i < 3 && shape.size[i]; i++)
		protobuf_int(b, TENSOR_DIMS, (int64_t)shape.size[i]);
	protobuf_int(b, TENSOR_TYPE, type);
	if (type == ONNX_STRING)
		return value;
	protobuf_text(b, TENSOR_NAME, name_of(g, value));
	protobuf_head(b, TENSOR_RAW, n_bytes);
	return value;
}

size_t
onnx_floats(struct onnx_graph *g, const char *name, struct onnx_shape shape, const real *v)
{
	const size_t n = count_of(shape);
	size_t tensor, value = open_tensor(g, name, ONNX_FLOAT, shape, n * sizeof(float), &tensor);

	if (!value)
		return 0;
	for (size_t i = 0; i < n; i++)
		buf_put_f32(&g->initializer, (float)v[i]);
	protobuf_close(&g->initializer, tensor);
	return value;
}

size_t
onnx_doubles(struct onnx_graph *g, const char *name, struct onnx_shape shape, const double *v)
{
	const size_t n = count_of(shape);
	size_t tensor, value = open_tensor(g, name, ONNX_DOUBLE, shape, n * sizeof *v, &tensor);

	if (!value)
		return 0;
	buf_put_f64s(&g->initializer, v, n);
	protobuf_close(&g->initializer, tensor);
	return value;
}

size_t
onnx_ints(struct onnx_graph *g, const char *name, struct onnx_shape shape, const int64_t *v)
{
	const size_t n = count_of(shape);
	size_t tensor, value = open_tensor(g, name, ONNX_INT64, shape, n * sizeof *v, &tensor);

	if (!value)
		return 0;
	for (size_t i = 0; i < n; i++)
		buf_put_u64(&g->initializer, (uint64_t)v[i]);
	protobuf_close(&g->initializer, tensor);
	return value;
}

size_t
onnx_texts(struct onnx_graph *g, const char *name, char *const *text, size_t n)
{
	size_t tensor, value = open_tensor(g, name, ONNX_STRING, onnx_vector(n), 0, &tensor);

	if (!value)
		return 0;
	for (size_t i = 0; i < n; i++)
		protobuf_text(&g->initializer, TENSOR_STRINGS, text[i]);
	protobuf_text(&g->initializer, TENSOR_NAME, name_of(g, value));
	protobuf_close(&g->initializer, tensor);
	return value;
}

size_t
onnx_float(struct onnx_graph *g, const char *name, double v)
{
	const real number = (real)v;

	return onnx_floats(g, name, (struct onnx_shape){{0}}, &number);
}

size_t
onnx_double(struct onnx_graph *g, const char *name, double v)
{
	return onnx_doubles(g, name, (struct onnx_shape){{0}}, &v);
}

size_t
onnx_int(struct onnx_graph *g, const char *name, int64_t v)
{
	return onnx_ints(g, name, (struct onnx_shape){{0}}, &v);
}

struct onnx_name
onnx_namef(const char *fmt, ...)
{
	struct onnx_name name;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name.text, sizeof name.text, fmt, ap);
	va_end(ap);
	return name;
}

/* ---- Nodes -------------------------------------------------------------------------------------------------- */

void
onnx_set_int(struct onnx_graph *g, const char *name, int64_t v)
{
	size_t attribute = protobuf_open(&g->attribute, NODE_ATTRIBUTE);

	protobuf_text(&g->attribute, ATTRIBUTE_NAME, name);
	protobuf_int(&g->attribute, ATTRIBUTE_I, v);
	protobuf_int(&g->attribute, ATTRIBUTE_TYPE, IS_INT);
	protobuf_close(&g->attribute, attribute);
}

void
onnx_set_ints(struct onnx_graph *g, const char *name, const int64_t *v, size_t n)
{
	size_t attribute = protobuf_open(&g->attribute, NODE_ATTRIBUTE);

	protobuf_text(&g->attribute, ATTRIBUTE_NAME, name);
	for (size_t i = 0; i < n; i++)
		protobuf_int(&g->attribute, ATTRIBUTE_INTS, v[i]);
	protobuf_int(&g->attribute, ATTRIBUTE_TYPE, IS_INTS);
	protobuf_close(&g->attribute, attribute);
}

void
onnx_set_float(struct onnx_graph *g, const char *name, float v)
{
	size_t attribute = protobuf_open(&g->attribute, NODE_ATTRIBUTE);

	protobuf_text(&g->attribute, ATTRIBUTE_NAME, name);
	protobuf_float(&g->attribute, ATTRIBUTE_F, v);
	protobuf_int(&g->attribute, ATTRIBUTE_TYPE, IS_FLOAT);
	protobuf_close(&g->attribute, attribute);
}

void
onnx_set_texts(struct onnx_graph *g, const char *name, const char *const *text, size_t n)
{
	size_t attribute = protobuf_open(&g->attribute, NODE_ATTRIBUTE);

	protobuf_text(&g->attribute, ATTRIBUTE_NAME, name);
	for (size_t i = 0; i < n; i++)
		protobuf_text(&g->attribute, ATTRIBUTE_STRINGS, text[i]);
	protobuf_int(&g->attribute, ATTRIBUTE_TYPE, IS_STRINGS);
	protobuf_close(&g->attribute, attribute);
}

static void
put_node(struct onnx_graph *g, const char *op, const size_t *in, size_t n, const char *output)
{
	struct buf *b = &g->node;
	const bool ml = strncmp(op, "ml.", 3) == 0;
	size_t node = protobuf_open(b, GRAPH_NODE);

	for (size_t i = 0; i < n; i++)
		protobuf_text(b, NODE_INPUT, name_of(g, in[i]));
	protobuf_text(b, NODE_OUTPUT, output);
	protobuf_text(b, NODE_NAME, output);
	protobuf_text(b, NODE_OP, ml ? op + 3 : op);
	buf_put(b, g->attribute.data, g->attribute.len);
	if (ml)
		protobuf_text(b, NODE_DOMAIN, domain_ml);
	protobuf_close(b, node);
	b->failed |= g->attribute.failed;
	buf_clear(&g->attribute);
}

size_t
onnx_op_n(struct onnx_graph *g, const char *op, const size_t *in, size_t n)
{
	size_t value;

	if (!sound(g, 0) || !(value = add_internal(g, onnx_namef("%s_%zu", op, g->n_values + 1).text))) {
		buf_clear(&g->attribute);
		return 0;
	}
	put_node(g, op, in, n, name_of(g, value));
	return value;
}

size_t
onnx_op(struct onnx_graph *g, const char *op, size_t a, size_t b, size_t c)
{
	const size_t in[] = {a, b, c};

	return onnx_op_n(g, op, in, c ? 3 : b ? 2 : 1);
}

size_t
onnx_cast(struct onnx_graph *g, size_t value, enum onnx_type to)
{
	onnx_set_int(g, "to", to);
	return onnx_op(g, "Cast", value, 0, 0);
}

size_t
onnx_gather(struct onnx_graph *g, size_t table, size_t at, int64_t axis)
{
	onnx_set_int(g, "axis", axis);
	return onnx_op(g, "Gather", table, at, 0);
}

size_t
onnx_concat(struct onnx_graph *g, const size_t *in, size_t n)
{
	onnx_set_int(g, "axis", 1);
	return onnx_op_n(g, "Concat", in, n);
}

size_t
onnx_reduce(struct onnx_graph *g, const char *op, size_t value, bool keep)
{
	static const int64_t last = 1;

	onnx_set_ints(g, "axes", &last, 1);
	onnx_set_int(g, "keepdims", keep);
	return onnx_op(g, op, value, 0, 0);
}

void
onnx_output(struct onnx_graph *g, size_t value, const char *name, enum onnx_type type, size_t width, const char *doc)
{
	if (!sound(g, strlen(name)))
		return;
	put_node(g, "Identity", &value, 1, name);
	put_value_info(&g->output, GRAPH_OUTPUT, name, type, width, doc);
}

/* ---- The file ----------------------------------------------------------------------------------------------- */

static void
put_opset(struct buf *b, const char *domain, int64_t version)
{
	size_t opset = protobuf_open(b, MODEL_OPSET);

	protobuf_text(b, OPSET_DOMAIN, domain);
	protobuf_int(b, OPSET_VERSION, version);
	protobuf_close(b, opset);
}

enum status
onnx_graph_write(const struct onnx_graph *g, const char *doc, const struct export_note *note, size_t n_notes,
	struct buf *out, struct err *e)
{
	enum { N_PARTS = 5 };
	const struct buf *part[N_PARTS] = {&g->node, NULL, &g->initializer, &g->input, &g->output};
	struct buf name = {0};
	size_t n = 0, entry;

	protobuf_text(&name, GRAPH_NAME, "verad");
	part[1] = &name;
	for (size_t i = 0; i < N_PARTS; i++) {
		out->failed |= part[i]->failed;
		n += part[i]->len;
	}
	if (g->too_large || n > g->max_bytes) {
		buf_release(&name);
		return err_set(e, ERR_TOO_LARGE, "export_too_large",
			"the model is too large for one file of this format, which has at most %zu bytes",
			g->max_bytes);
	}
	protobuf_int(out, MODEL_IR, IR_VERSION);
	protobuf_text(out, MODEL_PRODUCER, "verad");
	protobuf_text(out, MODEL_DOC, doc);
	protobuf_head(out, MODEL_GRAPH, n);
	for (size_t i = 0; i < N_PARTS; i++)
		buf_put(out, part[i]->data, part[i]->len);
	buf_release(&name);
	put_opset(out, "", OPSET);
	put_opset(out, domain_ml, OPSET_ML);
	for (size_t i = 0; i < n_notes; i++) {
		entry = protobuf_open(out, MODEL_METADATA);
		protobuf_text(out, ENTRY_KEY, note[i].key);
		protobuf_text(out, ENTRY_VALUE, note[i].text);
		protobuf_close(out, entry);
	}
	return buf_status(out, e);
}
