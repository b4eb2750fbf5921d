/*
 * The same row gets the same answer by every way in: random tables of numbers and texts, with cells missing and
 * categories never seen, as CSV, as JSON in all its shapes, and as tensors in JSON and in bytes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "schema/answers_json.h"
#include "schema/csv.h"
#include "schema/oip.h"
#include "tests/unit/tiny_bundle.h"

enum { MAX_COLUMNS = 9, N_CLASSES = 3, TRAIN_ROWS = 150, MAX_ROWS = 1500 };

static struct err err;
static uint64_t state_of_chance;

static uint64_t
chance(uint64_t n) /* splitmix64 */
{
	uint64_t z = state_of_chance += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % n;
}

/* ---- a random table, and a model of it --------------------------------------------------------------------------- */

static const char *const labels[N_CLASSES] = {"a", "b", "c"};
static const char *const names[MAX_COLUMNS + 1] = {
	"x", "two words", "\"quoted\", a", "\xe6\x97\xa5", "back\\slash", "tab\tbed", "y", "7", "colour", "label"};

struct scene {
	size_t n_columns;
	bool text[MAX_COLUMNS], number_like[MAX_COLUMNS]; /* texts that look like numbers */
	struct bundle *bundle;
	size_t n_rows;
	bool missing[MAX_ROWS][MAX_COLUMNS]; /* null, or empty */
	bool listed[MAX_ROWS][MAX_COLUMNS];  /* written as one of the values that stand for a missing cell */
	float number[MAX_ROWS][MAX_COLUMNS];
	char cell[MAX_ROWS][MAX_COLUMNS][32];
};

static float
random_number(void)
{
	switch (chance(6)) {
	case 0:
		return (float)chance(10);
	case 1:
		return (float)chance(1000000) / 128 - 3000;
	case 2:
		return 1e30f;
	case 3:
		return -1e-30f;
	default:
		return (float)chance(1 << 20) / (1 << 18);
	}
}

static void
random_text(bool number_like, bool seen, char out[32])
{
	static const char *const words[] = {"red", "green", "b\xc3\xa9", "a, \"b\"", " spaces ", "line\nfeed", "NULL"};

	if (number_like)
		snprintf(out, 32, "%03d", (int)chance(seen ? 5 : 9));
	else if (seen || chance(3))
		snprintf(out, 32, "%s", words[chance(sizeof words / sizeof *words)]);
	else
		snprintf(out, 32, "unseen-%d", (int)chance(5));
}

static void
fill_training_table(const struct scene *s, struct table *t)
{
	char text[32];

	for (size_t i = 0; i < TRAIN_ROWS; i++) {
		assert_int_equal(table_add_row(t, &err), OK);
		for (size_t j = 0; j < s->n_columns; j++) {
			if (chance(8) == 0)
				continue;
			if (s->text[j]) {
				random_text(s->number_like[j], true, text);
				assert_int_equal(table_set_text(t, j, i, text, strlen(text), &err), OK);
			} else {
				table_set_number(t, j, i, (double)chance(1 << 20) / (1 << 18));
			}
		}
		assert_int_equal(table_set_text(t, s->n_columns, i, labels[chance(N_CLASSES)], 1, &err), OK);
	}
}

static struct model *
random_model(const struct encoder *c, const struct table *t)
{
	struct net_shape shape = {.n_layers = 2, .size = {encoder_n_features(c), 6, N_CLASSES}};
	struct model_workspace *w;
	size_t map[MAX_COLUMNS], n = net_size(&shape);
	double score[TRAIN_ROWS];
	struct rows rows = {0};
	struct model *m;
	real *weights = calloc(n, sizeof *weights);

	assert_non_null(weights);
	for (size_t i = 0; i < n; i++)
		weights[i] = (real)chance(1 << 20) / (1 << 18) - 2;
	for (size_t j = 0; j < encoder_n_columns(c); j++)
		map[j] = table_find(t, encoder_column_name(c, j));
	assert_int_equal(model_new(&shape, weights, &m, &err), OK);
	assert_int_equal(encoder_rows_init(c, &rows, t->n_rows, &err), OK);
	assert_int_equal(model_workspace_new(m, &w, &err), OK);
	encoder_apply(c, t, map, &rows, 0, NULL);
	model_predict(m, &rows, 0, t->n_rows, OOD_ENERGY, w, NULL, score);
	assert_int_equal(model_set_reference(m, OOD_ENERGY, score, t->n_rows, 0.1, &err), OK);
	model_workspace_free(w);
	rows_release(&rows);
	free(weights);
	return m;
}

static struct scene *
new_scene(uint64_t seed, bool numbers_alone, size_t n_rows)
{
	struct scene *s = calloc(1, sizeof *s);
	enum column_type types[MAX_COLUMNS + 1];
	const char *used[MAX_COLUMNS + 1];
	struct table t = {0};
	struct encoder_options o = {SCALING_STANDARD, 4, 1};
	struct bundle *b = calloc(1, sizeof *b);

	assert_true(s && b);
	state_of_chance = seed;
	o.scaling = chance(2) ? SCALING_STANDARD : SCALING_MINMAX;
	s->n_columns = 2 + chance(MAX_COLUMNS - 2);
	for (size_t j = 0; j < s->n_columns; j++) {
		s->text[j] = !numbers_alone && chance(2);
		s->number_like[j] = s->text[j] && chance(4) == 0;
		types[j] = s->text[j] ? COLUMN_TEXT : COLUMN_NUMBER;
		used[j] = names[j];
	}
	used[s->n_columns] = "label";
	types[s->n_columns] = COLUMN_TEXT;
	assert_int_equal(table_init(&t, used, types, s->n_columns + 1, &err), OK);
	fill_training_table(s, &t);
	assert_int_equal(encoder_new(&o, used, types, s->n_columns + 1, "label", &b->encoder, &err), OK);
	assert_int_equal(encoder_observe(b->encoder, &t, NULL, &err), OK);
	assert_int_equal(encoder_finish(b->encoder, &err), OK);
	b->model = random_model(b->encoder, &t);
	b->label = calloc(N_CLASSES, sizeof *b->label);
	assert_non_null(b->label);
	for (; b->n_classes < N_CLASSES; b->n_classes++)
		b->label[b->n_classes] = strdup(labels[b->n_classes]);
	b->label_column = strdup("label");
	b->report = strdup("{}");
	if (seed % 3 == 0) /* of a table that was read in its own way */
		assert_int_equal(reading_from_json("{\"na_values\":[\"-999\",\"not known\",\"-\"],\"delimiter\":\";\","
						   "\"decimal\":\",\",\"label_column\":\"label\",\"max_bad_rows\":3}",
					 &b->reading, &err),
			OK);
	s->bundle = b;
	table_release(&t);

	s->n_rows = n_rows;
	for (size_t i = 0; i < n_rows; i++) {
		for (size_t j = 0; j < s->n_columns; j++) {
			s->missing[i][j] = chance(6) == 0;
			s->listed[i][j] = !s->missing[i][j] && seed % 3 == 0 && chance(5) == 0;
			s->number[i][j] = s->listed[i][j] ? -999 : random_number();
			if (s->missing[i][j])
				s->cell[i][j][0] = '\0';
			else if (s->listed[i][j])
				strcpy(s->cell[i][j], s->text[j] ? "not known" : "-999");
			else if (s->text[j])
				random_text(s->number_like[j], false, s->cell[i][j]);
			else
				s->cell[i][j][number_format(s->cell[i][j], (double)s->number[i][j])] = '\0';
		}
	}
	return s;
}

static void
free_scene(struct scene *s)
{
	bundle_free(s->bundle);
	free(s);
}

/* columns "x" (number), "two words" (text) */
static struct scene *
plain_scene(void)
{
	struct scene *s = NULL;

	for (uint64_t seed = 1; !s; seed++) {
		s = new_scene(seed, false, 1);
		if (s->n_columns != 2 || s->text[0] || !s->text[1] || s->number_like[1]) {
			free_scene(s);
			s = NULL;
		}
	}
	return s;
}

/* ---- the ways in ------------------------------------------------------------------------------------------------- */

struct answer {
	char label[8];
	float p[N_CLASSES], score, p_value;
	bool is_ood;
};

/* The cell as text, as the table had it. */
static const char *
cell_text(const struct scene *s, size_t i, size_t j)
{
	static char text[32];
	char *point;

	strcpy(text, s->cell[i][j]);
	if (!s->text[j] && s->bundle->reading.options.decimal == ',' && (point = strchr(text, '.')))
		*point = ',';
	return text;
}

static void
put_json_cell(const struct scene *s, size_t i, size_t j, struct buf *out)
{
	if (s->missing[i][j])
		buf_puts(out, "null");
	else if (s->text[j])
		json_put_string(out, s->cell[i][j]);
	else
		buf_puts(out, s->cell[i][j]);
}

static void
put_name_list(const struct scene *s, struct buf *out)
{
	for (size_t j = 0; j < s->n_columns; j++) {
		buf_puts(out, j ? "," : "[");
		json_put_string(out, names[j]);
	}
	buf_puts(out, "]");
}

static void
put_lists(const struct scene *s, struct buf *out)
{
	buf_puts(out, "[");
	for (size_t i = 0; i < s->n_rows; i++) {
		for (size_t j = 0; j < s->n_columns; j++) {
			buf_puts(out, j ? "," : i ? ",[" : "[");
			put_json_cell(s, i, j, out);
		}
		buf_puts(out, "]");
	}
	buf_puts(out, "]");
}

static void
put_objects(const struct scene *s, struct buf *out)
{
	buf_puts(out, "[");
	for (size_t i = 0; i < s->n_rows; i++) {
		for (size_t k = 0; k < s->n_columns; k++) {
			size_t j = (i + k) % s->n_columns; /* in any order */

			buf_puts(out, k ? "," : i ? ",{" : "{");
			json_put_string(out, names[j]);
			buf_puts(out, ":");
			put_json_cell(s, i, j, out);
		}
		buf_puts(out, "}");
	}
	buf_puts(out, "]");
}

static void
put_columns(const struct scene *s, bool nested, struct buf *out)
{
	for (size_t j = s->n_columns; j-- > 0;) {
		buf_puts(out, j + 1 == s->n_columns ? "{" : ",");
		json_put_string(out, names[j]);
		buf_puts(out, ":[");
		for (size_t i = 0; i < s->n_rows; i++) {
			buf_puts(out, i ? "," : "");
			buf_puts(out, nested ? "[" : "");
			put_json_cell(s, i, j, out);
			buf_puts(out, nested ? "]" : "");
		}
		buf_puts(out, "]");
	}
	buf_puts(out, "}");
}

static void
read_list(const cJSON *list, struct answer *a)
{
	snprintf(a->label, sizeof a->label, "%s", cJSON_GetArrayItem(list, 0)->valuestring);
	for (int k = 0; k < N_CLASSES; k++)
		a->p[k] = (float)cJSON_GetArrayItem(list, 1 + k)->valuedouble;
	a->score = (float)cJSON_GetArrayItem(list, 1 + N_CLASSES)->valuedouble;
	a->p_value = (float)cJSON_GetArrayItem(list, 2 + N_CLASSES)->valuedouble;
	a->is_ood = cJSON_IsTrue(cJSON_GetArrayItem(list, 3 + N_CLASSES));
}

static void
read_object(const cJSON *o, struct answer *a)
{
	const cJSON *p = cJSON_GetObjectItemCaseSensitive(o, "probabilities");
	const cJSON *ood = cJSON_GetObjectItemCaseSensitive(o, "ood");

	snprintf(a->label, sizeof a->label, "%s", cJSON_GetObjectItemCaseSensitive(o, "label")->valuestring);
	for (int k = 0; k < N_CLASSES; k++)
		a->p[k] = (float)cJSON_GetObjectItemCaseSensitive(p, labels[k])->valuedouble;
	a->score = (float)cJSON_GetObjectItemCaseSensitive(ood, "score")->valuedouble;
	a->p_value = (float)cJSON_GetObjectItemCaseSensitive(ood, "p_value")->valuedouble;
	a->is_ood = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(ood, "is_ood"));
}

static struct answer *
read_json_answers(const struct scene *s, const struct buf *reply, const char *member,
	void (*read)(const cJSON *, struct answer *))
{
	cJSON *root = cJSON_ParseWithLength((const char *)reply->data, reply->len);
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, member), *item;
	struct answer *out = calloc(s->n_rows, sizeof *out);
	size_t n = 0;

	assert_non_null(out);
	assert_int_equal(cJSON_GetArraySize(list), s->n_rows);
	cJSON_ArrayForEach(item, list)
	{
		read(item, &out[n++]);
	}
	cJSON_Delete(root);
	return out;
}

static void
check(enum status status, const char *way)
{
	if (status)
		fail_msg("%s: %s: %s", way, err.code, err.msg);
}

/* Quoted where a comma or a semicolon is in it. */
static void
put_csv_cell(struct buf *out, const char *text)
{
	if (!strchr(text, ';') || strpbrk(text, "\",\n")) {
		csv_put_cell(out, text, strlen(text));
		return;
	}
	buf_printf(out, "\"%s\"", text);
}

static struct answer *
by_csv_with(const struct scene *s, const char *delimiter, bool as_json)
{
	struct csv_predictor *p;
	struct buf in = {0}, out = {0};
	struct answer *a;
	size_t n, at = 0;
	char *line, *rest;

	for (size_t j = 0; j < s->n_columns; j++) {
		buf_puts(&in, j ? delimiter : "");
		put_csv_cell(&in, names[j]);
	}
	buf_puts(&in, "\n");
	for (size_t i = 0; i < s->n_rows; i++) {
		for (size_t j = 0; j < s->n_columns; j++) {
			buf_puts(&in, j ? delimiter : "");
			put_csv_cell(&in, cell_text(s, i, j));
		}
		buf_puts(&in, "\n");
	}
	check(csv_predictor_new(s->bundle, INCLUDE_LABELS, &p, &err), "CSV");
	if (as_json)
		csv_predictor_as_json(p);
	for (; at < in.len; at += n) { /* in pieces of any size */
		n = 1 + chance(200);
		n = n < in.len - at ? n : in.len - at;
		check(csv_predictor_feed(p, in.data + at, n, &out, &err), "CSV");
	}
	check(csv_predictor_finish(p, &out, &n, &err), "CSV");
	csv_predictor_free(p);
	buf_release(&in);
	if (as_json) {
		a = read_json_answers(s, &out, "predictions", read_object);
		buf_release(&out);
		return a;
	}
	buf_put_u8(&out, 0); /* answers have commas, whatever the rows had */
	a = calloc(s->n_rows, sizeof *a);
	assert_non_null(a);
	line = strchr((char *)out.data, '\n') + 1;
	for (size_t i = 0; i < s->n_rows; i++) {
		snprintf(a[i].label, sizeof a[i].label, "%.*s", (int)strcspn(line, ","), line);
		line = strchr(line, ',') + 1;
		for (int k = 0; k < N_CLASSES; k++) {
			a[i].p[k] = strtof(line, &rest);
			line = rest + 1;
		}
		a[i].score = (float)strtod(line, &rest);
		a[i].p_value = (float)strtod(rest + 1, &rest);
		a[i].is_ood = !strncmp(rest, ",true", 5);
		line = strchr(rest, '\n') + 1;
	}
	buf_release(&out);
	return a;
}

static struct answer *
by_csv(const struct scene *s, bool as_json)
{
	return by_csv_with(s, ",", as_json);
}

enum json_way { RECORDS, SPLIT, SPLIT_DATA_FIRST };

static struct answer *
by_json(const struct scene *s, enum json_way way)
{
	struct buf in = {0}, out = {0};
	struct answer *a;
	size_t n;

	if (way == RECORDS) {
		buf_puts(&in, "{\"rows\":");
		put_objects(s, &in);
	} else if (way == SPLIT) {
		buf_puts(&in, "{\"columns\":");
		put_name_list(s, &in);
		buf_puts(&in, ",\"index\":[1],\"data\":");
		put_lists(s, &in);
	} else {
		buf_puts(&in, "{\"data\":");
		put_lists(s, &in);
		buf_puts(&in, ",\"columns\":");
		put_name_list(s, &in);
	}
	buf_puts(&in, "}");
	check(json_predict(s->bundle, in.data, in.len, INCLUDE_LABELS, UINT64_MAX, &out, &n, &err), "JSON");
	assert_int_equal(n, s->n_rows);
	a = way == RECORDS ? read_json_answers(s, &out, "predictions", read_object)
			   : read_json_answers(s, &out, "data", read_list);
	buf_release(&in);
	buf_release(&out);
	return a;
}

enum mlflow_way { DF_SPLIT, DF_RECORDS, INSTANCE_OBJECTS, INSTANCE_LISTS, INPUT_COLUMNS, INPUT_NESTED, N_MLFLOW_WAYS };

static struct answer *
by_invocation(const struct scene *s, enum mlflow_way way)
{
	static const char *const field[N_MLFLOW_WAYS] = {
		"dataframe_split", "dataframe_records", "instances", "instances", "inputs", "inputs"};
	struct buf in = {0}, out = {0};
	struct answer *a;

	buf_printf(&in, "{\"params\":null,\"%s\":", field[way]);
	switch (way) {
	case DF_SPLIT:
		buf_puts(&in, "{\"index\":[0,1],\"data\":");
		put_lists(s, &in);
		buf_puts(&in, ",\"columns\":");
		put_name_list(s, &in);
		buf_puts(&in, "}");
		break;
	case DF_RECORDS:
	case INSTANCE_OBJECTS:
		put_objects(s, &in);
		break;
	case INSTANCE_LISTS:
		put_lists(s, &in);
		break;
	default:
		put_columns(s, way == INPUT_NESTED, &in);
	}
	buf_puts(&in, "}");
	check(invocations_predict(s->bundle, in.data, in.len, INCLUDE_LABELS, UINT64_MAX, &out, &err), field[way]);
	a = read_json_answers(s, &out, "predictions", read_object);
	buf_release(&in);
	buf_release(&out);
	return a;
}

enum tensor_way {
	TENSOR_JSON,
	TENSOR_NESTED,
	TENSOR_TEXTS,
	TENSOR_BINARY,
	TENSOR_BINARY_IN,
	TENSOR_MATRIX,
	TENSOR_DOUBLES
};

/* One column's data, as JSON or behind it. */
static void
put_tensor(const struct scene *s, size_t j, enum tensor_way way, struct buf *json, struct buf *binary)
{
	bool text = s->text[j] || way == TENSOR_TEXTS, bytes = way == TENSOR_BINARY || way == TENSOR_BINARY_IN;
	size_t before = binary->len;

	buf_puts(json, "{\"name\":");
	json_put_string(json, names[j]);
	buf_printf(json, ",\"shape\":[%zu%s],\"datatype\":\"%s\"", s->n_rows, way == TENSOR_NESTED ? ",1" : "",
		text                    ? "BYTES"
		: way == TENSOR_DOUBLES ? "FP64"
					: "FP32");
	for (size_t i = 0; i < s->n_rows && bytes; i++) {
		if (text)
			buf_put_text(binary, s->cell[i][j], strlen(s->cell[i][j]));
		else
			buf_put_f32(binary, s->missing[i][j] ? (float)NAN : s->number[i][j]);
	}
	if (bytes) {
		buf_printf(json, ",\"parameters\":{\"binary_data_size\":%zu}}", binary->len - before);
		return;
	}
	buf_puts(json, ",\"data\":[");
	for (size_t i = 0; i < s->n_rows; i++) {
		buf_puts(json, i ? "," : "");
		buf_puts(json, way == TENSOR_NESTED ? "[" : "");
		if (text && !s->text[j])
			json_put_string(json, cell_text(s, i, j));
		else
			put_json_cell(s, i, j, json);
		buf_puts(json, way == TENSOR_NESTED ? "]" : "");
	}
	buf_puts(json, "]}");
}

static void
put_matrix(const struct scene *s, struct buf *json, struct buf *binary)
{
	buf_printf(json, "{\"name\":\"input-0\",\"datatype\":\"FP32\",\"shape\":[%zu,%zu],", s->n_rows, s->n_columns);
	for (size_t i = 0; i < s->n_rows; i++)
		for (size_t j = 0; j < s->n_columns; j++)
			buf_put_f32(binary, s->missing[i][j] ? (float)NAN : s->number[i][j]);
	buf_printf(json, "\"parameters\":{\"binary_data_size\":%zu}}", binary->len);
}

static void
read_tensors(const struct scene *s, const cJSON *root, struct answer *a)
{
	const cJSON *out = cJSON_GetObjectItemCaseSensitive(root, "outputs"), *data[5];

	for (int i = 0; i < 5; i++) {
		data[i] = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(out, i), "data");
		assert_int_equal(cJSON_GetArraySize(data[i]), i == 1 ? s->n_rows * N_CLASSES : s->n_rows);
		data[i] = data[i]->child;
	}
	for (size_t i = 0; i < s->n_rows; i++) {
		snprintf(a[i].label, sizeof a[i].label, "%s", data[0]->valuestring);
		for (int k = 0; k < N_CLASSES; k++, data[1] = data[1]->next)
			a[i].p[k] = (float)data[1]->valuedouble;
		a[i].score = (float)data[2]->valuedouble;
		a[i].p_value = (float)data[3]->valuedouble;
		a[i].is_ood = cJSON_IsTrue(data[4]);
		data[0] = data[0]->next;
		for (int o = 2; o < 5; o++)
			data[o] = data[o]->next;
	}
}

static void
read_binary_tensors(const struct scene *s, struct reader *in, struct answer *a)
{
	for (size_t i = 0; i < s->n_rows; i++) {
		char *label = reader_text(in, NULL);

		assert_non_null(label);
		snprintf(a[i].label, sizeof a[i].label, "%s", label);
		free(label);
	}
	for (size_t i = 0; i < s->n_rows; i++)
		reader_f32s(in, a[i].p, N_CLASSES);
	for (size_t i = 0; i < s->n_rows; i++)
		a[i].score = reader_f32(in);
	for (size_t i = 0; i < s->n_rows; i++)
		a[i].p_value = reader_f32(in);
	for (size_t i = 0; i < s->n_rows; i++)
		a[i].is_ood = reader_u8(in);
	assert_false(in->failed);
	assert_int_equal(reader_left(in), 0);
}

static struct answer *
by_tensors(const struct scene *s, enum tensor_way way)
{
	const struct oip_names called = {"fraud", "3"};
	struct buf in = {0}, binary = {0}, out = {0};
	struct answer *a = calloc(s->n_rows, sizeof *a);
	bool all_binary = way == TENSOR_BINARY || way == TENSOR_MATRIX;
	size_t json_size, out_json_size;
	struct reader rest;
	cJSON *root;

	assert_non_null(a);
	buf_printf(&in, "{\"id\":\"7\",\"parameters\":{\"binary_data_output\":%s},\"inputs\":[",
		all_binary ? "true" : "false");
	if (way == TENSOR_MATRIX)
		put_matrix(s, &in, &binary);
	for (size_t j = 0; j < s->n_columns && way != TENSOR_MATRIX; j++) {
		buf_puts(&in, j ? "," : "");
		put_tensor(s, (j + 1) % s->n_columns, way, &in, &binary);
	}
	buf_puts(&in, "]}");
	json_size = binary.len ? in.len : SIZE_MAX;
	buf_put(&in, binary.data, binary.len);
	check(oip_infer(s->bundle, &called, in.data, in.len, json_size, UINT64_MAX, &out, &out_json_size, &err), "OIP");
	assert_true((out_json_size != SIZE_MAX) == all_binary);
	root = cJSON_ParseWithLength((const char *)out.data, all_binary ? out_json_size : out.len);
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "id")->valuestring, "7");
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "model_version")->valuestring, "3");
	if (all_binary) {
		rest = reader_over(out.data + out_json_size, out.len - out_json_size);
		read_binary_tensors(s, &rest, a);
	} else {
		read_tensors(s, root, a);
	}
	cJSON_Delete(root);
	buf_release(&in);
	buf_release(&binary);
	buf_release(&out);
	return a;
}

/* ---- and what comes out ------------------------------------------------------------------------------------------ */

static void
assert_same(const struct scene *s, const struct answer *expected, struct answer *got, const char *way)
{
	for (size_t i = 0; i < s->n_rows; i++) {
		const struct answer *x = &expected[i], *y = &got[i];

		if (strcmp(x->label, y->label) || memcmp(x->p, y->p, sizeof x->p) || x->score != y->score ||
			x->p_value != y->p_value || x->is_ood != y->is_ood)
			fail_msg("%s, row %zu: label %s, score %.9g, p %.9g %.9g %.9g; by CSV %s, %.9g, %.9g %.9g %.9g",
				way, i, y->label, (double)y->score, (double)y->p[0], (double)y->p[1], (double)y->p[2],
				x->label, (double)x->score, (double)x->p[0], (double)x->p[1], (double)x->p[2]);
	}
	free(got);
}

static void
compare_all(const struct scene *s, bool numbers_alone)
{
	static const char *const mlflow[N_MLFLOW_WAYS] = {"dataframe_split", "dataframe_records",
		"instances as objects", "instances as lists", "inputs", "inputs of shape [n,1]"};
	struct answer *csv = by_csv(s, false);

	assert_same(s, csv, by_csv(s, true), "CSV to JSON");
	if (s->bundle->reading.options.delimiter)
		assert_same(s, csv, by_csv_with(s, ";", false), "CSV as the table was");
	assert_same(s, csv, by_json(s, RECORDS), "JSON records");
	assert_same(s, csv, by_json(s, SPLIT), "JSON split");
	assert_same(s, csv, by_json(s, SPLIT_DATA_FIRST), "JSON split, data first");
	for (int i = 0; i < N_MLFLOW_WAYS; i++)
		assert_same(s, csv, by_invocation(s, (enum mlflow_way)i), mlflow[i]);
	assert_same(s, csv, by_tensors(s, TENSOR_JSON), "tensors");
	assert_same(s, csv, by_tensors(s, TENSOR_NESTED), "nested tensors");
	assert_same(s, csv, by_tensors(s, TENSOR_DOUBLES), "tensors of doubles");
	assert_same(s, csv, by_tensors(s, TENSOR_TEXTS), "tensors of texts");
	assert_same(s, csv, by_tensors(s, TENSOR_BINARY), "binary tensors");
	assert_same(s, csv, by_tensors(s, TENSOR_BINARY_IN), "binary tensors in");
	if (numbers_alone)
		assert_same(s, csv, by_tensors(s, TENSOR_MATRIX), "a binary matrix");
	free(csv);
}

static void
every_way_in_gives_the_same_answer(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct scene *s = new_scene(seed, seed % 4 == 0, seed == 8 || seed == 9 ? MAX_ROWS : 1 + seed);

		compare_all(s, seed % 4 == 0);
		free_scene(s);
	}
}

/* What stood for a missing cell in training does so in rows: the same as if there were nothing. */
static void
a_cell_that_was_missing_in_training_is_missing_in_every_way_in(void **state)
{
	size_t n = 0;

	(void)state;
	for (uint64_t seed = 3; seed <= 30; seed += 3) {
		struct scene *s = new_scene(seed, false, 12);
		struct answer *listed = by_csv(s, false);

		for (size_t i = 0; i < s->n_rows; i++) {
			for (size_t j = 0; j < s->n_columns; j++) {
				if (!s->listed[i][j])
					continue;
				s->missing[i][j] = true;
				s->cell[i][j][0] = '\0';
				n++;
			}
		}
		assert_same(s, listed, by_json(s, RECORDS), "null in place of what was listed");
		free(listed);
		free_scene(s);
	}
	assert_true(n > 50);
}

/* Answers of one row do not depend on what came before it: each alone, and all together. */
static void
a_row_alone_gets_the_answer_it_has_among_others(void **state)
{
	struct scene *s = new_scene(77, false, 20), *one = malloc(sizeof *one);
	struct answer *together = by_csv(s, false);

	(void)state;
	assert_non_null(one);
	for (size_t i = 0; i < s->n_rows; i++) {
		*one = *s;
		one->n_rows = 1;
		memcpy(one->cell[0], s->cell[i], sizeof one->cell[0]);
		memcpy(one->number[0], s->number[i], sizeof one->number[0]);
		memcpy(one->missing[0], s->missing[i], sizeof one->missing[0]);
		assert_same(one, &together[i], by_tensors(one, TENSOR_BINARY), "alone");
	}
	free(together);
	free(one);
	free_scene(s);
}

/* ---- attributions ------------------------------------------------------------------------------------------------ */

enum { MAX_ATTRIBUTED = 40 };

struct attributed { /* what one way in gave */
	float reference[MAX_ATTRIBUTED], of[MAX_ATTRIBUTED][MAX_COLUMNS];
};

/* Of an answer that is an object. */
static void
read_attributions(const struct scene *s, const struct buf *reply, struct attributed *a)
{
	cJSON *root = cJSON_ParseWithLength((const char *)reply->data, reply->len);
	const cJSON *item;
	size_t i = 0;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, "predictions"))
	{
		const cJSON *ood = cJSON_GetObjectItemCaseSensitive(item, "ood");
		const cJSON *list = cJSON_GetObjectItemCaseSensitive(ood, "attribution"), *one;
		size_t n = 0;

		a->reference[i] = (float)cJSON_GetObjectItemCaseSensitive(ood, "reference_score")->valuedouble;
		cJSON_ArrayForEach(one, list)
		{
			a->of[i][n++] = (float)one->valuedouble;
		}
		i++;
	}
	assert_int_equal(i, s->n_rows);
	cJSON_Delete(root);
}

static void
attributions_by_invocation(const struct scene *s, unsigned include, const char *params, struct attributed *a)
{
	struct buf in = {0}, out = {0};

	buf_printf(&in, "{\"params\":%s,\"instances\":", params);
	put_lists(s, &in);
	buf_puts(&in, "}");
	check(invocations_predict(s->bundle, in.data, in.len, include, UINT64_MAX, &out, &err), params);
	read_attributions(s, &out, a);
	buf_release(&in);
	buf_release(&out);
}

static void
attributions_by_tensors(const struct scene *s, bool binary, struct attributed *a)
{
	const struct oip_names called = {"m", NULL};
	struct buf in = {0}, none = {0}, out = {0};
	const cJSON *list, *one, *other;
	size_t json_size, n = 0;
	struct reader rest;
	cJSON *root;

	buf_printf(&in, "{\"parameters\":{\"binary_data_output\":%s},", binary ? "true" : "false");
	buf_puts(&in, "\"outputs\":[{\"name\":\"ood_attribution\"},{\"name\":\"ood_reference_score\"}],\"inputs\":[");
	for (size_t j = 0; j < s->n_columns; j++) {
		buf_puts(&in, j ? "," : "");
		put_tensor(s, j, TENSOR_JSON, &in, &none);
	}
	buf_puts(&in, "]}");
	check(oip_infer(s->bundle, &called, in.data, in.len, SIZE_MAX, UINT64_MAX, &out, &json_size, &err), "OIP");
	root = cJSON_ParseWithLength((const char *)out.data, binary ? json_size : out.len);
	list = cJSON_GetObjectItemCaseSensitive(root, "outputs");
	one = cJSON_GetObjectItemCaseSensitive(list->child, "shape");
	assert_int_equal(one->child->valueint, s->n_rows);
	n = (size_t)one->child->next->valueint;
	assert_true(n <= s->n_columns);
	if (binary) {
		rest = reader_over(out.data + json_size, out.len - json_size);
		for (size_t i = 0; i < s->n_rows; i++)
			reader_f32s(&rest, a->of[i], n);
		reader_f32s(&rest, a->reference, s->n_rows);
		assert_false(rest.failed);
	} else {
		one = cJSON_GetObjectItemCaseSensitive(list->child, "data")->child;
		other = cJSON_GetObjectItemCaseSensitive(list->child->next, "data")->child;
		for (size_t i = 0; i < s->n_rows; i++, other = other->next) {
			a->reference[i] = (float)other->valuedouble;
			for (size_t j = 0; j < n; j++, one = one->next)
				a->of[i][j] = (float)one->valuedouble;
		}
	}
	cJSON_Delete(root);
	buf_release(&in);
	buf_release(&none);
	buf_release(&out);
}

static void
attributions_are_the_same_by_every_way_in(void **state)
{
	struct attributed *a = calloc(2, sizeof *a);

	(void)state;
	assert_non_null(a);
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct scene *s = new_scene(seed, false, seed == 5 ? MAX_ATTRIBUTED : seed);
		struct buf in = {0}, out = {0};
		size_t n;

		memset(a, 0, 2 * sizeof *a);
		buf_puts(&in, "{\"rows\":");
		put_objects(s, &in);
		buf_puts(&in, "}");
		check(json_predict(s->bundle, in.data, in.len, INCLUDE_LABELS | INCLUDE_ATTRIBUTIONS, UINT64_MAX, &out,
			      &n, &err),
			"JSON");
		read_attributions(s, &out, &a[0]);
		attributions_by_invocation(s, INCLUDE_LABELS | INCLUDE_ATTRIBUTIONS, "null", &a[1]);
		assert_memory_equal(&a[0], &a[1], sizeof *a);
		memset(&a[1], 0, sizeof *a);
		attributions_by_invocation(s, INCLUDE_LABELS, "{\"top_k\":[3],\"include\":\"attributions\"}", &a[1]);
		assert_memory_equal(&a[0], &a[1], sizeof *a);
		memset(&a[1], 0, sizeof *a);
		attributions_by_invocation(s, INCLUDE_LABELS, "{\"include\":[\"attributions\"]}", &a[1]);
		assert_memory_equal(&a[0], &a[1], sizeof *a);
		for (int binary = 0; binary < 2; binary++) {
			memset(&a[1], 0, sizeof *a);
			attributions_by_tensors(s, binary, &a[1]);
			assert_memory_equal(&a[0], &a[1], sizeof *a);
		}
		buf_release(&in);
		buf_release(&out);
		free_scene(s);
	}
	free(a);
}

static void
tensors_of_too_many_rows_are_not_attributed(void **state)
{
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();
	struct buf in = {0}, out = {0};
	size_t size;

	(void)state;
	buf_printf(&in, "{\"outputs\":[{\"name\":\"ood_attribution\"}],\"inputs\":[");
	for (int j = 0; j < 2; j++) {
		buf_printf(&in, "%s{\"name\":\"%s\",\"shape\":[%d],\"datatype\":\"%s\",\"data\":[", j ? "," : "",
			names[j], MAX_ATTRIBUTED_ROWS + 1, j ? "BYTES" : "FP32");
		for (int i = 0; i <= MAX_ATTRIBUTED_ROWS; i++)
			buf_puts(&in, i ? ",null" : "null");
		buf_puts(&in, "]}");
	}
	buf_puts(&in, "]}");
	assert_int_equal(
		oip_infer(s->bundle, &called, in.data, in.len, SIZE_MAX, UINT64_MAX, &out, &size, &err), ERR_TOO_LARGE);
	assert_string_equal(err.code, "too_many_rows");
	buf_release(&in);
	buf_release(&out);
	free_scene(s);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void
bad_bodies_of_mlflow_are_refused(void **state)
{
	static const struct {
		const char *body;
		enum status status;
		const char *code;
	} bad[] = {
		{"", ERR_SYNTAX, "malformed_json"},
		{"[]", ERR_INVALID, "missing_rows"},
		{"{}", ERR_INVALID, "missing_rows"},
		{"{\"inputs\":[]}", ERR_DATA, "no_rows"},
		{"{\"inputs\":{}}", ERR_DATA, "missing_column"},
		{"{\"inputs\":3}", ERR_INVALID, "invalid_rows"},
		{"{\"inputs\":[3]}", ERR_INVALID, "invalid_rows"},
		{"{\"inputs\":[[1,\"a\"]],\"instances\":[]}", ERR_INVALID, "duplicate_key"},
		{"{\"inputs\":[[1,\"a\"]],\"inputs\":[]}", ERR_INVALID, "duplicate_key"},
		{"{\"dataframe\":[]}", ERR_INVALID, "unknown_field"},
		{"{\"inputs\":{\"x\":[1,2],\"two words\":[\"a\"]}}", ERR_DATA, "ragged_row"},
		{"{\"inputs\":{\"x\":[1],\"two words\":[\"a\",\"b\"]}}", ERR_DATA, "ragged_row"},
		{"{\"inputs\":{\"x\":[[1,2]],\"two words\":[\"a\"]}}", ERR_DATA, "not_a_cell"},
		{"{\"inputs\":{\"x\":[[]],\"two words\":[\"a\"]}}", ERR_DATA, "not_a_cell"},
		{"{\"inputs\":{\"x\":[{}],\"two words\":[\"a\"]}}", ERR_DATA, "not_a_cell"},
		{"{\"inputs\":{\"x\":[1],\"x\":[1]}}", ERR_DATA, "duplicate_column"},
		{"{\"inputs\":{\"x\":1,\"two words\":[\"a\"]}}", ERR_INVALID, "invalid_rows"},
		{"{\"instances\":[[1]]}", ERR_DATA, "ragged_row"},
		{"{\"instances\":[[1,\"a\",2]]}", ERR_DATA, "ragged_row"},
		{"{\"instances\":[[1,\"a\"],{}]}", ERR_INVALID, "invalid_rows"},
		{"{\"instances\":[{\"x\":1}]}", ERR_DATA, "missing_column"},
		{"{\"dataframe_records\":{}}", ERR_INVALID, "invalid_rows"},
		{"{\"dataframe_records\":[[1,\"a\"]]}", ERR_INVALID, "invalid_rows"},
		{"{\"dataframe_split\":{\"data\":[]}}", ERR_INVALID, "missing_rows"},
		{"{\"dataframe_split\":{\"columns\":[\"x\"],\"data\":[[1]]}}", ERR_DATA, "missing_column"},
		{"{\"dataframe_split\":{\"columns\":[\"x\",\"x\"],\"data\":[]}}", ERR_DATA, "duplicate_column"},
		{"{\"dataframe_split\":{\"columns\":[1],\"data\":[]}}", ERR_INVALID, "invalid_columns"},
		{"{\"dataframe_split\":{\"columns\":[\"x\",\"two words\"],\"data\":{}}}", ERR_INVALID, "invalid_rows"},
		{"{\"dataframe_split\":{\"columns\":[\"x\",\"two words\"],\"data\":[[\"z\",\"a\"]]}}", ERR_DATA,
			"not_a_number"},
		{"{\"inputs\":[[1,\"a\"]]} x", ERR_SYNTAX, "malformed_json"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":3}", ERR_INVALID, "wrong_type"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":{\"include\":\"all\"}}", ERR_INVALID, "unknown_include"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":{\"include\":[\"attributions\",3]}}", ERR_INVALID, "wrong_type"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":{\"include\":{}}}", ERR_INVALID, "wrong_type"},
	};
	struct scene *s = plain_scene();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf out = {0};
		enum status got = invocations_predict(
			s->bundle, bad[i].body, strlen(bad[i].body), INCLUDE_LABELS, UINT64_MAX, &out, &err);

		if (got != bad[i].status || strcmp(err.code, bad[i].code))
			fail_msg("%s: not %s but %s: %s", bad[i].body, bad[i].code, got ? err.code : "ok", err.msg);
		assert_int_equal(out.len, 0);
		buf_release(&out);
	}
	free_scene(s);
}

#define IN(shape, type, rest) "{\"name\":\"x\",\"shape\":" shape ",\"datatype\":\"" type "\"," rest "}"
#define TEXTS "{\"name\":\"two words\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"a\"]}"
#define GOOD IN("[1]", "FP32", "\"data\":[1]")

static void
bad_tensors_are_refused(void **state)
{
	static const struct {
		const char *json, *binary; /* binary NULL: none, and no header */
		enum status status;
		const char *code;
	} bad[] = {
		{"", NULL, ERR_SYNTAX, "malformed_json"},
		{"{}", NULL, ERR_INVALID, "bad_request"},
		{"[]", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[]}", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[3]}", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" GOOD "]}", NULL, ERR_DATA, "missing_column"},
		{"{\"inputs\":[" GOOD "," GOOD "]}", NULL, ERR_DATA, "duplicate_column"},
		{"{\"inputs\":[" TEXTS "," IN("[2]", "FP32", "\"data\":[1,2]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[1,2]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1,2]", "FP32", "\"data\":[1,2]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1,1,1]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[-1]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[0.5]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1e99]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP16", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_datatype"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[\"1\"]") "]}", NULL, ERR_DATA, "not_a_cell"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[{}]") "]}", NULL, ERR_DATA, "not_a_cell"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "INT8", "\"data\":[0.5]") "]}", NULL, ERR_DATA, "not_a_number"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "BYTES", "\"data\":[\"one\"]") "]}", NULL, ERR_DATA,
			"not_a_number"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{}") "]}", NULL, ERR_INVALID,
			"bad_request"},
		{"{\"inputs\":[" TEXTS ",{\"name\":\"x\",\"data\":[1]}]}", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" IN("[0]", "FP32", "\"data\":[]") "]}", NULL, ERR_DATA, "no_rows"},
		{"{\"inputs\":[{\"name\":\"m\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}", NULL,
			ERR_DATA, "bad_shape"},
		{"{\"outputs\":[{\"name\":\"nothing\"}],\"inputs\":[" TEXTS "," GOOD "]}", NULL, ERR_INVALID,
			"unknown_output"},
		{"{\"outputs\":[{\"name\":\"label\"},{\"name\":\"label\"}],\"inputs\":[" TEXTS "," GOOD "]}", NULL,
			ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}", NULL,
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}", "123",
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}", "12345",
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP64", "\"parameters\":{\"binary_data_size\":4}") "]}", "1234",
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "BYTES", "\"parameters\":{\"binary_data_size\":6}") "]}",
			"\x09\x01\x01\x01zz", ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":-1}") "]}", "1234",
			ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" TEXTS
		 "," IN("[4294967295,4294967295]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}",
			"1234", ERR_SYNTAX, "bad_tensor_size"},
	};
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf in = {0}, out = {0};
		size_t size = SIZE_MAX, n = strlen(bad[i].json);
		enum status got;

		buf_put(&in, bad[i].json, n);
		if (bad[i].binary)
			buf_put(&in, bad[i].binary, strlen(bad[i].binary));
		got = oip_infer(s->bundle, &called, in.data, in.len, bad[i].binary ? n : SIZE_MAX, UINT64_MAX, &out,
			&size, &err);
		if (got != bad[i].status || strcmp(err.code, bad[i].code))
			fail_msg("%s: not %s but %s: %s", bad[i].json, bad[i].code, got ? err.code : "ok",
				got ? err.msg : "");
		assert_int_equal(out.len, 0);
		buf_release(&in);
		buf_release(&out);
	}
	free_scene(s);
}

static void
a_binary_tensor_may_not_be_infinite_or_no_text(void **state)
{
	static const char json[] = "{\"inputs\":[" IN("[1]", "FP32",
		"\"parameters\":{\"binary_data_size\":4}") ",{\"name\":\"two "
							   "words\",\"shape\":[1],\"datatype\":\"BYTES\","
							   "\"parameters\":{\"binary_data_size\":6}}]}";
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct buf in = {0}, out = {0};
		size_t size;
		enum status got;

		buf_put(&in, json, sizeof json - 1);
		buf_put_f32(&in, i == 0 ? (float)INFINITY : 1);
		buf_put_text(&in, i == 1 ? "\xc3\x28" : i == 2 ? "a\0" : "ok", 2);
		got = oip_infer(s->bundle, &called, in.data, in.len, sizeof json - 1, UINT64_MAX, &out, &size, &err);
		assert_int_equal(got, ERR_DATA);
		assert_string_equal(err.code, i == 0 ? "not_a_number" : "invalid_utf8");
		buf_release(&in);
		buf_release(&out);
	}
	free_scene(s);
}

static void
only_the_outputs_asked_for_come_each_in_its_form(void **state)
{
	static const char json[] =
		"{\"outputs\":[{\"name\":\"is_ood\",\"parameters\":{\"binary_data\":true}},{\"name\":\"label\"}],"
		"\"inputs\":[" TEXTS "," GOOD ",{\"name\":\"odd\",\"shape\":[1],\"datatype\":\"INT64\",\"data\":[5]}]}";
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();
	struct buf out = {0};
	size_t size;
	cJSON *root, *list;

	(void)state;
	check(oip_infer(s->bundle, &called, json, sizeof json - 1, SIZE_MAX, UINT64_MAX, &out, &size, &err), "OIP");
	assert_int_equal(out.len - size, 1);
	root = cJSON_ParseWithLength((const char *)out.data, size);
	list = cJSON_GetObjectItemCaseSensitive(root, "outputs");
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_non_null(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 1), "data"));
	assert_null(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 0), "data"));
	assert_null(cJSON_GetObjectItemCaseSensitive(root, "model_version"));
	assert_non_null(strstr(
		cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "parameters"), "warnings")
			->valuestring,
		"extra_column; column=\"odd\""));
	cJSON_Delete(root);
	buf_release(&out);
	free_scene(s);
}

static void
a_model_without_classes_has_scores_for_tensors(void **state)
{
	static const char json[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]},"
				   "{\"name\":\"size\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[null]},"
				   "{\"name\":\"fixed\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":[5]},"
				   "{\"name\":\"colour\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"red\"]}]";
	const struct oip_names called = {"m", NULL};
	struct bundle *b = tiny_bundle_of(0, &err);
	struct buf in = {0}, out = {0};
	size_t size;

	(void)state;
	assert_non_null(b);
	buf_printf(&in, "%s}", json);
	check(oip_infer(b, &called, in.data, in.len, SIZE_MAX, UINT64_MAX, &out, &size, &err), "OIP");
	buf_put_u8(&out, 0);
	assert_null(strstr((char *)out.data, "\"label\""));
	assert_non_null(strstr((char *)out.data, "\"outputs\":[{\"name\":\"ood_score\""));
	buf_clear(&in);
	buf_printf(&in, "%s,\"outputs\":[{\"name\":\"label\"}]}", json);
	buf_clear(&out);
	assert_int_equal(oip_infer(b, &called, in.data, in.len, SIZE_MAX, UINT64_MAX, &out, &size, &err), ERR_CONFLICT);
	assert_string_equal(err.code, "no_classes");
	oip_metadata(b, "m", NULL, 0, &out);
	buf_put_u8(&out, 0);
	assert_non_null(strstr((char *)out.data, "\"outputs\":[{\"name\":\"ood_score\""));
	buf_release(&in);
	buf_release(&out);
	bundle_free(b);
}

static void
answers_over_the_limit_are_refused(void **state)
{
	static const char json[] = "{\"instances\":[[1,\"a\"],[2,\"b\"]]}",
			  tensors[] = "{\"inputs\":[" TEXTS "," GOOD "]}";
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();
	struct buf out = {0};
	size_t size;

	(void)state;
	assert_int_equal(
		invocations_predict(s->bundle, json, sizeof json - 1, INCLUDE_LABELS, 40, &out, &err), ERR_TOO_LARGE);
	assert_string_equal(err.code, "answer_too_large");
	assert_int_equal(oip_infer(s->bundle, &called, tensors, sizeof tensors - 1, SIZE_MAX, 10, &out, &size, &err),
		ERR_TOO_LARGE);
	assert_string_equal(err.code, "answer_too_large");
	buf_release(&out);
	free_scene(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_in_gives_the_same_answer),
		cmocka_unit_test(a_cell_that_was_missing_in_training_is_missing_in_every_way_in),
		cmocka_unit_test(a_row_alone_gets_the_answer_it_has_among_others),
		cmocka_unit_test(attributions_are_the_same_by_every_way_in),
		cmocka_unit_test(tensors_of_too_many_rows_are_not_attributed),
		cmocka_unit_test(bad_bodies_of_mlflow_are_refused),
		cmocka_unit_test(bad_tensors_are_refused),
		cmocka_unit_test(a_binary_tensor_may_not_be_infinite_or_no_text),
		cmocka_unit_test(only_the_outputs_asked_for_come_each_in_its_form),
		cmocka_unit_test(a_model_without_classes_has_scores_for_tensors),
		cmocka_unit_test(answers_over_the_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
