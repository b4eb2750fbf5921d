/*
 * density_ppca: probabilistic principal component analysis as a family of densities (density.h). With C = W W^T +
 * sigma^2 I and M = W^T W + sigma^2 I everything goes through the Z x Z matrix M: C^-1 r = (r - W M^-1 W^T r) /
 * sigma^2. linear_gaussian.h has the same density with its posterior, in double, row by row.
 */
#include <math.h>
#include <string.h>

#include "engine/cholesky.h"
#include "engine/density_private.h"
#include "engine/kernel.h"

static size_t
mean_at(const struct density_shape *s)
{
	return s->d * s->n_parts;
}

static size_t
log_sigma_at(const struct density_shape *s)
{
	return mean_at(s) + s->d;
}

static size_t
ppca_size(const struct density_shape *s)
{
	return log_sigma_at(s) + 1;
}

static void
ppca_layout(struct density *k, struct arena *arena)
{
	struct density_ppca_pieces *p = &k->own.ppca;
	const size_t d = k->shape.d, z = k->shape.n_parts, rows = (k->order ? 2 : 1) * k->n;

	p->m = arena_doubles(arena, z * z);
	p->inverse = arena_doubles(arena, z * z);
	p->b = arena_take(arena, d * z);
	p->centred = arena_take(arena, rows * d);
	p->left = arena_take(arena, rows * d);
	p->right = arena_take(arena, rows * z);
	p->latent = arena_take(arena, rows * z);
}

/* Small random directions, the mean of the rows, and the noise that makes up their variance. */
static void
ppca_init(struct density *k, real *w, size_t n, const double *mean, const double *sd, struct rng *rng)
{
	const struct density_shape *s = &k->shape;
	double variance = 0;
	real scale;

	(void)n;
	for (size_t j = 0; j < s->d; j++) {
		w[mean_at(s) + j] = (real)mean[j];
		variance += sd[j] * sd[j] / (double)s->d;
	}
	scale = (real)sqrt(variance / (4 * (double)s->n_parts));
	rng_normal(rng, w, s->d * s->n_parts);
	for (size_t i = 0; i < s->d * s->n_parts; i++)
		w[i] *= scale;
	w[log_sigma_at(s)] = (real)(log(0.75 * variance) / 2);
}

static void
ppca_clamp(const struct density_shape *s, real *w)
{
	real *log_sigma = w + log_sigma_at(s);

	*log_sigma = real_clamp(*log_sigma, log(DENSITY_MIN_SCALE), -log(DENSITY_MIN_SCALE));
}

/* M's factor and inverse, |C| = sigma^(2 (D - Z)) |M|, and B = W M^-1. */
static void
factorise(struct density *k, const real *w)
{
	struct density_ppca_pieces *p = &k->own.ppca;
	const size_t d = k->shape.d, z = k->shape.n_parts;
	double log_sigma = (double)w[log_sigma_at(&k->shape)];

	p->sigma2 = exp(2 * log_sigma);
	memset(p->m, 0, z * z * sizeof *p->m);
	for (size_t r = 0; r < d; r++)
		for (size_t i = 0; i < z; i++)
			for (size_t j = 0; j <= i; j++)
				p->m[i * z + j] += (double)w[r * z + i] * (double)w[r * z + j];
	for (size_t i = 0; i < z; i++)
		p->m[i * z + i] += p->sigma2;
	cholesky_factorise(p->m, z);
	p->log_determinant = ((double)d - (double)z) * 2 * log_sigma;
	memset(p->inverse, 0, z * z * sizeof *p->inverse);
	for (size_t i = 0; i < z; i++) {
		p->log_determinant += 2 * log(p->m[i * z + i]);
		p->inverse[i * z + i] = 1;
		cholesky_solve(p->m, z, p->inverse + i * z);
	}
	for (size_t r = 0; r < d; r++)
		for (size_t i = 0; i < z; i++) {
			double sum = 0;

			for (size_t j = 0; j < z; j++)
				sum += (double)w[r * z + j] * p->inverse[j * z + i];
			p->b[r * z + i] = (real)sum;
		}
}

/* left = C^-1 centred, of so many rows; the latent coordinates W^T r go through `latent`. */
static void
whiten(struct density *k, const real *w, size_t rows, int threads)
{
	struct density_ppca_pieces *p = &k->own.ppca;
	const size_t d = k->shape.d, z = k->shape.n_parts;
	const real precision = (real)(1 / p->sigma2);

	kernel_affine_backward_input(p->latent, p->centred, w, NULL, rows, d, z, threads);
	kernel_affine(p->left, p->latent, p->b, NULL, rows, d, z, ACTIVATION_NONE, threads);
	for (size_t i = 0; i < rows * d; i++)
		p->left[i] = (p->centred[i] - p->left[i]) * precision;
}

/* Rows 0 .. n - 1 of centred and left are r and C^-1 r, the next n are u and C^-1 u. */
static void
ppca_jet(struct density *k, const real *w, size_t n, size_t order, int threads)
{
	struct density_ppca_pieces *p = &k->own.ppca;
	const size_t d = k->shape.d;
	const real *mean = w + mean_at(&k->shape);

	factorise(k, w);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < d; j++)
			p->centred[i * d + j] = k->x[i * d + j] - mean[j];
	if (order)
		memcpy(p->centred + n * d, k->u, n * d * sizeof *k->u);
	whiten(k, w, (order ? 2 : 1) * n, threads);
	for (size_t i = 0; i < n; i++) {
		const real *r = p->centred + i * d, *u = p->centred + (n + i) * d;
		const real *of_r = p->left + i * d, *of_u = p->left + (n + i) * d;

		k->log_p[i] = -((double)d * LOG_2PI + p->log_determinant + kernel_dot(r, of_r, d)) / 2;
		if (order)
			k->slope[i] = -kernel_dot(u, of_r, d);
		if (order > 1)
			k->curvature[i] = -kernel_dot(u, of_u, d);
	}
}

static void
ppca_input_gradient(struct density *k, const real *w, size_t n, int threads)
{
	(void)w;
	(void)threads;
	for (size_t i = 0; i < n * k->shape.d; i++)
		k->gradient[i] = -k->own.ppca.left[i];
}

/*
 * With alpha = C^-1 r, upsilon = C^-1 u, and G the derivative in C, symmetric:
 *     G = -a/2 C^-1 + a/2 alpha alpha^T + b/2 (upsilon alpha^T + alpha upsilon^T) + c upsilon upsilon^T, summed;
 *     dW = 2 G W,  dmu = a alpha + b upsilon,  dlog sigma = 2 sigma^2 tr G;  C^-1 W = W M^-1 = B.
 */
static void
ppca_jet_gradient(
	struct density *k, const real *w, size_t n, size_t order, const real *seed[3], real *gradient, int threads)
{
	struct density_ppca_pieces *p = &k->own.ppca;
	const struct density_shape *s = &k->shape;
	const size_t d = s->d, z = s->n_parts, rows = (order ? 2 : 1) * n;
	double sum_a = 0, trace = (double)d - (double)z, quadratic = 0;

	kernel_affine_backward_input(p->latent, p->left, w, NULL, rows, d, z, threads);
	memset(gradient + mean_at(s), 0, d * sizeof *gradient);
	for (size_t i = 0; i < n; i++) {
		const real a = seed[0][i], b = seed[1][i], c = seed[2][i];
		const real *alpha = p->left + i * d, *upsilon = p->left + (n + i) * d;
		const real *of_alpha = p->latent + i * z, *of_upsilon = p->latent + (n + i) * z;

		sum_a += (double)a;
		quadratic += (double)a * kernel_dot(alpha, alpha, d);
		kernel_add_scaled(gradient + mean_at(s), a, alpha, d);
		for (size_t j = 0; j < z; j++)
			p->right[i * z + j] = a * of_alpha[j] + (order ? b * of_upsilon[j] : 0);
		if (!order)
			continue;
		quadratic += 2 * (double)b * kernel_dot(alpha, upsilon, d) +
			     2 * (double)c * kernel_dot(upsilon, upsilon, d);
		kernel_add_scaled(gradient + mean_at(s), b, upsilon, d);
		for (size_t j = 0; j < z; j++)
			p->right[(n + i) * z + j] = b * of_alpha[j] + 2 * c * of_upsilon[j];
	}
	kernel_affine_backward_weights(gradient, NULL, p->left, p->right, rows, rows, d, z, threads);
	kernel_add_scaled(gradient, (real)-sum_a, p->b, d * z);
	for (size_t i = 0; i < z; i++)
		trace += p->sigma2 * p->inverse[i * z + i];
	gradient[log_sigma_at(s)] = (real)(p->sigma2 * quadratic - sum_a * trace);
}

static void
ppca_sample(struct density *k, const real *w, size_t n, struct rng *rng, int threads)
{
	const struct density_shape *s = &k->shape;
	struct density_ppca_pieces *p = &k->own.ppca;
	const real sigma = (real)exp((double)w[log_sigma_at(s)]);

	rng_normal(rng, p->latent, n * s->n_parts);
	rng_normal(rng, p->centred, n * s->d);
	kernel_affine(k->x, p->latent, w, w + mean_at(s), n, s->d, s->n_parts, ACTIVATION_NONE, threads);
	kernel_add_scaled(k->x, sigma, p->centred, n * s->d);
}

const struct density_ops density_ppca = {
	.size = ppca_size,
	.layout = ppca_layout,
	.init = ppca_init,
	.clamp = ppca_clamp,
	.jet = ppca_jet,
	.input_gradient = ppca_input_gradient,
	.jet_gradient = ppca_jet_gradient,
	.sample = ppca_sample,
};
