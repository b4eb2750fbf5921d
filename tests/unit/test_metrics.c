/* metrics, without a daemon: what is bounded stays bounded, and nothing is lost between threads. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/metrics.h"

enum { N_THREADS = 4, N_ROUNDS = 20000 };

static const struct metrics_route routes[] = {{"GET", "/a"}, {"POST", "/b/{id}"}};
static const struct metrics_state idle = {.certificate_expires = NAN};

static struct metrics *
new_metrics(void)
{
	struct metrics *m = NULL;
	struct err e = {0};

	assert_int_equal(metrics_new(routes, 2, &m, &e), OK);
	return m;
}

static char *
text_of(const struct metrics *m)
{
	struct buf out = {0};

	metrics_write(m, &idle, &out);
	buf_put_u8(&out, 0);
	assert_false(out.failed);
	return (char *)out.data;
}

static void
assert_has(const struct metrics *m, const char *line)
{
	char *text = text_of(m);

	if (!strstr(text, line))
		fail_msg("no \"%s\" in:\n%s", line, text);
	free(text);
}

static void
durations_fall_into_their_buckets_and_those_above(void **state)
{
	struct metrics *m = new_metrics();

	(void)state;
	metrics_request(m, 1, 200, 0.00005, 10, 20);
	metrics_request(m, 1, 200, 0.0001, 0, 0); /* a bound is in its own bucket */
	metrics_request(m, 1, 503, 0.3, 0, 5);
	metrics_request(m, 1, 200, 1e5, 0, 0);
#define BUCKET(le, n)                                                                                                  \
	"verad_http_request_duration_seconds_bucket{method=\"POST\",route=\"/b/{id}\",le=\"" le "\"} " n "\n"
	assert_has(m, BUCKET("0.0001", "2"));
	assert_has(m, BUCKET("0.25", "2"));
	assert_has(m, BUCKET("0.5", "3"));
	assert_has(m, BUCKET("60", "3"));
	assert_has(m, BUCKET("+Inf", "4"));
	assert_has(m, "verad_http_requests_total{method=\"POST\",route=\"/b/{id}\",code=\"200\"} 3\n");
	assert_has(m, "verad_http_requests_total{method=\"POST\",route=\"/b/{id}\",code=\"503\"} 1\n");
	assert_has(m, "verad_http_received_bytes_total{method=\"POST\",route=\"/b/{id}\"} 10\n");
	assert_has(m, "verad_http_sent_bytes_total{method=\"POST\",route=\"/b/{id}\"} 25\n");
	metrics_free(m);
}

static void
what_nobody_foresaw_is_counted_as_other(void **state)
{
	struct metrics *m = new_metrics();

	(void)state;
	metrics_request(m, SIZE_MAX, 404, 0.001, 0, 0);
	metrics_request(m, 0, 299, 0.001, 0, 0);
	metrics_request(m, 0, 0, 0.001, 0, 0);
	assert_has(m, "verad_http_requests_total{method=\"other\",route=\"none\",code=\"404\"} 1\n");
	assert_has(m, "verad_http_requests_total{method=\"GET\",route=\"/a\",code=\"other\"} 1\n");
	assert_has(m, "verad_http_requests_total{method=\"GET\",route=\"/a\",code=\"gone\"} 1\n");
	metrics_free(m);
}

static void
more_models_than_there_is_room_for_share_one_series(void **state)
{
	struct metrics *m = new_metrics();
	char name[40], *text;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < METRICS_MAX_MODELS + 50; i++) {
		snprintf(name, sizeof name, "mdl_%zu", i);
		atomic_fetch_add(&metrics_tally(m, name)->rows, 1);
	}
	atomic_fetch_add(&metrics_tally(m, "mdl_7")->rows, 4); /* finds its own again */
	assert_has(m, "verad_predicted_rows_total{model=\"mdl_7\"} 5\n");
	assert_has(m, "verad_predicted_rows_total{model=\"other\"} 50\n");
	text = text_of(m);
	for (const char *at = text; (at = strstr(at, "verad_predicted_rows_total{")); at++)
		n++;
	assert_int_equal(n, METRICS_MAX_MODELS + 1);
	free(text);
	metrics_free(m);
}

static void *
count_away(void *arg)
{
	char name[16];

	for (int i = 0; i < N_ROUNDS; i++) {
		metrics_request(arg, (size_t)i % 2, 200, 0.001, 1, 1);
		snprintf(name, sizeof name, "m%d", i % 20);
		atomic_fetch_add(&metrics_tally(arg, name)->rows, 1);
	}
	return NULL;
}

static void
threads_lose_no_counts(void **state)
{
	struct metrics *m = new_metrics();
	pthread_t thread[N_THREADS];
	char line[128], *text;

	(void)state;
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count_away, m), 0);
	text = text_of(m); /* and reading disturbs nobody */
	free(text);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(thread[i], NULL);
	snprintf(line, sizeof line, "verad_http_requests_total{method=\"GET\",route=\"/a\",code=\"200\"} %d\n",
		N_THREADS * N_ROUNDS / 2);
	assert_has(m, line);
	snprintf(line, sizeof line, "verad_predicted_rows_total{model=\"m3\"} %d\n", N_THREADS * N_ROUNDS / 20);
	assert_has(m, line);
	metrics_free(m);
}

static void
a_label_cannot_end_its_line(void **state)
{
	struct metrics *m = new_metrics();

	(void)state;
	atomic_fetch_add(&metrics_tally(m, "a\"b\\c\nd")->rows, 1);
	assert_has(m, "verad_predicted_rows_total{model=\"a\\\"b\\\\c\\nd\"} 1\n");
	metrics_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_fall_into_their_buckets_and_those_above),
		cmocka_unit_test(what_nobody_foresaw_is_counted_as_other),
		cmocka_unit_test(more_models_than_there_is_room_for_share_one_series),
		cmocka_unit_test(threads_lose_no_counts),
		cmocka_unit_test(a_label_cannot_end_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
