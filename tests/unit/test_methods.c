/* Every training method, in whole runs on three clouds; and the guard that catches a run which diverges. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/method.h"
#include "tests/unit/clouds.h"

enum { SHAKEN_AT = 430 }; /* between two states to go back to */

static void
small_run(struct clouds *c, size_t method)
{
	clouds_init(c, method);
	c->params.evaluation_folds = 0;
	c->params.sgld_steps = 5;
	c->params.replay_buffer = 200;
}

static const char *
name_of(size_t method)
{
	return method_of((enum method)method)->name;
}

static void
every_method_is_called_what_its_parameter_calls_it(void **state)
{
	const struct param *d = params_find("method", NULL);

	(void)state;
	for (size_t m = METHOD_VERA; m < METHOD_DENSITY; m++)
		assert_string_equal(name_of(m), d->choices[m]);
}

/* Accuracy on all rows, and the scores of the last held-out threshold and of a row far off. */
static double
judge(const struct clouds *c, const struct model *model, double *threshold, double *far_score)
{
	const uint32_t width[] = {2};
	struct model_workspace *w;
	struct rows far;
	struct err e;
	float p[N * K];
	double score[N];
	size_t right = 0;

	assert_int_equal(model_workspace_new(model, &w, &e), OK);
	model_predict(model, &c->rows, 0, N, OOD_ENERGY, w, p, score);
	for (size_t i = 0; i < N; i++) {
		size_t top = 0;

		for (size_t k = 0; k < K; k++)
			top = p[i * K + k] > p[i * K + top] ? k : top;
		assert_true(isfinite(score[i]));
		right += (int32_t)top == c->truth[i];
	}
	assert_int_equal(rows_init(&far, 1, 2, 1, width, &e), OK);
	far.dense[0] = 4, far.dense[1] = 4;
	model_predict(model, &far, 0, 1, OOD_ENERGY, w, NULL, far_score);
	*threshold = model->reference[OOD_ENERGY].threshold;
	rows_release(&far);
	model_workspace_free(w);
	return (double)right / N;
}

static void
every_method_learns_three_clouds_and_an_energy_knows_what_is_far(void **state)
{
	(void)state;
	/* VERA once more at the end, with the other estimate of its generator's entropy. */
	for (size_t i = METHOD_VERA; i < METHOD_DENSITY + N_POSTERIORS - 1; i++) {
		const size_t m = i < METHOD_DENSITY ? i : METHOD_VERA;
		double accuracy, threshold, far_score;
		struct train_progress progress;
		struct train_result r;
		struct trainer *t;
		struct clouds c;
		struct err e;

		small_run(&c, m);
		c.params.steps = 1000;
		if (i >= METHOD_DENSITY)
			c.params.posterior = (c.params.posterior + 1 + i - METHOD_DENSITY) % N_POSTERIORS;
		t = trainer_of(&c, 2);
		run(t, SIZE_MAX);
		trainer_progress(t, &progress);
		assert_int_equal(progress.recoveries, 0);
		assert_int_equal(trainer_finish(t, &r, &e), OK);
		accuracy = judge(&c, r.model, &threshold, &far_score);
		if (!(accuracy > 0.95))
			fail_msg("%s: accuracy %.3f", name_of(m), accuracy);
		if (method_of((enum method)m)->contrasts && !(far_score > threshold))
			fail_msg("%s: a row far off scores %g, the threshold is %g", name_of(m), far_score, threshold);
		train_result_release(&r);
		trainer_free(t);
		rows_release(&c.rows);
	}
}

/* Without labels it is one fit, of which the scores are all that can be judged. */
static void
every_method_that_contrasts_learns_a_density_without_labels(void **state)
{
	(void)state;
	for (size_t m = METHOD_VERA; m < METHOD_DENSITY; m++) {
		size_t n_flagged = 0;
		struct train_progress progress;
		struct train_result r;
		struct model_workspace *w;
		struct trainer *t;
		struct clouds c;
		struct rows far;
		struct err e;
		const uint32_t width[] = {2};
		double score[N], far_score;

		if (!method_of((enum method)m)->contrasts)
			continue;
		small_run(&c, m);
		c.params.steps = 1000;
		c.params.evaluation_folds = 3;
		clouds_unlabel(&c);
		t = trainer_of(&c, 2);
		run(t, SIZE_MAX);
		trainer_progress(t, &progress);
		assert_int_equal(progress.steps, 1000); /* neither baseline nor folds */
		assert_false(progress.labelled);
		assert_true(progress.terms.loss != 0 && progress.terms.cross_entropy == 0);
		assert_int_equal(trainer_finish(t, &r, &e), OK);
		assert_true(!r.baseline && !r.evaluated && !r.n_evaluated);
		assert_int_equal(model_n_classes(r.model), 1);
		assert_int_equal(r.model->reference[OOD_ENERGY].n, c.n_held_out);
		assert_int_equal(r.model->reference[OOD_GRADIENT_NORM].n, c.n_held_out);
		assert_int_equal(r.model->reference[OOD_MAX_PROBABILITY].n, 0);

		assert_int_equal(model_workspace_new(r.model, &w, &e), OK);
		model_predict(r.model, &c.rows, 0, N, OOD_ENERGY, w, NULL, score);
		for (size_t i = 0; i < N; i++) {
			assert_true(isfinite(score[i]));
			n_flagged += score[i] > r.model->reference[OOD_ENERGY].threshold;
		}
		assert_int_equal(rows_init(&far, 1, 2, 1, width, &e), OK);
		far.dense[0] = 4, far.dense[1] = 4;
		model_predict(r.model, &far, 0, 1, OOD_ENERGY, w, NULL, &far_score);
		if (n_flagged > N / 5 || !(far_score > r.model->reference[OOD_ENERGY].threshold))
			fail_msg("%s: %zu of %d rows are flagged, one far off scores %g, the threshold is %g",
				name_of(m), n_flagged, N, far_score, r.model->reference[OOD_ENERGY].threshold);
		model_workspace_free(w);
		rows_release(&far);
		train_result_release(&r);
		trainer_free(t);
		rows_release(&c.rows);
	}
}

static void
no_method_depends_on_the_number_of_threads(void **state)
{
	(void)state;
	for (size_t m = METHOD_VERA; m < METHOD_DENSITY; m++) {
		struct trainer *one, *two;
		struct clouds c;

		small_run(&c, m);
		/* Layers wide and batches high enough to be cut into tiles. */
		c.params.hidden_layers = (struct layer_sizes){.n = 2, .size = {256, 256}};
		c.params.generator_layers = (struct layer_sizes){.n = 2, .size = {128, 128}};
		c.params.batch_size = 200;
		c.params.steps = 10;
		one = trainer_of(&c, 1);
		two = trainer_of(&c, 2);
		same_bytes(result_of(one), result_of(two));
		trainer_free(one);
		trainer_free(two);
		rows_release(&c.rows);
	}
}

/* The terms of a run's step number `step`, and the whole result of one of so many steps. */
static struct train_terms
terms_at(const struct clouds *c, size_t step)
{
	struct trainer *t = trainer_of(c, 1);
	struct train_progress p;

	run(t, step);
	trainer_progress(t, &p);
	trainer_free(t);
	return p.terms;
}

static struct buf
result_after(struct clouds *c, size_t steps, double gamma)
{
	struct trainer *t;
	struct buf b;

	c->params.steps = steps;
	c->params.gamma = gamma;
	t = trainer_of(c, 1);
	b = result_of(t);
	trainer_free(t);
	return b;
}

/* On the way to it a step is one without a penalty, to the bit; then it weighs as much as its whole interval's. */
static void
a_penalty_at_intervals_costs_nothing_between_them(void **state)
{
	(void)state;
	for (size_t m = METHOD_VERA; m <= METHOD_DENSITY; m++) {
		struct train_terms with, without;
		struct clouds c;

		if (m < METHOD_DENSITY && !method_of((enum method)m)->contrasts)
			continue;
		small_run(&c, m);
		c.params.objective = OBJECTIVE_VERA;
		c.params.components = 2;
		clouds_unlabel(&c);
		c.params.penalty_interval = 3;
		same_bytes(result_after(&c, 2, 0.5), result_after(&c, 2, 0));
		c.params.steps = 5;
		c.params.gamma = 0;
		without = terms_at(&c, 3);
		c.params.gamma = 0.5;
		assert_true(terms_at(&c, 2).gradient_penalty == 0 && terms_at(&c, 4).gradient_penalty == 0);
		with = terms_at(&c, 3);
		assert_true(with.gradient_penalty > 0 && with.log_p_difference == without.log_p_difference);
		assert_true(fabs(with.loss - without.loss - 3 * 0.5 * with.gradient_penalty) <
			    1e-5 * (1 + fabs(with.loss)));
		rows_release(&c.rows);
	}
}

/* Saved after so many steps of `first`, and restored into another trainer with a past of its own. */
static struct trainer *
restored(const struct clouds *c, const struct trainer *first)
{
	struct trainer *second = trainer_of(c, 1);
	struct train_progress p, q;
	struct buf saved = {0};
	struct err e;

	run(second, 7);
	assert_int_equal(trainer_save(first, &saved, &e), OK);
	assert_int_equal(trainer_restore(second, saved.data, saved.len, &e), OK);
	trainer_progress(first, &p);
	trainer_progress(second, &q);
	assert_int_equal(p.step, q.step);
	assert_int_equal(p.recoveries, q.recoveries);
	assert_true(p.terms.loss == q.terms.loss);
	buf_release(&saved);
	return second;
}

static void
a_restored_run_of_any_method_ends_in_the_same_model(void **state)
{
	(void)state;
	for (size_t m = METHOD_VERA; m < METHOD_DENSITY; m++) {
		struct trainer *whole, *first, *second;
		struct clouds c;

		small_run(&c, m);
		c.params.steps = 50;
		whole = trainer_of(&c, 1);
		first = trainer_of(&c, 1);
		run(first, m == METHOD_SUPERVISED ? 20 : 70);
		second = restored(&c, first);
		same_bytes(result_of(whole), result_of(second));
		trainer_free(whole);
		trainer_free(first);
		trainer_free(second);
		rows_release(&c.rows);
	}
}

static void
a_restored_run_without_labels_ends_in_the_same_model(void **state)
{
	struct trainer *whole, *first, *second;
	struct clouds c;

	(void)state;
	small_run(&c, METHOD_VERA);
	c.params.steps = 50;
	clouds_unlabel(&c);
	whole = trainer_of(&c, 2);
	first = trainer_of(&c, 1);
	run(first, 20);
	second = restored(&c, first);
	same_bytes(result_of(whole), result_of(second));
	trainer_free(whole);
	trainer_free(first);
	trainer_free(second);
	rows_release(&c.rows);
}

/* ---- The divergence guard ----------------------------------------------------------------------------------- */

static void
divergence_of_any_method_is_an_error_and_never_a_number(void **state)
{
	(void)state;
	for (size_t m = METHOD_VERA; m < METHOD_DENSITY; m++) {
		struct train_progress p;
		enum status s = OK;
		struct trainer *t;
		struct clouds c;
		struct err e;

		small_run(&c, m);
		c.params.learning_rate = 1e12;
		t = trainer_of(&c, 1);
		while (!s && !trainer_done(t)) {
			s = trainer_step(t, &e);
			trainer_progress(t, &p);
			assert_true(s || isfinite(p.terms.loss));
		}
		if (s != ERR_DIVERGED)
			fail_msg("%s did not diverge", name_of(m));
		assert_string_equal(e.code, "diverged");
		assert_non_null(strstr(e.msg, "after 3 retries"));
		assert_non_null(strstr(e.msg, "learning_rate"));
		assert_int_equal(p.recoveries, 3);
		trainer_free(t);
		rows_release(&c.rows);
	}
}

static void
poison(struct clouds *c, const struct rows *clean)
{
	for (size_t i = 0; i < 2 * N; i++)
		c->rows.dense[i] = clean ? clean->dense[i] : NAN;
}

/* A run of vera alone, advanced by SHAKEN_AT steps, then shown nothing but NaN for one step. */
static struct trainer *
shaken_run(struct clouds *c)
{
	const uint32_t width[] = {2};
	struct train_progress p;
	struct trainer *t;
	struct rows clean;
	struct err e;
	size_t before;

	assert_int_equal(rows_init(&clean, N, 2, 1, width, &e), OK);
	memcpy(clean.dense, c->rows.dense, 2 * N * sizeof *clean.dense);
	t = trainer_of(c, 1);
	do {
		run(t, 1);
		trainer_progress(t, &p);
	} while (strcmp(p.phase, "training") != 0);
	run(t, SHAKEN_AT);
	trainer_progress(t, &p);
	before = p.step;

	poison(c, NULL);
	assert_int_equal(trainer_step(t, &e), OK);
	poison(c, &clean);
	trainer_progress(t, &p);
	assert_int_equal(p.recoveries, 1);
	assert_in_range(p.step, before - 230, before - 30); /* gone back, but not to the beginning */
	assert_true(isfinite(p.terms.loss) && isfinite(p.terms.generator_loss));
	rows_release(&clean);
	return t;
}

static void
a_run_that_diverges_once_goes_on_from_its_last_sound_state(void **state)
{
	double accuracy, threshold, far_score;
	struct trainer *one, *two, *second;
	struct train_progress p;
	struct train_result r;
	struct buf first = {0}, again;
	struct clouds c;
	struct err e;

	(void)state;
	small_run(&c, METHOD_VERA);
	c.params.steps = 1000;
	one = shaken_run(&c);
	run(one, SIZE_MAX);
	trainer_progress(one, &p);
	assert_int_equal(p.recoveries, 1);
	assert_int_equal(p.step, p.steps);
	assert_int_equal(trainer_finish(one, &r, &e), OK);
	accuracy = judge(&c, r.model, &threshold, &far_score);
	assert_true(accuracy > 0.95 && far_score > threshold);

	/* The same again is the same again; and so is what a checkpoint behind the recovery goes on to. */
	two = shaken_run(&c);
	second = restored(&c, two);
	again = result_of(two);
	model_write(r.model, &first);
	assert_in_range(first.len, 1, again.len);
	assert_memory_equal(first.data, again.data, first.len);
	same_bytes(again, result_of(second));
	buf_release(&first);
	train_result_release(&r);
	trainer_free(one);
	trainer_free(two);
	trainer_free(second);
	rows_release(&c.rows);
}

/* The state to go back to is saved too: what comes behind a checkpoint may still need it. */
static void
a_restored_run_recovers_as_the_saved_one_would_have(void **state)
{
	const uint32_t width[] = {2};
	struct trainer *one, *second;
	struct rows clean;
	struct clouds c;
	struct err e;

	(void)state;
	small_run(&c, METHOD_JEM);
	c.params.steps = 300;
	assert_int_equal(rows_init(&clean, N, 2, 1, width, &e), OK);
	memcpy(clean.dense, c.rows.dense, 2 * N * sizeof *clean.dense);
	one = trainer_of(&c, 1);
	run(one, 300 + 250);
	second = restored(&c, one);
	poison(&c, NULL);
	run(one, 1);
	run(second, 1);
	poison(&c, &clean);
	same_bytes(result_of(one), result_of(second));
	trainer_free(one);
	trainer_free(second);
	rows_release(&clean);
	rows_release(&c.rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_is_called_what_its_parameter_calls_it),
		cmocka_unit_test(every_method_learns_three_clouds_and_an_energy_knows_what_is_far),
		cmocka_unit_test(every_method_that_contrasts_learns_a_density_without_labels),
		cmocka_unit_test(no_method_depends_on_the_number_of_threads),
		cmocka_unit_test(a_penalty_at_intervals_costs_nothing_between_them),
		cmocka_unit_test(a_restored_run_of_any_method_ends_in_the_same_model),
		cmocka_unit_test(a_restored_run_without_labels_ends_in_the_same_model),
		cmocka_unit_test(divergence_of_any_method_is_an_error_and_never_a_number),
		cmocka_unit_test(a_run_that_diverges_once_goes_on_from_its_last_sound_state),
		cmocka_unit_test(a_restored_run_recovers_as_the_saved_one_would_have),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
