/* team: on a pretended machine whose step takes a given time for each number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/team.h"

struct machine {
	double one, many; /* seconds a step */
	double clock;
	size_t steps_of_one, steps_of_many;
};

static void
run(struct team *t, struct machine *m, size_t fit, double seconds)
{
	double end = m->clock + seconds;

	m->steps_of_one = m->steps_of_many = 0;
	while (m->clock < end) {
		m->clock += t->size == 1 ? m->one : m->many;
		*(t->size == 1 ? &m->steps_of_one : &m->steps_of_many) += 1;
		team_update(t, fit, m->clock);
	}
}

static void
an_idle_machine_is_given_all_threads(void **state)
{
	struct machine m = {.one = 0.006, .many = 0.0035, .clock = 50};
	struct team t;

	(void)state;
	team_start(&t, 2, m.clock);
	run(&t, &m, 0, 60);
	assert_int_equal(t.size, 2);
	assert_true(m.steps_of_one * 50 < m.steps_of_many);
}

static void
a_busy_machine_is_left_alone_and_taken_up_again(void **state)
{
	struct machine m = {.one = 0.008, .many = 0.1};
	struct team t;

	(void)state;
	team_start(&t, 4, m.clock);
	run(&t, &m, 0, 60);
	assert_true(m.steps_of_one > 50 * m.steps_of_many);
	m.many = 0.003;
	run(&t, &m, 0, 10);
	run(&t, &m, 0, 60);
	assert_int_equal(t.size, 4);
	assert_true(m.steps_of_many > 50 * m.steps_of_one);
}

static void
fits_of_different_cost_are_not_compared(void **state)
{
	struct machine m = {.one = 0.01, .many = 0.006};
	struct team t;

	(void)state;
	team_start(&t, 2, m.clock);
	run(&t, &m, 0, 30);
	for (size_t fit = 1; fit < 50; fit++) {
		/* Ten times cheaper, ten times dearer: whatever falls into one window. */
		double scale = fit % 2 ? 0.1 : 10;

		m.one *= scale, m.many *= scale;
		run(&t, &m, fit, 3);
		assert_true(m.steps_of_many > 2 * m.steps_of_one);
	}
}

static void
one_thread_stays_one(void **state)
{
	struct machine m = {.one = 0.01, .many = 0.01};
	struct team t;

	(void)state;
	team_start(&t, 1, 0);
	run(&t, &m, 0, 20);
	assert_int_equal(t.size, 1);
	assert_int_equal(m.steps_of_many, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_machine_is_given_all_threads),
		cmocka_unit_test(a_busy_machine_is_left_alone_and_taken_up_again),
		cmocka_unit_test(fits_of_different_cost_are_not_compared),
		cmocka_unit_test(one_thread_stays_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
