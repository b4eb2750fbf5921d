/*
 * access: who may do what. The only <sodium.h>.
 *
 * A key is "verad_", the 20 characters of its id, "_", and 256 random bits in 43 characters; a caller shows it as
 * "Authorization: Bearer KEY". The store has its BLAKE2b hash alone, which is compared in constant time: a fast hash,
 * because 256 random bits cannot be guessed, and a slow one would let anybody keep the processors busy. A key has
 * scopes; a route asks for one.
 *
 * The keys are held in memory and read anew every second, so a key made or revoked by another process counts within a
 * second, and within this one at once (access_refresh). Threads: any; one mutex around the list, held across no call.
 */
#ifndef VERAD_SERVER_ACCESS_H
#define VERAD_SERVER_ACCESS_H

#include "server/store.h"

enum access_scope {
	ACCESS_READ = 1,    /* look at everything but keys */
	ACCESS_PREDICT = 2, /* rows in, answers out */
	ACCESS_WRITE = 4,   /* data sets, jobs, models: make, change, delete */
	ACCESS_ADMIN = 8,   /* all of it, and keys and backups */
	ACCESS_FREE = 16,   /* of a route: no key is asked for */
};
enum { ACCESS_KEY_SIZE = 80, ACCESS_SCOPES_SIZE = 40, ACCESS_MIN_GIVEN = 32 };

/* "read,predict" to its bits: ERR_INVALID "unknown_scope", with the nearest one that there is. */
enum status access_parse_scopes(const char *text, unsigned *scopes, struct err *e);
void access_scopes_text(unsigned scopes, char text[ACCESS_SCOPES_SIZE]);

/* Makes a key and stores its hash. `key` is the only place where it ever stands: wipe it with access_wipe. */
enum status access_create(struct store *s, const char *name, unsigned scopes, char id[STORE_ID_SIZE],
	char key[ACCESS_KEY_SIZE], struct err *e);
void access_wipe(char key[ACCESS_KEY_SIZE]);

struct access;
/* admin_key_file (NULL: none): a file whose first line, of at least ACCESS_MIN_GIVEN characters, is a key with every
 * scope; ERR_INVALID "bad_admin_key". store NULL: that key alone. */
enum status access_new(struct store *s, const char *admin_key_file, struct access **out, struct err *e);
void access_free(struct access *a);     /* accepts NULL */
size_t access_n_keys(struct access *a); /* in force, that of the file included */
enum status access_read_file(
	struct access *a, struct err *e); /* the admin key's file, anew; on failure the old stays */
void access_refresh(struct access *a);    /* the store's keys, anew */

/*
 * May the bearer of `authorization` (NULL: the header did not come) do what takes the scope `need`? `caller` becomes
 * the key's id. ERR_INVALID "no_api_key" and "bad_api_key" (401: unknown, or revoked), "missing_scope" (403).
 */
enum status access_check(
	struct access *a, const char *authorization, unsigned need, char *caller, size_t caller_size, struct err *e);

#endif
