/*
 * gz: files, compressed by gzip or not, piece by piece. The only <zlib.h> of the benchmarks.
 */
#ifndef VERAD_TESTS_BENCH_GZ_H
#define VERAD_TESTS_BENCH_GZ_H

#include "engine/buf.h"

/* Hands the file's bytes to `take`, piece after piece. Errors, those of `take` as well, are prefixed with the path. */
enum status gz_feed(const char *path, enum status (*take)(void *ctx, const void *bytes, size_t n, struct err *e),
	void *ctx, struct err *e);

/* All of it, but ERR_TOO_LARGE "too_large" where it is longer than `limit`. The caller's to release in any case. */
enum status gz_read_all(const char *path, size_t limit, struct buf *out, struct err *e);

#endif
