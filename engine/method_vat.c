/*
 * method_vat: virtual adversarial training. Cross-entropy of the labelled rows, conditional entropy of all rows, and
 * the virtual adversarial loss of all rows: the answer must not change within epsilon of any row (method page, section
 * 4).
 */
#include "engine/method.h"
#include "engine/vat.h"

static void
method_vat_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	(void)state; /* it has none of its own */
	vat_workspace(f->own, &f->shape, f->params->batch_size, scratch);
}

static void
method_vat_init(struct fit *f)
{
	(void)f;
}

static void
method_vat_step(struct fit *f, struct train_terms *terms)
{
	const struct params *p = f->params;
	const size_t n = p->batch_size;
	const struct jem_weights weights = {.beta = (real)p->beta, .alpha = (real)p->alpha};
	const struct vat_settings settings = {
		.xi = (real)p->vat_xi,
		.epsilon = (real)p->vat_epsilon,
		.iterations = p->vat_power_iterations,
		.weight = 1,
	};
	struct vat *v = f->own;
	struct jem_terms t;
	const real *w;

	fit_draw_data(f, jem_input(&f->jem, 0), n);
	fit_draw_labelled(f, jem_input(&f->jem, n), p->labelled_batch_size);
	w = fit_weights(f);
	jem_step(&f->jem, w, n, 0, p->labelled_batch_size, f->y, &weights, f->gradient, &t, f->threads);
	rng_uniform(&f->rng, v->r, n * f->shape.size[0]);
	vat_perturb(v, w, &f->jem, n, v->r, &settings, f->threads);
	t.loss += vat_loss(v, w, &f->jem, n, &settings, f->gradient, f->threads);
	fit_update(f);
	*terms = fit_terms(&t);
	terms->log_p_difference = 0; /* there are no generated rows to differ from */
}

const struct method_ops method_vat = {
	.name = "vat",
	.own_size = sizeof(struct vat),
	.uses_unlabelled = true,
	.beta2 = 0.999, /* as for the supervised method: no adversary to follow quickly */
	.layout = method_vat_layout,
	.init = method_vat_init,
	.step = method_vat_step,
};
