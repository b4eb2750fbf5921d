/*
 * api: the routes of the daemon. A handler parses, makes one service call, replies; JSON in and out.
 * api.c has the route table and the service's own resources (health, OpenAPI); api_datasets.c, api_jobs.c and
 * api_models.c have the rest.
 */
#ifndef VERAD_SERVER_API_H
#define VERAD_SERVER_API_H

#include "server/http.h"
#include "server/jobs.h"
#include "server/service.h"

struct api {
	struct service *service; /* borrowed */
	const struct jobs *jobs; /* borrowed; for readiness */
	uint64_t max_upload;     /* bytes of a data set's body */
	uint64_t max_predict;    /* bytes of rows to predict */
};

const struct http_route *api_routes(size_t *n);

#endif
