/* api_models: /v1/models: records, names with versions and aliases, thresholds, artefacts out and in. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/export.h"
#include "server/api_private.h"
#include "server/json.h"
#include "server/model_ref.h"

enum { MAX_ALIASES = 32 }; /* changed by one request */

/* Records --------------------------------------------------------------------------------------------------------- */

static void
put_aliases(struct json_build *b, cJSON *to, const char *list)
{
	cJSON *items = json_put_array(b, to, "aliases");
	char alias[MODEL_NAME_MAX + 1];

	while (list && *list) {
		size_t n = strcspn(list, ",");

		snprintf(alias, sizeof alias, "%.*s", (int)n, list);
		json_add_text(b, items, alias);
		list += n + (list[n] == ',');
	}
}

static const char *
or_null(const char *text)
{
	return text && *text ? text : NULL;
}

static void
put_model(struct json_build *b, cJSON *to, const struct model_record *m)
{
	json_put_text(b, to, "id", m->id);
	json_put_text(b, to, "name", m->name);
	if (m->name)
		json_put_count(b, to, "version", (size_t)m->version);
	else
		json_put_null(b, to, "version");
	put_aliases(b, to, m->aliases);
	json_put_text(b, to, "dataset", or_null(m->dataset));
	json_put_text(b, to, "dataset_name", or_null(m->dataset_name));
	json_put_text(b, to, "job", or_null(m->job));
	json_put_count(b, to, "bytes", m->n_bytes);
	api_put_time(b, to, "created_at", m->created);
}

static void
release_list(struct model_record *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		model_record_release(&list[i]);
	free(list);
}

enum status
api_model_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct model_record *list = NULL;
	struct json_build b = {0};
	struct api_page page;
	cJSON *root, *items;
	enum status s;
	size_t n = 0;

	(void)state, (void)gathered;
	if ((s = api_page(r, &page, e)) ||
		(s = store_model_list(service_store(api->service), page.after, page.limit + 1, &list, &n, e)))
		return s;
	root = json_object(&b);
	items = json_put_array(&b, root, "models");
	for (size_t i = 0; i < n && i < page.limit; i++)
		put_model(&b, json_add_object(&b, items), &list[i]);
	json_put_text(&b, root, "next", n > page.limit ? list[page.limit - 1].id : NULL);
	s = api_reply(reply, 200, &b, root, e);
	release_list(list, n);
	return s;
}

/* The record's members and the report's in one object. The report goes in as the text it is: through a parser its
 * numbers would not come out the same to the last digit. */
static enum status
reply_with_model(struct api *api, const char *ref, int status, struct http_reply *reply, struct err *e)
{
	struct model_record m = {0};
	struct json_build b = {0};
	char *text = NULL;
	enum status s;
	cJSON *root;

	if ((s = store_model_get(service_store(api->service), ref, &m, e)))
		return s;
	root = json_object(&b);
	put_model(&b, root, &m);
	if ((s = json_finish(&b, root, &text, e)))
		goto out;
	if (m.summary[0] == '{' && m.summary[1] != '}') {
		buf_put(&reply->body, text, strlen(text) - 1);
		buf_puts(&reply->body, ",");
		buf_puts(&reply->body, m.summary + 1);
	} else {
		buf_puts(&reply->body, text);
	}
	buf_puts(&reply->body, "\n");
	reply->status = status;
out:
	free(text);
	model_record_release(&m);
	return s;
}

enum status
api_model_get(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	char ref[API_REF_SIZE];

	(void)state, (void)gathered;
	return reply_with_model(app, api_model_ref(r, ref), 200, reply, e);
}

enum status
api_model_delete(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	char ref[API_REF_SIZE];

	(void)state, (void)gathered;
	reply->status = 204;
	return service_model_delete(api->service, api_model_ref(r, ref), e);
}

enum status
api_model_report(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct model_record m = {0};
	enum status s;

	(void)state, (void)gathered;
	if ((s = store_model_get(service_store(api->service), r->path_param[0], &m, e)))
		return s;
	buf_puts(&reply->body, m.summary);
	buf_puts(&reply->body, "\n");
	model_record_release(&m);
	return OK;
}

/* Names ----------------------------------------------------------------------------------------------------------- */

static cJSON *
put_name(struct json_build *b, const struct model_name *name)
{
	cJSON *root = json_object(b), *aliases;

	json_put_text(b, root, "name", name->name);
	json_put_count(b, root, "latest", (size_t)name->latest);
	aliases = json_put_object(b, root, "aliases");
	for (size_t i = 0; i < name->n_aliases; i++)
		json_put_count(b, aliases, name->alias[i].alias, (size_t)name->alias[i].version);
	return root;
}

enum status
api_version_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct store *store = service_store(api->service);
	struct model_record *list = NULL;
	struct model_name name = {0};
	struct json_build b = {0};
	uint64_t after, limit;
	cJSON *root, *items;
	enum status s;
	size_t n = 0;

	(void)state, (void)gathered;
	if ((s = api_query_count(r, "after", (uint64_t)1 << 53, 1, (uint64_t)1 << 53, &after, e)) ||
		(s = api_query_count(r, "limit", 100, 1, 1000, &limit, e)) ||
		(s = store_name_get(store, r->path_param[0], &name, e)) ||
		(s = store_version_list(store, r->path_param[0], after, (size_t)limit + 1, &list, &n, e)))
		goto out;
	root = put_name(&b, &name);
	items = json_put_array(&b, root, "versions");
	for (size_t i = 0; i < n && i < limit; i++)
		put_model(&b, json_add_object(&b, items), &list[i]);
	if (n > limit)
		json_put_count(&b, root, "next", (size_t)list[limit - 1].version);
	else
		json_put_null(&b, root, "next");
	s = api_reply(reply, 200, &b, root, e);
out:
	release_list(list, n);
	model_name_release(&name);
	return s;
}

/* {"production": 3, "canary": null}: what each alias stands for from now on. */
static enum status
read_aliases(const cJSON *object, struct alias_change *change, size_t *n, struct err *e)
{
	const cJSON *item;
	enum status s;

	*n = 0;
	if (!cJSON_IsObject(object))
		return err_set(
			e, ERR_INVALID, "wrong_type", "\"aliases\" must be an object, not %s", json_kind(object));
	cJSON_ArrayForEach(item, object)
	{
		double version = cJSON_IsNull(item) ? 0 : cJSON_IsNumber(item) ? item->valuedouble : -1;

		if ((s = model_alias_check(item->string, e)))
			return s;
		if (version != floor(version) || version < (cJSON_IsNull(item) ? 0 : 1) || version > 1e15)
			return err_set(e, ERR_INVALID, "wrong_type",
				"the alias \"%s\" needs the number of a version, or null to be removed", item->string);
		if (*n == MAX_ALIASES)
			return err_set(e, ERR_INVALID, "too_many_aliases",
				"over %d aliases: change them in several requests", MAX_ALIASES);
		change[(*n)++] = (struct alias_change){item->string, (uint64_t)version};
	}
	return OK;
}

static enum status
patch_model(struct api *api, const char *ref, const cJSON *body, struct err *e)
{
	static const char *const known[] = {"name", "aliases"};
	struct alias_change change[MAX_ALIASES];
	const cJSON *name = json_member(body, "name"), *aliases = json_member(body, "aliases");
	size_t n = 0;
	enum status s;

	if ((s = json_only(body, "a change of a model", known, 2, e)))
		return s;
	if (!name == !aliases)
		return err_set(e, ERR_INVALID, "missing_field",
			"the body must have either a \"name\", for a model without one, or \"aliases\"");
	if (name && !cJSON_IsString(name))
		return err_set(e, ERR_INVALID, "wrong_type", "\"name\" must be a string, not %s", json_kind(name));
	if (name)
		return (s = model_name_check(name->valuestring, e))
			       ? s
			       : store_model_name(service_store(api->service), ref, name->valuestring, e);
	s = read_aliases(aliases, change, &n, e);
	return s ? s : store_alias_set(service_store(api->service), ref, change, n, e);
}

enum status
api_model_patch(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct model_name name = {0};
	struct json_build b = {0};
	cJSON *body = NULL;
	enum status s;

	(void)state;
	if ((s = json_parse(gathered->data, gathered->len, &body, e)) ||
		(s = patch_model(app, r->path_param[0], body, e)) ||
		(s = store_name_get(service_store(api->service), r->path_param[0], &name, e)))
		goto out;
	s = api_reply(reply, 200, &b, put_name(&b, &name), e);
out:
	model_name_release(&name);
	cJSON_Delete(body);
	return s;
}

/* Thresholds ------------------------------------------------------------------------------------------------------ */

enum status
api_model_threshold(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	static const char *const known[] = {"target_fpr", "value"};
	const struct api *api = app;
	const cJSON *fpr, *value, *given;
	cJSON *body = NULL;
	enum status s;

	(void)state;
	if ((s = json_parse(gathered->data, gathered->len, &body, e)) ||
		(s = json_only(body, "a threshold", known, 2, e)))
		goto out;
	fpr = json_member(body, "target_fpr");
	value = json_member(body, "value");
	given = fpr ? fpr : value;
	if (!fpr == !value)
		s = err_set(e, ERR_INVALID, "missing_field",
			"the body must have either \"target_fpr\", a share of the rows held out, or \"value\", a "
			"score");
	else if (!cJSON_IsNumber(given))
		s = err_set(e, ERR_INVALID, "wrong_type", "\"%s\" must be a number, not %s", given->string,
			json_kind(given));
	else if (fpr && !(fpr->valuedouble >= 0 && fpr->valuedouble <= 1))
		s = err_set(
			e, ERR_INVALID, "out_of_range", "\"target_fpr\" must be from 0 to 1, not %g", fpr->valuedouble);
	else if (value && !(fabs(value->valuedouble) <= 1e30))
		s = err_set(e, ERR_INVALID, "out_of_range", "\"value\" must be from -1e30 to 1e30, not %g",
			value->valuedouble);
	if (!s && !(s = service_model_threshold(api->service, r->path_param[0], fpr ? fpr->valuedouble : 0,
			    value ? &value->valuedouble : NULL, e)))
		s = reply_with_model(app, r->path_param[0], 200, reply, e);
out:
	cJSON_Delete(body);
	return s;
}

/* Artefacts ------------------------------------------------------------------------------------------------------- */

/* *format = one of export.h's, or N_EXPORT_FORMATS: the model as it is. */
static enum status
read_format(const struct http_request *r, enum export_format *format, struct err *e)
{
	const char *text = http_query(r, "format");

	*format = N_EXPORT_FORMATS;
	if (!text || !strcmp(text, "native"))
		return OK;
	for (size_t k = 0; k < N_EXPORT_FORMATS; k++)
		if (!strcmp(text, export_format_names[k])) {
			*format = (enum export_format)k;
			return OK;
		}
	return err_set(e, ERR_SYNTAX, "bad_query_parameter",
		"the query parameter \"format\" must be native, onnx or safetensors, not \"%.40s\"", text);
}

enum status
api_model_artifact(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct model_record m = {0};
	enum export_format format;
	const char *suffix;
	enum status s;

	(void)state, (void)gathered;
	if ((s = read_format(r, &format, e)) ||
		(s = store_model_get(service_store(api->service), r->path_param[0], &m, e)))
		goto out;
	if (format == N_EXPORT_FORMATS)
		s = store_model_bundle(service_store(api->service), m.id, &reply->body, NULL, e);
	else
		s = service_model_export(api->service, m.id, format, &reply->body, e);
	if (s)
		goto out;
	suffix = format == N_EXPORT_FORMATS ? "vera" : export_format_names[format];
	reply->content_type = "application/octet-stream";
	snprintf(reply->etag, sizeof reply->etag, "\"%016" PRIx64 "\"", checksum64(reply->body.data, reply->body.len));
	reply->ranges = true;
	if (m.name)
		snprintf(reply->file_name, sizeof reply->file_name, "%s-%" PRIu64 ".%s", m.name, m.version, suffix);
	else
		snprintf(reply->file_name, sizeof reply->file_name, "%s.%s", m.id, suffix);
out:
	model_record_release(&m);
	return s;
}

enum status
api_model_import_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	static const char *const types[] = {"application/octet-stream"};
	size_t which;

	(void)app, (void)state;
	return api_body_type(r, types, 1, &which, e);
}

enum status
api_model_import(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	char id[STORE_ID_SIZE];
	enum status s;

	(void)state;
	if ((s = service_model_import(api->service, http_query(r, "name"), gathered->data, gathered->len, id, e)))
		return s;
	snprintf(reply->location, sizeof reply->location, "/v1/models/%s", id);
	return reply_with_model(app, id, 201, reply, e);
}
