/* The Gaussian mixture against dense covariances, differences and its own samples. Built in both precisions. */
#include "engine/mixture.h"

#include "engine/kernel.h"
#include "tests/unit/differences.h"
#include "tests/unit/golden.h"

#ifdef VERAD_DOUBLE
#define TOLERANCE 1e-9
#else
#define TOLERANCE 1e-3
#endif

enum { THREADS = 1 }; /* where their number is not what is tested */

/* ---- Mixtures and what they should say ---------------------------------------------------------------------- */

struct parts {
	size_t n_components, d, rank;
	double *weight, *mean, *factor, *noise;
};

/* Standard deviations from 1 to `largest` times that of the noise, 0.1, along directions at random. */
static struct parts
random_parts(uint64_t seed, size_t n_components, size_t d, size_t rank, double largest)
{
	struct parts p = {n_components, d, rank, calloc(n_components, sizeof(double)),
		calloc(n_components * d, sizeof(double)), calloc(n_components * rank * d + 1, sizeof(double)),
		calloc(n_components, sizeof(double))};
	real *z = malloc(n_components * (rank + 1) * d * sizeof *z);
	struct rng rng;

	rng_init(&rng, seed, 9);
	rng_normal(&rng, z, n_components * (rank + 1) * d);
	for (size_t k = 0; k < n_components; k++) {
		p.weight[k] = (double)(k + 1);
		p.noise[k] = 0.01;
		for (size_t i = 0; i < d; i++)
			p.mean[k * d + i] = 2 * (double)z[k * d + i];
		for (size_t j = 0; j < rank; j++) {
			double length = rank > 1 ? 0.1 * pow(largest, (double)j / (double)(rank - 1)) : 0.1 * largest;

			for (size_t i = 0; i < d; i++)
				p.factor[(k * rank + j) * d + i] = length / sqrt((double)d) *
								   (double)z[(n_components + k * rank + j) * d + i];
		}
	}
	free(z);
	return p;
}

static void
release(struct parts *p)
{
	free(p->weight);
	free(p->mean);
	free(p->factor);
	free(p->noise);
}

static struct mixture *
mixture_of(const struct parts *p)
{
	struct mixture *m = NULL;
	struct err e = {0};

	if (mixture_new(p->n_components, p->d, p->rank, p->weight, p->mean, p->factor, p->noise, &m, &e))
		fail_msg("%s", e.msg);
	return m;
}

static struct mixture_workspace
workspace_of(const struct mixture *m, size_t n)
{
	struct mixture_workspace w;
	struct arena arena = {0};

	mixture_workspace(&w, m, n, &arena);
	arena = (struct arena){.block = aligned_alloc(64, arena.used * sizeof(real))};
	mixture_workspace(&w, m, n, &arena);
	return w; /* its first piece is the block */
}

static void
density_of(const struct mixture *m, const real *x, size_t n, double *out, real *gradient)
{
	struct mixture_workspace w = workspace_of(m, 64);

	mixture_log_density(m, x, n, &w, out, gradient, THREADS);
	free(w.x);
}

static double
mean_density(const struct mixture *m, const real *x, size_t n)
{
	double *v = malloc(n * sizeof *v), sum = 0;

	density_of(m, x, n, v, NULL);
	for (size_t i = 0; i < n; i++)
		sum += v[i] / (double)n;
	free(v);
	return sum;
}

static real *
samples_of(const struct mixture *m, uint64_t seed, size_t n)
{
	struct mixture_workspace w = workspace_of(m, 256);
	real *x = malloc(n * mixture_n_features(m) * sizeof *x);
	struct rng rng;

	rng_init(&rng, seed, 3);
	mixture_sample(m, &rng, n, &w, x, THREADS);
	free(w.x);
	return x;
}

/* log N(x; mu, F^T F + noise I) by a dense Cholesky factor. */
static double
dense_log_normal(const double *mean, const double *factor, double noise, size_t d, size_t rank, const real *x)
{
	double *s = calloc(d * d + d, sizeof *s), *v = s + d * d, sum = 0;

	for (size_t i = 0; i < d; i++)
		for (size_t j = 0; j <= i; j++) {
			s[i * d + j] = i == j ? noise : 0;
			for (size_t l = 0; l < rank; l++)
				s[i * d + j] += factor[l * d + i] * factor[l * d + j];
		}
	for (size_t i = 0; i < d; i++) {
		for (size_t j = 0; j <= i; j++) {
			for (size_t l = 0; l < j; l++)
				s[i * d + j] -= s[i * d + l] * s[j * d + l];
			s[i * d + j] = i == j ? sqrt(s[i * d + i]) : s[i * d + j] / s[j * d + j];
		}
		v[i] = (double)x[i] - mean[i];
		for (size_t j = 0; j < i; j++)
			v[i] -= s[i * d + j] * v[j];
		v[i] /= s[i * d + i];
		sum += v[i] * v[i] + 2 * log(s[i * d + i]) + 1.8378770664093454836;
	}
	free(s);
	return -sum / 2;
}

static double
dense_log_density(const struct parts *p, const real *x)
{
	double total = 0, sum = 0, joint[8], top = -INFINITY;

	for (size_t k = 0; k < p->n_components; k++)
		total += p->weight[k];
	for (size_t k = 0; k < p->n_components; k++) {
		joint[k] = log(p->weight[k] / total) + dense_log_normal(p->mean + k * p->d,
							       p->factor + k * p->rank * p->d, p->noise[k], p->d,
							       p->rank, x);
		top = fmax(top, joint[k]);
	}
	for (size_t k = 0; k < p->n_components; k++)
		sum += exp(joint[k] - top);
	return top + log(sum);
}

/* ---- Density ------------------------------------------------------------------------------------------------ */

static void
check_against_dense(size_t n_components, size_t d, size_t rank)
{
	enum { N = 40 };
	struct parts p = random_parts(d + rank, n_components, d, rank, 100);
	struct mixture *m = mixture_of(&p);
	real *x = samples_of(m, 1, N);
	double got[N];

	for (size_t i = 0; i < N / 2 * d; i++) /* half of them as improbable as can be */
		x[i] *= 3;
	density_of(m, x, N, got, NULL);
	for (size_t i = 0; i < N; i++) {
		double want = dense_log_density(&p, x + i * d);

		if (!(fabs(got[i] - want) <= TOLERANCE * ((double)d + fabs(want))))
			fail_msg("%zu columns, rank %zu, row %zu: %.9g, should be %.9g", d, rank, i, got[i], want);
	}
	free(x);
	mixture_free(m);
	release(&p);
}

static void
the_density_is_that_of_dense_covariances(void **state)
{
	(void)state;
	check_against_dense(1, 1, 1);
	check_against_dense(2, 1, 0);
	check_against_dense(3, 2, 2);
	check_against_dense(3, 6, 6);
	check_against_dense(2, 48, 48);
	check_against_dense(3, 64, 64);
}

static void
directions_of_low_rank_have_the_same_density(void **state)
{
	(void)state;
	check_against_dense(3, 5, 0);
	check_against_dense(3, 6, 2);
	check_against_dense(2, 100, 5);
	check_against_dense(3, 120, 48);
}

static void
a_diagonal_mixture_has_the_golden_densities(void **state)
{
	enum { D = 5, K = 4, N = 6 };
	cJSON *golden = load("mog.json");
	double mean[K * D], log_std[K * D], weight[K], noise[K], factor[K * D * D] = {0}, log_p[N];
	real x[N * D], gradient[N * D], got[N];
	struct mixture *m;
	struct err e;

	(void)state;
	assert_int_equal(flatten(at(golden, "params/mu"), mean, 0), K * D);
	assert_int_equal(flatten(at(golden, "params/logstd"), log_std, 0), K * D);
	assert_int_equal(flatten(at(golden, "params/logits"), weight, 0), K);
	assert_int_equal(read_reals(golden, "x", x), N * D);
	for (size_t k = 0; k < K; k++) {
		weight[k] = exp(weight[k]);
		noise[k] = INFINITY;
		for (size_t i = 0; i < D; i++)
			noise[k] = fmin(noise[k], exp(2 * log_std[k * D + i]) / 2);
		for (size_t i = 0; i < D; i++)
			factor[(k * D + i) * D + i] = sqrt(exp(2 * log_std[k * D + i]) - noise[k]);
	}
	assert_int_equal(mixture_new(K, D, D, weight, mean, factor, noise, &m, &e), OK);
	density_of(m, x, N, log_p, gradient);
	for (size_t i = 0; i < N; i++)
		got[i] = (real)log_p[i];
	compare(got, golden, "log_p");
	compare(gradient, golden, "grad_x_log_p");
	mixture_free(m);
	cJSON_Delete(golden);
}

struct density {
	const struct mixture *m;
	struct mixture_workspace w;
	size_t n;
};

static double
summed_density(void *ctx, const real *x)
{
	struct density *t = ctx;
	double v[16], sum = 0;

	mixture_log_density(t->m, x, t->n, &t->w, v, NULL, THREADS);
	for (size_t i = 0; i < t->n; i++)
		sum += v[i];
	return sum;
}

static void
check_gradient(size_t n_components, size_t d, size_t rank)
{
	enum { N = 5 };
	struct parts p = random_parts(d, n_components, d, rank, 10);
	struct mixture *m;
	struct density t = {.n = N};
	real *x, gradient[N * 80];
	double v[N];

	for (size_t i = 0; i < n_components * d; i++)
		p.mean[i] /= 10; /* so near to each other that every row belongs to several */
	t.m = m = mixture_of(&p);
	t.w = workspace_of(m, 4);
	x = samples_of(m, 2, N);
	mixture_log_density(m, x, N, &t.w, v, gradient, THREADS);
	check_differences(summed_density, &t, x, gradient, N * d);
	mixture_log_density(m, x, N, &t.w, v, x, THREADS);
	assert_memory_equal(x, gradient, N * d * sizeof *x);
	free(x);
	free(t.w.x);
	mixture_free(m);
	release(&p);
}

static void
the_density_has_its_gradient_which_may_replace_the_rows(void **state)
{
	(void)state;
	check_gradient(3, 7, 7);
	check_gradient(3, 7, 2);
	check_gradient(2, 9, 0);
	check_gradient(2, 80, 48);
	check_gradient(1, 1, 1);
}

static void
far_rows_have_finite_densities_and_gradients_that_lead_back(void **state)
{
	enum { D = 70, N = 4 };
	static const double far[N] = {10, 2e4, -1e30, 3e38};
	real x[N * D], gradient[N * D];
	double v[N];

	(void)state;
	for (size_t rank = 0; rank <= 6; rank += 3) {
		struct parts p = random_parts(5, 3, rank == 6 ? 6 : D, rank, 100);
		struct mixture *m = mixture_of(&p);

		for (size_t i = 0; i < N; i++)
			for (size_t j = 0; j < p.d; j++)
				x[i * p.d + j] = (real)far[i];
		density_of(m, x, N, v, gradient);
		assert_true(kernel_finite(gradient, N * p.d));
		for (size_t i = 0; i < N; i++) {
			double inward = 0;

			for (size_t j = 0; j < p.d; j++)
				inward += (far[i] > 0 ? -1 : 1) * (double)gradient[i * p.d + j];
			assert_true(isfinite(v[i]) && v[i] < -100);
			assert_true(inward > 0);
		}
		mixture_free(m);
		release(&p);
	}
}

static void
a_row_has_the_same_density_in_any_company_and_for_any_threads(void **state)
{
	enum { N = 300 };
	struct parts p = random_parts(4, 3, 90, 48, 30);
	struct mixture *m = mixture_of(&p);
	real *x = samples_of(m, 3, N);
	struct mixture_workspace w = workspace_of(m, N);
	real *gradient = malloc(2 * N * p.d * sizeof *gradient);
	double together[N], by_two[N], alone;

	(void)state;
	mixture_log_density(m, x, N, &w, together, gradient, 1);
	mixture_log_density(m, x, N, &w, by_two, gradient + N * p.d, 2);
	assert_memory_equal(together, by_two, sizeof together);
	assert_memory_equal(gradient, gradient + N * p.d, N * p.d * sizeof *gradient);
	for (size_t i = 0; i < N; i += 13) {
		density_of(m, x + i * p.d, 1, &alone, NULL);
		assert_true(fabs(alone - together[i]) < TOLERANCE * ((double)p.d + fabs(alone)));
	}
	free(gradient);
	free(w.x);
	free(x);
	mixture_free(m);
	release(&p);
}

static void
responsibilities_are_the_shares_of_the_components(void **state)
{
	enum { D = 3, N = 2 };
	const double weight[] = {3, 1}, noise[] = {1, 1}, mean[] = {0, 0, 0, 2, 0, 0};
	const real x[N * D] = {0, 0, 0, 2, 5, -5};
	struct mixture *m;
	struct mixture_workspace w;
	struct err e;
	double log_density[N], back[D];
	const real *p;

	(void)state;
	assert_int_equal(mixture_new(2, D, 0, weight, mean, NULL, noise, &m, &e), OK);
	w = workspace_of(m, N);
	mixture_log_density(m, x, N, &w, log_density, NULL, 1);
	p = w.responsibility;
	for (size_t i = 0; i < N; i++) {
		double odds = 3 * exp(i ? -2.0 : 2.0); /* the squared distances differ by 4 */

		assert_true(fabs((double)p[2 * i] - odds / (1 + odds)) < 1e-6);
		assert_true(fabs((double)p[2 * i + 1] - 1 / (1 + odds)) < 1e-6);
	}
	assert_int_equal(mixture_n_components(m), 2);
	assert_int_equal(mixture_n_features(m), D);
	assert_true(fabs(mixture_weight(m, 1) - 0.25) < 1e-15);
	mixture_mean(m, 1, back);
	assert_true(fabs(back[0] - 2) < 1e-6 && fabs(back[2]) < 1e-6);
	free(w.x);
	mixture_free(m);
}

static void
what_is_no_density_is_refused(void **state)
{
	const double one[] = {1, 1}, zero[] = {0, 0}, negative[] = {-1, 1}, nan[] = {NAN, 0};
	struct mixture *m = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(mixture_new(1, 2, 0, zero, zero, NULL, one, &m, &e), ERR_INVALID);
	assert_string_equal(e.code, "not_a_density");
	assert_int_equal(mixture_new(1, 2, 0, one, zero, NULL, zero, &m, &e), ERR_INVALID);
	assert_int_equal(mixture_new(1, 2, 0, one, zero, NULL, negative, &m, &e), ERR_INVALID);
	assert_int_equal(mixture_new(1, 2, 0, one, nan, NULL, one, &m, &e), ERR_INVALID);
	assert_int_equal(mixture_new(1, 2, 1, one, zero, nan, one, &m, &e), ERR_INVALID);
	assert_int_equal(mixture_new(1, 2, 3, one, zero, one, one, &m, &e), ERR_INVALID);
	assert_int_equal(mixture_new(0, 2, 0, one, zero, NULL, one, &m, &e), ERR_INVALID);
	assert_null(m);
	mixture_free(NULL);
}

/* ---- Samples ------------------------------------------------------------------------------------------------ */

static void
check_moments(size_t d, size_t rank)
{
	enum { N = 40000 };
	struct parts p = random_parts(8 + rank, 2, d, rank, 8);
	struct mixture *m = mixture_of(&p);
	real *x = samples_of(m, 4, N);

	for (size_t i = 0; i < d; i++)
		for (size_t j = 0; j <= i; j++) {
			double mean = 0, want_mean = 0, got = 0, square = 0, want = 0;

			for (size_t k = 0; k < 2; k++) {
				double share = mixture_weight(m, k), s = i == j ? p.noise[k] : 0;

				for (size_t l = 0; l < rank; l++)
					s += p.factor[(k * rank + l) * d + i] * p.factor[(k * rank + l) * d + j];
				want_mean += share * p.mean[k * d + i];
				want += share * (s + p.mean[k * d + i] * p.mean[k * d + j]);
			}
			for (size_t r = 0; r < N; r++) {
				double v = (double)x[r * d + i] * (double)x[r * d + j];

				mean += (double)x[r * d + i] / N;
				got += v / N;
				square += v * v / N;
			}
			assert_true(fabs(got - want) < 5 * sqrt(square / N) + 1e-4);
			assert_true(fabs(mean - want_mean) < 5 * sqrt(square / N) + 0.05);
		}
	free(x);
	mixture_free(m);
	release(&p);
}

static void
samples_have_the_moments_of_the_mixture(void **state)
{
	(void)state;
	check_moments(4, 4);
	check_moments(5, 2);
	check_moments(3, 0);
}

/* ---- Fits --------------------------------------------------------------------------------------------------- */

static struct mixture *
fitted(const real *x, size_t n, size_t d, const struct mixture_options *o, struct mixture_report *r)
{
	struct mixture *m = NULL;
	struct err e = {0};

	if (mixture_fit(x, n, d, o, &m, r, &e))
		fail_msg("%s", e.msg);
	return m;
}

/* The fit's log density of fresh rows, below the truth's by no more than `loss`. */
static struct mixture_report
check_recovery(size_t d, size_t rank, size_t n, double loss)
{
	enum { FRESH = 2000 };
	struct parts p = random_parts(11, 2, d, rank, 5);
	struct mixture *truth = mixture_of(&p), *m;
	real *x = samples_of(truth, 5, n), *fresh = samples_of(truth, 6, FRESH);
	const struct mixture_options o = {.ridge = 1e-3, .seed = 1};
	struct mixture_report r;
	double want = mean_density(truth, fresh, FRESH), got;

	m = fitted(x, n, d, &o, &r);
	got = mean_density(m, fresh, FRESH);
	if (!(got > want - loss && got < want + 0.1))
		fail_msg("%zu columns: %g, the truth %g, with %zu components", d, got, want, r.n_components);
	assert_true(fabs(r.fitted - mean_density(m, x, n)) < 1e-3 * (1 + fabs(r.fitted)));
	assert_true(r.held_out > r.held_out_single);
	assert_int_equal(mixture_n_components(m), r.n_components);
	free(x);
	free(fresh);
	mixture_free(m);
	mixture_free(truth);
	release(&p);
	return r;
}

static void
a_fit_comes_as_near_to_a_known_mixture_as_its_rows_allow(void **state)
{
	(void)state;
	/* Half a nat a row and parameter, over the rows, is what maximum likelihood loses; doubled. */
	check_recovery(1, 1, 4000, 2 * 5.0 / 2 / 4000 + 0.01);
	assert_int_equal(check_recovery(5, 5, 4000, 2 * 41.0 / 2 / 4000 + 0.01).n_components, 2);
	assert_int_equal(check_recovery(20, 20, 3000, 2 * 461.0 / 2 / 3000 + 0.05).n_components, 2);
}

static void
a_wide_fit_finds_directions_of_low_rank(void **state)
{
	(void)state;
	assert_int_equal(check_recovery(100, 6, 2000, 2 * 9000.0 / 2 / 2000).n_components, 2);
}

static void
one_gaussian_needs_one_component(void **state)
{
	enum { N = 500, D = 8 };
	static real x[N * D];
	struct mixture_report r;
	struct mixture *m;
	struct rng rng;

	(void)state;
	rng_init(&rng, 1, 1);
	rng_normal(&rng, x, N * D);
	m = fitted(x, N, D, &(struct mixture_options){0}, &r);
	assert_int_equal(r.n_components, 1);
	assert_true(r.held_out == r.held_out_single);
	assert_true(fabs(r.fitted + D * 1.4189385) < 0.3); /* its entropy */
	mixture_free(m);
}

/* Few rows for their columns: a density still, and a better one than of independent columns would be hard to ask. */
static void
sixty_rows_in_twenty_columns_generalise(void **state)
{
	enum { N = 60, D = 20, FRESH = 1000 };
	struct parts p = random_parts(3, 1, D, D, 10);
	struct mixture *truth = mixture_of(&p), *m;
	real *x = samples_of(truth, 1, N), *fresh = samples_of(truth, 2, FRESH);

	(void)state;
	m = fitted(x, N, D, &(struct mixture_options){.seed = 2}, NULL);
	assert_true(mean_density(m, fresh, FRESH) > mean_density(truth, fresh, FRESH) - 8);
	free(x);
	free(fresh);
	mixture_free(m);
	mixture_free(truth);
	release(&p);
}

static void
check_same_bytes(size_t n, size_t d)
{
	struct parts p = random_parts(2, 3, d, 4, 5);
	struct mixture *truth = mixture_of(&p);
	real *x = samples_of(truth, 5, n);
	struct buf bytes[3] = {{0}};

	for (size_t i = 0; i < 3; i++) {
		struct mixture *m = fitted(x, n, d,
			&(struct mixture_options){
				.seed = 4, .threads = i ? 2 : 1, .max_components = 4, .max_iterations = 5},
			NULL);

		mixture_write(m, &bytes[i]);
		mixture_free(m);
	}
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(bytes[0].len, bytes[i].len);
		assert_memory_equal(bytes[0].data, bytes[i].data, bytes[0].len);
	}
	for (size_t i = 0; i < 3; i++)
		buf_release(&bytes[i]);
	free(x);
	mixture_free(truth);
	release(&p);
}

static void
rows_and_seed_fix_the_fit_whatever_the_threads(void **state)
{
	(void)state;
	check_same_bytes(1200, 40);
	check_same_bytes(600, 150);
}

static void
check_degenerate(const real *x, size_t n, size_t d)
{
	struct mixture_report r;
	struct mixture *m = fitted(x, n, d, &(struct mixture_options){.seed = 3}, &r);
	real *gradient = malloc(n * d * sizeof *gradient), *samples = samples_of(m, 1, 50);
	double *v = malloc(n * sizeof *v);
	struct buf bytes = {0};
	struct reader in;
	struct err e;

	assert_true(isfinite(r.held_out) && isfinite(r.held_out_single) && isfinite(r.fitted));
	density_of(m, x, n, v, gradient);
	for (size_t i = 0; i < n; i++)
		assert_true(isfinite(v[i]) && v[i] < (double)d * 1.5); /* log of 1 / sqrt(2 pi 0.01) is 1.38 */
	assert_true(kernel_finite(gradient, n * d));
	assert_true(kernel_finite(samples, 50 * d));
	mixture_write(m, &bytes);
	mixture_free(m);
	in = reader_over(bytes.data, bytes.len);
	if (mixture_read(&in, &m, &e))
		fail_msg("%zu rows of %zu columns: %s", n, d, e.msg);
	mixture_free(m);
	buf_release(&bytes);
	free(gradient);
	free(samples);
	free(v);
}

static void
degenerate_tables_have_a_mixture_too(void **state)
{
	static const size_t columns[] = {1, 2, 12, 64, 65, 130};
	static const size_t rows[] = {1, 2, 3, 10, 60, 400};
	static real x[400 * 130];
	struct rng rng;

	(void)state;
	rng_init(&rng, 5, 5);
	for (size_t c = 0; c < 6; c++)
		for (size_t r = 0; r < 6; r++) {
			const size_t d = columns[c], n = rows[r];

			rng_normal(&rng, x, n * d);
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < d; j++) {
					real *v = x + i * d + j;

					if (j % 4 == 1) /* the same as the column before */
						*v = v[-1];
					else if (j % 4 == 2) /* constant */
						*v = (real)0.5;
					else if (j % 4 == 3) /* one-hot */
						*v = i % 3 == j % 3 ? 1 : -1;
				}
			check_degenerate(x, n, d);
			for (size_t i = 0; i < n * d; i++) /* all rows equal */
				x[i] = (real)((double)(i % d) / 10 - 1);
			check_degenerate(x, n, d);
			for (size_t i = 0; i < n * d; i++) /* one row that is not */
				x[i] = i < d ? 10 : -1;
			check_degenerate(x, n, d);
		}
}

static void
values_without_measure_do_not_break_a_fit(void **state)
{
	enum { N = 40, D = 3 };
	static real x[N * D];
	struct mixture *m;
	struct rng rng;

	(void)state;
	rng_init(&rng, 6, 6);
	rng_normal(&rng, x, N * D);
	x[4] = (real)3e38;
	x[10] = (real)-3e38;
	m = fitted(x, N, D, &(struct mixture_options){0}, NULL);
	assert_true(isfinite(mean_density(m, x, N)));
	mixture_free(m);
}

static bool
stop_at_once(void *ctx)
{
	++*(size_t *)ctx;
	return true;
}

static void
a_fit_can_be_stopped_and_refuses_nothing_to_fit(void **state)
{
	const real x[] = {1, 2, 3, 4};
	size_t n_asked = 0;
	struct mixture *m = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(
		mixture_fit(x, 4, 1, &(struct mixture_options){.stop = stop_at_once, .ctx = &n_asked}, &m, NULL, &e),
		ERR_CANCELLED);
	assert_int_equal(n_asked, 1);
	assert_int_equal(mixture_fit(x, 0, 1, &(struct mixture_options){0}, &m, NULL, &e), ERR_DATA);
	assert_string_equal(e.code, "no_rows");
	assert_int_equal(mixture_fit(x, 1, 2 << 20, &(struct mixture_options){0}, &m, NULL, &e), ERR_TOO_LARGE);
	assert_null(m);
}

/* ---- Bytes -------------------------------------------------------------------------------------------------- */

static void
bytes_bring_the_mixture_back(void **state)
{
	enum { N = 30 };
	static const size_t ranks[] = {0, 3, 12};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct parts p = random_parts(i, 3, 12, ranks[i], 20);
		struct mixture *m = mixture_of(&p), *back;
		real *x = samples_of(m, 8, N);
		struct buf bytes = {0}, again = {0};
		struct reader in;
		struct err e;

		mixture_write(m, &bytes);
		in = reader_over(bytes.data, bytes.len);
		assert_int_equal(mixture_read(&in, &back, &e), OK);
		assert_int_equal(reader_left(&in), 0);
		mixture_write(back, &again);
		assert_int_equal(bytes.len, again.len);
		assert_memory_equal(bytes.data, again.data, bytes.len);
		assert_true(fabs(mean_density(m, x, N) - mean_density(back, x, N)) < 1e-3); /* stored in single */
		buf_release(&bytes);
		buf_release(&again);
		free(x);
		mixture_free(m);
		mixture_free(back);
		release(&p);
	}
}

/* Whatever the bytes say, what is read is a density or ERR_CORRUPT. */
static void
check_damaged(const unsigned char *bytes, size_t n, bool must_fail)
{
	const real x[12] = {1, 2, 3};
	struct reader in = reader_over(bytes, n);
	struct mixture *m = NULL;
	struct err e = {0};
	double v;
	real gradient[12];

	if (mixture_read(&in, &m, &e)) {
		assert_int_equal(e.status, ERR_CORRUPT);
		assert_string_equal(e.code, "corrupt_model");
		assert_null(m);
		return;
	}
	assert_false(must_fail);
	assert_int_equal(mixture_n_features(m), 12);
	density_of(m, x, 1, &v, gradient);
	assert_true(isfinite(v) && kernel_finite(gradient, 12));
	mixture_free(m);
}

static void
damaged_bytes_are_corrupt_or_a_density_still(void **state)
{
	static const size_t ranks[] = {3, 12};
	static const unsigned char values[] = {0, 0x7f, 0x80, 0xff};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct parts p = random_parts(i, 2, 12, ranks[i], 20);
		struct mixture *m = mixture_of(&p);
		struct buf bytes = {0};

		mixture_write(m, &bytes);
		for (size_t n = 0; n < bytes.len; n++)
			check_damaged(bytes.data, n, true);
		for (size_t at_byte = 0; at_byte < bytes.len; at_byte++)
			for (size_t v = 0; v < 4; v++) {
				unsigned char old = bytes.data[at_byte];

				bytes.data[at_byte] = values[v];
				check_damaged(bytes.data, bytes.len, false);
				bytes.data[at_byte] = old;
			}
		memset(bytes.data + 12, 0xff, 8); /* a weight that is no number */
		check_damaged(bytes.data, bytes.len, true);
		buf_release(&bytes);
		mixture_free(m);
		release(&p);
	}
}

static int
set_up(void **state)
{
	struct err e;

	(void)state;
	return kernel_init(&e) != OK;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_density_is_that_of_dense_covariances),
		cmocka_unit_test(directions_of_low_rank_have_the_same_density),
		cmocka_unit_test(a_diagonal_mixture_has_the_golden_densities),
		cmocka_unit_test(the_density_has_its_gradient_which_may_replace_the_rows),
		cmocka_unit_test(far_rows_have_finite_densities_and_gradients_that_lead_back),
		cmocka_unit_test(a_row_has_the_same_density_in_any_company_and_for_any_threads),
		cmocka_unit_test(responsibilities_are_the_shares_of_the_components),
		cmocka_unit_test(what_is_no_density_is_refused),
		cmocka_unit_test(samples_have_the_moments_of_the_mixture),
		cmocka_unit_test(a_fit_comes_as_near_to_a_known_mixture_as_its_rows_allow),
		cmocka_unit_test(a_wide_fit_finds_directions_of_low_rank),
		cmocka_unit_test(one_gaussian_needs_one_component),
		cmocka_unit_test(sixty_rows_in_twenty_columns_generalise),
		cmocka_unit_test(rows_and_seed_fix_the_fit_whatever_the_threads),
		cmocka_unit_test(degenerate_tables_have_a_mixture_too),
		cmocka_unit_test(values_without_measure_do_not_break_a_fit),
		cmocka_unit_test(a_fit_can_be_stopped_and_refuses_nothing_to_fit),
		cmocka_unit_test(bytes_bring_the_mixture_back),
		cmocka_unit_test(damaged_bytes_are_corrupt_or_a_density_still),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
