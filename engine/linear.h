/*
 * linear: multinomial logistic regression with a penalty on the squared weights, until it settles.
 *
 *     minimise over W, b:  sum_i c_{y_i} log(1 / softmax(W x_i + b)_{y_i}) + LINEAR_PENALTY / 2 |W|^2
 *
 * Convex, so that there are neither draws nor steps to choose; of the planes between a few rows the penalty prefers
 * one with a wide margin, which networks trained by Adam miss in many columns. L-BFGS (Liu & Nocedal, "On the limited
 * memory BFGS method for large scale optimization", 1989).
 */
#ifndef VERAD_ENGINE_LINEAR_H
#define VERAD_ENGINE_LINEAR_H

#include "engine/err.h"
#include "engine/net.h"

/* Accuracy and log-loss beside two other networks (blend.h) on 58 tables: 0.1 as good as 0.03, better than 0.3. */
#define LINEAR_PENALTY 0.1

struct linear_data { /* borrowed */
	size_t n, d, n_classes;
	const real *x;              /* [n][d] */
	const int32_t *y;           /* [n] */
	const double *class_weight; /* [n_classes], scaled to a mean of 1 over the rows: c; NULL: 1 */
	int threads;                /* the result is the same for any number */
	bool (*stop)(void *ctx);    /* asked between iterations; NULL: nobody asks */
	void *ctx;
};

struct net_shape linear_shape(size_t d, size_t n_classes); /* a network without hidden layers */

/* Into w [net_size(linear_shape(d, n_classes))]. ERR_CANCELLED "stopped". */
enum status linear_fit(const struct linear_data *data, real *w, struct err *e);

#endif
