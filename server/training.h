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
#include "server/chunk_source.h"

/* The summary as a run with these parameters sees it: without classes and labels where its method ignores them. A
 * shallow copy, not to be released. */
struct dataset_summary training_view(const struct dataset_summary *s, const struct params *p);

struct training; /* encoder, encoded rows, labels, trainer */

/*
 * The checks a run needs, on the summary and the parameters alone: ERR_DATA "one_class", "too_few_rows", and what
 * params_check_unlabelled says of a table without labels, with "no_label_column" where none was named; and what
 * class_params_resolve says of the classes. c may be NULL, here and below.
 */
enum status training_check(
	const struct dataset_summary *s, const struct params *p, const struct class_params *c, struct err *e);

/* The summary and c are borrowed until training_free. Chunks are read in order, in up to three passes (labels, to
 * choose the rows held out; then the encoder's fit; then the rows), and only before this returns. A single chunk is
 * read once. A status of the source's other than ERR_NOT_FOUND comes through. */
enum status training_new(const struct dataset_summary *s, const struct chunk_source *source, const struct params *p,
	const struct class_params *c, int n_threads, struct training **out, struct err *e);
void training_free(struct training *t);                         /* accepts NULL */
struct trainer *training_trainer(struct training *t);           /* to step, watch, save, restore */
const struct params *training_params(const struct training *t); /* resolved */
void training_progress(const struct training *t, struct train_progress *p);
/*
 * A labelled set that the finished model and its baseline are measured on, for a section `test` of the report. Before
 * the first step. The set has labels, some of them of classes that the model will know, and the columns that the
 * encoder wants: what training_test_check says, exactly now that the encoder is fitted. Borrowed until training_free;
 * `ask` (may be NULL) is called now and then while training_finish measures, and a status other than OK ends it.
 */
struct training_test {
	const struct dataset_summary *summary;
	struct chunk_source source;
	enum status (*ask)(void *ctx, struct err *e);
	void *ctx;
};
enum status training_test(struct training *t, const struct training_test *test, struct err *e);
/* What can be said of it before, from the summaries of both sets: ERR_DATA "no_label_column", "no_labels",
 * "no_known_classes", "missing_column", "not_a_number", "evaluation_too_large". */
enum status training_test_check(const struct dataset_summary *s, const struct dataset_summary *test, struct err *e);
/* The report's section (owned, cJSON_Delete) of answers to the test set by the bundle, and by the baseline (NULL: there
 * is none) in its place. */
struct cJSON;
enum status training_test_measure(const struct training_test *test, const struct bundle *b, struct model *baseline,
	struct cJSON **out, struct err *e);

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
