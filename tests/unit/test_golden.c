/*
 * Every number of tests/golden/, from an independent float64 implementation with all random draws written down, against
 * this engine. Built twice: in single precision (tolerance 1e-4) and in double (1e-9), both relative to the largest
 * magnitude of the tensor compared.
 */
#include "engine/generator.h"
#include "engine/jem.h"
#include "engine/kernel.h"
#include "engine/linear_gaussian.h"
#include "engine/metric.h"
#include "tests/unit/golden.h"

enum { THREADS = 2, MAX = GOLDEN_MAX, ARENA = 1 << 18 };

/* ---- One VERA-JEM step -------------------------------------------------------------------------------------- */

struct step {
	cJSON *golden;
	struct net_shape net;
	struct generator_shape shape;
	struct jem jem;
	struct generator generator;
	real w[MAX], gradient[MAX], g[MAX], g_gradient[MAX], log_eta[8], eta_gradient[8];
	int32_t y[8];
	size_t n, n_labelled;
	real *block;
};

static void
energy_path(char *buf, size_t n, const char *block, size_t layer, const char *part)
{
	snprintf(buf, n, "%s/%zu.%s", block, 2 * layer, part);
}

static void
read_energy(struct step *t, const char *block, real *w)
{
	char path[96];

	for (size_t l = 0; l < t->net.n_layers; l++) {
		energy_path(path, sizeof path, block, l, "weight");
		read_reals(t->golden, path, w + net_weights_at(&t->net, l));
		energy_path(path, sizeof path, block, l, "bias");
		read_reals(t->golden, path, w + net_biases_at(&t->net, l));
	}
}

static void
compare_energy(const struct step *t, const real *w, const char *block)
{
	char path[96];

	for (size_t l = 0; l < t->net.n_layers; l++) {
		energy_path(path, sizeof path, block, l, "weight");
		compare(w + net_weights_at(&t->net, l), t->golden, path);
		energy_path(path, sizeof path, block, l, "bias");
		compare(w + net_biases_at(&t->net, l), t->golden, path);
	}
}

/* Calls `each` for every tensor of the generator, by its offset and its name in the file. */
static void
each_generator_tensor(
	const struct step *t, const char *block, real *w, void (*each)(const struct step *, real *, const char *))
{
	char path[96];

	for (size_t l = 0; l < t->shape.hidden.n; l++) {
		snprintf(path, sizeof path, "%s/%zu.weight", block, 3 * l);
		each(t, w + generator_weights_at(&t->shape, l), path);
		snprintf(path, sizeof path, "%s/%zu.weight", block, 3 * l + 1);
		each(t, w + generator_scale_at(&t->shape, l), path);
		snprintf(path, sizeof path, "%s/%zu.bias", block, 3 * l + 1);
		each(t, w + generator_shift_at(&t->shape, l), path);
	}
	snprintf(path, sizeof path, "%s/%zu.weight", block, 3 * t->shape.hidden.n);
	each(t, w + generator_weights_at(&t->shape, t->shape.hidden.n), path);
	snprintf(path, sizeof path, "%s/%zu.bias", block, 3 * t->shape.hidden.n);
	each(t, w + generator_bias_at(&t->shape), path);
}

static void
read_tensor(const struct step *t, real *w, const char *path)
{
	read_reals(t->golden, path, w);
}

static void
compare_tensor(const struct step *t, real *w, const char *path)
{
	compare(w, t->golden, path);
}

static void
copy_inputs(struct step *t)
{
	read_reals(t->golden, "x_d", jem_input(&t->jem, 0));
	memcpy(jem_input(&t->jem, t->n), t->generator.x, t->n * t->net.size[0] * sizeof(real));
	read_reals(t->golden, "x_l", jem_input(&t->jem, 2 * t->n));
}

static int
setup_step(void **state)
{
	static struct step t;
	struct layer_sizes energy_hidden = {.n = 2, .size = {8, 7}};
	struct arena arena = {.block = calloc(ARENA, sizeof(real))};
	const cJSON *shape;
	real labels[8];
	size_t n;

	t.block = arena.block;
	t.golden = load("vera_step.json");
	shape = at(t.golden, "shape");
	t.n = (size_t)read_number(shape, "B");
	t.n_labelled = (size_t)read_number(shape, "B_labelled");
	t.net = net_shape_of((size_t)read_number(shape, "D"), &energy_hidden, (size_t)read_number(shape, "K"), false);
	t.shape = (struct generator_shape){.noise_dim = (size_t)read_number(shape, "Z"),
		.n_out = (size_t)read_number(shape, "D"),
		.hidden = {.n = 2, .size = {9, 9}}};
	jem_workspace(&t.jem, &t.net, t.n, t.n, t.n_labelled, &arena);
	n = (size_t)read_number(shape, "S");
	generator_workspace(&t.generator, &t.shape, t.n, n, &arena);
	read_energy(&t, "before/energy", t.w);
	each_generator_tensor(&t, "before/generator", t.g, read_tensor);
	read_reals(t.golden, "before/logsigma", t.g + generator_log_sigma_at(&t.shape));
	read_reals(t.golden, "before/post_logsigma", t.log_eta);
	n = read_reals(t.golden, "y_l", labels);
	for (size_t i = 0; i < n; i++)
		t.y[i] = (int32_t)labels[i];
	read_reals(t.golden, "h_g", t.generator.sample.h);
	read_reals(t.golden, "eps_x", t.generator.eps_x);
	read_reals(t.golden, "eps_importance", t.generator.eps_importance);
	read_reals(t.golden, "eps_posterior", t.generator.eps_posterior);
	generator_sample(&t.generator, t.g, THREADS);
	*state = &t;
	return 0;
}

static int
teardown_step(void **state)
{
	struct step *t = *state;

	cJSON_Delete(t->golden);
	free(t->block);
	return 0;
}

static void
the_generator_makes_the_sample(void **state)
{
	struct step *t = *state;

	compare(t->generator.x, t->golden, "x_g");
}

static void
one_term(struct step *t, struct jem_weights weights, const char *term)
{
	struct jem_terms terms;
	char path[96];

	copy_inputs(t);
	jem_step(&t->jem, t->w, t->n, t->n, t->n_labelled, t->y, &weights, t->gradient, &terms, THREADS);
	snprintf(path, sizeof path, "grad_of_each_term/%s", term);
	compare_energy(t, t->gradient, path);
}

static void
each_term_of_the_loss_has_its_gradient(void **state)
{
	struct step *t = *state;
	struct jem_terms terms;
	struct jem_weights none = {0};

	/* The file's contrast is E_data - E_generated itself; the loss takes it with a minus. */
	one_term(t, (struct jem_weights){.contrast = -1}, "log_p_data_minus_gen");
	one_term(t, (struct jem_weights){.gamma = 1}, "grad_penalty");
	one_term(t, (struct jem_weights){.beta = 1}, "cond_entropy");
	one_term(t, (struct jem_weights){.alpha = 1}, "cross_entropy");
	none.gamma = 1;
	copy_inputs(t);
	jem_step(&t->jem, t->w, t->n, t->n, t->n_labelled, t->y, &none, t->gradient, &terms, THREADS);
	compare_number(terms.log_p_difference, t->golden, "terms/log_p_data_minus_gen");
	compare_number(terms.gradient_penalty, t->golden, "terms/grad_penalty");
	compare_number(terms.conditional_entropy, t->golden, "terms/cond_entropy");
	compare_number(terms.cross_entropy, t->golden, "terms/cross_entropy");
}

static void
energies_and_their_input_gradients_agree(void **state)
{
	struct step *t = *state;
	const real *v;

	copy_inputs(t);
	v = jem_input_gradient(&t->jem, t->w, 2 * t->n, THREADS);
	compare(v, t->golden, "grad_x_log_p_data");
	compare(t->jem.log_p, t->golden, "log_p_data");
	compare(t->jem.log_p + t->n, t->golden, "log_p_gen_before");
	compare(t->jem.a[t->net.n_layers], t->golden, "logits_data");
}

static void
the_whole_step_agrees_from_loss_to_updated_weights(void **state)
{
	struct step *t = *state;
	struct jem_weights weights = {.contrast = 1,
		.gamma = (real)read_number(t->golden, "weights/gamma_grad_penalty"),
		.beta = (real)read_number(t->golden, "weights/beta_cond_entropy"),
		.alpha = (real)read_number(t->golden, "weights/alpha_cross_entropy")};
	const real lambda = (real)read_number(t->golden, "weights/lambda_entropy");
	const size_t d = t->net.size[0], n_generator = generator_size(&t->shape), z = t->shape.noise_dim;
	static real moment[MAX], w[MAX], g[MAX], dx[MAX];
	real eta_moment[8] = {0}, log_eta[8];
	struct jem_terms terms;
	double log_p = 0, entropy;
	const real *v;

	memcpy(w, t->w, sizeof w);
	memcpy(g, t->g, sizeof g);
	memcpy(log_eta, t->log_eta, sizeof log_eta);

	copy_inputs(t);
	jem_step(&t->jem, w, t->n, t->n, t->n_labelled, t->y, &weights, t->gradient, &terms, THREADS);
	compare_number(terms.loss, t->golden, "energy_loss");
	compare_energy(t, t->gradient, "energy_grads");
	memset(moment, 0, sizeof moment);
	kernel_adam(w, moment, NULL, t->gradient, net_size(&t->net), (real)1e-3, (real)0.9, (real)(1 - 0.9), (real)1e-8,
		0, THREADS);
	compare_energy(t, w, "energy_after");

	memcpy(jem_input(&t->jem, 0), t->generator.x, t->n * d * sizeof(real));
	v = jem_input_gradient(&t->jem, w, t->n, THREADS);
	compare(v, t->golden, "grad_x_log_p_gen");
	compare(t->jem.log_p, t->golden, "log_p_gen_after");

	generator_score(&t->generator, g, log_eta, THREADS);
	compare(t->generator.score, t->golden, "score");
	entropy = kernel_dot(t->generator.score, t->generator.x, t->n * d) / (double)t->n;
	compare_number(entropy, t->golden, "entropy_objective");
	for (size_t i = 0; i < t->n; i++)
		log_p += (double)t->jem.log_p[i] / (double)t->n;
	compare_number(-(log_p + (double)lambda * entropy), t->golden, "gen_loss");

	generator_posterior_gradient(&t->generator, g, log_eta, t->eta_gradient, THREADS);
	compare(t->eta_gradient, t->golden, "post_logsigma_grad");
	kernel_adam(log_eta, eta_moment, NULL, t->eta_gradient, z, (real)0.02, (real)0.9, (real)(1 - 0.9), (real)1e-8,
		0, 1);
	compare(log_eta, t->golden, "post_logsigma_after");

	for (size_t i = 0; i < t->n * d; i++)
		dx[i] = -(v[i] + lambda * t->generator.score[i]) / (real)t->n;
	generator_gradient(&t->generator, g, dx, t->g_gradient, THREADS);
	each_generator_tensor(t, "generator_grads", t->g_gradient, compare_tensor);
	compare(t->g_gradient + generator_log_sigma_at(&t->shape), t->golden, "logsigma_grad");
	memset(moment, 0, sizeof moment);
	kernel_adam(g, moment, NULL, t->g_gradient, n_generator, (real)2e-3, (real)0.9, (real)(1 - 0.9), (real)1e-8, 0,
		THREADS);
	generator_clamp(&t->shape, g, 0.3);
	each_generator_tensor(t, "generator_after", g, compare_tensor);
	compare(g + generator_log_sigma_at(&t->shape), t->golden, "logsigma_after");
}

/* ---- Weight normalisation, linear Gaussian, measures
 * ------------------------------------------------------------------ */

static void
the_gradient_penalty_passes_through_weight_norm(void **state)
{
	cJSON *golden = load("weight_norm.json");
	struct layer_sizes hidden = {.n = 2, .size = {8, 7}};
	struct net_shape s = net_shape_of(5, &hidden, 3, true);
	struct jem_weights weights = {.contrast = 1, .gamma = 1};
	struct jem_terms terms;
	struct jem jem;
	static real trained[MAX], plain[MAX], gradient[MAX];
	size_t length = net_size(&s), n;
	struct arena arena = {.block = calloc(ARENA, sizeof(real))};
	const real *w;
	char path[64];

	(void)state;
	jem_workspace(&jem, &s, 6, 0, 0, &arena);
	for (size_t l = 0, at_length = length; l < 3; l++) {
		snprintf(path, sizeof path, l < 2 ? "params/%zu.weight_v" : "params/%zu.weight", 2 * l);
		read_reals(golden, path, trained + net_weights_at(&s, l));
		snprintf(path, sizeof path, "params/%zu.bias", 2 * l);
		read_reals(golden, path, trained + net_biases_at(&s, l));
		snprintf(path, sizeof path, "params/%zu.weight_g", 2 * l);
		if (l < 2)
			at_length += read_reals(golden, path, trained + at_length);
	}
	w = net_effective(&s, trained, plain);
	n = read_reals(golden, "x", jem_input(&jem, 0)) / 5;
	compare(jem_input_gradient(&jem, w, n, THREADS), golden, "grad_x_log_p");
	compare(jem.log_p, golden, "log_p");
	compare(jem.a[3], golden, "logits");
	jem_step(&jem, w, n, 0, 0, NULL, &weights, gradient, &terms, THREADS);
	compare_number(terms.loss, golden, "loss");
	net_effective_backward(&s, trained, gradient, gradient);
	for (size_t l = 0; l < 3; l++) {
		snprintf(path, sizeof path, l < 2 ? "grads/%zu.weight_v" : "grads/%zu.weight", 2 * l);
		compare(gradient + net_weights_at(&s, l), golden, path);
		snprintf(path, sizeof path, "grads/%zu.bias", 2 * l);
		compare(gradient + net_biases_at(&s, l), golden, path);
		snprintf(path, sizeof path, "grads/%zu.weight_g", 2 * l);
		if (l < 2) {
			compare(gradient + length, golden, path);
			length += s.size[l + 1];
		}
	}
	free(arena.block);
	cJSON_Delete(golden);
}

static void
compare_doubles(const double *got, const cJSON *json, const char *path)
{
	static real v[MAX];
	static double want[MAX];
	size_t n = flatten(at(json, path), want, 0);

	for (size_t i = 0; i < n; i++)
		v[i] = (real)got[i];
	compare(v, json, path);
}

static void
the_linear_gaussian_is_exact(void **state)
{
	enum { D = 5, Z = 3, N = 6 };
	cJSON *golden = load("linear_gaussian.json");
	double w[D * Z], mu[D], x[N * D], score[N * D], mean[N * Z], log_q[N], covariance[Z * Z];
	struct linear_gaussian *m;
	struct err e;

	(void)state;
	flatten(at(golden, "W"), w, 0);
	flatten(at(golden, "mu"), mu, 0);
	flatten(at(golden, "x"), x, 0);
	assert_int_equal(linear_gaussian_new(w, mu, read_number(golden, "sigma"), D, Z, &m, &e), OK);
	for (size_t i = 0; i < N; i++)
		log_q[i] = linear_gaussian_log_density(m, x + i * D, mean + i * Z, score + i * D);
	linear_gaussian_posterior_covariance(m, covariance);
	compare_number(linear_gaussian_entropy(m), golden, "entropy");
	compare_doubles(log_q, golden, "log_q");
	compare_doubles(score, golden, "score");
	compare_doubles(mean, golden, "posterior_mean");
	compare_doubles(covariance, golden, "posterior_cov");
	linear_gaussian_free(m);
	assert_int_equal(linear_gaussian_new(w, mu, 0, D, Z, &m, &e), ERR_INVALID);
	cJSON_Delete(golden);
}

/*
 * The estimator on a generator whose exact score is known. With the exact posterior's own mean and scales as the
 * proposal the self-normalised estimate converges to the score; the remaining gap is Monte Carlo error, checked against
 * its own standard error over independent batches.
 */
static void
the_score_estimate_converges_to_the_exact_score(void **state)
{
	enum { D = 5, Z = 3, N = 6, S = 64, ROUNDS = 400 };
	cJSON *golden = load("linear_gaussian.json");
	struct generator_shape s = {.noise_dim = Z, .n_out = D};
	struct generator g;
	struct arena arena = {.block = calloc(ARENA, sizeof(real))};
	real w[64] = {0}, weights[D * Z], log_eta[Z];
	double covariance[Z * Z], want[N * D], sum[N * D] = {0}, sum2[N * D] = {0}, top = 0;
	struct rng rng;

	(void)state;
	generator_workspace(&g, &s, N, S, &arena);
	read_reals(golden, "W", weights);
	memcpy(w + generator_weights_at(&s, 0), weights, sizeof weights);
	read_reals(golden, "mu", w + generator_bias_at(&s));
	w[generator_log_sigma_at(&s)] = (real)log(read_number(golden, "sigma"));
	read_reals(golden, "posterior_mean", g.sample.h); /* the proposal's centre */
	flatten(at(golden, "posterior_cov"), covariance, 0);
	for (size_t j = 0; j < Z; j++)
		log_eta[j] = (real)(0.5 * log(covariance[j * Z + j]));
	read_reals(golden, "x", g.x);
	flatten(at(golden, "score"), want, 0);
	rng_init(&rng, 5, 0);
	for (size_t r = 0; r < ROUNDS; r++) {
		rng_normal(&rng, g.eps_importance, S * N * Z);
		generator_score(&g, w, log_eta, THREADS);
		for (size_t i = 0; i < N * D; i++) {
			sum[i] += (double)g.score[i];
			sum2[i] += (double)g.score[i] * (double)g.score[i];
		}
	}
	for (size_t i = 0; i < N * D; i++)
		top = fmax(top, fabs(want[i]));
	for (size_t i = 0; i < N * D; i++) {
		double mean = sum[i] / ROUNDS, error = sqrt((sum2[i] / ROUNDS - mean * mean) / ROUNDS);

		/* c estimates -grad log q; self-normalisation leaves a bias of order 1/S, below 1% here. */
		if (!(fabs(mean + want[i]) <= 5 * error + 0.01 * top))
			fail_msg("score[%zu]: %g +- %g, should be %g", i, mean, error, -want[i]);
	}
	free(arena.block);
	cJSON_Delete(golden);
}

static void
every_measure_agrees(void **state)
{
	cJSON *golden = load("metrics.json");
	static double v[MAX];
	static float p[MAX];
	static int32_t y[MAX];
	static double in[MAX], out[MAX];
	size_t n, n_in, n_out, binned = 0;
	double ece = 0, right = 0;
	struct metrics m = {0};
	struct metric_ood ood;
	struct err e;

	(void)state;
	n = flatten(at(golden, "p"), v, 0);
	for (size_t i = 0; i < n; i++)
		p[i] = (float)v[i];
	n = flatten(at(golden, "y"), v, 0);
	for (size_t i = 0; i < n; i++)
		y[i] = (int32_t)v[i];
	assert_int_equal(metrics_compute(p, y, n, 3, &m, &e), OK);
	compare_number(m.accuracy, golden, "accuracy");
	compare_number(m.balanced_accuracy, golden, "balanced_accuracy");
	assert_true(fabs(m.log_loss - read_number(golden, "log_loss")) < 1e-6);
	assert_true(fabs(m.brier - read_number(golden, "brier")) < 1e-6);
	assert_true(fabs(m.ece - read_number(golden, "ece_15")) < 1e-6);
	compare_number(m.macro_f1, golden, "macro_f1");
	compare_number(m.macro_auroc, golden, "macro_ovr_auroc");
	flatten(at(golden, "confusion_true_by_predicted"), v, 0);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(m.confusion[i], (size_t)v[i]);
	/* The bins are what the calibration error is made of. */
	for (size_t i = 0; i < METRIC_ECE_BINS; i++) {
		const struct metric_bin *bin = &m.bin[i];

		binned += bin->n;
		if (!bin->n) {
			assert_true(isnan(bin->confidence) && isnan(bin->accuracy));
			continue;
		}
		assert_true(bin->confidence > (double)i / METRIC_ECE_BINS);
		assert_true(bin->confidence <= (double)(i + 1) / METRIC_ECE_BINS + 1e-6);
		ece += fabs(bin->confidence - bin->accuracy) * (double)bin->n / (double)m.n;
		right += bin->accuracy * (double)bin->n;
	}
	assert_int_equal(binned, m.n);
	assert_true(fabs(ece - m.ece) < 1e-12);
	assert_true(fabs(right / (double)m.n - m.accuracy) < 1e-12);
	metrics_release(&m);

	n_in = flatten(at(golden, "score_in"), in, 0);
	n_out = flatten(at(golden, "score_out"), out, 0);
	assert_int_equal(metric_ood(in, n_in, out, n_out, &ood, &e), OK);
	assert_true(fabs(ood.auroc - read_number(golden, "ood_auroc")) < 1e-12);
	assert_true(fabs(ood.average_precision - read_number(golden, "ood_ap")) < 1e-12);
	assert_true(fabs(ood.average_precision_in - read_number(golden, "ood_ap_in")) < 1e-12);
	assert_true(fabs(ood.fpr_at_95_tpr - read_number(golden, "fpr_at_95_tpr")) < 1e-12);
	assert_true(fabs(ood.threshold_at_95_tpr - read_number(golden, "threshold_at_95_tpr")) < 1e-12);
	cJSON_Delete(golden);
}

int
main(void)
{
	const struct CMUnitTest step[] = {
		cmocka_unit_test(the_generator_makes_the_sample),
		cmocka_unit_test(each_term_of_the_loss_has_its_gradient),
		cmocka_unit_test(energies_and_their_input_gradients_agree),
		cmocka_unit_test(the_whole_step_agrees_from_loss_to_updated_weights),
	};
	const struct CMUnitTest others[] = {
		cmocka_unit_test(the_gradient_penalty_passes_through_weight_norm),
		cmocka_unit_test(the_linear_gaussian_is_exact),
		cmocka_unit_test(the_score_estimate_converges_to_the_exact_score),
		cmocka_unit_test(every_measure_agrees),
	};
	struct err e;
	int failed;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	failed = cmocka_run_group_tests(step, setup_step, teardown_step);
	return failed + cmocka_run_group_tests(others, NULL, NULL);
}
