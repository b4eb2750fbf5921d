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
#include "tests/unit/random_scene.h"

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
		json_put_string(out, scene_names[j]);
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
			json_put_string(out, scene_names[j]);
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
		json_put_string(out, scene_names[j]);
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
		a->p[k] = (float)cJSON_GetObjectItemCaseSensitive(p, scene_labels[k])->valuedouble;
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
		put_csv_cell(&in, scene_names[j]);
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
	json_put_string(json, scene_names[j]);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_in_gives_the_same_answer),
		cmocka_unit_test(a_cell_that_was_missing_in_training_is_missing_in_every_way_in),
		cmocka_unit_test(a_row_alone_gets_the_answer_it_has_among_others),
		cmocka_unit_test(attributions_are_the_same_by_every_way_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
