/*
 * http: see http.h. What libmicrohttpd leaves to us is done here:
 *
 * - Its connection timeout starts anew with every byte, so a header sent byte by byte lives for ever, and it closes a
 *   connection whose handler computed for longer. It is switched off, and server/connections keeps the deadlines.
 * - It accepts Content-Length together with Transfer-Encoding, and conflicting Content-Lengths: see check_framing.
 * - A reply can be queued before the body or after it, but not within. So a refusal in mid-body is written to the
 *   socket here, by the connection's own thread, while the library waits for the handler to return.
 * - After an early reply it closes the socket at once, which may cost the client the reply: see connection_linger.
 *
 * Life of a request: on_request is called with the headers (an exchange is made), with each piece of the body, and once
 * more at its end, when the reply is queued; on_completed, in every case the last call, releases the exchange.
 */
#include "server/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/utf8.h"
#include "server/connections.h"
#include "server/http_route.h"
#include "server/inflate.h"
#include "server/json.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/tls.h"

enum {
	CONNECTION_MEMORY = 128 << 10, /* the library's, for headers and a piece of the body */
	STACK = 512 << 10,
	OTHER_FILES = 128,       /* descriptors of the rest of the program */
	SPARE_CONNECTIONS = 64,  /* beyond the limit: these are told so with a 503 */
	REPLY_RATE = 16 << 10,   /* bytes a second at which a reply must be taken, after the first idle_seconds */
	STREAM_PIECE = 64 << 10, /* bytes of a stream at a time */
	SWALLOW = 64 << 10,      /* a refused body with no more than this to come is read, and the connection kept */
};

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

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct connection *c = *context;
	struct http *h = cls;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) { /* NULL is for on_request to refuse */
		*context = connection_enter(h->connections,
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, h->header_ms);
	} else if (c) {
		if (connection_was_ended(c) && !connections_stopping(h->connections))
			log_event(LOG_DEBUG, "connection ended: nothing whole came in time", NULL);
		connection_leave(c);
	}
}

/* Requests -------------------------------------------------------------------------------------------------------- */

const char *
http_header(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *
http_query(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct framing {
	const char *length, *encoding;
	unsigned n_hosts;
	bool conflict, bad_name, bad_text;
};

static enum MHD_Result
note_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value, size_t value_size)
{
	struct framing *f = cls;

	(void)kind;
	f->bad_name = f->bad_name || !http_is_token(key, key_size);
	f->bad_text = f->bad_text || (value && strlen(value) != value_size);
	if (!strcasecmp(key, "Host"))
		f->n_hosts++;
	if (!strcasecmp(key, "Transfer-Encoding")) {
		f->conflict = f->conflict || f->encoding;
		f->encoding = value ? value : "";
	}
	if (!strcasecmp(key, "Content-Length")) {
		f->conflict = f->conflict || (f->length && strcmp(f->length, value ? value : ""));
		f->length = value ? value : "";
	}
	return MHD_YES;
}

/* Two readings of where a request ends are how one request is smuggled inside another: none of them is served. */
static enum status
check_framing(struct exchange *x, const char *version, struct err *e)
{
	struct framing f = {0};

	MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, note_header, &f);
	if (f.length && f.encoding)
		return err_set(e, ERR_SYNTAX, "bad_framing", "Content-Length and Transfer-Encoding exclude each other");
	if (f.conflict)
		return err_set(e, ERR_SYNTAX, "bad_framing", "the body's length is given twice, and differently");
	if (f.encoding && (strcasecmp(f.encoding, "chunked") || strcmp(version, "HTTP/1.1")))
		return err_set(e, ERR_SYNTAX, "bad_framing",
			"of the Transfer-Encodings only \"chunked\" is served, and from HTTP/1.1 clients");
	if (f.bad_name)
		return err_set(e, ERR_SYNTAX, "bad_framing",
			"the name of a header has a character that none may have; is there a space before the colon?");
	if (f.encoding) {
		x->request.content_length = UINT64_MAX;
		x->has_body = true;
	} else if (f.length) {
		x->request.content_length = strtoull(f.length, NULL, 10); /* the library has checked it */
		x->has_body = x->request.content_length > 0;
		if (x->request.content_length == UINT64_MAX) /* stands for none here, and in the library as well */
			return err_set(e, ERR_SYNTAX, "bad_framing", "no body is %s bytes long", f.length);
	}
	if (f.bad_text)
		return err_set(e, ERR_SYNTAX, "bad_header", "a header has a NUL character in it");
	if (f.n_hosts > 1 || (!f.n_hosts && !strcmp(version, "HTTP/1.1")))
		return err_set(e, ERR_SYNTAX, "bad_host", "an HTTP/1.1 request needs exactly one Host header");
	return OK;
}

struct query_check {
	const struct http_route *route;
	struct err *e;
	enum status s;
	size_t seen; /* bit i: name i of the route */
};

static enum MHD_Result
check_query(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value, size_t value_size)
{
	struct query_check *q = cls;
	size_t i = 0;

	(void)kind;
	if (strlen(key) != key_size || !utf8_valid(key, key_size)) {
		q->s = err_set(q->e, ERR_SYNTAX, "bad_query", "the name of a query parameter is not UTF-8 text");
		return MHD_NO;
	}
	while (q->route->query && q->route->query[i] && strcmp(q->route->query[i], key))
		i++;
	if (!q->route->query || !q->route->query[i]) {
		q->s = http_unknown_query(q->route, key, q->e);
		return MHD_NO;
	}
	if (q->seen & (size_t)1 << i) {
		q->s = err_set(q->e, ERR_SYNTAX, "bad_query", "the query parameter \"%s\" is given twice", key);
		return MHD_NO;
	}
	q->seen |= (size_t)1 << i;
	if (!value || !value_size) {
		q->s = err_set(q->e, ERR_SYNTAX, "bad_query", "the query parameter \"%s\" has no value", key);
		return MHD_NO;
	}
	if (strlen(value) != value_size || !utf8_valid(value, value_size)) {
		q->s = err_set(q->e, ERR_SYNTAX, "bad_query",
			"the value of the query parameter \"%s\" is not UTF-8 text", key);
		return MHD_NO;
	}
	for (size_t k = 0; k < value_size; k++) {
		if ((unsigned char)value[k] < 0x20 || value[k] == 0x7F) {
			q->s = err_set(q->e, ERR_SYNTAX, "bad_query",
				"the query parameter \"%s\" has a control character", key);
			return MHD_NO;
		}
	}
	return MHD_YES;
}

static enum status
check_body_headers(struct exchange *x, struct err *e)
{
	const struct http_route *route = x->match.route;
	const char *method = x->request.method, *value, *coding;
	uint64_t length = x->request.content_length;

	value = http_header(&x->request, "Content-Type");
	http_media_type(value ? value : "", x->type, sizeof x->type, x->charset, sizeof x->charset);
	coding = http_header(&x->request, "Content-Encoding");
	if (!route->max_body)
		return x->has_body
			       ? err_set(e, ERR_SYNTAX, "unexpected_body", "%s %s takes no body", method, route->path)
			       : OK;
	if (!x->has_body && !http_header(&x->request, "Content-Length"))
		return err_set(e, ERR_SYNTAX, "length_required",
			"%s %s needs a body, with Content-Length or Transfer-Encoding: chunked", method, route->path);
	x->max_body = route->max_body(x->h->app);
	if (length != UINT64_MAX && length > x->max_body)
		return err_set(e, ERR_TOO_LARGE, "body_too_large",
			"a body of %llu bytes is over this route's limit of %llu", (unsigned long long)length,
			(unsigned long long)x->max_body);
	if (!coding || !strcasecmp(coding, "identity"))
		return OK;
	if (!inflate_serves(coding))
		return err_set(e, ERR_UNSUPPORTED, "unsupported_content_encoding",
			"Content-Encoding %.30s is not served; " INFLATE_CODINGS " are, or send the body as it is",
			coding);
	return inflate_new(coding, &x->inflate, e);
}

/* Everything that can be refused from the headers alone. */
static enum status
check_headers(struct exchange *x, const char *version, struct err *e)
{
	const union MHD_ConnectionInfo *size = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct query_check query = {.e = e};
	struct http *h = x->h;
	enum status s;

	if ((s = check_framing(x, version, e)))
		return s;
	if (connections_count(h->connections) > h->max_connections)
		return err_set(e, ERR_BUSY, "too_many_connections",
			"more than %u connections are open: try again later", h->max_connections);
	if (size && size->header_size > HTTP_MAX_HEADERS)
		return err_set(e, ERR_TOO_LARGE, "headers_too_large", "the request's headers are over %d bytes",
			HTTP_MAX_HEADERS);
	http_match(h->routes, h->n_routes, x->request.method, x->request.path, &x->match);
	if (!x->match.allow[0])
		return err_set(e, ERR_NOT_FOUND, "unknown_path",
			"there is nothing at %.200s; /openapi.json lists what there is", x->request.path);
	if (!x->match.route)
		return err_set(e, ERR_INVALID, "method_not_allowed", "%.16s is not served at %.200s; %s is",
			x->request.method, x->request.path, x->match.allow);
	if (h->options.admit && (s = h->options.admit(h->app, x->match.route, &x->request, x->request.caller,
					 sizeof x->request.caller, e)))
		return s;
	memcpy(x->request.path_param, x->match.path_param, sizeof x->match.path_param);
	query.route = x->match.route;
	MHD_get_connection_values_n(x->mhd, MHD_GET_ARGUMENT_KIND, check_query, &query);
	if (query.s)
		return query.s;
	if ((s = check_body_headers(x, e)))
		return s;
	x->begun = true;
	return query.route->begin ? query.route->begin(h->app, &x->request, &x->state, e) : OK;
}

static void
release_state(struct exchange *x)
{
	if (x->begun && x->match.route->release)
		x->match.route->release(x->h->app, x->state);
	x->begun = false;
	x->state = NULL;
}

/* Replies --------------------------------------------------------------------------------------------------------- */

static void
add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (value[0])
		MHD_add_response_header(response, name, value); /* fails for lack of memory alone: then without it */
}

static void
release_reply(struct http_reply *reply)
{
	buf_release(&reply->body);
	if (reply->stream.release)
		reply->stream.release(reply->stream.ctx);
	reply->stream = (struct http_stream){0};
}

/* What a conditional request, or one for a part, makes of the reply; text: of Content-Range. */
static void
apply_conditions(const struct exchange *x, struct http_reply *reply, uint64_t *first, uint64_t *n, char text[80])
{
	const char *match = http_header(&x->request, "If-None-Match"), *range = http_header(&x->request, "Range");
	const char *if_range = http_header(&x->request, "If-Range");
	unsigned long long size = *n;
	struct err e = {0};

	if (reply->status != 200 || !reply->etag[0] ||
		(strcmp(x->request.method, "GET") && strcmp(x->request.method, "HEAD")))
		return;
	if (match && http_etag_listed(match, reply->etag, false)) {
		release_reply(reply);
		reply->status = 304;
		*n = 0;
		return;
	}
	if (!reply->ranges || size == UINT64_MAX || !range || strcmp(x->request.method, "GET") ||
		(if_range && !http_etag_listed(if_range, reply->etag, true)))
		return;
	switch (http_range(range, *n, first, n)) {
	case RANGE_NONE:
		break;
	case RANGE_PART:
		reply->status = 206;
		snprintf(text, 80, "bytes %llu-%llu/%llu", (unsigned long long)*first,
			(unsigned long long)(*first + *n - 1), size);
		break;
	case RANGE_OUTSIDE:
		err_set(&e, ERR_INVALID, "range_not_satisfiable", "there are %llu bytes, and \"%.60s\" is outside them",
			size, range);
		release_reply(reply);
		http_problem(&e, &x->request, reply);
		snprintf(text, 80, "bytes */%llu", size);
		*first = 0;
		*n = reply->body.len;
		break;
	}
}

/* A stream on its way out; the library reads it piece by piece, and counts from the first byte that it is given. */
struct sending {
	struct exchange *x;
	struct http_stream stream;
	uint64_t first;
};

static ssize_t
on_stream(void *cls, uint64_t at, char *to, size_t max)
{
	struct sending *s = cls;
	struct exchange *x = s->x;
	struct err e = {0};
	size_t got = 0;

	connection_phase(x->c, PHASE_HANDLING, UINT64_MAX);
	if (s->stream.read(s->stream.ctx, s->first + at, to, max, &got, &e)) {
		log_event(LOG_ERROR, "a reply was cut short", "code", e.code, "detail", e.msg, "path", x->request.path,
			"request_id", x->request.request_id, NULL);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	connection_phase(x->c, PHASE_REPLYING, x->h->idle_ms);
	x->reply_bytes += got;
	return got ? (ssize_t)got : MHD_CONTENT_READER_END_OF_STREAM;
}

static void
on_stream_sent(void *cls)
{
	struct sending *s = cls;

	if (s->stream.release)
		s->stream.release(s->stream.ctx);
	free(s);
}

/* The reply's bytes `first` and on, n of them, as the library wants them; the reply has nothing to release then. NULL:
 * no memory. */
static struct MHD_Response *
make_response(struct exchange *x, struct http_reply *reply, uint64_t first, uint64_t n)
{
	struct MHD_Response *response;
	struct sending *s;

	if (reply->stream.read) {
		if (!(s = malloc(sizeof *s)))
			return NULL;
		*s = (struct sending){.x = x, .stream = reply->stream, .first = first};
		response = MHD_create_response_from_callback(
			n == UINT64_MAX ? MHD_SIZE_UNKNOWN : n, STREAM_PIECE, on_stream, s, on_stream_sent);
		if (!response)
			free(s);
		return response;
	}
	if (first) /* the buffer is freed by its start */
		memmove(reply->body.data, reply->body.data + first, (size_t)n);
	x->reply_bytes = (size_t)n;
	return MHD_create_response_from_buffer((size_t)n, reply->body.data ? reply->body.data : (void *)"",
		reply->body.data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result
send_reply(struct exchange *x, struct http_reply *reply)
{
	struct http *h = x->h;
	struct MHD_Response *response;
	char retry_after[16] = "", content_range[80] = "", disposition[160] = "", json_size[24] = "";
	uint64_t first = 0, n = reply->stream.read ? reply->stream.size : reply->body.len;
	enum MHD_Result result;

	apply_conditions(x, reply, &first, &n, content_range);
	x->status = reply->status;
	response = make_response(x, reply, first, n);
	if (!response) {
		release_reply(reply);
		return MHD_NO;
	}
	if (reply->retry_after)
		snprintf(retry_after, sizeof retry_after, "%u", reply->retry_after);
	if (reply->file_name[0])
		snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", reply->file_name);
	if (n)
		add_header(response, "Content-Type", reply->content_type ? reply->content_type : "application/json");
	add_header(response, "Content-Disposition", disposition);
	add_header(response, "Content-Range", content_range);
	add_header(response, "Accept-Ranges", reply->ranges && reply->etag[0] ? "bytes" : "");
	add_header(response, "ETag", reply->etag);
	add_header(response, "Cache-Control", reply->cache_control ? reply->cache_control : "");
	add_header(response, "Preference-Applied", reply->preference);
	add_header(response, "X-Request-Id", x->request.request_id);
	add_header(response, "X-Content-Type-Options", "nosniff");
	add_header(response, "Location", reply->location);
	add_header(response, "Verad-Warnings", reply->warnings);
	if (reply->json_size)
		snprintf(json_size, sizeof json_size, "%zu", reply->json_size);
	add_header(response, "Inference-Header-Content-Length", json_size);
	add_header(response, "Allow", reply->allow);
	if (x->refused && !strcmp(x->refusal.code, "unsupported_content_encoding"))
		add_header(response, "Accept-Encoding", INFLATE_CODINGS);
	add_header(response, "Retry-After", retry_after);
	add_header(response, "WWW-Authenticate", reply->authenticate);
	/* After the headers of a HEAD the library would send the end of a chunked body that nobody waits for. */
	if (x->unread || connections_stopping(h->connections) ||
		(n == UINT64_MAX && !strcmp(x->request.method, "HEAD")))
		add_header(response, "Connection", "close");
	connection_phase(x->c, PHASE_REPLYING, h->idle_ms + x->reply_bytes * 1000 / REPLY_RATE);
	result = MHD_queue_response(x->mhd, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static void
refusal_reply(struct exchange *x, struct http_reply *reply)
{
	const char *plain = x->h->options.plain_errors;
	size_t n = plain ? strlen(plain) : 0;

	if (n && !strncmp(x->request.path, plain, n) && (!x->request.path[n] || x->request.path[n] == '/'))
		http_plain_problem(&x->refusal, &x->request, reply);
	else
		http_problem(&x->refusal, &x->request, reply);
	if (reply->status == 405)
		snprintf(reply->allow, sizeof reply->allow, "%s", x->match.allow);
}

static ssize_t
send_some(struct exchange *x, const void *bytes, size_t n)
{
	const union MHD_ConnectionInfo *info;

	if (!x->h->options.tls)
		return send(connection_fd(x->c), bytes, n, MSG_NOSIGNAL);
	info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	return tls_send(info->tls_session, bytes, n);
}

/* The reply to a body that is still coming, written past the library; see the head of this file. */
static enum MHD_Result
refuse_within_body(struct exchange *x)
{
	struct http_reply reply = {0};
	struct buf out = {0};
	size_t sent = 0;

	x->unread = true;
	refusal_reply(x, &reply);
	x->status = reply.status;
	x->reply_bytes = reply.body.len;
	buf_printf(&out, "HTTP/1.1 %d %s\r\nConnection: close\r\nX-Request-Id: %s\r\n", reply.status,
		http_status_phrase(reply.status), x->request.request_id);
	if (reply.retry_after)
		buf_printf(&out, "Retry-After: %u\r\n", reply.retry_after);
	if (reply.body.len)
		buf_printf(&out, "Content-Type: %s\r\n", reply.content_type);
	buf_printf(&out, "Content-Length: %zu\r\n\r\n", reply.body.len);
	buf_put(&out, reply.body.data, reply.body.len);
	connection_phase(x->c, PHASE_REPLYING, x->h->idle_ms);
	while (!out.failed && sent < out.len) {
		struct pollfd p = {.fd = connection_fd(x->c), .events = POLLOUT};
		ssize_t n = send_some(x, out.data + sent, out.len - sent);

		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1); /* the reaper ends it */
		else if (n < 0 && errno != EINTR)
			break;
	}
	buf_release(&out);
	buf_release(&reply.body);
	return MHD_NO; /* to the library: close, nothing more is to be sent; on_completed lingers before that */
}

/* Bodies ---------------------------------------------------------------------------------------------------------- */

/* The next piece is due within body_seconds, and sooner when the body as a whole came slower than HTTP_MIN_RATE. */
static void
await_body(struct exchange *x)
{
	uint64_t now = monotonic_ms();
	uint64_t whole = x->started + x->handling_ms + x->h->body_ms + x->received * 1000 / HTTP_MIN_RATE;
	uint64_t left = whole > now ? whole - now : 0;

	connection_phase(x->c, PHASE_BODY, left < x->h->body_ms ? left : x->h->body_ms);
}

/* Plain bytes on their way to the route. */
static enum status
give_to_route(void *exchange, const void *bytes, size_t n, struct err *e)
{
	struct exchange *x = exchange;
	const struct http_route *route = x->match.route;

	x->unpacked += n;
	if (x->unpacked > x->max_body)
		return err_set(e, ERR_TOO_LARGE, "body_too_large",
			"the body is over this route's limit of %llu bytes%s", (unsigned long long)x->max_body,
			x->inflate ? " once it is unpacked" : "");
	if (route->body)
		return route->body(x->h->app, x->state, bytes, n, e);
	buf_put(&x->gathered, bytes, n);
	return buf_status(&x->gathered, e);
}

static enum status
take_piece(struct exchange *x, const char *piece, size_t n, struct err *e)
{
	const struct inflate_sink route = {.plain = give_to_route, .ctx = x};

	return x->inflate ? inflate_feed(x->inflate, piece, n, route, e) : give_to_route(x, piece, n, e);
}

static enum MHD_Result
on_piece(struct exchange *x, const char *piece, size_t n)
{
	uint64_t from = monotonic_ms(), length = x->request.content_length;

	connection_phase(x->c, PHASE_HANDLING, UINT64_MAX);
	x->received += n;
	if (!x->refused)
		x->refused = take_piece(x, piece, n, &x->refusal) != OK;
	if (x->refused && (length == UINT64_MAX || length - x->received > SWALLOW))
		return refuse_within_body(x);
	x->handling_ms += monotonic_ms() - from;
	await_body(x);
	return MHD_YES;
}

static enum MHD_Result
on_end(struct exchange *x)
{
	struct http_reply reply = {.status = 200};
	enum status s = OK;

	connection_phase(x->c, PHASE_HANDLING, UINT64_MAX);
	if (!x->refused && x->inflate)
		x->refused = inflate_finish(x->inflate, &x->refusal) != OK;
	if (!x->refused) {
		const struct http_route *route = x->match.route;

		s = route->end(x->h->app, &x->request, x->state, &x->gathered, &reply, &x->refusal);
		if (!s)
			s = buf_status(&reply.body, &x->refusal);
	}
	if (x->refused || s) {
		release_reply(&reply);
		reply = (struct http_reply){0};
		refusal_reply(x, &reply);
	}
	buf_release(&x->gathered);
	release_state(x);
	return send_reply(x, &reply);
}

static struct exchange *
exchange_new(struct http *h, struct MHD_Connection *mhd, const char *method, const char *path)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct exchange *x;

	if (!info || !info->socket_context)
		return NULL;
	x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	x->h = h;
	x->c = info->socket_context;
	x->mhd = mhd;
	x->began = monotonic_seconds();
	x->started = (uint64_t)(x->began * 1000);
	x->request.method = method;
	x->request.path = path;
	x->request.connection = mhd;
	x->request.content_type = x->type;
	x->request.content_charset = x->charset;
	http_request_id(http_header(&x->request, "X-Request-Id"), x->request.request_id);
	http_trace_id(http_header(&x->request, "traceparent"), x->request.trace_id);
	return x;
}

/*
 * A reply before the body ends the connection, so it is for bodies that are not worth reading to keep it, and for
 * clients that ask before they send. After framing in doubt nothing more may be taken for a request.
 */
static bool
refuse_at_once(const struct exchange *x)
{
	if (!strcmp(x->refusal.code, "bad_framing"))
		return true;
	return x->has_body && (x->refusal.status == ERR_TOO_LARGE || x->request.content_length > SWALLOW ||
				      http_header(&x->request, "Expect"));
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
	const char *piece, size_t *piece_size, void **context)
{
	struct exchange *x = *context;

	if (x && *piece_size) {
		size_t n = *piece_size;

		*piece_size = 0;
		return on_piece(x, piece, n);
	}
	if (x)
		return on_end(x);
	x = exchange_new(cls, mhd, method, url);
	*context = x;
	if (!x)
		return MHD_NO;
	connection_phase(x->c, PHASE_HANDLING, UINT64_MAX);
	x->refused = check_headers(x, version, &x->refusal) != OK;
	if (x->refused && refuse_at_once(x)) {
		x->unread = true;
		return on_end(x);
	}
	if (x->has_body)
		await_body(x);
	return MHD_YES;
}

static void
log_access(const struct exchange *x, double seconds, enum MHD_RequestTerminationCode how)
{
	const char *optional[5] = {NULL}, **next = optional;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	char status[16], bytes[24], received[24], duration[24], client[64] = "";
	const char *outcome = "done";

	if (info && info->client_addr)
		getnameinfo(info->client_addr, sizeof(struct sockaddr_storage), client, sizeof client, NULL, 0,
			NI_NUMERICHOST);
	if (connection_was_ended(x->c))
		outcome = "too_slow";
	else if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK && !x->unread)
		outcome = "client_gone";
	snprintf(status, sizeof status, "%d", x->status);
	snprintf(bytes, sizeof bytes, "%zu", x->reply_bytes);
	snprintf(received, sizeof received, "%llu", (unsigned long long)x->received);
	snprintf(duration, sizeof duration, "%.3f", seconds * 1000);
	if (x->request.caller[0]) {
		*next++ = "caller";
		*next++ = x->request.caller;
	}
	if (x->request.trace_id[0]) {
		*next++ = "trace_id";
		*next++ = x->request.trace_id;
	}
	log_event(LOG_INFO, "request", "method", x->request.method, "path", x->request.path, "status", status, "bytes",
		bytes, "received", received, "ms", duration, "outcome", outcome, "client", client, "request_id",
		x->request.request_id, optional[0], optional[1], optional[2], optional[3], NULL);
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode how)
{
	struct exchange *x = *context;
	struct http *h = cls;
	struct connection *c;
	double seconds;

	(void)mhd;
	if (!x)
		return;
	seconds = monotonic_seconds() - x->began;
	c = x->c;
	*context = NULL;
	release_state(x);
	inflate_free(x->inflate);
	buf_release(&x->gathered);
	log_access(x, seconds, how);
	if (h->options.observe) {
		const struct http_observation o = {
			.status = x->status, .seconds = seconds, .received = x->received, .sent = x->reply_bytes};

		h->options.observe(h->app, x->match.route, &o);
	}
	if (x->unread && x->status)
		connection_linger(c);
	free(x);
	connection_phase(c, PHASE_WAITING, h->idle_ms);
}

/* Start and stop -------------------------------------------------------------------------------------------------- */

static void
on_library_message(void *cls, const char *format, va_list ap)
{
	char text[256];

	(void)cls;
	vsnprintf(text, sizeof text, format, ap);
	text[strcspn(text, "\n")] = '\0';
	log_event(LOG_DEBUG, "http library", "text", text, NULL);
}

/* The threads of the server take no signals: they are the main thread's. */
static enum status
start_threads(struct http *h, struct err *e)
{
	struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_callback()},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES}, {MHD_OPTION_END, 0, NULL}};
	sigset_t all, old;
	enum status s = OK;

	if (!h->options.tls)
		tls[0].option = MHD_OPTION_END;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if ((s = connections_new(&h->connections, e)))
		goto out;
	h->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
					     MHD_USE_ITC | MHD_USE_ERROR_LOG | (h->options.tls ? MHD_USE_TLS : 0u),
		0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL,
		MHD_OPTION_LISTEN_SOCKET, h->listen_fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_CONNECTION_LIMIT,
		h->max_connections + SPARE_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (!h->daemon)
		s = err_set(e, ERR_IO, "cannot_listen", "the HTTP library could not start");
out:
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return s;
}

static void
http_free(struct http *h)
{
	if (h->listen_fd >= 0)
		close(h->listen_fd);
	connections_free(h->connections);
	free(h);
}

enum status
http_start(const struct http_options *o, const struct http_route *routes, size_t n, void *app, struct http **out,
	struct err *e)
{
	struct http *h = calloc(1, sizeof *h);
	enum status s;

	if (!h)
		return err_nomem(e);
	h->listen_fd = -1;
	h->routes = routes;
	h->n_routes = n;
	h->app = app;
	h->options = *o;
	h->max_connections = listen_affordable(
		o->max_connections ? o->max_connections : 1000, OTHER_FILES + SPARE_CONNECTIONS);
	h->header_ms = (o->header_seconds ? o->header_seconds : 10) * (uint64_t)1000;
	h->body_ms = (o->body_seconds ? o->body_seconds : 60) * (uint64_t)1000;
	h->idle_ms = (o->idle_seconds ? o->idle_seconds : 60) * (uint64_t)1000;
	if (o->listen_fd > 0)
		h->listen_fd = o->listen_fd;
	else if ((s = listen_on(o->listen, &h->listen_fd, e)))
		goto out;
	h->port = listen_port(h->listen_fd);
	s = start_threads(h, e);
out:
	if (s)
		http_free(h);
	else
		*out = h;
	return s;
}

unsigned
http_port(const struct http *h)
{
	return h->port;
}

int
http_listen_fd(const struct http *h)
{
	return h->listen_fd;
}

unsigned
http_connections(const struct http *h)
{
	return connections_count(h->connections);
}

void
http_stop(struct http *h, unsigned seconds)
{
	if (!h)
		return;
	MHD_quiesce_daemon(h->daemon);
	shutdown(h->listen_fd, SHUT_RDWR); /* the backlog is told now, the descriptor closed when no thread polls it */
	connections_drain(h->connections, seconds);
	MHD_stop_daemon(h->daemon);
	http_free(h);
}
