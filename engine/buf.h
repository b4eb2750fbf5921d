/*
 * buf: a growing block of bytes with sticky failure, and a reader that cannot run past the end of untrusted ones.
 *
 * Writing: once an allocation fails, `failed` stays set and further writes do nothing, so a long sequence is checked
 * once, at its end. Numbers are written little-endian whatever the machine. Reading is the mirror image.
 */
#ifndef VERAD_ENGINE_BUF_H
#define VERAD_ENGINE_BUF_H

#include <stdbool.h>

#include "engine/err.h"

struct buf {                 /* {0} is an empty one */
	unsigned char *data; /* owned */
	size_t len, cap;
	bool failed;
};

void buf_release(struct buf *b);              /* accepts a zeroed struct; leaves one */
void buf_clear(struct buf *b);                /* length 0, memory and failure kept */
bool buf_reserve(struct buf *b, size_t more); /* room for `more` bytes behind len */
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_put_count(struct buf *b, uint64_t n); /* in decimal digits */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_f32(struct buf *b, float v);
void buf_put_f64(struct buf *b, double v);
void buf_put_f32s(struct buf *b, const float *v, size_t n);
void buf_put_f64s(struct buf *b, const double *v, size_t n);
void buf_put_text(struct buf *b, const char *s, size_t n);  /* u32 length, then the bytes */
enum status buf_status(const struct buf *b, struct err *e); /* OK, or ERR_NOMEM */

struct reader {
	const unsigned char *p, *end; /* borrowed */
	bool failed;                  /* sticky: a read past the end; values read after it are 0 */
};

struct reader reader_over(const void *bytes, size_t n);
size_t reader_left(const struct reader *r);
const unsigned char *reader_take(struct reader *r, size_t n); /* NULL past the end */
uint8_t reader_u8(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
float reader_f32(struct reader *r);
double reader_f64(struct reader *r);
void reader_f32s(struct reader *r, float *v, size_t n);
void reader_f64s(struct reader *r, double *v, size_t n);
char *reader_text(struct reader *r, size_t *len); /* owned, NUL-terminated; NULL past the end or on an embedded NUL;
						     len may be NULL */
/* How many items of at least `size` bytes each can still follow: a bound to check a count against before allocating. */
size_t reader_max_items(const struct reader *r, size_t size);

uint64_t checksum64(const void *bytes, size_t n); /* FNV-1a over 8-byte words: finds damage, is no signature */

#endif
