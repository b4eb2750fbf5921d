/* marginal: see marginal.h. */
#include "engine/marginal.h"

#include <math.h>
#include <string.h>

#include "engine/elementary.h"
#include "engine/kernel.h"
#include "engine/simd.h"

void
marginal_layout(struct marginal *m, const struct generator_shape *s, size_t n, struct arena *scratch)
{
	m->across = arena_take(scratch, n * s->n_out);
	m->data_across = arena_take(scratch, n * s->n_out);
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

/* Of a column: where sigma is one number, that in double. */
static double
precision_of(const struct generator *g, double sigma, size_t column)
{
	const double own = g->shape.sigma_by_column ? (double)g->sigma[column] : sigma;

	return 1 / (own * own);
}

/* log sum_j N(x; centre_j, sigma^2) but for the factor of all Gaussians alike; m->share has the summands as shares of
 * *sum. */
static double
log_total(struct marginal *m, const struct generator *g, double sigma, const real *x, const real *across, size_t n,
	double *sum)
{
	double top = -(double)INFINITY;

	for (size_t j = 0; j < n; j++)
		m->share[j] = 0;
	for (size_t k = 0; k < g->shape.n_out; k++)
		subtract_squares(m->share, across + k * n, x[k], (real)(precision_of(g, sigma, k) / 2), n);
	for (size_t j = 0; j < n; j++)
		top = fmax(top, (double)m->share[j]);
	exponentials(m->share, (real)top, n);
	*sum = 0;
	for (size_t j = 0; j < n; j++)
		*sum += (double)m->share[j];
	return top + log(*sum);
}

static void
turn(real *across, const real *rows, size_t n, size_t d)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < d; j++)
			across[j * n + i] = rows[i * d + j];
}

void
marginal_score(struct marginal *m, struct generator *g, const real *w)
{
	const size_t n = g->n, d = g->shape.n_out;
	const double sigma = generator_sigma(&g->shape, w);
	double sum;

	turn(m->across, g->sample.g, n, d);
	for (size_t i = 0; i < n; i++) {
		const real *x = g->x + i * d;

		m->log_q[i] = log_total(m, g, sigma, x, m->across, n, &sum) - (double)d * log(sigma);
		for (size_t k = 0; k < d; k++) /* the shares add up to sum */
			g->score[i * d + k] = (real)(((double)x[k] - kernel_dot(m->share, m->across + k * n, n) / sum) *
						     precision_of(g, sigma, k));
	}
}

void
marginal_defend(struct marginal *m, const struct generator *g, const real *w, const real *data, size_t n_data, real *x)
{
	const size_t n = g->n, d = g->shape.n_out, n_own = n - n_data;
	const double sigma = generator_sigma(&g->shape, w), factor = (double)d * log(sigma);
	double unused;

	turn(m->data_across, data, n_data, d);
	memcpy(x, g->x, n_own * d * sizeof *x);
	for (size_t i = 0; i < n_data; i++)
		for (size_t j = 0; j < d; j++)
			x[(n_own + i) * d + j] = data[i * d + j] + g->sigma[j] * x[(n_own + i) * d + j];
	for (size_t i = 0; i < n; i++) {
		const real *row = x + i * d;
		/* Of n rows by the generator as many as are its own, of n_data centres as many as there are. */
		double of_data = log_total(m, g, sigma, row, m->data_across, n_data, &unused) - factor;
		double own = i < n_own ? m->log_q[i] : log_total(m, g, sigma, row, m->across, n, &unused) - factor;
		double top;

		own += log((double)n_own / (double)n);
		top = fmax(own, of_data);
		m->log_q[i] = top + log(exp(own - top) + exp(of_data - top));
	}
}
