/*
 * train_propagate: a network taught by neighbours (train_private.h).
 *
 * The labels are spread over a graph of the rows (neighbours.h), which says of each unlabelled one how likely its
 * classes are, and a network learns to say the same of any row: labels for it are drawn from the spread ones, a step's
 * anew. For a fold, its rows have no labels to spread and are not among those learned from. Thread rule: trainer's.
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

struct pupil {
	const struct trainer *t;
	struct neighbours_options options;
	struct neighbours *graph;
	size_t n; /* rows of the graph, the labelled ones first */
	uint32_t *index, *learned;
	double *counts; /* [K]: the labels of each class, by its weight */
	float *likely;  /* [n][K] */
	double *up_to;  /* [n][K] of those learned from */
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

static enum status
make_graph(struct pupil *p, struct err *e)
{
	const struct trainer *t = p->t;
	const size_t d = t->data.rows->d;
	real *x = malloc((p->n * d + 1) * sizeof *x);
	enum status s;

	if (!x)
		return err_nomem(e);
	rows_expand(t->data.rows, p->index, 0, p->n, x);
	if (t->data.positions)
		t->data.positions(t->data.positions_ctx, x, p->n);
	s = neighbours_new(x, p->n, d, &p->options, &p->graph, e);
	free(x);
	return s;
}

static enum status
pupil_init(struct pupil *p, const struct trainer *t, struct err *e)
{
	const size_t n = n_graph_rows(t), n_classes = t->data.n_classes;
	struct arena state = {0}, scratch = {0};
	struct fit *f = &p->fit;

	*p = (struct pupil){.t = t, .options = {.threads = t->fit.threads, .stop = t->stop, .ctx = t->stop_ctx}};
	p->index = malloc((n + 1) * sizeof *p->index);
	p->learned = malloc((n + 1) * sizeof *p->learned);
	p->counts = malloc(n_classes * sizeof *p->counts);
	p->likely = malloc((n * n_classes + 1) * sizeof *p->likely);
	p->up_to = malloc((n * n_classes + 1) * sizeof *p->up_to);
	if (!p->index || !p->learned || !p->counts || !p->likely || !p->up_to)
		return err_nomem(e);
	memcpy(p->index, t->labelled_index, t->n_labelled * sizeof *p->index);
	p->n = t->n_labelled + trainer_spread_rows(t, false, n - t->n_labelled, p->index + t->n_labelled);

	*f = (struct fit){.params = &t->params,
		.data = &t->data,
		.method = method_of(METHOD_SUPERVISED),
		.labelled_index = p->learned,
		.class_up_to = p->up_to,
		.threads = t->fit.threads,
		.noise = t->params.input_noise,
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
	return make_graph(p, e);
}

static void
pupil_release(struct pupil *p)
{
	neighbours_free(p->graph);
	free(p->index);
	free(p->learned);
	free(p->counts);
	free(p->likely);
	free(p->up_to);
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
		double *up_to = p->up_to + f->n_labelled * k, sum = 0, most = 0;

		for (size_t c = 0; c < k; c++)
			most = (double)likely[c] > most ? (double)likely[c] : most;
		if (!(most > 0) || (fold && i < p->t->n_labelled && p->t->fold_of[i] == fold - 1))
			continue;
		for (size_t c = 0; c < k; c++) {
			const double share = (double)likely[c] / most;

			sum += p->counts[c] * share * share;
			up_to[c] = sum;
		}
		p->learned[f->n_labelled++] = p->index[i];
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

/* Its plain weights afterwards, which are the fit's; NULL where they are not finite, whatever the rate: then there is
 * to be no such network. */
static enum status
teach(struct pupil *p, size_t fold, const real **w, struct err *e)
{
	bool finite = false;
	enum status s;

	*w = NULL;
	if ((s = spread_labels(p, fold, e)))
		return s;
	gather_lesson(p, fold);
	for (int retry = 0; retry <= TRAINER_MAX_RETRIES && !finite; retry++)
		if ((s = learn(p, fold, ldexp(1, -retry), &finite, e)))
			return s;
	if (finite)
		*w = net_effective(&p->fit.shape, p->fit.average, p->fit.plain);
	return OK;
}

static enum status
teach_all(struct pupil *p, struct propagated *out, bool *taught, struct err *e)
{
	const struct trainer *t = p->t;
	const real *w;
	enum status s;

	*taught = false;
	for (size_t fold = 1; fold <= t->n_folds; fold++) {
		if ((s = teach(p, fold, &w, e)) || !w)
			return s;
		if ((s = trainer_predict(t, &t->shape[1], w, t->labelled_index, t->fold_of, (uint32_t)fold - 1,
			     t->n_labelled, out->cross, e)))
			return s;
	}
	if ((s = teach(p, 0, &w, e)) || !w)
		return s;
	memcpy(out->weights, w, net_size(&t->shape[1]) * sizeof *w);
	*taught = true;
	return OK;
}

enum status
trainer_propagate(const struct trainer *t, struct propagated *out, bool *taught, struct err *e)
{
	struct pupil p;
	enum status s = pupil_init(&p, t, e);

	*out = (struct propagated){.weights = malloc(net_size(&t->shape[1]) * sizeof *out->weights),
		.cross = malloc((t->n_labelled * t->data.n_classes + 1) * sizeof *out->cross)};
	if (!s && (!out->weights || !out->cross))
		s = err_nomem(e);
	if (!s)
		s = teach_all(&p, out, taught, e);
	pupil_release(&p);
	return s;
}

void
propagated_release(struct propagated *p)
{
	free(p->weights);
	free(p->cross);
}
