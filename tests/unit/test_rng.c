/* rng: the published test vectors, the moments of what it draws, and its independence of how it is asked. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/rng.h"

enum { N = 400000 };

/* Known answers of Philox4x32-10 (Salmon et al. 2011): counter 0, key 0 gives 6627e8d5 e169c58d bc57ac4c 9b00dbd8. */
static void
the_first_block_is_the_published_one(void **state)
{
	struct rng r;
	uint32_t draw[64];
	/* below(2^32 - 1) of a word w is w - 1 or w: enough to recognise it. Word k of block 0 is draw k * 16. */
	const uint32_t want[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};

	(void)state;
	rng_init(&r, 0, 0);
	rng_below(&r, UINT32_MAX, draw, 64);
	for (size_t k = 0; k < 4; k++)
		assert_true(draw[k * 16] == want[k] || draw[k * 16] == want[k] - 1);
}

static void
uniform_and_normal_draws_have_their_moments(void **state)
{
	real *x = malloc(N * sizeof *x);
	double mean = 0, square = 0, fourth = 0, lag = 0;
	struct rng r;

	(void)state;
	rng_init(&r, 42, 1);
	rng_uniform(&r, x, N);
	for (size_t i = 0; i < N; i++) {
		assert_true(x[i] > 0 && x[i] < 1);
		mean += (double)x[i] / N;
		square += (double)x[i] * (double)x[i] / N;
	}
	assert_true(fabs(mean - 0.5) < 5 * sqrt(1.0 / 12 / N) && fabs(square - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
	mean = square = 0;
	rng_normal(&r, x, N);
	for (size_t i = 0; i < N; i++) {
		double v = (double)x[i];

		assert_true(fabs(v) < 6);
		mean += v / N;
		square += v * v / N;
		fourth += v * v * v * v / N;
		lag += i ? v * (double)x[i - 1] / N : 0;
	}
	assert_true(fabs(mean) < 5 / sqrt(N) && fabs(square - 1) < 5 * sqrt(2.0 / N));
	assert_true(fabs(fourth - 3) < 5 * sqrt(96.0 / N) && fabs(lag) < 5 / sqrt(N));
	free(x);
}

static void
below_reaches_every_value_evenly(void **state)
{
	uint32_t *draw = malloc(N * sizeof *draw);
	size_t count[7] = {0};
	struct rng r;

	(void)state;
	rng_init(&r, 9, 0);
	rng_below(&r, 7, draw, N);
	for (size_t i = 0; i < N; i++) {
		assert_true(draw[i] < 7);
		count[draw[i]]++;
	}
	for (size_t k = 0; k < 7; k++)
		assert_true(fabs((double)count[k] - N / 7.0) < 5 * sqrt(N / 7.0));
	free(draw);
}

static void
a_permutation_has_each_number_once(void **state)
{
	uint32_t order[1000];
	unsigned char seen[1000] = {0};
	size_t fixed = 0;
	struct rng r;

	(void)state;
	rng_init(&r, 5, 0);
	rng_permutation(&r, order, 1000);
	for (size_t i = 0; i < 1000; i++) {
		assert_true(order[i] < 1000 && !seen[order[i]]);
		seen[order[i]] = 1;
		fixed += order[i] == i;
	}
	assert_true(fixed < 10);
	rng_permutation(&r, order, 1);
	assert_int_equal(order[0], 0);
	rng_permutation(&r, order, 0);
}

static void
a_copied_stream_goes_on_alike_and_other_streams_do_not(void **state)
{
	struct rng a, b, c;
	real x[100], y[100], z[100];

	(void)state;
	rng_init(&a, 1, 2);
	rng_normal(&a, x, 33);
	b = a;
	rng_init(&c, 1, 3);
	rng_normal(&a, x, 100);
	rng_normal(&b, y, 100);
	rng_normal(&c, z, 100);
	assert_memory_equal(x, y, sizeof x);
	assert_memory_not_equal(x, z, sizeof x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_block_is_the_published_one),
		cmocka_unit_test(uniform_and_normal_draws_have_their_moments),
		cmocka_unit_test(below_reaches_every_value_evenly),
		cmocka_unit_test(a_permutation_has_each_number_once),
		cmocka_unit_test(a_copied_stream_goes_on_alike_and_other_streams_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
