/*
 * marginal: the density of a generator, and with it the gradient of its entropy, from the batch alone, in the place of
 * importance samples (method page, section 2, for what is estimated). The batch's n draws of the noise are as many
 * samples of its prior, and whatever a row's posterior looks like, they are samples of that once they are weighed:
 *
 *     q(x) = E_h N(x; g(h), sigma^2 I)  ~  1/n sum_j N(x; g(h_j), sigma^2 I),      w_j in proportion to each summand
 *     c = -grad_x log q(x)              ~  sum_j w_j (x - g(h_j)) / sigma^2
 *
 * No pass through the generator; n^2 D operations. With few columns many rows of a batch lie within sigma of each
 * other, and this sees what no proposal around the noise that made a row can see: that far places of the noise make the
 * same rows. With many columns each row is alone, and c is the noise on top of it, which says nothing of g.
 *
 * log q makes generated rows into weighed samples of the energy's own density p: w in proportion to p(x) / q(x), which
 * needs the normaliser of neither. Thread rule: one thread.
 */
#ifndef VERAD_ENGINE_MARGINAL_H
#define VERAD_ENGINE_MARGINAL_H

#include "engine/generator.h"

struct marginal {          /* of batches of n rows; scratch */
	real *across;      /* [D][n] the rows without noise, a column at a time */
	real *data_across; /* likewise, of up to n data rows */
	real *share;       /* [n] of a row: log N(x; g_j, sigma^2 I) but for a constant, then its exponential */
	double *log_q;     /* [n] log q(x), but for a constant */
};

void marginal_layout(struct marginal *m, const struct generator_shape *s, size_t n, struct arena *scratch);

/* log_q, and c into g->score; g has just made its sample (generator_sample) with the parameters w. */
void marginal_score(struct marginal *m, struct generator *g, const real *w);

/*
 * Rows to weigh instead of g's own, x [n][D], and their log_q (Hesterberg, "Weighted average importance sampling and
 * defensive mixture distributions", 1995): the last n_data of them, 1 .. n - 1, come from data rows [n_data][D] with
 * the generator's noise on top, for which x has standard normal numbers there; the others are g's. Where the generator
 * has lost a mode of the data, or not found it yet, the model could grow there without end: no row would show it. All
 * come from one mixture, whose density each row has. After marginal_score.
 */
void marginal_defend(
	struct marginal *m, const struct generator *g, const real *w, const real *data, size_t n_data, real *x);

#endif
