/*
 * page: the parts of a report as HTML that needs nothing outside itself. Tables scroll sideways where the screen is
 * narrow, pictures stand side by side where it is wide, light or dark as the reader's system says.
 */
#ifndef VERAD_TESTS_BENCH_PAGE_H
#define VERAD_TESTS_BENCH_PAGE_H

#include <stddef.h>
#include <stdio.h>

void page_begin(FILE *out, const char *title);
void page_end(FILE *out);

/* Any text, with <, >, & and quotes as entities. */
void page_text(FILE *out, const char *text);

/* What is claimed, and what came of it: `mark` is 1 for good, 0 for bad, -1 for neither. `measured` may be "". */
void page_claim(FILE *out, const char *says, int mark, const char *verdict, const char *measured);

/* A table: its head, then rows of cells, then its end. `heads` NULL-terminated; the first n_names are of text cells,
 * the others of numbers. */
void page_table(FILE *out, const char *caption, const char *const *heads, size_t n_names);
void page_row(FILE *out);
void page_row_end(FILE *out);
void page_name(FILE *out, const char *text);                         /* a text cell */
void page_number(FILE *out, int digits, double v);                   /* "–" where it is not finite */
void page_with_error(FILE *out, int digits, double v, double error); /* v ± error */
void page_table_end(FILE *out);

/* What is between these two is seen when the reader opens `summary`. */
void page_more(FILE *out, const char *summary);
void page_more_end(FILE *out);

/* Pictures between these two stand side by side, `narrow` ones more of them. */
void page_figures(FILE *out, int narrow);
void page_figures_end(FILE *out, const char *caption);

#endif
