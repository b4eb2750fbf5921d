/*
 * http_route: which route a request means, and what its header values say. The part of http without sockets.
 *
 * Thread rule: pure functions.
 */
#ifndef VERAD_SERVER_HTTP_ROUTE_H
#define VERAD_SERVER_HTTP_ROUTE_H

#include "server/http.h"

enum { HTTP_PATH_SIZE = 256 }; /* a longer path is no route's */

struct http_match {
	const struct http_route *route; /* NULL: unknown path, or known with other methods */
	char allow[64];                 /* methods of the path, for Allow; "" = unknown path */
	char text[HTTP_PATH_SIZE];      /* what the path parameters point into */
	const char *path_param[HTTP_MAX_PATH_PARAMS];
};

/* Matches segment by segment; a {…} takes any one non-empty segment. HEAD means the GET route. */
void http_match(
	const struct http_route *routes, size_t n, const char *method, const char *path, struct http_match *out);

/* "Text/CSV; charset=\"UTF-8\"" to "text/csv" and "utf-8", both cut to fit. */
void http_media_type(const char *value, char *type, size_t type_size, char *charset, size_t charset_size);

/* ERR_SYNTAX "unknown_query_parameter" with the nearest name that the route has, or all of them. */
enum status http_unknown_query(const struct http_route *route, const char *name, struct err *e);

const char *http_status_phrase(int status); /* "Not Found" */

#endif
