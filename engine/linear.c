/* linear: see linear.h. Passes are the network's, in its precision; all that is summed over them is in double. */
#include "engine/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"

enum { MEMORY = 10, MAX_ITERATIONS = 200, MAX_HALVINGS = 30 };
#define SETTLED 1e-6    /* the decrease, as a share of the value, that ends it */
#define SUFFICIENT 1e-4 /* of what the slope promises (Armijo) */

struct point {
	double value;
	real *w;          /* [size] */
	double *gradient; /* [size] */
};

struct pair { /* of two successive points: their difference, their gradients' */
	double *step, *change, curvature;
};

struct search {
	const struct linear_data *data;
	struct net_shape shape;
	size_t size;
	double scale; /* of class weights */
	real *logits, *p, *lse, *gradient;
	struct point here, there;
	struct pair pair[MEMORY]; /* a ring: the newest is n_pairs - 1 */
	size_t n_pairs;
	double *direction;
	double *block;
	real *reals;
};

struct net_shape
linear_shape(size_t d, size_t n_classes)
{
	const struct layer_sizes none = {0};

	return net_shape_of(d, &none, n_classes, false);
}

static double
dot(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static double
weight_of(const struct search *s, size_t i)
{
	return s->data->class_weight ? s->scale * s->data->class_weight[s->data->y[i]] : 1;
}

static void
evaluate(struct search *s, struct point *at)
{
	const struct linear_data *data = s->data;
	const size_t n = data->n, n_classes = data->n_classes, n_penalised = data->d * n_classes;
	real *const a[] = {(real *)data->x, s->logits}, *const delta[] = {NULL, s->p};

	net_forward(&s->shape, at->w, a, 0, n, s->data->threads);
	kernel_softmax(s->p, s->lse, s->logits, 1, n, n_classes);
	at->value = 0;
	for (size_t i = 0; i < n; i++) {
		const size_t y = (size_t)data->y[i];
		const double weight = weight_of(s, i);

		at->value += weight * (double)(s->lse[i] - s->logits[i * n_classes + y]);
		s->p[i * n_classes + y] -= 1;
		for (size_t k = 0; k < n_classes; k++)
			s->p[i * n_classes + k] *= (real)weight;
	}
	net_gradient(&s->shape, a, delta, n, n, s->gradient, s->data->threads);
	for (size_t j = 0; j < s->size; j++) {
		const double penalty = j < n_penalised ? LINEAR_PENALTY : 0, w = (double)at->w[j];

		at->value += penalty / 2 * w * w;
		at->gradient[j] = (double)s->gradient[j] + penalty * w;
	}
}

/* The two loops of L-BFGS: -H gradient, H the inverse curvature that the pairs tell of. */
static void
choose_direction(struct search *s)
{
	const size_t known = s->n_pairs < MEMORY ? s->n_pairs : MEMORY;
	double alpha[MEMORY], scale;

	for (size_t j = 0; j < s->size; j++)
		s->direction[j] = -s->here.gradient[j];
	for (size_t i = 0; i < known; i++) {
		const struct pair *p = &s->pair[(s->n_pairs - 1 - i) % MEMORY];

		alpha[i] = dot(p->step, s->direction, s->size) / p->curvature;
		for (size_t j = 0; j < s->size; j++)
			s->direction[j] -= alpha[i] * p->change[j];
	}
	if (known) {
		const struct pair *p = &s->pair[(s->n_pairs - 1) % MEMORY];

		scale = p->curvature / dot(p->change, p->change, s->size);
	} else {
		scale = 1 / (1 + sqrt(dot(s->here.gradient, s->here.gradient, s->size)));
	}
	for (size_t j = 0; j < s->size; j++)
		s->direction[j] *= scale;
	for (size_t i = known; i-- > 0;) {
		const struct pair *p = &s->pair[(s->n_pairs - 1 - i) % MEMORY];
		const double beta = dot(p->change, s->direction, s->size) / p->curvature;

		for (size_t j = 0; j < s->size; j++)
			s->direction[j] += (alpha[i] - beta) * p->step[j];
	}
}

static void
remember_pair(struct search *s)
{
	struct pair *p = &s->pair[s->n_pairs % MEMORY];

	for (size_t j = 0; j < s->size; j++) {
		p->step[j] = (double)(s->there.w[j] - s->here.w[j]);
		p->change[j] = s->there.gradient[j] - s->here.gradient[j];
	}
	p->curvature = dot(p->step, p->change, s->size);
	/* Positive but for rounding, where nothing that is remembered is worth much. */
	s->n_pairs = p->curvature > 1e-10 * dot(p->change, p->change, s->size) ? s->n_pairs + 1 : 0;
}

/* From here along the direction to there, where the value is lower; false: it is nowhere. */
static bool
descend(struct search *s)
{
	const double slope = dot(s->here.gradient, s->direction, s->size);
	double length = 1;

	for (size_t h = 0; h < MAX_HALVINGS && slope < 0; h++, length /= 2) {
		for (size_t j = 0; j < s->size; j++)
			s->there.w[j] = (real)((double)s->here.w[j] + length * s->direction[j]);
		evaluate(s, &s->there);
		if (s->there.value <= s->here.value + SUFFICIENT * length * slope)
			return true;
	}
	return false;
}

static enum status
allocate(struct search *s, struct err *e)
{
	const size_t outputs = s->data->n * s->data->n_classes;
	double *doubles;
	real *reals;

	s->block = calloc((3 + 2 * (size_t)MEMORY) * s->size, sizeof *s->block);
	s->reals = calloc(3 * s->size + 2 * outputs + s->data->n, sizeof *s->reals);
	if (!s->block || !s->reals)
		return err_nomem(e);
	doubles = s->block;
	s->here.gradient = doubles;
	s->there.gradient = doubles += s->size;
	s->direction = doubles += s->size;
	for (size_t i = 0; i < MEMORY; i++) {
		s->pair[i].step = doubles += s->size;
		s->pair[i].change = doubles += s->size;
	}
	reals = s->reals;
	s->here.w = reals;
	s->there.w = reals += s->size;
	s->gradient = reals += s->size;
	s->logits = reals += s->size;
	s->p = reals += outputs;
	s->lse = reals + outputs;
	return OK;
}

static enum status
minimise(struct search *s, struct err *e)
{
	bool settled = false;

	evaluate(s, &s->here);
	for (size_t t = 0; t < MAX_ITERATIONS && !settled; t++) {
		struct point was = s->here;

		if (s->data->stop && s->data->stop(s->data->ctx))
			return err_set(e, ERR_CANCELLED, "stopped", "the run was stopped");
		choose_direction(s);
		if (!descend(s))
			break;
		remember_pair(s);
		settled = s->here.value - s->there.value < SETTLED * s->here.value;
		s->here = s->there;
		s->there = was;
	}
	return OK;
}

enum status
linear_fit(const struct linear_data *data, real *w, struct err *e)
{
	struct search s = {.data = data, .shape = linear_shape(data->d, data->n_classes), .scale = 1};
	double sum = 0;
	enum status status;

	s.size = net_size(&s.shape);
	for (size_t i = 0; i < data->n; i++)
		sum += weight_of(&s, i);
	s.scale = (double)data->n / sum;
	if (!(status = allocate(&s, e)) && !(status = minimise(&s, e)))
		memcpy(w, s.here.w, s.size * sizeof *w);
	free(s.block);
	free(s.reals);
	return status;
}
