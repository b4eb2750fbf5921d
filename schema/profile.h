/*
 * profile: what the values of a table's columns are like, from one reading of its chunks: of numbers the range, mean,
 * deviation and quantiles, of texts which come most often; of either how many different ones there are.
 *
 * Memory is bounded whatever the number of rows, some 32 MiB in all: of each column of numbers a sketch is kept (levels
 * of sorted samples, every other one going a level up when a level is full), which is exact as long as everything fits
 * into it and else off by less than PROFILE_RANK_ERROR in rank; of each column of texts a bounded list of the most
 * frequent, the rarest dropped when it is full. No chance is involved: the same chunks give the same profile.
 *
 * Thread rule: one thread at a time.
 */
#ifndef VERAD_SCHEMA_PROFILE_H
#define VERAD_SCHEMA_PROFILE_H

#include "schema/table.h"

#define PROFILE_RANK_ERROR 0.02
enum { PROFILE_TOP = 10, PROFILE_MAX_DISTINCT = 1000 };
enum { PROFILE_N_QUANTILES = 7 };
extern const double profile_quantiles[PROFILE_N_QUANTILES]; /* 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99 */

struct number_profile {
	size_t n, n_zeros, n_distinct; /* n_distinct: counted up to PROFILE_MAX_DISTINCT + 1, which stands for more */
	double min, max, mean, deviation, quantile[PROFILE_N_QUANTILES]; /* NaN where n is 0 (deviation: below 2) */
	bool exact;                                                      /* the quantiles are */
};

struct text_count {
	const char *text; /* borrowed of the profile */
	size_t count;     /* at least, where not exact */
};

struct text_profile {
	size_t n, n_top;
	struct text_count top[PROFILE_TOP]; /* most frequent first, then in byte order */
	bool exact;
};

struct profile;
/* t: a table with the columns, its rows of no matter. */
enum status profile_new(const struct table *t, struct profile **out, struct err *e);
enum status profile_add(struct profile *p, const struct table *chunk, struct err *e);
/* Of column i, which is of numbers, or of texts; after the last chunk. */
enum status profile_number(struct profile *p, size_t i, struct number_profile *out, struct err *e);
enum status profile_text(struct profile *p, size_t i, struct text_profile *out, struct err *e);
void profile_free(struct profile *p); /* accepts NULL */

#endif
