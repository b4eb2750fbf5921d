/*
 * store_job_state: what requests, ends, stops and crashes make of jobs, and the checkpoints that they go on from.
 * store_job.c draws the states.
 *
 * Each change is one transaction with its event, which looks at the state that it starts from: two threads that want to
 * end the same job cannot both succeed.
 */
#include <stdio.h>
#include <string.h>

#include "server/store_private.h"

/* Checkpoints ---------------------------------------------------------------------------------------------------- */

enum status
checkpoint_put(struct conn *c, int64_t job, const void *bytes, size_t n, struct err *e)
{
	struct query q = query_new(c, "INSERT OR REPLACE INTO checkpoint (job, saved, bytes) VALUES (?1, ?2, ?3)");

	query_int(&q, job);
	query_real(&q, store_now());
	query_blob(&q, bytes, n);
	return query_run(&q, e);
}

enum status
store_checkpoint_put(struct store *s, const char *job, const void *bytes, size_t n, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = job_write_begin(s, job, job_find_at_work, &c, &seq, &state, e);

	if (status)
		return status;
	status = checkpoint_put(c, seq, bytes, n, e);
	return write_end(s, status, e);
}

enum status
store_checkpoint_get(struct store *s, const char *job, struct buf *out, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct query q;
	struct conn *c;
	enum status status = job_read_begin(s, job, job_find, &c, &seq, &state, e);

	if (status)
		return status;
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
	struct query q = query_new(c, "UPDATE job SET state = ?2, finished = ?3, error_code = ?4, error_message = ?5, "
				      "model = coalesce(?6, model), "
				      "metrics = coalesce(?7, metrics) WHERE seq = ?1");
	enum status status;

	query_int(&q, seq);
	query_text(&q, job_state_name(end->state));
	query_real(&q, store_now());
	query_text(&q, end->error_code);
	query_text(&q, end->error_message);
	query_text(&q, end->model);
	query_text(&q, end->metrics);
	if ((status = query_run(&q, e)) || (status = drop_checkpoint(c, seq, e)) ||
		(end->state != JOB_SUCCEEDED && (status = result_doom(c, seq, e))))
		return status;
	return job_add_event(c, seq, end->level, end->code, end->message, end->data, e);
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
	return status ? status : job_add_event(c, seq, "info", code, message, "{}", e);
}

/* What a request makes of a job in each state; those without a line refuse it. */
struct change {
	bool possible;
	enum job_state to;          /* the same: it is so already, and nothing happens */
	const char *code, *message; /* of the event; that of the end itself where `to` is one */
};

static const struct change cancel_changes[N_JOB_STATES] = {
	[JOB_QUEUED] = {true, JOB_CANCELLED, NULL, NULL},
	[JOB_PAUSED] = {true, JOB_CANCELLED, NULL, NULL},
	[JOB_VALIDATING] = {true, JOB_CANCELLING, "cancel_requested", "the job ends at its next step"},
	[JOB_RUNNING] = {true, JOB_CANCELLING, "cancel_requested", "the job ends at its next step"},
	[JOB_PAUSING] = {true, JOB_CANCELLING, "cancel_requested", "the job ends at its next step"},
	[JOB_CANCELLING] = {true, JOB_CANCELLING, NULL, NULL},
	[JOB_CANCELLED] = {true, JOB_CANCELLED, NULL, NULL},
};

static const struct change pause_changes[N_JOB_STATES] = {
	[JOB_QUEUED] = {true, JOB_PAUSED, "paused", "the job waits to be resumed"},
	[JOB_VALIDATING] = {true, JOB_PAUSING, "pause_requested", "the job pauses at its next step"},
	[JOB_RUNNING] = {true, JOB_PAUSING, "pause_requested", "the job pauses at its next step"},
	[JOB_PAUSING] = {true, JOB_PAUSING, NULL, NULL},
	[JOB_PAUSED] = {true, JOB_PAUSED, NULL, NULL},
};

static const struct change resume_changes[N_JOB_STATES] = {
	[JOB_PAUSED] = {true, JOB_QUEUED, "resumed", "the job is back in the queue"},
	[JOB_PAUSING] = {true, JOB_RUNNING, "resumed", "the job goes on without a pause"},
	[JOB_QUEUED] = {true, JOB_QUEUED, NULL, NULL},
	[JOB_VALIDATING] = {true, JOB_VALIDATING, NULL, NULL},
	[JOB_RUNNING] = {true, JOB_RUNNING, NULL, NULL},
};

static enum status
change_state(struct store *s, const char *id, const struct change changes[N_JOB_STATES], enum job_state *was,
	enum job_state *is, struct err *e)
{
	enum job_state from;
	const struct change *change;
	int64_t seq;
	struct conn *c;
	enum status status = job_write_begin(s, id, job_find, &c, &seq, &from, e);

	if (status)
		return status;
	change = &changes[from];
	if (!change->possible && from == JOB_CANCELLING)
		status = err_set(e, ERR_CONFLICT, "job_cancelling", "job %.40s is being cancelled", id);
	else if (!change->possible)
		status = err_set(e, ERR_CONFLICT, "job_finished", "job %.40s has ended already: it %s %s", id,
			from == JOB_CANCELLED ? "was" : "has", job_state_name(from));
	else if (change->to != from && change->to == JOB_CANCELLED)
		status = end_job(c, seq, &end_cancelled, e);
	else if (change->to != from)
		status = set_state(c, seq, change->to, change->code, change->message, e);
	status = write_end(s, status, e);
	if (!status) {
		*was = from;
		*is = change->to;
	}
	return status;
}

enum status
store_job_cancel(struct store *s, const char *id, enum job_state *was, enum job_state *is, struct err *e)
{
	return change_state(s, id, cancel_changes, was, is, e);
}

enum status
store_job_pause(struct store *s, const char *id, enum job_state *was, enum job_state *is, struct err *e)
{
	return change_state(s, id, pause_changes, was, is, e);
}

enum status
store_job_resume(struct store *s, const char *id, enum job_state *was, enum job_state *is, struct err *e)
{
	return change_state(s, id, resume_changes, was, is, e);
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

	if (status || (status = job_write_begin(s, id, job_find_at_work, &c, &seq, &state, e)))
		return status;
	snprintf(data, sizeof data, "{\"model\":\"%s\"}", model);
	if (state == JOB_CANCELLING)
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

enum status
store_job_complete(struct store *s, const char *id, const char *metrics, const void *rest, size_t n, struct err *e)
{
	const struct end end = {.state = JOB_SUCCEEDED,
		.metrics = metrics,
		.level = "info",
		.code = "succeeded",
		.message = "the result is there",
		.data = "{}"};
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = job_write_begin(s, id, job_find_at_work, &c, &seq, &state, e);

	if (status)
		return status;
	if (state == JOB_CANCELLING)
		status = err_set(e, ERR_CONFLICT, "job_cancelling", "job %.40s is being cancelled", id);
	if (!status)
		status = result_append(c, seq, rest, n, e);
	if (!status)
		status = end_job(c, seq, &end, e);
	return write_end(s, status, e);
}

/* Ends a job at work. */
static enum status
end_at_work(struct store *s, const char *id, const struct end *end, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = job_write_begin(s, id, job_find_at_work, &c, &seq, &state, e);

	if (status)
		return status;
	status = end_job(c, seq, end, e);
	status = write_end(s, status, e);
	if (!status)
		housekeeper_wake(s); /* for what there is of a result */
	return status;
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
	return end_at_work(s, id, &end, e);
}

enum status
store_job_cancelled(struct store *s, const char *id, struct err *e)
{
	return end_at_work(s, id, &end_cancelled, e);
}

/* A worker, or the process, lets go of a job: what becomes of it was perhaps said before. */
static enum status
let_go(struct conn *c, int64_t seq, enum job_state state, const char *code, const char *message, struct err *e)
{
	if (state == JOB_CANCELLING)
		return end_job(c, seq, &end_cancelled, e);
	if (state == JOB_PAUSING)
		return set_state(c, seq, JOB_PAUSED, "paused", "the job waits to be resumed", e);
	return set_state(c, seq, JOB_QUEUED, code, message, e);
}

enum status
store_job_requeue(struct store *s, const char *id, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = job_write_begin(s, id, job_find_at_work, &c, &seq, &state, e);

	if (status)
		return status;
	status = let_go(c, seq, state, "requeued", "the job waits to be taken up again", e);
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
		q = query_new(c, "SELECT seq, state FROM job "
				 "WHERE state IN ('validating', 'running', 'pausing', 'cancelling') LIMIT 1");
		if ((found = query_row(&q))) {
			seq = row_int(&q, 0);
			state = row_job_state(&q, 1);
		}
		status = query_end(&q, e);
		if (status || !found)
			break;
		if (state != JOB_CANCELLING) {
			q = query_new(c, "UPDATE job SET attempt = attempt + 1 WHERE seq = ?1");
			query_int(&q, seq);
			status = query_run(&q, e);
		}
		if (!status)
			status = let_go(c, seq, state, "requeued_after_crash",
				"the daemon ended without notice; the job goes on from its last checkpoint", e);
	}
	return status;
}
