/*
 * api_job_parts: what hangs on a job: its events, as pages and as a stream, its numbers over time, its result.
 *
 * The stream is server-sent events. What has an id comes from the stored events and is never lost: a client that comes
 * back with Last-Event-ID gets what it missed. Between them come `progress` events without an id, of the moment alone,
 * and comments that keep the connection alive. When the job has ended and everything was said the stream ends, and a
 * client that comes back for more gets a 204, which tells an EventSource to stay away.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api_private.h"
#include "server/training.h"

enum {
	EVENTS_AT_ONCE = 64,
	HEARTBEAT_SECONDS = 15,
	RETRY_MS = 2000, /* that a client waits before it comes back */
};

/* Events --------------------------------------------------------------------------------------------------------- */

static void
put_event(struct json_build *b, cJSON *to, const struct job_event *v)
{
	json_put_count(b, to, "seq", (size_t)v->seq);
	api_put_time(b, to, "time", v->time);
	json_put_text(b, to, "level", v->level);
	json_put_text(b, to, "code", v->code);
	json_put_text(b, to, "message", v->message);
	api_put_raw(b, to, "data", v->data);
}

static void
release_events(struct job_event *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		job_event_release(&list[i]);
	free(list);
}

static enum status
page_of_events(
	const struct api *api, const char *id, uint64_t after, size_t limit, struct http_reply *reply, struct err *e)
{
	struct job_event *list = NULL;
	struct json_build b = {0};
	cJSON *root, *items;
	enum status s;
	size_t n = 0;

	if ((s = store_event_list(service_store(api->service), id, after, limit + 1, &list, &n, e)))
		return s;
	root = json_object(&b);
	items = json_put_array(&b, root, "events");
	for (size_t i = 0; i < n && i < limit; i++)
		put_event(&b, json_add_object(&b, items), &list[i]);
	if (n > limit)
		json_put_count(&b, root, "next", (size_t)list[limit - 1].seq);
	else
		json_put_null(&b, root, "next");
	s = api_reply(reply, 200, &b, root, e);
	release_events(list, n);
	return s;
}

struct event_stream {
	const struct api *api;
	struct watch *watch;
	char job[STORE_ID_SIZE];
	uint64_t after;   /* the last event that was sent */
	double next_beat; /* of api_now */
	char *progress;   /* the last that was sent */
	struct buf out;   /* made, and not sent yet from out_at on */
	size_t out_at;
	bool over;
};

static void
release_stream(void *ctx)
{
	struct event_stream *t = ctx;

	watch_close(t->watch);
	buf_release(&t->out);
	free(t->progress);
	free(t);
}

/* The tree as one event's data; deletes it in any case. */
static enum status
put_data(struct event_stream *t, struct json_build *b, cJSON *root, char **text, struct err *e)
{
	enum status s = json_finish(b, root, text, e);

	if (!s)
		buf_printf(&t->out, "data: %s\n\n", *text); /* JSON has its line feeds escaped */
	return s;
}

static enum status
put_stored_events(struct event_stream *t, size_t *n, struct err *e)
{
	struct job_event *list = NULL;
	enum status s = store_event_list(service_store(t->api->service), t->job, t->after, EVENTS_AT_ONCE, &list, n, e);

	if (s)
		return s;
	for (size_t i = 0; i < *n && !s; i++) {
		struct json_build b = {0};
		cJSON *root = json_object(&b);
		char *text = NULL;

		put_event(&b, root, &list[i]);
		buf_printf(&t->out, "id: %llu\n", (unsigned long long)list[i].seq);
		s = put_data(t, &b, root, &text, e);
		free(text);
		t->after = list[i].seq;
	}
	release_events(list, *n);
	return s;
}

static enum status
put_progress(struct event_stream *t, const struct job *j, struct err *e)
{
	size_t before = t->out.len;
	struct json_build b = {0};
	cJSON *root = json_object(&b);
	char *text = NULL;
	enum status s;

	api_put_progress(&b, root, j);
	api_put_raw(&b, root, "metrics", j->metrics);
	buf_puts(&t->out, "event: progress\n");
	if ((s = put_data(t, &b, root, &text, e)))
		return s;
	if (t->progress && !strcmp(t->progress, text)) {
		t->out.len = before; /* no news */
		free(text);
		return OK;
	}
	free(t->progress);
	t->progress = text;
	return OK;
}

/* Something new into t->out, or the end. The job is read before its events: the event of an end is stored with it. */
static enum status
next_piece(struct event_stream *t, struct err *e)
{
	while (!t->out.len && !t->over) {
		struct job j = {0};
		size_t n = 0;
		bool ended;
		enum status s = store_job_get(service_store(t->api->service), t->job, &j, e);

		if (s == ERR_NOT_FOUND) { /* deleted meanwhile */
			t->over = true;
			return OK;
		}
		if (s || (s = put_stored_events(t, &n, e)) ||
			(!n && !job_state_ended(j.state) && (s = put_progress(t, &j, e)))) {
			job_release(&j);
			return s;
		}
		ended = job_state_ended(j.state);
		job_release(&j);
		if (t->out.len)
			break;
		if (ended) {
			t->over = true;
			break;
		}
		switch (watch_wait(t->watch, t->next_beat - api_now())) {
		case WATCH_STOPPING:
			t->over = true;
			break;
		case WATCH_TIMEOUT:
			buf_puts(&t->out, ": still here\n\n");
			break;
		case WATCH_RUNG:
			break;
		}
	}
	t->next_beat = api_now() + HEARTBEAT_SECONDS;
	return buf_status(&t->out, e);
}

static enum status
read_stream(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e)
{
	struct event_stream *t = ctx;
	enum status s;

	(void)at;
	if (t->out_at == t->out.len) {
		buf_clear(&t->out);
		t->out_at = 0;
		if ((s = next_piece(t, e)))
			return s;
	}
	*got = t->out.len - t->out_at < max ? t->out.len - t->out_at : max;
	if (*got)
		memcpy(to, t->out.data + t->out_at, *got);
	t->out_at += *got;
	return OK;
}

static enum status
stream_of_events(const struct api *api, const char *id, uint64_t after, struct http_reply *reply, struct err *e)
{
	struct store *store = service_store(api->service);
	struct event_stream *t;
	struct job_event *list = NULL;
	struct job j = {0};
	size_t n = 0;
	enum status s = store_job_get(store, id, &j, e);

	if (s)
		return s;
	if (job_state_ended(j.state)) {
		s = store_event_list(store, id, after, 1, &list, &n, e);
		release_events(list, n);
		if (s || !n) {
			reply->status = 204;
			job_release(&j);
			return s;
		}
	}
	job_release(&j);
	if (!(t = calloc(1, sizeof *t)))
		return err_nomem(e);
	t->api = api;
	t->after = after;
	snprintf(t->job, sizeof t->job, "%s", id);
	if ((s = watch_open(service_watches(api->service), id, &t->watch, e))) {
		free(t);
		return s;
	}
	buf_printf(&t->out, "retry: %d\n\n", RETRY_MS);
	reply->content_type = "text/event-stream";
	reply->cache_control = "no-store";
	reply->stream = (struct http_stream){
		.read = read_stream, .release = release_stream, .ctx = t, .size = UINT64_MAX};
	return OK;
}

/* A page as JSON, or the stream where the client asks for that type. Last-Event-ID goes before ?after. */
enum status
api_job_events(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const char *accept = http_header(r, "Accept"), *last = http_header(r, "Last-Event-ID");
	const char *id = r->path_param[0];
	uint64_t after, limit;
	enum status s;

	(void)state, (void)gathered;
	if ((s = api_query_count(r, "after", 0, 0, (uint64_t)1 << 53, &after, e)) ||
		(s = api_query_count(r, "limit", 100, 1, 1000, &limit, e)))
		return s;
	if (!accept || !strcasestr(accept, "text/event-stream"))
		return page_of_events(app, id, after, (size_t)limit, reply, e);
	if (last && *last && strlen(last) <= 15 && strspn(last, "0123456789") == strlen(last))
		after = strtoull(last, NULL, 10);
	return stream_of_events(app, id, after, reply, e);
}

/* Numbers over time ---------------------------------------------------------------------------------------------- */

enum status
api_job_metrics(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct metric_point *list = NULL;
	struct json_build b = {0};
	cJSON *root, *points, *values = NULL;
	uint64_t after, limit;
	size_t n = 0, n_points = 0, last = 0;
	bool more = false;
	enum status s;

	(void)state, (void)gathered;
	if ((s = api_query_count(r, "after", 0, 0, (uint64_t)1 << 53, &after, e)) ||
		(s = api_query_count(r, "limit", 100, 1, 1000, &limit, e)) ||
		(s = store_metric_list(service_store(api->service), r->path_param[0],
			 http_query(r, "after") ? (size_t)after + 1 : 0, (size_t)(limit + 1) * TRAINING_MAX_TERMS,
			 &list, &n, e)))
		return s;
	root = json_object(&b);
	points = json_put_array(&b, root, "points");
	for (size_t i = 0; i < n && !more; i++) {
		if (!values || list[i].step != last) {
			cJSON *point;

			if ((more = n_points++ == limit))
				break;
			point = json_add_object(&b, points);
			json_put_count(&b, point, "step", list[i].step);
			values = json_put_object(&b, point, "values");
			last = list[i].step;
		}
		json_put_number(&b, values, list[i].name, list[i].value);
	}
	if (more)
		json_put_count(&b, root, "next", last);
	else
		json_put_null(&b, root, "next");
	s = api_reply(reply, 200, &b, root, e);
	for (size_t i = 0; i < n; i++)
		metric_point_release(&list[i]);
	free(list);
	return s;
}

/* Results -------------------------------------------------------------------------------------------------------- */

const char *
api_result_type(const struct job *j)
{
	return strcmp(j->type, "batch_predict") ? "application/json" : "text/csv; charset=utf-8; header=present";
}

struct result_stream {
	struct store *store;
	char job[STORE_ID_SIZE];
	struct buf part;
	uint64_t first; /* the part's first byte in the whole */
};

static void
release_result(void *ctx)
{
	struct result_stream *t = ctx;

	buf_release(&t->part);
	free(t);
}

static enum status
read_result(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e)
{
	struct result_stream *t = ctx;
	size_t within;
	enum status s;

	if (!t->part.len || at < t->first || at - t->first >= t->part.len) {
		buf_clear(&t->part);
		if ((s = store_result_read(t->store, t->job, at, &t->part, &t->first, e)) ||
			(s = buf_status(&t->part, e)))
			return s;
		if (at - t->first >= t->part.len)
			return err_set(e, ERR_CORRUPT, "damaged_result", "the stored result lacks its byte %llu",
				(unsigned long long)at);
	}
	within = (size_t)(at - t->first);
	*got = t->part.len - within < max ? t->part.len - within : max;
	memcpy(to, t->part.data + within, *got);
	return OK;
}

enum status
api_job_result(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	const char *id = r->path_param[0];
	struct result_stream *t;
	struct job j = {0};
	enum status s = store_job_get(service_store(api->service), id, &j, e);

	(void)state, (void)gathered;
	if (s)
		return s;
	if (!job_state_ended(j.state))
		s = err_set(e, ERR_CONFLICT, "job_not_finished", "job %.40s is %s: there is no result yet", id,
			job_state_name(j.state));
	else if (!j.has_result && !strcmp(j.type, "train"))
		s = err_set(e, ERR_NOT_FOUND, "no_result", "what a train job makes is its model, no result");
	else if (!j.has_result)
		s = err_set(e, ERR_NOT_FOUND, "no_result", "job %.40s %s %s: it has no result", id,
			j.state == JOB_CANCELLED ? "was" : "has", job_state_name(j.state));
	if (s)
		goto out;
	if (!(t = calloc(1, sizeof *t))) {
		s = err_nomem(e);
		goto out;
	}
	t->store = service_store(api->service);
	memcpy(t->job, j.id, sizeof t->job);
	reply->content_type = api_result_type(&j);
	snprintf(reply->etag, sizeof reply->etag, "\"%s\"", j.id); /* a result never changes */
	reply->ranges = true;
	snprintf(reply->file_name, sizeof reply->file_name, "%s.%s", j.id,
		strcmp(j.type, "batch_predict") ? "json" : "csv");
	reply->stream = (struct http_stream){
		.read = read_result, .release = release_result, .ctx = t, .size = j.n_result_bytes};
out:
	job_release(&j);
	return s;
}
