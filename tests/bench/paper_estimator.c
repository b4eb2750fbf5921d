/*
 * paper_estimator: how far the estimates of the entropy's gradient, c for -grad_x log q(x), are from the truth.
 *
 * With a linear generator the truth is exact (engine/linear_gaussian), and so are draws from the posterior of the
 * noise: rows x stay fixed, and every repetition draws the h0 that might have made them and the estimator's own noise,
 * as training does. The mean error over the repetitions is the bias; its expected square under no bias, the variance
 * over their number, is taken off. With a generator of two hidden layers the truth is a long Hamiltonian chain.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cholesky.h"
#include "engine/hmc.h"
#include "engine/kernel.h"
#include "engine/linear_gaussian.h"
#include "engine/posterior.h"
#include "server/json.h"
#include "tests/bench/page.h"
#include "tests/bench/paper.h"
#include "tests/bench/plot.h"

enum {
	COPIES = 16, /* repetitions of a row in one batch */
	FIT_STEPS = 400,
	ADAPT_STEPS = 60,    /* of HMC's step size */
	AVERAGE_STEPS = 600, /* of Gauss-Newton's metric */
	WIDTH = 64,          /* of hidden layers */
	MAX_CELLS = 64
};
#define SIGMA 0.3

/* ---- A run -------------------------------------------------------------------------------------------------- */

struct trial {
	size_t z, d, n, samples;         /* n rows in a batch */
	bool linear, hmc, newton, alone; /* alone: h0 itself is the one sample */
	double eta;                      /* 0: fitted */
	struct generator_shape shape;
	struct generator g;
	struct hmc hmc_room;
	struct posterior posterior;
	struct rng rng;
	real *block, *w, *log_eta, *moment, *gradient;
	real log_step;
	double eta_mean;
};

static enum status
trial_init(struct trial *t, const struct cell *c, size_t n, struct err *e)
{
	char word[32];

	t->z = cell_count(c, "z");
	t->d = cell_count(c, "d");
	t->n = n;
	t->samples = cell_count(c, "samples");
	t->linear = strcmp(cell_text(c, "generator", word, sizeof word), "linear") == 0;
	t->hmc = strcmp(cell_text(c, "estimator", word, sizeof word), "hmc") == 0;
	t->newton = strcmp(word, "gauss_newton") == 0;
	t->alone = strcmp(word, "h0") == 0;
	t->eta = cell_count(c, "fitted") ? 0 : POSTERIOR_START;
	t->shape = (struct generator_shape){.noise_dim = t->z, .n_out = t->d};
	if (!t->linear)
		t->shape.hidden = (struct layer_sizes){.n = 2, .size = {WIDTH, WIDTH}};
	t->log_step = (real)log(HMC_START_STEP);
	rng_init(&t->rng, cell_count(c, "seed"), 0);
	for (int laid = 0; laid < 2; laid++) {
		struct arena arena = {.block = t->block};

		t->w = arena_take(&arena, generator_size(&t->shape));
		t->log_eta = arena_take(&arena, t->z);
		t->moment = arena_take(&arena, t->z);
		t->gradient = arena_take(&arena, t->z);
		generator_workspace(&t->g, &t->shape, n, t->samples > 1 ? t->samples : 1, &arena);
		hmc_workspace(&t->hmc_room, &t->shape, n, &arena);
		posterior_layout(&t->posterior, &t->shape, n, &arena, &arena);
		if (!laid && !(t->block = aligned_alloc(64, arena.used * sizeof *t->block)))
			return err_nomem(e);
		if (!laid)
			memset(t->block, 0, arena.used * sizeof *t->block);
	}
	posterior_init(&t->posterior);
	generator_init(&t->shape, t->w, SIGMA, &t->rng);
	if (t->linear) { /* columns of about unit length, whatever Z */
		rng_normal(&t->rng, t->w, t->d * t->z);
		for (size_t i = 0; i < t->d * t->z; i++)
			t->w[i] *= (real)sqrt(1 / (double)t->z);
	}
	return OK;
}

/* The scales of the proposal, by the ascent that training makes; of Gauss-Newton the average. */
static void
fit_proposal(struct trial *t)
{
	for (size_t i = 1; t->newton && i <= AVERAGE_STEPS; i++) {
		generator_draw(&t->g, &t->rng);
		generator_sample(&t->g, t->w, 1);
		posterior_score(&t->posterior, &t->g, t->w, i, 1);
	}
	for (size_t j = 0; j < t->z; j++)
		t->log_eta[j] = (real)log(POSTERIOR_START);
	for (size_t i = 1; !t->eta && !t->hmc && !t->newton && !t->alone && i <= FIT_STEPS; i++) {
		/* The rate of training, then smaller ones, so that it comes to rest. */
		real rate = (real)(0.02 * (i > FIT_STEPS / 2 ? 0.1 : 1));

		generator_draw(&t->g, &t->rng);
		generator_sample(&t->g, t->w, 1);
		generator_posterior_gradient(&t->g, t->w, t->log_eta, t->gradient, 1);
		kernel_adam(t->log_eta, t->moment, NULL, t->gradient, t->z, rate, (real)0.9,
			(real)(1 - pow(0.9, (double)i)), (real)1e-8, 0, 1);
	}
	for (size_t j = 0; j < t->z; j++)
		t->eta_mean += exp((double)t->log_eta[j]) / (double)t->z;
}

static void
score_alone(struct trial *t)
{
	const real precision = (real)(1 / (SIGMA * SIGMA));

	/* The mean of x given h0, without touching x. */
	kernel_affine(t->g.sample.g, t->g.sample.h, t->w + generator_weights_at(&t->shape, 0),
		t->w + generator_bias_at(&t->shape), t->n, t->d, t->z, ACTIVATION_NONE, 1);
	for (size_t i = 0; i < t->n * t->d; i++)
		t->g.score[i] = (t->g.x[i] - t->g.sample.g[i]) * precision;
}

/* x as h0 and the noise that belongs to it make it: the passes that Gauss-Newton goes back through. */
static void
remake(struct trial *t)
{
	score_alone(t);
	for (size_t i = 0; i < t->n * t->d; i++)
		t->g.eps_x[i] = t->g.score[i] * (real)SIGMA;
	generator_sample(&t->g, t->w, 1);
}

/* c of every row of the batch into g.score. */
static void
estimate(struct trial *t)
{
	const struct hmc_settings settings = {.leapfrog_steps = 5, .burn_in = 2, .samples = t->samples};

	if (t->hmc) {
		hmc_score(&t->hmc_room, &t->g, t->w, &t->log_step, &settings, &t->rng, 1);
	} else if (t->newton) {
		posterior_score(&t->posterior, &t->g, t->w, AVERAGE_STEPS + 1, 1);
	} else if (t->alone) {
		score_alone(t);
	} else {
		rng_normal(&t->rng, t->g.eps_importance, t->samples * t->n * t->z);
		generator_score(&t->g, t->w, t->log_eta, 1);
	}
}

/* 1 / sum of squared weights, mean over the rows; NaN where there are none. */
static double
effective_samples(const struct trial *t)
{
	double sum = 0;

	if (t->hmc || t->newton || t->alone)
		return (double)NAN;
	for (size_t i = 0; i < t->n; i++) {
		double squares = 0;

		for (size_t s = 0; s < t->samples; s++)
			squares += (double)t->g.weight[s * t->n + i] * (double)t->g.weight[s * t->n + i];
		sum += 1 / squares;
	}
	return sum / (double)t->n;
}

/* ---- The linear generator ----------------------------------------------------------------------------------- */

struct truth {
	struct linear_gaussian *model;
	double *mean;          /* [rows][z] of the posterior */
	double *score;         /* [rows][d] -grad log q */
	double *factor;        /* [z][z], lower: of the posterior's covariance */
	double *sum, *squares; /* [rows][d]: of errors */
	double *w, *mu;
};

static void
truth_release(struct truth *u)
{
	linear_gaussian_free(u->model);
	free(u->mean);
	free(u->score);
	free(u->factor);
	free(u->sum);
	free(u->squares);
	free(u->w);
	free(u->mu);
}

/* Rows that the generator makes, and all that is known of them. */
static enum status
truth_init(struct truth *u, struct trial *t, size_t rows, struct err *e)
{
	const size_t z = t->z, d = t->d;
	double *x = calloc(d, sizeof *x);
	enum status s;

	u->w = calloc(d * z, sizeof *u->w);
	u->mu = calloc(d, sizeof *u->mu);
	u->mean = calloc(rows * z, sizeof *u->mean);
	u->score = calloc(rows * d, sizeof *u->score);
	u->sum = calloc(rows * d, sizeof *u->sum);
	u->squares = calloc(rows * d, sizeof *u->squares);
	u->factor = calloc(z * z, sizeof *u->factor);
	if (!x || !u->w || !u->mu || !u->mean || !u->score || !u->sum || !u->squares || !u->factor) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < d * z; i++)
		u->w[i] = (double)t->w[i];
	for (size_t i = 0; i < d; i++)
		u->mu[i] = (double)t->w[generator_bias_at(&t->shape) + i];
	if ((s = linear_gaussian_new(u->w, u->mu, generator_sigma(&t->shape, t->w), d, z, &u->model, e)))
		goto out;
	linear_gaussian_posterior_covariance(u->model, u->factor);
	cholesky_factorise(u->factor, z);
	generator_draw(&t->g, &t->rng);
	generator_sample(&t->g, t->w, 1);
	for (size_t i = 0; i < rows; i++) {
		for (size_t j = 0; j < d; j++)
			x[j] = (double)t->g.x[i * d + j];
		linear_gaussian_log_density(u->model, x, u->mean + i * z, u->score + i * d);
		for (size_t j = 0; j < d; j++)
			u->score[i * d + j] *= -1;
	}
	/* Every row COPIES times, behind one another. */
	for (size_t k = 1; k < COPIES; k++)
		memcpy(t->g.x + k * rows * d, t->g.x, rows * d * sizeof *t->g.x);
out:
	free(x);
	return s;
}

/* h0 of every copy from its row's posterior. */
static void
draw_posterior(const struct truth *u, struct trial *t, size_t rows)
{
	const size_t z = t->z;

	rng_normal(&t->rng, t->g.sample.h, t->n * z);
	for (size_t i = 0; i < t->n; i++) {
		real *h = t->g.sample.h + i * z;

		for (size_t j = z; j-- > 0;) {
			double v = u->mean[i % rows * z + j];

			for (size_t k = 0; k <= j; k++)
				v += u->factor[j * z + k] * (double)h[k];
			h[j] = (real)v;
		}
	}
}

static void
put_errors(const struct truth *u, const struct trial *t, size_t rows, double repetitions, struct json_build *b,
	cJSON *result)
{
	double size = 0, square = 0, bias = 0, bias2 = 0, variance = 0, n = (double)rows;

	for (size_t i = 0; i < rows; i++) {
		double own = 0;

		for (size_t j = i * t->d; j < (i + 1) * t->d; j++) {
			double mean = u->sum[j] / repetitions;
			double var = (u->squares[j] - repetitions * mean * mean) / (repetitions - 1);

			own += mean * mean - var / repetitions;
			variance += var;
			square += u->squares[j] / repetitions;
			size += u->score[j] * u->score[j];
		}
		bias += own / n;
		bias2 += own * own / n;
	}
	size /= n;
	/* All as shares of the mean squared length of the true score. */
	json_put_number(b, result, "bias2", bias / size);
	json_put_number(b, result, "bias2_se", sqrt((bias2 - bias * bias) / (n - 1)) / size);
	json_put_number(b, result, "variance", variance / n / size);
	json_put_number(b, result, "error", sqrt(square / n / size));
}

static enum status
work_linear(struct trial *t, const struct cell *c, struct json_build *b, cJSON *result, struct err *e)
{
	const size_t rows = cell_count(c, "rows"), rounds = cell_count(c, "repetitions") / COPIES;
	struct truth u = {0};
	double seconds = 0, effective = 0;
	enum status s;

	fit_proposal(t);
	if ((s = truth_init(&u, t, rows, e)))
		goto out;
	for (size_t k = 0; t->hmc && k < ADAPT_STEPS; k++) {
		draw_posterior(&u, t, rows);
		estimate(t);
	}
	for (size_t k = 0; k < rounds; k++) {
		double start;

		draw_posterior(&u, t, rows);
		if (t->newton)
			remake(t);
		start = paper_cpu_seconds();
		estimate(t);
		seconds += paper_cpu_seconds() - start;
		effective += effective_samples(t) / (double)rounds;
		for (size_t i = 0; i < t->n * t->d; i++) {
			const size_t at = i % (rows * t->d);
			const double error = (double)t->g.score[i] - u.score[at];

			u.sum[at] += error;
			u.squares[at] += error * error;
		}
	}
	put_errors(&u, t, rows, (double)(rounds * COPIES), b, result);
	json_put_number(b, result, "effective_samples", effective);
	json_put_number(b, result, "eta", t->eta_mean);
	json_put_number(b, result, "microseconds", 1e6 * seconds / (double)(rounds * t->n));
out:
	truth_release(&u);
	return s;
}

/* ---- A generator with hidden layers ------------------------------------------------------------------------- */

static enum status
work_deep(struct trial *t, const struct cell *c, struct json_build *b, cJSON *result, struct err *e)
{
	const size_t n_cells = t->n * t->d, rounds = cell_count(c, "repetitions");
	const struct hmc_settings chain = {.leapfrog_steps = 5, .burn_in = 100, .samples = cell_count(c, "truth")};
	double *truth = calloc(n_cells, sizeof *truth), size = 0, along = 0, square = 0, seconds = 0, effective = 0;
	real log_step = (real)log(HMC_START_STEP);

	if (!truth)
		return err_nomem(e);
	fit_proposal(t);
	generator_draw(&t->g, &t->rng);
	generator_sample(&t->g, t->w, 1);
	hmc_score(&t->hmc_room, &t->g, t->w, &log_step, &chain, &t->rng, 1);
	for (size_t i = 0; i < n_cells; i++) {
		truth[i] = (double)t->g.score[i];
		size += truth[i] * truth[i];
	}
	t->log_step = log_step;
	for (size_t k = 0; k < rounds; k++) {
		double start = paper_cpu_seconds();

		estimate(t);
		seconds += paper_cpu_seconds() - start;
		effective += effective_samples(t) / (double)rounds;
		for (size_t i = 0; i < n_cells; i++) {
			along += (double)t->g.score[i] * truth[i];
			square += ((double)t->g.score[i] - truth[i]) * ((double)t->g.score[i] - truth[i]);
		}
	}
	json_put_number(b, result, "slope", along / size / (double)rounds);
	json_put_number(b, result, "error", sqrt(square / size / (double)rounds));
	json_put_number(b, result, "effective_samples", effective);
	json_put_number(b, result, "eta", t->eta_mean);
	json_put_number(b, result, "microseconds", 1e6 * seconds / (double)(rounds * t->n));
	free(truth);
	return OK;
}

static enum status
work(const struct paper *p, const struct cell *c, struct json_build *b, cJSON *result, struct err *e)
{
	const bool linear = !cell_count(c, "truth");
	struct trial t = {0};
	enum status s;

	(void)p;
	if (!(s = trial_init(&t, c, cell_count(c, "rows") * (linear ? COPIES : 1), e)))
		s = linear ? work_linear(&t, c, b, result, e) : work_deep(&t, c, b, result, e);
	free(t.block);
	return s;
}

/* ---- The plan ----------------------------------------------------------------------------------------------- */

struct variant {
	const char *estimator, *name;
	size_t samples;
	bool fitted;
	enum profile from; /* the smallest profile that has it */
};

static const struct variant variants[] = {
	{"h0", "h0 alone", 1, false, PROFILE_TINY},
	{"vera", "VERA", 1, true, PROFILE_QUICK},
	{"vera", "VERA", 4, true, PROFILE_TINY},
	{"vera", "VERA", 20, true, PROFILE_QUICK},
	{"vera", "VERA", 64, true, PROFILE_TINY},
	{"vera", "VERA", 256, true, PROFILE_QUICK},
	{"vera", "VERA", 1024, true, PROFILE_QUICK},
	{"vera", "VERA, eta 0.1", 20, false, PROFILE_QUICK},
	{"vera", "VERA, eta 0.1", 256, false, PROFILE_QUICK},
	{"gauss_newton", "Gauss-Newton", 0, false, PROFILE_TINY},
	{"hmc", "HMC", 2, false, PROFILE_TINY},
	{"hmc", "HMC", 20, false, PROFILE_QUICK},
};
static const size_t sizes[][2] = {{2, 4}, {4, 8}, {8, 16}, {16, 64}, {32, 128}};
enum { N_VARIANTS = sizeof variants / sizeof *variants, N_SIZES = sizeof sizes / sizeof *sizes };

static enum status
plan(struct paper *p, struct err *e)
{
	const size_t n_sizes = BY_PROFILE(p, 1, N_SIZES, N_SIZES);
	struct cell *c;

	for (int deep = 0; deep < 2; deep++)
		for (size_t i = deep ? n_sizes > 2 ? 2 : 0 : 0; i < (deep ? n_sizes > 3 ? 4 : n_sizes : n_sizes); i++)
			for (size_t v = 0; v < N_VARIANTS; v++) {
				const struct variant *a = &variants[v];

				if (p->profile < a->from || (deep && strcmp(a->estimator, "h0") == 0))
					continue;
				if (!(c = paper_add(p, &paper_estimator, e, "%s Z %zu D %zu %s S %zu",
					      deep ? "deep" : "linear", sizes[i][0], sizes[i][1], a->name, a->samples)))
					return e->status;
				snprintf(c->settings, sizeof c->settings,
					"generator=%s z=%zu d=%zu estimator=%s samples=%zu fitted=%d rows=%d "
					"repetitions=%d "
					"seed=1%s",
					deep ? "deep" : "linear", sizes[i][0], sizes[i][1], a->estimator, a->samples,
					a->fitted, deep ? 64 : BY_PROFILE(p, 8, 16, 32),
					deep ? BY_PROFILE(p, 4, 50, 200) : BY_PROFILE(p, 64, 1600, 16000),
					!deep                        ? ""
					: p->profile == PROFILE_TINY ? " truth=20"
					: p->profile == PROFILE_FULL ? " truth=10000"
								     : " truth=2000");
			}
	return OK;
}

/* ---- The report --------------------------------------------------------------------------------------------- */

static const struct cell *
find(const struct paper *p, bool deep, size_t z, const struct variant *v)
{
	char word[32];

	for (size_t i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cell[i];

		if (c->of == &paper_estimator && c->result && cell_count(c, "z") == z &&
			cell_count(c, "samples") == v->samples && (cell_count(c, "fitted") == 1) == v->fitted &&
			(cell_count(c, "truth") > 0) == deep &&
			strcmp(cell_text(c, "estimator", word, sizeof word), v->estimator) == 0)
			return c;
	}
	return NULL;
}

static void
add_point(struct plot_series *s, double x, double y)
{
	if (s->n < PLOT_MAX_POINTS && y > 0)
		s->point[s->n++] = (struct plot_point){x, y, y, y};
}

/* Error over S, one curve for each size; and over time, one for each estimator, at the largest size. */
static void
plot_errors(const struct paper *p, FILE *out)
{
	static const char *const kinds[][2] = {
		{"vera", "VERA, fitted"}, {"gauss_newton", "Gauss-Newton"}, {"hmc", "HMC"}};
	static char name[N_SIZES][32];
	struct plot_panel samples = {.title = "Error of VERA, proposal fitted",
				  .x_label = "importance samples S",
				  .y_label = "error / |score|"},
			  time = {.title = "Error and time",
				  .x_label = "microseconds a row",
				  .y_label = "error / |score|"};
	size_t largest = 0;

	for (size_t i = 0; i < N_SIZES; i++) {
		struct plot_series *r = &samples.series[samples.n_series++];

		snprintf(name[i], sizeof name[i], "Z %zu, D %zu", sizes[i][0], sizes[i][1]);
		r->name = name[i];
		for (size_t v = 0; v < N_VARIANTS; v++) {
			const struct cell *c;

			if (!variants[v].fitted || !(c = find(p, false, sizes[i][0], &variants[v])))
				continue;
			add_point(r, (double)variants[v].samples, result_number(c->result, NULL, "error"));
			largest = i;
		}
	}
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		struct plot_series *r = &time.series[time.n_series++];

		r->name = kinds[k][1];
		for (size_t v = 0; v < N_VARIANTS; v++) {
			const struct cell *c;

			if (strcmp(variants[v].estimator, kinds[k][0]) == 0 && variants[v].fitted == (k == 0) &&
				(c = find(p, false, sizes[largest][0], &variants[v])))
				add_point(r, result_number(c->result, NULL, "microseconds"),
					fmax(1e-4, result_number(c->result, NULL, "error")));
		}
	}
	page_figures(out, 0);
	plot_inline(out, &samples);
	plot_inline(out, &time);
	page_figures_end(out, "Linear generator: root of the mean squared distance to the exact score (“error” of the "
			      "cells “linear …”). "
			      "Right: the largest size, over “microseconds”.");
}

/* The error of each variant at each size, linear generator. */
static void
write_errors(const struct paper *p, FILE *out)
{
	static char text[N_SIZES][32];
	const char *heads[N_SIZES + 3] = {"estimate", "S"};

	for (size_t i = 0; i < N_SIZES; i++) {
		snprintf(text[i], sizeof text[i], "Z %zu, D %zu", sizes[i][0], sizes[i][1]);
		heads[i + 2] = text[i];
	}
	page_table(out, "Error, as a share of |score|: linear generator, σ 0.3, against the exact score", heads, 1);
	for (size_t v = 0; v < N_VARIANTS; v++) {
		if (!find(p, false, sizes[0][0], &variants[v]))
			continue;
		page_row(out);
		page_name(out, variants[v].name);
		page_number(out, 0, variants[v].samples ? (double)variants[v].samples : (double)NAN);
		for (size_t i = 0; i < N_SIZES; i++) {
			const struct cell *c = find(p, false, sizes[i][0], &variants[v]);

			page_number(out, 3, c ? result_number(c->result, NULL, "error") : (double)NAN);
		}
		page_row_end(out);
	}
	page_table_end(out);
}

/* Of the linear or the deep generator, a row for each run. */
static void
write_runs(const struct paper *p, bool deep, FILE *out)
{
	static const char *const of_linear[] = {"estimate", "Z", "D", "S", "bias², 10⁻⁴ |score|²", "variance, |score|²",
		"error, |score|", "effective samples", "µs a row", NULL},
				 *const of_deep[] = {"estimate", "Z", "D", "S", "slope on the truth", "error, |score|",
					 "effective samples", "µs a row", NULL};

	page_table(out,
		deep ? "Generator of two hidden layers of 64, against a long Hamiltonian chain"
		     : "Linear generator, all figures (± one standard error over the rows)",
		deep ? of_deep : of_linear, 1);
	for (size_t i = 0; i < N_SIZES; i++)
		for (size_t v = 0; v < N_VARIANTS; v++) {
			const struct cell *c = find(p, deep, sizes[i][0], &variants[v]);

			if (!c)
				continue;
			page_row(out);
			page_name(out, variants[v].name);
			page_number(out, 0, (double)sizes[i][0]);
			page_number(out, 0, (double)sizes[i][1]);
			page_number(out, 0, variants[v].samples ? (double)variants[v].samples : (double)NAN);
			if (deep) {
				page_number(out, 3, result_number(c->result, NULL, "slope"));
			} else {
				page_with_error(out, 2, 1e4 * result_number(c->result, NULL, "bias2"),
					1e4 * result_number(c->result, NULL, "bias2_se"));
				page_number(out, 3, result_number(c->result, NULL, "variance"));
			}
			page_number(out, 3, result_number(c->result, NULL, "error"));
			page_number(out, 1, result_number(c->result, NULL, "effective_samples"));
			page_number(out, 1, result_number(c->result, NULL, "microseconds"));
			page_row_end(out);
		}
	page_table_end(out);
}

static void
report(const struct paper *p, FILE *out)
{
	fputs("<p>The estimate <i>c</i> of the score −∇<sub>x</sub> log <i>q</i>(<i>x</i>), from which the gradient of "
	      "the generator’s entropy follows. “h0 alone” is (x − g(h<sub>0</sub>))/σ² with the noise that made the "
	      "row: without bias, and the variance that all others have to beat. VERA’s proposal is a Gaussian around "
	      "h<sub>0</sub>, with diagonal scales: fitted as in training, or 0.1, where training starts. HMC: 5 "
	      "leapfrog steps, 2 transitions of burn-in. Gauss-Newton (<code>posterior=gauss_newton</code>) takes no "
	      "samples.</p>\n",
		out);
	plot_errors(p, out);
	write_errors(p, out);
	page_more(out, "All runs with the linear generator: bias, variance, effective samples, time");
	write_runs(p, false, out);
	page_more_end(out);
	write_runs(p, true, out);
	fputs("<p><small>The slope is that of the estimate on the truth over all rows: 1 without bias. VERA’s "
	      "posterior "
	      "pass normalises over its own batch, the chain’s over the batch that made the rows: what is left of its "
	      "bias with many samples is due to that, too.</small></p>\n",
		out);
}

/* How many standard errors above 0 the squared bias is, over all sizes that the variant was run on. */
static double
above_zero(const struct paper *p, const struct variant *v, char *text, size_t n_text)
{
	double sum = 0;
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; i < N_SIZES; i++) {
		const struct cell *c = find(p, false, sizes[i][0], v);
		const size_t len = strlen(text);
		double bias, se;

		if (!c)
			continue;
		bias = result_number(c->result, NULL, "bias2");
		se = result_number(c->result, NULL, "bias2_se");
		sum += bias / se;
		n++;
		snprintf(text + len, n_text - len, "%sZ %zu: %s%.2f ± %.2f", len ? "; " : "", sizes[i][0],
			bias < -5e-7 ? "−" : "", 1e4 * fabs(bias), 1e4 * se);
	}
	return n ? sum / sqrt((double)n) : (double)NAN;
}

static void
claims(struct paper *p)
{
	const struct variant most = {.estimator = "vera",
				     .samples = p->profile == PROFILE_TINY ? 64 : 1024,
				     .fitted = true},
			     few = {.estimator = "vera", .samples = 4, .fitted = true},
			     hmc = {.estimator = "hmc", .samples = 2};
	char text[300];
	double above = above_zero(p, &most, text, sizeof text);
	bool falls = true;

	for (size_t i = 0; i < N_SIZES; i++) {
		const struct cell *c = find(p, false, sizes[i][0], &most), *f = find(p, false, sizes[i][0], &few);

		falls = falls &&
			(!c || !f || result_number(c->result, NULL, "error") < result_number(f->result, NULL, "error"));
	}
	paper_claim(p, &paper_estimator, falls ? above - 2 : (double)INFINITY, "standard errors",
		"Linear generator: VERA is unbiased, by two standard errors at most, and its error falls as S grows",
		"S %zu, bias² in 10⁻⁴ of |score|²: %s. Together %.1f standard errors above 0", most.samples, text,
		above);
	above = above_zero(p, &hmc, text, sizeof text);
	paper_claim(p, &paper_estimator, above - 2, "standard errors",
		"Linear generator: the Hamiltonian variant agrees with the exact score, by two standard errors at most",
		"bias² in 10⁻⁴ of |score|²: %s. Together %.1f standard errors above 0", text, above);
}

const struct experiment paper_estimator = {
	.name = "estimator",
	.title = "1. The estimator of the entropy’s gradient",
	.plan = plan,
	.work = work,
	.report = report,
	.claims = claims,
};
