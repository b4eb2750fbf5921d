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
	ingest_free(g);
	for (size_t i = 0; i < MAX_COLUMNS; i++)
		buf_release(&out[i]);
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
	ingest_free(g);
	for (size_t i = 0; i < MAX_COLUMNS; i++)
		buf_release(&out[i]);
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
	ingest_free(g);
	for (size_t i = 0; i < MAX_COLUMNS; i++)
		buf_release(&out[i]);
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
	assert_false(reading_number(&r, "info", 4, &v));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(infinite_numbers_are_missing_and_counted),
		cmocka_unit_test(a_text_after_an_infinite_number_makes_a_text_however_late_it_comes),
		cmocka_unit_test(missing_values_as_other_programs_spell_them_are_missing),
		cmocka_unit_test(rows_to_predict_have_infinite_numbers_as_missing_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
