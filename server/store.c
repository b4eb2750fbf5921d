/*
 * store: opening, migrating, recovering, checking and closing the file. How the rooms of the store are cut is said in
 * store_private.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/embed.h"
#include "server/store_private.h"

enum { APPLICATION_ID = 0x76657261 }; /* "vera", in the file's header */

static enum status
cannot_use(const char *dir, struct err *e)
{
	return err_set(e, is_disk_full(errno) ? ERR_FULL : ERR_IO, is_disk_full(errno) ? "disk_full" : "data_dir",
		"the data directory %s cannot be used: %s", dir, strerror(errno));
}

/* A new name in a directory is durable only when the directory itself is. */
static enum status
sync_directory(const char *dir, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status status = OK;

	/* EINVAL: a file system that cannot, and need not. A parent that may not be read is none of our business. */
	if (fd >= 0 && fsync(fd) && errno != EINVAL)
		status = cannot_use(dir, e);
	if (fd >= 0)
		close(fd);
	return status;
}

/* Takes DIR/lock. The file stays behind on purpose: removing it would let two daemons lock two different files. */
static enum status
lock_directory(const char *dir, int *fd, struct err *e)
{
	char path[4096], pid[32] = "";
	ssize_t n;

	if ((size_t)snprintf(path, sizeof path, "%s/lock", dir) >= sizeof path) {
		errno = ENAMETOOLONG;
		return cannot_use(dir, e);
	}
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return cannot_use(dir, e);
	if (flock(*fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return cannot_use(dir, e);
		n = pread(*fd, pid, sizeof pid - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		return err_set(e, ERR_CONFLICT, "data_dir_in_use", "the data directory %s is in use by process %s", dir,
			*pid ? pid : "(unknown)");
	}
	/* The number is for the message above alone: that it cannot be written is no reason not to start. */
	n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(*fd, 0) || pwrite(*fd, pid, (size_t)n, 0) != n)
		errno = 0;
	return OK;
}

/* Makes DIR and an empty DIR/verad.db where they are absent: SQLite would create it readable for everybody, and gives
 * the files beside it the mode of this one. */
static enum status
prepare_directory(struct store *s, const char *dir, struct err *e)
{
	char *real = NULL, *parent = NULL;
	enum status status = OK;
	bool made;
	int fd;

	made = !mkdir(dir, 0700);
	if ((!made && errno != EEXIST) || !(real = realpath(dir, NULL)))
		return cannot_use(dir, e);
	status = lock_directory(real, &s->lock_fd, e);
	if (status)
		goto out;
	/* The absolute path: the working directory may change, and SQLite would take "file:…" for a URI. */
	if (asprintf(&s->path, "%s/verad.db", real) < 0) {
		s->path = NULL;
		status = err_nomem(e);
		goto out;
	}
	fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		status = cannot_use(dir, e);
		goto out;
	}
	close(fd);
	status = sync_directory(real, e);
	if (!status && made) {
		parent = strdup(real);
		status = parent ? sync_directory(dirname(parent), e) : err_nomem(e);
	}
out:
	free(parent);
	free(real);
	return status;
}

/* What kind of file this is, before anything in it is touched. *version: its schema's; 0 for an empty file. */
static enum status
identify(struct conn *c, int64_t *version, struct err *e)
{
	int64_t application = 0, n_tables = 0;
	size_t known = embedded_migrations_count();
	enum status status;

	if ((status = conn_number(c, "PRAGMA application_id", &application, e)) ||
		(status = conn_number(c, "PRAGMA user_version", version, e)) ||
		(status = conn_number(c, "SELECT count(*) FROM sqlite_schema", &n_tables, e)))
		return status;
	if (application != APPLICATION_ID && (application || n_tables || *version))
		return err_set(e, ERR_CORRUPT, "not_a_store", "%s is the database of another program", c->path);
	if (*version < 0 || (size_t)*version > known)
		return err_set(e, ERR_UNSUPPORTED, "store_is_newer",
			"the store %s has schema version %lld, but this program knows only up to %zu; use a newer "
			"verad",
			c->path, (long long)*version, known);
	return OK;
}

/*
 * page_size 16384: a chunk's blobs become 4 times fewer pages than by default. auto_vacuum: a file shrinks again after
 * a large data set was deleted; both only take effect while the file is empty. synchronous FULL: the log is synced at
 * every commit, so what was acknowledged is there after a power failure. secure_delete FAST: freed pages are not
 * overwritten with zeros, which would double the cost of deleting. The log is copied back every 16 MiB, by the
 * housekeeper where there is one (see store_housekeeper.c), and cut to 64 MiB when it was larger.
 */
static enum status
configure_writer(struct conn *c, struct err *e)
{
	char *mode = NULL;
	struct query q;
	enum status status;

	status = conn_script(c, "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL;", e);
	if (status)
		return status;
	q = query_new(c, "PRAGMA journal_mode = WAL");
	if (query_row(&q))
		mode = row_text(&q, 0);
	status = query_end(&q, e);
	if (!status && (!mode || strcmp(mode, "wal") != 0))
		status = err_set(e, ERR_IO, "no_wal",
			"the store %s needs a file system with shared memory and locks; network ones have none",
			c->path);
	free(mode);
	if (status)
		return status;
	return conn_script(c,
		"PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST; PRAGMA wal_autocheckpoint = 1024;"
		"PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA trusted_schema = OFF;"
		"PRAGMA temp_store = MEMORY;",
		e);
}

/*
 * Runs the migrations behind `version`, each in a transaction that sets the new version too. Foreign keys are off
 * meanwhile, so that a migration may rebuild a table (drop and rename) without its children noticing; they are
 * checked before each commit instead.
 */
static enum status
migrate(struct conn *c, int64_t version, struct err *e)
{
	enum status status;
	char sql[128];

	for (size_t i = (size_t)version; i < embedded_migrations_count(); i++) {
		struct embedded m = embedded_migration(i);
		struct query q;
		bool violated;

		assert(strtoul(strrchr(m.name, '/') + 1, NULL, 10) == i + 1); /* no number missing or twice */
		snprintf(sql, sizeof sql, "PRAGMA user_version = %zu; PRAGMA application_id = %d;", i + 1,
			(int)APPLICATION_ID);
		if ((status = conn_script(c, "BEGIN IMMEDIATE", e)))
			return status;
		status = conn_script(c, m.text, e);
		if (!status) {
			q = query_new(c, "PRAGMA foreign_key_check");
			violated = query_row(&q);
			status = query_end(&q, e);
			if (!status && violated)
				status = err_set(e, ERR_CORRUPT, "store_damaged",
					"rows of the store %s refer to rows that are not there", c->path);
		}
		if (!status)
			status = conn_script(c, sql, e);
		if (!status)
			status = conn_script(c, "COMMIT", e);
		if (status) {
			if (!sqlite3_get_autocommit(c->db))
				sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
			return err_prefix(e, "%s", m.name);
		}
	}
	return conn_script(c, "PRAGMA foreign_keys = ON", e);
}

/* What a crash left, in one transaction: either all of it is put right or the next open finds it again. */
static enum status
recover(struct store *s, struct err *e)
{
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = dataset_recover(c, e);
	if (!status)
		status = job_recover(c, e);
	return write_end(s, status, e);
}

static void
init_locks(struct store *s)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&s->writer_lock, NULL);
	pthread_mutex_init(&s->pool_lock, NULL);
	pthread_mutex_init(&s->housekeeper_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC); /* nobody may set this clock */
	pthread_cond_init(&s->reader_came_free, &monotonic);
	pthread_cond_init(&s->housekeeper_wanted, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static enum status
check_library(struct err *e)
{
	if (!sqlite3_threadsafe() || sqlite3_libversion_number() < 3037000)
		return err_set(e, ERR_UNSUPPORTED, "sqlite_unfit",
			"SQLite %s%s cannot be used: verad needs 3.37 or later, built with threads",
			sqlite3_libversion(), sqlite3_threadsafe() ? "" : " (built without threads)");
	return OK;
}

static struct store *
store_new(void)
{
	struct store *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->lock_fd = -1;
	s->reserve = STORE_RESERVE_BYTES;
	init_locks(s);
	return s;
}

static enum status
open_readers(struct store *s, struct err *e)
{
	enum status status = OK;

	for (size_t i = 0; i < N_READERS && !status; i++) {
		if ((status = conn_open(&s->reader[i], s->path, e)) ||
			(status = conn_script(&s->reader[i],
				 "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
				 e)))
			break;
		s->free_reader[s->n_free++] = &s->reader[i];
	}
	return status;
}

enum status
store_open(const char *dir, struct store **out, struct err *e)
{
	struct store *s;
	int64_t version = 0;
	enum status status = check_library(e);

	if (status)
		return status;
	s = store_new();
	if (!s)
		return err_nomem(e);
	if ((status = prepare_directory(s, dir, e)) || (status = conn_open(&s->writer, s->path, e)) ||
		(status = identify(&s->writer, &version, e)) || (status = configure_writer(&s->writer, e)) ||
		(status = migrate(&s->writer, version, e)) || (status = recover(s, e)) ||
		(status = open_readers(s, e)) || (status = housekeeper_start(s, e)))
		goto out;
	*out = s;
	s = NULL;
out:
	store_close(s);
	return status;
}

/* What the process that has the directory made of it. */
static enum status
open_in_use(const char *dir, struct store **out, struct err *e)
{
	struct store *s = store_new();
	char *real = realpath(dir, NULL);
	int64_t version = 0;
	enum status status;

	if (!s || !real || asprintf(&s->path, "%s/verad.db", real) < 0) {
		if (s)
			s->path = NULL;
		status = err_nomem(e);
		goto out;
	}
	if ((status = conn_open(&s->writer, s->path, e)) || (status = identify(&s->writer, &version, e)))
		goto out;
	if ((size_t)version != embedded_migrations_count()) {
		status = err_set(e, ERR_UNSUPPORTED, "store_is_older",
			"the store %s is in use by another version of verad: use that one, or stop it first", s->path);
		goto out;
	}
	if ((status = configure_writer(&s->writer, e)) ||
		(status = conn_script(&s->writer, "PRAGMA foreign_keys = ON", e)) || (status = open_readers(s, e)))
		goto out;
	*out = s;
	s = NULL;
out:
	free(real);
	store_close(s);
	return status;
}

enum status
store_open_beside(const char *dir, struct store **out, struct err *e)
{
	struct err why = {0};
	enum status status = store_open(dir, out, &why);

	if (status && strcmp(why.code, "data_dir_in_use") == 0)
		return open_in_use(dir, out, e);
	if (status)
		*e = why;
	return status;
}

void
store_set_reserve(struct store *s, uint64_t bytes)
{
	s->reserve = bytes;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	housekeeper_stop(s);
	for (size_t i = 0; i < N_READERS; i++)
		conn_close(&s->reader[i]);
	conn_close(&s->copier);
	conn_close(&s->writer); /* last, so that it copies the log back and removes it */
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_cond_destroy(&s->housekeeper_wanted);
	pthread_cond_destroy(&s->reader_came_free);
	pthread_mutex_destroy(&s->housekeeper_lock);
	pthread_mutex_destroy(&s->pool_lock);
	pthread_mutex_destroy(&s->writer_lock);
	free(s->path);
	free(s);
}

enum status
store_ping(struct store *s, struct err *e)
{
	int64_t n_tables;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	return read_end(s, c, conn_number(c, "SELECT count(*) FROM sqlite_schema", &n_tables, e));
}

enum status
store_check(struct store *s, struct err *e)
{
	char *finding = NULL;
	bool violated = false;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "PRAGMA integrity_check(1)");
	if (query_row(&q))
		finding = row_text(&q, 0);
	status = query_end(&q, e);
	if (!status && (!finding || strcmp(finding, "ok") != 0))
		status = err_set(e, ERR_CORRUPT, "store_damaged",
			"the store %s is damaged (%.150s); restore it from a backup", s->path,
			finding ? finding : "no answer");
	if (!status) {
		q = query_new(c, "PRAGMA foreign_key_check");
		violated = query_row(&q);
		status = query_end(&q, e);
	}
	if (!status && violated)
		status = err_set(e, ERR_CORRUPT, "store_damaged",
			"rows of the store %s refer to rows that are not there; restore it from a backup", s->path);
	free(finding);
	return read_end(s, c, status);
}
