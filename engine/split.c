/* split: see split.h. */
#include "engine/split.h"

#include <stdlib.h>
#include <string.h>

#include "engine/rng.h"

/* Streams of the seed, apart from those of the fits (see train.c). */
enum { STREAM_HOLDOUT = 1, STREAM_FOLDS = 2 };

/* Holds out rows with wanted(row) from the front of a permutation until `left` is used up. */
static size_t
take_unlabelled(const int32_t *label, const uint32_t *order, size_t n, size_t left, unsigned char *held_out)
{
	size_t taken = 0;

	for (size_t i = 0; i < n && taken < left; i++)
		if (label[order[i]] < 0) {
			held_out[order[i]] = 1;
			taken++;
		}
	return taken;
}

static size_t
take_labelled(const int32_t *label, const uint32_t *order, size_t n, size_t left, const size_t *count, size_t *given,
	unsigned char *held_out)
{
	size_t taken = 0;

	for (size_t i = 0; i < n && taken < left; i++) {
		size_t c = (size_t)label[order[i]], spare = count[c] / 3;

		if (count[c] < 3 || given[c] >= spare)
			continue;
		given[c]++;
		held_out[order[i]] = 1;
		taken++;
	}
	return taken;
}

enum status
split_holdout(const int32_t *label, size_t n, size_t n_classes, double fraction, uint64_t seed, unsigned char *held_out,
	size_t *n_held_out, struct err *e)
{
	size_t wanted = (size_t)((double)n * fraction + 0.5), n_unlabelled = 0;
	uint32_t *order = malloc((n ? n : 1) * sizeof *order);
	size_t *count = calloc(2 * n_classes + 1, sizeof *count);
	struct rng rng;

	if (!order || !count) {
		free(order);
		free(count);
		return err_nomem(e);
	}
	memset(held_out, 0, n);
	if (wanted > SPLIT_MAX_HELD_OUT)
		wanted = SPLIT_MAX_HELD_OUT;
	for (size_t i = 0; i < n; i++) {
		if (label[i] < 0)
			n_unlabelled++;
		else
			count[label[i]]++;
	}
	rng_init(&rng, seed, STREAM_HOLDOUT);
	rng_permutation(&rng, order, n);
	if (n_unlabelled)
		*n_held_out = take_unlabelled(
			label, order, n, wanted < n_unlabelled / 2 ? wanted : n_unlabelled / 2, held_out);
	else
		*n_held_out = take_labelled(label, order, n, wanted, count, count + n_classes, held_out);
	free(order);
	free(count);
	return OK;
}

enum status
split_folds(const int32_t *label, const uint32_t *index, size_t n, size_t n_classes, size_t wanted, uint64_t seed,
	uint32_t *fold, size_t *n_folds, struct err *e)
{
	uint32_t *order = malloc((n ? n : 1) * sizeof *order);
	size_t *next = calloc(
		n_classes + 1, sizeof *next); /* of each class: how many, then the place of its next row */
	size_t smallest = n, before = 0;
	struct rng rng;

	if (!order || !next) {
		free(order);
		free(next);
		return err_nomem(e);
	}
	for (size_t i = 0; i < n; i++)
		next[label[index[i]]]++;
	for (size_t c = 0; c < n_classes; c++) {
		size_t count = next[c];

		smallest = count < smallest ? count : smallest;
		next[c] = before;
		before += count;
	}
	*n_folds = wanted < smallest ? wanted : smallest;
	if (*n_folds < 2)
		*n_folds = 0;
	rng_init(&rng, seed, STREAM_FOLDS);
	rng_permutation(&rng, order, n);
	/* Class by class, going on with the next fold where the last class stopped: folds differ by one row at most. */
	for (size_t i = 0; i < n && *n_folds; i++)
		fold[order[i]] = (uint32_t)(next[label[index[order[i]]]]++ % *n_folds);
	free(order);
	free(next);
	return OK;
}
