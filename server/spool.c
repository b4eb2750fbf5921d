/* spool: see spool.h. */
#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
spool_init(struct spool *s, const char *dir)
{
	if (!dir)
		dir = getenv("TMPDIR");
	*s = (struct spool){.dir = dir && *dir ? dir : "/tmp", .fd = -1};
}

void
spool_release(struct spool *s)
{
	buf_release(&s->memory);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->len = 0;
}

static enum status
fail(const struct spool *s, const char *what, struct err *e)
{
	int why = errno;

	if (why == ENOSPC || why == EDQUOT || why == EFBIG)
		return err_set(e, ERR_FULL, "disk_full", "no space left in %s for the rows on their way in", s->dir);
	return err_set(e, ERR_IO, "spool_failed", "cannot %s a temporary file in %s: %s", what, s->dir, strerror(why));
}

static enum status
write_all(const struct spool *s, const unsigned char *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t done = write(s->fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return fail(s, "write", e);
		p += done;
		n -= (size_t)done;
	}
	return OK;
}

static enum status
make_file(struct spool *s, struct err *e)
{
	char path[4096];

	s->fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (s->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
		/* A file system without nameless files. */
		if (snprintf(path, sizeof path, "%s/.verad-spool-XXXXXX", s->dir) >= (int)sizeof path) {
			errno = ENAMETOOLONG;
			return fail(s, "make", e);
		}
		s->fd = mkostemp(path, O_CLOEXEC);
		if (s->fd >= 0)
			unlink(path);
	}
	return s->fd < 0 ? fail(s, "make", e) : OK;
}

enum status
spool_write(struct spool *s, const void *bytes, size_t n, struct err *e)
{
	enum status status;

	if (s->fd < 0) {
		if (s->memory.len + n <= SPOOL_MEMORY) {
			buf_put(&s->memory, bytes, n);
			s->len += n;
			return buf_status(&s->memory, e);
		}
		if ((status = make_file(s, e)) || (status = write_all(s, s->memory.data, s->memory.len, e)))
			return status;
		buf_release(&s->memory);
	}
	if ((status = write_all(s, bytes, n, e)))
		return status;
	s->len += n;
	return OK;
}

enum status
spool_read(const struct spool *s, uint64_t at, void *bytes, size_t n, size_t *got, struct err *e)
{
	ssize_t done;

	if (at >= s->len || !n) {
		*got = 0;
		return OK;
	}
	if (n > s->len - at)
		n = (size_t)(s->len - at);
	if (s->fd < 0) {
		memcpy(bytes, s->memory.data + at, n);
		*got = n;
		return OK;
	}
	do
		done = pread(s->fd, bytes, n, (off_t)at);
	while (done < 0 && errno == EINTR);
	if (done <= 0) {
		if (!done)
			errno = EIO;
		return fail(s, "read", e);
	}
	*got = (size_t)done;
	return OK;
}
