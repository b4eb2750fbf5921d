/* cli_export: `verad export`: a model file in a form that other programs read. */
#include "schema/export.h"
#include "server/cli.h"
#include "server/files.h"

struct export
{
	size_t format;
};

static const struct option options[] = {
	{.name = "format",
		.value = "FORMAT",
		.type = OPTION_CHOICE,
		.at = offsetof(struct export, format),
		.choices = export_format_names,
		.doc = "onnx or safetensors [onnx]"},
};
static const struct option_table option_table = {.option = options, .n = sizeof options / sizeof options[0]};

static int
run(int argc, char *argv[])
{
	struct export o = {.format = EXPORT_ONNX};
	const char *operand[2];
	struct bundle *b = NULL;
	struct buf bytes = {0};
	size_t n_operands;
	int status = CLI_OK;
	struct err e = {0};

	if (options_parse(&option_table, &o, argc, argv, operand, 2, &n_operands, &e))
		return cli_usage("export", &e);
	if (n_operands < 2) {
		err_set(&e, ERR_INVALID, "usage", n_operands ? "to which file? - is standard output" : "which model?");
		return cli_usage("export", &e);
	}
	if (cli_load_model(operand[0], &b, &e) ||
		export_write(b, (enum export_format)o.format, EXPORT_MAX_BYTES, &bytes, &e))
		status = cli_fail("export", file_input_name(operand[0]), &e);
	else if (file_replace(operand[1], bytes.data, bytes.len, &e))
		status = cli_fail("export", operand[1], &e);
	buf_release(&bytes);
	bundle_free(b);
	return status;
}

const struct cli_command cli_export = {
	.name = "export",
	.synopsis = "MODEL OUT [--format FORMAT]",
	.summary = "write a model in a form that other programs read",
	.details =
		"onnx: one graph from cells to answers, with the encoding, the out-of-distribution score and its "
		"threshold\n"
		"in it: an input for each column (of numbers DOUBLE [N,1], NaN where missing; of texts STRING [N,1]);\n"
		"outputs label, probabilities, ood_score, ood_p_value, is_ood.\n"
		"safetensors: every number of the model as a named tensor.\n",
	.options = &option_table,
	.run = run,
};
