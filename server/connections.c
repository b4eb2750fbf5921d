/* connections: see connections.h. */
#include "server/connections.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "server/monotonic.h"

enum { LINGER_MS = 30000, LINGER_PAUSE_MS = 5000 };

struct connection {
	struct connections *set;
	int fd;
	char client[64];

	/* protected by the set's lock */
	struct connection *previous, *next;
	enum phase phase;
	uint64_t deadline; /* of monotonic_ms; UINT64_MAX: none */
	bool ended;
};

struct connections {
	pthread_t reaper;
	pthread_mutex_t lock;  /* of everything below */
	pthread_cond_t nearer; /* a deadline came nearer than reaper_wakes, or the reaper is to end */
	pthread_cond_t idle;   /* n_busy fell to 0 */
	struct connection *first;
	unsigned n, n_busy; /* busy: see connections_drain */
	uint64_t reaper_wakes;
	bool stopping, reaper_ends;
};

static bool
busy(enum phase p)
{
	return p == PHASE_BODY || p == PHASE_HANDLING || p == PHASE_REPLYING;
}

static void
end_connection(struct connection *c) /* under lock */
{
	if (!c->ended)
		shutdown(c->fd, SHUT_RDWR);
	c->ended = true;
}

static void
wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until)
{
	struct timespec t = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};

	if (until == UINT64_MAX)
		pthread_cond_wait(cond, lock);
	else
		pthread_cond_timedwait(cond, lock, &t);
}

static void *
reap(void *arg)
{
	struct connections *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->reaper_ends) {
		uint64_t now = monotonic_ms();

		s->reaper_wakes = UINT64_MAX;
		for (struct connection *c = s->first; c; c = c->next) {
			if (c->ended)
				continue;
			if (c->deadline <= now)
				end_connection(c);
			else if (c->deadline < s->reaper_wakes)
				s->reaper_wakes = c->deadline;
		}
		wait_until(&s->nearer, &s->lock, s->reaper_wakes);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

enum status
connections_new(struct connections **out, struct err *e)
{
	struct connections *s = calloc(1, sizeof *s);
	pthread_condattr_t monotonic;

	if (!s)
		return err_nomem(e);
	s->reaper_wakes = UINT64_MAX;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->nearer, &monotonic);
	pthread_cond_init(&s->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&s->reaper, NULL, reap, s)) {
		s->reaper_ends = true;
		pthread_cond_destroy(&s->idle);
		pthread_cond_destroy(&s->nearer);
		pthread_mutex_destroy(&s->lock);
		free(s);
		return err_set(e, ERR_NOMEM, "out_of_memory", "cannot start a thread");
	}
	*out = s;
	return OK;
}

void
connections_free(struct connections *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->reaper_ends = true;
	pthread_cond_signal(&s->nearer);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->reaper, NULL);
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->nearer);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

unsigned
connections_count(struct connections *s)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool
connections_stopping(struct connections *s)
{
	bool stopping;

	pthread_mutex_lock(&s->lock);
	stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return stopping;
}

void
connections_drain(struct connections *s, unsigned seconds)
{
	uint64_t until = monotonic_ms() + (uint64_t)seconds * 1000;

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	for (struct connection *c = s->first; c; c = c->next) {
		if (!busy(c->phase))
			end_connection(c);
	}
	while (s->n_busy && monotonic_ms() < until)
		wait_until(&s->idle, &s->lock, until);
	for (struct connection *c = s->first; c; c = c->next)
		end_connection(c);
	pthread_mutex_unlock(&s->lock);
}

struct connection *
connection_enter(struct connections *s, int fd, const char *client, uint64_t milliseconds)
{
	struct connection *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->set = s;
	c->fd = fd;
	snprintf(c->client, sizeof c->client, "%s", client);
	c->phase = PHASE_WAITING;
	c->deadline = UINT64_MAX;
	pthread_mutex_lock(&s->lock);
	c->next = s->first;
	if (s->first)
		s->first->previous = c;
	s->first = c;
	s->n++;
	pthread_mutex_unlock(&s->lock);
	connection_phase(c, PHASE_WAITING, milliseconds);
	return c;
}

void
connection_leave(struct connection *c)
{
	struct connections *s = c->set;

	pthread_mutex_lock(&s->lock);
	if (c->previous)
		c->previous->next = c->next;
	else
		s->first = c->next;
	if (c->next)
		c->next->previous = c->previous;
	s->n--;
	s->n_busy -= busy(c->phase);
	if (!s->n_busy)
		pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	free(c);
}

const char *
connection_client(const struct connection *c)
{
	return c->client;
}

int
connection_fd(const struct connection *c)
{
	return c->fd;
}

bool
connection_was_ended(struct connection *c)
{
	bool ended;

	pthread_mutex_lock(&c->set->lock);
	ended = c->ended;
	pthread_mutex_unlock(&c->set->lock);
	return ended;
}

void
connection_phase(struct connection *c, enum phase phase, uint64_t milliseconds)
{
	struct connections *s = c->set;

	pthread_mutex_lock(&s->lock);
	s->n_busy += busy(phase);
	s->n_busy -= busy(c->phase);
	c->phase = phase;
	c->deadline = milliseconds == UINT64_MAX ? UINT64_MAX : monotonic_ms() + milliseconds;
	if (c->deadline < s->reaper_wakes)
		pthread_cond_signal(&s->nearer);
	if (!s->n_busy)
		pthread_cond_broadcast(&s->idle);
	if (s->stopping && !busy(phase))
		end_connection(c);
	pthread_mutex_unlock(&s->lock);
}

void
connection_linger(struct connection *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char sink[16 << 10];

	shutdown(c->fd, SHUT_WR);
	connection_phase(c, PHASE_LINGERING, LINGER_MS);
	for (;;) {
		int ready = poll(&p, 1, LINGER_PAUSE_MS);
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return;
		n = recv(c->fd, sink, sizeof sink, 0);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return;
	}
}
