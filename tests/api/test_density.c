/*
 * Method density over a real socket: trained on tables with and without labels, reported in nats, asked for scores,
 * and refused what takes classes.
 */
#include <math.h>
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
static char blobs[API_ID_SIZE], numbers[API_ID_SIZE];

#define SMALL "\"method\":\"density\",\"hidden_layers\":[8,8],\"learning_rate\":0.01,\"ema_decay\":0.9"

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Trains and gives the report, which is as the document says. */
static cJSON *
trained(const char *dataset, const char *params, char model[API_ID_SIZE])
{
	char job[API_ID_SIZE], target[96], why[512];
	cJSON *json;

	api_train(&d, dataset, params, job);
	json = api_wait(&d, job, "succeeded");
	snprintf(model, API_ID_SIZE, "%s", api_text(json, "model"));
	cJSON_Delete(json);
	snprintf(target, sizeof target, "/v1/models/%s/report", model);
	json = api_call(&d, "GET", target, NULL, 200);
	if (!contract_fits_named(document, "Report", json, why, sizeof why))
		fail_msg("not a report as described: %s", why);
	return json;
}

static const cJSON *
density_of(const cJSON *report)
{
	return get(get(report, "composition"), "density");
}

static bool
warned(const cJSON *report, const char *code)
{
	const cJSON *w;

	cJSON_ArrayForEach(w, get(report, "warnings")) if (!strcmp(api_text(w, "code"), code)) return true;
	return false;
}

static void
refused(const char *method, const char *target, const char *body, int status, const char *code)
{
	cJSON *problem = api_call(&d, method, target, body, status);

	assert_string_equal(api_text(problem, "code"), code);
	cJSON_Delete(problem);
}

static void
every_family_scores_rows_in_nats_and_predicts_none(void **state)
{
	static const char *const families[] = {"ppca", "mixture", "nice"};
	static const char rows[] =
		"{\"rows\":[{\"x\":1,\"y\":2,\"colour\":\"red\"},{\"x\":90,\"y\":-90,\"colour\":\"mauve\"}]}";

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char params[256], model[API_ID_SIZE], target[96];
		const cJSON *far, *column;
		cJSON *report, *json;
		double sum;

		snprintf(params, sizeof params, SMALL ",\"steps\":150,\"family\":\"%s\"", families[i]);
		report = trained(blobs, params, model);
		assert_string_equal(api_text(density_of(report), "family"), families[i]);
		assert_string_equal(api_text(density_of(report), "objective"), "maximum_likelihood");
		assert_true(isfinite(api_number(density_of(report), "log_likelihood")));
		assert_true(
			cJSON_IsNull(get(density_of(report), "log_likelihood_of_table"))); /* a colour has no density */
		assert_true(cJSON_IsNull(get(report, "baseline")));
		assert_true(warned(report, "labels_ignored"));
		cJSON_Delete(report);

		snprintf(target, sizeof target, "/v1/models/%s/ood?include=attributions", model);
		json = api_call(&d, "POST", target, rows, 200);
		far = cJSON_GetArrayItem(get(json, "scores"), 1);
		assert_true(cJSON_IsTrue(get(far, "is_ood")));
		assert_true(api_number(far, "p_value") == 0);
		assert_true(api_number(far, "score") > api_number(get(json, "scores")->child, "score") + 1);
		sum = api_number(far, "reference_score");
		cJSON_ArrayForEach(column, get(far, "attribution")) sum += column->valuedouble;
		assert_true(fabs(sum - api_number(far, "score")) < 1e-3 * fabs(sum));
		cJSON_Delete(json);

		snprintf(target, sizeof target, "/v1/models/%s/predict", model);
		refused("POST", target, rows, 409, "no_classes");
		snprintf(params, sizeof params, "{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"%s\"}", blobs,
			model);
		refused("POST", "/v1/jobs", params, 409, "no_classes");
	}
}

static void
a_density_learns_without_its_normaliser(void **state)
{
	static const char *const objectives[] = {"vera", "vera_hmc", "score_matching", "sgld"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char params[400], model[API_ID_SIZE];
		cJSON *report;

		snprintf(params, sizeof params,
			"\"method\":\"density\",\"objective\":\"%s\",\"steps\":40,\"generator_layers\":[8],"
			"\"replay_buffer\":50",
			objectives[i]);
		report = trained(numbers, params, model);
		assert_string_equal(api_text(density_of(report), "objective"), objectives[i]);
		assert_true(api_number(get(report, "parameters"), "lambda") == 1);
		assert_false(warned(report, "labels_ignored"));
		assert_true(warned(report, "no_labels"));
		cJSON_Delete(report);
	}
}

/* One Gaussian for each column fits as well whatever unit a column is in: in the table's own nats nothing changes. */
static void
nats_of_the_table_do_not_depend_on_its_scaling(void **state)
{
	static const char *const scalings[] = {"minmax", "standard"};
	double encoded[2], own[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char params[256], model[API_ID_SIZE];
		cJSON *report;

		snprintf(params, sizeof params,
			SMALL ",\"steps\":600,\"components\":1,\"input_noise\":0,\"scaling\":\"%s\"", scalings[i]);
		report = trained(numbers, params, model);
		encoded[i] = api_number(density_of(report), "log_likelihood");
		own[i] = api_number(density_of(report), "log_likelihood_of_table");
		assert_true(fabs(api_number(density_of(report), "log_likelihood_per_feature") - encoded[i] / 2) < 1e-9);
		cJSON_Delete(report);
	}
	if (!(fabs(own[0] - own[1]) < 0.05 && fabs(encoded[0] - encoded[1]) > 0.5))
		fail_msg("of the table %g and %g nats, encoded %g and %g", own[0], own[1], encoded[0], encoded[1]);
}

static void
an_artefact_of_a_density_travels(void **state)
{
	static const char csv[] = "x,y\n1,2\n-3,0.5\n40,-40\n";
	char model[API_ID_SIZE], imported[API_ID_SIZE], target[128];
	struct http_answer file, made;
	char *here, *there;
	cJSON *json;

	(void)state;
	cJSON_Delete(trained(numbers, SMALL ",\"steps\":50,\"family\":\"nice\"", model));
	snprintf(target, sizeof target, "/v1/models/%s/artifact", model);
	file = http_call(d.port, "GET", target, NULL, NULL, 0);
	assert_int_equal(file.status, 200);
	made = http_call(d.port, "POST", "/v1/models:import", "application/octet-stream", file.body, file.n);
	assert_int_equal(made.status, 201);
	json = cJSON_Parse(made.body);
	snprintf(imported, sizeof imported, "%s", api_text(json, "id"));
	cJSON_Delete(json);
	here = api_predict_csv(&d, model, "ood", csv);
	there = api_predict_csv(&d, imported, "ood", csv);
	assert_string_equal(here, there);
	free(here);
	free(there);
	http_answer_release(&made);
	http_answer_release(&file);
	for (size_t i = 0; i < 2; i++) {
		snprintf(target, sizeof target, "/v1/models/%s/artifact?format=%s", imported,
			i ? "onnx" : "safetensors");
		file = http_call(d.port, "GET", target, NULL, NULL, 0);
		assert_int_equal(file.status, 200);
		assert_true(file.n > 500);
		http_answer_release(&file);
	}
}

static void
what_it_would_take_is_known_beforehand(void **state)
{
	char body[256];
	cJSON *json;

	(void)state;
	snprintf(body, sizeof body,
		"{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"method\":\"density\",\"family\":\"nice\"}}",
		blobs);
	json = api_call(&d, "POST", "/v1/jobs?dry_run=1", body, 200);
	assert_true(api_number(get(json, "estimate"), "seconds") > 0);
	assert_true(api_number(get(json, "params"), "lambda") == 1);
	assert_int_equal(cJSON_GetArraySize(get(get(json, "params"), "hidden_layers")), 4);
	cJSON_Delete(json);
}

static void
what_a_density_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *params, *code;
	} bad[] = {
		{"{\"method\":\"density\",\"family\":\"gauss\"}", "parameter_out_of_range"},
		{"{\"method\":\"density\",\"objective\":\"guess\"}", "parameter_out_of_range"},
		{"{\"method\":\"density\",\"components\":1025}", "parameter_out_of_range"},
		{"{\"method\":\"density\",\"ood_score\":\"max_probability\"}", "parameter_combination"},
		{"{\"method\":\"density\",\"class_weights\":{\"a\":2}}", "unknown_class"},
	};
	char body[256];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":%s}", blobs,
			bad[i].params);
		refused("POST", "/v1/jobs", body, 422, bad[i].code);
	}
}

/* Two correlated columns of scales far apart, without labels. */
static void
upload_numbers(void)
{
	struct buf csv = {0};

	buf_puts(&csv, "x,y\n");
	for (size_t i = 0; i < 400; i++) {
		double a = sin((double)i * 12.9898) + sin((double)i * 78.233), b = sin((double)i * 39.425) + a / 2;

		buf_printf(&csv, "%.6f,%.6f\n", a, 1000 * b);
	}
	api_upload(&d, &csv, NULL, numbers);
	buf_release(&csv);
}

static int
set_up(void **state)
{
	struct buf csv = {0};

	if (!api_group_begin(&d, &document, state))
		return 1;
	blobs_csv(&csv, 60, 60, true);
	api_upload(&d, &csv, "label", blobs);
	buf_release(&csv);
	upload_numbers();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_family_scores_rows_in_nats_and_predicts_none),
		cmocka_unit_test(a_density_learns_without_its_normaliser),
		cmocka_unit_test(nats_of_the_table_do_not_depend_on_its_scaling),
		cmocka_unit_test(an_artefact_of_a_density_travels),
		cmocka_unit_test(what_it_would_take_is_known_beforehand),
		cmocka_unit_test(what_a_density_cannot_be_is_refused),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
