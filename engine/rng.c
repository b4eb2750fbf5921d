/* rng: see rng.h. */
#include "engine/rng.h"

#include "engine/elementary.h"
#include "engine/simd.h"

enum { LANES = 16, WORDS = 4 * LANES }; /* blocks computed side by side, and the words they give */

void
rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
	*r = (struct rng){.seed = seed, .stream = stream};
}

/* Blocks counter .. counter + LANES - 1. Word w of block i goes to out[w * LANES + i]. One lane is one turn of the
 * outer loop, so that the compiler lays the lanes across a vector. */
static inline void
philox(const struct rng *r, uint64_t counter, uint32_t out[restrict WORDS])
{
	const uint64_t seed = r->seed, stream = r->stream;

#pragma omp simd
	for (size_t i = 0; i < LANES; i++) {
		uint32_t x0 = (uint32_t)(counter + i), x1 = (uint32_t)((counter + i) >> 32);
		uint32_t x2 = (uint32_t)stream, x3 = (uint32_t)(stream >> 32);
		uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

#pragma GCC unroll 10
		for (int round = 0; round < 10; round++) {
			uint64_t p0 = (uint64_t)x0 * 0xD2511F53u;
			uint64_t p1 = (uint64_t)x2 * 0xCD9E8D57u;

			x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
			x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
			x1 = (uint32_t)p1;
			x3 = (uint32_t)p0;
			k0 += 0x9E3779B9u;
			k1 += 0xBB67AE85u;
		}
		out[i] = x0;
		out[LANES + i] = x1;
		out[2 * LANES + i] = x2;
		out[3 * LANES + i] = x3;
	}
}

/* The middle of one of 2^23 equal parts of (0, 1): exact in single precision, and never 0 or 1. */
static inline float
unit(uint32_t word)
{
	return ((float)(int32_t)(word >> 9) + 0.5f) * 0x1p-23f;
}

SIMD_CLONES static void
uniform_words(const struct rng *r, uint64_t counter, float out[WORDS])
{
	uint32_t word[WORDS];

	philox(r, counter, word);
	for (size_t i = 0; i < WORDS; i++)
		out[i] = unit(word[i]);
}

SIMD_CLONES static void
normal_words(const struct rng *r, uint64_t counter, float out[WORDS])
{
	uint32_t word[WORDS];

	philox(r, counter, word);
	for (size_t i = 0; i < WORDS / 2; i++) {
		float radius = sqrtf(-2.0f * log_f32(unit(word[i])));
		float c, s;

		cos_sin_2pi_f32(unit(word[WORDS / 2 + i]), &c, &s);
		out[i] = radius * c;
		out[WORDS / 2 + i] = radius * s;
	}
}

static void
fill(struct rng *r, real *out, size_t n, void (*words)(const struct rng *, uint64_t, float[WORDS]))
{
	float tile[WORDS];

	for (size_t at = 0; at < n; at += WORDS) {
		size_t take = n - at < WORDS ? n - at : WORDS;

		words(r, r->counter, tile);
		r->counter += LANES;
		for (size_t i = 0; i < take; i++)
			out[at + i] = (real)tile[i];
	}
}

void
rng_uniform(struct rng *r, real *out, size_t n)
{
	fill(r, out, n, uniform_words);
}

void
rng_normal(struct rng *r, real *out, size_t n)
{
	fill(r, out, n, normal_words);
}

void
rng_below(struct rng *r, uint32_t bound, uint32_t *out, size_t n)
{
	uint32_t word[WORDS];

	/* A multiply and a shift (Lemire 2019) without the rejection: the bias is below bound / 2^32. */
	for (size_t at = 0; at < n; at += WORDS) {
		size_t take = n - at < WORDS ? n - at : WORDS;

		philox(r, r->counter, word);
		r->counter += LANES;
		for (size_t i = 0; i < take; i++)
			out[at + i] = (uint32_t)(((uint64_t)word[i] * bound) >> 32);
	}
}

void
rng_permutation(struct rng *r, uint32_t *out, size_t n)
{
	uint32_t word[WORDS];

	for (size_t i = 0; i < n; i++)
		out[i] = (uint32_t)i;
	for (size_t left = n; left > 1;) { /* Fisher and Yates, from the end */
		philox(r, r->counter, word);
		r->counter += LANES;
		for (size_t i = 0; i < WORDS && left > 1; i++, left--) {
			size_t j = (size_t)(((uint64_t)word[i] * left) >> 32);
			uint32_t swap = out[left - 1];

			out[left - 1] = out[j];
			out[j] = swap;
		}
	}
}
