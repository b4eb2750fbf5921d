/*
 * csv_predict: CSV in, answers out, as CSV or as JSON. Declared in bundle.h.
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
