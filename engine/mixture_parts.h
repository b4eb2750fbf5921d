/*
 * mixture_parts: what a mixture is made of, for the two files that make one, mixture.c and mixture_fit.c.
 *
 * The row r = x - mu_k has the coordinates p = U_k r, and the quadratic form
 *     r^T S_k^-1 r = sum_j p_j^2 / lambda_j + (|r|^2 - |p|^2) / s2_k
 * whose last term is not there when rank = d. Rows and means are kept about a common centre, so that the difference
 * loses nothing to an offset. A direction may be a row of zeros, with lambda_j = s2_k: one that nothing is known of.
 */
#ifndef VERAD_ENGINE_MIXTURE_PARTS_H
#define VERAD_ENGINE_MIXTURE_PARTS_H

#include "engine/mixture.h"

struct mixture {
	size_t n_components, d, rank;
	double *weight;    /* [n_components], of sum 1 */
	double *noise;     /* [n_components] s2; 0 where rank = d */
	double *variance;  /* [n_components][rank] lambda */
	double *precision; /* [n_components][rank] 1 / lambda; derived */
	double *log_scale; /* [n_components] log weight - (d log 2 pi + log |S|) / 2; derived */
	real *centre;      /* [d] */
	real *mean;        /* [n_components][d], about the centre */
	real *direction;   /* [n_components][rank][d] U */
	real *offset;      /* [n_components][rank] -U mean; derived */
	double *numbers;   /* owned: the block of the doubles above */
	real *block;       /* owned: that of the reals */
};

/* Zeroed parts. */
enum status mixture_make(size_t n_components, size_t d, size_t rank, struct mixture **out, struct err *e);

/* Everything derived, from the rest. */
void mixture_derive(struct mixture *m);

/* Rows about the centre, at most w->n: responsibilities into w->responsibility, log densities into out. */
void mixture_pass(
	const struct mixture *m, const real *centred, size_t n, struct mixture_workspace *w, double *out, int threads);

double mixture_squared_distance(const real *x, const real *y, size_t n);

/* Brings the rows of u [rank][d] to length 1 and at right angles; one that has nothing left of its own becomes 0. */
void mixture_orthonormalise(real *u, size_t rank, size_t d);

#endif
