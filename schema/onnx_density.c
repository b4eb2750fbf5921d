/*
 * onnx_density: see onnx_density.h. What the engine derives from the parameters (precisions, logs of determinants, of
 * weights) is derived by the engine, in a workspace for a row of zeros, and written down as constants. One value at the
 * most is made in the arguments of a call, as in onnx_encode.c.
 */
#include "schema/onnx_density.h"

#include <stdlib.h>
#include <string.h>

#include "engine/density_private.h"

struct flow { /* values of a nice's graph */
	size_t weight[DENSITY_MAX_COUPLINGS][NET_MAX_LAYERS];
	size_t before[DENSITY_MAX_COUPLINGS][NET_MAX_LAYERS]; /* softplus */
};

/* factor * value + constant */
static size_t
affine_of(struct onnx_graph *g, size_t value, double factor, double constant)
{
	value = onnx_op(g, "Mul", value, onnx_double(g, "density.factor", factor), 0);
	return onnx_op(g, "Add", value, onnx_double(g, "density.constant", constant), 0);
}

static size_t
sum_over(struct onnx_graph *g, size_t value, int64_t axis, const char *name)
{
	size_t axes = onnx_ints(g, name, onnx_vector(1), &axis);

	onnx_set_int(g, "keepdims", 0);
	return onnx_op(g, "ReduceSum", value, axes, 0);
}

/* Of one or two parts of a gradient [N, .]: its length. */
static size_t
length_of(struct onnx_graph *g, const size_t part[2])
{
	size_t sum = 0;

	for (size_t i = 0; i < 2 && part[i]; i++) {
		size_t own = onnx_reduce(g, "ReduceSumSquare", onnx_cast(g, part[i], ONNX_DOUBLE), false);

		sum = i ? onnx_op(g, "Add", sum, own, 0) : own;
	}
	return onnx_op(g, "Sqrt", sum, 0, 0);
}

static size_t
doubles_of(struct onnx_graph *g, const char *name, struct onnx_shape shape, const real *v)
{
	return onnx_cast(g, onnx_floats(g, name, shape, v), ONNX_DOUBLE);
}

/* alpha = C^-1 (x - mu) = (r - r W B^T) / sigma^2; -log p = r . alpha / 2 and a constant. */
static size_t
put_ppca(struct onnx_graph *g, const struct density *k, const real *w, size_t x, enum ood_score kind)
{
	const struct density_ppca_pieces *p = &k->own.ppca;
	const size_t d = k->shape.d, z = k->shape.n_parts;
	size_t r, alpha, constant;

	r = onnx_op(g, "Sub", x, onnx_floats(g, "density.mean", onnx_vector(d), w + d * z), 0);
	r = onnx_cast(g, r, ONNX_DOUBLE);
	alpha = onnx_op(g, "MatMul", r, doubles_of(g, "density.direction", onnx_matrix(d, z), w), 0);
	constant = doubles_of(g, "density.posterior", onnx_matrix(d, z), p->b);
	onnx_set_int(g, "transB", 1);
	alpha = onnx_op(g, "Gemm", alpha, constant, 0);
	alpha = onnx_op(g, "Sub", r, alpha, 0);
	alpha = onnx_op(g, "Div", alpha, onnx_double(g, "density.variance", p->sigma2), 0);
	if (kind == OOD_GRADIENT_NORM)
		return length_of(g, (const size_t[]){alpha, 0});
	r = sum_over(g, onnx_op(g, "Mul", r, alpha, 0), 1, "density.columns");
	return affine_of(g, r, 0.5, ((double)d * LOG_2PI + p->log_determinant) / 2);
}

/* z = (x - mu) / std of each component [N, K, d]; e its log joint density [N, K]. */
static size_t
put_mixture(struct onnx_graph *g, const struct density *k, const real *w, size_t x, enum ood_score kind)
{
	const struct density_mixture_pieces *p = &k->own.mixture;
	const size_t d = k->shape.d, n = k->shape.n_parts;
	const int64_t first = 1;
	size_t z, scale, e, share;

	z = onnx_op(g, "Unsqueeze", x, onnx_ints(g, "density.component", onnx_vector(1), &first), 0);
	z = onnx_op(g, "Sub", z, onnx_floats(g, "density.mean", onnx_matrix(n, d), w), 0);
	scale = onnx_floats(g, "density.inverse_std", onnx_matrix(n, d), p->inv_std);
	z = onnx_op(g, "Mul", z, scale, 0);
	e = onnx_cast(g, z, ONNX_DOUBLE);
	e = sum_over(g, onnx_op(g, "Mul", e, e, 0), 2, "density.columns");
	e = onnx_op(g, "Mul", e, onnx_double(g, "density.factor", -0.5), 0);
	e = onnx_op(g, "Add", e, onnx_doubles(g, "density.log_scale", onnx_vector(n), p->log_scale), 0);
	if (kind != OOD_GRADIENT_NORM)
		return onnx_op(g, "Neg", onnx_reduce(g, "ReduceLogSumExp", e, false), 0, 0);
	onnx_set_int(g, "axis", 1);
	share = onnx_cast(g, onnx_op(g, "Softmax", e, 0, 0), ONNX_FLOAT);
	z = onnx_op(g, "Mul", z, scale, 0);
	share = onnx_op(g, "Unsqueeze", share, onnx_ints(g, "density.column", onnx_vector(1), (const int64_t[]){2}), 0);
	z = onnx_op(g, "Mul", z, share, 0);
	return length_of(g, (const size_t[]){sum_over(g, z, 1, "density.components"), 0});
}

/* The network of coupling c of x; w its block. */
static size_t
put_coupling(struct onnx_graph *g, struct flow *f, const struct density_shape *s, size_t c, const real *w, size_t x)
{
	const struct net_shape net = density_coupling(s, c);

	for (size_t l = 0; l < net.n_layers; l++) {
		size_t bias = onnx_floats(g, onnx_namef("density.coupling.%zu.layer.%zu.bias", c, l).text,
			onnx_vector(net.size[l + 1]), w + net_biases_at(&net, l));

		f->weight[c][l] = onnx_floats(g, onnx_namef("density.coupling.%zu.layer.%zu.weight", c, l).text,
			onnx_matrix(net.size[l + 1], net.size[l]), w + net_weights_at(&net, l));
		onnx_set_int(g, "transB", 1);
		x = onnx_op(g, "Gemm", x, f->weight[c][l], bias);
		f->before[c][l] = x;
		if (l + 1 < net.n_layers)
			x = onnx_op(g, "Softplus", x, 0, 0);
	}
	return x;
}

/* The reverse chain of that network, from the gradient in what it gave to that in what it read. */
static size_t
coupling_gradient(struct onnx_graph *g, const struct flow *f, const struct density_shape *s, size_t c, size_t delta)
{
	for (size_t l = density_coupling(s, c).n_layers; l-- > 0;) {
		delta = onnx_op(g, "MatMul", delta, f->weight[c][l], 0);
		if (l)
			delta = onnx_op(g, "Mul", delta, onnx_op(g, "Sigmoid", f->before[c][l - 1], 0, 0), 0);
	}
	return delta;
}

static size_t
put_half(struct onnx_graph *g, size_t x, size_t d, size_t half, int64_t *column)
{
	size_t n = 0;

	for (size_t j = half; j < d; j += 2)
		column[n++] = (int64_t)j;
	return onnx_gather(g, x, onnx_ints(g, onnx_namef("density.half.%zu", half).text, onnx_vector(n), column), 1);
}

static enum status
put_nice(struct onnx_graph *g, const struct density *k, const real *w, size_t x, enum ood_score kind, size_t *score,
	struct err *e)
{
	const struct density_nice_pieces *p = &k->own.nice;
	const struct density_shape *s = &k->shape;
	int64_t *column = malloc(s->d * sizeof *column);
	size_t h[2], scale[2], sum = 0;
	double constant = (double)s->d * LOG_2PI / 2;
	struct flow f;

	if (!column)
		return err_nomem(e);
	for (size_t half = 0; half < 2; half++)
		h[half] = put_half(g, x, s->d, half, column);
	free(column);
	for (size_t c = 0; c < s->n_parts; c++) {
		const struct net_shape net = density_coupling(s, c);
		size_t shift = put_coupling(g, &f, s, c, w, h[c % 2]);

		h[1 - c % 2] = onnx_op(g, "Add", h[1 - c % 2], shift, 0);
		w += net_size(&net);
	}
	for (size_t half = 0; half < 2; half++) {
		scale[half] = onnx_floats(g, onnx_namef("density.scale.%zu", half).text, onnx_vector(p->half[half]),
			p->scale + half * p->half[0]);
		h[half] = onnx_op(g, "Mul", h[half], scale[half], 0);
	}
	for (size_t j = 0; j < s->d; j++)
		constant -= (double)w[j];
	if (kind == OOD_GRADIENT_NORM) {
		for (size_t half = 0; half < 2; half++)
			h[half] = onnx_op(g, "Mul", h[half], scale[half], 0);
		for (size_t c = s->n_parts; c-- > 0;) {
			size_t below = coupling_gradient(g, &f, s, c, h[1 - c % 2]);

			h[c % 2] = onnx_op(g, "Add", h[c % 2], below, 0);
		}
		*score = length_of(g, h);
		return OK;
	}
	for (size_t half = 0; half < 2; half++) {
		size_t own = onnx_reduce(g, "ReduceSumSquare", onnx_cast(g, h[half], ONNX_DOUBLE), false);

		sum = half ? onnx_op(g, "Add", sum, own, 0) : own;
	}
	*score = affine_of(g, sum, 0.5, constant);
	return OK;
}

enum status
onnx_density(struct onnx_graph *g, const struct model *m, size_t x, enum ood_score kind, size_t *score, struct err *e)
{
	const real *w = m->density_weights;
	struct arena arena = {0};
	struct density k;
	real *block;
	enum status s = OK;

	density_workspace(&k, &m->density, 1, 0, &arena);
	if (!(block = aligned_alloc(64, arena.used * sizeof *block)))
		return err_nomem(e);
	arena = (struct arena){.block = block};
	density_workspace(&k, &m->density, 1, 0, &arena);
	memset(k.x, 0, m->density.d * sizeof *k.x);
	density_log_density(&k, w, 1, false, 1);
	switch (m->density.family) {
	case FAMILY_PPCA:
		*score = put_ppca(g, &k, w, x, kind);
		break;
	case FAMILY_MIXTURE:
		*score = put_mixture(g, &k, w, x, kind);
		break;
	default:
		s = put_nice(g, &k, w, x, kind, score, e);
	}
	free(block);
	return s;
}
