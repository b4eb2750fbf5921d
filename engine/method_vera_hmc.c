/*
 * method_vera_hmc: VERA with the Hamiltonian estimator in the place of the amortised one. Slow and nearly exact: what
 * the fast one is to be held against (method page, section 2).
 */
#include <math.h>

#include "engine/adversarial.h"
#include "engine/hmc.h"
#include "engine/kernel.h"

struct vera_hmc {
	struct adversary adversary;
	struct hmc hmc;
	real *log_step; /* state: [1] */
};

static void
vera_hmc_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	struct vera_hmc *v = f->own;

	adversary_layout(&v->adversary, f, 0, state, scratch);
	v->log_step = arena_take(state, 1);
	hmc_workspace(&v->hmc, &v->adversary.shape, f->params->batch_size, scratch);
}

static void
vera_hmc_init(struct fit *f)
{
	struct vera_hmc *v = f->own;

	adversary_init(&v->adversary, f);
	*v->log_step = (real)log(HMC_START_STEP);
}

static void
vera_hmc_step(struct fit *f, struct train_terms *terms)
{
	struct vera_hmc *v = f->own;
	struct adversary *a = &v->adversary;
	struct generator *g = &a->generator;
	const struct hmc_settings settings = {
		.leapfrog_steps = f->params->hmc_leapfrog_steps,
		.burn_in = f->params->hmc_burn_in,
		.samples = f->params->hmc_samples,
	};

	adversary_sample(a, f);
	fit_contrast(f, g->x, terms);

	hmc_score(&v->hmc, g, a->w, v->log_step, &settings, &f->rng, f->threads);
	adversary_gradient(a, f, kernel_dot(g->score, g->x, g->n * a->shape.n_out) / (double)g->n, terms);
	adversary_update(a, f, terms);
}

const struct method_ops method_vera_hmc = {
	.name = "vera_hmc",
	.own_size = sizeof(struct vera_hmc),
	.uses_unlabelled = true,
	.contrasts = true,
	.beta2 = ADVERSARIAL_BETA2,
	.layout = vera_hmc_layout,
	.init = vera_hmc_init,
	.step = vera_hmc_step,
};
