/*
 * method: one fit of one network by one training method, and the small table of functions that a method is.
 *
 * A fit draws its batches from the rows it may see, lets its method make a step, and keeps a moving average of the
 * weights. All numbers that make up its state lie in one arena, the scratch of a step in another, so that a fit is
 * saved and restored by copying the first. Each method is one file; adding one means adding a line to fit_methods.
 */
#ifndef VERAD_ENGINE_METHOD_H
#define VERAD_ENGINE_METHOD_H

#include "engine/density.h"
#include "engine/jem.h"
#include "engine/rows.h"
#include "engine/train.h"

/* Adam against a generator, as in the paper: no momentum, second moments over about ten steps. */
#define ADVERSARIAL_BETA2 0.9
#define ADAM_EPSILON ((real)1e-8)

struct fit {
	const struct params *params;
	const struct train_data *data;
	const struct method_ops *method;
	const uint32_t *data_index;     /* rows whose features the fit may see: borrowed, [n_data] */
	const uint32_t *labelled_index; /* rows whose labels it may see too */
	const double *labelled_up_to;   /* [n_labelled]: sums of their weights; NULL: each counts as much */
	const float *class_share; /* [n_labelled][K]: how likely each class is for them, which method supervised learns;
				     NULL: they have the labels of the table */
	size_t n_data, n_labelled;
	bool one_batch; /* of networks that contrast, with labels: a step's data rows are its labelled rows, too */
	int threads;
	double mixup; /* with class_share: labelled rows are mixed in pairs, by shares from Beta(mixup, mixup) (Zhang et
			 al., "mixup: beyond empirical risk minimization", ICLR 2018); 0: not */
	double noise; /* deviation of what is added to the inputs */
	double rate;  /* factor of every learning rate: 1, and less after a recovery (train.c) */
	double energy_share; /* of the energy network's rate: 1, and less while it waits for its generator
				(adversarial.h) */
	const double *log_q; /* [batch] of generated rows, the method's: they weigh p / q; NULL: all alike */

	struct net_shape shape;
	const struct density_shape *family; /* borrowed: the fit is of a density, not of a network; else NULL */
	struct jem jem;
	struct density density; /* in the place of jem where there is a family */
	real *spare;            /* scratch: [batch][d], holds nothing between steps */
	size_t step;            /* steps made; state, as is rng */
	struct rng rng;
	real *trained; /* the trained block or the density's, its second moments and its moving average: state */
	real *moment;
	real *average;
	real *plain; /* scratch: the plain block, of a density a second gradient; and gradients */
	real *gradient;
	uint16_t *narrow; /* scratch: operands in bfloat16, where params.precision says so */
	size_t n_narrow;
	uint32_t *draw, *row; /* scratch: of a batch, where in the index and the row numbers there */
	int32_t *y;           /* scratch: labels of a batch */
	real *target;         /* scratch: [labelled batch][K] in their place, with class_share; else NULL */
	void *own;            /* the method's struct, of method->own_size bytes, zeroed at first */
};

struct method_ops {
	const char *name;
	size_t own_size;
	bool uses_unlabelled; /* its steps have data rows */
	bool contrasts;       /* and as many generated ones against them */
	size_t jet_order; /* of a density's jets, see density.h; of those that contrast the gradient penalty decides */
	double beta2;     /* of Adam, for the energy network */
	/* Lays out the method's state and scratch; called twice, first with arenas that count. */
	void (*layout)(struct fit *f, struct arena *state, struct arena *scratch);
	void (*init)(struct fit *f); /* starting values of its own state */
	void (*step)(struct fit *f, struct train_terms *terms);
};

extern const struct method_ops method_density_likelihood, method_density_score_matching;
extern const struct method_ops method_vera, method_supervised, method_vat, method_jem, method_vera_hmc, method_meg;
const struct method_ops *method_of(enum method m);
/* The same, where METHOD_DENSITY is what its objective says: vera, vera_hmc and jem train a density as they do a
 * network. */
const struct method_ops *method_for(const struct params *p, enum method m);

/* All up to `noise`, `shape`, `family` and `own` are the caller's to set. */
void fit_layout(struct fit *f, struct arena *state, struct arena *scratch);
/* Starting values; `stream` tells fits of one run apart. */
void fit_start(struct fit *f, uint64_t stream);
void fit_step(struct fit *f, struct train_terms *terms);

/* Numbers in the trained block. */
size_t fit_size(const struct fit *f);

/* For methods: the plain weights of the present trained block. */
const real *fit_weights(struct fit *f);
/* Batches, drawn with replacement, labelled rows in proportion to their weights, input noise added: [n][d] into x,
 * labels into f->y, or into f->target how likely they are. */
void fit_draw_data(struct fit *f, real *x, size_t n);
void fit_draw_labelled(struct fit *f, real *x, size_t n);
/* The gradient of log p in the rows of fit_rows(0 .. n - 1), n <= batch_size, under weights w, [n][d] in the workspace;
 * log_p (NULL: not wanted) their mean log-density. Of a network or a density alike. */
real *fit_rows(struct fit *f);
const real *fit_input_gradient(struct fit *f, const real *w, size_t n, double *log_p);
/* Adam on the trained block with f->gradient (in the plain block), and the moving average. */
void fit_update(struct fit *f);
/*
 * The energy network's step of every method that contrasts data with rows of its own making, `generated`
 * [batch_size][d]: draws data and labelled rows, takes the gradient of L_e (section 2 of the method page), updates.
 */
void fit_contrast(struct fit *f, const real *generated, struct train_terms *terms);
/* The terms that all methods report, from those of a step of the energy network. */
struct train_terms fit_terms(const struct jem_terms *t);
/* A learning rate of the parameters as it is to be used now; params->steps are all that will be made. */
real fit_rate(const struct fit *f, double rate);
/* Adam's bias correction of the second moment at step t = 1, 2, … */
real adam_correction(double beta2, size_t t);

#endif
