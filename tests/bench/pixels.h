/*
 * pixels: pictures of one size with their labels, a byte a pixel: a set of dataset.h whose columns are all 0..255, or a
 * pair of files in the IDX form of MNIST and its kin. Const once read.
 */
#ifndef VERAD_TESTS_BENCH_PIXELS_H
#define VERAD_TESTS_BENCH_PIXELS_H

#include "engine/err.h"

struct pixels {
	size_t n, d;
	size_t n_train;       /* the first ones; 0 where the source does not say */
	unsigned char *value; /* [n][d], owned */
	int32_t *label;       /* [n], owned */
};

/* ERR_DATA "no_pixels" where a cell is no whole number of 0..255, or a label none of 0..9. */
enum status pixels_of_set(const char *folder, const char *set, struct pixels *p, struct err *e);
/* Images in IDX form, gzipped or not, each of label -1: the first `most` of them. ERR_DATA "no_pixels". */
enum status pixels_of_idx(const char *path, size_t most, struct pixels *p, struct err *e);
void pixels_release(struct pixels *p); /* accepts a zeroed struct */

#endif
