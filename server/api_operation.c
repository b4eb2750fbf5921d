/* api_operation: what those who run the daemon need: /metrics, /v1/limits, keys and backups. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/params.h"
#include "schema/csv.h"
#include "server/api_private.h"
#include "server/json.h"
#include "server/log.h"

enum { MAX_KEY_NAME = 200, MAX_BACKUP_NAME = 100 };

/* Metrics and limits ---------------------------------------------------------------------------------------------- */

enum status
api_metrics(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	struct api *api = app;
	struct store_statistics *statistics = malloc(sizeof *statistics);
	struct metrics_state now = {.certificate_expires = api->tls ? tls_expires(api->tls) : NAN};
	struct http *http = atomic_load(&api->http);
	struct err why = {0};
	bool store, workers;

	(void)r, (void)state, (void)gathered;
	if (!statistics)
		return err_nomem(e);
	now.connections = http ? http_connections(http) : 0;
	service_models_loaded(api->service, &now.models_loaded, &now.model_loads);
	now.ready = api_is_ready(api, &why, &store, &workers);
	if (store_statistics(service_store(api->service), statistics, &why) == OK)
		now.store = statistics; /* without them the rest still tells what is wrong */
	metrics_write(api->metrics, &now, &reply->body);
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	free(statistics);
	return OK;
}

static void
put_limit(struct json_build *b, cJSON *to, const char *name, uint64_t v)
{
	if (v)
		json_put_count(b, to, name, (size_t)v);
	else
		json_put_null(b, to, name);
}

enum status
api_limits(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	const struct config *c = ((const struct api *)app)->config;
	struct json_build b = {0};
	cJSON *root = json_object(&b);

	(void)r, (void)state, (void)gathered;
	json_put_count(&b, root, "upload_bytes", (size_t)c->max_upload);
	json_put_count(&b, root, "predict_bytes", (size_t)c->max_predict);
	json_put_count(&b, root, "control_bytes", API_MAX_CONTROL);
	json_put_count(&b, root, "model_bytes", API_MAX_MODEL);
	json_put_count(&b, root, "header_bytes", HTTP_MAX_HEADERS);
	put_limit(&b, root, "rows", c->max_rows);
	put_limit(&b, root, "cells", c->max_cells);
	json_put_count(&b, root, "columns", (size_t)c->max_columns);
	json_put_count(&b, root, "cell_bytes", (size_t)c->max_cell);
	json_put_count(&b, root, "row_bytes", CSV_MAX_RECORD);
	json_put_count(&b, root, "classes", INGEST_MAX_CLASSES);
	json_put_count(&b, root, "label_bytes", INGEST_MAX_LABEL);
	json_put_count(&b, root, "page_items", API_MAX_PAGE);
	json_put_count(&b, root, "connections", (size_t)c->max_connections);
	json_put_count(&b, root, "queued_jobs", (size_t)c->max_queued);
	json_put_count(&b, root, "models_in_memory", (size_t)c->max_models);
	json_put_count(&b, root, "disk_reserve_bytes", (size_t)c->min_free);
	return api_reply(reply, 200, &b, root, e);
}

/* Keys ------------------------------------------------------------------------------------------------------------ */

static void
put_key(struct json_build *b, cJSON *to, const struct api_key *k)
{
	char text[ACCESS_SCOPES_SIZE], *rest = text, *scope;
	cJSON *scopes;

	json_put_text(b, to, "id", k->id);
	json_put_text(b, to, "name", k->name);
	scopes = json_put_array(b, to, "scopes");
	access_scopes_text(k->scopes, text);
	while ((scope = strsep(&rest, ",")) && *scope)
		json_add_text(b, scopes, scope);
	api_put_time(b, to, "created_at", k->created);
	api_put_time(b, to, "revoked_at", k->revoked);
}

enum status
api_key_list(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	const struct api *api = app;
	struct api_key *list = NULL;
	struct json_build b = {0};
	cJSON *root, *items;
	enum status s;
	size_t n = 0;

	(void)r, (void)state, (void)gathered;
	if ((s = store_key_list(service_store(api->service), &list, &n, e)))
		return s;
	root = json_object(&b);
	items = json_put_array(&b, root, "keys");
	for (size_t i = 0; i < n; i++)
		put_key(&b, json_add_object(&b, items), &list[i]);
	s = api_reply(reply, 200, &b, root, e);
	for (size_t i = 0; i < n; i++)
		api_key_release(&list[i]);
	free(list);
	return s;
}

static enum status
read_key(const cJSON *body, const char **name, unsigned *scopes, struct err *e)
{
	static const char *const known[] = {"name", "scopes"};
	const cJSON *given, *scope;
	enum status s;

	if ((s = json_only(body, "a key", known, sizeof known / sizeof *known, e)))
		return s;
	given = json_member(body, "name");
	*name = "";
	if (given && (!cJSON_IsString(given) || strlen(given->valuestring) > MAX_KEY_NAME))
		return err_set(e, ERR_INVALID, "wrong_type", "the key's \"name\" must be a string of at most %d bytes",
			MAX_KEY_NAME);
	if (given)
		*name = given->valuestring;
	given = json_member(body, "scopes");
	if (!given)
		return err_set(e, ERR_INVALID, "missing_field", "the key has no \"scopes\"");
	if (!cJSON_IsArray(given) || !cJSON_GetArraySize(given))
		return err_set(e, ERR_INVALID, "wrong_type",
			"the key's \"scopes\" must be a list with one or more of read, predict, write and admin");
	*scopes = 0;
	cJSON_ArrayForEach(scope, given)
	{
		unsigned bits;

		if (!cJSON_IsString(scope))
			return err_set(
				e, ERR_INVALID, "wrong_type", "a scope must be a string, not %s", json_kind(scope));
		if ((s = access_parse_scopes(scope->valuestring, &bits, e)))
			return s;
		*scopes |= bits;
	}
	return OK;
}

static enum status
reply_with_new_key(struct api *api, const char *name, unsigned scopes, struct http_reply *reply, struct err *e)
{
	struct api_key k = {.name = (char *)(uintptr_t)name, .scopes = scopes};
	struct json_build b = {0};
	char key[ACCESS_KEY_SIZE];
	struct timespec now;
	enum status s;
	cJSON *root;

	if ((s = access_create(service_store(api->service), name, scopes, k.id, key, e)))
		return s;
	access_refresh(api->access);
	clock_gettime(CLOCK_REALTIME, &now);
	k.created = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
	root = json_object(&b);
	put_key(&b, root, &k);
	json_put_text(&b, root, "key", key);
	s = api_reply(reply, 201, &b, root, e);
	access_wipe(key);
	return s;
}

enum status
api_key_create(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const char *name = "";
	unsigned scopes = 0;
	cJSON *body = NULL;
	enum status s;

	(void)r, (void)state;
	if (!(s = json_parse(gathered->data, gathered->len, &body, e)) && !(s = read_key(body, &name, &scopes, e)))
		s = reply_with_new_key(app, name, scopes, reply, e);
	cJSON_Delete(body);
	return s;
}

enum status
api_key_revoke(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	enum status s;

	(void)state, (void)gathered;
	if ((s = store_key_revoke(service_store(api->service), r->path_param[0], e)))
		return s;
	access_refresh(api->access);
	reply->status = 204;
	return OK;
}

/* Backups --------------------------------------------------------------------------------------------------------- */

/* A file's name and no path: nothing the caller says leads out of the folder. */
static enum status
check_backup_name(const char *name, struct err *e)
{
	static const char sane[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t n = strlen(name);

	if (n && n <= MAX_BACKUP_NAME && name[0] != '.' && strspn(name, sane) == n)
		return OK;
	return err_set(e, ERR_INVALID, "bad_backup_name",
		"a backup's name has 1 to %d of A-Z a-z 0-9 - _ . and no . in front, unlike \"%.60s\"", MAX_BACKUP_NAME,
		name);
}

static enum status
read_backup(const cJSON *body, char name[MAX_BACKUP_NAME + 1], struct err *e)
{
	static const char *const known[] = {"name"};
	const cJSON *given;
	struct tm utc;
	time_t now = time(NULL);
	enum status s;

	if ((s = json_only(body, "a backup", known, sizeof known / sizeof *known, e)))
		return s;
	given = json_member(body, "name");
	if (!given) {
		strftime(name, MAX_BACKUP_NAME, "verad-%Y%m%dT%H%M%SZ.db", gmtime_r(&now, &utc));
		return OK;
	}
	if (!cJSON_IsString(given))
		return err_set(e, ERR_INVALID, "wrong_type", "the backup's \"name\" must be a string, not %s",
			json_kind(given));
	if ((s = check_backup_name(given->valuestring, e)))
		return s;
	strcpy(name, given->valuestring);
	return OK;
}

static enum status
back_up(struct api *api, const char *name, struct http_reply *reply, struct err *e)
{
	struct json_build b = {0};
	struct timespec from, to;
	uint64_t n_bytes = 0;
	char path[4096], bytes[24];
	cJSON *root;
	enum status s;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", api->backup_dir, name) >= sizeof path)
		return err_set(e, ERR_INVALID, "bad_backup_name", "the backup's path is too long");
	clock_gettime(CLOCK_MONOTONIC, &from);
	if ((s = store_backup(service_store(api->service), path, &api->stopping, &n_bytes, e)))
		return s;
	clock_gettime(CLOCK_MONOTONIC, &to);
	snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)n_bytes);
	log_event(LOG_INFO, "backed up", "file", path, "bytes", bytes, NULL);
	root = json_object(&b);
	json_put_text(&b, root, "name", name);
	json_put_text(&b, root, "path", path);
	json_put_count(&b, root, "bytes", (size_t)n_bytes);
	json_put_number(
		&b, root, "seconds", (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec));
	return api_reply(reply, 201, &b, root, e);
}

enum status
api_backup(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	char name[MAX_BACKUP_NAME + 1];
	struct api *api = app;
	cJSON *body = NULL;
	enum status s;

	(void)r, (void)state;
	if (!api->backup_dir)
		return err_set(e, ERR_CONFLICT, "backup_not_configured",
			"this daemon has no folder for backups: start it with --backup-dir");
	if ((s = json_parse(gathered->data, gathered->len, &body, e)) || (s = read_backup(body, name, e)))
		goto out;
	if (atomic_exchange(&api->backing_up, true)) {
		s = err_set(e, ERR_CONFLICT, "backup_running", "a backup is being made: wait for its end");
		goto out;
	}
	s = back_up(api, name, reply, e);
	atomic_store(&api->backing_up, false);
out:
	cJSON_Delete(body);
	return s;
}
