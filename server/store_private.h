/*
 * store_private: what the rooms of the store share, and no one else includes: the connections, the lock around the
 * writer, and queries with one sticky result code. With it the store's rooms are the one door to <sqlite3.h>:
 *
 *   store.c              open, migrate, recover, check, close
 *   store_query.c        connections, queries, transactions, SQLite's errors as ours
 *   store_dataset.c      data sets and their chunks, read
 *   store_upload.c       data sets on their way in
 *   store_housekeeper.c  the thread that removes what was deleted
 *   store_job.c          jobs
 *   store_job_state.c    how their states change, and their checkpoints
 *   store_event.c        their events and metrics
 *   store_result.c       their results
 *   store_replay.c       what was answered to requests with an Idempotency-Key
 *   store_model.c        models
 *   store_name.c         what models are called: names, versions, aliases
 *   store_key.c          keys of callers
 *   store_backup.c       a copy while it is in use; how much room it takes
 *
 * No two of the locks below are ever held together.
 */
#ifndef VERAD_SERVER_STORE_PRIVATE_H
#define VERAD_SERVER_STORE_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>

#include "server/store.h"

enum {
	N_READERS = 8,
	MAX_STATEMENTS = 128, /* distinct statements of the store's rooms; more is our bug */
};

/* One connection, used by one thread at a time, with the statements it has prepared so far. */
struct conn {
	sqlite3 *db;
	const char *path; /* of the file, borrowed of the store; for messages */
	size_t n_statements;
	struct {
		const char *sql; /* static storage: its address is the key */
		sqlite3_stmt *stmt;
	} statement[MAX_STATEMENTS];
};

struct store {
	/* Fixed from open to close. */
	char *path; /* DIR/verad.db */
	uint64_t reserve;
	int lock_fd;

	/* The writer; only used with writer_lock held. */
	pthread_mutex_t writer_lock;
	struct conn writer;

	/* Readers not in use are free_reader[0 .. n_free-1]; both protected by pool_lock. */
	pthread_mutex_t pool_lock;
	pthread_cond_t reader_came_free;
	struct conn reader[N_READERS];
	struct conn *free_reader[N_READERS];
	size_t n_free;

	/* The housekeeper removes deleted data sets in small transactions. Its wishes are protected by
	 * housekeeper_lock. */
	pthread_t housekeeper;
	bool housekeeper_started;
	pthread_mutex_t housekeeper_lock;
	pthread_cond_t housekeeper_wanted;
	bool closing, work_to_do, copy_back_log;
	struct store_upload *abandoned; /* list, owned */
	struct conn copier;             /* the housekeeper's own: copies the log back while the writer goes on */
};

/* Queries ----------------------------------------------------------------------------------------------------------
 *
 * struct query q = query_new(c, "… ?1 …");
 * query_text(&q, …);                 parameters in order; what they point to must live until query_end
 * while (query_row(&q)) … row_…   rows; a failure ends the loop too
 * status = query_end(&q, e);         the first failure of all of the above, and the statement is free again
 */
struct query {
	struct conn *c;
	sqlite3_stmt *stmt; /* NULL after a failed prepare; everything but query_end is then without effect */
	int rc, n_bound;
	bool done;
};

struct query query_new(struct conn *c, const char *sql);
void query_text(struct query *q, const char *s); /* NULL: SQL NULL */
void query_int(struct query *q, int64_t v);
void query_size(struct query *q, size_t v);    /* fails where it exceeds 63 bits */
void query_limit(struct query *q, uint64_t v); /* is cut there: a bound beyond every number */
void query_real(struct query *q, double v);    /* NaN: SQL NULL */
void query_null(struct query *q);
void query_blob(struct query *q, const void *bytes, size_t n);
void query_nomem(struct query *q); /* the caller ran out of memory over a row */
bool query_row(struct query *q);
enum status query_end(struct query *q, struct err *e);

/* All of it for a statement that gives no rows. */
enum status query_run(struct query *q, struct err *e);

/* Columns of the present row. Text is copied, owned by the caller: NULL for SQL NULL, or where memory is out, which
 * query_end then says. */
bool row_is_null(struct query *q, int i);
int64_t row_int(struct query *q, int i);
size_t row_size(struct query *q, int i);
double row_real(struct query *q, int i); /* NaN for SQL NULL */
char *row_text(struct query *q, int i);
void row_short(struct query *q, int i, char *text, size_t size); /* cut to fit: ids, names of states */
const void *row_bytes(struct query *q, int i, size_t *n);        /* borrowed until the next query_row or query_end */
void row_append(struct query *q, int i, struct buf *out);

/* Rows changed by the last statement of the connection. */
int64_t conn_changes(struct conn *c);

/* Transactions ---------------------------------------------------------------------------------------------------*/

/* Takes the writer and begins. On OK, write_end must follow: commits where `status` is OK, else rolls back, and returns
 * what came of it. Nothing of a transaction that does not return OK is there. */
enum status write_begin(struct store *s, struct conn **c, struct err *e);
enum status write_end(struct store *s, enum status status, struct err *e);

/* Takes a reader, whose queries then all see the same moment. On OK, read_end must follow; it hands `status` on. */
enum status read_begin(struct store *s, struct conn **c, struct err *e);
enum status read_end(struct store *s, struct conn *c, enum status status);

/* Connections ----------------------------------------------------------------------------------------------------*/

enum status conn_open(struct conn *c, const char *path, struct err *e);                /* the file must exist */
void conn_close(struct conn *c);                                                       /* accepts a zeroed struct */
enum status conn_script(struct conn *c, const char *sql, struct err *e);               /* several statements, no rows */
enum status conn_fail(struct conn *c, int rc, struct err *e);                          /* SQLite's code as ours */
enum status conn_number(struct conn *c, const char *sql, int64_t *out, struct err *e); /* the first of the first row */

/* Small shared things --------------------------------------------------------------------------------------------*/

double store_now(void);
enum status store_new_id(const char *prefix, char id[STORE_ID_SIZE], struct err *e);

/* `items` (n of them, room for *cap) with room for one more: moved perhaps; NULL where memory is out, and then they are
 * where they were. */
void *list_room(void *items, size_t n, size_t *cap, size_t size);

/* What a list is made of: items of `size` bytes, zeroed, filled from a row and released one by one. */
struct list_kind {
	size_t size;
	void (*read)(struct query *q, void *item);
	void (*release)(void *item);
};

/* The rows of a query with its parameters bound, and its end. *out is an array of *n, each to be released, then free().
 */
enum status list_rows(struct query *q, const struct list_kind *k, void **out, size_t *n, struct err *e);

/*
 * A page of a list that is ordered newest first, after the entry with id `after` (NULL: from the start). position: the
 * statement that gives created and seq of the id ?1; page: the rows before (created, seq) = (?1, ?2), at most ?3.
 */
enum status list_page(struct store *s, const struct list_kind *k, const char *position, const char *page,
	const char *after, size_t limit, void **out, size_t *n, struct err *e);

bool is_disk_full(int system_errno);

/* Uploads and the housekeeper --------------------------------------------------------------------------------------*/

struct store_upload {
	struct store *s;           /* borrowed */
	char *name, *label_column; /* NULL: of rows for a data set that is there */
	int64_t seq;               /* of its part */
	bool finished;
	struct store_upload *next; /* in the list of abandoned ones */
};
/* ERR_FULL "disk_full" where n_bytes more would leave too little of the disk. */
enum status check_room(const struct store *s, size_t n_bytes, struct err *e);
void upload_destroy(struct store_upload *u);                          /* the memory alone */
enum status upload_doom(struct conn *c, int64_t part, struct err *e); /* within a write: state `deleting` */
enum status dataset_not_found(const char *id, struct err *e);
#define JOB_STATES_ENDED "('succeeded', 'failed', 'cancelled')" /* for good */

enum status housekeeper_start(struct store *s, struct err *e);
void housekeeper_stop(struct store *s); /* drops what it had not got to; the next open finds it */
void housekeeper_wake(struct store *s);

/* Models -----------------------------------------------------------------------------------------------------------*/

struct model_place {       /* where a ref leads */
	int64_t seq, name; /* name 0: it has none */
	char id[STORE_ID_SIZE];
};
enum status model_find(struct conn *c, const char *ref, struct model_place *out, struct err *e);
/* Within a write: makes the model the next version of the name, which is made if it is not there. */
enum status model_give_name(struct conn *c, int64_t model, const char *name, struct err *e);

/* Within a write: the model that a job made. */
enum status model_of_job(struct conn *c, const char *id, int64_t job, const char *dataset_name, const char *summary,
	const void *bundle, size_t n, struct err *e);

/* Jobs, within a transaction --------------------------------------------------------------------------------------- */

/* The job's row number and state: of any job, ERR_NOT_FOUND; of one that a worker has, ERR_CONFLICT "job_not_running".
 */
typedef enum status job_finder(struct conn *c, const char *id, int64_t *seq, enum job_state *state, struct err *e);
job_finder job_find, job_find_at_work;
/* Begins a transaction about the job; where it is not found, or not at work, there is none. End it as any other. */
enum status job_write_begin(struct store *s, const char *id, job_finder *find, struct conn **c, int64_t *seq,
	enum job_state *state, struct err *e);
enum status job_read_begin(struct store *s, const char *id, job_finder *find, struct conn **c, int64_t *seq,
	enum job_state *state, struct err *e);
enum job_state row_job_state(struct query *q, int i); /* of the present row, its name */
enum status job_add_event(struct conn *c, int64_t job, const char *level, const char *code, const char *message,
	const char *data, struct err *e);
enum status checkpoint_put(struct conn *c, int64_t job, const void *bytes, size_t n, struct err *e);
enum status result_append(struct conn *c, int64_t job, const void *bytes, size_t n, struct err *e);
enum status result_doom(struct conn *c, int64_t job, struct err *e); /* where there is one: for the housekeeper */
enum status result_sweep(struct conn *c, size_t n_parts, bool *more, struct err *e);
enum status key_insert(struct conn *c, const struct request_key *k, const char *job, struct err *e);

/* What a crash left, for open; both within a write. */
enum status dataset_recover(struct conn *c, struct err *e);
enum status job_recover(struct conn *c, struct err *e);

#endif
