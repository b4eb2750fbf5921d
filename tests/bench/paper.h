/*
 * paper: the paper's experiments, each a list of cells. A cell is one run in a process of its own (runs.h), made of
 * nothing but its two texts: `settings`, words "name=value" that its experiment reads, and `params`, training
 * parameters of the same form that are not to have their defaults. Both are part of what the ledger knows it by, so
 * that whatever they say is what its result belongs to.
 *
 * An experiment plans cells, works one of them, and writes its section of the report from the results that are there:
 * some may have failed. It also states its claims, with what was measured. Thread rule: one thread a process.
 */
#ifndef VERAD_TESTS_BENCH_PAPER_H
#define VERAD_TESTS_BENCH_PAPER_H

#include <stdio.h>

#include "engine/params.h"
#include "server/json_build.h"
#include "tests/bench/pixels.h"
#include "tests/bench/runs.h"

struct cJSON;
struct paper;

enum profile { PROFILE_TINY, PROFILE_QUICK, PROFILE_FULL, N_PROFILES };

struct cell {
	const struct experiment *of;
	char name[96];
	char settings[384], params[384];
	const struct cJSON *result; /* owned by the paper; NULL: failed, or not run */
	char why[160];              /* it failed, if so */
};

struct experiment {
	const char *name, *title;
	enum status (*plan)(struct paper *p, struct err *e);
	enum status (*work)(
		const struct paper *p, const struct cell *c, struct json_build *b, struct cJSON *result, struct err *e);
	void (*report)(const struct paper *p, FILE *out);
	void (*claims)(struct paper *p); /* NULL: none */
};

extern const struct experiment paper_estimator, paper_likelihood, paper_jem, paper_tables, paper_modes;

struct claim {
	const struct experiment *of;
	char says[200], unit[40], measured[400];
	double miss; /* by how much of the unit it was missed: <= 0 reached, NaN not measured, infinite by no number */
};

struct paper {
	enum profile profile;
	struct runs runs;
	struct cell *cell; /* [n_cells], owned */
	size_t n_cells, cap;
	struct claim claim[24];
	size_t n_claims;
	/* Pictures, read once for all cells that need them; n 0: not there. */
	bool has_mnist, has_fashion;
	struct pixels mnist, fashion;
};

#define FASHION_MNIST "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"

/* For plans: of a tiny, quick or full profile. */
#define BY_PROFILE(p, tiny, quick, full)                                                                               \
	((p)->profile == PROFILE_TINY ? (tiny) : (p)->profile == PROFILE_QUICK ? (quick) : (full))

/* Plans one more cell; returns it, for its texts to be filled, or NULL and sets *e. */
struct cell *paper_add(struct paper *p, const struct experiment *of, struct err *e, const char *name, ...)
	__attribute__((format(printf, 4, 5)));

/* A word of the settings: its number, NaN where it is none, or its text (into buf; "" where there is none). */
double cell_number(const struct cell *c, const char *name);
size_t cell_count(const struct cell *c, const char *name); /* 0 where there is none */
const char *cell_text(const struct cell *c, const char *name, char *buf, size_t n);

/* One more claim of an experiment: see struct claim; then what was measured. */
void paper_claim(struct paper *p, const struct experiment *of, double miss, const char *unit, const char *says,
	const char *measured, ...) __attribute__((format(printf, 6, 7)));

double paper_cpu_seconds(void); /* of this process so far */
#endif
