/* api_datasets: /v1/datasets, what is there. How it comes is in api_upload.c. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api_private.h"
#include "server/http_route.h"

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
	struct dataset_warning w;

	for (size_t i = 0; i < s->n_columns && !b->failed; i++)
		for (size_t k = 0; dataset_warning(s, i, k, &w); k++) {
			cJSON *warning = json_add_object(b, warnings);

			json_put_text(b, warning, "column", s->column[i].name);
			json_put_text(b, warning, "code", w.code);
			if (w.line)
				json_put_count(b, warning, "line", (size_t)w.line);
			json_put_text(b, warning, "message", w.message);
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
	json_put_count(b, to, "version", d->version);
	api_put_time(b, to, "created_at", d->created);
	api_put_time(b, to, "changed_at", d->changed);
}

void
api_dataset_etag(const struct dataset *d, char etag[72])
{
	snprintf(etag, 72, "\"%s.%zu\"", d->id, d->version);
}

enum status
api_dataset_reply(struct api *api, const char *id, int status, struct http_reply *reply, struct err *e)
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
	api_dataset_etag(&d, reply->etag);
	dataset_release(&d);
	return s;
}

enum status
api_dataset_expect(struct api *api, const struct http_request *r, size_t *version, struct err *e)
{
	const char *wanted = http_header(r, "If-Match");
	struct dataset d = {0};
	char etag[72];
	enum status s;

	*version = 0;
	if (!wanted)
		return OK;
	if ((s = store_dataset_get(service_store(api->service), r->path_param[0], &d, e)))
		return s;
	api_dataset_etag(&d, etag);
	if (!http_etag_listed(wanted, etag, true))
		s = err_set(e, ERR_CONFLICT, "version_mismatch", "data set %s is at version %zu, and If-Match is %.80s",
			d.id, d.version, wanted);
	*version = strcmp(wanted, "*") ? d.version : 0;
	dataset_release(&d);
	return s;
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
	return api_dataset_reply(app, r->path_param[0], 200, reply, e);
}

enum status
api_dataset_delete(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	struct api *api = app;
	size_t version;
	enum status s;

	(void)state, (void)gathered;
	reply->status = 204;
	if ((s = api_dataset_expect(api, r, &version, e)))
		return s;
	return store_dataset_delete(service_store(api->service), r->path_param[0], version, e);
}
