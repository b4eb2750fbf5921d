/*
 * method_vera: the joint energy model against a generator whose entropy is had without MCMC (Grathwohl et al., "No MCMC
 * for me", ICLR 2021, algorithm 1; method page, section 2). A step of the energy network, then one of the generator
 * against the energy network just updated, with the sample that both share, and one of the scales eta of the posterior.
 */
#include <math.h>

#include "engine/adversarial.h"
#include "engine/kernel.h"

struct vera {
	struct adversary adversary;
	real *log_eta, *eta_moment; /* state: [Z] */
	real *eta_gradient;         /* scratch */
};

static void
vera_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	struct vera *v = f->own;
	const struct params *p = f->params;

	adversary_layout(&v->adversary, f, p->importance_samples, state, scratch);
	v->log_eta = arena_take(state, p->noise_dim);
	v->eta_moment = arena_take(state, p->noise_dim);
	v->eta_gradient = arena_take(scratch, p->noise_dim);
}

static void
vera_init(struct fit *f)
{
	struct vera *v = f->own;

	adversary_init(&v->adversary, f);
	for (size_t j = 0; j < f->params->noise_dim; j++) {
		v->log_eta[j] = (real)log(POSTERIOR_START);
		v->eta_moment[j] = 0;
	}
}

static void
vera_step(struct fit *f, struct train_terms *terms)
{
	struct vera *v = f->own;
	struct adversary *a = &v->adversary;
	struct generator *g = &a->generator;

	adversary_sample(a, f);
	fit_contrast(f, g->x, terms);

	generator_score(g, a->w, v->log_eta, f->threads);
	adversary_gradient(a, f, kernel_dot(g->score, g->x, g->n * a->shape.n_out) / (double)g->n, terms);
	generator_posterior_gradient(g, a->w, v->log_eta, v->eta_gradient, f->threads);
	adversary_adam(f, v->log_eta, v->eta_moment, v->eta_gradient, f->params->noise_dim,
		f->params->posterior_learning_rate);
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
