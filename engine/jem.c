/* jem: see jem.h. */
#include "engine/jem.h"

#include <math.h>
#include <string.h>

#include "engine/elementary.h"
#include "engine/kernel.h"

void
jem_workspace(struct jem *j, const struct net_shape *s, size_t max_data, size_t max_generated, size_t max_labelled,
	struct arena *arena)
{
	/* The three groups, and the tangents of the data rows below them. */
	size_t rows = 2 * max_data + max_generated + max_labelled;

	*j = (struct jem){.shape = *s};
	for (size_t l = 0; l <= s->n_layers; l++)
		j->a[l] = arena_take(arena, rows * s->size[l]);
	for (size_t l = 0; l <= s->n_layers; l++)
		j->delta[l] = arena_take(arena, rows * s->size[l]);
	j->p = arena_take(arena, rows * s->size[s->n_layers]);
	j->log_p = arena_take(arena, rows);
	j->norm2 = arena_take(arena, rows);
}

real *
jem_input(const struct jem *j, size_t row)
{
	return j->a[0] + row * j->shape.size[0];
}

/* ---- The gradient penalty ----------------------------------------------------------------------------------- */

/*
 * Steps 2 and 3 of section 3, for the first n rows; rows `at` .. at + n - 1 hold what is special to the penalty.
 * Reverse chain from seed p: deltas, and v = grad_x log p in the place of the inputs of those rows. Tangent chain from
 * u = scale * v: a[l] of those rows are the tangents. Returns the sum of |v|^2 / 2.
 */
static double
penalty_chains(struct jem *j, const real *w, size_t n, size_t at, real scale, int threads)
{
	const struct net_shape *s = &j->shape;
	size_t n_classes = s->size[s->n_layers], d = s->size[0];
	real *v = j->a[0] + at * d;
	double sum = 0;

	memcpy(j->delta[s->n_layers] + at * n_classes, j->p, n * n_classes * sizeof *j->p);
	net_backward(s, w, j->a, 0, j->delta, at, n, 1, threads);
	kernel_affine_backward_input(v, j->delta[1] + at * s->size[1], w, NULL, n, s->size[1], d, threads);
	kernel_row_norms(j->norm2, v, n, d);
	for (size_t i = 0; i < n; i++)
		sum += (double)j->norm2[i] / 2;
	for (size_t i = 0; i < n * d; i++)
		v[i] *= scale;
	for (size_t l = 0; l < s->n_layers; l++)
		kernel_affine_tangent(j->a[l + 1] + at * s->size[l + 1], j->a[l] + at * s->size[l],
			w + net_weights_at(s, l), l + 1 < s->n_layers ? j->a[l + 1] : NULL, n, s->size[l + 1],
			s->size[l], threads);
	return sum;
}

/* ---- Output seeds: the gradient of each term in the logits -------------------------------------------------- */

/*
 * A data row. Contrast: -p. Conditional entropy H = -sum p log p: dH/df_k = -p_k (log p_k + H). Penalty, part (b):
 * p (o - p.o), o the tangent at the output, already scaled. Returns H.
 */
static double
seed_data_row(real *seed, const real *p, const real *logits, real log_p, const real *o, real contrast, real beta,
	size_t n_classes)
{
	double entropy = 0, along = 0;

	for (size_t k = 0; k < n_classes; k++)
		entropy -= (double)p[k] * ((double)logits[k] - (double)log_p);
	for (size_t k = 0; o && k < n_classes; k++)
		along += (double)p[k] * (double)o[k];
	for (size_t k = 0; k < n_classes; k++) {
		real of_entropy = -p[k] * (logits[k] - log_p + (real)entropy);
		real of_penalty = o ? p[k] * (o[k] - (real)along) : 0;

		seed[k] = -contrast * p[k] + beta * of_entropy + of_penalty;
	}
	return entropy;
}

static size_t
argmax(const real *x, size_t n)
{
	size_t top = 0;

	for (size_t k = 1; k < n; k++)
		if (x[k] > x[top])
			top = k;
	return top;
}

/* A row whose class is known: adds the gradient of -weight log p(y|x), and returns -log p(y|x). */
static double
add_class_seed(real *seed, const real *p, const real *logits, real log_p, size_t y, real weight, size_t n_classes)
{
	for (size_t k = 0; k < n_classes; k++)
		seed[k] += weight * (p[k] - (k == y ? 1 : 0));
	return (double)log_p - (double)logits[y];
}

/* A row of which is known how likely its classes are: the same for the mean of -log p(y|x) over them. */
static double
add_target_seed(
	real *seed, const real *p, const real *logits, real log_p, const real *target, real weight, size_t n_classes)
{
	double loss = 0;

	for (size_t k = 0; k < n_classes; k++) {
		seed[k] += weight * (p[k] - target[k]);
		loss += (double)target[k] * ((double)log_p - (double)logits[k]);
	}
	return loss;
}

/* log sum p / q of n generated rows, by which their weights add up to 1. */
static double
log_total(const real *log_p, const double *log_q, size_t n)
{
	double top = -(double)INFINITY, sum = 0;

	for (size_t i = 0; i < n; i++)
		top = fmax(top, (double)log_p[i] - log_q[i]);
	for (size_t i = 0; i < n; i++)
		sum += exp((double)log_p[i] - log_q[i] - top);
	return top + log(sum);
}

void
jem_step(struct jem *j, const real *w, size_t n_data, size_t n_generated, size_t n_labelled, const int32_t *y,
	const struct jem_weights *weights, real *gradient, struct jem_terms *terms, int threads)
{
	const struct net_shape *s = &j->shape;
	const size_t n_classes = s->size[s->n_layers], n_rows = n_data + n_generated + n_labelled;
	const bool penalised = n_data && weights->gamma > 0;
	const real *logits = j->a[s->n_layers], *tangent = logits + n_rows * n_classes;
	real *seed = j->delta[s->n_layers];
	const real *p = j->p, *log_p = j->log_p;
	const real per_data = n_data ? 1 / (real)n_data : 0, per_generated = n_generated ? 1 / (real)n_generated : 0;
	const int32_t *y_data = weights->y_data;
	const size_t n_known = n_labelled + (y_data ? n_data : 0);
	const real per_known = n_known ? 1 / (real)n_known : 0;
	const double *log_q = weights->log_q;
	double total = 0, sum_data = 0, sum_generated = 0, sum_entropy = 0, sum_cross = 0, sum_penalty = 0;
	size_t n_right = 0, row = 0;

	net_forward(s, w, j->a, 0, n_rows, threads);
	kernel_softmax(j->p, j->log_p, logits, 1, n_rows, n_classes);
	if (penalised)
		sum_penalty = penalty_chains(j, w, n_data, n_rows, weights->gamma * per_data, threads);

	for (; row < n_data; row++) {
		size_t at = row * n_classes;

		sum_entropy += seed_data_row(seed + at, p + at, logits + at, log_p[row],
			penalised ? tangent + at : NULL, weights->contrast * per_data, weights->beta * per_data,
			n_classes);
		sum_data += (double)log_p[row];
		if (!y_data)
			continue;
		sum_cross += add_class_seed(seed + at, p + at, logits + at, log_p[row], (size_t)y_data[row],
			weights->alpha * per_known, n_classes);
		n_right += argmax(p + at, n_classes) == (size_t)y_data[row];
	}
	if (log_q)
		total = log_total(log_p + n_data, log_q, n_generated);
	for (; row < n_data + n_generated; row++) {
		real weight = per_generated;

		if (log_q)
			weight = (real)exp((double)log_p[row] - log_q[row - n_data] - total);
		for (size_t k = 0; k < n_classes; k++)
			seed[row * n_classes + k] = weights->contrast * weight * p[row * n_classes + k];
		sum_generated += (double)weight * (double)log_p[row];
	}
	for (; row < n_rows; row++) {
		const size_t at = row * n_classes, i = row - n_data - n_generated;
		const real *target = weights->target ? weights->target + i * n_classes : NULL, alpha = weights->alpha;
		const size_t label = target ? argmax(target, n_classes) : (size_t)y[i];

		memset(seed + at, 0, n_classes * sizeof *seed);
		if (target)
			sum_cross += add_target_seed(
				seed + at, p + at, logits + at, log_p[row], target, alpha * per_known, n_classes);
		else
			sum_cross += add_class_seed(
				seed + at, p + at, logits + at, log_p[row], label, alpha * per_known, n_classes);
		n_right += argmax(p + at, n_classes) == label;
	}

	net_backward(s, w, j->a, 0, j->delta, 0, n_rows, 1, threads);
	net_gradient(s, j->a, j->delta, n_rows + (penalised ? n_data : 0), n_rows, gradient, threads);

	*terms = (struct jem_terms){
		.log_p_difference = sum_data * (double)per_data - sum_generated,
		.gradient_penalty = sum_penalty * (double)per_data,
		.conditional_entropy = sum_entropy * (double)per_data,
		.cross_entropy = sum_cross * (double)per_known,
		.accuracy = (double)n_right * (double)per_known,
	};
	terms->loss = -(double)weights->contrast * terms->log_p_difference +
		      (double)weights->gamma * terms->gradient_penalty +
		      (double)weights->beta * terms->conditional_entropy +
		      (double)weights->alpha * terms->cross_entropy;
}

real *
jem_input_gradient(struct jem *j, const real *w, size_t m, int threads)
{
	const struct net_shape *s = &j->shape;

	net_forward(s, w, j->a, 0, m, threads);
	kernel_softmax(j->delta[s->n_layers], j->log_p, j->a[s->n_layers], 1, m, s->size[s->n_layers]);
	net_backward(s, w, j->a, 0, j->delta, 0, m, 0, threads);
	return j->delta[0];
}
