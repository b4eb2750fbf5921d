/* cli: see cli.h. */
#include "server/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/params.h"
#include "engine/suggest.h"
#include "server/config.h"
#include "server/files.h"
#include "server/serve.h"
#include "server/version.h"

int
cli_fail(const char *command, const char *file, const struct err *e)
{
	if (e->code && strcmp(e->code, "broken_pipe") == 0)
		return CLI_FAILED;
	/* The message itself says the line and column, where there are any. */
	fprintf(stderr, "verad: %s: %s%s%s\n", command, file ? file : "", file ? ": " : "", e->msg);
	return CLI_FAILED;
}

int
cli_usage(const char *command, const struct err *e)
{
	cli_fail(command, NULL, e);
	fprintf(stderr, "Try \"verad help %s\".\n", command);
	return CLI_USAGE;
}

int
cli_flush(const char *command)
{
	bool failed = fflush(stdout) || ferror(stdout);

	if (failed && errno != EPIPE)
		fprintf(stderr, "verad: %s: standard output: cannot write: %s\n", command, strerror(errno));
	return failed ? CLI_FAILED : CLI_OK;
}

enum status
cli_load_model(const char *path, struct bundle **out, struct err *e)
{
	struct buf bytes = {0};
	enum status s = file_read_all(path, &bytes, e);

	if (!s)
		s = bundle_read(bytes.data, bytes.len, out, e);
	buf_release(&bytes);
	return s;
}

/* The commands without a file of their own ------------------------------------------------------------------------ */

static int
run_serve(int argc, char *argv[])
{
	struct config c;
	struct err e = {0};

	if (config_read(&c, argc, argv, &e))
		return cli_usage("serve", &e);
	return serve(&c, &e) ? cli_fail("serve", NULL, &e) : CLI_OK;
}

static int
run_check_config(int argc, char *argv[])
{
	struct config c;
	struct err e = {0};

	if (config_read(&c, argc, argv, &e))
		return cli_usage("check-config", &e);
	if (serve_check(&c, &e))
		return cli_fail("check-config", NULL, &e);
	options_print_values(&config_options, &c, stdout);
	return cli_flush("check-config");
}

static int
run_version(int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	puts("verad " VERAD_VERSION);
	return cli_flush("version");
}

static int run_help(int argc, char *argv[]);

static const struct cli_command command_serve = {
	.name = "serve",
	.synopsis = "--data DIR [--listen ADDRESS] [OPTION…]",
	.summary = "run the daemon",
	.details = "SIGTERM and SIGINT stop it: requests under way are answered, running jobs are checkpointed and go "
		   "on at\n"
		   "the next start. A second signal ends it at once.\n"
		   "SIGHUP reads the certificate, its key and the admin key's file anew.\n",
	.options = &config_options,
	.environment = CONFIG_ENVIRONMENT,
	.run = run_serve,
};
static const struct cli_command command_check_config = {
	.name = "check-config",
	.synopsis = "--data DIR [OPTION…]",
	.summary = "check what `verad serve` would be told, and print it",
	.details =
		"Takes the options and environment of `verad serve`, checks them as far as that goes without starting\n"
		"(certificate and key, folders, address), and prints what each is. Changes nothing.\n",
	.options = &config_options,
	.environment = CONFIG_ENVIRONMENT,
	.run = run_check_config,
};
static const struct cli_command command_version = {
	.name = "version", .synopsis = "", .summary = "print the version", .run = run_version};
static const struct cli_command command_help = {
	.name = "help", .synopsis = "[COMMAND]", .summary = "explain a command", .run = run_help};

static const struct cli_command *const commands[] = {&cli_fit, &cli_predict, &cli_inspect, &cli_export, &cli_measure,
	&command_serve, &command_check_config, &cli_key, &cli_backup, &command_version, &command_help};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void
print_overview(FILE *out)
{
	fputs("verad: classifiers from a few labels that know when they are out of their depth.\n\nUsage:\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  verad %s%s%s\n", commands[i]->name, *commands[i]->synopsis ? " " : "",
			commands[i]->synopsis);
	fputs("\nCommands:\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n\"verad help COMMAND\" has the options.\n", out);
}

static void
print_parameters(FILE *out)
{
	struct params defaults;
	char text[128];

	params_defaults(&defaults);
	fputs("\nTraining parameters, as options of their own or by --set ('-' and '_' are the same):\n", out);
	for (size_t i = 0; i < params_count; i++) {
		params_get_text(&defaults, &params_table[i], text, sizeof text);
		fprintf(out, "  %-26s %s [%s]\n", params_table[i].name, params_table[i].doc, text);
		if (params_table[i].type == PARAM_CHOICE) {
			fprintf(out, "  %-26s one of:", "");
			for (size_t k = 0; params_table[i].choices[k]; k++)
				fprintf(out, " %s", params_table[i].choices[k]);
			fputc('\n', out);
		}
	}
}

static void
print_command(const struct cli_command *c, FILE *out)
{
	fprintf(out, "verad %s: %s.\n\nUsage: verad %s %s\n", c->name, c->summary, c->name, c->synopsis);
	if (c->options) {
		fputs("\nOptions:\n", out);
		options_print(c->options, c->environment, out);
	}
	if (c->takes_parameters)
		print_parameters(out);
	if (c->details)
		fprintf(out, "\n%s", c->details);
}

static const struct cli_command *
find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int
unknown_command(const char *name)
{
	const char *known[N_COMMANDS], *nearest;

	for (size_t i = 0; i < N_COMMANDS; i++)
		known[i] = commands[i]->name;
	nearest = suggest_nearest(name, known, N_COMMANDS);
	fprintf(stderr, "verad: there is no command \"%s\"%s%s%s\nTry \"verad help\".\n", name,
		nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
	return CLI_USAGE;
}

static int
run_help(int argc, char *argv[])
{
	const struct cli_command *c;

	if (argc < 2) {
		print_overview(stdout);
		return cli_flush("help");
	}
	if (!(c = find_command(argv[1])))
		return unknown_command(argv[1]);
	print_command(c, stdout);
	return cli_flush("help");
}

static bool
wants_help(int argc, char *argv[])
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int
cli_main(int argc, char *argv[])
{
	const struct cli_command *c;
	const char *name = argc > 1 ? argv[1] : NULL;
	struct err e = {0};

	signal(SIGPIPE, SIG_IGN); /* writes say so, and the exit status with them */
	if (!name) {
		print_overview(stderr);
		return CLI_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	if (!(c = find_command(name)))
		return unknown_command(name);
	if (c != &command_help && wants_help(argc - 1, argv + 1)) {
		print_command(c, stdout);
		return cli_flush(c->name);
	}
	if (c->options && kernel_init(&e))
		return cli_fail(c->name, NULL, &e);
	return c->run(argc - 1, argv + 1);
}
