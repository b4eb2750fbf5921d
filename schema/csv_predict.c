/*
 * csv_predict: CSV in, answers out, as CSV or as JSON; and answers as lines of CSV. Declared in bundle.h.
 */
#include <stdlib.h>
#include <string.h>

#include "schema/answers_json.h"
#include "schema/csv.h"

struct csv_predictor {
	struct predictor *predictor;
	struct csv *csv;
	const struct bundle *bundle; /* borrowed */
	unsigned include;            /* enum include */
	bool as_json, limited;
	bool begun;      /* the header's first line has been seen, and what its characters are is decided */
	struct buf head; /* until then */
	struct buf *out; /* borrowed for the call in progress */
	size_t n_rows, n_answered;
};

/* name: a buffer to use. */
static void
put_prefixed(struct buf *name, const char *prefix, const char *text, void (*put)(struct buf *, const char *),
	struct buf *out)
{
	buf_clear(name);
	buf_puts(name, prefix);
	buf_puts(name, text);
	buf_put_u8(name, 0);
	if (!name->failed)
		put(out, (const char *)name->data);
}

void
answers_columns(
	const struct bundle *b, unsigned include, void (*put)(struct buf *out, const char *name), struct buf *out)
{
	static const char *const scores[] = {"ood.score", "ood.p_value", "ood.is_ood", "ood.reference_score"};
	const size_t n_scores = include & INCLUDE_ATTRIBUTIONS ? 4 : 3;
	const bool want_labels = include & INCLUDE_LABELS;
	struct buf name = {0};

	if (want_labels)
		put(out, "label");
	for (size_t k = 0; want_labels && k < b->n_classes; k++) {
		buf_puts(out, ",");
		put_prefixed(&name, "probability.", b->label[k], put, out);
	}
	for (size_t i = 0; i < n_scores; i++) {
		buf_puts(out, want_labels || i ? "," : "");
		put(out, scores[i]);
	}
	for (size_t j = 0; include & INCLUDE_ATTRIBUTIONS && j < encoder_n_columns(b->encoder); j++) {
		if (!encoder_column_used(b->encoder, j))
			continue;
		buf_puts(out, ",");
		put_prefixed(&name, "ood.attribution.", encoder_column_name(b->encoder, j), put, out);
	}
	out->failed |= name.failed;
	buf_release(&name);
}

void
answers_cells(const struct bundle *b, const struct answers *a, size_t i, void (*put)(struct buf *out, const char *text),
	struct buf *out)
{
	const size_t n_columns = encoder_n_columns(b->encoder);
	char text[32];

	if (a->label) {
		put(out, b->label[a->label[i]]);
		buf_puts(out, ",");
		for (size_t k = 0; k < a->n_classes; k++) {
			buf_put(out, text, number_format_float(text, a->probability[i * a->n_classes + k]));
			buf_puts(out, ",");
		}
	}
	buf_put(out, text, number_format(text, a->score[i]));
	buf_puts(out, ",");
	buf_put(out, text, number_format(text, a->p_value[i]));
	buf_puts(out, a->is_ood[i] ? ",true" : ",false");
	if (a->attribution) {
		buf_puts(out, ",");
		buf_put(out, text, number_format(text, a->reference[i]));
	}
	for (size_t j = 0; a->attribution && j < n_columns; j++) {
		if (!encoder_column_used(b->encoder, j))
			continue;
		buf_puts(out, ",");
		buf_put(out, text, number_format_float(text, (float)a->attribution[i * n_columns + j]));
	}
}

static void
put_cell(struct buf *out, const char *text)
{
	csv_put_cell(out, text, strlen(text));
}

void
answers_csv_header(const struct bundle *b, unsigned include, struct buf *out)
{
	answers_columns(b, include, put_cell, out);
	buf_puts(out, "\n");
}

void
answers_csv_rows(const struct bundle *b, const struct answers *a, struct buf *out)
{
	for (size_t i = 0; i < a->n; i++) {
		answers_cells(b, a, i, put_cell, out);
		buf_puts(out, "\n");
	}
}

static enum status
put_answers(struct csv_predictor *p, struct err *e)
{
	struct answers a;
	enum status s;

	if ((s = predictor_answer(p->predictor, p->include, &a, e)))
		return s;
	if (p->as_json)
		answers_json_rows(p->bundle, ANSWERS_OBJECTS, &a, !p->n_answered, p->out);
	else
		answers_csv_rows(p->bundle, &a, p->out);
	p->n_answered += a.n;
	return buf_status(p->out, e);
}

static enum status
on_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	struct csv_predictor *p = ctx;
	const char **names = calloc(n + 1, sizeof *names);
	enum status s;

	if (!names)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		names[i] = cell[i].text;
	s = predictor_columns(p->predictor, names, n, e);
	if (s == ERR_DATA) {
		const char *other = n == 1 ? csv_other_delimiter(names[0]) : NULL;

		if (other)
			err_prefix(e,
				"the header is a single column, and the delimiter seems to be %s where a comma is "
				"expected",
				other);
		err_at(e, 1, NULL);
	}
	free(names);
	if (s)
		return s;
	if (p->as_json)
		answers_json_begin(p->bundle, ANSWERS_OBJECTS, p->include, p->out);
	else
		answers_csv_header(p->bundle, p->include, p->out);
	return buf_status(p->out, e);
}

static enum status
on_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	struct csv_predictor *p = ctx;
	enum status s = OK;

	if (predictor_full(p->predictor) && (s = put_answers(p, e)))
		return s;
	s = predictor_begin_row(p->predictor, line, e);
	for (size_t i = 0; i < n && !s; i++)
		s = predictor_cell_text(p->predictor, i, cell[i].text, cell[i].len, e);
	if (s)
		return err_prefix(e, "line %llu", (unsigned long long)line);
	p->n_rows++;
	return p->limited ? attributions_fit(p->include, p->n_rows, e) : OK;
}

enum status
csv_predictor_new(const struct bundle *b, unsigned include, struct csv_predictor **out, struct err *e)
{
	struct csv_predictor *p = calloc(1, sizeof *p);
	const struct csv_handler handler = {.header = on_header, .row = on_row, .ctx = p};
	enum status s;

	if (!p)
		return err_nomem(e);
	p->bundle = b;
	p->include = include;
	if ((s = bundle_check_classes(b, include & INCLUDE_LABELS, e)) || (s = predictor_new(b, &p->predictor, e)) ||
		(s = csv_new(&handler, NULL, &p->csv, e))) {
		csv_predictor_free(p);
		return s;
	}
	p->begun = ingest_options_delimiter(&b->reading.options) == ',';
	if (p->begun)
		csv_set_dialect(p->csv, ',', ingest_options_quote(&b->reading.options));
	*out = p;
	return OK;
}

void
csv_predictor_as_json(struct csv_predictor *p)
{
	p->as_json = true;
}

void
csv_predictor_limit_attributions(struct csv_predictor *p)
{
	p->limited = true;
}

void
csv_predictor_free(struct csv_predictor *p)
{
	if (!p)
		return;
	csv_reader_free(p->csv);
	predictor_free(p->predictor);
	buf_release(&p->head);
	free(p);
}

static size_t
count(const struct buf *text, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len && text->data[i] != '\n'; i++)
		n += text->data[i] == (unsigned char)c;
	return n;
}

/* The rows may be written as the table was that the model was trained on, or as CSV usually is: the header tells. */
static enum status
begin(struct csv_predictor *p, struct err *e)
{
	const struct ingest_options *table = &p->bundle->reading.options;

	p->begun = true;
	if (count(&p->head, ingest_options_delimiter(table)) > count(&p->head, ','))
		csv_set_dialect(p->csv, ingest_options_delimiter(table), ingest_options_quote(table));
	return csv_feed(p->csv, p->head.data, p->head.len, e);
}

static enum status
feed(struct csv_predictor *p, const void *bytes, size_t n, struct err *e)
{
	const size_t longest = 1 << 20; /* that is worth waiting for */

	if (p->begun)
		return csv_feed(p->csv, bytes, n, e);
	buf_put(&p->head, bytes, n);
	if (buf_status(&p->head, e))
		return e->status;
	return memchr(bytes, '\n', n) || p->head.len >= longest ? begin(p, e) : OK;
}

enum status
csv_predictor_feed(struct csv_predictor *p, const void *bytes, size_t n, struct buf *out, struct err *e)
{
	enum status s;

	p->out = out;
	s = feed(p, bytes, n, e);
	p->out = NULL;
	return s;
}

static enum status
put_json_end(struct csv_predictor *p, struct err *e)
{
	struct warning *list;
	size_t n;
	enum status s;

	if ((s = predictor_warnings(p->predictor, &list, &n, e)))
		return s;
	answers_json_end(list, n, NULL, 0, p->out);
	free(list);
	return buf_status(p->out, e);
}

enum status
csv_predictor_finish(struct csv_predictor *p, struct buf *out, size_t *n_rows, struct err *e)
{
	enum status s;

	p->out = out;
	s = p->begun ? OK : begin(p, e);
	if (!s)
		s = csv_finish(p->csv, e);
	if (!s && !p->n_rows)
		s = err_set(e, ERR_DATA, "no_rows", "the table has a header and no rows below it");
	if (!s)
		s = put_answers(p, e);
	if (!s && p->as_json)
		s = put_json_end(p, e);
	p->out = NULL;
	if (!s && n_rows)
		*n_rows = p->n_rows;
	return s;
}

enum status
csv_predictor_warnings(const struct csv_predictor *p, struct warning **out, size_t *n, struct err *e)
{
	return predictor_warnings(p->predictor, out, n, e);
}
