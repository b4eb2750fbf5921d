/*
 * bench_train: how fast a VERA-JEM step is, beside the processor's matrix multiplication and beside PyTorch.
 *
 * For each shape, in every repetition, one after the other: a large sgemm, this program's steps with one thread and
 * with two, the same step of torch_step.py with as many, and this program's without importance samples (posterior
 * gauss_newton), in float32 and, where there are units for it, in bfloat16. So what else the machine does falls on all
 * alike, and ratios are taken within a repetition; their median and spread over the repetitions are what is printed.
 * Without PyTorch its columns stay empty. Memory: bytes asked of malloc in a step (allocations.h), and the peak that is
 * resident. At the end, what was aimed at and what is.
 *
 * SHAPES=NAMES  of those below, "d523b64 defaults"  REPS=N     repetitions, 7
 * SECONDS=S     of each measurement, 0.5            PYTHON=P   an interpreter with torch, /usr/bin/python3
 * Writes OUT/train.json. The only <cblas.h> outside the engine, for the yardstick.
 */
#include <cblas.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/kernel.h"
#include "server/json_build.h"
#include "tests/bench/allocations.h"
#include "tests/bench/stepper.h"

enum { N_ROWS = 10000, MAX_THREADS = 2, PEAK_SIZE = 2048 };

/* ---- Shapes ------------------------------------------------------------------------------------------------- */

struct shape {
	const char *name;
	size_t d, n_classes, batch;
	bool paper; /* the networks of the paper; else those of the defaults */
};

static const struct shape shapes[] = {
	{"d15b64", 15, 2, 64, true},
	{"d15b200", 15, 2, 200, true},
	{"d174b64", 174, 7, 64, true},
	{"d174b200", 174, 7, 200, true},
	{"d523b64", 523, 6, 64, true},
	{"d523b200", 523, 6, 200, true},
	{"d784b64", 784, 10, 64, true},
	{"d784b200", 784, 10, 200, true},
	{"defaults", 64, 10, 64, false},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* Of the step that PyTorch makes, too: with importance samples. */
static struct params
params_of(const struct shape *s)
{
	struct params p;

	params_defaults(&p);
	p.method = METHOD_VERA;
	p.posterior = POSTERIOR_IMPORTANCE;
	p.batch_size = p.labelled_batch_size = s->batch;
	if (s->paper) {
		p.hidden_layers = (struct layer_sizes){.n = 6, .size = {1000, 500, 500, 250, 250, 250}};
		p.generator_layers = (struct layer_sizes){.n = 3, .size = {500, 500, 500}};
		p.noise_dim = 128;
		p.importance_samples = 20;
		p.learning_rate = p.generator_learning_rate = 1e-4;
	} else {
		p.hidden_layers = (struct layer_sizes){.n = 3, .size = {256, 256, 256}};
		p.generator_layers = (struct layer_sizes){.n = 2, .size = {256, 256}};
		p.noise_dim = 32;
		p.importance_samples = 4;
	}
	return p;
}

/* Is it in SHAPES, a list of names? */
static bool
chosen(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	if (!list || !*list)
		return true;
	for (const char *at = list; *at; at += len + (at[len] != '\0')) {
		len = strcspn(at, " ,");
		if (len == n && memcmp(at, name, n) == 0)
			return true;
	}
	return false;
}

/* ---- PyTorch, on the other end of two pipes ----------------------------------------------------------------- */

struct torch {
	pid_t pid; /* 0: none */
	FILE *ask, *answer;
	char version[32];
};

/* Its threads spin for a while after each step: it stands still but when it is asked. */
static void
torch_signal(const struct torch *t, int signal_number)
{
	if (t->pid)
		kill(t->pid, signal_number);
}

/* The answer to a line, or to none (NULL); owned; NULL where it does not come, and then the child is given up. */
static cJSON *
torch_ask(struct torch *t, char *line)
{
	char *reply = NULL;
	size_t cap = 0;
	cJSON *json = NULL;

	torch_signal(t, SIGCONT);
	if (t->pid && (!line || (fprintf(t->ask, "%s\n", line) > 0 && fflush(t->ask) == 0)) &&
		getline(&reply, &cap, t->answer) > 0)
		json = cJSON_Parse(reply);
	free(reply);
	if (!json && t->pid) {
		fclose(t->ask);
		fclose(t->answer);
		waitpid(t->pid, NULL, 0);
		*t = (struct torch){0};
	}
	torch_signal(t, SIGSTOP);
	return json;
}

static double
number_of(const cJSON *json, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/*
 * A process for each number of threads: PyTorch, OpenMP and the BLAS each have a number of their own, and only the
 * environment at their start sets them all.
 */
static void
torch_start(struct torch *t, int threads)
{
	const char *python = getenv("PYTHON") && *getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3";
	char omp[32], blas[32], interpreter[1024], count[8], script[] = "tests/bench/torch_step.py", env[] = "env";
	char *argv[] = {env, omp, blas, interpreter, script, count, NULL};
	int down[2] = {-1, -1}, up[2] = {-1, -1};
	posix_spawn_file_actions_t actions;
	cJSON *hello;

	*t = (struct torch){0};
	snprintf(omp, sizeof omp, "OMP_NUM_THREADS=%d", threads);
	snprintf(blas, sizeof blas, "OPENBLAS_NUM_THREADS=%d", threads);
	snprintf(interpreter, sizeof interpreter, "%s", python);
	snprintf(count, sizeof count, "%d", threads);
	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC)) {
		perror("pipe");
		exit(1);
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
	if (posix_spawnp(&t->pid, "env", &actions, NULL, argv, environ))
		t->pid = 0;
	posix_spawn_file_actions_destroy(&actions);
	close(down[0]);
	close(up[1]);
	t->ask = fdopen(down[1], "w");
	t->answer = fdopen(up[0], "r");
	if (!t->ask || !t->answer) {
		perror("fdopen");
		exit(1);
	}
	if ((hello = torch_ask(t, NULL))) {
		const cJSON *version = cJSON_GetObjectItemCaseSensitive(hello, "torch");

		snprintf(t->version, sizeof t->version, "%s", cJSON_IsString(version) ? version->valuestring : "");
	}
	cJSON_Delete(hello);
}

static void
torch_stop(struct torch *t)
{
	if (!t->pid)
		return;
	torch_signal(t, SIGCONT);
	fclose(t->ask); /* the end of its input is the end of it */
	fclose(t->answer);
	waitpid(t->pid, NULL, 0);
	*t = (struct torch){0};
}

static void
put_sizes(struct json_build *b, cJSON *to, const char *name, const struct layer_sizes *sizes)
{
	cJSON *array = json_put_array(b, to, name);

	for (size_t l = 0; l < sizes->n; l++)
		json_add_number(b, array, (double)sizes->size[l]);
}

static void
put_shape(struct json_build *b, cJSON *to, const struct params *p, const struct shape *s)
{
	json_put_count(b, to, "d", s->d);
	json_put_count(b, to, "k", s->n_classes);
	json_put_count(b, to, "z", p->noise_dim);
	json_put_count(b, to, "batch", p->batch_size);
	json_put_count(b, to, "labelled", p->labelled_batch_size);
	json_put_count(b, to, "samples", p->importance_samples);
	put_sizes(b, to, "hidden", &p->hidden_layers);
	put_sizes(b, to, "generator", &p->generator_layers);
	json_put_count(b, to, "rows", N_ROWS);
}

static void
torch_shape(struct torch *t, const struct params *p, const struct shape *s)
{
	struct json_build b = {0};
	cJSON *root = json_object(&b);
	char *line = NULL;
	struct err e;

	put_shape(&b, json_put_object(&b, root, "shape"), p, s);
	if (json_finish(&b, root, &line, &e) == OK)
		cJSON_Delete(torch_ask(t, line));
	free(line);
}

/* NaN: there is no PyTorch. */
static struct duration
torch_run(struct torch *t, size_t steps)
{
	struct duration d;
	char line[64];
	cJSON *json;

	snprintf(line, sizeof line, "{\"steps\": %zu}", steps);
	json = torch_ask(t, line);
	d = (struct duration){.wall = number_of(json, "wall"), .cpu = number_of(json, "cpu")};
	cJSON_Delete(json);
	return d;
}

static double
torch_resident(struct torch *t)
{
	char line[] = "{\"steps\": 0}";
	cJSON *json = torch_ask(t, line);
	double v = number_of(json, "rss");

	cJSON_Delete(json);
	return v;
}

/* As stepper_steps. */
static size_t
torch_steps(struct torch *t, double wanted)
{
	torch_run(t, 1);
	for (size_t steps = 1;; steps *= 2) {
		double took = torch_run(t, steps).wall, n = wanted / took * (double)steps;

		if (isnan(took))
			return 0;
		if (took >= wanted / 4 || took >= 0.1)
			return n < 1 ? 1 : (size_t)n;
	}
}

/* ---- Measuring ---------------------------------------------------------------------------------------------- */

/* GFLOP/s of one thread at a large square product. */
static double
sgemm_peak(const float *a, const float *b, float *c)
{
	struct timespec from, to;
	const blasint n = PEAK_SIZE;

	clock_gettime(CLOCK_MONOTONIC, &from);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, n, 1, a, n, b, n, 0, c, n);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return 2.0 * n * n * n / ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec));
}

struct side { /* of one number of threads; milliseconds a step */
	struct series wall, cpu;
	size_t steps; /* of each measurement */
};

/* The step without importance samples, in each precision. */
enum quick { QUICK_FLOAT32, QUICK_BF16, N_QUICK };
static const char *const quick_names[N_QUICK] = {"no samples", "and bf16"};

struct variant {
	struct stepper stepper;
	struct side side[MAX_THREADS];
	struct series ratio[MAX_THREADS]; /* of PyTorch's time, with samples, over its own */
	struct series limit;              /* the ratio of one thread, were there nothing but products at sgemm's rate */
	struct series speed_up;           /* of two threads over one */
};

struct result {
	const struct shape *shape;
	struct arithmetic arithmetic;
	struct series peak; /* GFLOP/s of one thread */
	struct side verad[MAX_THREADS], torch[MAX_THREADS];
	struct variant quick[N_QUICK];
	struct series gflops[MAX_THREADS], share[MAX_THREADS], share_needed[MAX_THREADS];
	struct series ratio[MAX_THREADS], ratio_cpu[MAX_THREADS], ratio_best[MAX_THREADS], limit;
	struct series speed_up;    /* of two threads over one */
	double allocated, by_blas; /* bytes a step, of all steps measured */
	double resident, torch_resident;
};

struct bench {
	size_t reps;
	double seconds;
	int max_threads, n_quick; /* N_QUICK, or without the last */
	struct torch torch[MAX_THREADS];
	float *a, *b, *c; /* of the yardstick */
};

static double
add_side(struct side *s, struct duration d)
{
	if (isnan(d.wall))
		return d.wall;
	series_add(&s->wall, d.wall / (double)s->steps * 1e3);
	series_add(&s->cpu, d.cpu / (double)s->steps * 1e3);
	return d.wall / (double)s->steps;
}

static void
add_ratio(struct series *s, double ratio)
{
	if (isfinite(ratio))
		series_add(s, ratio);
}

/* Seconds of a step that makes only the products it needs, all at the rate of the large one. */
static double
at_peak(const struct stepper *s, double peak)
{
	return stepper_arithmetic(s).needed * 1e-9 / peak;
}

static void
repeat(struct bench *b, struct stepper *steps, struct result *r)
{
	double peak = sgemm_peak(b->a, b->b, b->c), first = 0, best = (double)INFINITY, verad[MAX_THREADS];
	double quick_first[N_QUICK] = {0};

	series_add(&r->peak, peak);
	for (int i = 0; i < b->max_threads; i++) {
		struct allocations before = allocations_so_far(), after;
		struct duration mine = stepper_run(steps, r->verad[i].steps, i + 1), theirs;
		double t, t_torch;

		after = allocations_so_far();
		r->allocated += (double)(after.bytes - before.bytes);
		r->by_blas += (double)(after.blas_bytes - before.blas_bytes);
		verad[i] = t = add_side(&r->verad[i], mine);
		first = i ? first : t;
		series_add(&r->gflops[i], r->arithmetic.passes / t * 1e-9);
		series_add(&r->share[i], r->arithmetic.passes / t * 1e-9 / (peak * (i + 1)));
		series_add(&r->share_needed[i], r->arithmetic.needed / t * 1e-9 / (peak * (i + 1)));
		if (i == 1)
			series_add(&r->speed_up, first / t);

		theirs = r->torch[i].steps ? torch_run(&b->torch[i], r->torch[i].steps)
					   : (struct duration){.wall = (double)NAN, .cpu = (double)NAN};
		t_torch = add_side(&r->torch[i], theirs);
		best = t_torch < best ? t_torch : best;
		for (int j = 0; j < b->n_quick; j++) {
			struct variant *v = &r->quick[j];
			double t_quick = add_side(&v->side[i], stepper_run(&v->stepper, v->side[i].steps, i + 1));

			quick_first[j] = i ? quick_first[j] : t_quick;
			add_ratio(&v->ratio[i], t_torch / t_quick);
			if (i == 0)
				add_ratio(&v->limit, t_torch / at_peak(&v->stepper, peak));
			if (i == 1)
				series_add(&v->speed_up, quick_first[j] / t_quick);
		}
		add_ratio(&r->ratio[i], t_torch / t);
		if (i == 0)
			add_ratio(&r->limit, t_torch / at_peak(steps, peak));
		add_ratio(&r->ratio_cpu[i],
			theirs.cpu / (double)r->torch[i].steps / (mine.cpu / (double)r->verad[i].steps));
	}
	for (int i = 0; i < b->max_threads; i++)
		add_ratio(&r->ratio_best[i], best / verad[i]);
}

static enum status
measure(struct bench *b, const struct shape *shape, struct result *r, struct err *e)
{
	struct params params = params_of(shape), quick_params = params;
	struct rows rows = {0};
	struct stepper steps = {0};
	struct train_data data = {.rows = &rows, .n_classes = shape->n_classes};
	int32_t *label = NULL;
	size_t n_steps = 0;
	bool sane;
	enum status s;

	*r = (struct result){.shape = shape};
	peak_reset();
	if ((s = stepper_table(&rows, &label, N_ROWS, shape->d, shape->n_classes, e)))
		goto out;
	data.label = label;
	if ((s = stepper_init(&steps, &params, &data, N_ROWS, e)))
		goto out;
	quick_params.posterior = POSTERIOR_GAUSS_NEWTON;
	for (int j = 0; j < b->n_quick; j++) {
		quick_params.precision = j == QUICK_BF16 ? PRECISION_BF16 : PRECISION_FLOAT32;
		if ((s = stepper_init(&r->quick[j].stepper, &quick_params, &data, N_ROWS, e)))
			goto out;
	}
	r->arithmetic = stepper_arithmetic(&steps);
	for (int i = 0; i < b->max_threads; i++) {
		r->verad[i].steps = stepper_steps(&steps, b->seconds, i + 1);
		for (int j = 0; j < b->n_quick; j++)
			r->quick[j].side[i].steps = stepper_steps(&r->quick[j].stepper, b->seconds, i + 1);
		torch_shape(&b->torch[i], &params, shape);
		r->torch[i].steps = torch_steps(&b->torch[i], b->seconds);
		n_steps += r->verad[i].steps * b->reps;
	}
	for (size_t i = 0; i < b->reps; i++)
		repeat(b, &steps, r);
	r->allocated /= (double)n_steps;
	r->by_blas /= (double)n_steps;
	r->resident = peak_resident();
	r->torch_resident = torch_resident(&b->torch[0]);
	sane = stepper_sane(&steps);
	for (int j = 0; j < b->n_quick; j++)
		sane = sane && stepper_sane(&r->quick[j].stepper);
	if (!sane)
		s = err_set(e, ERR_DIVERGED, "diverged", "the weights are not finite any more: no step to be timed");
out:
	stepper_release(&steps);
	for (int j = 0; j < N_QUICK; j++)
		stepper_release(&r->quick[j].stepper);
	rows_release(&rows);
	free(label);
	return s;
}

/* ---- What is said of it ------------------------------------------------------------------------------------- */

static void
print_cell(const struct series *s, const char *format, const char *empty)
{
	if (s->n)
		printf(format, series_median(s));
	else
		fputs(empty, stdout);
}

/* Half the distance of the quartiles, in percent of the median. */
static double
spread(const struct series *s)
{
	return (series_quantile(s, 0.75) - series_quantile(s, 0.25)) / 2 / series_median(s) * 100;
}

static void
print_head(void)
{
	printf("%-9s %7s %8s %15s %8s %8s %9s %15s %7s %8s %8s\n", "shape", "threads", "steps/s", "ms a step",
		"GFLOP/s", "of peak", "(needed)", "PyTorch ms", "ratio", "to best", "speed-up");
}

static void
print_result(const struct result *r, int max_threads)
{
	for (int i = 0; i < max_threads; i++) {
		const struct series *mine = &r->verad[i].wall, *theirs = &r->torch[i].wall;

		printf("%-9s %7d %8.1f %8.3f ±%4.1f%% %8.1f %7.0f%% %8.0f%%", r->shape->name, i + 1,
			1e3 / series_median(mine), series_median(mine), spread(mine), series_median(&r->gflops[i]),
			100 * series_median(&r->share[i]), 100 * series_median(&r->share_needed[i]));
		if (theirs->n)
			printf(" %8.3f ±%4.1f%%", series_median(theirs), spread(theirs));
		else
			printf(" %15s", "-");
		print_cell(&r->ratio[i], " %6.2fx", "       -");
		print_cell(&r->ratio_best[i], " %7.2fx", "        -");
		if (i)
			print_cell(&r->speed_up, " %7.2fx", "        -");
		putchar('\n');
	}
	for (int j = 0; j < N_QUICK; j++)
		for (int i = 0; i < max_threads && r->quick[j].side[i].wall.n; i++) {
			const struct variant *v = &r->quick[j];
			const struct series *quick = &v->side[i].wall;

			printf("  %-10s %4d %8.1f %8.3f ±%4.1f%% %44s", quick_names[j], i + 1,
				1e3 / series_median(quick), series_median(quick), spread(quick), "");
			print_cell(&v->ratio[i], " %6.2fx", "       -");
			if (i)
				print_cell(&v->speed_up, " %16.2fx", "                -");
			putchar('\n');
		}
	printf("          sgemm of one thread %.1f GFLOP/s; allocated in a step: %.0f bytes, by the BLAS %.0f; peak "
	       "resident "
	       "%.0f MB",
		series_median(&r->peak), r->allocated, r->by_blas, r->resident * 1e-6);
	if (isfinite(r->torch_resident))
		printf(" (PyTorch, over all shapes so far: %.0f MB)", r->torch_resident * 1e-6);
	putchar('\n');
	fflush(stdout);
}

static void
put_series(struct json_build *b, cJSON *to, const char *name, const struct series *s)
{
	cJSON *o = json_put_object(b, to, name), *all;

	json_put_number(b, o, "median", series_median(s));
	json_put_number(b, o, "quartile_1", series_quantile(s, 0.25));
	json_put_number(b, o, "quartile_3", series_quantile(s, 0.75));
	all = json_put_array(b, o, "sorted");
	for (size_t i = 0; i < s->n; i++)
		json_add_number(b, all, s->v[i]);
}

static void
put_result(struct json_build *b, cJSON *array, const struct result *r, int max_threads)
{
	struct params p = params_of(r->shape);
	cJSON *o = json_add_object(b, array), *threads;

	json_put_text(b, o, "name", r->shape->name);
	put_shape(b, json_put_object(b, o, "shape"), &p, r->shape);
	json_put_number(b, o, "gflop_by_passes", r->arithmetic.passes * 1e-9);
	json_put_number(b, o, "gflop_needed", r->arithmetic.needed * 1e-9);
	put_series(b, o, "sgemm_gflops", &r->peak);
	json_put_number(b, o, "allocated_bytes_per_step", r->allocated);
	json_put_number(b, o, "allocated_bytes_per_step_by_blas", r->by_blas);
	json_put_number(b, o, "peak_resident_bytes", r->resident);
	json_put_number(b, o, "torch_peak_resident_bytes", r->torch_resident);
	put_series(b, o, "limit_of_the_ratio", &r->limit);
	put_series(b, o, "limit_of_the_ratio_without_samples", &r->quick[QUICK_FLOAT32].limit);
	put_series(b, o, "speed_up_of_two_threads", &r->speed_up);
	put_series(b, o, "speed_up_of_two_threads_without_samples", &r->quick[QUICK_FLOAT32].speed_up);
	put_series(b, o, "speed_up_of_two_threads_in_bf16", &r->quick[QUICK_BF16].speed_up);
	threads = json_put_array(b, o, "threads");
	for (int i = 0; i < max_threads; i++) {
		cJSON *t = json_add_object(b, threads);

		json_put_count(b, t, "threads", (size_t)i + 1);
		put_series(b, t, "ms", &r->verad[i].wall);
		put_series(b, t, "cpu_ms", &r->verad[i].cpu);
		put_series(b, t, "gflops", &r->gflops[i]);
		put_series(b, t, "share_of_sgemm", &r->share[i]);
		put_series(b, t, "share_of_sgemm_needed", &r->share_needed[i]);
		put_series(b, t, "ms_without_samples", &r->quick[QUICK_FLOAT32].side[i].wall);
		put_series(b, t, "ratio_without_samples", &r->quick[QUICK_FLOAT32].ratio[i]);
		put_series(b, t, "ms_in_bf16", &r->quick[QUICK_BF16].side[i].wall);
		put_series(b, t, "ratio_in_bf16", &r->quick[QUICK_BF16].ratio[i]);
		put_series(b, t, "torch_ms", &r->torch[i].wall);
		put_series(b, t, "torch_cpu_ms", &r->torch[i].cpu);
		put_series(b, t, "ratio", &r->ratio[i]);
		put_series(b, t, "ratio_of_cpu_time", &r->ratio_cpu[i]);
		put_series(b, t, "ratio_to_best_of_torch", &r->ratio_best[i]);
	}
}

/* ---- What was aimed at -------------------------------------------------------------------------------------- */

enum value { VALUE_SHARE, VALUE_RATIO, VALUE_QUICK_RATIO, VALUE_BF16_RATIO, VALUE_SPEED_UP };

struct target { /* of the paper's networks: the least median over the shapes it is for is to be `wanted` at least */
	const char *name;
	enum value value;
	size_t batch, d; /* 0: any */
	double wanted;
};

static const struct target targets[] = {
	{"share of sgemm's rate, batch 200", VALUE_SHARE, 200, 0, 0.8},
	{"share of sgemm's rate, batch 64", VALUE_SHARE, 64, 0, 0.65},
	{"PyTorch's time over verad's, one thread, batch 200", VALUE_RATIO, 200, 0, 1.8},
	{"PyTorch's time over verad's, one thread, batch 64", VALUE_RATIO, 64, 0, 2},
	{"PyTorch's time over verad's, one thread, 15 columns", VALUE_RATIO, 0, 15, 2.5},
	{"the same, verad without samples, batch 64", VALUE_QUICK_RATIO, 64, 0, 4},
	{"the same, and in bfloat16, batch 64", VALUE_BF16_RATIO, 64, 0, 8},
	{"two threads over one, with samples", VALUE_SPEED_UP, 0, 0, 1.8},
};
enum { N_TARGETS = sizeof targets / sizeof *targets };

static const struct series *
value_of(const struct result *r, enum value value)
{
	switch (value) {
	case VALUE_SHARE:
		return &r->share[0];
	case VALUE_RATIO:
		return &r->ratio[0];
	case VALUE_QUICK_RATIO:
		return &r->quick[QUICK_FLOAT32].ratio[0];
	case VALUE_BF16_RATIO:
		return &r->quick[QUICK_BF16].ratio[0];
	default:
		return &r->speed_up;
	}
}

/* What the ratio would be were all products made at the rate of the large sgemm; NULL: of no such value. */
static const struct series *
limit_of(const struct result *r, enum value value)
{
	return value == VALUE_RATIO ? &r->limit : value == VALUE_QUICK_RATIO ? &r->quick[QUICK_FLOAT32].limit : NULL;
}

/* NaN where no shape that it is for was measured. */
static double
reached(const struct target *t, const struct result *r, size_t n, const struct result **at)
{
	double least = (double)NAN;

	for (size_t i = 0; i < n; i++) {
		const struct shape *s = r[i].shape;
		double v = series_median(value_of(&r[i], t->value));

		if (s->paper && (!t->batch || s->batch == t->batch) && (!t->d || s->d == t->d) && isfinite(v) &&
			!(v >= least)) {
			least = v;
			*at = &r[i];
		}
	}
	return least;
}

static void
print_targets(const struct result *r, size_t n)
{
	double allocated = 0;

	puts("\nAimed at, with the paper's networks; what the worst shape has:");
	for (size_t i = 0; i < N_TARGETS; i++) {
		const struct result *at = NULL;
		double v = reached(&targets[i], r, n, &at);

		if (!at) {
			printf("  %-52s %5.2f  not measured\n", targets[i].name, targets[i].wanted);
			continue;
		}
		printf("  %-52s %5.2f  %5.2f at %-8s  %-6s", targets[i].name, targets[i].wanted, v, at->shape->name,
			v >= targets[i].wanted ? "met" : "MISSED");
		if (limit_of(at, targets[i].value))
			printf("  %.2f were all its products made at sgemm's rate",
				series_median(limit_of(at, targets[i].value)));
		putchar('\n');
	}
	for (size_t i = 0; i < n; i++)
		allocated = r[i].allocated > allocated ? r[i].allocated : allocated;
	printf("  %-52s %5d  %5.0f              %s\n", "bytes allocated in a step", 0, allocated,
		allocated > 0 ? "MISSED" : "met");
}

static void
put_targets(struct json_build *b, cJSON *array, const struct result *r, size_t n)
{
	for (size_t i = 0; i < N_TARGETS; i++) {
		cJSON *o = json_add_object(b, array);
		const struct result *at = NULL;

		json_put_text(b, o, "name", targets[i].name);
		json_put_number(b, o, "wanted", targets[i].wanted);
		json_put_number(b, o, "reached", reached(&targets[i], r, n, &at));
		json_put_text(b, o, "shape", at ? at->shape->name : NULL);
	}
}

static enum status
write_json(const struct bench *b, const struct result *r, size_t n, struct err *e)
{
	const char *folder = getenv("OUT") && *getenv("OUT") ? getenv("OUT") : ".";
	struct json_build build = {0};
	cJSON *root = json_object(&build), *array;
	double load[3] = {0};
	char path[1024], *text = NULL;
	FILE *file = NULL;
	enum status s;

	if (getloadavg(load, 3) < 0)
		load[0] = (double)NAN;
	json_put_text(&build, root, "blas_core", kernel_blas_core());
	json_put_text(&build, root, "torch", b->torch[0].pid ? b->torch[0].version : NULL);
	json_put_count(&build, root, "repetitions", b->reps);
	json_put_number(&build, root, "load_average", load[0]);
	array = json_put_array(&build, root, "shapes");
	for (size_t i = 0; i < n; i++)
		put_result(&build, array, &r[i], b->max_threads);
	put_targets(&build, json_put_array(&build, root, "targets"), r, n);
	if ((s = json_finish(&build, root, &text, e)))
		return s;
	snprintf(path, sizeof path, "%s/train.json", folder);
	file = fopen(path, "w");
	if (!file || fprintf(file, "%s\n", text) < 0)
		s = err_set(e, ERR_IO, "io", "%s cannot be written", path);
	if (file && fclose(file) && !s)
		s = err_set(e, ERR_IO, "io", "%s cannot be written", path);
	if (!s)
		printf("\nwritten: %s\n", path);
	free(text);
	return s;
}

int
main(void)
{
	static struct result result[N_SHAPES];
	struct bench b = {
		.reps = (size_t)setting("REPS", 7, 1, SERIES_MAX), .seconds = setting("SECONDS", 0.5, 0, 600)};
	const char *list = getenv("SHAPES");
	long n_processors = sysconf(_SC_NPROCESSORS_ONLN);
	double load;
	const size_t n_peak = (size_t)PEAK_SIZE * PEAK_SIZE;
	size_t n = 0;
	struct err e = {0};
	enum status s;

	signal(SIGPIPE, SIG_IGN);
	b.max_threads = n_processors < MAX_THREADS ? 1 : MAX_THREADS;
	if ((s = kernel_init(&e)))
		goto out;
	b.n_quick = kernel_narrow_available() ? N_QUICK : QUICK_BF16;
	b.a = calloc(n_peak, sizeof *b.a);
	b.b = calloc(n_peak, sizeof *b.b);
	b.c = calloc(n_peak, sizeof *b.c);
	if (!b.a || !b.b || !b.c) {
		s = err_nomem(&e);
		goto out;
	}
	for (size_t i = 0; i < n_peak; i++)
		b.a[i] = b.b[i] = (float)(i % 17) / 17;
	for (int i = 0; i < b.max_threads; i++)
		torch_start(&b.torch[i], i + 1);
	printf("VERA-JEM steps, float32, %s; %zu repetitions of %.2f s; median and half the distance of the "
	       "quartiles\n",
		kernel_blas_core(), b.reps, b.seconds);
	if (getloadavg(&load, 1) == 1 && load > 0.5)
		printf("the machine is busy (load average %.1f): times are long, two threads wait for each other\n",
			load);
	if (b.torch[0].pid)
		printf("beside them PyTorch %s with as many threads, in turns\n\n", b.torch[0].version);
	else
		printf("no PyTorch here (deploy/setup.sh torch installs Debian's): without it\n\n");
	print_head();
	for (size_t i = 0; i < N_SHAPES && !s; i++)
		if (chosen(list, shapes[i].name)) {
			s = measure(&b, &shapes[i], &result[n], &e);
			if (!s)
				print_result(&result[n++], b.max_threads);
		}
	if (!s && !n)
		s = err_set(&e, ERR_INVALID, "unknown_shape", "SHAPES=%s has none of the shapes' names", list);
	if (!s) {
		print_targets(result, n);
		s = write_json(&b, result, n, &e);
	}
out:
	for (int i = 0; i < b.max_threads; i++)
		torch_stop(&b.torch[i]);
	free(b.a);
	free(b.b);
	free(b.c);
	if (s)
		fprintf(stderr, "bench_train: %s\n", e.msg);
	return s != OK;
}
