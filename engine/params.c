/*
 * params: the table of training parameters, typed setters over it, and the choices left to the table of data.
 *
 * Everything that knows a parameter's name, type or bounds walks params_table; only params_check and
 * params_resolve, which weigh parameters against each other and against the data, name them in code. See params.h.
 */
#include "engine/params.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/suggest.h"

#define AT(field) offsetof(struct params, field)
#define MAX_EXACT_COUNT 9007199254740992.0 /* 2^53: the largest count that JSON numbers carry without loss */

static const char *const method_names[] = {
	"auto", "vera", "supervised", "vat", "jem", "vera_hmc", "meg", "density", NULL};
static const char *const posterior_names[] = {"importance", "gauss_newton", "batch", NULL};
static const char *const precision_names[] = {"float32", "bf16", NULL};
static const char *const scaling_names[] = {"by_column", "minmax", "standard", "quantile", NULL};
static const char *const class_prior_names[] = {"estimated", "labelled", NULL};
static const char *const base_measure_names[] = {"mixture", "none", NULL};
static const char *const family_names[] = {"ppca", "mixture", "nice", NULL};
static const char *const objective_names[] = {"maximum_likelihood", "vera", "vera_hmc", "score_matching", "sgld", NULL};
static const char *const ood_score_names[] = {"energy", "max_probability", "gradient_norm", NULL};

_Static_assert(sizeof method_names / sizeof *method_names == N_METHODS + 1, "a name for every method");
_Static_assert(sizeof posterior_names / sizeof *posterior_names == N_POSTERIORS + 1, "a name for each");
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
		"from the labelled rows alone, and, of few labels, with logistic regression, as far as each proves right; vat, "
		"jem, vera_hmc and meg are other ways to learn from both, to compare with; density learns no classes, but a "
		"density of a family whose log-density is exact."},
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
		"rows of a batch for samples of each other, which is best with few columns."},
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
	{"lambda", PARAM_REAL, AT(lambda), 0.01, 0, 1000, NULL,
		"Weight of the generator's entropy."},
	{"max_sigma", PARAM_REAL, AT(max_sigma), 0.3, 0.01, 10, NULL,
		"Largest standard deviation of the noise added to generated rows."},
	{"ema_decay", PARAM_REAL, AT(ema_decay), 0.999, 0, 0.999999, NULL,
		"Decay of the moving average of the weights, which is the model; 0 keeps the last weights."},
	{"input_noise", PARAM_REAL, AT(input_noise), 0.2, 0, 10, NULL,
		"Standard deviation of the noise added to scaled inputs in training."},
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
		"Method or objective vera, where posterior is batch: weighs generated rows by the model's density over the "
		"generator's, so that they stand for the model's own."},
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
		d->name, min, max, by_the_table(d) ? ", or 0 to choose by the table" : "", v);
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

	switch (d->type) {
	case PARAM_COUNT:
		if (by_the_table(d) && count_of(p, d) == (size_t)d->def)
			snprintf(buf, n, "auto");
		else
			snprintf(buf, n, "%zu", count_of(p, d));
		break;
	case PARAM_REAL:
		if (by_the_table(d) && real_of(p, d) == d->def)
			snprintf(buf, n, "auto");
		else
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
		if (!layers->n)
			snprintf(buf, n, "auto");
		for (size_t i = 0; i < layers->n && at < n; i++)
			at += (size_t)snprintf(buf + at, n - at, "%s%zu", i ? "," : "", layers->size[i]);
		break;
	}
}

/*
 * Sizes by the table: the networks of the method page's section 8, halved for a table with few rows or few features and
 * halved again for a tiny one, where the large ones cost time and, with few labels, accuracy.
 */
static size_t
width_by_table(size_t n_rows, size_t d)
{
	if (n_rows < 200 || d < 4)
		return 64;
	return n_rows < 1000 || d < 8 ? 128 : 256;
}

/*
 * Steps by the table: what tables of some ten thousand rows of some sixty features need, more for larger ones: there is
 * more to learn, and no row is seen so often that it could be learned by heart. With ten labels a class mnist
 * (65,000 x 719) has 0.92 after 12,000 steps, 0.96 after 24,000.
 */
static size_t
steps_by_table(size_t n_rows, size_t d)
{
	double larger = sqrt((double)n_rows * (double)d / 640000);

	if (n_rows < 200)
		return 2000;
	return (size_t)(4000 * (larger < 1 ? 1 : larger > 6 ? 6 : larger));
}

static void
set_equal_layers(struct layer_sizes *layers, size_t n, size_t size)
{
	layers->n = n;
	for (size_t i = 0; i < n; i++)
		layers->size[i] = size;
}

/*
 * Supervised, a few rows are soon known by heart, and every step after that makes the answers for other rows surer, not
 * better. Measured over 53 tables with ten labels a class, three splits: three layers of 256 units have an accuracy of
 * 0.752 and a log-loss of 1.77 after 1,000 steps, 0.757 and 1.33 after 250; two of 128 have 0.762 and 1.07 after 250.
 */
enum { FEW_LABELS = 1000, SUPERVISED_UNITS = 128, SUPERVISED_STEPS = 250, SUPERVISED_MOST_STEPS = 1000 };

static void
set_supervised_layers(struct layer_sizes *layers, size_t width)
{
	set_equal_layers(layers, 2, width < SUPERVISED_UNITS ? width : SUPERVISED_UNITS);
}

static size_t
supervised_steps(size_t n_labelled)
{
	double steps = SUPERVISED_STEPS * sqrt((double)n_labelled / 100);

	return steps < SUPERVISED_STEPS        ? SUPERVISED_STEPS
	       : steps < SUPERVISED_MOST_STEPS ? (size_t)steps
					       : SUPERVISED_MOST_STEPS;
}

bool
params_few_labels(size_t n_labelled)
{
	return n_labelled < FEW_LABELS;
}

struct layer_sizes
params_baseline_layers(const struct params *p, size_t n_labelled)
{
	struct layer_sizes layers = p->hidden_layers;

	if (n_labelled < FEW_LABELS && layers.n)
		set_supervised_layers(&layers, layers.size[0]);
	return layers;
}

size_t
params_baseline_steps(const struct params *p, size_t n_labelled)
{
	size_t steps = supervised_steps(n_labelled);

	if (n_labelled >= FEW_LABELS && p->steps / 4 > steps)
		steps = p->steps / 4;
	return steps < p->steps ? steps : p->steps;
}

/* Directions: half of the features. Components: one for some fifty rows. */
static size_t
components_by_table(size_t family, size_t n_rows, size_t d)
{
	size_t n = family == FAMILY_PPCA ? d / 2 : n_rows / 50;

	return n < 1 ? 1 : family == FAMILY_PPCA ? (n > 32 ? 32 : n) : (n > 20 ? 20 : n);
}

static size_t
n_weights(size_t n_in, const struct layer_sizes *hidden, size_t n_out)
{
	size_t n = 0;

	for (size_t i = 0; i < hidden->n; i++) {
		n += (n_in + 1) * hidden->size[i];
		n_in = hidden->size[i];
	}
	return n + (n_in + 1) * n_out;
}

/* Units of all layers: the numbers that one row's pass through the network leaves behind. */
static size_t
n_units(size_t n_in, const struct layer_sizes *hidden, size_t n_out)
{
	size_t n = n_in + n_out;

	for (size_t i = 0; i < hidden->n; i++)
		n += hidden->size[i];
	return n;
}

/* Whether a method trains a generator. */
static bool
generates(const struct params *p)
{
	if (p->method == METHOD_DENSITY)
		return p->objective == OBJECTIVE_VERA || p->objective == OBJECTIVE_VERA_HMC;
	return p->method == METHOD_AUTO || p->method == METHOD_VERA || p->method == METHOD_VERA_HMC ||
	       p->method == METHOD_MEG;
}

/*
 * The published 3 is for some sixty standardised columns. Distances between rows grow with the root of the number of
 * features, and are about half as large where numbers are scaled to [-1, 1]. A compromise, with ten labels a class
 * there: optdigits is best at 1 to 1.5, credit_approval, with as many features but most of them one-hot, at 0.25 to
 * 0.5.
 */
static double
vat_epsilon_by_table(size_t d, size_t scaling)
{
	double epsilon = (scaling == SCALING_MINMAX || scaling == SCALING_BY_COLUMN ? 0.1 : 0.2) * sqrt((double)d);

	return epsilon < 3 ? epsilon : 3;
}

/* Whether Langevin chains live on between steps. */
static bool
keeps_chains(const struct params *p)
{
	return p->method == METHOD_JEM || (p->method == METHOD_DENSITY && p->objective == OBJECTIVE_SGLD);
}

/* Of a density that is no network; of a flow, each of its four networks, between the halves of the columns. */
static enum status
check_density_memory(const struct params *p, size_t d, struct err *e)
{
	const size_t max_weights = (size_t)1 << 26, max_activations = (size_t)1 << 29, rows = 2 * 3 * p->batch_size;
	const bool flow = p->family == FAMILY_NICE;
	size_t weights = flow ? 4 * n_weights(d / 2 + 1, &p->hidden_layers, d / 2 + 1) : 2 * p->components * d;

	if (flow && d < 2)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"family nice couples columns with each other, and the table makes a single feature");
	if (p->family == FAMILY_PPCA && p->components > d)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"components must be at most the number of features, %zu, for family ppca, not %zu", d,
			p->components);
	if (weights > max_weights)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"the density has %zu parameters for %zu features, more than %zu: choose fewer components or "
			"smaller "
			"hidden_layers",
			weights, d, max_weights);
	if (rows > max_activations / (flow ? 4 * 3 * n_units(d, &p->hidden_layers, d) : 4 * (d + p->components)))
		return err_set(e, ERR_INVALID, "parameter_combination",
			"a batch of %zu rows of %zu features does not fit into the memory of a run: lower batch_size, "
			"or "
			"choose fewer components or smaller hidden_layers",
			p->batch_size, d);
	return OK;
}

/*
 * A run holds each weight five times (weights, gradients, two moments, average) for two networks, and the activations
 * of every row of the largest batch: the S * B rows behind the generator's entropy gradient. Both are bounded here,
 * in numbers of four bytes, so that no job can ask for the machine's whole memory.
 */
static enum status
check_memory(const struct params *p, size_t d, size_t n_classes, struct err *e)
{
	const size_t max_features = (size_t)1 << 20, max_weights = (size_t)1 << 26, max_activations = (size_t)1 << 29;
	const size_t max_replay = (size_t)1 << 25; /* kept three times: in the state, to go back to, in checkpoints */
	size_t rows = p->batch_size > p->labelled_batch_size ? p->batch_size : p->labelled_batch_size;
	size_t weights;
	enum status s;

	if (d > max_features)
		return err_set(e, ERR_TOO_LARGE, "too_many_features",
			"the table makes %zu features, more than %zu: lower max_categories or leave columns out", d,
			max_features);
	weights = n_weights(d, &p->hidden_layers, n_classes);
	if (weights > max_weights)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"hidden_layers makes a network of %zu weights for %zu features and %zu classes, more than %zu: "
			"choose smaller layers or a lower max_categories",
			weights, d, n_classes, max_weights);
	if (rows > max_activations / n_units(d, &p->hidden_layers, n_classes) / 4)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"a batch of %zu rows of %zu features does not fit into the memory of a run: "
			"lower batch_size and labelled_batch_size, or choose smaller hidden_layers",
			rows, d);
	if (keeps_chains(p) && p->replay_buffer > max_replay / d)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"a replay_buffer of %zu rows of %zu features does not fit into the memory of a run: lower it",
			p->replay_buffer, d);
	if (p->method == METHOD_DENSITY && (s = check_density_memory(p, d, e)))
		return s;
	if (!generates(p))
		return OK;
	weights = n_weights(p->noise_dim, &p->generator_layers, d);
	if (weights > max_weights)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"generator_layers makes a network of %zu weights for %zu features, more than %zu: "
			"choose smaller layers or a lower max_categories",
			weights, d, max_weights);
	rows = p->batch_size *
	       (p->method != METHOD_MEG && p->method != METHOD_VERA_HMC && p->posterior == POSTERIOR_IMPORTANCE
			       ? p->importance_samples
			       : 2); /* meg: true and broken pairs; the others: a step's activations */
	if (rows > max_activations / n_units(p->noise_dim, &p->generator_layers, d))
		return err_set(e, ERR_INVALID, "parameter_combination",
			"%zu generated rows of %zu features do not fit into the memory of a run: lower batch_size or "
			"importance_samples, or choose smaller generator_layers",
			rows, d);
	return OK;
}

/* Of an energy that is to be a log-density everything but a constant must be right: the entropy has its full weight and
 * its generator as much noise as the rows may have, and time to follow; Langevin steps have the noise that goes with
 * their length. Nothing pulls at gradients but what keeps a flow from running away. Measured on a mixture of two
 * columns, 3,000 steps of vera: 0.20 nats a dimension below the truth at learning_rate 0.001, 0.07 at 0.0003. */
void
params_settle(struct params *p, uint64_t given)
{
	const struct {
		size_t at;
		double value;
	} own[] = {{AT(lambda), 1}, {AT(gamma), 0.01}, {AT(learning_rate), generates(p) ? 0.0003 : 0.001},
		{AT(max_sigma), 1}, {AT(sgld_step_size), 0.005}, {AT(sgld_noise_std), 0.1}, {AT(replay_restart), 0}};

	for (size_t i = 0; i < params_count && p->method == METHOD_DENSITY; i++)
		for (size_t j = 0; j < sizeof own / sizeof *own; j++) {
			const struct param *d = &params_table[i];

			if (own[j].at == d->at && !(given & params_bit(d)))
				put_number(p, d, own[j].value);
		}
}

bool
params_ignores_labels(const struct params *p)
{
	return p->method == METHOD_DENSITY;
}

bool
params_needs_labels(const struct params *p)
{
	return p->method == METHOD_SUPERVISED || p->method == METHOD_VAT;
}

enum status
params_check_unlabelled(const struct params *p, struct err *e)
{
	if (params_needs_labels(p))
		return err_set(e, ERR_DATA, "no_labels",
			"method %s learns classes, and the table has no labels: without them vera, vera_hmc, meg, "
			"jem and density learn its density alone",
			method_names[p->method]);
	if (p->ood_score == OOD_MAX_PROBABILITY)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"ood_score max_probability is one of classes, and %s: take energy or gradient_norm",
			params_ignores_labels(p) ? "method density learns none" : "the table has no labels");
	return OK;
}

enum status
params_check(const struct params *p, struct err *e)
{
	if (generates(p) && p->batch_size < 2)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"batch_size must be at least 2 for method %s, whose generator normalises over the batch",
			method_names[p->method]);
	if (params_needs_labels(p) && p->alpha == 0)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"alpha must be above 0 for method %s, which learns the classes from nothing else",
			method_names[p->method]);
	if (p->weigh_generated &&
		(p->posterior != POSTERIOR_BATCH ||
			!(p->method == METHOD_VERA || (p->method == METHOD_DENSITY && p->objective == OBJECTIVE_VERA))))
		return err_set(e, ERR_INVALID, "parameter_combination",
			"weigh_generated must be false but for method or objective vera with posterior batch, which "
			"alone says how likely its rows are");
	if (p->evaluation_folds == 1)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"evaluation_folds must be 0, for no evaluation, or at least 2: one fold leaves no labels to "
			"learn from");
	return OK;
}

enum status
params_resolve(struct params *p, size_t n_rows, size_t n_labelled, size_t d, size_t n_classes, struct err *e)
{
	const bool density_only = (n_classes == 1 && !n_labelled) || params_ignores_labels(p);
	struct params r = *p;
	size_t width = width_by_table(n_rows, d);
	enum status s;

	if (density_only && (s = params_check_unlabelled(p, e)))
		return s;
	if (!density_only && n_classes < 2)
		return err_set(
			e, ERR_DATA, "one_class", "training needs labels of at least two classes, not %zu", n_classes);
	if (!density_only && (n_labelled < n_classes || n_rows < n_labelled))
		return err_set(e, ERR_DATA, n_labelled ? "too_few_labels" : "no_labels",
			"training needs a labelled row of every class: %zu labelled rows among %zu are too few for %zu "
			"classes",
			n_labelled, n_rows, n_classes);
	if (!d)
		return err_set(
			e, ERR_DATA, "no_features", "no column of the table varies: there is nothing to learn from");

	if (!r.hidden_layers.n && r.method == METHOD_SUPERVISED && n_labelled < FEW_LABELS)
		set_supervised_layers(&r.hidden_layers, width);
	else if (!r.hidden_layers.n && r.method != METHOD_DENSITY)
		set_equal_layers(&r.hidden_layers, 3, width);
	else if (!r.hidden_layers.n && r.family == FAMILY_NICE)
		set_equal_layers(&r.hidden_layers, 4, width);
	if (!r.components)
		r.components = components_by_table(r.family, n_rows, d);
	if (!r.generator_layers.n)
		set_equal_layers(&r.generator_layers, 2, width);
	if (!r.noise_dim)
		r.noise_dim = d > 32 ? 32 : d < 2 ? 2 : d;
	if (!r.steps)
		r.steps = r.method == METHOD_SUPERVISED && n_labelled < FEW_LABELS ? supervised_steps(n_labelled)
										   : steps_by_table(n_rows, d);

	if (r.precision == PRECISION_BF16 && !kernel_narrow_available())
		return err_set(e, ERR_INVALID, "precision_unavailable",
			"precision bf16 needs a processor with units for bfloat16 and a build with oneDNN: leave it at "
			"float32");
	if (r.vat_epsilon == 0)
		r.vat_epsilon = vat_epsilon_by_table(d, r.scaling);

	if ((s = params_check(&r, e)) || (s = check_memory(&r, d, n_classes, e)))
		return s;
	*p = r;
	return OK;
}
