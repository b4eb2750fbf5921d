/* inspect: how a file is written, what may be its labels, and that what is cut off at the end does not matter. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema/inspect.h"

static struct err err;

static struct inspection
look(const char *csv, bool whole)
{
	struct inspection n = {0};

	if (inspect(csv, strlen(csv), whole, NULL, &n, &err))
		fail_msg("%s: %s", err.code, err.msg);
	return n;
}

static void
the_delimiter_and_the_decimal_mark_are_found(void **state)
{
	static const struct {
		const char *csv;
		char delimiter, decimal;
		size_t n_columns, n_numbers;
	} cases[] = {
		{"a,b\n1,2.5\n3,4\n", ',', '.', 2, 2},
		{"a;b\n1;2,5\n3;4,25\n", ';', ',', 2, 2},
		{"a;b\n1;2.5\n3;4.25\n", ';', '.', 2, 2},
		{"a\tb\tc\n1\t2,5\tx, y\n3\t4\tz, u\n", '\t', ',', 3, 2},
		{"a|b\r\n1|\"2;3;4\"\r\n5|\"6;7;8\"\r\n", '|', '.', 2, 1},
		{"\"a,b\";\"c,d\"\n1;2\n3;4\n", ';', '.', 2, 2},
		{"only\n1\n2\n", ',', '.', 1, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct inspection n = look(cases[i].csv, true);
		size_t n_numbers = 0;

		assert_int_equal(ingest_options_delimiter(&n.options), cases[i].delimiter);
		assert_int_equal(ingest_options_decimal(&n.options), cases[i].decimal);
		assert_int_equal(n.summary->n_columns, cases[i].n_columns);
		for (size_t k = 0; k < n.summary->n_columns; k++)
			n_numbers += n.summary->column[k].type == COLUMN_NUMBER;
		assert_int_equal(n_numbers, cases[i].n_numbers);
		inspection_release(&n);
	}
}

static void
what_was_given_is_not_guessed(void **state)
{
	struct ingest_options o = {.delimiter = ',', .decimal = '.'};
	struct inspection n = {0};

	(void)state;
	assert_int_equal(inspect("a;b\n1;2\n", 8, true, &o, &n, &err), OK);
	assert_int_equal(n.summary->n_columns, 1);
	inspection_release(&n);
}

static void
likely_labels_come_first(void **state)
{
	struct inspection n;
	char csv[4000] = "id,age,city,species,score\n";

	(void)state;
	for (int i = 0; i < 60; i++)
		snprintf(csv + strlen(csv), 60, "r%d,%d,%s,%s,%d.5\n", i, 20 + i % 30, i % 3 ? "Rome" : "Oslo",
			i % 4   ? ""
			: i % 8 ? "cat"
				: "dog",
			i);
	n = look(csv, true);
	assert_true(n.n_candidates >= 2);
	assert_string_equal(n.summary->column[n.candidate[0].column].name, "species");
	assert_int_equal(n.candidate[0].n_classes, 2);
	assert_int_equal(n.candidate[0].n_labelled, 15);
	for (size_t k = 0; k < n.n_candidates; k++) { /* neither every row another, nor fractions */
		assert_int_not_equal(n.candidate[k].column, 0);
		assert_int_not_equal(n.candidate[k].column, 4);
	}
	inspection_release(&n);
}

static void
columns_with_nothing_to_learn_from_are_warned_of(void **state)
{
	static const char *const want[] = {"looks_like_id", "constant_column", "empty_column", NULL, "looks_like_id"};
	char csv[2000] = "key,one,none,x,number\n", message[DATASET_WARNING_SIZE];
	struct inspection n;

	(void)state;
	for (int i = 0; i < 30; i++)
		snprintf(csv + strlen(csv), 60, "k%d,same,,%d,%d\n", i, i * i, i + 7);
	n = look(csv, true);
	for (size_t i = 0; i < 5; i++) {
		const char *got = inspection_warning(&n, i, message);

		if (!want[i])
			assert_null(got);
		else if (!got || strcmp(got, want[i]) != 0)
			fail_msg("column %zu: %s", i, got ? got : "no warning");
	}
	inspection_release(&n);
}

static void
a_beginning_that_ends_anywhere_is_read_up_to_its_last_whole_row(void **state)
{
	static const char csv[] = "a,b\n1,x\n2,\"long\ntext, quoted\"\n3,\"another\nof them\"\n4,y\n";
	struct inspection n = {0};

	(void)state;
	for (size_t len = strlen("a,b\n1,x\n"); len < sizeof csv; len++) {
		if (inspect(csv, len, false, NULL, &n, &err))
			fail_msg("%zu bytes: %s: %s", len, err.code, err.msg);
		assert_in_range(n.summary->n_rows, 1, 4);
		assert_int_equal(n.summary->n_bad_rows, 0);
		assert_true(n.n_bytes <= len);
		inspection_release(&n);
	}
	assert_int_equal(inspect(csv, 25, true, NULL, &n, &err), ERR_DATA); /* the whole file ends within a quote */
	assert_string_equal(err.code, "unterminated_quote");
}

static void
bad_rows_are_counted_and_nonsense_is_refused(void **state)
{
	static const char binary[] = "\x7f"
				     "ELF\0\0\0\x01";
	struct inspection n = look("a,b\n1,2\n1\n3,4\n1,2,3\n", true);

	(void)state;
	assert_int_equal(n.summary->n_rows, 2);
	assert_int_equal(n.summary->n_bad_rows, 2);
	inspection_release(&n);
	assert_int_equal(inspect("", 0, true, NULL, &n, &err), ERR_DATA);
	assert_string_equal(err.code, "empty_file");
	assert_int_equal(inspect("a,b\n", 4, true, NULL, &n, &err), ERR_DATA);
	assert_string_equal(err.code, "no_rows");
	assert_int_equal(inspect("a,b", 3, false, NULL, &n, &err), ERR_DATA);
	assert_int_not_equal(inspect(binary, sizeof binary - 1, true, NULL, &n, &err), OK);
	assert_int_not_equal(inspect("\n\n\n\r\r", 5, false, NULL, &n, &err), OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_delimiter_and_the_decimal_mark_are_found),
		cmocka_unit_test(what_was_given_is_not_guessed),
		cmocka_unit_test(likely_labels_come_first),
		cmocka_unit_test(columns_with_nothing_to_learn_from_are_warned_of),
		cmocka_unit_test(a_beginning_that_ends_anywhere_is_read_up_to_its_last_whole_row),
		cmocka_unit_test(bad_rows_are_counted_and_nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
