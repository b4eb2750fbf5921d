/*
 * jem: the joint energy model's losses and their gradient, in one fused step (method page, sections 1 to 3;
 * Grathwohl et al., "Your classifier is secretly an energy based model and you should treat it like one", ICLR 2020,
 * for the model; "No MCMC for me", ICLR 2021, for the loss).
 *
 * A batch is up to three groups of rows, stacked: data rows, generated rows, labelled rows. They share the forward
 * pass, the backward chain and the weight-gradient products; the gradient penalty of the data rows is had by the
 * tangent chain (section 3 of the method page), whose outer products are stacked below the others. So a step is one
 * matrix product a layer forward, two small ones for the penalty, one backward, one for the weights.
 */
#ifndef VERAD_ENGINE_JEM_H
#define VERAD_ENGINE_JEM_H

#include "engine/arena.h"
#include "engine/net.h"

struct jem_weights {   /* of the terms of the loss */
	real contrast; /* 1 in the method */
	real gamma, beta, alpha;
	const double *log_q;   /* of the generated rows, which then weigh p / q, together as much; NULL: all alike */
	const int32_t *y_data; /* classes of the data rows, which then count among the labelled rows; NULL: not known */
	const real
		*target; /* [n_labelled][K]: how likely the classes of the labelled rows are, instead of y; NULL: y */
};

struct jem_terms {                  /* unweighted means; 0 where a term has no rows */
	double log_p_difference;    /* E_data[log p] - E_generated[log p] */
	double gradient_penalty;    /* E_data |grad_x log p|^2 / 2 */
	double conditional_entropy; /* of data rows */
	double cross_entropy;       /* of labelled rows */
	double accuracy;            /* of labelled rows */
	double loss;                /* the weighted sum */
};

struct jem { /* a workspace, laid out in its caller's arena */
	struct net_shape shape;
	real *a[NET_MAX_LAYERS + 1]; /* activations; a[0] is where the inputs go, see jem_input */
	real *delta[NET_MAX_LAYERS + 1];
	real *p;     /* [rows][K] softmax */
	real *log_p; /* [rows] logsumexp */
	real *norm2; /* [rows] squared length of grad_x log p of the data rows */
};

/* Lays out a workspace for steps of up to so many rows of each group; an arena that only counts leaves NULLs. */
void jem_workspace(struct jem *j, const struct net_shape *s, size_t max_data, size_t max_generated, size_t max_labelled,
	struct arena *arena);

/* Where the caller puts the inputs of a step with n_data and n_generated rows: data, then generated, then labelled
 * rows, [.][size[0]]. */
real *jem_input(const struct jem *j, size_t row);

/*
 * Losses and their gradient in the plain weights w. y: classes of the labelled rows. Any group may be empty.
 * Afterwards p, log_p hold the values of all rows, and norm2 that of the data rows (if gamma > 0).
 */
void jem_step(struct jem *j, const real *w, size_t n_data, size_t n_generated, size_t n_labelled, const int32_t *y,
	const struct jem_weights *weights, real *gradient, struct jem_terms *terms, int threads);

/* log p [m] of the rows in jem_input(0 .. m - 1), and its gradient in them: returns [m][size[0]], in the workspace. */
real *jem_input_gradient(struct jem *j, const real *w, size_t m, int threads);

#endif
