/* listen: see listen.h. */
#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* getaddrinfo would take port 99999 for 34463. */
static bool
is_port(const char *text)
{
	size_t n = strlen(text);

	return n && n <= 5 && strspn(text, "0123456789") == n && strtoul(text, NULL, 10) <= UINT16_MAX;
}

enum status
listen_on(const char *address, int *out, struct err *e)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
	const char *colon = strrchr(address, ':'), *from = address;
	size_t n = colon ? (size_t)(colon - address) : 0;
	int yes = 1, fd = -1, saved = 0, code;
	char host[256];

	if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
		from++;
		n -= 2;
	} else if (memchr(address, ':', n)) {
		colon = NULL; /* an IPv6 address without brackets: where does its port start? */
	}
	if (!colon || !is_port(colon + 1) || n >= sizeof host)
		return err_set(e, ERR_INVALID, "bad_listen_address",
			"\"%.100s\" is no address to listen on: use HOST:PORT, as 127.0.0.1:8080 or [::1]:8080",
			address);
	memcpy(host, from, n);
	host[n] = '\0';
	code = getaddrinfo(n ? host : NULL, colon + 1, &hints, &found);
	if (code)
		return err_set(e, ERR_INVALID, "bad_listen_address", "cannot listen on %.100s: %s", address,
			gai_strerror(code));
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			saved = errno;
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
		if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 511)) {
			saved = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	if (fd < 0)
		return err_set(e, ERR_IO, "cannot_listen", "cannot listen on %.100s: %s", address, strerror(saved));
	*out = fd;
	return OK;
}

unsigned
listen_port(int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	char port[16] = "0";

	if (!getsockname(fd, (struct sockaddr *)&a, &n))
		getnameinfo((struct sockaddr *)&a, n, NULL, 0, port, sizeof port, NI_NUMERICSERV);
	return (unsigned)strtoul(port, NULL, 10);
}

unsigned
listen_affordable(unsigned wanted, unsigned others)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return wanted;
	if (r.rlim_cur < (rlim_t)wanted + others) {
		r.rlim_cur = (rlim_t)wanted + others;
		if (r.rlim_cur > r.rlim_max)
			r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_cur >= (rlim_t)wanted + others)
		return wanted;
	return r.rlim_cur > (rlim_t)others + 8 ? (unsigned)r.rlim_cur - others : 8;
}
