/* profile: see profile.h. */
#include "schema/profile.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ascending.h"

enum {
	SKETCH_BYTES = 32 << 20, /* of all columns of numbers */
	MIN_LEVEL = 256,         /* values of a level */
	MAX_LEVEL = 4096,
	LEVELS = 40,           /* more than any number of rows can fill */
	USUAL_LEVELS = 12,     /* that the bytes are reckoned with */
	TALLY_SLOTS = 1 << 20, /* texts counted, of all columns of texts */
	MIN_TALLY = 64,
	MAX_TALLY = 8192,
	LONGEST_TEXT = 256, /* a longer one is nobody's category */
};

const double profile_quantiles[PROFILE_N_QUANTILES] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};

/* Level h holds values that stand for 2^h each. */
struct sketch {
	double *level[LEVELS]; /* [k] */
	size_t n[LEVELS];
	size_t n_levels;
	unsigned turn; /* whether the odd or the even ones go up, in turns, so that errors cancel */
};

/* Different values: open addressing on their bits; given up (slot NULL, n at the limit) when there are too many. */
struct value_set {
	uint64_t *slot; /* [n_slots], EMPTY where free */
	size_t n, n_slots;
};
#define EMPTY UINT64_MAX /* the bits of a NaN, which no cell has */

struct number_column {
	struct sketch sketch;
	struct value_set values;
	size_t n, n_zeros;
	double min, max, mean, square; /* square: sum of squared differences from the mean */
};

struct text_column {
	struct dictionary texts;
	size_t *count; /* [cap] */
	size_t cap, n;
	size_t dropped; /* the highest count of a text that was dropped, or too long to be listed; 0: none was */
};

struct profile {
	size_t n_columns, level, tally;
	enum column_type *type;
	struct number_column *number; /* [n_columns], of numbers alone in use; so text */
	struct text_column *text;
	size_t *in_chunk; /* [n_in_chunk], counts of a chunk's codes */
	size_t n_in_chunk;
};

enum status
profile_new(const struct table *t, struct profile **out, struct err *e)
{
	struct profile *p = calloc(1, sizeof *p);
	size_t n_numbers = 0, n_texts = 0;

	if (!p)
		return err_nomem(e);
	p->n_columns = t->n_columns;
	p->type = calloc(t->n_columns, sizeof *p->type);
	p->number = calloc(t->n_columns, sizeof *p->number);
	p->text = calloc(t->n_columns, sizeof *p->text);
	if (!p->type || !p->number || !p->text) {
		profile_free(p);
		return err_nomem(e);
	}
	for (size_t i = 0; i < t->n_columns; i++) {
		p->type[i] = t->column[i].type;
		*(p->type[i] == COLUMN_NUMBER ? &n_numbers : &n_texts) += 1;
		p->number[i].min = p->number[i].max = NAN;
	}
	p->level = SKETCH_BYTES / sizeof(double) / USUAL_LEVELS / (n_numbers ? n_numbers : 1) / 2 * 2;
	p->level = p->level < MIN_LEVEL ? MIN_LEVEL : p->level > MAX_LEVEL ? MAX_LEVEL : p->level;
	p->tally = TALLY_SLOTS / (n_texts ? n_texts : 1);
	p->tally = p->tally < MIN_TALLY ? MIN_TALLY : p->tally > MAX_TALLY ? MAX_TALLY : p->tally;
	*out = p;
	return OK;
}

void
profile_free(struct profile *p)
{
	if (!p)
		return;
	for (size_t i = 0; p->number && p->text && i < p->n_columns; i++) {
		for (size_t h = 0; h < p->number[i].sketch.n_levels; h++)
			free(p->number[i].sketch.level[h]);
		free(p->number[i].values.slot);
		dictionary_release(&p->text[i].texts);
		free(p->text[i].count);
	}
	free(p->type);
	free(p->number);
	free(p->text);
	free(p->in_chunk);
	free(p);
}

/* Numbers -------------------------------------------------------------------------------------------------------- */

/* Level h has room for one more value: a full one gives every other of its values, in order, to the next and the rest
 * up. */
static enum status
make_room(struct sketch *s, size_t h, size_t k, struct err *e)
{
	enum status status;

	if (h == s->n_levels) {
		assert(h < LEVELS);
		if (!(s->level[h] = malloc(k * sizeof *s->level[h])))
			return err_nomem(e);
		s->n_levels++;
	}
	if (s->n[h] < k)
		return OK;
	qsort(s->level[h], k, sizeof *s->level[h], ascending);
	for (size_t i = s->turn++ & 1; i < k; i += 2) {
		if ((status = make_room(s, h + 1, k, e)))
			return status;
		s->level[h + 1][s->n[h + 1]++] = s->level[h][i];
	}
	s->n[h] = 0;
	return OK;
}

static uint64_t
bits_of(double v)
{
	uint64_t bits;

	v = v == 0 ? 0 : v; /* one zero, whatever its sign */
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static bool
place(uint64_t *slot, size_t n_slots, uint64_t bits)
{
	size_t i = (size_t)((bits * 0x9e3779b97f4a7c15u) >> 32) & (n_slots - 1);

	while (slot[i] != EMPTY && slot[i] != bits)
		i = (i + 1) & (n_slots - 1);
	if (slot[i] == bits)
		return false;
	slot[i] = bits;
	return true;
}

static enum status
count_value(struct value_set *s, double v, struct err *e)
{
	if (s->n > PROFILE_MAX_DISTINCT)
		return OK;
	if (2 * s->n >= s->n_slots) {
		size_t n_slots = s->n_slots ? 2 * s->n_slots : 16;
		uint64_t *slot = malloc(n_slots * sizeof *slot);

		if (!slot)
			return err_nomem(e);
		memset(slot, 0xff, n_slots * sizeof *slot);
		for (size_t i = 0; i < s->n_slots; i++)
			if (s->slot[i] != EMPTY)
				place(slot, n_slots, s->slot[i]);
		free(s->slot);
		s->slot = slot;
		s->n_slots = n_slots;
	}
	s->n += place(s->slot, s->n_slots, bits_of(v));
	if (s->n > PROFILE_MAX_DISTINCT) {
		free(s->slot);
		s->slot = NULL;
		s->n_slots = 0;
	}
	return OK;
}

static enum status
add_numbers(struct number_column *c, size_t k, const double *v, size_t n, struct err *e)
{
	enum status status;

	for (size_t i = 0; i < n; i++) {
		double off;

		if (isnan(v[i]))
			continue;
		c->n++;
		c->n_zeros += v[i] == 0;
		c->min = v[i] >= c->min ? c->min : v[i];
		c->max = v[i] <= c->max ? c->max : v[i];
		off = v[i] - c->mean;
		c->mean += off / (double)c->n;
		c->square += off * (v[i] - c->mean);
		if ((status = count_value(&c->values, v[i], e)) || (status = make_room(&c->sketch, 0, k, e)))
			return status;
		c->sketch.level[0][c->sketch.n[0]++] = v[i];
	}
	return OK;
}

struct weighted {
	double v;
	uint64_t weight;
};

static int
by_weighted_value(const void *a, const void *b)
{
	return ascending(&((const struct weighted *)a)->v, &((const struct weighted *)b)->v);
}

static enum status
read_sketch(const struct sketch *s, struct number_profile *out, struct err *e)
{
	struct weighted *all;
	uint64_t total = 0, seen = 0;
	size_t n = 0, at = 0;

	for (size_t h = 0; h < s->n_levels; h++)
		n += s->n[h];
	if (!(all = calloc(n ? n : 1, sizeof *all)))
		return err_nomem(e);
	n = 0;
	for (size_t h = 0; h < s->n_levels; h++)
		for (size_t i = 0; i < s->n[h]; i++) {
			all[n++] = (struct weighted){s->level[h][i], (uint64_t)1 << h};
			total += (uint64_t)1 << h;
		}
	qsort(all, n, sizeof *all, by_weighted_value);
	/* The smallest value that at least the share q of all values does not exceed. */
	for (size_t k = 0; k < PROFILE_N_QUANTILES; k++) {
		double wanted = ceil(profile_quantiles[k] * (double)total);

		while (at + 1 < n && (double)(seen + all[at].weight) < wanted)
			seen += all[at++].weight;
		out->quantile[k] = all[at].v;
	}
	free(all);
	return OK;
}

enum status
profile_number(struct profile *p, size_t i, struct number_profile *out, struct err *e)
{
	const struct number_column *c = &p->number[i];

	*out = (struct number_profile){
		.n = c->n,
		.n_zeros = c->n_zeros,
		.n_distinct = c->values.n,
		.min = c->min,
		.max = c->max,
		.mean = c->n ? c->mean : NAN,
		.deviation = c->n > 1 ? sqrt(c->square / (double)(c->n - 1)) : NAN,
		.exact = c->sketch.n_levels < 2,
	};
	for (size_t k = 0; k < PROFILE_N_QUANTILES; k++)
		out->quantile[k] = NAN;
	return c->n ? read_sketch(&c->sketch, out, e) : OK;
}

/* Texts ---------------------------------------------------------------------------------------------------------- */

static int
by_count(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* Keeps the more frequent half of the texts. */
static enum status
drop_rare(struct text_column *c, struct err *e)
{
	size_t n = c->texts.n, *sorted = malloc(n * sizeof *sorted);
	struct dictionary kept = {0};
	size_t limit, n_kept = 0;
	uint32_t code;
	enum status s = OK;

	if (!sorted)
		return err_nomem(e);
	memcpy(sorted, c->count, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_count);
	limit = sorted[n / 2];
	free(sorted);
	for (size_t k = 0; k < n && !s; k++)
		if (c->count[k] > limit && !(s = dictionary_add(&kept, c->texts.text[k], c->texts.len[k], &code, e)))
			c->count[n_kept++] = c->count[k];
	if (s) {
		dictionary_release(&kept);
		return s;
	}
	dictionary_release(&c->texts);
	c->texts = kept;
	c->dropped = limit > c->dropped ? limit : c->dropped;
	return OK;
}

static enum status
add_text(struct profile *p, struct text_column *c, const char *text, size_t len, size_t count, struct err *e)
{
	size_t n = c->texts.n;
	uint32_t code;
	enum status s;

	if (len > LONGEST_TEXT) {
		c->dropped = count > c->dropped ? count : c->dropped;
		return OK;
	}
	if (n == p->tally && dictionary_find(&c->texts, text, len) == TABLE_MISSING) {
		if ((s = drop_rare(c, e)))
			return s;
		n = c->texts.n;
	}
	if (n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 16;
		size_t *more = realloc(c->count, cap * sizeof *more);

		if (!more)
			return err_nomem(e);
		c->count = more;
		c->cap = cap;
	}
	if ((s = dictionary_add(&c->texts, text, len, &code, e)))
		return s;
	if (code == n)
		c->count[code] = 0;
	c->count[code] += count;
	return OK;
}

static enum status
add_texts(struct profile *p, struct text_column *c, const struct column *of, size_t n_rows, struct err *e)
{
	const struct dictionary *d = &of->dictionary;
	enum status s = OK;

	if (d->n > p->n_in_chunk) {
		size_t *more = realloc(p->in_chunk, d->n * sizeof *more);

		if (!more)
			return err_nomem(e);
		p->in_chunk = more;
		p->n_in_chunk = d->n;
	}
	if (d->n)
		memset(p->in_chunk, 0, d->n * sizeof *p->in_chunk);
	for (size_t row = 0; row < n_rows; row++)
		if (of->code[row] != TABLE_MISSING) {
			p->in_chunk[of->code[row]]++;
			c->n++;
		}
	for (size_t k = 0; k < d->n && !s; k++)
		if (p->in_chunk[k])
			s = add_text(p, c, d->text[k], d->len[k], p->in_chunk[k], e);
	return s;
}

static bool
before(const struct text_count *a, const struct text_count *b)
{
	return a->count != b->count ? a->count > b->count : strcmp(a->text, b->text) < 0;
}

enum status
profile_text(struct profile *p, size_t i, struct text_profile *out, struct err *e)
{
	const struct text_column *c = &p->text[i];

	(void)e;
	*out = (struct text_profile){.n = c->n, .exact = true};
	for (size_t k = 0; k < c->texts.n; k++) {
		struct text_count t = {c->texts.text[k], c->count[k]};
		size_t at = out->n_top;

		for (; at && before(&t, &out->top[at - 1]); at--)
			if (at < PROFILE_TOP)
				out->top[at] = out->top[at - 1];
		if (at < PROFILE_TOP) {
			out->top[at] = t;
			out->n_top += out->n_top < PROFILE_TOP;
		}
	}
	/* A text that was dropped may have come again later, and been among them: only then is the list in doubt. */
	if (c->dropped)
		out->exact = false;
	return OK;
}

enum status
profile_add(struct profile *p, const struct table *chunk, struct err *e)
{
	enum status s = OK;

	assert(chunk->n_columns == p->n_columns);
	for (size_t i = 0; i < p->n_columns && !s; i++) {
		const struct column *c = &chunk->column[i];

		s = p->type[i] == COLUMN_NUMBER ? add_numbers(&p->number[i], p->level, c->number, chunk->n_rows, e)
						: add_texts(p, &p->text[i], c, chunk->n_rows, e);
	}
	return s;
}
