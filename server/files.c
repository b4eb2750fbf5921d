/* files: see files.h. */
#include "server/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_standard(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

const char *
file_input_name(const char *path)
{
	return is_standard(path) ? "standard input" : path;
}

static enum status
fail(const char *what, struct err *e)
{
	int why = errno;

	if (why == EPIPE)
		return err_set(e, ERR_IO, "broken_pipe", "%s: %s", what, strerror(why));
	if (why == ENOSPC || why == EDQUOT || why == EFBIG)
		return err_set(e, ERR_FULL, "disk_full", "%s: %s", what, strerror(why));
	return err_set(e, ERR_IO, "io_error", "%s: %s", what, strerror(why));
}

enum status
file_open_input(const char *path, int *fd, struct err *e)
{
	struct stat st;

	if (is_standard(path)) {
		*fd = STDIN_FILENO;
		return OK;
	}
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		return fail("cannot open", e);
	if (!fstat(*fd, &st) && S_ISDIR(st.st_mode)) {
		close(*fd);
		*fd = -1;
		errno = EISDIR;
		return fail("cannot read", e);
	}
	return OK;
}

enum status
file_read(int fd, void *bytes, size_t n, size_t *got, struct err *e)
{
	ssize_t done;

	do
		done = read(fd, bytes, n);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return fail("cannot read", e);
	*got = (size_t)done;
	return OK;
}

enum status
file_read_all(const char *path, struct buf *out, struct err *e)
{
	enum { PIECE = 1 << 16 };
	size_t got = 0;
	int fd;
	enum status s;

	if ((s = file_open_input(path, &fd, e)))
		return s;
	do {
		if (!buf_reserve(out, PIECE)) {
			s = err_nomem(e);
			break;
		}
		if (!(s = file_read(fd, out->data + out->len, PIECE, &got, e)))
			out->len += got;
	} while (!s && got);
	if (fd != STDIN_FILENO)
		close(fd);
	return s;
}

enum status
file_write(int fd, const void *bytes, size_t n, struct err *e)
{
	const unsigned char *p = bytes;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return fail("cannot write", e);
		p += done;
		n -= (size_t)done;
	}
	return OK;
}

/* The directory part of a path into out. */
static enum status
directory_of(const char *path, char out[PATH_MAX], struct err *e)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof copy) {
		errno = ENAMETOOLONG;
		return fail("cannot write", e);
	}
	strcpy(copy, path);
	snprintf(out, PATH_MAX, "%s", dirname(copy));
	return OK;
}

enum status
file_check_output(const char *path, struct err *e)
{
	char dir[PATH_MAX];
	struct stat st;
	enum status s;

	if (is_standard(path))
		return OK;
	if (!stat(path, &st)) {
		if (S_ISDIR(st.st_mode)) {
			errno = EISDIR;
			return fail("cannot write", e);
		}
		if (!S_ISREG(st.st_mode))
			return OK;
	}
	if ((s = directory_of(path, dir, e)))
		return s;
	return access(dir, W_OK | X_OK) ? fail("cannot write", e) : OK;
}

static enum status
write_in_place(const char *path, const void *bytes, size_t n, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	enum status s;

	if (fd < 0)
		return fail("cannot write", e);
	s = file_write(fd, bytes, n, e);
	if (close(fd) && !s)
		s = fail("cannot write", e);
	return s;
}

/* The mode that a plain open would have given a new file. */
static mode_t
usual_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

enum status
file_replace(const char *path, const void *bytes, size_t n, struct err *e)
{
	char real[PATH_MAX], temporary[PATH_MAX], dir[PATH_MAX];
	struct stat st;
	bool old = !stat(path, &st);
	int fd = -1, dir_fd = -1;
	enum status s;

	if (is_standard(path))
		return file_write(STDOUT_FILENO, bytes, n, e);
	if (old && !S_ISREG(st.st_mode))
		return write_in_place(path, bytes, n, e);
	if (old && realpath(path, real)) /* a link stays one */
		path = real;
	if ((s = directory_of(path, dir, e)))
		return s;
	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary) {
		errno = ENAMETOOLONG;
		return fail("cannot write", e);
	}
	if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0)
		return fail("cannot write", e);
	if ((s = file_write(fd, bytes, n, e)))
		goto out;
	if (fchmod(fd, old ? st.st_mode & 07777 : usual_mode()) || fsync(fd) || rename(temporary, path)) {
		s = fail("cannot write", e);
		goto out;
	}
	temporary[0] = '\0';
	/* The new name is there; whether it also outlives a power cut is the directory's matter. */
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd >= 0) {
		fsync(dir_fd);
		close(dir_fd);
	}
out:
	close(fd);
	if (temporary[0])
		unlink(temporary);
	return s;
}
