/*
 * Runs of method density: every family by every objective, the same for any number of threads and after a restart, and
 * models that come back from their bytes. Whether what is learned is the density is asked where the truth is known.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/adversarial.h"
#include "engine/kernel.h"
#include "tests/unit/clouds.h"

static void
density_clouds(struct clouds *c, size_t family, size_t objective, size_t steps)
{
	clouds_init(c, METHOD_DENSITY);
	c->params.family = family;
	c->params.objective = objective;
	params_settle(&c->params, 0);
	c->params.components = 3;
	c->params.input_noise = 0.05; /* the one-hot block has no density */
	c->params.steps = steps;
	/* Against a generator, which has to follow, in smaller steps. */
	c->params.learning_rate = objective == OBJECTIVE_VERA || objective == OBJECTIVE_VERA_HMC ? 0.0005 : 0.005;
	c->params.replay_buffer = 200;
	clouds_unlabel(c);
}

static double
held_out_log_likelihood(const struct model *m)
{
	const struct ood_reference *r = &m->reference[OOD_ENERGY];
	double sum = 0;

	assert_true(r->n > 0);
	for (size_t i = 0; i < r->n; i++)
		sum -= r->score[i] / (double)r->n;
	return sum;
}

static double
learned(size_t family, size_t objective, size_t steps, struct clouds *c)
{
	struct train_result r;
	struct trainer *t;
	struct err e;
	double log_likelihood;

	density_clouds(c, family, objective, steps);
	t = trainer_of(c, 1);
	run(t, SIZE_MAX);
	assert_int_equal(trainer_finish(t, &r, &e), OK);
	assert_true(!r.baseline && !r.evaluated && r.n_members == 0 && r.model->density_weights);
	assert_int_equal(model_n_classes(r.model), 1);
	assert_int_equal(model_n_features(r.model), c->rows.d);
	log_likelihood = held_out_log_likelihood(r.model);
	train_result_release(&r);
	trainer_free(t);
	return log_likelihood;
}

static void
every_objective_teaches_every_family(void **state)
{
	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		static struct clouds c;

		for (size_t objective = 0; objective < N_OBJECTIVES; objective++) {
			double begun, got;

			begun = learned(family, objective, 1, &c);
			rows_release(&c.rows);
			got = learned(family, objective, 400, &c);
			/* Of a generator this small in so few steps no more can be asked than that nothing breaks. */
			if (objective == OBJECTIVE_VERA || objective == OBJECTIVE_VERA_HMC)
				assert_true(isfinite(got));
			else if (!(got > begun + (objective == OBJECTIVE_SCORE_MATCHING ? 0.5 : 1)))
				fail_msg("family %zu, objective %zu: %g nats a row after a step, %g after 400", family,
					objective, begun, got);
			rows_release(&c.rows);
		}
	}
}

static void
runs_are_equal_whatever_the_threads_and_after_a_restart(void **state)
{
	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++)
		for (size_t objective = 0; objective < N_OBJECTIVES; objective++) {
			static struct clouds c;
			struct trainer *one, *other;
			struct buf saved = {0}, a, b;
			struct err e;

			density_clouds(&c, family, objective, 12);
			one = trainer_of(&c, 1);
			run(one, 7);
			assert_int_equal(trainer_save(one, &saved, &e), OK);
			other = trainer_of(&c, 3);
			assert_int_equal(trainer_restore(other, saved.data, saved.len, &e), OK);
			a = result_of(one);
			b = result_of(other);
			same_bytes(a, b);
			trainer_free(one);
			trainer_free(other);
			buf_release(&saved);
			rows_release(&c.rows);
		}
}

/* Four thousand rows of a known density: by likelihood nothing is lost that these rows could have told. */
static double
distance_from_truth(size_t family, size_t objective, bool weigh, size_t steps)
{
	enum { ROWS = 4000, WIDE = 4 };
	const struct density_shape s = {.family = family, .d = WIDE, .n_parts = 2};
	static int32_t label[ROWS];
	static unsigned char held_out[ROWS];
	struct arena arena = {0};
	struct rows rows;
	struct density k;
	struct params p;
	struct train_data data = {.rows = &rows, .label = label, .n_classes = 1, .held_out = held_out};
	struct train_result r;
	struct trainer *t;
	struct rng rng;
	struct err e;
	real w[32];
	double truth = 0, got;

	assert_true(density_size(&s) <= 32);
	assert_int_equal(rows_init(&rows, ROWS, WIDE, 0, NULL, &e), OK);
	density_workspace(&k, &s, ROWS, 0, &arena);
	arena = (struct arena){.block = aligned_alloc(64, arena.used * sizeof(real))};
	density_workspace(&k, &s, ROWS, 0, &arena);
	rng_init(&rng, 12, family);
	rng_normal(&rng, w, density_size(&s));
	for (size_t i = WIDE * 2; i < density_size(&s); i++)
		w[i] = (real)0.2 * w[i] - (real)0.5;
	density_sample(&k, w, ROWS, &rng, 1);
	density_log_density(&k, w, ROWS, false, 1);
	for (size_t i = 0; i < ROWS; i++) {
		label[i] = -1;
		held_out[i] = i % 2;
		truth += i % 2 ? k.log_p[i] / (ROWS / 2) : 0;
	}
	for (size_t i = 0; i < ROWS * WIDE; i++)
		rows.dense[i] = (float)k.x[i];
	params_defaults(&p);
	p.method = METHOD_DENSITY;
	params_settle(&p, 0);
	p.family = family;
	p.objective = objective;
	p.components = 2;
	p.steps = steps;
	p.input_noise = 0;
	p.learning_rate = p.generator_learning_rate = 0.003;
	p.generator_layers = (struct layer_sizes){.n = 2, .size = {32, 32}};
	p.noise_dim = 2;
	if (weigh) {
		p.weigh_generated = true;
		p.posterior = POSTERIOR_BATCH;
		p.gamma = 0;
	}
	assert_int_equal(params_check(&p, &e), OK);
	assert_int_equal(params_resolve(&p, ROWS / 2, 0, WIDE, 1, &e), OK);
	assert_int_equal(trainer_new(&p, &data, 1, &t, &e), OK);
	run(t, SIZE_MAX);
	assert_int_equal(trainer_finish(t, &r, &e), OK);
	got = held_out_log_likelihood(r.model);
	train_result_release(&r);
	trainer_free(t);
	rows_release(&rows);
	free(arena.block);
	return (truth - got) / WIDE;
}

static void
likelihood_finds_the_density_that_made_the_rows(void **state)
{
	(void)state;
	for (size_t family = FAMILY_PPCA; family <= FAMILY_MIXTURE; family++) {
		double lost = distance_from_truth(family, OBJECTIVE_MAXIMUM_LIKELIHOOD, false, 1500);

		if (!(fabs(lost) < 0.02))
			fail_msg("family %zu: %g nats a dimension below the truth", family, lost);
	}
}

static void
vera_and_score_matching_find_it_without_the_normaliser(void **state)
{
	static const size_t objectives[] = {OBJECTIVE_VERA, OBJECTIVE_SCORE_MATCHING};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		double lost = distance_from_truth(FAMILY_PPCA, objectives[i], false, 1500);

		if (!(fabs(lost) < 0.1))
			fail_msg("objective %zu: %g nats a dimension below the truth", objectives[i], lost);
	}
}

static void
vera_finds_a_mixture_when_its_rows_are_weighed(void **state)
{
	double lost = distance_from_truth(FAMILY_MIXTURE, OBJECTIVE_VERA, true, 1500);

	(void)state;
	if (!(fabs(lost) < 0.05))
		fail_msg("%g nats a dimension below the truth", lost);
}

static void
a_model_comes_back_from_its_bytes_and_says_the_same(void **state)
{
	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		static struct clouds c;
		struct train_result r;
		struct model *back;
		struct model_workspace *w;
		struct trainer *t;
		struct reader in;
		struct buf bytes = {0};
		double score[2][N], gradient[N], attribution[N * 4], reference[N];
		float p[N];
		struct err e;

		density_clouds(&c, family, OBJECTIVE_MAXIMUM_LIKELIHOOD, 50);
		t = trainer_of(&c, 1);
		run(t, SIZE_MAX);
		assert_int_equal(trainer_finish(t, &r, &e), OK);
		model_write(r.model, &bytes);
		for (size_t cut = 0; cut < bytes.len; cut += 1 + cut / 8) {
			in = reader_over(bytes.data, cut);
			assert_int_not_equal(model_read(&in, MODEL_WARPS, &back, &e), OK);
		}
		in = reader_over(bytes.data, bytes.len);
		assert_int_equal(model_read(&in, MODEL_WARPS, &back, &e), OK);
		for (size_t i = 0; i < 2; i++) {
			struct model *m = i ? back : r.model;

			assert_int_equal(model_workspace_new(m, &w, &e), OK);
			model_predict(m, &c.rows, 0, N, OOD_ENERGY, w, p, score[i]);
			model_predict(m, &c.rows, 0, N, OOD_GRADIENT_NORM, w, NULL, gradient);
			model_attribute(m, &c.rows, 0, N, OOD_ENERGY, NULL, w, attribution, reference);
			model_workspace_free(w);
		}
		assert_memory_equal(score[0], score[1], sizeof score[0]);
		for (size_t i = 0; i < N; i++) {
			double sum = reference[i];

			for (size_t j = 0; j < 4; j++)
				sum += attribution[i * 4 + j];
			assert_true(p[i] == 1 && gradient[i] >= 0);
			assert_true(fabs(sum - score[0][i]) < 1e-3 * (1 + fabs(score[0][i])));
		}
		buf_release(&bytes);
		model_free(back);
		train_result_release(&r);
		trainer_free(t);
		rows_release(&c.rows);
	}
}

static void
what_does_not_fit_is_refused(void **state)
{
	struct params p, q;
	struct err e;

	(void)state;
	params_defaults(&p);
	p.method = METHOD_DENSITY;
	params_settle(&p, params_bit(params_find("gamma", NULL)));
	assert_true(p.lambda == 1 && p.gamma == 0.1 && p.max_sigma == 1);
	q = p;
	q.family = FAMILY_NICE;
	assert_int_equal(params_resolve(&q, 100, 0, 1, 1, &e), ERR_INVALID);
	assert_string_equal(e.code, "parameter_combination");
	q = p;
	q.family = FAMILY_PPCA;
	q.components = 5;
	assert_int_equal(params_resolve(&q, 100, 0, 4, 1, &e), ERR_INVALID);
	q = p;
	q.ood_score = OOD_MAX_PROBABILITY;
	assert_int_equal(params_resolve(&q, 100, 0, 4, 1, &e), ERR_INVALID);
	q = p;
	q.family = FAMILY_NICE;
	q.hidden_layers = (struct layer_sizes){.n = 3, .size = {4096, 4096, 4096}};
	assert_int_equal(params_resolve(&q, 100, 0, 1000, 1, &e), ERR_INVALID);
	q = p;
	q.family = FAMILY_NICE;
	assert_int_equal(params_resolve(&q, 100, 50, 4, 2, &e), OK); /* labels are nothing to it */
	assert_int_equal(q.hidden_layers.n, 4);
	q = p;
	q.objective = OBJECTIVE_VERA;
	q.weigh_generated = true; /* by a density that only the batch knows */
	assert_int_equal(params_check(&q, &e), ERR_INVALID);
	assert_string_equal(e.code, "parameter_combination");
	q.posterior = POSTERIOR_BATCH;
	assert_int_equal(params_check(&q, &e), OK);
	q.method = METHOD_MEG;
	assert_int_equal(params_check(&q, &e), ERR_INVALID);
}

static const struct param *
named(const char *name)
{
	return params_find(name, NULL);
}

/* What objective vera is without more being asked for, and that plain VERA is there for who asks for its estimator. */
static void
vera_weighs_its_rows_and_refines_those_of_a_flow_unless_told_otherwise(void **state)
{
	struct params p;
	struct err e;

	(void)state;
	params_defaults(&p);
	p.objective = OBJECTIVE_VERA;
	params_settle(&p, 0);
	assert_true(
		p.posterior == POSTERIOR_GAUSS_NEWTON && !p.weigh_generated && p.lambda == 0.01); /* of density alone */
	p.method = METHOD_DENSITY;
	params_settle(&p, 0);
	assert_true(p.posterior == POSTERIOR_BATCH && p.weigh_generated && p.refine_generated == 0);
	assert_true(p.generator_sigma == GENERATOR_SIGMA_BY_COLUMN && p.gamma == 0 && p.learning_rate == 0.001);
	assert_int_equal(params_check(&p, &e), OK);

	params_defaults(&p);
	p.method = METHOD_DENSITY;
	p.objective = OBJECTIVE_VERA;
	params_settle(&p, params_bit(named("posterior")));
	assert_true(p.posterior == POSTERIOR_GAUSS_NEWTON && !p.weigh_generated && p.penalty_interval == 1);
	assert_true(p.generator_sigma == GENERATOR_SIGMA_SHARED && p.gamma == 0.01 && p.learning_rate == 0.0003);

	params_defaults(&p);
	p.method = METHOD_DENSITY;
	p.objective = OBJECTIVE_VERA;
	p.family = FAMILY_NICE;
	params_settle(&p, 0);
	assert_true(p.posterior == POSTERIOR_GAUSS_NEWTON && !p.weigh_generated && p.refine_generated == 0.5);
	assert_true(p.generator_sigma == GENERATOR_SIGMA_BY_COLUMN && p.penalty_interval == 4 && p.gamma == 0.03);
	assert_int_equal(params_check(&p, &e), OK);
	p.posterior = POSTERIOR_IMPORTANCE;
	assert_int_equal(params_check(&p, &e), ERR_INVALID);
	p.generator_sigma = GENERATOR_SIGMA_SHARED;
	assert_int_equal(params_check(&p, &e), OK);
	p.posterior = POSTERIOR_BATCH;
	p.weigh_generated = true; /* whose density is of rows where they were made */
	assert_int_equal(params_check(&p, &e), ERR_INVALID);
	assert_string_equal(e.code, "parameter_combination");
	p.weigh_generated = false;
	p.objective = OBJECTIVE_VERA_HMC;
	assert_int_equal(params_check(&p, &e), ERR_INVALID);
}

/* A Gaussian p, and a generator that makes it but for a shift: half of that is made up for where it is small, and where
 * it is large a row moves by what is allowed. */
static void
refined_rows_make_up_for_a_shift_of_their_generator(void **state)
{
	enum { ROWS = 32, WIDE = 3 };
	const double sd[WIDE] = {0.1, 1, 0.5}, shift[WIDE] = {0.02, 0, -4}, moved[WIDE] = {0.01, 0, -0.075};
	const struct density_shape family = {.family = FAMILY_MIXTURE, .d = WIDE, .n_parts = 1};
	struct params p = {.batch_size = ROWS,
		.noise_dim = 2,
		.generator_sigma = GENERATOR_SIGMA_BY_COLUMN,
		.refine_generated = 0.5};
	struct fit f = {.params = &p, .family = &family, .threads = 2, .shape = {.n_layers = 1, .size = {WIDE, 1}}};
	struct adversary a;
	struct generator *g = &a.generator;
	struct arena arena = {0};
	struct rng rng;
	real w[2 * WIDE + 1] = {0};
	const real *x;

	(void)state;
	for (size_t pass = 0; pass < 2; pass++) {
		struct arena counted = arena;

		arena = (struct arena){.block = pass ? calloc(counted.used, sizeof(real)) : NULL};
		density_workspace(&f.density, &family, 2 * ROWS, 0, &arena);
		adversary_layout(&a, &f, 0, &arena, &arena);
	}
	rng_init(&rng, 9, 0);
	generator_init(&a.shape, a.w, 0.1, &rng);
	for (size_t j = 0; j < WIDE; j++) {
		a.w[generator_log_sigma_at(&a.shape) + j] = w[WIDE + j] = (real)log(sd[j]);
		for (size_t i = 0; i < 2; i++)
			a.w[generator_weights_at(&a.shape, 0) + 2 * j + i] = 0;
		w[j] = a.w[generator_bias_at(&a.shape) + j] + (real)shift[j];
	}
	f.trained = w;
	generator_draw(g, &rng);
	generator_sample(g, a.w, 1);
	for (size_t i = 0; i < ROWS * WIDE; i++)
		g->score[i] = g->eps_x[i] / g->sigma[i % WIDE];
	x = adversary_refined(&a, &f);
	for (size_t i = 0; i < ROWS * WIDE; i++)
		assert_true(fabs((double)(x[i] - g->x[i]) - moved[i % WIDE]) < 1e-5);
	/* Mean of the squares of 0.2, 0 and 8 deviations; the average takes a twentieth. The energy network waits. */
	assert_true(fabs((double)*a.apart - 0.05 * (0.04 + 64) / 3) < 1e-3);
	assert_true(fabs(f.energy_share - pow(0.35 / (double)*a.apart, 3)) < 1e-3);
	*a.apart = 0;
	w[2] = a.w[generator_bias_at(&a.shape) + 2];
	adversary_refined(&a, &f);
	assert_true(*a.apart > 0 && f.energy_share == 1);
	p.refine_generated = 0;
	assert_ptr_equal(adversary_refined(&a, &f), g->x);
	free(arena.block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_objective_teaches_every_family),
		cmocka_unit_test(runs_are_equal_whatever_the_threads_and_after_a_restart),
		cmocka_unit_test(likelihood_finds_the_density_that_made_the_rows),
		cmocka_unit_test(vera_and_score_matching_find_it_without_the_normaliser),
		cmocka_unit_test(vera_finds_a_mixture_when_its_rows_are_weighed),
		cmocka_unit_test(a_model_comes_back_from_its_bytes_and_says_the_same),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(vera_weighs_its_rows_and_refines_those_of_a_flow_unless_told_otherwise),
		cmocka_unit_test(refined_rows_make_up_for_a_shift_of_their_generator),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
