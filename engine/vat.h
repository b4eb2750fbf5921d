/*
 * vat: the virtual adversarial loss (Miyato et al., "Virtual adversarial training: a regularization method for
 * supervised and semi-supervised learning", 2017; method page, section 4).
 *
 * KL(p(.|x) || p(.|x + r)), averaged over rows, p(.|x) held constant; r is the perturbation of length epsilon that
 * raises the divergence most, found by power iteration from a random direction and held constant too. Thread rule:
 * kernel's.
 */
#ifndef VERAD_ENGINE_VAT_H
#define VERAD_ENGINE_VAT_H

#include "engine/jem.h"

struct vat_settings {
	real xi;      /* length of the probing step; LeakyReLU nets are piecewise linear, so it may be long */
	real epsilon; /* length of r */
	size_t iterations;
	real weight; /* of the loss in the gradient */
};

struct vat { /* a workspace, laid out in its caller's arena */
	struct net_shape shape;
	real *a[NET_MAX_LAYERS + 1], *delta[NET_MAX_LAYERS + 1];
	real *q, *log_z; /* [n][K] softmax at the perturbed rows, [n] logsumexp */
	real *r;         /* [n][D] the perturbation */
	real *gradient;  /* a plain block */
};

void vat_workspace(struct vat *v, const struct net_shape *s, size_t max_rows, struct arena *arena);

/*
 * Fills v->r for the first n rows of `clean`, a step of which has just left inputs, logits, p and log_p there under the
 * same weights. u [n][D]: uniform numbers in (0, 1), from which the first direction is made; may be v->r itself.
 */
void vat_perturb(struct vat *v, const real *w, const struct jem *clean, size_t n, const real *u,
	const struct vat_settings *settings, int threads);

/* The loss at v->r; its weighted gradient in the plain weights is added to `gradient`. */
double vat_loss(struct vat *v, const real *w, const struct jem *clean, size_t n, const struct vat_settings *settings,
	real *gradient, int threads);

#endif
