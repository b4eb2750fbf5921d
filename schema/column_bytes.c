/*
 * column_bytes: one column's cells of one chunk as bytes, and back; see table.h.
 *
 * Layout, little-endian: u8 kind, u32 rows, u32 missing. Numbers: of kind DECIMAL first u8 decimals and u8 width; where
 * cells are missing, a bitmap (bit i % 8 of byte i / 8) of them; then a value for each row, 0 where missing. Texts: u32
 * distinct texts, each as u32 length and bytes, then a code for each row, all bits set where missing. Reading trusts no
 * byte: counts are held against the bytes that are there, and all must agree.
 *
 * Most fractions in files have few decimals. As integers of that many powers of ten they take half the bytes of a
 * double, and come back as the same double: a quotient of two numbers that are exact is rounded once, as number_parse
 * rounded it.
 */
#include "engine/simd.h"
#include "schema/number_amid.h"

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
	DECIMAL = 9, /* integers of 1 to 7 bytes, times a negative power of ten */
};

/* How the numbers of a column are stored. */
struct form {
	enum kind kind;
	size_t width;
	unsigned decimals;
};

enum { MAX_WIDTH = 7 };
#define ROUNDS                                                                                                         \
	0x1.8p52 /* added and taken away again, leaves the nearest integer of what is below 2^51 in magnitude          \
		  */

static const size_t width_of[] = {[INT8] = 1,
	[INT16] = 2,
	[INT32] = 4,
	[FLOAT32] = 4,
	[FLOAT64] = 8,
	[CODE8] = 1,
	[CODE16] = 2,
	[CODE32] = 4,
	[DECIMAL] = 0 /* its own */};

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

static uint64_t
bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* Whether the narrower form gives back the same doubles, a zero's sign included; missing ones have no say. */
SIMD_CLONES static bool
are_floats(const double *v, size_t n)
{
	uint64_t other = 0;

	for (size_t i = 0; i < n; i++)
		other |= (uint64_t)((double)(float)v[i] != v[i]) & (uint64_t)(v[i] == v[i]);
	return !other;
}

SIMD_CLONES static bool
are_decimals(const double *v, size_t n, double power)
{
	uint64_t other = 0;

	for (size_t i = 0; i < n; i++) {
		double m = (v[i] * power + ROUNDS) - ROUNDS;

		other |= (bits_of(m / power) ^ bits_of(v[i])) & -(uint64_t)(v[i] == v[i]);
	}
	return !other;
}

/* The fewest decimals that all have, as far as integers of MAX_WIDTH bytes go; false: more. */
static bool
common_decimals(const double *v, size_t n, unsigned *decimals)
{
	enum { BLOCK = 512 };
	unsigned d = 0;
	bool grew = false;

	for (size_t at = 0; at < n; at += BLOCK) {
		size_t end = n - at < BLOCK ? n : at + BLOCK;

		if (are_decimals(v + at, end - at, number_ten_to[d]))
			continue;
		for (size_t i = at; i < end; i++)
			while (!are_decimals(v + i, 1, number_ten_to[d]))
				if (++d > NUMBER_POWERS)
					return false;
		grew |= at != 0;
	}
	*decimals = d;
	return !grew || are_decimals(v, n, number_ten_to[d]);
}

static size_t
bytes_of(double least, double most)
{
	size_t width = 1;

	while (least < -ldexp(1, 8 * (int)width - 1) || most >= ldexp(1, 8 * (int)width - 1))
		width++;
	return width;
}

static struct form
narrowest(const double *v, size_t n)
{
	double least = 0, most = 0;
	bool floats;
	unsigned decimals;
	size_t width;

	for (size_t i = 0; i < n; i++) { /* false for NaN */
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
	}
	floats = -least <= (double)FLT_MAX && most <= (double)FLT_MAX && are_floats(v, n);
	if (least > -0x1p50 && most < 0x1p50 && common_decimals(v, n, &decimals)) {
		double power = number_ten_to[decimals];

		if (!decimals && least >= INT32_MIN && most <= INT32_MAX) {
			width = bytes_of(least, most);
			return width == 1   ? (struct form){INT8, 1, 0}
			       : width == 2 ? (struct form){INT16, 2, 0}
					    : (struct form){INT32, 4, 0};
		}
		if (-least * power < 0x1p50 && most * power < 0x1p50) {
			width = bytes_of(rint(least * power), rint(most * power));
			if (width < (floats ? width_of[FLOAT32] : width_of[FLOAT64]))
				return (struct form){DECIMAL, width, decimals};
		}
	}
	return floats ? (struct form){FLOAT32, 4, 0} : (struct form){FLOAT64, 8, 0};
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

SIMD_CLONES static void
write_decimals(unsigned char *to, const double *v, size_t n, struct form f)
{
	const double power = number_ten_to[f.decimals];

	for (size_t i = 0; i < n; i++, to += f.width) { /* each writes beyond its end, and the next over that */
		double rounds = (v[i] == v[i] ? v[i] : 0) * power + ROUNDS;
		uint64_t m = htole64(bits_of(rounds) - bits_of(ROUNDS));

		memcpy(to, &m, sizeof m);
	}
}

static void
write_numbers(const struct column *c, size_t n, struct form f, struct buf *out)
{
	size_t n_map = c->n_missing ? (n + 7) / 8 : 0;
	unsigned char *map, *to;

	if (f.kind == DECIMAL) {
		buf_put_u8(out, (uint8_t)f.decimals);
		buf_put_u8(out, (uint8_t)f.width);
	}
	if (!buf_reserve(out, n_map + n * f.width + sizeof(uint64_t)))
		return;
	map = out->data + out->len;
	to = map + n_map;
	memset(map, 0, n_map);
	for (size_t i = 0; n_map && i < n; i++)
		map[i / 8] |= (unsigned char)((unsigned)(isnan(c->number[i]) != 0) << (i % 8));
	if (f.kind == DECIMAL)
		write_decimals(to, c->number, n, f);
	else
		for (size_t i = 0; i < n; i++, to += f.width)
			write_number(to, f.kind, isnan(c->number[i]) ? 0 : c->number[i]);
	out->len += n_map + n * f.width;
}

/* An integer of `width` bytes. */
static int64_t
read_integer(const unsigned char *from, size_t width)
{
	uint64_t m = 0;
	unsigned unused = 64 - 8 * (unsigned)width;

	for (size_t i = 0; i < width; i++)
		m |= (uint64_t)from[i] << (8 * i);
	m <<= unused;
	return (int64_t)(m >> (unused - 1) >> 1) - (m >> 63 ? INT64_C(1) << (64 - unused) : 0);
}

static bool
read_numbers(struct column *c, size_t n, size_t n_missing, enum kind kind, struct reader *r)
{
	struct form f = {.kind = kind, .width = width_of[kind]};
	size_t n_map = n_missing ? (n + 7) / 8 : 0, found = 0;
	const unsigned char *map, *from;

	if (kind == DECIMAL) {
		f.decimals = reader_u8(r);
		f.width = reader_u8(r);
		if (f.decimals > NUMBER_POWERS || f.width < 1 || f.width > MAX_WIDTH)
			return false;
	}
	map = reader_take(r, n_map);
	if (n > reader_max_items(r, f.width))
		return false;
	from = reader_take(r, n * f.width);
	if (!map || !from || (n_map && n % 8 && map[n_map - 1] >> (n % 8)))
		return false;
	for (size_t i = 0; i < n; i++, from += f.width) {
		double v = kind == DECIMAL ? (double)read_integer(from, f.width) / number_ten_to[f.decimals]
					   : read_number(from, kind);

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
	struct form form = {.kind = CODE8};

	if (c->type == COLUMN_NUMBER)
		form = narrowest(c->number, t->n_rows);
	else
		form.kind = code_kind(c->dictionary.n);
	assert(t->n_rows <= UINT32_MAX);
	buf_put_u8(out, (uint8_t)form.kind);
	buf_put_u32(out, (uint32_t)t->n_rows);
	buf_put_u32(out, (uint32_t)c->n_missing);
	if (c->type == COLUMN_NUMBER)
		write_numbers(c, t->n_rows, form, out);
	else
		write_texts(c, t->n_rows, form.kind, out);
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
		good = good && ((kind >= INT8 && kind <= FLOAT64) || kind == DECIMAL) &&
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
		text_shown(c->name), c->name);
	return err_at(e, 0, c->name);
}
