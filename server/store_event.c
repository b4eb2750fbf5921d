/* store_event: what happened to jobs, and their numbers over time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

/* What the job ?1 has from, or behind, the number ?2, at most ?3. */
static enum status
list_of_job(struct store *s, const char *job, const struct list_kind *kind, const char *page, uint64_t from,
	size_t limit, void **out, size_t *n, struct err *e)
{
	enum job_state state;
	struct query q;
	struct conn *c;
	int64_t seq;
	enum status status = job_read_begin(s, job, job_find, &c, &seq, &state, e);

	if (status)
		return status;
	q = query_new(c, page);
	query_int(&q, seq);
	query_limit(&q, from);
	query_limit(&q, limit);
	status = list_rows(&q, kind, out, n, e);
	return read_end(s, c, status);
}

/* Events --------------------------------------------------------------------------------------------------------- */

enum status
job_add_event(struct conn *c, int64_t job, const char *level, const char *code, const char *message, const char *data,
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
	enum status status = job_write_begin(s, job, job_find, &c, &seq, &state, e);

	if (status)
		return status;
	status = job_add_event(c, seq, level, code, message, data, e);
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
	void *list;
	enum status status = list_of_job(s, job, &kind,
		"SELECT seq, time, level, code, message, data FROM job_event WHERE job = ?1 AND seq > ?2 "
		"ORDER BY seq LIMIT ?3",
		after_seq, limit, &list, n, e);

	if (!status)
		*out = list;
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
	enum status status = job_write_begin(s, job, job_find, &c, &seq, &state, e);

	if (status)
		return status;
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
	void *list;
	enum status status = list_of_job(s, job, &kind,
		"SELECT step, name, value FROM job_metric WHERE job = ?1 AND step >= ?2 "
		"ORDER BY step, name LIMIT ?3",
		from, limit, &list, n, e);

	if (!status)
		*out = list;
	return status;
}
