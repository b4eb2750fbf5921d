/*
 * column_bytes: one column's cells of one chunk as bytes, and back; see table.h.
 *
 * Layout, little-endian: u8 kind, u32 rows, u32 missing. Numbers: where cells are missing, a bitmap (bit i % 8 of byte
 * i / 8) of them; then a value for each row, 0 where missing. Texts: u32 distinct texts, each as u32 length and bytes,
 * then a code for each row, all bits set where missing. Reading trusts no
 * byte: counts are held against the bytes that are there, and all must agree.
 */
#include "schema/table.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum kind { /* the numbers are stored */
	INT8 = 1,
	INT16 = 2,
	INT32 = 3,
	FLOAT32 = 4,
	FLOAT64 = 5,
	CODE8 = 6,
	CODE16 = 7,
	CODE32 = 8,
};

static const size_t width_of[] = {
	[INT8] = 1, [INT16] = 2, [INT32] = 4, [FLOAT32] = 4, [FLOAT64] = 8, [CODE8] = 1, [CODE16] = 2, [CODE32] = 4};

/* Byte by byte in a fixed order, which compilers turn into one move where the machine is little-endian. */
static void
store16(unsigned char *to, uint32_t v)
{
	to[0] = (unsigned char)v;
	to[1] = (unsigned char)(v >> 8);
}

static void
store32(unsigned char *to, uint32_t v)
{
	to[0] = (unsigned char)v;
	to[1] = (unsigned char)(v >> 8);
	to[2] = (unsigned char)(v >> 16);
	to[3] = (unsigned char)(v >> 24);
}

static uint32_t
load16(const unsigned char *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8;
}

static uint32_t
load32(const unsigned char *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* Whether the narrower type gives back the same double, a zero's sign included. */
static bool
is_int32(double v)
{
	return v >= INT32_MIN && v <= INT32_MAX && v == (double)(int32_t)v && !(v == 0 && signbit(v));
}

static bool
is_float(double v)
{
	return fabs(v) <= (double)FLT_MAX && (double)(float)v == v;
}

static enum kind
narrowest(const double *v, size_t n)
{
	double least = 0, most = 0;
	bool whole = true, single = true;

	for (size_t i = 0; i < n && (whole || single); i++) {
		if (isnan(v[i]))
			continue;
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
		whole = whole && is_int32(v[i]);
		single = single && is_float(v[i]);
	}
	if (!whole)
		return single ? FLOAT32 : FLOAT64;
	if (least >= INT8_MIN && most <= INT8_MAX)
		return INT8;
	return least >= INT16_MIN && most <= INT16_MAX ? INT16 : INT32;
}

static void
write_number(unsigned char *to, enum kind kind, double v)
{
	uint64_t bits;
	uint32_t half;
	float f;

	switch (kind) {
	case INT8:
		to[0] = (unsigned char)(int8_t)v;
		return;
	case INT16:
		store16(to, (uint32_t)(int32_t)v);
		return;
	case INT32:
		store32(to, (uint32_t)(int32_t)v);
		return;
	case FLOAT32:
		f = (float)v;
		memcpy(&half, &f, sizeof half);
		store32(to, half);
		return;
	default:
		memcpy(&bits, &v, sizeof bits);
		store32(to, (uint32_t)bits);
		store32(to + 4, (uint32_t)(bits >> 32));
	}
}

static double
read_number(const unsigned char *from, enum kind kind)
{
	uint64_t bits;
	uint32_t half;
	double v;
	float f;

	switch (kind) {
	case INT8:
		return (int8_t)from[0];
	case INT16:
		return (int16_t)load16(from);
	case INT32:
		return (int32_t)load32(from);
	case FLOAT32:
		half = load32(from);
		memcpy(&f, &half, sizeof f);
		return (double)f;
	default:
		bits = (uint64_t)load32(from) | (uint64_t)load32(from + 4) << 32;
		memcpy(&v, &bits, sizeof v);
		return v;
	}
}

static void
write_numbers(const struct column *c, size_t n, enum kind kind, struct buf *out)
{
	size_t width = width_of[kind], n_map = c->n_missing ? (n + 7) / 8 : 0;
	unsigned char *map, *to;

	if (!buf_reserve(out, n_map + n * width))
		return;
	map = out->data + out->len;
	to = map + n_map;
	memset(map, 0, n_map);
	for (size_t i = 0; i < n; i++, to += width) {
		bool missing = isnan(c->number[i]);

		if (missing)
			map[i / 8] |= (unsigned char)(1u << (i % 8));
		write_number(to, kind, missing ? 0 : c->number[i]);
	}
	out->len += n_map + n * width;
}

static bool
read_numbers(struct column *c, size_t n, size_t n_missing, enum kind kind, struct reader *r)
{
	size_t width = width_of[kind], n_map = n_missing ? (n + 7) / 8 : 0, found = 0;
	const unsigned char *map = reader_take(r, n_map), *from;

	if (n > reader_max_items(r, width))
		return false;
	from = reader_take(r, n * width);
	if (!map || !from || (n_map && n % 8 && map[n_map - 1] >> (n % 8)))
		return false;
	for (size_t i = 0; i < n; i++, from += width) {
		double v = read_number(from, kind);

		if (!isfinite(v))
			return false;
		if (n_map && (map[i / 8] >> (i % 8) & 1)) {
			if (v != 0)
				return false;
			found++;
			v = NAN;
		}
		c->number[i] = v;
	}
	return found == n_missing;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static void
write_texts(const struct column *c, size_t n, enum kind kind, struct buf *out)
{
	const struct dictionary *d = &c->dictionary;
	size_t width = width_of[kind];
	unsigned char *to;

	buf_put_u32(out, (uint32_t)d->n);
	for (size_t i = 0; i < d->n; i++)
		buf_put_text(out, d->text[i], d->len[i]);
	if (!buf_reserve(out, n * width))
		return;
	to = out->data + out->len;
	for (size_t i = 0; i < n; i++, to += width) { /* TABLE_MISSING has all bits set in every width */
		if (kind == CODE8)
			to[0] = (unsigned char)c->code[i];
		else if (kind == CODE16)
			store16(to, c->code[i]);
		else
			store32(to, c->code[i]);
	}
	out->len += n * width;
}

static enum kind
code_kind(size_t n_texts)
{
	return n_texts <= UINT8_MAX ? CODE8 : n_texts <= UINT16_MAX ? CODE16 : CODE32;
}

static bool
read_texts(struct column *c, size_t n, size_t n_missing, enum kind kind, struct reader *r, struct err *e)
{
	static const uint32_t missing_of[] = {[CODE8] = UINT8_MAX, [CODE16] = UINT16_MAX, [CODE32] = UINT32_MAX};
	size_t width = width_of[kind], n_texts = reader_u32(r), found = 0;
	const unsigned char *from;

	if (n_texts > reader_max_items(r, 5) || code_kind(n_texts) != kind)
		return false;
	for (size_t i = 0; i < n_texts; i++) {
		size_t len = reader_u32(r);
		const char *text = (const char *)reader_take(r, len);
		uint32_t code;

		if (!text || !len || memchr(text, '\0', len))
			return false;
		if (dictionary_add(&c->dictionary, text, len, &code, e) || code != i)
			return false;
	}
	if (n > reader_max_items(r, width))
		return false;
	from = reader_take(r, n * width);
	if (!from)
		return false;
	for (size_t i = 0; i < n; i++, from += width) {
		uint32_t code = kind == CODE8 ? from[0] : kind == CODE16 ? load16(from) : load32(from);

		if (code == missing_of[kind]) {
			code = TABLE_MISSING;
			found++;
		} else if (code >= n_texts) {
			return false;
		}
		c->code[i] = code;
	}
	return found == n_missing;
}

/* ------------------------------------------------------------------------------------------------------------------ */

void
column_write(const struct table *t, size_t i, struct buf *out)
{
	const struct column *c = &t->column[i];
	enum kind kind = c->type == COLUMN_NUMBER ? narrowest(c->number, t->n_rows) : code_kind(c->dictionary.n);

	assert(t->n_rows <= UINT32_MAX);
	buf_put_u8(out, (uint8_t)kind);
	buf_put_u32(out, (uint32_t)t->n_rows);
	buf_put_u32(out, (uint32_t)c->n_missing);
	if (c->type == COLUMN_NUMBER)
		write_numbers(c, t->n_rows, kind, out);
	else
		write_texts(c, t->n_rows, kind, out);
}

enum status
column_read(struct table *t, size_t i, const void *bytes, size_t n, struct err *e)
{
	struct column *c = &t->column[i];
	struct reader r = reader_over(bytes, n);
	unsigned kind = reader_u8(&r);
	size_t n_rows = reader_u32(&r), n_missing = reader_u32(&r);
	struct err why = {0};
	bool good = !r.failed && n_rows == t->n_rows && n_missing <= n_rows;

	dictionary_clear(&c->dictionary);
	c->n_missing = n_missing;
	if (c->type == COLUMN_NUMBER)
		good = good && kind >= INT8 && kind <= FLOAT64 &&
		       read_numbers(c, n_rows, n_missing, (enum kind)kind, &r);
	else
		good = good && kind >= CODE8 && kind <= CODE32 &&
		       read_texts(c, n_rows, n_missing, (enum kind)kind, &r, &why);
	if (good && !reader_left(&r))
		return OK;

	/* A column whose bytes are odd is left all missing, never half filled. */
	dictionary_clear(&c->dictionary);
	for (size_t row = 0; row < t->n_rows; row++) {
		if (c->type == COLUMN_NUMBER)
			c->number[row] = NAN;
		else
			c->code[row] = TABLE_MISSING;
	}
	c->n_missing = t->n_rows;
	if (why.status == ERR_NOMEM)
		return err_nomem(e);
	err_set(e, ERR_CORRUPT, "corrupt_column", "the stored cells of column \"%.*s\" are damaged",
		(int)text_cut(c->name, strlen(c->name), 60), c->name);
	return err_at(e, 0, c->name);
}
