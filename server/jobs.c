/*
 * jobs: see jobs.h. Here: the workers, and a job's way from the queue to its end.
 *
 * A job never takes its worker down: whatever goes wrong becomes the job's end, `failed` with a code. What the process
 * itself does not survive (killed, out of memory) leaves the job at work; the store requeues it at the next start, and
 * here it is given up after a few such attempts, lest one table keep the daemon in a loop of crashes.
 */
#include "server/jobs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/jobs_private.h"
#include "server/log.h"

enum {
	IDLE_MILLISECONDS = 1000, /* between two looks at an empty queue, should a wake-up be missed */
	MAX_ATTEMPTS = 5,
};

/* Records an end other than success. When even that fails, the job stays at work in the store and is requeued at the
 * next start. */
static void
end_otherwise(struct run *r, const struct err *why)
{
	static const char *const ends[] = {"failed", "cancelled", "paused", "requeued"};
	struct store *store = r->jobs->store;
	const char *id = r->job->id;
	struct err e = {0};
	enum status s;

	for (unsigned tries = 0;; tries++) {
		if (r->stop == STOP_NOT)
			s = store_job_fail(store, id, why->code, why->msg, &e);
		else if (r->stop == STOP_CANCELLED)
			s = store_job_cancelled(store, id, &e);
		else
			s = store_job_requeue(store, id, &e);
		if (!run_try_again(r, s, tries, &e))
			break;
	}
	if (s)
		log_event(LOG_ERROR, "the end of a job was not stored", "job", id, "end", ends[r->stop], "error", e.msg,
			NULL);
	else if (r->stop != STOP_NOT)
		log_event(LOG_INFO, "job ended", "job", id, "end", ends[r->stop], NULL);
	else
		log_event(LOG_WARNING, "job failed", "job", id, "code", why->code, "error", why->msg, NULL);
}

static const struct type {
	const char *name;
	enum status (*run)(struct run *r, struct err *e);
} types[] = {
	{"train", run_train},
	{"evaluate", run_evaluate},
	{"batch_predict", run_batch_predict},
};

static enum status
run_type(struct run *r, struct err *e)
{
	const struct job *job = r->job;
	size_t i = 0;
	enum status s;

	while (i < sizeof types / sizeof *types && strcmp(types[i].name, job->type))
		i++;
	if (i == sizeof types / sizeof *types)
		return err_set(e, ERR_UNSUPPORTED, "unknown_job_type", "this program knows no jobs of type \"%.60s\"",
			job->type);
	if (job->attempt > MAX_ATTEMPTS)
		return err_set(e, ERR_INTERNAL, "too_many_attempts",
			"the daemon ended abruptly in each of %d attempts at this job (was it out of memory?)",
			MAX_ATTEMPTS);
	if ((s = store_dataset_of_job(r->jobs->store, job->id, &r->dataset, e)))
		return s;
	return types[i].run(r, e);
}

static void
run_job(struct jobs *j, const struct job *job)
{
	struct run r = {.jobs = j,
		.job = job,
		.began = monotonic_seconds(),
		.phase = JOB_PREPARING,
		.step = job->step, /* a resumed one stays where it was */
		.steps = job->steps,
		.seconds_left = NAN};
	struct json_build b = {0};
	struct err e = {0};
	char attempt[24];
	cJSON *data;
	enum status s;

	snprintf(attempt, sizeof attempt, "%zu", job->attempt);
	log_event(LOG_INFO, "job started", "job", job->id, "type", job->type, "dataset", job->dataset, "attempt",
		attempt, NULL);
	data = json_object(&b);
	json_put_count(&b, data, "attempt", job->attempt);
	run_event(&r, "info", "started", "a worker took up the job", &b, data);
	s = run_type(&r, &e);
	if (s == ERR_CONFLICT && strcmp(e.code, "job_cancelling") == 0) { /* since the last look */
		r.stop = STOP_CANCELLED;
		s = ERR_CANCELLED;
	} else if (s && s != ERR_CANCELLED) {
		r.stop = STOP_NOT; /* it failed before it could be stopped */
	}
	if (s)
		end_otherwise(&r, &e);
	service_job_changed(j->service, job->id);
	dataset_release(&r.dataset);
}

static void *
worker_main(void *ctx)
{
	struct jobs *j = ctx;
	uint64_t ticket = 0;

	pthread_setname_np(pthread_self(), "verad-worker");
	/* Threads that OpenMP starts from this one inherit the niceness. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), JOBS_NICENESS);
	while (!atomic_load(&j->draining)) {
		struct job job = {0};
		struct err e = {0};
		bool found = false;

		if (store_job_claim(j->store, &job, &found, &e))
			log_event(LOG_ERROR, "cannot look for jobs", "error", e.msg, NULL);
		if (found)
			run_job(j, &job);
		else
			ticket = service_wait_for_work(j->service, ticket, IDLE_MILLISECONDS);
		job_release(&job);
	}
	atomic_fetch_sub(&j->n_alive, 1);
	return NULL;
}

enum status
jobs_start(struct service *v, unsigned n_workers, struct jobs **out, struct err *e)
{
	struct jobs *j = calloc(1, sizeof *j);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = n_workers ? n_workers : 1;
	int failure;

	if (!j || !(j->thread = calloc(wanted, sizeof *j->thread))) {
		free(j);
		return err_nomem(e);
	}
	j->service = v;
	j->store = service_store(v);
	j->threads_per_worker = cores > (long)wanted ? (int)(cores / (long)wanted) : 1;
	for (; j->n_workers < wanted; j->n_workers++) {
		atomic_fetch_add(&j->n_alive, 1);
		failure = pthread_create(&j->thread[j->n_workers], NULL, worker_main, j);
		if (failure) {
			atomic_fetch_sub(&j->n_alive, 1);
			jobs_stop(j);
			return err_set(
				e, ERR_INTERNAL, "no_thread", "cannot start a worker thread: %s", strerror(failure));
		}
	}
	*out = j;
	return OK;
}

void
jobs_drain(struct jobs *j)
{
	atomic_store(&j->draining, true);
	service_wake_all(j->service);
	watches_end(service_watches(j->service)); /* nothing more will happen to any job */
}

void
jobs_stop(struct jobs *j)
{
	if (!j)
		return;
	jobs_drain(j);
	for (unsigned i = 0; i < j->n_workers; i++)
		pthread_join(j->thread[i], NULL);
	free(j->thread);
	free(j);
}

int
jobs_threads(const struct jobs *j)
{
	return j->threads_per_worker;
}

bool
jobs_alive(const struct jobs *j)
{
	/* n_workers is fixed before jobs_start returns */
	return !atomic_load(&j->draining) && atomic_load(&j->n_alive) == j->n_workers;
}
