/*
 * scale: how the numbers of one column become features: fitted on a sample, applied to any number, finite always.
 *
 *   minmax    (x - centre of the range) / half the range: [-1, 1] in training
 *   standard  (x - mean) / deviation, the deviation taken as at least one hundredth of the range
 *   quantile  normal scores of the empirical distribution: at most 257 knots, straight lines between them; beyond the
 *             range the chord over the outermost unit of score goes on, so that foreign numbers stay apart
 *   by_column quantile where the tails are heavy, minmax elsewhere: a few extreme values would leave minmax no room
 *             for all the others. Never quantile for a column of few different values: ranks mean little there.
 *
 * Scaled values are clipped to [-10, 10]. Nothing here overflows, whatever finite numbers come. Thread rule: a fitted
 * scale is const.
 */
#ifndef VERAD_SCHEMA_SCALE_H
#define VERAD_SCHEMA_SCALE_H

#include <stdbool.h>

#include "engine/buf.h"
#include "engine/params.h"

enum { SCALE_MAX_KNOTS = 257, SCALE_STRIDE = 16, SCALE_BLOCKS = SCALE_MAX_KNOTS / SCALE_STRIDE };
#define SCALE_CLIP 10.0

/* A sample of fixed size of a stream of numbers (Vitter's algorithm R), and their exact range. Which numbers are kept
 * depends on the seed and on their order alone, and all are while they are at most `limit`. */
struct sample {
	double *value; /* [n], owned */
	size_t n, cap, limit;
	uint64_t seed, n_seen;
	double min, max; /* of all numbers seen */
};
void sample_init(struct sample *s, size_t limit, uint64_t seed);
void sample_release(struct sample *s);                             /* accepts a zeroed struct */
enum status sample_add(struct sample *s, double v, struct err *e); /* v finite */

struct scale {
	enum scaling kind;                 /* never by_column: what was chosen */
	double min, max, mean, sd, median; /* of the numbers it was fitted on */
	size_t n_knots;                    /* quantile only, else 0; at least 2 */
	double *knot, *score;              /* [n_knots], owned, both ascending */

	double center, divisor;      /* minmax, standard: follow from the above */
	double run_below, run_above; /* quantile: half the distance per unit of score beyond the range */
	double coarse[SCALE_BLOCKS]; /* every 16th knot but the first; infinite behind the last */
};

/* Sorts the sample, which must not be empty. */
enum status scale_fit(struct scale *s, enum scaling kind, struct sample *sample, struct err *e);
void scale_release(struct scale *s);      /* accepts a zeroed struct */
bool scale_varies(const struct scale *s); /* false: one constant value, not to be applied */

/* The scaled value of a finite v. *clipped (may be NULL): v is outside of the range and lost its distance to the clip
 */
float scale_apply(const struct scale *s, double v, bool *clipped);

/* Log of the slope of scale_apply where its value is z; beyond the clip that of what is clipped. A log-density of
 * scaled numbers is one of the numbers themselves when these are added. */
double scale_log_slope(const struct scale *s, double z);

/* Where in the range of the numbers, -1 to 1, that one lies whose scaled value is z; at its ends for those beyond. */
double scale_position(const struct scale *s, double z);

void scale_write(const struct scale *s, struct buf *out);
enum status scale_read(struct reader *in, struct scale *out, struct err *e); /* ERR_CORRUPT */

double normal_quantile(double p); /* p in (0, 1); absolute error below 1e-8 */

#endif
