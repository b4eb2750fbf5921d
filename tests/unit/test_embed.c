/* The files inside the program are those of the tree, and the migrations are numbered without gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/embed.h"

static void
assert_is_the_file(struct embedded embedded)
{
	char *bytes = malloc(embedded.len + 1);
	FILE *f = fopen(embedded.name, "rb");

	assert_non_null(bytes);
	assert_non_null(f);
	assert_true(embedded.len > 0);
	assert_int_equal(fread(bytes, 1, embedded.len + 1, f), embedded.len); /* not a byte more */
	assert_memory_equal(bytes, embedded.text, embedded.len);
	assert_int_equal(embedded.text[embedded.len], '\0');
	fclose(f);
	free(bytes);
}

static void
the_api_description_is_the_one_of_the_tree(void **state)
{
	(void)state;
	assert_is_the_file(embedded_openapi());
}

static void
migrations_are_those_of_the_tree_numbered_from_one(void **state)
{
	(void)state;
	assert_true(embedded_migrations_count() > 0);
	for (size_t i = 0; i < embedded_migrations_count(); i++) {
		struct embedded m = embedded_migration(i);

		assert_is_the_file(m);
		assert_int_equal(strncmp(m.name, "migrations/", 11), 0);
		assert_int_equal(strtoul(m.name + 11, NULL, 10), i + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_api_description_is_the_one_of_the_tree),
		cmocka_unit_test(migrations_are_those_of_the_tree_numbered_from_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
