/*
 * watch: requests that wait for something to happen to a job.
 *
 * A watch is opened, then the store is read, then the watch is waited on: what happened in between ends the wait at
 * once. Who changes a job rings. A waiting request costs its connection and a thread that sleeps, so there is a bound
 * of its own, well below that of connections.
 *
 * Threads: any thread may call anything; a watch has one owner. No lock is held while another room is called.
 */
#ifndef VERAD_SERVER_WATCH_H
#define VERAD_SERVER_WATCH_H

#include <stdbool.h>

#include "engine/err.h"

struct watches;
struct watch;

enum status watches_new(size_t max, struct watches **out, struct err *e);
void watches_free(struct watches *ws); /* every watch closed; accepts NULL */
void watches_ring(struct watches *ws, const char *job);
void watches_end(struct watches *ws); /* every wait ends, now and from now on: the daemon is stopping */

/* ERR_BUSY "too_many_waiting" */
enum status watch_open(struct watches *ws, const char *job, struct watch **out, struct err *e);
void watch_close(struct watch *w); /* accepts NULL */

enum watch_end { WATCH_RUNG, WATCH_TIMEOUT, WATCH_STOPPING };
enum watch_end watch_wait(struct watch *w, double seconds);

#endif
