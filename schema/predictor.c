/*
 * predictor: table rows in, answers out, batch by batch. Declared in bundle.h; from CSV to CSV in csv_predict.c.
 *
 * A batch is a small table of the encoder's columns. Cells arrive by the index of the column that the caller declared;
 * `target` says which column of the encoder that is, if any.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/suggest.h"
#include "schema/predictor_pool.h"
#include "schema/unnamed.h"

enum {
	BATCH_CELLS = 1 << 22,      /* cells and features of a batch: wide tables get fewer rows */
	MIN_BATCH = 16,             /* and the first one of every predictor: most requests have no more rows */
	BATCH_TEXT_BYTES = 8 << 20, /* texts of a batch, before it counts as full */
	IDLE_TEXT_BYTES = 1 << 20,  /* room for texts that an idle predictor may hold */
	IDLE_CELLS = 1 << 16,       /* columns, features and classes of all idle ones: of a wide table fewer are kept */
	PIECE_FEATURES = 1 << 18,   /* features attributed at a time */
};

#define NOT_READ SIZE_MAX

struct predictor {
	const struct bundle *bundle; /* borrowed */
	size_t batch, later_batch;   /* rows that make it full: the first time, and from then on */
	struct table table;          /* the encoder's columns; of those not wanted all cells are missing */
	size_t *map;                 /* [encoder_n_columns]: identity, for encoder_apply */
	struct rows rows;            /* [batch] */
	struct encode_warnings counts;
	struct model_workspace *workspace;

	const struct number_form *
		*form;           /* [encoder_n_columns], of columns of numbers that are not plain; NULL: none is */
	struct dictionary known; /* the encoder's columns; the label column behind them */
	bool declared, matched;  /* columns, for the rows to come; what is below is theirs, or the last request's */
	struct dictionary given; /* the declared names, in their order */
	size_t n_declared;
	size_t *target; /* [n_declared]: column of the encoder, or NOT_READ */
	size_t *extra;  /* [n_extra]: the given names that are unknown to the model */
	size_t n_extra;

	bool answered;  /* a batch, or more */
	uint64_t line;  /* of the row in the making */
	size_t n_bytes; /* of the texts in the batch */
	struct answers answers;

	/* Once attributions were asked for: */
	struct rows typical; /* one row that is usual in every column */
	size_t n_attributed; /* rows that the answers' attributions have room for */
	size_t n_pieced;     /* rows attributed at a time */
	double *feature;     /* [n_pieced][encoder_n_features] */
};

static void
answers_release(struct answers *a)
{
	free(a->label);
	free(a->probability);
	free(a->score);
	free(a->p_value);
	free(a->is_ood);
	free(a->attribution);
	free(a->reference);
}

void
predictor_destroy(struct predictor *p)
{
	table_release(&p->table);
	rows_release(&p->rows);
	encode_warnings_release(&p->counts);
	model_workspace_free(p->workspace);
	free(p->map);
	free(p->form);
	dictionary_release(&p->known);
	dictionary_release(&p->given);
	free(p->target);
	free(p->extra);
	answers_release(&p->answers);
	rows_release(&p->typical);
	free(p->feature);
	free(p);
}

static size_t
width_of(const struct bundle *b)
{
	return encoder_n_columns(b->encoder) + encoder_n_features(b->encoder) + b->n_classes;
}

/* Those that have grown for many rows, long texts or attributions are not worth their memory. */
static bool
worth_keeping(const struct predictor *p)
{
	size_t n_bytes = p->given.bytes.cap;

	for (size_t j = 0; j < p->table.n_columns; j++)
		n_bytes += p->table.column[j].dictionary.bytes.cap;
	return p->batch == MIN_BATCH && !p->n_attributed && n_bytes <= IDLE_TEXT_BYTES;
}

void
predictor_free(struct predictor *p)
{
	struct predictor_pool *idle;
	size_t most;

	if (!p)
		return;
	idle = p->bundle->idle;
	if (idle && worth_keeping(p)) {
		most = IDLE_CELLS / width_of(p->bundle);
		table_clear(&p->table);
		encode_warnings_clear(&p->counts, p->bundle->encoder);
		p->declared = p->answered = false;
		p->n_bytes = 0;
		if (predictor_pool_give(idle, p, most ? most : 1))
			return;
	}
	predictor_destroy(p);
}

static enum status
init_table(struct predictor *p, struct err *e)
{
	const struct encoder *c = p->bundle->encoder;
	size_t n = encoder_n_columns(c);
	const char **names = calloc(n, sizeof *names);
	enum column_type *types = calloc(n, sizeof *types);
	enum status s;

	p->map = calloc(n, sizeof *p->map);
	if (!names || !types || !p->map) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t j = 0; j < n; j++) {
		names[j] = encoder_column_name(c, j);
		types[j] = encoder_column_type(c, j);
		p->map[j] = j;
	}
	s = table_init(&p->table, names, types, n, e);
out:
	free(names);
	free(types);
	return s;
}

/* How the cells of each column are read, where that is not in the same way for all. */
static enum status
init_forms(struct predictor *p, struct err *e)
{
	const struct bundle *b = p->bundle;
	size_t n = encoder_n_columns(b->encoder);

	if (!b->reading.options.names.n)
		return OK;
	if (!(p->form = calloc(n, sizeof(void *))))
		return err_nomem(e);
	for (size_t j = 0; j < n; j++)
		p->form[j] = reading_form(&b->reading, encoder_column_name(b->encoder, j));
	return OK;
}

static enum status
init_known(struct predictor *p, struct err *e)
{
	const struct bundle *b = p->bundle;
	uint32_t code;
	enum status s = OK;

	for (size_t j = 0; j < encoder_n_columns(b->encoder) && !s; j++) {
		const char *name = encoder_column_name(b->encoder, j);

		s = dictionary_add(&p->known, name, strlen(name), &code, e);
	}
	return s || !b->label_column ? s
				     : dictionary_add(&p->known, b->label_column, strlen(b->label_column), &code, e);
}

static enum status
init_answers(struct predictor *p, struct err *e)
{
	struct answers *a = &p->answers;
	size_t n;
	enum status s;

	a->n_classes = p->bundle->n_classes;
	if ((s = size_mul(p->batch, a->n_classes, &n, e)))
		return s;
	a->label = calloc(p->batch, sizeof *a->label);
	a->probability = calloc(n ? n : 1, sizeof *a->probability);
	a->score = calloc(p->batch, sizeof *a->score);
	a->p_value = calloc(p->batch, sizeof *a->p_value);
	a->is_ood = calloc(p->batch, sizeof *a->is_ood);
	return a->label && a->probability && a->score && a->p_value && a->is_ood ? OK : err_nomem(e);
}

enum status
predictor_new(const struct bundle *b, struct predictor **out, struct err *e)
{
	struct predictor *p = b->idle ? predictor_pool_take(b->idle) : NULL;
	enum status s;

	if (p) {
		p->bundle = b; /* it may have been a copy's */
		*out = p;
		return OK;
	}
	if (!(p = calloc(1, sizeof *p)))
		return err_nomem(e);
	p->bundle = b;
	p->batch = MIN_BATCH;
	p->later_batch = BATCH_CELLS / width_of(b);
	p->later_batch = p->later_batch > PREDICTOR_BATCH ? PREDICTOR_BATCH
			 : p->later_batch < MIN_BATCH     ? MIN_BATCH
							  : p->later_batch;
	if ((s = init_table(p, e)) || (s = init_forms(p, e)) || (s = init_known(p, e)) ||
		(s = table_reserve(&p->table, p->batch, e)) ||
		(s = encoder_rows_init(b->encoder, &p->rows, p->batch, e)) ||
		(s = encode_warnings_init(&p->counts, b->encoder, e)) ||
		(s = model_workspace_for(b->model, p->batch, &p->workspace, e)) || (s = init_answers(p, e))) {
		predictor_destroy(p);
		return s;
	}
	*out = p;
	return OK;
}

static enum status
missing_column(
	const struct predictor *p, size_t column, size_t n_more, const char *const *names, size_t n, struct err *e)
{
	const char *name = encoder_column_name(p->bundle->encoder, column);
	const char **unknown = calloc(n + 1, sizeof *unknown);
	const char *near;
	size_t n_unknown = 0;
	char hint[96] = "", more[48] = "";

	/* only a name that matches nothing can be the missing one misspelt */
	for (size_t i = 0; unknown && i < n; i++) {
		if (p->target[i] == NOT_READ)
			unknown[n_unknown++] = names[i];
	}
	near = unknown ? suggest_nearest(name, unknown, n_unknown) : NULL;
	if (near)
		snprintf(hint, sizeof hint, "; is it \"%.*s\"?", text_shown(near), near);
	if (n_more)
		snprintf(more, sizeof more, " and %zu more", n_more);
	free(unknown);
	err_set(e, ERR_DATA, "missing_column", "the rows have no column \"%.*s\"%s, which the model needs%s",
		text_shown(name), name, more, hint);
	return text_err_at(e, 0, name);
}

static enum status
match_columns(struct predictor *p, const char *const *names, size_t n, unsigned char *found, struct err *e)
{
	const struct encoder *c = p->bundle->encoder;
	size_t n_columns = encoder_n_columns(c), n_missing = 0, missing = 0;
	uint32_t code;
	enum status s;

	for (size_t i = 0; i < n; i++) {
		size_t column;

		if ((s = dictionary_add(&p->given, names[i], strlen(names[i]), &code, e)))
			return s;
		if (code != i) {
			err_set(e, ERR_DATA, "duplicate_column", "the rows have two columns \"%.*s\"",
				text_shown(names[i]), names[i]);
			return text_err_at(e, 0, names[i]);
		}
		column = predictor_find_column(p, names[i], strlen(names[i]));
		p->target[i] = column < n_columns && encoder_column_wanted(c, column) ? column : NOT_READ;
		if (column < n_columns)
			found[column] = 1;
		else if (column == SIZE_MAX)
			p->extra[p->n_extra++] = i;
	}
	for (size_t j = n_columns; j-- > 0;) {
		if (!found[j] && encoder_column_wanted(c, j)) {
			n_missing++;
			missing = j;
		}
	}
	return n_missing ? missing_column(p, missing, n_missing - 1, names, n, e) : OK;
}

/* Most requests for a model declare what the one before did. */
static bool
same_columns(const struct predictor *p, const char *const *names, size_t n)
{
	bool same = p->matched && p->n_declared == n;

	for (size_t i = 0; same && i < n; i++)
		same = !strcmp(p->given.text[i], names[i]);
	return same;
}

/* Those of columns that have names, all of them. */
static enum status
declare_columns(struct predictor *p, const char *const *names, size_t n, struct err *e)
{
	unsigned char *found;
	enum status s;

	if (same_columns(p, names, n)) {
		p->declared = true;
		return OK;
	}
	free(p->target);
	free(p->extra);
	dictionary_clear(&p->given);
	p->matched = false;
	p->n_declared = n;
	p->n_extra = 0;
	p->target = calloc(n + 1, sizeof *p->target);
	p->extra = calloc(n + 1, sizeof *p->extra);
	found = calloc(encoder_n_columns(p->bundle->encoder), 1);
	s = found && p->target && p->extra ? match_columns(p, names, n, found, e) : err_nomem(e);
	p->declared = p->matched = !s;
	free(found);
	return s;
}

enum status
predictor_columns(struct predictor *p, const char *const *names, size_t n, struct err *e)
{
	struct dictionary given = {0};
	const char **filled;
	size_t n_named = 0;
	enum status s;

	assert(!p->declared);
	while (n_named < n && !unnamed_is(names[n_named]))
		n_named++;
	if (n_named == n)
		return declare_columns(p, names, n, e);
	if (!(filled = malloc(n * sizeof *filled)))
		return err_nomem(e);
	memcpy(filled, names, n * sizeof *filled);
	if (!(s = unnamed_fill(filled, n, &given, e)))
		s = declare_columns(p, filled, n, e);
	free(filled);
	dictionary_release(&given);
	return s;
}

size_t
predictor_find_column(const struct predictor *p, const char *name, size_t len)
{
	uint32_t code = dictionary_find(&p->known, name, len);

	return code == TABLE_MISSING ? SIZE_MAX : code;
}

bool
predictor_full(const struct predictor *p)
{
	return p->table.n_rows >= p->batch || p->n_bytes >= BATCH_TEXT_BYTES;
}

/* A first batch was answered and more rows come: from now on they are taken in larger ones. */
static enum status
grow(struct predictor *p, struct err *e)
{
	enum status s;

	rows_release(&p->rows);
	answers_release(&p->answers);
	p->answers = (struct answers){0};
	model_workspace_free(p->workspace);
	p->workspace = NULL;
	p->batch = p->later_batch;
	if ((s = model_workspace_for(p->bundle->model, p->batch, &p->workspace, e)) ||
		(s = table_reserve(&p->table, p->batch, e)) ||
		(s = encoder_rows_init(p->bundle->encoder, &p->rows, p->batch, e)))
		return s;
	return init_answers(p, e);
}

enum status
predictor_begin_row(struct predictor *p, uint64_t line, struct err *e)
{
	enum status s;

	assert(p->declared && p->table.n_rows < p->batch);
	if (p->answered && !p->table.n_rows && p->batch < p->later_batch && (s = grow(p, e)))
		return s;
	p->line = line;
	return table_add_row(&p->table, e);
}

static enum status
not_a_number(const struct predictor *p, size_t column, const char *text, size_t len, struct err *e)
{
	const char *name = p->table.column[column].name;

	err_set(e, ERR_DATA, "not_a_number", "column \"%.*s\" is one of numbers%s, and \"%.*s\" is none",
		text_shown(name), name,
		ingest_options_decimal(&p->bundle->reading.options) == ',' ? " with a decimal comma" : "",
		(int)text_cut(text, len, 60), text);
	return text_err_at(e, p->line, name);
}

enum status
predictor_cell_text(struct predictor *p, size_t column, const char *text, size_t len, struct err *e)
{
	const struct reading *as = &p->bundle->reading;
	size_t j, row = p->table.n_rows - 1, in_order;
	char day[DATE_TEXT_SIZE];
	double v;

	assert(column < p->n_declared && p->table.n_rows);
	j = p->target[column];
	if (j == NOT_READ || !len)
		return OK;
	if (p->table.column[j].type != COLUMN_NUMBER) {
		if (reading_misses_text(as, text, len))
			return OK;
		if (as->options.date_order && p->table.column[j].type == COLUMN_DATE &&
			(in_order = date_put_in_order(text, len, as->options.date_order, day))) {
			text = day;
			len = in_order;
		}
		p->n_bytes += len;
		return table_set_text(&p->table, j, row, text, len, e);
	}
	if (!reading_number_as(as, p->form ? p->form[j] : NULL, text, len, &v))
		return not_a_number(p, j, text, len, e);
	if (!isnan(v))
		table_set_number(&p->table, j, row, v);
	else if (reading_is_infinite(as, text, len))
		p->counts.infinite[j]++;
	return OK;
}

enum status
predictor_cell_number(struct predictor *p, size_t column, double v, struct err *e)
{
	char text[32];
	size_t j;

	assert(column < p->n_declared && p->table.n_rows);
	j = p->target[column];
	if (j == NOT_READ)
		return OK;
	if (p->table.column[j].type != COLUMN_NUMBER)
		return predictor_cell_text(p, column, text, number_format(text, v), e);
	if (!reading_misses_number(&p->bundle->reading, v))
		table_set_number(&p->table, j, p->table.n_rows - 1, v);
	return OK;
}

enum status
predictor_add_row(struct predictor *p, const struct table *t, size_t row, struct err *e)
{
	enum status s = predictor_begin_row(p, 0, e);

	for (size_t i = 0; i < t->n_columns && !s; i++) {
		const struct column *c = &t->column[i];

		if (c->type == COLUMN_NUMBER) {
			if (!isnan(c->number[row]))
				s = predictor_cell_number(p, i, c->number[row], e);
		} else if (c->code[row] != TABLE_MISSING) {
			uint32_t code = c->code[row];

			s = predictor_cell_text(p, i, c->dictionary.text[code], c->dictionary.len[code], e);
		}
	}
	return s;
}

/* Room for the attributions of a batch. */
static enum status
reserve_attributions(struct predictor *p, struct err *e)
{
	const struct encoder *c = p->bundle->encoder;
	const size_t d = encoder_n_features(c);
	struct answers *a = &p->answers;
	enum status s;

	if (p->n_attributed >= p->batch)
		return OK;
	if (!p->typical.n && (s = encoder_rows_init(c, &p->typical, 1, e)))
		return s;
	encoder_typical_row(c, &p->typical, 0);
	free(a->attribution);
	free(a->reference);
	free(p->feature);
	p->n_attributed = 0;
	p->n_pieced = PIECE_FEATURES / d < 1 ? 1 : PIECE_FEATURES / d;
	p->n_pieced = p->n_pieced > p->batch ? p->batch : p->n_pieced;
	p->feature = calloc(p->n_pieced * d + 1, sizeof *p->feature);
	a->attribution = calloc(p->batch * encoder_n_columns(c) + 1, sizeof *a->attribution);
	a->reference = calloc(p->batch + 1, sizeof *a->reference);
	if (!p->feature || !a->attribution || !a->reference)
		return err_nomem(e);
	p->n_attributed = p->batch;
	return OK;
}

static void
attribute(struct predictor *p)
{
	const struct bundle *b = p->bundle;
	const size_t n_columns = encoder_n_columns(b->encoder), d = encoder_n_features(b->encoder);
	struct answers *a = &p->answers;

	for (size_t done = 0; done < a->n; done += p->n_pieced) {
		size_t take = a->n - done < p->n_pieced ? a->n - done : p->n_pieced;

		model_attribute(b->model, &p->rows, done, take, (enum ood_score)b->model->ood_score, &p->typical,
			p->workspace, p->feature, a->reference + done);
		for (size_t i = 0; i < take; i++)
			encoder_sum_by_column(b->encoder, p->feature + i * d, a->attribution + (done + i) * n_columns);
	}
}

enum status
include_add(unsigned *include, const char *name, size_t len, struct err *e)
{
	static const char attributions[] = "attributions";

	if (len != sizeof attributions - 1 || memcmp(name, attributions, len))
		return err_set(e, ERR_INVALID, "unknown_include",
			"\"%.*s\" cannot be included in answers, only attributions can", (int)text_cut(name, len, 40),
			name);
	*include |= INCLUDE_ATTRIBUTIONS;
	return OK;
}

enum status
predictor_answer(struct predictor *p, unsigned include, struct answers *out, struct err *e)
{
	const bool want_labels = include & INCLUDE_LABELS, want_attributions = include & INCLUDE_ATTRIBUTIONS;
	const struct model *m = p->bundle->model;
	const enum ood_score kind = (enum ood_score)m->ood_score;
	struct answers *a = &p->answers;
	uint64_t n_out = 0;
	enum status s = bundle_check_classes(p->bundle, want_labels, e);

	if (s || (want_attributions && (s = reserve_attributions(p, e))))
		return s; /* nothing else here can fail: all other memory is there since predictor_new */
	a->n = p->table.n_rows;
	p->answered = true;
	encoder_apply(p->bundle->encoder, &p->table, p->map, &p->rows, 0, &p->counts);
	table_clear(&p->table);
	p->n_bytes = 0;
	model_predict(m, &p->rows, 0, a->n, kind, p->workspace, want_labels ? a->probability : NULL, a->score);
	for (size_t i = 0; i < a->n; i++) {
		const float *probability = a->probability + i * a->n_classes;
		size_t best = 0;

		for (size_t k = 1; want_labels && k < a->n_classes; k++)
			best = probability[k] > probability[best] ? k : best;
		a->label[i] = (int32_t)best;
		a->p_value[i] = model_p_value(m, kind, a->score[i]);
		a->is_ood[i] = a->score[i] > m->reference[kind].threshold;
		n_out += a->is_ood[i];
	}
	if (want_attributions)
		attribute(p);
	if (p->bundle->tally) {
		atomic_fetch_add_explicit(&p->bundle->tally->rows, a->n, memory_order_relaxed);
		atomic_fetch_add_explicit(&p->bundle->tally->out_of_distribution, n_out, memory_order_relaxed);
	}
	*out = *a;
	if (!want_labels) {
		out->label = NULL;
		out->probability = NULL;
	}
	if (!want_attributions)
		out->attribution = out->reference = NULL;
	return OK;
}

enum status
attributions_fit(unsigned include, uint64_t n_rows, struct err *e)
{
	if (!(include & INCLUDE_ATTRIBUTIONS) || n_rows <= MAX_ATTRIBUTED_ROWS)
		return OK;
	return err_set(e, ERR_TOO_LARGE, "too_many_rows",
		"attributions are for %d rows at a time: send the rows in several requests, or ask without",
		MAX_ATTRIBUTED_ROWS);
}

static void
add_warning(struct warning *list, size_t *n, const char *column, const char *code, size_t count)
{
	if (count)
		list[(*n)++] = (struct warning){column, code, count};
}

enum status
predictor_warnings(const struct predictor *p, struct warning **out, size_t *n, struct err *e)
{
	const struct encoder *c = p->bundle->encoder;
	size_t n_columns = encoder_n_columns(c);
	size_t most = p->n_extra;
	struct warning *list;

	for (size_t j = 0; j < n_columns; j++)
		most += (size_t)((p->counts.unseen_category[j] > 0) + (p->counts.missing_cell[j] > 0) +
				 (p->counts.clipped[j] > 0) + (p->counts.not_a_date[j] > 0) +
				 (p->counts.infinite[j] > 0));
	*out = NULL;
	*n = 0;
	if (!most)
		return OK;
	if (!(list = malloc(most * sizeof *list)))
		return err_nomem(e);
	for (size_t j = 0; j < n_columns; j++) {
		const char *name = encoder_column_name(c, j);

		add_warning(list, n, name, "unseen_category", p->counts.unseen_category[j]);
		add_warning(list, n, name, "missing_cell", p->counts.missing_cell[j]);
		add_warning(list, n, name, "clipped_number", p->counts.clipped[j]);
		add_warning(list, n, name, "not_a_date", p->counts.not_a_date[j]);
		add_warning(list, n, name, "infinite_number", p->counts.infinite[j]);
	}
	for (size_t i = 0; i < p->n_extra; i++)
		add_warning(list, n, p->given.text[p->extra[i]], "extra_column", 1);
	*out = list;
	return OK;
}
