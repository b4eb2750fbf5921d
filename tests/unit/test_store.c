/* The store: opening and refusing, data sets to the bit, the life of jobs, damage, a full disk, many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/store.h"
#include "tests/unit/store_group.h"
#include "tests/unit/store_samples.h"

static const char *
path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static off_t
size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_size;
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_mode & 0777;
}

/* Overwrites n bytes of the closed store's file. */
static void
patch(off_t at, const void *bytes, size_t n)
{
	int fd = open(path_of("verad.db"), O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

static void
pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A data set of n_chunks sample chunks, seeds seed, seed + 1, … */
static void
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

static void
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

static size_t
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

/* A job on a data set of its own, claimed. */
static void
running_job(struct store *s, char id[STORE_ID_SIZE])
{
	char dataset[STORE_ID_SIZE];
	struct job j = {0};
	bool found = false;

	upload(s, "small", 3, 4, 1, 1, dataset);
	assert_ok(store_job_add(
		s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{\"seed\":1}"}, 1000, id, &err));
	assert_ok(store_job_claim(s, &j, &found, &err));
	assert_true(found);
	assert_string_equal(j.id, id);
	job_release(&j);
}

static void
assert_state(struct store *s, const char *id, enum job_state state, size_t attempt)
{
	struct job j = {0};

	assert_ok(store_job_get(s, id, &j, &err));
	assert_string_equal(job_state_name(j.state), job_state_name(state));
	assert_int_equal(j.attempt, attempt);
	job_release(&j);
}

/* The codes of a job's events, separated by spaces. */
static void
assert_events(struct store *s, const char *job, const char *codes)
{
	struct job_event *list = NULL;
	struct buf got = {0};
	size_t n = 0;

	assert_ok(store_event_list(s, job, 0, SIZE_MAX, &list, &n, &err));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].seq, i + 1);
		assert_true(list[i].time > 1e9);
		buf_printf(&got, "%s%s", i ? " " : "", list[i].code);
		job_event_release(&list[i]);
	}
	free(list);
	buf_put_u8(&got, 0);
	assert_string_equal((char *)got.data, codes);
	buf_release(&got);
}

/* Opening -------------------------------------------------------------------------------------------------------- */

static void
a_new_directory_is_made_for_its_owner_alone(void **state)
{
	struct store *s = NULL;
	char sub[300];

	(void)state;
	snprintf(sub, sizeof sub, "%s/data", dir);
	assert_ok(store_open(sub, &s, &err));
	assert_int_equal(mode_of("data"), 0700);
	assert_int_equal(mode_of("data/verad.db"), 0600);
	assert_int_equal(mode_of("data/verad.db-wal"), 0600);
	assert_int_equal(mode_of("data/verad.db-shm"), 0600);
	assert_int_equal(mode_of("data/lock"), 0600);
	assert_ok(store_ping(s, &err));
	store_close(s);
}

static void
a_directory_that_cannot_be_made_is_named(void **state)
{
	struct store *s = NULL;
	char sub[300];

	(void)state;
	snprintf(sub, sizeof sub, "%s/no/such/place", dir);
	assert_refused(store_open(sub, &s, &err), ERR_IO, "data_dir");
	assert_non_null(strstr(err.msg, sub));
	assert_non_null(strstr(err.msg, "No such file"));
	assert_null(s);

	close(open(path_of("file"), O_CREAT | O_WRONLY, 0600));
	assert_refused(store_open(path_of("file"), &s, &err), ERR_IO, "data_dir");
	assert_non_null(strstr(err.msg, "Not a directory"));
}

static void
an_empty_file_becomes_a_store(void **state)
{
	struct store *s;

	(void)state;
	close(open(path_of("verad.db"), O_CREAT | O_WRONLY, 0600));
	s = open_store();
	assert_int_equal(count_datasets(s), 0);
	assert_ok(store_check(s, &err));
	store_close(s);
	store_close(NULL);
}

static void
a_directory_in_use_is_refused_and_its_process_named(void **state)
{
	struct store *s = open_store(), *second = NULL;
	char pid[32];

	(void)state;
	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	assert_refused(store_open(dir, &second, &err), ERR_CONFLICT, "data_dir_in_use");
	assert_non_null(strstr(err.msg, pid));
	assert_null(second);
	assert_ok(store_ping(s, &err)); /* the first goes on */
	store_close(s);
	store_close(open_store()); /* and when it is gone the directory is free */
}

static void
a_store_of_a_newer_program_is_refused(void **state)
{
	static const unsigned char version[4] = {0, 0, 0, 99}; /* user_version, in the file's header */
	struct store *s = NULL;

	(void)state;
	store_close(open_store());
	patch(60, version, sizeof version);
	assert_refused(store_open(dir, &s, &err), ERR_UNSUPPORTED, "store_is_newer");
	assert_non_null(strstr(err.msg, "99"));
}

static void
another_programs_database_is_refused_and_left_alone(void **state)
{
	static const unsigned char application[4] = {'f', 'o', 's', 'l'};
	unsigned char before[100], after[100];
	struct store *s = NULL;
	int fd;

	(void)state;
	store_close(open_store());
	patch(68, application, sizeof application);
	fd = open(path_of("verad.db"), O_RDONLY);
	assert_int_equal(pread(fd, before, sizeof before, 0), sizeof before);
	assert_refused(store_open(dir, &s, &err), ERR_CORRUPT, "not_a_store");
	assert_int_equal(pread(fd, after, sizeof after, 0), sizeof after);
	assert_memory_equal(before, after, sizeof before);
	close(fd);
}

static void
a_file_that_is_no_database_is_refused(void **state)
{
	struct store *s = NULL;
	FILE *f = fopen(path_of("verad.db"), "w");

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		fputs("id,age,label\n", f);
	fclose(f);
	assert_refused(store_open(dir, &s, &err), ERR_CORRUPT, "store_damaged");
	assert_non_null(strstr(err.msg, "verad.db is not a store"));
}

/* Data sets ------------------------------------------------------------------------------------------------------ */

static void
chunks_come_back_to_the_bit(void **state)
{
	char id[STORE_ID_SIZE], wide[STORE_ID_SIZE];
	struct store *s = open_store();

	(void)state;
	upload(s, "tall", 5, 700, 3, 42, id);
	upload(s, "wide", 900, 300, 2, 7, wide); /* several segments a chunk */
	assert_chunks(s, id, 5, 700, 3, 42);
	assert_chunks(s, wide, 900, 300, 2, 7);
	store_close(s);
	s = open_store();
	assert_chunks(s, id, 5, 700, 3, 42);
	assert_chunks(s, wide, 900, 300, 2, 7);
	assert_ok(store_check(s, &err));
	store_close(s);
}

static void
a_chunk_is_refused_by_a_table_of_another_shape(void **state)
{
	struct store *s = open_store();
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	upload(s, "five", 5, 10, 1, 1, id);
	assert_ok(sample_table_init(&t, 4, &err));
	assert_int_equal(store_dataset_chunk(s, id, 0, &t, &err), ERR_CORRUPT);
	table_release(&t);
	assert_ok(sample_table_init(&t, 6, &err));
	assert_int_equal(store_dataset_chunk(s, id, 0, &t, &err), ERR_CORRUPT);
	table_release(&t);
	store_close(s);
}

static void
a_summary_comes_back_whole(void **state)
{
	struct dataset_summary expected = {0};
	struct store *s = open_store();
	char id[STORE_ID_SIZE];
	struct dataset d = {0};

	(void)state;
	upload(s, "Größe", 7, 20, 2, 1, id);
	assert_ok(sample_summary(&expected, 7, 40, &err));
	assert_ok(store_dataset_get(s, id, &d, &err));
	assert_string_equal(d.id, id);
	assert_int_equal(strlen(id), 23);
	assert_string_equal(d.name, "Größe");
	assert_string_equal(d.label_column, "c6");
	assert_true(fabs(d.created - (double)time(NULL)) < 600);
	assert_int_equal(d.summary.n_rows, 40);
	assert_int_equal(d.summary.n_labelled, expected.n_labelled);
	assert_int_equal(d.summary.n_unlabelled, expected.n_unlabelled);
	assert_int_equal(d.summary.n_bytes, expected.n_bytes);
	assert_int_equal(d.summary.n_bad_rows, 3);
	assert_string_equal(d.summary.options, expected.options);
	assert_string_equal(d.summary.bad_rows, expected.bad_rows);
	assert_int_equal(d.summary.label_column, 6);
	assert_int_equal(d.summary.n_columns, 7);
	for (size_t i = 0; i < 7; i++) {
		const struct column_summary *a = &expected.column[i], *b = &d.summary.column[i];

		assert_string_equal(a->name, b->name);
		assert_int_equal(a->type, b->type);
		assert_int_equal(a->role, b->role);
		assert_int_equal(a->n_missing, b->n_missing);
		assert_int_equal(a->n_na, b->n_na);
		assert_int_equal(a->n_distinct, b->n_distinct);
		assert_int_equal(a->n_numbers, b->n_numbers);
		assert_int_equal(a->text_line, b->text_line);
		assert_string_equal(a->text_cell, b->text_cell);
		assert_true(isnan(a->min) ? isnan(b->min) : a->min == b->min);
		assert_true(isnan(a->max) ? isnan(b->max) : a->max == b->max);
	}
	assert_int_equal(d.summary.n_classes, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(expected.classes[i].label, d.summary.classes[i].label);
		assert_int_equal(expected.classes[i].count, d.summary.classes[i].count);
	}
	dataset_release(&d);
	dataset_release(&d); /* accepts a zeroed one */
	dataset_summary_release(&expected);
	store_close(s);
}

static void
a_data_set_without_labels_has_no_label_column(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct dataset d = {0};

	(void)state;
	assert_ok(sample_summary(&summary, 1, 0, &err));
	summary.label_column = SIZE_MAX;
	assert_ok(store_upload_begin(s, "bare", NULL, &u, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	store_upload_free(u);
	assert_ok(store_dataset_get(s, id, &d, &err));
	assert_null(d.label_column);
	assert_true(d.summary.label_column == SIZE_MAX);
	dataset_release(&d);
	dataset_summary_release(&summary);
	store_close(s);
}

static void
an_upload_is_invisible_until_it_is_finished(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(sample_table_fill(&t, 10, 1, &err));
	assert_ok(store_upload_begin(s, "new", "c2", &u, &err));
	assert_ok(store_upload_chunk(u, &t, 0, &err));
	assert_int_equal(count_datasets(s), 0);
	assert_ok(sample_summary(&summary, 3, 10, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	assert_int_equal(count_datasets(s), 1);
	store_upload_free(u);
	assert_int_equal(count_datasets(s), 1);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

static void
an_upload_with_a_chunk_missing_cannot_be_finished(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(sample_table_fill(&t, 10, 1, &err));
	assert_ok(store_upload_begin(s, "holes", "c2", &u, &err));
	assert_ok(store_upload_chunk(u, &t, 1, &err));
	assert_ok(sample_summary(&summary, 3, 10, &err));
	assert_refused(store_upload_finish(u, &summary, id, &err), ERR_INTERNAL, "upload_incomplete");
	assert_ok(store_upload_chunk(u, &t, 0, &err));
	assert_refused(store_upload_finish(u, &summary, id, &err), ERR_INTERNAL, "upload_incomplete");
	assert_int_equal(count_datasets(s), 0);
	summary.n_rows = 20;
	assert_ok(store_upload_finish(u, &summary, id, &err));
	assert_int_equal(count_datasets(s), 1);
	store_upload_free(u);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

static void
a_restarted_upload_keeps_only_what_came_after(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(store_upload_begin(s, "twice", "c2", &u, &err));
	for (size_t i = 0; i < 3; i++) {
		assert_ok(sample_table_fill(&t, 10, 100 + i, &err));
		assert_ok(store_upload_chunk(u, &t, i, &err));
	}
	assert_ok(store_upload_restart(u, &err));
	for (size_t i = 0; i < 2; i++) {
		assert_ok(sample_table_fill(&t, 10, 5 + i, &err));
		assert_ok(store_upload_chunk(u, &t, i, &err));
	}
	assert_ok(sample_summary(&summary, 3, 20, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	store_upload_free(u);
	assert_chunks(s, id, 3, 10, 2, 5);
	assert_int_equal(count_datasets(s), 1);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

static void
lists_go_from_the_newest_page_by_page(void **state)
{
	struct store *s = open_store();
	char id[5][STORE_ID_SIZE];
	struct dataset *list = NULL;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		upload(s, "one", 2, 1, 1, i, id[i]);
	assert_ok(store_dataset_list(s, NULL, 2, &list, &n, &err));
	assert_int_equal(n, 2);
	assert_string_equal(list[0].id, id[4]);
	assert_string_equal(list[1].id, id[3]);
	assert_int_equal(list[0].summary.n_columns, 2);
	assert_int_equal(list[0].summary.n_classes, 3);
	assert_null(list[0].summary.column);
	dataset_release(&list[0]);
	dataset_release(&list[1]);
	free(list);
	assert_ok(store_dataset_list(s, id[1], 100, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].id, id[0]);
	dataset_release(&list[0]);
	free(list);
	assert_ok(store_dataset_list(s, id[0], 100, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	assert_ok(store_dataset_list(s, NULL, 0, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	assert_ok(store_dataset_delete(s, id[2], 0, &err));
	assert_refused(store_dataset_list(s, id[2], 1, &list, &n, &err), ERR_INVALID, "unknown_cursor");
	store_close(s);
}

static void
a_data_set_that_a_job_needs_cannot_be_deleted(void **state)
{
	struct store *s = open_store();
	char id[STORE_ID_SIZE], job[STORE_ID_SIZE];
	enum job_state was, now;

	(void)state;
	upload(s, "needed", 3, 4, 1, 1, id);
	assert_ok(store_job_add(s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, 10, job, &err));
	assert_refused(store_dataset_delete(s, id, 0, &err), ERR_CONFLICT, "dataset_in_use");
	assert_ok(store_job_cancel(s, job, &was, &now, &err));
	assert_ok(store_dataset_delete(s, id, 0, &err));
	assert_refused(store_dataset_delete(s, id, 0, &err), ERR_NOT_FOUND, "dataset_not_found");
	assert_refused(
		store_job_add(s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, 10, job, &err),
		ERR_NOT_FOUND, "dataset_not_found");
	store_close(s);
}

static void
deleting_gives_the_space_back(void **state)
{
	struct store *s = open_store();
	char big[STORE_ID_SIZE], kept[STORE_ID_SIZE];
	off_t full;

	(void)state;
	upload(s, "big", 30, 20000, 18, 1, big);
	upload(s, "kept", 4, 50, 1, 9, kept);
	store_close(s); /* copies the log back, so that the file has its size */
	full = size_of("verad.db");
	assert_true(full > 35000000);
	s = open_store();
	assert_ok(store_dataset_delete(s, big, 0, &err));
	for (size_t i = 0; i < 600 && size_of("verad.db") > full / 2; i++)
		pause_ms(100);
	assert_true(size_of("verad.db") < full / 2);
	assert_ok(store_check(s, &err));
	assert_chunks(s, kept, 4, 50, 1, 9);
	store_close(s);
}

static void
an_abandoned_upload_gives_its_space_back(void **state)
{
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char kept[STORE_ID_SIZE];
	struct table t = {0};
	off_t full;

	(void)state;
	assert_ok(sample_table_init(&t, 30, &err));
	assert_ok(sample_table_fill(&t, 20000, 3, &err));
	assert_ok(store_upload_begin(s, "broken off", NULL, &u, &err));
	for (size_t i = 0; i < 20; i++)
		assert_ok(store_upload_chunk(u, &t, i, &err));
	for (size_t i = 0; i < 40; i++) /* enough commits for the log to be copied back at least once */
		upload(s, "kept", 30, 20000 / 40, 1, i, kept);
	for (size_t i = 0; i < 600 && size_of("verad.db") <= 35000000; i++)
		pause_ms(100);
	full = size_of("verad.db");
	assert_true(full > 35000000);
	store_upload_free(u);
	store_upload_free(NULL);
	for (size_t i = 0; i < 600 && size_of("verad.db") > full - 16000000; i++)
		pause_ms(100);
	assert_true(size_of("verad.db") < full - 16000000);
	assert_int_equal(count_datasets(s), 40);
	assert_chunks(s, kept, 30, 20000 / 40, 1, 39);
	assert_ok(store_check(s, &err));
	table_release(&t);
	store_close(s);
}

static void
a_long_log_is_copied_back_without_another_commit(void **state)
{
	struct store *s = open_store();
	struct store_upload *u = NULL;
	struct table t = {0};

	(void)state;
	assert_ok(sample_table_init(&t, 30, &err));
	assert_ok(sample_table_fill(&t, 20000, 3, &err));
	assert_ok(store_upload_begin(s, "long", NULL, &u, &err));
	for (size_t i = 0; i < 9; i++)
		assert_ok(store_upload_chunk(u, &t, i, &err));
	for (size_t i = 0; i < 600 && size_of("verad.db") < 15000000; i++)
		pause_ms(100);
	assert_true(size_of("verad.db") >= 15000000);
	store_upload_free(u);
	table_release(&t);
	store_close(s);
}

/* Damage --------------------------------------------------------------------------------------------------------- */

static void
a_damaged_cell_is_noticed(void **state)
{
	static const char wanted[] = "a text that is easy to find";
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE], *bytes, *at;
	struct table t = {0};
	size_t n;
	int fd;

	(void)state;
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(sample_table_fill(&t, 10, 1, &err));
	assert_ok(table_set_text(&t, 2, 0, wanted, strlen(wanted), &err));
	assert_ok(store_upload_begin(s, "fragile", "c2", &u, &err));
	assert_ok(store_upload_chunk(u, &t, 0, &err));
	assert_ok(sample_summary(&summary, 3, 10, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	store_upload_free(u);
	store_close(s);

	n = (size_t)size_of("verad.db");
	bytes = malloc(n);
	fd = open(path_of("verad.db"), O_RDONLY);
	assert_int_equal(read(fd, bytes, n), (ssize_t)n);
	close(fd);
	at = memmem(bytes, n, wanted, strlen(wanted));
	assert_non_null(at);
	patch(at - bytes, "A", 1);
	free(bytes);

	s = open_store();
	assert_refused(store_dataset_chunk(s, id, 0, &t, &err), ERR_CORRUPT, "store_damaged");
	assert_non_null(strstr(err.msg, id));
	assert_int_equal(t.n_rows, 0);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

static void
a_damaged_file_is_an_error_and_nothing_worse(void **state)
{
	char noise[12288], id[STORE_ID_SIZE]; /* of a page, all but its head */
	struct store *s = open_store();
	struct table t = {0};
	off_t end;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		upload(s, "damaged", 6, 3000, 2, i, id);
	store_close(s);
	end = size_of("verad.db");
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (char)(i * 37 + 11);
	for (off_t at = 16384 + 4096; at + (off_t)sizeof noise < end; at += 16384)
		patch(at, noise, sizeof noise);
	if (!store_open(dir, &s, &err)) { /* whichever page is read first, the program says so and lives */
		assert_int_equal(store_check(s, &err), ERR_CORRUPT);
		assert_non_null(strstr(err.msg, "damaged"));
		assert_ok(sample_table_init(&t, 6, &err));
		assert_int_not_equal(store_dataset_chunk(s, id, 0, &t, &err), OK);
		table_release(&t);
		store_close(s);
	} else {
		assert_refused(err.status, ERR_CORRUPT, "store_damaged");
	}
}

/* Jobs ----------------------------------------------------------------------------------------------------------- */

static void
a_job_goes_from_the_queue_to_its_model(void **state)
{
	struct store *s = open_store();
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE], model[STORE_ID_SIZE];
	struct model_record m = {0};
	struct job j = {0};
	struct buf bundle = {0}, saved = {0};
	enum job_wish wish = JOB_CANCEL;
	bool found = false;

	(void)state;
	upload(s, "flowers", 3, 4, 1, 1, dataset);
	assert_ok(store_job_add(
		s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{\"seed\":7}"}, 10, id, &err));
	assert_ok(store_job_get(s, id, &j, &err));
	assert_int_equal(j.state, JOB_QUEUED);
	assert_string_equal(j.type, "train");
	assert_string_equal(j.dataset, dataset);
	assert_string_equal(j.params, "{\"seed\":7}");
	assert_string_equal(j.phase, "");
	assert_string_equal(j.metrics, "{}");
	assert_int_equal(j.attempt, 1);
	assert_true(j.created > 1e9 && j.started == 0 && j.finished == 0);
	assert_null(j.error_code);
	assert_null(j.model);
	job_release(&j);

	assert_ok(store_job_claim(s, &j, &found, &err));
	assert_true(found);
	assert_string_equal(j.id, id);
	assert_int_equal(j.state, JOB_VALIDATING);
	assert_true(j.started > 1e9);
	job_release(&j);
	assert_ok(store_job_claim(s, &j, &found, &err));
	assert_false(found);

	assert_ok(store_job_progress(s, id,
		&(struct job_progress){.phase = "training", .step = 5, .steps = 10, .metrics = "{\"loss\":0.5}"}, &wish,
		&err));
	assert_int_equal(wish, JOB_GO_ON);
	assert_ok(store_checkpoint_put(s, id, "state", 5, &err));
	assert_ok(
		store_job_succeed(s, id, "{\"accuracy\":1}", "flowers", "{\"a\":1}", "bundle\0bytes", 12, model, &err));

	assert_ok(store_job_get(s, id, &j, &err));
	assert_int_equal(j.state, JOB_SUCCEEDED);
	assert_string_equal(j.phase, "training");
	assert_int_equal(j.step, 5);
	assert_int_equal(j.steps, 10);
	assert_string_equal(j.metrics, "{\"accuracy\":1}");
	assert_string_equal(j.model, model);
	assert_true(j.finished >= j.started);
	job_release(&j);
	assert_ok(store_checkpoint_get(s, id, &saved, &err));
	assert_int_equal(saved.len, 0);
	assert_events(s, id, "queued succeeded");

	assert_ok(store_model_get(s, model, &m, &err));
	assert_string_equal(m.dataset_name, "flowers");
	assert_null(m.name);
	assert_string_equal(m.job, id);
	assert_string_equal(m.dataset, dataset);
	assert_string_equal(m.summary, "{\"a\":1}");
	assert_int_equal(m.n_bytes, 12);
	model_record_release(&m);
	assert_ok(store_model_bundle(s, model, &bundle, NULL, &err));
	assert_int_equal(bundle.len, 12);
	assert_memory_equal(bundle.data, "bundle\0bytes", 12);
	buf_release(&bundle);
	buf_release(&saved);
	store_close(s);
}

static void
jobs_are_claimed_oldest_first_and_the_queue_has_an_end(void **state)
{
	struct store *s = open_store();
	char dataset[STORE_ID_SIZE], id[3][STORE_ID_SIZE], more[STORE_ID_SIZE];
	struct job j = {0}, *list = NULL;
	bool found;
	size_t n;

	(void)state;
	upload(s, "d", 3, 4, 1, 1, dataset);
	for (size_t i = 0; i < 3; i++)
		assert_ok(store_job_add(
			s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{}"}, 3, id[i], &err));
	assert_refused(
		store_job_add(s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{}"}, 3, more, &err),
		ERR_BUSY, "queue_full");
	for (size_t i = 0; i < 3; i++) {
		assert_ok(store_job_claim(s, &j, &found, &err));
		assert_true(found);
		assert_string_equal(j.id, id[i]);
		job_release(&j);
	}
	/* One that was put back is the oldest again. */
	assert_ok(store_job_add(
		s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{}"}, 3, more, &err));
	assert_ok(store_job_requeue(s, id[1], &err));
	assert_ok(store_job_claim(s, &j, &found, &err));
	assert_string_equal(j.id, id[1]);
	assert_int_equal(j.attempt, 1);
	job_release(&j);
	assert_ok(store_job_list(s, id[2], 10, &list, &n, &err));
	assert_int_equal(n, 2);
	assert_string_equal(list[0].id, id[1]);
	assert_string_equal(list[1].id, id[0]);
	job_release(&list[0]);
	job_release(&list[1]);
	free(list);
	assert_refused(store_job_list(s, "job_nonsense", 10, &list, &n, &err), ERR_INVALID, "unknown_cursor");
	store_close(s);
}

static void
a_queued_job_is_cancelled_at_once(void **state)
{
	struct store *s = open_store();
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE];
	enum job_state was, now = JOB_QUEUED;

	(void)state;
	upload(s, "d", 3, 4, 1, 1, dataset);
	assert_ok(
		store_job_add(s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{}"}, 3, id, &err));
	for (size_t i = 0; i < 2; i++) { /* twice is fine */
		assert_ok(store_job_cancel(s, id, &was, &now, &err));
		assert_int_equal(now, JOB_CANCELLED);
	}
	assert_events(s, id, "queued cancelled");
	store_close(s);
}

static void
a_running_job_hears_of_its_cancellation(void **state)
{
	struct store *s = open_store();
	char id[STORE_ID_SIZE], model[STORE_ID_SIZE];
	struct model_record *list = NULL;
	enum job_state was, now = JOB_QUEUED;
	enum job_wish wish = JOB_GO_ON;
	size_t n = 1;

	(void)state;
	running_job(s, id);
	for (size_t i = 0; i < 2; i++) {
		assert_ok(store_job_cancel(s, id, &was, &now, &err));
		assert_int_equal(now, JOB_CANCELLING);
	}
	assert_ok(store_job_progress(s, id,
		&(struct job_progress){.phase = "training", .step = 1, .steps = 2, .metrics = NULL}, &wish, &err));
	assert_int_equal(wish, JOB_CANCEL);
	/* Whoever was told `cancelling` will not see it succeed. */
	assert_refused(store_job_succeed(s, id, "{}", "m", "{}", "b", 1, model, &err), ERR_CONFLICT, "job_cancelling");
	assert_ok(store_model_list(s, NULL, 10, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	assert_ok(store_job_cancelled(s, id, &err));
	assert_state(s, id, JOB_CANCELLED, 1);
	assert_events(s, id, "queued cancel_requested cancelled");
	store_close(s);
}

static void
a_failed_job_says_why(void **state)
{
	struct store *s = open_store();
	struct job_event *list = NULL;
	char id[STORE_ID_SIZE];
	enum job_state was, now;
	struct job j = {0};
	size_t n;

	(void)state;
	running_job(s, id);
	assert_ok(store_checkpoint_put(s, id, "state", 5, &err));
	assert_ok(store_job_fail(s, id, "diverged", "the loss is \"not\" finite", &err));
	assert_ok(store_job_get(s, id, &j, &err));
	assert_int_equal(j.state, JOB_FAILED);
	assert_string_equal(j.error_code, "diverged");
	assert_string_equal(j.error_message, "the loss is \"not\" finite");
	job_release(&j);
	assert_ok(store_event_list(s, id, 1, 10, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].level, "error");
	assert_string_equal(list[0].data, "{\"code\":\"diverged\"}");
	job_event_release(&list[0]);
	free(list);
	assert_refused(store_job_cancel(s, id, &was, &now, &err), ERR_CONFLICT, "job_finished");
	store_close(s);
}

static void
a_job_that_is_not_running_cannot_progress_or_end(void **state)
{
	struct store *s = open_store();
	char dataset[STORE_ID_SIZE], id[STORE_ID_SIZE], model[STORE_ID_SIZE];
	enum job_wish wish = JOB_GO_ON;

	(void)state;
	upload(s, "d", 3, 4, 1, 1, dataset);
	assert_ok(
		store_job_add(s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{}"}, 3, id, &err));
	assert_refused(
		store_job_progress(s, id, &(struct job_progress){.phase = "p", .step = 1, .steps = 2, .metrics = "{}"},
			&wish, &err),
		ERR_CONFLICT, "job_not_running");
	assert_refused(store_checkpoint_put(s, id, "x", 1, &err), ERR_CONFLICT, "job_not_running");
	assert_refused(store_job_succeed(s, id, "{}", "m", "{}", "b", 1, model, &err), ERR_CONFLICT, "job_not_running");
	assert_refused(store_job_fail(s, id, "c", "m", &err), ERR_CONFLICT, "job_not_running");
	assert_refused(store_job_cancelled(s, id, &err), ERR_CONFLICT, "job_not_running");
	assert_refused(store_job_requeue(s, id, &err), ERR_CONFLICT, "job_not_running");
	assert_state(s, id, JOB_QUEUED, 1);
	assert_events(s, id, "queued");
	store_close(s);
}

static void
a_stopped_job_goes_back_and_a_cancelled_one_ends(void **state)
{
	struct store *s = open_store();
	char id[STORE_ID_SIZE];
	struct buf saved = {0};
	enum job_state was, now;
	struct job j = {0};
	bool found;

	(void)state;
	running_job(s, id);
	assert_ok(store_checkpoint_put(s, id, "first", 5, &err));
	assert_ok(store_checkpoint_put(s, id, "second", 6, &err));
	assert_ok(store_job_requeue(s, id, &err));
	assert_state(s, id, JOB_QUEUED, 1);
	assert_ok(store_checkpoint_get(s, id, &saved, &err));
	assert_int_equal(saved.len, 6);
	assert_memory_equal(saved.data, "second", 6);
	buf_release(&saved);
	assert_ok(store_job_claim(s, &j, &found, &err));
	assert_true(found);
	job_release(&j);
	assert_ok(store_job_cancel(s, id, &was, &now, &err));
	assert_ok(store_job_requeue(s, id, &err));
	assert_state(s, id, JOB_CANCELLED, 1);
	assert_events(s, id, "queued requeued cancel_requested cancelled");
	store_close(s);
}

struct left_behind {
	char running[STORE_ID_SIZE], cancelling[STORE_ID_SIZE];
};

/* What a process that is gone without notice was in the middle of. */
static void
crash_in_the_middle(int out)
{
	struct store *s = open_store();
	struct left_behind left;
	struct store_upload *u = NULL;
	enum job_state was, now;
	struct table t = {0};

	running_job(s, left.running);
	running_job(s, left.cancelling);
	assert_ok(store_checkpoint_put(s, left.running, "state", 5, &err));
	assert_ok(store_job_cancel(s, left.cancelling, &was, &now, &err));
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(sample_table_fill(&t, 10, 1, &err));
	assert_ok(store_upload_begin(s, "half", "c2", &u, &err));
	assert_ok(store_upload_chunk(u, &t, 0, &err));
	if (write(out, &left, sizeof left) == sizeof left)
		_exit(0);
	_exit(1);
}

static void
open_puts_right_what_a_crash_left(void **state)
{
	struct buf saved = {0};
	struct left_behind left;
	struct store *s;
	int pipes[2], status = -1;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child)
		crash_in_the_middle(pipes[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(read(pipes[0], &left, sizeof left), sizeof left);
	close(pipes[0]);
	close(pipes[1]);

	for (size_t i = 0; i < 2; i++) { /* the second time there is nothing left to put right */
		s = open_store();
		assert_state(s, left.running, JOB_QUEUED, 2);
		assert_state(s, left.cancelling, JOB_CANCELLED, 1);
		assert_events(s, left.running, "queued requeued_after_crash");
		assert_events(s, left.cancelling, "queued cancel_requested cancelled");
		assert_ok(store_checkpoint_get(s, left.running, &saved, &err));
		assert_int_equal(saved.len, 5);
		buf_clear(&saved);
		assert_int_equal(count_datasets(s), 2); /* those of the jobs */
		store_close(s);
	}
	buf_release(&saved);
}

static void
events_are_numbered_and_come_in_pages(void **state)
{
	struct store *s = open_store();
	struct job_event *list = NULL;
	char id[STORE_ID_SIZE];
	size_t n;

	(void)state;
	running_job(s, id);
	assert_ok(store_event_add(s, id, "info", "progress", "training", "{\"step\":1}", &err));
	assert_ok(store_event_add(s, id, "warning", "odd", "something", "{}", &err));
	assert_events(s, id, "queued progress odd");
	assert_ok(store_event_list(s, id, 1, 1, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(list[0].seq, 2);
	assert_string_equal(list[0].message, "training");
	assert_string_equal(list[0].data, "{\"step\":1}");
	job_event_release(&list[0]);
	free(list);
	assert_ok(store_event_list(s, id, UINT64_MAX, 10, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	/* The table knows three levels; another is our bug, and is refused whole. */
	assert_int_equal(store_event_add(s, id, "loud", "c", "m", "{}", &err), ERR_INTERNAL);
	store_close(s);
}

static void
metrics_keep_the_last_value_of_a_step_and_no_infinities(void **state)
{
	static const char *const names[] = {"loss", "sigma", "bad", "worse"};
	static const double first[] = {1.5, 0.1, NAN, INFINITY}, second[] = {0.1 + 0.2, 0.2, 0, -INFINITY};
	struct store *s = open_store();
	struct metric_point *list = NULL;
	char id[STORE_ID_SIZE];
	size_t n;

	(void)state;
	running_job(s, id);
	assert_ok(store_metric_add(s, id, 10, names, first, 4, &err));
	assert_ok(store_metric_add(s, id, 20, names, first, 2, &err));
	assert_ok(store_metric_add(s, id, 10, names, second, 1, &err)); /* run again after a restart */
	assert_ok(store_metric_list(s, id, 0, 100, &list, &n, &err));
	assert_int_equal(n, 4);
	assert_int_equal(list[0].step, 10);
	assert_string_equal(list[0].name, "loss");
	assert_true(list[0].value == 0.1 + 0.2);
	assert_string_equal(list[1].name, "sigma");
	assert_true(list[1].value == 0.1);
	assert_int_equal(list[3].step, 20);
	while (n)
		metric_point_release(&list[--n]);
	free(list);
	assert_ok(store_metric_list(s, id, 11, 1, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(list[0].step, 20);
	metric_point_release(&list[0]);
	free(list);
	store_close(s);
}

static void
models_outlive_their_data_set_and_go_with_their_bundle(void **state)
{
	struct store *s = open_store();
	char job[3][STORE_ID_SIZE], model[3][STORE_ID_SIZE];
	struct model_record *list = NULL, m = {0};
	struct buf bundle = {0};
	struct job j = {0};
	size_t n;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		running_job(s, job[i]);
		assert_ok(store_job_succeed(s, job[i], "{}", "m", "{}", i ? "x" : NULL, i, model[i], &err));
	}
	assert_ok(store_job_get(s, job[0], &j, &err));
	assert_ok(store_dataset_delete(s, j.dataset, 0, &err));
	job_release(&j);
	assert_ok(store_model_get(s, model[0], &m, &err));
	assert_int_equal(m.n_bytes, 0);
	model_record_release(&m);
	assert_ok(store_model_bundle(s, model[0], &bundle, NULL, &err)); /* an empty one is one */
	assert_int_equal(bundle.len, 0);

	assert_ok(store_model_list(s, model[2], 1, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].id, model[1]);
	assert_null(list[0].summary);
	model_record_release(&list[0]);
	free(list);
	assert_ok(store_model_delete(s, model[1], &err));
	assert_refused(store_model_get(s, model[1], &m, &err), ERR_NOT_FOUND, "model_not_found");
	assert_refused(store_model_bundle(s, model[1], &bundle, NULL, &err), ERR_NOT_FOUND, "model_not_found");
	assert_refused(store_model_delete(s, model[1], &err), ERR_NOT_FOUND, "model_not_found");
	assert_refused(store_model_list(s, model[1], 1, &list, &n, &err), ERR_INVALID, "unknown_cursor");
	assert_state(s, job[1], JOB_SUCCEEDED, 1);
	buf_release(&bundle);
	store_close(s);
}

static void
unknown_ids_are_not_found(void **state)
{
	static const char *const ids[] = {"", "job_", "ds_aaaaaaaaaaaaaaaaaaaa", "' OR 1=1 --",
		"a very long one, much longer than any id could be, to see what the message makes of it"};
	struct store *s = open_store();
	struct buf bytes = {0};
	struct dataset d = {0};
	struct job j = {0};
	char model[STORE_ID_SIZE];
	enum job_state was, now;
	enum job_wish wish = JOB_GO_ON;
	struct table t = {0};
	void *list = NULL;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		const char *id = ids[i];

		assert_refused(store_dataset_get(s, id, &d, &err), ERR_NOT_FOUND, "dataset_not_found");
		assert_refused(store_dataset_delete(s, id, 0, &err), ERR_NOT_FOUND, "dataset_not_found");
		assert_refused(store_dataset_chunk(s, id, 0, &t, &err), ERR_NOT_FOUND, "dataset_not_found");
		assert_refused(store_job_add(s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, 9,
				       model, &err),
			ERR_NOT_FOUND, "dataset_not_found");
		assert_refused(store_job_get(s, id, &j, &err), ERR_NOT_FOUND, "job_not_found");
		assert_refused(store_job_cancel(s, id, &was, &now, &err), ERR_NOT_FOUND, "job_not_found");
		assert_refused(store_job_progress(s, id,
				       &(struct job_progress){.phase = "p", .step = 1, .steps = 2, .metrics = "{}"},
				       &wish, &err),
			ERR_NOT_FOUND, "job_not_found");
		assert_refused(store_checkpoint_get(s, id, &bytes, &err), ERR_NOT_FOUND, "job_not_found");
		assert_refused(
			store_job_succeed(s, id, "{}", "m", "{}", "b", 1, model, &err), ERR_NOT_FOUND, "job_not_found");
		assert_refused(store_event_add(s, id, "info", "c", "m", "{}", &err), ERR_NOT_FOUND, "job_not_found");
		assert_refused(store_event_list(s, id, 0, 9, (struct job_event **)&list, &n, &err), ERR_NOT_FOUND,
			"job_not_found");
		assert_refused(store_metric_add(s, id, 0, NULL, NULL, 0, &err), ERR_NOT_FOUND, "job_not_found");
		assert_refused(store_model_bundle(s, id, &bytes, NULL, &err), ERR_NOT_FOUND, "model_not_found");
	}
	store_close(s);
}

/* A full disk ---------------------------------------------------------------------------------------------------- */

static void
a_full_disk_is_said_and_changes_nothing(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE], kept[STORE_ID_SIZE];
	struct rlimit before, small;
	struct table t = {0};
	size_t n = 0;
	enum status status = OK;

	(void)state;
	upload(s, "kept", 4, 50, 1, 9, kept);
	assert_ok(sample_table_init(&t, 30, &err));
	assert_ok(sample_table_fill(&t, 5000, 1, &err));
	assert_ok(store_upload_begin(s, "too much", "c2", &u, &err));

	/* A limit on the size of files looks like a full disk to whoever writes. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 6 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	while (!status && n < 1000)
		if (!(status = store_upload_chunk(u, &t, n, &err)))
			n++;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_refused(status, ERR_FULL, "disk_full");
	assert_non_null(strstr(err.msg, "no space"));
	assert_chunks(s, kept, 4, 50, 1, 9); /* reads go on */

	/* There is room again: the same upload goes on with the chunk that failed. */
	assert_ok(store_upload_chunk(u, &t, n++, &err));
	assert_ok(sample_summary(&summary, 30, n * 5000, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	store_upload_free(u);
	assert_ok(store_check(s, &err));
	store_close(s);
	s = open_store();
	assert_int_equal(count_datasets(s), 2);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

/* Threads -------------------------------------------------------------------------------------------------------- */

enum { N_THREADS = 8, N_ROUNDS = 25 };

struct party {
	struct store *s;
	size_t number;
	atomic_size_t *n_claimed;
	char failure[400]; /* "" when all went well; cmocka's asserts belong to the main thread */
};

#define EXPECT(ok)                                                                                                     \
	do {                                                                                                           \
		if (!(ok)) {                                                                                           \
			snprintf(p->failure, sizeof p->failure, "line %d: %s", __LINE__, e.msg);                       \
			goto out;                                                                                      \
		}                                                                                                      \
	} while (0)

static void *
join_in(void *arg)
{
	struct party *p = arg;
	struct store *s = p->s;
	struct dataset_summary summary = {0};
	struct store_upload *u = NULL;
	struct table sent = {0}, got = {0};
	struct err e = {.msg = "not as expected"};

	EXPECT(!sample_table_init(&sent, 6, &e) && !sample_table_init(&got, 6, &e));
	EXPECT(!sample_summary(&summary, 6, 60, &e));
	for (size_t round = 0; round < N_ROUNDS; round++) {
		char id[STORE_ID_SIZE], job[STORE_ID_SIZE], model[STORE_ID_SIZE];
		struct dataset d = {0}, *list = NULL;
		struct job j = {0};
		struct buf bundle = {0};
		enum job_wish wish;
		bool found = false;
		size_t n = 0;

		EXPECT(!sample_table_fill(&sent, 60, p->number * 1000 + round, &e));
		EXPECT(!store_upload_begin(s, "shared", "c5", &u, &e) && !store_upload_chunk(u, &sent, 0, &e));
		EXPECT(!store_upload_finish(u, &summary, id, &e));
		store_upload_free(u);
		u = NULL;
		EXPECT(!store_dataset_chunk(s, id, 0, &got, &e) && !sample_tables_differ(&sent, &got));
		EXPECT(!store_job_add(
			s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, SIZE_MAX, job, &e));
		EXPECT(!store_job_claim(s, &j, &found, &e)); /* somebody's job */
		if (found) {
			atomic_fetch_add(p->n_claimed, 1);
			EXPECT(!store_job_progress(s, j.id,
				&(struct job_progress){
					.phase = "training", .step = round, .steps = 10, .metrics = "{}"},
				&wish, &e));
			EXPECT(!store_checkpoint_put(s, j.id, j.id, strlen(j.id), &e));
			EXPECT(!store_job_succeed(s, j.id, "{}", "m", "{}", j.id, strlen(j.id), model, &e));
			EXPECT(!store_model_bundle(s, model, &bundle, NULL, &e));
			EXPECT(bundle.len == strlen(j.id) && !memcmp(bundle.data, j.id, bundle.len));
		}
		buf_release(&bundle);
		job_release(&j);
		EXPECT(!store_dataset_list(s, NULL, 5, &list, &n, &e));
		for (size_t i = 0; i < n; i++)
			dataset_release(&list[i]);
		free(list);
		EXPECT(!store_dataset_get(s, id, &d, &e));
		dataset_release(&d);
		/* Deleting while others read: each finds a data set whole or not at all. */
		if (round % 2 && store_dataset_delete(s, id, 0, &e))
			EXPECT(!strcmp(e.code, "dataset_in_use"));
	}
out:
	store_upload_free(u);
	dataset_summary_release(&summary);
	table_release(&sent);
	table_release(&got);
	return NULL;
}

static void
many_threads_share_a_store(void **state)
{
	struct store *s = open_store();
	struct party party[N_THREADS];
	pthread_t thread[N_THREADS];
	atomic_size_t n_claimed = 0;
	struct job j = {0};
	bool found = true;

	(void)state;
	for (size_t i = 0; i < N_THREADS; i++) {
		party[i] = (struct party){.s = s, .number = i, .n_claimed = &n_claimed};
		assert_int_equal(pthread_create(&thread[i], NULL, join_in, &party[i]), 0);
	}
	for (size_t i = 0; i < N_THREADS; i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_string_equal(party[i].failure, "");
	while (found) { /* every job was claimed once: what the threads did not get is all that is left */
		assert_ok(store_job_claim(s, &j, &found, &err));
		n_claimed += found;
		if (found)
			job_release(&j);
	}
	assert_int_equal(n_claimed, N_THREADS * N_ROUNDS);
	assert_ok(store_check(s, &err));
	store_close(s);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(a_new_directory_is_made_for_its_owner_alone),
		TEST(a_directory_that_cannot_be_made_is_named),
		TEST(an_empty_file_becomes_a_store),
		TEST(a_directory_in_use_is_refused_and_its_process_named),
		TEST(a_store_of_a_newer_program_is_refused),
		TEST(another_programs_database_is_refused_and_left_alone),
		TEST(a_file_that_is_no_database_is_refused),
		TEST(chunks_come_back_to_the_bit),
		TEST(a_chunk_is_refused_by_a_table_of_another_shape),
		TEST(a_summary_comes_back_whole),
		TEST(a_data_set_without_labels_has_no_label_column),
		TEST(an_upload_is_invisible_until_it_is_finished),
		TEST(an_upload_with_a_chunk_missing_cannot_be_finished),
		TEST(a_restarted_upload_keeps_only_what_came_after),
		TEST(lists_go_from_the_newest_page_by_page),
		TEST(a_data_set_that_a_job_needs_cannot_be_deleted),
		TEST(deleting_gives_the_space_back),
		TEST(an_abandoned_upload_gives_its_space_back),
		TEST(a_long_log_is_copied_back_without_another_commit),
		TEST(a_damaged_cell_is_noticed),
		TEST(a_damaged_file_is_an_error_and_nothing_worse),
		TEST(a_job_goes_from_the_queue_to_its_model),
		TEST(jobs_are_claimed_oldest_first_and_the_queue_has_an_end),
		TEST(a_queued_job_is_cancelled_at_once),
		TEST(a_running_job_hears_of_its_cancellation),
		TEST(a_failed_job_says_why),
		TEST(a_job_that_is_not_running_cannot_progress_or_end),
		TEST(a_stopped_job_goes_back_and_a_cancelled_one_ends),
		TEST(open_puts_right_what_a_crash_left),
		TEST(events_are_numbered_and_come_in_pages),
		TEST(metrics_keep_the_last_value_of_a_step_and_no_infinities),
		TEST(models_outlive_their_data_set_and_go_with_their_bundle),
		TEST(unknown_ids_are_not_found),
		TEST(a_full_disk_is_said_and_changes_nothing),
		TEST(many_threads_share_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
