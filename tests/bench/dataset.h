/*
 * dataset: a real table on disk, as the benchmarks read it.
 *
 * A folder per data set: all.csv.gz, or train.csv.gz and then test.csv.gz; a column "label", "" = none; for
 * classification a splits.json, which says for each split which rows have a label, which are to be scored and which are
 * in neither part. Rows are numbered from 0 over both files. Thread rule: const once read.
 */
#ifndef VERAD_TESTS_BENCH_DATASET_H
#define VERAD_TESTS_BENCH_DATASET_H

#include "engine/buf.h"

struct dataset {
	size_t n_columns, label_column;
	char **name; /* [n_columns], owned */
	size_t n_rows, cap;
	size_t n_train;   /* rows of train.csv.gz; 0 where all are in one file */
	struct buf cells; /* every cell with its NUL, row after row */
	size_t *row_at;   /* [n_rows], where a row's first cell lies in `cells`; owned */
	size_t *label_at; /* [n_rows], where its label lies; owned */
};

enum role { ROLE_UNLABELLED, ROLE_LABELLED, ROLE_TEST, ROLE_EXCLUDED };

/* `folder` holds the data sets, `set` names one of them. */
enum status dataset_read(const char *folder, const char *set, struct dataset *d, struct err *e);
void dataset_release(struct dataset *d); /* accepts a zeroed struct */
/* For readers of other forms: one more row, its cells each with its NUL, n bytes in all, the label from label_at on. */
enum status dataset_put(struct dataset *d, const void *cells, size_t n, size_t label_at, struct err *e);
const char *dataset_label(const struct dataset *d, size_t row);

enum status dataset_n_splits(const char *folder, const char *set, size_t *n, struct err *e);
/* The roles that split `number` gives the rows, into role[d->n_rows]; ERR_NOT_FOUND past the last split. */
enum status dataset_split(const char *folder, const char *set, size_t number, const struct dataset *d,
	unsigned char *role, struct err *e);

/* Names of the data sets in `folder`, the smallest file first, owned, NULL-terminated: those for classification, or the
 * others whose name begins with `prefix`. dataset_names_free takes NULL too. */
enum status dataset_names(const char *folder, const char *prefix, char ***names, struct err *e);
void dataset_names_free(char **names);
bool dataset_has_splits(const char *folder, const char *set);

/* A number that changes when the files of the set do: their sizes and times of change. */
uint64_t dataset_stamp(const char *folder, const char *set);

#endif
