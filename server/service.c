/*
 * service: see service.h.
 *
 * Locks: the ticket of new work, the slots, the keys in use, the watches and the model cache have a mutex each; none is
 * held while another room is called, so there is no order to keep.
 */
#include "server/service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "schema/append.h"
#include "schema/profile.h"
#include "server/metrics.h"
#include "server/model_cache.h"
#include "server/model_ref.h"
#include "server/pipeline.h"
#include "server/report.h"
#include "server/spool.h"

enum { DEFAULT_MAX_MODELS = 32, DEFAULT_MAX_QUEUED = 1000, DEFAULT_MAX_WAITING = 256 };
enum { SHORT_SLOTS = 4 }; /* times the long ones: short work is often over before the processor is wanted by others */

struct service {
	struct store *store; /* borrowed */
	char *spool_dir;     /* owned; NULL: the system's */
	size_t max_queued;
	struct metrics *metrics; /* borrowed; NULL: none */
	struct service_table_limits tables;
	struct model_cache *models;
	struct watches *watches;

	pthread_mutex_t work_mutex; /* protects ticket */
	pthread_cond_t work;
	uint64_t ticket; /* grows with every piece of new work */

	pthread_mutex_t slot_mutex; /* protects free_slots */
	pthread_cond_t slot[N_SLOTS];
	size_t free_slots[N_SLOTS];

	pthread_mutex_t key_mutex; /* protects keys */
	struct key_in_use *keys;

	atomic_uint n_downloads;
};

/* The model as the store has it, at the revision it had (NULL: any). */
static enum status
read_model(struct service *v, const char *id, struct bundle **out, uint64_t *revision, struct err *e)
{
	struct buf bytes = {0};
	enum status s;

	if (!(s = store_model_bundle(v->store, id, &bytes, revision, e)) &&
		(s = bundle_read(bytes.data, bytes.len, out, e)))
		err_prefix(e, "model %s", id);
	buf_release(&bytes);
	return s;
}

static enum status
load_model(void *ctx, const char *id, struct bundle **out, struct err *e)
{
	struct service *v = ctx;
	enum status s = read_model(v, id, out, NULL, e);

	if (!s && (s = bundle_keep_predictors(*out, e))) {
		bundle_free(*out);
		*out = NULL;
	}
	if (!s && v->metrics)
		(*out)->tally = metrics_tally(v->metrics, id);
	return s;
}

enum status
service_new(struct store *store, const struct service_options *o, struct service **out, struct err *e)
{
	struct service *v = calloc(1, sizeof *v);
	const struct model_loader loader = {.load = load_model, .ctx = v};
	pthread_condattr_t monotonic;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	enum status s;

	if (!v)
		return err_nomem(e);
	pthread_mutex_init(&v->work_mutex, NULL);
	pthread_mutex_init(&v->slot_mutex, NULL);
	pthread_mutex_init(&v->key_mutex, NULL);
	for (size_t i = 0; i < N_SLOTS; i++)
		pthread_cond_init(&v->slot[i], NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&v->work, &monotonic);
	pthread_condattr_destroy(&monotonic);
	v->store = store;
	v->metrics = o->metrics;
	v->tables = o->tables;
	v->max_queued = o->max_queued ? o->max_queued : DEFAULT_MAX_QUEUED;
	v->free_slots[SLOT_LONG] = o->max_predictions ? o->max_predictions : cores > 0 ? (size_t)cores : 1;
	v->free_slots[SLOT_SHORT] = SHORT_SLOTS * v->free_slots[SLOT_LONG];
	if (o->spool_dir && !(v->spool_dir = strdup(o->spool_dir))) {
		s = err_nomem(e);
		goto out;
	}
	if ((s = model_cache_new(o->max_models ? o->max_models : DEFAULT_MAX_MODELS, loader, &v->models, e)) ||
		(s = watches_new(o->max_waiting ? o->max_waiting : DEFAULT_MAX_WAITING, &v->watches, e)))
		goto out;
	*out = v;
	v = NULL;
out:
	service_free(v);
	return s;
}

void
service_free(struct service *v)
{
	if (!v)
		return;
	model_cache_free(v->models);
	watches_free(v->watches);
	pthread_cond_destroy(&v->work);
	for (size_t i = 0; i < N_SLOTS; i++)
		pthread_cond_destroy(&v->slot[i]);
	pthread_mutex_destroy(&v->work_mutex);
	pthread_mutex_destroy(&v->slot_mutex);
	pthread_mutex_destroy(&v->key_mutex);
	free(v->spool_dir);
	free(v);
}

struct store *
service_store(struct service *v)
{
	return v->store;
}

size_t
service_max_queued(const struct service *v)
{
	return v->max_queued;
}

/* Uploads -------------------------------------------------------------------------------------------------------- */

struct upload {
	struct store_upload *stored;
	struct pipeline *pipeline; /* between the two: chunks are stored while the next are read */
	struct ingest *ingest;
	struct spool spool; /* the bytes so far: a column may turn out to be text when its numbers are stored already */
	const struct service_table_limits *limits; /* borrowed of the service */
	uint64_t n_before, n_rows;                 /* of the data set it is for; so far */

	/* Of rows for a data set that is there: */
	struct store *store;
	struct append *append; /* NULL: this is a new data set */
	char dataset[STORE_ID_SIZE];
	size_t version; /* that they must follow; 0: any */
};

static enum status
check_size(const struct service_table_limits *l, uint64_t n_rows, size_t n_columns, struct err *e)
{
	if (l->max_rows && n_rows > l->max_rows)
		return err_set(e, ERR_TOO_LARGE, "too_many_rows", "a data set has at most %llu rows here",
			(unsigned long long)l->max_rows);
	if (l->max_cells && n_columns && n_rows > l->max_cells / n_columns)
		return err_set(e, ERR_TOO_LARGE, "too_many_cells",
			"a data set has at most %llu cells here, which is %llu rows of its %zu columns",
			(unsigned long long)l->max_cells, (unsigned long long)(l->max_cells / n_columns), n_columns);
	return OK;
}

static enum status
store_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct upload *u = ctx;
	enum status s;

	u->n_rows += t->n_rows;
	s = check_size(u->limits, u->n_before + u->n_rows, t->n_columns, e);
	return s ? s : store_upload_chunk(u->stored, t, chunk_index, e);
}

static enum status
drop_chunks(void *ctx, struct err *e)
{
	struct upload *u = ctx;

	u->n_rows = 0;
	return store_upload_restart(u->stored, e);
}

enum status
service_upload_begin(
	struct service *v, const char *name, const struct ingest_options *options, struct upload **out, struct err *e)
{
	const char *label = options ? ingest_options_label(options) : NULL;
	struct upload *u = calloc(1, sizeof *u);
	const struct ingest_sink to_store = {.chunk = store_chunk, .restart = drop_chunks, .ctx = u};
	struct ingest_sink sink;
	enum status s;

	if (!u)
		return err_nomem(e);
	spool_init(&u->spool, v->spool_dir);
	u->limits = &v->tables;
	if ((s = pipeline_new(&to_store, &u->pipeline, e)))
		goto out;
	sink = pipeline_sink(u->pipeline);
	if ((s = ingest_new(options, &v->tables.csv, &sink, &u->ingest, e)) ||
		(s = store_upload_begin(v->store, name && *name ? name : "dataset", label, &u->stored, e)))
		goto out;
	*out = u;
	u = NULL;
out:
	service_upload_free(u);
	return s;
}

enum status
service_append_options(struct service *v, const char *dataset, struct ingest_options *out, struct err *e)
{
	struct dataset d = {0};
	enum status s;

	if ((s = store_dataset_get(v->store, dataset, &d, e)))
		return s;
	s = append_options(&d.summary, d.label_column, out, e);
	dataset_release(&d);
	return s;
}

static enum status
check_version(const struct dataset *d, size_t wanted, struct err *e)
{
	if (!wanted || wanted == d->version)
		return OK;
	return err_set(e, ERR_CONFLICT, "version_mismatch", "data set %s is at version %zu, not %zu", d->id, d->version,
		wanted);
}

enum status
service_append_begin(struct service *v, const char *dataset, size_t version, const struct ingest_options *options,
	struct upload **out, struct err *e)
{
	struct upload *u = calloc(1, sizeof *u);
	const struct ingest_sink to_store = {.chunk = store_chunk, .restart = drop_chunks, .ctx = u};
	struct dataset d = {0};
	struct ingest_sink mapped, sink;
	enum status s;

	if (!u)
		return err_nomem(e);
	spool_init(&u->spool, v->spool_dir);
	u->store = v->store;
	u->version = version;
	u->limits = &v->tables;
	if ((s = store_dataset_get(v->store, dataset, &d, e)) || (s = check_version(&d, version, e)) ||
		(s = append_new(&d.summary, &to_store, &u->append, e)))
		goto out;
	memcpy(u->dataset, d.id, sizeof u->dataset);
	u->n_before = d.summary.n_rows;
	mapped = append_sink(u->append);
	if ((s = pipeline_new(&mapped, &u->pipeline, e)))
		goto out;
	sink = pipeline_sink(u->pipeline);
	if ((s = ingest_new(options, &v->tables.csv, &sink, &u->ingest, e)) ||
		(s = store_upload_begin(v->store, NULL, NULL, &u->stored, e)))
		goto out;
	*out = u;
	u = NULL;
out:
	dataset_release(&d);
	service_upload_free(u);
	return s;
}

enum status
service_upload_feed(struct upload *u, const void *bytes, size_t n, struct err *e)
{
	enum status s = ingest_feed(u->ingest, bytes, n, e);

	return s ? s : spool_write(&u->spool, bytes, n, e);
}

static enum status
feed_again(struct upload *u, struct err *e)
{
	enum { PIECE = 1 << 18 };
	unsigned char *piece = malloc(PIECE);
	uint64_t at = 0;
	size_t got;
	enum status s;

	if (!piece)
		return err_nomem(e);
	if ((s = ingest_restart(u->ingest, e)))
		goto out;
	while (!(s = spool_read(&u->spool, at, piece, PIECE, &got, e)) && got) {
		if ((s = ingest_feed(u->ingest, piece, got, e)))
			goto out;
		at += got;
	}
out:
	free(piece);
	return s;
}

/* Old chunks are shown to the append until it has seen enough; *at: those that it has seen. */
static enum status
show_old_chunks(struct upload *u, const struct dataset *d, size_t *at, struct err *e)
{
	struct table t = {0};
	enum status s;

	if (!append_wants_old(u->append))
		return OK;
	if ((s = dataset_table(&d->summary, &t, e)))
		return s;
	for (; *at < d->n_chunks && append_wants_old(u->append) && !s; ++*at)
		if (!(s = store_dataset_chunk(u->store, u->dataset, *at, &t, e)))
			s = append_meet_old(u->append, &t, e);
	table_release(&t);
	return s;
}

/* The sum is made without holding anything, so another append may have come between: then it is made again. */
static enum status
finish_append(struct upload *u, struct err *e)
{
	const struct dataset_summary *part = ingest_summary(u->ingest);
	size_t n_shown = 0;
	enum status s;

	do {
		struct dataset_summary whole = {0};
		struct dataset d = {0};

		if ((s = store_dataset_get(u->store, u->dataset, &d, e)))
			return s;
		if (!(s = check_version(&d, u->version, e)) && !(s = show_old_chunks(u, &d, &n_shown, e)) &&
			!(s = append_sum(u->append, &d.summary, part, &whole, e)))
			s = store_upload_append(u->stored, u->dataset, d.version, part, &whole, e);
		dataset_summary_release(&whole);
		dataset_release(&d);
	} while (s == ERR_CONFLICT && !strcmp(e->code, "dataset_changed"));
	return s;
}

enum status
service_upload_finish(struct upload *u, char id[STORE_ID_SIZE], struct err *e)
{
	bool again;
	enum status s;

	while (!(s = ingest_finish(u->ingest, &again, e)) && again)
		if ((s = feed_again(u, e)))
			return s;
	if (s)
		return s;
	if ((s = pipeline_wait(u->pipeline, e)))
		return s;
	if (!u->append)
		return store_upload_finish(u->stored, ingest_summary(u->ingest), id, e);
	memcpy(id, u->dataset, sizeof u->dataset);
	return finish_append(u, e);
}

void
service_upload_free(struct upload *u)
{
	if (!u)
		return;
	pipeline_free(u->pipeline);
	if (u->stored)
		store_upload_free(u->stored);
	ingest_free(u->ingest);
	append_free(u->append);
	spool_release(&u->spool);
	free(u);
}

/* Data sets, read ------------------------------------------------------------------------------------------------- */

enum status
service_profile(struct service *v, const struct dataset *d, struct profile **out, struct err *e)
{
	struct profile *p = NULL;
	struct table t = {0};
	enum status s;

	if ((s = dataset_table(&d->summary, &t, e)) || (s = profile_new(&t, &p, e)))
		goto out;
	for (size_t i = 0; i < d->n_chunks; i++) {
		service_slot_take(v, SLOT_LONG);
		if (!(s = store_dataset_chunk(v->store, d->id, i, &t, e)))
			s = profile_add(p, &t, e);
		service_slot_give(v, SLOT_LONG);
		if (s)
			goto out;
	}
	*out = p;
	p = NULL;
out:
	profile_free(p);
	table_release(&t);
	return s;
}

enum status
service_download_begin(struct service *v, struct err *e)
{
	if (atomic_fetch_add(&v->n_downloads, 1) < MAX_DOWNLOADS)
		return OK;
	service_download_end(v);
	return err_set(
		e, ERR_BUSY, "too_many_downloads", "%d data sets are being downloaded: try again later", MAX_DOWNLOADS);
}

void
service_download_end(struct service *v)
{
	atomic_fetch_sub(&v->n_downloads, 1);
}

/* Jobs ----------------------------------------------------------------------------------------------------------- */

struct watches *
service_watches(struct service *v)
{
	return v->watches;
}

void
service_job_changed(struct service *v, const char *id)
{
	watches_ring(v->watches, id);
}

bool
service_key_begin(struct service *v, struct key_in_use *k, const char *text)
{
	struct key_in_use *other;

	k->text = text;
	pthread_mutex_lock(&v->key_mutex);
	for (other = v->keys; other && strcmp(other->text, text); other = other->next)
		;
	if (!other) {
		k->next = v->keys;
		v->keys = k;
	}
	pthread_mutex_unlock(&v->key_mutex);
	return !other;
}

void
service_key_end(struct service *v, struct key_in_use *k)
{
	struct key_in_use **at = &v->keys;

	pthread_mutex_lock(&v->key_mutex);
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	pthread_mutex_unlock(&v->key_mutex);
}

uint64_t
service_wait_for_work(struct service *v, uint64_t seen, unsigned milliseconds)
{
	struct timespec until;
	uint64_t ticket;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += milliseconds / 1000;
	until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&v->work_mutex);
	while (v->ticket == seen)
		if (pthread_cond_timedwait(&v->work, &v->work_mutex, &until))
			break;
	ticket = v->ticket;
	pthread_mutex_unlock(&v->work_mutex);
	return ticket;
}

void
service_wake_all(struct service *v)
{
	pthread_mutex_lock(&v->work_mutex);
	v->ticket++;
	pthread_cond_broadcast(&v->work);
	pthread_mutex_unlock(&v->work_mutex);
}

/* Models --------------------------------------------------------------------------------------------------------- */

enum status
service_model_acquire(struct service *v, const char *ref, struct loaded_model **out, struct err *e)
{
	char id[STORE_ID_SIZE];
	enum status s;

	if (!strncmp(ref, "mdl_", 4)) /* what is loaded is there: no need to ask the store */
		return model_cache_acquire(v->models, ref, out, e);
	s = store_model_resolve(v->store, ref, id, e);
	return s ? s : model_cache_acquire(v->models, id, out, e);
}

const struct bundle *
loaded_bundle(const struct loaded_model *m)
{
	return model_cache_bundle(m);
}

void
service_model_release(struct service *v, struct loaded_model *m)
{
	model_cache_release(v->models, m);
}

enum status
service_model_delete(struct service *v, const char *ref, struct err *e)
{
	char id[STORE_ID_SIZE];
	enum status s;

	if ((s = store_model_resolve(v->store, ref, id, e)) || (s = store_model_delete(v->store, ref, e)))
		return s;
	model_cache_forget(v->models, id);
	return OK;
}

/* The report says of the thresholds what the model has. */
static enum status
refresh_report(struct bundle *b, struct err *e)
{
	char *fresh;
	enum status s = report_set_thresholds(b->report, b->model, &fresh, e);

	if (s)
		return s;
	free(b->report);
	b->report = fresh;
	return OK;
}

enum status
service_model_threshold(struct service *v, const char *ref, double fpr, const double *value, struct err *e)
{
	enum { TRIES = 5 }; /* against others who change the same model at the same time */
	char id[STORE_ID_SIZE];
	enum status s = store_model_resolve(v->store, ref, id, e);

	for (int tries = 0; !s && tries < TRIES; tries++) {
		struct bundle *b = NULL;
		struct buf bytes = {0};
		uint64_t revision = 0;

		if ((s = read_model(v, id, &b, &revision, e)))
			break;
		if (value)
			model_set_threshold(b->model, *value);
		else
			s = model_set_fpr(b->model, fpr, e);
		if (!s && !(s = refresh_report(b, e)) && !(s = bundle_write(b, &bytes, e)))
			s = store_model_revise(v->store, id, revision, b->report, bytes.data, bytes.len, e);
		bundle_free(b);
		buf_release(&bytes);
		if (!s) {
			model_cache_forget(v->models, id);
			return OK;
		}
		if (!strcmp(e->code, "model_changed") && tries + 1 < TRIES)
			s = OK;
	}
	return s;
}

enum status
service_model_export(struct service *v, const char *ref, enum export_format format, struct buf *out, struct err *e)
{
	struct bundle *b = NULL;
	char id[STORE_ID_SIZE];
	enum status s;

	if ((s = store_model_resolve(v->store, ref, id, e)) || (s = read_model(v, id, &b, NULL, e)))
		return s;
	service_slot_take(v, SLOT_LONG);
	s = export_write(b, format, EXPORT_MAX_BYTES, out, e);
	service_slot_give(v, SLOT_LONG);
	bundle_free(b);
	return s;
}

enum status
service_model_import(
	struct service *v, const char *name, const void *bytes, size_t n, char id[STORE_ID_SIZE], struct err *e)
{
	struct bundle *b = NULL;
	struct buf clean = {0};
	enum status s;

	if (name && (s = model_name_check(name, e)))
		return s;
	s = bundle_read(bytes, n, &b, e);
	if (s == ERR_CORRUPT || s == ERR_CONFLICT) /* the caller's bytes, not ours */
		s = e->status = ERR_DATA;
	if (s || (s = report_check(b->report, e)) || (s = refresh_report(b, e)) || (s = bundle_write(b, &clean, e)))
		goto out;
	s = store_model_add(v->store, name, "", b->report, clean.data, clean.len, id, e);
out:
	bundle_free(b);
	buf_release(&clean);
	return s;
}

void
service_models_loaded(struct service *v, size_t *n_models, uint64_t *n_loads)
{
	struct model_cache_counts counts = model_cache_counts(v->models);

	*n_models = counts.n_models;
	*n_loads = counts.n_loads;
}

void
service_slot_take(struct service *v, enum slot kind)
{
	pthread_mutex_lock(&v->slot_mutex);
	while (!v->free_slots[kind])
		pthread_cond_wait(&v->slot[kind], &v->slot_mutex);
	v->free_slots[kind]--;
	pthread_mutex_unlock(&v->slot_mutex);
}

void
service_slot_give(struct service *v, enum slot kind)
{
	pthread_mutex_lock(&v->slot_mutex);
	v->free_slots[kind]++;
	pthread_cond_signal(&v->slot[kind]);
	pthread_mutex_unlock(&v->slot_mutex);
}
