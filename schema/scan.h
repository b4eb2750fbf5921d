/*
 * scan: where in 64 bytes of text a table's structure is, as bit masks: bit i is byte i. With the vector instructions
 * that every x86-64 has; elsewhere byte by byte, with the same outcome. Thread rule: pure functions.
 */
#ifndef VERAD_SCHEMA_SCAN_H
#define VERAD_SCHEMA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct scan {
	uint64_t delimiter, newline, quote, cr;
};

static inline struct scan
scan64(const unsigned char *p, char delimiter, char quote)
{
	struct scan s = {0};
#ifdef __SSE2__
	const __m128i delimiters = _mm_set1_epi8(delimiter), newlines = _mm_set1_epi8('\n');
	const __m128i quotes = _mm_set1_epi8(quote), crs = _mm_set1_epi8('\r');

	for (unsigned i = 0; i < 64; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));

		s.delimiter |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, delimiters)) << i;
		s.newline |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, newlines)) << i;
		s.quote |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quotes)) << i;
		s.cr |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, crs)) << i;
	}
#else
	for (unsigned i = 0; i < 64; i++) {
		s.delimiter |= (uint64_t)(p[i] == (unsigned char)delimiter) << i;
		s.newline |= (uint64_t)(p[i] == '\n') << i;
		s.quote |= (uint64_t)(p[i] == (unsigned char)quote) << i;
		s.cr |= (uint64_t)(p[i] == '\r') << i;
	}
#endif
	return s;
}

/* Each bit: how many of `bits` lie at or below it, modulo 2. Of quotes: what is inside, the opening quote included. */
static inline uint64_t
scan_parity(uint64_t bits)
{
	for (unsigned shift = 1; shift < 64; shift *= 2)
		bits ^= bits << shift;
	return bits;
}

/* How many bytes of p[n] from the start are in 0x01 .. 0x7f, whole steps of 16 alone; the rest may be, too. */
static inline size_t
scan_plain(const unsigned char *p, size_t n)
{
	size_t i = 0;
#ifdef __SSE2__
	const __m128i zero = _mm_setzero_si128();

	for (; n - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));

		if (_mm_movemask_epi8(_mm_or_si128(v, _mm_cmpeq_epi8(v, zero))))
			break;
	}
#else
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t word[2];

	for (; n - i >= 16; i += 16) { /* a borrow can only come from a zero */
		memcpy(word, p + i, sizeof word);
		if ((word[0] | (word[0] - ones) | word[1] | (word[1] - ones)) & tops)
			break;
	}
#endif
	return i;
}

#endif
