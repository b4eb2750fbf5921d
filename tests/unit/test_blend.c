/* blend and label_shift: what labels unseen, and rows without any, say about classifiers that are given. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/blend.h"
#include "engine/label_shift.h"
#include "engine/rng.h"

enum { N = 4000, K = 3 };

static struct err err;

/* Rows of known class probabilities, and classes drawn from them: the best classifier there is. */
static float truth[N * K];
static int32_t label[N];
static uint32_t fold[N];

static void
soften(const float *p, double power, float *out)
{
	for (size_t i = 0; i < N; i++) {
		double sum = 0;

		for (size_t k = 0; k < K; k++)
			sum += pow((double)p[i * K + k], power);
		for (size_t k = 0; k < K; k++)
			out[i * K + k] = (float)(pow((double)p[i * K + k], power) / sum);
	}
}

/* Classes drawn with these odds, each with evidence of its own that is sometimes weak. */
static void
draw(const double share[K], uint64_t seed)
{
	struct rng rng;
	real u[3];

	rng_init(&rng, seed, 0);
	for (size_t i = 0; i < N; i++) {
		double sum = 0, at;
		real evidence[4];

		rng_uniform(&rng, u, 2);
		rng_normal(&rng, evidence, K);
		label[i] = 0;
		for (at = share[0]; label[i] < K - 1 && (double)u[0] > at; at += share[label[i]])
			label[i]++;
		/* x ~ N(e_y, I): p(k | x) under equal shares is softmax of x */
		evidence[label[i]] += 1;
		for (size_t k = 0; k < K; k++)
			sum += exp((double)evidence[k]);
		for (size_t k = 0; k < K; k++)
			truth[i * K + k] = (float)(exp((double)evidence[k]) / sum);
		fold[i] = (uint32_t)(i % 4);
	}
}

static const double equal[K] = {1.0 / K, 1.0 / K, 1.0 / K};

static void
a_classifier_too_sure_of_itself_is_cooled(void **state)
{
	static float sure[N * K];
	const struct blend_data d = {.n = N, .n_classes = K, .n_members = 1, .p = {sure}, .y = label};
	const double prior[BLEND_MAX] = {1};
	double w[BLEND_MAX];

	(void)state;
	draw(equal, 1);
	soften(truth, 4, sure);
	assert_int_equal(blend_fit(&d, NULL, 0, prior, w, &err), OK);
	assert_true(w[0] > 0.23 && w[0] < 0.33); /* 0.25 without a doubt about what they say in earnest */
}

static void
a_certain_answer_does_not_outvote_a_trusted_one(void **state)
{
	static const float doubtful[K] = {0.2F, 0.7F, 0.1F}, certain[K] = {1, 0, 0};
	const struct blend_data d = {.n = 1, .n_classes = K, .n_members = 2, .p = {doubtful, certain}, .y = label};
	const double w[BLEND_MAX] = {0.6, 0.05};
	float out[K];

	(void)state;
	blend_row(&d, 0, w, out);
	assert_true(out[1] > out[0] && out[0] > out[2]);
}

static void
a_member_that_knows_nothing_loses_its_weight(void **state)
{
	static float noise[N * K];
	const struct blend_data d = {.n = N, .n_classes = K, .n_members = 2, .p = {truth, noise}, .y = label};
	const double prior[BLEND_MAX] = {0.4, 0.4};
	double w[BLEND_MAX];

	(void)state;
	draw(equal, 2);
	for (size_t i = 0; i < N * K; i++)
		noise[i] = truth[(i + K) % (N * K)]; /* the next row's answer */
	assert_int_equal(blend_fit(&d, NULL, 0, prior, w, &err), OK);
	assert_true(w[0] > 0.85 && w[1] < 0.1);
}

static void
a_weight_held_faster_stays_closer_to_its_prior(void **state)
{
	static float noise[N * K];
	struct blend_data d = {.n = N, .n_classes = K, .n_members = 2, .p = {truth, noise}, .y = label};
	const double prior[BLEND_MAX] = {0.4, 0.4}, precision[4] = {0, 1, 4, 1e6};
	double w[4][BLEND_MAX];

	(void)state;
	draw(equal, 2);
	for (size_t i = 0; i < N * K; i++)
		noise[i] = truth[(i + K) % (N * K)];
	for (size_t i = 0; i < 4; i++) {
		d.precision[1] = precision[i];
		assert_int_equal(blend_fit(&d, NULL, 0, prior, w[i], &err), OK);
	}
	assert_memory_equal(w[0], w[1], 2 * sizeof *w[0]); /* 1 where it is not said */
	assert_true(w[2][1] > w[1][1] && w[3][1] > w[2][1] && fabs(w[3][1] - prior[1]) < 1e-2);
}

/* Two know the truth, one nothing: the weights of the two make up one, the third is near nothing. */
static void
of_three_members_two_are_believed(void **state)
{
	static float noise[N * K];
	const struct blend_data d = {.n = N, .n_classes = K, .n_members = 3, .p = {truth, noise, truth}, .y = label};
	const double prior[BLEND_MAX] = {0.2, 0.4, 0.2};
	double w[BLEND_MAX];

	(void)state;
	draw(equal, 4);
	for (size_t i = 0; i < N * K; i++)
		noise[i] = truth[(i + K) % (N * K)];
	assert_int_equal(blend_fit(&d, NULL, 0, prior, w, &err), OK);
	assert_true(fabs(w[0] - w[2]) < 1e-6 && fabs(w[0] + w[2] - 1) < 0.1 && w[1] < 0.1);
}

static void
without_labels_the_prior_stands(void **state)
{
	const struct blend_data d = {.n = 0, .n_classes = K, .n_members = 2, .p = {truth, truth}, .y = label};
	const double prior[BLEND_MAX] = {0.1, 0.4};
	double w[BLEND_MAX];

	(void)state;
	assert_int_equal(blend_fit(&d, NULL, 0, prior, w, &err), OK);
	assert_true(fabs(w[0] - 0.1) < 1e-12 && fabs(w[1] - 0.4) < 1e-12);
}

static void
weights_for_a_fold_do_not_see_it(void **state)
{
	static float sure[N * K];
	struct blend_data d = {.n = N, .n_classes = K, .n_members = 1, .p = {sure}, .y = label};
	const double prior[BLEND_MAX] = {1};
	double before[BLEND_MAX], after[BLEND_MAX], all[BLEND_MAX];

	(void)state;
	draw(equal, 3);
	soften(truth, 2, sure);
	assert_int_equal(blend_fit(&d, fold, 2, prior, before, &err), OK);
	for (size_t i = 0; i < N; i++)
		if (fold[i] == 1)
			label[i] = (label[i] + 1) % K;
	assert_int_equal(blend_fit(&d, fold, 2, prior, after, &err), OK);
	assert_int_equal(blend_fit(&d, NULL, 0, prior, all, &err), OK);
	assert_true(before[0] == after[0]);
	assert_true(all[0] != after[0]);
}

static void
probabilities_of_zero_are_survived(void **state)
{
	static const float certain[2 * K] = {1, 0, 0, 0, 1, 0};
	static const int32_t wrong[2] = {1, 0};
	const struct blend_data d = {.n = 2, .n_classes = K, .n_members = 1, .p = {certain}, .y = wrong};
	const double prior[BLEND_MAX] = {1};
	double w[BLEND_MAX], sum = 0;
	float out[K];

	(void)state;
	assert_int_equal(blend_fit(&d, NULL, 0, prior, w, &err), OK);
	assert_true(w[0] > 0 && w[0] < 0.2);
	blend_row(&d, 0, w, out);
	for (size_t k = 0; k < K; k++) {
		assert_true(isfinite(out[k]) && out[k] > 0);
		sum += (double)out[k];
	}
	assert_true(fabs(sum - 1) < 1e-6);
}

static void
shares_are_found_in_rows_without_labels(void **state)
{
	static const double shares[][K] = {{0.8, 0.1, 0.1}, {0.1, 0.3, 0.6}, {1.0 / 3, 1.0 / 3, 1.0 / 3}};
	double found[K];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		draw(shares[i], 4 + i);
		assert_int_equal(label_shift_estimate(truth, N, K, equal, 0, found, &err), OK);
		for (size_t k = 0; k < K; k++)
			assert_true(fabs(found[k] - shares[i][k]) < 0.05);
	}
}

static void
a_pull_keeps_shares_nearer_to_the_labels(void **state)
{
	static const double share[K] = {0.8, 0.1, 0.1};
	double free_of_it[K], pulled[K], sum = 0;

	(void)state;
	draw(share, 9);
	assert_int_equal(label_shift_estimate(truth, N, K, equal, 0, free_of_it, &err), OK);
	assert_int_equal(label_shift_estimate(truth, N, K, equal, 1, pulled, &err), OK);
	assert_true(pulled[0] < free_of_it[0] && pulled[0] > equal[0]);
	for (size_t k = 0; k < K; k++)
		sum += pulled[k];
	assert_true(fabs(sum - 1) < 1e-9);
	assert_int_equal(label_shift_estimate(truth, 0, K, share, 1, pulled, &err), OK);
	assert_true(pulled[0] == share[0]);
}

/* By hand: the classes' means are 0.8 and 0.3, the variance of the mean 0.005 in both columns. */
static void
evidence_is_what_is_more_than_chance(void **state)
{
	static const float held_back[] = {0.9f, 0.1f, 0.7f, 0.3f, 0.2f, 0.8f, 0.4f, 0.6f};
	static const int32_t y[] = {0, 0, 1, 1};
	static const double half[] = {0.5, 0.5};
	const double means[] = {0.85, 0.55, 0.65}, expected[] = {1 - 2 * 0.02 / 0.36, 0, 1 - 2 * 0.02 / 0.04};
	float p[2];
	struct label_shift_check check = {
		.held_back = held_back, .y = y, .n_held_back = 4, .p = p, .n = 1, .n_classes = 2};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		double evidence;

		p[0] = (float)means[i];
		p[1] = 1 - p[0];
		assert_int_equal(label_shift_evidence(&check, half, &evidence, &err), OK);
		assert_true(fabs(evidence - expected[i]) < 1e-4);
	}
}

static void
few_labels_are_evidence_of_large_shifts_alone(void **state)
{
	static const double far[K] = {0.85, 0.1, 0.05};
	enum { FEW = 30, TRIALS = 40 };
	static float held_back[FEW * K];
	int32_t y[FEW];
	size_t n_none = 0;
	double mean_large = 0;

	(void)state;
	for (uint64_t i = 0; i < TRIALS; i++) {
		struct label_shift_check check = {
			.held_back = held_back, .y = y, .n_held_back = FEW, .p = truth, .n = N, .n_classes = K};
		double labelled[K] = {0}, none, large;

		draw(equal, 100 + i);
		memcpy(held_back, truth, sizeof held_back);
		memcpy(y, label, sizeof y);
		for (size_t l = 0; l < FEW; l++)
			labelled[y[l]] += 1.0 / FEW;
		draw(labelled, 200 + i);
		assert_int_equal(label_shift_evidence(&check, labelled, &none, &err), OK);
		draw(far, 300 + i);
		assert_int_equal(label_shift_evidence(&check, labelled, &large, &err), OK);
		assert_true(none >= 0 && none < 1 && large >= 0 && large < 1);
		n_none += none == 0;
		mean_large += large / TRIALS;
	}
	assert_true(n_none >= TRIALS * 4 / 5 && mean_large > 0.6);
}

static void
a_class_of_one_row_counts_as_doubtful(void **state)
{
	static const float held_back[] = {0.9f, 0.1f, 0.2f, 0.8f};
	static const int32_t y[] = {0, 1};
	static const double half[] = {0.5, 0.5};
	float p[] = {0.6f, 0.4f};
	const struct label_shift_check check = {
		.held_back = held_back, .y = y, .n_held_back = 2, .p = p, .n = 1, .n_classes = 2};
	double evidence;

	(void)state;
	assert_int_equal(label_shift_evidence(&check, half, &evidence, &err), OK);
	assert_true(evidence == 0);
}

static void
a_tempered_shift_lies_between_both_shares(void **state)
{
	static const double labelled[K] = {0.5, 0.3, 0.2}, estimate[K] = {0.1, 0.1, 0.8};

	(void)state;
	for (int i = 0; i <= 4; i++) {
		double share[K], sum = 0;

		memcpy(share, estimate, sizeof share);
		label_shift_temper(labelled, i / 4.0, share, K);
		for (size_t k = 0; k < K; k++) {
			sum += share[k];
			assert_true(i != 0 || fabs(share[k] - labelled[k]) < 1e-12);
			assert_true(i != 4 || fabs(share[k] - estimate[k]) < 1e-12);
		}
		assert_true(fabs(sum - 1) < 1e-12);
		assert_true(i % 4 == 0 || (share[2] > labelled[2] && share[2] < estimate[2]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_classifier_too_sure_of_itself_is_cooled),
		cmocka_unit_test(a_certain_answer_does_not_outvote_a_trusted_one),
		cmocka_unit_test(a_member_that_knows_nothing_loses_its_weight),
		cmocka_unit_test(a_weight_held_faster_stays_closer_to_its_prior),
		cmocka_unit_test(of_three_members_two_are_believed),
		cmocka_unit_test(without_labels_the_prior_stands),
		cmocka_unit_test(weights_for_a_fold_do_not_see_it),
		cmocka_unit_test(probabilities_of_zero_are_survived),
		cmocka_unit_test(shares_are_found_in_rows_without_labels),
		cmocka_unit_test(a_pull_keeps_shares_nearer_to_the_labels),
		cmocka_unit_test(evidence_is_what_is_more_than_chance),
		cmocka_unit_test(few_labels_are_evidence_of_large_shifts_alone),
		cmocka_unit_test(a_class_of_one_row_counts_as_doubtful),
		cmocka_unit_test(a_tempered_shift_lies_between_both_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
