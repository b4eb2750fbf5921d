/* method: see method.h. */
#include "engine/method.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/kernel.h"

static const struct method_ops *const fit_methods[N_METHODS] = {
	[METHOD_VERA] = &method_vera, /* of METHOD_AUTO the trainer makes other methods' fits */
	[METHOD_SUPERVISED] = &method_supervised,
	[METHOD_VAT] = &method_vat,
	[METHOD_JEM] = &method_jem,
	[METHOD_VERA_HMC] = &method_vera_hmc,
	[METHOD_MEG] = &method_meg,
	[METHOD_DENSITY] = &method_density_likelihood,
};

const struct method_ops *
method_of(enum method m)
{
	return fit_methods[m];
}

const struct method_ops *
method_for(const struct params *p, enum method m)
{
	static const struct method_ops *const by_objective[N_OBJECTIVES] = {
		[OBJECTIVE_MAXIMUM_LIKELIHOOD] = &method_density_likelihood,
		[OBJECTIVE_VERA] = &method_vera,
		[OBJECTIVE_VERA_HMC] = &method_vera_hmc,
		[OBJECTIVE_SCORE_MATCHING] = &method_density_score_matching,
		[OBJECTIVE_SGLD] = &method_jem,
	};

	return m == METHOD_DENSITY ? by_objective[p->objective] : method_of(m);
}

size_t
fit_size(const struct fit *f)
{
	return f->family ? density_size(f->family) : net_trained_size(&f->shape);
}

/* The most numbers that a product of m rows has in its operands. */
static size_t
operands(size_t n_in, const struct layer_sizes *hidden, size_t n_out, size_t m)
{
	size_t most = 0;

	for (size_t l = 0; l <= hidden->n; l++) {
		size_t n = l < hidden->n ? hidden->size[l] : n_out, all = n * n_in + m * (n + n_in);

		most = all > most ? all : most;
		n_in = n;
	}
	return most;
}

/* Space for the largest product of a step, rounded up as kernel_narrow does. */
static void
take_narrow(struct fit *f, struct arena *scratch)
{
	const struct params *p = f->params;
	const size_t d = f->shape.size[0], n_classes = f->shape.size[f->shape.n_layers];
	size_t energy, generator;

	f->narrow = NULL;
	f->n_narrow = 0;
	if (p->precision != PRECISION_BF16 || f->family)
		return;
	energy = operands(d, &p->hidden_layers, n_classes, 3 * p->batch_size + p->labelled_batch_size);
	generator = operands(p->noise_dim, &p->generator_layers, d, p->batch_size * p->importance_samples);
	f->n_narrow = (energy > generator ? energy : generator) + 64;
	f->narrow = (uint16_t *)arena_take(scratch, (f->n_narrow + 1) / 2);
}

void
fit_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	const struct params *p = f->params;
	size_t n = fit_size(f), n_draw;

	f->trained = arena_take(state, n);
	f->moment = arena_take(state, n);
	f->average = arena_take(state, n);
	f->plain = arena_take(scratch, f->family ? n : net_size(&f->shape));
	f->gradient = arena_take(scratch, n);
	n_draw = p->batch_size > p->labelled_batch_size ? p->batch_size : p->labelled_batch_size;
	n_draw = f->family ? 2 * p->batch_size : n_draw;   /* to begin with, see fit_start */
	f->draw = (uint32_t *)arena_take(scratch, n_draw); /* a real is at least as wide and as aligned */
	f->row = (uint32_t *)arena_take(scratch, n_draw);
	f->y = (int32_t *)arena_take(scratch, n_draw);
	f->target = f->class_share ? arena_take(scratch, p->labelled_batch_size * f->data->n_classes) : NULL;
	take_narrow(f, scratch);
	if (f->family) {
		size_t order = f->method->contrasts ? p->gamma > 0 : f->method->jet_order;

		density_workspace(&f->density, f->family, 2 * p->batch_size, order, scratch);
	} else {
		jem_workspace(&f->jem, &f->shape, f->method->uses_unlabelled ? p->batch_size : 0,
			f->method->contrasts ? p->batch_size : 0, p->labelled_batch_size, scratch);
	}
	f->spare = f->family ? f->density.gradient : f->jem.delta[0];
	f->method->layout(f, state, scratch);
}

void
fit_start(struct fit *f, uint64_t stream)
{
	size_t n = fit_size(f);

	f->step = 0;
	f->rate = 1;
	f->energy_share = 1;
	rng_init(&f->rng, f->params->seed, stream);
	if (f->family) {
		fit_draw_data(f, f->density.x, f->density.n);
		density_init(&f->density, f->trained, f->density.n, &f->rng);
	} else {
		net_init(&f->shape, f->trained, &f->rng);
	}
	memset(f->moment, 0, n * sizeof *f->moment);
	memcpy(f->average, f->trained, n * sizeof *f->average);
	f->method->init(f);
}

void
fit_step(struct fit *f, struct train_terms *terms)
{
	f->step++;
	kernel_narrow(f->narrow, f->n_narrow);
	f->method->step(f, terms);
	kernel_narrow(NULL, 0);
}

const real *
fit_weights(struct fit *f)
{
	return f->family ? f->trained : net_effective(&f->shape, f->trained, f->plain);
}

/* The one whose part of the weights `u` of 0 .. 2^32 - 2 falls into. */
static uint32_t
at_weight(const double *up_to, size_t n, uint32_t u)
{
	const double target = ((double)u + 0.5) / (double)UINT32_MAX * up_to[n - 1];
	size_t low = 0, high = n - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (up_to[middle] < target)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low;
}

/* Rows of a batch, with replacement: f->draw says which of the index, f->row which of the table. */
static void
pick(struct fit *f, const uint32_t *index, const double *up_to, size_t n_index, size_t n)
{
	rng_below(&f->rng, up_to ? UINT32_MAX : (uint32_t)n_index, f->draw, n);
	for (size_t i = 0; i < n; i++) {
		f->draw[i] = up_to ? at_weight(up_to, n_index, f->draw[i]) : f->draw[i];
		f->row[i] = index[f->draw[i]];
	}
}

static void
add_noise(struct fit *f, real *x, size_t n)
{
	const size_t n_cells = n * f->shape.size[0];
	const real noise = (real)f->noise;

	if (noise > 0) {
		rng_normal(&f->rng, f->spare, n_cells);
		kernel_add_scaled(x, noise, f->spare, n_cells);
	}
}

void
fit_draw_data(struct fit *f, real *x, size_t n)
{
	pick(f, f->data_index, NULL, f->n_data, n);
	rows_expand(f->data->rows, f->row, 0, n, x);
	add_noise(f, x, n);
}

/* Rows with labels into x; what is known of their classes is that of f->draw. */
static void
draw_labelled_rows(struct fit *f, real *x, size_t n)
{
	pick(f, f->labelled_index, f->labelled_up_to, f->n_labelled, n);
	rows_expand(f->data->rows, f->row, 0, n, x);
}

/* From Beta(a, a), a < 1: mostly near 0 or 1 (Jöhnk 1964). */
static double
draw_share(struct rng *r, double a)
{
	double one, other;

	do {
		real u[2];

		rng_uniform(r, u, 2);
		one = pow((double)u[0], 1 / a);
		other = pow((double)u[1], 1 / a);
	} while (one + other > 1 || one + other <= 0);
	return one / (one + other);
}

/* Each row, and how likely its classes are, becomes a mixture with another's. */
static void
mix_labelled(struct fit *f, real *x, size_t n)
{
	const size_t d = f->shape.size[0], n_classes = f->data->n_classes;

	draw_labelled_rows(f, f->spare, n);
	for (size_t i = 0; i < n; i++) {
		const real share = (real)draw_share(&f->rng, f->mixup);
		const float *likely = f->class_share + f->draw[i] * n_classes;
		real *target = f->target + i * n_classes;

		for (size_t j = 0; j < d; j++)
			x[i * d + j] += share * (f->spare[i * d + j] - x[i * d + j]);
		for (size_t k = 0; k < n_classes; k++)
			target[k] += share * ((real)likely[k] - target[k]);
	}
}

void
fit_draw_labelled(struct fit *f, real *x, size_t n)
{
	const size_t n_classes = f->data->n_classes;

	draw_labelled_rows(f, x, n);
	for (size_t i = 0; i < n && !f->class_share; i++)
		f->y[i] = f->data->label[f->row[i]];
	for (size_t j = 0; f->class_share && j < n * n_classes; j++)
		f->target[j] = (real)f->class_share[f->draw[j / n_classes] * n_classes + j % n_classes];
	if (f->mixup > 0)
		mix_labelled(f, x, n);
	add_noise(f, x, n);
}

struct train_terms
fit_terms(const struct jem_terms *t)
{
	return (struct train_terms){
		.loss = t->loss,
		.log_p_difference = t->log_p_difference,
		.gradient_penalty = t->gradient_penalty,
		.conditional_entropy = t->conditional_entropy,
		.cross_entropy = t->cross_entropy,
		.train_accuracy = t->accuracy,
	};
}

real *
fit_rows(struct fit *f)
{
	return f->family ? f->density.x : jem_input(&f->jem, 0);
}

const real *
fit_input_gradient(struct fit *f, const real *w, size_t n, double *log_p)
{
	const real *gradient;

	if (f->family) {
		density_log_density(&f->density, w, n, true, f->threads);
		gradient = f->density.gradient;
	} else {
		gradient = jem_input_gradient(&f->jem, w, n, f->threads);
	}
	if (log_p)
		*log_p = 0;
	for (size_t i = 0; log_p && i < n; i++)
		*log_p += (f->family ? f->density.log_p[i] : (double)f->jem.log_p[i]) / (double)n;
	return gradient;
}

/* Weights of the generated rows, which add up to 1: what turns their mean into that of the model's own rows. */
static void
weigh_generated(struct fit *f, real *weight)
{
	const size_t n = f->params->batch_size;
	const double *log_p = f->density.log_p + n;
	double top = -(double)INFINITY, sum = 0;

	for (size_t i = 0; i < n && f->log_q; i++)
		top = fmax(top, log_p[i] - f->log_q[i]);
	for (size_t i = 0; i < n && f->log_q; i++)
		sum += exp(log_p[i] - f->log_q[i] - top);
	for (size_t i = 0; i < n; i++)
		weight[i] = f->log_q ? (real)(exp(log_p[i] - f->log_q[i] - top) / sum) : 1 / (real)n;
}

/*
 * Of the gradient penalty in this step: 0 but at the last step of each interval, which has the weight of all of it; the
 * others are spared its passes (lazy regularisation: Karras et al., "Analyzing and improving the image quality of
 * StyleGAN", CVPR 2020).
 */
static double
penalty_weight(const struct fit *f)
{
	const size_t interval = f->params->penalty_interval;

	return f->step % interval == 0 ? f->params->gamma * (double)interval : 0;
}

/*
 * The contrast of a density. Its normaliser is known and yet of no use: it is the same number for data and generated
 * rows, whose seeds add up to 0, so that its gradient cancels. What is learned is what an energy learns that is
 * log p up to a constant; a family that normalises itself just has no parameter for that constant.
 */
static void
contrast_density(struct fit *f, const real *generated, struct train_terms *terms)
{
	const size_t n = f->params->batch_size, n_cells = n * f->family->d;
	const double gamma = penalty_weight(f);
	struct density *k = &f->density;
	double difference = 0, penalty = 0;

	fit_draw_data(f, k->x, n);
	memcpy(k->x + n_cells, generated, n_cells * sizeof *generated);
	density_log_density(k, f->trained, 2 * n, false, f->threads);
	for (size_t i = 0; i < n; i++)
		k->seed[i] = -1 / (real)n;
	weigh_generated(f, k->seed + n);
	for (size_t i = 0; i < 2 * n; i++)
		difference -= (double)k->seed[i] * k->log_p[i];
	density_jet_gradient(k, f->trained, 2 * n, 0, k->seed, NULL, NULL, f->gradient, f->threads);
	if (gamma > 0) {
		penalty = density_penalty(k, f->trained, n, (real)gamma, f->plain, f->threads);
		kernel_add_scaled(f->gradient, 1, f->plain, fit_size(f));
	}
	fit_update(f);
	*terms = (struct train_terms){
		.loss = -difference + gamma * penalty, .log_p_difference = difference, .gradient_penalty = penalty};
}

void
fit_contrast(struct fit *f, const real *generated, struct train_terms *terms)
{
	const struct params *p = f->params;
	const size_t n = p->batch_size, n_labelled = f->n_labelled && !f->one_batch ? p->labelled_batch_size : 0;
	const struct jem_weights weights = {.contrast = 1,
		.gamma = (real)penalty_weight(f),
		.beta = (real)p->beta,
		.alpha = (real)p->alpha,
		.log_q = f->log_q,
		.y_data = f->one_batch ? f->y : NULL};
	struct jem_terms t;

	if (f->family) {
		contrast_density(f, generated, terms);
		return;
	}
	assert(!f->one_batch || f->n_labelled);
	if (f->one_batch)
		fit_draw_labelled(f, jem_input(&f->jem, 0), n);
	else
		fit_draw_data(f, jem_input(&f->jem, 0), n);
	memcpy(jem_input(&f->jem, n), generated, n * f->shape.size[0] * sizeof *generated);
	if (n_labelled)
		fit_draw_labelled(f, jem_input(&f->jem, 2 * n), n_labelled);
	jem_step(&f->jem, fit_weights(f), n, n, n_labelled, f->y, &weights, f->gradient, &t, f->threads);
	fit_update(f);
	*terms = fit_terms(&t);
}

/* A density and what it is contrasted with chase each other, and come to rest only where their rates fall to nothing:
 * in a straight line over the second half of the steps. */
static double
share_left(const struct fit *f)
{
	const double steps = (double)f->params->steps, left = steps - ((double)f->step - 1);

	return !f->family || !f->method->contrasts || 2 * left >= steps ? 1 : left > 0 ? 2 * left / steps : 0;
}

real
fit_rate(const struct fit *f, double rate)
{
	return (real)(rate * f->rate * share_left(f));
}

real
adam_correction(double beta2, size_t t)
{
	return (real)(1 - pow(beta2, (double)t));
}

void
fit_update(struct fit *f)
{
	/* The average begins short-sighted, so that it forgets the starting weights as fast as training leaves them. */
	double young = (1 + (double)f->step) / (10 + (double)f->step);
	double decay = f->params->ema_decay < young ? f->params->ema_decay : young;

	if (!f->family)
		net_effective_backward(&f->shape, f->trained, f->gradient, f->gradient);
	kernel_adam(f->trained, f->moment, f->average, f->gradient, fit_size(f),
		fit_rate(f, f->params->learning_rate * f->energy_share), (real)f->method->beta2,
		adam_correction(f->method->beta2, f->step), ADAM_EPSILON, (real)decay, f->threads);
	if (f->family)
		density_clamp(f->family, f->trained);
}
