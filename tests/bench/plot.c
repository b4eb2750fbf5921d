/* plot: see plot.h. */
#include "tests/bench/plot.h"

#include <math.h>

enum { WIDTH = 460, HEIGHT = 330, LEFT = 70, RIGHT = 16, TOP = 40, BOTTOM = 54, HEAD = 44 };

static const char *const colours[PLOT_MAX_SERIES] = {"#1f5fa8", "#c8501e", "#2e8540", "#7a3e9d"};

struct axis {
	double low, high;   /* what is shown, powers of ten or points between */
	double first, last; /* where, in pixels */
};

static double
place(const struct axis *a, double v)
{
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

static void
range(const struct plot_panel *p, double *x_low, double *x_high, double *y_low, double *y_high)
{
	*x_low = *y_low = (double)INFINITY;
	*x_high = *y_high = 0;
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

/* A line at every 1, 2, 5; a number at all of them on short axes, at powers of ten on long ones. */
static void
write_ticks(FILE *out, const struct axis *a, bool vertical, double from, double to)
{
	static const double steps[] = {1, 2, 5};
	bool all = log10(a->high / a->low) < 2.5;

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

static void
write_panel(FILE *out, const struct plot_panel *p)
{
	double x_low, x_high, y_low, y_high;
	const double left = LEFT, right = WIDTH - RIGHT, top = TOP, bottom = HEIGHT - BOTTOM;
	struct axis x, y;

	range(p, &x_low, &x_high, &y_low, &y_high);
	x = axis_over(x_low, x_high, left, right);
	y = axis_over(y_low, y_high, bottom, top);
	fprintf(out, "<text class=\"title\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", left, top - 12, p->title);
	write_ticks(out, &x, false, bottom, top);
	write_ticks(out, &y, true, left, right);
	fprintf(out, "<path class=\"frame\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", left, top, bottom, right);
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", (left + right) / 2, bottom + 38,
		p->x_label);
	fprintf(out, "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
		(top + bottom) / 2, p->y_label);
	for (size_t s = 0; s < p->n_series; s++) {
		double at = top + 16 + 18 * (double)s;

		write_series(out, &p->series[s], colours[s], &x, &y);
		fprintf(out, "<rect class=\"paper\" x=\"%.1f\" y=\"%.1f\" width=\"92\" height=\"18\"/>\n", left + 8,
			at - 13);
		fprintf(out, "<path stroke=\"%s\" class=\"curve\" d=\"M%.1f %.1fh20\"/>\n", colours[s], left + 14,
			at - 4);
		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", left + 40, at, p->series[s].name);
	}
}

void
plot_write(FILE *out, const char *title, const struct plot_panel *panel, size_t n_panels, size_t columns)
{
	size_t width = columns * WIDTH, height = (n_panels + columns - 1) / columns * HEIGHT + HEAD;

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
		fprintf(out, "<g transform=\"translate(%zu %zu)\">\n", i % columns * WIDTH,
			i / columns * HEIGHT + HEAD);
		write_panel(out, &panel[i]);
		fputs("</g>\n", out);
	}
	fputs("</svg>\n", out);
}
