/* api_jobs: /v1/jobs: jobs are made, looked at, told to end, pause and go on. Their events, numbers and results are in
 * api_job_parts.c. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/suggest.h"
#include "schema/params_json.h"
#include "server/api_private.h"
#include "server/estimate.h"
#include "server/json.h"

enum {
	MAX_WAIT = 60,                   /* seconds */
	MAX_KEY = 255,                   /* characters of an Idempotency-Key */
	KEY_SIZE = 40 + 1 + MAX_KEY + 1, /* behind who sent it */
	KEY_SECONDS = 24 * 60 * 60,
	MAX_PRIORITY = 100,
	MAX_MAX_SECONDS = 10000000,
};

/* Steps done of all, in [0, 1]; 1 only where nothing is left to do. */
static double
progress(const struct job *j)
{
	if (j->state == JOB_SUCCEEDED)
		return 1;
	return j->steps ? (double)j->step / (double)j->steps : 0;
}

/* Only while it is at work, and to a tenth. */
static double
eta(const struct job *j)
{
	return j->state == JOB_RUNNING ? round(j->seconds_left * 10) / 10 : NAN;
}

void
api_put_progress(struct json_build *b, cJSON *to, const struct job *j)
{
	json_put_text(b, to, "state", job_state_name(j->state));
	json_put_number(b, to, "progress", progress(j));
	json_put_count(b, to, "step", j->step);
	json_put_count(b, to, "steps", j->steps);
	json_put_text(b, to, "phase", j->phase[0] ? j->phase : NULL);
	json_put_number(b, to, "eta_seconds", eta(j));
}

static void
put_job(struct json_build *b, cJSON *to, const struct job *j)
{
	cJSON *part;
	char path[80];

	json_put_text(b, to, "id", j->id);
	json_put_text(b, to, "type", j->type);
	json_put_text(b, to, "dataset", j->dataset);
	json_put_text(b, to, "test_dataset", j->test_dataset);
	json_put_text(b, to, "model", j->model);
	json_put_text(b, to, "model_name", j->model_name);
	api_put_progress(b, to, j);
	json_put_number(b, to, "elapsed_seconds", round(j->worked * 1000) / 1000);
	json_put_number(b, to, "priority", j->priority);
	json_put_number(b, to, "max_seconds", j->max_seconds > 0 ? j->max_seconds : NAN);
	api_put_raw(b, to, "metrics", j->metrics);
	if (j->has_result) {
		snprintf(path, sizeof path, "/v1/jobs/%s/result", j->id);
		part = json_put_object(b, to, "result");
		json_put_text(b, part, "path", path);
		json_put_text(b, part, "content_type", api_result_type(j));
		json_put_count(b, part, "bytes", j->n_result_bytes);
	} else {
		json_put_null(b, to, "result");
	}
	json_put_count(b, to, "attempt", j->attempt);
	api_put_raw(b, to, "recoveries", j->recoveries);
	api_put_raw(b, to, "params", j->params);
	api_put_time(b, to, "created_at", j->created);
	api_put_time(b, to, "started_at", j->started);
	api_put_time(b, to, "finished_at", j->finished);
	if (!j->error_code) {
		json_put_null(b, to, "error");
		return;
	}
	part = json_put_object(b, to, "error");
	json_put_text(b, part, "code", j->error_code);
	json_put_text(b, part, "message", j->error_message);
}

/* status 0: 200 where the job has ended, 202 where not. */
static enum status
reply_with_job(const struct api *api, const char *id, int status, struct http_reply *reply, struct err *e)
{
	struct json_build b = {0};
	struct job j = {0};
	enum status s;
	cJSON *root;

	if ((s = store_job_get(service_store(api->service), id, &j, e)))
		return s;
	root = json_object(&b);
	put_job(&b, root, &j);
	s = api_reply(reply, status ? status : job_state_ended(j.state) ? 200 : 202, &b, root, e);
	job_release(&j);
	return s;
}

/* Waiting -------------------------------------------------------------------------------------------------------- */

/* The seconds of "Prefer: wait=N"; 0 where that is not asked, or not understood: a preference is no demand. */
static unsigned
preferred_wait(const struct http_request *r)
{
	const char *at = http_header(r, "Prefer");

	for (; at && *at; at += strcspn(at, ","), at += *at == ',') {
		at += strspn(at, " \t");
		if (!strncasecmp(at, "wait=", 5)) {
			size_t digits = strspn(at + 5, "0123456789");
			unsigned long seconds = strtoul(at + 5, NULL, 10);

			if (!digits || !strchr(",; \t", at[5 + digits]))
				return 0;
			return digits > 4 || seconds > MAX_WAIT ? MAX_WAIT : (unsigned)seconds;
		}
	}
	return 0;
}

/* Until the job has ended or pauses, at most as long as the request prefers. Where too many wait already, the
 * preference is not applied. */
static enum status
wait_for_job(
	const struct api *api, const struct http_request *r, const char *id, struct http_reply *reply, struct err *e)
{
	unsigned seconds = preferred_wait(r);
	struct watch *w = NULL;
	double until;
	struct err full;
	enum status s = OK;

	if (!seconds || watch_open(service_watches(api->service), id, &w, &full))
		return OK;
	until = api_now() + seconds;
	for (bool over = false; !over && !s;) {
		struct job j = {0};

		if (!(s = store_job_get(service_store(api->service), id, &j, e)))
			over = job_state_ended(j.state) || j.state == JOB_PAUSED ||
			       watch_wait(w, until - api_now()) == WATCH_STOPPING || api_now() >= until;
		job_release(&j);
	}
	watch_close(w);
	snprintf(reply->preference, sizeof reply->preference, "wait=%u", seconds);
	return s;
}

/* Making one ----------------------------------------------------------------------------------------------------- */

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

/* The member `name`, a number from min to max; `def` where there is none. */
static enum status
number_field(const cJSON *object, const char *name, double def, double min, double max, double *out, struct err *e)
{
	const cJSON *v = json_member(object, name);

	*out = def;
	if (!v || cJSON_IsNull(v))
		return OK;
	if (!cJSON_IsNumber(v))
		return err_set(
			e, ERR_INVALID, "wrong_type", "the job's \"%s\" must be a number, not %s", name, json_kind(v));
	if (!(v->valuedouble >= min) || !(v->valuedouble <= max))
		return err_set(e, ERR_INVALID, "out_of_range", "the job's \"%s\" must be from %g to %g, not %g", name,
			min, max, v->valuedouble);
	*out = v->valuedouble;
	return OK;
}

static enum status
read_type(const cJSON *object, enum job_type *out, struct err *e)
{
	const char *type, *nearest;
	enum status s = text_field(object, "type", &type, e);

	if (s)
		return s;
	for (size_t i = 0; i < N_JOB_TYPES; i++)
		if (!strcmp(type, job_type_names[i])) {
			*out = (enum job_type)i;
			return OK;
		}
	nearest = suggest_nearest(type, job_type_names, N_JOB_TYPES);
	if (nearest)
		return err_set(e, ERR_INVALID, "unknown_job_type",
			"there are no jobs of type \"%.60s\"; did you mean \"%s\"?", type, nearest);
	return err_set(e, ERR_INVALID, "unknown_job_type",
		"there are no jobs of type \"%.60s\"; there are train, evaluate and batch_predict", type);
}

static enum status
read_job(const cJSON *object, struct job_request *q, struct err *e)
{
	static const char *const of_all[] = {
		"type", "dataset", "priority", "max_seconds", "model", "params", "test_dataset"};
	enum { N_OF_ALL = sizeof of_all / sizeof *of_all };
	/* a batch prediction has the first of them, an evaluation one fewer */
	const size_t n_of[N_JOB_TYPES] = {
		[JOB_TRAIN] = N_OF_ALL, [JOB_BATCH_PREDICT] = N_OF_ALL - 1, [JOB_EVALUATE] = N_OF_ALL - 2};
	char what[40];
	const cJSON *given;
	double priority;
	enum status s;

	if ((s = json_only(object, "a job", of_all, N_OF_ALL, e)) || (s = read_type(object, &q->type, e)))
		return s;
	snprintf(what, sizeof what, "a job of type %s", job_type_names[q->type]);
	if ((s = json_only(object, what, of_all, n_of[q->type], e)) ||
		(s = text_field(object, "dataset", &q->dataset, e)) ||
		(s = number_field(object, "priority", 0, -MAX_PRIORITY, MAX_PRIORITY, &priority, e)) ||
		(s = number_field(object, "max_seconds", 0, 1, MAX_MAX_SECONDS, &q->max_seconds, e)))
		return s;
	if (priority != floor(priority))
		return err_set(e, ERR_INVALID, "wrong_type", "the job's \"priority\" must be a whole number");
	q->priority = (int)priority;
	given = json_member(object, "model");
	if ((q->type != JOB_TRAIN || (given && !cJSON_IsNull(given))) &&
		(s = text_field(object, "model", &q->model, e)))
		return s;
	given = json_member(object, "test_dataset");
	if (given && !cJSON_IsNull(given) && (s = text_field(object, "test_dataset", &q->test_dataset, e)))
		return s;
	given = json_member(object, "params");
	if (given && !cJSON_IsNull(given) && !cJSON_IsObject(given))
		return err_set(e, ERR_INVALID, "wrong_type", "the job's \"params\" must be an object, not %s",
			json_kind(given));
	return q->type == JOB_TRAIN ? params_from_json(&q->params, &q->classes, given, e)
				    : service_job_include(given, &q->include, e);
}

static enum status
reply_with_estimate(const struct api *api, const struct job_request *q, struct http_reply *reply, struct err *e)
{
	struct json_build b = {0};
	struct job_estimate estimate;
	cJSON *root, *part;
	enum status s = service_job_estimate(api->service, q, jobs_threads(api->jobs), &estimate, e);

	if (s)
		return s;
	root = json_object(&b);
	json_put_text(&b, root, "type", job_type_names[q->type]);
	json_put_text(&b, root, "dataset", q->dataset);
	json_put_text(&b, root, "test_dataset", q->test_dataset);
	json_put_text(&b, root, "model", q->model);
	json_put(&b, root, "params", service_job_params(q, &estimate.params));
	json_put_number(&b, root, "priority", q->priority);
	json_put_number(&b, root, "max_seconds", q->max_seconds > 0 ? q->max_seconds : NAN);
	part = json_put_object(&b, root, "estimate");
	json_put_number(&b, part, "seconds", estimate.seconds);
	json_put_count(&b, part, "memory_bytes", estimate.memory_bytes);
	json_put_count(&b, part, "rows", estimate.rows);
	json_put_count(&b, part, "features", estimate.features);
	json_put_count(&b, part, "steps", estimate.steps);
	json_put_bool(&b, part, "within_max_seconds", !(q->max_seconds > 0) || estimate.seconds <= q->max_seconds);
	part = json_put_object(&b, root, "queue");
	json_put_count(&b, part, "queued", estimate.n_queued);
	json_put_count(&b, part, "at_work", estimate.n_at_work);
	return api_reply(reply, 200, &b, root, e);
}

/* Printable ASCII, as the draft's structured string or bare; behind the caller, whose key it is, into `out`. */
static enum status
read_key(const struct http_request *r, const char *header, char out[KEY_SIZE], struct err *e)
{
	size_t n = strlen(header);
	bool quoted = n >= 2 && header[0] == '"' && header[n - 1] == '"', ok;

	if (quoted) {
		header++;
		n -= 2;
	}
	ok = n && n <= MAX_KEY;
	for (size_t i = 0; i < n && ok; i++)
		ok = header[i] > 0x20 && header[i] < 0x7F && header[i] != '"' && header[i] != '\\';
	if (!ok)
		return err_set(e, ERR_SYNTAX, "bad_idempotency_key",
			"an Idempotency-Key has 1 to %d printable characters without spaces, quotes and backslashes",
			MAX_KEY);
	snprintf(out, KEY_SIZE, "%s %.*s", r->caller, (int)n, header);
	return OK;
}

/* The job of the key's first request, as it was answered then. */
static enum status
replay(const struct api *api, struct key_answer *answer, struct http_reply *reply, struct err *e)
{
	snprintf(reply->location, sizeof reply->location, "/v1/jobs/%s", answer->job);
	reply->retry_after = 1;
	if (!answer->body) /* the daemon ended between making the job and answering */
		return reply_with_job(api, answer->job, 202, reply, e);
	buf_puts(&reply->body, answer->body);
	reply->status = 202;
	return OK;
}

static enum status
create(const struct api *api, const struct job_request *q, char id[STORE_ID_SIZE], struct http_reply *reply,
	struct err *e)
{
	enum status s = service_job_create(api->service, q, id, e);

	if (s)
		return s;
	snprintf(reply->location, sizeof reply->location, "/v1/jobs/%s", id);
	reply->retry_after = 1;
	return reply_with_job(api, id, 202, reply, e);
}

static enum status
create_once(const struct api *api, const struct job_request *q, char id[STORE_ID_SIZE], bool *replayed,
	struct http_reply *reply, struct err *e)
{
	struct store *store = service_store(api->service);
	struct key_answer answer = {0};
	struct key_in_use in_use;
	char *body;
	enum status s;

	if (!service_key_begin(api->service, &in_use, q->key.text))
		return err_set(e, ERR_CONFLICT, "idempotency_key_in_use",
			"the first request with this Idempotency-Key is being carried out");
	if ((s = store_key_find(store, &q->key, &answer, replayed, e)))
		goto out;
	if (*replayed) {
		s = replay(api, &answer, reply, e);
		goto out;
	}
	if ((s = create(api, q, id, reply, e)))
		goto out;
	if (!(body = strndup((const char *)reply->body.data, reply->body.len)))
		s = err_nomem(e);
	else
		s = store_key_answer(store, q->key.text, body, e);
	free(body);
out:
	free(answer.body);
	service_key_end(api->service, &in_use);
	return s;
}

enum status
api_job_create(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const char *dry = http_query(r, "dry_run"), *header = http_header(r, "Idempotency-Key");
	struct job_request q = {0};
	const struct api *api = app;
	char id[STORE_ID_SIZE], key[KEY_SIZE];
	cJSON *body = NULL;
	bool replayed = false;
	enum status s;

	(void)state;
	if (dry && strcmp(dry, "0") && strcmp(dry, "1"))
		return err_set(e, ERR_SYNTAX, "bad_query_parameter",
			"the query parameter \"dry_run\" must be 0 or 1, not \"%.40s\"", dry);
	if ((header && (s = read_key(r, header, key, e))) ||
		(s = json_parse(gathered->data, gathered->len, &body, e)) || (s = read_job(body, &q, e)))
		goto out;
	if (dry && dry[0] == '1') {
		s = reply_with_estimate(api, &q, reply, e);
		goto out;
	}
	if (header) {
		q.key = (struct request_key){
			.text = key, .fingerprint = checksum64(gathered->data, gathered->len), .seconds = KEY_SECONDS};
		s = create_once(api, &q, id, &replayed, reply, e);
	} else {
		s = create(api, &q, id, reply, e);
	}
	if (s || replayed || !preferred_wait(r) || (s = wait_for_job(api, r, id, reply, e)))
		goto out;
	buf_clear(&reply->body);
	s = reply_with_job(api, id, 0, reply, e);
out:
	class_params_release(&q.classes);
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
	const char *id = r->path_param[0];
	enum status s;

	(void)state, (void)gathered;
	if ((s = wait_for_job(app, r, id, reply, e)))
		return s;
	return reply_with_job(app, id, 200, reply, e);
}

enum status
api_job_delete(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;

	(void)state, (void)gathered;
	reply->status = 204;
	return service_job_delete(api->service, r->path_param[0], e);
}

/* Telling one ---------------------------------------------------------------------------------------------------- */

/* 202: something comes of it, or has come just now; 200: it was so already. */
static enum status
tell(const struct api *api, const char *id,
	enum status (*change)(
		struct service *v, const char *id, enum job_state *was, enum job_state *is, struct err *e),
	struct http_reply *reply, struct err *e)
{
	enum job_state was = JOB_QUEUED, is = JOB_QUEUED;
	enum status s = change(api->service, id, &was, &is, e);
	bool done = was == is && is != JOB_PAUSING && is != JOB_CANCELLING;

	return s ? s : reply_with_job(api, id, done ? 200 : 202, reply, e);
}

enum status
api_job_cancel(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	(void)state, (void)gathered;
	return tell(app, r->path_param[0], service_job_cancel, reply, e);
}

enum status
api_job_pause(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	(void)state, (void)gathered;
	return tell(app, r->path_param[0], service_job_pause, reply, e);
}

enum status
api_job_resume(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	(void)state, (void)gathered;
	return tell(app, r->path_param[0], service_job_resume, reply, e);
}
