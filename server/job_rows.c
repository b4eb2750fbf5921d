/*
 * job_rows: jobs that a model works through the rows of a data set for.
 *
 * "batch_predict" answers every row, in the data set's order, as the predict route would, or the ood route where the
 * model has no classes. What is answered is stored piece by piece, each with a checkpoint in the same transaction, so
 * that nothing is lost or doubled whatever happens.
 * "evaluate" answers the labelled rows and measures the answers; it is quick, and starts over when it was interrupted.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/evaluation.h"
#include "server/jobs_private.h"
#include "server/json.h"
#include "server/log.h"
#include "server/report.h"

enum {
	PIECE_BYTES = 4 << 20,   /* of answers, before they are stored */
	MAX_NOTED_WARNINGS = 50, /* as events; more of them help nobody */
	ATTRIBUTED_AT_ONCE = 64, /* rows, between two looks around: they take long */
};

struct work {
	struct run *run;
	struct loaded_model *model;
	const struct bundle *bundle; /* the model's */
	struct predictor *predictor;
	struct table chunk;
	unsigned include; /* in answers: enum include */
	double began;
	size_t first_step; /* rows that were done before */

	/* What becomes of the answers to the rows that wait in the predictor; then of those before `next`. */
	enum status (*take)(struct work *w, const struct answers *a, struct err *e);
	bool (*wants)(const struct work *w, size_t row); /* of the chunk; NULL: all */
	void (*added)(struct work *w, size_t row);       /* it waits in the predictor now; NULL: of no interest */

	/* batch_predict */
	struct buf out;              /* answered, and not stored yet */
	size_t next_chunk, next_row; /* of the chunk: the first row that was not answered */
	size_t n_flagged;
	cJSON *before; /* the warnings of earlier runs of this job, as the checkpoint has them */

	struct evaluation evaluation; /* evaluate */
};

static void
release(struct work *w)
{
	predictor_free(w->predictor);
	service_model_release(w->run->jobs->service, w->model);
	table_release(&w->chunk);
	buf_release(&w->out);
	cJSON_Delete(w->before);
	evaluation_release(&w->evaluation);
	w->run->work = NULL;
	w->run->put_metrics = NULL;
}

/* Rows to answers ------------------------------------------------------------------------------------------------ */

static enum status
open_rows(struct work *w, struct err *e)
{
	const struct dataset_summary *s = &w->run->dataset.summary;
	const char **names = calloc(s->n_columns, sizeof *names);
	enum status status;

	if (!names)
		return err_nomem(e);
	for (size_t i = 0; i < s->n_columns; i++)
		names[i] = s->column[i].name;
	if ((status = service_model_acquire(w->run->jobs->service, w->run->job->model, &w->model, e)))
		goto out;
	w->bundle = loaded_bundle(w->model);
	w->include |= w->bundle->n_classes ? INCLUDE_LABELS : 0;
	if ((status = dataset_table(s, &w->chunk, e)) || (status = predictor_new(w->bundle, &w->predictor, e)))
		goto out;
	status = predictor_columns(w->predictor, names, s->n_columns, e);
out:
	free(names);
	return status;
}

static enum status
answer_waiting(struct work *w, struct err *e)
{
	struct run *r = w->run;
	struct answers a;
	double elapsed;
	enum status s;

	if ((s = predictor_answer(w->predictor, w->include, &a, e)) || (s = w->take(w, &a, e)))
		return s;
	elapsed = monotonic_seconds() - w->began;
	if (r->step > w->first_step && elapsed > 0.1)
		r->seconds_left = elapsed * (double)(r->steps - r->step) / (double)(r->step - w->first_step);
	return run_look_around(r, e);
}

/* Row `row` of chunk `i` comes next: everything before it has been answered. */
static enum status
settle(struct work *w, size_t i, size_t row, struct err *e)
{
	w->next_chunk = i;
	w->next_row = row;
	return answer_waiting(w, e);
}

/* Is it time to answer the rows that wait? */
static bool
enough(const struct work *w, size_t row)
{
	return predictor_full(w->predictor) ||
	       (w->include & INCLUDE_ATTRIBUTIONS && row - w->next_row >= ATTRIBUTED_AT_ONCE);
}

static enum status
walk(struct work *w, enum status (*at_chunk)(struct work *w, struct err *e), struct err *e)
{
	struct run *r = w->run;
	enum status s = OK;

	w->began = monotonic_seconds();
	w->first_step = r->step;
	for (size_t i = w->next_chunk, row = w->next_row; r->step < r->steps && !s; i++, row = 0) {
		table_clear(&w->chunk);
		if ((s = run_read_chunk(r, i, &w->chunk, e)))
			return s;
		if (w->chunk.n_rows > r->steps - r->step + row || row > w->chunk.n_rows)
			return err_set(e, ERR_CORRUPT, "damaged_dataset",
				"the stored chunks of the data set do not add up to its %zu rows", r->steps);
		s = at_chunk ? at_chunk(w, e) : OK;
		for (; row < w->chunk.n_rows && !s; row++, r->step++) {
			if (w->wants && !w->wants(w, row))
				continue;
			if (enough(w, row) && (s = settle(w, i, row, e)))
				break;
			if ((s = predictor_add_row(w->predictor, &w->chunk, row, e))) {
				err_prefix(e, "row %zu", r->step + 1);
				break;
			}
			if (w->added)
				w->added(w, row);
		}
		if (!s)
			s = settle(w, i + 1, 0, e);
	}
	return s;
}

/* What the predictor has to say of the rows, `before` included, as {"column","code","count"} objects into `to`. */
static enum status
put_warnings(const struct work *w, struct json_build *b, cJSON *to, struct err *e)
{
	struct warning *list = NULL;
	const cJSON *old;
	size_t n = 0;
	enum status s = predictor_warnings(w->predictor, &list, &n, e);

	if (s)
		return s;
	for (size_t i = 0; i < n; i++) {
		cJSON *item = json_add_object(b, to);
		double count = (double)list[i].count;

		cJSON_ArrayForEach(old, w->before)
		{
			const cJSON *column = json_member(old, "column"), *code = json_member(old, "code");
			const cJSON *number = json_member(old, "count");

			if (cJSON_IsString(column) && cJSON_IsString(code) && cJSON_IsNumber(number) &&
				!strcmp(column->valuestring, list[i].column) &&
				!strcmp(code->valuestring, list[i].code) && strcmp(list[i].code, "extra_column"))
				count += number->valuedouble;
		}
		json_put_text(b, item, "column", list[i].column);
		json_put_text(b, item, "code", list[i].code);
		json_put_number(b, item, "count", count);
	}
	/* and those that only earlier rows gave cause for */
	cJSON_ArrayForEach(old, w->before)
	{
		const cJSON *column = json_member(old, "column"), *code = json_member(old, "code");
		bool listed = false;

		for (size_t i = 0; i < n && !listed; i++)
			listed = cJSON_IsString(column) && cJSON_IsString(code) &&
				 !strcmp(column->valuestring, list[i].column) &&
				 !strcmp(code->valuestring, list[i].code);
		if (!listed)
			cJSON_AddItemToArray(to, cJSON_Duplicate(old, true));
	}
	free(list);
	return OK;
}

static void
note_warnings(const struct work *w)
{
	struct json_build b = {0};
	cJSON *root = json_object(&b), *list = json_put_array(&b, root, "warnings");
	const cJSON *item;
	struct err e = {0};
	char message[320];
	size_t n = 0;

	if (!put_warnings(w, &b, list, &e)) {
		cJSON_ArrayForEach(item, list)
		{
			const char *column = json_member(item, "column")->valuestring;
			const char *code = json_member(item, "code")->valuestring;
			double count = json_member(item, "count")->valuedouble;
			struct json_build ignored = {0};

			if (n++ == MAX_NOTED_WARNINGS)
				break;
			if (!strcmp(code, "extra_column"))
				snprintf(message, sizeof message, "column \"%.*s\" is none of the model's",
					(int)text_cut(column, strlen(column), 200), column);
			else
				snprintf(message, sizeof message, "%.0f %s in column \"%.*s\"", count,
					!strcmp(code, "unseen_category") ? "categories that training did not see"
					: !strcmp(code, "missing_cell")
						? "cells missing where training had none missing"
					: !strcmp(code, "not_a_date")      ? "cells that are no dates, taken as missing"
					: !strcmp(code, "infinite_number") ? "infinite numbers, taken as missing"
									   : "numbers beyond the range of training",
					(int)text_cut(column, strlen(column), 200), column);
			run_event(w->run, "warning", code, message, &ignored, cJSON_Duplicate(item, true));
		}
	}
	cJSON_Delete(root);
}

static enum status
complete(const struct work *w, const char *metrics, const void *rest, size_t n, struct err *e)
{
	const struct run *r = w->run;
	enum status s;

	for (unsigned tries = 0;; tries++) {
		s = store_job_complete(r->jobs->store, r->job->id, metrics, rest, n, e);
		if (!run_try_again(r, s, tries, e))
			break;
	}
	if (!s)
		log_event(LOG_INFO, "job succeeded", "job", r->job->id, NULL);
	return s;
}

/* batch_predict -------------------------------------------------------------------------------------------------- */

static void
put_batch_metrics(struct json_build *b, cJSON *to, const struct run *r)
{
	const struct work *w = r->work;

	json_put_count(b, to, "rows", r->step);
	json_put_count(b, to, "flagged", w->n_flagged);
}

static enum status
checkpoint(const struct work *w, char **out, struct err *e)
{
	struct json_build b = {0};
	cJSON *root = json_object(&b);
	enum status s;

	json_put_count(&b, root, "chunk", w->next_chunk);
	json_put_count(&b, root, "row", w->next_row);
	json_put_count(&b, root, "rows", w->run->step);
	json_put_count(&b, root, "flagged", w->n_flagged);
	s = put_warnings(w, &b, json_put_array(&b, root, "warnings"), e);
	if (s) {
		cJSON_Delete(root);
		return s;
	}
	return json_finish(&b, root, out, e);
}

static enum status
store_answers(struct work *w, struct err *e)
{
	const struct run *r = w->run;
	char *text = NULL;
	enum status s = checkpoint(w, &text, e);

	for (unsigned tries = 0; !s; tries++) {
		s = store_result_append(r->jobs->store, r->job->id, w->out.data, w->out.len, text, strlen(text), e);
		if (!run_try_again(r, s, tries, e))
			break;
		s = OK;
	}
	if (!s)
		buf_clear(&w->out);
	free(text);
	return s;
}

static enum status
take_answers(struct work *w, const struct answers *a, struct err *e)
{
	for (size_t i = 0; i < a->n; i++)
		w->n_flagged += a->is_ood[i];
	answers_csv_rows(w->bundle, a, &w->out);
	if (buf_status(&w->out, e))
		return e->status;
	return w->out.len >= PIECE_BYTES ? store_answers(w, e) : OK;
}

static bool
read_count(const cJSON *object, const char *name, size_t most, size_t *out)
{
	const cJSON *v = json_member(object, name);

	if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0) || v->valuedouble > (double)most)
		return false;
	*out = (size_t)v->valuedouble;
	return true;
}

/* Where the last run of this job had got to; at the beginning, where there was none. */
static enum status
read_checkpoint(struct work *w, struct err *e)
{
	struct run *r = w->run;
	const size_t n_rows = r->dataset.summary.n_rows;
	struct buf bytes = {0};
	char message[96];
	cJSON *root = NULL;
	enum status s = store_checkpoint_get(r->jobs->store, r->job->id, &bytes, e);

	if (s || !bytes.len)
		goto out;
	if ((s = json_parse(bytes.data, bytes.len, &root, e)) || !read_count(root, "chunk", n_rows, &w->next_chunk) ||
		!read_count(root, "row", n_rows, &w->next_row) || !read_count(root, "rows", n_rows, &r->step) ||
		!read_count(root, "flagged", n_rows, &w->n_flagged)) {
		s = err_set(e, ERR_CORRUPT, "damaged_checkpoint", "the stored checkpoint of the job cannot be read");
		goto out;
	}
	w->before = cJSON_DetachItemFromObjectCaseSensitive(root, "warnings");
	snprintf(message, sizeof message, "goes on from row %zu of %zu", r->step, n_rows);
	run_event(r, "info", "resumed_from_checkpoint", message, NULL, NULL);
out:
	cJSON_Delete(root);
	buf_release(&bytes);
	return s;
}

static enum status
read_include(struct work *w, struct err *e)
{
	cJSON *params = cJSON_Parse(w->run->job->params);
	enum status s = service_job_include(params, &w->include, e);

	cJSON_Delete(params);
	return s;
}

enum status
run_batch_predict(struct run *r, struct err *e)
{
	struct work w = {.run = r, .take = take_answers};
	struct json_build b = {0};
	char *metrics = NULL;
	cJSON *root;
	enum status s;

	r->work = &w;
	r->step = 0;
	r->steps = r->dataset.summary.n_rows;
	if ((s = run_look_around(r, e)) || (s = read_include(&w, e)) || (s = open_rows(&w, e)) ||
		(s = read_checkpoint(&w, e)))
		goto out;
	if (!r->step && !w.next_chunk)
		answers_csv_header(w.bundle, w.include, &w.out);
	r->phase = "predicting";
	r->put_metrics = put_batch_metrics;
	run_report(r);
	s = walk(&w, NULL, e);
	/* What was answered is kept where the job goes on later; a walk is only ever stopped with all rows settled. */
	if (s == ERR_CANCELLED && r->stop != STOP_CANCELLED) {
		struct err why = {0};

		if (store_answers(&w, &why))
			log_event(LOG_WARNING, "answers were not stored, and are made again", "job", r->job->id,
				"error", why.msg, NULL);
	}
	if (s)
		goto out;
	run_report(r);
	if ((s = run_look_around(r, e)))
		goto out;
	root = json_object(&b);
	put_batch_metrics(&b, root, r);
	if ((s = json_finish(&b, root, &metrics, e)))
		goto out;
	note_warnings(&w);
	s = complete(&w, metrics, w.out.data, w.out.len, e);
out:
	free(metrics);
	release(&w);
	return s;
}

/* evaluate ------------------------------------------------------------------------------------------------------- */

static bool
is_labelled(const struct work *w, size_t row)
{
	return evaluation_wants(&w->evaluation, row);
}

static void
note_label(struct work *w, size_t row)
{
	evaluation_added(&w->evaluation, row);
}

static enum status
translate_labels(struct work *w, struct err *e)
{
	return evaluation_begin_chunk(&w->evaluation, &w->chunk, e);
}

static enum status
take_measured(struct work *w, const struct answers *a, struct err *e)
{
	return evaluation_take(&w->evaluation, a, e);
}

/* The result, and the figures of it that the job's resource shows. */
static enum status
measure(const struct work *w, char **report, char **headline, struct err *e)
{
	const struct run *r = w->run;
	const struct evaluation *v = &w->evaluation;
	struct json_build b = {0};
	cJSON *root = json_object(&b), *metrics = json_object(&b);
	enum status s;

	json_put_text(&b, root, "model", r->job->model);
	json_put_text(&b, root, "dataset", r->job->dataset);
	evaluation_put_counts(v, &b, root);
	if ((s = evaluation_put_measures(v, &b, json_put_object(&b, root, "measures"), e)) ||
		(s = evaluation_put_ood(v, &b, json_put_object(&b, root, "ood"), e)) ||
		(s = put_warnings(w, &b, json_put_array(&b, root, "warnings"), e)))
		goto out;
	json_put_count(&b, metrics, "rows", v->n_in + v->n_out);
	report_headline(&b, metrics, root);
	s = json_finish(&b, root, report, e);
	root = NULL;
	if (!s) {
		s = json_finish(&b, metrics, headline, e);
		metrics = NULL;
	}
out:
	cJSON_Delete(root);
	cJSON_Delete(metrics);
	return s;
}

enum status
run_evaluate(struct run *r, struct err *e)
{
	struct work w = {.run = r, .take = take_measured, .wants = is_labelled, .added = note_label};
	char *report = NULL, *headline = NULL;
	enum status s;

	r->work = &w;
	r->step = 0;
	r->steps = r->dataset.summary.n_rows;
	if ((s = run_look_around(r, e)) || (s = open_rows(&w, e)) ||
		(s = evaluation_init(&w.evaluation, w.bundle, &r->dataset.summary, e)))
		goto out;
	r->phase = "predicting";
	run_report(r);
	if ((s = walk(&w, translate_labels, e)))
		goto out;
	r->phase = "measuring";
	run_report(r);
	if ((s = run_look_around(r, e)) || (s = measure(&w, &report, &headline, e)))
		goto out;
	note_warnings(&w);
	s = complete(&w, headline, report, strlen(report), e);
out:
	free(report);
	free(headline);
	release(&w);
	return s;
}
