/* Jobs over a real socket: every type, what can be asked of them, how they are followed, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"
#include "tests/support/contract.h"

/* A run that nobody waits for the end of. */
#define ENDLESS API_SMALL_NET ",\"steps\":5000000,\"evaluation_folds\":0"

static cJSON *document; /* of the API */

/* The daemon that all tests share, with a small data set, one of several chunks, and a model of a size that needs a
 * moment for the latter. */
static struct daemon d;
static char dataset[API_ID_SIZE], large[API_ID_SIZE], job[API_ID_SIZE], model[API_ID_SIZE];
static struct buf large_rows; /* the rows of `large`, without labels */

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static struct http_answer
call_with(const char *method, const char *target, const char *headers, const char *body)
{
	int fd = http_dial(d.port);
	struct http_answer a;
	char head[1024];

	assert_true(fd >= 0);
	snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method, target, headers);
	assert_true(http_send_text(fd, head));
	if (body) {
		snprintf(head, sizeof head, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			strlen(body));
		assert_true(http_send_text(fd, head) && http_send_text(fd, body));
	} else {
		assert_true(http_send_text(fd, "\r\n"));
	}
	a = http_receive(fd, !strcmp(method, "HEAD"));
	close(fd);
	return a;
}

static void
assert_header(const struct http_answer *a, const char *name, const char *value)
{
	char got[256];

	if (!http_answer_header(a, name, got, sizeof got))
		fail_msg("no %s in %s", name, a->headers);
	assert_string_equal(got, value);
}

static void
assert_problem(struct http_answer a, int status, const char *code, const char *part)
{
	char why[512];
	cJSON *problem = cJSON_Parse(a.body);

	if (a.status != status)
		fail_msg("status %d, not %d: %s", a.status, status, a.body ? a.body : "");
	if (!contract_fits_named(document, "Problem", problem, why, sizeof why))
		fail_msg("not a problem as described: %s: %s", why, a.body);
	if (strcmp(api_text(problem, "code"), code) || (part && !strstr(api_text(problem, "detail"), part)))
		fail_msg("not %s with \"%s\": %s", code, part ? part : "", a.body);
	cJSON_Delete(problem);
	http_answer_release(&a);
}

static void
assert_refused(const char *method, const char *target, const char *body, int status, const char *code, const char *part)
{
	assert_problem(call_with(method, target, "", body), status, code, part);
}

/* A job of the body, with %s for `dataset` and then for the model. */
static void
start(const char *body, const char *of, char id[API_ID_SIZE])
{
	char text[1024];
	cJSON *json;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof text, body, of, model);
#pragma GCC diagnostic pop
	json = api_call(&d, "POST", "/v1/jobs", text, 202);
	snprintf(id, API_ID_SIZE, "%s", api_text(json, "id"));
	cJSON_Delete(json);
}

static const char *
path_of(const char *id, const char *what)
{
	static char path[128];

	snprintf(path, sizeof path, "/v1/jobs/%s%s", id, what);
	return path;
}

static void
cancel(const char *id)
{
	cJSON_Delete(api_call(&d, "POST", path_of(id, "/cancel"), NULL, 202));
	cJSON_Delete(api_wait(&d, id, "cancelled"));
}

static bool
has_event(const char *id, const char *code)
{
	cJSON *json = api_call(&d, "GET", path_of(id, "/events?limit=1000"), NULL, 200);
	const cJSON *item;
	bool found = false;

	cJSON_ArrayForEach(item, get(json, "events"))
	{
		found = found || !strcmp(api_text(item, "code"), code);
	}
	cJSON_Delete(json);
	return found;
}

enum { REFERENCE_ROWS = 18 }; /* of the model: a tenth of the small data set */
#define BATCH "{\"type\":\"batch_predict\",\"dataset\":\"%s\",\"model\":\"%s\"}"
#define EVALUATE "{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"%s\"}"

/* Types ----------------------------------------------------------------------------------------------------------- */

static void
an_evaluation_measures_known_labels_and_sets_foreign_ones_apart(void **state)
{
	static const char csv[] =
		"x,y,colour,label\n0,0,red,a\n5,0,green,b\n0,5,blue,c\n0,0,red,b\n90,90,red,z\n1,1,red,\n";
	const struct buf table = {.data = (unsigned char *)csv, .len = sizeof csv - 1};
	char ds[API_ID_SIZE], id[API_ID_SIZE], *text;
	struct http_answer a;
	cJSON *json, *report;

	(void)state;
	api_upload(&d, &table, "label", ds);
	start(EVALUATE, ds, id);
	json = api_wait(&d, id, "succeeded");
	assert_true(api_number(json, "step") == 6 && api_number(json, "progress") == 1);
	assert_string_equal(api_text(json, "model"), model);
	assert_true(api_number(get(json, "metrics"), "accuracy") == 0.75);
	assert_string_equal(api_text(get(json, "result"), "path"), path_of(id, "/result"));
	a = call_with("GET", path_of(id, "/result"), "", NULL);
	assert_int_equal(a.status, 200);
	assert_header(&a, "Content-Type", "application/json");
	assert_int_equal(api_number(get(json, "result"), "bytes"), a.n);
	cJSON_Delete(json);
	report = cJSON_Parse(a.body);
	assert_int_equal(api_number(report, "labelled"), 5);
	assert_int_equal(api_number(report, "unlabelled"), 1);
	assert_int_equal(api_number(get(report, "measures"), "n"), 4);
	assert_true(api_number(get(report, "measures"), "accuracy") == 0.75);
	assert_int_equal(cJSON_GetArraySize(get(get(report, "measures"), "per_class")), 3);
	assert_int_equal(api_number(get(report, "ood"), "n_out"), 1);
	assert_true(api_number(get(report, "ood"), "auroc") >= 0 && api_number(get(report, "ood"), "auroc") <= 1);
	assert_true(cJSON_IsNumber(get(get(report, "ood"), "flagged_out")));
	text = cJSON_PrintUnformatted(get(report, "warnings"));
	assert_non_null(strstr(text, "clipped_number"));
	free(text);
	cJSON_Delete(report);
	http_answer_release(&a);
	assert_true(has_event(id, "clipped_number"));
}

/* The same answers but for rounding, which depends on how many rows were answered at once. A p-value counts the
 * reference rows that score as high, so that rounding may move it by one of them where the row is such a row itself. */
static void
assert_equal_answers(const char *got, const char *want)
{
	const char *p_value = strstr(want, "ood.p_value");
	size_t column = 0, of_p_value = 0;

	assert_non_null(p_value);
	for (const char *c = want; c < p_value; c++)
		of_p_value += *c == ',';
	while (*got && *want) {
		char *got_end, *want_end;
		const double x = strtod(got, &got_end), y = strtod(want, &want_end);

		if (*want == '\n' || got_end == got || want_end == want) {
			column = *want == '\n' ? 0 : column + (*want == ',');
			assert_int_equal(*got++, *want++);
			continue;
		}
		if (!(fabs(x - y) <= (column == of_p_value ? 1.0 / REFERENCE_ROWS : 1e-4 * fabs(y)) + 1e-7))
			fail_msg("%.17g is not %.17g", x, y);
		got = got_end;
		want = want_end;
	}
	assert_int_equal(*got, *want);
}

static void
a_batch_answers_as_the_predict_route_does(void **state)
{
	char id[API_ID_SIZE], target[128], etag[API_ID_SIZE + 2], want_name[128], *want;
	struct http_answer a, whole;
	cJSON *json;

	(void)state;
	start(BATCH, large, id);
	json = api_wait(&d, id, "succeeded");
	assert_int_equal(api_number(json, "step"), 150000);
	assert_int_equal(api_number(get(json, "metrics"), "rows"), 150000);
	assert_true(cJSON_IsNull(get(json, "eta_seconds")));
	cJSON_Delete(json);
	snprintf(target, sizeof target, "%s", path_of(id, "/result"));
	want = api_predict_csv(&d, model, "predict", (const char *)large_rows.data);
	whole = call_with("GET", target, "", NULL);
	assert_int_equal(whole.status, 200);
	assert_header(&whole, "Content-Type", "text/csv; charset=utf-8; header=present");
	snprintf(want_name, sizeof want_name, "attachment; filename=\"%s.csv\"", id);
	assert_header(&whole, "Content-Disposition", want_name);
	snprintf(etag, sizeof etag, "\"%s\"", id);
	assert_header(&whole, "ETag", etag);
	assert_equal_answers(whole.body, want);
	free(want);

	a = call_with("GET", target, "Range: bytes=1048000-1049999\r\n", NULL); /* across the border of two parts */
	assert_int_equal(a.status, 206);
	assert_int_equal(a.n, 2000);
	assert_memory_equal(a.body, whole.body + 1048000, 2000);
	http_answer_release(&a);
	snprintf(want_name, sizeof want_name, "If-None-Match: %s\r\n", etag);
	a = call_with("GET", target, want_name, NULL);
	assert_int_equal(a.status, 304);
	http_answer_release(&a);
	a = call_with("HEAD", target, "", NULL);
	assert_int_equal(a.status, 200);
	snprintf(want_name, sizeof want_name, "%zu", whole.n);
	assert_header(&a, "Content-Length", want_name);
	http_answer_release(&a);
	http_answer_release(&whole);

	/* Gone with its job. */
	cJSON_Delete(api_call(&d, "DELETE", path_of(id, ""), NULL, 204));
	assert_refused("GET", target, NULL, 404, "job_not_found", NULL);
	assert_refused("DELETE", path_of(id, ""), NULL, 404, "job_not_found", NULL);
}

/* As many rows as are answered between several looks around, and more than one request may have attributed. */
static void
a_batch_has_attributions_where_they_are_asked_for(void **state)
{
	static const char body[] = "{\"type\":\"batch_predict\",\"dataset\":\"%s\",\"model\":\"%s\","
				   "\"params\":{\"include\":[\"attributions\"]}}";
	char ds[API_ID_SIZE], id[API_ID_SIZE], *want;
	struct buf csv = {0};
	struct http_answer a;
	cJSON *json;

	(void)state;
	blobs_csv(&csv, 100, 0, false);
	api_upload(&d, &csv, NULL, ds);
	buf_put_u8(&csv, 0);
	start(body, ds, id);
	json = api_wait(&d, id, "succeeded");
	assert_string_equal(get(get(json, "params"), "include")->child->valuestring, "attributions");
	cJSON_Delete(json);
	want = api_predict_csv(&d, model, "predict?include=attributions", (const char *)csv.data);
	assert_non_null(strstr(want, "ood.attribution.colour"));
	a = call_with("GET", path_of(id, "/result"), "", NULL);
	assert_int_equal(a.status, 200);
	assert_equal_answers(a.body, want);
	http_answer_release(&a);
	free(want);
	buf_release(&csv);
}

static void
wait_for_step(const char *id, double step)
{
	for (int i = 0; i < 120000; i++) {
		cJSON *json = api_call(&d, "GET", path_of(id, ""), NULL, 200);
		bool there = api_number(json, "step") >= step;

		if (!strcmp(api_text(json, "state"), "succeeded") || !strcmp(api_text(json, "state"), "failed"))
			fail_msg("the job was over before it was seen at step %g", step);
		cJSON_Delete(json);
		if (there)
			return;
		usleep(5000);
	}
	fail_msg("the job does not get to step %g", step);
}

static void
a_batch_that_pauses_and_is_killed_has_every_row_once(void **state)
{
	char id[API_ID_SIZE], *want;
	struct http_answer a;
	cJSON *json;

	(void)state;
	start(BATCH, large, id);
	wait_for_step(id, 1);
	cJSON_Delete(api_call(&d, "POST", path_of(id, "/pause"), NULL, 202));
	cJSON_Delete(api_wait(&d, id, "paused"));
	assert_refused("GET", path_of(id, "/result"), NULL, 409, "job_not_finished", "paused");
	cJSON_Delete(api_call(&d, "POST", path_of(id, "/resume"), NULL, 202));
	wait_for_step(id, 66000);
	daemon_kill(&d);
	assert_true(daemon_start(&d));
	json = api_wait(&d, id, "succeeded");
	assert_int_equal(api_number(json, "attempt"), 2);
	cJSON_Delete(json);
	assert_true(has_event(id, "resumed_from_checkpoint"));
	want = api_predict_csv(&d, model, "predict", (const char *)large_rows.data);
	a = call_with("GET", path_of(id, "/result"), "", NULL);
	assert_equal_answers(a.body, want);
	http_answer_release(&a);
	free(want);
}

static void
a_result_of_a_cancelled_job_is_not_to_be_had(void **state)
{
	char id[API_ID_SIZE];

	(void)state;
	start(BATCH, large, id);
	wait_for_step(id, 1);
	cancel(id);
	assert_refused("GET", path_of(id, "/result"), NULL, 404, "no_result", "cancelled");
	assert_refused("GET", path_of(job, "/result"), NULL, 404, "no_result", "its model");
}

/* Refusals -------------------------------------------------------------------------------------------------------- */

static void
what_cannot_run_is_refused_at_once(void **state)
{
	static const struct {
		const char *body; /* %s: data set, model */
		int status;
		const char *code, *part;
	} cases[] = {
		{"{\"type\":\"evaluat\",\"dataset\":\"%s\"}", 422, "unknown_job_type", "did you mean \"evaluate\""},
		{"{\"type\":\"evaluate\",\"dataset\":\"%s\"}", 422, "missing_field", "\"model\""},
		{"{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":7}", 422, "wrong_type", "a string"},
		{"{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"nobody\"}", 404, "model_not_found", NULL},
		{"{\"type\":\"evaluate\",\"dataset\":\"ds_no%.0s\",\"model\":\"%s\"}", 404, "dataset_not_found", NULL},
		{"{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"%s\",\"params\":{}}", 422, "unknown_field",
			"params"},
		{"{\"type\":\"batch_predict\",\"dataset\":\"%s\",\"model\":\"%s\",\"params\":{\"include\":[\"all\"]}}",
			422, "unknown_include", "attributions"},
		{"{\"type\":\"batch_predict\",\"dataset\":\"%s\",\"model\":\"%s\",\"params\":{\"include\":\"all\"}}",
			422, "wrong_type", "a list"},
		{"{\"type\":\"batch_predict\",\"dataset\":\"%s\",\"model\":\"%s\",\"params\":{\"seed\":1}}", 422,
			"unknown_field", "seed"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"priority\":101}", 422, "out_of_range", "-100 to 100"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"priority\":1.5}", 422, "wrong_type", "whole"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"max_seconds\":0}", 422, "out_of_range", "max_seconds"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"max_seconds\":\"long\"}", 422, "wrong_type", "a number"},
		{"{\"type\":\"train\",\"dataset\":\"%s\",\"prio\":1}", 422, "unknown_field", "prio"},
	};
	char body[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(body, sizeof body, cases[i].body, dataset, model);
#pragma GCC diagnostic pop
		assert_refused("POST", "/v1/jobs", body, cases[i].status, cases[i].code, cases[i].part);
		assert_refused("POST", "/v1/jobs?dry_run=1", body, cases[i].status, cases[i].code, cases[i].part);
	}
	assert_refused("POST", "/v1/jobs?dry_run=2", "{}", 400, "bad_query_parameter", "dry_run");
}

static void
a_data_set_that_does_not_fit_the_model_is_refused_at_once(void **state)
{
	static const struct {
		const char *csv, *label, *type;
		int status;
		const char *code, *part;
	} cases[] = {
		{"x,colour,label\n1,red,a\n", "label", "batch_predict", 422, "missing_column", "\"y\""},
		{"x,y,colour,label\n1,2,red,a\n1,far,red,b\n", "label", "batch_predict", 422, "not_a_number", "far"},
		{"x,y,colour\n1,2,red\n", NULL, "evaluate", 422, "no_label_column", NULL},
		{"x,y,colour,label\n1,2,red,\n", "label", "evaluate", 422, "no_labels", NULL},
	};
	char ds[API_ID_SIZE], body[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf csv = {0};

		buf_puts(&csv, cases[i].csv);
		api_upload(&d, &csv, cases[i].label, ds);
		buf_release(&csv);
		snprintf(body, sizeof body, "{\"type\":\"%s\",\"dataset\":\"%s\",\"model\":\"%s\"}", cases[i].type, ds,
			model);
		assert_refused("POST", "/v1/jobs", body, cases[i].status, cases[i].code, cases[i].part);
		assert_refused("POST", "/v1/jobs?dry_run=1", body, cases[i].status, cases[i].code, cases[i].part);
	}
}

static void
unknown_jobs_are_not_found_by_any_route(void **state)
{
	static const char *const posts[] = {"/cancel", "/pause", "/resume"};
	static const char *const gets[] = {"", "/events", "/metrics", "/result"};

	(void)state;
	for (size_t i = 0; i < sizeof posts / sizeof *posts; i++)
		assert_refused("POST", path_of("job_nobody", posts[i]), NULL, 404, "job_not_found", NULL);
	for (size_t i = 0; i < sizeof gets / sizeof *gets; i++)
		assert_refused("GET", path_of("job_nobody", gets[i]), NULL, 404, "job_not_found", NULL);
	assert_problem(call_with("GET", path_of("job_nobody", "/events"), "Accept: text/event-stream\r\n", NULL), 404,
		"job_not_found", NULL);
	assert_problem(
		call_with("GET", path_of("job_nobody", ""), "Prefer: wait=9\r\n", NULL), 404, "job_not_found", NULL);
}

/* Dry runs -------------------------------------------------------------------------------------------------------- */

static void
a_dry_run_estimates_and_queues_nothing(void **state)
{
	static const char *const types[] = {"train", "evaluate", "batch_predict"};
	size_t before = api_count(&d, "jobs");
	char body[512];

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		const cJSON *estimate;
		cJSON *json;

		snprintf(body, sizeof body, "{\"type\":\"%s\",\"dataset\":\"%s\",\"max_seconds\":1%s%s%s}", types[i],
			i ? large : dataset, i ? ",\"model\":\"" : ",\"params\":{\"steps\":100000", i ? model : "",
			i ? "\"" : "}");
		json = api_call(&d, "POST", "/v1/jobs?dry_run=1", body, 200);
		estimate = get(json, "estimate");
		assert_true(api_number(estimate, "seconds") > 0);
		assert_true(api_number(estimate, "memory_bytes") > 10000);
		assert_int_equal(api_number(estimate, "rows"), i == 0 ? 180 : i == 1 ? 30 : 150000);
		if (!i) {
			assert_true(api_number(estimate, "steps") > 100000);
			assert_true(cJSON_IsFalse(get(estimate, "within_max_seconds")));
			assert_true(cJSON_IsArray(get(get(json, "params"), "hidden_layers"))); /* resolved */
		}
		assert_true(cJSON_IsNumber(get(get(json, "queue"), "queued")));
		cJSON_Delete(json);
	}
	assert_int_equal(api_count(&d, "jobs"), before);
}

/* Tables on which some number is 0 or all: no label column, no labels, all labels; and what they cannot do. */
static void
a_dry_run_takes_every_table_that_a_job_takes(void **state)
{
	static const struct {
		size_t n_labelled;
		const char *label, *params;
		const char *code; /* NULL: it can be done */
	} cases[] = {
		{60, "label", "", NULL},
		{60, "label", "\"method\":\"supervised\"", NULL},
		{60, "label", "\"holdout_fraction\":0,\"evaluation_folds\":0", NULL},
		{0, "label", "", NULL},
		{0, NULL, "", NULL},
		{0, NULL, "\"method\":\"supervised\"", "no_label_column"},
		{1, "label", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf csv = {0};
		char ds[API_ID_SIZE], body[512], id[API_ID_SIZE];
		double steps;
		cJSON *json;

		blobs_csv(&csv, 60, cases[i].n_labelled, cases[i].label != NULL);
		api_upload(&d, &csv, cases[i].label, ds);
		buf_release(&csv);
		snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"steps\":40%s%s}}", ds,
			cases[i].params[0] ? "," : "", cases[i].params);
		if (cases[i].code) {
			assert_refused("POST", "/v1/jobs?dry_run=1", body, 422, cases[i].code, NULL);
			continue;
		}
		json = api_call(&d, "POST", "/v1/jobs?dry_run=1", body, 200);
		steps = api_number(get(json, "estimate"), "steps");
		cJSON_Delete(json);
		json = api_call(&d, "POST", "/v1/jobs", body, 202);
		snprintf(id, sizeof id, "%s", api_text(json, "id"));
		cJSON_Delete(json);
		json = api_wait(&d, id, "succeeded");
		assert_true(api_number(json, "steps") == steps);
		cJSON_Delete(json);
	}
}

/* The same request twice ------------------------------------------------------------------------------------------ */

static void
a_key_makes_a_request_safe_to_repeat(void **state)
{
	char body[512], other[512], id[API_ID_SIZE], location[128];
	struct http_answer first, again;
	size_t before = api_count(&d, "jobs");
	cJSON *json;

	(void)state;
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{" ENDLESS "}}", dataset);
	snprintf(other, sizeof other, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{" ENDLESS ",\"seed\":2}}",
		dataset);
	assert_problem(call_with("POST", "/v1/jobs", "Idempotency-Key: \"k-1\"\r\n", "{\"type\":\"train\"}"), 422,
		"missing_field", NULL); /* a refusal does not use the key */
	first = call_with("POST", "/v1/jobs", "Idempotency-Key: \"k-1\"\r\n", body);
	assert_int_equal(first.status, 202);
	json = cJSON_Parse(first.body);
	snprintf(id, sizeof id, "%s", api_text(json, "id"));
	cJSON_Delete(json);
	for (int i = 0; i < 2; i++) {
		again = call_with(
			"POST", "/v1/jobs", i ? "Idempotency-Key: k-1\r\n" : "Idempotency-Key: \"k-1\"\r\n", body);
		assert_int_equal(again.status, 202);
		assert_string_equal(again.body, first.body);
		assert_string_equal(http_answer_header(&again, "Location", location, sizeof location), path_of(id, ""));
		http_answer_release(&again);
		if (!i) { /* and it is kept, whatever happens */
			daemon_kill(&d);
			assert_true(daemon_start(&d));
		}
	}
	assert_int_equal(api_count(&d, "jobs"), before + 1);
	assert_problem(
		call_with("POST", "/v1/jobs", "Idempotency-Key: k-1\r\n", other), 422, "idempotency_key_reused", NULL);
	again = call_with("POST", "/v1/jobs", "Idempotency-Key: k-2\r\n", other);
	assert_int_equal(again.status, 202);
	json = cJSON_Parse(again.body);
	http_answer_release(&again);
	http_answer_release(&first);
	cancel(id);
	cancel(api_text(json, "id"));
	cJSON_Delete(json);
	assert_int_equal(api_count(&d, "jobs"), before + 2);
}

static void
a_key_that_is_none_is_refused(void **state)
{
	char header[512], body[128], longest[300];

	(void)state;
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\"}", dataset);
	memset(longest, 'k', sizeof longest);
	longest[256] = '\0';
	snprintf(header, sizeof header, "Idempotency-Key: %s\r\n", longest);
	assert_problem(call_with("POST", "/v1/jobs", header, body), 400, "bad_idempotency_key", NULL);
	assert_problem(
		call_with("POST", "/v1/jobs", "Idempotency-Key: \"\"\r\n", body), 400, "bad_idempotency_key", NULL);
	assert_problem(
		call_with("POST", "/v1/jobs", "Idempotency-Key: a b\r\n", body), 400, "bad_idempotency_key", NULL);
}

/* The queue ------------------------------------------------------------------------------------------------------- */

static void
the_higher_priority_goes_first(void **state)
{
	char running[API_ID_SIZE], id[3][API_ID_SIZE], body[512];
	static const int priority[] = {-1, 0, 7};

	(void)state;
	api_train(&d, dataset, ENDLESS, running); /* the one worker is busy */
	api_wait_for_steps(&d, running);
	for (size_t i = 0; i < 3; i++) {
		snprintf(body, sizeof body,
			"{\"type\":\"evaluate\",\"dataset\":\"%%s\",\"model\":\"%%s\",\"priority\":%d}", priority[i]);
		start(body, dataset, id[i]);
	}
	cancel(running);
	for (size_t i = 0; i < 3; i++) {
		cJSON *json = api_wait(&d, id[i], "succeeded");

		assert_int_equal(api_number(json, "priority"), priority[i]);
		snprintf(id[i], sizeof id[i], "%s", api_text(json, "started_at"));
		cJSON_Delete(json);
	}
	assert_true(strcmp(id[2], id[1]) <= 0 && strcmp(id[1], id[0]) <= 0);
}

static void
a_full_queue_is_a_429_that_says_when_to_come_back(void **state)
{
	char running[API_ID_SIZE], body[256];
	struct http_answer a;
	struct daemon own;
	struct buf csv = {0};
	char ds[API_ID_SIZE];

	(void)state;
	setenv("VERAD_MAX_QUEUED", "2", 1);
	assert_true(daemon_make(&own) && daemon_start(&own));
	unsetenv("VERAD_MAX_QUEUED");
	blobs_csv(&csv, 60, 10, true);
	api_upload(&own, &csv, "label", ds);
	buf_release(&csv);
	api_train(&own, ds, ENDLESS, running);
	api_wait_for_steps(&own, running);
	for (int i = 0; i < 2; i++)
		api_train(&own, ds, ENDLESS, running);
	/* A paused job holds its place. */
	cJSON_Delete(api_call(&own, "POST", path_of(running, "/pause"), NULL, 202));
	cJSON_Delete(api_wait(&own, running, "paused"));
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\"}", ds);
	a = http_call(own.port, "POST", "/v1/jobs", "application/json", body, strlen(body));
	assert_header(&a, "Retry-After", "10");
	assert_problem(a, 429, "queue_full", "2 jobs");
	assert_int_equal(daemon_stop(&own), 0);
	daemon_remove(&own);
}

static void
a_job_that_reaches_max_seconds_fails_and_says_so(void **state)
{
	char id[API_ID_SIZE];
	cJSON *json;

	(void)state;
	start("{\"type\":\"train\",\"dataset\":\"%s\",\"max_seconds\":1,\"params\":{" ENDLESS "}}", dataset, id);
	json = api_call(&d, "GET", path_of(id, ""), NULL, 200);
	while (strcmp(api_text(json, "state"), "failed")) {
		cJSON_Delete(json);
		usleep(20000);
		json = api_call(&d, "GET", path_of(id, ""), NULL, 200);
	}
	assert_string_equal(api_text(get(json, "error"), "code"), "time_limit");
	assert_true(api_number(json, "max_seconds") == 1);
	assert_true(cJSON_IsNull(get(json, "model")));
	cJSON_Delete(json);
}

/* Pausing --------------------------------------------------------------------------------------------------------- */

static void
a_paused_run_goes_on_and_ends_in_the_same_model(void **state)
{
	static const char params[] = API_SMALL_NET ",\"steps\":80000,\"evaluation_folds\":0";
	static const char rows[] = "x,y,colour\n0.1,0.2,red\n5,1,green\n2,2,blue\n";
	char id[API_ID_SIZE], *want = NULL;

	(void)state;
	for (int paused = 0; paused < 2; paused++) {
		cJSON *json;
		char *got;

		api_train(&d, dataset, params, id);
		if (paused) {
			api_wait_for_steps(&d, id);
			cJSON_Delete(api_call(&d, "POST", path_of(id, "/pause"), NULL, 202));
			json = api_wait(&d, id, "paused");
			assert_true(api_number(json, "step") > 0);
			assert_true(cJSON_IsNull(get(json, "eta_seconds")));
			cJSON_Delete(json);
			cJSON_Delete(api_call(&d, "POST", path_of(id, "/pause"), NULL, 200));
			daemon_kill(&d); /* what is paused stays so */
			assert_true(daemon_start(&d));
			json = api_call(&d, "GET", path_of(id, ""), NULL, 200);
			assert_string_equal(api_text(json, "state"), "paused");
			assert_int_equal(api_number(json, "attempt"), 1);
			cJSON_Delete(json);
			cJSON_Delete(api_call(&d, "POST", path_of(id, "/resume"), NULL, 202));
			cJSON_Delete(api_call(&d, "POST", path_of(id, "/resume"), NULL, 200));
		}
		json = api_wait(&d, id, "succeeded");
		got = api_predict_csv(&d, api_text(json, "model"), "predict", rows);
		cJSON_Delete(json);
		if (want)
			assert_string_equal(got, want);
		free(want);
		want = got;
	}
	free(want);
	assert_true(has_event(id, "resumed_from_checkpoint"));
	assert_refused("POST", path_of(id, "/pause"), NULL, 409, "job_finished", "succeeded");
	assert_refused("POST", path_of(id, "/resume"), NULL, 409, "job_finished", NULL);
}

static void
queued_and_paused_jobs_are_paused_and_cancelled_at_once(void **state)
{
	char running[API_ID_SIZE], id[API_ID_SIZE];
	cJSON *json;

	(void)state;
	api_train(&d, dataset, ENDLESS, running);
	api_wait_for_steps(&d, running);
	api_train(&d, dataset, ENDLESS, id);
	json = api_call(&d, "POST", path_of(id, "/pause"), NULL, 202);
	assert_string_equal(api_text(json, "state"), "paused");
	cJSON_Delete(json);
	assert_refused("DELETE", path_of(id, ""), NULL, 409, "job_not_finished", "paused");
	json = api_call(&d, "POST", path_of(id, "/cancel"), NULL, 202);
	assert_string_equal(api_text(json, "state"), "cancelled");
	cJSON_Delete(json);
	cJSON_Delete(api_call(&d, "POST", path_of(id, "/cancel"), NULL, 200));
	assert_refused("POST", path_of(id, "/resume"), NULL, 409, "job_finished", "was cancelled");
	cJSON_Delete(api_call(&d, "DELETE", path_of(id, ""), NULL, 204));
	cancel(running);
}

/* Following ------------------------------------------------------------------------------------------------------- */

static void
a_preferred_wait_answers_with_the_end(void **state)
{
	char id[API_ID_SIZE], body[512];
	struct http_answer a;
	cJSON *json;

	(void)state;
	snprintf(body, sizeof body, EVALUATE, dataset, model);
	a = call_with("POST", "/v1/jobs", "Prefer: respond-async, wait=60\r\n", body);
	assert_int_equal(a.status, 200);
	assert_header(&a, "Preference-Applied", "wait=60");
	json = cJSON_Parse(a.body);
	assert_string_equal(api_text(json, "state"), "succeeded");
	cJSON_Delete(json);
	http_answer_release(&a);

	/* For sixty seconds it waits if need be, as it may with a sanitizer, and no shorter. */
	start(BATCH, large, id);
	for (bool ended = false; !ended;) {
		time_t from = time(NULL);

		a = call_with("GET", path_of(id, ""), "Prefer: wait=100000\r\n", NULL);
		assert_int_equal(a.status, 200);
		assert_header(&a, "Preference-Applied", "wait=60");
		json = cJSON_Parse(a.body);
		ended = !strcmp(api_text(json, "state"), "succeeded");
		assert_true(ended || (!strcmp(api_text(json, "state"), "running") && time(NULL) - from >= 59));
		cJSON_Delete(json);
		http_answer_release(&a);
	}

	/* One that lasts longer is answered as it is then. */
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{" ENDLESS "}}", dataset);
	a = call_with("POST", "/v1/jobs", "Prefer: wait=1\r\n", body);
	assert_int_equal(a.status, 202);
	json = cJSON_Parse(a.body);
	http_answer_release(&a);
	a = call_with("GET", path_of(api_text(json, "id"), ""), "Prefer: wait=soon\r\n", NULL); /* no preference */
	assert_int_equal(a.status, 200);
	assert_null(http_answer_header(&a, "Preference-Applied", body, sizeof body));
	http_answer_release(&a);
	cancel(api_text(json, "id"));
	cJSON_Delete(json);
}

/* Reads a stream until `what` has come, or its end (NULL). What came is NUL-terminated. */
static void
read_stream(int fd, struct buf *got, const char *what)
{
	char piece[4096];
	ssize_t n = 1;

	for (;;) {
		if (what && got->len && memmem(got->data, got->len, what, strlen(what)))
			break;
		if ((n = recv(fd, piece, sizeof piece, 0)) <= 0)
			break;
		buf_put(got, piece, (size_t)n);
	}
	if (what && n <= 0)
		fail_msg("the stream ended without %s", what);
	buf_put_u8(got, 0);
	got->len--;
}

static int
open_stream(const struct daemon *of, const char *id, const char *headers)
{
	int fd = http_dial(of->port);
	char head[512];

	assert_true(fd >= 0);
	snprintf(head, sizeof head,
		"GET /v1/jobs/%s/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		"Accept: text/event-stream\r\n%s\r\n",
		id, headers);
	assert_true(http_send_text(fd, head));
	return fd;
}

static size_t
count(const struct buf *in, const char *what)
{
	size_t n = 0;

	for (const char *at = (const char *)in->data; (at = strstr(at, what)); at += strlen(what))
		n++;
	return n;
}

static void
the_event_stream_tells_everything_once_and_ends_with_the_job(void **state)
{
	char id[API_ID_SIZE], header[64], last[32];
	struct buf got = {0}, rest = {0};
	struct http_answer a;
	cJSON *json;
	int fd, n_events;

	(void)state;
	api_train(&d, dataset, API_SMALL_NET ",\"steps\":20000,\"evaluation_folds\":0", id);
	fd = open_stream(&d, id, "");
	read_stream(fd, &got, "\"code\":\"started\"");
	assert_non_null(strstr((char *)got.data, "Content-Type: text/event-stream"));
	assert_non_null(strstr((char *)got.data, "Cache-Control: no-store"));
	assert_non_null(strstr((char *)got.data, "retry: "));
	read_stream(fd, &got, "event: progress");
	close(fd); /* cut off, and taken up again behind what came */
	fd = open_stream(&d, id, "Last-Event-ID: 2\r\n");
	read_stream(fd, &rest, NULL);
	close(fd);
	assert_null(strstr((char *)rest.data, "id: 2\n"));
	json = api_call(&d, "GET", path_of(id, "/events?limit=1000"), NULL, 200);
	n_events = cJSON_GetArraySize(get(json, "events"));
	cJSON_Delete(json);
	assert_int_equal(count(&rest, "\nid: ") + 2, n_events);
	assert_int_equal(count(&rest, "\"code\":\"succeeded\""), 1);
	assert_non_null(strstr((char *)rest.data, "event: progress\ndata: {\"state\":\"running\""));
	buf_release(&got);
	buf_release(&rest);

	/* Nothing is left to tell: a 204 keeps an EventSource from asking for ever. */
	snprintf(header, sizeof header, "Accept: text/event-stream\r\nLast-Event-ID: %d\r\n", n_events);
	a = call_with("GET", path_of(id, "/events"), header, NULL);
	assert_int_equal(a.status, 204);
	http_answer_release(&a);
	/* From the start once more, after the end. */
	fd = open_stream(&d, id, "");
	read_stream(fd, &got, NULL);
	close(fd);
	snprintf(last, sizeof last, "\nid: %d\n", n_events);
	assert_non_null(strstr((char *)got.data, last));
	assert_int_equal(count(&got, "\nid: "), n_events);
	buf_release(&got);
}

static void
too_many_streams_are_refused_and_others_still_served(void **state)
{
	enum { MOST = 256 };
	char id[API_ID_SIZE], text[128];
	int fd[MOST];
	struct http_answer a;

	(void)state;
	api_train(&d, dataset, ENDLESS, id);
	for (size_t i = 0; i < MOST; i++) {
		struct buf got = {0};

		fd[i] = open_stream(&d, id, "");
		read_stream(fd[i], &got, "retry: ");
		buf_release(&got);
	}
	assert_problem(call_with("GET", path_of(id, "/events"), "Accept: text/event-stream\r\n", NULL), 503,
		"too_many_waiting", "256");
	a = call_with("GET", path_of(id, ""), "Prefer: wait=60\r\n", NULL); /* at once */
	assert_int_equal(a.status, 200);
	assert_null(http_answer_header(&a, "Preference-Applied", text, sizeof text));
	http_answer_release(&a);
	for (size_t i = 0; i < MOST; i++)
		close(fd[i]);
	cancel(id);
}

static void
the_numbers_of_a_run_come_in_pages(void **state)
{
	size_t n = 0, n_pages = 0;
	double next = 0;
	char query[64];

	(void)state;
	for (bool more = true; more; n_pages++) {
		cJSON *json;
		const cJSON *point;

		snprintf(query, sizeof query, "/metrics?limit=20&after=%.0f", next);
		json = api_call(&d, "GET", path_of(job, query), NULL, 200);
		cJSON_ArrayForEach(point, get(json, "points"))
		{
			assert_true(api_number(point, "step") > next);
			next = api_number(point, "step");
			assert_true(cJSON_IsNumber(get(get(point, "values"), "loss")));
			n++;
		}
		if ((more = !cJSON_IsNull(get(json, "next"))))
			assert_true(api_number(json, "next") == next);
		cJSON_Delete(json);
	}
	assert_true(n > 30 && n_pages == (n + 19) / 20);
	assert_refused("GET", path_of(job, "/metrics?limit=0"), NULL, 400, "bad_query_parameter", "limit");
}

/* The last ones: a stop, and its failures must be seen. */
static void
a_stop_ends_streams_and_waits_and_keeps_the_jobs(void **state)
{
	char id[API_ID_SIZE];
	struct buf got = {0};
	struct http_answer a;
	int fd, waiting;
	cJSON *json;

	(void)state;
	api_train(&d, dataset, ENDLESS, id);
	fd = open_stream(&d, id, "");
	read_stream(fd, &got, "event: progress");
	waiting = http_dial(d.port);
	assert_true(http_send_text(waiting, "GET "));
	assert_true(http_send_text(waiting, path_of(id, "")));
	assert_true(http_send_text(waiting, " HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n"));
	usleep(200000); /* it has come in, most likely; if not it is refused, which is as good an end */
	assert_int_equal(daemon_stop(&d), 0);
	read_stream(fd, &got, NULL);
	a = http_receive(waiting, false);
	close(fd);
	close(waiting);
	http_answer_release(&a);
	buf_release(&got);
	assert_true(daemon_start(&d));
	json = api_call(&d, "GET", path_of(id, ""), NULL, 200);
	assert_int_equal(api_number(json, "attempt"), 1);
	cJSON_Delete(json);
	cancel(id);
	assert_int_equal(daemon_stop(&d), 0);
}

static int
set_up(void **state)
{
	struct buf csv = {0};
	cJSON *json;

	if (!api_group_begin(&d, &document, state))
		return 1;
	blobs_csv(&csv, 60, 10, true);
	api_upload(&d, &csv, "label", dataset);
	buf_clear(&csv);
	blobs_csv(&csv, 50000, 10, true);
	api_upload(&d, &csv, "label", large);
	buf_release(&csv);
	blobs_csv(&large_rows, 50000, 10, false);
	buf_put_u8(&large_rows, 0);
	api_train(&d, dataset, "\"hidden_layers\":[256,256],\"generator_layers\":[16],\"noise_dim\":2,\"steps\":120",
		job);
	json = api_wait(&d, job, "succeeded");
	snprintf(model, sizeof model, "%s", api_text(json, "model"));
	cJSON_Delete(json);
	return 0;
}

static int
tear_down(void **state)
{
	buf_release(&large_rows);
	return api_group_end(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_evaluation_measures_known_labels_and_sets_foreign_ones_apart),
		cmocka_unit_test(a_batch_answers_as_the_predict_route_does),
		cmocka_unit_test(a_batch_has_attributions_where_they_are_asked_for),
		cmocka_unit_test(a_batch_that_pauses_and_is_killed_has_every_row_once),
		cmocka_unit_test(a_result_of_a_cancelled_job_is_not_to_be_had),
		cmocka_unit_test(what_cannot_run_is_refused_at_once),
		cmocka_unit_test(a_data_set_that_does_not_fit_the_model_is_refused_at_once),
		cmocka_unit_test(unknown_jobs_are_not_found_by_any_route),
		cmocka_unit_test(a_dry_run_estimates_and_queues_nothing),
		cmocka_unit_test(a_dry_run_takes_every_table_that_a_job_takes),
		cmocka_unit_test(a_key_makes_a_request_safe_to_repeat),
		cmocka_unit_test(a_key_that_is_none_is_refused),
		cmocka_unit_test(the_higher_priority_goes_first),
		cmocka_unit_test(a_full_queue_is_a_429_that_says_when_to_come_back),
		cmocka_unit_test(a_job_that_reaches_max_seconds_fails_and_says_so),
		cmocka_unit_test(a_paused_run_goes_on_and_ends_in_the_same_model),
		cmocka_unit_test(queued_and_paused_jobs_are_paused_and_cancelled_at_once),
		cmocka_unit_test(a_preferred_wait_answers_with_the_end),
		cmocka_unit_test(the_event_stream_tells_everything_once_and_ends_with_the_job),
		cmocka_unit_test(too_many_streams_are_refused_and_others_still_served),
		cmocka_unit_test(the_numbers_of_a_run_come_in_pages),
		cmocka_unit_test(a_stop_ends_streams_and_waits_and_keeps_the_jobs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
