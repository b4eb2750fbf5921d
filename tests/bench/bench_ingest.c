/*
 * bench_ingest: how fast an upload is, from the first byte on a socket to the answer that says that it is stored, typed
 * and durable; beside R's data.table::fread on one thread and pandas.read_csv, which read the same file into memory.
 *
 * Tables: 40,000 rows of 200 numbers made from a seed, 69 MB; and with KDD=FILE the one in that file, label column
 * "label". Each repetition takes turns: the daemon, fread, pandas; what else the machine does falls on all alike, and
 * ratios are taken within a repetition. The daemon's data lie in a new directory under /tmp, which should be a disk.
 * Last, the daemon's peak of memory at the numeric table, and at the same rows four times over in one upload.
 *
 * Each target ends in a line of its own, "reached" or "missed by", and in `targets` of the file.
 *
 * REPS=N  repetitions, 11   KDD=FILE   PYTHON=P  an interpreter with pandas, /usr/bin/python3
 * Writes OUT/ingest.json. Fails when memory grows with the table.
 */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/buf.h"
#include "server/json_build.h"
#include "server/monotonic.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"

enum { N_ROWS = 40000, N_COLUMNS = 200, MAX_REPS = 101, MEMORY_TIMES = 4 };
enum { VERAD, FREAD, PANDAS, N_PROGRAMS };
static const char *const program_names[N_PROGRAMS] = {"verad", "fread", "pandas"};

struct duration {
	double wall, cpu; /* NaN: the program is not there */
};

struct rival {
	pid_t pid; /* 0: not there */
	FILE *ask, *answer;
	char version[64];
};

struct table {
	const char *name, *label; /* label NULL: no label column */
	char path[512];
	struct buf csv;
	size_t n_rows, n_columns;
	struct duration took[N_PROGRAMS][MAX_REPS];
};

static void
give_up(const char *what)
{
	fprintf(stderr, "bench_ingest: %s\n", what);
	exit(1);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* Normal deviates with six significant digits, as most programs write them by default. */
static void
make_numeric(struct table *t, const char *folder)
{
	uint64_t state = 1;
	FILE *f;

	t->n_rows = N_ROWS;
	t->n_columns = N_COLUMNS;
	for (size_t i = 0; i < N_COLUMNS; i++)
		buf_printf(&t->csv, "%sx%zu", i ? "," : "", i);
	buf_puts(&t->csv, "\n");
	for (size_t row = 0; row < N_ROWS; row++) {
		for (size_t i = 0; i < N_COLUMNS; i++) {
			double u[2];

			for (int k = 0; k < 2; k++) { /* splitmix64 */
				uint64_t z = state += 0x9e3779b97f4a7c15u;

				z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
				z = (z ^ z >> 27) * 0x94d049bb133111ebu;
				u[k] = ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
			}
			buf_printf(&t->csv, "%s%.6g", i ? "," : "", sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]));
		}
		buf_puts(&t->csv, "\n");
	}
	snprintf(t->path, sizeof t->path, "%s/ingest_numeric.csv", folder);
	if (t->csv.failed || !(f = fopen(t->path, "wb")))
		give_up("the numeric table cannot be written");
	if (fwrite(t->csv.data, 1, t->csv.len, f) != t->csv.len || fclose(f))
		give_up("the numeric table cannot be written");
}

static void
read_table(struct table *t, const char *path)
{
	char piece[1 << 16];
	size_t got;
	FILE *f = fopen(path, "rb");

	if (!f)
		give_up("the file of KDD cannot be read");
	while ((got = fread(piece, 1, sizeof piece, f)) > 0)
		buf_put(&t->csv, piece, got);
	fclose(f);
	if (t->csv.failed || !t->csv.len)
		give_up("the file of KDD cannot be read");
	snprintf(t->path, sizeof t->path, "%s", path);
}

/* ---- rivals ------------------------------------------------------------------------------------------------------ */

static bool
rival_line(struct rival *r, char *line, size_t size)
{
	if (!fgets(line, (int)size, r->answer))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static void
rival_stop(struct rival *r)
{
	if (!r->pid)
		return;
	fclose(r->ask); /* the end of its input is the end of it */
	fclose(r->answer);
	waitpid(r->pid, NULL, 0);
	*r = (struct rival){0};
}

static void
rival_start(struct rival *r, const char *name, const char *interpreter, const char *script)
{
	char program[512], path[512];
	char *argv[] = {program, path, NULL};
	int down[2] = {-1, -1}, up[2] = {-1, -1};
	posix_spawn_file_actions_t actions;

	*r = (struct rival){0};
	snprintf(program, sizeof program, "%s", interpreter);
	snprintf(path, sizeof path, "%s", script);
	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		give_up("no pipe can be made");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
	if (posix_spawnp(&r->pid, program, &actions, NULL, argv, environ))
		r->pid = 0;
	posix_spawn_file_actions_destroy(&actions);
	close(down[0]);
	close(up[1]);
	if (!(r->ask = fdopen(down[1], "w")) || !(r->answer = fdopen(up[0], "r")))
		give_up("no pipe can be made");
	if (!r->pid || !rival_line(r, r->version, sizeof r->version)) {
		fprintf(stderr, "bench_ingest: without %s\n", name);
		rival_stop(r);
	}
}

static struct duration
rival_read(struct rival *r, struct table *t)
{
	struct duration d = {NAN, NAN};
	size_t n_rows, n_columns;
	char line[128];

	if (!r->pid)
		return d;
	fprintf(r->ask, "%s\n", t->path);
	fflush(r->ask);
	if (!rival_line(r, line, sizeof line) ||
		sscanf(line, "%lf %lf %zu %zu", &d.wall, &d.cpu, &n_rows, &n_columns) != 4 || n_rows != t->n_rows ||
		n_columns != t->n_columns)
		give_up("a rival reads another table");
	return d;
}

/* ---- the daemon -------------------------------------------------------------------------------------------------- */

/* Seconds of the processor that it has used, all threads. */
static double
processor_seconds(const struct daemon *d)
{
	char path[64];
	unsigned long long user, system;
	int n;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)d->pid);
	if (!(f = fopen(path, "r")))
		return NAN;
	n = fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system);
	fclose(f);
	return n == 2 ? (double)(user + system) / (double)sysconf(_SC_CLK_TCK) : (double)NAN;
}

/* Of resident memory, in bytes, since the last call. */
static double
peak_memory(const struct daemon *d)
{
	double peak = NAN;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)d->pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %lf", &peak) == 1)
			peak *= 1024;
	if (f)
		fclose(f);
	snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)d->pid);
	if ((f = fopen(path, "w"))) {
		fputs("5", f);
		fclose(f);
	}
	return peak;
}

/* The table, its rows `times` over, in one upload that is deleted again. */
static struct duration
upload(const struct daemon *d, struct table *t, size_t times)
{
	size_t header = (size_t)((unsigned char *)memchr(t->csv.data, '\n', t->csv.len) - t->csv.data) + 1;
	double cpu = processor_seconds(d), start;
	struct duration took;
	struct http_answer a;
	char head[512];
	cJSON *json;
	int fd;

	snprintf(head, sizeof head,
		"POST /v1/datasets?name=bench%s%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
		"Content-Length: %zu\r\n\r\n",
		t->label ? "&label_column=" : "", t->label ? t->label : "", header + times * (t->csv.len - header));
	start = monotonic_seconds();
	if ((fd = http_dial(d->port)) < 0 || !http_send_text(fd, head) || !http_send(fd, t->csv.data, t->csv.len))
		give_up("the daemon does not listen");
	for (size_t i = 1; i < times; i++)
		if (!http_send(fd, t->csv.data + header, t->csv.len - header))
			give_up("the daemon does not listen");
	a = http_receive(fd, false);
	took = (struct duration){.wall = monotonic_seconds() - start, .cpu = processor_seconds(d) - cpu};
	close(fd);
	json = cJSON_Parse(a.body);
	if (a.status != 201)
		give_up(a.body ? a.body : "no answer");
	t->n_rows = (size_t)cJSON_GetObjectItemCaseSensitive(json, "rows")->valuedouble / times;
	t->n_columns = (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "columns"));
	snprintf(head, sizeof head, "/v1/datasets/%s", cJSON_GetObjectItemCaseSensitive(json, "id")->valuestring);
	cJSON_Delete(json);
	http_answer_release(&a);
	a = http_call(d->port, "DELETE", head, NULL, NULL, 0);
	http_answer_release(&a);
	sleep(1); /* the space comes free in the background */
	return took;
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* At a share of the sorted values. NaN where one is. */
static double
quantile(const double *v, size_t n, double at)
{
	double sorted[MAX_REPS], place = at * (double)(n - 1);
	size_t i = (size_t)place;

	for (size_t k = 0; k < n; k++) {
		if (isnan(v[k]))
			return NAN;
		sorted[k] = v[k];
	}
	qsort(sorted, n, sizeof *sorted, by_size);
	return i + 1 < n ? sorted[i] + (place - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

/* Median and half the distance of the quartiles as members of `to`; prints them too. */
static void
put_figure(struct json_build *b, cJSON *to, const char *name, const double *v, size_t n, double scale, const char *unit)
{
	double median = quantile(v, n, 0.5) * scale, spread = (quantile(v, n, 0.75) - quantile(v, n, 0.25)) / 2 * scale;
	cJSON *figure = json_put_object(b, to, name), *all = json_put_array(b, figure, "all");

	json_put_number(b, figure, "median", median);
	json_put_number(b, figure, "spread", spread);
	for (size_t i = 0; i < n; i++)
		json_add_number(b, all, v[i] * scale);
	if (isnan(median))
		printf("  %10s%-16s", "-", "");
	else
		printf("  %10.3g ±%-6.2g%-8s", median, spread, unit);
}

static cJSON *targets;

static void
put_target(struct json_build *b, const char *table, const char *name, double measured, double least)
{
	cJSON *o = json_add_object(b, targets);

	json_put_text(b, o, "table", table);
	json_put_text(b, o, "target", name);
	json_put_number(b, o, "measured", measured);
	json_put_text(b, o, "wanted", "at least");
	json_put_number(b, o, "bound", least);
	json_put_bool(b, o, "reached", measured >= least);
	if (measured >= least)
		printf("  target %s, %s: reached, %.3g\n", table, name, measured);
	else
		printf("  target %s, %s: missed by %.0f%%, %.3g\n", table, name, 100 * (1 - measured / least),
			measured);
}

static void
put_table(struct json_build *b, cJSON *to, const struct table *t, size_t reps)
{
	cJSON *table = json_put_object(b, to, t->name);
	double v[MAX_REPS], ratio[N_PROGRAMS];

	json_put_count(b, table, "bytes", t->csv.len);
	json_put_count(b, table, "rows", t->n_rows);
	json_put_count(b, table, "columns", t->n_columns);
	printf("%s: %zu rows, %zu columns, %.1f MB\n", t->name, t->n_rows, t->n_columns, (double)t->csv.len / 1e6);
	for (size_t p = 0; p < N_PROGRAMS; p++) {
		cJSON *program = json_put_object(b, table, program_names[p]);

		printf("  %-8s", program_names[p]);
		for (size_t i = 0; i < reps; i++)
			v[i] = (double)t->csv.len / t->took[p][i].wall;
		put_figure(b, program, "megabytes_per_second", v, reps, 1e-6, "MB/s");
		for (size_t i = 0; i < reps; i++)
			v[i] = t->took[p][i].wall;
		put_figure(b, program, "seconds", v, reps, 1, "s");
		for (size_t i = 0; i < reps; i++)
			v[i] = t->took[p][i].cpu;
		put_figure(b, program, "processor_seconds", v, reps, 1, "s cpu");
		for (size_t i = 0; i < reps; i++)
			v[i] = t->took[p][i].wall / t->took[VERAD][i].wall;
		put_figure(b, program, "ratio", v, reps, 1, "x verad's time");
		printf("\n");
		ratio[p] = quantile(v, reps, 0.5);
	}
	if (!isnan(ratio[FREAD]))
		put_target(b, t->name, "at least as fast as fread", ratio[FREAD], 1);
	if (!isnan(ratio[PANDAS]))
		put_target(b, t->name, "twice as fast as pandas", ratio[PANDAS], 2);
}

static bool
put_memory(struct json_build *b, cJSON *to, const struct daemon *d, struct table *t)
{
	cJSON *memory = json_put_object(b, to, "memory");
	double once, often;
	bool flat;

	peak_memory(d);
	upload(d, t, 1);
	once = peak_memory(d);
	upload(d, t, MEMORY_TIMES);
	often = peak_memory(d);
	flat = often <= 1.1 * once;
	json_put_number(b, memory, "peak_bytes", once);
	json_put_count(b, memory, "times", MEMORY_TIMES);
	json_put_number(b, memory, "peak_bytes_of_that", often);
	json_put_bool(b, memory, "flat", flat);
	printf("peak of the daemon's memory: %.1f MB; of %d times the rows %.1f MB\n", once / 1e6, MEMORY_TIMES,
		often / 1e6);
	put_target(b, t->name, "memory flat, that peak as a share of the other", once / often, 1 / 1.1);
	return flat;
}

int
main(void)
{
	static struct table table[2] = {{.name = "numeric"}, {.name = "kddcup99", .label = "label"}};
	const char *out = getenv("OUT") ? getenv("OUT") : ".", *kdd = getenv("KDD"), *wanted = getenv("REPS");
	const char *python = getenv("PYTHON") && *getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3";
	size_t n_tables = kdd && *kdd ? 2 : 1, reps = wanted && *wanted ? strtoul(wanted, NULL, 10) : 11;
	struct rival rival[N_PROGRAMS];
	struct json_build b = {0};
	cJSON *root = json_object(&b), *versions, *tables;
	char path[512], *text = NULL;
	struct daemon d;
	struct err e;
	FILE *f;
	bool flat;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (reps < 1 || reps > MAX_REPS)
		give_up("REPS is a number from 1 to 101");
	make_numeric(&table[0], out);
	if (n_tables > 1)
		read_table(&table[1], kdd);
	if (!daemon_make(&d) || !daemon_start(&d))
		give_up("the daemon does not start");
	rival_start(&rival[FREAD], "fread", "Rscript", "tests/bench/ingest_fread.R");
	rival_start(&rival[PANDAS], "pandas", python, "tests/bench/ingest_pandas.py");
	for (size_t rep = 0; rep <= reps; rep++) /* the first is not counted */
		for (size_t k = 0; k < n_tables; k++) {
			struct table *t = &table[k];
			size_t at = rep ? rep - 1 : 0;

			t->took[VERAD][at] = upload(&d, t, 1);
			for (size_t p = FREAD; p < N_PROGRAMS; p++)
				t->took[p][at] = rival_read(&rival[p], t);
		}
	versions = json_put_object(&b, root, "versions");
	json_put_text(&b, versions, "data.table", rival[FREAD].pid ? rival[FREAD].version : NULL);
	json_put_text(&b, versions, "pandas", rival[PANDAS].pid ? rival[PANDAS].version : NULL);
	targets = json_put_array(&b, root, "targets");
	tables = json_put_object(&b, root, "tables");
	for (size_t k = 0; k < n_tables; k++)
		put_table(&b, tables, &table[k], reps);
	flat = put_memory(&b, root, &d, &table[0]);
	daemon_stop(&d);
	daemon_remove(&d);
	rival_stop(&rival[FREAD]);
	rival_stop(&rival[PANDAS]);
	snprintf(path, sizeof path, "%s/ingest.json", out);
	if (json_finish(&b, root, &text, &e) || !(f = fopen(path, "w")))
		give_up("the results cannot be written");
	fprintf(f, "%s\n", text);
	fclose(f);
	free(text);
	for (size_t k = 0; k < n_tables; k++)
		buf_release(&table[k].csv);
	if (!flat)
		fprintf(stderr, "bench_ingest: memory grows with the table\n");
	return !flat;
}
