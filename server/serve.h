/* serve: the daemon's life. Everything is started in order, and stopped in the reverse order by SIGTERM or SIGINT. */
#ifndef VERAD_SERVER_SERVE_H
#define VERAD_SERVER_SERVE_H

#include "server/config.h"

/*
 * Returns OK after a stop in good order: no new connections and requests under way answered, running jobs checkpointed
 * and requeued, the store closed. A second signal while stopping ends the process at once, as kill -9 would: the
 * store stands that. Must be called before any other thread exists, because signals are blocked for all that follow.
 */
enum status serve(const struct config *c, struct err *e);

#endif
