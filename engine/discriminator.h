/*
 * discriminator: how much a generated row tells of the noise it was made from. A network T(x, h) tells true pairs from
 * broken ones, and bounds their mutual information from below (Jensen-Shannon form: Nowozin et al., "f-GAN", 2016;
 * Hjelm et al. 2019; for generators of energy-based models Kumar et al., "Maximum entropy generators", 2019):
 *
 *     I >= E[-softplus(-T(x, h))] - E[softplus(T(x, h'))],   h' the noise of another row of the batch
 *
 * T is a plain net over the concatenation of x and h with one output. Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_DISCRIMINATOR_H
#define VERAD_ENGINE_DISCRIMINATOR_H

#include "engine/arena.h"
#include "engine/net.h"

struct discriminator { /* a workspace, laid out in its caller's arena */
	struct net_shape shape;
	size_t n, d, z;
	real *a[NET_MAX_LAYERS + 1], *delta[NET_MAX_LAYERS + 1]; /* 2n rows: true pairs, then broken ones */
};

void discriminator_workspace(
	struct discriminator *t, size_t n, size_t d, size_t z, const struct layer_sizes *hidden, struct arena *arena);

/*
 * The bound for n >= 2 pairs x [n][D], h [n][Z]. gradient: of minus the bound, in the weights w of T, for its descent.
 * score [n][D]: n times the bound's gradient in x, which is an entropy gradient c as generator.h means it.
 */
double discriminator_bound(
	struct discriminator *t, const real *w, const real *x, const real *h, real *gradient, real *score, int threads);

#endif
