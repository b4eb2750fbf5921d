/*
 * jobs: worker threads. Claim a queued job, run it, checkpoint, notice cancellation and stopping, record the end.
 *
 * The jobs table is the queue; the service's wake-up only saves waiting. Each worker is niced and trains with
 * at most max(1, cores / workers) OpenMP threads. A stop saves a checkpoint and requeues: the next start goes on from
 * there and ends in the same model, bit for bit. A job that cannot be restored from its checkpoint starts over.
 */
#ifndef VERAD_SERVER_JOBS_H
#define VERAD_SERVER_JOBS_H

#include "server/service.h"

struct jobs;
enum status jobs_start(struct service *v, unsigned n_workers, struct jobs **out, struct err *e); /* 0 workers: 1 */
void jobs_drain(struct jobs *j); /* no new jobs, running ones are requeued; returns at once, jobs_alive is false now */
void jobs_stop(struct jobs *j);  /* drains, returns when all workers have ended, and frees; accepts NULL */
bool jobs_alive(const struct jobs *j); /* every worker is there, and takes jobs */

#endif
