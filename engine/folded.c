/* folded: see folded.h. */
#include "engine/folded.h"

#include <string.h>

#include "engine/kernel.h"
#include "engine/simd.h"

void
folded_workspace(struct folded *f, const struct generator_shape *s, struct arena *arena)
{
	size_t widest = 0;

	f->shape = net_shape_of(s->noise_dim, &s->hidden, s->n_out, false);
	for (size_t l = 0; l < f->shape.n_layers; l++)
		widest = f->shape.size[l] > widest ? f->shape.size[l] : widest;
	f->w = arena_take(arena, net_size(&f->shape));
	f->mean = arena_take(arena, widest);
}

SIMD_CLONES static void
column_means(real *mean, const real *x, size_t m, size_t n)
{
	memset(mean, 0, n * sizeof *mean);
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			mean[j] += x[i * n + j];
	for (size_t j = 0; j < n; j++)
		mean[j] /= (real)m;
}

SIMD_CLONES static void
scaled(real *to, const real *from, real a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = a * from[i];
}

/*
 * Batch norm with the statistics of the sample's pass: scale (w . in - mean) inv_std + shift. The mean of w . in over
 * the batch is w . (mean of in), so it need not have been kept.
 */
static void
fold_layer(struct folded *f, const struct generator *g, const real *w, size_t l)
{
	const struct generator_shape *s = &g->shape;
	const size_t n_in = f->shape.size[l], n_out = f->shape.size[l + 1];
	const real *from = w + generator_weights_at(s, l);
	real *to = f->w + net_weights_at(&f->shape, l), *bias = f->w + net_biases_at(&f->shape, l);

	column_means(f->mean, l ? g->sample.y[l - 1] : g->sample.h, g->n, n_in);
	for (size_t i = 0; i < n_out; i++) {
		const real *row = from + i * n_in;
		real slope = w[generator_scale_at(s, l) + i] * g->sample.inv_std[l][i];

		bias[i] = w[generator_shift_at(s, l) + i] - slope * (real)kernel_dot(row, f->mean, n_in);
		scaled(to + i * n_in, row, slope, n_in);
	}
}

void
folded_fix(struct folded *f, const struct generator *g, const real *w)
{
	const size_t l = g->shape.hidden.n;

	for (size_t i = 0; i < l; i++)
		fold_layer(f, g, w, i);
	memcpy(f->w + net_weights_at(&f->shape, l), w + generator_weights_at(&g->shape, l),
		f->shape.size[l] * g->shape.n_out * sizeof *w);
	memcpy(f->w + net_biases_at(&f->shape, l), w + generator_bias_at(&g->shape), g->shape.n_out * sizeof *w);
}

void
folded_forward(const struct folded *f, real *const a[], size_t m, int threads)
{
	const struct net_shape *s = &f->shape;

	for (size_t l = 0; l < s->n_layers; l++)
		kernel_affine(a[l + 1], a[l], f->w + net_weights_at(s, l), f->w + net_biases_at(s, l), m,
			s->size[l + 1], s->size[l], l + 1 < s->n_layers ? ACTIVATION_SOFTPLUS : ACTIVATION_NONE,
			threads);
}

void
folded_backward(const struct folded *f, real *const a[], real *const delta[], size_t m, int threads)
{
	const struct net_shape *s = &f->shape;

	for (size_t l = s->n_layers; l-- > 0;) {
		kernel_affine_backward_input(delta[l], delta[l + 1], f->w + net_weights_at(s, l), NULL, m,
			s->size[l + 1], s->size[l], threads);
		if (l)
			kernel_softplus_backward(delta[l], a[l], m * s->size[l], threads);
	}
}
