/* json_read and json_predict: what is JSON and what is not, rows as objects, and the same answers as from CSV. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "schema/csv.h"
#include "schema/json_read.h"
#include "tests/unit/tiny_bundle.h"

static struct err err;

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- the reader -------------------------------------------------------------------------------------------------- */

/* Reads all tokens, of memory of its own, into one text of types and contents: "{k:a n:1}". */
static enum status
tokens(const char *bytes, size_t n, struct buf *out)
{
	static const char sign[] = ".{}[]ksntf0";
	unsigned char *copy = malloc(n + !n);
	struct json_reader r;
	struct json_token t;
	char number[32];
	enum status s;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	json_reader_init(&r, copy, n);
	do {
		s = json_next(&r, &t, &err);
		if (s)
			break;
		buf_put_u8(out, (uint8_t)sign[t.type]);
		if (t.type == JSON_KEY || t.type == JSON_STRING) {
			assert_int_equal(strlen(t.text), t.len);
			buf_put(out, t.text, t.len);
		}
		if (t.type == JSON_NUMBER) {
			assert_true(isfinite(t.number));
			buf_put(out, number, number_format(number, t.number));
		}
	} while (t.type != JSON_END);
	buf_put_u8(out, 0);
	json_reader_release(&r);
	free(copy);
	return s;
}

static void
json_is_read_token_by_token(void **state)
{
	static const struct {
		const char *json, *expected;
	} cases[] = {
		{"{}", "{}."},
		{" [ ] ", "[]."},
		{"\xef\xbb\xbf[]", "[]."},
		{"null", "0."},
		{"[1,-0,0.5,-12.25e2,1E+2,1e-2]", "[n1n0n0.5n-1225n100n0.01]."},
		{"{\"a\":1,\"b\":[true,false,null],\"\":{}}", "{kan1kb[tf0]k{}}."},
		{"\r\n\t{\"a\" : \"b\" , \"c\":\"d\"}\n", "{kasbkcsd}."},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s\"\\/\b\f\n\r\t."},
		{"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"", "sA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80."},
		{"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "s\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80."},
		{"[[[[]],[]]]", "[[[[]][]]]."},
		{"1e-999", "n0."},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = {0};

		assert_int_equal(tokens(cases[i].json, strlen(cases[i].json), &out), OK);
		/* -0 may be written with or without its sign */
		if (strcmp((char *)out.data, cases[i].expected) && !strstr(cases[i].json, "-0"))
			fail_msg("%s: %s", cases[i].json, (char *)out.data);
		buf_release(&out);
	}
}

static void
what_is_not_json_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *json, *part;
	} cases[] = {
		{"", "line 1, byte 1: it ends where a value"},
		{"  ", "it ends where a value"},
		{"[1,\n 2,\n  x]", "line 3, byte 3: a value should follow, not 'x'"},
		{"[1,]", "a value should follow, not ']'"},
		{"[,1]", "a value or ']' should follow, not ','"},
		{"[1 2]", "',' or ']' should follow, not '2'"},
		{"{\"a\":1,}", "a name in quotes should follow, not '}'"},
		{"{\"a\" 1}", "':' should follow the name \"a\""},
		{"{\"a\":}", "a value should follow, not '}'"},
		{"{a:1}", "a name in quotes or '}' should follow"},
		{"{1:1}", "a name in quotes"},
		{"{\"a\":1", "it ends where ',' or '}' should follow"},
		{"[1}", "',' or ']' should follow, not '}'"},
		{"{]", "a name in quotes or '}'"},
		{"[] []", "more behind the end"},
		{"{} x", "more behind the end"},
		{"[NaN]", "line 1, byte 2: NaN is not JSON; write null"},
		{"[Infinity]", "Infinity is not JSON"},
		{"[-Infinity]", "-Infinity is not JSON"},
		{"[nan]", "nan is not JSON"},
		{"[True]", "True is not JSON; write true"},
		{"[None]", "None is not JSON; write null"},
		{"[01]", "must not begin with a zero"},
		{"[-01]", "must not begin with a zero"},
		{"[1.]", "behind its point"},
		{"[.5]", "a value"},
		{"[+1]", "a value"},
		{"[-]", "needs a digit here"},
		{"[1e]", "exponent"},
		{"[1e+]", "exponent"},
		{"[0x10]", "',' or ']' should follow, not 'x'"},
		{"tru", "a value should follow, not 't'"},
		{"\"abc", "ends within a string"},
		{"\"abc\\", "ends within a string"},
		{"\"a\nb\"", "byte 0x0a within a string must be escaped"},
		{"\"\\x\"", "an escape that JSON does not have"},
		{"\"\\u12\"", "four hexadecimal digits"},
		{"\"\\u12g4\"", "four hexadecimal digits"},
		{"\"\\u0000\"", "\\u0000"},
		{"\"\\ud800\"", "half a surrogate pair"},
		{"\"\\ud800\\u0041\"", "half a surrogate pair"},
		{"\"\\udc00\"", "half a surrogate pair"},
		{"\"\xff\"", "0xff that is not UTF-8"},
		{"\"\xc0\x80\"", "not UTF-8"},
		{"\"\xed\xa0\x80\"", "not UTF-8"},
		{"\"\xf4\x90\x80\x80\"", "not UTF-8"},
		{"\"\xe2\x82\"", "not UTF-8"},
		{"[\x01]", "not a byte 0x01"},
		{"/* a */ []", "a value"},
		{"['a']", "a value"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = {0};

		assert_int_equal(tokens(cases[i].json, strlen(cases[i].json), &out), ERR_SYNTAX);
		assert_string_equal(err.code, "malformed_json");
		if (!strstr(err.msg, cases[i].part))
			fail_msg("%s: \"%s\" has no \"%s\"", cases[i].json, err.msg, cases[i].part);
		buf_release(&out);
	}
}

static void
a_number_that_no_double_holds_is_named(void **state)
{
	static const char json[] = "[\n1e999]";
	struct buf out = {0};

	(void)state;
	assert_int_equal(tokens(json, strlen(json), &out), ERR_DATA);
	assert_string_equal(err.code, "number_out_of_range");
	assert_non_null(strstr(err.msg, "line 2, byte 1: 1e999"));
	assert_int_equal(err.line, 2);
	buf_release(&out);
}

static void
nesting_is_bounded(void **state)
{
	char json[2 * JSON_MAX_DEPTH + 4];

	(void)state;
	for (size_t depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
		struct buf out = {0};

		memset(json, '[', depth);
		memset(json + depth, ']', depth);
		assert_int_equal(tokens(json, 2 * depth, &out), depth > JSON_MAX_DEPTH ? ERR_SYNTAX : OK);
		buf_release(&out);
	}
	assert_non_null(strstr(err.msg, "levels of nesting"));
}

static void
every_beginning_of_a_text_is_refused(void **state)
{
	static const char json[] =
		"{\"rows\":[{\"a\":-1.5e+3,\"b\\u00e9\\ud83d\\ude00\":\"\xc3\xa9\",\"c\":[true,false,null]}]}";

	(void)state;
	for (size_t n = 0; n + 1 < sizeof json; n++) {
		struct buf out = {0};

		assert_int_equal(tokens(json, n, &out), ERR_SYNTAX);
		buf_release(&out);
	}
}

/* ---- prediction -------------------------------------------------------------------------------------------------- */

static enum status
predict(const char *body, bool want_labels, struct buf *out, size_t *n_rows)
{
	struct bundle *b = tiny_bundle(&err);
	size_t n = strlen(body);
	char *copy = malloc(n + !n);
	enum status s;

	assert_non_null(b);
	assert_non_null(copy);
	memcpy(copy, body, n);
	s = json_predict(b, copy, n, want_labels ? INCLUDE_LABELS : 0, UINT64_MAX, out, n_rows, &err);
	free(copy);
	bundle_free(b);
	return s;
}

static cJSON *
answer(const char *body, bool want_labels)
{
	struct buf out = {0};
	size_t n_rows = 0;
	cJSON *reply;

	if (predict(body, want_labels, &out, &n_rows))
		fail_msg("%s: %s", body, err.msg);
	assert_int_equal(json_check_object(out.data, out.len, &err), OK);
	buf_put_u8(&out, 0);
	reply = cJSON_Parse((char *)out.data);
	assert_non_null(reply);
	assert_int_equal(n_rows,
		cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, want_labels ? "predictions" : "scores")));
	buf_release(&out);
	return reply;
}

static void
refused(const char *body, enum status status, const char *code, const char *part, uint64_t line, const char *column)
{
	struct buf out = {0};

	buf_puts(&out, "kept");
	assert_int_equal(predict(body, true, &out, NULL), status);
	assert_string_equal(err.code, code);
	if (!strstr(err.msg, part))
		fail_msg("\"%s\" is not in \"%s\"", part, err.msg);
	assert_int_equal(err.line, line);
	assert_string_equal(err.column, column);
	assert_int_equal(out.len, 4);
	assert_memory_equal(out.data, "kept", 4);
	buf_release(&out);
}

static void
a_reply_has_the_fields_of_the_contract(void **state)
{
	cJSON *reply = answer("{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5},"
			      "{\"fixed\":5,\"colour\":\"green\",\"x\":1e300,\"size\":null}]}",
		true);
	const cJSON *p;

	(void)state;
	cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(reply, "predictions"))
	{
		const cJSON *probabilities = cJSON_GetObjectItemCaseSensitive(p, "probabilities"), *v;
		const cJSON *ood = cJSON_GetObjectItemCaseSensitive(p, "ood");
		const char *label = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p, "label")), *best = NULL;
		double sum = 0, most = 0;
		int k = 0;

		assert_int_equal(cJSON_GetArraySize(p), 3);
		assert_int_equal(cJSON_GetArraySize(probabilities), 3);
		cJSON_ArrayForEach(v, probabilities)
		{
			assert_string_equal(v->string, tiny_labels[k++]);
			sum += v->valuedouble;
			if (v->valuedouble > most) {
				most = v->valuedouble;
				best = v->string;
			}
		}
		assert_true(fabs(sum - 1) < 1e-6);
		assert_string_equal(label, best);
		assert_int_equal(cJSON_GetArraySize(ood), 3);
		assert_true(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(ood, "score")));
		assert_true(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(ood, "p_value")));
		assert_true(cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(ood, "is_ood")));
	}
	cJSON_Delete(reply);
	reply = answer("{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5}]}", false);
	p = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply, "scores"), 0);
	assert_int_equal(cJSON_GetArraySize(p), 3);
	assert_true(cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(p, "is_ood")));
	assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(reply, "warnings")));
	cJSON_Delete(reply);
}

/* The same 1,500 rows as CSV and as JSON, keys in changing order, numbers in part as texts. */
static void
json_and_csv_give_the_same_answers(void **state)
{
	static const char *const colours[] = {"red", "green", "mauve", ""};
	struct bundle *b = tiny_bundle(&err);
	struct csv_predictor *p = NULL;
	struct buf csv = {0}, json = {0}, csv_out = {0}, json_out = {0};
	const cJSON *prediction;
	cJSON *reply;
	char *line;
	size_t n = 0;

	(void)state;
	assert_non_null(b);
	buf_puts(&csv, "x,size,colour,fixed\n");
	buf_puts(&json, "{\"rows\":[");
	for (int i = 0; i < 1500; i++) {
		double x = sin(i) * exp(i % 30 - 10);
		char text[32];

		text[number_format(text, x)] = '\0';
		buf_printf(&csv, "%s,%d,%s,5\n", text, i % 77, colours[i % 4]);
		buf_printf(&json,
			i % 2 ? "%s{\"x\":%s,\"size\":%d,\"colour\":\"%s\",\"fixed\":5}"
			      : "%s{\"x\":\"%s\",\"size\":\"%d\",\"colour\":\"%s\",\"fixed\":5.0}",
			i ? "," : "", text, i % 77, colours[i % 4]);
	}
	buf_puts(&json, "]}");
	assert_int_equal(csv_predictor_new(b, INCLUDE_LABELS, &p, &err), OK);
	assert_int_equal(csv_predictor_feed(p, csv.data, csv.len, &csv_out, &err), OK);
	assert_int_equal(csv_predictor_finish(p, &csv_out, &n, &err), OK);
	assert_int_equal(n, 1500);
	csv_predictor_free(p);
	assert_int_equal(json_predict(b, json.data, json.len, INCLUDE_LABELS, UINT64_MAX, &json_out, &n, &err), OK);
	assert_int_equal(n, 1500);
	buf_put_u8(&csv_out, 0);
	buf_put_u8(&json_out, 0);
	reply = cJSON_Parse((char *)json_out.data);
	assert_non_null(reply);

	line = strstr((char *)csv_out.data, "is_ood\n") + 7;
	cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(reply, "predictions"))
	{
		const cJSON *ood = cJSON_GetObjectItemCaseSensitive(prediction, "ood"), *v;
		const char *label = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(prediction, "label"));
		struct buf expected = {0};
		char text[32];

		csv_put_cell(&expected, label, strlen(label));
		cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(prediction, "probabilities"))
		{
			buf_puts(&expected, ",");
			buf_put(&expected, text, number_format_float(text, (float)v->valuedouble));
		}
		cJSON_ArrayForEach(v, ood)
		{
			buf_puts(&expected, ",");
			if (cJSON_IsBool(v))
				buf_puts(&expected, cJSON_IsTrue(v) ? "true" : "false");
			else
				buf_put(&expected, text, number_format(text, v->valuedouble));
		}
		buf_puts(&expected, "\n");
		assert_memory_equal(line, expected.data, expected.len);
		line += expected.len;
		buf_release(&expected);
	}
	assert_int_equal(*line, 0);
	cJSON_Delete(reply);
	buf_release(&csv);
	buf_release(&json);
	buf_release(&csv_out);
	buf_release(&json_out);
	bundle_free(b);
}

static void
warnings_tell_what_was_served_with_a_doubt(void **state)
{
	cJSON *reply = answer(
		"{\"rows\":[{\"x\":null,\"size\":\"\",\"colour\":true,\"fixed\":5,\"Z\":{\"deep\":[1,{}]},\"id\":[]},"
		"{\"Z\":0,\"\\u00e9\":1,\"x\":1,\"size\":2,\"colour\":3.5,\"fixed\":5,\"label\":\"plain\"}]}",
		false);
	cJSON *warnings = cJSON_GetObjectItemCaseSensitive(reply, "warnings");
	char *text = cJSON_PrintUnformatted(warnings);

	(void)state;
	assert_string_equal(text, "[{\"column\":\"x\",\"code\":\"missing_cell\",\"count\":1},"
				  "{\"column\":\"colour\",\"code\":\"unseen_category\",\"count\":2},"
				  "{\"column\":\"Z\",\"code\":\"extra_column\",\"count\":1},"
				  "{\"column\":\"\xc3\xa9\",\"code\":\"extra_column\",\"count\":1}]");
	free(text);
	cJSON_Delete(reply);
}

#define ROW "{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5}"

static void
bodies_that_cannot_be_predicted_are_refused(void **state)
{
	(void)state;
	refused("", ERR_SYNTAX, "malformed_json", "line 1", 1, "");
	refused("[]", ERR_INVALID, "missing_rows", "\"rows\"", 0, "");
	refused("{}", ERR_INVALID, "missing_rows", "\"rows\"", 0, "");
	refused("{\"rows\":{}}", ERR_INVALID, "invalid_rows", "an array of objects, not an object", 0, "");
	refused("{\"rows\":[" ROW ",[1]]}", ERR_INVALID, "invalid_rows", "row 2 must be an object", 2, "");
	refused("{\"rows\":[]}", ERR_DATA, "no_rows", "empty", 0, "");
	refused("{\"row\":[" ROW "]}", ERR_INVALID, "unknown_field", "did you mean \"rows\"?", 0, "");
	refused("{\"rows\":[" ROW "],\"quantity\":1}", ERR_INVALID, "unknown_field", "\"quantity\"", 0, "");
	refused("{\"rows\":[" ROW "],\"rows\":[]}", ERR_INVALID, "duplicate_key", "twice", 0, "");
	refused("{\"rows\":[" ROW "]} {}", ERR_SYNTAX, "malformed_json", "more behind the end", 1, "");
	refused("{\"rows\":[" ROW "]", ERR_SYNTAX, "malformed_json", "it ends", 1, "");
}

static void
rows_that_cannot_be_predicted_are_named(void **state)
{
	(void)state;
	refused("{\"rows\":[" ROW ",{\"x\":1,\"colour\":\"red\",\"fixed\":5}]}", ERR_DATA, "missing_column",
		"row 2 has no column \"size\"", 2, "size");
	refused("{\"rows\":[{}]}", ERR_DATA, "missing_column", "row 1 has no column \"x\"", 1, "x");
	refused("{\"rows\":[{\"x\":1,\"x\":1}]}", ERR_DATA, "duplicate_key", "\"x\" twice", 1, "x");
	refused("{\"rows\":[{\"other\":1,\"other\":1}]}", ERR_DATA, "duplicate_key", "\"other\" twice", 1, "other");
	refused("{\"rows\":[{\"x\":\"one\"}]}", ERR_DATA, "not_a_number", "row 1: column \"x\" is one of numbers", 1,
		"x");
	refused("{\"rows\":[{\"x\":true}]}", ERR_DATA, "not_a_number", "\"true\" is none", 1, "x");
	refused("{\"rows\":[{\"colour\":[\"red\"]}]}", ERR_DATA, "not_a_cell", "has an array for a value", 1, "colour");
	refused("{\"rows\":[{\"x\":{}}]}", ERR_DATA, "not_a_cell", "has an object for a value", 1, "x");
	refused("{\"rows\":[{\"x\":NaN}]}", ERR_SYNTAX, "malformed_json", "NaN is not JSON", 1, "");
	refused("{\"rows\":[\n{\"x\":-1e999}]}", ERR_DATA, "number_out_of_range", "line 2, byte 6: -1e999", 2, "");
}

static void
a_body_with_endless_new_columns_is_refused(void **state)
{
	struct buf body = {0};

	(void)state;
	buf_puts(&body, "{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5");
	for (int i = 0; i < 20001; i++)
		buf_printf(&body, ",\"c%d\":0", i);
	buf_puts(&body, "}]}");
	buf_put_u8(&body, 0);
	refused((char *)body.data, ERR_TOO_LARGE, "too_many_columns", "unknown to the model", 1, "");
	buf_release(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_read_token_by_token),
		cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
		cmocka_unit_test(a_number_that_no_double_holds_is_named),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(every_beginning_of_a_text_is_refused),
		cmocka_unit_test(a_reply_has_the_fields_of_the_contract),
		cmocka_unit_test(json_and_csv_give_the_same_answers),
		cmocka_unit_test(warnings_tell_what_was_served_with_a_doubt),
		cmocka_unit_test(bodies_that_cannot_be_predicted_are_refused),
		cmocka_unit_test(rows_that_cannot_be_predicted_are_named),
		cmocka_unit_test(a_body_with_endless_new_columns_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
