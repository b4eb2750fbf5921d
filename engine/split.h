/* split: which rows are held out, and which labelled rows make a fold. Deterministic in the seed. */
#ifndef VERAD_ENGINE_SPLIT_H
#define VERAD_ENGINE_SPLIT_H

#include "engine/err.h"

enum { SPLIT_MAX_HELD_OUT = 2000 };

/*
 * Marks in held_out [n] the rows to keep for the OOD reference: round(n * fraction) of them but at most
 * SPLIT_MAX_HELD_OUT, from the unlabelled rows as far as they go (at most half of them), then, where there are none,
 * from the labelled ones, of which every class keeps at least two thirds, and at least two. label [n]: class, or -1.
 * *n_held_out = how many were marked: may be 0 on tiny tables.
 */
enum status split_holdout(const int32_t *label, size_t n, size_t n_classes, double fraction, uint64_t seed,
	unsigned char *held_out, size_t *n_held_out, struct err *e);

/*
 * Folds of the labelled rows index[0 .. n - 1], each class spread evenly: fold[i] in 0 .. *n_folds - 1. At most
 * `wanted` folds, and no more than the smallest class has rows, so that every fold leaves rows of each class to train
 * on; *n_folds = 0 where that is fewer than two.
 */
enum status split_folds(const int32_t *label, const uint32_t *index, size_t n, size_t n_classes, size_t wanted,
	uint64_t seed, uint32_t *fold, size_t *n_folds, struct err *e);

#endif
