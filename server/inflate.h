/*
 * inflate: compressed bytes to plain ones, piece by piece: the Content-Encodings gzip and zstd. The only <zlib.h> and
 * <zstd.h>.
 *
 * What comes in is not trusted. Plain bytes leave through a sink in pieces of bounded size, so memory is bounded
 * (zlib's 32 KiB window; zstd's up to 8 MiB, as RFC 9659 has it), and whoever counts them in the sink stops a bomb in
 * time. Past INFLATE_FREE plain bytes, more than INFLATE_MAX_RATIO of them for each compressed one are refused whatever
 * the sink thinks of it. Several members (frames) one behind the other are one text.
 *
 * ERR_SYNTAX "bad_compression": not in that format, or damaged; "truncated_compression": it ends within a member.
 * ERR_TOO_LARGE "compression_ratio". Thread rule: one thread at a time per stream.
 */
#ifndef VERAD_SERVER_INFLATE_H
#define VERAD_SERVER_INFLATE_H

#include <stdbool.h>

#include "engine/err.h"

#define INFLATE_CODINGS "gzip, zstd"
enum { INFLATE_FREE = 16 << 20, INFLATE_MAX_RATIO = 200 };

struct inflate;

bool inflate_serves(const char *coding); /* "gzip" (also "x-gzip") and "zstd", in any case */
/* `coding` is one that is served. */
enum status inflate_new(const char *coding, struct inflate **out, struct err *e);

struct inflate_sink { /* a status other than OK ends the stream and is what feed returns */
	enum status (*plain)(void *ctx, const void *bytes, size_t n, struct err *e);
	void *ctx;
};
enum status inflate_feed(struct inflate *f, const void *bytes, size_t n, struct inflate_sink sink, struct err *e);
enum status inflate_finish(const struct inflate *f, struct err *e); /* the compressed bytes are all in */
void inflate_free(struct inflate *f);                               /* accepts NULL */

#endif
