/*
 * load: many connections to one server, each kept alive and with one request under way, driven by one thread; and how
 * long the answers took. On the machine that serves: a client that costs little is what makes the figures the server's.
 */
#ifndef VERAD_TESTS_BENCH_LOAD_H
#define VERAD_TESTS_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>

struct load {
	unsigned port;
	size_t n_connections;
	double seconds;             /* of measurement, after a tenth of it to warm up */
	double rate;                /* requests a second, come what may; 0: each answer brings the next request */
	const char *const *request; /* [n_requests], whole ones, taken in turn */
	const size_t *length;       /* of each */
	size_t n_requests;
};

struct load_result {
	size_t n, n_failed;              /* failed: another status than 200, or a connection lost */
	double per_second;               /* of the answers */
	double p50, p90, p99, p999, max; /* microseconds; of a fixed rate, from the moment the request was due */
};

/* false: no connection could be made. */
bool load_run(const struct load *l, struct load_result *out);

double load_now(void); /* seconds, monotonic */

#endif
