/* plot: see plot.h. */
#include "tests/bench/plot.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 460, HEIGHT = 330, LEFT = 70, RIGHT = 16, TOP = 40, BOTTOM = 54, HEAD = 44 };
enum { LEGEND_LINE = 18, LEGEND_COLUMNS = 2 }; /* names stand below, where no curve is */

static const char *const colours[PLOT_MAX_SERIES] = {"#2f74c0", "#d0592a", "#2e8f4a", "#8d52b3", "#b8860b", "#7d8590"};

struct axis {
	bool linear;
	double low, high;   /* what is shown, powers of ten or points between */
	double first, last; /* where, in pixels */
};

static double
place(const struct axis *a, double v)
{
	if (a->linear)
		return a->first + (a->last - a->first) * (v - a->low) / (a->high - a->low);
	return a->first + (a->last - a->first) * (log10(v) - log10(a->low)) / (log10(a->high) - log10(a->low));
}

/* From 1, 2 or 5 times a power of ten to another, so that all of low .. high is inside. */
static struct axis
axis_over(double low, double high, double first, double last)
{
	static const double steps[] = {1, 2, 5, 10};
	struct axis a = {.first = first, .last = last};
	double power = pow(10, floor(log10(low)));

	a.low = power;
	for (size_t i = 0; i < 4 && steps[i] * power <= low * 1.0001; i++)
		a.low = steps[i] * power;
	power = pow(10, floor(log10(high)));
	for (size_t i = 4; i-- > 0;)
		if (steps[i] * power >= high * 0.9999)
			a.high = steps[i] * power;
	if (a.high <= a.low * 1.0001)
		a.high = a.low * 10;
	return a;
}

/* The distance of a handful of round numbers over so long a stretch. */
static double
round_step(double length)
{
	double power = pow(10, floor(log10(length)));

	return length / power > 5 ? power : length / power > 2 ? power / 2 : power / 5;
}

static struct axis
linear_axis(double low, double high, double first, double last)
{
	struct axis a = {.linear = true, .first = first, .last = last};
	double step;

	if (!(high > low))
		high = low + (low > 0 ? low : 1);
	step = round_step(high - low);
	a.low = floor(low / step + 1e-6) * step;
	a.high = ceil(high / step - 1e-6) * step;
	return a;
}

static void
range(const struct plot_panel *p, double *x_low, double *x_high, double *y_low, double *y_high)
{
	*x_low = *y_low = (double)INFINITY;
	*x_high = *y_high = -(double)INFINITY;
	for (size_t s = 0; s < p->n_series; s++)
		for (size_t i = 0; i < p->series[s].n; i++) {
			const struct plot_point *at = &p->series[s].point[i];

			*x_low = fmin(*x_low, at->x);
			*x_high = fmax(*x_high, at->x);
			*y_low = fmin(*y_low, at->low);
			*y_high = fmax(*y_high, at->high);
		}
}

/* 0.5, 20, 5000, 200 k, 5 M */
static void
tick_text(char *buf, size_t n, double v)
{
	if (v >= 1e6)
		snprintf(buf, n, "%g M", v * 1e-6);
	else if (v >= 1e4)
		snprintf(buf, n, "%g k", v * 1e-3);
	else
		snprintf(buf, n, "%g", v);
}

static void
write_linear_ticks(FILE *out, const struct axis *a, bool vertical, double from, double to)
{
	const double step = round_step(a->high - a->low);

	for (double k = ceil(a->low / step - 1e-6); k * step <= a->high + step * 1e-6; k++) {
		double at = place(a, k * step);

		fprintf(out, "<path class=\"fine\" d=\"M%.1f %.1f%s%.1f\"/>\n", vertical ? from : at,
			vertical ? at : from, vertical ? "H" : "V", to);
		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.6g</text>\n", vertical ? from - 6 : at,
			vertical ? at + 4 : from + 16, vertical ? "end" : "middle", fabs(k) < 0.5 ? 0 : k * step);
	}
}

/* A line at every 1, 2, 5; a number at all of them on short axes, at powers of ten on long ones. */
static void
write_ticks(FILE *out, const struct axis *a, bool vertical, double from, double to)
{
	static const double steps[] = {1, 2, 5};
	bool all = log10(a->high / a->low) < 2.5;

	if (a->linear) {
		write_linear_ticks(out, a, vertical, from, to);
		return;
	}
	for (double power = pow(10, floor(log10(a->low))); power <= a->high * 1.0001; power *= 10)
		for (size_t i = 0; i < 3; i++) {
			double v = steps[i] * power, at = place(a, v);
			char text[32];

			if (v < a->low * 0.9999 || v > a->high * 1.0001)
				continue;
			fprintf(out, "<path class=\"%s\" d=\"M%.1f %.1f %s%.1f\"/>\n", i ? "fine" : "grid",
				vertical ? from : at, vertical ? at : from, vertical ? "H" : "V", to);
			if (i && !all)
				continue;
			tick_text(text, sizeof text, v);
			fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
				vertical ? from - 6 : at, vertical ? at + 4 : from + 16, vertical ? "end" : "middle",
				text);
		}
}

static void
write_series(FILE *out, const struct plot_series *s, const char *colour, const struct axis *x, const struct axis *y)
{
	fprintf(out, "<g fill=\"none\" stroke=\"%s\">\n", colour);
	for (size_t i = 0; i < s->n; i++)
		fprintf(out, "<path class=\"span\" d=\"M%.1f %.1fV%.1f\"/>\n", place(x, s->point[i].x),
			place(y, s->point[i].low), place(y, s->point[i].high));
	fputs("<path class=\"curve\" d=\"", out);
	for (size_t i = 0; i < s->n; i++)
		fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', place(x, s->point[i].x), place(y, s->point[i].y));
	fprintf(out, "\"/></g>\n<g fill=\"%s\">", colour);
	for (size_t i = 0; i < s->n; i++)
		fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"/>", place(x, s->point[i].x),
			place(y, s->point[i].y));
	fputs("</g>\n", out);
}

static size_t
legend_height(const struct plot_panel *p)
{
	return (p->n_series + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS * LEGEND_LINE;
}

static void
write_panel(FILE *out, const struct plot_panel *p)
{
	double x_low, x_high, y_low, y_high;
	const double left = LEFT, right = WIDTH - RIGHT, top = TOP, bottom = HEIGHT - BOTTOM;
	struct axis x, y;

	range(p, &x_low, &x_high, &y_low, &y_high);
	x = p->linear_x ? linear_axis(x_low, x_high, left, right) : axis_over(x_low, x_high, left, right);
	y = p->linear_y ? linear_axis(y_low, y_high, bottom, top) : axis_over(y_low, y_high, bottom, top);
	fprintf(out, "<text class=\"title\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", left, top - 12, p->title);
	write_ticks(out, &x, false, bottom, top);
	write_ticks(out, &y, true, left, right);
	fprintf(out, "<path class=\"frame\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", left, top, bottom, right);
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", (left + right) / 2, bottom + 38,
		p->x_label);
	fprintf(out, "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
		(top + bottom) / 2, p->y_label);
	for (size_t s = 0; s < p->n_series; s++) {
		const size_t column = s % LEGEND_COLUMNS, line = s / LEGEND_COLUMNS;
		const double from = left + (right - left) / LEGEND_COLUMNS * (double)column;
		const double at = HEIGHT + 12 + LEGEND_LINE * (double)line;

		write_series(out, &p->series[s], colours[s], &x, &y);
		fprintf(out, "<path stroke=\"%s\" class=\"curve\" d=\"M%.1f %.1fh20\"/>\n", colours[s], from, at - 4);
		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", from + 26, at, p->series[s].name);
	}
}

void
plot_write(FILE *out, const char *title, const struct plot_panel *panel, size_t n_panels, size_t columns)
{
	size_t width = columns * WIDTH, cell = HEIGHT, height;

	for (size_t i = 0; i < n_panels; i++)
		cell = HEIGHT + legend_height(&panel[i]) > cell ? HEIGHT + legend_height(&panel[i]) : cell;
	height = (n_panels + columns - 1) / columns * cell + HEAD;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\" "
		"font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n",
		width, height, width, height);
	fputs("<style>.paper{fill:#fff}.title{font-size:14px;font-weight:bold}.head{font-size:16px;font-weight:bold}"
	      ".grid{stroke:#c4c4c4}.fine{stroke:#ebebeb}.frame{stroke:#444;fill:none}.curve{stroke-width:1.8}"
	      ".span{stroke-width:5;stroke-opacity:.28}</style>\n",
		out);
	fprintf(out, "<rect class=\"paper\" width=\"%zu\" height=\"%zu\"/>\n", width, height);
	fprintf(out, "<text class=\"head\" x=\"%d\" y=\"28\">%s</text>\n", LEFT, title);
	for (size_t i = 0; i < n_panels; i++) {
		fprintf(out, "<g transform=\"translate(%zu %zu)\">\n", i % columns * WIDTH, i / columns * cell + HEAD);
		write_panel(out, &panel[i]);
		fputs("</g>\n", out);
	}
	fputs("</svg>\n", out);
}

/* ---- Within a page ------------------------------------------------------------------------------------------ */

static bool
has_points(const struct plot_panel *p)
{
	for (size_t s = 0; s < p->n_series; s++)
		if (p->series[s].n)
			return true;
	return false;
}

void
plot_style(FILE *out)
{
	fputs("svg.plot{width:100%;height:auto;font:12px sans-serif;fill:currentColor}"
	      ".plot .paper{fill:var(--paper);fill-opacity:.8}.plot .title{font-size:14px;font-weight:bold}"
	      ".plot .grid{stroke:#8886}.plot .fine{stroke:#8883}.plot .frame{stroke:currentColor;fill:none}"
	      ".plot .curve{stroke-width:1.8}.plot .span{stroke-width:5;stroke-opacity:.28}"
	      ".plot .dots{stroke:var(--ink);stroke-width:2.2;stroke-linecap:round;stroke-opacity:.45;fill:none}"
	      ".plot .cells{fill:var(--ink)}\n",
		out);
}

void
plot_inline(FILE *out, const struct plot_panel *panel)
{
	if (!has_points(panel)) {
		fprintf(out, "<p>%s: no results.</p>\n", panel->title);
		return;
	}
	fprintf(out, "<svg class=\"plot\" viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"%s\">\n", WIDTH,
		HEIGHT + legend_height(panel), panel->title);
	write_panel(out, panel);
	fputs("</svg>\n", out);
}

enum { SQUARE = 240, CAPTION = 20 };

static void
open_square(FILE *out, const char *title)
{
	fprintf(out,
		"<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">"
		"<text x=\"2\" y=\"14\">%s</text>"
		"<path class=\"frame\" stroke-opacity=\".3\" d=\"M.5 %d.5h%dv%dh-%dz\"/>\n",
		SQUARE, SQUARE + CAPTION, title, title, CAPTION, SQUARE - 1, SQUARE - 1, SQUARE - 1);
}

void
plot_points(FILE *out, const char *title, const double *xy, size_t n, double low, double high)
{
	const double scale = SQUARE / (high - low);

	open_square(out, title);
	fputs("<path class=\"dots\" d=\"", out);
	for (size_t i = 0; i < n; i++)
		if (xy[2 * i] >= low && xy[2 * i] <= high && xy[2 * i + 1] >= low && xy[2 * i + 1] <= high)
			fprintf(out, "M%.1f %.1fh0", (xy[2 * i] - low) * scale,
				CAPTION + SQUARE - (xy[2 * i + 1] - low) * scale);
	fputs("\"/></svg>\n", out);
}

/* A path for each shade, of runs of squares that have it, row by row. */
void
plot_density(FILE *out, const char *title, const double *value, size_t n)
{
	enum { SHADES = 12 };
	const double side = SQUARE / (double)n;
	double most = 0;

	for (size_t i = 0; i < n * n; i++)
		most = fmax(most, value[i]);
	open_square(out, title);
	for (int shade = 1; most > 0 && shade <= SHADES; shade++) {
		bool begun = false;

		for (size_t r = 0; r < n; r++)
			for (size_t c = 0, to; c < n; c = to) {
				const double *row = value + r * n;
				int own = (int)lround(sqrt(row[c] / most) * SHADES);

				for (to = c + 1; to < n && (int)lround(sqrt(row[to] / most) * SHADES) == own; to++)
					;
				if (own != shade)
					continue;
				if (!begun)
					fprintf(out, "<path class=\"cells\" fill-opacity=\"%.2f\" d=\"",
						(double)shade / SHADES);
				begun = true;
				fprintf(out, "M%.1f %.1fh%.1fv%.1fh-%.1fz", (double)c * side,
					CAPTION + SQUARE - (double)(r + 1) * side, (double)(to - c) * side, side,
					(double)(to - c) * side);
			}
		if (begun)
			fputs("\"/>\n", out);
	}
	fputs("</svg>\n", out);
}
