/* kernel and elementary: against naive loops in double, the same bits for any number of threads, and from many callers.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/elementary.h"
#include "engine/kernel.h"
#include "engine/rng.h"

static real *
normal(size_t n, uint64_t stream)
{
	real *x = malloc((n + 1) * sizeof *x);
	struct rng rng;

	rng_init(&rng, 3, stream);
	rng_normal(&rng, x, n);
	return x;
}

static void
near(const real *got, const double *want, size_t n, double tolerance)
{
	double top = 0;

	for (size_t i = 0; i < n; i++)
		top = fmax(top, fabs(want[i]));
	for (size_t i = 0; i < n; i++)
		if (!(fabs((double)got[i] - want[i]) <= tolerance * top))
			fail_msg("[%zu]: %g, should be %g", i, (double)got[i], want[i]);
}

/* Shapes from a single number to ones that are cut into many tiles, with odd borders. */
static const size_t shapes[][3] = {
	{1, 1, 1}, {3, 5, 2}, {1, 256, 131}, {64, 10, 250}, {67, 131, 257}, {192, 256, 256}, {640, 500, 128}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static double
leaky(double v)
{
	return v > 0 ? v : v * (double)LEAKY_SLOPE;
}

static void
affine_layers_agree_with_naive_loops(void **state)
{
	(void)state;
	for (size_t c = 0; c < N_SHAPES; c++) {
		size_t m = shapes[c][0], n = shapes[c][1], k = shapes[c][2];
		real *x = normal(m * k, 1), *w = normal(n * k, 2), *b = normal(n, 3), *y = malloc(m * n * sizeof *y);
		real *a = normal(m * n, 4), *dx = malloc(m * k * sizeof *dx), *dw = malloc(n * k * sizeof *dw);
		real *db = malloc(n * sizeof *db), *mask = normal(m * k, 5);
		double *want = malloc((m * n + m * k + n * k) * sizeof *want);
		size_t m_bias = m / 2 + 1;

		for (size_t i = 0; i < m; i++)
			for (size_t j = 0; j < n; j++) {
				want[i * n + j] = (double)b[j];
				for (size_t l = 0; l < k; l++)
					want[i * n + j] += (double)x[i * k + l] * (double)w[j * k + l];
				want[i * n + j] = leaky(want[i * n + j]);
			}
		kernel_affine(y, x, w, b, m, n, k, ACTIVATION_LEAKY_RELU, 2);
		near(y, want, m * n, 1e-5);

		for (size_t i = 0; i < m; i++)
			for (size_t j = 0; j < n; j++) {
				want[i * n + j] = (double)b[j];
				for (size_t l = 0; l < k; l++)
					want[i * n + j] += (double)x[i * k + l] * (double)w[j * k + l];
				want[i * n + j] = log1p(exp(want[i * n + j]));
			}
		kernel_affine(y, x, w, b, m, n, k, ACTIVATION_SOFTPLUS, 2);
		near(y, want, m * n, 1e-5);

		for (size_t i = 0; i < m; i++)
			for (size_t j = 0; j < n; j++) {
				want[i * n + j] = 0;
				for (size_t l = 0; l < k; l++)
					want[i * n + j] += (double)x[i * k + l] * (double)w[j * k + l];
				want[i * n + j] *= a[i * n + j] > 0 ? 1 : (double)LEAKY_SLOPE;
			}
		kernel_affine_tangent(y, x, w, a, m, n, k, 2);
		near(y, want, m * n, 1e-5);

		for (size_t i = 0; i < m; i++)
			for (size_t l = 0; l < k; l++) {
				want[i * k + l] = 0;
				for (size_t j = 0; j < n; j++)
					want[i * k + l] += (double)a[i * n + j] * (double)w[j * k + l];
				want[i * k + l] *= mask[i * k + l] > 0 ? 1 : (double)LEAKY_SLOPE;
			}
		kernel_affine_backward_input(dx, a, w, mask, m, n, k, 2);
		near(dx, want, m * k, 1e-5);

		for (size_t j = 0; j < n; j++)
			for (size_t l = 0; l < k; l++) {
				want[j * k + l] = 0;
				for (size_t i = 0; i < m; i++)
					want[j * k + l] += (double)a[i * n + j] * (double)x[i * k + l];
			}
		kernel_affine_backward_weights(dw, db, a, x, m, m_bias, n, k, 2);
		near(dw, want, n * k, 1e-5);
		for (size_t j = 0; j < n; j++) {
			want[j] = 0;
			for (size_t i = 0; i < m_bias; i++)
				want[j] += (double)a[i * n + j];
		}
		near(db, want, n, 1e-5);
		free(x), free(w), free(b), free(y), free(a), free(dx), free(dw), free(db), free(mask), free(want);
	}
}

static void
batch_norm_and_softplus_agree_with_naive_loops(void **state)
{
	enum { M = 130, N = 150, K = 40 };
	real *x = normal(M * K, 1), *w = normal(N * K, 2), *scale = normal(N, 3), *shift = normal(N, 4);
	real *y = malloc(M * N * sizeof *y), *xhat = malloc(M * N * sizeof *xhat), *inv = malloc(N * sizeof *inv);
	double *want = malloc(M * N * sizeof *want);

	(void)state;
	for (size_t j = 0; j < N; j++) {
		double mean = 0, variance = 0, z[M];

		for (size_t i = 0; i < M; i++) {
			z[i] = 0;
			for (size_t l = 0; l < K; l++)
				z[i] += (double)x[i * K + l] * (double)w[j * K + l];
			mean += z[i] / M;
		}
		for (size_t i = 0; i < M; i++)
			variance += (z[i] - mean) * (z[i] - mean) / M;
		for (size_t i = 0; i < M; i++) {
			double v = (z[i] - mean) / sqrt(variance + (double)BATCH_NORM_EPSILON) * (double)scale[j];

			want[i * N + j] = log1p(exp(v + (double)shift[j]));
		}
	}
	kernel_batch_norm_softplus(y, xhat, inv, x, w, scale, shift, M, N, K, 2);
	near(y, want, M * N, 1e-5);
	kernel_batch_norm_softplus(y, y, inv, x, w, scale, shift, M, N, K, 2); /* without a backward pass to come */
	near(y, want, M * N, 1e-5);
	free(x), free(w), free(scale), free(shift), free(y), free(xhat), free(inv), free(want);
}

/* Many enough that they are cut into tiles. */
static void
the_gradient_behind_softplus_becomes_that_before_it(void **state)
{
	enum { N = 20000 };
	real *v = normal(N, 1), *dy = normal(N, 2), *y = malloc(N * sizeof *y);
	double *want = malloc(N * sizeof *want);

	(void)state;
	for (size_t i = 0; i < N; i++) {
		y[i] = (real)log1p(exp((double)v[i]));
		want[i] = (double)dy[i] / (1 + exp(-(double)v[i]));
	}
	kernel_softplus_backward(dy, y, N, 2);
	near(dy, want, N, 1e-5);
	free(v), free(dy), free(y), free(want);
}

static void
positive_systems_are_solved_and_others_left_alone(void **state)
{
	enum { N = 40, M = 7 };
	real *root = normal(N * N, 1), *x = normal(M * N, 2);
	double a[N * N], b[M * N], kept[M * N] = {0};

	(void)state;
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < N; j++) {
			a[i * N + j] = i == j;
			for (size_t l = 0; l < N; l++)
				a[i * N + j] += (double)root[i * N + l] * (double)root[j * N + l];
		}
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < N; j++) {
			b[i * N + j] = 0;
			for (size_t l = 0; l < N; l++)
				b[i * N + j] += a[j * N + l] * (double)x[i * N + l];
		}
	assert_true(kernel_solve_positive(a, b, N, M));
	for (size_t i = 0; i < M * N; i++)
		assert_true(fabs(b[i] - (double)x[i]) < 1e-9);

	memset(a, 0, sizeof a);
	memcpy(kept, b, sizeof b);
	a[0] = 1, a[N + 1] = -1;
	assert_false(kernel_solve_positive(a, b, N, M));
	assert_memory_equal(b, kept, sizeof b);
	assert_true(kernel_solve_positive(a, b, 0, M) && kernel_solve_positive(a, b, N, 0));
	free(root), free(x);
}

static void
softmax_survives_huge_logits(void **state)
{
	real logits[] = {1000, 999, -1000, 0, 0, 0, -3e5f, -3e5f, -2e5f}, p[9], lse[3];

	(void)state;
	kernel_softmax(p, lse, logits, 1, 3, 3);
	assert_true(fabs((double)p[0] - 1 / (1 + exp(-1.0))) < 1e-6 && kernel_finite(p, 9) && kernel_finite(lse, 3));
	assert_true(fabs((double)lse[1] - log(3.0)) < 1e-6 && fabs((double)p[4] - 1.0 / 3) < 1e-6);
	assert_true(lse[2] == (real)-2e5);
	kernel_softmax(p, NULL, logits, 1000, 1, 3);
	assert_true(p[0] < (real)0.5 && p[2] > (real)0.05);
}

static void
the_number_of_threads_does_not_change_a_bit(void **state)
{
	enum { M = 320, N = 500, K = 300 };
	real *x = normal(M * K, 1), *w = normal(N * K, 2), *b = normal(N, 3), *dy = normal(M * N, 4);
	real *y[4], *dw[4], *dx[4], *h[4], *a[4];
	int threads[] = {1, 2, 3, 4};

	(void)state;
	for (size_t t = 0; t < 4; t++) {
		real *inv = malloc(N * sizeof *inv), *v = calloc(N * K, sizeof *v), *average = calloc(N * K, sizeof *v);

		y[t] = malloc(M * N * sizeof(real)), dw[t] = malloc(N * (K + 1) * sizeof(real));
		dx[t] = malloc(M * K * sizeof(real)), h[t] = malloc(M * N * sizeof(real));
		a[t] = malloc(N * K * sizeof(real));
		kernel_affine(y[t], x, w, b, M, N, K, ACTIVATION_LEAKY_RELU, threads[t]);
		kernel_affine_backward_input(dx[t], dy, w, x, M, N, K, threads[t]);
		kernel_affine_backward_weights(dw[t], dw[t] + N * K, dy, x, M, M, N, K, threads[t]);
		kernel_batch_norm_softplus(h[t], h[t], inv, x, w, b, b, M, N, K, threads[t]);
		memcpy(a[t], w, N * K * sizeof(real));
		kernel_adam(a[t], v, average, dw[t], N * K, (real)1e-3, (real)0.9, (real)0.1, (real)1e-8, (real)0.99,
			threads[t]);
		assert_memory_equal(y[t], y[0], M * N * sizeof(real));
		assert_memory_equal(dx[t], dx[0], M * K * sizeof(real));
		assert_memory_equal(dw[t], dw[0], N * (K + 1) * sizeof(real));
		assert_memory_equal(h[t], h[0], M * N * sizeof(real));
		assert_memory_equal(a[t], a[0], N * K * sizeof(real));
		free(inv), free(v), free(average);
	}
	for (size_t t = 0; t < 4; t++)
		free(y[t]), free(dw[t]), free(dx[t]), free(h[t]), free(a[t]);
	free(x), free(w), free(b), free(dy);
}

/* OpenBLAS' serial build returns wrong numbers to concurrent callers; this is how that would show. */
enum { CALLERS = 8, ROUNDS = 150, CM = 96, CN = 128, CK = 160 };
static real *call_x, *call_w, *call_want;

static void *
multiply_often(void *arg)
{
	size_t *bad = arg;
	real *y = malloc(CM * CN * sizeof *y);

	for (size_t r = 0; r < ROUNDS; r++) {
		kernel_affine(y, call_x, call_w, NULL, CM, CN, CK, ACTIVATION_NONE, 1);
		*bad += memcmp(y, call_want, CM * CN * sizeof *y) != 0;
	}
	free(y);
	return NULL;
}

static void
many_callers_at_once_get_right_numbers(void **state)
{
	pthread_t thread[CALLERS];
	size_t bad[CALLERS] = {0};

	(void)state;
	call_x = normal(CM * CK, 1), call_w = normal(CN * CK, 2), call_want = malloc(CM * CN * sizeof(real));
	kernel_affine(call_want, call_x, call_w, NULL, CM, CN, CK, ACTIVATION_NONE, 1);
	for (size_t i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, multiply_often, &bad[i]), 0);
	for (size_t i = 0; i < CALLERS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(bad[i], 0);
	}
	free(call_x), free(call_w), free(call_want);
}

static void
importance_weights_sum_to_one_and_favour_the_nearest(void **state)
{
	enum { S = 5, M = 9, N = 21 };
	real *x = normal(M * N, 1), *g = normal(S * M * N, 2), score[M * N], weight[S * M] = {0};
	double want[M * N];

	(void)state;
	memcpy(g + 3 * M * N, x, M * N * sizeof *x); /* the fourth sample hits every row */
	kernel_importance_score(score, weight, x, g, (real)0.1, S, M, N, 2);
	for (size_t i = 0; i < M; i++) {
		double sum = 0;

		for (size_t s = 0; s < S; s++)
			sum += (double)weight[s * M + i];
		assert_true(fabs(sum - 1) < 1e-6 && weight[3 * M + i] > (real)0.999);
	}
	kernel_importance_score(score, memset(weight, 0, sizeof weight), x, g, 2, S, M, N, 1);
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < N; j++) {
			want[i * N + j] = 0;
			for (size_t s = 0; s < S; s++)
				want[i * N + j] += (double)weight[s * M + i] *
						   ((double)x[i * N + j] - (double)g[(s * M + i) * N + j]) / 4;
		}
	near(score, want, M * N, 1e-5);
	free(x), free(g);
}

static void
elementary_functions_are_good_to_a_few_units_in_the_last_place(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		float x = -86 + 172 * (float)i / 200000, u = ((float)i + 0.5f) / 200000, c, s;

		assert_true(fabs((double)exp_f32(x) / exp((double)x) - 1) < 3e-7);
		assert_true(fabs((double)log_f32(u) / log((double)u) - 1) < 5e-7);
		assert_true(fabs((double)log1p_f32(u) / log1p((double)u) - 1) < 5e-7);
		cos_sin_2pi_f32(u, &c, &s);
		assert_true(fabs((double)c - cos(2 * M_PI * (double)u)) < 3e-7);
		assert_true(fabs((double)s - sin(2 * M_PI * (double)u)) < 3e-7);
	}
	assert_true(exp_f32(-1e30f) > 0 && isfinite(exp_f32(1e30f)));
}

static void
infinities_and_nans_are_found_anywhere(void **state)
{
	real x[37] = {0};

	(void)state;
	assert_true(kernel_finite(x, 37));
	for (size_t i = 0; i < 37; i++) {
		x[i] = i % 2 ? (real)NAN : (real)-INFINITY;
		assert_false(kernel_finite(x, 37));
		x[i] = 0;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(affine_layers_agree_with_naive_loops),
		cmocka_unit_test(batch_norm_and_softplus_agree_with_naive_loops),
		cmocka_unit_test(the_gradient_behind_softplus_becomes_that_before_it),
		cmocka_unit_test(positive_systems_are_solved_and_others_left_alone),
		cmocka_unit_test(softmax_survives_huge_logits),
		cmocka_unit_test(the_number_of_threads_does_not_change_a_bit),
		cmocka_unit_test(many_callers_at_once_get_right_numbers),
		cmocka_unit_test(importance_weights_sum_to_one_and_favour_the_nearest),
		cmocka_unit_test(elementary_functions_are_good_to_a_few_units_in_the_last_place),
		cmocka_unit_test(infinities_and_nans_are_found_anywhere),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
