/*
 * http: see http.h. What libmicrohttpd leaves to us is done here and in http_reply.c:
 *
 * - Its connection timeout starts anew with every byte, so a header sent byte by byte lives for ever, and it closes a
 *   connection whose handler computed for longer. It is switched off, and server/connections keeps the deadlines.
 * - It accepts Content-Length together with Transfer-Encoding, and conflicting Content-Lengths: see check_framing.
 * - A reply can be queued before the body or after it, but not within: see exchange_refuse_within_body.
 * - After an early reply it closes the socket at once, which may cost the client the reply: see connection_linger.
 *
 * Life of a request: on_request is called with the headers (an exchange is made), with each piece of the body, and once
 * more at its end, when the reply is queued; on_completed, in every case the last call, releases the exchange.
 */
#include "server/http_private.h"

#include <math.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/table.h"
#include "schema/utf8.h"
#include "server/json.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/tls.h"

enum {
	CONNECTION_MEMORY = 64 << 10, /* the library's; zeroed by it at every request */
	STACK = 512 << 10,
	OTHER_FILES = 128,      /* descriptors of the rest of the program */
	SPARE_CONNECTIONS = 64, /* beyond the limit: these are told so with a 503 */
	SWALLOW = 64 << 10,     /* a refused body with no more than this to come is read, and the connection kept */
};

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info;
	struct connection *c = *context;
	struct http *h = cls;
	char client[64] = "";

	if (what == MHD_CONNECTION_NOTIFY_STARTED) { /* NULL is for on_request to refuse */
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
		if (info && info->client_addr)
			getnameinfo(info->client_addr, sizeof(struct sockaddr_storage), client, sizeof client, NULL, 0,
				NI_NUMERICHOST);
		*context = connection_enter(h->connections,
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, client,
			h->header_ms);
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
		return exchange_refuse_within_body(x);
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
		http_reply_release(&reply);
		reply = (struct http_reply){0};
		exchange_refusal(x, &reply);
	}
	buf_release(&x->gathered);
	release_state(x);
	return exchange_reply(x, &reply);
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
	const double us = floor(seconds * 1e6);
	char status[32], bytes[32], received[32], duration[32];
	const char *outcome = "done";

	if (connection_was_ended(x->c))
		outcome = "too_slow";
	else if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK && !x->unread)
		outcome = "client_gone";
	number_format(status, x->status);
	number_format(bytes, (double)x->reply_bytes);
	number_format(received, (double)x->received);
	number_format(duration, us / 1000);
	if (x->request.caller[0]) {
		*next++ = "caller";
		*next++ = x->request.caller;
	}
	if (x->request.trace_id[0]) {
		*next++ = "trace_id";
		*next++ = x->request.trace_id;
	}
	log_event(LOG_INFO, "request", "method", x->request.method, "path", x->request.path, "status", status, "bytes",
		bytes, "received", received, "ms", duration, "outcome", outcome, "client", connection_client(x->c),
		"request_id", x->request.request_id, optional[0], optional[1], optional[2], optional[3], NULL);
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
