/*
 * http: sockets, requests, bodies, replies, limits and deadlines.
 *
 * One thread per connection, so a handler may block; bodies are streamed to it piece by piece. Before any handler runs,
 * http refuses with problem details of its own: an unknown path (404), a known path with another method (405 with
 * Allow), a query parameter that the route has not (400), a body declared larger than the route's limit (413, before
 * reading it), a body where none is taken (400), a POST without Content-Length or chunked encoding (411),
 * Content-Length together with Transfer-Encoding or given twice differently (400), headers too large (431), too many
 * connections (503). A body that grows over the limit while it streams is refused too.
 *
 * A body with Content-Encoding gzip or zstd is unpacked on its way to the route, whose limit counts plain bytes;
 * another coding is a 415, a damaged or truncated one a 400, and one that unpacks beyond measure a 413
 * (server/inflate).
 *
 * Deadlines: a new connection has header_seconds for its first request's headers, a kept one idle_seconds for the
 * next's. A body may pause for body_seconds, and must come at HTTP_MIN_RATE on the whole. A reply must be taken within
 * idle_seconds and its bytes at a modest rate. Whoever is late is disconnected. A reply that refuses an unfinished body
 * is followed by reading on for a while, so that a client that sends first and reads later still gets to see it.
 *
 * A 200 with an ETag is answered as If-None-Match, and where the route says so Range and If-Range, have it (RFC 9110;
 * one range; several are answered with the whole).
 *
 * GET routes answer HEAD too. Every reply has X-Request-Id; every request is one line in the log, with the trace id of
 * its traceparent where it has one.
 *
 * Threads: a handler runs in its connection's thread. Routes and limits are read-only after start.
 */
#ifndef VERAD_SERVER_HTTP_H
#define VERAD_SERVER_HTTP_H

#include "engine/buf.h"

enum { HTTP_REQUEST_ID_SIZE = 40 };
enum { HTTP_MAX_PATH_PARAMS = 2 };
enum { HTTP_MIN_RATE = 500 };         /* bytes a second of a body, over its whole time */
enum { HTTP_MAX_HEADERS = 32 << 10 }; /* bytes of request line and headers; past it, 431 */

struct http_request { /* borrowed by the handler until its `end` returns */
	const char *method, *path;
	char request_id[HTTP_REQUEST_ID_SIZE];        /* of X-Request-Id when it is sane, else made here */
	const char *path_param[HTTP_MAX_PATH_PARAMS]; /* the {…} of the route, in order */
	const char *content_type;                     /* lower case, without parameters; "" when absent */
	const char *content_charset;                  /* lower case; "" when absent */
	uint64_t content_length;                      /* UINT64_MAX when not declared (chunked) */
	char trace_id[33];                            /* of the W3C traceparent; "" where none came that can be read */
	char caller[40];                              /* who it is, as `admit` found out; "" where nobody was asked */
	void *connection;                             /* http's */
};
/* Decoded, valid UTF-8 without control characters, not empty; NULL when absent. */
const char *http_query(const struct http_request *r, const char *name);
const char *http_header(const struct http_request *r, const char *name); /* NULL when absent */

/*
 * A reply that is made while it is sent, by the connection's own thread: too large for memory, or without an end. It
 * reads positions that follow one another, from the first byte asked for.
 */
struct http_stream {
	/* Up to `max` bytes from position `at`; *got = 0: the end. May block. A failure is logged and cuts the reply
	 * short, so that the client sees that it is not whole. */
	enum status (*read)(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e);
	void (*release)(void *ctx); /* called once in any case */
	void *ctx;
	uint64_t size; /* UINT64_MAX: known at the end alone */
};

struct http_reply {
	int status;                /* 200 … */
	const char *content_type;  /* static; "application/json" by default */
	struct buf body;           /* owned; sent and released by http */
	struct http_stream stream; /* in place of the body where `read` is set; released by http */
	char etag[72];             /* with its quotes; a 200 that has one may become a 304 */
	bool ranges;               /* with an etag: a 200 of known size may become a 206 or 416 */
	char file_name[128];       /* of Content-Disposition: attachment; plain ASCII without quotes; "" = no header */
	char location[128];        /* "" = no header */
	char warnings[512];        /* of the Verad-Warnings header; "" = none */
	char allow[64];            /* "" = no header */
	char preference[32];       /* of Preference-Applied; "" = no header */
	const char *cache_control; /* static; NULL = no header */
	unsigned retry_after;      /* seconds; 0 = no header */
	char authenticate[96];     /* of WWW-Authenticate; "" = no header */
	size_t json_size;          /* of Inference-Header-Content-Length; 0 = no header */
};

/*
 * A route's life: begin (NULL: nothing to prepare) may refuse from the headers alone; body gets each piece (NULL: the
 * pieces are gathered into http's buffer and given to `end`); end makes the reply; release (NULL: no state) frees
 * *state exactly once in any case, also when the client goes away half-way. begin and body say "refused" by returning a
 * status: err fills the problem reply, and the rest of the body is not read. `end` is called for whole requests alone.
 */
struct http_route {
	const char *method;                    /* "GET" */
	const char *path;                      /* "/v1/jobs/{id}/cancel" */
	unsigned scope;                        /* what `admit` is to ask for; 0: what the method tells */
	const char *const *query;              /* names of the query parameters, NULL-terminated; NULL: none */
	uint64_t (*max_body)(const void *app); /* bytes; NULL: takes no body */
	enum status (*begin)(void *app, const struct http_request *r, void **state, struct err *e);
	enum status (*body)(void *app, void *state, const void *bytes, size_t n, struct err *e);
	enum status (*end)(void *app, const struct http_request *r, void *state, const struct buf *gathered,
		struct http_reply *reply, struct err *e);
	void (*release)(void *app, void *state);
};

struct tls;

struct http_observation { /* of a request that is over */
	int status;       /* 0: it ended without an answer */
	double seconds;   /* since its headers were in */
	uint64_t received, sent;
};

struct http_options {
	const char *plain_errors; /* this path and those below it get http_plain_problem; NULL: none */
	const char *listen;       /* "127.0.0.1:8080", "[::1]:0", "unix:PATH"; port 0: any free one */
	int listen_fd;            /* > 0: a listening socket, taken over, in place of `listen` */
	struct tls *tls;          /* borrowed until stop; NULL: plain HTTP */
	/* May this request go on? Asked once its route is known, before anything else of it is looked at; fills
	 * `caller`. NULL: everybody may. */
	enum status (*admit)(void *app, const struct http_route *route, const struct http_request *r, char *caller,
		size_t caller_size, struct err *e);
	/* Each request, once, at its end; route NULL: none matched. NULL: nobody wants to know. */
	void (*observe)(void *app, const struct http_route *route, const struct http_observation *o);
	unsigned max_connections;                            /* 0: 1,000 */
	unsigned header_seconds, body_seconds, idle_seconds; /* deadlines; 0: 10, 60, 60 */
};

struct http;
/* routes: n of them, borrowed until stop. app goes to every handler. */
enum status http_start(const struct http_options *o, const struct http_route *routes, size_t n, void *app,
	struct http **out, struct err *e);
unsigned http_port(const struct http *h);
unsigned http_connections(const struct http *h); /* open now */
/* No new connections; waits up to `seconds` for requests under way, then closes everything. Accepts NULL. */
void http_stop(struct http *h, unsigned seconds);

/* The HTTP status of an error, and its RFC 9457 body with code, request_id, and errors[] with line and column. What
 * went wrong inside (a 500) is told to the log alone. */
int http_status_of(const struct err *e);
void http_problem(const struct err *e, const struct http_request *r, struct http_reply *reply);
/* The same as {"error": "code: message"}, which is what the Open Inference Protocol's clients read. */
void http_plain_problem(const struct err *e, const struct http_request *r, struct http_reply *reply);

#endif
