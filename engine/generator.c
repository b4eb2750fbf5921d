/* generator: see generator.h. */
#include "engine/generator.h"

#include <math.h>
#include <string.h>

#include "engine/elementary.h"
#include "engine/kernel.h"

#define SOFTPLUS_MEAN 0.8060591833 /* of softplus behind a standard normal, as batch norm makes it at first */

/* ---- Layout ------------------------------------------------------------------------------------------------- */

static size_t
inputs_of(const struct generator_shape *s, size_t layer)
{
	return layer ? s->hidden.size[layer - 1] : s->noise_dim;
}

size_t
generator_weights_at(const struct generator_shape *s, size_t layer)
{
	size_t at = 0;

	for (size_t l = 0; l < layer; l++)
		at += s->hidden.size[l] * (inputs_of(s, l) + 2);
	return at;
}

size_t
generator_scale_at(const struct generator_shape *s, size_t layer)
{
	return generator_weights_at(s, layer) + s->hidden.size[layer] * inputs_of(s, layer);
}

size_t
generator_shift_at(const struct generator_shape *s, size_t layer)
{
	return generator_scale_at(s, layer) + s->hidden.size[layer];
}

size_t
generator_bias_at(const struct generator_shape *s)
{
	return generator_weights_at(s, s->hidden.n) + s->n_out * inputs_of(s, s->hidden.n);
}

size_t
generator_log_sigma_at(const struct generator_shape *s)
{
	return generator_bias_at(s) + s->n_out;
}

size_t
generator_size(const struct generator_shape *s)
{
	return generator_log_sigma_at(s) + generator_n_sigma(s);
}

size_t
generator_n_sigma(const struct generator_shape *s)
{
	return s->sigma_by_column ? s->n_out : 1;
}

double
generator_sigma(const struct generator_shape *s, const real *w)
{
	const real *log_sigma = w + generator_log_sigma_at(s);
	const size_t n = generator_n_sigma(s);
	double sum = 0;

	for (size_t j = 0; j < n; j++)
		sum += (double)log_sigma[j];
	return exp(sum / (double)n);
}

static void
init_uniform(real *w, size_t n, size_t n_in, struct rng *rng)
{
	real bound = (real)(1 / sqrt((double)n_in));

	rng_uniform(rng, w, n);
	for (size_t i = 0; i < n; i++)
		w[i] = (2 * w[i] - 1) * bound;
}

void
generator_init(const struct generator_shape *s, real *w, double sigma, struct rng *rng)
{
	for (size_t l = 0; l < s->hidden.n; l++) {
		init_uniform(w + generator_weights_at(s, l), s->hidden.size[l] * inputs_of(s, l), inputs_of(s, l), rng);
		for (size_t i = 0; i < s->hidden.size[l]; i++) {
			w[generator_scale_at(s, l) + i] = 1;
			w[generator_shift_at(s, l) + i] = 0;
		}
	}
	init_uniform(w + generator_weights_at(s, s->hidden.n), s->n_out * (inputs_of(s, s->hidden.n) + 1),
		inputs_of(s, s->hidden.n), rng);
	for (size_t j = 0; j < generator_n_sigma(s); j++)
		w[generator_log_sigma_at(s) + j] = (real)log(sigma);
}

void
generator_begin_at(const struct generator_shape *s, real *w, const double *mean, const double *sd)
{
	const size_t n_in = inputs_of(s, s->hidden.n);
	real *row = w + generator_weights_at(s, s->hidden.n), *bias = w + generator_bias_at(s);

	for (size_t j = 0; j < s->n_out; j++, row += n_in) {
		double sum = 0;

		for (size_t i = 0; i < n_in; i++) {
			row[i] *= (real)sd[j];
			sum += s->hidden.n ? (double)row[i] * SOFTPLUS_MEAN : 0;
		}
		bias[j] = (real)(mean[j] - sum);
		w[generator_log_sigma_at(s) + j] = (real)log(sd[j]);
	}
}

void
generator_clamp(const struct generator_shape *s, real *w, double max_sigma)
{
	real *log_sigma = w + generator_log_sigma_at(s);
	real least = (real)log(GENERATOR_MIN_SIGMA), most = (real)log(max_sigma);

	for (size_t j = 0; j < generator_n_sigma(s); j++)
		log_sigma[j] = log_sigma[j] < least ? least : log_sigma[j] > most ? most : log_sigma[j];
}

/* ---- Workspace ---------------------------------------------------------------------------------------------- */

static void
carve_pass(struct arena *c, struct generator_pass *p, const struct generator_shape *s, size_t m, bool backward)
{
	p->h = arena_take(c, m * s->noise_dim);
	for (size_t l = 0; l < s->hidden.n; l++) {
		p->y[l] = arena_take(c, m * s->hidden.size[l]);
		p->xhat[l] = backward ? arena_take(c, m * s->hidden.size[l]) : p->y[l];
		p->inv_std[l] = arena_take(c, s->hidden.size[l]);
	}
	p->g = arena_take(c, m * s->n_out);
}

static size_t
widest(const struct generator_shape *s)
{
	size_t n = s->n_out > s->noise_dim ? s->n_out : s->noise_dim;

	for (size_t l = 0; l < s->hidden.n; l++)
		n = s->hidden.size[l] > n ? s->hidden.size[l] : n;
	return n;
}

void
generator_workspace(struct generator *g, const struct generator_shape *s, size_t n, size_t samples, struct arena *c)
{
	const size_t n_probe = samples ? n : 0;

	*g = (struct generator){.shape = *s, .n = n, .samples = samples};
	carve_pass(c, &g->sample, s, n, true);
	carve_pass(c, &g->posterior, s, samples * n, false);
	carve_pass(c, &g->probe, s, n_probe, true);
	g->eps_x = arena_take(c, n * s->n_out);
	g->eps_importance = arena_take(c, samples * n * s->noise_dim);
	g->eps_posterior = arena_take(c, n_probe * s->noise_dim);
	g->sigma = arena_take(c, s->n_out);
	g->x = arena_take(c, n * s->n_out);
	g->score = arena_take(c, n * s->n_out);
	g->weight = arena_take(c, samples * n);
	g->delta[0] = arena_take(c, n * widest(s));
	g->delta[1] = arena_take(c, n * widest(s));
}

void
generator_draw(struct generator *g, struct rng *rng)
{
	size_t z = g->shape.noise_dim;

	rng_normal(rng, g->sample.h, g->n * z);
	rng_normal(rng, g->eps_x, g->n * g->shape.n_out);
	rng_normal(rng, g->eps_importance, g->samples * g->n * z);
	rng_normal(rng, g->eps_posterior, g->samples ? g->n * z : 0);
}

/* ---- Passes through g --------------------------------------------------------------------------------------- */

static void
forward(const struct generator_shape *s, const real *w, struct generator_pass *p, size_t m, int threads)
{
	const real *in = p->h;

	for (size_t l = 0; l < s->hidden.n; l++) {
		kernel_batch_norm_softplus(p->y[l], p->xhat[l], p->inv_std[l], in, w + generator_weights_at(s, l),
			w + generator_scale_at(s, l), w + generator_shift_at(s, l), m, s->hidden.size[l],
			inputs_of(s, l), threads);
		in = p->y[l];
	}
	kernel_affine(p->g, in, w + generator_weights_at(s, s->hidden.n), w + generator_bias_at(s), m, s->n_out,
		inputs_of(s, s->hidden.n), ACTIVATION_NONE, threads);
}

/*
 * The reverse chain from dg [m][D] down to the noise. gradient NULL: that in the noise alone is wanted, and returned
 * [m][Z]; else the gradient in the parameters is filled, log sigma's excepted, and the noise's is not computed.
 */
static const real *
backward(struct generator *g, const real *w, const struct generator_pass *p, size_t m, const real *dg, real *gradient,
	int threads)
{
	const struct generator_shape *s = &g->shape;
	const real *delta = dg;

	for (size_t l = s->hidden.n + 1; l-- > 0;) {
		bool last = l == s->hidden.n;
		size_t n_out = last ? s->n_out : s->hidden.size[l], at = generator_weights_at(s, l);
		real *below = g->delta[l % 2];

		if (gradient)
			kernel_affine_backward_weights(gradient + at, last ? gradient + generator_bias_at(s) : NULL,
				delta, l ? p->y[l - 1] : p->h, m, m, n_out, inputs_of(s, l), threads);
		if (gradient && l == 0)
			return NULL;
		kernel_affine_backward_input(below, delta, w + at, NULL, m, n_out, inputs_of(s, l), threads);
		if (l)
			kernel_batch_norm_softplus_backward(below, p->y[l - 1], p->xhat[l - 1], p->inv_std[l - 1],
				w + generator_scale_at(s, l - 1),
				gradient ? gradient + generator_scale_at(s, l - 1) : NULL,
				gradient ? gradient + generator_shift_at(s, l - 1) : NULL, m, s->hidden.size[l - 1],
				threads);
		delta = below;
	}
	return delta;
}

void
generator_sample(struct generator *g, const real *w, int threads)
{
	const real *log_sigma = w + generator_log_sigma_at(&g->shape);
	const size_t d = g->shape.n_out;

	forward(&g->shape, w, &g->sample, g->n, threads);
	for (size_t j = 0; j < d; j++)
		g->sigma[j] = (real)exp((double)log_sigma[g->shape.sigma_by_column ? j : 0]);
	for (size_t i = 0; i < g->n; i++)
		for (size_t j = 0; j < d; j++)
			g->x[i * d + j] = g->sample.g[i * d + j] + g->sigma[j] * g->eps_x[i * d + j];
}

/* h = h0 + eta eps, and log_ratio (may be NULL) = log N(h; 0, I) - log N(h; h0, eta^2), constants left out: they cancel
 * in the softmax. */
static void
perturb(const struct generator *g, const real *log_eta, const real *eps, real *h, real *log_ratio)
{
	size_t z = g->shape.noise_dim;

	for (size_t i = 0; i < g->n; i++) {
		const real *h0 = g->sample.h + i * z;
		real ratio = 0;

		for (size_t j = 0; j < z; j++) {
			real e = eps[i * z + j], v = h0[j] + real_exp(log_eta[j]) * e;

			h[i * z + j] = v;
			ratio += e * e - v * v;
		}
		if (log_ratio)
			log_ratio[i] = ratio / 2;
	}
}

void
generator_score(struct generator *g, const real *w, const real *log_eta, int threads)
{
	size_t block = g->n * g->shape.noise_dim;

	for (size_t s = 0; s < g->samples; s++)
		perturb(g, log_eta, g->eps_importance + s * block, g->posterior.h + s * block, g->weight + s * g->n);
	forward(&g->shape, w, &g->posterior, g->samples * g->n, threads);
	kernel_importance_score(g->score, g->weight, g->x, g->posterior.g, (real)generator_sigma(&g->shape, w),
		g->samples, g->n, g->shape.n_out, threads);
}

/* ELBO(eta) = E[log N(x; g(h'), sigma^2 I) + log N(h'; 0, I)] + sum log eta; its mean over the batch, negated. */
void
generator_posterior_gradient(struct generator *g, const real *w, const real *log_eta, real *gradient, int threads)
{
	size_t z = g->shape.noise_dim, n_cells = g->n * g->shape.n_out;
	double sigma = generator_sigma(&g->shape, w);
	real scale = (real)(1 / (sigma * sigma * (double)g->n)), per_row = 1 / (real)g->n;
	const real *dh;

	perturb(g, log_eta, g->eps_posterior, g->probe.h, NULL);
	forward(&g->shape, w, &g->probe, g->n, threads);
	for (size_t i = 0; i < n_cells; i++) /* gradient of |x - g|^2 / (2 sigma^2), averaged, at g */
		g->probe.g[i] = (g->probe.g[i] - g->x[i]) * scale;
	dh = backward(g, w, &g->probe, g->n, g->probe.g, NULL, threads);
	for (size_t j = 0; j < z; j++)
		gradient[j] = -1;
	for (size_t i = 0; i < g->n; i++)
		for (size_t j = 0; j < z; j++)
			gradient[j] += (dh[i * z + j] + g->probe.h[i * z + j] * per_row) * real_exp(log_eta[j]) *
				       g->eps_posterior[i * z + j];
}

/* [D]: of a column, sigma times the sum of its dx eps. */
static void
sigma_gradient(real *gradient, const real *dx, const struct generator *g)
{
	const size_t d = g->shape.n_out;

	memset(gradient, 0, d * sizeof *gradient);
	for (size_t i = 0; i < g->n; i++)
		for (size_t j = 0; j < d; j++)
			gradient[j] += dx[i * d + j] * g->eps_x[i * d + j];
	for (size_t j = 0; j < d; j++)
		gradient[j] *= g->sigma[j];
}

void
generator_gradient(struct generator *g, const real *w, const real *dx, real *gradient, int threads)
{
	const struct generator_shape *s = &g->shape;

	if (s->sigma_by_column)
		sigma_gradient(gradient + generator_log_sigma_at(s), dx, g);
	else
		gradient[generator_log_sigma_at(s)] = (real)(generator_sigma(s, w) *
							     kernel_dot(dx, g->eps_x, g->n * s->n_out));
	backward(g, w, &g->sample, g->n, dx, gradient, threads);
}
