/*
 * service: the use cases. Ingest, train, predict, score, report; no HTTP, no SQL text.
 *
 * Threads: any thread may call anything. Loaded bundles live in a cache (at most `max_models`, least recently used
 * out first), immutable and reference counted. Predictions take one of `max_predictions` slots while they compute, so
 * that a flood of requests cannot exhaust the BLAS library's buffers or starve each other.
 */
#ifndef VERAD_SERVER_SERVICE_H
#define VERAD_SERVER_SERVICE_H

#include "schema/bundle.h"
#include "schema/ingest.h"
#include "server/store.h"

struct metrics;

struct service_options {
	const char *spool_dir;   /* where uploads are spooled (files without names) */
	size_t max_models;       /* in the cache; 0: 32 */
	size_t max_predictions;  /* at once; 0: as many as processors */
	size_t max_queued;       /* jobs; 0: 1,000 */
	struct metrics *metrics; /* borrowed; counts the rows that models answer; NULL: nobody does */
};

struct service;
enum status service_new(struct store *store, const struct service_options *o, struct service **out, struct err *e);
void service_free(struct service *v);
struct store *service_store(struct service *v); /* for plain reads: lists and single records */

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

/* Checks that the parameters fit together (params_check) and that they can train on the data set (training_check), then
 * queues and wakes a worker. The model becomes the next version of model_name (ERR_INVALID "bad_model_name"); NULL: it
 * is known by its id alone. */
enum status service_train(struct service *v, const char *dataset, const struct params *params, const char *model_name,
	char id[STORE_ID_SIZE], struct err *e);
enum status service_job_cancel(struct service *v, const char *id, enum job_state *state, struct err *e);

/* Jobs that were queued since: workers wait here. Returns at once when something was queued after ticket `seen`. */
uint64_t service_wait_for_work(struct service *v, uint64_t seen, unsigned milliseconds);
void service_wake_all(struct service *v);

/* A model in memory: acquired, used by any thread, released. `ref` is an id or a name (server/model_ref.h), here and
 * below. */
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

/* A slot to compute in: call around predictor, CSV and JSON predictions; holds the thread until one is free. */
void service_slot_take(struct service *v);
void service_slot_give(struct service *v);

#endif
