/*
 * arena: cache-aligned pieces of one block, laid out once. With block NULL it only counts, so the same code that lays a
 * workspace out also says how large it is.
 */
#ifndef VERAD_ENGINE_ARENA_H
#define VERAD_ENGINE_ARENA_H

#include <stddef.h>

#include "engine/real.h"

struct arena {
	real *block; /* borrowed; NULL: count only */
	size_t used; /* numbers */
};

static inline real *
arena_take(struct arena *a, size_t n)
{
	real *at = a->block ? a->block + a->used : NULL;

	a->used += (n + 15) & ~(size_t)15;
	return at;
}

/* The same of n doubles, whatever a real is. */
static inline double *
arena_take_doubles(struct arena *a, size_t n)
{
	return (double *)(void *)arena_take(a, n * (sizeof(double) / sizeof(real)));
}

#endif
