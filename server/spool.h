/*
 * spool: bytes kept aside in order, to be read once more from the start. Short ones stay in memory; longer ones go to a
 * file without a name in a given directory, so that nothing is left behind whatever happens. They are written behind
 * the caller, so that an error may come with a later call.
 *
 * Thread rule: one thread at a time per spool; it has a thread of its own once there is a file.
 */
#ifndef VERAD_SERVER_SPOOL_H
#define VERAD_SERVER_SPOOL_H

#include "engine/buf.h"

enum { SPOOL_MEMORY = 1 << 20 }; /* bytes kept in memory before they go to the file; as many again are on the way */

struct spool_writer;
struct spool {
	const char *dir;             /* borrowed */
	struct buf memory;           /* the last bytes; all of them while there is no writer */
	struct spool_writer *writer; /* NULL: no file yet */
	bool threaded;               /* the writer has its thread, which frees it */
	uint64_t len;
};

void spool_init(struct spool *s, const char *dir); /* dir NULL: $TMPDIR, else /tmp */
void spool_release(struct spool *s);

/* ERR_FULL when the disk is, ERR_IO otherwise. */
enum status spool_write(struct spool *s, const void *bytes, size_t n, struct err *e);

/* Up to `n` bytes from offset `at`; *got = 0 at the end. */
enum status spool_read(struct spool *s, uint64_t at, void *bytes, size_t n, size_t *got, struct err *e);

#endif
