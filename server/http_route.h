/*
 * http_route: which route a request means, and what its header values say. The part of http without sockets.
 *
 * Thread rule: no shared state.
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

/* Whether the list of an If-None-Match or If-Range header has the tag ("*" has every one). strong: W/ tags do not
 * count.
 */
bool http_etag_listed(const char *list, const char *etag, bool strong);

/* "bytes=0-499", "bytes=500-", "bytes=-500" of `size` bytes. Several ranges, or what is no range at all, are as if
 * nothing had been asked. */
enum http_range { RANGE_NONE, RANGE_PART, RANGE_OUTSIDE };
enum http_range http_range(const char *value, uint64_t size, uint64_t *first, uint64_t *n);

/* Is this the name of a header, as RFC 9110 spells one? The library lets "Content-Length " through as one that it does
 * not know. */
bool http_is_token(const char *text, size_t n);

/* A request id of the client's (NULL: it sent none) is taken where it cannot harm a log, else one is made. */
void http_request_id(const char *given, char out[HTTP_REQUEST_ID_SIZE]);

/* The trace id of a W3C traceparent (any version but ff): 32 hexadecimal digits, not all 0. "" for every other text. */
void http_trace_id(const char *traceparent, char out[33]);

const char *http_status_phrase(int status); /* "Not Found" */

#endif
