/*
 * params: the table of training parameters, and typed setters over it; see params.h. Everything that knows a
 * parameter's name, type or bounds walks params_table.
 */
#include "engine/params.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/suggest.h"

#define AT(field) offsetof(struct params, field)
#define MAX_EXACT_COUNT 9007199254740992.0 /* 2^53: the largest count that JSON numbers carry without loss */

static const char *const method_names[] = {
	"auto", "vera", "supervised", "vat", "jem", "vera_hmc", "meg", "density", NULL};
static const char *const posterior_names[] = {"importance", "gauss_newton", "batch", NULL};
static const char *const generator_sigma_names[] = {"shared", "by_column", NULL};
static const char *const precision_names[] = {"float32", "bf16", NULL};
static const char *const scaling_names[] = {"by_column", "minmax", "standard", "quantile", NULL};
static const char *const class_prior_names[] = {"estimated", "labelled", NULL};
static const char *const base_measure_names[] = {"mixture", "none", NULL};
static const char *const family_names[] = {"ppca", "mixture", "nice", NULL};
static const char *const objective_names[] = {"maximum_likelihood", "vera", "vera_hmc", "score_matching", "sgld", NULL};
static const char *const ood_score_names[] = {"energy", "max_probability", "gradient_norm", NULL};

_Static_assert(sizeof method_names / sizeof *method_names == N_METHODS + 1, "a name for every method");
_Static_assert(sizeof posterior_names / sizeof *posterior_names == N_POSTERIORS + 1, "a name for each");
_Static_assert(
	sizeof generator_sigma_names / sizeof *generator_sigma_names == N_GENERATOR_SIGMAS + 1, "a name for each");
_Static_assert(sizeof precision_names / sizeof *precision_names == N_PRECISIONS + 1, "a name for each");
_Static_assert(sizeof scaling_names / sizeof *scaling_names == N_SCALINGS + 1, "a name for every scaling");
_Static_assert(sizeof class_prior_names / sizeof *class_prior_names == N_CLASS_PRIORS + 1, "a name for each");
_Static_assert(sizeof base_measure_names / sizeof *base_measure_names == N_BASE_MEASURES + 1, "a name for each");
_Static_assert(sizeof family_names / sizeof *family_names == N_FAMILIES + 1, "a name for each");
_Static_assert(sizeof objective_names / sizeof *objective_names == N_OBJECTIVES + 1, "a name for each");
_Static_assert(sizeof ood_score_names / sizeof *ood_score_names == N_OOD_SCORES + 1, "a name for every score");

/* clang-format off */
const struct param params_table[] = {
	{"method", PARAM_CHOICE, AT(method), METHOD_AUTO, 0, N_METHODS - 1, method_names,
		"Training method: auto blends vera, which learns from labelled and unlabelled rows, with supervised, which learns "
		"from the labelled rows alone, and, of few labels, with logistic regression and with a network taught by labels "
		"spread to neighbours, as far as each proves right; vat, jem, vera_hmc and meg are other ways to learn from both, "
		"to compare with; density learns no classes, but a density of a family whose log-density is exact."},
	{"seed", PARAM_COUNT, AT(seed), 1, 0, MAX_EXACT_COUNT, NULL,
		"Seed of every random choice: the same table, parameters and seed give the same model."},
	{"steps", PARAM_COUNT, AT(steps), 0, 1, 10000000, NULL,
		"Steps of each fit; 0 chooses by the size of the table."},
	{"batch_size", PARAM_COUNT, AT(batch_size), 64, 1, 4096, NULL,
		"Rows, labelled or not, that a step learns from."},
	{"labelled_batch_size", PARAM_COUNT, AT(labelled_batch_size), 64, 1, 4096, NULL,
		"Labelled rows that a step learns from."},
	{"hidden_layers", PARAM_LAYERS, AT(hidden_layers), 0, 1, 4096, NULL,
		"Sizes of the hidden layers of the energy network; auto chooses by the size of the table."},
	{"generator_layers", PARAM_LAYERS, AT(generator_layers), 0, 1, 4096, NULL,
		"Sizes of the hidden layers of the generator; auto chooses by the size of the table."},
	{"noise_dim", PARAM_COUNT, AT(noise_dim), 0, 1, 1024, NULL,
		"Dimensions of the noise that the generator starts from; 0 chooses by the number of features."},
	{"posterior", PARAM_CHOICE, AT(posterior), POSTERIOR_GAUSS_NEWTON, 0, N_POSTERIORS - 1, posterior_names,
		"How method vera estimates its generator's entropy gradient: importance draws samples, as the paper does; "
		"gauss_newton takes one step towards the mean of the posterior, which costs less and varies less; batch takes the "
		"rows of a batch for samples of each other, which is best with few columns, and what method density has with objective "
		"vera, but for family nice."},
	{"importance_samples", PARAM_COUNT, AT(importance_samples), 4, 1, 64, NULL,
		"Importance samples of the generator's entropy gradient for each generated row, where posterior is importance."},
	{"weight_norm", PARAM_BOOL, AT(weight_norm), 0, 0, 1, NULL,
		"Normalises the weights of the energy network's hidden layers."},
	{"learning_rate", PARAM_REAL, AT(learning_rate), 0.001, 1e-8, 1, NULL,
		"Adam's rate for the energy network."},
	{"generator_learning_rate", PARAM_REAL, AT(generator_learning_rate), 0.001, 1e-8, 1, NULL,
		"Adam's rate for the generator."},
	{"posterior_learning_rate", PARAM_REAL, AT(posterior_learning_rate), 0.02, 1e-8, 1, NULL,
		"Adam's rate for the scales from which importance samples are drawn."},
	{"alpha", PARAM_REAL, AT(alpha), 10, 0, 1000, NULL,
		"Weight of the labelled rows' cross-entropy."},
	{"beta", PARAM_REAL, AT(beta), 0.3, 0, 1000, NULL,
		"Weight of the conditional entropy of the class given an unlabelled row."},
	{"gamma", PARAM_REAL, AT(gamma), 0.1, 0, 1000, NULL,
		"Weight of the gradient penalty on the log-density at the data."},
	{"penalty_interval", PARAM_COUNT, AT(penalty_interval), 1, 1, 1000, NULL,
		"Steps from one gradient penalty to the next, which weighs as much as one at each of them; those without it cost less. "
		"Family nice with objective vera has 4."},
	{"lambda", PARAM_REAL, AT(lambda), 0.01, 0, 1000, NULL,
		"Weight of the generator's entropy."},
	{"generator_sigma", PARAM_CHOICE, AT(generator_sigma), GENERATOR_SIGMA_SHARED, 0, N_GENERATOR_SIGMAS - 1, generator_sigma_names,
		"Vera, as method, objective or part of auto, where posterior is not importance: whether the noise added to "
		"generated rows has one standard deviation, or one by_column, when they begin with the data's means and, up to "
		"max_sigma, deviations. Method density has by_column where it weighs or refines."},
	{"max_sigma", PARAM_REAL, AT(max_sigma), 0.3, 0.01, 10, NULL,
		"Largest standard deviation of the noise added to generated rows."},
	{"refine_generated", PARAM_REAL, AT(refine_generated), 0, 0, 1, NULL,
		"Vera, as method, objective or part of auto: part of the way towards the model's own rows that generated ones "
		"are moved, as far as the gradients of both log-densities tell it, before the energy network learns from them; 0 "
		"leaves them where they are. Family nice with objective vera has 0.5."},
	{"ema_decay", PARAM_REAL, AT(ema_decay), 0.999, 0, 0.999999, NULL,
		"Decay of the moving average of the weights, which is the model; 0 keeps the last weights."},
	{"input_noise", PARAM_REAL, AT(input_noise), -1, 0, 10, NULL,
		"Standard deviation of the noise added to scaled inputs in training; auto makes it as wide as neighbouring rows "
		"are apart, 0.1 to 0.6. Of few labels the supervised network beside a method's own has 0.5, if it has any and "
		"this is not more; method density has 0.2."},
	{"vat_xi", PARAM_REAL, AT(vat_xi), 10, 1e-6, 1000, NULL,
		"Length of the step by which method vat probes for the direction that changes its answer most."},
	{"vat_epsilon", PARAM_REAL, AT(vat_epsilon), 0, 1e-6, 1000, NULL,
		"Distance around each row within which method vat keeps its answer; 0 chooses by features and scaling."},
	{"vat_power_iterations", PARAM_COUNT, AT(vat_power_iterations), 1, 1, 20, NULL,
		"Probes of method vat for that direction, each from where the last one ended."},
	{"sgld_steps", PARAM_COUNT, AT(sgld_steps), 20, 1, 1000, NULL,
		"Langevin steps of each chain of method jem in a step of training."},
	{"sgld_step_size", PARAM_REAL, AT(sgld_step_size), 1, 1e-8, 100, NULL,
		"Step along the gradient in a Langevin step; exact dynamics have half the squared noise, which learns slowly."},
	{"sgld_noise_std", PARAM_REAL, AT(sgld_noise_std), 0.01, 0, 10, NULL,
		"Standard deviation of the noise of a Langevin step."},
	{"replay_buffer", PARAM_COUNT, AT(replay_buffer), 10000, 1, 1000000, NULL,
		"Langevin chains that method jem keeps between steps of training."},
	{"replay_restart", PARAM_REAL, AT(replay_restart), 0.05, 0, 1, NULL,
		"Probability that a chain is begun anew, at a random place within the bounds of the data."},
	{"hmc_leapfrog_steps", PARAM_COUNT, AT(hmc_leapfrog_steps), 5, 1, 100, NULL,
		"Leapfrog steps of a Hamiltonian transition of method vera_hmc."},
	{"hmc_burn_in", PARAM_COUNT, AT(hmc_burn_in), 2, 0, 100, NULL,
		"Hamiltonian transitions of a chain before its first sample."},
	{"hmc_samples", PARAM_COUNT, AT(hmc_samples), 2, 1, 100, NULL,
		"Hamiltonian samples of the generator's noise behind each estimate of its entropy's gradient."},
	{"family", PARAM_CHOICE, AT(family), FAMILY_MIXTURE, 0, N_FAMILIES - 1, family_names,
		"Family of method density: probabilistic principal components, a mixture of diagonal Gaussians, or a coupling flow "
		"(NICE) whose networks have hidden_layers."},
	{"objective", PARAM_CHOICE, AT(objective), OBJECTIVE_MAXIMUM_LIKELIHOOD, 0, N_OBJECTIVES - 1, objective_names,
		"What method density learns by: exact likelihood; or, as if its normaliser were unknown, vera, vera_hmc, sliced "
		"score matching or persistent Langevin chains."},
	{"components", PARAM_COUNT, AT(components), 0, 1, 1024, NULL,
		"Components of a mixture, directions of ppca; 0 chooses by the table."},
	{"weigh_generated", PARAM_BOOL, AT(weigh_generated), 0, 0, 1, NULL,
		"Vera, as method, objective or part of auto, where posterior is batch: weighs generated rows by the model's "
		"density over the generator's, so that they stand for the model's own; a quarter of them come from data rows "
		"under the generator's noise. Method density with objective vera has it, but for family nice, unless posterior "
		"is given."},
	{"precision", PARAM_CHOICE, AT(precision), PRECISION_FLOAT32, 0, N_PRECISIONS - 1, precision_names,
		"Numbers that training multiplies: bf16 halves their length, on processors with units for that and in builds with "
		"oneDNN; sums, weights and the finished model are float32 all the same."},
	{"scaling", PARAM_CHOICE, AT(scaling), SCALING_QUANTILE, 0, N_SCALINGS - 1, scaling_names,
		"How numbers are scaled: minmax to [-1, 1], standard by mean and deviation, quantile to normal scores; by_column takes "
		"quantile for columns with heavy tails, minmax for the others."},
	{"max_categories", PARAM_COUNT, AT(max_categories), 50, 1, 10000, NULL,
		"Most frequent texts of a column that get a feature of their own; all others share one."},
	{"class_prior", PARAM_CHOICE, AT(class_prior), CLASS_PRIOR_ESTIMATED, 0, N_CLASS_PRIORS - 1, class_prior_names,
		"Shares of the classes that probabilities assume: estimated from the unlabelled rows, or those of the labelled rows."},
	{"base_measure", PARAM_CHOICE, AT(base_measure), BASE_MIXTURE, 0, N_BASE_MEASURES - 1, base_measure_names,
		"Density that the networks' is relative to: a Gaussian mixture fitted to all rows, or none, the networks' alone."},
	{"evaluation_folds", PARAM_COUNT, AT(evaluation_folds), 3, 0, 10, NULL,
		"Folds of the labelled rows for measuring the model on labels it has not seen; 0 measures nothing."},
	{"holdout_fraction", PARAM_REAL, AT(holdout_fraction), 0.1, 0, 0.5, NULL,
		"Share of the rows kept out of training, from which p-values and the threshold follow."},
	{"target_fpr", PARAM_REAL, AT(target_fpr), 0.05, 0, 0.5, NULL,
		"Share of in-distribution rows that may be called out-of-distribution."},
	{"ood_score", PARAM_CHOICE, AT(ood_score), OOD_ENERGY, 0, N_OOD_SCORES - 1, ood_score_names,
		"Score that says how far a row is out of distribution; higher is further."},
};
/* clang-format on */
const size_t params_count = sizeof params_table / sizeof *params_table;

_Static_assert(sizeof params_table / sizeof *params_table <= 64, "a bit for each");

uint64_t
params_bit(const struct param *d)
{
	return (uint64_t)1 << (d - params_table);
}

static size_t *
count_at(struct params *p, const struct param *d)
{
	return (size_t *)(void *)((char *)p + d->at);
}

static size_t
count_of(const struct params *p, const struct param *d)
{
	return *(const size_t *)(const void *)((const char *)p + d->at);
}

static double
real_of(const struct params *p, const struct param *d)
{
	return *(const double *)(const void *)((const char *)p + d->at);
}

static const struct layer_sizes *
layers_of(const struct params *p, const struct param *d)
{
	return (const struct layer_sizes *)(const void *)((const char *)p + d->at);
}

static bool
by_the_table(const struct param *d)
{
	return d->def < d->min;
}

bool
params_left(const struct params *p, const struct param *d)
{
	switch (d->type) {
	case PARAM_COUNT:
		return by_the_table(d) && count_of(p, d) == (size_t)d->def;
	case PARAM_REAL:
		return by_the_table(d) && real_of(p, d) == d->def;
	case PARAM_LAYERS:
		return !layers_of(p, d)->n;
	case PARAM_BOOL:
	case PARAM_CHOICE:
		break;
	}
	return false;
}

/* Shortest text that reads back as v, with a point whatever the locale; a whole number in plain digits, not 1e+01. */
static void
format_number(char *buf, size_t n, double v)
{
	if (v == floor(v) && fabs(v) < 1e15) {
		snprintf(buf, n, "%.0f", v);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(buf, n, "%.*g", digits, v);
		if (strtod(buf, NULL) == v) /* written and read in the same locale */
			break;
	}
	for (char *c = buf; *c; c++) {
		if (*c == ',')
			*c = '.';
	}
}

/* A plain decimal number with spaces around it at most: nothing of strtod's hexadecimal, nan or inf. */
static bool
parse_number(const char *text, size_t len, double *out)
{
	char copy[64], *end;
	locale_t c_locale;

	while (len && isspace((unsigned char)*text))
		text++, len--;
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (!len || len >= sizeof copy)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!strchr("0123456789+-.eE", text[i]) || !text[i])
			return false;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		return false;
	*out = strtod_l(copy, &end, c_locale);
	freelocale(c_locale);
	return end == copy + len && isfinite(*out);
}

void
params_defaults(struct params *p)
{
	memset(p, 0, sizeof *p);
	for (size_t i = 0; i < params_count; i++) {
		const struct param *d = &params_table[i];

		switch (d->type) {
		case PARAM_COUNT:
		case PARAM_CHOICE:
			*count_at(p, d) = (size_t)d->def;
			break;
		case PARAM_REAL:
			*(double *)(void *)((char *)p + d->at) = d->def;
			break;
		case PARAM_BOOL:
			*(bool *)((char *)p + d->at) = d->def != 0;
			break;
		case PARAM_LAYERS: /* none: by the table */
			break;
		}
	}
}

const struct param *
params_find(const char *name, const char **nearest)
{
	const char *known[sizeof params_table / sizeof *params_table];

	for (size_t i = 0; i < params_count; i++) {
		if (!strcmp(params_table[i].name, name))
			return &params_table[i];
		known[i] = params_table[i].name;
	}
	if (nearest)
		*nearest = suggest_nearest(name, known, params_count);
	return NULL;
}

/* Bytes of a foreign text to show in a message: at most 60, whole UTF-8 characters. */
static int
shown(const char *text)
{
	size_t n = strnlen(text, 61);

	if (n > 60) {
		n = 60;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	return (int)n;
}

enum status
params_unknown(const char *name, struct err *e)
{
	const char *nearest = NULL;

	if (!params_find(name, &nearest) && nearest)
		return err_set(e, ERR_INVALID, "unknown_parameter",
			"there is no parameter \"%.*s\"; did you mean \"%s\"?", shown(name), name, nearest);
	return err_set(e, ERR_INVALID, "unknown_parameter", "there is no parameter \"%.*s\"", shown(name), name);
}

static const char *
type_sentence(const struct param *d)
{
	switch (d->type) {
	case PARAM_COUNT:
		return "a whole number";
	case PARAM_REAL:
		return "a number";
	case PARAM_BOOL:
		return "true or false";
	case PARAM_CHOICE:
		return "one of its names";
	case PARAM_LAYERS:
		return "a list of layer sizes, such as 256,256";
	}
	return "";
}

static enum status
wrong_type(const struct param *d, struct err *e)
{
	return err_set(e, ERR_INVALID, "parameter_type", "parameter \"%s\" must be %s", d->name, type_sentence(d));
}

static enum status
out_of_range(const struct param *d, double value, struct err *e)
{
	char v[32], min[32], max[32];

	format_number(v, sizeof v, value);
	format_number(min, sizeof min, d->min);
	format_number(max, sizeof max, d->max);
	return err_set(e, ERR_INVALID, "parameter_out_of_range", "parameter \"%s\" must be from %s to %s%s, not %s",
		d->name, min, max, by_the_table(d) ? ", or auto to choose by the table" : "", v);
}

/* A REAL, or the index or number of all that is counted. */
static void
put_number(struct params *p, const struct param *d, double value)
{
	if (d->type == PARAM_REAL)
		*(double *)(void *)((char *)p + d->at) = value + 0.0; /* -0 becomes 0 */
	else
		*count_at(p, d) = (size_t)value;
}

enum status
params_set_number(struct params *p, const struct param *d, double value, struct err *e)
{
	if (d->type != PARAM_COUNT && d->type != PARAM_REAL)
		return wrong_type(d, e);
	if (!(value >= d->min && value <= d->max) && !(by_the_table(d) && value == d->def))
		return out_of_range(d, value, e);
	if (d->type == PARAM_COUNT && value != floor(value))
		return wrong_type(d, e);
	put_number(p, d, value);
	return OK;
}

enum status
params_set_choice(struct params *p, const struct param *d, const char *name, struct err *e)
{
	char list[160];
	size_t at = 0;

	if (d->type != PARAM_CHOICE)
		return wrong_type(d, e);
	for (size_t i = 0; d->choices[i]; i++) {
		if (!strcmp(d->choices[i], name)) {
			*count_at(p, d) = i;
			return OK;
		}
	}
	for (size_t i = 0; d->choices[i] && at < sizeof list; i++)
		at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", d->choices[i]);
	return err_set(e, ERR_INVALID, "parameter_out_of_range", "parameter \"%s\" must be one of %s, not \"%.*s\"",
		d->name, list, shown(name), name);
}

enum status
params_set_bool(struct params *p, const struct param *d, bool value, struct err *e)
{
	if (d->type != PARAM_BOOL)
		return wrong_type(d, e);
	*(bool *)((char *)p + d->at) = value;
	return OK;
}

enum status
params_set_layers(struct params *p, const struct param *d, const double *size, size_t n, struct err *e)
{
	struct layer_sizes layers = {.n = n};

	if (d->type != PARAM_LAYERS)
		return wrong_type(d, e);
	if (n > PARAMS_MAX_LAYERS)
		return err_set(e, ERR_INVALID, "parameter_out_of_range",
			"parameter \"%s\" must have at most %d layers, not %zu", d->name, PARAMS_MAX_LAYERS, n);
	for (size_t i = 0; i < n; i++) {
		if (!(size[i] >= d->min && size[i] <= d->max) || size[i] != floor(size[i])) {
			char v[32];

			format_number(v, sizeof v, size[i]);
			return err_set(e, ERR_INVALID, "parameter_out_of_range",
				"parameter \"%s\": a layer must have a whole number of units from %.0f to %.0f, not %s",
				d->name, d->min, d->max, v);
		}
		layers.size[i] = (size_t)size[i];
	}
	*(struct layer_sizes *)(void *)((char *)p + d->at) = layers;
	return OK;
}

static enum status
set_layers_text(struct params *p, const struct param *d, const char *text, struct err *e)
{
	double size[PARAMS_MAX_LAYERS + 1];
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(text, ",");

		if (n > PARAMS_MAX_LAYERS || !parse_number(text, len, &size[n]))
			return n > PARAMS_MAX_LAYERS ? params_set_layers(p, d, size, n, e) : wrong_type(d, e);
		n++;
		if (!text[len])
			break;
		text += len + 1;
	}
	if (n == 1 && size[0] == 0)
		n = 0; /* as for counts, 0 means by the table */
	return params_set_layers(p, d, size, n, e);
}

enum status
params_set_text(struct params *p, const struct param *d, const char *text, struct err *e)
{
	double value;

	if (by_the_table(d) && !strcmp(text, "auto"))
		return d->type == PARAM_LAYERS ? params_set_layers(p, d, NULL, 0, e)
					       : params_set_number(p, d, d->def, e);
	switch (d->type) {
	case PARAM_COUNT:
	case PARAM_REAL:
		if (!parse_number(text, strlen(text), &value))
			return wrong_type(d, e);
		return params_set_number(p, d, value, e);
	case PARAM_BOOL:
		if (!strcmp(text, "true") || !strcmp(text, "false"))
			return params_set_bool(p, d, *text == 't', e);
		return wrong_type(d, e);
	case PARAM_CHOICE:
		return params_set_choice(p, d, text, e);
	case PARAM_LAYERS:
		return set_layers_text(p, d, text, e);
	}
	return wrong_type(d, e);
}

void
params_get_text(const struct params *p, const struct param *d, char *buf, size_t n)
{
	const struct layer_sizes *layers;
	size_t at = 0;

	if (params_left(p, d)) {
		snprintf(buf, n, "auto");
		return;
	}
	switch (d->type) {
	case PARAM_COUNT:
		snprintf(buf, n, "%zu", count_of(p, d));
		break;
	case PARAM_REAL:
		format_number(buf, n, real_of(p, d));
		break;
	case PARAM_BOOL:
		snprintf(buf, n, "%s", *(const bool *)((const char *)p + d->at) ? "true" : "false");
		break;
	case PARAM_CHOICE:
		snprintf(buf, n, "%s", d->choices[count_of(p, d)]);
		break;
	case PARAM_LAYERS:
		layers = layers_of(p, d);
		for (size_t i = 0; i < layers->n && at < n; i++)
			at += (size_t)snprintf(buf + at, n - at, "%s%zu", i ? "," : "", layers->size[i]);
		break;
	}
}
