/* api: see api.h. Here: the route table, the service's own resources, and the manners that the other api_*.c share. */
#include "server/api_private.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/embed.h"
#include "server/json.h"

enum { DEFAULT_LIMIT = 100 };

/* The service's own resources ------------------------------------------------------------------------------------- */

static enum status
health(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	buf_puts(&reply->body, "{\"status\":\"ok\"}\n");
	return OK;
}

bool
api_is_ready(const struct api *api, struct err *why, bool *store, bool *workers)
{
	*store = store_ping(service_store(api->service), why) == OK;
	*workers = jobs_alive(api->jobs);
	return *store && *workers;
}

static enum status
readiness(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	const struct api *api = app;
	struct err why = {0};
	bool store, workers, ready = api_is_ready(api, &why, &store, &workers);
	struct json_build b = {0};
	cJSON *root = json_object(&b), *checks;

	(void)r, (void)state, (void)gathered;
	json_put_text(&b, root, "status", ready ? "ready" : "not_ready");
	checks = json_put_object(&b, root, "checks");
	json_put_text(&b, checks, "store", store ? "ok" : why.code);
	json_put_text(&b, checks, "workers", workers ? "ok" : "stopped");
	return api_reply(reply, ready ? 200 : 503, &b, root, e);
}

static enum status
openapi(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	const struct embedded contract = embedded_openapi();

	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	buf_put(&reply->body, contract.text, contract.len);
	return OK;
}

/* Routes ---------------------------------------------------------------------------------------------------------- */

static uint64_t
upload_limit(const void *app)
{
	return ((const struct api *)app)->max_upload;
}

static uint64_t
rows_limit(const void *app)
{
	return ((const struct api *)app)->max_predict;
}

static uint64_t
control_limit(const void *app)
{
	(void)app;
	return API_MAX_CONTROL;
}

static uint64_t
model_limit(const void *app)
{
	(void)app;
	return API_MAX_MODEL;
}

static const char *const job_query[] = {"dry_run", NULL};
static const char *const page_query[] = {"after", "limit", NULL};
static const char *const import_query[] = {"name", NULL};
static const char *const artifact_query[] = {"format", NULL};

/* clang-format off */
static const struct http_route routes[] = {
	{.method = "GET", .path = "/healthz", .scope = ACCESS_FREE, .end = health},
	{.method = "GET", .path = "/readyz", .scope = ACCESS_FREE, .end = readiness},
	{.method = "GET", .path = "/openapi.json", .scope = ACCESS_FREE, .end = openapi},
	{.method = "GET", .path = "/metrics", .end = api_metrics},
	{.method = "GET", .path = "/v1/limits", .end = api_limits},

	{.method = "POST", .path = "/v1/admin/keys", .scope = ACCESS_ADMIN, .max_body = control_limit,
		.begin = api_json_begin, .end = api_key_create},
	{.method = "GET", .path = "/v1/admin/keys", .scope = ACCESS_ADMIN, .end = api_key_list},
	{.method = "DELETE", .path = "/v1/admin/keys/{id}", .scope = ACCESS_ADMIN, .end = api_key_revoke},
	{.method = "POST", .path = "/v1/admin/backup", .scope = ACCESS_ADMIN, .max_body = control_limit,
		.begin = api_json_begin, .end = api_backup},

	{.method = "POST", .path = "/v1/datasets", .query = api_upload_query, .max_body = upload_limit,
		.begin = api_upload_begin, .body = api_upload_body, .end = api_upload_end, .release = api_upload_release},
	{.method = "GET", .path = "/v1/datasets", .query = page_query, .end = api_dataset_list},
	{.method = "POST", .path = "/v1/datasets:inspect", .query = api_inspect_query, .max_body = upload_limit,
		.begin = api_inspect_begin, .body = api_upload_body, .end = api_inspect_end, .release = api_upload_release},
	{.method = "GET", .path = "/v1/datasets/{id}", .end = api_dataset_get},
	{.method = "DELETE", .path = "/v1/datasets/{id}", .end = api_dataset_delete},
	{.method = "GET", .path = "/v1/datasets/{id}/profile", .end = api_dataset_profile},
	{.method = "GET", .path = "/v1/datasets/{id}/content", .end = api_dataset_content},
	{.method = "GET", .path = "/v1/datasets/{id}/rows", .query = page_query, .end = api_dataset_rows},
	{.method = "POST", .path = "/v1/datasets/{id}/rows", .query = api_append_query, .max_body = upload_limit,
		.begin = api_append_begin, .body = api_upload_body, .end = api_upload_end, .release = api_upload_release},

	{.method = "POST", .path = "/v1/jobs", .query = job_query, .max_body = control_limit, .begin = api_json_begin,
		.end = api_job_create},
	{.method = "GET", .path = "/v1/jobs", .query = page_query, .end = api_job_list},
	{.method = "GET", .path = "/v1/jobs/{id}", .end = api_job_get},
	{.method = "DELETE", .path = "/v1/jobs/{id}", .end = api_job_delete},
	{.method = "POST", .path = "/v1/jobs/{id}/cancel", .end = api_job_cancel},
	{.method = "POST", .path = "/v1/jobs/{id}/pause", .end = api_job_pause},
	{.method = "POST", .path = "/v1/jobs/{id}/resume", .end = api_job_resume},
	{.method = "GET", .path = "/v1/jobs/{id}/events", .query = page_query, .end = api_job_events},
	{.method = "GET", .path = "/v1/jobs/{id}/metrics", .query = page_query, .end = api_job_metrics},
	{.method = "GET", .path = "/v1/jobs/{id}/result", .end = api_job_result},

	{.method = "GET", .path = "/v1/models", .query = page_query, .end = api_model_list},
	{.method = "POST", .path = "/v1/models:import", .query = import_query, .max_body = model_limit,
		.begin = api_model_import_begin, .end = api_model_import},
	{.method = "GET", .path = "/v1/models/{model}", .end = api_model_get},
	{.method = "PATCH", .path = "/v1/models/{model}", .max_body = control_limit, .begin = api_json_begin,
		.end = api_model_patch},
	{.method = "DELETE", .path = "/v1/models/{model}", .end = api_model_delete},
	{.method = "GET", .path = "/v1/models/{model}/versions", .query = page_query, .end = api_version_list},
	{.method = "GET", .path = "/v1/models/{model}/versions/{version}", .end = api_model_get},
	{.method = "DELETE", .path = "/v1/models/{model}/versions/{version}", .end = api_model_delete},
	{.method = "GET", .path = "/v1/models/{model}/report", .end = api_model_report},
	{.method = "GET", .path = "/v1/models/{model}/artifact", .query = artifact_query, .end = api_model_artifact},
	{.method = "PUT", .path = "/v1/models/{model}/threshold", .max_body = control_limit, .begin = api_json_begin,
		.end = api_model_threshold},
	{.method = "POST", .path = "/v1/models/{model}/predict", .scope = ACCESS_PREDICT, .max_body = rows_limit,
		.query = api_rows_query, .begin = api_predict_begin, .body = api_rows_body, .end = api_rows_end,
		.release = api_rows_release},
	{.method = "POST", .path = "/v1/models/{model}/ood", .scope = ACCESS_PREDICT, .max_body = rows_limit,
		.query = api_rows_query, .begin = api_ood_begin, .body = api_rows_body, .end = api_rows_end,
		.release = api_rows_release},
	{.method = "POST", .path = "/v1/models/{model}/invocations", .scope = ACCESS_PREDICT, .max_body = rows_limit,
		.query = api_rows_query, .begin = api_invocation_begin, .body = api_rows_body, .end = api_rows_end, .release = api_rows_release},
	{.method = "POST", .path = "/invocations", .scope = ACCESS_PREDICT, .query = api_invocation_query,
		.max_body = rows_limit, .begin = api_invocation_begin, .body = api_rows_body, .end = api_rows_end,
		.release = api_rows_release},
	{.method = "GET", .path = "/ping", .scope = ACCESS_FREE, .end = health},

	{.method = "GET", .path = "/v2", .scope = ACCESS_FREE, .end = api_oip_server},
	{.method = "GET", .path = "/v2/health/live", .scope = ACCESS_FREE, .end = api_oip_live},
	{.method = "GET", .path = "/v2/health/ready", .scope = ACCESS_FREE, .end = api_oip_ready},
	{.method = "GET", .path = "/v2/models/{model}", .scope = ACCESS_READ | ACCESS_PREDICT, .end = api_oip_metadata},
	{.method = "GET", .path = "/v2/models/{model}/versions/{version}", .scope = ACCESS_READ | ACCESS_PREDICT,
		.end = api_oip_metadata},
	{.method = "GET", .path = "/v2/models/{model}/ready", .scope = ACCESS_READ | ACCESS_PREDICT,
		.end = api_oip_model_ready},
	{.method = "GET", .path = "/v2/models/{model}/versions/{version}/ready", .scope = ACCESS_READ | ACCESS_PREDICT,
		.end = api_oip_model_ready},
	{.method = "GET", .path = "/v2/models/{model}/stats", .scope = ACCESS_READ | ACCESS_PREDICT,
		.end = api_oip_stats},
	{.method = "GET", .path = "/v2/models/{model}/versions/{version}/stats", .scope = ACCESS_READ | ACCESS_PREDICT,
		.end = api_oip_stats},
	{.method = "POST", .path = "/v2/models/{model}/infer", .scope = ACCESS_PREDICT, .max_body = rows_limit,
		.begin = api_oip_begin, .end = api_oip_infer, .release = api_oip_release},
	{.method = "POST", .path = "/v2/models/{model}/versions/{version}/infer", .scope = ACCESS_PREDICT,
		.max_body = rows_limit, .begin = api_oip_begin, .end = api_oip_infer, .release = api_oip_release},
};
/* clang-format on */

const struct http_route *
api_routes(size_t *n)
{
	*n = sizeof routes / sizeof *routes;
	return routes;
}

const struct metrics_route *
api_metric_routes(size_t *n)
{
	enum { N_ROUTES = sizeof routes / sizeof *routes };
	static struct metrics_route list[N_ROUTES]; /* filled at start, by one thread */

	for (size_t i = 0; i < N_ROUTES; i++)
		list[i] = (struct metrics_route){.method = routes[i].method, .path = routes[i].path};
	*n = N_ROUTES;
	return list;
}

void
api_observe(void *app, const struct http_route *route, const struct http_observation *o)
{
	const struct api *api = app;

	metrics_request(
		api->metrics, route ? (size_t)(route - routes) : SIZE_MAX, o->status, o->seconds, o->received, o->sent);
}

/* Who may do what ------------------------------------------------------------------------------------------------- */

static bool
only_looks(const char *method)
{
	return !strcmp(method, "GET") || !strcmp(method, "HEAD");
}

/*
 * Where no key is asked for, being on this machine is what counts; so a page of some site that a person here looks at
 * may not act in their place. (It cannot read answers either: no header allows it to.)
 */
static enum status
refuse_cross_site(const struct http_request *r, struct err *e)
{
	const char *site = http_header(r, "Sec-Fetch-Site");

	if (!site || strcmp(site, "cross-site") || only_looks(r->method))
		return OK;
	return err_set(e, ERR_INVALID, "cross_site",
		"a page of another site asks a browser to do this, and no API key says that it may");
}

enum status
api_admit(void *app, const struct http_route *route, const struct http_request *r, char *caller, size_t caller_size,
	struct err *e)
{
	const struct api *api = app;
	unsigned need = route->scope ? route->scope : only_looks(route->method) ? ACCESS_READ : ACCESS_WRITE;

	if (api->open)
		return refuse_cross_site(r, e);
	return access_check(api->access, http_header(r, "Authorization"), need, caller, caller_size, e);
}

/* Manners --------------------------------------------------------------------------------------------------------- */

enum status
api_reply(struct http_reply *reply, int status, struct json_build *b, struct cJSON *root, struct err *e)
{
	char *text = NULL;
	enum status s = json_finish(b, root, &text, e);

	if (s)
		return s;
	buf_puts(&reply->body, text);
	buf_puts(&reply->body, "\n");
	free(text);
	reply->status = status;
	return OK;
}

const char *
api_model_ref(const struct http_request *r, char out[API_REF_SIZE])
{
	if (!r->path_param[1])
		return r->path_param[0];
	snprintf(out, API_REF_SIZE, "%s@%s", r->path_param[0], r->path_param[1]); /* a path is shorter */
	return out;
}

enum status
api_json_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	static const char *const types[] = {"application/json"};
	size_t which;

	(void)app, (void)state;
	return api_body_type(r, types, 1, &which, e);
}

enum status
api_query_count(const struct http_request *r, const char *name, uint64_t def, uint64_t min, uint64_t max, uint64_t *out,
	struct err *e)
{
	const char *text = http_query(r, name);
	size_t n = text ? strlen(text) : 0;
	uint64_t v = def;

	if (text) {
		v = n <= 18 && strspn(text, "0123456789") == n ? strtoull(text, NULL, 10) : UINT64_MAX;
		if (v < min || v > max)
			return err_set(e, ERR_SYNTAX, "bad_query_parameter",
				"the query parameter \"%s\" must be a whole number from %llu to %llu, not \"%.40s\"",
				name, (unsigned long long)min, (unsigned long long)max, text);
	}
	*out = v;
	return OK;
}

enum status
api_page(const struct http_request *r, struct api_page *out, struct err *e)
{
	uint64_t limit;
	enum status s;

	if ((s = api_query_count(r, "limit", DEFAULT_LIMIT, 1, API_MAX_PAGE, &limit, e)))
		return s;
	out->limit = (size_t)limit;
	out->after = http_query(r, "after");
	return OK;
}

enum status
api_charset(const char *charset, struct err *e)
{
	if (!strcmp(charset, "utf-8") || !strcmp(charset, "utf8") || !strcmp(charset, "us-ascii"))
		return OK;
	return err_set(e, ERR_UNSUPPORTED, "unsupported_encoding",
		"the text is said to be in %.30s: convert it to UTF-8, the only encoding served", charset);
}

enum status
api_body_type(const struct http_request *r, const char *const *types, size_t n, size_t *which, struct err *e)
{
	char served[128] = "";
	size_t i = 0;

	while (i < n && strcmp(types[i], r->content_type))
		i++;
	*which = i;
	if (i < n)
		return r->content_charset[0] ? api_charset(r->content_charset, e) : OK;
	for (i = 0; i < n; i++)
		snprintf(served + strlen(served), sizeof served - strlen(served), "%s%s",
			!i          ? ""
			: i + 1 < n ? ", "
				    : " or ",
			types[i]);
	return err_set(e, ERR_UNSUPPORTED, "unsupported_media_type", "this needs a body of Content-Type %s, not %.80s",
		served, r->content_type[0] ? r->content_type : "one without a Content-Type");
}

double
api_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void
api_put_time(struct json_build *b, struct cJSON *to, const char *name, double seconds)
{
	char text[TIMESTAMP_SIZE];

	json_put_text(b, to, name, seconds > 0 ? timestamp(seconds, text) : NULL);
}

void
api_put_raw(struct json_build *b, struct cJSON *to, const char *name, const char *json)
{
	json_put(b, to, name, cJSON_CreateRaw(json));
}
