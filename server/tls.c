/*
 * tls: see tls.h. A handshake may still use the certificate that a reload replaces, and nothing says when it is
 * through; so what was replaced is kept until the end, a few kilobytes for each renewal.
 */
#include "server/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHAIN = 16 };

struct identity { /* constant once made */
	gnutls_pcert_st chain[MAX_CHAIN];
	unsigned n_chain;
	gnutls_privkey_t key;
	double expires;
	struct identity *replaced; /* owned */
};

struct tls {
	const char *certificate_file, *key_file; /* borrowed */
	_Atomic(struct identity *) identity;     /* owned */
};

static _Atomic(struct tls *) the_tls;

static void
identity_free(struct identity *i)
{
	while (i) {
		struct identity *next = i->replaced;

		for (unsigned k = 0; k < i->n_chain; k++)
			gnutls_pcert_deinit(&i->chain[k]);
		if (i->key)
			gnutls_privkey_deinit(i->key);
		free(i);
		i = next;
	}
}

static enum status
bad(const char *code, const char *what, const char *file, int rc, struct err *e)
{
	return err_set(e, ERR_INVALID, code, "%s %.150s: %s", what, file,
		rc == GNUTLS_E_FILE_ERROR ? strerror(errno ? errno : EIO) : gnutls_strerror(rc));
}

static enum status
read_chain(const char *file, struct identity *i, struct err *e)
{
	gnutls_datum_t bytes = {0};
	gnutls_x509_crt_t leaf = NULL;
	unsigned n = MAX_CHAIN;
	int rc = gnutls_load_file(file, &bytes);

	if (!rc)
		rc = gnutls_pcert_list_import_x509_raw(i->chain, &n, &bytes, GNUTLS_X509_FMT_PEM, 0);
	if (!rc)
		i->n_chain = n;
	if (!rc && !n)
		rc = GNUTLS_E_NO_CERTIFICATE_FOUND;
	if (!rc && !(rc = gnutls_x509_crt_init(&leaf)))
		rc = gnutls_x509_crt_import(leaf, &i->chain[0].cert, GNUTLS_X509_FMT_DER);
	if (!rc)
		i->expires = (double)gnutls_x509_crt_get_expiration_time(leaf);
	if (leaf)
		gnutls_x509_crt_deinit(leaf);
	gnutls_free(bytes.data);
	return rc ? bad("bad_certificate", "cannot use the certificate", file, rc, e) : OK;
}

static enum status
read_key(const char *file, struct identity *i, struct err *e)
{
	gnutls_datum_t bytes = {0};
	int rc = gnutls_load_file(file, &bytes);

	if (!rc)
		rc = gnutls_privkey_init(&i->key);
	if (!rc)
		rc = gnutls_privkey_import_x509_raw(i->key, &bytes, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (bytes.data)
		gnutls_memset(bytes.data, 0, bytes.size);
	gnutls_free(bytes.data);
	return rc ? bad("bad_certificate_key", "cannot use the certificate's key", file, rc, e) : OK;
}

static enum status
check_pair(const struct tls *t, const struct identity *i, struct err *e)
{
	unsigned char of_key[64], of_chain[64];
	size_t n_key = sizeof of_key, n_chain = sizeof of_chain;
	gnutls_pubkey_t public = NULL;
	int rc = gnutls_pubkey_init(&public);

	if (!rc)
		rc = gnutls_pubkey_import_privkey(public, i->key, 0, 0);
	if (!rc)
		rc = gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, of_key, &n_key);
	if (!rc)
		rc = gnutls_pubkey_get_key_id(i->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_chain, &n_chain);
	if (public)
		gnutls_pubkey_deinit(public);
	if (rc)
		return bad("bad_certificate_key", "cannot use the certificate's key", t->key_file, rc, e);
	if (n_key != n_chain || memcmp(of_key, of_chain, n_key))
		return err_set(e, ERR_INVALID, "bad_certificate_key", "the key %.120s does not belong to %.120s",
			t->key_file, t->certificate_file);
	return OK;
}

enum status
tls_reload(struct tls *t, struct err *e)
{
	struct identity *i = calloc(1, sizeof *i);
	enum status s;

	if (!i)
		return err_nomem(e);
	if ((s = read_chain(t->certificate_file, i, e)) || (s = read_key(t->key_file, i, e)) ||
		(s = check_pair(t, i, e))) {
		identity_free(i);
		return s;
	}
	i->replaced = atomic_load(&t->identity);
	atomic_store(&t->identity, i);
	return OK;
}

enum status
tls_new(const char *certificate_file, const char *key_file, struct tls **out, struct err *e)
{
	struct tls *t = calloc(1, sizeof *t);
	enum status s;

	if (!t)
		return err_nomem(e);
	t->certificate_file = certificate_file;
	t->key_file = key_file;
	if ((s = tls_reload(t, e))) {
		tls_free(t);
		return s;
	}
	atomic_store(&the_tls, t);
	*out = t;
	return OK;
}

void
tls_free(struct tls *t)
{
	struct tls *mine = t;

	if (!t)
		return;
	atomic_compare_exchange_strong(&the_tls, &mine, NULL);
	identity_free(atomic_load(&t->identity));
	free(t);
}

double
tls_expires(struct tls *t)
{
	return atomic_load(&t->identity)->expires;
}

static int
on_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
	const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **chain, unsigned *n_chain,
	gnutls_privkey_t *key)
{
	struct tls *t = atomic_load(&the_tls);
	struct identity *i = t ? atomic_load(&t->identity) : NULL;

	(void)session, (void)authorities, (void)n_authorities, (void)algorithms, (void)n_algorithms;
	if (!i)
		return -1;
	*chain = i->chain;
	*n_chain = i->n_chain;
	*key = i->key;
	return 0;
}

void *
tls_callback(void)
{
	gnutls_certificate_retrieve_function2 *f = on_certificate;
	void *out;

	memcpy(&out, &f, sizeof out); /* ISO C has no cast from a function to an object; POSIX makes them the same */
	return out;
}

ssize_t
tls_send(void *session, const void *bytes, size_t n)
{
	ssize_t sent = gnutls_record_send(session, bytes, n);

	if (sent >= 0)
		return sent;
	errno = sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED ? EAGAIN : EPIPE;
	return -1;
}
