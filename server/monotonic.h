/* monotonic: the clock that nobody may set. */
#ifndef VERAD_SERVER_MONOTONIC_H
#define VERAD_SERVER_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline double
monotonic_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline uint64_t
monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
