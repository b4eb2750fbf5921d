/* protobuf: see protobuf.h. */
#include "schema/protobuf.h"

#include <string.h>

enum wire_type { VARINT = 0, DELIMITED = 2, FIXED_32 = 5 };
enum { VARINT_SIZE = 10 }; /* bytes of the longest */

static size_t
varint_bytes(unsigned char bytes[VARINT_SIZE], uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (unsigned char)(v | 0x80);
	bytes[n++] = (unsigned char)v;
	return n;
}

static void
put_varint(struct buf *b, uint64_t v)
{
	unsigned char bytes[VARINT_SIZE];

	buf_put(b, bytes, varint_bytes(bytes, v));
}

static void
put_tag(struct buf *b, unsigned field, enum wire_type type)
{
	put_varint(b, (uint64_t)field << 3 | type);
}

void
protobuf_int(struct buf *b, unsigned field, int64_t v)
{
	put_tag(b, field, VARINT);
	put_varint(b, (uint64_t)v);
}

void
protobuf_float(struct buf *b, unsigned field, float v)
{
	put_tag(b, field, FIXED_32);
	buf_put_f32(b, v);
}

void
protobuf_head(struct buf *b, unsigned field, size_t n)
{
	put_tag(b, field, DELIMITED);
	put_varint(b, n);
}

void
protobuf_text(struct buf *b, unsigned field, const char *s)
{
	protobuf_head(b, field, strlen(s));
	buf_puts(b, s);
}

size_t
protobuf_open(struct buf *b, unsigned field)
{
	put_tag(b, field, DELIMITED);
	return b->len;
}

void
protobuf_close(struct buf *b, size_t opened)
{
	unsigned char length[VARINT_SIZE];
	size_t n, n_content;

	if (b->failed)
		return;
	n_content = b->len - opened;
	n = varint_bytes(length, n_content);
	buf_put(b, length, n); /* makes the room; then it goes where it belongs */
	if (b->failed)
		return;
	memmove(b->data + opened + n, b->data + opened, n_content);
	memcpy(b->data + opened, length, n);
}
