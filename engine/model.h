/*
 * model: an immutable joint energy model, and what it answers (method page, sections 1 and 6).
 *
 *     log p(x, y) = f_y(x) + log q0(x) - log Z
 *     f(x)[y] = sum_m w_m (lse_m(x) + log((1 - doubt_m) p_m(y|x) + doubt_m / K)) + bias[y]
 *
 * f is a blend of one or more energy networks over the same inputs (blend.h), which is an energy network again: p_m is
 * the softmax of a network's logits, lse_m their logsumexp, which is left out where the network is conditional. Without
 * a doubt the sum is that of the logits, weighed. A network may see x through a warp of its own (warp.h). The bias
 * moves the shares of the classes (label_shift.h); q0 is the base measure, a Gaussian mixture (mixture.h), or 1. So
 * p(y|x) = softmax f(x) whatever q0 is, and the energy is -logsumexp f(x) - log q0(x). A network of one output knows no
 * classes: that output is its part of log p(x).
 *
 * Or a density of a family whose normaliser is known (density.h), in the place of networks and base measure: then the
 * energy is -log p(x) itself, in nats of the encoded columns.
 *
 * With reference scores of held-out in-distribution rows, from which p-values and the threshold follow. Const once
 * built: any number of threads may use one at a time, each with a workspace of its own. Inputs are encoded rows, so it
 * knows nothing of columns or text.
 */
#ifndef VERAD_ENGINE_MODEL_H
#define VERAD_ENGINE_MODEL_H

#include "engine/blend.h"
#include "engine/buf.h"
#include "engine/density.h"
#include "engine/mixture.h"
#include "engine/net.h"
#include "engine/params.h"
#include "engine/rows.h"
#include "engine/warp.h"

/* Scores of held-out in-distribution rows, ascending: the yardstick of one kind of OOD score. */
struct ood_reference {
	size_t n;
	double *score;    /* [n], ascending, owned */
	double threshold; /* is_ood means score > threshold */
};

struct model_member {
	struct net_shape shape; /* inputs and outputs as all other members' */
	real *weights;          /* [net_size(&shape)], owned */
	double weight;          /* of its logits in the blend, above 0 */
	double doubt;           /* about its answers, 0 .. 1 (blend.h); 0 until its maker sets it */
	bool conditional;       /* it has learned p(y|x) alone, so that its lse is left out; false until set */
	struct warp *warp;      /* of its inputs; owned; NULL: it sees them as they are */
};

struct model {
	size_t n_members; /* 1 .. BLEND_MAX; 0: a density */
	struct model_member member[BLEND_MAX];
	double *bias;         /* [n_classes], added to the blended logits; owned; NULL: none */
	struct mixture *base; /* log q0; owned; NULL: none */
	struct density_shape density;
	real *density_weights; /* [density_size(&density)], owned; NULL: networks */
	size_t ood_score;      /* enum ood_score: the kind that answers carry */
	double target_fpr;
	struct ood_reference reference[N_OOD_SCORES];
};

struct model_workspace; /* buffers for a tile of rows; one per thread */

/* One member of weight 1. Takes over nothing: shape and weights are copied. The references start empty (threshold
 * +infinity inside). */
enum status model_new(const struct net_shape *shape, const real *weights, struct model **out, struct err *e);
/* A density alone, of parameters that are copied; no members are to be added. */
enum status model_new_density(
	const struct density_shape *shape, const real *weights, struct model **out, struct err *e);
/* For its maker, before it is shared: one more member, of equal inputs and outputs. */
enum status model_add_member(
	struct model *m, const struct net_shape *shape, const real *weights, double weight, struct err *e);
enum status model_set_warp(struct model *m, size_t member, const struct warp *w, struct err *e); /* copied */
enum status model_set_bias(struct model *m, const double *bias, struct err *e); /* [n_classes], copied */
void model_free(struct model *m);

/* Copies and sorts the scores, sets the threshold to their (1 - fpr) quantile: the smallest observed score with at
 * most a share `fpr` of the scores above it. Scores must be finite. */
enum status model_set_reference(
	struct model *m, enum ood_score kind, const double *score, size_t n, double fpr, struct err *e);
/* Other thresholds for the same scores: that of `fpr` for every kind (ERR_CONFLICT "no_reference" where no scores are
 * there), or one of the caller's for the kind that answers carry; target_fpr becomes the share of them above it. */
enum status model_set_fpr(struct model *m, double fpr, struct err *e);
void model_set_threshold(struct model *m, double threshold);
double model_p_value(const struct model *m, enum ood_score kind, double score); /* share of reference scores >= score;
										   1 when there are none */

enum status model_workspace_new(const struct model *m, struct model_workspace **out, struct err *e);
/* A smaller one, for those who predict n_rows or fewer at a time. */
enum status model_workspace_for(const struct model *m, size_t n_rows, struct model_workspace **out, struct err *e);
void model_workspace_free(struct model_workspace *w);

/*
 * Answers for the rows first .. first + n - 1, any n: probabilities p [n][n_classes] (NULL: not wanted) and scores of
 * the kind `kind` (NULL: not wanted). All finite, whatever finite rows come in. A row's answer depends on no other row,
 * but for rounding: sums over many rows at once are made in another order.
 */
void model_predict(const struct model *m, const struct rows *rows, size_t first, size_t n, enum ood_score kind,
	struct model_workspace *w, float *p, double *score);

/*
 * What each feature adds to the scores of the rows first .. first + n - 1: attribution [n][n_features], and into
 * reference [n] the score that they start from. A row's attributions add up to score - reference. All finite.
 *
 * OOD_ENERGY and OOD_MAX_PROBABILITY have integrated gradients (Sundararajan, Taly & Yan, "Axiomatic attribution for
 * deep networks", ICML 2017), by the rule of the midpoint with MODEL_PATH_STEPS steps:
 *
 *     a_i = (x_i - r_i) * mean over t in (0, 1) of d score / d x_i at r + t (x - r)
 *
 * The error of the integral, below a hundredth as a rule, is shared out in proportion to |a_i|.
 *
 * r, whose score is the reference, is a row that is typical of those most like x: the mean of the base measure's
 * component that is nearest to x (mixture_nearest). Without a base measure it is row 0 of `typical`, or zeros where
 * that is NULL. OOD_GRADIENT_NORM is its own sum: a_i = g_i^2 / |g| for g = grad_x log p(x), and the reference is 0.
 */
enum { MODEL_PATH_STEPS = 32 };
void model_attribute(const struct model *m, const struct rows *rows, size_t first, size_t n, enum ood_score kind,
	const struct rows *typical, struct model_workspace *w, double *attribution, double *reference);

size_t model_n_classes(const struct model *m);
size_t model_n_features(const struct model *m);
size_t model_bytes(const struct model *m); /* in memory, about */

/* Bytes: little-endian, lengths and a checksum; reading trusts none of them (ERR_CORRUPT). */
void model_write(const struct model *m, struct buf *out);
/* Formats that are read: the first had no doubts, the second no warps; the last is what is written. */
enum model_format { MODEL_BARE, MODEL_DOUBTS, MODEL_WARPS };
enum status model_read(struct reader *in, enum model_format format, struct model **out, struct err *e);

#endif
