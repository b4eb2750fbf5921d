/*
 * training: see training.h.
 *
 * Three passes over the chunks. Which rows are held out depends on all labels, and the encoder must not see the rows
 * held out: so labels first, then the encoder's fit, then the encoding, straight into the trainer's rows. One chunk is
 * in memory at a time, and a chunk that is still there is not read again.
 */
#include "server/training.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "schema/scale.h"
#include "server/evaluation.h"
#include "server/report.h"

enum { TRAINING_MIN_ROWS = 4 };

struct training {
	struct dataset_summary view;           /* what it points to is borrowed */
	const struct dataset_summary *summary; /* the view */
	size_t n_ignored;                      /* labels that the method has no use for */
	struct params asked, params;           /* as given; resolved */
	const struct class_params *classes;    /* borrowed; NULL: none given */
	double *class_weight, *class_prior;    /* [n_classes], owned; NULL: not given */
	struct encoder *encoder;               /* owned until finish */
	struct rows rows;
	int32_t *label;          /* [n_rows] */
	unsigned char *held_out; /* [n_rows] */
	size_t n_held_out;
	struct train_data data; /* what the trainer looks at: the arrays above */
	struct trainer *trainer;
	struct model *baseline;           /* owned, from finish until it is taken */
	const struct training_test *test; /* borrowed; NULL: none */
};

static enum status
resolve_classes(
	const struct dataset_summary *s, const struct class_params *c, double **weight, double **prior, struct err *e)
{
	const char **label;
	enum status status;

	*weight = *prior = NULL;
	if (!c)
		return OK;
	if (!(label = calloc(s->n_classes + 1, sizeof *label)))
		return err_nomem(e);
	for (size_t k = 0; k < s->n_classes; k++)
		label[k] = s->classes[k].label;
	status = class_params_resolve(c, label, s->n_classes, weight, prior, e);
	free(label);
	return status;
}

struct dataset_summary
training_view(const struct dataset_summary *s, const struct params *p)
{
	struct dataset_summary view = *s;

	if (params_ignores_labels(p)) {
		view.n_classes = view.n_labelled = 0;
		view.n_unlabelled = s->n_rows;
	}
	return view;
}

enum status
training_check(const struct dataset_summary *whole, const struct params *p, const struct class_params *c, struct err *e)
{
	const struct dataset_summary view = training_view(whole, p), *s = &view;
	double *weight, *prior;
	const struct param *method = params_find("method", NULL);
	enum status status;

	if (s->label_column == SIZE_MAX && params_needs_labels(p))
		return err_set(e, ERR_DATA, "no_label_column",
			"method %s learns classes, and no column was named as the one with the labels",
			method->choices[p->method]);
	if (!s->n_labelled && (status = params_check_unlabelled(p, e)))
		return status;
	if (s->n_labelled && s->n_classes < 2)
		return err_set(e, ERR_DATA, "one_class",
			"%zu of %zu rows have a label, always \"%.90s\": a classifier needs at least two classes; the "
			"table without its label column trains a model of density alone, which scores rows",
			s->n_labelled, s->n_rows, s->classes[0].label);
	if (s->n_rows < TRAINING_MIN_ROWS)
		return err_set(e, ERR_DATA, "too_few_rows", "the table has %zu rows; training needs at least %d",
			s->n_rows, TRAINING_MIN_ROWS);
	if ((status = resolve_classes(s, c, &weight, &prior, e)))
		return status;
	free(weight);
	free(prior);
	return OK;
}

/* A walk over the chunks: the table at hand, and where its rows lie in the whole. */
struct walk {
	const struct chunk_source *source;
	size_t n_rows; /* as the summary says */
	struct table t;
	size_t at_hand; /* index of the chunk in t; SIZE_MAX: none */
	size_t next, first_row;
};

static void
walk_restart(struct walk *w)
{
	w->next = w->first_row = 0;
}

/* The next chunk into w->t, its first row's index into *first; *more = false past the last. Stored chunks that do not
 * add up to the summary are damage, not a reason to run over the ends of arrays. */
static enum status
walk_next(struct walk *w, size_t *first, bool *more, struct err *e)
{
	struct err past = {0};
	enum status s;

	*more = false;
	if (w->first_row == w->n_rows)
		return OK;
	if (w->at_hand != w->next) {
		w->at_hand = SIZE_MAX;
		table_clear(&w->t);
		s = w->source->read(w->source->ctx, w->next, &w->t, &past);
		if (s && s != ERR_NOT_FOUND) {
			*e = past;
			return s;
		}
		if (s || !w->t.n_rows || w->t.n_rows > w->n_rows - w->first_row)
			return err_set(e, ERR_CORRUPT, "damaged_dataset",
				"the stored chunks of the data set do not add up to its %zu rows", w->n_rows);
		w->at_hand = w->next;
	}
	*first = w->first_row;
	w->first_row += w->t.n_rows;
	w->next++;
	*more = true;
	return OK;
}

static enum status
walk_begin(struct walk *w, const struct dataset_summary *s, const struct chunk_source *source, struct err *e)
{
	*w = (struct walk){.source = source, .n_rows = s->n_rows, .at_hand = SIZE_MAX};
	return dataset_table(s, &w->t, e);
}

/* Every row's class into t->label: classes are numbered in the order of the summary, which is byte order. A table
 * without labels is not read for them. */
static enum status
read_labels(struct training *t, struct walk *w, struct err *e)
{
	const struct dataset_summary *s = t->summary;
	struct dictionary classes = {0};
	uint32_t *class_of = NULL, code;
	size_t first, n_class_of = 0;
	bool more;
	enum status status = OK;

	if (!s->n_labelled) {
		memset(t->label, 0xff, s->n_rows * sizeof *t->label); /* -1 */
		return OK;
	}
	for (size_t k = 0; k < s->n_classes && !status; k++)
		status = dictionary_add(&classes, s->classes[k].label, strlen(s->classes[k].label), &code, e);
	while (!status && !(status = walk_next(w, &first, &more, e)) && more) {
		const struct column *c = &w->t.column[s->label_column];

		/* Few distinct labels, many rows: each is looked up once a chunk. */
		if (c->dictionary.n > n_class_of) {
			uint32_t *larger = realloc(class_of, c->dictionary.n * sizeof *larger);

			if (!larger) {
				status = err_nomem(e);
				break;
			}
			class_of = larger;
			n_class_of = c->dictionary.n;
		}
		for (size_t i = 0; i < c->dictionary.n; i++)
			class_of[i] = dictionary_find(&classes, c->dictionary.text[i], c->dictionary.len[i]);
		for (size_t i = 0; i < w->t.n_rows; i++) {
			bool missing = c->code[i] == TABLE_MISSING;

			if (!missing && (c->code[i] >= n_class_of || class_of[c->code[i]] == TABLE_MISSING)) {
				status = err_set(e, ERR_CORRUPT, "damaged_dataset",
					"a stored row has a label that the data set's list of classes lacks");
				break;
			}
			t->label[first + i] = missing ? -1 : (int32_t)class_of[c->code[i]];
		}
	}
	dictionary_release(&classes);
	free(class_of);
	return status;
}

static enum status
fit_encoder(struct training *t, struct walk *w, struct err *e)
{
	const struct dataset_summary *s = t->summary;
	const struct encoder_options options = {
		.scaling = (enum scaling)t->params.scaling,
		.max_categories = t->params.max_categories,
		.seed = t->params.seed,
	};
	const char **names = calloc(s->n_columns, sizeof *names);
	enum column_type *types = calloc(s->n_columns, sizeof *types);
	unsigned char *take = calloc(t->summary->n_rows, sizeof *take);
	size_t first;
	bool more;
	enum status status;

	if (!names || !types || !take) {
		status = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < s->n_columns; i++) {
		names[i] = s->column[i].role == ROLE_FEATURE ? s->column[i].name : NULL;
		types[i] = s->column[i].type;
	}
	for (size_t i = 0; i < s->n_rows; i++)
		take[i] = !t->held_out[i];
	if ((status = encoder_new(&options, names, types, s->n_columns, NULL, &t->encoder, e)))
		goto out;
	walk_restart(w);
	while (!(status = walk_next(w, &first, &more, e)) && more)
		if ((status = encoder_observe(t->encoder, &w->t, take + first, e)))
			goto out;
	if (!status)
		status = encoder_finish(t->encoder, e);
out:
	free(names);
	free(types);
	free(take);
	return status;
}

static enum status
encode_rows(struct training *t, struct walk *w, struct err *e)
{
	size_t n = encoder_n_columns(t->encoder), first;
	size_t *map = calloc(n ? n : 1, sizeof *map);
	bool more;
	enum status status;

	if (!map)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		map[i] = table_find(&w->t, encoder_column_name(t->encoder, i));
	if ((status = encoder_rows_init(t->encoder, &t->rows, t->summary->n_rows, e)))
		goto out;
	walk_restart(w);
	while (!(status = walk_next(w, &first, &more, e)) && more)
		encoder_apply(t->encoder, &w->t, map, &t->rows, first, NULL);
out:
	free(map);
	return status;
}

static void
positions(const void *ctx, real *x, size_t n)
{
	encoder_positions(ctx, x, n);
}

static enum status
make_trainer(struct training *t, int n_threads, struct err *e)
{
	size_t n_labelled = 0;
	enum status s;

	t->data = (struct train_data){
		.rows = &t->rows,
		.label = t->label,
		.n_classes = t->summary->n_classes ? t->summary->n_classes : 1,
		.held_out = t->held_out,
		.class_weight = t->class_weight,
		.class_prior = t->class_prior,
		.positions = positions,
		.positions_ctx = t->encoder,
	};
	for (size_t i = 0; i < t->rows.n; i++)
		n_labelled += t->label[i] >= 0 && !t->held_out[i];
	if ((s = params_resolve(&t->params, t->rows.n - t->n_held_out, n_labelled, t->rows.d, t->data.n_classes, e)) ||
		(s = trainer_new(&t->params, &t->data, n_threads, &t->trainer, e)))
		return s;
	t->params = *trainer_params(t->trainer);
	return OK;
}

enum status
training_new(const struct dataset_summary *s, const struct chunk_source *source, const struct params *p,
	const struct class_params *c, int n_threads, struct training **out, struct err *e)
{
	struct training *t = NULL;
	struct walk w = {0};
	enum status status;

	if ((status = training_check(s, p, c, e)))
		return status;
	if (!(t = calloc(1, sizeof *t)))
		return err_nomem(e);
	t->view = training_view(s, p);
	t->summary = &t->view;
	t->n_ignored = s->n_labelled - t->view.n_labelled;
	s = t->summary;
	t->classes = c;
	t->asked = t->params = *p;
	t->label = calloc(s->n_rows, sizeof *t->label);
	t->held_out = calloc(s->n_rows, sizeof *t->held_out);
	if (!t->label || !t->held_out) {
		status = err_nomem(e);
		goto out;
	}
	if ((status = resolve_classes(s, c, &t->class_weight, &t->class_prior, e)) ||
		(status = walk_begin(&w, s, source, e)) || (status = read_labels(t, &w, e)))
		goto out;
	if ((status = split_holdout(t->label, s->n_rows, s->n_classes, t->params.holdout_fraction, t->params.seed,
		     t->held_out, &t->n_held_out, e)) ||
		(status = fit_encoder(t, &w, e)) || (status = encode_rows(t, &w, e)))
		goto out;
	table_release(&w.t); /* the trainer's buffers need not lie beside it */
	if ((status = make_trainer(t, n_threads, e)))
		goto out;
	*out = t;
	t = NULL;
out:
	table_release(&w.t);
	training_free(t);
	return status;
}

void
training_free(struct training *t)
{
	if (!t)
		return;
	trainer_free(t->trainer);
	model_free(t->baseline);
	rows_release(&t->rows);
	encoder_free(t->encoder);
	free(t->label);
	free(t->held_out);
	free(t->class_weight);
	free(t->class_prior);
	free(t);
}

struct trainer *
training_trainer(struct training *t)
{
	return t->trainer;
}

const struct params *
training_params(const struct training *t)
{
	return &t->params;
}

/* The logs of the scaling's slopes, summed over the columns, mean over the rows held out; false where there is a
 * feature that is no scaled number, or no such row. */
static bool
mean_log_slopes(const struct training *t, double *out)
{
	const struct rows *r = &t->rows;
	double sum = 0;

	if (r->n_codes || !t->n_held_out)
		return false;
	for (size_t i = 0, feature = 0; i < encoder_n_columns(t->encoder); i++) {
		const struct encoder_features f = encoder_column_features(t->encoder, i);

		if (f.missing)
			return false;
		for (size_t row = 0; row < r->n && f.scale; row++)
			if (t->held_out[row])
				sum += scale_log_slope(f.scale, (double)r->dense[row * r->n_dense + feature]);
		feature += f.scale != NULL;
	}
	*out = sum / (double)t->n_held_out;
	return true;
}

static enum status
reading_of(const struct dataset_summary *s, struct reading *out, struct err *e)
{
	struct err why;
	enum status status = reading_from_json(s->options, out, &why);

	if (status == ERR_NOMEM)
		return err_nomem(e);
	return status ? err_set(e, ERR_CORRUPT, "damaged_dataset", "how the data set was read is not known") : OK;
}

enum status
training_test(struct training *t, const struct training_test *test, struct err *e)
{
	struct reading reading = {0};
	enum status s;

	if ((s = training_test_check(t->summary, test->summary, e)) || (s = reading_of(t->summary, &reading, e)))
		return s;
	if ((s = evaluation_check_columns(test->summary, t->encoder, &reading, e)))
		err_prefix(e, "test set");
	else
		t->test = test;
	reading_release(&reading);
	return s;
}

/* What the model's rows are called, into a bundle that has none of it yet. */
static enum status
name_classes(struct bundle *b, const struct dataset_summary *s, struct err *e)
{
	if (!(b->label = calloc(s->n_classes + 1, sizeof *b->label)) ||
		(s->label_column != SIZE_MAX && !(b->label_column = strdup(s->column[s->label_column].name))))
		return err_nomem(e);
	for (; b->n_classes < s->n_classes; b->n_classes++)
		if (!(b->label[b->n_classes] = strdup(s->classes[b->n_classes].label)))
			return err_nomem(e);
	return OK;
}

enum status
training_finish(struct training *t, struct bundle **out, struct err *e)
{
	struct report_facts facts = {.params = &t->params,
		.asked = &t->asked,
		.classes = t->classes,
		.prior_stated = t->class_prior != NULL,
		.summary = t->summary,
		.n_ignored = t->n_ignored,
		.encoder = t->encoder,
		.n_held_out = t->n_held_out};
	struct train_result result = {0};
	struct train_progress progress = {0};
	struct bundle *b = NULL;
	double log_slopes;
	enum status status;

	if (mean_log_slopes(t, &log_slopes))
		facts.log_slopes = &log_slopes;
	trainer_progress(t->trainer, &progress);
	if ((status = trainer_finish(t->trainer, &result, e)))
		goto out;
	facts.result = &result;
	facts.n_folds = progress.folds;
	facts.n_recoveries = progress.recoveries;
	if (!(b = calloc(1, sizeof *b))) {
		status = err_nomem(e);
		goto out;
	}
	if ((status = name_classes(b, t->summary, e)) || (status = reading_of(t->summary, &b->reading, e)))
		goto out;
	b->encoder = t->encoder; /* still the training's and the result's, which the report looks at */
	b->model = result.model;
	if ((t->test && (status = training_test_measure(t->test, b, result.baseline, &facts.test, e))) ||
		(status = report_build(&facts, &b->report, e))) {
		b->encoder = NULL;
		b->model = NULL;
		goto out;
	}
	t->encoder = NULL;
	result.model = NULL;
	t->baseline = result.baseline;
	result.baseline = NULL;
	*out = b;
	b = NULL;
out:
	cJSON_Delete(facts.test);
	bundle_free(b);
	train_result_release(&result);
	return status;
}

struct model *
training_take_baseline(struct training *t)
{
	struct model *baseline = t->baseline;

	t->baseline = NULL;
	return baseline;
}

void
training_progress(const struct training *t, struct train_progress *p)
{
	trainer_progress(t->trainer, p);
	if (trainer_done(t->trainer))
		p->fold = 0; /* scoring belongs to no fold */
}

size_t
training_terms(const struct train_progress *p, struct training_term out[TRAINING_MAX_TERMS])
{
	const struct train_terms *t = &p->terms;
	/* The first three mean something in every fit that has labels; the others are 0 where the method has no such
	 * term. */
	const struct {
		const char *name;
		double value;
		bool always;
	} all[TRAINING_MAX_TERMS] = {
		{"loss", t->loss, true},
		{"cross_entropy", t->cross_entropy, p->labelled},
		{"train_accuracy", t->train_accuracy, p->labelled},
		{"log_p_difference", t->log_p_difference, false},
		{"gradient_penalty", t->gradient_penalty, false},
		{"conditional_entropy", t->conditional_entropy, false},
		{"generator_loss", t->generator_loss, false},
		{"entropy_objective", t->entropy_objective, false},
		{"sigma", t->sigma, false},
	};
	size_t n = 0;

	for (size_t i = 0; i < TRAINING_MAX_TERMS; i++)
		if (all[i].always || all[i].value != 0)
			out[n++] = (struct training_term){all[i].name, all[i].value};
	return n;
}
