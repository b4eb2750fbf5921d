/* scratch: a directory of a test's own, and gone with all that is in it. */
#ifndef VERAD_TESTS_SUPPORT_SCRATCH_H
#define VERAD_TESTS_SUPPORT_SCRATCH_H

#include <stdbool.h>

enum { SCRATCH_SIZE = 64 };

bool scratch_make(char dir[SCRATCH_SIZE]); /* in $TMPDIR, or /tmp where that is too long */
bool scratch_remove(const char *dir);

#endif
