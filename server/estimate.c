/* estimate: see estimate.h. */
#include "server/estimate.h"

#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "server/monotonic.h"
#include "server/training.h"

enum {
	MOST_STEPS = 256, /* of a kind, on trial */
	TRIAL_ROWS = 4096,
	ATTRIBUTED_TRIAL_ROWS = 64,
	SAMPLE = 65536,          /* values of a column that the encoder keeps while it is fitted */
	SAMPLE_COLUMNS = 512,    /* in wider tables it keeps fewer of each */
	PIECE_BYTES = 4 << 20,   /* of answers on their way to the store, twice */
	PASSES = 3,              /* over the chunks, when there is more than one */
	STEPS_OF_PROPAGATED = 5, /* that cost as much as one of the method; they are no steps of the run */
};
static const double enough_seconds = 0.15, most_seconds = 1;

static size_t
chunk_bytes(const struct table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_columns; i++)
		n += t->cap * (t->column[i].type == COLUMN_NUMBER ? sizeof(double) : sizeof(uint32_t)) +
		     t->column[i].dictionary.bytes.cap;
	return n;
}

static size_t
n_chunks(const struct estimate_source *from)
{
	size_t per_chunk = from->chunk->n_rows ? from->chunk->n_rows : 1;

	return (from->summary->n_rows + per_chunk - 1) / per_chunk;
}

/* Training ------------------------------------------------------------------------------------------------------- */

static enum status
fit_encoder(const struct estimate_source *from, const struct params *p, struct encoder **out, struct err *e)
{
	const struct dataset_summary *s = from->summary;
	const struct encoder_options options = {
		.scaling = (enum scaling)p->scaling, .max_categories = p->max_categories, .seed = p->seed};
	const char **names = calloc(s->n_columns, sizeof *names);
	enum column_type *types = calloc(s->n_columns, sizeof *types);
	enum status status;

	*out = NULL;
	if (!names || !types) {
		status = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < s->n_columns; i++) {
		names[i] = s->column[i].role == ROLE_FEATURE ? s->column[i].name : NULL;
		types[i] = s->column[i].type;
	}
	if (!(status = encoder_new(&options, names, types, s->n_columns, NULL, out, e)) &&
		!(status = encoder_observe(*out, from->chunk, NULL, e)))
		status = encoder_finish(*out, e);
	if (status) {
		encoder_free(*out);
		*out = NULL;
	}
out:
	free(names);
	free(types);
	return status;
}

static enum status
encode(const struct estimate_source *from, const struct encoder *c, size_t n, struct rows *rows, struct err *e)
{
	size_t n_columns = encoder_n_columns(c);
	size_t *map = calloc(n_columns ? n_columns : 1, sizeof *map);
	enum status s;

	if (!map)
		return err_nomem(e);
	for (size_t i = 0; i < n_columns; i++)
		map[i] = table_find(from->chunk, encoder_column_name(c, i));
	if (!(s = encoder_rows_init(c, rows, n, e)))
		encoder_apply(c, from->chunk, map, rows, 0, NULL);
	free(map);
	return s;
}

/* Seconds a step of the baseline and of the method, by more and more of them until they take long enough to tell. */
static enum status
time_steps(const struct params *p, const struct train_data *data, int n_threads, double cost[2], struct err *e)
{
	const bool lone = p->method == METHOD_SUPERVISED || data->n_classes == 1; /* no baseline before it */
	double spent = 0;
	enum status s = OK;

	cost[0] = cost[1] = 0;
	for (size_t n = 1; n <= MOST_STEPS && spent < enough_seconds && !s; n *= 4) {
		struct params few = *p;
		struct trainer *t = NULL;
		struct train_progress at;
		double began[2] = {0, 0}, ended[2] = {0, 0};
		size_t steps[2] = {0, 0};

		few.steps = n;
		if ((s = trainer_new(&few, data, n_threads, &t, e)))
			break;
		while (!trainer_done(t) && !s) {
			size_t kind;

			trainer_progress(t, &at);
			kind = at.fit || lone ? 1 : 0;
			if (!steps[kind]++)
				began[kind] = monotonic_seconds();
			s = trainer_step(t, e);
			ended[kind] = monotonic_seconds();
			if (kind == 1 && ended[1] - began[lone ? 1 : 0] > most_seconds)
				break;
		}
		if (s == ERR_DIVERGED) /* on labels made up for the trial: what there is has to do */
			s = OK;
		spent = 0;
		for (size_t kind = 0; kind < 2; kind++)
			if (steps[kind]) {
				cost[kind] = (ended[kind] - began[kind]) / (double)steps[kind];
				spent += ended[kind] - began[kind];
			}
		trainer_free(t);
	}
	return s;
}

static size_t
n_folds(const struct dataset_summary *s, const struct params *p)
{
	size_t smallest = s->n_classes ? p->evaluation_folds : 0;

	for (size_t k = 0; k < s->n_classes; k++)
		smallest = s->classes[k].count < smallest ? s->classes[k].count : smallest;
	return smallest < 2 ? 0 : smallest;
}

static size_t
encoder_fit_bytes(const struct estimate_source *from)
{
	const struct dataset_summary *s = from->summary;
	size_t n_numbers = 0, sample = s->n_rows < SAMPLE ? s->n_rows : SAMPLE;

	for (size_t i = 0; i < s->n_columns; i++)
		n_numbers += s->column[i].type == COLUMN_NUMBER;
	return (n_numbers < SAMPLE_COLUMNS ? n_numbers : SAMPLE_COLUMNS) * sample * sizeof(double);
}

/* Rows, labels and the trainer with its checkpoint; before it, the encoder's sample beside the rows. */
static enum status
training_bytes(const struct estimate_source *from, const struct params *p, const struct train_data *trial, size_t folds,
	size_t *out, struct err *e)
{
	const struct dataset_summary *s = from->summary;
	const struct rows *r = trial->rows;
	const size_t row = r->n_dense * sizeof(float) + r->n_codes * sizeof(uint16_t);
	const size_t cross = folds ? 2 * s->n_labelled * s->n_classes * sizeof(float) : 0;
	size_t rows = s->n_rows * (row + sizeof(int32_t) + 2), fit, run;
	struct trainer *t = NULL;
	struct buf saved = {0};
	enum status status = trainer_new(p, trial, 1, &t, e);

	if (status)
		return status;
	if (!(status = trainer_save(t, &saved, e)) && !(status = buf_status(&saved, e))) {
		/* The trial has no more to do with rows than their number. */
		run = trainer_bytes(t) - 5 * r->n * sizeof(uint32_t) +
		      (2 * s->n_rows + 3 * s->n_labelled) * sizeof(uint32_t) + 2 * (saved.len + cross) + cross;
		fit = encoder_fit_bytes(from) + chunk_bytes(from->chunk);
		*out = rows + (run > fit ? run : fit);
	}
	buf_release(&saved);
	trainer_free(t);
	return status;
}

enum status
estimate_training(const struct estimate_source *unseen, const struct params *p, int n_threads, struct job_estimate *out,
	struct err *e)
{
	const struct dataset_summary view = training_view(unseen->summary, p), *s = &view;
	struct estimate_source seen = *unseen;
	const struct estimate_source *from = &seen;
	/* Rows without a label are held out first, so what is left is labelled as far as it can be. */
	const size_t n_learned = s->n_rows - (size_t)((double)s->n_rows * p->holdout_fraction);
	const size_t n_outputs = s->n_classes ? s->n_classes : 1, chunks = n_chunks(from),
		     n = from->chunk->n_rows > n_outputs ? from->chunk->n_rows : n_outputs;
	struct job_estimate est = {.rows = s->n_rows, .params = *p};
	struct params trial;
	struct encoder *c = NULL;
	struct rows rows = {0};
	struct train_data data = {.rows = &rows, .n_classes = n_outputs};
	struct train_progress whole;
	struct trainer *t = NULL;
	int32_t *label = calloc(n, sizeof *label);
	double cost[2], more[2], began = monotonic_seconds();
	size_t folds, propagated = 0;
	enum status status;

	seen.summary = s;
	if (!label)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		label[i] = s->n_classes ? (int32_t)(i % s->n_classes)
					: -1; /* what they are matters to the loss, not to its cost */
	data.label = label;
	if ((status = fit_encoder(from, p, &c, e)) || (status = encode(from, c, n, &rows, e)))
		goto out;
	est.features = encoder_n_features(c);
	est.seconds = (monotonic_seconds() - began) * (double)chunks +
		      from->chunk_seconds * (double)(chunks > 1 ? chunks * PASSES : 1);
	if ((status = params_resolve(&est.params, n_learned, s->n_labelled < n_learned ? s->n_labelled : n_learned,
		     rows.d, n_outputs, e)))
		goto out;
	folds = n_folds(s, &est.params);
	if (n_outputs > 1)
		propagated = params_propagated_steps(&est.params, n_learned, s->n_labelled);
	trial = est.params;
	trial.evaluation_folds = 0;
	if ((status = trainer_new(&trial, &data, 1, &t, e)))
		goto out;
	trainer_progress(t, &whole); /* of one pair of fits; each fold has another */
	trainer_free(t);
	est.steps = whole.steps * (folds + 1);
	if ((status = training_bytes(from, &trial, &data, folds, &est.memory_bytes, e)) ||
		(status = time_steps(&trial, &data, 1, cost, e)))
		goto out;
	/* A run tries both, and keeps to what is faster: beside other work that may be one thread. */
	if (n_threads > 1) {
		if ((status = time_steps(&trial, &data, n_threads, more, e)))
			goto out;
		for (size_t kind = 0; kind < 2; kind++)
			cost[kind] = more[kind] < cost[kind] ? more[kind] : cost[kind];
	}
	est.seconds += (double)(folds + 1) *
		       (((double)trial.steps + (double)propagated / STEPS_OF_PROPAGATED) * cost[1] +
			       (double)(whole.steps - trial.steps) * cost[0]);
	*out = est;
out:
	free(label);
	rows_release(&rows);
	encoder_free(c);
	return status;
}

/* Rows through a model ------------------------------------------------------------------------------------------- */

enum status
estimate_rows(const struct estimate_source *from, const struct bundle *b, bool evaluate, unsigned include,
	struct job_estimate *out, struct err *e)
{
	const struct dataset_summary *s = from->summary;
	const size_t most = include & INCLUDE_ATTRIBUTIONS ? ATTRIBUTED_TRIAL_ROWS : TRIAL_ROWS;
	const size_t n = from->chunk->n_rows < most ? from->chunk->n_rows : most;
	const size_t d = encoder_n_features(b->encoder), k = b->n_classes;
	struct bundle quiet = *b; /* nobody asked for these rows: they are not to be counted as answered */
	const char **names = calloc(s->n_columns, sizeof *names);
	struct job_estimate est = {.rows = evaluate ? s->n_labelled : s->n_rows, .features = d};
	struct predictor *p = NULL;
	struct buf text = {0};
	struct answers a;
	double began;
	size_t done = 0;
	enum status status;

	if (!names)
		return err_nomem(e);
	quiet.tally = NULL;
	for (size_t i = 0; i < s->n_columns; i++)
		names[i] = s->column[i].name;
	if ((status = predictor_new(&quiet, &p, e)) || (status = predictor_columns(p, names, s->n_columns, e)))
		goto out;
	began = monotonic_seconds();
	while (done < n && !status) {
		for (; done < n && !predictor_full(p) && !status; done++)
			if ((status = predictor_add_row(p, from->chunk, done, e)))
				err_prefix(e, "row %zu", done + 1);
		if (status || (status = predictor_answer(p, include | (k > 0 ? INCLUDE_LABELS : 0), &a, e)))
			goto out;
		buf_clear(&text);
		answers_csv_rows(b, &a, &text);
		if (monotonic_seconds() - began > most_seconds)
			break;
	}
	est.seconds = done ? (monotonic_seconds() - began) / (double)done * (double)est.rows : 0;
	est.seconds += from->chunk_seconds * (double)n_chunks(from);
	est.memory_bytes = chunk_bytes(from->chunk) + model_n_features(b->model) * sizeof(float) +
			   PREDICTOR_BATCH * (d + k + encoder_n_columns(b->encoder)) * sizeof(double) +
			   model_bytes(b->model) +
			   (evaluate ? s->n_labelled * (k * sizeof(float) + 3 * sizeof(double)) : 2 * PIECE_BYTES);
	*out = est;
out:
	free(names);
	buf_release(&text);
	predictor_free(p);
	return status;
}
