/* config: what `verad serve` can be told, by options and by VERAD_… environment variables. Options win. */
#ifndef VERAD_SERVER_CONFIG_H
#define VERAD_SERVER_CONFIG_H

#include "server/options.h"

#define CONFIG_ENVIRONMENT "VERAD"

struct config {                           /* texts are borrowed from argv and the environment */
	const char *data;                 /* directory */
	const char *listen;               /* "127.0.0.1:8080" */
	bool allow_remote;                /* listen may be more than the loopback */
	uint64_t workers;                 /* jobs at a time */
	uint64_t max_upload, max_predict; /* bytes of a body */
	size_t log_format, log_level;     /* enum log_format, enum log_level */
	bool check;                       /* stop after reading the configuration */
};

extern const struct option_table config_options;

/* Defaults, then environment, then arguments; then the checks that take more than one value. ERR_INVALID "usage". */
enum status config_read(struct config *c, int argc, char *const argv[], struct err *e);

/* Is the host part of "host:port" this machine alone? */
bool config_is_loopback(const char *listen);

#endif
