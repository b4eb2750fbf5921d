/*
 * unnamed: columns whose header cell is empty, as pandas and R write the index of their rows and many programs the
 * delimiter at the end of a line: the first of them is called "Unnamed: 0", the next "Unnamed: 1" and so on, numbers
 * left out that other columns are called by. They are counted among themselves, so that a column left out elsewhere,
 * the labels say, changes no name. Thread rule: pure.
 */
#ifndef VERAD_SCHEMA_UNNAMED_H
#define VERAD_SCHEMA_UNNAMED_H

#include "schema/table.h"

#define UNNAMED_FIRST "Unnamed: 0"

bool unnamed_is(const char *name);    /* nothing but spaces and tabs */
bool unnamed_given(const char *name); /* a name of the kind given here, or by pandas: "Unnamed: 0.1" */
/* Puts names in the place of those among name[n] that are none; they are texts of `given`, zeroed before, which the
 * caller releases when it is done with them. */
enum status unnamed_fill(const char **name, size_t n, struct dictionary *given, struct err *e);

#endif
