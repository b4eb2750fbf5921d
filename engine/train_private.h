/*
 * train_private: what train.c, which makes the fits, train_curve.c and train_propagate.c, which add to them, and
 * train_finish.c, which makes a model of them, share.
 */
#ifndef VERAD_ENGINE_TRAIN_PRIVATE_H
#define VERAD_ENGINE_TRAIN_PRIVATE_H

#include "engine/method.h"

enum { TRAINER_MAX_RETRIES = 3 }; /* of a fit that diverges, each at half the rate */

struct planned_fit {
	enum method method;
	bool baseline;
	size_t fold; /* 0: all labelled rows; f: without the rows of fold f - 1 */
	size_t steps;
};

struct snapshot { /* of the present fit */
	size_t step;
	struct rng rng;
	struct train_terms terms;
	real *state; /* [n_state] */
};

struct curve_sum { /* of a fold's rows at one point of a fit; 8-byte members alone, since it is saved as it is */
	uint64_t n, right;
	double log_loss;
};

struct trainer {
	struct params params;
	struct train_data data;
	struct net_shape shape[2];    /* of the baseline's network and of the method's */
	struct density_shape density; /* of method density, in the place of the network's */

	struct planned_fit *plan; /* [n_fits] */
	size_t n_fits, n_folds;
	uint32_t *data_index;     /* rows not held out; [n_data]; the fold's left out rows are behind n_fit_data */
	uint32_t *labelled_index; /* labelled ones of them, [n_labelled] */
	uint32_t *fold_of;        /* [n_labelled] */
	uint32_t *fit_data, *fit_labelled; /* the same without the present fold's rows */
	double *labelled_up_to; /* [n_labelled]: sums of weights up to each of fit_labelled; NULL: equal weights */
	size_t n_data, n_labelled;

	/* The state, as saved: which fit, what its method holds, and what earlier fits left. */
	size_t at; /* fit 0 .. n_fits */
	struct fit fit;
	real *state; /* [n_state] */
	size_t n_state;
	real *done[2];           /* plain weights of the finished baseline and method fits on all labelled rows */
	float *cross[2];         /* [n_labelled][K]: cross-fitted probabilities of both */
	struct curve_sum *curve; /* [baseline, method][n_folds][TRAIN_CURVE_POINTS] */
	struct train_terms terms;
	size_t retries, recoveries; /* of the present fit; of the run */
	struct snapshot sound;

	real *scratch;
	size_t n_scratch;

	bool (*stop)(void *ctx); /* NULL: nobody asks */
	void *stop_ctx;
};

/* Of method density: no network, but a family with an exact log-density. */
bool trainer_is_density(const struct trainer *t);

/* A supervised network beside the method's own, to be compared and blended with. */
bool trainer_has_baseline(const struct trainer *t);

/* Class probabilities by a network of this shape, these plain weights and this warp, or none: of row number row[i] into
 * p + i * K, for each i < n with group[i] == wanted, or for all where group is NULL. ERR_CANCELLED "stopped" where the
 * run is to stop. */
enum status trainer_predict(const struct trainer *t, const struct net_shape *shape, const real *w,
	const struct warp *warp, const uint32_t *row, const uint32_t *group, uint32_t wanted, size_t n, float *p,
	struct err *e);

/* Rows of the run, evenly spread over the table, into index: their number, at most `most`; with_labels false: none that
 * has one. */
size_t trainer_spread_rows(const struct trainer *t, bool with_labels, size_t most, uint32_t *index);

/* In train_propagate.c: a network of the method's shape, taught by neighbours, where labels are few. Its numbers are
 * owned, also after an error. *taught false: it diverged, however small its steps, and there is to be none.
 * ERR_CANCELLED. */
struct propagated {
	real *weights;     /* plain */
	struct warp *warp; /* of its inputs; NULL: none */
	float *cross;      /* [n_labelled][K]: cross-fitted */
};
bool trainer_can_propagate(const struct trainer *t);
enum status trainer_propagate(const struct trainer *t, struct propagated *out, bool *taught, struct err *e);
void propagated_release(struct propagated *p); /* accepts a zeroed struct */

/* In train_curve.c: numbers of sums in t->curve; the present step may be one of the present fit's points; the whole. */
size_t trainer_n_curve(const struct trainer *t);
enum status trainer_note_curve(struct trainer *t, struct err *e);
void trainer_curve(const struct trainer *t, bool baseline, struct train_curve *out);

/* Row `i` of many, each a prediction, is about to be done: ERR_CANCELLED "stopped" where the run is to stop. */
enum status trainer_may_go_on(const struct trainer *t, size_t i, struct err *e);

#endif
