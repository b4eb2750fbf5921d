/*
 * cli_measure: `verad measure`: answers against the truth, row by row.
 *
 * Rows whose true label is one of the probability.CLASS columns are in-distribution: they give accuracy and the like.
 * Rows with any other true label are foreign: against the former they give the out-of-distribution measures. Rows
 * without a true label are left out.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/metric.h"
#include "engine/suggest.h"
#include "schema/csv.h"
#include "schema/table.h"
#include "server/cli.h"
#include "server/files.h"
#include "server/report.h"

struct measure {
	const char *label;
	bool json;
};

#define AT(field) offsetof(struct measure, field)

static const struct option options[] = {
	{.name = "label",
		.letter = 'l',
		.value = "COLUMN",
		.type = OPTION_TEXT,
		.at = AT(label),
		.doc = "the column of TRUTH.CSV with the true labels"},
	{.name = "json", .type = OPTION_FLAG, .at = AT(json), .doc = "all measures, as JSON"},
};
static const struct option_table option_table = {.option = options, .n = sizeof options / sizeof options[0]};

static const char probability_prefix[] = "probability.";

/* One growing array of n items of `size` bytes. */
static enum status
grow(void *array, size_t n, size_t *cap, size_t size, struct err *e)
{
	void **at = array, *larger;
	size_t wanted = *cap ? *cap * 2 : 1024, bytes;
	enum status s;

	if (n < *cap)
		return OK;
	if ((s = size_mul(wanted, size, &bytes, e)))
		return s;
	if (!(larger = realloc(*at, bytes)))
		return err_nomem(e);
	*at = larger;
	*cap = wanted;
	return OK;
}

/* The truth: a code for each row's label. */
struct truth {
	const char *label_column;
	size_t at; /* the column's index */
	struct dictionary labels;
	uint32_t *code; /* [n]; TABLE_MISSING: no label */
	size_t n, cap;
};

static enum status
truth_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	struct truth *t = ctx;
	const char **names, *nearest;

	for (size_t i = 0; i < n; i++)
		if (strcmp(cell[i].text, t->label_column) == 0) {
			t->at = i;
			return OK;
		}
	if (!(names = calloc(n ? n : 1, sizeof *names)))
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		names[i] = cell[i].text;
	nearest = suggest_nearest(t->label_column, names, n);
	err_set(e, ERR_DATA, "unknown_label_column", "there is no column \"%.80s\"%s%.80s%s", t->label_column,
		nearest ? " (did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?)" : "");
	free(names);
	return e->status;
}

static enum status
truth_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	struct truth *t = ctx;
	enum status s;

	(void)n;
	(void)line;
	if ((s = grow(&t->code, t->n, &t->cap, sizeof *t->code, e)))
		return s;
	t->code[t->n] = TABLE_MISSING;
	if (cell[t->at].len && (s = dictionary_add(&t->labels, cell[t->at].text, cell[t->at].len, &t->code[t->n], e)))
		return s;
	t->n++;
	return OK;
}

/* The answers: probabilities, whose first maximum is the label, and scores where the file has them. */
struct answers_read {
	size_t n_classes;
	struct dictionary classes;
	size_t *probability_at;   /* [n_classes] column indices */
	size_t score_at, flag_at; /* SIZE_MAX: not there */
	float *p;                 /* [n][n_classes] */
	double *score;
	unsigned char *flag;
	size_t n, cap_p, cap_score, cap_flag;
};

static enum status
answers_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	const size_t prefix = sizeof probability_prefix - 1;
	struct answers_read *a = ctx;
	uint32_t code;
	enum status s;

	a->score_at = a->flag_at = SIZE_MAX;
	if (!(a->probability_at = calloc(n ? n : 1, sizeof *a->probability_at)))
		return err_nomem(e);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(cell[i].text, "ood.score") == 0)
			a->score_at = i;
		else if (strcmp(cell[i].text, "ood.is_ood") == 0)
			a->flag_at = i;
		else if (strncmp(cell[i].text, probability_prefix, prefix) == 0) {
			if ((s = dictionary_add(&a->classes, cell[i].text + prefix, cell[i].len - prefix, &code, e)))
				return s;
			a->probability_at[a->n_classes++] = i;
		}
	}
	if (!a->n_classes)
		return err_set(e, ERR_DATA, "no_probabilities",
			"there is no column \"probability.…\": answers without classes, of predict --ood or of a model "
			"trained "
			"without labels, cannot be held against labels");
	return OK;
}

static enum status
read_number(const struct csv_cell *cell, uint64_t line, const char *column, double *v, struct err *e)
{
	if (number_parse(cell->text, cell->len, v))
		return OK;
	err_set(e, ERR_DATA, "not_a_number", "line %llu, column \"%s\": \"%.60s\" is not a number",
		(unsigned long long)line, column, cell->text);
	return err_at(e, line, column);
}

static enum status
answers_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	struct answers_read *a = ctx;
	double v;
	enum status s;

	(void)n;
	if ((s = grow(&a->p, a->n, &a->cap_p, a->n_classes * sizeof *a->p, e)) ||
		(s = grow(&a->score, a->n, &a->cap_score, sizeof *a->score, e)) ||
		(s = grow(&a->flag, a->n, &a->cap_flag, sizeof *a->flag, e)))
		return s;
	for (size_t k = 0; k < a->n_classes; k++) {
		if ((s = read_number(&cell[a->probability_at[k]], line, "probability", &v, e)))
			return s;
		a->p[a->n * a->n_classes + k] = (float)v;
	}
	a->score[a->n] = 0;
	if (a->score_at != SIZE_MAX && (s = read_number(&cell[a->score_at], line, "ood.score", &a->score[a->n], e)))
		return s;
	a->flag[a->n] = a->flag_at != SIZE_MAX && strcmp(cell[a->flag_at].text, "true") == 0;
	a->n++;
	return OK;
}

static enum status
read_csv(const char *path, const struct csv_handler *handler, struct err *e)
{
	enum { PIECE = 1 << 17 };
	unsigned char *piece = malloc(PIECE);
	struct csv *csv = NULL;
	size_t got;
	int fd = -1;
	enum status s;

	if (!piece) {
		s = err_nomem(e);
		goto out;
	}
	if ((s = file_open_input(path, &fd, e)) || (s = csv_new(handler, NULL, &csv, e)))
		goto out;
	while (!(s = file_read(fd, piece, PIECE, &got, e)) && got)
		if ((s = csv_feed(csv, piece, got, e)))
			goto out;
	if (!s)
		s = csv_finish(csv, e);
out:
	csv_reader_free(csv);
	if (fd > STDIN_FILENO)
		close(fd);
	free(piece);
	return s;
}

/* The comparison -------------------------------------------------------------------------------------------------- */

struct comparison {
	size_t n_unlabelled, n_known, n_foreign, n_flagged_known, n_flagged_foreign;
	struct metrics measures;
	bool has_ood;
	struct metric_ood ood;
};

/* Splits the rows and measures both parts. The arrays of `a` are reordered: known rows to the front. */
static enum status
compare(const struct truth *t, struct answers_read *a, struct comparison *c, struct err *e)
{
	int32_t *y = calloc(a->n ? a->n : 1, sizeof *y),
		*class_of = calloc(t->labels.n ? t->labels.n : 1, sizeof *class_of);
	double *foreign = calloc(a->n ? a->n : 1, sizeof *foreign);
	const size_t width = a->n_classes * sizeof *a->p;
	enum status s;

	if (!y || !class_of || !foreign) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < t->labels.n; i++) {
		uint32_t code = dictionary_find(&a->classes, t->labels.text[i], t->labels.len[i]);

		class_of[i] = code == TABLE_MISSING ? -1 : (int32_t)code;
	}
	for (size_t i = 0; i < a->n; i++) {
		if (t->code[i] == TABLE_MISSING) {
			c->n_unlabelled++;
		} else if (class_of[t->code[i]] < 0) {
			foreign[c->n_foreign++] = a->score[i];
			c->n_flagged_foreign += a->flag[i];
		} else {
			y[c->n_known] = class_of[t->code[i]];
			memmove(a->p + c->n_known * a->n_classes, a->p + i * a->n_classes, width);
			a->score[c->n_known++] = a->score[i];
			c->n_flagged_known += a->flag[i];
		}
	}
	if ((s = metrics_compute(a->p, y, c->n_known, a->n_classes, &c->measures, e)))
		goto out;
	c->has_ood = c->n_foreign && c->n_known && a->score_at != SIZE_MAX;
	if (c->has_ood)
		s = metric_ood(a->score, c->n_known, foreign, c->n_foreign, &c->ood, e);
out:
	free(y);
	free(class_of);
	free(foreign);
	return s;
}

static enum status
print_json(const struct comparison *c, const struct answers_read *a, struct err *e)
{
	struct json_build b = {0};
	cJSON *root = json_object(&b), *ood;
	char *text = NULL;
	enum status s;

	json_put_count(&b, root, "rows", a->n);
	json_put_count(&b, root, "unlabelled", c->n_unlabelled);
	report_measures(&b, root, &c->measures, a->classes.text);
	if (c->has_ood) {
		ood = json_put_object(&b, root, "ood");
		json_put_count(&b, ood, "n_in", c->n_known);
		json_put_count(&b, ood, "n_out", c->n_foreign);
		json_put_number(&b, ood, "auroc", c->ood.auroc);
		json_put_number(&b, ood, "average_precision", c->ood.average_precision);
		json_put_number(&b, ood, "average_precision_in", c->ood.average_precision_in);
		json_put_number(&b, ood, "fpr_at_95_tpr", c->ood.fpr_at_95_tpr);
		if (a->flag_at != SIZE_MAX) {
			json_put_number(&b, ood, "flagged_in", (double)c->n_flagged_known / (double)c->n_known);
			json_put_number(&b, ood, "flagged_out", (double)c->n_flagged_foreign / (double)c->n_foreign);
		}
	} else {
		json_put_null(&b, root, "ood");
	}
	if (!(s = json_finish(&b, root, &text, e)))
		puts(text);
	free(text);
	return s;
}

static void
print_text(const struct comparison *c, const struct answers_read *a)
{
	const struct metrics *m = &c->measures;
	const struct {
		const char *name;
		double value;
	} line[] =
		{
			{"accuracy", m->accuracy},
			{"balanced accuracy", m->balanced_accuracy},
			{"macro F1", m->macro_f1},
			{"log-loss", m->log_loss},
			{"Brier score", m->brier},
			{"calibration error", m->ece},
			{"macro AUROC", m->macro_auroc},
		},
	  ood[] = {
		  {"AUROC", c->ood.auroc},
		  {"average precision", c->ood.average_precision},
		  {"FPR at 95% TPR", c->ood.fpr_at_95_tpr},
	  };

	printf("%zu rows of known classes", c->n_known);
	if (c->n_foreign)
		printf(", %zu of others", c->n_foreign);
	if (c->n_unlabelled)
		printf(", %zu without a true label left out", c->n_unlabelled);
	puts("\n\nknown classes");
	for (size_t i = 0; i < sizeof line / sizeof line[0]; i++)
		if (isfinite(line[i].value)) /* else there was nothing to measure */
			printf("  %-20s %.4f\n", line[i].name, line[i].value);
	if (!c->has_ood)
		return;
	puts("\nothers against them (higher score = more foreign)");
	for (size_t i = 0; i < sizeof ood / sizeof ood[0]; i++)
		printf("  %-20s %.4f\n", ood[i].name, ood[i].value);
	if (a->flag_at != SIZE_MAX)
		printf("  %-20s %.4f of others, %.4f of known\n", "flagged",
			(double)c->n_flagged_foreign / (double)c->n_foreign,
			(double)c->n_flagged_known / (double)c->n_known);
}

static int
run(int argc, char *argv[])
{
	struct measure o = {0};
	struct truth t = {0};
	struct answers_read a = {0};
	struct comparison c = {0};
	const struct csv_handler read_truth = {.header = truth_header, .row = truth_row, .ctx = &t};
	const struct csv_handler read_answers = {.header = answers_header, .row = answers_row, .ctx = &a};
	const char *operand[2], *blame;
	size_t n_operands;
	int status = CLI_FAILED;
	struct err e = {0};

	if (options_parse(&option_table, &o, argc, argv, operand, 2, &n_operands, &e))
		return cli_usage("measure", &e);
	if (n_operands < 2 || !o.label) {
		err_set(&e, ERR_INVALID, "usage", "%s",
			n_operands < 2 ? "two files are needed: the answers and the truth"
				       : "--label COLUMN is needed: the column of the truth with the labels");
		return cli_usage("measure", &e);
	}
	t.label_column = o.label;
	blame = file_input_name(operand[0]);
	if (read_csv(operand[0], &read_answers, &e))
		goto out;
	blame = file_input_name(operand[1]);
	if (read_csv(operand[1], &read_truth, &e))
		goto out;
	if (t.n != a.n) {
		err_set(&e, ERR_DATA, "row_counts_differ",
			"%zu rows, but %s has %zu: they must be the same rows in the same order", t.n,
			file_input_name(operand[0]), a.n);
		goto out;
	}
	if (compare(&t, &a, &c, &e))
		goto out;
	if (o.json) {
		if (print_json(&c, &a, &e))
			goto out;
	} else {
		print_text(&c, &a);
	}
	status = cli_flush("measure");
out:
	if (e.status)
		status = cli_fail("measure", blame, &e);
	metrics_release(&c.measures);
	dictionary_release(&t.labels);
	dictionary_release(&a.classes);
	free(t.code);
	free(a.probability_at);
	free(a.p);
	free(a.score);
	free(a.flag);
	return status;
}

const struct cli_command cli_measure = {
	.name = "measure",
	.synopsis = "ANSWERS.CSV TRUTH.CSV --label COLUMN [--json]",
	.summary = "compare predictions with the truth",
	.details = "ANSWERS.CSV is what predict wrote; TRUTH.CSV has the same rows in the same order. Rows whose true "
		   "label\n"
		   "is no class of the model count as foreign. Rows without a true label are left out.\n",
	.options = &option_table,
	.run = run,
};
