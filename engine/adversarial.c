/* adversarial: see adversarial.h. */
#include "engine/adversarial.h"

#include <math.h>
#include <string.h>

#include "engine/kernel.h"

#define START_SIGMA 0.1
/* Deviations of the noise that a refined row moves at most in a column. Of a flow on mnist, 12 s: with 0.15 and a part
 * of 0.5 the test log-likelihood is -2.042 nats a dimension, and training runs away with 0.3 and more, or without. */
#define REFINE_MOST ((real)0.15)
/* From here on the energy network waits, and how fast the average behind it follows. Of that flow it begins at 0.07, is
 * at 0.3 after 1,500 steps, and beyond 0.5 the density runs away within a few hundred. Waiting, it is at -2.04 after
 * 14 s and after 36; without, at -2.034 after 15 and at -3.8 after 25. */
#define MOST_APART 0.35
#define APART_TAKE 0.05
#define APART_BOUND 1e6 /* what explodes must not stay in the average for good */

enum { START_BATCHES = 16 };

void
adversary_layout(struct adversary *a, const struct fit *f, size_t samples, struct arena *state, struct arena *scratch)
{
	const struct params *p = f->params;
	size_t n;

	a->shape = (struct generator_shape){.noise_dim = p->noise_dim,
		.n_out = f->shape.size[0],
		.hidden = p->generator_layers,
		.sigma_by_column = p->generator_sigma == GENERATOR_SIGMA_BY_COLUMN};
	n = generator_size(&a->shape);
	a->w = arena_take(state, n);
	a->moment = arena_take(state, n);
	a->apart = p->refine_generated > 0 ? arena_take(state, 1) : NULL;
	a->gradient = arena_take(scratch, n);
	a->dx = arena_take(scratch, p->batch_size * a->shape.n_out);
	a->mean = arena_take_doubles(scratch, a->shape.n_out);
	a->sd = arena_take_doubles(scratch, a->shape.n_out);
	generator_workspace(&a->generator, &a->shape, p->batch_size, samples, scratch);
}

/* Means and deviations of columns, of a few batches. */
static void
begin_at_data(struct adversary *a, struct fit *f)
{
	const size_t n = f->params->batch_size, d = a->shape.n_out;

	memset(a->mean, 0, d * sizeof *a->mean);
	memset(a->sd, 0, d * sizeof *a->sd);
	for (size_t b = 0; b < START_BATCHES; b++) {
		fit_draw_data(f, fit_rows(f), n);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < d; j++) {
				const double v = (double)fit_rows(f)[i * d + j];

				a->mean[j] += v;
				a->sd[j] += v * v;
			}
	}
	for (size_t j = 0; j < d; j++) {
		a->mean[j] /= (double)(START_BATCHES * n);
		a->sd[j] = sqrt(fmax(a->sd[j] / (double)(START_BATCHES * n) - a->mean[j] * a->mean[j], 0));
		a->sd[j] = fmax(a->sd[j], GENERATOR_MIN_SIGMA);
	}
	generator_begin_at(&a->shape, a->w, a->mean, a->sd);
	generator_clamp(&a->shape, a->w, f->params->max_sigma);
}

void
adversary_init(struct adversary *a, struct fit *f)
{
	double sigma = f->params->max_sigma < START_SIGMA ? f->params->max_sigma : START_SIGMA;

	generator_init(&a->shape, a->w, sigma, &f->rng);
	if (a->shape.sigma_by_column)
		begin_at_data(a, f);
	memset(a->moment, 0, generator_size(&a->shape) * sizeof *a->moment);
	if (a->apart)
		*a->apart = 0;
}

void
adversary_sample(struct adversary *a, struct fit *f)
{
	generator_draw(&a->generator, &f->rng);
	generator_sample(&a->generator, a->w, f->threads);
}

static real
bounded(real v, real most)
{
	return v > most ? most : v < -most ? -most : v;
}

const real *
adversary_refined(struct adversary *a, struct fit *f)
{
	const struct generator *g = &a->generator;
	const size_t d = a->shape.n_out;
	const real part = (real)f->params->refine_generated;
	const real *grad_log_p;
	double sum = 0;

	if (part == 0)
		return g->x;
	memcpy(fit_rows(f), g->x, g->n * d * sizeof *g->x);
	grad_log_p = fit_input_gradient(f, fit_weights(f), g->n, NULL);
	for (size_t i = 0; i < g->n; i++)
		for (size_t j = 0; j < d; j++) {
			const size_t at = i * d + j;
			const real difference = g->sigma[j] * (grad_log_p[at] + g->score[at]);

			a->dx[at] = g->x[at] + g->sigma[j] * bounded(part * difference, REFINE_MOST);
			sum += (double)difference * (double)difference;
		}
	sum = fmin(sum / (double)(g->n * d), APART_BOUND);
	*a->apart += (real)(APART_TAKE * (sum - (double)*a->apart));
	f->energy_share = (double)*a->apart > MOST_APART ? pow(MOST_APART / (double)*a->apart, 3) : 1;
	return a->dx;
}

void
adversary_gradient(struct adversary *a, struct fit *f, double entropy, struct train_terms *terms)
{
	const struct params *p = f->params;
	const size_t n = p->batch_size, d = a->shape.n_out;
	const real lambda = (real)p->lambda;
	const real *grad_log_p;
	double log_p;

	memcpy(fit_rows(f), a->generator.x, n * d * sizeof(real));
	grad_log_p = fit_input_gradient(f, fit_weights(f), n, &log_p);
	for (size_t i = 0; i < n * d; i++)
		a->dx[i] = -(grad_log_p[i] + lambda * a->generator.score[i]) / (real)n;
	terms->entropy_objective = entropy;
	terms->generator_loss = -(log_p + p->lambda * entropy);
	generator_gradient(&a->generator, a->w, a->dx, a->gradient, f->threads);
}

void
adversary_update(struct adversary *a, struct fit *f, struct train_terms *terms)
{
	adversary_adam(f, a->w, a->moment, a->gradient, generator_size(&a->shape), f->params->generator_learning_rate);
	generator_clamp(&a->shape, a->w, f->params->max_sigma);
	terms->sigma = generator_sigma(&a->shape, a->w);
}

void
adversary_adam(const struct fit *f, real *w, real *moment, const real *gradient, size_t n, double rate)
{
	kernel_adam(w, moment, NULL, gradient, n, fit_rate(f, rate), (real)ADVERSARIAL_BETA2,
		adam_correction(ADVERSARIAL_BETA2, f->step), ADAM_EPSILON, 0, f->threads);
}
