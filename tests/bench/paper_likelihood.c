/*
 * paper_likelihood: densities whose normaliser is known, trained as if it were not, and then scored exactly: principal
 * components, mixtures of the plane and of six columns, and a flow on handwritten digits; by maximum likelihood, which
 * is the bound, by VERA as this program has it by default, by plain VERA with two estimators, by sliced score matching,
 * and by persistent Langevin chains. The test log-likelihood is followed over the steps, so that all can be compared at
 * equal time.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "server/json.h"
#include "tests/bench/page.h"
#include "tests/bench/paper.h"
#include "tests/bench/plot.h"
#include "tests/bench/protocol.h"
#include "tests/bench/stepper.h"
#include "tests/bench/toys.h"

enum { SIDE = 64, AT_ONCE = 250, PPCA_WIDE = 8, PPCA_DIRECTIONS = 3, SIX = 6, SIX_PARTS = 5, WORD = 32 };

static const char *const targets[] = {"ppca", "clouds", "ring", "six", "mnist"};
static const char *const target_names[] = {"principal components, D 8, Z 3", "mixture, 8 clouds that touch",
	"mixture, 8 modes far apart", "mixture of 5 in 6 columns", "NICE on mnist"};
static const char *const objectives[] = {
	"maximum_likelihood", "vera", "vera_plain", "vera_hmc", "score_matching", "sgld"};
static const char *const objective_names[] = {
	"maximum likelihood", "VERA", "plain VERA", "VERA-HMC", "sliced score matching", "persistent SGLD"};
enum { N_TARGETS = sizeof targets / sizeof *targets, N_OBJECTIVES_RUN = sizeof objectives / sizeof *objectives };
enum { TARGET_SIX = 3, TARGET_MNIST = 4, BY_LIKELIHOOD = 0, BY_VERA = 1, BY_PLAIN = 2, BY_SCORES = 4, BY_SGLD = 5 };

#define EDGE 1e-6 /* of pixels, see picture_rows */
#define SHRINK 4

/* ---- Data --------------------------------------------------------------------------------------------------- */

/* x = W h + 0.3 e, W fixed. */
static enum status
ppca_rows(uint64_t seed, size_t n, struct rows *rows, struct err *e)
{
	real w[PPCA_WIDE * PPCA_DIRECTIONS], h[PPCA_DIRECTIONS], noise[PPCA_WIDE];
	struct rng rng;
	enum status s;

	if ((s = rows_init(rows, n, PPCA_WIDE, 0, NULL, e)))
		return s;
	rng_init(&rng, 1, 0);
	rng_normal(&rng, w, PPCA_WIDE * PPCA_DIRECTIONS);
	rng_init(&rng, seed, 1);
	for (size_t i = 0; i < n; i++) {
		rng_normal(&rng, h, PPCA_DIRECTIONS);
		rng_normal(&rng, noise, PPCA_WIDE);
		for (size_t j = 0; j < PPCA_WIDE; j++)
			rows->dense[i * PPCA_WIDE + j] = (float)(0.3 * (double)noise[j] +
								 kernel_dot(
									 w + j * PPCA_DIRECTIONS, h, PPCA_DIRECTIONS));
	}
	return OK;
}

/* Even shares of Gaussians whose means and deviations, 0.2 to 0.6, are fixed. */
static enum status
six_rows(uint64_t seed, size_t n, struct rows *rows, struct err *e)
{
	real mean[SIX_PARTS * SIX], sd[SIX_PARTS * SIX], noise[SIX];
	struct rng rng;
	uint32_t part;
	enum status s;

	if ((s = rows_init(rows, n, SIX, 0, NULL, e)))
		return s;
	rng_init(&rng, 1, 0);
	rng_normal(&rng, mean, SIX_PARTS * SIX);
	rng_uniform(&rng, sd, SIX_PARTS * SIX);
	rng_init(&rng, seed, 1);
	for (size_t i = 0; i < n; i++) {
		rng_below(&rng, SIX_PARTS, &part, 1);
		rng_normal(&rng, noise, SIX);
		for (size_t j = 0; j < SIX; j++)
			rows->dense[i * SIX + j] = (float)((double)mean[part * SIX + j] +
							   (0.2 + 0.4 * (double)sd[part * SIX + j]) * (double)noise[j]);
	}
	return OK;
}

/*
 * Pictures from `first` on, `pool` by `pool` pixels made one, taken to the whole line as the literature on flows does:
 * with uniform noise of one grey level, here drawn once for each row, and by the logit of EDGE + (1 - 2 EDGE) v, v in
 * [0, 1). That has a deviation of up to 6; a SHRINK-th of it is learned, as rates are for columns of about 1.
 */
static enum status
picture_rows(const struct pixels *p, size_t first, size_t n, size_t pool, struct rows *rows, struct err *e)
{
	const size_t side = (size_t)sqrt((double)p->d), small = side / pool, d = small * small;
	struct rng rng;
	real *draw = malloc(d * sizeof *draw);
	enum status s = draw ? OK : err_nomem(e);

	n = first + n <= p->n ? n : p->n - first;
	if (s || (s = rows_init(rows, n, d, 0, NULL, e)))
		goto out;
	rng_init(&rng, first, 2);
	for (size_t i = 0; i < n; i++) {
		rng_uniform(&rng, draw, d);
		for (size_t at = 0; at < d; at++) {
			double sum = 0, v;

			for (size_t k = 0; k < pool * pool; k++)
				sum += p->value[(first + i) * p->d + (at / small * pool + k / pool) * side +
						at % small * pool + k % pool];
			v = EDGE + (1 - 2 * EDGE) * (sum / (double)(pool * pool) + (double)draw[at]) / 256;
			rows->dense[i * d + at] = (float)(log(v / (1 - v)) / SHRINK);
		}
	}
out:
	free(draw);
	return s;
}

static enum status
load(const struct paper *p, const struct cell *c, struct rows *train, struct rows *test, struct err *e)
{
	const size_t n = cell_count(c, "rows"), n_test = cell_count(c, "test"), pool = cell_count(c, "pool");
	struct toy toy;
	char target[WORD];
	enum status s;

	cell_text(c, "target", target, sizeof target);
	if (strcmp(target, "ppca") == 0) {
		if (!(s = ppca_rows(1, n, train, e)))
			s = ppca_rows(2, n_test, test, e);
	} else if (strcmp(target, "six") == 0) {
		if (!(s = six_rows(1, n, train, e)))
			s = six_rows(2, n_test, test, e);
	} else if (strcmp(target, "mnist") != 0) {
		toy = toy_of(target);
		if (!(s = toy_rows(&toy, 1, n, train, e)))
			s = toy_rows(&toy, 2, n_test, test, e);
	} else {
		const size_t end = p->mnist.n_train ? p->mnist.n_train : p->mnist.n * 6 / 7;

		if (!(s = picture_rows(&p->mnist, 0, n < end ? n : end, pool, train, e)))
			s = picture_rows(&p->mnist, end, n_test, pool, test, e);
	}
	return s;
}

/* ---- A run -------------------------------------------------------------------------------------------------- */

struct scorer { /* a workspace for exact log-densities */
	struct density density;
	real *block;
};

static enum status
scorer_init(struct scorer *s, const struct density_shape *shape, struct err *e)
{
	struct arena arena = {0};

	density_workspace(&s->density, shape, AT_ONCE, 0, &arena);
	if (!(s->block = aligned_alloc(64, arena.used * sizeof *s->block)))
		return err_nomem(e);
	memset(s->block, 0, arena.used * sizeof *s->block);
	arena = (struct arena){.block = s->block};
	density_workspace(&s->density, shape, AT_ONCE, 0, &arena);
	return OK;
}

static double
mean_log_density(struct scorer *s, const real *w, const struct rows *rows)
{
	double sum = 0;

	for (size_t first = 0; first < rows->n; first += AT_ONCE) {
		const size_t n = rows->n - first < AT_ONCE ? rows->n - first : AT_ONCE;

		rows_expand(rows, NULL, first, n, s->density.x);
		density_log_density(&s->density, w, n, false, 1);
		for (size_t i = 0; i < n; i++)
			sum += s->density.log_p[i] / (double)rows->n;
	}
	return sum;
}

/* Over the plane, for the picture; the density's, to six places of the whole. */
static enum status
put_plane(struct scorer *s, const real *w, struct json_build *b, cJSON *result, struct err *e)
{
	const double cell = 2 * TOY_EDGE / SIDE;
	cJSON *values = json_put_array(b, result, "density");

	(void)e;
	for (size_t r = 0; r < SIDE; r++) {
		for (size_t i = 0; i < SIDE; i++) {
			s->density.x[2 * i] = (real)(((double)i + 0.5) * cell - TOY_EDGE);
			s->density.x[2 * i + 1] = (real)(((double)r + 0.5) * cell - TOY_EDGE);
		}
		density_log_density(&s->density, w, SIDE, false, 1);
		for (size_t i = 0; i < SIDE; i++)
			json_add_number(b, values, nearbyint(exp(s->density.log_p[i]) * cell * cell * 1e6) / 1e6);
	}
	return OK;
}

static enum status
work(const struct paper *p, const struct cell *c, struct json_build *b, cJSON *result, struct err *e)
{
	const size_t every = cell_count(c, "every");
	const double shrunk = cell_count(c, "pictures") ? log(SHRINK) : 0; /* nats a dimension */
	struct rows train = {0}, test = {0};
	struct train_data data = {.rows = &train, .n_classes = 1};
	struct train_terms terms = {0};
	struct stepper stepper = {0};
	struct scorer scorer = {0};
	struct params params;
	int32_t *label = NULL;
	double seconds = 0, log_likelihood = (double)NAN;
	bool diverged = false;
	cJSON *curve;
	enum status s;

	if ((s = protocol_params(c->params, &params, e)) || (s = load(p, c, &train, &test, e)))
		goto out;
	if (!(label = malloc((train.n + 1) * sizeof *label))) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < train.n; i++)
		label[i] = -1;
	data.label = label;
	if ((s = stepper_init(&stepper, &params, &data, train.n, e)) ||
		(s = scorer_init(&scorer, stepper.fit.family, e)))
		goto out;
	stepper.fit.threads = 1;
	curve = json_put_array(
		b, result, "curve"); /* of [steps, seconds of training, nats a dimension on the test rows] */
	for (size_t i = 1; i <= stepper.params.steps && !diverged; i++) {
		const double start = paper_cpu_seconds();
		cJSON *point;

		fit_step(&stepper.fit, &terms);
		seconds += paper_cpu_seconds() - start;
		if (i % every && i != stepper.params.steps)
			continue;
		log_likelihood = mean_log_density(&scorer, stepper.fit.average, &test) / (double)test.d - shrunk;
		diverged = !isfinite(log_likelihood) || !stepper_sane(&stepper);
		point = json_add_array(b, curve);
		json_add_number(b, point, (double)i);
		json_add_number(b, point, seconds);
		json_add_number(b, point, log_likelihood);
	}
	json_put_bool(b, result, "diverged", diverged);
	json_put_count(b, result, "features", train.d);
	json_put_count(b, result, "steps", stepper.fit.step);
	json_put_number(b, result, "seconds", seconds);
	json_put_number(b, result, "log_likelihood", log_likelihood);
	if (!diverged && test.d == 2)
		s = put_plane(&scorer, stepper.fit.average, b, result, e);
out:
	stepper_release(&stepper);
	rows_release(&train);
	rows_release(&test);
	free(scorer.block);
	free(label);
	return s;
}

/* ---- The plan ----------------------------------------------------------------------------------------------- */

/* Steps that take about as long, by what a step of each costs. */
static size_t
steps_of(const struct paper *p, size_t target, size_t objective)
{
	/* clang-format off */
	static const size_t quick[N_TARGETS][N_OBJECTIVES_RUN] = {
		{6000, 12000, 20000, 10000, 20000, 10000},
		{6000, 12000, 20000, 10000, 20000, 10000},
		{6000, 12000, 20000, 10000, 20000, 10000},
		{6000, 12000, 20000, 10000, 20000, 10000},
		{12000, 2400, 2000, 1000, 2000, 600},
	};
	/* clang-format on */

	return p->profile == PROFILE_TINY   ? 20
	       : p->profile == PROFILE_FULL ? 20 * quick[target][objective]
					    : quick[target][objective];
}

static enum status
plan(struct paper *p, struct err *e)
{
	/* Of pictures, at the best of what was tried (tests/bench/README.md); vera_hmc at the rate of vera_plain. */
	static const char *const of_pictures[] = {"maximum_likelihood", "vera",
		"vera posterior=gauss_newton generator_sigma=shared refine_generated=0 penalty_interval=1 "
		"learning_rate=0.0001",
		"vera_hmc learning_rate=0.0001", "score_matching learning_rate=0.0003",
		"sgld learning_rate=0.0003 sgld_step_size=0.03"};

	for (size_t t = 0; t < N_TARGETS; t++)
		for (size_t o = 0; o < N_OBJECTIVES_RUN; o++) {
			const size_t steps = steps_of(p, t, o);
			struct cell *c;

			if (t == TARGET_MNIST && !p->has_mnist)
				continue;
			if (!(c = paper_add(p, &paper_likelihood, e, "%s %s", targets[t], objectives[o])))
				return e->status;
			if (t == TARGET_MNIST)
				snprintf(c->settings, sizeof c->settings,
					"target=mnist set=mnist pictures=1 rows=%d test=%d pool=%d every=%zu",
					BY_PROFILE(p, 200, 20000, 60000), BY_PROFILE(p, 50, 1000, 10000),
					BY_PROFILE(p, 2, 1, 1), steps / 20 + 1);
			else
				snprintf(c->settings, sizeof c->settings, "target=%s rows=%d test=%d every=%zu",
					targets[t], BY_PROFILE(p, 200, 10000, 10000), BY_PROFILE(p, 100, 4000, 4000),
					steps / 20 + 1);
			/* Rates, estimator and penalty are the method's own defaults: as soon as the estimator is
			 * asked for by its name, those of plain VERA. */
			snprintf(c->params, sizeof c->params,
				"method=density family=%s objective=%s seed=1 steps=%zu batch_size=%d ema_decay=%s "
				"input_noise=0 components=%d hidden_layers=%s generator_layers=%s noise_dim=%d",
				t == 0              ? "ppca"
				: t == TARGET_MNIST ? "nice"
						    : "mixture",
				t == TARGET_MNIST ? of_pictures[o]
				: o == BY_PLAIN   ? "vera posterior=gauss_newton"
						  : objectives[o],
				steps, BY_PROFILE(p, 16, t == TARGET_MNIST ? 64 : 128, 128),
				t == TARGET_MNIST ? "0.99" : "0.999",
				t == 0            ? PPCA_DIRECTIONS
				: t == TARGET_SIX ? SIX_PARTS
						  : 8,
				BY_PROFILE(p, "16", t == TARGET_MNIST ? "128,128,128,128" : "128,128",
					t == TARGET_MNIST ? "1000,1000,1000,1000" : "128"),
				BY_PROFILE(p, "16", t == TARGET_MNIST ? "128,128" : "64,64",
					t == TARGET_MNIST ? "500,500,500" : "128,128"),
				t == TARGET_MNIST ? BY_PROFILE(p, 4, 32, 128) : 4);
		}
	return OK;
}

/* ---- The report --------------------------------------------------------------------------------------------- */

static const struct cell *
find(const struct paper *p, size_t target, size_t objective)
{
	char name[96];

	snprintf(name, sizeof name, "%s %s", targets[target], objectives[objective]);
	for (size_t i = 0; i < p->n_cells; i++)
		if (p->cell[i].of == &paper_likelihood && p->cell[i].result && strcmp(p->cell[i].name, name) == 0)
			return &p->cell[i];
	return NULL;
}

/* The time of VERA's run, by which the others are compared. */
static double
equal_time(const struct paper *p, size_t target)
{
	const struct cell *vera = find(p, target, BY_VERA);

	return vera ? result_number(vera->result, NULL, "seconds") : (double)INFINITY;
}

/* What it had reached by then, or at its end where that came earlier. */
static double
at_time(const struct cell *c, double seconds)
{
	const cJSON *point;
	double found = (double)NAN;

	cJSON_ArrayForEach(point, json_member(c ? c->result : NULL, "curve"))
	{
		const cJSON *y = cJSON_GetArrayItem(point, 2);

		if (cJSON_GetArrayItem(point, 1)->valuedouble <= seconds * 1.0001)
			found = cJSON_IsNumber(y) ? y->valuedouble : (double)NAN;
	}
	return found;
}

static double
at_end(const struct cell *c)
{
	return c ? result_number(c->result, NULL, "log_likelihood") : (double)NAN;
}

static void
plot_target(const struct paper *p, size_t target, FILE *out)
{
	struct plot_panel panel = {.title = target_names[target],
		.x_label = "seconds of processor time",
		.y_label = "nats a dimension",
		.linear_y = true};
	/* What lies far below the bound is not drawn: the axis would show nothing else. */
	const double floor = at_end(find(p, target, BY_LIKELIHOOD)) - 3;

	for (size_t o = 0; o < N_OBJECTIVES_RUN; o++) {
		struct plot_series *s = &panel.series[panel.n_series++];
		const struct cell *c = find(p, target, o);
		const cJSON *point;

		s->name = objective_names[o];
		cJSON_ArrayForEach(point, json_member(c ? c->result : NULL, "curve"))
		{
			const cJSON *y = cJSON_GetArrayItem(point, 2);
			double x = cJSON_GetArrayItem(point, 1)->valuedouble;

			if (cJSON_IsNumber(y) && !(y->valuedouble < floor) && x > 0 && s->n < PLOT_MAX_POINTS)
				s->point[s->n++] = (struct plot_point){
					x, y->valuedouble, y->valuedouble, y->valuedouble};
		}
	}
	plot_inline(out, &panel);
}

static void
draw(const struct paper *p, size_t target, FILE *out)
{
	static double density[SIDE * SIDE];
	const struct toy toy = toy_of(targets[target]);
	const double cell = 2 * TOY_EDGE / SIDE;

	page_figures(out, 1);
	for (size_t i = 0; i < SIDE * SIDE; i++)
		density[i] = toy_density(&toy, ((double)(i % SIDE) + 0.5) * cell - TOY_EDGE,
			((double)(i / SIDE) + 0.5) * cell - TOY_EDGE);
	plot_density(out, "the data", density, SIDE);
	for (size_t o = 0; o < N_OBJECTIVES_RUN; o++) {
		const struct cell *c = find(p, target, o);
		const cJSON *value;
		size_t n = 0;

		cJSON_ArrayForEach(value, json_member(c ? c->result : NULL, "density")) if (n < SIDE * SIDE)
			density[n++] = value->valuedouble;
		if (n == SIDE * SIDE)
			plot_density(out, objective_names[o], density, SIDE);
	}
	{
		char caption[160];

		snprintf(caption, sizeof caption, "%s: densities (“density” of the cells “%s …”)", target_names[target],
			targets[target]);
		page_figures_end(out, caption);
	}
}

static void
write_target(const struct paper *p, size_t target, FILE *out)
{
	static const char *const heads[] = {"trained by", "below the bound", "nats a dimension, at the end",
		"when VERA ended", "seconds", "steps", NULL};
	const double seconds = equal_time(p, target), bound = at_end(find(p, target, BY_LIKELIHOOD));
	size_t n = 0;

	for (size_t o = 0; o < N_OBJECTIVES_RUN; o++) {
		const struct cell *c = find(p, target, o);

		if (!c)
			continue;
		if (!n++)
			page_table(out, target_names[target], heads, 1);
		page_row(out);
		page_name(out, objective_names[o]);
		page_number(out, 3, bound - at_end(c));
		if (cJSON_IsTrue(json_member(c->result, "diverged")))
			page_name(out, "diverged");
		else
			page_number(out, 3, at_end(c));
		page_number(out, 3, at_time(c, seconds));
		page_number(out, 1, result_number(c->result, NULL, "seconds"));
		page_number(out, 0, result_number(c->result, NULL, "steps"));
		page_row_end(out);
	}
	if (n)
		page_table_end(out);
}

static void
report(const struct paper *p, FILE *out)
{
	fprintf(out,
		"<p>Test log-likelihood, exact, in nats a dimension: higher is better. Maximum likelihood is the "
		"bound, as far as it gets from the same start; the others are not told the normaliser. Principal "
		"components and mixtures learn from 10,000 rows: two columns and eight modes on a circle, with "
		"deviations of 0.4, so that they touch, and of 0.1; six columns and five Gaussians, of deviations "
		"from 0.2 to 0.6. “VERA” is what this program does when it is asked for no more than "
		"<code>objective=vera</code>, and what the claims are about. Plain VERA is the paper’s, but for the "
		"estimate of its entropy (<code>posterior=gauss_newton</code>): generated rows all count alike, and "
		"have one sigma. Here the generator begins at the data, with a sigma for each column; and the "
		"generator’s being late, or unable to follow, does not mislead the model: of principal components and "
		"mixtures the generated rows count by p/q, the model’s density over their own, which the batch tells, "
		"and a quarter of them come from data rows under the generator’s noise (<code>posterior=batch "
		"weigh_generated=true</code>); of the flow they are moved a part of the way towards the model’s own "
		"before it learns from them (<code>refine_generated=0.5</code>). The flow has four couplings, and "
		"learns digits of %s pixels with uniform noise of one grey level, in logits, as the paper’s does; "
		"there plain VERA, score matching and SGLD have the settings that were the best for each of a few. "
		"Remembered from the paper, not checked, after long training of a larger flow: maximum likelihood "
		"−1.01 nats a dimension, VERA −1.45, sliced score matching −2.60. Runs that were shorter than VERA’s "
		"count with what they had at their end.</p>\n",
		BY_PROFILE(p, "pooled", "28 by 28", "28 by 28"));
	for (size_t t = 0; t < N_TARGETS; t++)
		write_target(p, t, out);
	page_figures(out, 0);
	for (size_t t = 0; t < N_TARGETS; t++)
		plot_target(p, t, out);
	page_figures_end(out,
		"Over time (“curve” of the cells); what lies more than 3 nats a dimension below the bound "
		"is left out.");
	for (size_t t = 1; t < TARGET_SIX; t++)
		draw(p, t, out);
	if (!p->has_mnist)
		fputs("<p>The flow was not run: there is no <code>mnist</code> in DATA.</p>\n", out);
}

static void
claims(struct paper *p)
{
	for (size_t t = 0; t < N_TARGETS; t++) {
		const struct cell *ml = find(p, t, BY_LIKELIHOOD), *vera = find(p, t, BY_VERA);
		const double seconds = equal_time(p, t), bound = at_end(ml), v = at_end(vera),
			     scores = at_time(find(p, t, BY_SCORES), seconds),
			     sgld = at_time(find(p, t, BY_SGLD), seconds),
			     plain = t == TARGET_MNIST ? at_time(find(p, t, BY_PLAIN), seconds)
						       : at_end(find(p, t, BY_PLAIN));
		char says[200];

		if (t == TARGET_MNIST) {
			paper_claim(p, &paper_likelihood, vera ? fmax(scores, sgld) - v : (double)NAN,
				"nats a dimension",
				"NICE on mnist: VERA, as this program has it by default, is above persistent SGLD and "
				"sliced score matching at equal time",
				"nats a dimension after %.0f s: VERA %.3f, SGLD %.3f, score matching %.3f; plain "
				"VERA %.3f; bound %.3f",
				seconds, v, sgld, scores, plain, bound);
			continue;
		}
		snprintf(says, sizeof says,
			"VERA, as this program has it by default, is within 0.1 nats a dimension of maximum "
			"likelihood: %s",
			target_names[t]);
		paper_claim(p, &paper_likelihood, bound - v - 0.1, "nats a dimension", says,
			"maximum likelihood %.3f, VERA %.3f: %.3f below; plain VERA %.3f: %.3f below", bound, v,
			bound - v, plain, bound - plain);
	}
}

const struct experiment paper_likelihood = {
	.name = "likelihood",
	.title = "2. Exact likelihood",
	.plan = plan,
	.work = work,
	.report = report,
	.claims = claims,
};
