/* warp: see warp.h. */
#include "engine/warp.h"

#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"

enum status
warp_new(size_t n, struct warp **out, struct err *e)
{
	struct warp *w = calloc(1, sizeof *w + WARP_POINTS * n * sizeof *w->at);

	if (!w)
		return err_nomem(e);
	w->n = n;
	*out = w;
	return OK;
}

enum status
warp_copy(const struct warp *w, struct warp **out, struct err *e)
{
	enum status s = warp_new(w->n, out, e);

	if (!s)
		memcpy((*out)->at, w->at, WARP_POINTS * w->n * sizeof *w->at);
	return s;
}

double
warp_argument(size_t point)
{
	return (double)point / WARP_PER_UNIT - WARP_REACH;
}

/* The point at or below x, but for the last one, and how far behind it x lies, in steps: 0 to 1. */
static size_t
find_step(real x, real *beyond)
{
	real u = (x + WARP_REACH) * WARP_PER_UNIT;
	size_t i;

	u = u > 0 ? u : 0;
	u = u < WARP_POINTS - 1 ? u : WARP_POINTS - 1;
	i = u < WARP_POINTS - 2 ? (size_t)u : WARP_POINTS - 2;
	*beyond = u - (real)i;
	return i;
}

void
warp_apply(const struct warp *w, const real *x, real *out, size_t n, size_t d)
{
	for (size_t i = 0; i < n; i++, x += d, out += d) {
		for (size_t j = 0; j < w->n; j++) {
			real beyond;
			const real *at = w->at + find_step(x[j], &beyond) * w->n + j;

			out[j] = at[0] + beyond * (at[w->n] - at[0]);
		}
		if (out != x)
			memcpy(out + w->n, x + w->n, (d - w->n) * sizeof *x);
	}
}

void
warp_backward(const struct warp *w, const real *x, real *gradient, size_t n, size_t d)
{
	for (size_t i = 0; i < n; i++, x += d, gradient += d) {
		for (size_t j = 0; j < w->n; j++) {
			real beyond;
			const real *at = w->at + find_step(x[j], &beyond) * w->n + j;
			const bool within = x[j] > -WARP_REACH && x[j] < WARP_REACH;

			gradient[j] *= within ? (at[w->n] - at[0]) * WARP_PER_UNIT : 0;
		}
	}
}

void
warp_write(const struct warp *w, struct buf *out)
{
	buf_put_u32(out, (uint32_t)w->n);
	for (size_t i = 0; i < WARP_POINTS * w->n; i++)
		buf_put_f32(out, (float)w->at[i]);
}

enum status
warp_read(struct reader *in, size_t d, struct warp **out, struct err *e)
{
	const size_t n = reader_u32(in);
	enum status s;

	if (in->failed || n < 1 || n > d || WARP_POINTS * n > reader_max_items(in, sizeof(float)))
		return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's bytes are damaged: an impossible warp");
	if ((s = warp_new(n, out, e)))
		return s;
	for (size_t i = 0; i < WARP_POINTS * n; i++)
		(*out)->at[i] = (real)reader_f32(in);
	if (!in->failed && kernel_finite((*out)->at, WARP_POINTS * n))
		return OK;
	free(*out);
	*out = NULL;
	return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's bytes are damaged: a warp of no numbers");
}
