/*
 * json_rows: see json_rows.h.
 *
 * Of rows that are objects the keys are numbered: those that the predictor knows as it knows them, the others behind
 * them in order of appearance; each of these is reported once, as an extra column. Of rows that come column by column a
 * reader walks along each of them.
 */
#include "schema/json_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/csv.h"
#include "schema/unnamed.h"

enum status
json_rows_init(struct json_rows *r, const struct bundle *b, unsigned include, uint64_t max_answers, struct buf *out,
	struct err *e)
{
	*r = (struct json_rows){
		.bundle = b, .include = include, .max_answers = max_answers, .out = out, .what = "rows"};
	return predictor_new(b, &r->predictor, e);
}

void
json_rows_release(struct json_rows *r)
{
	predictor_free(r->predictor);
	dictionary_release(&r->extra);
	free(r->seen);
	free(r->target);
	memset(r, 0, sizeof *r);
}

/* Answers --------------------------------------------------------------------------------------------------------- */

static enum status
put_answers(struct json_rows *r, struct err *e)
{
	struct answers a;
	enum status s;

	if ((s = predictor_answer(r->predictor, r->include, &a, e)))
		return s;
	if (!r->n_answered)
		answers_json_begin(r->bundle, r->form, r->include, r->out);
	answers_json_rows(r->bundle, r->form, &a, !r->n_answered, r->out);
	r->n_answered += a.n;
	s = buf_status(r->out, e);
	return s ? s : answers_fit(r->out->len, r->max_answers, e);
}

static enum status
begin_row(struct json_rows *r, struct err *e)
{
	enum status s;

	if (predictor_full(r->predictor) && (s = put_answers(r, e)))
		return s;
	if ((s = attributions_fit(r->include, ++r->row, e)))
		return s;
	return predictor_begin_row(r->predictor, r->row, e);
}

enum status
json_rows_finish(struct json_rows *r, struct err *e)
{
	struct warning *list = NULL;
	size_t n = 0;
	enum status s;

	if (!r->row)
		return err_set(e, ERR_DATA, "no_rows", "\"%s\" is empty: there is nothing to predict", r->what);
	if ((s = put_answers(r, e)) || (s = predictor_warnings(r->predictor, &list, &n, e)))
		return s;
	answers_json_end(list, n, r->extra.text, r->extra.n, r->out);
	free(list);
	return buf_status(r->out, e);
}

/* Cells ----------------------------------------------------------------------------------------------------------- */

/* The cell that `v` is, into the predictor's column; `name` is for messages. */
static enum status
put_cell(struct json_rows *r, size_t column, const char *name, const struct json_token *v, struct err *e)
{
	enum status s;

	switch (v->type) {
	case JSON_NULL:
		return OK;
	case JSON_NUMBER:
		s = predictor_cell_number(r->predictor, column, v->number, e);
		break;
	case JSON_STRING:
		s = predictor_cell_text(r->predictor, column, v->text, v->len, e);
		break;
	case JSON_TRUE:
		s = predictor_cell_text(r->predictor, column, "true", 4, e);
		break;
	case JSON_FALSE:
		s = predictor_cell_text(r->predictor, column, "false", 5, e);
		break;
	default:
		err_set(e, ERR_DATA, "not_a_cell", "column \"%.*s\" has %s for a value", text_shown(name), name,
			json_type_name(v->type));
		s = text_err_at(e, r->row, name);
	}
	return s ? err_prefix(e, "row %llu", (unsigned long long)r->row) : OK;
}

/* Rows that are objects ------------------------------------------------------------------------------------------- */

/* The key's number, with room in `seen` for it. Most rows have the columns in the model's order: that behind the last
 * one is tried first. */
static enum status
key_number(struct json_rows *r, const char *key, size_t len, size_t likely, size_t *number, struct err *e)
{
	const struct encoder *c = r->bundle->encoder;
	uint32_t code;
	enum status s;

	if (unnamed_is(key)) { /* an object has but one such key */
		key = UNNAMED_FIRST;
		len = sizeof UNNAMED_FIRST - 1;
	}
	if (likely < encoder_n_columns(c) && !strcmp(encoder_column_name(c, likely), key))
		*number = likely;
	else
		*number = predictor_find_column(r->predictor, key, len);
	if (*number != SIZE_MAX)
		return OK;
	if ((s = dictionary_add(&r->extra, key, len, &code, e)))
		return s;
	*number = r->n_known + code;
	if (*number >= r->seen_cap) {
		size_t cap = r->seen_cap * 2;
		uint64_t *seen = realloc(r->seen, cap * sizeof *seen);

		if (!seen)
			return err_nomem(e);
		memset(seen + r->seen_cap, 0, (cap - r->seen_cap) * sizeof *seen);
		r->seen = seen;
		r->seen_cap = cap;
	}
	return OK;
}

/* The columns that the model wants, in its order; borrowed names in an array that the caller frees. */
static enum status
wanted_columns(const struct bundle *b, const char ***out, size_t *n, struct err *e)
{
	const struct encoder *c = b->encoder;
	size_t n_columns = encoder_n_columns(c);
	const char **names = calloc(n_columns + 1, sizeof *names);

	if (!names)
		return err_nomem(e);
	*n = 0;
	for (size_t j = 0; j < n_columns; j++)
		if (encoder_column_wanted(c, j))
			names[(*n)++] = encoder_column_name(c, j);
	*out = names;
	return OK;
}

static enum status
declare_columns(struct json_rows *r, struct err *e)
{
	const struct encoder *c = r->bundle->encoder;
	const char **wanted = NULL;
	size_t n = encoder_n_columns(c);
	enum status s;

	r->n_known = n + (r->bundle->label_column != NULL);
	r->seen_cap = r->n_known + 1;
	r->seen = calloc(r->seen_cap, sizeof *r->seen);
	r->target = calloc(n + 1, sizeof *r->target);
	if (!r->seen || !r->target)
		return err_nomem(e);
	for (size_t j = 0; j < n; j++)
		r->target[j] = encoder_column_wanted(c, j) ? r->n_wanted++ : SIZE_MAX;
	if ((s = wanted_columns(r->bundle, &wanted, &n, e)))
		return s;
	s = predictor_columns(r->predictor, wanted, n, e);
	free(wanted);
	return s;
}

static enum status
read_member(struct json_rows *r, struct json_reader *in, size_t key, struct err *e)
{
	const struct encoder *c = r->bundle->encoder;
	size_t column = key < encoder_n_columns(c) ? r->target[key] : SIZE_MAX;
	struct json_token v;
	enum status s;

	if ((s = json_next(in, &v, e)))
		return s;
	return column == SIZE_MAX ? json_skip(in, &v, e) : put_cell(r, column, encoder_column_name(c, key), &v, e);
}

static enum status
missing_column(struct json_rows *r, struct err *e)
{
	size_t j = 0;
	const char *name;

	while (r->target[j] == SIZE_MAX || r->seen[j] == r->row)
		j++;
	name = encoder_column_name(r->bundle->encoder, j);
	err_set(e, ERR_DATA, "missing_column",
		"row %llu has no column \"%.*s\", which the model needs: null says that it is missing",
		(unsigned long long)r->row, text_shown(name), name);
	return text_err_at(e, r->row, name);
}

/* Behind the row's '{'. */
static enum status
read_object(struct json_rows *r, struct json_reader *in, struct err *e)
{
	size_t n_given = 0, number = SIZE_MAX;
	enum status s;

	if ((s = begin_row(r, e)))
		return s;
	for (;;) {
		struct json_token key;

		if ((s = json_next(in, &key, e)))
			return s;
		if (key.type == JSON_OBJECT_END)
			break;
		if ((s = key_number(r, key.text, key.len, number + 1, &number, e)))
			return s;
		if (r->seen[number] == r->row) {
			err_set(e, ERR_DATA, "duplicate_key", "row %llu has the column \"%.*s\" twice",
				(unsigned long long)r->row, text_shown(key.text), key.text);
			return text_err_at(e, r->row, key.text);
		}
		r->seen[number] = r->row;
		if (r->extra.n > CSV_MAX_COLUMNS) {
			err_set(e, ERR_TOO_LARGE, "too_many_columns",
				"row %llu: the rows have over %d columns unknown to the model",
				(unsigned long long)r->row, CSV_MAX_COLUMNS);
			return text_err_at(e, r->row, NULL);
		}
		n_given += number < encoder_n_columns(r->bundle->encoder) && r->target[number] != SIZE_MAX;
		if ((s = read_member(r, in, number, e)))
			return s;
	}
	return n_given < r->n_wanted ? missing_column(r, e) : OK;
}

static enum status
odd_row(struct json_rows *r, const char *wanted, const struct json_token *t, struct err *e)
{
	err_set(e, ERR_INVALID, "invalid_rows", "row %llu must be %s, not %s", (unsigned long long)r->row + 1, wanted,
		json_type_name(t->type));
	return text_err_at(e, r->row + 1, NULL);
}

/* From the token of the first row on. */
static enum status
read_objects(struct json_rows *r, struct json_reader *in, struct json_token *t, struct err *e)
{
	enum status s = declare_columns(r, e);

	while (!s && t->type != JSON_ARRAY_END) {
		if (t->type != JSON_OBJECT)
			return odd_row(r, "an object of columns and values", t, e);
		if (!(s = read_object(r, in, e)))
			s = json_next(in, t, e);
	}
	return s;
}

enum status
json_rows_objects(struct json_rows *r, struct json_reader *in, struct err *e)
{
	struct json_token t;
	enum status s = json_next(in, &t, e);

	return s ? s : read_objects(r, in, &t, e);
}

/* Rows that are lists --------------------------------------------------------------------------------------------- */

static enum status
wrong_width(struct json_rows *r, size_t n, bool more, struct err *e)
{
	err_set(e, ERR_DATA, "ragged_row", "row %llu has %s than %zu cells, one for each column",
		(unsigned long long)r->row, more ? "more" : "fewer", n);
	return text_err_at(e, r->row, NULL);
}

/* Behind the row's '['. */
static enum status
read_list(struct json_rows *r, struct json_reader *in, const char *const *names, size_t n, struct err *e)
{
	struct json_token t;
	enum status s;

	if ((s = begin_row(r, e)))
		return s;
	for (size_t i = 0;; i++) {
		if ((s = json_next(in, &t, e)))
			return s;
		if (t.type == JSON_ARRAY_END)
			return i < n ? wrong_width(r, n, false, e) : OK;
		if (i == n)
			return wrong_width(r, n, true, e);
		if ((s = put_cell(r, i, names[i], &t, e)))
			return s;
	}
}

static enum status
read_lists(struct json_rows *r, struct json_reader *in, const char *const *names, size_t n, struct json_token *t,
	struct err *e)
{
	const char **own = NULL;
	enum status s;

	if (!names && (s = wanted_columns(r->bundle, &own, &n, e)))
		return s;
	names = names ? names : own;
	s = predictor_columns(r->predictor, names, n, e);
	while (!s && t->type != JSON_ARRAY_END) {
		if (t->type != JSON_ARRAY)
			s = odd_row(r, "a list of values", t, e);
		else if (!(s = read_list(r, in, names, n, e)))
			s = json_next(in, t, e);
	}
	free(own);
	return s;
}

enum status
json_rows_lists(struct json_rows *r, struct json_reader *in, const char *const *names, size_t n, struct err *e)
{
	struct json_token t;
	enum status s = json_next(in, &t, e);

	return s ? s : read_lists(r, in, names, n, &t, e);
}

enum status
json_rows_any(struct json_rows *r, struct json_reader *in, struct err *e)
{
	struct json_token t;
	enum status s = json_next(in, &t, e);

	if (s)
		return s;
	return t.type == JSON_ARRAY ? read_lists(r, in, NULL, 0, &t, e) : read_objects(r, in, &t, e);
}

enum status
json_names(struct json_reader *in, const char *what, struct dictionary *out, struct err *e)
{
	struct json_token t;
	uint32_t code;
	size_t n = 0;
	enum status s;

	if ((s = json_next(in, &t, e)))
		return s;
	if (t.type != JSON_ARRAY)
		return err_set(e, ERR_INVALID, "invalid_columns", "\"%s\" must be a list of names, not %s", what,
			json_type_name(t.type));
	for (;;) {
		if ((s = json_next(in, &t, e)) || t.type == JSON_ARRAY_END)
			return s;
		if (t.type != JSON_STRING)
			return err_set(e, ERR_INVALID, "invalid_columns", "\"%s\" has %s among the names", what,
				json_type_name(t.type));
		if (n == CSV_MAX_COLUMNS)
			return err_set(e, ERR_TOO_LARGE, "too_many_columns", "\"%s\" has over %d names", what,
				CSV_MAX_COLUMNS);
		if ((s = dictionary_add(out, t.text, t.len, &code, e)))
			return s;
		if (code != n++)
			return err_set(e, ERR_DATA, "duplicate_column", "the rows have two columns \"%.*s\"",
				text_shown(t.text), t.text);
	}
}

/* Rows that come column by column --------------------------------------------------------------------------------- */

struct by_column {
	struct dictionary names;
	struct json_reader *at; /* [names.n], each on a column's list */
	size_t cap;
};

static void
by_column_release(struct by_column *c)
{
	for (size_t i = 0; i < c->cap; i++)
		json_reader_release(&c->at[i]);
	free(c->at);
	dictionary_release(&c->names);
}

/* Behind the name of a column: its list is passed over, and a reader put in front of it. */
static enum status
note_column(
	struct json_rows *r, struct by_column *c, struct json_reader *in, const struct json_token *key, struct err *e)
{
	const unsigned char *from = in->at;
	size_t n = c->names.n;
	struct json_token t;
	uint32_t code;
	enum status s;

	if (n == CSV_MAX_COLUMNS)
		return err_set(
			e, ERR_TOO_LARGE, "too_many_columns", "\"%s\" has over %d columns", r->what, CSV_MAX_COLUMNS);
	if ((s = dictionary_add(&c->names, key->text, key->len, &code, e)))
		return s;
	if (code != n)
		return err_set(e, ERR_DATA, "duplicate_column", "the rows have two columns \"%.*s\"",
			text_shown(key->text), key->text);
	if (code == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		struct json_reader *larger = realloc(c->at, cap * sizeof *larger);

		if (!larger)
			return err_nomem(e);
		memset(larger + c->cap, 0, (cap - c->cap) * sizeof *larger);
		c->at = larger;
		c->cap = cap;
	}
	if ((s = json_next(in, &t, e)))
		return s;
	if (t.type != JSON_ARRAY)
		return err_set(e, ERR_INVALID, "invalid_rows", "column \"%.*s\" must be a list of values, not %s",
			text_shown(c->names.text[code]), c->names.text[code], json_type_name(t.type));
	if ((s = json_skip(in, &t, e)))
		return s;
	json_reader_init(&c->at[code], from, (size_t)(in->at - from));
	return json_next(&c->at[code], &t, e); /* '[' */
}

/* The next cell of a column into the row, or *end. It may stand in a list of its own, as those of an array of shape
 * [n,1] do. */
static enum status
take_cell(struct json_rows *r, struct by_column *c, size_t column, bool *end, struct err *e)
{
	const char *name = c->names.text[column];
	struct json_reader *at = &c->at[column];
	struct json_token t;
	bool nested;
	enum status s;

	if ((s = json_next(at, &t, e)))
		return s;
	*end = t.type == JSON_ARRAY_END;
	if (column == 0 && !*end && (s = begin_row(r, e)))
		return s;
	if (*end)
		return OK;
	nested = t.type == JSON_ARRAY;
	if (nested && (s = json_next(at, &t, e)))
		return s;
	if (t.type == JSON_ARRAY || t.type == JSON_ARRAY_END)
		goto no_cell;
	if ((s = put_cell(r, column, name, &t, e)) || !nested)
		return s;
	if ((s = json_next(at, &t, e)) || t.type == JSON_ARRAY_END)
		return s;
no_cell:
	err_set(e, ERR_DATA, "not_a_cell", "row %llu: column \"%.*s\" has a list that is not of one value",
		(unsigned long long)r->row, text_shown(name), name);
	return text_err_at(e, r->row, name);
}

static enum status
read_columns(struct json_rows *r, struct by_column *c, struct err *e)
{
	bool end = false, first_end = false;
	enum status s = OK;

	while (!s && !first_end) {
		s = take_cell(r, c, 0, &first_end, e);
		for (size_t i = 1; i < c->names.n && !s; i++) {
			if ((s = take_cell(r, c, i, &end, e)) || end == first_end)
				continue;
			err_set(e, ERR_DATA, "ragged_row", "column \"%.*s\" is %s than column \"%.*s\"",
				text_shown(c->names.text[i]), c->names.text[i], end ? "shorter" : "longer",
				text_shown(c->names.text[0]), c->names.text[0]);
			s = text_err_at(e, r->row, c->names.text[i]);
		}
	}
	return s;
}

enum status
json_rows_by_column(struct json_rows *r, struct json_reader *in, struct err *e)
{
	struct by_column c = {0};
	struct json_token t;
	enum status s;

	while (!(s = json_next(in, &t, e)) && t.type == JSON_KEY)
		if ((s = note_column(r, &c, in, &t, e)))
			break;
	if (!s)
		s = predictor_columns(r->predictor, c.names.text, c.names.n, e);
	if (!s && c.names.n)
		s = read_columns(r, &c, e);
	by_column_release(&c);
	return s;
}
