/* pack: gzip and zstd as a client makes them, for the tests of what unpacks them. */
#ifndef VERAD_TESTS_SUPPORT_PACK_H
#define VERAD_TESTS_SUPPORT_PACK_H

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/buf.h"

/* A member with these bytes behind what `out` has; failures are for the caller to see in out->failed. */
static inline void
pack_gzip(struct buf *out, const void *bytes, size_t n)
{
	z_stream z = {0};

	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK ||
		!buf_reserve(out, deflateBound(&z, n) + 64)) {
		out->failed = true;
		return;
	}
	z.next_in = (unsigned char *)(uintptr_t)bytes;
	z.avail_in = (uInt)n;
	z.next_out = out->data + out->len;
	z.avail_out = (uInt)(out->cap - out->len);
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		out->failed = true;
	out->len += z.total_out;
	deflateEnd(&z);
}

/* window_log 0: as zstd chooses; else the frame says that it needs such a window, whatever it holds. */
static inline void
pack_zstd(struct buf *out, const void *bytes, size_t n, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer in = {bytes, n, 0};
	ZSTD_outBuffer to;

	if (!c || !buf_reserve(out, ZSTD_compressBound(n) + 64)) {
		out->failed = true;
		ZSTD_freeCCtx(c);
		return;
	}
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	if (window_log)
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
	to = (ZSTD_outBuffer){out->data + out->len, out->cap - out->len, 0};
	/* In two calls, so that the first does not know the size and choose the window by it. */
	if (ZSTD_isError(ZSTD_compressStream2(c, &to, &in, ZSTD_e_continue)) ||
		ZSTD_compressStream2(c, &to, &in, ZSTD_e_end) != 0)
		out->failed = true;
	out->len += to.pos;
	ZSTD_freeCCtx(c);
}

#endif
