/* api_jobs: /v1/jobs. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/params_json.h"
#include "server/api_private.h"
#include "server/json.h"

/* Steps done of all, in [0, 1]; 1 only where nothing is left to do. */
static double
progress(const struct job *j)
{
	if (j->state == JOB_SUCCEEDED)
		return 1;
	return j->steps ? (double)j->step / (double)j->steps : 0;
}

/* Seconds left at the worker's latest rate, which it reports with the metrics; NaN (null) where there is none yet. */
static double
eta(const struct job *j)
{
	cJSON *metrics = j->state == JOB_RUNNING ? cJSON_Parse(j->metrics) : NULL;
	const cJSON *left = json_member(metrics, "seconds_left");
	double seconds = cJSON_IsNumber(left) ? round(left->valuedouble * 10) / 10 : NAN;

	cJSON_Delete(metrics);
	return seconds;
}

static void
put_job(struct json_build *b, cJSON *to, const struct job *j)
{
	cJSON *error;

	json_put_text(b, to, "id", j->id);
	json_put_text(b, to, "type", j->type);
	json_put_text(b, to, "dataset", j->dataset);
	json_put_text(b, to, "state", job_state_name(j->state));
	json_put_number(b, to, "progress", progress(j));
	json_put_count(b, to, "step", j->step);
	json_put_count(b, to, "steps", j->steps);
	json_put_text(b, to, "phase", j->phase[0] ? j->phase : NULL);
	json_put_number(b, to, "eta_seconds", eta(j));
	api_put_raw(b, to, "metrics", j->metrics);
	json_put_text(b, to, "model", j->model);
	json_put_text(b, to, "model_name", j->model_name);
	json_put_count(b, to, "attempt", j->attempt);
	api_put_raw(b, to, "params", j->params);
	api_put_time(b, to, "created_at", j->created);
	api_put_time(b, to, "started_at", j->started);
	api_put_time(b, to, "finished_at", j->finished);
	if (!j->error_code) {
		json_put_null(b, to, "error");
		return;
	}
	error = json_put_object(b, to, "error");
	json_put_text(b, error, "code", j->error_code);
	json_put_text(b, error, "message", j->error_message);
}

static enum status
reply_with_job(struct api *api, const char *id, int status, struct http_reply *reply, struct err *e)
{
	struct json_build b = {0};
	struct job j = {0};
	enum status s;
	cJSON *root;

	if ((s = store_job_get(service_store(api->service), id, &j, e)))
		return s;
	root = json_object(&b);
	put_job(&b, root, &j);
	s = api_reply(reply, status, &b, root, e);
	job_release(&j);
	return s;
}

/* The member `name`, which must be a string that is not empty. */
static enum status
text_field(const cJSON *object, const char *name, const char **out, struct err *e)
{
	const cJSON *v = json_member(object, name);

	if (!v)
		return err_set(e, ERR_INVALID, "missing_field", "the job has no \"%s\"", name);
	if (!cJSON_IsString(v))
		return err_set(
			e, ERR_INVALID, "wrong_type", "the job's \"%s\" must be a string, not %s", name, json_kind(v));
	*out = v->valuestring;
	return OK;
}

static enum status
read_job(const cJSON *object, const char **dataset, const char **model, struct params *params, struct err *e)
{
	static const char *const known[] = {"type", "dataset", "model", "params"};
	const cJSON *given;
	const char *type;
	enum status s;

	if ((s = json_only(object, "a job", known, sizeof known / sizeof *known, e)) ||
		(s = text_field(object, "type", &type, e)))
		return s;
	if (strcmp(type, "train"))
		return err_set(e, ERR_INVALID, "unknown_job_type",
			"there are no jobs of type \"%.60s\"; there is \"train\"", type);
	if ((s = text_field(object, "dataset", dataset, e)))
		return s;
	*model = NULL;
	given = json_member(object, "model");
	if (given && !cJSON_IsNull(given) && (s = text_field(object, "model", model, e)))
		return s;
	given = json_member(object, "params");
	if (given && !cJSON_IsNull(given) && !cJSON_IsObject(given))
		return err_set(e, ERR_INVALID, "wrong_type", "the job's \"params\" must be an object, not %s",
			json_kind(given));
	return params_from_json(params, given, e);
}

enum status
api_job_create(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	char id[STORE_ID_SIZE];
	struct params params;
	const char *dataset, *model;
	cJSON *body = NULL;
	enum status s;

	(void)r, (void)state;
	if ((s = json_parse(gathered->data, gathered->len, &body, e)) ||
		(s = read_job(body, &dataset, &model, &params, e)) ||
		(s = service_train(api->service, dataset, &params, model, id, e)))
		goto out;
	snprintf(reply->location, sizeof reply->location, "/v1/jobs/%s", id);
	reply->retry_after = 1;
	s = reply_with_job(app, id, 202, reply, e);
out:
	cJSON_Delete(body);
	return s;
}

enum status
api_job_list(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	const struct api *api = app;
	struct json_build b = {0};
	struct job *list = NULL;
	struct api_page page;
	cJSON *root, *items;
	enum status s;
	size_t n = 0;

	(void)state, (void)gathered;
	if ((s = api_page(r, &page, e)) ||
		(s = store_job_list(service_store(api->service), page.after, page.limit + 1, &list, &n, e)))
		return s;
	root = json_object(&b);
	items = json_put_array(&b, root, "jobs");
	for (size_t i = 0; i < n && i < page.limit; i++)
		put_job(&b, json_add_object(&b, items), &list[i]);
	json_put_text(&b, root, "next", n > page.limit ? list[page.limit - 1].id : NULL);
	s = api_reply(reply, 200, &b, root, e);
	for (size_t i = 0; i < n; i++)
		job_release(&list[i]);
	free(list);
	return s;
}

enum status
api_job_get(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)state, (void)gathered;
	return reply_with_job(app, r->path_param[0], 200, reply, e);
}

/* 202: on its way out (or out already, if it was queued); 200: it had been cancelled before. */
enum status
api_job_cancel(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const char *id = r->path_param[0];
	const struct api *api = app;
	struct job before = {0};
	enum job_state after;
	enum status s;
	bool done;

	(void)state, (void)gathered;
	if ((s = store_job_get(service_store(api->service), id, &before, e)))
		return s;
	done = before.state == JOB_CANCELLED;
	job_release(&before);
	if (!done && (s = service_job_cancel(api->service, id, &after, e)))
		return s;
	return reply_with_job(app, id, done ? 200 : 202, reply, e);
}

enum status
api_job_events(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct store *store = service_store(api->service);
	struct job_event *list = NULL;
	struct json_build b = {0};
	struct job job = {0};
	uint64_t after, limit;
	cJSON *root, *items;
	enum status s;
	size_t n = 0;

	(void)state, (void)gathered;
	if ((s = api_query_count(r, "after", 0, 0, (uint64_t)1 << 53, &after, e)) ||
		(s = api_query_count(r, "limit", 100, 1, 1000, &limit, e)) ||
		(s = store_job_get(store, r->path_param[0], &job, e)))
		return s;
	job_release(&job);
	if ((s = store_event_list(store, r->path_param[0], after, (size_t)limit + 1, &list, &n, e)))
		return s;
	root = json_object(&b);
	items = json_put_array(&b, root, "events");
	for (size_t i = 0; i < n && i < limit; i++) {
		cJSON *item = json_add_object(&b, items);

		json_put_count(&b, item, "seq", (size_t)list[i].seq);
		api_put_time(&b, item, "time", list[i].time);
		json_put_text(&b, item, "level", list[i].level);
		json_put_text(&b, item, "code", list[i].code);
		json_put_text(&b, item, "message", list[i].message);
		api_put_raw(&b, item, "data", list[i].data);
	}
	if (n > limit)
		json_put_count(&b, root, "next", (size_t)list[limit - 1].seq);
	else
		json_put_null(&b, root, "next");
	s = api_reply(reply, 200, &b, root, e);
	for (size_t i = 0; i < n; i++)
		job_event_release(&list[i]);
	free(list);
	return s;
}
