/*
 * mixture_fit: EM for mixture.h.
 *
 * A step of EM gives every component the mean and scatter of its share of the rows. In up to MIXTURE_FULL columns the
 * scatter is a matrix, whose eigenvectors are taken. Beyond, it is never formed: its directions are those that it had a
 * step ago, multiplied by the scatter and made a basis again by a Nystroem approximation (Tropp, Yurtsever, Udell &
 * Cevher, "Fixed-rank approximation of a positive-semidefinite matrix from streaming data", 2017), so they converge
 * together with the responsibilities.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/mixture_parts.h"

enum {
	CHUNK = 1024,     /* rows of a component gathered at a time */
	TILE = 512,       /* rows whose shares are computed at a time */
	HELD_OUT = 5,     /* one row of so many */
	LLOYD_ROUNDS = 5, /* of k-means, to begin with */
	FULL_ITERATIONS = 60,
	WIDE_ITERATIONS = 10,
	DEFAULT_COMPONENTS = 32,
};

#define DEFAULT_RIDGE 0.01

/* A share in a row below this is no share: it would cost as much as a whole one. */
#define LEAST_SHARE ((real)1e-4)

/* EM ends when the mean log density gains less than this in an iteration, in nats a column. */
#define ENOUGH 1e-4

/* Twice the components have to gain so much in the mean log density of rows held out. */
#define WORTH_DOUBLING 5e-3

/* Multiplications that all fits together may take: some ten seconds of one core. */
#define BUDGET 1.5e11

/* The prior of a component's covariance counts for so many rows a direction. */
#define PRIOR_ROWS 0.3

struct fit {
	const struct mixture_options *options;
	size_t n, d, rank; /* all rows */
	double ridge;
	int threads;
	struct rng rng;
	/* Rows [n][d] within the limit and about their mean, in random order: the last ones are those held out. */
	real *x, *centre;
	struct mixture *pool;     /* one component, of the rows in use */
	double *moment;           /* [d][d] x x^T of the rows in use, their mean; where rank = d */
	double mean_square;       /* its trace */
	double *square;           /* [2][d][d] or [rank][rank] */
	double *sum;              /* [d] */
	double *log_density;      /* [n] */
	real *share;              /* [n][n_components] */
	real *rows;               /* [CHUNK][d] */
	real *coordinates;        /* [CHUNK][rank] */
	real *product, *product2; /* [rank][d] */
	real *block;
	double *numbers;
	struct mixture_workspace w;
	double spent; /* multiplications */
};

static bool
is_full(const struct fit *f)
{
	return f->rank == f->d;
}

/* ---- The pieces of a maximisation step ---------------------------------------------------------------------- */

/*
 * The next rows, from *at on, in which component k has a share: (x - mean) sqrt(share), at most CHUNK of them. Their
 * shares are added to *weight and their squared lengths to *trace.
 */
static size_t
gather(struct fit *f, const struct mixture *m, size_t k, size_t n, size_t *at, double *weight, double *trace)
{
	const real *mean = m->mean + k * f->d;
	size_t taken = 0;

	for (; *at < n && taken < CHUNK; ++*at) {
		real share = f->share[*at * m->n_components + k], root;
		const real *x = f->x + *at * f->d;
		real *to = f->rows + taken * f->d;

		if (share < LEAST_SHARE)
			continue;
		root = (real)sqrt((double)share);
		for (size_t i = 0; i < f->d; i++)
			to[i] = root * (x[i] - mean[i]);
		*weight += (double)share;
		*trace += kernel_dot(to, to, f->d);
		taken++;
	}
	return taken;
}

/* Oracle approximating shrinkage (Chen, Wiesel, Eldar & Hero 2010): how much of the pooled covariance to give to a
 * multiple of the identity, from its trace and that of its square. */
static double
shrinkage(double trace, double trace2, double n, double d)
{
	double spread = (n + 1 - 2 / d) * (trace2 - trace * trace / d);
	double noise = (1 - 2 / d) * trace2 + trace * trace;

	if (d < 2)
		return 0;
	return noise < spread ? noise / spread : 1;
}

/* Total squared length of the means, by weight: what the pooled covariance has that no component has within. */
static double
between(const struct mixture *m)
{
	double sum = 0;

	for (size_t k = 0; k < m->n_components; k++)
		sum += m->weight[k] * kernel_dot(m->mean + k * m->d, m->mean + k * m->d, m->d);
	return sum;
}

/* ---- Full covariances --------------------------------------------------------------------------------------- */

/* sum of (x - mean) (x - mean)^T over the shares of component k, into s [d][d]; returns the sum of the shares. */
static double
scatter_of(struct fit *f, const struct mixture *m, size_t k, size_t n, double *s)
{
	const size_t d = f->d;
	double weight = 0, trace = 0;

	memset(s, 0, d * d * sizeof *s);
	for (size_t at = 0; at < n;) {
		size_t taken = gather(f, m, k, n, &at, &weight, &trace);

		if (!taken)
			break;
		kernel_affine_backward_weights(f->product, NULL, f->rows, f->rows, taken, taken, d, d, f->threads);
		for (size_t i = 0; i < d * d; i++)
			s[i] += (double)f->product[i];
		f->spent += (double)(taken * d * d);
	}
	return weight;
}

/* The covariance s becomes component k's: its eigenvectors, the largest first, and no variance below the ridge. */
static void
set_covariance(const struct fit *f, struct mixture *m, size_t k, double *s)
{
	const size_t d = f->d;
	double value[KERNEL_EIGEN_MAX];

	kernel_symmetric_eigen(s, value, d);
	for (size_t j = 0; j < d; j++) {
		const double *from = s + (d - 1 - j) * d;

		m->variance[k * d + j] = value[d - 1 - j] > f->ridge ? value[d - 1 - j] : f->ridge;
		for (size_t i = 0; i < d; i++)
			m->direction[(k * d + j) * d + i] = (real)from[i];
	}
}

/* The covariance within components, as far as n rows can tell it from a multiple of the identity, into s. */
static void
pooled_within(const struct fit *f, const struct mixture *m, size_t n, double *s)
{
	const size_t d = f->d;
	double trace = 0, trace2 = 0, share;

	memcpy(s, f->moment, d * d * sizeof *s);
	for (size_t k = 0; k < m->n_components; k++) {
		const real *mean = m->mean + k * d;

		for (size_t i = 0; i < d; i++)
			for (size_t j = 0; j < d; j++)
				s[i * d + j] -= m->weight[k] * (double)mean[i] * (double)mean[j];
	}
	for (size_t i = 0; i < d; i++)
		trace += s[i * d + i];
	for (size_t i = 0; i < d * d; i++)
		trace2 += s[i] * s[i];
	share = shrinkage(trace, trace2, (double)n, (double)d);
	for (size_t i = 0; i < d * d; i++)
		s[i] = (1 - share) * s[i] + (i % (d + 1) ? 0 : share * trace / (double)d);
}

static void
maximise_full(struct fit *f, struct mixture *m, size_t n)
{
	const size_t d = f->d;
	double *prior = f->square, *s = f->square + d * d;

	pooled_within(f, m, n, prior);
	for (size_t k = 0; k < m->n_components; k++) {
		const double rows = PRIOR_ROWS * (double)d;
		double weight;

		if (m->n_components == 1) {
			memcpy(s, prior, d * d * sizeof *s);
		} else {
			weight = scatter_of(f, m, k, n, s);
			for (size_t i = 0; i < d * d; i++)
				s[i] = (s[i] + rows * prior[i]) / (weight + rows);
		}
		set_covariance(f, m, k, s);
	}
}

/* ---- Directions of wide tables ------------------------------------------------------------------------------ */

/* z += rows (P v), v [rank][d], for the pool's covariance P = s2 I + U^T (lambda - s2) U. */
static void
add_pool(struct fit *f, real *z, const real *v, double rows)
{
	const struct mixture *p = f->pool;
	const size_t d = f->d, rank = f->rank;

	kernel_affine(f->coordinates, v, p->direction, NULL, rank, rank, d, ACTIVATION_NONE, f->threads);
	for (size_t i = 0; i < rank; i++)
		for (size_t j = 0; j < rank; j++)
			f->coordinates[i * rank + j] *= (real)(rows * (p->variance[j] - p->noise[0]));
	kernel_affine_backward_input(f->product2, f->coordinates, p->direction, NULL, rank, rank, d, f->threads);
	kernel_add_scaled(z, 1, f->product2, rank * d);
	kernel_add_scaled(z, (real)(rows * p->noise[0]), v, rank * d);
}

/* In place, lower triangle. A pivot that rounding has eaten becomes a small one. */
static void
cholesky(double *a, size_t n)
{
	double largest = 0;

	for (size_t i = 0; i < n; i++)
		largest = a[i * n + i] > largest ? a[i * n + i] : largest;
	for (size_t j = 0; j < n; j++)
		for (size_t i = j; i < n; i++) {
			double sum = a[i * n + j];

			for (size_t k = 0; k < j; k++)
				sum -= a[i * n + k] * a[j * n + k];
			if (i == j)
				a[i * n + j] = sqrt(sum > 1e-10 * largest ? sum : 1e-10 * largest + 1e-300);
			else
				a[i * n + j] = sum / a[j * n + j];
		}
}

/*
 * From z = S v, v [rank][d] a basis: S is about z^T (v z^T)^-1 z = B^T B with B = L^-1 z and v z^T = L L^T. Its
 * eigenvectors replace v, and their values go to `value`, the largest first. z is used up.
 */
static void
nystroem(struct fit *f, real *v, real *z, double *value)
{
	const size_t d = f->d, rank = f->rank;
	double *a = f->square, ascending[KERNEL_EIGEN_MAX];

	for (size_t i = 0; i < rank; i++)
		for (size_t j = 0; j <= i; j++)
			a[i * rank + j] = (kernel_dot(v + i * d, z + j * d, d) + kernel_dot(v + j * d, z + i * d, d)) /
					  2;
	cholesky(a, rank);
	for (size_t i = 0; i < rank; i++) {
		for (size_t j = 0; j < i; j++)
			kernel_add_scaled(z + i * d, (real)-a[i * rank + j], z + j * d, d);
		for (size_t l = 0; l < d; l++)
			z[i * d + l] = (real)((double)z[i * d + l] / a[i * rank + i]);
	}
	for (size_t i = 0; i < rank; i++)
		for (size_t j = 0; j <= i; j++)
			a[i * rank + j] = a[j * rank + i] = kernel_dot(z + i * d, z + j * d, d);
	kernel_symmetric_eigen(a, ascending, rank);
	memset(v, 0, rank * d * sizeof *v);
	for (size_t j = 0; j < rank; j++) {
		const double *from = a + (rank - 1 - j) * rank;

		value[j] = ascending[rank - 1 - j];
		for (size_t i = 0; i < rank; i++)
			kernel_add_scaled(v + j * d, (real)from[i], z + i * d, d);
	}
	mixture_orthonormalise(v, rank, d);
}

/* Rows at a time: z += v (rows^T rows), the scatter of component k times v. Returns the sum of the shares. */
static double
multiply_scatter(struct fit *f, const struct mixture *m, size_t k, size_t n, const real *v, real *z, double *trace)
{
	const size_t d = f->d, rank = f->rank;
	double weight = 0;

	for (size_t at = 0; at < n;) {
		size_t taken = gather(f, m, k, n, &at, &weight, trace);

		if (!taken)
			break;
		kernel_affine(f->coordinates, f->rows, v, NULL, taken, rank, d, ACTIVATION_NONE, f->threads);
		kernel_affine_backward_weights(
			f->product2, NULL, f->coordinates, f->rows, taken, taken, rank, d, f->threads);
		kernel_add_scaled(z, 1, f->product2, rank * d);
		f->spent += 2 * (double)(taken * d * rank);
	}
	return weight;
}

static double
trace_of(const struct mixture *m, size_t k)
{
	double sum = (double)(m->d - m->rank) * m->noise[k];

	for (size_t j = 0; j < m->rank; j++)
		sum += m->variance[k * m->rank + j];
	return sum;
}

/* Variances of component k from those of its directions and the whole; none below the ridge. */
static void
set_variances(const struct fit *f, struct mixture *m, size_t k, const double *value, double trace)
{
	double rest = trace, *variance = m->variance + k * f->rank;

	for (size_t j = 0; j < f->rank; j++)
		rest -= value[j];
	rest /= (double)(f->d - f->rank);
	m->noise[k] = rest > f->ridge ? rest : f->ridge;
	for (size_t j = 0; j < f->rank; j++)
		variance[j] = value[j] > m->noise[k] ? value[j] : m->noise[k];
}

static void
shrink_pool(const struct fit *f, struct mixture *m, size_t n)
{
	double trace = trace_of(m, 0), trace2 = (double)(f->d - f->rank) * m->noise[0] * m->noise[0], share, mean;

	for (size_t j = 0; j < f->rank; j++)
		trace2 += m->variance[j] * m->variance[j];
	share = shrinkage(trace, trace2, (double)n, (double)f->d);
	mean = trace / (double)f->d;
	for (size_t j = 0; j < f->rank; j++)
		m->variance[j] += share * (mean - m->variance[j]);
	m->noise[0] += share * (mean - m->noise[0]);
}

static void
maximise_wide(struct fit *f, struct mixture *m, size_t n)
{
	const size_t size = f->rank * f->d;
	/* The pool's covariance with the trace that is left within components. */
	double whole = m->n_components > 1 ? trace_of(f->pool, 0) : 1, within = f->mean_square - between(m),
	       prior = PRIOR_ROWS * (double)f->rank;

	within = within > 0 ? within : 0;
	for (size_t k = 0; k < m->n_components; k++) {
		real *v = m->direction + k * size, *z = f->product;
		double trace = 0, weight, value[KERNEL_EIGEN_MAX];

		memset(z, 0, size * sizeof *z);
		weight = multiply_scatter(f, m, k, n, v, z, &trace);
		if (m->n_components > 1) {
			add_pool(f, z, v, prior * within / (whole + 1e-300));
			trace += prior * within;
			weight += prior;
		}
		for (size_t i = 0; i < size; i++) /* never singular: as of a scatter with a little noise */
			z[i] = (real)((double)z[i] / weight + f->ridge * (double)v[i]);
		nystroem(f, v, z, value);
		for (size_t j = 0; j < f->rank; j++)
			value[j] -= f->ridge;
		set_variances(f, m, k, value, trace / weight);
		if (m->n_components == 1)
			shrink_pool(f, m, n);
	}
}

/* ---- EM ----------------------------------------------------------------------------------------------------- */

static bool
stopped(const struct fit *f)
{
	return f->options->stop && f->options->stop(f->options->ctx);
}

/* Weights and means from the shares. A component that has lost its rows moves to the middle of all. */
static void
maximise_means(struct fit *f, struct mixture *m, size_t n)
{
	const size_t d = f->d, n_components = m->n_components;

	kernel_affine_backward_weights(m->mean, NULL, f->share, f->x, n, n, n_components, d, f->threads);
	for (size_t k = 0; k < n_components; k++) {
		double weight = 0;

		for (size_t i = 0; i < n; i++)
			weight += (double)f->share[i * n_components + k];
		m->weight[k] = (weight + 1) / (double)(n + n_components);
		for (size_t i = 0; i < d; i++)
			m->mean[k * d + i] = (real)((double)m->mean[k * d + i] / (weight + 1e-6));
	}
}

static void
maximise(struct fit *f, struct mixture *m, size_t n)
{
	maximise_means(f, m, n);
	if (is_full(f))
		maximise_full(f, m, n);
	else
		maximise_wide(f, m, n);
	mixture_derive(m);
}

/* Mean log density of the rows first .. first + n - 1, and their shares where there is room for them. */
static double
expect(struct fit *f, const struct mixture *m, size_t first, size_t n, real *share)
{
	double sum = 0;

	for (size_t done = 0; done < n; done += f->w.n) {
		size_t take = n - done < f->w.n ? n - done : f->w.n;

		mixture_pass(m, f->x + (first + done) * f->d, take, &f->w, f->log_density, f->threads);
		if (share)
			memcpy(share + done * m->n_components, f->w.responsibility,
				take * m->n_components * sizeof *share);
		for (size_t i = 0; i < take; i++)
			sum += f->log_density[i];
	}
	f->spent += (double)(n * m->n_components * f->rank * f->d);
	return sum / (double)n;
}

static size_t
default_iterations(const struct fit *f)
{
	size_t limit = is_full(f) ? FULL_ITERATIONS : WIDE_ITERATIONS;

	return f->options->max_iterations ? f->options->max_iterations : limit;
}

/* Alternates on the first n rows, beginning with their shares, until it gains no more. */
static enum status
run(struct fit *f, struct mixture *m, size_t n, size_t *iterations, double *fitted, struct err *e)
{
	double before = -INFINITY;

	for (*iterations = 1;; ++*iterations) {
		if (stopped(f))
			return err_set(e, ERR_CANCELLED, "stopped", "the fit of the mixture was stopped");
		maximise(f, m, n);
		*fitted = expect(f, m, 0, n, f->share);
		if (*iterations >= default_iterations(f) ||
			(*iterations > 2 && *fitted < before + ENOUGH * (double)f->d))
			return OK;
		before = *fitted;
	}
}

/* ---- Where to begin ----------------------------------------------------------------------------------------- */

/* k-means++ (Arthur & Vassilvitskii 2007): each centre a row drawn by its squared distance to those there are. */
static void
draw_centres(struct fit *f, struct mixture *m, size_t n)
{
	const size_t d = f->d;
	double *distance2 = f->log_density, total = (double)n;

	for (size_t i = 0; i < n; i++)
		distance2[i] = 1;
	for (size_t k = 0; k < m->n_components; k++) {
		size_t chosen = 0;
		real coin;
		double left;

		rng_uniform(&f->rng, &coin, 1);
		for (left = (double)coin * total; chosen + 1 < n && left >= distance2[chosen]; chosen++)
			left -= distance2[chosen];
		memcpy(m->mean + k * d, f->x + chosen * d, d * sizeof *m->mean);
		total = 0;
		for (size_t i = 0; i < n; i++) {
			double now = mixture_squared_distance(f->x + i * d, m->mean + k * d, d);

			distance2[i] = k == 0 || now < distance2[i] ? now : distance2[i];
			total += distance2[i];
		}
	}
}

/* Shares of 1 to the nearest mean: the largest x . mean - |mean|^2 / 2. */
static void
assign(struct fit *f, const struct mixture *m, size_t n)
{
	const size_t n_components = m->n_components;
	double half[MIXTURE_MAX_COMPONENTS];

	for (size_t k = 0; k < n_components; k++)
		half[k] = kernel_dot(m->mean + k * f->d, m->mean + k * f->d, f->d) / 2;
	kernel_affine(f->share, f->x, m->mean, NULL, n, n_components, f->d, ACTIVATION_NONE, f->threads);
	for (size_t i = 0; i < n; i++) {
		real *row = f->share + i * n_components;
		size_t best = 0;

		for (size_t k = 1; k < n_components; k++)
			if ((double)row[k] - half[k] > (double)row[best] - half[best])
				best = k;
		for (size_t k = 0; k < n_components; k++)
			row[k] = k == best;
	}
}

static void
begin(struct fit *f, struct mixture *m, size_t n)
{
	const size_t size = f->rank * f->d;

	draw_centres(f, m, n);
	for (int round = 0; round < LLOYD_ROUNDS; round++) {
		assign(f, m, n);
		maximise_means(f, m, n);
	}
	assign(f, m, n);
	if (is_full(f))
		return;
	if (m->n_components > 1) {
		for (size_t k = 0; k < m->n_components; k++)
			memcpy(m->direction + k * size, f->pool->direction, size * sizeof *m->direction);
	} else {
		rng_normal(&f->rng, m->direction, size);
		mixture_orthonormalise(m->direction, f->rank, f->d);
	}
}

/* ---- The whole ---------------------------------------------------------------------------------------------- */

static void
layout(struct fit *f, struct arena *arena, size_t n_components)
{
	f->centre = arena_take(arena, f->d);
	f->x = arena_take(arena, f->n * f->d);
	f->share = arena_take(arena, f->n * n_components);
	f->rows = arena_take(arena, CHUNK * f->d);
	f->coordinates = arena_take(arena, (CHUNK > f->rank ? CHUNK : f->rank) * f->rank);
	f->product = arena_take(arena, f->rank * f->d);
	f->product2 = arena_take(arena, f->rank * f->d);
}

/* The rows in random order, about their mean. */
static void
take_rows(struct fit *f, const real *x, const uint32_t *order)
{
	const real limit = (real)MIXTURE_LIMIT;
	double *sum = f->sum;

	for (size_t i = 0; i < f->n; i++)
		for (size_t j = 0; j < f->d; j++) {
			real v = x[order[i] * f->d + j];

			v = v < limit ? v : limit;
			f->x[i * f->d + j] = v > -limit ? v : -limit;
		}
	memset(sum, 0, f->d * sizeof *sum);
	for (size_t i = 0; i < f->n; i++)
		for (size_t j = 0; j < f->d; j++)
			sum[j] += (double)f->x[i * f->d + j];
	for (size_t j = 0; j < f->d; j++)
		f->centre[j] = (real)(sum[j] / (double)f->n);
	for (size_t i = 0; i < f->n; i++)
		kernel_add_scaled(f->x + i * f->d, -1, f->centre, f->d);
}

/* The second moment of the first n rows: the same for every number of components. */
static void
take_moments(struct fit *f, size_t n)
{
	const size_t d = f->d;

	f->mean_square = 0;
	for (size_t i = 0; i < n; i++)
		f->mean_square += kernel_dot(f->x + i * d, f->x + i * d, d) / (double)n;
	if (!is_full(f))
		return;
	memset(f->moment, 0, d * d * sizeof *f->moment);
	for (size_t done = 0; done < n; done += CHUNK) {
		size_t take = n - done < CHUNK ? n - done : CHUNK;
		const real *rows = f->x + done * d;

		kernel_affine_backward_weights(f->product, NULL, rows, rows, take, take, d, d, f->threads);
		for (size_t i = 0; i < d * d; i++)
			f->moment[i] += (double)f->product[i] / (double)n;
	}
}

/* Multiplications that n_components will take at most. */
static double
cost(const struct fit *f, size_t n_components)
{
	double step = (double)(n_components * f->rank) + 2 * (double)f->rank;

	return (double)default_iterations(f) * (double)f->n * (double)f->d * step;
}

static void
keep(struct mixture **best, struct mixture **candidate)
{
	mixture_free(*best);
	*best = *candidate;
	*candidate = NULL;
}

/* Doubles the number of components until the rows behind the first n are no better for it twice in a row. *best: NULL
 * means one. */
static enum status
choose(struct fit *f, size_t n, size_t most, struct mixture **best, struct mixture_report *r, struct err *e)
{
	struct mixture *candidate = NULL;
	enum status s = OK;
	size_t failures = 0;

	for (size_t k = 2; k <= most && failures < 2 && f->spent + cost(f, k) < BUDGET; k *= 2) {
		size_t iterations;
		double fitted, held_out;

		if ((s = mixture_make(k, f->d, f->rank, &candidate, e)))
			break;
		begin(f, candidate, n);
		if ((s = run(f, candidate, n, &iterations, &fitted, e)))
			break;
		held_out = expect(f, candidate, n, f->n - n, NULL);
		if (held_out > r->held_out + WORTH_DOUBLING) {
			r->held_out = held_out;
			keep(best, &candidate);
			failures = 0;
		} else {
			mixture_free(candidate);
			candidate = NULL;
			failures++;
		}
	}
	mixture_free(candidate);
	return s;
}

static void
fit_release(struct fit *f)
{
	mixture_free(f->pool);
	free(f->block);
	free(f->numbers);
}

static enum status
fit_init(struct fit *f, size_t most, struct err *e)
{
	const struct mixture widest = {.n_components = most, .d = f->d, .rank = f->rank};
	const size_t n_square = KERNEL_EIGEN_MAX * KERNEL_EIGEN_MAX;
	struct arena arena = {0};

	layout(f, &arena, most);
	mixture_workspace(&f->w, &widest, TILE, &arena);
	f->block = aligned_alloc(64, arena.used * sizeof *f->block);
	f->numbers = malloc((f->d + f->n + 3 * n_square) * sizeof *f->numbers);
	if (!f->block || !f->numbers)
		return err_nomem(e);
	arena = (struct arena){.block = f->block};
	layout(f, &arena, most);
	mixture_workspace(&f->w, &widest, TILE, &arena);
	f->moment = f->numbers;
	f->square = f->moment + n_square;
	f->log_density = f->square + 2 * n_square;
	f->sum = f->log_density + f->n;
	return mixture_make(1, f->d, f->rank, &f->pool, e);
}

enum status
mixture_fit(const real *x, size_t n, size_t d, const struct mixture_options *o, struct mixture **out,
	struct mixture_report *report, struct err *e)
{
	const size_t n_train = n < 2 * HELD_OUT ? n : n - n / HELD_OUT;
	size_t most = o->max_components ? o->max_components : DEFAULT_COMPONENTS;
	struct fit f = {.options = o,
		.n = n,
		.d = d,
		.rank = d <= MIXTURE_FULL ? d : MIXTURE_RANK,
		.ridge = o->ridge > 0 ? o->ridge : DEFAULT_RIDGE,
		.threads = o->threads > 0 ? o->threads : 1};
	struct mixture *best = NULL;
	struct mixture_report r = {0};
	uint32_t *order = NULL;
	enum status s;

	if (!n || !d)
		return err_set(e, ERR_DATA, "no_rows", "a mixture needs at least one row and one column");
	if (n > UINT32_MAX || d > MIXTURE_MAX_FEATURES)
		return err_set(
			e, ERR_TOO_LARGE, "too_large", "%zu rows of %zu columns are too many for a mixture", n, d);
	most = most < n_train / MIXTURE_MIN_ROWS ? most : n_train / MIXTURE_MIN_ROWS;
	most = most < 1 ? 1 : most > MIXTURE_MAX_COMPONENTS ? MIXTURE_MAX_COMPONENTS : most;
	rng_init(&f.rng, o->seed, 0);
	order = malloc(n * sizeof *order);
	if (!order) {
		s = err_nomem(e);
		goto out;
	}
	if ((s = fit_init(&f, most, e)))
		goto out;
	rng_permutation(&f.rng, order, n);
	take_rows(&f, x, order);
	take_moments(&f, n_train);
	begin(&f, f.pool, n_train);
	if ((s = run(&f, f.pool, n_train, &r.iterations, &r.fitted, e)))
		goto out;
	r.held_out = r.held_out_single = n_train < n ? expect(&f, f.pool, n_train, n - n_train, NULL) : r.fitted;
	if ((s = choose(&f, n_train, most, &best, &r, e)))
		goto out;
	if (!best) {
		best = f.pool;
		f.pool = NULL;
	}
	if (n_train < n) { /* now on all rows, from where it is */
		take_moments(&f, n);
		expect(&f, best, 0, n, f.share);
		if ((s = run(&f, best, n, &r.iterations, &r.fitted, e)))
			goto out;
	}
	memcpy(best->centre, f.centre, d * sizeof *best->centre);
	r.n_components = best->n_components;
	if (report)
		*report = r;
	*out = best;
	best = NULL;
out:
	mixture_free(best);
	fit_release(&f);
	free(order);
	return s;
}
