/*
 * tls: the certificate that the daemon shows. The only <gnutls/…>.
 *
 * Certificate and key are read and held against each other at start, and again by tls_reload, so that a renewed
 * certificate needs no restart; one that does not check out leaves the old one in use. There is one tls a process: the
 * library asks for certificates through a function without an argument of ours. Threads: tls_reload by one at a time,
 * handshakes in any.
 */
#ifndef VERAD_SERVER_TLS_H
#define VERAD_SERVER_TLS_H

#include <sys/types.h>

#include "engine/err.h"

struct tls;
/* PEM files: the certificate with its chain behind it, and its key without a passphrase. ERR_INVALID
 * "bad_certificate", "bad_certificate_key". */
enum status tls_new(const char *certificate_file, const char *key_file, struct tls **out, struct err *e);
void tls_free(struct tls *t); /* accepts NULL; no handshake under way */
enum status tls_reload(struct tls *t, struct err *e);
double tls_expires(struct tls *t); /* seconds since the epoch */

/* For http: what microhttpd takes as its MHD_OPTION_HTTPS_CERT_CALLBACK and its priorities; a send on a session, which
 * is -1 with errno EAGAIN where the socket is full, and -1 with another errno on failure. */
void *tls_callback(void);
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
ssize_t tls_send(void *session, const void *bytes, size_t n);

#endif
