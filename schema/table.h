/*
 * table: typed columns in memory, and one chunk of a column as bytes.
 *
 * A number column holds doubles, a missing cell is NaN (no other NaN, no infinity is ever stored). Every
 * other column holds
 * codes into a dictionary of its own, a missing cell is TABLE_MISSING. A table here is a chunk: a bounded number of
 * rows of a data set, or a batch to predict. Thread rule: one thread at a time; const use may be shared.
 */
#ifndef VERAD_SCHEMA_TABLE_H
#define VERAD_SCHEMA_TABLE_H

#include "engine/buf.h"

/* A date or a yes-or-no is kept as the text that it is, as in a column of texts; what it means is the encoder's. */
enum column_type { COLUMN_NUMBER, COLUMN_TEXT, COLUMN_DATE, COLUMN_BOOLEAN, N_COLUMN_TYPES };
const char *column_type_name(enum column_type t); /* "number", "text", "date", "boolean" */

#define TABLE_MISSING UINT32_MAX

struct dictionary { /* distinct texts, numbered in order of first appearance */
	size_t n;
	const char **text; /* [n], NUL-terminated UTF-8, owned by the dictionary, valid until the next add or release */
	uint32_t *len;     /* [n], bytes */
	/* the rest is table.c's */
	struct buf bytes;
	uint32_t *slot;
	size_t n_slots, cap; /* a slot is two words, code and tag */
};
void dictionary_release(struct dictionary *d); /* accepts a zeroed struct; leaves one */
void dictionary_clear(struct dictionary *d);   /* no texts; memory stays */
uint32_t dictionary_find(const struct dictionary *d, const char *text, size_t len); /* TABLE_MISSING: not there */
enum status dictionary_add(struct dictionary *d, const char *text, size_t len, uint32_t *code, struct err *e);

struct column {
	char *name; /* owned */
	enum column_type type;
	size_t n_missing;
	double *number; /* [cap] of a number column */
	uint32_t *code; /* [cap] of every other column */
	struct dictionary dictionary;
};

struct table {
	size_t n_rows, cap;
	size_t n_columns;
	struct column *column; /* [n_columns], owned */
};

enum status table_init(
	struct table *t, const char *const *names, const enum column_type *types, size_t n_columns, struct err *e);
void table_release(struct table *t); /* accepts a zeroed struct */
void table_clear(struct table *t);   /* no rows, empty dictionaries; columns and memory stay */
enum status table_reserve(struct table *t, size_t n_rows, struct err *e);
/* Appends a row of missing cells; set its cells afterwards. */
enum status table_add_row(struct table *t, struct err *e);
void table_set_number(struct table *t, size_t column, size_t row, double v); /* v finite */
/* An empty text is a missing cell. */
enum status table_set_text(struct table *t, size_t column, size_t row, const char *text, size_t len, struct err *e);
size_t table_find(const struct table *t, const char *name); /* SIZE_MAX: no such column */

/* A decimal number as CSV and JSON write them (sign, digits, point, exponent; surrounding spaces allowed), whatever the
 * locale: false for anything else, for hexadecimal, "nan", "inf", and for what overflows a double. */
bool number_parse(const char *text, size_t len, double *out);
bool number_parse_marked(const char *text, size_t len, char mark, double *out); /* another decimal mark: ',' */
/* Is it an infinite number, or one beyond all doubles? "inf", "-Infinity" in any case, "1.#INF", "1e999"; the sign of
 * infinity. */
bool number_is_infinite(const char *text, size_t len, char mark);
enum { NUMBER_MARGIN = 16 }; /* of number_amid.h */
/* The shortest text that reads back as the same value, e.g. "0.1", "3", "1e+20". v finite. buf of >= 32. For floats,
 * number_format_float gives the shortest that reads back as the same float. Return the length. */
size_t number_format(char *buf, double v);
size_t number_format_float(char *buf, float v);

/* Leaves out the spaces and tabs at both ends of a text. */
static inline void
text_trim(const char **at, const char **end)
{
	while (*at < *end && (**at == ' ' || **at == '\t'))
		++*at;
	while (*end > *at && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
		--*end;
}

/* How many of the first `max` bytes of text[len] are whole characters: to cut a name in a message with "%.*s". */
size_t text_cut(const char *text, size_t len, size_t max);
/* The same for a name that a message quotes: "%.*s", text_shown(name), name. */
int text_shown(const char *name);
/* err_at with a name from outside, of which the error keeps whole characters; NULL: none. */
enum status text_err_at(struct err *e, uint64_t line, const char *name);

/*
 * One column's cells of one chunk as bytes: numbers in the narrowest of int8, int16, int32, float32, float64 and
 * integers of 1 to 7 bytes over a power of ten that holds every one exactly, with a bitmap where cells are missing;
 * texts as dictionary and codes of 1, 2 or 4 bytes. column_read fills column `c` of a table whose n_rows must equal the
 * chunk's (ERR_CORRUPT for anything odd).
 */
void column_write(const struct table *t, size_t c, struct buf *out);
enum status column_read(struct table *t, size_t c, const void *bytes, size_t n, struct err *e);

#endif
