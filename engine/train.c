/* train: see train.h. */
#include "engine/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/kernel.h"
#include "engine/spacing.h"
#include "engine/train_private.h"

/* Streams of the seed: one for each fit, apart from those of split.c. */
enum { STREAM_FITS = 16 };

/* A loss beyond this is an explosion on its way to infinity; standardised inputs and sane nets stay far below. */
#define EXPLODED 1e6

/* The divergence guard keeps a state to go back to, made anew every so many steps while no term is even near exploding;
 * a fit may go back TRAINER_MAX_RETRIES times. */
#define CALM (EXPLODED / 1e3)
enum { SNAPSHOT_STEPS = 200 };

enum { ASK_ROWS = 64 }; /* predicted between two questions whether to stop */

/* Cross-fitted probabilities of a method, and of its baseline again: 1 GiB each. */
#define MAX_CROSS ((size_t)1 << 28)

/* ---- The plan ----------------------------------------------------------------------------------------------- */

bool
trainer_has_baseline(const struct trainer *t)
{
	return t->data.n_classes > 1 && t->params.method != METHOD_SUPERVISED;
}

bool
trainer_is_density(const struct trainer *t)
{
	return t->params.method == METHOD_DENSITY;
}

/* Numbers that a finished fit leaves: of the baseline (slot 0) or the method (1). */
static size_t
n_weights(const struct trainer *t, size_t slot)
{
	return slot && trainer_is_density(t) ? density_size(&t->density) : net_size(&t->shape[slot]);
}

/* What the run trains beside the baseline. */
static enum method
main_method(const struct trainer *t)
{
	return t->params.method == METHOD_AUTO ? METHOD_VERA : (enum method)t->params.method;
}

/* Baseline first: it is quick, and says early what there is to beat. */
static enum status
make_plan(struct trainer *t, struct err *e)
{
	const struct layer_sizes layers = params_baseline_layers(&t->params, t->n_labelled);
	struct planned_fit method = {.method = main_method(t), .steps = t->params.steps};
	struct planned_fit baseline = {.method = METHOD_SUPERVISED,
		.baseline = true,
		.steps = params_baseline_steps(&t->params, t->n_labelled)};
	const struct train_data *d = &t->data;
	size_t n = 0;

	t->shape[0] = net_shape_of(d->rows->d, &layers, d->n_classes, t->params.weight_norm);
	t->shape[1] = net_shape_of(d->rows->d, &t->params.hidden_layers, d->n_classes, t->params.weight_norm);
	t->plan = calloc((t->n_folds + 1) * 2, sizeof *t->plan);
	if (!t->plan)
		return err_nomem(e);
	for (size_t fold = 0; fold <= t->n_folds; fold++) {
		method.fold = baseline.fold = fold;
		if (trainer_has_baseline(t))
			t->plan[n++] = baseline;
		t->plan[n++] = method;
	}
	t->n_fits = n;
	return OK;
}

static enum status
index_rows(struct trainer *t, struct err *e)
{
	const struct train_data *d = &t->data;

	t->data_index = calloc(d->rows->n, sizeof *t->data_index);
	t->fit_data = malloc(d->rows->n * sizeof *t->fit_data);
	if (!t->data_index || !t->fit_data)
		return err_nomem(e);
	for (size_t i = 0; i < d->rows->n; i++) {
		if (d->held_out && d->held_out[i])
			continue;
		t->data_index[t->n_data++] = (uint32_t)i;
		t->n_labelled += d->label[i] >= 0;
	}
	t->labelled_index = malloc((t->n_labelled + 1) * sizeof *t->labelled_index);
	t->fit_labelled = malloc((t->n_labelled + 1) * sizeof *t->fit_labelled);
	t->fold_of = calloc(t->n_labelled + 1, sizeof *t->fold_of);
	if (d->class_weight)
		t->labelled_up_to = calloc(t->n_labelled + 1, sizeof *t->labelled_up_to);
	if (!t->labelled_index || !t->fit_labelled || !t->fold_of || (d->class_weight && !t->labelled_up_to))
		return err_nomem(e);
	for (size_t i = 0, n = 0; i < t->n_data; i++)
		if (d->label[t->data_index[i]] >= 0)
			t->labelled_index[n++] = t->data_index[i];
	return split_folds(d->label, t->labelled_index, t->n_labelled, d->n_classes, t->params.evaluation_folds,
		t->params.seed, t->fold_of, &t->n_folds, e);
}

/* Numbers in each block of cross-fitted probabilities, which every checkpoint holds as well: none without folds. */
static size_t
n_cross(const struct trainer *t)
{
	return t->n_folds ? t->n_labelled * t->data.n_classes : 0;
}

static enum status
check_cross(const struct trainer *t, struct err *e)
{
	if (!t->n_folds || t->n_labelled <= MAX_CROSS / t->data.n_classes)
		return OK;
	return err_set(e, ERR_INVALID, "parameter_combination",
		"the probabilities of %zu labelled rows for %zu classes do not fit into the memory of a run: set "
		"evaluation_folds to 0",
		t->n_labelled, t->data.n_classes);
}

/* The arenas are sized for the larger of the fits in the plan. */
static void
layout_fit(struct trainer *t, const struct planned_fit *p, struct arena *state, struct arena *scratch)
{
	struct fit *f = &t->fit;

	f->method = method_for(&t->params, p->method);
	f->shape = t->shape[!p->baseline];
	f->noise = p->baseline ? params_baseline_noise(&t->params, t->n_labelled) : t->params.input_noise;
	fit_layout(f, state, scratch);
}

static enum status
allocate(struct trainer *t, struct err *e)
{
	size_t own = 1;

	for (size_t i = 0; i < t->n_fits; i++) {
		size_t its_own = method_for(&t->params, t->plan[i].method)->own_size;

		own = its_own > own ? its_own : own;
	}
	t->fit = (struct fit){.params = &t->params,
		.data = &t->data,
		.threads = t->fit.threads,
		.family = trainer_is_density(t) ? &t->density : NULL,
		.data_index = t->fit_data,
		.labelled_index = t->fit_labelled,
		.labelled_up_to = t->labelled_up_to,
		.own = calloc(1, own)};
	if (!t->fit.own)
		return err_nomem(e);
	for (size_t i = 0; i < t->n_fits; i++) {
		struct arena state = {0}, scratch = {0};

		layout_fit(t, &t->plan[i], &state, &scratch);
		t->n_state = state.used > t->n_state ? state.used : t->n_state;
		t->n_scratch = scratch.used > t->n_scratch ? scratch.used : t->n_scratch;
	}
	t->state = aligned_alloc(64, t->n_state * sizeof *t->state);
	t->sound.state = aligned_alloc(64, t->n_state * sizeof *t->state);
	t->scratch = aligned_alloc(64, t->n_scratch * sizeof *t->scratch);
	if (!t->state || !t->sound.state || !t->scratch)
		return err_nomem(e);
	memset(t->state, 0, t->n_state * sizeof *t->state);
	memset(t->scratch, 0, t->n_scratch * sizeof *t->scratch);
	for (size_t i = 0; i < 2; i++) {
		t->done[i] = calloc(n_weights(t, i), sizeof *t->done[i]);
		t->cross[i] = calloc(n_cross(t) + 1, sizeof *t->cross[i]);
		if (!t->done[i] || !t->cross[i])
			return err_nomem(e);
	}
	t->curve = calloc(trainer_n_curve(t) + 1, sizeof *t->curve);
	return t->curve ? OK : err_nomem(e);
}

/* The rows that the fit of this fold may see: not those whose labels it is to be measured on. */
static void
select_rows(struct trainer *t, size_t fold)
{
	struct fit *f = &t->fit;

	f->n_data = f->n_labelled = 0;
	for (size_t i = 0, l = 0; i < t->n_data; i++) {
		uint32_t row = t->data_index[i];
		bool labelled = t->data.label[row] >= 0;
		bool left_out = labelled && fold && t->fold_of[l] == fold - 1;

		l += labelled;
		if (left_out)
			continue;
		t->fit_data[f->n_data++] = row;
		if (labelled)
			t->fit_labelled[f->n_labelled++] = row;
	}
	for (size_t l = 0; t->labelled_up_to && l < f->n_labelled; l++)
		t->labelled_up_to[l] = (l ? t->labelled_up_to[l - 1] : 0) +
				       t->data.class_weight[t->data.label[t->fit_labelled[l]]];
}

/* Makes the fit at t->at the present one; its numbers are then set by fit_start or by restoring. */
static void
open_fit(struct trainer *t)
{
	const struct planned_fit *p = &t->plan[t->at];
	struct arena state = {.block = t->state}, scratch = {.block = t->scratch};

	layout_fit(t, p, &state, &scratch);
	t->fit.energy_share = 1;
	select_rows(t, p->fold);
}

static void
take_snapshot(struct trainer *t)
{
	t->sound.step = t->fit.step;
	t->sound.rng = t->fit.rng;
	t->sound.terms = t->terms;
	memcpy(t->sound.state, t->state, t->n_state * sizeof *t->state);
}

/* Each retry halves the learning rates. */
static double
rate_of(const struct trainer *t)
{
	return ldexp(1, -(int)t->retries);
}

static void
start_fit(struct trainer *t)
{
	open_fit(t);
	fit_start(&t->fit, STREAM_FITS + t->at);
	t->retries = 0;
	take_snapshot(t);
}

/* ---- A run -------------------------------------------------------------------------------------------------- */

enum status
trainer_new(
	const struct params *params, const struct train_data *data, int n_threads, struct trainer **out, struct err *e)
{
	struct trainer *t = calloc(1, sizeof *t);
	enum status s;

	if (!t)
		return err_nomem(e);
	t->params = *params;
	t->data = *data;
	t->fit.threads = n_threads;
	t->density = density_shape_of(params, data->rows->d);
	if ((s = spacing_resolve(&t->params, data->rows, data->held_out, e)) || (s = index_rows(t, e)) ||
		(s = check_cross(t, e)) || (s = make_plan(t, e)) || (s = allocate(t, e))) {
		trainer_free(t);
		return s;
	}
	start_fit(t);
	*out = t;
	return OK;
}

const struct params *
trainer_params(const struct trainer *t)
{
	return &t->params;
}

void
trainer_free(struct trainer *t)
{
	if (!t)
		return;
	free(t->plan);
	free(t->curve);
	free(t->data_index);
	free(t->labelled_index);
	free(t->fold_of);
	free(t->fit_data);
	free(t->fit_labelled);
	free(t->labelled_up_to);
	free(t->fit.own);
	free(t->state);
	free(t->sound.state);
	free(t->scratch);
	for (size_t i = 0; i < 2; i++) {
		free(t->done[i]);
		free(t->cross[i]);
	}
	free(t);
}

size_t
trainer_bytes(const struct trainer *t)
{
	return (2 * t->n_state + t->n_scratch + n_weights(t, 0) + n_weights(t, 1)) * sizeof(real) +
	       2 * (n_cross(t) + 1) * sizeof *t->cross[0] + 2 * t->data.rows->n * sizeof *t->data_index +
	       3 * t->n_labelled * sizeof *t->labelled_index +
	       (t->labelled_up_to ? t->n_labelled * sizeof *t->labelled_up_to : 0);
}

void
trainer_ask(struct trainer *t, bool (*stop)(void *ctx), void *ctx)
{
	t->stop = stop;
	t->stop_ctx = ctx;
}

enum status
trainer_may_go_on(const struct trainer *t, size_t i, struct err *e)
{
	if (i % ASK_ROWS == 0 && t->stop && t->stop(t->stop_ctx))
		return err_set(e, ERR_CANCELLED, "stopped", "the run was stopped");
	return OK;
}

void
trainer_set_threads(struct trainer *t, int n_threads)
{
	t->fit.threads = n_threads;
}

bool
trainer_done(const struct trainer *t)
{
	return t->at == t->n_fits;
}

void
trainer_progress(const struct trainer *t, struct train_progress *out)
{
	const struct planned_fit *p = &t->plan[trainer_done(t) ? t->n_fits - 1 : t->at];

	*out = (struct train_progress){
		.phase = trainer_done(t) ? "scoring"
			 : p->fold       ? "evaluating"
			 : p->baseline   ? "baseline"
					 : "training",
		.step = trainer_done(t) ? 0 : t->fit.step,
		.fit = t->at,
		.fold = p->fold,
		.folds = t->n_folds,
		.recoveries = t->recoveries,
		.labelled = t->n_labelled > 0,
		.terms = t->terms,
	};
	for (size_t i = 0; i < t->n_fits; i++) {
		out->step += i < t->at ? t->plan[i].steps : 0;
		out->steps += t->plan[i].steps;
	}
}

/* Not finite is never below. */
static bool
terms_below(const struct train_terms *m, double bound)
{
	return fabs(m->loss) < bound && fabs(m->log_p_difference) < bound && fabs(m->gradient_penalty) < bound &&
	       fabs(m->generator_loss) < bound && isfinite(m->entropy_objective);
}

/* What the last step left: terms always, and at the end of the fit the weights that come of it. */
static enum status
check_step(const struct trainer *t, bool last, struct err *e)
{
	const struct train_terms *m = &t->terms;

	if (!terms_below(m, EXPLODED))
		return err_set(e, ERR_DIVERGED, "diverged",
			"training by %s diverged at step %zu of %zu, after %zu retries: loss %.3g, "
			"log p difference %.3g, gradient penalty %.3g, generator loss %.3g; "
			"a smaller learning_rate or a larger gamma may help",
			t->fit.method->name, t->fit.step, t->plan[t->at].steps, t->retries, m->loss,
			m->log_p_difference, m->gradient_penalty, m->generator_loss);
	if (last && !kernel_finite(t->state, t->n_state))
		return err_set(e, ERR_DIVERGED, "diverged",
			"training by %s ended with weights that are not finite, after %zu retries; a smaller "
			"learning_rate may help",
			t->fit.method->name, t->retries);
	return OK;
}

/* Back to the last sound state, with smaller steps and other draws: those that led astray must not come again. */
static void
recover(struct trainer *t)
{
	struct fit *f = &t->fit;

	t->retries++;
	t->recoveries++;
	memcpy(t->state, t->sound.state, t->n_state * sizeof *t->state);
	t->terms = t->sound.terms;
	f->step = t->sound.step;
	f->rate = rate_of(t);
	rng_init(&f->rng, t->params.seed, (STREAM_FITS + t->at) | (uint64_t)t->retries << 32);
}

enum status
trainer_predict(const struct trainer *t, const struct net_shape *shape, const real *w, const struct warp *warp,
	const uint32_t *row, const uint32_t *group, uint32_t wanted, size_t n, float *p, struct err *e)
{
	struct model_workspace *workspace = NULL;
	struct model *model = NULL;
	enum status s;

	s = model_new(shape, w, &model, e);
	if (!s && warp)
		s = model_set_warp(model, 0, warp, e);
	if (!s)
		s = model_workspace_new(model, &workspace, e);
	for (size_t i = 0; i < n && !s; i++)
		if (!(s = trainer_may_go_on(t, i, e)) && (!group || group[i] == wanted))
			model_predict(
				model, t->data.rows, row[i], 1, OOD_ENERGY, workspace, p + i * t->data.n_classes, NULL);
	model_workspace_free(workspace);
	model_free(model);
	return s;
}

size_t
trainer_spread_rows(const struct trainer *t, bool with_labels, size_t most, uint32_t *index)
{
	size_t n_all = with_labels ? t->n_data : t->n_data - t->n_labelled, seen = 0, n = 0;

	for (size_t i = 0; i < t->n_data && n < most; i++) {
		if (!with_labels && t->data.label[t->data_index[i]] >= 0)
			continue;
		if (n_all <= most || seen * most / n_all != (seen + 1) * most / n_all)
			index[n++] = t->data_index[i];
		seen++;
	}
	return n;
}

static enum status
close_fit(struct trainer *t, struct err *e)
{
	const struct planned_fit *p = &t->plan[t->at];
	const real *w = trainer_is_density(t) ? t->fit.average
					      : net_effective(&t->fit.shape, t->fit.average, t->fit.plain);
	const size_t slot = !p->baseline;
	enum status s = OK;

	if (p->fold)
		s = trainer_predict(t, &t->shape[slot], w, NULL, t->labelled_index, t->fold_of, (uint32_t)p->fold - 1,
			t->n_labelled, t->cross[slot], e);
	else
		memcpy(t->done[slot], w, n_weights(t, slot) * sizeof *w);
	if (s)
		return s;
	if (++t->at < t->n_fits)
		start_fit(t);
	return OK;
}

enum status
trainer_step(struct trainer *t, struct err *e)
{
	enum status s;
	bool last;

	if (t->fit.step == t->plan[t->at].steps) /* it was stopped on its way out of the fit */
		return close_fit(t, e);
	fit_step(&t->fit, &t->terms);
	last = t->fit.step == t->plan[t->at].steps;
	s = check_step(t, last, e);
	if (s && t->retries == TRAINER_MAX_RETRIES)
		return s;
	if (s)
		recover(t);
	else if ((s = trainer_note_curve(t, e)))
		return s;
	else if (last)
		return close_fit(t, e);
	else if (t->fit.step % SNAPSHOT_STEPS == 0 && terms_below(&t->terms, CALM) &&
		 kernel_finite(t->state, t->n_state))
		take_snapshot(t);
	return OK;
}

/* ---- Saving and restoring ----------------------------------------------------------------------------------- */

/*
 * Native numbers: a checkpoint never leaves the machine that made it. The head says what it belongs to.
 */
struct saved_head {
	char magic[8];
	uint64_t n_state, n_weights[2], n_cross, n_rows, seed, steps;
	uint64_t at, step, retries, recoveries, sound_step;
	struct rng rng, sound_rng;
	struct train_terms terms, sound_terms;
};

static struct saved_head
head_of(const struct trainer *t)
{
	struct saved_head h = {
		.magic = "VERADCK2",
		.n_state = t->n_state,
		.n_weights = {n_weights(t, 0), n_weights(t, 1)},
		.n_cross = n_cross(t),
		.n_rows = t->data.rows->n,
		.seed = t->params.seed,
		.steps = t->params.steps,
	};

	return h;
}

enum status
trainer_save(const struct trainer *t, struct buf *out, struct err *e)
{
	struct saved_head h = head_of(t);
	size_t start = out->len;

	h.at = t->at;
	h.step = t->fit.step;
	h.retries = t->retries;
	h.recoveries = t->recoveries;
	h.sound_step = t->sound.step;
	h.rng = t->fit.rng;
	h.sound_rng = t->sound.rng;
	h.terms = t->terms;
	h.sound_terms = t->sound.terms;
	buf_put(out, &h, sizeof h);
	buf_put(out, t->state, t->n_state * sizeof *t->state);
	buf_put(out, t->sound.state, t->n_state * sizeof *t->state);
	for (size_t i = 0; i < 2; i++) {
		buf_put(out, t->done[i], h.n_weights[i] * sizeof *t->done[i]);
		buf_put(out, t->cross[i], h.n_cross * sizeof *t->cross[i]);
	}
	buf_put(out, t->curve, trainer_n_curve(t) * sizeof *t->curve);
	if (!out->failed)
		buf_put_u64(out, checksum64(out->data + start, out->len - start));
	return buf_status(out, e);
}

static enum status
bad_checkpoint(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "corrupt_checkpoint", "the checkpoint is damaged or belongs to another run");
}

/* Whether this trainer could have saved such a head. The checksum has already told damage; this tells other runs. */
static bool
head_fits(const struct trainer *t, const struct saved_head *h)
{
	struct saved_head want = head_of(t);

	return !memcmp(h->magic, want.magic, sizeof want.magic) && h->n_state == want.n_state &&
	       h->n_weights[0] == want.n_weights[0] && h->n_weights[1] == want.n_weights[1] &&
	       h->n_cross == want.n_cross && h->n_rows == want.n_rows && h->seed == want.seed &&
	       h->steps == want.steps && h->at <= t->n_fits && h->step <= want.steps && h->sound_step <= h->step &&
	       h->retries <= TRAINER_MAX_RETRIES;
}

enum status
trainer_restore(struct trainer *t, const void *bytes, size_t n, struct err *e)
{
	const size_t n_state = t->n_state * sizeof *t->state;
	struct saved_head h = head_of(t);
	struct reader in = reader_over(bytes, n), tail;
	const size_t n_curve = trainer_n_curve(t) * sizeof *t->curve;
	size_t body = sizeof h + 2 * n_state + (h.n_weights[0] + h.n_weights[1]) * sizeof *t->done[0] +
		      2 * h.n_cross * sizeof *t->cross[0] + n_curve;

	if (n != body + sizeof(uint64_t))
		return bad_checkpoint(e);
	tail = reader_over((const unsigned char *)bytes + body, sizeof(uint64_t));
	memcpy(&h, reader_take(&in, sizeof h), sizeof h);
	if (reader_u64(&tail) != checksum64(bytes, body) || !head_fits(t, &h))
		return bad_checkpoint(e);
	t->at = h.at;
	if (!trainer_done(t))
		open_fit(t);
	t->retries = h.retries;
	t->recoveries = h.recoveries;
	t->terms = h.terms;
	t->fit.step = h.step;
	t->fit.rng = h.rng;
	t->fit.rate = rate_of(t);
	t->sound.step = h.sound_step;
	t->sound.rng = h.sound_rng;
	t->sound.terms = h.sound_terms;
	memcpy(t->state, reader_take(&in, n_state), n_state);
	memcpy(t->sound.state, reader_take(&in, n_state), n_state);
	for (size_t i = 0; i < 2; i++) {
		size_t of_weights = h.n_weights[i] * sizeof *t->done[i], of_cross = h.n_cross * sizeof *t->cross[i];

		memcpy(t->done[i], reader_take(&in, of_weights), of_weights);
		memcpy(t->cross[i], reader_take(&in, of_cross), of_cross);
	}
	if (n_curve)
		memcpy(t->curve, reader_take(&in, n_curve), n_curve);
	return OK;
}
