/* suggest: the nearest known name, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/suggest.h"

#include <string.h>

static const char *const names[] = {"learning_rate", "batch_size", "steps", "seed", "gamma", "lambda", "Class", "x"};
enum { N = sizeof names / sizeof *names };

static void
slips_of_the_finger_find_the_name(void **state)
{
	(void)state;
	assert_string_equal(suggest_nearest("learning_rat", names, N), "learning_rate");
	assert_string_equal(suggest_nearest("learnign_rate", names, N), "learning_rate");
	assert_string_equal(suggest_nearest("LearningRate", names, N), "learning_rate");
	assert_string_equal(suggest_nearest("learning-rate", names, N), "learning_rate");
	assert_string_equal(suggest_nearest("step", names, N), "steps");
	assert_string_equal(suggest_nearest("sede", names, N), "seed");
	assert_string_equal(suggest_nearest("class", names, N), "Class");
	assert_string_equal(suggest_nearest(" Class", names, N), "Class");
	assert_string_equal(suggest_nearest("X", names, N), "x");
}

static void
a_name_unlike_all_suggests_nothing(void **state)
{
	char giant[500];

	(void)state;
	assert_null(suggest_nearest("temperature", names, N));
	assert_null(suggest_nearest("y", names, N));
	assert_null(suggest_nearest("", names, N));
	assert_null(suggest_nearest("gamma", names, 0));
	memset(giant, 'a', sizeof giant - 1);
	giant[sizeof giant - 1] = '\0';
	assert_null(suggest_nearest(giant, names, N));
}

static void
the_nearest_wins_and_the_first_of_equals(void **state)
{
	static const char *const near[] = {"labels_2", "label", "lapel", "", "labex"};

	(void)state;
	assert_ptr_equal(suggest_nearest("labels", near, 5), near[1]);
	assert_ptr_equal(suggest_nearest("labem", near, 5), near[1]);
	assert_ptr_equal(suggest_nearest("label", near, 5), near[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slips_of_the_finger_find_the_name),
		cmocka_unit_test(a_name_unlike_all_suggests_nothing),
		cmocka_unit_test(the_nearest_wins_and_the_first_of_equals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
