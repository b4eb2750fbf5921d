/* encode: a finished encoder at work; see encode.h. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "schema/boolean.h"
#include "schema/encode_private.h"
#include "schema/ingest_options.h"

int
encoder_by_checksum(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void
encoder_free(struct encoder *c)
{
	if (!c)
		return;
	encoder_fit_release(c);
	for (size_t i = 0; c->column && i < c->n_columns; i++) {
		free(c->column[i].name);
		scale_release(&c->column[i].scale);
		dictionary_release(&c->column[i].category);
		free(c->column[i].rest);
	}
	free(c->column);
	free(c->width);
	free(c);
}

enum status
encoder_lay_out(struct encoder *c, struct err *e)
{
	c->width = calloc(c->n_columns + 1, sizeof *c->width);
	if (!c->width)
		return err_nomem(e);
	for (size_t j = 0; j < c->n_columns; j++) {
		size_t width = encoder_width_of(&c->column[j]);

		c->n_dense += encoder_n_dense_of(&c->column[j]);
		c->d += width;
		if (width)
			c->width[c->n_codes++] = (uint32_t)width;
	}
	c->d += c->n_dense;
	return OK;
}

size_t
encoder_n_columns(const struct encoder *c)
{
	return c->n_columns;
}

const char *
encoder_column_name(const struct encoder *c, size_t i)
{
	return c->column[i].name;
}

enum column_type
encoder_column_type(const struct encoder *c, size_t i)
{
	return c->column[i].type;
}

bool
encoder_column_wanted(const struct encoder *c, size_t i)
{
	return c->column[i].use == USED || c->column[i].use == UNUSED_CONSTANT;
}

struct encoder_features
encoder_column_features(const struct encoder *c, size_t i)
{
	const struct encoder_column *column = &c->column[i];
	struct encoder_features f = {0};

	if (column->use != USED)
		return f;
	f.missing = column->missing_seen;
	f.cycles = column->cycles;
	if (!encoder_is_dense(column)) {
		f.category = &column->category;
		f.width = encoder_width_of(column);
	} else if (scale_varies(&column->scale)) {
		f.scale = &column->scale;
	}
	return f;
}

size_t
encoder_n_features(const struct encoder *c)
{
	return c->d;
}

enum status
encoder_rows_init(const struct encoder *c, struct rows *rows, size_t n, struct err *e)
{
	return rows_init(rows, n, c->n_dense, c->n_codes, c->width, e);
}

enum status
encode_warnings_init(struct encode_warnings *w, const struct encoder *c, struct err *e)
{
	w->unseen_category = calloc(c->n_columns + 1, sizeof *w->unseen_category);
	w->missing_cell = calloc(c->n_columns + 1, sizeof *w->missing_cell);
	w->clipped = calloc(c->n_columns + 1, sizeof *w->clipped);
	w->not_a_date = calloc(c->n_columns + 1, sizeof *w->not_a_date);
	w->infinite = calloc(c->n_columns + 1, sizeof *w->infinite);
	if (!w->unseen_category || !w->missing_cell || !w->clipped || !w->not_a_date || !w->infinite) {
		encode_warnings_release(w);
		return err_nomem(e);
	}
	return OK;
}

void
encode_warnings_clear(struct encode_warnings *w, const struct encoder *c)
{
	memset(w->unseen_category, 0, c->n_columns * sizeof *w->unseen_category);
	memset(w->missing_cell, 0, c->n_columns * sizeof *w->missing_cell);
	memset(w->clipped, 0, c->n_columns * sizeof *w->clipped);
	memset(w->not_a_date, 0, c->n_columns * sizeof *w->not_a_date);
	memset(w->infinite, 0, c->n_columns * sizeof *w->infinite);
}

void
encode_warnings_release(struct encode_warnings *w)
{
	free(w->unseen_category);
	free(w->missing_cell);
	free(w->clipped);
	free(w->not_a_date);
	free(w->infinite);
	memset(w, 0, sizeof *w);
}

struct counts { /* of one column */
	size_t unseen, missing, clipped, not_a_date;
};

double
encoder_date(const struct column *from, size_t row, struct date_memo *memo, bool *missing)
{
	const uint32_t k = from->code[row];
	double days = NAN;
	const char *text;
	size_t len;

	*missing = k == TABLE_MISSING;
	if (*missing)
		return NAN;
	if (k < sizeof memo->of / sizeof *memo->of && memo->of[k].known) {
		*missing = memo->of[k].missing;
		return memo->of[k].days;
	}
	text = from->dictionary.text[k];
	len = from->dictionary.len[k];
	if (!date_parse(text, len, &days)) {
		days = NAN;
		*missing = usual_na(text, len);
	}
	if (k < sizeof memo->of / sizeof *memo->of) {
		memo->of[k].days = days;
		memo->of[k].missing = *missing;
		memo->of[k].known = true;
	}
	return days;
}

const char *
encoder_boolean(const char *text, size_t *len)
{
	bool yes;

	if (!boolean_parse(text, *len, &yes))
		return usual_na(text, *len) ? NULL : text;
	*len = yes ? strlen("true") : strlen("false");
	return yes ? "true" : "false";
}

/* out: the column's first feature of the first row, rows `stride` apart. */
static void
apply_numbers(const struct encoder_column *column, const double *v, size_t n, float *out, size_t stride,
	struct counts *counts)
{
	const bool varies = scale_varies(&column->scale);

	for (size_t i = 0; i < n; i++, out += stride) {
		bool missing = isnan(v[i]), clipped = false;

		if (varies)
			out[0] = scale_apply(&column->scale, missing ? column->scale.median : v[i], &clipped);
		counts->clipped += clipped; /* the median never is */
		if (column->missing_seen)
			out[varies] = missing;
		counts->missing += missing && !column->missing_seen;
	}
}

/* Two features for each cycle that the column has; those of a missing date are 0, which no date has both. */
static void
put_cycles(unsigned cycles, double days, float *out)
{
	for (int c = 0; c < N_DATE_CYCLES; c++) {
		if (!(cycles & 1u << c))
			continue;
		out[0] = out[1] = 0;
		if (!isnan(days))
			date_angle(days, (enum date_cycle)c, &out[0], &out[1]);
		out += 2;
	}
}

static void
apply_dates(const struct encoder_column *column, const struct column *from, size_t n, float *out, size_t stride,
	struct counts *counts)
{
	struct date_memo memo = {0};
	const bool varies = scale_varies(&column->scale);

	for (size_t i = 0; i < n; i++, out += stride) {
		bool empty, clipped = false;
		double days = encoder_date(from, i, &memo, &empty);
		bool missing = isnan(days);

		if (varies)
			out[0] = scale_apply(&column->scale, missing ? column->scale.median : days, &clipped);
		if (column->missing_seen)
			out[varies] = missing;
		put_cycles(column->cycles, days, out + varies + column->missing_seen);
		counts->clipped += clipped;
		counts->not_a_date += missing && !empty;
		counts->missing += empty && !column->missing_seen;
	}
}

struct text_code {
	uint16_t code;
	bool known, unseen, missing;
};

static struct text_code
code_of(const struct encoder_column *column, const char *text, size_t len)
{
	struct text_code c = {.known = true};
	uint32_t category;
	uint64_t sum;

	if (column->type == COLUMN_BOOLEAN && !(text = encoder_boolean(text, &len))) {
		c.code = (uint16_t)(column->missing_seen ? column->category.n : encoder_width_of(column) - 1);
		c.missing = true;
		return c;
	}
	category = dictionary_find(&column->category, text, len);

	if (category != TABLE_MISSING) {
		c.code = (uint16_t)category;
		return c;
	}
	sum = checksum64(text, len);
	c.code = (uint16_t)(encoder_width_of(column) - 1);
	c.unseen = !column->n_rest || !bsearch(&sum, column->rest, column->n_rest, sizeof sum, encoder_by_checksum);
	return c;
}

static void
apply_texts(const struct encoder_column *column, const struct column *from, size_t n, uint16_t *out, size_t stride,
	struct counts *counts)
{
	struct text_code memo[512]; /* of the chunk's first texts: most cells, and nothing to allocate */
	const size_t n_memo = sizeof memo / sizeof *memo, n_texts = from->dictionary.n;
	uint16_t missing = (uint16_t)(column->missing_seen ? column->category.n : encoder_width_of(column) - 1);

	memset(memo, 0, (n_texts < n_memo ? n_texts : n_memo) * sizeof *memo);
	for (size_t i = 0; i < n; i++, out += stride) {
		uint32_t k = from->code[i];
		struct text_code c;

		if (k == TABLE_MISSING) {
			*out = missing;
			counts->missing += !column->missing_seen;
			continue;
		}
		if (k < n_memo && memo[k].known)
			c = memo[k];
		else
			c = code_of(column, from->dictionary.text[k], from->dictionary.len[k]);
		if (k < n_memo)
			memo[k] = c;
		*out = c.code;
		counts->unseen += c.unseen;
		counts->missing += c.missing && !column->missing_seen;
	}
}

void
encoder_apply(const struct encoder *c, const struct table *t, const size_t *map, struct rows *rows, size_t at,
	struct encode_warnings *warnings)
{
	size_t dense = 0, code = 0;

	assert(!c->fit && rows->d == c->d && at + t->n_rows <= rows->n);
	for (size_t j = 0; j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];
		const struct column *from = &t->column[map[j]];
		struct counts counts = {0};

		if (column->use != USED)
			continue;
		assert(from->type == column->type);
		if (encoder_is_dense(column)) {
			float *to = rows->dense + at * rows->n_dense + dense;

			if (column->type == COLUMN_DATE)
				apply_dates(column, from, t->n_rows, to, rows->n_dense, &counts);
			else
				apply_numbers(column, from->number, t->n_rows, to, rows->n_dense, &counts);
			dense += encoder_n_dense_of(column);
		} else {
			apply_texts(column, from, t->n_rows, rows->code + at * rows->n_codes + code, rows->n_codes,
				&counts);
			code++;
		}
		if (warnings) {
			warnings->unseen_category[j] += counts.unseen;
			warnings->missing_cell[j] += counts.missing;
			warnings->clipped[j] += counts.clipped;
			warnings->not_a_date[j] += counts.not_a_date;
		}
	}
}

bool
encoder_column_used(const struct encoder *c, size_t i)
{
	return encoder_n_dense_of(&c->column[i]) + encoder_width_of(&c->column[i]) > 0;
}

void
encoder_sum_by_column(const struct encoder *c, const double *feature, double *column)
{
	const double *dense = feature, *block = feature + c->n_dense;

	for (size_t j = 0; j < c->n_columns; j++) {
		column[j] = 0;
		for (size_t n = encoder_n_dense_of(&c->column[j]); n; n--)
			column[j] += *dense++;
		for (size_t n = encoder_width_of(&c->column[j]); n; n--)
			column[j] += *block++;
	}
}

void
encoder_positions(const struct encoder *c, real *x, size_t n)
{
	for (size_t j = 0, at = 0; j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];

		if (encoder_is_dense(column) && column->use == USED && scale_varies(&column->scale))
			for (size_t i = 0; i < n; i++)
				x[i * c->d + at] = (real)scale_position(&column->scale, (double)x[i * c->d + at]);
		at += encoder_n_dense_of(column);
	}
}

void
encoder_typical_row(const struct encoder *c, struct rows *rows, size_t at)
{
	float *dense = rows->dense + at * rows->n_dense;

	for (size_t j = 0; j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];

		if (!encoder_is_dense(column) || column->use != USED)
			continue;
		if (scale_varies(&column->scale))
			*dense++ = scale_apply(&column->scale, column->scale.median, NULL);
		if (column->missing_seen)
			*dense++ = 0;
		put_cycles(column->cycles, column->scale.median, dense);
		dense += encoder_n_dense_of(column) - scale_varies(&column->scale) - column->missing_seen;
	}
	for (size_t j = 0; j < rows->n_codes; j++) /* categories are by frequency */
		rows->code[at * rows->n_codes + j] = 0;
}
