/*
 * protobuf: fields of a message in the wire format of protocol buffers (protobuf.dev/programming-guides/encoding), as
 * much of it as ONNX needs. Failure is the buffer's, sticky. Thread rule: pure functions.
 */
#ifndef VERAD_SCHEMA_PROTOBUF_H
#define VERAD_SCHEMA_PROTOBUF_H

#include "engine/buf.h"

void protobuf_int(struct buf *b, unsigned field, int64_t v);
void protobuf_float(struct buf *b, unsigned field, float v);
void protobuf_text(struct buf *b, unsigned field, const char *s);

/* A field whose content, a message most often, is all that is put between the two calls. They nest. */
size_t protobuf_open(struct buf *b, unsigned field);
void protobuf_close(struct buf *b, size_t opened); /* what protobuf_open returned */

/* The same with its length said beforehand: n bytes are put behind it. */
void protobuf_head(struct buf *b, unsigned field, size_t n);

#endif
