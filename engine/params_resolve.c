/*
 * params_resolve: what is left to the table of data and follows from its size, and whether the parameters fit together,
 * to the table and into memory; declared in params.h. They are named in code here, and here alone.
 */
#include <math.h>
#include <stddef.h>

#include "engine/kernel.h"
#include "engine/params.h"

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
 * Much noise does what stopping early does; of deviation 0.2 the accuracy over 16 of them is 0.804 and the log-loss
 * 0.79, of 0.5 0.808 and 0.67, of 0.8 0.800 and 0.58.
 */
#define SUPERVISED_NOISE 0.5
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

	if (params_few_labels(n_labelled) && layers.n)
		set_supervised_layers(&layers, layers.size[0]);
	return layers;
}

size_t
params_baseline_steps(const struct params *p, size_t n_labelled)
{
	size_t steps = supervised_steps(n_labelled);

	if (!params_few_labels(n_labelled) && p->steps / 4 > steps)
		steps = p->steps / 4;
	return steps < p->steps ? steps : p->steps;
}

/* After so many steps a network has learned what the labels spread over thousands of rows have to say. Not of a graph
 * with less than half of the rows: the method, which sees them all, knows more. Mnist, a seventh of which has room, has
 * 0.966 without this network and 0.946 with it. */
enum { PROPAGATED_STEPS = 4000 };

size_t
params_propagated_steps(const struct params *p, size_t n_rows, size_t n_labelled)
{
	if (p->method != METHOD_AUTO || !params_few_labels(n_labelled) || n_rows <= n_labelled ||
		n_rows > 2 * PROPAGATED_ROWS)
		return 0;
	return p->steps < PROPAGATED_STEPS ? p->steps : PROPAGATED_STEPS;
}

double
params_baseline_noise(const struct params *p, size_t n_labelled)
{
	return params_few_labels(n_labelled) && p->input_noise > 0 ? fmax(p->input_noise, SUPERVISED_NOISE)
								   : p->input_noise;
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

static bool
by_vera(const struct params *p)
{
	return p->method == METHOD_AUTO || p->method == METHOD_VERA ||
	       (p->method == METHOD_DENSITY && p->objective == OBJECTIVE_VERA);
}

static bool
is_given(uint64_t given, const char *name)
{
	return given & params_bit(params_find(name, NULL));
}

/*
 * How objective vera is trained unless something else is asked for. Principal components and mixtures by weighed rows:
 * nats a dimension below maximum likelihood, plain after 20,000 steps and weighed, whose steps cost more, after 12,000,
 * eight clouds that touch 0.15 and 0.00, far apart 0.36 and 0.00, five in 6 columns 0.12 and 0.00; of 20,000 each, five
 * in 30 columns 0.37 and 0.09, three principal directions in 40 columns 0.02 and 0.00. Of a flow, which is for hundreds
 * of columns, rows are refined, which it returns: see tests/bench/README.md.
 */
static bool
settle_vera(struct params *p, uint64_t given)
{
	const bool flow = p->family == FAMILY_NICE;

	if (!flow && !is_given(given, "posterior") && (!is_given(given, "weigh_generated") || p->weigh_generated) &&
		p->refine_generated == 0) {
		p->posterior = POSTERIOR_BATCH;
		p->weigh_generated = true;
	}
	if ((p->weigh_generated || (flow && p->posterior != POSTERIOR_IMPORTANCE)) &&
		!is_given(given, "generator_sigma"))
		p->generator_sigma = GENERATOR_SIGMA_BY_COLUMN;
	if (flow && !p->weigh_generated && !is_given(given, "refine_generated"))
		p->refine_generated = 0.5;
	if (flow && !is_given(given, "penalty_interval"))
		p->penalty_interval = 4;
	return p->refine_generated > 0;
}

/* Of an energy that is to be a log-density everything but a constant must be right: the entropy has its full weight and
 * its generator as much noise as the rows may have, and time to follow; Langevin steps have the noise that goes with
 * their length. Nothing pulls at gradients but what keeps a flow from running away. Measured on a mixture of two
 * columns, 3,000 steps of vera: 0.20 nats a dimension below the truth at learning_rate 0.001, 0.07 at 0.0003. Weighed
 * rows teach what likelihood teaches, at its rate, without a penalty; refined ones are the better followed the smoother
 * the model is. Noise on the inputs is part of what is measured in nats, and so does not depend on the rows. */
void
params_settle(struct params *p, uint64_t given)
{
	const bool refined = p->method == METHOD_DENSITY && by_vera(p) && settle_vera(p, given);
	const struct {
		size_t at;
		double value, weighed;
	} own[] = {{offsetof(struct params, lambda), 1, 1}, {offsetof(struct params, gamma), refined ? 0.03 : 0.01, 0},
		{offsetof(struct params, input_noise), 0.2, 0.2},
		{offsetof(struct params, learning_rate), generates(p) ? 0.0003 : 0.001, 0.001},
		{offsetof(struct params, max_sigma), 1, 1}, {offsetof(struct params, sgld_step_size), 0.005, 0.005},
		{offsetof(struct params, sgld_noise_std), 0.1, 0.1}, {offsetof(struct params, replay_restart), 0, 0}};
	struct err never; /* all are within bounds */

	for (size_t i = 0; i < params_count && p->method == METHOD_DENSITY; i++)
		for (size_t j = 0; j < sizeof own / sizeof *own; j++) {
			const struct param *d = &params_table[i];

			if (own[j].at == d->at && !(given & params_bit(d)))
				params_set_number(p, d, p->weigh_generated ? own[j].weighed : own[j].value, &never);
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

static const char *
method_name(const struct params *p)
{
	return params_find("method", NULL)->choices[p->method];
}

enum status
params_check_unlabelled(const struct params *p, struct err *e)
{
	if (params_needs_labels(p))
		return err_set(e, ERR_DATA, "no_labels",
			"method %s learns classes, and the table has no labels: without them vera, vera_hmc, meg, "
			"jem and density learn its density alone",
			method_name(p));
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
			method_name(p));
	if (params_needs_labels(p) && p->alpha == 0)
		return err_set(e, ERR_INVALID, "parameter_combination",
			"alpha must be above 0 for method %s, which learns the classes from nothing else",
			method_name(p));
	if (p->weigh_generated && (p->posterior != POSTERIOR_BATCH || !by_vera(p)))
		return err_set(e, ERR_INVALID, "parameter_combination",
			"weigh_generated must be false but for vera, as method, objective or part of auto, with "
			"posterior batch, which "
			"alone says how likely its rows are");
	if (p->refine_generated > 0 && (p->weigh_generated || !by_vera(p)))
		return err_set(e, ERR_INVALID, "parameter_combination",
			"refine_generated must be 0 but for vera, as method, objective or part of auto, without "
			"weigh_generated: rows "
			"that were moved are not the generator's");
	if (p->generator_sigma != GENERATOR_SIGMA_SHARED && (p->posterior == POSTERIOR_IMPORTANCE || !by_vera(p)))
		return err_set(e, ERR_INVALID, "parameter_combination",
			"generator_sigma must be shared but for vera, as method, objective or part of auto, with "
			"posterior gauss_newton "
			"or batch");
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

	if (!r.hidden_layers.n && r.method == METHOD_SUPERVISED && params_few_labels(n_labelled))
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
	if (r.input_noise < 0 && r.method == METHOD_SUPERVISED && params_few_labels(n_labelled))
		r.input_noise = SUPERVISED_NOISE;
	if (!r.steps)
		r.steps = r.method == METHOD_SUPERVISED && params_few_labels(n_labelled) ? supervised_steps(n_labelled)
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
