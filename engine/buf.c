/* buf: see buf.h. */
#include "engine/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_release(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof *b);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

bool
buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	unsigned char *data;

	if (b->failed || __builtin_add_overflow(b->len, more, &need)) {
		b->failed = true;
		return false;
	}
	if (need <= b->cap)
		return true;
	cap = b->cap < 256 ? 256 : b->cap;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void
buf_put(struct buf *b, const void *bytes, size_t n)
{
	if (!n || !buf_reserve(b, n))
		return;
	memcpy(b->data + b->len, bytes, n);
	b->len += n;
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	enum { MOST = 64 }; /* such texts are done at once, longer ones measured first unless there is room */
	va_list ap;
	size_t room;
	int n;

	if (!buf_reserve(b, MOST))
		return;
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf((char *)b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_reserve(b, (size_t)n + 1)) {
		b->failed = true;
		return;
	}
	if ((size_t)n >= room) {
		va_start(ap, fmt);
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void
buf_put_count(struct buf *b, uint64_t n)
{
	char digits[20], *end = digits + sizeof digits, *at = end;

	do
		*--at = (char)('0' + n % 10);
	while (n /= 10);
	buf_put(b, at, (size_t)(end - at));
}

static void
put_le(struct buf *b, uint64_t v, size_t n)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(v >> (8 * i));
	buf_put(b, bytes, n);
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

void
buf_put_f32(struct buf *b, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	put_le(b, bits, 4);
}

void
buf_put_f64(struct buf *b, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	put_le(b, bits, 8);
}

void
buf_put_f32s(struct buf *b, const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_put_f32(b, v[i]);
}

void
buf_put_f64s(struct buf *b, const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_put_f64(b, v[i]);
}

void
buf_put_text(struct buf *b, const char *s, size_t n)
{
	if (n > UINT32_MAX) {
		b->failed = true;
		return;
	}
	buf_put_u32(b, (uint32_t)n);
	buf_put(b, s, n);
}

enum status
buf_status(const struct buf *b, struct err *e)
{
	return b->failed ? err_nomem(e) : OK;
}

struct reader
reader_over(const void *bytes, size_t n)
{
	return (struct reader){.p = bytes, .end = (const unsigned char *)bytes + n};
}

size_t
reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

const unsigned char *
reader_take(struct reader *r, size_t n)
{
	const unsigned char *at = r->p;

	if (r->failed || n > reader_left(r)) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	return at;
}

static inline uint64_t
take_le(struct reader *r, size_t n)
{
	const unsigned char *at = reader_take(r, n);
	uint64_t v = 0;

	if (at)
		memcpy(&v, at, n); /* the low bytes, where those lie first */
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
}

uint8_t
reader_u8(struct reader *r)
{
	return (uint8_t)take_le(r, 1);
}

uint32_t
reader_u32(struct reader *r)
{
	return (uint32_t)take_le(r, 4);
}

uint64_t
reader_u64(struct reader *r)
{
	return take_le(r, 8);
}

float
reader_f32(struct reader *r)
{
	uint32_t bits = (uint32_t)take_le(r, 4);
	float v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

double
reader_f64(struct reader *r)
{
	uint64_t bits = take_le(r, 8);
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

void
reader_f32s(struct reader *r, float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i] = reader_f32(r);
}

void
reader_f64s(struct reader *r, double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i] = reader_f64(r);
}

char *
reader_text(struct reader *r, size_t *len)
{
	size_t n = reader_u32(r);
	const unsigned char *at = reader_take(r, n);
	char *s;

	if (!at || memchr(at, 0, n) || !(s = malloc(n + 1))) {
		r->failed = true;
		return NULL;
	}
	memcpy(s, at, n);
	s[n] = '\0';
	if (len)
		*len = n;
	return s;
}

size_t
reader_max_items(const struct reader *r, size_t size)
{
	return reader_left(r) / size;
}

uint64_t
checksum64(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)n;

	while (n) {
		size_t take = n < 8 ? n : 8;
		uint64_t word = 0;

		if (take == 8) /* in one move, where the compiler sees that it is one */
			word = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
			       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
			       (uint64_t)p[7] << 56;
		else
			for (size_t i = 0; i < take; i++)
				word |= (uint64_t)p[i] << (8 * i);
		h = (h ^ word) * 0x100000001b3u;
		h ^= h >> 29; /* FNV alone lets high bits of a word reach only high bits of the sum */
		p += take;
		n -= take;
	}
	return h;
}
