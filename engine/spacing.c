/* spacing: see spacing.h. */
#include "engine/spacing.h"

#include <math.h>
#include <stdlib.h>

#include "engine/ascending.h"
#include "engine/kernel.h"

/* Rows that look for a neighbour, and what all of them may look at: half a second of differences. A pair costs as much
 * as that many features, however few it has. */
enum { LEAST_LOOKING = 32, MOST_LOOKING = 256, PAIR_FEATURES = 32 };
#define MOST_DIFFERENCES ((size_t)1 << 33)

struct search {
	size_t n; /* rows that count */
	size_t n_looking;
	uint32_t *index;   /* [n], of the rows */
	uint32_t *looking; /* [n_looking] of them */
	real *x;           /* [n_looking][d] */
	real *candidate;   /* [d] */
	double *distance;  /* [n_looking]: the least squared one so far */
};

static size_t
between(size_t least, size_t n, size_t most)
{
	return n < least ? least : n < most ? n : most;
}

static enum status
search_begin(struct search *s, const struct rows *rows, const unsigned char *held_out, size_t cost, struct err *e)
{
	if (!(s->index = malloc((rows->n + 1) * sizeof *s->index)))
		return err_nomem(e);
	for (size_t i = 0; i < rows->n; i++)
		if (!held_out || !held_out[i])
			s->index[s->n++] = (uint32_t)i;
	s->n_looking = between(LEAST_LOOKING, MOST_DIFFERENCES / (cost * (s->n + 1)), MOST_LOOKING);
	s->n_looking = s->n_looking < s->n ? s->n_looking : s->n;
	s->looking = malloc((s->n_looking + 1) * sizeof *s->looking);
	s->x = malloc((s->n_looking + 1) * rows->d * sizeof *s->x);
	s->candidate = malloc(rows->d * sizeof *s->candidate);
	s->distance = malloc((s->n_looking + 1) * sizeof *s->distance);
	if (!s->looking || !s->x || !s->candidate || !s->distance)
		return err_nomem(e);
	for (size_t i = 0; i < s->n_looking; i++) {
		s->looking[i] = s->index[i * s->n / s->n_looking];
		s->distance[i] = (double)INFINITY;
	}
	rows_expand(rows, s->looking, 0, s->n_looking, s->x);
	return OK;
}

static void
search_release(struct search *s)
{
	free(s->index);
	free(s->looking);
	free(s->x);
	free(s->candidate);
	free(s->distance);
}

/* What is no different from a row is not its neighbour, be it the row itself or its double. */
static void
look_at(struct search *s, const struct rows *rows, uint32_t row)
{
	rows_expand(rows, &row, 0, 1, s->candidate);
	for (size_t i = 0; i < s->n_looking; i++) {
		const double distance = (double)kernel_squared_distance(s->x + i * rows->d, s->candidate, rows->d);

		if (distance > 0 && distance < s->distance[i])
			s->distance[i] = distance;
	}
}

/* Infinite where all rows are the same. */
static double
median_distance(struct search *s)
{
	qsort(s->distance, s->n_looking, sizeof *s->distance, ascending);
	return s->n_looking ? sqrt(s->distance[s->n_looking / 2]) : (double)INFINITY;
}

enum status
spacing_resolve(struct params *p, const struct rows *rows, const unsigned char *held_out, struct err *e)
{
	const size_t cost = rows->d > PAIR_FEATURES ? rows->d : PAIR_FEATURES;
	struct search s = {0};
	enum status status;

	if (p->input_noise >= 0)
		return OK;
	if (!(status = search_begin(&s, rows, held_out, cost, e))) {
		const size_t most = s.n_looking ? MOST_DIFFERENCES / (cost * s.n_looking) + 1 : 0;
		const size_t n = s.n < most ? s.n : most;
		double noise;

		for (size_t i = 0; i < n; i++)
			look_at(&s, rows, s.index[i * s.n / n]);
		noise = median_distance(&s) / sqrt(2 * (double)rows->d);
		p->input_noise = fmin(fmax(noise, SPACING_LEAST_NOISE), SPACING_MOST_NOISE);
	}
	search_release(&s);
	return status;
}
