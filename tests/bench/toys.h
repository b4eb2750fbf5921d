/*
 * toys: densities of the plane whose modes are known: "grid", 25 Gaussians at distance 1; "ring", 8 of them on a
 * circle of radius 2, 15 deviations from one to the next; "clouds", the same 4 times as wide, so that each touches the
 * next. All but the last within the square from -TOY_EDGE to TOY_EDGE, as good as.
 */
#ifndef VERAD_TESTS_BENCH_TOYS_H
#define VERAD_TESTS_BENCH_TOYS_H

#include "engine/rows.h"

enum { TOY_MAX_MODES = 25 };
#define TOY_EDGE 3.0

struct toy {
	size_t n; /* modes, of even shares */
	double at[TOY_MAX_MODES][2], sd;
};

struct toy toy_of(const char *shape);
double toy_density(const struct toy *t, double x, double y);
/* n rows of it; rows_release on success. */
enum status toy_rows(const struct toy *t, uint64_t seed, size_t n, struct rows *rows, struct err *e);

#endif
