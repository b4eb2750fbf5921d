/*
 * label_shift: the shares of the classes among the unlabelled rows (Saerens, Latinne & Decaestecker, "Adjusting the
 * outputs of a classifier to new a priori probabilities", Neural Computation 2002).
 *
 * Labelled rows are rarely a fair sample: ten of every class, where one class is nine tenths of the table. Under the
 * assumption that only the shares differ and not what the classes look like, a classifier learned from the labelled
 * rows is right for the others once its probabilities are weighted by the ratio of the shares, which EM finds at the
 * maximum of their likelihood. For logits the weighting is a bias, log ratio.
 */
#ifndef VERAD_ENGINE_LABEL_SHIFT_H
#define VERAD_ENGINE_LABEL_SHIFT_H

#include "engine/err.h"

/*
 * p [n][n_classes]: probabilities of unlabelled rows by a classifier learned under the shares `labelled` [n_classes],
 * all above 0. The estimate, into share [n_classes], is drawn towards `labelled` as if these were seen in `pull` times
 * n rows more: where classes overlap, likelihood alone runs to the ends. n 0: share = labelled.
 */
enum status label_shift_estimate(
	const float *p, size_t n, size_t n_classes, const double *labelled, double pull, double *share, struct err *e);

#endif
