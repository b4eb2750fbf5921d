/* service_jobs: the use cases of jobs; see service.h. */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "schema/params_json.h"
#include "server/estimate.h"
#include "server/evaluation.h"
#include "server/jobs.h"
#include "server/json.h"
#include "server/json_build.h"
#include "server/model_ref.h"
#include "server/monotonic.h"
#include "server/service.h"
#include "server/training.h"

const char *const job_type_names[N_JOB_TYPES + 1] = {"train", "evaluate", "batch_predict", NULL};

/* What a request is checked with, and its estimate made of. */
struct checked {
	struct dataset dataset, test; /* test: zeroed where there is none */
	struct loaded_model *model;   /* NULL for train */
	char model_id[STORE_ID_SIZE];
};

static void
checked_release(struct service *v, struct checked *c)
{
	service_model_release(v, c->model);
	dataset_release(&c->dataset);
	dataset_release(&c->test);
}

/* The predictor's own errors say more of a name that is missing. */
static enum status
check_columns(const struct dataset_summary *s, const struct bundle *b, struct err *e)
{
	const char **names = calloc(s->n_columns, sizeof *names);
	struct predictor *p = NULL;
	enum status status;

	if (!names)
		return err_nomem(e);
	for (size_t i = 0; i < s->n_columns; i++)
		names[i] = s->column[i].name;
	if (!(status = predictor_new(b, &p, e)) && !(status = predictor_columns(p, names, s->n_columns, e)))
		status = evaluation_check_columns(s, b->encoder, &b->reading, e);
	predictor_free(p);
	free(names);
	return status;
}

static enum status
check_test(struct service *v, const struct job_request *q, struct checked *c, struct err *e)
{
	const struct dataset_summary seen = training_view(&c->dataset.summary, &q->params);
	enum status s;

	if (!strcmp(q->test_dataset, q->dataset))
		return err_set(e, ERR_INVALID, "test_is_training_set",
			"test_dataset is the data set to train on: a model is not tested on what it learned from");
	if ((s = store_dataset_get(service_store(v), q->test_dataset, &c->test, e)))
		return s;
	return training_test_check(&seen, &c->test.summary, e);
}

static enum status
check(struct service *v, const struct job_request *q, struct checked *c, struct err *e)
{
	const struct dataset_summary *summary = &c->dataset.summary;
	enum status s;

	if ((q->type == JOB_TRAIN && q->model && (s = model_name_check(q->model, e))) ||
		(q->type == JOB_TRAIN && (s = params_check(&q->params, e))) ||
		(s = store_dataset_get(service_store(v), q->dataset, &c->dataset, e)))
		return s;
	if (q->type == JOB_TRAIN) {
		s = training_check(summary, &q->params, &q->classes, e);
		return s || !q->test_dataset ? s : check_test(v, q, c, e);
	}
	/* The job is about one model, whatever its name comes to mean. */
	if ((s = store_model_resolve(service_store(v), q->model, c->model_id, e)) ||
		(s = service_model_acquire(v, c->model_id, &c->model, e)) ||
		(s = check_columns(summary, loaded_bundle(c->model), e)))
		return s;
	return q->type == JOB_EVALUATE ? evaluation_check(summary, loaded_bundle(c->model), e) : OK;
}

cJSON *
service_job_params(const struct job_request *q, const struct params *params)
{
	struct json_build b = {0};
	cJSON *root, *list;

	if (q->type == JOB_TRAIN)
		return params_to_json(params, &q->classes);
	root = json_object(&b);
	if (q->type == JOB_BATCH_PREDICT) {
		list = json_put_array(&b, root, "include");
		if (q->include & INCLUDE_ATTRIBUTIONS)
			json_add_text(&b, list, "attributions");
	}
	if (!b.failed)
		return root;
	cJSON_Delete(root);
	return NULL;
}

enum status
service_job_include(const cJSON *params, unsigned *include, struct err *e)
{
	static const char *const known[] = {"include"};
	const cJSON *list = json_member(params, "include"), *name;
	enum status s;

	if (!params || cJSON_IsNull(params))
		return OK;
	if ((s = json_only(params, "a batch_predict's \"params\"", known, 1, e)) || !list || cJSON_IsNull(list))
		return s;
	if (!cJSON_IsArray(list))
		return err_set(
			e, ERR_INVALID, "wrong_type", "\"include\" must be a list of names, not %s", json_kind(list));
	cJSON_ArrayForEach(name, list)
	{
		if (!cJSON_IsString(name))
			return err_set(
				e, ERR_INVALID, "wrong_type", "\"include\" has %s among the names", json_kind(name));
		if ((s = include_add(include, name->valuestring, strlen(name->valuestring), e)))
			return s;
	}
	return OK;
}

enum status
service_job_create(struct service *v, const struct job_request *q, char id[STORE_ID_SIZE], struct err *e)
{
	struct new_job job = {.type = job_type_names[q->type],
		.dataset = q->dataset,
		.model_name = q->type == JOB_TRAIN ? q->model : NULL,
		.test_dataset = q->type == JOB_TRAIN ? q->test_dataset : NULL,
		.priority = q->priority,
		.max_seconds = q->max_seconds,
		.key = q->key};
	struct json_build b = {0};
	struct checked c = {0};
	char *params = NULL;
	enum status s;

	if ((s = check(v, q, &c, e)) || (s = json_finish(&b, service_job_params(q, &q->params), &params, e)))
		goto out;
	job.params = params;
	job.model = q->type == JOB_TRAIN ? NULL : c.model_id;
	if (!(s = store_job_add(service_store(v), &job, service_max_queued(v), id, e)))
		service_wake_all(v);
out:
	free(params);
	checked_release(v, &c);
	return s;
}

/* The first chunk of the data set, and what it took to read. */
static enum status
read_first_chunk(struct service *v, const struct dataset *d, struct table *t, double *seconds, struct err *e)
{
	double began = monotonic_seconds();
	enum status s = dataset_table(&d->summary, t, e);

	if (!s)
		s = store_dataset_chunk(service_store(v), d->id, 0, t, e);
	*seconds = monotonic_seconds() - began;
	return s;
}

/* An estimate computes as the job would, niced, in a thread of its own: what it measures is then what the job will see,
 * and serving goes first. */
struct estimating {
	const struct job_request *q;
	const struct checked *checked;
	struct estimate_source from;
	int n_threads;
	struct job_estimate *out;
	struct err *e;
	enum status s;
};

static void *
estimate(void *ctx)
{
	struct estimating *w = ctx;

	setpriority(PRIO_PROCESS, (id_t)gettid(), JOBS_NICENESS);
	if (w->q->type == JOB_TRAIN)
		w->s = estimate_training(&w->from, &w->q->params, w->n_threads, w->out, w->e);
	else
		w->s = estimate_rows(&w->from, loaded_bundle(w->checked->model), w->q->type == JOB_EVALUATE,
			w->q->include, w->out, w->e);
	return NULL;
}

enum status
service_job_estimate(
	struct service *v, const struct job_request *q, int n_threads, struct job_estimate *out, struct err *e)
{
	struct job_queue queue = {0};
	struct checked c = {0};
	struct table chunk = {0};
	struct estimating w = {.q = q, .checked = &c, .n_threads = n_threads, .out = out, .e = e};
	pthread_t thread;
	enum status s;

	if ((s = check(v, q, &c, e)) || (s = store_job_queue(service_store(v), &queue, e)) ||
		(s = read_first_chunk(v, &c.dataset, &chunk, &w.from.chunk_seconds, e)))
		goto out;
	w.from.summary = &c.dataset.summary;
	w.from.chunk = &chunk;
	service_slot_take(v, SLOT_LONG);
	if (pthread_create(&thread, NULL, estimate, &w)) {
		s = err_set(e, ERR_NOMEM, "out_of_memory", "cannot start a thread");
	} else {
		pthread_join(thread, NULL);
		s = w.s;
	}
	service_slot_give(v, SLOT_LONG);
	if (!s) {
		out->n_queued = queue.n_queued;
		out->n_at_work = queue.n_at_work;
	}
out:
	table_release(&chunk);
	checked_release(v, &c);
	return s;
}

static enum status
tell(struct service *v, const char *id, enum status s)
{
	if (!s)
		service_job_changed(v, id);
	return s;
}

enum status
service_job_cancel(struct service *v, const char *id, enum job_state *was, enum job_state *is, struct err *e)
{
	return tell(v, id, store_job_cancel(service_store(v), id, was, is, e));
}

enum status
service_job_pause(struct service *v, const char *id, enum job_state *was, enum job_state *is, struct err *e)
{
	return tell(v, id, store_job_pause(service_store(v), id, was, is, e));
}

enum status
service_job_resume(struct service *v, const char *id, enum job_state *was, enum job_state *is, struct err *e)
{
	enum status s = tell(v, id, store_job_resume(service_store(v), id, was, is, e));

	if (!s && *is == JOB_QUEUED)
		service_wake_all(v);
	return s;
}

enum status
service_job_delete(struct service *v, const char *id, struct err *e)
{
	return tell(v, id, store_job_delete(service_store(v), id, e));
}
