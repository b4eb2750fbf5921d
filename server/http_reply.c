/*
 * http_reply: a request's reply on its way out: its headers, conditional requests and ranges, streams, and refusals.
 * Declared in http_private.h.
 *
 * libmicrohttpd can queue a reply before the body or after it, but not within. So a refusal in mid-body is written to
 * the socket here, by the connection's own thread, while the library waits for the handler to return.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/http_private.h"
#include "server/log.h"
#include "server/tls.h"

enum {
	REPLY_RATE = 16 << 10,   /* bytes a second at which a reply must be taken, after the first idle_seconds */
	STREAM_PIECE = 64 << 10, /* bytes of a stream at a time */
};

static void
add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (value[0])
		MHD_add_response_header(response, name, value); /* fails for lack of memory alone: then without it */
}

void
http_reply_release(struct http_reply *reply)
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
		http_reply_release(reply);
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
		http_reply_release(reply);
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

enum MHD_Result
exchange_reply(struct exchange *x, struct http_reply *reply)
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
		http_reply_release(reply);
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

void
exchange_refusal(struct exchange *x, struct http_reply *reply)
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
enum MHD_Result
exchange_refuse_within_body(struct exchange *x)
{
	struct http_reply reply = {0};
	struct buf out = {0};
	size_t sent = 0;

	x->unread = true;
	exchange_refusal(x, &reply);
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
