/*
 * date: dates and times of day as numbers.
 *
 * A date is days since 1970-01-01 00:00 UTC, fractions of a day included; years 1 to 9999 of the Gregorian calendar,
 * also before it was in use. What is read, spaces around it left out:
 *
 *   2024-03-01   2024/3/1   1.3.2024   1-Mar-2024   1 March 2024
 *
 * each maybe with a time behind a space or a "T": 12:30, 12:30:59, 12:30:59.25, and maybe a zone behind that: Z,
 * +02:00, +0200, +02. Without a zone a time is taken as UTC. Forms that different people read differently, 3/1/2024,
 * are no dates. Thread rule: pure.
 */
#ifndef VERAD_SCHEMA_DATE_H
#define VERAD_SCHEMA_DATE_H

#include <stdbool.h>
#include <stddef.h>

bool date_parse(const char *text, size_t len, double *days);

/* What repeats: where in a year of mean length, in a week and in a day a date lies is an angle. */
enum date_cycle { CYCLE_YEAR, CYCLE_WEEK, CYCLE_DAY, N_DATE_CYCLES };
extern const double date_cycle_days[N_DATE_CYCLES];
extern const char *const date_cycle_name[N_DATE_CYCLES]; /* "year", … */
/* Sine and cosine of the angle. Computed in float from the share of the cycle that is over, as an export's graph is. */
void date_angle(double days, enum date_cycle c, float *sine, float *cosine);

#endif
