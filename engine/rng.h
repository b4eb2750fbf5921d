/*
 * rng: a seeded, splittable, counter-based stream of random numbers.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): block number
 * `counter` of the stream (seed, stream) is a pure function of the three, so a stream is saved by copying the struct,
 * split by choosing another stream number, and filled by vectorised loops. Every fill begins a new block: what one call
 * returns does not depend on how much of its last block the call before it used.
 * Thread rule: one thread at a time per struct.
 */
#ifndef VERAD_ENGINE_RNG_H
#define VERAD_ENGINE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "engine/real.h"

struct rng {
	uint64_t seed, stream, counter;
};

void rng_init(struct rng *r, uint64_t seed, uint64_t stream);

void rng_uniform(struct rng *r, real *out, size_t n);                   /* in (0, 1), both ends excluded */
void rng_normal(struct rng *r, real *out, size_t n);                    /* N(0, 1), by Box and Muller; |z| < 6 */
void rng_below(struct rng *r, uint32_t bound, uint32_t *out, size_t n); /* each of 0 .. bound - 1; bound >= 1 */
void rng_permutation(struct rng *r, uint32_t *out, size_t n);           /* of 0 .. n - 1; n < 2^32 */

#endif
