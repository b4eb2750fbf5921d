/* evaluation: see evaluation.h. Probabilities are kept whole, since areas under curves need them all at once. */
#include "server/evaluation.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/report.h"

/* Probabilities of an evaluation, all in memory at its end: 1 GiB. */
#define MAX_EVALUATED ((size_t)1 << 28)

#define FOREIGN TABLE_MISSING
#define UNLABELLED (TABLE_MISSING - 1)

/* Checks ----------------------------------------------------------------------------------------------------------- */

enum status
evaluation_check_labels(const struct dataset_summary *s, size_t n_classes, struct err *e)
{
	if (s->label_column == SIZE_MAX)
		return err_set(
			e, ERR_DATA, "no_label_column", "the data set was uploaded without naming its label column");
	if (!s->n_labelled)
		return err_set(e, ERR_DATA, "no_labels", "column \"%.90s\" has no label in any of the %zu rows",
			s->column[s->label_column].name, s->n_rows);
	if (s->n_labelled > MAX_EVALUATED / n_classes)
		return err_set(e, ERR_DATA, "evaluation_too_large",
			"the probabilities of %zu labelled rows for %zu classes do not fit into the memory of a job",
			s->n_labelled, n_classes);
	return OK;
}

enum status
evaluation_check(const struct dataset_summary *s, const struct bundle *b, struct err *e)
{
	enum status status = bundle_check_classes(b, true, e);

	return status ? status : evaluation_check_labels(s, b->n_classes, e);
}

/* Numbers of another unit than the model's are other numbers, plain ones are its own. */
static enum status
check_unit(const struct column_summary *column, const struct number_form *model, struct err *e)
{
	const char *own = column->form.unit, *of_model = model ? model->unit : "";

	if (!*own || !strcmp(own, of_model))
		return OK;
	err_set(e, ERR_DATA, "other_unit",
		"the numbers of column \"%.60s\" have the unit \"%s\" in the data set, and for the model %s%s",
		column->name, own, *of_model ? "the unit " : "none", of_model);
	return err_at(e, 0, column->name);
}

/* A text in a column of numbers is known from the upload: better said now than by the job. */
static enum status
check_numbers(const struct dataset_summary *s, const struct encoder *c, const struct reading *reading, struct err *e)
{
	double v;

	for (size_t j = 0; j < encoder_n_columns(c); j++) {
		const char *name = encoder_column_name(c, j);

		if (!encoder_column_wanted(c, j) || encoder_column_type(c, j) != COLUMN_NUMBER)
			continue;
		for (size_t i = 0; i < s->n_columns; i++) {
			const struct column_summary *column = &s->column[i];

			if (strcmp(column->name, name))
				continue;
			if (column->type == COLUMN_NUMBER && check_unit(column, reading_form(reading, name), e))
				return e->status;
			if (column->type == COLUMN_NUMBER || !column->text_line ||
				reading_number(reading, column->text_cell, strlen(column->text_cell), &v))
				continue;
			err_set(e, ERR_DATA, "not_a_number",
				"column \"%.60s\" is one of numbers for the model, and has \"%.60s\" in line %llu of "
				"the "
				"data set",
				name, column->text_cell, (unsigned long long)column->text_line);
			return err_at(e, column->text_line, name);
		}
	}
	return OK;
}

enum status
evaluation_check_columns(
	const struct dataset_summary *s, const struct encoder *c, const struct reading *reading, struct err *e)
{
	for (size_t j = 0; j < encoder_n_columns(c); j++) {
		const char *name = encoder_column_name(c, j);
		size_t i = 0;

		while (i < s->n_columns && strcmp(s->column[i].name, name))
			i++;
		if (i == s->n_columns && encoder_column_wanted(c, j)) {
			err_set(e, ERR_DATA, "missing_column",
				"the data set has no column \"%.60s\", which the model needs", name);
			return err_at(e, 0, name);
		}
	}
	return check_numbers(s, c, reading, e);
}

/* Rows to answers ---------------------------------------------------------------------------------------------------
 */

enum status
evaluation_init(struct evaluation *v, const struct bundle *b, const struct dataset_summary *s, struct err *e)
{
	size_t n, n_p;
	uint32_t code;
	enum status status;

	*v = (struct evaluation){.bundle = b, .summary = s};
	if ((status = evaluation_check(s, b, e)))
		return status;
	n = s->n_labelled + 1;
	if ((status = size_mul(n, b->n_classes, &n_p, e)))
		return status;
	v->p = malloc(n_p * sizeof *v->p);
	v->y = malloc(n * sizeof *v->y);
	v->in = malloc(n * sizeof *v->in);
	v->outside = malloc(n * sizeof *v->outside);
	v->waiting = malloc(PREDICTOR_BATCH * sizeof *v->waiting);
	status = v->p && v->y && v->in && v->outside && v->waiting ? OK : err_nomem(e);
	for (size_t k = 0; k < b->n_classes && !status; k++)
		status = dictionary_add(&v->classes, b->label[k], strlen(b->label[k]), &code, e);
	if (status)
		evaluation_release(v);
	return status;
}

void
evaluation_release(struct evaluation *v)
{
	free(v->class_of);
	free(v->waiting);
	dictionary_release(&v->classes);
	free(v->p);
	free(v->y);
	free(v->in);
	free(v->outside);
	memset(v, 0, sizeof *v);
}

enum status
evaluation_begin_chunk(struct evaluation *v, const struct table *chunk, struct err *e)
{
	const struct dictionary *labels = &chunk->column[v->summary->label_column].dictionary;

	v->label = &chunk->column[v->summary->label_column];
	v->n_rows += chunk->n_rows;
	if (labels->n > v->cap_class_of) {
		uint32_t *larger = realloc(v->class_of, labels->n * sizeof *larger);

		if (!larger)
			return err_nomem(e);
		v->class_of = larger;
		v->cap_class_of = labels->n;
	}
	for (size_t i = 0; i < labels->n; i++) {
		v->class_of[i] = dictionary_find(&v->classes, labels->text[i], labels->len[i]);
		if (v->class_of[i] == FOREIGN &&
			reading_misses_label(&v->bundle->reading, labels->text[i], labels->len[i]))
			v->class_of[i] = UNLABELLED;
	}
	return OK;
}

bool
evaluation_wants(const struct evaluation *v, size_t row)
{
	const uint32_t code = v->label->code[row];

	return code != TABLE_MISSING && v->class_of[code] != UNLABELLED;
}

void
evaluation_added(struct evaluation *v, size_t row)
{
	v->waiting[v->n_waiting++] = v->class_of[v->label->code[row]];
}

enum status
evaluation_take(struct evaluation *v, const struct answers *a, struct err *e)
{
	if (v->n_in + v->n_out + a->n > v->summary->n_labelled)
		return err_set(e, ERR_CORRUPT, "damaged_dataset",
			"the data set has more labelled rows stored than the %zu of its summary",
			v->summary->n_labelled);
	for (size_t i = 0; i < a->n; i++) {
		if (v->waiting[i] == FOREIGN) {
			v->outside[v->n_out++] = a->score[i];
			v->n_flagged_out += a->is_ood[i];
			continue;
		}
		memcpy(v->p + v->n_in * a->n_classes, a->probability + i * a->n_classes, a->n_classes * sizeof *v->p);
		v->y[v->n_in] = (int32_t)v->waiting[i];
		v->in[v->n_in++] = a->score[i];
		v->n_flagged_in += a->is_ood[i];
	}
	v->n_waiting = 0;
	return OK;
}

static enum status
answer(struct evaluation *v, struct predictor *p, enum status (*ask)(void *ctx, struct err *e), void *ctx,
	struct err *e)
{
	struct answers a;
	enum status s;

	if ((s = predictor_answer(p, INCLUDE_LABELS, &a, e)) || (s = evaluation_take(v, &a, e)))
		return s;
	return ask ? ask(ctx, e) : OK;
}

enum status
evaluation_run(struct evaluation *v, const struct chunk_source *source, enum status (*ask)(void *ctx, struct err *e),
	void *ctx, struct predictor *predictor, struct err *e)
{
	const struct dataset_summary *summary = v->summary;
	struct table t = {0};
	struct err why = {0};
	enum status s = dataset_table(summary, &t, e);

	for (size_t i = 0; !s && v->n_rows < summary->n_rows; i++) {
		table_clear(&t);
		if ((s = source->read(source->ctx, i, &t, &why)) && s != ERR_NOT_FOUND) {
			*e = why;
			break;
		}
		if (s || !t.n_rows || t.n_rows > summary->n_rows - v->n_rows) {
			s = err_set(e, ERR_CORRUPT, "damaged_dataset",
				"the stored chunks of the data set do not add up to its %zu rows", summary->n_rows);
			break;
		}
		s = evaluation_begin_chunk(v, &t, e);
		for (size_t row = 0; row < t.n_rows && !s; row++) {
			if (!evaluation_wants(v, row) ||
				(predictor_full(predictor) && (s = answer(v, predictor, ask, ctx, e))))
				continue;
			if ((s = predictor_add_row(predictor, &t, row, e)))
				err_prefix(e, "row %zu", v->n_rows - t.n_rows + row + 1);
			else
				evaluation_added(v, row);
		}
		if (!s) /* the texts of the rows that wait are the chunk's */
			s = answer(v, predictor, ask, ctx, e);
	}
	table_release(&t);
	return s;
}

/* What came of it ---------------------------------------------------------------------------------------------------
 */

void
evaluation_put_counts(const struct evaluation *v, struct json_build *b, struct cJSON *to)
{
	json_put_count(b, to, "rows", v->summary->n_rows);
	json_put_count(b, to, "labelled", v->n_in + v->n_out);
	json_put_count(b, to, "unlabelled", v->summary->n_rows - v->n_in - v->n_out);
}

enum status
evaluation_put_measures(const struct evaluation *v, struct json_build *b, struct cJSON *to, struct err *e)
{
	struct metrics m = {0};
	enum status s = metrics_compute(v->p, v->y, v->n_in, v->bundle->n_classes, &m, e);

	if (!s)
		report_measures(b, to, &m, (const char *const *)v->bundle->label);
	metrics_release(&m);
	return s;
}

enum status
evaluation_put_ood(const struct evaluation *v, struct json_build *b, struct cJSON *to, struct err *e)
{
	struct metric_ood ood = {
		.auroc = NAN, .average_precision = NAN, .average_precision_in = NAN, .fpr_at_95_tpr = NAN};
	enum status s;

	if (v->n_in && v->n_out && (s = metric_ood(v->in, v->n_in, v->outside, v->n_out, &ood, e)))
		return s;
	json_put_count(b, to, "n_in", v->n_in);
	json_put_count(b, to, "n_out", v->n_out);
	json_put_number(b, to, "auroc", ood.auroc);
	json_put_number(b, to, "average_precision", ood.average_precision);
	json_put_number(b, to, "average_precision_in", ood.average_precision_in);
	json_put_number(b, to, "fpr_at_95_tpr", ood.fpr_at_95_tpr);
	json_put_number(b, to, "flagged_in", v->n_in ? (double)v->n_flagged_in / (double)v->n_in : NAN);
	json_put_number(b, to, "flagged_out", v->n_out ? (double)v->n_flagged_out / (double)v->n_out : NAN);
	json_put_number(b, to, "target_fpr", v->bundle->model->target_fpr);
	return OK;
}
