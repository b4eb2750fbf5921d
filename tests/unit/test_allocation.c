/*
 * Memory in training: all of a run's is asked for when the trainer is made, none in a step. Linked with
 * tests/bench/allocations, which counts every malloc of the process, those of OpenMP included. Sanitizers bring a
 * malloc and records of their own, with which there is nothing to see here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/rng.h"
#include "engine/train.h"
#include "tests/bench/allocations.h"

enum { N = 400, N_DENSE = 14, N_CLASSES = 3, STEPS = 200 };

struct table {
	struct rows rows;
	int32_t label[N];
	unsigned char held_out[N];
	struct train_data data;
};

static int
set_up(void **state)
{
	static struct table t;
	const uint32_t width[] = {5, 3};
	struct rng rng;
	struct err e;
	real noise[N * N_DENSE];
	size_t n_held_out;

	if (kernel_init(&e) || rows_init(&t.rows, N, N_DENSE, 2, width, &e))
		return 1;
	rng_init(&rng, 5, 0);
	rng_normal(&rng, noise, N * N_DENSE);
	for (size_t i = 0; i < N; i++) {
		for (size_t j = 0; j < N_DENSE; j++)
			t.rows.dense[i * N_DENSE + j] = (float)noise[i * N_DENSE + j] / 4 + (float)(i % N_CLASSES) / 2;
		t.rows.code[2 * i] = (uint16_t)(i % 5);
		t.rows.code[2 * i + 1] = (uint16_t)(i % 3);
		t.label[i] = i % 4 ? -1 : (int32_t)(i / 4 % N_CLASSES);
	}
	if (split_holdout(t.label, N, N_CLASSES, 0.1, 1, t.held_out, &n_held_out, &e))
		return 1;
	t.data = (struct train_data){.rows = &t.rows, .label = t.label, .n_classes = N_CLASSES, .held_out = t.held_out};
	*state = &t;
	return 0;
}

static int
tear_down(void **state)
{
	struct table *t = *state;

	rows_release(&t->rows);
	return 0;
}

static struct trainer *
trainer_of(const struct table *t, size_t method, size_t steps, size_t batch, size_t width, int threads)
{
	struct params p;
	struct trainer *trainer;
	struct err e;

	params_defaults(&p);
	p.method = method;
	p.steps = steps;
	p.evaluation_folds = 0;
	p.batch_size = p.labelled_batch_size = batch;
	p.hidden_layers = (struct layer_sizes){.n = 2, .size = {width, width}};
	p.generator_layers = (struct layer_sizes){.n = 2, .size = {width, width}};
	p.noise_dim = 4;
	p.input_noise = 0.2;
	p.sgld_steps = p.replay_buffer = 4;
	if (params_resolve(&p, N, N / 4, t->rows.d, N_CLASSES, &e) ||
		trainer_new(&p, &t->data, threads, &trainer, &e)) {
		fail_msg("%s", e.msg);
		return NULL;
	}
	return trainer;
}

static void
step(struct trainer *t)
{
	struct err e;

	if (trainer_step(t, &e))
		fail_msg("%s", e.msg);
}

/* In the first step of a fit OpenMP starts its threads and the BLAS takes its buffers. Vera has two threads, for which
 * the largest of its products are just large enough. */
static void
no_step_of_any_method_allocates(void **state)
{
	if (!ALLOCATIONS_COUNTED)
		skip();
	for (size_t method = METHOD_VERA; method < METHOD_DENSITY; method++) {
		struct trainer *t = trainer_of(*state, method, STEPS + 1, 32, 160, method == METHOD_VERA ? 2 : 1);
		size_t n_counted = 0;

		while (!trainer_done(t)) {
			struct train_progress p;
			struct allocations before, after;

			trainer_progress(t, &p);
			before = allocations_so_far();
			step(t);
			after = allocations_so_far();
			if (p.step % (STEPS + 1) == 0)
				continue;
			n_counted++;
			if (after.calls != before.calls)
				fail_msg("method %zu: step %zu of %zu asked for %zu bytes in %zu calls", method, p.step,
					p.steps, after.bytes - before.bytes, after.calls - before.calls);
		}
		assert_true(n_counted >= STEPS);
		trainer_free(t);
	}
}

static void
what_is_allocated_is_counted(void **state)
{
	struct allocations before = allocations_so_far(), after;
	void *volatile p = malloc(1000);
	void *volatile q = aligned_alloc(64, 128);
	void *volatile r = calloc(10, 10);

	(void)state;
	if (!ALLOCATIONS_COUNTED) {
		free(p);
		free(q);
		free(r);
		skip();
	}
	assert_non_null(r = realloc(r, 200));
	after = allocations_so_far();
	free(p);
	free(q);
	free(r);
	assert_int_equal(after.calls - before.calls, 4);
	assert_int_equal(after.bytes - before.bytes, 1000 + 128 + 100 + 200);
}

static size_t
resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
	fclose(f);
	return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* What malloc does not see, mappings and stacks, and what the BLAS might keep, would show here. */
static void
resident_memory_is_flat_over_a_hundred_thousand_steps(void **state)
{
	enum { ALL = 100000, WARM = 1000, SLACK = 256 << 10 };
	struct trainer *t;
	size_t before = 0, after, n = 0;

	if (!ALLOCATIONS_COUNTED)
		skip();
	t = trainer_of(*state, METHOD_VERA, ALL, 4, 4, 1);
	for (; !trainer_done(t); n++) {
		if (n == WARM)
			before = resident_bytes();
		step(t);
	}
	after = resident_bytes();
	assert_true(n >= ALL);
	if (after > before + SLACK)
		fail_msg("%zu steps: %zu bytes more are resident", n - WARM, after - before);
	trainer_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_allocated_is_counted),
		cmocka_unit_test(no_step_of_any_method_allocates),
		cmocka_unit_test(resident_memory_is_flat_over_a_hundred_thousand_steps),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
