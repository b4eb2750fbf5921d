/*
 * chunks: the chunks of one table in memory, each column packed as the store packs it, so that a table costs about what
 * its narrowest number types cost. Sink of an ingest and source of a training run; for the command line.
 */
#ifndef VERAD_SERVER_CHUNKS_H
#define VERAD_SERVER_CHUNKS_H

#include "schema/ingest.h"
#include "server/training.h"

struct packed_chunk {
	size_t n_rows;
	size_t *end; /* [n_columns], where each column's bytes end in `bytes`; owned */
	struct buf bytes;
};

struct chunks { /* {0} is an empty one */
	size_t n, cap;
	struct packed_chunk *chunk;
};

void chunks_release(struct chunks *c); /* accepts a zeroed struct; leaves one */

/* Both borrow `c`, which must outlive them and stay where it is. */
struct ingest_sink chunks_sink(struct chunks *c);
struct chunk_source chunks_source(struct chunks *c);

#endif
