/* report_text: see report_text.h. */
#include "server/report_text.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

enum { WIDTH = 100, LABEL_WIDTH = 13 };

static const cJSON *
member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *
text_of(const cJSON *object, const char *name)
{
	const cJSON *item = member(object, name);

	return cJSON_IsString(item) ? item->valuestring : "?";
}

static double
number_of(const cJSON *object, const char *name)
{
	const cJSON *item = member(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void
print_data(const cJSON *report, FILE *out)
{
	const cJSON *data = member(report, "data");

	fprintf(out, "%-*s%.0f rows: %.0f labelled, %.0f unlabelled, %.0f of them held out; %.0f features\n",
		LABEL_WIDTH, "data", number_of(data, "rows"), number_of(data, "labelled"),
		number_of(data, "unlabelled"), number_of(data, "held_out"), number_of(data, "features"));
}

/* A value of a parameter or an item of a list, as compact JSON but without a text's quotes. */
static void
value_text(const cJSON *value, char *out, size_t n)
{
	if (cJSON_IsString(value))
		snprintf(out, n, "%s", value->valuestring);
	else if (!cJSON_PrintPreallocated((cJSON *)(size_t)value, out, (int)n, 0))
		snprintf(out, n, "…");
}

/* Words one after another, broken into lines that begin under the first. */
struct paragraph {
	FILE *out;
	size_t column;
};

static void
put_word(struct paragraph *p, const char *word)
{
	size_t n = strlen(word);

	if (p->column > LABEL_WIDTH && p->column + n + 2 > WIDTH) {
		fprintf(p->out, "\n%-*s", LABEL_WIDTH, "");
		p->column = LABEL_WIDTH;
	}
	if (p->column > LABEL_WIDTH)
		p->column += (size_t)fprintf(p->out, "  ");
	fputs(word, p->out);
	p->column += n;
}

static struct paragraph
begin_paragraph(const char *title, FILE *out)
{
	fprintf(out, "%-*s", LABEL_WIDTH, title);
	return (struct paragraph){.out = out, .column = LABEL_WIDTH};
}

static void
print_classes(const cJSON *report, FILE *out)
{
	enum { SHOWN = 40 };
	struct paragraph p = begin_paragraph("classes", out);
	const cJSON *item;
	char word[160];
	int n = 0, all = cJSON_GetArraySize(member(member(report, "data"), "classes"));

	if (!all)
		put_word(&p, "none: it scores rows, and predicts no labels");
	cJSON_ArrayForEach(item, member(member(report, "data"), "classes"))
	{
		if (n++ == SHOWN) {
			snprintf(word, sizeof word, "and %d more", all - SHOWN);
			put_word(&p, word);
			break;
		}
		snprintf(word, sizeof word, "%.100s (%.0f)", text_of(item, "label"), number_of(item, "count"));
		put_word(&p, word);
	}
	fputc('\n', out);
}

static void
print_parameters(const cJSON *report, FILE *out)
{
	struct paragraph p = begin_paragraph("parameters", out);
	const cJSON *item;
	char value[96], word[192];

	cJSON_ArrayForEach(item, member(report, "parameters"))
	{
		value_text(item, value, sizeof value);
		snprintf(word, sizeof word, "%.60s=%s", item->string, value);
		put_word(&p, word);
	}
	fputc('\n', out);
}

static void
print_measures(const char *title, const char *method, const cJSON *measures, FILE *out)
{
	struct paragraph p = begin_paragraph(title, out);
	const cJSON *item;
	char word[256];

	if (!cJSON_IsObject(measures))
		return;
	put_word(&p, method);
	if (cJSON_IsString(member(measures, "reason"))) {
		snprintf(word, sizeof word, "not measured: %s", text_of(measures, "reason"));
		put_word(&p, word);
	}
	cJSON_ArrayForEach(item, measures)
	{
		if (!cJSON_IsNumber(item) || strcmp(item->string, "n") == 0)
			continue;
		snprintf(word, sizeof word, "%.40s %.4f", item->string, item->valuedouble);
		put_word(&p, word);
	}
	fputc('\n', out);
	if (cJSON_IsString(member(measures, "how")))
		fprintf(out, "%-*sby %s\n", LABEL_WIDTH, "", text_of(measures, "how"));
}

static void
print_test(const cJSON *report, FILE *out)
{
	const cJSON *test = member(report, "test"), *item, *ood = member(test, "ood");

	if (!cJSON_IsObject(test))
		return;
	print_measures("test", text_of(report, "method"), member(test, "measures"), out);
	print_measures("", "baseline", member(test, "baseline"), out);
	fprintf(out, "%-*son %.0f labelled rows of another table", LABEL_WIDTH, "",
		number_of(member(test, "measures"), "n"));
	if (number_of(ood, "n_out") > 0)
		fprintf(out, "; %.0f of other labels, out-of-distribution AUROC %.4f", number_of(ood, "n_out"),
			number_of(ood, "auroc"));
	fputc('\n', out);
	cJSON_ArrayForEach(item, member(test, "warnings")) fprintf(out, "%-*scolumn \"%s\": %s, %.0f\n", LABEL_WIDTH,
		"", text_of(item, "column"), text_of(item, "code"), number_of(item, "count"));
}

static void
print_per_class(const cJSON *report, FILE *out)
{
	const cJSON *item, *list = member(member(report, "measures"), "per_class");

	if (!cJSON_GetArraySize(list) || cJSON_GetArraySize(list) > 50)
		return;
	fprintf(out, "%-*s%-24s %9s %9s %9s %9s\n", LABEL_WIDTH, "by class", "", "support", "precision", "recall",
		"f1");
	cJSON_ArrayForEach(item, list) fprintf(out, "%-*s%-24.60s %9.0f %9.4f %9.4f %9.4f\n", LABEL_WIDTH, "",
		text_of(item, "label"), number_of(item, "support"), number_of(item, "precision"),
		number_of(item, "recall"), number_of(item, "f1"));
}

static void
print_thresholds(const cJSON *report, FILE *out)
{
	const cJSON *t = member(report, "thresholds");

	fprintf(out, "%-*s", LABEL_WIDTH, "foreign");
	if (cJSON_IsNumber(member(t, "threshold")))
		fprintf(out,
			"%s above %.6g, which flags %g%% of rows like those trained on (from %.0f held-out rows)\n",
			text_of(t, "score"), number_of(t, "threshold"), 100 * number_of(t, "target_fpr"),
			number_of(t, "reference_rows"));
	else
		fprintf(out, "%s, without a threshold: no rows were held out\n", text_of(t, "score"));
}

static void
print_warnings(const cJSON *report, FILE *out)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, member(report, "warnings"))
	{
		fprintf(out, "%-*s", LABEL_WIDTH, "warning");
		if (cJSON_IsString(member(item, "column")))
			fprintf(out, "column \"%s\" ", text_of(item, "column"));
		else if (cJSON_IsString(member(item, "class")))
			fprintf(out, "class \"%s\" ", text_of(item, "class"));
		fprintf(out, "%s\n", text_of(item, "message"));
	}
}

static void
print_calibration(const cJSON *report, FILE *out)
{
	const cJSON *c = member(report, "calibration");
	bool calibrated = cJSON_IsTrue(member(c, "calibrated"));

	fprintf(out, "%-*s%s%s\n", LABEL_WIDTH, "calibration",
		calibrated ? "" : "not calibrated: ", text_of(c, calibrated ? "how" : "reason"));
}

static void
print_choices(const cJSON *report, FILE *out)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, member(report, "choices")) if (cJSON_IsString(item))
		fprintf(out, "%-*s%s\n", LABEL_WIDTH, "chosen", item->valuestring);
}

void
report_print(const char *report, FILE *out)
{
	cJSON *root = cJSON_Parse(report);

	fprintf(out, "%-*s%s, made by verad %s\n", LABEL_WIDTH, "method", text_of(root, "method"),
		text_of(root, "verad"));
	print_data(root, out);
	print_classes(root, out);
	print_measures("measures", text_of(root, "method"), member(root, "measures"), out);
	if (cJSON_IsObject(member(root, "baseline")))
		print_measures("baseline", text_of(member(root, "baseline"), "method"), member(root, "baseline"), out);
	print_test(root, out);
	print_per_class(root, out);
	print_thresholds(root, out);
	print_calibration(root, out);
	print_choices(root, out);
	print_parameters(root, out);
	print_warnings(root, out);
	cJSON_Delete(root);
}

void
report_print_brief(const char *report, FILE *out)
{
	cJSON *root = cJSON_Parse(report);

	print_data(root, out);
	print_measures("measures", text_of(root, "method"), member(root, "measures"), out);
	if (cJSON_IsObject(member(root, "baseline")))
		print_measures("baseline", text_of(member(root, "baseline"), "method"), member(root, "baseline"), out);
	print_test(root, out);
	print_warnings(root, out);
	cJSON_Delete(root);
}
