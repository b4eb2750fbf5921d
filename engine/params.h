/*
 * params: every parameter of a training run, described once.
 *
 * One table (params_table) gives each parameter's name, type, default, bounds and a sentence; the JSON of a job, the
 * options of the command line, the API's schema and the model's record all walk it. Where a parameter is left "by the
 * table", which is its default then, it is chosen from the size of the training table by params_resolve, or from its
 * rows by spacing_resolve.
 */
#ifndef VERAD_ENGINE_PARAMS_H
#define VERAD_ENGINE_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/err.h"

enum { PARAMS_MAX_LAYERS = 8 };

enum method {
	METHOD_AUTO,
	METHOD_VERA,
	METHOD_SUPERVISED,
	METHOD_VAT,
	METHOD_JEM,
	METHOD_VERA_HMC,
	METHOD_MEG,
	METHOD_DENSITY, /* of a family with an exact log-density, without classes */
	N_METHODS
};
enum posterior_kind { POSTERIOR_IMPORTANCE, POSTERIOR_GAUSS_NEWTON, POSTERIOR_BATCH, N_POSTERIORS };
enum generator_sigma_kind { GENERATOR_SIGMA_SHARED, GENERATOR_SIGMA_BY_COLUMN, N_GENERATOR_SIGMAS };
enum precision { PRECISION_FLOAT32, PRECISION_BF16, N_PRECISIONS };
enum scaling { SCALING_BY_COLUMN, SCALING_MINMAX, SCALING_STANDARD, SCALING_QUANTILE, N_SCALINGS };
enum class_prior { CLASS_PRIOR_ESTIMATED, CLASS_PRIOR_LABELLED, N_CLASS_PRIORS };
enum base_measure { BASE_MIXTURE, BASE_NONE, N_BASE_MEASURES };
enum density_family { FAMILY_PPCA, FAMILY_MIXTURE, FAMILY_NICE, N_FAMILIES };
enum density_objective {
	OBJECTIVE_MAXIMUM_LIKELIHOOD,
	OBJECTIVE_VERA,
	OBJECTIVE_VERA_HMC,
	OBJECTIVE_SCORE_MATCHING,
	OBJECTIVE_SGLD,
	N_OBJECTIVES
};
enum ood_score { OOD_ENERGY, OOD_MAX_PROBABILITY, OOD_GRADIENT_NORM, N_OOD_SCORES };

struct layer_sizes {
	size_t n; /* 0: by the table */
	size_t size[PARAMS_MAX_LAYERS];
};

struct params {
	size_t method; /* enum method */
	size_t seed;
	size_t steps; /* 0: by the table */
	size_t batch_size, labelled_batch_size;

	struct layer_sizes hidden_layers;    /* of the energy network; LeakyReLU(0.2) behind each */
	struct layer_sizes generator_layers; /* hidden layers: linear without bias, batch norm, softplus */
	size_t noise_dim;                    /* Z */
	size_t posterior;                    /* enum posterior_kind */
	size_t importance_samples;           /* S */
	bool weight_norm;                    /* hidden layers of the energy network */

	double learning_rate, generator_learning_rate, posterior_learning_rate;
	double alpha, beta, gamma, lambda; /* weights of section 2 of the method page */
	size_t penalty_interval;           /* steps from one gradient penalty to the next */
	size_t generator_sigma;            /* enum generator_sigma_kind */
	double refine_generated;           /* 0: not at all */
	double max_sigma;
	double ema_decay;
	double input_noise; /* standard deviation added to scaled inputs in training; -1: by the rows, see spacing.h */

	/* Of single methods: vat, jem, vera_hmc. */
	double vat_xi, vat_epsilon; /* epsilon 0: by the table */
	size_t vat_power_iterations;
	size_t sgld_steps;
	double sgld_step_size, sgld_noise_std;
	size_t replay_buffer; /* rows */
	double replay_restart;
	size_t hmc_leapfrog_steps, hmc_burn_in, hmc_samples;

	/* Of method density. */
	size_t family;     /* enum density_family */
	size_t objective;  /* enum density_objective */
	size_t components; /* of a mixture, or directions of ppca; 0: by the table */
	bool weigh_generated;

	size_t precision;      /* enum precision, of the products of training */
	size_t scaling;        /* enum scaling */
	size_t max_categories; /* one-hot features of a text column before the rest bucket */

	size_t class_prior;      /* enum class_prior */
	size_t base_measure;     /* enum base_measure */
	size_t evaluation_folds; /* cross-fitting on the labelled rows; 0: none */
	double holdout_fraction; /* rows kept out of training, for OOD p-values and the threshold */
	double target_fpr;       /* share of in-distribution rows that is_ood may flag */
	size_t ood_score;        /* enum ood_score */
};

enum param_type { PARAM_COUNT, PARAM_REAL, PARAM_BOOL, PARAM_CHOICE, PARAM_LAYERS };

struct param {
	const char *name;
	enum param_type type;
	size_t at;                  /* offset in struct params */
	double def, min, max;       /* COUNT, REAL, BOOL, CHOICE (index); of each size for LAYERS. min <= value <= max;
				       a default outside [min, max] means "by the table" and is accepted too */
	const char *const *choices; /* CHOICE: names in enum order, NULL-terminated */
	const char *doc;            /* one sentence */
};

extern const struct param params_table[];
extern const size_t params_count;

void params_defaults(struct params *p);

/* The entry called `name`; NULL when there is none, and then *nearest (may be NULL) is the closest known name. */
const struct param *params_find(const char *name, const char **nearest);

/* Setters check type and bounds; ERR_INVALID, code "parameter_out_of_range" or "parameter_type", naming parameter,
 * value and bounds. params_set_text parses `text` by the parameter's type (layers as "256,256"); for options. */
enum status params_set_number(struct params *p, const struct param *d, double value, struct err *e);
enum status params_set_choice(struct params *p, const struct param *d, const char *name, struct err *e);
enum status params_set_bool(struct params *p, const struct param *d, bool value, struct err *e);
enum status params_set_layers(struct params *p, const struct param *d, const double *size, size_t n, struct err *e);
enum status params_set_text(struct params *p, const struct param *d, const char *text, struct err *e);
enum status params_unknown(const char *name, struct err *e); /* the refusal, with the nearest known name */

/* Whether the value is left by the table, and not chosen yet. */
bool params_left(const struct params *p, const struct param *d);

/* The value as text: "256,256,256", "minmax", "0.001"; what is left by the table as "auto". buf of >= 128. */
void params_get_text(const struct params *p, const struct param *d, char *buf, size_t n);

/* Methods may have defaults of their own: they take the place of the table's for the parameters whose bits are not in
 * `given`. To be called once all that was asked for is set. */
uint64_t params_bit(const struct param *d);
void params_settle(struct params *p, uint64_t given);

/* Whether the parameters fit together whatever the table: ERR_INVALID "parameter_combination". */
enum status params_check(const struct params *p, struct err *e);

/* Whether the method has no use for labels: to it every table is one without. */
bool params_ignores_labels(const struct params *p);
/* Whether the method learns nothing without labels. */
bool params_needs_labels(const struct params *p);
/* Whether they suit a table without labels, of which a model learns the density alone: ERR_DATA "no_labels" where the
 * method learns classes, ERR_INVALID "parameter_combination" where the score is one of classes. */
enum status params_check_unlabelled(const struct params *p, struct err *e);

/*
 * The supervised network that a run of another method trains beside its own. Of few labels, below a thousand, it learns
 * best when it is small, stops early and has much noise on its inputs; of more it is the method's network, and has a
 * quarter of the steps.
 */
struct layer_sizes params_baseline_layers(const struct params *p, size_t n_labelled); /* resolved parameters */
bool params_few_labels(size_t n_labelled); /* below 1,000: networks know them by heart, others do not take long */
size_t params_baseline_steps(const struct params *p, size_t n_labelled);
double params_baseline_noise(const struct params *p, size_t n_labelled);
/* Of some labels: steps of the network that is taught by neighbours (train_propagate.c), beside the others, from a
 * graph of so many rows at most; 0: there is none. n_rows: those learned from, labelled or not. */
enum { PROPAGATED_ROWS = 8192 };
size_t params_propagated_steps(const struct params *p, size_t n_rows, size_t n_labelled);

/*
 * Chooses what is left "by the table", but for what depends on its rows (spacing.h), and checks that the parts fit
 * together and into memory. d = encoded features. One class and no labelled row is a table without labels. ERR_INVALID
 * "parameter_combination", "precision_unavailable", ERR_TOO_LARGE "too_many_features"; for data that no parameters can
 * train on ERR_DATA "one_class", "no_labels", "too_few_labels", "no_features". *p changes on success only.
 */
enum status params_resolve(
	struct params *p, size_t n_rows, size_t n_labelled, size_t d, size_t n_classes, struct err *e);

#endif
