/*
 * encode: fitting on the rows of a training table, applying to any, bytes and description. See encode.h.
 *
 * While fitting, a number column keeps a sample and a text column a bounded tally of its distinct texts; finish turns
 * them into what apply needs and drops them. Neither depends on how the rows were cut into chunks: numbers are sampled
 * by their place among the numbers observed, texts are counted.
 */
#include "schema/encode.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "schema/scale.h"
#include "schema/utf8.h"

enum {
	MAX_SAMPLE = 1 << 16, /* numbers kept of a column */
	MIN_SAMPLE = 1 << 12,
	SAMPLE_BUDGET = 1 << 25, /* numbers kept of all columns, while that leaves each MIN_SAMPLE */
	MAX_CANDIDATES = 20000,  /* distinct texts counted in a column, and their bytes together */
	MAX_CANDIDATE_BYTES = 4 << 20,
	MIN_ROWS_FOR_IDENTIFIER = 100, /* fewer rows say nothing about whether their texts repeat */
	MAX_WIDTH = 65536,             /* features of one text column: rows.h keeps codes of 16 bits */
};

enum use { /* part of the format: only ever append */
	USED,
	UNUSED_CONSTANT,   /* one value in every row */
	UNUSED_EMPTY,      /* no value at all */
	UNUSED_IDENTIFIER, /* text that hardly repeats */
	N_USES,
};
static const char *const unused_reason[N_USES] = {NULL, "constant", "empty", "identifier_or_free_text"};

struct encoder_column {
	char *name; /* owned */
	enum column_type type;
	enum use use;
	bool missing_seen;          /* in the rows observed: the column has an indicator, or a category, for it */
	struct scale scale;         /* number */
	struct dictionary category; /* text: code = category; then missing, if seen; then the rest bucket */
	uint64_t *rest;             /* [n_rest], owned, ascending: checksums of the texts seen that are no categories */
	size_t n_rest;
};

struct fit_column {    /* of the rows observed so far */
	size_t source; /* column of the table */
	size_t n_present, n_missing;
	struct sample sample;   /* number */
	struct dictionary text; /* text: candidates, with their counts; empty once crowded */
	size_t *count, cap;
	size_t n_bytes;
	bool crowded; /* more candidates or bytes of them than are kept */
};

struct encoder {
	enum scaling scaling;
	size_t max_categories;
	size_t n_columns;
	struct encoder_column *column; /* [n_columns], owned */
	struct fit_column *fit;        /* [n_columns], owned; NULL once finished */
	size_t n_rows;                 /* observed while fitting */

	size_t n_dense, n_codes; /* derived by lay_out */
	uint32_t *width;         /* [n_codes], owned */
	size_t d;
};

static char *
copy_text(const char *s, size_t n)
{
	char *copy = malloc(n + 1);

	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

static void
fit_release(struct encoder *c)
{
	for (size_t i = 0; c->fit && i < c->n_columns; i++) {
		sample_release(&c->fit[i].sample);
		dictionary_release(&c->fit[i].text);
		free(c->fit[i].count);
	}
	free(c->fit);
	c->fit = NULL;
}

void
encoder_free(struct encoder *c)
{
	if (!c)
		return;
	fit_release(c);
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
encoder_new(const struct encoder_options *o, const char *const *names, const enum column_type *types, size_t n_columns,
	const char *skip, struct encoder **out, struct err *e)
{
	struct encoder *c = calloc(1, sizeof *c);
	size_t limit = n_columns ? SAMPLE_BUDGET / n_columns : 0;

	assert(o->max_categories && o->max_categories + 2 <= MAX_WIDTH);
	limit = limit < MIN_SAMPLE ? MIN_SAMPLE : limit > MAX_SAMPLE ? MAX_SAMPLE : limit;
	if (!c)
		return err_nomem(e);
	c->scaling = o->scaling;
	c->max_categories = o->max_categories;
	c->column = calloc(n_columns + 1, sizeof *c->column);
	c->fit = calloc(n_columns + 1, sizeof *c->fit);
	if (!c->column || !c->fit)
		goto nomem;
	for (size_t i = 0; i < n_columns; i++) {
		size_t j = c->n_columns;

		if (!names[i] || (skip && !strcmp(names[i], skip)))
			continue;
		c->column[j].type = types[i];
		c->column[j].name = copy_text(names[i], strlen(names[i]));
		if (!c->column[j].name)
			goto nomem;
		c->fit[j].source = i;
		sample_init(&c->fit[j].sample, limit, o->seed + i * 0xd1342543de82ef95u);
		c->n_columns++;
	}
	*out = c;
	return OK;
nomem:
	encoder_free(c);
	return err_nomem(e);
}

static enum status
observe_numbers(struct fit_column *f, const struct table *t, const unsigned char *take, struct err *e)
{
	const double *v = t->column[f->source].number;
	enum status s;

	for (size_t i = 0; i < t->n_rows; i++) {
		if (take && !take[i])
			continue;
		if (isnan(v[i])) {
			f->n_missing++;
			continue;
		}
		if ((s = sample_add(&f->sample, v[i], e)))
			return s;
		f->n_present++;
	}
	return OK;
}

static enum status
add_candidate(struct fit_column *f, const char *text, size_t len, size_t count, struct err *e)
{
	uint32_t code;
	size_t n = f->text.n;
	enum status s;

	if ((s = dictionary_add(&f->text, text, len, &code, e)))
		return s;
	if (code == n) {
		if (n == f->cap) {
			size_t cap = f->cap ? f->cap * 2 : 64;
			size_t *grown = realloc(f->count, cap * sizeof *grown);

			if (!grown)
				return err_nomem(e);
			f->count = grown;
			f->cap = cap;
		}
		f->count[code] = 0;
		f->n_bytes += len;
	}
	f->count[code] += count;
	f->crowded = f->text.n > MAX_CANDIDATES || f->n_bytes > MAX_CANDIDATE_BYTES;
	if (f->crowded)
		dictionary_release(&f->text);
	return OK;
}

static enum status
observe_texts(struct fit_column *f, const struct table *t, const unsigned char *take, struct err *e)
{
	const struct column *column = &t->column[f->source];
	size_t n = column->dictionary.n, *count;
	enum status s = OK;

	count = calloc(n + 1, sizeof *count);
	if (!count)
		return err_nomem(e);
	for (size_t i = 0; i < t->n_rows; i++) {
		if (take && !take[i])
			continue;
		if (column->code[i] == TABLE_MISSING) {
			f->n_missing++;
		} else {
			count[column->code[i]]++;
			f->n_present++;
		}
	}
	for (size_t k = 0; k < n && !s && !f->crowded; k++) {
		if (count[k]) /* a text of skipped rows alone is not there */
			s = add_candidate(f, column->dictionary.text[k], column->dictionary.len[k], count[k], e);
	}
	free(count);
	return s;
}

enum status
encoder_observe(struct encoder *c, const struct table *chunk, const unsigned char *take, struct err *e)
{
	enum status s = OK;

	assert(c->fit);
	for (size_t i = 0; i < chunk->n_rows; i++)
		c->n_rows += !take || take[i];
	for (size_t j = 0; j < c->n_columns && !s; j++) {
		struct fit_column *f = &c->fit[j];

		assert(f->source < chunk->n_columns && chunk->column[f->source].type == c->column[j].type);
		s = c->column[j].type == COLUMN_NUMBER ? observe_numbers(f, chunk, take, e)
						       : observe_texts(f, chunk, take, e);
	}
	return s;
}

static enum status
finish_numbers(struct encoder_column *column, struct fit_column *f, enum scaling scaling, struct err *e)
{
	enum status s;

	if (!f->n_present) {
		column->use = UNUSED_EMPTY;
		return OK;
	}
	if ((s = scale_fit(&column->scale, scaling, &f->sample, e)))
		return s;
	column->use = scale_varies(&column->scale) || column->missing_seen ? USED : UNUSED_CONSTANT;
	return OK;
}

struct candidate {
	const char *text;
	size_t len, count;
};

/* The most frequent first, ties in byte order: an order of the texts, not of their appearance. */
static int
by_frequency(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int
by_checksum(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static enum use
use_of_texts(const struct encoder *c, const struct encoder_column *column, const struct fit_column *f)
{
	bool hardly_repeats = f->text.n > c->max_categories && f->text.n > f->n_present / 2;

	if (!f->n_present)
		return UNUSED_EMPTY;
	if (f->crowded || (hardly_repeats && c->n_rows >= MIN_ROWS_FOR_IDENTIFIER))
		return UNUSED_IDENTIFIER;
	return f->text.n == 1 && !column->missing_seen ? UNUSED_CONSTANT : USED;
}

static enum status
finish_texts(const struct encoder *c, struct encoder_column *column, struct fit_column *f, struct err *e)
{
	struct candidate *candidate = NULL;
	size_t n = f->text.n, n_kept = n < c->max_categories ? n : c->max_categories;
	enum status s = OK;

	column->use = use_of_texts(c, column, f);
	if (column->use != USED && column->use != UNUSED_CONSTANT)
		return OK;
	candidate = malloc(n * sizeof *candidate);
	column->rest = malloc((n - n_kept + 1) * sizeof *column->rest);
	if (!candidate || !column->rest) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t k = 0; k < n; k++)
		candidate[k] = (struct candidate){f->text.text[k], f->text.len[k], f->count[k]};
	qsort(candidate, n, sizeof *candidate, by_frequency);
	for (size_t k = 0; k < n_kept; k++) {
		uint32_t code;

		if ((s = dictionary_add(&column->category, candidate[k].text, candidate[k].len, &code, e)))
			goto out;
	}
	for (size_t k = n_kept; k < n; k++)
		column->rest[column->n_rest++] = checksum64(candidate[k].text, candidate[k].len);
	qsort(column->rest, column->n_rest, sizeof *column->rest, by_checksum);
out:
	free(candidate);
	return s;
}

static size_t
n_dense_of(const struct encoder_column *column)
{
	if (column->type != COLUMN_NUMBER || column->use != USED)
		return 0;
	return (size_t)scale_varies(&column->scale) + column->missing_seen;
}

static size_t
width_of(const struct encoder_column *column)
{
	if (column->type != COLUMN_TEXT || column->use != USED)
		return 0;
	return column->category.n + column->missing_seen + 1;
}

/* Where each column's features lie, from what the columns are. */
static enum status
lay_out(struct encoder *c, struct err *e)
{
	c->width = calloc(c->n_columns + 1, sizeof *c->width);
	if (!c->width)
		return err_nomem(e);
	for (size_t j = 0; j < c->n_columns; j++) {
		size_t width = width_of(&c->column[j]);

		c->n_dense += n_dense_of(&c->column[j]);
		c->d += width;
		if (width)
			c->width[c->n_codes++] = (uint32_t)width;
	}
	c->d += c->n_dense;
	return OK;
}

enum status
encoder_finish(struct encoder *c, struct err *e)
{
	enum status s;

	assert(c->fit);
	for (size_t j = 0; j < c->n_columns; j++) {
		struct encoder_column *column = &c->column[j];
		struct fit_column *f = &c->fit[j];

		column->missing_seen = f->n_missing > 0;
		s = column->type == COLUMN_NUMBER ? finish_numbers(column, f, c->scaling, e)
						  : finish_texts(c, column, f, e);
		if (s)
			return s;
	}
	fit_release(c);
	if ((s = lay_out(c, e)))
		return s;
	if (!c->d)
		return err_set(e, ERR_DATA, "no_features",
			"no column varies among the training rows, but for texts that hardly repeat: there is nothing "
			"to "
			"learn from");
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
	if (column->type == COLUMN_TEXT) {
		f.category = &column->category;
		f.width = width_of(column);
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
	if (!w->unseen_category || !w->missing_cell || !w->clipped) {
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
}

void
encode_warnings_release(struct encode_warnings *w)
{
	free(w->unseen_category);
	free(w->missing_cell);
	free(w->clipped);
	memset(w, 0, sizeof *w);
}

struct counts { /* of one column */
	size_t unseen, missing, clipped;
};

/* out: the column's first feature of the first row, rows `stride` apart. */
static void
apply_numbers(const struct encoder_column *column, const double *v, size_t n, float *out, size_t stride,
	struct counts *counts)
{
	bool varies = scale_varies(&column->scale), clipped;
	float median = varies ? scale_apply(&column->scale, column->scale.median, NULL) : 0;

	for (size_t i = 0; i < n; i++, out += stride) {
		bool missing = isnan(v[i]);

		if (varies) {
			out[0] = missing ? median : scale_apply(&column->scale, v[i], &clipped);
			counts->clipped += !missing && clipped;
		}
		if (column->missing_seen)
			out[varies] = missing;
		counts->missing += missing && !column->missing_seen;
	}
}

struct text_code {
	uint16_t code;
	bool known, unseen;
};

static struct text_code
code_of(const struct encoder_column *column, const char *text, size_t len)
{
	struct text_code c = {.known = true};
	uint32_t category = dictionary_find(&column->category, text, len);
	uint64_t sum;

	if (category != TABLE_MISSING) {
		c.code = (uint16_t)category;
		return c;
	}
	sum = checksum64(text, len);
	c.code = (uint16_t)(width_of(column) - 1);
	c.unseen = !column->n_rest || !bsearch(&sum, column->rest, column->n_rest, sizeof sum, by_checksum);
	return c;
}

static void
apply_texts(const struct encoder_column *column, const struct column *from, size_t n, uint16_t *out, size_t stride,
	struct counts *counts)
{
	struct text_code memo[512] = {0}; /* of the chunk's first texts: most cells, and nothing to allocate */
	const size_t n_memo = sizeof memo / sizeof *memo;
	uint16_t missing = (uint16_t)(column->missing_seen ? column->category.n : width_of(column) - 1);

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
		if (column->type == COLUMN_NUMBER) {
			apply_numbers(column, from->number, t->n_rows, rows->dense + at * rows->n_dense + dense,
				rows->n_dense, &counts);
			dense += n_dense_of(column);
		} else {
			apply_texts(column, from, t->n_rows, rows->code + at * rows->n_codes + code, rows->n_codes,
				&counts);
			code++;
		}
		if (warnings) {
			warnings->unseen_category[j] += counts.unseen;
			warnings->missing_cell[j] += counts.missing;
			warnings->clipped[j] += counts.clipped;
		}
	}
}

bool
encoder_column_used(const struct encoder *c, size_t i)
{
	return n_dense_of(&c->column[i]) + width_of(&c->column[i]) > 0;
}

void
encoder_sum_by_column(const struct encoder *c, const double *feature, double *column)
{
	const double *dense = feature, *block = feature + c->n_dense;

	for (size_t j = 0; j < c->n_columns; j++) {
		column[j] = 0;
		for (size_t n = n_dense_of(&c->column[j]); n; n--)
			column[j] += *dense++;
		for (size_t n = width_of(&c->column[j]); n; n--)
			column[j] += *block++;
	}
}

void
encoder_typical_row(const struct encoder *c, struct rows *rows, size_t at)
{
	float *dense = rows->dense + at * rows->n_dense;

	for (size_t j = 0; j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];

		if (column->type != COLUMN_NUMBER || column->use != USED)
			continue;
		if (scale_varies(&column->scale))
			*dense++ = scale_apply(&column->scale, column->scale.median, NULL);
		if (column->missing_seen)
			*dense++ = 0;
	}
	for (size_t j = 0; j < rows->n_codes; j++) /* categories are by frequency */
		rows->code[at * rows->n_codes + j] = 0;
}

void
encoder_write(const struct encoder *c, struct buf *out)
{
	assert(!c->fit);
	buf_put_u32(out, (uint32_t)c->max_categories);
	buf_put_u32(out, (uint32_t)c->n_columns);
	for (size_t j = 0; j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];

		buf_put_text(out, column->name, strlen(column->name));
		buf_put_u8(out, column->type == COLUMN_TEXT);
		buf_put_u8(out, (uint8_t)column->use);
		buf_put_u8(out, column->missing_seen);
		if (!encoder_column_wanted(c, j))
			continue;
		if (column->type == COLUMN_NUMBER) {
			scale_write(&column->scale, out);
			continue;
		}
		buf_put_u32(out, (uint32_t)column->category.n);
		for (size_t k = 0; k < column->category.n; k++)
			buf_put_text(out, column->category.text[k], column->category.len[k]);
		buf_put_u32(out, (uint32_t)column->n_rest);
		for (size_t k = 0; k < column->n_rest; k++)
			buf_put_u64(out, column->rest[k]);
	}
}

static enum status
corrupt(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's description of its columns is damaged");
}

static enum status
read_texts(struct reader *in, struct encoder_column *column, size_t max_categories, struct err *e)
{
	size_t n = reader_u32(in);
	enum status s;

	if (in->failed || !n || n > max_categories || n > reader_max_items(in, 4))
		return corrupt(e);
	for (size_t k = 0; k < n; k++) {
		size_t len = 0;
		char *text = reader_text(in, &len);
		uint32_t code = 0;

		if (!text)
			return corrupt(e);
		s = utf8_valid(text, len) ? dictionary_add(&column->category, text, len, &code, e) : corrupt(e);
		free(text);
		if (s)
			return s;
		if (code != k) /* a category listed twice */
			return corrupt(e);
	}
	n = reader_u32(in);
	if (in->failed || n > MAX_CANDIDATES || n > reader_max_items(in, 8))
		return corrupt(e);
	column->rest = malloc((n + 1) * sizeof *column->rest);
	if (!column->rest)
		return err_nomem(e);
	for (column->n_rest = 0; column->n_rest < n; column->n_rest++)
		column->rest[column->n_rest] = reader_u64(in);
	for (size_t k = 1; k < n; k++) {
		if (column->rest[k - 1] > column->rest[k])
			return corrupt(e);
	}
	return OK;
}

static enum status
read_column(struct reader *in, const struct encoder *c, struct encoder_column *column, struct err *e)
{
	unsigned type, use, missing_seen;
	size_t len = 0;
	enum status s;
	bool varies;

	column->name = reader_text(in, &len);
	type = reader_u8(in);
	use = reader_u8(in);
	missing_seen = reader_u8(in);
	if (in->failed || !len || !utf8_valid(column->name, len) || type > 1 || use >= N_USES || missing_seen > 1)
		return corrupt(e);
	column->type = type ? COLUMN_TEXT : COLUMN_NUMBER;
	column->use = (enum use)use;
	column->missing_seen = missing_seen;
	if (use != USED && use != UNUSED_CONSTANT)
		return OK;
	if (type) {
		s = read_texts(in, column, c->max_categories, e);
		varies = column->category.n + column->n_rest > 1;
	} else {
		s = scale_read(in, &column->scale, e);
		varies = scale_varies(&column->scale);
	}
	if (s)
		return s;
	return (use == USED) == (varies || missing_seen) ? OK : corrupt(e);
}

enum status
encoder_read(struct reader *in, struct encoder **out, struct err *e)
{
	const size_t smallest_column = 4 + 1 + 3; /* bytes: a name of one letter, three flags */
	struct encoder *c = calloc(1, sizeof *c);
	struct dictionary names = {0};
	size_t n;
	enum status s;

	if (!c)
		return err_nomem(e);
	c->max_categories = reader_u32(in);
	n = reader_u32(in);
	if (in->failed || !c->max_categories || c->max_categories + 2 > MAX_WIDTH || !n ||
		n > reader_max_items(in, smallest_column)) {
		s = corrupt(e);
		goto out;
	}
	c->column = calloc(n, sizeof *c->column);
	if (!c->column) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t j = 0; j < n; j++) {
		uint32_t code = 0;

		c->n_columns++; /* first, so that what it holds is released */
		if ((s = read_column(in, c, &c->column[j], e)))
			goto out;
		if ((s = dictionary_add(&names, c->column[j].name, strlen(c->column[j].name), &code, e)))
			goto out;
		if (code != j) {
			s = corrupt(e);
			goto out;
		}
	}
	if ((s = lay_out(c, e)))
		goto out;
	if (!c->d)
		s = corrupt(e);
out:
	dictionary_release(&names);
	if (s) {
		encoder_free(c);
		return s;
	}
	*out = c;
	return OK;
}

static bool
describe_numbers(cJSON *o, const struct encoder_column *column, const char *scaling)
{
	const struct scale *s = &column->scale;

	return cJSON_AddStringToObject(o, "scaling", scaling) && cJSON_AddNumberToObject(o, "min", s->min) &&
	       cJSON_AddNumberToObject(o, "max", s->max) && cJSON_AddNumberToObject(o, "mean", s->mean) &&
	       cJSON_AddNumberToObject(o, "sd", s->sd) && cJSON_AddNumberToObject(o, "median", s->median) &&
	       (!s->n_knots || cJSON_AddNumberToObject(o, "knots", (double)s->n_knots));
}

static bool
describe_texts(cJSON *o, const struct encoder_column *column)
{
	cJSON *list = cJSON_AddArrayToObject(o, "categories");

	for (size_t k = 0; list && k < column->category.n; k++) {
		cJSON *text = cJSON_CreateString(column->category.text[k]);

		if (!text || !cJSON_AddItemToArray(list, text)) {
			cJSON_Delete(text);
			return false;
		}
	}
	return list && cJSON_AddNumberToObject(o, "other_texts", (double)column->n_rest);
}

struct cJSON *
encoder_describe(const struct encoder *c)
{
	static const char *const scaling_name[N_SCALINGS] = {"by_column", "minmax", "standard", "quantile"};
	cJSON *list = cJSON_CreateArray();

	for (size_t j = 0; list && j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];
		cJSON *o = cJSON_CreateObject();
		bool ok = o && cJSON_AddItemToArray(list, o);

		if (!ok)
			cJSON_Delete(o);
		ok = ok && cJSON_AddStringToObject(o, "name", column->name) &&
		     cJSON_AddStringToObject(o, "type", column_type_name(column->type)) &&
		     cJSON_AddNumberToObject(o, "n_features", (double)(n_dense_of(column) + width_of(column))) &&
		     cJSON_AddBoolToObject(o, "missing", column->missing_seen);
		if (ok && column->use != USED)
			ok = cJSON_AddStringToObject(o, "ignored", unused_reason[column->use]);
		if (ok && encoder_column_wanted(c, j))
			ok = column->type == COLUMN_TEXT
				     ? describe_texts(o, column)
				     : describe_numbers(o, column, scaling_name[column->scale.kind]);
		if (!ok) {
			cJSON_Delete(list);
			return NULL;
		}
	}
	return list;
}
