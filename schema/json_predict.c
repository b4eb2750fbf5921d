/*
 * json_predict: a JSON body of rows in, a JSON body of answers out, in verad's own two forms. Declared in bundle.h; the
 * rows themselves are for json_rows.
 */
#include <stdio.h>
#include <string.h>

#include "engine/suggest.h"
#include "schema/json_rows.h"

/* The fields of a body; those of the second form may come in any order. */
struct body {
	bool rows, columns, data;
	struct dictionary names;   /* of "columns" */
	const unsigned char *from; /* of "data" where it came before "columns": read once they are known */
	size_t n;
};

static enum status
unknown_field(const char *name, struct err *e)
{
	static const char *const known[] = {"rows", "columns", "data"};
	const char *near = suggest_nearest(name, known, 3);
	char hint[48] = "it must have \"rows\", or \"columns\" and \"data\"";

	if (near)
		snprintf(hint, sizeof hint, "did you mean \"%s\"?", near);
	return err_set(
		e, ERR_INVALID, "unknown_field", "the body has a field \"%.*s\"; %s", text_shown(name), name, hint);
}

static enum status
duplicate(bool *seen, const char *name, struct err *e)
{
	if (*seen)
		return err_set(e, ERR_INVALID, "duplicate_key", "the body has \"%s\" twice", name);
	*seen = true;
	return OK;
}

static enum status
expect_array(const struct json_token *t, const char *name, const char *of, struct err *e)
{
	return t->type == JSON_ARRAY ? OK
				     : err_set(e, ERR_INVALID, "invalid_rows", "\"%s\" must be an array of %s, not %s",
					       name, of, json_type_name(t->type));
}

static enum status
read_data(struct json_rows *r, struct json_reader *in, struct body *b, struct err *e)
{
	const unsigned char *from = in->at;
	struct json_token t;
	enum status s;

	if ((s = json_next(in, &t, e)) || (s = expect_array(&t, "data", "lists of values", e)))
		return s;
	if (b->columns)
		return json_rows_lists(r, in, b->names.text, b->names.n, e);
	if ((s = json_skip(in, &t, e)))
		return s;
	b->from = from;
	b->n = (size_t)(in->at - from);
	return OK;
}

static enum status
read_data_later(struct json_rows *r, struct body *b, struct err *e)
{
	struct json_reader in;
	struct body again = {.columns = true, .names = b->names};
	enum status s;

	json_reader_init(&in, b->from, b->n);
	s = read_data(r, &in, &again, e);
	json_reader_release(&in);
	return s;
}

static enum status
read_field(struct json_rows *r, struct json_reader *in, const char *name, struct body *b, struct err *e)
{
	struct json_token t;
	enum status s;

	if (!strcmp(name, "rows")) {
		if ((s = duplicate(&b->rows, "rows", e)) || (s = json_next(in, &t, e)) ||
			(s = expect_array(&t, "rows", "objects", e)))
			return s;
		return json_rows_objects(r, in, e);
	}
	if (!strcmp(name, "columns"))
		return (s = duplicate(&b->columns, "columns", e)) ? s : json_names(in, "columns", &b->names, e);
	if (!strcmp(name, "data")) {
		r->form = ANSWERS_SPLIT;
		r->what = "data";
		return (s = duplicate(&b->data, "data", e)) ? s : read_data(r, in, b, e);
	}
	if (strcmp(name, "index")) /* pandas writes the names of the rows there */
		return unknown_field(name, e);
	return (s = json_next(in, &t, e)) ? s : json_skip(in, &t, e);
}

/* The whole body, from its '{' to its end. */
static enum status
read_body(struct json_rows *r, struct json_reader *in, struct body *b, struct err *e)
{
	static const char missing[] = "the body must be an object with \"rows\": {\"rows\": [{\"column\": value}]}, or "
				      "with \"columns\" and \"data\"";
	struct json_token t;
	char name[16];
	enum status s;

	if ((s = json_next(in, &t, e)))
		return s;
	if (t.type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "missing_rows", "%s", missing);
	for (;;) {
		if ((s = json_next(in, &t, e)))
			return s;
		if (t.type == JSON_OBJECT_END)
			break;
		if (t.len >= sizeof name)
			return unknown_field(t.text, e);
		memcpy(name, t.text, t.len + 1);
		if (b->rows && (!strcmp(name, "columns") || !strcmp(name, "data")))
			return err_set(e, ERR_INVALID, "unknown_field",
				"the body has \"rows\", so it cannot have \"%s\"", name);
		if (!strcmp(name, "rows") && (b->columns || b->data))
			return err_set(e, ERR_INVALID, "unknown_field",
				"the body has \"rows\" as well as \"columns\" or \"data\"");
		if ((s = read_field(r, in, name, b, e)))
			return s;
	}
	if (!b->rows && !(b->columns && b->data))
		return err_set(e, ERR_INVALID, "missing_rows", "%s", missing);
	if ((s = json_next(in, &t, e))) /* JSON_END, or the error that there is more */
		return s;
	return b->from ? read_data_later(r, b, e) : OK;
}

enum status
json_predict(const struct bundle *b, const void *body, size_t n, unsigned include, uint64_t max_answers,
	struct buf *out, size_t *n_rows, struct err *e)
{
	struct json_rows r = {0};
	struct body fields = {0};
	struct json_reader in;
	size_t before = out->len;
	enum status s = bundle_check_classes(b, include & INCLUDE_LABELS, e);

	if (s)
		return s;
	json_reader_init(&in, body, n);
	if ((s = json_rows_init(&r, b, include, max_answers, out, e)) || (s = read_body(&r, &in, &fields, e)) ||
		(s = json_rows_finish(&r, e)))
		out->len = before;
	else if (n_rows)
		*n_rows = r.n_answered;
	json_reader_release(&in);
	json_rows_release(&r);
	dictionary_release(&fields.names);
	return s;
}
