/* watch: see watch.h. */
#include "server/watch.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/store.h"

struct watch {
	struct watches *set;
	char job[STORE_ID_SIZE];

	/* protected by the set's mutex */
	struct watch *previous, *next;
	pthread_cond_t changed;
	bool rung;
};

struct watches {
	pthread_mutex_t mutex; /* protects all of this */
	struct watch *first;
	size_t n, max;
	bool stopping;
};

enum status
watches_new(size_t max, struct watches **out, struct err *e)
{
	struct watches *ws = calloc(1, sizeof *ws);

	if (!ws)
		return err_nomem(e);
	pthread_mutex_init(&ws->mutex, NULL);
	ws->max = max;
	*out = ws;
	return OK;
}

void
watches_free(struct watches *ws)
{
	if (!ws)
		return;
	pthread_mutex_destroy(&ws->mutex);
	free(ws);
}

void
watches_ring(struct watches *ws, const char *job)
{
	pthread_mutex_lock(&ws->mutex);
	for (struct watch *w = ws->first; w; w = w->next)
		if (!strcmp(w->job, job)) {
			w->rung = true;
			pthread_cond_signal(&w->changed);
		}
	pthread_mutex_unlock(&ws->mutex);
}

void
watches_end(struct watches *ws)
{
	pthread_mutex_lock(&ws->mutex);
	ws->stopping = true;
	for (struct watch *w = ws->first; w; w = w->next)
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&ws->mutex);
}

enum status
watch_open(struct watches *ws, const char *job, struct watch **out, struct err *e)
{
	struct watch *w = calloc(1, sizeof *w);
	pthread_condattr_t monotonic;
	bool full;

	if (!w)
		return err_nomem(e);
	w->set = ws;
	memcpy(w->job, job, strnlen(job, sizeof w->job - 1));
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_lock(&ws->mutex);
	full = ws->n >= ws->max;
	if (!full) {
		w->next = ws->first;
		if (ws->first)
			ws->first->previous = w;
		ws->first = w;
		ws->n++;
	}
	pthread_mutex_unlock(&ws->mutex);
	if (full) {
		pthread_cond_destroy(&w->changed);
		free(w);
		return err_set(e, ERR_BUSY, "too_many_waiting",
			"%zu requests are waiting for jobs already: ask again later, or without waiting", ws->max);
	}
	*out = w;
	return OK;
}

void
watch_close(struct watch *w)
{
	struct watches *ws;

	if (!w)
		return;
	ws = w->set;
	pthread_mutex_lock(&ws->mutex);
	if (w->previous)
		w->previous->next = w->next;
	else
		ws->first = w->next;
	if (w->next)
		w->next->previous = w->previous;
	ws->n--;
	pthread_mutex_unlock(&ws->mutex);
	pthread_cond_destroy(&w->changed);
	free(w);
}

enum watch_end
watch_wait(struct watch *w, double seconds)
{
	struct watches *ws = w->set;
	enum watch_end end;
	struct timespec until;
	double whole;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(modf(seconds > 0 ? seconds : 0, &whole) * 1e9);
	until.tv_sec += (time_t)whole + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&ws->mutex);
	while (!w->rung && !ws->stopping)
		if (pthread_cond_timedwait(&w->changed, &ws->mutex, &until))
			break;
	end = ws->stopping ? WATCH_STOPPING : w->rung ? WATCH_RUNG : WATCH_TIMEOUT;
	w->rung = false;
	pthread_mutex_unlock(&ws->mutex);
	return end;
}
