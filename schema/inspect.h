/*
 * inspect: what a CSV file looks like, from its first bytes: how it is written, what its columns are, which of them may
 * be the labels, what its owner should look at before uploading it. Nothing is decided here that an upload would not
 * say again; but an upload takes a comma for the delimiter and a point for the decimal mark unless it is told, and this
 * finds out.
 *
 * Thread rule: pure functions.
 */
#ifndef VERAD_SCHEMA_INSPECT_H
#define VERAD_SCHEMA_INSPECT_H

#include "schema/ingest.h"
#include "schema/profile.h"

enum { INSPECT_BYTES = 1 << 20, INSPECT_MAX_CLASSES = 100, INSPECT_MAX_CANDIDATES = 5 };

struct label_candidate {
	size_t column, n_classes, n_labelled;
};

struct inspection {
	struct ingest_options options; /* as given, with what was found out */
	struct ingest *ingest;
	const struct dataset_summary *summary; /* of the rows that were looked at; the ingest's */
	struct profile *profile;
	size_t n_bytes;                                           /* that were looked at */
	struct label_candidate candidate[INSPECT_MAX_CANDIDATES]; /* the likeliest first */
	size_t n_candidates;
};
void inspection_release(struct inspection *i); /* accepts a zeroed struct */

/* whole: these bytes are the file; else what may be a part of a row at their end does not count. Bad rows are left out,
 * however many. given: what is known of how the file is to be read; NULL: nothing. Fails as an ingest of these bytes
 * would. */
enum status inspect(const void *bytes, size_t n, bool whole, const struct ingest_options *given, struct inspection *out,
	struct err *e);

/* What there is to be said of column i beside dataset_warning: its code and the sentence for people; else NULL.
 * "empty_column", "constant_column": nothing to learn from. "looks_like_id": a different value in every row, of numbers
 * one after the other. */
const char *inspection_warning(const struct inspection *n, size_t i, char message[DATASET_WARNING_SIZE]);

#endif
