/* api_datasets: /v1/datasets. An upload is fed to the service as it comes; nothing of it is kept here. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api_private.h"

enum { MAX_NAME = 200 }; /* bytes of a data set's name */

static void
put_columns(struct json_build *b, cJSON *to, const struct dataset_summary *s)
{
	cJSON *columns = json_put_array(b, to, "columns");
	cJSON *classes = json_put_array(b, to, "classes");

	for (size_t i = 0; i < s->n_columns && !b->failed; i++) {
		const struct column_summary *c = &s->column[i];
		cJSON *column = json_add_object(b, columns);

		json_put_text(b, column, "name", c->name);
		json_put_text(b, column, "type", column_type_name(c->type));
		json_put_text(b, column, "role", column_role_name(c->role));
		json_put_count(b, column, "missing", c->n_missing);
		if (c->type == COLUMN_NUMBER) {
			json_put_number(b, column, "min", c->min);
			json_put_number(b, column, "max", c->max);
		} else {
			json_put_count(b, column, "distinct", c->n_distinct);
		}
	}
	for (size_t k = 0; k < s->n_classes && !b->failed; k++) {
		cJSON *class = json_add_object(b, classes);

		json_put_text(b, class, "label", s->classes[k].label);
		json_put_count(b, class, "count", s->classes[k].count);
	}
}

static void
put_warnings(struct json_build *b, cJSON *to, const struct dataset_summary *s)
{
	cJSON *warnings = json_put_array(b, to, "warnings");
	char message[DATASET_WARNING_SIZE];

	for (size_t i = 0; i < s->n_columns && !b->failed; i++) {
		const char *code = dataset_warning(s, i, message);
		cJSON *warning;

		if (!code)
			continue;
		warning = json_add_object(b, warnings);
		json_put_text(b, warning, "column", s->column[i].name);
		json_put_text(b, warning, "code", code);
		json_put_count(b, warning, "line", (size_t)s->column[i].text_line);
		json_put_text(b, warning, "message", message);
	}
}

static void
put_dataset(struct json_build *b, cJSON *to, const struct dataset *d)
{
	json_put_text(b, to, "id", d->id);
	json_put_text(b, to, "name", d->name);
	json_put_text(b, to, "label_column", d->label_column);
	json_put_count(b, to, "rows", d->summary.n_rows);
	json_put_count(b, to, "labelled", d->summary.n_labelled);
	json_put_count(b, to, "unlabelled", d->summary.n_unlabelled);
	json_put_count(b, to, "bad_rows", d->summary.n_bad_rows);
	json_put_count(b, to, "bytes", d->summary.n_bytes);
	api_put_time(b, to, "created_at", d->created);
}

static enum status
reply_with_dataset(struct api *api, const char *id, int status, struct http_reply *reply, struct err *e)
{
	struct dataset d = {0};
	struct json_build b = {0};
	enum status s;
	cJSON *root;

	if ((s = store_dataset_get(service_store(api->service), id, &d, e)))
		return s;
	root = json_object(&b);
	put_dataset(&b, root, &d);
	put_columns(&b, root, &d.summary);
	put_warnings(&b, root, &d.summary);
	json_put(&b, root, "schema", cJSON_Parse(d.summary.options));
	json_put(&b, root, "errors", cJSON_Parse(d.summary.bad_rows));
	s = api_reply(reply, status, &b, root, e);
	dataset_release(&d);
	return s;
}

enum status
api_dataset_upload_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	static const char *const types[] = {"text/csv"};
	const char *name = http_query(r, "name"), *label = http_query(r, "label_column");
	struct ingest_options options = {0};
	const struct api *api = app;
	struct upload *u = NULL;
	enum status s;
	size_t which;

	if ((s = api_body_type(r, types, 1, &which, e)))
		return s;
	if (name && strlen(name) > MAX_NAME)
		return err_set(e, ERR_SYNTAX, "bad_query_parameter", "the query parameter \"name\" is over %d bytes",
			MAX_NAME);
	if (!label || !(s = ingest_options_set(&options, "label_column", label, e)))
		s = service_upload_begin(api->service, name, &options, &u, e);
	ingest_options_release(&options);
	*state = u;
	return s;
}

enum status
api_dataset_upload_body(void *app, void *state, const void *bytes, size_t n, struct err *e)
{
	(void)app;
	return service_upload_feed(state, bytes, n, e);
}

enum status
api_dataset_upload_end(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	char id[STORE_ID_SIZE];
	enum status s;

	(void)r, (void)gathered;
	if ((s = service_upload_finish(state, id, e)))
		return s;
	snprintf(reply->location, sizeof reply->location, "/v1/datasets/%s", id);
	return reply_with_dataset(app, id, 201, reply, e);
}

void
api_dataset_upload_release(void *app, void *state)
{
	(void)app;
	service_upload_free(state);
}

enum status
api_dataset_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct dataset *list = NULL;
	struct json_build b = {0};
	struct api_page page;
	cJSON *root, *items;
	enum status s;
	size_t n = 0;

	(void)state, (void)gathered;
	if ((s = api_page(r, &page, e)) ||
		(s = store_dataset_list(service_store(api->service), page.after, page.limit + 1, &list, &n, e)))
		return s;
	root = json_object(&b);
	items = json_put_array(&b, root, "datasets");
	for (size_t i = 0; i < n && i < page.limit; i++)
		put_dataset(&b, json_add_object(&b, items), &list[i]);
	json_put_text(&b, root, "next", n > page.limit ? list[page.limit - 1].id : NULL);
	s = api_reply(reply, 200, &b, root, e);
	for (size_t i = 0; i < n; i++)
		dataset_release(&list[i]);
	free(list);
	return s;
}

enum status
api_dataset_get(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	(void)state, (void)gathered;
	return reply_with_dataset(app, r->path_param[0], 200, reply, e);
}

enum status
api_dataset_delete(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;

	(void)state, (void)gathered;
	reply->status = 204;
	return store_dataset_delete(service_store(api->service), r->path_param[0], e);
}
