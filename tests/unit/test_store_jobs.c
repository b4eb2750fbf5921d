/* Jobs in the store: what may be asked of them in which state, results part by part, keys, and older stores. */
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

enum { COLUMNS = 4, ROWS = 20 };

static struct store *store;
static char dataset[STORE_ID_SIZE];

static void
reopen(void)
{
	store_close(store);
	store = NULL;
	assert_ok(store_open(dir, &store, &err));
}

static int
set_up(void **state)
{
	(void)state;
	if (make_dir(state))
		return -1;
	reopen();
	upload(store, "rows", COLUMNS, ROWS, 1, 1, dataset);
	return 0;
}

static int
tear_down(void **state)
{
	store_close(store);
	store = NULL;
	return remove_dir(state);
}

static void
add(char id[STORE_ID_SIZE], int priority)
{
	const struct new_job job = {
		.type = "batch_predict", .dataset = dataset, .params = "{}", .model = "mdl_x", .priority = priority};

	assert_ok(store_job_add(store, &job, 100, id, &err));
}

static void
claim(const char *expected)
{
	struct job j = {0};
	bool found;

	assert_ok(store_job_claim(store, &j, &found, &err));
	assert_true(found);
	assert_string_equal(j.id, expected);
	assert_int_equal(j.state, JOB_VALIDATING);
	job_release(&j);
}

static enum job_wish
progress(const char *id, const char *phase, double worked)
{
	const struct job_progress p = {
		.phase = phase, .step = 1, .steps = 2, .worked = worked, .seconds_left = 7.5, .metrics = "{}"};
	enum job_wish wish;

	assert_ok(store_job_progress(store, id, &p, &wish, &err));
	return wish;
}

static void
assert_state(const char *id, enum job_state state)
{
	struct job j = {0};

	assert_ok(store_job_get(store, id, &j, &err));
	assert_string_equal(job_state_name(j.state), job_state_name(state));
	job_release(&j);
}

/* A job brought into the state. */
static void
bring_to(enum job_state state, char id[STORE_ID_SIZE])
{
	enum job_state was, is;

	add(id, 0);
	switch (state) {
	case JOB_QUEUED:
		break;
	case JOB_PAUSED:
		assert_ok(store_job_pause(store, id, &was, &is, &err));
		break;
	case JOB_CANCELLED:
		assert_ok(store_job_cancel(store, id, &was, &is, &err));
		break;
	default:
		claim(id);
		if (state != JOB_VALIDATING)
			progress(id, "predicting", 0);
		if (state == JOB_PAUSING)
			assert_ok(store_job_pause(store, id, &was, &is, &err));
		if (state == JOB_CANCELLING)
			assert_ok(store_job_cancel(store, id, &was, &is, &err));
		if (state == JOB_SUCCEEDED)
			assert_ok(store_job_complete(store, id, "{}", "r", 1, &err));
		if (state == JOB_FAILED)
			assert_ok(store_job_fail(store, id, "diverged", "it did", &err));
	}
	assert_state(id, state);
}

/* Takes the job out of the way of the next one. */
static void
finish(const char *id)
{
	enum job_state was, is;

	(void)store_job_cancel(store, id, &was, &is, &err);
	(void)store_job_cancelled(store, id, &err);
}

/* Requests -------------------------------------------------------------------------------------------------------- */

static void
each_request_does_in_each_state_what_it_says(void **state)
{
#define REFUSED N_JOB_STATES
	static const struct {
		enum job_state from, cancelled, paused, resumed;
	} cases[] = {
		{JOB_QUEUED, JOB_CANCELLED, JOB_PAUSED, JOB_QUEUED},
		{JOB_VALIDATING, JOB_CANCELLING, JOB_PAUSING, JOB_VALIDATING},
		{JOB_RUNNING, JOB_CANCELLING, JOB_PAUSING, JOB_RUNNING},
		{JOB_PAUSING, JOB_CANCELLING, JOB_PAUSING, JOB_RUNNING},
		{JOB_PAUSED, JOB_CANCELLED, JOB_PAUSED, JOB_QUEUED},
		{JOB_CANCELLING, JOB_CANCELLING, REFUSED, REFUSED},
		{JOB_CANCELLED, JOB_CANCELLED, REFUSED, REFUSED},
		{JOB_SUCCEEDED, REFUSED, REFUSED, REFUSED},
		{JOB_FAILED, REFUSED, REFUSED, REFUSED},
	};
	char id[STORE_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < 3 * (sizeof cases / sizeof *cases); i++) {
		enum job_state was = N_JOB_STATES, is = N_JOB_STATES, from = cases[i / 3].from;
		enum job_state want = i % 3 == 0   ? cases[i / 3].cancelled
				      : i % 3 == 1 ? cases[i / 3].paused
						   : cases[i / 3].resumed;
		enum status s;

		bring_to(from, id);
		s = i % 3 == 0   ? store_job_cancel(store, id, &was, &is, &err)
		    : i % 3 == 1 ? store_job_pause(store, id, &was, &is, &err)
				 : store_job_resume(store, id, &was, &is, &err);
		if (want == REFUSED) {
			assert_refused(s, ERR_CONFLICT, from == JOB_CANCELLING ? "job_cancelling" : "job_finished");
			assert_state(id, from);
		} else {
			assert_ok(s);
			assert_true(was == from && is == want);
			assert_state(id, want);
		}
		finish(id);
	}
}

static void
a_worker_hears_of_a_pause_and_lets_go(void **state)
{
	enum job_state was, is;
	char id[STORE_ID_SIZE];

	(void)state;
	bring_to(JOB_RUNNING, id);
	assert_int_equal(progress(id, "predicting", 1), JOB_GO_ON);
	assert_ok(store_job_pause(store, id, &was, &is, &err));
	assert_int_equal(progress(id, "predicting", 2), JOB_PAUSE);
	assert_ok(store_job_requeue(store, id, &err));
	assert_state(id, JOB_PAUSED);
	/* Resumed between the wish and the letting go, it is simply back in the queue. */
	assert_ok(store_job_resume(store, id, &was, &is, &err));
	claim(id);
	assert_ok(store_job_pause(store, id, &was, &is, &err));
	assert_ok(store_job_resume(store, id, &was, &is, &err));
	assert_ok(store_job_requeue(store, id, &err));
	assert_state(id, JOB_QUEUED);
}

static void
time_at_work_adds_up_and_never_shrinks(void **state)
{
	char id[STORE_ID_SIZE];
	struct job j = {0};

	(void)state;
	bring_to(JOB_RUNNING, id);
	progress(id, "predicting", 12.5);
	progress(id, "predicting", 3);
	assert_ok(store_job_get(store, id, &j, &err));
	assert_true(j.worked == 12.5 && j.seconds_left == 7.5);
	job_release(&j);
}

static void
a_job_is_validating_until_it_is_past_preparing(void **state)
{
	char id[STORE_ID_SIZE];

	(void)state;
	add(id, 0);
	claim(id);
	progress(id, JOB_PREPARING, 0);
	assert_state(id, JOB_VALIDATING);
	progress(id, "predicting", 0);
	assert_state(id, JOB_RUNNING);
	progress(id, JOB_PREPARING, 0);
	assert_state(id, JOB_RUNNING);
}

static void
the_queue_goes_by_priority_and_then_by_age(void **state)
{
	static const int priority[] = {0, -5, 3, 0, 3};
	static const size_t order[] = {2, 4, 0, 3, 1};
	char id[5][STORE_ID_SIZE];
	struct job_queue queue;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		add(id[i], priority[i]);
	for (size_t i = 0; i < 5; i++) {
		assert_ok(store_job_queue(store, &queue, &err));
		assert_true(queue.n_queued == 5 - i && queue.n_at_work == i);
		claim(id[order[i]]);
	}
}

static void
a_crash_leaves_what_was_paused_paused(void **state)
{
	char paused[STORE_ID_SIZE], pausing[STORE_ID_SIZE], running[STORE_ID_SIZE];
	struct job j = {0};

	(void)state;
	bring_to(JOB_RUNNING, running);
	bring_to(JOB_PAUSING, pausing);
	bring_to(JOB_PAUSED, paused);
	reopen(); /* a worker of this process would have let go before: as after a crash */
	assert_state(paused, JOB_PAUSED);
	assert_state(pausing, JOB_PAUSED);
	assert_state(running, JOB_QUEUED);
	assert_ok(store_job_get(store, running, &j, &err));
	assert_int_equal(j.attempt, 2);
	job_release(&j);
	assert_refused(store_dataset_delete(store, dataset, 0, &err), ERR_CONFLICT, "dataset_in_use");
}

static void
recoveries_are_told_with_the_job(void **state)
{
	char id[STORE_ID_SIZE];
	struct job j = {0};

	(void)state;
	bring_to(JOB_RUNNING, id);
	assert_ok(store_event_add(store, id, "warning", "recovered", "a \"quoted\" reason", "{\"step\":70}", &err));
	assert_ok(store_event_add(store, id, "info", "progress", "other", "{\"step\":71}", &err));
	assert_ok(store_job_get(store, id, &j, &err));
	assert_non_null(strstr(j.recoveries, "\"step\":70,\"message\":\"a \\\"quoted\\\" reason\"}]"));
	assert_non_null(strstr(j.recoveries, "[{\"at\":\"20"));
	job_release(&j);
}

/* Results --------------------------------------------------------------------------------------------------------- */

static int64_t
rows_in(const char *table)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *q = NULL;
	char path[512], sql[64];
	int64_t n = -1;

	snprintf(path, sizeof path, "%s/verad.db", dir);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	if (sqlite3_step(q) == SQLITE_ROW)
		n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return n;
}

static void
wait_until_empty(const char *table)
{
	for (int i = 0; i < 10000 && rows_in(table); i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(rows_in(table), 0);
}

static void
a_result_comes_back_from_any_byte_on(void **state)
{
	enum { FIRST = 2500000, SECOND = 1, REST = 1 << 20, ALL = FIRST + SECOND + REST };
	static const size_t places[] = {0, 1, 1048575, 1048576, 2097152, FIRST - 1, FIRST, FIRST + SECOND, ALL - 1};
	unsigned char *bytes = malloc(ALL);
	struct buf part = {0}, saved = {0};
	char id[STORE_ID_SIZE];
	struct job j = {0};
	uint64_t first, seed = 3;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < ALL; i++)
		bytes[i] = (unsigned char)sample_bits(&seed);
	bring_to(JOB_RUNNING, id);
	assert_refused(store_result_read(store, id, 0, &part, &first, &err), ERR_NOT_FOUND, "no_result");
	assert_ok(store_result_append(store, id, bytes, FIRST, "one", 3, &err));
	assert_ok(store_result_append(store, id, bytes + FIRST, SECOND, "two", 3, &err));
	assert_ok(store_result_append(store, id, bytes, 0, "two!", 4, &err)); /* nothing more, a later checkpoint */
	assert_ok(store_checkpoint_get(store, id, &saved, &err));
	assert_int_equal(saved.len, 4);
	buf_release(&saved);
	assert_ok(store_job_get(store, id, &j, &err));
	assert_false(j.has_result); /* not before its job has succeeded */
	job_release(&j);
	reopen(); /* whatever happens in between */
	claim(id);
	assert_ok(store_job_complete(store, id, "{\"rows\":9}", bytes + FIRST + SECOND, REST, &err));
	assert_ok(store_job_get(store, id, &j, &err));
	assert_true(j.has_result && j.state == JOB_SUCCEEDED);
	assert_int_equal(j.n_result_bytes, ALL);
	assert_string_equal(j.metrics, "{\"rows\":9}");
	assert_string_equal(j.model, "mdl_x");
	job_release(&j);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		buf_clear(&part);
		assert_ok(store_result_read(store, id, places[i], &part, &first, &err));
		assert_true(first <= places[i] && places[i] < first + part.len && part.len <= 1 << 20);
		assert_memory_equal(part.data, bytes + first, part.len);
	}
	buf_release(&part);
	free(bytes);

	assert_ok(store_job_delete(store, id, &err));
	assert_refused(store_job_get(store, id, &j, &err), ERR_NOT_FOUND, "job_not_found");
	wait_until_empty("result_part");
	wait_until_empty("result");
	assert_int_equal(rows_in("job_event"), 0);
}

static void
a_result_goes_with_a_job_that_does_not_succeed(void **state)
{
	char id[STORE_ID_SIZE];
	struct buf part = {0};
	uint64_t first;

	(void)state;
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		bring_to(JOB_RUNNING, id);
		assert_ok(store_result_append(store, id, "half", 4, "c", 1, &err));
		if (cancelled)
			finish(id);
		else
			assert_ok(store_job_fail(store, id, "disk_full", "no room", &err));
		assert_refused(store_result_read(store, id, 0, &part, &first, &err), ERR_NOT_FOUND, "no_result");
		wait_until_empty("result_part");
		wait_until_empty("result");
	}
	bring_to(JOB_QUEUED, id);
	assert_refused(store_result_append(store, id, "x", 1, "c", 1, &err), ERR_CONFLICT, "job_not_running");
	assert_refused(store_job_complete(store, id, "{}", "x", 1, &err), ERR_CONFLICT, "job_not_running");
	assert_refused(store_job_delete(store, id, &err), ERR_CONFLICT, "job_not_finished");
	finish(id);
	bring_to(JOB_CANCELLING, id);
	assert_refused(store_job_complete(store, id, "{}", "x", 1, &err), ERR_CONFLICT, "job_cancelling");
}

/* Keys ------------------------------------------------------------------------------------------------------------ */

static void
a_key_is_kept_with_its_job_until_it_expires(void **state)
{
	struct new_job job = {.type = "train",
		.dataset = dataset,
		.params = "{}",
		.key = {.text = "me k-1", .fingerprint = UINT64_MAX - 1, .seconds = 1000}};
	struct request_key other = job.key;
	struct key_answer answer = {0};
	char id[STORE_ID_SIZE], refused[STORE_ID_SIZE];
	bool found = true;

	(void)state;
	assert_ok(store_key_find(store, &job.key, &answer, &found, &err));
	assert_false(found);
	assert_refused(store_job_add(store, &job, 0, refused, &err), ERR_BUSY, "queue_full");
	assert_ok(store_key_find(store, &job.key, &answer, &found, &err));
	assert_false(found); /* a job that was refused uses no key */
	assert_ok(store_job_add(store, &job, 10, id, &err));
	reopen(); /* before there was an answer */
	assert_ok(store_key_find(store, &job.key, &answer, &found, &err));
	assert_true(found);
	assert_string_equal(answer.job, id);
	assert_null(answer.body);
	assert_ok(store_key_answer(store, job.key.text, "{\"id\":1}", &err));
	assert_ok(store_key_find(store, &job.key, &answer, &found, &err));
	assert_string_equal(answer.body, "{\"id\":1}");
	free(answer.body);
	other.fingerprint++;
	assert_refused(store_key_find(store, &other, &answer, &found, &err), ERR_INVALID, "idempotency_key_reused");

	job.key = (struct request_key){.text = "me k-2", .fingerprint = 5, .seconds = -1}; /* expired as it is made */
	assert_ok(store_job_add(store, &job, 10, id, &err));
	assert_ok(store_key_find(store, &job.key, &answer, &found, &err));
	assert_false(found);
	assert_ok(store_job_add(store, &job, 10, id, &err)); /* and makes room for the next of its name */
	assert_int_equal(rows_in("idempotency_key"), 2);
}

/* Stores of earlier programs --------------------------------------------------------------------------------------- */

static void
jobs_of_an_earlier_store_are_all_there(void **state)
{
	enum { BEFORE = 5 };
	static const char old_jobs[] =
		"INSERT INTO job (id, state, type, dataset, params, created, step, steps, metrics, model, model_name) "
		"VALUES"
		"('job_a', 'queued', 'train', 'ds_x', '{}', 1, 0, 0, '{}', NULL, 'fraud'),"
		"('job_b', 'running', 'train', 'ds_x', '{\"seed\":2}', 2, 5, 9, '{\"loss\":1}', NULL, NULL),"
		"('job_c', 'succeeded', 'train', 'ds_x', '{}', 3, 9, 9, '{}', 'mdl_m', NULL);"
		"INSERT INTO job_event VALUES (2, 1, 1, 'info', 'queued', 'm', '{}');"
		"INSERT INTO checkpoint VALUES (2, 1, x'0102')";
	struct buf saved = {0};
	struct job j = {0};
	char path[512], sql[64];
	sqlite3 *db = NULL;

	(void)state;
	store_close(store);
	store = NULL;
	snprintf(path, sizeof path, "%s/verad.db", dir);
	unlink(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (size_t i = 0; i < BEFORE; i++)
		assert_int_equal(sqlite3_exec(db, embedded_migration(i).text, NULL, NULL, NULL), SQLITE_OK);
	if (sqlite3_exec(db, old_jobs, NULL, NULL, NULL))
		fail_msg("%s", sqlite3_errmsg(db));
	snprintf(sql, sizeof sql, "PRAGMA user_version = %d; PRAGMA application_id = 1986359905", BEFORE);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_ok(store_open(dir, &store, &err));
	assert_ok(store_check(store, &err));
	assert_ok(store_job_get(store, "job_a", &j, &err));
	assert_true(j.state == JOB_QUEUED && j.priority == 0 && j.max_seconds == 0 && j.worked == 0);
	assert_string_equal(j.model_name, "fraud");
	job_release(&j);
	assert_ok(store_job_get(store, "job_b", &j, &err));
	assert_true(j.state == JOB_QUEUED && j.attempt == 2 && j.step == 5 && j.steps == 9);
	assert_string_equal(j.params, "{\"seed\":2}");
	assert_string_equal(j.metrics, "{\"loss\":1}");
	job_release(&j);
	assert_ok(store_checkpoint_get(store, "job_b", &saved, &err));
	assert_int_equal(saved.len, 2);
	buf_release(&saved);
	assert_ok(store_job_get(store, "job_c", &j, &err));
	assert_true(j.state == JOB_SUCCEEDED && !j.has_result);
	assert_string_equal(j.model, "mdl_m");
	job_release(&j);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_request_does_in_each_state_what_it_says),
		TEST(a_worker_hears_of_a_pause_and_lets_go),
		TEST(time_at_work_adds_up_and_never_shrinks),
		TEST(a_job_is_validating_until_it_is_past_preparing),
		TEST(the_queue_goes_by_priority_and_then_by_age),
		TEST(a_crash_leaves_what_was_paused_paused),
		TEST(recoveries_are_told_with_the_job),
		TEST(a_result_comes_back_from_any_byte_on),
		TEST(a_result_goes_with_a_job_that_does_not_succeed),
		TEST(a_key_is_kept_with_its_job_until_it_expires),
		TEST(jobs_of_an_earlier_store_are_all_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
