/* watch: who waits is told, in time, and only of its own job. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/watch.h"

static struct err err;

static struct watches *
make(size_t max)
{
	struct watches *ws = NULL;

	assert_int_equal(watches_new(max, &ws, &err), OK);
	return ws;
}

static struct watch *
watch(struct watches *ws, const char *job)
{
	struct watch *w = NULL;

	assert_int_equal(watch_open(ws, job, &w, &err), OK);
	return w;
}

static void
what_happened_before_the_wait_ends_it(void **state)
{
	struct watches *ws = make(4);
	struct watch *w = watch(ws, "job_a");

	(void)state;
	watches_ring(ws, "job_a");
	watches_ring(ws, "job_a");
	assert_int_equal(watch_wait(w, 60), WATCH_RUNG);
	assert_int_equal(watch_wait(w, 0), WATCH_TIMEOUT); /* both rings were heard at once */
	assert_int_equal(watch_wait(w, -1), WATCH_TIMEOUT);
	watch_close(w);
	watches_free(ws);
}

static void
other_jobs_are_none_of_its_business(void **state)
{
	struct watches *ws = make(4);
	struct watch *a = watch(ws, "job_a"), *b = watch(ws, "job_b"), *second = watch(ws, "job_a");

	(void)state;
	watches_ring(ws, "job_a");
	watches_ring(ws, "job_c");
	assert_int_equal(watch_wait(b, 0), WATCH_TIMEOUT);
	assert_int_equal(watch_wait(a, 60), WATCH_RUNG);
	assert_int_equal(watch_wait(second, 60), WATCH_RUNG);
	watch_close(a); /* from the middle of the list */
	watches_ring(ws, "job_a");
	assert_int_equal(watch_wait(second, 60), WATCH_RUNG);
	watch_close(b);
	watch_close(second);
	watches_free(ws);
}

static void
there_are_only_so_many(void **state)
{
	struct watches *ws = make(2);
	struct watch *a = watch(ws, "job_a"), *b = watch(ws, "job_a"), *more = NULL;

	(void)state;
	assert_int_equal(watch_open(ws, "job_a", &more, &err), ERR_BUSY);
	assert_string_equal(err.code, "too_many_waiting");
	watch_close(a);
	a = watch(ws, "job_a"); /* its place is free again */
	watch_close(a);
	watch_close(b);
	watches_free(ws);
}

static void *
ring_later(void *ws)
{
	usleep(20000);
	watches_ring(ws, "job_a");
	return NULL;
}

static void *
end_later(void *ws)
{
	usleep(20000);
	watches_end(ws);
	return NULL;
}

static void
a_wait_is_ended_by_another_thread(void **state)
{
	struct watches *ws = make(4);
	struct watch *w = watch(ws, "job_a");
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, ring_later, ws), 0);
	assert_int_equal(watch_wait(w, 600), WATCH_RUNG);
	pthread_join(thread, NULL);
	assert_int_equal(pthread_create(&thread, NULL, end_later, ws), 0);
	assert_int_equal(watch_wait(w, 600), WATCH_STOPPING);
	pthread_join(thread, NULL);
	assert_int_equal(watch_wait(w, 600), WATCH_STOPPING); /* for good */
	watch_close(w);
	watches_free(ws);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_happened_before_the_wait_ends_it),
		cmocka_unit_test(other_jobs_are_none_of_its_business),
		cmocka_unit_test(there_are_only_so_many),
		cmocka_unit_test(a_wait_is_ended_by_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
