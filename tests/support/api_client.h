/*
 * api_client: the daemon's API as tests use it. What is not as expected fails the running test.
 */
#ifndef VERAD_TESTS_SUPPORT_API_CLIENT_H
#define VERAD_TESTS_SUPPORT_API_CLIENT_H

#include "engine/buf.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"

struct cJSON;

enum { API_ID_SIZE = 40 };

/* A small network with a short memory, so that a few hundred steps take no time worth waiting for and suffice. */
/* clang-format off */
#define API_SMALL_NET \
	"\"hidden_layers\":[16],\"generator_layers\":[16],\"noise_dim\":2,\"ema_decay\":0.9,\"learning_rate\":0.005," \
	"\"batch_size\":32,\"labelled_batch_size\":16"
/* clang-format on */

/*
 * A table of three well separated classes "a", "b", "c": columns x, y (numbers), colour (text) and label. Of each class
 * n_rows rows, the first n_labelled of them labelled. with_label false: without the label column, as rows to predict.
 */
void blobs_csv(struct buf *out, size_t n_rows, size_t n_labelled, bool with_label);

/* One request with a JSON body (NULL: none); the reply's JSON, owned (NULL for a 204). */
struct cJSON *api_call(
	const struct daemon *d, const char *method, const char *target, const char *body, int want_status);

/* The member's text, or "" */
const char *api_text(const struct cJSON *object, const char *name);
double api_number(const struct cJSON *object, const char *name); /* fails the test when it is none */

size_t api_count(
	const struct daemon *d, const char *list); /* items on the first page of "datasets", "jobs", "models" */

void api_upload(const struct daemon *d, const struct buf *csv, const char *label_column, char id[API_ID_SIZE]);
void api_train(const struct daemon *d, const char *dataset, const char *params, char job[API_ID_SIZE]);
/* Asks until the job is in the state, for ten minutes at most; a job that ends otherwise fails the test. */
struct cJSON *api_wait(const struct daemon *d, const char *job, const char *state);
/* Asks until the job has done a step. */
void api_wait_for_steps(const struct daemon *d, const char *job);

/* Predicts CSV rows; the answer's text, owned. */
char *api_predict_csv(const struct daemon *d, const char *model, const char *what, const char *csv);

#endif
