/* mixture: see mixture.h and mixture_parts.h. Densities, samples and bytes; how one is fitted is in mixture_fit.c. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/mixture_parts.h"
#include "engine/simd.h"

#define LOG_2PI 1.8378770664093454836

/* Variances between which everything below stays finite, for values within MIXTURE_LIMIT. */
#define LEAST_VARIANCE 1e-12
#define MOST_VARIANCE 1e12

/* ---- Parts -------------------------------------------------------------------------------------------------- */

static void
layout(struct mixture *m, struct arena *arena)
{
	const size_t d = m->d, n = m->n_components;

	m->centre = arena_take(arena, d);
	m->mean = arena_take(arena, n * d);
	m->direction = arena_take(arena, n * m->rank * d);
	m->offset = arena_take(arena, n * m->rank);
}

enum status
mixture_make(size_t n_components, size_t d, size_t rank, struct mixture **out, struct err *e)
{
	struct mixture *m = calloc(1, sizeof *m);
	struct arena arena = {0};

	if (!m)
		return err_nomem(e);
	m->n_components = n_components;
	m->d = d;
	m->rank = rank;
	layout(m, &arena);
	m->block = calloc(arena.used, sizeof *m->block);
	m->numbers = calloc(n_components * (3 + 2 * rank), sizeof *m->numbers);
	if (!m->block || !m->numbers) {
		mixture_free(m);
		return err_nomem(e);
	}
	arena = (struct arena){.block = m->block};
	layout(m, &arena);
	m->weight = m->numbers;
	m->noise = m->weight + n_components;
	m->log_scale = m->noise + n_components;
	m->variance = m->log_scale + n_components;
	m->precision = m->variance + n_components * rank;
	*out = m;
	return OK;
}

void
mixture_free(struct mixture *m)
{
	if (!m)
		return;
	free(m->block);
	free(m->numbers);
	free(m);
}

void
mixture_derive(struct mixture *m)
{
	const size_t d = m->d, rank = m->rank;

	for (size_t k = 0; k < m->n_components; k++) {
		double log_determinant = rank < d ? (double)(d - rank) * log(m->noise[k]) : 0;

		for (size_t j = k * rank; j < (k + 1) * rank; j++) {
			log_determinant += log(m->variance[j]);
			m->precision[j] = 1 / m->variance[j];
			m->offset[j] = (real)-kernel_dot(m->direction + j * d, m->mean + k * d, d);
		}
		m->log_scale[k] = log(m->weight[k]) - ((double)d * LOG_2PI + log_determinant) / 2;
	}
}

void
mixture_orthonormalise(real *u, size_t rank, size_t d)
{
	for (size_t j = 0; j < rank; j++) {
		real *row = u + j * d;
		double before = kernel_dot(row, row, d), left;

		for (int pass = 0; pass < 2; pass++) /* the second takes what the rounding of the first left over */
			for (size_t i = 0; i < j; i++)
				kernel_add_scaled(row, (real)-kernel_dot(u + i * d, row, d), u + i * d, d);
		left = kernel_dot(row, row, d);
		if (left > 1e-8 * before && left > 0)
			for (size_t i = 0; i < d; i++)
				row[i] = (real)((double)row[i] / sqrt(left));
		else
			memset(row, 0, d * sizeof *row);
	}
}

/* The principal directions of S = F^T F + noise I, F [rank][d], by those of the smaller of F F^T and F^T F. */
static void
principal_directions(struct mixture *m, size_t k, const double *factor, double noise)
{
	const size_t d = m->d, rank = m->rank;
	double a[KERNEL_EIGEN_MAX * KERNEL_EIGEN_MAX], value[KERNEL_EIGEN_MAX];
	real *u = m->direction + k * rank * d;

	for (size_t i = 0; i < rank; i++)
		for (size_t j = 0; j < rank; j++) {
			double sum = 0;

			for (size_t l = 0; l < d; l++)
				sum += rank < d ? factor[i * d + l] * factor[j * d + l]
						: factor[l * d + i] * factor[l * d + j];
			a[i * rank + j] = sum;
		}
	kernel_symmetric_eigen(a, value, rank);
	m->noise[k] = rank < d ? noise : 0;
	for (size_t j = 0; j < rank; j++) {
		size_t from = rank - 1 - j; /* the largest first */
		double extra = value[from] > 0 ? value[from] : 0;

		if (rank < d && extra <= 1e-12 * value[rank - 1])
			extra = 0;
		m->variance[k * rank + j] = extra + noise;
		for (size_t l = 0; l < d; l++) {
			double sum = rank < d ? 0 : a[from * rank + l];

			for (size_t i = 0; i < rank && rank < d && extra > 0; i++)
				sum += a[from * rank + i] * factor[i * d + l] / sqrt(extra);
			u[j * d + l] = (real)sum;
		}
	}
	mixture_orthonormalise(u, rank, d);
}

static enum status
not_a_density(const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID, "not_a_density", "a mixture cannot have %s", what);
}

static enum status
check_parts(size_t n_components, size_t d, size_t rank, const double *weight, const double *mean, const double *factor,
	const double *noise, struct err *e)
{
	if (n_components < 1 || n_components > MIXTURE_MAX_COMPONENTS || d < 1 || d > MIXTURE_MAX_FEATURES)
		return not_a_density("that many components or columns", e);
	if (rank > d || rank > KERNEL_EIGEN_MAX)
		return not_a_density("that many directions", e);
	for (size_t k = 0; k < n_components; k++)
		if (!(weight[k] > 0 && weight[k] < MOST_VARIANCE) ||
			!(noise[k] >= LEAST_VARIANCE && noise[k] <= MOST_VARIANCE))
			return not_a_density("a weight or variance that is not positive", e);
	for (size_t i = 0; i < n_components * d; i++)
		if (!(fabs(mean[i]) <= MIXTURE_LIMIT))
			return not_a_density("a mean beyond its limit", e);
	for (size_t i = 0; i < n_components * rank * d; i++)
		if (!(fabs(factor[i]) <= MIXTURE_LIMIT))
			return not_a_density("a direction beyond its limit", e);
	return OK;
}

enum status
mixture_new(size_t n_components, size_t d, size_t rank, const double *weight, const double *mean, const double *factor,
	const double *noise, struct mixture **out, struct err *e)
{
	double total = 0;
	struct mixture *m;
	enum status s;

	if ((s = check_parts(n_components, d, rank, weight, mean, factor, noise, e)) ||
		(s = mixture_make(n_components, d, rank, &m, e)))
		return s;
	for (size_t k = 0; k < n_components; k++)
		total += weight[k];
	for (size_t k = 0; k < n_components; k++) {
		m->weight[k] = weight[k] / total;
		principal_directions(m, k, factor + k * rank * d, noise[k]);
	}
	for (size_t i = 0; i < d; i++) {
		double centre = 0;

		for (size_t k = 0; k < n_components; k++)
			centre += m->weight[k] * mean[k * d + i];
		m->centre[i] = (real)centre;
		for (size_t k = 0; k < n_components; k++)
			m->mean[k * d + i] = (real)(mean[k * d + i] - (double)m->centre[i]);
	}
	mixture_derive(m);
	*out = m;
	return OK;
}

size_t
mixture_n_components(const struct mixture *m)
{
	return m->n_components;
}

size_t
mixture_n_features(const struct mixture *m)
{
	return m->d;
}

double
mixture_weight(const struct mixture *m, size_t k)
{
	return m->weight[k];
}

void
mixture_mean(const struct mixture *m, size_t k, double *mean)
{
	for (size_t i = 0; i < m->d; i++)
		mean[i] = (double)m->centre[i] + (double)m->mean[k * m->d + i];
}

size_t
mixture_nearest(const struct mixture *m, const real *x)
{
	double least = INFINITY;
	size_t nearest = 0;

	for (size_t k = 0; k < m->n_components; k++) {
		const real *mean = m->mean + k * m->d;
		double distance = 0;

		for (size_t i = 0; i < m->d && distance < least; i++)
			distance += fabs((double)x[i] - (double)m->centre[i] - (double)mean[i]);
		if (distance < least) {
			least = distance;
			nearest = k;
		}
	}
	return nearest;
}

/* ---- Density and gradient ----------------------------------------------------------------------------------- */

void
mixture_workspace(struct mixture_workspace *w, const struct mixture *m, size_t n, struct arena *arena)
{
	*w = (struct mixture_workspace){.n = n};
	w->x = arena_take(arena, n * m->d);
	w->projection = arena_take(arena, n * m->n_components * m->rank);
	w->responsibility = arena_take(arena, n * m->n_components);
	w->gradient = arena_take(arena, n * m->d);
}

enum { PARTS = 16 }; /* partial sums in a fixed order: vectorises without reassociation */

SIMD_CLONES double
mixture_squared_distance(const real *x, const real *y, size_t n)
{
	double part[PARTS] = {0}, sum = 0;
	size_t i = 0;

	for (; i + PARTS <= n; i += PARTS)
		for (size_t j = 0; j < PARTS; j++) {
			double r = (double)(x[i + j] - y[i + j]);

			part[j] += r * r;
		}
	for (; i < n; i++)
		part[i % PARTS] += (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
	for (size_t j = 0; j < PARTS; j++)
		sum += part[j];
	return sum;
}

/* sum p_j^2 into *inside, sum p_j^2 / lambda_j returned. */
SIMD_CLONES static double
squared_coordinates(const real *p, const double *precision, size_t n, double *inside)
{
	double plain[PARTS] = {0}, scaled[PARTS] = {0}, sum = 0, sum_scaled = 0;
	size_t i = 0;

	for (; i + PARTS <= n; i += PARTS)
		for (size_t j = 0; j < PARTS; j++) {
			double square = (double)p[i + j] * (double)p[i + j];

			plain[j] += square;
			scaled[j] += square * precision[i + j];
		}
	for (; i < n; i++) {
		double square = (double)p[i] * (double)p[i];

		plain[i % PARTS] += square;
		scaled[i % PARTS] += square * precision[i];
	}
	for (size_t j = 0; j < PARTS; j++) {
		sum += plain[j];
		sum_scaled += scaled[j];
	}
	*inside = sum;
	return sum_scaled;
}

static double
log_joint(const struct mixture *m, size_t k, const real *x, const real *projection)
{
	double inside, quadratic;

	quadratic = squared_coordinates(projection, m->precision + k * m->rank, m->rank, &inside);
	if (m->rank < m->d) {
		double outside = mixture_squared_distance(x, m->mean + k * m->d, m->d) - inside;

		quadratic += outside > 0 ? outside / m->noise[k] : 0;
	}
	return m->log_scale[k] - quadratic / 2;
}

void
mixture_pass(
	const struct mixture *m, const real *centred, size_t n, struct mixture_workspace *w, double *out, int threads)
{
	const size_t n_components = m->n_components, n_directions = n_components * m->rank;

	if (n_directions)
		kernel_affine(w->projection, centred, m->direction, m->offset, n, n_directions, m->d, ACTIVATION_NONE,
			threads);
	for (size_t i = 0; i < n; i++) {
		double joint[MIXTURE_MAX_COMPONENTS], top = -INFINITY, sum = 0;

		for (size_t k = 0; k < n_components; k++) {
			joint[k] = log_joint(m, k, centred + i * m->d, w->projection + i * n_directions + k * m->rank);
			top = joint[k] > top ? joint[k] : top;
		}
		for (size_t k = 0; k < n_components; k++)
			sum += joint[k] = exp(joint[k] - top);
		for (size_t k = 0; k < n_components; k++)
			w->responsibility[i * n_components + k] = (real)(joint[k] / sum);
		out[i] = top + log(sum);
	}
}

SIMD_CLONES static void
centre_row(real *to, const real *x, const real *centre, size_t d)
{
	const real limit = (real)MIXTURE_LIMIT;

	for (size_t i = 0; i < d; i++) {
		real v = x[i] < limit ? x[i] : limit;

		to[i] = (v > -limit ? v : -limit) - centre[i];
	}
}

/* Rows x within MIXTURE_LIMIT and about the centre. */
static void
centre(const struct mixture *m, const real *x, size_t n, real *out)
{
	for (size_t i = 0; i < n; i++)
		centre_row(out + i * m->d, x + i * m->d, m->centre, m->d);
}

SIMD_CLONES static void
add_towards(real *gradient, real a, const real *mean, const real *x, size_t d)
{
	for (size_t i = 0; i < d; i++)
		gradient[i] += a * (mean[i] - x[i]);
}

/*
 * -sum_k p(k|x) S_k^-1 r_k, after the pass: along the directions by one product of all components, and what is left by
 * rows.
 */
static void
gradient_of_pass(const struct mixture *m, size_t n, struct mixture_workspace *w, int threads)
{
	const size_t d = m->d, rank = m->rank, n_components = m->n_components, n_directions = n_components * rank;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_components; k++) {
			const double own = (double)w->responsibility[i * n_components + k];
			const double rest = rank < d ? 1 / m->noise[k] : 0;
			real *p = w->projection + i * n_directions + k * rank;

			for (size_t j = 0; j < rank; j++)
				p[j] *= (real)(own * (rest - m->precision[k * rank + j]));
		}
	if (n_directions)
		kernel_affine_backward_input(
			w->gradient, w->projection, m->direction, NULL, n, n_directions, d, threads);
	else
		memset(w->gradient, 0, n * d * sizeof *w->gradient);
	if (rank == d)
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_components; k++) {
			double own = (double)w->responsibility[i * n_components + k];

			if (own > 0)
				add_towards(w->gradient + i * d, (real)(own / m->noise[k]), m->mean + k * d,
					w->x + i * d, d);
		}
}

void
mixture_log_density(const struct mixture *m, const real *x, size_t n, struct mixture_workspace *w, double *log_density,
	real *gradient, int threads)
{
	for (size_t done = 0; done < n; done += w->n) {
		size_t take = n - done < w->n ? n - done : w->n;

		centre(m, x + done * m->d, take, w->x);
		mixture_pass(m, w->x, take, w, log_density + done, threads);
		if (!gradient)
			continue;
		gradient_of_pass(m, take, w, threads);
		memcpy(gradient + done * m->d, w->gradient, take * m->d * sizeof *gradient);
	}
}

/* ---- Samples ------------------------------------------------------------------------------------------------ */

static size_t
component_at(const struct mixture *m, double u)
{
	size_t k = 0;

	while (k + 1 < m->n_components && u >= m->weight[k])
		u -= m->weight[k++];
	return k;
}

/* mu + s z + U^T (sqrt(lambda) - s) U z has the covariance S for a standard normal z, whatever the rank. */
static void
sample_tile(const struct mixture *m, struct rng *rng, size_t n, struct mixture_workspace *w, real *out, int threads)
{
	const size_t d = m->d, rank = m->rank, n_components = m->n_components, n_directions = n_components * rank;

	rng_uniform(rng, w->gradient, n);
	for (size_t i = 0; i < n; i++) {
		size_t own = component_at(m, (double)w->gradient[i]);

		for (size_t k = 0; k < n_components; k++)
			w->responsibility[i * n_components + k] = k == own;
	}
	rng_normal(rng, w->x, n * d);
	if (n_directions)
		kernel_affine(w->projection, w->x, m->direction, NULL, n, n_directions, d, ACTIVATION_NONE, threads);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_components; k++) {
			const real own = w->responsibility[i * n_components + k];
			real *p = w->projection + i * n_directions + k * rank;

			for (size_t j = 0; j < rank; j++)
				p[j] *= own * (real)(sqrt(m->variance[k * rank + j]) - sqrt(m->noise[k]));
		}
	if (n_directions)
		kernel_affine_backward_input(
			w->gradient, w->projection, m->direction, NULL, n, n_directions, d, threads);
	else
		memset(w->gradient, 0, n * d * sizeof *w->gradient);
	for (size_t i = 0; i < n; i++) {
		const real *z = w->x + i * d, *along = w->gradient + i * d;
		size_t k = 0;
		real scale;

		while (w->responsibility[i * n_components + k] == 0)
			k++;
		scale = (real)sqrt(m->noise[k]);
		for (size_t j = 0; j < d; j++)
			out[i * d + j] = m->centre[j] + m->mean[k * d + j] + scale * z[j] + along[j];
	}
}

void
mixture_sample(const struct mixture *m, struct rng *rng, size_t n, struct mixture_workspace *w, real *out, int threads)
{
	for (size_t done = 0; done < n; done += w->n)
		sample_tile(m, rng, n - done < w->n ? n - done : w->n, w, out + done * m->d, threads);
}

/* ---- Bytes -------------------------------------------------------------------------------------------------- */

static void
put_reals(struct buf *out, const real *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_put_f32(out, (float)v[i]);
}

void
mixture_write(const struct mixture *m, struct buf *out)
{
	const size_t n = m->n_components;

	buf_put_u32(out, (uint32_t)n);
	buf_put_u32(out, (uint32_t)m->d);
	buf_put_u32(out, (uint32_t)m->rank);
	buf_put_f64s(out, m->weight, n);
	buf_put_f64s(out, m->noise, n);
	buf_put_f64s(out, m->variance, n * m->rank);
	put_reals(out, m->centre, m->d);
	put_reals(out, m->mean, n * m->d);
	put_reals(out, m->direction, n * m->rank * m->d);
}

static bool
take_reals(struct reader *in, real *v, size_t n, double limit)
{
	for (size_t i = 0; i < n; i++) {
		v[i] = (real)reader_f32(in);
		if (!(fabs((double)v[i]) <= limit))
			return false;
	}
	return !in->failed;
}

static bool
variances_hold(const struct mixture *m)
{
	double total = 0;

	for (size_t k = 0; k < m->n_components; k++) {
		double floor = LEAST_VARIANCE;

		total += m->weight[k];
		if (!(m->weight[k] > 0))
			return false;
		if (m->rank < m->d)
			floor = m->noise[k];
		else if (m->noise[k] != 0)
			return false;
		if (!(floor >= LEAST_VARIANCE && floor <= MOST_VARIANCE))
			return false;
		for (size_t j = k * m->rank; j < (k + 1) * m->rank; j++)
			if (!(m->variance[j] >= floor && m->variance[j] <= MOST_VARIANCE))
				return false;
	}
	return fabs(total - 1) < 1e-6;
}

/* Orthonormal to what single precision leaves of that; rows of zeros may stand for the noise alone. */
static bool
directions_hold(const struct mixture *m, size_t k)
{
	const real *u = m->direction + k * m->rank * m->d;

	for (size_t i = 0; i < m->rank; i++) {
		double length2 = kernel_dot(u + i * m->d, u + i * m->d, m->d);
		bool empty = length2 == 0 && m->rank < m->d && m->variance[k * m->rank + i] == m->noise[k];

		if (!empty && !(fabs(length2 - 1) < 1e-4))
			return false;
		for (size_t j = 0; j < i; j++)
			if (!(fabs(kernel_dot(u + i * m->d, u + j * m->d, m->d)) < 1e-4))
				return false;
	}
	return true;
}

static enum status
corrupt(const char *what, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "corrupt_model", "the mixture's bytes are damaged: %s", what);
}

enum status
mixture_read(struct reader *in, struct mixture **out, struct err *e)
{
	size_t n = reader_u32(in), d = reader_u32(in), rank = reader_u32(in);
	struct mixture *m = NULL;
	enum status s;

	if (in->failed || n < 1 || n > MIXTURE_MAX_COMPONENTS || d < 1 || d > MIXTURE_MAX_FEATURES || rank > d ||
		rank > KERNEL_EIGEN_MAX)
		return corrupt("impossible sizes", e);
	/* At most 2^6 2^6 2^20 numbers: no overflow. */
	if (d + n * d + n * rank * d > reader_max_items(in, sizeof(float)))
		return corrupt("they end too early", e);
	if ((s = mixture_make(n, d, rank, &m, e)))
		return s;
	reader_f64s(in, m->weight, n);
	reader_f64s(in, m->noise, n);
	reader_f64s(in, m->variance, n * rank);
	if (in->failed || !variances_hold(m))
		s = corrupt("impossible weights or variances", e);
	else if (!take_reals(in, m->centre, d, MIXTURE_LIMIT) || !take_reals(in, m->mean, n * d, 2 * MIXTURE_LIMIT) ||
		 !take_reals(in, m->direction, n * rank * d, 2))
		s = corrupt("impossible means or directions", e);
	for (size_t k = 0; k < n && !s; k++)
		if (!directions_hold(m, k))
			s = corrupt("directions that are not at right angles", e);
	if (s) {
		mixture_free(m);
		return s;
	}
	mixture_derive(m);
	*out = m;
	return OK;
}
