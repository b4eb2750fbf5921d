/*
 * fuzz_csv: any bytes through ingest, whole and in pieces, must come to the same end; what is stored must be sound, and
 * each column's bytes must read back. And the reader must read what libcsv alone does. The first byte chooses the sizes
 * of the pieces and the limits, the second how the file is to be read.
 * libFuzzer: clang -fsanitize=fuzzer,address,undefined; with any compiler: link with standalone.c and replay files.
 */
#include "schema/ingest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

static const char delimiters[] = {',', ';', '\t', '|'};

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
ingest_pieces(const uint8_t *data, size_t size, size_t piece, const struct csv_limits *limits, unsigned how)
{
	struct outcome o = {0};
	struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = &o};
	char label[] = "label";
	const struct ingest_options options = {.label_column = size % 2 ? label : NULL,
		.delimiter = delimiters[how % 4],
		.decimal = how & 4 ? ',' : '.',
		.quote = how & 8 ? '\'' : '"',
		.unquoted = (how & 48) == 48,
		.na_given = how & 64,
		.max_bad_rows = how & 128 ? 2 : 0};
	struct ingest *g = NULL;
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

/* Everything that a reader says, as a number. */
static enum status
on_cells(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	struct outcome *o = ctx;

	(void)e;
	for (size_t i = 0; i < n; i++) {
		REQUIRE(!cell[i].text[cell[i].len] && (!i || cell[i].text == cell[i - 1].text + cell[i - 1].len + 1));
		o->sum = o->sum * 31 + checksum64(cell[i].text, cell[i].len);
	}
	return OK;
}

static enum status
on_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	((struct outcome *)ctx)->sum += line;
	return on_cells(ctx, cell, n, e);
}

static struct outcome
read_by(const uint8_t *data, size_t size, const struct csv_limits *limits, unsigned how, bool libcsv_alone)
{
	struct outcome o = {0};
	const struct csv_handler handler = {.header = on_cells, .row = on_row, .ctx = &o};
	struct csv *c = NULL;

	if (csv_new(&handler, limits, &c, &o.err))
		return o;
	csv_set_dialect(c, delimiters[how % 4], (how & 48) == 48 ? '\0' : how & 8 ? '\'' : '"');
	if (libcsv_alone)
		csv_use_libcsv_alone(c);
	if (!csv_feed(c, data, size, &o.err))
		csv_finish(c, &o.err);
	csv_reader_free(c);
	return o;
}

static void
require_same(const struct outcome *a, const struct outcome *b)
{
	REQUIRE(a->err.status == b->err.status && a->err.line == b->err.line);
	REQUIRE(!strcmp(a->err.msg, b->err.msg) && !strcmp(a->err.column, b->err.column));
	REQUIRE(a->err.status || a->sum == b->sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct csv_limits all[] = {{0}, {.max_cell = 8}, {.max_record = 20}, {3, 5, 12}};
	const struct csv_limits *limits;
	struct outcome whole, cut, ours, libcsv;
	unsigned how;
	size_t piece;

	if (size < 2)
		return 0;
	limits = &all[data[0] >> 6];
	piece = 1 + (data[0] & 63u) % 19;
	how = data[1];
	data += 2;
	size -= 2;
	whole = ingest_pieces(data, size, size ? size : 1, limits, how);
	cut = ingest_pieces(data, size, piece, limits, how);
	require_same(&whole, &cut);
	ours = read_by(data, size, limits, how, false);
	libcsv = read_by(data, size, limits, how, true);
	require_same(&ours, &libcsv);
	return 0;
}
