/*
 * plot: measurements as curves in an SVG file. Panels side by side in rows, both axes logarithmic, a line for each
 * series with its points and, behind them, the quartiles. Needs nothing but a browser to be seen.
 */
#ifndef VERAD_TESTS_BENCH_PLOT_H
#define VERAD_TESTS_BENCH_PLOT_H

#include <stdbool.h>
#include <stdio.h>

enum { PLOT_MAX_POINTS = 16, PLOT_MAX_SERIES = 4 };

struct plot_point {
	double x, low, y, high; /* all > 0 */
};

struct plot_series {
	const char *name; /* borrowed, as all texts here; plain ASCII or UTF-8 without <, > and & */
	size_t n;
	struct plot_point point[PLOT_MAX_POINTS];
};

struct plot_panel {
	const char *title, *x_label, *y_label;
	size_t n_series;
	struct plot_series series[PLOT_MAX_SERIES];
};

/* `columns` panels a row. The stream's error flag tells whether it was written. */
void plot_write(FILE *out, const char *title, const struct plot_panel *panel, size_t n_panels, size_t columns);

#endif
