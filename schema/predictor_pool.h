/*
 * predictor_pool: predictors between two requests. Making one costs more than a row costs to answer: its dictionaries,
 * its rows, its workspace, the matching of column names. Owned by a bundle; what takes from it and gives back to it is
 * predictor.c alone, so that who predicts need not know. Thread rule: any thread, any time; free when nobody uses it.
 */
#ifndef VERAD_SCHEMA_PREDICTOR_POOL_H
#define VERAD_SCHEMA_PREDICTOR_POOL_H

#include "schema/bundle.h"

enum { POOL_PREDICTORS = 8 }; /* more requests than this are rarely at work on one model: slots are as many as cores */

struct predictor_pool;
enum status predictor_pool_new(struct predictor_pool **out, struct err *e);
void predictor_pool_free(struct predictor_pool *pool); /* and those in it; accepts NULL */

struct predictor *predictor_pool_take(struct predictor_pool *pool); /* NULL: there is none */
/* False, and p stays the caller's, where `most` (at least 1) or POOL_PREDICTORS are idle already. */
bool predictor_pool_give(struct predictor_pool *pool, struct predictor *p, size_t most);

/* predictor.c: its end, which predictor_free may put off. */
void predictor_destroy(struct predictor *p);

#endif
