/*
 * matrix_units: products in bfloat16 against naive loops over the narrowed numbers, from many callers and for any
 * number of threads; and a training run with them. Where build or processor has none, only the refusal can be seen.
 */
#include <pthread.h>

#include "engine/kernel.h"
#include "engine/matrix_units.h"
#include "tests/unit/clouds.h"

#include <stdio.h>
#include <stdlib.h>

static float *
normal(size_t n, uint64_t stream)
{
	float *x = malloc((n + 1) * sizeof *x);
	struct rng rng;

	rng_init(&rng, 3, stream);
	rng_normal(&rng, x, n);
	return x;
}

static float
widened(uint16_t v)
{
	const uint32_t bits = (uint32_t)v << 16;
	float f;

	memcpy(&f, &bits, sizeof f);
	return f;
}

static void
numbers_are_rounded_to_the_nearest_ties_to_even(void **state)
{
	const float from[] = {
		1, 1.00390625f, 1.01171875f, 1.004f, -3.14159f, 0, 3.4028235e38f, INFINITY, -INFINITY, NAN};
	const float want[] = {1, 1, 1.015625f, 1.0078125f, -3.140625f, 0, INFINITY, INFINITY, -INFINITY};
	uint16_t to[10];
	uint32_t bits = 0x7f800001; /* a NaN whose upper half says infinity */
	float nan;

	(void)state;
	matrix_units_narrow(to, from, 10);
	for (size_t i = 0; i < 9; i++)
		assert_true(widened(to[i]) == want[i]);
	assert_true(isnan(widened(to[9])));
	memcpy(&nan, &bits, sizeof nan);
	matrix_units_narrow(to, &nan, 1);
	assert_true(isnan(widened(to[0])));
}

enum { M = 67, W = 131, D = 257, SPACE = 1 << 18, CALLERS = 6, ROUNDS = 40 };
static float *x, *w, *dy, *bias;

struct products { /* of one layer */
	float y[M * W], dx[M * D], dw[W * D], db[W];
};

static struct products *
multiply(int threads)
{
	struct products *p = malloc(sizeof *p);
	uint16_t *space = malloc(SPACE * sizeof *space);

	kernel_narrow(space, SPACE);
	kernel_affine(p->y, x, w, bias, M, W, D, ACTIVATION_LEAKY_RELU, threads);
	kernel_affine_backward_input(p->dx, dy, w, NULL, M, W, D, threads);
	kernel_affine_backward_weights(p->dw, p->db, dy, x, M, M, W, D, threads);
	kernel_narrow(NULL, 0);
	free(space);
	return p;
}

/* The largest difference from sum over l of a[i, l] b[l, j], both narrowed, in units of the largest sum. */
static double
difference(const float *got, const float *a, size_t a_row, size_t a_column, const float *b, size_t b_row,
	size_t b_column, size_t m, size_t n, size_t k)
{
	double top = 0, most = 0;

	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			double sum = 0;

			for (size_t l = 0; l < k; l++) {
				uint16_t v[2];

				matrix_units_narrow(v, a + i * a_row + l * a_column, 1);
				matrix_units_narrow(v + 1, b + l * b_row + j * b_column, 1);
				sum += (double)widened(v[0]) * (double)widened(v[1]);
			}
			top = fmax(top, fabs(sum));
			most = fmax(most, fabs((double)got[i * n + j] - sum));
		}
	return most / top;
}

static void
products_agree_with_naive_loops_over_narrowed_numbers(void **state)
{
	struct products *p = multiply(2);
	struct products *wide = malloc(sizeof *wide);

	(void)state;
	assert_true(difference(p->dx, dy, W, 1, w, D, 1, M, D, W) < 1e-5);
	assert_true(difference(p->dw, dy, 1, W, x, D, 1, W, D, M) < 1e-5);
	for (size_t i = 0; i < M * W; i++) /* before the activation and the bias */
		p->y[i] = (p->y[i] > 0 ? p->y[i] : p->y[i] / LEAKY_SLOPE) - bias[i % W];
	assert_true(difference(p->y, x, D, 1, w, 1, D, M, W, D) < 1e-5);
	/* And they are narrow ones: the wide differ by about what eight bits lose. */
	kernel_affine_backward_input(wide->dx, dy, w, NULL, M, W, D, 1);
	assert_memory_not_equal(wide->dx, p->dx, sizeof p->dx);
	assert_true(difference(wide->dx, dy, W, 1, w, D, 1, M, D, W) < 0.02);
	free(p), free(wide);
}

static void
the_number_of_threads_does_not_change_a_bit(void **state)
{
	struct products *one = multiply(1);

	(void)state;
	for (int threads = 2; threads <= 4; threads++) {
		struct products *p = multiply(threads);

		assert_memory_equal(p->y, one->y, sizeof p->y);
		assert_memory_equal(p->dx, one->dx, sizeof p->dx);
		assert_memory_equal(p->dw, one->dw, sizeof p->dw);
		free(p);
	}
	free(one);
}

static void *
multiply_often(void *arg)
{
	struct products *want = arg;
	size_t bad = 0;

	for (size_t r = 0; r < ROUNDS; r++) {
		struct products *p = multiply(1);

		bad += memcmp(p->y, want->y, sizeof p->y) != 0 || memcmp(p->dw, want->dw, sizeof p->dw) != 0;
		free(p);
	}
	return (void *)bad;
}

static void
many_callers_at_once_get_the_same_numbers(void **state)
{
	pthread_t thread[CALLERS];
	struct products *want = multiply(1);

	(void)state;
	for (size_t i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, multiply_often, want), 0);
	for (size_t i = 0; i < CALLERS; i++) {
		void *bad;

		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	free(want);
}

static void
a_run_in_bfloat16_learns_three_clouds(void **state)
{
	struct clouds c;
	struct trainer *one, *two;
	struct train_result r;
	struct err e;

	(void)state;
	clouds_init(&c, METHOD_VERA);
	c.params.precision = PRECISION_BF16;
	assert_int_equal(params_resolve(&c.params, N, K * LABELLED, c.rows.d, K, &e), OK);
	c.params.evaluation_folds = 2;
	one = trainer_of(&c, 1);
	two = trainer_of(&c, 2);
	same_bytes(result_of(one), result_of(two));
	assert_int_equal(trainer_finish(one, &r, &e), OK);
	if (!(r.measures.accuracy > 0.9))
		fail_msg("accuracy %.3f", r.measures.accuracy);
	train_result_release(&r);
	trainer_free(one);
	trainer_free(two);
	rows_release(&c.rows);
}

static void
without_units_for_it_the_precision_is_refused(void **state)
{
	const struct matrix_shape shape = {16, 16, 16, 16, 1, 16, 1, 16};
	struct clouds c;
	struct err e;
	float y[16 * 16];
	uint16_t v[16 * 16] = {0};

	(void)state;
	assert_false(matrix_units_multiply(&shape, v, v, y));
	clouds_init(&c, METHOD_VERA);
	c.params.precision = PRECISION_BF16;
	assert_int_equal(params_resolve(&c.params, N, K * LABELLED, c.rows.d, K, &e), ERR_INVALID);
	assert_string_equal(e.code, "precision_unavailable");
	rows_release(&c.rows);
}

int
main(void)
{
	const struct CMUnitTest with[] = {
		cmocka_unit_test(numbers_are_rounded_to_the_nearest_ties_to_even),
		cmocka_unit_test(products_agree_with_naive_loops_over_narrowed_numbers),
		cmocka_unit_test(the_number_of_threads_does_not_change_a_bit),
		cmocka_unit_test(many_callers_at_once_get_the_same_numbers),
		cmocka_unit_test(a_run_in_bfloat16_learns_three_clouds),
	};
	const struct CMUnitTest without[] = {
		cmocka_unit_test(numbers_are_rounded_to_the_nearest_ties_to_even),
		cmocka_unit_test(without_units_for_it_the_precision_is_refused),
	};
	struct err e;
	int failed;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	x = normal(M * D, 1), w = normal(W * D, 2), dy = normal(M * W, 3), bias = normal(W, 4);
	failed = kernel_narrow_available() ? cmocka_run_group_tests(with, NULL, NULL)
					   : cmocka_run_group_tests(without, NULL, NULL);
	free(x), free(w), free(dy), free(bias);
	return failed;
}
