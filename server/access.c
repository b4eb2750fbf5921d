/* access: see access.h. */
#include "server/access.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/suggest.h"
#include "server/log.h"
#include "server/monotonic.h"

enum { SECRET_BYTES = 32, REFRESH_SECONDS = 1, ID_CHARS = 20 };

static const struct scope {
	const char *name;
	unsigned bit;
} scopes_known[] = {
	{"read", ACCESS_READ}, {"predict", ACCESS_PREDICT}, {"write", ACCESS_WRITE}, {"admin", ACCESS_ADMIN}};
enum { N_SCOPES = sizeof scopes_known / sizeof *scopes_known };

struct access {
	struct store *store;  /* borrowed */
	char *admin_key_file; /* owned; NULL: none */
	pthread_mutex_t lock; /* of everything below */
	struct api_key *key;  /* [n_keys], owned */
	size_t n_keys;
	double read_at; /* monotonic seconds of the last reading */
	bool has_admin;
	unsigned char admin_hash[STORE_HASH_SIZE];
};

/* Once, before anything else of libsodium; by any thread, again and again. */
static enum status
start_sodium(struct err *e)
{
	return sodium_init() < 0 ? err_set(e, ERR_INTERNAL, "no_random_bytes", "libsodium could not be started") : OK;
}

static void
hash_of(const char *text, unsigned char hash[STORE_HASH_SIZE])
{
	crypto_generichash(hash, STORE_HASH_SIZE, (const unsigned char *)text, strlen(text), NULL, 0);
}

/* Scopes ---------------------------------------------------------------------------------------------------------- */

/* 0: there is none. */
static unsigned
scope_named(const char *name, size_t n)
{
	for (size_t i = 0; i < N_SCOPES; i++) {
		if (strlen(scopes_known[i].name) == n && !memcmp(scopes_known[i].name, name, n))
			return scopes_known[i].bit;
	}
	return 0;
}

enum status
access_parse_scopes(const char *text, unsigned *scopes, struct err *e)
{
	const char *names[N_SCOPES], *nearest;
	unsigned all = 0;
	char name[40];

	for (size_t i = 0; i < N_SCOPES; i++)
		names[i] = scopes_known[i].name;
	for (const char *at = text;; at++) {
		size_t n = strcspn(at, ",");
		unsigned bit = scope_named(at, n);

		if (!bit) {
			snprintf(name, sizeof name, "%.*s", n > 30 ? 30 : (int)n, at);
			nearest = suggest_nearest(name, names, N_SCOPES);
			return err_set(e, ERR_INVALID, "unknown_scope",
				"there is no scope \"%s\"%s%s%s; there are read, predict, write and admin", name,
				nearest ? " (did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?)" : "");
		}
		all |= bit;
		at += n;
		if (!*at)
			break;
	}
	*scopes = all;
	return OK;
}

void
access_scopes_text(unsigned scopes, char text[ACCESS_SCOPES_SIZE])
{
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < N_SCOPES; i++) {
		if (scopes & scopes_known[i].bit)
			n += (size_t)snprintf(
				text + n, ACCESS_SCOPES_SIZE - n, "%s%s", n ? "," : "", scopes_known[i].name);
	}
}

/* Keys ------------------------------------------------------------------------------------------------------------ */

enum status
access_create(struct store *s, const char *name, unsigned scopes, char id[STORE_ID_SIZE], char key[ACCESS_KEY_SIZE],
	struct err *e)
{
	struct api_key k = {.name = (char *)(uintptr_t)name, .scopes = scopes};
	unsigned char secret[SECRET_BYTES];
	char text[sodium_base64_ENCODED_LEN(SECRET_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
	enum status status;

	if ((status = start_sodium(e)) || (status = store_new_key_id(k.id, e)))
		return status;
	randombytes_buf(secret, sizeof secret);
	sodium_bin2base64(text, sizeof text, secret, sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	snprintf(key, ACCESS_KEY_SIZE, "verad_%.*s_%s", ID_CHARS, k.id + 4, text);
	hash_of(key, k.hash);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(text, sizeof text);
	status = store_key_add(s, &k, e);
	if (status)
		access_wipe(key);
	else
		memcpy(id, k.id, sizeof k.id);
	return status;
}

void
access_wipe(char key[ACCESS_KEY_SIZE])
{
	sodium_memzero(key, ACCESS_KEY_SIZE);
}

static void
list_free(struct api_key *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		api_key_release(&list[i]);
	free(list);
}

static enum status
read_keys(struct access *a, struct err *e)
{
	struct api_key *list = NULL, *old;
	size_t n = 0, n_old;
	enum status s = store_key_list(a->store, &list, &n, e);

	if (s)
		return s;
	pthread_mutex_lock(&a->lock);
	old = a->key;
	n_old = a->n_keys;
	a->key = list;
	a->n_keys = n;
	pthread_mutex_unlock(&a->lock);
	list_free(old, n_old);
	return OK;
}

void
access_refresh(struct access *a)
{
	struct err e = {0};

	if (read_keys(a, &e))
		log_event(LOG_WARNING, "the API keys could not be read anew", "error", e.msg, NULL);
}

/* One of the threads that find the list old reads it; the others go on with what they have. */
static void
refresh_if_old(struct access *a)
{
	double t = monotonic_seconds();
	bool old;

	pthread_mutex_lock(&a->lock);
	old = t - a->read_at >= REFRESH_SECONDS;
	if (old)
		a->read_at = t;
	pthread_mutex_unlock(&a->lock);
	if (old)
		access_refresh(a);
}

enum status
access_read_file(struct access *a, struct err *e)
{
	unsigned char hash[STORE_HASH_SIZE];
	enum status s = OK;
	char text[1024];
	ssize_t n = -1;
	int fd;

	if (!a->admin_key_file)
		return OK;
	fd = open(a->admin_key_file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, sizeof text - 1);
	if (n < 0) {
		s = err_set(e, ERR_INVALID, "bad_admin_key", "cannot read the admin key's file %.150s: %s",
			a->admin_key_file, strerror(errno));
		goto out;
	}
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) < ACCESS_MIN_GIVEN) {
		s = err_set(e, ERR_INVALID, "bad_admin_key",
			"the key in %.150s is shorter than %d characters; `openssl rand -hex 32` makes a good one",
			a->admin_key_file, ACCESS_MIN_GIVEN);
		goto out;
	}
	hash_of(text, hash);
	pthread_mutex_lock(&a->lock);
	memcpy(a->admin_hash, hash, sizeof hash);
	a->has_admin = true;
	pthread_mutex_unlock(&a->lock);
out:
	sodium_memzero(text, sizeof text);
	if (fd >= 0)
		close(fd);
	return s;
}

enum status
access_new(struct store *store, const char *admin_key_file, struct access **out, struct err *e)
{
	struct access *a;
	enum status s = start_sodium(e);

	if (s)
		return s;
	a = calloc(1, sizeof *a);
	if (!a)
		return err_nomem(e);
	pthread_mutex_init(&a->lock, NULL);
	a->store = store;
	a->read_at = monotonic_seconds();
	if (admin_key_file && !(a->admin_key_file = strdup(admin_key_file)))
		s = err_nomem(e);
	if (!s && !(s = access_read_file(a, e)) && store)
		s = read_keys(a, e);
	if (s)
		access_free(a);
	else
		*out = a;
	return s;
}

void
access_free(struct access *a)
{
	if (!a)
		return;
	list_free(a->key, a->n_keys);
	pthread_mutex_destroy(&a->lock);
	free(a->admin_key_file);
	free(a);
}

size_t
access_n_keys(struct access *a)
{
	size_t n;

	pthread_mutex_lock(&a->lock);
	n = a->has_admin;
	for (size_t i = 0; i < a->n_keys; i++)
		n += a->key[i].revoked <= 0;
	pthread_mutex_unlock(&a->lock);
	return n;
}

/* Checks ---------------------------------------------------------------------------------------------------------- */

/* The scopes of the key with this hash; 0: there is none in force. How long it takes depends on their number alone. */
static unsigned
scopes_of(struct access *a, const unsigned char hash[STORE_HASH_SIZE], char *caller, size_t size)
{
	unsigned scopes = 0;

	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->n_keys; i++) {
		const struct api_key *k = &a->key[i];

		if (!sodium_memcmp(k->hash, hash, sizeof k->hash) && k->revoked <= 0) {
			scopes = k->scopes;
			snprintf(caller, size, "%s", k->id);
		}
	}
	if (a->has_admin && !sodium_memcmp(a->admin_hash, hash, sizeof a->admin_hash)) {
		scopes = ACCESS_ADMIN;
		snprintf(caller, size, "admin-key-file");
	}
	pthread_mutex_unlock(&a->lock);
	return scopes;
}

enum status
access_check(
	struct access *a, const char *authorization, unsigned need, char *caller, size_t caller_size, struct err *e)
{
	unsigned char hash[STORE_HASH_SIZE];
	char wanted[ACCESS_SCOPES_SIZE];
	unsigned scopes;

	if (need & ACCESS_FREE)
		return OK;
	if (!authorization)
		return err_set(e, ERR_INVALID, "no_api_key",
			"this needs an API key, in a header as \"Authorization: Bearer verad_…\"");
	if (strncasecmp(authorization, "Bearer ", 7))
		return err_set(e, ERR_INVALID, "bad_api_key",
			"the Authorization header has no bearer key: send it as \"Authorization: Bearer verad_…\"");
	authorization += 7;
	authorization += strspn(authorization, " ");
	refresh_if_old(a);
	hash_of(authorization, hash);
	scopes = scopes_of(a, hash, caller, caller_size);
	if (!scopes)
		return err_set(e, ERR_INVALID, "bad_api_key", "this API key is not known here, or was revoked");
	if (!(scopes & (need | ACCESS_ADMIN))) {
		access_scopes_text(need, wanted);
		return err_set(e, ERR_INVALID, "missing_scope", "this API key lacks the scope \"%s\"", wanted);
	}
	return OK;
}
