/*
 * warp: numbers of a row through a piecewise linear function each, before a network sees them.
 *
 * The scaling of a table suits most networks and not all: in ranks two rows may be far apart that are close by where
 * their numbers lie in the columns' ranges. A network with a warp sees the latter, while its neighbours in a blend
 * share the rows as they are encoded. The functions are known at points that lie evenly, WARP_PER_UNIT of them to a
 * unit, from -WARP_REACH to WARP_REACH, and are constant beyond. Thread rule: const once made.
 */
#ifndef VERAD_ENGINE_WARP_H
#define VERAD_ENGINE_WARP_H

#include "engine/buf.h"
#include "engine/err.h"
#include "engine/real.h"

enum { WARP_REACH = 10, WARP_PER_UNIT = 4, WARP_POINTS = 2 * WARP_REACH * WARP_PER_UNIT + 1 };

struct warp {
	size_t n;  /* features that are changed, the first ones of a row */
	real at[]; /* [WARP_POINTS][n] */
};

/* Of n >= 1 features; its values are zeros. */
enum status warp_new(size_t n, struct warp **out, struct err *e);
enum status warp_copy(const struct warp *w, struct warp **out, struct err *e);
/* The argument of point number `point`. */
double warp_argument(size_t point);

/* Rows x [n][d] into out [n][d], which may be x; d >= w->n. */
void warp_apply(const struct warp *w, const real *x, real *out, size_t n, size_t d);
/* gradient [n][d] in what warp_apply makes of x becomes that in x. */
void warp_backward(const struct warp *w, const real *x, real *gradient, size_t n, size_t d);

void warp_write(const struct warp *w, struct buf *out);
/* ERR_CORRUPT: of no or more than d features, or of values that are no numbers. */
enum status warp_read(struct reader *in, size_t d, struct warp **out, struct err *e);

#endif
