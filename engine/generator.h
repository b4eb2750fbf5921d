/*
 * generator: x = g(h) + sigma eps, its approximate posterior, and the VERA estimate of the entropy's gradient
 * (Grathwohl et al., ICLR 2021, section 3; method page, section 2).
 *
 * g has hidden layers of Linear without bias, batch norm (always the statistics of the rows passed), softplus, and a
 * last linear layer. sigma is one number, as in the paper, or one for each column: then a column of little noise and
 * one of much need not share it, and S = diag(sigma)^2 stands for sigma^2 I wherever that is written. One block holds
 * the parameters: per hidden layer weights [out][in], scale [out], shift [out]; then the last weights and biases; then
 * log sigma, [1] or [D]. log eta [Z], the scales of the posterior, are a block of their own, because they ascend
 * another objective. A step of VERA, in order: fill noise, sample, score, posterior_gradient, gradient; other estimates
 * of the entropy's gradient put theirs into `score`. Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_GENERATOR_H
#define VERAD_ENGINE_GENERATOR_H

#include "engine/arena.h"
#include "engine/params.h"
#include "engine/real.h"
#include "engine/rng.h"

struct generator_shape {
	size_t noise_dim, n_out; /* Z, D */
	struct layer_sizes hidden;
	bool sigma_by_column; /* else sigma is one number */
};

size_t generator_size(const struct generator_shape *s); /* numbers in the parameter block, log sigma included */
size_t generator_weights_at(const struct generator_shape *s, size_t layer); /* 0 .. hidden.n; hidden.n = last layer */
size_t generator_scale_at(const struct generator_shape *s, size_t layer);   /* of a hidden layer */
size_t generator_shift_at(const struct generator_shape *s, size_t layer);
size_t generator_bias_at(const struct generator_shape *s); /* of the last layer */
size_t generator_log_sigma_at(const struct generator_shape *s);
size_t generator_n_sigma(const struct generator_shape *s); /* D or 1 */

#define GENERATOR_MIN_SIGMA 0.01
#define POSTERIOR_START 0.1 /* of every eta */

/* Weights and the last biases uniform in +-1/sqrt(inputs), scale 1, shift 0, sigma as given. */
void generator_init(const struct generator_shape *s, real *w, double sigma, struct rng *rng);
/* Then, of one whose sigma is by column: rows begin with these means [D], sigma with these deviations, g's part of them
 * small beside it. */
void generator_begin_at(const struct generator_shape *s, real *w, const double *mean, const double *sd);
/* After each step: log sigma back into [log GENERATOR_MIN_SIGMA, log max_sigma]. */
void generator_clamp(const struct generator_shape *s, real *w, double max_sigma);

struct generator_pass {                   /* activations of m rows through g */
	real *h;                          /* [m][Z] */
	real *y[PARAMS_MAX_LAYERS];       /* [m][hidden], behind softplus */
	real *xhat[PARAMS_MAX_LAYERS];    /* [m][hidden], normalised; y itself where no backward pass follows */
	real *inv_std[PARAMS_MAX_LAYERS]; /* [hidden] */
	real *g;                          /* [m][D] */
};

struct generator { /* a workspace for batches of n rows and S samples */
	struct generator_shape shape;
	size_t n, samples;
	struct generator_pass sample, posterior, probe; /* n, samples * n and n rows */
	real *eps_x;          /* [n][D]: noise of the sample; filled by the caller, as the next two and sample.h */
	real *eps_importance; /* [samples][n][Z] */
	real *eps_posterior;  /* [n][Z] */
	real *sigma;          /* [D] of the sample, one and the same where it is one number */
	real *x;              /* [n][D] the sample */
	real *score;          /* [n][D] c, an estimate of -grad_x log q(x) */
	real *weight;         /* [samples][n] importance weights */
	real *delta[2];       /* [n][widest] */
};

/* Lays the workspace out in an arena; with one that only counts, all pointers are NULL. samples 0: for sample and
 * gradient alone, without what the approximate posterior needs. */
void generator_workspace(
	struct generator *g, const struct generator_shape *s, size_t n, size_t samples, struct arena *arena);

/* Draws h and eps_x; for the posterior, eps_importance and eps_posterior. */
void generator_draw(struct generator *g, struct rng *rng);

/* x from sample.h and eps_x. */
void generator_sample(struct generator *g, const real *w, int threads);

/* c from x, sample.h, eps_importance: the posterior is N(h, diag(eta^2)), w its self-normalised weights. This and the
 * next of one sigma for all columns. */
void generator_score(struct generator *g, const real *w, const real *log_eta, int threads);

/* Gradient [Z] of minus the ELBO in log eta, by the one reparameterised sample h + eta eps_posterior. */
void generator_posterior_gradient(struct generator *g, const real *w, const real *log_eta, real *gradient, int threads);

/* Gradient in all parameters from dx [n][D], the gradient of the loss at x. */
void generator_gradient(struct generator *g, const real *w, const real *dx, real *gradient, int threads);

double generator_sigma(const struct generator_shape *s, const real *w); /* by column: their geometric mean */

#endif
