/* team: see team.h. */
#include "server/team.h"

enum { TRIAL_STEPS = 3 };

/* A size on trial must be this much faster to be taken, and is given up at once when one step is this much slower. */
#define WORTH_CHANGING 0.95
#define HOPELESS 3

static void
open_window(struct team *t, double now)
{
	t->began = now;
	t->n_steps = 0;
}

static void
change_size(struct team *t)
{
	t->size = t->size == 1 ? t->most : 1;
}

void
team_start(struct team *t, int most, double now)
{
	*t = (struct team){.most = most, .size = most, .next_trial = now};
	open_window(t, now);
}

/* The window of the present size is full: what a step takes. */
static bool
end_window(struct team *t, double seconds, double now)
{
	bool changed = false;

	if (t->trying) {
		t->trying = false;
		t->next_trial = now + TEAM_HOLD_SECONDS;
		if (seconds < t->held * WORTH_CHANGING)
			t->held = seconds;
		else
			changed = true;
	} else {
		t->held = seconds;
		if (now >= t->next_trial)
			t->trying = changed = true;
	}
	if (changed)
		change_size(t);
	open_window(t, now);
	return changed;
}

bool
team_update(struct team *t, size_t fit, double now)
{
	double seconds;

	if (t->most <= 1)
		return false;
	if (fit != t->fit) { /* its steps cost something else: begin again, with the size that was good so far */
		bool changed = t->trying;

		if (changed)
			change_size(t);
		*t = (struct team){.most = t->most, .size = t->size, .fit = fit, .next_trial = now};
		open_window(t, now);
		return changed;
	}
	t->n_steps++;
	seconds = (now - t->began) / (double)t->n_steps;
	if (t->trying && seconds > t->held * HOPELESS)
		return end_window(t, seconds, now);
	if (t->n_steps < TRIAL_STEPS || now - t->began < TEAM_TRIAL_SECONDS)
		return false;
	return end_window(t, seconds, now);
}
