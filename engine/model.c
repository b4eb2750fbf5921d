/* model: see model.h. */
#include "engine/model.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/kernel.h"

/* Serving uses one thread a request: requests are many, and a fork would cost more than a small batch. */
enum { THREADS = 1 };

/* A score that absurd weights make infinite is reported as this; NaN never leaves. */
#define SCORE_LIMIT 1e30

enum status
model_new(const struct net_shape *shape, const real *weights, struct model **out, struct err *e)
{
	struct model *m = calloc(1, sizeof *m);
	size_t n = net_size(shape);

	if (m)
		m->weights = malloc(n * sizeof *m->weights);
	if (!m || !m->weights) {
		free(m);
		return err_nomem(e);
	}
	m->shape = *shape;
	m->shape.weight_norm = false;
	memcpy(m->weights, weights, n * sizeof *m->weights);
	m->temperature = 1;
	m->target_fpr = 0.05;
	for (size_t k = 0; k < N_OOD_SCORES; k++)
		m->reference[k].threshold = DBL_MAX;
	*out = m;
	return OK;
}

void
model_free(struct model *m)
{
	if (!m)
		return;
	free(m->weights);
	for (size_t k = 0; k < N_OOD_SCORES; k++)
		free(m->reference[k].score);
	free(m);
}

size_t
model_n_classes(const struct model *m)
{
	return m->shape.size[m->shape.n_layers];
}

size_t
model_n_features(const struct model *m)
{
	return m->shape.size[0];
}

/* ---- References --------------------------------------------------------------------------------------------- */

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
threshold_of(const double *sorted, size_t n, double fpr)
{
	size_t above = (size_t)(fpr * (double)n + 1e-9);

	return n ? sorted[above < n ? n - 1 - above : 0] : DBL_MAX;
}

enum status
model_set_reference(struct model *m, enum ood_score kind, const double *score, size_t n, double fpr, struct err *e)
{
	struct ood_reference *r = &m->reference[kind];
	double *copy = malloc((n ? n : 1) * sizeof *copy);

	if (!copy)
		return err_nomem(e);
	if (n)
		memcpy(copy, score, n * sizeof *copy);
	qsort(copy, n, sizeof *copy, ascending);
	free(r->score);
	*r = (struct ood_reference){.n = n, .score = copy, .threshold = threshold_of(copy, n, fpr)};
	m->target_fpr = fpr;
	return OK;
}

enum status
model_set_fpr(struct model *m, double fpr, struct err *e)
{
	if (!m->reference[m->ood_score].n)
		return err_set(e, ERR_CONFLICT, "no_reference",
			"the model was trained without rows held out, whose scores would say what share of them a "
			"threshold calls out-of-distribution");
	for (size_t k = 0; k < N_OOD_SCORES; k++)
		m->reference[k].threshold = threshold_of(m->reference[k].score, m->reference[k].n, fpr);
	m->target_fpr = fpr;
	return OK;
}

void
model_set_threshold(struct model *m, double threshold)
{
	struct ood_reference *r = &m->reference[m->ood_score];
	size_t above = 0;

	while (above < r->n && r->score[r->n - 1 - above] > threshold)
		above++;
	r->threshold = threshold;
	m->target_fpr = r->n ? (double)above / (double)r->n : 0;
}

double
model_p_value(const struct model *m, enum ood_score kind, double score)
{
	const struct ood_reference *r = &m->reference[kind];
	size_t low = 0, high = r->n; /* the first reference >= score lies in [low, high] */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->score[middle] < score)
			low = middle + 1;
		else
			high = middle;
	}
	return r->n ? (double)(r->n - low) / (double)r->n : 1;
}

/* ---- Answers ------------------------------------------------------------------------------------------------ */

/* Numbers of a workspace that are worth having: a very wide model gets fewer rows at a time instead. */
enum { WORKSPACE_NUMBERS = 8 << 20, MAX_TILE = 256 };

struct model_workspace {
	size_t tile; /* rows it takes at a time */
	real *block;
	real *a[NET_MAX_LAYERS + 1], *delta[NET_MAX_LAYERS + 1];
	real *p, *log_p;
};

/* Lays it out in an arena, or counts what it takes. */
static void
layout_workspace(struct model_workspace *w, const struct model *m, struct arena *arena)
{
	for (size_t l = 0; l <= m->shape.n_layers; l++) {
		w->a[l] = arena_take(arena, w->tile * m->shape.size[l]);
		w->delta[l] = arena_take(arena, w->tile * m->shape.size[l]);
	}
	w->p = arena_take(arena, w->tile * model_n_classes(m));
	w->log_p = arena_take(arena, w->tile);
}

enum status
model_workspace_new(const struct model *m, struct model_workspace **out, struct err *e)
{
	struct model_workspace *w = calloc(1, sizeof *w);
	struct arena arena = {0};
	size_t width = 0;

	if (!w)
		return err_nomem(e);
	for (size_t l = 0; l <= m->shape.n_layers; l++)
		width += 2 * m->shape.size[l];
	w->tile = WORKSPACE_NUMBERS / width;
	w->tile = w->tile < 1 ? 1 : w->tile > MAX_TILE ? MAX_TILE : w->tile;
	layout_workspace(w, m, &arena);
	w->block = aligned_alloc(64, arena.used * sizeof *w->block);
	if (!w->block) {
		free(w);
		return err_nomem(e);
	}
	arena = (struct arena){.block = w->block};
	layout_workspace(w, m, &arena);
	*out = w;
	return OK;
}

void
model_workspace_free(struct model_workspace *w)
{
	if (w)
		free(w->block);
	free(w);
}

static double
finite_score(double v)
{
	if (isnan(v) || v > SCORE_LIMIT)
		return SCORE_LIMIT;
	return v < -SCORE_LIMIT ? -SCORE_LIMIT : v;
}

static void
copy_probabilities(float *out, const real *p, size_t m, size_t n_classes)
{
	for (size_t i = 0; i < m; i++) {
		const real *row = p + i * n_classes;
		bool finite = kernel_finite(row, n_classes);

		for (size_t k = 0; k < n_classes; k++)
			out[i * n_classes + k] = finite ? (float)row[k] : 1 / (float)n_classes;
	}
}

/* grad_x log p(x), by the reverse chain from the seed softmax(f): its length goes to score. */
static void
gradient_norms(const struct model *m, struct model_workspace *w, size_t n, double *score)
{
	const struct net_shape *s = &m->shape;

	kernel_softmax(w->delta[s->n_layers], NULL, w->a[s->n_layers], 1, n, model_n_classes(m));
	net_backward(s, m->weights, w->a, 0, w->delta, 0, n, 0, THREADS);
	kernel_row_norms(w->log_p, w->delta[0], n, s->size[0]);
	for (size_t i = 0; i < n; i++)
		score[i] = sqrt((double)w->log_p[i]);
}

static void
predict_tile(const struct model *m, size_t n, enum ood_score kind, struct model_workspace *w, float *p, double *score)
{
	const size_t n_classes = model_n_classes(m);

	net_forward(&m->shape, m->weights, w->a, 0, n, THREADS);
	kernel_softmax(w->p, w->log_p, w->a[m->shape.n_layers], (real)m->temperature, n, n_classes);
	if (p)
		copy_probabilities(p, w->p, n, n_classes);
	if (!score)
		return;
	switch (kind) {
	case OOD_MAX_PROBABILITY:
		for (size_t i = 0; i < n; i++) {
			real top = 0;

			for (size_t k = 0; k < n_classes; k++)
				top = w->p[i * n_classes + k] > top ? w->p[i * n_classes + k] : top;
			score[i] = 1 - (double)top;
		}
		break;
	case OOD_GRADIENT_NORM:
		gradient_norms(m, w, n, score);
		break;
	default:
		for (size_t i = 0; i < n; i++)
			score[i] = -(double)w->log_p[i];
	}
	for (size_t i = 0; i < n; i++)
		score[i] = finite_score(score[i]);
}

void
model_predict(const struct model *m, const struct rows *rows, size_t first, size_t n, enum ood_score kind,
	struct model_workspace *w, float *p, double *score)
{
	for (size_t done = 0; done < n; done += w->tile) {
		size_t take = n - done < w->tile ? n - done : w->tile;

		rows_expand(rows, NULL, first + done, take, w->a[0]);
		predict_tile(m, take, kind, w, p ? p + done * model_n_classes(m) : NULL, score ? score + done : NULL);
	}
}

/* ---- Bytes -------------------------------------------------------------------------------------------------- */

enum { MAX_UNITS = 1 << 20 }; /* of a layer in untrusted bytes: above any table or parameter */

void
model_write(const struct model *m, struct buf *out)
{
	buf_put_u32(out, (uint32_t)m->shape.n_layers);
	for (size_t l = 0; l <= m->shape.n_layers; l++)
		buf_put_u32(out, (uint32_t)m->shape.size[l]);
	for (size_t i = 0, n = net_size(&m->shape); i < n; i++)
		buf_put_f32(out, (float)m->weights[i]);
	buf_put_f64(out, m->temperature);
	buf_put_u32(out, (uint32_t)m->ood_score);
	buf_put_f64(out, m->target_fpr);
	for (size_t k = 0; k < N_OOD_SCORES; k++) {
		buf_put_u64(out, m->reference[k].n);
		buf_put_f64s(out, m->reference[k].score, m->reference[k].n);
		buf_put_f64(out, m->reference[k].threshold);
	}
}

static enum status
corrupt(const char *what, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's bytes are damaged: %s", what);
}

static bool
read_shape(struct reader *in, struct net_shape *s)
{
	size_t n_weights = 0;

	s->n_layers = reader_u32(in);
	if (in->failed || s->n_layers < 1 || s->n_layers > NET_MAX_LAYERS)
		return false;
	for (size_t l = 0; l <= s->n_layers; l++) {
		s->size[l] = reader_u32(in);
		if (s->size[l] < 1 || s->size[l] > MAX_UNITS)
			return false;
		if (l) /* at most 2^40 a layer: the sum cannot overflow */
			n_weights += s->size[l] * (s->size[l - 1] + 1);
	}
	return !in->failed && n_weights <= reader_max_items(in, sizeof(float));
}

static bool
read_reference(struct reader *in, struct ood_reference *r)
{
	size_t n = reader_u64(in);

	if (in->failed || n > reader_max_items(in, sizeof(double)))
		return false;
	r->score = malloc((n ? n : 1) * sizeof *r->score);
	if (!r->score)
		return false;
	r->n = n;
	reader_f64s(in, r->score, n);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(r->score[i]) || (i && r->score[i] < r->score[i - 1]))
			return false;
	r->threshold = reader_f64(in);
	return !in->failed && isfinite(r->threshold);
}

enum status
model_read(struct reader *in, struct model **out, struct err *e)
{
	struct model *m = calloc(1, sizeof *m);
	enum status s = OK;
	size_t n;

	if (!m)
		return err_nomem(e);
	if (!read_shape(in, &m->shape)) {
		s = corrupt("impossible layer sizes", e);
		goto out;
	}
	n = net_size(&m->shape);
	m->weights = malloc(n * sizeof *m->weights);
	if (!m->weights) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		m->weights[i] = (real)reader_f32(in);
	m->temperature = reader_f64(in);
	m->ood_score = reader_u32(in);
	m->target_fpr = reader_f64(in);
	if (in->failed || !kernel_finite(m->weights, n))
		s = corrupt("weights that are no numbers", e);
	else if (!(m->temperature > 1e-3 && m->temperature < 1e3) || m->ood_score >= N_OOD_SCORES ||
		 !(m->target_fpr >= 0 && m->target_fpr <= 1))
		s = corrupt("a setting out of range", e);
	for (size_t k = 0; k < N_OOD_SCORES && !s; k++)
		if (!read_reference(in, &m->reference[k]))
			s = corrupt("reference scores out of order", e);
out:
	if (s)
		model_free(m);
	else
		*out = m;
	return s;
}
