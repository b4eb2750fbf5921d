/* load: see load.h. */
#include "tests/bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 64 << 10, EVENTS = 64 };

struct line { /* one connection */
	int fd;
	bool busy;
	const char *request;
	size_t left; /* of the request, to be sent */
	double due;  /* when its answer began to be waited for */
	char *answer;
	size_t n, want; /* bytes there, and expected; 0: the header is not whole yet */
	bool ok;
};

struct run {
	const struct load *l;
	struct line *line;
	int epoll;
	size_t next; /* request */
	double *latency;
	size_t n_latency, cap;
	size_t n_failed;
	double measured_from;
};

double
load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool
dial(struct run *r, struct line *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)r->l->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to))
		return false;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->answer = c->answer ? c->answer : malloc(ANSWER);
	return c->answer && !epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void
lose(struct run *r, struct line *c)
{
	close(c->fd);
	c->busy = false;
	r->n_failed++;
	if (!dial(r, c))
		c->busy = true; /* out of the game */
}

static void
push(struct run *r, struct line *c)
{
	struct epoll_event event = {.data.ptr = c};

	while (c->left) {
		ssize_t n = send(c->fd, c->request, c->left, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			lose(r, c);
			return;
		}
		if (n < 0)
			break;
		c->request += n;
		c->left -= (size_t)n;
	}
	event.events = c->left ? EPOLLIN | EPOLLOUT : EPOLLIN;
	epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void
begin(struct run *r, struct line *c, double due)
{
	size_t i = r->next++ % r->l->n_requests;

	c->request = r->l->request[i];
	c->left = r->l->length[i];
	c->busy = true;
	c->due = due;
	c->n = c->want = 0;
	push(r, c);
}

static void
note(struct run *r, struct line *c)
{
	double now = load_now();

	c->busy = false;
	if (c->due < r->measured_from)
		return;
	if (!c->ok) {
		r->n_failed++;
		return;
	}
	if (r->n_latency == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 1 << 16;
		double *larger = realloc(r->latency, cap * sizeof *larger);

		if (!larger)
			abort();
		r->latency = larger;
		r->cap = cap;
	}
	r->latency[r->n_latency++] = (now - c->due) * 1e6;
}

/* Header names come in any case. */
static bool
read_header(struct line *c)
{
	const char *end, *length;

	c->answer[c->n] = '\0';
	end = strstr(c->answer, "\r\n\r\n");
	if (!end)
		return c->n + 1 < ANSWER;
	length = strcasestr(c->answer, "\r\ncontent-length:");
	if (!length || length > end)
		return false;
	c->ok = !strncmp(c->answer + 8, " 200", 4);
	c->want = (size_t)(end + 4 - c->answer) + strtoull(length + 17, NULL, 10);
	return true;
}

/* true: an answer is whole. */
static bool
pull(struct run *r, struct line *c)
{
	for (;;) {
		/* of an answer's body nothing need be kept */
		size_t at = c->want && c->n > ANSWER / 2 ? ANSWER / 2 : c->n;
		ssize_t n = recv(c->fd, c->answer + at, ANSWER - 1 - at, 0);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			lose(r, c);
			return false;
		}
		c->n += (size_t)n;
		if (!c->want && !read_header(c)) {
			lose(r, c);
			return false;
		}
		if (c->want && c->n >= c->want)
			return true;
	}
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
quantile(const struct run *r, double q)
{
	return r->n_latency ? r->latency[(size_t)(q * (double)(r->n_latency - 1))] : 0;
}

/* A connection that waits for nothing; NULL: none. */
static struct line *
idle_line(const struct run *r, size_t *from)
{
	for (size_t i = 0; i < r->l->n_connections; i++) {
		struct line *c = &r->line[(*from + i) % r->l->n_connections];

		if (!c->busy) {
			*from = (*from + i + 1) % r->l->n_connections;
			return c;
		}
	}
	return NULL;
}

static void
serve_events(struct run *r, double until, double end)
{
	struct epoll_event event[EVENTS];
	double wait = until - load_now();
	struct timespec t = {0};
	int n;

	wait = wait < 0 ? 0 : wait;
	t.tv_sec = (time_t)wait;
	t.tv_nsec = (long)((wait - (double)t.tv_sec) * 1e9);
	n = epoll_pwait2(r->epoll, event, EVENTS, &t, NULL);
	for (int i = 0; i < n; i++) {
		struct line *c = event[i].data.ptr;
		double now;

		if (event[i].events & EPOLLOUT)
			push(r, c);
		if (!(event[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || !c->busy || !pull(r, c))
			continue;
		note(r, c);
		now = load_now();
		if (!r->l->rate && now < end)
			begin(r, c, now);
	}
}

static bool
any_busy(const struct run *r)
{
	for (size_t i = 0; i < r->l->n_connections; i++)
		if (r->line[i].busy)
			return true;
	return false;
}

static void
drive(struct run *r)
{
	double start = load_now(), end = start + 1.1 * r->l->seconds, due = start;
	size_t from = 0;

	r->measured_from = start + 0.1 * r->l->seconds;
	for (size_t i = 0; i < r->l->n_connections && !r->l->rate; i++)
		begin(r, &r->line[i], load_now());
	while (load_now() < end) {
		struct line *c;

		while (r->l->rate && due <= load_now() && (c = idle_line(r, &from))) {
			begin(r, c, due);
			due += 1 / r->l->rate;
		}
		serve_events(r, r->l->rate && due < end && due > load_now() ? due : end, end);
	}
	for (double last = end + 5; any_busy(r) && load_now() < last;)
		serve_events(r, last, end);
}

bool
load_run(const struct load *l, struct load_result *out)
{
	struct run r = {.l = l, .epoll = epoll_create1(0)};
	bool made = true;

	memset(out, 0, sizeof *out);
	r.line = calloc(l->n_connections, sizeof *r.line);
	for (size_t i = 0; i < l->n_connections && r.line; i++)
		made = dial(&r, &r.line[i]) && made;
	if (made && r.line)
		drive(&r);
	if (r.n_latency)
		qsort(r.latency, r.n_latency, sizeof *r.latency, ascending);
	*out = (struct load_result){.n = r.n_latency,
		.n_failed = r.n_failed,
		.per_second = (double)r.n_latency / l->seconds,
		.p50 = quantile(&r, 0.5),
		.p90 = quantile(&r, 0.9),
		.p99 = quantile(&r, 0.99),
		.p999 = quantile(&r, 0.999),
		.max = quantile(&r, 1)};
	for (size_t i = 0; i < l->n_connections && r.line; i++) {
		if (r.line[i].fd > 0)
			close(r.line[i].fd);
		free(r.line[i].answer);
	}
	free(r.line);
	free(r.latency);
	close(r.epoll);
	return made;
}
