/* vat: see vat.h. */
#include "engine/vat.h"

#include <math.h>
#include <string.h>

#include "engine/kernel.h"

void
vat_workspace(struct vat *v, const struct net_shape *s, size_t max_rows, struct arena *arena)
{
	*v = (struct vat){.shape = *s};
	for (size_t l = 0; l <= s->n_layers; l++) {
		v->a[l] = arena_take(arena, max_rows * s->size[l]);
		v->delta[l] = arena_take(arena, max_rows * s->size[l]);
	}
	v->q = arena_take(arena, max_rows * s->size[s->n_layers]);
	v->log_z = arena_take(arena, max_rows);
	v->r = arena_take(arena, max_rows * s->size[0]);
	v->gradient = arena_take(arena, net_size(s));
}

/* Added to a length before dividing by it, as published: where nothing changes the answer, r is 0. */
#define LENGTH_EPSILON 1e-8

/* Each row of x to length 1, into out. */
static void
normalise(real *out, const real *x, size_t m, size_t d)
{
	for (size_t i = 0; i < m; i++) {
		double length = sqrt(kernel_dot(x + i * d, x + i * d, d));
		real scale = (real)(1 / (length + LENGTH_EPSILON));

		for (size_t j = 0; j < d; j++)
			out[i * d + j] = x[i * d + j] * scale;
	}
}

/* q at x + length r, and the gradient of weight * KL(p || q) in the logits there: weight (q - p). */
static void
probe(struct vat *v, const real *w, const struct jem *clean, size_t n, real length, real weight, int threads)
{
	const struct net_shape *s = &v->shape;
	const size_t n_classes = s->size[s->n_layers];
	real *seed = v->delta[s->n_layers];

	memcpy(v->a[0], clean->a[0], n * s->size[0] * sizeof *v->a[0]);
	kernel_add_scaled(v->a[0], length, v->r, n * s->size[0]);
	net_forward(s, w, v->a, 0, n, threads);
	kernel_softmax(v->q, v->log_z, v->a[s->n_layers], 1, n, n_classes);
	for (size_t i = 0; i < n * n_classes; i++)
		seed[i] = weight * (v->q[i] - clean->p[i]);
}

void
vat_perturb(struct vat *v, const real *w, const struct jem *clean, size_t n, const real *u,
	const struct vat_settings *settings, int threads)
{
	const size_t d = v->shape.size[0];

	for (size_t i = 0; i < n * d; i++)
		v->r[i] = u[i] - (real)0.5;
	normalise(v->r, v->r, n, d);
	for (size_t k = 0; k < settings->iterations; k++) {
		probe(v, w, clean, n, settings->xi, settings->xi / (real)n,
			threads); /* of the mean, in the direction */
		net_backward(&v->shape, w, v->a, 0, v->delta, 0, n, 0, threads);
		normalise(v->r, v->delta[0], n, d);
	}
	for (size_t i = 0; i < n * d; i++)
		v->r[i] *= settings->epsilon;
}

double
vat_loss(struct vat *v, const real *w, const struct jem *clean, size_t n, const struct vat_settings *settings,
	real *gradient, int threads)
{
	const struct net_shape *s = &v->shape;
	const size_t n_classes = s->size[s->n_layers];
	const real *from = clean->a[s->n_layers], *to = v->a[s->n_layers];
	double sum = 0;

	probe(v, w, clean, n, 1, settings->weight / (real)n, threads);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_classes; k++) {
			size_t at = i * n_classes + k;
			/* Logarithms from the logits: a probability may be too small to have one. */
			double log_p = (double)from[at] - (double)clean->log_p[i];
			double log_q = (double)to[at] - (double)v->log_z[i];

			sum += (double)clean->p[at] * (log_p - log_q);
		}
	net_backward(s, w, v->a, 0, v->delta, 0, n, 1, threads);
	net_gradient(s, v->a, v->delta, n, n, v->gradient, threads);
	kernel_add_scaled(gradient, 1, v->gradient, net_size(s));
	return sum / (double)n;
}
