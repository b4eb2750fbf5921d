/*
 * pipeline: a sink of chunks that works behind the reader: while one chunk is stored, the next is being read.
 *
 * Chunks reach the inner sink in order, one at a time, on a thread of the pipeline's own. An error of its is returned
 * by the next call, and by every one after that. Two chunks are in memory, one on each side. Thread rule: one thread at
 * a time calls; the inner sink is called by the pipeline's thread and, for `restart`, by the caller's, never by both.
 */
#ifndef VERAD_SERVER_PIPELINE_H
#define VERAD_SERVER_PIPELINE_H

#include "schema/ingest.h"

struct pipeline;

enum status pipeline_new(const struct ingest_sink *to, struct pipeline **out, struct err *e);
struct ingest_sink pipeline_sink(struct pipeline *p); /* borrows p */
/* Until the inner sink has taken every chunk; its first error. */
enum status pipeline_wait(struct pipeline *p, struct err *e);
void pipeline_free(struct pipeline *p); /* waits too; accepts NULL */

#endif
