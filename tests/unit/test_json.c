/* json: what a control message may be, and text on its way into JSON; log: its lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "server/json.h"
#include "server/log.h"

static void
good_json_is_parsed(void **state)
{
	static const char *const good[] = {
		"{}",
		" {\"a\":[1,-2.5e3,true,false,null,\"\\u00e9\\ud83d\\ude00\"]}\n",
		"{\"a\":{\"a\":1},\"A\":2}",
		"\xEF\xBB\xBF{\"a\":1}",
	};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		cJSON *root = NULL;

		if (json_parse(good[i], strlen(good[i]), &root, &e))
			fail_msg("%s: %s", good[i], e.msg);
		cJSON_Delete(root);
	}
}

static void
anything_less_is_refused(void **state)
{
	static const struct {
		const char *text, *code;
	} bad[] = {
		{"", "malformed_json"},
		{" ", "malformed_json"},
		{"[]", "malformed_json"},
		{"7", "malformed_json"},
		{"{} {}", "malformed_json"},
		{"{\"a\":01}", "malformed_json"},
		{"{\"a\":1,}", "malformed_json"},
		{"{'a':1}", "malformed_json"},
		{"{\"a\":NaN}", "malformed_json"},
		{"{\"a\":\"\\u0000\"}", "malformed_json"},
		{"{\"a\":\"\x01\"}", "malformed_json"},
		{"{\"a\":\"\xC0\xAF\"}", "malformed_json"},
		{"{\"a\":1e999}", "number_out_of_range"},
		{"{\"a\":1,\"b\":{\"c\":1,\"d\":2,\"c\":3}}", "duplicate_name"},
	};
	struct err e = {0};
	cJSON *root = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (json_parse(bad[i].text, strlen(bad[i].text), &root, &e) == OK)
			fail_msg("%s is accepted", bad[i].text);
		assert_string_equal(e.code, bad[i].code);
		assert_null(root);
	}
}

static void
deep_nesting_is_refused(void **state)
{
	char text[2048] = "{\"a\":";
	struct err e = {0};
	cJSON *root = NULL;

	(void)state;
	memset(text + strlen(text), '[', 1000);
	assert_int_equal(json_parse(text, strlen(text), &root, &e), ERR_SYNTAX);
	assert_null(root);
}

static void
an_unknown_name_is_refused_with_the_nearest(void **state)
{
	static const char *const known[] = {"type", "dataset", "params"};
	static const char text[] = "{\"type\":1,\"datset\":2}";
	struct err e = {0};
	cJSON *root = NULL;

	(void)state;
	assert_int_equal(json_parse(text, strlen(text), &root, &e), OK);
	assert_int_equal(json_only(root, "a job", known, 3, &e), ERR_INVALID);
	assert_string_equal(e.msg, "a job has no field \"datset\"; did you mean \"dataset\"?");
	assert_null(json_member(root, "Type")); /* names are what they are */
	assert_non_null(json_member(root, "type"));
	cJSON_Delete(root);
}

static void
any_bytes_become_a_valid_string(void **state)
{
	static const char text[] = "a\"b\\c\n\x01\x7F\xC3\xA9\xFF\xE2\x82";
	struct buf out = {0};
	struct err e = {0};
	cJSON *root = NULL;

	(void)state;
	buf_puts(&out, "{\"a\":");
	json_escape(&out, text);
	buf_puts(&out, "}");
	assert_int_equal(json_parse(out.data, out.len, &root, &e), OK);
	assert_string_equal(
		json_member(root, "a")->valuestring, "a\"b\\c\n\x01\x7F\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
	cJSON_Delete(root);
	buf_release(&out);
}

static void
times_are_written_as_rfc_3339(void **state)
{
	char text[TIMESTAMP_SIZE];

	(void)state;
	assert_string_equal(timestamp(1795441914.1234, text), "2026-11-23T13:51:54.123Z");
	assert_string_equal(timestamp(1795441914.9996, text), "2026-11-23T13:51:55.000Z");
	assert_string_equal(timestamp(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(timestamp(-1, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(timestamp(1e300, text), "1970-01-01T00:00:00.000Z");
}

/* What log_event writes to standard error. */
static void
capture(char *out, size_t size, enum log_level level, const char *value)
{
	int old = dup(STDERR_FILENO), ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_event(level, "it happened", "what", value, "why", "plain", NULL);
	dup2(old, STDERR_FILENO);
	close(ends[1]);
	n = read(ends[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	close(old);
}

static void
a_log_line_is_one_line_whatever_its_values(void **state)
{
	char line[512];
	cJSON *json;

	(void)state;
	log_setup(LOG_INFO, LOG_TEXT);
	capture(line, sizeof line, LOG_WARNING, "a b\nverad: forged");
	assert_string_equal(line, "verad: warning: it happened what=\"a b\\nverad: forged\" why=plain\n");
	capture(line, sizeof line, LOG_DEBUG, "x");
	assert_string_equal(line, "");
	log_setup(LOG_DEBUG, LOG_JSON);
	capture(line, sizeof line, LOG_DEBUG, "a\"b\n\xFF");
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	json = cJSON_Parse(line);
	assert_non_null(json);
	assert_string_equal(cJSON_GetObjectItem(json, "level")->valuestring, "debug");
	assert_string_equal(cJSON_GetObjectItem(json, "message")->valuestring, "it happened");
	assert_string_equal(cJSON_GetObjectItem(json, "what")->valuestring, "a\"b\n\xEF\xBF\xBD");
	cJSON_Delete(json);
	log_setup(LOG_INFO, LOG_TEXT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_json_is_parsed),
		cmocka_unit_test(anything_less_is_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(an_unknown_name_is_refused_with_the_nearest),
		cmocka_unit_test(any_bytes_become_a_valid_string),
		cmocka_unit_test(times_are_written_as_rfc_3339),
		cmocka_unit_test(a_log_line_is_one_line_whatever_its_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
