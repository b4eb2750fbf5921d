/* store_backup and store_key, without a daemon: copies that are given up, two processes on one store, keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/store.h"
#include "tests/support/scratch.h"

static char dir[SCRATCH_SIZE], data[SCRATCH_SIZE + 16], copy[SCRATCH_SIZE + 16], partial[SCRATCH_SIZE + 32];
static struct store *store;

static bool
is_there(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static void
add_key(struct store *s, char id[STORE_ID_SIZE])
{
	struct api_key k = {.name = (char *)(uintptr_t) "somebody's", .scopes = 5};
	struct err e = {0};

	memset(k.hash, 7, sizeof k.hash);
	assert_int_equal(store_new_key_id(k.id, &e), OK);
	assert_int_equal(store_key_add(s, &k, &e), OK);
	memcpy(id, k.id, sizeof k.id);
}

static size_t
n_keys(struct store *s, bool only_in_force)
{
	struct api_key *list = NULL;
	struct err e = {0};
	size_t n = 0, count = 0;

	assert_int_equal(store_key_list(s, &list, &n, &e), OK);
	for (size_t i = 0; i < n; i++) {
		count += !only_in_force || list[i].revoked <= 0;
		api_key_release(&list[i]);
	}
	free(list);
	return count;
}

static void
a_backup_that_is_given_up_leaves_nothing(void **state)
{
	atomic_bool stop = true;
	struct err e = {0};
	uint64_t n = 0;

	(void)state;
	assert_int_equal(store_backup(store, copy, &stop, &n, &e), ERR_BUSY);
	assert_string_equal(e.code, "stopping");
	assert_false(is_there(copy));
	assert_false(is_there(partial));
	stop = false;
	assert_int_equal(store_backup(store, copy, &stop, &n, &e), OK);
	assert_true(n > 0);
	assert_false(is_there(partial));
}

static void
a_backup_replaces_nothing_and_says_where_it_cannot_be(void **state)
{
	struct err e = {0};
	struct stat before, after;
	char nowhere[128];
	uint64_t n = 0;

	(void)state;
	assert_int_equal(store_backup(store, copy, NULL, &n, &e), OK);
	assert_int_equal(stat(copy, &before), 0);
	assert_int_equal(store_backup(store, copy, NULL, &n, &e), ERR_CONFLICT);
	assert_string_equal(e.code, "backup_exists");
	assert_int_equal(stat(copy, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	snprintf(nowhere, sizeof nowhere, "%s/nowhere/copy.db", dir);
	assert_int_equal(store_backup(store, nowhere, NULL, &n, &e), ERR_IO);
	assert_string_equal(e.code, "backup_failed");
	assert_non_null(strstr(e.msg, nowhere));
}

static void
a_copy_is_of_the_moment_and_opens_as_a_store(void **state)
{
	char id[STORE_ID_SIZE], other[96], path[128];
	struct store *opened = NULL;
	struct err e = {0};
	uint64_t n = 0;

	(void)state;
	add_key(store, id);
	assert_int_equal(store_backup(store, copy, NULL, &n, &e), OK);
	add_key(store, id); /* after it */
	snprintf(other, sizeof other, "%s/other", dir);
	snprintf(path, sizeof path, "%s/verad.db", other);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(rename(copy, path), 0);
	assert_int_equal(store_open(other, &opened, &e), OK);
	assert_int_equal(store_check(opened, &e), OK);
	assert_int_equal(n_keys(opened, false), 1);
	assert_int_equal(n_keys(store, false), 2);
	store_close(opened);
}

static void
two_processes_use_one_store_and_the_second_puts_nothing_right(void **state)
{
	char id[STORE_ID_SIZE], opened = 0;
	struct err e = {0};
	int status, pipes[2];
	pid_t child;

	(void)state;
	store_close(store); /* a child of a process whose threads use SQLite may inherit its locks held */
	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		struct store *beside = NULL;

		if (read(pipes[0], &opened, 1) != 1)
			_exit(3);
		if (store_open(data, &beside, &e) != ERR_CONFLICT) /* the first has the lock */
			_exit(1);
		if (store_open_beside(data, &beside, &e))
			_exit(2);
		add_key(beside, id);
		store_close(beside);
		_exit(0);
	}
	assert_int_equal(store_open(data, &store, &e), OK);
	assert_int_equal(write(pipes[1], &opened, 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(n_keys(store, false), 1); /* seen at once */
	add_key(store, id);
	assert_int_equal(n_keys(store, false), 2);
}

static void
a_revoked_key_stays_in_the_list(void **state)
{
	char id[STORE_ID_SIZE];
	struct err e = {0};

	(void)state;
	add_key(store, id);
	assert_int_equal(n_keys(store, true), 1);
	assert_int_equal(store_key_revoke(store, id, &e), OK);
	assert_int_equal(store_key_revoke(store, id, &e), OK);
	assert_int_equal(n_keys(store, true), 0);
	assert_int_equal(n_keys(store, false), 1);
	assert_int_equal(store_key_revoke(store, "key_aaaaaaaaaaaaaaaaaaaa", &e), ERR_NOT_FOUND);
	assert_string_equal(e.code, "key_not_found");
}

static int
set_up(void **state)
{
	struct err e = {0};

	(void)state;
	if (!scratch_make(dir))
		return 1;
	snprintf(data, sizeof data, "%s/data", dir);
	snprintf(copy, sizeof copy, "%s/copy.db", dir);
	snprintf(partial, sizeof partial, "%s.partial", copy);
	return store_open(data, &store, &e) != OK;
}

static int
tear_down(void **state)
{
	(void)state;
	store_close(store);
	return scratch_remove(dir) ? 0 : 1;
}

int
main(void)
{
#define ON_A_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ON_A_STORE(a_backup_that_is_given_up_leaves_nothing),
		ON_A_STORE(a_backup_replaces_nothing_and_says_where_it_cannot_be),
		ON_A_STORE(a_copy_is_of_the_moment_and_opens_as_a_store),
		ON_A_STORE(two_processes_use_one_store_and_the_second_puts_nothing_right),
		ON_A_STORE(a_revoked_key_stays_in_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
