/* report_text: a model's report (server/report.h) for people to read. A report of another version may lack members:
 * what is not there is left out. Thread rule: pure but for the stream. */
#ifndef VERAD_SERVER_REPORT_TEXT_H
#define VERAD_SERVER_REPORT_TEXT_H

#include <stdio.h>

void report_print(const char *report, FILE *out);       /* all of it, a screenful */
void report_print_brief(const char *report, FILE *out); /* rows, headline figures, warnings */

#endif
