/* api_client: see api_client.h. */
#include "tests/support/api_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

void
blobs_csv(struct buf *out, size_t n_rows, size_t n_labelled, bool with_label)
{
	static const double x[] = {0, 6, 0}, y[] = {0, 0, 6};
	static const char *const colour[] = {"red", "green", "blue"};
	uint32_t random = 1;

	buf_puts(out, with_label ? "x,y,colour,label\n" : "x,y,colour\n");
	for (size_t i = 0; i < n_rows; i++) {
		for (size_t k = 0; k < 3; k++) {
			double noise[2];

			for (size_t j = 0; j < 2; j++) {
				random = random * 1664525 + 1013904223;
				noise[j] = (double)(random >> 8) / (1 << 24) * 2 - 1;
			}
			buf_printf(out, "%.4f,%.4f,%s", x[k] + noise[0], y[k] + noise[1], colour[(k + i % 2) % 3]);
			if (with_label)
				buf_printf(out, ",%s", i < n_labelled ? (const char *[]){"a", "b", "c"}[k] : "");
			buf_puts(out, "\n");
		}
	}
	assert_false(out->failed);
}

cJSON *
api_call(const struct daemon *d, const char *method, const char *target, const char *body, int want_status)
{
	struct http_answer a = http_call(
		d->port, method, target, body ? "application/json" : NULL, body, body ? strlen(body) : 0);
	cJSON *json;

	if (a.status != want_status)
		fail_msg("%s %s: status %d, not %d: %s", method, target, a.status, want_status, a.body ? a.body : "");
	json = cJSON_Parse(a.body);
	if (!json && a.status != 204)
		fail_msg("%s %s: no JSON: %s", method, target, a.body);
	http_answer_release(&a);
	return json;
}

const char *
api_text(const cJSON *object, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsString(v) ? v->valuestring : "";
}

double
api_number(const cJSON *object, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsNumber(v))
		fail_msg("\"%s\" is no number", name);
	return v->valuedouble;
}

size_t
api_count(const struct daemon *d, const char *list)
{
	char target[64];
	size_t n;
	cJSON *json;

	snprintf(target, sizeof target, "/v1/%s", list);
	json = api_call(d, "GET", target, NULL, 200);
	n = (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, list));
	cJSON_Delete(json);
	return n;
}

void
api_upload(const struct daemon *d, const struct buf *csv, const char *label_column, char id[API_ID_SIZE])
{
	char target[256];
	struct http_answer a;
	cJSON *json;

	snprintf(target, sizeof target, "/v1/datasets?name=test%s%s", label_column ? "&label_column=" : "",
		label_column ? label_column : "");
	a = http_call(d->port, "POST", target, "text/csv", csv->data, csv->len);
	if (a.status != 201)
		fail_msg("upload: status %d: %s", a.status, a.body ? a.body : "");
	json = cJSON_Parse(a.body);
	snprintf(id, API_ID_SIZE, "%s", api_text(json, "id"));
	cJSON_Delete(json);
	http_answer_release(&a);
}

void
api_train(const struct daemon *d, const char *dataset, const char *params, char job[API_ID_SIZE])
{
	char body[1024];
	cJSON *json;

	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{%s}}", dataset, params);
	json = api_call(d, "POST", "/v1/jobs", body, 202);
	snprintf(job, API_ID_SIZE, "%s", api_text(json, "id"));
	cJSON_Delete(json);
}

cJSON *
api_wait(const struct daemon *d, const char *job, const char *state)
{
	char target[128];

	snprintf(target, sizeof target, "/v1/jobs/%s", job);
	for (int i = 0; i < 30000; i++) {
		cJSON *json = api_call(d, "GET", target, NULL, 200);
		const char *now = api_text(json, "state");

		if (!strcmp(now, state))
			return json;
		if (!strcmp(now, "succeeded") || !strcmp(now, "failed") || !strcmp(now, "cancelled")) {
			char *text = cJSON_PrintUnformatted(json);

			fail_msg("the job did not become %s: %s", state, text);
		}
		cJSON_Delete(json);
		usleep(20000);
	}
	fail_msg("the job is still not %s", state);
	return NULL;
}

void
api_wait_for_steps(const struct daemon *d, const char *job)
{
	char target[128];

	snprintf(target, sizeof target, "/v1/jobs/%s", job);
	for (int i = 0; i < 60000; i++) {
		cJSON *json = api_call(d, "GET", target, NULL, 200);
		const char *state = api_text(json, "state");
		bool running = !strcmp(state, "running"), stepped = running && api_number(json, "step") > 0;

		if (!running && strcmp(state, "queued") && strcmp(state, "validating"))
			fail_msg("the job was over before it was seen at work: it needs more steps");
		cJSON_Delete(json);
		if (stepped)
			return;
		usleep(10000);
	}
	fail_msg("the job does no steps");
}

char *
api_predict_csv(const struct daemon *d, const char *model, const char *what, const char *csv)
{
	struct http_answer a;
	char target[128], *text;

	snprintf(target, sizeof target, "/v1/models/%s/%s", model, what);
	a = http_call(d->port, "POST", target, "text/csv", csv, strlen(csv));
	if (a.status != 200)
		fail_msg("%s: status %d: %s", target, a.status, a.body ? a.body : "");
	text = a.body;
	a.body = NULL;
	http_answer_release(&a);
	return text;
}
