/*
 * spool: bytes kept aside in order, to be read once more from the start. Short ones stay in memory; longer ones go to a
 * file without a name in a given directory, so that nothing is left behind whatever happens.
 *
 * Thread rule: one thread at a time per spool.
 */
#ifndef VERAD_SERVER_SPOOL_H
#define VERAD_SERVER_SPOOL_H

#include "engine/buf.h"

enum { SPOOL_MEMORY = 1 << 20 }; /* bytes kept in memory before the file is made */

struct spool {
	const char *dir;   /* borrowed */
	struct buf memory; /* the first bytes, up to SPOOL_MEMORY */
	int fd;            /* -1: none yet; holds everything once it is there */
	uint64_t len;
};

void spool_init(struct spool *s, const char *dir); /* dir NULL: $TMPDIR, else /tmp */
void spool_release(struct spool *s);

/* ERR_FULL when the disk is, ERR_IO otherwise. */
enum status spool_write(struct spool *s, const void *bytes, size_t n, struct err *e);

/* Up to `n` bytes from offset `at`; *got = 0 at the end. */
enum status spool_read(const struct spool *s, uint64_t at, void *bytes, size_t n, size_t *got, struct err *e);

#endif
