/*
 * protocol: a table through the program as its user has it: the rows of training as CSV into ingest, a training run by
 * server/training, the artefact written and read back, the rows to score cell by cell into a predictor.
 *
 * Nothing here knows how a model is made, so what is measured is what is shipped. One thread: the model does not depend
 * on their number, and processes fill the processors (runs.h).
 */
#ifndef VERAD_TESTS_BENCH_PROTOCOL_H
#define VERAD_TESTS_BENCH_PROTOCOL_H

#include "engine/metric.h"
#include "schema/bundle.h"
#include "tests/bench/dataset.h"

/* The training parameters of a benchmark: the defaults, then what `text` has, as "name=value …". */
enum status protocol_params(const char *text, struct params *p, struct err *e);
/* What of `p` is not as protocol_params("") leaves it, in the table's order, as "name=value …". */
void protocol_changed(const struct params *p, struct buf *out);

struct trained {
	struct bundle *bundle;  /* owned */
	struct model *baseline; /* owned; the run's supervised network; NULL where the method is that itself */
	char method[32];
	size_t n_rows, n_labelled, n_features, steps; /* rows of the table; steps of the run, baseline included */
	double seconds;                               /* of the processor: reading, training, writing the artefact */
};
void trained_release(struct trained *t); /* accepts a zeroed struct */

/* Trains on the rows that are ROLE_LABELLED or ROLE_UNLABELLED, in their order; the labels of the latter are blank.
 * with_label false: the table goes in without a label column. */
enum status protocol_train(const struct dataset *d, const unsigned char *role, bool with_label, const struct params *p,
	struct trained *out, struct err *e);

struct scored {
	size_t n, n_classes;
	size_t *row;   /* [n]: which row of the data set; owned */
	float *p;      /* [n][n_classes]; owned; NULL unless wanted */
	double *score; /* [n]: higher = more out of distribution; owned */
};
void scored_release(struct scored *s); /* accepts a zeroed struct */

/* The bundle's answers for the rows of the role. */
enum status protocol_score(const struct bundle *b, const struct dataset *d, const unsigned char *role, enum role wanted,
	bool want_labels, struct scored *out, struct err *e);

/* The rows for which take[i] is set, as the bundle's encoder makes them. rows_release on success. */
enum status protocol_encode(
	const struct bundle *b, const struct dataset *d, const unsigned char *take, struct rows *out, struct err *e);

/* The bundle's answers for the rows of ROLE_TEST against their classes: ERR_DATA for a label that the bundle has not.
 * metrics_release on success. */
enum status protocol_measure(
	const struct bundle *b, const struct dataset *d, const unsigned char *role, struct metrics *out, struct err *e);

#endif
