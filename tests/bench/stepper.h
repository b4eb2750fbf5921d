/*
 * stepper: training steps of a chosen shape over a generated table, as many as asked for, and what they take. What the
 * timing benchmarks share.
 *
 * It drives engine/method as the trainer does, without the trainer's plan, so that the steps of one method can be had
 * from the first on. Thread rule: one thread at a time.
 */
#ifndef VERAD_TESTS_BENCH_STEPPER_H
#define VERAD_TESTS_BENCH_STEPPER_H

#include "engine/method.h"

struct series { /* repetitions of one measurement */
	size_t n;
	double v[64];
};
enum { SERIES_MAX = 64 };
void series_add(struct series *s, double v);              /* s->n < SERIES_MAX */
double series_quantile(const struct series *s, double q); /* NaN of none */
double series_median(const struct series *s);

struct duration { /* seconds */
	double wall, cpu;
};

/* A table of n rows and d dense columns, uniform in [-1, 1], every row labelled; rows and *label are the caller's to
 * release. */
enum status stepper_table(struct rows *rows, int32_t **label, size_t n, size_t d, size_t n_classes, struct err *e);

struct stepper {
	struct params params;        /* resolved */
	struct density_shape family; /* of method density */
	struct train_data data;
	struct fit fit;
	uint32_t *index; /* owned, as the next two */
	real *state, *scratch;
};

/* The first n_rows of the table take part, those with a label (data->label >= 0) as labelled ones; what is `by the
 * table` in the parameters is chosen for that many. */
enum status stepper_init(
	struct stepper *s, const struct params *p, const struct train_data *data, size_t n_rows, struct err *e);
void stepper_release(struct stepper *s); /* accepts a zeroed struct */

struct duration stepper_run(struct stepper *s, size_t steps, int threads);
/* How many steps fill so many seconds, found by making some. At least 1. */
size_t stepper_steps(struct stepper *s, double seconds, int threads);
bool stepper_sane(const struct stepper *s); /* the weights are still numbers */

/*
 * Floating-point operations of the matrix products of a vera step: by the passes that section 3 of the method page
 * counts, and those that have to be made, without the gradients in the rows themselves that nobody asks for.
 */
struct arithmetic {
	double passes, needed;
};
struct arithmetic stepper_arithmetic(const struct stepper *s);

/* Peak resident bytes since the last call of peak_reset, or, where the kernel cannot reset it, since the start. */
void peak_reset(void);
double peak_resident(void);

/* Settings of the environment, "" counting as none: a number in [min, max], else `def`. */
double setting(const char *name, double def, double min, double max);

#endif
