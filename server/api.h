/*
 * api: the routes of the daemon. A handler parses, makes one service call, replies; JSON in and out.
 * api.c has the route table, who may use it, and the service's own resources (health, OpenAPI); api_operation.c has
 * metrics, limits, keys and backups; api_datasets.c, api_jobs.c and api_models.c have the rest.
 */
#ifndef VERAD_SERVER_API_H
#define VERAD_SERVER_API_H

#include <stdatomic.h>

#include "server/access.h"
#include "server/config.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/metrics.h"
#include "server/service.h"
#include "server/tls.h"

struct api {
	struct service *service;     /* borrowed */
	const struct jobs *jobs;     /* borrowed; for readiness */
	uint64_t max_upload;         /* bytes of a data set's body */
	uint64_t max_predict;        /* bytes of rows to predict */
	struct access *access;       /* borrowed */
	bool open;                   /* no key is asked for */
	struct metrics *metrics;     /* borrowed; of api_metric_routes */
	struct tls *tls;             /* borrowed; NULL: plain HTTP */
	const char *backup_dir;      /* NULL: none is set up */
	const struct config *config; /* borrowed; what /v1/limits tells */
	/* Written after start: */
	_Atomic(struct http *) http; /* borrowed; NULL: not yet */
	atomic_bool stopping;        /* what takes long gives up */
	atomic_bool backing_up;      /* one at a time */
};

const struct http_route *api_routes(size_t *n);
const struct metrics_route *api_metric_routes(size_t *n); /* the same, as metrics wants them */

/* What /readyz says: can the store be read (`why` not), and is every worker there? */
bool api_is_ready(const struct api *api, struct err *why, bool *store, bool *workers);

/* For struct http_options. */
enum status api_admit(void *app, const struct http_route *route, const struct http_request *r, char *caller,
	size_t caller_size, struct err *e);
void api_observe(void *app, const struct http_route *route, const struct http_observation *o);

#endif
