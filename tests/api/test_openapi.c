/*
 * schema/openapi.json and the program, held against each other both ways: routes, query parameters, training
 * parameters; and the live replies against the schemas, where a field that nobody declared fails as one that is
 * missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "engine/params.h"
#include "schema/class_params.h"
#include "server/api.h"
#include "server/embed.h"
#include "tests/support/api_group.h"
#include "tests/support/contract.h"

static cJSON *document;

/* A daemon that has everything: a data set, finished and failed jobs, a model. */
static struct daemon served;
static char dataset[API_ID_SIZE], job[API_ID_SIZE], evaluation[API_ID_SIZE], model[API_ID_SIZE];

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const cJSON *
operation_of(const struct http_route *r)
{
	char method[8];
	size_t i = 0;

	for (; r->method[i]; i++)
		method[i] = (char)(r->method[i] | 0x20);
	method[i] = '\0';
	return get(get(get(document, "paths"), r->path), method);
}

static void
every_route_is_described(void **state)
{
	const struct http_route *routes;
	size_t n;

	(void)state;
	routes = api_routes(&n);
	for (size_t i = 0; i < n; i++) {
		if (!operation_of(&routes[i]))
			fail_msg("%s %s is served and not described", routes[i].method, routes[i].path);
	}
}

static void
everything_described_is_served(void **state)
{
	const struct http_route *routes;
	const cJSON *path, *operation;
	size_t n;

	(void)state;
	routes = api_routes(&n);
	cJSON_ArrayForEach(path, get(document, "paths"))
	{
		cJSON_ArrayForEach(operation, path)
		{
			bool served_here = !strcmp(operation->string, "parameters");

			for (size_t i = 0; i < n && !served_here; i++)
				served_here = operation_of(&routes[i]) == operation;
			if (!served_here)
				fail_msg("%s %s is described and not served", operation->string, path->string);
		}
	}
}

static void
query_parameters_agree(void **state)
{
	const struct http_route *routes;
	size_t n;

	(void)state;
	routes = api_routes(&n);
	for (size_t i = 0; i < n; i++) {
		size_t n_described = 0, n_served = 0;
		const cJSON *p;

		cJSON_ArrayForEach(p, get(operation_of(&routes[i]), "parameters"))
		{
			const cJSON *parameter = contract_resolve(document, p);
			const char *name = api_text(parameter, "name");
			bool known = false;

			if (!strcmp(api_text(parameter, "in"), "header"))
				continue;
			assert_string_equal(api_text(parameter, "in"), "query");
			for (size_t k = 0; routes[i].query && routes[i].query[k]; k++)
				known = known || !strcmp(routes[i].query[k], name);
			if (!known)
				fail_msg("%s %s: ?%s is described and not served", routes[i].method, routes[i].path,
					name);
			n_described++;
		}
		while (routes[i].query && routes[i].query[n_served])
			n_served++;
		assert_int_equal(n_described, n_served);
	}
}

static void
path_parameters_and_bodies_agree(void **state)
{
	const struct http_route *routes;
	size_t n;

	(void)state;
	routes = api_routes(&n);
	for (size_t i = 0; i < n; i++) {
		const cJSON *declared = get(get(get(document, "paths"), routes[i].path), "parameters"), *p;
		size_t n_named = 0, n_declared = 0;

		for (const char *at = routes[i].path; (at = strchr(at, '{')); at++)
			n_named++;
		cJSON_ArrayForEach(p, declared)
		{
			char placeholder[64];

			snprintf(placeholder, sizeof placeholder, "{%s}",
				api_text(contract_resolve(document, p), "name"));
			assert_non_null(strstr(routes[i].path, placeholder));
			n_declared++;
		}
		assert_int_equal(n_named, n_declared);
		if (!!routes[i].max_body != !!get(operation_of(&routes[i]), "requestBody"))
			fail_msg("%s %s: does it take a body?", routes[i].method, routes[i].path);
	}
}

static const cJSON *
number_schema(const cJSON *schema)
{
	const cJSON *any = get(schema, "anyOf");

	return any ? any->child : schema;
}

static void
training_parameters_agree(void **state)
{
	const cJSON *described = get(get(get(get(document, "components"), "schemas"), "Parameters"), "properties");

	(void)state;
	assert_int_equal(cJSON_GetArraySize(described), params_count + N_CLASS_PARAMS);
	for (size_t i = 0; i < N_CLASS_PARAMS; i++) {
		const cJSON *d = get(described, class_param_table[i].name);

		assert_non_null(d);
		assert_string_equal(api_text(d, "description"), class_param_table[i].doc);
		assert_true(api_number(get(d, "additionalProperties"), "maximum") == class_param_table[i].max);
	}
	for (size_t i = 0; i < params_count; i++) {
		const struct param *p = &params_table[i];
		const cJSON *d = get(described, p->name), *def;
		bool by_the_table = p->def < p->min;

		if (!d)
			fail_msg("the parameter %s is not described", p->name);
		if (strcmp(api_text(d, "description"), p->doc))
			fail_msg("%s: \"%s\" is described as \"%s\"", p->name, p->doc, api_text(d, "description"));
		def = get(d, "default");
		if (by_the_table)
			assert_string_equal(api_text(d, "default"), "auto");
		switch (p->type) {
		case PARAM_COUNT:
		case PARAM_REAL:
			assert_string_equal(
				api_text(number_schema(d), "type"), p->type == PARAM_COUNT ? "integer" : "number");
			assert_true(api_number(number_schema(d), "minimum") == p->min);
			assert_true(api_number(number_schema(d), "maximum") == p->max);
			if (!by_the_table && api_number(d, "default") != p->def)
				fail_msg("%s: the default is %g", p->name, p->def);
			break;
		case PARAM_BOOL:
			assert_true(cJSON_IsTrue(def) == (p->def > 0));
			break;
		case PARAM_CHOICE: {
			int n = 0;

			for (; p->choices[n]; n++)
				assert_string_equal(cJSON_GetArrayItem(get(d, "enum"), n)->valuestring, p->choices[n]);
			assert_int_equal(cJSON_GetArraySize(get(d, "enum")), n);
			assert_string_equal(api_text(d, "default"), p->choices[(int)p->def]);
			break;
		}
		case PARAM_LAYERS:
			assert_true(api_number(number_schema(d), "maxItems") == PARAMS_MAX_LAYERS);
			assert_true(api_number(get(number_schema(d), "items"), "minimum") == p->min);
			assert_true(api_number(get(number_schema(d), "items"), "maximum") == p->max);
		}
	}
}

/* Calls check on every object of the document. */
static void
walk(const cJSON *node, void (*check)(const cJSON *))
{
	const cJSON *child;

	if (cJSON_IsObject(node))
		check(node);
	cJSON_ArrayForEach(child, node)
	{
		walk(child, check);
	}
}

static void
check_reference(const cJSON *node)
{
	if (cJSON_IsString(get(node, "$ref")) && !contract_resolve(document, node))
		fail_msg("%s points nowhere", api_text(node, "$ref"));
}

static void
check_required(const cJSON *node)
{
	const cJSON *name;

	if (!cJSON_IsArray(get(node, "required")))
		return;
	cJSON_ArrayForEach(name, get(node, "required"))
	{
		if (!get(get(node, "properties"), name->valuestring))
			fail_msg("%s is required and not declared", name->valuestring);
	}
}

static void
every_operation_that_asks_for_a_key_says_what_becomes_of_those_without(void **state)
{
	const struct http_route *routes;
	size_t n;

	(void)state;
	routes = api_routes(&n);
	for (size_t i = 0; i < n; i++) {
		const cJSON *operation = operation_of(&routes[i]), *responses = get(operation, "responses");
		bool asks = !(routes[i].scope & ACCESS_FREE);

		if (asks != !!get(responses, "401") || asks != !!get(responses, "403"))
			fail_msg("%s %s: 401 and 403 are described where a key is asked for, and only there",
				routes[i].method, routes[i].path);
		assert_true(asks == !get(operation, "security"));
	}
}

static void
every_reference_and_required_name_leads_somewhere(void **state)
{
	(void)state;
	walk(document, check_reference);
	walk(document, check_required);
}

static void
check_examples(const cJSON *node)
{
	const cJSON *example;
	char why[512];

	if (!cJSON_IsArray(get(node, "examples")) || !get(node, "type"))
		return;
	cJSON_ArrayForEach(example, get(node, "examples"))
	{
		if (!contract_fits(document, node, example, why, sizeof why))
			fail_msg("an example does not fit its schema: %s", why);
	}
}

static void
every_example_fits_its_schema(void **state)
{
	(void)state;
	walk(document, check_examples);
}

static void
the_program_has_this_document_inside(void **state)
{
	struct http_answer a = http_call(served.port, "GET", "/openapi.json", NULL, NULL, 0);
	const struct embedded inside = embedded_openapi();

	(void)state;
	assert_int_equal(a.status, 200);
	assert_int_equal(a.n, inside.len);
	assert_memory_equal(a.body, inside.text, a.n);
	http_answer_release(&a);
}

/* The schema that the document gives for this operation's reply in JSON. */
static const cJSON *
reply_schema(const char *path, const char *method, int status)
{
	const cJSON *operation = get(get(get(document, "paths"), path), method), *response;
	char text[8];

	snprintf(text, sizeof text, "%d", status);
	response = contract_resolve(document, get(get(operation, "responses"), text));
	if (!response)
		fail_msg("%s %s: status %d is not described", method, path, status);
	return get(get(get(response, "content"), "application/json"), "schema");
}

static void
assert_reply_fits(const char *method, const char *path, const char *target, const char *body, int status)
{
	char upper[8], why[512];
	cJSON *reply;

	for (size_t i = 0; i <= strlen(method); i++)
		upper[i] = (char)(method[i] & ~0x20);
	reply = api_call(&served, upper, target, body, status);
	if (!contract_fits(document, reply_schema(path, method, status), reply, why, sizeof why))
		fail_msg("%s %s: %s", method, target, why);
	cJSON_Delete(reply);
}

/* The path with something that is there in place of each {…}. */
static void
fill_path(const char *path, char *out, size_t size)
{
	const char *what = !strncmp(path, "/v1/datasets", 12) ? dataset : !strncmp(path, "/v1/jobs", 8) ? job : "blobs";
	size_t n = 0;

	while (*path && n + API_ID_SIZE < size) {
		if (*path != '{') {
			out[n++] = *path++;
			continue;
		}
		n += (size_t)snprintf(out + n, size - n, "%s", strncmp(path, "{version}", 9) ? what : "1");
		path += strcspn(path, "}") + 1;
	}
	out[n] = '\0';
}

static void
every_get_reply_fits_its_schema(void **state)
{
	const struct http_route *routes;
	size_t n;

	(void)state;
	routes = api_routes(&n);
	for (size_t i = 0; i < n; i++) {
		char target[128];

		if (strcmp(routes[i].method, "GET") || !reply_schema(routes[i].path, "get", 200)) /* not JSON */
			continue;
		fill_path(routes[i].path, target, sizeof target);
		if (!strcmp(routes[i].path, "/v1/jobs/{id}/result"))
			snprintf(target, sizeof target, "/v1/jobs/%s/result", evaluation);
		assert_reply_fits("get", routes[i].path, target, NULL, 200);
	}
}

static void
other_replies_fit_their_schemas(void **state)
{
	static const char rows[] = "{\"rows\":[{\"x\":1,\"y\":null,\"colour\":\"mauve\",\"z\":0}]}";
	char target[128], body[256], second[API_ID_SIZE];
	const cJSON *dry_run;
	char why[512];
	cJSON *reply;

	(void)state;
	snprintf(target, sizeof target, "/v1/models/%s/predict", model);
	assert_reply_fits("post", "/v1/models/{model}/predict", target, rows, 200);
	snprintf(target, sizeof target, "/v1/models/%s/ood", model);
	assert_reply_fits("post", "/v1/models/{model}/ood", target, rows, 200);
	snprintf(target, sizeof target, "/v1/models/%s/threshold", model);
	assert_reply_fits("put", "/v1/models/{model}/threshold", target, "{\"target_fpr\":0.1}", 200);
	assert_reply_fits("patch", "/v1/models/{model}", "/v1/models/blobs", "{\"aliases\":{\"a\":1}}", 200);
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"params\":{\"steps\":1000000}}", dataset);
	reply = api_call(&served, "POST", "/v1/jobs?dry_run=1", body, 200);
	dry_run = get(get(get(document, "components"), "schemas"), "DryRun");
	if (!contract_fits(document, dry_run, reply, why, sizeof why))
		fail_msg("POST /v1/jobs?dry_run=1: %s", why);
	cJSON_Delete(reply);
	reply = api_call(&served, "POST", "/v1/jobs", body, 202);
	if (!contract_fits(document, reply_schema("/v1/jobs", "post", 202), reply, why, sizeof why))
		fail_msg("POST /v1/jobs: %s", why);
	snprintf(second, sizeof second, "%s", api_text(reply, "id"));
	cJSON_Delete(reply);
	snprintf(target, sizeof target, "/v1/jobs/%s/pause", second);
	assert_reply_fits("post", "/v1/jobs/{id}/pause", target, NULL, 202);
	cJSON_Delete(api_wait(&served, second, "paused"));
	assert_reply_fits("post", "/v1/jobs/{id}/pause", target, NULL, 200);
	snprintf(target, sizeof target, "/v1/jobs/%s/resume", second);
	assert_reply_fits("post", "/v1/jobs/{id}/resume", target, NULL, 202);
	assert_reply_fits("post", "/v1/jobs/{id}/resume", target, NULL, 200);
	snprintf(target, sizeof target, "/v1/jobs/%s/cancel", second);
	assert_reply_fits("post", "/v1/jobs/{id}/cancel", target, NULL, 202);
	cJSON_Delete(api_wait(&served, second, "cancelled"));
	assert_reply_fits("post", "/v1/jobs/{id}/cancel", target, NULL, 200);
}

static int
set_up(void **state)
{
	char target[64], body[160];
	cJSON *done;

	if (!api_group_begin(&served, &document, state))
		return 1;
	api_train_blobs(&served, "\"steps\":50,\"evaluation_folds\":2", dataset, job, model);
	snprintf(body, sizeof body, "{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"%s\"}", dataset, model);
	done = api_call(&served, "POST", "/v1/jobs", body, 202);
	snprintf(evaluation, sizeof evaluation, "%s", api_text(done, "id"));
	cJSON_Delete(done);
	cJSON_Delete(api_wait(&served, evaluation, "succeeded"));
	snprintf(target, sizeof target, "/v1/models/%s", model);
	cJSON_Delete(api_call(&served, "PATCH", target, "{\"name\":\"blobs\"}", 200));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_is_described),
		cmocka_unit_test(everything_described_is_served),
		cmocka_unit_test(query_parameters_agree),
		cmocka_unit_test(path_parameters_and_bodies_agree),
		cmocka_unit_test(training_parameters_agree),
		cmocka_unit_test(every_operation_that_asks_for_a_key_says_what_becomes_of_those_without),
		cmocka_unit_test(every_reference_and_required_name_leads_somewhere),
		cmocka_unit_test(every_example_fits_its_schema),
		cmocka_unit_test(the_program_has_this_document_inside),
		cmocka_unit_test(every_get_reply_fits_its_schema),
		cmocka_unit_test(other_replies_fit_their_schemas),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
