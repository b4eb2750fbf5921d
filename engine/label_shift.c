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
