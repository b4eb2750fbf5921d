/*
 * density_mixture: a mixture of diagonal Gaussians as a family of densities (density.h). mixture.h has one with full
 * covariances, which is fitted by EM and not by steps.
 *
 * With e_k the log joint density of component k, e1_k and e2_k its slope and curvature along u, and r = softmax e:
 *     log p = logsumexp e,   slope = sum r e1,   curvature = sum r (e2 + e1^2) - slope^2.
 */
#include <math.h>
#include <string.h>

#include "engine/density_private.h"
#include "engine/elementary.h"
#include "engine/kernel.h"
#include "engine/simd.h"

static size_t
log_std_at(const struct density_shape *s)
{
	return s->n_parts * s->d;
}

static size_t
logits_at(const struct density_shape *s)
{
	return 2 * s->n_parts * s->d;
}

static size_t
mixture_size(const struct density_shape *s)
{
	return logits_at(s) + s->n_parts;
}

static void
mixture_layout(struct density *k, struct arena *arena)
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const size_t d = k->shape.d, n_parts = k->shape.n_parts;

	p->log_mix = arena_doubles(arena, n_parts);
	p->log_scale = arena_doubles(arena, n_parts);
	p->inv_std = arena_take(arena, n_parts * d);
	p->z = arena_take(arena, d);
	p->t = arena_take(arena, d > k->n ? d : k->n);
	for (size_t i = 0; i < 3; i++) {
		p->e[i] = arena_doubles(arena, i <= k->order ? k->n * n_parts : 0);
		p->seed[i] = arena_doubles(arena, n_parts);
	}
	p->share = arena_take(arena, k->n * n_parts);
}

static double
distance2(const real *a, const real *b, const double *sd, size_t d)
{
	double sum = 0;

	for (size_t j = 0; j < d; j++) {
		double t = ((double)a[j] - (double)b[j]) / sd[j];

		sum += t * t;
	}
	return sum;
}

/* Means at rows far from each other (k-means++), deviations those of all rows. */
static void
mixture_init(struct density *k, real *w, size_t n, const double *mean, const double *sd, struct rng *rng)
{
	const struct density_shape *s = &k->shape;
	const size_t d = s->d;
	double *nearest = k->log_p; /* of each row to the means chosen so far */

	(void)mean;
	for (size_t i = 0; i < n; i++)
		nearest[i] = 1;
	for (size_t part = 0; part < s->n_parts; part++) {
		double sum = 0, target;
		size_t at = 0;
		real coin;

		for (size_t i = 0; i < n; i++)
			sum += nearest[i];
		rng_uniform(rng, &coin, 1);
		target = (double)coin * sum;
		while (at + 1 < n && (target -= nearest[at]) > 0)
			at++;
		memcpy(w + part * d, k->x + at * d, d * sizeof *w);
		for (size_t j = 0; j < d; j++)
			w[log_std_at(s) + part * d + j] = (real)log(sd[j]);
		for (size_t i = 0; i < n; i++) {
			double here = distance2(k->x + i * d, k->x + at * d, sd, d);

			nearest[i] = part && nearest[i] < here ? nearest[i] : here;
		}
	}
}

static void
mixture_clamp(const struct density_shape *s, real *w)
{
	for (size_t i = log_std_at(s); i < logits_at(s); i++)
		w[i] = real_clamp(w[i], log(DENSITY_MIN_SCALE), -log(DENSITY_MIN_SCALE));
}

static void
prepare(struct density *k, const real *w)
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const struct density_shape *s = &k->shape;
	const real *log_std = w + log_std_at(s), *logits = w + logits_at(s);
	double top = (double)logits[0], sum = 0;

	for (size_t i = 0; i < s->n_parts * s->d; i++)
		p->inv_std[i] = real_exp(-log_std[i]);
	for (size_t i = 0; i < s->n_parts; i++)
		top = fmax(top, (double)logits[i]);
	for (size_t i = 0; i < s->n_parts; i++)
		sum += exp((double)logits[i] - top);
	for (size_t i = 0; i < s->n_parts; i++) {
		p->log_mix[i] = (double)logits[i] - top - log(sum);
		p->log_scale[i] = p->log_mix[i] - (double)s->d * LOG_2PI / 2;
		for (size_t j = 0; j < s->d; j++)
			p->log_scale[i] -= (double)log_std[i * s->d + j];
	}
}

SIMD_CLONES static void
standardise(real *z, const real *x, const real *mean, const real *inv_std, size_t d)
{
	for (size_t j = 0; j < d; j++)
		z[j] = (x[j] - mean[j]) * inv_std[j];
}

SIMD_CLONES static void
multiply(real *y, const real *a, const real *b, size_t d)
{
	for (size_t j = 0; j < d; j++)
		y[j] = a[j] * b[j];
}

/* Of row i, from e: shares and what is known of the mixture's. */
static void
mix(struct density *k, size_t i, size_t order)
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const size_t n_parts = k->shape.n_parts;
	const double *e = p->e[0] + i * n_parts;
	double top = e[0], sum = 0, slope = 0, square = 0;

	for (size_t c = 1; c < n_parts; c++)
		top = fmax(top, e[c]);
	for (size_t c = 0; c < n_parts; c++)
		sum += exp(e[c] - top);
	k->log_p[i] = top + log(sum);
	for (size_t c = 0; c < n_parts; c++) {
		double share = exp(e[c] - k->log_p[i]);

		p->share[i * n_parts + c] = (real)share;
		if (order)
			slope += share * p->e[1][i * n_parts + c];
		if (order > 1)
			square += share *
				  (p->e[2][i * n_parts + c] + p->e[1][i * n_parts + c] * p->e[1][i * n_parts + c]);
	}
	k->slope[i] = slope;
	k->curvature[i] = square - slope * slope;
}

static void
mixture_jet(struct density *k, const real *w, size_t n, size_t order, int threads)
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const size_t d = k->shape.d, n_parts = k->shape.n_parts;

	(void)threads;
	prepare(k, w);
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < n_parts; c++) {
			const real *inv_std = p->inv_std + c * d;
			const size_t at = i * n_parts + c;

			standardise(p->z, k->x + i * d, w + c * d, inv_std, d);
			p->e[0][at] = p->log_scale[c] - kernel_dot(p->z, p->z, d) / 2;
			if (!order)
				continue;
			multiply(p->t, k->u + i * d, inv_std, d);
			p->e[1][at] = -kernel_dot(p->z, p->t, d);
			if (order > 1)
				p->e[2][at] = -kernel_dot(p->t, p->t, d);
		}
		mix(k, i, order);
	}
}

static void
mixture_input_gradient(struct density *k, const real *w, size_t n, int threads)
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const size_t d = k->shape.d, n_parts = k->shape.n_parts;

	(void)threads;
	memset(k->gradient, 0, n * d * sizeof *k->gradient);
	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < n_parts; c++) {
			const real *inv_std = p->inv_std + c * d;

			standardise(p->z, k->x + i * d, w + c * d, inv_std, d);
			multiply(p->z, p->z, inv_std, d);
			kernel_add_scaled(k->gradient + i * d, -p->share[i * n_parts + c], p->z, d);
		}
}

/* What the three of the mixture ask of the three of each component, for row i. */
static void
seed_components(struct density *k, size_t i, const real *seed[3])
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const size_t n_parts = k->shape.n_parts;
	const double a = (double)seed[0][i], b = (double)seed[1][i], curve = (double)seed[2][i];

	for (size_t c = 0; c < n_parts; c++) {
		const size_t at = i * n_parts + c;
		const double share = (double)p->share[at];
		double e1 = b != 0 || curve != 0 ? p->e[1][at] - k->slope[i] : 0, e2 = 0;

		if (curve != 0) { /* d/de of the second moment, less that of the square of the first */
			double moment = k->curvature[i] + k->slope[i] * k->slope[i];

			e2 = p->e[2][at] + p->e[1][at] * p->e[1][at] - moment - 2 * k->slope[i] * e1;
		}
		p->seed[0][c] = share * (a + b * e1 + curve * e2);
		p->seed[1][c] = share * (b + 2 * curve * e1);
		p->seed[2][c] = share * curve;
	}
}

/* de = (z, z^2 - 1), de1 = (t, 2 z t), de2 = (0, 2 t^2) in (mu / std, log std), z and t being x and u over the scales.
 */
SIMD_CLONES static void
add_component(real *of_mean, real *of_log_std, const real *z, const real *t, const real *inv_std, real s0, real s1,
	real s2, size_t d)
{
	for (size_t j = 0; j < d; j++) {
		of_mean[j] += (s0 * z[j] + s1 * t[j]) * inv_std[j];
		of_log_std[j] += s0 * (z[j] * z[j] - 1) + 2 * t[j] * (s1 * z[j] + s2 * t[j]);
	}
}

static void
mixture_jet_gradient(
	struct density *k, const real *w, size_t n, size_t order, const real *seed[3], real *gradient, int threads)
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const struct density_shape *s = &k->shape;
	const size_t d = s->d;
	real *logits = gradient + logits_at(s);

	(void)threads;
	memset(gradient, 0, mixture_size(s) * sizeof *gradient);
	if (!order)
		memset(p->t, 0, d * sizeof *p->t);
	for (size_t i = 0; i < n; i++) {
		double sum = 0;

		seed_components(k, i, seed);
		for (size_t c = 0; c < s->n_parts; c++) {
			const real *inv_std = p->inv_std + c * d;

			standardise(p->z, k->x + i * d, w + c * d, inv_std, d);
			if (order)
				multiply(p->t, k->u + i * d, inv_std, d);
			add_component(gradient + c * d, gradient + log_std_at(s) + c * d, p->z, p->t, inv_std,
				(real)p->seed[0][c], (real)p->seed[1][c], (real)p->seed[2][c], d);
			logits[c] += (real)p->seed[0][c];
			sum += p->seed[0][c];
		}
		for (size_t c = 0; c < s->n_parts; c++)
			logits[c] -= (real)(sum * exp(p->log_mix[c]));
	}
}

static void
mixture_sample(struct density *k, const real *w, size_t n, struct rng *rng, int threads)
{
	struct density_mixture_pieces *p = &k->own.mixture;
	const struct density_shape *s = &k->shape;
	const size_t d = s->d;
	real *coin = p->t;

	(void)threads;
	prepare(k, w);
	rng_uniform(rng, coin, n);
	rng_normal(rng, k->x, n * d);
	for (size_t i = 0; i < n; i++) {
		double left = (double)coin[i];
		size_t c = 0;

		while (c + 1 < s->n_parts && (left -= exp(p->log_mix[c])) > 0)
			c++;
		for (size_t j = 0; j < d; j++)
			k->x[i * d + j] = w[c * d + j] + k->x[i * d + j] / p->inv_std[c * d + j];
	}
}

const struct density_ops density_mixture = {
	.size = mixture_size,
	.layout = mixture_layout,
	.init = mixture_init,
	.clamp = mixture_clamp,
	.jet = mixture_jet,
	.input_gradient = mixture_input_gradient,
	.jet_gradient = mixture_jet_gradient,
	.sample = mixture_sample,
};
