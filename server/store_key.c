/* store_key: the keys of the API's callers, as hashes. They are few: a list is all of them, oldest first. */
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

void
api_key_release(struct api_key *k)
{
	free(k->name);
	memset(k, 0, sizeof *k);
}

#define KEY_FIELDS "id, name, scopes, hash, created, revoked"

static void
read_key(struct query *q, void *item)
{
	struct api_key *k = item;
	const void *hash;
	size_t n;

	row_short(q, 0, k->id, sizeof k->id);
	k->name = row_text(q, 1);
	k->scopes = (unsigned)row_int(q, 2);
	hash = row_bytes(q, 3, &n);
	if (n == sizeof k->hash)
		memcpy(k->hash, hash, n);
	else
		k->scopes = 0; /* a hash that was tampered with opens nothing */
	k->created = row_real(q, 4);
	k->revoked = row_real(q, 5);
}

static void
release_key(void *item)
{
	api_key_release(item);
}

static const struct list_kind key_kind = {sizeof(struct api_key), read_key, release_key};

enum status
store_new_key_id(char id[STORE_ID_SIZE], struct err *e)
{
	return store_new_id("key_", id, e);
}

enum status
store_key_add(struct store *s, const struct api_key *k, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "INSERT INTO api_key (id, name, scopes, hash, created) VALUES (?1, ?2, ?3, ?4, ?5)");
	query_text(&q, k->id);
	query_text(&q, k->name);
	query_int(&q, k->scopes);
	query_blob(&q, k->hash, sizeof k->hash);
	query_real(&q, store_now());
	return write_end(s, query_run(&q, e), e);
}

enum status
store_key_list(struct store *s, struct api_key **out, size_t *n, struct err *e)
{
	struct query q;
	struct conn *c;
	void *list;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT " KEY_FIELDS " FROM api_key ORDER BY seq");
	status = read_end(s, c, list_rows(&q, &key_kind, &list, n, e));
	if (!status)
		*out = list;
	return status;
}

enum status
store_key_revoke(struct store *s, const char *id, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	/* a second time leaves the time of the first */
	q = query_new(c, "UPDATE api_key SET revoked = iif(revoked > 0, revoked, ?2) WHERE id = ?1");
	query_text(&q, id);
	query_real(&q, store_now());
	status = query_run(&q, e);
	if (!status && !conn_changes(c))
		status = err_set(e, ERR_NOT_FOUND, "key_not_found", "no API key \"%.40s\"", id);
	return write_end(s, status, e);
}
