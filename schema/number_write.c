/*
 * number_write: doubles and floats to the shortest decimal text that reads back as the same value, exactly; see
 * table.h.
 *
 * A value is m 2^e with a whole m; times 10^k, where k digits stand behind the point, it is m 5^k / 2^shift, and where
 * m 5^k fits into 128 bits so do all questions about it: which whole number n is nearest, and whether n / 10^k lies
 * nearer to the value than to its neighbours, and so reads back as it. The first precision that does is taken, and it
 * is what printf writes with that precision. The few other numbers, doubles below 1e-30 or so and from 1e15 on and
 * floats from 1e8 on, are for printf and strtod themselves.
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/table.h"

__extension__ typedef unsigned __int128 wide;

enum { POWERS_TEN = 17, POWERS_FIVE = 27 /* 5^27 < 2^64 */ };

static const uint64_t ten_to[POWERS_TEN + 1] = {1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u,
	1000000000u, 10000000000u, 100000000000u, 1000000000000u, 10000000000000u, 100000000000000u, 1000000000000000u,
	10000000000000000u, 100000000000000000u};

static const uint64_t five_to[POWERS_FIVE + 1] = {1u, 5u, 25u, 125u, 625u, 3125u, 15625u, 78125u, 390625u, 1953125u,
	9765625u, 48828125u, 244140625u, 1220703125u, 6103515625u, 30517578125u, 152587890625u, 762939453125u,
	3814697265625u, 19073486328125u, 95367431640625u, 476837158203125u, 2384185791015625u, 11920928955078125u,
	59604644775390625u, 298023223876953125u, 1490116119384765625u, 7450580596923828125u};

/* n's digits into the bytes before `end`; returns the first. */
static char *
digits_before(char *end, uint64_t n)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";

	for (; n >= 100; n /= 100)
		memcpy(end -= 2, pairs + 2 * (n % 100), 2);
	if (n >= 10)
		memcpy(end -= 2, pairs + 2 * n, 2);
	else
		*--end = (char)('0' + n);
	return end;
}

/* An integer below 10^15 in magnitude: whole digits, where %g might write an exponent. */
static size_t
format_integer(char *buf, double v)
{
	char digits[24], *end = digits + sizeof digits, *from = digits_before(end, (uint64_t)fabs(v));
	size_t at = 0, n = (size_t)(end - from);

	if (signbit(v))
		buf[at++] = '-';
	memcpy(buf + at, from, n);
	buf[at += n] = '\0';
	return at;
}

/* n / 10^k, without zeros at its end, as %g writes it. n > 0; above 1e-99, which two digits of an exponent reach. */
static size_t
put_decimal(char *buf, bool negative, uint64_t n, int k)
{
	char digits[24], *end = digits + sizeof digits, *from;
	int n_digits, exponent, before;
	size_t at = 0;

	while (k && n % 10 == 0) {
		n /= 10;
		k--;
	}
	from = digits_before(end, n);
	n_digits = (int)(end - from);
	exponent = n_digits - 1 - k;
	if (negative)
		buf[at++] = '-';
	if (exponent >= -4 && exponent < 0) {
		memcpy(buf + at, "0.000", 5);
		at += 1 + (size_t)-exponent;
		before = 0;
	} else {
		before = exponent < 0 ? 1 : exponent + 1;
		memcpy(buf + at, from, (size_t)before);
		at += (size_t)before;
		if (before < n_digits)
			buf[at++] = '.';
	}
	memcpy(buf + at, from + before, (size_t)(n_digits - before));
	at += (size_t)(n_digits - before);
	if (exponent < -4) {
		buf[at++] = 'e';
		buf[at++] = '-';
		buf[at++] = (char)('0' + -exponent / 10);
		buf[at++] = (char)('0' + -exponent % 10);
	}
	buf[at] = '\0';
	return at;
}

static int
bits_of(wide v)
{
	uint64_t high = (uint64_t)(v >> 64), low = (uint64_t)v;

	return high ? 128 - __builtin_clzll(high) : low ? 64 - __builtin_clzll(low) : 0;
}

/*
 * m 2^e > 0 with the fewest digits from `precision` to `most` that tell it from its neighbours m + 1 and m - 1, or
 * where `narrow` m - 1/2. 0: none does, or the numbers would not fit; of a 5^k too long for them the last bits are left
 * out, and 0 is also where these might decide.
 */
static size_t
format_exactly(char *buf, bool negative, uint64_t m, int e, bool narrow, int precision, int most)
{
	const int bits = 64 - __builtin_clzll(m), top = e + bits - 1;
	/* 10^exponent <= m 2^e, and at most one too low: 1233 / 4096 is just below log10 of 2 */
	int exponent = (top * 1233 - (top < 0 ? 4095 : 0)) / 4096;

	for (; precision <= most; precision++) {
		int k = precision - 1 - exponent, shift, cut;
		wide five, product, back, rest, half, from_half, unsure;
		uint64_t n;

		if (k < 0)
			continue;
		if (k > 2 * POWERS_FIVE)
			return 0;
		five = k <= POWERS_FIVE ? five_to[k] : (wide)five_to[POWERS_FIVE] * five_to[k - POWERS_FIVE];
		cut = bits + bits_of(five) - 124;
		cut = cut > 0 ? cut : 0;
		five >>= cut;
		unsure = cut ? 4 * (wide)m : 0;
		shift = -(e + k + cut);
		if (shift < 1 || shift > 124)
			return 0;
		product = five * m;
		n = (uint64_t)(product >> shift);
		rest = product & (((wide)1 << shift) - 1);
		half = (wide)1 << (shift - 1);
		from_half = rest > half ? rest - half : half - rest;
		if (cut && from_half <= unsure)
			return 0;
		n += rest > half || (rest == half && (n & 1));
		if (n >= ten_to[precision]) { /* the exponent was too low, or rounding up made a digit more */
			exponent++;
			precision--;
			continue;
		}
		/* Half way to a neighbour, which belongs to the even one of both, is 5^k / 2; a quarter where narrow.
		 */
		back = (wide)n << shift;
		if (back >= product)
			rest = 2 * (back - product);
		else
			rest = (product - back) * (narrow ? 4 : 2);
		if (cut && (rest > five ? rest - five : five - rest) <= unsure)
			return 0;
		if (rest < five || (rest == five && !(m & 1)))
			return put_decimal(buf, negative, n, k);
	}
	return 0;
}

size_t
number_format(char *buf, double v)
{
	int precision = fabs(v) < DBL_MIN ? 1 : DBL_DIG; /* subnormal ones have fewer digits */
	size_t n = 0;
	uint64_t bits;

	assert(isfinite(v));
	if (fabs(v) < 1e15 && v == trunc(v))
		return format_integer(buf, v);
	memcpy(&bits, &v, sizeof bits);
	if (fabs(v) >= DBL_MIN && fabs(v) < 1e15)
		n = format_exactly(buf, signbit(v), (bits & 0xfffffffffffffu) | 0x10000000000000u,
			(int)(bits >> 52 & 0x7ff) - 1075, !(bits & 0xfffffffffffffu), precision, 17);
	if (n)
		return n;
	do
		n = (size_t)snprintf(buf, 32, "%.*g", precision, v);
	while (precision++ < 17 && strtod(buf, NULL) != v);
	return n;
}

size_t
number_format_float(char *buf, float v)
{
	int precision = fabsf(v) < FLT_MIN ? 1 : FLT_DIG;
	size_t n = 0;
	uint32_t bits;

	assert(isfinite(v));
	if (fabsf(v) < 1e8f && v == truncf(v))
		return format_integer(buf, (double)v);
	memcpy(&bits, &v, sizeof bits);
	if (fabsf(v) >= FLT_MIN)
		n = format_exactly(buf, signbit(v), (bits & 0x7fffff) | 0x800000, (int)(bits >> 23 & 0xff) - 150,
			!(bits & 0x7fffff) && fabsf(v) > FLT_MIN, precision, 9);
	else
		n = format_exactly(buf, signbit(v), bits & 0x7fffff, -149, false, precision, 9);
	if (n)
		return n;
	do
		n = (size_t)snprintf(buf, 32, "%.*g", precision, (double)v);
	while (precision++ < 9 && strtof(buf, NULL) != v);
	return n;
}
