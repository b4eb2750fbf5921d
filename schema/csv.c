/*
 * csv: see csv.h.
 *
 * Bytes pass through four steps, each a function: begin (what kind of file is this), text (whole UTF-8 characters
 * only), lines (one physical line at a time, so that the line number is always that of the byte being parsed), parse
 * (libcsv, whose callbacks gather cells into a record). libcsv takes any width of row, trims spaces and would let an
 * unterminated quote fill the memory: hence the checks after each piece and in the callbacks. The callbacks return
 * void, so an error is kept in the reader; whoever sets it is the first in the order of the bytes, which is what makes
 * the outcome independent of how they were cut.
 *
 * A whole line without quotes and of the right width, as nearly all are, needs no state machine: plain_row splits it,
 * several times faster. It only ever says yes; every other line, and so every error, is libcsv's to judge. That both
 * read the same is tested by feeding every input a byte at a time too, which leaves all of it to libcsv.
 */
#include "schema/csv.h"

#include <assert.h>
#include <csv.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/buf.h"
#include "schema/table.h"

enum { BLOCK = 1 << 16 };      /* bytes checked and parsed at a time: what a cell can overshoot its limit by */
enum { CELL_BLOCK = 1 << 14 }; /* by how much libcsv's buffer of one cell grows */

struct csv {
	struct csv_handler handler;
	struct csv_limits limits;
	struct csv_parser parser;
	char delimiter, quote;
	struct err err; /* the first error; status OK: none yet */

	unsigned char head[4]; /* the first bytes, until they tell the encoding */
	size_t n_head;
	bool begun, finished;
	unsigned char part[4]; /* a character whose last bytes are still to come */
	size_t n_part;

	uint64_t offset;                 /* of the next byte of text, from the start of the file */
	uint64_t line;                   /* physical line of the byte being parsed, from 1 */
	uint64_t record_line, cell_line; /* where the record and its current cell began */
	bool in_record;                  /* record_line is set */
	bool after_cr;                   /* the last line ended with the CR that was the last byte seen */
	bool row_ended_cr;               /* the last row ended with CR: an LF now belongs to it */

	char *record; /* the cells so far, each with its NUL */
	size_t record_cap;
	struct csv_cell *cell; /* [cell_cap] */
	size_t cell_cap;
	size_t n;         /* cells of this record so far, those too many included */
	size_t n_bytes;   /* their bytes, with one more each */
	size_t n_columns; /* 0: no header yet */
	struct dictionary names;
};

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static const char *
column_name(const struct csv *c, size_t i)
{
	return i < c->n_columns ? c->names.text[i] : NULL;
}

/* Adds line and column to the error just set. */
static void
at(struct csv *c, uint64_t line, const char *name)
{
	char cut[sizeof c->err.column];
	size_t n;

	if (name) {
		n = text_cut(name, strlen(name), sizeof cut - 1);
		memcpy(cut, name, n);
		cut[n] = '\0';
	}
	err_at(&c->err, line, name ? cut : NULL);
}

/* Name of column i for a message, quoted: "column \"age\"", or "column 3" in the header. */
static const char *
shown(const struct csv *c, size_t i, char out[96])
{
	const char *name = column_name(c, i);

	if (name)
		snprintf(out, 96, "column \"%.*s\"", (int)text_cut(name, strlen(name), 60), name);
	else
		snprintf(out, 96, "column %zu", i + 1);
	return out;
}

static void
fail_nomem(struct csv *c)
{
	err_nomem(&c->err);
	at(c, c->record_line, NULL);
}

/* How many bytes the cell at hand may have, for itself and for its record. */
static size_t
cell_limit(const struct csv *c)
{
	size_t room = c->limits.max_record > c->n_bytes ? c->limits.max_record - c->n_bytes - 1 : 0;

	return room < c->limits.max_cell ? room : c->limits.max_cell;
}

/* The cell at hand is over cell_limit. */
static void
fail_too_large(struct csv *c)
{
	char name[96];

	if (cell_limit(c) == c->limits.max_cell) {
		err_set(&c->err, ERR_TOO_LARGE, "cell_too_large",
			"the cell in %s that begins on line %llu is longer than %zu bytes; is a quote missing there?",
			shown(c, c->n, name), (unsigned long long)c->cell_line, c->limits.max_cell);
		at(c, c->cell_line, column_name(c, c->n));
	} else {
		err_set(&c->err, ERR_TOO_LARGE, "record_too_large",
			"the row that begins on line %llu is longer than %zu bytes; is a quote missing there?",
			(unsigned long long)c->record_line, c->limits.max_record);
		at(c, c->record_line, NULL);
	}
}

static void
fail_stray_quote(struct csv *c)
{
	char name[96], since[64] = "";

	if (c->cell_line < c->line)
		snprintf(since, sizeof since, ", whose quote opens on line %llu", (unsigned long long)c->cell_line);
	if (c->parser.quoted)
		err_set(&c->err, ERR_DATA, "stray_quote",
			"line %llu, %s: text follows the closing quote of the cell%s; a quote inside a quoted cell is "
			"written "
			"twice",
			(unsigned long long)c->line, shown(c, c->n, name), since);
	else
		err_set(&c->err, ERR_DATA, "stray_quote",
			"line %llu, %s: a quote in the middle of an unquoted cell; put the whole cell in quotes and "
			"write the "
			"quotes inside it twice",
			(unsigned long long)c->line, shown(c, c->n, name));
	at(c, c->line, column_name(c, c->n));
}

static void
fail_nul(struct csv *c)
{
	err_set(&c->err, ERR_DATA, "nul_byte",
		"line %llu: a NUL byte, at byte %llu of the file; the file is damaged, or not UTF-8 text",
		(unsigned long long)c->line, (unsigned long long)c->offset + 1);
	at(c, c->line, NULL);
}

/* The bytes p[n], all that is known so far, do not begin with a character. */
static void
fail_utf8(struct csv *c, const unsigned char *p, size_t n)
{
	const char *advice = "the file is damaged or in another encoding";

	/* One high byte among plain letters is how the 8-bit encodings of Western Europe look. Windows-1252 alone has
	 * characters below 0xA0: curly quotes, dashes, the euro sign. Only bytes that every cut has shown may decide.
	 */
	if (p[0] < 0xc2 || p[0] > 0xf4 || n == 1 || p[1] < 0x80)
		advice = p[0] >= 0xa0 ? "the file may be in Latin-1 or Windows-1252"
				      : "the file may be in Windows-1252";
	err_set(&c->err, ERR_DATA, "invalid_utf8",
		"line %llu: the byte 0x%02X, byte %llu of the file, is not valid UTF-8; %s: save it as UTF-8",
		(unsigned long long)c->line, p[0], (unsigned long long)c->offset + 1, advice);
	at(c, c->line, NULL);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

const char *
csv_other_delimiter(const char *header_text)
{
	if (strchr(header_text, ';'))
		return "';'";
	if (strchr(header_text, '\t'))
		return "tab";
	return strchr(header_text, '|') ? "'|'" : NULL;
}

static bool
grow_record(struct csv *c, size_t more)
{
	size_t cap = c->record_cap ? c->record_cap : 4096;
	char *record;

	while (cap - c->n_bytes < more)
		cap *= 2;
	record = realloc(c->record, cap);
	if (!record) {
		fail_nomem(c);
		return false;
	}
	for (size_t i = 0, offset = 0; i < c->n; i++) { /* the cells so far may have moved */
		c->cell[i].text = record + offset;
		offset += c->cell[i].len + 1;
	}
	c->record = record;
	c->record_cap = cap;
	return true;
}

static bool
grow_cells(struct csv *c)
{
	size_t cap = c->cell_cap ? c->cell_cap * 2 : 64;
	struct csv_cell *cell = realloc(c->cell, cap * sizeof *cell);

	if (!cell) {
		fail_nomem(c);
		return false;
	}
	c->cell = cell;
	c->cell_cap = cap;
	return true;
}

/* libcsv: a cell is complete. NULL is an empty one without quotes. */
static void
on_cell(void *text, size_t len, void *ctx)
{
	struct csv *c = ctx;
	char *to;

	if (c->err.status)
		return;
	if (len > cell_limit(c)) {
		fail_too_large(c);
		return;
	}
	if (c->n_columns && c->n >= c->n_columns) { /* ragged: counted for the message, not kept */
		c->n++;
		c->n_bytes += len + 1;
		return;
	}
	if (!c->n_columns && c->n == c->limits.max_columns) {
		err_set(&c->err, ERR_TOO_LARGE, "too_many_columns", "the header has more than %zu columns",
			c->limits.max_columns);
		at(c, c->record_line, NULL);
		return;
	}
	if (c->n == c->cell_cap && !grow_cells(c))
		return;
	if (c->record_cap - c->n_bytes <= len && !grow_record(c, len + 1))
		return;
	to = c->record + c->n_bytes;
	if (len)
		memcpy(to, text, len);
	to[len] = '\0';
	c->cell[c->n].text = to;
	c->cell[c->n].len = len;
	c->n++;
	c->n_bytes += len + 1;
	c->cell_line = c->line;
}

static bool
is_blank(const char *s)
{
	return !s[strspn(s, " \t")];
}

static void
take_header(struct csv *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct csv_cell *name = &c->cell[i];
		uint32_t code;
		double v;

		if (is_blank(name->text)) {
			err_set(&c->err, ERR_DATA, "empty_column_name",
				"line %llu: column %zu of %zu has no name in the header%s",
				(unsigned long long)c->record_line, i + 1, c->n,
				i ? "" : "; if it is an index that a program added, name it or leave it out");
			at(c, c->record_line, NULL);
			return;
		}
		if (dictionary_add(&c->names, name->text, name->len, &code, &c->err))
			return;
		if (code < i) {
			err_set(&c->err, ERR_DATA, "duplicate_column",
				"line %llu: the column name \"%.*s\" stands twice in the header, as column %u and "
				"column %zu%s",
				(unsigned long long)c->record_line, (int)text_cut(name->text, name->len, 60),
				name->text, code + 1, i + 1,
				number_parse(name->text, name->len, &v) ? "; is the header line missing?" : "");
			at(c, c->record_line, name->text);
			return;
		}
	}
	c->n_columns = c->n;
	c->handler.header(c->handler.ctx, c->cell, c->n, &c->err);
}

static void
ragged(struct csv *c)
{
	const char *other = c->n_columns == 1 && c->delimiter == ',' ? csv_other_delimiter(c->names.text[0]) : NULL;
	struct err why;
	char hint[112] = "";

	if (other)
		snprintf(hint, sizeof hint, "; the delimiter seems to be %s, but a comma is expected", other);
	else if (c->line > c->record_line)
		snprintf(hint, sizeof hint, "; the row goes on to line %llu: is a closing quote missing?",
			(unsigned long long)c->line);
	err_set(&c->err, ERR_DATA, "ragged_row", "line %llu: the row has %zu cell%s, the header has %zu column%s%s",
		(unsigned long long)c->record_line, c->n, c->n == 1 ? "" : "s", c->n_columns,
		c->n_columns == 1 ? "" : "s", hint);
	at(c, c->record_line, c->n < c->n_columns ? c->names.text[c->n] : NULL);
	if (!c->handler.ragged)
		return;
	why = c->err;
	c->err = (struct err){0};
	c->handler.ragged(c->handler.ctx, &why, &c->err);
}

/* libcsv: the byte `end` (-1: the end of the input) ended a row, which has no cells where the line was blank. */
static void
on_row(int end, void *ctx)
{
	struct csv *c = ctx;
	bool of_crlf = end == '\n' && c->row_ended_cr && !c->n;

	c->row_ended_cr = end == '\r';
	c->in_record = false;
	if (c->err.status || of_crlf)
		return;
	if (!c->n && c->n_columns == 1)
		on_cell(NULL, 0, c); /* the only way in which CSV can write an empty cell of a table of one column */
	if (!c->n || c->err.status)
		return;
	if (!c->n_columns)
		take_header(c);
	else if (c->n != c->n_columns)
		ragged(c);
	else
		c->handler.row(c->handler.ctx, c->cell, c->n, c->record_line, &c->err);
	c->n = c->n_bytes = 0;
}

/* ---- from bytes to records --------------------------------------------------------------------------------------- */

static enum status
parse(struct csv *c, const unsigned char *p, size_t n)
{
	size_t done = csv_parse(&c->parser, p, n, on_cell, on_row, c);

	if (c->err.status)
		return c->err.status;
	if (c->parser.entry_pos > cell_limit(c) + 1) { /* of the cell still open; one byte may be its closing quote */
		fail_too_large(c);
	} else if (done < n) {
		if (csv_error(&c->parser) == CSV_EPARSE)
			fail_stray_quote(c);
		else
			fail_nomem(c);
	}
	return c->err.status;
}

/* Splits at delimiters the line p[n], of which the newline is left out; false: it is not so plain, and nothing was
 * done. */
static bool
plain_row(struct csv *c, const unsigned char *p, size_t n)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
	const uint64_t delimiters = 0x0101010101010101u * (unsigned char)c->delimiter;
	size_t n_cells = 0, start = 0;
	char *record;

	if (!n || !c->n_columns || n > cell_limit(c) || memchr(p, c->quote, n))
		return false;
	if (c->record_cap <= n && !grow_record(c, n + 1))
		return false;
	record = c->record;
	memcpy(record, p, n);
	for (size_t at = 0; at < n; at += sizeof(uint64_t)) {
		uint64_t word, hits;

		if (n - at >= sizeof word) {
			memcpy(&word, p + at, sizeof word);
		} else {
			word = 0;
			memcpy(&word, p + at, n - at);
		}
		word = le64toh(word) ^ delimiters;
		for (hits = ~(((word & low) + low) | word | low); hits;
			hits &= hits - 1) { /* the top bit of each delimiter */
			size_t stop = at + (size_t)__builtin_ctzll(hits) / 8;

			if (n_cells + 1 >= c->n_columns)
				return false;
			record[stop] = '\0';
			c->cell[n_cells].text = record + start;
			c->cell[n_cells++].len = stop - start;
			start = stop + 1;
		}
	}
	if (n_cells + 1 != c->n_columns)
		return false;
	record[n] = '\0';
	c->cell[n_cells].text = record + start;
	c->cell[n_cells].len = n - start;
	c->row_ended_cr = false;
	c->handler.row(c->handler.ctx, c->cell, c->n_columns, c->line, &c->err);
	return true;
}

static enum status
lines(struct csv *c, const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;

	while (p < end) {
		const unsigned char *stop = memchr(p, '\n', (size_t)(end - p));
		const unsigned char *cr;
		bool ends = stop != NULL, crlf;

		stop = stop ? stop + 1 : end;
		cr = memchr(p, '\r', (size_t)(stop - p));
		crlf = cr && ends && cr + 2 == stop;
		if (cr && !crlf) { /* alone, or the last byte for now */
			stop = cr + 1;
			ends = true;
		}
		if (c->after_cr && *p == '\n')
			ends = false; /* the line was counted at its CR */
		if (c->in_record || stop[-1] != '\n' || !plain_row(c, p, (size_t)(stop - p) - 1 - crlf)) {
			if (!c->in_record) {
				c->in_record = true;
				c->record_line = c->cell_line = c->line;
			}
			if (!c->err.status)
				parse(c, p, (size_t)(stop - p));
		}
		if (c->err.status)
			return c->err.status;
		c->after_cr = stop[-1] == '\r';
		c->line += ends;
		c->offset += (uint64_t)(stop - p);
		p = stop;
	}
	return OK;
}

/* Length of the character that p[n], n >= 1, begins with; 0: more bytes are needed; -1: it is none. */
static int
character(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80,
		      high = 0xbf; /* bounds of the second byte: no overlong forms, surrogates, or > U+10FFFF */
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return -1;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++) {
		if (i == n)
			return 0;
		if (p[i] < low || p[i] > high)
			return -1;
		low = 0x80;
		high = 0xbf;
	}
	return (int)len;
}

/* How many bytes of p[n] are whole characters other than NUL. */
static size_t
good_prefix(const unsigned char *p, size_t n)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	size_t i = 0;

	while (i < n) {
		uint64_t word;
		int len;

		while (n - i >= sizeof word) { /* eight bytes in 0x01..0x7f: a borrow can only come from a zero */
			memcpy(&word, p + i, sizeof word);
			if ((word | (word - ones)) & tops)
				break;
			i += sizeof word;
		}
		if (i == n || !p[i])
			break;
		len = character(p + i, n - i);
		if (len <= 0)
			break;
		i += (size_t)len;
	}
	return i;
}

/* What precedes a bad byte is parsed first, so that an error in it comes first whatever the cut. */
static enum status
text(struct csv *c, const unsigned char *p, size_t n)
{
	while (c->n_part && n) {
		int len;

		c->part[c->n_part++] = *p++;
		n--;
		len = character(c->part, c->n_part);
		if (len < 0)
			fail_utf8(c, c->part, c->n_part);
		else if (len > 0) {
			lines(c, c->part, (size_t)len);
			c->n_part = 0;
		}
		if (c->err.status)
			return c->err.status;
	}
	while (n) {
		size_t block = n < BLOCK ? n : BLOCK, good = good_prefix(p, block);

		if (lines(c, p, good))
			return c->err.status;
		p += good;
		n -= good;
		if (good == block || !n)
			continue;
		if (!p[0]) {
			fail_nul(c);
			return c->err.status;
		}
		switch (character(p, n)) { /* may be whole beyond the block's end */
		case -1:
			fail_utf8(c, p, n);
			return c->err.status;
		case 0:
			memcpy(c->part, p, n);
			c->n_part = n;
			n = 0;
		}
	}
	return OK;
}

/* Something known that is no UTF-8 text, by its first bytes; NULL: nothing known. */
static const char *
foreign_encoding(const unsigned char *h, size_t n)
{
	if (n >= 4 && h[0] == 0xff && h[1] == 0xfe && !h[2] && !h[3])
		return "UTF-32LE";
	if (n >= 4 && !h[0] && !h[1] && h[2] == 0xfe && h[3] == 0xff)
		return "UTF-32BE";
	if (n >= 2 && h[0] == 0xff && h[1] == 0xfe)
		return "UTF-16LE";
	if (n >= 2 && h[0] == 0xfe && h[1] == 0xff)
		return "UTF-16BE";
	/* Without a mark: the zero bytes of plain letters. */
	if (n >= 4 && h[0] && !h[1] && !h[2] && !h[3])
		return "UTF-32LE";
	if (n >= 4 && !h[0] && !h[1] && !h[2] && h[3])
		return "UTF-32BE";
	if (n >= 4 && h[0] && !h[1] && h[2] && !h[3])
		return "UTF-16LE";
	if (n >= 4 && !h[0] && h[1] && !h[2] && h[3])
		return "UTF-16BE";
	return NULL;
}

static const char *
foreign_format(const unsigned char *h, size_t n)
{
	if (n >= 2 && h[0] == 0x1f && h[1] == 0x8b)
		return "compressed with gzip; decompress it";
	if (n >= 4 && h[0] == 0x28 && h[1] == 0xb5 && h[2] == 0x2f && h[3] == 0xfd)
		return "compressed with zstd; decompress it";
	if (n >= 4 && !memcmp(h, "PK\3\4", 4))
		return "a spreadsheet workbook or a zip archive; export the table as CSV";
	if (n >= 4 && !memcmp(h, "\xd0\xcf\x11\xe0", 4))
		return "an old spreadsheet workbook; export the table as CSV";
	if (n >= 4 && !memcmp(h, "PAR1", 4))
		return "a Parquet file; export the table as CSV";
	return NULL;
}

/* The first four bytes, or all there are, lie in head. */
static enum status
begin(struct csv *c)
{
	const char *what = foreign_encoding(c->head, c->n_head);
	size_t skip = 0;

	c->begun = true;
	if (what) {
		err_set(&c->err, ERR_UNSUPPORTED, "unsupported_encoding",
			"the file is in %s; only UTF-8 is read: save it as UTF-8", what);
		at(c, 1, NULL);
		return c->err.status;
	}
	what = foreign_format(c->head, c->n_head);
	if (what)
		return err_set(&c->err, ERR_UNSUPPORTED, "unsupported_format", "the file is not CSV text but %s", what);
	if (c->n_head >= 3 && !memcmp(c->head, "\xef\xbb\xbf", 3))
		c->offset = skip = 3;
	return text(c, c->head + skip, c->n_head - skip);
}

/* ---- the reader -------------------------------------------------------------------------------------------------- */

/* A space is a byte of its cell like any other. */
static int
is_space(unsigned char byte)
{
	(void)byte;
	return 0;
}

enum status
csv_new(const struct csv_handler *handler, const struct csv_limits *limits, struct csv **out, struct err *e)
{
	struct csv *c = calloc(1, sizeof *c);

	if (!c)
		return err_nomem(e);
	c->handler = *handler;
	if (limits)
		c->limits = *limits;
	if (!c->limits.max_columns)
		c->limits.max_columns = CSV_MAX_COLUMNS;
	if (!c->limits.max_cell)
		c->limits.max_cell = CSV_MAX_CELL;
	if (!c->limits.max_record)
		c->limits.max_record = CSV_MAX_RECORD;
	c->line = 1;
	csv_init(&c->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL | CSV_EMPTY_IS_NULL);
	csv_set_space_func(&c->parser, is_space);
	csv_set_blk_size(&c->parser, CELL_BLOCK);
	csv_set_dialect(c, ',', '"');
	*out = c;
	return OK;
}

void
csv_set_dialect(struct csv *c, char delimiter, char quote)
{
	assert(!c->begun && delimiter && delimiter != quote);
	c->delimiter = delimiter;
	c->quote = quote;
	csv_set_delim(&c->parser, (unsigned char)delimiter);
	csv_set_quote(&c->parser, (unsigned char)quote); /* NUL, which no text has: nothing quotes */
}

static enum status
outcome(const struct csv *c, struct err *e)
{
	if (c->err.status)
		*e = c->err;
	return c->err.status;
}

enum status
csv_feed(struct csv *c, const void *bytes, size_t n, struct err *e)
{
	const unsigned char *p = bytes;

	while (!c->begun && n) {
		c->head[c->n_head++] = *p++;
		n--;
		if (c->n_head == sizeof c->head)
			begin(c);
	}
	if (n && !c->err.status)
		text(c, p, n);
	return outcome(c, e);
}

enum status
csv_finish(struct csv *c, struct err *e)
{
	char name[96];

	if (c->err.status || c->finished)
		return outcome(c, e);
	c->finished = true;
	if (!c->begun && begin(c))
		return outcome(c, e);
	if (c->n_part) {
		fail_utf8(c, c->part, c->n_part);
		return outcome(c, e);
	}
	if (csv_fini(&c->parser, on_cell, on_row, c) && !c->err.status) {
		err_set(&c->err, ERR_DATA, "unterminated_quote",
			"line %llu, %s: the quote that opens here is never closed", (unsigned long long)c->cell_line,
			shown(c, c->n, name));
		at(c, c->cell_line, column_name(c, c->n));
	}
	if (!c->n_columns && !c->err.status)
		err_set(&c->err, ERR_DATA, "empty_file",
			"the file is empty; a header line and at least one row are needed");
	return outcome(c, e);
}

void
csv_reader_free(struct csv *c)
{
	if (!c)
		return;
	csv_free(&c->parser);
	dictionary_release(&c->names);
	free(c->record);
	free(c->cell);
	free(c);
}

void
csv_put_cell(struct buf *out, const char *cell, size_t len)
{
	const char *end = cell + len, *quote;

	if (!memchr(cell, ',', len) && !memchr(cell, '"', len) && !memchr(cell, '\n', len) &&
		!memchr(cell, '\r', len)) {
		buf_put(out, cell, len);
		return;
	}
	buf_put(out, "\"", 1);
	while ((quote = memchr(cell, '"', (size_t)(end - cell)))) {
		buf_put(out, cell, (size_t)(quote + 1 - cell));
		buf_put(out, "\"", 1);
		cell = quote + 1;
	}
	buf_put(out, cell, (size_t)(end - cell));
	buf_put(out, "\"", 1);
}
