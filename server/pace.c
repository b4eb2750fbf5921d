/* pace: see pace.h. */
#include "server/pace.h"

#include <math.h>

enum { BASELINE, METHOD };

/* The kind of the fit that the step after `step` belongs to (engine/train.h: the baseline first, then in turns). */
static size_t
kind_at(const struct pace *p, size_t step)
{
	return p->alternates && step / p->steps_per_fit % 2 == 0 ? BASELINE : METHOD;
}

void
pace_start(struct pace *p, const struct params *params, size_t step, double now)
{
	*p = (struct pace){
		.steps_per_fit = params->steps ? params->steps : 1,
		.alternates = params->method != METHOD_SUPERVISED,
		.last_time = now,
		.last_step = step,
	};
}

void
pace_update(struct pace *p, size_t step, double now)
{
	size_t kind = kind_at(p, p->last_step);

	if (step <= p->last_step || now <= p->last_time)
		return;
	if (step / p->steps_per_fit == p->last_step / p->steps_per_fit) { /* else it is of two fits, and says nothing */
		double rate = (double)(step - p->last_step) / (now - p->last_time);

		p->rate[kind] = p->rate[kind] > 0 ? 0.7 * p->rate[kind] + 0.3 * rate : rate;
	}
	p->last_step = step;
	p->last_time = now;
}

double
pace_rate(const struct pace *p)
{
	return p->rate[kind_at(p, p->last_step)];
}

double
pace_seconds_left(const struct pace *p, size_t steps)
{
	double left[2] = {0, 0}, baseline = p->rate[BASELINE] > 0 ? p->rate[BASELINE] : p->rate[METHOD];

	for (size_t at = p->last_step; at < steps;) {
		size_t end = (at / p->steps_per_fit + 1) * p->steps_per_fit;

		end = end < steps ? end : steps;
		left[kind_at(p, at)] += (double)(end - at);
		at = end;
	}
	if (left[METHOD] > 0 && !(p->rate[METHOD] > 0))
		return NAN;
	return (left[METHOD] > 0 ? left[METHOD] / p->rate[METHOD] : 0) +
	       (left[BASELINE] > 0 ? left[BASELINE] / baseline : 0);
}
