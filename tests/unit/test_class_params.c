/* class_params: numbers by label from JSON and from options, and what they are for the classes of a table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "schema/class_params.h"
#include "schema/params_json.h"

static const char *const labels[] = {"a=b", "plain", "sick, very"};
enum { N_LABELS = 3 };
static struct err err;

static enum status
from_json(struct class_params *c, const char *text)
{
	struct params p;
	cJSON *object = cJSON_Parse(text);
	enum status s;

	assert_non_null(object);
	memset(c, 0, sizeof *c);
	s = params_from_json(&p, c, object, &err);
	cJSON_Delete(object);
	return s;
}

static void
refused(const char *text, const char *code, const char *part)
{
	double *weight = NULL, *prior = NULL;
	struct class_params c;
	enum status s = from_json(&c, text);

	if (!s)
		s = class_params_resolve(&c, labels, N_LABELS, &weight, &prior, &err);
	assert_int_equal(s, ERR_INVALID);
	assert_string_equal(err.code, code);
	if (!strstr(err.msg, part))
		fail_msg("\"%s\" is not in \"%s\"", part, err.msg);
	assert_true(!weight && !prior);
	class_params_release(&c);
}

static void
numbers_by_label_are_found_for_the_classes(void **state)
{
	double *weight = NULL, *prior = NULL;
	struct class_params c;

	(void)state;
	assert_int_equal(from_json(&c, "{\"class_weights\":{\"plain\":2.5},\"steps\":7,"
				       "\"stated_prior\":{\"sick, very\":0.001,\"plain\":0.5,\"a=b\":0.499}}"),
		OK);
	assert_int_equal(class_params_resolve(&c, labels, N_LABELS, &weight, &prior, &err), OK);
	assert_true(weight[0] == 1 && weight[1] == 2.5 && weight[2] == 1);
	assert_true(fabs(prior[0] - 0.499) < 1e-12 && fabs(prior[1] - 0.5) < 1e-12 && fabs(prior[2] - 0.001) < 1e-12);
	free(weight);
	free(prior);
	class_params_release(&c);
	assert_int_equal(from_json(&c, "{\"steps\":7}"), OK);
	assert_int_equal(class_params_resolve(&c, labels, N_LABELS, &weight, &prior, &err), OK);
	assert_true(!weight && !prior);
	class_params_release(&c);
	assert_int_equal(from_json(&c, "{\"stated_prior\":{\"sick, very\":0.333,\"plain\":0.333,\"a=b\":0.333}}"), OK);
	assert_int_equal(class_params_resolve(&c, labels, N_LABELS, &weight, &prior, &err), OK);
	assert_true(fabs(prior[0] + prior[1] + prior[2] - 1) < 1e-15);
	free(prior);
	class_params_release(&c);
}

static void
options_say_the_same_as_json(void **state)
{
	static const char *const texts[] = {"a=b=0.5,plain=0.25", "{\"a=b\":0.5,\"plain\":0.25}"};
	static const char *const bad[] = {
		"", "plain", "=1", "plain=", "plain=x", "plain=1,", "{", "{\"plain\":1", "[1]", "{\"plain\":1}x"};
	struct class_params c = {0};
	double *weight = NULL, *prior = NULL;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(class_params_set_text(&c, CLASS_WEIGHTS, texts[i], &err), OK);
		assert_int_equal(class_params_resolve(&c, labels, N_LABELS, &weight, &prior, &err), OK);
		assert_true(weight[0] == 0.5 && weight[1] == 0.25 && weight[2] == 1 && !prior);
		free(weight);
		class_params_release(&c);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (class_params_set_text(&c, CLASS_WEIGHTS, bad[i], &err) != ERR_INVALID)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_string_equal(err.code, "parameter_type");
		class_params_release(&c);
	}
}

static void
what_came_in_goes_out_again(void **state)
{
	static const char text[] = "{\"class_weights\":{\"plain\":2.5,\"x\":0.1},\"stated_prior\":{\"a=b\":0.3}}";
	cJSON *object = cJSON_CreateObject();
	struct class_params c;
	char *printed;

	(void)state;
	assert_int_equal(from_json(&c, text), OK);
	assert_true(class_params_to_json(&c, object));
	assert_non_null(printed = cJSON_PrintUnformatted(object));
	assert_string_equal(printed, text);
	cJSON_free(printed);
	cJSON_Delete(object);
	class_params_release(&c);
}

static void
what_fits_no_class_is_refused_by_name(void **state)
{
	(void)state;
	refused("{\"class_weights\":{\"plan\":2}}", "unknown_class", "is it \"plain\"?");
	refused("{\"class_weights\":{\"unheard-of\":2}}", "unknown_class", "\"unheard-of\"");
	refused("{\"class_weights\":{\"plain\":-2}}", "parameter_out_of_range",
		"\"class_weights\" has -2 for class \"plain\"");
	refused("{\"class_weights\":{\"plain\":0}}", "parameter_out_of_range", "above 0");
	refused("{\"class_weights\":{\"plain\":1001}}", "parameter_out_of_range", "at most 1000");
	refused("{\"class_weights\":{\"plain\":1,\"plain\":1}}", "duplicate_parameter", "\"plain\" twice");
	refused("{\"class_weights\":{},\"class_weights\":{}}", "duplicate_parameter", "given twice");
	refused("{\"class_weights\":{\"plain\":\"1\"}}", "parameter_type", "class_weights");
	refused("{\"class_weights\":{\"\":1}}", "parameter_type", "class_weights");
	refused("{\"class_weights\":[1]}", "parameter_type", "class_weights");
	refused("{\"class_weights\":3}", "parameter_type", "class_weights");
	refused("{\"stated_prior\":null}", "parameter_type", "stated_prior");
	refused("{\"stated_prior\":{\"plain\":1e999}}", "parameter_out_of_range", "at most 1");
	refused("{\"stated_prior\":{\"plain\":0.5,\"a=b\":0.5}}", "missing_class", "\"sick, very\"");
	refused("{\"stated_prior\":{\"plain\":0.5,\"a=b\":0.5,\"sick, very\":0.1}}", "parameter_out_of_range",
		"add up to 1.1");
	refused("{\"class_weight\":{\"plain\":1}}", "unknown_parameter", "class_weight");
}

static void
numbers_by_label_are_unknown_where_nobody_takes_them(void **state)
{
	cJSON *object = cJSON_Parse("{\"class_weights\":{\"plain\":1}}");
	struct params p;

	(void)state;
	assert_int_equal(params_from_json(&p, NULL, object, &err), ERR_INVALID);
	assert_string_equal(err.code, "unknown_parameter");
	cJSON_Delete(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_by_label_are_found_for_the_classes),
		cmocka_unit_test(options_say_the_same_as_json),
		cmocka_unit_test(what_came_in_goes_out_again),
		cmocka_unit_test(what_fits_no_class_is_refused_by_name),
		cmocka_unit_test(numbers_by_label_are_unknown_where_nobody_takes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
