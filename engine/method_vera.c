/*
 * method_vera: the joint energy model against a generator whose entropy is had without MCMC (Grathwohl et al., "No MCMC
 * for me", ICLR 2021, algorithm 1; method page, section 2). A step of the energy network, then one of the generator
 * against the energy network just updated, with the sample that both share. The gradient of its entropy is estimated by
 * the paper's importance samples, and then the scales eta of their proposal make a step, too; or without samples, by
 * posterior.h; or from the batch, by marginal.h, which knows how likely the rows are and can weigh them.
 */
#include <math.h>

#include "engine/adversarial.h"
#include "engine/kernel.h"
#include "engine/marginal.h"
#include "engine/posterior.h"

enum { DEFENSIVE = 4 }; /* of so many weighed rows one is from the data */

struct vera {
	struct adversary adversary;
	struct posterior posterior; /* of params.posterior gauss_newton */
	struct marginal marginal;   /* of batch; of importance, the others: */
	real *log_eta, *eta_moment; /* state: [Z] */
	real *eta_gradient;         /* scratch */
};

static bool
sampled(const struct fit *f)
{
	return f->params->posterior == POSTERIOR_IMPORTANCE;
}

static bool
from_batch(const struct fit *f)
{
	return f->params->posterior == POSTERIOR_BATCH;
}

static void
vera_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	struct vera *v = f->own;
	const struct params *p = f->params;

	adversary_layout(&v->adversary, f, sampled(f) ? p->importance_samples : 0, state, scratch);
	if (from_batch(f)) {
		marginal_layout(&v->marginal, &v->adversary.shape, p->batch_size, scratch);
		return;
	}
	if (!sampled(f)) {
		posterior_layout(&v->posterior, &v->adversary.shape, p->batch_size, state, scratch);
		return;
	}
	v->log_eta = arena_take(state, p->noise_dim);
	v->eta_moment = arena_take(state, p->noise_dim);
	v->eta_gradient = arena_take(scratch, p->noise_dim);
}

static void
vera_init(struct fit *f)
{
	struct vera *v = f->own;

	adversary_init(&v->adversary, f);
	if (from_batch(f))
		return;
	if (!sampled(f)) {
		posterior_init(&v->posterior);
		return;
	}
	for (size_t j = 0; j < f->params->noise_dim; j++) {
		v->log_eta[j] = (real)log(POSTERIOR_START);
		v->eta_moment[j] = 0;
	}
}

static void
score(struct vera *v, struct fit *f)
{
	struct adversary *a = &v->adversary;

	if (from_batch(f))
		marginal_score(&v->marginal, &a->generator, a->w);
	else if (sampled(f))
		generator_score(&a->generator, a->w, v->log_eta, f->threads);
	else
		posterior_score(&v->posterior, &a->generator, a->w, f->step, f->threads);
}

/* Weighed rows, a part of them from data rows: see marginal.h. */
static const real *
defended(struct vera *v, struct fit *f)
{
	struct adversary *a = &v->adversary;
	const size_t n = f->params->batch_size, d = a->shape.n_out;
	const size_t n_data = n < DEFENSIVE ? 1 : n / DEFENSIVE;

	fit_draw_data(f, fit_rows(f), n_data);
	rng_normal(&f->rng, a->dx + (n - n_data) * d, n_data * d);
	marginal_defend(&v->marginal, &a->generator, a->w, fit_rows(f), n_data, a->dx);
	f->log_q = v->marginal.log_q;
	return a->dx;
}

static void
vera_step(struct fit *f, struct train_terms *terms)
{
	struct vera *v = f->own;
	struct adversary *a = &v->adversary;
	struct generator *g = &a->generator;

	adversary_sample(a, f);
	score(v, f);
	if (f->params->weigh_generated)
		fit_contrast(f, defended(v, f), terms);
	else
		fit_contrast(f, adversary_refined(a, f), terms);

	adversary_gradient(a, f, kernel_dot(g->score, g->x, g->n * a->shape.n_out) / (double)g->n, terms);
	if (sampled(f)) {
		generator_posterior_gradient(g, a->w, v->log_eta, v->eta_gradient, f->threads);
		adversary_adam(f, v->log_eta, v->eta_moment, v->eta_gradient, f->params->noise_dim,
			f->params->posterior_learning_rate);
	}
	adversary_update(a, f, terms);
}

const struct method_ops method_vera = {
	.name = "vera",
	.own_size = sizeof(struct vera),
	.uses_unlabelled = true,
	.contrasts = true,
	.beta2 = ADVERSARIAL_BETA2,
	.layout = vera_layout,
	.init = vera_init,
	.step = vera_step,
};
