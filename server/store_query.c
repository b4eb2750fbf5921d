/*
 * store_query: connections, queries and transactions for the rooms of the store (see store_private.h). SQLite's result
 * codes become ours in one place, conn_fail.
 *
 * Connections are opened without SQLite's own mutex: a connection belongs to one thread at a time here.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "server/store_private.h"

enum {
	BUSY_MILLISECONDS = 5000, /* another program (a backup, a shell) may hold the file for a moment */
	READER_SECONDS = 5,
};

/* Errors ---------------------------------------------------------------------------------------------------------*/

bool
is_disk_full(int system_errno)
{
	return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

/* errno of the last failure of c's files, 0 where there was none. SQLite keeps it for the connection only when a
 * statement fails before its commit; the files know of the others. */
static int
last_errno(struct conn *c)
{
	sqlite3_file *log = NULL;
	int number = sqlite3_system_errno(c->db);

	if (!number && !sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log) && log && log->pMethods)
		log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &number);
	if (!number)
		sqlite3_file_control(c->db, NULL, SQLITE_FCNTL_LAST_ERRNO, &number);
	return number;
}

/* The last failure of c, rc being its (extended) code. */
enum status
conn_fail(struct conn *c, int rc, struct err *e)
{
	const char *why = c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc);
	int system_errno = 0;

	if (rc == SQLITE_IOERR_NOMEM)
		return err_nomem(e);
	if (rc == SQLITE_IOERR_CORRUPTFS)
		rc = SQLITE_CORRUPT;
	if (c->db && ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN)) {
		system_errno = last_errno(c);
		if (is_disk_full(system_errno))
			rc = SQLITE_FULL;
	}

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return err_set(
			e, ERR_FULL, "disk_full", "no space is left for the store %s; nothing was changed", c->path);
	case SQLITE_NOTADB:
		return err_set(e, ERR_CORRUPT, "store_damaged", "%s is not a store: %s", c->path, why);
	case SQLITE_CORRUPT:
		return err_set(e, ERR_CORRUPT, "store_damaged",
			"the store %s is damaged (%s); restore it from a backup", c->path, why);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(e, ERR_BUSY, "store_busy", "another program holds the store %s; try again", c->path);
	case SQLITE_NOMEM:
		return err_nomem(e);
	case SQLITE_TOOBIG:
		return err_set(e, ERR_TOO_LARGE, "too_large", "a value is larger than the store can hold in one piece");
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return err_set(e, ERR_IO, "store_not_writable", "the store %s cannot be written: %s", c->path, why);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return err_set(e, ERR_IO, "store_io", "the store %s cannot be read or written: %s%s%s", c->path, why,
			system_errno ? ": " : "", system_errno ? strerror(system_errno) : "");
	default: /* a constraint, misuse: our bug, but no reason to take the process down */
		return err_set(e, ERR_INTERNAL, "store_internal", "the store %s: %s", c->path, why);
	}
}

/* Queries --------------------------------------------------------------------------------------------------------*/

struct query
query_new(struct conn *c, const char *sql)
{
	struct query q = {.c = c};

	for (size_t i = 0; i < c->n_statements; i++)
		if (c->statement[i].sql == sql)
			q.stmt = c->statement[i].stmt;
	if (!q.stmt) {
		assert(c->n_statements < MAX_STATEMENTS);
		q.rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q.stmt, NULL);
		if (q.rc == SQLITE_OK) {
			c->statement[c->n_statements].sql = sql;
			c->statement[c->n_statements++].stmt = q.stmt;
		}
	}
	assert(!q.stmt || !sqlite3_stmt_busy(q.stmt));
	return q;
}

/* The number of the next parameter; 0 when the query has failed already. */
static int
next_parameter(struct query *q)
{
	return q->rc == SQLITE_OK ? ++q->n_bound : 0;
}

void
query_text(struct query *q, const char *s)
{
	int i = next_parameter(q);

	if (i)
		q->rc = s ? sqlite3_bind_text64(q->stmt, i, s, strlen(s), SQLITE_STATIC, SQLITE_UTF8)
			  : sqlite3_bind_null(q->stmt, i);
}

void
query_int(struct query *q, int64_t v)
{
	int i = next_parameter(q);

	if (i)
		q->rc = sqlite3_bind_int64(q->stmt, i, v);
}

void
query_size(struct query *q, size_t v)
{
	if (v > INT64_MAX && q->rc == SQLITE_OK)
		q->rc = SQLITE_TOOBIG;
	query_int(q, (int64_t)v);
}

void
query_limit(struct query *q, uint64_t v)
{
	query_int(q, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void
query_real(struct query *q, double v)
{
	int i = next_parameter(q);

	if (i)
		q->rc = sqlite3_bind_double(q->stmt, i, v); /* SQLite makes NULL of NaN */
}

void
query_null(struct query *q)
{
	int i = next_parameter(q);

	if (i)
		q->rc = sqlite3_bind_null(q->stmt, i);
}

void
query_blob(struct query *q, const void *bytes, size_t n)
{
	int i = next_parameter(q);

	if (i) /* a null pointer would bind NULL, not an empty blob */
		q->rc = sqlite3_bind_blob64(q->stmt, i, n ? bytes : "", n, SQLITE_STATIC);
}

void
query_nomem(struct query *q)
{
	if (q->rc == SQLITE_OK)
		q->rc = SQLITE_NOMEM;
}

bool
query_row(struct query *q)
{
	int rc;

	if (q->rc != SQLITE_OK || q->done)
		return false;
	rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return true;
	q->done = true; /* one more step would run the statement again */
	if (rc != SQLITE_DONE)
		q->rc = rc;
	return false;
}

enum status
query_end(struct query *q, struct err *e)
{
	enum status status = q->rc == SQLITE_OK ? OK : conn_fail(q->c, q->rc, e);

	if (q->stmt) {
		sqlite3_reset(q->stmt); /* repeats the failure of the step, which is known */
		sqlite3_clear_bindings(q->stmt);
	}
	return status;
}

enum status
query_run(struct query *q, struct err *e)
{
	query_row(q);
	return query_end(q, e);
}

bool
row_is_null(struct query *q, int i)
{
	return sqlite3_column_type(q->stmt, i) == SQLITE_NULL;
}

int64_t
row_int(struct query *q, int i)
{
	return sqlite3_column_int64(q->stmt, i);
}

size_t
row_size(struct query *q, int i)
{
	int64_t v = row_int(q, i);

	if (v < 0 && q->rc == SQLITE_OK) /* we never store one */
		q->rc = SQLITE_CORRUPT;
	return v < 0 ? 0 : (size_t)v;
}

double
row_real(struct query *q, int i)
{
	return row_is_null(q, i) ? (double)NAN : sqlite3_column_double(q->stmt, i);
}

char *
row_text(struct query *q, int i)
{
	const unsigned char *text;
	char *copy;

	if (row_is_null(q, i))
		return NULL;
	text = sqlite3_column_text(q->stmt, i);
	copy = text ? strdup((const char *)text) : NULL;
	if (!copy)
		query_nomem(q);
	return copy;
}

void
row_short(struct query *q, int i, char *text, size_t size)
{
	const unsigned char *stored = sqlite3_column_text(q->stmt, i);

	if (!stored)
		query_nomem(q);
	snprintf(text, size, "%s", stored ? (const char *)stored : "");
}

const void *
row_bytes(struct query *q, int i, size_t *n)
{
	const void *bytes = sqlite3_column_blob(q->stmt, i);
	int rc = sqlite3_errcode(q->c->db);

	*n = (size_t)sqlite3_column_bytes(q->stmt, i);
	if (!bytes && rc != SQLITE_ROW && rc != SQLITE_OK && q->rc == SQLITE_OK)
		q->rc = rc;
	return bytes ? bytes : "";
}

void
row_append(struct query *q, int i, struct buf *out)
{
	size_t n;
	const void *bytes = row_bytes(q, i, &n);

	buf_put(out, bytes, n);
	if (out->failed)
		query_nomem(q);
}

int64_t
conn_changes(struct conn *c)
{
	return sqlite3_changes64(c->db);
}

/* A fixed text of several statements. */
enum status
conn_script(struct conn *c, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? OK : conn_fail(c, rc, e);
}

static enum status
conn_run(struct conn *c, const char *sql, struct err *e)
{
	struct query q = query_new(c, sql);

	return query_run(&q, e);
}

enum status
conn_number(struct conn *c, const char *sql, int64_t *out, struct err *e)
{
	struct query q = query_new(c, sql);

	if (query_row(&q))
		*out = row_int(&q, 0);
	return query_end(&q, e);
}

enum status
conn_open(struct conn *c, const char *path, struct err *e)
{
	int rc;

	c->path = path;
	rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return conn_fail(c, rc, e);
	sqlite3_extended_result_codes(c->db, 1);
	sqlite3_busy_timeout(c->db, BUSY_MILLISECONDS);
	return OK;
}

void
conn_close(struct conn *c)
{
	int rc;

	for (size_t i = 0; i < c->n_statements; i++)
		sqlite3_finalize(c->statement[i].stmt);
	c->n_statements = 0;
	rc = sqlite3_close(c->db);
	assert(rc == SQLITE_OK);
	(void)rc;
	c->db = NULL;
}

/* Transactions ---------------------------------------------------------------------------------------------------*/

enum status
write_begin(struct store *s, struct conn **c, struct err *e)
{
	enum status status;

	pthread_mutex_lock(&s->writer_lock);
	status = conn_run(&s->writer, "BEGIN IMMEDIATE", e);
	if (status)
		pthread_mutex_unlock(&s->writer_lock);
	else
		*c = &s->writer;
	return status;
}

enum status
write_end(struct store *s, enum status status, struct err *e)
{
	if (!status)
		status = conn_run(&s->writer, "COMMIT", e);
	/* Some failures roll back by themselves. A rollback that fails has nothing to tell that the first failure did
	 * not: the transaction is not committed either way. */
	if (status && !sqlite3_get_autocommit(s->writer.db))
		sqlite3_exec(s->writer.db, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_unlock(&s->writer_lock);
	return status;
}

enum status
read_begin(struct store *s, struct conn **out, struct err *e)
{
	struct timespec until;
	struct conn *c = NULL;
	enum status status;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += READER_SECONDS;
	pthread_mutex_lock(&s->pool_lock);
	while (!s->n_free && !pthread_cond_timedwait(&s->reader_came_free, &s->pool_lock, &until))
		;
	if (s->n_free)
		c = s->free_reader[--s->n_free];
	pthread_mutex_unlock(&s->pool_lock);
	if (!c)
		return err_set(e, ERR_BUSY, "store_busy", "too many reads of the store at once; try again");
	status = conn_run(c, "BEGIN", e);
	if (status)
		return read_end(s, c, status);
	*out = c;
	return OK;
}

enum status
read_end(struct store *s, struct conn *c, enum status status)
{
	if (!sqlite3_get_autocommit(c->db))
		sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL); /* there is nothing to commit */
	pthread_mutex_lock(&s->pool_lock);
	s->free_reader[s->n_free++] = c;
	pthread_cond_signal(&s->reader_came_free);
	pthread_mutex_unlock(&s->pool_lock);
	return status;
}

/* Small shared things --------------------------------------------------------------------------------------------*/

double
store_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

enum status
store_new_id(const char *prefix, char id[STORE_ID_SIZE], struct err *e)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[20];
	char text[sizeof bytes + 1];

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return err_set(e, ERR_IO, "no_random_bytes", "the system gives no random bytes: %s", strerror(errno));
	for (size_t i = 0; i < sizeof bytes; i++)
		text[i] = alphabet[bytes[i] % 32];
	text[sizeof bytes] = '\0';
	snprintf(id, STORE_ID_SIZE, "%s%s", prefix, text);
	return OK;
}

void *
list_room(void *items, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 16, n_bytes;
	void *grown;

	if (n < *cap)
		return items;
	grown = __builtin_mul_overflow(more, size, &n_bytes) ? NULL : realloc(items, n_bytes);
	if (grown)
		*cap = more;
	return grown;
}

enum status
list_rows(struct query *q, const struct list_kind *k, void **out, size_t *n, struct err *e)
{
	unsigned char *list = NULL;
	size_t n_list = 0, cap = 0;
	enum status status;

	while (query_row(q)) {
		unsigned char *grown = list_room(list, n_list, &cap, k->size);

		if (!grown) {
			query_nomem(q);
			break;
		}
		list = grown;
		k->read(q, memset(list + n_list++ * k->size, 0, k->size));
	}
	status = query_end(q, e);
	if (!status) {
		*out = list;
		*n = n_list;
		return OK;
	}
	while (n_list)
		k->release(list + --n_list * k->size);
	free(list);
	return status;
}

struct list_position {
	double created;
	int64_t seq;
};

static enum status
find_position(struct conn *c, const char *sql, const char *after, struct list_position *at, struct err *e)
{
	struct query q;
	enum status status;
	bool found;

	*at = (struct list_position){(double)INFINITY, INT64_MAX};
	if (!after)
		return OK;
	q = query_new(c, sql);
	query_text(&q, after);
	if ((found = query_row(&q)))
		*at = (struct list_position){row_real(&q, 0), row_int(&q, 1)};
	status = query_end(&q, e);
	if (!status && !found)
		status = err_set(e, ERR_INVALID, "unknown_cursor",
			"no entry \"%.40s\" to go on after; start again from the first page", after);
	return status;
}

enum status
list_page(struct store *s, const struct list_kind *k, const char *position, const char *page, const char *after,
	size_t limit, void **out, size_t *n, struct err *e)
{
	struct list_position at;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	status = find_position(c, position, after, &at, e);
	if (!status) {
		q = query_new(c, page);
		query_real(&q, at.created);
		query_int(&q, at.seq);
		query_limit(&q, limit);
		status = list_rows(&q, k, out, n, e);
	}
	return read_end(s, c, status);
}
