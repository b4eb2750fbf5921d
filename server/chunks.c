/* chunks: see chunks.h. */
#include "server/chunks.h"

#include <stdlib.h>
#include <string.h>

void
chunks_release(struct chunks *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->chunk[i].end);
		buf_release(&c->chunk[i].bytes);
	}
	free(c->chunk);
	memset(c, 0, sizeof *c);
}

/* Gives back what the doubling of the buffer took too much. */
static void
trim(struct buf *b)
{
	unsigned char *data = b->len ? realloc(b->data, b->len) : NULL;

	if (data) {
		b->data = data;
		b->cap = b->len;
	}
}

static enum status
take_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct chunks *c = ctx;
	struct packed_chunk p = {.n_rows = t->n_rows};
	enum status s;

	(void)chunk_index; /* they come in order */
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 8;
		struct packed_chunk *larger = realloc(c->chunk, cap * sizeof *larger);

		if (!larger)
			return err_nomem(e);
		c->chunk = larger;
		c->cap = cap;
	}
	if (!(p.end = calloc(t->n_columns, sizeof *p.end)))
		return err_nomem(e);
	for (size_t i = 0; i < t->n_columns; i++) {
		column_write(t, i, &p.bytes);
		p.end[i] = p.bytes.len;
	}
	if ((s = buf_status(&p.bytes, e))) {
		buf_release(&p.bytes);
		free(p.end);
		return s;
	}
	trim(&p.bytes);
	c->chunk[c->n++] = p;
	return OK;
}

static enum status
restart(void *ctx, struct err *e)
{
	(void)e;
	chunks_release(ctx);
	return OK;
}

static enum status
read_chunk(void *ctx, size_t i, struct table *t, struct err *e)
{
	const struct chunks *c = ctx;
	const struct packed_chunk *p;
	size_t from = 0;
	enum status s;

	if (i >= c->n)
		return err_set(e, ERR_NOT_FOUND, "no_such_chunk", "there is no chunk %zu", i);
	p = &c->chunk[i];
	table_clear(t);
	if ((s = table_reserve(t, p->n_rows, e)))
		return s;
	t->n_rows = p->n_rows;
	for (size_t k = 0; k < t->n_columns; k++) {
		if ((s = column_read(t, k, p->bytes.data + from, p->end[k] - from, e)))
			return s;
		from = p->end[k];
	}
	return OK;
}

struct ingest_sink
chunks_sink(struct chunks *c)
{
	return (struct ingest_sink){.chunk = take_chunk, .restart = restart, .ctx = c};
}

struct chunk_source
chunks_source(struct chunks *c)
{
	return (struct chunk_source){.read = read_chunk, .ctx = c};
}
