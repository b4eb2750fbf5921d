/*
 * Models over a real socket: names with versions and aliases, thresholds that are changed without training again, and
 * artefacts that leave one place and arrive in another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "schema/export.h"
#include "server/store.h"
#include "tests/support/api_group.h"
#include "tests/support/contract.h"

static cJSON *document; /* of the API */
static struct daemon d;
static char dataset[API_ID_SIZE], first[API_ID_SIZE], second[API_ID_SIZE]; /* the versions of "blobs" */

static const char rows[] = "x,y,colour\n1,2,red\n-3,0.5,green\n40,-40,mauve\n,,\n";

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void
assert_refused(const char *method, const char *target, const char *type, const void *body, size_t n, int status,
	const char *code)
{
	struct http_answer a = http_call(d.port, method, target, type, body, n);
	cJSON *problem = cJSON_Parse(a.body);
	char why[512];

	if (a.status != status || strcmp(api_text(problem, "code"), code))
		fail_msg("%s %s: not %d %s but %d: %s", method, target, status, code, a.status, a.body);
	if (!contract_fits_named(document, "Problem", problem, why, sizeof why))
		fail_msg("not a problem as described: %s: %s", why, a.body);
	cJSON_Delete(problem);
	http_answer_release(&a);
}

static void
assert_json_refused(const char *method, const char *target, const char *body, int status, const char *code)
{
	assert_refused(method, target, body ? "application/json" : NULL, body, body ? strlen(body) : 0, status, code);
}

static void
assert_is(const char *ref, const char *id)
{
	char target[160];
	cJSON *json;

	snprintf(target, sizeof target, "/v1/models/%s", ref);
	json = api_call(&d, "GET", target, NULL, 200);
	assert_string_equal(api_text(json, "id"), id);
	cJSON_Delete(json);
}

static void
train(const char *seed, const char *name, char model[API_ID_SIZE])
{
	char body[512], job[API_ID_SIZE];
	cJSON *json;

	snprintf(body, sizeof body,
		"{\"type\":\"train\",\"dataset\":\"%s\",\"model\":\"%s\",\"params\":{\"seed\":%s,"
		"\"steps\":60,\"evaluation_folds\":0,%s}}",
		dataset, name, seed, API_SMALL_NET);
	json = api_call(&d, "POST", "/v1/jobs", body, 202);
	assert_string_equal(api_text(json, "model_name"), name);
	snprintf(job, sizeof job, "%s", api_text(json, "id"));
	cJSON_Delete(json);
	json = api_wait(&d, job, "succeeded");
	snprintf(model, API_ID_SIZE, "%s", api_text(json, "model"));
	cJSON_Delete(json);
}

/* Names ----------------------------------------------------------------------------------------------------------- */

static void
a_named_model_is_known_by_its_versions(void **state)
{
	char *by_id, *by_name;
	cJSON *json;

	(void)state;
	assert_is("blobs", second);
	assert_is("blobs@1", first);
	assert_is("blobs@latest", second);
	assert_is("blobs/versions/1", first);
	json = api_call(&d, "GET", "/v1/models/blobs@1", NULL, 200);
	assert_string_equal(api_text(json, "name"), "blobs");
	assert_int_equal(api_number(json, "version"), 1);
	assert_int_equal(cJSON_GetArraySize(get(json, "aliases")), 0);
	assert_string_equal(api_text(json, "dataset"), dataset);
	cJSON_Delete(json);
	by_id = api_predict_csv(&d, first, "predict", rows);
	by_name = api_predict_csv(&d, "blobs@1", "predict", rows);
	assert_string_equal(by_id, by_name);
	free(by_id);
	free(by_name);
	json = api_call(&d, "GET", "/v1/models/blobs/versions?limit=1", NULL, 200);
	assert_int_equal(api_number(json, "latest"), 2);
	assert_int_equal(cJSON_GetArraySize(get(json, "versions")), 1);
	assert_int_equal(api_number(json, "next"), 2);
	cJSON_Delete(json);
	json = api_call(&d, "GET", "/v1/models/blobs/versions?after=2", NULL, 200);
	assert_string_equal(api_text(get(json, "versions")->child, "id"), first);
	assert_true(cJSON_IsNull(get(json, "next")));
	cJSON_Delete(json);
	assert_json_refused("GET", "/v1/models/blobs@3", NULL, 404, "model_not_found");
	assert_json_refused("GET", "/v1/models/blobs@production", NULL, 404, "model_not_found");
	assert_json_refused("GET", "/v1/models/nobody", NULL, 404, "model_not_found");
	assert_json_refused("GET", "/v1/models/blobs/versions?after=x", NULL, 400, "bad_query_parameter");
}

static void
an_alias_moves_while_it_serves(void **state)
{
	char *at_1, *at_2, *now;

	(void)state;
	at_1 = api_predict_csv(&d, "blobs@1", "predict", rows);
	at_2 = api_predict_csv(&d, "blobs@2", "predict", rows);
	assert_string_not_equal(at_1, at_2);
	cJSON_Delete(api_call(&d, "PATCH", "/v1/models/blobs", "{\"aliases\":{\"production\":1}}", 200));
	now = api_predict_csv(&d, "blobs@production", "predict", rows);
	assert_string_equal(now, at_1);
	free(now);
	cJSON_Delete(api_call(&d, "PATCH", "/v1/models/blobs", "{\"aliases\":{\"production\":2,\"previous\":1}}", 200));
	now = api_predict_csv(&d, "blobs@production", "predict", rows);
	assert_string_equal(now, at_2);
	free(now);
	assert_is("blobs/versions/previous", first);
	assert_json_refused("DELETE", "/v1/models/blobs@1", NULL, 409, "model_has_aliases");
	assert_json_refused(
		"PATCH", "/v1/models/blobs", "{\"aliases\":{\"previous\":2,\"canary\":9}}", 404, "model_not_found");
	assert_is("blobs@previous", first);
	cJSON_Delete(api_call(
		&d, "PATCH", "/v1/models/blobs", "{\"aliases\":{\"production\":null,\"previous\":null}}", 200));
	assert_json_refused("GET", "/v1/models/blobs@production", NULL, 404, "model_not_found");
	free(at_1);
	free(at_2);
}

static void
changes_of_names_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *body;
		int status;
		const char *code;
	} bad[] = {
		{"{}", 422, "missing_field"},
		{"{\"name\":\"a\",\"aliases\":{}}", 422, "missing_field"},
		{"{\"aliases\":[]}", 422, "wrong_type"},
		{"{\"aliases\":{\"production\":0}}", 422, "wrong_type"},
		{"{\"aliases\":{\"production\":1.5}}", 422, "wrong_type"},
		{"{\"aliases\":{\"production\":\"1\"}}", 422, "wrong_type"},
		{"{\"aliases\":{\"3\":1}}", 422, "bad_alias"},
		{"{\"aliases\":{\"latest\":1}}", 422, "bad_alias"},
		{"{\"name\":\"other\"}", 409, "model_has_name"},
		{"{\"alias\":{}}", 422, "unknown_field"},
		{"{", 400, "malformed_json"},
	};
	char body[256];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_json_refused("PATCH", "/v1/models/blobs", bad[i].body, bad[i].status, bad[i].code);
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"model\":\"mdl_x\"}", dataset);
	assert_json_refused("POST", "/v1/jobs", body, 422, "bad_model_name");
	assert_json_refused("DELETE", "/v1/models/blobs", NULL, 409, "model_is_ambiguous");
}

/* Thresholds ------------------------------------------------------------------------------------------------------ */

static int
n_called_ood(const char *model)
{
	char *text = api_predict_csv(&d, model, "predict", rows);
	int n = 0;

	for (const char *at = text; (at = strstr(at, ",true\n")); at++)
		n++;
	free(text);
	return n;
}

static struct http_answer
artifact(const char *model)
{
	struct http_answer a;
	char target[128];

	snprintf(target, sizeof target, "/v1/models/%s/artifact", model);
	a = http_call(d.port, "GET", target, NULL, NULL, 0);
	assert_int_equal(a.status, 200);
	return a;
}

static cJSON *
set_threshold(const char *body)
{
	cJSON *json = api_call(&d, "PUT", "/v1/models/blobs@1/threshold", body, 200), *thresholds;

	thresholds = cJSON_Duplicate(get(json, "thresholds"), true);
	cJSON_Delete(json);
	return thresholds;
}

static void
a_threshold_is_changed_without_training_again(void **state)
{
	struct http_answer before = artifact("blobs@1"), after;
	char old_tag[80], new_tag[80], imported[API_ID_SIZE];
	char *scores, *later;
	cJSON *strict, *json;

	(void)state;
	scores = api_predict_csv(&d, "blobs@1", "ood", rows);
	cJSON_Delete(set_threshold("{\"value\":-1e30}"));
	assert_int_equal(n_called_ood(first), 4); /* the loaded model sees it at once */
	cJSON_Delete(set_threshold("{\"value\":1e30}"));
	assert_int_equal(n_called_ood("blobs@1"), 0);
	strict = set_threshold("{\"target_fpr\":0.5}");
	assert_true(api_number(strict, "target_fpr") == 0.5);
	assert_true(api_number(strict, "threshold") == api_number(strict, "energy"));
	json = set_threshold("{\"target_fpr\":0}");
	assert_true(api_number(json, "threshold") > api_number(strict, "threshold"));
	cJSON_Delete(json);
	json = set_threshold("{\"value\":1e30}");
	assert_true(api_number(json, "target_fpr") == 0);
	cJSON_Delete(json);

	/* What is downloaded has it, and so has what is imported elsewhere. */
	after = artifact("blobs@1");
	assert_string_not_equal(http_answer_header(&before, "ETag", old_tag, sizeof old_tag),
		http_answer_header(&after, "ETag", new_tag, sizeof new_tag));
	http_answer_release(&before);
	before = http_call(d.port, "POST", "/v1/models:import", "application/octet-stream", after.body, after.n);
	assert_int_equal(before.status, 201);
	json = cJSON_Parse(before.body);
	snprintf(imported, sizeof imported, "%s", api_text(json, "id"));
	assert_true(api_number(get(json, "thresholds"), "threshold") == 1e30);
	cJSON_Delete(json);
	assert_int_equal(n_called_ood(imported), 0);

	/* It outlives the daemon. */
	assert_int_equal(daemon_stop(&d), 0);
	assert_true(daemon_start(&d));
	json = api_call(&d, "GET", "/v1/models/blobs@1/report", NULL, 200);
	assert_true(api_number(get(json, "thresholds"), "threshold") == 1e30);
	cJSON_Delete(json);
	assert_int_equal(n_called_ood(first), 0);

	/* And the default share brings back every answer as it was. */
	cJSON_Delete(set_threshold("{\"target_fpr\":0.05}"));
	later = api_predict_csv(&d, "blobs@1", "ood", rows);
	assert_string_equal(later, scores);
	free(later);
	free(scores);
	cJSON_Delete(strict);
	http_answer_release(&before);
	http_answer_release(&after);
}

static void
thresholds_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *body, *code;
	} bad[] = {
		{"{}", "missing_field"},
		{"{\"target_fpr\":0.1,\"value\":1}", "missing_field"},
		{"{\"target_fpr\":1.5}", "out_of_range"},
		{"{\"target_fpr\":-0.1}", "out_of_range"},
		{"{\"target_fpr\":null}", "wrong_type"},
		{"{\"value\":\"1\"}", "wrong_type"},
		{"{\"value\":1e31}", "out_of_range"},
		{"{\"fpr\":0.1}", "unknown_field"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_json_refused("PUT", "/v1/models/blobs/threshold", bad[i].body, 422, bad[i].code);
	assert_json_refused("PUT", "/v1/models/nobody/threshold", "{\"value\":1}", 404, "model_not_found");
}

/* Artefacts ------------------------------------------------------------------------------------------------------- */

static void
an_artefact_comes_in_pieces_and_not_twice(void **state)
{
	struct http_answer whole = artifact("blobs@2"), a;
	char tag[80], request[400], range[120], want[120], name[160];
	int fd = http_dial(d.port);

	(void)state;
	http_answer_header(&whole, "ETag", tag, sizeof tag);
	http_answer_header(&whole, "Content-Disposition", name, sizeof name);
	assert_non_null(strstr(name, "blobs-2.vera"));
	snprintf(request, sizeof request,
		"GET /v1/models/blobs@2/artifact HTTP/1.1\r\nHost: x\r\nRange: bytes=8-107\r\nIf-Range: %s\r\n\r\n",
		tag);
	assert_true(http_send_text(fd, request));
	a = http_receive(fd, false);
	assert_int_equal(a.status, 206);
	assert_int_equal(a.n, 100);
	assert_memory_equal(a.body, whole.body + 8, 100);
	snprintf(want, sizeof want, "bytes 8-107/%zu", whole.n);
	assert_string_equal(http_answer_header(&a, "Content-Range", range, sizeof range), want);
	http_answer_release(&a);
	snprintf(request, sizeof request,
		"GET /v1/models/blobs@2/artifact HTTP/1.1\r\nHost: x\r\nIf-None-Match: %s\r\nConnection: close\r\n\r\n",
		tag);
	assert_true(http_send_text(fd, request));
	a = http_receive(fd, false);
	assert_int_equal(a.status, 304);
	assert_int_equal(a.n, 0);
	http_answer_release(&a);
	http_answer_release(&whole);
}

static void
an_artefact_brought_in_answers_as_the_original(void **state)
{
	struct http_answer file = artifact("blobs@2"), a;
	char *original, *copy;
	cJSON *json;

	(void)state;
	a = http_call(d.port, "POST", "/v1/models:import?name=copy", "application/octet-stream", file.body, file.n);
	assert_int_equal(a.status, 201);
	json = cJSON_Parse(a.body);
	assert_string_equal(api_text(json, "name"), "copy");
	assert_int_equal(api_number(json, "version"), 1);
	assert_true(cJSON_IsNull(get(json, "job")));
	assert_true(cJSON_IsNull(get(json, "dataset")));
	original = api_predict_csv(&d, "blobs@2", "predict", rows);
	copy = api_predict_csv(&d, "copy", "predict", rows);
	assert_string_equal(original, copy);
	free(original);
	free(copy);
	cJSON_Delete(api_call(&d, "DELETE", "/v1/models/copy/versions/1", NULL, 204));
	assert_json_refused("GET", "/v1/models/copy", NULL, 404, "model_not_found");
	cJSON_Delete(json);
	http_answer_release(&a);
	http_answer_release(&file);
}

static struct http_answer
exported(const char *model, const char *format)
{
	struct http_answer a;
	char target[128];

	snprintf(target, sizeof target, "/v1/models/%s/artifact?format=%s", model, format);
	a = http_call(d.port, "GET", target, NULL, NULL, 0);
	if (a.status != 200)
		fail_msg("%s: %d %s", target, a.status, a.body);
	return a;
}

static void
an_artefact_comes_in_forms_for_other_programs(void **state)
{
	struct http_answer native = artifact("blobs@2"), a;
	struct bundle *b = NULL;
	struct err e;
	char name[160], tag[80], again[80];

	(void)state;
	assert_int_equal(bundle_read(native.body, native.n, &b, &e), OK);
	for (size_t k = 0; k < N_EXPORT_FORMATS; k++) {
		struct buf want = {0};
		char file[40];

		assert_int_equal(export_write(b, (enum export_format)k, EXPORT_MAX_BYTES, &want, &e), OK);
		a = exported("blobs@2", export_format_names[k]);
		assert_int_equal(a.n, want.len);
		assert_memory_equal(a.body, want.data, want.len);
		snprintf(file, sizeof file, "blobs-2.%s\"", export_format_names[k]);
		assert_non_null(strstr(http_answer_header(&a, "Content-Disposition", name, sizeof name), file));
		http_answer_release(&a);
		buf_release(&want);
	}
	a = exported("blobs@2", "native");
	assert_int_equal(a.n, native.n);
	assert_memory_equal(a.body, native.body, native.n);
	http_answer_release(&a);
	bundle_free(b);
	http_answer_release(&native);

	/* A threshold that is changed is another file; changed back, the same again. */
	a = exported("blobs@1", "onnx");
	http_answer_header(&a, "ETag", tag, sizeof tag);
	http_answer_release(&a);
	cJSON_Delete(set_threshold("{\"value\":12.5}"));
	a = exported("blobs@1", "onnx");
	assert_string_not_equal(http_answer_header(&a, "ETag", again, sizeof again), tag);
	http_answer_release(&a);
	cJSON_Delete(set_threshold("{\"target_fpr\":0.05}"));
	a = exported("blobs@1", "onnx");
	assert_string_equal(http_answer_header(&a, "ETag", again, sizeof again), tag);
	http_answer_release(&a);
	assert_json_refused("GET", "/v1/models/blobs/artifact?format=pickle", NULL, 400, "bad_query_parameter");
	assert_json_refused("GET", "/v1/models/nobody/artifact?format=onnx", NULL, 404, "model_not_found");
}

static void
a_name_is_given_to_a_model_without_one(void **state)
{
	struct http_answer file = artifact("blobs@2"), a;
	char id[API_ID_SIZE], target[128];
	cJSON *json;

	(void)state;
	a = http_call(d.port, "POST", "/v1/models:import", "application/octet-stream", file.body, file.n);
	json = cJSON_Parse(a.body);
	snprintf(id, sizeof id, "%s", api_text(json, "id"));
	assert_true(cJSON_IsNull(get(json, "name")));
	cJSON_Delete(json);
	snprintf(target, sizeof target, "/v1/models/%s/versions", id);
	assert_json_refused("GET", target, NULL, 404, "model_has_no_name");
	snprintf(target, sizeof target, "/v1/models/%s", id);
	json = api_call(&d, "PATCH", target, "{\"name\":\"late\"}", 200);
	assert_string_equal(api_text(json, "name"), "late");
	cJSON_Delete(json);
	assert_is("late@1", id);
	http_answer_release(&a);
	http_answer_release(&file);
}

static void
assert_import_refused(const void *bytes, size_t n, int status, const char *code)
{
	assert_refused("POST", "/v1/models:import", "application/octet-stream", bytes, n, status, code);
}

static void
bytes_that_are_no_model_are_refused(void **state)
{
	struct http_answer file = artifact("blobs@2"), a;
	unsigned char *bytes = malloc(file.n + 1);
	size_t before = api_count(&d, "models");
	int fd;

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, file.body, file.n);
	assert_import_refused("", 0, 422, "not_a_model");
	assert_import_refused("a,b\n1,2\n", 8, 422, "not_a_model");
	for (size_t n = 8; n < file.n; n += file.n / 13)
		assert_import_refused(bytes, n, 422, "corrupt_model");
	bytes[file.n] = 0;
	assert_import_refused(bytes, file.n + 1, 422, "corrupt_model");
	for (size_t at = 12; at < file.n; at += file.n / 17) {
		bytes[at] ^= 0x40;
		assert_import_refused(bytes, file.n, 422, "corrupt_model");
		bytes[at] ^= 0x40;
	}
	bytes[8] ^= 0x40; /* its version */
	assert_import_refused(bytes, file.n, 422, "unsupported_model_version");
	bytes[8] ^= 0x40;
	assert_refused("POST", "/v1/models:import?name=a%20b", "application/octet-stream", bytes, file.n, 422,
		"bad_model_name");
	assert_refused("POST", "/v1/models:import", "application/json", bytes, file.n, 415, "unsupported_media_type");
	assert_json_refused("POST", "/v1/models:import", NULL, 411, "length_required");
	fd = http_dial(d.port);
	assert_true(http_send_text(fd, "POST /v1/models:import HTTP/1.1\r\nHost: x\r\n"
				       "Content-Type: application/octet-stream\r\nContent-Length: 1000000000\r\n\r\n"));
	a = http_receive(fd, false);
	assert_int_equal(a.status, 413);
	http_answer_release(&a);
	assert_int_equal(api_count(&d, "models"), before);
	free(bytes);
	http_answer_release(&file);
}

/* A model as an earlier verad may have left it in the store: of a format that no program since reads. */
static void
store_an_old_model(char id[STORE_ID_SIZE])
{
	struct store *store = NULL;
	struct buf bytes = {0};
	char dir[128];
	struct err e = {0};

	snprintf(dir, sizeof dir, "%s/data", d.dir);
	assert_int_equal(daemon_stop(&d), 0);
	assert_int_equal(store_open(dir, &store, &e), OK);
	assert_int_equal(store_model_bundle(store, "blobs@2", &bytes, NULL, &e), OK);
	bytes.data[8] = 1; /* its version */
	assert_int_equal(store_model_add(store, "old", "blobs", "{}", bytes.data, bytes.len, id, &e), OK);
	store_close(store);
	buf_release(&bytes);
	assert_true(daemon_start(&d));
}

static void
a_model_of_another_format_is_a_conflict_and_not_a_failure(void **state)
{
	static const char row[] = "{\"rows\":[{\"x\":1,\"y\":2,\"colour\":\"red\"}]}",
			  code[] = "unsupported_model_version";
	static const struct {
		const char *method, *target, *body;
	} ask[] = {
		{"POST", "/v1/models/old/predict", row},
		{"POST", "/v1/models/old/ood", row},
		{"POST", "/v1/models/old/invocations", row},
		{"POST", "/invocations?model=old", row},
		{"PUT", "/v1/models/old/threshold", "{\"value\":1}"},
		{"GET", "/v1/models/old/artifact?format=onnx", NULL},
		{"GET", "/v1/models/old/artifact?format=safetensors", NULL},
	};
	static const char *const tensors[][2] = {
		{"GET", "/v2/models/old"},
		{"GET", "/v2/models/old/ready"},
		{"GET", "/v2/models/old/versions/1/ready"},
		{"POST", "/v2/models/old/infer"},
	};
	char id[STORE_ID_SIZE], body[200];
	struct http_answer a;

	(void)state;
	store_an_old_model(id);
	assert_is("old", id);
	for (size_t i = 0; i < sizeof ask / sizeof *ask; i++)
		assert_json_refused(ask[i].method, ask[i].target, ask[i].body, 409, code);
	assert_refused("POST", "/v1/models/old/predict", "text/csv", rows, strlen(rows), 409, code);
	for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
		a = http_call(d.port, tensors[i][0], tensors[i][1], *tensors[i][0] == 'P' ? "application/json" : NULL,
			*tensors[i][0] == 'P' ? "{}" : NULL, *tensors[i][0] == 'P' ? 2 : 0);
		assert_int_equal(a.status, 409);
		assert_ptr_equal(strstr(a.body, "{\"error\":\"unsupported_model_version: "), a.body);
		http_answer_release(&a);
	}
	for (int i = 0; i < 2; i++) {
		snprintf(body, sizeof body, "{\"type\":\"%s\",\"dataset\":\"%s\",\"model\":\"old\"}",
			i ? "evaluate" : "batch_predict", dataset);
		assert_json_refused("POST", "/v1/jobs", body, 409, code);
		assert_json_refused("POST", "/v1/jobs?dry_run=1", body, 409, code);
	}
	/* Its bytes are to be had, for a program that reads them, and it can go. */
	a = artifact("old");
	http_answer_release(&a);
	assert_json_refused("GET", "/v1/models/nobody/artifact", NULL, 404, "model_not_found");
	cJSON_Delete(api_call(&d, "DELETE", "/v1/models/old@1", NULL, 204));
}

/* ----------------------------------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
	struct buf csv = {0};

	if (!api_group_begin(&d, &document, state))
		return 1;
	blobs_csv(&csv, 60, 10, true);
	api_upload(&d, &csv, "label", dataset);
	buf_release(&csv);
	train("1", "blobs", first);
	train("2", "blobs", second);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_named_model_is_known_by_its_versions),
		cmocka_unit_test(an_alias_moves_while_it_serves),
		cmocka_unit_test(changes_of_names_that_make_no_sense_are_refused),
		cmocka_unit_test(a_threshold_is_changed_without_training_again),
		cmocka_unit_test(thresholds_that_make_no_sense_are_refused),
		cmocka_unit_test(an_artefact_comes_in_pieces_and_not_twice),
		cmocka_unit_test(an_artefact_brought_in_answers_as_the_original),
		cmocka_unit_test(an_artefact_comes_in_forms_for_other_programs),
		cmocka_unit_test(a_name_is_given_to_a_model_without_one),
		cmocka_unit_test(bytes_that_are_no_model_are_refused),
		cmocka_unit_test(a_model_of_another_format_is_a_conflict_and_not_a_failure),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
