/* Labels spread over a graph of neighbours, beside the same by a dense solution of its definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/neighbours.h"
#include "engine/rng.h"

static const struct neighbours_options quiet = {.threads = 1};

/* y is spread over the graph of x, which stays as it is. */
static void
spread(const real *x, size_t n, size_t d, float *y, size_t k, int threads)
{
	const struct neighbours_options o = {.threads = threads};
	struct neighbours *g = NULL;
	real *moved = malloc((n * d + 1) * sizeof *moved);
	struct err e;

	memcpy(moved, x, n * d * sizeof *x);
	if (neighbours_new(moved, n, d, &o, &g, &e) || neighbours_spread(g, y, k, &o, &e))
		fail_msg("%s", e.msg);
	neighbours_free(g);
	free(moved);
}

static double
squared(const real *x, size_t d, size_t i, size_t j)
{
	double sum = 0;

	for (size_t c = 0; c < d; c++)
		sum += pow((double)x[i * d + c] - (double)x[j * d + c], 2);
	return sum;
}

static size_t
rank_of(const real *x, size_t n, size_t d, size_t i, size_t j)
{
	size_t rank = 0;

	for (size_t other = 0; other < n; other++)
		rank += other != i && other != j && squared(x, d, i, other) < squared(x, d, i, j);
	return rank;
}

/* What is spread where edges, degrees and the inverse are written down as the header has them. */
static void
solve_densely(const real *x, size_t n, size_t d, const float *y, size_t k, double *f)
{
	const double a = NEIGHBOURS_PASSED_ON;
	double *w = calloc(n * n, sizeof *w), *reach = calloc(n, sizeof *reach), *degree = calloc(n, sizeof *degree);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (j != i && rank_of(x, n, d, i, j) == NEIGHBOURS - 1)
				reach[i] = sqrt(squared(x, d, i, j));
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (i != j && (rank_of(x, n, d, i, j) < NEIGHBOURS || rank_of(x, n, d, j, i) < NEIGHBOURS))
				degree[i] += w[i * n + j] = exp(-squared(x, d, i, j) / (reach[i] * reach[j]));
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			w[i * n + j] = (i == j) - a * w[i * n + j] / sqrt(degree[i] * degree[j]);
	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < k; c++)
			f[c * n + i] = (1 - a) * (double)y[i * k + c];
	assert_true(kernel_solve_positive(w, f, n, k));
	free(w);
	free(reach);
	free(degree);
}

static void
spread_labels_solve_their_equation(void **state)
{
	enum { N = 60, D = 3, K = 2 };
	real x[N * D];
	float y[N * K] = {0}, spent[N * K];
	double f[K * N];
	struct rng rng;

	(void)state;
	rng_init(&rng, 5, 0);
	rng_normal(&rng, x, N * D);
	for (size_t i = 0; i < N * D; i++)
		x[i] += 3;
	y[0 * K + 0] = y[1 * K + 1] = 1;
	y[2 * K + 1] = 2;
	memcpy(spent, y, sizeof y);
	solve_densely(x, N, D, y, K, f);
	spread(x, N, D, spent, K, 1);
	for (size_t i = 0; i < N; i++)
		for (size_t c = 0; c < K; c++)
			if (fabs((double)spent[i * K + c] - f[c * N + i]) > 4e-3 * f[c * N + i] + 1e-6)
				fail_msg("row %zu class %zu: %g, not %g", i, c, (double)spent[i * K + c], f[c * N + i]);
}

/* Two arcs around each other, a label at one end of each: straight distance would get half of them wrong. */
static void
a_label_follows_its_arc(void **state)
{
	enum { N = 600 };
	real *x = malloc(2 * N * sizeof *x);
	float *y = calloc(2 * N, sizeof *y);

	(void)state;
	for (size_t i = 0; i < N; i++) {
		const double at = 3.1 * (double)(i / 2) / (N / 2.0);

		x[2 * i] = (real)(i % 2 ? 1 - cos(at) : cos(at));
		x[2 * i + 1] = (real)(i % 2 ? 0.5 - sin(at) : sin(at));
	}
	y[0] = y[3] = 1; /* of rows 0 and 1 */
	spread(x, N, 2, y, 2, 1);
	for (size_t i = 0; i < N; i++)
		assert_true(y[2 * i + i % 2] > 0 && y[2 * i + i % 2] > y[2 * i + 1 - i % 2]);
	free(x);
	free(y);
}

static void
a_cluster_without_labels_stays_without(void **state)
{
	enum { N = 40 };
	real x[N];
	float y[N] = {0};

	(void)state;
	for (size_t i = 0; i < N; i++)
		x[i] = (real)i * (real)0.01 + (i < N / 2 ? 0 : 100);
	y[3] = 1;
	spread(x, N, 1, y, 1, 1);
	for (size_t i = 0; i < N; i++)
		assert_true(i < N / 2 ? y[i] > 0 : y[i] == 0);
}

/* Doubles as many as neighbours, one row alone, none: there is always an answer, and it is a number. */
static void
odd_tables_are_no_trouble(void **state)
{
	real x[60] = {0};

	(void)state;
	for (size_t i = 40; i < 60; i++)
		x[i] = 1 + (real)i;
	for (size_t n = 0; n <= 60; n += n < 8 ? 1 : 13) {
		float y[60] = {1};

		spread(x, n, 1, y, 1, 1);
		for (size_t i = 0; i < n; i++)
			assert_true(isfinite(y[i]) && y[i] >= 0);
		assert_true(n < 2 || y[1] > 0); /* a double of the labelled row */
	}
}

/* Small distances among large numbers, which a product of matrices alone would not tell. */
static void
near_rows_are_told_apart_far_from_the_mean(void **state)
{
	enum { N = 2000 };
	real *x = malloc(N * sizeof *x);
	float *y = calloc(N, sizeof *y);

	(void)state;
	for (size_t i = 0; i < N; i++)
		x[i] = (i < N / 2 ? -1000 : 1000) + (real)(i % (N / 2)) * (real)0.5;
	y[0] = 1;
	spread(x, N, 1, y, 1, 2);
	for (size_t i = 1; i < 30; i++) /* less and less the further away */
		assert_true(y[i + 3] < y[i]);
	assert_true(y[N / 2] == 0);
	free(x);
	free(y);
}

static void
threads_do_not_matter(void **state)
{
	enum { N = 700, D = 20, K = 3 };
	real *x = malloc(N * D * sizeof *x);
	float *one = calloc(N * K, sizeof *one), *four = calloc(N * K, sizeof *four);
	struct rng rng;

	(void)state;
	rng_init(&rng, 6, 0);
	rng_normal(&rng, x, N * D);
	for (size_t i = 0; i < 9; i++)
		one[i * K + i % K] = four[i * K + i % K] = 1;
	spread(x, N, D, one, K, 1);
	spread(x, N, D, four, K, 4);
	assert_memory_equal(one, four, N * K * sizeof *one);
	free(x);
	free(one);
	free(four);
}

static bool
at_once(void *ctx)
{
	return !(*(int *)ctx)--;
}

static void
it_can_be_stopped(void **state)
{
	real x[50];
	float y[50] = {1};
	int questions = 0;
	struct neighbours_options o = {.threads = 1, .stop = at_once, .ctx = &questions};
	struct neighbours *g = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < 50; i++)
		x[i] = (real)i;
	assert_int_equal(neighbours_new(x, 50, 1, &o, &g, &e), ERR_CANCELLED);
	assert_string_equal(e.code, "stopped");
	assert_int_equal(neighbours_new(x, 50, 1, &quiet, &g, &e), OK);
	questions = 3;
	assert_int_equal(neighbours_spread(g, y, 1, &o, &e), ERR_CANCELLED);
	assert_true(y[0] == 1 && y[1] == 0);
	neighbours_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spread_labels_solve_their_equation),
		cmocka_unit_test(a_label_follows_its_arc),
		cmocka_unit_test(a_cluster_without_labels_stays_without),
		cmocka_unit_test(odd_tables_are_no_trouble),
		cmocka_unit_test(near_rows_are_told_apart_far_from_the_mean),
		cmocka_unit_test(threads_do_not_matter),
		cmocka_unit_test(it_can_be_stopped),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
