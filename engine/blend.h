/*
 * blend: how much each of several classifiers is to be believed, learned from labels that none of them has seen.
 *
 * The blend of M classifiers is the logarithmic pool, softmax over k of sum_m w_m log b_m(k | x), with w > 0, of their
 * answers with a doubt,
 *
 *     b_m(k | x) = (1 - BLEND_DOUBT) p_m(k | x) + BLEND_DOUBT / K
 *
 * A network in many columns is sure of its answers by hundreds of nats, right or wrong, and outvotes all others however
 * small its weight; the doubt bounds what one answer counts.
 *
 * For energy networks the blend is the classifier of one energy network, with the logits sum_m w_m (lse_m(x) + log
 * b_m(k | x)), lse_m(x) being the logsumexp of the member's own: a blend of joint energy models is one itself. The sum
 * of the weights does what a temperature does (Guo et al., "On calibration of modern neural networks", 2017), their
 * ratio chooses.
 *
 * Few labels say little: the weights maximise the likelihood times a log-normal prior about `prior`.
 */
#ifndef VERAD_ENGINE_BLEND_H
#define VERAD_ENGINE_BLEND_H

#include "engine/err.h"

enum { BLEND_MAX = 4 };
#define BLEND_DOUBT 1e-3

struct blend_data { /* borrowed */
	size_t n, n_classes, n_members;
	const float *p[BLEND_MAX]; /* [n][n_classes] of each member: probabilities of rows that it was not trained on */
	const int32_t *y;          /* [n] */
	double precision[BLEND_MAX]; /* of the prior of each log w, the inverse of its variance; 0: 1 */
};

/* Weights from the rows i with leave_out == 0 or fold[i] != leave_out - 1 (fold may be NULL then). */
enum status blend_fit(const struct blend_data *d, const uint32_t *fold, size_t leave_out, const double prior[BLEND_MAX],
	double w[BLEND_MAX], struct err *e);

/* The blend's probabilities for row i into out [n_classes]. */
void blend_row(const struct blend_data *d, size_t i, const double w[BLEND_MAX], float *out);

#endif
