/*
 * http_private: what the rooms of http share, and no one else includes. With it they are the one door to
 * <microhttpd.h>:
 *
 *   http.c        connections, what is asked, bodies on their way in, start and stop
 *   http_reply.c  what is answered
 */
#ifndef VERAD_SERVER_HTTP_PRIVATE_H
#define VERAD_SERVER_HTTP_PRIVATE_H

#include <microhttpd.h>

#include "server/connections.h"
#include "server/http_route.h"
#include "server/inflate.h"
#include "server/monotonic.h"

struct http {
	struct MHD_Daemon *daemon;
	int listen_fd;
	unsigned port;
	const struct http_route *routes;
	size_t n_routes;
	void *app;
	unsigned max_connections;
	uint64_t header_ms, body_ms, idle_ms;
	struct http_options options;

	struct connections *connections;
};

struct exchange { /* one request; used by its connection's thread alone */
	struct http *h;
	struct connection *c;
	struct MHD_Connection *mhd;
	struct http_request request;
	struct http_match match;
	char type[96], charset[32];
	uint64_t started, handling_ms, max_body, received;
	double began; /* monotonic seconds, as `started`, to more digits */
	bool has_body;
	struct inflate *inflate; /* of a compressed body; NULL: it comes as it is */
	uint64_t unpacked;       /* plain bytes so far, of any body */
	struct buf gathered;
	void *state;  /* the route's */
	bool begun;   /* the route's release is owed */
	bool refused; /* the reply will be the problem `refusal`; what comes of the body is dropped */
	struct err refusal;
	bool unread; /* the reply goes out before the body is in */
	int status;  /* of the reply; 0: none was made */
	size_t reply_bytes;
};

/* http_reply.c */
/* Answers the request; the reply has nothing to release then. */
enum MHD_Result exchange_reply(struct exchange *x, struct http_reply *reply);
/* The problem that x->refusal is, as the clients of this path read it. */
void exchange_refusal(struct exchange *x, struct http_reply *reply);
/* Answers with x->refusal while the body is still coming, and past the library; what it returns ends the connection. */
enum MHD_Result exchange_refuse_within_body(struct exchange *x);
void http_reply_release(struct http_reply *reply);

#endif
