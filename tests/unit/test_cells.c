/* What the cells of real tables are taken as, and what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/ingest.h"
#include "schema/reading.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The options in words, "delimiter=;", one each. */
static struct ingest_options
options_of(const char *const *words)
{
	struct ingest_options o = {0};
	struct err e = {0};

	for (; words && *words; words++) {
		char name[64];
		size_t n = strcspn(*words, "=");

		snprintf(name, sizeof name, "%.*s", (int)n, *words);
		if (ingest_options_set(&o, name, *words + n + 1, &e))
			fail_msg("%s: %s", *words, e.msg);
	}
	return o;
}

static enum status
on_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct buf *out = ctx; /* [n_columns] */
	char text[32];

	(void)chunk_index;
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->column[i];

		for (size_t row = 0; row < t->n_rows; row++) {
			bool number = c->type == COLUMN_NUMBER;

			buf_puts(&out[i], " ");
			if (number ? isnan(c->number[row]) : c->code[row] == TABLE_MISSING)
				buf_puts(&out[i], "-");
			else if (number)
				buf_put(&out[i], text, number_format(text, c->number[row]));
			else
				buf_printf(&out[i], "'%s'", c->dictionary.text[c->code[row]]);
		}
	}
	return buf_status(&out[0], e);
}

enum { MAX_COLUMNS = 8 };

static enum status
on_restart(void *ctx, struct err *e)
{
	struct buf *out = ctx;

	(void)e;
	for (size_t i = 0; i < MAX_COLUMNS; i++)
		buf_clear(&out[i]);
	return OK;
}

/* Reads the bytes with these options into *g; the columns' cells into out[MAX_COLUMNS]. */
static enum status
ingested(const char *bytes, size_t n, const char *const *words, struct buf *out, struct ingest **g, struct err *e)
{
	struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = out};
	struct ingest_options o = options_of(words);
	enum status s = ingest_new(&o, NULL, &sink, g, e);
	bool again = true;

	ingest_options_release(&o);
	while (!s && again) {
		s = ingest_feed(*g, bytes, n, e);
		if (!s)
			s = ingest_finish(*g, &again, e);
		if (!s && again)
			s = ingest_restart(*g, e);
	}
	return s;
}

/* What came of it. */
static void
discard(struct ingest *g, struct buf *out)
{
	ingest_free(g);
	for (size_t i = 0; i < MAX_COLUMNS; i++)
		buf_release(&out[i]);
}

/* Column 0 of the table is of this type, with these cells, and warned of by these codes, or refused by that. */
static void
column_is(const char *csv, const char *const *words, const char *type, const char *cells, const char *warnings)
{
	struct buf out[MAX_COLUMNS] = {0}, codes = {0};
	struct ingest *g = NULL;
	struct dataset_warning w;
	struct err e = {0};

	if (ingested(csv, strlen(csv), words, out, &g, &e)) {
		assert_string_equal(type, e.code);
	} else {
		const struct dataset_summary *s = ingest_summary(g);

		for (size_t k = 0; dataset_warning(s, 0, k, &w); k++)
			buf_printf(&codes, " %s", w.code);
		buf_put_u8(&codes, 0);
		buf_put_u8(&out[0], 0);
		if (strcmp(column_type_name(s->column[0].type), type) || strcmp((char *)out[0].data, cells) ||
			strcmp((char *)codes.data, warnings))
			fail_msg("%s: %s:%s:%s", csv, column_type_name(s->column[0].type), (char *)out[0].data,
				(char *)codes.data);
	}
	discard(g, out);
	buf_release(&codes);
}

static void
infinite_numbers_are_missing_and_counted(void **state)
{
	struct buf out[MAX_COLUMNS] = {0};
	static const char csv[] = "x,y\n1,a\ninf,b\n-Infinity,\n1e999,c\nnan,d\n";
	struct ingest *g = NULL;
	struct dataset_warning w;
	struct err e = {0};

	(void)state;
	column_is("x\n1\n Inf \n+INFINITY\n-1.#INF\n\xe2\x88\x92\n", NULL, "text",
		" '1' ' Inf ' '+INFINITY' '-1.#INF' '\xe2\x88\x92'", "");
	column_is("x\n1\n-\xe2\x88\x9e\n1e+400\n1,5\n", WORDS("delimiter=;", "decimal=,"), "number", " 1 - - 1.5",
		" infinite_number");
	column_is("x\n1e-999\n1e5\n1e\n", NULL, "text", " '1e-999' '1e5' '1e'", " numbers_among_text");
	column_is("x\ninf\n\n", NULL, "number", " - -", " infinite_number");
	column_is("x\ninf\nadult\ninf\n", NULL, "text", " 'inf' 'adult' 'inf'", ""); /* words after all */
	column_is("x\n1\ninf\n", WORDS("type=x=number"), "number", " 1 -", " infinite_number");
	column_is("x,y\n1,2\ninf,1\n", WORDS("role=x=weight"), "bad_weight", "", "");
	column_is("x\n1\ninf\n", WORDS("na_values=inf"), "number", " 1 -", "");

	assert_int_equal(ingested(csv, sizeof csv - 1, WORDS("label_column=y"), out, &g, &e), OK);
	assert_int_equal(ingest_summary(g)->column[0].n_missing, 4);
	assert_int_equal(ingest_summary(g)->column[0].n_infinite, 3);
	assert_true(dataset_warning(ingest_summary(g), 0, 0, &w));
	assert_string_equal(w.code, "na_among_numbers");
	assert_true(dataset_warning(ingest_summary(g), 0, 1, &w));
	assert_string_equal(w.message, "column \"x\": 3 infinite numbers, the first in line 3, are taken as missing");
	assert_int_equal(w.line, 3);
	assert_false(dataset_warning(ingest_summary(g), 0, 2, &w));
	discard(g, out);
}

static void
a_text_after_an_infinite_number_makes_a_text_however_late_it_comes(void **state)
{
	struct buf in = {0}, out[MAX_COLUMNS] = {0};
	struct ingest *g = NULL;
	struct err e = {0};

	(void)state;
	buf_puts(&in, "a,b\n");
	for (int i = 0; i < INGEST_CHUNK_ROWS + 1000; i++)
		buf_printf(&in, "%s,%s\n",
			i == INGEST_CHUNK_ROWS + 10 ? "none"
			: i == 7                    ? "inf"
						    : "7",
			i == INGEST_CHUNK_ROWS + 20 ? "inf" : "");
	assert_int_equal(ingested((char *)in.data, in.len, NULL, out, &g, &e), OK);
	assert_int_equal(ingest_summary(g)->column[0].type, COLUMN_TEXT);
	assert_int_equal(ingest_summary(g)->column[0].n_infinite, 0);
	assert_int_equal(ingest_summary(g)->column[0].n_missing, 0);
	assert_int_equal(ingest_summary(g)->column[1].type, COLUMN_NUMBER);
	assert_int_equal(ingest_summary(g)->column[1].n_infinite, 1);
	assert_int_equal(ingest_summary(g)->column[1].infinite_line, INGEST_CHUNK_ROWS + 22);
	discard(g, out);
	buf_release(&in);
}

static void
missing_values_as_other_programs_spell_them_are_missing(void **state)
{
	(void)state;
	column_is("x\n1\n\\N\n#DIV/0!\nNone\n-nan\n#NA\n-1.#IND\n", NULL, "number", " 1 - - - - - -",
		" na_among_numbers");
	column_is("x,y\na,1\n\\N,2\n#REF!,2\nNone,3\n", WORDS("label_column=x"), "text", " 'a' - - 'None'",
		" na_among_labels");
	column_is("x\na\n\\N\nNone\n", NULL, "text", " 'a' '\\N' 'None'", "");
	column_is("x\n1\n\\N\n", WORDS("na_values=NA"), "text", " '1' '\\N'", " numbers_among_text");
}

static void
rows_to_predict_have_infinite_numbers_as_missing_ones(void **state)
{
	struct reading r = {0};
	double v = 0;

	(void)state;
	assert_true(reading_number(&r, "-inf", 4, &v));
	assert_true(isnan(v));
	assert_true(reading_is_infinite(&r, "-inf", 4));
	assert_true(reading_number(&r, "NaN", 3, &v));
	assert_false(reading_is_infinite(&r, "NaN", 3));
	assert_false(reading_is_infinite(&r, "6.0", 3));
	assert_false(reading_number(&r, "info", 4, &v));
}

static void
numbers_are_taken_out_of_their_form(void **state)
{
	static const struct {
		const char *text, *unit;
		char mark, group;
		double v;
	} good[] = {
		{"13%", "%", '.', 0, 13},
		{" -0.5 % ", "%", '.', 0, -0.5},
		{"%5", "%", '.', 0, 5},
		{"$5", "$", '.', 0, 5},
		{"-$5.25", "$", '.', 0, -5.25},
		{"$-5", "$", '.', 0, -5},
		{"($1,234.50)", "$", '.', ',', -1234.5},
		{"(1,234)", "", '.', ',', -1234},
		{"\xe2\x82\xac 1.234,5", "\xe2\x82\xac", ',', '.', 1234.5},
		{"1\xe2\x80\xaf"
		 "234,50\xc2\xa0\xe2\x82\xac",
			"\xe2\x82\xac", ',', ' ', 1234.5},
		{"USD 12", "USD", '.', 0, 12},
		{"1'234'567.8", "", '.', '\'', 1234567.8},
		{"+1 234", "", '.', ' ', 1234},
		{"12", "", '.', 0, 12},
		{"$.5", "$", '.', 0, 0.5},
	};
	static const char *const bad[] = {"", "%", "$", "-", "()", "(5)", "5%%", "$5%", "--5", "-$-5", "(-$5)", "1,23",
		"1,2345", "0,123", "1234,567", "1,234 567", ",123", "1,234,56", "5 kg", "Q1", "1-2", "$five", "12 5",
		"1.2.3",
		"$\xe2\x82\xac"
		"5",
		"US$5", "5-", "$ -", "inf%"};
	struct number_form f;
	double v = 0;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const char *t = good[i].text;

		f = (struct number_form){.group = good[i].group};
		snprintf(f.unit, sizeof f.unit, "%s", good[i].unit);
		if (!number_form_parse(&f, t, strlen(t), good[i].mark, &v) || v < good[i].v || v > good[i].v)
			fail_msg("\"%s\": %g", t, v);
		assert_int_equal(number_form_of(t, strlen(t), good[i].mark, &f), !number_form_is_plain(&f));
		assert_string_equal(f.unit, good[i].unit);
		assert_int_equal(f.group, good[i].group);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (number_form_of(bad[i], strlen(bad[i]), '.', &f))
			fail_msg("\"%s\": unit \"%s\", group '%c'", bad[i], f.unit, f.group);
	f = (struct number_form){.unit = "$", .group = ','};
	assert_true(number_form_parse(&f, "7", 1, '.', &v)); /* plain ones are of every form */
	assert_false(number_form_parse(&f, "7%", 2, '.', &v));
	assert_false(number_form_parse(&f, "$1 234", 6, '.', &v));
}

static void
columns_of_numbers_of_one_form_are_numbers(void **state)
{
	(void)state;
	column_is("x\n13%\n 7.5 %\n\n-\n", NULL, "number", " 13 7.5 - -", " na_among_numbers number_with_unit");
	column_is("x\n$5\n-$1.50\n($2)\n", NULL, "number", " 5 -1.5 -2", " number_with_unit");
	column_is("x\n12\n\"1,234\"\n\"1,234,567.5\"\n", NULL, "number", " 12 1234 1234567.5", " number_with_unit");
	column_is("x;y\n1.234,5 EUR;\n7 EUR;\ninf;\n", WORDS("delimiter=;", "decimal=,"), "number", " 1234.5 7 -",
		" infinite_number number_with_unit");
	column_is("x\n1 234\n999\n", NULL, "number", " 1234 999", " number_with_unit");
	column_is("x\n$5\n$6\n", WORDS("na_values=6"), "number", " 5 -", " number_with_unit");
	column_is("x\n13%\n7%\n", WORDS("type=x=text"), "text", " '13%' '7%'", "");
	column_is("x,y\n13%,1\n7%,2\n", WORDS("label_column=x"), "text", " '13%' '7%'", "");
	column_is("x\n13%\n", WORDS("type=x=number"), "not_a_number", "", "");
}

static void
columns_of_mixed_or_doubtful_numbers_are_texts_and_warned_of(void **state)
{
	(void)state;
	column_is("x\n13%\n0.07\n", NULL, "text", " '13%' '0.07'", " mixed_numbers");
	column_is("x\n$5\n\xe2\x82\xac"
		  "6\n",
		NULL, "text",
		" '$5' '\xe2\x82\xac"
		"6'",
		" mixed_numbers");
	column_is("x\n13%\nlow\n", NULL, "text", " '13%' 'low'", " mixed_numbers");
	column_is("x\n1 234\n\"1,234\"\n", NULL, "text", " '1 234' '1,234'", " mixed_numbers");
	/* 1,234 may be a little more than 1 where commas do not separate cells, unless something says what it is */
	column_is("x;y\n1,234;\n5,678;\n", WORDS("delimiter=;"), "text", " '1,234' '5,678'", " other_decimal");
	column_is("x;y\n1,234;\n5,678;\n", WORDS("delimiter=;", "decimal=."), "number", " 1234 5678",
		" number_with_unit");
	column_is("x;y\n1,234;\n5,678;\n", WORDS("delimiter=;", "decimal=,"), "number", " 1.234 5.678", "");
	column_is("x;y\n1,234;\n5,678.5;\n", WORDS("delimiter=;"), "number", " 1234 5678.5", " number_with_unit");
	column_is("x;y\n1,234;\n5,678,900;\n", WORDS("delimiter=;"), "number", " 1234 5678900", " number_with_unit");
	column_is("x;y\n$1,234;\n", WORDS("delimiter=;"), "number", " 1234", " number_with_unit");
	column_is("x\nred\n5%\n", NULL, "text", " 'red' '5%'", "");
}

static void
what_a_form_is_said_of_and_remembered(void **state)
{
	static const char csv[] = "x,p,d\n1,$5,\"1,234%\"\n2,$6,7%\n";
	struct buf out[MAX_COLUMNS] = {0};
	struct ingest *g = NULL;
	struct dataset_warning w;
	struct reading r = {0}, again = {0};
	struct err e = {0};
	double v = 0;
	char *json;

	(void)state;
	assert_int_equal(ingested(csv, sizeof csv - 1, WORDS("role=x=id"), out, &g, &e), OK);
	assert_false(dataset_warning(ingest_summary(g), 0, 0, &w));
	assert_true(dataset_warning(ingest_summary(g), 2, 0, &w));
	assert_string_equal(w.message, "column \"d\" is read as numbers: \"%\" is left out and \",\" separates "
				       "thousands; if it is not, give it the type text");
	assert_int_equal(reading_from_json(ingest_summary(g)->options, &r, &e), OK);
	json = reading_to_json(&r);
	assert_non_null(strstr(json, "\"columns\":[{\"name\":\"p\",\"unit\":\"$\"},{\"name\":\"d\",\"unit\":\"%\","
				     "\"grouping\":\",\"}]"));
	assert_int_equal(reading_from_json(json, &again, &e), OK);
	assert_false(reading_is_default(&again));
	assert_null(reading_form(&again, "x"));
	assert_true(reading_number_as(&again, reading_form(&again, "d"), "1,000%", 6, &v) && v > 999);
	assert_true(reading_number_as(&again, reading_form(&again, "p"), "7", 1, &v) && v > 6);
	assert_false(reading_number_as(&again, reading_form(&again, "p"), "7%", 2, &v));
	assert_false(reading_number_as(&again, reading_form(&again, "x"), "$7", 2, &v));
	free(json);
	reading_release(&r);
	reading_release(&again);
	discard(g, out);
}

static void
dates_whose_order_another_one_shows_are_dates(void **state)
{
	(void)state;
	column_is("d\n3/1/2024\n3/25/2024 14:05\n12-31-2023 2:05 PM\n\n2024-01-02\n", NULL, "date",
		" '2024-03-01' '2024-03-25 14:05' '2023-12-31 2:05 PM' - '2024-01-02'", " date_order");
	column_is("d\n03/01/2024\n25/12/2024\n", NULL, "date", " '2024-01-03' '2024-12-25'", " date_order");
	column_is("d\n3/1/2024\n25/12/2024\n12/25/2024\n", NULL, "text", " '3/1/2024' '25/12/2024' '12/25/2024'",
		" ambiguous_date");
	column_is("d\n3/1/2024\n4/2/2024\n", NULL, "text", " '3/1/2024' '4/2/2024'", " ambiguous_date");
	column_is("d\n3/1/2024\nsoon\n", NULL, "text", " '3/1/2024' 'soon'", " ambiguous_date");
	column_is("d\n3/1/24\n3/25/24\n", NULL, "text", " '3/1/24' '3/25/24'", "");
	/* one column of a table speaks for all, unless another contradicts */
	column_is("d,e\n3/1/2024,3/25/2024\n4/2/2024,\n", NULL, "date", " '2024-03-01' '2024-04-02'", " date_order");
	column_is("d,e,f\n3/1/2024,3/25/2024,25/3/2024\n", NULL, "text", " '3/1/2024'", " ambiguous_date");
	/* or the options do */
	column_is("d\n3/1/2024\n4/2/2024\n", WORDS("date_order=dmy"), "date", " '2024-01-03' '2024-02-04'",
		" date_order");
	column_is("d\n3/25/2024\n", WORDS("date_order=dmy"), "text", " '3/25/2024'", " ambiguous_date");
	column_is("d\n3/1/2024\n", WORDS("date_order=mdy", "type=d=date"), "date", " '2024-03-01'", "");
	column_is("d\n3/1/2024\n", WORDS("type=d=date"), "not_a_date", "", "");
	column_is("d,e\n3/1/2024,3/25/2024\n", WORDS("type=d=text"), "text", " '3/1/2024'", "");
}

static void
a_date_in_doubt_says_in_which_orders_it_is_one(void **state)
{
	static const struct {
		const char *text, *mdy, *dmy;
	} cases[] = {
		{"3/1/2024", "2024-03-01", "2024-01-03"},
		{" 03-01-2024 ", "2024-03-01", "2024-01-03"},
		{"2/30/2024", "", ""},
		{"2/29/2024", "2024-02-29", ""},
		{"29/2/2023", "", ""},
		{"31/12/1999T23:59:59Z", "", "1999-12-31T23:59:59Z"},
		{"3/1-2024", "", ""},
		{"3/1/24", "", ""},
		{"3/1/2024 25:00", "", ""},
		{"3/1/2024 12:00 pm", "2024-03-01 12:00 pm", "2024-01-03 12:00 pm"},
		{"3/1/2024 13:00 PM", "", ""},
		{"2024-03-01", "", ""},
		{"3.1.2024", "", ""},
		{"", "", ""},
		{"3/1/0000", "", ""},
	};
	char out[DATE_TEXT_SIZE];
	double noon = 0, day = 0;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *t = cases[i].text;

		for (int o = DATE_MDY; o < N_DATE_ORDERS; o++) {
			const char *want = o == DATE_MDY ? cases[i].mdy : cases[i].dmy;
			size_t n = date_put_in_order(t, strlen(t), (enum date_order)o, out);

			if (n != strlen(want) || memcmp(out, want, n) != 0)
				fail_msg("\"%s\": \"%.*s\"", t, (int)n, out);
			assert_int_equal((date_orders(t, strlen(t)) >> o) & 1, n > 0);
		}
		assert_int_equal(date_put_in_order(t, strlen(t), DATE_ORDER_UNKNOWN, out), 0);
	}
	assert_true(date_parse("2024-03-01", 10, &day) && date_parse("2024-03-01 12:00 PM", 19, &noon));
	assert_true(noon - day > 0.49 && noon - day < 0.51);
	assert_true(date_parse("2024-03-01 12:00am", 18, &noon) && noon - day < 0.01);
	assert_true(date_parse("2024-03-01 1:30:15 pm", 21, &noon) && noon - day > 0.56);
	assert_false(date_parse("2024-03-01 0:30 AM", 18, &noon));
}

static void
the_order_of_dates_is_remembered(void **state)
{
	static const char csv[] = "d\n25/12/2024\n3/1/2024\n";
	struct buf out[MAX_COLUMNS] = {0};
	struct ingest *g = NULL;
	struct dataset_warning w;
	struct reading r = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(ingested(csv, sizeof csv - 1, NULL, out, &g, &e), OK);
	assert_true(dataset_warning(ingest_summary(g), 0, 0, &w));
	assert_string_equal(w.message,
		"column \"d\": dates such as \"25/12/2024\" in line 2 are read with the day first; "
		"if that is wrong, set date_order to \"mdy\"");
	assert_int_equal(reading_from_json(ingest_summary(g)->options, &r, &e), OK);
	assert_int_equal(r.options.date_order, DATE_DMY);
	assert_false(reading_is_default(&r));
	reading_release(&r);
	discard(g, out);
}

static void
the_delimiter_that_a_file_names_is_remembered(void **state)
{
	static const char csv[] = "sep=;\nx;y\n1,5;2\n";
	struct buf out[MAX_COLUMNS] = {0};
	struct ingest *g = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(ingested(csv, sizeof csv - 1, WORDS("decimal=,", "delimiter=tab"), out, &g, &e), OK);
	assert_non_null(strstr(ingest_summary(g)->options, "\"delimiter\":\";\""));
	assert_int_equal(ingest_summary(g)->column[0].type, COLUMN_NUMBER);
	discard(g, out);
}

static void
rows_without_a_cell_are_left_out_and_told(void **state)
{
	static const char csv[] = "x,y\n1,a\n,\n\"\",\n2,\n3\n,\n";
	struct buf out[MAX_COLUMNS] = {0};
	struct ingest *g = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(ingested(csv, sizeof csv - 1, WORDS("max_bad_rows=1"), out, &g, &e), OK);
	buf_put_u8(&out[0], 0);
	assert_string_equal((char *)out[0].data, " 1 2");
	assert_int_equal(ingest_summary(g)->n_bad_rows, 4);
	assert_string_equal(ingest_bad_row(g, 1)->code, "empty_row");
	assert_string_equal(ingest_bad_row(g, 1)->msg, "line 4: every cell of the row is empty");
	assert_string_equal(ingest_bad_row(g, 2)->code, "ragged_row"); /* which alone counts against the limit */
	discard(g, out);
	column_is("x\n1\n\n2\n", NULL, "number", " 1 - 2", ""); /* of one column it is an empty cell */
	column_is("x,y\n,\n,\n", NULL, "no_rows", "", "");
	column_is("x,y\n , \n1,2\n", NULL, "number", " - 1", "");
}

static void
a_form_is_found_however_late_its_first_cell_comes(void **state)
{
	struct buf in = {0}, out[MAX_COLUMNS] = {0};
	struct ingest *g = NULL;
	struct err e = {0};

	(void)state;
	buf_puts(&in, "a,b\n"); /* three passes: numbers, texts, numbers of a form */
	for (int i = 0; i < INGEST_CHUNK_ROWS + 1000; i++)
		buf_printf(&in, "%s,%d\n", i == INGEST_CHUNK_ROWS + 10 ? "\"1,007\"" : "7", i);
	assert_int_equal(ingested((char *)in.data, in.len, NULL, out, &g, &e), OK);
	assert_int_equal(ingest_summary(g)->column[0].type, COLUMN_NUMBER);
	assert_true(ingest_summary(g)->column[0].max > 1006 && ingest_summary(g)->column[0].min > 6);
	assert_int_equal(ingest_summary(g)->n_rows, INGEST_CHUNK_ROWS + 1000);
	discard(g, out);
	buf_release(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(infinite_numbers_are_missing_and_counted),
		cmocka_unit_test(a_text_after_an_infinite_number_makes_a_text_however_late_it_comes),
		cmocka_unit_test(missing_values_as_other_programs_spell_them_are_missing),
		cmocka_unit_test(rows_to_predict_have_infinite_numbers_as_missing_ones),
		cmocka_unit_test(numbers_are_taken_out_of_their_form),
		cmocka_unit_test(columns_of_numbers_of_one_form_are_numbers),
		cmocka_unit_test(columns_of_mixed_or_doubtful_numbers_are_texts_and_warned_of),
		cmocka_unit_test(what_a_form_is_said_of_and_remembered),
		cmocka_unit_test(a_form_is_found_however_late_its_first_cell_comes),
		cmocka_unit_test(dates_whose_order_another_one_shows_are_dates),
		cmocka_unit_test(a_date_in_doubt_says_in_which_orders_it_is_one),
		cmocka_unit_test(the_order_of_dates_is_remembered),
		cmocka_unit_test(the_delimiter_that_a_file_names_is_remembered),
		cmocka_unit_test(rows_without_a_cell_are_left_out_and_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
