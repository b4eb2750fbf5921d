/* http over real sockets: what is refused and how, deadlines, bodies in pieces, stopping. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http.h"
#include "server/http_route.h"
#include "server/log.h"
#include "tests/support/http_client.h"

enum { SMALL = 1000, LARGE = 300 << 20 };

struct app { /* what the handlers saw; under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned n_begun, n_ended, n_released;
	uint64_t bytes;
	bool in_slow, go_on;
};

struct fixture {
	struct app app;
	struct http *http;
	unsigned port;
};

static uint64_t
small(const void *app)
{
	(void)app;
	return SMALL;
}

static uint64_t
large(const void *app)
{
	(void)app;
	return LARGE;
}

static enum status
hello(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	const char *name = http_query(r, "name");

	(void)app, (void)state, (void)gathered, (void)e;
	reply->content_type = "text/plain";
	buf_printf(&reply->body, "hello %s", name ? name : "world");
	return OK;
}

static enum status
item(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)state, (void)gathered, (void)e;
	buf_printf(&reply->body, "%s of %s", r->path_param[1], r->path_param[0]);
	return OK;
}

static enum status
gone(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	reply->status = 204;
	return OK;
}

static enum status
fails(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered;
	buf_puts(&reply->body, "half an answer");
	return err_set(e, ERR_IO, "store_io", "disk 7 is on fire");
}

static enum status
slow(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	struct app *a = app;

	(void)r, (void)state, (void)gathered, (void)e;
	pthread_mutex_lock(&a->lock);
	a->in_slow = true;
	pthread_cond_broadcast(&a->changed);
	while (!a->go_on)
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
	buf_puts(&reply->body, "at last");
	return OK;
}

static enum status
count_gathered(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	(void)app, (void)state, (void)e;
	buf_printf(&reply->body, "%zu bytes of %s in %s", gathered->len, r->content_type, r->content_charset);
	return OK;
}

static enum status
stream_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	struct app *a = app;

	pthread_mutex_lock(&a->lock);
	a->n_begun++;
	pthread_mutex_unlock(&a->lock);
	*state = malloc(1); /* so that a state released twice, or never, is seen by the sanitizer */
	if (!strcmp(r->content_type, "image/png"))
		return err_set(e, ERR_UNSUPPORTED, "unsupported_media_type", "no pictures");
	return OK;
}

static enum status
stream_body(void *app, void *state, const void *bytes, size_t n, struct err *e)
{
	struct app *a = app;

	if (!state)
		abort(); /* no assertion of cmocka works in this thread */
	pthread_mutex_lock(&a->lock);
	a->bytes += n;
	pthread_mutex_unlock(&a->lock);
	if (memmem(bytes, n, "bad", 3)) {
		err_set(e, ERR_DATA, "ragged_row", "line 7 has 3 cells \xE2\x82"); /* cut in mid-character */
		return err_at(e, 7, "a \"column\"");
	}
	return OK;
}

static enum status
stream_end(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	struct app *a = app;

	(void)r, (void)gathered, (void)e;
	if (!state)
		abort(); /* no assertion of cmocka works in this thread */
	pthread_mutex_lock(&a->lock);
	a->n_ended++;
	buf_printf(&reply->body, "%llu bytes", (unsigned long long)a->bytes);
	pthread_mutex_unlock(&a->lock);
	reply->status = 201;
	snprintf(reply->location, sizeof reply->location, "/stream/1");
	snprintf(reply->warnings, sizeof reply->warnings, "odd; count=1");
	return OK;
}

static void
stream_release(void *app, void *state)
{
	struct app *a = app;

	free(state);
	pthread_mutex_lock(&a->lock);
	a->n_released++;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

static const char *const hello_query[] = {"name", "language", NULL};

static const struct http_route routes[] = {
	{.method = "GET", .path = "/hello", .query = hello_query, .end = hello},
	{.method = "DELETE", .path = "/hello", .end = gone},
	{.method = "GET", .path = "/shelf/{id}/item/{item}", .end = item},
	{.method = "GET", .path = "/fails", .end = fails},
	{.method = "GET", .path = "/slow", .end = slow},
	{.method = "POST", .path = "/small", .max_body = small, .end = count_gathered},
	{.method = "POST", .path = "/hello", .end = hello},
	{.method = "POST",
		.path = "/stream",
		.max_body = large,
		.begin = stream_begin,
		.body = stream_body,
		.end = stream_end,
		.release = stream_release},
};

static void
start(struct fixture *f, const struct http_options *o)
{
	struct err e = {0};

	memset(f, 0, sizeof *f);
	pthread_mutex_init(&f->app.lock, NULL);
	pthread_cond_init(&f->app.changed, NULL);
	if (http_start(o, routes, sizeof routes / sizeof *routes, &f->app, &f->http, &e))
		fail_msg("%s", e.msg);
	f->port = http_port(f->http);
	assert_int_not_equal(f->port, 0);
}

static int
set_up(void **state)
{
	static const struct http_options o = {.listen = "127.0.0.1:0"};
	struct fixture *f = malloc(sizeof *f);

	start(f, &o);
	*state = f;
	return 0;
}

static int
set_up_small(void **state)
{
	static const struct http_options o = {.listen = "127.0.0.1:0", .max_connections = 8};
	struct fixture *f = malloc(sizeof *f);

	start(f, &o);
	*state = f;
	return 0;
}

static int
set_up_hasty(void **state)
{
	static const struct http_options o = {
		.listen = "127.0.0.1:0", .header_seconds = 1, .body_seconds = 1, .idle_seconds = 1};
	struct fixture *f = malloc(sizeof *f);

	start(f, &o);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	http_stop(f->http, 5);
	assert_int_equal(f->app.n_released, f->app.n_begun);
	free(f);
	return 0;
}

/* Sends a request as it stands and gives the answer; the connection is closed afterwards. */
static struct http_answer
raw(const struct fixture *f, const char *text)
{
	int fd = http_dial(f->port);
	struct http_answer a;

	assert_true(fd >= 0);
	assert_true(http_send_text(fd, text));
	a = http_receive(fd, false);
	close(fd);
	return a;
}

static void
assert_header(const struct http_answer *a, const char *name, const char *value)
{
	char got[256];

	assert_non_null(http_answer_header(a, name, got, sizeof got));
	assert_string_equal(got, value);
}

static void
assert_problem(struct http_answer a, int status, const char *code)
{
	char member[128];

	assert_int_equal(a.status, status);
	assert_header(&a, "Content-Type", "application/problem+json");
	snprintf(member, sizeof member, "\"code\":\"%s\"", code);
	if (!strstr(a.body, member))
		fail_msg("no %s in %s", member, a.body);
	assert_non_null(strstr(a.body, "\"request_id\":\""));
	http_answer_release(&a);
}

/* Tests ----------------------------------------------------------------------------------------------------------- */

static void
a_get_is_answered_and_its_connection_kept(void **state)
{
	const struct fixture *f = *state;
	int fd = http_dial(f->port);

	for (int i = 0; i < 3; i++) {
		struct http_answer a;

		assert_true(http_send_text(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
		a = http_receive(fd, false);
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body, "hello world");
		assert_header(&a, "Content-Type", "text/plain");
		http_answer_release(&a);
	}
	close(fd);
}

static void
head_gives_the_headers_of_get_alone(void **state)
{
	const struct fixture *f = *state;
	int fd = http_dial(f->port);
	struct http_answer a;

	assert_true(http_send_text(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	a = http_receive(fd, true);
	assert_int_equal(a.status, 200);
	assert_header(&a, "Content-Length", "11");
	assert_true(http_at_end(fd));
	http_answer_release(&a);
	close(fd);
}

static void
an_empty_reply_has_no_body(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = http_call(f->port, "DELETE", "/hello", NULL, NULL, 0);

	assert_int_equal(a.status, 204);
	http_answer_release(&a);
}

static void
an_unknown_path_is_a_404(void **state)
{
	const struct fixture *f = *state;
	char path[600];

	assert_problem(http_call(f->port, "GET", "/nothing", NULL, NULL, 0), 404, "unknown_path");
	assert_problem(http_call(f->port, "GET", "/hello/", NULL, NULL, 0), 404, "unknown_path");
	assert_problem(http_call(f->port, "GET", "/shelf//item/2", NULL, NULL, 0), 404, "unknown_path");
	assert_problem(http_call(f->port, "POST", "/nothing", "text/csv", "a,b\n", 4), 404, "unknown_path");
	memset(path, 'a', sizeof path);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	assert_problem(http_call(f->port, "GET", path, NULL, NULL, 0), 404, "unknown_path");
}

static void
a_refused_get_keeps_its_connection(void **state)
{
	const struct fixture *f = *state;
	int fd = http_dial(f->port);

	for (int i = 0; i < 2; i++) {
		assert_true(http_send_text(fd, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"));
		assert_problem(http_receive(fd, false), 404, "unknown_path");
	}
	close(fd);
}

static void
a_refused_small_body_keeps_its_connection(void **state)
{
	struct fixture *f = *state;
	int fd = http_dial(f->port);

	for (int i = 0; i < 2; i++) {
		assert_true(http_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
					       "Content-Length: 7\r\n\r\npicture"));
		assert_problem(http_receive(fd, false), 415, "unsupported_media_type");
		assert_true(http_send_text(fd, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"));
		assert_problem(http_receive(fd, false), 400, "unexpected_body");
	}
	close(fd);
	assert_int_equal(f->app.bytes, 0); /* the handler saw none of it */
}

static void
another_method_is_a_405_that_names_those_served(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = http_call(f->port, "PATCH", "/hello", NULL, NULL, 0);

	assert_header(&a, "Allow", "GET, HEAD, DELETE, POST");
	assert_problem(a, 405, "method_not_allowed");
	a = http_call(f->port, "PUT", "/stream", "text/csv", "a\n", 2);
	assert_header(&a, "Allow", "POST");
	assert_problem(a, 405, "method_not_allowed");
}

static void
path_parameters_reach_the_handler(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = http_call(f->port, "GET", "/shelf/s%31/item/i2", NULL, NULL, 0);

	assert_string_equal(a.body, "i2 of s1");
	http_answer_release(&a);
}

static void
query_parameters_are_decoded_and_checked(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = http_call(f->port, "GET", "/hello?name=J%C3%BCrgen+K.%20%26", NULL, NULL, 0);

	assert_string_equal(a.body, "hello J\xC3\xBCrgen K. &");
	http_answer_release(&a);
	a = http_call(f->port, "GET", "/hello?nmae=x", NULL, NULL, 0);
	assert_non_null(strstr(a.body, "did you mean \\\"name\\\"?"));
	assert_problem(a, 400, "unknown_query_parameter");
	assert_problem(http_call(f->port, "GET", "/fails?name=x", NULL, NULL, 0), 400, "unknown_query_parameter");
	assert_problem(http_call(f->port, "GET", "/hello?name=x&name=y", NULL, NULL, 0), 400, "bad_query");
	assert_problem(http_call(f->port, "GET", "/hello?name", NULL, NULL, 0), 400, "bad_query");
	assert_problem(http_call(f->port, "GET", "/hello?name=", NULL, NULL, 0), 400, "bad_query");
	assert_problem(http_call(f->port, "GET", "/hello?name=a%00b", NULL, NULL, 0), 400, "bad_query");
	assert_problem(http_call(f->port, "GET", "/hello?name=%E4", NULL, NULL, 0), 400, "bad_query");
	assert_problem(http_call(f->port, "GET", "/hello?name=a%0Ab", NULL, NULL, 0), 400, "bad_query");
}

static void
a_body_where_none_is_taken_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = http_call(f->port, "POST", "/hello", "text/plain", "", 0);

	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	a = http_call(f->port, "POST", "/hello", NULL, NULL, 0);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	assert_problem(http_call(f->port, "POST", "/hello", "text/plain", "x", 1), 400, "unexpected_body");
	assert_problem(http_call(f->port, "GET", "/hello", "text/plain", "x", 1), 400, "unexpected_body");
}

static void
a_post_without_a_length_is_a_411(void **state)
{
	const struct fixture *f = *state;

	assert_problem(raw(f, "POST /small HTTP/1.1\r\nHost: x\r\n\r\n"), 411, "length_required");
}

static void
framing_in_doubt_is_refused_and_ends_the_connection(void **state)
{
	static const char *const requests[] = {
		"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
		"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc",
		"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
		"gzip\r\n\r\n0\r\n\r\n",
		"POST /small HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nabcde",
		"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\nab",
		"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\nab",
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		int fd = http_dial(f->port);

		assert_true(http_send_text(fd, requests[i]));
		assert_true(http_send_text(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
		assert_problem(http_receive(fd, false), 400, "bad_framing");
		assert_true(http_at_end(fd)); /* what came behind is not taken for a request */
		close(fd);
	}
}

static void
the_same_length_twice_is_no_conflict(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = raw(
		f, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab");

	assert_int_equal(a.status, 200);
	http_answer_release(&a);
}

static void
http_1_1_needs_one_host(void **state)
{
	const struct fixture *f = *state;

	assert_problem(raw(f, "GET /hello HTTP/1.1\r\n\r\n"), 400, "bad_host");
	assert_problem(raw(f, "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400, "bad_host");
}

static void
headers_too_large_are_a_431(void **state)
{
	const struct fixture *f = *state;
	size_t n = 50 << 10;
	char *text = malloc(n + 100);

	strcpy(text, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Much: ");
	memset(text + strlen(text), 'm', n);
	strcpy(text + n, "\r\n\r\n");
	assert_problem(raw(f, text), 431, "headers_too_large");
	free(text);
}

static void
a_declared_length_over_the_limit_is_refused_before_the_body(void **state)
{
	struct fixture *f = *state;

	assert_problem(raw(f, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\n"), 413,
		"body_too_large");
	assert_problem(
		raw(f, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"), 413, "body_too_large");
	assert_int_equal(f->app.n_begun, 0);
}

static void
a_client_that_sends_before_it_reads_still_sees_the_refusal(void **state)
{
	/* refused for its length; by the route's begin; within the body */
	static const char *const requests[] = {
		"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\n",
		"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 104857600\r\n\r\n",
		"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\nbad",
	};
	static const int status[] = {413, 415, 422};
	const struct fixture *f = *state;
	char *block = calloc(1, 1 << 20);

	for (size_t i = 0; i < 3; i++) {
		int fd = http_dial(f->port);
		struct http_answer a;

		assert_true(http_send_text(fd, requests[i]));
		for (int k = 0; k < 99; k++)
			assert_true(http_send(fd, block, 1 << 20));
		a = http_receive(fd, false);
		assert_int_equal(a.status, status[i]);
		assert_header(&a, "Connection", "close");
		assert_true(http_at_end(fd));
		http_answer_release(&a);
		close(fd);
	}
	free(block);
}

static void
a_refused_expectation_gets_no_100(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = raw(
		f, "POST /stream HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2147483648\r\n\r\n");

	assert_false(a.continued);
	assert_problem(a, 413, "body_too_large");
}

static void
an_expectation_that_is_met_gets_a_100(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = raw(
		f, "POST /small HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab");

	assert_true(a.continued);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
}

static void
an_error_within_an_endless_body_is_answered_at_once(void **state)
{
	const struct fixture *f = *state;
	int fd = http_dial(f->port);
	struct http_answer a;

	assert_true(http_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nTransfer-Encoding: "
				       "chunked\r\n\r\n4\r\ngood\r\n3\r\nbad\r\n"));
	a = http_receive(fd, false); /* although the last chunk never comes */
	assert_header(&a, "X-Request-Id", "mine");
	assert_non_null(strstr(a.body, "\"detail\":\"line 7 has 3 cells \xEF\xBF\xBD"));
	assert_non_null(
		strstr(a.body, "\"errors\":[{\"line\":7,\"column\":\"a \\\"column\\\"\",\"code\":\"ragged_row\""));
	assert_problem(a, 422, "ragged_row");
	close(fd);
}

static void
an_error_near_the_end_of_a_body_keeps_the_connection(void **state)
{
	struct fixture *f = *state;
	int fd = http_dial(f->port);

	for (int i = 0; i < 2; i++) {
		assert_true(http_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbad"));
		assert_true(http_send_text(fd, "behind"));
		assert_problem(http_receive(fd, false), 422, "ragged_row");
	}
	close(fd);
	assert_int_equal(f->app.n_ended, 0);
}

static void
a_chunked_body_is_gathered(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = raw(f,
		"POST /small HTTP/1.1\r\nHost: x\r\nContent-Type: Text/CSV ; Charset=\"UTF-8\"\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");

	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "5 bytes of text/csv in utf-8");
	http_answer_release(&a);
}

static void
a_chunked_body_that_grows_over_the_limit_is_refused(void **state)
{
	const struct fixture *f = *state;
	int fd = http_dial(f->port);
	char block[600];

	memset(block, 'x', sizeof block);
	assert_true(http_send_text(fd, "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n"));
	assert_true(http_send(fd, block, 600));
	assert_true(http_send_text(fd, "\r\n258\r\n"));
	assert_true(http_send(fd, block, 600));
	assert_problem(http_receive(fd, false), 413, "body_too_large");
	close(fd);
}

static void
a_long_body_comes_in_whole(void **state)
{
	struct fixture *f = *state;
	size_t n = 5 << 20;
	char *body = calloc(1, n);
	struct http_answer a = http_call(f->port, "POST", "/stream", "text/csv", body, n);

	assert_int_equal(a.status, 201);
	assert_string_equal(a.body, "5242880 bytes");
	assert_header(&a, "Location", "/stream/1");
	assert_header(&a, "Verad-Warnings", "odd; count=1");
	http_answer_release(&a);
	free(body);
}

static void
half_a_request_never_reaches_the_end(void **state)
{
	struct fixture *f = *state;
	int length = http_dial(f->port), chunked = http_dial(f->port);

	assert_true(http_send_text(length, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"));
	assert_true(http_send_text(
		chunked, "POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"));
	shutdown(chunked, SHUT_WR);
	close(length);
	pthread_mutex_lock(&f->app.lock);
	while (f->app.n_released < 2)
		pthread_cond_wait(&f->app.changed, &f->app.lock);
	assert_int_equal(f->app.n_begun, 2);
	assert_int_equal(f->app.n_ended, 0);
	pthread_mutex_unlock(&f->app.lock);
	close(chunked);
}

static void
a_sane_request_id_is_kept_and_another_replaced(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = raw(f, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: trace-1.2_3\r\n\r\n");
	char id[64], next[64];

	assert_header(&a, "X-Request-Id", "trace-1.2_3");
	http_answer_release(&a);
	a = raw(f, "GET /nothing HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\"b\r\n\r\n");
	assert_non_null(http_answer_header(&a, "X-Request-Id", id, sizeof id));
	assert_int_equal(strlen(id), 16);
	assert_int_equal(strspn(id, "0123456789abcdef"), 16);
	assert_non_null(strstr(a.body, id));
	http_answer_release(&a);
	a = raw(f, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_non_null(http_answer_header(&a, "X-Request-Id", next, sizeof next));
	assert_string_not_equal(next, id);
	http_answer_release(&a);
}

static void
an_internal_error_tells_no_detail(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a = http_call(f->port, "GET", "/fails", NULL, NULL, 0);

	assert_null(strstr(a.body, "fire"));
	assert_null(strstr(a.body, "half"));
	assert_problem(a, 500, "store_io");
}

static void
a_header_sent_drop_by_drop_is_cut_off(void **state)
{
	const struct fixture *f = *state;
	int fd = http_dial(f->port);
	bool open = http_send_text(fd, "GET /hello HTTP/1.1\r\nX-Drip: ");

	for (int i = 0; open && i < 600; i++) {
		char byte;

		usleep(50000);
		open = http_send_text(fd, "x") &&
		       (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
	}
	assert_false(open);
	close(fd);
}

static void
a_body_that_pauses_too_long_is_cut_off(void **state)
{
	struct fixture *f = *state;
	int fd = http_dial(f->port);

	assert_true(http_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"));
	assert_true(http_at_end(fd));
	close(fd);
	assert_int_equal(f->app.n_ended, 0);
}

static void
a_body_sent_drop_by_drop_is_cut_off(void **state)
{
	struct fixture *f = *state;
	int fd = http_dial(f->port);
	bool open = http_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");

	for (int i = 0; open && i < 600; i++) {
		char byte;

		usleep(50000);
		open = http_send_text(fd, "x") &&
		       (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
	}
	assert_false(open);
	close(fd);
	assert_int_equal(f->app.n_ended, 0);
}

static void
an_idle_connection_is_closed(void **state)
{
	const struct fixture *f = *state;
	int fd = http_dial(f->port);
	struct http_answer a;

	assert_true(http_send_text(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
	a = http_receive(fd, false);
	assert_int_equal(a.status, 200);
	assert_true(http_at_end(fd));
	http_answer_release(&a);
	close(fd);
}

static void
a_handler_may_take_longer_than_any_deadline(void **state)
{
	struct fixture *f = *state;
	int fd = http_dial(f->port);
	struct http_answer a;

	assert_true(http_send_text(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
	sleep(2); /* deadlines here are of one second */
	pthread_mutex_lock(&f->app.lock);
	f->app.go_on = true;
	pthread_cond_broadcast(&f->app.changed);
	pthread_mutex_unlock(&f->app.lock);
	a = http_receive(fd, false);
	assert_string_equal(a.body, "at last");
	http_answer_release(&a);
	close(fd);
}

static void
connections_over_the_limit_are_told_to_come_again(void **state)
{
	const struct fixture *f = *state;
	struct http_answer a;
	int fd[8];

	for (int i = 0; i < 8; i++) {
		fd[i] = http_dial(f->port);
		assert_true(http_send_text(fd[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
		a = http_receive(fd[i], false);
		assert_int_equal(a.status, 200);
		http_answer_release(&a);
	}
	a = http_call(f->port, "GET", "/hello", NULL, NULL, 0);
	assert_header(&a, "Retry-After", "1");
	assert_problem(a, 503, "too_many_connections");
	for (int i = 0; i < 8; i++)
		close(fd[i]);
	for (int i = 0; i < 600; i++) { /* a place comes free as soon as the server has noticed */
		a = http_call(f->port, "GET", "/hello", NULL, NULL, 0);
		if (a.status == 200)
			break;
		http_answer_release(&a);
		usleep(50000);
	}
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
}

static void *
stop(void *arg)
{
	struct fixture *f = arg;

	http_stop(f->http, 60);
	return NULL;
}

static void
stopping_answers_what_is_under_way(void **state)
{
	static const struct http_options o = {.listen = "127.0.0.1:0"};
	struct http_answer a;
	struct fixture f;
	pthread_t stopper;
	int busy, idle, late;

	(void)state;
	start(&f, &o);
	busy = http_dial(f.port);
	idle = http_dial(f.port);
	assert_true(http_send_text(busy, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
	pthread_mutex_lock(&f.app.lock);
	while (!f.app.in_slow)
		pthread_cond_wait(&f.app.changed, &f.app.lock);
	pthread_mutex_unlock(&f.app.lock);
	assert_int_equal(pthread_create(&stopper, NULL, stop, &f), 0);
	assert_true(http_at_end(idle));
	late = http_dial(f.port); /* refused, or closed unanswered */
	if (late >= 0) {
		(void)http_send_text(late, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
		a = http_receive(late, false);
		assert_int_equal(a.status, 0);
		http_answer_release(&a);
		close(late);
	}
	pthread_mutex_lock(&f.app.lock);
	f.app.go_on = true;
	pthread_cond_broadcast(&f.app.changed);
	pthread_mutex_unlock(&f.app.lock);
	a = http_receive(busy, false);
	assert_string_equal(a.body, "at last");
	assert_header(&a, "Connection", "close");
	http_answer_release(&a);
	pthread_join(stopper, NULL);
	close(busy);
	close(idle);
}

static void
an_address_that_cannot_be_listened_on_is_named(void **state)
{
	static const char *const bad[] = {"8080", "127.0.0.1", "127.0.0.1:", "::1:80", "nowhere.invalid:80",
		"127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "[::1]:"};
	const struct fixture *f = *state;
	struct http_options o = {0};
	struct http *h = NULL;
	struct err e = {0};
	char taken[32];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		o.listen = bad[i];
		assert_int_equal(http_start(&o, routes, 1, NULL, &h, &e), ERR_INVALID);
		assert_string_equal(e.code, "bad_listen_address");
		assert_non_null(strstr(e.msg, bad[i]));
	}
	snprintf(taken, sizeof taken, "127.0.0.1:%u", f->port);
	o.listen = taken;
	assert_int_equal(http_start(&o, routes, 1, NULL, &h, &e), ERR_IO);
	assert_string_equal(e.code, "cannot_listen");
	assert_non_null(strstr(e.msg, taken));
}

static void
many_clients_at_once_are_all_served(void **state)
{
	enum { N = 60 };
	const struct fixture *f = *state;
	int fd[N];

	for (int i = 0; i < N; i++) {
		fd[i] = http_dial(f->port);
		assert_true(http_send_text(fd[i], "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"));
	}
	for (int i = 0; i < N; i++) {
		struct http_answer a;

		assert_true(http_send_text(fd[i], "cd"));
		a = http_receive(fd[i], false);
		assert_int_equal(a.status, 200);
		http_answer_release(&a);
		close(fd[i]);
	}
}

static void
every_kind_of_error_has_its_status(void **state)
{
	static const struct {
		enum status status;
		const char *code;
		int http;
	} cases[] = {
		{ERR_INVALID, "unknown_parameter", 422},
		{ERR_SYNTAX, "malformed_json", 400},
		{ERR_DATA, "one_class", 422},
		{ERR_NOT_FOUND, "job_not_found", 404},
		{ERR_CONFLICT, "job_finished", 409},
		{ERR_TOO_LARGE, "body_too_large", 413},
		{ERR_UNSUPPORTED, "unsupported_encoding", 415},
		{ERR_BUSY, "queue_full", 429},
		{ERR_BUSY, "store_busy", 503},
		{ERR_FULL, "disk_full", 507},
		{ERR_NOMEM, "out_of_memory", 503},
		{ERR_CORRUPT, "store_damaged", 500},
		{ERR_IO, "store_io", 500},
		{ERR_INTERNAL, "bug", 500},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err e = {.status = cases[i].status, .code = cases[i].code};

		assert_int_equal(http_status_of(&e), cases[i].http);
		assert_string_not_equal(http_status_phrase(cases[i].http), "Unknown");
	}
}

static void
media_types_are_taken_apart(void **state)
{
	char type[20], charset[8];

	(void)state;
	http_media_type("Text/CSV; header=present; charset=ISO-8859-1", type, sizeof type, charset, sizeof charset);
	assert_string_equal(type, "text/csv");
	assert_string_equal(charset, "iso-885"); /* cut to fit */
	http_media_type("text/csv ;charset=\"utf-8", type, sizeof type, charset, sizeof charset);
	assert_string_equal(type, "text/csv");
	assert_string_equal(charset, "utf-8");
	http_media_type("", type, sizeof type, charset, sizeof charset);
	assert_string_equal(type, "");
	assert_string_equal(charset, "");
	http_media_type(";;charset", type, sizeof type, charset, sizeof charset);
	assert_string_equal(type, "");
	assert_string_equal(charset, "");
}

static void
only_a_whole_traceparent_has_a_trace_id(void **state)
{
	static const char *const bad[] = {"", "00", "00-", "00-4bf92f3577b34da6a3ce929d0e0e4736",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}"};
	char id[33];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		http_trace_id(bad[i], id);
		assert_string_equal(id, "");
	}
	http_trace_id(NULL, id);
	assert_string_equal(id, "");
	http_trace_id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", id);
	assert_string_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
	http_trace_id("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", id);
	assert_string_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
}

int
main(void)
{
#define USUAL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define SMALL(test) cmocka_unit_test_setup_teardown(test, set_up_small, tear_down)
#define HASTY(test) cmocka_unit_test_setup_teardown(test, set_up_hasty, tear_down)
	const struct CMUnitTest tests[] = {
		USUAL(a_get_is_answered_and_its_connection_kept),
		USUAL(head_gives_the_headers_of_get_alone),
		USUAL(an_empty_reply_has_no_body),
		USUAL(an_unknown_path_is_a_404),
		USUAL(a_refused_get_keeps_its_connection),
		USUAL(a_refused_small_body_keeps_its_connection),
		USUAL(another_method_is_a_405_that_names_those_served),
		USUAL(path_parameters_reach_the_handler),
		USUAL(query_parameters_are_decoded_and_checked),
		USUAL(a_body_where_none_is_taken_is_refused),
		USUAL(a_post_without_a_length_is_a_411),
		USUAL(framing_in_doubt_is_refused_and_ends_the_connection),
		USUAL(the_same_length_twice_is_no_conflict),
		USUAL(http_1_1_needs_one_host),
		USUAL(headers_too_large_are_a_431),
		USUAL(a_declared_length_over_the_limit_is_refused_before_the_body),
		USUAL(a_client_that_sends_before_it_reads_still_sees_the_refusal),
		USUAL(a_refused_expectation_gets_no_100),
		USUAL(an_expectation_that_is_met_gets_a_100),
		USUAL(an_error_within_an_endless_body_is_answered_at_once),
		USUAL(an_error_near_the_end_of_a_body_keeps_the_connection),
		USUAL(a_chunked_body_is_gathered),
		USUAL(a_chunked_body_that_grows_over_the_limit_is_refused),
		USUAL(a_long_body_comes_in_whole),
		USUAL(half_a_request_never_reaches_the_end),
		USUAL(a_sane_request_id_is_kept_and_another_replaced),
		USUAL(an_internal_error_tells_no_detail),
		USUAL(an_address_that_cannot_be_listened_on_is_named),
		USUAL(many_clients_at_once_are_all_served),
		HASTY(a_header_sent_drop_by_drop_is_cut_off),
		HASTY(a_body_that_pauses_too_long_is_cut_off),
		HASTY(a_body_sent_drop_by_drop_is_cut_off),
		HASTY(an_idle_connection_is_closed),
		HASTY(a_handler_may_take_longer_than_any_deadline),
		SMALL(connections_over_the_limit_are_told_to_come_again),
		cmocka_unit_test(stopping_answers_what_is_under_way),
		cmocka_unit_test(every_kind_of_error_has_its_status),
		cmocka_unit_test(media_types_are_taken_apart),
		cmocka_unit_test(only_a_whole_traceparent_has_a_trace_id),
	};

	log_setup((enum log_level)(LOG_ERROR + 1), LOG_TEXT); /* the refusals tested here are not news */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
