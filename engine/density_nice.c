/*
 * density_nice: the additive coupling flow NICE as a family of densities (density.h).
 *
 * The columns are parted in halves, even ones and odd ones. Coupling 0, 2, … adds its network of the first half to the
 * second, coupling 1, 3, … the other way round; the determinant of all of it is that of the last step, exp(s).
 * Jets are stacked: rows 0 .. n - 1 are values, the next n slopes, the next n curvatures. A linear layer takes them all
 * in one product, its bias the values alone; softplus, whose slope is the logistic function g(z), couples them:
 *     y = softplus z,   y1 = g z1,   y2 = g z2 + g (1 - g) z1^2.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/density_private.h"
#include "engine/elementary.h"
#include "engine/kernel.h"
#include "engine/net.h"
#include "engine/simd.h"

#define MAX_LOG_SCALE (-log(DENSITY_MIN_SCALE))

/* The half that coupling c reads; it adds to the other. */
static size_t
source_of(size_t c)
{
	return c % 2;
}

static size_t
half_size(const struct density_shape *s, size_t half)
{
	return half ? s->d / 2 : (s->d + 1) / 2;
}

struct net_shape
density_coupling(const struct density_shape *s, size_t c)
{
	return net_shape_of(half_size(s, source_of(c)), &s->hidden, half_size(s, 1 - source_of(c)), false);
}

static size_t
coupling_at(const struct density_shape *s, size_t c)
{
	size_t at = 0;

	for (size_t i = 0; i < c; i++) {
		struct net_shape net = density_coupling(s, i);

		at += net_size(&net);
	}
	return at;
}

static size_t
scale_at(const struct density_shape *s)
{
	return coupling_at(s, s->n_parts);
}

static size_t
nice_size(const struct density_shape *s)
{
	return scale_at(s) + s->d;
}

static void
nice_layout(struct density *k, struct arena *arena)
{
	struct density_nice_pieces *p = &k->own.nice;
	const struct density_shape *s = &k->shape;
	const size_t rows = (k->order + 1) * k->n;
	size_t widest = half_size(s, 0);

	assert(s->d >= 2 && s->n_parts <= DENSITY_MAX_COUPLINGS);
	for (size_t half = 0; half < 2; half++) {
		p->half[half] = half_size(s, half);
		p->h[half] = arena_take(arena, rows * p->half[half]);
		p->adjoint[half] = arena_take(arena, rows * p->half[half]);
	}
	for (size_t c = 0; c < s->n_parts; c++) {
		p->in[c] = arena_take(arena, rows * p->half[source_of(c)]);
		for (size_t l = 0; l < s->hidden.n; l++) {
			p->y[c][l] = arena_take(arena, rows * s->hidden.size[l]);
			p->tangent[c][l] = arena_take(arena, k->order * k->n * s->hidden.size[l]);
		}
	}
	for (size_t l = 0; l < s->hidden.n; l++)
		widest = s->hidden.size[l] > widest ? s->hidden.size[l] : widest;
	p->shift = arena_take(arena, rows * p->half[0]);
	p->delta[0] = arena_take(arena, rows * widest);
	p->delta[1] = arena_take(arena, rows * widest);
	p->scale = arena_take(arena, s->d);
}

/* ---- Softplus ----------------------------------------------------------------------------------------------- */

SIMD_CLONES static void
softplus(real *z, size_t n)
{
	for (size_t i = 0; i < n; i++)
		z[i] = (z[i] > 0 ? z[i] : 0) + real_log1p(real_exp(-real_abs(z[i])));
}

/* The logistic function of z, from softplus z. */
static inline real
logistic(real y)
{
	return 1 - real_exp(-y);
}

/* y1 from z1, and with order 2 y2 from z2, which lie n behind them. */
SIMD_CLONES static void
softplus_tangent(real *y1, const real *y, const real *z1, size_t n, size_t order)
{
	for (size_t i = 0; i < n; i++)
		y1[i] = logistic(y[i]) * z1[i];
	for (size_t i = 0; order > 1 && i < n; i++) {
		real g = logistic(y[i]);

		y1[n + i] = g * (z1[n + i] + (1 - g) * z1[i] * z1[i]);
	}
}

SIMD_CLONES static void
softplus_backward(real *delta, const real *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		delta[i] *= logistic(y[i]);
}

/* Its transpose, in place: delta holds the adjoints of y, y1, y2, n apart, and is left with those of z, z1, z2. */
SIMD_CLONES static void
softplus_jet_backward(real *delta, const real *y, const real *z1, size_t n, size_t order)
{
	for (size_t i = 0; i < n; i++) {
		real g = logistic(y[i]), bend = g * (1 - g), d0 = delta[i], d1 = delta[n + i];

		if (order > 1) {
			real d2 = delta[2 * n + i];

			d0 = g * d0 + bend * (z1[i] * d1 + (z1[n + i] + (1 - 2 * g) * z1[i] * z1[i]) * d2);
			d1 = g * d1 + 2 * bend * z1[i] * d2;
			delta[2 * n + i] = g * d2;
		} else {
			d0 = g * d0 + bend * z1[i] * d1;
			d1 = g * d1;
		}
		delta[i] = d0;
		delta[n + i] = d1;
	}
}

/* ---- Networks ----------------------------------------------------------------------------------------------- */

/* y = x W^T, with the bias for the values among the stacked rows. */
static void
layer(real *y, real *tangent, const real *x, const struct net_shape *net, const real *w, size_t l, size_t n,
	size_t order, int threads)
{
	const size_t n_in = net->size[l], n_out = net->size[l + 1];

	kernel_affine(
		y, x, w + net_weights_at(net, l), w + net_biases_at(net, l), n, n_out, n_in, ACTIVATION_NONE, threads);
	if (order)
		kernel_affine(tangent, x + n * n_in, w + net_weights_at(net, l), NULL, order * n, n_out, n_in,
			ACTIVATION_NONE, threads);
}

/* p->shift = the network of coupling c of p->in[c]. */
static void
network_forward(struct density *k, const real *w, size_t c, size_t n, size_t order, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;
	const struct net_shape net = density_coupling(&k->shape, c);
	const real *own = w + coupling_at(&k->shape, c), *in = p->in[c];
	size_t last = net.n_layers - 1;

	for (size_t l = 0; l < last; l++) {
		const size_t width = net.size[l + 1];

		layer(p->y[c][l], p->tangent[c][l], in, &net, own, l, n, order, threads);
		softplus(p->y[c][l], n * width);
		if (order)
			softplus_tangent(p->y[c][l] + n * width, p->y[c][l], p->tangent[c][l], n * width, order);
		in = p->y[c][l];
	}
	layer(p->shift, p->shift + n * net.size[last + 1], in, &net, own, last, n, order, threads);
}

/* The reverse chain from the adjoint of what coupling c added to: it is added to that of what it read. */
static void
network_backward(struct density *k, const real *w, size_t c, size_t n, size_t order, real *gradient, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;
	const struct net_shape net = density_coupling(&k->shape, c);
	const size_t at = coupling_at(&k->shape, c), from = source_of(c), rows = (order + 1) * n;
	const real *delta = p->adjoint[1 - from];

	for (size_t l = net.n_layers; l-- > 0;) {
		const size_t n_in = net.size[l], n_out = net.size[l + 1];
		real *below = p->delta[l % 2];

		if (gradient)
			kernel_affine_backward_weights(gradient + at + net_weights_at(&net, l),
				gradient + at + net_biases_at(&net, l), delta, l ? p->y[c][l - 1] : p->in[c], rows, n,
				n_out, n_in, threads);
		kernel_affine_backward_input(
			below, delta, w + at + net_weights_at(&net, l), NULL, rows, n_out, n_in, threads);
		if (l && order)
			softplus_jet_backward(below, p->y[c][l - 1], p->tangent[c][l - 1], n * n_in, order);
		else if (l)
			softplus_backward(below, p->y[c][l - 1], n * n_in);
		delta = below;
	}
	kernel_add_scaled(p->adjoint[from], 1, delta, rows * p->half[from]);
}

/* ---- The flow ----------------------------------------------------------------------------------------------- */

static void
part_columns(const struct density *k, real *const half[2], const real *x, size_t n, size_t at)
{
	const size_t d = k->shape.d;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < d; j++) {
			size_t size = k->own.nice.half[j % 2];

			half[j % 2][(at + i) * size + j / 2] = x[i * d + j];
		}
}

static void
join_columns(const struct density *k, real *const half[2], real *x, size_t n)
{
	const size_t d = k->shape.d;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < d; j++)
			x[i * d + j] = half[j % 2][i * k->own.nice.half[j % 2] + j / 2];
}

static void
prepare_scale(struct density *k, const real *w)
{
	const real *s = w + scale_at(&k->shape);

	for (size_t j = 0; j < k->shape.d; j++)
		k->own.nice.scale[j] = real_exp(s[j]);
}

/* h through all couplings, the last step, exp(s), apart. */
static void
couple(struct density *k, const real *w, size_t n, size_t order, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;
	const size_t rows = (order + 1) * n;

	for (size_t c = 0; c < k->shape.n_parts; c++) {
		const size_t from = source_of(c), to = 1 - from;

		memcpy(p->in[c], p->h[from], rows * p->half[from] * sizeof(real));
		network_forward(k, w, c, n, order, threads);
		kernel_add_scaled(p->h[to], 1, p->shift, rows * p->half[to]);
	}
}

SIMD_CLONES static void
scale_rows(real *h, const real *scale, size_t rows, size_t size)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < size; j++)
			h[i * size + j] *= scale[j];
}

/* Leaves z and its jet in h. log p = -|z|^2 / 2 - d/2 log 2 pi + sum s, slope = -z . z1, curvature = -z1 . z1 - z . z2.
 */
static void
nice_jet(struct density *k, const real *w, size_t n, size_t order, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;
	const struct density_shape *s = &k->shape;
	double constant = -(double)s->d * LOG_2PI / 2;

	part_columns(k, p->h, k->x, n, 0);
	if (order)
		part_columns(k, p->h, k->u, n, n);
	for (size_t half = 0; order > 1 && half < 2; half++)
		memset(p->h[half] + 2 * n * p->half[half], 0, n * p->half[half] * sizeof(real));
	couple(k, w, n, order, threads);
	prepare_scale(k, w);
	for (size_t half = 0; half < 2; half++)
		scale_rows(p->h[half], p->scale + half * p->half[0], (order + 1) * n, p->half[half]);
	for (size_t j = 0; j < s->d; j++)
		constant += (double)w[scale_at(s) + j];
	for (size_t i = 0; i < n; i++) {
		double *of[] = {&k->log_p[i], &k->slope[i], &k->curvature[i]};

		*of[0] = constant;
		*of[1] = *of[2] = 0;
		for (size_t half = 0; half < 2; half++) {
			const size_t size = p->half[half], block = n * size;
			const real *z = p->h[half] + i * size;

			*of[0] -= kernel_dot(z, z, size) / 2;
			if (order)
				*of[1] -= kernel_dot(z, z + block, size);
			if (order > 1)
				*of[2] -= kernel_dot(z + block, z + block, size) + kernel_dot(z, z + 2 * block, size);
		}
	}
}

/* From adjoints of z and its jet: back through the scales, whose gradient goes to `of_scale` unless NULL, and the
 * couplings. */
static void
flow_backward(struct density *k, const real *w, size_t n, size_t order, real *gradient, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;
	const size_t rows = (order + 1) * n;
	real *of_scale = gradient ? gradient + scale_at(&k->shape) : NULL;

	for (size_t half = 0; half < 2; half++) {
		const size_t size = p->half[half];
		real *adjoint = p->adjoint[half];

		for (size_t i = 0; i < rows && of_scale; i++)
			for (size_t j = 0; j < size; j++)
				of_scale[half * p->half[0] + j] += adjoint[i * size + j] * p->h[half][i * size + j];
		scale_rows(adjoint, p->scale + half * p->half[0], rows, size);
	}
	for (size_t c = k->shape.n_parts; c-- > 0;)
		network_backward(k, w, c, n, order, gradient, threads);
}

static void
nice_input_gradient(struct density *k, const real *w, size_t n, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;

	for (size_t half = 0; half < 2; half++)
		for (size_t i = 0; i < n * p->half[half]; i++)
			p->adjoint[half][i] = -p->h[half][i];
	flow_backward(k, w, n, 0, NULL, threads);
	join_columns(k, p->adjoint, k->gradient, n);
}

static void
nice_jet_gradient(
	struct density *k, const real *w, size_t n, size_t order, const real *seed[3], real *gradient, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;
	const struct density_shape *s = &k->shape;
	double sum = 0;

	for (size_t half = 0; half < 2; half++) {
		const size_t size = p->half[half], block = n * size;

		for (size_t i = 0; i < n; i++) {
			const real a = seed[0][i], b = seed[1][i], c = seed[2][i];
			const real *z = p->h[half] + i * size;
			real *adjoint = p->adjoint[half] + i * size;

			for (size_t j = 0; j < size; j++) {
				adjoint[j] = -a * z[j];
				if (order)
					adjoint[j] -= b * z[block + j];
				if (order > 1)
					adjoint[j] -= c * z[2 * block + j];
				if (order)
					adjoint[block + j] = -b * z[j];
				if (order > 1) {
					adjoint[block + j] -= 2 * c * z[block + j];
					adjoint[2 * block + j] = -c * z[j];
				}
			}
		}
	}
	for (size_t i = 0; i < n; i++)
		sum += (double)seed[0][i];
	for (size_t j = 0; j < s->d; j++)
		gradient[scale_at(s) + j] = (real)sum;
	flow_backward(k, w, n, order, gradient, threads);
}

/* ---- Start, bounds, samples --------------------------------------------------------------------------------- */

/* Networks as net.h begins them; then the last biases and the scales so that z has mean 0 and deviation 1. */
static void
nice_init(struct density *k, real *w, size_t n, const double *mean, const double *sd, struct rng *rng)
{
	struct density_nice_pieces *p = &k->own.nice;
	const struct density_shape *s = &k->shape;

	(void)mean;
	(void)sd;
	for (size_t c = 0; c < s->n_parts; c++) {
		struct net_shape net = density_coupling(s, c);

		net_init(&net, w + coupling_at(s, c), rng);
	}
	for (size_t c = s->n_parts < 2 ? 0 : s->n_parts - 2; c <= s->n_parts; c++) {
		struct net_shape net = density_coupling(s, c);
		const size_t half = 1 - source_of(c), size = p->half[half];

		part_columns(k, p->h, k->x, n, 0);
		couple(k, w, n, 0, 1);
		if (c == s->n_parts)
			break;
		for (size_t j = 0; j < size; j++)
			for (size_t i = 0; i < n; i++)
				w[coupling_at(s, c) + net_biases_at(&net, net.n_layers - 1) + j] -=
					p->h[half][i * size + j] / (real)n;
	}
	for (size_t half = 0; half < 2; half++)
		for (size_t j = 0; j < p->half[half]; j++) {
			double square = 0;

			for (size_t i = 0; i < n; i++)
				square += pow((double)p->h[half][i * p->half[half] + j], 2) / (double)n;
			w[scale_at(s) + half * p->half[0] + j] = (real)-log(fmax(sqrt(square), 10 * DENSITY_MIN_SCALE));
		}
}

static void
nice_clamp(const struct density_shape *s, real *w)
{
	real *scale = w + scale_at(s);

	for (size_t j = 0; j < s->d; j++)
		scale[j] = real_clamp(scale[j], -MAX_LOG_SCALE, MAX_LOG_SCALE);
}

static void
nice_sample(struct density *k, const real *w, size_t n, struct rng *rng, int threads)
{
	struct density_nice_pieces *p = &k->own.nice;

	prepare_scale(k, w);
	for (size_t half = 0; half < 2; half++) {
		const size_t size = p->half[half];

		rng_normal(rng, p->h[half], n * size);
		for (size_t i = 0; i < n * size; i++)
			p->h[half][i] /= p->scale[half * p->half[0] + i % size];
	}
	for (size_t c = k->shape.n_parts; c-- > 0;) {
		const size_t from = source_of(c), to = 1 - from;

		memcpy(p->in[c], p->h[from], n * p->half[from] * sizeof(real));
		network_forward(k, w, c, n, 0, threads);
		kernel_add_scaled(p->h[to], -1, p->shift, n * p->half[to]);
	}
	join_columns(k, p->h, k->x, n);
}

const struct density_ops density_nice = {
	.size = nice_size,
	.layout = nice_layout,
	.init = nice_init,
	.clamp = nice_clamp,
	.jet = nice_jet,
	.input_gradient = nice_input_gradient,
	.jet_gradient = nice_jet_gradient,
	.sample = nice_sample,
};
