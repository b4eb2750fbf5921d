/*
 * linear_gaussian: the generator whose distribution is known exactly (probabilistic PCA, Tipping & Bishop 1999; method
 * page, section 5): x = W h + mu + sigma e with h, e standard normal, so x ~ N(mu, W W^T + sigma^2 I).
 *
 * The yardstick of every entropy-gradient estimator: its score, entropy and posterior hold without sampling. All in
 * double, through the Z x Z matrix M = W^T W + sigma^2 I. Const once made: any number of threads.
 */
#ifndef VERAD_ENGINE_LINEAR_GAUSSIAN_H
#define VERAD_ENGINE_LINEAR_GAUSSIAN_H

#include "engine/err.h"

struct linear_gaussian;

/* w [d][z], mu [d] are copied; sigma > 0, else ERR_INVALID "not_a_density". */
enum status linear_gaussian_new(const double *w, const double *mu, double sigma, size_t d, size_t z,
	struct linear_gaussian **out, struct err *e);
void linear_gaussian_free(struct linear_gaussian *m);

double linear_gaussian_entropy(const struct linear_gaussian *m); /* nats */
/* log q(x), the mean [z] of the posterior p(h|x), and the gradient of log q in x [d] (NULL: not wanted). */
double linear_gaussian_log_density(const struct linear_gaussian *m, const double *x, double *mean, double *score);
void linear_gaussian_posterior_covariance(
	const struct linear_gaussian *m, double *covariance); /* [z][z], for every x */

#endif
