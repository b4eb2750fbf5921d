/*
 * label_shift: the shares of the classes among the unlabelled rows (Saerens, Latinne & Decaestecker, "Adjusting the
 * outputs of a classifier to new a priori probabilities", Neural Computation 2002).
 *
 * Labelled rows are rarely a fair sample: ten of every class, where one class is nine tenths of the table. Under the
 * assumption that only the shares differ and not what the classes look like, a classifier learned from the labelled
 * rows is right for the others once its probabilities are weighted by the ratio of the shares, which EM finds at the
 * maximum of their likelihood. For logits the weighting is a bias, log ratio.
 *
 * A classifier that takes one class for another finds too many of the one everywhere, which looks like a shift. How far
 * it errs so is seen on labelled rows that it was not trained on, but on few of them not clearly: where ten rows of a
 * class are all there is, a difference as large as most shifts may be chance.
 */
#ifndef VERAD_ENGINE_LABEL_SHIFT_H
#define VERAD_ENGINE_LABEL_SHIFT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/err.h"

/*
 * p [n][n_classes]: probabilities of unlabelled rows by a classifier learned under the shares `labelled` [n_classes],
 * all above 0. The estimate, into share [n_classes], is drawn towards `labelled` as if these were seen in `pull` times
 * n rows more: where classes overlap, likelihood alone runs to the ends. n 0: share = labelled.
 */
enum status label_shift_estimate(
	const float *p, size_t n, size_t n_classes, const double *labelled, double pull, double *share, struct err *e);

struct label_shift_check {
	const float *held_back; /* [n_held_back][n_classes]: answers for labelled rows that were held back */
	const int32_t *y;       /* [n_held_back]: their classes, in the shares `labelled` */
	size_t n_held_back;
	const float *p; /* [n][n_classes]: answers for unlabelled rows */
	size_t n, n_classes;
};

/*
 * How much of a shift is more than chance, 0 to 1: max(0, 1 - LABEL_SHIFT_CHANCE V / D), the shrinkage of James and
 * Stein ("Estimation with quadratic loss", 1961), where
 *
 *     D = sum_k (mean of p_k - mean of held_back_k)^2 / labelled_k
 *     V = sum_k Var(mean of held_back_k) / labelled_k,   the classes' numbers of rows given
 *
 * V is what D would be on average without a shift, were the unlabelled rows all there are. ERR_NOMEM.
 */
#define LABEL_SHIFT_CHANCE 2.0
enum status label_shift_evidence(
	const struct label_shift_check *c, const double *labelled, double *evidence, struct err *e);

/* `share` drawn back to `labelled`, to labelled^(1 - evidence) share^evidence, in shares again. */
void label_shift_temper(const double *labelled, double evidence, double *share, size_t n_classes);

#endif
