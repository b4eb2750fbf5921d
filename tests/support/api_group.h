/*
 * api_group: what groups of API tests have in common: one daemon from the first test to the last, the document that its
 * replies are held against, a model of the blobs in it. One group in a program.
 */
#ifndef VERAD_TESTS_SUPPORT_API_GROUP_H
#define VERAD_TESTS_SUPPORT_API_GROUP_H

#include "tests/support/api_client.h"

/* For a group's set-up. The daemon has its directory, if *d has one already; it starts, and is the tests' *state.
 * document (NULL: not wanted): borrowed until api_group_end. */
bool api_group_begin(struct daemon *d, struct cJSON **document, void **state);
int api_group_end(void **state); /* the tear-down */

/* The last test of a group, and a test rather than part of the tear-down, whose failures cmocka's exit status does not
 * show. */
void the_daemon_stops_in_good_order(void **state);

/* Sixty blobs of each class, ten of them labelled, and a model of them, with a small network and these further
 * parameters. */
void api_train_blobs(const struct daemon *d, const char *params, char dataset[API_ID_SIZE], char job[API_ID_SIZE],
	char model[API_ID_SIZE]);

#endif
