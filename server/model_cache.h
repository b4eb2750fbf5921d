/*
 * model_cache: loaded bundles by id, immutable and reference counted, the least recently used one out first.
 *
 * Loading runs outside the lock; threads that ask for the same model meanwhile wait for the one that loads it. A bundle
 * in use is never freed under its user: eviction and removal only take it out of the table. Threads: any.
 */
#ifndef VERAD_SERVER_MODEL_CACHE_H
#define VERAD_SERVER_MODEL_CACHE_H

#include "schema/bundle.h"

struct model_cache;
struct loaded_model;

/* Makes the bundle of a model that is not in the cache. Called without locks, by any thread. */
struct model_loader {
	enum status (*load)(void *ctx, const char *id, struct bundle **out, struct err *e);
	void *ctx;
};

enum status model_cache_new(size_t max_models, struct model_loader loader, struct model_cache **out, struct err *e);
void model_cache_free(struct model_cache *c); /* accepts NULL; nothing may be acquired any more */

/* A failure to load is not remembered: each waiter gets it, the next call tries again. */
enum status model_cache_acquire(struct model_cache *c, const char *id, struct loaded_model **out, struct err *e);
void model_cache_release(struct model_cache *c, struct loaded_model *m);
const struct bundle *model_cache_bundle(const struct loaded_model *m);

struct model_cache_counts {
	size_t n_models;  /* in memory now */
	uint64_t n_loads; /* since the start: how often one had to be made */
};
struct model_cache_counts model_cache_counts(struct model_cache *c);

/* The model is no more: later calls ask the loader again. */
void model_cache_forget(struct model_cache *c, const char *id);

#endif
