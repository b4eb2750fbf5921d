/* warp: numbers through functions that are known at points. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/warp.h"

enum { N = 2, D = 3 };

static struct err err;

/* z^2 and -2 z. */
static struct warp *
make(void)
{
	struct warp *w = NULL;

	assert_int_equal(warp_new(N, &w, &err), OK);
	for (size_t i = 0; i < WARP_POINTS; i++) {
		const double z = warp_argument(i);

		w->at[i * N] = (real)(z * z);
		w->at[i * N + 1] = (real)(-2 * z);
	}
	return w;
}

static void
functions_are_straight_between_points_and_level_beyond(void **state)
{
	const real x[][D] = {{0.5, 0.5, 7}, {0.625, 0.625, -20}, {-9.875, -9.875, 0}, {10, 10, 1}, {11, -300, 2}};
	const real expected[][D] = {{0.25, -1, 7}, {(0.25 + 0.5625) / 2, -1.25, -20},
		{(100 + 9.75 * 9.75) / 2, 19.75, 0}, {100, -20, 1}, {100, 20, 2}};
	real out[5][D];
	struct warp *w = make(), *copy = NULL;

	(void)state;
	assert_int_equal(warp_copy(w, &copy, &err), OK);
	free(w);
	warp_apply(copy, x[0], out[0], 5, D);
	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < D; j++)
			assert_true(fabs((double)(out[i][j] - expected[i][j])) < 1e-5);
	memcpy(out, x, sizeof out);
	warp_apply(copy, out[0], out[0], 5, D); /* in place */
	assert_true(fabs((double)(out[1][0] - expected[1][0])) < 1e-5 && out[1][2] == x[1][2]);
	free(copy);
}

static void
gradients_are_multiplied_by_slopes(void **state)
{
	const real x[][D] = {{0.625, 3.125, 5}, {-4.625, -10.5, 0}, {12, 0, 30}};
	const real slope[][D] = {{1.25, -2, 1}, {-9.25, 0, 1}, {0, -2, 1}};
	real gradient[3][D];
	struct warp *w = make();

	(void)state;
	for (size_t i = 0; i < 3 * D; i++)
		gradient[i / D][i % D] = (real)(i + 1);
	warp_backward(w, x[0], gradient[0], 3, D);
	for (size_t i = 0; i < 3 * D; i++)
		assert_true(fabs((double)(gradient[i / D][i % D] - (real)(i + 1) * slope[i / D][i % D])) < 1e-4);
	free(w);
}

static enum status
read_from(const struct buf *b, size_t len, size_t d)
{
	struct reader in = reader_over(b->data, len);
	struct warp *w = NULL;
	enum status s = warp_read(&in, d, &w, &err);

	assert_true((s == OK) == (w != NULL));
	for (size_t i = 0; w && i < WARP_POINTS * N; i++)
		assert_true(isfinite((double)w->at[i]));
	free(w);
	return s;
}

static void
bytes_are_trusted_in_nothing(void **state)
{
	struct buf b = {0};
	struct warp *w = make();

	(void)state;
	warp_write(w, &b);
	assert_false(b.failed);
	assert_int_equal(read_from(&b, b.len, D), OK);
	assert_int_equal(read_from(&b, b.len, N), OK);
	assert_int_equal(read_from(&b, b.len, N - 1), ERR_CORRUPT); /* of more features than there are */
	for (size_t len = 0; len < b.len; len += 7)
		assert_int_equal(read_from(&b, len, D), ERR_CORRUPT);
	memset(b.data, 0, 4); /* of none */
	assert_int_equal(read_from(&b, b.len, D), ERR_CORRUPT);
	b.data[0] = N;
	memset(b.data + 40, 0xff, 4); /* no number */
	assert_int_equal(read_from(&b, b.len, D), ERR_CORRUPT);
	buf_release(&b);
	free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_straight_between_points_and_level_beyond),
		cmocka_unit_test(gradients_are_multiplied_by_slopes),
		cmocka_unit_test(bytes_are_trusted_in_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
