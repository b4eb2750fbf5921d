/*
 * jobs: see jobs.h.
 *
 * A job never takes its worker down: whatever goes wrong becomes the job's end, `failed` with a code. What the process
 * itself does not survive (killed, out of memory) leaves the job `running`; the store requeues it at the next start,
 * and here it is given up after a few such attempts, lest one table keep the daemon in a loop of crashes.
 */
#include "server/jobs.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "schema/params_json.h"
#include "server/json_build.h"
#include "server/log.h"
#include "server/pace.h"
#include "server/report.h"
#include "server/team.h"
#include "server/training.h"

enum {
	WORKER_NICENESS = 10,
	IDLE_MILLISECONDS = 1000, /* between two looks at an empty queue, should a wake-up be missed */
	MAX_ATTEMPTS = 5,
	STORE_TRIES = 5,
	CURVE_POINTS = 100,
};
static const double report_seconds = 0.25; /* also the longest wait before a cancellation is noticed */
static const double checkpoint_seconds = 10;

struct jobs {
	struct service *service; /* borrowed, as is the store */
	struct store *store;
	unsigned n_workers;
	int threads_per_worker;
	pthread_t *thread; /* [n_workers] */
	atomic_bool draining;
	atomic_uint n_alive;
};

/* One job at work; only its worker looks at it. */
struct run {
	struct jobs *jobs;
	const struct job *job;
	struct dataset dataset;
	struct params params;
	struct training *training;

	bool cancelled;   /* somebody asked for the job's end */
	bool interrupted; /* the daemon is stopping */
	double last_report, last_checkpoint;
	struct pace pace;
	char phase[32];
	size_t fold, recoveries;
	size_t next_curve_point;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* An event that cannot be stored is logged: the run matters more. `data` (may be NULL) is deleted. */
static void
event(const struct run *r, const char *level, const char *code, const char *message, struct json_build *b, cJSON *data)
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
	free(text);
}

/* Progress ------------------------------------------------------------------------------------------------------- */

static cJSON *
metrics_of(struct json_build *b, const struct run *r, const struct train_progress *p)
{
	struct training_term term[TRAINING_MAX_TERMS];
	size_t n = training_terms(p, term);
	cJSON *metrics = json_object(b);

	for (size_t i = 0; i < n; i++)
		json_put_number(b, metrics, term[i].name, term[i].value);
	if (p->fold) {
		json_put_count(b, metrics, "fold", p->fold);
		json_put_count(b, metrics, "folds", p->folds);
	}
	if (p->recoveries)
		json_put_count(b, metrics, "recoveries", p->recoveries);
	if (!p->steps) /* still preparing */
		return metrics;
	if (pace_rate(&r->pace) > 0)
		json_put_number(b, metrics, "steps_per_second", pace_rate(&r->pace));
	if (isfinite(pace_seconds_left(&r->pace, p->steps)))
		json_put_number(b, metrics, "seconds_left", pace_seconds_left(&r->pace, p->steps));
	return metrics;
}

static void
note_phase(struct run *r, const struct train_progress *p)
{
	struct json_build b = {0};
	char message[96];
	cJSON *data;

	if (strcmp(r->phase, p->phase) == 0 && r->fold == p->fold)
		return;
	snprintf(r->phase, sizeof r->phase, "%s", p->phase);
	r->fold = p->fold;
	data = json_object(&b);
	json_put_text(&b, data, "phase", p->phase);
	json_put_count(&b, data, "step", p->step);
	json_put_count(&b, data, "steps", p->steps);
	if (p->fold) {
		json_put_count(&b, data, "fold", p->fold);
		json_put_count(&b, data, "folds", p->folds);
		snprintf(message, sizeof message, "%s, fold %zu of %zu", p->phase, p->fold, p->folds);
	} else {
		snprintf(message, sizeof message, "%s", p->phase);
	}
	event(r, "info", "progress", message, &b, data);
}

/* The trainer got over a divergence by itself: nothing is lost, but whoever chose the parameters should know. */
static void
note_recovery(struct run *r, const struct train_progress *p)
{
	struct json_build b = {0};
	cJSON *data;

	if (p->recoveries <= r->recoveries)
		return;
	r->recoveries = p->recoveries;
	data = json_object(&b);
	json_put_count(&b, data, "step", p->step);
	json_put_count(&b, data, "recoveries", p->recoveries);
	event(r, "warning", "recovered", "training diverged and goes on from an earlier state, with smaller steps", &b,
		data);
}

static void
note_curve_point(struct run *r, const struct train_progress *p)
{
	struct training_term term[TRAINING_MAX_TERMS];
	const char *name[TRAINING_MAX_TERMS];
	double value[TRAINING_MAX_TERMS];
	size_t n = training_terms(p, term);
	struct err e = {0};

	for (size_t i = 0; i < n; i++) {
		name[i] = term[i].name;
		value[i] = term[i].value;
	}
	if (store_metric_add(r->jobs->store, r->job->id, p->step, name, value, n, &e))
		log_event(LOG_WARNING, "a point of a learning curve was not stored", "job", r->job->id, "error", e.msg,
			NULL);
	r->next_curve_point = p->step + (p->steps > CURVE_POINTS ? p->steps / CURVE_POINTS : 1);
}

/* Writes the progress down and learns whether the job has been cancelled. */
static void
report_progress(struct run *r, const struct train_progress *p)
{
	struct json_build b = {0};
	struct err e = {0};
	char *metrics = NULL;
	enum status s;

	r->last_report = now();
	s = json_finish(&b, metrics_of(&b, r, p), &metrics, &e);
	if (!s)
		s = store_job_progress(
			r->jobs->store, r->job->id, p->phase, p->step, p->steps, metrics, &r->cancelled, &e);
	if (s)
		log_event(LOG_WARNING, "the progress of a job was not stored", "job", r->job->id, "error", e.msg, NULL);
	free(metrics);
}

/* ERR_CANCELLED when the run is to end before its time: r->cancelled or r->interrupted says why. */
static enum status
look_around(struct run *r, const struct train_progress *p, struct err *e)
{
	if (atomic_load_explicit(&r->jobs->draining, memory_order_relaxed)) {
		r->interrupted = true;
		return err_set(e, ERR_CANCELLED, "interrupted", "the daemon is stopping");
	}
	if (now() - r->last_report >= report_seconds)
		report_progress(r, p);
	if (r->cancelled)
		return err_set(e, ERR_CANCELLED, "cancelled", "the job was cancelled");
	return OK;
}

/* The run -------------------------------------------------------------------------------------------------------- */

static enum status
read_chunk(void *ctx, size_t i, struct table *t, struct err *e)
{
	const struct train_progress preparing = {.phase = "preparing"};
	struct run *r = ctx;
	enum status s = look_around(r, &preparing, e);

	return s ? s : store_dataset_chunk(r->jobs->store, r->job->dataset, i, t, e);
}

static enum status
read_job(struct run *r, struct err *e)
{
	const struct job *job = r->job;
	cJSON *params;
	enum status s;

	if (strcmp(job->type, "train") != 0)
		return err_set(e, ERR_UNSUPPORTED, "unknown_job_type", "this program knows no jobs of type \"%.60s\"",
			job->type);
	if (job->attempt > MAX_ATTEMPTS)
		return err_set(e, ERR_INTERNAL, "too_many_attempts",
			"the daemon ended abruptly in each of %d attempts at this job (was it out of memory?)",
			MAX_ATTEMPTS);
	if (!(params = cJSON_Parse(job->params)))
		return err_set(e, ERR_CORRUPT, "damaged_job", "the stored parameters of the job are no JSON");
	s = params_from_json(&r->params, params, e);
	cJSON_Delete(params);
	return s ? s : store_dataset_of_job(r->jobs->store, job->id, &r->dataset, e);
}

static enum status
prepare(struct run *r, struct err *e)
{
	const struct chunk_source source = {.read = read_chunk, .ctx = r};

	return training_new(&r->dataset.summary, &source, &r->params, r->jobs->threads_per_worker, &r->training, e);
}

/* Goes on from the checkpoint, where there is one that can be used. */
static enum status
resume(struct run *r, struct err *e)
{
	struct train_progress p = {0};
	struct json_build b = {0};
	struct buf state = {0};
	struct err why = {0};
	char message[400];
	cJSON *data;
	enum status s;

	if ((s = store_checkpoint_get(r->jobs->store, r->job->id, &state, e)) || !state.len)
		goto out;
	if (!trainer_restore(training_trainer(r->training), state.data, state.len, &why)) {
		training_progress(r->training, &p);
		snprintf(message, sizeof message, "goes on from step %zu of %zu", p.step, p.steps);
		data = json_object(&b);
		json_put_count(&b, data, "step", p.step);
		json_put_count(&b, data, "steps", p.steps);
		event(r, "info", "resumed_from_checkpoint", message, &b, data);
		goto out;
	}
	/* A trainer that failed to restore may hold half of the state: it takes a new one to start over. */
	snprintf(message, sizeof message, "starts over, because its checkpoint cannot be used: %s", why.msg);
	event(r, "warning", "checkpoint_unusable", message, NULL, NULL);
	training_free(r->training);
	r->training = NULL;
	s = prepare(r, e);
out:
	buf_release(&state);
	return s;
}

static void
save_checkpoint(struct run *r)
{
	struct buf state = {0};
	struct err e = {0};

	if (trainer_save(training_trainer(r->training), &state, &e) || buf_status(&state, &e) ||
		store_checkpoint_put(r->jobs->store, r->job->id, state.data, state.len, &e))
		log_event(LOG_WARNING, "a checkpoint was not stored", "job", r->job->id, "error", e.msg, NULL);
	buf_release(&state);
	r->last_checkpoint = now();
}

static enum status
train(struct run *r, struct err *e)
{
	struct trainer *trainer = training_trainer(r->training);
	struct train_progress p;
	struct team team;
	enum status s;

	training_progress(r->training, &p);
	r->last_checkpoint = now();
	r->recoveries = p.recoveries;
	team_start(&team, r->jobs->threads_per_worker, r->last_checkpoint);
	pace_start(&r->pace, training_params(r->training), &p, r->last_checkpoint);
	report_progress(r, &p); /* how many steps it will be is known from here on */
	while (!trainer_done(trainer)) {
		if ((s = trainer_step(trainer, e)))
			return s;
		training_progress(r->training, &p);
		pace_update(&r->pace, p.step, now());
		if (team_update(&team, p.fit, now()))
			trainer_set_threads(trainer, team.size);
		note_phase(r, &p);
		note_recovery(r, &p);
		if (p.step >= r->next_curve_point)
			note_curve_point(r, &p);
		if ((s = look_around(r, &p, e)))
			return s;
		if (now() - r->last_checkpoint >= checkpoint_seconds)
			save_checkpoint(r);
	}
	training_progress(r->training, &p);
	report_progress(r, &p); /* the last chance to cancel */
	return r->cancelled ? err_set(e, ERR_CANCELLED, "cancelled", "the job was cancelled") : OK;
}

/* The end -------------------------------------------------------------------------------------------------------- */

static void
wait_before_retry(unsigned tries)
{
	struct timespec t = {.tv_sec = 1L << tries};

	nanosleep(&t, NULL);
}

/* A store that is busy or full for a moment must not cost hours of training. */
static bool
worth_retrying(const struct run *r, enum status s, unsigned tries)
{
	bool passing = s == ERR_BUSY || s == ERR_FULL || s == ERR_IO;

	return passing && tries + 1 < STORE_TRIES && !atomic_load(&r->jobs->draining);
}

static enum status
final_metrics(const struct run *r, const char *report, char **out, struct err *e)
{
	struct json_build b = {0};
	struct train_progress p;
	cJSON *metrics, *tree = cJSON_Parse(report);

	training_progress(r->training, &p);
	metrics = metrics_of(&b, r, &p);
	report_headline(&b, metrics, tree);
	cJSON_Delete(tree);
	return json_finish(&b, metrics, out, e);
}

static void
note_measures(const struct run *r, const char *report)
{
	struct json_build b = {0};
	cJSON *tree = cJSON_Parse(report), *data = json_object(&b), *accuracy, *baseline;
	char message[160];

	report_headline(&b, data, tree);
	cJSON_Delete(tree);
	accuracy = cJSON_GetObjectItemCaseSensitive(data, "accuracy");
	baseline = cJSON_GetObjectItemCaseSensitive(data, "baseline_accuracy");
	if (cJSON_IsNumber(accuracy) && cJSON_IsNumber(baseline))
		snprintf(message, sizeof message, "cross-fitted accuracy %.4f, supervised baseline %.4f",
			accuracy->valuedouble, baseline->valuedouble);
	else if (cJSON_IsNumber(accuracy))
		snprintf(message, sizeof message, "cross-fitted accuracy %.4f", accuracy->valuedouble);
	else
		snprintf(message, sizeof message, "the model was not measured");
	event(r, "info", "measured", message, &b, data);
}

static enum status
succeed(struct run *r, struct err *e)
{
	struct bundle *bundle = NULL;
	struct buf bytes = {0};
	char *metrics = NULL;
	char model[STORE_ID_SIZE];
	enum status s;

	if ((s = training_finish(r->training, &bundle, e)) || (s = bundle_write(bundle, &bytes, e)) ||
		(s = final_metrics(r, bundle->report, &metrics, e)))
		goto out;
	note_measures(r, bundle->report);
	for (unsigned tries = 0;; tries++) {
		s = store_job_succeed(r->jobs->store, r->job->id, metrics, r->dataset.name, bundle->report, bytes.data,
			bytes.len, model, e);
		if (!worth_retrying(r, s, tries))
			break;
		log_event(LOG_WARNING, "a model was not stored yet", "job", r->job->id, "error", e->msg, NULL);
		wait_before_retry(tries);
	}
	if (!s)
		log_event(LOG_INFO, "job succeeded", "job", r->job->id, "model", model, NULL);
out:
	free(metrics);
	buf_release(&bytes);
	bundle_free(bundle);
	return s;
}

/* Records an end other than success. When even that fails, the job stays `running` in the store and is requeued at
 * the next start. */
static void
end_otherwise(struct run *r, const struct err *why)
{
	struct store *store = r->jobs->store;
	const char *id = r->job->id;
	struct err e = {0};
	const char *end = r->interrupted ? "requeued" : r->cancelled ? "cancelled" : "failed";
	enum status s;

	for (unsigned tries = 0;; tries++) {
		if (r->interrupted)
			s = store_job_requeue(store, id, &e);
		else if (r->cancelled)
			s = store_job_cancelled(store, id, &e);
		else
			s = store_job_fail(store, id, why->code, why->msg, &e);
		if (!worth_retrying(r, s, tries))
			break;
		wait_before_retry(tries);
	}
	if (s)
		log_event(LOG_ERROR, "the end of a job was not stored", "job", id, "end", end, "error", e.msg, NULL);
	else if (r->interrupted || r->cancelled)
		log_event(LOG_INFO, "job ended", "job", id, "end", end, NULL);
	else
		log_event(LOG_WARNING, "job failed", "job", id, "code", why->code, "error", why->msg, NULL);
}

static void
run_job(struct jobs *j, const struct job *job)
{
	struct run r = {.jobs = j, .job = job};
	struct json_build b = {0};
	struct err e = {0};
	char attempt[24];
	cJSON *data;
	enum status s;

	snprintf(attempt, sizeof attempt, "%zu", job->attempt);
	log_event(LOG_INFO, "job started", "job", job->id, "dataset", job->dataset, "attempt", attempt, NULL);
	data = json_object(&b);
	json_put_count(&b, data, "attempt", job->attempt);
	event(&r, "info", "started", "a worker took up the job", &b, data);

	s = read_job(&r, &e);
	if (!s)
		s = prepare(&r, &e);
	if (!s)
		s = resume(&r, &e);
	if (!s)
		s = train(&r, &e);
	if (!s)
		s = succeed(&r, &e);
	if (s == ERR_CANCELLED && r.interrupted && r.training)
		save_checkpoint(&r);
	if (s == ERR_CONFLICT && strcmp(e.code, "job_cancelling") == 0) { /* since the last look */
		r.cancelled = true;
		s = ERR_CANCELLED;
	} else if (s && s != ERR_CANCELLED) {
		r.cancelled = r.interrupted = false; /* it failed before it could be stopped */
	}
	if (s)
		end_otherwise(&r, &e);
	training_free(r.training);
	dataset_release(&r.dataset);
}

static void *
worker_main(void *ctx)
{
	struct jobs *j = ctx;
	uint64_t ticket = 0;

	pthread_setname_np(pthread_self(), "verad-worker");
	/* Serving goes first. Threads that OpenMP starts from this one inherit the niceness. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), WORKER_NICENESS);
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

bool
jobs_alive(const struct jobs *j)
{
	/* n_workers is fixed before jobs_start returns */
	return !atomic_load(&j->draining) && atomic_load(&j->n_alive) == j->n_workers;
}
