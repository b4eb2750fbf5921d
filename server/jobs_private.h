/*
 * jobs_private: what the rooms of the workers share, and no one else includes:
 *
 *   jobs.c        the workers; a job's way from the queue to its end
 *   job_run.c     one job at work: progress, events, and whether to go on
 *   job_train.c   type "train"
 *   job_rows.c    types "evaluate" and "batch_predict"
 *
 * A type's function does the work and records the success; every other end is jobs.c's, made of the status returned.
 */
#ifndef VERAD_SERVER_JOBS_PRIVATE_H
#define VERAD_SERVER_JOBS_PRIVATE_H

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/jobs.h"
#include "server/json_build.h"
#include "server/monotonic.h"

struct jobs {
	struct service *service; /* borrowed, as is the store */
	struct store *store;
	unsigned n_workers;
	int threads_per_worker;
	pthread_t *thread; /* [n_workers] */
	atomic_bool draining;
	atomic_uint n_alive;
};

/* Why a run ends before its time. */
enum stop { STOP_NOT, STOP_CANCELLED, STOP_PAUSED, STOP_DRAINING };

/* One job at work; only its worker looks at it. */
struct run {
	struct jobs *jobs;
	const struct job *job;
	struct dataset dataset;
	enum stop stop;
	double began, last_report; /* of monotonic_seconds */

	/* Where it is, for its resource; set by the type's function. */
	const char *phase;
	size_t step, steps;
	double seconds_left;                                                       /* NaN: not known */
	void (*put_metrics)(struct json_build *b, cJSON *to, const struct run *r); /* NULL: none yet */
	void *work;                                                                /* the type's own */
};

/* ERR_CANCELLED when the run is to end before its time, and r->stop says why; or "time_limit". Cheap: call it at every
 * step. run_report does what it does now and then: writes the progress down, and learns what is asked of the job. */
enum status run_look_around(struct run *r, struct err *e);
void run_report(struct run *r);

/* An event that cannot be stored is logged: the run matters more. `data` (may be NULL) is deleted. */
void run_event(const struct run *r, const char *level, const char *code, const char *message, struct json_build *b,
	cJSON *data);

/* A store that is busy or full for a moment must not cost hours of work: whether to try once more after `tries` times,
 * after a pause. */
bool run_try_again(const struct run *r, enum status s, unsigned tries, const struct err *e);

/* A chunk of the data set, between two looks around; a chunk_source. */
enum status run_read_chunk(void *run, size_t i, struct table *t, struct err *e);

enum status run_train(struct run *r, struct err *e);
enum status run_evaluate(struct run *r, struct err *e);
enum status run_batch_predict(struct run *r, struct err *e);

#endif
