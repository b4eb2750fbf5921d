/* dataset: see dataset.h. */
#include "tests/bench/dataset.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/csv.h"
#include "server/files.h"
#include "server/json.h"
#include "tests/bench/gz.h"

enum { PATH_SIZE = 1024 };

static const char *const file_names[] = {"all.csv.gz", "train.csv.gz", "test.csv.gz", "splits.json"};
enum { FILE_ALL, FILE_TRAIN, FILE_TEST, FILE_SPLITS, N_FILES };

static const char *
path_of(char path[PATH_SIZE], const char *folder, const char *set, int file)
{
	snprintf(path, PATH_SIZE, "%s/%s/%s", folder, set, file_names[file]);
	return path;
}

static bool
exists(const char *folder, const char *set, int file)
{
	char path[PATH_SIZE];

	return access(path_of(path, folder, set, file), R_OK) == 0;
}

bool
dataset_has_splits(const char *folder, const char *set)
{
	return exists(folder, set, FILE_SPLITS);
}

/* The table ------------------------------------------------------------------------------------------------------- */

/* The second file of a set has the first one's header once more. */
static enum status
take_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	struct dataset *d = ctx;

	if (d->n_columns) {
		for (size_t i = 0; i < n; i++)
			if (n != d->n_columns || strcmp(cell[i].text, d->name[i]) != 0)
				return err_set(e, ERR_DATA, "headers_differ", "the two files have different headers");
		return OK;
	}
	if (!(d->name = calloc(n, sizeof *d->name)))
		return err_nomem(e);
	d->label_column = SIZE_MAX;
	for (; d->n_columns < n; d->n_columns++) {
		if (!(d->name[d->n_columns] = strdup(cell[d->n_columns].text)))
			return err_nomem(e);
		if (strcmp(cell[d->n_columns].text, "label") == 0)
			d->label_column = d->n_columns;
	}
	if (d->label_column == SIZE_MAX)
		return err_set(e, ERR_DATA, "unknown_label_column", "there is no column \"label\"");
	return OK;
}

enum status
dataset_put(struct dataset *d, const void *cells, size_t n, size_t label_at, struct err *e)
{
	if (d->n_rows == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 1024;
		size_t *row_at = realloc(d->row_at, cap * sizeof *row_at), *at;

		if (!row_at)
			return err_nomem(e);
		d->row_at = row_at;
		if (!(at = realloc(d->label_at, cap * sizeof *at)))
			return err_nomem(e);
		d->label_at = at;
		d->cap = cap;
	}
	d->row_at[d->n_rows] = d->cells.len;
	d->label_at[d->n_rows++] = d->cells.len + label_at;
	buf_put(&d->cells, cells, n);
	return buf_status(&d->cells, e);
}

static enum status
take_row(void *ctx, const struct csv_cell *cell, size_t n, uint64_t line, struct err *e)
{
	struct dataset *d = ctx;

	(void)line;
	/* The cells of a record lie one behind the other, each with its NUL. */
	return dataset_put(d, cell[0].text, (size_t)(cell[n - 1].text - cell[0].text) + cell[n - 1].len + 1,
		(size_t)(cell[d->label_column].text - cell[0].text), e);
}

static enum status
feed(void *csv, const void *bytes, size_t n, struct err *e)
{
	return csv_feed(csv, bytes, n, e);
}

static enum status
read_file(const char *path, struct dataset *d, struct err *e)
{
	const struct csv_handler handler = {.header = take_header, .row = take_row, .ctx = d};
	struct csv *csv = NULL;
	enum status s;

	if ((s = csv_new(&handler, NULL, &csv, e)))
		return s;
	if (!(s = gz_feed(path, feed, csv, e)) && (s = csv_finish(csv, e)))
		err_prefix(e, "%s", path);
	csv_reader_free(csv);
	return s;
}

enum status
dataset_read(const char *folder, const char *set, struct dataset *d, struct err *e)
{
	char path[PATH_SIZE];
	enum status s;

	memset(d, 0, sizeof *d);
	if (exists(folder, set, FILE_ALL))
		s = read_file(path_of(path, folder, set, FILE_ALL), d, e);
	else if (!(s = read_file(path_of(path, folder, set, FILE_TRAIN), d, e))) {
		d->n_train = d->n_rows;
		s = read_file(path_of(path, folder, set, FILE_TEST), d, e);
	}
	if (s)
		dataset_release(d);
	return s;
}

void
dataset_release(struct dataset *d)
{
	for (size_t i = 0; i < d->n_columns; i++)
		free(d->name[i]);
	free(d->name);
	free(d->row_at);
	free(d->label_at);
	buf_release(&d->cells);
	memset(d, 0, sizeof *d);
}

const char *
dataset_label(const struct dataset *d, size_t row)
{
	return (const char *)d->cells.data + d->label_at[row];
}

/* Splits ---------------------------------------------------------------------------------------------------------- */

static enum status
mark(const cJSON *split, const char *name, unsigned char value, size_t n_rows, unsigned char *role, struct err *e)
{
	const cJSON *row;

	cJSON_ArrayForEach(row, json_member(split, name))
	{
		if (!cJSON_IsNumber(row) || row->valuedouble < 0 || row->valuedouble >= (double)n_rows)
			return err_set(
				e, ERR_DATA, "bad_split", "splits.json: \"%s\" has a row that the table lacks", name);
		role[(size_t)row->valuedouble] = value;
	}
	return OK;
}

static enum status
read_splits(const char *folder, const char *set, cJSON **out, struct err *e)
{
	struct buf text = {0};
	char path[PATH_SIZE];
	enum status s;

	if ((s = file_read_all(path_of(path, folder, set, FILE_SPLITS), &text, e)) ||
		(s = json_parse(text.data, text.len, out, e)))
		err_prefix(e, "%s", path);
	buf_release(&text);
	return s;
}

enum status
dataset_n_splits(const char *folder, const char *set, size_t *n, struct err *e)
{
	cJSON *root = NULL;
	enum status s;

	if (!(s = read_splits(folder, set, &root, e)))
		*n = (size_t)cJSON_GetArraySize(json_member(root, "splits"));
	cJSON_Delete(root);
	return s;
}

enum status
dataset_split(
	const char *folder, const char *set, size_t number, const struct dataset *d, unsigned char *role, struct err *e)
{
	const cJSON *split;
	cJSON *root = NULL;
	enum status s;

	if ((s = read_splits(folder, set, &root, e)))
		return s;
	if (!(split = cJSON_GetArrayItem(json_member(root, "splits"), (int)number))) {
		s = err_set(e, ERR_NOT_FOUND, "no_such_split", "%s has no split %zu", set, number);
		goto out;
	}
	memset(role, ROLE_UNLABELLED, d->n_rows);
	if ((s = mark(split, "labelled", ROLE_LABELLED, d->n_rows, role, e)) ||
		(s = mark(split, "test", ROLE_TEST, d->n_rows, role, e)) ||
		(s = mark(split, "excluded", ROLE_EXCLUDED, d->n_rows, role, e)))
		goto out;
out:
	cJSON_Delete(root);
	return s;
}

/* What there is --------------------------------------------------------------------------------------------------- */

struct named {
	char *name;
	long long size;
};

static int
by_size(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return strcmp(x->name, y->name);
}

static long long
set_size(const char *folder, const char *set)
{
	char path[PATH_SIZE];
	struct stat st;
	long long size = 0;

	for (int i = FILE_ALL; i <= FILE_TEST; i++)
		if (stat(path_of(path, folder, set, i), &st) == 0)
			size += st.st_size;
	return size;
}

enum status
dataset_names(const char *folder, const char *prefix, char ***names, struct err *e)
{
	struct named *found = NULL, *larger;
	size_t n = 0;
	struct dirent *entry;
	DIR *dir = opendir(folder);
	enum status s = OK;

	*names = NULL;
	if (!dir)
		return err_set(
			e, ERR_IO, "io_error", "the folder \"%.200s\" cannot be read: %s", folder, strerror(errno));
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (prefix ? strncmp(name, prefix, strlen(prefix)) != 0 || !exists(folder, name, FILE_ALL)
			   : !dataset_has_splits(folder, name))
			continue;
		if (!(larger = realloc(found, (n + 1) * sizeof *found))) {
			s = err_nomem(e);
			goto out;
		}
		found = larger;
		if (!(found[n].name = strdup(name))) {
			s = err_nomem(e);
			goto out;
		}
		found[n].size = set_size(folder, name);
		n++;
	}
	if (!(*names = calloc(n + 1, sizeof **names))) {
		s = err_nomem(e);
		goto out;
	}
	if (n)
		qsort(found, n, sizeof *found, by_size);
	for (size_t i = 0; i < n; i++) {
		(*names)[i] = found[i].name;
		found[i].name = NULL;
	}
out:
	closedir(dir);
	for (size_t i = 0; i < n; i++)
		free(found[i].name);
	free(found);
	return s;
}

void
dataset_names_free(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

uint64_t
dataset_stamp(const char *folder, const char *set)
{
	char path[PATH_SIZE];
	uint64_t sum[2 * N_FILES] = {0};
	struct stat st;

	for (int i = 0; i < N_FILES; i++)
		if (stat(path_of(path, folder, set, i), &st) == 0) {
			sum[2 * i] = (uint64_t)st.st_size;
			sum[2 * i + 1] = (uint64_t)st.st_mtime;
		}
	return checksum64(sum, sizeof sum);
}
