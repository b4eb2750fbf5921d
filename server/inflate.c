/* inflate: see inflate.h. */
#include "server/inflate.h"

#include <stdlib.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

enum {
	PIECE = 64 << 10,
	GZIP_ALONE = 15 + 16,     /* zlib's windowBits: the largest window, and a gzip header rather than zlib's */
	ZSTD_MAX_WINDOW_LOG = 23, /* 8 MiB */
};

struct inflate {
	bool zstd;
	bool within;          /* a member has begun and not ended */
	uint64_t n_in, n_out; /* bytes so far */
	z_stream z;           /* of gzip */
	bool z_ready;
	ZSTD_DStream *d; /* of zstd */
	unsigned char piece[PIECE];
};

bool
inflate_serves(const char *coding)
{
	return !strcasecmp(coding, "gzip") || !strcasecmp(coding, "x-gzip") || !strcasecmp(coding, "zstd");
}

enum status
inflate_new(const char *coding, struct inflate **out, struct err *e)
{
	struct inflate *f = calloc(1, sizeof *f);

	if (!f)
		return err_nomem(e);
	f->zstd = !strcasecmp(coding, "zstd");
	if (f->zstd) {
		f->d = ZSTD_createDStream();
		if (!f->d || ZSTD_isError(ZSTD_DCtx_setParameter(f->d, ZSTD_d_windowLogMax, ZSTD_MAX_WINDOW_LOG)))
			goto nomem;
	} else {
		f->z_ready = inflateInit2(&f->z, GZIP_ALONE) == Z_OK;
		if (!f->z_ready)
			goto nomem;
	}
	*out = f;
	return OK;
nomem:
	inflate_free(f);
	return err_nomem(e);
}

static enum status
emit(struct inflate *f, size_t n, struct inflate_sink sink, struct err *e)
{
	if (!n)
		return OK;
	f->n_out += n;
	if (f->n_out > INFLATE_FREE && f->n_out / INFLATE_MAX_RATIO > f->n_in)
		return err_set(e, ERR_TOO_LARGE, "compression_ratio",
			"the compressed body unpacks to more than %d times its size; send it plain, or in parts",
			INFLATE_MAX_RATIO);
	return sink.plain(sink.ctx, f->piece, n, e);
}

static enum status
bad(const struct inflate *f, const char *why, struct err *e)
{
	return err_set(e, ERR_SYNTAX, "bad_compression", "the body is no %s, or is damaged: %.120s",
		f->zstd ? "zstd" : "gzip", why ? why : "unknown format");
}

/* One turn of the library: as much of the input as there is room for. *more: there is output still to come. */
static enum status
turn_gzip(struct inflate *f, const unsigned char **from, size_t *n, size_t *got, bool *more, struct err *e)
{
	uInt given = *n < UINT32_MAX ? (uInt)*n : UINT32_MAX;
	int rc;

	if (!f->within) {
		if (inflateReset(&f->z) != Z_OK)
			return bad(f, "the library cannot start", e);
		f->within = true;
	}
	f->z.next_in = (unsigned char *)(uintptr_t)*from;
	f->z.avail_in = given;
	f->z.next_out = f->piece;
	f->z.avail_out = PIECE;
	rc = inflate(&f->z, Z_NO_FLUSH);
	*from += given - f->z.avail_in;
	*n -= given - f->z.avail_in;
	f->n_in += given - f->z.avail_in;
	*got = PIECE - f->z.avail_out;
	if (rc == Z_STREAM_END)
		f->within = false;
	else if (rc == Z_MEM_ERROR)
		return err_nomem(e);
	else if (rc != Z_OK && rc != Z_BUF_ERROR)
		return bad(f, rc == Z_NEED_DICT ? "it needs a dictionary" : f->z.msg, e);
	*more = f->within && !f->z.avail_out;
	return OK;
}

static enum status
turn_zstd(struct inflate *f, const unsigned char **from, size_t *n, size_t *got, bool *more, struct err *e)
{
	ZSTD_inBuffer in = {*from, *n, 0};
	ZSTD_outBuffer out = {f->piece, PIECE, 0};
	size_t left = ZSTD_decompressStream(f->d, &out, &in);

	if (ZSTD_isError(left))
		return bad(f, ZSTD_getErrorName(left), e);
	*from += in.pos;
	*n -= in.pos;
	f->n_in += in.pos;
	*got = out.pos;
	f->within = left != 0;
	*more = f->within && out.pos == PIECE;
	return OK;
}

enum status
inflate_feed(struct inflate *f, const void *bytes, size_t n, struct inflate_sink sink, struct err *e)
{
	const unsigned char *from = bytes;
	bool more = false;

	while (n || more) {
		size_t got = 0;
		enum status s = f->zstd ? turn_zstd(f, &from, &n, &got, &more, e)
					: turn_gzip(f, &from, &n, &got, &more, e);

		if (s || (s = emit(f, got, sink, e)))
			return s;
	}
	return OK;
}

enum status
inflate_finish(const struct inflate *f, struct err *e)
{
	if (f->within || !f->n_in)
		return err_set(e, ERR_SYNTAX, "truncated_compression", "the %s body ends too early, after %llu bytes",
			f->zstd ? "zstd" : "gzip", (unsigned long long)f->n_in);
	return OK;
}

void
inflate_free(struct inflate *f)
{
	if (!f)
		return;
	if (f->z_ready)
		inflateEnd(&f->z);
	ZSTD_freeDStream(f->d);
	free(f);
}
