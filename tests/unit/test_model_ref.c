/* What a model may be called, and what such a text means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/model_ref.h"

#define LONGEST "a123456789012345678901234567890123456789012345678901234567890123" /* 64 */

static struct err e;

static void
references_say_what_they_mean(void **state)
{
	struct model_ref r;

	(void)state;
	assert_int_equal(model_ref_parse("mdl_k3vx7ompaq2cdnr5b6ya", &r, &e), OK);
	assert_int_equal(r.kind, REF_ID);
	assert_string_equal(r.name, "mdl_k3vx7ompaq2cdnr5b6ya");
	assert_int_equal(model_ref_parse("fraud", &r, &e), OK);
	assert_int_equal(r.kind, REF_LATEST);
	assert_string_equal(r.name, "fraud");
	assert_int_equal(model_ref_parse("fraud@latest", &r, &e), OK);
	assert_int_equal(r.kind, REF_LATEST);
	assert_int_equal(model_ref_parse("fraud@12", &r, &e), OK);
	assert_int_equal(r.kind, REF_VERSION);
	assert_int_equal(r.version, 12);
	assert_int_equal(model_ref_parse("2fraud.v-1_x@production", &r, &e), OK);
	assert_int_equal(r.kind, REF_ALIAS);
	assert_string_equal(r.name, "2fraud.v-1_x");
	assert_string_equal(r.alias, "production");
	assert_int_equal(model_ref_parse(LONGEST "@" LONGEST, &r, &e), OK);
	assert_string_equal(r.name, LONGEST);
	assert_string_equal(r.alias, LONGEST);
}

static void
what_no_model_can_be_called_is_not_found(void **state)
{
	static const char *const none[] = {"", "@", "@3", "fraud@", "fraud@@3", "fraud@3x", "fraud@-1", "fraud 1",
		".fraud", "fr\xc3\xa4ud", LONGEST "b", "fraud@" LONGEST "b", "fraud@9999999999999999", "fraud@a@b"};
	struct model_ref r;

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		if (model_ref_parse(none[i], &r, &e) != ERR_NOT_FOUND)
			fail_msg("\"%s\" was taken for a reference", none[i]);
		assert_string_equal(e.code, "model_not_found");
	}
}

static void
names_and_aliases_are_checked(void **state)
{
	(void)state;
	assert_int_equal(model_name_check("fraud-2.b", &e), OK);
	assert_int_equal(model_name_check("7", &e), OK);
	assert_int_equal(model_name_check("mdl_x", &e), ERR_INVALID);
	assert_string_equal(e.code, "bad_model_name");
	assert_int_equal(model_name_check("a@b", &e), ERR_INVALID);
	assert_int_equal(model_name_check("", &e), ERR_INVALID);
	assert_int_equal(model_name_check("a/b", &e), ERR_INVALID);
	assert_int_equal(model_alias_check("production", &e), OK);
	assert_int_equal(model_alias_check("3", &e), ERR_INVALID);
	assert_string_equal(e.code, "bad_alias");
	assert_int_equal(model_alias_check("latest", &e), ERR_INVALID);
	assert_int_equal(model_alias_check("", &e), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_say_what_they_mean),
		cmocka_unit_test(what_no_model_can_be_called_is_not_found),
		cmocka_unit_test(names_and_aliases_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
