/*
 * paper_modes: does the generator, and with it the density, find all of the data? Two toys whose modes are known, a
 * grid of 25 Gaussians and a ring of 8, learnt by VERA with the entropy term of the generator's objective and without;
 * as the paper has it, and with the generated rows weighed (engine/marginal.h).
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/adversarial.h"
#include "engine/model.h"
#include "server/json.h"
#include "tests/bench/page.h"
#include "tests/bench/paper.h"
#include "tests/bench/plot.h"
#include "tests/bench/protocol.h"
#include "tests/bench/stepper.h"
#include "tests/bench/toys.h"

enum { N_ROWS = 10000, N_SAMPLES = 2500, N_DRAWN = 800, SIDE = 64 };
#define EDGE TOY_EDGE /* the density is normalised over the square, too */

static const char *const shapes[] = {"grid", "ring"};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, N_WAYS = 2 };

/* ---- A run -------------------------------------------------------------------------------------------------- */

/* Each sample belongs to the mode nearest to it, and is good within four of its deviations. */
static void
put_coverage(const struct toy *t, const double *xy, struct json_build *b, cJSON *result)
{
	size_t count[TOY_MAX_MODES] = {0}, good[TOY_MAX_MODES] = {0}, captured = 0, n_good = 0;
	double kl = 0;

	for (size_t i = 0; i < N_SAMPLES; i++) {
		double nearest = (double)INFINITY;
		size_t mode = 0;

		for (size_t k = 0; k < t->n; k++) {
			double d = hypot(xy[2 * i] - t->at[k][0], xy[2 * i + 1] - t->at[k][1]);

			if (d < nearest) {
				nearest = d;
				mode = k;
			}
		}
		count[mode]++;
		good[mode] += nearest < 4 * t->sd;
		n_good += nearest < 4 * t->sd;
	}
	for (size_t k = 0; k < t->n; k++) {
		double share = (double)count[k] / N_SAMPLES;

		captured += (double)good[k] * 10 >= N_SAMPLES / (double)t->n;
		kl += share > 0 ? share * log(share * (double)t->n) : 0;
	}
	json_put_count(b, result, "captured", captured);
	json_put_count(b, result, "modes", t->n);
	json_put_number(b, result, "good", (double)n_good / N_SAMPLES);
	json_put_number(b, result, "kl_modes", kl);
}

static double
rounded(double v, double unit)
{
	return nearbyint(v / unit) * unit;
}

/* The network's density over the square: log p, normalised there, against the toy's. */
static enum status
put_density(const struct toy *t, struct stepper *stepper, struct json_build *b, cJSON *result, struct err *e)
{
	struct fit *f = &stepper->fit;
	struct rows rows = {0};
	struct model *model = NULL;
	struct model_workspace *workspace = NULL;
	double *energy = calloc(SIDE * SIDE, sizeof *energy), least = (double)INFINITY, sum = 0, kl = 0, total = 0;
	const double cell = 2 * EDGE / SIDE;
	cJSON *values;
	enum status s;

	if (!energy) {
		s = err_nomem(e);
		goto out;
	}
	if ((s = rows_init(&rows, SIDE * SIDE, 2, 0, NULL, e)) ||
		(s = model_new(&f->shape, net_effective(&f->shape, f->average, f->plain), &model, e)) ||
		(s = model_workspace_new(model, &workspace, e)))
		goto out;
	for (size_t i = 0; i < SIDE * SIDE; i++) {
		rows.dense[2 * i] = (float)(((double)(i % SIDE) + 0.5) * cell - EDGE);
		rows.dense[2 * i + 1] = (float)(((double)(i / SIDE) + 0.5) * cell - EDGE);
	}
	model_predict(model, &rows, 0, rows.n, OOD_ENERGY, workspace, NULL, energy);
	for (size_t i = 0; i < SIDE * SIDE; i++)
		least = fmin(least, energy[i]);
	for (size_t i = 0; i < SIDE * SIDE; i++)
		sum += exp(least - energy[i]);
	values = json_put_array(b, result, "density");
	for (size_t i = 0; i < SIDE * SIDE; i++) {
		double p = toy_density(t, (double)rows.dense[2 * i], (double)rows.dense[2 * i + 1]) * cell * cell;
		double q = exp(least - energy[i]) / sum;

		total += p;
		kl += p > 0 ? p * (log(p) - (least - energy[i] - log(sum))) : 0;
		json_add_number(b, values, rounded(q, 1e-6));
	}
	/* The toy's own share of the squares adds up to a little less than 1. */
	json_put_number(b, result, "kl_density", kl / total - log(total));
out:
	rows_release(&rows);
	model_workspace_free(workspace);
	model_free(model);
	free(energy);
	return s;
}

static enum status
work(const struct paper *p, const struct cell *c, struct json_build *b, cJSON *result, struct err *e)
{
	char shape[16];
	const struct toy toy = toy_of(cell_text(c, "shape", shape, sizeof shape));
	struct rows rows = {0};
	struct stepper stepper = {0};
	struct train_data data = {.rows = &rows, .n_classes = 1};
	struct adversary *a;
	struct params params;
	double *xy = malloc(2 * N_SAMPLES * sizeof *xy);
	int32_t *label = malloc(N_ROWS * sizeof *label);
	cJSON *samples;
	enum status s;

	(void)p;
	if (!xy || !label) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < N_ROWS; i++)
		label[i] = -1;
	data.label = label;
	if ((s = protocol_params(c->params, &params, e)) || (s = toy_rows(&toy, params.seed, N_ROWS, &rows, e)) ||
		(s = stepper_init(&stepper, &params, &data, N_ROWS, e)))
		goto out;
	json_put_number(b, result, "seconds", stepper_run(&stepper, params.steps, 1).cpu);
	if (!stepper_sane(&stepper)) {
		s = err_set(e, ERR_DIVERGED, "diverged", "the weights are not finite after %zu steps", params.steps);
		goto out;
	}
	a = stepper.fit.own; /* what every method with a generator has first */
	for (size_t i = 0; i < N_SAMPLES; i++) {
		const size_t at = i % params.batch_size;

		if (!at)
			adversary_sample(a, &stepper.fit);
		xy[2 * i] = (double)a->generator.x[2 * at];
		xy[2 * i + 1] = (double)a->generator.x[2 * at + 1];
	}
	put_coverage(&toy, xy, b, result);
	samples = json_put_array(b, result, "samples"); /* x and y in turn */
	for (size_t i = 0; i < 2 * N_DRAWN; i++)
		json_add_number(b, samples, rounded(xy[i], 1e-3));
	s = put_density(&toy, &stepper, b, result, e);
out:
	stepper_release(&stepper);
	rows_release(&rows);
	free(xy);
	free(label);
	return s;
}

/* ---- The plan and the report -------------------------------------------------------------------------------- */

/* Weighed rows let the penalty be small: 0.03 would make a Gaussian of deviation 0.1 three times as wide in variance,
 * 0.0003 a twentieth. And they should be broader than the density: lambda 2 makes them its root. */
static void
set_params(const struct paper *p, struct cell *c, bool weighed, bool entropy, int seed)
{
	const char *layers = BY_PROFILE(p, "16", "128,128,128", "256,256,256");

	if (weighed)
		snprintf(c->params, sizeof c->params,
			"method=vera seed=%d steps=%d batch_size=128 hidden_layers=%s generator_layers=%s noise_dim=4 "
			"posterior=batch weigh_generated=true lambda=%d gamma=0.0003 input_noise=0 max_sigma=1 "
			"learning_rate=0.001 generator_learning_rate=0.001 ema_decay=0.999",
			seed, BY_PROFILE(p, 20, 12000, 60000), layers, BY_PROFILE(p, "16", "64,64", "128,128"),
			entropy ? 2 : 0);
	else
		snprintf(c->params, sizeof c->params,
			"method=vera seed=%d steps=%d batch_size=128 hidden_layers=%s generator_layers=%s noise_dim=2 "
			"posterior=importance importance_samples=20 lambda=%d gamma=0.03 input_noise=0 max_sigma=0.1 "
			"learning_rate=0.0003 generator_learning_rate=0.0003 ema_decay=0.99",
			seed, BY_PROFILE(p, 20, 4000, 30000), layers, BY_PROFILE(p, "16", "128,128", "128,128"),
			entropy);
}

static enum status
plan(struct paper *p, struct err *e)
{
	for (size_t k = 0; k < N_SHAPES; k++)
		for (int weighed = 0; weighed < N_WAYS; weighed++)
			for (int entropy = 1; entropy >= 0; entropy--)
				for (int seed = 1; seed <= BY_PROFILE(p, 1, 3, 10); seed++) {
					struct cell *c = paper_add(p, &paper_modes, e, "%s %s entropy%s seed %d",
						shapes[k], entropy ? "with" : "without", weighed ? ", weighed," : "",
						seed);

					if (!c)
						return e->status;
					snprintf(c->settings, sizeof c->settings, "shape=%s weighed=%d entropy=%d",
						shapes[k], weighed, entropy);
					set_params(p, c, weighed, entropy, seed);
				}
	return OK;
}

static size_t
numbers(const cJSON *array, double *out, size_t most)
{
	const cJSON *item;
	size_t n = 0;

	cJSON_ArrayForEach(item, array) if (n < most) out[n++] = item->valuedouble;
	return n;
}

static void
draw(FILE *out, const struct cell *c)
{
	static double xy[2 * N_DRAWN], density[SIDE * SIDE];
	char title[64];
	size_t n = numbers(json_member(c->result, "samples"), xy, 2 * N_DRAWN);

	snprintf(title, sizeof title, "%s%s: samples", cell_count(c, "entropy") ? "with entropy" : "without",
		cell_count(c, "weighed") ? ", weighed" : "");
	plot_points(out, title, xy, n / 2, -EDGE, EDGE);
	snprintf(title, sizeof title, "%s%s: density", cell_count(c, "entropy") ? "with entropy" : "without",
		cell_count(c, "weighed") ? ", weighed" : "");
	if (numbers(json_member(c->result, "density"), density, SIDE * SIDE) == SIDE * SIDE)
		plot_density(out, title, density, SIDE);
}

static void
draw_data(FILE *out, const struct toy *t)
{
	static double density[SIDE * SIDE];

	for (size_t i = 0; i < SIDE * SIDE; i++)
		density[i] = toy_density(t, ((double)(i % SIDE) + 0.5) * 2 * EDGE / SIDE - EDGE,
			((double)(i / SIDE) + 0.5) * 2 * EDGE / SIDE - EDGE);
	plot_density(out, "the data", density, SIDE);
}

struct summary {
	size_t n;
	double captured, good, kl_modes, kl_density, seconds;
};

static struct summary
summarise(const struct paper *p, const char *shape, size_t weighed, size_t entropy, const struct cell **first)
{
	struct summary s = {0};
	char word[16];

	*first = NULL;
	for (size_t i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cell[i];

		if (c->of != &paper_modes || !c->result || cell_count(c, "entropy") != entropy ||
			cell_count(c, "weighed") != weighed ||
			strcmp(cell_text(c, "shape", word, sizeof word), shape) != 0)
			continue;
		*first = *first ? *first : c;
		s.n++;
		s.captured += result_number(c->result, NULL, "captured");
		s.good += result_number(c->result, NULL, "good");
		s.kl_modes += result_number(c->result, NULL, "kl_modes");
		s.kl_density += result_number(c->result, NULL, "kl_density");
		s.seconds += result_number(c->result, NULL, "seconds");
	}
	s.captured /= (double)s.n;
	s.good /= (double)s.n;
	s.kl_modes /= (double)s.n;
	s.kl_density /= (double)s.n;
	s.seconds /= (double)s.n;
	return s;
}

static void
report(const struct paper *p, FILE *out)
{
	static const char *const heads[] = {"", "rows", "entropy term", "runs", "modes captured", "good samples",
		"KL of modes, nats", "KL of density, nats", "seconds", NULL};

	fputs("<p>Gaussians of deviation 0.1 at distance 1 (grid) and on a circle of radius 2 (ring), learnt without "
	      "any label "
	      "by VERA with λ = 1, the exact weight of the generator’s entropy, and with λ = 0. A mode is captured "
	      "when a tenth of "
	      "its share of 2,500 samples of the generator lies within four deviations of it; samples there are good. "
	      "KL of "
	      "modes: from the samples’ shares of the modes to even ones. KL of density: from the data’s density to "
	      "the "
	      "network’s, normalised over the square. Rows alike: as the paper has it. Weighed: the generated rows "
	      "count by p/q, as under exact likelihood, with λ = 2, since such rows should be broader than the "
	      "density, or 0; then the network, not the generator, is the model, and its samples need not be good."
	      "</p>\n",
		out);
	page_table(out, "Means over the seeds", heads, 3);
	for (size_t k = 0; k < N_SHAPES; k++)
		for (size_t way = 0; way < 2 * N_WAYS; way++) {
			const size_t weighed = way / 2, entropy = 1 - way % 2;
			const struct cell *first;
			struct summary s = summarise(p, shapes[k], weighed, entropy, &first);
			char captured[64];

			if (!s.n)
				continue;
			snprintf(captured, sizeof captured, "%.1f of %zu", s.captured, toy_of(shapes[k]).n);
			page_row(out);
			page_name(out, shapes[k]);
			page_name(out, weighed ? "weighed" : "alike");
			page_name(out, entropy ? "with" : "without");
			page_number(out, 0, (double)s.n);
			page_name(out, captured);
			page_number(out, 3, s.good);
			page_number(out, 3, s.kl_modes);
			page_number(out, 3, s.kl_density);
			page_number(out, 1, s.seconds);
			page_row_end(out);
		}
	page_table_end(out);
	for (size_t k = 0; k < N_SHAPES; k++) {
		const struct toy toy = toy_of(shapes[k]);

		page_figures(out, 1);
		draw_data(out, &toy);
		for (size_t way = 0; way < 2 * N_WAYS; way++) {
			const struct cell *first;

			summarise(p, shapes[k], way / 2, 1 - way % 2, &first);
			if (first)
				draw(out, first);
		}
		page_figures_end(out,
			"The first seed: samples of the generator, and the network’s density (“samples” and “density” "
			"of the cells).");
	}
}

static void
claims(struct paper *p)
{
	for (size_t k = 0; k < N_SHAPES; k++)
		for (size_t weighed = 0; weighed < N_WAYS; weighed++) {
			const struct cell *first;
			struct summary with = summarise(p, shapes[k], weighed, 1, &first),
				       without = summarise(p, shapes[k], weighed, 0, &first);
			char says[160];

			snprintf(says, sizeof says,
				"Modes of the %s%s: all are captured with the entropy term, more evenly than without",
				shapes[k], weighed ? ", rows weighed" : "");
			paper_claim(p, &paper_modes,
				!with.n || !without.n              ? (double)NAN
				: with.kl_modes < without.kl_modes ? (double)toy_of(shapes[k]).n - with.captured
								   : (double)INFINITY,
				"modes", says,
				"with %.1f of %zu modes, KL %.3f, of the density %.2f; without %.1f, KL %.3f, of the "
				"density %.2f",
				with.captured, toy_of(shapes[k]).n, with.kl_modes, with.kl_density, without.captured,
				without.kl_modes, without.kl_density);
		}
}

const struct experiment paper_modes = {
	.name = "modes",
	.title = "5. Mode coverage",
	.plan = plan,
	.work = work,
	.report = report,
	.claims = claims,
};
