/* net: see net.h. */
#include "engine/net.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/kernel.h"

struct net_shape
net_shape_of(size_t n_inputs, const struct layer_sizes *hidden, size_t n_outputs, bool weight_norm)
{
	struct net_shape s = {.n_layers = hidden->n + 1, .weight_norm = weight_norm};

	assert(hidden->n < NET_MAX_LAYERS);
	s.size[0] = n_inputs;
	for (size_t l = 0; l < hidden->n; l++)
		s.size[l + 1] = hidden->size[l];
	s.size[s.n_layers] = n_outputs;
	return s;
}

size_t
net_weights_at(const struct net_shape *s, size_t layer)
{
	size_t at = 0;

	for (size_t l = 0; l < layer; l++)
		at += s->size[l + 1] * (s->size[l] + 1);
	return at;
}

size_t
net_biases_at(const struct net_shape *s, size_t layer)
{
	return net_weights_at(s, layer) + s->size[layer + 1] * s->size[layer];
}

size_t
net_size(const struct net_shape *s)
{
	return net_weights_at(s, s->n_layers);
}

size_t
net_trained_size(const struct net_shape *s)
{
	size_t n = net_size(s);

	for (size_t l = 0; s->weight_norm && l + 1 < s->n_layers; l++)
		n += s->size[l + 1];
	return n;
}

/* The lengths g lie behind the plain part, so that both blocks share every other offset. */
static size_t
lengths_at(const struct net_shape *s, size_t layer)
{
	size_t at = net_size(s);

	for (size_t l = 0; l < layer; l++)
		at += s->size[l + 1];
	return at;
}

void
net_init(const struct net_shape *s, real *trained, struct rng *rng)
{
	for (size_t l = 0; l < s->n_layers; l++) {
		size_t n_in = s->size[l], n_out = s->size[l + 1];
		real *w = trained + net_weights_at(s, l);
		real bound = (real)(1 / sqrt((double)n_in));

		rng_uniform(rng, w, n_out * (n_in + 1));
		for (size_t i = 0; i < n_out * (n_in + 1); i++)
			w[i] = (2 * w[i] - 1) * bound;
		if (!s->weight_norm || l + 1 == s->n_layers)
			continue;
		for (size_t i = 0; i < n_out; i++)
			trained[lengths_at(s, l) + i] = (real)sqrt(kernel_dot(w + i * n_in, w + i * n_in, n_in));
	}
}

const real *
net_effective(const struct net_shape *s, const real *trained, real *plain)
{
	if (!s->weight_norm)
		return trained;
	memcpy(plain, trained, net_size(s) * sizeof *plain);
	for (size_t l = 0; l + 1 < s->n_layers; l++) {
		size_t n_in = s->size[l];

		for (size_t i = 0; i < s->size[l + 1]; i++) {
			real *row = plain + net_weights_at(s, l) + i * n_in;
			real scale = trained[lengths_at(s, l) + i] / (real)sqrt(kernel_dot(row, row, n_in));

			for (size_t j = 0; j < n_in; j++)
				row[j] *= scale;
		}
	}
	return plain;
}

/* W = g v / |v|:  dg = dW . v / |v|,  dv = g / |v| (dW - (dW . v) v / |v|^2). */
void
net_effective_backward(
	const struct net_shape *s, const real *trained, const real *plain_gradient, real *trained_gradient)
{
	if (trained_gradient != plain_gradient)
		memcpy(trained_gradient, plain_gradient, net_size(s) * sizeof *trained_gradient);
	for (size_t l = 0; s->weight_norm && l + 1 < s->n_layers; l++) {
		size_t n_in = s->size[l];

		for (size_t i = 0; i < s->size[l + 1]; i++) {
			size_t at = net_weights_at(s, l) + i * n_in, at_length = lengths_at(s, l) + i;
			const real *v = trained + at;
			real *d = trained_gradient + at;
			double norm2 = kernel_dot(v, v, n_in), along = kernel_dot(d, v, n_in);
			real scale = trained[at_length] / (real)sqrt(norm2), part = (real)(along / norm2);

			for (size_t j = 0; j < n_in; j++)
				d[j] = scale * (d[j] - part * v[j]);
			trained_gradient[at_length] = (real)(along / sqrt(norm2));
		}
	}
}

void
net_forward(const struct net_shape *s, const real *w, real *const a[], size_t first, size_t m, int threads)
{
	for (size_t l = 0; l < s->n_layers; l++) {
		size_t n_in = s->size[l], n_out = s->size[l + 1];

		kernel_affine(a[l + 1] + first * n_out, a[l] + first * n_in, w + net_weights_at(s, l),
			w + net_biases_at(s, l), m, n_out, n_in,
			l + 1 < s->n_layers ? ACTIVATION_LEAKY_RELU : ACTIVATION_NONE, threads);
	}
}

void
net_backward(const struct net_shape *s, const real *w, real *const a[], size_t mask_first, real *const delta[],
	size_t first, size_t m, size_t to, int threads)
{
	for (size_t l = s->n_layers; l-- > to;) {
		size_t n_in = s->size[l], n_out = s->size[l + 1];

		kernel_affine_backward_input(delta[l] + first * n_in, delta[l + 1] + first * n_out,
			w + net_weights_at(s, l), l ? a[l] + mask_first * n_in : NULL, m, n_out, n_in, threads);
	}
}

void
net_gradient(const struct net_shape *s, real *const a[], real *const delta[], size_t m, size_t m_bias, real *gradient,
	int threads)
{
	for (size_t l = 0; l < s->n_layers; l++)
		kernel_affine_backward_weights(gradient + net_weights_at(s, l), gradient + net_biases_at(s, l),
			delta[l + 1], a[l], m, m_bias, s->size[l + 1], s->size[l], threads);
}
