/*
 * runs: many trainings, each in a process of its own, some at a time; what has been done is not done again.
 *
 * A finished run is a line of a ledger (JSON lines): its name, the parameters, the files and the build it belongs to,
 * its result. A run that the ledger has for the same four is taken from there, so that a benchmark that was interrupted
 * goes on. The build is a checksum of this very program's code and constants: with a changed engine everything is run
 * anew, with changed comments nothing. Failed runs are not in the ledger and are tried again.
 *
 * Settings come from the environment, where make puts its command line's variables:
 *   DATA=FOLDER   the data sets
 *   OUT=FOLDER    ledger and results (made by the Makefile)
 *   SETS="A B"    only these sets
 *   SPLITS=N      at most so many splits of each set
 *   PARAMS="name=value …"  training parameters that are not to have their defaults
 *   JOBS=N        runs at a time (one per processor); results do not depend on it
 *   FRESH=1       takes nothing from the ledger
 *   REUSE=1       takes results of other builds, too
 */
#ifndef VERAD_TESTS_BENCH_RUNS_H
#define VERAD_TESTS_BENCH_RUNS_H

#include "engine/params.h"
#include "server/json_build.h"

struct cJSON;

struct runs {
	const char *data, *out; /* borrowed from the environment; data NULL: not set */
	size_t n_splits;        /* SIZE_MAX: all */
	struct params params;
	char *changed; /* the parameters that are not at their defaults; owned */
	char build[17];
	size_t jobs;
	bool fresh, reuse;
	char ledger[1024];   /* path */
	struct cJSON *known; /* array of the ledger's records that may be taken; owned */
};

/* Reads the settings and the ledger OUT/NAME.jsonl. needs_data: it is an error when DATA is not set. */
enum status runs_open(struct runs *r, const char *name, bool needs_data, struct err *e);
void runs_close(struct runs *r); /* accepts a zeroed struct */
/* The names in SETS, owned (dataset_names_free); NULL without it. */
enum status runs_sets(char ***names, struct err *e);
bool runs_switch(const char *name); /* is the setting there, and neither empty nor 0? */

struct run {
	char name[128];
	uint64_t stamp; /* of the files it reads */
};

struct runs_handler {
	/* In the process of run i: puts the result's members into `result`. */
	enum status (*work)(void *ctx, size_t i, struct json_build *b, struct cJSON *result, struct err *e);
	/* Here, once for each run, as they end: its result, or NULL and the reason. Both are borrowed. */
	void (*done)(void *ctx, size_t i, const struct cJSON *result, const char *code, const char *message);
	void *ctx;
};
bool runs_known(const struct runs *r, const struct run *run); /* is it in the ledger? */
enum status runs_do(struct runs *r, const struct run *run, size_t n, const struct runs_handler *h, struct err *e);

/* Members that say what a result file belongs to: version, build, parameters. */
void runs_describe(const struct runs *r, struct json_build *b, struct cJSON *to);
/* OUT/NAME.json: the tree, which is deleted in any case. Says where it went. */
enum status runs_write(const struct runs *r, const char *name, struct json_build *b, struct cJSON *root, struct err *e);

/*
 * Results: a member `name` of the object `part` within a result, or of the result itself where it has no such part or
 * `part` is NULL; NaN where there is none. (A run whose method is the baseline has no part "baseline": it is its own.)
 */
double result_number(const struct cJSON *result, const char *part, const char *name);

/* A copy into an array that is kept in the order of the results' member "index", whatever the order in which they come:
 * sums are to be the same every time. False: no memory. */
bool results_insert(struct cJSON *results, const struct cJSON *result);
double results_mean(const struct cJSON *results, const char *part, const char *name);
double results_deviation(const struct cJSON *results, const char *part, const char *name);

#endif
