/* marginal: see marginal.h. */
#include "engine/marginal.h"

#include <math.h>

#include "engine/elementary.h"
#include "engine/kernel.h"
#include "engine/simd.h"

void
marginal_layout(struct marginal *m, const struct generator_shape *s, size_t n, struct arena *scratch)
{
	m->across = arena_take(scratch, n * s->n_out);
	m->share = arena_take(scratch, n);
	m->log_q = arena_take_doubles(scratch, n);
}

SIMD_CLONES static void
subtract_squares(real *sum, const real *column, real x, real scale, size_t n)
{
	for (size_t j = 0; j < n; j++)
		sum[j] -= (x - column[j]) * (x - column[j]) * scale;
}

SIMD_CLONES static void
exponentials(real *v, real top, size_t n)
{
	for (size_t j = 0; j < n; j++)
		v[j] = real_exp(v[j] - top);
}

void
marginal_score(struct marginal *m, struct generator *g, const real *w)
{
	const size_t n = g->n, d = g->shape.n_out;
	const double sigma = generator_sigma(&g->shape, w), precision = 1 / (sigma * sigma);

	for (size_t i = 0; i < n * d; i++)
		m->across[i % d * n + i / d] = g->sample.g[i];
	for (size_t i = 0; i < n; i++) {
		const real *x = g->x + i * d;
		double top = -(double)INFINITY, sum = 0;

		for (size_t j = 0; j < n; j++)
			m->share[j] = 0;
		for (size_t k = 0; k < d; k++)
			subtract_squares(m->share, m->across + k * n, x[k], (real)(precision / 2), n);
		for (size_t j = 0; j < n; j++)
			top = fmax(top, (double)m->share[j]);
		exponentials(m->share, (real)top, n);
		for (size_t j = 0; j < n; j++)
			sum += (double)m->share[j];
		m->log_q[i] = top + log(sum) - (double)d * log(sigma);
		for (size_t k = 0; k < d; k++) /* the shares add up to sum */
			g->score[i * d + k] = (real)(((double)x[k] - kernel_dot(m->share, m->across + k * n, n) / sum) *
						     precision);
	}
}
