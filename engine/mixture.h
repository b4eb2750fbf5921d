/*
 * mixture: a Gaussian mixture whose components have covariances of their own (McLachlan & Peel, "Finite mixture
 * models", 2000; for wide tables mixtures of probabilistic principal component analysers, Tipping & Bishop 1999):
 *
 *     log q0(x) = log sum_k pi_k N(x; mu_k, S_k),    S_k = U_k^T diag(lambda_k) U_k + s2_k (I - U_k^T U_k)
 *
 * U_k is [rank][d] with orthonormal rows; rank = d up to MIXTURE_FULL columns, where nothing is left for s2_k, and
 * MIXTURE_RANK beyond. The base measure of a joint energy model, log p(x, y) = f_y(x) + log q0(x), and a density model
 * of its own. Exact density, gradient and samples; in nats, of the encoded columns as they are.
 *
 * How it is fitted: EM, begun at rows far from each other (k-means++), towards the maximum of the likelihood with a
 * prior: a component's covariance counts as if it also had seen a few rows (0.3 for each of its directions) of the
 * covariance pooled within components, itself shrunk as far as its rows are few, and no direction varies less than
 * `ridge`. The number of components is doubled until the mean log density of a fifth of the rows, held out, is no
 * better for it twice in a row; the best number is then fitted to all rows.
 *
 * What it costs is bounded by the shape alone: the rank as above; MIXTURE_MIN_ROWS rows or more for each component; at
 * most 60 iterations for each number of components, 10 beyond MIXTURE_FULL columns; and no doubling that would take the
 * whole beyond 1.5e11 multiplications. Measured on one core: 0.2 s for 3000 rows of 20 columns, 1 s for 8000 of 60, 7 s
 * for 8000 of 784, 9 s for 8000 of 4096. It holds the rows once more, their shares in each component, and three
 * mixtures.
 *
 * Thread rule: const once made, any number of threads, each with a workspace of its own. Results do not depend on the
 * number of threads.
 */
#ifndef VERAD_ENGINE_MIXTURE_H
#define VERAD_ENGINE_MIXTURE_H

#include <stdbool.h>

#include "engine/arena.h"
#include "engine/buf.h"
#include "engine/rng.h"

enum {
	MIXTURE_FULL = 64, /* columns up to which covariances are full */
	MIXTURE_RANK = 48, /* directions of their own beyond */
	MIXTURE_MAX_COMPONENTS = 64,
	MIXTURE_MIN_ROWS = 10, /* rows a component, at the least */
	MIXTURE_MAX_FEATURES = 1 << 20,
};

struct mixture;

struct mixture_options {
	size_t max_components; /* 0: 32 */
	size_t max_iterations; /* of EM, for each number of components; 0: the room's own limit */
	double ridge;          /* the least variance of any direction; 0: 0.01 */
	uint64_t seed;
	int threads; /* 0: 1 */
	bool (*stop)(
		void *ctx); /* NULL, or asked between iterations: true ends the call with ERR_CANCELLED "stopped" */
	void *ctx;
};

struct mixture_report {
	size_t n_components;
	size_t iterations;      /* of the last fit */
	double held_out;        /* mean log density of the rows held out, of the number of components chosen */
	double held_out_single; /* that of a single Gaussian */
	double fitted;          /* mean log density of all rows, of the mixture returned */
};

/*
 * Rows x [n][d], all finite, n >= 1, d >= 1; values beyond MIXTURE_LIMIT count as it. The same rows, options and seed
 * give the same mixture. More rows than about 8,000 are the caller's choice to give and to wait for. report: NULL, or
 * filled. ERR_DATA "no_rows"; ERR_TOO_LARGE; ERR_NOMEM; ERR_CANCELLED "stopped".
 */
#define MIXTURE_LIMIT 1e4
enum status mixture_fit(const real *x, size_t n, size_t d, const struct mixture_options *o, struct mixture **out,
	struct mixture_report *report, struct err *e);

/*
 * From its parts, all copied: weight [n_components] > 0, brought to the sum 1; mean [n_components][d]; factor
 * [n_components][rank][d] any rows, and noise [n_components] > 0 with S_k = factor_k^T factor_k + noise_k I. Rank 0:
 * isotropic. ERR_INVALID "not_a_density".
 */
enum status mixture_new(size_t n_components, size_t d, size_t rank, const double *weight, const double *mean,
	const double *factor, const double *noise, struct mixture **out, struct err *e);
void mixture_free(struct mixture *m); /* NULL is nothing */

size_t mixture_n_components(const struct mixture *m);
size_t mixture_n_features(const struct mixture *m);
double mixture_weight(const struct mixture *m, size_t k);
void mixture_mean(const struct mixture *m, size_t k, double *mean); /* [d] */
/* The component whose mean is nearest to x [d] by the sum of absolute differences, which a single value far out hardly
 * sways. */
size_t mixture_nearest(const struct mixture *m, const real *x);

struct mixture_workspace {    /* laid out in its caller's arena */
	size_t n;             /* rows taken at a time */
	real *x;              /* [n][d] within the limit, about the centre */
	real *projection;     /* [n][n_components * rank] */
	real *responsibility; /* [n][n_components] */
	real *gradient;       /* [n][d] */
};

/* For calls of any number of rows, of which n are taken at a time. Count with arena->block NULL first. */
void mixture_workspace(struct mixture_workspace *w, const struct mixture *m, size_t n, struct arena *arena);

/*
 * log q0 of the rows x [n][d] into log_density [n], and, unless NULL, its gradient in x [n][d]. Finite whatever finite
 * rows come: a value beyond MIXTURE_LIMIT counts as it. There the gradient is the one at the limit, so that it still
 * leads back. A row's answer depends on no other row's values, but for rounding. gradient may be x itself.
 */
void mixture_log_density(const struct mixture *m, const real *x, size_t n, struct mixture_workspace *w,
	double *log_density, real *gradient, int threads);

/* n exact samples [n][d], w->n at a time: that number is part of what fixes them, beside the state of rng. */
void mixture_sample(
	const struct mixture *m, struct rng *rng, size_t n, struct mixture_workspace *w, real *out, int threads);

/* Bytes: little-endian; reading trusts none of them (ERR_CORRUPT "corrupt_model"). */
void mixture_write(const struct mixture *m, struct buf *out);
enum status mixture_read(struct reader *in, struct mixture **out, struct err *e);

#endif
