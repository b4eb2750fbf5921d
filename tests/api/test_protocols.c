/*
 * Rows by way of other systems' clients, over a real socket: MLflow's scoring protocol, the Open Inference Protocol and
 * its binary tensors. That all ways give the same answers is for tests/unit/test_protocols.c; here it is seen once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"
#include "tests/support/contract.h"

static cJSON *document; /* of the API */
static struct daemon d;
static char model[API_ID_SIZE];

static const char csv[] = "x,y,colour\n1,2,red\n-3,0.5,mauve\n,-40,\n";
static const char split[] =
	"{\"columns\":[\"x\",\"y\",\"colour\"],\"data\":[[1,2,\"red\"],[-3,0.5,\"mauve\"],[null,-40,null]]}";
static const char tensors[] =
	"{\"inputs\":[{\"name\":\"x\",\"shape\":[3],\"datatype\":\"FP32\",\"data\":[1,-3,null]},"
	"{\"name\":\"y\",\"shape\":[3,1],\"datatype\":\"FP64\",\"data\":[[2],[0.5],[-40]]},"
	"{\"name\":\"colour\",\"shape\":[3],\"datatype\":\"BYTES\",\"data\":[\"red\",\"mauve\",\"\"]}]}";

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static cJSON *
post(const char *target, const char *type, const char *body, int status)
{
	struct http_answer a = http_call(d.port, "POST", target, type, body, strlen(body));
	cJSON *json = cJSON_Parse(a.body);

	if (a.status != status)
		fail_msg("%s: status %d, not %d: %s", target, a.status, status, a.body);
	http_answer_release(&a);
	return json;
}

/* The same text but for the warnings, which tell cells of texts from nulls. */
static void
assert_same_predictions(const cJSON *a, const cJSON *b)
{
	char *x = cJSON_PrintUnformatted(get(a, "predictions")), *y = cJSON_PrintUnformatted(get(b, "predictions"));

	assert_string_equal(x, y);
	free(x);
	free(y);
}

static void
mlflow_clients_get_answers_in_json(void **state)
{
	char body[512];
	cJSON *by_csv, *by_split, *by_inputs, *by_name;

	(void)state;
	by_csv = post("/invocations?model=blobs@1", "text/csv", csv, 200);
	assert_int_equal(cJSON_GetArraySize(get(by_csv, "predictions")), 3);
	assert_in_range(cJSON_GetArraySize(get(by_csv, "warnings")), 3, 6); /* 3, and numbers out of range */
	snprintf(body, sizeof body, "{\"dataframe_split\":%s}", split);
	by_split = post("/v1/models/blobs/invocations", "application/json", body, 200);
	assert_same_predictions(by_csv, by_split);
	by_inputs = post("/invocations?model=blobs", "application/json; charset=utf-8",
		"{\"inputs\":{\"x\":[1,-3,null],\"y\":[2,0.5,-40],\"colour\":[\"red\",\"mauve\",null]}}", 200);
	assert_same_predictions(by_csv, by_inputs);
	cJSON_Delete(post("/invocations", "application/json", body, 404)); /* no model is named default yet */
	cJSON_Delete(api_call(&d, "PATCH", "/v1/models/blobs", "{\"aliases\":{\"default\":1}}", 200));
	by_name = post("/invocations?model=blobs@default", "application/json", body, 200);
	assert_same_predictions(by_csv, by_name);
	cJSON_Delete(api_call(&d, "GET", "/ping", NULL, 200));
	cJSON_Delete(by_csv);
	cJSON_Delete(by_split);
	cJSON_Delete(by_inputs);
	cJSON_Delete(by_name);
}

static void
split_in_gives_split_out(void **state)
{
	cJSON *split_out = post("/v1/models/blobs/predict", "application/json", split, 200), *records;
	const cJSON *row;
	char why[512];
	int i = 0;

	(void)state;
	records = post("/v1/models/blobs/predict", "application/json",
		"{\"rows\":[{\"x\":1,\"y\":2,\"colour\":\"red\"},{\"x\":-3,\"y\":0.5,\"colour\":\"mauve\"},"
		"{\"x\":null,\"y\":-40,\"colour\":null}]}",
		200);
	if (!contract_fits_named(document, "SplitPredictions", split_out, why, sizeof why))
		fail_msg("not as described: %s", why);
	cJSON_ArrayForEach(row, get(split_out, "data"))
	{
		const cJSON *record = cJSON_GetArrayItem(get(records, "predictions"), i++);

		assert_string_equal(cJSON_GetArrayItem(row, 0)->valuestring, api_text(record, "label"));
		assert_true(cJSON_GetArrayItem(row, 1)->valuedouble == api_number(get(record, "probabilities"), "a"));
		assert_true(cJSON_GetArrayItem(row, 4)->valuedouble == api_number(get(record, "ood"), "score"));
	}
	assert_int_equal(i, 3);
	cJSON_Delete(split_out);
	cJSON_Delete(records);
}

static void
invocations_have_attributions_where_they_are_asked_for(void **state)
{
	cJSON *out = post("/invocations?model=blobs&include=attributions", "text/csv", csv, 200);
	const cJSON *ood = get(get(out, "predictions")->child, "ood");

	(void)state;
	assert_int_equal(cJSON_GetArraySize(get(ood, "attribution")), 3);
	cJSON_Delete(out);
	out = post("/v1/models/blobs/invocations?include=all", "text/csv", csv, 400);
	assert_string_equal(api_text(out, "code"), "bad_query_parameter");
	cJSON_Delete(out);
}

static void
the_server_tells_tensor_clients_what_there_is(void **state)
{
	static const char *const inputs[] = {"x", "y", "colour"}, *const types[] = {"FP32", "FP32", "BYTES"};
	cJSON *json = api_call(&d, "GET", "/v2", NULL, 200);

	(void)state;
	assert_string_equal(get(json, "extensions")->child->valuestring, "binary_tensor_data");
	cJSON_Delete(json);
	json = api_call(&d, "GET", "/v2/health/ready", NULL, 200);
	assert_true(cJSON_IsTrue(get(json, "ready")));
	cJSON_Delete(json);
	json = api_call(&d, "GET", "/v2/models/blobs/versions/1/ready", NULL, 200);
	assert_true(cJSON_IsTrue(get(json, "ready")));
	cJSON_Delete(json);
	json = api_call(&d, "GET", "/v2/models/blobs", NULL, 200);
	assert_string_equal(get(json, "versions")->child->valuestring, "1");
	for (int i = 0; i < 3; i++) {
		const cJSON *input = cJSON_GetArrayItem(get(json, "inputs"), i);

		assert_string_equal(api_text(input, "name"), inputs[i]);
		assert_string_equal(api_text(input, "datatype"), types[i]);
	}
	assert_int_equal(cJSON_GetArraySize(get(json, "outputs")), 7);
	assert_int_equal(cJSON_GetArraySize(get(json, "classes")), 3);
	assert_int_equal(cJSON_GetArraySize(get(json, "attributed_columns")), 3);
	cJSON_Delete(json);
}

static void
tensors_get_the_answers_of_rows(void **state)
{
	cJSON *rows = post("/invocations?model=blobs", "text/csv", csv, 200);
	cJSON *out = post("/v2/models/blobs/versions/1/infer", "application/json", tensors, 200);
	const cJSON *outputs = get(out, "outputs");
	char why[512];

	(void)state;
	if (!contract_fits_named(document, "OipResponse", out, why, sizeof why))
		fail_msg("not as described: %s", why);
	assert_string_equal(api_text(out, "model_name"), "blobs");
	assert_string_equal(api_text(out, "model_version"), "1");
	assert_non_null(strstr(api_text(get(out, "parameters"), "warnings"), "unseen_category; column=\"colour\""));
	for (int i = 0; i < 3; i++) {
		const cJSON *row = cJSON_GetArrayItem(get(rows, "predictions"), i);

		assert_string_equal(cJSON_GetArrayItem(get(cJSON_GetArrayItem(outputs, 0), "data"), i)->valuestring,
			api_text(row, "label"));
		assert_true(cJSON_GetArrayItem(get(cJSON_GetArrayItem(outputs, 1), "data"), 3 * i)->valuedouble ==
			    api_number(get(row, "probabilities"), "a"));
		assert_int_equal(cJSON_IsTrue(cJSON_GetArrayItem(get(cJSON_GetArrayItem(outputs, 4), "data"), i)),
			cJSON_IsTrue(get(get(row, "ood"), "is_ood")));
	}
	cJSON_Delete(rows);
	cJSON_Delete(out);
}

/* A request with the binary extension; the reply's JSON, and the bytes behind it. */
static void
binary_tensors_come_behind_the_json(void **state)
{
	static const char json[] =
		"{\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"probabilities\"},{\"name\":"
		"\"is_ood\",\"parameters\":{\"binary_data\":false}}],\"inputs\":["
		"{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":8}},"
		"{\"name\":\"colour\",\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}},"
		"{\"name\":\"y\",\"shape\":[2],\"datatype\":\"INT8\",\"data\":[2,-40]}]}";
	struct buf request = {0};
	struct http_answer a;
	char value[64];
	float p[6];
	cJSON *root, *rows;
	size_t n;
	int fd = http_dial(d.port);

	(void)state;
	buf_printf(&request,
		"POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n"
		"Inference-Header-Content-Length: %zu\r\n\r\n%s",
		model, sizeof json - 1 + 19, sizeof json - 1, json);
	buf_put_f32(&request, 1);
	buf_put_f32(&request, -3);
	buf_put_text(&request, "red", 3);
	buf_put_text(&request, "", 0);
	assert_true(http_send(fd, request.data, request.len));
	a = http_receive(fd, false);
	if (a.status != 200)
		fail_msg("status %d: %s", a.status, a.body);
	assert_string_equal(http_answer_header(&a, "Content-Type", value, sizeof value), "application/octet-stream");
	n = strtoull(http_answer_header(&a, "Inference-Header-Content-Length", value, sizeof value), NULL, 10);
	assert_int_equal(a.n - n, sizeof p);
	memcpy(p, a.body + n, sizeof p); /* little-endian, as this machine is */
	root = cJSON_ParseWithLength(a.body, n);
	assert_int_equal(cJSON_GetArraySize(get(cJSON_GetArrayItem(get(root, "outputs"), 1), "data")), 2);
	rows = post("/invocations?model=blobs", "text/csv", "x,y,colour\n1,2,red\n-3,-40,\n", 200);
	for (int i = 0; i < 2; i++)
		assert_true((double)p[3 * i] ==
			    (double)(float)api_number(
				    get(cJSON_GetArrayItem(get(rows, "predictions"), i), "probabilities"), "a"));
	cJSON_Delete(rows);
	cJSON_Delete(root);
	http_answer_release(&a);
	buf_release(&request);
}

static void
a_model_says_how_often_it_has_answered(void **state)
{
	cJSON *before = api_call(&d, "GET", "/v2/models/blobs/stats", NULL, 200), *after;
	const cJSON *x = get(before, "model_stats")->child, *y;
	char why[512];

	(void)state;
	if (!contract_fits_named(document, "OipStatistics", before, why, sizeof why))
		fail_msg("%s", why);
	assert_string_equal(api_text(x, "version"), "1");
	cJSON_Delete(post("/invocations?model=blobs", "text/csv", csv, 200));
	cJSON_Delete(post("/v2/models/blobs/infer", "application/json", tensors, 200));
	cJSON_Delete(post("/v1/models/blobs/predict", "text/csv", "x\n1\n", 422));
	cJSON_Delete(post("/v2/models/blobs/infer", "application/json", "{}", 422));
	after = api_call(&d, "GET", "/v2/models/blobs/versions/1/stats", NULL, 200);
	y = get(after, "model_stats")->child;
	assert_int_equal(api_number(y, "inference_count") - api_number(x, "inference_count"), 6);
	assert_int_equal(api_number(y, "execution_count") - api_number(x, "execution_count"), 2);
	assert_true(api_number(y, "last_inference") > 1.6e12);
	x = get(x, "inference_stats");
	y = get(y, "inference_stats");
	assert_int_equal(api_number(get(y, "success"), "count") - api_number(get(x, "success"), "count"), 2);
	assert_int_equal(api_number(get(y, "fail"), "count") - api_number(get(x, "fail"), "count"), 2);
	assert_true(api_number(get(y, "success"), "ns") > api_number(get(x, "success"), "ns"));
	cJSON_Delete(before);
	cJSON_Delete(after);
}

static void
tensor_clients_get_errors_as_they_read_them(void **state)
{
	static const struct {
		const char *method, *target, *type, *body;
		int status;
		const char *part;
	} bad[] = {
		{"GET", "/v2/models/nobody/stats", NULL, NULL, 404, "model_not_found: no model \"nobody\""},
		{"GET", "/v2/models/nobody", NULL, NULL, 404, "model_not_found: no model \"nobody\""},
		{"GET", "/v2/models/blobs/versions/9/ready", NULL, NULL, 404, "no version 9"},
		{"GET", "/v2/nothing", NULL, NULL, 404, "unknown_path"},
		{"PUT", "/v2/models/blobs", NULL, NULL, 405, "method_not_allowed"},
		{"POST", "/v2/models/blobs/infer", "application/json", "{", 400, "malformed_json"},
		{"POST", "/v2/models/blobs/infer", "application/json", "{\"inputs\":[]}", 422, "bad_request"},
		{"POST", "/v2/models/blobs/infer", "text/csv", csv, 415, "unsupported_media_type"},
		{"POST", "/v2/models/blobs/infer", NULL, NULL, 411, "length_required"},
	};
	char why[512], type[64];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct http_answer a = http_call(d.port, bad[i].method, bad[i].target, bad[i].type, bad[i].body,
			bad[i].body ? strlen(bad[i].body) : 0);
		cJSON *json = cJSON_Parse(a.body);

		if (a.status != bad[i].status || !strstr(api_text(json, "error"), bad[i].part))
			fail_msg("%s %s: %d: %s", bad[i].method, bad[i].target, a.status, a.body);
		assert_string_equal(http_answer_header(&a, "Content-Type", type, sizeof type), "application/json");
		if (!contract_fits_named(document, "OipProblem", json, why, sizeof why))
			fail_msg("%s", why);
		cJSON_Delete(json);
		http_answer_release(&a);
	}
}

/* A table as some countries write it, with its own texts for what is missing, of classes a, b and none. */
static void
foreign_csv(struct buf *out)
{
	buf_puts(out, "x;y;colour;label\n");
	for (int i = 0; i < 60; i++) {
		int k = i % 3;

		buf_printf(out, "%d,%d;", k == 1 ? 5 : 0, i * 7 % 10);
		if (i % 5)
			buf_printf(out, "%d,%d;", k == 2 ? 5 : 0, i * 3 % 10);
		else
			buf_puts(out, "-999;");
		buf_printf(out, "%s;%s\n", i % 7 ? "red" : "not known", k == 2 ? "-1" : k ? "b" : "a");
	}
}

/* The result of a job of this type on the data set, as text. */
static char *
result_of(const char *type, const char *dataset, const char *of)
{
	char body[256], job[API_ID_SIZE], target[128], *text;
	struct http_answer a;
	cJSON *json;

	snprintf(body, sizeof body, "{\"type\":\"%s\",\"dataset\":\"%s\",\"model\":\"%s\"}", type, dataset, of);
	json = api_call(&d, "POST", "/v1/jobs", body, 202);
	snprintf(job, sizeof job, "%s", api_text(json, "id"));
	cJSON_Delete(json);
	cJSON_Delete(api_wait(&d, job, "succeeded"));
	snprintf(target, sizeof target, "/v1/jobs/%s/result", job);
	a = http_call(d.port, "GET", target, NULL, NULL, 0);
	assert_int_equal(a.status, 200);
	text = a.body;
	a.body = NULL;
	http_answer_release(&a);
	return text;
}

static void
rows_are_read_as_the_table_was_that_the_model_learned_from(void **state)
{
	static const char upload[] = "/v1/datasets?label_column=label&delimiter=semicolon&decimal=,";
	static const char *const same[][2] = {
		{"text/csv", "x;y;colour\n1,5;-999;not known\n0,2;;red\n"},
		{"text/csv", "x,y,colour\n\"1,5\",-999,not known\n\"0,2\",\"-999,0\",red\n"},
		{"application/json",
			"{\"inputs\":{\"x\":[1.5,\"0,2\"],\"y\":[-999,null],\"colour\":[\"not known\",\"red\"]}}"},
		{"application/json", "{\"instances\":[[1.5,null,null],[0.2,\"-999\",\"red\"]]}"},
	};
	char target[160], dataset[API_ID_SIZE], plain[API_ID_SIZE], job[API_ID_SIZE], own[API_ID_SIZE], *text, *want;
	struct buf table = {0};
	cJSON *json, *first;

	(void)state;
	foreign_csv(&table);
	buf_put_u8(&table, 0);
	snprintf(target, sizeof target, "%s&na_values=-999,not%%20known&unlabelled_values=-1", upload);
	json = post(target, "text/csv", (const char *)table.data, 201);
	snprintf(dataset, sizeof dataset, "%s", api_text(json, "id"));
	assert_int_equal(api_number(json, "unlabelled"), 20);
	cJSON_Delete(json);
	json = post(upload, "text/csv", (const char *)table.data, 201);
	snprintf(plain, sizeof plain, "%s", api_text(json, "id"));
	assert_int_equal(api_number(json, "unlabelled"), 0);
	cJSON_Delete(json);
	api_train(&d, dataset, API_SMALL_NET ",\"steps\":60,\"evaluation_folds\":0", job);
	json = api_wait(&d, job, "succeeded");
	snprintf(own, sizeof own, "%s", api_text(json, "model"));
	cJSON_Delete(json);

	snprintf(target, sizeof target, "/invocations?model=%s", own);
	first = post(target, same[0][0], same[0][1], 200);
	for (size_t i = 1; i < sizeof same / sizeof *same; i++) {
		json = post(target, same[i][0], same[i][1], 200);
		assert_same_predictions(first, json);
		cJSON_Delete(json);
	}
	cJSON_Delete(first);
	json = post(target, "text/csv", "x,y,colour\n1.5,2,red\n", 422);
	assert_string_equal(api_text(json, "code"), "not_a_number");
	assert_non_null(strstr(api_text(json, "detail"), "decimal comma"));
	cJSON_Delete(json);

	/* However a data set was read, its rows are what they are to the model. */
	want = api_predict_csv(&d, own, "predict", (const char *)table.data);
	text = result_of("batch_predict", dataset, own);
	assert_string_equal(text, want);
	free(text);
	text = result_of("batch_predict", plain, own);
	assert_string_equal(text, want);
	free(text);
	free(want);
	text = result_of("evaluate", plain, own);
	json = cJSON_Parse(text);
	assert_int_equal(api_number(json, "labelled"), 40);
	assert_int_equal(api_number(json, "unlabelled"), 20);
	assert_int_equal(api_number(get(json, "ood"), "n_out"), 0);
	cJSON_Delete(json);
	free(text);
	buf_release(&table);
}

static int
set_up(void **state)
{
	char dataset[API_ID_SIZE], job[API_ID_SIZE], target[64];

	if (!api_group_begin(&d, &document, state))
		return 1;
	api_train_blobs(&d, "\"steps\":60,\"evaluation_folds\":0", dataset, job, model);
	snprintf(target, sizeof target, "/v1/models/%s", model);
	cJSON_Delete(api_call(&d, "PATCH", target, "{\"name\":\"blobs\"}", 200));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mlflow_clients_get_answers_in_json),
		cmocka_unit_test(split_in_gives_split_out),
		cmocka_unit_test(invocations_have_attributions_where_they_are_asked_for),
		cmocka_unit_test(the_server_tells_tensor_clients_what_there_is),
		cmocka_unit_test(tensors_get_the_answers_of_rows),
		cmocka_unit_test(binary_tensors_come_behind_the_json),
		cmocka_unit_test(a_model_says_how_often_it_has_answered),
		cmocka_unit_test(tensor_clients_get_errors_as_they_read_them),
		cmocka_unit_test(rows_are_read_as_the_table_was_that_the_model_learned_from),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
