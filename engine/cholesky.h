/*
 * cholesky: symmetric positive definite matrices of a few dozen rows, in double. For large ones there is kernel.
 */
#ifndef VERAD_ENGINE_CHOLESKY_H
#define VERAD_ENGINE_CHOLESKY_H

#include <math.h>
#include <stddef.h>

/* m [n][n] into its lower Cholesky factor, in place; the upper triangle is left as it is. */
static inline void
cholesky_factorise(double *m, size_t n)
{
	for (size_t j = 0; j < n; j++)
		for (size_t i = j; i < n; i++) {
			double sum = m[i * n + j];

			for (size_t k = 0; k < j; k++)
				sum -= m[i * n + k] * m[j * n + k];
			m[i * n + j] = i == j ? sqrt(sum) : sum / m[j * n + j];
		}
}

/* Solves L L^T v = v in place. */
static inline void
cholesky_solve(const double *factor, size_t n, double *v)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++)
			v[i] -= factor[i * n + k] * v[k];
		v[i] /= factor[i * n + i];
	}
	for (size_t i = n; i-- > 0;) {
		for (size_t k = i + 1; k < n; k++)
			v[i] -= factor[k * n + i] * v[k];
		v[i] /= factor[i * n + i];
	}
}

#endif
