/* Models in the store: names, versions, aliases, changed bundles; and a store of the first shape that gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/embed.h"
#include "server/store.h"
#include "tests/unit/store_group.h"

static struct store *s;

static int
set_up(void **state)
{
	return make_dir(state) || store_open(dir, &s, &err) ? -1 : 0;
}

static int
tear_down(void **state)
{
	store_close(s);
	s = NULL;
	return remove_dir(state);
}

static void
add(const char *name, const char *bundle, char id[STORE_ID_SIZE])
{
	assert_ok(store_model_add(s, name, "", "{}", bundle, strlen(bundle), id, &err));
}

static void
assert_leads_to(const char *ref, const char *id)
{
	char found[STORE_ID_SIZE];

	assert_ok(store_model_resolve(s, ref, found, &err));
	assert_string_equal(found, id);
}

static void
versions_are_numbered_by_name_and_never_twice(void **state)
{
	char a[4][STORE_ID_SIZE], other[STORE_ID_SIZE];
	struct model_record m = {0};

	(void)state;
	add("fraud", "1", a[0]);
	add("churn", "x", other);
	add("fraud", "2", a[1]);
	assert_leads_to("fraud", a[1]);
	assert_leads_to("fraud@latest", a[1]);
	assert_leads_to("fraud@1", a[0]);
	assert_leads_to("churn@1", other);
	assert_ok(store_model_delete(s, "fraud@2", &err));
	assert_leads_to("fraud", a[0]);
	add("fraud", "3", a[2]);
	assert_leads_to("fraud@3", a[2]);
	assert_refused(store_model_get(s, "fraud@2", &m, &err), ERR_NOT_FOUND, "model_not_found");
	assert_non_null(strstr(err.msg, "no version 2"));
	assert_ok(store_model_delete(s, a[0], &err));
	assert_ok(store_model_delete(s, "fraud@latest", &err));
	assert_refused(store_model_get(s, "fraud", &m, &err), ERR_NOT_FOUND, "model_not_found");
	add("fraud", "4", a[3]);
	assert_leads_to("fraud@4", a[3]);
	assert_ok(store_model_get(s, "fraud", &m, &err));
	assert_string_equal(m.name, "fraud");
	assert_int_equal(m.version, 4);
	assert_null(m.aliases);
	model_record_release(&m);
}

static void
aliases_are_set_all_at_once_or_not_at_all(void **state)
{
	const struct alias_change both[] = {{"production", 2}, {"old", 1}}, broken[] = {{"production", 1}, {"old", 7}};
	const struct alias_change removal[] = {{"old", 0}, {"never", 0}};
	char a[2][STORE_ID_SIZE];
	struct model_record m = {0};
	struct model_name name = {0};

	(void)state;
	add("fraud", "1", a[0]);
	add("fraud", "2", a[1]);
	assert_ok(store_alias_set(s, "fraud", both, 2, &err));
	assert_leads_to("fraud@production", a[1]);
	assert_leads_to("fraud@old", a[0]);
	assert_refused(store_alias_set(s, "fraud", broken, 2, &err), ERR_NOT_FOUND, "model_not_found");
	assert_leads_to("fraud@production", a[1]);
	assert_ok(store_alias_set(s, a[0], &(struct alias_change){"canary", 2}, 1, &err));
	assert_ok(store_name_get(s, a[0], &name, &err));
	assert_string_equal(name.name, "fraud");
	assert_int_equal(name.latest, 2);
	assert_int_equal(name.n_aliases, 3);
	assert_string_equal(name.alias[0].alias, "canary");
	assert_int_equal(name.alias[1].version, 1);
	model_name_release(&name);
	assert_ok(store_model_get(s, "fraud@production", &m, &err));
	assert_string_equal(m.aliases, "canary,production");
	model_record_release(&m);

	assert_refused(store_model_delete(s, a[0], &err), ERR_CONFLICT, "model_has_aliases");
	assert_ok(store_alias_set(s, "fraud", removal, 2, &err));
	assert_refused(store_model_get(s, "fraud@old", &m, &err), ERR_NOT_FOUND, "model_not_found");
	assert_ok(store_model_delete(s, a[0], &err));
	assert_refused(store_model_delete(s, "fraud", &err), ERR_CONFLICT, "model_is_ambiguous");
}

static void
a_model_without_a_name_takes_one_once(void **state)
{
	char first[STORE_ID_SIZE], second[STORE_ID_SIZE];
	struct model_name name = {0};

	(void)state;
	add("fraud", "1", first);
	add(NULL, "2", second);
	assert_refused(store_name_get(s, second, &name, &err), ERR_NOT_FOUND, "model_has_no_name");
	assert_ok(store_model_name(s, second, "fraud", &err));
	assert_leads_to("fraud@2", second);
	assert_refused(store_model_name(s, second, "churn", &err), ERR_CONFLICT, "model_has_name");
	assert_refused(store_model_name(s, "churn", "churn", &err), ERR_NOT_FOUND, "model_not_found");
}

static void
a_bundle_is_exchanged_only_by_who_saw_the_present_one(void **state)
{
	char id[STORE_ID_SIZE];
	struct model_record m = {0};
	struct buf bytes = {0};
	uint64_t revision = 0;

	(void)state;
	add("fraud", "first", id);
	assert_ok(store_model_bundle(s, "fraud", &bytes, &revision, &err));
	assert_int_equal(revision, 1);
	assert_ok(store_model_revise(s, id, revision, "{\"a\":1}", "second!", 7, &err));
	assert_refused(store_model_revise(s, id, revision, "{}", "third", 5, &err), ERR_CONFLICT, "model_changed");
	buf_clear(&bytes);
	assert_ok(store_model_bundle(s, id, &bytes, &revision, &err));
	assert_int_equal(revision, 2);
	assert_int_equal(bytes.len, 7);
	assert_memory_equal(bytes.data, "second!", 7);
	assert_ok(store_model_get(s, id, &m, &err));
	assert_string_equal(m.summary, "{\"a\":1}");
	assert_int_equal(m.n_bytes, 7);
	model_record_release(&m);
	buf_release(&bytes);
}

static void
versions_come_in_pages_newest_first(void **state)
{
	struct model_record *list = NULL;
	char id[STORE_ID_SIZE];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		add("fraud", "b", id);
		add("churn", "b", id);
	}
	assert_ok(store_version_list(s, "fraud@2", UINT64_MAX, 3, &list, &n, &err));
	assert_int_equal(n, 3);
	assert_int_equal(list[0].version, 5);
	assert_string_equal(list[0].name, "fraud");
	for (size_t i = 0; i < n; i++)
		model_record_release(&list[i]);
	free(list);
	assert_ok(store_version_list(s, "fraud", 3, 3, &list, &n, &err));
	assert_int_equal(n, 2);
	assert_int_equal(list[1].version, 1);
	for (size_t i = 0; i < n; i++)
		model_record_release(&list[i]);
	free(list);
}

enum { THREADS = 4, EACH = 10 };

static void *
add_many(void *ctx)
{
	struct err e;
	char id[STORE_ID_SIZE];
	size_t *n_added = ctx;

	for (int i = 0; i < EACH; i++)
		*n_added += store_model_add(s, "fraud", "", "{}", "b", 1, id, &e) == OK;
	return NULL;
}

static void
threads_that_add_versions_get_a_number_each(void **state)
{
	struct model_record *list = NULL;
	size_t added[THREADS] = {0}, n = 0;
	pthread_t thread[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, add_many, &added[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_ok(store_version_list(s, "fraud", UINT64_MAX, 100, &list, &n, &err));
	assert_int_equal(n, THREADS * EACH);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].version, n - i);
		model_record_release(&list[i]);
	}
	free(list);
}

/* A store as the first version of the program left it. */
static void
a_store_of_the_first_shape_keeps_its_models(void **state)
{
	static const char row[] =
		"INSERT INTO model (id, name, job, dataset, created, n_bytes, summary) "
		"VALUES ('mdl_aaaaaaaaaaaaaaaaaaaa', 'my table', 'job_a', 'ds_a', 1000, 3, '{\"a\":1}');"
		"INSERT INTO model_bundle (model, bytes) VALUES (1, x'010203');"
		"INSERT INTO job (id, state, type, dataset, params, created) VALUES "
		"('job_aaaaaaaaaaaaaaaaaaaa', 'succeeded', 'train', 'ds_a', '{}', 1000);"
		"PRAGMA user_version = 1; PRAGMA application_id = ";
	char path[300], pragma[400];
	struct embedded first = embedded_migration(0);
	struct model_record m = {0};
	struct job j = {0};
	struct buf bytes = {0};
	sqlite3_stmt *stmt;
	sqlite3 *db;
	char *sql;
	int application;

	(void)state;
	store_close(s);
	s = NULL;
	snprintf(path, sizeof path, "%s/verad.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	application = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sql = calloc(1, first.len + 1);
	assert_non_null(sql);
	memcpy(sql, first.text, first.len);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	free(sql);
	snprintf(pragma, sizeof pragma, "%d", application);
	sql = calloc(1, sizeof row + strlen(pragma));
	assert_non_null(sql);
	strcat(strcat(sql, row), pragma);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	free(sql);
	sqlite3_close(db);

	assert_ok(store_open(dir, &s, &err));
	assert_ok(store_check(s, &err));
	assert_ok(store_model_get(s, "mdl_aaaaaaaaaaaaaaaaaaaa", &m, &err));
	assert_null(m.name);
	assert_string_equal(m.dataset_name, "my table");
	assert_string_equal(m.summary, "{\"a\":1}");
	assert_int_equal(m.revision, 1);
	model_record_release(&m);
	assert_ok(store_model_bundle(s, "mdl_aaaaaaaaaaaaaaaaaaaa", &bytes, NULL, &err));
	assert_memory_equal(bytes.data, "\1\2\3", 3);
	buf_release(&bytes);
	assert_ok(store_job_get(s, "job_aaaaaaaaaaaaaaaaaaaa", &j, &err));
	assert_null(j.model_name);
	job_release(&j);
	assert_ok(store_model_name(s, "mdl_aaaaaaaaaaaaaaaaaaaa", "fraud", &err));
	assert_leads_to("fraud@1", "mdl_aaaaaaaaaaaaaaaaaaaa");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(versions_are_numbered_by_name_and_never_twice),
		TEST(aliases_are_set_all_at_once_or_not_at_all),
		TEST(a_model_without_a_name_takes_one_once),
		TEST(a_bundle_is_exchanged_only_by_who_saw_the_present_one),
		TEST(versions_come_in_pages_newest_first),
		TEST(threads_that_add_versions_get_a_number_each),
		TEST(a_store_of_the_first_shape_keeps_its_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
