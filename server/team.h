/*
 * team: how many threads a run should use just now.
 *
 * Threads that share a step wait for each other by spinning. On an idle machine that is the fastest way; on a busy one
 * they burn the time that the thread they wait for needs, and two threads can be slower than one by far (measured
 * beside eight busy processes: 14 times). Which it is changes while a run goes on, and the model does not depend on it:
 * so the team tries both, keeps the faster, and tries the other again now and then. Thread rule: one thread at a time.
 */
#ifndef VERAD_SERVER_TEAM_H
#define VERAD_SERVER_TEAM_H

#include <stdbool.h>
#include <stddef.h>

#define TEAM_TRIAL_SECONDS 0.02 /* a trial lasts so long, and a few steps at the least */
#define TEAM_HOLD_SECONDS 4.0   /* from one trial of the other size to the next */

struct team {
	int most, size;     /* threads: at most, and at present; the sizes tried are `most` and 1 */
	bool trying;        /* the present size is on trial against `held` */
	size_t fit;         /* steps of one fit are compared with each other alone */
	size_t n_steps;     /* of the present window */
	double began, held; /* the window's start; seconds a step of the size held, 0: not known yet */
	double next_trial;
};

/* Times are seconds of any steady clock. */
void team_start(struct team *t, int most, double now);

/* Call it after every step, with the number of the fit that the step belonged to; true when t->size has changed. */
bool team_update(struct team *t, size_t fit, double now);

#endif
