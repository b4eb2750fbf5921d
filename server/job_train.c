/*
 * job_train: jobs of type "train": from the chunks of a data set to a stored model.
 *
 * A run that is stopped saves a checkpoint and goes on from there, perhaps in another process, and ends in the same
 * model. One that cannot be restored from its checkpoint starts over.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/params_json.h"
#include "server/jobs_private.h"
#include "server/log.h"
#include "server/pace.h"
#include "server/report.h"
#include "server/team.h"
#include "server/training.h"

enum { CURVE_POINTS = 100 };
static const double checkpoint_seconds = 10;

struct work {
	struct run *run;
	struct params params;
	struct class_params classes;
	struct training *training;
	struct dataset test_dataset; /* zeroed where none is to be measured on */
	struct training_test test;
	bool finishing; /* the trainer's state was saved, and is no longer what it was */
	struct train_progress at;
	double last_checkpoint;
	struct pace pace;
	char phase[32];
	size_t fold, recoveries;
	size_t next_curve_point;
	struct err stopped; /* why the trainer was told to stop within a call */
};

/* Progress ------------------------------------------------------------------------------------------------------- */

static void
put_metrics(struct json_build *b, cJSON *to, const struct run *r)
{
	const struct work *w = r->work;
	const struct train_progress *p = &w->at;
	struct training_term term[TRAINING_MAX_TERMS];
	size_t n = training_terms(p, term);

	for (size_t i = 0; i < n; i++)
		json_put_number(b, to, term[i].name, term[i].value);
	if (p->fold) {
		json_put_count(b, to, "fold", p->fold);
		json_put_count(b, to, "folds", p->folds);
	}
	if (p->recoveries)
		json_put_count(b, to, "recoveries", p->recoveries);
	if (pace_rate(&w->pace) > 0)
		json_put_number(b, to, "steps_per_second", pace_rate(&w->pace));
}

static void
update(struct work *w)
{
	struct run *r = w->run;

	training_progress(w->training, &w->at);
	r->phase = w->at.phase;
	r->step = w->at.step;
	r->steps = w->at.steps;
	r->seconds_left = pace_seconds_left(&w->pace, w->at.steps);
}

static void
note_phase(struct work *w)
{
	const struct train_progress *p = &w->at;
	struct json_build b = {0};
	char message[96];
	cJSON *data;

	if (strcmp(w->phase, p->phase) == 0 && w->fold == p->fold)
		return;
	snprintf(w->phase, sizeof w->phase, "%s", p->phase);
	w->fold = p->fold;
	data = json_object(&b);
	json_put_text(&b, data, "phase", p->phase);
	json_put_count(&b, data, "step", p->step);
	json_put_count(&b, data, "steps", p->steps);
	if (p->fold) {
		json_put_count(&b, data, "fold", p->fold);
		json_put_count(&b, data, "folds", p->folds);
		snprintf(message, sizeof message, "%s, fold %zu of %zu", p->phase, p->fold, p->folds);
	} else {
		snprintf(message, sizeof message, "%s", p->phase);
	}
	run_event(w->run, "info", "progress", message, &b, data);
}

/* The trainer got over a divergence by itself: nothing is lost, but whoever chose the parameters should know. */
static void
note_recovery(struct work *w)
{
	const struct train_progress *p = &w->at;
	struct json_build b = {0};
	cJSON *data;

	if (p->recoveries <= w->recoveries)
		return;
	w->recoveries = p->recoveries;
	data = json_object(&b);
	json_put_count(&b, data, "step", p->step);
	json_put_count(&b, data, "recoveries", p->recoveries);
	run_event(w->run, "warning", "recovered",
		"training diverged and goes on from an earlier state, with smaller steps", &b, data);
}

static void
note_curve_point(struct work *w)
{
	const struct train_progress *p = &w->at;
	struct training_term term[TRAINING_MAX_TERMS];
	const char *name[TRAINING_MAX_TERMS];
	double value[TRAINING_MAX_TERMS];
	size_t n = training_terms(p, term);
	struct err e = {0};

	for (size_t i = 0; i < n; i++) {
		name[i] = term[i].name;
		value[i] = term[i].value;
	}
	if (store_metric_add(w->run->jobs->store, w->run->job->id, p->step, name, value, n, &e))
		log_event(LOG_WARNING, "a point of a learning curve was not stored", "job", w->run->job->id, "error",
			e.msg, NULL);
	w->next_curve_point = p->step + (p->steps > CURVE_POINTS ? p->steps / CURVE_POINTS : 1);
}

/* The run -------------------------------------------------------------------------------------------------------- */

static enum status
read_params(struct work *w, struct err *e)
{
	cJSON *params = cJSON_Parse(w->run->job->params);
	enum status s;

	if (!params)
		return err_set(e, ERR_CORRUPT, "damaged_job", "the stored parameters of the job are no JSON");
	s = params_from_json(&w->params, &w->classes, params, e);
	cJSON_Delete(params);
	return s;
}

/* What the trainer asks within calls that take long. */
static bool
stop(void *ctx)
{
	struct work *w = ctx;

	return run_look_around(w->run, &w->stopped) != OK;
}

static enum status
prepare(struct work *w, struct err *e)
{
	const struct chunk_source source = {.read = run_read_chunk, .ctx = w->run};
	enum status s = training_new(&w->run->dataset.summary, &source, &w->params, &w->classes,
		w->run->jobs->threads_per_worker, &w->training, e);

	if (s || (w->test.summary && (s = training_test(w->training, &w->test, e))))
		return s;
	trainer_ask(training_trainer(w->training), stop, w);
	return OK;
}

static enum status
look_around(void *ctx, struct err *e)
{
	return run_look_around(ctx, e);
}

static enum status
read_test_chunk(void *ctx, size_t i, struct table *t, struct err *e)
{
	struct run *r = ctx;
	enum status s = run_look_around(r, e);

	return s ? s : store_dataset_chunk(r->jobs->store, r->job->test_dataset, i, t, e);
}

/* The set to measure the model on, where the job names one. */
static enum status
open_test(struct work *w, struct err *e)
{
	struct run *r = w->run;
	enum status s;

	if (!r->job->test_dataset)
		return OK;
	if ((s = store_test_of_job(r->jobs->store, r->job->id, &w->test_dataset, e)))
		return s;
	w->test = (struct training_test){.summary = &w->test_dataset.summary,
		.source = {.read = read_test_chunk, .ctx = r},
		.ask = look_around,
		.ctx = r};
	return OK;
}

/* Goes on from the checkpoint, where there is one that can be used. */
static enum status
resume(struct work *w, struct err *e)
{
	struct train_progress p = {0};
	struct json_build b = {0};
	struct buf state = {0};
	struct err why = {0};
	char message[400];
	cJSON *data;
	enum status s;

	if ((s = store_checkpoint_get(w->run->jobs->store, w->run->job->id, &state, e)) || !state.len)
		goto out;
	if (!trainer_restore(training_trainer(w->training), state.data, state.len, &why)) {
		training_progress(w->training, &p);
		snprintf(message, sizeof message, "goes on from step %zu of %zu", p.step, p.steps);
		data = json_object(&b);
		json_put_count(&b, data, "step", p.step);
		json_put_count(&b, data, "steps", p.steps);
		run_event(w->run, "info", "resumed_from_checkpoint", message, &b, data);
		goto out;
	}
	/* A trainer that failed to restore may hold half of the state: it takes a new one to start over. */
	snprintf(message, sizeof message, "starts over, because its checkpoint cannot be used: %s", why.msg);
	run_event(w->run, "warning", "checkpoint_unusable", message, NULL, NULL);
	training_free(w->training);
	w->training = NULL;
	s = prepare(w, e);
out:
	buf_release(&state);
	return s;
}

static void
save_checkpoint(struct work *w)
{
	const struct run *r = w->run;
	struct buf state = {0};
	struct err e = {0};

	if (trainer_save(training_trainer(w->training), &state, &e) || buf_status(&state, &e) ||
		store_checkpoint_put(r->jobs->store, r->job->id, state.data, state.len, &e))
		log_event(LOG_WARNING, "a checkpoint was not stored", "job", r->job->id, "error", e.msg, NULL);
	buf_release(&state);
	w->last_checkpoint = monotonic_seconds();
}

static enum status
train(struct work *w, struct err *e)
{
	struct trainer *trainer = training_trainer(w->training);
	struct run *r = w->run;
	struct team team;
	enum status s;

	training_progress(w->training, &w->at);
	w->last_checkpoint = monotonic_seconds();
	w->recoveries = w->at.recoveries;
	team_start(&team, r->jobs->threads_per_worker, w->last_checkpoint);
	pace_start(&w->pace, training_params(w->training), &w->at, w->last_checkpoint);
	update(w);
	r->put_metrics = put_metrics;
	run_report(r); /* how many steps it will be is known from here on */
	while (!trainer_done(trainer)) {
		s = trainer_step(trainer, e);
		update(w);
		if (s)
			return s;
		pace_update(&w->pace, w->at.step, monotonic_seconds());
		if (team_update(&team, w->at.fit, monotonic_seconds()))
			trainer_set_threads(trainer, team.size);
		note_phase(w);
		note_recovery(w);
		if (w->at.step >= w->next_curve_point)
			note_curve_point(w);
		if ((s = run_look_around(r, e)))
			return s;
		if (monotonic_seconds() - w->last_checkpoint >= checkpoint_seconds)
			save_checkpoint(w);
	}
	update(w);
	run_report(r);
	return run_look_around(r, e);
}

/* The end -------------------------------------------------------------------------------------------------------- */

static enum status
final_metrics(const struct work *w, const char *report, char **out, struct err *e)
{
	struct json_build b = {0};
	cJSON *metrics = json_object(&b), *tree = cJSON_Parse(report);

	put_metrics(&b, metrics, w->run);
	report_headline(&b, metrics, tree);
	cJSON_Delete(tree);
	return json_finish(&b, metrics, out, e);
}

static void
note_measures(const struct run *r, const char *report)
{
	struct json_build b = {0};
	cJSON *tree = cJSON_Parse(report), *data = json_object(&b), *accuracy, *baseline, *test;
	char message[200];
	int n;

	report_headline(&b, data, tree);
	cJSON_Delete(tree);
	accuracy = cJSON_GetObjectItemCaseSensitive(data, "accuracy");
	baseline = cJSON_GetObjectItemCaseSensitive(data, "baseline_accuracy");
	if (cJSON_IsNumber(accuracy) && cJSON_IsNumber(baseline))
		n = snprintf(message, sizeof message, "cross-fitted accuracy %.4f, supervised baseline %.4f",
			accuracy->valuedouble, baseline->valuedouble);
	else if (cJSON_IsNumber(accuracy))
		n = snprintf(message, sizeof message, "cross-fitted accuracy %.4f", accuracy->valuedouble);
	else
		n = snprintf(message, sizeof message, "the model was not measured by cross-fitting");
	test = cJSON_GetObjectItemCaseSensitive(data, "test_accuracy");
	if (cJSON_IsNumber(test))
		snprintf(message + n, sizeof message - (size_t)n, "; on the test set accuracy %.4f", test->valuedouble);
	run_event(r, "info", "measured", message, &b, data);
}

static enum status
succeed(struct work *w, struct err *e)
{
	const struct run *r = w->run;
	struct bundle *bundle = NULL;
	struct buf bytes = {0};
	char *metrics = NULL;
	char model[STORE_ID_SIZE];
	enum status s;

	if (w->test.summary) { /* another set to read: whatever comes between, the training is done */
		save_checkpoint(w);
		w->finishing = true;
	}
	if ((s = training_finish(w->training, &bundle, e)) || (s = bundle_write(bundle, &bytes, e)) ||
		(s = final_metrics(w, bundle->report, &metrics, e)))
		goto out;
	note_measures(r, bundle->report);
	for (unsigned tries = 0;; tries++) {
		s = store_job_succeed(r->jobs->store, r->job->id, metrics, r->dataset.name, bundle->report, bytes.data,
			bytes.len, model, e);
		if (!run_try_again(r, s, tries, e))
			break;
	}
	if (!s)
		log_event(LOG_INFO, "job succeeded", "job", r->job->id, "model", model, NULL);
out:
	free(metrics);
	buf_release(&bytes);
	bundle_free(bundle);
	return s;
}

enum status
run_train(struct run *r, struct err *e)
{
	struct work w = {.run = r};
	enum status s;

	r->work = &w;
	if (!(s = read_params(&w, e)) && !(s = open_test(&w, e)) && !(s = prepare(&w, e)) && !(s = resume(&w, e)) &&
		!(s = train(&w, e)))
		s = succeed(&w, e);
	if (s == ERR_CANCELLED && w.stopped.status) { /* asked within a call: the reason was given then */
		*e = w.stopped;
		s = w.stopped.status;
	}
	if (s == ERR_CANCELLED && r->stop != STOP_CANCELLED && w.training && !w.finishing)
		save_checkpoint(&w);
	training_free(w.training);
	class_params_release(&w.classes);
	dataset_release(&w.test_dataset);
	r->put_metrics = NULL;
	r->work = NULL;
	return s;
}
