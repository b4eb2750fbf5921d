/*
 * method_vera: the joint energy model against a generator whose entropy is had without MCMC (Grathwohl et al., "No MCMC
 * for me", ICLR 2021, algorithm 1; method page, section 2). A step of the energy network, then one of the generator
 * against the energy network just updated, with the sample that both share.
 */
#include <math.h>
#include <string.h>

#include "engine/generator.h"
#include "engine/kernel.h"
#include "engine/method.h"

#define START_SIGMA 0.1

struct vera {
	struct generator_shape shape;
	struct generator generator;
	real *w, *moment;              /* state: the generator and its second moments */
	real *log_eta, *eta_moment;    /* state: [Z] */
	real *gradient, *eta_gradient; /* scratch */
	real *dx;                      /* scratch: [B][D] */
};

static void
vera_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	struct vera *v = f->own;
	const struct params *p = f->params;
	size_t n;

	v->shape = (struct generator_shape){
		.noise_dim = p->noise_dim, .n_out = f->shape.size[0], .hidden = p->generator_layers};
	n = generator_size(&v->shape);
	v->w = arena_take(state, n);
	v->moment = arena_take(state, n);
	v->log_eta = arena_take(state, p->noise_dim);
	v->eta_moment = arena_take(state, p->noise_dim);
	v->gradient = arena_take(scratch, n);
	v->eta_gradient = arena_take(scratch, p->noise_dim);
	v->dx = arena_take(scratch, p->batch_size * v->shape.n_out);
	generator_workspace(&v->generator, &v->shape, p->batch_size, p->importance_samples, scratch);
}

static void
vera_init(struct fit *f)
{
	struct vera *v = f->own;
	double sigma = f->params->max_sigma < START_SIGMA ? f->params->max_sigma : START_SIGMA;

	generator_init(&v->shape, v->w, sigma, &f->rng);
	memset(v->moment, 0, generator_size(&v->shape) * sizeof *v->moment);
	for (size_t j = 0; j < v->shape.noise_dim; j++) {
		v->log_eta[j] = (real)log(POSTERIOR_START);
		v->eta_moment[j] = 0;
	}
}

static void
energy_step(struct fit *f, struct vera *v, struct jem_terms *terms)
{
	const struct params *p = f->params;
	const size_t n = p->batch_size, n_labelled = p->labelled_batch_size;
	const struct jem_weights weights = {
		.contrast = 1, .gamma = (real)p->gamma, .beta = (real)p->beta, .alpha = (real)p->alpha};

	fit_draw_data(f, jem_input(&f->jem, 0), n);
	memcpy(jem_input(&f->jem, n), v->generator.x, n * f->shape.size[0] * sizeof(real));
	fit_draw_labelled(f, jem_input(&f->jem, 2 * n), n_labelled);
	jem_step(&f->jem, fit_weights(f), n, n, n_labelled, f->y, &weights, f->gradient, terms, f->threads);
	fit_update(f);
}

static void
generator_step(struct fit *f, struct vera *v, struct train_terms *terms)
{
	const struct params *p = f->params;
	const size_t n = p->batch_size, d = f->shape.size[0], z = v->shape.noise_dim;
	const real lambda = (real)p->lambda, correction = adam_correction(ADVERSARIAL_BETA2, f->step);
	const real *grad_log_p;
	double log_p = 0;

	memcpy(jem_input(&f->jem, 0), v->generator.x, n * d * sizeof(real));
	grad_log_p = jem_input_gradient(&f->jem, fit_weights(f), n, f->threads);
	generator_score(&v->generator, v->w, v->log_eta, f->threads);
	for (size_t i = 0; i < n * d; i++)
		v->dx[i] = -(grad_log_p[i] + lambda * v->generator.score[i]) / (real)n;
	for (size_t i = 0; i < n; i++)
		log_p += (double)f->jem.log_p[i] / (double)n;
	terms->entropy_objective = kernel_dot(v->generator.score, v->generator.x, n * d) / (double)n;
	terms->generator_loss = -(log_p + p->lambda * terms->entropy_objective);

	generator_posterior_gradient(&v->generator, v->w, v->log_eta, v->eta_gradient, f->threads);
	generator_gradient(&v->generator, v->w, v->dx, v->gradient, f->threads);
	kernel_adam(v->log_eta, v->eta_moment, NULL, v->eta_gradient, z, (real)p->posterior_learning_rate,
		(real)ADVERSARIAL_BETA2, correction, ADAM_EPSILON, 0, 1);
	kernel_adam(v->w, v->moment, NULL, v->gradient, generator_size(&v->shape), (real)p->generator_learning_rate,
		(real)ADVERSARIAL_BETA2, correction, ADAM_EPSILON, 0, f->threads);
	generator_clamp(&v->shape, v->w, p->max_sigma);
	terms->sigma = generator_sigma(&v->shape, v->w);
}

static void
vera_step(struct fit *f, struct train_terms *terms)
{
	struct vera *v = f->own;
	struct jem_terms t;

	generator_draw(&v->generator, &f->rng);
	generator_sample(&v->generator, v->w, f->threads);
	energy_step(f, v, &t);
	*terms = (struct train_terms){
		.loss = t.loss,
		.log_p_difference = t.log_p_difference,
		.gradient_penalty = t.gradient_penalty,
		.conditional_entropy = t.conditional_entropy,
		.cross_entropy = t.cross_entropy,
		.train_accuracy = t.accuracy,
	};
	generator_step(f, v, terms);
}

const struct method_ops method_vera = {
	.name = "vera",
	.own_size = sizeof(struct vera),
	.uses_unlabelled = true,
	.beta2 = ADVERSARIAL_BETA2,
	.layout = vera_layout,
	.init = vera_init,
	.step = vera_step,
};
