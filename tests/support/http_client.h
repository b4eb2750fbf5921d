/*
 * http_client: HTTP/1.1 over a raw socket, so that a test can also send what no decent client would.
 *
 * Failures of the connection are reported, never asserted: a test may be waiting for one.
 */
#ifndef VERAD_TESTS_SUPPORT_HTTP_CLIENT_H
#define VERAD_TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct http_answer {
	int status;     /* 0: the connection ended before a whole answer came */
	char *headers;  /* from the status line to the empty line; owned */
	char *body;     /* NUL-terminated; owned */
	size_t n;       /* bytes of the body */
	bool continued; /* a 100 came before */
};
void http_answer_release(struct http_answer *a); /* accepts a zeroed struct */

/* The header's value in a buffer of the caller's; NULL when there is none. */
const char *http_answer_header(const struct http_answer *a, const char *name, char *out, size_t size);

int http_dial(unsigned port); /* to 127.0.0.1; -1 */
bool http_send(int fd, const void *bytes, size_t n);
bool http_send_text(int fd, const char *text);
/* head: the request was HEAD, no body follows whatever Content-Length says. Waits 15 minutes at most. */
struct http_answer http_receive(int fd, bool head);
bool http_at_end(int fd); /* waits until the server closes: true; data or as long a wait: false */

/* One request on a connection of its own. type NULL: no body. */
struct http_answer http_call(
	unsigned port, const char *method, const char *target, const char *type, const void *body, size_t n);

#endif
