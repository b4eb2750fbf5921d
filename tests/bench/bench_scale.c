/*
 * bench_scale: what a training step costs as the table and the networks grow, and what memory a large table takes.
 *
 * Memory first, each way in a child of its own, whose peak is its own: MEMORY_ROWS x 28 columns through the trainer,
 * the rows written straight into it; and the same through server/training, chunk after chunk as the store would give
 * them, encoder and all. Allowed are one and a half times the encoded rows and 200 MB. Then a vera step, one size
 * varied at a time: rows, columns, batch, width of the networks. All else is as the defaults have it.
 *
 * REPS=N  repetitions, 5   SECONDS=S  of each measurement, 0.3   MEMORY_ROWS=N  5000000
 * Writes OUT/scale.json and OUT/scale.svg. Fails when the memory is over what is allowed.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/kernel.h"
#include "server/json_build.h"
#include "server/training.h"
#include "tests/bench/plot.h"
#include "tests/bench/stepper.h"

enum { N_COLUMNS = 28, N_CLASSES = 2, LABELLED_EVERY = 100, MAX_THREADS = 2, MEMORY_STEPS = 100 };
enum { CURVE_ROWS, CURVE_COLUMNS, CURVE_BATCH, CURVE_WIDTH, N_CURVES };

#define ALLOWED_FACTOR 1.5
#define ALLOWED_EXTRA 200e6

/* ---- Memory ------------------------------------------------------------------------------------------------- */

static enum status
finish(struct trainer *t, struct err *e)
{
	struct train_result result = {0};
	enum status s = OK;

	while (!s && !trainer_done(t))
		s = trainer_step(t, e);
	if (!s)
		s = trainer_finish(t, &result, e);
	train_result_release(&result);
	return s;
}

static struct params
memory_params(void)
{
	struct params p;

	params_defaults(&p);
	p.steps = MEMORY_STEPS;
	return p;
}

static enum status
train_rows(size_t n, int threads, struct err *e)
{
	struct params p = memory_params();
	struct rows rows = {0};
	struct trainer *trainer = NULL;
	int32_t *label = NULL;
	unsigned char *held_out = NULL;
	size_t n_held_out, n_labelled = 0;
	struct train_data data = {.rows = &rows, .n_classes = N_CLASSES};
	enum status s;

	if ((s = stepper_table(&rows, &label, n, N_COLUMNS, N_CLASSES, e)))
		return s;
	held_out = calloc(n, sizeof *held_out);
	if (!held_out) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		label[i] = i / N_CLASSES % LABELLED_EVERY ? -1 : label[i];
	if ((s = split_holdout(label, n, N_CLASSES, p.holdout_fraction, p.seed, held_out, &n_held_out, e)))
		goto out;
	for (size_t i = 0; i < n; i++)
		n_labelled += label[i] >= 0 && !held_out[i];
	data.label = label;
	data.held_out = held_out;
	if ((s = params_resolve(&p, n - n_held_out, n_labelled, rows.d, N_CLASSES, e)) ||
		(s = trainer_new(&p, &data, threads, &trainer, e)))
		goto out;
	s = finish(trainer, e);
out:
	trainer_free(trainer);
	rows_release(&rows);
	free(label);
	free(held_out);
	return s;
}

/* The columns of the generated table, the label last. */
struct source {
	size_t n, n_chunk;
};

static void
column_name(char name[16], size_t column)
{
	snprintf(name, 16, column < N_COLUMNS ? "x%zu" : "label", column);
}

static enum status
read_chunk(void *ctx, size_t chunk, struct table *t, struct err *e)
{
	static const char *const labels[N_CLASSES] = {"background", "signal"};
	const struct source *source = ctx;
	size_t first = chunk * source->n_chunk, n;
	struct rng rng;
	real value[N_COLUMNS];
	enum status s = OK;

	if (first >= source->n)
		return err_set(e, ERR_NOT_FOUND, "not_found", "past the last chunk");
	n = source->n - first < source->n_chunk ? source->n - first : source->n_chunk;
	if ((s = table_reserve(t, n, e)))
		return s;
	rng_init(&rng, 2, chunk);
	for (size_t i = 0; i < n && !s; i++) {
		const char *label = labels[(first + i) % N_CLASSES];

		if ((s = table_add_row(t, e)))
			break;
		rng_normal(&rng, value, N_COLUMNS);
		for (size_t j = 0; j < N_COLUMNS; j++)
			table_set_number(t, j, i, (double)value[j]);
		if ((first + i) / N_CLASSES % LABELLED_EVERY == 0)
			s = table_set_text(t, N_COLUMNS, i, label, strlen(label), e);
	}
	return s;
}

static enum status
train_chunks(size_t n, int threads, struct err *e)
{
	static char name[N_COLUMNS + 1][16];
	char background[] = "background", signal[] = "signal";
	struct column_summary column[N_COLUMNS + 1] = {0};
	struct class_count classes[N_CLASSES] = {{.label = background}, {.label = signal}};
	struct source source = {.n = n, .n_chunk = INGEST_CHUNK_CELLS / (N_COLUMNS + 1)};
	const struct chunk_source chunks = {.read = read_chunk, .ctx = &source};
	struct dataset_summary summary = {
		.n_rows = n,
		.n_columns = N_COLUMNS + 1,
		.column = column,
		.label_column = N_COLUMNS,
		.n_classes = N_CLASSES,
		.classes = classes,
	};
	struct params p = memory_params();
	struct training *t = NULL;
	struct bundle *bundle = NULL;
	enum status s;

	for (size_t j = 0; j <= N_COLUMNS; j++) {
		column_name(name[j], j);
		column[j] = (struct column_summary){
			.name = name[j], .type = j < N_COLUMNS ? COLUMN_NUMBER : COLUMN_TEXT, .min = -6, .max = 6};
	}
	for (size_t i = 0; i < n; i++)
		if (i / N_CLASSES % LABELLED_EVERY == 0) {
			summary.n_labelled++;
			classes[i % N_CLASSES].count++;
		}
	summary.n_unlabelled = n - summary.n_labelled;
	if ((s = training_new(&summary, &chunks, &p, NULL, threads, &t, e)))
		return s;
	while (!s && !trainer_done(training_trainer(t)))
		s = trainer_step(training_trainer(t), e);
	if (!s)
		s = training_finish(t, &bundle, e);
	bundle_free(bundle);
	training_free(t);
	return s;
}

struct memory {
	const char *name, *way;
	enum status (*train)(size_t n, int threads, struct err *e);
	double resident, seconds; /* the peak of the child; its time of the processor */
};

/* In a child, so that the peak is that of this run alone. This process must be small before. */
static enum status
run_apart(struct memory *m, size_t n, int threads, struct err *e)
{
	struct rusage used;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return err_set(e, ERR_INTERNAL, "fork", "no child process can be made");
	if (pid == 0) {
		struct err failure = {0};
		enum status s = m->train(n, threads, &failure);

		if (s)
			fprintf(stderr, "bench_scale: %s: %s\n", m->way, failure.msg);
		_exit(s != OK);
	}
	if (wait4(pid, &status, 0, &used) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, ERR_INTERNAL, "child", "training %s failed", m->way);
	m->resident = (double)used.ru_maxrss * 1024;
	m->seconds = (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec;
	return OK;
}

/* ---- Curves ------------------------------------------------------------------------------------------------- */

struct curve {
	const char *name, *title, *x_label;
	size_t n, x[PLOT_MAX_POINTS];
};

static const struct curve curves[N_CURVES] = {
	[CURVE_ROWS] = {"rows", "Rows of the table", "rows", 8,
		{1000, 5000, 20000, 100000, 500000, 1000000, 2000000, 5000000}},
	[CURVE_COLUMNS] = {"columns", "Columns", "encoded features", 8, {4, 16, 32, 64, 128, 256, 512, 1024}},
	[CURVE_BATCH] = {"batch", "Batch", "rows of a batch", 7, {16, 32, 64, 128, 256, 512, 1024}},
	[CURVE_WIDTH] = {"width", "Width of both networks", "units of a hidden layer", 7,
		{16, 32, 64, 128, 256, 512, 1024}},
};

struct point {
	struct series ms;
	struct arithmetic arithmetic;
};

struct bench {
	size_t reps, memory_rows;
	double seconds;
	int max_threads;
	struct memory memory[2];
	struct point point[N_CURVES][PLOT_MAX_POINTS][MAX_THREADS];
};

static struct params
curve_params(int curve, size_t x)
{
	struct params p;

	params_defaults(&p);
	p.method = METHOD_VERA;
	p.hidden_layers = (struct layer_sizes){.n = 3, .size = {256, 256, 256}};
	p.generator_layers = (struct layer_sizes){.n = 2, .size = {256, 256}};
	p.noise_dim = 32;
	p.input_noise = 0.1;
	p.learning_rate = p.generator_learning_rate = 1e-4;
	if (curve == CURVE_BATCH)
		p.batch_size = p.labelled_batch_size = x;
	for (size_t l = 0; curve == CURVE_WIDTH && l < 3; l++) {
		p.hidden_layers.size[l] = x;
		p.generator_layers.size[l] = x;
	}
	return p;
}

/* All repetitions of a point; n_rows of the table take part. */
static enum status
measure(const struct bench *b, const struct params *p, const struct train_data *data, size_t n_rows,
	struct point out[MAX_THREADS], struct err *e)
{
	struct stepper stepper;
	size_t steps[MAX_THREADS];
	enum status s;

	if ((s = stepper_init(&stepper, p, data, n_rows, e)))
		return s;
	for (int i = 0; i < b->max_threads; i++) {
		steps[i] = stepper_steps(&stepper, b->seconds, i + 1);
		out[i].arithmetic = stepper_arithmetic(&stepper);
	}
	for (size_t r = 0; r < b->reps; r++)
		for (int i = 0; i < b->max_threads; i++)
			series_add(&out[i].ms, stepper_run(&stepper, steps[i], i + 1).wall / (double)steps[i] * 1e3);
	if (!stepper_sane(&stepper))
		s = err_set(e, ERR_DIVERGED, "diverged", "the weights are not finite any more: no step to be timed");
	stepper_release(&stepper);
	return s;
}

static enum status
draw_curve(struct bench *b, int curve, struct err *e)
{
	const struct curve *c = &curves[curve];
	struct rows rows = {0};
	struct train_data data = {.rows = &rows, .n_classes = N_CLASSES};
	int32_t *label = NULL;
	enum status s = OK;

	printf("\n%-10s", c->name);
	for (int t = 0; t < b->max_threads; t++)
		printf("  ms, %d thread%s  GFLOP/s", t + 1, t ? "s" : " ");
	putchar('\n');
	for (size_t i = 0; i < c->n && !s; i++) {
		struct params p = curve_params(curve, c->x[i]);
		struct point *at = b->point[curve][i];
		size_t n = curve == CURVE_ROWS ? c->x[c->n - 1] : 10000;

		/* One table for all points that differ in its rows alone. */
		if (i == 0 || curve == CURVE_COLUMNS) {
			rows_release(&rows);
			free(label);
			label = NULL;
			if ((s = stepper_table(
				     &rows, &label, n, curve == CURVE_COLUMNS ? c->x[i] : N_COLUMNS, N_CLASSES, e)))
				break;
			data.label = label;
		}
		if ((s = measure(b, &p, &data, curve == CURVE_ROWS ? c->x[i] : n, at, e)))
			break;
		printf("%-10zu", c->x[i]);
		for (int t = 0; t < b->max_threads; t++)
			printf("  %13.3f  %7.1f", series_median(&at[t].ms),
				at[t].arithmetic.passes / series_median(&at[t].ms) * 1e-6);
		putchar('\n');
		fflush(stdout);
	}
	rows_release(&rows);
	free(label);
	return s;
}

/* ---- What is written ---------------------------------------------------------------------------------------- */

static double
encoded_bytes(const struct bench *b)
{
	return (double)b->memory_rows * N_COLUMNS * sizeof(float);
}

static double
allowed_bytes(const struct bench *b)
{
	return ALLOWED_FACTOR * encoded_bytes(b) + ALLOWED_EXTRA;
}

static FILE *
open_output(const char *name, char path[1024])
{
	const char *folder = getenv("OUT") && *getenv("OUT") ? getenv("OUT") : ".";

	snprintf(path, 1024, "%s/%s", folder, name);
	return fopen(path, "w");
}

static enum status
close_output(FILE *file, const char *path, struct err *e)
{
	bool bad = !file || ferror(file);

	if ((file && fclose(file)) || bad)
		return err_set(e, ERR_IO, "io", "%s cannot be written", path);
	printf("written: %s\n", path);
	return OK;
}

static enum status
write_json(const struct bench *b, struct err *e)
{
	struct json_build build = {0};
	cJSON *root = json_object(&build), *memory, *o;
	char *text = NULL, path[1024];
	FILE *file;
	enum status s;

	json_put_text(&build, root, "blas_core", kernel_blas_core());
	memory = json_put_object(&build, root, "memory");
	json_put_count(&build, memory, "rows", b->memory_rows);
	json_put_count(&build, memory, "columns", N_COLUMNS);
	json_put_number(&build, memory, "encoded_bytes", encoded_bytes(b));
	json_put_number(&build, memory, "allowed_bytes", allowed_bytes(b));
	for (size_t i = 0; i < 2; i++)
		json_put_number(&build, memory, b->memory[i].name, b->memory[i].resident);
	for (int curve = 0; curve < N_CURVES; curve++) {
		cJSON *array = json_put_array(&build, root, curves[curve].name);

		for (size_t i = 0; i < curves[curve].n; i++)
			for (int t = 0; t < b->max_threads; t++) {
				const struct point *at = &b->point[curve][i][t];

				o = json_add_object(&build, array);
				json_put_count(&build, o, curves[curve].name, curves[curve].x[i]);
				json_put_count(&build, o, "threads", (size_t)t + 1);
				json_put_number(&build, o, "ms", series_median(&at->ms));
				json_put_number(&build, o, "quartile_1", series_quantile(&at->ms, 0.25));
				json_put_number(&build, o, "quartile_3", series_quantile(&at->ms, 0.75));
				json_put_number(&build, o, "gflop", at->arithmetic.passes * 1e-9);
			}
	}
	if ((s = json_finish(&build, root, &text, e)))
		return s;
	file = open_output("scale.json", path);
	if (file)
		fprintf(file, "%s\n", text);
	free(text);
	return close_output(file, path, e);
}

static enum status
write_plot(const struct bench *b, struct err *e)
{
	static const char *const names[MAX_THREADS] = {"1 thread", "2 threads"};
	static struct plot_panel panel[N_CURVES];
	char path[1024];
	FILE *file = open_output("scale.svg", path);

	for (int curve = 0; curve < N_CURVES; curve++) {
		const struct curve *c = &curves[curve];

		panel[curve] = (struct plot_panel){.title = c->title,
			.x_label = c->x_label,
			.y_label = "milliseconds a step",
			.n_series = (size_t)b->max_threads};
		for (int t = 0; t < b->max_threads; t++) {
			struct plot_series *series = &panel[curve].series[t];

			series->name = names[t];
			series->n = c->n;
			for (size_t i = 0; i < c->n; i++) {
				const struct series *ms = &b->point[curve][i][t].ms;

				series->point[i] = (struct plot_point){.x = (double)c->x[i],
					.low = series_quantile(ms, 0.25),
					.y = series_median(ms),
					.high = series_quantile(ms, 0.75)};
			}
		}
	}
	if (file)
		plot_write(file, "A step of method vera: 28 columns, batch 64, networks 256-256-256 and 32-256-256",
			panel, N_CURVES, 2);
	return close_output(file, path, e);
}

int
main(void)
{
	static struct bench b;
	long n_processors = sysconf(_SC_NPROCESSORS_ONLN);
	bool over = false;
	struct err e = {0};
	enum status s;

	b.reps = (size_t)setting("REPS", 5, 1, SERIES_MAX);
	b.seconds = setting("SECONDS", 0.3, 0, 600);
	b.memory_rows = (size_t)setting("MEMORY_ROWS", 5e6, 1000, 1e9);
	b.max_threads = n_processors < MAX_THREADS ? 1 : MAX_THREADS;
	b.memory[0] = (struct memory){
		.name = "trainer_bytes", .way = "rows written into the trainer", .train = train_rows};
	b.memory[1] = (struct memory){
		.name = "training_bytes", .way = "chunks, encoder, trainer", .train = train_chunks};
	if ((s = kernel_init(&e)))
		goto out;
	printf("Memory: %zu rows x %d columns, encoded %.0f MB; allowed %.1f times that and %.0f MB: %.0f MB\n",
		b.memory_rows, N_COLUMNS, encoded_bytes(&b) * 1e-6, ALLOWED_FACTOR, ALLOWED_EXTRA * 1e-6,
		allowed_bytes(&b) * 1e-6);
	for (size_t i = 0; i < 2; i++) {
		struct memory *m = &b.memory[i];
		bool fits;

		if ((s = run_apart(m, b.memory_rows, b.max_threads, &e)))
			goto out;
		fits = m->resident <= allowed_bytes(&b);
		over = over || !fits;
		printf("  %-30s  peak resident %6.0f MB, %.2f times the encoded rows: %s\n", m->way, m->resident * 1e-6,
			m->resident / encoded_bytes(&b), fits ? "within" : "OVER");
		fflush(stdout);
	}
	printf("\nA step of method vera, float32, %s; medians of %zu repetitions of %.2f s\n", kernel_blas_core(),
		b.reps, b.seconds);
	for (int curve = 0; curve < N_CURVES && !s; curve++)
		s = draw_curve(&b, curve, &e);
	if (s)
		goto out;
	putchar('\n');
	if (!(s = write_json(&b, &e)))
		s = write_plot(&b, &e);
out:
	if (s)
		fprintf(stderr, "bench_scale: %s\n", e.msg);
	return s != OK || over;
}
