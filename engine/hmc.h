/*
 * hmc: the estimate of the entropy's gradient that VERA replaces, by Hamiltonian Monte Carlo on the generator's
 * posterior q(h|x) (Dieng et al., "Prescribed generative adversarial networks", 2019; Titsias & Ruiz 2019; Neal, "MCMC
 * using Hamiltonian dynamics", 2011; method page, section 2).
 *
 *     c = mean over h ~ q(h|x) of (x - g(h)) / sigma^2 = -grad_x log q(x),    q(h|x) proportional to q(x, h)
 *
 * The chain of a row starts at the h0 that made it, so it starts in equilibrium. Within it the batch statistics of g
 * are those of the pass that made the sample: g is then one fixed function, and each row has a posterior of its own,
 * that its chain leaves invariant exactly (folded.h). Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_HMC_H
#define VERAD_ENGINE_HMC_H

#include "engine/folded.h"

#define HMC_START_STEP 0.1
#define HMC_TARGET 0.67 /* acceptance that the step size is adapted to */

struct hmc_settings {
	size_t leapfrog_steps;
	size_t burn_in; /* transitions before the first sample */
	size_t samples;
};

struct hmc_point {       /* of n chains */
	real *h;         /* [n][Z] */
	real *gradient;  /* [n][Z] of log q(x, h) in h */
	real *g;         /* [n][D] */
	real *log_joint; /* [n] log q(x, h), constants left out */
};

struct hmc { /* a workspace, laid out in its caller's arena */
	struct folded folded;
	size_t n;
	const real *x;
	real sigma;
	real *a[NET_MAX_LAYERS + 1], *delta[NET_MAX_LAYERS + 1];
	struct hmc_point now, next;
	real *momentum;       /* [n][Z] */
	real *kinetic, *coin; /* [n] */
};

void hmc_workspace(struct hmc *m, const struct generator_shape *s, size_t n, struct arena *arena);

/* Folds the generator as it was when it made g->x, which is borrowed, and sets the chains to its h. */
void hmc_begin(struct hmc *m, const struct generator *g, const real *w, int threads);

/* Fills p->g, p->log_joint and p->gradient from p->h. */
void hmc_evaluate(struct hmc *m, struct hmc_point *p, int threads);

/*
 * c into g->score. *log_step is adapted after every transition, towards HMC_TARGET. Returns the mean probability of
 * acceptance.
 */
double hmc_score(struct hmc *m, struct generator *g, const real *w, real *log_step, const struct hmc_settings *settings,
	struct rng *rng, int threads);

#endif
