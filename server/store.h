/*
 * store: everything that outlives the process, in one SQLite file. The only <sqlite3.h> (through store_private.h, in
 * store*.c); no SQL text leaves this room, and no SQLite type, so that another back end can stand behind the same
 * functions.
 *
 * DIR/verad.db: WAL, synchronous=FULL, foreign keys, STRICT tables; the numbered files of migrations/ are embedded in
 * the program and applied at open, each in a transaction (PRAGMA user_version); a file of a newer program is refused.
 * DIR is locked (flock on DIR/lock) against a second daemon. Files are created with mode 0600.
 *
 * A function that returns OK has been committed durably. On any other status nothing was changed. Codes that any
 * function may give: ERR_NOT_FOUND "dataset_not_found", "job_not_found", "model_not_found"; ERR_FULL "disk_full";
 * ERR_BUSY "store_busy" (no reader came free in time, or another program holds the file); ERR_CORRUPT "store_damaged";
 * ERR_IO "store_io". Lists give ERR_INVALID "unknown_cursor" for an `after` that is not there (any more).
 *
 * Threads: any thread may call anything. One writer connection under a mutex; readers take a connection from a small
 * pool. No call holds a lock while calling back. One thread of the store's own removes deleted data sets bit by bit.
 *
 * Ids are "ds_", "job_", "mdl_", "key_" and 20 random characters of a-z2-7.
 */
#ifndef VERAD_SERVER_STORE_H
#define VERAD_SERVER_STORE_H

#include <stdatomic.h>

#include "engine/buf.h"
#include "schema/ingest.h"

enum { STORE_ID_SIZE = 32 };
enum { STORE_RESERVE_BYTES = 64 << 20 }; /* of the disk that uploads leave free, unless told otherwise */
struct store;

/* Opens or creates (the directory too, but not its parents). What a crash left is put right here: uploads under way are
 * dropped, jobs at work are requeued with attempt + 1 (cancelling ones become cancelled, pausing ones paused), each
 * with a job event "requeued_after_crash", "cancelled" or "paused". ERR_CONFLICT "data_dir_in_use": another process has
 * it; ERR_UNSUPPORTED "store_is_newer": of a newer program; ERR_CORRUPT "not_a_store"; ERR_IO "data_dir", "no_wal". */
enum status store_open(const char *dir, struct store **out, struct err *e);

/* The same for a command beside a daemon: where another process has the directory, nothing is put right and nothing
 * migrated, and SQLite's own locks keep the two apart. ERR_UNSUPPORTED "store_is_older": the daemon that has it is
 * another version. */
enum status store_open_beside(const char *dir, struct store **out, struct err *e);
void store_set_reserve(struct store *s, uint64_t bytes); /* that uploads leave free; right after open */
void store_close(struct store *s);                       /* accepts NULL; no call under way, every upload freed */

enum status store_ping(struct store *s, struct err *e); /* a read that works */

/* Reads the whole file: ERR_CORRUPT "store_damaged" with the first thing found wrong. */
enum status store_check(struct store *s, struct err *e);

/* Data sets ------------------------------------------------------------------------------------------------------ */

struct dataset {
	char id[STORE_ID_SIZE];
	char *name;         /* owned */
	char *label_column; /* owned; NULL: none */
	double created;     /* seconds since the epoch */
	size_t version;     /* 1 at first; one more with every upload of further rows */
	double changed;     /* when this version came to be */
	size_t n_chunks;
	struct dataset_summary summary;
};
void dataset_release(struct dataset *d); /* accepts a zeroed struct */

/* An upload: chunks are committed as they come, under state `uploading`, invisible to every other call until finish.
 * Chunks leave a reserve of the disk free, 64 MiB by default (ERR_FULL before that), so that there is always room to
 * delete something. */
struct store_upload;
enum status store_upload_begin(
	struct store *s, const char *name, const char *label_column, struct store_upload **out, struct err *e);
enum status store_upload_chunk(struct store_upload *u, const struct table *t, size_t chunk_index, struct err *e);
enum status store_upload_restart(struct store_upload *u, struct err *e); /* drops the chunks so far */
enum status store_upload_finish(
	struct store_upload *u, const struct dataset_summary *summary, char id[STORE_ID_SIZE], struct err *e);
/* Further rows: of an upload begun without name and label column, whose chunks have the data set's columns. They become
 * the end of data set `id`, all at once, as its next version. seen: the version that `whole`, the summary of all the
 * rows, was made from; ERR_CONFLICT "dataset_changed" where it has become another meanwhile. part: of the new rows. */
enum status store_upload_append(struct store_upload *u, const char *id, size_t seen, const struct dataset_summary *part,
	const struct dataset_summary *whole, struct err *e);
void store_upload_free(struct store_upload *u); /* not finished: everything of it is deleted */

enum status store_dataset_get(struct store *s, const char *id, struct dataset *out, struct err *e);
/* As it was when the job was queued: the job sees no rows that came later. */
enum status store_dataset_of_job(struct store *s, const char *job, struct dataset *out, struct err *e);
/* The same of the set that the job's model is measured on. */
enum status store_test_of_job(struct store *s, const char *job, struct dataset *out, struct err *e);
/* Newest first, after the id `after` (NULL: from the start), at most `limit`. *out is an array of *n, each to be
 * released, then free(). Lists of data sets carry no columns and classes: the counts alone. */
enum status store_dataset_list(
	struct store *s, const char *after, size_t limit, struct dataset **out, size_t *n, struct err *e);
/* version: the only one to be deleted, ERR_CONFLICT "version_mismatch" when it is at another; 0: any. ERR_CONFLICT
 * "dataset_in_use" while a job that has not ended names it. Models trained on it stay. It is gone for every reader at
 * once; its space comes free bit by bit in the background, and goes back to the file system. */
enum status store_dataset_delete(struct store *s, const char *id, size_t version, struct err *e);

/* Reads chunk `chunk_index` of a data set into `t` (table_init'ed with all its columns): ERR_NOT_FOUND past the last.
 * Further rows make further chunks; those that are there never change. */
enum status store_dataset_chunk(struct store *s, const char *id, size_t chunk_index, struct table *t, struct err *e);

/* Of chunk i: how many rows, and how many bytes they are as CSV, 0 where nobody has said so yet. */
struct chunk_extent {
	size_t n_rows;
	uint64_t csv_bytes;
};
/* The first n chunks, out[n]: ERR_NOT_FOUND where there are fewer. */
enum status store_dataset_extents(struct store *s, const char *id, struct chunk_extent *out, size_t n, struct err *e);
/* Keeps those csv_bytes that are not 0. */
enum status store_dataset_extents_put(
	struct store *s, const char *id, const struct chunk_extent *extent, size_t n, struct err *e);

/* A JSON object about the rows of a version, kept as long as the version is the last: put fails with ERR_CONFLICT
 * "dataset_changed" when it no longer is. get: NULL where there is none; else owned. */
enum status store_profile_get(struct store *s, const char *id, size_t version, char **out, struct err *e);
enum status store_profile_put(struct store *s, const char *id, size_t version, const char *profile, struct err *e);

/* Jobs ----------------------------------------------------------------------------------------------------------- */

enum job_state {
	JOB_QUEUED,
	JOB_VALIDATING, /* a worker has it, and reads and checks the data */
	JOB_RUNNING,
	JOB_PAUSING, /* a worker has it still */
	JOB_PAUSED,
	JOB_SUCCEEDED,
	JOB_FAILED,
	JOB_CANCELLING, /* a worker has it still */
	JOB_CANCELLED,
	N_JOB_STATES
};
const char *job_state_name(enum job_state s); /* "queued", … */
bool job_state_ended(enum job_state s);       /* succeeded, failed, cancelled: for good */

struct job {
	char id[STORE_ID_SIZE];
	enum job_state state;
	char *type;                        /* "train", "evaluate", "batch_predict"; owned, as all strings here */
	char *dataset;                     /* id */
	char *params;                      /* JSON object: as checked, all defaults filled in */
	double created, started, finished; /* seconds since the epoch; 0: not yet; started: of the present attempt */
	size_t attempt;                    /* 1 for the first */
	size_t step, steps;
	char *phase;                      /* "", or of struct train_progress */
	char *metrics;                    /* JSON object, "{}" at first */
	char *error_code, *error_message; /* NULL unless failed */
	char *model;                      /* id: that a train job made (NULL until it has succeeded), that others use */
	char *test_dataset;               /* id of the set that its model is measured on; NULL: none */
	char *model_name;                 /* that its model becomes a version of; NULL: of none */
	int priority;                     /* the higher the earlier */
	double max_seconds, worked;       /* at work: at most (0: no limit), and so far, over all attempts */
	double seconds_left;              /* by the worker's latest estimate; NaN: not known */
	bool has_result;                  /* to be read */
	size_t n_result_bytes;
	char *recoveries; /* JSON array of {at, step, message}: the job's events "recovered" */
};
void job_release(struct job *j); /* accepts a zeroed struct */

/* A key that a client gave its request, so that sending it twice carries it out once. */
struct request_key {
	const char *text;     /* NULL: none */
	uint64_t fingerprint; /* of the request: another one must not come with the same key */
	double seconds;       /* that the key is kept */
};

struct new_job { /* texts are borrowed; zeroed but for the first three is fine */
	const char *type, *dataset, *params;
	const char *model;        /* id; NULL for train */
	const char *model_name;   /* that the model to be made becomes a version of; NULL: of none */
	const char *test_dataset; /* id of the set that the model is to be measured on; NULL: none */
	int priority;
	double max_seconds;
	struct request_key key; /* kept in the same transaction */
};

/* ERR_NOT_FOUND when a data set is not there, ERR_BUSY "queue_full" when max_queued jobs are queued or paused. */
enum status store_job_add(
	struct store *s, const struct new_job *job, size_t max_queued, char id[STORE_ID_SIZE], struct err *e);

/* The answer that the key's request got, for the same to get it again. body NULL: the process ended before there was
 * one. ERR_INVALID "idempotency_key_reused". */
struct key_answer {
	char job[STORE_ID_SIZE];
	char *body; /* owned */
};
enum status store_key_find(
	struct store *s, const struct request_key *k, struct key_answer *out, bool *found, struct err *e);
enum status store_key_answer(struct store *s, const char *key, const char *answer, struct err *e);

struct job_queue {
	size_t n_queued, n_at_work;
};
enum status store_job_queue(struct store *s, struct job_queue *out, struct err *e);
enum status store_job_get(struct store *s, const char *id, struct job *out, struct err *e);
enum status store_job_list(
	struct store *s, const char *after, size_t limit, struct job **out, size_t *n, struct err *e);

/*
 * The store itself writes the events of these changes of state, in the same transaction: "queued", "cancel_requested",
 * "cancelled", "pause_requested", "paused", "resumed", "requeued", "requeued_after_crash", "succeeded" (data: {"model"}
 * of a train job), "failed" (data: {"code"}). Others are the worker's, by store_event_add. A job that no worker has
 * cannot progress, checkpoint or end: ERR_CONFLICT "job_not_running".
 */

/* Claims the oldest queued job of the highest priority: state validating, started set. *found = false when the queue is
 * empty. */
enum status store_job_claim(struct store *s, struct job *out, bool *found, struct err *e);

/* Progress of a job at work; in any other phase than this one it is running and no longer validating. *wish: what
 * somebody asked of it meanwhile. */
#define JOB_PREPARING "preparing"
struct job_progress {
	const char *phase;
	size_t step, steps;
	double worked, seconds_left; /* the latter NaN: not known */
	const char *metrics;         /* NULL: as they are */
};
enum job_wish { JOB_GO_ON, JOB_CANCEL, JOB_PAUSE };
enum status store_job_progress(
	struct store *s, const char *id, const struct job_progress *p, enum job_wish *wish, struct err *e);

/* Saved trainer state (replaces the last one; deleted with the job's end) and its return, appended to `out`: nothing
 * when there is none. */
enum status store_checkpoint_put(struct store *s, const char *job, const void *bytes, size_t n, struct err *e);
enum status store_checkpoint_get(struct store *s, const char *job, struct buf *out, struct err *e);

/* Requests; each may be repeated. *was, *is: the state before and after.
 * cancel: one that no worker has is cancelled at once, another cancelling. pause: a queued job is paused at once,
 * another pausing; resume: back to the queue, or on with it. Where the job has ended otherwise: ERR_CONFLICT
 * "job_finished"; one that is being cancelled cannot pause or resume: "job_cancelling". */
enum status store_job_cancel(struct store *s, const char *id, enum job_state *was, enum job_state *is, struct err *e);
enum status store_job_pause(struct store *s, const char *id, enum job_state *was, enum job_state *is, struct err *e);
enum status store_job_resume(struct store *s, const char *id, enum job_state *was, enum job_state *is, struct err *e);

/* A job that has ended, with its events, metrics and result: ERR_CONFLICT "job_not_finished". Its model stays. */
enum status store_job_delete(struct store *s, const char *id, struct err *e);

/* Ends of a running job, each in one transaction with its event; checkpoints go. Once a cancellation was accepted the
 * job cannot succeed any more: ERR_CONFLICT "job_cancelling", nothing stored. The model gets the next version of the
 * job's model_name. */
enum status store_job_succeed(struct store *s, const char *id, const char *metrics, const char *dataset_name,
	const char *model_summary, const void *bundle, size_t n, char model_id[STORE_ID_SIZE], struct err *e);
/* The same for a job that makes no model: `rest` is the end of its result. */
enum status store_job_complete(
	struct store *s, const char *id, const char *metrics, const void *rest, size_t n, struct err *e);
enum status store_job_fail(struct store *s, const char *id, const char *code, const char *message, struct err *e);
enum status store_job_cancelled(struct store *s, const char *id, struct err *e);
/* The worker lets go of it: back to the queue, to go on from its checkpoint as the same attempt. A pausing one is
 * paused, a cancelling one cancelled. */
enum status store_job_requeue(struct store *s, const char *id, struct err *e);

/* More of the job's result, and in the same transaction the checkpoint that says so. A result can be read when its job
 * has succeeded; every other end removes it. */
enum status store_result_append(struct store *s, const char *job, const void *bytes, size_t n, const void *checkpoint,
	size_t n_checkpoint, struct err *e);
/* The part that byte `at` is in, appended to `out`; *first: of its own first byte. ERR_NOT_FOUND "no_result". */
enum status store_result_read(
	struct store *s, const char *job, uint64_t at, struct buf *out, uint64_t *first, struct err *e);

struct job_event {
	uint64_t seq; /* 1, 2, … within the job */
	double time;
	char *level; /* "info", "warning", "error"; owned, as all strings here */
	char *code;  /* stable: "started", "succeeded", … */
	char *message;
	char *data; /* JSON object, "{}" when there is nothing more */
};
void job_event_release(struct job_event *v);
enum status store_event_add(struct store *s, const char *job, const char *level, const char *code, const char *message,
	const char *data, struct err *e);
enum status store_event_list(struct store *s, const char *job, uint64_t after_seq, size_t limit, struct job_event **out,
	size_t *n, struct err *e);

/* Time series of a run: one row per name; a step added again replaces its values. */
enum status store_metric_add(struct store *s, const char *job, size_t step, const char *const *names,
	const double *values, size_t n, struct err *e); /* values not finite are left out */

struct metric_point {
	size_t step;
	char *name; /* owned */
	double value;
};
void metric_point_release(struct metric_point *p);
/* By step, then name, from step `from` on, at most `limit` points. */
enum status store_metric_list(struct store *s, const char *job, size_t from, size_t limit, struct metric_point **out,
	size_t *n, struct err *e);

/* Models ----------------------------------------------------------------------------------------------------------
 *
 * Wherever a model is asked for, `ref` is an id, or a name with or without its version or alias (server/model_ref.h).
 * What such a text means is settled in the transaction that uses it.
 */

struct model_record {
	char id[STORE_ID_SIZE];
	char *name; /* that it is a version of; NULL: of none; owned, as all strings here */
	uint64_t version;
	char *aliases;      /* that stand for it, with commas between them; NULL: none */
	char *dataset_name; /* of the data set it was trained on */
	char *job;          /* id; "": it was imported */
	char *dataset;      /* id; the data set may be gone by now; "": it was imported */
	double created;
	size_t n_bytes;
	uint64_t revision; /* of its bundle: 1, and one more with every change */
	char *summary;     /* JSON object: parameters, encoding, measures, baseline, thresholds */
};
void model_record_release(struct model_record *m);
enum status store_model_resolve(struct store *s, const char *ref, char id[STORE_ID_SIZE], struct err *e);
enum status store_model_get(struct store *s, const char *ref, struct model_record *out, struct err *e);
enum status store_model_list(struct store *s, const char *after, size_t limit, struct model_record **out, size_t *n,
	struct err *e); /* without summaries (NULL) */
/* Appends the bytes; revision (NULL: not wanted) is that of these bytes. */
enum status store_model_bundle(struct store *s, const char *ref, struct buf *out, uint64_t *revision, struct err *e);

/* A model that no job made. name NULL: known by its id alone; else it gets the next version of the name. */
enum status store_model_add(struct store *s, const char *name, const char *dataset_name, const char *summary,
	const void *bundle, size_t n, char id[STORE_ID_SIZE], struct err *e);
/* The bundle of the model with this id, changed, in place of the one of `revision`: ERR_CONFLICT "model_changed" when
 * that is not the present one any more. */
enum status store_model_revise(struct store *s, const char *id, uint64_t revision, const char *summary,
	const void *bundle, size_t n, struct err *e);
/* A model without a name becomes the next version of this one: ERR_CONFLICT "model_has_name". */
enum status store_model_name(struct store *s, const char *ref, const char *name, struct err *e);
/* One model: ERR_CONFLICT "model_has_aliases" while one stands for it, "model_is_ambiguous" for a name alone, which
 * may have many versions. */
enum status store_model_delete(struct store *s, const char *ref, struct err *e);

/* The name that `ref` belongs to, and its versions, newest first, below the version `before`. ERR_NOT_FOUND
 * "model_has_no_name". */
struct model_name {
	char *name;      /* owned */
	uint64_t latest; /* the highest version that is there */
	size_t n_aliases;
	struct model_alias { /* [n_aliases], owned, in byte order */
		char *alias; /* owned */
		uint64_t version;
	} * alias;
};
void model_name_release(struct model_name *m); /* accepts a zeroed struct */
enum status store_name_get(struct store *s, const char *ref, struct model_name *out, struct err *e);
enum status store_version_list(struct store *s, const char *ref, uint64_t before, size_t limit,
	struct model_record **out, size_t *n, struct err *e); /* without summaries */

/* Sets aliases of the name that `ref` belongs to, all of them or none; version 0 removes one, also where it is not.
 * ERR_NOT_FOUND "model_not_found" for a version that is not there. */
struct alias_change {
	const char *alias;
	uint64_t version;
};
enum status store_alias_set(
	struct store *s, const char *ref, const struct alias_change *change, size_t n, struct err *e);

/* The store itself --------------------------------------------------------------------------------------------------
 */

/* A copy of one moment, made while the store is in use, checked (integrity_check) and durable when this returns OK; to
 * be put in place as DIR/verad.db. ERR_CONFLICT "backup_exists" where `path` is there, ERR_FULL "disk_full", ERR_IO
 * "backup_failed", ERR_CORRUPT "store_damaged", ERR_BUSY "stopping" once *stop (NULL: never) is true. No partial file
 * stays behind. */
enum status store_backup(struct store *s, const char *path, const atomic_bool *stop, uint64_t *n_bytes, struct err *e);

enum { STORE_MAX_JOB_KINDS = 64 };
struct job_statistics {
	char type[24], state[24];
	size_t n;
	bool ended;                       /* jobs of this state have ended: */
	double run_seconds, wait_seconds; /* in their last attempt, and before it */
};
struct store_statistics {
	uint64_t file_bytes, log_bytes, disk_free, disk_size;
	size_t n_datasets, n_models;
	struct job_statistics job[STORE_MAX_JOB_KINDS];
	size_t n_jobs;        /* entries in job[] */
	double oldest_queued; /* seconds since the epoch; 0: none waits */
};
enum status store_statistics(struct store *s, struct store_statistics *out, struct err *e);

/* Keys of callers -------------------------------------------------------------------------------------------------- */

enum { STORE_HASH_SIZE = 32 };
struct api_key {
	char id[STORE_ID_SIZE];
	char *name;      /* owned */
	unsigned scopes; /* bits of server/access.h */
	unsigned char hash[STORE_HASH_SIZE];
	double created, revoked; /* seconds since the epoch; revoked 0: in force */
};
void api_key_release(struct api_key *k); /* accepts a zeroed struct */

enum status store_new_key_id(char id[STORE_ID_SIZE], struct err *e);
enum status store_key_add(struct store *s, const struct api_key *k, struct err *e); /* its times are the store's */
enum status store_key_list(
	struct store *s, struct api_key **out, size_t *n, struct err *e); /* all, oldest first; also revoked ones */
/* From then on it opens nothing. Revoking twice is no error; ERR_NOT_FOUND "key_not_found". */
enum status store_key_revoke(struct store *s, const char *id, struct err *e);

#endif
