/*
 * json_read: a strict pull parser over JSON bytes in memory (RFC 8259), for bodies full of numbers.
 *
 * One token at a time, nothing kept but the text of the last one, so a body costs no more memory than its bytes.
 * Strict: one value and nothing behind it, no comments, no trailing commas, no leading zeros, no NaN or Infinity, valid
 * UTF-8, whole surrogate pairs, no \u0000, at most JSON_MAX_DEPTH nested arrays and objects. A UTF-8 byte order mark in
 * front is skipped. Thread rule: one thread at a time per reader.
 */
#ifndef VERAD_SCHEMA_JSON_READ_H
#define VERAD_SCHEMA_JSON_READ_H

#include "engine/buf.h"

enum { JSON_MAX_DEPTH = 64 };

enum json_type {
	JSON_END, /* of the input, after its one value */
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY, /* its value comes next */
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};
const char *json_type_name(enum json_type t); /* for messages: "an object", "a string" … */

struct json_token {
	enum json_type type;
	const char *text; /* KEY, STRING: unescaped, NUL-terminated, borrowed until the next token */
	size_t len;
	double number; /* NUMBER: finite */
};

struct json_reader {
	const unsigned char *start, *at, *end; /* borrowed */
	struct buf text;                       /* owned */
	int expect;                            /* what may come next; json_read.c's */
	unsigned depth;
	uint64_t in_object; /* bit d: nesting level d is an object, else an array */
};

void json_reader_init(struct json_reader *r, const void *bytes, size_t n);
void json_reader_release(struct json_reader *r); /* accepts a zeroed struct */

/* ERR_SYNTAX "malformed_json", with the line and byte of the line in the message; ERR_DATA "number_out_of_range" for a
 * number that no double holds. After an error, or JSON_END, no more may be asked for. */
enum status json_next(struct json_reader *r, struct json_token *t, struct err *e);

/* Reads to the end of the value that `first` began. */
enum status json_skip(struct json_reader *r, const struct json_token *first, struct err *e);

/* Checks that the bytes are one JSON object and no more. */
enum status json_check_object(const void *bytes, size_t n, struct err *e);

#endif
