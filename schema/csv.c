/*
 * csv: see csv.h.
 *
 * Bytes pass through five steps, each a function: begin (what kind of file is this, and does it name its delimiter),
 * text (whole UTF-8 characters only), lines (rows are held until they are whole), csv_plain_rows, and for what those
 * leave line and parse (libcsv, a physical line at a time, so that the line number is always that of the byte being
 * parsed; its callbacks gather cells into a record). libcsv takes any width of row, trims spaces and would let an
 * unterminated quote fill the memory: hence the checks after each piece and in the callbacks. The callbacks return
 * void, so an error is kept in the reader; whoever sets it is the first in the order of the bytes, which is what makes
 * the outcome independent of how they were cut.
 *
 * Nearly all rows need no state machine: csv_plain.c takes those. The first that it leaves, and so every error, is
 * libcsv's to judge, and the next row is tried again.
 */
#include "schema/csv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/buf.h"
#include "schema/csv_private.h"
#include "schema/magic.h"
#include "schema/unnamed.h"
#include "schema/utf8.h"

enum { HELD = 1 << 17 };       /* bytes of text held back at most */
enum { BLOCK = 1 << 16 };      /* bytes checked and parsed at a time: what a cell can overshoot its limit by */
enum { CELL_BLOCK = 1 << 14 }; /* by how much libcsv's buffer of one cell grows */

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static const char *
column_name(const struct csv *c, size_t i)
{
	return i < c->n_columns ? c->names.text[i] : NULL;
}

/* Name of column i for a message, quoted: "column \"age\"", or "column 3" in the header. */
static const char *
shown(const struct csv *c, size_t i, char out[96])
{
	const char *name = column_name(c, i);

	if (name)
		snprintf(out, 96, "column \"%.*s\"", text_shown(name), name);
	else
		snprintf(out, 96, "column %zu", i + 1);
	return out;
}

static void
fail_nomem(struct csv *c)
{
	err_nomem(&c->err);
	text_err_at(&c->err, c->record_line, NULL);
}

size_t
csv_cell_limit(const struct csv *c)
{
	size_t room = c->limits.max_record > c->n_bytes ? c->limits.max_record - c->n_bytes - 1 : 0;

	return room < c->limits.max_cell ? room : c->limits.max_cell;
}

/* The cell at hand is over csv_cell_limit. */
static void
fail_too_large(struct csv *c)
{
	char name[96];

	if (csv_cell_limit(c) == c->limits.max_cell) {
		err_set(&c->err, ERR_TOO_LARGE, "cell_too_large",
			"the cell in %s that begins on line %llu is longer than %zu bytes; is a quote missing there?",
			shown(c, c->n, name), (unsigned long long)c->cell_line, c->limits.max_cell);
		text_err_at(&c->err, c->cell_line, column_name(c, c->n));
	} else {
		err_set(&c->err, ERR_TOO_LARGE, "record_too_large",
			"the row that begins on line %llu is longer than %zu bytes; is a quote missing there?",
			(unsigned long long)c->record_line, c->limits.max_record);
		text_err_at(&c->err, c->record_line, NULL);
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
			"written twice",
			(unsigned long long)c->line, shown(c, c->n, name), since);
	else
		err_set(&c->err, ERR_DATA, "stray_quote",
			"line %llu, %s: a quote in the middle of an unquoted cell; put the whole cell in quotes and "
			"write the quotes inside it twice",
			(unsigned long long)c->line, shown(c, c->n, name));
	text_err_at(&c->err, c->line, column_name(c, c->n));
}

static void
fail_nul(struct csv *c)
{
	err_set(&c->err, ERR_DATA, "nul_byte",
		"line %llu: a NUL byte, at byte %llu of the file; the file is damaged, or not UTF-8 text",
		(unsigned long long)c->line, (unsigned long long)c->offset + 1);
	text_err_at(&c->err, c->line, NULL);
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
	text_err_at(&c->err, c->line, NULL);
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

bool
csv_grow_record(struct csv *c, size_t more)
{
	size_t cap = c->record_cap ? c->record_cap : 4096;
	char *record;

	while (cap - c->n_bytes < more)
		cap *= 2;
	record = realloc(c->record ? c->record - CSV_MARGIN : NULL, CSV_MARGIN + cap);
	if (!record) {
		fail_nomem(c);
		return false;
	}
	if (!c->record)
		memset(record, 0, CSV_MARGIN);
	record += CSV_MARGIN;
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
	if (len > csv_cell_limit(c)) {
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
		text_err_at(&c->err, c->record_line, NULL);
		return;
	}
	if (c->n == c->cell_cap && !grow_cells(c))
		return;
	if (c->record_cap - c->n_bytes <= len && !csv_grow_record(c, len + 1))
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

static void
fail_no_names(struct csv *c)
{
	err_set(&c->err, ERR_DATA, "empty_column_name", "line %llu: %s: does the header stand further down?",
		(unsigned long long)c->record_line,
		c->n == 1 ? "the one column of the header has no name"
			  : "none of the columns of the header has a name");
	text_err_at(&c->err, c->record_line, NULL);
}

/* Column i has the name of one before it. */
static void
fail_duplicate(struct csv *c, size_t i, const char *name, uint32_t code)
{
	double v;

	err_set(&c->err, ERR_DATA, "duplicate_column",
		"line %llu: the column name \"%.*s\" stands twice in the header, as column %u and column %zu%s",
		(unsigned long long)c->record_line, text_shown(name), name, code + 1, i + 1,
		number_parse(name, strlen(name), &v) ? "; is the header line missing?" : "");
	text_err_at(&c->err, c->record_line, name);
}

static void
take_header(struct csv *c)
{
	const size_t n = c->n;
	const char **name = calloc(n, sizeof *name);
	struct dictionary given = {0};
	size_t n_named = 0;
	uint32_t code;

	if (!name) {
		fail_nomem(c);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		name[i] = c->cell[i].text;
		n_named += !unnamed_is(name[i]);
	}
	if (!n_named)
		fail_no_names(c);
	else if (n_named < n)
		unnamed_fill(name, n, &given, &c->err);
	for (size_t i = 0; i < n && !c->err.status; i++)
		if (!dictionary_add(&c->names, name[i], strlen(name[i]), &code, &c->err) && code < i)
			fail_duplicate(c, i, name[i], code);
	for (size_t i = 0; i < n && !c->err.status; i++) {
		c->cell[i].text = c->names.text[i];
		c->cell[i].len = c->names.len[i];
	}
	free(name);
	dictionary_release(&given);
	if (c->err.status)
		return;
	c->n_columns = n;
	c->handler.header(c->handler.ctx, c->cell, n, &c->err);
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
	text_err_at(&c->err, c->record_line, c->n < c->n_columns ? c->names.text[c->n] : NULL);
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
	/* Of the cell still open; one byte may be its closing quote. */
	if (c->parser.entry_pos > csv_cell_limit(c) + 1) {
		fail_too_large(c);
	} else if (done < n) {
		if (csv_error(&c->parser) == CSV_EPARSE)
			fail_stray_quote(c);
		else
			fail_nomem(c);
	}
	return c->err.status;
}

/* The first physical line of p[n], or as much of it as there is, through libcsv. Returns its bytes. */
static size_t
line(struct csv *c, const unsigned char *p, size_t n)
{
	const unsigned char *stop = memchr(p, '\n', n), *cr;
	bool ends = stop != NULL, crlf;

	stop = stop ? stop + 1 : p + n;
	cr = memchr(p, '\r', (size_t)(stop - p));
	crlf = cr && ends && cr + 2 == stop;
	if (cr && !crlf) { /* alone, or the last byte for now */
		stop = cr + 1;
		ends = true;
	}
	if (c->after_cr && *p == '\n')
		ends = false; /* the line was counted at its CR */
	if (!c->in_record) {
		c->in_record = true;
		c->record_line = c->cell_line = c->line;
	}
	if (!parse(c, p, (size_t)(stop - p))) {
		c->after_cr = stop[-1] == '\r';
		c->line += ends;
		c->offset += (uint64_t)(stop - p);
	}
	return (size_t)(stop - p);
}

/* Between two records, where a row may be plain? */
static bool
at_record(const struct csv *c)
{
	return !c->in_record && !c->after_cr && !c->libcsv_alone;
}

/* Takes what is held: whole rows, and with `all` the beginning of the next one as well. */
static enum status
settle(struct csv *c, bool all)
{
	unsigned char *text;
	size_t at = 0, n = c->n_held;

	if (!n)
		return c->err.status;
	text = c->held + CSV_MARGIN;
	while (at < n && !c->err.status) {
		if (at_record(c)) {
			at += csv_plain_rows(c, text + at, n - at);
			if (at == n || c->err.status || (!all && !memchr(text + at, '\n', n - at)))
				break;
		}
		at += line(c, text + at, n - at);
	}
	memmove(text, text + at, n - at);
	c->n_held = n - at;
	return c->err.status;
}

static bool
grow_held(struct csv *c, size_t n)
{
	size_t cap = c->held_cap ? c->held_cap : 4096;
	unsigned char *held;

	while (cap < n)
		cap *= 2;
	held = realloc(c->held, CSV_MARGIN + cap + 64);
	if (!held) {
		fail_nomem(c);
		return false;
	}
	if (!c->held)
		memset(held, 0, CSV_MARGIN);
	memset(held + CSV_MARGIN + c->held_cap, 0, cap - c->held_cap + 64); /* the scan looks beyond the end */
	c->held = held;
	c->held_cap = cap;
	return true;
}

/* Rows are taken whole: the beginning of one is held until the rest comes, or until it is long. */
static enum status
lines(struct csv *c, const unsigned char *p, size_t n)
{
	while (n && !c->err.status) {
		size_t take = n;
		bool ends;

		if (!at_record(c)) { /* nothing is held then */
			take = line(c, p, n);
			p += take;
			n -= take;
			continue;
		}
		if (take > HELD - c->n_held)
			take = HELD - c->n_held;
		if (c->n_held + take > c->held_cap && !grow_held(c, c->n_held + take))
			break;
		memcpy(c->held + CSV_MARGIN + c->n_held, p, take);
		ends = memchr(p, '\n', take) != NULL;
		c->n_held += take;
		p += take;
		n -= take;
		if (ends || c->n_held == HELD)
			settle(c, c->n_held == HELD && !ends);
	}
	return c->err.status;
}

/* What precedes a bad byte is parsed first, so that an error in it comes first whatever the cut. */
static enum status
text(struct csv *c, const unsigned char *p, size_t n)
{
	while (c->n_part && n) {
		int len;

		c->part[c->n_part++] = *p++;
		n--;
		len = utf8_character(c->part, c->n_part);
		if (len < 0 && !settle(c, true))
			fail_utf8(c, c->part, c->n_part);
		else if (len > 0) {
			lines(c, c->part, (size_t)len);
			c->n_part = 0;
		}
		if (c->err.status)
			return c->err.status;
	}
	while (n) {
		size_t block = n < BLOCK ? n : BLOCK, good = utf8_prefix(p, block);

		if (lines(c, p, good))
			return c->err.status;
		p += good;
		n -= good;
		if (good == block || !n)
			continue;
		if (!p[0]) {
			if (!settle(c, true))
				fail_nul(c);
			return c->err.status;
		}
		switch (utf8_character(p, n)) { /* may be whole beyond the block's end */
		case -1:
			if (!settle(c, true))
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

static void
set_delimiter(struct csv *c, char delimiter)
{
	c->delimiter = delimiter;
	csv_set_delim(&c->parser, (unsigned char)delimiter);
}

/* Bytes of a first line like "sep=;", with which workbooks are told what stands between the cells, in p[n]: it is what
 * is said there. 0: there is no such line. */
static size_t
separator_line(struct csv *c, const unsigned char *p, size_t n)
{
	static const char word[] = "sep=";
	size_t end = sizeof word; /* behind the character */

	if (n <= end || strncasecmp((const char *)p, word, end - 1) != 0 || !strchr(",;\t| ", p[end - 1]) ||
		!p[end - 1] || p[end - 1] == (unsigned char)c->quote)
		return 0;
	if (p[end] == '\r')
		end++;
	if (end < n && p[end] == '\n')
		end++;
	if (end == sizeof word) /* the line goes on */
		return 0;
	set_delimiter(c, (char)p[sizeof word - 1]);
	return end;
}

/* The first bytes, or all there are, lie in head. */
static enum status
begin(struct csv *c)
{
	const char *what = magic_encoding(c->head, c->n_head);
	size_t skip = 0, line;

	c->begun = true;
	if (what) {
		err_set(&c->err, ERR_UNSUPPORTED, "unsupported_encoding",
			"the file is in %s; only UTF-8 is read: save it as UTF-8", what);
		text_err_at(&c->err, 1, NULL);
		return c->err.status;
	}
	what = magic_format(c->head, c->n_head);
	if (what)
		return err_set(&c->err, ERR_UNSUPPORTED, "unsupported_format", "the file is not CSV text but %s", what);
	if (c->n_head >= 3 && !memcmp(c->head, "\xef\xbb\xbf", 3))
		c->offset = skip = 3;
	if ((line = separator_line(c, c->head + skip, c->n_head - skip))) {
		c->line++;
		c->offset += line;
		skip += line;
	}
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
	set_delimiter(c, delimiter);
	c->quote = quote;
	csv_set_quote(&c->parser, (unsigned char)quote); /* NUL, which no text has: nothing quotes */
}

char
csv_delimiter(const struct csv *c)
{
	return c->delimiter;
}

void
csv_use_libcsv_alone(struct csv *c)
{
	assert(!c->begun);
	c->libcsv_alone = true;
}

static enum status
outcome(const struct csv *c, struct err *e)
{
	if (c->err.status)
		*e = c->err;
	return c->err.status;
}

/* Four bytes tell the encoding; more are waited for where they begin as a line that names the delimiter does. */
static bool
head_is_whole(const struct csv *c)
{
	size_t skip = c->n_head >= 3 && !memcmp(c->head, "\xef\xbb\xbf", 3) ? 3 : 0, n = c->n_head - skip;

	return c->n_head == sizeof c->head ||
	       (c->n_head >= 4 && strncasecmp((const char *)c->head + skip, "sep=", n < 4 ? n : 4) != 0);
}

enum status
csv_feed(struct csv *c, const void *bytes, size_t n, struct err *e)
{
	const unsigned char *p = bytes;

	while (!c->begun && n) {
		c->head[c->n_head++] = *p++;
		n--;
		if (head_is_whole(c))
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
	if (settle(c, true))
		return outcome(c, e);
	if (c->n_part) {
		fail_utf8(c, c->part, c->n_part);
		return outcome(c, e);
	}
	if (csv_fini(&c->parser, on_cell, on_row, c) && !c->err.status) {
		err_set(&c->err, ERR_DATA, "unterminated_quote",
			"line %llu, %s: the quote that opens here is never closed", (unsigned long long)c->cell_line,
			shown(c, c->n, name));
		text_err_at(&c->err, c->cell_line, column_name(c, c->n));
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
	if (c->record)
		free(c->record - CSV_MARGIN);
	free(c->held);
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
