/*
 * suggest: which known name did a person mean? For "unknown parameter" and "unknown column" messages.
 *
 * Thread rule: pure functions, no state, no allocation.
 */
#ifndef VERAD_ENGINE_SUGGEST_H
#define VERAD_ENGINE_SUGGEST_H

#include <stddef.h>

/* The name among known[n] nearest to `name` (the first of equals; borrowed from known), or NULL where none is near
 * enough to be worth saying: more than about a third of its letters would have to change. Insertions, deletions,
 * changes and swaps of neighbours count one each; a difference only in case, or among "-_. ", counts half. */
const char *suggest_nearest(const char *name, const char *const *known, size_t n);

#endif
