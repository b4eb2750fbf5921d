/* model: see model.h. */
#include "engine/model.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/ascending.h"
#include "engine/elementary.h"
#include "engine/kernel.h"

/* Serving uses one thread a request: requests are many, and a fork would cost more than a small batch. */
enum { THREADS = 1 };

/* A score that absurd weights make infinite is reported as this; NaN never leaves. */
#define SCORE_LIMIT 1e30

static struct model *
model_blank(void)
{
	struct model *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->target_fpr = 0.05;
	for (size_t k = 0; k < N_OOD_SCORES; k++)
		m->reference[k].threshold = DBL_MAX;
	return m;
}

enum status
model_new_density(const struct density_shape *shape, const real *weights, struct model **out, struct err *e)
{
	const size_t n = density_size(shape);
	struct model *m = model_blank();

	if (!m || !(m->density_weights = malloc(n * sizeof *m->density_weights))) {
		model_free(m);
		return err_nomem(e);
	}
	memcpy(m->density_weights, weights, n * sizeof *weights);
	density_clamp(shape, m->density_weights);
	m->density = *shape;
	*out = m;
	return OK;
}

enum status
model_new(const struct net_shape *shape, const real *weights, struct model **out, struct err *e)
{
	struct model *m = model_blank();

	if (!m)
		return err_nomem(e);
	if (model_add_member(m, shape, weights, 1, e)) {
		model_free(m);
		return e->status;
	}
	*out = m;
	return OK;
}

enum status
model_add_member(struct model *m, const struct net_shape *shape, const real *weights, double weight, struct err *e)
{
	struct model_member *member = &m->member[m->n_members];
	size_t n = net_size(shape);

	assert(m->n_members < BLEND_MAX && weight > 0);
	assert(!m->n_members ||
		(shape->size[0] == model_n_features(m) && shape->size[shape->n_layers] == model_n_classes(m)));
	if (!(member->weights = malloc(n * sizeof *member->weights)))
		return err_nomem(e);
	memcpy(member->weights, weights, n * sizeof *member->weights);
	member->shape = *shape;
	member->shape.weight_norm = false;
	member->weight = weight;
	m->n_members++;
	return OK;
}

enum status
model_set_warp(struct model *m, size_t member, const struct warp *w, struct err *e)
{
	assert(member < m->n_members && w->n <= model_n_features(m));
	free(m->member[member].warp);
	m->member[member].warp = NULL;
	return warp_copy(w, &m->member[member].warp, e);
}

enum status
model_set_bias(struct model *m, const double *bias, struct err *e)
{
	size_t n = model_n_classes(m);
	double *copy = malloc(n * sizeof *copy);

	if (!copy)
		return err_nomem(e);
	memcpy(copy, bias, n * sizeof *copy);
	free(m->bias);
	m->bias = copy;
	return OK;
}

void
model_free(struct model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_members; i++) {
		free(m->member[i].weights);
		free(m->member[i].warp);
	}
	free(m->bias);
	free(m->density_weights);
	mixture_free(m->base);
	for (size_t k = 0; k < N_OOD_SCORES; k++)
		free(m->reference[k].score);
	free(m);
}

size_t
model_n_classes(const struct model *m)
{
	const struct net_shape *s = &m->member[0].shape;

	return m->density_weights ? 1 : s->size[s->n_layers];
}

size_t
model_n_features(const struct model *m)
{
	return m->density_weights ? m->density.d : m->member[0].shape.size[0];
}

size_t
model_bytes(const struct model *m)
{
	size_t n = m->density_weights ? density_size(&m->density) : 0;

	for (size_t i = 0; i < m->n_members; i++)
		n += net_size(&m->member[i].shape) + (m->member[i].warp ? WARP_POINTS * m->member[i].warp->n : 0);
	if (m->base) /* of each component the directions of its own, or all */
		n += mixture_n_components(m->base) * model_n_features(m) *
		     (model_n_features(m) <= MIXTURE_FULL ? model_n_features(m) : MIXTURE_RANK);
	return n * sizeof(real);
}

/* ---- References --------------------------------------------------------------------------------------------- */

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
	real *x; /* the inputs, a[0] of every member without a warp */
	real *a[BLEND_MAX][NET_MAX_LAYERS + 1], *delta[BLEND_MAX][NET_MAX_LAYERS + 1];
	real *logits; /* blended, but for */
	real *shift;  /* what all classes of a row have in common: added here, it would cost their differences digits */
	real *p, *log_p;
	double *typical, *score; /* of attributions: the row that a path starts from, scores of where it leads */
	double *log_base;
	struct mixture_workspace base;
	struct density density; /* its rows are x, its gradient is delta[0][0] */
};

/* Lays it out in an arena, or counts what it takes. */
static void
layout_workspace(struct model_workspace *w, const struct model *m, struct arena *arena)
{
	const size_t tile = w->tile, n_classes = model_n_classes(m);

	if (m->density_weights) {
		density_workspace(&w->density, &m->density, tile, 0, arena);
		w->x = w->density.x;
		w->delta[0][0] = w->density.gradient;
	} else {
		w->x = arena_take(arena, tile * model_n_features(m));
	}
	for (size_t i = 0; i < m->n_members; i++) {
		const struct net_shape *s = &m->member[i].shape;

		w->a[i][0] = m->member[i].warp ? arena_take(arena, tile * s->size[0]) : w->x;
		w->delta[i][0] = arena_take(arena, tile * s->size[0]);
		for (size_t l = 1; l <= s->n_layers; l++) {
			w->a[i][l] = arena_take(arena, tile * s->size[l]);
			w->delta[i][l] = arena_take(arena, tile * s->size[l]);
		}
	}
	w->logits = arena_take(arena, tile * n_classes);
	w->shift = arena_take(arena, tile);
	w->p = arena_take(arena, tile * n_classes);
	w->log_p = arena_take(arena, tile);
	w->typical = arena_take_doubles(arena, model_n_features(m));
	w->score = arena_take_doubles(arena, tile);
	if (m->base) {
		w->log_base = arena_take_doubles(arena, tile);
		mixture_workspace(&w->base, m->base, tile, arena);
	}
}

/* Numbers that a row takes, but for the base measure's few. */
static size_t
row_width(const struct model *m)
{
	size_t width = 0;

	if (m->density_weights) {
		struct arena one = {0}, more = {0};
		struct density k;

		density_workspace(&k, &m->density, 1, 0, &one);
		density_workspace(&k, &m->density, 17, 0, &more);
		width = (more.used - one.used) / 16;
	}
	for (size_t i = 0; i < m->n_members; i++)
		for (size_t l = 0; l <= m->member[i].shape.n_layers; l++)
			width += 2 * m->member[i].shape.size[l];
	return width;
}

enum status
model_workspace_new(const struct model *m, struct model_workspace **out, struct err *e)
{
	return model_workspace_for(m, MAX_TILE, out, e);
}

enum status
model_workspace_for(const struct model *m, size_t n_rows, struct model_workspace **out, struct err *e)
{
	struct model_workspace *w = calloc(1, sizeof *w);
	struct arena arena = {0};

	if (!w)
		return err_nomem(e);
	w->tile = WORKSPACE_NUMBERS / (row_width(m) + 1);
	w->tile = w->tile > MAX_TILE ? MAX_TILE : w->tile;
	w->tile = w->tile > n_rows ? n_rows : w->tile;
	w->tile = w->tile < 1 ? 1 : w->tile;
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

/* Whether a network's logits are added as they are. */
static bool
is_plain(const struct model_member *member)
{
	return member->doubt == 0 && !member->conditional;
}

/*
 * Adds weight * log((1 - doubt) p + doubt / K) to the blended logits and, unless the network is conditional, weight *
 * lse to the shift; p takes the place of the network's own logits, for the way back.
 */
static void
add_member(const struct model_member *member, struct model_workspace *w, real *own, size_t n)
{
	const size_t n_classes = member->shape.size[member->shape.n_layers];
	const real weight = (real)member->weight, sure = (real)(1 - member->doubt);
	const real spread = (real)(member->doubt / (double)n_classes);

	if (is_plain(member)) {
		for (size_t j = 0; j < n * n_classes; j++)
			w->logits[j] += weight * own[j];
		return;
	}
	kernel_softmax(own, w->log_p, own, 1, n, n_classes);
	for (size_t j = 0; j < n * n_classes; j++)
		w->logits[j] += weight * real_log(sure * own[j] + spread);
	for (size_t i = 0; i < n && !member->conditional; i++)
		w->shift[i] += weight * w->log_p[i];
}

/*
 * Turns the gradient in what add_member added to log p(x), or to the largest probability, in `seed`, into that in the
 * network's own logits. With b_k the part of class k's probability that is not doubt, d/df_j = seed_j b_j - p_j sum_k
 * seed_k b_k, and p_j sum_k seed_k for lse.
 */
static void
gradient_in_own_logits(const struct model_member *member, const real *p, real *seed, size_t n)
{
	const size_t n_classes = member->shape.size[member->shape.n_layers];
	const real sure = (real)(1 - member->doubt), spread = (real)(member->doubt / (double)n_classes);

	for (size_t i = 0; i < n; i++, p += n_classes, seed += n_classes) {
		real common = 0;

		for (size_t k = 0; k < n_classes; k++) {
			real kept = seed[k] * (sure * p[k] / (sure * p[k] + spread));

			common += member->conditional ? -kept : seed[k] - kept;
			seed[k] = kept;
		}
		for (size_t k = 0; k < n_classes; k++)
			seed[k] += p[k] * common;
	}
}

/* The blended logits of n rows. */
static void
blend_logits(const struct model *m, struct model_workspace *w, size_t n)
{
	const size_t n_classes = model_n_classes(m);

	for (size_t i = 0; i < n; i++) {
		w->shift[i] = 0;
		for (size_t k = 0; k < n_classes; k++)
			w->logits[i * n_classes + k] = m->bias ? (real)m->bias[k] : 0;
	}
	for (size_t i = 0; i < m->n_members; i++) {
		const struct model_member *member = &m->member[i];

		if (member->warp)
			warp_apply(member->warp, w->x, w->a[i][0], n, model_n_features(m));
		net_forward(&member->shape, member->weights, w->a[i], 0, n, THREADS);
		add_member(member, w, w->a[i][member->shape.n_layers], n);
	}
}

/* Turns softmax f, in w->p, into the gradient in f of what falls as the score rises: of log p(x) that is softmax f
 * itself, of the largest probability p_y that is p_y (1{k = y} - p_k). */
static void
gradient_in_logits(enum ood_score kind, real *p, size_t n, size_t n_classes)
{
	for (size_t i = 0; i < n && kind == OOD_MAX_PROBABILITY; i++, p += n_classes) {
		size_t y = 0;
		real top;

		for (size_t k = 1; k < n_classes; k++)
			y = p[k] > p[y] ? k : y;
		top = p[y];
		for (size_t k = 0; k < n_classes; k++)
			p[k] = top * ((real)(k == y) - p[k]);
	}
}

/* The gradient in x of log p(x), or of the largest probability, by the reverse chains: [n][d] in the workspace. The
 * logits are there; the inputs are not, afterwards. */
static real *
input_gradient(const struct model *m, struct model_workspace *w, size_t n, enum ood_score kind)
{
	const size_t n_classes = model_n_classes(m), d = model_n_features(m);
	real *sum = w->delta[0][0];

	if (m->density_weights) {
		density_log_density(&w->density, m->density_weights, n, true, THREADS);
		for (size_t j = 0; j < n * d && kind == OOD_MAX_PROBABILITY; j++)
			sum[j] = 0; /* always 1 */
		return sum;
	}
	kernel_softmax(w->p, NULL, w->logits, 1, n, n_classes);
	gradient_in_logits(kind, w->p, n, n_classes);
	for (size_t i = 0; i < m->n_members; i++) {
		const struct model_member *member = &m->member[i];
		real *seed = w->delta[i][member->shape.n_layers];

		for (size_t j = 0; j < n * n_classes; j++)
			seed[j] = (real)member->weight * w->p[j];
		if (!is_plain(member))
			gradient_in_own_logits(member, w->a[i][member->shape.n_layers], seed, n);
		net_backward(&member->shape, member->weights, w->a[i], 0, w->delta[i], 0, n, 0, THREADS);
		if (member->warp)
			warp_backward(member->warp, w->x, w->delta[i][0], n, d);
		for (size_t j = 0; i && j < n * d; j++)
			sum[j] += w->delta[i][0][j];
	}
	if (m->base && kind != OOD_MAX_PROBABILITY) {
		mixture_log_density(m->base, w->x, n, &w->base, w->log_base, w->x, THREADS);
		for (size_t j = 0; j < n * d; j++)
			sum[j] += w->x[j];
	}
	return sum;
}

static void
gradient_norms(const struct model *m, struct model_workspace *w, size_t n, double *score)
{
	real *gradient = input_gradient(m, w, n, OOD_GRADIENT_NORM);

	kernel_row_norms(w->log_p, gradient, n, model_n_features(m));
	for (size_t i = 0; i < n; i++)
		score[i] = sqrt((double)w->log_p[i]);
}

static void
energies(const struct model *m, struct model_workspace *w, size_t n, double *score)
{
	if (m->density_weights) {
		density_log_density(&w->density, m->density_weights, n, false, THREADS);
		for (size_t i = 0; i < n; i++)
			score[i] = -w->density.log_p[i];
		return;
	}
	if (m->base)
		mixture_log_density(m->base, w->x, n, &w->base, w->log_base, NULL, THREADS);
	for (size_t i = 0; i < n; i++)
		score[i] = -(double)w->log_p[i] - (m->base ? w->log_base[i] : 0);
}

static void
predict_tile(const struct model *m, size_t n, enum ood_score kind, struct model_workspace *w, float *p, double *score)
{
	const size_t n_classes = model_n_classes(m);

	if (m->density_weights) {
		memset(w->logits, 0, n * n_classes * sizeof *w->logits);
		memset(w->shift, 0, n * sizeof *w->shift);
	} else {
		blend_logits(m, w, n);
	}
	kernel_softmax(w->p, w->log_p, w->logits, 1, n, n_classes);
	for (size_t i = 0; i < n; i++)
		w->log_p[i] += w->shift[i];
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
		energies(m, w, n, score);
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

		rows_expand(rows, NULL, first + done, take, w->x);
		predict_tile(m, take, kind, w, p ? p + done * model_n_classes(m) : NULL, score ? score + done : NULL);
	}
}

/* ---- Attributions ------------------------------------------------------------------------------------------- */

struct attribution { /* of one call */
	const struct model *m;
	const struct rows *rows, *typical;
	enum ood_score kind;
	struct model_workspace *w;
};

/* Where the paths of the rows first .. first + n - 1 are at `t`, into w->x: 0 typical rows, 1 the rows themselves. */
static void
walk_paths(const struct attribution *a, size_t first, size_t n, double t)
{
	const struct mixture *base = a->m->base;
	const size_t d = model_n_features(a->m);
	double *typical = a->w->typical;

	if (!base && a->typical)
		rows_expand(a->typical, NULL, 0, 1, a->w->x);
	for (size_t j = 0; j < d && !base; j++)
		typical[j] = a->typical ? (double)a->w->x[j] : 0;
	rows_expand(a->rows, NULL, first, n, a->w->x);
	for (size_t i = 0; i < n; i++) {
		real *x = a->w->x + i * d;

		if (base)
			mixture_mean(base, mixture_nearest(base, x), typical);
		for (size_t j = 0; j < d; j++)
			x[j] = (real)(typical[j] + t * ((double)x[j] - typical[j]));
	}
}

/* Makes the sum of a [d] what it is to be. */
static void
share_out(double *a, size_t d, double sum)
{
	double size = 0;

	for (size_t j = 0; j < d; j++) {
		sum -= a[j];
		size += fabs(a[j]);
	}
	for (size_t j = 0; j < d && size > 0 && isfinite(size); j++)
		a[j] += fabs(a[j]) / size * sum;
}

static void
attribute_along_paths(const struct attribution *a, size_t first, size_t n, double *attribution, double *reference)
{
	const size_t d = model_n_features(a->m);
	struct model_workspace *w = a->w;

	for (size_t j = 0; j < n * d; j++)
		attribution[j] = 0;
	for (size_t step = 0; step < MODEL_PATH_STEPS; step++) {
		const real *gradient;

		walk_paths(a, first, n, ((double)step + 0.5) / MODEL_PATH_STEPS);
		blend_logits(a->m, w, n);
		gradient = input_gradient(a->m, w, n, a->kind);
		for (size_t j = 0; j < n * d; j++)
			attribution[j] -= (double)gradient[j] / MODEL_PATH_STEPS;
	}
	rows_expand(a->rows, NULL, first, n, w->x);
	predict_tile(a->m, n, a->kind, w, NULL, w->score);
	walk_paths(a, first, n, 0);
	predict_tile(a->m, n, a->kind, w, NULL, reference);
	rows_expand(a->rows, NULL, first, n, w->delta[0][0]);
	for (size_t j = 0; j < n * d; j++)
		attribution[j] *= (double)w->delta[0][0][j] - (double)w->x[j];
	for (size_t i = 0; i < n; i++)
		share_out(attribution + i * d, d, w->score[i] - reference[i]);
}

static void
attribute_norms(const struct attribution *a, size_t first, size_t n, double *attribution, double *reference)
{
	const size_t d = model_n_features(a->m);
	const real *gradient;

	rows_expand(a->rows, NULL, first, n, a->w->x);
	blend_logits(a->m, a->w, n);
	gradient = input_gradient(a->m, a->w, n, a->kind);
	for (size_t i = 0; i < n; i++, gradient += d, attribution += d) {
		double norm2 = 0;

		for (size_t j = 0; j < d; j++)
			norm2 += attribution[j] = (double)gradient[j] * (double)gradient[j];
		for (size_t j = 0; j < d && norm2 > 0; j++)
			attribution[j] /= sqrt(norm2);
		reference[i] = 0;
	}
}

void
model_attribute(const struct model *m, const struct rows *rows, size_t first, size_t n, enum ood_score kind,
	const struct rows *typical, struct model_workspace *w, double *attribution, double *reference)
{
	const struct attribution a = {.m = m, .rows = rows, .typical = typical, .kind = kind, .w = w};
	const size_t d = model_n_features(m);

	for (size_t done = 0; done < n; done += w->tile) {
		size_t take = n - done < w->tile ? n - done : w->tile;
		double *of_tile = attribution + done * d;

		if (kind == OOD_GRADIENT_NORM)
			attribute_norms(&a, first + done, take, of_tile, reference + done);
		else
			attribute_along_paths(&a, first + done, take, of_tile, reference + done);
		for (size_t j = 0; j < take * d; j++)
			of_tile[j] = isnan(of_tile[j]) ? 0 : finite_score(of_tile[j]);
	}
}
