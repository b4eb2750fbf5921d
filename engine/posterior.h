/*
 * posterior: the entropy's gradient by one Gauss-Newton step towards the mean of the generator's posterior, in the
 * place of importance samples (after Tierney & Kadane 1986, and the linearised posterior of probabilistic PCA, Tipping
 * & Bishop 1999; method page, section 2, for what is estimated).
 *
 *     c = E_{q(h|x)}[(x - g(h)) / sigma^2] = -grad_x log q(x),    x = g(h0) + sigma eps
 *
 * Were g linear, with Jacobian J, the posterior would be Gaussian of precision P = I + J^T J / sigma^2, and
 * c = (x - g(m)) / sigma^2 exactly, at its mean m = h0 + P^-1 (J^T eps / sigma - h0): no samples, no variance. Here g
 * is linear around a row and for a step:
 *   - u = J^T eps costs one backward pass through the activations that made the sample;
 *   - J^T J is its average over rows, for which no pass is made: eps is standard normal, so E[u u^T] = E[J^T J]. It
 *     moves with the generator as slowly as the moving average of the weights, and is state;
 *   - each row goes along its direction P^-1 (u / sigma - h0) as far as suits it: one forward pass at the whole step
 *     says how g bends, and the least squares of that secant how far.
 * Three passes with that of the sample, where S importance samples and the fit of their proposal make S + 3. In the
 * linear case the estimate is exact as soon as the average is. Batch statistics are those of the sample's pass
 * (folded.h). Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_POSTERIOR_H
#define VERAD_ENGINE_POSTERIOR_H

#include "engine/folded.h"

struct posterior { /* of batches of n rows */
	struct folded folded;
	size_t n;
	real *metric;       /* state: [Z][Z] average of J^T J */
	real *batch_metric; /* scratch, as all below: [Z][Z] of this batch */
	double *precision;  /* [Z][Z] */
	double *step;       /* [n][Z] */
	real *a[NET_MAX_LAYERS + 1], *delta[NET_MAX_LAYERS + 1];
};

void posterior_layout(
	struct posterior *p, const struct generator_shape *s, size_t n, struct arena *state, struct arena *scratch);
void posterior_init(struct posterior *p);

/* c into g->score; g has just made its sample (generator_sample) with the parameters w. t = 1, 2, … counts the steps of
 * training. */
void posterior_score(struct posterior *p, struct generator *g, const real *w, size_t t, int threads);

#endif
