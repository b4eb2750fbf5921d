/* pace: see pace.h. */
#include "server/pace.h"

#include <math.h>

enum kind { BASELINE, METHOD };

/* The fit that the step after `step` belongs to: its kind, and the first step that does not. */
static enum kind
fit_at(const struct pace *p, size_t step, size_t *end)
{
	size_t pair = p->baseline_steps + p->method_steps, start = step - step % pair;
	bool baseline = step - start < p->baseline_steps;

	*end = baseline ? start + p->baseline_steps : start + pair;
	return baseline ? BASELINE : METHOD;
}

void
pace_start(struct pace *p, const struct params *resolved, const struct train_progress *now_at, double now)
{
	size_t pair = now_at->steps / (now_at->folds + 1), method = resolved->steps ? resolved->steps : 1;

	*p = (struct pace){
		.baseline_steps = pair > method ? pair - method : 0,
		.method_steps = method,
		.last_time = now,
		.last_step = now_at->step,
	};
}

void
pace_update(struct pace *p, size_t step, double now)
{
	size_t end;
	enum kind kind = fit_at(p, p->last_step, &end);

	if (step >= p->last_step && step < end && now - p->last_time < PACE_SECONDS)
		return;
	/* What went back to an earlier state, or spans two fits, says nothing. */
	if (step > p->last_step && step <= end && now > p->last_time) {
		double rate = (double)(step - p->last_step) / (now - p->last_time);

		p->rate[kind] = p->rate[kind] > 0 ? 0.7 * p->rate[kind] + 0.3 * rate : rate;
	}
	p->last_step = step;
	p->last_time = now;
}

double
pace_rate(const struct pace *p)
{
	size_t end;

	return p->rate[fit_at(p, p->last_step, &end)];
}

double
pace_seconds_left(const struct pace *p, size_t steps)
{
	double left[2] = {0, 0}, baseline = p->rate[BASELINE] > 0 ? p->rate[BASELINE] : p->rate[METHOD];
	size_t end;

	for (size_t at = p->last_step; at < steps; at = end) {
		enum kind kind = fit_at(p, at, &end);

		left[kind] += (double)((end < steps ? end : steps) - at);
	}
	if (left[METHOD] > 0 && !(p->rate[METHOD] > 0))
		return NAN;
	return (left[METHOD] > 0 ? left[METHOD] / p->rate[METHOD] : 0) +
	       (left[BASELINE] > 0 ? left[BASELINE] / baseline : 0);
}
