/*
 * api_table: what is in a data set: /v1/datasets/{id}/rows, /content and /profile. Rows and profile are of one version,
 * which the ETag names; content is made while it is sent.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/profile.h"
#include "server/api_private.h"
#include "server/content.h"
#include "server/json.h"

enum { MAX_PAGE = 1000, DEFAULT_PAGE = 100, MAX_PAGE_BYTES = 8 << 20 };

/* Rows ----------------------------------------------------------------------------------------------------------- */

static void
put_cells(struct buf *out, const struct table *t, size_t row)
{
	char number[32];

	buf_puts(out, "[");
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->column[i];

		if (i)
			buf_puts(out, ",");
		if (c->type == COLUMN_NUMBER ? isnan(c->number[row]) : c->code[row] == TABLE_MISSING)
			buf_puts(out, "null");
		else if (c->type == COLUMN_NUMBER)
			buf_put(out, number, number_format(number, c->number[row]));
		else
			json_escape(out, c->dictionary.text[c->code[row]]);
	}
	buf_puts(out, "]");
}

/* Rows `first` and on, at most `limit` of them and no more bytes than a page may have; *n: how many they are. */
static enum status
put_rows(
	struct store *s, const struct dataset *d, size_t first, size_t limit, struct buf *out, size_t *n, struct err *e)
{
	struct chunk_extent *extent = calloc(d->n_chunks ? d->n_chunks : 1, sizeof *extent);
	size_t from = out->len, at = 0;
	struct table t = {0};
	enum status status;

	*n = 0;
	if (!extent) {
		status = err_nomem(e);
		goto out;
	}
	if ((status = store_dataset_extents(s, d->id, extent, d->n_chunks, e)) ||
		(status = dataset_table(&d->summary, &t, e)))
		goto out;
	for (size_t i = 0; i < d->n_chunks && *n < limit && out->len - from < MAX_PAGE_BYTES; i++) {
		size_t end = at + extent[i].n_rows;

		if (first < end && (status = store_dataset_chunk(s, d->id, i, &t, e)))
			goto out;
		for (; first < end && *n < limit && out->len - from < MAX_PAGE_BYTES; first++, ++*n) {
			if (*n)
				buf_puts(out, ",");
			put_cells(out, &t, first - at);
		}
		at = end;
	}
	status = buf_status(out, e);
out:
	table_release(&t);
	free(extent);
	return status;
}

enum status
api_dataset_rows(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct store *store = service_store(api->service);
	struct buf *out = &reply->body;
	struct dataset d = {0};
	uint64_t after, limit;
	size_t n;
	enum status s;

	(void)state, (void)gathered;
	if ((s = api_query_count(r, "after", 0, 0, INT64_MAX, &after, e)) ||
		(s = api_query_count(r, "limit", DEFAULT_PAGE, 1, MAX_PAGE, &limit, e)) ||
		(s = store_dataset_get(store, r->path_param[0], &d, e)))
		return s;
	buf_puts(out, "{\"columns\":[");
	for (size_t i = 0; i < d.summary.n_columns; i++) {
		if (i)
			buf_puts(out, ",");
		json_escape(out, d.summary.column[i].name);
	}
	buf_puts(out, "],\"data\":[");
	if ((s = put_rows(store, &d, (size_t)after, (size_t)limit, out, &n, e)))
		goto out;
	if (after + n < d.summary.n_rows)
		buf_printf(out, "],\"next\":%zu", (size_t)after + n);
	else
		buf_puts(out, "],\"next\":null");
	buf_printf(out, ",\"rows\":%zu,\"version\":%zu}\n", d.summary.n_rows, d.version);
	api_dataset_etag(&d, reply->etag);
out:
	dataset_release(&d);
	return s;
}

/* Content -------------------------------------------------------------------------------------------------------- */

struct download {
	struct service *service;
	struct content *content;
};

static enum status
read_download(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e)
{
	struct download *w = ctx;

	return content_read(w->content, at, to, max, got, e);
}

static void
end_download(void *ctx)
{
	struct download *w = ctx;

	content_close(w->content);
	service_download_end(w->service);
	free(w);
}

enum status
api_dataset_content(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct download *w = NULL;
	struct dataset d = {0};
	enum status s;

	(void)state, (void)gathered;
	if ((s = store_dataset_get(service_store(api->service), r->path_param[0], &d, e)))
		return s;
	if (!(w = calloc(1, sizeof *w))) {
		s = err_nomem(e);
		goto out;
	}
	w->service = api->service;
	if ((s = service_download_begin(api->service, e))) {
		free(w);
		goto out;
	}
	reply->stream = (struct http_stream){.read = read_download, .release = end_download, .ctx = w};
	if ((s = content_open(service_store(api->service), &d, &w->content, e)))
		goto out; /* http releases the stream */
	/* Only who asks for a part, or for the size alone, has to wait for it to be known. */
	if (http_header(r, "Range") || !strcmp(r->method, "HEAD")) {
		service_slot_take(api->service, SLOT_LONG);
		s = content_measure(w->content, e);
		service_slot_give(api->service, SLOT_LONG);
	}
	reply->stream.size = content_size(w->content);
	reply->content_type = "text/csv; charset=utf-8; header=present";
	reply->ranges = true;
	snprintf(reply->file_name, sizeof reply->file_name, "%s.csv", d.id);
	api_dataset_etag(&d, reply->etag);
out:
	dataset_release(&d);
	return s;
}

/* Profile -------------------------------------------------------------------------------------------------------- */

static enum status
put_number_profile(struct json_build *b, cJSON *to, struct profile *p, size_t i, struct err *e)
{
	struct number_profile n;
	enum status s = profile_number(p, i, &n, e);
	char name[16];
	cJSON *quantiles;

	if (s)
		return s;
	if (n.n_distinct <= PROFILE_MAX_DISTINCT)
		json_put_count(b, to, "distinct", n.n_distinct);
	else
		json_put_null(b, to, "distinct");
	json_put_count(b, to, "zeros", n.n_zeros);
	json_put_number(b, to, "min", n.min);
	json_put_number(b, to, "max", n.max);
	json_put_number(b, to, "mean", n.mean);
	json_put_number(b, to, "deviation", n.deviation);
	quantiles = json_put_object(b, to, "quantiles");
	for (size_t k = 0; k < PROFILE_N_QUANTILES; k++) {
		name[number_format(name, profile_quantiles[k])] = '\0';
		json_put_number(b, quantiles, name, n.quantile[k]);
	}
	json_put_bool(b, to, "exact", n.exact);
	return OK;
}

static enum status
put_text_profile(struct json_build *b, cJSON *to, struct profile *p, size_t i, struct err *e)
{
	struct text_profile t;
	enum status s = profile_text(p, i, &t, e);
	cJSON *top;

	if (s)
		return s;
	top = json_put_array(b, to, "top");
	for (size_t k = 0; k < t.n_top; k++) {
		cJSON *item = json_add_object(b, top);

		json_put_text(b, item, "value", t.top[k].text);
		json_put_count(b, item, "count", t.top[k].count);
	}
	json_put_bool(b, to, "exact", t.exact);
	return OK;
}

enum status
api_put_column_profile(struct json_build *b, cJSON *columns, const struct column_summary *c, struct profile *p,
	size_t i, struct err *e)
{
	cJSON *column = json_add_object(b, columns);

	json_put_text(b, column, "name", c->name);
	json_put_text(b, column, "type", column_type_name(c->type));
	json_put_text(b, column, "role", column_role_name(c->role));
	json_put_count(b, column, "missing", c->n_missing);
	if (c->type == COLUMN_NUMBER)
		return put_number_profile(b, column, p, i, e);
	json_put_count(b, column, "distinct", c->n_distinct);
	return put_text_profile(b, column, p, i, e);
}

static enum status
put_profile(struct json_build *b, cJSON *root, const struct dataset *d, struct profile *p, struct err *e)
{
	const struct dataset_summary *s = &d->summary;
	cJSON *columns, *classes;
	enum status status = OK;

	json_put_text(b, root, "dataset", d->id);
	json_put_count(b, root, "version", d->version);
	json_put_count(b, root, "rows", s->n_rows);
	json_put_count(b, root, "labelled", s->n_labelled);
	json_put_count(b, root, "unlabelled", s->n_unlabelled);
	columns = json_put_array(b, root, "columns");
	for (size_t i = 0; i < s->n_columns && !b->failed && !status; i++)
		status = api_put_column_profile(b, columns, &s->column[i], p, i, e);
	classes = json_put_array(b, root, "classes");
	for (size_t k = 0; k < s->n_classes && !b->failed; k++) {
		cJSON *class = json_add_object(b, classes);

		json_put_text(b, class, "label", s->classes[k].label);
		json_put_count(b, class, "count", s->classes[k].count);
		json_put_number(b, class, "share", (double)s->classes[k].count / (double)s->n_labelled);
	}
	return status;
}

/* Reads all the rows, and has the store keep what was found. */
static enum status
make_profile(const struct api *api, const struct dataset *d, char **out, struct err *e)
{
	struct json_build b = {0};
	struct profile *p = NULL;
	struct err ignored;
	cJSON *root;
	enum status s = service_profile(api->service, d, &p, e);

	if (s)
		return s;
	root = json_object(&b);
	s = put_profile(&b, root, d, p, e);
	profile_free(p);
	if (s) {
		cJSON_Delete(root);
		return s;
	}
	if (!(s = json_finish(&b, root, out, e)))
		store_profile_put(service_store(api->service), d->id, d->version, *out, &ignored);
	return s;
}

enum status
api_dataset_profile(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct dataset d = {0};
	char *text = NULL;
	enum status s;

	(void)state, (void)gathered;
	if ((s = store_dataset_get(service_store(api->service), r->path_param[0], &d, e)))
		return s;
	if (!(s = store_profile_get(service_store(api->service), d.id, d.version, &text, e)) && !text)
		s = make_profile(api, &d, &text, e);
	if (!s) {
		buf_puts(&reply->body, text);
		buf_puts(&reply->body, "\n");
		api_dataset_etag(&d, reply->etag);
	}
	free(text);
	dataset_release(&d);
	return s;
}
