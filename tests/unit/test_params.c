/* params: the table against itself, the setters' checks, text both ways, and the choices by the table of data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "engine/params.h"
#include "schema/params_json.h"

static const struct param *
named(const char *name)
{
	const struct param *d = params_find(name, NULL);

	assert_non_null(d);
	return d;
}

static void
every_default_lies_within_its_bounds_or_means_by_the_table(void **state)
{
	struct params p;
	struct err e = {0};

	(void)state;
	params_defaults(&p);
	for (size_t i = 0; i < params_count; i++) {
		const struct param *d = &params_table[i];

		assert_true(d->min <= d->max);
		assert_true((d->def >= d->min && d->def <= d->max) || d->def == 0 ||
			    (d->type == PARAM_REAL && d->def == -1 && d->min == 0));
		assert_true(strlen(d->doc) > 10 && d->doc[strlen(d->doc) - 1] == '.');
		assert_ptr_equal(params_find(d->name, NULL), d);
		assert_true((d->type == PARAM_CHOICE) == (d->choices != NULL));
		if (d->type == PARAM_COUNT || d->type == PARAM_REAL)
			assert_int_equal(params_set_number(&p, d, d->def, &e), OK);
	}
	assert_int_equal(p.method, METHOD_AUTO);
	assert_int_equal(p.seed, 1);
	assert_int_equal(p.steps, 0);
	assert_int_equal(p.hidden_layers.n, 0);
	assert_float_equal(p.lambda, 0.01, 0);
}

static void
every_value_survives_text_and_back(void **state)
{
	struct params p, q;
	struct err e = {0};
	double sizes[] = {1, 4096, 17, 256, 256, 3, 2, 1};

	(void)state;
	params_defaults(&p);
	p.seed = (size_t)1 << 53;
	p.learning_rate = 0.1 + 0.2;
	p.weight_norm = true;
	p.scaling = SCALING_QUANTILE;
	assert_int_equal(params_set_layers(&p, named("hidden_layers"), sizes, 8, &e), OK);
	params_defaults(&q);
	for (size_t i = 0; i < params_count; i++) {
		char text[128];

		params_get_text(&p, &params_table[i], text, sizeof text);
		assert_int_equal(params_set_text(&q, &params_table[i], text, &e), OK);
	}
	assert_memory_equal(&p, &q, sizeof p);
}

static void
text_of_what_the_table_will_choose_is_auto(void **state)
{
	struct params p;
	struct err e = {0};
	char text[128];

	(void)state;
	params_defaults(&p);
	params_get_text(&p, named("hidden_layers"), text, sizeof text);
	assert_string_equal(text, "auto");
	params_get_text(&p, named("steps"), text, sizeof text);
	assert_string_equal(text, "auto");
	assert_int_equal(params_set_text(&p, named("hidden_layers"), "256, 128", &e), OK);
	params_get_text(&p, named("hidden_layers"), text, sizeof text);
	assert_string_equal(text, "256,128");
	assert_int_equal(params_set_text(&p, named("hidden_layers"), "0", &e), OK);
	assert_int_equal(p.hidden_layers.n, 0);
}

static void
refused(const char *name, const char *text, const char *code, const char *part)
{
	struct params p, before;
	struct err e = {0};

	params_defaults(&p);
	before = p;
	assert_int_equal(params_set_text(&p, named(name), text, &e), ERR_INVALID);
	assert_string_equal(e.code, code);
	assert_non_null(strstr(e.msg, name));
	assert_non_null(strstr(e.msg, part));
	assert_memory_equal(&p, &before, sizeof p);
}

static void
a_value_out_of_bounds_is_refused_with_its_bounds(void **state)
{
	(void)state;
	refused("batch_size", "0", "parameter_out_of_range", "from 1 to 4096, not 0");
	refused("batch_size", "-3", "parameter_out_of_range", "not -3");
	refused("steps", "1e9", "parameter_out_of_range", "or auto to choose by the table");
	refused("seed", "9007199254740994", "parameter_out_of_range", "9007199254740992");
	refused("learning_rate", "0", "parameter_out_of_range", "1e-08");
	refused("max_sigma", "20", "parameter_out_of_range", "from 0.01 to 10, not 20");
	refused("alpha", "2e15", "parameter_out_of_range", "from 0 to 1000, not 2e+15");
	refused("hidden_layers", "256,0", "parameter_out_of_range", "not 0");
	refused("hidden_layers", "2.5", "parameter_out_of_range", "not 2.5");
	refused("hidden_layers", "1,1,1,1,1,1,1,1,1", "parameter_out_of_range", "at most 8");
	refused("hidden_layers", "1,1,1,1,1,1,1,1,1,1,1,1", "parameter_out_of_range", "at most 8");
	refused("scaling", "minmaxx", "parameter_out_of_range", "by_column, minmax, standard, quantile");
}

static void
a_value_of_another_type_is_refused(void **state)
{
	struct params p;
	struct err e = {0};
	double size = 3;

	(void)state;
	refused("batch_size", "1.5", "parameter_type", "whole number");
	refused("batch_size", "many", "parameter_type", "whole number");
	refused("batch_size", "", "parameter_type", "whole number");
	refused("learning_rate", "nan", "parameter_type", "a number");
	refused("learning_rate", "0x1p-3", "parameter_type", "a number");
	refused("learning_rate", "1e999", "parameter_type", "a number");
	refused("learning_rate", "0,1", "parameter_type", "a number");
	refused("weight_norm", "yes", "parameter_type", "true or false");
	refused("hidden_layers", "256,,256", "parameter_type", "layer sizes");
	refused("hidden_layers", "256,", "parameter_type", "layer sizes");
	params_defaults(&p);
	assert_int_equal(params_set_number(&p, named("method"), 1, &e), ERR_INVALID);
	assert_int_equal(params_set_number(&p, named("seed"), NAN, &e), ERR_INVALID);
	assert_int_equal(params_set_bool(&p, named("seed"), true, &e), ERR_INVALID);
	assert_int_equal(params_set_layers(&p, named("seed"), &size, 1, &e), ERR_INVALID);
	assert_int_equal(params_set_choice(&p, named("seed"), "vera", &e), ERR_INVALID);
}

static void
an_unknown_name_is_refused_with_the_nearest_known_one(void **state)
{
	struct err e = {0};
	const char *nearest = NULL;

	(void)state;
	assert_null(params_find("learning_rat", &nearest));
	assert_string_equal(nearest, "learning_rate");
	assert_int_equal(params_unknown("learning_rat", &e), ERR_INVALID);
	assert_string_equal(e.code, "unknown_parameter");
	assert_non_null(strstr(e.msg, "did you mean \"learning_rate\""));
	assert_int_equal(params_unknown("qqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", &e), ERR_INVALID);
	assert_null(strstr(e.msg, "did you mean"));
}

static void
resolve_leaves_nothing_to_choose_but_what_the_rows_say(void **state)
{
	size_t rows[] = {10, 500, 100000}, features[] = {1, 6, 64, 5000};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		struct params p;

		params_defaults(&p);
		assert_int_equal(params_resolve(&p, rows[i % 3], 10, features[i / 3], 10, &e), OK);
		assert_true(p.steps && p.noise_dim && p.hidden_layers.n && p.generator_layers.n);
		for (size_t j = 0; j < params_count; j++) {
			char text[128];

			params_get_text(&p, &params_table[j], text, sizeof text);
			assert_true(!strcmp(params_table[j].name, "method") ||
				    !strcmp(params_table[j].name, "input_noise") || strcmp(text, "auto") != 0);
		}
	}
}

static void
resolve_keeps_what_was_chosen(void **state)
{
	struct params p;
	struct err e = {0};

	(void)state;
	params_defaults(&p);
	assert_int_equal(params_set_text(&p, named("hidden_layers"), "7,5", &e), OK);
	p.steps = 3;
	p.noise_dim = 4;
	assert_int_equal(params_resolve(&p, 1000, 20, 30, 2, &e), OK);
	assert_int_equal(p.hidden_layers.n, 2);
	assert_int_equal(p.hidden_layers.size[1], 5);
	assert_int_equal(p.steps, 3);
	assert_int_equal(p.noise_dim, 4);
}

static void
resolve_refuses_data_that_cannot_train(void **state)
{
	struct params p;
	struct err e = {0};

	(void)state;
	params_defaults(&p);
	assert_int_equal(params_resolve(&p, 100, 10, 5, 1, &e), ERR_DATA);
	assert_string_equal(e.code, "one_class");
	assert_int_equal(params_resolve(&p, 100, 0, 5, 2, &e), ERR_DATA);
	assert_string_equal(e.code, "no_labels");
	assert_int_equal(params_resolve(&p, 100, 1, 5, 2, &e), ERR_DATA);
	assert_string_equal(e.code, "too_few_labels");
	assert_int_equal(params_resolve(&p, 100, 10, 0, 2, &e), ERR_DATA);
	assert_string_equal(e.code, "no_features");
	assert_int_equal(params_resolve(&p, 100, 10, (size_t)1 << 40, 2, &e), ERR_TOO_LARGE);
	assert_string_equal(e.code, "too_many_features");
}

static void
a_table_without_labels_takes_methods_that_learn_a_density(void **state)
{
	static const size_t density[] = {METHOD_VERA, METHOD_VERA_HMC, METHOD_MEG, METHOD_JEM};
	static const size_t classes[] = {METHOD_SUPERVISED, METHOD_VAT};
	struct params p;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof density / sizeof *density; i++) {
		params_defaults(&p);
		p.method = density[i];
		assert_int_equal(params_resolve(&p, 100, 0, 5, 1, &e), OK);
		assert_true(p.steps && p.hidden_layers.n);
	}
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		params_defaults(&p);
		p.method = classes[i];
		assert_int_equal(params_resolve(&p, 100, 0, 5, 1, &e), ERR_DATA);
		assert_string_equal(e.code, "no_labels");
	}
	params_defaults(&p);
	p.ood_score = OOD_MAX_PROBABILITY;
	assert_int_equal(params_resolve(&p, 100, 0, 5, 1, &e), ERR_INVALID);
	assert_string_equal(e.code, "parameter_combination");
	assert_int_equal(params_resolve(&p, 100, 10, 5, 2, &e), OK);
}

static void
noise_is_left_to_the_rows_but_for_those_who_need_none_of_them(void **state)
{
	struct params p;
	struct err e = {0};
	char text[128];

	(void)state;
	params_defaults(&p);
	assert_int_equal(params_resolve(&p, 1000, 20, 30, 2, &e), OK);
	params_get_text(&p, named("input_noise"), text, sizeof text);
	assert_string_equal(text, "auto");
	p.input_noise = 0.2;
	assert_true(params_baseline_noise(&p, 20) == 0.5 && params_baseline_noise(&p, 1000) == 0.2);
	p.input_noise = 0.6;
	assert_true(params_baseline_noise(&p, 20) == 0.6);
	p.input_noise = 0;
	assert_true(params_baseline_noise(&p, 20) == 0);

	params_defaults(&p);
	p.method = METHOD_SUPERVISED;
	assert_int_equal(params_resolve(&p, 1000, 20, 30, 2, &e), OK);
	assert_true(p.input_noise == 0.5);
	params_defaults(&p);
	p.method = METHOD_DENSITY;
	params_settle(&p, 0);
	assert_true(p.input_noise == 0.2);
	assert_int_equal(params_set_text(&p, named("input_noise"), "0", &e), OK);
	params_settle(&p, params_bit(named("input_noise")));
	assert_true(p.input_noise == 0);
	refused("input_noise", "-0.5", "parameter_out_of_range", "from 0 to 10, or auto to choose by the table");
}

static void
combination_refused(const struct params *chosen, size_t d, const char *part)
{
	struct params p = *chosen;
	struct err e = {0};

	assert_int_equal(params_resolve(&p, 1000, 20, d, 2, &e), ERR_INVALID);
	assert_string_equal(e.code, "parameter_combination");
	assert_non_null(strstr(e.msg, part));
	assert_memory_equal(&p, chosen, sizeof p);
}

static void
resolve_refuses_parts_that_do_not_fit_together(void **state)
{
	struct params p;
	struct err e = {0};

	(void)state;
	params_defaults(&p);
	assert_int_equal(params_check(&p, &e), OK);
	p.batch_size = 1;
	assert_int_equal(params_check(&p, &e), ERR_INVALID); /* before there is a table */
	assert_string_equal(e.code, "parameter_combination");
	combination_refused(&p, 5, "batch_size");
	params_defaults(&p);
	p.method = METHOD_SUPERVISED;
	p.alpha = 0;
	combination_refused(&p, 5, "alpha");
	p.method = METHOD_VAT;
	combination_refused(&p, 5, "method vat");
	params_defaults(&p);
	p.batch_size = 1;
	p.method = METHOD_VERA_HMC;
	combination_refused(&p, 5, "method vera_hmc");
	p.method = METHOD_MEG;
	combination_refused(&p, 5, "method meg");
	params_defaults(&p);
	p.method = METHOD_JEM;
	combination_refused(&p, 5000, "replay_buffer");
	p.batch_size = 1;
	assert_int_equal(params_resolve(&p, 1000, 20, 5, 2, &e), OK);
	params_defaults(&p);
	p.evaluation_folds = 1;
	combination_refused(&p, 5, "evaluation_folds");
	params_defaults(&p);
	assert_int_equal(params_set_text(&p, named("hidden_layers"), "4096,4096,4096,4096,4096,4096", &e), OK);
	combination_refused(&p, 5, "hidden_layers");
	params_defaults(&p);
	assert_int_equal(params_set_text(&p, named("generator_layers"), "4096", &e), OK);
	combination_refused(&p, 100000, "generator_layers");
	params_defaults(&p);
	p.batch_size = 4096;
	p.posterior = POSTERIOR_IMPORTANCE;
	p.importance_samples = 64;
	combination_refused(&p, 5000, "importance_samples");
	params_defaults(&p);
	p.generator_sigma = GENERATOR_SIGMA_BY_COLUMN;
	p.refine_generated = 0.5;
	assert_int_equal(params_check(&p, &e), OK); /* of auto's vera */
	p.posterior = POSTERIOR_IMPORTANCE;
	combination_refused(&p, 5, "generator_sigma");
	p.posterior = POSTERIOR_BATCH;
	p.weigh_generated = true;
	combination_refused(&p, 5, "refine_generated");
	p.refine_generated = 0;
	assert_int_equal(params_check(&p, &e), OK);
	p.method = METHOD_MEG;
	combination_refused(&p, 5, "weigh_generated");
	params_defaults(&p);
	p.batch_size = 4096;
	combination_refused(&p, 100000, "batch_size");
}

static enum status
from_json(const char *text, struct params *p, struct err *e)
{
	cJSON *object = cJSON_Parse(text);
	enum status s;

	assert_non_null(object);
	s = params_from_json(p, NULL, object, e);
	cJSON_Delete(object);
	return s;
}

static void
json_sets_what_it_names_and_defaults_the_rest(void **state)
{
	struct params p;
	struct err e = {0};

	(void)state;
	assert_int_equal(from_json("{\"seed\": 7, \"alpha\": 2.5, \"weight_norm\": true, \"scaling\": \"quantile\","
				   "\"hidden_layers\": [32, 16], \"generator_layers\": 8, \"steps\": \"auto\"}",
				 &p, &e),
		OK);
	assert_int_equal(p.seed, 7);
	assert_float_equal(p.alpha, 2.5, 0);
	assert_true(p.weight_norm);
	assert_int_equal(p.scaling, SCALING_QUANTILE);
	assert_int_equal(p.hidden_layers.n, 2);
	assert_int_equal(p.hidden_layers.size[1], 16);
	assert_int_equal(p.generator_layers.n, 1);
	assert_int_equal(p.steps, 0);
	assert_int_equal(p.batch_size, 64);
	assert_int_equal(params_from_json(&p, NULL, NULL, &e), OK);
	assert_int_equal(p.seed, 1);
	assert_int_equal(from_json("null", &p, &e), OK);
}

static void
json_refused(const char *text, const char *code)
{
	struct params p = {.seed = 99};
	struct err e = {0};

	assert_int_equal(from_json(text, &p, &e), ERR_INVALID);
	assert_string_equal(e.code, code);
	assert_int_equal(p.seed, 99);
}

static void
json_of_a_wrong_kind_is_refused(void **state)
{
	(void)state;
	json_refused("[1]", "parameter_type");
	json_refused("{\"Seed\": 1}", "unknown_parameter");
	json_refused("{\"seed\": 1, \"seed\": 1}", "duplicate_parameter");
	json_refused("{\"seed\": \"1\"}", "parameter_type");
	json_refused("{\"seed\": \"auto\"}", "parameter_type");
	json_refused("{\"seed\": null}", "parameter_type");
	json_refused("{\"seed\": [1]}", "parameter_type");
	json_refused("{\"seed\": 1.5}", "parameter_type");
	json_refused("{\"seed\": 1e999}", "parameter_out_of_range");
	json_refused("{\"weight_norm\": 1}", "parameter_type");
	json_refused("{\"weight_norm\": {}}", "parameter_type");
	json_refused("{\"method\": \"magic\"}", "parameter_out_of_range");
	json_refused("{\"method\": 0}", "parameter_type");
	json_refused("{\"hidden_layers\": [1, \"2\"]}", "parameter_type");
	json_refused("{\"hidden_layers\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "parameter_out_of_range");
}

static void
json_written_reads_back_as_the_same_parameters(void **state)
{
	struct err e = {0};

	(void)state;
	for (int resolved = 0; resolved < 2; resolved++) {
		struct params p, q;
		cJSON *json;
		char *text;

		params_defaults(&p);
		p.seed = ((size_t)1 << 53) - 1;
		p.lambda = 0.1 + 0.2;   /* 0.30000000000000004 */
		p.method = METHOD_VERA; /* the one choice that is called auto even when nothing is left to choose */
		if (resolved)
			p.input_noise = 0.125; /* see spacing.h */
		if (resolved)
			assert_int_equal(params_resolve(&p, 1000, 20, 30, 2, &e), OK);
		json = params_to_json(&p, NULL);
		assert_non_null(json);
		assert_int_equal(params_from_json(&q, NULL, json, &e), OK);
		assert_memory_equal(&p, &q, sizeof p);
		text = cJSON_Print(json);
		assert_true(!resolved || !strstr(text, "auto"));
		assert_int_equal(from_json(text, &q, &e), OK);
		assert_memory_equal(&p, &q, sizeof p);
		free(text);
		cJSON_Delete(json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_lies_within_its_bounds_or_means_by_the_table),
		cmocka_unit_test(every_value_survives_text_and_back),
		cmocka_unit_test(text_of_what_the_table_will_choose_is_auto),
		cmocka_unit_test(a_value_out_of_bounds_is_refused_with_its_bounds),
		cmocka_unit_test(a_value_of_another_type_is_refused),
		cmocka_unit_test(an_unknown_name_is_refused_with_the_nearest_known_one),
		cmocka_unit_test(resolve_leaves_nothing_to_choose_but_what_the_rows_say),
		cmocka_unit_test(resolve_keeps_what_was_chosen),
		cmocka_unit_test(resolve_refuses_data_that_cannot_train),
		cmocka_unit_test(a_table_without_labels_takes_methods_that_learn_a_density),
		cmocka_unit_test(noise_is_left_to_the_rows_but_for_those_who_need_none_of_them),
		cmocka_unit_test(json_sets_what_it_names_and_defaults_the_rest),
		cmocka_unit_test(json_of_a_wrong_kind_is_refused),
		cmocka_unit_test(json_written_reads_back_as_the_same_parameters),
		cmocka_unit_test(resolve_refuses_parts_that_do_not_fit_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
