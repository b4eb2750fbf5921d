/*
 * originals: the tables of the paper that are not its to give away, in the form in which they are published, as sets of
 * dataset.h. Looked for in a folder, and in a folder of the set's name within it; files may be gzipped (".gz" behind):
 *
 *   HEPMASS  1000_train.csv and 1000_test.csv, else all_train.csv and all_test.csv: a header, then the label and 27 or
 *            28 numbers, by commas (UCI 347)
 *   CROP     WinnipegDataset.txt: a header or none, then the label, 1 to 7, and 174 numbers, by commas (UCI 525)
 *   HUMAN    "UCI HAR Dataset"/train/X_train.txt and y_train.txt, test/X_test.txt and y_test.txt: 561 numbers by
 * spaces, labels 1 to 6 in a file of their own (UCI 240)
 */
#ifndef VERAD_TESTS_BENCH_ORIGINALS_H
#define VERAD_TESTS_BENCH_ORIGINALS_H

#include "tests/bench/dataset.h"

enum original { ORIGINAL_HEPMASS, ORIGINAL_CROP, ORIGINAL_HUMAN, N_ORIGINALS };

extern const char *const original_names[N_ORIGINALS];

bool original_is_there(const char *folder, enum original which);
/* A number that changes when its files do. */
uint64_t original_stamp(const char *folder, enum original which);

/* The first `most` rows of each file. ERR_DATA "ragged_row", "not_a_number", "rows_differ" (labels and rows are not as
 * many), with the line. */
enum status original_read(const char *folder, enum original which, size_t most, struct dataset *d, struct err *e);

/*
 * Which rows are which, into role[d->n_rows]: the rows of the test file are scored, or, where there is none, a random
 * fifth; of the others `n_labelled` of each class are labelled (ERR_DATA "too_few_labels" where one has fewer).
 */
enum status original_split(
	const struct dataset *d, size_t n_labelled, uint64_t seed, unsigned char *role, struct err *e);

#endif
