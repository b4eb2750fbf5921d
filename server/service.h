/*
 * service: the use cases. Ingest, train, predict, score, report; no HTTP, no SQL text. service_jobs.c has those of
 * jobs.
 *
 * Threads: any thread may call anything. Loaded bundles live in a cache (at most `max_models`, least recently used
 * out first), immutable and reference counted. Predictions take one of `max_predictions` slots while they compute, so
 * that a flood of requests cannot exhaust the BLAS library's buffers or starve each other.
 */
#ifndef VERAD_SERVER_SERVICE_H
#define VERAD_SERVER_SERVICE_H

#include "schema/bundle.h"
#include "schema/class_params.h"
#include "schema/csv.h"
#include "schema/export.h"
#include "schema/ingest.h"
#include "server/store.h"
#include "server/watch.h"

struct metrics;

/* What a data set may have; 0 in any of them: as much as there is room for, and the defaults of csv.h. A table over
 * them is refused as it comes: ERR_TOO_LARGE "too_many_rows", "too_many_cells", and what csv.h says. */
struct service_table_limits {
	uint64_t max_rows, max_cells; /* rows times columns, the rows of earlier uploads included */
	struct csv_limits csv;
};

struct service_options {
	const char *spool_dir;  /* where uploads are spooled (files without names) */
	size_t max_models;      /* in the cache; 0: 32 */
	size_t max_predictions; /* at once; 0: as many as processors */
	size_t max_queued;      /* jobs; 0: 1,000 */
	size_t max_waiting;     /* requests that wait for jobs; 0: 256 */
	struct service_table_limits tables;
	struct metrics *metrics; /* borrowed; counts the rows that models answer; NULL: nobody does */
};

struct service;
enum status service_new(struct store *store, const struct service_options *o, struct service **out, struct err *e);
void service_free(struct service *v);
struct store *service_store(struct service *v); /* for plain reads: lists and single records */
size_t service_max_queued(const struct service *v);

/* Upload: name defaults to "dataset"; options (NULL: the defaults) are copied. Feed pieces as they come. finish gives
 * the id of the data set that is now visible. free at any time; unfinished, it leaves nothing. */
struct upload;
enum status service_upload_begin(
	struct service *v, const char *name, const struct ingest_options *options, struct upload **out, struct err *e);
enum status service_upload_feed(struct upload *u, const void *bytes, size_t n, struct err *e);
enum status service_upload_finish(struct upload *u, char id[STORE_ID_SIZE], struct err *e);
/* Further rows for a data set that is there: as an upload, but that finish makes them its next version, and gives its
 * own id back. Read as the data set was, but for what the options say of their own file: service_append_options gives
 * what to begin with. version: the only one that they may follow, ERR_CONFLICT "version_mismatch"; 0: any. Several
 * appends at a time are one behind the other in the end. */
enum status service_append_options(struct service *v, const char *dataset, struct ingest_options *out, struct err *e);
enum status service_append_begin(struct service *v, const char *dataset, size_t version,
	const struct ingest_options *options, struct upload **out, struct err *e);
void service_upload_free(struct upload *u);

/* What the values of its columns are like, from a reading of all its chunks; profile_free. */
struct profile;
enum status service_profile(struct service *v, const struct dataset *d, struct profile **out, struct err *e);

/* Around a download that holds a chunk in memory as long as the client takes: ERR_BUSY "too_many_downloads" when
 * MAX_DOWNLOADS are under way. */
enum { MAX_DOWNLOADS = 32 };
enum status service_download_begin(struct service *v, struct err *e);
void service_download_end(struct service *v);

enum job_type { JOB_TRAIN, JOB_EVALUATE, JOB_BATCH_PREDICT, N_JOB_TYPES };
extern const char *const job_type_names[N_JOB_TYPES + 1]; /* "train", …; NULL-terminated */

struct job_request { /* texts are borrowed */
	enum job_type type;
	const char *dataset;      /* id */
	const char *test_dataset; /* of train: id of the labelled set to measure the model on, or NULL */
	const char *model; /* that is used, its id or name; of train: the name that the model becomes a version of, or
			      NULL */
	struct params params; /* of train */
	struct class_params classes;
	unsigned include; /* of batch_predict: what answers have beside labels and scores, a sum of enum include */
	int priority;
	double max_seconds;     /* 0: no limit */
	struct request_key key; /* zeroed: none */
};

/*
 * Checks what can be known before the job is run, then queues it and wakes a worker. train: the parameters fit together
 * (params_check), and can train on the data set, whose classes they name (training_check), the name is one
 * (ERR_INVALID "bad_model_name"); the set to test on is another one, and has what it takes (training_test_check).
 * Others: the model is there and finds its columns in the data set (ERR_DATA "missing_column", "not_a_number");
 * evaluate: the model has classes (ERR_CONFLICT "no_classes"), there are labels, and not more than memory holds
 * (ERR_DATA "evaluation_too_large").
 */
enum status service_job_create(struct service *v, const struct job_request *q, char id[STORE_ID_SIZE], struct err *e);

/* The "params" of a job as its resource has them, with these parameters of training: owned; NULL when memory was
 * lacking. And those of a batch_predict, {"include":["attributions"]}, read: NULL says nothing. ERR_INVALID
 * "unknown_field", "wrong_type", "unknown_include". */
struct cJSON;
struct cJSON *service_job_params(const struct job_request *q, const struct params *params);
enum status service_job_include(const struct cJSON *params, unsigned *include, struct err *e);

/* The same checks, nothing queued; and what the job would cost: see estimate.h. Computes for a moment. */
struct job_estimate;
enum status service_job_estimate(
	struct service *v, const struct job_request *q, int n_threads, struct job_estimate *out, struct err *e);

enum status service_job_cancel(
	struct service *v, const char *id, enum job_state *was, enum job_state *is, struct err *e);
enum status service_job_pause(
	struct service *v, const char *id, enum job_state *was, enum job_state *is, struct err *e);
enum status service_job_resume(
	struct service *v, const char *id, enum job_state *was, enum job_state *is, struct err *e);
enum status service_job_delete(struct service *v, const char *id, struct err *e);

/* Requests that wait for jobs, and who tells them that something has changed. */
struct watches *service_watches(struct service *v);
void service_job_changed(struct service *v, const char *id);

/* Whether no other request with this Idempotency-Key is being carried out; then it is this one's until the end. */
struct key_in_use {
	const char *text; /* borrowed */
	struct key_in_use *next;
};
bool service_key_begin(struct service *v, struct key_in_use *k, const char *text);
void service_key_end(struct service *v, struct key_in_use *k);

/* Jobs that were queued since: workers wait here. Returns at once when something was queued after ticket `seen`. */
uint64_t service_wait_for_work(struct service *v, uint64_t seen, unsigned milliseconds);
void service_wake_all(struct service *v);

/* A model in memory: acquired, used by any thread, released. `ref` is an id or a name (server/model_ref.h), here and
 * below. ERR_CONFLICT "unsupported_model_version": another verad stored it, in a format that this one does not read;
 * whatever needs more than its record and its bytes answers that. */
struct loaded_model;
enum status service_model_acquire(struct service *v, const char *ref, struct loaded_model **out, struct err *e);
const struct bundle *loaded_bundle(const struct loaded_model *m);
void service_model_release(struct service *v, struct loaded_model *m);
enum status service_model_delete(struct service *v, const char *ref, struct err *e);

/* Sets the model's threshold, for good: to the (1 - fpr) quantile of its held-out scores, or to a value (*value, where
 * it is not NULL). Whoever acquires the model from then on has it. ERR_CONFLICT "no_reference": it was trained without
 * rows held out, so that a share of them means nothing. */
enum status service_model_threshold(struct service *v, const char *ref, double fpr, const double *value, struct err *e);

/* A model from bytes that may be anything: ERR_DATA "not_a_model", "unsupported_model_version", "corrupt_model". name
 * NULL: known by its id alone. */
enum status service_model_import(
	struct service *v, const char *name, const void *bytes, size_t n, char id[STORE_ID_SIZE], struct err *e);

/* The model, as it is in the store, in a form that other programs read (schema/export.h). */
enum status service_model_export(
	struct service *v, const char *ref, enum export_format format, struct buf *out, struct err *e);

/* How many models are in memory, and how often one was read since the start. */
void service_models_loaded(struct service *v, size_t *n_models, uint64_t *n_loads);

/* A slot to compute in: call around predictor, CSV and JSON predictions; holds the thread until one is free. What takes
 * little time has slots of its own, more than there are processors: a row does not wait for somebody's ten thousand. */
enum slot { SLOT_LONG, SLOT_SHORT, N_SLOTS };
enum { SLOT_SHORT_BYTES = 8 << 10 }; /* of rows: up to here it is short, unless it is attributions */
void service_slot_take(struct service *v, enum slot kind);
void service_slot_give(struct service *v, enum slot kind);

#endif
