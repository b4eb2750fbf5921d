/* metrics: see metrics.h. */
#include "server/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/version.h"

#define TEXT_SIZE 40

/* Upper bounds of the buckets of durations, in seconds: a single row is answered in 0.0001, a large upload in 60. */
static const double bounds[] = {
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
enum { N_BOUNDS = sizeof bounds / sizeof *bounds };

/* Codes with a counter of their own; the last slot has the others. 0 is a request whose client went away. */
static const int codes[] = {0, 200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 409, 411, 412, 413, 415, 416,
	422, 429, 431, 500, 503, 507};
enum { N_CODES = sizeof codes / sizeof *codes, OTHER_CODE = N_CODES };

typedef _Atomic uint64_t counter;

struct route_counts {
	counter by_code[N_CODES + 1];
	counter bucket[N_BOUNDS + 1]; /* not cumulative; the last one: longer than every bound */
	counter nanoseconds, received, sent;
};

struct model_counts {
	atomic_int taken; /* 0: free, 1: the name is being written, 2: in use */
	char name[TEXT_SIZE];
	struct prediction_tally tally;
};

struct metrics {
	const struct metrics_route *route;
	size_t n_routes;
	struct route_counts *counts;                       /* [n_routes + 1]; the last one: no route matched */
	struct model_counts model[METRICS_MAX_MODELS + 1]; /* the last one: all others */
	double started;                                    /* of the process, seconds since the epoch */
};

static void
add(counter *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static uint64_t
get(const counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

enum status
metrics_new(const struct metrics_route *routes, size_t n, struct metrics **out, struct err *e)
{
	struct metrics *m = calloc(1, sizeof *m);
	struct timespec t;

	if (!m || !(m->counts = calloc(n + 1, sizeof *m->counts))) {
		free(m);
		return err_nomem(e);
	}
	m->route = routes;
	m->n_routes = n;
	clock_gettime(CLOCK_REALTIME, &t);
	m->started = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
	strcpy(m->model[METRICS_MAX_MODELS].name, "other");
	m->model[METRICS_MAX_MODELS].taken = 2;
	*out = m;
	return OK;
}

void
metrics_free(struct metrics *m)
{
	if (!m)
		return;
	free(m->counts);
	free(m);
}

/* Counting -------------------------------------------------------------------------------------------------------- */

void
metrics_request(struct metrics *m, size_t route, int status, double seconds, uint64_t received, uint64_t sent)
{
	struct route_counts *c = &m->counts[route < m->n_routes ? route : m->n_routes];
	size_t code = 0, i = 0;

	while (code < N_CODES && codes[code] != status)
		code++;
	while (i < N_BOUNDS && seconds > bounds[i])
		i++;
	add(&c->by_code[code], 1);
	add(&c->bucket[i], 1);
	add(&c->nanoseconds, (uint64_t)(seconds * 1e9));
	add(&c->received, received);
	add(&c->sent, sent);
}

/* Slots are taken in order and never given back, so whoever finds a free one has seen all that are in use. */
struct prediction_tally *
metrics_tally(struct metrics *m, const char *model)
{
	for (size_t i = 0; i < METRICS_MAX_MODELS; i++) {
		struct model_counts *c = &m->model[i];
		int free_slot = 0;

		if (atomic_compare_exchange_strong(&c->taken, &free_slot, 1)) {
			snprintf(c->name, sizeof c->name, "%s", model);
			atomic_store(&c->taken, 2);
			return &c->tally;
		}
		while (atomic_load(&c->taken) == 1)
			; /* another thread is copying a name */
		if (!strcmp(c->name, model))
			return &c->tally;
	}
	return &m->model[METRICS_MAX_MODELS].tally;
}

const struct prediction_tally *
metrics_find(const struct metrics *m, const char *model)
{
	for (size_t i = 0; i < METRICS_MAX_MODELS && atomic_load(&m->model[i].taken) == 2; i++)
		if (!strcmp(m->model[i].name, model))
			return &m->model[i].tally;
	return NULL;
}

/* The text -------------------------------------------------------------------------------------------------------- */

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
gauge(struct buf *out, const char *name, const char *help, double v)
{
	if (!isfinite(v))
		return;
	head(out, name, "gauge", help);
	buf_printf(out, "%s %.17g\n", name, v);
}

/* A label's value; what comes from a stored name may hold anything. */
static void
put_label(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			buf_printf(out, "\\%c", *text);
		else if (*text == '\n')
			buf_puts(out, "\\n");
		else
			buf_put(out, text, 1);
	}
}

static void
put_route(const struct metrics *m, size_t i, struct buf *out)
{
	if (i < m->n_routes)
		buf_printf(out, "method=\"%s\",route=\"%s\"", m->route[i].method, m->route[i].path);
	else
		buf_puts(out, "method=\"other\",route=\"none\"");
}

static uint64_t
n_requests(const struct route_counts *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i <= N_BOUNDS; i++)
		n += get(&c->bucket[i]);
	return n;
}

static void
write_codes(const struct metrics *m, struct buf *out)
{
	head(out, "verad_http_requests_total", "counter",
		"Requests that are over, by route and status; \"gone\": the client left before its answer.");
	for (size_t i = 0; i <= m->n_routes; i++) {
		for (size_t k = 0; k <= N_CODES; k++) {
			uint64_t n = get(&m->counts[i].by_code[k]);

			if (!n)
				continue;
			buf_puts(out, "verad_http_requests_total{");
			put_route(m, i, out);
			if (k == OTHER_CODE)
				buf_puts(out, ",code=\"other\"");
			else if (!codes[k])
				buf_puts(out, ",code=\"gone\"");
			else
				buf_printf(out, ",code=\"%d\"", codes[k]);
			buf_printf(out, "} %llu\n", (unsigned long long)n);
		}
	}
}

static void
write_durations(const struct metrics *m, struct buf *out)
{
	head(out, "verad_http_request_duration_seconds", "histogram",
		"From a request's headers to the end of its answer, by route.");
	for (size_t i = 0; i <= m->n_routes; i++) {
		const struct route_counts *c = &m->counts[i];
		uint64_t n = 0;

		if (!n_requests(c))
			continue;
		for (size_t k = 0; k <= N_BOUNDS; k++) {
			n += get(&c->bucket[k]);
			buf_puts(out, "verad_http_request_duration_seconds_bucket{");
			put_route(m, i, out);
			if (k < N_BOUNDS)
				buf_printf(out, ",le=\"%g\"} %llu\n", bounds[k], (unsigned long long)n);
			else
				buf_printf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)n);
		}
		buf_puts(out, "verad_http_request_duration_seconds_sum{");
		put_route(m, i, out);
		buf_printf(
			out, "} %.9f\nverad_http_request_duration_seconds_count{", (double)get(&c->nanoseconds) * 1e-9);
		put_route(m, i, out);
		buf_printf(out, "} %llu\n", (unsigned long long)n);
	}
}

static void
write_volumes(const struct metrics *m, struct buf *out)
{
	static const char *const names[] = {"verad_http_received_bytes_total", "verad_http_sent_bytes_total"};

	for (size_t which = 0; which < 2; which++) {
		head(out, names[which], "counter",
			which ? "Bytes of answers' bodies, by route." : "Bytes of requests' bodies, by route.");
		for (size_t i = 0; i <= m->n_routes; i++) {
			const struct route_counts *c = &m->counts[i];
			uint64_t n = get(which ? &c->sent : &c->received);

			if (!n)
				continue;
			buf_printf(out, "%s{", names[which]);
			put_route(m, i, out);
			buf_printf(out, "} %llu\n", (unsigned long long)n);
		}
	}
}

static void
write_predictions(const struct metrics *m, struct buf *out)
{
	static const char *const names[] = {"verad_predicted_rows_total", "verad_out_of_distribution_rows_total"};

	for (size_t which = 0; which < 2; which++) {
		head(out, names[which], "counter",
			which ? "Rows that were called out-of-distribution, by model."
			      : "Rows that were answered, by model.");
		for (size_t i = 0; i <= METRICS_MAX_MODELS; i++) {
			const struct model_counts *c = &m->model[i];

			if (atomic_load(&c->taken) != 2 || !get(&c->tally.rows))
				continue;
			buf_printf(out, "%s{model=\"", names[which]);
			put_label(out, c->name);
			buf_printf(out, "\"} %llu\n",
				(unsigned long long)get(which ? &c->tally.out_of_distribution : &c->tally.rows));
		}
	}
}

static void
put_job(struct buf *out, const char *name, const struct job_statistics *j, double v)
{
	buf_printf(out, "%s{type=\"", name);
	put_label(out, j->type);
	buf_puts(out, "\",state=\"");
	put_label(out, j->state);
	buf_printf(out, "\"} %.17g\n", v);
}

static void
write_jobs(const struct store_statistics *s, struct buf *out)
{
	double now = (double)time(NULL);
	size_t n_queued = 0;

	head(out, "verad_jobs", "gauge", "Jobs in the store, by type and state.");
	for (size_t i = 0; i < s->n_jobs; i++) {
		put_job(out, "verad_jobs", &s->job[i], (double)s->job[i].n);
		n_queued += strcmp(s->job[i].state, "queued") ? 0 : s->job[i].n;
	}
	head(out, "verad_job_run_seconds_total", "counter",
		"How long jobs that have ended ran, in their last attempt.");
	for (size_t i = 0; i < s->n_jobs; i++)
		if (s->job[i].ended)
			put_job(out, "verad_job_run_seconds_total", &s->job[i], s->job[i].run_seconds);
	head(out, "verad_job_wait_seconds_total", "counter",
		"How long jobs that have ended waited for their last start.");
	for (size_t i = 0; i < s->n_jobs; i++)
		if (s->job[i].ended)
			put_job(out, "verad_job_wait_seconds_total", &s->job[i], s->job[i].wait_seconds);
	gauge(out, "verad_queue_depth", "Jobs that wait for a worker.", (double)n_queued);
	gauge(out, "verad_queue_oldest_seconds", "How long the oldest of them has waited; 0: none waits.",
		s->oldest_queued > 0 && now > s->oldest_queued ? now - s->oldest_queued : 0);
}

static void
write_store(const struct store_statistics *s, struct buf *out)
{
	gauge(out, "verad_datasets", "Data sets in the store.", (double)s->n_datasets);
	gauge(out, "verad_models", "Models in the store.", (double)s->n_models);
	gauge(out, "verad_store_bytes", "Size of the store's file.", (double)s->file_bytes);
	gauge(out, "verad_store_wal_bytes", "Size of the store's write-ahead log.", (double)s->log_bytes);
	gauge(out, "verad_disk_free_bytes", "Room left on the store's file system.", (double)s->disk_free);
	gauge(out, "verad_disk_size_bytes", "Size of the store's file system.", (double)s->disk_size);
	write_jobs(s, out);
}

static double
count_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	double n = 0;

	if (!d)
		return NAN;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", ".." and the directory itself */
}

static void
write_process(const struct metrics *m, struct buf *out)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size = 0, resident = 0;
	double page = (double)sysconf(_SC_PAGESIZE);
	struct timespec cpu;

	if (f && fscanf(f, "%lu %lu", &size, &resident) == 2) {
		gauge(out, "process_resident_memory_bytes", "Memory of the process that is in RAM.",
			(double)resident * page);
		gauge(out, "process_virtual_memory_bytes", "Address space of the process.", (double)size * page);
	}
	if (f)
		fclose(f);
	if (!clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu)) {
		head(out, "process_cpu_seconds_total", "counter", "Processor time of the process.");
		buf_printf(out, "process_cpu_seconds_total %.6f\n", (double)cpu.tv_sec + 1e-9 * (double)cpu.tv_nsec);
	}
	gauge(out, "process_open_fds", "Open file descriptors.", count_files());
	gauge(out, "process_start_time_seconds", "When the process started, in seconds since the epoch.", m->started);
}

void
metrics_write(const struct metrics *m, const struct metrics_state *state, struct buf *out)
{
	head(out, "verad_build_info", "gauge", "1; the version is in the label.");
	buf_puts(out, "verad_build_info{version=\"" VERAD_VERSION "\"} 1\n");
	gauge(out, "verad_ready", "1: /readyz says ready.", state->ready);
	gauge(out, "verad_http_connections", "Open connections.", (double)state->connections);
	gauge(out, "verad_models_loaded", "Models in memory.", (double)state->models_loaded);
	head(out, "verad_model_loads_total", "counter", "How often a model was read into memory.");
	buf_printf(out, "verad_model_loads_total %llu\n", (unsigned long long)state->model_loads);
	gauge(out, "verad_tls_certificate_expires_timestamp_seconds", "When the certificate expires.",
		state->certificate_expires);
	write_codes(m, out);
	write_durations(m, out);
	write_volumes(m, out);
	write_predictions(m, out);
	if (state->store)
		write_store(state->store, out);
	write_process(m, out);
}
