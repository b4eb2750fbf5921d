/*
 * estimate: what a job will take, time and memory, from the data set's summary and its first chunk.
 *
 * Time: a few steps of each kind are run on a trainer of the job's own shape, or some rows are predicted, and what they
 * took is multiplied. Memory: the sizes of what a run allocates; the program's own and what serving needs come on top.
 * Both are for a machine as busy as it is at the moment. Thread rule: pure functions, of a fraction of a second to a
 * few seconds for the largest networks.
 */
#ifndef VERAD_SERVER_ESTIMATE_H
#define VERAD_SERVER_ESTIMATE_H

#include "schema/bundle.h"
#include "schema/ingest.h"

struct job_estimate {
	double seconds; /* at work, waiting apart */
	size_t memory_bytes;
	size_t rows, steps, features; /* features: as far as the first chunk shows; steps: 0 unless training */
	struct params params;         /* resolved; of training */
	size_t n_queued, n_at_work;   /* jobs, now */
};

/* All of the same first chunk; chunk_seconds: what it took to read. */
struct estimate_source {
	const struct dataset_summary *summary;
	const struct table *chunk;
	double chunk_seconds;
};

/* What the table and the parameters cannot do together is an error here as in the run. */
enum status estimate_training(const struct estimate_source *from, const struct params *p, int n_threads,
	struct job_estimate *out, struct err *e);
/* include: a sum of enum include. */
enum status estimate_rows(const struct estimate_source *from, const struct bundle *b, bool evaluate, unsigned include,
	struct job_estimate *out, struct err *e);

#endif
