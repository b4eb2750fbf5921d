/* Reports that are there already: changed in one place, and checked when they come from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/report.h"
#include "tests/unit/tiny_bundle.h"

static struct err e;

#define REST                                                                                                           \
	"\"verad\":\"0\",\"method\":\"vera\",\"parameters\":{},\"data\":{},\"encoding\":[],\"measures\":{},"           \
	"\"calibration\":{},\"composition\":{},\"choices\":[],\"warnings\":[]"

static void
new_thresholds_leave_the_rest_as_it_was(void **state)
{
	static const char before[] = "{ \"a\":0.10000000000000001 , \"thresholds\" : {\"x\":[1,{\"thresholds\":2}]} ,"
				     "\"b\":{\"thresholds\":1e5}}";
	struct bundle *b = tiny_bundle(&e);
	char *after = NULL;

	(void)state;
	assert_non_null(b);
	model_set_threshold(b->model, 2.5);
	assert_int_equal(report_set_thresholds(before, b->model, &after, &e), OK);
	assert_memory_equal(after, "{ \"a\":0.10000000000000001 , \"thresholds\" :{\"score\":\"energy\",", 60);
	assert_non_null(strstr(after, "\"threshold\":2.5,"));
	assert_non_null(strstr(after, "\"max_probability\":null")); /* no rows were scored for it */
	assert_non_null(strstr(after, "} ,\"b\":{\"thresholds\":1e5}}"));
	free(after);
	assert_int_equal(report_set_thresholds("{}", b->model, &after, &e), OK);
	assert_string_equal(after, "{}");
	free(after);
	bundle_free(b);
}

static void
thresholds_follow_the_scores_held_out(void **state)
{
	struct bundle *b = tiny_bundle(&e);
	const struct ood_reference *r;

	(void)state;
	assert_non_null(b);
	r = &b->model->reference[OOD_ENERGY];
	assert_int_equal(model_set_fpr(b->model, 0.25, &e), OK);
	assert_true(r->threshold == r->score[r->n - 1 - r->n / 4]);
	assert_true(b->model->target_fpr == 0.25);
	assert_int_equal(model_set_fpr(b->model, 1, &e), OK);
	assert_true(r->threshold == r->score[0]);
	model_set_threshold(b->model, r->score[r->n - 4]);
	assert_true(b->model->target_fpr == 3 / (double)r->n);
	b->model->ood_score = OOD_GRADIENT_NORM;
	assert_int_equal(model_set_fpr(b->model, 0.25, &e), ERR_CONFLICT);
	assert_string_equal(e.code, "no_reference");
	bundle_free(b);
}

static void
a_report_from_outside_must_be_one(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{" REST ",\"baseline\":null}",
		"{" REST ",\"baseline\":null,\"thresholds\":[]}",
		"{" REST ",\"baseline\":null,\"thresholds\":{},\"thresholds\":{}}",
		"{" REST ",\"baseline\":null,\"thresholds\":{},\"id\":\"mdl_other\"}",
		"{" REST ",\"baseline\":1,\"thresholds\":{}}",
	};

	(void)state;
	assert_int_equal(report_check("{" REST ",\"baseline\":null,\"thresholds\":{}}", &e), OK);
	assert_int_equal(report_check("{" REST ",\"baseline\":{},\"thresholds\":{},\"more\":1}", &e), OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (report_check(bad[i], &e) != ERR_DATA)
			fail_msg("taken for a report: %s", bad[i]);
		assert_string_equal(e.code, "corrupt_model");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_thresholds_leave_the_rest_as_it_was),
		cmocka_unit_test(thresholds_follow_the_scores_held_out),
		cmocka_unit_test(a_report_from_outside_must_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
