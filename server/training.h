/*
 * training: one whole run, from stored or in-memory chunks to a bundle. Used by the workers of the daemon and by the
 * command line. No HTTP, no SQL, no threads of its own (OpenMP inside the engine apart).
 */
#ifndef VERAD_SERVER_TRAINING_H
#define VERAD_SERVER_TRAINING_H

#include "engine/train.h"
#include "schema/bundle.h"
#include "schema/ingest.h"

/* Where the rows come from: chunk `i` into the table (table_init'ed with the summary's columns); ERR_NOT_FOUND past
 * the last. Read twice: once to fit the encoder, once to encode. */
struct chunk_source {
	enum status (*read)(void *ctx, size_t i, struct table *t, struct err *e);
	void *ctx;
};

struct training; /* encoder, encoded rows, labels, trainer */

/* The checks a run needs, on the summary alone: ERR_DATA "no_label_column", "no_labels", "one_class", "too_few_rows". */
enum status training_check(const struct dataset_summary *s, struct err *e);

enum status training_new(const struct dataset_summary *s, const struct chunk_source *source, const struct params *p,
	int n_threads, struct training **out, struct err *e);
void training_free(struct training *t);
struct trainer *training_trainer(struct training *t);      /* to step, watch, save, restore */
const struct params *training_params(const struct training *t); /* resolved */
/* When the trainer is done: the artefact, its report included. */
enum status training_finish(struct training *t, struct bundle **out, struct err *e);

#endif
