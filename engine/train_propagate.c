/*
 * train_propagate: a network taught by neighbours (train_private.h).
 *
 * The labels are spread over a graph of the rows (neighbours.h), which says of each unlabelled one how likely its
 * classes are, and a network learns to say the same of any row. It sees the rows as the graph does, through a warp,
 * about their mean and on one scale for all features, which is taken into its first layer afterwards. For a fold, its
 * rows have no labels to spread and are not among those learned from. Thread rule: trainer's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/neighbours.h"
#include "engine/train_private.h"

/* Features of the graph's rows, and probabilities of them. */
enum { GRAPH_NUMBERS = 1 << 23 };

/* Streams of the seed, one for each fold, apart from those of train.c; fits at half the rate where one has diverged. */
enum { STREAM_PROPAGATED = 1 << 20 };

/* Of inputs whose variances are 1 on average. */
#define INPUT_NOISE 0.2

/* Between rows of two classes the network is to become the less sure the further it is from either: on digits of
 * writers that the table lacks that is worth half a point of accuracy. */
#define MIXUP 0.2

struct pupil {
	const struct trainer *t;
	struct neighbours_options options;
	struct neighbours *graph;
	size_t n;               /* rows of the graph, the labelled ones first */
	uint32_t *index;        /* which of the table they are */
	struct rows rows;       /* as the network sees them */
	struct train_data data; /* the trainer's with these rows */
	double *mean, scale;    /* [d]: a network input is (warped number - mean) / scale */
	uint32_t *learned;
	double *counts; /* [K]: the labels of each class, by its weight */
	float *likely;  /* [n][K]; of those learned from, after gather_lesson */
	real *state, *scratch;
	struct fit fit;
};

static size_t
n_graph_rows(const struct trainer *t)
{
	const size_t width = t->data.rows->d > t->data.n_classes ? t->data.rows->d : t->data.n_classes;
	const size_t most = GRAPH_NUMBERS / width < PROPAGATED_ROWS ? GRAPH_NUMBERS / width : PROPAGATED_ROWS;

	return t->n_data < most ? t->n_data : most;
}

static size_t
n_steps(const struct trainer *t)
{
	return params_propagated_steps(&t->params, t->n_data, t->n_labelled);
}

bool
trainer_can_propagate(const struct trainer *t)
{
	const size_t n = n_graph_rows(t);

	return trainer_has_baseline(t) && n_steps(t) && n > t->n_labelled && 2 * n >= t->n_data;
}

/* What train_data.positions does to numbers; NULL where it is NULL, or there are none. */
static enum status
make_warp(const struct trainer *t, struct warp **out, struct err *e)
{
	const size_t d = t->data.rows->d, n = t->data.rows->n_dense;
	real *x = malloc((WARP_POINTS * d + 1) * sizeof *x);
	enum status s = OK;

	if (!x)
		return err_nomem(e);
	if (t->data.positions && n && !(s = warp_new(n, out, e))) {
		for (size_t i = 0; i < WARP_POINTS * d; i++)
			x[i] = (real)warp_argument(i / d);
		t->data.positions(t->data.positions_ctx, x, WARP_POINTS);
		for (size_t i = 0; i < WARP_POINTS; i++)
			memcpy((*out)->at + i * n, x + i * d, n * sizeof *x);
	}
	free(x);
	return s;
}

/* Rows x [n][d] to their mean and a mean variance of 1, which are p's from now on. */
static void
standardise(struct pupil *p, real *x, size_t d)
{
	double sum = 0;

	memset(p->mean, 0, d * sizeof *p->mean);
	for (size_t i = 0; i < p->n; i++)
		for (size_t j = 0; j < d; j++)
			p->mean[j] += (double)x[i * d + j] / (double)p->n;
	for (size_t i = 0; i < p->n; i++)
		for (size_t j = 0; j < d; j++) {
			x[i * d + j] -= (real)p->mean[j];
			sum += (double)x[i * d + j] * (double)x[i * d + j];
		}
	p->scale = sum > 0 ? sqrt(sum / (double)(p->n * d)) : 1;
	for (size_t i = 0; i < p->n * d; i++)
		x[i] /= (real)p->scale;
}

/* The rows as the network sees them, and the graph. */
static enum status
look_at_rows(struct pupil *p, const struct warp *warp, struct err *e)
{
	const struct rows *table = p->t->data.rows;
	const size_t d = table->d;
	real *x = malloc((p->n * d + 1) * sizeof *x);
	enum status s = x ? rows_init(&p->rows, p->n, d, 0, NULL, e) : err_nomem(e);

	if (!s) {
		rows_expand(table, p->index, 0, p->n, x);
		if (warp)
			warp_apply(warp, x, x, p->n, d);
		standardise(p, x, d);
		for (size_t i = 0; i < p->n * d; i++)
			p->rows.dense[i] = (float)x[i];
		s = neighbours_new(x, p->n, d, &p->options, &p->graph, e);
	}
	free(x);
	return s;
}

static enum status
pupil_init(struct pupil *p, const struct trainer *t, const struct warp *warp, struct err *e)
{
	const size_t n = n_graph_rows(t), n_classes = t->data.n_classes;
	struct arena state = {0}, scratch = {0};
	struct fit *f = &p->fit;

	*p = (struct pupil){.t = t, .options = {.threads = t->fit.threads, .stop = t->stop, .ctx = t->stop_ctx}};
	p->index = malloc((n + 1) * sizeof *p->index);
	p->mean = malloc((t->data.rows->d + 1) * sizeof *p->mean);
	p->learned = malloc((n + 1) * sizeof *p->learned);
	p->counts = malloc(n_classes * sizeof *p->counts);
	p->likely = malloc((n * n_classes + 1) * sizeof *p->likely);
	if (!p->index || !p->mean || !p->learned || !p->counts || !p->likely)
		return err_nomem(e);
	memcpy(p->index, t->labelled_index, t->n_labelled * sizeof *p->index);
	p->n = t->n_labelled + trainer_spread_rows(t, false, n - t->n_labelled, p->index + t->n_labelled);

	p->data = t->data;
	p->data.rows = &p->rows;
	*f = (struct fit){.params = &t->params,
		.data = &p->data,
		.method = method_of(METHOD_SUPERVISED),
		.labelled_index = p->learned,
		.class_share = p->likely,
		.threads = t->fit.threads,
		.mixup = MIXUP,
		.noise = INPUT_NOISE,
		.shape = t->shape[1]};
	fit_layout(f, &state, &scratch);
	p->state = aligned_alloc(64, state.used * sizeof *p->state);
	p->scratch = aligned_alloc(64, scratch.used * sizeof *p->scratch);
	if (!p->state || !p->scratch)
		return err_nomem(e);
	memset(p->state, 0, state.used * sizeof *p->state);
	memset(p->scratch, 0, scratch.used * sizeof *p->scratch);
	state = (struct arena){.block = p->state};
	scratch = (struct arena){.block = p->scratch};
	fit_layout(f, &state, &scratch);
	return look_at_rows(p, warp, e);
}

static void
pupil_release(struct pupil *p)
{
	neighbours_free(p->graph);
	rows_release(&p->rows);
	free(p->index);
	free(p->mean);
	free(p->learned);
	free(p->counts);
	free(p->likely);
	free(p->state);
	free(p->scratch);
}

/* Each class has as much to spread as another, however many labels it has. */
static enum status
spread_labels(struct pupil *p, size_t fold, struct err *e)
{
	const struct trainer *t = p->t;
	const size_t k = t->data.n_classes;

	memset(p->likely, 0, p->n * k * sizeof *p->likely);
	memset(p->counts, 0, k * sizeof *p->counts);
	for (size_t l = 0; l < t->n_labelled; l++)
		if (!fold || t->fold_of[l] != fold - 1)
			p->counts[t->data.label[p->index[l]]]++;
	for (size_t l = 0; l < t->n_labelled; l++) {
		const size_t y = (size_t)t->data.label[p->index[l]];

		if (!fold || t->fold_of[l] != fold - 1)
			p->likely[l * k + y] = (float)(1 / p->counts[y]);
	}
	for (size_t c = 0; c < k && t->data.class_weight; c++)
		p->counts[c] *= t->data.class_weight[c];
	return neighbours_spread(p->graph, p->likely, k, &p->options, e);
}

/*
 * Rows to be learned from, with how likely their classes are: in proportion to the square of what has reached them, and
 * to the labels. Means over near and far are more doubtful than they need be; over 22 tables the log-loss of networks
 * taught by the squares is the lower one. Rows that no label reaches say nothing.
 */
static void
gather_lesson(struct pupil *p, size_t fold)
{
	const size_t k = p->t->data.n_classes;
	struct fit *f = &p->fit;

	f->n_labelled = 0;
	for (size_t i = 0; i < p->n; i++) {
		const float *likely = p->likely + i * k;
		float *lesson = p->likely + f->n_labelled * k, most = 0, sum = 0;

		for (size_t c = 0; c < k; c++)
			most = likely[c] > most ? likely[c] : most;
		if (!(most > 0) || (fold && i < p->t->n_labelled && p->t->fold_of[i] == fold - 1))
			continue;
		for (size_t c = 0; c < k; c++) {
			const float share = likely[c] / most;

			lesson[c] = (float)p->counts[c] * share * share;
			sum += lesson[c];
		}
		for (size_t c = 0; c < k; c++)
			lesson[c] /= sum;
		p->learned[f->n_labelled++] = (uint32_t)i;
	}
}

/* The fit on what gather_lesson left; false: its weights are not finite. */
static enum status
learn(struct pupil *p, size_t fold, double rate, bool *finite, struct err *e)
{
	struct train_terms terms;
	struct fit *f = &p->fit;
	enum status s;

	fit_start(f, STREAM_PROPAGATED + fold);
	f->rate = rate;
	for (size_t i = 0; i < n_steps(p->t); i++) {
		if ((s = trainer_may_go_on(p->t, 0, e)))
			return s;
		fit_step(f, &terms);
	}
	*finite = kernel_finite(f->average, fit_size(f));
	return OK;
}

/* The fit's plain weights, of a network whose inputs are not standardised. */
static void
take_weights(struct pupil *p, real *w)
{
	const struct net_shape *shape = &p->fit.shape;
	const size_t d = shape->size[0];
	real *row, *bias;

	memcpy(w, net_effective(shape, p->fit.average, p->fit.plain), net_size(shape) * sizeof *w);
	row = w + net_weights_at(shape, 0);
	bias = w + net_biases_at(shape, 0);
	for (size_t i = 0; i < shape->size[1]; i++, row += d) {
		double moved = 0;

		for (size_t j = 0; j < d; j++) {
			row[j] /= (real)p->scale;
			moved += (double)row[j] * p->mean[j];
		}
		bias[i] -= (real)moved;
	}
}

/* Weights w; *taught false: they are not finite, whatever the rate, and there is to be no such network. */
static enum status
teach(struct pupil *p, size_t fold, real *w, bool *taught, struct err *e)
{
	bool finite = false;
	enum status s;

	*taught = false;
	if ((s = spread_labels(p, fold, e)))
		return s;
	gather_lesson(p, fold);
	for (int retry = 0; retry <= TRAINER_MAX_RETRIES && !finite; retry++)
		if ((s = learn(p, fold, ldexp(1, -retry), &finite, e)))
			return s;
	if (finite)
		take_weights(p, w);
	*taught = finite && kernel_finite(w, net_size(&p->fit.shape));
	return OK;
}

static enum status
teach_all(struct pupil *p, struct propagated *out, bool *taught, struct err *e)
{
	const struct trainer *t = p->t;
	enum status s;

	for (size_t fold = 1; fold <= t->n_folds; fold++) {
		if ((s = teach(p, fold, out->weights, taught, e)) || !*taught)
			return s;
		if ((s = trainer_predict(t, &t->shape[1], out->weights, out->warp, t->labelled_index, t->fold_of,
			     (uint32_t)fold - 1, t->n_labelled, out->cross, e)))
			return s;
	}
	return teach(p, 0, out->weights, taught, e);
}

enum status
trainer_propagate(const struct trainer *t, struct propagated *out, bool *taught, struct err *e)
{
	struct pupil p = {0};
	enum status s;

	*out = (struct propagated){.weights = malloc(net_size(&t->shape[1]) * sizeof *out->weights),
		.cross = malloc((t->n_labelled * t->data.n_classes + 1) * sizeof *out->cross)};
	s = out->weights && out->cross ? make_warp(t, &out->warp, e) : err_nomem(e);
	if (!s)
		s = pupil_init(&p, t, out->warp, e);
	if (!s)
		s = teach_all(&p, out, taught, e);
	pupil_release(&p);
	return s;
}

void
propagated_release(struct propagated *p)
{
	free(p->weights);
	free(p->warp);
	free(p->cross);
}
