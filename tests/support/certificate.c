/* certificate: see certificate.h. */
#include "tests/support/certificate.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/http_client.h"

static bool
write_file(const char *path, const gnutls_datum_t *text)
{
	FILE *f = fopen(path, "w");
	bool ok = f && fwrite(text->data, 1, text->size, f) == text->size;

	return f && fclose(f) == 0 && ok;
}

bool
certificate_make(const char *certificate_file, const char *key_file, unsigned char serial)
{
	static const char name[] = "CN=localhost";
	gnutls_datum_t of_key = {0}, of_certificate = {0};
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t c = NULL;
	bool ok;

	ok = !gnutls_x509_privkey_init(&key) && !gnutls_x509_crt_init(&c) &&
	     !gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) &&
	     !gnutls_x509_crt_set_version(c, 3) && !gnutls_x509_crt_set_serial(c, &serial, 1) &&
	     !gnutls_x509_crt_set_activation_time(c, time(NULL) - 60) &&
	     !gnutls_x509_crt_set_expiration_time(c, time(NULL) + 86400) && !gnutls_x509_crt_set_dn(c, name, NULL) &&
	     !gnutls_x509_crt_set_key(c, key) && !gnutls_x509_crt_sign2(c, c, key, GNUTLS_DIG_SHA256, 0) &&
	     !gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_PEM, &of_certificate) &&
	     !gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &of_key) &&
	     write_file(certificate_file, &of_certificate) && write_file(key_file, &of_key);
	gnutls_free(of_key.data);
	gnutls_free(of_certificate.data);
	if (c)
		gnutls_x509_crt_deinit(c);
	if (key)
		gnutls_x509_privkey_deinit(key);
	return ok;
}

static int
serial_of(gnutls_session_t session)
{
	unsigned n = 0;
	const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &n);
	unsigned char serial[32] = {0};
	size_t size = sizeof serial;
	gnutls_x509_crt_t c = NULL;
	int out = -1;

	if (der && n && !gnutls_x509_crt_init(&c) && !gnutls_x509_crt_import(c, der, GNUTLS_X509_FMT_DER) &&
		!gnutls_x509_crt_get_serial(c, serial, &size) && size)
		out = serial[size - 1];
	if (c)
		gnutls_x509_crt_deinit(c);
	return out;
}

int
certificate_shown(unsigned port)
{
	gnutls_certificate_credentials_t credentials = NULL;
	gnutls_session_t session = NULL;
	int fd = http_dial(port), serial = -1, rc;

	if (fd >= 0 && !gnutls_certificate_allocate_credentials(&credentials) &&
		!gnutls_init(&session, GNUTLS_CLIENT) && !gnutls_set_default_priority(session) &&
		!gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials)) {
		gnutls_transport_set_int(session, fd);
		do
			rc = gnutls_handshake(session);
		while (rc < 0 && !gnutls_error_is_fatal(rc));
		if (!rc)
			serial = serial_of(session);
	}
	if (session)
		gnutls_deinit(session);
	if (credentials)
		gnutls_certificate_free_credentials(credentials);
	if (fd >= 0)
		close(fd);
	return serial;
}
