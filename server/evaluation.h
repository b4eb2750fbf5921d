/*
 * evaluation: a model's answers to the labelled rows of a data set, and what they are worth.
 *
 * Rows whose label is one of the model's classes are measured; those of other labels count as out-of-distribution, and
 * those without a label are left out, as are those whose label was none in training: the data set may have been read
 * otherwise. The labels go by their texts: the data set numbers its classes as it likes.
 * Thread rule: one thread at a time.
 */
#ifndef VERAD_SERVER_EVALUATION_H
#define VERAD_SERVER_EVALUATION_H

#include "engine/metric.h"
#include "schema/bundle.h"
#include "schema/ingest.h"
#include "server/chunk_source.h"
#include "server/json_build.h"

/* What is known beforehand: ERR_CONFLICT "no_classes" of the model, ERR_DATA "no_label_column", "no_labels",
 * "evaluation_too_large" of the data set. */
enum status evaluation_check(const struct dataset_summary *s, const struct bundle *b, struct err *e);
/* The last three for a model of n_classes that is yet to be made. */
enum status evaluation_check_labels(const struct dataset_summary *s, size_t n_classes, struct err *e);
/* Columns: the data set has those that the model wants (ERR_DATA "missing_column"), and no text that the upload saw
 * where the model takes numbers, unless it reads that as one ("not_a_number", with its line). */
enum status evaluation_check_columns(
	const struct dataset_summary *s, const struct encoder *c, const struct reading *reading, struct err *e);

struct evaluation {
	size_t n_rows, n_in, n_out; /* seen; measured; of labels that are none of the model's */
	size_t n_flagged_in, n_flagged_out;
	/* the rest is evaluation.c's */
	const struct bundle *bundle; /* borrowed, as is the summary */
	const struct dataset_summary *summary;
	struct dictionary classes;
	const struct column *label; /* of the chunk at hand */
	uint32_t *class_of;         /* by the chunk's code of a label: the model's class, or evaluation.c's others */
	size_t cap_class_of;
	uint32_t *waiting; /* [PREDICTOR_BATCH]: the class of each row that waits in the predictor */
	size_t n_waiting;
	float *p;   /* [n_labelled][n_classes] */
	int32_t *y; /* [n_labelled] */
	double *in, *outside;
};
/* Makes the checks of evaluation_check first. */
enum status evaluation_init(
	struct evaluation *v, const struct bundle *b, const struct dataset_summary *s, struct err *e);
void evaluation_release(struct evaluation *v); /* accepts a zeroed struct */

/* For whoever walks through the rows: a chunk is begun; does a row of it count; it has been given to the predictor; the
 * answers to the rows that waited there. */
enum status evaluation_begin_chunk(struct evaluation *v, const struct table *chunk, struct err *e);
bool evaluation_wants(const struct evaluation *v, size_t row);
void evaluation_added(struct evaluation *v, size_t row);
enum status evaluation_take(struct evaluation *v, const struct answers *a, struct err *e);

/* All of it at once. `ask` (may be NULL) is called now and then: a status other than OK ends it. */
enum status evaluation_run(struct evaluation *v, const struct chunk_source *source,
	enum status (*ask)(void *ctx, struct err *e), void *ctx, struct predictor *predictor, struct err *e);

/* What came of it, into `to`: rows, labelled, unlabelled; of classification, as report_measures writes it; of
 * out-of-distribution scores. Measures without rows are null. */
void evaluation_put_counts(const struct evaluation *v, struct json_build *b, struct cJSON *to);
enum status evaluation_put_measures(const struct evaluation *v, struct json_build *b, struct cJSON *to, struct err *e);
enum status evaluation_put_ood(const struct evaluation *v, struct json_build *b, struct cJSON *to, struct err *e);

#endif
