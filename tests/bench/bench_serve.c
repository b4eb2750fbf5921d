/*
 * bench_serve: how fast answers come over HTTP, on loopback, with connections kept alive, beside FastAPI, uvicorn and
 * scikit-learn serving a network of the same shape to the same requests.
 *
 * The model has the default sizes, 64 columns and 10 classes. What is compared is measured in turns, round by round, so
 * that what else the machine does falls on both; ratios are taken within a round, and their medians printed. The client
 * takes its share of the processors, in all measurements alike. Each target ends in a line of its own, "reached" or
 * "missed by"; run it as nobody's lesser (not niced: workers that train are niced to 10 by themselves).
 *
 * SECONDS=S  of each measurement, 2     REPS=N  rounds, 5     PYTHON=P  an interpreter with FastAPI, /usr/bin/python3
 * ONLY=NAMES of the parts single, batches, connections, training, models
 * Writes OUT/serve.json.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/kernel.h"
#include "schema/bundle.h"
#include "server/json_build.h"
#include "tests/bench/load.h"
#include "tests/bench/requests.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"

enum { N_TRAIN = 2000, N_DISTINCT = 64, MAX_REPS = 51 };

static double seconds = 2;
static size_t reps = 5;
static struct daemon d;
static char dataset[64], model[64], layers[128]; /* "256,256" */
static unsigned n_cores;

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench_serve: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs("\n", stderr);
	va_end(ap);
	daemon_remove(&d);
	exit(1);
}

/* ---- the daemon -------------------------------------------------------------------------------------------------- */

static cJSON *
call(const char *method, const char *target, const char *type, const void *body, size_t n)
{
	struct http_answer a = http_call(d.port, method, target, type, body, n);
	cJSON *json = a.body ? cJSON_Parse(a.body) : NULL;

	if (a.status < 200 || a.status > 299)
		die("%s %s: status %d: %s", method, target, a.status, a.body ? a.body : "");
	http_answer_release(&a);
	return json;
}

static const char *
text_of(const cJSON *object, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsString(v) ? v->valuestring : "";
}

static void
start_daemon(const char *const *option)
{
	memset(d.option, 0, sizeof d.option);
	for (size_t i = 0; option[i]; i++)
		d.option[i] = option[i];
	if (!daemon_start(&d)) {
		daemon_show_log(&d);
		die("verad does not start");
	}
}

static void
start_job(const char *params, const char *name, char id[64])
{
	char body[512];
	cJSON *json;

	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",%s\"params\":{%s}}", dataset, name, params);
	json = call("POST", "/v1/jobs", "application/json", body, strlen(body));
	snprintf(id, 64, "%s", text_of(json, "id"));
	cJSON_Delete(json);
}

/* Waits until the job is in the state and has done a step. */
static void
await_job(const char *id, const char *state)
{
	char target[96];

	snprintf(target, sizeof target, "/v1/jobs/%s", id);
	for (;;) {
		cJSON *json = call("GET", target, NULL, NULL, 0);
		const char *now = text_of(json, "state");
		bool there = !strcmp(now, state) && cJSON_GetObjectItemCaseSensitive(json, "step")->valuedouble > 0;

		if (!there && (!strcmp(now, "failed") || !strcmp(now, "succeeded")))
			die("job %s is %s", id, now);
		cJSON_Delete(json);
		if (there)
			return;
		usleep(50000);
	}
}

static void
train_model(void)
{
	struct buf csv = {0};
	const cJSON *sizes, *size;
	char job[64];
	cJSON *json;

	requests_put_csv(&csv, 0, N_TRAIN, true);
	json = call("POST", "/v1/datasets?label_column=label", "text/csv", csv.data, csv.len);
	buf_release(&csv);
	snprintf(dataset, sizeof dataset, "%s", text_of(json, "id"));
	cJSON_Delete(json);
	start_job("\"steps\":100,\"evaluation_folds\":0", "\"model\":\"bench\",", job);
	await_job(job, "succeeded");
	json = call("GET", "/v1/models/bench", NULL, NULL, 0);
	snprintf(model, sizeof model, "%s", text_of(json, "id"));
	sizes = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, "parameters"), "hidden_layers");
	cJSON_ArrayForEach(size, sizes)
	{
		snprintf(layers + strlen(layers), sizeof layers - strlen(layers), "%s%d", layers[0] ? "," : "",
			size->valueint);
	}
	cJSON_Delete(json);
}

/* ---- targets
 * --------------------------------------------------------------------------------------------------------- */

static cJSON *targets;

/* measured: to be at most `wanted`, or where at_least no less. */
static void __attribute__((format(printf, 5, 6)))
put_target(struct json_build *b, double measured, bool at_least, double wanted, const char *fmt, ...)
{
	const double off = at_least ? 1 - measured / wanted : measured / wanted - 1;
	cJSON *o = json_add_object(b, targets);
	char name[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	json_put_text(b, o, "target", name);
	json_put_number(b, o, "measured", measured);
	json_put_text(b, o, "wanted", at_least ? "at least" : "at most");
	json_put_number(b, o, "bound", wanted);
	json_put_bool(b, o, "reached", off <= 0);
	printf("  target %s: ", name);
	if (off <= 0)
		printf("reached, %.4g\n", measured);
	else
		printf("missed by %.0f%%, %.4g\n", 100 * off, measured);
	fflush(stdout);
}

/* ---- the rival --------------------------------------------------------------------------------------------------- */

static pid_t peer;
static unsigned peer_port;

static void
start_peer(const char *kind)
{
	const char *python = getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3";
	char table[128], port[16], workers[16];
	struct buf csv = {0};
	FILE *f;

	peer_port = d.port < 60000 ? d.port + 1 : d.port - 1;
	snprintf(table, sizeof table, "%s/table.csv", d.dir);
	snprintf(port, sizeof port, "%u", peer_port);
	snprintf(workers, sizeof workers, "%u", n_cores);
	requests_put_csv(&csv, 0, N_TRAIN, true);
	f = fopen(table, "w");
	if (!f || fwrite(csv.data, 1, csv.len, f) != csv.len || fclose(f))
		die("%s cannot be written", table);
	buf_release(&csv);
	fflush(NULL);
	peer = fork();
	if (peer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		/* its logs; ours is a file */
		if (!strcmp(kind, "usual") &&
			(!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
			_exit(127);
		execl(python, python, "tests/bench/serve_peer.py", table, port, layers, workers, kind, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 600; i++) {
		struct buf request = request_of(PEER_JSON, "", 0, 1);
		int fd = http_dial(peer_port), status;
		struct http_answer a = {0};

		if (fd >= 0 && http_send(fd, request.data, request.len))
			a = http_receive(fd, false);
		if (fd >= 0)
			close(fd);
		buf_release(&request);
		status = a.status;
		http_answer_release(&a);
		if (status == 200)
			return;
		if (waitpid(peer, NULL, WNOHANG) == peer)
			break;
		usleep(100000);
	}
	peer = 0;
	fprintf(stderr, "bench_serve: no rival: FastAPI, uvicorn or scikit-learn does not start\n");
}

static void
stop_peer(void)
{
	if (peer > 0) {
		kill(peer, SIGTERM);
		waitpid(peer, NULL, 0);
	}
	peer = 0;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, size_t n)
{
	qsort(v, n, sizeof *v, ascending);
	return n ? v[n / 2] : 0;
}

/* Processor time of a process and of its children so far. Unlike the clock it is hardly touched by what else runs. */
static double
cpu_seconds(pid_t pid)
{
	unsigned long long user = 0, system = 0;
	char path[64];
	double sum = 0;
	long child;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) == 2)
		sum = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	if (f)
		fclose(f);
	snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
	f = fopen(path, "r");
	while (f && fscanf(f, "%ld", &child) == 1)
		sum += cpu_seconds((pid_t)child);
	if (f)
		fclose(f);
	return sum;
}

/* A measurement, and the processor time that server and client spent on an answer of it. */
struct sample {
	struct load_result load;
	double cpu, client; /* microseconds */
};

static double
client_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Rows taken in turn, one a request; to: the models taken in turn. */
static struct sample
single_rows(enum form form, char (*to)[64], size_t n_to, size_t n_connections, double rate)
{
	size_t n = n_to > N_DISTINCT ? n_to : N_DISTINCT;
	struct buf *request = calloc(n, sizeof *request);
	const char **text = calloc(n, sizeof *text);
	size_t *length = calloc(n, sizeof *length);
	struct load l = {.port = form == PEER_JSON ? peer_port : d.port,
		.n_connections = n_connections,
		.seconds = seconds,
		.rate = rate,
		.request = text,
		.length = length,
		.n_requests = n};
	pid_t server = form == PEER_JSON ? peer : d.pid;
	struct sample out = {0};
	double cpu, client;

	if (!request || !text || !length)
		die("out of memory");
	for (size_t i = 0; i < n; i++) {
		request[i] = request_of(form, to[i % n_to], i % N_BATCH, 1);
		text[i] = (const char *)request[i].data;
		length[i] = request[i].len;
	}
	cpu = cpu_seconds(server);
	client = client_seconds();
	if (!load_run(&l, &out.load))
		die("cannot connect");
	cpu = cpu_seconds(server) - cpu;
	client = client_seconds() - client;
	out.cpu = out.load.n ? 1e6 * cpu / (1.1 * (double)out.load.n) : 0; /* a tenth warmed up */
	out.client = out.load.n ? 1e6 * client / (1.1 * (double)out.load.n) : 0;
	for (size_t i = 0; i < n; i++)
		buf_release(&request[i]);
	free(request);
	free(text);
	free(length);
	return out;
}

/* The median of each figure over the rounds. */
static struct sample
middle(const struct sample *r, size_t n)
{
	struct sample out = {0};
	double v[MAX_REPS];

#define MIDDLE(field)                                                                                                  \
	do {                                                                                                           \
		for (size_t i = 0; i < n; i++)                                                                         \
			v[i] = r[i].field;                                                                             \
		out.field = median(v, n);                                                                              \
	} while (0)
	MIDDLE(load.per_second);
	MIDDLE(load.p50);
	MIDDLE(load.p90);
	MIDDLE(load.p99);
	MIDDLE(load.p999);
	MIDDLE(load.max);
	MIDDLE(cpu);
	MIDDLE(client);
	for (size_t i = 0; i < n; i++) {
		out.load.n += r[i].load.n;
		out.load.n_failed += r[i].load.n_failed;
	}
	return out;
}

static void
put_result(struct json_build *b, cJSON *to, const char *name, const struct sample *sample)
{
	const struct load_result *r = &sample->load;
	cJSON *o = json_put_object(b, to, name);

	json_put_count(b, o, "answers", r->n);
	json_put_count(b, o, "failed", r->n_failed);
	json_put_number(b, o, "per_second", r->per_second);
	json_put_number(b, o, "p50_us", r->p50);
	json_put_number(b, o, "p90_us", r->p90);
	json_put_number(b, o, "p99_us", r->p99);
	json_put_number(b, o, "p999_us", r->p999);
	json_put_number(b, o, "max_us", r->max);
	json_put_number(b, o, "cpu_us", sample->cpu);
	json_put_number(b, o, "client_cpu_us", sample->client);
}

static void
print_result(const char *what, const struct sample *sample)
{
	const struct load_result *r = &sample->load;

	printf("  %-44s %7.0f /s   p50 %6.0f us   p99 %6.0f us   processor %4.0f us, client's %3.0f", what,
		r->per_second, r->p50, r->p99, sample->cpu, sample->client);
	if (r->n_failed)
		printf("   %zu failed", r->n_failed);
	printf("\n");
	fflush(stdout);
}

/* ---- the parts --------------------------------------------------------------------------------------------------- */

static void
compare_with_peer(struct json_build *b, cJSON *to, const char *kind, size_t n_connections)
{
	struct sample mine[MAX_REPS], theirs[MAX_REPS], m, t;
	double ratio[MAX_REPS], times;
	char name[64];

	for (size_t i = 0; i < reps; i++) {
		mine[i] = single_rows(JSON, &model, 1, n_connections, 0);
		theirs[i] = single_rows(PEER_JSON, &model, 1, n_connections, 0);
		ratio[i] = mine[i].load.per_second / theirs[i].load.per_second;
	}
	m = middle(mine, reps);
	t = middle(theirs, reps);
	times = median(ratio, reps);
	snprintf(name, sizeof name, "verad, JSON, %zu connection%s", n_connections, n_connections > 1 ? "s" : "");
	print_result(name, &m);
	snprintf(name, sizeof name, "FastAPI, %s, %zu connection%s", kind, n_connections, n_connections > 1 ? "s" : "");
	print_result(name, &t);
	snprintf(name, sizeof name, "connections_%zu", n_connections);
	to = json_put_object(b, to, name);
	put_result(b, to, "verad", &m);
	put_result(b, to, "fastapi", &t);
	json_put_number(b, to, "times_as_many", times);
	json_put_number(b, to, "times_the_processor_time", t.cpu / m.cpu);
	printf("  %.1f times as many; the rival spends %.1f times the processor time on each\n", times, t.cpu / m.cpu);
	put_target(b, times, true, 10, "10 times the answers of FastAPI, %s, %zu connection%s", kind, n_connections,
		n_connections > 1 ? "s" : "");
}

/* Both get the requests that half of the rival's best would be, however long answers take. */
static void
compare_at_equal_load(struct json_build *b, cJSON *to, const char *kind, double rate)
{
	struct sample mine[MAX_REPS], theirs[MAX_REPS], m, t;

	for (size_t i = 0; i < reps; i++) {
		mine[i] = single_rows(JSON, &model, 1, 8, rate);
		theirs[i] = single_rows(PEER_JSON, &model, 1, 8, rate);
	}
	m = middle(mine, reps);
	t = middle(theirs, reps);
	print_result("verad, at half of the rival's best", &m);
	print_result("FastAPI, the same", &t);
	to = json_put_object(b, to, "equal_load");
	json_put_number(b, to, "rate", rate);
	put_result(b, to, "verad", &m);
	put_result(b, to, "fastapi", &t);
	put_target(b, m.load.p99 / t.load.p99, false, 1,
		"p99 below that of FastAPI, %s, at equal load, as a share of it", kind);
}

static void
part_single(struct json_build *b, cJSON *root)
{
	static const char *const kinds[] = {"usual", "bare"};
	cJSON *to = json_put_object(b, root, "single_row");
	struct sample r[N_FORMS][MAX_REPS], m;
	double slowest = 0;

	printf("single rows\n");
	for (size_t i = 0; i < reps; i++)
		for (enum form form = JSON; form <= TENSOR; form++)
			r[form][i] = single_rows(form, &model, 1, 1, 0);
	for (enum form form = JSON; form <= TENSOR; form++) {
		char name[64];

		m = middle(r[form], reps);
		snprintf(name, sizeof name, "verad, %s, 1 connection", form_name[form]);
		print_result(name, &m);
		put_result(b, to, form_name[form], &m);
		slowest = m.load.p50 > slowest ? m.load.p50 : slowest;
	}
	put_target(b, slowest, false, 150, "p50 of a single row below 150 us, the slowest form's");
	for (size_t k = 0; k < 2; k++) {
		char name[64];

		start_peer(kinds[k]);
		if (!peer)
			break;
		printf("  beside FastAPI, %s, %u workers\n", kinds[k], n_cores);
		snprintf(name, sizeof name, "rival_%s", kinds[k]);
		to = json_put_object(b, root, name);
		json_put_count(b, to, "workers", n_cores);
		compare_with_peer(b, to, kinds[k], 1);
		compare_with_peer(b, to, kinds[k], 8);
		m = single_rows(PEER_JSON, &model, 1, 8, 0);
		compare_at_equal_load(b, to, kinds[k], m.load.per_second / 2);
		stop_peer();
	}
}

/* Seconds that the network alone takes for the rows: its inputs encoded, one thread, as in serving. */
static double
network_seconds(void)
{
	struct http_answer a;
	struct bundle *bundle;
	struct model_workspace *w;
	struct rows rows = {0};
	struct err e = {0};
	char target[128];
	float *p;
	double *score, best = 1e9;

	snprintf(target, sizeof target, "/v1/models/%s/artifact", model);
	a = http_call(d.port, "GET", target, NULL, NULL, 0);
	p = calloc((size_t)N_BATCH * N_CLASSES, sizeof *p);
	score = calloc(N_BATCH, sizeof *score);
	if (!p || !score || bundle_read(a.body, a.n, &bundle, &e) ||
		encoder_rows_init(bundle->encoder, &rows, N_BATCH, &e) || model_workspace_new(bundle->model, &w, &e))
		die("the artefact: %s", e.msg);
	for (size_t i = 0; i < 5; i++) {
		double from = load_now(), took;

		model_predict(bundle->model, &rows, 0, N_BATCH, OOD_ENERGY, w, p, score);
		took = load_now() - from;
		best = took < best ? took : best;
	}
	model_workspace_free(w);
	rows_release(&rows);
	bundle_free(bundle);
	http_answer_release(&a);
	free(p);
	free(score);
	return best;
}

static void
part_batches(struct json_build *b, cJSON *root)
{
	cJSON *to = json_put_object(b, root, "batch");
	double network = network_seconds();

	printf("batches of %d rows; the network alone takes %.1f ms\n", N_BATCH, 1e3 * network);
	json_put_count(b, to, "rows", N_BATCH);
	json_put_number(b, to, "network_seconds", network);
	for (enum form form = JSON; form <= TENSOR; form++) {
		struct buf request = request_of(form, model, 0, N_BATCH);
		int fd = http_dial(d.port);
		double took[MAX_REPS], middle_one;
		cJSON *item;

		for (size_t i = 0; i < reps + 1; i++) { /* the first warms up */
			double from = load_now();
			struct http_answer a;

			if (fd < 0 || !http_send(fd, request.data, request.len))
				die("cannot send");
			a = http_receive(fd, false);
			if (a.status != 200)
				die("a batch: status %d: %.200s", a.status, a.body);
			took[i ? i - 1 : 0] = load_now() - from;
			http_answer_release(&a);
		}
		close(fd);
		middle_one = median(took, reps);
		printf("  %-14s %9.0f rows/s   %6.1f ms   %4.1f MB in   network %2.0f%% of it\n", form_name[form],
			N_BATCH / middle_one, 1e3 * middle_one, (double)request.len / 1e6, 100 * network / middle_one);
		item = json_put_object(b, to, form_name[form]);
		json_put_number(b, item, "rows_per_second", N_BATCH / middle_one);
		json_put_number(b, item, "seconds", middle_one);
		json_put_count(b, item, "request_bytes", request.len);
		json_put_number(b, item, "network_share", network / middle_one);
		buf_release(&request);
	}
}

static void
part_training(struct json_build *b, cJSON *root)
{
	cJSON *to = json_put_object(b, root, "while_training");
	struct sample idle[MAX_REPS], busy[MAX_REPS], m;
	double ratio;
	char job[2][64], target[192];

	printf("single rows while two workers train\n");
	for (size_t i = 0; i < reps; i++)
		idle[i] = single_rows(JSON, &model, 1, 1, 0);
	for (int k = 0; k < 2; k++)
		start_job("\"steps\":10000000,\"evaluation_folds\":0", "", job[k]);
	for (int k = 0; k < 2; k++)
		await_job(job[k], "running");
	for (size_t i = 0; i < reps; i++)
		busy[i] = single_rows(JSON, &model, 1, 1, 0);
	for (int k = 0; k < 2; k++) {
		snprintf(target, sizeof target, "/v1/jobs/%s/cancel", job[k]);
		cJSON_Delete(call("POST", target, NULL, NULL, 0));
	}
	for (int k = 0; k < 2; k++)
		await_job(job[k], "cancelled");
	m = middle(idle, reps);
	ratio = m.load.p99;
	print_result("idle", &m);
	put_result(b, to, "idle", &m);
	m = middle(busy, reps);
	ratio = m.load.p99 / ratio;
	print_result("training", &m);
	put_result(b, to, "training", &m);
	json_put_number(b, to, "p99_ratio", ratio);
	put_target(b, ratio, false, 5, "p99 while two workers train at most 5 times the idle one");
}

static size_t
resident_kb(void)
{
	char path[64], line[128];
	size_t kb = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)d.pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "VmRSS:", 6))
			kb = strtoull(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

static void
part_connections(struct json_build *b, cJSON *root)
{
	struct sample r = single_rows(JSON, &model, 1, 1000, 0);
	cJSON *to = json_put_object(b, root, "thousand_connections");

	printf("1,000 connections kept alive, each with a request under way\n");
	print_result("verad, JSON", &r);
	put_result(b, to, "verad", &r);
	json_put_count(b, to, "resident_kb", resident_kb());
	printf("  the daemon's memory: %zu MB\n", resident_kb() / 1024);
	put_target(b, (double)r.load.n_failed, false, 0.5, "no request of 1,000 connections lost");
}

/* A figure of /metrics. */
static double
metric(const char *name)
{
	struct http_answer a = http_call(d.port, "GET", "/metrics", NULL, NULL, 0);
	char line[96];
	const char *at;
	double v;

	snprintf(line, sizeof line, "\n%s ", name);
	if (a.status != 200 || !(at = strstr(a.body, line)))
		die("no %s", name);
	v = strtod(at + strlen(line), NULL);
	http_answer_release(&a);
	return v;
}

static void
part_models(struct json_build *b, cJSON *root)
{
	enum { CAP = 100, N_MODELS = 120 };
	static char to[N_MODELS][64];
	struct http_answer file;
	struct sample hit, miss;
	char target[128];
	cJSON *o = json_put_object(b, root, "models");
	size_t before, full, after;
	double loads[3], loaded;

	snprintf(target, sizeof target, "/v1/models/%s/artifact", model);
	file = http_call(d.port, "GET", target, NULL, NULL, 0);
	for (size_t i = 0; i < N_MODELS; i++) {
		cJSON *json = call("POST", "/v1/models:import", "application/octet-stream", file.body, file.n);

		snprintf(to[i], sizeof to[i], "%s", text_of(json, "id"));
		cJSON_Delete(json);
	}
	printf("%d models of %.1f MB, at most %d of them in memory\n", N_MODELS, (double)file.n / 1e6, CAP);
	before = resident_kb();
	loads[0] = metric("verad_model_loads_total");
	hit = single_rows(JSON, to, CAP, 1, 0);
	loads[1] = metric("verad_model_loads_total") - loads[0];
	full = resident_kb();
	print_result("the first 100 in turn", &hit);
	miss = single_rows(JSON, to, N_MODELS, 1, 0);
	loads[2] = metric("verad_model_loads_total") - loads[0] - loads[1];
	loaded = metric("verad_models_loaded");
	after = resident_kb();
	print_result("all 120 in turn, each loaded anew", &miss);
	printf("  the daemon's memory: %zu MB without them, %zu MB with 100, %zu MB after %.0f more took others' "
	       "places\n",
		before / 1024, full / 1024, after / 1024, loads[2]);
	put_result(b, o, "in_memory", &hit);
	put_result(b, o, "loaded_anew", &miss);
	json_put_count(b, o, "bundle_bytes", file.n);
	json_put_count(b, o, "resident_kb_before", before);
	json_put_count(b, o, "resident_kb_full", full);
	json_put_count(b, o, "resident_kb_after", after);
	json_put_number(b, o, "loads_for_the_first_100", loads[1]);
	json_put_number(b, o, "loads_afterwards", loads[2]);
	json_put_number(b, o, "loaded", loaded);
	put_target(b, loaded, true, CAP, "100 models in memory at once");
	put_target(b, loads[1], false, CAP, "each of them read once");
	put_target(b, loaded, false, CAP, "and no more than 100 when others are asked for");
	put_target(b, (double)after / (double)full, false, 1.2, "memory stays, as a share of that of the 100");
	http_answer_release(&file);
}

static void
write_results(struct json_build *b, cJSON *root)
{
	const char *folder = getenv("OUT");
	struct err e = {0};
	char path[512], *text;
	FILE *f;

	if (json_finish(b, root, &text, &e))
		die("%s", e.msg);
	snprintf(path, sizeof path, "%s/serve.json", folder ? folder : ".");
	f = fopen(path, "w");
	if (!f || fprintf(f, "%s\n", text) < 0 || fclose(f))
		die("%s cannot be written", path);
	free(text);
}

int
main(void)
{
	static const char *const plain[] = {"--workers", "2", "--max-connections", "1200", NULL};
	static const char *const capped[] = {"--max-models", "100", NULL};
	static const struct {
		const char *name;
		void (*run)(struct json_build *b, cJSON *root);
	} parts[] = {{"single", part_single}, {"batches", part_batches}, {"connections", part_connections},
		{"training", part_training}, {"models", part_models}};
	const char *only = getenv("ONLY"), *text;
	struct rlimit files;
	struct json_build b = {0};
	struct err e = {0};
	cJSON *root = json_object(&b);

	targets = json_put_array(&b, root, "targets");
	if ((text = getenv("SECONDS")))
		seconds = strtod(text, NULL);
	if ((text = getenv("REPS")))
		reps = strtoul(text, NULL, 10);
	if (!(seconds > 0) || reps < 1 || reps > MAX_REPS)
		die("SECONDS must be above 0, REPS from 1 to %d", MAX_REPS);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	n_cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (kernel_init(&e))
		die("%s", e.msg);
	requests_init();
	if (!daemon_make(&d))
		die("no scratch directory");
	start_daemon(plain);
	train_model();
	printf("%d columns, hidden layers %s, %d classes; %u processors, %g s a measurement, median of %zu\n",
		N_COLUMNS, layers, N_CLASSES, n_cores, seconds, reps);
	json_put_text(&b, root, "hidden_layers", layers);
	json_put_count(&b, root, "columns", N_COLUMNS);
	json_put_count(&b, root, "classes", N_CLASSES);
	json_put_count(&b, root, "processors", n_cores);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (only && !strstr(only, parts[i].name))
			continue;
		if (parts[i].run == part_models) {
			daemon_stop(&d);
			start_daemon(capped);
		}
		parts[i].run(&b, root);
	}
	daemon_stop(&d);
	write_results(&b, root);
	daemon_remove(&d);
	return 0;
}
