/* The store: opening and refusing, room that comes back, damage, a full disk, many threads. */
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

/* Room ------------------------------------------------------------------------------------------------------------- */

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
		TEST(deleting_gives_the_space_back),
		TEST(an_abandoned_upload_gives_its_space_back),
		TEST(a_long_log_is_copied_back_without_another_commit),
		TEST(a_damaged_cell_is_noticed),
		TEST(a_damaged_file_is_an_error_and_nothing_worse),
		TEST(unknown_ids_are_not_found),
		TEST(a_full_disk_is_said_and_changes_nothing),
		TEST(many_threads_share_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
