/*
 * differences: a gradient against central finite differences of its function, for the tests that are built in both
 * precisions; the double build is the sharp one.
 */
#ifndef VERAD_TESTS_DIFFERENCES_H
#define VERAD_TESTS_DIFFERENCES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/real.h"

#ifdef VERAD_DOUBLE
#define DIFFERENCE_STEP 1e-6
#define DIFFERENCE_TOLERANCE 1e-7
#else
#define DIFFERENCE_STEP 4e-3
#define DIFFERENCE_TOLERANCE 2e-2
#endif

typedef double loss_function(void *ctx, const real *x);

/* gradient [n] at x against (f(x + step e_i) - f(x - step e_i)) / (2 step), relative to the largest component. */
static inline void
check_differences(loss_function *f, void *ctx, real *x, const real *gradient, size_t n)
{
	double top = 0;

	for (size_t i = 0; i < n; i++)
		top = fmax(top, fabs((double)gradient[i]));
	assert_true(top > 0);
	for (size_t i = 0; i < n; i++) {
		real old = x[i], up, down;
		double high, low, slope;

		x[i] = up = old + (real)DIFFERENCE_STEP;
		high = f(ctx, x);
		x[i] = down = old - (real)DIFFERENCE_STEP;
		low = f(ctx, x);
		x[i] = old;
		slope = (high - low) / ((double)up - (double)down);
		if (!(fabs(slope - (double)gradient[i]) <= DIFFERENCE_TOLERANCE * top))
			fail_msg("component %zu: %.12g, by differences %.12g (largest %g)", i, (double)gradient[i],
				slope, top);
	}
}

#endif
