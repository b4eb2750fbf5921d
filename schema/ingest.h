/*
 * ingest: CSV bytes, streamed, to chunks of typed columns with a summary of the whole.
 *
 * A column's type is number until a cell of it is neither a number nor empty, then text; the label column is always
 * text. Where a column turns out to be text after chunks with it have left as numbers, the stream must be fed once more
 * from its start (its types known then): ingest_finish says so with *again = true, and the caller, who owns the bytes,
 * calls ingest_restart and feeds them again. The sink is told by `restart` to drop what it had.
 */
#ifndef VERAD_SCHEMA_INGEST_H
#define VERAD_SCHEMA_INGEST_H

#include "schema/csv.h"
#include "schema/table.h"

enum { INGEST_CHUNK_CELLS = 1 << 20, INGEST_CHUNK_ROWS = 1 << 16 }; /* a chunk ends at either */

struct column_summary {
	char *name;             /* owned */
	enum column_type type;
	size_t n_missing;
	double min, max;        /* of a number column with values; else NaN */
	size_t n_distinct;      /* of a text column; counting stops at INGEST_MAX_DISTINCT */
};
enum { INGEST_MAX_DISTINCT = 100000 };

struct class_count {
	char *label;            /* owned */
	size_t count;
};

struct dataset_summary {
	size_t n_rows, n_labelled, n_unlabelled, n_bytes;
	size_t n_columns;
	struct column_summary *column; /* [n_columns], owned; label column included, in file order */
	size_t label_column;           /* index; SIZE_MAX: none was named */
	size_t n_classes;
	struct class_count *classes;   /* [n_classes], owned, in byte order of the labels */
};
void dataset_summary_release(struct dataset_summary *s); /* accepts a zeroed struct */

struct ingest_sink {
	/* A full chunk: valid during the call. Its table has every column of the file, in file order. */
	enum status (*chunk)(void *ctx, const struct table *t, size_t chunk_index, struct err *e);
	enum status (*restart)(void *ctx, struct err *e);
	void *ctx;
};

struct ingest;

/* label_column NULL: the table has none. A named column that the header lacks is ERR_DATA "unknown_label_column",
 * with the nearest name. More than 65,535 classes is ERR_DATA "too_many_classes". No data row: "no_rows". */
enum status ingest_new(const char *label_column, const struct csv_limits *limits, const struct ingest_sink *sink,
	struct ingest **out, struct err *e);
enum status ingest_feed(struct ingest *g, const void *bytes, size_t n, struct err *e);
enum status ingest_finish(struct ingest *g, bool *again, struct err *e);
enum status ingest_restart(struct ingest *g, struct err *e);
const struct dataset_summary *ingest_summary(const struct ingest *g); /* complete after finish; borrowed */
void ingest_free(struct ingest *g);

#endif
