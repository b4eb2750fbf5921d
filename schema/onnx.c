/*
 * onnx: see onnx.h. The formulas are those of engine/model and engine/mixture, in the same precision. One
 * value at the most is made in the arguments of a call, as in onnx_encode.c.
 */
#include "schema/onnx.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/mixture_parts.h"
#include "schema/onnx_density.h"
#include "schema/onnx_encode.h"

#define SCORE_LIMIT 1e30 /* engine/model's */

struct layers { /* values of a network's */
	size_t weight[NET_MAX_LAYERS];
	size_t output[NET_MAX_LAYERS + 1]; /* [0]: the input; the last: the logits */
};

struct parts {
	struct onnx_graph g;
	const struct bundle *b;
	const struct model *m;
	size_t x; /* [N, d] */
	struct layers network[BLEND_MAX];
	size_t member_weight[BLEND_MAX]; /* 0: it is 1 */
	size_t member_rise[BLEND_MAX];   /* [N, d]: of the warp's functions over the step that each number is in */
	/* [N, outputs]: its own probabilities, the same less the doubt's share, and with it; 0: it has no doubt */
	size_t member_p[BLEND_MAX], member_sure[BLEND_MAX], member_b[BLEND_MAX];
	size_t shift;           /* [N]: what all logits of a row have in common and none has; 0: nothing */
	size_t logits, softmax; /* [N, outputs] */

	/* of the base measure, where there is one */
	size_t centred, projection; /* [N, d]; [N, components * rank] */
	size_t direction, mean;     /* [components * rank, d]; [components, d] */
	size_t cube, last_axis;     /* the shape [N, components, rank] and its axis 2 */
	size_t joint;               /* [N, components] log density and weight of each */

	size_t zero, one, leaky; /* of the gradient */
};

/* ---- Networks ----------------------------------------------------------------------------------------------- */

/* x W^T + b */
static size_t
affine(struct onnx_graph *g, size_t x, size_t weight, size_t bias)
{
	onnx_set_int(g, "transB", 1);
	return onnx_op(g, "Gemm", x, weight, bias);
}

/* Both tables of a warp for all features: values [WARP_POINTS, d], and by how much the next one is larger, [steps, d].
 */
static enum status
put_warp_tables(struct parts *p, size_t i, size_t *values, size_t *rises, struct err *e)
{
	const struct warp *w = p->m->member[i].warp;
	const size_t d = model_n_features(p->m);
	real *at = malloc(WARP_POINTS * d * sizeof *at), *rise = malloc(WARP_POINTS * d * sizeof *rise);
	enum status s = at && rise ? OK : err_nomem(e);

	if (!s) {
		for (size_t j = 0; j < WARP_POINTS * d; j++) /* features without a function stay as they are */
			at[j] = j % d < w->n ? w->at[j / d * w->n + j % d] : (real)warp_argument(j / d);
		for (size_t j = 0; j < (WARP_POINTS - 1) * d; j++)
			rise[j] = at[j + d] - at[j];
		*values = onnx_floats(
			&p->g, onnx_namef("network.%zu.warp.value", i).text, onnx_matrix(WARP_POINTS, d), at);
		*rises = onnx_floats(
			&p->g, onnx_namef("network.%zu.warp.rise", i).text, onnx_matrix(WARP_POINTS - 1, d), rise);
	}
	free(at);
	free(rise);
	return s;
}

/* As warp_apply in engine/warp. */
static enum status
put_warp(struct parts *p, size_t i, size_t *out, struct err *e)
{
	struct onnx_graph *g = &p->g;
	size_t values, rises, at, step, limit, limits;
	enum status s = put_warp_tables(p, i, &values, &rises, e);

	if (s)
		return s;
	limit = onnx_float(g, onnx_namef("network.%zu.warp.reach", i).text, WARP_REACH);
	at = onnx_op(g, "Add", p->x, limit, 0);
	limit = onnx_float(g, onnx_namef("network.%zu.warp.per_unit", i).text, WARP_PER_UNIT);
	at = onnx_op(g, "Mul", at, limit, 0);
	limit = onnx_float(g, onnx_namef("network.%zu.warp.first", i).text, 0);
	limits = onnx_float(g, onnx_namef("network.%zu.warp.last", i).text, WARP_POINTS - 1);
	at = onnx_op(g, "Clip", at, limit, limits);
	limit = onnx_float(g, onnx_namef("network.%zu.warp.last_step", i).text, WARP_POINTS - 2);
	step = onnx_op(g, "Min", onnx_op(g, "Floor", at, 0, 0), limit, 0);
	at = onnx_op(g, "Sub", at, step, 0);
	step = onnx_cast(g, step, ONNX_INT64);
	p->member_rise[i] = onnx_op(g, "GatherElements", rises, step, 0);
	values = onnx_op(g, "GatherElements", values, step, 0);
	at = onnx_op(g, "Mul", at, p->member_rise[i], 0);
	*out = onnx_op(g, "Add", values, at, 0);
	return OK;
}

static size_t
put_network(struct parts *p, size_t i, size_t x)
{
	const struct model_member *member = &p->m->member[i];
	const struct net_shape *s = &member->shape;
	struct onnx_graph *g = &p->g;
	struct layers *n = &p->network[i];

	n->output[0] = x;
	for (size_t l = 0; l < s->n_layers; l++) {
		const real *weight = member->weights + net_weights_at(s, l),
			   *bias = member->weights + net_biases_at(s, l);
		size_t b = onnx_floats(
			g, onnx_namef("network.%zu.layer.%zu.bias", i, l).text, onnx_vector(s->size[l + 1]), bias);

		n->weight[l] = onnx_floats(g, onnx_namef("network.%zu.layer.%zu.weight", i, l).text,
			onnx_matrix(s->size[l + 1], s->size[l]), weight);
		n->output[l + 1] = affine(g, n->output[l], n->weight[l], b);
		if (l + 1 == s->n_layers)
			break;
		onnx_set_float(g, "alpha", (float)LEAKY_SLOPE);
		n->output[l + 1] = onnx_op(g, "LeakyRelu", n->output[l + 1], 0, 0);
	}
	return n->output[s->n_layers];
}

static enum status
put_bias(struct parts *p, struct err *e)
{
	const size_t n = model_n_classes(p->m);
	real *bias = malloc(n * sizeof *bias);

	if (!bias)
		return err_nomem(e);
	for (size_t k = 0; k < n; k++)
		bias[k] = (real)p->m->bias[k];
	p->logits = onnx_op(&p->g, "Add", p->logits, onnx_floats(&p->g, "bias", onnx_vector(n), bias), 0);
	free(bias);
	return OK;
}

static size_t
weighed(struct parts *p, size_t i, size_t value)
{
	return p->member_weight[i] ? onnx_op(&p->g, "Mul", value, p->member_weight[i], 0) : value;
}

/* log((1 - doubt) p + doubt / K) of a network's logits; lse goes to the shift, unless the network is conditional. */
static size_t
doubted(struct parts *p, size_t i, size_t logits)
{
	const double doubt = p->m->member[i].doubt, n_classes = (double)model_n_classes(p->m);
	struct onnx_graph *g = &p->g;
	size_t v;

	if (!p->m->member[i].conditional) {
		v = weighed(p, i, onnx_reduce(g, "ReduceLogSumExp", logits, false));
		p->shift = p->shift ? onnx_op(g, "Add", p->shift, v, 0) : v;
	}
	onnx_set_int(g, "axis", 1);
	p->member_p[i] = onnx_op(g, "Softmax", logits, 0, 0);
	v = onnx_float(g, onnx_namef("network.%zu.sure", i).text, 1 - doubt);
	p->member_sure[i] = onnx_op(g, "Mul", p->member_p[i], v, 0);
	v = onnx_float(g, onnx_namef("network.%zu.spread", i).text, doubt / n_classes);
	p->member_b[i] = onnx_op(g, "Add", p->member_sure[i], v, 0);
	return onnx_op(g, "Log", p->member_b[i], 0, 0);
}

/* The blended logits, but for the shift. */
static enum status
put_logits(struct parts *p, struct err *e)
{
	enum status s = OK;

	for (size_t i = 0; i < p->m->n_members; i++) {
		size_t own = p->x;

		if (p->m->member[i].warp && (s = put_warp(p, i, &own, e)))
			return s;
		own = put_network(p, i, own);
		if (p->m->member[i].weight != 1)
			p->member_weight[i] = onnx_float(
				&p->g, onnx_namef("network.%zu.weight", i).text, p->m->member[i].weight);
		if (p->m->member[i].doubt > 0 || p->m->member[i].conditional)
			own = doubted(p, i, own);
		own = weighed(p, i, own);
		p->logits = i ? onnx_op(&p->g, "Add", p->logits, own, 0) : own;
	}
	if (p->m->bias)
		s = put_bias(p, e);
	onnx_set_int(&p->g, "axis", 1);
	p->softmax = onnx_op(&p->g, "Softmax", p->logits, 0, 0);
	return s;
}

/* ---- Base measure ------------------------------------------------------------------------------------------- */

/* Over the directions of each component: [N, components, rank] to [N, components]. */
static size_t
sum_directions(struct parts *p, size_t cube)
{
	onnx_set_int(&p->g, "keepdims", 0);
	return onnx_op(&p->g, "ReduceSum", cube, p->last_axis, 0);
}

/* sum_j p_j^2 / lambda_j [N, components], and sum_j p_j^2 where it is asked for. */
static size_t
along_directions(struct parts *p, const struct mixture *b, size_t *inside)
{
	const size_t n = b->n_components, rank = b->rank;
	struct onnx_graph *g = &p->g;
	size_t offset, square, precision;

	p->cube = onnx_ints(g, "base.cube", onnx_vector(3), (const int64_t[]){0, (int64_t)n, (int64_t)rank});
	p->last_axis = onnx_ints(g, "base.last_axis", onnx_vector(1), (const int64_t[]){2});
	p->direction = onnx_floats(g, "base.direction", onnx_matrix(n * rank, b->d), b->direction);
	offset = onnx_floats(g, "base.offset", onnx_vector(n * rank), b->offset);
	p->projection = affine(g, p->centred, p->direction, offset);
	square = onnx_cast(g, p->projection, ONNX_DOUBLE);
	square = onnx_op(g, "Mul", square, square, 0);
	square = onnx_op(g, "Reshape", square, p->cube, 0);
	if (inside)
		*inside = sum_directions(p, square);
	precision = onnx_doubles(g, "base.precision", onnx_matrix(n, rank), b->precision);
	return sum_directions(p, onnx_op(g, "Mul", square, precision, 0));
}

/* (|x - mu|^2 - inside) / s2 [N, components], not below 0. inside 0: there are no directions. */
static enum status
beside_directions(struct parts *p, const struct mixture *b, size_t inside, size_t *out, struct err *e)
{
	const size_t n = b->n_components;
	double *length = malloc(n * sizeof *length);
	struct onnx_graph *g = &p->g;
	size_t x, mean, lengths, rest, nothing;

	if (!length)
		return err_nomem(e);
	for (size_t k = 0; k < n; k++) {
		length[k] = 0;
		for (size_t i = k * b->d; i < (k + 1) * b->d; i++)
			length[k] += (double)b->mean[i] * (double)b->mean[i];
	}
	lengths = onnx_doubles(g, "base.mean_length", onnx_vector(n), length);
	free(length);
	x = onnx_cast(g, p->centred, ONNX_DOUBLE);
	mean = onnx_cast(g, p->mean, ONNX_DOUBLE);
	onnx_set_float(g, "alpha", -2);
	onnx_set_int(g, "transB", 1);
	rest = onnx_op(g, "Gemm", x, mean, lengths);
	rest = onnx_op(g, "Add", rest, onnx_reduce(g, "ReduceSumSquare", x, true), 0);
	if (inside)
		rest = onnx_op(g, "Sub", rest, inside, 0);
	nothing = onnx_double(g, "base.nothing", 0);
	rest = onnx_op(g, "Max", rest, nothing, 0);
	*out = onnx_op(g, "Div", rest, onnx_doubles(g, "base.noise", onnx_vector(n), b->noise), 0);
	return OK;
}

static enum status
put_base(struct parts *p, struct err *e)
{
	const struct mixture *b = p->m->base;
	struct onnx_graph *g = &p->g;
	size_t quadratic = 0, inside = 0, rest = 0;
	enum status s;

	p->centred = onnx_op(g, "Sub", p->x, onnx_floats(g, "base.centre", onnx_vector(b->d), b->centre), 0);
	if (b->rank)
		quadratic = along_directions(p, b, b->rank < b->d ? &inside : NULL);
	if (b->rank < b->d) {
		p->mean = onnx_floats(g, "base.mean", onnx_matrix(b->n_components, b->d), b->mean);
		if ((s = beside_directions(p, b, inside, &rest, e)))
			return s;
		quadratic = b->rank ? onnx_op(g, "Add", quadratic, rest, 0) : rest;
	}
	p->joint = onnx_op(g, "Mul", quadratic, onnx_double(g, "base.factor", -0.5), 0);
	p->joint = onnx_op(
		g, "Add", p->joint, onnx_doubles(g, "base.log_scale", onnx_vector(b->n_components), b->log_scale), 0);
	return OK;
}

/* What lies along the directions: sum_k p(k|x) U_k^T (1 / s2_k - 1 / lambda_k) p_k, without 1 / s2 where rank = d. */
static enum status
base_gradient_along(struct parts *p, const struct mixture *b, size_t own, size_t *out, struct err *e)
{
	const size_t n = b->n_components, rank = b->rank;
	real *factor = malloc(n * rank * sizeof *factor);
	struct onnx_graph *g = &p->g;
	size_t along, row;

	if (!factor)
		return err_nomem(e);
	for (size_t i = 0; i < n * rank; i++)
		factor[i] = (real)((rank < b->d ? 1 / b->noise[i / rank] : 0) - b->precision[i]);
	along = onnx_op(g, "Reshape", p->projection, p->cube, 0);
	along = onnx_op(g, "Mul", along, onnx_op(g, "Unsqueeze", own, p->last_axis, 0), 0);
	along = onnx_op(g, "Mul", along, onnx_floats(g, "base.factors", onnx_matrix(n, rank), factor), 0);
	free(factor);
	row = onnx_ints(g, "base.row", onnx_vector(2), (const int64_t[]){0, (int64_t)(n * rank)});
	along = onnx_op(g, "Reshape", along, row, 0);
	*out = onnx_op(g, "MatMul", along, p->direction, 0);
	return OK;
}

/* grad_x log q0(x) [N, d] */
static enum status
base_gradient(struct parts *p, size_t *out, struct err *e)
{
	const struct mixture *b = p->m->base;
	struct onnx_graph *g = &p->g;
	size_t own, towards, gradient = 0;
	enum status s;

	onnx_set_int(g, "axis", 1);
	own = onnx_op(g, "Softmax", p->joint, 0, 0);
	if (b->rank && (s = base_gradient_along(p, b, onnx_cast(g, own, ONNX_FLOAT), &gradient, e)))
		return s;
	if (b->rank < b->d) { /* and sum_k p(k|x) / s2_k (mu_k - x) */
		own = onnx_op(g, "Div", own, onnx_doubles(g, "base.noises", onnx_vector(b->n_components), b->noise), 0);
		own = onnx_cast(g, own, ONNX_FLOAT);
		towards = onnx_op(g, "MatMul", own, p->mean, 0);
		own = onnx_op(g, "ReduceSum", own, onnx_ints(g, "base.axis", onnx_vector(1), (const int64_t[]){1}), 0);
		own = onnx_op(g, "Mul", p->centred, own, 0);
		towards = onnx_op(g, "Sub", towards, own, 0);
		gradient = gradient ? onnx_op(g, "Add", gradient, towards, 0) : towards;
	}
	*out = gradient;
	return OK;
}

/* ---- Scores ------------------------------------------------------------------------------------------------- */

/* From the gradient in a network's logits as they count to that in its own, as gradient_in_own_logits in engine/model.
 */
static size_t
through_doubt(struct parts *p, size_t i, size_t seed)
{
	struct onnx_graph *g = &p->g;
	size_t kept = onnx_op(g, "Div", p->member_sure[i], p->member_b[i], 0), common, axis;

	kept = onnx_op(g, "Mul", seed, kept, 0);
	common = p->m->member[i].conditional ? onnx_op(g, "Neg", kept, 0, 0) : onnx_op(g, "Sub", seed, kept, 0);
	axis = onnx_ints(g, onnx_namef("network.%zu.classes", i).text, onnx_vector(1), (const int64_t[]){1});
	common = onnx_op(g, "ReduceSum", common, axis, 0);
	common = onnx_op(g, "Mul", p->member_p[i], common, 0);
	return onnx_op(g, "Add", kept, common, 0);
}

/* From the gradient in a warp's values to that in x, as warp_backward in engine/warp. */
static size_t
through_warp(struct parts *p, size_t i, size_t delta)
{
	struct onnx_graph *g = &p->g;
	size_t slope, within, end;

	end = onnx_float(g, onnx_namef("network.%zu.slope.per_unit", i).text, WARP_PER_UNIT);
	slope = onnx_op(g, "Mul", p->member_rise[i], end, 0);
	end = onnx_float(g, onnx_namef("network.%zu.slope.reach", i).text, WARP_REACH);
	within = onnx_op(g, "Less", onnx_op(g, "Abs", p->x, 0, 0), end, 0);
	slope = onnx_op(g, "Where", within, slope, p->zero);
	return onnx_op(g, "Mul", delta, slope, 0);
}

/* The reverse chain of one network, from the seed w softmax(f) to the input. */
static size_t
network_gradient(struct parts *p, size_t i)
{
	const struct layers *n = &p->network[i];
	struct onnx_graph *g = &p->g;
	size_t delta = weighed(p, i, p->softmax);

	if (p->member_p[i])
		delta = through_doubt(p, i, delta);
	for (size_t l = p->m->member[i].shape.n_layers; l-- > 0;) {
		delta = onnx_op(g, "MatMul", delta, n->weight[l], 0);
		if (l) {
			size_t slope = onnx_op(g, "Greater", n->output[l], p->zero, 0);

			slope = onnx_op(g, "Where", slope, p->one, p->leaky);
			delta = onnx_op(g, "Mul", delta, slope, 0);
		}
	}
	return p->member_rise[i] ? through_warp(p, i, delta) : delta;
}

/* |grad_x log p(x)| [N] */
static enum status
gradient_norm(struct parts *p, size_t *out, struct err *e)
{
	struct onnx_graph *g = &p->g;
	size_t sum = 0, base;
	enum status s;

	p->zero = onnx_float(g, "slope.from", 0);
	p->one = onnx_float(g, "slope.above", 1);
	p->leaky = onnx_float(g, "slope.below", (double)LEAKY_SLOPE);
	for (size_t i = 0; i < p->m->n_members; i++) {
		size_t own = network_gradient(p, i);

		sum = i ? onnx_op(g, "Add", sum, own, 0) : own;
	}
	if (p->m->base) {
		if ((s = base_gradient(p, &base, e)))
			return s;
		sum = onnx_op(g, "Add", sum, base, 0);
	}
	sum = onnx_cast(g, onnx_reduce(g, "ReduceSumSquare", sum, false), ONNX_DOUBLE);
	*out = onnx_op(g, "Sqrt", sum, 0, 0);
	return OK;
}

static size_t
energy(struct parts *p)
{
	struct onnx_graph *g = &p->g;
	size_t log_p = onnx_reduce(g, "ReduceLogSumExp", p->logits, false);

	if (p->shift)
		log_p = onnx_op(g, "Add", log_p, p->shift, 0);
	log_p = onnx_cast(g, log_p, ONNX_DOUBLE);
	if (p->m->base)
		log_p = onnx_op(g, "Add", log_p, onnx_reduce(g, "ReduceLogSumExp", p->joint, false), 0);
	return onnx_op(g, "Neg", log_p, 0, 0);
}

static enum status
put_network_score(struct parts *p, size_t *score, struct err *e)
{
	struct onnx_graph *g = &p->g;
	size_t most;
	enum status s = OK;

	switch (p->m->ood_score) {
	case OOD_MAX_PROBABILITY:
		*score = onnx_cast(g, onnx_reduce(g, "ReduceMax", p->softmax, false), ONNX_DOUBLE);
		most = onnx_double(g, "certain", 1);
		*score = onnx_op(g, "Sub", most, *score, 0);
		break;
	case OOD_GRADIENT_NORM:
		s = p->m->base ? put_base(p, e) : OK;
		s = s ? s : gradient_norm(p, score, e);
		break;
	default:
		s = p->m->base ? put_base(p, e) : OK;
		*score = energy(p);
	}
	return s;
}

/* The score [N] of the kind that the model's answers carry, DOUBLE and finite. */
static enum status
put_score(struct parts *p, size_t *out, struct err *e)
{
	struct onnx_graph *g = &p->g;
	size_t score = 0, least, most, clipped;
	enum status s = OK;

	if (p->m->density_weights)
		s = onnx_density(g, p->m, p->x, (enum ood_score)p->m->ood_score, &score, e);
	else
		s = put_network_score(p, &score, e);
	if (s)
		return s;
	least = onnx_double(g, "score.least", -SCORE_LIMIT);
	most = onnx_double(g, "score.most", SCORE_LIMIT);
	clipped = onnx_op(g, "Clip", score, least, most);
	*out = onnx_op(g, "Where", onnx_op(g, "IsNaN", score, 0, 0), most, clipped);
	return s;
}

/* ---- Answers ------------------------------------------------------------------------------------------------ */

/* The name, with as many "_" behind it as it takes to be no input's. */
static void
put_output(struct parts *p, size_t value, const char *name, enum onnx_type type, size_t width, const char *doc)
{
	const struct encoder *c = p->b->encoder;
	struct buf free_name = {0};
	bool taken = true;

	buf_puts(&free_name, name);
	while (taken && !free_name.failed) {
		buf_put(&free_name, "", 1);
		taken = false;
		for (size_t j = 0; j < encoder_n_columns(c) && !free_name.failed; j++)
			taken |= encoder_column_wanted(c, j) &&
				 strcmp(encoder_column_name(c, j), (const char *)free_name.data) == 0;
		if (taken) {
			free_name.len--;
			buf_puts(&free_name, "_");
		}
	}
	if (free_name.failed)
		p->g.node.failed = true;
	else
		onnx_output(&p->g, value, (const char *)free_name.data, type, width, doc);
	buf_release(&free_name);
}

static void
put_classes(struct parts *p)
{
	const size_t n = p->b->n_classes;
	struct onnx_graph *g = &p->g;
	size_t each = onnx_float(g, "even", 1 / (double)n), even, at, label;

	even = onnx_op(g, "IsNaN", p->softmax, 0, 0); /* of weights too absurd for numbers */
	even = onnx_op(g, "Where", even, each, p->softmax);
	onnx_set_int(g, "axis", 1);
	onnx_set_int(g, "keepdims", 0);
	at = onnx_op(g, "ArgMax", even, 0, 0);
	label = onnx_texts(g, "classes", p->b->label, n);
	label = onnx_gather(g, label, at, 0);
	put_output(p, label, "label", ONNX_STRING, 0, "the class of the greatest probability");
	put_output(p, even, "probabilities", ONNX_FLOAT, n, "of the classes, in the order of \"classes\"");
}

/* The share of the reference scores that are not below the score. */
static size_t
put_p_value(struct parts *p, size_t score)
{
	const struct ood_reference *r = &p->m->reference[p->m->ood_score];
	const double beyond_all = DBL_MAX; /* without reference scores the share is 1 */
	const size_t n = r->n ? r->n : 1;
	const int64_t first = 0;
	struct onnx_table table = {.name = "reference", .first = &first, .n_tables = 1, .n = n};
	size_t below, share;

	table.value = onnx_doubles(&p->g, "reference.scores", onnx_vector(n), r->n ? r->score : &beyond_all);
	below = onnx_count(&p->g, &table, "Less", score);
	share = onnx_int(&p->g, "reference.count", (int64_t)n);
	share = onnx_cast(&p->g, onnx_op(&p->g, "Sub", share, below, 0), ONNX_DOUBLE);
	share = onnx_op(&p->g, "Div", share, onnx_double(&p->g, "reference.rows", (double)n), 0);
	return onnx_cast(&p->g, share, ONNX_FLOAT);
}

static enum status
put_answers(struct parts *p, struct err *e)
{
	size_t score, threshold;
	enum status s;

	if (p->m->n_members && (s = put_logits(p, e)))
		return s;
	if (p->b->n_classes)
		put_classes(p);
	if ((s = put_score(p, &score, e)))
		return s;
	put_output(p, onnx_cast(&p->g, score, ONNX_FLOAT), "ood_score", ONNX_FLOAT, 0,
		"higher is further out of distribution");
	put_output(p, put_p_value(p, score), "ood_p_value", ONNX_FLOAT, 0,
		"share of the rows held out whose scores are at least as high");
	threshold = onnx_double(&p->g, "threshold", p->m->reference[p->m->ood_score].threshold);
	put_output(p, onnx_op(&p->g, "Greater", score, threshold, 0), "is_ood", ONNX_BOOL, 0,
		"the score is above the threshold");
	return OK;
}

/* ---- The file ----------------------------------------------------------------------------------------------- */

/* "verad", with as many "_" behind it as it takes that no input's name begins so. */
static void
put_prefix(const struct encoder *c, struct buf *out)
{
	size_t most = 0;
	bool found = false;

	for (size_t j = 0; j < encoder_n_columns(c); j++) {
		const char *name = encoder_column_name(c, j);
		size_t n;

		if (strncmp(name, "verad", 5) != 0)
			continue;
		n = strspn(name + 5, "_");
		if (name[5 + n] == '.') {
			found = true;
			most = n > most ? n : most;
		}
	}
	buf_puts(out, "verad");
	for (size_t i = 0; found && i <= most; i++)
		buf_puts(out, "_");
	buf_put(out, "", 1);
}

enum status
onnx_write(const struct bundle *b, const struct export_note *note, size_t n_notes, size_t max_bytes, struct buf *out,
	struct err *e)
{
	struct parts p = {.b = b, .m = b->model};
	struct buf prefix = {0};
	enum status s;

	put_prefix(b->encoder, &prefix);
	p.g.max_bytes = max_bytes;
	if ((s = buf_status(&prefix, e)))
		goto out;
	p.g.prefix = (const char *)prefix.data;
	if (!(s = onnx_encode(&p.g, b->encoder, &b->reading, &p.x, e)) && !(s = put_answers(&p, e)))
		s = onnx_graph_write(&p.g,
			"A model of verad: cells in; labels, probabilities and out-of-distribution "
			"scores out.",
			note, n_notes, out, e);
out:
	onnx_graph_release(&p.g);
	buf_release(&prefix);
	return s;
}
