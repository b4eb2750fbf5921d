/*
 * metrics: counters of what the daemon does, and their text for Prometheus.
 *
 * Counting takes no lock: each counter is an atomic that is only ever added to. The number of series is bounded by the
 * routes, by a fixed list of status codes and by METRICS_MAX_MODELS: what is beyond is counted as "other". What is a
 * state and no count (jobs by state, sizes, free room) is read when it is asked for and handed to metrics_write.
 * Threads: any. A reader may see a request counted whose duration is not yet: each counter alone is exact.
 */
#ifndef VERAD_SERVER_METRICS_H
#define VERAD_SERVER_METRICS_H

#include "engine/buf.h"
#include "schema/bundle.h"
#include "server/store.h"

enum { METRICS_MAX_MODELS = 200 };

struct metrics;

struct metrics_route { /* borrowed until metrics_free, as its texts are */
	const char *method, *path;
};
enum status metrics_new(const struct metrics_route *routes, size_t n, struct metrics **out, struct err *e);
void metrics_free(struct metrics *m); /* accepts NULL */

/* A request is over. route >= n: none matched. status 0: it ended without an answer. */
void metrics_request(struct metrics *m, size_t route, int status, double seconds, uint64_t received, uint64_t sent);

/* Where the rows that a model answers are counted; valid until metrics_free. For struct bundle. */
struct prediction_tally *metrics_tally(struct metrics *m, const char *model);
/* The same to read; NULL where the model has none of its own, as before the first request. */
const struct prediction_tally *metrics_find(const struct metrics *m, const char *model);

struct metrics_state {                        /* what is so now; numbers not finite are left out */
	const struct store_statistics *store; /* NULL: the store could not be read, and its metrics are left out */
	size_t connections;
	size_t models_loaded; /* in memory */
	uint64_t model_loads; /* so far */
	bool ready;
	double certificate_expires; /* seconds since the epoch; NaN: there is no TLS */
};
/* In the text format 0.0.4. */
void metrics_write(const struct metrics *m, const struct metrics_state *state, struct buf *out);

#endif
