/*
 * training: one whole run, from stored or in-memory chunks to a bundle. Used by the workers of the daemon and by the
 * command line. No HTTP, no SQL, no threads of its own (OpenMP inside the engine apart).
 */
#ifndef VERAD_SERVER_TRAINING_H
#define VERAD_SERVER_TRAINING_H

#include "engine/train.h"
#include "schema/bundle.h"
#include "schema/class_params.h"
#include "schema/ingest.h"

/*
 * Where the rows come from: chunk `i` into the table (table_init'ed with the summary's columns); ERR_NOT_FOUND past
 * the last. Chunks are read in order, in up to three passes (labels, to choose the rows held out; then the encoder's
 * fit; then the rows), and only before training_new returns. A single chunk is read once.
 */
struct chunk_source {
	enum status (*read)(void *ctx, size_t i, struct table *t, struct err *e);
	void *ctx;
};

struct training; /* encoder, encoded rows, labels, trainer */

/*
 * The checks a run needs, on the summary and the parameters alone: ERR_DATA "one_class", "too_few_rows", and what
 * params_check_unlabelled says of a table without labels, with "no_label_column" where none was named; and what
 * class_params_resolve says of the classes. c may be NULL, here and below.
 */
enum status training_check(
	const struct dataset_summary *s, const struct params *p, const struct class_params *c, struct err *e);

/* The summary and c are borrowed until training_free. A status of the source's other than ERR_NOT_FOUND comes through.
 */
enum status training_new(const struct dataset_summary *s, const struct chunk_source *source, const struct params *p,
	const struct class_params *c, int n_threads, struct training **out, struct err *e);
void training_free(struct training *t);                         /* accepts NULL */
struct trainer *training_trainer(struct training *t);           /* to step, watch, save, restore */
const struct params *training_params(const struct training *t); /* resolved */
void training_progress(const struct training *t, struct train_progress *p);
/* When the trainer is done: the artefact, its report included. Once only. */
enum status training_finish(struct training *t, struct bundle **out, struct err *e);
/* The supervised network that the run made to be compared with, over the same encoder as the artefact's. The caller's
 * from then on; NULL before training_finish, the second time, and where the method is `supervised` itself. */
struct model *training_take_baseline(struct training *t);

/* The loss terms that the present fit has, by the names that metrics, learning curves and progress lines use. */
struct training_term {
	const char *name; /* static */
	double value;
};
enum { TRAINING_MAX_TERMS = 9 };
size_t training_terms(const struct train_progress *p, struct training_term out[TRAINING_MAX_TERMS]);

#endif
