/* density: see density.h. What the families have in common; each is in a file of its own. */
#include "engine/density.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/density_private.h"
#include "engine/kernel.h"

static const struct density_ops *const families[N_FAMILIES] = {
	[FAMILY_PPCA] = &density_ppca, [FAMILY_MIXTURE] = &density_mixture, [FAMILY_NICE] = &density_nice};

struct density_shape
density_shape_of(const struct params *p, size_t d)
{
	struct density_shape s = {.family = p->family, .d = d, .n_parts = p->components};

	if (p->family == FAMILY_NICE) {
		s.n_parts = DENSITY_COUPLINGS;
		s.hidden = p->hidden_layers;
	}
	return s;
}

size_t
density_size(const struct density_shape *s)
{
	return families[s->family]->size(s);
}

void
density_workspace(struct density *k, const struct density_shape *s, size_t n, size_t order, struct arena *arena)
{
	*k = (struct density){.shape = *s, .n = n, .order = order};
	k->x = arena_take(arena, n * s->d);
	k->u = arena_take(arena, order ? n * s->d : 0);
	k->seed = arena_take(arena, 3 * n);
	k->log_p = arena_doubles(arena, n);
	k->slope = arena_doubles(arena, n);
	k->curvature = arena_doubles(arena, n);
	k->gradient = arena_take(arena, n * s->d);
	k->mean = arena_doubles(arena, s->d);
	k->sd = arena_doubles(arena, s->d);
	families[s->family]->layout(k, arena);
}

void
density_init(struct density *k, real *w, size_t n, struct rng *rng)
{
	const size_t d = k->shape.d;

	memset(w, 0, density_size(&k->shape) * sizeof *w);
	for (size_t j = 0; j < d; j++) {
		double mean = 0, square = 0;

		for (size_t i = 0; i < n; i++)
			mean += (double)k->x[i * d + j] / (double)n;
		for (size_t i = 0; i < n; i++)
			square += ((double)k->x[i * d + j] - mean) * ((double)k->x[i * d + j] - mean) / (double)n;
		k->mean[j] = mean;
		k->sd[j] = fmax(sqrt(square), 10 * DENSITY_MIN_SCALE);
	}
	families[k->shape.family]->init(k, w, n, k->mean, k->sd, rng);
	density_clamp(&k->shape, w);
}

void
density_clamp(const struct density_shape *s, real *w)
{
	families[s->family]->clamp(s, w);
}

void
density_log_density(struct density *k, const real *w, size_t n, bool gradient, int threads)
{
	density_jet(k, w, n, 0, threads);
	if (gradient)
		families[k->shape.family]->input_gradient(k, w, n, threads);
}

void
density_jet(struct density *k, const real *w, size_t n, size_t order, int threads)
{
	assert(n <= k->n && order <= k->order);
	families[k->shape.family]->jet(k, w, n, order, threads);
}

void
density_jet_gradient(struct density *k, const real *w, size_t n, size_t order, const real *a, const real *b,
	const real *c, real *gradient, int threads)
{
	const real *seed[3] = {a, b, c};

	for (size_t i = 0; i < 3; i++) {
		real *own = k->seed + i * k->n;

		if (!seed[i] || i > order)
			memset(own, 0, n * sizeof *own);
		else if (seed[i] != own)
			memcpy(own, seed[i], n * sizeof *own);
		seed[i] = own;
	}
	families[k->shape.family]->jet_gradient(k, w, n, order, seed, gradient, threads);
}

void
density_gradient(struct density *k, const real *w, size_t n, const real *seed, real *gradient, int threads)
{
	density_jet(k, w, n, 0, threads);
	density_jet_gradient(k, w, n, 0, seed, NULL, NULL, gradient, threads);
}

/* d |v|^2 / 2 = v . dv: with u = v held constant, the derivative of the slope (method page, section 3, step 4). */
double
density_penalty(struct density *k, const real *w, size_t n, real weight, real *gradient, int threads)
{
	const size_t n_cells = n * k->shape.d;
	real *seed = k->seed + k->n;
	double sum;

	density_log_density(k, w, n, true, threads);
	sum = kernel_dot(k->gradient, k->gradient, n_cells) / 2 / (double)n;
	memcpy(k->u, k->gradient, n_cells * sizeof *k->u);
	for (size_t i = 0; i < n; i++)
		seed[i] = weight / (real)n;
	density_jet(k, w, n, 1, threads);
	density_jet_gradient(k, w, n, 1, NULL, seed, NULL, gradient, threads);
	return sum;
}

void
density_sample(struct density *k, const real *w, size_t n, struct rng *rng, int threads)
{
	assert(n <= k->n);
	families[k->shape.family]->sample(k, w, n, rng, threads);
}
