/* The daemon killed or stopped in the middle of something, and started again on the same directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_client.h"

static void
killed_within_an_upload_it_comes_back_with_nothing_of_it(void **state)
{
	char id[API_ID_SIZE], target[128];
	struct buf csv = {0};
	struct daemon own;
	cJSON *json;
	int fd;

	(void)state;
	assert_true(daemon_make(&own) && daemon_start(&own));
	blobs_csv(&csv, 100000, 10, true); /* more than a chunk of the store: the first one has been committed */
	fd = http_dial(own.port);
	assert_true(http_send_text(fd,
		"POST /v1/datasets?label_column=label HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
		"Content-Length: 100000000\r\n\r\n"));
	assert_true(http_send(fd, csv.data, csv.len)); /* all but the socket's buffers has been read */
	daemon_kill(&own);
	close(fd);
	assert_true(daemon_start(&own));
	assert_int_equal(api_count(&own, "datasets"), 0);
	api_upload(&own, &csv, "label", id);
	snprintf(target, sizeof target, "/v1/datasets/%s", id);
	json = api_call(&own, "GET", target, NULL, 200);
	assert_int_equal(api_number(json, "rows"), 300000);
	cJSON_Delete(json);
	assert_int_equal(daemon_stop(&own), 0);
	daemon_remove(&own);
	buf_release(&csv);
}

static void
killed_within_an_append_the_data_set_is_as_it_was(void **state)
{
	char id[API_ID_SIZE], target[128], head[256];
	struct buf few = {0}, many = {0};
	struct daemon own;
	cJSON *json;
	int fd;

	(void)state;
	assert_true(daemon_make(&own) && daemon_start(&own));
	blobs_csv(&few, 20, 10, true);
	blobs_csv(&many, 100000, 10, true); /* more than a chunk of the store: the first one has been committed */
	api_upload(&own, &few, "label", id);
	snprintf(target, sizeof target, "/v1/datasets/%s", id);
	for (int round = 0; round < 2; round++) { /* half-way, and with every row sent */
		struct http_answer a;

		snprintf(head, sizeof head,
			"POST %s/rows HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %zu\r\n\r\n",
			target, many.len + (round == 0));
		fd = http_dial(own.port);
		assert_true(http_send_text(fd, head));
		assert_true(http_send(fd, many.data, many.len));
		daemon_kill(&own);
		a = http_receive(fd, false);
		close(fd);
		assert_true(daemon_start(&own));
		json = api_call(&own, "GET", target, NULL, 200);
		/* What was answered is there; what was not is there as a whole or not at all. */
		assert_true(api_number(json, "rows") == 60 || (round == 1 && api_number(json, "rows") == 300060));
		if (a.status == 200)
			assert_int_equal(api_number(json, "rows"), 300060);
		assert_int_equal(api_number(json, "version"), api_number(json, "rows") == 60 ? 1 : 2);
		cJSON_Delete(json);
		http_answer_release(&a);
	}
	assert_int_equal(daemon_stop(&own), 0);
	daemon_remove(&own);
	buf_release(&few);
	buf_release(&many);
}

static void
killed_or_stopped_while_training_it_ends_in_the_same_model(void **state)
{
	static const char params[] = API_SMALL_NET ",\"steps\":80000,\"evaluation_folds\":0";
	static const char rows[] = "x,y,colour\n0.1,0.2,red\n5,1,green\n2,2,blue\n";
	char ds[API_ID_SIZE], run[API_ID_SIZE], *want = NULL;
	struct buf csv = {0};
	struct daemon own;

	(void)state;
	assert_true(daemon_make(&own) && daemon_start(&own));
	blobs_csv(&csv, 60, 10, true);
	api_upload(&own, &csv, "label", ds);
	buf_release(&csv);
	for (int how = 0; how < 3; how++) { /* undisturbed, killed, stopped */
		char *got;
		cJSON *json;

		api_train(&own, ds, params, run);
		api_wait_for_steps(&own, run);
		if (how == 1)
			daemon_kill(&own);
		else if (how == 2)
			assert_int_equal(daemon_stop(&own), 0);
		if (how)
			assert_true(daemon_start(&own));
		json = api_wait(&own, run, "succeeded");
		assert_int_equal(api_number(json, "attempt"), how == 1 ? 2 : 1);
		got = api_predict_csv(&own, api_text(json, "model"), "predict", rows);
		cJSON_Delete(json);
		if (!how) {
			want = got;
			continue;
		}
		assert_string_equal(got, want); /* to the last digit */
		free(got);
	}
	assert_int_equal(api_count(&own, "models"), 3);
	assert_int_equal(daemon_stop(&own), 0);
	daemon_remove(&own);
	free(want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_within_an_upload_it_comes_back_with_nothing_of_it),
		cmocka_unit_test(killed_within_an_append_the_data_set_is_as_it_was),
		cmocka_unit_test(killed_or_stopped_while_training_it_ends_in_the_same_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
