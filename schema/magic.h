/*
 * magic: what a file is that is no UTF-8 text, by its first bytes: 4 of them, or all there are. For messages. Thread
 * rule: pure functions.
 */
#ifndef VERAD_SCHEMA_MAGIC_H
#define VERAD_SCHEMA_MAGIC_H

#include <stddef.h>

/* The name of another text encoding, "UTF-16LE"; NULL: nothing known. */
const char *magic_encoding(const unsigned char *h, size_t n);

/* What other kind of file it is and what to do, "compressed with gzip; decompress it"; NULL: nothing known. */
const char *magic_format(const unsigned char *h, size_t n);

#endif
