/* method_supervised: cross-entropy of the labelled rows alone. The baseline that every other method must beat. */
#include "engine/method.h"

static void
supervised_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	(void)f, (void)state, (void)scratch;
}

static void
supervised_init(struct fit *f)
{
	(void)f;
}

static void
supervised_step(struct fit *f, struct train_terms *terms)
{
	const size_t n = f->params->labelled_batch_size;
	const struct jem_weights weights = {.alpha = 1, .target = f->target};
	struct jem_terms t;

	fit_draw_labelled(f, jem_input(&f->jem, 0), n);
	jem_step(&f->jem, fit_weights(f), 0, 0, n, f->y, &weights, f->gradient, &t, f->threads);
	fit_update(f);
	*terms = fit_terms(&t);
}

const struct method_ops method_supervised = {
	.name = "supervised",
	/* A loss that ends in zero gradients: with a short memory the second moments would vanish with them, and the
	 * next gradient that is not zero would throw the weights far off. */
	.beta2 = 0.999,
	.layout = supervised_layout,
	.init = supervised_init,
	.step = supervised_step,
};
