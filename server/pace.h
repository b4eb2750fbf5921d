/*
 * pace: how fast a run goes and how long it still takes. The fits of a run cost very different times a step (the
 * supervised baseline a tenth of the method), so each kind has a rate of its own. Thread rule: one thread at a time.
 */
#ifndef VERAD_SERVER_PACE_H
#define VERAD_SERVER_PACE_H

#include "engine/params.h"

struct pace {
	size_t steps_per_fit;
	bool alternates; /* fits come in pairs: baseline, method */
	double rate[2];  /* steps per second, smoothed: of the baseline, of the method; 0: not known yet */
	double last_time;
	size_t last_step;
};

/* params: resolved. The run is at `step` now (more than 0 when it was resumed); times in seconds on any steady clock.
 */
void pace_start(struct pace *p, const struct params *params, size_t step, double now);
void pace_update(struct pace *p, size_t step, double now);
double pace_rate(const struct pace *p); /* of the present kind of fit; 0: not known yet */
/* Until step `steps`; NaN while the method's rate is not known, which nothing else could stand for. */
double pace_seconds_left(const struct pace *p, size_t steps);

#endif
