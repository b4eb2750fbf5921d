/* predictor_pool: see predictor_pool.h. The last one given is the first one taken: its memory is the warmest. */
#include "schema/predictor_pool.h"

#include <pthread.h>
#include <stdlib.h>

struct predictor_pool {
	pthread_mutex_t mutex; /* protects the rest */
	size_t n;
	struct predictor *idle[POOL_PREDICTORS]; /* [n], owned */
};

enum status
predictor_pool_new(struct predictor_pool **out, struct err *e)
{
	struct predictor_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return err_nomem(e);
	pthread_mutex_init(&pool->mutex, NULL);
	*out = pool;
	return OK;
}

void
predictor_pool_free(struct predictor_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < pool->n; i++)
		predictor_destroy(pool->idle[i]);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

struct predictor *
predictor_pool_take(struct predictor_pool *pool)
{
	struct predictor *p = NULL;

	pthread_mutex_lock(&pool->mutex);
	if (pool->n)
		p = pool->idle[--pool->n];
	pthread_mutex_unlock(&pool->mutex);
	return p;
}

bool
predictor_pool_give(struct predictor_pool *pool, struct predictor *p, size_t most)
{
	bool room;

	pthread_mutex_lock(&pool->mutex);
	room = pool->n < most && pool->n < POOL_PREDICTORS;
	if (room)
		pool->idle[pool->n++] = p;
	pthread_mutex_unlock(&pool->mutex);
	return room;
}
