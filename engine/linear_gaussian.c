/* linear_gaussian: see linear_gaussian.h. */
#include "engine/linear_gaussian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cholesky.h"

#define LOG_2PI 1.8378770664093454836

struct linear_gaussian {
	size_t d, z;
	double sigma;
	double log_determinant; /* of W W^T + sigma^2 I */
	double *w, *mu;         /* [d][z], [d] */
	double *factor;         /* [z][z]: lower Cholesky factor of M */
};

static void
factorise(struct linear_gaussian *m)
{
	size_t d = m->d, z = m->z;
	double sigma2 = m->sigma * m->sigma;

	for (size_t i = 0; i < z; i++)
		for (size_t j = 0; j < z; j++) {
			double sum = i == j ? sigma2 : 0;

			for (size_t k = 0; k < d; k++)
				sum += m->w[k * z + i] * m->w[k * z + j];
			m->factor[i * z + j] = sum;
		}
	cholesky_factorise(m->factor, z);
	/* |W W^T + sigma^2 I| = sigma^(2 (D - Z)) |M|; the exponent may be negative. */
	m->log_determinant = ((double)d - (double)z) * log(sigma2);
	for (size_t i = 0; i < z; i++)
		m->log_determinant += 2 * log(m->factor[i * z + i]);
}

enum status
linear_gaussian_new(const double *w, const double *mu, double sigma, size_t d, size_t z, struct linear_gaussian **out,
	struct err *e)
{
	struct linear_gaussian *m;

	if (!(sigma > 0) || !isfinite(sigma))
		return err_set(e, ERR_INVALID, "not_a_density",
			"sigma is %g: a density needs noise of a positive scale", sigma);
	m = calloc(1, sizeof *m);
	if (!m)
		return err_nomem(e);
	m->d = d;
	m->z = z;
	m->sigma = sigma;
	m->w = malloc((d * z + 1) * sizeof *m->w);
	m->mu = malloc((d + 1) * sizeof *m->mu);
	m->factor = malloc((z * z + 1) * sizeof *m->factor);
	if (!m->w || !m->mu || !m->factor) {
		linear_gaussian_free(m);
		return err_nomem(e);
	}
	memcpy(m->w, w, d * z * sizeof *w);
	memcpy(m->mu, mu, d * sizeof *mu);
	factorise(m);
	*out = m;
	return OK;
}

void
linear_gaussian_free(struct linear_gaussian *m)
{
	if (!m)
		return;
	free(m->w);
	free(m->mu);
	free(m->factor);
	free(m);
}

double
linear_gaussian_entropy(const struct linear_gaussian *m)
{
	return ((double)m->d * (LOG_2PI + 1) + m->log_determinant) / 2;
}

/* With r = x - mu: mean = M^-1 W^T r, and (W W^T + sigma^2 I)^-1 r = (r - W mean) / sigma^2. */
double
linear_gaussian_log_density(const struct linear_gaussian *m, const double *x, double *mean, double *score)
{
	size_t d = m->d, z = m->z;
	double sigma2 = m->sigma * m->sigma, quadratic = 0;

	memset(mean, 0, z * sizeof *mean);
	for (size_t i = 0; i < d; i++)
		for (size_t j = 0; j < z; j++)
			mean[j] += m->w[i * z + j] * (x[i] - m->mu[i]);
	cholesky_solve(m->factor, z, mean);
	for (size_t i = 0; i < d; i++) {
		double r = x[i] - m->mu[i], left = r;

		for (size_t j = 0; j < z; j++)
			left -= m->w[i * z + j] * mean[j];
		quadratic += r * left / sigma2;
		if (score)
			score[i] = -left / sigma2;
	}
	return -((double)d * LOG_2PI + m->log_determinant + quadratic) / 2;
}

/* sigma^2 M^-1, column by column; it is symmetric, so columns may be written as rows. */
void
linear_gaussian_posterior_covariance(const struct linear_gaussian *m, double *covariance)
{
	size_t z = m->z;

	memset(covariance, 0, z * z * sizeof *covariance);
	for (size_t j = 0; j < z; j++) {
		covariance[j * z + j] = m->sigma * m->sigma;
		cholesky_solve(m->factor, z, covariance + j * z);
	}
}
