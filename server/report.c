/* report: see report.h. */
#include "server/report.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/params_json.h"
#include "server/version.h"

/* The name of a choice, from the one table that has them. */
static const char *
choice_name(const char *parameter, size_t index)
{
	const struct param *d = params_find(parameter, NULL);

	return d->choices[index];
}

static const struct class_count *
class_with_one_label(const struct dataset_summary *s)
{
	for (size_t k = 0; k < s->n_classes; k++)
		if (s->classes[k].count == 1)
			return &s->classes[k];
	return NULL;
}

static void
put_evaluation(struct json_build *b, cJSON *to, const struct report_facts *f, const struct metrics *m,
	const char *const *label)
{
	const struct class_count *lone = class_with_one_label(f->summary);
	char text[256];

	if (f->result->evaluated) {
		snprintf(text, sizeof text,
			"cross-fitting over %zu folds of the labelled rows, with their shares of the classes",
			f->n_folds);
		json_put_text(b, to, "how", text);
		report_measures(b, to, m, label);
		return;
	}
	json_put_null(b, to, "how");
	if (f->n_ignored)
		snprintf(text, sizeof text,
			"it has no classes to measure; composition.density says how likely rows are");
	else if (!f->summary->n_labelled)
		snprintf(text, sizeof text, "there are no labels to measure it by");
	else if (!f->params->evaluation_folds)
		snprintf(text, sizeof text, "not asked for: evaluation_folds is 0");
	else if (lone)
		snprintf(text, sizeof text,
			"class \"%.100s\" has a single label, which cannot be both learned and tested", lone->label);
	else
		snprintf(text, sizeof text, "too few labels to set some aside for a test");
	json_put_text(b, to, "reason", text);
	report_no_measures(b, to);
}

static void
put_data(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	const struct dataset_summary *s = f->summary;
	cJSON *classes;

	json_put_count(b, to, "rows", s->n_rows);
	json_put_count(b, to, "labelled", s->n_labelled);
	json_put_count(b, to, "unlabelled", s->n_unlabelled);
	json_put_count(b, to, "held_out", f->n_held_out);
	json_put_count(b, to, "columns", s->n_columns);
	json_put_count(b, to, "features", encoder_n_features(f->encoder));
	json_put_text(b, to, "label_column", s->label_column == SIZE_MAX ? NULL : s->column[s->label_column].name);
	classes = json_put_array(b, to, "classes");
	for (size_t k = 0; k < s->n_classes; k++) {
		cJSON *item = json_add_object(b, classes);

		json_put_text(b, item, "label", s->classes[k].label);
		json_put_count(b, item, "count", s->classes[k].count);
	}
}

/* A threshold that no score exceeds says that there is none. */
static double
shown_threshold(const struct ood_reference *r)
{
	return r->threshold < DBL_MAX ? r->threshold : NAN;
}

void
report_thresholds(struct json_build *b, cJSON *to, const struct model *m)
{
	const struct ood_reference *r = &m->reference[m->ood_score];

	json_put_text(b, to, "score", choice_name("ood_score", m->ood_score));
	json_put_number(b, to, "threshold", shown_threshold(r));
	json_put_number(b, to, "target_fpr", m->target_fpr);
	json_put_count(b, to, "reference_rows", r->n);
	for (size_t i = 0; i < N_OOD_SCORES; i++)
		json_put_number(b, to, choice_name("ood_score", i), shown_threshold(&m->reference[i]));
}

static void
warn(struct json_build *b, cJSON *to, const char *code, const char *what, const char *name, const char *message)
{
	cJSON *item = json_add_object(b, to);

	json_put_text(b, item, "code", code);
	if (what)
		json_put_text(b, item, what, name);
	json_put_text(b, item, "message", message);
}

static bool
is_ignored(const cJSON *encoding, const char *name)
{
	const cJSON *column;

	cJSON_ArrayForEach(column, encoding)
	{
		const cJSON *of = cJSON_GetObjectItemCaseSensitive(column, "name");

		if (cJSON_IsString(of) && !strcmp(of->valuestring, name))
			return cJSON_GetObjectItemCaseSensitive(column, "ignored") != NULL;
	}
	return false;
}

static void
warn_of_columns(struct json_build *b, cJSON *to, const struct report_facts *f, const cJSON *encoding)
{
	static const struct {
		const char *reason, *code, *message; /* reason: of encoder_describe */
	} unused[] = {
		{"constant", "constant_column", "has one value in all training rows, so the model makes no use of it"},
		{"empty", "empty_column", "has no value in any training row, so the model makes no use of it"},
		{"identifier_or_free_text", "identifier_column",
			"has texts that hardly repeat, as names and free text do: the model makes no use of it"},
		{"row_number", "row_number_column",
			"counts the rows, which says nothing of further ones: the model makes no use of it"},
		{NULL, NULL, NULL},
	};
	const struct dataset_summary *s = f->summary;
	const cJSON *column;
	char text[256];

	cJSON_ArrayForEach(column, encoding)
	{
		const cJSON *name = cJSON_GetObjectItemCaseSensitive(column, "name");
		const cJSON *ignored = cJSON_GetObjectItemCaseSensitive(column, "ignored");

		for (size_t k = 0; cJSON_IsString(name) && cJSON_IsString(ignored) && unused[k].reason; k++)
			if (!strcmp(ignored->valuestring, unused[k].reason))
				warn(b, to, unused[k].code, "column", name->valuestring, unused[k].message);
	}
	for (size_t i = 0; i < s->n_columns; i++) {
		const struct column_summary *c = &s->column[i];

		if (c->type != COLUMN_TEXT || c->role != ROLE_FEATURE || is_ignored(encoding, c->name) ||
			c->n_distinct <= f->params->max_categories)
			continue;
		if (c->n_distinct < INGEST_MAX_DISTINCT && c->n_distinct + c->n_missing >= s->n_rows)
			snprintf(text, sizeof text,
				"has another text in every row: it is an identifier rather than a category, and better "
				"left out");
		else
			snprintf(text, sizeof text,
				"has %s%zu different texts; the %zu most frequent ones have a feature each, "
				"all others share one",
				c->n_distinct >= INGEST_MAX_DISTINCT ? "at least " : "", c->n_distinct,
				f->params->max_categories);
		warn(b, to, "many_categories", "column", c->name, text);
	}
}

/* By more than a standard error, of shares one row of each kind away from all and none: a single row says nothing. */
static bool
baseline_is_better(const struct train_result *r)
{
	const double n = (double)r->n_evaluated;
	double a = (r->measures.accuracy * n + 1) / (n + 2), b = (r->baseline_measures.accuracy * n + 1) / (n + 2);

	return b - a > sqrt((a * (1 - a) + b * (1 - b)) / n);
}

static void
put_warnings(struct json_build *b, cJSON *to, const struct report_facts *f, const cJSON *encoding)
{
	const struct dataset_summary *s = f->summary;
	const struct train_result *r = f->result;
	const struct ood_reference *reference = &r->model->reference[r->model->ood_score];
	char text[256];

	if (f->n_ignored) {
		snprintf(text, sizeof text,
			"method %s learns no classes: %zu labels were not looked at, and the model scores rows alone",
			choice_name("method", f->params->method), f->n_ignored);
		warn(b, to, "labels_ignored", NULL, NULL, text);
	} else if (!s->n_labelled)
		warn(b, to, "no_labels", NULL, NULL,
			"the table has no labels: the model scores rows, and knows no classes to predict");
	warn_of_columns(b, to, f, encoding);
	for (size_t k = 0; k < s->n_classes; k++)
		if (s->classes[k].count == 1)
			warn(b, to, "class_with_one_label", "class", s->classes[k].label,
				"has a single labelled row, which is little to learn from");
	if (!reference->n) {
		warn(b, to, "no_reference", NULL, NULL,
			"no row could be held out, so p-values are 1 and no row is ever called out-of-distribution");
	} else if ((double)reference->n * f->params->target_fpr < 1) {
		snprintf(text, sizeof text,
			"%zu rows were held out, too few for a threshold at a false-positive rate of %g; p-values come "
			"in "
			"steps of %.3g",
			reference->n, f->params->target_fpr, 1 / (double)reference->n);
		warn(b, to, "small_reference", NULL, NULL, text);
	}
	if (f->n_recoveries) {
		snprintf(text, sizeof text,
			"training diverged and went on from an earlier state %zu times: a smaller learning_rate or a "
			"larger "
			"gamma would make it steadier",
			f->n_recoveries);
		warn(b, to, "recovered", NULL, NULL, text);
	}
	if (r->evaluated && r->baseline && baseline_is_better(r)) {
		snprintf(text, sizeof text,
			"the supervised baseline did better in cross-fitting (accuracy %.3f against %.3f): consider "
			"method \"supervised\"",
			r->baseline_measures.accuracy, r->measures.accuracy);
		warn(b, to, "baseline_is_better", NULL, NULL, text);
	}
}

static void
put_calibration(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	const struct train_result *r = f->result;
	char text[200];

	json_put_bool(b, to, "calibrated", r->calibrated);
	snprintf(text, sizeof text,
		"the weights of the logits are fitted to the cross-fitted answers for %zu labelled rows%s",
		r->n_evaluated, r->calibrated ? "" : ", which are too few to vouch for probabilities");
	if (r->evaluated)
		json_put_text(b, to, r->calibrated ? "how" : "reason", text);
	else
		json_put_text(b, to, "reason",
			f->summary->n_labelled ? "no labels were held back to calibrate probabilities with"
					       : "without labels there are no probabilities to calibrate");
}

/* Of each network that was cross-fitted, before they are blended. */
static void
put_curves(struct json_build *b, cJSON *to, const struct train_result *r, const struct params *p)
{
	const size_t method = p->method == METHOD_AUTO ? METHOD_VERA : p->method;
	cJSON *item;

	if (r->curve.n) {
		item = json_add_object(b, to);
		json_put_text(b, item, "method", choice_name("method", method));
		report_curve(b, item, &r->curve);
	}
	if (r->baseline_curve.n) {
		item = json_add_object(b, to);
		json_put_text(b, item, "method", choice_name("method", METHOD_SUPERVISED));
		report_curve(b, item, &r->baseline_curve);
	}
}

enum status
report_build(struct report_facts *f, char **json, struct err *e)
{
	const struct dataset_summary *s = f->summary;
	struct json_build b = {0};
	const char **label = calloc(s->n_classes ? s->n_classes : 1, sizeof *label);
	cJSON *root, *part, *encoding;
	enum status status;

	if (!label)
		return err_nomem(e);
	for (size_t k = 0; k < s->n_classes; k++)
		label[k] = s->classes[k].label;

	root = json_object(&b);
	json_put_text(&b, root, "verad", VERAD_VERSION);
	json_put_text(&b, root, "method", choice_name("method", f->params->method));
	json_put(&b, root, "parameters", params_to_json(f->params, f->classes));
	put_data(&b, json_put_object(&b, root, "data"), f);
	encoding = encoder_describe(f->encoder);
	json_put(&b, root, "encoding", encoding);
	put_evaluation(&b, json_put_object(&b, root, "measures"), f, &f->result->measures, label);
	if (f->result->baseline) {
		part = json_put_object(&b, root, "baseline");
		json_put_text(&b, part, "method", choice_name("method", METHOD_SUPERVISED));
		put_evaluation(&b, part, f, &f->result->baseline_measures, label);
	} else {
		json_put_null(&b, root, "baseline"); /* the method is the baseline, or there is nothing to measure by */
	}
	put_curves(&b, json_put_array(&b, root, "learning_curves"), f->result, f->params);
	if (f->test)
		json_put(&b, root, "test", f->test);
	else
		json_put_null(&b, root, "test");
	f->test = NULL;
	json_put_count(&b, root, "recoveries", f->n_recoveries);
	report_thresholds(&b, json_put_object(&b, root, "thresholds"), f->result->model);
	put_calibration(&b, json_put_object(&b, root, "calibration"), f);
	report_composition(&b, json_put_object(&b, root, "composition"), f);
	report_choices(&b, json_put_array(&b, root, "choices"), f);
	if (!b.failed)
		put_warnings(&b, json_put_array(&b, root, "warnings"), f, encoding);
	status = json_finish(&b, root, json, e);
	free(label);
	return status;
}
