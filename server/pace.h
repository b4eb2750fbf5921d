/*
 * pace: how fast a run goes and how long it still takes. The fits of a run cost very different times a step (the
 * supervised baseline a tenth of the method), so each kind has a rate of its own. Thread rule: one thread at a time.
 */
#ifndef VERAD_SERVER_PACE_H
#define VERAD_SERVER_PACE_H

#include "engine/train.h"

struct pace {
	size_t baseline_steps,
		method_steps; /* of one fit each; they come in turns, a pair for every fold and one before */
	double rate[2];       /* steps per second, smoothed: of the baseline, of the method; 0: not known yet */
	double last_time;
	size_t last_step;
};

/* The run is at `now_at`, past its first step when it was resumed; times are seconds of any steady clock. */
void pace_start(struct pace *p, const struct params *resolved, const struct train_progress *now_at, double now);
/* Call it after every step: it measures over PACE_SECONDS, and up to the end of each fit. */
#define PACE_SECONDS 0.1
void pace_update(struct pace *p, size_t step, double now);
double pace_rate(const struct pace *p); /* of the present kind of fit; 0: not known yet */
/* Until step `steps`; NaN while the method's rate is not known, which nothing else could stand for. */
double pace_seconds_left(const struct pace *p, size_t steps);

#endif
