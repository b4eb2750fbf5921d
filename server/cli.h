/*
 * cli: the commands of the program. One file per command that has some substance; the table and the rest in cli.c.
 *
 * Messages are "verad: COMMAND: FILE: line N, column "C": what is wrong" on standard error. Exit status: 0 done, 1 it
 * failed, 2 it was called wrongly. Commands run in the main thread.
 */
#ifndef VERAD_SERVER_CLI_H
#define VERAD_SERVER_CLI_H

#include "schema/bundle.h"
#include "server/options.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_command {
	const char *name;
	const char *synopsis; /* what follows the name */
	const char *summary;  /* one line */
	const char *details;  /* lines behind the options in `verad help NAME`; NULL: none */
	const struct option_table *options;
	const char *environment;            /* prefix of the variables that stand for options; NULL: none */
	bool takes_parameters;              /* `help` lists the training parameters too */
	int (*run)(int argc, char *argv[]); /* argv[0] is the command's name */
};

extern const struct cli_command cli_fit, cli_predict, cli_inspect, cli_export, cli_measure, cli_key, cli_backup;

int cli_main(int argc, char *argv[]); /* the program's exit status */

/* Says what is wrong and returns the exit status. `file` may be NULL. A reader of our output who has left is told
 * nothing. */
int cli_fail(const char *command, const char *file, const struct err *e);
int cli_usage(const char *command, const struct err *e);
/* The last step of a command that printed with stdio: CLI_OK when everything has really been written. */
int cli_flush(const char *command);

enum status cli_load_model(const char *path, struct bundle **out, struct err *e);

#endif
