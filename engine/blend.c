/*
 * blend: see blend.h. In the logarithms of the weights, where they stay positive and the prior is a normal one, the
 * objective is smooth and of few dimensions: Newton's method, with the part of the curvature that is never negative
 * (Gauss-Newton), and steps halved until they descend.
 */
#include "engine/blend.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where it is not said otherwise a deviation of the prior is a factor of 2.7. */
#define PRIOR_PRECISION 1.0

enum { MAX_ITERATIONS = 60, MAX_HALVINGS = 30 };

struct curve { /* of the objective at a point */
	double value;
	double gradient[BLEND_MAX];
	double curvature[BLEND_MAX][BLEND_MAX];
};

static double
log_b(const struct blend_data *d, size_t m, size_t i, size_t k)
{
	return log((1 - BLEND_DOUBT) * (double)d->p[m][i * d->n_classes + k] + BLEND_DOUBT / (double)d->n_classes);
}

/* Row i's blended logit of class k, sum_m w_m log b_m. */
static double
pooled(const struct blend_data *d, const double *w, size_t i, size_t k)
{
	double z = 0;

	for (size_t m = 0; m < d->n_members; m++)
		z += w[m] * log_b(d, m, i, k);
	return z;
}

/* q [n_classes]: the blend's probabilities of row i. Returns its log normaliser. */
static double
pool_row(const struct blend_data *d, size_t i, const double *w, double *q)
{
	double top = -DBL_MAX, sum = 0;

	for (size_t k = 0; k < d->n_classes; k++) {
		q[k] = pooled(d, w, i, k);
		top = q[k] > top ? q[k] : top;
	}
	for (size_t k = 0; k < d->n_classes; k++)
		sum += q[k] = exp(q[k] - top);
	for (size_t k = 0; k < d->n_classes; k++)
		q[k] /= sum;
	return top + log(sum);
}

void
blend_row(const struct blend_data *d, size_t i, const double w[BLEND_MAX], float *out)
{
	double top = -DBL_MAX, sum = 0;

	for (size_t k = 0; k < d->n_classes; k++) {
		double z = pooled(d, w, i, k);

		out[k] = (float)z;
		top = z > top ? z : top;
	}
	for (size_t k = 0; k < d->n_classes; k++) {
		double odds = exp((double)out[k] - top);

		sum += odds;
		out[k] = (float)odds;
	}
	for (size_t k = 0; k < d->n_classes; k++)
		out[k] = (float)((double)out[k] / sum);
}

/* One row's loss, and what it adds to gradient and curvature in w. */
static void
add_row(const struct blend_data *d, size_t i, const double *w, double *q, struct curve *c)
{
	const size_t y = (size_t)d->y[i], n_members = d->n_members;
	double at_y = 0, mean[BLEND_MAX] = {0}, product[BLEND_MAX][BLEND_MAX] = {{0}};
	double log_normaliser = pool_row(d, i, w, q);

	for (size_t k = 0; k < d->n_classes; k++) {
		double l[BLEND_MAX];

		for (size_t m = 0; m < n_members; m++) {
			l[m] = log_b(d, m, i, k);
			mean[m] += q[k] * l[m];
			for (size_t j = 0; j <= m; j++)
				product[m][j] += q[k] * l[m] * l[j];
		}
	}
	for (size_t m = 0; m < n_members; m++) {
		double of_y = log_b(d, m, i, y);

		at_y += w[m] * of_y;
		c->gradient[m] += mean[m] - of_y;
		for (size_t j = 0; j <= m; j++)
			c->curvature[m][j] += product[m][j] - mean[m] * mean[j];
	}
	c->value += log_normaliser - at_y;
}

static void
trace(const struct blend_data *d, const uint32_t *fold, size_t leave_out, const double *prior, const double *log_w,
	double *q, struct curve *c)
{
	double w[BLEND_MAX];

	*c = (struct curve){0};
	for (size_t m = 0; m < d->n_members; m++)
		w[m] = exp(log_w[m]);
	for (size_t i = 0; i < d->n; i++)
		if (!leave_out || fold[i] != leave_out - 1)
			add_row(d, i, w, q, c);
	for (size_t m = 0; m < d->n_members; m++) {
		const double off = log_w[m] - log(prior[m]);
		const double precision = d->precision[m] > 0 ? d->precision[m] : PRIOR_PRECISION;

		c->value += precision / 2 * off * off;
		c->gradient[m] = c->gradient[m] * w[m] + precision * off;
		for (size_t j = 0; j <= m; j++)
			c->curvature[m][j] = c->curvature[j][m] = c->curvature[m][j] * w[m] * w[j];
		c->curvature[m][m] += precision;
	}
}

/* Solves curvature * step = gradient. The curvature is at least the prior's: elimination needs no pivots. */
static void
newton_step(struct curve c, size_t n, double *step)
{
	for (size_t m = 0; m < n; m++) {
		for (size_t j = m + 1; j < n; j++) {
			double f = c.curvature[j][m] / c.curvature[m][m];

			for (size_t k = m; k < n; k++)
				c.curvature[j][k] -= f * c.curvature[m][k];
			c.gradient[j] -= f * c.gradient[m];
		}
	}
	for (size_t m = n; m-- > 0;) {
		step[m] = c.gradient[m];
		for (size_t k = m + 1; k < n; k++)
			step[m] -= c.curvature[m][k] * step[k];
		step[m] /= c.curvature[m][m];
	}
}

enum status
blend_fit(const struct blend_data *d, const uint32_t *fold, size_t leave_out, const double prior[BLEND_MAX],
	double w[BLEND_MAX], struct err *e)
{
	double log_w[BLEND_MAX], next[BLEND_MAX], step[BLEND_MAX];
	double *q = malloc(d->n_classes * sizeof *q);
	struct curve here, there;
	bool moved = true;

	if (!q)
		return err_nomem(e);
	for (size_t m = 0; m < d->n_members; m++)
		log_w[m] = log(prior[m]);
	trace(d, fold, leave_out, prior, log_w, q, &here);
	for (size_t t = 0; t < MAX_ITERATIONS && moved; t++) {
		double scale = 1, largest = 0;

		newton_step(here, d->n_members, step);
		for (size_t m = 0; m < d->n_members; m++)
			largest = fmax(largest, fabs(step[m]));
		if (largest > 1) /* a factor of e at a time: far away the curve is another one */
			scale = 1 / largest;
		moved = false;
		for (size_t h = 0; h < MAX_HALVINGS && !moved && largest > 1e-9; h++, scale /= 2) {
			for (size_t m = 0; m < d->n_members; m++)
				next[m] = log_w[m] - scale * step[m];
			trace(d, fold, leave_out, prior, next, q, &there);
			moved = there.value < here.value;
		}
		if (moved) {
			here = there;
			memcpy(log_w, next, sizeof log_w);
		}
	}
	for (size_t m = 0; m < d->n_members; m++)
		w[m] = exp(log_w[m]);
	free(q);
	return OK;
}
