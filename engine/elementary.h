/*
 * elementary: exp, log, log1p, sin and cos as branchless inline functions that compilers turn into vector code.
 *
 * In single precision they are polynomials, good to about 2 units in the last place over the ranges stated; in double
 * precision they are the C library's, since that build exists for accuracy and not for speed. Only additions,
 * multiplications, divisions and bit moves are used, so the result is the same on every machine and for every width of
 * vector.
 */
#ifndef VERAD_ENGINE_ELEMENTARY_H
#define VERAD_ENGINE_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "engine/real.h"

static inline float
float_of_bits(int32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

static inline int32_t
bits_of_float(float v)
{
	int32_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* e^x for x in [-87, 88]; x outside is taken to the nearer end, so the result is neither 0, denormal nor infinite. NaN
 * counts as -87. */
static inline float
exp_f32(float x)
{
	const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
	float n, r, p;

	x = x > -87.0f ? x : -87.0f; /* this way round, NaN too becomes a number that can be cast below */
	x = x < 88.0f ? x : 88.0f;
	n = (x * 1.44269504f + shifter) - shifter;
	r = x - n * 0.693359375f; /* ln 2 in two parts: the first has few bits, so n times it is exact */
	r = r - n * -2.12194440e-4f;
	p = 1.9875691500e-4f;
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	return p * float_of_bits(((int32_t)n + 127) << 23);
}

/* ln(1 + t) for t in [0, 1], by the series of 2 atanh(t / (2 + t)). */
static inline float
log1p_f32(float t)
{
	float s = t / (2.0f + t), z = s * s, p;

	p = 0.13333334f;
	p = p * z + 0.15384616f;
	p = p * z + 0.18181819f;
	p = p * z + 0.22222222f;
	p = p * z + 0.28571430f;
	p = p * z + 0.4f;
	p = p * z + 0.66666669f;
	return s * (p * z + 2.0f);
}

/* ln x for normal x > 0. */
static inline float
log_f32(float x)
{
	int32_t bits = bits_of_float(x) - 0x3f3504f3; /* exponent relative to sqrt(1/2) */
	float n = (float)(bits >> 23);
	float m = float_of_bits((bits & 0x7fffff) + 0x3f3504f3); /* in [sqrt(1/2), sqrt(2)) */
	float s = (m - 1.0f) / (m + 1.0f), z = s * s, p;

	p = 0.22222222f;
	p = p * z + 0.28571430f;
	p = p * z + 0.4f;
	p = p * z + 0.66666669f;
	return n * 0.69314718f + s * (p * z + 2.0f);
}

/* cos and sin of 2 pi u for u in [0, 1]. */
static inline void
cos_sin_2pi_f32(float u, float *c, float *s)
{
	const float shifter = 12582912.0f;
	float q = (u * 4.0f + shifter) - shifter; /* quarter turns, to the nearest */
	float r = (u - q * 0.25f) * 6.28318531f;  /* in [-pi/4, pi/4]; the difference is exact */
	float z = r * r;
	float sr = r + r * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
	float cr = 1.0f - 0.5f * z +
		   z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
	int32_t k = (int32_t)q;
	int swap = k & 1;
	float cs = swap ? sr : cr, ss = swap ? cr : sr;

	*c = (k + 1) & 2 ? -cs : cs;
	*s = k & 2 ? -ss : ss;
}

#ifdef VERAD_DOUBLE
#define real_exp exp
#define real_log1p log1p
#define real_log log
#define real_sqrt sqrt
#define real_abs fabs
#else
#define real_exp exp_f32
#define real_log1p log1p_f32
#define real_log log_f32
#define real_sqrt sqrtf
#define real_abs fabsf
#endif

#endif
