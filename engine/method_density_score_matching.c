/*
 * method_density_score_matching: a density by sliced score matching (Song, Garg, Shi & Ermon, UAI 2019), with the
 * expectation of its second term taken exactly, which varies less:
 *     E_data E_v [ v^T (grad grad log p) v + |grad log p|^2 / 2 ],  v standard normal, one for each row.
 */
#include "engine/kernel.h"
#include "engine/method.h"

static void
score_matching_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	(void)f;
	(void)state;
	(void)scratch;
}

static void
score_matching_init(struct fit *f)
{
	(void)f;
}

static void
score_matching_step(struct fit *f, struct train_terms *terms)
{
	const size_t n = f->params->batch_size;
	struct density *k = &f->density;
	real *seed = k->seed + 2 * k->n;

	fit_draw_data(f, k->x, n);
	*terms = (struct train_terms){.gradient_penalty = density_penalty(k, f->trained, n, 1, f->plain, f->threads)};
	rng_normal(&f->rng, k->u, n * f->family->d);
	for (size_t i = 0; i < n; i++)
		seed[i] = 1 / (real)n;
	density_jet(k, f->trained, n, 2, f->threads);
	density_jet_gradient(k, f->trained, n, 2, NULL, NULL, seed, f->gradient, f->threads);
	kernel_add_scaled(f->gradient, 1, f->plain, fit_size(f));
	terms->loss = terms->gradient_penalty;
	for (size_t i = 0; i < n; i++)
		terms->loss += k->curvature[i] / (double)n;
	fit_update(f);
}

const struct method_ops method_density_score_matching = {
	.name = "density",
	.uses_unlabelled = true,
	.jet_order = 2,
	.beta2 = 0.999,
	.layout = score_matching_layout,
	.init = score_matching_init,
	.step = score_matching_step,
};
