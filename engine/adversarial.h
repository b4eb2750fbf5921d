/*
 * adversarial: what every method has that trains the energy network against a generator (vera, vera_hmc, meg).
 *
 * A step: `adversary_sample`, then the energy network's step against that sample (fit_contrast), then the generator's
 * against the energy network just updated: L_g = -(E_q[log p(x)] + lambda H(q)) (method page, section 2). The methods
 * differ in one thing, the gradient c of the entropy H(q) in x, which they leave in generator.score before the
 * generator's step. Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_ADVERSARIAL_H
#define VERAD_ENGINE_ADVERSARIAL_H

#include "engine/generator.h"
#include "engine/method.h"

struct adversary {
	struct generator_shape shape;
	struct generator generator;
	real *w, *moment; /* state: the generator and its second moments */
	real *gradient;   /* scratch */
	real *dx;         /* scratch: [B][D] */
};

/* samples: of the generator's own posterior; 0 for methods that do without it. */
void adversary_layout(
	struct adversary *a, const struct fit *f, size_t samples, struct arena *state, struct arena *scratch);
void adversary_init(struct adversary *a, struct fit *f);

/* Draws the noise of a step and makes the sample that both networks share. */
void adversary_sample(struct adversary *a, struct fit *f);

/* The gradient of L_g, c being generator.score; terms: `entropy` is the value that goes with it. */
void adversary_gradient(struct adversary *a, struct fit *f, double entropy, struct train_terms *terms);
/* Adam with it, and log sigma back within bounds. */
void adversary_update(struct adversary *a, struct fit *f, struct train_terms *terms);

/* Adam with the adversary's settings at a rate of the parameters. */
void adversary_adam(const struct fit *f, real *w, real *moment, const real *gradient, size_t n, double rate);

#endif
