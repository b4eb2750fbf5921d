/*
 * csv: a stream of bytes to rows of cells (RFC 4180, UTF-8).
 *
 * Feed any pieces of a file, in order; the row callback sees each record whole. Checked here, because libcsv does not:
 * byte order marks (UTF-8's is skipped, UTF-16's and UTF-32's are refused by name), valid UTF-8, NUL bytes, the width
 * of every row, duplicate column names, an unterminated quote, size limits. Line numbers count physical lines, blank
 * ones and those inside quotes included. Cells keep their spaces. LF, CRLF and CR end records; blank lines are skipped,
 * except that in a file of one column an empty line is an empty cell. A column without a name is given one (unnamed.h),
 * unless none has any: "empty_column_name". Errors are sticky: after one, feed and finish return it again. How the
 * bytes are cut into pieces changes nothing.
 *
 * Codes, with the line and, where there is one, the column's name: ERR_DATA "ragged_row", "duplicate_column",
 * "empty_column_name", "unterminated_quote", "stray_quote", "nul_byte", "invalid_utf8", "empty_file"; ERR_UNSUPPORTED
 * "unsupported_encoding", "unsupported_format" (a compressed file or workbook); ERR_TOO_LARGE "cell_too_large",
 * "record_too_large", "too_many_columns". Thread rule: one thread at a time per reader.
 */
#ifndef VERAD_SCHEMA_CSV_H
#define VERAD_SCHEMA_CSV_H

#include <stdbool.h>

#include "engine/err.h"
#include "schema/table.h"

struct csv_limits {
	size_t max_columns; /* 0 in any of them: the default */
	size_t max_cell;    /* bytes of one cell */
	size_t max_record;  /* bytes of one record */
};
enum { CSV_MAX_COLUMNS = 20000, CSV_MAX_CELL = 1 << 20, CSV_MAX_RECORD = 16 << 20 };

enum { CSV_MARGIN = NUMBER_MARGIN };

struct csv_cell {
	const char *text; /* NUL-terminated, borrowed for the callback; "" for an empty cell */
	size_t len;
};

/* A record of n cells that began on physical line `line`. The first record of the stream is the header: it comes
 * through `header`, the others, each as wide as it, through `row`. A row's texts lie one behind the other, each with
 * its NUL: cell[i + 1].text == cell[i].text + cell[i].len + 1; CSV_MARGIN bytes before the first can be read. A record
 * of another width is an error, "ragged_row", or, where there is a `ragged`, goes there as that error and is left out.
 * A status other than OK stops the stream and is what feed returns. */
struct csv_handler {
	enum status (*header)(void *ctx, const struct csv_cell *cell, size_t n, struct err *e);
	enum status (*row)(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e);
	enum status (*ragged)(void *ctx, const struct err *why, struct err *e); /* may be NULL */
	void *ctx;
};

struct csv;

enum status csv_new(
	const struct csv_handler *handler, const struct csv_limits *limits, struct csv **out, struct err *e);
/* Other characters than ',' and '"', before the first byte is fed: ASCII, not CR, LF or each other; quote 0: none. */
void csv_set_dialect(struct csv *c, char delimiter, char quote);
/* That one, or what a first line "sep=;" of the file says, which is no part of the table. From the header on. */
char csv_delimiter(const struct csv *c);
/* Before the first byte is fed: leaves every row to libcsv, as the oracle of tests. */
void csv_use_libcsv_alone(struct csv *c);
enum status csv_feed(struct csv *c, const void *bytes, size_t n, struct err *e);
enum status csv_finish(struct csv *c, struct err *e); /* end of input: the last record needs no newline */
/* Of a header of one column: the delimiter that seems to be meant, as a person would name it ("';'", "tab"); else NULL.
 */
const char *csv_other_delimiter(const char *header_text);
void csv_reader_free(struct csv *c); /* not csv_free: that name is libcsv's; accepts NULL */

/* Writes one cell as CSV, quoted only where it must be. */
struct buf;
void csv_put_cell(struct buf *out, const char *text, size_t len);

#endif
