/* Tests of server/service and its cache of models, and of server/jobs: over a real store in a temporary directory. */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "server/api_private.h"
#include "server/jobs.h"
#include "server/log.h"
#include "server/model_cache.h"
#include "server/service.h"
#include "server/spool.h"
#include "tests/support/scratch.h"

struct world {
	char dir[SCRATCH_SIZE];
	struct store *store;
	struct service *service;
};

static void
open_world(struct world *w)
{
	const struct service_options o = {.spool_dir = w->dir, .max_models = 2, .max_predictions = 1, .max_queued = 3};
	struct err e = {0};

	assert_int_equal(store_open(w->dir, &w->store, &e), OK);
	assert_int_equal(service_new(w->store, &o, &w->service, &e), OK);
}

static void
close_world(struct world *w)
{
	service_free(w->service);
	store_close(w->store);
}

static int
make_world(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_true(scratch_make(w->dir));
	open_world(w);
	*state = w;
	return 0;
}

static int
drop_world(void **state)
{
	struct world *w = *state;

	close_world(w);
	scratch_remove(w->dir);
	free(w);
	return 0;
}

/* Uploads ---------------------------------------------------------------------------------------------------------- */

static enum status
upload(struct world *w, const struct buf *csv, size_t piece, char id[STORE_ID_SIZE], struct err *e)
{
	struct upload *u = NULL;
	char kind[] = "kind";
	const struct ingest_options options = {.label_column = kind};
	enum status s = service_upload_begin(w->service, "fruit", &options, &u, e);

	for (size_t at = 0; at < csv->len && !s; at += piece)
		s = service_upload_feed(u, csv->data + at, csv->len - at < piece ? csv->len - at : piece, e);
	if (!s)
		s = service_upload_finish(u, id, e);
	service_upload_free(u);
	return s;
}

static void
put_clouds(struct buf *csv, size_t n_rows, size_t n_labelled)
{
	buf_puts(csv, "x,y,kind\n");
	for (size_t i = 0; i < n_rows; i++)
		buf_printf(csv, "%g,%g,%s\n", (double)(i % 2) * 3 + (double)(i * 7 % 11) / 11,
			(double)(i * 5 % 13) / 13,
			i >= n_labelled ? ""
			: i % 2         ? "fig"
					: "pear");
}

static void
upload_clouds(struct world *w, char id[STORE_ID_SIZE])
{
	struct buf csv = {0};
	struct err e = {0};

	put_clouds(&csv, 80, 20);
	assert_int_equal(upload(w, &csv, 100, id, &e), OK);
	buf_release(&csv);
}

static void
an_upload_becomes_a_data_set(void **state)
{
	struct world *w = *state;
	struct dataset d = {0};
	char id[STORE_ID_SIZE];
	struct err e = {0};

	upload_clouds(w, id);
	assert_int_equal(store_dataset_get(w->store, id, &d, &e), OK);
	assert_string_equal(d.name, "fruit");
	assert_string_equal(d.label_column, "kind");
	assert_int_equal(d.summary.n_rows, 80);
	assert_int_equal(d.summary.n_labelled, 20);
	assert_int_equal(d.summary.n_classes, 2);
	dataset_release(&d);
}

static size_t
count_datasets(struct world *w)
{
	struct dataset *list = NULL;
	struct err e = {0};
	size_t n = 0;

	assert_int_equal(store_dataset_list(w->store, NULL, 100, &list, &n, &e), OK);
	for (size_t i = 0; i < n; i++)
		dataset_release(&list[i]);
	free(list);
	return n;
}

static void
an_upload_that_fails_or_stops_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct upload *u = NULL;
	struct buf csv = {0};
	char id[STORE_ID_SIZE];
	struct err e = {0};

	buf_puts(&csv, "x,kind\n1,a\n2\n");
	assert_int_equal(upload(w, &csv, 4, id, &e), ERR_DATA);
	assert_string_equal(e.code, "ragged_row");
	assert_int_equal(e.line, 3);
	assert_int_equal(service_upload_begin(w->service, NULL, NULL, &u, &e), OK);
	assert_int_equal(service_upload_feed(u, "x,y\n1,2\n", 8, &e), OK);
	service_upload_free(u); /* the client went away */
	assert_int_equal(count_datasets(w), 0);
	buf_release(&csv);
}

static void
a_column_that_turns_to_text_after_its_numbers_are_stored_is_read_again(void **state)
{
	enum { ROWS = INGEST_CHUNK_ROWS + 1000 };
	struct world *w = *state;
	const char *names[] = {"x", "y", "kind"};
	const enum column_type types[] = {COLUMN_TEXT, COLUMN_NUMBER, COLUMN_TEXT};
	struct dataset d = {0};
	struct table t = {0};
	struct buf csv = {0};
	char id[STORE_ID_SIZE];
	struct err e = {0};

	put_clouds(&csv, ROWS, 20);
	buf_puts(&csv, "none,3,\n");
	/* over the spool's memory, so that its file is used as well */
	for (size_t i = 0; csv.len < SPOOL_MEMORY + (1 << 18); i++)
		buf_printf(&csv, "%zu,%zu,\n", i, i % 7);
	assert_int_equal(upload(w, &csv, 65536, id, &e), OK);
	assert_int_equal(store_dataset_get(w->store, id, &d, &e), OK);
	assert_int_equal(d.summary.column[0].type, COLUMN_TEXT);
	assert_int_equal(table_init(&t, names, types, 3, &e), OK);
	assert_int_equal(store_dataset_chunk(w->store, id, 0, &t, &e), OK);
	assert_string_equal(t.column[0].dictionary.text[t.column[0].code[1]], "3.63636"); /* exactly as it came */
	table_release(&t);
	dataset_release(&d);
	buf_release(&csv);
}

/* Jobs ------------------------------------------------------------------------------------------------------------- */

static struct params
quick(size_t steps)
{
	struct params p;

	params_defaults(&p);
	p.steps = steps;
	p.hidden_layers = (struct layer_sizes){.n = 1, .size = {8}};
	p.generator_layers = (struct layer_sizes){.n = 1, .size = {8}};
	p.noise_dim = 2;
	p.importance_samples = 2;
	p.evaluation_folds = 2;
	return p;
}

static void
nap(void)
{
	const struct timespec t = {.tv_nsec = 5000000};

	nanosleep(&t, NULL);
}

static bool
ended(enum job_state s)
{
	return s == JOB_SUCCEEDED || s == JOB_FAILED || s == JOB_CANCELLED;
}

/* Waits until the job has ended, or, with `begun`, until its steps have begun. The test runner has the deadline. */
static void
wait_for(struct world *w, const char *id, bool begun, struct job *job)
{
	struct err e = {0};

	for (;;) {
		assert_int_equal(store_job_get(w->store, id, job, &e), OK);
		if (ended(job->state) || (begun && job->steps))
			return;
		job_release(job);
		nap();
	}
}

static bool
has_event(struct world *w, const char *id, const char *code)
{
	struct job_event *list = NULL;
	struct err e = {0};
	bool found = false;
	size_t n = 0;

	assert_int_equal(store_event_list(w->store, id, 0, 1000, &list, &n, &e), OK);
	for (size_t i = 0; i < n; i++) {
		found = found || strcmp(list[i].code, code) == 0;
		job_event_release(&list[i]);
	}
	free(list);
	return found;
}

static struct jobs *
start_jobs(struct world *w, unsigned n)
{
	struct jobs *j = NULL;
	struct err e = {0};

	assert_int_equal(jobs_start(w->service, n, &j, &e), OK);
	assert_true(jobs_alive(j));
	return j;
}

static enum status
train(struct service *v, const char *dataset, const struct params *p, char id[STORE_ID_SIZE], struct err *e)
{
	return service_job_create(v, &(struct job_request){.type = JOB_TRAIN, .dataset = dataset, .params = *p}, id, e);
}

static void
a_queued_job_is_taken_up_and_becomes_a_model(void **state)
{
	struct world *w = *state;
	struct params p = quick(20);
	struct jobs *jobs = start_jobs(w, 2);
	struct loaded_model *m = NULL;
	struct model_record record = {0};
	struct job job = {0};
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE];
	struct err e = {0};
	cJSON *metrics, *summary;

	upload_clouds(w, dataset);
	assert_int_equal(train(w->service, dataset, &p, id, &e), OK);
	wait_for(w, id, false, &job);
	assert_int_equal(job.state, JOB_SUCCEEDED);
	assert_int_equal(job.step, job.steps);
	assert_non_null(job.model);
	assert_non_null(metrics = cJSON_Parse(job.metrics));
	assert_true(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(metrics, "accuracy")));
	assert_true(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(metrics, "baseline_accuracy")));
	assert_true(has_event(w, id, "started"));
	assert_true(has_event(w, id, "progress"));
	assert_true(has_event(w, id, "measured"));
	assert_true(has_event(w, id, "succeeded"));

	assert_int_equal(store_model_get(w->store, job.model, &record, &e), OK);
	assert_string_equal(record.dataset_name, "fruit");
	assert_non_null(summary = cJSON_Parse(record.summary));
	assert_int_equal(service_model_acquire(w->service, job.model, &m, &e), OK);
	assert_string_equal(loaded_bundle(m)->label[0], "fig");
	assert_string_equal(loaded_bundle(m)->report, record.summary);
	service_model_release(w->service, m);
	assert_int_equal(service_model_delete(w->service, job.model, &e), OK);
	assert_int_equal(service_model_acquire(w->service, job.model, &m, &e), ERR_NOT_FOUND);

	cJSON_Delete(metrics);
	cJSON_Delete(summary);
	model_record_release(&record);
	job_release(&job);
	jobs_stop(jobs);
}

static void
what_cannot_train_is_refused_before_it_is_queued(void **state)
{
	struct world *w = *state;
	struct params p = quick(20);
	struct buf csv = {0};
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE];
	struct err e = {0};

	buf_puts(&csv, "x,kind\n1,a\n2,a\n3,\n4,\n5,a\n");
	assert_int_equal(upload(w, &csv, 100, dataset, &e), OK);
	assert_int_equal(train(w->service, dataset, &p, id, &e), ERR_DATA);
	assert_string_equal(e.code, "one_class");
	assert_int_equal(train(w->service, "ds_aaaaaaaaaaaaaaaaaaaa", &p, id, &e), ERR_NOT_FOUND);
	buf_release(&csv);
}

static void
the_queue_has_an_end(void **state)
{
	struct world *w = *state;
	struct params p = quick(20);
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE];
	struct err e = {0};

	upload_clouds(w, dataset);
	for (int i = 0; i < 3; i++)
		assert_int_equal(train(w->service, dataset, &p, id, &e), OK);
	assert_int_equal(train(w->service, dataset, &p, id, &e), ERR_BUSY);
	assert_string_equal(e.code, "queue_full");
}

static void
a_job_that_fails_says_why_and_its_worker_goes_on(void **state)
{
	struct world *w = *state;
	struct params p = quick(20);
	struct jobs *jobs = start_jobs(w, 1);
	struct job job = {0};
	struct buf csv = {0};
	char dataset[STORE_ID_SIZE], bad[STORE_ID_SIZE], good[STORE_ID_SIZE];
	struct err e = {0};

	buf_puts(&csv, "x,kind\n1,a\n1,a\n1,b\n1,b\n1,\n1,\n"); /* nothing varies */
	assert_int_equal(upload(w, &csv, 100, dataset, &e), OK);
	assert_int_equal(train(w->service, dataset, &p, bad, &e), OK);
	upload_clouds(w, dataset);
	assert_int_equal(train(w->service, dataset, &p, good, &e), OK);
	wait_for(w, bad, false, &job);
	assert_int_equal(job.state, JOB_FAILED);
	assert_string_equal(job.error_code, "no_features");
	assert_null(job.model);
	job_release(&job);
	wait_for(w, good, false, &job);
	assert_int_equal(job.state, JOB_SUCCEEDED);
	job_release(&job);
	assert_true(jobs_alive(jobs));
	jobs_stop(jobs);
	buf_release(&csv);
}

static void
a_running_job_can_be_cancelled(void **state)
{
	struct world *w = *state;
	struct params p = quick(10000000);
	struct jobs *jobs = start_jobs(w, 1);
	enum job_state was, now;
	struct job job = {0};
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE];
	struct err e = {0};

	upload_clouds(w, dataset);
	assert_int_equal(train(w->service, dataset, &p, id, &e), OK);
	wait_for(w, id, true, &job);
	job_release(&job);
	assert_int_equal(service_job_cancel(w->service, id, &was, &now, &e), OK);
	assert_int_equal(now, JOB_CANCELLING);
	wait_for(w, id, false, &job);
	assert_int_equal(job.state, JOB_CANCELLED);
	assert_true(has_event(w, id, "cancelled"));
	job_release(&job);
	jobs_stop(jobs);
}

static void
read_bundle(struct world *w, const char *job_id, struct buf *bytes)
{
	struct job job = {0};
	struct err e = {0};

	wait_for(w, job_id, false, &job);
	assert_int_equal(job.state, JOB_SUCCEEDED);
	assert_int_equal(store_model_bundle(w->store, job.model, bytes, NULL, &e), OK);
	job_release(&job);
}

static void
a_job_interrupted_by_a_stop_goes_on_and_ends_in_the_same_model(void **state)
{
	struct world *w = *state;
	struct params p = quick(1500);
	struct jobs *jobs = start_jobs(w, 1);
	struct buf straight = {0}, resumed = {0};
	struct job job = {0};
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE], again[STORE_ID_SIZE];
	struct err e = {0};

	upload_clouds(w, dataset);
	assert_int_equal(train(w->service, dataset, &p, id, &e), OK);
	read_bundle(w, id, &straight);

	assert_int_equal(train(w->service, dataset, &p, again, &e), OK);
	wait_for(w, again, true, &job);
	job_release(&job);
	jobs_drain(jobs);
	assert_false(jobs_alive(jobs));
	jobs_stop(jobs);
	assert_int_equal(store_job_get(w->store, again, &job, &e), OK);
	assert_int_equal(job.state, JOB_QUEUED);
	job_release(&job);
	close_world(w);
	open_world(w);
	jobs = start_jobs(w, 1);
	read_bundle(w, again, &resumed);
	assert_true(has_event(w, again, "requeued"));
	assert_true(has_event(w, again, "resumed_from_checkpoint"));
	assert_int_equal(straight.len, resumed.len);
	assert_memory_equal(straight.data, resumed.data, straight.len);
	jobs_stop(jobs);
	buf_release(&straight);
	buf_release(&resumed);
}

static void
a_job_whose_checkpoint_is_damaged_starts_over(void **state)
{
	struct world *w = *state;
	struct params p = quick(20);
	struct jobs *jobs;
	struct job job = {0};
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE];
	struct err e = {0};
	bool found;

	upload_clouds(w, dataset);
	assert_int_equal(train(w->service, dataset, &p, id, &e), OK);
	assert_int_equal(store_job_claim(w->store, &job, &found, &e), OK);
	assert_true(found);
	assert_int_equal(store_checkpoint_put(w->store, id, "no such state", 13, &e), OK);
	assert_int_equal(store_job_requeue(w->store, id, &e), OK);
	job_release(&job);
	jobs = start_jobs(w, 1);
	wait_for(w, id, false, &job);
	assert_int_equal(job.state, JOB_SUCCEEDED);
	assert_true(has_event(w, id, "checkpoint_unusable"));
	job_release(&job);
	jobs_stop(jobs);
}

static void
a_job_that_keeps_killing_the_daemon_is_given_up(void **state)
{
	struct world *w = *state;
	struct params p = quick(20);
	struct jobs *jobs;
	struct job job = {0};
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE];
	struct err e = {0};
	bool found;

	upload_clouds(w, dataset);
	assert_int_equal(train(w->service, dataset, &p, id, &e), OK);
	for (int i = 0; i < 5; i++) { /* claimed, and never ended: as a crash leaves it */
		assert_int_equal(store_job_claim(w->store, &job, &found, &e), OK);
		assert_true(found);
		job_release(&job);
		close_world(w);
		open_world(w);
	}
	jobs = start_jobs(w, 1);
	wait_for(w, id, false, &job);
	assert_int_equal(job.state, JOB_FAILED);
	assert_string_equal(job.error_code, "too_many_attempts");
	job_release(&job);
	jobs_stop(jobs);
}

static void
waiting_for_work_ends_with_new_work_and_misses_none(void **state)
{
	struct world *w = *state;
	uint64_t ticket = service_wait_for_work(w->service, 0, 0);

	assert_int_equal(service_wait_for_work(w->service, ticket, 1), ticket); /* nothing came */
	service_wake_all(w->service);
	assert_int_not_equal(service_wait_for_work(w->service, ticket, 3600000), ticket); /* came before the call */
}

/* Slots ------------------------------------------------------------------------------------------------------------ */

struct slot_user {
	struct service *service;
	enum slot kind;
	atomic_int *inside, *most;
};

static void *
use_slot(void *ctx)
{
	struct slot_user *u = ctx;

	for (int i = 0; i < 50; i++) {
		int n;

		service_slot_take(u->service, u->kind);
		n = atomic_fetch_add(u->inside, 1) + 1;
		if (n > atomic_load(u->most))
			atomic_store(u->most, n);
		atomic_fetch_sub(u->inside, 1);
		service_slot_give(u->service, u->kind);
	}
	return NULL;
}

static void
no_more_threads_predict_than_there_are_slots(void **state)
{
	struct world *w = *state;
	atomic_int inside = 0, most = 0;
	struct slot_user user = {w->service, SLOT_LONG, &inside, &most};
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use_slot, &user), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&most), 1);
}

static void
short_work_does_not_wait_for_long_work(void **state)
{
	struct world *w = *state;
	atomic_int inside = 0, most = 0;
	struct slot_user user = {w->service, SLOT_SHORT, &inside, &most};

	service_slot_take(w->service, SLOT_LONG); /* all of them */
	use_slot(&user);
	service_slot_give(w->service, SLOT_LONG);
	assert_int_equal(atomic_load(&most), 1);
}

/* The cache of models ---------------------------------------------------------------------------------------------- */

struct loads {
	atomic_int n;
	atomic_bool hold; /* loading does not end before this is false */
	bool fail;
};

static enum status
load(void *ctx, const char *id, struct bundle **out, struct err *e)
{
	struct loads *l = ctx;

	atomic_fetch_add(&l->n, 1);
	while (atomic_load(&l->hold))
		nap();
	if (l->fail)
		return err_set(e, ERR_CORRUPT, "corrupt_model", "no model at all");
	*out = calloc(1, sizeof **out);
	(*out)->label_column = strdup(id);
	return OK;
}

static struct model_cache *
new_cache(struct loads *l, size_t max)
{
	struct model_cache *c = NULL;
	struct err e = {0};

	assert_int_equal(model_cache_new(max, (struct model_loader){.load = load, .ctx = l}, &c, &e), OK);
	return c;
}

static struct loaded_model *
acquire(struct model_cache *c, const char *id)
{
	struct loaded_model *m = NULL;
	struct err e = {0};

	assert_int_equal(model_cache_acquire(c, id, &m, &e), OK);
	assert_string_equal(model_cache_bundle(m)->label_column, id);
	return m;
}

/* A row's attributions take a hundred times as long as its answer. */
static void
no_short_slot_is_for_attributions_however_they_are_asked_for(void **state)
{
	static const char plain[] = "{\"inputs\":[{\"name\":\"x\",\"data\":[1]}]}",
			  tensor[] = "{\"inputs\":[],\"outputs\":[{\"name\":\"ood_attribution\"}]}",
			  mlflow[] = "{\"inputs\":[[1]],\"params\":{\"include\":[\"attributions\"]}}";

	(void)state;
	assert_int_equal(api_slot(100, false), SLOT_SHORT);
	assert_int_equal(api_slot(SLOT_SHORT_BYTES + 1, false), SLOT_LONG);
	assert_int_equal(api_slot(100, true), SLOT_LONG);
	assert_false(api_names_attributions(NULL, 0));
	assert_false(api_names_attributions(plain, sizeof plain - 1));
	assert_true(api_names_attributions(tensor, sizeof tensor - 1));
	assert_true(api_names_attributions(mlflow, sizeof mlflow - 1));
}

static void
the_least_recently_used_model_goes_first(void **state)
{
	struct loads loads = {0};
	struct model_cache *c = new_cache(&loads, 2);

	(void)state;
	model_cache_release(c, acquire(c, "a"));
	model_cache_release(c, acquire(c, "b"));
	model_cache_release(c, acquire(c, "a"));
	assert_int_equal(atomic_load(&loads.n), 2);
	assert_int_equal(model_cache_counts(c).n_models, 2);
	assert_int_equal(model_cache_counts(c).n_loads, 2);
	model_cache_release(c, acquire(c, "c")); /* b goes */
	model_cache_release(c, acquire(c, "a"));
	assert_int_equal(atomic_load(&loads.n), 3);
	model_cache_release(c, acquire(c, "b"));
	assert_int_equal(atomic_load(&loads.n), 4);
	model_cache_free(c);
}

static void
a_model_in_use_outlives_eviction_and_removal(void **state)
{
	struct loads loads = {0};
	struct model_cache *c = new_cache(&loads, 1);
	struct loaded_model *a = acquire(c, "a"), *b = acquire(c, "b"), *again;

	(void)state;
	model_cache_forget(c, "b");
	assert_string_equal(model_cache_bundle(a)->label_column, "a");
	assert_string_equal(model_cache_bundle(b)->label_column, "b");
	again = acquire(c, "b"); /* forgotten: loaded anew */
	assert_ptr_not_equal(again, b);
	assert_int_equal(atomic_load(&loads.n), 3);
	model_cache_release(c, a);
	model_cache_release(c, b);
	model_cache_release(c, again);
	model_cache_free(c);
}

struct asker {
	struct model_cache *cache;
	struct loaded_model *model;
	enum status status;
};

static void *
ask(void *ctx)
{
	struct asker *a = ctx;
	struct err e = {0};

	a->status = model_cache_acquire(a->cache, "a", &a->model, &e);
	return NULL;
}

static void
ask_at_once(struct loads *loads, struct model_cache *c, struct asker asker[3])
{
	pthread_t thread[3];

	atomic_store(&loads->hold, true);
	for (int i = 0; i < 3; i++) {
		asker[i] = (struct asker){.cache = c};
		assert_int_equal(pthread_create(&thread[i], NULL, ask, &asker[i]), 0);
	}
	while (!atomic_load(&loads->n))
		nap();
	for (int i = 0; i < 10; i++)
		nap(); /* let the others come to wait; the test holds without, but tests less */
	atomic_store(&loads->hold, false);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
}

static void
threads_that_ask_for_the_same_model_load_it_once(void **state)
{
	struct loads loads = {0};
	struct model_cache *c = new_cache(&loads, 4);
	struct asker asker[3];

	(void)state;
	ask_at_once(&loads, c, asker);
	assert_int_equal(atomic_load(&loads.n), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(asker[i].status, OK);
		assert_ptr_equal(asker[i].model, asker[0].model);
		model_cache_release(c, asker[i].model);
	}
	model_cache_free(c);
}

static void
a_failure_to_load_is_told_to_all_and_not_remembered(void **state)
{
	struct loads loads = {.fail = true};
	struct model_cache *c = new_cache(&loads, 4);
	struct asker asker[3];

	(void)state;
	ask_at_once(&loads, c, asker);
	for (int i = 0; i < 3; i++)
		assert_int_equal(asker[i].status, ERR_CORRUPT);
	loads.fail = false;
	model_cache_release(c, acquire(c, "a"));
	model_cache_free(c);
}

/* The spool -------------------------------------------------------------------------------------------------------- */

static void
a_spool_gives_back_what_it_took_in_memory_and_on_disk(void **state)
{
	const size_t sizes[] = {0, 1000, SPOOL_MEMORY, SPOOL_MEMORY + 1, 2 * SPOOL_MEMORY + 77};
	struct world *w = *state;
	unsigned char *bytes = malloc(3 * SPOOL_MEMORY), *back = malloc(3 * SPOOL_MEMORY);

	for (size_t i = 0; i < 3 * SPOOL_MEMORY; i++)
		bytes[i] = (unsigned char)(i * 31 + (i >> 8));
	for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
		struct spool s;
		struct err e = {0};
		size_t n = 0, got;

		spool_init(&s, w->dir);
		for (size_t at = 0; at < sizes[k]; at += 100000)
			assert_int_equal(
				spool_write(&s, bytes + at, sizes[k] - at < 100000 ? sizes[k] - at : 100000, &e), OK);
		while (!spool_read(&s, n, back + n, 70000, &got, &e) && got)
			n += got;
		assert_int_equal(n, sizes[k]);
		assert_true(memcmp(back, bytes, n) == 0);
		spool_release(&s);
	}
	free(bytes);
	free(back);
}

static void
a_spool_without_room_says_so(void **state)
{
	struct rlimit before, limit;
	unsigned char *bytes = calloc(1, SPOOL_MEMORY);
	struct world *w = *state;
	enum status status = OK;
	char missing[96];
	struct err e = {0};
	struct spool s;
	size_t got;

	snprintf(missing, sizeof missing, "%s/nowhere", w->dir);
	spool_init(&s, missing);
	assert_int_equal(spool_write(&s, bytes, SPOOL_MEMORY, &e), OK); /* in memory */
	assert_int_equal(spool_write(&s, bytes, 1, &e), ERR_IO);
	assert_string_equal(e.code, "spool_failed");
	spool_release(&s);

	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = SPOOL_MEMORY + SPOOL_MEMORY / 2;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	spool_init(&s, w->dir);
	for (size_t i = 0; i < 5 && !status; i++)
		status = spool_write(&s, bytes, SPOOL_MEMORY, &e);
	if (!status)
		status = spool_read(&s, 0, bytes, 1, &got, &e);
	spool_release(&s);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(status, ERR_FULL);
	assert_string_equal(e.code, "disk_full");
	free(bytes);
}

static int
set_up(void **state)
{
	struct err e = {0};

	(void)state;
	log_setup(LOG_ERROR, LOG_TEXT);
	return kernel_init(&e);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, drop_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(an_upload_becomes_a_data_set),
		IN_WORLD(an_upload_that_fails_or_stops_leaves_nothing),
		IN_WORLD(a_column_that_turns_to_text_after_its_numbers_are_stored_is_read_again),
		IN_WORLD(a_queued_job_is_taken_up_and_becomes_a_model),
		IN_WORLD(what_cannot_train_is_refused_before_it_is_queued),
		IN_WORLD(the_queue_has_an_end),
		IN_WORLD(a_job_that_fails_says_why_and_its_worker_goes_on),
		IN_WORLD(a_running_job_can_be_cancelled),
		IN_WORLD(a_job_interrupted_by_a_stop_goes_on_and_ends_in_the_same_model),
		IN_WORLD(a_job_whose_checkpoint_is_damaged_starts_over),
		IN_WORLD(a_job_that_keeps_killing_the_daemon_is_given_up),
		IN_WORLD(waiting_for_work_ends_with_new_work_and_misses_none),
		IN_WORLD(no_more_threads_predict_than_there_are_slots),
		IN_WORLD(short_work_does_not_wait_for_long_work),
		cmocka_unit_test(no_short_slot_is_for_attributions_however_they_are_asked_for),
		cmocka_unit_test(the_least_recently_used_model_goes_first),
		cmocka_unit_test(a_model_in_use_outlives_eviction_and_removal),
		cmocka_unit_test(threads_that_ask_for_the_same_model_load_it_once),
		cmocka_unit_test(a_failure_to_load_is_told_to_all_and_not_remembered),
		IN_WORLD(a_spool_gives_back_what_it_took_in_memory_and_on_disk),
		IN_WORLD(a_spool_without_room_says_so),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
