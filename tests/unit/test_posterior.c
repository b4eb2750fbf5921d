/*
 * posterior, marginal: the estimates of the entropy's gradient without samples. On the linear generator, whose score is
 * known; on curved ones, against long Hamiltonian chains; and beside the importance samples in whose place it is. Built
 * twice.
 */
#include "engine/hmc.h"
#include "engine/kernel.h"
#include "engine/linear_gaussian.h"
#include "engine/marginal.h"
#include "engine/posterior.h"
#include "tests/unit/golden.h"

enum { N = 64, D = 8, Z = 5, ARENA = 1 << 20, SAMPLES = 20, THREADS = 2, MAX = GOLDEN_MAX };

struct estimate {
	struct generator_shape shape;
	struct generator g;
	struct posterior posterior;
	struct hmc hmc;
	real w[MAX], log_eta[Z];
	real *block, *state;
	struct rng rng;
};

static void
estimate_init(struct estimate *t, size_t width, double sigma, bool by_column)
{
	struct arena scratch, state;

	memset(t, 0, sizeof *t);
	t->block = calloc(ARENA, sizeof(real));
	t->state = calloc(Z * Z + 16, sizeof(real));
	assert_true(t->block && t->state);
	scratch = (struct arena){.block = t->block};
	state = (struct arena){.block = t->state};
	t->shape = (struct generator_shape){.noise_dim = Z, .n_out = D, .sigma_by_column = by_column};
	if (width)
		t->shape.hidden = (struct layer_sizes){.n = 2, .size = {width, width}};
	generator_workspace(&t->g, &t->shape, N, SAMPLES, &scratch);
	posterior_layout(&t->posterior, &t->shape, N, &state, &scratch);
	hmc_workspace(&t->hmc, &t->shape, N, &scratch);
	assert_true(scratch.used <= ARENA && state.used <= Z * Z + 16);
	rng_init(&t->rng, 17, 0);
	generator_init(&t->shape, t->w, sigma, &t->rng);
	for (size_t j = 0; by_column && j < D; j++)
		t->w[generator_log_sigma_at(&t->shape) + j] += (real)0.2 * (real)j - (real)0.7;
	posterior_init(&t->posterior);
	for (size_t j = 0; j < Z; j++)
		t->log_eta[j] = (real)log(POSTERIOR_START);
}

static void
estimate_release(struct estimate *t)
{
	free(t->block);
	free(t->state);
}

/* Batches that teach the average of J^T J, the scales of the importance samples as many. */
static void
settle(struct estimate *t, size_t batches)
{
	real moment[Z] = {0}, gradient[Z];

	for (size_t i = 1; i <= batches; i++) {
		generator_draw(&t->g, &t->rng);
		generator_sample(&t->g, t->w, THREADS);
		posterior_score(&t->posterior, &t->g, t->w, i, THREADS);
		if (t->shape.sigma_by_column)
			continue;
		generator_posterior_gradient(&t->g, t->w, t->log_eta, gradient, THREADS);
		kernel_adam(t->log_eta, moment, NULL, gradient, Z, (real)0.02, (real)0.9,
			(real)(1 - pow(0.9, (double)i)), (real)1e-8, 0, 1);
	}
}

/* Squared error of the score, of the squared length of the truth. */
static double
error_of(const struct estimate *t, const double *want)
{
	double error = 0, length = 0;

	for (size_t i = 0; i < N * D; i++) {
		error += pow((double)t->g.score[i] - want[i], 2);
		length += want[i] * want[i];
	}
	return error / length;
}

/* Of a sigma by column what is exact is what a linear generator of noise 1 makes, whose rows are x / sigma. */
static void
check_linear(bool by_column)
{
	enum { BATCHES = 600 };
	static struct estimate t;
	double w[D * Z], mu[D], unit[D], x[D], mean[Z], score[D], want[N * D], bias = 0, length = 0, error;
	struct linear_gaussian *exact;
	struct err e;

	estimate_init(&t, 0, 0.3, by_column);
	for (size_t j = 0; j < D; j++)
		unit[j] = by_column ? exp((double)t.w[generator_log_sigma_at(&t.shape) + j]) : 1;
	for (size_t i = 0; i < D * Z; i++) /* to have a posterior that is neither the prior nor a point */
		t.w[i] *= 2, w[i] = (double)t.w[i] / unit[i / Z];
	for (size_t i = 0; i < D; i++)
		mu[i] = (double)t.w[generator_bias_at(&t.shape) + i] / unit[i];
	assert_int_equal(
		linear_gaussian_new(w, mu, by_column ? 1 : generator_sigma(&t.shape, t.w), D, Z, &exact, &e), OK);
	settle(&t, BATCHES);
	for (size_t i = 0; i < N; i++) {
		for (size_t j = 0; j < D; j++)
			x[j] = (double)t.g.x[i * D + j] / unit[j];
		linear_gaussian_log_density(exact, x, mean, score);
		for (size_t j = 0; j < D; j++) {
			score[j] /= unit[j];
			want[i * D + j] = -score[j];
			bias += -score[j] * ((double)t.g.score[i * D + j] + score[j]);
			length += score[j] * score[j];
		}
	}
	error = error_of(&t, want);
	/* What is left comes of an average over some six thousand rows, and goes both ways. */
	if (!(error < 2e-3 && fabs(bias / length) < 5e-3))
		fail_msg("squared error %g of the score's, bias %g", error, bias / length);
	rng_normal(&t.rng, t.g.eps_importance, SAMPLES * N * Z);
	if (!by_column) /* of which those samples know nothing */
		generator_score(&t.g, t.w, t.log_eta, THREADS);
	if (!by_column && !(error_of(&t, want) > 50 * error))
		fail_msg("squared error %g, that of importance samples %g", error, error_of(&t, want));
	linear_gaussian_free(exact);
	estimate_release(&t);
}

static void
on_a_linear_generator_it_is_exact_but_for_its_average(void **state)
{
	(void)state;
	check_linear(false);
	check_linear(true);
}

static void
on_curved_generators_it_errs_less_than_twenty_samples(void **state)
{
	enum { CHAIN = 1500 };
	static struct estimate t;
	const double sigmas[] = {0.1, 0.3};

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		const struct hmc_settings settings = {.leapfrog_steps = 8, .burn_in = 50, .samples = CHAIN};
		double want[N * D], error;
		real log_step = (real)log(0.05);

		estimate_init(&t, 16, sigmas[k], false);
		for (size_t i = 0; i < generator_log_sigma_at(&t.shape); i++) /* bend it */
			t.w[i] *= 2;
		settle(&t, 400);
		hmc_score(&t.hmc, &t.g, t.w, &log_step, &settings, &t.rng, THREADS);
		for (size_t i = 0; i < N * D; i++)
			want[i] = (double)t.g.score[i];
		posterior_score(&t.posterior, &t.g, t.w, 401, THREADS);
		error = error_of(&t, want);
		rng_normal(&t.rng, t.g.eps_importance, SAMPLES * N * Z);
		generator_score(&t.g, t.w, t.log_eta, THREADS);
		if (!(error < error_of(&t, want)))
			fail_msg("sigma %g: squared error %g, that of importance samples %g", sigmas[k], error,
				error_of(&t, want));
		estimate_release(&t);
	}
}

/* J = 0, so the noise knows nothing of x and the score is that of the noise on top. */
static void
a_generator_that_ignores_its_noise_has_the_score_of_a_gaussian(void **state)
{
	static struct estimate t;
	const real sigma = (real)0.2;

	(void)state;
	estimate_init(&t, 0, (double)sigma, false);
	memset(t.w, 0, D * Z * sizeof *t.w);
	generator_draw(&t.g, &t.rng);
	generator_sample(&t.g, t.w, THREADS);
	posterior_score(&t.posterior, &t.g, t.w, 1, THREADS);
	for (size_t i = 0; i < N * D; i++)
		assert_true(fabs((double)(t.g.score[i] - t.g.eps_x[i] / sigma)) < 100 * GOLDEN_TOLERANCE);
	estimate_release(&t);
}

/* Of row i from the j-th without noise, in column k, in deviations. */
static double
residual(const struct estimate *t, size_t i, size_t j, size_t k)
{
	return (double)(t->g.x[i * D + k] - t->g.sample.g[j * D + k]) / (double)t->g.sigma[k];
}

/* A sample, and what its batch says of it; m lies in what is returned, to be freed. */
static real *
score_by_batch(struct estimate *t, struct marginal *m)
{
	struct arena scratch = {0};

	marginal_layout(m, &t->shape, N, &scratch);
	scratch = (struct arena){.block = aligned_alloc(64, scratch.used * sizeof(real))};
	marginal_layout(m, &t->shape, N, &scratch);
	generator_draw(&t->g, &t->rng);
	generator_sample(&t->g, t->w, THREADS);
	marginal_score(m, &t->g, t->w);
	return scratch.block;
}

/* log q and its gradient, each row's sum over the batch written out. */
static void
check_batch(bool by_column)
{
	static struct estimate t;
	struct marginal m;
	real *block;

	estimate_init(&t, 16, 0.4, by_column);
	block = score_by_batch(&t, &m);
	for (size_t i = 0; i < N; i++) {
		double sum = 0, c[D] = {0};

		for (size_t j = 0; j < N; j++) {
			double square = 0, share;

			for (size_t k = 0; k < D; k++)
				square += pow(residual(&t, i, j, k), 2) + 2 * log((double)t.g.sigma[k]);
			share = exp(-square / 2);
			sum += share;
			for (size_t k = 0; k < D; k++)
				c[k] += share * residual(&t, i, j, k) / (double)t.g.sigma[k];
		}
		assert_true(fabs(m.log_q[i] - log(sum)) < 1e-4);
		for (size_t k = 0; k < D; k++)
			assert_true(fabs((double)t.g.score[i * D + k] - c[k] / sum) < 1e-3);
	}
	free(block);
	estimate_release(&t);
}

static void
the_batch_says_how_likely_its_rows_are_and_which_way_less_so(void **state)
{
	(void)state;
	check_batch(false);
	check_batch(true);
}

/* A mixture of what the generator makes and of data rows under its noise, as it is in the rows: three and one quarter.
 */
static void
check_defended(bool by_column)
{
	enum { N_DATA = N / 4 };
	static struct estimate t;
	struct marginal m;
	real *block;
	static real data[N_DATA * D], x[N * D], eps[N_DATA * D];

	estimate_init(&t, 16, 0.4, by_column);
	block = score_by_batch(&t, &m);
	rng_normal(&t.rng, data, N_DATA * D);
	rng_normal(&t.rng, eps, N_DATA * D);
	memcpy(x + (N - N_DATA) * D, eps, sizeof eps);
	marginal_defend(&m, &t.g, t.w, data, N_DATA, x);
	assert_memory_equal(x, t.g.x, (N - N_DATA) * D * sizeof *x);
	for (size_t i = 0; i < N_DATA * D; i++)
		assert_true(fabs((double)(x[(N - N_DATA) * D + i] - data[i] - t.g.sigma[i % D] * eps[i])) < 1e-6);
	for (size_t i = 0; i < N; i++) {
		double q = 0;

		for (size_t j = 0; j < N + N_DATA; j++) {
			const real *centre = j < N ? t.g.sample.g + j * D : data + (j - N) * D;
			double log_share = log(j < N ? 0.75 / N : 0.25 / N_DATA);

			for (size_t k = 0; k < D; k++) {
				double r = (double)(x[i * D + k] - centre[k]) / (double)t.g.sigma[k];

				log_share -= r * r / 2 + log((double)t.g.sigma[k]);
			}
			q += exp(log_share);
		}
		assert_true(fabs(m.log_q[i] - log(N * q)) < 1e-4); /* but for a constant */
	}
	free(block);
	estimate_release(&t);
}

static void
a_part_of_the_rows_to_weigh_comes_from_the_data(void **state)
{
	(void)state;
	check_defended(false);
	check_defended(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_a_linear_generator_it_is_exact_but_for_its_average),
		cmocka_unit_test(on_curved_generators_it_errs_less_than_twenty_samples),
		cmocka_unit_test(a_generator_that_ignores_its_noise_has_the_score_of_a_gaussian),
		cmocka_unit_test(the_batch_says_how_likely_its_rows_are_and_which_way_less_so),
		cmocka_unit_test(a_part_of_the_rows_to_weigh_comes_from_the_data),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
