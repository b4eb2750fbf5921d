/*
 * store_group: what groups of tests of the store have in common: a directory for the test under way, the error that
 * calls report to, how what they return is held against what it should be, and data sets of samples. One group in a
 * program.
 */
#ifndef VERAD_TESTS_UNIT_STORE_GROUP_H
#define VERAD_TESTS_UNIT_STORE_GROUP_H

#include <string.h>

#include "server/store.h"
#include "tests/support/scratch.h"
#include "tests/unit/store_samples.h"

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

/* A data set of n_chunks sample chunks, seeds seed, seed + 1, … */
static inline void
upload(struct store *s, const char *name, size_t n_columns, size_t n_rows, size_t n_chunks, uint64_t seed,
	char id[STORE_ID_SIZE])
{
	struct dataset_summary summary = {0};
	struct store_upload *u = NULL;
	struct table t = {0};

	assert_ok(sample_table_init(&t, n_columns, &err));
	assert_ok(store_upload_begin(s, name, t.column[n_columns - 1].name, &u, &err));
	for (size_t i = 0; i < n_chunks; i++) {
		assert_ok(sample_table_fill(&t, n_rows, seed + i, &err));
		assert_ok(store_upload_chunk(u, &t, i, &err));
	}
	assert_ok(sample_summary(&summary, n_columns, n_rows * n_chunks, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	store_upload_free(u);
	dataset_summary_release(&summary);
	table_release(&t);
}

static inline void
assert_chunks(struct store *s, const char *id, size_t n_columns, size_t n_rows, size_t n_chunks, uint64_t seed)
{
	struct table expected = {0}, got = {0};

	assert_ok(sample_table_init(&expected, n_columns, &err));
	assert_ok(sample_table_init(&got, n_columns, &err));
	for (size_t i = 0; i < n_chunks; i++) {
		const char *difference;

		assert_ok(sample_table_fill(&expected, n_rows, seed + i, &err));
		assert_ok(store_dataset_chunk(s, id, i, &got, &err));
		difference = sample_tables_differ(&expected, &got);
		if (difference)
			fail_msg("chunk %zu differs: %s", i, difference);
	}
	assert_refused(store_dataset_chunk(s, id, n_chunks, &got, &err), ERR_NOT_FOUND, "chunk_not_found");
	table_release(&expected);
	table_release(&got);
}

static inline size_t
count_datasets(struct store *s)
{
	struct dataset *list = NULL;
	size_t n = 0;

	assert_ok(store_dataset_list(s, NULL, SIZE_MAX, &list, &n, &err));
	for (size_t i = 0; i < n; i++)
		dataset_release(&list[i]);
	free(list);
	return n;
}

#endif
