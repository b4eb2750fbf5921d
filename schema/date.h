/*
 * date: dates and times of day as numbers.
 *
 * A date is days since 1970-01-01 00:00 UTC, fractions of a day included; years 1 to 9999 of the Gregorian calendar,
 * also before it was in use. What is read, spaces around it left out:
 *
 *   2024-03-01   2024/3/1   1.3.2024   1-Mar-2024   1 March 2024
 *
 * each maybe with a time behind a space or a "T": 12:30, 12:30:59, 12:30:59.25, 2:30 PM, and maybe a zone behind that:
 * Z, +02:00, +0200, +02. Without a zone a time is taken as UTC. Forms that different people read differently, 3/1/2024
 * and 3-1-2024, are no dates until it is known who wrote them (enum date_order): then they are written anew as
 * 2024-03-01 or 2024-01-03 before anything else sees them. Thread rule: pure.
 */
#ifndef VERAD_SCHEMA_DATE_H
#define VERAD_SCHEMA_DATE_H

#include <stdbool.h>
#include <stddef.h>

bool date_parse(const char *text, size_t len, double *days);

enum date_order { DATE_ORDER_UNKNOWN, DATE_MDY, DATE_DMY, N_DATE_ORDERS };
const char *date_order_name(enum date_order o);               /* "mdy", "dmy"; of the unknown one "" */
bool date_order_find(const char *name, enum date_order *out); /* false: there is no such order */
/* Of a text whose day depends on the order: a bit, 1 << order, for each that makes a date of it. 0: it is no such text.
 */
unsigned date_orders(const char *text, size_t len);
/* Writes such a text with its year first, the time behind it unchanged; returns its length. 0: it is no such date. */
enum { DATE_TEXT_SIZE = 64 };
size_t date_put_in_order(const char *text, size_t len, enum date_order order, char out[DATE_TEXT_SIZE]);

/* What repeats: where in a year of mean length, in a week and in a day a date lies is an angle. */
enum date_cycle { CYCLE_YEAR, CYCLE_WEEK, CYCLE_DAY, N_DATE_CYCLES };
extern const double date_cycle_days[N_DATE_CYCLES];
extern const char *const date_cycle_name[N_DATE_CYCLES]; /* "year", … */
/* Sine and cosine of the angle. Computed in float from the share of the cycle that is over, as an export's graph is. */
void date_angle(double days, enum date_cycle c, float *sine, float *cosine);

#endif
