/*
 * neighbours: a graph of rows that lie near each other, and labels spread over it.
 *
 * Each row is joined to its NEIGHBOURS nearest rows. An edge between x_i and x_j weighs exp(-|x_i - x_j|^2 / (s_i
 * s_j)), s_i being the distance of row i to the furthest of its own, so that rows that lie far apart everywhere are
 * joined as firmly as rows that are crowded (Zelnik-Manor & Perona, "Self-tuning spectral clustering", NeurIPS 2004).
 *
 * Labels Y are spread over it until each row has kept NEIGHBOURS_PASSED_ON of what its neighbours have and the rest of
 * what it began with (Zhou et al., "Learning with local and global consistency", NeurIPS 2003):
 *
 *     F = (1 - a) (I - a S)^-1 Y,   S = D^-1/2 W D^-1/2,   D the sums of the rows of W
 *
 * Where classes are clusters of any shape, a few labels reach all of a cluster and stop at its border. Rows with as
 * many doubles as neighbours are joined to these alone. Thread rule: a finished graph is const.
 */
#ifndef VERAD_ENGINE_NEIGHBOURS_H
#define VERAD_ENGINE_NEIGHBOURS_H

#include <stdbool.h>

#include "engine/err.h"
#include "engine/real.h"

enum { NEIGHBOURS = 5 };
#define NEIGHBOURS_PASSED_ON 0.97

struct neighbours;

struct neighbours_options {
	int threads;             /* the result is the same for any number */
	bool (*stop)(void *ctx); /* asked between blocks of rows, and of passes; NULL: nobody asks */
	void *ctx;
};

/* The graph of n rows x [n][d], which are moved to their mean and not needed afterwards; n < 2^28. Of rows as far away
 * as another, those with lower numbers are the nearer ones, but for rounding where there are very many. ERR_NOMEM;
 * ERR_CANCELLED "stopped". */
enum status neighbours_new(
	real *x, size_t n, size_t d, const struct neighbours_options *o, struct neighbours **out, struct err *e);
void neighbours_free(struct neighbours *g);

/* y [n][k], at least 0, becomes F, at least 0: all 0 in rows that no label reaches. ERR_NOMEM; ERR_CANCELLED. */
enum status neighbours_spread(
	const struct neighbours *g, float *y, size_t k, const struct neighbours_options *o, struct err *e);

#endif
