/* bundle and predictor: bytes there and back, bytes that lie, rows by name, CSV to CSV. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "schema/csv.h"
#include "tests/unit/tiny_bundle.h"

static struct err err;

static struct bundle *
make(void)
{
	struct bundle *b = tiny_bundle(&err);

	assert_non_null(b);
	return b;
}

static void
bytes_of(const struct bundle *b, struct buf *out)
{
	assert_int_equal(bundle_write(b, out, &err), OK);
}

/* Feeds text in pieces of `piece` bytes (0: whole). The output is NUL-terminated in out. */
static enum status
predict_csv(const struct bundle *b, const char *text, size_t piece, unsigned include, struct buf *out,
	struct csv_predictor **keep)
{
	struct csv_predictor *p = NULL;
	size_t n = strlen(text), rows = 0;
	enum status s = OK;

	assert_int_equal(csv_predictor_new(b, include, &p, &err), OK);
	for (size_t at = 0; at < n && !s; at += piece) {
		if (!piece || piece > n - at)
			piece = n - at;
		s = csv_predictor_feed(p, text + at, piece, out, &err);
	}
	if (!s)
		s = csv_predictor_finish(p, out, &rows, &err);
	buf_put_u8(out, 0);
	if (keep)
		*keep = p;
	else
		csv_predictor_free(p);
	return s;
}

static void
refused(const char *text, const char *code, const char *part, uint64_t line, const char *column)
{
	struct bundle *b = make();
	struct buf out = {0};

	assert_int_equal(predict_csv(b, text, 0, true, &out, NULL), ERR_DATA);
	assert_string_equal(err.code, code);
	if (!strstr(err.msg, part))
		fail_msg("\"%s\" is not in \"%s\"", part, err.msg);
	assert_int_equal(err.line, line);
	assert_string_equal(err.column, column);
	buf_release(&out);
	bundle_free(b);
}

/* The cells of an output, by row and column; row 0 is the header. */
struct grid {
	char *cell[32][16];
	size_t n_rows, n_columns;
};

static enum status
grid_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	struct grid *g = ctx;

	(void)line;
	(void)e;
	assert_true(g->n_rows < 32 && n <= 16);
	g->n_columns = n;
	for (size_t i = 0; i < n; i++)
		g->cell[g->n_rows][i] = strdup(cell[i].text);
	g->n_rows++;
	return OK;
}

static enum status
grid_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	return grid_row(ctx, cell, n, 1, e);
}

static void
grid_read(struct grid *g, const struct buf *text)
{
	struct csv_handler handler = {.header = grid_header, .row = grid_row, .ctx = g};
	struct csv *c = NULL;

	memset(g, 0, sizeof *g);
	assert_int_equal(csv_new(&handler, NULL, &c, &err), OK);
	assert_int_equal(csv_feed(c, text->data, text->len - 1, &err), OK);
	assert_int_equal(csv_finish(c, &err), OK);
	csv_reader_free(c);
}

static void
grid_release(struct grid *g)
{
	for (size_t i = 0; i < g->n_rows; i++)
		for (size_t k = 0; k < g->n_columns; k++)
			free(g->cell[i][k]);
}

static double
cell_number(const struct grid *g, size_t row, size_t column)
{
	double v = NAN;

	assert_true(number_parse(g->cell[row][column], strlen(g->cell[row][column]), &v));
	return v;
}

static void
a_bundle_read_back_is_the_same(void **state)
{
	struct bundle *b = make(), *again = NULL;
	struct buf one = {0}, two = {0}, before = {0}, after = {0};
	static const char rows[] = "x,size,colour,fixed\n1,2,red,5\n9,,mauve,5\n";

	(void)state;
	bytes_of(b, &one);
	assert_memory_equal(one.data, "VERADMDL\6\0\0\0", 12);
	assert_int_equal(bundle_read(one.data, one.len, &again, &err), OK);
	assert_int_equal(again->n_classes, 3);
	for (size_t k = 0; k < 3; k++)
		assert_string_equal(again->label[k], tiny_labels[k]);
	assert_string_equal(again->label_column, "label");
	assert_string_equal(again->report, TINY_REPORT);
	bytes_of(again, &two);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	assert_int_equal(predict_csv(b, rows, 0, true, &before, NULL), OK);
	assert_int_equal(predict_csv(again, rows, 0, true, &after, NULL), OK);
	assert_string_equal(before.data, after.data);
	buf_release(&one);
	buf_release(&two);
	buf_release(&before);
	buf_release(&after);
	bundle_free(b);
	bundle_free(again);
}

/* Of memory of its own, so that reading past its end is seen. */
static enum status
read_copy(const void *bytes, size_t n, struct bundle **out)
{
	void *copy = malloc(n + !n);
	enum status s;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	s = bundle_read(copy, n, out, &err);
	free(copy);
	return s;
}

static void
every_truncation_is_refused(void **state)
{
	struct bundle *b = make(), *none = NULL;
	struct buf bytes = {0};

	(void)state;
	bytes_of(b, &bytes);
	for (size_t n = 0; n < bytes.len; n++)
		assert_int_equal(read_copy(bytes.data, n, &none), ERR_CORRUPT);
	buf_put_u8(&bytes, 0);
	assert_int_equal(read_copy(bytes.data, bytes.len, &none), ERR_CORRUPT);
	assert_string_equal(err.code, "corrupt_model");
	buf_release(&bytes);
	bundle_free(b);
}

static void
how_cells_are_read_is_part_of_a_model(void **state)
{
	static const char as[] =
		"{\"delimiter\":\";\",\"quote\":\"'\",\"decimal\":\",\",\"na_values\":[\"-9,5\",\"none\"],"
		"\"unlabelled_values\":[\"-1\"]}";
	struct bundle *b = make(), *back = NULL, *none = NULL;
	struct buf bytes = {0};
	char *text;
	double v;

	(void)state;
	assert_int_equal(reading_from_json(as, &b->reading, &err), OK);
	bytes_of(b, &bytes);
	for (size_t n = 0; n < bytes.len; n++)
		assert_int_equal(read_copy(bytes.data, n, &none), ERR_CORRUPT);
	assert_int_equal(read_copy(bytes.data, bytes.len, &back), OK);
	text = reading_to_json(&back->reading);
	assert_string_equal(text, as);
	free(text);
	assert_true(reading_number(&back->reading, "1,5", 3, &v) && v == 1.5);
	assert_true(reading_number(&back->reading, "-9,50", 5, &v) && isnan(v));
	assert_true(reading_number(&back->reading, "none", 4, &v) && isnan(v));
	assert_true(reading_number(&back->reading, " ", 1, &v) && isnan(v));
	assert_false(reading_number(&back->reading, "1.5", 3, &v));
	assert_false(reading_number(&back->reading, "NA", 2, &v));
	assert_true(reading_misses_number(&back->reading, -9.5));
	assert_true(reading_misses_text(&back->reading, "none", 4) && !reading_misses_text(&back->reading, "NA", 2));
	assert_true(reading_misses_label(&back->reading, "-1", 2) && !reading_misses_label(&back->reading, "-2", 2));
	bundle_free(back);
	bundle_free(b);
	buf_release(&bytes);
}

static void
every_changed_byte_is_refused(void **state)
{
	struct bundle *b = make(), *none = NULL;
	struct buf bytes = {0};

	(void)state;
	bytes_of(b, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes.data[i] ^= (unsigned char)(1 << bit);
			assert_int_not_equal(bundle_read(bytes.data, bytes.len, &none, &err), OK);
			/* there it has its version, and 4 is one, too */
			assert_int_equal(err.status,
				i < 8 || i >= 12 || (i == 8 && bytes.data[i] == 4) ? ERR_CORRUPT : ERR_CONFLICT);
			bytes.data[i] ^= (unsigned char)(1 << bit);
		}
	}
	bytes.data[0] = 'v';
	assert_int_equal(bundle_read(bytes.data, bytes.len, &none, &err), ERR_CORRUPT);
	assert_string_equal(err.code, "not_a_model");
	bytes.data[0] = 'V';
	bytes.data[8] = 2;
	assert_int_equal(bundle_read(bytes.data, bytes.len, &none, &err), ERR_CONFLICT);
	assert_string_equal(err.code, "unsupported_model_version");
	buf_release(&bytes);
	bundle_free(b);
}

/* Length and checksum are made to fit whatever the payload is. */
static void
seal(struct buf *bytes)
{
	struct buf header = {0};

	buf_put_u64(&header, bytes->len - 28);
	buf_put_u64(&header, checksum64(bytes->data + 28, bytes->len - 28));
	memcpy(bytes->data + 12, header.data, 16);
	buf_release(&header);
}

/* Without the tail that says how cells are read, without the doubt and without the word about a warp, a model is of
 * format 3; with the tail, of 4; with the doubt, too, of 5. */
static void
models_of_older_formats_answer_as_they_did(void **state)
{
	static const char rows[] = "x,size,colour,fixed\n1,2,red,5\n9,,mauve,5\n";
	struct bundle *b = make();
	const struct net_shape *s = &b->model->member[0].shape;
	struct buf now = {0}, encoder = {0}, want = {0}, got = {0};
	char *reading = reading_to_json(&b->reading);

	(void)state;
	assert_non_null(reading);
	encoder_write(b->encoder, &encoder);
	bytes_of(b, &now);
	assert_int_equal(predict_csv(b, rows, 0, true, &want, NULL), OK);
	for (unsigned char version = 3; version <= 5; version++) {
		const size_t n_tail = version == 3 ? 4 + strlen(reading) : 0;
		const size_t doubt = 28 + encoder.len + 4 * (3 + s->n_layers + net_size(s)) + 8, warp = doubt + 9;
		const size_t cut = version < 5 ? doubt : warp;
		struct bundle *old = NULL;
		struct buf bytes = {0};

		buf_put(&bytes, now.data, cut);
		buf_put(&bytes, now.data + warp + 1, now.len - warp - 1 - n_tail);
		bytes.data[8] = version;
		seal(&bytes);
		assert_int_equal(bundle_read(bytes.data, bytes.len, &old, &err), OK);
		assert_int_equal(predict_csv(old, rows, 0, true, &got, NULL), OK);
		assert_string_equal((const char *)got.data, (const char *)want.data);
		buf_release(&bytes);
		buf_clear(&got);
		bundle_free(old);
	}
	free(reading);
	buf_release(&now);
	buf_release(&encoder);
	buf_release(&want);
	buf_release(&got);
	bundle_free(b);
}

/* Asks a bundle of unknown content, row by row and cell by cell. */
static void
serve(const struct bundle *b)
{
	static const char *const text[] = {"red", "", "1", "zzz", "-3.5e300"};
	struct predictor *p = NULL;
	const char *names[16];
	size_t n = 0;
	struct answers a;

	for (size_t j = 0; j < encoder_n_columns(b->encoder) && n < 16; j++)
		names[n++] = encoder_column_name(b->encoder, j);
	assert_int_equal(predictor_new(b, &p, &err), OK);
	if (predictor_columns(p, names, n, &err)) {
		predictor_free(p);
		return;
	}
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(predictor_begin_row(p, i, &err), OK);
		for (size_t j = 0; j < n; j++) {
			if (predictor_cell_text(p, j, text[i], strlen(text[i]), &err))
				assert_string_equal(err.code, "not_a_number");
		}
	}
	assert_int_equal(predictor_answer(p, INCLUDE_ATTRIBUTIONS | (b->n_classes ? INCLUDE_LABELS : 0), &a, &err), OK);
	assert_int_equal(a.n, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_true(isfinite(a.score[i]) && a.p_value[i] >= 0 && a.p_value[i] <= 1);
		assert_true(isfinite(a.reference[i]));
		for (size_t j = 0; j < encoder_n_columns(b->encoder); j++)
			assert_true(isfinite(a.attribution[i * encoder_n_columns(b->encoder) + j]));
		if (!b->n_classes)
			continue;
		assert_in_range(a.label[i], 0, b->n_classes - 1);
		for (size_t k = 0; k < a.n_classes; k++)
			assert_true(a.probability[i * a.n_classes + k] >= 0 && a.probability[i * a.n_classes + k] <= 1);
	}
	predictor_free(p);
}

static void
change_under_a_valid_checksum(struct bundle *b)
{
	static const unsigned char change[] = {0x01, 0x80, 0xff, 0x20};
	struct buf bytes = {0};
	size_t n_served = 0, n_refused = 0;

	bytes_of(b, &bytes);
	for (size_t i = 28; i < bytes.len; i++) {
		for (size_t k = 0; k < sizeof change; k++) {
			struct bundle *odd = NULL;

			bytes.data[i] ^= change[k];
			seal(&bytes);
			if (read_copy(bytes.data, bytes.len, &odd)) {
				assert_int_equal(err.status, ERR_CORRUPT);
				n_refused++;
			} else {
				serve(odd);
				bundle_free(odd);
				n_served++;
			}
			bytes.data[i] ^= change[k];
		}
	}
	assert_true(n_refused > 100 && n_served > 100);
	for (size_t n = bytes.len - 1; n > 28; n--) { /* cut, and the header made to fit */
		struct bundle *none = NULL;

		bytes.len = n;
		seal(&bytes);
		assert_int_equal(read_copy(bytes.data, n, &none), ERR_CORRUPT);
	}
	buf_release(&bytes);
	bundle_free(b);
}

static void
changed_bytes_under_a_valid_checksum_are_refused_or_harmless(void **state)
{
	(void)state;
	change_under_a_valid_checksum(make());
	change_under_a_valid_checksum(tiny_bundle_of(0, &err));
}

/* Of a table without a label column, and of one whose label column had no label. */
static void
a_bundle_without_classes_has_scores_and_refuses_labels(void **state)
{
	static const char rows[] = "x,size,colour,fixed,label\n1,2,red,5,\n9,,mauve,5,u\n";
	static const char json[] = "{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5,\"label\":null}]}";

	(void)state;
	for (int named = 0; named < 2; named++) {
		struct bundle *b = tiny_bundle_of(0, &err), *again = NULL;
		struct buf one = {0}, two = {0}, scores = {0}, objects = {0};
		struct csv_predictor *p = NULL;
		struct warning *warning = NULL;
		size_t n_rows, n_warnings = 0;

		assert_non_null(b);
		if (named)
			assert_non_null(b->label_column = strdup("label"));
		bytes_of(b, &one);
		assert_memory_equal(one.data, "VERADMDL\6\0\0\0", 12);
		assert_int_equal(read_copy(one.data, one.len, &again), OK);
		assert_int_equal(again->n_classes, 0);
		assert_true(named ? !strcmp(again->label_column, "label") : !again->label_column);
		bytes_of(again, &two);
		assert_int_equal(one.len, two.len);
		assert_memory_equal(one.data, two.data, one.len);

		assert_int_equal(predict_csv(again, rows, 0, false, &scores, &p), OK);
		assert_memory_equal(scores.data, "ood.score,ood.p_value,ood.is_ood\n", 33);
		assert_int_equal(csv_predictor_warnings(p, &warning, &n_warnings, &err), OK);
		assert_int_equal(n_warnings, named ? 1 : 2); /* mauve, and the column that nobody knows */
		csv_predictor_free(p);
		free(warning);
		assert_int_equal(
			json_predict(again, json, sizeof json - 1, 0, UINT64_MAX, &objects, &n_rows, &err), OK);
		assert_int_equal(n_rows, 1);

		assert_int_equal(csv_predictor_new(again, INCLUDE_LABELS, &p, &err), ERR_CONFLICT);
		assert_string_equal(err.code, "no_classes");
		assert_int_equal(
			json_predict(again, json, sizeof json - 1, INCLUDE_LABELS, UINT64_MAX, &objects, &n_rows, &err),
			ERR_CONFLICT);
		assert_string_equal(err.code, "no_classes");
		buf_release(&one);
		buf_release(&two);
		buf_release(&scores);
		buf_release(&objects);
		bundle_free(b);
		bundle_free(again);
	}
}

/* Columns that the model makes no use of, id and fixed, have no share in a score. */
static void
attributions_by_column_make_the_score_in_csv_as_in_json(void **state)
{
	static const char rows[] = "x,size,colour,id,fixed\n1,2,red,a,5\n900,2,red,a,5\n5,,mauve,a,5\n";
	static const char json[] = "{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5},"
				   "{\"x\":900,\"size\":2,\"colour\":\"red\",\"fixed\":5},"
				   "{\"x\":5,\"size\":null,\"colour\":\"mauve\",\"fixed\":5}]}";

	(void)state;
	for (size_t n_classes = 0; n_classes <= 3; n_classes += 3) {
		struct bundle *b = tiny_bundle_of(n_classes, &err);
		const unsigned include = INCLUDE_ATTRIBUTIONS | (n_classes ? INCLUDE_LABELS : 0);
		const size_t at = n_classes ? 1 + n_classes : 0;
		struct buf text = {0}, objects = {0};
		size_t n_rows;
		struct grid g;
		cJSON *reply;

		assert_non_null(b);
		assert_int_equal(predict_csv(b, rows, 0, include, &text, NULL), OK);
		grid_read(&g, &text);
		assert_int_equal(g.n_columns, at + 7);
		assert_string_equal(g.cell[0][at + 3], "ood.reference_score");
		assert_string_equal(g.cell[0][at + 4], "ood.attribution.x");
		assert_string_equal(g.cell[0][at + 5], "ood.attribution.size");
		assert_string_equal(g.cell[0][at + 6], "ood.attribution.colour");
		assert_int_equal(
			json_predict(b, json, sizeof json - 1, include, UINT64_MAX, &objects, &n_rows, &err), OK);
		buf_put_u8(&objects, 0);
		assert_non_null(reply = cJSON_Parse((const char *)objects.data));
		for (size_t i = 1; i < g.n_rows; i++) {
			static const char *const names[] = {"x", "size", "colour"};
			const cJSON *ood = cJSON_GetArrayItem(
				cJSON_GetObjectItemCaseSensitive(reply, n_classes ? "predictions" : "scores"),
				(int)i - 1);
			double sum = cell_number(&g, i, at + 3);

			if (n_classes)
				ood = cJSON_GetObjectItemCaseSensitive(ood, "ood");
			assert_true(cJSON_GetObjectItemCaseSensitive(ood, "reference_score")->valuedouble == sum);
			ood = cJSON_GetObjectItemCaseSensitive(ood, "attribution");
			assert_int_equal(cJSON_GetArraySize(ood), 3);
			for (size_t j = 0; j < 3; j++) {
				double share = cell_number(&g, i, at + 4 + j);

				sum += share;
				assert_true(cJSON_GetObjectItemCaseSensitive(ood, names[j])->valuedouble == share);
			}
			assert_true(fabs(sum - cell_number(&g, i, at)) < 1e-4);
		}
		assert_true(fabs(cell_number(&g, 2, at + 4)) > fabs(cell_number(&g, 2, at + 5)));
		assert_true(fabs(cell_number(&g, 2, at + 4)) > fabs(cell_number(&g, 2, at + 6)));
		grid_release(&g);
		cJSON_Delete(reply);
		buf_release(&text);
		buf_release(&objects);
		bundle_free(b);
	}
}

static void
attributions_for_very_many_rows_are_refused_to_those_who_share_the_machine(void **state)
{
	struct bundle *b = make();
	struct csv_predictor *p = NULL;
	struct buf csv = {0}, json = {0}, out = {0};
	size_t n_rows;

	(void)state;
	buf_puts(&csv, "x,size,colour,fixed\n");
	buf_puts(&json, "{\"columns\":[\"x\",\"size\",\"colour\",\"fixed\"],\"data\":[");
	for (size_t i = 0; i <= MAX_ATTRIBUTED_ROWS; i++) {
		buf_puts(&csv, "1,2,red,5\n");
		buf_puts(&json, i ? ",[1,2,\"red\",5]" : "[1,2,\"red\",5]");
	}
	buf_puts(&json, "]}");
	assert_int_equal(json_predict(b, json.data, json.len, INCLUDE_ATTRIBUTIONS, UINT64_MAX, &out, &n_rows, &err),
		ERR_TOO_LARGE);
	assert_string_equal(err.code, "too_many_rows");
	assert_int_equal(json_predict(b, json.data, json.len, 0, UINT64_MAX, &out, &n_rows, &err), OK);
	for (int limited = 0; limited < 2; limited++) {
		assert_int_equal(csv_predictor_new(b, INCLUDE_ATTRIBUTIONS, &p, &err), OK);
		if (limited)
			csv_predictor_limit_attributions(p);
		assert_int_equal(csv_predictor_feed(p, csv.data, csv.len, &out, &err), limited ? ERR_TOO_LARGE : OK);
		csv_predictor_free(p);
	}
	assert_string_equal(err.code, "too_many_rows");
	buf_release(&csv);
	buf_release(&json);
	buf_release(&out);
	bundle_free(b);
}

static void
csv_answers_have_the_columns_of_the_contract(void **state)
{
	struct bundle *b = make();
	struct buf out = {0};
	struct grid g;

	(void)state;
	assert_int_equal(
		predict_csv(b, "x,size,colour,fixed\n1,2,red,5\n9,,blue,5\n1e9,-1e9,blue,5", 0, true, &out, NULL), OK);
	assert_memory_equal(out.data, "label,probability.plain,\"probability.a,\"\"b\"\"\n\",", 47);
	grid_read(&g, &out);
	assert_int_equal(g.n_rows, 4);
	assert_int_equal(g.n_columns, 7);
	for (size_t k = 0; k < 3; k++) {
		assert_memory_equal(g.cell[0][1 + k], "probability.", 12);
		assert_string_equal(g.cell[0][1 + k] + 12, tiny_labels[k]);
	}
	assert_string_equal(g.cell[0][4], "ood.score");
	assert_string_equal(g.cell[0][5], "ood.p_value");
	assert_string_equal(g.cell[0][6], "ood.is_ood");
	for (size_t i = 1; i < 4; i++) {
		double sum = 0, best = 0;
		const char *label = NULL;

		for (size_t k = 0; k < 3; k++) {
			double v = cell_number(&g, i, 1 + k);

			sum += v;
			if (v > best) {
				best = v;
				label = tiny_labels[k];
			}
		}
		assert_true(fabs(sum - 1) < 1e-6);
		assert_string_equal(g.cell[i][0], label);
		assert_true(!strcmp(g.cell[i][6], "true") || !strcmp(g.cell[i][6], "false"));
		assert_int_equal(!strcmp(g.cell[i][6], "true"),
			cell_number(&g, i, 4) > b->model->reference[OOD_ENERGY].threshold);
	}
	grid_release(&g);
	buf_clear(&out);
	assert_int_equal(predict_csv(b, "x,size,colour,fixed\n1,2,red,5\n", 0, false, &out, NULL), OK);
	assert_memory_equal(out.data, "ood.score,ood.p_value,ood.is_ood\n", 33);
	grid_read(&g, &out);
	assert_int_equal(g.n_columns, 3);
	grid_release(&g);
	buf_release(&out);
	bundle_free(b);
}

static void
columns_are_matched_by_name_in_any_order(void **state)
{
	struct bundle *b = make();
	struct buf one = {0}, two = {0};
	struct csv_predictor *p = NULL;
	struct warning *w = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(predict_csv(b, "x,size,colour,fixed\n1,2,red,5\n3,,blue,5\n", 0, true, &one, NULL), OK);
	assert_int_equal(
		predict_csv(b, "label,colour,id,fixed,extra,x,size\r\nplain,red,7,5,?,1.0,2\r\n,blue,,5,,3,\r\n", 0,
			true, &two, &p),
		OK);
	assert_string_equal(one.data, two.data);
	assert_int_equal(csv_predictor_warnings(p, &w, &n, &err), OK);
	assert_int_equal(n, 1); /* neither the label column nor the identifier */
	assert_string_equal(w[0].column, "extra");
	assert_string_equal(w[0].code, "extra_column");
	assert_int_equal(w[0].count, 1);
	free(w);
	csv_predictor_free(p);
	buf_release(&one);
	buf_release(&two);
	bundle_free(b);
}

static void
what_was_served_with_a_doubt_is_counted(void **state)
{
	static const struct warning expected[] = {{"x", "missing_cell", 2}, {"x", "clipped_number", 1},
		{"colour", "unseen_category", 2}, {"colour", "missing_cell", 1}};
	struct bundle *b = make();
	struct buf out = {0};
	struct csv_predictor *p = NULL;
	struct warning *w = NULL;
	size_t n = 0;

	(void)state;
	/* a size is missing too, but that it was in training */
	assert_int_equal(predict_csv(b, "x,size,colour,fixed\n,2,mauve,5\n,,,5\n1e300,3,mauve,5\n1,1,red,6\n", 3, true,
				 &out, &p),
		OK);
	assert_int_equal(csv_predictor_warnings(p, &w, &n, &err), OK);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(w[i].column, expected[i].column);
		assert_string_equal(w[i].code, expected[i].code);
		assert_int_equal(w[i].count, expected[i].count);
	}
	free(w);
	csv_predictor_free(p);
	buf_release(&out);
	bundle_free(b);
}

static void
rows_that_cannot_be_predicted_are_named(void **state)
{
	(void)state;
	refused("x,colour,fixed\n1,red,5\n", "missing_column", "no column \"size\", which", 1, "size");
	refused("x,Size,colour,fixed\n1,2,red,5\n", "missing_column", "is it \"Size\"?", 1, "size");
	refused("colour\nred\n", "missing_column", "no column \"x\" and 2 more", 1, "x");
	refused("x;size;colour;fixed\n1;2;red;5\n", "missing_column", "a comma is expected", 1, "x");
	refused("x,size,colour,fixed\n\n1,2,red,5\n1,two,red,5\n", "not_a_number",
		"line 4: column \"size\" is one of numbers, and \"two\" is none", 4, "size");
	refused("x,size,colour,fixed\n1,0x10,red,5\n", "not_a_number", "line 2", 2, "size");
	refused("x,size,colour,fixed\n1,info,red,5\n", "not_a_number", "line 2", 2, "size");
	refused("x,size,colour,fixed\n1,2,red\n", "ragged_row", "line 2", 2, "fixed");
	refused("x,size,colour,fixed\n", "no_rows", "no rows", 0, "");
	refused("x,size,colour,fixed,x\n1,2,red,5,1\n", "duplicate_column", "x", 1, "x");
}

static void
names_declared_twice_are_refused(void **state)
{
	static const char *const names[] = {"x", "size", "colour", "fixed", "extra", "extra"};
	struct bundle *b = make();
	struct predictor *p = NULL;

	(void)state;
	assert_int_equal(predictor_new(b, &p, &err), OK);
	assert_int_equal(predictor_columns(p, names, 6, &err), ERR_DATA);
	assert_string_equal(err.code, "duplicate_column");
	assert_string_equal(err.column, "extra");
	predictor_free(p);
	bundle_free(b);
}

/* Far more rows than a batch, so that batches must join up. */
static void
answers_do_not_depend_on_pieces_or_batches(void **state)
{
	static const size_t pieces[] = {1, 7, 1000, 4096};
	struct bundle *b = make();
	struct buf text = {0}, whole = {0};
	size_t n_lines = 0;

	(void)state;
	buf_puts(&text, "x,size,colour,fixed\n");
	for (int i = 0; i < 2500; i++)
		buf_printf(&text, "%d.5,%d,%s,5\n", i % 13, i % 50, i % 3 ? "red" : "blue");
	buf_put_u8(&text, 0);
	assert_int_equal(predict_csv(b, (char *)text.data, 0, true, &whole, NULL), OK);
	for (const char *c = (char *)whole.data; *c; c++)
		n_lines += *c == '\n';
	assert_true(n_lines >= 2501);
	for (size_t i = 0; i < 4; i++) {
		struct buf out = {0};

		assert_int_equal(predict_csv(b, (char *)text.data, pieces[i], true, &out, NULL), OK);
		assert_int_equal(out.len, whole.len);
		assert_memory_equal(out.data, whole.data, whole.len);
		buf_release(&out);
	}
	buf_release(&text);
	buf_release(&whole);
	bundle_free(b);
}

static void
a_number_in_a_text_column_is_its_shortest_text(void **state)
{
	static const char *const names[] = {"x", "size", "colour", "fixed"};
	struct bundle *b = make();
	struct predictor *p = NULL;
	struct answers a;
	double score[3];

	(void)state;
	assert_int_equal(predictor_new(b, &p, &err), OK);
	assert_int_equal(predictor_columns(p, names, 4, &err), OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(predictor_begin_row(p, 0, &err), OK);
		assert_int_equal(predictor_cell_number(p, 0, 1, &err), OK);
		if (i == 0)
			assert_int_equal(predictor_cell_number(p, 2, 3.50, &err), OK);
		if (i == 1)
			assert_int_equal(predictor_cell_text(p, 2, "3.5", 3, &err), OK);
		if (i == 2)
			assert_int_equal(predictor_cell_text(p, 2, "red", 3, &err), OK);
	}
	assert_int_equal(predictor_answer(p, 0, &a, &err), OK);
	assert_int_equal(a.n, 3);
	assert_null(a.label);
	assert_null(a.probability);
	memcpy(score, a.score, sizeof score);
	assert_true(score[0] == score[1] && score[0] != score[2]);
	assert_int_equal(predictor_answer(p, INCLUDE_LABELS, &a, &err), OK); /* the batch is empty again */
	assert_int_equal(a.n, 0);
	predictor_free(p);
	bundle_free(b);
}

struct job {
	const struct bundle *bundle;
	struct buf out;
	enum status status;
};

static void *
work(void *arg)
{
	struct job *j = arg;
	struct csv_predictor *p = NULL;
	struct err e = {0};
	size_t n;

	j->status = csv_predictor_new(j->bundle, INCLUDE_LABELS, &p, &e);
	if (!j->status)
		j->status = csv_predictor_feed(p, "x,size,colour,fixed\n", 20, &j->out, &e);
	for (int i = 0; i < 3000 && !j->status; i++)
		j->status = csv_predictor_feed(p, "1,2,red,5\n3,,mauve,5\n", 21, &j->out, &e);
	if (!j->status)
		j->status = csv_predictor_finish(p, &j->out, &n, &e);
	csv_predictor_free(p);
	return NULL;
}

static void
one_bundle_serves_several_threads(void **state)
{
	struct bundle *b = make();
	struct job job[4] = {0};
	pthread_t thread[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		job[i].bundle = b;
		assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
	}
	for (size_t i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(job[i].status, OK);
		assert_int_equal(job[i].out.len, job[0].out.len);
		assert_memory_equal(job[i].out.data, job[0].out.data, job[0].out.len);
	}
	for (size_t i = 0; i < 4; i++)
		buf_release(&job[i].out);
	bundle_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bundle_read_back_is_the_same),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(how_cells_are_read_is_part_of_a_model),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(models_of_older_formats_answer_as_they_did),
		cmocka_unit_test(changed_bytes_under_a_valid_checksum_are_refused_or_harmless),
		cmocka_unit_test(a_bundle_without_classes_has_scores_and_refuses_labels),
		cmocka_unit_test(attributions_by_column_make_the_score_in_csv_as_in_json),
		cmocka_unit_test(attributions_for_very_many_rows_are_refused_to_those_who_share_the_machine),
		cmocka_unit_test(csv_answers_have_the_columns_of_the_contract),
		cmocka_unit_test(columns_are_matched_by_name_in_any_order),
		cmocka_unit_test(what_was_served_with_a_doubt_is_counted),
		cmocka_unit_test(rows_that_cannot_be_predicted_are_named),
		cmocka_unit_test(names_declared_twice_are_refused),
		cmocka_unit_test(answers_do_not_depend_on_pieces_or_batches),
		cmocka_unit_test(a_number_in_a_text_column_is_its_shortest_text),
		cmocka_unit_test(one_bundle_serves_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
