/* What a blend of networks answers, and attributions of its scores to features: against differences, their sums, what
 * they point at. Built in both precisions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/model.h"

/* Wide steps meet the network's kinks, which the single build's tolerance makes room for. */
#ifdef VERAD_DOUBLE
#define STEP (1.0 / 131072)
#define TOLERANCE 1e-3
#define SUM_TOLERANCE 1e-9
#define ROUNDING 1e-12
#else
#define STEP (1.0 / 256)
#define TOLERANCE 8e-2
#define SUM_TOLERANCE 1e-4
#define ROUNDING 2e-5
#endif

enum { D = 5, K = 3, ROWS = 300, COMPONENTS = 3 };

static struct err err;

/* One that bends the first three inputs of network `member`, each in its own way. */
static void
set_bent_warp(struct model *m, size_t member)
{
	struct warp *w = NULL;

	assert_int_equal(warp_new(3, &w, &err), OK);
	for (size_t i = 0; i < WARP_POINTS * 3; i++)
		w->at[i] = (real)(3 * tanh(warp_argument(i / 3) * (0.2 + 0.1 * (double)(i % 3))));
	assert_int_equal(model_set_warp(m, member, w, &err), OK);
	free(w);
}

/* Two networks, one with a warp, a bias, and with `base` a mixture of three. */
static struct model *
make(size_t n_classes, bool base, double scale)
{
	static const double bias[K] = {0.3, -0.2, 0.1};
	const struct layer_sizes hidden = {2, {16, 12}};
	const struct net_shape shape = net_shape_of(D, &hidden, n_classes, false);
	double weight[COMPONENTS] = {0.5, 0.3, 0.2}, noise[COMPONENTS] = {0.4, 0.5, 0.6}, mean[COMPONENTS * D];
	double factor[COMPONENTS * 2 * D];
	real w[2][1000];
	struct model *m = NULL;
	struct rng rng;

	assert_true(net_size(&shape) <= 1000);
	for (uint64_t i = 0; i < 2; i++) {
		rng_init(&rng, 5 + i, 0);
		net_init(&shape, w[i], &rng);
		for (size_t j = 0; j < net_size(&shape); j++)
			w[i][j] *= (real)scale;
	}
	assert_int_equal(model_new(&shape, w[0], &m, &err), OK);
	m->member[0].weight = 0.7;
	assert_int_equal(model_add_member(m, &shape, w[1], 0.6, &err), OK);
	m->member[0].doubt = 0.05;
	m->member[1].doubt = 0.2;
	m->member[1].conditional = true;
	set_bent_warp(m, 1);
	if (n_classes == K)
		assert_int_equal(model_set_bias(m, bias, &err), OK);
	for (size_t i = 0; i < COMPONENTS * D; i++)
		mean[i] = (double)((i * 7) % 11) / 5 - 1;
	for (size_t i = 0; i < COMPONENTS * 2 * D; i++)
		factor[i] = (double)((i * 5) % 7) / 14 - 0.2;
	if (base)
		assert_int_equal(mixture_new(COMPONENTS, D, 2, weight, mean, factor, noise, &m->base, &err), OK);
	return m;
}

static struct rows
make_rows(size_t n)
{
	struct rows rows;

	assert_int_equal(rows_init(&rows, n, D, 0, NULL, &err), OK);
	for (size_t i = 0; i < n * D; i++)
		rows.dense[i] = (float)((i * 7919) % 1000) / 250 - 2;
	return rows;
}

struct attributed {
	double a[ROWS][D], reference[ROWS], score[ROWS];
};

static struct attributed *
attribute(const struct model *m, const struct rows *rows, enum ood_score kind, const struct rows *typical)
{
	struct attributed *out = calloc(1, sizeof *out);
	struct model_workspace *w = NULL;

	assert_non_null(out);
	assert_int_equal(model_workspace_new(m, &w, &err), OK);
	model_attribute(m, rows, 0, rows->n, kind, typical, w, out->a[0], out->reference);
	model_predict(m, rows, 0, rows->n, kind, w, NULL, out->score);
	model_workspace_free(w);
	return out;
}

static double
score_at(const struct model *m, const double *x, size_t moved, double by, enum ood_score kind, double *at)
{
	struct model_workspace *w = NULL;
	struct rows row;
	double score;

	assert_int_equal(rows_init(&row, 1, D, 0, NULL, &err), OK);
	for (size_t i = 0; i < D; i++)
		row.dense[i] = (float)(x[i] + (i == moved ? by : 0));
	*at = (double)row.dense[moved];
	assert_int_equal(model_workspace_new(m, &w, &err), OK);
	model_predict(m, &row, 0, 1, kind, w, NULL, &score);
	model_workspace_free(w);
	rows_release(&row);
	return score;
}

/* The integral by the same midpoints, each gradient by differences of scores; what is missing shared out. */
static void
check_row(const struct model *m, const float *x, const double *r, enum ood_score kind, const double *a, double total)
{
	double expected[D], sum = 0, size = 0, top = 0;

	for (size_t i = 0; i < D; i++) {
		double mean = 0;

		for (size_t step = 0; step < MODEL_PATH_STEPS; step++) {
			double t = ((double)step + 0.5) / MODEL_PATH_STEPS, at[D], high, low, slope;

			for (size_t j = 0; j < D; j++)
				at[j] = r[j] + t * ((double)x[j] - r[j]);
			slope = score_at(m, at, i, STEP, kind, &high);
			slope -= score_at(m, at, i, -STEP, kind, &low);
			mean += slope / (high - low) / MODEL_PATH_STEPS;
		}
		expected[i] = mean * ((double)x[i] - r[i]);
		sum += expected[i];
		size += fabs(expected[i]);
	}
	for (size_t i = 0; i < D; i++) {
		expected[i] += (total - sum) * fabs(expected[i]) / size;
		top = fmax(top, fabs(expected[i]));
	}
	for (size_t i = 0; i < D; i++)
		if (!(fabs(a[i] - expected[i]) <= TOLERANCE * top))
			fail_msg("feature %zu: %g, by differences %g", i, a[i], expected[i]);
}

static void
attributions_are_the_integral_of_the_gradient(void **state)
{
	static const enum ood_score kinds[] = {OOD_ENERGY, OOD_MAX_PROBABILITY};
	struct rows rows = make_rows(12);

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		struct model *m = make(K, k < 2, 1.5);
		struct attributed *got = attribute(m, &rows, kinds[k % 2], NULL);

		for (size_t i = 0; i < rows.n; i++) {
			double r[D] = {0};
			real x[D];

			rows_expand(&rows, NULL, i, 1, x);
			if (m->base)
				mixture_mean(m->base, mixture_nearest(m->base, x), r);
			check_row(m, rows.dense + i * D, r, kinds[k % 2], got->a[i], got->score[i] - got->reference[i]);
		}
		free(got);
		model_free(m);
	}
	rows_release(&rows);
}

static void
attributions_and_the_reference_make_the_score(void **state)
{
	struct rows rows = make_rows(ROWS);

	(void)state;
	for (size_t n_classes = 1; n_classes <= K; n_classes += K - 1) {
		struct model *m = make(n_classes, true, 2);

		for (size_t kind = 0; kind < N_OOD_SCORES; kind++) {
			struct attributed *got = attribute(m, &rows, (enum ood_score)kind, NULL);

			for (size_t i = 0; i < ROWS; i++) {
				double sum = got->reference[i];

				for (size_t j = 0; j < D; j++) {
					sum += got->a[i][j];
					assert_true(kind != OOD_GRADIENT_NORM || got->a[i][j] >= 0);
				}
				assert_true(fabs(sum - got->score[i]) <= SUM_TOLERANCE * (1 + fabs(got->score[i])));
			}
			free(got);
		}
		model_free(m);
	}
	rows_release(&rows);
}

/* But for rounding: a product of one row adds up in another order than one of many does. */
static void
a_row_is_attributed_alike_alone_and_in_any_company(void **state)
{
	struct model *m = make(K, true, 1);
	struct rows rows = make_rows(ROWS);

	(void)state;
	for (size_t kind = 0; kind < N_OOD_SCORES; kind++) {
		struct attributed *all = attribute(m, &rows, (enum ood_score)kind, NULL);
		struct model_workspace *w = NULL;

		assert_int_equal(model_workspace_new(m, &w, &err), OK);
		for (size_t i = 0; i < ROWS; i += 17) {
			double alone[D], reference;

			model_attribute(m, &rows, i, 1, (enum ood_score)kind, NULL, w, alone, &reference);
			for (size_t j = 0; j < D; j++)
				assert_true(fabs(alone[j] - all->a[i][j]) < ROUNDING);
			assert_true(fabs(reference - all->reference[i]) < ROUNDING);
		}
		model_workspace_free(w);
		free(all);
	}
	rows_release(&rows);
	model_free(m);
}

static void
the_feature_that_is_far_out_gets_the_largest_share(void **state)
{
	static const enum ood_score kinds[] = {OOD_ENERGY, OOD_GRADIENT_NORM};
	struct rows rows = make_rows(D);
	struct model *m = make(K, true, 1);

	(void)state;
	for (size_t i = 0; i < D; i++)
		rows.dense[i * D + i] = i % 2 ? 8 : -8;
	for (size_t k = 0; k < 2; k++) {
		struct attributed *got = attribute(m, &rows, kinds[k], NULL);

		for (size_t i = 0; i < D; i++)
			for (size_t j = 0; j < D; j++)
				assert_true(i == j || got->a[i][j] < got->a[i][i] / 2);
		free(got);
	}
	rows_release(&rows);
	model_free(m);
}

static void
without_a_base_measure_paths_start_from_the_typical_row(void **state)
{
	struct rows rows = make_rows(3), typical = make_rows(1);
	struct model *m = make(K, false, 1);
	struct attributed *from_zeros = attribute(m, &rows, OOD_ENERGY, NULL), *got;

	(void)state;
	for (size_t j = 0; j < D; j++)
		typical.dense[j] = rows.dense[D + j] = 0.25f * (float)j;
	got = attribute(m, &rows, OOD_ENERGY, &typical);
	for (size_t j = 0; j < D; j++) {
		assert_true(got->a[1][j] == 0);
		assert_true(got->a[0][j] != from_zeros->a[0][j] || rows.dense[j] == 0);
	}
	assert_true(got->reference[1] == got->score[1] && got->reference[0] == got->reference[1]);
	free(from_zeros);
	free(got);
	rows_release(&rows);
	rows_release(&typical);
	model_free(m);
}

static void
nothing_that_is_no_number_comes_out_of_absurd_weights(void **state)
{
	struct rows rows = make_rows(20);

	(void)state;
	for (double scale = 1e4; scale < 1e14; scale *= 1e3) {
		struct model *m = make(K, true, scale);

		for (size_t kind = 0; kind < N_OOD_SCORES; kind++) {
			struct attributed *got = attribute(m, &rows, (enum ood_score)kind, NULL);

			for (size_t i = 0; i < rows.n; i++) {
				assert_true(isfinite(got->reference[i]));
				for (size_t j = 0; j < D; j++)
					assert_true(isfinite(got->a[i][j]));
			}
			free(got);
		}
		model_free(m);
	}
	rows_release(&rows);
}

/* What one has learned of classes alone says nothing of log p(x), and what is sure far out keeps its digits. */
static void
a_conditional_network_has_no_energy_and_a_large_one_no_say_in_classes(void **state)
{
	const struct net_shape shape = {.n_layers = 1, .size = {D, K}};
	real w[(D + 1) * K] = {0};
	struct model_workspace *workspace = NULL;
	struct rows rows = make_rows(1);
	struct model *m = NULL;
	float near[K], far[K];
	double score;

	(void)state;
	for (size_t k = 0; k < K; k++)
		w[D * K + k] = (real)(2 * k); /* the biases: the same answer for any row */
	assert_int_equal(model_new(&shape, w, &m, &err), OK);
	m->member[0].conditional = true;
	assert_int_equal(model_workspace_new(m, &workspace, &err), OK);
	model_predict(m, &rows, 0, 1, OOD_ENERGY, workspace, near, &score);
	assert_true(fabs(score) < 1e-6);
	m->member[0].conditional = false;
	m->member[0].doubt = BLEND_DOUBT;
	model_predict(m, &rows, 0, 1, OOD_ENERGY, workspace, near, &score);
	assert_true(fabs(score + 4 + log(1 + exp(-2) + exp(-4))) < 1e-5);
	for (size_t k = 0; k < K; k++)
		m->member[0].weights[D * K + k] += (real)65536;
	model_predict(m, &rows, 0, 1, OOD_ENERGY, workspace, far, &score);
	for (size_t k = 0; k < K; k++)
		assert_true(near[k] == far[k]);
	assert_true(fabs(score + 65536 + 4) < 1);
	rows_release(&rows);
	model_workspace_free(workspace);
	model_free(m);
}

/* Its answers are the blend's of what its networks answer alone, and a doubt leaves log p(x) as it is. */
static void
a_model_answers_as_the_blend_of_its_networks(void **state)
{
	struct model *m = make(K, false, 3);
	struct model_workspace *w = NULL;
	struct rows rows = make_rows(20);
	float whole[20 * K], alone[2][20 * K], blended[K];
	const double weight[BLEND_MAX] = {m->member[0].weight, m->member[1].weight};
	double sure[20], doubtful[20];

	(void)state;
	free(m->bias);
	m->bias = NULL;
	m->member[0].doubt = m->member[1].doubt = BLEND_DOUBT;
	assert_int_equal(model_workspace_new(m, &w, &err), OK);
	model_predict(m, &rows, 0, 20, OOD_ENERGY, w, whole, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct model *one = NULL;
		struct model_workspace *own = NULL;

		assert_int_equal(model_new(&m->member[i].shape, m->member[i].weights, &one, &err), OK);
		if (m->member[i].warp)
			assert_int_equal(model_set_warp(one, 0, m->member[i].warp, &err), OK);
		assert_int_equal(model_workspace_new(one, &own, &err), OK);
		model_predict(one, &rows, 0, 20, OOD_ENERGY, own, alone[i], sure);
		one->member[0].doubt = 0.25;
		model_predict(one, &rows, 0, 20, OOD_ENERGY, own, NULL, doubtful);
		for (size_t j = 0; j < 20; j++)
			assert_true(fabs(sure[j] - doubtful[j]) < 1e-4);
		model_workspace_free(own);
		model_free(one);
	}
	for (size_t i = 0; i < 20; i++) {
		const struct blend_data d = {.n = 20, .n_classes = K, .n_members = 2, .p = {alone[0], alone[1]}};

		blend_row(&d, i, weight, blended);
		for (size_t k = 0; k < K; k++)
			assert_true(fabs((double)(whole[i * K + k] - blended[k])) < 1e-5);
	}
	rows_release(&rows);
	model_workspace_free(w);
	model_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_answers_as_the_blend_of_its_networks),
		cmocka_unit_test(a_conditional_network_has_no_energy_and_a_large_one_no_say_in_classes),
		cmocka_unit_test(attributions_are_the_integral_of_the_gradient),
		cmocka_unit_test(attributions_and_the_reference_make_the_score),
		cmocka_unit_test(a_row_is_attributed_alike_alone_and_in_any_company),
		cmocka_unit_test(the_feature_that_is_far_out_gets_the_largest_share),
		cmocka_unit_test(without_a_base_measure_paths_start_from_the_typical_row),
		cmocka_unit_test(nothing_that_is_no_number_comes_out_of_absurd_weights),
	};

	if (kernel_init(&err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
