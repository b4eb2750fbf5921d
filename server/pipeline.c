/*
 * pipeline: see pipeline.h. A chunk changes sides by exchanging the tables, not by being copied.
 */
#include "server/pipeline.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct pipeline {
	struct ingest_sink to;
	pthread_t thread;
	bool started; /* the caller's */

	pthread_mutex_t mutex; /* protects what follows; but the thread alone touches the table while it is busy */
	pthread_cond_t change;
	bool busy, over;
	struct table t; /* the chunk that is being stored, or an emptied one */
	size_t chunk_index;
	struct err err; /* the inner sink's first; status OK: none */
};

static void *
work(void *ctx)
{
	struct pipeline *p = ctx;

	pthread_mutex_lock(&p->mutex);
	for (;;) {
		struct err e = {0};

		while (!p->busy && !p->over)
			pthread_cond_wait(&p->change, &p->mutex);
		if (!p->busy)
			break;
		pthread_mutex_unlock(&p->mutex);
		p->to.chunk(p->to.ctx, &p->t, p->chunk_index, &e);
		pthread_mutex_lock(&p->mutex);
		p->err = e;
		p->busy = false;
		pthread_cond_broadcast(&p->change);
	}
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

enum status
pipeline_new(const struct ingest_sink *to, struct pipeline **out, struct err *e)
{
	struct pipeline *p = calloc(1, sizeof *p);

	if (!p)
		return err_nomem(e);
	p->to = *to;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->change, NULL);
	*out = p;
	return OK;
}

enum status
pipeline_wait(struct pipeline *p, struct err *e)
{
	enum status s;

	pthread_mutex_lock(&p->mutex);
	while (p->busy)
		pthread_cond_wait(&p->change, &p->mutex);
	if ((s = p->err.status))
		*e = p->err;
	pthread_mutex_unlock(&p->mutex);
	return s;
}

static bool
same_columns(const struct table *a, const struct table *b)
{
	if (a->n_columns != b->n_columns)
		return false;
	for (size_t i = 0; i < a->n_columns; i++) /* of one file: the names are the same */
		if (a->column[i].type != b->column[i].type)
			return false;
	return true;
}

/* Makes p->t an empty table of t's columns. */
static enum status
prepare(struct pipeline *p, const struct table *t, struct err *e)
{
	const char **names;
	enum column_type *types;
	enum status s;

	if (same_columns(&p->t, t)) {
		table_clear(&p->t);
		return OK;
	}
	names = calloc(t->n_columns, sizeof *names);
	types = calloc(t->n_columns, sizeof *types);
	if (!names || !types) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < t->n_columns; i++) {
		names[i] = t->column[i].name;
		types[i] = t->column[i].type;
	}
	table_release(&p->t);
	s = table_init(&p->t, names, types, t->n_columns, e);
out:
	free(names);
	free(types);
	return s;
}

static enum status
take(void *ctx, struct table *t, size_t chunk_index, struct err *e)
{
	struct pipeline *p = ctx;
	struct table full = *t;
	enum status s;

	if ((s = pipeline_wait(p, e)) || (s = prepare(p, t, e)))
		return s;
	if (!p->started && pthread_create(&p->thread, NULL, work, p))
		return p->to.chunk(p->to.ctx, t, chunk_index, e); /* no thread to be had: then in this one */
	p->started = true;
	pthread_mutex_lock(&p->mutex);
	*t = p->t;
	p->t = full;
	p->chunk_index = chunk_index;
	p->busy = true;
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->mutex);
	return OK;
}

static enum status
restart(void *ctx, struct err *e)
{
	struct pipeline *p = ctx;
	enum status s = pipeline_wait(p, e);

	return s ? s : p->to.restart(p->to.ctx, e);
}

struct ingest_sink
pipeline_sink(struct pipeline *p)
{
	return (struct ingest_sink){.take = take, .restart = restart, .ctx = p};
}

void
pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	if (p->started) {
		pthread_mutex_lock(&p->mutex);
		p->over = true;
		pthread_cond_broadcast(&p->change);
		pthread_mutex_unlock(&p->mutex);
		pthread_join(p->thread, NULL);
	}
	pthread_cond_destroy(&p->change);
	pthread_mutex_destroy(&p->mutex);
	table_release(&p->t);
	free(p);
}
