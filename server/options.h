/*
 * options: command-line options and their environment variables, described by tables.
 *
 * `--name value`, `--name=value`, `-o value`, flags without a value; options and operands in any order; `--` ends the
 * options, and `-` alone is an operand. An unknown option is refused with the nearest known one. Values are checked by
 * type and bounds before anything starts. Thread rule: for the main thread, at start.
 */
#ifndef VERAD_SERVER_OPTIONS_H
#define VERAD_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/err.h"

enum option_type {
	OPTION_FLAG,   /* bool */
	OPTION_TEXT,   /* const char *, borrowed from argv or the environment */
	OPTION_COUNT,  /* uint64_t within min .. max */
	OPTION_BYTES,  /* uint64_t within min .. max; "64M" and the like are understood */
	OPTION_CHOICE, /* size_t, index into choices */
	OPTION_CALL,   /* nothing stored: `call` gets the text, and may come again */
};

struct option {
	const char *name;  /* "max-upload" */
	char letter;       /* of the short form; 0: none */
	const char *value; /* what stands for the value in the help: "BYTES"; NULL for flags */
	const char *doc;   /* one line */
	enum option_type type;
	size_t at; /* offset in the settings */
	uint64_t min, max;
	const char *const *choices; /* NULL-terminated */
	enum status (*call)(void *settings, const char *text, struct err *e);
};

struct option_table {
	const struct option *option;
	size_t n;
	/* Further options by name, each with a value, such as the training parameters; '-' and '_' are the same there.
	 */
	const size_t *n_more; /* NULL: none */
	const char *(*more_name)(size_t i);
	enum status (*set_more)(void *settings, size_t i, const char *text, struct err *e);
};

/* Reads argv[1..argc-1] into `settings`; operands, at most max_operands of them, into operand[]. All failures are
 * ERR_INVALID, code "usage". */
enum status options_parse(const struct option_table *t, void *settings, int argc, char *const argv[],
	const char *operand[], size_t max_operands, size_t *n_operands, struct err *e);

/* Reads PREFIX_NAME for every option of the table, as "VERAD_MAX_UPLOAD" for max-upload. An empty variable counts as
 * not set; a flag is "1"/"true"/"yes" or "0"/"false"/"no". Call it before options_parse, which has the last word. */
enum status options_environment(const struct option_table *t, void *settings, const char *prefix, struct err *e);

/* One option a line, for help; with environment names where prefix is not NULL. The further ones are left out. */
void options_print(const struct option_table *t, const char *prefix, FILE *out);

/* What the settings are, "name = value" a line; options that store nothing are left out. */
void options_print_values(const struct option_table *t, const void *settings, FILE *out);

#endif
