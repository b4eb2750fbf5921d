/*
 * content: a data set as one CSV file, made while it is read: the header and every row, numbers in their shortest form,
 * missing cells empty. The same version always gives the same bytes.
 *
 * How long each chunk is as CSV is not known until it was written once; the store remembers it from then on. So a
 * reader that only goes forward learns the sizes by the way, and one that wants a part of the middle has the chunks
 * before it measured once. Memory: one chunk, and a piece of its text. Thread rule: one thread at a time.
 */
#ifndef VERAD_SERVER_CONTENT_H
#define VERAD_SERVER_CONTENT_H

#include "server/store.h"

struct content;
/* Of the data set as it is now; rows that come later are not in it. `d` is borrowed. */
enum status content_open(struct store *s, const struct dataset *d, struct content **out, struct err *e);
/* Measures what was never measured; then the size is known. */
enum status content_measure(struct content *c, struct err *e);
uint64_t content_size(const struct content *c); /* UINT64_MAX: not known */
/* Up to `max` bytes from position `at`; *got = 0: the end. Quick where `at` follows what was read last. */
enum status content_read(void *content, uint64_t at, void *to, size_t max, size_t *got, struct err *e);
void content_close(void *content); /* accepts NULL */

#endif
