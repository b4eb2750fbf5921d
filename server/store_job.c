/*
 * store_job: jobs, their checkpoints, events and metrics. The job table is the queue.
 *
 *   queued -> running -> succeeded | failed | cancelled
 *   queued -> cancelled;  running -> cancelling -> cancelled | failed;  running -> queued (stop, crash)
 *
 * Each change of state is one statement that names the states it may start from, in one transaction with its event, so
 * that two threads that want to end the same job cannot both succeed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

static const char *const state_name[N_JOB_STATES] = {
	[JOB_QUEUED] = "queued",
	[JOB_RUNNING] = "running",
	[JOB_SUCCEEDED] = "succeeded",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLING] = "cancelling",
	[JOB_CANCELLED] = "cancelled",
};

const char *
job_state_name(enum job_state s)
{
	return state_name[s];
}

void
job_release(struct job *j)
{
	free(j->type);
	free(j->dataset);
	free(j->params);
	free(j->phase);
	free(j->metrics);
	free(j->error_code);
	free(j->error_message);
	free(j->model);
	free(j->model_name);
	memset(j, 0, sizeof *j);
}

#define JOB_FIELDS                                                                                                     \
	"id, state, type, dataset, params, created, started, finished, attempt, step, steps, phase, metrics, "         \
	"error_code, error_message, model, model_name"

static enum job_state
row_state(struct query *q, int i)
{
	char name[16];
	size_t s;

	row_short(q, i, name, sizeof name);
	for (s = 0; s < N_JOB_STATES - 1; s++)
		if (!strcmp(state_name[s], name))
			break;
	return (enum job_state)s; /* the table's check admits no others */
}

/* The present row of JOB_FIELDS. Release j in any case. */
static void
job_fields(struct query *q, struct job *j)
{
	memset(j, 0, sizeof *j);
	row_short(q, 0, j->id, sizeof j->id);
	j->state = row_state(q, 1);
	j->type = row_text(q, 2);
	j->dataset = row_text(q, 3);
	j->params = row_text(q, 4);
	j->created = row_real(q, 5);
	j->started = row_real(q, 6);
	j->finished = row_real(q, 7);
	j->attempt = row_size(q, 8);
	j->step = row_size(q, 9);
	j->steps = row_size(q, 10);
	j->phase = row_text(q, 11);
	j->metrics = row_text(q, 12);
	j->error_code = row_text(q, 13);
	j->error_message = row_text(q, 14);
	j->model = row_text(q, 15);
	j->model_name = row_text(q, 16);
}

static enum status
not_found(const char *id, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "job_not_found", "no job \"%.40s\"", id);
}

/* The job's row number and state; ERR_NOT_FOUND. */
static enum status
find_job(struct conn *c, const char *id, int64_t *seq, enum job_state *state, struct err *e)
{
	struct query q = query_new(c, "SELECT seq, state FROM job WHERE id = ?1");
	enum status status;
	bool found;

	*seq = 0;
	*state = JOB_QUEUED;
	query_text(&q, id);
	if ((found = query_row(&q))) {
		*seq = row_int(&q, 0);
		*state = row_state(&q, 1);
	}
	status = query_end(&q, e);
	return status || found ? status : not_found(id, e);
}

/* The same, for what only a running or cancelling job may do. */
static enum status
find_running(struct conn *c, const char *id, int64_t *seq, enum job_state *state, struct err *e)
{
	enum status status = find_job(c, id, seq, state, e);

	if (!status && *state != JOB_RUNNING && *state != JOB_CANCELLING)
		status = err_set(e, ERR_CONFLICT, "job_not_running", "job %.40s is not running: it is %s", id,
			job_state_name(*state));
	return status;
}

/* Events --------------------------------------------------------------------------------------------------------- */

static enum status
add_event(struct conn *c, int64_t job, const char *level, const char *code, const char *message, const char *data,
	struct err *e)
{
	struct query q = query_new(c, "INSERT INTO job_event (job, seq, time, level, code, message, data) SELECT ?1, "
				      "coalesce(max(seq), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM job_event WHERE job = ?1");

	query_int(&q, job);
	query_real(&q, store_now());
	query_text(&q, level);
	query_text(&q, code);
	query_text(&q, message);
	query_text(&q, data);
	return query_run(&q, e);
}

void
job_event_release(struct job_event *v)
{
	free(v->level);
	free(v->code);
	free(v->message);
	free(v->data);
	memset(v, 0, sizeof *v);
}

enum status
store_event_add(struct store *s, const char *job, const char *level, const char *code, const char *message,
	const char *data, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_job(c, job, &seq, &state, e);
	if (!status)
		status = add_event(c, seq, level, code, message, data, e);
	return write_end(s, status, e);
}

static void
read_event(struct query *q, void *item)
{
	struct job_event *v = item;

	v->seq = row_size(q, 0);
	v->time = row_real(q, 1);
	v->level = row_text(q, 2);
	v->code = row_text(q, 3);
	v->message = row_text(q, 4);
	v->data = row_text(q, 5);
}

static void
release_event(void *item)
{
	job_event_release(item);
}

enum status
store_event_list(struct store *s, const char *job, uint64_t after_seq, size_t limit, struct job_event **out, size_t *n,
	struct err *e)
{
	static const struct list_kind kind = {sizeof **out, read_event, release_event};
	enum job_state state;
	struct query q;
	struct conn *c;
	void *list;
	int64_t seq;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	status = find_job(c, job, &seq, &state, e);
	if (!status) {
		q = query_new(c,
			"SELECT seq, time, level, code, message, data FROM job_event WHERE job = ?1 AND seq > ?2 "
			"ORDER BY seq LIMIT ?3");
		query_int(&q, seq);
		query_limit(&q, after_seq);
		query_limit(&q, limit);
		status = list_rows(&q, &kind, &list, n, e);
	}
	if (!status)
		*out = list;
	return read_end(s, c, status);
}

/* Jobs ----------------------------------------------------------------------------------------------------------- */

static enum status
check_queue(struct conn *c, const char *dataset, size_t max_queued, struct err *e)
{
	struct query q = query_new(c, "SELECT 1 FROM dataset WHERE id = ?1 AND state = 'ready'");
	size_t n_queued = 0;
	enum status status;
	bool found;

	query_text(&q, dataset);
	found = query_row(&q);
	status = query_end(&q, e);
	if (!status && !found)
		status = err_set(e, ERR_NOT_FOUND, "dataset_not_found", "no data set \"%.40s\"", dataset);
	if (status)
		return status;
	q = query_new(c, "SELECT count(*) FROM job WHERE state = 'queued'");
	if (query_row(&q))
		n_queued = row_size(&q, 0);
	status = query_end(&q, e);
	if (!status && n_queued >= max_queued)
		status = err_set(e, ERR_BUSY, "queue_full", "%zu jobs are queued already; try again later", n_queued);
	return status;
}

static enum status
insert_job(struct conn *c, const char *id, const char *type, const char *dataset, const char *params,
	const char *model_name, struct err *e)
{
	struct query q = query_new(c,
		"INSERT INTO job (id, state, type, dataset, params, created, model_name, dataset_version) "
		"VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6, (SELECT version FROM dataset WHERE id = ?3)) RETURNING seq");
	int64_t seq = 0;
	enum status status;

	query_text(&q, id);
	query_text(&q, type);
	query_text(&q, dataset);
	query_text(&q, params);
	query_real(&q, store_now());
	query_text(&q, model_name);
	while (query_row(&q))
		seq = row_int(&q, 0);
	status = query_end(&q, e);
	return status ? status : add_event(c, seq, "info", "queued", "the job was queued", "{}", e);
}

enum status
store_job_add(struct store *s, const char *type, const char *dataset, const char *params, const char *model_name,
	size_t max_queued, char id[STORE_ID_SIZE], struct err *e)
{
	char fresh[STORE_ID_SIZE];
	struct conn *c;
	enum status status = store_new_id("job_", fresh, e);

	if (status || (status = write_begin(s, &c, e)))
		return status;
	status = check_queue(c, dataset, max_queued, e);
	if (!status)
		status = insert_job(c, fresh, type, dataset, params, model_name, e);
	status = write_end(s, status, e);
	if (!status)
		memcpy(id, fresh, sizeof fresh);
	return status;
}

enum status
store_job_get(struct store *s, const char *id, struct job *out, struct err *e)
{
	struct job j = {0};
	struct query q;
	struct conn *c;
	bool found;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT " JOB_FIELDS " FROM job WHERE id = ?1");
	query_text(&q, id);
	if ((found = query_row(&q)))
		job_fields(&q, &j);
	status = query_end(&q, e);
	if (!status && !found)
		status = not_found(id, e);
	if (status)
		job_release(&j);
	else
		*out = j;
	return read_end(s, c, status);
}

static void
read_job(struct query *q, void *item)
{
	job_fields(q, item);
}

static void
release_job(void *item)
{
	job_release(item);
}

enum status
store_job_list(struct store *s, const char *after, size_t limit, struct job **out, size_t *n, struct err *e)
{
	static const struct list_kind kind = {sizeof **out, read_job, release_job};
	void *list;
	enum status status = list_page(s, &kind, "SELECT created, seq FROM job WHERE id = ?1",
		"SELECT " JOB_FIELDS " FROM job WHERE (created, seq) < (?1, ?2) "
		"ORDER BY created DESC, seq DESC LIMIT ?3",
		after, limit, &list, n, e);

	if (!status)
		*out = list;
	return status;
}

enum status
store_job_claim(struct store *s, struct job *out, bool *found, struct err *e)
{
	struct job j = {0};
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	/* The lowest seq is the oldest; a requeued job keeps its place, in front. */
	q = query_new(c, "UPDATE job SET state = 'running', started = ?1 WHERE seq = "
			 "(SELECT min(seq) FROM job WHERE state = 'queued') RETURNING " JOB_FIELDS);
	query_real(&q, store_now());
	if ((*found = query_row(&q))) {
		job_fields(&q, &j);
		query_row(&q); /* to its end: the update is complete only then */
	}
	status = write_end(s, query_end(&q, e), e);
	if (status) {
		*found = false;
		job_release(&j);
	} else if (*found) {
		*out = j;
	}
	return status;
}

enum status
store_job_progress(struct store *s, const char *id, const char *phase, size_t step, size_t steps, const char *metrics,
	bool *cancelled, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_running(c, id, &seq, &state, e);
	if (status)
		return write_end(s, status, e);
	q = query_new(
		c, "UPDATE job SET phase = ?2, step = ?3, steps = ?4, metrics = coalesce(?5, metrics) WHERE seq = ?1");
	query_int(&q, seq);
	query_text(&q, phase);
	query_size(&q, step);
	query_size(&q, steps);
	query_text(&q, metrics);
	status = write_end(s, query_run(&q, e), e);
	if (!status)
		*cancelled = state == JOB_CANCELLING;
	return status;
}

/* Checkpoints ---------------------------------------------------------------------------------------------------- */

enum status
store_checkpoint_put(struct store *s, const char *job, const void *bytes, size_t n, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_running(c, job, &seq, &state, e);
	if (status)
		return write_end(s, status, e);
	q = query_new(c, "INSERT OR REPLACE INTO checkpoint (job, saved, bytes) VALUES (?1, ?2, ?3)");
	query_int(&q, seq);
	query_real(&q, store_now());
	query_blob(&q, bytes, n);
	return write_end(s, query_run(&q, e), e);
}

enum status
store_checkpoint_get(struct store *s, const char *job, struct buf *out, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	status = find_job(c, job, &seq, &state, e);
	if (status)
		return read_end(s, c, status);
	q = query_new(c, "SELECT bytes FROM checkpoint WHERE job = ?1");
	query_int(&q, seq);
	if (query_row(&q))
		row_append(&q, 0, out);
	return read_end(s, c, query_end(&q, e));
}

static enum status
drop_checkpoint(struct conn *c, int64_t job, struct err *e)
{
	struct query q = query_new(c, "DELETE FROM checkpoint WHERE job = ?1");

	query_int(&q, job);
	return query_run(&q, e);
}

/* Ends ----------------------------------------------------------------------------------------------------------- */

struct end {
	enum job_state state;
	const char *error_code, *error_message, *model, *metrics; /* NULL: none; metrics: as they are */
	const char *level, *code, *message, *data;                /* of the event */
};

/* Ends the job, within a write. */
static enum status
end_job(struct conn *c, int64_t seq, const struct end *end, struct err *e)
{
	struct query q = query_new(c,
		"UPDATE job SET state = ?2, finished = ?3, error_code = ?4, error_message = ?5, model = ?6, "
		"metrics = coalesce(?7, metrics) WHERE seq = ?1");
	enum status status;

	query_int(&q, seq);
	query_text(&q, job_state_name(end->state));
	query_real(&q, store_now());
	query_text(&q, end->error_code);
	query_text(&q, end->error_message);
	query_text(&q, end->model);
	query_text(&q, end->metrics);
	if ((status = query_run(&q, e)) || (status = drop_checkpoint(c, seq, e)))
		return status;
	return add_event(c, seq, end->level, end->code, end->message, end->data, e);
}

static const struct end end_cancelled = {
	.state = JOB_CANCELLED, .level = "info", .code = "cancelled", .message = "the job was cancelled", .data = "{}"};

static enum status
set_state(struct conn *c, int64_t seq, enum job_state state, const char *code, const char *message, struct err *e)
{
	struct query q = query_new(c, "UPDATE job SET state = ?2 WHERE seq = ?1");
	enum status status;

	query_int(&q, seq);
	query_text(&q, job_state_name(state));
	status = query_run(&q, e);
	return status ? status : add_event(c, seq, "info", code, message, "{}", e);
}

enum status
store_job_cancel(struct store *s, const char *id, enum job_state *state, struct err *e)
{
	enum job_state was, is;
	int64_t seq;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_job(c, id, &seq, &was, e);
	if (status)
		return write_end(s, status, e);
	is = was;
	if (was == JOB_QUEUED) {
		is = JOB_CANCELLED;
		status = end_job(c, seq, &end_cancelled, e);
	} else if (was == JOB_RUNNING) {
		is = JOB_CANCELLING;
		status = set_state(c, seq, is, "cancel_requested", "the job ends at its next step", e);
	} else if (was == JOB_SUCCEEDED || was == JOB_FAILED) {
		status = err_set(e, ERR_CONFLICT, "job_finished", "job %.40s has %s already", id, job_state_name(was));
	}
	status = write_end(s, status, e);
	if (!status)
		*state = is;
	return status;
}

enum status
store_job_succeed(struct store *s, const char *id, const char *metrics, const char *dataset_name,
	const char *model_summary, const void *bundle, size_t n, char model_id[STORE_ID_SIZE], struct err *e)
{
	char model[STORE_ID_SIZE], data[64];
	struct end end = {.state = JOB_SUCCEEDED,
		.model = model,
		.metrics = metrics,
		.level = "info",
		.code = "succeeded",
		.message = "the model is there",
		.data = data};
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = store_new_id("mdl_", model, e);

	if (status || (status = write_begin(s, &c, e)))
		return status;
	snprintf(data, sizeof data, "{\"model\":\"%s\"}", model);
	status = find_running(c, id, &seq, &state, e);
	if (!status && state == JOB_CANCELLING)
		status = err_set(e, ERR_CONFLICT, "job_cancelling", "job %.40s is being cancelled", id);
	if (!status)
		status = model_of_job(c, model, seq, dataset_name, model_summary, bundle, n, e);
	if (!status)
		status = end_job(c, seq, &end, e);
	status = write_end(s, status, e);
	if (!status)
		memcpy(model_id, model, sizeof model);
	return status;
}

/* Ends a running or cancelling job. */
static enum status
end_running(struct store *s, const char *id, const struct end *end, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_running(c, id, &seq, &state, e);
	if (!status)
		status = end_job(c, seq, end, e);
	return write_end(s, status, e);
}

enum status
store_job_fail(struct store *s, const char *id, const char *code, const char *message, struct err *e)
{
	char data[128];
	struct end end = {.state = JOB_FAILED,
		.error_code = code,
		.error_message = message,
		.level = "error",
		.code = "failed",
		.message = message,
		.data = data};

	snprintf(data, sizeof data, "{\"code\":\"%.100s\"}", code); /* of our own codes: nothing in them to escape */
	return end_running(s, id, &end, e);
}

enum status
store_job_cancelled(struct store *s, const char *id, struct err *e)
{
	return end_running(s, id, &end_cancelled, e);
}

enum status
store_job_requeue(struct store *s, const char *id, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_running(c, id, &seq, &state, e);
	if (!status && state == JOB_CANCELLING)
		status = end_job(c, seq, &end_cancelled, e);
	else if (!status)
		status = set_state(c, seq, JOB_QUEUED, "requeued", "the job goes on when the daemon is back", e);
	return write_end(s, status, e);
}

enum status
job_recover(struct conn *c, struct err *e)
{
	enum status status = OK;
	enum job_state state = JOB_QUEUED;
	int64_t seq = 0;
	struct query q;
	bool found = true;

	while (!status && found) { /* one by one: there are at most as many as there were workers */
		q = query_new(c, "SELECT seq, state FROM job WHERE state IN ('running', 'cancelling') LIMIT 1");
		if ((found = query_row(&q))) {
			seq = row_int(&q, 0);
			state = row_state(&q, 1);
		}
		status = query_end(&q, e);
		if (status || !found)
			break;
		if (state == JOB_CANCELLING) {
			status = end_job(c, seq, &end_cancelled, e);
			continue;
		}
		q = query_new(c, "UPDATE job SET attempt = attempt + 1 WHERE seq = ?1");
		query_int(&q, seq);
		status = query_run(&q, e);
		if (!status)
			status = set_state(c, seq, JOB_QUEUED, "requeued_after_crash",
				"the daemon ended without notice; the job goes on from its last checkpoint", e);
	}
	return status;
}

/* Metrics -------------------------------------------------------------------------------------------------------- */

enum status
store_metric_add(struct store *s, const char *job, size_t step, const char *const *names, const double *values,
	size_t n, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_job(c, job, &seq, &state, e);
	for (size_t i = 0; i < n && !status; i++) {
		if (!isfinite(values[i]))
			continue;
		q = query_new(c, "INSERT OR REPLACE INTO job_metric (job, step, name, value) VALUES (?1, ?2, ?3, ?4)");
		query_int(&q, seq);
		query_size(&q, step);
		query_text(&q, names[i]);
		query_real(&q, values[i]);
		status = query_run(&q, e);
	}
	return write_end(s, status, e);
}

void
metric_point_release(struct metric_point *p)
{
	free(p->name);
	memset(p, 0, sizeof *p);
}

static void
read_metric(struct query *q, void *item)
{
	struct metric_point *v = item;

	v->step = row_size(q, 0);
	v->name = row_text(q, 1);
	v->value = row_real(q, 2);
}

static void
release_metric(void *item)
{
	metric_point_release(item);
}

enum status
store_metric_list(struct store *s, const char *job, size_t from, size_t limit, struct metric_point **out, size_t *n,
	struct err *e)
{
	static const struct list_kind kind = {sizeof **out, read_metric, release_metric};
	enum job_state state;
	struct query q;
	struct conn *c;
	void *list;
	int64_t seq;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	status = find_job(c, job, &seq, &state, e);
	if (!status) {
		q = query_new(c, "SELECT step, name, value FROM job_metric WHERE job = ?1 AND step >= ?2 "
				 "ORDER BY step, name LIMIT ?3");
		query_int(&q, seq);
		query_limit(&q, from);
		query_limit(&q, limit);
		status = list_rows(&q, &kind, &list, n, e);
	}
	if (!status)
		*out = list;
	return read_end(s, c, status);
}
