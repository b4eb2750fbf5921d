/* content: see content.h. */
#include "server/content.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/csv.h"

enum { PIECE = 128 << 10 }; /* bytes of rows written at a time */

struct content {
	struct store *store; /* borrowed */
	char id[STORE_ID_SIZE];
	size_t n_chunks;
	struct chunk_extent *extent; /* [n_chunks]; csv_bytes 0: not known yet */
	bool learnt;                 /* one that the store does not know */
	struct buf header;

	struct table t;    /* chunk `chunk`, where that is not SIZE_MAX */
	size_t chunk;      /* which is being written; SIZE_MAX: none, the header is next */
	size_t row;        /* its next row to be written */
	uint64_t chunk_at; /* of its first byte in the whole */
	struct buf piece;  /* of its text */
	uint64_t piece_at; /* of the piece's first byte in the whole */
};

/* Whoever changes what is written here needs a migration that forgets csv_bytes, and other ETags. */
static void
put_row(struct buf *out, const struct table *t, size_t row)
{
	char number[32];

	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->column[i];

		if (i)
			buf_put(out, ",", 1);
		if (c->type == COLUMN_NUMBER) {
			if (!isnan(c->number[row]))
				buf_put(out, number, number_format(number, c->number[row]));
		} else if (c->code[row] != TABLE_MISSING) {
			csv_put_cell(out, c->dictionary.text[c->code[row]], c->dictionary.len[c->code[row]]);
		}
	}
	buf_put(out, "\n", 1);
}

enum status
content_open(struct store *s, const struct dataset *d, struct content **out, struct err *e)
{
	struct content *c = calloc(1, sizeof *c);
	enum status status;

	if (!c)
		return err_nomem(e);
	c->store = s;
	c->n_chunks = d->n_chunks;
	c->chunk = SIZE_MAX;
	memcpy(c->id, d->id, sizeof c->id);
	if (!(c->extent = calloc(d->n_chunks ? d->n_chunks : 1, sizeof *c->extent))) {
		status = err_nomem(e);
		goto out;
	}
	if ((status = store_dataset_extents(s, d->id, c->extent, d->n_chunks, e)) ||
		(status = dataset_table(&d->summary, &c->t, e)))
		goto out;
	for (size_t i = 0; i < d->summary.n_columns; i++) {
		const char *name = d->summary.column[i].name;

		if (i)
			buf_put(&c->header, ",", 1);
		csv_put_cell(&c->header, name, strlen(name));
	}
	buf_put(&c->header, "\n", 1);
	if ((status = buf_status(&c->header, e)))
		goto out;
	*out = c;
	c = NULL;
out:
	content_close(c);
	return status;
}

/* The next piece of the present chunk; false: there is no more of it. */
static bool
write_piece(struct content *c)
{
	c->piece_at += c->piece.len;
	buf_clear(&c->piece);
	while (c->row < c->t.n_rows && c->piece.len < PIECE && !c->piece.failed)
		put_row(&c->piece, &c->t, c->row++);
	return c->piece.len > 0;
}

static void
learn(struct content *c, uint64_t bytes)
{
	c->learnt = c->learnt || !c->extent[c->chunk].csv_bytes;
	c->extent[c->chunk].csv_bytes = bytes;
}

/* Ready to write chunk i, whose first byte is at `at`. */
static enum status
enter_chunk(struct content *c, size_t i, uint64_t at, struct err *e)
{
	enum status s = store_dataset_chunk(c->store, c->id, i, &c->t, e);

	c->chunk = s ? SIZE_MAX : i;
	c->row = 0;
	c->chunk_at = c->piece_at = at;
	buf_clear(&c->piece);
	return s;
}

enum status
content_measure(struct content *c, struct err *e)
{
	enum status s = OK;

	for (size_t i = 0; i < c->n_chunks; i++) {
		if (c->extent[i].csv_bytes)
			continue;
		if ((s = enter_chunk(c, i, 0, e)))
			return s;
		while (write_piece(c))
			;
		if ((s = buf_status(&c->piece, e)))
			return s;
		learn(c, c->piece_at);
	}
	c->chunk = SIZE_MAX;
	return OK;
}

uint64_t
content_size(const struct content *c)
{
	uint64_t size = c->header.len;

	for (size_t i = 0; i < c->n_chunks; i++) {
		if (!c->extent[i].csv_bytes)
			return UINT64_MAX;
		size += c->extent[i].csv_bytes;
	}
	return size;
}

/* The chunk that byte `at` of the whole is in, going by the known sizes; the one after them when that is all there is.
 */
static enum status
seek(struct content *c, uint64_t at, struct err *e)
{
	uint64_t first = c->header.len;
	size_t i = 0;

	while (i < c->n_chunks && c->extent[i].csv_bytes && at - first >= c->extent[i].csv_bytes)
		first += c->extent[i++].csv_bytes;
	if (i == c->n_chunks) {
		c->chunk = c->n_chunks;
		return OK;
	}
	return enter_chunk(c, i, first, e);
}

enum status
content_read(void *content, uint64_t at, void *to, size_t max, size_t *got, struct err *e)
{
	struct content *c = content;
	const unsigned char *from;
	size_t n;
	enum status s;

	*got = 0;
	if (at < c->header.len) {
		from = c->header.data + at;
		n = c->header.len - (size_t)at;
	} else {
		if ((c->chunk == SIZE_MAX || at < c->piece_at) && (s = seek(c, at, e)))
			return s;
		while (c->chunk < c->n_chunks && at >= c->piece_at + c->piece.len) {
			if (write_piece(c))
				continue;
			if ((s = buf_status(&c->piece, e)))
				return s;
			learn(c, c->piece_at - c->chunk_at);
			if (c->chunk + 1 == c->n_chunks)
				c->chunk++;
			else if ((s = enter_chunk(c, c->chunk + 1, c->piece_at, e)))
				return s;
		}
		if (c->chunk == c->n_chunks)
			return OK;
		from = c->piece.data + (at - c->piece_at);
		n = c->piece.len - (size_t)(at - c->piece_at);
	}
	*got = n < max ? n : max;
	memcpy(to, from, *got);
	return OK;
}

void
content_close(void *content)
{
	struct content *c = content;
	struct err ignored;

	if (!c)
		return;
	if (c->learnt) /* if it cannot be kept, it is learnt again */
		store_dataset_extents_put(c->store, c->id, c->extent, c->n_chunks, &ignored);
	table_release(&c->t);
	buf_release(&c->header);
	buf_release(&c->piece);
	free(c->extent);
	free(c);
}
