/*
 * folded: a generator whose batch statistics are held at those of one pass. Then g is one fixed function of a single
 * row's noise: a hidden layer is linear up to its softplus, and batch norm is folded into its weights.
 *
 * What asks about the posterior of a row (hmc, posterior) asks it of this function. Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_FOLDED_H
#define VERAD_ENGINE_FOLDED_H

#include "engine/generator.h"
#include "engine/net.h"

struct folded { /* laid out in its caller's arena */
	struct net_shape shape;
	real *w;    /* a plain block of `shape` */
	real *mean; /* scratch: of a layer's inputs */
};

void folded_workspace(struct folded *f, const struct generator_shape *s, struct arena *arena);

/* Folds the generator of parameters w with the statistics of g->sample, the last pass of generator_sample. */
void folded_fix(struct folded *f, const struct generator *g, const real *w);

/* a[0] [m][Z] -> a[n_layers] [m][D], all activations behind softplus kept. */
void folded_forward(const struct folded *f, real *const a[], size_t m, int threads);
/* delta[n_layers] [m][D], a gradient at g -> delta[0] [m][Z], the gradient in the noise: J^T delta. The first and the
 * last of a[] are not read. */
void folded_backward(const struct folded *f, real *const a[], real *const delta[], size_t m, int threads);

#endif
