/* linear: logistic regression against its optimum's conditions, and where they can be worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/linear.h"
#include "engine/rng.h"

enum { N = 60, D = 12, K = 3, SIZE = (D + 1) * K };

static struct err err;
static real x[N * D];
static int32_t y[N];

static void
draw(uint64_t seed)
{
	struct rng rng;

	rng_init(&rng, seed, 0);
	rng_normal(&rng, x, N * D);
	for (size_t i = 0; i < N; i++) {
		y[i] = (int32_t)(i % K);
		x[i * D + (size_t)y[i]] += 1; /* classes overlap */
	}
}

/* p [N][K] by the weights, and the objective's value. */
static double
value_at(const struct linear_data *data, const double *weight, const real *w, double *p)
{
	double value = 0;

	for (size_t i = 0; i < data->n; i++) {
		double sum = 0;

		for (size_t k = 0; k < K; k++) {
			double z = (double)w[D * K + k];

			for (size_t j = 0; j < D; j++)
				z += (double)(w[k * D + j] * data->x[i * D + j]);
			sum += p[i * K + k] = exp(z);
		}
		for (size_t k = 0; k < K; k++)
			p[i * K + k] /= sum;
		value -= weight[data->y[i]] * log(p[i * K + (size_t)data->y[i]]);
	}
	for (size_t j = 0; j < D * K; j++)
		value += LINEAR_PENALTY / 2 * (double)(w[j] * w[j]);
	return value;
}

static const double equal[K] = {1, 1, 1};

/* Convex and smooth: where all slopes vanish is the optimum, and it is nowhere else. */
static void
assert_optimal(const struct linear_data *data, const double *weight, const real *w)
{
	static double p[N * K];

	value_at(data, weight, w, p);
	for (size_t k = 0; k < K; k++) {
		for (size_t j = 0; j <= D; j++) {
			double slope = j < D ? LINEAR_PENALTY * (double)w[k * D + j] : 0;

			for (size_t i = 0; i < data->n; i++)
				slope += weight[data->y[i]] * (p[i * K + k] - ((size_t)data->y[i] == k)) *
					 (j < D ? (double)data->x[i * D + j] : 1);
			assert_true(fabs(slope) < 0.05); /* of sums over 60 rows */
		}
	}
}

static void
the_optimum_is_found(void **state)
{
	const struct linear_data data = {.n = N, .d = D, .n_classes = K, .x = x, .y = y};
	static double p[N * K];
	real w[SIZE], near[SIZE];

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		draw(seed);
		assert_int_equal(linear_fit(&data, w, &err), OK);
		assert_optimal(&data, equal, w);
		for (size_t j = 0; j < SIZE; j++) {
			for (size_t i = 0; i < SIZE; i++)
				near[i] = w[i] + (i == j ? (real)0.2 : 0);
			assert_true(value_at(&data, equal, near, p) > value_at(&data, equal, w, p));
		}
	}
}

/* Separable: without the penalty the weights would have no end. */
static void
more_columns_than_rows_have_an_end(void **state)
{
	const struct linear_data data = {.n = 6, .d = D, .n_classes = K, .x = x, .y = y};
	real w[SIZE];

	(void)state;
	draw(6);
	assert_int_equal(linear_fit(&data, w, &err), OK);
	assert_true(kernel_finite(w, SIZE));
	assert_optimal(&data, equal, w);
}

static void
class_weights_count_by_their_ratio(void **state)
{
	const double weight[K] = {1, 2, 6}, thrice[K] = {3, 6, 18}, scaled[K] = {1.0 / 3, 2.0 / 3, 2};
	struct linear_data data = {.n = N, .d = D, .n_classes = K, .x = x, .y = y, .class_weight = weight};
	real w[SIZE], again[SIZE];

	(void)state;
	draw(7);
	assert_int_equal(linear_fit(&data, w, &err), OK);
	assert_optimal(&data, scaled, w);
	data.class_weight = thrice;
	assert_int_equal(linear_fit(&data, again, &err), OK);
	for (size_t j = 0; j < SIZE; j++)
		assert_true(fabs((double)(w[j] - again[j])) < 1e-4);
}

static bool
stop_at_once(void *ctx)
{
	++*(int *)ctx;
	return true;
}

static void
it_stops_when_asked(void **state)
{
	int asked = 0;
	const struct linear_data data = {
		.n = N, .d = D, .n_classes = K, .x = x, .y = y, .stop = stop_at_once, .ctx = &asked};
	real w[SIZE];

	(void)state;
	draw(8);
	assert_int_equal(linear_fit(&data, w, &err), ERR_CANCELLED);
	assert_string_equal(err.code, "stopped");
	assert_int_equal(asked, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_optimum_is_found),
		cmocka_unit_test(more_columns_than_rows_have_an_end),
		cmocka_unit_test(class_weights_count_by_their_ratio),
		cmocka_unit_test(it_stops_when_asked),
	};

	if (kernel_init(&err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
