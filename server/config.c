/* config: see config.h. */
#include "server/config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "schema/csv.h"
#include "server/log.h"
#include "server/store.h"

static const char *const formats[] = {"text", "json", NULL};                     /* in the order of enum log_format */
static const char *const levels[] = {"debug", "info", "warning", "error", NULL}; /* in the order of enum log_level */

static const char *const auth_modes[] = {"auto", "keys", "none", NULL}; /* in the order of enum config_auth */

#define AT(field) offsetof(struct config, field)

static const struct option options[] = {
	{.name = "data",
		.value = "DIR",
		.type = OPTION_TEXT,
		.at = AT(data),
		.doc = "where everything is kept; made if need be"},
	{.name = "listen",
		.value = "ADDRESS",
		.type = OPTION_TEXT,
		.at = AT(listen),
		.doc = "host:port, [ipv6]:port or unix:PATH; port 0: any free one (127.0.0.1:8080)"},
	{.name = "auth",
		.value = "MODE",
		.type = OPTION_CHOICE,
		.at = AT(auth),
		.choices = auth_modes,
		.doc = "who needs an API key: auto (those who reach it from other machines), keys (all) or none "
		       "(auto)"},
	{.name = "admin-key-file",
		.value = "FILE",
		.type = OPTION_TEXT,
		.at = AT(admin_key_file),
		.doc = "a file with an API key of your own that may do everything"},
	{.name = "tls-cert",
		.value = "FILE",
		.type = OPTION_TEXT,
		.at = AT(tls_cert),
		.doc = "serve HTTPS with this certificate (PEM, its chain behind it)"},
	{.name = "tls-key",
		.value = "FILE",
		.type = OPTION_TEXT,
		.at = AT(tls_key),
		.doc = "and its key (PEM, without a passphrase)"},
	{.name = "workers",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(workers),
		.min = 1,
		.max = 256,
		.doc = "training jobs at a time, sharing the processors (1)"},
	{.name = "max-upload",
		.value = "BYTES",
		.type = OPTION_BYTES,
		.at = AT(max_upload),
		.min = 1024,
		.max = (uint64_t)1 << 50,
		.doc = "largest data set (1G)"},
	{.name = "max-predict",
		.value = "BYTES",
		.type = OPTION_BYTES,
		.at = AT(max_predict),
		.min = 1024,
		.max = (uint64_t)1 << 40,
		.doc = "largest body of rows to predict (64M)"},
	{.name = "max-rows",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(max_rows),
		.min = 1,
		.max = (uint64_t)1 << 40,
		.doc = "rows of a data set (as many as max-upload lets in)"},
	{.name = "max-columns",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(max_columns),
		.min = 1,
		.max = CSV_MAX_COLUMNS,
		.doc = "columns of a data set (20000)"},
	{.name = "max-cells",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(max_cells),
		.min = 1,
		.max = (uint64_t)1 << 50,
		.doc = "rows times columns of a data set, 4 bytes of memory each in training (as many as max-upload "
		       "lets in)"},
	{.name = "max-cell",
		.value = "BYTES",
		.type = OPTION_BYTES,
		.at = AT(max_cell),
		.min = 16,
		.max = CSV_MAX_CELL,
		.doc = "one cell of a data set (1M)"},
	{.name = "min-free",
		.value = "BYTES",
		.type = OPTION_BYTES,
		.at = AT(min_free),
		.min = 0,
		.max = (uint64_t)1 << 50,
		.doc = "room on the disk that uploads leave (64M)"},
	{.name = "max-connections",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(max_connections),
		.min = 8,
		.max = 100000,
		.doc = "open connections; more are told to come again (1000)"},
	{.name = "max-queued",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(max_queued),
		.min = 1,
		.max = 1000000,
		.doc = "jobs that wait for a worker; more are refused (1000)"},
	{.name = "max-models",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(max_models),
		.min = 1,
		.max = 100000,
		.doc = "models kept in memory, the least recently used one out first (32)"},
	{.name = "backup-dir",
		.value = "DIR",
		.type = OPTION_TEXT,
		.at = AT(backup_dir),
		.doc = "where POST /v1/admin/backup may write; without it that is refused"},
	{.name = "drain-seconds",
		.value = "N",
		.type = OPTION_COUNT,
		.at = AT(drain_seconds),
		.max = 3600,
		.doc = "after SIGTERM, go on serving this long with /readyz not ready (0)"},
	{.name = "log-format",
		.value = "FORMAT",
		.type = OPTION_CHOICE,
		.at = AT(log_format),
		.choices = formats,
		.doc = "text or json (text)"},
	{.name = "log-level",
		.value = "LEVEL",
		.type = OPTION_CHOICE,
		.at = AT(log_level),
		.choices = levels,
		.doc = "debug, info, warning or error (info)"},
};

const struct option_table config_options = {.option = options, .n = sizeof options / sizeof options[0]};

bool
config_is_loopback(const char *listen)
{
	const char *colon = strrchr(listen, ':'), *bracket = strrchr(listen, ']');
	size_t len = colon && (!bracket || colon > bracket) ? (size_t)(colon - listen) : strlen(listen);
	struct in6_addr six;
	struct in_addr four;
	char host[64];

	if (!strncmp(listen, "unix:", 5))
		return true;
	if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
		listen++;
		len -= 2;
	}
	if (!len || len >= sizeof host) /* ":8080" is every address */
		return false;
	memcpy(host, listen, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strcasecmp(host, "localhost") == 0;
}

enum status
config_read(struct config *c, int argc, char *const argv[], struct err *e)
{
	const char *operand[1];
	size_t n_operands;
	enum status s;

	*c = (struct config){
		.listen = "127.0.0.1:8080",
		.workers = 1,
		.max_upload = (uint64_t)1 << 30,
		.max_predict = (uint64_t)64 << 20,
		.max_columns = CSV_MAX_COLUMNS,
		.max_cell = CSV_MAX_CELL,
		.min_free = STORE_RESERVE_BYTES,
		.max_connections = 1000,
		.max_queued = 1000,
		.max_models = 32,
		.log_format = LOG_TEXT,
		.log_level = LOG_INFO,
	};
	if ((s = options_environment(&config_options, c, CONFIG_ENVIRONMENT, e)) ||
		(s = options_parse(&config_options, c, argc, argv, operand, 0, &n_operands, e)))
		return s;
	if (!c->data || !*c->data)
		return err_set(e, ERR_INVALID, "usage", "--data DIR is needed: the directory to keep everything in");
	if (!c->tls_cert != !c->tls_key)
		return err_set(e, ERR_INVALID, "usage", "--tls-cert and --tls-key go together: one of them is missing");
	return OK;
}
