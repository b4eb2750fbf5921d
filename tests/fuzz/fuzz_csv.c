/*
 * fuzz_csv: any bytes through ingest, whole and in pieces, must come to the same end; what is stored must be sound, and
 * each column's bytes must read back. The first byte chooses the sizes of the pieces and the limits.
 * libFuzzer: clang -fsanitize=fuzzer,address,undefined; with any compiler: link with standalone.c and replay files.
 */
#include "schema/ingest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

struct outcome {
	uint64_t sum; /* over everything the sink saw */
	struct err err;
};

static enum status
on_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct outcome *o = ctx;

	(void)chunk_index;
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->column[i];
		const char *name = c->name;
		struct buf bytes = {0}, again = {0};
		struct table copy;

		for (size_t row = 0; row < t->n_rows; row++)
			REQUIRE(c->type == COLUMN_NUMBER || c->code[row] == TABLE_MISSING ||
				c->code[row] < c->dictionary.n);
		column_write(t, i, &bytes);
		REQUIRE(table_init(&copy, &name, &c->type, 1, e) == OK && table_reserve(&copy, t->n_rows, e) == OK);
		copy.n_rows = t->n_rows;
		REQUIRE(column_read(&copy, 0, bytes.data, bytes.len, e) == OK);
		column_write(&copy, 0, &again);
		REQUIRE(bytes.len == again.len && !memcmp(bytes.data, again.data, bytes.len));
		o->sum = o->sum * 31 + checksum64(bytes.data, bytes.len);
		table_release(&copy);
		buf_release(&bytes);
		buf_release(&again);
	}
	return OK;
}

static enum status
on_restart(void *ctx, struct err *e)
{
	(void)e;
	((struct outcome *)ctx)->sum = 0;
	return OK;
}

static struct outcome
ingest_pieces(const uint8_t *data, size_t size, size_t piece, const struct csv_limits *limits)
{
	struct outcome o = {0};
	struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = &o};
	char label[] = "label";
	const struct ingest_options options = {.label_column = size % 2 ? label : NULL};
	struct ingest *g;
	bool again = true;
	enum status status = ingest_new(&options, limits, &sink, &g, &o.err);

	if (status)
		return o;
	while (again && !status) {
		for (size_t at = 0; at < size && !status; at += piece)
			status = ingest_feed(g, data + at, piece < size - at ? piece : size - at, &o.err);
		if (!status)
			status = ingest_finish(g, &again, &o.err);
		if (!status && again)
			status = ingest_restart(g, &o.err);
	}
	REQUIRE(status == o.err.status);
	REQUIRE(!status || (o.err.code && o.err.msg[0] && status != ERR_INTERNAL));
	ingest_free(g);
	return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct csv_limits all[] = {{0}, {.max_cell = 8}, {.max_record = 20}, {3, 5, 12}};
	const struct csv_limits *limits;
	struct outcome whole, cut;
	size_t piece;

	if (!size)
		return 0;
	limits = &all[data[0] >> 6];
	piece = 1 + (data[0] & 63u) % 19;
	data++;
	size--;
	whole = ingest_pieces(data, size, size ? size : 1, limits);
	cut = ingest_pieces(data, size, piece, limits);
	REQUIRE(whole.err.status == cut.err.status && whole.err.line == cut.err.line);
	REQUIRE(!strcmp(whole.err.msg, cut.err.msg) && !strcmp(whole.err.column, cut.err.column));
	REQUIRE(whole.err.status || whole.sum == cut.sum);
	return 0;
}
