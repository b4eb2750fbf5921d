/* serve: the daemon's life. Everything is started in order, and stopped in the reverse order by SIGTERM
 * or SIGINT. SIGHUP reads the certificate and the admin key anew. */
#ifndef VERAD_SERVER_SERVE_H
#define VERAD_SERVER_SERVE_H

#include "server/config.h"

/*
 * Returns OK after a stop in good order: no new connections and requests under way answered, running jobs checkpointed
 * and requeued, the store closed. A second signal while stopping ends the process at once, as kill -9 would: the
 * store stands that. Must be called before any other thread exists, because signals are blocked for all that follow.
 */
enum status serve(const struct config *c, struct err *e);

/*
 * Whether `serve` would get as far as opening its store and its socket: the address can be understood and names a host,
 * certificate and key belong together, folders can be written, the admin key's file has a key. Changes nothing.
 */
enum status serve_check(const struct config *c, struct err *e);

#endif
