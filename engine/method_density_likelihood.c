/*
 * method_density_likelihood: a density by exact maximum likelihood: the bound that all ways to train it without its
 * normaliser are held against (method page, section 5).
 */
#include "engine/method.h"

static void
likelihood_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	(void)f;
	(void)state;
	(void)scratch;
}

static void
likelihood_init(struct fit *f)
{
	(void)f;
}

static void
likelihood_step(struct fit *f, struct train_terms *terms)
{
	const size_t n = f->params->batch_size;
	struct density *k = &f->density;

	fit_draw_data(f, k->x, n);
	for (size_t i = 0; i < n; i++)
		k->seed[i] = -1 / (real)n;
	density_gradient(k, f->trained, n, k->seed, f->gradient, f->threads);
	fit_update(f);
	*terms = (struct train_terms){0};
	for (size_t i = 0; i < n; i++)
		terms->loss -= k->log_p[i] / (double)n;
}

const struct method_ops method_density_likelihood = {
	.name = "density",
	.uses_unlabelled = true,
	.beta2 = 0.999,
	.layout = likelihood_layout,
	.init = likelihood_init,
	.step = likelihood_step,
};
