/*
 * spool: see spool.h. A thread writes the file behind the caller, who has rows to read meanwhile: piece by piece, of
 * SPOOL_MEMORY bytes, the full one and the one being filled changing places. The thread outlives the spool by as long
 * as it takes to give the file's space back.
 */
#include "server/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spool_writer {
	pthread_mutex_t
		mutex; /* protects what follows; but the thread alone touches the bytes and the file while busy */
	pthread_cond_t change;
	bool busy, over;
	int fd;
	struct buf bytes; /* being written, or empty */
	struct err err;   /* the first; status OK: none */
	char *dir;        /* owned, for messages */
};

void
spool_init(struct spool *s, const char *dir)
{
	if (!dir)
		dir = getenv("TMPDIR");
	*s = (struct spool){.dir = dir && *dir ? dir : "/tmp"};
}

static void
writer_free(struct spool_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	buf_release(&w->bytes);
	pthread_cond_destroy(&w->change);
	pthread_mutex_destroy(&w->mutex);
	free(w->dir);
	free(w);
}

void
spool_release(struct spool *s)
{
	struct spool_writer *w = s->writer;

	buf_release(&s->memory);
	s->writer = NULL;
	s->len = 0;
	if (!w || !s->threaded) {
		writer_free(w);
		return;
	}
	pthread_mutex_lock(&w->mutex);
	w->over = true; /* the thread frees it */
	pthread_cond_broadcast(&w->change);
	pthread_mutex_unlock(&w->mutex);
}

static enum status
fail(const char *dir, const char *what, struct err *e)
{
	int why = errno;

	if (why == ENOSPC || why == EDQUOT || why == EFBIG)
		return err_set(e, ERR_FULL, "disk_full", "no space left in %s for the rows on their way in", dir);
	return err_set(e, ERR_IO, "spool_failed", "cannot %s a temporary file in %s: %s", what, dir, strerror(why));
}

static enum status
write_all(const struct spool_writer *w, struct err *e)
{
	const unsigned char *p = w->bytes.data;
	size_t n = w->bytes.len;

	while (n) {
		ssize_t done = write(w->fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return fail(w->dir, "write", e);
		p += done;
		n -= (size_t)done;
	}
	return OK;
}

static void *
work(void *ctx)
{
	struct spool_writer *w = ctx;

	pthread_mutex_lock(&w->mutex);
	for (;;) {
		struct err e = {0};

		while (!w->busy && !w->over)
			pthread_cond_wait(&w->change, &w->mutex);
		if (w->over)
			break;
		pthread_mutex_unlock(&w->mutex);
		write_all(w, &e);
		pthread_mutex_lock(&w->mutex);
		w->err = e;
		w->busy = false;
		pthread_cond_broadcast(&w->change);
	}
	pthread_mutex_unlock(&w->mutex);
	writer_free(w);
	return NULL;
}

/* A file without a name. */
static int
make_file(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	char path[4096];

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL))
		return fd;
	if (snprintf(path, sizeof path, "%s/.verad-spool-XXXXXX", dir) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC); /* of a file system without nameless files */
	if (fd >= 0)
		unlink(path);
	return fd;
}

static enum status
make_writer(struct spool *s, struct err *e)
{
	struct spool_writer *w = calloc(1, sizeof *w);
	pthread_t thread;
	enum status status;

	if (!w)
		return err_nomem(e);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->change, NULL);
	w->fd = -1;
	if (!(w->dir = strdup(s->dir))) {
		status = err_nomem(e);
		goto out;
	}
	if ((w->fd = make_file(s->dir)) < 0) {
		status = fail(s->dir, "make", e);
		goto out;
	}
	s->threaded = pthread_create(&thread, NULL, work, w) == 0; /* no thread to be had: then the caller writes */
	if (s->threaded)
		pthread_detach(thread);
	s->writer = w;
	return OK;
out:
	writer_free(w);
	return status;
}

/* Until everything that was handed over is in the file; the first error since the file was made. */
static enum status
settle(struct spool_writer *w, struct err *e)
{
	enum status status;

	pthread_mutex_lock(&w->mutex);
	while (w->busy)
		pthread_cond_wait(&w->change, &w->mutex);
	if ((status = w->err.status))
		*e = w->err;
	pthread_mutex_unlock(&w->mutex);
	return status;
}

/* Hands the bytes in memory over; there is room for as many again then. */
static enum status
hand_over(struct spool *s, struct err *e)
{
	struct spool_writer *w = s->writer;
	struct buf full = s->memory;
	enum status status;

	if ((!w && (status = make_writer(s, e))) || (status = settle(w = s->writer, e)))
		return status;
	s->memory = w->bytes;
	w->bytes = full;
	buf_clear(&s->memory);
	if (!s->threaded) {
		if ((status = write_all(w, &w->err)))
			*e = w->err;
		return status;
	}
	pthread_mutex_lock(&w->mutex);
	w->busy = true;
	pthread_cond_broadcast(&w->change);
	pthread_mutex_unlock(&w->mutex);
	return OK;
}

enum status
spool_write(struct spool *s, const void *bytes, size_t n, struct err *e)
{
	enum status status;

	if (s->memory.len && s->memory.len + n > SPOOL_MEMORY && (status = hand_over(s, e)))
		return status;
	buf_put(&s->memory, bytes, n);
	s->len += n;
	return buf_status(&s->memory, e);
}

enum status
spool_read(struct spool *s, uint64_t at, void *bytes, size_t n, size_t *got, struct err *e)
{
	const uint64_t n_filed = s->len - s->memory.len;
	enum status status;
	ssize_t done;

	if (at >= s->len || !n) {
		*got = 0;
		return OK;
	}
	if (at >= n_filed) {
		*got = n < s->len - at ? n : (size_t)(s->len - at);
		memcpy(bytes, s->memory.data + (at - n_filed), *got);
		return OK;
	}
	if ((status = settle(s->writer, e)))
		return status;
	if (n > n_filed - at)
		n = (size_t)(n_filed - at);
	do
		done = pread(s->writer->fd, bytes, n, (off_t)at);
	while (done < 0 && errno == EINTR);
	if (done <= 0) {
		if (!done)
			errno = EIO;
		return fail(s->dir, "read", e);
	}
	*got = (size_t)done;
	return OK;
}
