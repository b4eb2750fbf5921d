/* spacing: see spacing.h. Distances come of a matrix product, block by block of the rows that may be neighbours. */
#include "engine/spacing.h"

#include <math.h>
#include <stdlib.h>

#include "engine/kernel.h"

/* Rows that look for a neighbour; rows and numbers of a block; products of two numbers altogether, about a second's. */
enum { LOOKING = 512, BLOCK_ROWS = 1024, BLOCK_NUMBERS = 1 << 22 };
#define MOST_PRODUCTS ((size_t)1 << 36)

/* Squared distances below this share of the rows' squared lengths are rounding: the rows are the same. */
#define EQUAL 1e-5

struct search {
	size_t d, n_looking, n_block;
	uint32_t *index;   /* [rows]: those that count */
	uint32_t *looking; /* [n_looking] of them */
	real *x;           /* [n_looking][d] */
	real *block;       /* [n_block][d] */
	real *product;     /* [n_looking][n_block] */
	real *norm2;       /* [n_looking], and behind them [n_block] */
	double *distance;  /* [n_looking]: the least squared one so far */
};

static enum status
search_alloc(struct search *s, const struct rows *rows, struct err *e)
{
	s->index = calloc(rows->n + 1, sizeof *s->index);
	s->looking = calloc(s->n_looking, sizeof *s->looking);
	s->x = malloc(s->n_looking * s->d * sizeof *s->x);
	s->block = malloc(s->n_block * s->d * sizeof *s->block);
	s->product = malloc(s->n_looking * s->n_block * sizeof *s->product);
	s->norm2 = malloc((s->n_looking + s->n_block) * sizeof *s->norm2);
	s->distance = malloc(s->n_looking * sizeof *s->distance);
	return s->index && s->looking && s->x && s->block && s->product && s->norm2 && s->distance ? OK : err_nomem(e);
}

static void
search_release(struct search *s)
{
	free(s->index);
	free(s->looking);
	free(s->x);
	free(s->block);
	free(s->product);
	free(s->norm2);
	free(s->distance);
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* At most `most` of the n rows in index, evenly spread, into `to`. */
static size_t
spread(const uint32_t *index, size_t n, size_t most, uint32_t *to)
{
	const size_t n_taken = least(n, most);

	for (size_t i = 0; i < n_taken; i++)
		to[i] = index[(size_t)((double)i * (double)n / (double)n_taken)];
	return n_taken;
}

static void
search_block(struct search *s, const struct rows *rows, const uint32_t *index, size_t n, int threads)
{
	real *norm2 = s->norm2 + s->n_looking;

	rows_expand(rows, index, 0, n, s->block);
	kernel_row_norms(norm2, s->block, n, s->d);
	kernel_affine(s->product, s->x, s->block, NULL, s->n_looking, n, s->d, ACTIVATION_NONE, threads);
	for (size_t i = 0; i < s->n_looking; i++)
		for (size_t j = 0; j < n; j++) {
			const double lengths = (double)s->norm2[i] + (double)norm2[j];
			const double distance = lengths - 2 * (double)s->product[i * n + j];

			if (distance > EQUAL * lengths && distance < s->distance[i])
				s->distance[i] = distance;
		}
}

static int
by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Rows that are all the same have no neighbours: then the median is infinite. */
static double
median_distance(struct search *s)
{
	qsort(s->distance, s->n_looking, sizeof *s->distance, by_size);
	return s->n_looking ? sqrt(s->distance[s->n_looking / 2]) : (double)INFINITY;
}

enum status
spacing_resolve(struct params *p, const struct rows *rows, const unsigned char *held_out, int threads, struct err *e)
{
	const size_t at_once = BLOCK_NUMBERS / rows->d + 1;
	struct search s = {.d = rows->d, .n_looking = least(LOOKING, at_once), .n_block = least(BLOCK_ROWS, at_once)};
	size_t n = 0;
	double noise;
	enum status status = OK;

	if (p->input_noise >= 0)
		return OK;
	if ((status = search_alloc(&s, rows, e)))
		goto out;
	for (size_t i = 0; i < rows->n; i++)
		if (!held_out || !held_out[i])
			s.index[n++] = (uint32_t)i;
	s.n_looking = spread(s.index, n, s.n_looking, s.looking);
	rows_expand(rows, s.looking, 0, s.n_looking, s.x);
	kernel_row_norms(s.norm2, s.x, s.n_looking, s.d);
	for (size_t i = 0; i < s.n_looking; i++)
		s.distance[i] = (double)INFINITY;
	n = spread(s.index, n, MOST_PRODUCTS / (LOOKING * s.d) + 1, s.index); /* in place: it reads ahead of it */
	for (size_t first = 0; first < n; first += s.n_block)
		search_block(&s, rows, s.index + first, least(s.n_block, n - first), threads);
	noise = median_distance(&s) / sqrt(2 * (double)s.d);
	p->input_noise = fmin(fmax(noise, SPACING_LEAST_NOISE), SPACING_MOST_NOISE);
out:
	search_release(&s);
	return status;
}
