/*
 * connections: which sockets are open, what each is waiting for, and until when.
 *
 * A thread of its own, the reaper, ends late ones with shutdown(2): that wakes the thread that serves the socket, which
 * then finds it closed. Sockets are opened and closed elsewhere; a connection must leave before its socket is closed,
 * so that the reaper never touches a descriptor that has become another's.
 *
 * Threads: one thread serves a connection; everything else is under the set's lock, which is held across no callback.
 */
#ifndef VERAD_SERVER_CONNECTIONS_H
#define VERAD_SERVER_CONNECTIONS_H

#include <stdbool.h>

#include "engine/err.h"

enum phase {
	PHASE_WAITING,   /* for the headers of a request */
	PHASE_BODY,      /* for the next piece of a body */
	PHASE_HANDLING,  /* the client waits for us: no deadline */
	PHASE_REPLYING,  /* the client is taking its reply */
	PHASE_LINGERING, /* the reply is out; see connection_linger */
};

struct connections;
struct connection;

enum status connections_new(struct connections **out, struct err *e);
void connections_free(struct connections *s); /* ends the reaper; every connection must have left. Accepts NULL */
unsigned connections_count(struct connections *s);
bool connections_stopping(struct connections *s);

/* Ends the connections that wait, waits up to `seconds` for those in PHASE_BODY, _HANDLING and _REPLYING, ends all. */
void connections_drain(struct connections *s, unsigned seconds);

/* client: the address of who is at the other end; copied, cut where it is too long. NULL: out of memory. */
struct connection *connection_enter(struct connections *s, int fd, const char *client, uint64_t milliseconds);
void connection_leave(struct connection *c); /* frees it */
const char *connection_client(const struct connection *c);
int connection_fd(const struct connection *c);
bool connection_was_ended(struct connection *c); /* by the reaper or connections_drain */

/* The phase from now on, and how long it may last; UINT64_MAX: for ever. */
void connection_phase(struct connection *c, enum phase phase, uint64_t milliseconds);

/*
 * After an early reply: shuts the writing side down and reads on until the client closes, pauses or has had its time.
 * For closing a socket with unread bytes in it resets the connection, and the reset may overtake the reply.
 */
void connection_linger(struct connection *c);

#endif
