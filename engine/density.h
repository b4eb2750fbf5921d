/*
 * density: models whose log-density is known exactly, normaliser and all (method page, section 5).
 *
 *   ppca      x = W h + mu + sigma e with h, e standard normal: x ~ N(mu, W W^T + sigma^2 I) (Tipping & Bishop 1999)
 *   mixture   log sum_k softmax(logits)_k N(x; mu_k, diag(exp(log_std_k))^2)
 *   nice      x in two halves, even and odd columns; couplings add a network of the one half to the other, in turn the
 *             second and the first; then z = exp(s) x is standard normal (Dinh, Krueger & Bengio, "NICE", 2015). Their
 *             networks have softplus behind each hidden layer.
 *
 * A family is one file behind one small table of functions (density_private.h). All parameters of a model are one
 * block, in order:
 *
 *   ppca      W [d][n_parts], mu [d], log sigma
 *   mixture   mu [n_parts][d], log_std [n_parts][d], logits [n_parts]
 *   nice      a block for each coupling's network as net.h has it, then s [d]
 *
 * Everything that training asks of a density is had from its jet along a direction u: log p, its slope u . grad log p
 * and its curvature u^T (grad grad log p) u, and the gradient of a weighted sum of the three in the parameters.
 * Likelihood is the first; a gradient penalty the second, u being the gradient itself; sliced score matching the third.
 * In nats, of the encoded columns as they are. Thread rule: kernel's; results do not depend on the number of threads.
 */
#ifndef VERAD_ENGINE_DENSITY_H
#define VERAD_ENGINE_DENSITY_H

#include "engine/arena.h"
#include "engine/net.h"
#include "engine/params.h"
#include "engine/real.h"
#include "engine/rng.h"

struct density_shape {
	size_t family;             /* enum density_family */
	size_t d;                  /* features, at least 1; of nice at least 2 */
	size_t n_parts;            /* directions Z, components K or couplings; at least 1 */
	struct layer_sizes hidden; /* of a coupling's network; nice alone */
};

enum { DENSITY_COUPLINGS = 4, DENSITY_MAX_PARTS = 1024, DENSITY_MAX_COUPLINGS = 8 };

/* No direction has a smaller standard deviation, whatever the data: a likelihood without bound is no goal. */
#define DENSITY_MIN_SCALE 1e-4

struct density_shape density_shape_of(const struct params *p, size_t d); /* resolved parameters, of d features */
/* The network of coupling c of a nice: from the first half to the second for even c, else the other way. */
struct net_shape density_coupling(const struct density_shape *s, size_t c);
size_t density_size(const struct density_shape *s); /* numbers in the parameter block */

struct density_ppca_pieces {
	double *m, *inverse;          /* [z][z] factor of M, M^-1 */
	real *b;                      /* [d][z] W M^-1 */
	real *centred, *left, *right; /* [2n][d], [2n][d], [2n][z] */
	real *latent;                 /* [2n][z] */
	double log_determinant, sigma2;
};

struct density_mixture_pieces {
	double *log_scale;         /* [K] log pi_k - sum log std - d/2 log 2 pi */
	real *inv_std;             /* [K][d] */
	real *z, *t;               /* [d] */
	double *e[3];              /* [n][K] log joint density of each component, its slope and its curvature */
	real *share;               /* [n][K] p(k|x) */
	double *seed[3], *log_mix; /* [K] */
};

struct density_nice_pieces {
	size_t half[2];                                          /* columns of the halves */
	real *in[DENSITY_MAX_COUPLINGS];                         /* [rows][half]: what each network was given */
	real *y[DENSITY_MAX_COUPLINGS][PARAMS_MAX_LAYERS];       /* [rows][hidden] behind softplus */
	real *tangent[DENSITY_MAX_COUPLINGS][PARAMS_MAX_LAYERS]; /* [order * n][hidden] before it */
	real *h[2], *adjoint[2], *shift, *delta[2];              /* [rows][half], …, [rows][widest] */
	real *scale;                                             /* [d] exp(s), first half first */
};

struct density { /* a workspace for up to n rows, laid out in its caller's arena */
	struct density_shape shape;
	size_t n, order;   /* order 0: log-densities and their gradients; 1: slopes too; 2: curvatures too */
	real *x;           /* [n][d]: the rows, put there by the caller, kept */
	real *u;           /* [n][d]: directions, likewise; order 1 or 2 */
	real *seed;        /* [3][n]: for the caller's weights of density_jet_gradient */
	double *log_p;     /* [n] */
	double *slope;     /* [n] u . grad log p */
	double *curvature; /* [n] u^T (grad grad log p) u */
	real *gradient;    /* [n][d] grad_x log p */
	double *mean, *sd; /* [d]: of density_init */
	union {            /* the family's own */
		struct density_ppca_pieces ppca;
		struct density_mixture_pieces mixture;
		struct density_nice_pieces nice;
	} own;
};

/* Count with arena->block NULL first. */
void density_workspace(struct density *k, const struct density_shape *s, size_t n, size_t order, struct arena *arena);

/* Starting values, from the first n rows of k->x: their mean and deviations, as the family can have them. */
void density_init(struct density *k, real *w, size_t n, struct rng *rng);
/* After each step: back to where every standard deviation is at least DENSITY_MIN_SCALE and nothing overflows. */
void density_clamp(const struct density_shape *s, real *w);

/* log p of the first n rows of k->x into k->log_p; gradient: and grad_x log p into k->gradient. */
void density_log_density(struct density *k, const real *w, size_t n, bool gradient, int threads);

/* log p, slope, curvature up to the order asked for (0 .. k->order) along k->u. */
void density_jet(struct density *k, const real *w, size_t n, size_t order, int threads);

/*
 * After density_jet on the same rows: the gradient in the parameters of sum_i a_i log_p_i + b_i slope_i + c_i
 * curvature_i, u held constant, written to `gradient`. a, b, c [n]; b and c are not looked at where the order is lower.
 * NULL: zeros.
 */
void density_jet_gradient(struct density *k, const real *w, size_t n, size_t order, const real *a, const real *b,
	const real *c, real *gradient, int threads);

/* The gradient in the parameters of sum_i seed_i log p(x_i); leaves log_p. */
void density_gradient(struct density *k, const real *w, size_t n, const real *seed, real *gradient, int threads);
/* The gradient of the penalty weight / n * sum_i |grad_x log p(x_i)|^2 / 2, which it returns for weight 1; order >= 1.
 * Leaves log_p and gradient; u is overwritten. */
double density_penalty(struct density *k, const real *w, size_t n, real weight, real *gradient, int threads);

/* n exact samples [n][d] into k->x, n <= k->n. */
void density_sample(struct density *k, const real *w, size_t n, struct rng *rng, int threads);

#endif
