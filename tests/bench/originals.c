/* originals: see originals.h. */
#include "tests/bench/originals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/rng.h"
#include "tests/bench/gz.h"

enum { PATH_SIZE = 1024, MAX_CLASSES = 64 };

const char *const original_names[N_ORIGINALS] = {"HEPMASS", "CROP", "HUMAN"};

/* Rows, or rows and labels, for training; and those to be scored. Of each two names, the first that is there. */
struct form {
	const char *train[2], *train_labels, *test[2], *test_labels;
};

static const struct form forms[N_ORIGINALS] = {
	[ORIGINAL_HEPMASS] = {.train = {"1000_train.csv", "all_train.csv"}, .test = {"1000_test.csv", "all_test.csv"}},
	[ORIGINAL_CROP] = {.train = {"WinnipegDataset.txt", "WinnipegDataset.csv"}},
	[ORIGINAL_HUMAN] = {.train = {"UCI HAR Dataset/train/X_train.txt", "train/X_train.txt"},
		.train_labels = "y_train.txt",
		.test = {"UCI HAR Dataset/test/X_test.txt", "test/X_test.txt"},
		.test_labels = "y_test.txt"},
};

/* ---- Where the files are ------------------------------------------------------------------------------------ */

static bool
find_file(const char *folder, enum original which, const char *const names[2], char path[PATH_SIZE])
{
	static const char *const ends[] = {"", ".gz"};

	for (size_t n = 0; n < 2 && names[n]; n++)
		for (size_t within = 0; within < 2; within++)
			for (size_t end = 0; end < 2; end++) {
				snprintf(path, PATH_SIZE, "%s/%s%s%s%s", folder, within ? original_names[which] : "",
					within ? "/" : "", names[n], ends[end]);
				if (access(path, R_OK) == 0)
					return true;
			}
	return false;
}

/* The labels lie beside the rows, compressed or not. */
static bool
find_beside(const char *rows, const char *name, char path[PATH_SIZE])
{
	const char *slash = strrchr(rows, '/');
	const int n = slash ? (int)(slash - rows) : 0;

	snprintf(path, PATH_SIZE, "%.*s/%s", n, rows, name);
	if (access(path, R_OK) == 0)
		return true;
	snprintf(path, PATH_SIZE, "%.*s/%s.gz", n, rows, name);
	return access(path, R_OK) == 0;
}

bool
original_is_there(const char *folder, enum original which)
{
	const struct form *f = &forms[which];
	char path[PATH_SIZE];

	return find_file(folder, which, f->train, path) && (!f->test[0] || find_file(folder, which, f->test, path));
}

uint64_t
original_stamp(const char *folder, enum original which)
{
	const char *const *names[] = {forms[which].train, forms[which].test};
	uint64_t sum[4] = {0};
	char path[PATH_SIZE];
	struct stat st;

	for (size_t i = 0; i < 2; i++)
		if (names[i][0] && find_file(folder, which, names[i], path) && stat(path, &st) == 0) {
			sum[2 * i] = (uint64_t)st.st_size;
			sum[2 * i + 1] = (uint64_t)st.st_mtime;
		}
	return checksum64(sum, sizeof sum);
}

/* ---- Lines -------------------------------------------------------------------------------------------------- */

/* Ends the reading where enough has been read; no failure. */
static const char enough[] = "enough";

struct lines {
	struct buf rest; /* a line that has begun */
	size_t line;
	enum status (*take)(void *ctx, char *text, size_t line, struct err *e);
	void *ctx;
};

static enum status
take_line(struct lines *l, struct err *e)
{
	enum status s;

	buf_put_u8(&l->rest, '\0');
	if ((s = buf_status(&l->rest, e)))
		return s;
	l->line++;
	s = l->take(l->ctx, (char *)l->rest.data, l->line, e);
	if (s && e->code != enough)
		err_at(e, l->line, NULL);
	buf_clear(&l->rest);
	return s;
}

static enum status
take_piece(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct lines *l = ctx;
	const char *at = bytes, *end = at + n;
	enum status s = OK;

	while (!s && at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		buf_put(&l->rest, at, (size_t)((stop ? stop : end) - at));
		at = stop ? stop + 1 : end;
		if (stop)
			s = take_line(l, e);
	}
	return s ? s : buf_status(&l->rest, e);
}

static enum status
read_lines(const char *path, enum status (*take)(void *ctx, char *text, size_t line, struct err *e), void *ctx,
	struct err *e)
{
	struct lines l = {.take = take, .ctx = ctx};
	enum status s = gz_feed(path, take_piece, &l, e);

	if (!s && l.rest.len && (s = take_line(&l, e)))
		err_prefix(e, "%s", path);
	buf_release(&l.rest);
	return s && e->code == enough ? OK : s;
}

/* ---- Rows --------------------------------------------------------------------------------------------------- */

struct reading {
	struct dataset *d;
	size_t most, begun; /* rows of a file; those that were there before it */
	struct buf *labels; /* one text after another, of a file of their own; NULL: the first cell */
	size_t label_at, n_labels;
	struct buf row; /* scratch */
};

static bool
is_number(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	return end != text && !*end && isfinite(v);
}

static enum status
name_columns(struct dataset *d, size_t n, struct err *e)
{
	char name[32];

	if (!(d->name = calloc(n, sizeof *d->name)))
		return err_nomem(e);
	for (; d->n_columns < n; d->n_columns++) {
		snprintf(name, sizeof name, "f%zu", d->n_columns);
		if (!(d->name[d->n_columns] = strdup(d->n_columns ? name : "label")))
			return err_nomem(e);
	}
	d->label_column = 0;
	return OK;
}

/* A row's cells: the label, then numbers. The first line may be a header. */
static enum status
take_row(void *ctx, char *text, size_t line, struct err *e)
{
	struct reading *r = ctx;
	struct dataset *d = r->d;
	char *rest = NULL;
	size_t n = 0;
	enum status s;

	if (d->n_rows - r->begun == r->most)
		return err_set(e, ERR_CANCELLED, enough, "enough");
	buf_clear(&r->row);
	if (r->labels) {
		const char *label = (const char *)r->labels->data + r->label_at;

		if (d->n_rows - r->begun == r->n_labels)
			return err_set(e, ERR_DATA, "rows_differ", "there are only %zu labels", r->n_labels);
		buf_put(&r->row, label, strlen(label) + 1);
		n = 1;
	}
	for (char *cell = strtok_r(text, ", \t\r", &rest); cell; cell = strtok_r(NULL, ", \t\r", &rest), n++) {
		if (!is_number(cell)) {
			if (line == 1)
				return OK;
			return err_set(e, ERR_DATA, "not_a_number", "cell %zu, \"%.20s\", is no number", n + 1, cell);
		}
		buf_put(&r->row, cell, strlen(cell) + 1);
	}
	if (n == (r->labels ? 1 : 0)) /* an empty line */
		return OK;
	if ((s = buf_status(&r->row, e)) || (!d->name && (s = name_columns(d, n, e))))
		return s;
	if (n != d->n_columns || n < 2)
		return err_set(e, ERR_DATA, "ragged_row", "%zu cells where the first row has %zu", n, d->n_columns);
	if (r->labels)
		r->label_at += strlen((const char *)r->row.data) + 1;
	return dataset_put(d, r->row.data, r->row.len, 0, e);
}

static enum status
take_label(void *ctx, char *text, size_t line, struct err *e)
{
	struct reading *r = ctx;
	char *rest = NULL, *cell = strtok_r(text, ", \t\r", &rest);

	if (!cell)
		return OK;
	if (!is_number(cell))
		return err_set(
			e, ERR_DATA, "not_a_number", "\"%.20s\", the label of row %zu, is no number", cell, line);
	buf_put(r->labels, cell, strlen(cell) + 1);
	r->n_labels++;
	return buf_status(r->labels, e);
}

static enum status
read_part(const char *folder, enum original which, const char *const names[2], const char *labels, size_t most,
	struct dataset *d, struct err *e)
{
	struct buf texts = {0};
	struct reading r = {.d = d, .most = most, .begun = d->n_rows, .labels = labels ? &texts : NULL};
	char path[PATH_SIZE], beside[PATH_SIZE];
	enum status s = OK;

	if (!find_file(folder, which, names, path))
		return err_set(e, ERR_NOT_FOUND, "no_such_set", "\"%.200s\" has no %s of %s", folder, names[0],
			original_names[which]);
	if (labels) {
		if (!find_beside(path, labels, beside))
			return err_set(e, ERR_NOT_FOUND, "no_such_set", "%.200s has no %s beside it", path, labels);
		s = read_lines(beside, take_label, &r, e);
	}
	if (!s)
		s = read_lines(path, take_row, &r, e);
	if (!s && labels && d->n_rows - r.begun < r.n_labels && d->n_rows - r.begun < most)
		s = err_set(e, ERR_DATA, "rows_differ", "%.200s: %zu rows and %zu labels", path, d->n_rows - r.begun,
			r.n_labels);
	buf_release(&texts);
	buf_release(&r.row);
	return s;
}

enum status
original_read(const char *folder, enum original which, size_t most, struct dataset *d, struct err *e)
{
	const struct form *f = &forms[which];
	enum status s;

	memset(d, 0, sizeof *d);
	s = read_part(folder, which, f->train, f->train_labels, most, d, e);
	if (!s && f->test[0]) {
		d->n_train = d->n_rows;
		s = read_part(folder, which, f->test, f->test_labels, most, d, e);
	}
	if (s)
		dataset_release(d);
	return s;
}

/* ---- Splits ------------------------------------------------------------------------------------------------- */

enum status
original_split(const struct dataset *d, size_t n_labelled, uint64_t seed, unsigned char *role, struct err *e)
{
	const char *class_name[MAX_CLASSES];
	size_t count[MAX_CLASSES] = {0}, n_classes = 0;
	uint32_t *order = malloc((d->n_rows + 1) * sizeof *order);
	struct rng rng;
	enum status s = OK;

	if (!order)
		return err_nomem(e);
	rng_init(&rng, seed, 0);
	rng_permutation(&rng, order, d->n_rows);
	for (size_t i = 0; i < d->n_rows; i++) {
		const size_t row = order[i];
		const char *label = dataset_label(d, row);
		size_t k = 0;

		if (d->n_train ? row >= d->n_train : i < d->n_rows / 5) {
			role[row] = ROLE_TEST;
			continue;
		}
		while (k < n_classes && strcmp(class_name[k], label) != 0)
			k++;
		if (k == MAX_CLASSES) {
			s = err_set(e, ERR_DATA, "too_many_classes", "there are more than %d classes", MAX_CLASSES);
			goto out;
		}
		if (k == n_classes)
			class_name[n_classes++] = label;
		role[row] = count[k]++ < n_labelled ? ROLE_LABELLED : ROLE_UNLABELLED;
	}
	for (size_t k = 0; k < n_classes; k++)
		if (count[k] < n_labelled) {
			s = err_set(e, ERR_DATA, "too_few_labels", "class \"%.20s\" has %zu rows, fewer than %zu",
				class_name[k], count[k], n_labelled);
			break;
		}
out:
	free(order);
	return s;
}
