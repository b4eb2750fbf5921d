/* protocol: see protocol.h. */
#include "tests/bench/protocol.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/kernel.h"
#include "schema/csv.h"
#include "server/chunks.h"
#include "server/training.h"

/* Parameters ------------------------------------------------------------------------------------------------------ */

enum status
protocol_params(const char *text, struct params *p, struct err *e)
{
	char *copy = strdup(text ? text : ""), *rest = NULL;
	enum status s = copy ? OK : err_nomem(e);
	uint64_t given = 0;

	params_defaults(p);
	for (char *word = copy ? strtok_r(copy, " \t", &rest) : NULL; word && !s; word = strtok_r(NULL, " \t", &rest)) {
		char *equals = strchr(word, '=');
		const struct param *d;

		if (!equals) {
			s = err_set(e, ERR_INVALID, "usage", "PARAMS: \"%.60s\" is not of the form name=value", word);
			break;
		}
		*equals = '\0';
		d = params_find(word, NULL);
		s = d ? params_set_text(p, d, equals + 1, e) : params_unknown(word, e);
		given |= d ? params_bit(d) : 0;
	}
	params_settle(p, given);
	free(copy);
	return s;
}

void
protocol_changed(const struct params *p, struct buf *out)
{
	struct params usual;
	char is[128], was[128];

	params_defaults(&usual);
	for (size_t i = 0; i < params_count; i++) {
		params_get_text(p, &params_table[i], is, sizeof is);
		params_get_text(&usual, &params_table[i], was, sizeof was);
		if (strcmp(is, was) != 0)
			buf_printf(out, "%s%s=%s", out->len ? " " : "", params_table[i].name, is);
	}
}

/* Training -------------------------------------------------------------------------------------------------------- */

static double
processor_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A row as CSV: without the label column, or with what is to be its label. */
static void
put_row(struct buf *out, const struct dataset *d, const char *cell, bool with_label, const char *label)
{
	bool first = true;

	for (size_t c = 0; c < d->n_columns; c++) {
		const char *text = c == d->label_column && label ? label : cell;

		if (c != d->label_column || with_label) {
			buf_puts(out, first ? "" : ",");
			csv_put_cell(out, text, strlen(text));
			first = false;
		}
		cell += strlen(cell) + 1;
	}
	buf_puts(out, "\n");
}

static enum status
feed_rows(const struct dataset *d, const unsigned char *role, bool with_label, struct ingest *g, struct err *e)
{
	enum { PIECE = 1 << 17 };
	struct buf piece = {0};
	enum status s = OK;
	bool first = true;

	for (size_t c = 0; c < d->n_columns; c++)
		if (c != d->label_column || with_label) {
			buf_puts(&piece, first ? "" : ",");
			csv_put_cell(&piece, d->name[c], strlen(d->name[c]));
			first = false;
		}
	buf_puts(&piece, "\n");
	for (size_t i = 0; i < d->n_rows && !s; i++) {
		if (role[i] != ROLE_LABELLED && role[i] != ROLE_UNLABELLED)
			continue;
		put_row(&piece, d, (const char *)d->cells.data + d->row_at[i], with_label,
			role[i] == ROLE_LABELLED ? NULL : "");
		if (piece.len >= PIECE) {
			if (!(s = buf_status(&piece, e)))
				s = ingest_feed(g, piece.data, piece.len, e);
			buf_clear(&piece);
		}
	}
	if (!s && !(s = buf_status(&piece, e)))
		s = ingest_feed(g, piece.data, piece.len, e);
	buf_release(&piece);
	return s;
}

/* The artefact as it would come back from a file: what is measured is what is stored. */
static enum status
store_and_load(struct bundle **b, struct err *e)
{
	struct bundle *loaded = NULL;
	struct buf bytes = {0};
	enum status s;

	if (!(s = bundle_write(*b, &bytes, e)) && !(s = bundle_read(bytes.data, bytes.len, &loaded, e))) {
		bundle_free(*b);
		*b = loaded;
	}
	buf_release(&bytes);
	return s;
}

enum status
protocol_train(const struct dataset *d, const unsigned char *role, bool with_label, const struct params *p,
	struct trained *out, struct err *e)
{
	struct chunks chunks = {0};
	const struct ingest_sink sink = chunks_sink(&chunks);
	const struct chunk_source source = chunks_source(&chunks);
	const struct dataset_summary *summary;
	const double start = processor_seconds();
	struct train_progress progress = {0};
	char label[] = "label";
	const struct ingest_options options = {.label_column = with_label ? label : NULL};
	struct ingest *g = NULL;
	struct training *t = NULL;
	bool again;
	enum status s;

	memset(out, 0, sizeof *out);
	if ((s = kernel_init(e)) || (s = ingest_new(&options, NULL, &sink, &g, e)) ||
		(s = feed_rows(d, role, with_label, g, e)) || (s = ingest_finish(g, &again, e)))
		goto out;
	if (again && ((s = ingest_restart(g, e)) || (s = feed_rows(d, role, with_label, g, e)) ||
			     (s = ingest_finish(g, &again, e))))
		goto out;
	summary = ingest_summary(g);
	if ((s = training_new(summary, &source, p, NULL, 1, &t, e)))
		goto out;
	chunks_release(&chunks);
	while (!trainer_done(training_trainer(t)))
		if ((s = trainer_step(training_trainer(t), e)))
			goto out;
	training_progress(t, &progress);
	if ((s = training_finish(t, &out->bundle, e)) || (s = store_and_load(&out->bundle, e)))
		goto out;
	out->baseline = training_take_baseline(t);
	params_get_text(training_params(t), params_find("method", NULL), out->method, sizeof out->method);
	out->n_rows = summary->n_rows;
	out->n_labelled = summary->n_labelled;
	out->n_features = encoder_n_features(out->bundle->encoder);
	out->steps = progress.steps;
	out->seconds = processor_seconds() - start;
out:
	if (s)
		trained_release(out);
	training_free(t);
	ingest_free(g);
	chunks_release(&chunks);
	return s;
}

void
trained_release(struct trained *t)
{
	bundle_free(t->bundle);
	model_free(t->baseline);
	memset(t, 0, sizeof *t);
}

/* Scoring --------------------------------------------------------------------------------------------------------- */

static enum status
take_answers(struct predictor *p, bool want_labels, struct scored *out, size_t *at, struct err *e)
{
	struct answers a;
	enum status s;

	if ((s = predictor_answer(p, want_labels ? INCLUDE_LABELS : 0, &a, e)))
		return s;
	if (want_labels)
		memcpy(out->p + *at * out->n_classes, a.probability, a.n * out->n_classes * sizeof *out->p);
	memcpy(out->score + *at, a.score, a.n * sizeof *out->score);
	*at += a.n;
	return OK;
}

enum status
protocol_score(const struct bundle *b, const struct dataset *d, const unsigned char *role, enum role wanted,
	bool want_labels, struct scored *out, struct err *e)
{
	const char **names = calloc(d->n_columns, sizeof *names);
	struct predictor *p = NULL;
	size_t n_names = 0, at = 0;
	enum status s;

	*out = (struct scored){.n_classes = b->n_classes};
	for (size_t i = 0; i < d->n_rows; i++)
		out->n += role[i] == wanted;
	out->row = calloc(out->n + 1, sizeof *out->row);
	out->score = calloc(out->n + 1, sizeof *out->score);
	if (want_labels)
		out->p = calloc(out->n * out->n_classes + 1, sizeof *out->p);
	if (!names || !out->row || !out->score || (want_labels && !out->p)) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t c = 0; c < d->n_columns; c++)
		if (c != d->label_column)
			names[n_names++] = d->name[c];
	if ((s = predictor_new(b, &p, e)) || (s = predictor_columns(p, names, n_names, e)))
		goto out;
	out->n = 0;
	for (size_t i = 0; i < d->n_rows; i++) {
		const char *cell = (const char *)d->cells.data + d->row_at[i];

		if (role[i] != wanted)
			continue;
		out->row[out->n++] = i;
		if (predictor_full(p) && (s = take_answers(p, want_labels, out, &at, e)))
			goto out;
		if ((s = predictor_begin_row(p, 0, e)))
			goto out;
		for (size_t c = 0, column = 0; c < d->n_columns; c++) {
			size_t len = strlen(cell);

			if (c != d->label_column && (s = predictor_cell_text(p, column++, cell, len, e)))
				goto out;
			cell += len + 1;
		}
	}
	if (at < out->n)
		s = take_answers(p, want_labels, out, &at, e);
out:
	if (s)
		scored_release(out);
	predictor_free(p);
	free(names);
	return s;
}

void
scored_release(struct scored *s)
{
	free(s->row);
	free(s->p);
	free(s->score);
	memset(s, 0, sizeof *s);
}

/* The class of each scored row as the bundle numbers them, into y[s->n]: ERR_DATA for a label it has not. */
static enum status
find_truth(const struct bundle *b, const struct dataset *d, const struct scored *s, int32_t *y, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const char *label = dataset_label(d, s->row[i]);
		size_t k = 0;

		while (k < b->n_classes && strcmp(b->label[k], label) != 0)
			k++;
		if (k == b->n_classes)
			return err_set(e, ERR_DATA, "unknown_class",
				"row %zu is to be scored, but no labelled row is of its class \"%.60s\"", s->row[i],
				label);
		y[i] = (int32_t)k;
	}
	return OK;
}

enum status
protocol_measure(
	const struct bundle *b, const struct dataset *d, const unsigned char *role, struct metrics *out, struct err *e)
{
	struct scored scored = {0};
	int32_t *y = NULL;
	enum status s;

	if ((s = protocol_score(b, d, role, ROLE_TEST, true, &scored, e)))
		return s;
	if (!(y = calloc(scored.n + 1, sizeof *y)))
		s = err_nomem(e);
	if (!s && !(s = find_truth(b, d, &scored, y, e)))
		s = metrics_compute(scored.p, y, scored.n, b->n_classes, out, e);
	scored_release(&scored);
	free(y);
	return s;
}

/* Encoded rows ---------------------------------------------------------------------------------------------------- */

/* Cells of a data set's row into the last row of a table that has the encoder's columns; column_of[c] = which of them
 * the data set's column c is. */
static enum status
put_cells(struct table *t, const struct dataset *d, size_t row, const size_t *column_of, struct err *e)
{
	const char *cell = (const char *)d->cells.data + d->row_at[row];
	enum status s;

	if ((s = table_add_row(t, e)))
		return s;
	for (size_t c = 0; c < d->n_columns; c++) {
		size_t at = column_of[c], len = strlen(cell);
		double v;

		if (at != SIZE_MAX && len && t->column[at].type == COLUMN_TEXT) {
			if ((s = table_set_text(t, at, t->n_rows - 1, cell, len, e)))
				return s;
		} else if (at != SIZE_MAX && number_parse(cell, len, &v)) {
			table_set_number(t, at, t->n_rows - 1, v);
		}
		cell += len + 1;
	}
	return OK;
}

enum status
protocol_encode(
	const struct bundle *b, const struct dataset *d, const unsigned char *take, struct rows *out, struct err *e)
{
	enum { BATCH = 1024 };
	const size_t n_columns = encoder_n_columns(b->encoder);
	const char **names = calloc(n_columns, sizeof *names);
	enum column_type *types = calloc(n_columns, sizeof *types);
	size_t *map = calloc(n_columns, sizeof *map), *column_of = calloc(d->n_columns, sizeof *column_of), n = 0,
	       at = 0;
	struct table t = {0};
	enum status s;

	memset(out, 0, sizeof *out);
	if (!names || !types || !map || !column_of) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < n_columns; i++) {
		names[i] = encoder_column_name(b->encoder, i);
		types[i] = encoder_column_type(b->encoder, i);
		map[i] = i;
	}
	if ((s = table_init(&t, names, types, n_columns, e)))
		goto out;
	for (size_t c = 0; c < d->n_columns; c++)
		column_of[c] = c == d->label_column ? SIZE_MAX : table_find(&t, d->name[c]);
	for (size_t i = 0; i < d->n_rows; i++)
		n += take[i] != 0;
	if ((s = encoder_rows_init(b->encoder, out, n, e)))
		goto out;
	for (size_t i = 0; i < d->n_rows; i++) {
		if (take[i] && (s = put_cells(&t, d, i, column_of, e)))
			goto out;
		if (t.n_rows == BATCH || (t.n_rows && i + 1 == d->n_rows)) {
			encoder_apply(b->encoder, &t, map, out, at, NULL);
			at += t.n_rows;
			table_clear(&t);
		}
	}
out:
	if (s)
		rows_release(out);
	table_release(&t);
	free(names);
	free(types);
	free(map);
	free(column_of);
	return s;
}
