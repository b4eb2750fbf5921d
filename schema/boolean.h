/*
 * boolean: texts that say yes or no: true, yes, t, y and false, no, f, n, all small, all large or with a large first
 * letter. "1" and "0" do too where a column is known to be one of yes and no; a column of nothing but them is one of
 * numbers. Thread rule: pure.
 */
#ifndef VERAD_SCHEMA_BOOLEAN_H
#define VERAD_SCHEMA_BOOLEAN_H

#include <stdbool.h>
#include <stddef.h>

bool boolean_parse(const char *text, size_t len, bool *out); /* spaces around it left out */
/* The i-th of all spellings; NULL past the last. */
const char *boolean_spelling(size_t i, bool *value);

#endif
