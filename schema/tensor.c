/* tensor: see tensor.h. */
#include "schema/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/table.h"
#include "schema/utf8.h"

static const struct type {
	const char *name;
	unsigned char size; /* bytes of an element; 0: each says */
} types[N_TENSOR_TYPES] = {
	[TENSOR_BOOL] = {"BOOL", 1},
	[TENSOR_INT8] = {"INT8", 1},
	[TENSOR_INT16] = {"INT16", 2},
	[TENSOR_INT32] = {"INT32", 4},
	[TENSOR_INT64] = {"INT64", 8},
	[TENSOR_UINT8] = {"UINT8", 1},
	[TENSOR_UINT16] = {"UINT16", 2},
	[TENSOR_UINT32] = {"UINT32", 4},
	[TENSOR_UINT64] = {"UINT64", 8},
	[TENSOR_FP32] = {"FP32", 4},
	[TENSOR_FP64] = {"FP64", 8},
	[TENSOR_BYTES] = {"BYTES", 0},
};

const char *
tensor_type_name(enum tensor_type t)
{
	return types[t].name;
}

enum tensor_type
tensor_type_named(const char *text, size_t n)
{
	int t = 0;

	while (t < N_TENSOR_TYPES && (strlen(types[t].name) != n || memcmp(types[t].name, text, n)))
		t++;
	return (enum tensor_type)t;
}

void
tensor_release(struct tensor *t)
{
	json_reader_release(&t->json);
	free(t->name);
	memset(t, 0, sizeof *t);
}

static int
shown(const struct tensor *t)
{
	return text_shown(t->name);
}

enum status
tensor_start(struct tensor *t, const struct reader *bytes, struct err *e)
{
	/* Both fit 32 bits (oip.c): the product cannot overflow. An element of BYTES takes 4 bytes at least. */
	uint64_t n = t->dim[0] * (t->n_dims == 2 ? t->dim[1] : 1);
	size_t size = types[t->type].size;
	struct json_token first;

	if (!t->binary) {
		json_reader_init(&t->json, t->from, t->n_from);
		return json_next(&t->json, &first, e); /* '[' */
	}
	t->bytes = *bytes;
	if (size ? reader_left(bytes) / size != n || reader_left(bytes) % size : reader_left(bytes) / 4 < n)
		return err_set(e, ERR_SYNTAX, "bad_tensor_size",
			"the tensor \"%.*s\" has %zu bytes of data, which are not %llu elements of %s", shown(t),
			t->name, reader_left(bytes), (unsigned long long)n, types[t->type].name);
	return OK;
}

/* Elements in JSON ------------------------------------------------------------------------------------------------ */

/* The next token that is no bracket: data may be nested as its shape is, or flat. */
static enum status
next_scalar(struct tensor *t, struct json_token *v, struct err *e)
{
	enum status s;

	do
		s = json_next(&t->json, v, e);
	while (!s && (v->type == JSON_ARRAY || (v->type == JSON_ARRAY_END && t->json.depth)));
	return s;
}

static enum status
wrong_kind(const struct tensor *t, const struct json_token *v, struct err *e)
{
	return err_set(e, ERR_DATA, "not_a_cell", "the tensor \"%.*s\" is of %s and has %s among its data", shown(t),
		t->name, types[t->type].name, json_type_name(v->type));
}

static enum status
next_of_json(struct tensor *t, struct tensor_cell *out, struct err *e)
{
	struct json_token v;
	enum status s;

	if ((s = next_scalar(t, &v, e)))
		return s;
	switch (v.type) {
	case JSON_NULL:
		return OK;
	case JSON_TRUE:
	case JSON_FALSE:
		if (t->type != TENSOR_BOOL)
			return wrong_kind(t, &v, e);
		*out = v.type == JSON_TRUE ? (struct tensor_cell){TENSOR_CELL_TEXT, 0, "true", 4}
					   : (struct tensor_cell){TENSOR_CELL_TEXT, 0, "false", 5};
		return OK;
	case JSON_STRING:
		if (t->type != TENSOR_BYTES)
			return wrong_kind(t, &v, e);
		*out = (struct tensor_cell){TENSOR_CELL_TEXT, 0, v.text, v.len};
		return OK;
	case JSON_NUMBER:
		if (t->type == TENSOR_BOOL || t->type == TENSOR_BYTES)
			return wrong_kind(t, &v, e);
		if (t->type < TENSOR_FP32 && v.number != floor(v.number))
			return err_set(e, ERR_DATA, "not_a_number",
				"the tensor \"%.*s\" is of %s and has the fraction %g among its data", shown(t),
				t->name, types[t->type].name, v.number);
		*out = (struct tensor_cell){TENSOR_CELL_NUMBER, v.number, NULL, 0};
		return OK;
	case JSON_ARRAY_END:
		return err_set(e, ERR_DATA, "bad_shape", "the tensor \"%.*s\" has fewer elements than its shape says",
			shown(t), t->name);
	default:
		return wrong_kind(t, &v, e);
	}
}

/* Elements in bytes ----------------------------------------------------------------------------------------------- */

static uint64_t
read_le(struct reader *in, size_t size)
{
	const unsigned char *p = reader_take(in, size);
	uint64_t v = 0;

	for (size_t i = 0; p && i < size; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static enum status
next_text(struct tensor *t, struct tensor_cell *out, struct err *e)
{
	uint32_t len = reader_u32(&t->bytes);
	const unsigned char *text = reader_take(&t->bytes, len);

	if (t->bytes.failed)
		return err_set(e, ERR_SYNTAX, "bad_tensor_size",
			"the data of the tensor \"%.*s\" end within an element", shown(t), t->name);
	if (memchr(text, 0, len) || !utf8_valid(text, len))
		return err_set(e, ERR_DATA, "invalid_utf8", "the tensor \"%.*s\" has an element that is not UTF-8 text",
			shown(t), t->name);
	*out = (struct tensor_cell){TENSOR_CELL_TEXT, 0, (const char *)text, len};
	return OK;
}

static enum status
next_of_bytes(struct tensor *t, struct tensor_cell *out, struct err *e)
{
	uint64_t bits = t->type < TENSOR_FP32 ? read_le(&t->bytes, types[t->type].size) : 0;
	double v = 0;

	switch (t->type) {
	case TENSOR_BYTES:
		return next_text(t, out, e);
	case TENSOR_BOOL:
		*out = bits ? (struct tensor_cell){TENSOR_CELL_TEXT, 0, "true", 4}
			    : (struct tensor_cell){TENSOR_CELL_TEXT, 0, "false", 5};
		return OK;
	case TENSOR_INT8:
		v = (int8_t)bits;
		break;
	case TENSOR_INT16:
		v = (int16_t)bits;
		break;
	case TENSOR_INT32:
		v = (int32_t)bits;
		break;
	case TENSOR_INT64:
		v = (double)(int64_t)bits;
		break;
	case TENSOR_FP32:
		v = (double)reader_f32(&t->bytes);
		break;
	case TENSOR_FP64:
		v = reader_f64(&t->bytes);
		break;
	default:
		v = (double)bits;
	}
	if (isnan(v))
		return OK;
	if (isinf(v))
		return err_set(e, ERR_DATA, "not_a_number",
			"the tensor \"%.*s\" has an infinite element; NaN says that one is missing", shown(t), t->name);
	*out = (struct tensor_cell){TENSOR_CELL_NUMBER, v, NULL, 0};
	return OK;
}

enum status
tensor_next(struct tensor *t, struct tensor_cell *out, struct err *e)
{
	*out = (struct tensor_cell){.kind = TENSOR_CELL_MISSING};
	return t->binary ? next_of_bytes(t, out, e) : next_of_json(t, out, e);
}

enum status
tensor_finish(struct tensor *t, struct err *e)
{
	struct json_token v;
	enum status s;

	if (t->binary)
		return reader_left(&t->bytes) ? err_set(e, ERR_SYNTAX, "bad_tensor_size",
							"the tensor \"%.*s\" has %zu bytes behind its last element",
							shown(t), t->name, reader_left(&t->bytes))
					      : OK;
	if ((s = next_scalar(t, &v, e)))
		return s;
	return v.type == JSON_ARRAY_END
		       ? OK
		       : err_set(e, ERR_DATA, "bad_shape", "the tensor \"%.*s\" has more elements than its shape says",
				 shown(t), t->name);
}
