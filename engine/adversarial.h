/*
 * adversarial: what every method has that trains the energy network against a generator (vera, vera_hmc, meg).
 *
 * A step: `adversary_sample`, then the energy network's step against that sample (fit_contrast), then the generator's
 * against the energy network just updated: L_g = -(E_q[log p(x)] + lambda H(q)) (method page, section 2). The methods
 * differ in one thing, the gradient c of the entropy H(q) in x, which they leave in generator.score before the
 * generator's step. Thread rule: kernel's.
 *
 * Where c is had before the energy's step, it can make the sample better than its generator (adversary_refined). What
 * the generator is to follow, grad log p + c = grad log (p / q), is in x the direction in which KL(q || p) falls
 * fastest (the Wasserstein gradient flow: Jordan, Kinderlehrer & Otto 1998; along a kernel's, Liu & Wang, "Stein
 * variational gradient descent", 2016). A step along it in units of the generator's own noise,
 *
 *     x' = x + r sigma^2 (grad log p(x) + c(x)),
 *
 * takes away a share r of a shift between p and q where both have about that noise, at once and for the p of this step,
 * where the generator comes late and overshoots: so p and q cease to chase each other. It is bounded in each column, as
 * drifts of Langevin steps are that must not explode where p is steep (Roberts & Tweedie 1996). The same difference
 * says how far apart p and q are, in units of that noise: E |sigma (grad log p + c)|^2 / D, a Fisher divergence. Where
 * it grows, p is about to leave for places to which q does not come, and from which no row will call it back: then the
 * energy network takes smaller steps.
 */
#ifndef VERAD_ENGINE_ADVERSARIAL_H
#define VERAD_ENGINE_ADVERSARIAL_H

#include "engine/generator.h"
#include "engine/method.h"

struct adversary {
	struct generator_shape shape;
	struct generator generator;
	real *w, *moment;  /* state: the generator and its second moments */
	real *apart;       /* state, of params.refine_generated: [1], average of the divergence */
	real *gradient;    /* scratch */
	real *dx;          /* scratch: [B][D], of the generator's step; before that, refined rows */
	double *mean, *sd; /* scratch: [D], of data rows to begin with */
};

/* samples: of the generator's own posterior; 0 for methods that do without it. */
void adversary_layout(
	struct adversary *a, const struct fit *f, size_t samples, struct arena *state, struct arena *scratch);
void adversary_init(struct adversary *a, struct fit *f);

/* Draws the noise of a step and makes the sample that both networks share. */
void adversary_sample(struct adversary *a, struct fit *f);

/* The rows to contrast data with, [B][D]: the sample, or that after a step of params.refine_generated along
 * grad log p + generator.score; sets f->energy_share then. Borrowed until the generator's step. */
const real *adversary_refined(struct adversary *a, struct fit *f);

/* The gradient of L_g, c being generator.score; terms: `entropy` is the value that goes with it. */
void adversary_gradient(struct adversary *a, struct fit *f, double entropy, struct train_terms *terms);
/* Adam with it, and log sigma back within bounds. */
void adversary_update(struct adversary *a, struct fit *f, struct train_terms *terms);

/* Adam with the adversary's settings at a rate of the parameters. */
void adversary_adam(const struct fit *f, real *w, real *moment, const real *gradient, size_t n, double rate);

#endif
