/* table: numbers to text and back exactly, dictionaries, typed columns, and columns as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/number_amid.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t
random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static bool
same_bits(double a, double b)
{
	return !memcmp(&a, &b, sizeof a);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* number_parse, which must not differ from its faster sister amid other text, nor with the other decimal mark. */
static bool
parse(const char *text, size_t len, double *v)
{
	static const char *const before[] = {
		"1234567890123456", "................", "-,\0001\n,\xff 9e9 .... ", "\0\0"};
	const bool is_number = number_parse(text, len, v);
	char amid[2048];
	double other;

	assert_true(NUMBER_MARGIN + len + 1 < sizeof amid);
	for (size_t k = 0; k < 4; k++) {
		memcpy(amid, before[k], k < 3 ? NUMBER_MARGIN : 2);
		memcpy(amid + NUMBER_MARGIN, text, len);
		amid[NUMBER_MARGIN + len] = '5';
		if (number_parse_amid(amid + NUMBER_MARGIN, len, '.', &other) != is_number ||
			(is_number && !same_bits(*v, other)))
			fail_msg("\"%.*s\" amid others was read otherwise", (int)len, text);
	}
	for (size_t i = 0; i < len; i++)
		amid[NUMBER_MARGIN + i] = text[i] == '.' ? ',' : text[i] == ',' ? '.' : text[i];
	if (number_parse_amid(amid + NUMBER_MARGIN, len, ',', &other) != is_number ||
		(is_number && !same_bits(*v, other)) ||
		number_parse_marked(amid + NUMBER_MARGIN, len, ',', &other) != is_number ||
		(is_number && !same_bits(*v, other)))
		fail_msg("\"%.*s\" with a decimal comma was read otherwise", (int)len, text);
	return is_number;
}

static void
check_parse(const char *text)
{
	double v = -1, expected = strtod(text, NULL);

	if (!parse(text, strlen(text), &v))
		fail_msg("\"%s\" was not read", text);
	if (!same_bits(v, expected))
		fail_msg("\"%s\" was read as %.17g, not as %.17g", text, v, expected);
}

static void
numbers_are_read_as_written(void **state)
{
	static const char *const texts[] = {"0", "-0", "+0", "1", "007", "1.50", ".5", "5.", "-.5e1", "1e5", "1E+5",
		"1e-5", " 12 ", "\t-3.25\t", "9007199254740993", "9007199254740992.5", "18446744073709551615",
		"18446744073709551616", "9999999999999999999", "99999999999999999999", "0.1", "0.30000000000000004",
		"1e22", "1e23", "-1e23", "123456789012345678e-27", "9007199254740993e27", "1e-27", "1e-28",
		"1.7976931348623157e308", "5e-324", "2e-324", "2.4703282292062327e-324", "2.4703282292062328e-324",
		"2.2250738585072011e-308", "1e-400", "0e999999999999999999999",
		"0.000000000000000000000000000000000000000000012345678901234567890123", "1e-99999999999999999999999",
		"000000000000000000000000000000000000001.25", "100000000000000000000000000000000000000000",
		"1.00000000000000011102230246251565404236316680908203124",
		"1.00000000000000011102230246251565404236316680908203125",
		"1.00000000000000011102230246251565404236316680908203126", "0.0000000000000000000000000e25"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		check_parse(texts[i]);
}

static void
what_is_no_number_is_not_read(void **state)
{
	static const char *const texts[] = {"", " ", ".", "-", "+", "e5", "1e", "1e+", "1e5x", "x", "1 2", "1,5",
		"0x10", "nan", "inf", "-inf", "infinity", "NA", "--1", "+-1", "1.2.3", "1_000", "1e1.5", "1e400",
		"-1e400", "1.8e308", "1e99999999999999999999", "\n1", "1\n", "\u0661"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		double v = 7;

		if (parse(texts[i], strlen(texts[i]), &v))
			fail_msg("\"%s\" was read as %g", texts[i], v);
		assert_true(v == 7);
	}
}

static void
a_number_ends_where_its_length_says(void **state)
{
	double v;

	(void)state;
	assert_true(parse("123456", 3, &v));
	assert_true(v == 123);
	assert_true(parse("12e5", 2, &v));
	assert_true(v == 12);
}

/* Short cells are read in a way of their own. */
static void
every_short_text_is_read_or_refused_rightly(void **state)
{
	static const char letters[] = "0159.-/:e \xb9";
	enum { N = sizeof letters - 1 };

	(void)state;
	for (size_t code = 0; code < (size_t)N * N * N * N; code++) {
		char text[16] = "", *end;
		double v = -1, expected;

		for (size_t i = 0, rest = code; i < 4; i++, rest /= N)
			text[i] = letters[rest % N];
		for (size_t len = 1; len <= 4; len++) {
			char cell[8] = "";
			bool is_number;

			memcpy(cell, text, len);
			expected = strtod(cell, &end);
			is_number = end != cell && !end[strspn(end, " ")];
			if (parse(text, len, &v) != is_number || (is_number && !same_bits(v, expected)))
				fail_msg("\"%s\" was read as %g, should be %g", cell, v, expected);
		}
	}
	for (uint32_t i = 0; i < 200000; i++) {
		char text[16];
		int n = snprintf(text, sizeof text, "%0*u", 1 + (int)(random_bits() % 8),
			(uint32_t)(random_bits() >> 32) % 100000000);
		double v = -1;

		assert_true(parse(text, (size_t)n, &v));
		assert_true(v == strtod(text, NULL));
		if (!(i % 10)) {
			text[random_bits() % (unsigned)n] = "/:x,"[i / 10 % 4];
			assert_false(parse(text, (size_t)n, &v));
		}
	}
}

/* A thousand digits that lie on, or by one far digit beside, the middle between two doubles. */
static void
very_long_numbers_are_rounded_by_their_last_digit(void **state)
{
	char text[1200];

	(void)state;
	snprintf(text, sizeof text, "%.1100f", 1.0 + DBL_EPSILON / 2 + 0.0); /* 1 exactly: a long run of zeros */
	check_parse(text);
	strcpy(text, "1.00000000000000011102230246251565404236316680908203125");
	memset(text + strlen(text), '0', 1000);
	text[1055] = '\0';
	check_parse(text);
	text[1054] = '1';
	check_parse(text);
	text[1053] = '9';
	check_parse(text);
}

static void
random_numbers_are_read_like_the_c_library_reads_them(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[64];
		uint64_t digits = random_bits() >> (random_bits() % 64);
		int exponent = (int)(random_bits() % 80) - 40, n;

		n = snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exponent);
		check_parse(text);
		if (n > 4) { /* the same digits with a point in them */
			n = snprintf(text, sizeof text, "%llu", (unsigned long long)digits);
			n = (int)(random_bits() % (unsigned)(n + 1));
			memmove(text + n + 1, text + n, strlen(text + n) + 1);
			text[n] = '.';
			check_parse(text);
		}
	}
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = random_bits();
		char text[64];
		double v;

		memcpy(&v, &bits, sizeof v);
		if (!isfinite(v))
			continue;
		snprintf(text, sizeof text, "%.*g", 14 + (int)(bits % 5), v);
		if (isfinite(strtod(text, NULL)))
			check_parse(text);
	}
}

/* Middles between neighbouring doubles, exactly: the hardest to round. */
static void
ties_are_rounded_to_even(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint64_t m = (random_bits() >> 11) | UINT64_C(1) << 52;
		char text[64];
		double low = (double)m, v;
		int k = (int)(random_bits() % 11);

		/* (m + 1/2) 2^k for k >= 1 is a whole number of up to 64 bits. */
		snprintf(text, sizeof text, "%llu",
			k ? (unsigned long long)((2 * m + 1) << (k - 1)) : (unsigned long long)m);
		check_parse(text);
		snprintf(text, sizeof text, "%llu.5", (unsigned long long)m);
		assert_true(parse(text, strlen(text), &v));
		assert_true(v == (m % 2 ? low + 1 : low));
	}
}

static void
check_format(double v)
{
	char text[32], longest[40];
	double back;
	size_t n = number_format(text, v);

	assert_int_equal(n, strlen(text));
	if (!parse(text, n, &back) || !same_bits(back, v))
		fail_msg("%.17g was written as \"%s\"", v, text);
	for (int precision = 1; precision <= 17; precision++) { /* no shorter precision would do */
		snprintf(longest, sizeof longest, "%.*g", precision, v);
		if (same_bits(strtod(longest, NULL), v)) {
			if (strpbrk(longest, "e") || strpbrk(text, "e"))
				break; /* digits beside an exponent count differently */
			assert_true(n <= strlen(longest));
			break;
		}
	}
}

static void
check_format_float(float v)
{
	char text[32], other[40];
	size_t n = number_format_float(text, v), n_other = 0;

	assert_int_equal(n, strlen(text));
	if (strtof(text, NULL) != v || signbit(strtof(text, NULL)) != signbit(v))
		fail_msg("%.9g was written as \"%s\"", (double)v, text);
	for (int precision = 1; precision <= 9 && !n_other; precision++) {
		snprintf(other, sizeof other, "%.*g", precision, (double)v);
		n_other = strtof(other, NULL) == v ? strlen(other) : 0;
	}
	if (!strpbrk(other, "e") && n > n_other)
		fail_msg("%.9g was written as \"%s\", longer than \"%s\"", (double)v, text, other);
}

static void
numbers_are_written_as_short_as_they_read_back(void **state)
{
	static const double numbers[] = {0, -0.0, 1, -1, 0.1, -2.5, 1e15, 999999999999999, 1e20, 1e22, 123456789.125,
		1.0 / 3, 0.30000000000000004, 5e-324, DBL_MIN, DBL_MAX, -DBL_MAX, DBL_EPSILON, 9007199254740993.0,
		2.2250738585072011e-308};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		check_format(numbers[i]);
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = random_bits();
		double v;

		memcpy(&v, &bits, sizeof v);
		if (isfinite(v))
			check_format(v);
		check_format((double)(int64_t)(bits >> 20) / 1000);
		v = (double)(bits >> (14 + i % 30)) / pow(10, (double)(bits % 19)); /* of any number of digits */
		check_format(v);
		check_format(nextafter(v, i % 2 ? INFINITY : -INFINITY)); /* all but a short one */
	}
	number_format(text, 0.1);
	assert_string_equal(text, "0.1");
	number_format(text, 3);
	assert_string_equal(text, "3");
	number_format(text, 1e20);
	assert_string_equal(text, "1e+20");
	number_format(text, -0.0);
	assert_string_equal(text, "-0");
	number_format(text, 5e-324);
	assert_string_equal(text, "5e-324");
}

static void
floats_are_written_as_short_as_they_read_back(void **state)
{
	static const float numbers[] = {0, -0.0f, 1, 0.1f, 0.99999994f, 1.0000001f, 16777216, 16777215, 99999992, 1e8f,
		1e-4f, 9.9999997e-5f, 0.0001f, FLT_MIN, FLT_MAX, 1e-45f, 123456.789f, 0.33333334f, 1e20f, 8388607.5f,
		999999.94f};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		check_format_float(numbers[i]);
		check_format_float(-numbers[i]);
	}
	for (int i = 0; i < 100000; i++) {
		uint32_t bits = (uint32_t)(random_bits() >> 16);
		float v;

		memcpy(&v, &bits, sizeof v);
		if (isfinite(v))
			check_format_float(v);
		check_format_float((float)(bits >> 8) / 16777216.0f); /* a probability */
		check_format_float((float)(int32_t)bits / 65536.0f);
		check_format_float((float)(bits >> 8) * 0x1p-149f); /* too small for all of a float's bits */
	}
	number_format_float(text, 0.1f);
	assert_string_equal(text, "0.1");
	number_format_float(text, 0.25f);
	assert_string_equal(text, "0.25");
	number_format_float(text, -17.5f);
	assert_string_equal(text, "-17.5");
	number_format_float(text, 1e-10f);
	assert_string_equal(text, "1e-10");
}

static void
texts_are_cut_between_characters(void **state)
{
	(void)state;
	assert_int_equal(text_cut("abc", 3, 5), 3);
	assert_int_equal(text_cut("abc", 3, 2), 2);
	assert_int_equal(text_cut("a\u20acb", 5, 4), 4);
	assert_int_equal(text_cut("a\u20acb", 5, 3), 1);
	assert_int_equal(text_cut("a\u20acb", 5, 2), 1);
	assert_int_equal(text_cut("\u20ac", 3, 0), 0);
}

/* ---- dictionary -------------------------------------------------------------------------------------------------- */

static void
texts_are_numbered_in_order_of_first_appearance(void **state)
{
	struct dictionary d = {0};
	struct err e;
	enum { N = 20000 };
	char text[64];
	uint32_t code;

	(void)state;
	assert_int_equal(dictionary_find(&d, "x", 1), TABLE_MISSING);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < N; i++) {
			int n = snprintf(text, sizeof text, i % 2 ? "%d" : "a longer text, number %d", i);

			assert_int_equal(dictionary_add(&d, text, (size_t)n, &code, &e), OK);
			assert_int_equal(code, i);
		}
		assert_int_equal(d.n, N);
	}
	for (int i = 0; i < N; i++) {
		int n = snprintf(text, sizeof text, i % 2 ? "%d" : "a longer text, number %d", i);

		assert_string_equal(d.text[i], text);
		assert_int_equal(d.len[i], n);
		assert_int_equal(dictionary_find(&d, text, (size_t)n), i);
	}
	assert_int_equal(dictionary_find(&d, "20001", 5), TABLE_MISSING);
	assert_int_equal(dictionary_find(&d, "", 0), TABLE_MISSING);
	dictionary_clear(&d);
	assert_int_equal(d.n, 0);
	assert_int_equal(dictionary_find(&d, "1", 1), TABLE_MISSING);
	assert_int_equal(dictionary_add(&d, "1", 1, &code, &e), OK);
	assert_int_equal(code, 0);
	dictionary_release(&d);
	dictionary_release(&d);
}

static void
texts_of_zero_bytes_and_lengths_are_told_apart(void **state)
{
	struct dictionary d = {0};
	struct err e;
	uint32_t code;

	(void)state;
	for (uint32_t len = 0; len < 20; len++) {
		assert_int_equal(dictionary_add(&d, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", len, &code, &e), OK);
		assert_int_equal(code, len);
	}
	dictionary_release(&d);
}

/* ---- table and its bytes ----------------------------------------------------------------------------------------- */

static void
make_table(struct table *t)
{
	static const char *const names[] = {"age", "city"};
	static const enum column_type types[] = {COLUMN_NUMBER, COLUMN_TEXT};
	struct err e;

	assert_int_equal(table_init(t, names, types, 2, &e), OK);
}

static void
a_row_begins_with_missing_cells(void **state)
{
	struct table t;
	struct err e;

	(void)state;
	make_table(&t);
	for (size_t row = 0; row < 100; row++)
		assert_int_equal(table_add_row(&t, &e), OK);
	assert_int_equal(t.column[0].n_missing, 100);
	assert_int_equal(t.column[1].n_missing, 100);
	assert_true(isnan(t.column[0].number[99]));
	assert_int_equal(t.column[1].code[99], TABLE_MISSING);
	table_set_number(&t, 0, 7, 3.5);
	table_set_number(&t, 0, 7, 4.5);
	assert_int_equal(table_set_text(&t, 1, 7, "Rome", 4, &e), OK);
	assert_int_equal(table_set_text(&t, 1, 8, "Rome", 4, &e), OK);
	assert_int_equal(table_set_text(&t, 1, 8, "", 0, &e), OK);
	assert_int_equal(t.column[0].n_missing, 99);
	assert_int_equal(t.column[1].n_missing, 99);
	assert_int_equal(t.column[1].code[8], TABLE_MISSING);
	assert_int_equal(table_find(&t, "city"), 1);
	assert_int_equal(table_find(&t, "City"), SIZE_MAX);
	table_clear(&t);
	assert_int_equal(t.n_rows, 0);
	assert_int_equal(t.column[1].n_missing, 0);
	assert_int_equal(t.column[1].dictionary.n, 0);
	table_release(&t);
	table_release(&t);
}

static void
copy_through_bytes(const struct table *t, size_t *n_number, size_t *n_text)
{
	size_t *sizes[] = {n_number, n_text};
	struct table copy;
	struct err e;

	make_table(&copy);
	assert_int_equal(table_reserve(&copy, t->n_rows, &e), OK);
	copy.n_rows = t->n_rows;
	for (size_t i = 0; i < 2; i++) {
		struct buf bytes = {0};

		column_write(t, i, &bytes);
		assert_int_equal(buf_status(&bytes, &e), OK);
		*sizes[i] = bytes.len;
		assert_int_equal(column_read(&copy, i, bytes.data, bytes.len, &e), OK);
		buf_release(&bytes);
		assert_int_equal(copy.column[i].n_missing, t->column[i].n_missing);
	}
	for (size_t row = 0; row < t->n_rows; row++) {
		double a = t->column[0].number[row], b = copy.column[0].number[row];

		assert_true(isnan(a) ? isnan(b) : same_bits(a, b));
		assert_int_equal(t->column[1].code[row], copy.column[1].code[row]);
	}
	assert_int_equal(t->column[1].dictionary.n, copy.column[1].dictionary.n);
	for (size_t k = 0; k < copy.column[1].dictionary.n; k++)
		assert_string_equal(t->column[1].dictionary.text[k], copy.column[1].dictionary.text[k]);
	table_release(&copy);
}

static void
a_column_comes_back_from_the_narrowest_bytes(void **state)
{
	static const struct {
		double v[3];
		size_t width, more; /* bytes of a value, and of what says how they are meant */
	} cases[] = {{{1, -128, 127}, 1, 0}, {{128, 0, 0}, 2, 0}, {{-129, 32767, 0}, 2, 0}, {{32768, -1, 0}, 4, 0},
		{{INT32_MIN, INT32_MAX, 0}, 4, 0}, {{-0.0, 1, 2}, 4, 0}, {{2147483648.0, 1, 2}, 4, 0},
		/* decimals, as integers of 1 to 7 bytes */
		{{0.5, 1, 2}, 1, 2}, {{-12.8, 12.7, 0}, 1, 2}, {{-12.8, 12.8, 0}, 2, 2}, {{0.1, 1, 2.05}, 2, 2},
		{{-83.88608, 83.88607, 0}, 3, 2}, {{83.88608, 0, 0}, 4, 2}, {{16777217, 0.5, 1}, 4, 2},
		{{0.5, 16777217, 1}, 4, 2}, {{4294967297.0, 1, 2}, 5, 2}, {{3.999999999999, 0, 0}, 6, 2},
		{{3.99999999999999, -1e-14, 0}, 7, 2}, {{1e-22, 2e-22, 0}, 1, 2},
		/* fractions of two have no few decimals, but are floats */
		{{0x1p-30, 1, 2}, 4, 0}, {{FLT_MAX, 0, 0}, 4, 0},
		/* neither */
		{{3.9999999999999996, 0, 0}, 8, 0}, {{-0.0, 0.1, 0}, 8, 0}, {{1e300, 0, 0}, 8, 0},
		{{1e-300, 0, 0}, 8, 0}, {{1e-23, 0, 0}, 8, 0}, {{(double)FLT_MAX * 1.00000001, 0, 0}, 8, 0},
		{{1e15, 0.1, 0}, 8, 0}};
	static const size_t n_texts[] = {0, 1, 255, 256, 65535, 65536};

	(void)state;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		for (size_t missing = 0; missing < 2; missing++) {
			struct table t;
			struct err e;
			size_t n_number, n_text;

			make_table(&t);
			for (size_t row = 0; row < 3 + missing * 8; row++) {
				assert_int_equal(table_add_row(&t, &e), OK);
				if (row < 3)
					table_set_number(&t, 0, row, cases[k].v[row]);
			}
			copy_through_bytes(&t, &n_number, &n_text);
			if (n_number != 9 + cases[k].more + cases[k].width * (missing ? 11 : 3) + (missing ? 2 : 0))
				fail_msg("%.17g, %.17g, %.17g in %zu bytes", cases[k].v[0], cases[k].v[1],
					cases[k].v[2], n_number);
			table_release(&t);
		}
	}
	for (size_t k = 0; k < sizeof n_texts / sizeof *n_texts; k++) {
		struct table t;
		struct err e;
		size_t n_number, n_text, bytes = 0;

		make_table(&t);
		for (size_t row = 0; row <= n_texts[k]; row++) {
			char text[16];
			int n = snprintf(text, sizeof text, "%zu", row);

			assert_int_equal(table_add_row(&t, &e), OK);
			if (row < n_texts[k]) { /* the last one is missing */
				assert_int_equal(table_set_text(&t, 1, row, text, (size_t)n, &e), OK);
				bytes += 4 + (size_t)n;
			}
		}
		copy_through_bytes(&t, &n_number, &n_text);
		assert_int_equal(n_text, 9 + 4 + bytes +
						 (n_texts[k] + 1) * (n_texts[k] < 256            ? 1
									    : n_texts[k] < 65536 ? 2
												 : 4));
		table_release(&t);
	}
}

static void
an_empty_chunk_comes_back(void **state)
{
	struct table t;
	size_t n_number, n_text;

	(void)state;
	make_table(&t);
	copy_through_bytes(&t, &n_number, &n_text);
	assert_int_equal(n_number, 9);
	assert_int_equal(n_text, 13);
	table_release(&t);
}

static void
damaged_bytes_are_refused_and_leave_the_column_missing(void **state)
{
	struct table t, copy;
	struct err e;

	(void)state;
	make_table(&t);
	for (size_t row = 0; row < 21; row++) {
		assert_int_equal(table_add_row(&t, &e), OK);
		if (row % 3)
			table_set_number(&t, 0, row, (double)row / 2);
		if (row % 4)
			assert_int_equal(table_set_text(&t, 1, row, "aabbcc" + 2 * (row % 3), 2, &e), OK);
	}
	make_table(&copy);
	assert_int_equal(table_reserve(&copy, t.n_rows, &e), OK);
	copy.n_rows = t.n_rows;
	for (size_t i = 0; i < 2; i++) {
		struct buf bytes = {0};

		column_write(&t, i, &bytes);
		for (size_t n = 0; n < bytes.len; n++) { /* cut short */
			unsigned char *cut = malloc(n ? n : 1);

			assert_non_null(cut);
			memcpy(cut, bytes.data, n);
			assert_int_equal(column_read(&copy, i, cut, n, &e), ERR_CORRUPT);
			assert_string_equal(e.code, "corrupt_column");
			assert_int_equal(copy.column[i].n_missing, 21);
			free(cut);
		}
		buf_put_u8(&bytes, 0); /* a byte too many */
		assert_int_equal(column_read(&copy, i, bytes.data, bytes.len, &e), ERR_CORRUPT);
		bytes.len--;
		for (size_t bit = 0; bit < bytes.len * 8;
			bit++) { /* never a crash, never a state that contradicts itself */
			size_t missing = 0;

			bytes.data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
			(void)column_read(&copy, i, bytes.data, bytes.len, &e);
			for (size_t row = 0; row < 21; row++) {
				missing += i ? copy.column[1].code[row] == TABLE_MISSING
					     : isnan(copy.column[0].number[row]) != 0;
				assert_true(i || !isinf(copy.column[0].number[row]));
				assert_true(!i || copy.column[1].code[row] == TABLE_MISSING ||
					    copy.column[1].code[row] < copy.column[1].dictionary.n);
			}
			assert_int_equal(copy.column[i].n_missing, missing);
			bytes.data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
		}
		assert_int_equal(column_read(&copy, i, bytes.data, bytes.len, &e), OK);
		assert_int_equal(column_read(&copy, !i, bytes.data, bytes.len, &e), ERR_CORRUPT); /* the other type */
		copy.n_rows--;
		assert_int_equal(column_read(&copy, i, bytes.data, bytes.len, &e), ERR_CORRUPT);
		copy.n_rows++;
		buf_release(&bytes);
	}
	table_release(&t);
	table_release(&copy);
}

static void
counts_and_formatted_texts_of_any_length_are_put_whole(void **state)
{
	static const uint64_t counts[] = {0, 7, 10, 65536, UINT64_MAX};
	char want[512], text[400];
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		buf_clear(&b);
		buf_put_count(&b, counts[i]);
		snprintf(want, sizeof want, "%llu", (unsigned long long)counts[i]);
		assert_int_equal(b.len, strlen(want));
		assert_memory_equal(b.data, want, b.len);
	}
	for (size_t n = 0; n < sizeof text; n++) {
		memset(text, 'x', n);
		text[n] = '\0';
		snprintf(want, sizeof want, "<%s|%zu>", text, n);
		buf_release(&b);
		buf_put(&b, "ab", n % 3);
		buf_printf(&b, "<%s|%zu>", text, n);
		assert_false(b.failed);
		assert_int_equal(b.len, n % 3 + strlen(want));
		assert_memory_equal(b.data + n % 3, want, strlen(want));
	}
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_as_written),
		cmocka_unit_test(what_is_no_number_is_not_read),
		cmocka_unit_test(a_number_ends_where_its_length_says),
		cmocka_unit_test(every_short_text_is_read_or_refused_rightly),
		cmocka_unit_test(very_long_numbers_are_rounded_by_their_last_digit),
		cmocka_unit_test(random_numbers_are_read_like_the_c_library_reads_them),
		cmocka_unit_test(ties_are_rounded_to_even),
		cmocka_unit_test(numbers_are_written_as_short_as_they_read_back),
		cmocka_unit_test(floats_are_written_as_short_as_they_read_back),
		cmocka_unit_test(counts_and_formatted_texts_of_any_length_are_put_whole),
		cmocka_unit_test(texts_are_cut_between_characters),
		cmocka_unit_test(texts_are_numbered_in_order_of_first_appearance),
		cmocka_unit_test(texts_of_zero_bytes_and_lengths_are_told_apart),
		cmocka_unit_test(a_row_begins_with_missing_cells),
		cmocka_unit_test(a_column_comes_back_from_the_narrowest_bytes),
		cmocka_unit_test(an_empty_chunk_comes_back),
		cmocka_unit_test(damaged_bytes_are_refused_and_leave_the_column_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
