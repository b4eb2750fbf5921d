/*
 * model_cache: see model_cache.h.
 *
 * The table is a list in order of use, searched from the front: it has a few dozen entries, and a search costs nothing
 * beside a prediction. An entry lives while it is in the list or somebody refers to it.
 */
#include "server/model_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum load_state { LOADING, LOADED, LOAD_FAILED };

struct loaded_model {
	/* protected by the cache's mutex */
	struct loaded_model *next;
	enum load_state state;
	bool listed;
	size_t n_users; /* the loading thread and the waiting ones included */
	struct err failure;
	/* written by the loading thread before `state` says LOADED, then constant */
	struct bundle *bundle;
	char *id;
};

struct model_cache {
	pthread_mutex_t mutex;  /* protects the list and what its entries say they share */
	pthread_cond_t settled; /* some entry is no longer loading */
	struct loaded_model *first;
	size_t n_listed;
	uint64_t n_loads;
	size_t max_models;
	struct model_loader loader;
};

enum status
model_cache_new(size_t max_models, struct model_loader loader, struct model_cache **out, struct err *e)
{
	struct model_cache *c = calloc(1, sizeof *c);

	if (!c)
		return err_nomem(e);
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->settled, NULL);
	c->max_models = max_models;
	c->loader = loader;
	*out = c;
	return OK;
}

static void
entry_free(struct loaded_model *m)
{
	if (!m)
		return;
	bundle_free(m->bundle);
	free(m->id);
	free(m);
}

void
model_cache_free(struct model_cache *c)
{
	struct loaded_model *next;

	if (!c)
		return;
	for (struct loaded_model *m = c->first; m; m = next) {
		next = m->next;
		entry_free(m);
	}
	pthread_cond_destroy(&c->settled);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

static void
unlist(struct model_cache *c, struct loaded_model *m)
{
	struct loaded_model **at = &c->first;

	if (!m->listed)
		return;
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	m->listed = false;
	c->n_listed--;
}

static void
list_first(struct model_cache *c, struct loaded_model *m)
{
	m->next = c->first;
	c->first = m;
	m->listed = true;
	c->n_listed++;
}

/* Takes what nobody uses out of the list, from its end, until the list is short enough; returns them chained, to be
 * freed without the lock. Models in use may keep the list too long for a while. */
static struct loaded_model *
evict(struct model_cache *c)
{
	struct loaded_model *out = NULL;

	while (c->n_listed > c->max_models) {
		struct loaded_model *last = NULL;

		for (struct loaded_model *m = c->first; m; m = m->next)
			if (!m->n_users)
				last = m;
		if (!last)
			break;
		unlist(c, last);
		last->next = out;
		out = last;
	}
	return out;
}

static void
free_all(struct loaded_model *m)
{
	while (m) {
		struct loaded_model *next = m->next;

		entry_free(m);
		m = next;
	}
}

/* With the mutex held: one user less; the entry is returned when it has to be freed. */
static struct loaded_model *
drop_user(struct loaded_model *m)
{
	return --m->n_users || m->listed ? NULL : m;
}

static enum status
load(struct model_cache *c, struct loaded_model *m, struct err *e)
{
	struct loaded_model *dead = NULL, *surplus = NULL;
	struct bundle *bundle = NULL;
	struct err failure = {0};
	enum status s = c->loader.load(c->loader.ctx, m->id, &bundle, &failure);

	pthread_mutex_lock(&c->mutex);
	m->bundle = bundle;
	m->state = s ? LOAD_FAILED : LOADED;
	if (s) {
		m->failure = failure;
		*e = failure;
		unlist(c, m);
		dead = drop_user(m);
	} else {
		surplus = evict(c);
	}
	pthread_cond_broadcast(&c->settled);
	pthread_mutex_unlock(&c->mutex);
	entry_free(dead);
	free_all(surplus);
	return s;
}

enum status
model_cache_acquire(struct model_cache *c, const char *id, struct loaded_model **out, struct err *e)
{
	struct loaded_model *m, *mine, *dead = NULL;
	enum status s = OK;

	/* Made beforehand, so that nothing is allocated under the lock. */
	if (!(mine = calloc(1, sizeof *mine)) || !(mine->id = strdup(id))) {
		free(mine);
		return err_nomem(e);
	}
	pthread_mutex_lock(&c->mutex);
	for (m = c->first; m && strcmp(m->id, id) != 0; m = m->next)
		;
	if (!m) {
		mine->n_users = 1;
		c->n_loads++;
		list_first(c, mine);
		pthread_mutex_unlock(&c->mutex);
		if ((s = load(c, mine, e)))
			return s;
		*out = mine;
		return OK;
	}
	m->n_users++;
	unlist(c, m);
	list_first(c, m);
	while (m->state == LOADING)
		pthread_cond_wait(&c->settled, &c->mutex);
	if (m->state == LOAD_FAILED) {
		*e = m->failure;
		s = m->failure.status;
		dead = drop_user(m);
	} else {
		*out = m;
	}
	pthread_mutex_unlock(&c->mutex);
	entry_free(dead);
	entry_free(mine);
	return s;
}

void
model_cache_release(struct model_cache *c, struct loaded_model *m)
{
	struct loaded_model *dead, *surplus;

	if (!m)
		return;
	pthread_mutex_lock(&c->mutex);
	dead = drop_user(m);
	surplus = evict(c);
	pthread_mutex_unlock(&c->mutex);
	entry_free(dead);
	free_all(surplus);
}

const struct bundle *
model_cache_bundle(const struct loaded_model *m)
{
	return m->bundle;
}

struct model_cache_counts
model_cache_counts(struct model_cache *c)
{
	struct model_cache_counts counts;

	pthread_mutex_lock(&c->mutex);
	counts = (struct model_cache_counts){.n_models = c->n_listed, .n_loads = c->n_loads};
	pthread_mutex_unlock(&c->mutex);
	return counts;
}

void
model_cache_forget(struct model_cache *c, const char *id)
{
	struct loaded_model *m, *dead = NULL;

	pthread_mutex_lock(&c->mutex);
	for (m = c->first; m && strcmp(m->id, id) != 0; m = m->next)
		;
	if (m) {
		unlist(c, m);
		if (!m->n_users)
			dead = m;
	}
	pthread_mutex_unlock(&c->mutex);
	entry_free(dead);
}
