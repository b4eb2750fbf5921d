/*
 * chunk_source: where the rows of a data set come from, in the daemon's store or in memory.
 */
#ifndef VERAD_SERVER_CHUNK_SOURCE_H
#define VERAD_SERVER_CHUNK_SOURCE_H

#include "schema/table.h"

/* Chunk `i` into the table (table_init'ed with the summary's columns); ERR_NOT_FOUND past the last. */
struct chunk_source {
	enum status (*read)(void *ctx, size_t i, struct table *t, struct err *e);
	void *ctx;
};

#endif
