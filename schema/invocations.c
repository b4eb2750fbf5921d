/*
 * invocations: a body as MLflow's clients send it to a scoring server, and its answers. Declared in bundle.h.
 *
 * The body has one of dataframe_split {"columns","data","index"}, dataframe_records [{…}], instances (rows) and inputs
 * (columns {"a":[…]}, or rows). Beside it may stand "params", of which "include" means something here, and
 * "signature_name", which does not. What stands where is found out first, the rows are read in a second pass: the
 * fields may come in any order.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/suggest.h"
#include "schema/json_rows.h"

static const char *const fields[] = {
	"dataframe_split", "dataframe_records", "instances", "inputs", "params", "signature_name"};
enum { DATAFRAME_SPLIT, DATAFRAME_RECORDS, INSTANCES, INPUTS, PARAMS, N_FIELDS = sizeof fields / sizeof *fields };
enum { N_FORMS = INPUTS + 1 };

#define ONE_OF "the body must be an object with one of dataframe_split, dataframe_records, instances and inputs"

struct span {
	const unsigned char *from;
	size_t n;
};

/* Reads an object's members, passing over their values: span[i] of those called name[i], the others refused. */
static enum status
find_members(
	struct json_reader *in, const char *what, const char *const *name, size_t n, struct span *span, struct err *e)
{
	struct json_token t;
	enum status s;

	while (!(s = json_next(in, &t, e)) && t.type == JSON_KEY) {
		const unsigned char *from = in->at;
		size_t i = 0;

		while (i < n && strcmp(name[i], t.text))
			i++;
		if (i == n) {
			const char *near = suggest_nearest(t.text, name, n);

			return err_set(e, ERR_INVALID, "unknown_field", "%s has a field \"%.*s\"; it may have %s%s",
				what, (int)text_cut(t.text, t.len, 60), t.text, near ? "" : "none but ",
				near ? near : name[0]);
		}
		if (span[i].from)
			return err_set(e, ERR_INVALID, "duplicate_key", "%s has \"%s\" twice", what, name[i]);
		if ((s = json_next(in, &t, e)) || (s = json_skip(in, &t, e)))
			return s;
		span[i] = (struct span){from, (size_t)(in->at - from)};
	}
	return s;
}

static enum status
read_split(struct json_rows *r, struct json_reader *in, struct err *e)
{
	static const char *const name[] = {"columns", "data", "index"};
	struct span span[3] = {{0}};
	struct json_reader part = {0};
	struct dictionary columns = {0};
	struct json_token t;
	enum status s;

	if ((s = find_members(in, "\"dataframe_split\"", name, 3, span, e)))
		return s;
	if (!span[0].from || !span[1].from)
		return err_set(
			e, ERR_INVALID, "missing_rows", "\"dataframe_split\" needs both \"columns\" and \"data\"");
	json_reader_init(&part, span[0].from, span[0].n);
	if ((s = json_names(&part, "columns", &columns, e)))
		goto out;
	json_reader_release(&part);
	json_reader_init(&part, span[1].from, span[1].n);
	if ((s = json_next(&part, &t, e)))
		goto out;
	if (t.type == JSON_ARRAY)
		s = json_rows_lists(r, &part, columns.text, columns.n, e);
	else
		s = err_set(e, ERR_INVALID, "invalid_rows", "\"data\" must be an array of lists of values, not %s",
			json_type_name(t.type));
out:
	json_reader_release(&part);
	dictionary_release(&columns);
	return s;
}

static enum status
read_rows(struct json_rows *r, size_t form, const struct span *v, struct err *e)
{
	struct json_reader in = {0};
	struct json_token t;
	enum status s;

	r->what = fields[form];
	json_reader_init(&in, v->from, v->n);
	if ((s = json_next(&in, &t, e)))
		goto out;
	if (form == DATAFRAME_SPLIT && t.type == JSON_OBJECT)
		s = read_split(r, &in, e);
	else if (form == DATAFRAME_RECORDS && t.type == JSON_ARRAY)
		s = json_rows_objects(r, &in, e);
	else if (form >= INSTANCES && t.type == JSON_ARRAY)
		s = json_rows_any(r, &in, e);
	else if (form == INPUTS && t.type == JSON_OBJECT)
		s = json_rows_by_column(r, &in, e);
	else
		s = err_set(e, ERR_INVALID, "invalid_rows", "\"%s\" must be %s, not %s", fields[form],
			form == DATAFRAME_SPLIT ? "an object"
			: form == INPUTS        ? "an object of columns or an array of rows"
						: "an array of rows",
			json_type_name(t.type));
out:
	json_reader_release(&in);
	return s;
}

/* "params", of which the others may mean something to another server. */
static enum status
read_params(struct json_rows *r, const struct span *v, struct err *e)
{
	struct json_reader in = {0};
	struct json_token t;
	bool list = false;
	enum status s;

	json_reader_init(&in, v->from, v->n);
	if ((s = json_next(&in, &t, e)) || t.type == JSON_NULL)
		goto out;
	if (t.type != JSON_OBJECT) {
		s = err_set(
			e, ERR_INVALID, "wrong_type", "\"params\" must be an object, not %s", json_type_name(t.type));
		goto out;
	}
	while (!(s = json_next(&in, &t, e)) && t.type == JSON_KEY) {
		bool include = !strcmp(t.text, "include");

		if ((s = json_next(&in, &t, e)) || (!include && (s = json_skip(&in, &t, e))))
			break;
		if (!include)
			continue;
		if ((list = t.type == JSON_ARRAY))
			s = json_next(&in, &t, e);
		while (!s && t.type == JSON_STRING && !(s = include_add(&r->include, t.text, t.len, e)) && list)
			s = json_next(&in, &t, e);
		if (!s && t.type != (list ? JSON_ARRAY_END : JSON_STRING))
			s = err_set(e, ERR_INVALID, "wrong_type", "\"include\" must be a name or a list of names");
		if (s)
			break;
	}
out:
	json_reader_release(&in);
	return s;
}

static enum status
read_body(struct json_rows *r, struct json_reader *in, struct err *e)
{
	struct span span[N_FIELDS] = {{0}};
	size_t form = N_FORMS;
	struct json_token t;
	enum status s;

	if ((s = json_next(in, &t, e)))
		return s;
	if (t.type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "missing_rows", ONE_OF);
	if ((s = find_members(in, "the body", fields, N_FIELDS, span, e)) || (s = json_next(in, &t, e)))
		return s;
	for (size_t i = 0; i < N_FORMS; i++) {
		if (!span[i].from)
			continue;
		if (form != N_FORMS)
			return err_set(e, ERR_INVALID, "duplicate_key", "the body has \"%s\" and \"%s\": one is enough",
				fields[form], fields[i]);
		form = i;
	}
	if (form == N_FORMS)
		return err_set(e, ERR_INVALID, "missing_rows", ONE_OF);
	if (span[PARAMS].from && (s = read_params(r, &span[PARAMS], e)))
		return s;
	return read_rows(r, form, &span[form], e);
}

enum status
invocations_predict(const struct bundle *b, const void *body, size_t n, unsigned include, uint64_t max_answers,
	struct buf *out, struct err *e)
{
	struct json_rows r = {0};
	struct json_reader in;
	size_t before = out->len;
	enum status s = bundle_check_classes(b, include & INCLUDE_LABELS, e);

	if (s)
		return s;
	json_reader_init(&in, body, n);
	if ((s = json_rows_init(&r, b, include, max_answers, out, e)) || (s = read_body(&r, &in, e)) ||
		(s = json_rows_finish(&r, e)))
		out->len = before;
	json_reader_release(&in);
	json_rows_release(&r);
	return s;
}
