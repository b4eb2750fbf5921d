/* http_client: see http_client.h. */
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void
http_answer_release(struct http_answer *a)
{
	free(a->headers);
	free(a->body);
	memset(a, 0, sizeof *a);
}

const char *
http_answer_header(const struct http_answer *a, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	for (const char *line = a->headers; line && *line; line = strstr(line, "\r\n"), line = line ? line + 2 : NULL) {
		if (strncasecmp(line, name, n) || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " ");
		snprintf(out, size, "%.*s", (int)strcspn(line, "\r"), line);
		return out;
	}
	return NULL;
}

int
http_dial(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	struct timeval patience = {.tv_sec = 900};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	return fd;
}

bool
http_send(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

bool
http_send_text(int fd, const char *text)
{
	return http_send(fd, text, strlen(text));
}

/* Byte by byte up to the empty line, so that nothing of what follows is taken. */
static bool
receive_headers(int fd, struct http_answer *a)
{
	enum { MOST = 64 << 10 };
	size_t n = 0;

	a->headers = calloc(1, MOST);
	while (a->headers && n + 1 < MOST) {
		if (recv(fd, a->headers + n, 1, 0) != 1)
			return false;
		n++;
		if (n >= 4 && !memcmp(a->headers + n - 4, "\r\n\r\n", 4))
			return sscanf(a->headers, "HTTP/1.1 %d", &a->status) == 1;
	}
	return false;
}

static bool
receive_body(int fd, struct http_answer *a)
{
	char value[32];
	bool declared = http_answer_header(a, "Content-Length", value, sizeof value);
	size_t want = declared ? strtoull(value, NULL, 10) : SIZE_MAX, cap = declared ? want + 1 : 4096;

	a->body = calloc(1, cap);
	while (a->body && a->n < want) {
		ssize_t got;

		if (a->n + 1 == cap) {
			cap *= 2;
			a->body = realloc(a->body, cap);
			if (!a->body)
				return false;
		}
		got = recv(fd, a->body + a->n, cap - 1 - a->n, 0);
		if (got <= 0)
			return got == 0 && !declared;
		a->n += (size_t)got;
		a->body[a->n] = '\0';
	}
	return a->body;
}

struct http_answer
http_receive(int fd, bool head)
{
	struct http_answer a = {0};

	while (fd >= 0) {
		if (!receive_headers(fd, &a))
			break;
		if (a.status == 100) {
			free(a.headers);
			a = (struct http_answer){.continued = true};
			continue;
		}
		if (head || a.status == 204)
			a.body = calloc(1, 1);
		else if (!receive_body(fd, &a))
			break;
		return a;
	}
	a.status = 0;
	return a;
}

bool
http_at_end(int fd)
{
	char byte;

	/* a reset is an end too: the server may close with bytes of ours unread */
	return recv(fd, &byte, 1, 0) == 0 || errno == ECONNRESET;
}

struct http_answer
http_call(unsigned port, const char *method, const char *target, const char *type, const void *body, size_t n)
{
	struct http_answer a = {0};
	int fd = http_dial(port), len;
	char head[2048];

	if (fd < 0)
		return a;
	len = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", method, target);
	if (type)
		len += snprintf(
			head + len, sizeof head - (size_t)len, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, n);
	len += snprintf(head + len, sizeof head - (size_t)len, "\r\n");
	/* what the server does not want of the body it may refuse half-way, and its answer counts all the same */
	if (http_send(fd, head, (size_t)len))
		(void)http_send(fd, body, n);
	a = http_receive(fd, !strcmp(method, "HEAD"));
	close(fd);
	return a;
}
