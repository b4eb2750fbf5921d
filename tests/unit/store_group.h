/*
 * store_group: what groups of tests of the store have in common: a directory for the test under way, the error that
 * calls report to, and how what they return is held against what it should be. One group in a program.
 */
#ifndef VERAD_TESTS_UNIT_STORE_GROUP_H
#define VERAD_TESTS_UNIT_STORE_GROUP_H

#include <string.h>

#include "server/store.h"
#include "tests/support/scratch.h"

static struct err err;
static char dir[SCRATCH_SIZE];

static inline int
make_dir(void **state) /* a test's set-up */
{
	(void)state;
	memset(&err, 0, sizeof err);
	return scratch_make(dir) ? 0 : -1;
}

static inline int
remove_dir(void **state) /* its tear-down */
{
	(void)state;
	return scratch_remove(dir) ? 0 : -1;
}

static inline void
assert_ok(enum status status)
{
	if (status)
		fail_msg("%s: %s", err.code, err.msg);
}

static inline void
assert_refused(enum status got, enum status expected, const char *code)
{
	if (got != expected || strcmp(err.code, code) != 0)
		fail_msg("expected %d %s, got %d %s: %s", expected, code, got, got ? err.code : "ok",
			got ? err.msg : "");
}

static inline struct store *
open_store(void)
{
	struct store *s = NULL;

	assert_ok(store_open(dir, &s, &err));
	return s;
}

#endif
