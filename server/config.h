/* config: what `verad serve` can be told, by options and by VERAD_… environment variables. Options win. */
#ifndef VERAD_SERVER_CONFIG_H
#define VERAD_SERVER_CONFIG_H

#include "server/options.h"

#define CONFIG_ENVIRONMENT "VERAD"

enum config_auth { AUTH_AUTO, AUTH_KEYS, AUTH_NONE };

struct config {                           /* texts are borrowed from argv and the environment */
	const char *data;                 /* directory */
	const char *listen;               /* "127.0.0.1:8080" */
	size_t auth;                      /* enum config_auth */
	const char *admin_key_file;       /* NULL: none */
	const char *tls_cert, *tls_key;   /* both, or both NULL */
	uint64_t workers;                 /* jobs at a time */
	uint64_t max_upload, max_predict; /* bytes of a body */
	size_t log_format, log_level;     /* enum log_format, enum log_level */
	uint64_t max_rows, max_cells;     /* of a data set; 0: no limit of their own */
	uint64_t max_columns, max_cell;   /* of a data set; bytes */
	uint64_t min_free;                /* bytes of the disk that uploads leave */
	uint64_t max_connections, max_queued, max_models;
	const char *backup_dir; /* NULL: none */
	uint64_t drain_seconds;
};

extern const struct option_table config_options;

/* Defaults, then environment, then arguments; then the checks that take more than one value. ERR_INVALID "usage". */
enum status config_read(struct config *c, int argc, char *const argv[], struct err *e);

/* Is the host part of "host:port" this machine alone? So is a socket in the file system. */
bool config_is_loopback(const char *listen);

#endif
