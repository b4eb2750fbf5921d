/* listen: an address as people write it to a listening socket. Thread rule: used at start, by one thread. */
#ifndef VERAD_SERVER_LISTEN_H
#define VERAD_SERVER_LISTEN_H

#include <stdbool.h>

#include "engine/err.h"

/* "127.0.0.1:8080", "[::1]:0", "localhost:8080", ":8080" (all addresses); port 0: any free one. "unix:/run/verad.sock":
 * a socket in the file system, for its owner and group; one that nobody listens on any more is replaced. *fd is the
 * caller's to close. ERR_INVALID "bad_listen_address", ERR_IO "cannot_listen". */
enum status listen_on(const char *address, int *fd, struct err *e);
enum status listen_check(const char *address, struct err *e); /* could it be? opens nothing */
unsigned listen_port(int fd);                                 /* 0: not TCP */
bool listen_is_local(int fd); /* does the socket take connections of this machine alone? */
/* Its address as text: "127.0.0.1:8080", "unix:/run/verad.sock". */
void listen_address(int fd, char *text, size_t size);

/* How many of `wanted` connections there are file descriptors for, beside `others` for the rest of the program. Raises
 * the process's soft limit where that helps. At least 8. */
unsigned listen_affordable(unsigned wanted, unsigned others);

#endif
