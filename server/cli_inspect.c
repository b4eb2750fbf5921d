/* cli_inspect: `verad inspect`: what a model file says of itself. */
#include "server/cli.h"
#include "server/files.h"
#include "server/report_text.h"

struct inspect {
	bool json;
};

static const struct option options[] = {
	{.name = "json",
		.type = OPTION_FLAG,
		.at = offsetof(struct inspect, json),
		.doc = "the whole report, as the daemon serves it"},
};
static const struct option_table option_table = {.option = options, .n = sizeof options / sizeof options[0]};

static int
run(int argc, char *argv[])
{
	struct inspect o = {0};
	const char *operand[1];
	struct bundle *b = NULL;
	size_t n_operands;
	struct err e = {0};

	if (options_parse(&option_table, &o, argc, argv, operand, 1, &n_operands, &e))
		return cli_usage("inspect", &e);
	if (!n_operands) {
		err_set(&e, ERR_INVALID, "usage", "which model?");
		return cli_usage("inspect", &e);
	}
	if (cli_load_model(operand[0], &b, &e))
		return cli_fail("inspect", file_input_name(operand[0]), &e);
	if (o.json)
		puts(b->report);
	else
		report_print(b->report, stdout);
	bundle_free(b);
	return cli_flush("inspect");
}

const struct cli_command cli_inspect = {
	.name = "inspect",
	.synopsis = "MODEL [--json]",
	.summary = "show what a model was made of and how good it is",
	.options = &option_table,
	.run = run,
};
