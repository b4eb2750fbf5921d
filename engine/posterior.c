/* posterior: see posterior.h. */
#include "engine/posterior.h"

#include <math.h>
#include <string.h>

#include "engine/kernel.h"

/* Of the average of J^T J: over a few thousand rows, many times the dimensions of the noise. */
#define METRIC_DECAY 0.99

void
posterior_layout(
	struct posterior *p, const struct generator_shape *s, size_t n, struct arena *state, struct arena *scratch)
{
	const size_t z = s->noise_dim;

	*p = (struct posterior){.n = n};
	p->metric = arena_take(state, z * z);
	folded_workspace(&p->folded, s, scratch);
	p->batch_metric = arena_take(scratch, z * z);
	p->precision = arena_take_doubles(scratch, z * z);
	p->step = arena_take_doubles(scratch, n * z);
	for (size_t l = 0; l <= p->folded.shape.n_layers; l++) {
		p->a[l] = arena_take(scratch, n * p->folded.shape.size[l]);
		p->delta[l] = arena_take(scratch, n * p->folded.shape.size[l]);
	}
}

void
posterior_init(struct posterior *p)
{
	const size_t z = p->folded.shape.size[0];

	memset(p->metric, 0, z * z * sizeof *p->metric);
}

/* delta[0] = u = J^T eps, at the activations of the sample; of a sigma by column J^T S^-1 eps with S = diag(sigma), as
 * if x were x / S: then it and the metric are those of noise 1. */
static void
pull_back_noise(struct posterior *p, const struct generator *g, int threads)
{
	const size_t last = p->folded.shape.n_layers, d = g->shape.n_out;
	real *a[NET_MAX_LAYERS + 1] = {0};

	for (size_t l = 1; l < last; l++)
		a[l] = g->sample.y[l - 1];
	memcpy(p->delta[last], g->eps_x, p->n * d * sizeof(real));
	for (size_t i = 0; g->shape.sigma_by_column && i < p->n; i++)
		for (size_t j = 0; j < d; j++)
			p->delta[last][i * d + j] /= g->sigma[j];
	folded_backward(&p->folded, a, p->delta, p->n, threads);
}

/* The average begins short-sighted, so that it forgets the first generators as fast as training leaves them. */
static void
update_metric(struct posterior *p, size_t t, int threads)
{
	const size_t z = p->folded.shape.size[0];
	const double young = (1 + (double)t) / (10 + (double)t);
	const real keep = (real)(young < METRIC_DECAY ? young : METRIC_DECAY), take = (1 - keep) / (real)p->n;

	kernel_affine_backward_weights(p->batch_metric, NULL, p->delta[0], p->delta[0], p->n, 0, z, z, threads);
	for (size_t i = 0; i < z * z; i++)
		p->metric[i] = keep * p->metric[i] + take * p->batch_metric[i];
}

/* step = P^-1 (u / sigma - h0), and a[0] = h0 + step. */
static void
whole_step(struct posterior *p, const struct generator *g, double sigma)
{
	const size_t z = p->folded.shape.size[0];
	const real *u = p->delta[0], *h0 = g->sample.h;

	for (size_t i = 0; i < z * z; i++)
		p->precision[i] = (double)p->metric[i] / (sigma * sigma);
	for (size_t i = 0; i < z; i++)
		p->precision[i * z + i] += 1;
	for (size_t i = 0; i < p->n * z; i++)
		p->step[i] = (double)u[i] / sigma - (double)h0[i];
	if (!kernel_solve_positive(p->precision, p->step, z, p->n)) /* NaN: the trainer's guard is for those */
		memset(p->step, 0, p->n * z * sizeof *p->step);
	for (size_t i = 0; i < p->n * z; i++)
		p->a[0][i] = h0[i] + (real)p->step[i];
}

/*
 * With the residuals r0 = sigma eps at h0 and r1 = x - g(h0 + step), and g taken to be linear between: the tau that
 * makes |r0 + tau (r1 - r0)|^2 / sigma^2 + |h0 + tau step|^2 least, and c = (r0 + tau (r1 - r0)) / sigma^2.
 */
static void
score_row(real *c, const real *eps, const real *x, const real *g1, const real *h0, const double *step, const real *s,
	size_t d, size_t z)
{
	double slope = 0, bend = 0, tau;

	for (size_t j = 0; j < d; j++)
		c[j] = (x[j] - g1[j]) / s[j] - eps[j]; /* (r1 - r0) / sigma */
	slope -= kernel_dot(eps, c, d);
	bend += kernel_dot(c, c, d);
	for (size_t j = 0; j < z; j++) {
		slope -= (double)h0[j] * step[j];
		bend += step[j] * step[j];
	}
	tau = bend > 0 ? slope / bend : 0;
	for (size_t j = 0; j < d; j++)
		c[j] = (eps[j] + (real)tau * c[j]) / s[j];
}

void
posterior_score(struct posterior *p, struct generator *g, const real *w, size_t t, int threads)
{
	const size_t d = g->shape.n_out, z = g->shape.noise_dim;
	const double sigma = g->shape.sigma_by_column ? 1 : generator_sigma(&g->shape, w);
	const real *g1 = p->a[p->folded.shape.n_layers];

	folded_fix(&p->folded, g, w);
	pull_back_noise(p, g, threads);
	update_metric(p, t, threads);
	whole_step(p, g, sigma);
	folded_forward(&p->folded, p->a, p->n, threads);
	for (size_t i = 0; i < p->n; i++)
		score_row(g->score + i * d, g->eps_x + i * d, g->x + i * d, g1 + i * d, g->sample.h + i * z,
			p->step + i * z, g->sigma, d, z);
}
