/* table: see table.h. The dictionary is an open-addressing hash table of codes, each with a tag of its text's hash. */
#include "schema/table.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
column_type_name(enum column_type t)
{
	static const char *const name[N_COLUMN_TYPES] = {"number", "text", "date", "boolean"};

	return name[t];
}

size_t
text_cut(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

int
text_shown(const char *name)
{
	return (int)text_cut(name, strlen(name), 60);
}

enum status
text_err_at(struct err *e, uint64_t line, const char *name)
{
	char cut[sizeof e->column];

	if (name)
		snprintf(cut, sizeof cut, "%.*s", (int)text_cut(name, strlen(name), sizeof cut - 1), name);
	return err_at(e, line, name ? cut : NULL);
}

/* ---- dictionary -------------------------------------------------------------------------------------------------- */

/* Multiply and fold, eight bytes at a time; the length goes in first, so that padding the tail with zeros is safe. */
static uint64_t
hash_text(const char *text, size_t len)
{
	const uint64_t k = 0x9e3779b97f4a7c15u;
	uint64_t h = (uint64_t)len * k, word;

	for (; len >= sizeof word; len -= sizeof word, text += sizeof word) {
		memcpy(&word, text, sizeof word);
		h = (h ^ word) * k;
		h ^= h >> 32;
	}
	if (len) {
		word = 0;
		memcpy(&word, text, len);
		h = (h ^ word) * k;
		h ^= h >> 32;
	}
	h *= k;
	return h ^ (h >> 29);
}

void
dictionary_release(struct dictionary *d)
{
	free(d->text);
	free(d->len);
	free(d->slot);
	buf_release(&d->bytes);
	memset(d, 0, sizeof *d);
}

void
dictionary_clear(struct dictionary *d)
{
	d->n = 0;
	buf_clear(&d->bytes);
	d->bytes.failed = false;
	if (d->n_slots)
		memset(d->slot, 0xff, d->n_slots * 2 * sizeof *d->slot);
}

/* The slot of the text, or the empty one where it belongs. */
static uint32_t *
look_up(const struct dictionary *d, uint64_t hash, const char *text, size_t len)
{
	size_t mask = d->n_slots - 1;
	uint32_t tag = (uint32_t)(hash >> 32);

	for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
		uint32_t *slot = d->slot + 2 * i;

		if (slot[0] == TABLE_MISSING)
			return slot;
		if (slot[1] == tag && d->len[slot[0]] == len && !memcmp(d->text[slot[0]], text, len))
			return slot;
	}
}

uint32_t
dictionary_find(const struct dictionary *d, const char *text, size_t len)
{
	return d->n ? look_up(d, hash_text(text, len), text, len)[0] : TABLE_MISSING;
}

static enum status
grow_slots(struct dictionary *d, struct err *e)
{
	size_t n_slots = d->n_slots ? d->n_slots * 2 : 32, mask = n_slots - 1;
	uint32_t *slot = malloc(n_slots * 2 * sizeof *slot);

	if (!slot)
		return err_nomem(e);
	memset(slot, 0xff, n_slots * 2 * sizeof *slot);
	for (size_t code = 0; code < d->n; code++) {
		uint64_t hash = hash_text(d->text[code], d->len[code]);
		size_t i = (size_t)hash & mask;

		while (slot[2 * i] != TABLE_MISSING)
			i = (i + 1) & mask;
		slot[2 * i] = (uint32_t)code;
		slot[2 * i + 1] = (uint32_t)(hash >> 32);
	}
	free(d->slot);
	d->slot = slot;
	d->n_slots = n_slots;
	return OK;
}

static enum status
grow_texts(struct dictionary *d, struct err *e)
{
	size_t cap = d->cap ? d->cap * 2 : 16;
	const char **text = realloc(d->text, cap * sizeof *text);
	uint32_t *len;

	if (!text)
		return err_nomem(e);
	d->text = text;
	len = realloc(d->len, cap * sizeof *len);
	if (!len)
		return err_nomem(e);
	d->len = len;
	d->cap = cap;
	return OK;
}

enum status
dictionary_add(struct dictionary *d, const char *text, size_t len, uint32_t *code, struct err *e)
{
	uint64_t hash = hash_text(text, len);
	const unsigned char *old;
	uint32_t *slot;
	enum status status;

	if (d->n_slots) {
		slot = look_up(d, hash, text, len);
		if (slot[0] != TABLE_MISSING) {
			*code = slot[0];
			return OK;
		}
	}
	if (len >= UINT32_MAX || d->n >= TABLE_MISSING - 1)
		return err_set(e, ERR_TOO_LARGE, "too_large", "a column has more distinct texts than can be numbered");
	if (3 * d->n_slots <= 4 * (d->n + 1)) { /* at most three slots in four are taken */
		status = grow_slots(d, e);
		if (status)
			return status;
	}
	if (d->n == d->cap) {
		status = grow_texts(d, e);
		if (status)
			return status;
	}
	old = d->bytes.data;
	if (!buf_reserve(&d->bytes, len + 1)) {
		d->bytes.failed = false; /* reported here, and nothing was added */
		return err_nomem(e);
	}
	if (d->bytes.data != old) { /* the texts moved */
		const char *at = (const char *)d->bytes.data;

		for (size_t i = 0; i < d->n; i++) {
			d->text[i] = at;
			at += (size_t)d->len[i] + 1;
		}
	}
	d->text[d->n] = (const char *)d->bytes.data + d->bytes.len;
	d->len[d->n] = (uint32_t)len;
	buf_put(&d->bytes, text, len);
	buf_put(&d->bytes, "", 1);
	slot = look_up(d, hash, text, len);
	slot[0] = *code = (uint32_t)d->n++;
	slot[1] = (uint32_t)(hash >> 32);
	return OK;
}

/* ---- table ------------------------------------------------------------------------------------------------------- */

enum status
table_init(struct table *t, const char *const *names, const enum column_type *types, size_t n_columns, struct err *e)
{
	memset(t, 0, sizeof *t);
	t->column = calloc(n_columns ? n_columns : 1, sizeof *t->column);
	if (!t->column)
		return err_nomem(e);
	for (size_t i = 0; i < n_columns; i++) {
		t->column[i].name = strdup(names[i]);
		t->column[i].type = types[i];
		t->n_columns = i + 1;
		if (!t->column[i].name) {
			table_release(t);
			return err_nomem(e);
		}
	}
	return OK;
}

void
table_release(struct table *t)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->column[i];

		free(c->name);
		free(c->number);
		free(c->code);
		dictionary_release(&c->dictionary);
	}
	free(t->column);
	memset(t, 0, sizeof *t);
}

void
table_clear(struct table *t)
{
	t->n_rows = 0;
	for (size_t i = 0; i < t->n_columns; i++) {
		t->column[i].n_missing = 0;
		if (t->column[i].dictionary.n)
			dictionary_clear(&t->column[i].dictionary);
	}
}

enum status
table_reserve(struct table *t, size_t n_rows, struct err *e)
{
	size_t cap = t->cap + t->cap / 2; /* a row at a time costs a few growths only */
	size_t n_numbers, n_codes;

	if (n_rows <= t->cap)
		return OK;
	cap = cap > n_rows ? cap : n_rows;
	if (size_mul(cap, sizeof(double), &n_numbers, e) || size_mul(cap, sizeof(uint32_t), &n_codes, e))
		return e->status;
	/* Where one of these fails, those before it have more room than cap says. */
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->column[i];

		if (c->type == COLUMN_NUMBER) {
			double *number = realloc(c->number, n_numbers);

			if (!number)
				return err_nomem(e);
			c->number = number;
		} else {
			uint32_t *code = realloc(c->code, n_codes);

			if (!code)
				return err_nomem(e);
			c->code = code;
		}
	}
	t->cap = cap;
	return OK;
}

enum status
table_add_row(struct table *t, struct err *e)
{
	if (t->n_rows == t->cap) {
		enum status status = table_reserve(t, t->n_rows < 16 ? 16 : t->n_rows + 1, e);

		if (status)
			return status;
	}
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->column[i];

		if (c->type == COLUMN_NUMBER)
			c->number[t->n_rows] = NAN;
		else
			c->code[t->n_rows] = TABLE_MISSING;
		c->n_missing++;
	}
	t->n_rows++;
	return OK;
}

void
table_set_number(struct table *t, size_t column, size_t row, double v)
{
	struct column *c = &t->column[column];

	assert(c->type == COLUMN_NUMBER && row < t->n_rows && isfinite(v));
	c->n_missing -= isnan(c->number[row]) != 0;
	c->number[row] = v;
}

enum status
table_set_text(struct table *t, size_t column, size_t row, const char *text, size_t len, struct err *e)
{
	struct column *c = &t->column[column];
	uint32_t code = TABLE_MISSING;

	assert(c->type != COLUMN_NUMBER && row < t->n_rows);
	if (len && dictionary_add(&c->dictionary, text, len, &code, e))
		return e->status;
	c->n_missing -= c->code[row] == TABLE_MISSING;
	c->n_missing += code == TABLE_MISSING;
	c->code[row] = code;
	return OK;
}

size_t
table_find(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (!strcmp(t->column[i].name, name))
			return i;
	return SIZE_MAX;
}
