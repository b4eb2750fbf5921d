/* density_private: the table of functions that a family of densities is (density.h). */
#ifndef VERAD_ENGINE_DENSITY_PRIVATE_H
#define VERAD_ENGINE_DENSITY_PRIVATE_H

#include "engine/density.h"

#define LOG_2PI 1.8378770664093454836

struct density_ops {
	size_t (*size)(const struct density_shape *s);
	void (*layout)(struct density *k, struct arena *arena);
	void (*init)(struct density *k, real *w, size_t n, const double *mean, const double *sd, struct rng *rng);
	void (*clamp)(const struct density_shape *s, real *w);
	void (*jet)(struct density *k, const real *w, size_t n, size_t order, int threads);
	/* After `jet` of order 0: grad_x log p. */
	void (*input_gradient)(struct density *k, const real *w, size_t n, int threads);
	void (*jet_gradient)(struct density *k, const real *w, size_t n, size_t order, const real *seed[3],
		real *gradient, int threads);
	void (*sample)(struct density *k, const real *w, size_t n, struct rng *rng, int threads);
};

extern const struct density_ops density_ppca, density_mixture, density_nice;

/* Numbers of an arena that hold n doubles. */
static inline double *
arena_doubles(struct arena *a, size_t n)
{
	return (double *)(void *)arena_take(a, n * (sizeof(double) / sizeof(real)));
}

static inline real
real_clamp(real v, double least, double most)
{
	return v < (real)least ? (real)least : v > (real)most ? (real)most : v;
}

#endif
