/*
 * suggest: see suggest.h. Edit distance with adjacent swaps (optimal string alignment), three rows, on names of
 * bounded length: a longer one is a mistake of another kind than a slip of the finger.
 */
#include "engine/suggest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 96 };        /* bytes of a name that is compared at all */
enum { HALF = 1, WHOLE = 2 }; /* costs, in half edits */

static unsigned char
lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c; /* ASCII whatever the locale */
}

static bool
is_separator(unsigned char c)
{
	return c == '-' || c == '_' || c == '.' || c == ' ';
}

static unsigned
change_cost(unsigned char a, unsigned char b)
{
	if (a == b)
		return 0;
	return lower(a) == lower(b) || (is_separator(a) && is_separator(b)) ? HALF : WHOLE;
}

static unsigned
smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* The distance of a[n] and b[m] in half edits; anything over `limit` may come back as any value over it. */
static unsigned
distance(const unsigned char *a, size_t n, const unsigned char *b, size_t m, unsigned limit)
{
	unsigned rows[3][LONGEST + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2]; /* of i - 2, i - 1 and i letters of a */

	for (size_t j = 0; j <= m; j++)
		last[j] = (unsigned)j * WHOLE;
	for (size_t i = 1; i <= n; i++) {
		unsigned least = now[0] = (unsigned)i * WHOLE;
		unsigned *spare;

		for (size_t j = 1; j <= m; j++) {
			unsigned d = last[j - 1] + change_cost(a[i - 1], b[j - 1]);

			d = smaller(d, last[j] + WHOLE);
			d = smaller(d, now[j - 1] + WHOLE);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = smaller(d, before[j - 2] + WHOLE);
			now[j] = d;
			least = smaller(least, d);
		}
		/* A later row can undercut this one only through a swap out of the row before, at one edit more. */
		if (least > limit + WHOLE)
			return least;
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[m];
}

const char *
suggest_nearest(const char *name, const char *const *known, size_t n)
{
	size_t len = strlen(name);
	const char *best = NULL;
	unsigned best_cost = 0;

	if (!len || len > LONGEST)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(known[i]);
		size_t longer = other > len ? other : len, apart = longer - (other > len ? len : other);
		/* Of the shorter name at least one letter must survive, or "a" would suggest "b". */
		unsigned limit = longer < 3 ? HALF : (unsigned)(longer / 3) * WHOLE;
		unsigned cost;

		if (!other || other > LONGEST)
			continue;
		if (best && best_cost <= limit)
			limit = best_cost - 1;
		if (apart * WHOLE > limit)
			continue;
		cost = distance((const unsigned char *)name, len, (const unsigned char *)known[i], other, limit);
		if (cost > limit)
			continue;
		best = known[i];
		best_cost = cost;
		if (!cost)
			break;
	}
	return best;
}
