/*
 * train_curve: how good the networks of the folds are on their way, on labels that they do not see; declared in train.h
 * and train_private.h. A point is overwritten when a fit comes by again, after a divergence.
 */
#include <math.h>
#include <stdlib.h>

#include "engine/train_private.h"

enum { CURVE_ROWS = 256 }; /* of a fold: more would show no more, and take longer */

static size_t
step_of(size_t steps, size_t point)
{
	return steps * (point + 1) / TRAIN_CURVE_POINTS;
}

static struct curve_sum *
sum_of(const struct trainer *t, size_t slot, size_t fold, size_t point)
{
	return &t->curve[(slot * t->n_folds + fold - 1) * TRAIN_CURVE_POINTS + point];
}

size_t
trainer_n_curve(const struct trainer *t)
{
	return 2 * t->n_folds * TRAIN_CURVE_POINTS;
}

static enum status
measure(const struct trainer *t, size_t fold, struct curve_sum *sum, struct err *e)
{
	const real *w = net_effective(&t->fit.shape, t->fit.average, t->fit.plain);
	const size_t n_classes = t->data.n_classes;
	struct model_workspace *workspace = NULL;
	struct model *model = NULL;
	float *p = malloc(n_classes * sizeof *p);
	enum status s = p ? model_new(&t->fit.shape, w, &model, e) : err_nomem(e);

	if (!s)
		s = model_workspace_new(model, &workspace, e);
	*sum = (struct curve_sum){0};
	for (size_t l = 0; l < t->n_labelled && sum->n < CURVE_ROWS && !s; l++) {
		size_t truth = (size_t)t->data.label[t->labelled_index[l]], top = 0;

		if (t->fold_of[l] != fold - 1)
			continue;
		model_predict(model, t->data.rows, t->labelled_index[l], 1, OOD_ENERGY, workspace, p, NULL);
		for (size_t k = 1; k < n_classes; k++)
			top = p[k] > p[top] ? k : top;
		sum->n++;
		sum->right += top == truth;
		sum->log_loss -= log((double)p[truth] > 1e-15 ? (double)p[truth] : 1e-15);
	}
	model_workspace_free(workspace);
	model_free(model);
	free(p);
	return s;
}

enum status
trainer_note_curve(struct trainer *t, struct err *e)
{
	const struct planned_fit *p = &t->plan[t->at];
	enum status s = OK;

	for (size_t k = 0; p->fold && k < TRAIN_CURVE_POINTS && !s; k++)
		if (step_of(p->steps, k) == t->fit.step)
			s = measure(t, p->fold, sum_of(t, !p->baseline, p->fold, k), e);
	return s;
}

void
trainer_curve(const struct trainer *t, bool baseline, struct train_curve *out)
{
	size_t steps = 0;

	*out = (struct train_curve){0};
	for (size_t i = 0; i < t->n_fits; i++)
		if (t->plan[i].fold && t->plan[i].baseline == baseline)
			steps = t->plan[i].steps;
	for (size_t k = 0; steps && k < TRAIN_CURVE_POINTS; k++) {
		struct curve_sum all = {0};

		for (size_t fold = 1; fold <= t->n_folds; fold++) {
			const struct curve_sum *sum = sum_of(t, !baseline, fold, k);

			all.n += sum->n;
			all.right += sum->right;
			all.log_loss += sum->log_loss;
		}
		if (!all.n || (out->n && out->point[out->n - 1].step == step_of(steps, k)))
			continue; /* fewer steps than points */
		out->n_rows = all.n;
		out->point[out->n++] = (struct train_curve_point){.step = step_of(steps, k),
			.accuracy = (double)all.right / (double)all.n,
			.log_loss = all.log_loss / (double)all.n};
	}
}
