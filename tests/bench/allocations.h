/*
 * allocations: counts what the process asks of malloc, by standing in for it.
 *
 * To be linked into a program of its own: malloc, calloc, realloc, aligned_alloc, posix_memalign and memalign of the
 * whole process, its libraries included, come through here. Calls out of OpenBLAS are counted apart: some of its
 * kernels for small products take a buffer for the time of the call, which is nothing that a caller could do about.
 * What is mapped without malloc is not seen. A sanitizer stands there itself: then nothing is counted. Thread rule: any
 * thread, any time.
 */
#ifndef VERAD_TESTS_BENCH_ALLOCATIONS_H
#define VERAD_TESTS_BENCH_ALLOCATIONS_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ALLOCATIONS_COUNTED = 0 };
#else
enum { ALLOCATIONS_COUNTED = 1 };
#endif

struct allocations {
	size_t calls, bytes; /* but for those of the BLAS */
	size_t blas_calls, blas_bytes;
};

struct allocations allocations_so_far(void);

#endif
