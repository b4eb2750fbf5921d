/*
 * store_housekeeper: the thread that removes deleted data sets and results, and copies the log back.
 *
 * Deleting a data set, or giving up an upload, is one change of its state; its chunks, gigabytes perhaps, then go a few
 * at a time in transactions of their own, so that the writer is never held for long and a crash at any moment loses
 * nothing: the next open finds the state and goes on. Space freed goes back to the file system in steps as small.
 *
 * The log is copied back on a connection of its own, beside the writer: whoever's commit made it long, an upload's last
 * chunk perhaps, need not wait for 16 MiB of copying and a sync. A writer that is never at rest keeps the log from
 * being begun anew, so beyond LOG_MOST_PAGES it copies the rest back itself.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "server/store_private.h"

enum {
	SWEEP_SEGMENTS = 8,     /* removed in one transaction */
	KEEP_FREE_PAGES = 1024, /* left in the file for the next checkpoint to use */
	RETRY_SECONDS = 30,
	LOG_PAGES = 1024,      /* 16 MiB */
	LOG_MOST_PAGES = 4096, /* 64 MiB, what the log is cut to */
};

/* One small transaction of removal; *more tells whether there is anything left. */
static enum status
sweep_some(struct store *s, bool *more, struct err *e)
{
	/* Children before parents. The first statement has a limit and is repeated until it finds nothing. */
	static const char *const rest[] = {
		"DELETE FROM dataset_chunk WHERE part = ?1",
		"DELETE FROM dataset_column WHERE part = ?1",
		"DELETE FROM dataset_class WHERE part = ?1",
		"DELETE FROM dataset_profile WHERE part = ?1",
		"DELETE FROM dataset_part WHERE seq = ?1",
	};
	int64_t seq = 0;
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT seq FROM dataset_part WHERE state = 'deleting' LIMIT 1");
	if ((*more = query_row(&q)))
		seq = row_int(&q, 0);
	status = query_end(&q, e);
	if (!status && !*more) { /* the parts of a deleted data set were doomed with it, so they are gone */
		q = query_new(c, "DELETE FROM dataset WHERE state = 'deleting'");
		status = query_run(&q, e);
		if (!status)
			status = result_sweep(c, SWEEP_SEGMENTS, more, e);
		return write_end(s, status, e);
	}
	if (status)
		return write_end(s, status, e);

	q = query_new(c, "DELETE FROM dataset_segment WHERE seq IN "
			 "(SELECT seq FROM dataset_segment WHERE part = ?1 LIMIT ?2)");
	query_int(&q, seq);
	query_int(&q, SWEEP_SEGMENTS);
	status = query_run(&q, e);
	if (!status && conn_changes(c) == 0)
		for (size_t i = 0; i < sizeof rest / sizeof rest[0] && !status; i++) {
			q = query_new(c, rest[i]);
			query_int(&q, seq);
			status = query_run(&q, e);
		}
	return write_end(s, status, e);
}

/* Gives up to 256 free pages (4 MiB) back to the file system; *more tells whether there are many left. */
static enum status
shrink_some(struct store *s, bool *more, struct err *e)
{
	int64_t n_free = 0;
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "PRAGMA freelist_count");
	if (query_row(&q))
		n_free = row_int(&q, 0);
	status = query_end(&q, e);
	*more = n_free > KEEP_FREE_PAGES;
	if (!status && *more) {
		q = query_new(c, "PRAGMA incremental_vacuum(256)");
		while (query_row(&q)) /* a step a page */
			;
		status = query_end(&q, e);
	}
	return write_end(s, status, e);
}

static bool
is_closing(struct store *s)
{
	bool closing;

	pthread_mutex_lock(&s->housekeeper_lock);
	closing = s->closing;
	pthread_mutex_unlock(&s->housekeeper_lock);
	return closing;
}

/* Mutexes are not fair: without a pause the next transaction would start before anybody waiting for the writer. */
static void
let_others_in(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Marks the uploads of the list as deleted, frees them, and returns those that could not be marked. */
static struct store_upload *
doom_abandoned(struct store *s, struct store_upload *list, struct err *e)
{
	struct store_upload *left = NULL, *next;
	struct conn *c;
	enum status status;

	for (; list; list = next) {
		next = list->next;
		status = write_begin(s, &c, e);
		if (!status)
			status = write_end(s, upload_doom(c, list->seq, e), e);
		if (status) {
			list->next = left;
			left = list;
		} else {
			upload_destroy(list);
		}
	}
	return left;
}

/* Everything there is to do; false where something failed and is worth another try. */
static bool
keep_house(struct store *s)
{
	struct store_upload *list, *left, **end;
	enum status status = OK;
	struct err e;
	bool more = true, freed = false;

	pthread_mutex_lock(&s->housekeeper_lock);
	list = s->abandoned;
	s->abandoned = NULL;
	pthread_mutex_unlock(&s->housekeeper_lock);
	left = doom_abandoned(s, list, &e);
	if (left) {
		pthread_mutex_lock(&s->housekeeper_lock);
		for (end = &left; *end; end = &(*end)->next)
			;
		*end = s->abandoned;
		s->abandoned = left;
		pthread_mutex_unlock(&s->housekeeper_lock);
	}
	while (!status && more && !is_closing(s)) {
		status = sweep_some(s, &more, &e);
		let_others_in();
	}
	for (more = true; !status && more && !is_closing(s); freed |= more) {
		status = shrink_some(s, &more, &e);
		let_others_in();
	}
	if (!status && freed && !is_closing(s)) { /* the file itself gets shorter when the log is copied back */
		pthread_mutex_lock(&s->writer_lock);
		sqlite3_wal_checkpoint_v2(s->writer.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		pthread_mutex_unlock(&s->writer_lock);
	}
	return !status && !left;
}

/* After every commit of the writer, by its thread; n_pages are in the log. */
static int
on_commit(void *store, sqlite3 *db, const char *name, int n_pages)
{
	struct store *s = store;

	if (n_pages >= LOG_MOST_PAGES) {
		sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL); /* or after the next one */
	} else if (n_pages >= LOG_PAGES) {
		pthread_mutex_lock(&s->housekeeper_lock);
		s->copy_back_log = true;
		pthread_cond_signal(&s->housekeeper_wanted);
		pthread_mutex_unlock(&s->housekeeper_lock);
	}
	return SQLITE_OK;
}

static void *
housekeeper_main(void *arg)
{
	struct store *s = arg;
	struct timespec until;
	bool retry = false;

	pthread_mutex_lock(&s->housekeeper_lock);
	while (!s->closing) {
		if (s->copy_back_log) {
			s->copy_back_log = false;
			pthread_mutex_unlock(&s->housekeeper_lock);
			sqlite3_wal_checkpoint_v2(s->copier.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
			pthread_mutex_lock(&s->housekeeper_lock);
			continue;
		}
		if (!s->work_to_do) {
			if (!retry) {
				pthread_cond_wait(&s->housekeeper_wanted, &s->housekeeper_lock);
				continue;
			}
			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_sec += RETRY_SECONDS;
			if (pthread_cond_timedwait(&s->housekeeper_wanted, &s->housekeeper_lock, &until) != ETIMEDOUT)
				continue;
		}
		s->work_to_do = false;
		pthread_mutex_unlock(&s->housekeeper_lock);
		retry = !keep_house(s);
		pthread_mutex_lock(&s->housekeeper_lock);
	}
	pthread_mutex_unlock(&s->housekeeper_lock);
	return NULL;
}

enum status
housekeeper_start(struct store *s, struct err *e)
{
	sigset_t all, before;
	enum status status;
	int failure;

	if ((status = conn_open(&s->copier, s->path, e)) ||
		(status = conn_script(&s->copier, "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;", e)))
		return status;
	sqlite3_wal_hook(s->writer.db, on_commit, s); /* in place of wal_autocheckpoint */
	s->work_to_do = true;                         /* what the last process left */
	sigfillset(&all);                             /* signals are for the program's own threads */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&s->housekeeper, NULL, housekeeper_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure)
		return err_set(e, ERR_IO, "no_thread", "the store's thread cannot be started: %s", strerror(failure));
	s->housekeeper_started = true;
	return OK;
}

void
housekeeper_stop(struct store *s)
{
	struct store_upload *next;

	pthread_mutex_lock(&s->housekeeper_lock);
	s->closing = true;
	pthread_cond_signal(&s->housekeeper_wanted);
	pthread_mutex_unlock(&s->housekeeper_lock);
	if (s->housekeeper_started)
		pthread_join(s->housekeeper, NULL);
	for (; s->abandoned; s->abandoned = next) {
		next = s->abandoned->next;
		upload_destroy(s->abandoned);
	}
}

void
housekeeper_wake(struct store *s)
{
	pthread_mutex_lock(&s->housekeeper_lock);
	s->work_to_do = true;
	pthread_cond_signal(&s->housekeeper_wanted);
	pthread_mutex_unlock(&s->housekeeper_lock);
}
