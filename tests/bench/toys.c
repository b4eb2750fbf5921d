/* toys: see toys.h. */
#include "tests/bench/toys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rng.h"

struct toy
toy_of(const char *shape)
{
	struct toy t = {.sd = strcmp(shape, "clouds") == 0 ? 0.4 : 0.1};

	if (strcmp(shape, "grid") == 0) {
		for (t.n = 0; t.n < 25; t.n++) {
			t.at[t.n][0] = (double)(t.n % 5) - 2;
			t.at[t.n][1] = (double)(t.n / 5) - 2;
		}
	} else {
		for (t.n = 0; t.n < 8; t.n++) {
			t.at[t.n][0] = 2 * cos((double)t.n * acos(-1) / 4);
			t.at[t.n][1] = 2 * sin((double)t.n * acos(-1) / 4);
		}
	}
	return t;
}

double
toy_density(const struct toy *t, double x, double y)
{
	double sum = 0, scale = 1 / (2 * t->sd * t->sd);

	for (size_t k = 0; k < t->n; k++)
		sum += exp(-scale * ((x - t->at[k][0]) * (x - t->at[k][0]) + (y - t->at[k][1]) * (y - t->at[k][1])));
	return sum * scale / acos(-1) / (double)t->n;
}

enum status
toy_rows(const struct toy *t, uint64_t seed, size_t n, struct rows *rows, struct err *e)
{
	struct rng rng;
	uint32_t *mode = malloc(n * sizeof *mode);
	real *noise = malloc(2 * n * sizeof *noise);
	enum status s = mode && noise ? rows_init(rows, n, 2, 0, NULL, e) : err_nomem(e);

	if (!s) {
		rng_init(&rng, seed, 7);
		rng_below(&rng, (uint32_t)t->n, mode, n);
		rng_normal(&rng, noise, 2 * n);
		for (size_t i = 0; i < 2 * n; i++)
			rows->dense[i] = (float)(t->at[mode[i / 2]][i % 2] + t->sd * (double)noise[i]);
	}
	free(mode);
	free(noise);
	return s;
}
