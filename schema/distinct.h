/*
 * distinct: how many different texts does a column have? Counted up to a limit, in 8 bytes a text, whatever the texts'
 * size. A collision of their hashes would make the count one too small; among 100,000 texts the odds of any are one in
 * three thousand million. Thread rule: one thread at a time per budget.
 */
#ifndef VERAD_SCHEMA_DISTINCT_H
#define VERAD_SCHEMA_DISTINCT_H

#include <stdbool.h>

#include "engine/err.h"

struct distinct {          /* {0}: none yet */
	uint64_t *slot;    /* [n_slots], 0 is an empty one; owned */
	size_t n, n_slots; /* n: the count */
	bool full;         /* counting has stopped */
};
void distinct_release(struct distinct *d); /* leaves {0} */

/* The text is counted if it is new, up to max_n texts; *n_slots of all columns together are kept to max_slots. */
enum status distinct_add(struct distinct *d, const char *text, size_t len, size_t max_n, size_t *n_slots,
	size_t max_slots, struct err *e);

#endif
