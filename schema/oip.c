/*
 * oip: see oip.h. A request is read in two passes: what its tensors are, then the rows, cell by cell, with a cursor in
 * each tensor, so that data may come before shapes, and no cell is kept.
 */
#include "schema/oip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/answers_json.h"
#include "schema/csv.h"
#include "schema/tensor.h"

enum { MAX_TENSORS = CSV_MAX_COLUMNS };

/* The attributions cost some 50 times what the others do, and come only where they are asked for. */
enum output { LABEL, PROBABILITIES, OOD_SCORE, OOD_P_VALUE, IS_OOD, ATTRIBUTION, REFERENCE_SCORE, N_OUTPUTS };
enum { N_USUAL_OUTPUTS = IS_OOD + 1 };

static const struct {
	const char *name;
	enum tensor_type type;
} outputs[N_OUTPUTS] = {
	[LABEL] = {"label", TENSOR_BYTES},
	[PROBABILITIES] = {"probabilities", TENSOR_FP32},
	[OOD_SCORE] = {"ood_score", TENSOR_FP32},
	[OOD_P_VALUE] = {"ood_p_value", TENSOR_FP32},
	[IS_OOD] = {"is_ood", TENSOR_BOOL},
	[ATTRIBUTION] = {"ood_attribution", TENSOR_FP32},
	[REFERENCE_SCORE] = {"ood_reference_score", TENSOR_FP32},
};

/* Of a model without classes the scores alone. */
static int
first_output(const struct bundle *b)
{
	return b->n_classes ? 0 : OOD_SCORE;
}

struct request {
	const struct bundle *bundle; /* borrowed */
	struct json_reader json;
	char *id; /* owned; NULL: none */
	struct tensor *input;
	size_t n_inputs, cap;
	bool has_inputs, binary_all;        /* binary_data_output */
	size_t n_wanted;                    /* 0: the usual outputs */
	enum output wanted[N_OUTPUTS];      /* in the order asked for */
	signed char wanted_form[N_OUTPUTS]; /* of each wanted: 1 binary, 0 JSON, -1 as binary_all says */

	bool matrix;
	struct predictor *predictor;
	uint64_t n_rows;
	uint64_t max_answers;
	struct buf column[N_OUTPUTS]; /* of each wanted output: its data, as JSON or as bytes */
};

static void
request_release(struct request *q)
{
	json_reader_release(&q->json);
	free(q->id);
	for (size_t i = 0; i < q->cap; i++)
		tensor_release(&q->input[i]);
	free(q->input);
	predictor_free(q->predictor);
	for (size_t i = 0; i < N_OUTPUTS; i++)
		buf_release(&q->column[i]);
}

/* Reading what was asked ------------------------------------------------------------------------------------------ */

static enum status
bad_request(struct err *e, const char *what, const char *wanted, const struct json_token *t)
{
	return err_set(e, ERR_INVALID, "bad_request", "%s must be %s, not %s", what, wanted, json_type_name(t->type));
}

/* What the wanted outputs are made of: a sum of enum include. */
static unsigned
included(const struct request *q)
{
	unsigned include = 0;

	for (size_t w = 0; w < q->n_wanted; w++)
		include |= q->wanted[w] <= PROBABILITIES ? INCLUDE_LABELS
			   : q->wanted[w] >= ATTRIBUTION ? INCLUDE_ATTRIBUTIONS
							 : 0;
	return include;
}

static size_t
n_attributed(const struct bundle *b)
{
	size_t n = 0;

	for (size_t j = 0; j < encoder_n_columns(b->encoder); j++)
		n += encoder_column_used(b->encoder, j);
	return n;
}

/* Numbers of a row in this output; 0: one, and the tensor has no second dimension. */
static size_t
output_width(const struct bundle *b, enum output which)
{
	return which == PROBABILITIES ? b->n_classes : which == ATTRIBUTION ? n_attributed(b) : 0;
}

/* The next value, which must be of this kind. */
static enum status
expect(struct request *q, enum json_type type, const char *what, struct json_token *t, struct err *e)
{
	enum status s = json_next(&q->json, t, e);

	return s || t->type == type ? s : bad_request(e, what, json_type_name(type), t);
}

static enum status
skip_value(struct request *q, struct err *e)
{
	struct json_token t;
	enum status s = json_next(&q->json, &t, e);

	return s ? s : json_skip(&q->json, &t, e);
}

/* What reads the value behind a member's name, of which it gets the first 31 bytes. */
typedef enum status read_member(struct request *q, const char *name, void *ctx, struct err *e);

/* The members of an object, behind its '{'. */
static enum status
read_members(struct request *q, read_member *member, void *ctx, struct err *e)
{
	struct json_token t;
	char name[32];
	enum status s;

	while (!(s = json_next(&q->json, &t, e)) && t.type == JSON_KEY) {
		size_t n = t.len < sizeof name ? t.len : sizeof name - 1;

		memcpy(name, t.text, n);
		name[n] = '\0';
		if ((s = member(q, name, ctx, e)))
			break;
	}
	return s;
}

/* An object that begins next. */
static enum status
read_object(struct request *q, const char *what, read_member *member, void *ctx, struct err *e)
{
	struct json_token t;
	enum status s = expect(q, JSON_OBJECT, what, &t, e);

	return s ? s : read_members(q, member, ctx, e);
}

static enum status
tensor_parameter(struct request *q, const char *name, void *ctx, struct err *e)
{
	struct tensor *t = ctx;
	struct json_token v;
	enum status s;

	if (strcmp(name, "binary_data_size"))
		return skip_value(q, e);
	if ((s = expect(q, JSON_NUMBER, "\"binary_data_size\"", &v, e)))
		return s;
	if (!(v.number >= 0 && v.number <= 1e15) || v.number != floor(v.number))
		return err_set(e, ERR_INVALID, "bad_request", "\"binary_data_size\" must be a number of bytes, not %g",
			v.number);
	t->binary = true;
	t->binary_size = (uint64_t)v.number;
	return OK;
}

static enum status
read_shape(struct request *q, struct tensor *t, struct err *e)
{
	struct json_token v;
	enum status s;

	if ((s = expect(q, JSON_ARRAY, "\"shape\"", &v, e)))
		return s;
	for (t->n_dims = 0;; t->n_dims++) {
		if ((s = json_next(&q->json, &v, e)) || v.type == JSON_ARRAY_END)
			return s;
		if (v.type != JSON_NUMBER)
			return bad_request(e, "a dimension of \"shape\"", "a number", &v);
		if (!(v.number >= 0 && v.number <= 4294967295.0) || v.number != floor(v.number))
			return err_set(e, ERR_DATA, "bad_shape", "%g is no dimension of a tensor", v.number);
		if (t->n_dims == 2)
			return err_set(
				e, ERR_DATA, "bad_shape", "tensors of rows have one or two dimensions, not more");
		t->dim[t->n_dims] = (uint64_t)v.number;
	}
}

static enum status
tensor_member(struct request *q, const char *name, void *ctx, struct err *e)
{
	struct tensor *t = ctx;
	struct json_token v;
	enum status s;

	if (!strcmp(name, "name")) {
		if ((s = expect(q, JSON_STRING, "the \"name\" of an input", &v, e)))
			return s;
		free(t->name);
		t->name = strdup(v.text);
		return t->name ? OK : err_nomem(e);
	}
	if (!strcmp(name, "datatype")) {
		if ((s = expect(q, JSON_STRING, "a \"datatype\"", &v, e)))
			return s;
		t->type = tensor_type_named(v.text, v.len);
		return t->type < N_TENSOR_TYPES
			       ? OK
			       : err_set(e, ERR_DATA, "bad_datatype",
					 "the datatype \"%.40s\" is not served; BOOL, INT8 to INT64, UINT8 to UINT64, "
					 "FP32, FP64 and BYTES are",
					 v.text);
	}
	if (!strcmp(name, "shape"))
		return read_shape(q, t, e);
	if (!strcmp(name, "parameters"))
		return read_object(q, "\"parameters\"", tensor_parameter, t, e);
	if (strcmp(name, "data"))
		return skip_value(q, e);
	t->from = q->json.at;
	if ((s = expect(q, JSON_ARRAY, "\"data\"", &v, e)) || (s = json_skip(&q->json, &v, e)))
		return s;
	t->n_from = (size_t)(q->json.at - t->from);
	return OK;
}

static enum status
read_input(struct request *q, struct err *e)
{
	struct tensor *t;
	enum status s;

	if (q->n_inputs == MAX_TENSORS)
		return err_set(e, ERR_TOO_LARGE, "too_many_columns", "over %d input tensors", MAX_TENSORS);
	if (q->n_inputs == q->cap) {
		size_t cap = q->cap ? 2 * q->cap : 16;
		struct tensor *larger = realloc(q->input, cap * sizeof *larger);

		if (!larger)
			return err_nomem(e);
		memset(larger + q->cap, 0, (cap - q->cap) * sizeof *larger);
		q->input = larger;
		q->cap = cap;
	}
	t = &q->input[q->n_inputs++];
	t->type = N_TENSOR_TYPES;
	if ((s = read_members(q, tensor_member, t, e)))
		return s;
	if (!t->name || t->type == N_TENSOR_TYPES || !t->n_dims)
		return err_set(e, ERR_INVALID, "bad_request", "an input needs \"name\", \"shape\" and \"datatype\"");
	if (!t->binary == !t->from)
		return err_set(e, ERR_INVALID, "bad_request",
			"the input \"%.60s\" needs either \"data\" or the parameter \"binary_data_size\"", t->name);
	return OK;
}

static enum status
output_parameter(struct request *q, const char *name, void *ctx, struct err *e)
{
	struct json_token v;
	enum status s;

	if (strcmp(name, "binary_data") && strcmp(name, "binary_data_output"))
		return skip_value(q, e);
	if ((s = json_next(&q->json, &v, e)))
		return s;
	if (v.type != JSON_TRUE && v.type != JSON_FALSE)
		return bad_request(e, "\"binary_data\"", "true or false", &v);
	*(signed char *)ctx = v.type == JSON_TRUE;
	return OK;
}

struct asked { /* one of "outputs" */
	enum output which;
	signed char form;
};

static enum status
output_member(struct request *q, const char *name, void *ctx, struct err *e)
{
	struct asked *asked = ctx;
	struct json_token v;
	enum status s;
	int i = 0;

	if (!strcmp(name, "parameters"))
		return read_object(q, "\"parameters\"", output_parameter, &asked->form, e);
	if (strcmp(name, "name"))
		return skip_value(q, e);
	if ((s = expect(q, JSON_STRING, "the \"name\" of an output", &v, e)))
		return s;
	while (i < N_OUTPUTS && strcmp(outputs[i].name, v.text))
		i++;
	asked->which = (enum output)i;
	return i < N_OUTPUTS ? OK
			     : err_set(e, ERR_INVALID, "unknown_output",
				       "there is no output \"%.60s\"; there are label, probabilities, ood_score, "
				       "ood_p_value, is_ood, ood_attribution and ood_reference_score",
				       v.text);
}

static enum status
read_output(struct request *q, struct err *e)
{
	struct asked asked = {.which = N_OUTPUTS, .form = -1};
	enum status s;

	if ((s = read_members(q, output_member, &asked, e)))
		return s;
	if (asked.which == N_OUTPUTS)
		return err_set(e, ERR_INVALID, "bad_request", "an output needs a \"name\"");
	for (size_t i = 0; i < q->n_wanted; i++)
		if (q->wanted[i] == asked.which)
			return err_set(e, ERR_INVALID, "bad_request", "the output \"%s\" is asked for twice",
				outputs[asked.which].name);
	q->wanted_form[q->n_wanted] = asked.form;
	q->wanted[q->n_wanted++] = asked.which;
	return OK;
}

/* The objects of an array that begins next; `item` reads each, behind its '{'. */
static enum status
read_array(struct request *q, const char *what, enum status (*item)(struct request *q, struct err *e), struct err *e)
{
	struct json_token t;
	enum status s = expect(q, JSON_ARRAY, what, &t, e);

	while (!s && !(s = json_next(&q->json, &t, e)) && t.type != JSON_ARRAY_END)
		s = t.type == JSON_OBJECT ? item(q, e) : bad_request(e, what, "an array of objects", &t);
	return s;
}

static enum status
request_member(struct request *q, const char *name, void *ctx, struct err *e)
{
	struct json_token v;
	signed char all = -1;
	enum status s;

	(void)ctx;
	if (!strcmp(name, "id")) {
		if ((s = json_next(&q->json, &v, e)) || v.type == JSON_NULL)
			return s;
		if (v.type != JSON_STRING)
			return bad_request(e, "\"id\"", "a string", &v);
		free(q->id);
		q->id = strdup(v.text);
		return q->id ? OK : err_nomem(e);
	}
	if (!strcmp(name, "parameters")) {
		s = read_object(q, "\"parameters\"", output_parameter, &all, e);
		q->binary_all = all == 1;
		return s;
	}
	if (!strcmp(name, "inputs")) {
		if (q->has_inputs)
			return err_set(e, ERR_INVALID, "duplicate_key", "the request has \"inputs\" twice");
		q->has_inputs = true;
		return read_array(q, "\"inputs\"", read_input, e);
	}
	return strcmp(name, "outputs") ? skip_value(q, e) : read_array(q, "\"outputs\"", read_output, e);
}

static enum status
read_request(struct request *q, const void *body, size_t n, struct err *e)
{
	struct json_token t;
	enum status s;

	json_reader_init(&q->json, body, n);
	if ((s = read_object(q, "the request", request_member, NULL, e)) || (s = json_next(&q->json, &t, e)))
		return s;
	if (!q->n_inputs)
		return err_set(e, ERR_INVALID, "bad_request", "the request has no \"inputs\"");
	if (!q->n_wanted)
		for (int i = first_output(q->bundle); i < N_USUAL_OUTPUTS; i++) {
			q->wanted_form[i] = -1;
			q->wanted[q->n_wanted++] = (enum output)i;
		}
	return bundle_check_classes(q->bundle, included(q) & INCLUDE_LABELS, e);
}

/* Each binary tensor takes its bytes, in the order of the inputs; nothing may be left. */
static enum status
start_tensors(struct request *q, const void *binary, size_t n, struct err *e)
{
	struct reader rest = reader_over(binary, n);
	enum status s;

	for (size_t i = 0; i < q->n_inputs; i++) {
		struct tensor *t = &q->input[i];
		struct reader own = {0};

		if (t->binary) {
			if (t->binary_size > reader_left(&rest))
				return err_set(e, ERR_SYNTAX, "bad_tensor_size",
					"the input \"%.60s\" is said to have %llu bytes of binary data, and the body "
					"has %zu",
					t->name, (unsigned long long)t->binary_size, reader_left(&rest));
			own = reader_over(rest.p, (size_t)t->binary_size);
			reader_take(&rest, (size_t)t->binary_size);
		}
		if ((s = tensor_start(t, &own, e)))
			return s;
	}
	if (reader_left(&rest))
		return err_set(e, ERR_SYNTAX, "bad_tensor_size",
			"the body has %zu bytes of binary data that belong to no input", reader_left(&rest));
	return OK;
}

/* Rows ------------------------------------------------------------------------------------------------------------ */

static bool
is_column(const struct bundle *b, const char *name)
{
	for (size_t j = 0; j < encoder_n_columns(b->encoder); j++)
		if (!strcmp(encoder_column_name(b->encoder, j), name))
			return true;
	return false;
}

static enum status
declare_matrix(struct request *q, struct err *e)
{
	const struct encoder *c = q->bundle->encoder;
	const struct tensor *t = q->input;
	const char **names = calloc(encoder_n_columns(c) + 1, sizeof *names);
	size_t n = 0;
	enum status s;

	if (!names)
		return err_nomem(e);
	for (size_t j = 0; j < encoder_n_columns(c); j++)
		if (encoder_column_wanted(c, j))
			names[n++] = encoder_column_name(c, j);
	if (t->dim[1] != n)
		s = err_set(e, ERR_DATA, "bad_shape",
			"the rows of \"%.60s\" have %llu columns, and the model needs %zu: its metadata list them",
			t->name, (unsigned long long)t->dim[1], n);
	else
		s = predictor_columns(q->predictor, names, n, e);
	free(names);
	return s;
}

static enum status
declare_columns(struct request *q, struct err *e)
{
	const char **names = calloc(q->n_inputs, sizeof *names);
	enum status s = OK;

	if (!names)
		return err_nomem(e);
	for (size_t i = 0; i < q->n_inputs && !s; i++) {
		const struct tensor *t = &q->input[i];

		names[i] = t->name;
		if (t->n_dims == 2 && t->dim[1] != 1)
			s = err_set(e, ERR_DATA, "bad_shape",
				"the input \"%.60s\" is a column, of shape [n] or [n,1], and not [n,%llu]", t->name,
				(unsigned long long)t->dim[1]);
		else if (t->dim[0] != q->n_rows)
			s = err_set(e, ERR_DATA, "bad_shape",
				"the input \"%.60s\" has %llu rows, and \"%.60s\" has %llu", t->name,
				(unsigned long long)t->dim[0], q->input[0].name, (unsigned long long)q->n_rows);
	}
	if (!s)
		s = predictor_columns(q->predictor, names, q->n_inputs, e);
	free(names);
	return s;
}

static enum status
take_cell(struct request *q, struct tensor *t, size_t column, struct err *e)
{
	struct tensor_cell v;
	enum status s = tensor_next(t, &v, e);

	if (!s && v.kind == TENSOR_CELL_NUMBER)
		s = predictor_cell_number(q->predictor, column, v.number, e);
	else if (!s && v.kind == TENSOR_CELL_TEXT)
		s = predictor_cell_text(q->predictor, column, v.text, v.len, e);
	return s;
}

/* Answers --------------------------------------------------------------------------------------------------------- */

static bool
is_binary(const struct request *q, size_t i)
{
	return q->wanted_form[i] >= 0 ? q->wanted_form[i] == 1 : q->binary_all;
}

static void
put_float(struct buf *out, bool binary, float v)
{
	char text[32];

	if (binary) {
		buf_put_f32(out, v);
		return;
	}
	buf_puts(out, out->len ? "," : "");
	buf_put(out, text, number_format_float(text, v));
}

static void
put_answer(const struct bundle *b, enum output which, bool binary, const struct answers *a, size_t i, struct buf *out)
{
	const char *label = a->label ? b->label[a->label[i]] : "";

	switch (which) {
	case LABEL:
		if (binary) {
			buf_put_text(out, label, strlen(label));
		} else {
			buf_puts(out, out->len ? "," : "");
			json_put_string(out, label);
		}
		break;
	case PROBABILITIES:
		for (size_t k = 0; k < a->n_classes; k++)
			put_float(out, binary, a->probability[i * a->n_classes + k]);
		break;
	case OOD_SCORE:
		put_float(out, binary, (float)a->score[i]);
		break;
	case OOD_P_VALUE:
		put_float(out, binary, (float)a->p_value[i]);
		break;
	case REFERENCE_SCORE:
		put_float(out, binary, (float)a->reference[i]);
		break;
	case ATTRIBUTION:
		for (size_t j = 0, n = encoder_n_columns(b->encoder); j < n; j++)
			if (encoder_column_used(b->encoder, j))
				put_float(out, binary, (float)a->attribution[i * n + j]);
		break;
	default:
		if (binary)
			buf_put_u8(out, a->is_ood[i]);
		else
			buf_puts(out, a->is_ood[i] ? (out->len ? ",true" : "true") : (out->len ? ",false" : "false"));
	}
}

static enum status
collect_answers(struct request *q, struct err *e)
{
	struct answers a;
	uint64_t total = 0;
	enum status s;

	if ((s = predictor_answer(q->predictor, included(q), &a, e)))
		return s;
	for (size_t w = 0; w < q->n_wanted; w++) {
		for (size_t i = 0; i < a.n; i++)
			put_answer(q->bundle, q->wanted[w], is_binary(q, w), &a, i, &q->column[w]);
		if ((s = buf_status(&q->column[w], e)))
			return s;
		total += q->column[w].len;
	}
	return answers_fit(total, q->max_answers, e);
}

static enum status
answer_rows(struct request *q, struct err *e)
{
	enum status s = attributions_fit(included(q), q->n_rows, e);

	for (uint64_t row = 1; row <= q->n_rows && !s; row++) {
		if (predictor_full(q->predictor) && (s = collect_answers(q, e)))
			return s;
		s = predictor_begin_row(q->predictor, row, e);
		for (size_t i = 0; i < (q->matrix ? q->input->dim[1] : q->n_inputs) && !s; i++)
			s = take_cell(q, &q->input[q->matrix ? 0 : i], i, e);
		if (s)
			return err_prefix(e, "row %llu", (unsigned long long)row);
	}
	for (size_t i = 0; i < q->n_inputs && !s; i++)
		s = tensor_finish(&q->input[i], e);
	return s ? s : collect_answers(q, e);
}

static enum status
put_warnings(struct request *q, struct buf *out, struct err *e)
{
	struct warning *list = NULL;
	size_t n = 0;
	enum status s;

	if ((s = predictor_warnings(q->predictor, &list, &n, e)))
		return s;
	buf_puts(out, n ? ",\"parameters\":{\"warnings\":" : "");
	/* A parameter is a string, a number or a bool: so many warnings go into one text. */
	if (n) {
		struct buf text = {0};

		for (size_t i = 0; i < n; i++)
			buf_printf(&text, "%s%s; column=\"%s\"; count=%zu", i ? ", " : "", list[i].code, list[i].column,
				list[i].count);
		buf_put_u8(&text, 0);
		if (!text.failed)
			json_put_string(out, (const char *)text.data);
		out->failed |= text.failed;
		buf_release(&text);
		buf_puts(out, "}");
	}
	free(list);
	return OK;
}

/* An output's description up to its number of rows, and what follows that: piece by piece, since every answer has some
 * and printf spends more on them than all else here does. */
static void
put_head(enum output which, bool first, struct buf *out)
{
	buf_puts(out, first ? "{\"name\":\"" : ",{\"name\":\"");
	buf_puts(out, outputs[which].name);
	buf_puts(out, "\",\"datatype\":\"");
	buf_puts(out, tensor_type_name(outputs[which].type));
	buf_puts(out, "\",\"shape\":[");
}

static void
put_width(const struct bundle *b, enum output which, struct buf *out)
{
	size_t width = output_width(b, which);

	if (!width)
		return;
	buf_puts(out, ",");
	buf_put_count(out, width);
}

static enum status
put_reply(struct request *q, const struct oip_names *names, struct buf *out, size_t *out_json_size, struct err *e)
{
	size_t from = out->len;
	bool binary = false;
	enum status s;

	buf_puts(out, "{\"model_name\":");
	json_put_string(out, names->model);
	if (names->version) {
		buf_puts(out, ",\"model_version\":");
		json_put_string(out, names->version);
	}
	if (q->id) {
		buf_puts(out, ",\"id\":");
		json_put_string(out, q->id);
	}
	if ((s = put_warnings(q, out, e)))
		return s;
	buf_puts(out, ",\"outputs\":[");
	for (size_t w = 0; w < q->n_wanted; w++) {
		enum output which = q->wanted[w];

		put_head(which, w == 0, out);
		buf_put_count(out, q->n_rows);
		put_width(q->bundle, which, out);
		if (is_binary(q, w)) {
			buf_puts(out, "],\"parameters\":{\"binary_data_size\":");
			buf_put_count(out, q->column[w].len);
			buf_puts(out, "}}");
			binary = true;
		} else {
			buf_puts(out, "],\"data\":[");
			buf_put(out, q->column[w].data, q->column[w].len);
			buf_puts(out, "]}");
		}
	}
	buf_puts(out, "]}");
	*out_json_size = binary ? out->len - from : SIZE_MAX;
	for (size_t w = 0; w < q->n_wanted; w++)
		if (is_binary(q, w))
			buf_put(out, q->column[w].data, q->column[w].len);
	return buf_status(out, e);
}

enum status
oip_infer(const struct bundle *b, const struct oip_names *names, const void *body, size_t n, size_t json_size,
	uint64_t max_answers, struct buf *out, size_t *out_json_size, struct err *e)
{
	struct request q = {.bundle = b, .max_answers = max_answers};
	size_t before = out->len, n_json = json_size == SIZE_MAX ? n : json_size;
	enum status s;

	if (n_json > n)
		return err_set(e, ERR_SYNTAX, "bad_tensor_size",
			"the header says that %zu bytes of the body are JSON, and it has %zu", n_json, n);
	if ((s = read_request(&q, body, n_json, e)) ||
		(s = start_tensors(&q, (const unsigned char *)body + n_json, n - n_json, e)) ||
		(s = predictor_new(b, &q.predictor, e)))
		goto out;
	q.n_rows = q.input->dim[0];
	q.matrix = q.n_inputs == 1 && q.input->n_dims == 2 && !is_column(b, q.input->name);
	if (!q.n_rows) {
		s = err_set(e, ERR_DATA, "no_rows", "the inputs have no rows: there is nothing to predict");
		goto out;
	}
	if ((s = q.matrix ? declare_matrix(&q, e) : declare_columns(&q, e)) || (s = answer_rows(&q, e)))
		goto out;
	s = put_reply(&q, names, out, out_json_size, e);
out:
	if (s)
		out->len = before;
	request_release(&q);
	return s;
}

/* Metadata -------------------------------------------------------------------------------------------------------- */

void
oip_metadata(const struct bundle *b, const char *name, const char *const *versions, size_t n, struct buf *out)
{
	const struct encoder *c = b->encoder;
	bool first = true;

	buf_puts(out, "{\"name\":");
	json_put_string(out, name);
	buf_puts(out, ",\"versions\":[");
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i ? "," : "");
		json_put_string(out, versions[i]);
	}
	buf_puts(out, "],\"platform\":\"verad\",\"inputs\":[");
	for (size_t j = 0; j < encoder_n_columns(c); j++) {
		if (!encoder_column_wanted(c, j))
			continue;
		buf_puts(out, first ? "{\"name\":" : ",{\"name\":");
		json_put_string(out, encoder_column_name(c, j));
		buf_printf(out, ",\"datatype\":\"%s\",\"shape\":[-1]}",
			encoder_column_type(c, j) != COLUMN_NUMBER ? "BYTES" : "FP32");
		first = false;
	}
	buf_puts(out, "],\"outputs\":[");
	for (int i = first_output(b); i < N_OUTPUTS; i++) {
		put_head((enum output)i, i == first_output(b), out);
		buf_puts(out, "-1");
		put_width(b, (enum output)i, out);
		buf_puts(out, "]}");
	}
	buf_puts(out, "],\"classes\":[");
	for (size_t k = 0; k < b->n_classes; k++) {
		buf_puts(out, k ? "," : "");
		json_put_string(out, b->label[k]);
	}
	buf_puts(out, "],\"attributed_columns\":[");
	first = true;
	for (size_t j = 0; j < encoder_n_columns(c); j++) {
		if (!encoder_column_used(c, j))
			continue;
		buf_puts(out, first ? "" : ",");
		json_put_string(out, encoder_column_name(c, j));
		first = false;
	}
	buf_puts(out, "]}");
}
