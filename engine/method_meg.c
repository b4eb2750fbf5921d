/*
 * method_meg: maximum-entropy generators (Kumar et al. 2019; method page, section 4). As VERA, but for the generator's
 * entropy: H(x) = I(x; h) + H(x|h), the first bounded from below by a discriminator that is trained along, the second
 * D log sigma but for a constant. In one pass the discriminator learns and the generator gets its gradient.
 */
#include <math.h>
#include <string.h>

#include "engine/adversarial.h"
#include "engine/discriminator.h"

struct meg {
	struct adversary adversary;
	struct discriminator discriminator;
	real *w, *moment; /* state: the discriminator and its second moments */
	real *gradient;   /* scratch */
};

static void
meg_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	struct meg *m = f->own;
	const struct params *p = f->params;
	size_t n;

	adversary_layout(&m->adversary, f, 0, state, scratch);
	discriminator_workspace(
		&m->discriminator, p->batch_size, f->shape.size[0], p->noise_dim, &p->generator_layers, scratch);
	n = net_size(&m->discriminator.shape);
	m->w = arena_take(state, n);
	m->moment = arena_take(state, n);
	m->gradient = arena_take(scratch, n);
}

static void
meg_init(struct fit *f)
{
	struct meg *m = f->own;

	adversary_init(&m->adversary, f);
	net_init(&m->discriminator.shape, m->w, &f->rng);
	memset(m->moment, 0, net_size(&m->discriminator.shape) * sizeof *m->moment);
}

static void
meg_step(struct fit *f, struct train_terms *terms)
{
	struct meg *m = f->own;
	struct adversary *a = &m->adversary;
	struct generator *g = &a->generator;
	const double d = (double)a->shape.n_out;
	double information;

	adversary_sample(a, f);
	fit_contrast(f, g->x, terms);

	information = discriminator_bound(
		&m->discriminator, m->w, g->x, g->sample.h, m->gradient, g->score, f->threads);
	adversary_gradient(a, f, information + d * log(generator_sigma(&a->shape, a->w)), terms);
	a->gradient[generator_log_sigma_at(&a->shape)] -= (real)(f->params->lambda * d);
	adversary_adam(
		f, m->w, m->moment, m->gradient, net_size(&m->discriminator.shape), f->params->generator_learning_rate);
	adversary_update(a, f, terms);
}

const struct method_ops method_meg = {
	.name = "meg",
	.own_size = sizeof(struct meg),
	.uses_unlabelled = true,
	.contrasts = true,
	.beta2 = ADVERSARIAL_BETA2,
	.layout = meg_layout,
	.init = meg_init,
	.step = meg_step,
};
