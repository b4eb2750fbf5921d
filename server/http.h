/*
 * http: sockets, requests, bodies, limits and deadlines. The only <microhttpd.h>.
 *
 * One thread per connection, so a handler may block; bodies are streamed to it piece by piece. Before any handler runs,
 * http refuses with problem details of its own: an unknown path (404), a known path with another method (405 with
 * Allow), a body declared larger than the route's limit (413, before reading it), a POST without Content-Length
 * or chunked encoding (411), Content-Length together with Transfer-Encoding or given twice differently (400), headers
 * too large (431), too many connections (503). A body that grows over the limit while it streams is refused too. A
 * connection that takes longer than its deadline for headers or body is closed.
 *
 * Threads: a handler runs in its connection's thread. Routes and limits are read-only after start.
 */
#ifndef VERAD_SERVER_HTTP_H
#define VERAD_SERVER_HTTP_H

#include "engine/buf.h"

enum { HTTP_MAX_PATH_PARAMS = 2 };

struct http_request { /* borrowed by the handler until the reply is sent */
	const char *method, *path;
	char request_id[40];                       /* of X-Request-Id when it is sane, else made here */
	const char *path_param[HTTP_MAX_PATH_PARAMS]; /* the {…} of the route, in order */
	const char *content_type;                  /* lower case, without parameters; "" when absent */
	const char *content_charset;               /* lower case; "" when absent */
	const char *content_encoding;              /* lower case; "" when absent or identity */
	uint64_t content_length;                   /* UINT64_MAX when not declared (chunked) */
	void *connection;                          /* http.c's */
};
const char *http_query(const struct http_request *r, const char *name);  /* decoded; NULL when absent */
const char *http_header(const struct http_request *r, const char *name); /* NULL when absent */

struct http_reply {
	int status;               /* 200 … */
	const char *content_type; /* static; "application/json" by default */
	struct buf body;          /* owned; sent and released by http */
	char location[128];       /* "" = no header */
	char warnings[512];       /* of the Verad-Warnings header; "" = none */
	unsigned retry_after;     /* seconds; 0 = no header */
};

/*
 * A route's life: begin (NULL: nothing to prepare) may refuse from the headers alone; body gets each piece (NULL: the
 * pieces are gathered into http's buffer, up to max_body, and given to `end`); end makes the reply; release frees *state
 * in any case, also when the client goes away half-way. begin and body say "refused" by returning a status: err fills
 * the problem reply, and the rest of the body is not read.
 */
struct http_route {
	const char *method;       /* "GET" */
	const char *path;         /* "/v1/jobs/{id}/cancel" */
	uint64_t max_body;        /* bytes; 0: takes no body */
	enum status (*begin)(void *app, const struct http_request *r, void **state, struct err *e);
	enum status (*body)(void *app, void *state, const void *bytes, size_t n, struct err *e);
	enum status (*end)(void *app, const struct http_request *r, void *state, const struct buf *gathered,
		struct http_reply *reply, struct err *e);
	void (*release)(void *app, void *state);
};

struct http_options {
	const char *listen;       /* "127.0.0.1:8080", "[::1]:0"; port 0: any free one */
	unsigned max_connections; /* 0: 1,000 */
	unsigned header_seconds, body_seconds, idle_seconds; /* deadlines; body: between two pieces; 0: 10, 60, 60 */
};

struct http;
/* routes: n of them, borrowed until stop. app goes to every handler. */
enum status http_start(const struct http_options *o, const struct http_route *routes, size_t n, void *app,
	struct http **out, struct err *e);
unsigned http_port(const struct http *h);
/* No new connections; waits up to `seconds` for requests under way, then closes everything. */
void http_stop(struct http *h, unsigned seconds);

/* The HTTP status of an error, and its RFC 9457 body with code, request_id, and errors[] with line and column. */
int http_status_of(const struct err *e);
void http_problem(const struct err *e, const struct http_request *r, struct http_reply *reply);

#endif
