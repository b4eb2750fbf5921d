/* train, split, model: whole runs on three clouds in the plane, small enough to repeat. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/metric.h"
#include "tests/unit/clouds.h"

static void
vera_learns_three_clouds_and_knows_what_is_far(void **state)
{
	struct clouds c;
	struct trainer *t;
	struct train_result r;
	struct model_workspace *w;
	struct rows far;
	const uint32_t width[] = {2};
	float p[N * K];
	double score[N], far_score;
	size_t right = 0, n_flagged = 0;
	struct err e;

	(void)state;
	clouds_init(&c, METHOD_VERA);
	c.params.steps = 1200;
	t = trainer_of(&c, 2);
	run(t, SIZE_MAX);
	assert_int_equal(trainer_finish(t, &r, &e), OK);
	assert_int_equal(model_workspace_new(r.model, &w, &e), OK);
	model_predict(r.model, &c.rows, 0, N, OOD_ENERGY, w, p, score);
	for (size_t i = 0; i < N; i++) {
		size_t top = 0;
		double sum = 0;

		for (size_t k = 0; k < K; k++) {
			sum += (double)p[i * K + k];
			top = p[i * K + k] > p[i * K + top] ? k : top;
		}
		assert_true(fabs(sum - 1) < 1e-5 && isfinite(score[i]));
		right += (int32_t)top == c.truth[i];
		n_flagged += score[i] > r.model->reference[OOD_ENERGY].threshold;
	}
	assert_true(right > N * 95 / 100);
	assert_true(n_flagged < N / 5);
	assert_true(r.evaluated && r.n_evaluated == K * LABELLED && r.measures.accuracy > 0.6);
	assert_non_null(r.baseline);

	assert_int_equal(rows_init(&far, 1, 2, 1, width, &e), OK);
	far.dense[0] = 4, far.dense[1] = 4;
	model_predict(r.model, &far, 0, 1, OOD_ENERGY, w, NULL, &far_score);
	assert_true(far_score > r.model->reference[OOD_ENERGY].threshold);
	assert_true(model_p_value(r.model, OOD_ENERGY, far_score) < 0.05);
	rows_release(&far);
	model_workspace_free(w);
	train_result_release(&r);
	trainer_free(t);
	rows_release(&c.rows);
}

/* Rows that are all alike teach the shares of their labels and nothing else. */
static void
class_weights_count_in_every_method(void **state)
{
	static const double weight[K] = {10, 1, 1};

	(void)state;
	for (size_t method = METHOD_AUTO; method < METHOD_DENSITY; method++) {
		struct clouds c;
		struct trainer *t;
		struct train_result r;
		struct model_workspace *w;
		float p[K];
		struct err e;

		clouds_init(&c, method);
		memset(c.rows.dense, 0, 2 * N * sizeof *c.rows.dense);
		memset(c.rows.code, 0, N * sizeof *c.rows.code);
		c.params.evaluation_folds = 0;
		c.params.base_measure = BASE_NONE;
		c.params.class_prior = CLASS_PRIOR_LABELLED;
		c.data.class_weight = weight;
		t = trainer_of(&c, 1);
		run(t, SIZE_MAX);
		assert_int_equal(trainer_finish(t, &r, &e), OK);
		assert_int_equal(model_workspace_new(r.model, &w, &e), OK);
		model_predict(r.model, &c.rows, 0, 1, OOD_ENERGY, w, p, NULL);
		if (!(p[0] > 0.6f))
			fail_msg("method %zu: %g", method, (double)p[0]);
		if (method == METHOD_SUPERVISED)
			assert_true(fabs((double)p[0] - 10.0 / 12) < 0.05);
		model_workspace_free(w);
		train_result_release(&r);
		trainer_free(t);
		rows_release(&c.rows);
	}
}

static void
a_stated_prior_is_the_models_bias_whatever_else_would_be(void **state)
{
	static const double prior[K] = {0.7, 0.2, 0.1};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct clouds c;
		struct trainer *t;
		struct train_result r;
		struct err e;

		clouds_init(&c, i < 2 ? METHOD_AUTO : METHOD_SUPERVISED);
		c.params.class_prior = i % 2;
		c.params.steps = 20;
		c.data.class_prior = prior;
		for (size_t j = 0; i == 3 && j < N; j++) /* no row without a label, either */
			c.label[j] = c.truth[j];
		t = trainer_of(&c, 1);
		run(t, SIZE_MAX);
		assert_int_equal(trainer_finish(t, &r, &e), OK);
		assert_memory_equal(r.share, prior, sizeof prior);
		for (size_t k = 0; k < K; k++)
			assert_true(fabs(r.model->bias[k] - log(prior[k] * K)) < (i == 3 ? 0.1 : 1e-9));
		train_result_release(&r);
		trainer_free(t);
		rows_release(&c.rows);
	}
}

static void
the_number_of_threads_does_not_change_the_model(void **state)
{
	(void)state;
	for (size_t posterior = 0; posterior < N_POSTERIORS; posterior++) {
		struct clouds c;
		struct trainer *one, *two;

		clouds_init(&c, METHOD_AUTO);
		/* Wide enough that every kernel is cut into tiles. */
		c.params.hidden_layers = (struct layer_sizes){.n = 2, .size = {256, 256}};
		c.params.generator_layers = (struct layer_sizes){.n = 2, .size = {128, 128}};
		c.params.posterior = posterior;
		c.params.importance_samples = 20;
		c.params.steps = 25;
		one = trainer_of(&c, 1);
		two = trainer_of(&c, 2);
		for (size_t i = 0; i < 10; i++) { /* nor does a change on the way */
			trainer_set_threads(two, (int)(i % 3) + 1);
			run(two, 1);
		}
		trainer_set_threads(two, 2);
		same_bytes(result_of(one), result_of(two));
		trainer_free(one);
		trainer_free(two);
		rows_release(&c.rows);
	}
}

static void
a_restored_run_ends_in_the_same_model(void **state)
{
	/* Stops in each kind of fit, at a border between two, and at the very end. */
	const size_t stops[] = {1, 45, 60, 61, 130, 260, 360};
	struct clouds c;

	(void)state;
	clouds_init(&c, METHOD_AUTO);
	c.params.steps = 60;
	for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
		struct trainer *whole, *first, *second;
		struct train_progress p;
		struct buf saved = {0};
		struct err e;

		c.params.posterior = i % N_POSTERIORS;
		whole = trainer_of(&c, 1), first = trainer_of(&c, 1), second = trainer_of(&c, 1);
		run(first, stops[i]);
		assert_int_equal(trainer_save(first, &saved, &e), OK);
		run(second, 7); /* whatever it did before is forgotten */
		assert_int_equal(trainer_restore(second, saved.data, saved.len, &e), OK);
		trainer_progress(second, &p);
		assert_int_equal(p.step, stops[i]);
		same_bytes(result_of(whole), result_of(second));
		trainer_free(whole);
		trainer_free(first);
		trainer_free(second);
		buf_release(&saved);
	}
	rows_release(&c.rows);
}

static bool
at_the_nth(void *ctx)
{
	return !--*(int *)ctx;
}

static void
a_run_stopped_within_its_scoring_ends_in_the_same_model(void **state)
{
	struct clouds c;
	bool stopped_in_step = false, stopped_in_finish = false;

	(void)state;
	clouds_init(&c, METHOD_AUTO);
	c.params.steps = 30;
	for (int nth = 1; !stopped_in_finish; nth++) {
		struct trainer *whole = trainer_of(&c, 1), *first = trainer_of(&c, 1), *second = trainer_of(&c, 1);
		struct train_result r = {0};
		struct buf saved = {0};
		struct err e = {0};
		int left = nth;
		enum status s = OK;

		trainer_ask(first, at_the_nth, &left);
		while (!trainer_done(first) && !(s = trainer_step(first, &e)))
			;
		stopped_in_step |= s != OK;
		if (!s) {
			s = trainer_finish(first, &r, &e);
			stopped_in_finish = true;
		}
		assert_int_equal(s, ERR_CANCELLED);
		assert_null(r.model);
		assert_int_equal(trainer_save(first, &saved, &e), OK);
		assert_int_equal(trainer_restore(second, saved.data, saved.len, &e), OK);
		same_bytes(result_of(whole), result_of(second));
		same_bytes(result_of(second), result_of(first)); /* and so does the stopped one itself */
		trainer_free(whole);
		trainer_free(first);
		trainer_free(second);
		buf_release(&saved);
	}
	assert_true(stopped_in_step);
	rows_release(&c.rows);
}

static void
a_damaged_or_foreign_checkpoint_is_refused(void **state)
{
	struct clouds c;
	struct trainer *t, *other;
	struct buf saved = {0};
	struct err e;

	(void)state;
	clouds_init(&c, METHOD_VERA);
	t = trainer_of(&c, 1);
	run(t, 3);
	assert_int_equal(trainer_save(t, &saved, &e), OK);
	for (size_t n = 0; n < saved.len; n += 97)
		assert_int_equal(trainer_restore(t, saved.data, n, &e), ERR_CORRUPT);
	for (size_t i = 0; i < saved.len; i += 1009) {
		saved.data[i] ^= 4;
		assert_int_equal(trainer_restore(t, saved.data, saved.len, &e), ERR_CORRUPT);
		saved.data[i] ^= 4;
	}
	c.params.seed = 2;
	other = trainer_of(&c, 1);
	assert_int_equal(trainer_restore(other, saved.data, saved.len, &e), ERR_CORRUPT);
	assert_int_equal(trainer_restore(t, saved.data, saved.len, &e), OK);
	trainer_free(t);
	trainer_free(other);
	buf_release(&saved);
	rows_release(&c.rows);
}

static void
another_seed_gives_another_model(void **state)
{
	struct clouds c;
	struct trainer *a, *b;
	struct buf x, y;

	(void)state;
	clouds_init(&c, METHOD_VERA);
	c.params.steps = 20;
	a = trainer_of(&c, 1);
	c.params.seed = 2;
	b = trainer_of(&c, 1);
	x = result_of(a);
	y = result_of(b);
	assert_true(x.len != y.len || memcmp(x.data, y.data, x.len) != 0);
	buf_release(&x);
	buf_release(&y);
	trainer_free(a);
	trainer_free(b);
	rows_release(&c.rows);
}

static void
held_out_rows_take_no_part_in_training(void **state)
{
	struct clouds c;
	struct trainer *a, *b;
	struct train_result r, q;
	struct err e;

	(void)state;
	clouds_init(&c, METHOD_VERA);
	c.params.steps = 40;
	a = trainer_of(&c, 1);
	run(a, SIZE_MAX);
	assert_int_equal(trainer_finish(a, &r, &e), OK);
	for (size_t i = 0; i < N; i++)
		if (c.held_out[i])
			c.rows.dense[2 * i] += 3;
	b = trainer_of(&c, 1);
	run(b, SIZE_MAX);
	assert_int_equal(trainer_finish(b, &q, &e), OK);
	assert_memory_equal(r.model->member[0].weights, q.model->member[0].weights,
		net_size(&r.model->member[0].shape) * sizeof(real));
	assert_true(r.model->reference[OOD_ENERGY].threshold != q.model->reference[OOD_ENERGY].threshold);
	train_result_release(&r);
	train_result_release(&q);
	trainer_free(a);
	trainer_free(b);
	rows_release(&c.rows);
}

static void
divergence_is_an_error_with_its_numbers(void **state)
{
	struct clouds c;
	struct trainer *t;
	enum status s = OK;
	struct err e;

	(void)state;
	clouds_init(&c, METHOD_VERA);
	c.params.learning_rate = 1e3;
	t = trainer_of(&c, 1);
	while (!s && !trainer_done(t))
		s = trainer_step(t, &e);
	assert_int_equal(s, ERR_DIVERGED);
	assert_string_equal(e.code, "diverged");
	assert_non_null(strstr(e.msg, "learning_rate"));
	trainer_free(t);
	rows_release(&c.rows);
}

/* Four networks, of which those that are taught labels of others' making or have no hidden layers know nothing of
 * log p(x); without labels none has a doubt. */
static void
few_labels_bring_more_networks_into_the_blend(void **state)
{
	struct clouds c;
	struct trainer *t;
	struct train_result r;
	struct err e;

	(void)state;
	clouds_init(&c, METHOD_AUTO);
	for (int labels = 1; labels >= 0; labels--) {
		if (!labels)
			clouds_unlabel(&c);
		t = trainer_of(&c, 1);
		run(t, SIZE_MAX);
		assert_int_equal(trainer_finish(t, &r, &e), OK);
		assert_int_equal(r.n_members, labels ? 4 : 1);
		for (size_t i = 0; i < r.n_members; i++) {
			assert_true(r.model->member[i].doubt == (labels ? BLEND_DOUBT : 0));
			assert_true(r.model->member[i].conditional == (i >= 2));
			assert_true(!labels || r.weight[i] > 0);
		}
		if (labels) {
			assert_int_equal(r.network[2], TRAIN_LINEAR);
			assert_int_equal(r.model->member[2].shape.n_layers, 1);
			assert_int_equal(r.network[3], TRAIN_PROPAGATED);
			assert_true(r.measures.accuracy > 0.6);
		}
		train_result_release(&r);
		trainer_free(t);
	}
	rows_release(&c.rows);
}

static void
all_in_one_place(const void *ctx, real *x, size_t n)
{
	const struct clouds *c = ctx;

	for (size_t i = 0; i < n; i++)
		memset(x + i * c->rows.d, 0, c->rows.n_dense * sizeof *x);
}

/* The network taught by neighbours sees the positions: where these are all the same it has nothing but the codes
 * to tell rows apart by. */
static void
neighbours_are_those_of_the_positions(void **state)
{
	float p[2][N * K];
	struct clouds c;

	(void)state;
	clouds_init(&c, METHOD_AUTO);
	c.params.steps = 400;
	for (size_t moved = 0; moved < 2; moved++) {
		struct trainer *t;
		struct train_result r;
		struct model_member *member;
		struct model *alone;
		struct model_workspace *w;
		struct err e;

		c.data.positions = moved ? all_in_one_place : NULL;
		c.data.positions_ctx = &c;
		t = trainer_of(&c, 1);
		run(t, SIZE_MAX);
		assert_int_equal(trainer_finish(t, &r, &e), OK);
		member = &r.model->member[3];
		assert_true(!member->warp == !moved);
		assert_int_equal(model_new(&member->shape, member->weights, &alone, &e), OK);
		if (moved)
			assert_int_equal(model_set_warp(alone, 0, member->warp, &e), OK);
		assert_int_equal(model_workspace_new(alone, &w, &e), OK);
		model_predict(alone, &c.rows, 0, N, OOD_ENERGY, w, p[moved], NULL);
		model_workspace_free(w);
		model_free(alone);
		train_result_release(&r);
		trainer_free(t);
	}
	assert_true(p[0][c.truth[0]] > 0.7f);
	for (size_t i = 1; i < N; i++)
		assert_true(c.rows.code[i] != c.rows.code[0] || fabs((double)(p[1][i * K] - p[1][0])) < 1e-5);
	rows_release(&c.rows);
}

static void
the_supervised_method_has_no_baseline_beside_it(void **state)
{
	struct clouds c;
	struct trainer *t;
	struct train_result r;
	struct err e;

	(void)state;
	clouds_init(&c, METHOD_SUPERVISED);
	t = trainer_of(&c, 2);
	run(t, SIZE_MAX);
	assert_int_equal(trainer_finish(t, &r, &e), OK);
	assert_null(r.baseline);
	assert_true(r.evaluated && r.measures.accuracy > 0.6);
	train_result_release(&r);
	trainer_free(t);
	rows_release(&c.rows);
}

/* ---- Splits ------------------------------------------------------------------------------------------------- */

static void
folds_spread_each_class_evenly(void **state)
{
	enum { ROWS = 47 };
	int32_t label[ROWS];
	uint32_t index[ROWS], fold[ROWS];
	size_t n_folds, count[3][3] = {{0}};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		label[i] = i < 20 ? 0 : i < 40 ? 1 : 2;
		index[i] = (uint32_t)i;
	}
	assert_int_equal(split_folds(label, index, ROWS, 3, 3, 1, fold, &n_folds, &e), OK);
	assert_int_equal(n_folds, 3);
	for (size_t i = 0; i < ROWS; i++)
		count[label[i]][fold[i]]++;
	for (size_t c = 0; c < 3; c++)
		for (size_t f = 1; f < 3; f++)
			assert_true(count[c][f] + 1 >= count[c][0] && count[c][f] <= count[c][0] + 1);
	label[46] = 3; /* a class of one row: no fold could leave any of it to train on */
	assert_int_equal(split_folds(label, index, ROWS, 4, 3, 1, fold, &n_folds, &e), OK);
	assert_int_equal(n_folds, 0);
}

static void
cross_fitting_that_memory_cannot_hold_is_refused(void **state)
{
	enum { CLASSES = 12000, ROWS = 2 * CLASSES };
	static int32_t label[ROWS];
	struct train_data data = {.label = label, .n_classes = CLASSES};
	struct params params;
	struct trainer *t = NULL;
	struct rows rows;
	struct err e;

	(void)state;
	params_defaults(&params);
	params.evaluation_folds = 2;
	assert_int_equal(rows_init(&rows, ROWS, 1, 0, NULL, &e), OK);
	for (size_t i = 0; i < ROWS; i++)
		label[i] = (int32_t)(i % CLASSES);
	data.rows = &rows;
	assert_int_equal(trainer_new(&params, &data, 1, &t, &e), ERR_INVALID);
	assert_string_equal(e.code, "parameter_combination");
	assert_non_null(strstr(e.msg, "evaluation_folds to 0"));
	rows_release(&rows);
}

/* Few positives are counted in pairs, many are sorted; three copies of everything have the area of one. */
static void
an_area_under_the_curve_is_the_same_counted_or_sorted(void **state)
{
	enum { ROWS = 40, FEW = 9, COPIES = 3 };
	double score[COPIES * ROWS], one, three;
	unsigned char positive[COPIES * ROWS];
	struct err e;

	(void)state;
	for (size_t i = 0; i < COPIES * ROWS; i++) {
		score[i] = (double)(i % ROWS * 7 % 13); /* many ties */
		positive[i] = i % ROWS * 11 % ROWS < FEW;
	}
	assert_int_equal(metric_auroc(score, positive, ROWS, &one, &e), OK);
	assert_int_equal(metric_auroc(score, positive, COPIES * ROWS, &three, &e), OK);
	assert_true(one > 0 && one < 1 && one == three);
	memset(positive, 0, sizeof positive);
	assert_int_equal(metric_auroc(score, positive, ROWS, &one, &e), OK);
	assert_true(isnan(one));
	memset(positive, 1, sizeof positive);
	assert_int_equal(metric_auroc(score, positive, FEW, &one, &e), OK);
	assert_true(isnan(one));
}

static void
the_holdout_prefers_unlabelled_rows_and_spares_small_classes(void **state)
{
	int32_t label[100];
	unsigned char held_out[100];
	size_t n, left[2] = {0};
	struct err e;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		label[i] = i < 20 ? (int32_t)(i % 2) : -1;
	assert_int_equal(split_holdout(label, 100, 2, 0.1, 1, held_out, &n, &e), OK);
	assert_int_equal(n, 10);
	for (size_t i = 0; i < 100; i++)
		assert_false(held_out[i] && label[i] >= 0);
	for (size_t i = 0; i < 100; i++)
		label[i] = i < 3 ? 0 : 1;
	assert_int_equal(split_holdout(label, 100, 2, 0.5, 1, held_out, &n, &e), OK);
	assert_true(n > 20 && n <= 33);
	for (size_t i = 0; i < 100; i++)
		left[label[i]] += !held_out[i];
	assert_true(left[0] >= 2 && left[1] >= 64);
}

/* ---- The model alone ---------------------------------------------------------------------------------------- */

static struct model *
small_model(void)
{
	struct layer_sizes hidden = {.n = 2, .size = {24, 17}};
	struct net_shape s = net_shape_of(4, &hidden, K, false);
	real w[2000];
	struct model *m;
	struct rng rng;
	struct err e;
	double reference[N_OOD_SCORES][40];

	rng_init(&rng, 4, 0);
	net_init(&s, w, &rng);
	assert_int_equal(model_new(&s, w, &m, &e), OK);
	for (size_t k = 0; k < N_OOD_SCORES; k++) {
		for (size_t i = 0; i < 40; i++)
			reference[k][i] = (double)((i * 17) % 40) / 2;
		assert_int_equal(model_set_reference(m, (enum ood_score)k, reference[k], 40, 0.05, &e), OK);
	}
	return m;
}

static void
p_values_and_thresholds_follow_the_reference(void **state)
{
	struct model *m = small_model();

	(void)state;
	/* 0, 0.5 … 19.5: two of forty may lie above the threshold. */
	assert_true(m->reference[OOD_ENERGY].threshold == 18.5);
	assert_true(model_p_value(m, OOD_ENERGY, -1) == 1 && model_p_value(m, OOD_ENERGY, 20) == 0);
	assert_true(model_p_value(m, OOD_ENERGY, 10) == 0.5 && model_p_value(m, OOD_ENERGY, 19.5) == 1.0 / 40);
	model_free(m);
}

/* But for rounding: a product of one row adds up in another order than one of many does. */
static void
a_row_is_answered_alike_alone_and_in_any_company(void **state)
{
	enum { ROWS = 700 };
	struct model *m = small_model();
	struct rows rows;
	struct model_workspace *w;
	struct err e;
	float all[ROWS * K], one[K];
	double score[ROWS], alone;

	(void)state;
	assert_int_equal(rows_init(&rows, ROWS, 4, 0, NULL, &e), OK);
	for (size_t i = 0; i < ROWS * 4; i++)
		rows.dense[i] = (float)((i * 7919) % 1000) / 500 - 1;
	assert_int_equal(model_workspace_new(m, &w, &e), OK);
	for (size_t kind = 0; kind < N_OOD_SCORES; kind++) {
		model_predict(m, &rows, 0, ROWS, (enum ood_score)kind, w, all, score);
		for (size_t i = 0; i < ROWS; i += 13) {
			model_predict(m, &rows, i, 1, (enum ood_score)kind, w, one, &alone);
			for (size_t k = 0; k < K; k++)
				assert_true(fabsf(one[k] - all[i * K + k]) < 1e-5f);
			assert_true(fabs(alone - score[i]) < 1e-4 * (1 + fabs(alone)));
		}
	}
	model_workspace_free(w);
	rows_release(&rows);
	model_free(m);
}

static void
truncated_or_altered_model_bytes_never_load_into_nonsense(void **state)
{
	struct model *m = small_model(), *back;
	struct buf b = {0};
	struct reader in;
	struct err e;

	(void)state;
	model_write(m, &b);
	for (size_t n = 0; n < b.len; n++) {
		in = reader_over(b.data, n);
		assert_int_equal(model_read(&in, MODEL_WARPS, &back, &e), ERR_CORRUPT);
	}
	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit += 7) {
			b.data[i] ^= (unsigned char)(1 << bit);
			in = reader_over(b.data, b.len);
			if (model_read(&in, MODEL_WARPS, &back, &e) == OK) {
				assert_true(kernel_finite(back->member[0].weights, net_size(&back->member[0].shape)));
				model_free(back);
			}
			b.data[i] ^= (unsigned char)(1 << bit);
		}
	in = reader_over(b.data, b.len);
	assert_int_equal(model_read(&in, MODEL_WARPS, &back, &e), OK);
	assert_int_equal(reader_left(&in), 0);
	assert_memory_equal(
		back->member[0].weights, m->member[0].weights, net_size(&m->member[0].shape) * sizeof(real));
	model_free(back);
	model_free(m);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vera_learns_three_clouds_and_knows_what_is_far),
		cmocka_unit_test(class_weights_count_in_every_method),
		cmocka_unit_test(a_stated_prior_is_the_models_bias_whatever_else_would_be),
		cmocka_unit_test(the_number_of_threads_does_not_change_the_model),
		cmocka_unit_test(a_restored_run_ends_in_the_same_model),
		cmocka_unit_test(a_run_stopped_within_its_scoring_ends_in_the_same_model),
		cmocka_unit_test(a_damaged_or_foreign_checkpoint_is_refused),
		cmocka_unit_test(another_seed_gives_another_model),
		cmocka_unit_test(held_out_rows_take_no_part_in_training),
		cmocka_unit_test(divergence_is_an_error_with_its_numbers),
		cmocka_unit_test(few_labels_bring_more_networks_into_the_blend),
		cmocka_unit_test(neighbours_are_those_of_the_positions),
		cmocka_unit_test(the_supervised_method_has_no_baseline_beside_it),
		cmocka_unit_test(folds_spread_each_class_evenly),
		cmocka_unit_test(cross_fitting_that_memory_cannot_hold_is_refused),
		cmocka_unit_test(an_area_under_the_curve_is_the_same_counted_or_sorted),
		cmocka_unit_test(the_holdout_prefers_unlabelled_rows_and_spares_small_classes),
		cmocka_unit_test(p_values_and_thresholds_follow_the_reference),
		cmocka_unit_test(a_row_is_answered_alike_alone_and_in_any_company),
		cmocka_unit_test(truncated_or_altered_model_bytes_never_load_into_nonsense),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
