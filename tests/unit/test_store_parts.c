/* Data sets that grow part by part: chunks, versions, what jobs see, what goes; and stores from before there were
 * parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include "server/embed.h"
#include "server/store.h"
#include "tests/unit/store_group.h"
#include "tests/unit/store_samples.h"

enum { COLUMNS = 4, ROWS = 50 };

/* n_chunks sample chunks, seeds seed, seed + 1, …, on their way in: a new data set's (name) or further rows (NULL). */
static struct store_upload *
send_chunks(struct store *s, const char *name, size_t n_chunks, uint64_t seed)
{
	struct store_upload *u = NULL;
	struct table t = {0};

	assert_ok(sample_table_init(&t, COLUMNS, &err));
	assert_ok(store_upload_begin(s, name, name ? "c3" : NULL, &u, &err));
	for (size_t i = 0; i < n_chunks; i++) {
		assert_ok(sample_table_fill(&t, ROWS, seed + i, &err));
		assert_ok(store_upload_chunk(u, &t, i, &err));
	}
	table_release(&t);
	return u;
}

static void
make(struct store *s, size_t n_chunks, uint64_t seed, char id[STORE_ID_SIZE])
{
	upload(s, "grows", COLUMNS, ROWS, n_chunks, seed, id);
}

/* Adds the upload to the data set of n_before chunks, at version `seen`. */
static enum status
add(struct store_upload *u, const char *id, size_t n_before, size_t n_chunks, size_t seen)
{
	struct dataset_summary part = {0}, whole = {0};
	enum status s;

	assert_ok(sample_summary(&part, COLUMNS, ROWS * n_chunks, &err));
	assert_ok(sample_summary(&whole, COLUMNS, ROWS * (n_before + n_chunks), &err));
	s = store_upload_append(u, id, seen, &part, &whole, &err);
	store_upload_free(u);
	dataset_summary_release(&part);
	dataset_summary_release(&whole);
	return s;
}

/* Chunk i was made from seed[i]. */
static void
assert_seeds(struct store *s, const char *id, const uint64_t *seed, size_t n)
{
	struct table expected = {0}, got = {0};

	assert_ok(sample_table_init(&expected, COLUMNS, &err));
	assert_ok(sample_table_init(&got, COLUMNS, &err));
	for (size_t i = 0; i < n; i++) {
		assert_ok(sample_table_fill(&expected, ROWS, seed[i], &err));
		assert_ok(store_dataset_chunk(s, id, i, &got, &err));
		assert_null(sample_tables_differ(&expected, &got));
	}
	assert_refused(store_dataset_chunk(s, id, n, &got, &err), ERR_NOT_FOUND, "chunk_not_found");
	table_release(&expected);
	table_release(&got);
}

static void
assert_version(struct store *s, const char *id, size_t version, size_t n_chunks)
{
	struct dataset d = {0};

	assert_ok(store_dataset_get(s, id, &d, &err));
	assert_int_equal(d.version, version);
	assert_int_equal(d.n_chunks, n_chunks);
	assert_int_equal(d.summary.n_rows, ROWS * n_chunks);
	dataset_release(&d);
}

static int64_t
count(const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *q = NULL;
	char path[512];
	int64_t n;

	snprintf(path, sizeof path, "%s/verad.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return n;
}

/* The housekeeper is given a minute. */
static void
wait_until_none(const char *sql)
{
	for (int i = 0; i < 600 && count(sql); i++)
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	assert_int_equal(count(sql), 0);
}

static void
parts_are_read_as_one_and_survive_a_restart(void **state)
{
	static const uint64_t seeds[] = {1, 2, 3, 10, 20, 21};
	struct store *s = open_store();
	char id[STORE_ID_SIZE];

	(void)state;
	make(s, 3, 1, id);
	assert_version(s, id, 1, 3);
	assert_ok(add(send_chunks(s, NULL, 1, 10), id, 3, 1, 1));
	assert_ok(add(send_chunks(s, NULL, 2, 20), id, 4, 2, 2));
	assert_version(s, id, 3, 6);
	assert_seeds(s, id, seeds, 6);
	store_close(s);
	s = open_store();
	assert_version(s, id, 3, 6);
	assert_seeds(s, id, seeds, 6);
	assert_ok(store_check(s, &err));
	store_close(s);
}

static void
further_rows_are_invisible_until_they_are_all_there(void **state)
{
	static const uint64_t seeds[] = {1, 10};
	struct store *s = open_store();
	struct store_upload *u;
	char id[STORE_ID_SIZE];

	(void)state;
	make(s, 1, 1, id);
	u = send_chunks(s, NULL, 2, 10);
	assert_version(s, id, 1, 1);
	assert_seeds(s, id, seeds, 1);
	assert_refused(add(u, id, 1, 3, 1), ERR_INTERNAL, "upload_incomplete"); /* a chunk is missing */
	assert_version(s, id, 1, 1);
	wait_until_none("SELECT count(*) FROM dataset_part WHERE state != 'ready'");
	assert_int_equal(count("SELECT count(*) FROM dataset_chunk"), 1);
	store_close(s);
}

static void
rows_that_follow_another_version_are_refused(void **state)
{
	static const uint64_t seeds[] = {1, 20, 10};
	struct store *s = open_store();
	struct store_upload *first;
	char id[STORE_ID_SIZE];

	(void)state;
	make(s, 1, 1, id);
	first = send_chunks(s, NULL, 1, 10);
	assert_ok(add(send_chunks(s, NULL, 1, 20), id, 1, 1, 1));
	assert_refused(add(send_chunks(s, NULL, 1, 30), id, 1, 1, 1), ERR_CONFLICT, "dataset_changed");
	assert_ok(add(first, id, 2, 1, 2));
	assert_seeds(s, id, seeds, 3);
	store_close(s);
}

static void
a_job_sees_the_version_it_was_queued_with(void **state)
{
	struct store *s = open_store();
	char id[STORE_ID_SIZE], early[STORE_ID_SIZE], late[STORE_ID_SIZE];
	struct dataset d = {0};
	enum job_state was, job;

	(void)state;
	make(s, 1, 1, id);
	assert_ok(store_job_add(s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, 10, early, &err));
	assert_ok(add(send_chunks(s, NULL, 1, 10), id, 1, 1, 1));
	assert_ok(add(send_chunks(s, NULL, 1, 20), id, 2, 1, 2));
	assert_ok(store_job_add(s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, 10, late, &err));
	assert_ok(store_dataset_of_job(s, early, &d, &err));
	assert_int_equal(d.version, 1);
	assert_int_equal(d.summary.n_rows, ROWS);
	assert_int_equal(d.summary.n_columns, COLUMNS);
	dataset_release(&d);
	assert_ok(store_dataset_of_job(s, late, &d, &err));
	assert_int_equal(d.version, 3);
	dataset_release(&d);

	/* Summaries are kept for the versions of open jobs and for the last: when one ends, its goes with the next
	 * part. */
	assert_int_equal(count("SELECT count(*) FROM dataset_column"), 2 * COLUMNS);
	assert_ok(store_job_cancel(s, early, &was, &job, &err));
	assert_ok(add(send_chunks(s, NULL, 1, 30), id, 3, 1, 3));
	assert_int_equal(count("SELECT count(*) FROM dataset_column"), 2 * COLUMNS); /* of 3 and 4 */
	assert_ok(store_dataset_of_job(s, late, &d, &err));
	assert_int_equal(d.summary.n_columns, COLUMNS);
	dataset_release(&d);
	assert_refused(store_dataset_of_job(s, "job_x", &d, &err), ERR_NOT_FOUND, "dataset_not_found");
	store_close(s);
}

static void
a_deleted_data_set_goes_with_all_its_parts(void **state)
{
	static const uint64_t seeds[] = {1, 10};
	struct store *s = open_store();
	char id[STORE_ID_SIZE], kept[STORE_ID_SIZE];

	(void)state;
	make(s, 3, 1, id);
	make(s, 1, 1, kept);
	assert_ok(add(send_chunks(s, NULL, 1, 10), id, 3, 1, 1));
	assert_ok(add(send_chunks(s, NULL, 1, 10), kept, 1, 1, 1));
	assert_refused(store_dataset_delete(s, id, 1, &err), ERR_CONFLICT, "version_mismatch");
	assert_ok(store_dataset_delete(s, id, 2, &err));
	assert_refused(add(send_chunks(s, NULL, 1, 10), id, 4, 1, 2), ERR_NOT_FOUND, "dataset_not_found");
	wait_until_none("SELECT count(*) FROM dataset WHERE state = 'deleting'");
	wait_until_none("SELECT count(*) FROM dataset_part WHERE state != 'ready'"); /* the refused one too */
	assert_int_equal(count("SELECT count(*) FROM dataset_part"), 2);
	assert_seeds(s, kept, seeds, 2);
	assert_ok(store_check(s, &err));
	store_close(s);
}

/* One chunk as the first program stored it: each column's length and bytes. */
static void
put_chunk(struct buf *out, uint64_t seed)
{
	struct table t = {0};

	assert_ok(sample_table_init(&t, COLUMNS, &err));
	assert_ok(sample_table_fill(&t, ROWS, seed, &err));
	for (size_t i = 0; i < COLUMNS; i++) {
		struct buf column = {0};

		column_write(&t, i, &column);
		buf_put_u32(out, (uint32_t)column.len);
		buf_put(out, column.data, column.len);
		buf_release(&column);
	}
	table_release(&t);
}

static void
a_store_of_the_first_program_goes_on_with_its_data_sets(void **state)
{
	static const char rows[] =
		"PRAGMA application_id = 1986359905; PRAGMA user_version = 1;"
		"INSERT INTO dataset VALUES (7, 'ds_old', 'ready', 'old', 'c3', 3, 1.0, 100, 50, 50, 4000, 4, 1),"
		"(8, 'ds_half', 'uploading', 'half', NULL, NULL, 1.0, 0, 0, 0, 0, 0, 0),"
		"(9, 'ds_gone', 'deleting', 'gone', NULL, NULL, 1.0, 0, 0, 0, 0, 0, 0);"
		"INSERT INTO dataset_column VALUES (7, 0, 'c0', 'number', 0, 1, 2, 0, 0, 0, ''),"
		"(7, 1, 'c1', 'number', 0, 1, 2, 0, 0, 0, ''), (7, 2, 'c2', 'text', 0, NULL, NULL, 3, 0, 0, ''),"
		"(7, 3, 'c3', 'text', 0, NULL, NULL, 3, 0, 0, '');"
		"INSERT INTO dataset_class VALUES (7, 0, 'a', 50);"
		"INSERT INTO dataset_chunk VALUES (7, 0, 50), (7, 1, 50), (8, 0, 50), (9, 0, 50);"
		"INSERT INTO job (id, state, type, dataset, params, created) VALUES ('job_old', 'queued', 'train', "
		"'ds_old', "
		"'{}', 1.0);";
	static const uint64_t seeds[] = {1, 2, 10};
	struct embedded first = embedded_migration(0);
	struct dataset d = {0};
	sqlite3 *db = NULL;
	sqlite3_stmt *q = NULL;
	struct store *s;
	char path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/verad.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, first.text, NULL, NULL, NULL), SQLITE_OK);
	if (sqlite3_exec(db, rows, NULL, NULL, NULL))
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(
		sqlite3_prepare_v2(db,
			"INSERT INTO dataset_segment (dataset, chunk, first_column, n_columns, checksum, bytes) "
			"VALUES (?1, ?2, 0, 4, ?3, ?4)",
			-1, &q, NULL),
		SQLITE_OK);
	for (int i = 0; i < 4; i++) {
		struct buf bytes = {0};

		put_chunk(&bytes, i < 2 ? (uint64_t)i + 1 : 99);
		sqlite3_bind_int(q, 1, i < 2 ? 7 : 6 + i);
		sqlite3_bind_int(q, 2, i < 2 ? i : 0);
		sqlite3_bind_int64(q, 3, (int64_t)checksum64(bytes.data, bytes.len));
		sqlite3_bind_blob(q, 4, bytes.data, (int)bytes.len, SQLITE_TRANSIENT);
		assert_int_equal(sqlite3_step(q), SQLITE_DONE);
		sqlite3_reset(q);
		buf_release(&bytes);
	}
	sqlite3_finalize(q);
	sqlite3_close(db);

	s = open_store();
	assert_version(s, "ds_old", 1, 2);
	assert_seeds(s, "ds_old", seeds, 2);
	assert_ok(add(send_chunks(s, NULL, 1, 10), "ds_old", 2, 1, 1));
	assert_seeds(s, "ds_old", seeds, 3);
	assert_ok(store_dataset_of_job(s, "job_old", &d, &err));
	assert_int_equal(d.summary.n_rows, 2 * ROWS);
	assert_string_equal(d.label_column, "c3");
	assert_int_equal(d.summary.column[3].role, ROLE_LABEL);
	dataset_release(&d);
	wait_until_none("SELECT count(*) FROM dataset_part WHERE state != 'ready'");
	assert_ok(store_check(s, &err));
	store_close(s);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(parts_are_read_as_one_and_survive_a_restart),
		TEST(further_rows_are_invisible_until_they_are_all_there),
		TEST(rows_that_follow_another_version_are_refused),
		TEST(a_job_sees_the_version_it_was_queued_with),
		TEST(a_deleted_data_set_goes_with_all_its_parts),
		TEST(a_store_of_the_first_program_goes_on_with_its_data_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
