/*
 * The densities whose normaliser is known: against the golden numbers, against finite differences in the parameters and
 * in the rows, against their own samples and integrals. Built in both precisions.
 */
#include "engine/density.h"
#include "engine/kernel.h"
#include "engine/net.h"
#include "tests/unit/differences.h"
#include "tests/unit/golden.h"

enum { THREADS = 2, N = 6, D = 5, MAX = 4096 };

struct subject {
	struct density k;
	real w[MAX], gradient[MAX], direction[N * D];
	real a[N], b[N], c[N];
	size_t n, order;
	real *block;
};

static void
open_subject(struct subject *t, const struct density_shape *s, size_t n, size_t order)
{
	struct arena arena = {0};

	memset(t, 0, sizeof *t);
	density_workspace(&t->k, s, n, order, &arena);
	t->block = aligned_alloc(64, arena.used * sizeof *t->block);
	assert_non_null(t->block);
	for (size_t i = 0; i < arena.used; i++)
		t->block[i] = (real)NAN; /* nothing may be read before it is written */
	arena = (struct arena){.block = t->block};
	density_workspace(&t->k, s, n, order, &arena);
	assert_true(density_size(s) <= MAX);
	t->n = n;
	t->order = order;
}

static void
close_subject(struct subject *t)
{
	free(t->block);
}

static struct density_shape
shape_of(size_t family, size_t d)
{
	struct density_shape s = {.family = family, .d = d};

	s.n_parts = family == FAMILY_PPCA ? 2 : family == FAMILY_MIXTURE ? 3 : DENSITY_COUPLINGS;
	if (family == FAMILY_NICE)
		s.hidden = (struct layer_sizes){.n = 2, .size = {6, 5}};
	return s;
}

/* Parameters as good as any, rows, directions and seeds. */
static void
random_subject(struct subject *t, size_t family, size_t order)
{
	struct density_shape s = shape_of(family, D);
	struct rng rng;

	open_subject(t, &s, N, order);
	rng_init(&rng, 3, family);
	rng_normal(&rng, t->k.x, N * D);
	density_init(&t->k, t->w, N, &rng);
	rng_normal(&rng, t->gradient, MAX);
	for (size_t i = 0; i < density_size(&s); i++)
		t->w[i] += (real)0.3 * t->gradient[i];
	rng_normal(&rng, t->direction, N * D);
	if (order)
		memcpy(t->k.u, t->direction, sizeof t->direction);
	rng_normal(&rng, t->a, N);
	rng_normal(&rng, t->b, N);
	rng_normal(&rng, t->c, N);
}

/* ---- Golden numbers ----------------------------------------------------------------------------------------- */

static void
compare_doubles(const double *got, size_t n, const cJSON *json, const char *path)
{
	real v[N];

	for (size_t i = 0; i < n; i++)
		v[i] = (real)got[i];
	compare(v, json, path);
}

static void
the_mixture_agrees(void **state)
{
	static struct subject t;
	const struct density_shape s = {.family = FAMILY_MIXTURE, .d = 5, .n_parts = 4};
	cJSON *golden = load("mog.json");
	const real each = (real)(-1.0 / 6), seed[] = {each, each, each, each, each, each};

	(void)state;
	open_subject(&t, &s, 6, 0);
	assert_int_equal(read_reals(golden, "x", t.k.x), 30);
	assert_int_equal(read_reals(golden, "params/mu", t.w), 20);
	assert_int_equal(read_reals(golden, "params/logstd", t.w + 20), 20);
	assert_int_equal(read_reals(golden, "params/logits", t.w + 40), 4);
	density_log_density(&t.k, t.w, 6, true, THREADS);
	compare_doubles(t.k.log_p, 6, golden, "log_p");
	compare(t.k.gradient, golden, "grad_x_log_p");
	density_gradient(&t.k, t.w, 6, seed, t.gradient, THREADS);
	compare(t.gradient, golden, "grads/mu");
	compare(t.gradient + 20, golden, "grads/logstd");
	compare(t.gradient + 40, golden, "grads/logits");
	close_subject(&t);
	cJSON_Delete(golden);
}

static size_t
for_each_nice_tensor(
	const cJSON *golden, const char *below, real *w, void (*visit)(real *at, const cJSON *golden, const char *path))
{
	const struct layer_sizes hidden = {.n = 4, .size = {7, 7, 7, 7}};
	const struct net_shape net = net_shape_of(3, &hidden, 3, false);
	char path[80];

	for (size_t c = 0; c < 4; c++)
		for (size_t l = 0; l < 5; l++) {
			snprintf(path, sizeof path, "%s/nice%zu.dense%zu.weight", below, c + 1, l + 1);
			visit(w + c * net_size(&net) + net_weights_at(&net, l), golden, path);
			snprintf(path, sizeof path, "%s/nice%zu.dense%zu.bias", below, c + 1, l + 1);
			visit(w + c * net_size(&net) + net_biases_at(&net, l), golden, path);
		}
	snprintf(path, sizeof path, "%s/scale.scales", below);
	visit(w + 4 * net_size(&net), golden, path);
	return 4 * net_size(&net) + 6;
}

static void
read_tensor(real *at_w, const cJSON *golden, const char *path)
{
	read_reals(golden, path, at_w);
}

static void
compare_tensor(real *at_w, const cJSON *golden, const char *path)
{
	compare(at_w, golden, path);
}

/* Rows of the two halves of z, as the golden file has them: the first half first. */
static void
compare_latent(const struct density *k, size_t n, const cJSON *golden, const char *path)
{
	real z[36];

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < 6; j++)
			z[i * 6 + j] = k->own.nice.h[j / 3][i * 3 + j % 3];
	compare(z, golden, path);
}

static void
the_flow_agrees(void **state)
{
	static struct subject t;
	const struct density_shape s = {
		.family = FAMILY_NICE, .d = 6, .n_parts = 4, .hidden = {.n = 4, .size = {7, 7, 7, 7}}};
	cJSON *golden = load("nice.json");
	const real each = (real)(-1.0 / 6), seed[] = {each, each, each, each, each, each};

	(void)state;
	open_subject(&t, &s, 6, 1);
	assert_int_equal(for_each_nice_tensor(golden, "params", t.w, read_tensor), density_size(&s));
	assert_int_equal(read_reals(golden, "x", t.k.x), 36);
	density_log_density(&t.k, t.w, 6, false, THREADS);
	compare_latent(&t.k, 6, golden, "y");
	density_log_density(&t.k, t.w, 6, true, THREADS);
	compare_doubles(t.k.log_p, 6, golden, "log_p");
	compare(t.k.gradient, golden, "grad_x_log_p");
	density_gradient(&t.k, t.w, 6, seed, t.gradient, THREADS);
	for_each_nice_tensor(golden, "grads_of_neg_mean_log_p", t.gradient, compare_tensor);
	density_penalty(&t.k, t.w, 6, 1, t.gradient, THREADS);
	for_each_nice_tensor(golden, "grads_of_grad_penalty", t.gradient, compare_tensor);
	assert_int_equal(read_reals(golden, "x_sampled", t.k.x), 36);
	density_log_density(&t.k, t.w, 6, false, THREADS);
	compare_latent(&t.k, 6, golden, "y_for_sampling");
	close_subject(&t);
	cJSON_Delete(golden);
}

static void
probabilistic_principal_components_agree(void **state)
{
	static struct subject t;
	const struct density_shape s = {.family = FAMILY_PPCA, .d = 5, .n_parts = 3};
	cJSON *golden = load("linear_gaussian.json");

	(void)state;
	open_subject(&t, &s, 6, 0);
	assert_int_equal(read_reals(golden, "W", t.w), 15);
	assert_int_equal(read_reals(golden, "mu", t.w + 15), 5);
	t.w[20] = (real)log(read_number(golden, "sigma"));
	assert_int_equal(read_reals(golden, "x", t.k.x), 30);
	density_log_density(&t.k, t.w, 6, true, THREADS);
	compare_doubles(t.k.log_p, 6, golden, "log_q");
	compare(t.k.gradient, golden, "score");
	close_subject(&t);
	cJSON_Delete(golden);
}

/* ---- Differences -------------------------------------------------------------------------------------------- */

static double
weighted_jet(void *ctx, const real *w)
{
	struct subject *t = ctx;
	double sum = 0;

	density_jet(&t->k, w, N, t->order, THREADS);
	for (size_t i = 0; i < N; i++) {
		sum += (double)t->a[i] * t->k.log_p[i];
		sum += t->order > 0 ? (double)t->b[i] * t->k.slope[i] : 0;
		sum += t->order > 1 ? (double)t->c[i] * t->k.curvature[i] : 0;
	}
	return sum;
}

static void
jets_have_their_gradient_in_every_parameter(void **state)
{
	static struct subject t;

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++)
		for (size_t order = 0; order <= 2; order++) {
			random_subject(&t, family, order);
			weighted_jet(&t, t.w);
			density_jet_gradient(&t.k, t.w, N, order, t.a, t.b, t.c, t.gradient, THREADS);
			check_differences(weighted_jet, &t, t.w, t.gradient, density_size(&t.k.shape));
			close_subject(&t);
		}
}

static double
sum_of_log_densities(void *ctx, const real *x)
{
	struct subject *t = ctx;
	double sum = 0;

	memcpy(t->k.x, x, N * D * sizeof *x);
	density_log_density(&t->k, t->w, N, false, THREADS);
	for (size_t i = 0; i < N; i++)
		sum += t->k.log_p[i];
	return sum;
}

static void
log_densities_have_their_gradient_in_the_rows(void **state)
{
	static struct subject t;
	real x[N * D], gradient[N * D];

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		random_subject(&t, family, 0);
		memcpy(x, t.k.x, sizeof x);
		density_log_density(&t.k, t.w, N, true, THREADS);
		memcpy(gradient, t.k.gradient, sizeof gradient);
		check_differences(sum_of_log_densities, &t, x, gradient, N * D);
		close_subject(&t);
	}
}

/* The slope is u . grad, the curvature the slope's own slope. */
static void
slopes_and_curvatures_are_those_along_the_direction(void **state)
{
	static struct subject t;
	const double step = DIFFERENCE_STEP;

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		double slope[N], curvature[N], ahead[N], top = 0;
		real x[N * D];

		random_subject(&t, family, 2);
		memcpy(x, t.k.x, sizeof x);
		density_log_density(&t.k, t.w, N, true, THREADS);
		for (size_t i = 0; i < N; i++)
			slope[i] = kernel_dot(t.k.gradient + i * D, t.direction + i * D, D);
		density_jet(&t.k, t.w, N, 2, THREADS);
		for (size_t i = 0; i < N; i++) {
			assert_true(fabs(t.k.slope[i] - slope[i]) < 1e2 * GOLDEN_TOLERANCE * (1 + fabs(slope[i])));
			curvature[i] = t.k.curvature[i];
			top = fmax(top, fabs(curvature[i]));
		}
		for (int sign = 1; sign >= -1; sign -= 2) {
			for (size_t i = 0; i < N * D; i++)
				t.k.x[i] = x[i] + (real)(sign * step) * t.direction[i];
			density_jet(&t.k, t.w, N, 1, THREADS);
			for (size_t i = 0; i < N; i++)
				ahead[i] = sign > 0 ? t.k.slope[i] : ahead[i] - t.k.slope[i];
		}
		for (size_t i = 0; i < N; i++)
			if (!(fabs(ahead[i] / (2 * step) - curvature[i]) <= DIFFERENCE_TOLERANCE * top))
				fail_msg("family %zu, row %zu: curvature %g, by differences %g", family, i,
					curvature[i], ahead[i] / (2 * step));
		close_subject(&t);
	}
}

static double
penalty_of(void *ctx, const real *w)
{
	static real scratch[MAX];
	struct subject *t = ctx;

	return 0.7 * density_penalty(&t->k, w, N, (real)0.7, scratch, THREADS);
}

static void
the_gradient_penalty_has_its_second_derivative(void **state)
{
	static struct subject t;

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		random_subject(&t, family, 1);
		density_penalty(&t.k, t.w, N, (real)0.7, t.gradient, THREADS);
		check_differences(penalty_of, &t, t.w, t.gradient, density_size(&t.k.shape));
		close_subject(&t);
	}
}

/* ---- What a density is -------------------------------------------------------------------------------------- */

static void
densities_integrate_to_one(void **state)
{
	enum { SIDE = 160, CELLS = SIDE * SIDE };
	static struct subject t;

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		struct density_shape s = shape_of(family, 2);
		const double width = 16, cell = width / SIDE;
		struct rng rng;
		double sum = 0;

		s.n_parts = family == FAMILY_PPCA ? 1 : s.n_parts;
		open_subject(&t, &s, CELLS, 0);
		rng_init(&rng, 8, family);
		rng_normal(&rng, t.k.x, 40);
		density_init(&t.k, t.w, 20, &rng);
		for (size_t i = 0; i < CELLS; i++) {
			t.k.x[2 * i] = (real)(((double)(i % SIDE) + 0.5) * cell - width / 2);
			t.k.x[2 * i + 1] = (real)(((double)(i / SIDE) + 0.5) * cell - width / 2);
		}
		density_log_density(&t.k, t.w, CELLS, false, THREADS);
		for (size_t i = 0; i < CELLS; i++)
			sum += exp(t.k.log_p[i]) * cell * cell;
		if (!(fabs(sum - 1) < 2e-3))
			fail_msg("family %zu: the density integrates to %g", family, sum);
		close_subject(&t);
	}
}

/* E grad log p = 0 and E[x . grad log p] = -D for samples of p, whatever p is (Stein's identity). */
static void
samples_are_of_the_density(void **state)
{
	enum { MANY = 20000 };
	static struct subject t;

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		struct density_shape s = shape_of(family, D);
		double mean[D] = {0}, square[D] = {0}, along = 0, along2 = 0;
		struct rng rng;

		open_subject(&t, &s, MANY, 0);
		rng_init(&rng, 9, family);
		rng_normal(&rng, t.k.x, 40 * D);
		density_init(&t.k, t.w, 40, &rng);
		density_sample(&t.k, t.w, MANY, &rng, THREADS);
		density_log_density(&t.k, t.w, MANY, true, THREADS);
		for (size_t i = 0; i < MANY; i++) {
			double dot = kernel_dot(t.k.x + i * D, t.k.gradient + i * D, D);

			along += dot / MANY;
			along2 += dot * dot / MANY;
			for (size_t j = 0; j < D; j++) {
				double g = (double)t.k.gradient[i * D + j];

				mean[j] += g / MANY;
				square[j] += g * g / MANY;
			}
		}
		for (size_t j = 0; j < D; j++)
			if (!(fabs(mean[j]) < 5 * sqrt(square[j] / MANY)))
				fail_msg("family %zu: mean gradient %g in column %zu", family, mean[j], j);
		if (!(fabs(along + D) < 5 * sqrt((along2 - along * along) / MANY)))
			fail_msg("family %zu: x . grad log p is %g on average, not %d", family, along, -D);
		close_subject(&t);
	}
}

static void
a_start_fits_the_rows_it_was_given(void **state)
{
	enum { MANY = 400 };
	static struct subject t;

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		struct density_shape s = shape_of(family, D);
		struct rng rng;
		double sum = 0, reference = 0;

		open_subject(&t, &s, MANY, 0);
		rng_init(&rng, 10, family);
		rng_normal(&rng, t.k.x, MANY * D);
		for (size_t i = 0; i < MANY; i++)
			for (size_t j = 0; j < D; j++)
				t.k.x[i * D + j] = 3 + (real)0.5 * t.k.x[i * D + j];
		density_init(&t.k, t.w, MANY, &rng);
		density_log_density(&t.k, t.w, MANY, false, THREADS);
		for (size_t i = 0; i < MANY; i++)
			sum += t.k.log_p[i] / MANY;
		reference = -D * (1 + log(2 * acos(-1) * 0.25)) / 2; /* the true density's, on average */
		if (!(sum > reference - 3))
			fail_msg("family %zu: %g nats a row at the start, the rows' own density has %g", family, sum,
				reference);
		close_subject(&t);
	}
}

static void
rows_that_never_vary_leave_a_density(void **state)
{
	static struct subject t;

	(void)state;
	for (size_t family = 0; family < N_FAMILIES; family++) {
		struct density_shape s = shape_of(family, D);
		struct rng rng;

		open_subject(&t, &s, N, 1);
		rng_init(&rng, 11, family);
		for (size_t i = 0; i < N * D; i++)
			t.k.x[i] = 2;
		density_init(&t.k, t.w, N, &rng);
		for (size_t i = 0; i < density_size(&s); i++)
			t.w[i] *= family == FAMILY_NICE ? 1 : 100; /* scales run away, and are brought back */
		density_clamp(&s, t.w);
		density_log_density(&t.k, t.w, N, true, THREADS);
		assert_true(kernel_finite(t.k.gradient, N * D));
		for (size_t i = 0; i < N; i++)
			assert_true(isfinite(t.k.log_p[i]));
		close_subject(&t);
	}
}

static void
threads_do_not_enter(void **state)
{
	enum { ROWS = 64, WIDE = 40 };
	static real one[200000], four[200000];
	struct density_shape s = {
		.family = FAMILY_NICE, .d = WIDE, .n_parts = DENSITY_COUPLINGS, .hidden = {.n = 2, .size = {128, 128}}};

	(void)state;
	for (int threads = 1; threads <= 4; threads += 3) {
		real *gradient = threads == 1 ? one : four;
		struct arena arena = {0};
		struct density k;
		struct rng rng;
		real *w = calloc(200000, sizeof *w);

		density_workspace(&k, &s, ROWS, 2, &arena);
		arena = (struct arena){.block = aligned_alloc(64, arena.used * sizeof(real))};
		density_workspace(&k, &s, ROWS, 2, &arena);
		assert_true(w && arena.block && density_size(&s) <= 200000);
		rng_init(&rng, 4, 0);
		rng_normal(&rng, k.x, ROWS * WIDE);
		rng_normal(&rng, k.u, ROWS * WIDE);
		rng_normal(&rng, k.seed, 3 * ROWS);
		density_init(&k, w, ROWS, &rng);
		density_jet(&k, w, ROWS, 2, threads);
		density_jet_gradient(&k, w, ROWS, 2, k.seed, k.seed + ROWS, k.seed + 2 * ROWS, gradient, threads);
		free(arena.block);
		free(w);
	}
	assert_memory_equal(one, four, density_size(&s) * sizeof(real));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mixture_agrees),
		cmocka_unit_test(the_flow_agrees),
		cmocka_unit_test(probabilistic_principal_components_agree),
		cmocka_unit_test(jets_have_their_gradient_in_every_parameter),
		cmocka_unit_test(log_densities_have_their_gradient_in_the_rows),
		cmocka_unit_test(slopes_and_curvatures_are_those_along_the_direction),
		cmocka_unit_test(the_gradient_penalty_has_its_second_derivative),
		cmocka_unit_test(densities_integrate_to_one),
		cmocka_unit_test(samples_are_of_the_density),
		cmocka_unit_test(a_start_fits_the_rows_it_was_given),
		cmocka_unit_test(rows_that_never_vary_leave_a_density),
		cmocka_unit_test(threads_do_not_enter),
	};
	struct err e;

	if (kernel_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
