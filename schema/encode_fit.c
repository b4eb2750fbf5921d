/*
 * encode_fit: an encoder fitted on the rows of a training table; see encode.h.
 *
 * While fitting, a number column keeps a sample and a text column a bounded tally of its distinct texts; finish turns
 * them into what apply needs and drops them. Neither depends on how the rows were cut into chunks: numbers are sampled
 * by their place among the numbers observed, texts are counted.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "schema/encode_private.h"

enum {
	MAX_SAMPLE = 1 << 16, /* numbers kept of a column */
	MIN_SAMPLE = 1 << 12,
	SAMPLE_BUDGET = 1 << 25,       /* numbers kept of all columns, while that leaves each MIN_SAMPLE */
	MAX_CANDIDATE_BYTES = 4 << 20, /* of the distinct texts of a column */
	MIN_ROWS_FOR_IDENTIFIER = 100, /* fewer rows say nothing about whether their texts repeat */
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

void
encoder_fit_release(struct encoder *c)
{
	for (size_t i = 0; c->fit && i < c->n_columns; i++) {
		sample_release(&c->fit[i].sample);
		dictionary_release(&c->fit[i].text);
		free(c->fit[i].count);
	}
	free(c->fit);
	c->fit = NULL;
}

enum status
encoder_new(const struct encoder_options *o, const char *const *names, const enum column_type *types, size_t n_columns,
	const char *skip, struct encoder **out, struct err *e)
{
	struct encoder *c = calloc(1, sizeof *c);
	size_t limit = n_columns ? SAMPLE_BUDGET / n_columns : 0;

	assert(o->max_categories && o->max_categories + 2 <= ENCODER_MAX_WIDTH);
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
		if (f->n_present++)
			f->counts_rows &= v[i] > f->last && v[i] == floor(v[i]);
		else
			f->counts_rows = v[i] == floor(v[i]);
		f->last = v[i];
	}
	return OK;
}

static enum status
observe_dates(struct fit_column *f, const struct table *t, const unsigned char *take, struct err *e)
{
	struct date_memo memo = {0};
	bool empty;
	enum status s;

	for (size_t i = 0; i < t->n_rows; i++) {
		double days, day;

		if (take && !take[i])
			continue;
		days = encoder_date(&t->column[f->source], i, &memo, &empty);
		if (isnan(days)) {
			f->n_missing++;
			continue;
		}
		if ((s = sample_add(&f->sample, days, e)))
			return s;
		f->n_present++;
		day = floor(days);
		f->weekdays |= 1u << (unsigned)(day - 7 * floor(day / 7));
		f->hours |= 1u << (unsigned)((days - day) * 24);
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
	f->crowded = f->text.n > ENCODER_MAX_CANDIDATES || f->n_bytes > MAX_CANDIDATE_BYTES;
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
		const char *text = column->dictionary.text[k];
		size_t len = column->dictionary.len[k];

		if (!count[k]) /* a text of skipped rows alone is not there */
			continue;
		if (column->type == COLUMN_BOOLEAN && !(text = encoder_boolean(text, &len))) {
			f->n_missing += count[k];
			f->n_present -= count[k];
			continue;
		}
		s = add_candidate(f, text, len, count[k], e);
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
		    : c->column[j].type == COLUMN_DATE ? observe_dates(f, chunk, take, e)
						       : observe_texts(f, chunk, take, e);
	}
	return s;
}

/* A year that hardly comes round says no more than the days; a week and a day do where they vary. */
static unsigned
cycles_of(const struct fit_column *f)
{
	const double range = f->sample.max - f->sample.min;
	unsigned cycles = 0;

	if (range > date_cycle_days[CYCLE_YEAR])
		cycles |= 1u << CYCLE_YEAR;
	if (range > date_cycle_days[CYCLE_WEEK] && (f->weekdays & (f->weekdays - 1)))
		cycles |= 1u << CYCLE_WEEK;
	if (range > date_cycle_days[CYCLE_DAY] && (f->hours & (f->hours - 1)))
		cycles |= 1u << CYCLE_DAY;
	return cycles;
}

/* A column that numbers the rows: it may jump where rows were held out or dropped, but not far. */
static bool
numbers_rows(const struct fit_column *f)
{
	return f->counts_rows && !f->n_missing && f->n_present >= MIN_ROWS_FOR_IDENTIFIER &&
	       f->sample.max - f->sample.min < 1.5 * (double)f->n_present;
}

static enum status
finish_numbers(struct encoder_column *column, struct fit_column *f, enum scaling scaling, struct err *e)
{
	enum status s;

	if (!f->n_present) {
		column->use = UNUSED_EMPTY;
		return OK;
	}
	if (column->type == COLUMN_NUMBER && numbers_rows(f)) {
		column->use = UNUSED_ROW_NUMBER;
		return OK;
	}
	if (column->type == COLUMN_DATE)
		column->cycles = cycles_of(f);
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
	qsort(column->rest, column->n_rest, sizeof *column->rest, encoder_by_checksum);
out:
	free(candidate);
	return s;
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
		s = encoder_is_dense(column) ? finish_numbers(column, f, c->scaling, e) : finish_texts(c, column, f, e);
		if (s)
			return s;
	}
	encoder_fit_release(c);
	if ((s = encoder_lay_out(c, e)))
		return s;
	if (!c->d)
		return err_set(e, ERR_DATA, "no_features",
			"no column varies among the training rows, but for texts that hardly repeat: there is nothing "
			"to "
			"learn from");
	return OK;
}
