/* listen: see listen.h. */
#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 511 };

/* getaddrinfo would take port 99999 for 34463. */
static bool
is_port(const char *text)
{
	size_t n = strlen(text);

	return n && n <= 5 && strspn(text, "0123456789") == n && strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* The addresses that "host:port" means; freeaddrinfo them. */
static enum status
resolve(const char *address, struct addrinfo **found, struct err *e)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(address, ':'), *from = address;
	size_t n = colon ? (size_t)(colon - address) : 0;
	char host[256];
	int code;

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
	code = getaddrinfo(n ? host : NULL, colon + 1, &hints, found);
	if (code)
		return err_set(e, ERR_INVALID, "bad_listen_address", "cannot listen on %.100s: %s", address,
			gai_strerror(code));
	return OK;
}

static bool
is_unix(const char *address)
{
	return !strncmp(address, "unix:", 5);
}

static enum status
unix_path(const char *address, struct sockaddr_un *a, struct err *e)
{
	const char *path = address + 5;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!*path || strlen(path) >= sizeof a->sun_path)
		return err_set(e, ERR_INVALID, "bad_listen_address",
			"\"%.120s\" is no address to listen on: a path has 1 to %zu bytes", address,
			sizeof a->sun_path - 1);
	strcpy(a->sun_path, path);
	return OK;
}

enum status
listen_check(const char *address, struct err *e)
{
	struct addrinfo *found = NULL;
	struct sockaddr_un a;
	enum status s = is_unix(address) ? unix_path(address, &a, e) : resolve(address, &found, e);

	if (found)
		freeaddrinfo(found);
	return s;
}

/* Is somebody behind this socket? What a daemon left that was killed must not keep the next one from its place. */
static bool
answers(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && !connect(fd, (const struct sockaddr *)a, sizeof *a);

	if (fd >= 0)
		close(fd);
	return yes;
}

static enum status
listen_unix(const char *address, int *out, struct err *e)
{
	struct sockaddr_un a;
	struct stat st;
	enum status s = unix_path(address, &a, e);
	int fd;

	if (s)
		return s;
	if (!lstat(a.sun_path, &st) && S_ISSOCK(st.st_mode) && !answers(&a))
		unlink(a.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* nobody can connect before listen, so the mode is right before it counts */
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || chmod(a.sun_path, 0660) || listen(fd, BACKLOG)) {
		err_set(e, ERR_IO, "cannot_listen", "cannot listen on %.120s: %s", address, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	*out = fd;
	return OK;
}

enum status
listen_on(const char *address, int *out, struct err *e)
{
	struct addrinfo *found = NULL;
	int yes = 1, fd = -1, saved = 0;
	enum status s;

	if (is_unix(address))
		return listen_unix(address, out, e);
	if ((s = resolve(address, &found, e)))
		return s;
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			saved = errno;
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
		if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
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

bool
listen_is_local(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof a;

	if (getsockname(fd, (struct sockaddr *)&a, &n))
		return false;
	if (a.ss_family == AF_UNIX)
		return true;
	if (a.ss_family == AF_INET)
		return ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24 == 127;
	return a.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a)->sin6_addr);
}

void
listen_address(int fd, char *text, size_t size)
{
	char host[NI_MAXHOST] = "?", port[16] = "?";
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof a;

	snprintf(text, size, "?");
	if (getsockname(fd, (struct sockaddr *)&a, &n))
		return;
	if (a.ss_family == AF_UNIX) {
		snprintf(text, size, "unix:%s", ((struct sockaddr_un *)&a)->sun_path);
		return;
	}
	getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, size, a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
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
