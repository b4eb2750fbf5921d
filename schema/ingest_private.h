/*
 * ingest_private: what the rooms of ingest share, and no one else includes:
 *
 *   ingest.c          rows to chunks, in one pass or two
 *   ingest_header.c   which columns there are, and what the options make of them
 *   ingest_plan.c     which columns of texts are to be read anew as something better
 */
#ifndef VERAD_SCHEMA_INGEST_PRIVATE_H
#define VERAD_SCHEMA_INGEST_PRIVATE_H

#include "schema/distinct.h"
#include "schema/ingest.h"
#include "schema/kinds.h"

/* Numbers of a column on their way into its array: a row's go to as many places as there are columns, each of them a
 * page of its own, so they are gathered close together first, a cache line of each column. */
enum { TILE = 8 };

struct ingest {
	struct ingest_options options;
	const char *label_name; /* of the options; NULL: none */
	char decimal;
	double na_number[INGEST_MAX_LISTED]; /* [n_na_numbers]: numbers that stand for a missing cell */
	size_t n_na_numbers;
	struct csv_limits limits;
	struct ingest_sink sink;
	struct csv *csv;

	/* Known from the header, or from the pass before. */
	bool typed;
	enum column_type *types;    /* [n_columns] */
	double *tile;               /* [n_columns][TILE], the latest numbers of each column */
	bool *declared;             /* [n_columns], by the options not of text: what does not fit makes a bad row */
	struct kinds *kinds;        /* [n_columns], what those of text have in common */
	struct number_form *form;   /* [n_columns], of those of numbers */
	struct number_forms *forms; /* [n_columns], what those of text have in common as numbers */
	size_t *declared_column;    /* [n_declared], which they are */
	size_t n_declared;
	struct table t; /* the chunk being filled */
	size_t chunk_cap, n_chunks, chunk_text;

	struct buf raw;       /* texts of the first chunk's cells, row by row */
	uint32_t *raw_offset; /* [raw_cap][n_columns], where each begins */
	size_t raw_cap;
	bool raw_kept;

	bool planned;         /* the pass under way is the last: what was found out in the one before holds */
	struct csv_cell date; /* the latest put in order */
	char date_text[DATE_TEXT_SIZE];
	bool again;                /* this pass only scouts for types: another must follow */
	struct distinct *distinct; /* [n_columns] */
	size_t n_distinct_slots;   /* in all of them */
	struct dictionary labels;
	size_t *label_count; /* [label_cap] */
	uint32_t last_label; /* counted */
	size_t label_cap;
	size_t n_empty_rows; /* among the bad ones */
	struct err *bad_row; /* [INGEST_BAD_ROWS] once there is one */
	struct dataset_summary summary;
};

/* For the reader of CSV, with struct ingest as ctx. ERR_DATA "unknown_label_column", "unknown_column"; ERR_CONFLICT
 * "stream_changed"; ERR_NOMEM. */
enum status ingest_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e);
/* After a pass that has seen every cell: is another to follow, since columns of texts turned out to be of one form of
 * numbers, or of dates in one order? Their types are known for that one. ERR_NOMEM. */
enum status ingest_plan(struct ingest *g, bool *again, struct err *e);

#endif
