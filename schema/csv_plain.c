/*
 * csv_plain: rows of CSV that need no state machine.
 *
 * A row on a line of its own, of the right width, its quotes in their places, as nearly all are, is split by masks of
 * 64 bytes, some ten times faster than by libcsv. Here it is only ever said that a row is plain, and what its cells
 * are: one that is not, is left to csv.c. That both read the same is tested with libcsv alone as the oracle.
 */
#include <string.h>

#include "schema/csv_private.h"
#include "schema/scan.h"

/* The cell p[*len], which holds quotes, without those around it and one of each pair inside; false: it is not well
 * formed, and maybe half changed. */
static bool
unquote(unsigned char *p, size_t *len, unsigned char quote)
{
	size_t n = *len, to = 0;

	if (n < 2 || p[0] != quote || p[n - 1] != quote)
		return false;
	for (size_t i = 1; i < n - 1; i++) {
		if (p[i] == quote && (++i == n - 1 || p[i] != quote))
			return false;
		p[to++] = p[i];
	}
	*len = to;
	return true;
}

/* Takes the quotes out of the row's cells and moves those together; false: it is not well formed, and as it was. */
static bool
unquote_row(struct csv *c, unsigned char *row, size_t n)
{
	unsigned char *to = row;

	if (c->record_cap < n && !csv_grow_record(c, n))
		return false;
	memcpy(c->record, row, n);
	for (size_t i = 0; i < c->n_columns; i++) {
		unsigned char *cell = row + (c->cell[i].text - (const char *)row);
		size_t len = c->cell[i].len;

		if (memchr(cell, c->quote, len) && !unquote(cell, &len, (unsigned char)c->quote)) {
			memcpy(row, c->record, n);
			return false;
		}
		memmove(to, cell, len);
		c->cell[i].text = (const char *)to;
		c->cell[i].len = len;
		to += len + 1;
	}
	return true;
}

/* The row of all columns' cells, n bytes and its newline, which lies whole in memory; false: libcsv has to judge it. */
static bool
plain_row(struct csv *c, unsigned char *row, size_t n, bool quoted)
{
	struct csv_cell *last = &c->cell[c->n_columns - 1];

	if (row[n - 1] == '\r') /* of a line end; n is above 0 and a CR elsewhere would have stopped the scan */
		n--, last->len--;
	if (!n || n > csv_cell_limit(c) || (quoted && !unquote_row(c, row, n)))
		return false;
	for (size_t i = 0; i < c->n_columns; i++)
		row[c->cell[i].text - (const char *)row + (ptrdiff_t)c->cell[i].len] = '\0';
	c->row_ended_cr = false;
	c->handler.row(c->handler.ctx, c->cell, c->n_columns, c->line, &c->err);
	return true;
}

size_t
csv_plain_rows(struct csv *c, unsigned char *text, size_t n)
{
	size_t row = 0, start = 0,
	       n_cells = 0;  /* of the row at hand: its place, its present cell's, the cells before */
	uint64_t inside = 0; /* all bits: a quote is open */
	bool quoted = false;

	if (!c->n_columns)
		return 0;
	for (size_t base = 0; base < n; base += 64) {
		struct scan s = scan64(text + base, c->delimiter, c->quote);
		uint64_t valid = n - base < 64 ? (UINT64_C(1) << (n - base)) - 1 : ~UINT64_C(0), ends, odd;

		/* A CR that is not of a CRLF. The last of the 64 has its LF in the next, if at all. */
		odd = s.cr & ~(s.newline >> 1);
		if (odd >> 63 && base + 64 < n && text[base + 64] == '\n')
			odd &= ~UINT64_C(0) >> 1;
		ends = s.delimiter | s.newline;
		if (s.quote | inside) {
			uint64_t open = scan_parity(s.quote & valid) ^ inside;

			inside = open >> 63 ? ~UINT64_C(0) : 0;
			odd |= (s.newline | s.cr) & open;
			ends &= ~open;
			quoted = true;
		}
		odd &= valid;
		ends &= valid;
		if (odd) /* what ends before it is good */
			ends &= (odd & -odd) - 1;
		for (; ends; ends &= ends - 1) {
			size_t end = base + (size_t)__builtin_ctzll(ends);

			if (n_cells == c->n_columns)
				return row;
			c->cell[n_cells].text = (const char *)text + start;
			c->cell[n_cells++].len = end - start;
			start = end + 1;
			if (text[end] != '\n')
				continue;
			if (n_cells != c->n_columns || end == row || !plain_row(c, text + row, end - row, quoted))
				return row;
			c->line++;
			c->offset += start - row;
			row = start;
			n_cells = 0;
			quoted = s.quote & ~((UINT64_C(2) << (end - base)) - 1);
			if (c->err.status)
				return row;
		}
		if (odd)
			return row;
	}
	return row;
}
