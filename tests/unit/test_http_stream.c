/* http over real sockets: replies made while they are sent, conditional requests and ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http.h"
#include "server/http_route.h"
#include "tests/support/http_client.h"

enum { STREAM_BYTES = 300000 };

static struct http *http;
static unsigned port;
static atomic_int n_open; /* streams not released */
static atomic_bool stopping;

static char
byte_at(uint64_t at)
{
	return (char)('a' + at * at % 26);
}

static enum status
read_bytes(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e)
{
	(void)ctx, (void)e;
	*got = at >= STREAM_BYTES ? 0 : STREAM_BYTES - at < max ? (size_t)(STREAM_BYTES - at) : max;
	for (size_t i = 0; i < *got; i++)
		((char *)to)[i] = byte_at(at + i);
	return OK;
}

/* Sound to the middle, then damaged. */
static enum status
read_half(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e)
{
	if (at >= STREAM_BYTES / 2)
		return err_set(e, ERR_IO, "store_io", "the rest is gone");
	return read_bytes(ctx, at, to, max, got, e);
}

static enum status
read_for_ever(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e)
{
	(void)ctx, (void)at, (void)e, (void)max;
	memcpy(to, "tick\n", 5);
	*got = atomic_load(&stopping) ? 0 : 5;
	usleep(1000);
	return OK;
}

static void
count_release(void *ctx)
{
	(void)ctx;
	atomic_fetch_sub(&n_open, 1);
}

static void
open_stream(struct http_reply *reply, uint64_t size,
	enum status (*read)(void *ctx, uint64_t at, void *to, size_t max, size_t *got, struct err *e))
{
	atomic_fetch_add(&n_open, 1);
	reply->content_type = "text/plain";
	reply->stream = (struct http_stream){.read = read, .release = count_release, .size = size};
}

static enum status
sized(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	open_stream(reply, STREAM_BYTES, read_bytes);
	snprintf(reply->etag, sizeof reply->etag, "\"v1\"");
	snprintf(reply->file_name, sizeof reply->file_name, "all.txt");
	reply->ranges = true;
	return OK;
}

static enum status
unsized(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	open_stream(reply, UINT64_MAX, read_bytes);
	return OK;
}

static enum status
damaged(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	open_stream(reply, STREAM_BYTES, read_half);
	return OK;
}

static enum status
endless(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	open_stream(reply, UINT64_MAX, read_for_ever);
	return OK;
}

static enum status
refused(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered;
	open_stream(reply, STREAM_BYTES, read_bytes);
	return err_set(e, ERR_CONFLICT, "job_not_finished", "not yet");
}

static enum status
held(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	buf_puts(&reply->body, "0123456789");
	snprintf(reply->etag, sizeof reply->etag, "\"ten\"");
	reply->ranges = true;
	return OK;
}

static const struct http_route routes[] = {
	{.method = "GET", .path = "/sized", .end = sized},
	{.method = "GET", .path = "/unsized", .end = unsized},
	{.method = "GET", .path = "/damaged", .end = damaged},
	{.method = "GET", .path = "/endless", .end = endless},
	{.method = "GET", .path = "/refused", .end = refused},
	{.method = "GET", .path = "/held", .end = held},
};

static int
set_up(void **state)
{
	static const struct http_options o = {.listen = "127.0.0.1:0"};
	struct err e = {0};

	(void)state;
	atomic_store(&stopping, false);
	if (http_start(&o, routes, sizeof routes / sizeof *routes, NULL, &http, &e))
		fail_msg("%s", e.msg);
	port = http_port(http);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	atomic_store(&stopping, true);
	http_stop(http, 5);
	assert_int_equal(atomic_load(&n_open), 0); /* every stream was released, whatever became of it */
	return 0;
}

static struct http_answer
get(const char *path, const char *headers)
{
	int fd = http_dial(port);
	struct http_answer a;
	char text[512];

	assert_true(fd >= 0);
	snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", path, headers);
	assert_true(http_send_text(fd, text));
	a = http_receive(fd, false);
	close(fd);
	return a;
}

static void
assert_header(const struct http_answer *a, const char *name, const char *value)
{
	char got[256];

	if (!http_answer_header(a, name, got, sizeof got))
		fail_msg("no %s in %s", name, a->headers);
	assert_string_equal(got, value);
}

static void
assert_bytes(const char *got, uint64_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (got[i] != byte_at(first + i))
			fail_msg("byte %zu differs", i);
}

/* Tests ----------------------------------------------------------------------------------------------------------- */

static void
a_stream_of_known_size_comes_whole(void **state)
{
	struct http_answer a = get("/sized", "");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_header(&a, "Content-Length", "300000");
	assert_header(&a, "ETag", "\"v1\"");
	assert_header(&a, "Accept-Ranges", "bytes");
	assert_header(&a, "Content-Disposition", "attachment; filename=\"all.txt\"");
	assert_int_equal(a.n, STREAM_BYTES);
	assert_bytes(a.body, 0, a.n);
	http_answer_release(&a);
}

static void
a_stream_of_unknown_size_comes_in_chunks(void **state)
{
	struct http_answer a = get("/unsized", "Connection: close\r\n");
	size_t n = 0;

	(void)state;
	assert_int_equal(a.status, 200);
	assert_header(&a, "Transfer-Encoding", "chunked");
	for (char *at = a.body, *end; at < a.body + a.n; at = end + 2) { /* the chunks of RFC 9112, by hand */
		size_t size = strtoull(at, &end, 16);

		end += 2;
		if (!size)
			break;
		assert_bytes(end, n, size);
		n += size;
		end += size;
	}
	assert_int_equal(n, STREAM_BYTES);
	http_answer_release(&a);
}

static void
a_range_of_a_stream_is_a_206(void **state)
{
	static const struct {
		const char *header, *content_range;
		uint64_t first;
		size_t n;
	} cases[] = {
		{"Range: bytes=0-9\r\n", "bytes 0-9/300000", 0, 10},
		{"Range: bytes=100000-199999\r\n", "bytes 100000-199999/300000", 100000, 100000},
		{"Range: bytes=299990-\r\n", "bytes 299990-299999/300000", 299990, 10},
		{"Range: bytes=-7\r\n", "bytes 299993-299999/300000", 299993, 7},
		{"Range: bytes=5-99999999999999999999999\r\n", "bytes 5-299999/300000", 5, STREAM_BYTES - 5},
		{"Range: bytes=1-1\r\nIf-Range: \"v1\"\r\n", "bytes 1-1/300000", 1, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_answer a = get("/sized", cases[i].header);

		assert_int_equal(a.status, 206);
		assert_header(&a, "Content-Range", cases[i].content_range);
		assert_int_equal(a.n, cases[i].n);
		assert_bytes(a.body, cases[i].first, a.n);
		http_answer_release(&a);
	}
}

static void
what_is_no_single_range_gives_the_whole(void **state)
{
	static const char *const headers[] = {
		"Range: bytes=0-9,20-29\r\n",
		"Range: bytes=9-0\r\n",
		"Range: bytes=-\r\n",
		"Range: bytes=a-b\r\n",
		"Range: lines=1-2\r\n",
		"Range: bytes=0-9\r\nIf-Range: \"v0\"\r\n",
		"Range: bytes=0-9\r\nIf-Range: W/\"v1\"\r\n",
		"Range: bytes=0-9\r\nIf-Range: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct http_answer a = get("/sized", headers[i]);

		assert_int_equal(a.status, 200);
		assert_int_equal(a.n, STREAM_BYTES);
		http_answer_release(&a);
	}
}

static void
a_range_beyond_the_end_is_a_416(void **state)
{
	static const char *const headers[] = {
		"Range: bytes=300000-\r\n", "Range: bytes=-0\r\n", "Range: bytes=99999999999999999999-\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct http_answer a = get("/sized", headers[i]);

		assert_int_equal(a.status, 416);
		assert_header(&a, "Content-Range", "bytes */300000");
		assert_header(&a, "Content-Type", "application/problem+json");
		assert_non_null(strstr(a.body, "\"code\":\"range_not_satisfiable\""));
		http_answer_release(&a);
	}
}

static void
what_the_client_has_already_is_a_304(void **state)
{
	static const char *const headers[] = {"If-None-Match: \"v1\"\r\n", "If-None-Match: \"v0\", W/\"v1\"\r\n",
		"If-None-Match: *\r\n", "If-None-Match: \"v1\"\r\nRange: bytes=0-1\r\n"};
	struct http_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		a = get("/sized", headers[i]);
		assert_int_equal(a.status, 304);
		assert_header(&a, "ETag", "\"v1\"");
		assert_int_equal(a.n, 0);
		http_answer_release(&a);
	}
	a = get("/sized", "If-None-Match: \"v0\", \"v\", v1\r\n");
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
}

static void
a_range_of_a_body_in_memory_is_a_206_too(void **state)
{
	struct http_answer a = get("/held", "Range: bytes=3-5\r\n");

	(void)state;
	assert_int_equal(a.status, 206);
	assert_string_equal(a.body, "345");
	assert_header(&a, "Content-Length", "3");
	http_answer_release(&a);
}

static void
head_of_a_stream_reads_none_of_it(void **state)
{
	int fd = http_dial(port);
	struct http_answer a;

	(void)state;
	assert_true(http_send_text(fd, "HEAD /sized HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n"));
	a = http_receive(fd, true);
	assert_int_equal(a.status, 200); /* a range is for GET */
	assert_header(&a, "Content-Length", "300000");
	http_answer_release(&a);
	assert_true(http_send_text(fd, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"));
	a = http_receive(fd, false);
	assert_string_equal(a.body, "0123456789"); /* the connection is in order */
	http_answer_release(&a);
	assert_true(http_send_text(fd, "HEAD /endless HTTP/1.1\r\nHost: x\r\n\r\n"));
	a = http_receive(fd, true);
	assert_int_equal(a.status, 200);
	assert_header(&a, "Connection", "close");
	http_answer_release(&a);
	close(fd);
}

static void
a_stream_that_fails_is_seen_to_be_cut_short(void **state)
{
	struct http_answer a = get("/damaged", "");

	(void)state;
	assert_int_equal(a.status, 0); /* the connection ended before the answer did */
	http_answer_release(&a);
}

static void
a_refusal_releases_its_stream(void **state)
{
	struct http_answer a = get("/refused", "");

	(void)state;
	assert_int_equal(a.status, 409);
	http_answer_release(&a);
	assert_int_equal(atomic_load(&n_open), 0);
}

static void
a_client_that_leaves_ends_its_stream(void **state)
{
	int fd = http_dial(port);
	char some[64];

	(void)state;
	assert_true(http_send_text(fd, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(read(fd, some, sizeof some) > 0);
	assert_int_equal(atomic_load(&n_open), 1);
	close(fd);
	for (int i = 0; i < 10000 && atomic_load(&n_open); i++)
		usleep(1000);
	assert_int_equal(atomic_load(&n_open), 0);
}

int
main(void)
{
#define USUAL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		USUAL(a_stream_of_known_size_comes_whole),
		USUAL(a_stream_of_unknown_size_comes_in_chunks),
		USUAL(a_range_of_a_stream_is_a_206),
		USUAL(what_is_no_single_range_gives_the_whole),
		USUAL(a_range_beyond_the_end_is_a_416),
		USUAL(what_the_client_has_already_is_a_304),
		USUAL(a_range_of_a_body_in_memory_is_a_206_too),
		USUAL(head_of_a_stream_reads_none_of_it),
		USUAL(a_stream_that_fails_is_seen_to_be_cut_short),
		USUAL(a_refusal_releases_its_stream),
		USUAL(a_client_that_leaves_ends_its_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
