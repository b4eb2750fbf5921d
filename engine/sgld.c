/* sgld: see sgld.h. */
#include "engine/sgld.h"

#include <string.h>

#include "engine/kernel.h"

void
sgld_step(real *x, const real *gradient, size_t n_cells, real step, real noise_std, const real *noise)
{
	kernel_add_scaled(x, step, gradient, n_cells);
	kernel_add_scaled(x, noise_std, noise, n_cells);
}

void
replay_layout(struct replay *r, size_t n, size_t d, struct arena *state)
{
	*r = (struct replay){.n = n, .d = d};
	r->low = arena_take(state, d);
	r->high = arena_take(state, d);
	r->row = arena_take(state, n * d);
}

/* A uniform point of the box. */
static void
begin_chain(const struct replay *r, real *x, struct rng *rng)
{
	rng_uniform(rng, x, r->d);
	for (size_t j = 0; j < r->d; j++)
		x[j] = r->low[j] + (r->high[j] - r->low[j]) * x[j];
}

void
replay_fill(struct replay *r, struct rng *rng)
{
	for (size_t i = 0; i < r->n; i++)
		begin_chain(r, r->row + i * r->d, rng);
}

void
replay_draw(struct replay *r, real *x, uint32_t *place, real *coin, size_t m, double restart, struct rng *rng)
{
	rng_below(rng, (uint32_t)r->n, place, m);
	rng_uniform(rng, coin, m);
	for (size_t i = 0; i < m; i++) {
		if ((double)coin[i] < restart)
			begin_chain(r, x + i * r->d, rng);
		else
			memcpy(x + i * r->d, r->row + place[i] * r->d, r->d * sizeof *x);
	}
}

void
replay_put(struct replay *r, const real *x, const uint32_t *place, size_t m)
{
	for (size_t i = 0; i < m; i++)
		memcpy(r->row + place[i] * r->d, x + i * r->d, r->d * sizeof *x);
}
