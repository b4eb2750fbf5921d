/*
 * export: the bytes of ONNX and safetensors files, read by readers of a few lines of their own. Whether other programs
 * get verad's answers from them is tests/export.sh's to say.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "engine/kernel.h"
#include "schema/export.h"
#include "schema/scale.h"
#include "tests/unit/tiny_bundle.h"

static struct err err;

/* Models ---------------------------------------------------------------------------------------------------------- */

/* Nothing in it is calculated, so that its bytes are the same on every processor. */
static struct bundle *
plain_bundle(size_t n_classes)
{
	static const double reference[] = {-3, -1.5, 0.25, 2, 7};
	struct bundle *b = tiny_bundle_of(n_classes, &err);

	assert_non_null(b);
	assert_int_equal(model_set_reference(b->model, OOD_ENERGY, reference, 5, 0.2, &err), OK);
	return b;
}

/* A blend with a bias over a base measure of so many directions. */
static struct bundle *
rich_bundle(size_t n_classes, size_t rank)
{
	static const double bias[] = {0.5, -0.25, 0}, share[] = {1, 3}, noise[] = {0.5, 2};
	struct bundle *b = plain_bundle(n_classes);
	const size_t d = model_n_features(b->model);
	double mean[64], factor[1024];
	struct warp *warp = NULL;

	assert_true(2 * d <= 64 && 2 * rank * d <= 1024 && rank <= d);
	for (size_t i = 0; i < 2 * d; i++)
		mean[i] = (double)(i % 5) / 4 - 0.5;
	for (size_t i = 0; i < 2 * rank * d; i++)
		factor[i] = (double)(i * 7 % 11) / 10 - 0.5;
	assert_int_equal(
		model_add_member(b->model, &b->model->member[0].shape, b->model->member[0].weights, 0.75, &err), OK);
	b->model->member[0].doubt = 0.05;
	b->model->member[1].doubt = 0.01;
	b->model->member[1].conditional = true;
	assert_int_equal(warp_new(1, &warp, &err), OK);
	for (size_t i = 0; i < WARP_POINTS; i++)
		warp->at[i] = (real)(i * i % 17) / 16;
	assert_int_equal(model_set_warp(b->model, 1, warp, &err), OK);
	free(warp);
	assert_int_equal(model_set_bias(b->model, bias, &err), OK);
	assert_int_equal(mixture_new(2, d, rank, share, mean, factor, noise, &b->model->base, &err), OK);
	return b;
}

/* Of columns called as it likes, scaled as it likes, without a label. */
static struct bundle *
named_bundle(const char *const *names, const enum column_type *types, size_t n, enum scaling scaling)
{
	const struct encoder_options o = {scaling, 3, 1};
	struct bundle *b = calloc(1, sizeof *b);
	struct net_shape shape = {.n_layers = 1, .size = {0, 1}};
	struct table t = {0};
	real weights[64] = {1};
	char text[16];

	assert_non_null(b);
	assert_int_equal(table_init(&t, names, types, n, &err), OK);
	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(table_add_row(&t, &err), OK);
		for (size_t j = 0; j < n; j++) {
			snprintf(text, sizeof text, "%zu", i * (j + 3) % 7);
			if (types[j] == COLUMN_NUMBER)
				table_set_number(&t, j, i, exp((double)(i * (j + 7) % 101) / 20));
			else
				assert_int_equal(table_set_text(&t, j, i, text, strlen(text), &err), OK);
		}
	}
	assert_int_equal(encoder_new(&o, names, types, n, NULL, &b->encoder, &err), OK);
	assert_int_equal(encoder_observe(b->encoder, &t, NULL, &err), OK);
	assert_int_equal(encoder_finish(b->encoder, &err), OK);
	table_release(&t);
	shape.size[0] = encoder_n_features(b->encoder);
	assert_true(shape.size[0] < 64);
	assert_int_equal(model_new(&shape, weights, &b->model, &err), OK);
	b->report = strdup("{}");
	return b;
}

static void
export_to(const struct bundle *b, enum export_format format, struct buf *out)
{
	assert_int_equal(export_write(b, format, EXPORT_MAX_BYTES, out, &err), OK);
}

/* A reader of protocol buffers ------------------------------------------------------------------------------------ */

struct message {
	const unsigned char *at, *end;
};

struct field {
	unsigned number;
	uint64_t value;        /* of a varint */
	struct message inside; /* of one with a length */
};

static uint64_t
read_varint(struct message *m)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		assert_true(m->at < m->end && shift < 64);
		v |= (uint64_t)(*m->at & 0x7f) << shift;
		if (!(*m->at++ & 0x80))
			return v;
	}
}

static bool
next_field(struct message *m, struct field *f)
{
	uint64_t tag, n;

	if (m->at == m->end)
		return false;
	tag = read_varint(m);
	*f = (struct field){.number = (unsigned)(tag >> 3)};
	switch (tag & 7) {
	case 0:
		f->value = read_varint(m);
		break;
	case 2:
		n = read_varint(m);
		assert_true(n <= (uint64_t)(m->end - m->at));
		f->inside = (struct message){m->at, m->at + n};
		m->at += n;
		break;
	default:
		assert_int_equal(tag & 7, 5);
		assert_true(m->end - m->at >= 4);
		m->at += 4;
	}
	return true;
}

static const char *
text_of(struct message m, char out[static 128])
{
	size_t n = (size_t)(m.end - m.at);

	assert_true(n < 128);
	memcpy(out, m.at, n);
	out[n] = '\0';
	return out;
}

/* The text of a message's field. */
static const char *
text_in(struct message m, unsigned number, char out[static 128])
{
	struct field f;

	while (next_field(&m, &f))
		if (f.number == number)
			return text_of(f.inside, out);
	return strcpy(out, "");
}

/* Graphs ---------------------------------------------------------------------------------------------------------- */

struct graph {
	struct dictionary value; /* constants, inputs, and what nodes have made so far */
	char outputs[512];       /* "name:type:dimensions;" each */
	char inputs[512];
	size_t n_nodes;
	double threshold;
};

static void
make_value(struct graph *g, const char *name)
{
	uint32_t code;
	size_t n = g->value.n;

	assert_true(*name != '\0');
	assert_int_equal(dictionary_add(&g->value, name, strlen(name), &code, &err), OK);
	if (code != n)
		fail_msg("two values are called %s", name);
}

static void
read_constant(struct graph *g, struct message m)
{
	size_t n = 1, size = 0, n_bytes = 0, n_texts = 0;
	const unsigned char *bytes = NULL;
	struct message tensor = m;
	struct field f;
	char name[128];

	while (next_field(&tensor, &f)) {
		if (f.number == 1)
			n *= (size_t)f.value;
		else if (f.number == 2)
			size = f.value == 1 ? 4 : f.value == 7 || f.value == 11 ? 8 : 0;
		else if (f.number == 6)
			n_texts++;
		else if (f.number == 9) {
			bytes = f.inside.at;
			n_bytes = (size_t)(f.inside.end - f.inside.at);
		}
	}
	text_in(m, 8, name);
	assert_int_equal(n_bytes, n * size);
	assert_int_equal(n_texts, size ? 0 : n);
	if (!strcmp(name, "verad.threshold") && bytes)
		memcpy(&g->threshold, bytes, sizeof g->threshold);
	make_value(g, name);
}

static void
read_node(struct graph *g, struct message m)
{
	static const char *const known[] = {"Abs", "Add", "ArgMax", "Cast", "Clip", "Concat", "Div", "Equal", "Floor",
		"Gather", "GatherElements", "Gemm", "Greater", "GreaterOrEqual", "Identity", "IsNaN", "LabelEncoder",
		"LeakyRelu", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "OneHot", "Or",
		"ReduceLogSumExp", "ReduceMax", "ReduceSum", "ReduceSumSquare", "Reshape", "Sigmoid", "Sin", "Softmax",
		"Softplus", "Sqrt", "Squeeze", "Sub", "Unsqueeze", "Where"};
	struct message node = m;
	struct field f;
	char text[128];
	size_t k = 0, n_inputs = 0;
	bool ml;

	g->n_nodes++;
	text_in(m, 4, text);
	while (k < sizeof known / sizeof *known && strcmp(text, known[k]))
		k++;
	if (k == sizeof known / sizeof *known)
		fail_msg("an operator that nobody has tried: %s", text);
	ml = !strcmp(text, "LabelEncoder");
	assert_string_equal(text_in(m, 7, text), ml ? "ai.onnx.ml" : "");
	while (next_field(&node, &f))
		if (f.number == 1) {
			n_inputs++;
			text_of(f.inside, text);
			if (dictionary_find(&g->value, text, strlen(text)) == TABLE_MISSING)
				fail_msg("%s is used before it is there", text);
		}
	assert_true(n_inputs > 0);
	make_value(g, text_in(m, 2, text));
}

/* "name:type:dimensions;" behind what `out` has. */
static void
describe(struct message info, char *out, size_t size)
{
	struct message type, shape;
	struct field f;
	char text[128];
	size_t at = strlen(out);

	at += (size_t)snprintf(out + at, size - at, "%s:", text_in(info, 1, text));
	while (next_field(&info, &f) && f.number != 2) {
	}
	assert_int_equal(f.number, 2);
	type = f.inside;
	assert_true(next_field(&type, &f) && f.number == 1);
	type = f.inside;
	while (next_field(&type, &f)) {
		if (f.number == 1)
			at += (size_t)snprintf(out + at, size - at, "%d:", (int)f.value);
		if (f.number != 2)
			continue;
		shape = f.inside;
		while (next_field(&shape, &f)) {
			struct message dim = f.inside;

			assert_true(next_field(&dim, &f));
			if (f.number == 1)
				at += (size_t)snprintf(out + at, size - at, "%d,", (int)f.value);
			else
				at += (size_t)snprintf(out + at, size - at, "%s,", text_of(f.inside, text));
		}
	}
	at += (size_t)snprintf(out + at, size - at, ";");
	assert_true(at < size);
}

/* Every value has one name, and is there before it is used; sizes are as said. */
static void
read_graph(struct message m, struct graph *g)
{
	struct message again = m;
	struct field f;
	char text[128];

	while (next_field(&again, &f)) {
		if (f.number == 5)
			read_constant(g, f.inside);
		if (f.number == 11) {
			make_value(g, text_in(f.inside, 1, text));
			describe(f.inside, g->inputs, sizeof g->inputs);
		}
	}
	while (next_field(&m, &f)) {
		if (f.number == 1)
			read_node(g, f.inside);
		if (f.number == 12) {
			text_in(f.inside, 1, text);
			assert_true(dictionary_find(&g->value, text, strlen(text)) != TABLE_MISSING);
			describe(f.inside, g->outputs, sizeof g->outputs);
		}
	}
}

/* metadata: "key=text;" of the short ones. */
static void
read_model(const struct buf *bytes, struct graph *g, char *metadata, size_t size)
{
	struct message m = {bytes->data, bytes->data + bytes->len};
	struct field f;
	char key[128], text[128];
	int seen = 0;

	memset(g, 0, sizeof *g);
	*metadata = '\0';
	while (next_field(&m, &f)) {
		if (f.number == 1)
			assert_int_equal(f.value, 8);
		if (f.number == 7) {
			read_graph(f.inside, g);
			seen++;
		}
		if (f.number == 14) {
			struct message value = f.inside, entry = f.inside;

			text_in(entry, 1, key);
			assert_true(next_field(&value, &f) && next_field(&value, &f) && f.number == 2);
			if (f.inside.end - f.inside.at < 100)
				snprintf(metadata + strlen(metadata), size - strlen(metadata), "%s=%s;", key,
					text_of(f.inside, text));
		}
	}
	assert_int_equal(seen, 1);
}

static void
assert_graph(const struct bundle *b, const char *inputs, const char *outputs)
{
	struct buf bytes = {0};
	struct graph g;
	char metadata[512];

	export_to(b, EXPORT_ONNX, &bytes);
	read_model(&bytes, &g, metadata, sizeof metadata);
	if (inputs)
		assert_string_equal(g.inputs, inputs);
	assert_string_equal(g.outputs, outputs);
	assert_true(g.n_nodes > 10);
	dictionary_release(&g.value);
	buf_release(&bytes);
}

/* ONNX ------------------------------------------------------------------------------------------------------------ */

#define SCORES "ood_score:1:N,;ood_p_value:1:N,;is_ood:9:N,;"
#define TINY_INPUTS "x:11:N,1,;size:11:N,1,;colour:8:N,1,;fixed:11:N,1,;"

static void
a_graph_has_the_columns_that_rows_must_have_and_all_answers(void **state)
{
	struct bundle *b = plain_bundle(3);
	struct buf bytes = {0};
	char metadata[512];
	struct graph g;

	(void)state;
	assert_graph(b, TINY_INPUTS, "label:8:N,;probabilities:1:N,3,;" SCORES);
	export_to(b, EXPORT_ONNX, &bytes);
	read_model(&bytes, &g, metadata, sizeof metadata);
	assert_true(g.threshold == 2); /* one of the five scores lies above it */
	assert_string_equal(metadata,
		"classes=[\"plain\",\"a,\\\"b\\\"\\u000a\",\"\xc3\xa9t\xc3\xa9\"];label_column=label;"
		"ood_score=energy;target_fpr=0.2;report=" TINY_REPORT ";");
	dictionary_release(&g.value);
	buf_release(&bytes);
	bundle_free(b);
}

static void
a_model_without_classes_has_scores_alone(void **state)
{
	struct bundle *b = plain_bundle(0);

	(void)state;
	assert_graph(b, TINY_INPUTS, SCORES);
	bundle_free(b);
}

static void
every_kind_of_score_and_base_measure_makes_a_sound_graph(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < N_OOD_SCORES; kind++) {
		struct bundle *without = plain_bundle(2);
		const size_t d = model_n_features(without->model), ranks[] = {0, 2, d};

		without->model->ood_score = kind;
		assert_graph(without, TINY_INPUTS, "label:8:N,;probabilities:1:N,2,;" SCORES);
		bundle_free(without);
		for (size_t i = 0; i < 3; i++) {
			struct bundle *b = rich_bundle(3, ranks[i]);

			b->model->ood_score = kind;
			assert_graph(b, TINY_INPUTS, "label:8:N,;probabilities:1:N,3,;" SCORES);
			bundle_free(b);
		}
	}
}

static void
every_scaling_makes_a_sound_graph(void **state)
{
	static const char *const names[] = {"a", "b", "c"};
	static const enum column_type numbers[] = {COLUMN_NUMBER, COLUMN_NUMBER, COLUMN_NUMBER};
	static const enum column_type texts[] = {COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT};

	(void)state;
	for (size_t scaling = 0; scaling < N_SCALINGS; scaling++) {
		struct bundle *b = named_bundle(names, numbers, 3, (enum scaling)scaling);

		assert_graph(b, "a:11:N,1,;b:11:N,1,;c:11:N,1,;", SCORES);
		bundle_free(b);
		b = named_bundle(names, texts, 3, (enum scaling)scaling);
		assert_graph(b, "a:8:N,1,;b:8:N,1,;c:8:N,1,;", SCORES);
		bundle_free(b);
	}
}

static void
a_graph_knows_what_stood_for_a_missing_cell(void **state)
{
	struct bundle *b = plain_bundle(0);
	struct buf bytes = {0};
	struct graph g;
	char metadata[512];

	(void)state;
	export_to(b, EXPORT_ONNX, &bytes);
	read_model(&bytes, &g, metadata, sizeof metadata);
	dictionary_release(&g.value);
	assert_null(strstr(metadata, "reading"));
	buf_clear(&bytes);
	assert_int_equal(reading_from_json("{\"na_values\":[\"-999\",\"red\",\"no\"]}", &b->reading, &err), OK);
	export_to(b, EXPORT_ONNX, &bytes);
	read_model(&bytes, &g, metadata, sizeof metadata);
	assert_int_not_equal(dictionary_find(&g.value, "verad.missing_0", 15), TABLE_MISSING);
	assert_non_null(strstr(metadata, "reading"));
	dictionary_release(&g.value);
	buf_release(&bytes);
	bundle_free(b);
}

static void
columns_may_be_called_like_anything_that_an_export_makes(void **state)
{
	static const char *const names[] = {
		"is_ood", "is_ood_", "ood_score", "verad.threshold", "verad_.Concat_2", "N"};
	static const enum column_type types[] = {
		COLUMN_NUMBER, COLUMN_TEXT, COLUMN_TEXT, COLUMN_NUMBER, COLUMN_NUMBER, COLUMN_TEXT};
	struct bundle *b = named_bundle(names, types, 6, SCALING_QUANTILE);

	(void)state;
	assert_graph(b,
		"is_ood:11:N,1,;is_ood_:8:N,1,;ood_score:8:N,1,;verad.threshold:11:N,1,;verad_.Concat_2:11:N,1,;"
		"N:8:N,1,;",
		"ood_score_:1:N,;ood_p_value:1:N,;is_ood__:9:N,;");
	bundle_free(b);
}

/* Bytes ----------------------------------------------------------------------------------------------------------- */

/* A change of these numbers is a change of the files that others have made: look at tests/export.sh first. */
static void
the_bytes_are_those_they_have_always_been(void **state)
{
	static const struct {
		enum export_format format;
		size_t n_classes;
		uint64_t checksum;
	} want[] = {
		{EXPORT_ONNX, 3, 0xb0fa7368e7a04fa4u},
		{EXPORT_ONNX, 0, 0xf829673abb5b46c8u},
		{EXPORT_SAFETENSORS, 3, 0x9d520a6dfb0da88bu},
		{EXPORT_SAFETENSORS, 0, 0x666d52413dacc414u},
	};

	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct bundle *b = plain_bundle(want[i].n_classes);
		struct buf bytes = {0};

		export_to(b, want[i].format, &bytes);
		if (checksum64(bytes.data, bytes.len) != want[i].checksum)
			fail_msg("case %zu: 0x%016llx, %zu bytes", i,
				(unsigned long long)checksum64(bytes.data, bytes.len), bytes.len);
		buf_release(&bytes);
		bundle_free(b);
	}
}

static void
what_is_read_back_is_exported_the_same(void **state)
{
	struct bundle *b = rich_bundle(3, 2), *again = NULL;
	struct buf stored = {0}, first = {0}, second = {0};

	(void)state;
	assert_int_equal(bundle_write(b, &stored, &err), OK);
	assert_int_equal(bundle_read(stored.data, stored.len, &again, &err), OK);
	for (size_t k = 0; k < N_EXPORT_FORMATS; k++) {
		buf_clear(&first);
		buf_clear(&second);
		export_to(b, (enum export_format)k, &first);
		export_to(again, (enum export_format)k, &second);
		assert_int_equal(first.len, second.len);
		assert_memory_equal(first.data, second.data, first.len);
	}
	buf_release(&stored);
	buf_release(&first);
	buf_release(&second);
	bundle_free(b);
	bundle_free(again);
}

static void
what_is_too_large_is_refused_and_leaves_nothing(void **state)
{
	struct bundle *b = rich_bundle(3, 2);

	(void)state;
	for (size_t k = 0; k < N_EXPORT_FORMATS; k++) {
		struct buf whole = {0}, out = {0};
		size_t n_refused = 0;

		export_to(b, (enum export_format)k, &whole);
		buf_puts(&out, "before");
		for (size_t max = 0; max < whole.len; max += 97) {
			out.len = 6;
			if (!export_write(b, (enum export_format)k, max, &out, &err)) {
				assert_int_equal(
					out.len, 6 + whole.len); /* what is around the numbers is not counted */
				continue;
			}
			assert_int_equal(err.status, ERR_TOO_LARGE);
			assert_string_equal(err.code, "export_too_large");
			assert_int_equal(out.len, 6);
			n_refused++;
		}
		assert_true(n_refused > whole.len / 97 / 2);
		buf_release(&whole);
		buf_release(&out);
	}
	bundle_free(b);
}

/* safetensors ----------------------------------------------------------------------------------------------------- */

struct tensors {
	cJSON *header;
	const unsigned char *data;
	size_t n;
};

/* One tensor after the other, each as long as its shape says, and nothing behind them. */
static void
read_tensors(const struct buf *bytes, struct tensors *t)
{
	struct reader in = reader_over(bytes->data, bytes->len);
	size_t n = reader_u64(&in), end = 0;
	const cJSON *item, *size;

	assert_true(n % 8 == 0 && n <= reader_left(&in));
	t->header = cJSON_ParseWithLength((const char *)reader_take(&in, n), n);
	assert_non_null(t->header);
	t->data = in.p;
	t->n = reader_left(&in);
	cJSON_ArrayForEach(item, t->header)
	{
		const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
		size_t count;

		if (!strcmp(item->string, "__metadata__"))
			continue;
		count = strcmp(cJSON_GetObjectItemCaseSensitive(item, "dtype")->valuestring, "F64") ? 4 : 8;
		cJSON_ArrayForEach(size, cJSON_GetObjectItemCaseSensitive(item, "shape"))
			count *= (size_t)size->valuedouble;
		assert_int_equal((size_t)offsets->child->valuedouble, end);
		end += count;
		assert_int_equal((size_t)offsets->child->next->valuedouble, end);
	}
	assert_int_equal(end, t->n);
}

static const void *
tensor(const struct tensors *t, const char *name, const char *type, size_t n_bytes)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(t->header, name), *offsets;

	if (!item)
		fail_msg("there is no tensor %s", name);
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(item, "dtype")->valuestring, type);
	offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets")->child;
	assert_int_equal((size_t)(offsets->next->valuedouble - offsets->valuedouble), n_bytes);
	return t->data + (size_t)offsets->valuedouble;
}

static void
tensors_hold_every_number_of_the_model(void **state)
{
	struct bundle *b = rich_bundle(3, 2);
	const struct model *m = b->model;
	const struct net_shape *s = &m->member[0].shape;
	const struct scale *scale = encoder_column_features(b->encoder, 1).scale;
	const size_t n_first = s->size[1] * s->size[0];
	struct buf bytes = {0};
	struct tensors t;
	char *text;

	(void)state;
	export_to(b, EXPORT_SAFETENSORS, &bytes);
	read_tensors(&bytes, &t);
	assert_memory_equal(
		tensor(&t, "network.1.layer.0.weight", "F32", 4 * n_first), m->member[1].weights, 4 * n_first);
	assert_memory_equal(
		tensor(&t, "network.0.layer.1.bias", "F32", 12), m->member[0].weights + net_biases_at(s, 1), 12);
	assert_memory_equal(tensor(&t, "network.weight", "F64", 16), ((const double[]){1, 0.75}), 16);
	assert_memory_equal(tensor(&t, "network.conditional", "F64", 16), ((const double[]){0, 1}), 16);
	assert_memory_equal(tensor(&t, "network.doubt", "F64", 16), ((const double[]){0.05, 0.01}), 16);
	assert_memory_equal(tensor(&t, "bias", "F64", 24), m->bias, 24);
	assert_memory_equal(tensor(&t, "base.weight", "F64", 16), ((const double[]){0.25, 0.75}), 16);
	assert_memory_equal(tensor(&t, "reference.energy", "F64", 40), m->reference[OOD_ENERGY].score, 40);
	assert_memory_equal(tensor(&t, "threshold", "F64", 8), &m->reference[OOD_ENERGY].threshold, 8);
	assert_memory_equal(tensor(&t, "column.size.median", "F64", 8), &scale->median, 8);
	assert_memory_equal(tensor(&t, "column.size.divisor", "F64", 8), &scale->divisor, 8);
	text = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(t.header, "__metadata__"), "columns")
		       ->valuestring;
	assert_non_null(strstr(text, "\"categories\":[\"blue\",\"green\",\"red\"]"));
	cJSON_Delete(t.header);
	buf_release(&bytes);
	bundle_free(b);
}

static void
tensors_of_awkward_columns_are_told_apart(void **state)
{
	static const char *const names[] = {"a", "a.knots", "\"q\"\n\xc3\xa9"};
	static const enum column_type types[] = {COLUMN_NUMBER, COLUMN_NUMBER, COLUMN_NUMBER};
	struct bundle *b = named_bundle(names, types, 3, SCALING_QUANTILE);
	const struct scale *scale = encoder_column_features(b->encoder, 1).scale;
	struct buf bytes = {0};
	struct tensors t;

	(void)state;
	export_to(b, EXPORT_SAFETENSORS, &bytes);
	read_tensors(&bytes, &t);
	assert_memory_equal(
		tensor(&t, "column.a.knots.knots", "F64", 8 * scale->n_knots), scale->knot, 8 * scale->n_knots);
	assert_memory_equal(
		tensor(&t, "column.a.knots.scores", "F64", 8 * scale->n_knots), scale->score, 8 * scale->n_knots);
	tensor(&t, "column.\"q\"\n\xc3\xa9.run", "F64", 16);
	cJSON_Delete(t.header);
	buf_release(&bytes);
	bundle_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_graph_has_the_columns_that_rows_must_have_and_all_answers),
		cmocka_unit_test(a_model_without_classes_has_scores_alone),
		cmocka_unit_test(every_kind_of_score_and_base_measure_makes_a_sound_graph),
		cmocka_unit_test(every_scaling_makes_a_sound_graph),
		cmocka_unit_test(a_graph_knows_what_stood_for_a_missing_cell),
		cmocka_unit_test(columns_may_be_called_like_anything_that_an_export_makes),
		cmocka_unit_test(the_bytes_are_those_they_have_always_been),
		cmocka_unit_test(what_is_read_back_is_exported_the_same),
		cmocka_unit_test(what_is_too_large_is_refused_and_leaves_nothing),
		cmocka_unit_test(tensors_hold_every_number_of_the_model),
		cmocka_unit_test(tensors_of_awkward_columns_are_told_apart),
	};

	if (kernel_init(&err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
