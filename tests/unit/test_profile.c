/* profile: exact on what fits, within its bounds on what does not, and the same however the rows are cut. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema/profile.h"

static struct err err;

static void
assert_ok(enum status status)
{
	if (status)
		fail_msg("%s: %s", err.code, err.msg);
}

/* A column of numbers and one of texts. */
static void
two_columns(struct table *t)
{
	static const char *const names[] = {"x", "who"};
	static const enum column_type types[] = {COLUMN_NUMBER, COLUMN_TEXT};

	assert_ok(table_init(t, names, types, 2, &err));
}

static void
add_row(struct table *t, double v, const char *text)
{
	assert_ok(table_add_row(t, &err));
	if (!isnan(v))
		table_set_number(t, 0, t->n_rows - 1, v);
	assert_ok(table_set_text(t, 1, t->n_rows - 1, text, strlen(text), &err));
}

static void
a_small_table_is_described_exactly(void **state)
{
	static const double values[] = {3, 1, 0, -0.0, 2, 3, (double)NAN, 10};
	static const char *const texts[] = {"b", "a", "", "a", "c", "b", "a", "d"};
	struct number_profile n;
	struct text_profile x;
	struct profile *p = NULL;
	struct table t = {0};

	(void)state;
	two_columns(&t);
	assert_ok(profile_new(&t, &p, &err));
	for (size_t i = 0; i < 8; i++) {
		table_clear(&t);
		add_row(&t, values[i], texts[i]);
		assert_ok(profile_add(p, &t, &err));
	}
	assert_ok(profile_number(p, 0, &n, &err));
	assert_int_equal(n.n, 7);
	assert_int_equal(n.n_zeros, 2);
	assert_int_equal(n.n_distinct, 5);
	assert_true(n.exact && n.min == 0 && n.max == 10);
	assert_true(fabs(n.mean - 19.0 / 7) < 1e-12);
	assert_true(fabs(n.deviation - 3.45032779671177) < 1e-12);
	assert_true(n.quantile[0] == 0 && n.quantile[2] == 0 && n.quantile[3] == 2 && n.quantile[4] == 3);
	assert_true(n.quantile[PROFILE_N_QUANTILES - 1] == 10);
	assert_ok(profile_text(p, 1, &x, &err));
	assert_int_equal(x.n, 7);
	assert_int_equal(x.n_top, 4);
	assert_true(x.exact);
	assert_string_equal(x.top[0].text, "a");
	assert_int_equal(x.top[0].count, 3);
	assert_string_equal(x.top[1].text, "b");
	assert_string_equal(x.top[2].text, "c");
	assert_string_equal(x.top[3].text, "d");
	profile_free(p);
	table_release(&t);
}

static void
a_column_without_values_has_no_numbers_in_its_profile(void **state)
{
	struct number_profile n;
	struct text_profile x;
	struct profile *p = NULL;
	struct table t = {0};

	(void)state;
	two_columns(&t);
	add_row(&t, (double)NAN, "");
	assert_ok(profile_new(&t, &p, &err));
	assert_ok(profile_add(p, &t, &err));
	assert_ok(profile_number(p, 0, &n, &err));
	assert_int_equal(n.n, 0);
	assert_true(isnan(n.min) && isnan(n.mean) && isnan(n.deviation) && isnan(n.quantile[3]));
	assert_ok(profile_text(p, 1, &x, &err));
	assert_int_equal(x.n_top, 0);
	profile_free(p);
	table_release(&t);
}

/* The rank error of the quantiles of n values 0 … n - 1 that come in some order. */
static double
worst_error(size_t n, size_t step)
{
	struct number_profile out;
	struct profile *p = NULL;
	struct table t = {0};
	double worst = 0;

	two_columns(&t);
	assert_ok(profile_new(&t, &p, &err));
	for (size_t i = 0, at = 0; i < n; i++, at = (at + step) % n) {
		add_row(&t, (double)at, "");
		if (t.n_rows < 50000 && i + 1 < n)
			continue;
		assert_ok(profile_add(p, &t, &err));
		table_clear(&t);
	}
	assert_ok(profile_number(p, 0, &out, &err));
	assert_false(out.exact);
	assert_int_equal(out.n_distinct, PROFILE_MAX_DISTINCT + 1);
	assert_true(out.min == 0 && out.max == (double)(n - 1));
	assert_true(fabs(out.mean / ((double)(n - 1) / 2) - 1) < 1e-12);
	for (size_t k = 0; k < PROFILE_N_QUANTILES; k++)
		worst = fmax(worst, fabs(out.quantile[k] / (double)n - profile_quantiles[k]));
	profile_free(p);
	table_release(&t);
	return worst;
}

static void
quantiles_of_many_rows_are_near_in_whatever_order_they_come(void **state)
{
	(void)state;
	assert_true(worst_error(1000000, 1) < PROFILE_RANK_ERROR / 4);
	assert_true(worst_error(1000000, 999999) < PROFILE_RANK_ERROR / 4);
	assert_true(worst_error(1000000, 618033) < PROFILE_RANK_ERROR / 4);
}

static void
frequent_texts_are_found_among_very_many(void **state)
{
	struct text_profile x;
	struct profile *p = NULL;
	struct table t = {0};
	char text[400];

	(void)state;
	two_columns(&t);
	assert_ok(profile_new(&t, &p, &err));
	for (int i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, i % 10 == 0 ? "often" : i % 25 == 1 ? "less often" : "%d", i);
		add_row(&t, i, text);
		if (t.n_rows == 7000) {
			assert_ok(profile_add(p, &t, &err));
			table_clear(&t);
		}
	}
	memset(text, 'x', 399);
	text[399] = '\0';
	add_row(&t, 0, text); /* too long for a category */
	assert_ok(profile_add(p, &t, &err));
	assert_ok(profile_text(p, 1, &x, &err));
	assert_false(x.exact);
	assert_int_equal(x.n, 100001);
	assert_string_equal(x.top[0].text, "often");
	assert_int_equal(x.top[0].count, 10000);
	assert_string_equal(x.top[1].text, "less often");
	assert_int_equal(x.top[1].count, 4000);
	profile_free(p);
	table_release(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_table_is_described_exactly),
		cmocka_unit_test(a_column_without_values_has_no_numbers_in_its_profile),
		cmocka_unit_test(quantiles_of_many_rows_are_near_in_whatever_order_they_come),
		cmocka_unit_test(frequent_texts_are_found_among_very_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
