/* label_shift: see label_shift.h. */
#include "engine/label_shift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ITERATIONS = 500 };
#define SETTLED 1e-6 /* the largest change of a share that ends the iteration */

enum status
label_shift_estimate(
	const float *p, size_t n, size_t n_classes, const double *labelled, double pull, double *share, struct err *e)
{
	double *ratio = malloc(n_classes * sizeof *ratio), *sum = malloc(n_classes * sizeof *sum), change = 1;

	if (!ratio || !sum) {
		free(ratio);
		free(sum);
		return err_nomem(e);
	}
	memcpy(share, labelled, n_classes * sizeof *share);
	for (size_t t = 0; n && t < MAX_ITERATIONS && change > SETTLED; t++) {
		for (size_t k = 0; k < n_classes; k++) {
			ratio[k] = share[k] / labelled[k];
			sum[k] = 0;
		}
		for (size_t i = 0; i < n; i++) {
			double total = 0;

			for (size_t k = 0; k < n_classes; k++)
				total += (double)p[i * n_classes + k] * ratio[k];
			for (size_t k = 0; k < n_classes && total > 0; k++)
				sum[k] += (double)p[i * n_classes + k] * ratio[k] / total;
		}
		change = 0;
		for (size_t k = 0; k < n_classes; k++) {
			double next = (sum[k] / (double)n + pull * labelled[k]) / (1 + pull);

			change = fmax(change, fabs(next - share[k]));
			share[k] = next;
		}
	}
	free(ratio);
	free(sum);
	return OK;
}

static double
column_mean(const float *p, size_t n, size_t n_classes, size_t k)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)p[i * n_classes + k];
	return sum / (double)n;
}

/*
 * The variance of the mean answer k, from the rows' variances about the means of their classes: mean and n_of [K] are
 * scratch. A class's only row shows none: it has that of a draw of its answer, the most there can be.
 */
static double
variance_of_mean(const struct label_shift_check *c, size_t k, double *mean, double *n_of)
{
	const double n = (double)c->n_held_back;
	double sum = 0;

	memset(mean, 0, c->n_classes * sizeof *mean);
	memset(n_of, 0, c->n_classes * sizeof *n_of);
	for (size_t i = 0; i < c->n_held_back; i++) {
		mean[c->y[i]] += (double)c->held_back[i * c->n_classes + k];
		n_of[c->y[i]]++;
	}
	for (size_t i = 0; i < c->n_held_back; i++) {
		const double answer = (double)c->held_back[i * c->n_classes + k], of_class = n_of[c->y[i]];
		const double off = answer - mean[c->y[i]] / of_class;

		sum += of_class > 1 ? off * off * of_class / (of_class - 1) : answer * (1 - answer);
	}
	return sum / (n * n);
}

enum status
label_shift_evidence(const struct label_shift_check *c, const double *labelled, double *evidence, struct err *e)
{
	double *mean = malloc(c->n_classes * sizeof *mean), *n_of = malloc(c->n_classes * sizeof *n_of);
	double seen = 0, by_chance = 0;

	if (!mean || !n_of) {
		free(mean);
		free(n_of);
		return err_nomem(e);
	}
	for (size_t k = 0; k < c->n_classes; k++) {
		const double off = column_mean(c->p, c->n, c->n_classes, k) -
				   column_mean(c->held_back, c->n_held_back, c->n_classes, k);

		seen += off * off / labelled[k];
		by_chance += variance_of_mean(c, k, mean, n_of) / labelled[k];
	}
	*evidence = seen > LABEL_SHIFT_CHANCE * by_chance ? 1 - LABEL_SHIFT_CHANCE * by_chance / seen : 0;
	free(mean);
	free(n_of);
	return OK;
}

void
label_shift_temper(const double *labelled, double evidence, double *share, size_t n_classes)
{
	double sum = 0;

	for (size_t k = 0; k < n_classes; k++)
		sum += share[k] = labelled[k] * pow(share[k] / labelled[k], evidence);
	for (size_t k = 0; k < n_classes; k++)
		share[k] /= sum;
}
