/*
 * train_finish: what is made of the fits of a run (train.h): one model, its yardsticks, its measures.
 *
 * The cross-fitted answers say how much the networks are to be believed (blend.h), the answers for unlabelled rows what
 * shares the classes have (label_shift.h), and a Gaussian mixture over the rows is the base measure (mixture.h). The
 * measures are cross-fitted all the way: the answers of a fold's rows are blended by weights learned from the others.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/label_shift.h"
#include "engine/linear.h"
#include "engine/train_private.h"

/*
 * Where the weights of a blend are drawn to: this sum, for networks that know their few labels by heart are sure of
 * themselves beyond reason, and of it the method's network a share by Cohen's kappa, which says how far it agrees with
 * the baseline on unlabelled rows, beyond chance. Where the classes are clusters the two agree on four rows of five and
 * more, and differ where the unlabelled rows taught the method better; where they are none it goes astray, and the two
 * have ever less in common. Of the rest the linear one has a share.
 *
 * Before them all the network taught by neighbours has one, by its own agreement with the method's. Both learn from
 * unlabelled rows, in unlike ways. Where they agree well, and more than the method and the baseline, which does not,
 * they have found the same clusters, and of clusters the graph knows the borders better. Where they agree much less the
 * one taught by neighbours has gone astray, and its weight stays where it is drawn to, whatever the labels held back
 * may say: neighbours answer labels well that lie among others, and badly the rows that are far from any.
 */
#define PRIOR_SUM 0.7
#define PROPAGATED_LEAST_SHARE 0.02
#define PROPAGATED_SHARE 0.3
#define PROPAGATED_MOST_SHARE 0.9
#define PROPAGATED_CLOSER 0.05
#define PROPAGATED_CLUSTERS 0.75 /* an agreement from which on it looks like clusters, */
#define PROPAGATED_SURELY 0.05   /* and so much more from which on it wholly does */
#define PROPAGATED_ASTRAY 0.1    /* behind the baseline's agreement: from here, and wholly half as far again */
#define ASTRAY_PRECISION 16.0
#define LEAST_SHARE 0.1
#define MOST_SHARE 0.9
#define LINEAR_SHARE 0.3

/* Unlabelled rows whose answers are asked for, and how many probabilities that may make. */
enum { ASKED_ROWS = 8192, ASKED_NUMBERS = 1 << 25 };

/* How strongly the labelled rows' own shares of the classes hold against those estimated among the unlabelled rows: the
 * more, the less sure the answers are, whose errors would be taken for shares, and the fewer the rows. */
#define SHIFT_PULL 0.1
#define LEAST_SURENESS 0.01
#define SHIFT_ROWS 100.0

/* A linear network beside them, where labels are few; not where it would take long. */
enum { LINEAR_WEIGHTS = 1 << 18, LINEAR_INPUTS = 1 << 22 };

/* Of a network that has learned a density without labels, beside the base measure, which knows it too: four anomaly
 * sets have mean AUROCs of 0.899 with weight 1, 0.910 with 0.25 and with 0.05. */
#define DENSITY_WEIGHT 0.25

/* The weights of the networks' logits are all that calibrates them; to fewer labels they are fitted too, but so few do
 * not show whether it worked. */
enum { CALIBRATION_MIN_LABELS = 50 };

enum { BASE_ROWS = 8000 }; /* that the base measure is fitted to */

/* ---- The blend ---------------------------------------------------------------------------------------------- */

/* The networks of the model: the method's alone, or baseline, method and, where they are made, the others. */
enum { BASELINE, METHOD, MAX_MEMBERS = BLEND_MAX };

struct member {
	enum train_network kind;
	struct net_shape shape;
	const real *weights;
	const struct warp *warp; /* borrowed, as all of it; NULL: none */
	const float *cross;      /* [n_labelled][K]: cross-fitted; borrowed */
	float *asked;            /* [n_asked][K]: what it answers for unlabelled rows */
	double precision;        /* of its weight's prior, as blend.h has it */
};

struct members {
	size_t n;
	struct member of[MAX_MEMBERS];
	int32_t *y; /* [n_labelled] */
	size_t n_asked;
	real *linear_weights;
	float *linear_cross;
	struct propagated propagated;
};

static void
members_release(struct members *m)
{
	free(m->y);
	for (size_t i = 0; i < MAX_MEMBERS; i++)
		free(m->of[i].asked);
	free(m->linear_weights);
	free(m->linear_cross);
	propagated_release(&m->propagated);
}

static bool
has_linear(const struct trainer *t)
{
	const size_t d = t->data.rows->d;

	return params_few_labels(t->n_labelled) && (d + 1) * t->data.n_classes <= LINEAR_WEIGHTS &&
	       t->n_labelled * d <= LINEAR_INPUTS;
}

/* On all labelled rows, fold 0, or on those that are not in fold - 1. */
static enum status
fit_linear(const struct trainer *t, const int32_t *y, size_t fold, real *w, struct err *e)
{
	struct linear_data data = {.d = t->data.rows->d,
		.n_classes = t->data.n_classes,
		.class_weight = t->data.class_weight,
		.threads = t->fit.threads,
		.stop = t->stop,
		.ctx = t->stop_ctx};
	uint32_t *index = malloc((t->n_labelled + 1) * sizeof *index);
	int32_t *of_rows = malloc((t->n_labelled + 1) * sizeof *of_rows);
	real *x = malloc((t->n_labelled * data.d + 1) * sizeof *x);
	enum status s;

	if (!index || !of_rows || !x) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t l = 0; l < t->n_labelled; l++) {
		if (fold && t->fold_of[l] == fold - 1)
			continue;
		of_rows[data.n] = y[l];
		index[data.n++] = t->labelled_index[l];
	}
	rows_expand(t->data.rows, index, 0, data.n, x);
	data.x = x;
	data.y = of_rows;
	s = linear_fit(&data, w, e);
out:
	free(index);
	free(of_rows);
	free(x);
	return s;
}

static enum status
add_linear(const struct trainer *t, struct members *m, struct err *e)
{
	const struct net_shape shape = linear_shape(t->data.rows->d, t->data.n_classes);
	enum status s = OK;

	m->linear_weights = malloc(net_size(&shape) * sizeof *m->linear_weights);
	m->linear_cross = malloc((t->n_labelled * t->data.n_classes + 1) * sizeof *m->linear_cross);
	if (!m->linear_weights || !m->linear_cross)
		return err_nomem(e);
	for (size_t fold = 1; fold <= t->n_folds && !s; fold++)
		if (!(s = fit_linear(t, m->y, fold, m->linear_weights, e)))
			s = trainer_predict(t, &shape, m->linear_weights, NULL, t->labelled_index, t->fold_of,
				(uint32_t)fold - 1, t->n_labelled, m->linear_cross, e);
	m->of[m->n++] = (struct member){
		.kind = TRAIN_LINEAR, .shape = shape, .weights = m->linear_weights, .cross = m->linear_cross};
	return s ? s : fit_linear(t, m->y, 0, m->linear_weights, e);
}

static enum status
add_propagated(const struct trainer *t, struct members *m, struct err *e)
{
	const struct propagated *p = &m->propagated;
	bool taught;
	enum status s = trainer_propagate(t, &m->propagated, &taught, e);

	if (!s && taught)
		m->of[m->n++] = (struct member){.kind = TRAIN_PROPAGATED,
			.shape = t->shape[METHOD],
			.weights = p->weights,
			.warp = p->warp,
			.cross = p->cross};
	return s;
}

static enum status
find_members(const struct trainer *t, struct members *m, struct err *e)
{
	const size_t n_classes = t->data.n_classes;
	const bool blend = t->params.method == METHOD_AUTO && trainer_has_baseline(t);
	size_t most = ASKED_NUMBERS / n_classes < ASKED_ROWS ? ASKED_NUMBERS / n_classes : ASKED_ROWS;
	uint32_t *index = malloc(ASKED_ROWS * sizeof *index);
	enum status s = OK;

	*m = (struct members){0};
	for (size_t slot = !blend; slot < 2; slot++)
		m->of[m->n++] = (struct member){.kind = slot == BASELINE ? TRAIN_BASELINE : TRAIN_METHOD,
			.shape = t->shape[slot],
			.weights = t->done[slot],
			.cross = t->cross[slot]};
	m->y = calloc(t->n_labelled + 1, sizeof *m->y);
	if (!m->y || !index) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t l = 0; l < t->n_labelled; l++)
		m->y[l] = t->data.label[t->labelled_index[l]];
	if ((blend && has_linear(t) && (s = add_linear(t, m, e))) ||
		(trainer_can_propagate(t) && (s = add_propagated(t, m, e))))
		goto out;
	if (t->n_labelled)
		m->n_asked = trainer_spread_rows(t, false, most, index);
	for (size_t i = 0; i < m->n && m->n_asked && !s; i++) {
		struct member *member = &m->of[i];

		member->asked = malloc(m->n_asked * n_classes * sizeof *member->asked);
		s = member->asked ? trainer_predict(t, &member->shape, member->weights, member->warp, index, NULL, 0,
					    m->n_asked, member->asked, e)
				  : err_nomem(e);
	}
out:
	free(index);
	return s;
}

static size_t
argmax(const float *p, size_t n)
{
	size_t top = 0;

	for (size_t k = 1; k < n; k++)
		if (p[k] > p[top])
			top = k;
	return top;
}

/* How far the answers of two networks for the unlabelled rows agree: 1 entirely, 0 as chance has it or less. */
static enum status
agreement(const struct members *m, size_t one, size_t other, size_t n_classes, double *kappa, struct err *e)
{
	size_t *count = calloc(2 * n_classes, sizeof *count), n_equal = 0;
	double n = (double)m->n_asked, by_chance = 0;

	if (!count)
		return err_nomem(e);
	for (size_t i = 0; i < m->n_asked; i++) {
		size_t a = argmax(m->of[one].asked + i * n_classes, n_classes);
		size_t b = argmax(m->of[other].asked + i * n_classes, n_classes);

		count[a]++;
		count[n_classes + b]++;
		n_equal += a == b;
	}
	for (size_t k = 0; k < n_classes; k++)
		by_chance += (double)count[k] / n * ((double)count[n_classes + k] / n);
	*kappa = n_equal == m->n_asked ? 1 : fmax(((double)n_equal / n - by_chance) / (1 - by_chance), 0);
	free(count);
	return OK;
}

static struct blend_data
cross_fitted(const struct trainer *t, const struct members *m)
{
	struct blend_data d = {.n = t->n_labelled, .n_classes = t->data.n_classes, .n_members = m->n, .y = m->y};

	for (size_t i = 0; i < m->n; i++) {
		d.p[i] = m->of[i].cross;
		d.precision[i] = m->of[i].precision;
	}
	return d;
}

static double
share_of_method(double kappa)
{
	double share = fmax(0.8 * kappa, 2.5 * kappa - 1); /* the latter from 0.6 on, and the most at 0.76 */

	return fmin(fmax(share, LEAST_SHARE), MOST_SHARE);
}

/* By its agreement with the method, and how much closer that is than the baseline's. */
static double
share_of_propagated(double kappa, double kappa_of_baseline)
{
	const double some = PROPAGATED_SHARE * kappa;
	const double closer = fmin(fmax((kappa - kappa_of_baseline) / PROPAGATED_CLOSER, 0), 1);
	const double clusters = fmin(fmax((kappa - PROPAGATED_CLUSTERS) / PROPAGATED_SURELY, 0), 1);

	return fmax(some + (PROPAGATED_MOST_SHARE - some) * closer * clusters, PROPAGATED_LEAST_SHARE);
}

/* How firmly its weight is held to its prior: see blend.h. */
static double
precision_of_propagated(double kappa, double kappa_of_baseline)
{
	const double behind = (kappa_of_baseline - kappa) / PROPAGATED_ASTRAY;

	return 1 + (ASTRAY_PRECISION - 1) * fmin(fmax(2 * (behind - 1), 0), 1);
}

/* What the baseline has to share with the others. */
static void
move_share(double *prior, size_t to, double share)
{
	prior[to] = share * prior[BASELINE];
	prior[BASELINE] -= prior[to];
}

/* The weights, and where they are drawn to. Without answers for labels unseen the one is the other, and that of a
 * single network is 1. */
static enum status
weigh(const struct trainer *t, struct members *m, double *prior, struct train_result *r, struct err *e)
{
	const size_t n_classes = t->data.n_classes;
	struct blend_data d;
	enum status s;

	prior[BASELINE] = PRIOR_SUM;
	r->agreement = 1;
	if (m->n > 1 && m->n_asked && (s = agreement(m, BASELINE, METHOD, n_classes, &r->agreement, e)))
		return s;
	for (size_t i = METHOD + 1; i < m->n && m->n_asked; i++) {
		double kappa;

		if (m->of[i].kind != TRAIN_PROPAGATED)
			continue;
		if ((s = agreement(m, i, METHOD, n_classes, &kappa, e)))
			return s;
		move_share(prior, i, share_of_propagated(kappa, r->agreement));
		m->of[i].precision = precision_of_propagated(kappa, r->agreement);
	}
	if (m->n > 1)
		move_share(prior, METHOD, share_of_method(r->agreement));
	for (size_t i = METHOD + 1; i < m->n; i++)
		if (m->of[i].kind == TRAIN_LINEAR)
			move_share(prior, i, LINEAR_SHARE);
	d = cross_fitted(t, m);
	if (t->n_folds)
		return blend_fit(&d, NULL, 0, prior, r->weight, e);
	for (size_t i = 0; i < m->n; i++)
		r->weight[i] = m->n == 1 ? 1 : prior[i];
	return OK;
}

/* Blended probabilities of every labelled row, by weights from the folds that it is not in. */
static enum status
cross_blend(const struct trainer *t, const struct members *m, const double *prior, float *p, struct err *e)
{
	const struct blend_data d = cross_fitted(t, m);
	enum status s = OK;

	for (size_t fold = 1; fold <= t->n_folds && !s; fold++) {
		double w[BLEND_MAX];

		s = blend_fit(&d, t->fold_of, fold, prior, w, e);
		for (size_t l = 0; l < t->n_labelled && !s; l++)
			if (t->fold_of[l] == fold - 1)
				blend_row(&d, l, w, p + l * d.n_classes);
	}
	return s;
}

static enum status
measure(const struct trainer *t, const struct members *m, const double *prior, struct train_result *r, struct err *e)
{
	const size_t n = t->n_labelled, n_classes = t->data.n_classes;
	float *p = malloc((n * n_classes + 1) * sizeof *p);
	enum status s = p ? cross_blend(t, m, prior, p, e) : err_nomem(e);

	if (!s)
		s = metrics_compute(p, m->y, n, n_classes, &r->measures, e);
	if (!s && trainer_has_baseline(t))
		s = metrics_compute(t->cross[0], m->y, n, n_classes, &r->baseline_measures, e);
	free(p);
	return s;
}

/* Takes class weights out of probabilities, which the networks learned under them: as far as their logits count, and
 * nearly, since their doubt knows nothing of weights. */
static void
unweigh(const struct trainer *t, const struct train_result *r, float *p)
{
	double power = 0, sum = 0;

	if (!t->data.class_weight)
		return;
	for (size_t i = 0; i < r->n_members; i++)
		power += r->weight[i];
	for (size_t k = 0; k < t->data.n_classes; k++) {
		p[k] = (float)((double)p[k] / pow(t->data.class_weight[k], power));
		sum += (double)p[k];
	}
	for (size_t k = 0; k < t->data.n_classes; k++)
		p[k] = (float)((double)p[k] / sum);
}

/* How strongly the labels' shares hold against those estimated from n answers p: 1 - the answers' mean entropy, as a
 * share of what it can be, is how sure they are. */
static double
shift_pull(const float *p, size_t n, size_t n_classes)
{
	double entropy = 0, sureness;

	for (size_t j = 0; j < n * n_classes; j++)
		entropy -= p[j] > 0 ? (double)p[j] * log((double)p[j]) : 0;
	sureness = fmax(1 - entropy / (double)n / log((double)n_classes), LEAST_SURENESS);
	return SHIFT_PULL / (sureness * sureness) + SHIFT_ROWS / (double)n;
}

/* The blend's answers without a bias and without class weights, of rows whose members' answers d has: into p. */
static void
answer(const struct trainer *t, const struct blend_data *d, const struct train_result *r, float *p)
{
	for (size_t i = 0; i < d->n; i++) {
		blend_row(d, i, r->weight, p + i * d->n_classes);
		unweigh(t, r, p + i * d->n_classes);
	}
}

/*
 * The shares of the classes among the unlabelled rows, into r->share, as far as the answers for labelled rows that were
 * held back do not say that the blend, and not the shares, is what is off: with ten labels of each of six classes that
 * were as frequent as each other, two of them hard to tell apart, the shift taken as it was cost 2 points of accuracy.
 */
static enum status
estimate_shares(
	const struct trainer *t, const struct members *m, const double *labelled, struct train_result *r, struct err *e)
{
	const size_t n_classes = t->data.n_classes;
	const struct blend_data held_back = cross_fitted(t, m);
	struct blend_data asked = {.n = m->n_asked, .n_classes = n_classes, .n_members = m->n};
	struct label_shift_check check = {.y = m->y, .n_held_back = held_back.n, .n = asked.n, .n_classes = n_classes};
	float *p = malloc((asked.n * n_classes + 1) * sizeof *p);
	float *of_labelled = malloc((held_back.n * n_classes + 1) * sizeof *of_labelled);
	double evidence;
	enum status s = p && of_labelled ? OK : err_nomem(e);

	for (size_t i = 0; i < m->n; i++)
		asked.p[i] = m->of[i].asked;
	if (!s) {
		answer(t, &asked, r, p);
		s = label_shift_estimate(
			p, asked.n, n_classes, labelled, shift_pull(p, asked.n, n_classes), r->share, e);
	}
	if (!s && t->n_folds && asked.n) {
		answer(t, &held_back, r, of_labelled);
		check.p = p;
		check.held_back = of_labelled;
		if (!(s = label_shift_evidence(&check, labelled, &evidence, e)))
			label_shift_temper(labelled, evidence, r->share, n_classes);
	}
	free(p);
	free(of_labelled);
	return s;
}

/*
 * The model's bias: log of the shares, as stated or else estimated, to those among the labelled rows. Class weights are
 * not divided out: whoever weighs a class wants it to be answered more often.
 */
static enum status
shift_classes(const struct trainer *t, const struct members *m, struct train_result *r, struct err *e)
{
	const size_t n_classes = t->data.n_classes;
	double *labelled = calloc(n_classes, sizeof *labelled), *bias = malloc(n_classes * sizeof *bias);
	enum status s = OK;

	r->share = calloc(n_classes, sizeof *r->share);
	if (!labelled || !bias || !r->share) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t l = 0; l < t->n_labelled; l++)
		labelled[m->y[l]] += 1 / (double)t->n_labelled;
	if (t->data.class_prior)
		memcpy(r->share, t->data.class_prior, n_classes * sizeof *r->share);
	else if ((s = estimate_shares(t, m, labelled, r, e)))
		goto out;
	for (size_t k = 0; k < n_classes; k++)
		bias[k] = log(r->share[k] / labelled[k]);
	s = model_set_bias(r->model, bias, e);
out:
	free(labelled);
	free(bias);
	return s;
}

/* ---- The rows' part ----------------------------------------------------------------------------------------- */

static enum status
fit_base(const struct trainer *t, struct train_result *r, struct err *e)
{
	const struct mixture_options options = {
		.seed = t->params.seed, .threads = t->fit.threads, .stop = t->stop, .ctx = t->stop_ctx};
	uint32_t *index = malloc(BASE_ROWS * sizeof *index);
	size_t d = t->data.rows->d, n;
	real *x = NULL;
	enum status s = OK;

	if (!index) {
		s = err_nomem(e);
		goto out;
	}
	n = trainer_spread_rows(t, true, BASE_ROWS, index);
	if (!(x = malloc((n * d + 1) * sizeof *x))) {
		s = err_nomem(e);
		goto out;
	}
	rows_expand(t->data.rows, index, 0, n, x);
	s = mixture_fit(x, n, d, &options, &r->model->base, &r->base, e);
out:
	free(index);
	free(x);
	return s;
}

/* The yardsticks of every kind of score, from the rows held out. */
static enum status
set_references(const struct trainer *t, struct model *m, struct err *e)
{
	struct model_workspace *workspace = NULL;
	double *score = malloc((t->data.rows->n + 1) * sizeof *score);
	enum status s = score ? model_workspace_new(m, &workspace, e) : err_nomem(e);

	for (size_t kind = 0; kind < N_OOD_SCORES && !s; kind++) {
		size_t n = 0;

		if (kind == OOD_MAX_PROBABILITY && t->data.n_classes == 1)
			continue; /* it would be 0 for every row */
		for (size_t i = 0; i < t->data.rows->n && !s; i++)
			if (t->data.held_out && t->data.held_out[i] && !(s = trainer_may_go_on(t, n, e)))
				model_predict(
					m, t->data.rows, i, 1, (enum ood_score)kind, workspace, NULL, &score[n++]);
		if (!s)
			s = model_set_reference(m, (enum ood_score)kind, score, n, t->params.target_fpr, e);
	}
	m->ood_score = t->params.ood_score;
	model_workspace_free(workspace);
	free(score);
	return s;
}

/* ---- The result --------------------------------------------------------------------------------------------- */

void
train_result_release(struct train_result *r)
{
	model_free(r->model);
	model_free(r->baseline);
	free(r->share);
	metrics_release(&r->measures);
	metrics_release(&r->baseline_measures);
	memset(r, 0, sizeof *r);
}

static enum status
make_model(const struct trainer *t, const struct members *m, struct train_result *r, struct err *e)
{
	enum status s;

	if (trainer_is_density(t)) {
		s = model_new_density(&t->density, m->of[0].weights, &r->model, e);
		return s ? s : set_references(t, r->model, e);
	}
	if ((s = model_new(&m->of[0].shape, m->of[0].weights, &r->model, e)))
		return s;
	for (size_t i = 1; i < m->n && !s; i++)
		s = model_add_member(r->model, &m->of[i].shape, m->of[i].weights, r->weight[i], e);
	for (size_t i = 0; i < m->n && t->n_labelled && !s; i++) {
		r->model->member[i].weight = r->weight[i];
		r->model->member[i].doubt = BLEND_DOUBT;
		r->model->member[i].conditional = m->of[i].kind == TRAIN_LINEAR || m->of[i].kind == TRAIN_PROPAGATED;
		s = m->of[i].warp ? model_set_warp(r->model, i, m->of[i].warp, e) : OK;
	}
	if (!t->n_labelled && t->params.base_measure == BASE_MIXTURE)
		r->model->member[0].weight = DENSITY_WEIGHT;
	if (!s && ((t->data.class_prior && t->n_labelled) ||
			  (t->params.class_prior == CLASS_PRIOR_ESTIMATED && m->n_asked)))
		s = shift_classes(t, m, r, e);
	if (!s && t->params.base_measure == BASE_MIXTURE)
		s = fit_base(t, r, e);
	return s ? s : set_references(t, r->model, e);
}

enum status
trainer_finish(struct trainer *t, struct train_result *out, struct err *e)
{
	struct train_result r = {.evaluated = t->n_folds > 0, .n_evaluated = t->n_folds ? t->n_labelled : 0};
	double prior[BLEND_MAX] = {0};
	struct members m;
	enum status s = find_members(t, &m, e);

	r.calibrated = r.n_evaluated >= CALIBRATION_MIN_LABELS;
	r.n_members = trainer_is_density(t) ? 0 : m.n;
	for (size_t i = 0; i < r.n_members; i++)
		r.network[i] = m.of[i].kind;
	if (!s && t->n_labelled)
		s = weigh(t, &m, prior, &r, e);
	if (!s)
		s = make_model(t, &m, &r, e);
	if (!s && trainer_has_baseline(t) && !(s = model_new(&t->shape[0], t->done[0], &r.baseline, e)))
		s = set_references(t, r.baseline, e);
	if (!s && r.evaluated)
		s = measure(t, &m, prior, &r, e);
	members_release(&m);
	trainer_curve(t, false, &r.curve);
	trainer_curve(t, true, &r.baseline_curve);
	if (s)
		train_result_release(&r);
	else
		*out = r;
	return s;
}
