/* training_test: the labelled set that a training run is measured on at its end; declared in training.h. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "server/evaluation.h"
#include "server/training.h"

/* Of the columns that can hardly be left out by the encoder, and of labels. */
static enum status
check_test(const struct dataset_summary *s, const struct dataset_summary *test, struct err *e)
{
	const size_t few = 10; /* different texts: no identifier */
	bool known = false;
	enum status status;

	if (!s->n_labelled)
		return err_set(e, ERR_DATA, "no_labels",
			"the table to train on has no labels, so there are no classes to test");
	if ((status = evaluation_check_labels(test, s->n_classes, e)))
		return status;
	for (size_t k = 0, j = 0; k < s->n_classes && j < test->n_classes && !known;) {
		int order = strcmp(s->classes[k].label, test->classes[j].label); /* both are in byte order */

		known = !order;
		k += order < 0;
		j += order > 0;
	}
	if (!known)
		return err_set(e, ERR_DATA, "no_known_classes",
			"none of its labels (\"%.60s\", …) is one of the table to train on (\"%.60s\", …)",
			test->classes[0].label, s->classes[0].label);
	for (size_t i = 0; i < s->n_columns; i++) {
		const struct column_summary *c = &s->column[i], *other = NULL;
		bool certain = c->type == COLUMN_NUMBER ? c->n_missing < s->n_rows
							: c->n_distinct && c->n_distinct <= few;

		if (c->role != ROLE_FEATURE || !certain)
			continue;
		for (size_t j = 0; j < test->n_columns && !other; j++)
			other = strcmp(test->column[j].name, c->name) ? NULL : &test->column[j];
		if (!other) {
			err_set(e, ERR_DATA, "missing_column", "it has no column \"%.60s\", which the model will need",
				c->name);
			return err_at(e, 0, c->name);
		}
		if (c->type == COLUMN_NUMBER && other->form.unit[0] && strcmp(other->form.unit, c->form.unit) != 0) {
			err_set(e, ERR_DATA, "other_unit",
				"the numbers of column \"%.60s\" have the unit \"%s\" in the test set, and in the "
				"table to train on %s%s",
				c->name, other->form.unit, c->form.unit[0] ? "the unit " : "none", c->form.unit);
			return err_at(e, 0, c->name);
		}
		if (c->type == COLUMN_NUMBER && other->type != COLUMN_NUMBER && other->text_line) {
			err_set(e, ERR_DATA, "not_a_number",
				"column \"%.60s\" is one of numbers in the table to train on, and has \"%.60s\" in "
				"line "
				"%llu of the test set",
				c->name, other->text_cell, (unsigned long long)other->text_line);
			return err_at(e, other->text_line, c->name);
		}
	}
	return OK;
}

enum status
training_test_check(const struct dataset_summary *s, const struct dataset_summary *test, struct err *e)
{
	enum status status = check_test(s, test, e);

	if (status)
		err_prefix(e, "test set");
	return status;
}

/* The bundle's answers to the test set; predictor and evaluation to be released in any case. */
static enum status
answer_test(const struct training_test *test, const struct bundle *b, struct evaluation *v, struct predictor **p,
	struct err *e)
{
	const struct dataset_summary *s = test->summary;
	const char **names = calloc(s->n_columns, sizeof *names);
	enum status status;

	if (!names)
		return err_nomem(e);
	for (size_t i = 0; i < s->n_columns; i++)
		names[i] = s->column[i].name;
	if (!(status = evaluation_init(v, b, s, e)) && !(status = predictor_new(b, p, e)) &&
		!(status = predictor_columns(*p, names, s->n_columns, e)))
		status = evaluation_run(v, &test->source, test->ask, test->ctx, *p, e);
	free(names);
	return status;
}

enum status
training_test_measure(const struct training_test *test, const struct bundle *b, struct model *baseline,
	struct cJSON **out, struct err *e)
{
	struct bundle other = *b; /* borrows all but the model */
	struct evaluation v = {0}, of_baseline = {0};
	struct predictor *p = NULL, *of_other = NULL;
	struct json_build build = {0};
	cJSON *section = json_object(&build), *part;
	struct warning *warning = NULL;
	size_t n = 0;
	enum status s;

	other.model = baseline;
	if ((s = answer_test(test, b, &v, &p, e)) ||
		(baseline && (s = answer_test(test, &other, &of_baseline, &of_other, e))))
		goto out;
	evaluation_put_counts(&v, &build, section);
	if ((s = evaluation_put_measures(&v, &build, json_put_object(&build, section, "measures"), e)))
		goto out;
	if (baseline) {
		part = json_put_object(&build, section, "baseline");
		if ((s = evaluation_put_measures(&of_baseline, &build, part, e)))
			goto out;
	} else {
		json_put_null(&build, section, "baseline");
	}
	if ((s = evaluation_put_ood(&v, &build, json_put_object(&build, section, "ood"), e)) ||
		(s = predictor_warnings(p, &warning, &n, e)))
		goto out;
	part = json_put_array(&build, section, "warnings");
	for (size_t i = 0; i < n; i++) {
		cJSON *item = json_add_object(&build, part);

		json_put_text(&build, item, "column", warning[i].column);
		json_put_text(&build, item, "code", warning[i].code);
		json_put_count(&build, item, "count", warning[i].count);
	}
	if (build.failed) {
		s = err_nomem(e);
		goto out;
	}
	*out = section;
	section = NULL;
out:
	cJSON_Delete(section);
	free(warning);
	predictor_free(p);
	predictor_free(of_other);
	evaluation_release(&v);
	evaluation_release(&of_baseline);
	return s;
}
