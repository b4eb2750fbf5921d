/* date: see date.h. The days of a civil date are counted from March, so that the leap day is a year's last. */
#include "schema/date.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const double date_cycle_days[N_DATE_CYCLES] = {365.2425, 7, 1};
const char *const date_cycle_name[N_DATE_CYCLES] = {"year", "week", "day"};

/* The text that is left to read. */
struct cursor {
	const char *at, *end;
};

static bool
take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

/* From `least` to `most` digits. */
static bool
take_digits(struct cursor *c, int least, int most, int *out)
{
	int n = 0;

	for (*out = 0; n < most && c->at < c->end && *c->at >= '0' && *c->at <= '9'; n++)
		*out = *out * 10 + (*c->at++ - '0');
	return n >= least;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* An English month, whole or its first three letters. */
static bool
take_month(struct cursor *c, int *out)
{
	static const char *const month[] = {"january", "february", "march", "april", "may", "june", "july", "august",
		"september", "october", "november", "december"};

	for (int m = 0; m < 12; m++) {
		size_t n = 0, whole = strlen(month[m]);

		while (n < whole && c->at + n < c->end && lower(c->at[n]) == month[m][n])
			n++;
		if (n != whole && n != 3)
			continue;
		c->at += n;
		*out = m + 1;
		return true;
	}
	return false;
}

static bool
take_day(struct cursor *c, int *year, int *month, int *day)
{
	const struct cursor begin = *c;

	if (take_digits(c, 4, 4, year)) {
		if (take(c, '-'))
			return take_digits(c, 2, 2, month) && take(c, '-') && take_digits(c, 2, 2, day);
		return take(c, '/') && take_digits(c, 1, 2, month) && take(c, '/') && take_digits(c, 1, 2, day);
	}
	*c = begin;
	if (!take_digits(c, 1, 2, day))
		return false;
	if (take(c, '.'))
		return take_digits(c, 1, 2, month) && take(c, '.') && take_digits(c, 4, 4, year);
	if (take(c, '-'))
		return take_month(c, month) && take(c, '-') && take_digits(c, 4, 4, year);
	return take(c, ' ') && take_month(c, month) && take(c, ' ') && take_digits(c, 4, 4, year);
}

/* AM or PM behind the time, if there is one; the hour becomes one of 24. */
static bool
take_half(struct cursor *c, int *hour)
{
	const char *at = c->at < c->end && *c->at == ' ' ? c->at + 1 : c->at;
	char half = c->end - at == 2 && lower(at[1]) == 'm' ? lower(at[0]) : '\0';

	if (half != 'a' && half != 'p')
		return true;
	c->at = c->end;
	if (*hour < 1 || *hour > 12)
		return false;
	*hour = *hour % 12 + (half == 'p' ? 12 : 0);
	return true;
}

/* Share of a day, and of that the zone's part taken off. */
static bool
take_time(struct cursor *c, double *out)
{
	int hour, minute, second = 0, zone_hour, zone_minute = 0;
	double fraction = 0, unit = 0.1, sign;

	if (!take_digits(c, 1, 2, &hour) || !take(c, ':') || !take_digits(c, 2, 2, &minute) || hour > 24 || minute > 59)
		return false;
	if (take(c, ':')) {
		if (!take_digits(c, 2, 2, &second) || second > 60) /* 60: a leap second */
			return false;
		if (take(c, '.')) {
			const char *from = c->at;

			for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, unit /= 10)
				fraction += unit * (*c->at - '0');
			if (c->at == from)
				return false;
		}
	}
	if (hour == 24 && (minute || second || fraction > 0))
		return false;
	if (!take_half(c, &hour))
		return false;
	*out = (hour * 3600 + minute * 60 + second + fraction) / 86400;
	if (c->at == c->end || take(c, 'Z'))
		return true;
	sign = *c->at == '-' ? -1 : 1;
	if ((!take(c, '+') && !take(c, '-')) || !take_digits(c, 2, 2, &zone_hour) || zone_hour > 23)
		return false;
	if (c->at < c->end) {
		take(c, ':');
		if (!take_digits(c, 2, 2, &zone_minute) || zone_minute > 59)
			return false;
	}
	*out -= sign * (zone_hour * 60 + zone_minute) / 1440;
	return true;
}

static bool
is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static double
days_of(int year, int month, int day)
{
	int y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
	long days = 365L * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;

	return (double)(days - 719468); /* of 1970-01-01 */
}

static bool
exists(int year, int month, int day)
{
	static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return year && month >= 1 && month <= 12 && day >= 1 &&
	       day <= length[month - 1] + (month == 2 && is_leap(year));
}

/* What is left is a time behind a space or a T, or nothing. */
static bool
take_rest(struct cursor *c, double *time)
{
	*time = 0;
	return c->at == c->end || ((take(c, ' ') || take(c, 'T')) && take_time(c, time) && c->at == c->end);
}

static void
trim(struct cursor *c)
{
	while (c->at < c->end && *c->at == ' ')
		c->at++;
	while (c->at < c->end && c->end[-1] == ' ')
		c->end--;
}

bool
date_parse(const char *text, size_t len, double *days)
{
	struct cursor c = {text, text + len};
	int year, month, day;
	double time;

	trim(&c);
	if (!take_day(&c, &year, &month, &day) || !exists(year, month, day) || !take_rest(&c, &time))
		return false;
	*days = days_of(year, month, day) + time;
	return true;
}

/* ---- dates that depend on who wrote them ------------------------------------------------------------------------- */

static const char *const order_name[N_DATE_ORDERS] = {"", "mdy", "dmy"};

const char *
date_order_name(enum date_order o)
{
	return order_name[o];
}

bool
date_order_find(const char *name, enum date_order *out)
{
	for (int o = DATE_MDY; o < N_DATE_ORDERS; o++)
		if (!strcmp(name, order_name[o])) {
			*out = (enum date_order)o;
			return true;
		}
	return false;
}

/* Two numbers and the year, 3/1/2024 or 3-1-2024, and how far they go. */
static bool
take_numbers(struct cursor *c, int *first, int *second, int *year)
{
	char stroke;

	if (!take_digits(c, 1, 2, first) || c->at == c->end || (*c->at != '/' && *c->at != '-'))
		return false;
	stroke = *c->at++;
	return take_digits(c, 1, 2, second) && take(c, stroke) && take_digits(c, 4, 4, year);
}

unsigned
date_orders(const char *text, size_t len)
{
	struct cursor c = {text, text + len};
	int first, second, year;
	double time;

	trim(&c);
	if (!take_numbers(&c, &first, &second, &year) || !take_rest(&c, &time))
		return 0;
	return (exists(year, first, second) ? 1u << DATE_MDY : 0) | (exists(year, second, first) ? 1u << DATE_DMY : 0);
}

size_t
date_put_in_order(const char *text, size_t len, enum date_order order, char out[DATE_TEXT_SIZE])
{
	struct cursor c = {text, text + len};
	int first, second, year, n;

	if (order == DATE_ORDER_UNKNOWN || !(date_orders(text, len) & 1u << order))
		return 0;
	trim(&c);
	if (!take_numbers(&c, &first, &second, &year))
		return 0;
	n = snprintf(out, DATE_TEXT_SIZE, "%04d-%02d-%02d%.*s", year, order == DATE_MDY ? first : second,
		order == DATE_MDY ? second : first, (int)(c.end - c.at), c.at);
	return n < DATE_TEXT_SIZE ? (size_t)n : 0;
}

void
date_angle(double days, enum date_cycle c, float *sine, float *cosine)
{
	const float turn = 6.28318530717958647692f, quarter = 1.57079632679489661923f;
	double share = days / date_cycle_days[c];
	float angle = (float)(share - floor(share)) * turn;

	*sine = sinf(angle);
	*cosine = sinf(angle + quarter);
}
