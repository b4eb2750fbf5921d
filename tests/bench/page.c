/* page: see page.h. */
#include "tests/bench/page.h"

#include <math.h>
#include <stdbool.h>

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
	      "solid var(--rule);text-align:left;white-space:nowrap}th{vertical-align:bottom;white-space:normal}"
	      "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
	      ".claim{display:grid;grid-template-columns:5fr 2fr 6fr;gap:.1rem 1rem;padding:.5rem 0;"
	      "border-bottom:1px solid var(--rule)}.claim.short{grid-template-columns:11fr 2fr}"
	      "@media(max-width:40rem){.claim,.claim.short{grid-template-columns:1fr}}\n"
	      ".yes,.no,.open{font-weight:bold}.yes{color:#2e8f4a}.no{color:#d0592a}.open{color:#8a8a8a}"
	      "small,figcaption,.source{color:#767676;font-size:.9rem}summary{cursor:pointer}\n"
	      "figure{margin:1rem 0}.pair,.many{display:grid;gap:1rem}"
	      ".pair{grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr))}"
	      ".many{grid-template-columns:repeat(auto-fill,minmax(7.8rem,1fr))}\n",
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
page_claim(FILE *out, const char *says, int mark, const char *verdict, const char *measured)
{
	fprintf(out, "<div class=\"claim%s\"><span>", *measured ? "" : " short");
	page_text(out, says);
	fprintf(out, "</span><span class=\"%s\">", mark > 0 ? "yes" : mark == 0 ? "no" : "open");
	page_text(out, verdict);
	fputs("</span>", out);
	if (*measured) {
		fputs("<span>", out);
		page_text(out, measured);
		fputs("</span>", out);
	}
	fputs("</div>\n", out);
}

void
page_table(FILE *out, const char *caption, const char *const *heads, size_t n_names)
{
	fputs("<div class=\"wide\"><table><caption>", out);
	page_text(out, caption);
	fputs("</caption><thead><tr>", out);
	for (size_t i = 0; heads[i]; i++) {
		fputs(i < n_names ? "<th>" : "<th class=\"n\">", out);
		page_text(out, heads[i]);
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

/* With a minus sign, and no -0. */
static const char *
number_text(char *buf, size_t n, int digits, double v)
{
	const bool negative = v < -0.5 * pow(10, -digits);

	snprintf(buf, n, "%s%.*f", negative ? "−" : "", digits, fabs(v));
	return buf;
}

void
page_number(FILE *out, int digits, double v)
{
	char text[400];

	if (isfinite(v))
		fprintf(out, "<td class=\"n\">%s</td>", number_text(text, sizeof text, digits, v));
	else
		fputs("<td class=\"n\">–</td>", out);
}

void
page_with_error(FILE *out, int digits, double v, double error)
{
	char text[400];

	if (isfinite(v) && isfinite(error))
		fprintf(out, "<td class=\"n\">%s <small>± %.*f</small></td>", number_text(text, sizeof text, digits, v),
			digits, error);
	else
		page_number(out, digits, v);
}

void
page_table_end(FILE *out)
{
	fputs("</tbody></table></div>\n", out);
}

void
page_more(FILE *out, const char *summary)
{
	fputs("<details><summary>", out);
	page_text(out, summary);
	fputs("</summary>\n", out);
}

void
page_more_end(FILE *out)
{
	fputs("</details>\n", out);
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
