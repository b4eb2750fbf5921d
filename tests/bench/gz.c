/* gz: see gz.h. */
#include "tests/bench/gz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 1 << 17 };

enum status
gz_feed(const char *path, enum status (*take)(void *ctx, const void *bytes, size_t n, struct err *e), void *ctx,
	struct err *e)
{
	unsigned char *piece = malloc(PIECE);
	gzFile gz = gzopen(path, "rb");
	enum status s = OK;
	int got = 0;

	if (!piece)
		s = err_nomem(e);
	else if (!gz)
		s = err_set(e, ERR_IO, "io_error", "cannot be opened: %s", strerror(errno));
	while (!s && (got = gzread(gz, piece, PIECE)) > 0)
		s = take(ctx, piece, (size_t)got, e);
	if (!s && got < 0)
		s = err_set(e, ERR_IO, "io_error", "is no readable gzip file");
	if (s)
		err_prefix(e, "%s", path);
	if (gz)
		gzclose(gz);
	free(piece);
	return s;
}

struct whole {
	struct buf *out;
	size_t limit;
};

static enum status
take_whole(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct whole *w = ctx;

	if (n > w->limit - w->out->len)
		return err_set(e, ERR_TOO_LARGE, "too_large", "has more than the %zu bytes that it should", w->limit);
	buf_put(w->out, bytes, n);
	return buf_status(w->out, e);
}

enum status
gz_read_all(const char *path, size_t limit, struct buf *out, struct err *e)
{
	struct whole w = {.out = out, .limit = limit};

	return gz_feed(path, take_whole, &w, e);
}
