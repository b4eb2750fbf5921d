/* hmc: see hmc.h. */
#include "engine/hmc.h"

#include <math.h>
#include <string.h>

#include "engine/kernel.h"

/* How fast the logarithm of the step size follows the acceptance: from far off, by a fifth in a training step of four
 * transitions; near the target too slowly to matter to the chains' invariance. */
#define ADAPTATION 0.1

/* ---- Workspace ---------------------------------------------------------------------------------------------- */

static void
take_point(struct arena *arena, struct hmc_point *p, const struct generator_shape *s, size_t n)
{
	p->h = arena_take(arena, n * s->noise_dim);
	p->gradient = arena_take(arena, n * s->noise_dim);
	p->g = arena_take(arena, n * s->n_out);
	p->log_joint = arena_take(arena, n);
}

void
hmc_workspace(struct hmc *m, const struct generator_shape *s, size_t n, struct arena *arena)
{
	const struct net_shape *shape = &m->folded.shape;

	*m = (struct hmc){.n = n};
	folded_workspace(&m->folded, s, arena);
	/* Both ends of a pass lie in the point that it evaluates. */
	for (size_t l = 1; l < shape->n_layers; l++) {
		m->a[l] = arena_take(arena, n * shape->size[l]);
		m->delta[l] = arena_take(arena, n * shape->size[l]);
	}
	m->delta[shape->n_layers] = arena_take(arena, n * s->n_out);
	take_point(arena, &m->now, s, n);
	take_point(arena, &m->next, s, n);
	m->momentum = arena_take(arena, n * s->noise_dim);
	m->kinetic = arena_take(arena, n);
	m->coin = arena_take(arena, n);
}

/* ---- log q(x, h) -------------------------------------------------------------------------------------------- */

void
hmc_evaluate(struct hmc *m, struct hmc_point *p, int threads)
{
	const struct net_shape *s = &m->folded.shape;
	const size_t last = s->n_layers, d = s->size[last], z = s->size[0];
	const real precision = 1 / (m->sigma * m->sigma);
	real *residual = m->delta[last];

	m->a[0] = p->h;
	m->a[last] = p->g;
	m->delta[0] = p->gradient;
	folded_forward(&m->folded, m->a, m->n, threads);
	for (size_t i = 0; i < m->n * d; i++)
		residual[i] = m->x[i] - p->g[i];
	for (size_t i = 0; i < m->n; i++)
		p->log_joint[i] = (real)(-kernel_dot(residual + i * d, residual + i * d, d) * (double)precision / 2 -
					 kernel_dot(p->h + i * z, p->h + i * z, z) / 2);
	for (size_t i = 0; i < m->n * d; i++)
		residual[i] *= precision;
	folded_backward(&m->folded, m->a, m->delta, m->n, threads);
	kernel_add_scaled(p->gradient, -1, p->h, m->n * z);
}

void
hmc_begin(struct hmc *m, const struct generator *g, const real *w, int threads)
{
	folded_fix(&m->folded, g, w);
	m->x = g->x;
	m->sigma = (real)generator_sigma(&g->shape, w);
	memcpy(m->now.h, g->sample.h, m->n * g->shape.noise_dim * sizeof *m->now.h);
	hmc_evaluate(m, &m->now, threads);
}

/* ---- Chains ------------------------------------------------------------------------------------------------- */

static void
accept(struct hmc *m, size_t i)
{
	const size_t z = m->folded.shape.size[0], d = m->folded.shape.size[m->folded.shape.n_layers];

	memcpy(m->now.h + i * z, m->next.h + i * z, z * sizeof(real));
	memcpy(m->now.gradient + i * z, m->next.gradient + i * z, z * sizeof(real));
	memcpy(m->now.g + i * d, m->next.g + i * d, d * sizeof(real));
	m->now.log_joint[i] = m->next.log_joint[i];
}

static double
kinetic_energy(const struct hmc *m, size_t i)
{
	const size_t z = m->folded.shape.size[0];

	return kernel_dot(m->momentum + i * z, m->momentum + i * z, z) / 2;
}

/* One transition of every chain; returns the mean probability of acceptance. */
static double
transition(struct hmc *m, double step, size_t leapfrog_steps, struct rng *rng, int threads)
{
	const size_t n_cells = m->n * m->folded.shape.size[0];
	const real whole = (real)step, half = (real)(step / 2);
	double sum = 0;

	rng_normal(rng, m->momentum, n_cells);
	rng_uniform(rng, m->coin, m->n);
	for (size_t i = 0; i < m->n; i++)
		m->kinetic[i] = (real)kinetic_energy(m, i);

	memcpy(m->next.h, m->now.h, n_cells * sizeof *m->next.h);
	kernel_add_scaled(m->momentum, half, m->now.gradient, n_cells);
	for (size_t k = 1; k <= leapfrog_steps; k++) {
		kernel_add_scaled(m->next.h, whole, m->momentum, n_cells);
		hmc_evaluate(m, &m->next, threads);
		kernel_add_scaled(m->momentum, k < leapfrog_steps ? whole : half, m->next.gradient, n_cells);
	}

	for (size_t i = 0; i < m->n; i++) {
		double gain = (double)m->next.log_joint[i] - kinetic_energy(m, i) - (double)m->now.log_joint[i] +
			      (double)m->kinetic[i];
		double probability = gain >= 0 ? 1 : exp(gain);

		if (!(probability >= 0)) /* a trajectory that left the numbers is no place to go */
			continue;
		sum += probability;
		if ((double)m->coin[i] < probability)
			accept(m, i);
	}
	return sum / (double)m->n;
}

double
hmc_score(struct hmc *m, struct generator *g, const real *w, real *log_step, const struct hmc_settings *settings,
	struct rng *rng, int threads)
{
	const size_t n_cells = m->n * g->shape.n_out, n_transitions = settings->burn_in + settings->samples;
	const real share = 1 / (real)settings->samples;
	double accepted = 0;
	real precision;

	hmc_begin(m, g, w, threads);
	precision = 1 / (m->sigma * m->sigma);
	memset(g->score, 0, n_cells * sizeof *g->score);
	for (size_t t = 0; t < n_transitions; t++) {
		double rate = transition(m, exp((double)*log_step), settings->leapfrog_steps, rng, threads);

		*log_step += (real)(ADAPTATION * (rate - HMC_TARGET));
		accepted += rate / (double)n_transitions;
		for (size_t i = 0; t >= settings->burn_in && i < n_cells; i++)
			g->score[i] += (g->x[i] - m->now.g[i]) * precision * share;
	}
	return accepted;
}
