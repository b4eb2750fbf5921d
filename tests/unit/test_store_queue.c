/* The life of jobs in the store: from the queue to a model, to an end or a crash, with their events and numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "server/store.h"
#include "tests/unit/store_group.h"
#include "tests/unit/store_samples.h"

static enum status
add(struct store *s, const char *dataset, size_t max_queued, char id[STORE_ID_SIZE])
{
	return store_job_add(
		s, &(struct new_job){.type = "train", .dataset = dataset, .params = "{}"}, max_queued, id, &err);
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
		assert_ok(add(s, dataset, 3, id[i]));
	assert_refused(add(s, dataset, 3, more), ERR_BUSY, "queue_full");
	for (size_t i = 0; i < 3; i++) {
		assert_ok(store_job_claim(s, &j, &found, &err));
		assert_true(found);
		assert_string_equal(j.id, id[i]);
		job_release(&j);
	}
	/* One that was put back is the oldest again. */
	assert_ok(add(s, dataset, 3, more));
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
	assert_ok(add(s, dataset, 3, id));
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
	assert_ok(add(s, dataset, 3, id));
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

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
