/*
 * store_job: jobs, made, claimed, listed and deleted. The job table is the queue.
 *
 *   queued -> validating -> running -> succeeded | failed
 *   validating, running -> pausing -> paused -> queued;  queued -> paused;  pausing -> running (resumed meanwhile)
 *   queued, paused -> cancelled;  validating, running, pausing -> cancelling -> cancelled | failed
 *   validating, running -> queued (stop, crash);  pausing -> paused (stop, crash)
 *
 * Work moves a job on from queued to running here; every other change of state is in store_job_state.c.
 */
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

static const char *const state_name[N_JOB_STATES] = {
	[JOB_QUEUED] = "queued",
	[JOB_VALIDATING] = "validating",
	[JOB_RUNNING] = "running",
	[JOB_PAUSING] = "pausing",
	[JOB_PAUSED] = "paused",
	[JOB_SUCCEEDED] = "succeeded",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLING] = "cancelling",
	[JOB_CANCELLED] = "cancelled",
};

/* The states in which a worker has the job. */
static bool
at_work(enum job_state s)
{
	return s == JOB_VALIDATING || s == JOB_RUNNING || s == JOB_PAUSING || s == JOB_CANCELLING;
}

bool
job_state_ended(enum job_state s)
{
	return s == JOB_SUCCEEDED || s == JOB_FAILED || s == JOB_CANCELLED;
}

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
	free(j->test_dataset);
	free(j->recoveries);
	memset(j, 0, sizeof *j);
}

#define JOB_FIELDS                                                                                                     \
	"id, state, type, dataset, params, created, started, finished, attempt, step, steps, phase, metrics, "         \
	"error_code, error_message, model, model_name, priority, max_seconds, worked, seconds_left, result IS NOT "    \
	"NULL, "                                                                                                       \
	"coalesce((SELECT n_bytes FROM result r WHERE r.seq = job.result), 0), "                                       \
	"(SELECT json_group_array(json_object('at', strftime('%Y-%m-%dT%H:%M:%fZ', v.time, 'unixepoch'), "             \
	"'step', json_extract(v.data, '$.step'), 'message', v.message)) FROM job_event v "                             \
	"WHERE v.job = job.seq AND v.code = 'recovered'), test_dataset"

enum job_state
row_job_state(struct query *q, int i)
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
	j->state = row_job_state(q, 1);
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
	j->priority = (int)row_int(q, 17);
	j->max_seconds = row_real(q, 18);
	j->worked = row_real(q, 19);
	j->seconds_left = row_real(q, 20);
	j->has_result = row_int(q, 21) && j->state == JOB_SUCCEEDED;
	j->n_result_bytes = row_size(q, 22);
	j->recoveries = row_text(q, 23);
	j->test_dataset = row_text(q, 24);
}

static enum status
not_found(const char *id, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "job_not_found", "no job \"%.40s\"", id);
}

enum status
job_find(struct conn *c, const char *id, int64_t *seq, enum job_state *state, struct err *e)
{
	struct query q = query_new(c, "SELECT seq, state FROM job WHERE id = ?1");
	enum status status;
	bool found;

	*seq = 0;
	*state = JOB_QUEUED;
	query_text(&q, id);
	if ((found = query_row(&q))) {
		*seq = row_int(&q, 0);
		*state = row_job_state(&q, 1);
	}
	status = query_end(&q, e);
	return status || found ? status : not_found(id, e);
}

enum status
job_find_at_work(struct conn *c, const char *id, int64_t *seq, enum job_state *state, struct err *e)
{
	enum status status = job_find(c, id, seq, state, e);

	if (!status && !at_work(*state))
		status = err_set(e, ERR_CONFLICT, "job_not_running", "job %.40s is not running: it is %s", id,
			job_state_name(*state));
	return status;
}

enum status
job_write_begin(struct store *s, const char *id, job_finder *find, struct conn **c, int64_t *seq, enum job_state *state,
	struct err *e)
{
	enum status status = write_begin(s, c, e);

	if (status)
		return status;
	status = find(*c, id, seq, state, e);
	return status ? write_end(s, status, e) : OK;
}

enum status
job_read_begin(struct store *s, const char *id, job_finder *find, struct conn **c, int64_t *seq, enum job_state *state,
	struct err *e)
{
	enum status status = read_begin(s, c, e);

	if (status)
		return status;
	status = find(*c, id, seq, state, e);
	return status ? read_end(s, *c, status) : OK;
}

/* Jobs ----------------------------------------------------------------------------------------------------------- */

static enum status
check_dataset(struct conn *c, const char *id, struct err *e)
{
	struct query q = query_new(c, "SELECT 1 FROM dataset WHERE id = ?1 AND state = 'ready'");
	enum status status;
	bool found;

	query_text(&q, id);
	found = query_row(&q);
	status = query_end(&q, e);
	return status || found ? status : err_set(e, ERR_NOT_FOUND, "dataset_not_found", "no data set \"%.40s\"", id);
}

static enum status
check_queue(struct conn *c, const struct new_job *job, size_t max_queued, struct err *e)
{
	struct query q;
	size_t n_queued = 0;
	enum status status = check_dataset(c, job->dataset, e);

	if (!status && job->test_dataset)
		status = check_dataset(c, job->test_dataset, e);
	if (status)
		return status;
	/* Paused ones count: they may come back at any time. */
	q = query_new(c, "SELECT count(*) FROM job WHERE state IN ('queued', 'paused')");
	if (query_row(&q))
		n_queued = row_size(&q, 0);
	status = query_end(&q, e);
	if (!status && n_queued >= max_queued)
		status = err_set(
			e, ERR_BUSY, "queue_full", "%zu jobs are queued or paused already; try again later", n_queued);
	return status;
}

static enum status
insert_job(struct conn *c, const char *id, const struct new_job *job, struct err *e)
{
	struct query q = query_new(c,
		"INSERT INTO job (id, state, type, dataset, params, created, model, priority, max_seconds, "
		"model_name, dataset_version, test_dataset, test_version) "
		"VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
		"(SELECT version FROM dataset WHERE id = ?3), ?10, (SELECT version FROM dataset WHERE id = ?10)) "
		"RETURNING seq");
	int64_t seq = 0;
	enum status status;

	query_text(&q, id);
	query_text(&q, job->type);
	query_text(&q, job->dataset);
	query_text(&q, job->params);
	query_real(&q, store_now());
	query_text(&q, job->model);
	query_int(&q, job->priority);
	query_real(&q, job->max_seconds);
	query_text(&q, job->model_name);
	query_text(&q, job->test_dataset);
	while (query_row(&q))
		seq = row_int(&q, 0);
	status = query_end(&q, e);
	if (!status && job->key.text)
		status = key_insert(c, &job->key, id, e);
	return status ? status : job_add_event(c, seq, "info", "queued", "the job was queued", "{}", e);
}

enum status
store_job_add(struct store *s, const struct new_job *job, size_t max_queued, char id[STORE_ID_SIZE], struct err *e)
{
	char fresh[STORE_ID_SIZE];
	struct conn *c;
	enum status status = store_new_id("job_", fresh, e);

	if (status || (status = write_begin(s, &c, e)))
		return status;
	status = check_queue(c, job, max_queued, e);
	if (!status)
		status = insert_job(c, fresh, job, e);
	status = write_end(s, status, e);
	if (!status)
		memcpy(id, fresh, sizeof fresh);
	return status;
}

enum status
store_job_queue(struct store *s, struct job_queue *out, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	*out = (struct job_queue){0};
	q = query_new(c, "SELECT count(*) FROM job WHERE state = 'queued'");
	if (query_row(&q))
		out->n_queued = row_size(&q, 0);
	if (!(status = query_end(&q, e))) {
		q = query_new(c, "SELECT count(*) FROM job "
				 "WHERE state IN ('validating', 'running', 'pausing', 'cancelling')");
		if (query_row(&q))
			out->n_at_work = row_size(&q, 0);
		status = query_end(&q, e);
	}
	return read_end(s, c, status);
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
	/* The lowest seq is the oldest; a requeued job keeps its place, in front of its equals. */
	q = query_new(c, "UPDATE job SET state = 'validating', started = ?1 WHERE seq = (SELECT seq FROM job "
			 "WHERE state = 'queued' ORDER BY priority DESC, seq LIMIT 1) RETURNING " JOB_FIELDS);
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
store_job_progress(struct store *s, const char *id, const struct job_progress *p, enum job_wish *wish, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct query q;
	struct conn *c;
	enum status status = job_write_begin(s, id, job_find_at_work, &c, &seq, &state, e);

	if (status)
		return status;
	q = query_new(c, "UPDATE job SET phase = ?2, step = ?3, steps = ?4, metrics = coalesce(?5, metrics), "
			 "worked = max(worked, ?6), seconds_left = ?7, state = CASE WHEN state = 'validating' "
			 "AND ?2 <> '" JOB_PREPARING "' THEN 'running' ELSE state END WHERE seq = ?1");
	query_int(&q, seq);
	query_text(&q, p->phase);
	query_size(&q, p->step);
	query_size(&q, p->steps);
	query_text(&q, p->metrics);
	query_real(&q, p->worked);
	query_real(&q, p->seconds_left);
	status = write_end(s, query_run(&q, e), e);
	if (!status)
		*wish = state == JOB_CANCELLING ? JOB_CANCEL : state == JOB_PAUSING ? JOB_PAUSE : JOB_GO_ON;
	return status;
}

/* Deletion ------------------------------------------------------------------------------------------------------- */

enum status
store_job_delete(struct store *s, const char *id, struct err *e)
{
	static const char *const parts[] = {
		"DELETE FROM job_event WHERE job = ?1",
		"DELETE FROM job_metric WHERE job = ?1",
		"DELETE FROM job WHERE seq = ?1",
	};
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = job_write_begin(s, id, job_find, &c, &seq, &state, e);

	if (status)
		return status;
	if (!job_state_ended(state))
		status = err_set(e, ERR_CONFLICT, "job_not_finished", "job %.40s is %s: cancel it first", id,
			job_state_name(state));
	if (!status)
		status = result_doom(c, seq, e);
	for (size_t i = 0; i < sizeof parts / sizeof *parts && !status; i++) {
		struct query q = query_new(c, parts[i]);

		query_int(&q, seq);
		status = query_run(&q, e);
	}
	status = write_end(s, status, e);
	if (!status)
		housekeeper_wake(s);
	return status;
}
