/*
 * store_backup: a copy of the store made while it is in use, and how much there is of everything.
 *
 * The copy is of one moment: its connection holds a read transaction, so that writers go on meanwhile, and the log
 * grows until it is through. It is made under another name, read through for damage, synced, and only then given its
 * name: a file that has the name is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/store_private.h"

enum { STEP_PAGES = 256, OPERATIONS_BETWEEN_LOOKS = 100000 };

static enum status
cannot(const char *doing, const char *path, struct err *e)
{
	return err_set(e, is_disk_full(errno) ? ERR_FULL : ERR_IO, is_disk_full(errno) ? "disk_full" : "backup_failed",
		"cannot %s the backup %.150s: %s", doing, path, strerror(errno));
}

static enum status
stopped(struct err *e)
{
	return err_set(e, ERR_BUSY, "stopping", "the daemon is stopping: the backup was given up");
}

/* Nobody else's file, and readable for nobody else. */
static enum status
make_empty(const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return cannot("make", path, e);
	close(fd);
	return OK;
}

static enum status
copy_pages(struct conn *from, struct conn *to, const atomic_bool *stop, struct err *e)
{
	sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db, "main");
	enum status status = OK;
	int rc = SQLITE_OK;

	if (!b)
		return conn_fail(to, sqlite3_extended_errcode(to->db), e);
	while (rc == SQLITE_OK && !status) {
		rc = sqlite3_backup_step(b, STEP_PAGES);
		if (stop && atomic_load(stop))
			status = stopped(e);
	}
	sqlite3_backup_finish(b);
	if (!status && rc != SQLITE_DONE)
		status = conn_fail(to, rc, e);
	return status;
}

static int
is_stopped(void *stop)
{
	return atomic_load((const atomic_bool *)stop);
}

static enum status
check_copy(struct conn *copy, const atomic_bool *stop, struct err *e)
{
	char *finding = NULL;
	struct query q;
	enum status status;

	if (stop)
		sqlite3_progress_handler(copy->db, OPERATIONS_BETWEEN_LOOKS, is_stopped, (void *)(uintptr_t)stop);
	q = query_new(copy, "PRAGMA integrity_check(1)");
	if (query_row(&q))
		finding = row_text(&q, 0);
	status = query_end(&q, e);
	sqlite3_progress_handler(copy->db, 0, NULL, NULL);
	if (status && stop && atomic_load(stop))
		status = stopped(e);
	if (!status && (!finding || strcmp(finding, "ok") != 0))
		status = err_set(e, ERR_CORRUPT, "store_damaged",
			"the backup, and so the store, is damaged (%.150s); restore it from an older one",
			finding ? finding : "no answer");
	free(finding);
	return status;
}

static enum status
make_copy(struct store *s, const char *path, const atomic_bool *stop, struct err *e)
{
	struct conn *from = calloc(1, sizeof *from), *to = calloc(1, sizeof *to);
	int64_t n_tables;
	enum status status;

	if (!from || !to) {
		status = err_nomem(e);
		goto out;
	}
	if ((status = conn_open(from, s->path, e)) || (status = conn_open(to, path, e)) ||
		(status = conn_script(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;", e)) ||
		/* begins at the first read, and holds that moment until the connection is closed */
		(status = conn_script(from, "BEGIN", e)) ||
		(status = conn_number(from, "SELECT count(*) FROM sqlite_schema", &n_tables, e)) ||
		(status = copy_pages(from, to, stop, e)))
		goto out;
	status = check_copy(to, stop, e);
out:
	if (from)
		conn_close(from);
	if (to)
		conn_close(to);
	free(from);
	free(to);
	return status;
}

/* Bytes first, then the name, then the directory: each durable before the next. */
static enum status
publish(const char *made, const char *path, uint64_t *n_bytes, struct err *e)
{
	char *copy = strdup(path);
	enum status status = OK;
	struct stat st;
	int fd = open(made, O_RDONLY | O_CLOEXEC), dir = -1;

	if (!copy) {
		status = err_nomem(e);
		goto out;
	}
	if (fd < 0 || fsync(fd) || fstat(fd, &st)) {
		status = cannot("write", made, e);
		goto out;
	}
	if (link(made, path)) { /* which never replaces what is there */
		status = errno == EEXIST ? err_set(e, ERR_CONFLICT, "backup_exists", "%.200s is there already", path)
					 : cannot("name", path, e);
		goto out;
	}
	dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && fsync(dir) && errno != EINVAL)
		status = cannot("write", path, e);
	*n_bytes = (uint64_t)st.st_size;
out:
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	free(copy);
	return status;
}

enum status
store_backup(struct store *s, const char *path, const atomic_bool *stop, uint64_t *n_bytes, struct err *e)
{
	char made[4096];
	enum status status;

	if ((size_t)snprintf(made, sizeof made, "%s.partial", path) >= sizeof made)
		return err_set(e, ERR_INVALID, "bad_backup_name", "the backup's name is too long");
	if (!access(path, F_OK))
		return err_set(e, ERR_CONFLICT, "backup_exists", "%.200s is there already", path);
	if ((status = make_empty(made, e)))
		return status;
	status = make_copy(s, made, stop, e);
	if (!status)
		status = publish(made, path, n_bytes, e);
	unlink(made);
	return status;
}

/* Statistics -------------------------------------------------------------------------------------------------------*/

static uint64_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

static enum status
count_jobs(struct conn *c, struct store_statistics *out, struct err *e)
{
	struct query q = query_new(c,
		"SELECT type, state, count(*), min(finished > 0), min(created), "
		"total(CASE WHEN started > 0 AND finished > started THEN finished - started END), "
		"total(CASE WHEN started > created AND finished > 0 THEN started - created END) "
		"FROM job GROUP BY type, state ORDER BY type, state");

	while (query_row(&q) && out->n_jobs < STORE_MAX_JOB_KINDS) {
		struct job_statistics *j = &out->job[out->n_jobs++];

		row_short(&q, 0, j->type, sizeof j->type);
		row_short(&q, 1, j->state, sizeof j->state);
		j->n = row_size(&q, 2);
		j->ended = row_int(&q, 3) > 0;
		j->run_seconds = row_real(&q, 5);
		j->wait_seconds = row_real(&q, 6);
		if (!strcmp(j->state, "queued") && (out->oldest_queued <= 0 || row_real(&q, 4) < out->oldest_queued))
			out->oldest_queued = row_real(&q, 4);
	}
	return query_end(&q, e);
}

enum status
store_statistics(struct store *s, struct store_statistics *out, struct err *e)
{
	int64_t n_datasets = 0, n_models = 0;
	struct statvfs disk;
	struct conn *c;
	char log[4200];
	enum status status;

	memset(out, 0, sizeof *out);
	snprintf(log, sizeof log, "%s-wal", s->path);
	out->file_bytes = size_of(s->path);
	out->log_bytes = size_of(log);
	if (!statvfs(s->path, &disk)) {
		out->disk_free = (uint64_t)disk.f_bavail * disk.f_frsize;
		out->disk_size = (uint64_t)disk.f_blocks * disk.f_frsize;
	}
	if ((status = read_begin(s, &c, e)))
		return status;
	if ((status = conn_number(c, "SELECT count(*) FROM dataset WHERE state = 'ready'", &n_datasets, e)) ||
		(status = conn_number(c, "SELECT count(*) FROM model", &n_models, e)) ||
		(status = count_jobs(c, out, e)))
		goto out;
	out->n_datasets = (size_t)n_datasets;
	out->n_models = (size_t)n_models;
out:
	return read_end(s, c, status);
}
