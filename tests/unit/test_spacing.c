/* The input noise that follows from how far rows lie from their neighbours. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/rng.h"
#include "engine/spacing.h"

static double
noise_of(const struct rows *rows, const unsigned char *held_out)
{
	struct params p;
	struct err e;

	params_defaults(&p);
	if (spacing_resolve(&p, rows, held_out, &e))
		fail_msg("%s", e.msg);
	return p.input_noise;
}

static void
assert_near(double got, double want)
{
	if (!(fabs(got - want) < 1e-4))
		fail_msg("%g, not %g", got, want);
}

/* n rows of d columns, row i at `apart` * i in all of them, scaled so that neighbours are `apart` from each other. */
static void
line(struct rows *rows, size_t n, size_t d, double apart)
{
	struct err e;

	assert_int_equal(rows_init(rows, n, d, 0, NULL, &e), OK);
	for (size_t i = 0; i < n * d; i++)
		rows->dense[i] = (float)(apart * ((double)(i / d) - (double)n / 2) / sqrt((double)d));
}

static void
noise_moves_rows_as_far_as_to_their_neighbours(void **state)
{
	struct rows rows;
	struct err e;

	(void)state;
	line(&rows, 100, 1, 0.3);
	assert_near(noise_of(&rows, NULL), 0.3 / sqrt(2));
	rows_release(&rows);
	/* A grid, of more rows than look for neighbours or make a block. */
	assert_int_equal(rows_init(&rows, 3000, 2, 0, NULL, &e), OK);
	for (size_t i = 0; i < 3000; i++) {
		rows.dense[2 * i] = 0.25f * (float)(i % 60);
		rows.dense[2 * i + 1] = 0.25f * (float)(i / 60 % 50);
	}
	assert_near(noise_of(&rows, NULL), 0.25 / 2);
	rows_release(&rows);
}

static void
noise_that_was_chosen_stays(void **state)
{
	struct rows rows;
	struct params p;
	struct err e;

	(void)state;
	line(&rows, 10, 2, 0.3);
	params_defaults(&p);
	p.input_noise = 0;
	assert_int_equal(spacing_resolve(&p, &rows, NULL, &e), OK);
	assert_true(p.input_noise == 0);
	rows_release(&rows);
}

static void
equal_rows_are_no_neighbours(void **state)
{
	struct rows rows;

	(void)state;
	line(&rows, 100, 2, 0.3);
	for (size_t i = 1; i < 100; i += 2)
		memcpy(rows.dense + 2 * i, rows.dense + 2 * (i - 1), 2 * sizeof *rows.dense);
	assert_near(noise_of(&rows, NULL), 0.6 / 2);
	memset(rows.dense, 0, 200 * sizeof *rows.dense); /* one row, a hundred times */
	assert_true(noise_of(&rows, NULL) == SPACING_MOST_NOISE);
	rows_release(&rows);
}

static void
rows_held_out_do_not_count(void **state)
{
	unsigned char held_out[100];
	struct rows rows;

	(void)state;
	line(&rows, 100, 2, 0.3);
	for (size_t i = 0; i < 100; i++)
		held_out[i] = i % 3 != 0;
	assert_near(noise_of(&rows, held_out), 0.9 / 2);
	memset(held_out, 1, sizeof held_out);
	assert_true(noise_of(&rows, held_out) == SPACING_MOST_NOISE);
	rows_release(&rows);
}

static void
noise_keeps_within_bounds(void **state)
{
	struct rows rows;

	(void)state;
	line(&rows, 100, 2, 0.01);
	assert_true(noise_of(&rows, NULL) == SPACING_LEAST_NOISE);
	rows_release(&rows);
	line(&rows, 100, 2, 5);
	assert_true(noise_of(&rows, NULL) == SPACING_MOST_NOISE);
	rows_release(&rows);
}

static void
categories_are_a_flip_of_two_features_apart(void **state)
{
	const uint32_t width[] = {4, 4};
	struct rows rows;
	struct err e;

	(void)state;
	assert_int_equal(rows_init(&rows, 64, 0, 2, width, &e), OK);
	for (size_t i = 0; i < 64; i++) {
		rows.code[2 * i] = (uint16_t)(i % 4);
		rows.code[2 * i + 1] = (uint16_t)(i / 4 % 4);
	}
	rows.on = 0.5f;
	rows.off = -0.5f;
	assert_near(noise_of(&rows, NULL), sqrt(2) / sqrt(16));
	rows_release(&rows);
}

/* Rounding must not take what is close for what is equal, however far from the origin. */
static void
one_row_far_away_changes_nothing(void **state)
{
	struct rows rows;

	(void)state;
	line(&rows, 101, 2, 0.3);
	for (size_t i = 0; i < 202; i++)
		rows.dense[i] += 1000;
	rows.dense[0] = rows.dense[1] = -1000;
	assert_near(noise_of(&rows, NULL), 0.3 / 2);
	rows_release(&rows);
}

/* Pairs of twins, each of them 0.3 in every feature from the other and far from all else: in few columns all look at
 * all, in 200,000 few look. */
static void
twins_find_each_other_in_any_number_of_columns(void **state)
{
	static const size_t n[] = {2000, 40}, d[] = {3, 200000};

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct rows rows;
		struct rng rng;
		struct err e;

		assert_int_equal(rows_init(&rows, n[k], d[k], 0, NULL, &e), OK);
		rng_init(&rng, 5, 0);
		for (size_t i = 0; i < n[k]; i += 2) {
			real at;

			rng_normal(&rng, &at, 1);
			for (size_t j = 0; j < d[k]; j++) {
				rows.dense[i * d[k] + j] = 1000 * (float)at;
				rows.dense[(i + 1) * d[k] + j] = 1000 * (float)at + 0.3f;
			}
		}
		assert_true(fabs(noise_of(&rows, NULL) - 0.3 / sqrt(2)) < 1e-3);
		rows_release(&rows);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_moves_rows_as_far_as_to_their_neighbours),
		cmocka_unit_test(noise_that_was_chosen_stays),
		cmocka_unit_test(equal_rows_are_no_neighbours),
		cmocka_unit_test(rows_held_out_do_not_count),
		cmocka_unit_test(noise_keeps_within_bounds),
		cmocka_unit_test(categories_are_a_flip_of_two_features_apart),
		cmocka_unit_test(one_row_far_away_changes_nothing),
		cmocka_unit_test(twins_find_each_other_in_any_number_of_columns),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
