/* stepper: see stepper.h. */
#include "tests/bench/stepper.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/kernel.h"
#include "engine/spacing.h"

/* ---- Repetitions -------------------------------------------------------------------------------------------- */

void
series_add(struct series *s, double v)
{
	size_t at = s->n++;

	for (; at && s->v[at - 1] > v; at--)
		s->v[at] = s->v[at - 1];
	s->v[at] = v;
}

double
series_quantile(const struct series *s, double q)
{
	double at = s->n ? q * (double)(s->n - 1) : 0;
	size_t below = (size_t)at, above = below + 1 < s->n ? below + 1 : below;

	return s->n ? s->v[below] + (at - (double)below) * (s->v[above] - s->v[below]) : (double)NAN;
}

double
series_median(const struct series *s)
{
	return series_quantile(s, 0.5);
}

/* ---- The table ---------------------------------------------------------------------------------------------- */

enum status
stepper_table(struct rows *rows, int32_t **label, size_t n, size_t d, size_t n_classes, struct err *e)
{
	enum { STRIDE = 4096 };
	struct rng rng;
	real value[STRIDE];
	enum status s;

	*label = NULL;
	if ((s = rows_init(rows, n, d, 0, NULL, e)))
		return s;
	*label = malloc(n * sizeof **label);
	if (!*label) {
		rows_release(rows);
		return err_nomem(e);
	}
	rng_init(&rng, 1, 0);
	for (size_t i = 0; i < n * d; i += STRIDE) {
		size_t m = n * d - i < STRIDE ? n * d - i : STRIDE;

		rng_uniform(&rng, value, m);
		for (size_t j = 0; j < m; j++)
			rows->dense[i + j] = (float)(2 * value[j] - 1);
	}
	for (size_t i = 0; i < n; i++)
		(*label)[i] = (int32_t)(i % n_classes);
	return OK;
}

/* ---- The steps ---------------------------------------------------------------------------------------------- */

enum status
stepper_init(struct stepper *s, const struct params *p, const struct train_data *data, size_t n_rows, struct err *e)
{
	struct arena state = {0}, scratch = {0};
	size_t n_labelled = 0;
	enum status status;

	*s = (struct stepper){.params = *p, .data = *data};
	for (size_t i = 0; i < n_rows; i++)
		n_labelled += data->label[i] >= 0;
	if ((status = params_resolve(&s->params, n_rows, n_labelled, data->rows->d, data->n_classes, e)) ||
		(status = spacing_resolve(&s->params, data->rows, NULL, e)))
		return status;
	s->fit = (struct fit){
		.params = &s->params,
		.data = &s->data,
		.method = method_for(&s->params, (enum method)s->params.method),
		.n_data = n_rows,
		.n_labelled = n_labelled,
		.noise = s->params.input_noise,
		.rate = 1,
		.shape = net_shape_of(data->rows->d, &s->params.hidden_layers, data->n_classes, s->params.weight_norm),
	};
	if (s->params.method == METHOD_DENSITY) {
		s->family = density_shape_of(&s->params, data->rows->d);
		s->fit.family = &s->family;
	}
	s->fit.own = calloc(1, s->fit.method->own_size ? s->fit.method->own_size : 1);
	s->index = malloc((n_rows + n_labelled) * sizeof *s->index);
	if (!s->fit.own || !s->index) {
		status = err_nomem(e);
		goto out;
	}
	for (size_t i = 0, l = n_rows; i < n_rows; i++) {
		s->index[i] = (uint32_t)i;
		if (data->label[i] >= 0)
			s->index[l++] = (uint32_t)i;
	}
	s->fit.data_index = s->index;
	s->fit.labelled_index = s->index + n_rows;
	fit_layout(&s->fit, &state, &scratch);
	s->state = aligned_alloc(64, state.used * sizeof *s->state);
	s->scratch = aligned_alloc(64, scratch.used * sizeof *s->scratch);
	if (!s->state || !s->scratch) {
		status = err_nomem(e);
		goto out;
	}
	memset(s->state, 0, state.used * sizeof *s->state);
	memset(s->scratch, 0, scratch.used * sizeof *s->scratch);
	state = (struct arena){.block = s->state};
	scratch = (struct arena){.block = s->scratch};
	fit_layout(&s->fit, &state, &scratch);
	fit_start(&s->fit, 0);
out:
	if (status)
		stepper_release(s);
	return status;
}

void
stepper_release(struct stepper *s)
{
	free(s->fit.own);
	free(s->index);
	free(s->state);
	free(s->scratch);
	memset(s, 0, sizeof *s);
}

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct duration
stepper_run(struct stepper *s, size_t steps, int threads)
{
	struct duration d = {.wall = seconds(CLOCK_MONOTONIC), .cpu = seconds(CLOCK_PROCESS_CPUTIME_ID)};
	struct train_terms terms;

	s->fit.threads = threads;
	for (size_t i = 0; i < steps; i++)
		fit_step(&s->fit, &terms);
	d.wall = seconds(CLOCK_MONOTONIC) - d.wall;
	d.cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - d.cpu;
	return d;
}

size_t
stepper_steps(struct stepper *s, double wanted, int threads)
{
	size_t steps = 1;

	stepper_run(s, 1, threads); /* pages, caches, threads */
	for (;; steps *= 2) {
		double took = stepper_run(s, steps, threads).wall;

		if (took >= wanted / 4 || took >= 0.1) {
			double n = wanted / took * (double)steps;

			return n < 1 ? 1 : (size_t)n;
		}
	}
}

bool
stepper_sane(const struct stepper *s)
{
	return kernel_finite(s->fit.trained, fit_size(&s->fit));
}

static double
products(size_t n_in, const struct layer_sizes *hidden, size_t n_out)
{
	double sum = 0;

	for (size_t l = 0; l < hidden->n; l++) {
		sum += (double)(n_in * hidden->size[l]);
		n_in = hidden->size[l];
	}
	return sum + (double)(n_in * n_out);
}

struct arithmetic
stepper_arithmetic(const struct stepper *s)
{
	const struct params *p = &s->params;
	size_t d = s->data.rows->d;
	double energy = products(d, &p->hidden_layers, s->data.n_classes);
	double generator = products(p->noise_dim, &p->generator_layers, d);
	double n = (double)p->batch_size, labelled = (double)p->labelled_batch_size;
	/* Data rows 6 passes, generated rows 3, the generator's step 2; labelled rows 3. Of the generator: 3 for the
	 * sample; 2 for eta and S for the posterior, or one backward and one forward without samples. */
	double estimate = p->posterior == POSTERIOR_IMPORTANCE ? 2 + (double)p->importance_samples : 2;
	double multiplied = (11 * n + 3 * labelled) * energy + (3 + estimate) * n * generator;
	/* The backward passes that end in gradients of the weights need none of the rows, or of the noise. */
	double spared = (2 * n + labelled) * (double)(d * p->hidden_layers.size[0]) +
			n * (double)(p->noise_dim * p->generator_layers.size[0]);

	return (struct arithmetic){.passes = 2 * multiplied, .needed = 2 * (multiplied - spared)};
}

/* ---- Memory and settings ------------------------------------------------------------------------------------ */

void
peak_reset(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "5", 1) != 1)
		fputs("note: peaks of memory are those of the run so far\n", stderr);
	close(fd);
}

double
peak_resident(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_maxrss * 1024;
}

double
setting(const char *name, double def, double min, double max)
{
	const char *text = getenv(name);
	char *end;
	double v;

	if (!text || !*text)
		return def;
	v = strtod(text, &end);
	if (*end || !(v >= min && v <= max)) {
		fprintf(stderr, "%s=%s is no number from %g to %g\n", name, text, min, max);
		exit(2);
	}
	return v;
}
