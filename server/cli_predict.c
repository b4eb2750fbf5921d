/*
 * cli_predict: `verad predict`: rows in, answers out, streamed; the same code and the same bytes as the daemon's.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/cli.h"
#include "server/files.h"

struct predict {
	bool ood, attributions;
};

static const struct option options[] = {
	{.name = "ood",
		.type = OPTION_FLAG,
		.at = offsetof(struct predict, ood),
		.doc = "out-of-distribution scores alone, without labels and probabilities"},
	{.name = "attributions",
		.type = OPTION_FLAG,
		.at = offsetof(struct predict, attributions),
		.doc = "what each column adds to the score as well"},
};
static const struct option_table option_table = {.option = options, .n = sizeof options / sizeof options[0]};

/* What each warning means, for people. */
static const struct {
	const char *code, *text;
} meanings[] = {
	{"extra_column", "is not known to the model and was ignored"},
	{"unseen_category", "cells have a text that training never saw"},
	{"missing_cell", "cells are empty, though none was in training"},
	{"clipped_number", "cells are far outside the range seen in training"},
	{"not_a_date", "cells are no dates, and were taken as missing"},
	{"infinite_number", "numbers are infinite, and were taken as missing"},
};

static void
print_warnings(const struct csv_predictor *p)
{
	struct warning *w = NULL;
	struct err e = {0};
	size_t n = 0;

	if (csv_predictor_warnings(p, &w, &n, &e))
		return; /* nothing but memory can lack, and the answers are out */
	for (size_t i = 0; i < n; i++) {
		const char *text = w[i].code;
		bool column = strcmp(w[i].code, "extra_column") == 0;

		for (size_t k = 0; k < sizeof meanings / sizeof meanings[0]; k++)
			if (strcmp(meanings[k].code, w[i].code) == 0)
				text = meanings[k].text;
		fprintf(stderr, "verad: predict: warning: column \"%s\": ", w[i].column);
		if (!column)
			fprintf(stderr, "%zu ", w[i].count);
		fprintf(stderr, "%s\n", text);
	}
	free(w);
}

/* *blame = whose fault a failure is: the input's name or the output's. */
static enum status
answer_all(struct csv_predictor *p, int in, const char *input, const char **blame, struct err *e)
{
	enum { PIECE = 1 << 17 };
	unsigned char *piece = malloc(PIECE);
	struct buf out = {0};
	size_t got, n_rows;
	bool over = false;
	enum status s = piece ? OK : err_nomem(e);

	while (!s && !over) {
		*blame = input;
		if ((s = file_read(in, piece, PIECE, &got, e)))
			break;
		over = !got;
		s = over ? csv_predictor_finish(p, &out, &n_rows, e) : csv_predictor_feed(p, piece, got, &out, e);
		if (!s)
			s = buf_status(&out, e);
		/* Answers to the rows before a bad one are good, and may help to find it. */
		if (out.len) {
			struct err late = {0};

			if (file_write(STDOUT_FILENO, out.data, out.len, &late) && !s) {
				*blame = "standard output";
				*e = late;
				s = late.status;
			}
		}
		buf_clear(&out);
	}
	free(piece);
	buf_release(&out);
	return s;
}

static int
run(int argc, char *argv[])
{
	struct predict o = {0};
	const char *operand[2], *input, *blame;
	struct csv_predictor *p = NULL;
	struct bundle *b = NULL;
	size_t n_operands;
	unsigned include;
	int in = -1, status = CLI_OK;
	struct err e = {0};

	if (options_parse(&option_table, &o, argc, argv, operand, 2, &n_operands, &e))
		return cli_usage("predict", &e);
	if (!n_operands) {
		err_set(&e, ERR_INVALID, "usage", "which model?");
		return cli_usage("predict", &e);
	}
	input = n_operands > 1 ? operand[1] : NULL;
	blame = file_input_name(operand[0]);
	include = (o.ood ? 0 : INCLUDE_LABELS) | (o.attributions ? INCLUDE_ATTRIBUTIONS : 0);
	if (cli_load_model(operand[0], &b, &e) || csv_predictor_new(b, include, &p, &e)) {
		status = cli_fail("predict", blame, &e);
		goto out;
	}
	blame = file_input_name(input);
	if (file_open_input(input, &in, &e) || answer_all(p, in, blame, &blame, &e))
		status = cli_fail("predict", blame, &e);
	print_warnings(p);
out:
	if (in > STDIN_FILENO)
		close(in);
	csv_predictor_free(p);
	bundle_free(b);
	return status;
}

const struct cli_command cli_predict = {
	.name = "predict",
	.synopsis = "MODEL [ROWS.CSV] [--ood] [--attributions] > ANSWERS.CSV",
	.summary = "label rows and say how foreign they are",
	.details =
		"ROWS.CSV may be - or left out for standard input. Columns are matched by name; others are ignored.\n"
		"Answers: label, probability.CLASS for each class, ood.score (higher is more foreign), ood.p_value "
		"(share\n"
		"of known rows at least as foreign), ood.is_ood (true or false). With --attributions also\n"
		"ood.reference_score, the score of a row that is typical of those most like this one, and\n"
		"ood.attribution.COLUMN, what each column adds to it: together they make the score.\n",
	.options = &option_table,
	.run = run,
};
