/*
 * Bodies of the other protocols: what is refused, MLflow's and tensors, and which outputs come in which form. That all
 * ways in give the same answers is in test_protocols.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "schema/oip.h"
#include "tests/unit/random_scene.h"
#include "tests/unit/tiny_bundle.h"

static void
bad_bodies_of_mlflow_are_refused(void **state)
{
	static const struct {
		const char *body;
		enum status status;
		const char *code;
	} bad[] = {
		{"", ERR_SYNTAX, "malformed_json"},
		{"[]", ERR_INVALID, "missing_rows"},
		{"{}", ERR_INVALID, "missing_rows"},
		{"{\"inputs\":[]}", ERR_DATA, "no_rows"},
		{"{\"inputs\":{}}", ERR_DATA, "missing_column"},
		{"{\"inputs\":3}", ERR_INVALID, "invalid_rows"},
		{"{\"inputs\":[3]}", ERR_INVALID, "invalid_rows"},
		{"{\"inputs\":[[1,\"a\"]],\"instances\":[]}", ERR_INVALID, "duplicate_key"},
		{"{\"inputs\":[[1,\"a\"]],\"inputs\":[]}", ERR_INVALID, "duplicate_key"},
		{"{\"dataframe\":[]}", ERR_INVALID, "unknown_field"},
		{"{\"inputs\":{\"x\":[1,2],\"two words\":[\"a\"]}}", ERR_DATA, "ragged_row"},
		{"{\"inputs\":{\"x\":[1],\"two words\":[\"a\",\"b\"]}}", ERR_DATA, "ragged_row"},
		{"{\"inputs\":{\"x\":[[1,2]],\"two words\":[\"a\"]}}", ERR_DATA, "not_a_cell"},
		{"{\"inputs\":{\"x\":[[]],\"two words\":[\"a\"]}}", ERR_DATA, "not_a_cell"},
		{"{\"inputs\":{\"x\":[{}],\"two words\":[\"a\"]}}", ERR_DATA, "not_a_cell"},
		{"{\"inputs\":{\"x\":[1],\"x\":[1]}}", ERR_DATA, "duplicate_column"},
		{"{\"inputs\":{\"x\":1,\"two words\":[\"a\"]}}", ERR_INVALID, "invalid_rows"},
		{"{\"instances\":[[1]]}", ERR_DATA, "ragged_row"},
		{"{\"instances\":[[1,\"a\",2]]}", ERR_DATA, "ragged_row"},
		{"{\"instances\":[[1,\"a\"],{}]}", ERR_INVALID, "invalid_rows"},
		{"{\"instances\":[{\"x\":1}]}", ERR_DATA, "missing_column"},
		{"{\"dataframe_records\":{}}", ERR_INVALID, "invalid_rows"},
		{"{\"dataframe_records\":[[1,\"a\"]]}", ERR_INVALID, "invalid_rows"},
		{"{\"dataframe_split\":{\"data\":[]}}", ERR_INVALID, "missing_rows"},
		{"{\"dataframe_split\":{\"columns\":[\"x\"],\"data\":[[1]]}}", ERR_DATA, "missing_column"},
		{"{\"dataframe_split\":{\"columns\":[\"x\",\"x\"],\"data\":[]}}", ERR_DATA, "duplicate_column"},
		{"{\"dataframe_split\":{\"columns\":[1],\"data\":[]}}", ERR_INVALID, "invalid_columns"},
		{"{\"dataframe_split\":{\"columns\":[\"x\",\"two words\"],\"data\":{}}}", ERR_INVALID, "invalid_rows"},
		{"{\"dataframe_split\":{\"columns\":[\"x\",\"two words\"],\"data\":[[\"z\",\"a\"]]}}", ERR_DATA,
			"not_a_number"},
		{"{\"inputs\":[[1,\"a\"]]} x", ERR_SYNTAX, "malformed_json"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":3}", ERR_INVALID, "wrong_type"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":{\"include\":\"all\"}}", ERR_INVALID, "unknown_include"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":{\"include\":[\"attributions\",3]}}", ERR_INVALID, "wrong_type"},
		{"{\"inputs\":[[1,\"a\"]],\"params\":{\"include\":{}}}", ERR_INVALID, "wrong_type"},
	};
	struct scene *s = plain_scene();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf out = {0};
		enum status got = invocations_predict(
			s->bundle, bad[i].body, strlen(bad[i].body), INCLUDE_LABELS, UINT64_MAX, &out, &err);

		if (got != bad[i].status || strcmp(err.code, bad[i].code))
			fail_msg("%s: not %s but %s: %s", bad[i].body, bad[i].code, got ? err.code : "ok", err.msg);
		assert_int_equal(out.len, 0);
		buf_release(&out);
	}
	free_scene(s);
}

#define IN(shape, type, rest) "{\"name\":\"x\",\"shape\":" shape ",\"datatype\":\"" type "\"," rest "}"
#define TEXTS "{\"name\":\"two words\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"a\"]}"
#define GOOD IN("[1]", "FP32", "\"data\":[1]")

static void
bad_tensors_are_refused(void **state)
{
	static const struct {
		const char *json, *binary; /* binary NULL: none, and no header */
		enum status status;
		const char *code;
	} bad[] = {
		{"", NULL, ERR_SYNTAX, "malformed_json"},
		{"{}", NULL, ERR_INVALID, "bad_request"},
		{"[]", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[]}", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[3]}", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" GOOD "]}", NULL, ERR_DATA, "missing_column"},
		{"{\"inputs\":[" GOOD "," GOOD "]}", NULL, ERR_DATA, "duplicate_column"},
		{"{\"inputs\":[" TEXTS "," IN("[2]", "FP32", "\"data\":[1,2]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[1,2]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1,2]", "FP32", "\"data\":[1,2]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1,1,1]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[-1]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[0.5]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1e99]", "FP32", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_shape"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP16", "\"data\":[1]") "]}", NULL, ERR_DATA, "bad_datatype"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[\"1\"]") "]}", NULL, ERR_DATA, "not_a_cell"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"data\":[{}]") "]}", NULL, ERR_DATA, "not_a_cell"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "INT8", "\"data\":[0.5]") "]}", NULL, ERR_DATA, "not_a_number"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "BYTES", "\"data\":[\"one\"]") "]}", NULL, ERR_DATA,
			"not_a_number"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{}") "]}", NULL, ERR_INVALID,
			"bad_request"},
		{"{\"inputs\":[" TEXTS ",{\"name\":\"x\",\"data\":[1]}]}", NULL, ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" IN("[0]", "FP32", "\"data\":[]") "]}", NULL, ERR_DATA, "no_rows"},
		{"{\"inputs\":[{\"name\":\"m\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}", NULL,
			ERR_DATA, "bad_shape"},
		{"{\"outputs\":[{\"name\":\"nothing\"}],\"inputs\":[" TEXTS "," GOOD "]}", NULL, ERR_INVALID,
			"unknown_output"},
		{"{\"outputs\":[{\"name\":\"label\"},{\"name\":\"label\"}],\"inputs\":[" TEXTS "," GOOD "]}", NULL,
			ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}", NULL,
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}", "123",
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}", "12345",
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP64", "\"parameters\":{\"binary_data_size\":4}") "]}", "1234",
			ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "BYTES", "\"parameters\":{\"binary_data_size\":6}") "]}",
			"\x09\x01\x01\x01zz", ERR_SYNTAX, "bad_tensor_size"},
		{"{\"inputs\":[" TEXTS "," IN("[1]", "FP32", "\"parameters\":{\"binary_data_size\":-1}") "]}", "1234",
			ERR_INVALID, "bad_request"},
		{"{\"inputs\":[" TEXTS
		 "," IN("[4294967295,4294967295]", "FP32", "\"parameters\":{\"binary_data_size\":4}") "]}",
			"1234", ERR_SYNTAX, "bad_tensor_size"},
	};
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf in = {0}, out = {0};
		size_t size = SIZE_MAX, n = strlen(bad[i].json);
		enum status got;

		buf_put(&in, bad[i].json, n);
		if (bad[i].binary)
			buf_put(&in, bad[i].binary, strlen(bad[i].binary));
		got = oip_infer(s->bundle, &called, in.data, in.len, bad[i].binary ? n : SIZE_MAX, UINT64_MAX, &out,
			&size, &err);
		if (got != bad[i].status || strcmp(err.code, bad[i].code))
			fail_msg("%s: not %s but %s: %s", bad[i].json, bad[i].code, got ? err.code : "ok",
				got ? err.msg : "");
		assert_int_equal(out.len, 0);
		buf_release(&in);
		buf_release(&out);
	}
	free_scene(s);
}

static void
a_binary_tensor_may_not_be_infinite_or_no_text(void **state)
{
	static const char json[] = "{\"inputs\":[" IN("[1]", "FP32",
		"\"parameters\":{\"binary_data_size\":4}") ",{\"name\":\"two "
							   "words\",\"shape\":[1],\"datatype\":\"BYTES\","
							   "\"parameters\":{\"binary_data_size\":6}}]}";
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct buf in = {0}, out = {0};
		size_t size;
		enum status got;

		buf_put(&in, json, sizeof json - 1);
		buf_put_f32(&in, i == 0 ? (float)INFINITY : 1);
		buf_put_text(&in, i == 1 ? "\xc3\x28" : i == 2 ? "a\0" : "ok", 2);
		got = oip_infer(s->bundle, &called, in.data, in.len, sizeof json - 1, UINT64_MAX, &out, &size, &err);
		assert_int_equal(got, ERR_DATA);
		assert_string_equal(err.code, i == 0 ? "not_a_number" : "invalid_utf8");
		buf_release(&in);
		buf_release(&out);
	}
	free_scene(s);
}

static void
tensors_of_too_many_rows_are_not_attributed(void **state)
{
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();
	struct buf in = {0}, out = {0};
	size_t size;

	(void)state;
	buf_printf(&in, "{\"outputs\":[{\"name\":\"ood_attribution\"}],\"inputs\":[");
	for (int j = 0; j < 2; j++) {
		buf_printf(&in, "%s{\"name\":\"%s\",\"shape\":[%d],\"datatype\":\"%s\",\"data\":[", j ? "," : "",
			scene_names[j], MAX_ATTRIBUTED_ROWS + 1, j ? "BYTES" : "FP32");
		for (int i = 0; i <= MAX_ATTRIBUTED_ROWS; i++)
			buf_puts(&in, i ? ",null" : "null");
		buf_puts(&in, "]}");
	}
	buf_puts(&in, "]}");
	assert_int_equal(
		oip_infer(s->bundle, &called, in.data, in.len, SIZE_MAX, UINT64_MAX, &out, &size, &err), ERR_TOO_LARGE);
	assert_string_equal(err.code, "too_many_rows");
	buf_release(&in);
	buf_release(&out);
	free_scene(s);
}

static void
only_the_outputs_asked_for_come_each_in_its_form(void **state)
{
	static const char json[] =
		"{\"outputs\":[{\"name\":\"is_ood\",\"parameters\":{\"binary_data\":true}},{\"name\":\"label\"}],"
		"\"inputs\":[" TEXTS "," GOOD ",{\"name\":\"odd\",\"shape\":[1],\"datatype\":\"INT64\",\"data\":[5]}]}";
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();
	struct buf out = {0};
	size_t size;
	cJSON *root, *list;

	(void)state;
	assert_int_equal(
		oip_infer(s->bundle, &called, json, sizeof json - 1, SIZE_MAX, UINT64_MAX, &out, &size, &err), OK);
	assert_int_equal(out.len - size, 1);
	root = cJSON_ParseWithLength((const char *)out.data, size);
	list = cJSON_GetObjectItemCaseSensitive(root, "outputs");
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_non_null(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 1), "data"));
	assert_null(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 0), "data"));
	assert_null(cJSON_GetObjectItemCaseSensitive(root, "model_version"));
	assert_non_null(strstr(
		cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "parameters"), "warnings")
			->valuestring,
		"extra_column; column=\"odd\""));
	cJSON_Delete(root);
	buf_release(&out);
	free_scene(s);
}

static void
a_model_without_classes_has_scores_for_tensors(void **state)
{
	static const char json[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]},"
				   "{\"name\":\"size\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[null]},"
				   "{\"name\":\"fixed\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":[5]},"
				   "{\"name\":\"colour\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"red\"]}]";
	const struct oip_names called = {"m", NULL};
	struct bundle *b = tiny_bundle_of(0, &err);
	struct buf in = {0}, out = {0};
	size_t size;

	(void)state;
	assert_non_null(b);
	buf_printf(&in, "%s}", json);
	assert_int_equal(oip_infer(b, &called, in.data, in.len, SIZE_MAX, UINT64_MAX, &out, &size, &err), OK);
	buf_put_u8(&out, 0);
	assert_null(strstr((char *)out.data, "\"label\""));
	assert_non_null(strstr((char *)out.data, "\"outputs\":[{\"name\":\"ood_score\""));
	buf_clear(&in);
	buf_printf(&in, "%s,\"outputs\":[{\"name\":\"label\"}]}", json);
	buf_clear(&out);
	assert_int_equal(oip_infer(b, &called, in.data, in.len, SIZE_MAX, UINT64_MAX, &out, &size, &err), ERR_CONFLICT);
	assert_string_equal(err.code, "no_classes");
	oip_metadata(b, "m", NULL, 0, &out);
	buf_put_u8(&out, 0);
	assert_non_null(strstr((char *)out.data, "\"outputs\":[{\"name\":\"ood_score\""));
	buf_release(&in);
	buf_release(&out);
	bundle_free(b);
}

static void
answers_over_the_limit_are_refused(void **state)
{
	static const char json[] = "{\"instances\":[[1,\"a\"],[2,\"b\"]]}",
			  tensors[] = "{\"inputs\":[" TEXTS "," GOOD "]}";
	const struct oip_names called = {"m", NULL};
	struct scene *s = plain_scene();
	struct buf out = {0};
	size_t size;

	(void)state;
	assert_int_equal(
		invocations_predict(s->bundle, json, sizeof json - 1, INCLUDE_LABELS, 40, &out, &err), ERR_TOO_LARGE);
	assert_string_equal(err.code, "answer_too_large");
	assert_int_equal(oip_infer(s->bundle, &called, tensors, sizeof tensors - 1, SIZE_MAX, 10, &out, &size, &err),
		ERR_TOO_LARGE);
	assert_string_equal(err.code, "answer_too_large");
	buf_release(&out);
	free_scene(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_bodies_of_mlflow_are_refused),
		cmocka_unit_test(bad_tensors_are_refused),
		cmocka_unit_test(a_binary_tensor_may_not_be_infinite_or_no_text),
		cmocka_unit_test(tensors_of_too_many_rows_are_not_attributed),
		cmocka_unit_test(only_the_outputs_asked_for_come_each_in_its_form),
		cmocka_unit_test(a_model_without_classes_has_scores_for_tensors),
		cmocka_unit_test(answers_over_the_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
