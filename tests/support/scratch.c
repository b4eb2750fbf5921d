/* scratch: see scratch.h. */
#include "tests/support/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
scratch_make(char dir[SCRATCH_SIZE])
{
	static const char name[] = "/verad-test-XXXXXX";
	const char *tmp = getenv("TMPDIR");

	if (!tmp || strlen(tmp) > SCRATCH_SIZE - sizeof name)
		tmp = "/tmp";
	snprintf(dir, SCRATCH_SIZE, "%s%s", tmp, name);
	return mkdtemp(dir);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

bool
scratch_remove(const char *dir)
{
	return !nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
