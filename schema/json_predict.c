/*
 * json_predict: a JSON body of rows in, a JSON body of answers out. Declared in bundle.h.
 *
 * The body is read once, row by row into a predictor, and answered batch by batch, so that beyond body and reply little
 * memory is needed however many the rows. Keys are looked up in one dictionary, which begins with the columns that the
 * model knows; a key that it does not know joins behind them and is reported once, as an extra column.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/suggest.h"
#include "schema/bundle.h"
#include "schema/csv.h"
#include "schema/json_read.h"

struct run {
	const struct bundle *bundle;
	bool want_labels;
	struct json_reader json;
	struct predictor *predictor;
	struct buf *out; /* borrowed */

	struct dictionary keys; /* the encoder's columns, the label column, then whatever else the rows have */
	size_t n_known;         /* of them known to the model; the extra ones follow */
	uint64_t *seen;         /* [seen_cap]: the last row with the key */
	size_t seen_cap;
	size_t *target; /* [encoder_n_columns]: declared column of the predictor; SIZE_MAX: not wanted */
	size_t n_wanted;

	uint64_t row; /* the one being read, from 1; 0: none yet */
	uint64_t n_answered;
};

static int
shown(const char *name)
{
	return (int)text_cut(name, strlen(name), 60);
}

static enum status
at_row(struct err *e, uint64_t row, const char *name)
{
	char cut[sizeof e->column];

	if (name)
		snprintf(cut, sizeof cut, "%.*s", (int)text_cut(name, strlen(name), sizeof cut - 1), name);
	return err_at(e, row, name ? cut : NULL);
}

/* ---- the columns ------------------------------------------------------------------------------------------------- */

/* The key's number in the dictionary, with room in `seen` for it. */
static enum status
key_number(struct run *r, const char *key, size_t len, uint32_t *code, struct err *e)
{
	enum status s = dictionary_add(&r->keys, key, len, code, e);

	if (s || *code < r->seen_cap)
		return s;
	{
		size_t cap = r->seen_cap ? r->seen_cap * 2 : 64;
		uint64_t *seen = realloc(r->seen, cap * sizeof *seen);

		if (!seen)
			return err_nomem(e);
		memset(seen + r->seen_cap, 0, (cap - r->seen_cap) * sizeof *seen);
		r->seen = seen;
		r->seen_cap = cap;
	}
	return OK;
}

static enum status
declare_columns(struct run *r, struct err *e)
{
	const struct encoder *c = r->bundle->encoder;
	const char *label_column = r->bundle->label_column;
	size_t n = encoder_n_columns(c);
	const char **wanted = calloc(n, sizeof *wanted);
	uint32_t code;
	enum status s;

	r->target = calloc(n, sizeof *r->target);
	if (!wanted || !r->target) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t j = 0; j < n; j++) {
		const char *name = encoder_column_name(c, j);

		if ((s = key_number(r, name, strlen(name), &code, e)))
			goto out;
		r->target[j] = SIZE_MAX;
		if (encoder_column_wanted(c, j)) {
			r->target[j] = r->n_wanted;
			wanted[r->n_wanted++] = name;
		}
	}
	if (label_column && (s = key_number(r, label_column, strlen(label_column), &code, e)))
		goto out;
	r->n_known = r->keys.n;
	s = predictor_columns(r->predictor, wanted, r->n_wanted, e);
out:
	free(wanted);
	return s;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void
put_string(struct buf *out, const char *text)
{
	const char *from = text;

	buf_puts(out, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buf_put(out, from, (size_t)(text - from));
		from = text + 1;
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_printf(out, "\\u%04x", c);
	}
	buf_put(out, from, (size_t)(text - from));
	buf_puts(out, "\"");
}

static void
put_ood(struct buf *out, const struct answers *a, size_t i)
{
	char text[32];

	buf_puts(out, "{\"score\":");
	buf_put(out, text, number_format(text, a->score[i]));
	buf_puts(out, ",\"p_value\":");
	buf_put(out, text, number_format(text, a->p_value[i]));
	buf_puts(out, a->is_ood[i] ? ",\"is_ood\":true}" : ",\"is_ood\":false}");
}

static enum status
put_answers(struct run *r, struct err *e)
{
	struct buf *out = r->out;
	struct answers a;
	char text[32];
	enum status s;

	if ((s = predictor_answer(r->predictor, r->want_labels, &a, e)))
		return s;
	for (size_t i = 0; i < a.n; i++) {
		if (r->n_answered++)
			buf_puts(out, ",");
		if (!r->want_labels) {
			put_ood(out, &a, i);
			continue;
		}
		buf_puts(out, "{\"label\":");
		put_string(out, r->bundle->label[a.label[i]]);
		for (size_t k = 0; k < a.n_classes; k++) {
			buf_puts(out, k ? "," : ",\"probabilities\":{");
			put_string(out, r->bundle->label[k]);
			buf_puts(out, ":");
			buf_put(out, text, number_format_float(text, a.probability[i * a.n_classes + k]));
		}
		buf_puts(out, "},\"ood\":");
		put_ood(out, &a, i);
		buf_puts(out, "}");
	}
	return buf_status(out, e);
}

static void
put_warning(struct buf *out, bool first, const char *column, const char *code, size_t count)
{
	buf_puts(out, first ? "{\"column\":" : ",{\"column\":");
	put_string(out, column);
	buf_printf(out, ",\"code\":\"%s\",\"count\":%zu}", code, count);
}

static enum status
put_warnings(struct run *r, struct err *e)
{
	struct warning *list = NULL;
	size_t n = 0;
	enum status s;

	if ((s = predictor_warnings(r->predictor, &list, &n, e)))
		return s;
	buf_puts(r->out, "],\"warnings\":[");
	for (size_t i = 0; i < n; i++)
		put_warning(r->out, i == 0, list[i].column, list[i].code, list[i].count);
	for (size_t k = r->n_known; k < r->keys.n; k++)
		put_warning(r->out, n == 0 && k == r->n_known, r->keys.text[k], "extra_column", 1);
	buf_puts(r->out, "]}");
	free(list);
	return buf_status(r->out, e);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static enum status
read_cell(struct run *r, uint32_t key, struct err *e)
{
	size_t column = key < encoder_n_columns(r->bundle->encoder) ? r->target[key] : SIZE_MAX;
	struct json_token v;
	enum status s;

	if ((s = json_next(&r->json, &v, e)))
		return s;
	if (column == SIZE_MAX)
		return json_skip(&r->json, &v, e);
	switch (v.type) {
	case JSON_NULL:
		return OK;
	case JSON_NUMBER:
		s = predictor_cell_number(r->predictor, column, v.number, e);
		break;
	case JSON_STRING:
		s = predictor_cell_text(r->predictor, column, v.text, v.len, e);
		break;
	case JSON_TRUE:
		s = predictor_cell_text(r->predictor, column, "true", 4, e);
		break;
	case JSON_FALSE:
		s = predictor_cell_text(r->predictor, column, "false", 5, e);
		break;
	default:
		err_set(e, ERR_DATA, "not_a_cell", "column \"%.*s\" has %s for a value", shown(r->keys.text[key]),
			r->keys.text[key], json_type_name(v.type));
		s = at_row(e, r->row, r->keys.text[key]);
	}
	return s ? err_prefix(e, "row %llu", (unsigned long long)r->row) : OK;
}

static enum status
missing_column(struct run *r, struct err *e)
{
	size_t j = 0;
	const char *name;

	while (r->target[j] == SIZE_MAX || r->seen[j] == r->row)
		j++;
	name = r->keys.text[j];
	err_set(e, ERR_DATA, "missing_column",
		"row %llu has no column \"%.*s\", which the model needs: null says that it is missing",
		(unsigned long long)r->row, shown(name), name);
	return at_row(e, r->row, name);
}

/* at is behind the row's '{'. */
static enum status
read_row(struct run *r, struct err *e)
{
	size_t n_given = 0;
	enum status s;

	if (predictor_full(r->predictor) && (s = put_answers(r, e)))
		return s;
	r->row++;
	if ((s = predictor_begin_row(r->predictor, r->row, e)))
		return s;
	for (;;) {
		struct json_token key;
		uint32_t code;

		if ((s = json_next(&r->json, &key, e)))
			return s;
		if (key.type == JSON_OBJECT_END)
			break;
		if ((s = key_number(r, key.text, key.len, &code, e)))
			return s;
		if (r->seen[code] == r->row) {
			err_set(e, ERR_DATA, "duplicate_key", "row %llu has the column \"%.*s\" twice",
				(unsigned long long)r->row, shown(key.text), key.text);
			return at_row(e, r->row, key.text);
		}
		r->seen[code] = r->row;
		if (r->keys.n > r->n_known + CSV_MAX_COLUMNS) {
			err_set(e, ERR_TOO_LARGE, "too_many_columns",
				"row %llu: the rows have over %d columns unknown to the model",
				(unsigned long long)r->row, CSV_MAX_COLUMNS);
			return at_row(e, r->row, NULL);
		}
		n_given += code < encoder_n_columns(r->bundle->encoder) && r->target[code] != SIZE_MAX;
		if ((s = read_cell(r, code, e)))
			return s;
	}
	return n_given < r->n_wanted ? missing_column(r, e) : OK;
}

static enum status
read_rows(struct run *r, struct err *e)
{
	struct json_token t;
	enum status s;

	if ((s = json_next(&r->json, &t, e)))
		return s;
	if (t.type != JSON_ARRAY)
		return err_set(e, ERR_INVALID, "invalid_rows", "\"rows\" must be an array of objects, not %s",
			json_type_name(t.type));
	for (;;) {
		if ((s = json_next(&r->json, &t, e)))
			return s;
		if (t.type == JSON_ARRAY_END)
			break;
		if (t.type != JSON_OBJECT) {
			err_set(e, ERR_INVALID, "invalid_rows",
				"row %llu must be an object of columns and values, not %s",
				(unsigned long long)r->row + 1, json_type_name(t.type));
			return at_row(e, r->row + 1, NULL);
		}
		if ((s = read_row(r, e)))
			return s;
	}
	return r->row ? OK : err_set(e, ERR_DATA, "no_rows", "\"rows\" is empty: there is nothing to predict");
}

static enum status
unknown_field(const char *name, struct err *e)
{
	static const char *const known[] = {"rows"};
	const char *near = suggest_nearest(name, known, 1);

	return err_set(e, ERR_INVALID, "unknown_field", "the body has a field \"%.*s\"; %s", shown(name), name,
		near ? "did you mean \"rows\"?" : "it must have \"rows\" alone");
}

/* The whole body, from its '{' to its end. */
static enum status
read_body(struct run *r, struct err *e)
{
	static const char missing_rows[] =
		"the body must be an object with \"rows\": {\"rows\": [{\"column\": value}]}";
	struct json_token t;
	bool have_rows = false;
	enum status s;

	if ((s = json_next(&r->json, &t, e)))
		return s;
	if (t.type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "missing_rows", "%s", missing_rows);
	for (;;) {
		if ((s = json_next(&r->json, &t, e)))
			return s;
		if (t.type == JSON_OBJECT_END)
			break;
		if (strcmp(t.text, "rows"))
			return unknown_field(t.text, e);
		if (have_rows)
			return err_set(e, ERR_INVALID, "duplicate_key", "the body has \"rows\" twice");
		have_rows = true;
		if ((s = read_rows(r, e)))
			return s;
	}
	if (!have_rows)
		return err_set(e, ERR_INVALID, "missing_rows", "%s", missing_rows);
	return json_next(&r->json, &t, e); /* JSON_END, or the error that there is more */
}

enum status
json_predict(const struct bundle *b, const void *body, size_t n, bool want_labels, struct buf *out, size_t *n_rows,
	struct err *e)
{
	struct run r = {.bundle = b, .want_labels = want_labels, .out = out};
	size_t before = out->len;
	enum status s = bundle_check_classes(b, want_labels, e);

	if (s)
		return s;
	json_reader_init(&r.json, body, n);
	buf_puts(out, want_labels ? "{\"predictions\":[" : "{\"scores\":[");
	if ((s = predictor_new(b, &r.predictor, e)) || (s = declare_columns(&r, e)) || (s = read_body(&r, e)) ||
		(s = put_answers(&r, e)) || (s = put_warnings(&r, e)))
		out->len = before;
	else if (n_rows)
		*n_rows = (size_t)r.row;
	json_reader_release(&r.json);
	predictor_free(r.predictor);
	dictionary_release(&r.keys);
	free(r.seen);
	free(r.target);
	return s;
}
