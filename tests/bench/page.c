/* page: see page.h. */
#include "tests/bench/page.h"

#include <math.h>

#include "tests/bench/plot.h"

void
page_begin(FILE *out, const char *title)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><title>",
		out);
	page_text(out, title);
	fputs("</title><style>\n"
	      ":root{color-scheme:light dark;--paper:#fff;--text:#222;--rule:#ccc;--ink:#1f5fa8;--soft:#f3f3f3}\n"
	      "@media(prefers-color-scheme:dark){:root{--paper:#16181c;--text:#ddd;--rule:#444;--ink:#7fb4ee;--soft:#"
	      "22252b}}\n"
	      "body{margin:0 auto;max-width:62rem;padding:1rem;font:16px/1.5 sans-serif;background:var(--paper);"
	      "color:var(--text)}h1{line-height:1.2}h2{margin-top:2.5rem;border-top:1px solid "
	      "var(--rule);padding-top:1rem}\n"
	      ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;margin:.5rem 0}"
	      "caption{text-align:left;font-weight:bold;padding:.3rem 0}th,td{padding:.2rem .6rem;border-bottom:1px "
	      "solid "
	      "var(--rule);text-align:left;white-space:nowrap}td.n,th.n{text-align:right;font-variant-numeric:tabular-"
	      "nums}"
	      "td.long{white-space:normal;min-width:14rem}\n"
	      ".yes{color:#2e8f4a;font-weight:bold}.no{color:#d0592a;font-weight:bold}small,figcaption{color:#8a8a8a}\n"
	      "figure{margin:1rem 0}.pair,.many{display:grid;gap:1rem}"
	      ".pair{grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr))}"
	      ".many{grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr))}\n",
		out);
	plot_style(out);
	fputs("</style></head><body>\n<h1>", out);
	page_text(out, title);
	fputs("</h1>\n", out);
}

void
page_end(FILE *out)
{
	fputs("</body></html>\n", out);
}

void
page_text(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			if ((unsigned char)*text >= ' ')
				putc(*text, out);
		}
}

void
page_table(FILE *out, const char *caption, const char *const *heads)
{
	fputs("<div class=\"wide\"><table><caption>", out);
	page_text(out, caption);
	fputs("</caption><thead><tr>", out);
	for (; *heads; heads++) {
		fputs("<th>", out);
		page_text(out, *heads);
		fputs("</th>", out);
	}
	fputs("</tr></thead><tbody>\n", out);
}

void
page_row(FILE *out)
{
	fputs("<tr>", out);
}

void
page_row_end(FILE *out)
{
	fputs("</tr>\n", out);
}

void
page_name(FILE *out, const char *text)
{
	fputs("<td>", out);
	page_text(out, text);
	fputs("</td>", out);
}

void
page_number(FILE *out, int digits, double v)
{
	if (isfinite(v))
		fprintf(out, "<td class=\"n\">%.*f</td>", digits, v);
	else
		fputs("<td class=\"n\">–</td>", out);
}

void
page_with_error(FILE *out, int digits, double v, double error)
{
	if (isfinite(v) && isfinite(error))
		fprintf(out, "<td class=\"n\">%.*f <small>± %.*f</small></td>", digits, v, digits, error);
	else
		page_number(out, digits, v);
}

void
page_table_end(FILE *out)
{
	fputs("</tbody></table></div>\n", out);
}

void
page_figures(FILE *out, int narrow)
{
	fprintf(out, "<figure><div class=\"%s\">\n", narrow ? "many" : "pair");
}

void
page_figures_end(FILE *out, const char *caption)
{
	fputs("</div><figcaption>", out);
	page_text(out, caption);
	fputs("</figcaption></figure>\n", out);
}
