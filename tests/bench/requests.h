/*
 * requests: the rows that bench_serve asks about, and the requests for them in every form, the rival's among them;
 * whole ones, to be sent as they are. Out of memory: abort.
 */
#ifndef VERAD_TESTS_BENCH_REQUESTS_H
#define VERAD_TESTS_BENCH_REQUESTS_H

#include <stdbool.h>

#include "engine/buf.h"

enum { N_COLUMNS = 64, N_CLASSES = 10, N_BATCH = 10000 };
enum form { JSON, CSV, TENSOR, PEER_JSON, N_FORMS };
extern const char *const form_name[N_FORMS];

void requests_init(void); /* makes N_BATCH rows */
void requests_put_csv(struct buf *out, size_t first, size_t n, bool with_labels);
struct buf request_of(enum form form, const char *model, size_t first, size_t n); /* the caller releases it */

#endif
