/*
 * bench_paper: the experiments of the paper on this program's engine, and a report of them.
 *
 * Every experiment (paper.h) is a list of cells, which runs.h works off in processes of their own, one thread each;
 * what is in the ledger is not run again. So it may be interrupted, and a larger profile takes over what a smaller one
 * has already run. Times are processor time of one thread. Settings, beside those of runs.h, where DATA may be left
 * out: PROFILE=NAME    quick (a quarter of an hour on two processors), full, or tiny (seconds: does it work?) ONLY="A
 * B"      only these experiments: estimator likelihood jem tables modes ORIGINALS=DIR   where the paper's tables lie in
 * their original form (originals.h) ROWS=N          at most so many rows of each of their files Writes OUT/report.html
 * and a JSON file for each experiment.
 */
#include <cjson/cJSON.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "engine/kernel.h"
#include "server/files.h"
#include "server/json.h"
#include "server/version.h"
#include "tests/bench/originals.h"
#include "tests/bench/page.h"
#include "tests/bench/paper.h"

static const struct experiment *const experiments[] = {
	&paper_estimator, &paper_likelihood, &paper_jem, &paper_tables, &paper_modes};
enum { N_EXPERIMENTS = sizeof experiments / sizeof *experiments };

static const char *const profile_names[N_PROFILES] = {"tiny", "quick", "full"};

/* ---- Cells -------------------------------------------------------------------------------------------------- */

struct cell *
paper_add(struct paper *p, const struct experiment *of, struct err *e, const char *name, ...)
{
	struct cell *c;
	va_list args;

	if (p->n_cells == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;

		if (!(c = realloc(p->cell, cap * sizeof *c))) {
			err_nomem(e);
			return NULL;
		}
		p->cell = c;
		p->cap = cap;
	}
	c = &p->cell[p->n_cells++];
	*c = (struct cell){.of = of};
	va_start(args, name);
	vsnprintf(c->name, sizeof c->name, name, args);
	va_end(args);
	return c;
}

const char *
cell_text(const struct cell *c, const char *name, char *buf, size_t n)
{
	const size_t len = strlen(name);

	*buf = '\0';
	for (const char *at = c->settings; *at; at += strcspn(at, " ")) {
		at += strspn(at, " ");
		if (strncmp(at, name, len) == 0 && at[len] == '=')
			snprintf(buf, n, "%.*s", (int)strcspn(at + len + 1, " "), at + len + 1);
	}
	return buf;
}

double
cell_number(const struct cell *c, const char *name)
{
	char text[64];

	return *cell_text(c, name, text, sizeof text) ? strtod(text, NULL) : (double)NAN;
}

size_t
cell_count(const struct cell *c, const char *name)
{
	double v = cell_number(c, name);

	return v > 0 ? (size_t)v : 0;
}

void
paper_claim(struct paper *p, const struct experiment *of, double miss, const char *unit, const char *says,
	const char *measured, ...)
{
	struct claim *c = &p->claim[p->n_claims];
	va_list args;

	if (p->n_claims == sizeof p->claim / sizeof *p->claim)
		return;
	p->n_claims++;
	c->of = of;
	c->miss = miss;
	snprintf(c->unit, sizeof c->unit, "%s", unit);
	snprintf(c->says, sizeof c->says, "%s", says);
	va_start(args, measured);
	vsnprintf(c->measured, sizeof c->measured, measured, args);
	va_end(args);
}

double
paper_cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum status
work(void *ctx, size_t i, struct json_build *b, cJSON *result, struct err *e)
{
	const struct paper *p = ctx;
	const struct cell *c = &p->cell[i];
	const double start = paper_cpu_seconds();
	enum status s;

	json_put_text(b, result, "settings", c->settings);
	json_put_text(b, result, "params", c->params);
	if ((s = kernel_init(e)) || (s = c->of->work(p, c, b, result, e)))
		return s;
	json_put_number(b, result, "cpu_seconds", paper_cpu_seconds() - start);
	return OK;
}

static void
done(void *ctx, size_t i, const cJSON *result, const char *code, const char *message)
{
	struct paper *p = ctx;
	struct cell *c = &p->cell[i];

	if (result)
		c->result = cJSON_Duplicate(result, true);
	if (!c->result)
		snprintf(c->why, sizeof c->why, "%s (%s)", result ? "out of memory" : message,
			result ? "out_of_memory" : code);
	fprintf(stderr, "  %s: %s%s", c->of->name, c->name, c->result ? "" : ": failed: ");
	if (c->result)
		fprintf(stderr, ", %.1f s\n", result_number(c->result, NULL, "cpu_seconds"));
	else
		fprintf(stderr, "%s\n", c->why);
}

/* ---- The plan ----------------------------------------------------------------------------------------------- */

static bool
chosen(const char *name)
{
	const char *list = getenv("ONLY");
	const size_t len = strlen(name);

	if (!list || !*list)
		return true;
	for (const char *at = list; *at; at += strcspn(at, " ,")) {
		at += strspn(at, " ,");
		if (strncmp(at, name, len) == 0 && strcspn(at, " ,") == len)
			return true;
	}
	return false;
}

static enum status
read_profile(struct paper *p, struct err *e)
{
	const char *name = getenv("PROFILE");

	p->profile = PROFILE_QUICK;
	if (!name || !*name)
		return OK;
	for (size_t i = 0; i < N_PROFILES; i++)
		if (strcmp(name, profile_names[i]) == 0) {
			p->profile = (enum profile)i;
			return OK;
		}
	return err_set(e, ERR_INVALID, "usage", "PROFILE=%.40s: tiny, quick or full is wanted", name);
}

/* Of the cell's texts and of the files that it reads. */
static uint64_t
stamp_of(const struct paper *p, const struct cell *c)
{
	char text[1024];
	const bool fashion = cell_count(c, "pictures") && p->has_fashion;
	int n = snprintf(text, sizeof text, "%s|%s|%s|%d", c->of->name, c->settings, c->params, fashion);
	uint64_t sum[3] = {checksum64(text, (size_t)n)};
	char set[64];

	if (p->runs.data && *cell_text(c, "set", set, sizeof set))
		sum[1] = dataset_stamp(p->runs.data, set);
	for (enum original i = 0; *cell_text(c, "original", set, sizeof set) && i < N_ORIGINALS; i++)
		if (strcmp(set, original_names[i]) == 0)
			sum[2] = original_stamp(getenv("ORIGINALS"), i);
	return checksum64(sum, sizeof sum);
}

/* Pictures are read once, for all cells: the processes of the cells have them from this one. */
static enum status
read_pictures(struct paper *p, const struct run *run, struct err *e)
{
	bool needed = false;
	char set[64];
	enum status s;

	for (size_t i = 0; i < p->n_cells && !needed; i++)
		needed = cell_number(&p->cell[i], "pictures") > 0 &&
			 strcmp(cell_text(&p->cell[i], "set", set, sizeof set), "mnist") == 0 &&
			 !runs_known(&p->runs, &run[i]);
	if (!needed)
		return OK;
	fprintf(stderr, "  reading mnist\n");
	if ((s = pixels_of_set(p->runs.data, "mnist", &p->mnist, e)))
		return s;
	return p->has_fashion ? pixels_of_idx(FASHION_MNIST, 10000, &p->fashion, e) : OK;
}

static bool
has_set(const struct paper *p, const char *set)
{
	return p->runs.data && dataset_has_splits(p->runs.data, set);
}

/* ---- Results ------------------------------------------------------------------------------------------------ */

static enum status
write_results(struct paper *p, const struct experiment *of, struct err *e)
{
	struct json_build b = {0};
	cJSON *root = json_object(&b), *cells;
	char *text = NULL, path[1200];
	enum status s;

	runs_describe(&p->runs, &b, root);
	json_put_text(&b, root, "experiment", of->title);
	json_put_text(&b, root, "profile", profile_names[p->profile]);
	cells = json_put_object(&b, root, "cells");
	for (size_t i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cell[i];

		if (c->of != of)
			continue;
		if (c->result)
			json_put(&b, cells, c->name, cJSON_Duplicate(c->result, true));
		else
			json_put_text(&b, json_put_object(&b, cells, c->name), "failed", c->why);
	}
	snprintf(path, sizeof path, "%s/%s.json", p->runs.out, of->name);
	if (!(s = json_finish(&b, root, &text, e)))
		s = file_replace(path, text, strlen(text), e);
	free(text);
	return s;
}

/* "model name" of the first processor. */
static void
processor_name(char *out, size_t n)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(out, n, "unknown processor");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
			snprintf(out, n, "%s", strchr(line, ':') + 2);
			out[strcspn(out, "\n")] = '\0';
			break;
		}
	if (f)
		fclose(f);
}

static void
write_head(const struct paper *p, FILE *out)
{
	struct utsname system = {0};
	char processor[160], line[1024], date[64] = "";
	time_t now = time(NULL);
	struct tm utc;
	double seconds = 0;
	size_t n_done = 0;

	processor_name(processor, sizeof processor);
	uname(&system);
	if (gmtime_r(&now, &utc))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
	for (size_t i = 0; i < p->n_cells; i++)
		if (p->cell[i].result) {
			n_done++;
			seconds += result_number(p->cell[i].result, NULL, "cpu_seconds");
		}
	snprintf(line, sizeof line,
		"Profile %s, %s. verad %s, build %s, on %s (OpenBLAS kernels %s, %ld processors, %s %s). %zu of %zu "
		"runs are in "
		"this report; they took %.0f s of processor time, each with one thread, now or in an earlier call with "
		"the same "
		"program and settings. All times below are processor time.",
		profile_names[p->profile], date, VERAD_VERSION, p->runs.build, processor, kernel_blas_core(),
		sysconf(_SC_NPROCESSORS_ONLN), system.sysname, system.release, n_done, p->n_cells, seconds);
	fputs("<p>", out);
	page_text(out, line);
	fputs("</p>\n<p>The experiments are those of Grathwohl, Kelly, Hashemi, Norouzi, Swersky and Duvenaud, "
	      "“No MCMC for me: Amortized sampling for fast and stable training of energy-based models”, ICLR 2021, "
	      "run on "
	      "this program’s engine. What a figure is, and how to have it again, is in "
	      "<code>tests/bench/README.md</code>."
	      "</p>\n",
		out);
	if (p->profile != PROFILE_FULL)
		fputs("<p>This is not the full profile: few rows, steps and repetitions. It shows directions, not the "
		      "figures of a paper.</p>\n",
			out);
}

/* Of one experiment with what was measured; of all, in short, without. */
static void
write_claims(const struct paper *p, const struct experiment *of, FILE *out)
{
	for (size_t i = 0; i < p->n_claims; i++) {
		const struct claim *c = &p->claim[i];
		char verdict[96] = "not measured";

		if (of && c->of != of)
			continue;
		if (c->miss <= 0)
			snprintf(verdict, sizeof verdict, "reached");
		else if (isfinite(c->miss))
			snprintf(verdict, sizeof verdict, "missed by %.2g %s", c->miss, c->unit);
		else if (!isnan(c->miss))
			snprintf(verdict, sizeof verdict, "missed");
		page_claim(out, c->says, isnan(c->miss) ? -1 : c->miss <= 0, verdict,
			of && !isnan(c->miss) ? c->measured : "");
	}
}

/* Where the numbers of a section are from. */
static void
write_source(const struct paper *p, const struct experiment *of, FILE *out)
{
	double seconds = 0;
	size_t n = 0;

	for (size_t i = 0; i < p->n_cells; i++)
		if (p->cell[i].of == of && p->cell[i].result) {
			seconds += result_number(p->cell[i].result, NULL, "cpu_seconds");
			n++;
		}
	fprintf(out,
		"<p class=\"source\">Every figure and curve of this section is from %zu runs, %.0f s of processor "
		"time, "
		"whose settings, parameters and results are in <code>%s.json</code>, beside this report; "
		"<code>make paper PROFILE=%s ONLY=%s</code> makes them.</p>\n",
		n, seconds, of->name, profile_names[p->profile], of->name);
}

static void
write_failures(const struct paper *p, FILE *out)
{
	bool begun = false;

	for (size_t i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cell[i];

		if (c->result)
			continue;
		if (!begun)
			fputs("<h2>Runs that failed</h2><ul>\n", out);
		begun = true;
		fputs("<li>", out);
		page_text(out, c->of->name);
		fputs(": ", out);
		page_text(out, c->name);
		fputs(": ", out);
		page_text(out, c->why);
		fputs("</li>\n", out);
	}
	if (begun)
		fputs("</ul>\n", out);
}

static enum status
write_report(struct paper *p, struct err *e)
{
	char *text = NULL, path[1200];
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	enum status s;

	if (!out)
		return err_nomem(e);
	page_begin(out, "verad: the experiments of “No MCMC for me”");
	write_head(p, out);
	for (size_t i = 0; i < N_EXPERIMENTS; i++)
		if (experiments[i]->claims && chosen(experiments[i]->name))
			experiments[i]->claims(p);
	if (p->n_claims)
		fputs("<h2>In short</h2>\n", out);
	write_claims(p, NULL, out);
	for (size_t i = 0; i < N_EXPERIMENTS; i++) {
		if (!chosen(experiments[i]->name))
			continue;
		fprintf(out, "<h2 id=\"%s\">%s</h2>\n<h3>Claim and verdict</h3>\n", experiments[i]->name,
			experiments[i]->title);
		write_claims(p, experiments[i], out);
		fputs("<h3>Setting and result</h3>\n", out);
		experiments[i]->report(p, out);
		write_source(p, experiments[i], out);
	}
	write_failures(p, out);
	page_end(out);
	snprintf(path, sizeof path, "%s/report.html", p->runs.out);
	s = fclose(out) ? err_nomem(e) : file_replace(path, text, n, e);
	if (!s)
		printf("The report is %s\n", path);
	free(text);
	return s;
}

static void
paper_release(struct paper *p)
{
	for (size_t i = 0; i < p->n_cells; i++)
		cJSON_Delete((cJSON *)(uintptr_t)p->cell[i].result);
	free(p->cell);
	pixels_release(&p->mnist);
	pixels_release(&p->fashion);
	runs_close(&p->runs);
}

static enum status
run(struct paper *p, size_t *n_failed, struct err *e)
{
	const struct runs_handler handler = {.work = work, .done = done, .ctx = p};
	struct run *run = NULL;
	enum status s;

	for (size_t i = 0; i < N_EXPERIMENTS; i++)
		if (chosen(experiments[i]->name) && (s = experiments[i]->plan(p, e)))
			return s;
	if (!p->n_cells)
		return err_set(
			e, ERR_INVALID, "usage", "ONLY: none of the experiments is called so, or DATA is needed");
	if (!(run = calloc(p->n_cells, sizeof *run)))
		return err_nomem(e);
	for (size_t i = 0; i < p->n_cells; i++) {
		snprintf(run[i].name, sizeof run[i].name, "%s/%s", p->cell[i].of->name, p->cell[i].name);
		run[i].stamp = stamp_of(p, &p->cell[i]);
	}
	if (!(s = read_pictures(p, run, e)))
		s = runs_do(&p->runs, run, p->n_cells, &handler, e);
	for (size_t i = 0; i < N_EXPERIMENTS && !s; i++)
		if (chosen(experiments[i]->name))
			s = write_results(p, experiments[i], e);
	for (size_t i = 0; i < p->n_cells; i++)
		*n_failed += !p->cell[i].result;
	free(run);
	return s ? s : write_report(p, e);
}

int
main(void)
{
	struct paper p = {0};
	struct err e = {0};
	size_t n_failed = 0;
	enum status s;

	if ((s = read_profile(&p, &e)) || (s = kernel_init(&e)) || (s = runs_open(&p.runs, "paper", false, &e)))
		goto out;
	p.has_mnist = has_set(&p, "mnist");
	p.has_fashion = access(FASHION_MNIST, R_OK) == 0;
	s = run(&p, &n_failed, &e);
	if (!s && n_failed)
		fprintf(stderr, "bench: %zu of %zu runs failed; the report names them\n", n_failed, p.n_cells);
out:
	if (s)
		fprintf(stderr, "bench: %s\n", e.msg);
	paper_release(&p);
	return s || n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
