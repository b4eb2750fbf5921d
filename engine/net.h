/*
 * net: the multilayer perceptron. Linear layers with LeakyReLU(0.2) between them; logits come out of the last one.
 *
 * All parameters are one block, in the order of the layers: weights [out][in], then biases [out]. Gradients, moments
 * and averages are blocks of the same layout; offsets come from the functions here alone. With weight normalisation
 * (Salimans & Kingma 2016) a trained block differs: hidden layers hold directions v [out][in], biases, then lengths
 * g [out], and W = g v / |v| per output row; net_effective turns it into the plain block that every pass works on.
 *
 * Activations of a pass are kept per layer: a[0] is the input [m][size[0]], a[l] the output of layer l after LeakyReLU,
 * a[n_layers] the logits. Deltas mirror them. Nothing is allocated in a pass. Thread rule: kernel's.
 */
#ifndef VERAD_ENGINE_NET_H
#define VERAD_ENGINE_NET_H

#include "engine/params.h"
#include "engine/real.h"
#include "engine/rng.h"

enum { NET_MAX_LAYERS = PARAMS_MAX_LAYERS + 1 };

struct net_shape {
	size_t n_layers;                 /* linear layers: hidden ones and the last */
	size_t size[NET_MAX_LAYERS + 1]; /* size[0] inputs, size[n_layers] outputs */
	bool weight_norm;                /* of the hidden layers, in the trained block */
};

struct net_shape net_shape_of(size_t n_inputs, const struct layer_sizes *hidden, size_t n_outputs, bool weight_norm);

size_t net_size(const struct net_shape *s);                     /* numbers in a plain block */
size_t net_weights_at(const struct net_shape *s, size_t layer); /* offset of W of layer 0 .. n_layers - 1 */
size_t net_biases_at(const struct net_shape *s, size_t layer);
size_t net_trained_size(const struct net_shape *s); /* numbers in a trained block; net_size without weight norm */

/* Uniform in +-1/sqrt(inputs) for weights and biases alike, lengths g = |v|. */
void net_init(const struct net_shape *s, real *trained, struct rng *rng);

/* The plain block of a trained one: `plain` is filled and returned, or `trained` itself where the two do not differ. */
const real *net_effective(const struct net_shape *s, const real *trained, real *plain);
/* The gradient in the trained block from that in the plain one. Without weight norm: a copy, none if they are one. */
void net_effective_backward(
	const struct net_shape *s, const real *trained, const real *plain_gradient, real *trained_gradient);

/* Rows first .. first + m - 1: the forward pass from a[0] on. */
void net_forward(const struct net_shape *s, const real *w, real *const a[], size_t first, size_t m, int threads);

/*
 * The reverse chain from seeds in delta[n_layers], down to delta[to] (0: the gradient in the input). Masks are read
 * from rows mask_first of a[], deltas written to rows first of delta[].
 */
void net_backward(const struct net_shape *s, const real *w, real *const a[], size_t mask_first, real *const delta[],
	size_t first, size_t m, size_t to, int threads);

/* Gradient in all weights from rows 0 .. m - 1 of a and delta; biases from rows 0 .. m_bias - 1. Overwrites it. */
void net_gradient(const struct net_shape *s, real *const a[], real *const delta[], size_t m, size_t m_bias,
	real *gradient, int threads);

#endif
