/* ascending: the order of doubles, for qsort. */
#ifndef VERAD_ENGINE_ASCENDING_H
#define VERAD_ENGINE_ASCENDING_H

static inline int
ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#endif
