/*
 * metric: measures of classification, calibration and out-of-distribution detection (method page, section 7).
 *
 * Plain functions over arrays; sums in double. Ties are treated exactly: a tied pair counts one half in an AUROC, and
 * tied scores enter a precision-recall curve together. A measure that is undefined on its input (no rows, one class
 * absent from the truth) is NaN: the caller must not print it. Thread rule: pure.
 */
#ifndef VERAD_ENGINE_METRIC_H
#define VERAD_ENGINE_METRIC_H

#include "engine/err.h"

#define METRIC_ECE_BINS 15

struct metric_class {
	size_t support;               /* true rows of the class */
	double precision, recall, f1; /* 0 where the denominator is 0; auroc NaN where undefined */
	double auroc;                 /* one against the rest */
};

struct metric_bin {
	size_t n;
	double confidence, accuracy; /* means over its rows; NaN where it has none */
};

struct metrics {
	size_t n, n_classes;
	double accuracy, balanced_accuracy, macro_f1, log_loss, brier, ece, macro_auroc;
	struct metric_bin bin[METRIC_ECE_BINS]; /* that ece is made of, by rising top probability */
	struct metric_class *per_class;         /* [n_classes], owned */
	size_t *confusion;                      /* [true][predicted], owned */
};

/*
 * All measures of probabilities p [n][n_classes] against true classes y [n] (0..n_classes-1). The predicted class is
 * the first maximum. brier is the sum over classes of squared differences, averaged over rows; log_loss floors p at
 * 1e-15; balanced_accuracy and macro_f1 average over the classes present in y (macro_f1: in y or predicted);
 * macro_auroc over the classes present in y. ece: METRIC_ECE_BINS equal-width bins (lo, hi] of the top probability.
 * Release with metrics_release.
 */
enum status metrics_compute(
	const float *p, const int32_t *y, size_t n, size_t n_classes, struct metrics *out, struct err *e);
void metrics_release(struct metrics *m); /* accepts a zeroed struct */

/* Out-of-distribution detection: HIGHER score = MORE out-of-distribution. `in` and `out` are borrowed, unsorted. */
struct metric_ood {
	double auroc;                /* chance that an out row scores above an in row */
	double average_precision;    /* out rows as the positives */
	double average_precision_in; /* in rows as the positives, on -score */
	double fpr_at_95_tpr; /* share of out rows accepted by the threshold that accepts >= 95% of the in rows */
	double threshold_at_95_tpr;
};
enum status metric_ood(
	const double *in, size_t n_in, const double *out, size_t n_out, struct metric_ood *m, struct err *e);

/* Area under the ROC curve of `score` for the rows with positive[i] != 0; NaN when either side is empty. */
enum status metric_auroc(const double *score, const unsigned char *positive, size_t n, double *out, struct err *e);

#endif
