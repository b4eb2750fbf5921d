/*
 * Tables as other programs write them: what they contain beside numbers and texts is read, said of the data set, and
 * read the same way in the rows to predict, in every form in which those come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"

static struct daemon d;

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const cJSON *
named(const cJSON *list, const char *field, const char *value)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list) if (!strcmp(api_text(item, field), value)) return item;
	fail_msg("no %s \"%s\"", field, value);
	return NULL;
}

static cJSON *
post_set(const char *target, const char *csv, size_t n, int status)
{
	struct http_answer a = http_call(d.port, "POST", target, "text/csv", csv, n);
	cJSON *json = cJSON_Parse(a.body);

	if (a.status != status)
		fail_msg("%d: %s", a.status, a.body);
	http_answer_release(&a);
	assert_non_null(json);
	return json;
}

/* The resource of the data set that these bytes make, with these further parameters of the request. */
static cJSON *
upload(const char *parameters, const char *csv, size_t n)
{
	char target[256];

	snprintf(target, sizeof target, "/v1/datasets?label_column=label%s", parameters);
	return post_set(target, csv, n, 201);
}

static void
train(const cJSON *dataset, char model[API_ID_SIZE])
{
	char job[API_ID_SIZE];
	cJSON *done;

	api_train(&d, api_text(dataset, "id"), "\"method\":\"supervised\",\"steps\":60," API_SMALL_NET, job);
	done = api_wait(&d, job, "succeeded");
	snprintf(model, API_ID_SIZE, "%s", api_text(done, "model"));
	cJSON_Delete(done);
}

static cJSON *
post(const char *model, const char *what, const char *type, const char *body)
{
	char target[128];
	struct http_answer a;
	cJSON *json;

	snprintf(target, sizeof target, "/v%c/models/%s/%s", !strcmp(what, "infer") ? '2' : '1', model, what);
	a = http_call(d.port, "POST", target, type, body, strlen(body));
	if (a.status != 200)
		fail_msg("%s: %d: %s", body, a.status, a.body);
	json = cJSON_Parse(a.body);
	http_answer_release(&a);
	assert_non_null(json);
	return json;
}

/* The scores of two rows, sent as CSV, as JSON and as tensors, are these, and no two of them the same. */
static void
same_scores(const char *model, const char *csv, const char *json, const char *split, const char *tensors)
{
	double score[4][2];
	cJSON *answer[] = {post(model, "invocations", "text/csv", csv),
		post(model, "predict", "application/json", json), post(model, "predict", "application/json", split),
		post(model, "infer", "application/json", tensors)};

	for (int row = 0; row < 2; row++) {
		for (int k = 0; k < 2; k++)
			score[k][row] = api_number(
				get(cJSON_GetArrayItem(get(answer[k], "predictions"), row), "ood"), "score");
		score[2][row] = cJSON_GetArrayItem(cJSON_GetArrayItem(get(answer[2], "data"), row), 4)->valuedouble;
		score[3][row] = cJSON_GetArrayItem(
			get(named(get(answer[3], "outputs"), "name", "ood_score"), "data"), row)
					->valuedouble;
		for (int k = 1; k < 4; k++)
			if ((float)score[k][row] < (float)score[0][row] || (float)score[k][row] > (float)score[0][row])
				fail_msg("row %d: form %d has %.17g, not %.17g", row, k, score[k][row], score[0][row]);
	}
	assert_true(score[0][0] < score[0][1] || score[0][0] > score[0][1]);
	for (size_t k = 0; k < 4; k++)
		cJSON_Delete(answer[k]);
}

/* Rows of three classes: %zu is the row's number, %.3f a number that tells the classes, %s the label. */
static void
put_rows(struct buf *out, size_t n, const char *form)
{
	static const char *const label[] = {"a", "b", "c"};

	for (size_t i = 0; i < n; i++)
		buf_printf(out, form, i, (double)(i % 3) * 5 + (double)(i * 7 % 10) / 10, label[i % 3]);
	assert_false(out->failed);
}

static void
an_index_without_a_name_is_kept_and_not_learned_from(void **state)
{
	struct buf csv = {0};
	char model[API_ID_SIZE];
	cJSON *set, *answer;
	const cJSON *warning;

	(void)state;
	buf_puts(&csv, ",x,label\n"); /* DataFrame.to_csv */
	put_rows(&csv, 60, "%zu,%.3f,%s\n");
	set = upload("", (const char *)csv.data, csv.len);
	assert_string_equal(api_text(named(get(set, "columns"), "name", "Unnamed: 0"), "role"), "id");
	warning = named(get(set, "warnings"), "code", "unnamed_column");
	assert_string_equal(api_text(warning, "column"), "Unnamed: 0");
	assert_string_equal(api_text(warning, "message"),
		"column 1 has no name and is called \"Unnamed: 0\"; it is taken to name the rows, role id, and not "
		"learned from: if it is to be, give it the role feature");
	train(set, model);
	answer = post(model, "predict", "application/json", "{\"rows\":[{\"x\":5.1}]}"); /* it need not come */
	assert_string_equal(api_text(get(answer, "predictions")->child, "label"), "b");
	cJSON_Delete(answer);
	answer = post(model, "invocations", "text/csv", ",x\n0,5.1\n"); /* and may */
	assert_string_equal(api_text(get(answer, "predictions")->child, "label"), "b");
	cJSON_Delete(answer);
	cJSON_Delete(set);
	buf_release(&csv);
}

static void
columns_without_names_are_learned_from_and_found_again_in_every_form(void **state)
{
	struct buf csv = {0};
	char model[API_ID_SIZE];
	cJSON *set;

	(void)state;
	buf_puts(&csv, "label,,z,\n"); /* one name forgotten, and a delimiter at the end of every line */
	for (size_t i = 0; i < 60; i++)
		buf_printf(&csv, "%s,%zu,%zu,\n", (const char *[]){"a", "b", "c"}[i % 3], i % 3 * 5 + i * 7 % 4, i % 2);
	set = upload("", (const char *)csv.data, csv.len);
	assert_string_equal(api_text(named(get(set, "warnings"), "column", "Unnamed: 0"), "message"),
		"column 2 has no name and is called \"Unnamed: 0\"");
	assert_string_equal(api_text(named(get(set, "warnings"), "column", "Unnamed: 1"), "message"),
		"column 4 has no name and is called \"Unnamed: 1\"; it is empty");
	train(set, model);
	same_scores(model, ",z,\n1,0,\n11,1,\n", "{\"rows\":[{\"\":1,\"z\":0},{\"z\":1,\"\":11}]}",
		"{\"columns\":[\"z\",\"\"],\"data\":[[0,1],[1,11]]}",
		"{\"inputs\":[{\"name\":\"Unnamed: 0\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[1,11]},"
		"{\"name\":\"z\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[0,1]}]}");
	cJSON_Delete(set);
	buf_release(&csv);
}

static void
infinite_numbers_are_missing_when_learned_from_and_when_predicted(void **state)
{
	struct buf csv = {0};
	char model[API_ID_SIZE];
	cJSON *set, *answer;

	(void)state;
	buf_puts(&csv, "n,x,label\n");
	put_rows(&csv, 60, "%zu,%.3f,%s\n");
	buf_puts(&csv, "60,inf,a\n60,-Infinity,b\n60,1e999,\n");
	set = upload("", (const char *)csv.data, csv.len);
	assert_string_equal(api_text(named(get(set, "columns"), "name", "x"), "type"), "number");
	assert_string_equal(api_text(named(get(set, "warnings"), "code", "infinite_number"), "message"),
		"column \"x\": 3 infinite numbers, the first in line 62, are taken as missing");
	assert_int_equal(api_number(named(get(set, "warnings"), "code", "infinite_number"), "line"), 62);
	train(set, model);
	same_scores(model, "n,x\n1,inf\n2,5\n", "{\"rows\":[{\"n\":1,\"x\":\"-Inf\"},{\"n\":2,\"x\":5}]}",
		"{\"columns\":[\"n\",\"x\"],\"data\":[[1,null],[2,5]]}",
		"{\"inputs\":[{\"name\":\"n\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[1,2]},"
		"{\"name\":\"x\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"1e999\",\"5\"]}]}");
	answer = post(model, "invocations", "text/csv", "n,x\n1,inf\n2,5\n");
	assert_string_equal(api_text(named(get(answer, "warnings"), "code", "infinite_number"), "column"), "x");
	cJSON_Delete(answer);
	cJSON_Delete(set);
	buf_release(&csv);
}

/* The reply to a request with this body, which is refused. */
static void
refused(const char *target, const char *type, const char *body, int status, const char *code)
{
	struct http_answer a = http_call(d.port, "POST", target, type, body, strlen(body));
	cJSON *json = cJSON_Parse(a.body);

	if (a.status != status || strcmp(api_text(json, "code"), code) != 0)
		fail_msg("%s: %d: %s", body, a.status, a.body);
	cJSON_Delete(json);
	http_answer_release(&a);
}

static void
numbers_with_a_unit_are_read_the_same_way_wherever_they_come(void **state)
{
	struct buf csv = {0};
	char model[API_ID_SIZE], target[128], body[256];
	cJSON *set, *more, *other;
	const cJSON *column;

	(void)state;
	buf_puts(&csv, "price,share,label\n");
	for (size_t i = 0; i < 60; i++)
		buf_printf(&csv, "\"$1,%03zu.5\",%zu%%,%s\n", i * 7 % 10, i % 3 * 5 + i % 4,
			(const char *[]){"a", "b", "c"}[i % 3]);
	set = upload("", (const char *)csv.data, csv.len);
	assert_string_equal(api_text(named(get(set, "columns"), "name", "price"), "type"), "number");
	assert_int_equal(api_number(named(get(set, "columns"), "name", "price"), "min"), 1000);
	assert_string_equal(api_text(named(get(set, "warnings"), "column", "share"), "message"),
		"column \"share\" is read as numbers: \"%\" is left out; if it is not, give it the type text");
	column = named(get(get(set, "schema"), "columns"), "name", "price");
	assert_string_equal(api_text(column, "unit"), "$");
	assert_string_equal(api_text(column, "grouping"), ",");
	train(set, model);
	same_scores(model, "price,share\n\"$1,005.5\",1%\n1005.5,11\n",
		"{\"rows\":[{\"price\":1005.5,\"share\":1},{\"price\":\"$1,005.5\",\"share\":\"11 %\"}]}",
		"{\"columns\":[\"price\",\"share\"],\"data\":[[\"1005.5 $\",\"1\"],[1005.5,\"11%\"]]}",
		"{\"inputs\":[{\"name\":\"price\",\"shape\":[2],\"datatype\":\"FP64\",\"data\":[1005.5,1005.5]},"
		"{\"name\":\"share\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"1%\",\"11\"]}]}");
	snprintf(target, sizeof target, "/v1/models/%s/predict", model);
	refused(target, "text/csv", "price,share\n5%,1\n", 422, "not_a_number");

	snprintf(target, sizeof target, "/v1/datasets/%s/rows", api_text(set, "id"));
	refused(target, "text/csv", "price,share,label\n5%,1%,a\n", 422, "not_a_number");
	buf_clear(&csv);
	buf_puts(&csv, "price,share,label\n\"$2,000\",50%,a\n3,4,b\n");
	more = post_set(target, (const char *)csv.data, csv.len, 200);
	assert_int_equal(api_number(named(get(more, "columns"), "name", "price"), "max"), 2000);
	assert_string_equal(api_text(named(get(more, "warnings"), "column", "share"), "code"), "number_with_unit");

	/* of another unit they are other numbers */
	other = upload("", "price,share,label\n5,6,a\n7,$8,b\n", sizeof "price,share,label\n5,6,a\n7,$8,b\n" - 1);
	assert_string_equal(api_text(named(get(other, "warnings"), "column", "share"), "code"), "mixed_numbers");
	cJSON_Delete(other);
	other = upload("", "price,share,label\n5,$6,a\n7,$8,b\n", sizeof "price,share,label\n5,$6,a\n7,$8,b\n" - 1);
	snprintf(body, sizeof body, "{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"%s\"}",
		api_text(other, "id"), model);
	refused("/v1/jobs", "application/json", body, 422, "other_unit");
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":\"%s\"}",
		api_text(set, "id"), api_text(other, "id"));
	refused("/v1/jobs", "application/json", body, 422, "other_unit");
	cJSON_Delete(other);
	cJSON_Delete(more);
	cJSON_Delete(set);
	buf_release(&csv);
}

static void
dates_are_read_in_the_order_of_the_table_wherever_they_come(void **state)
{
	static const char more[] = "sep=|\nwhen|x|label\n12/25/2024|1|a\n";
	static const char told[] = "when,label\n3/1/2024,a\n4/1/2024,b\n";
	struct buf csv = {0};
	char model[API_ID_SIZE], target[128];
	cJSON *set;

	(void)state;
	buf_puts(&csv, "sep=;\nwhen;x;label\n");
	for (size_t i = 0; i < 60; i++)
		buf_printf(&csv, "%zu/%zu/2024;%zu;%s\n", i % 12 + 1, i % 28 + 1, i * 7 % 10,
			(const char *[]){"a", "b", "c"}[i % 12 / 4]);
	set = upload("", (const char *)csv.data, csv.len);
	assert_string_equal(api_text(named(get(set, "columns"), "name", "when"), "type"), "date");
	assert_string_equal(api_text(named(get(set, "warnings"), "column", "when"), "code"), "date_order");
	assert_string_equal(api_text(get(set, "schema"), "date_order"), "mdy");
	assert_string_equal(api_text(get(set, "schema"), "delimiter"), ";");
	train(set, model);
	same_scores(model, "when,x\n3/1/2024,1\n2024-11-03 1:00 PM,1\n",
		"{\"rows\":[{\"when\":\"2024-03-01\",\"x\":1},{\"when\":\"11/3/2024 13:00\",\"x\":1}]}",
		"{\"columns\":[\"when\",\"x\"],\"data\":[[\"03-01-2024\",1],[\"2024-11-03T13:00Z\",1]]}",
		"{\"inputs\":[{\"name\":\"when\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"3/1/2024\","
		"\"11/3/2024 1:00 PM\"]},{\"name\":\"x\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[1,1]}]}");
	snprintf(target, sizeof target, "/v1/datasets/%s/rows", api_text(set, "id"));
	refused(target, "text/csv", "sep=|\nwhen|x|label\n25/12/2024|1|a\n", 422, "not_a_date");
	cJSON_Delete(post_set(target, more, sizeof more - 1, 200));
	cJSON_Delete(set);
	set = post_set("/v1/datasets?label_column=label&date_order=dmy", told, sizeof told - 1, 201);
	assert_string_equal(api_text(named(get(set, "columns"), "name", "when"), "type"), "date");
	cJSON_Delete(set);
	refused("/v1/datasets?date_order=ymd", "text/csv", "a\n1\n", 422, "invalid_schema");
	buf_release(&csv);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
	return api_group_begin(&d, NULL, state) ? 0 : 1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_without_a_name_is_kept_and_not_learned_from),
		cmocka_unit_test(columns_without_names_are_learned_from_and_found_again_in_every_form),
		cmocka_unit_test(infinite_numbers_are_missing_when_learned_from_and_when_predicted),
		cmocka_unit_test(numbers_with_a_unit_are_read_the_same_way_wherever_they_come),
		cmocka_unit_test(dates_are_read_in_the_order_of_the_table_wherever_they_come),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
