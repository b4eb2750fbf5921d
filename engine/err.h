/*
 * err: the status and message that every room hands upward.
 *
 * A function that can fail returns `enum status` and takes `struct err *` as its last parameter; the struct is left
 * untouched on success, so calls chain. Nothing is allocated on the failure path. The message is written once, where
 * the failure arises, and prefixed at module borders. Thread rule: plain values, no shared state.
 */
#ifndef VERAD_ENGINE_ERR_H
#define VERAD_ENGINE_ERR_H

#include <stddef.h>
#include <stdint.h>

enum status {
	OK = 0,
	ERR_INVALID, /* a parameter or argument that the caller chose wrongly */
	ERR_SYNTAX,  /* bytes that are not what they claim to be: JSON, HTTP */
	ERR_DATA,    /* well-formed bytes whose content cannot be used: a ragged row, one class only */
	ERR_NOT_FOUND,
	ERR_CONFLICT,    /* not possible in the present state of the thing named */
	ERR_TOO_LARGE,   /* over a stated limit */
	ERR_UNSUPPORTED, /* another media type or text encoding than the ones served */
	ERR_BUSY,        /* try again later */
	ERR_CANCELLED,
	ERR_DIVERGED, /* training left the finite numbers */
	ERR_CORRUPT,  /* stored or uploaded model bytes that do not check out */
	ERR_FULL,     /* no space left on the device */
	ERR_IO,
	ERR_NOMEM,
	ERR_INTERNAL,
};

struct err {
	enum status status;
	const char *code; /* stable, for programs, static storage: "ragged_row"; part of the API's contract */
	char msg[320];    /* for people; one sentence, no trailing newline */
	uint64_t line;    /* 1-based line of the input the error is about; 0 = none */
	char column[96];  /* name of the column the error is about, cut to fit; "" = none */
};

/* Fills *e and returns `status`. `code` has static storage. */
enum status err_set(struct err *e, enum status status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds the place to an error already set: line 0 and column NULL leave theirs as they are. Returns e->status. */
enum status err_at(struct err *e, uint64_t line, const char *column);

/* Puts "prefix: " before the message of an error already set. Returns e->status. */
enum status err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum status err_nomem(struct err *e);

/* a * b into *out; ERR_TOO_LARGE where the product does not fit. For every product of sizes that come from outside. */
enum status size_mul(size_t a, size_t b, size_t *out, struct err *e);

#endif
