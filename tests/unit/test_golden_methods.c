/*
 * What the methods beside VERA are made of: the virtual adversarial loss, the Langevin chain, the Hamiltonian
 * estimator, the discriminator. Against the golden numbers where there are some, against exact answers or finite
 * differences where not. Built in both precisions.
 */
#include "engine/discriminator.h"
#include "engine/hmc.h"
#include "engine/jem.h"
#include "engine/kernel.h"
#include "engine/sgld.h"
#include "engine/vat.h"
#include "tests/unit/differences.h"
#include "tests/unit/golden.h"

enum { THREADS = 2, N = 6, D = 5, K = 3, Z = 3, MAX = 4096, ARENA = 1 << 16 };

static real *
block_new(struct arena *arena)
{
	*arena = (struct arena){.block = calloc(ARENA, sizeof(real))};
	assert_non_null(arena->block);
	return arena->block;
}

/* The network of vat.json and sgld.json. */
static struct net_shape
golden_net(const cJSON *golden, real *w)
{
	struct layer_sizes hidden = {.n = 2, .size = {8, 7}};
	struct net_shape s = net_shape_of(D, &hidden, K, false);
	char path[64];

	for (size_t l = 0; l < s.n_layers; l++) {
		snprintf(path, sizeof path, "params/%zu.weight", 2 * l);
		read_reals(golden, path, w + net_weights_at(&s, l));
		snprintf(path, sizeof path, "params/%zu.bias", 2 * l);
		read_reals(golden, path, w + net_biases_at(&s, l));
	}
	return s;
}

/* ---- Virtual adversarial loss ------------------------------------------------------------------------------- */

struct smooth {
	cJSON *golden;
	struct vat vat;
	struct jem jem;
	struct vat_settings settings;
	real w[MAX], gradient[MAX];
	real *block;
};

/* Leaves the clean rows in t->jem and the perturbation in t->vat.r. */
static void
smooth_init(struct smooth *t)
{
	const struct jem_weights nothing = {0};
	struct jem_terms terms;
	struct net_shape s;
	struct arena arena;
	real u[N * D];

	memset(t, 0, sizeof *t);
	t->golden = load("vat.json");
	t->block = block_new(&arena);
	s = golden_net(t->golden, t->w);
	vat_workspace(&t->vat, &s, N, &arena);
	jem_workspace(&t->jem, &s, N, 0, 0, &arena);
	t->settings = (struct vat_settings){.xi = (real)read_number(t->golden, "xi"),
		.epsilon = (real)read_number(t->golden, "eps"),
		.iterations = 1,
		.weight = 1};
	assert_int_equal(read_reals(t->golden, "x", jem_input(&t->jem, 0)), N * D);
	jem_step(&t->jem, t->w, N, 0, 0, NULL, &nothing, t->gradient, &terms, THREADS);
	read_reals(t->golden, "u", u);
	vat_perturb(&t->vat, t->w, &t->jem, N, u, &t->settings, THREADS);
	memset(t->gradient, 0, sizeof t->gradient);
}

static void
smooth_release(struct smooth *t)
{
	cJSON_Delete(t->golden);
	free(t->block);
}

static void
the_virtual_adversarial_loss_and_its_gradients_agree(void **state)
{
	static struct smooth t;
	double loss;
	char path[64];

	(void)state;
	smooth_init(&t);
	loss = vat_loss(&t.vat, t.w, &t.jem, N, &t.settings, t.gradient, THREADS);
	compare_number(loss, t.golden, "loss");
	for (size_t l = 0; l < t.vat.shape.n_layers; l++) {
		snprintf(path, sizeof path, "grads/%zu.weight", 2 * l);
		compare(t.gradient + net_weights_at(&t.vat.shape, l), t.golden, path);
		snprintf(path, sizeof path, "grads/%zu.bias", 2 * l);
		compare(t.gradient + net_biases_at(&t.vat.shape, l), t.golden, path);
	}
	smooth_release(&t);
}

static double
loss_of_weights(void *ctx, const real *w)
{
	static real scratch[MAX];
	struct smooth *t = ctx;

	return (double)t->settings.weight * vat_loss(&t->vat, w, &t->jem, N, &t->settings, scratch, THREADS);
}

static void
the_virtual_adversarial_loss_adds_its_weighted_gradient(void **state)
{
	static struct smooth t;
	static real before[MAX], gradient[MAX];
	size_t n;

	(void)state;
	smooth_init(&t);
	n = net_size(&t.vat.shape);
	t.settings.weight = (real)0.7;
	for (size_t i = 0; i < n; i++)
		t.gradient[i] = before[i] = (real)i / (real)n;
	vat_loss(&t.vat, t.w, &t.jem, N, &t.settings, t.gradient, THREADS);
	for (size_t i = 0; i < n; i++)
		gradient[i] = t.gradient[i] - before[i];
	check_differences(loss_of_weights, &t, t.w, gradient, n);
	smooth_release(&t);
}

static void
a_flat_network_is_perturbed_nowhere(void **state)
{
	static struct smooth t;
	const struct jem_weights nothing = {0};
	struct jem_terms terms;
	real u[N * D];

	(void)state;
	smooth_init(&t);
	memset(t.w, 0, sizeof t.w);
	jem_step(&t.jem, t.w, N, 0, 0, NULL, &nothing, t.gradient, &terms, THREADS);
	for (size_t i = 0; i < N * D; i++)
		u[i] = (real)0.25;
	vat_perturb(&t.vat, t.w, &t.jem, N, u, &t.settings, THREADS);
	for (size_t i = 0; i < N * D; i++)
		assert_true(t.vat.r[i] == 0);
	assert_true(vat_loss(&t.vat, t.w, &t.jem, N, &t.settings, t.gradient, THREADS) == 0);
	smooth_release(&t);
}

/* ---- Langevin chain, replay buffer -------------------------------------------------------------------------- */

static void
the_langevin_chain_agrees(void **state)
{
	enum { STEPS = 5 };
	cJSON *golden = load("sgld.json");
	static real w[MAX], noise[STEPS * N * D], chain[STEPS * N * D];
	struct arena arena;
	real *block = block_new(&arena);
	struct net_shape s = golden_net(golden, w);
	struct jem jem;

	(void)state;
	jem_workspace(&jem, &s, N, 0, 0, &arena);
	assert_int_equal(read_reals(golden, "x0", jem_input(&jem, 0)), N * D);
	assert_int_equal(read_reals(golden, "noise", noise), STEPS * N * D);
	for (size_t k = 0; k < STEPS; k++) {
		const real *slope = jem_input_gradient(&jem, w, N, THREADS);

		sgld_step(jem_input(&jem, 0), slope, N * D, (real)read_number(golden, "step"),
			(real)read_number(golden, "noise_std"), noise + k * N * D);
		memcpy(chain + k * N * D, jem_input(&jem, 0), N * D * sizeof(real));
	}
	compare(chain, golden, "chain");
	free(block);
	cJSON_Delete(golden);
}

static void
the_replay_buffer_keeps_chains_and_begins_new_ones_in_its_box(void **state)
{
	enum { ROWS = 40, DRAWN = 16 };
	struct arena arena;
	real *block = block_new(&arena), x[DRAWN * 2], coin[DRAWN];
	uint32_t place[DRAWN];
	struct replay r;
	struct rng rng;
	size_t n_new = 0;

	(void)state;
	replay_layout(&r, ROWS, 2, &arena);
	r.low[0] = -1, r.high[0] = 1, r.low[1] = 3, r.high[1] = 5;
	rng_init(&rng, 3, 0);
	replay_fill(&r, &rng);
	for (size_t i = 0; i < ROWS; i++) {
		assert_true(fabs((double)r.row[2 * i]) < 1 && fabs((double)r.row[2 * i + 1] - 4) < 1);
		r.row[2 * i] = 100 + (real)i; /* where no new chain begins */
	}
	replay_draw(&r, x, place, coin, DRAWN, 0, &rng);
	for (size_t i = 0; i < DRAWN; i++) {
		assert_true(place[i] < ROWS && x[2 * i] == 100 + (real)place[i]);
		x[2 * i] += 1000;
	}
	replay_put(&r, x, place, DRAWN);
	for (size_t i = 0; i < DRAWN; i++)
		assert_true(r.row[2 * place[i]] == 1100 + (real)place[i]);
	replay_draw(&r, x, place, coin, DRAWN, 1, &rng);
	for (size_t i = 0; i < DRAWN; i++)
		assert_true(fabs((double)x[2 * i]) < 1);
	for (size_t k = 0; k < 100; k++) {
		replay_draw(&r, x, place, coin, DRAWN, 0.25, &rng);
		for (size_t i = 0; i < DRAWN; i++)
			n_new += x[2 * i] < 2;
	}
	assert_in_range(n_new, 320, 480); /* 400 expected, 17 their standard deviation */
	free(block);
}

/* ---- Hamiltonian Monte Carlo -------------------------------------------------------------------------------- */

struct posterior {
	struct generator_shape shape;
	struct generator g;
	struct hmc hmc;
	real w[MAX];
	real *block;
	struct rng rng;
};

static void
posterior_init(struct posterior *t)
{
	struct arena arena;

	memset(t, 0, sizeof *t);
	t->block = block_new(&arena);
	t->shape = (struct generator_shape){.noise_dim = Z, .n_out = D, .hidden = {.n = 2, .size = {8, 9}}};
	generator_workspace(&t->g, &t->shape, N, 0, &arena);
	hmc_workspace(&t->hmc, &t->shape, N, &arena);
	rng_init(&t->rng, 11, 0);
	generator_init(&t->shape, t->w, 0.3, &t->rng);
	for (size_t l = 0; l < 2; l++) /* scales and shifts that a wrong fold would get wrong */
		for (size_t i = 0; i < t->shape.hidden.size[l]; i++) {
			t->w[generator_scale_at(&t->shape, l) + i] = (real)(0.8 + 0.1 * (double)i);
			t->w[generator_shift_at(&t->shape, l) + i] = (real)(0.2 - 0.1 * (double)i);
		}
	generator_draw(&t->g, &t->rng);
	generator_sample(&t->g, t->w, THREADS);
	hmc_begin(&t->hmc, &t->g, t->w, THREADS);
}

static void
a_folded_generator_makes_the_same_rows(void **state)
{
	static struct posterior t;

	(void)state;
	posterior_init(&t);
	for (size_t i = 0; i < N * D; i++)
		assert_true(fabs((double)(t.hmc.now.g[i] - t.g.sample.g[i])) < GOLDEN_TOLERANCE);
	free(t.block);
}

static double
log_joint_of_noise(void *ctx, const real *h)
{
	struct posterior *t = ctx;
	double sum = 0;

	memcpy(t->hmc.next.h, h, N * Z * sizeof *h);
	hmc_evaluate(&t->hmc, &t->hmc.next, THREADS);
	for (size_t i = 0; i < N; i++) {
		double distance2 = 0, length2 = 0, sigma = generator_sigma(&t->shape, t->w);

		for (size_t j = 0; j < D; j++)
			distance2 += pow((double)t->g.x[i * D + j] - (double)t->hmc.next.g[i * D + j], 2);
		for (size_t j = 0; j < Z; j++)
			length2 += pow((double)h[i * Z + j], 2);
		sum += -distance2 / (2 * sigma * sigma) - length2 / 2;
		assert_true(fabs((double)t->hmc.next.log_joint[i] + distance2 / (2 * sigma * sigma) + length2 / 2) <
			    100 * GOLDEN_TOLERANCE);
	}
	return sum;
}

static void
the_joint_density_has_its_gradient_in_the_noise(void **state)
{
	static struct posterior t;
	real h[N * Z], gradient[N * Z];

	(void)state;
	posterior_init(&t);
	rng_normal(&t.rng, h, N * Z);
	memcpy(t.hmc.next.h, h, sizeof h);
	hmc_evaluate(&t.hmc, &t.hmc.next, THREADS);
	memcpy(gradient, t.hmc.next.gradient, sizeof gradient);
	check_differences(log_joint_of_noise, &t, h, gradient, N * Z);
	free(t.block);
}

static void
the_step_size_settles_at_the_acceptance_wanted(void **state)
{
	const struct hmc_settings settings = {.leapfrog_steps = 5, .burn_in = 2, .samples = 2};
	static struct posterior t;
	const double start[] = {1e-3, 3};

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		real log_step = (real)log(start[k]);
		double accepted = 0;

		posterior_init(&t);
		for (size_t i = 0; i < 400; i++) {
			double rate = hmc_score(&t.hmc, &t.g, t.w, &log_step, &settings, &t.rng, THREADS);

			accepted += i >= 200 ? rate / 200 : 0;
		}
		if (!(fabs(accepted - HMC_TARGET) < 0.05))
			fail_msg("from a step of %g, %.3f are accepted", start[k], accepted);
		free(t.block);
	}
}

/* On the linear generator, whose posterior is Gaussian: the estimate is unbiased, so its mean over many independent
 * batches must be the exact score but for its own standard error. */
static void
the_hamiltonian_estimate_converges_to_the_exact_score(void **state)
{
	enum { ROUNDS = 400 };
	const struct hmc_settings settings = {.leapfrog_steps = 5, .burn_in = 10, .samples = 10};
	struct generator_shape s = {.noise_dim = Z, .n_out = D};
	cJSON *golden = load("linear_gaussian.json");
	struct arena arena;
	real *block = block_new(&arena), w[64] = {0}, weights[D * Z], log_step = (real)log(0.1);
	double want[N * D], sum[N * D] = {0}, sum2[N * D] = {0}, top = 0;
	struct generator g;
	struct hmc hmc;
	struct rng rng;

	(void)state;
	generator_workspace(&g, &s, N, 0, &arena);
	hmc_workspace(&hmc, &s, N, &arena);
	read_reals(golden, "W", weights);
	memcpy(w + generator_weights_at(&s, 0), weights, sizeof weights);
	read_reals(golden, "mu", w + generator_bias_at(&s));
	w[generator_log_sigma_at(&s)] = (real)log(read_number(golden, "sigma"));
	read_reals(golden, "posterior_mean", g.sample.h); /* any start will do behind a burn-in */
	read_reals(golden, "x", g.x);
	assert_int_equal(flatten(at(golden, "score"), want, 0), N * D);
	rng_init(&rng, 5, 0);
	for (size_t r = 0; r < ROUNDS; r++) {
		hmc_score(&hmc, &g, w, &log_step, &settings, &rng, THREADS);
		for (size_t i = 0; i < N * D; i++) {
			sum[i] += (double)g.score[i];
			sum2[i] += (double)g.score[i] * (double)g.score[i];
		}
	}
	for (size_t i = 0; i < N * D; i++)
		top = fmax(top, fabs(want[i]));
	for (size_t i = 0; i < N * D; i++) {
		double mean = sum[i] / ROUNDS, error = sqrt((sum2[i] / ROUNDS - mean * mean) / ROUNDS);

		if (!(error < 0.05 * top && fabs(mean + want[i]) <= 5 * error))
			fail_msg("score[%zu]: %g +- %g, should be %g", i, mean, error, -want[i]);
	}
	free(block);
	cJSON_Delete(golden);
}

/* ---- The discriminator -------------------------------------------------------------------------------------- */

struct teller {
	struct discriminator discriminator;
	real w[MAX], gradient[MAX], x[N * D], h[N * Z], score[N * D];
	real *block;
};

static void
teller_init(struct teller *t)
{
	struct layer_sizes hidden = {.n = 2, .size = {9, 8}};
	struct arena arena;
	struct rng rng;

	memset(t, 0, sizeof *t);
	t->block = block_new(&arena);
	discriminator_workspace(&t->discriminator, N, D, Z, &hidden, &arena);
	rng_init(&rng, 13, 0);
	net_init(&t->discriminator.shape, t->w, &rng);
	for (size_t i = 0; i < net_size(&t->discriminator.shape); i++)
		t->w[i] *= 3; /* away from the flat start */
	rng_normal(&rng, t->x, N * D);
	rng_normal(&rng, t->h, N * Z);
}

/* The bound from its definition, each answer had on its own. */
static double
bound_of(struct teller *t, const real *w, const real *x)
{
	const struct net_shape *s = &t->discriminator.shape;
	double bound = 0;

	for (size_t i = 0; i < N; i++)
		for (size_t broken = 0; broken < 2; broken++) {
			real *in = t->discriminator.a[0];
			double answer;

			memcpy(in, x + i * D, D * sizeof *x);
			memcpy(in + D, t->h + (i + broken) % N * Z, Z * sizeof *x);
			net_forward(s, w, t->discriminator.a, 0, 1, THREADS);
			answer = (double)t->discriminator.a[s->n_layers][0];
			bound -= log1p(exp(broken ? answer : -answer)) / N;
		}
	return bound;
}

static double
minus_bound_of_weights(void *ctx, const real *w)
{
	struct teller *t = ctx;

	return -bound_of(t, w, t->x);
}

static double
bound_of_rows(void *ctx, const real *x)
{
	struct teller *t = ctx;

	return N * bound_of(t, t->w, x);
}

static void
the_information_bound_has_its_gradients_in_weights_and_rows(void **state)
{
	static struct teller t;
	double bound;

	(void)state;
	teller_init(&t);
	bound = discriminator_bound(&t.discriminator, t.w, t.x, t.h, t.gradient, t.score, THREADS);
	assert_true(fabs(bound - bound_of(&t, t.w, t.x)) < GOLDEN_TOLERANCE);
	check_differences(minus_bound_of_weights, &t, t.w, t.gradient, net_size(&t.discriminator.shape));
	check_differences(bound_of_rows, &t, t.x, t.score, N * D);
	free(t.block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_virtual_adversarial_loss_and_its_gradients_agree),
		cmocka_unit_test(the_virtual_adversarial_loss_adds_its_weighted_gradient),
		cmocka_unit_test(a_flat_network_is_perturbed_nowhere),
		cmocka_unit_test(the_langevin_chain_agrees),
		cmocka_unit_test(the_replay_buffer_keeps_chains_and_begins_new_ones_in_its_box),
		cmocka_unit_test(a_folded_generator_makes_the_same_rows),
		cmocka_unit_test(the_joint_density_has_its_gradient_in_the_noise),
		cmocka_unit_test(the_step_size_settles_at_the_acceptance_wanted),
		cmocka_unit_test(the_hamiltonian_estimate_converges_to_the_exact_score),
		cmocka_unit_test(the_information_bound_has_its_gradients_in_weights_and_rows),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
