/*
 * sgld: stochastic gradient Langevin dynamics on the model's density, and the replay buffer that lets short chains grow
 * old (Grathwohl et al., "Your classifier is secretly an energy based model", ICLR 2020, algorithm 1; Du & Mordatch
 * 2019 for the buffer; method page, section 4).
 *
 * The buffer's numbers, and the box that chains start in, belong to its owner's arena of state. Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_SGLD_H
#define VERAD_ENGINE_SGLD_H

#include "engine/arena.h"
#include "engine/rng.h"

/* One step of chains at x, all of them n_cells numbers: x += step * grad_x log p(x) + noise_std * noise. */
void sgld_step(real *x, const real *gradient, size_t n_cells, real step, real noise_std, const real *noise);

struct replay {
	size_t n, d;
	real *low, *high; /* [d]: the box that a chain starts in, uniformly */
	real *row;        /* [n][d] */
};

void replay_layout(struct replay *r, size_t n, size_t d, struct arena *state);
/* Fills the buffer with new chains; low and high have been set. */
void replay_fill(struct replay *r, struct rng *rng);
/* Draws m chains into x [m][d] and their places into `place`; each is begun anew with probability `restart`.
 * coin [m] is scratch. */
void replay_draw(struct replay *r, real *x, uint32_t *place, real *coin, size_t m, double restart, struct rng *rng);
/* Puts the m chains back; of two drawn from one place the later stays. */
void replay_put(struct replay *r, const real *x, const uint32_t *place, size_t m);

#endif
