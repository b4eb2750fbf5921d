/*
 * The daemon as a client meets it: the whole path from a CSV file to predictions, every refusal with its status, code
 * and advice. What a crash leaves is for test_crash.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"
#include "tests/support/contract.h"

static cJSON *document; /* of the API */

/* The daemon that most tests share, with a data set and a model trained on it. */
static struct daemon d;
static char dataset[API_ID_SIZE], job[API_ID_SIZE], model[API_ID_SIZE];

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A problem with this status and code, described in the document, whose detail has `part` in it (NULL: anything). */
static void
check_problem(struct http_answer *a, int status, const char *code, const char *part)
{
	char why[512], type[64];
	cJSON *problem;

	if (a->status != status)
		fail_msg("status %d, not %d: %s", a->status, status, a->body ? a->body : "");
	assert_string_equal(http_answer_header(a, "Content-Type", type, sizeof type), "application/problem+json");
	problem = cJSON_Parse(a->body);
	if (!contract_fits_named(document, "Problem", problem, why, sizeof why))
		fail_msg("not a problem as described: %s: %s", why, a->body);
	assert_int_equal(api_number(problem, "status"), status);
	if (strcmp(api_text(problem, "code"), code) || (part && !strstr(api_text(problem, "detail"), part)))
		fail_msg("not %s with \"%s\": %s", code, part ? part : "", a->body);
	cJSON_Delete(problem);
}

static void
assert_refused(const char *method, const char *target, const char *type, const char *body, int status, const char *code,
	const char *part)
{
	struct http_answer a = http_call(d.port, method, target, type, body, body ? strlen(body) : 0);

	check_problem(&a, status, code, part);
	http_answer_release(&a);
}

/* The happy path -------------------------------------------------------------------------------------------------- */

static void
an_upload_tells_what_was_found(void **state)
{
	static const char csv[] = "\xEF\xBB\xBFx,y,kind,label\r\n1,,\"a, b\",u\r\n2.5,3,c,\r\n-1e3,,c,v\r\n";
	struct http_answer a = http_call(
		d.port, "POST", "/v1/datasets?name=my+table&label_column=label", "text/csv", csv, sizeof csv - 1);
	const cJSON *x, *y, *kind;
	char location[128], want[128];
	cJSON *json;

	(void)state;
	assert_int_equal(a.status, 201);
	json = cJSON_Parse(a.body);
	snprintf(want, sizeof want, "/v1/datasets/%s", api_text(json, "id"));
	assert_string_equal(http_answer_header(&a, "Location", location, sizeof location), want);
	assert_string_equal(api_text(json, "name"), "my table");
	assert_int_equal(api_number(json, "rows"), 3);
	assert_int_equal(api_number(json, "labelled"), 2);
	assert_int_equal(api_number(json, "unlabelled"), 1);
	x = cJSON_GetArrayItem(get(json, "columns"), 0);
	y = cJSON_GetArrayItem(get(json, "columns"), 1);
	kind = cJSON_GetArrayItem(get(json, "columns"), 2);
	assert_string_equal(api_text(x, "name"), "x");
	assert_string_equal(api_text(x, "type"), "number");
	assert_true(api_number(x, "min") == -1000 && api_number(x, "max") == 2.5);
	assert_int_equal(api_number(y, "missing"), 2);
	assert_string_equal(api_text(kind, "type"), "text");
	assert_int_equal(cJSON_GetArraySize(get(json, "classes")), 2);
	cJSON_Delete(json);
	http_answer_release(&a);
	cJSON_Delete(api_call(&d, "DELETE", location, NULL, 204));
	assert_refused("GET", location, NULL, NULL, 404, "dataset_not_found", strrchr(location, '/') + 1);
}

static void
a_finished_job_and_its_model_tell_what_was_done(void **state)
{
	char target[128];
	cJSON *json;

	(void)state;
	snprintf(target, sizeof target, "/v1/jobs/%s", job);
	json = api_call(&d, "GET", target, NULL, 200);
	assert_string_equal(api_text(json, "model"), model);
	assert_true(api_number(json, "progress") == 1);
	assert_true(api_number(json, "step") == api_number(json, "steps"));
	assert_int_equal(api_number(json, "attempt"), 1);
	assert_true(strcmp(api_text(json, "created_at"), api_text(json, "started_at")) <= 0);
	assert_true(strcmp(api_text(json, "started_at"), api_text(json, "finished_at")) <= 0);
	cJSON_Delete(json);
	snprintf(target, sizeof target, "/v1/models/%s", model);
	json = api_call(&d, "GET", target, NULL, 200);
	assert_string_equal(api_text(json, "dataset"), dataset);
	assert_string_equal(api_text(json, "job"), job);
	assert_int_equal(api_number(get(json, "parameters"), "steps"), 300);
	assert_true(api_number(get(json, "measures"), "accuracy") > 0.8);
	assert_true(api_number(get(json, "baseline"), "accuracy") > 0.5);
	assert_true(cJSON_IsNumber(get(get(json, "thresholds"), "threshold")));
	assert_int_equal(cJSON_GetArraySize(get(json, "encoding")), 3);
	cJSON_Delete(json);
}

static void
events_come_in_pages_and_tell_the_course_of_a_job(void **state)
{
	char target[128], seen[1024] = "";
	double after = 0;
	bool more = true;

	(void)state;
	while (more) {
		cJSON *page;
		const cJSON *event;

		snprintf(target, sizeof target, "/v1/jobs/%s/events?limit=2&after=%.0f", job, after);
		page = api_call(&d, "GET", target, NULL, 200);
		assert_in_range(cJSON_GetArraySize(get(page, "events")), 1, 2);
		cJSON_ArrayForEach(event, get(page, "events"))
		{
			assert_true(api_number(event, "seq") == after + 1);
			after++;
			if (strlen(seen) < 900)
				snprintf(seen + strlen(seen), 64, " %s", api_text(event, "code"));
		}
		more = cJSON_IsNumber(get(page, "next"));
		cJSON_Delete(page);
	}
	if (!strstr(seen, "queued") || !strstr(seen, "started") || !strstr(seen, "succeeded"))
		fail_msg("the events were:%s", seen);
}

static void
lists_come_in_pages_newest_first(void **state)
{
	static const char csv[] = "x,label\n1,a\n2,b\n";
	const struct buf body = {.data = (unsigned char *)(uintptr_t)csv, .len = sizeof csv - 1};
	char id[5][API_ID_SIZE], target[128] = "/v1/datasets?limit=2";
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		api_upload(&d, &body, "label", id[i]);
	while (target[0]) {
		cJSON *page = api_call(&d, "GET", target, NULL, 200);
		const cJSON *item;

		cJSON_ArrayForEach(item, get(page, "datasets"))
		{
			if (n < 5)
				assert_string_equal(api_text(item, "id"), id[4 - n]);
			n++;
		}
		target[0] = '\0';
		if (cJSON_IsString(get(page, "next")))
			snprintf(target, sizeof target, "/v1/datasets?limit=2&after=%s", api_text(page, "next"));
		cJSON_Delete(page);
	}
	assert_int_equal(n, api_count(&d, "datasets"));
	for (int i = 0; i < 5; i++) {
		snprintf(target, sizeof target, "/v1/datasets/%.39s", id[i]);
		cJSON_Delete(api_call(&d, "DELETE", target, NULL, 204));
	}
}

/* Cells of line `line` (0: the header) of a CSV text without quotes. */
static size_t
cells_of(const char *csv, size_t line, char cell[][40], size_t max)
{
	size_t n = 0;

	while (line--)
		csv = strchr(csv, '\n') + 1;
	while (n < max) {
		size_t len = strcspn(csv, ",\r\n");

		snprintf(cell[n++], 40, "%.*s", (int)len, csv);
		if (csv[len] != ',')
			break;
		csv += len + 1;
	}
	return n;
}

static void
predictions_are_right_and_the_same_in_csv_and_json(void **state)
{
	static const char csv[] =
		"colour,unused,x,y\nred,1,0.1,0.2\ngreen,1,6.2,-0.3\nblue,1,0.3,5.9\nred,1,500,500\n,1,,\n";
	static const char json[] =
		"{\"rows\":[{\"x\":0.1,\"y\":0.2,\"colour\":\"red\"},{\"x\":6.2,\"y\":-0.3,\"colour\":"
		"\"green\"},{\"y\":5.9,\"x\":0.3,\"colour\":\"blue\"},{\"x\":500,\"y\":500,\"colour\":\"red\"},"
		"{\"x\":null,\"y\":null,\"colour\":null}]}";
	static const char *const header[] = {
		"label", "probability.a", "probability.b", "probability.c", "ood.score", "ood.p_value", "ood.is_ood"};
	static const char *const label[] = {"a", "b", "c"};
	char *answer = api_predict_csv(&d, model, "predict", csv), target[128], cell[8][40];
	cJSON *reply;

	(void)state;
	snprintf(target, sizeof target, "/v1/models/%s/predict", model);
	reply = api_call(&d, "POST", target, json, 200);
	assert_int_equal(cells_of(answer, 0, cell, 8), 7);
	for (int i = 0; i < 7; i++)
		assert_string_equal(cell[i], header[i]);
	for (int i = 0; i < 5; i++) {
		const cJSON *p = cJSON_GetArrayItem(get(reply, "predictions"), i);

		assert_int_equal(cells_of(answer, (size_t)i + 1, cell, 8), 7);
		if (i < 3)
			assert_string_equal(cell[0], label[i]);
		assert_string_equal(cell[0], api_text(p, "label"));
		for (int k = 0; k < 3; k++)
			assert_true(strtod(cell[1 + k], NULL) == api_number(get(p, "probabilities"), label[k]));
		assert_true(strtod(cell[4], NULL) == api_number(get(p, "ood"), "score"));
		assert_true(strtod(cell[5], NULL) == api_number(get(p, "ood"), "p_value"));
		assert_int_equal(!strcmp(cell[6], "true"), cJSON_IsTrue(get(get(p, "ood"), "is_ood")));
	}
	assert_non_null(strchr(answer, '\n'));
	cJSON_Delete(reply);
	free(answer);
}

static void
ood_gives_the_scores_of_predict_alone(void **state)
{
	static const char csv[] = "x,y,colour\n0.1,0.2,red\n40,-40,red\n";
	char *whole = api_predict_csv(&d, model, "predict", csv), *scores = api_predict_csv(&d, model, "ood", csv);
	char a[8][40], b[8][40];

	(void)state;
	for (size_t line = 0; line < 3; line++) {
		assert_int_equal(cells_of(whole, line, a, 8), 7);
		assert_int_equal(cells_of(scores, line, b, 8), 3);
		for (int i = 0; i < 3; i++)
			assert_string_equal(a[4 + i], b[i]);
	}
	free(whole);
	free(scores);
}

static void
attributions_come_on_request_and_make_the_score(void **state)
{
	static const char csv[] = "x,y,colour\n40,0.2,red\n";
	static const char json[] = "{\"rows\":[{\"x\":40,\"y\":0.2,\"colour\":\"red\"}]}";
	static const char *const routes[] = {"predict", "ood"};
	char target[160], why[512], cell[16][40];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const size_t at = i ? 0 : 4;
		double sum, x, y;
		cJSON *reply;
		char *answer;
		const cJSON *row;

		snprintf(target, sizeof target, "%s?include=attributions", routes[i]);
		answer = api_predict_csv(&d, model, target, csv);
		assert_int_equal(cells_of(answer, 0, cell, 16), at + 7);
		assert_string_equal(cell[at + 4], "ood.attribution.x");
		assert_int_equal(cells_of(answer, 1, cell, 16), at + 7);
		sum = strtod(cell[at + 3], NULL);
		for (size_t j = 4; j < 7; j++)
			sum += strtod(cell[at + j], NULL);
		assert_true(fabs(sum - strtod(cell[at], NULL)) < 1e-3 * (1 + fabs(sum)));
		snprintf(target, sizeof target, "/v1/models/%s/%s?include=attributions", model, routes[i]);
		reply = api_call(&d, "POST", target, json, 200);
		if (!contract_fits_named(document, i ? "Scores" : "Predictions", reply, why, sizeof why))
			fail_msg("not answers as described: %s", why);
		row = cJSON_GetArrayItem(get(reply, i ? "scores" : "predictions"), 0);
		row = get(i ? row : get(row, "ood"), "attribution");
		x = api_number(row, "x");
		y = api_number(row, "y");
		assert_true(x == strtod(cell[at + 4], NULL) && x > fabs(y) && x > fabs(api_number(row, "colour")));
		cJSON_Delete(reply);
		free(answer);

		snprintf(target, sizeof target, "/v1/models/%s/%s?include=ood,attributions", model, routes[i]);
		assert_refused("POST", target, "text/csv", csv, 400, "bad_query_parameter", "\"ood\"");
	}
}

static void
what_is_served_with_doubts_is_said(void **state)
{
	static const char csv[] = "x,y,colour,z\n0,0,mauve,1\n0,0,pink,1\n0,,red,1\n";
	char target[128], warnings[512];
	struct http_answer a;

	(void)state;
	snprintf(target, sizeof target, "/v1/models/%s/predict", model);
	a = http_call(d.port, "POST", target, "text/csv", csv, sizeof csv - 1);
	assert_int_equal(a.status, 200);
	assert_non_null(http_answer_header(&a, "Verad-Warnings", warnings, sizeof warnings));
	assert_non_null(strstr(warnings, "extra_column; column=\"z\"; count=1"));
	assert_non_null(strstr(warnings, "unseen_category; column=\"colour\"; count=2"));
	assert_non_null(strstr(warnings, "missing_cell; column=\"y\"; count=1"));
	http_answer_release(&a);
}

static void
rows_sent_in_small_pieces_are_answered_as_one(void **state)
{
	struct buf csv = {0};
	char head[256], *whole;
	struct http_answer a;
	int fd = http_dial(d.port);

	(void)state;
	blobs_csv(&csv, 500, 0, false); /* more than a batch of the predictor */
	buf_put_u8(&csv, 0);
	whole = api_predict_csv(&d, model, "predict", (const char *)csv.data);
	csv.len--;
	snprintf(head, sizeof head,
		"POST /v1/models/%s/predict HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv; charset=UTF-8\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		model);
	assert_true(http_send_text(fd, head));
	for (size_t at = 0; at < csv.len; at += 1001) {
		size_t n = csv.len - at < 1001 ? csv.len - at : 1001;

		snprintf(head, sizeof head, "%zx\r\n", n);
		assert_true(http_send_text(fd, head));
		assert_true(http_send(fd, csv.data + at, n));
		assert_true(http_send_text(fd, "\r\n"));
	}
	assert_true(http_send_text(fd, "0\r\n\r\n"));
	a = http_receive(fd, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, whole);
	http_answer_release(&a);
	free(whole);
	buf_release(&csv);
	close(fd);
}

static void
a_table_says_which_numbers_it_took_for_text_and_what_for_missing(void **state)
{
	static const char csv[] = "x,y,z\n1,a,1\n---,b,NA\n3,a,3\n4,b,4\n";
	struct http_answer a = http_call(
		d.port, "POST", "/v1/datasets?name=t&label_column=y", "text/csv", csv, sizeof csv - 1);

	(void)state;
	assert_int_equal(a.status, 201);
	assert_non_null(
		strstr(a.body, "\"code\":\"numbers_among_text\",\"line\":3,\"message\":\"column \\\"x\\\" is text "
			       "because of \\\"---\\\" in line 3"));
	assert_non_null(
		strstr(a.body, "\"code\":\"na_among_numbers\",\"line\":3,\"message\":\"column \\\"z\\\": 1 cell "
			       "such as \\\"NA\\\" in line 3 is taken as missing"));
	assert_non_null(strstr(a.body, "\"schema\":{\"label_column\":\"y\",\"delimiter\":\",\""));
	assert_non_null(strstr(a.body, "\"bad_rows\":0,"));
	assert_non_null(strstr(a.body, "\"errors\":[]"));
	http_answer_release(&a);
}

/* Refusals -------------------------------------------------------------------------------------------------------- */

static void
tables_that_cannot_be_read_are_refused_with_the_place(void **state)
{
	static const struct {
		const char *type, *csv;
		int status;
		const char *code, *part;
	} cases[] = {
		{"text/csv", "x,label\n1,a\n2\n3,b\n", 422, "ragged_row", "line 3"},
		{"text/csv", "x,label\n1,a\n2,b,c\n", 422, "ragged_row", "line 3"},
		{"text/csv", "x,y\n1,a\n", 422, "unknown_label_column", "label"},
		{"text/csv", "x,lable\n1,a\n", 422, "unknown_label_column", "lable"},
		{"text/csv", "x,label\n", 422, "no_rows", NULL},
		{"text/csv", "", 422, "empty_file", NULL},
		{"text/csv", "x,x,label\n1,2,a\n", 422, "duplicate_column", "x"},
		{"text/csv", ",,\nx,y,label\n1,2,a\n", 422, "empty_column_name", "line 1"},
		{"text/csv", "x,label\n1,\"a\n2,b\n", 422, "unterminated_quote", "line 2"},
		{"text/csv", "\xFF\xFEx\x01", 415, "unsupported_encoding", "UTF-16"},
		{"text/csv",
			"x,label\n1,gr\xFC"
			"n\n",
			422, "invalid_utf8", "line 2"},
		{"text/csv; charset=ISO-8859-1", "x,label\n1,a\n", 415, "unsupported_encoding", "iso-8859-1"},
		{"application/x-www-form-urlencoded", "x,label\n1,a\n", 415, "unsupported_media_type", "text/csv"},
		{"application/json", "{}", 415, "unsupported_media_type", "text/csv"},
	};
	size_t before = api_count(&d, "datasets");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_refused("POST", "/v1/datasets?label_column=label", cases[i].type, cases[i].csv, cases[i].status,
			cases[i].code, cases[i].part);
	assert_int_equal(api_count(&d, "datasets"), before);
}

static void
a_data_error_carries_line_and_column(void **state)
{
	static const char csv[] = "x,y,colour\n1,2,red\n1,two,red\n";
	static const char json[] =
		"{\"rows\":[{\"x\":1,\"y\":2,\"colour\":\"red\"},{\"x\":1,\"y\":\"two\",\"colour\":\"red\"}]}";
	static const int line[] = {3, 2}; /* of the file; of the rows */
	char target[128];

	(void)state;
	snprintf(target, sizeof target, "/v1/models/%s/predict", model);
	for (int i = 0; i < 2; i++) {
		const char *body = i ? json : csv;
		struct http_answer a = http_call(
			d.port, "POST", target, i ? "application/json" : "text/csv", body, strlen(body));
		const cJSON *error;
		cJSON *problem;

		check_problem(&a, 422, "not_a_number", "y");
		problem = cJSON_Parse(a.body);
		error = cJSON_GetArrayItem(get(problem, "errors"), 0);
		assert_int_equal(api_number(error, "line"), line[i]);
		assert_string_equal(api_text(error, "column"), "y");
		cJSON_Delete(problem);
		http_answer_release(&a);
	}
}

static void
a_length_of_two_gigabytes_is_refused_unread(void **state)
{
	static const char request[] =
		"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 2147483648\r\n\r\n";
	int fd = http_dial(d.port);
	struct http_answer a;

	(void)state;
	assert_true(http_send_text(fd, request));
	a = http_receive(fd, false);
	check_problem(&a, 413, "body_too_large", "2147483648");
	http_answer_release(&a);
	close(fd);
}

static void
an_unknown_id_is_a_404_on_every_route(void **state)
{
	static const struct {
		const char *method, *target, *type, *body, *code;
	} cases[] = {
		{"GET", "/v1/datasets/ds_nothing", NULL, NULL, "dataset_not_found"},
		{"DELETE", "/v1/datasets/ds_nothing", NULL, NULL, "dataset_not_found"},
		{"POST", "/v1/jobs", "application/json", "{\"type\":\"train\",\"dataset\":\"ds_nothing\"}",
			"dataset_not_found"},
		{"GET", "/v1/jobs/job_nothing", NULL, NULL, "job_not_found"},
		{"POST", "/v1/jobs/job_nothing/cancel", NULL, NULL, "job_not_found"},
		{"GET", "/v1/jobs/job_nothing/events", NULL, NULL, "job_not_found"},
		{"GET", "/v1/models/mdl_nothing", NULL, NULL, "model_not_found"},
		{"DELETE", "/v1/models/mdl_nothing", NULL, NULL, "model_not_found"},
		{"POST", "/v1/models/mdl_nothing/predict", "text/csv", "x\n1\n", "model_not_found"},
		{"POST", "/v1/models/mdl_nothing/ood", "application/json", "{\"rows\":[]}", "model_not_found"},
		{"GET", "/v1/nothing", NULL, NULL, "unknown_path"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_refused(
			cases[i].method, cases[i].target, cases[i].type, cases[i].body, 404, cases[i].code, NULL);
	assert_refused("GET", "/v1/datasets?after=ds_nothing", NULL, NULL, 400, "unknown_cursor", NULL);
}

static void
job_messages_are_read_strictly(void **state)
{
	static const struct {
		const char *body;
		int status;
		const char *code, *part;
	} cases[] = {
		{"", 400, "malformed_json", "empty"},
		{"{\"type\":\"train\",", 400, "malformed_json", "line 1"},
		{"{\"type\":\"train\"} x", 400, "malformed_json", "behind"},
		{"[1]", 400, "malformed_json", "object"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"alpha\":NaN}}", 400, "malformed_json", "NaN"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"alpha\":1e999}}", 422, "number_out_of_range",
			"1e999"},
		{"{\"type\":\"train\",\"type\":\"train\"}", 400, "duplicate_name", "type"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"parms\":{}}", 422, "unknown_field", "\"params\"?"},
		{"{\"Type\":\"train\",\"dataset\":\"%s\"}", 422, "unknown_field", "\"type\"?"},
		{"{\"dataset\":\"%s\"}", 422, "missing_field", "type"},
		{"{\"type\":\"train\"}", 422, "missing_field", "dataset"},
		{"{\"type\":\"tain\",\"dataset\":\"%s\"}", 422, "unknown_job_type", "train"},
		{"{\"type\":\"train\",\"dataset\":7}", 422, "wrong_type", "a number"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":[]}", 422, "wrong_type", "an array"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"learning_rat\":1}}", 422, "unknown_parameter",
			"learning_rate"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"steps\":-1}}", 422, "parameter_out_of_range",
			"steps"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"steps\":\"many\"}}", 422, "parameter_type",
			"steps"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"method\":\"magic\"}}", 422,
			"parameter_out_of_range", "vera"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"batch_size\":1}}", 422, "parameter_combination",
			"batch_size"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"evaluation_folds\":1}}", 422,
			"parameter_combination", "evaluation_folds"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"method\":\"vat\",\"alpha\":0}}", 422,
			"parameter_combination", "alpha"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"class_weights\":{\"d\":2}}}", 422,
			"unknown_class", "\"d\""},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"class_weights\":{\"a\":-2}}}", 422,
			"parameter_out_of_range", "class \"a\""},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"stated_prior\":{\"a\":0.5,\"b\":0.5}}}", 422,
			"missing_class", "class \"c\""},
	};
	size_t before = api_count(&d, "jobs");
	char body[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *place = strstr(cases[i].body, "%s");

		if (place)
			snprintf(body, sizeof body, "%.*s%s%s", (int)(place - cases[i].body), cases[i].body, dataset,
				place + 2);
		else
			snprintf(body, sizeof body, "%s", cases[i].body);
		assert_refused(
			"POST", "/v1/jobs", "application/json", body, cases[i].status, cases[i].code, cases[i].part);
	}
	assert_refused("POST", "/v1/jobs", "text/plain", "{}", 415, "unsupported_media_type", "application/json");
	assert_int_equal(api_count(&d, "jobs"), before);
}

static void
rows_to_predict_are_read_strictly(void **state)
{
	static const struct {
		const char *type, *body;
		int status;
		const char *code, *part;
	} cases[] = {
		{"text/csv", "x,colour\n1,red\n", 422, "missing_column", "y"},
		{"text/csv", "x,y,colour\n", 422, "no_rows", NULL},
		{"text/csv", "", 422, "empty_file", NULL},
		{"text/csv", "x,y,x,colour\n1,2,3,red\n", 422, "duplicate_column", "x"},
		{"text/csv", "x,y,colour\n1,2\n", 422, "ragged_row", "line 2"},
		{"text/csv", "x,y,colour\n1,info,red\n", 422, "not_a_number", "y"},
		{"text/csv; charset=utf-16", "x", 415, "unsupported_encoding", "utf-16"},
		{"application/json", "{\"rows\":[{\"x\":NaN,\"y\":1,\"colour\":\"red\"}]}", 400, "malformed_json",
			"NaN"},
		{"application/json", "{\"rows\":[{\"x\":1,\"y\":1}]}", 422, "missing_column", "colour"},
		{"application/json", "{\"rows\":[]}", 422, "no_rows", NULL},
		{"application/json", "{\"rows\":[{\"x\":1,\"y\":1,\"colour\":[\"red\"]}]}", 422, "not_a_cell",
			"colour"},
		{"application/json", "{\"row\":[]}", 422, NULL, "rows"},
		{"application/json", "{\"rows\":[{\"x\":1,\"y\":1,\"colour\":\"red\"}]}}", 400, "malformed_json", NULL},
		{"application/json", "", 400, "malformed_json", NULL},
		{"application/xml", "<rows/>", 415, "unsupported_media_type", "text/csv or application/json"},
	};
	char target[128];

	(void)state;
	snprintf(target, sizeof target, "/v1/models/%s/predict", model);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *code = cases[i].code ? cases[i].code : "unknown_field";

		assert_refused("POST", target, cases[i].type, cases[i].body, cases[i].status, code, cases[i].part);
	}
}

static void
query_parameters_are_read_strictly(void **state)
{
	char target[300] = "/v1/datasets?name=";

	(void)state;
	assert_refused("GET", "/v1/jobs?limit=0", NULL, NULL, 400, "bad_query_parameter", "limit");
	assert_refused("GET", "/v1/jobs?limit=1001", NULL, NULL, 400, "bad_query_parameter", "1000");
	assert_refused("GET", "/v1/jobs?limit=ten", NULL, NULL, 400, "bad_query_parameter", "ten");
	assert_refused("GET", "/v1/jobs?limit=99999999999999999999", NULL, NULL, 400, "bad_query_parameter", NULL);
	assert_refused("POST", "/v1/datasets?label=y", "text/csv", "x,y\n1,a\n", 400, "unknown_query_parameter",
		"label_column");
	memset(target + strlen(target), 'n', 250);
	target[270] = '\0';
	assert_refused("POST", target, "text/csv", "x,y\n1,a\n", 400, "bad_query_parameter", "name");
}

static void
another_method_is_a_405_with_allow(void **state)
{
	struct http_answer a = http_call(d.port, "PUT", "/v1/datasets", NULL, NULL, 0);
	char allow[64];

	(void)state;
	assert_string_equal(http_answer_header(&a, "Allow", allow, sizeof allow), "POST, GET, HEAD");
	check_problem(&a, 405, "method_not_allowed", "PUT");
	http_answer_release(&a);
}

static void
a_table_that_cannot_train_is_refused_when_the_job_is_made(void **state)
{
	static const struct {
		const char *csv, *label, *code, *params;
	} cases[] = {
		{"x,label\n1,a\n2,a\n3,\n4,a\n5,a\n6,a\n7,a\n8,a\n9,a\n10,a\n11,a\n12,a\n", "label", "one_class", "{}"},
		{"x,label\n1,\n2,\n3,\n4,\n5,\n6,\n7,\n8,\n9,\n10,\n11,\n12,\n", "label", "no_labels",
			"{\"method\":\"supervised\"}"},
		{"x,label\n1,a\n2,b\n3,\n4,a\n5,a\n6,a\n7,a\n8,a\n9,a\n10,a\n11,a\n12,a\n", NULL, "no_label_column",
			"{\"method\":\"vat\"}"},
		{"x\n1\n2\n3\n4\n5\n", NULL, "parameter_combination", "{\"ood_score\":\"max_probability\"}"},
		{"x,label\n1,a\n2,b\n", "label", "too_few_rows", "{}"},
	};
	char id[API_ID_SIZE], body[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf csv = {.data = (unsigned char *)(uintptr_t)cases[i].csv, .len = strlen(cases[i].csv)};

		api_upload(&d, &csv, cases[i].label, id);
		snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":%s}", id,
			cases[i].params);
		assert_refused("POST", "/v1/jobs", "application/json", body, 422, cases[i].code, NULL);
		snprintf(body, sizeof body, "/v1/datasets/%s", id);
		cJSON_Delete(api_call(&d, "DELETE", body, NULL, 204));
	}
}

/* Jobs ------------------------------------------------------------------------------------------------------------ */

#define ENDLESS API_SMALL_NET ",\"steps\":10000000,\"evaluation_folds\":0"

static void
jobs_are_cancelled_queued_and_running(void **state)
{
	char running[API_ID_SIZE], queued[API_ID_SIZE], target[128];
	cJSON *json;

	(void)state;
	api_train(&d, dataset, ENDLESS, running);
	api_train(&d, dataset, ENDLESS, queued); /* there is one worker */
	api_wait_for_steps(&d, running);

	snprintf(target, sizeof target, "/v1/datasets/%s", dataset);
	assert_refused("DELETE", target, NULL, NULL, 409, "dataset_in_use", NULL);

	snprintf(target, sizeof target, "/v1/jobs/%s/cancel", queued);
	json = api_call(&d, "POST", target, NULL, 202);
	assert_string_equal(api_text(json, "state"), "cancelled");
	cJSON_Delete(json);
	cJSON_Delete(api_call(&d, "POST", target, NULL, 200)); /* once more: nothing left to do */

	snprintf(target, sizeof target, "/v1/jobs/%s/cancel", running);
	cJSON_Delete(api_call(&d, "POST", target, NULL, 202));
	json = api_wait(&d, running, "cancelled");
	assert_true(cJSON_IsNull(get(json, "model")));
	assert_true(cJSON_IsString(get(json, "finished_at")));
	cJSON_Delete(json);

	snprintf(target, sizeof target, "/v1/jobs/%s/cancel", job);
	assert_refused("POST", target, NULL, NULL, 409, "job_finished", NULL);
}

static void
a_model_outlives_its_data_set_and_is_deleted_alone(void **state)
{
	char ds[API_ID_SIZE], run[API_ID_SIZE], mdl[API_ID_SIZE], target[128];
	struct buf csv = {0};
	cJSON *json;

	(void)state;
	blobs_csv(&csv, 20, 10, true);
	api_upload(&d, &csv, "label", ds);
	buf_release(&csv);
	api_train(&d, ds, API_SMALL_NET ",\"steps\":20,\"evaluation_folds\":0,\"method\":\"supervised\"", run);
	json = api_wait(&d, run, "succeeded");
	snprintf(mdl, sizeof mdl, "%s", api_text(json, "model"));
	cJSON_Delete(json);
	snprintf(target, sizeof target, "/v1/datasets/%s", ds);
	cJSON_Delete(api_call(&d, "DELETE", target, NULL, 204));
	free(api_predict_csv(&d, mdl, "predict", "x,y,colour\n1,2,red\n"));
	snprintf(target, sizeof target, "/v1/models/%s", mdl);
	json = api_call(&d, "GET", target, NULL, 200);
	assert_true(cJSON_IsNull(get(json, "baseline"))); /* the method is the baseline */
	cJSON_Delete(json);
	cJSON_Delete(api_call(&d, "DELETE", target, NULL, 204));
	assert_refused("GET", target, NULL, NULL, 404, "model_not_found", mdl);
	snprintf(target, sizeof target, "/v1/models/%s/predict", mdl);
	assert_refused("POST", target, "text/csv", "x\n1\n", 404, "model_not_found", mdl);
	snprintf(target, sizeof target, "/v1/jobs/%s", run);
	cJSON_Delete(api_call(&d, "GET", target, NULL, 200));
}

static void
a_table_without_labels_makes_a_model_that_scores_and_refuses_to_predict(void **state)
{
	static const char csv[] = "x,y,colour\n1,0.2,red\n500,-500,red\n";
	static const char json[] = "{\"rows\":[{\"x\":1,\"y\":0.2,\"colour\":\"red\"}]}";
	char ds[API_ID_SIZE], run[API_ID_SIZE], mdl[API_ID_SIZE], target[128], why[512], cell[8][40], *scores;
	struct buf table = {0};
	const cJSON *p;
	cJSON *reply;

	(void)state;
	blobs_csv(&table, 40, 0, false);
	api_upload(&d, &table, NULL, ds);
	buf_release(&table);
	api_train(&d, ds, API_SMALL_NET ",\"steps\":200", run);
	reply = api_wait(&d, run, "succeeded");
	snprintf(mdl, sizeof mdl, "%s", api_text(reply, "model"));
	assert_int_equal(api_number(reply, "steps"), 200); /* neither baseline nor folds */
	assert_null(get(get(reply, "metrics"), "accuracy"));
	assert_null(get(get(reply, "metrics"), "cross_entropy"));
	assert_true(cJSON_IsNumber(get(get(reply, "metrics"), "loss")));
	cJSON_Delete(reply);

	snprintf(target, sizeof target, "/v1/models/%s", mdl);
	reply = api_call(&d, "GET", target, NULL, 200);
	if (!contract_fits_named(document, "Model", reply, why, sizeof why))
		fail_msg("not a model as described: %s", why);
	assert_true(cJSON_IsNull(get(reply, "baseline")));
	assert_true(cJSON_IsNull(get(get(reply, "data"), "label_column")));
	cJSON_Delete(reply);

	scores = api_predict_csv(&d, mdl, "ood", csv);
	assert_int_equal(cells_of(scores, 1, cell, 8), 3);
	snprintf(target, sizeof target, "/v1/models/%s/ood", mdl);
	reply = api_call(&d, "POST", target, json, 200);
	p = cJSON_GetArrayItem(get(reply, "scores"), 0);
	assert_true(strtod(cell[0], NULL) == api_number(p, "score"));
	cJSON_Delete(reply);
	free(scores);

	snprintf(target, sizeof target, "/v1/models/%s/predict", mdl);
	assert_refused("POST", target, "text/csv", csv, 409, "no_classes", "without labels");
	assert_refused("POST", target, "application/json", json, 409, "no_classes", "ood");
}

static void
numbers_by_class_come_with_the_parameters_of_a_job(void **state)
{
	static const char params[] = API_SMALL_NET ",\"steps\":20,\"class_weights\":{\"b\":2},"
						   "\"stated_prior\":{\"a\":0.5,\"b\":0.25,\"c\":0.25}";
	char run[API_ID_SIZE], body[512], target[128], why[512];
	const cJSON *share;
	cJSON *reply;

	(void)state;
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{%s}}", dataset, params);
	reply = api_call(&d, "POST", "/v1/jobs?dry_run=1", body, 200);
	assert_true(api_number(get(get(reply, "params"), "class_weights"), "b") == 2);
	cJSON_Delete(reply);
	api_train(&d, dataset, params, run);
	reply = api_wait(&d, run, "succeeded");
	if (!contract_fits_named(document, "Job", reply, why, sizeof why))
		fail_msg("not a job as described: %s", why);
	assert_true(api_number(get(get(reply, "params"), "stated_prior"), "a") == 0.5);
	snprintf(target, sizeof target, "/v1/models/%s", api_text(reply, "model"));
	cJSON_Delete(reply);
	reply = api_call(&d, "GET", target, NULL, 200);
	if (!contract_fits_named(document, "Model", reply, why, sizeof why))
		fail_msg("not a model as described: %s", why);
	share = cJSON_GetArrayItem(get(get(reply, "composition"), "class_shares"), 0);
	assert_true(api_number(share, "stated") == 0.5);
	cJSON_Delete(reply);
	cJSON_Delete(api_call(&d, "DELETE", target, NULL, 204));
}

static void
health_and_readiness_are_answered(void **state)
{
	cJSON *json = api_call(&d, "GET", "/healthz", NULL, 200);

	(void)state;
	assert_string_equal(api_text(json, "status"), "ok");
	cJSON_Delete(json);
	json = api_call(&d, "GET", "/readyz", NULL, 200);
	assert_string_equal(api_text(json, "status"), "ready");
	cJSON_Delete(json);
}

static void
an_upload_cut_off_leaves_nothing(void **state)
{
	size_t before = api_count(&d, "datasets");
	int fd = http_dial(d.port);
	struct buf csv = {0};

	(void)state;
	blobs_csv(&csv, 1000, 10, true);
	assert_true(http_send_text(fd,
		"POST /v1/datasets?label_column=label HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
		"Content-Length: 10000000\r\n\r\n"));
	assert_true(http_send(fd, csv.data, csv.len));
	close(fd);
	assert_int_equal(api_count(&d, "datasets"), before);
	buf_release(&csv);
}

static int
set_up(void **state)
{
	if (!api_group_begin(&d, &document, state))
		return 1;
	api_train_blobs(&d, "\"steps\":300,\"evaluation_folds\":2", dataset, job, model);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upload_tells_what_was_found),
		cmocka_unit_test(a_finished_job_and_its_model_tell_what_was_done),
		cmocka_unit_test(events_come_in_pages_and_tell_the_course_of_a_job),
		cmocka_unit_test(lists_come_in_pages_newest_first),
		cmocka_unit_test(predictions_are_right_and_the_same_in_csv_and_json),
		cmocka_unit_test(ood_gives_the_scores_of_predict_alone),
		cmocka_unit_test(attributions_come_on_request_and_make_the_score),
		cmocka_unit_test(what_is_served_with_doubts_is_said),
		cmocka_unit_test(rows_sent_in_small_pieces_are_answered_as_one),
		cmocka_unit_test(a_table_says_which_numbers_it_took_for_text_and_what_for_missing),
		cmocka_unit_test(tables_that_cannot_be_read_are_refused_with_the_place),
		cmocka_unit_test(a_data_error_carries_line_and_column),
		cmocka_unit_test(a_length_of_two_gigabytes_is_refused_unread),
		cmocka_unit_test(an_unknown_id_is_a_404_on_every_route),
		cmocka_unit_test(job_messages_are_read_strictly),
		cmocka_unit_test(rows_to_predict_are_read_strictly),
		cmocka_unit_test(query_parameters_are_read_strictly),
		cmocka_unit_test(another_method_is_a_405_with_allow),
		cmocka_unit_test(a_table_that_cannot_train_is_refused_when_the_job_is_made),
		cmocka_unit_test(jobs_are_cancelled_queued_and_running),
		cmocka_unit_test(a_model_outlives_its_data_set_and_is_deleted_alone),
		cmocka_unit_test(a_table_without_labels_makes_a_model_that_scores_and_refuses_to_predict),
		cmocka_unit_test(numbers_by_class_come_with_the_parameters_of_a_job),
		cmocka_unit_test(health_and_readiness_are_answered),
		cmocka_unit_test(an_upload_cut_off_leaves_nothing),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
