/*
 * train: a whole training run, advanced one step at a time.
 *
 * A run is a fixed list of fits, made from the parameters: the supervised baseline and the chosen method on all
 * labelled rows, then both again for each evaluation fold (cross-fitting: every labelled row is predicted by networks
 * that never saw its label). Without labels it is one fit of the chosen method: the network has one output, which is
 * log p(x). Rows held out for the OOD reference take part in no fit. The caller owns the loop, the
 * clock, cancellation and checkpoints: the trainer knows none of them.
 *
 * Determinism: data, parameters and seed fix every bit of the result; the number of threads does not enter. A run
 * restored from saved state goes on exactly as the saved one would have.
 */
#ifndef VERAD_ENGINE_TRAIN_H
#define VERAD_ENGINE_TRAIN_H

#include "engine/metric.h"
#include "engine/model.h"
#include "engine/params.h"
#include "engine/rows.h"
#include "engine/split.h"

struct train_data { /* borrowed for the life of the trainer */
	const struct rows *rows;
	const int32_t *label;          /* [rows->n]: class 0..n_classes-1, or -1 = unlabelled */
	size_t n_classes;              /* >= 2, each with at least one labelled row outside `held_out`;
					  or 1 and no row labelled: the density alone, as
					  method density always has it */
	const unsigned char *held_out; /* [rows->n], 1 = row kept out of every fit; see split_holdout */
	const double *class_weight; /* [n_classes], above 0: how much a class's labelled rows count, which are drawn so
				       much more often; NULL: all alike */
	const double *class_prior;  /* [n_classes], above 0, of sum 1: shares of the classes that probabilities assume,
				       rather than what params.class_prior says; NULL: not stated */
	/* Turns n encoded rows x [n][d], in place, into what tells how near they are (neighbours.h): each of the dense
	 * features by a function of its own, the others not at all. NULL: they tell it as they are. */
	void (*positions)(const void *ctx, real *x, size_t n);
	const void *positions_ctx;
};

struct train_terms {             /* means over the batch, of the last step; 0 for terms that the method has not */
	double loss;             /* of the energy network */
	double log_p_difference; /* E_data[log p] - E_generated[log p] */
	double gradient_penalty, conditional_entropy, cross_entropy;
	double generator_loss, entropy_objective; /* the latter: mean log-density gain c.x, see generator.h */
	double sigma;          /* standard deviation of the generator's noise; 0 without a generator */
	double train_accuracy; /* of the labelled rows of the step */
};

struct train_progress {
	const char *phase;  /* "baseline", "training", "evaluating", "scoring"; static storage */
	size_t step, steps; /* of the whole run */
	size_t fit;         /* number of the present fit in the run: steps of one fit cost about the same */
	size_t fold, folds; /* of the evaluation; fold 0 = the fit on all labelled rows */
	size_t recoveries;  /* times that this run, so far, diverged and went on from an earlier state */
	bool labelled;      /* there are labels to learn from; else the terms of labelled rows are 0 */
	struct train_terms terms;
};

/* A learning curve: how good the networks of the folds were after so many steps, on up to 256 rows of each fold, whose
 * labels they do not see. Of fewer steps than points there are as many points. */
enum { TRAIN_CURVE_POINTS = 20 };
struct train_curve {
	size_t n, n_rows; /* points; rows behind each of them */
	struct train_curve_point {
		size_t step; /* of one fit */
		double accuracy, log_loss;
	} point[TRAIN_CURVE_POINTS];
};

enum train_network {      /* of a model; in the order that they have there */
	TRAIN_BASELINE,   /* supervised, beside the method's in a blend */
	TRAIN_METHOD,     /* of method `auto` VERA's */
	TRAIN_LINEAR,     /* linear.h */
	TRAIN_PROPAGATED, /* taught by neighbours: neighbours.h */
};

struct train_result {
	struct model *model;    /* owned; with references for every kind of score */
	struct model *baseline; /* the supervised network alone; NULL where the method is `supervised` or there are no
				   labels */
	size_t n_members;       /* networks in the model: of method `auto` several, of `density` none, else one */
	enum train_network network[BLEND_MAX]; /* which they are */
	double weight[BLEND_MAX];              /* theirs; zeroed without labels */
	double agreement;                      /* of the first two on unlabelled rows: Cohen's kappa, from 0 */
	double *share; /* [n_classes] that probabilities assume: of the unlabelled rows, as estimated, or as
			  stated; owned; NULL: those of the labelled rows */
	struct mixture_report base; /* n_components 0: no base measure */
	bool evaluated; /* false: folds were 0 or a class had a single label; then the next two are zeroed */
	struct metrics measures,
		baseline_measures; /* cross-fitted, on the labelled rows and with their classes' shares */
	size_t n_evaluated;
	bool calibrated; /* evaluated on labels enough to vouch for the probabilities */
	struct train_curve curve,
		baseline_curve; /* of the method's network and the baseline's, each alone; n 0: none */
};
void train_result_release(struct train_result *r); /* accepts a zeroed struct */

struct trainer;

/* params must have been resolved (params_resolve); what they leave to the rows is chosen here (spacing.h). All memory
 * of the run is allocated here; a step allocates none, but where it ends a fit or makes a point of a curve. */
enum status trainer_new(
	const struct params *params, const struct train_data *data, int n_threads, struct trainer **out, struct err *e);
void trainer_free(struct trainer *t);

/* With nothing left to choose; the trainer's own. */
const struct params *trainer_params(const struct trainer *t);

/* What a run holds, the rows and labels it borrows apart. */
size_t trainer_bytes(const struct trainer *t);

/* Some work takes longer than a step: predictions at the end of a fit, the scores of trainer_finish. There `stop` is
 * asked time and again; true ends the call with ERR_CANCELLED "stopped", and what was begun is done anew when the
 * trainer, or one restored from its state, is called once more. */
void trainer_ask(struct trainer *t, bool (*stop)(void *ctx), void *ctx);

/* Between two steps; changes nothing but their speed. */
void trainer_set_threads(struct trainer *t, int n_threads);

bool trainer_done(const struct trainer *t);
void trainer_progress(const struct trainer *t, struct train_progress *out);

/*
 * One step of the present fit. When an energy, gradient or loss is not finite or explodes, the fit goes back to its
 * last sound state and on from there with half the learning rates and other random numbers; after the third time in one
 * fit ERR_DIVERGED: the run is over then, and the message has the numbers.
 */
enum status trainer_step(struct trainer *t, struct err *e);

/* Builds the result of a run that is done. Once only, unless it was stopped. */
enum status trainer_finish(struct trainer *t, struct train_result *out, struct err *e);

/* The whole state between two steps, and its return into a trainer made with equal parameters and data. */
enum status trainer_save(const struct trainer *t, struct buf *out, struct err *e);
enum status trainer_restore(struct trainer *t, const void *bytes, size_t n, struct err *e);

#endif
