/*
 * model: an immutable joint energy model, and what it answers (method page, sections 1 and 6).
 *
 * A model is an energy network, a temperature, and reference scores of held-out in-distribution rows, from which
 * p-values and the threshold follow. A network of one output knows no classes: that output is log p(x). It is const
 * once built: any number of threads may use one at a time, each with a workspace of its own. Inputs are encoded rows,
 * so it knows nothing of columns or text.
 */
#ifndef VERAD_ENGINE_MODEL_H
#define VERAD_ENGINE_MODEL_H

#include "engine/buf.h"
#include "engine/net.h"
#include "engine/params.h"
#include "engine/rows.h"

/* Scores of held-out in-distribution rows, ascending: the yardstick of one kind of OOD score. */
struct ood_reference {
	size_t n;
	double *score;    /* [n], ascending, owned */
	double threshold; /* is_ood means score > threshold */
};

struct model {
	struct net_shape shape;
	real *weights;      /* [net_size(&shape)], owned */
	double temperature; /* logits are divided by it before the softmax; 1 = not calibrated */
	size_t ood_score;   /* enum ood_score: the kind that answers carry */
	double target_fpr;
	struct ood_reference reference[N_OOD_SCORES];
};

struct model_workspace; /* buffers for a tile of rows; one per thread */

/* Takes over nothing: shape and weights are copied. The references start empty (threshold +infinity inside). */
enum status model_new(const struct net_shape *shape, const real *weights, struct model **out, struct err *e);
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
void model_workspace_free(struct model_workspace *w);

/*
 * Answers for the rows first .. first + n - 1, any n: probabilities p [n][n_classes] (NULL: not wanted) and scores of
 * the kind `kind` (NULL: not wanted). All finite, whatever finite rows come in. A row's answer depends on no other row.
 */
void model_predict(const struct model *m, const struct rows *rows, size_t first, size_t n, enum ood_score kind,
	struct model_workspace *w, float *p, double *score);

size_t model_n_classes(const struct model *m);
size_t model_n_features(const struct model *m);

/* Bytes: little-endian, lengths and a checksum; reading trusts none of them (ERR_CORRUPT). */
void model_write(const struct model *m, struct buf *out);
enum status model_read(struct reader *in, struct model **out, struct err *e);

#endif
