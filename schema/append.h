/*
 * append: the rows of another file for a table that is there. Columns are matched by name, in whatever order; each must
 * be there and fit its type, only the label column may be absent: then none of the rows has a label. Columns that the
 * table has not are left out.
 *
 * It stands between an ingest of the new file and whoever takes the table's chunks. Then it makes the summary of all
 * the rows out of the old one and the new one's. How many different texts a column has in all is the one thing that two
 * summaries do not tell: for that the old chunks are met, as many as it takes to have seen the new texts among them;
 * mostly it is one.
 *
 * Thread rule: one thread at a time.
 */
#ifndef VERAD_SCHEMA_APPEND_H
#define VERAD_SCHEMA_APPEND_H

#include "schema/ingest.h"

/* How to read the new file: as the table was, with its types. Into *out, zeroed; also sets what it can on failure. */
enum status append_options(
	const struct dataset_summary *table, const char *label_column, struct ingest_options *out, struct err *e);

struct append;
/* `table` is copied as far as it matters; `sink` gets chunks with exactly its columns. */
enum status append_new(
	const struct dataset_summary *table, const struct ingest_sink *sink, struct append **out, struct err *e);
void append_free(struct append *a);               /* accepts NULL */
struct ingest_sink append_sink(struct append *a); /* for the ingest of the new file; borrowed */

/* After the new file's last chunk. false: the old chunks have nothing more to tell. */
bool append_wants_old(const struct append *a);
enum status append_meet_old(struct append *a, const struct table *chunk, struct err *e);

/* Both files' rows in one summary. before: of the table, as wide as the one given first; part: of the new file.
 * ERR_DATA "too_many_classes". Release *whole. */
enum status append_sum(const struct append *a, const struct dataset_summary *before, const struct dataset_summary *part,
	struct dataset_summary *whole, struct err *e);

#endif
