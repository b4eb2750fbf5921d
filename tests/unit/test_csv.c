/* csv: records, line numbers, every refusal, and the same outcome however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/buf.h"
#include "schema/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- everything a reader says about some bytes, as one text ------------------------------------------------------ */

static void
put_cells(struct buf *out, const struct csv_cell *cell, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(strlen(cell[i].text), cell[i].len);
		if (i)
			assert_ptr_equal(cell[i].text, cell[i - 1].text + cell[i - 1].len + 1);
		buf_printf(out, "[%s]", cell[i].text);
	}
	buf_puts(out, "\n");
}

static enum status
on_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	(void)e;
	buf_puts(ctx, "header ");
	put_cells(ctx, cell, n);
	return OK;
}

static enum status
on_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	buf_printf(ctx, "%llu ", (unsigned long long)line);
	put_cells(ctx, cell, n);
	if (!strcmp(cell[0].text, "stop"))
		return err_set(e, ERR_CANCELLED, "stopped", "a row said stop");
	return OK;
}

struct dialect {
	char delimiter, quote;
};
static const struct dialect usual = {',', '"'};

/* Pieces of `piece` bytes; 0: of random sizes up to 7. */
static char *
reading_of(const char *bytes, size_t n, size_t piece, const struct csv_limits *limits, struct dialect dialect,
	bool libcsv_alone)
{
	struct buf out = {0};
	struct csv_handler handler = {.header = on_header, .row = on_row, .ctx = &out};
	struct csv *c;
	struct err e = {0}, again = {0};
	enum status status = OK;
	unsigned random = 12345;

	assert_int_equal(csv_new(&handler, limits, &c, &e), OK);
	csv_set_dialect(c, dialect.delimiter, dialect.quote);
	if (libcsv_alone)
		csv_use_libcsv_alone(c);
	for (size_t at = 0; at < n && !status;) {
		size_t take = piece;
		char *copy;

		if (!piece) {
			random = random * 1103515245u + 12345u;
			take = 1 + (random >> 16) % 7;
		}
		take = take < n - at ? take : n - at;
		copy = malloc(take); /* of its own size, so that a sanitizer sees a read past its end */
		assert_non_null(copy);
		memcpy(copy, bytes + at, take);
		status = csv_feed(c, copy, take, &e);
		free(copy);
		at += take;
	}
	if (!status)
		status = csv_finish(c, &e);
	if (status) {
		buf_printf(&out, "%s line %llu column '%s': %s\n", e.code, (unsigned long long)e.line, e.column, e.msg);
		assert_int_equal(csv_feed(c, "x", 1, &again), status); /* sticky */
		assert_int_equal(csv_finish(c, &again), status);
		assert_string_equal(again.msg, e.msg);
	}
	csv_reader_free(c);
	buf_put_u8(&out, 0);
	assert_false(out.failed);
	return (char *)out.data;
}

static char *
reading(const char *bytes, size_t n, size_t piece, const struct csv_limits *limits)
{
	return reading_of(bytes, n, piece, limits, usual, false);
}

/* The bytes' reading must begin with `expected`, however they are cut, and be libcsv's. */
static void
check_bytes(const char *bytes, size_t n, const struct csv_limits *limits, const char *expected)
{
	char *whole = reading(bytes, n, n ? n : 1, limits);
	char *libcsv = reading_of(bytes, n, n ? n : 1, limits, usual, true);
	size_t pieces[] = {1, 2, 3, 5, 0};

	if (strncmp(whole, expected, strlen(expected)) != 0)
		fail_msg("read:\n%sexpected:\n%s", whole, expected);
	if (strcmp(libcsv, whole) != 0)
		fail_msg("read:\n%sby libcsv:\n%s", whole, libcsv);
	free(libcsv);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		char *cut = reading(bytes, n, pieces[i], limits);

		if (strcmp(cut, whole) != 0)
			fail_msg("in pieces of %zu:\n%sin one:\n%s", pieces[i], cut, whole);
		free(cut);
	}
	free(whole);
}

static void
check(const char *text, const char *expected)
{
	check_bytes(text, strlen(text), NULL, expected);
}

#define CHECK_BYTES(literal, expected) check_bytes(literal, sizeof(literal) - 1, NULL, expected)

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static void
records_are_read_with_any_line_ending(void **state)
{
	(void)state;
	check("a,b\n1,2\n3,4\n", "header [a][b]\n2 [1][2]\n3 [3][4]\n");
	check("a,b\r\n1,2\r\n3,4\r\n", "header [a][b]\n2 [1][2]\n3 [3][4]\n");
	check("a,b\r1,2\r3,4\r", "header [a][b]\n2 [1][2]\n3 [3][4]\n");
	check("a,b\r1,2\n3,4\r\n5,6", "header [a][b]\n2 [1][2]\n3 [3][4]\n4 [5][6]\n");
	check("a,b\n1,2", "header [a][b]\n2 [1][2]\n");
	check("a,b\n1,", "header [a][b]\n2 [1][]\n");
	check("a,b\n,\n", "header [a][b]\n2 [][]\n");
}

static void
quoted_cells_hold_commas_quotes_and_newlines(void **state)
{
	(void)state;
	check("\"a\",b\n\"x,y\",\"say \"\"hi\"\"\"\n", "header [a][b]\n2 [x,y][say \"hi\"]\n");
	check("a,b\n\"1\r\n2\n\n3\",x\r\n4,5\n", "header [a][b]\n2 [1\r\n2\n\n3][x]\n6 [4][5]\n");
	check("a,b\n\"\",\"\"\n\"\"\"\",2\n", "header [a][b]\n2 [][]\n3 [\"][2]\n");
	check("a,b\n1,\"2\"", "header [a][b]\n2 [1][2]\n");
}

static void
cells_keep_their_spaces(void **state)
{
	(void)state;
	check("a, b \n 1 ,\t2\n  ,\" 3 \"\n", "header [a][ b ]\n2 [ 1 ][\t2]\n3 [  ][ 3 ]\n");
}

static void
blank_lines_are_skipped_and_counted(void **state)
{
	(void)state;
	check("\n\r\na,b\n\n1,2\r\n\r\n\r\n3,4\n\n", "header [a][b]\n5 [1][2]\n8 [3][4]\n");
}

static void
in_one_column_an_empty_line_is_an_empty_cell(void **state)
{
	(void)state;
	check("\na\n1\n\n2\r\n\r\n3", "header [a]\n3 [1]\n4 []\n5 [2]\n6 []\n7 [3]\n");
	check("a\n\"\"\n", "header [a]\n2 []\n");
}

static void
a_utf8_mark_is_skipped_even_before_a_quote(void **state)
{
	(void)state;
	check("\xef\xbb\xbf\"a\",b\n1,2\n", "header [a][b]\n2 [1][2]\n");
	check("\xef\xbb\xbf", "empty_file ");
	check("\xef\xbb\xbf"
	      "a",
		"header [a]\n");
}

static void
every_length_of_character_is_read(void **state)
{
	(void)state;
	check("\u00e4,\u20ac\n\U0001F600,\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fcx\n",
		"header [\u00e4][\u20ac]\n2 [\U0001F600][\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fcx]\n");
	check("a\n\x7f\n\xed\x9f\xbf\n\xee\x80\x80\n\xf4\x8f\xbf\xbf\n",
		"header [a]\n2 [\x7f]\n3 [\xed\x9f\xbf]\n4 [\xee\x80\x80]\n5 [\xf4\x8f\xbf\xbf]\n");
}

static void
a_wide_and_long_table_is_read_whole(void **state)
{
	struct buf in = {0}, expected = {0};

	(void)state;
	for (int row = 0; row < 40; row++) {
		if (row)
			buf_printf(&expected, "%d ", row + 1);
		else
			buf_puts(&expected, "header ");
		for (int i = 0; i < 600; i++) {
			buf_printf(&in, "%sc%d_%d", i ? "," : "", row, i);
			buf_printf(&expected, "[c%d_%d]", row, i);
		}
		buf_puts(&in, "\n");
		buf_puts(&expected, "\n");
	}
	buf_put_u8(&expected, 0);
	check_bytes((const char *)in.data, in.len, NULL, (const char *)expected.data);
	buf_release(&in);
	buf_release(&expected);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void
a_ragged_row_names_its_line(void **state)
{
	(void)state;
	check("a,b,c\n1,2,3\n1,2\n", "header [a][b][c]\n2 [1][2][3]\nragged_row line 3 column 'c': line 3: the row has "
				     "2 cells, the header has 3 "
				     "columns\n");
	check("a,b\n\n1,2,3,4\n",
		"header [a][b]\nragged_row line 3 column '': line 3: the row has 4 cells, the header has 2 columns\n");
	check("a,b\n1\n", "header [a][b]\nragged_row line 2 column 'b': line 2: the row has 1 cell, ");
}

static void
a_ragged_row_of_several_lines_asks_for_a_closing_quote(void **state)
{
	(void)state;
	check("a,b\n\"1,2\n3,4\n5\",6,7\n", "header [a][b]\nragged_row line 2 column '': line 2: the row has 3 cells, "
					    "the header has 2 columns; the row "
					    "goes on to line 4: is a closing quote missing?\n");
}

static void
another_delimiter_is_named(void **state)
{
	(void)state;
	check("a;b\n1,5;2\n",
		"header [a;b]\nragged_row line 2 column '': line 2: the row has 2 cells, the header has 1 column; the "
		"delimiter seems to be ';', but a comma is expected\n");
	check("a\tb\n1,5\t2\n",
		"header [a\tb]\nragged_row line 2 column '': line 2: the row has 2 cells, the header has 1 "
		"column; the delimiter seems to be tab, but a comma is expected\n");
}

static void
duplicate_names_and_none_at_all_are_refused(void **state)
{
	(void)state;
	check("a,b,a\n1,2,3\n",
		"duplicate_column line 1 column 'a': line 1: the column name \"a\" stands twice in the header, "
		"as column 1 and column 3\n");
	check("\n1,2,1\n",
		"duplicate_column line 2 column '1': line 2: the column name \"1\" stands twice in the header, as "
		"column 1 and column 3; is the header line missing?\n");
	check(",,\n,a,b\n", "empty_column_name line 1 column '': line 1: none of the columns of the header has a name");
	check("\" \"\n1\n", "empty_column_name line 1 column '': line 1: the one column of the header has no name");
}

static void
columns_without_a_name_are_given_one(void **state)
{
	(void)state;
	check(",b,\"\", \t\n1,2,3,4\n", "header [Unnamed: 0][b][Unnamed: 1][Unnamed: 2]\n2 [1][2][3][4]\n");
	check("a,\n1,\n", "header [a][Unnamed: 0]\n2 [1][]\n");
	/* names that are there are not given a second time */
	check(",b,Unnamed: 0,,Unnamed: 2\n", "header [Unnamed: 1][b][Unnamed: 0][Unnamed: 3][Unnamed: 2]\n");
}

static void
a_first_line_may_name_the_delimiter(void **state)
{
	(void)state;
	check("sep=;\na;b\n1,5;2\n", "header [a][b]\n3 [1,5][2]\n");
	check("\xef\xbb\xbfSEP=\t\r\na\tb\r\n1\t2\r\n", "header [a][b]\n3 [1][2]\n");
	check("sep=,\n\na,b\n1\n", "header [a][b]\nragged_row line 4 column 'b'");
	check("sep=;", "header [sep=;]\n");
	check("sep=;;\n1;2\n", "header [sep=;;]\n");
	check("sep=x\n1\n", "header [sep=x]\n2 [1]\n");
	check("sep=\n1\n", "header [sep=]\n2 [1]\n");
	check("a\nsep=;\n", "header [a]\n2 [sep=;]\n");
}

static void
misplaced_quotes_are_refused(void **state)
{
	(void)state;
	check("a,b\n1,x\"y\n",
		"header [a][b]\nstray_quote line 2 column 'b': line 2, column \"b\": a quote in the middle");
	check("a,b\n1, \"y\"\n", "header [a][b]\nstray_quote line 2 column 'b'");
	check("a,b\n\"x\"y,1\n",
		"header [a][b]\nstray_quote line 2 column 'a': line 2, column \"a\": text follows the closing "
		"quote of the cell; a quote inside");
	check("a,b\n1,\"2\n\n3\"x\n",
		"header [a][b]\nstray_quote line 4 column 'b': line 4, column \"b\": text follows the "
		"closing quote of the cell, whose quote opens on line 2;");
	check("a,b\n1,\"2\n3,4\n",
		"header [a][b]\nunterminated_quote line 2 column 'b': line 2, column \"b\": the quote that "
		"opens here is never closed\n");
	check("\"a,b\n1,2\n", "unterminated_quote line 1 column '': line 1, column 1: ");
}

static void
other_encodings_are_refused_by_name(void **state)
{
	(void)state;
	CHECK_BYTES("\xff\xfe"
		    "a\0,\0",
		"unsupported_encoding line 1 column '': the file is in UTF-16LE;");
	CHECK_BYTES("\xfe\xff"
		    "\0a\0,",
		"unsupported_encoding line 1 column '': the file is in UTF-16BE;");
	CHECK_BYTES("\xff\xfe\0\0a\0\0\0", "unsupported_encoding line 1 column '': the file is in UTF-32LE;");
	CHECK_BYTES("\0\0\xfe\xff\0\0\0a", "unsupported_encoding line 1 column '': the file is in UTF-32BE;");
	CHECK_BYTES("a\0b\0", "unsupported_encoding line 1 column '': the file is in UTF-16LE;");
	CHECK_BYTES("\0a\0b", "unsupported_encoding line 1 column '': the file is in UTF-16BE;");
	CHECK_BYTES("a\0\0\0,\0\0\0", "unsupported_encoding line 1 column '': the file is in UTF-32LE;");
	CHECK_BYTES("\0\0\0a\0\0\0,", "unsupported_encoding line 1 column '': the file is in UTF-32BE;");
	CHECK_BYTES("\xff\xfe", "unsupported_encoding line 1 column '': the file is in UTF-16LE;");
}

static void
a_file_that_is_no_text_is_named(void **state)
{
	(void)state;
	CHECK_BYTES("\x1f\x8b\x08\0\0\0",
		"unsupported_format line 0 column '': the file is not CSV text but compressed with gzip");
	CHECK_BYTES("PK\3\4\x14\0", "unsupported_format line 0 column '': the file is not CSV text but a spreadsheet");
}

static void
a_nul_byte_is_refused_with_its_place(void **state)
{
	(void)state;
	CHECK_BYTES("a,b\n1,2\n3,\0\n",
		"header [a][b]\n2 [1][2]\nnul_byte line 3 column '': line 3: a NUL byte, at byte 11 ");
	CHECK_BYTES("a,b\n1\n\0\n", "header [a][b]\nragged_row line 2 "); /* the error that comes first in the file */
}

static void
a_byte_that_is_not_utf8_is_named_with_what_it_may_be(void **state)
{
	(void)state;
	check("a,b\n1,caf\xe9\n", "header [a][b]\ninvalid_utf8 line 2 column '': line 2: the byte 0xE9, byte 10 of the "
				  "file, is not valid UTF-8; "
				  "the file may be in Latin-1 or Windows-1252: save it as UTF-8\n");
	check("\xef\xbb\xbf"
	      "a,b\n1,\x93hi\x94\n",
		"header [a][b]\ninvalid_utf8 line 2 column '': line 2: the byte 0x93, byte 10 of "
		"the file, is not valid UTF-8; the file may be in Windows-1252");
	check("a\nx\xe2\x82",
		"header [a]\ninvalid_utf8 line 2 column '': line 2: the byte 0xE2, byte 4 of the file, is not "
		"valid UTF-8; the file is damaged");
	check("a\n\xc0\xaf\n", "header [a]\ninvalid_utf8 line 2");         /* overlong */
	check("a\n\xed\xa0\x80\n", "header [a]\ninvalid_utf8 line 2");     /* a surrogate */
	check("a\n\xf4\x90\x80\x80\n", "header [a]\ninvalid_utf8 line 2"); /* past U+10FFFF */
	check("a\n\xe0\x9f\xbf\n", "header [a]\ninvalid_utf8 line 2");
	check("a\n\xf0\x8f\xbf\xbf\n", "header [a]\ninvalid_utf8 line 2");
	check("a,b\n1,\"x\"\xff\n", "header [a][b]\ninvalid_utf8 line 2");
	check("a,b\n1,\"x\"\xc3\xa9\xff\n", "header [a][b]\nstray_quote line 2");
}

static void
a_file_without_a_header_is_empty(void **state)
{
	(void)state;
	check("", "empty_file line 0 column '': the file is empty");
	check("\n\r\n\n", "empty_file ");
}

static void
limits_are_kept(void **state)
{
	const struct csv_limits cell = {.max_cell = 4}, record = {.max_record = 10}, columns = {.max_columns = 2};
	const struct csv_limits both = {.max_cell = 8, .max_record = 10};
	const char *text;

	(void)state;
	text = "a,b\n1234,1\n1,12345\n";
	check_bytes(text, strlen(text), &cell, "header [a][b]\n2 [1234][1]\ncell_too_large line 3 column 'b': ");
	text = "a,b\n\"1234\",1\n1,\"\n\n\n\n\n\n";
	check_bytes(text, strlen(text), &cell,
		"header [a][b]\n2 [1234][1]\ncell_too_large line 3 column 'b': the cell in column "
		"\"b\" that begins on line 3 is longer than 4 bytes; is a quote missing");
	text = "a,b\n\"12345\"x,1\n";
	check_bytes(text, strlen(text), &cell, "header [a][b]\ncell_too_large line 2 column 'a': ");
	text = "a,b\n1234,1234\n1234,12345\n";
	check_bytes(text, strlen(text), &record, "header [a][b]\n2 [1234][1234]\nrecord_too_large line 3 column '': ");
	text = "a,b\n1,1234567890123456\"\n";
	check_bytes(text, strlen(text), &both, "header [a][b]\nrecord_too_large line 2 column '': ");
	text = "a,b\n123456789012345,1\n";
	check_bytes(text, strlen(text), &both, "header [a][b]\ncell_too_large line 2 column 'a': ");
	text = "a,b,c\n";
	check_bytes(text, strlen(text), &columns,
		"too_many_columns line 1 column '': the header has more than 2 columns\n");
	text = "a,b\n1,2,3\n";
	check_bytes(text, strlen(text), &columns, "header [a][b]\nragged_row line 2");
}

static void
a_long_name_is_cut_between_characters(void **state)
{
	char text[400];
	char *out;

	(void)state;
	memset(text, 'x', 59);
	strcpy(text + 59,
		"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		"\u00e4\u00e4\u00e4,b\n\"1\"2,3\n");
	out = reading(text, strlen(text), strlen(text), NULL);
	assert_non_null(strstr(out, "xxx\": text follows"));
	assert_non_null(strstr(out, "\u00e4': line 2"));
	free(out);
}

static void
an_error_of_the_handler_stops_the_stream(void **state)
{
	(void)state;
	check("a\n1\nstop\n2\n", "header [a]\n2 [1]\n3 [stop]\nstopped line 0 column '': a row said stop\n");
	check("a\nstop\n\"", "header [a]\n2 [stop]\nstopped ");
	check("a\nstop", "header [a]\n2 [stop]\nstopped ");
}

/* Rows of every small text over an alphabet of the bytes that matter. */
static void
no_cut_of_any_small_text_changes_its_reading(void **state)
{
	static const char *const alphabet[] = {"a", ",", "\"", "\n", "\r", "\xc3\xa9", "\xe9"};
	enum { LETTERS = 7, LENGTH = 5 };
	const struct csv_limits limits = {.max_cell = 2, .max_record = 6};
	size_t n_texts = 1;

	(void)state;
	for (int i = 0; i < LENGTH; i++)
		n_texts *= LETTERS;
	for (size_t code = 0; code < n_texts; code++) {
		char text[32] = "x,y\n";
		size_t rest = code;

		for (int i = 0; i < LENGTH; i++, rest /= LETTERS)
			strcat(text, alphabet[rest % LETTERS]);
		check_bytes(text, strlen(text), NULL, "header [x][y]\n");
		check_bytes(text, strlen(text), &limits, "header [x][y]\n");
		check_bytes(text + 4, strlen(text + 4), NULL, "");
	}
}

static uint64_t random_state = 88172645463325252u;

static uint64_t
random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % n;
}

/* A cell as some program may write it; rarely one that is not right. */
static void
put_random_cell(struct buf *out, struct dialect d, bool mistakes)
{
	static const char *const plain[] = {"", "1", "-2.5", "abc",
		"a long text that is longer than most, of sixty-four bytes and even more of them", "Größe", " x "};
	size_t kind = random_below(mistakes ? 40 : 38);

	if (kind < 30 || !d.quote) {
		buf_puts(out, plain[random_below(7)]);
		return;
	}
	if (kind == 39) {
		buf_printf(out, "a%cb", d.quote);
		return;
	}
	buf_put_u8(out, (uint8_t)d.quote);
	for (size_t n = random_below(6); n; n--)
		switch (random_below(6)) {
		case 0:
			buf_put_u8(out, (uint8_t)d.quote);
			buf_put_u8(out, (uint8_t)d.quote);
			break;
		case 1:
			buf_put_u8(out, (uint8_t)d.delimiter);
			break;
		case 2:
			buf_puts(out, random_below(2) ? "\n" : "\r\n");
			break;
		default:
			buf_puts(out, plain[random_below(7)]);
		}
	buf_put_u8(out, (uint8_t)d.quote);
	if (kind == 38)
		buf_puts(out, "x");
}

/* Tables long enough for every path of the reader: blocks, cells across them, rows held back. */
static void
random_tables_are_read_as_libcsv_reads_them(void **state)
{
	static const struct dialect dialects[] = {{',', '"'}, {';', '\''}, {'\t', '\0'}, {'|', '"'}};
	static const char *const ends[] = {"\n", "\r\n", "\r"};

	(void)state;
	for (size_t k = 0; k < 300; k++) {
		struct dialect d = dialects[k % 4];
		const char *end = ends[k % 7 ? 0 : random_below(3)];
		size_t n_columns = 1 + random_below(k % 5 ? 6 : 60), n_rows = random_below(k % 10 ? 60 : 3000);
		bool mistakes = !(k % 3);
		size_t pieces[] = {SIZE_MAX, 32768, 64, 0};
		struct buf in = {0};
		char *libcsv;

		for (size_t i = 0; i < n_columns; i++)
			buf_printf(&in, "%.*sc%zu", i > 0, &d.delimiter, i);
		for (size_t row = 0; row < n_rows; row++) {
			buf_puts(&in, random_below(50) ? end : ends[random_below(3)]);
			for (size_t i = 0; i < n_columns - (mistakes && !random_below(500)); i++) {
				if (i)
					buf_put_u8(&in, (uint8_t)d.delimiter);
				put_random_cell(&in, d, mistakes && !random_below(20));
			}
			if (!random_below(30))
				buf_puts(&in, end);
		}
		if (mistakes && !random_below(4)) /* a byte that is no text */
			in.data[random_below(in.len)] = random_below(2) ? 0xff : 0;
		assert_false(in.failed);
		libcsv = reading_of((char *)in.data, in.len, in.len, NULL, d, true);
		for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
			char *ours = reading_of((char *)in.data, in.len, pieces[i], NULL, d, false);

			if (strcmp(ours, libcsv) != 0) {
				size_t at = 0;

				while (ours[at] == libcsv[at])
					at++;
				fail_msg("table %zu, pieces of %zu, from byte %zu: \"%.60s\", libcsv \"%.60s\"", k,
					pieces[i], at, ours + at, libcsv + at);
			}
			free(ours);
		}
		free(libcsv);
		buf_release(&in);
	}
}

static void
a_block_boundary_inside_a_character_is_no_error(void **state)
{
	size_t n = (1 << 16) + 16;
	char *text = malloc(n + 1), *out;

	(void)state;
	assert_non_null(text);
	for (size_t shift = 1; shift <= 4; shift++) { /* the reader checks 64 KiB at a time */
		memset(text, 'x', n);
		memcpy(text, "a\n", 2);
		memcpy(text + (1 << 16) + 4 - shift, "\U0001F600", 4);
		text[n] = '\0';
		out = reading(text, n, n, NULL);
		assert_int_equal(strlen(out), strlen("header [a]\n2 []\n") + n - 2);
		free(out);
	}
	free(text);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void
cells_are_quoted_only_where_they_must_be(void **state)
{
	static const char *const cells[][2] = {{"", ""}, {"a b", "a b"}, {"a,b", "\"a,b\""}, {"\"", "\"\"\"\""},
		{"say \"hi\" ", "\"say \"\"hi\"\" \""}, {"1\n2", "\"1\n2\""}, {"1\r", "\"1\r\""}, {" x ", " x "},
		{"a;b", "a;b"}};

	(void)state;
	for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
		struct buf out = {0};

		csv_put_cell(&out, cells[i][0], strlen(cells[i][0]));
		buf_put_u8(&out, 0);
		assert_string_equal((const char *)out.data, cells[i][1]);
		buf_release(&out);
	}
}

static void
what_is_written_reads_back(void **state)
{
	static const char letters[] = "a,\"\n\r ";
	struct buf in = {0}, expected = {0};
	unsigned random = 1, line = 2;
	char *read;

	(void)state;
	buf_puts(&in, "p,q\n");
	buf_puts(&expected, "header [p][q]\n");
	for (int row = 0; row < 200; row++, line++) {
		buf_printf(&expected, "%u ", line);
		for (int i = 0; i < 2; i++) {
			char cell[8] = "";

			for (size_t k = 0; k < 6; k++) {
				random = random * 1103515245u + 12345u;
				cell[k] = letters[(random >> 16) % 6];
				line += cell[k] == '\r' || (cell[k] == '\n' && !(k && cell[k - 1] == '\r'));
			}
			csv_put_cell(&in, cell, 6);
			buf_puts(&in, i ? "\n" : ",");
			buf_printf(&expected, "[%s]", cell);
		}
		buf_puts(&expected, "\n");
	}
	buf_put_u8(&expected, 0);
	read = reading((const char *)in.data, in.len, in.len, NULL);
	assert_string_equal(read, (const char *)expected.data);
	free(read);
	buf_release(&in);
	buf_release(&expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read_with_any_line_ending),
		cmocka_unit_test(quoted_cells_hold_commas_quotes_and_newlines),
		cmocka_unit_test(cells_keep_their_spaces),
		cmocka_unit_test(blank_lines_are_skipped_and_counted),
		cmocka_unit_test(in_one_column_an_empty_line_is_an_empty_cell),
		cmocka_unit_test(a_utf8_mark_is_skipped_even_before_a_quote),
		cmocka_unit_test(every_length_of_character_is_read),
		cmocka_unit_test(a_wide_and_long_table_is_read_whole),
		cmocka_unit_test(a_ragged_row_names_its_line),
		cmocka_unit_test(a_ragged_row_of_several_lines_asks_for_a_closing_quote),
		cmocka_unit_test(another_delimiter_is_named),
		cmocka_unit_test(duplicate_names_and_none_at_all_are_refused),
		cmocka_unit_test(columns_without_a_name_are_given_one),
		cmocka_unit_test(a_first_line_may_name_the_delimiter),
		cmocka_unit_test(misplaced_quotes_are_refused),
		cmocka_unit_test(other_encodings_are_refused_by_name),
		cmocka_unit_test(a_file_that_is_no_text_is_named),
		cmocka_unit_test(a_nul_byte_is_refused_with_its_place),
		cmocka_unit_test(a_byte_that_is_not_utf8_is_named_with_what_it_may_be),
		cmocka_unit_test(a_file_without_a_header_is_empty),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(an_error_of_the_handler_stops_the_stream),
		cmocka_unit_test(no_cut_of_any_small_text_changes_its_reading),
		cmocka_unit_test(random_tables_are_read_as_libcsv_reads_them),
		cmocka_unit_test(a_block_boundary_inside_a_character_is_no_error),
		cmocka_unit_test(cells_are_quoted_only_where_they_must_be),
		cmocka_unit_test(what_is_written_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
