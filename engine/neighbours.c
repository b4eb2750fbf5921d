/* neighbours: see neighbours.h. */
#include "engine/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"

enum {
	BLOCK = 256,     /* rows whose distances to all others are looked at together */
	CANDIDATES = 16, /* of each, by distances that may have lost digits to each other */
	PASSES = 200,    /* what is left to spread then is 0.97^200, less than a four-hundredth */
};

struct neighbours {
	size_t n;
	uint32_t *begin; /* [n + 1] into the edges; those of row i are begin[i] .. begin[i + 1] - 1 */
	uint32_t *to;    /* the row at the edge's other end, ascending */
	float *conduct;  /* its number of S */
};

struct candidate {
	double distance; /* squared */
	uint32_t row;
};

struct search {
	const real *x, *norm2; /* [n][d] about the mean; [n] */
	size_t n, d;
	real *product;          /* [BLOCK][n] */
	struct candidate *near; /* [n][NEIGHBOURS], ascending */
	size_t n_near;          /* of each row: fewer than NEIGHBOURS in a small table */
};

static bool
nearer(const struct candidate *a, const struct candidate *b)
{
	return a->distance < b->distance || (a->distance == b->distance && a->row < b->row);
}

/* Into a list in ascending order that has *n of at most `most`. */
static void
insert(struct candidate *list, size_t *n, size_t most, struct candidate c)
{
	size_t at = *n;

	if (at == most && !nearer(&c, &list[most - 1]))
		return;
	at = at < most ? (*n)++ : most - 1;
	for (; at && nearer(&c, &list[at - 1]); at--)
		list[at] = list[at - 1];
	list[at] = c;
}

/* Products tell distances quickly, but for small ones among large numbers not well: they choose the candidates, whose
 * distances are then taken exactly. */
static void
find_nearest(struct search *s, size_t row, const real *product)
{
	struct candidate list[CANDIDATES], *near = s->near + row * s->n_near;
	size_t n = 0, n_near = 0;
	double furthest = (double)INFINITY;

	for (size_t j = 0; j < s->n; j++) {
		const double distance = (double)(s->norm2[j] - 2 * product[j]);

		if (distance >= furthest || j == row)
			continue;
		insert(list, &n, CANDIDATES, (struct candidate){distance, (uint32_t)j});
		if (n == CANDIDATES)
			furthest = list[n - 1].distance;
	}
	for (size_t c = 0; c < n; c++) {
		const uint32_t j = list[c].row;

		insert(near, &n_near, s->n_near,
			(struct candidate){
				(double)kernel_squared_distance(s->x + row * s->d, s->x + j * s->d, s->d), j});
	}
}

static enum status
stopped(const struct neighbours_options *o, struct err *e)
{
	if (o->stop && o->stop(o->ctx))
		return err_set(e, ERR_CANCELLED, "stopped", "the run was stopped");
	return OK;
}

static enum status
search_all(struct search *s, const struct neighbours_options *o, struct err *e)
{
	enum status status;

	for (size_t first = 0; first < s->n; first += BLOCK) {
		const size_t n = s->n - first < BLOCK ? s->n - first : BLOCK;

		if ((status = stopped(o, e)))
			return status;
		kernel_affine(s->product, s->x + first * s->d, s->x, NULL, n, s->n, s->d, ACTIVATION_NONE, o->threads);
		for (size_t i = 0; i < n; i++)
			find_nearest(s, first + i, s->product + i * s->n);
	}
	return OK;
}

/* To the mean, so that the products lose as little as can be. */
static void
centre(real *x, size_t n, size_t d)
{
	for (size_t j = 0; j < d; j++) {
		double sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += (double)x[i * d + j];
		for (size_t i = 0; i < n; i++)
			x[i * d + j] -= (real)(sum / (double)n);
	}
}

/* An edge that either end has wished for: the weights of both directions are the same. */
struct edge {
	uint32_t from, to;
	float weight;
};

static int
by_ends(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return x->from != y->from ? (x->from < y->from ? -1 : 1) : x->to != y->to ? (x->to < y->to ? -1 : 1) : 0;
}

/* The wished edges [n * n_near], in both directions, each once: their number. */
static size_t
make_edges(const struct search *s, struct edge *edge)
{
	const size_t m = s->n_near;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t c = 0; c < m; c++) {
			const struct candidate *near = &s->near[i * m + c];
			const uint32_t j = near->row, row = (uint32_t)i;
			const double reach = sqrt(s->near[i * m + m - 1].distance * s->near[j * m + m - 1].distance);
			/* Rows with as many doubles as neighbours have no reach, and are wholly their doubles'. */
			const float weight = reach > 0            ? (float)exp(-near->distance / reach)
					     : near->distance > 0 ? 0
								  : 1;

			edge[n++] = (struct edge){row, j, weight};
			edge[n++] = (struct edge){j, row, weight};
		}
	qsort(edge, n, sizeof *edge, by_ends);
	for (size_t i = 0; i < n; i++)
		if (!kept || by_ends(&edge[kept - 1], &edge[i]))
			edge[kept++] = edge[i];
	return kept;
}

static enum status
join(struct neighbours *g, const struct edge *edge, size_t n_edges, struct err *e)
{
	double *degree = calloc(g->n + 1, sizeof *degree);

	g->begin = calloc(g->n + 1, sizeof *g->begin);
	g->to = malloc((n_edges + 1) * sizeof *g->to);
	g->conduct = malloc((n_edges + 1) * sizeof *g->conduct);
	if (!degree || !g->begin || !g->to || !g->conduct) {
		free(degree);
		return err_nomem(e);
	}
	for (size_t i = 0; i < n_edges; i++) {
		degree[edge[i].from] += (double)edge[i].weight;
		g->begin[edge[i].from + 1]++;
	}
	for (size_t i = 0; i < g->n; i++)
		g->begin[i + 1] += g->begin[i];
	for (size_t i = 0; i < n_edges; i++) {
		const double both = degree[edge[i].from] * degree[edge[i].to];

		g->to[i] = edge[i].to;
		g->conduct[i] = both > 0 ? (float)((double)edge[i].weight / sqrt(both)) : 0;
	}
	free(degree);
	return OK;
}

enum status
neighbours_new(real *x, size_t n, size_t d, const struct neighbours_options *o, struct neighbours **out, struct err *e)
{
	struct neighbours *g = calloc(1, sizeof *g);
	struct search s = {.x = x, .n = n, .d = d, .n_near = n > NEIGHBOURS ? NEIGHBOURS : n ? n - 1 : 0};
	real *norm2 = malloc((n + 1) * sizeof *norm2);
	struct edge *edge = malloc((2 * n * s.n_near + 1) * sizeof *edge);
	enum status status;

	s.product = malloc((BLOCK * n + 1) * sizeof *s.product);
	s.near = malloc((n * s.n_near + 1) * sizeof *s.near);
	if (!g || !norm2 || !edge || !s.product || !s.near) {
		status = err_nomem(e);
		goto out;
	}
	g->n = n;
	centre(x, n, d);
	kernel_row_norms(norm2, x, n, d);
	s.norm2 = norm2;
	if (!(status = search_all(&s, o, e)) && !(status = join(g, edge, make_edges(&s, edge), e))) {
		*out = g;
		g = NULL;
	}
out:
	neighbours_free(g);
	free(norm2);
	free(edge);
	free(s.product);
	free(s.near);
	return status;
}

void
neighbours_free(struct neighbours *g)
{
	if (!g)
		return;
	free(g->begin);
	free(g->to);
	free(g->conduct);
	free(g);
}

/* to = a S from + (1 - a) y */
static void
pass_on(const struct neighbours *g, float *restrict to, const float *restrict from, const float *restrict y, size_t k)
{
	const float a = (float)NEIGHBOURS_PASSED_ON;

	for (size_t i = 0; i < g->n; i++) {
		float *f = to + i * k;

		for (size_t c = 0; c < k; c++)
			f[c] = (1 - a) * y[i * k + c];
		for (size_t at = g->begin[i]; at < g->begin[i + 1]; at++) {
			const float share = a * g->conduct[at], *theirs = from + g->to[at] * k;

			for (size_t c = 0; c < k; c++)
				f[c] += share * theirs[c];
		}
	}
}

enum status
neighbours_spread(const struct neighbours *g, float *y, size_t k, const struct neighbours_options *o, struct err *e)
{
	const size_t bytes = (g->n * k + 1) * sizeof *y;
	float *from = malloc(bytes), *to = malloc(bytes), *spent;
	enum status s = from && to ? OK : err_nomem(e);

	if (!s)
		memcpy(from, y, g->n * k * sizeof *y);
	for (size_t pass = 0; pass < PASSES && !s; pass++) {
		if ((s = stopped(o, e)))
			break;
		pass_on(g, to, from, y, k);
		spent = from;
		from = to;
		to = spent;
	}
	if (!s)
		memcpy(y, from, g->n * k * sizeof *y);
	free(from);
	free(to);
	return s;
}
