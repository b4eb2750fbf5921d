/* listen: an address as people write it to a listening TCP socket. Thread rule: used at start, by one thread. */
#ifndef VERAD_SERVER_LISTEN_H
#define VERAD_SERVER_LISTEN_H

#include "engine/err.h"

/* "127.0.0.1:8080", "[::1]:0", "localhost:8080", ":8080" (all addresses); port 0: any free one. *fd is the caller's to
 * close. ERR_INVALID "bad_listen_address", ERR_IO "cannot_listen". */
enum status listen_on(const char *address, int *fd, struct err *e);
unsigned listen_port(int fd);

/* How many of `wanted` connections there are file descriptors for, beside `others` for the rest of the program. Raises
 * the process's soft limit where that helps. At least 8. */
unsigned listen_affordable(unsigned wanted, unsigned others);

#endif
