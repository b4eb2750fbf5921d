/*
 * csv_private: what the rooms of the CSV reader share, and no one else includes:
 *
 *   csv.c         bytes to rows, with libcsv, and every error
 *   csv_plain.c   rows that need no libcsv
 */
#ifndef VERAD_SCHEMA_CSV_PRIVATE_H
#define VERAD_SCHEMA_CSV_PRIVATE_H

#include <csv.h>

#include "schema/csv.h"

struct csv {
	struct csv_handler handler;
	struct csv_limits limits;
	struct csv_parser parser;
	char delimiter, quote;
	struct err err; /* the first error; status OK: none yet */

	unsigned char head[12]; /* the first bytes, until they tell the encoding, and maybe the delimiter */
	size_t n_head;
	bool begun, finished;
	unsigned char part[4]; /* a character whose last bytes are still to come */
	size_t n_part;

	uint64_t offset;                 /* of the next byte of text, from the start of the file */
	uint64_t line;                   /* physical line of the byte being parsed, from 1 */
	uint64_t record_line, cell_line; /* where the record and its current cell began */
	bool in_record;                  /* record_line is set */
	bool after_cr;                   /* the last line ended with the CR that was the last byte seen */
	bool row_ended_cr;               /* the last row ended with CR: an LF now belongs to it */

	unsigned char *held; /* text not yet parsed, from the start of a record; CSV_MARGIN bytes before it */
	size_t n_held, held_cap;
	bool libcsv_alone;

	char *record; /* the cells so far, each with its NUL; CSV_MARGIN bytes before it */
	size_t record_cap;
	struct csv_cell *cell; /* [cell_cap] */
	size_t cell_cap;
	size_t n;         /* cells of this record so far, those too many included */
	size_t n_bytes;   /* their bytes, with one more each */
	size_t n_columns; /* 0: no header yet */
	struct dictionary names;
};

/* How many bytes the cell at hand may have, for itself and for its record. */
size_t csv_cell_limit(const struct csv *c);
/* Makes room in c->record for so many bytes more; false: no memory, and c->err says so. */
bool csv_grow_record(struct csv *c, size_t more);
/* Takes whole rows from the start of text[n], each on one line, until the first that is not so plain, and hands them to
 * the handler. Their cells are made of text itself, which is overwritten. Returns the bytes taken; 64 bytes behind
 * text[n] can be read. */
size_t csv_plain_rows(struct csv *c, unsigned char *text, size_t n);

#endif
