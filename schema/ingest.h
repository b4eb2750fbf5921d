/*
 * ingest: CSV bytes, streamed, to chunks of typed columns with a summary of the whole.
 *
 * A column's type is number until a cell of it is neither a number nor missing, then text, unless the options say what
 * it is; ingest_options.h has those, and what counts as missing. A column of texts that are all dates (date.h) is one
 * of dates in the end, one of both yes and no and nothing else (boolean.h) one of those; usual spellings of a missing
 * value are allowed among them, and are texts all the same, which the encoder takes as missing. Where
 * a column turns out to be text after chunks with it have left as numbers, the stream must be fed once more from its
 * start (its types known then): ingest_finish says so with *again = true, and the caller, who owns the bytes, calls
 * ingest_restart and feeds them again. So it must where a whole column turned out to be of numbers of one form
 * (number_form.h) or of dates that are to be put in order (date.h): three passes are the most. The sink is told by
 * `restart` to drop what it had. A change of type within the first chunk needs no second pass; either way every cell of
 * a text column comes out with its exact text ("007").
 *
 * Memory is bounded whatever the file's size: one chunk, the classes, and 8 bytes a counted distinct text.
 * Thread rule: one thread at a time per ingest.
 */
#ifndef VERAD_SCHEMA_INGEST_H
#define VERAD_SCHEMA_INGEST_H

#include "schema/csv.h"
#include "schema/ingest_options.h"

enum { INGEST_CHUNK_CELLS = 1 << 20, INGEST_CHUNK_ROWS = 1 << 16, INGEST_CHUNK_TEXT = 8 << 20 };
/* A chunk ends at the first of these numbers: of cells, of rows, of bytes of distinct text. */

enum { INGEST_TEXT_CELL = 40 };

struct column_summary {
	char *name; /* owned */
	enum column_type type;
	enum column_role role;
	size_t n_missing;  /* cells, n_na and n_infinite included */
	size_t n_na;       /* cells taken as missing by a usual spelling, "NA", that nobody had listed */
	size_t n_infinite; /* of a number column: cells taken as missing because they are infinite, "inf" or "1e999" */
	uint64_t infinite_line;  /* where the first of these is; 0: there is none */
	struct number_form form; /* of a number column */
	double min, max;         /* of a number column with values; else NaN */
	size_t n_distinct;       /* of a text column; counting stops at INGEST_MAX_DISTINCT, and sooner where the counts
				    of a very wide table would need more than 64 MiB together */
	size_t n_numbers;        /* of a column that turned out to be of text: cells that are numbers all the same */
	/* Of a text column that was not declared one, its first cell that is no number; of others the first of n_na. */
	uint64_t text_line;                   /* where it is; 0: there is no such cell */
	char text_cell[INGEST_TEXT_CELL + 1]; /* and what it is, cut */
};
enum { INGEST_MAX_DISTINCT = 100000 };
enum { INGEST_MAX_CLASSES = 65535, INGEST_MAX_LABEL = 1024 };

struct class_count {
	char *label; /* owned */
	size_t count;
};

struct dataset_summary {
	size_t n_rows, n_labelled, n_unlabelled, n_bytes; /* no label column: all are unlabelled */
	size_t n_columns;
	struct column_summary *column; /* [n_columns], owned; label column included, in file order */
	size_t label_column;           /* index; SIZE_MAX: none was named */
	size_t n_classes;
	struct class_count *classes; /* [n_classes], owned, in byte order of the labels */
	size_t n_bad_rows;           /* left out; not among n_rows */
	char *bad_rows; /* owned: a JSON array of the first INGEST_BAD_ROWS of them: {line, column, code, message} */
	char *options;  /* owned: how it was read, a JSON object as ingest_options_to_json makes it */
};
enum { INGEST_BAD_ROWS = 100 };
void dataset_summary_release(struct dataset_summary *s); /* accepts a zeroed struct */
/* An empty table with these columns, for the chunks of the data set. */
enum status dataset_table(const struct dataset_summary *s, struct table *out, struct err *e);

/* What there is about column i that its owner should know, the nth of it; false: nothing more.
 * "unnamed_column": it has no name of its own; the first columns of a table without one name or count the rows, and
 * have the role id unless the options say something of them; "numbers_among_text": it is text although at least half of
 * its cells are numbers, because of a "none", say; "number_with_unit": it is read as numbers without their unit, or
 * with digits in groups; "date_order": it is read as dates written in the order that the table's columns show, or the
 * options say; "ambiguous_date": it is text, but the first cell that made it one is a date if it is known in which
 * order it is; "mixed_numbers": it is text, but the first cell that made it one is such a number, and others are of
 * another form; "other_decimal": it is text, but the first cell that made it one is a number with the other decimal
 * mark; "infinite_number": cells were taken as missing because they are infinite; "na_among_numbers",
 * "na_among_labels": cells such as "NA" were taken as missing that nobody had listed; "suspect_label": most labels are
 * one that may mean that there is none, "-1"; "similar_labels": two differ in spaces around them, in case or in how a
 * number is written alone. */
enum { DATASET_WARNING_SIZE = 256 };
struct dataset_warning {
	const char *code;                   /* static */
	uint64_t line;                      /* of the first such cell; 0: of none */
	char message[DATASET_WARNING_SIZE]; /* for people */
};
bool dataset_warning(const struct dataset_summary *s, size_t i, size_t nth, struct dataset_warning *out);

struct ingest_sink {
	/* A full chunk: valid during the call. Its table has every column of the file, in file order. */
	enum status (*chunk)(void *ctx, const struct table *t, size_t chunk_index, struct err *e);
	/* Where it is there, called instead of chunk: may take *t and leave another table of the same columns. */
	enum status (*take)(void *ctx, struct table *t, size_t chunk_index, struct err *e);
	enum status (*restart)(void *ctx, struct err *e);
	void *ctx;
};

struct ingest;

/* The options are copied; NULL: the defaults. A column that they name and the header lacks is ERR_DATA
 * "unknown_label_column" or "unknown_column", with the nearest name. More than INGEST_MAX_CLASSES classes is ERR_DATA
 * "too_many_classes", a label of more than INGEST_MAX_LABEL bytes "label_too_long". No data row: "no_rows". A cell in a
 * column declared to be of numbers that is none: "not_a_number"; a weight that is missing or below 0: "bad_weight"; one
 * bad row more than max_bad_rows allows, where it allows any: "too_many_bad_rows". A second pass over bytes that have
 * changed since: ERR_CONFLICT "stream_changed". And all that csv.h says. A label keeps its spaces. */
enum status ingest_new(const struct ingest_options *options, const struct csv_limits *limits,
	const struct ingest_sink *sink, struct ingest **out, struct err *e);
enum status ingest_feed(struct ingest *g, const void *bytes, size_t n, struct err *e);
enum status ingest_finish(struct ingest *g, bool *again, struct err *e);
enum status ingest_restart(struct ingest *g, struct err *e);
const struct dataset_summary *ingest_summary(const struct ingest *g); /* complete after finish; borrowed */
/* The i-th of the bad rows left out so far, i < INGEST_BAD_ROWS; NULL: there are not so many. Borrowed. */
const struct err *ingest_bad_row(const struct ingest *g, size_t i);
void ingest_free(struct ingest *g);

#endif
