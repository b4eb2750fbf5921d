/*
 * spacing: how far the rows of a table lie from their nearest neighbours, and the input noise that follows from it.
 *
 * Training sees each row with Gaussian noise on its features, which is what makes a density of points and keeps
 * networks from learning rows by heart. It is the bandwidth of a kernel density: where it is much wider than the rows
 * are apart it drowns what tells them from each other, where it is much narrower every row is an island. Noise of
 * deviation s moves two rows of d features apart by about s sqrt(2 d); it is chosen so that this is the distance
 * between neighbours.
 */
#ifndef VERAD_ENGINE_SPACING_H
#define VERAD_ENGINE_SPACING_H

#include "engine/params.h"
#include "engine/rows.h"

#define SPACING_LEAST_NOISE 0.1
#define SPACING_MOST_NOISE 0.6

/*
 * p->input_noise, where it is left to the rows (negative), becomes the median distance from a row to the nearest that
 * differs from it, over sqrt(2 d), within the bounds above. Rows with held_out[i] != 0 do not count (NULL: all do). Up
 * to 256 rows, evenly spread, look at all others; where that would take longer than about a second, fewer rows look,
 * down to 32, and then at a part of the others, evenly spread, which makes the distances larger. ERR_NOMEM.
 */
enum status spacing_resolve(struct params *p, const struct rows *rows, const unsigned char *held_out, struct err *e);

#endif
