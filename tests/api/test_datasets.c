/* Data sets as a client meets them: every way in, what is told of them, and every way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_client.h"
#include "tests/support/contract.h"
#include "tests/support/pack.h"

static cJSON *document; /* of the API */
static struct daemon d;

/* One request with headers of its own ("Name: value\r\n…") on a connection of its own. */
static struct http_answer
send_request(const char *method, const char *target, const char *headers, const void *body, size_t n)
{
	struct http_answer a;
	struct buf head = {0};
	int fd = http_dial(d.port);

	buf_printf(&head, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method, target, headers);
	if (body)
		buf_printf(&head, "Content-Length: %zu\r\n", n);
	buf_puts(&head, "\r\n");
	assert_true(http_send(fd, head.data, head.len));
	if (n)
		http_send(fd, body, n); /* may be refused before it is through */
	a = http_receive(fd, !strcmp(method, "HEAD"));
	close(fd);
	buf_release(&head);
	return a;
}

/* A problem with this status and code, described in the document, whose detail has `part` in it (NULL: anything). */
static void
check_problem(struct http_answer a, int status, const char *code, const char *part)
{
	char why[512];
	cJSON *problem;

	if (a.status != status)
		fail_msg("status %d, not %d: %s", a.status, status, a.body ? a.body : "");
	problem = cJSON_Parse(a.body);
	if (!contract_fits_named(document, "Problem", problem, why, sizeof why))
		fail_msg("not a problem as described: %s: %s", why, a.body);
	if (strcmp(api_text(problem, "code"), code) || (part && !strstr(api_text(problem, "detail"), part)))
		fail_msg("not %s with \"%s\": %s", code, part ? part : "", a.body);
	cJSON_Delete(problem);
	http_answer_release(&a);
}

/* A data set as described, in a 2xx; its JSON, owned. */
static cJSON *
check_dataset(struct http_answer a, int status)
{
	char why[512];
	cJSON *json;

	if (a.status != status)
		fail_msg("status %d, not %d: %s", a.status, status, a.body ? a.body : "");
	json = cJSON_Parse(a.body);
	if (!contract_fits_named(document, "Dataset", json, why, sizeof why))
		fail_msg("not a data set as described: %s: %s", why, a.body);
	http_answer_release(&a);
	return json;
}

/* Compressed bodies ----------------------------------------------------------------------------------------------- */

static const char few[] = "x,colour,label\n1,red,a\n2,blue,\n3,red,b\n4,,a\n";

static void
a_compressed_table_is_the_table(void **state)
{
	static const char *const headers[] = {"Content-Type: text/csv\r\nContent-Encoding: gzip\r\n",
		"Content-Type: text/csv\r\nContent-Encoding: Zstd\r\n",
		"Content-Type: text/csv\r\nContent-Encoding: identity\r\n"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf body = {0};
		cJSON *json;

		if (i == 0)
			pack_gzip(&body, few, sizeof few - 1);
		else if (i == 1)
			pack_zstd(&body, few, sizeof few - 1, 0);
		else
			buf_puts(&body, few);
		json = check_dataset(
			send_request("POST", "/v1/datasets?label_column=label", headers[i], body.data, body.len), 201);
		assert_int_equal(api_number(json, "rows"), 4);
		assert_int_equal(api_number(json, "labelled"), 3);
		assert_int_equal(api_number(json, "bytes"), sizeof few - 1);
		cJSON_Delete(json);
		buf_release(&body);
	}
}

static void
a_compressed_table_that_is_not_whole_is_refused_and_nothing_stays(void **state)
{
	static const char gzip[] = "Content-Type: text/csv\r\nContent-Encoding: gzip\r\n";
	static const char zstd[] = "Content-Type: text/csv\r\nContent-Encoding: zstd\r\n";
	static const char target[] = "/v1/datasets?label_column=label";
	size_t before = api_count(&d, "datasets");
	struct buf body = {0};

	(void)state;
	pack_gzip(&body, few, sizeof few - 1);
	check_problem(send_request("POST", target, gzip, body.data, body.len - 1), 400, "truncated_compression", NULL);
	check_problem(send_request("POST", target, gzip, few, sizeof few - 1), 400, "bad_compression", "no gzip");
	check_problem(send_request("POST", target, zstd, body.data, body.len), 400, "bad_compression", "no zstd");
	check_problem(send_request("POST", target, gzip, "", 0), 400, "truncated_compression", NULL);
	buf_release(&body);
	assert_int_equal(api_count(&d, "datasets"), before);
}

static void
a_coding_that_is_not_served_is_a_415_that_names_those_that_are(void **state)
{
	char served[64];
	struct http_answer a = send_request(
		"POST", "/v1/datasets", "Content-Type: text/csv\r\nContent-Encoding: br\r\n", few, sizeof few - 1);

	(void)state;
	assert_string_equal(http_answer_header(&a, "Accept-Encoding", served, sizeof served), "gzip, zstd");
	check_problem(a, 415, "unsupported_content_encoding", "gzip, zstd");
	check_problem(send_request("POST", "/v1/datasets", "Content-Type: text/csv\r\nContent-Encoding: gzip, gzip\r\n",
			      few, sizeof few - 1),
		415, "unsupported_content_encoding", NULL);
}

static void
bombs_are_refused_and_the_limit_counts_plain_bytes(void **state)
{
	static const char json[] = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
	static const char csv[] = "Content-Type: text/csv\r\nContent-Encoding: zstd\r\n";
	struct buf zeros = {0}, body = {0};

	(void)state;
	assert_true(buf_reserve(&zeros, 64 << 20));
	memset(zeros.data, ' ', 64 << 20);
	pack_gzip(&body, zeros.data, 100000); /* a hundred bytes or so, over the 64 KiB of a control message */
	check_problem(send_request("POST", "/v1/jobs", json, body.data, body.len), 413, "body_too_large", "unpacked");
	buf_clear(&body);
	for (size_t i = 0; i < 64 << 20; i += 2)
		memcpy(zeros.data + i, "0\n", 2);
	pack_zstd(&body, zeros.data, 64 << 20, 0);
	check_problem(send_request("POST", "/v1/datasets", csv, body.data, body.len), 413, "compression_ratio", NULL);
	buf_release(&body);
	buf_release(&zeros);
	cJSON_Delete(api_call(&d, "GET", "/readyz", NULL, 200));
}

/* ----------------------------------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
	(void)state;
	document = contract_load();
	if (!document || !daemon_make(&d) || !daemon_start(&d)) {
		daemon_show_log(&d);
		return 1;
	}
	return 0;
}

/* The last one, and a test rather than part of the tear-down, whose failures cmocka's exit status does not show. */
static void
the_daemon_stops_in_good_order(void **state)
{
	int status = daemon_stop(&d);

	(void)state;
	if (status)
		daemon_show_log(&d);
	assert_int_equal(status, 0);
}

static int
tear_down(void **state)
{
	(void)state;
	daemon_remove(&d);
	cJSON_Delete(document);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_compressed_table_is_the_table),
		cmocka_unit_test(a_compressed_table_that_is_not_whole_is_refused_and_nothing_stays),
		cmocka_unit_test(a_coding_that_is_not_served_is_a_415_that_names_those_that_are),
		cmocka_unit_test(bombs_are_refused_and_the_limit_counts_plain_bytes),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
