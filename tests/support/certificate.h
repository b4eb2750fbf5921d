/* certificate: a certificate for tests, of this moment and for localhost, with its key, in two PEM files. */
#ifndef VERAD_TESTS_SUPPORT_CERTIFICATE_H
#define VERAD_TESTS_SUPPORT_CERTIFICATE_H

#include <stdbool.h>

/* serial tells one certificate from another. */
bool certificate_make(const char *certificate_file, const char *key_file, unsigned char serial);

/* The serial of the certificate that a TLS server on 127.0.0.1 shows; -1: there is no handshake. */
int certificate_shown(unsigned port);

#endif
