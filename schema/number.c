/*
 * number: decimal text to double, exactly; see table.h. The way back is number_write.c.
 *
 * Up to 19 digits make an integer m, and the value is m * 10^e. Where m and 10^|e| are doubles, one
 * multiplication or division rounds once, hence correctly (Clinger, "How to read floating point numbers accurately",
 * 1990). Where they fit in 64 bits, 128-bit integers give the product or quotient exactly, with its remainder. The rest
 * is for strtod, which gets digits and an exponent but no decimal point, and so nothing that a locale could change.
 */
#include "schema/number_amid.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

__extension__ typedef unsigned __int128 wide;

enum {
	MAX_DIGITS = 19,   /* 10^19 - 1 < 2^64 */
	POWERS_FIVE = 27,  /* 5^27 < 2^64 */
	KEPT_DIGITS = 800, /* a double's exact decimal expansion has at most 767: more only say "and a bit" */
};

static const uint64_t five_to[POWERS_FIVE + 1] = {1u, 5u, 25u, 125u, 625u, 3125u, 15625u, 78125u, 390625u, 1953125u,
	9765625u, 48828125u, 244140625u, 1220703125u, 6103515625u, 30517578125u, 152587890625u, 762939453125u,
	3814697265625u, 19073486328125u, 95367431640625u, 476837158203125u, 2384185791015625u, 11920928955078125u,
	59604644775390625u, 298023223876953125u, 1490116119384765625u, 7450580596923828125u};

const double number_ten_to[NUMBER_POWERS + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool
is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* (m + a bit, if `more`) * 2^exponent as a double, rounded to nearest, ties to even. m >= 2^54; the result is normal.
 */
static double
round_to_double(uint64_t m, bool more, int exponent)
{
	int shift = 64 - __builtin_clzll(m) - 53; /* >= 2 */
	uint64_t rest = m & ((UINT64_C(1) << shift) - 1), half = UINT64_C(1) << (shift - 1);

	m >>= shift;
	if (rest > half || (rest == half && (more || (m & 1))))
		m++; /* 2^53 is a double too */
	return ldexp((double)m, exponent + shift);
}

/* m * 10^e for 0 < m < 2^64, |e| <= POWERS_FIVE. */
static double
scale(uint64_t m, int e)
{
	uint64_t five = five_to[e < 0 ? -e : e];
	int up = __builtin_clzll(m), five_up = __builtin_clzll(five);
	wide product;

	m <<= up;
	five <<= five_up;
	if (e < 0) {
		/* m / 2 < five, so that the quotient fits; it is at least 2^62. */
		wide dividend = (wide)(m >> 1) << 64 | (wide)(m & 1) << 63;
		uint64_t quotient = (uint64_t)(dividend / five);

		return round_to_double(quotient, (wide)quotient * five != dividend, e - up + five_up - 63);
	}
	product = (wide)m * five; /* at least 2^126 */
	return round_to_double((uint64_t)(product >> 64), (uint64_t)product != 0, e - up - five_up + 64);
}

/* Up to eight digits and nothing else. */
static bool
parse_digits(const char *text, size_t len, double *out)
{
	uint64_t word;

	if (len >= 4) { /* overlapping halves agree where they overlap */
		uint32_t first, last;

		memcpy(&first, text, sizeof first);
		memcpy(&last, text + len - sizeof last, sizeof last);
		word = le32toh(first) | (uint64_t)le32toh(last) << (8 * (len - sizeof last));
	} else {
		word = (uint64_t)(unsigned char)text[0] | (uint64_t)(unsigned char)text[len / 2] << (8 * (len / 2)) |
		       (uint64_t)(unsigned char)text[len - 1] << (8 * (len - 1));
	}
	word ^= 0x3030303030303030u;
	if (len < 8) /* zeros in front; what lies above the last is shifted out */
		word <<= 8 * (8 - len);
	if (number_not_digits(word))
		return false;
	*out = (double)(int64_t)number_value_of(word);
	return true;
}

/* The digits of text[len], decimal mark left out, times 10^exponent. */
static bool
parse_long(const char *text, size_t len, long exponent, bool negative, double *out)
{
	char copy[KEPT_DIGITS + 32];
	size_t n = 0;
	bool more = false;
	double v;

	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]) || (!n && text[i] == '0'))
			continue;
		if (n < KEPT_DIGITS) {
			copy[n++] = text[i];
			continue;
		}
		more |= text[i] != '0';
		exponent++;
	}
	if (more) { /* enough to break a tie */
		copy[n++] = '1';
		exponent--;
	}
	snprintf(copy + n, sizeof copy - n, "e%ld", exponent);
	v = strtod(copy, NULL);
	if (!isfinite(v))
		return false;
	*out = negative ? -v : v;
	return true;
}

static inline bool
parse(const char *text, size_t len, char mark, double *out)
{
	const char *p = text, *end = text + len, *digits, *digits_end, *point = NULL;
	bool negative = false, small;
	uint64_t m = 0;
	size_t n_digits;
	long e = 0;
	double v;

	if (len - 1 < 8 && parse_digits(text, len, out))
		return true;
	text_trim(&p, &end);
	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';

	/* Digits wrap around in m where there are more than fit; the count says so afterwards. */
	for (digits = p; p < end && is_digit(*p); p++)
		m = m * 10 + (uint64_t)(*p - '0');
	if (p < end && *p == mark) {
		point = p++;
		for (; p < end && is_digit(*p); p++)
			m = m * 10 + (uint64_t)(*p - '0');
		e = -(long)(p - point - 1);
	}
	digits_end = p;
	n_digits = (size_t)(p - digits) - (point != NULL);
	if (!n_digits)
		return false;
	if (p < end && (*p == 'e' || *p == 'E')) {
		bool minus = false;
		long given = 0;

		p++;
		if (p < end && (*p == '-' || *p == '+'))
			minus = *p++ == '-';
		if (p == end)
			return false;
		for (; p < end && is_digit(*p); p++)
			if (given < LONG_MAX / 16)
				given = given * 10 + (*p - '0');
		e += minus ? -given : given;
	}
	if (p != end)
		return false;

	if (n_digits > MAX_DIGITS) { /* zeros in front do not count */
		for (p = digits; p < digits_end && (*p == '0' || *p == mark); p++)
			n_digits -= *p == '0';
		if (n_digits > MAX_DIGITS)
			return parse_long(digits, (size_t)(digits_end - digits), e, negative, out);
	}
	small = m <= UINT64_C(1) << 53;
	if (small && !e)
		v = (double)(int64_t)m; /* most numbers are these; signed, since that is one instruction */
	else if (small && e <= 0 && e >= -NUMBER_POWERS)
		v = (double)m / number_ten_to[-e];
	else if (small && e > 0 && e <= NUMBER_POWERS)
		v = (double)m * number_ten_to[e];
	else if (!m)
		v = 0;
	else if (e >= -POWERS_FIVE && e <= POWERS_FIVE)
		v = scale(m, (int)e);
	else
		return parse_long(digits, (size_t)(digits_end - digits), e, negative, out);
	*out = negative ? -v : v;
	return true;
}

bool
number_parse(const char *text, size_t len, double *out)
{
	return parse(text, len, '.', out);
}

bool
number_parse_marked(const char *text, size_t len, char mark, double *out)
{
	return parse(text, len, mark, out);
}

/* Digits, maybe with the mark among them, maybe with an exponent that is not negative. */
static bool
is_decimal(const char *p, const char *end, char mark)
{
	size_t n_digits = 0, n_marks = 0;

	for (; p < end && (is_digit(*p) || (*p == mark && !n_marks)); p++)
		*(is_digit(*p) ? &n_digits : &n_marks) += 1;
	if (!n_digits || p == end || (*p != 'e' && *p != 'E'))
		return n_digits && p == end;
	p++;
	if (p < end && *p == '+')
		p++;
	if (p == end)
		return false;
	while (p < end && is_digit(*p))
		p++;
	return p == end;
}

bool
number_is_infinite(const char *text, size_t len, char mark)
{
	static const char *const word[] = {"inf", "infinity", "1.#inf", "\xe2\x88\x9e"};
	const char *p = text, *end = text + len;
	double v;

	text_trim(&p, &end);
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (size_t i = 0; i < sizeof word / sizeof *word; i++)
		if (strlen(word[i]) == (size_t)(end - p) && !strncasecmp(p, word[i], (size_t)(end - p)))
			return true;
	return is_decimal(p, end, mark) && !number_parse_marked(text, len, mark, &v);
}
