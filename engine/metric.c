/* metric: see metric.h. */
#include "engine/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ranking ------------------------------------------------------------------------------------------------ */

enum { FEW_POSITIVES = 16 }; /* up to so many it is faster to count pairs than to sort */

struct ranked {
	double score;
	unsigned char positive;
};

static int
by_score(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->score, y = ((const struct ranked *)b)->score;

	return (x > y) - (x < y);
}

/* Walks groups of tied scores upwards: pairs (positive above negative) count 1, tied ones 1/2. */
static double
area_under_roc(const struct ranked *r, size_t n)
{
	double below = 0, pairs = 0, n_positive = 0;

	for (size_t i = 0; i < n;) {
		double positive = 0, negative = 0;
		double score = r[i].score;

		for (; i < n && r[i].score == score; i++) {
			positive += r[i].positive ? 1 : 0;
			negative += r[i].positive ? 0 : 1;
		}
		pairs += positive * (below + negative / 2);
		below += negative;
		n_positive += positive;
	}
	return n_positive > 0 && below > 0 ? pairs / (n_positive * below) : NAN;
}

/* Sum over thresholds, from the highest score down, of precision times the recall gained there. */
static double
average_precision(const struct ranked *r, size_t n)
{
	double hits = 0, taken = 0, area = 0;

	for (size_t i = n; i > 0;) {
		double gained = 0;
		double score = r[i - 1].score;

		for (; i > 0 && r[i - 1].score == score; i--) {
			gained += r[i - 1].positive ? 1 : 0;
			taken++;
		}
		hits += gained;
		area += gained * hits / taken;
	}
	return hits > 0 ? area / hits : NAN;
}

/* The same area without a sort, for few positives: of many classes each has few rows, and all rows for the others. */
static double
area_by_pairs(const double *score, const unsigned char *positive, size_t n, size_t n_positive)
{
	double pairs = 0;

	for (size_t i = 0; i < n; i++) {
		size_t below = 0, tied = 0;

		if (!positive[i])
			continue;
		for (size_t j = 0; j < n; j++) {
			below += !positive[j] && score[j] < score[i];
			tied += !positive[j] && score[j] == score[i];
		}
		pairs += (double)below + (double)tied / 2;
	}
	return pairs / ((double)n_positive * (double)(n - n_positive));
}

enum status
metric_auroc(const double *score, const unsigned char *positive, size_t n, double *out, struct err *e)
{
	size_t n_positive = 0;
	struct ranked *r;

	for (size_t i = 0; i < n; i++)
		n_positive += positive[i] != 0;
	if (n_positive && n_positive < n && n_positive <= FEW_POSITIVES) {
		*out = area_by_pairs(score, positive, n, n_positive);
		return OK;
	}
	r = malloc((n ? n : 1) * sizeof *r);
	if (!r)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){.score = score[i], .positive = positive[i]};
	qsort(r, n, sizeof *r, by_score);
	*out = area_under_roc(r, n);
	free(r);
	return OK;
}

/* ---- Classification ----------------------------------------------------------------------------------------- */

void
metrics_release(struct metrics *m)
{
	free(m->per_class);
	free(m->confusion);
	memset(m, 0, sizeof *m);
}

/* Bin b takes (b / BINS, (b + 1) / BINS]. */
static size_t
bin_of(double confidence)
{
	double at = ceil(confidence * METRIC_ECE_BINS) - 1;

	return at < 0 ? 0 : at >= METRIC_ECE_BINS ? METRIC_ECE_BINS - 1 : (size_t)at;
}

/* From sums to means. */
static void
summarise_bins(struct metrics *m)
{
	for (size_t b = 0; b < METRIC_ECE_BINS; b++) {
		struct metric_bin *bin = &m->bin[b];

		m->ece += fabs(bin->confidence - bin->accuracy);
		bin->confidence = bin->n ? bin->confidence / (double)bin->n : NAN;
		bin->accuracy = bin->n ? bin->accuracy / (double)bin->n : NAN;
	}
	m->ece /= (double)m->n;
}

static void
summarise_classes(struct metrics *m)
{
	size_t k = m->n_classes, present = 0, named = 0;

	for (size_t c = 0; c < k; c++) {
		struct metric_class *r = &m->per_class[c];
		size_t hits = m->confusion[c * k + c], predicted = 0;

		for (size_t t = 0; t < k; t++)
			predicted += m->confusion[t * k + c];
		r->precision = predicted ? (double)hits / (double)predicted : 0;
		r->recall = r->support ? (double)hits / (double)r->support : 0;
		r->f1 = predicted + r->support ? 2 * (double)hits / (double)(predicted + r->support) : 0;
		if (r->support) {
			present++;
			m->balanced_accuracy += r->recall;
			m->macro_auroc += r->auroc;
		}
		if (r->support || predicted) {
			named++;
			m->macro_f1 += r->f1;
		}
	}
	m->balanced_accuracy /= (double)present;
	m->macro_auroc /= (double)present;
	m->macro_f1 /= (double)named;
}

enum status
metrics_compute(const float *p, const int32_t *y, size_t n, size_t n_classes, struct metrics *out, struct err *e)
{
	struct metrics m = {.n = n, .n_classes = n_classes};
	unsigned char *positive = malloc(n ? n : 1);
	double *score = malloc((n ? n : 1) * sizeof *score);
	size_t n_right = 0;
	enum status s = OK;

	m.per_class = calloc(n_classes, sizeof *m.per_class);
	m.confusion = calloc(n_classes * n_classes, sizeof *m.confusion);
	if (!m.per_class || !m.confusion || !positive || !score) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		const float *row = p + i * n_classes;
		size_t truth = (size_t)y[i], top = 0;
		double of_truth = (double)row[truth];
		struct metric_bin *bin;

		for (size_t c = 0; c < n_classes; c++) {
			double d = (double)row[c] - (c == truth ? 1 : 0);

			if (row[c] > row[top])
				top = c;
			m.brier += d * d;
		}
		m.confusion[truth * n_classes + top]++;
		m.per_class[truth].support++;
		m.log_loss -= log(of_truth > 1e-15 ? of_truth : 1e-15);
		n_right += top == truth;
		bin = &m.bin[bin_of((double)row[top])];
		bin->n++;
		bin->confidence += (double)row[top];
		bin->accuracy += top == truth ? 1 : 0;
	}
	for (size_t c = 0; c < n_classes && !s; c++) {
		for (size_t i = 0; i < n; i++) {
			score[i] = (double)p[i * n_classes + c];
			positive[i] = (size_t)y[i] == c;
		}
		s = metric_auroc(score, positive, n, &m.per_class[c].auroc, e);
	}
	m.accuracy = (double)n_right / (double)n;
	m.log_loss /= (double)n;
	m.brier /= (double)n;
	summarise_bins(&m);
	summarise_classes(&m);
out:
	free(positive);
	free(score);
	if (s)
		metrics_release(&m);
	else
		*out = m;
	return s;
}

/* ---- Out-of-distribution detection -------------------------------------------------------------------------- */

enum status
metric_ood(const double *in, size_t n_in, const double *out, size_t n_out, struct metric_ood *m, struct err *e)
{
	size_t n = n_in + n_out, rank, accepted = 0, i = 0;
	struct ranked *r = malloc((n ? n : 1) * sizeof *r);

	if (!r)
		return err_nomem(e);
	for (size_t j = 0; j < n; j++)
		r[j] = (struct ranked){.score = j < n_in ? in[j] : out[j - n_in], .positive = j >= n_in};
	qsort(r, n, sizeof *r, by_score);
	m->auroc = area_under_roc(r, n);
	m->average_precision = average_precision(r, n);

	/* The smallest in-distribution score that accepts enough of its kind; ties with it are accepted. */
	m->threshold_at_95_tpr = m->fpr_at_95_tpr = NAN;
	rank = (size_t)ceil(0.95 * (double)n_in);
	for (size_t seen = 0; i < n && seen < rank; i++)
		if (!r[i].positive && ++seen == rank)
			m->threshold_at_95_tpr = r[i].score;
	for (i = 0; i < n; i++)
		accepted += r[i].positive && r[i].score <= m->threshold_at_95_tpr;
	if (n_in && n_out)
		m->fpr_at_95_tpr = (double)accepted / (double)n_out;

	for (i = 0; i < n; i++) {
		r[i].score = -r[i].score;
		r[i].positive = !r[i].positive;
	}
	qsort(r, n, sizeof *r, by_score);
	m->average_precision_in = average_precision(r, n);
	free(r);
	return OK;
}
