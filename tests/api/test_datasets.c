/* Data sets as a client meets them: every way in, what is told of them, and every way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"
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

/* Forms ----------------------------------------------------------------------------------------------------------- */

/* Sends a form of the parts given as name, text, name, text, …, NULL. */
static struct http_answer
send_form(const char *target, const char *const *parts)
{
	static const char headers[] = "Content-Type: multipart/form-data; boundary=\"--a b\"\r\n";
	struct buf body = {0};
	struct http_answer a;

	for (; *parts; parts += 2)
		buf_printf(&body,
			"----a b\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"x\"\r\n\r\n%s\r\n",
			parts[0], parts[1]);
	buf_puts(&body, "----a b--\r\n");
	a = send_request("POST", target, headers, body.data, body.len);
	buf_release(&body);
	return a;
}

static void
a_form_carries_the_schema_and_the_table(void **state)
{
	static const char *const parts[] = {"schema",
		"{\"columns\":[{\"name\":\"who\",\"role\":\"id\"}],\"na_values\":[\"-\"]}", "name", "from a form",
		"delimiter", "semicolon", "label_column", "kind", "role", "w=weight", "type", "zip=text", "file",
		"who;x;zip;w;kind\r\n007;1,5;01;1;a\r\n008;-;02;2,5;\r\n", NULL};
	static const char *const roles[] = {"id", "feature", "feature", "weight", "label"};
	cJSON *json = check_dataset(send_form("/v1/datasets?name=ignored&decimal=,", parts), 201);
	const cJSON *columns = cJSON_GetObjectItem(json, "columns");

	(void)state;
	assert_string_equal(api_text(json, "name"), "from a form");
	assert_int_equal(api_number(json, "rows"), 2);
	assert_int_equal(api_number(json, "labelled"), 1);
	for (int i = 0; i < 5; i++)
		assert_string_equal(api_text(cJSON_GetArrayItem(columns, i), "role"), roles[i]);
	assert_true(api_number(cJSON_GetArrayItem(columns, 1), "max") == 1.5);
	assert_int_equal(api_number(cJSON_GetArrayItem(columns, 1), "missing"), 1);
	assert_string_equal(api_text(cJSON_GetArrayItem(columns, 2), "type"), "text");
	cJSON_Delete(json);
}

static void
a_form_that_is_broken_is_refused_and_nothing_stays(void **state)
{
	static const struct {
		const char *parts[5];
		int status;
		const char *code, *part;
	} cases[] = {
		{{"name", "x"}, 400, "bad_multipart", "no part \"file\""},
		{{"file", few, "name", "x"}, 400, "bad_multipart", "comes after the file"},
		{{"file", few, "file", few}, 400, "bad_multipart", "two parts"},
		{{"colour", "red"}, 422, "unknown_field", "colour"},
		{{"schema", "{\"delimiter\":"}, 400, "malformed_json", NULL},
		{{"schema", "[]"}, 400, "malformed_json", NULL},
		{{"schema", "{\"delimeter\":\";\"}"}, 422, "unknown_field", "delimiter"},
		{{"delimiter", "a"}, 422, "invalid_schema", NULL},
		{{"file", ""}, 422, "empty_file", NULL},
		{{"file", "x,label\n1\n"}, 422, "ragged_row", NULL},
	};
	static const char target[] = "/v1/datasets?label_column=label", plain[] = "Content-Type: text/plain\r\n";
	static const char form[] = "Content-Type: multipart/form-data; boundary=b\r\n";
	static const char bare[] = "Content-Type: multipart/form-data\r\n";
	static const char cut[] = "--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx,label\n1,a\n";
	size_t before = api_count(&d, "datasets");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_problem(send_form(target, cases[i].parts), cases[i].status, cases[i].code, cases[i].part);
	check_problem(send_request("POST", target, form, cut, sizeof cut - 1), 400, "bad_multipart", "ends before");
	check_problem(send_request("POST", target, form, few, sizeof few - 1), 400, "bad_multipart", "ends before");
	check_problem(send_request("POST", target, bare, few, sizeof few - 1), 400, "bad_multipart", "boundary");
	check_problem(send_request("POST", target, plain, few, sizeof few - 1), 415, "unsupported_media_type",
		"text/csv or multipart/form-data");
	assert_int_equal(api_count(&d, "datasets"), before);
}

static void
query_parameters_say_how_to_read_a_table(void **state)
{
	static const char csv[] = "a|b|kind\n'1|2'|3,5|u\nx\n5|?|none\n";
	cJSON *json = check_dataset(
		send_request("POST",
			"/v1/datasets?label_column=kind&delimiter=pipe&quote='&decimal=,&na_values=%3F&"
			"unlabelled_values=none&max_bad_rows=1&schema=%7B%22columns%22%3A%5B%7B%22name%22%3A%22a%22%2C%"
			"22"
			"role%22%3A%22ignore%22%7D%5D%7D",
			"Content-Type: text/csv\r\n", csv, sizeof csv - 1),
		201);
	const cJSON *columns = cJSON_GetObjectItem(json, "columns");

	(void)state;
	assert_int_equal(api_number(json, "rows"), 2);
	assert_int_equal(api_number(json, "labelled"), 1);
	assert_int_equal(api_number(json, "bad_rows"), 1);
	assert_string_equal(api_text(cJSON_GetArrayItem(columns, 0), "role"), "ignore");
	assert_true(api_number(cJSON_GetArrayItem(columns, 1), "max") == 3.5);
	cJSON_Delete(json);
	check_problem(send_request("POST", "/v1/datasets?delimiter=;&decimal=;", "Content-Type: text/csv\r\n", csv, 5),
		422, "invalid_schema", NULL);
	check_problem(send_request("POST", "/v1/datasets?max_bad_rows=-1", "Content-Type: text/csv\r\n", csv, 5), 422,
		"invalid_schema", NULL);
	check_problem(send_request("POST", "/v1/datasets?schema=1", "Content-Type: text/csv\r\n", csv, 5), 400,
		"malformed_json", NULL);
}

/* Further rows ---------------------------------------------------------------------------------------------------- */

static void
upload_few(char target[128], char etag[80])
{
	struct http_answer a = send_request(
		"POST", "/v1/datasets?label_column=label", "Content-Type: text/csv\r\n", few, sizeof few - 1);

	assert_int_equal(a.status, 201);
	assert_non_null(http_answer_header(&a, "Location", target, 128));
	assert_non_null(http_answer_header(&a, "ETag", etag, 80));
	http_answer_release(&a);
}

static struct http_answer
append(const char *dataset, const char *query, const char *headers, const char *csv)
{
	char target[256], all[256];

	snprintf(target, sizeof target, "%s/rows%s", dataset, query);
	snprintf(all, sizeof all, "Content-Type: text/csv\r\n%s", headers);
	return send_request("POST", target, all, csv, strlen(csv));
}

static cJSON *
column(const cJSON *dataset, int i)
{
	return cJSON_GetArrayItem(cJSON_GetObjectItem(dataset, "columns"), i);
}

static void
further_rows_are_matched_by_name_and_make_the_next_version(void **state)
{
	char target[128], etag[80], next[80];
	struct http_answer a;
	cJSON *json;

	(void)state;
	upload_few(target, etag);
	a = append(target, "", "", "label,extra,x,colour\nc,9,-7,blue\n,8,,green\n");
	assert_non_null(http_answer_header(&a, "ETag", next, sizeof next));
	assert_string_not_equal(etag, next);
	json = check_dataset(a, 200);
	assert_int_equal(api_number(json, "version"), 2);
	assert_int_equal(api_number(json, "rows"), 6);
	assert_int_equal(api_number(json, "labelled"), 4);
	assert_int_equal(api_number(json, "unlabelled"), 2);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "columns")), 3);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "classes")), 3);
	assert_true(api_number(column(json, 0), "min") == -7 && api_number(column(json, 0), "max") == 4);
	assert_int_equal(api_number(column(json, 0), "missing"), 1);
	assert_int_equal(api_number(column(json, 1), "distinct"), 3); /* red, blue, green */
	cJSON_Delete(json);

	/* Without labels at all, in another dialect. */
	json = check_dataset(append(target, "?delimiter=;&decimal=,", "", "colour;x\nred;0,5\n"), 200);
	assert_int_equal(api_number(json, "version"), 3);
	assert_int_equal(api_number(json, "rows"), 7);
	assert_int_equal(api_number(json, "unlabelled"), 3);
	assert_int_equal(api_number(column(json, 2), "missing"), 3);
	cJSON_Delete(json);
}

static void
rows_that_do_not_fit_leave_the_data_set_as_it_was(void **state)
{
	char target[128], etag[80], now[80];
	struct http_answer a;

	(void)state;
	upload_few(target, etag);
	check_problem(append(target, "", "", "x,label\n1,a\n"), 422, "unknown_column", "colour");
	check_problem(append(target, "", "", "x,colour,label\n1,red,a\nmany,red,a\n"), 422, "not_a_number", "line 3");
	check_problem(append(target, "", "", "x,colour,label\n1,red\n"), 422, "ragged_row", NULL);
	check_problem(append(target, "", "", "x,colour,label\n"), 422, "no_rows", NULL);
	check_problem(append(target, "", "", ""), 422, "empty_file", NULL);
	check_problem(
		append(target, "?schema=%7B%22columns%22%3A%5B%5D%7D", "", few), 422, "invalid_schema", "columns");
	check_problem(append(target, "?label_column=x", "", few), 400, "unknown_query_parameter", NULL);
	check_problem(append("/v1/datasets/ds_aaaaaaaaaaaaaaaaaaaa", "", "", few), 404, "dataset_not_found", NULL);
	a = send_request("GET", target, "", NULL, 0);
	assert_string_equal(http_answer_header(&a, "ETag", now, sizeof now), etag);
	cJSON_Delete(check_dataset(a, 200));
}

static void
if_match_keeps_rows_from_being_added_twice(void **state)
{
	char target[128], etag[80], match[128], next[80];
	struct http_answer a;

	(void)state;
	upload_few(target, etag);
	snprintf(match, sizeof match, "If-Match: %s\r\n", etag);
	a = append(target, "", match, few);
	assert_non_null(http_answer_header(&a, "ETag", next, sizeof next));
	cJSON_Delete(check_dataset(a, 200));
	check_problem(append(target, "", match, few), 412, "version_mismatch", "version 2");
	check_problem(send_request("DELETE", target, match, NULL, 0), 412, "version_mismatch", NULL);
	cJSON_Delete(check_dataset(append(target, "", "If-Match: *\r\n", few), 200));
	snprintf(match, sizeof match, "If-None-Match: %s\r\n", etag);
	cJSON_Delete(check_dataset(send_request("GET", target, match, NULL, 0), 200));
	snprintf(match, sizeof match, "If-None-Match: \"x\", \"%.*s.3\"\r\n", (int)strcspn(next + 1, "."), next + 1);
	a = send_request("GET", target, match, NULL, 0);
	assert_int_equal(a.status, 304);
	assert_int_equal(a.n, 0);
	http_answer_release(&a);
}

/* Sends an append half-way, and leaves it. */
static int
begin_append(const char *target)
{
	char head[256];
	int fd = http_dial(d.port);

	snprintf(head, sizeof head,
		"POST %s/rows HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\nx,colour\n",
		target);
	assert_true(http_send_text(fd, head));
	return fd;
}

static void
two_appends_at_a_time_are_both_taken(void **state)
{
	char target[128], etag[80], rest[1001];
	struct http_answer a;
	cJSON *json;
	int fd;

	(void)state;
	upload_few(target, etag);
	fd = begin_append(target);
	cJSON_Delete(check_dataset(append(target, "", "", few), 200));
	memset(rest, ' ', 1000 - 9);
	memcpy(rest, "5,red\n6,", 8);
	rest[1000 - 9] = '\0';
	assert_true(http_send_text(fd, rest)); /* its second row has a colour of spaces */
	a = http_receive(fd, false);
	close(fd);
	json = check_dataset(a, 200);
	assert_int_equal(api_number(json, "version"), 3);
	assert_int_equal(api_number(json, "rows"), 10);
	cJSON_Delete(json);
}

static void
a_data_set_deleted_meanwhile_takes_no_rows(void **state)
{
	char target[128], etag[80], rest[1001];
	int fd;

	(void)state;
	upload_few(target, etag);
	fd = begin_append(target);
	cJSON_Delete(api_call(&d, "DELETE", target, NULL, 204));
	memset(rest, '\n', 1000 - 9);
	memcpy(rest, "5,red", 5);
	rest[1000 - 9] = '\0';
	assert_true(http_send_text(fd, rest));
	check_problem(http_receive(fd, false), 404, "dataset_not_found", NULL);
	close(fd);
}

static void
a_job_learns_from_the_rows_it_was_queued_with(void **state)
{
	char id[API_ID_SIZE], job[API_ID_SIZE], target[128], path[128];
	struct buf csv = {0};
	cJSON *done, *model;

	(void)state;
	blobs_csv(&csv, 60, 10, true);
	api_upload(&d, &csv, "label", id);
	snprintf(target, sizeof target, "/v1/datasets/%s", id);
	api_train(&d, id, API_SMALL_NET ",\"steps\":2000,\"evaluation_folds\":0", job);
	buf_put(&csv, "", 1);
	cJSON_Delete(check_dataset(append(target, "", "", (const char *)csv.data), 200));
	check_problem(send_request("DELETE", target, "", NULL, 0), 409, "dataset_in_use", NULL);
	done = api_wait(&d, job, "succeeded");
	snprintf(path, sizeof path, "/v1/models/%s", api_text(done, "model"));
	model = api_call(&d, "GET", path, NULL, 200);
	assert_int_equal(api_number(cJSON_GetObjectItem(model, "data"), "rows"), 180);
	cJSON_Delete(model);
	cJSON_Delete(done);
	buf_release(&csv);
}

/* Looking before uploading ---------------------------------------------------------------------------------------- */

static cJSON *
inspect(const char *query, const char *type, const void *body, size_t n)
{
	char target[200], headers[120], why[512];
	struct http_answer a;
	cJSON *json;

	snprintf(target, sizeof target, "/v1/datasets:inspect%s", query);
	snprintf(headers, sizeof headers, "Content-Type: %s\r\n", type);
	a = send_request("POST", target, headers, body, n);
	if (a.status != 200)
		fail_msg("status %d: %s", a.status, a.body ? a.body : "");
	json = cJSON_Parse(a.body);
	if (!contract_fits_named(document, "Inspection", json, why, sizeof why))
		fail_msg("not as described: %s: %s", why, a.body);
	http_answer_release(&a);
	return json;
}

static void
an_inspection_says_how_to_upload_the_table_and_stores_nothing(void **state)
{
	static const char csv[] = "kunde;betrag;sorte\nk1;1,5;a\nk2;2,5;\nk3;x;b\nk4;NA;a\nk5;3;b\nk6;4\n";
	size_t before = api_count(&d, "datasets");
	cJSON *json = inspect("", "text/csv", csv, sizeof csv - 1);
	const cJSON *schema = cJSON_GetObjectItem(json, "schema");
	char target[600], *text;

	(void)state;
	assert_string_equal(api_text(schema, "delimiter"), ";");
	assert_string_equal(api_text(schema, "decimal"), ",");
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "whole")));
	assert_int_equal(api_number(json, "rows"), 5);
	assert_int_equal(api_number(json, "bad_rows"), 1);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "errors")), 1);
	assert_string_equal(
		api_text(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "label_candidates"), 0), "column"), "sorte");
	assert_string_equal(
		api_text(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "warnings"), 0), "code"), "numbers_among_text");
	assert_int_equal(api_count(&d, "datasets"), before);

	/* What it says is what an upload takes. */
	text = cJSON_PrintUnformatted(schema);
	snprintf(target, sizeof target, "/v1/datasets?max_bad_rows=1&label_column=sorte&schema=");
	for (const char *c = text; *c; c++)
		snprintf(target + strlen(target), 4, "%%%02X", (unsigned char)*c);
	free(text);
	cJSON_Delete(json);
	check_problem(send_request("POST", target, "Content-Type: text/csv\r\n", csv, sizeof csv - 1), 422,
		"ragged_row", "line 7"); /* the schema comes last, and has no room for bad rows */
}

static void
an_inspection_looks_at_the_beginning_of_a_large_table_alone(void **state)
{
	struct buf csv = {0};
	cJSON *json;

	(void)state;
	blobs_csv(&csv, 100000, 10, true);
	buf_puts(&csv, "and some nonsense,");
	json = inspect("?label_column=label", "text/csv", csv.data, csv.len);
	assert_true(cJSON_IsFalse(cJSON_GetObjectItem(json, "whole")));
	assert_in_range(api_number(json, "bytes"), 1000000, 1 << 20);
	assert_int_equal(api_number(json, "bad_rows"), 0);
	assert_string_equal(
		api_text(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "label_candidates"), 0), "column"), "label");
	cJSON_Delete(json);
	buf_release(&csv);
}

static void
what_cannot_be_read_cannot_be_inspected(void **state)
{
	static const char target[] = "/v1/datasets:inspect", type[] = "Content-Type: text/csv\r\n";
	static const char gzip[] = "\x1f\x8b\x08\x00 and so on";

	(void)state;
	check_problem(send_request("POST", target, type, "", 0), 422, "empty_file", NULL);
	check_problem(send_request("POST", target, type, "a,b\n", 4), 422, "no_rows", NULL);
	check_problem(send_request("POST", target, type, gzip, sizeof gzip - 1), 415, "unsupported_format", NULL);
	check_problem(send_request("POST", target, type, "a,b\n\xff,1\n", 8), 422, "invalid_utf8", NULL);
	check_problem(send_request("POST", "/v1/datasets:inspect?label_column=c", type, "a,b\n1,2\n", 8), 422,
		"unknown_label_column", NULL);
	check_problem(send_request("POST", "/v1/datasets:inspect?decimal=x", type, "a,b\n1,2\n", 8), 422,
		"invalid_schema", NULL);
	check_problem(send_request("GET", target, "", NULL, 0), 405, "method_not_allowed", NULL);
}

/* Views ----------------------------------------------------------------------------------------------------------- */

static void
rows_come_page_by_page_over_all_uploads(void **state)
{
	char target[128], etag[80], path[200];
	cJSON *page;
	const cJSON *row;
	size_t n = 0;

	(void)state;
	upload_few(target, etag);
	cJSON_Delete(check_dataset(append(target, "", "", "x,colour\n5.25,\"say \"\"hi\"\"\"\n6,\n"), 200));
	for (int after = 0; after >= 0;) {
		const cJSON *next;

		snprintf(path, sizeof path, "%s/rows?limit=4&after=%d", target, after);
		page = api_call(&d, "GET", path, NULL, 200);
		assert_int_equal(api_number(page, "rows"), 6);
		assert_int_equal(api_number(page, "version"), 2);
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(page, "columns")), 3);
		cJSON_ArrayForEach(row, cJSON_GetObjectItem(page, "data"))
		{
			if (n == 4) {
				assert_true(cJSON_GetArrayItem(row, 0)->valuedouble == 5.25);
				assert_string_equal(cJSON_GetArrayItem(row, 1)->valuestring, "say \"hi\"");
				assert_true(cJSON_IsNull(cJSON_GetArrayItem(row, 2)));
			}
			n++;
		}
		next = cJSON_GetObjectItem(page, "next");
		after = cJSON_IsNumber(next) ? next->valueint : -1;
		cJSON_Delete(page);
	}
	assert_int_equal(n, 6);
	snprintf(path, sizeof path, "%s/rows?after=1000000", target);
	page = api_call(&d, "GET", path, NULL, 200);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(page, "data")), 0);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(page, "next")));
	cJSON_Delete(page);
	snprintf(path, sizeof path, "%s/rows?after=-1", target);
	check_problem(send_request("GET", path, "", NULL, 0), 400, "bad_query_parameter", NULL);
	snprintf(path, sizeof path, "%s/rows?limit=1001", target);
	check_problem(send_request("GET", path, "", NULL, 0), 400, "bad_query_parameter", NULL);
	check_problem(send_request("GET", "/v1/datasets/nothing/rows", "", NULL, 0), 404, "dataset_not_found", NULL);
}

static void
a_profile_tells_what_the_values_are_like_and_follows_the_rows(void **state)
{
	char target[128], etag[80], path[200];
	const cJSON *columns, *x, *colour, *top;

	(void)state;
	upload_few(target, etag);
	snprintf(path, sizeof path, "%s/profile", target);
	for (int round = 0; round < 2; round++) { /* made, and kept */
		cJSON *json = api_call(&d, "GET", path, NULL, 200);

		columns = cJSON_GetObjectItem(json, "columns");
		x = cJSON_GetArrayItem(columns, 0);
		colour = cJSON_GetArrayItem(columns, 1);
		assert_true(api_number(x, "mean") == 2.5 && api_number(x, "distinct") == 4);
		assert_true(api_number(cJSON_GetObjectItem(x, "quantiles"), "0.5") == 2);
		top = cJSON_GetArrayItem(cJSON_GetObjectItem(colour, "top"), 0);
		assert_string_equal(api_text(top, "value"), "red");
		assert_int_equal(api_number(top, "count"), 2);
		assert_int_equal(api_number(colour, "missing"), 1);
		assert_int_equal(api_number(json, "unlabelled"), 1);
		cJSON_Delete(json);
	}
	for (int more = 2; more < 4; more++) {
		cJSON *json;

		cJSON_Delete(check_dataset(append(target, "", "", few), 200));
		json = api_call(&d, "GET", path, NULL, 200);
		assert_int_equal(api_number(json, "version"), more);
		assert_int_equal(api_number(json, "rows"), 4 * more);
		columns = cJSON_GetObjectItem(json, "columns");
		top = cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetArrayItem(columns, 1), "top"), 0);
		assert_int_equal(api_number(top, "count"), 2 * more);
		cJSON_Delete(json);
	}
	check_problem(send_request("GET", "/v1/datasets/nothing/profile", "", NULL, 0), 404, "dataset_not_found", NULL);
}

/* A whole download; the length of it is not known beforehand when nobody has asked for a part yet. */
static struct http_answer
download(const char *path)
{
	struct http_answer a = send_request("GET", path, "", NULL, 0);
	char coding[32], *to = a.body;

	assert_int_equal(a.status, 200);
	if (!http_answer_header(&a, "Transfer-Encoding", coding, sizeof coding))
		return a;
	for (char *at = a.body;;) {
		size_t n = strtoul(at, &at, 16);

		memmove(to, at + 2, n);
		to += n;
		at += n + 4;
		if (!n)
			break;
	}
	a.n = (size_t)(to - a.body);
	*to = '\0';
	return a;
}

static void
content_is_the_table_as_csv(void **state)
{
	static const char want[] = "x,colour,label\n1,red,a\n2,blue,\n3,red,b\n4,,a\n-0.125,\"a \"\"b\"\", c\",\n";
	char target[128], etag[80], path[200], text[128], now[80];
	struct http_answer a;

	(void)state;
	upload_few(target, etag);
	cJSON_Delete(check_dataset(append(target, "?delimiter=;", "", "colour;x\n\"a \"\"b\"\", c\";-1.25e-1\n"), 200));
	snprintf(path, sizeof path, "%s/content", target);
	a = download(path);
	assert_string_equal(a.body, want);
	assert_non_null(strstr(http_answer_header(&a, "Content-Type", text, sizeof text), "text/csv"));
	assert_string_equal(http_answer_header(&a, "Accept-Ranges", text, sizeof text), "bytes");
	assert_non_null(http_answer_header(&a, "ETag", now, sizeof now));
	http_answer_release(&a);
	a = send_request("HEAD", path, "", NULL, 0);
	assert_string_equal(http_answer_header(&a, "Content-Length", text, sizeof text), "65");
	assert_int_equal(sizeof want - 1, 65);
	http_answer_release(&a);
	snprintf(text, sizeof text, "If-None-Match: %s\r\n", now);
	a = send_request("GET", path, text, NULL, 0);
	assert_int_equal(a.status, 304);
	http_answer_release(&a);
	a = send_request("GET", path, "Range: bytes=15-\r\n", NULL, 0);
	assert_int_equal(a.status, 206);
	assert_string_equal(a.body, want + 15);
	assert_string_equal(http_answer_header(&a, "Content-Range", text, sizeof text), "bytes 15-64/65");
	http_answer_release(&a);
	snprintf(text, sizeof text, "Range: bytes=15-16\r\nIf-Range: %s\r\n", etag); /* of the version before */
	a = send_request("GET", path, text, NULL, 0);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	check_problem(send_request("GET", path, "Range: bytes=65-\r\n", NULL, 0), 416, "range_not_satisfiable", "65");
	check_problem(send_request("GET", "/v1/datasets/nothing/content", "", NULL, 0), 404, "dataset_not_found", NULL);
}

static void
a_long_table_comes_out_the_same_whole_and_in_parts(void **state)
{
	char id[API_ID_SIZE], again[API_ID_SIZE], path[128], range[64];
	struct buf csv = {0}, parts = {0}, whole;
	struct http_answer a;
	size_t step = 777777;
	cJSON *json;

	(void)state;
	blobs_csv(&csv, 100000, 10, true); /* several chunks of the store */
	api_upload(&d, &csv, "label", id);
	snprintf(path, sizeof path, "/v1/datasets/%s/content", id);
	a = download(path);
	assert_true(a.n > 3 * step);
	for (size_t at = 0; at < a.n; at += step) {
		struct http_answer b;

		snprintf(range, sizeof range, "Range: bytes=%zu-%zu\r\n", at, at + step - 1);
		b = send_request("GET", path, range, NULL, 0);
		assert_int_equal(b.status, 206);
		buf_put(&parts, b.body, b.n);
		http_answer_release(&b);
	}
	assert_int_equal(parts.len, a.n);
	assert_memory_equal(parts.data, a.body, a.n);

	/* Uploaded again it is the same table. */
	whole = (struct buf){.data = (unsigned char *)a.body, .len = a.n};
	api_upload(&d, &whole, "label", again);
	snprintf(path, sizeof path, "/v1/datasets/%s", again);
	json = api_call(&d, "GET", path, NULL, 200);
	assert_int_equal(api_number(json, "rows"), 300000);
	assert_int_equal(api_number(json, "labelled"), 30);
	cJSON_Delete(json);
	http_answer_release(&a);
	buf_release(&csv);
	buf_release(&parts);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
	return api_group_begin(&d, &document, state) ? 0 : 1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_compressed_table_is_the_table),
		cmocka_unit_test(a_compressed_table_that_is_not_whole_is_refused_and_nothing_stays),
		cmocka_unit_test(a_coding_that_is_not_served_is_a_415_that_names_those_that_are),
		cmocka_unit_test(bombs_are_refused_and_the_limit_counts_plain_bytes),
		cmocka_unit_test(a_form_carries_the_schema_and_the_table),
		cmocka_unit_test(a_form_that_is_broken_is_refused_and_nothing_stays),
		cmocka_unit_test(query_parameters_say_how_to_read_a_table),
		cmocka_unit_test(further_rows_are_matched_by_name_and_make_the_next_version),
		cmocka_unit_test(rows_that_do_not_fit_leave_the_data_set_as_it_was),
		cmocka_unit_test(if_match_keeps_rows_from_being_added_twice),
		cmocka_unit_test(two_appends_at_a_time_are_both_taken),
		cmocka_unit_test(a_data_set_deleted_meanwhile_takes_no_rows),
		cmocka_unit_test(a_job_learns_from_the_rows_it_was_queued_with),
		cmocka_unit_test(an_inspection_says_how_to_upload_the_table_and_stores_nothing),
		cmocka_unit_test(an_inspection_looks_at_the_beginning_of_a_large_table_alone),
		cmocka_unit_test(what_cannot_be_read_cannot_be_inspected),
		cmocka_unit_test(rows_come_page_by_page_over_all_uploads),
		cmocka_unit_test(a_profile_tells_what_the_values_are_like_and_follows_the_rows),
		cmocka_unit_test(content_is_the_table_as_csv),
		cmocka_unit_test(a_long_table_comes_out_the_same_whole_and_in_parts),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
