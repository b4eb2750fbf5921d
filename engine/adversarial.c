/* adversarial: see adversarial.h. */
#include "engine/adversarial.h"

#include <string.h>

#include "engine/kernel.h"

#define START_SIGMA 0.1

void
adversary_layout(struct adversary *a, const struct fit *f, size_t samples, struct arena *state, struct arena *scratch)
{
	const struct params *p = f->params;
	size_t n;

	a->shape = (struct generator_shape){
		.noise_dim = p->noise_dim, .n_out = f->shape.size[0], .hidden = p->generator_layers};
	n = generator_size(&a->shape);
	a->w = arena_take(state, n);
	a->moment = arena_take(state, n);
	a->gradient = arena_take(scratch, n);
	a->dx = arena_take(scratch, p->batch_size * a->shape.n_out);
	generator_workspace(&a->generator, &a->shape, p->batch_size, samples, scratch);
}

void
adversary_init(struct adversary *a, struct fit *f)
{
	double sigma = f->params->max_sigma < START_SIGMA ? f->params->max_sigma : START_SIGMA;

	generator_init(&a->shape, a->w, sigma, &f->rng);
	memset(a->moment, 0, generator_size(&a->shape) * sizeof *a->moment);
}

void
adversary_sample(struct adversary *a, struct fit *f)
{
	generator_draw(&a->generator, &f->rng);
	generator_sample(&a->generator, a->w, f->threads);
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
