/* Dates, yes and no: what is read as one, what a column of them is, and what the encoder makes of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema/boolean.h"
#include "schema/date.h"
#include "schema/encode.h"
#include "schema/ingest.h"

static struct err err;

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void
every_unambiguous_form_is_a_date(void **state)
{
	static const struct {
		const char *text;
		double days;
	} cases[] = {
		{"1970-01-01", 0},
		{"1969-12-31", -1},
		{"2024-03-01", 19783},
		{"2024-02-29", 19782},
		{"2000-02-29", 11016},
		{"0001-01-01", -719162},
		{"9999-12-31", 2932896},
		{" 2024-03-01 ", 19783},
		{"2024/03/01", 19783},
		{"2024/3/1", 19783},
		{"01.03.2024", 19783},
		{"1.3.2024", 19783},
		{"01-Mar-2024", 19783},
		{"1 march 2024", 19783},
		{"1 MAR 2024 12:00", 19783.5},
		{"2024-03-01T12:30:00Z", 19783 + 12.5 / 24},
		{"2024-03-01 12:30", 19783 + 12.5 / 24},
		{"2024-03-01 6:00", 19783.25},
		{"2024-03-01T12:30:00.5", 19783 + 45000.5 / 86400},
		{"2024-03-01T02:30:00+02:00", 19783 + 0.5 / 24},
		{"2024-03-01T00:30:00+0200", 19783 - 1.5 / 24},
		{"2024-03-01T00:30:00-02", 19783 + 2.5 / 24},
		{"01.03.2024 23:59:60", 19784},
		{"2024-03-01 24:00", 19784},
	};
	static const char *const none[] = {"", " ", "2024-13-01", "2024-00-01", "2024-02-30", "2023-02-29",
		"1900-02-29", "0000-01-01", "2024-3-1", "3/1/2024", "03-01-2024", "20240301", "2024", "2024-03",
		"12:30", "2024-03-01T", "2024-03-01T12", "2024-03-01T25:00", "2024-03-01T24:01", "2024-03-01T12:60",
		"2024-03-01T12:30:61", "2024-03-01T12:30:00.", "2024-03-01T12:30Z0", "2024-03-01x",
		"2024-03-01T12:30+24:00", "1 Mai 2024", "1.3.24", "-2024-03-01", "1.13.2024", "99999999999-01-01"};
	double days;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (!date_parse(cases[i].text, strlen(cases[i].text), &days))
			fail_msg("no date: %s", cases[i].text);
		if (!(fabs(days - cases[i].days) < 1e-9))
			fail_msg("%s: %.9f, not %.9f", cases[i].text, days, cases[i].days);
	}
	for (size_t i = 0; i < COUNT(none); i++)
		if (date_parse(none[i], strlen(none[i]), &days))
			fail_msg("a date: %s", none[i]);
}

static void
each_day_follows_the_one_before(void **state)
{
	double last = -719163, days;
	char text[32];

	(void)state;
	for (int y = 1; y < 10000; y += y % 100 == 3 ? 96 : 1)
		for (int m = 1; m <= 12; m++)
			for (int d = 1; d <= 31; d++) {
				snprintf(text, sizeof text, "%04d-%02d-%02d", y, m, d);
				if (!date_parse(text, 10, &days))
					continue;
				if (m > 1 || d > 1)
					assert_true(days == last + 1);
				last = days;
			}
}

static void
yes_and_no_are_read_in_every_usual_spelling(void **state)
{
	static const char *const none[] = {"", "2", "tRUE", "yess", "on", "-1", "true false"};
	const char *text;
	bool want, got;

	(void)state;
	for (size_t i = 0; (text = boolean_spelling(i, &want)); i++) {
		assert_true(boolean_parse(text, strlen(text), &got));
		assert_int_equal(got, want);
	}
	assert_true(boolean_parse(" Yes ", 5, &got) && got);
	for (size_t i = 0; i < COUNT(none); i++)
		assert_false(boolean_parse(none[i], strlen(none[i]), &got));
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static struct table read; /* the only chunk of the last table */

static enum status
take(void *ctx, struct table *t, size_t chunk_index, struct err *e)
{
	const char *names[8];
	enum column_type types[8];

	(void)ctx;
	assert_int_equal(chunk_index, 0);
	assert_true(t->n_columns <= COUNT(names));
	for (size_t i = 0; i < t->n_columns; i++) {
		names[i] = t->column[i].name;
		types[i] = t->column[i].type;
	}
	table_release(&read);
	read = *t;
	return table_init(t, names, types, read.n_columns, e);
}

static enum status
restart(void *ctx, struct err *e)
{
	(void)ctx;
	(void)e;
	return OK;
}

/* Its types are those of the summary then. */
static enum status
read_csv(const char *csv, const struct ingest_options *o, struct ingest **g)
{
	const struct ingest_sink sink = {.take = take, .restart = restart};
	bool again = true;
	enum status s = ingest_new(o, NULL, &sink, g, &err);

	while (!s && again) {
		if (!(s = ingest_feed(*g, csv, strlen(csv), &err)))
			s = ingest_finish(*g, &again, &err);
		if (!s && again)
			s = ingest_restart(*g, &err);
	}
	for (size_t i = 0; !s && i < read.n_columns; i++)
		read.column[i].type = ingest_summary(*g)->column[i].type;
	return s;
}

static void
a_column_is_of_what_all_its_cells_are(void **state)
{
	static const struct {
		const char *csv;
		enum column_type type;
	} cases[] = {
		{"a\n2024-03-01\n", COLUMN_DATE},
		{"a,b\n2024-03-01,1\n,2\n1.3.2024 12:00,3\n", COLUMN_DATE},
		{"a\n2024-03-01\nNA\n", COLUMN_DATE}, /* a usual spelling of a missing value */
		{"a\n2024-03-01\n2024-13-01\n", COLUMN_TEXT},
		{"a\n2024-03-01\n3/1/2024\n", COLUMN_TEXT},
		{"a\n20240301\n", COLUMN_NUMBER},
		{"a\nyes\nno\n", COLUMN_BOOLEAN},
		{"a,b\nTrue,1\n,2\nF,3\n?,4\n", COLUMN_BOOLEAN},
		{"a\nyes\nyes\n", COLUMN_TEXT}, /* it may be anything */
		{"a\nyes\nno\nmaybe\n", COLUMN_TEXT},
		{"a\n1\n0\n", COLUMN_NUMBER},
		{"a\nt\nf\n1\n", COLUMN_BOOLEAN},
		{"a,b\n,1\n,2\n", COLUMN_NUMBER},
	};
	struct ingest_options o = {0};
	struct ingest *g = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(read_csv(cases[i].csv, NULL, &g), OK);
		if (ingest_summary(g)->column[0].type != cases[i].type)
			fail_msg("%s: %s", cases[i].csv, column_type_name(ingest_summary(g)->column[0].type));
		ingest_free(g);
		/* the label stays a text whatever it is */
		o.label_column = (char *)"a";
		assert_int_equal(read_csv(cases[i].csv, &o, &g), OK);
		assert_int_equal(ingest_summary(g)->column[0].type, COLUMN_TEXT);
		ingest_free(g);
	}
	/* a list of missing values is all there are */
	o = (struct ingest_options){.na_given = true};
	assert_int_equal(read_csv("a\n2024-03-01\nNA\n", &o, &g), OK);
	assert_int_equal(ingest_summary(g)->column[0].type, COLUMN_TEXT);
	ingest_free(g);
}

static void
a_declared_type_makes_rows_bad_that_do_not_fit(void **state)
{
	static const struct {
		const char *type, *csv, *code;
		enum column_type is;
	} cases[] = {
		{"date", "a,b\n2024-03-01,1\n2024-13-01,2\nNA,3\n,4\n", "not_a_date", COLUMN_DATE},
		{"boolean", "a,b\n1,1\n2,2\n0,3\n,4\n", "not_a_boolean", COLUMN_BOOLEAN},
		{"text", "a,b\n2024-03-01,1\nyes,2\n", NULL, COLUMN_TEXT},
	};
	struct ingest *g = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ingest_options o = {0};
		enum column_type type;

		assert_true(column_type_find(cases[i].type, &type));
		assert_int_equal(ingest_options_type(&o, "a", type, &err), OK);
		if (cases[i].code) {
			assert_int_equal(read_csv(cases[i].csv, &o, &g), ERR_DATA);
			assert_string_equal(err.code, cases[i].code);
			assert_int_equal(err.line, 3);
			ingest_free(g);
			o.max_bad_rows = 1;
		}
		assert_int_equal(read_csv(cases[i].csv, &o, &g), OK);
		assert_int_equal(ingest_summary(g)->column[0].type, cases[i].is);
		assert_int_equal(ingest_summary(g)->n_bad_rows, cases[i].code != NULL);
		if (cases[i].code) /* the empty cell, and "NA" among dates */
			assert_int_equal(ingest_summary(g)->column[0].n_missing, i ? 1 : 2);
		ingest_free(g);
		ingest_options_release(&o);
	}
}

static struct encoder *
fit(const struct table *t)
{
	const struct encoder_options o = {.scaling = SCALING_MINMAX, .max_categories = 50, .seed = 1};
	const char *names[8];
	enum column_type types[8];
	struct encoder *c = NULL;

	for (size_t i = 0; i < t->n_columns; i++) {
		names[i] = t->column[i].name;
		types[i] = t->column[i].type;
	}
	assert_int_equal(encoder_new(&o, names, types, t->n_columns, NULL, &c, &err), OK);
	assert_int_equal(encoder_observe(c, t, NULL, &err), OK);
	assert_int_equal(encoder_finish(c, &err), OK);
	return c;
}

/* The same encoder out of its own bytes. */
static struct encoder *
again(const struct encoder *c)
{
	struct buf bytes = {0};
	struct encoder *copy = NULL;
	struct reader in;

	encoder_write(c, &bytes);
	for (size_t n = 0; n < bytes.len; n++) { /* cut short anywhere, it is refused */
		in = reader_over(bytes.data, n);
		assert_int_equal(encoder_read(&in, &copy, &err), ERR_CORRUPT);
	}
	in = reader_over(bytes.data, bytes.len);
	assert_int_equal(encoder_read(&in, &copy, &err), OK);
	buf_release(&bytes);
	return copy;
}

/* The table as [n][d], to be freed. */
static real *
apply(const struct encoder *c, const struct table *t, struct encode_warnings *w)
{
	static const size_t map[] = {0, 1, 2, 3};
	struct rows rows;
	real *x;

	assert_int_equal(encoder_rows_init(c, &rows, t->n_rows, &err), OK);
	encoder_apply(c, t, map, &rows, 0, w);
	x = calloc(t->n_rows * rows.d + 1, sizeof *x);
	assert_non_null(x);
	rows_expand(&rows, NULL, 0, t->n_rows, x);
	rows_release(&rows);
	return x;
}

static void
a_date_is_its_days_and_the_cycles_that_vary(void **state)
{
	static const struct {
		const char *csv;
		unsigned cycles;
		size_t n_features;
	} cases[] = {
		{"d\n2024-03-01\n2024-03-05\n", 0, 1},
		{"d\n2024-03-01\n2024-03-22\n", 0, 1}, /* both Fridays */
		{"d\n2024-03-01\n2024-03-24\n", 1u << CYCLE_WEEK, 3},
		{"d\n2024-03-01 06:00\n2024-03-02 18:00\n", 1u << CYCLE_DAY, 3},
		{"d\n2023-01-01\n2024-03-24\n", 1u << CYCLE_YEAR, 3}, /* both Sundays */
		{"d,n\n2022-03-01 06:00,1\n,2\n2024-03-24 18:30,3\n", 7, 8 + 1},
	};
	struct ingest *g = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct encoder *c, *copy;
		real *x, *y;

		assert_int_equal(read_csv(cases[i].csv, NULL, &g), OK);
		c = fit(&read);
		assert_int_equal(encoder_column_features(c, 0).cycles, cases[i].cycles);
		assert_int_equal(encoder_n_features(c), cases[i].n_features);
		copy = again(c);
		x = apply(c, &read, NULL);
		y = apply(copy, &read, NULL);
		assert_memory_equal(x, y, read.n_rows * cases[i].n_features * sizeof *x);
		free(x);
		free(y);
		encoder_free(c);
		encoder_free(copy);
		ingest_free(g);
	}
	/* the last: days, missing, three sines and cosines, and the number */
	assert_int_equal(read_csv(cases[COUNT(cases) - 1].csv, NULL, &g), OK);
	{
		struct encoder *c = fit(&read);
		struct encode_warnings w = {0};
		real *x = apply(c, &read, NULL);
		double column[2], feature[9] = {1, 2, 3, 4, 5, 6, 7, 8, 100};

		assert_true(x[0] == -1 && x[2 * 9] == 1 && x[1] == 0 && x[9 + 1] == 1);
		for (size_t k = 2; k < 8; k++)
			assert_true(x[9 + k] == 0);
		/* six in the morning, half past six in the evening */
		assert_float_equal(x[6], 1, 1e-6);
		assert_float_equal(x[7], 0, 1e-6);
		assert_float_equal(x[2 * 9 + 6], sin(18.5 / 24 * 6.283185307), 1e-5);
		encoder_sum_by_column(c, feature, column);
		assert_true(column[0] == 36 && column[1] == 100);
		free(x);
		ingest_free(g);

		/* what is no date is missing, and counted where it is no usual spelling */
		assert_int_equal(encode_warnings_init(&w, c, &err), OK);
		assert_int_equal(read_csv("d,n\n2024-13-01,1\nNA,2\n,2\nsoon,3\n", NULL, &g), OK);
		assert_int_equal(read.column[0].type, COLUMN_TEXT);
		read.column[0].type = COLUMN_DATE;
		x = apply(c, &read, &w);
		for (size_t row = 0; row < 4; row++)
			assert_true(x[row * 9 + 1] == 1 && x[row * 9 + 2] == 0);
		assert_int_equal(w.not_a_date[0], 2);
		assert_int_equal(w.missing_cell[0], 0);
		free(x);
		encode_warnings_release(&w);
		encoder_free(c);
		ingest_free(g);
	}
}

static void
yes_is_yes_however_it_is_spelled(void **state)
{
	static const size_t n_features = 4; /* false, true, missing, other texts */
	struct encode_warnings w = {0};
	struct ingest *g = NULL;
	struct encoder *c, *copy;
	real *x;

	(void)state;
	assert_int_equal(read_csv("b,n\nno,1\nNo,2\nyes,3\nNA,4\n", NULL, &g), OK);
	assert_int_equal(read.column[0].type, COLUMN_BOOLEAN);
	c = fit(&read);
	copy = again(c);
	assert_int_equal(encoder_n_features(c), 1 + n_features);
	ingest_free(g);
	assert_int_equal(read_csv("b,n\nFALSE,1\ntrue,2\n?,3\nperhaps,4\n0,5\n", NULL, &g), OK);
	read.column[0].type = COLUMN_BOOLEAN;
	assert_int_equal(encode_warnings_init(&w, copy, &err), OK);
	x = apply(copy, &read, &w);
	for (size_t row = 0; row < 5; row++) {
		static const size_t want[] = {0, 1, 2, 3, 0};

		for (size_t k = 0; k < n_features; k++)
			assert_true(x[row * (1 + n_features) + 1 + k] == (k == want[row]));
	}
	assert_int_equal(w.unseen_category[0], 1);
	free(x);
	encode_warnings_release(&w);
	encoder_free(c);
	encoder_free(copy);
	ingest_free(g);
	table_release(&read);
}

static void
a_column_that_counts_the_rows_is_left_out(void **state)
{
	enum { N = 150 };
	static const struct {
		double step, start;
		bool used;
	} cases[] = {{1, 1, false}, {1, -20, false}, {2, 0, true}, {-1, 0, true}, {0.5, 0, true}};
	static const char *const names[] = {"id", "x"};
	static const enum column_type types[] = {COLUMN_NUMBER, COLUMN_NUMBER};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct table t = {0};
		struct encoder *c;

		assert_int_equal(table_init(&t, names, types, 2, &err), OK);
		for (size_t row = 0; row < N; row++) {
			assert_int_equal(table_add_row(&t, &err), OK);
			table_set_number(&t, 0, row, cases[i].start + cases[i].step * (double)row);
			table_set_number(&t, 1, row, (double)(row * 7 % 11));
		}
		c = fit(&t);
		assert_int_equal(encoder_column_wanted(c, 0), cases[i].used);
		encoder_free(again(c));
		encoder_free(c);
		table_release(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_unambiguous_form_is_a_date),
		cmocka_unit_test(each_day_follows_the_one_before),
		cmocka_unit_test(yes_and_no_are_read_in_every_usual_spelling),
		cmocka_unit_test(a_column_is_of_what_all_its_cells_are),
		cmocka_unit_test(a_declared_type_makes_rows_bad_that_do_not_fit),
		cmocka_unit_test(a_date_is_its_days_and_the_cycles_that_vary),
		cmocka_unit_test(yes_is_yes_however_it_is_spelled),
		cmocka_unit_test(a_column_that_counts_the_rows_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
