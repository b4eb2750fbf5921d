/* report_measures: measures as JSON, of every report, evaluation and comparison; declared in report.h. */
#include <cjson/cJSON.h>

#include "server/report.h"

/* A confusion matrix of more classes than this is larger than all the rest of the report and read by nobody. */
enum { REPORT_MAX_CONFUSION = 200 };

static const char *const plain_measures[] = {
	"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "ece", "macro_auroc"};
enum { N_PLAIN_MEASURES = sizeof plain_measures / sizeof plain_measures[0] };

static void
put_confusion(struct json_build *b, cJSON *to, const struct metrics *m, const char *const *label)
{
	cJSON *confusion, *labels, *matrix;

	if (m->n_classes > REPORT_MAX_CONFUSION) {
		json_put_null(b, to, "confusion");
		return;
	}
	confusion = json_put_object(b, to, "confusion");
	labels = json_put_array(b, confusion, "labels");
	for (size_t k = 0; k < m->n_classes; k++)
		json_add_text(b, labels, label[k]);
	matrix = json_put_array(b, confusion, "matrix"); /* rows: true class; columns: predicted class */
	for (size_t k = 0; k < m->n_classes; k++) {
		cJSON *row = json_add_array(b, matrix);

		for (size_t j = 0; j < m->n_classes; j++)
			json_add_number(b, row, (double)m->confusion[k * m->n_classes + j]);
	}
}

/* The bins of the calibration error: a reliability diagram's points. */
static void
put_reliability(struct json_build *b, cJSON *to, const struct metrics *m)
{
	cJSON *list = json_put_array(b, to, "reliability");

	for (size_t i = 0; i < METRIC_ECE_BINS; i++) {
		const struct metric_bin *bin = &m->bin[i];
		cJSON *item = json_add_object(b, list);

		json_put_number(b, item, "above", (double)i / METRIC_ECE_BINS);
		json_put_number(b, item, "up_to", (double)(i + 1) / METRIC_ECE_BINS);
		json_put_count(b, item, "n", bin->n);
		json_put_number(b, item, "confidence", bin->confidence);
		json_put_number(b, item, "accuracy", bin->accuracy);
	}
}

void
report_measures(struct json_build *b, struct cJSON *to, const struct metrics *m, const char *const *label)
{
	const double value[N_PLAIN_MEASURES] = {
		m->accuracy, m->balanced_accuracy, m->macro_f1, m->log_loss, m->brier, m->ece, m->macro_auroc};
	cJSON *classes;

	json_put_count(b, to, "n", m->n);
	for (size_t i = 0; i < N_PLAIN_MEASURES; i++)
		json_put_number(b, to, plain_measures[i], value[i]);
	classes = json_put_array(b, to, "per_class");
	for (size_t k = 0; k < m->n_classes; k++) {
		const struct metric_class *c = &m->per_class[k];
		cJSON *item = json_add_object(b, classes);

		json_put_text(b, item, "label", label[k]);
		json_put_count(b, item, "support", c->support);
		json_put_number(b, item, "precision", c->precision);
		json_put_number(b, item, "recall", c->recall);
		json_put_number(b, item, "f1", c->f1);
		json_put_number(b, item, "auroc", c->auroc);
	}
	put_confusion(b, to, m, label);
	put_reliability(b, to, m);
}

void
report_no_measures(struct json_build *b, struct cJSON *to)
{
	json_put_count(b, to, "n", 0);
	for (size_t i = 0; i < N_PLAIN_MEASURES; i++)
		json_put_null(b, to, plain_measures[i]);
	json_put_array(b, to, "per_class");
	json_put_null(b, to, "confusion");
	json_put_array(b, to, "reliability");
}

void
report_curve(struct json_build *b, struct cJSON *to, const struct train_curve *curve)
{
	cJSON *list;

	json_put_count(b, to, "rows", curve->n_rows);
	list = json_put_array(b, to, "points");
	for (size_t i = 0; i < curve->n; i++) {
		cJSON *item = json_add_object(b, list);

		json_put_count(b, item, "step", curve->point[i].step);
		json_put_number(b, item, "accuracy", curve->point[i].accuracy);
		json_put_number(b, item, "log_loss", curve->point[i].log_loss);
	}
}

static void
put_accuracy(struct json_build *b, cJSON *to, const char *name, const cJSON *measures)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(measures, "accuracy");

	if (cJSON_IsNumber(item))
		json_put_number(b, to, name, item->valuedouble);
}

void
report_headline(struct json_build *b, struct cJSON *to, const struct cJSON *report)
{
	const cJSON *method = cJSON_GetObjectItemCaseSensitive(report, "method");
	const cJSON *measures = cJSON_GetObjectItemCaseSensitive(report, "measures");
	const cJSON *baseline = cJSON_GetObjectItemCaseSensitive(report, "baseline");
	const cJSON *test = cJSON_GetObjectItemCaseSensitive(report, "test");
	const cJSON *item;

	if (cJSON_IsString(method))
		json_put_text(b, to, "method", method->valuestring);
	for (size_t i = 0; i < N_PLAIN_MEASURES; i++) {
		item = cJSON_GetObjectItemCaseSensitive(measures, plain_measures[i]);
		if (cJSON_IsNumber(item))
			json_put_number(b, to, plain_measures[i], item->valuedouble);
	}
	put_accuracy(b, to, "baseline_accuracy", baseline);
	put_accuracy(b, to, "test_accuracy", cJSON_GetObjectItemCaseSensitive(test, "measures"));
	put_accuracy(b, to, "test_baseline_accuracy", cJSON_GetObjectItemCaseSensitive(test, "baseline"));
}
