/*
 * plot: measurements as curves in SVG, with the quartiles behind their points; points of a plane; densities over one.
 * Either a file of its own (plot_write), or a picture within a page, whose style sheet (plot_style) follows the
 * reader's choice of light or dark, and which is as wide as there is room. Needs nothing but a browser to be seen.
 */
#ifndef VERAD_TESTS_BENCH_PLOT_H
#define VERAD_TESTS_BENCH_PLOT_H

#include <stdbool.h>
#include <stdio.h>

enum { PLOT_MAX_POINTS = 64, PLOT_MAX_SERIES = 6 };

struct plot_point {
	double x, low, y, high; /* all > 0 on logarithmic axes */
};

struct plot_series {
	const char *name; /* borrowed, as all texts here; plain ASCII or UTF-8 without <, > and & */
	size_t n;
	struct plot_point point[PLOT_MAX_POINTS];
};

struct plot_panel {
	const char *title, *x_label, *y_label;
	bool linear_x, linear_y; /* else logarithmic */
	size_t n_series;
	struct plot_series series[PLOT_MAX_SERIES];
};

/* `columns` panels a row. The stream's error flag tells whether it was written. */
void plot_write(FILE *out, const char *title, const struct plot_panel *panel, size_t n_panels, size_t columns);

/* Within a page: the style sheet, once, and pictures. Panels without any point leave a note instead. */
void plot_style(FILE *out);
void plot_inline(FILE *out, const struct plot_panel *panel);
/* n points, x and y in turn, within the square from low to high; those outside are left out. */
void plot_points(FILE *out, const char *title, const double *xy, size_t n, double low, double high);
/* value [n][n], row 0 at the bottom, none negative: the darker the greater, the greatest darkest. */
void plot_density(FILE *out, const char *title, const double *value, size_t n);

#endif
