/* allocations: see allocations.h. The names with two underscores are glibc's own allocator, behind the public names. */
#include "tests/bench/allocations.h"

#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t n_calls, n_bytes, n_blas_calls, n_blas_bytes;

struct allocations
allocations_so_far(void)
{
	return (struct allocations){
		.calls = atomic_load(&n_calls),
		.bytes = atomic_load(&n_bytes),
		.blas_calls = atomic_load(&n_blas_calls),
		.blas_bytes = atomic_load(&n_blas_bytes),
	};
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* Where the code of libopenblas lies; set before main. */
static uintptr_t blas_first, blas_end;

static int
look_at_library(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	for (int i = 0; strstr(info->dlpi_name, "libopenblas") && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && part->p_flags & PF_X) {
			blas_first = info->dlpi_addr + part->p_vaddr;
			blas_end = blas_first + part->p_memsz;
		}
	}
	return 0;
}

__attribute__((constructor)) static void
find_blas(void)
{
	dl_iterate_phdr(look_at_library, NULL);
}

static void
count(size_t n, const void *caller)
{
	int blas = (uintptr_t)caller >= blas_first && (uintptr_t)caller < blas_end;

	atomic_fetch_add_explicit(blas ? &n_blas_calls : &n_calls, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(blas ? &n_blas_bytes : &n_bytes, n, memory_order_relaxed);
}

#define CALLER __builtin_return_address(0)

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n);

void *
malloc(size_t n)
{
	count(n, CALLER);
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	count(n * size, CALLER);
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	count(n, CALLER);
	return __libc_realloc(p, n);
}

void *
memalign(size_t alignment, size_t n)
{
	count(n, CALLER);
	return __libc_memalign(alignment, n);
}

void *
aligned_alloc(size_t alignment, size_t n)
{
	count(n, CALLER);
	return __libc_memalign(alignment, n);
}

int
posix_memalign(void **out, size_t alignment, size_t n)
{
	void *p;

	if (alignment % sizeof(void *) || (alignment & (alignment - 1)) || !alignment)
		return EINVAL;
	count(n, CALLER);
	p = __libc_memalign(alignment, n);
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

#endif
