/*
 * Every backward pass against central finite differences of its forward pass. Built in both precisions; the double
 * build is the sharp one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/generator.h"
#include "engine/jem.h"
#include "engine/kernel.h"
#include "tests/unit/differences.h"

enum { THREADS = 2, N = 6, N_LABELLED = 5, D = 5, K = 4, Z = 3, MAX = 4096, ARENA = 1 << 18 };

/* ---- The joint energy model --------------------------------------------------------------------------------- */

struct energy {
	struct net_shape shape;
	struct jem jem;
	struct jem_weights weights;
	size_t n_labelled;
	real trained[MAX], plain[MAX], gradient[MAX], x[(2 * N + N_LABELLED) * D];
	int32_t y[N_LABELLED], y_data[N];
	real *block;
};

/* One class: a density alone, without labelled rows. */
static struct energy *
energy_new(size_t n_classes, bool weight_norm, struct jem_weights weights)
{
	struct energy *t = calloc(1, sizeof *t);
	struct layer_sizes hidden = {.n = 3, .size = {9, 8, 7}};
	struct arena arena = {.block = calloc(ARENA, sizeof(real))};
	struct rng rng;

	t->block = arena.block;
	t->shape = net_shape_of(D, &hidden, n_classes, weight_norm);
	t->weights = weights;
	t->n_labelled = n_classes > 1 ? N_LABELLED : 0;
	jem_workspace(&t->jem, &t->shape, N, N, N_LABELLED, &arena);
	rng_init(&rng, 7, 0);
	net_init(&t->shape, t->trained, &rng);
	for (size_t i = 0; i < net_trained_size(&t->shape); i++)
		t->trained[i] *= 2; /* away from the flat start */
	rng_normal(&rng, t->x, (2 * N + N_LABELLED) * D);
	for (size_t i = 0; i < N_LABELLED; i++)
		t->y[i] = (int32_t)(i % K);
	for (size_t i = 0; i < N; i++)
		t->y_data[i] = (int32_t)((i + 1) % K);
	return t;
}

static void
energy_free(struct energy *t)
{
	free(t->block);
	free(t);
}

static double
energy_loss(void *ctx, const real *trained)
{
	struct energy *t = ctx;
	struct jem_terms terms;

	memcpy(jem_input(&t->jem, 0), t->x, sizeof t->x);
	jem_step(&t->jem, net_effective(&t->shape, trained, t->plain), N, N, t->n_labelled, t->y, &t->weights,
		t->gradient, &terms, THREADS);
	if (!t->n_labelled && !t->weights.y_data)
		assert_true(terms.conditional_entropy == 0 && terms.cross_entropy == 0 && terms.accuracy == 0);
	return terms.loss;
}

static void
check_classes(size_t n_classes, bool weight_norm, struct jem_weights weights)
{
	struct energy *t = energy_new(n_classes, weight_norm, weights);
	static real gradient[MAX];

	energy_loss(t, t->trained);
	net_effective_backward(&t->shape, t->trained, t->gradient, gradient);
	check_differences(energy_loss, t, t->trained, gradient, net_trained_size(&t->shape));
	energy_free(t);
}

static void
check_energy(bool weight_norm, struct jem_weights weights)
{
	check_classes(K, weight_norm, weights);
}

static void
the_contrast_has_its_gradient(void **state)
{
	(void)state;
	check_energy(false, (struct jem_weights){.contrast = 1});
}

static void
the_gradient_penalty_has_its_second_derivative(void **state)
{
	(void)state;
	check_energy(false, (struct jem_weights){.gamma = 1});
}

static void
the_conditional_entropy_has_its_gradient(void **state)
{
	(void)state;
	check_energy(false, (struct jem_weights){.beta = 1});
}

static void
the_cross_entropy_has_its_gradient(void **state)
{
	(void)state;
	check_energy(false, (struct jem_weights){.alpha = 1});
}

static void
all_terms_together_have_their_gradient(void **state)
{
	(void)state;
	check_energy(false, (struct jem_weights){.contrast = 1, .gamma = (real)0.3, .beta = (real)0.7, .alpha = 2});
}

static void
weight_norm_passes_every_term_on(void **state)
{
	(void)state;
	check_energy(true, (struct jem_weights){.contrast = 1, .gamma = (real)0.3, .beta = (real)0.7, .alpha = 2});
}

static void
data_rows_whose_classes_are_known_have_their_gradient(void **state)
{
	struct energy *t = energy_new(
		K, false, (struct jem_weights){.contrast = 1, .gamma = (real)0.3, .beta = (real)0.7, .alpha = 2});
	static real gradient[MAX];

	(void)state;
	t->weights.y_data = t->y_data;
	for (size_t n_labelled = 0; n_labelled <= N_LABELLED; n_labelled += N_LABELLED) {
		t->n_labelled = n_labelled;
		energy_loss(t, t->trained);
		net_effective_backward(&t->shape, t->trained, t->gradient, gradient);
		check_differences(energy_loss, t, t->trained, gradient, net_trained_size(&t->shape));
	}
	energy_free(t);
}

static void
data_rows_whose_classes_are_known_teach_what_labelled_rows_do(void **state)
{
	struct energy *t = energy_new(K, false, (struct jem_weights){.alpha = 2});
	struct jem_terms as_labelled, as_data;
	static real gradient[MAX];

	(void)state;
	memcpy(jem_input(&t->jem, 0), t->x, sizeof t->x);
	jem_step(&t->jem, t->trained, 0, 0, N_LABELLED, t->y, &t->weights, gradient, &as_labelled, THREADS);
	t->weights.y_data = t->y;
	jem_step(&t->jem, t->trained, N_LABELLED, 0, 0, NULL, &t->weights, t->gradient, &as_data, THREADS);
	assert_true(as_labelled.cross_entropy > 0 && as_labelled.cross_entropy == as_data.cross_entropy);
	assert_true(as_labelled.accuracy == as_data.accuracy);
	assert_memory_equal(gradient, t->gradient, net_size(&t->shape) * sizeof *gradient);
	energy_free(t);
}

/* Shares of the classes in the place of labels: gradients, and what they make of shares that are labels. */
static void
labelled_rows_may_be_taught_softly(void **state)
{
	struct energy *t = energy_new(
		K, true, (struct jem_weights){.contrast = 1, .gamma = (real)0.3, .beta = (real)0.7, .alpha = 2});
	static real gradient[MAX], target[N_LABELLED * K];
	double loss;

	(void)state;
	for (size_t i = 0; i < N_LABELLED; i++)
		target[i * K + (size_t)t->y[i]] = 1;
	loss = energy_loss(t, t->trained);
	memcpy(gradient, t->gradient, sizeof gradient);
	t->weights.target = target;
	assert_true(fabs(energy_loss(t, t->trained) - loss) < 1e-5);
	for (size_t i = 0; i < net_size(&t->shape); i++)
		assert_true(fabs((double)(gradient[i] - t->gradient[i])) < 1e-5);
	for (size_t i = 0; i < N_LABELLED * K; i++)
		target[i] = (target[i] + (real)(1 + i % K)) / (1 + K * (K + 1) / 2);
	energy_loss(t, t->trained);
	net_effective_backward(&t->shape, t->trained, t->gradient, gradient);
	check_differences(energy_loss, t, t->trained, gradient, net_trained_size(&t->shape));
	energy_free(t);
}

static void
a_density_without_classes_has_its_gradient(void **state)
{
	(void)state;
	check_classes(1, true, (struct jem_weights){.contrast = 1, .gamma = (real)0.3, .beta = (real)0.7, .alpha = 2});
}

static double
sum_log_p(void *ctx, const real *x)
{
	struct energy *t = ctx;
	double sum = 0;

	memcpy(jem_input(&t->jem, 0), x, N * D * sizeof *x);
	jem_input_gradient(&t->jem, t->trained, N, THREADS);
	for (size_t i = 0; i < N; i++)
		sum += (double)t->jem.log_p[i];
	return sum;
}

static void
log_p_has_its_gradient_in_the_input(void **state)
{
	struct energy *t = energy_new(K, false, (struct jem_weights){0});
	real gradient[N * D];

	(void)state;
	memcpy(jem_input(&t->jem, 0), t->x, sizeof t->x);
	memcpy(gradient, jem_input_gradient(&t->jem, t->trained, N, THREADS), sizeof gradient);
	check_differences(sum_log_p, t, t->x, gradient, N * D);
	energy_free(t);
}

/* ---- The generator ------------------------------------------------------------------------------------------ */

struct sampler {
	struct generator_shape shape;
	struct generator g;
	real w[MAX], log_eta[Z], dx[N * D];
	real *block;
};

static struct sampler *
sampler_new(bool sigma_by_column)
{
	struct sampler *t = calloc(1, sizeof *t);
	struct arena arena = {.block = calloc(ARENA, sizeof(real))};
	struct rng rng;

	t->block = arena.block;
	t->shape = (struct generator_shape){
		.noise_dim = Z, .n_out = D, .hidden = {.n = 2, .size = {8, 9}}, .sigma_by_column = sigma_by_column};
	generator_workspace(&t->g, &t->shape, N, 2, &arena);
	rng_init(&rng, 11, 0);
	generator_init(&t->shape, t->w, 0.3, &rng);
	generator_draw(&t->g, &rng);
	rng_normal(&rng, t->dx, N * D);
	for (size_t j = 0; j < Z; j++)
		t->log_eta[j] = (real)(-1.5 + 0.3 * (double)j);
	return t;
}

static void
sampler_free(struct sampler *t)
{
	free(t->block);
	free(t);
}

/* A linear functional of the sample, so that its gradient at x is dx whatever x is. */
static double
projected_sample(void *ctx, const real *w)
{
	struct sampler *t = ctx;

	generator_sample(&t->g, w, THREADS);
	return kernel_dot(t->g.x, t->dx, N * D);
}

static void
the_sample_has_its_gradient_in_every_parameter(void **state)
{
	static real gradient[MAX];

	(void)state;
	for (size_t by_column = 0; by_column < 2; by_column++) {
		struct sampler *t = sampler_new(by_column);

		assert_int_equal(generator_size(&t->shape),
			generator_log_sigma_at(&t->shape) + (by_column ? (size_t)D : (size_t)1));
		generator_sample(&t->g, t->w, THREADS);
		generator_gradient(&t->g, t->w, t->dx, gradient, THREADS);
		check_differences(projected_sample, t, t->w, gradient, generator_size(&t->shape));
		sampler_free(t);
	}
}

/* Minus the ELBO, from its definition: g(h') is had as a sample without noise, by a second workspace. */
static double
minus_elbo(void *ctx, const real *log_eta)
{
	struct sampler *t = ctx, *probe = sampler_new(false);
	double sigma = generator_sigma(&t->shape, t->w), sum = 0;

	for (size_t i = 0; i < N * Z; i++)
		probe->g.sample.h[i] = t->g.sample.h[i] + (real)exp((double)log_eta[i % Z]) * t->g.eps_posterior[i];
	memset(probe->g.eps_x, 0, N * D * sizeof(real));
	generator_sample(&probe->g, t->w, THREADS);
	for (size_t i = 0; i < N * D; i++) {
		double r = (double)t->g.x[i] - (double)probe->g.x[i];

		sum += r * r / (2 * sigma * sigma) / N;
	}
	sum += kernel_dot(probe->g.sample.h, probe->g.sample.h, N * Z) / 2 / N;
	for (size_t j = 0; j < Z; j++)
		sum -= (double)log_eta[j];
	sampler_free(probe);
	return sum;
}

static void
the_posterior_has_the_gradient_of_its_elbo(void **state)
{
	struct sampler *t = sampler_new(false);
	real gradient[Z];

	(void)state;
	generator_sample(&t->g, t->w, THREADS);
	generator_posterior_gradient(&t->g, t->w, t->log_eta, gradient, THREADS);
	check_differences(minus_elbo, t, t->log_eta, gradient, Z);
	sampler_free(t);
}

/* Rows of a generator that begins at the data have its means, and its deviations but for what g adds. */
static void
a_generator_begins_at_the_rows_it_is_told_of(void **state)
{
	enum { ROWS = 4000 };
	const struct generator_shape s = {
		.noise_dim = Z, .n_out = D, .hidden = {.n = 2, .size = {8, 9}}, .sigma_by_column = true};
	const double mean[D] = {-3, -1, 0, 0.5, 20}, sd[D] = {0.02, 0.1, 0.5, 1, 3};
	struct generator g;
	struct arena arena = {0};
	struct rng rng;
	real w[MAX];

	(void)state;
	generator_workspace(&g, &s, ROWS, 0, &arena);
	arena = (struct arena){.block = calloc(arena.used, sizeof(real))};
	generator_workspace(&g, &s, ROWS, 0, &arena);
	rng_init(&rng, 3, 0);
	generator_init(&s, w, 0.1, &rng);
	generator_begin_at(&s, w, mean, sd);
	generator_draw(&g, &rng);
	generator_sample(&g, w, THREADS);
	for (size_t j = 0; j < D; j++) {
		double sum = 0, square = 0, deviation;

		for (size_t i = 0; i < ROWS; i++) {
			sum += (double)g.x[i * D + j] / ROWS;
			square += pow((double)g.x[i * D + j] - mean[j], 2) / ROWS;
		}
		deviation = sqrt(square - pow(sum - mean[j], 2)) / sd[j];
		assert_true(fabs(sum - mean[j]) < 0.1 * sd[j] && deviation > 0.95 && deviation < 1.3);
	}
	free(arena.block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contrast_has_its_gradient),
		cmocka_unit_test(the_gradient_penalty_has_its_second_derivative),
		cmocka_unit_test(the_conditional_entropy_has_its_gradient),
		cmocka_unit_test(the_cross_entropy_has_its_gradient),
		cmocka_unit_test(all_terms_together_have_their_gradient),
		cmocka_unit_test(weight_norm_passes_every_term_on),
		cmocka_unit_test(data_rows_whose_classes_are_known_have_their_gradient),
		cmocka_unit_test(data_rows_whose_classes_are_known_teach_what_labelled_rows_do),
		cmocka_unit_test(labelled_rows_may_be_taught_softly),
		cmocka_unit_test(a_density_without_classes_has_its_gradient),
		cmocka_unit_test(log_p_has_its_gradient_in_the_input),
		cmocka_unit_test(the_sample_has_its_gradient_in_every_parameter),
		cmocka_unit_test(the_posterior_has_the_gradient_of_its_elbo),
		cmocka_unit_test(a_generator_begins_at_the_rows_it_is_told_of),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
