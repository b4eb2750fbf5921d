/*
 * ingest: see ingest.h.
 *
 * A row's cells go straight into the arrays of the chunk, numbers parsed once. While the first chunk fills, the rows'
 * bytes are kept as well, so that a column of numbers that meets a text can be written anew from its exact texts. Later
 * that is past repair: the rest of the stream is then only scouted for further changes of type, and a second pass, with
 * the types known, does the work.
 */
#include "schema/ingest.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "schema/ingest_private.h"
#include "schema/number_amid.h"

enum { RAW_MAX = 32 << 20 };       /* bytes of the first chunk kept as text */
enum { DISTINCT_SLOTS = 8 << 20 }; /* in all columns together: 64 MiB, which only a very wide table can need */

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void
drop_raw(struct ingest *g)
{
	buf_release(&g->raw);
	free(g->raw_offset);
	g->raw_offset = NULL;
	g->raw_cap = 0;
	g->raw_kept = false;
}

/* The n numbers of each column that wait in the tile, from row `first` on. */
static void
put_tile(struct ingest *g, size_t first, size_t n)
{
	for (size_t i = 0; i < g->t.n_columns; i++)
		if (g->t.column[i].type == COLUMN_NUMBER)
			memcpy(g->t.column[i].number + first, g->tile + i * TILE, n * sizeof *g->tile);
}

static enum status
flush(struct ingest *g, struct err *e)
{
	enum status status;
	size_t waiting = g->t.n_rows % TILE;

	put_tile(g, g->t.n_rows - waiting, waiting);

	/* In the order of the arrays, while they are whole: cheaper than in every cell. */
	for (size_t i = 0; i < g->t.n_columns; i++) {
		const struct column *c = &g->t.column[i];
		struct column_summary *s = &g->summary.column[i];
		double least = isnan(s->min) ? INFINITY : s->min, most = isnan(s->max) ? -INFINITY : s->max;

		s->n_missing += c->n_missing;
		if (c->type != COLUMN_NUMBER || c->n_missing == g->t.n_rows)
			continue;
		for (size_t row = 0; row < g->t.n_rows; row++) { /* false for NaN */
			least = c->number[row] < least ? c->number[row] : least;
			most = c->number[row] > most ? c->number[row] : most;
		}
		s->min = least;
		s->max = most;
	}
	status = g->sink.take ? g->sink.take(g->sink.ctx, &g->t, g->n_chunks, e)
			      : g->sink.chunk(g->sink.ctx, &g->t, g->n_chunks, e);
	g->n_chunks++;
	g->chunk_text = 0;
	table_clear(&g->t);
	drop_raw(g);
	return status;
}

/* Keeps the row's bytes, as long as the first chunk is small enough; else a change of type costs a second pass. */
static enum status
keep_raw(struct ingest *g, const struct csv_cell *cell, size_t n, struct err *e)
{
	const char *first = cell[0].text, *end = cell[n - 1].text + cell[n - 1].len + 1;
	size_t base = g->raw.len, row = g->t.n_rows;
	uint32_t *offset;

	if (base + (size_t)(end - first) > RAW_MAX) {
		drop_raw(g);
		return OK;
	}
	if (row >= g->raw_cap) {
		offset = realloc(
			g->raw_offset, g->t.cap * n * sizeof *offset); /* at most one chunk's cells, or one row's */
		if (!offset)
			return err_nomem(e);
		g->raw_offset = offset;
		g->raw_cap = g->t.cap;
	}
	buf_put(&g->raw, first, (size_t)(end - first));
	offset = g->raw_offset + row * n;
	for (size_t i = 0; i < n; i++)
		offset[i] = (uint32_t)(base + (size_t)(cell[i].text - first));
	return buf_status(&g->raw, e);
}

/* Does this text stand for none among numbers, or for an infinite one? */
static bool
is_no_number(const struct ingest *g, const char *text, size_t len)
{
	return ingest_options_missing(&g->options, CELL_NUMBER, text, len) || number_is_infinite(text, len, g->decimal);
}

static enum status
put_text(struct ingest *g, size_t i, size_t row, const char *text, size_t len, struct err *e)
{
	struct column *c = &g->t.column[i];
	size_t n_texts = c->dictionary.n;
	enum status status = dictionary_add(&c->dictionary, text, len, &c->code[row], e);

	if (status || c->dictionary.n == n_texts)
		return status;
	g->chunk_text += len;
	if (g->options.na_given || !usual_na(text, len))
		kinds_note(&g->kinds[i], text, len);
	if (!g->kinds[i].fixed && !g->forms[i].none && !is_no_number(g, text, len))
		number_forms_note(&g->forms[i], text, len, g->decimal);
	return distinct_add(&g->distinct[i], text, len, INGEST_MAX_DISTINCT, &g->n_distinct_slots, DISTINCT_SLOTS, e);
}

/* Column i meets a text that its warning will name: the first that made it text, or is taken as missing. */
static void
note_text(struct ingest *g, size_t i, const struct csv_cell *cell, uint64_t line)
{
	struct column_summary *s = &g->summary.column[i];
	size_t n = text_cut(cell->text, cell->len, INGEST_TEXT_CELL);

	s->text_line = line;
	for (size_t k = 0; k < n; k++) /* it is shown within a line */
		s->text_cell[k] = (unsigned char)cell->text[k] < ' ' ? ' ' : cell->text[k];
	s->text_cell[n] = '\0';
}

/* The cell of column i, one of numbers, is infinite, or more than a double can be. */
static void
count_infinite(struct ingest *g, size_t i, uint64_t line)
{
	if (!g->summary.column[i].n_infinite++)
		g->summary.column[i].infinite_line = line;
}

/* A number among texts: most texts are told by their first byte. */
static bool
is_number(const struct csv_cell *cell, char decimal)
{
	double v;

	return strchr("0123456789+-., \t", cell->text[0]) && number_parse_marked(cell->text, cell->len, decimal, &v);
}

/* Column i, of numbers so far, has met a text in row n_rows, which is not yet part of the table. */
static enum status
become_text(struct ingest *g, size_t i, struct err *e)
{
	struct column *c = &g->t.column[i];

	g->types[i] = COLUMN_TEXT;
	g->form[i] = (struct number_form){0};
	if (!g->raw_kept || g->again) {
		g->again = true;
		return OK;
	}
	c->code = malloc(g->t.cap * sizeof *c->code);
	if (!c->code)
		return err_nomem(e);
	free(c->number);
	c->number = NULL;
	c->type = COLUMN_TEXT;
	g->summary.column[i].n_numbers = g->t.n_rows - c->n_missing;
	g->summary.column[i].n_infinite = 0;
	g->summary.column[i].infinite_line = 0;
	g->summary.column[i].n_na = 0; /* what is missing in a number need not be in a text */
	c->n_missing = 0;
	for (size_t row = 0; row < g->t.n_rows; row++) {
		const char *text = (const char *)g->raw.data + g->raw_offset[row * g->t.n_columns + i];
		size_t len = strlen(text);

		c->code[row] = TABLE_MISSING;
		if (ingest_options_missing(&g->options, CELL_TEXT, text, len)) {
			c->n_missing++;
		} else if (put_text(g, i, row, text, len, e)) {
			return e->status;
		}
	}
	return OK;
}

static enum status
count_label(struct ingest *g, const struct csv_cell *cell, uint64_t line, struct err *e)
{
	const char *name = g->label_name;
	uint32_t code;

	g->summary.n_labelled++;
	code = dictionary_find(&g->labels, cell->text, cell->len);
	if (code != TABLE_MISSING) {
		g->last_label = code;
		g->label_count[code]++;
		return OK;
	}
	if (cell->len > INGEST_MAX_LABEL) {
		err_set(e, ERR_DATA, "label_too_long",
			"line %llu, column \"%.*s\": a label of %zu bytes; at most %d are taken: is this the label "
			"column?",
			(unsigned long long)line, text_shown(name), name, cell->len, INGEST_MAX_LABEL);
		return text_err_at(e, line, name);
	}
	if (g->labels.n == INGEST_MAX_CLASSES) {
		err_set(e, ERR_DATA, "too_many_classes",
			"line %llu, column \"%.*s\": more than %d different labels; is this the label column?",
			(unsigned long long)line, text_shown(name), name, INGEST_MAX_CLASSES);
		return text_err_at(e, line, name);
	}
	if (g->labels.n == g->label_cap) {
		size_t cap = g->label_cap ? g->label_cap * 2 : 16;
		size_t *count = realloc(g->label_count, cap * sizeof *count);

		if (!count)
			return err_nomem(e);
		g->label_count = count;
		g->label_cap = cap;
	}
	if (dictionary_add(&g->labels, cell->text, cell->len, &code, e))
		return e->status;
	g->last_label = code;
	g->label_count[code] = 1;
	return OK;
}

/* The row's label is that of the row before. */
static void
count_label_again(struct ingest *g)
{
	g->summary.n_labelled++;
	g->label_count[g->last_label]++;
}

/* Has the row the same text as the one before it? Often it has, and then it need not be looked up. */
static bool
repeats(struct column *c, size_t row, const struct csv_cell *cell)
{
	uint32_t last = row ? c->code[row - 1] : TABLE_MISSING;

	if (last == TABLE_MISSING || c->dictionary.len[last] != cell->len ||
		memcmp(c->dictionary.text[last], cell->text, cell->len) != 0)
		return false;
	c->code[row] = last;
	return true;
}

/* The cell of column i is missing; one that merely looks like it is counted, and the first noted. */
static void
count_na(struct ingest *g, size_t i, enum cell_kind kind, const struct csv_cell *cell, uint64_t line)
{
	if (!cell->len || !ingest_options_assumed(&g->options, kind, cell->text, cell->len))
		return;
	if (!g->summary.column[i].n_na++)
		note_text(g, i, cell, line);
}

static bool
is_missing(const struct ingest *g, enum cell_kind kind, const struct csv_cell *cell)
{
	return !cell->len || ingest_options_missing(&g->options, kind, cell->text, cell->len);
}

/* Of a cell that is no plain number: is it one in the form of column i? */
static bool
fits_form(const struct ingest *g, size_t i, const struct csv_cell *cell, double *v)
{
	return !number_form_is_plain(&g->form[i]) &&
	       number_form_parse(&g->form[i], cell->text, cell->len, g->decimal, v);
}

static bool
is_na_number(const struct ingest *g, double v)
{
	for (size_t k = 0; k < g->n_na_numbers; k++)
		if (g->na_number[k] == v)
			return true;
	return false;
}

/* Of a stream that is to be read again anyway: which other columns are not of numbers? */
static enum status
scout(struct ingest *g, const struct csv_cell *cell, size_t n, uint64_t line)
{
	double v;

	for (size_t i = 0; i < n; i++) {
		if (g->types[i] != COLUMN_NUMBER || g->declared[i] ||
			number_parse_marked(cell[i].text, cell[i].len, g->decimal, &v) ||
			is_no_number(g, cell[i].text, cell[i].len) || fits_form(g, i, &cell[i], &v))
			continue;
		g->types[i] = COLUMN_TEXT;
		note_text(g, i, &cell[i], line);
	}
	return OK;
}

static enum status
leave_out(struct ingest *g, const struct err *why, struct err *e)
{
	size_t n = g->summary.n_bad_rows;

	if (!g->bad_row && !(g->bad_row = calloc(INGEST_BAD_ROWS, sizeof *g->bad_row)))
		return err_nomem(e);
	if (n < INGEST_BAD_ROWS)
		g->bad_row[n] = *why;
	g->summary.n_bad_rows++;
	return OK;
}

/* Has a row of several columns nothing in it? Its texts lie one behind the other. */
static bool
is_empty(const struct csv_cell *cell, size_t n)
{
	return n > 1 && cell[n - 1].text + cell[n - 1].len == cell[0].text + (n - 1);
}

/* Workbooks write such rows, often many, behind the last one that was ever touched. There is nothing wrong with them.
 */
static enum status
leave_out_empty(struct ingest *g, uint64_t line, struct err *e)
{
	struct err why = {0};

	err_set(&why, ERR_DATA, "empty_row", "line %llu: every cell of the row is empty", (unsigned long long)line);
	text_err_at(&why, line, NULL);
	g->n_empty_rows++;
	return leave_out(g, &why, e);
}

/* A row that cannot be used: left out, as long as the options put up with it. */
static enum status
on_bad_row(void *ctx, const struct err *why, struct err *e)
{
	struct ingest *g = ctx;
	size_t n = g->summary.n_bad_rows - g->n_empty_rows, max = g->options.max_bad_rows;

	if (!max) {
		*e = *why;
		return e->status;
	}
	if (n == max) {
		*e = *why;
		e->code = "too_many_bad_rows";
		return err_prefix(e, "more than %zu bad row%s; the last", max, max == 1 ? "" : "s");
	}
	return leave_out(g, why, e);
}

/* Are the cells good that were declared to be of numbers? What is wrong with one goes into *why. */
static enum status
check_declared(struct ingest *g, const struct csv_cell *cell, uint64_t line, struct err *why)
{
	for (size_t k = 0; k < g->n_declared; k++) {
		size_t i = g->declared_column[k];
		const char *name = g->summary.column[i].name;
		enum column_type type = g->types[i];
		double v = NAN;

		if (type == COLUMN_NUMBER ? !number_parse_amid(cell[i].text, cell[i].len, g->decimal, &v)
					  : !kinds_fits(type, g->options.date_order, cell[i].text, cell[i].len)) {
			if (!is_missing(g, CELL_NUMBER, &cell[i]) &&
				(type != COLUMN_NUMBER || (!is_no_number(g, cell[i].text, cell[i].len) &&
								  !fits_form(g, i, &cell[i], &v)))) {
				err_set(why, ERR_DATA, kinds_refusal(type),
					"line %llu: column \"%.*s\" is declared to be of %ss, and \"%.*s\" is none%s",
					(unsigned long long)line, text_shown(name), name, column_type_name(type),
					(int)text_cut(cell[i].text, cell[i].len, 60), cell[i].text,
					type == COLUMN_DATE && date_orders(cell[i].text, cell[i].len)
						? " before date_order is set"
						: "");
				return text_err_at(why, line, name);
			}
		}
		if (is_na_number(g, v))
			v = NAN;
		if (g->summary.column[i].role != ROLE_WEIGHT || v >= 0)
			continue;
		err_set(why, ERR_DATA, "bad_weight",
			"line %llu: the weight in column \"%.*s\" is %s; it must be a "
			"number of 0 or above",
			(unsigned long long)line, text_shown(name), name, isnan(v) ? "missing" : "negative");
		return text_err_at(why, line, name);
	}
	return OK;
}

/* A cell of column i, one of numbers, that is no plain one. *text: the column has become one of texts, and the cell is
 * still to be put. */
static enum status
put_among_numbers(struct ingest *g, size_t i, const struct csv_cell *cell, uint64_t line, bool *text, struct err *e)
{
	struct column *c = &g->t.column[i];
	double *slot = &g->tile[i * TILE + g->t.n_rows % TILE];
	bool missing = is_missing(g, CELL_NUMBER, cell);

	if (missing || number_is_infinite(cell->text, cell->len, g->decimal)) {
		*slot = NAN;
		c->n_missing++;
		if (missing)
			count_na(g, i, CELL_NUMBER, cell, line);
		else
			count_infinite(g, i, line);
		return OK;
	}
	if (fits_form(g, i, cell, slot)) {
		if (is_na_number(g, *slot)) {
			*slot = NAN;
			c->n_missing++;
		}
		return OK;
	}
	note_text(g, i, cell, line);
	*text = !become_text(g, i, e) && !g->again;
	return *text ? OK : e->status;
}

/* The date as it is stored. */
static const struct csv_cell *
in_order(struct ingest *g, const struct csv_cell *cell)
{
	g->date.text = g->date_text;
	g->date.len = date_put_in_order(cell->text, cell->len, g->options.date_order, g->date_text);
	return g->date.len ? &g->date : cell;
}

/* A cell of column i that is no plain number. What is done is undone by nothing: the row is a good one by now. */
static enum status
put_cell(struct ingest *g, size_t i, const struct csv_cell *cell, uint64_t line, struct err *e)
{
	struct column *c = &g->t.column[i];
	size_t row = g->t.n_rows;
	enum cell_kind kind = i == g->summary.label_column ? CELL_LABEL : g->declared[i] ? CELL_NUMBER : CELL_TEXT;
	bool text = false;

	if (c->type == COLUMN_NUMBER && (put_among_numbers(g, i, cell, line, &text, e) || !text))
		return e->status;
	if (c->type == COLUMN_DATE)
		cell = in_order(g, cell);
	if (repeats(c, row, cell)) {
		if (kind == CELL_LABEL)
			count_label_again(g);
		else if (g->summary.column[i].text_line)
			g->summary.column[i].n_numbers += is_number(cell, g->decimal);
		return OK;
	}
	if (is_missing(g, kind, cell)) {
		c->code[row] = TABLE_MISSING;
		c->n_missing++;
		count_na(g, i, kind, cell, line);
		return OK;
	}
	if (kind == CELL_TEXT && g->summary.column[i].text_line)
		g->summary.column[i].n_numbers += is_number(cell, g->decimal);
	else if (kind == CELL_LABEL && count_label(g, cell, line, e))
		return e->status;
	return put_text(g, i, row, cell->text, cell->len, e);
}

static enum status
on_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	struct ingest *g = ctx;
	struct table *t = &g->t;
	struct err why = {0};
	size_t row = t->n_rows;
	const char decimal = g->decimal;
	double *slot = g->tile + row % TILE;

	if (is_empty(cell, n))
		return leave_out_empty(g, line, e);
	if (row == t->cap && !g->again) {
		size_t want = row ? row * 2 : 64;

		if (table_reserve(t, want < g->chunk_cap ? want : g->chunk_cap, e))
			return e->status;
	}
	if (g->n_declared && !g->again && check_declared(g, cell, line, &why))
		return on_bad_row(g, &why, e);
	if (g->again)
		return scout(g, cell, n, line);
	if (g->raw_kept && keep_raw(g, cell, n, e))
		return e->status;
	for (size_t i = 0; i < n; i++) {
		if (g->types[i] == COLUMN_NUMBER &&
			number_parse_amid(cell[i].text, cell[i].len, decimal, &slot[i * TILE])) {
			if (g->n_na_numbers && is_na_number(g, slot[i * TILE])) {
				slot[i * TILE] = NAN;
				t->column[i].n_missing++;
			}
			continue;
		}
		if (put_cell(g, i, &cell[i], line, e))
			return e->status;
		if (g->again)
			return scout(g, cell, n, line);
	}
	if (row % TILE == TILE - 1)
		put_tile(g, row + 1 - TILE, TILE);
	t->n_rows++;
	g->summary.n_rows++;
	if (t->n_rows == g->chunk_cap || g->chunk_text >= INGEST_CHUNK_TEXT)
		return flush(g, e);
	return OK;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* Ready for the first byte of a pass; what is known of the columns stays. */
static enum status
start(struct ingest *g, struct err *e)
{
	struct csv_handler handler = {.header = ingest_header, .row = on_row, .ragged = on_bad_row, .ctx = g};
	struct dataset_summary *s = &g->summary;

	csv_reader_free(g->csv);
	g->csv = NULL;
	table_release(&g->t);
	drop_raw(g);
	dictionary_clear(&g->labels);
	for (size_t i = 0; i < s->n_columns; i++) {
		distinct_release(&g->distinct[i]);
		g->kinds[i] = (struct kinds){.fixed = g->kinds[i].fixed};
		g->forms[i] = (struct number_forms){0};
		s->column[i].n_missing = s->column[i].n_na = s->column[i].n_distinct = s->column[i].n_numbers = 0;
		s->column[i].n_infinite = 0;
		s->column[i].infinite_line = 0;
		s->column[i].min = s->column[i].max = NAN;
	}
	g->n_distinct_slots = 0;
	g->n_chunks = g->chunk_text = g->n_empty_rows = 0;
	g->again = false;
	g->raw_kept = true;
	s->n_rows = s->n_labelled = s->n_unlabelled = s->n_bytes = s->n_bad_rows = 0;
	if (csv_new(&handler, &g->limits, &g->csv, e))
		return e->status;
	csv_set_dialect(g->csv, ingest_options_delimiter(&g->options), ingest_options_quote(&g->options));
	return OK;
}

enum status
ingest_new(const struct ingest_options *options, const struct csv_limits *limits, const struct ingest_sink *sink,
	struct ingest **out, struct err *e)
{
	struct ingest *g = calloc(1, sizeof *g);
	enum status s;

	if (!g)
		return err_nomem(e);
	if (limits)
		g->limits = *limits;
	g->sink = *sink;
	g->summary.label_column = SIZE_MAX;
	if (options && ((s = ingest_options_check(options, e)) || (s = ingest_options_copy(&g->options, options, e))))
		goto out;
	g->label_name = ingest_options_label(&g->options);
	g->decimal = ingest_options_decimal(&g->options);
	g->n_na_numbers = ingest_options_na_numbers(&g->options, g->na_number);
	if ((s = start(g, e)))
		goto out;
	*out = g;
	g = NULL;
out:
	ingest_free(g);
	return s;
}

enum status
ingest_feed(struct ingest *g, const void *bytes, size_t n, struct err *e)
{
	g->summary.n_bytes += n;
	return csv_feed(g->csv, bytes, n, e);
}

static int
by_label(const void *a, const void *b)
{
	return strcmp(((const struct class_count *)a)->label, ((const struct class_count *)b)->label);
}

/* The tree as text, and gone; NULL where it or memory for it was lacking. */
static char *
as_text(struct cJSON *tree)
{
	char *text = tree ? cJSON_PrintUnformatted(tree) : NULL;

	cJSON_Delete(tree);
	return text;
}

static struct cJSON *
bad_rows_to_json(const struct ingest *g)
{
	cJSON *list = cJSON_CreateArray();
	const struct err *why;
	bool good = list != NULL;

	for (size_t i = 0; good && (why = ingest_bad_row(g, i)); i++) {
		cJSON *row = cJSON_CreateObject();

		good = row && cJSON_AddItemToArray(list, row) &&
		       cJSON_AddNumberToObject(row, "line", (double)why->line) &&
		       cJSON_AddStringToObject(row, "column", why->column) &&
		       cJSON_AddStringToObject(row, "code", why->code) &&
		       cJSON_AddStringToObject(row, "message", why->msg);
	}
	if (good)
		return list;
	cJSON_Delete(list);
	return NULL;
}

static enum status
sum_up(struct ingest *g, struct err *e)
{
	struct dataset_summary *s = &g->summary;

	for (size_t i = 0; i < s->n_columns; i++) {
		s->column[i].type = g->kinds[i].fixed || g->types[i] == COLUMN_NUMBER ? g->types[i]
										      : kinds_type(&g->kinds[i]);
		s->column[i].n_distinct = g->distinct[i].n;
		if (s->column[i].type == COLUMN_NUMBER)
			s->column[i].form = g->form[i];
	}
	assert(!s->classes);
	s->classes = calloc(g->labels.n ? g->labels.n : 1, sizeof *s->classes);
	if (!s->classes)
		return err_nomem(e);
	for (size_t i = 0; i < g->labels.n; i++) {
		s->classes[i].count = g->label_count[i];
		s->classes[i].label = strdup(g->labels.text[i]);
		s->n_classes = i + 1;
		if (!s->classes[i].label)
			return err_nomem(e);
	}
	qsort(s->classes, s->n_classes, sizeof *s->classes, by_label);
	s->options = as_text(ingest_options_to_json(&g->options));
	s->bad_rows = as_text(bad_rows_to_json(g));
	return s->options && s->bad_rows ? OK : err_nomem(e);
}

enum status
ingest_finish(struct ingest *g, bool *again, struct err *e)
{
	enum status status = csv_finish(g->csv, e);

	*again = false;
	if (status)
		return status;
	if (g->again) {
		*again = true;
		return OK;
	}
	if (g->summary.n_rows && ((status = ingest_plan(g, again, e)) || *again))
		return status;
	if (!g->summary.n_rows)
		return err_set(e, ERR_DATA, "no_rows", "the table has a header but no %srows",
			g->summary.n_bad_rows ? "usable " : "");
	if (g->t.n_rows && flush(g, e))
		return e->status;
	g->summary.n_unlabelled = g->summary.n_rows - g->summary.n_labelled;
	return sum_up(g, e);
}

enum status
ingest_restart(struct ingest *g, struct err *e)
{
	enum status status = g->sink.restart(g->sink.ctx, e);

	return status ? status : start(g, e);
}

const struct dataset_summary *
ingest_summary(const struct ingest *g)
{
	return &g->summary;
}

const struct err *
ingest_bad_row(const struct ingest *g, size_t i)
{
	return i < g->summary.n_bad_rows && i < INGEST_BAD_ROWS ? &g->bad_row[i] : NULL;
}

void
ingest_free(struct ingest *g)
{
	if (!g)
		return;
	for (size_t i = 0; g->distinct && i < g->summary.n_columns; i++)
		distinct_release(&g->distinct[i]);
	free(g->distinct);
	free(g->types);
	free(g->tile);
	free(g->declared);
	free(g->declared_column);
	free(g->kinds);
	free(g->form);
	free(g->forms);
	free(g->bad_row);
	csv_reader_free(g->csv);
	table_release(&g->t);
	drop_raw(g);
	dictionary_release(&g->labels);
	free(g->label_count);
	dataset_summary_release(&g->summary);
	ingest_options_release(&g->options);
	free(g);
}
