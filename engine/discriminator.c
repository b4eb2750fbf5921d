/* discriminator: see discriminator.h. */
#include "engine/discriminator.h"

#include <math.h>
#include <string.h>

void
discriminator_workspace(
	struct discriminator *t, size_t n, size_t d, size_t z, const struct layer_sizes *hidden, struct arena *arena)
{
	*t = (struct discriminator){.shape = net_shape_of(d + z, hidden, 1, false), .n = n, .d = d, .z = z};
	for (size_t l = 0; l <= t->shape.n_layers; l++) {
		t->a[l] = arena_take(arena, 2 * n * t->shape.size[l]);
		t->delta[l] = arena_take(arena, 2 * n * t->shape.size[l]);
	}
}

static double
softplus(double v)
{
	return (v > 0 ? v : 0) + log1p(exp(-fabs(v)));
}

static double
sigmoid(double v)
{
	return v >= 0 ? 1 / (1 + exp(-v)) : exp(v) / (1 + exp(v));
}

double
discriminator_bound(
	struct discriminator *t, const real *w, const real *x, const real *h, real *gradient, real *score, int threads)
{
	const struct net_shape *s = &t->shape;
	const size_t n = t->n, d = t->d, z = t->z, width = d + z;
	const real *answer = t->a[s->n_layers];
	real *seed = t->delta[s->n_layers];
	double bound = 0;

	for (size_t i = 0; i < n; i++) {
		real *match = t->a[0] + i * width, *broken = t->a[0] + (n + i) * width;

		/* The rows of a batch are independent, so the next one's noise is as good as any other's. */
		memcpy(match, x + i * d, d * sizeof *x);
		memcpy(match + d, h + i * z, z * sizeof *h);
		memcpy(broken, x + i * d, d * sizeof *x);
		memcpy(broken + d, h + (i + 1) % n * z, z * sizeof *h);
	}
	net_forward(s, w, t->a, 0, 2 * n, threads);
	for (size_t i = 0; i < n; i++) {
		double of_match = (double)answer[i], of_broken = (double)answer[n + i];

		bound -= (softplus(-of_match) + softplus(of_broken)) / (double)n;
		seed[i] = (real)(-sigmoid(-of_match) / (double)n);
		seed[n + i] = (real)(sigmoid(of_broken) / (double)n);
	}
	net_backward(s, w, t->a, 0, t->delta, 0, 2 * n, 0, threads);
	net_gradient(s, t->a, t->delta, 2 * n, 2 * n, gradient, threads);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < d; j++)
			score[i * d + j] = -(real)n * (t->delta[0][i * width + j] + t->delta[0][(n + i) * width + j]);
	return bound;
}
