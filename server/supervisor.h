/*
 * supervisor: what systemd and the daemon tell each other. The only <systemd/…>.
 *
 * Without a supervisor (no NOTIFY_SOCKET, no LISTEN_FDS) every call does nothing. Thread rule: for the main thread.
 */
#ifndef VERAD_SERVER_SUPERVISOR_H
#define VERAD_SERVER_SUPERVISOR_H

#include <stdint.h>

#include "engine/err.h"

/* The listening socket that systemd opened; -1: none. ERR_INVALID "bad_listen_address" where it gave several, or one
 * that is no listening stream socket. */
enum status supervisor_socket(int *fd, struct err *e);

void supervisor_ready(const char *status); /* it serves now; again after a reload. `status` is for people */
void supervisor_reloading(void);
void supervisor_stopping(unsigned seconds); /* and may take that long */
void supervisor_alive(void);
uint64_t supervisor_watchdog_ms(void); /* at least this often it wants to hear supervisor_alive; 0: it does not */

#endif
