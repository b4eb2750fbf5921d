/* cli_backup: a copy of the store in one file, also beside the daemon that uses it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/cli.h"
#include "server/store.h"

struct settings {
	const char *data;
};

static const struct option options[] = {
	{.name = "data",
		.value = "DIR",
		.type = OPTION_TEXT,
		.at = offsetof(struct settings, data),
		.doc = "the daemon's data directory"},
};
static const struct option_table table = {.option = options, .n = sizeof options / sizeof options[0]};

/* Opening would make what is not there: an empty backup is worse than none. */
static enum status
check_store(const char *dir, struct err *e)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof path, "%s/verad.db", dir) < sizeof path && !access(path, F_OK))
		return OK;
	return err_set(e, ERR_NOT_FOUND, "no_store", "there is no store in %.200s", dir);
}

static int
run(int argc, char *argv[])
{
	struct settings o = {0};
	struct store *store = NULL;
	struct err e = {0};
	const char *operand[1] = {0};
	uint64_t n_bytes;
	size_t n;
	enum status s;

	if (options_parse(&table, &o, argc, argv, operand, 1, &n, &e))
		return cli_usage("backup", &e);
	if (!n || !o.data || !*o.data) {
		err_set(&e, ERR_INVALID, "usage", "%s",
			n ? "--data DIR is needed: the daemon's data directory" : "to which file?");
		return cli_usage("backup", &e);
	}
	if (!(s = check_store(o.data, &e)) && !(s = store_open_beside(o.data, &store, &e)))
		s = store_backup(store, operand[0], NULL, &n_bytes, &e);
	store_close(store);
	return s ? cli_fail("backup", NULL, &e) : CLI_OK;
}

const struct cli_command cli_backup = {
	.name = "backup",
	.synopsis = "FILE --data DIR",
	.summary = "copy the store to a file, while the daemon runs or not",
	.details = "The copy is of one moment, checked for damage and durable when the command ends with status 0; on\n"
		   "any other there is no FILE. To restore it, put it as verad.db into an empty data directory.\n",
	.options = &table,
	.run = run,
};
