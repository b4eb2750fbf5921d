/*
 * api_upload: tables on their way in, as /v1/datasets, /v1/datasets/{id}/rows and /v1/datasets:inspect take them: a
 * body of text/csv that is the table, or one of multipart/form-data whose part "file" is, after parts that say how to
 * read it. Either is handed on as it comes; nothing of the table is kept here.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/inspect.h"
#include "server/api_private.h"
#include "server/json.h"
#include "server/multipart.h"

enum { MAX_NAME = 200 }; /* bytes of a data set's name */
enum { MAX_FIELD = 256 };

struct reception { /* of one request */
	struct api *api;
	char dataset[STORE_ID_SIZE]; /* that the rows are for; "": a new one */
	size_t version;              /* that they must follow; 0: any */
	char name[MAX_NAME + 1];
	struct ingest_options options;
	struct multipart *form; /* NULL: the body is the table */
	char field[MAX_FIELD];  /* the part at hand, "" for the table */
	struct buf value;       /* of the field */
	bool opened;            /* the table has begun */
	struct upload *upload;
	bool looking;    /* nothing is stored: `head` is looked at in the end */
	struct buf head; /* the first INSPECT_BYTES of the table */
	uint64_t n_seen; /* bytes of it */
};

/* Options -------------------------------------------------------------------------------------------------------- */

static enum status
set_schema(struct reception *p, const char *text, size_t n, struct err *e)
{
	static const char *const fixed[] = {"label_column", "columns"};
	cJSON *schema = NULL;
	enum status s = json_parse(text, n, &schema, e);

	for (size_t i = 0; i < 2 && !s && p->dataset[0]; i++)
		if (json_member(schema, fixed[i]))
			s = err_set(e, ERR_INVALID, "invalid_schema",
				"\"%s\" is as the data set's first upload said: only how this file is written can be "
				"said here",
				fixed[i]);
	if (!s)
		s = ingest_options_from_json(&p->options, schema, e);
	cJSON_Delete(schema);
	return s;
}

/* A query parameter, or a field of the form: the same names mean the same. */
static enum status
set_option(struct reception *p, const char *name, const char *text, size_t n, struct err *e)
{
	static const char *const fixed[] = {"name", "label_column", "role", "type"};

	for (size_t i = 0; i < 4; i++)
		if (p->dataset[0] && !strcmp(name, fixed[i]))
			return err_set(e, ERR_INVALID, "invalid_schema",
				"\"%s\" is as the data set's first upload said: only how this file is written can be "
				"said here",
				name);
	if (!strcmp(name, "schema"))
		return set_schema(p, text, n, e);
	if (strlen(text) != n)
		return err_set(e, ERR_INVALID, "invalid_schema", "the field \"%.60s\" has a NUL character in it", name);
	if (strcmp(name, "name") != 0)
		return ingest_options_set(&p->options, name, text, e);
	if (n > MAX_NAME)
		return err_set(e, ERR_SYNTAX, "bad_query_parameter", "the query parameter \"name\" is over %d bytes",
			MAX_NAME);
	memcpy(p->name, text, n + 1);
	return OK;
}

static enum status
read_query(struct reception *p, const struct http_request *r, const char *const *names, struct err *e)
{
	enum status s = OK;

	for (; *names && !s; names++) {
		const char *text = http_query(r, *names);

		if (text)
			s = set_option(p, *names, text, strlen(text), e);
	}
	return s;
}

/* Everything is known of how to read the table: its first byte may come. */
static enum status
open_table(struct reception *p, struct err *e)
{
	p->opened = true;
	if (p->looking)
		return ingest_options_check(&p->options, e);
	if (p->dataset[0])
		return service_append_begin(p->api->service, p->dataset, p->version, &p->options, &p->upload, e);
	return service_upload_begin(p->api->service, p->name, &p->options, &p->upload, e);
}

static enum status
feed_table(struct reception *p, const void *bytes, size_t n, struct err *e)
{
	size_t room = INSPECT_BYTES - p->head.len;

	if (!p->looking)
		return service_upload_feed(p->upload, bytes, n, e);
	p->n_seen += n;
	buf_put(&p->head, bytes, n < room ? n : room);
	return buf_status(&p->head, e);
}

/* Forms ---------------------------------------------------------------------------------------------------------- */

static enum status
on_part(void *ctx, const struct multipart_part *part, struct err *e)
{
	struct reception *p = ctx;

	if (strcmp(part->name, "file") != 0) {
		if (p->opened)
			return err_set(e, ERR_SYNTAX, "bad_multipart",
				"the part \"%.60s\" comes after the file, which is read as it comes: put it before",
				part->name);
		snprintf(p->field, sizeof p->field, "%s", part->name);
		buf_clear(&p->value);
		return OK;
	}
	if (p->opened)
		return err_set(
			e, ERR_SYNTAX, "bad_multipart", "there are two parts \"file\": send one table at a time");
	p->field[0] = '\0';
	if (part->charset[0])
		return api_charset(part->charset, e);
	return open_table(p, e);
}

static enum status
on_data(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct reception *p = ctx;

	if (!p->field[0])
		return feed_table(p, bytes, n, e);
	if (n > API_MAX_CONTROL - p->value.len)
		return err_set(e, ERR_TOO_LARGE, "body_too_large", "the part \"%.60s\" is over %d bytes", p->field,
			API_MAX_CONTROL);
	buf_put(&p->value, bytes, n);
	return buf_status(&p->value, e);
}

static enum status
on_part_end(void *ctx, struct err *e)
{
	struct reception *p = ctx;
	size_t n = p->value.len;

	if (!p->field[0])
		return OK;
	buf_put(&p->value, "", 1);
	if (buf_status(&p->value, e))
		return e->status;
	return set_option(p, p->field, (const char *)p->value.data, n, e);
}

/* Routes --------------------------------------------------------------------------------------------------------- */

static enum status
begin(struct reception *p, const struct http_request *r, const char *const *query, struct err *e)
{
	static const char *const types[] = {"text/csv", "multipart/form-data"};
	const struct multipart_handler handler = {.part = on_part, .data = on_data, .end = on_part_end, .ctx = p};
	enum status s;
	size_t which;

	if ((s = api_body_type(r, types, 2, &which, e)) || (s = read_query(p, r, query, e)))
		return s;
	if (which == 0)
		return open_table(p, e);
	return multipart_new(http_header(r, "Content-Type"), &handler, &p->form, e);
}

static enum status
reception_new(struct api *api, void **state, struct reception **out, struct err *e)
{
	if (!(*out = calloc(1, sizeof **out)))
		return err_nomem(e);
	(*out)->api = api;
	*state = *out; /* from now on api_upload_release frees it */
	return OK;
}

const char *const api_upload_query[] = {"name", "label_column", "delimiter", "quote", "decimal", "date_order",
	"na_values", "unlabelled_values", "max_bad_rows", "schema", NULL};
const char *const api_inspect_query[] = {"label_column", "delimiter", "quote", "decimal", "date_order", "na_values",
	"unlabelled_values", "max_bad_rows", "schema", NULL};
const char *const api_append_query[] = {"delimiter", "quote", "decimal", "date_order", "na_values", "unlabelled_values",
	"max_bad_rows", "schema", NULL};

enum status
api_upload_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	struct reception *p;
	enum status s = reception_new(app, state, &p, e);

	return s ? s : begin(p, r, api_upload_query, e);
}

enum status
api_append_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	struct reception *p;
	enum status s = reception_new(app, state, &p, e);

	if (s)
		return s;
	snprintf(p->dataset, sizeof p->dataset, "%s", r->path_param[0]);
	if ((s = api_dataset_expect(p->api, r, &p->version, e)) ||
		(s = service_append_options(p->api->service, r->path_param[0], &p->options, e)))
		return s;
	return begin(p, r, api_append_query, e);
}

enum status
api_inspect_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	struct reception *p;
	enum status s = reception_new(app, state, &p, e);

	if (s)
		return s;
	p->looking = true;
	return begin(p, r, api_inspect_query, e);
}

enum status
api_upload_body(void *app, void *state, const void *bytes, size_t n, struct err *e)
{
	struct reception *p = state;

	(void)app;
	return p->form ? multipart_feed(p->form, bytes, n, e) : feed_table(p, bytes, n, e);
}

static enum status
check_form(const struct reception *p, struct err *e)
{
	enum status s = p->form ? multipart_finish(p->form, e) : OK;

	if (!s && !p->opened)
		s = err_set(e, ERR_SYNTAX, "bad_multipart", "the form has no part \"file\" with the table");
	return s;
}

enum status
api_upload_end(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	struct reception *p = state;
	char id[STORE_ID_SIZE];
	enum status s = check_form(p, e);

	(void)r, (void)gathered;
	if (s || (s = service_upload_finish(p->upload, id, e)))
		return s;
	if (!p->dataset[0])
		snprintf(reply->location, sizeof reply->location, "/v1/datasets/%s", id);
	return api_dataset_reply(app, id, p->dataset[0] ? 200 : 201, reply, e);
}

/* Looking before uploading --------------------------------------------------------------------------------------- */

static void
put_advice_on(struct json_build *b, cJSON *warnings, const char *column, const char *code, const char *message)
{
	cJSON *warning = json_add_object(b, warnings);

	json_put_text(b, warning, "column", column);
	json_put_text(b, warning, "code", code);
	json_put_text(b, warning, "message", message);
}

static void
put_advice(struct json_build *b, cJSON *root, const struct inspection *n)
{
	cJSON *warnings = json_put_array(b, root, "warnings"), *labels = json_put_array(b, root, "label_candidates");
	const struct dataset_summary *s = n->summary;
	struct dataset_warning w;

	for (size_t i = 0; i < s->n_columns && !b->failed; i++) {
		for (size_t k = 0; dataset_warning(s, i, k, &w); k++)
			put_advice_on(b, warnings, s->column[i].name, w.code, w.message);
		if ((w.code = inspection_warning(n, i, w.message)))
			put_advice_on(b, warnings, s->column[i].name, w.code, w.message);
	}
	for (size_t k = 0; k < n->n_candidates; k++) {
		const struct label_candidate *c = &n->candidate[k];
		cJSON *label = json_add_object(b, labels);

		json_put_text(b, label, "column", s->column[c->column].name);
		json_put_count(b, label, "classes", c->n_classes);
		json_put_count(b, label, "labelled", c->n_labelled);
		json_put_count(b, label, "unlabelled", s->n_rows - c->n_labelled);
	}
}

enum status
api_inspect_end(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	struct reception *p = state;
	struct api *api = app;
	struct inspection n = {0};
	struct json_build b = {0};
	cJSON *root = NULL, *columns;
	enum status s = check_form(p, e);

	(void)r, (void)gathered;
	if (s)
		return s;
	service_slot_take(api->service, SLOT_LONG);
	s = inspect(p->head.data ? p->head.data : (const void *)"", p->head.len, p->n_seen <= INSPECT_BYTES,
		&p->options, &n, e);
	service_slot_give(api->service, SLOT_LONG);
	if (s)
		return s;
	root = json_object(&b);
	json_put_count(&b, root, "bytes", n.n_bytes);
	json_put_bool(&b, root, "whole", p->n_seen <= INSPECT_BYTES);
	json_put_count(&b, root, "rows", n.summary->n_rows);
	json_put_count(&b, root, "bad_rows", n.summary->n_bad_rows);
	json_put(&b, root, "schema", ingest_options_to_json(&n.options));
	columns = json_put_array(&b, root, "columns");
	for (size_t i = 0; i < n.summary->n_columns && !b.failed && !s; i++)
		s = api_put_column_profile(&b, columns, &n.summary->column[i], n.profile, i, e);
	put_advice(&b, root, &n);
	json_put(&b, root, "errors", cJSON_Parse(n.summary->bad_rows));
	if (s)
		cJSON_Delete(root);
	else
		s = api_reply(reply, 200, &b, root, e);
	inspection_release(&n);
	return s;
}

void
api_upload_release(void *app, void *state)
{
	struct reception *p = state;

	(void)app;
	if (!p)
		return;
	service_upload_free(p->upload);
	multipart_free(p->form);
	ingest_options_release(&p->options);
	buf_release(&p->value);
	buf_release(&p->head);
	free(p);
}
