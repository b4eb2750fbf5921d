/*
 * cli_fit: `verad fit`: a CSV file with some labels to a model file, without a daemon.
 *
 * The rows stay in memory as packed chunks until they are encoded. Bytes are read twice only where a column turns out
 * to be text late: a file is then read again, a pipe has been spooled.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/train.h"
#include "server/chunks.h"
#include "server/cli.h"
#include "server/files.h"
#include "server/monotonic.h"
#include "server/pace.h"
#include "server/report_text.h"
#include "server/spool.h"
#include "server/team.h"
#include "server/training.h"

struct fit {
	/* what was asked for */
	const char *input, *output, *test;
	struct ingest_options reading;
	uint64_t threads; /* 0: as many as processors */
	bool quiet;
	struct params params;
	uint64_t given; /* bits of those that were set */
	struct class_params classes;
	/* the progress line */
	bool show_progress;
	bool line_open; /* there is something on the terminal's line */
	double last_shown;
	struct pace pace;
};

static enum status
set_parameter(void *settings, size_t i, const char *text, struct err *e)
{
	struct fit *f = settings;

	f->given |= params_bit(&params_table[i]);
	return params_set_text(&f->params, &params_table[i], text, e);
}

static const char *
parameter_name(size_t i)
{
	return params_table[i].name;
}

static enum status
set_class_weights(void *settings, const char *text, struct err *e)
{
	return class_params_set_text(&((struct fit *)settings)->classes, CLASS_WEIGHTS, text, e);
}

static enum status
set_stated_prior(void *settings, const char *text, struct err *e)
{
	return class_params_set_text(&((struct fit *)settings)->classes, STATED_PRIOR, text, e);
}

/* --set name=value */
static enum status
set_by_name(void *settings, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	const struct param *d;
	struct fit *f = settings;
	char name[64];

	if (!equals || (size_t)(equals - text) >= sizeof name)
		return err_set(e, ERR_INVALID, "usage", "\"%.60s\" is not of the form name=value", text);
	for (size_t i = 0; text + i <= equals; i++)
		name[i] = text + i == equals ? '\0' : text[i] == '-' ? '_' : text[i];
	for (size_t i = 0; i < N_CLASS_PARAMS; i++)
		if (!strcmp(name, class_param_table[i].name))
			return class_params_set_text(&f->classes, (enum class_param)i, equals + 1, e);
	if (!(d = params_find(name, NULL)))
		return params_unknown(name, e);
	f->given |= params_bit(d);
	return params_set_text(&f->params, d, equals + 1, e);
}

/* How the table is to be read: each option is one of ingest_options'. */
#define READING_OPTION(name)                                                                                           \
	static enum status set_##name(void *settings, const char *text, struct err *e)                                 \
	{                                                                                                              \
		return ingest_options_set(&((struct fit *)settings)->reading, #name, text, e);                         \
	}
READING_OPTION(role)
READING_OPTION(type)
READING_OPTION(delimiter)
READING_OPTION(quote)
READING_OPTION(decimal)
READING_OPTION(date_order)
READING_OPTION(na_values)
READING_OPTION(unlabelled_values)
READING_OPTION(max_bad_rows)

static enum status
set_label(void *settings, const char *text, struct err *e)
{
	return ingest_options_set(&((struct fit *)settings)->reading, "label_column", text, e);
}

#define AT(field) offsetof(struct fit, field)

static const struct option options[] = {
	{.name = "label",
		.letter = 'l',
		.value = "COLUMN",
		.type = OPTION_CALL,
		.call = set_label,
		.doc = "the column with the labels; where it is empty, a row has none. Without it the model has no "
		       "classes and scores rows alone"},
	{.name = "output",
		.letter = 'o',
		.value = "FILE",
		.type = OPTION_TEXT,
		.at = AT(output),
		.doc = "where the model goes"},
	{.name = "test",
		.value = "FILE",
		.type = OPTION_TEXT,
		.at = AT(test),
		.doc = "another CSV file with labels, read as TRAIN.CSV is, to measure the model on; it is not learned "
		       "from"},
	{.name = "set",
		.value = "NAME=VALUE",
		.type = OPTION_CALL,
		.call = set_by_name,
		.doc = "a training parameter (below); may come several times"},
	{.name = "threads",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(threads),
		.min = 1,
		.max = 1024,
		.doc = "processors to use (all); the model does not depend on it"},
	{.name = "class-weights",
		.value = "LABEL=W,…",
		.type = OPTION_CALL,
		.call = set_class_weights,
		.doc = "how much each class's labelled rows count in training (1)"},
	{.name = "stated-prior",
		.value = "LABEL=P,…",
		.type = OPTION_CALL,
		.call = set_stated_prior,
		.doc = "shares of the classes that probabilities assume, one for each, in place of class_prior's"},
	{.name = "role",
		.value = "COLUMN=ROLE",
		.type = OPTION_CALL,
		.call = set_role,
		.doc = "what a column is: feature, id, weight, split, ignore; for each column"},
	{.name = "type",
		.value = "COLUMN=TYPE",
		.type = OPTION_CALL,
		.call = set_type,
		.doc = "number, text, date or boolean, where the guess is not what is meant; for each column"},
	{.name = "delimiter",
		.value = "CHARACTER",
		.type = OPTION_CALL,
		.call = set_delimiter,
		.doc = "between cells (,); also by name: semicolon, tab, pipe, space"},
	{.name = "quote",
		.value = "CHARACTER",
		.type = OPTION_CALL,
		.call = set_quote,
		.doc = "around cells (\"), or none"},
	{.name = "decimal",
		.value = "CHARACTER",
		.type = OPTION_CALL,
		.call = set_decimal,
		.doc = "before the decimals of a number (.), or a comma"},
	{.name = "date-order",
		.value = "ORDER",
		.type = OPTION_CALL,
		.call = set_date_order,
		.doc = "what 3/1/2024 is: mdy, month first, or dmy; else as dates such as 25/12/2024 show"},
	{.name = "na-values",
		.value = "LIST",
		.type = OPTION_CALL,
		.call = set_na_values,
		.doc = "texts that stand for a missing cell, between commas (NA and the like in numbers and labels, - "
		       "and . in numbers)"},
	{.name = "unlabelled-values",
		.value = "LIST",
		.type = OPTION_CALL,
		.call = set_unlabelled_values,
		.doc = "texts that mean that a row has no label, between commas"},
	{.name = "max-bad-rows",
		.value = "N",
		.type = OPTION_CALL,
		.call = set_max_bad_rows,
		.doc = "bad rows to leave out before giving up (0)"},
	{.name = "quiet",
		.letter = 'q',
		.type = OPTION_FLAG,
		.at = AT(quiet),
		.doc = "no progress line, no warnings, no summary"},
};

static const struct option_table option_table = {
	.option = options,
	.n = sizeof options / sizeof options[0],
	.n_more = &params_count,
	.more_name = parameter_name,
	.set_more = set_parameter,
};

/* The progress line ----------------------------------------------------------------------------------------------- */

static void
clear_line(struct fit *f)
{
	if (f->line_open)
		fputs("\r\033[K", stderr);
	f->line_open = false;
}

static void
show_line(struct fit *f, const char *text)
{
	struct winsize size;
	int width = 80;

	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 1)
		width = size.ws_col;
	fprintf(stderr, "\r%.*s\033[K", width - 1, text);
	fflush(stderr);
	f->line_open = true;
}

static void
put_time_left(char *out, size_t n, double seconds)
{
	unsigned long s = seconds < 359999 ? (unsigned long)(seconds + 0.5) : 359999;

	if (s >= 3600)
		snprintf(out, n, "  %lu:%02lu:%02lu left", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, n, "  %lu:%02lu left", s / 60, s % 60);
}

static void
show_training(struct fit *f, const struct train_progress *p)
{
	struct training_term term[TRAINING_MAX_TERMS];
	char text[512], left[32] = "", phase[64];
	double t, seconds;
	size_t n_terms, n;

	if (!f->show_progress)
		return;
	t = monotonic_seconds();
	pace_update(&f->pace, p->step, t);
	if (t - f->last_shown < 0.1 && p->step < p->steps)
		return;
	f->last_shown = t;
	seconds = pace_seconds_left(&f->pace, p->steps);
	if (p->fold)
		snprintf(phase, sizeof phase, "%s %zu/%zu", p->phase, p->fold, p->folds);
	else
		snprintf(phase, sizeof phase, "%s", p->phase);
	if (isfinite(seconds))
		put_time_left(left, sizeof left, seconds);
	n = (size_t)snprintf(text, sizeof text, "%s  %zu/%zu", phase, p->step, p->steps);
	if (pace_rate(&f->pace) > 0)
		n += (size_t)snprintf(text + n, sizeof text - n, "  %.0f steps/s", pace_rate(&f->pace));
	n += (size_t)snprintf(text + n, sizeof text - n, "%s ", left);
	/* The terms come last: on a narrow terminal they are what is cut. */
	n_terms = training_terms(p, term);
	for (size_t i = 0; i < n_terms && n < sizeof text; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, " %s %.3g", term[i].name, term[i].value);
	show_line(f, text);
}

static void
show_reading(struct fit *f, uint64_t n_bytes)
{
	char text[64];

	if (!f->show_progress || monotonic_seconds() - f->last_shown < 0.1)
		return;
	f->last_shown = monotonic_seconds();
	snprintf(text, sizeof text, "reading  %.1f MB", (double)n_bytes / 1e6);
	show_line(f, text);
}

/* Reading --------------------------------------------------------------------------------------------------------- */

/* The bytes of the input, once or twice. */
struct source {
	int fd;
	bool seekable;
	off_t start;
	struct spool spool; /* of what cannot be read again */
};

static enum status
feed_all(struct fit *f, struct source *in, bool again, struct ingest *g, struct err *e)
{
	enum { PIECE = 1 << 18 };
	unsigned char *piece = malloc(PIECE);
	uint64_t at = 0;
	size_t got;
	enum status s;

	if (!piece)
		return err_nomem(e);
	for (;;) {
		if (again && !in->seekable)
			s = spool_read(&in->spool, at, piece, PIECE, &got, e);
		else
			s = file_read(in->fd, piece, PIECE, &got, e);
		if (s || !got)
			break;
		if ((s = ingest_feed(g, piece, got, e)) ||
			(!again && !in->seekable && (s = spool_write(&in->spool, piece, got, e))))
			break;
		at += got;
		show_reading(f, at);
	}
	free(piece);
	return s;
}

static enum status
read_table(struct fit *f, const char *path, struct ingest *g, struct err *e)
{
	struct source in = {.fd = -1};
	bool again = false;
	enum status s;

	spool_init(&in.spool, NULL);
	if ((s = file_open_input(path, &in.fd, e)))
		goto out;
	in.start = lseek(in.fd, 0, SEEK_CUR);
	in.seekable = in.start >= 0;
	if ((s = feed_all(f, &in, false, g, e)))
		goto out;
	while (!(s = ingest_finish(g, &again, e)) && again) {
		if (in.seekable && lseek(in.fd, in.start, SEEK_SET) < 0) {
			s = err_set(e, ERR_IO, "io_error", "cannot be read again from its start");
			goto out;
		}
		if ((s = ingest_restart(g, e)) || (s = feed_all(f, &in, true, g, e)))
			goto out;
	}
out:
	if (in.fd > STDIN_FILENO)
		close(in.fd);
	spool_release(&in.spool);
	return s;
}

static void
show_warnings(struct fit *f, const char *path, const struct ingest *g)
{
	const struct dataset_summary *s = ingest_summary(g);
	const char *name = file_input_name(path);
	struct dataset_warning w;
	const struct err *bad;

	clear_line(f);
	for (size_t i = 0; (bad = ingest_bad_row(g, i)); i++)
		fprintf(stderr, "verad: fit: %s: left out: %s\n", name, bad->msg);
	if (s->n_bad_rows > INGEST_BAD_ROWS)
		fprintf(stderr, "verad: fit: %s: left out: %zu bad rows in all\n", name, s->n_bad_rows);
	for (size_t i = 0; i < s->n_columns; i++)
		for (size_t k = 0; dataset_warning(s, i, k, &w); k++)
			fprintf(stderr, "verad: fit: %s: warning: %s\n", name, w.message);
}

/* The run --------------------------------------------------------------------------------------------------------- */

static enum status
train(struct fit *f, struct training *t, int threads, struct err *e)
{
	struct trainer *trainer = training_trainer(t);
	struct train_progress p;
	struct team team;
	enum status s;

	training_progress(t, &p);
	team_start(&team, threads, monotonic_seconds());
	pace_start(&f->pace, training_params(t), &p, monotonic_seconds());
	while (!trainer_done(trainer)) {
		if ((s = trainer_step(trainer, e)))
			return s;
		training_progress(t, &p);
		if (team_update(&team, p.fit, monotonic_seconds()))
			trainer_set_threads(trainer, team.size);
		show_training(f, &p);
	}
	return OK;
}

/* A CSV file to chunks; *g is to be freed in any case. */
static enum status
read_chunks(struct fit *f, const char *path, struct chunks *chunks, struct ingest **g, struct err *e)
{
	const struct ingest_sink sink = chunks_sink(chunks);
	enum status s;

	if ((s = ingest_new(&f->reading, NULL, &sink, g, e)) || (s = read_table(f, path, *g, e)))
		return s;
	if (!f->quiet)
		show_warnings(f, path, *g);
	return OK;
}

static enum status
fit(struct fit *f, const char **blame, struct err *e)
{
	struct chunks chunks = {0}, test_chunks = {0};
	const struct chunk_source source = chunks_source(&chunks);
	struct training_test test = {.source = chunks_source(&test_chunks)};
	struct ingest *g = NULL, *g_test = NULL;
	struct training *t = NULL;
	struct bundle *b = NULL;
	struct buf bytes = {0};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int threads = f->threads ? (int)f->threads : cores > 0 ? (int)cores : 1;
	enum status s;

	*blame = f->output;
	if ((s = file_check_output(f->output, e)))
		goto out;
	if (f->test) { /* first: what is wrong with it is known before anything is learned */
		*blame = file_input_name(f->test);
		if ((s = read_chunks(f, f->test, &test_chunks, &g_test, e)))
			goto out;
		test.summary = ingest_summary(g_test);
	}
	*blame = file_input_name(f->input);
	if ((s = read_chunks(f, f->input, &chunks, &g, e)))
		goto out;
	if ((s = training_new(ingest_summary(g), &source, &f->params, &f->classes, threads, &t, e)) ||
		(f->test && (s = training_test(t, &test, e))))
		goto out;
	chunks_release(&chunks); /* the encoded rows are there now */
	if ((s = train(f, t, threads, e)) || (s = training_finish(t, &b, e)) || (s = bundle_write(b, &bytes, e)))
		goto out;
	*blame = f->output;
	if ((s = file_replace(f->output, bytes.data, bytes.len, e)))
		goto out;
	clear_line(f);
	if (!f->quiet)
		report_print_brief(b->report, stderr);
out:
	clear_line(f);
	buf_release(&bytes);
	bundle_free(b);
	training_free(t);
	ingest_free(g);
	ingest_free(g_test);
	chunks_release(&chunks);
	chunks_release(&test_chunks);
	return s;
}

static int
run(int argc, char *argv[])
{
	struct fit f = {0};
	const char *operand[1], *blame = NULL;
	int exit_status;
	size_t n_operands;
	struct err e = {0};

	params_defaults(&f.params);
	if (options_parse(&option_table, &f, argc, argv, operand, 1, &n_operands, &e) ||
		ingest_options_check(&f.reading, &e)) {
		exit_status = cli_usage("fit", &e);
		goto out;
	}
	if (!n_operands || !f.output) {
		err_set(&e, ERR_INVALID, "usage", "%s",
			!n_operands ? "which file? (- is standard input)" : "-o FILE is needed: where the model goes");
		exit_status = cli_usage("fit", &e);
		goto out;
	}
	params_settle(&f.params, f.given);
	if (params_check(&f.params, &e)) {
		exit_status = cli_usage("fit", &e);
		goto out;
	}
	f.input = operand[0];
	f.show_progress = !f.quiet && isatty(STDERR_FILENO);
	exit_status = fit(&f, &blame, &e) ? cli_fail("fit", blame, &e) : CLI_OK;
out:
	class_params_release(&f.classes);
	ingest_options_release(&f.reading);
	return exit_status;
}

const struct cli_command cli_fit = {
	.name = "fit",
	.synopsis = "TRAIN.CSV [--label COLUMN] -o MODEL [OPTION…]",
	.summary = "train a model on a CSV file in which some rows have labels",
	.details = "TRAIN.CSV may be - for standard input. Rows with an empty label are learned from as unlabelled.\n"
		   "Equal data, parameters and seed give an equal file.\n",
	.options = &option_table,
	.takes_parameters = true,
	.run = run,
};
