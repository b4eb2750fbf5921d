/*
 * jobs: worker threads. Claim a queued job, run it, checkpoint, notice cancellation and stopping, record the end.
 *
 * The jobs table is the queue; the service's wake-up only saves waiting. Each worker is niced and trains with
 * at most max(1, cores / workers) OpenMP threads. A stop saves a checkpoint and requeues: the next start goes on from
 * there and ends in the same model, bit for bit. A pause does the same, and waits to be resumed. A job that is at work
 * for longer than its max_seconds, over all attempts and pauses apart, fails with "time_limit".
 */
#ifndef VERAD_SERVER_JOBS_H
#define VERAD_SERVER_JOBS_H

#include "server/service.h"

enum { JOBS_NICENESS = 10 }; /* serving goes first */

struct jobs;
enum status jobs_start(struct service *v, unsigned n_workers, struct jobs **out, struct err *e); /* 0 workers: 1 */
void jobs_drain(struct jobs *j); /* no new jobs, running ones are requeued; returns at once, jobs_alive is false now */
void jobs_stop(struct jobs *j);  /* drains, returns when all workers have ended, and frees; accepts NULL */
int jobs_threads(const struct jobs *j); /* that a worker trains with, at most */
bool jobs_alive(const struct jobs *j);  /* every worker is there, and takes jobs */

#endif
