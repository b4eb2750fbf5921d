/*
 * cli_key: API keys in a data directory, also beside the daemon that uses it: it takes notice within a second. The key
 * itself goes to standard output, once; everything about it to standard error.
 */
#include <stdlib.h>
#include <string.h>

#include "server/access.h"
#include "server/cli.h"
#include "server/json.h"

enum { MAX_NAME = 200 };

struct settings {
	const char *data, *name, *scopes;
};

static const struct option options[] = {
	{.name = "data",
		.value = "DIR",
		.type = OPTION_TEXT,
		.at = offsetof(struct settings, data),
		.doc = "the daemon's data directory"},
	{.name = "name",
		.value = "NAME",
		.type = OPTION_TEXT,
		.at = offsetof(struct settings, name),
		.doc = "of a new key: whose it is"},
	{.name = "scopes",
		.value = "LIST",
		.type = OPTION_TEXT,
		.at = offsetof(struct settings, scopes),
		.doc = "of a new key: one or more of read,predict,write,admin"},
};
static const struct option_table table = {.option = options, .n = sizeof options / sizeof options[0]};

static enum status
create(struct store *store, const struct settings *o, struct err *e)
{
	char id[STORE_ID_SIZE], key[ACCESS_KEY_SIZE];
	unsigned scopes;
	enum status s;

	if ((s = access_parse_scopes(o->scopes, &scopes, e)) ||
		(s = access_create(store, o->name ? o->name : "", scopes, id, key, e)))
		return s;
	fprintf(stderr, "verad: key: made %s; this is the only time that the key is shown\n", id);
	puts(key);
	access_wipe(key);
	return OK;
}

static enum status
list(struct store *store, struct err *e)
{
	char created[TIMESTAMP_SIZE], revoked[TIMESTAMP_SIZE], scopes[ACCESS_SCOPES_SIZE];
	struct api_key *keys = NULL;
	size_t n = 0;
	enum status s = store_key_list(store, &keys, &n, e);

	if (s)
		return s;
	puts("id\tscopes\tcreated\trevoked\tname");
	for (size_t i = 0; i < n; i++) {
		access_scopes_text(keys[i].scopes, scopes);
		printf("%s\t%s\t%s\t%s\t%s\n", keys[i].id, scopes, timestamp(keys[i].created, created),
			keys[i].revoked > 0 ? timestamp(keys[i].revoked, revoked) : "-", keys[i].name);
		api_key_release(&keys[i]);
	}
	free(keys);
	return OK;
}

static enum status
check(const struct settings *o, const char *const operand[], size_t n, struct err *e)
{
	bool creates = n && !strcmp(operand[0], "create"), revokes = n && !strcmp(operand[0], "revoke");

	if (!n || (!creates && !revokes && strcmp(operand[0], "list")))
		return err_set(e, ERR_INVALID, "usage", "say what to do: create, list or revoke ID");
	if (n > 1 && !revokes)
		return err_set(e, ERR_INVALID, "usage", "there is nothing to do for \"%.100s\"", operand[1]);
	if (revokes && n != 2)
		return err_set(e, ERR_INVALID, "usage", "revoke which key? `verad key list` shows their ids");
	if (!o->data || !*o->data)
		return err_set(e, ERR_INVALID, "usage", "--data DIR is needed: the daemon's data directory");
	if (!creates && (o->name || o->scopes))
		return err_set(e, ERR_INVALID, "usage", "--name and --scopes are for new keys");
	if (creates && !o->scopes)
		return err_set(
			e, ERR_INVALID, "usage", "--scopes LIST is needed: one or more of read,predict,write,admin");
	if (o->name && strlen(o->name) > MAX_NAME)
		return err_set(e, ERR_INVALID, "usage", "--name is over %d bytes", MAX_NAME);
	return OK;
}

static int
run(int argc, char *argv[])
{
	struct settings o = {0};
	struct store *store = NULL;
	struct err e = {0};
	const char *operand[2] = {0};
	size_t n;
	enum status s;

	if (options_parse(&table, &o, argc, argv, operand, 2, &n, &e))
		return cli_usage("key", &e);
	if (check(&o, operand, n, &e))
		return cli_usage("key", &e);
	if (!(s = store_open_beside(o.data, &store, &e))) {
		if (!strcmp(operand[0], "create"))
			s = create(store, &o, &e);
		else if (!strcmp(operand[0], "list"))
			s = list(store, &e);
		else
			s = store_key_revoke(store, operand[1], &e);
	}
	store_close(store);
	if (s)
		return e.code && !strcmp(e.code, "unknown_scope") ? cli_usage("key", &e) : cli_fail("key", NULL, &e);
	return cli_flush("key");
}

const struct cli_command cli_key = {
	.name = "key",
	.synopsis = "create --data DIR --scopes LIST [--name NAME] | list --data DIR | revoke ID --data DIR",
	.summary = "make, list and revoke API keys",
	.details =
		"Scopes: read looks at everything but keys; predict sends rows and gets answers; write makes, changes\n"
		"and deletes data sets, jobs and models; admin may do everything. A key of several scopes has them\n"
		"all. Works while the daemon runs, which takes notice within a second. Callers send a key as\n"
		"\"Authorization: Bearer KEY\". The store has only its hash.\n",
	.options = &table,
	.run = run,
};
