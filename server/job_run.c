/* job_run: one job at work, as all types are; see jobs_private.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/jobs_private.h"
#include "server/log.h"

enum { STORE_TRIES = 5 };
static const double report_seconds = 0.25; /* also the longest wait before a wish is noticed */

void
run_event(const struct run *r, const char *level, const char *code, const char *message, struct json_build *b,
	cJSON *data)
{
	struct err e = {0};
	char *text = NULL;
	enum status s = OK;

	if (data)
		s = json_finish(b, data, &text, &e);
	if (!s)
		s = store_event_add(r->jobs->store, r->job->id, level, code, message, text ? text : "{}", &e);
	if (s)
		log_event(LOG_WARNING, "an event of a job was not stored", "job", r->job->id, "event", code, "error",
			e.msg, NULL);
	else
		service_job_changed(r->jobs->service, r->job->id);
	free(text);
}

static double
worked(const struct run *r)
{
	return r->job->worked + (monotonic_seconds() - r->began);
}

void
run_report(struct run *r)
{
	struct job_progress p = {.phase = r->phase,
		.step = r->step,
		.steps = r->steps,
		.worked = worked(r),
		.seconds_left = r->seconds_left};
	enum job_wish wish = JOB_GO_ON;
	struct json_build b = {0};
	struct err e = {0};
	char *metrics = NULL;
	enum status s = OK;

	r->last_report = monotonic_seconds();
	if (r->put_metrics) {
		cJSON *root = json_object(&b);

		r->put_metrics(&b, root, r);
		s = json_finish(&b, root, &metrics, &e);
	}
	p.metrics = metrics;
	if (!s)
		s = store_job_progress(r->jobs->store, r->job->id, &p, &wish, &e);
	if (s)
		log_event(LOG_WARNING, "the progress of a job was not stored", "job", r->job->id, "error", e.msg, NULL);
	else
		service_job_changed(r->jobs->service, r->job->id);
	if (wish != JOB_GO_ON)
		r->stop = wish == JOB_CANCEL ? STOP_CANCELLED : STOP_PAUSED;
	free(metrics);
}

enum status
run_look_around(struct run *r, struct err *e)
{
	if (r->job->max_seconds > 0 && worked(r) >= r->job->max_seconds) {
		r->stop = STOP_NOT;
		return err_set(e, ERR_TOO_LARGE, "time_limit",
			"the job was at work for %g seconds, its max_seconds, and had done step %zu of %zu",
			r->job->max_seconds, r->step, r->steps);
	}
	if (atomic_load_explicit(&r->jobs->draining, memory_order_relaxed)) {
		r->stop = STOP_DRAINING;
		return err_set(e, ERR_CANCELLED, "interrupted", "the daemon is stopping");
	}
	if (monotonic_seconds() - r->last_report >= report_seconds)
		run_report(r);
	if (r->stop == STOP_CANCELLED)
		return err_set(e, ERR_CANCELLED, "cancelled", "the job was cancelled");
	if (r->stop == STOP_PAUSED)
		return err_set(e, ERR_CANCELLED, "paused", "the job is to pause");
	return OK;
}

bool
run_try_again(const struct run *r, enum status s, unsigned tries, const struct err *e)
{
	bool passing = s == ERR_BUSY || s == ERR_FULL || s == ERR_IO;
	struct timespec pause = {.tv_nsec = 100000000};

	if (!passing || tries + 1 >= STORE_TRIES || atomic_load(&r->jobs->draining))
		return false;
	log_event(LOG_WARNING, "the store did not take a job's work yet", "job", r->job->id, "error", e->msg, NULL);
	for (unsigned i = 0; i < 10u << tries && !atomic_load(&r->jobs->draining); i++)
		nanosleep(&pause, NULL);
	return true;
}

enum status
run_read_chunk(void *run, size_t i, struct table *t, struct err *e)
{
	struct run *r = run;
	enum status s = run_look_around(r, e);

	return s ? s : store_dataset_chunk(r->jobs->store, r->job->dataset, i, t, e);
}
