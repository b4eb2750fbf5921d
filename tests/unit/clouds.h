/*
 * clouds: three clouds in the plane, a few labels, networks small enough to train whole runs again and again.
 */
#ifndef VERAD_TESTS_CLOUDS_H
#define VERAD_TESTS_CLOUDS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "engine/rng.h"
#include "engine/train.h"

enum { N = 300, K = 3, LABELLED = 5 };

struct clouds {
	struct rows rows;
	int32_t label[N], truth[N];
	unsigned char held_out[N];
	size_t n_held_out;
	struct params params;
	struct train_data data;
};

/* Three clouds with centres on a circle, a one-hot block that says nothing, LABELLED labels a class. */
static inline void
clouds_init(struct clouds *c, size_t method)
{
	const uint32_t width[] = {2};
	struct rng rng;
	struct err e;
	real noise[2 * N];

	memset(c, 0, sizeof *c);
	assert_int_equal(rows_init(&c->rows, N, 2, 1, width, &e), OK);
	rng_init(&rng, 77, 0);
	rng_normal(&rng, noise, 2 * N);
	for (size_t i = 0; i < N; i++) {
		c->truth[i] = (int32_t)(i % K);
		c->label[i] = i / K < LABELLED ? c->truth[i] : -1;
		c->rows.dense[2 * i] = 0.7f * cosf(2.1f * (float)c->truth[i]) + 0.12f * (float)noise[2 * i];
		c->rows.dense[2 * i + 1] = 0.7f * sinf(2.1f * (float)c->truth[i]) + 0.12f * (float)noise[2 * i + 1];
		c->rows.code[i] = (uint16_t)(i / 7 % 2);
	}
	params_defaults(&c->params);
	c->params.alpha = 1;       /* these few labels need no more weight */
	c->params.input_noise = 0; /* the clouds are no wider than the usual one */
	c->params.method = method;
	c->params.steps = 300;
	c->params.batch_size = c->params.labelled_batch_size = 32;
	c->params.hidden_layers = (struct layer_sizes){.n = 2, .size = {32, 32}};
	c->params.generator_layers = (struct layer_sizes){.n = 1, .size = {32}};
	c->params.noise_dim = 4;
	c->params.importance_samples = 4;
	c->params.evaluation_folds = 2;
	assert_int_equal(params_resolve(&c->params, N, K * LABELLED, c->rows.d, K, &e), OK);
	assert_int_equal(split_holdout(c->label, N, K, 0.1, 1, c->held_out, &c->n_held_out, &e), OK);
	c->data = (struct train_data){.rows = &c->rows, .label = c->label, .n_classes = K, .held_out = c->held_out};
}

/* Takes all labels away: what is left is a density. */
static inline void
clouds_unlabel(struct clouds *c)
{
	struct err e;

	for (size_t i = 0; i < N; i++)
		c->label[i] = -1;
	c->data.n_classes = 1;
	assert_int_equal(params_resolve(&c->params, N, 0, c->rows.d, 1, &e), OK);
	assert_int_equal(split_holdout(c->label, N, 1, 0.1, 1, c->held_out, &c->n_held_out, &e), OK);
	assert_true(c->n_held_out == N / 10);
}

static inline struct trainer *
trainer_of(const struct clouds *c, int threads)
{
	struct trainer *t;
	struct err e;

	assert_int_equal(trainer_new(&c->params, &c->data, threads, &t, &e), OK);
	return t;
}

static inline void
run(struct trainer *t, size_t steps)
{
	struct err e;

	for (size_t i = 0; i < steps && !trainer_done(t); i++)
		if (trainer_step(t, &e))
			fail_msg("%s", e.msg);
}

/* The whole result as bytes: model, baseline, and the cross-fitted accuracies. */
static inline struct buf
result_of(struct trainer *t)
{
	struct train_result r;
	struct buf b = {0};
	struct err e;

	run(t, SIZE_MAX);
	assert_int_equal(trainer_finish(t, &r, &e), OK);
	model_write(r.model, &b);
	if (r.baseline)
		model_write(r.baseline, &b);
	buf_put_f64(&b, r.measures.log_loss);
	buf_put_f64(&b, r.baseline_measures.log_loss);
	train_result_release(&r);
	return b;
}

static inline void
same_bytes(struct buf a, struct buf b)
{
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	buf_release(&a);
	buf_release(&b);
}

#endif
