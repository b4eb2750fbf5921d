/* export: see export.h. */
#include "schema/export.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "schema/answers_json.h"
#include "schema/onnx.h"
#include "schema/safetensors.h"

const char *const export_format_names[] = {"onnx", "safetensors", NULL};

static void
put_classes(const struct bundle *b, struct buf *out)
{
	buf_puts(out, "[");
	for (size_t k = 0; k < b->n_classes; k++) {
		buf_puts(out, k ? "," : "");
		json_put_string(out, b->label[k]);
	}
	buf_put(out, "]", 2); /* with its NUL */
}

static enum status
describe_columns(const struct bundle *b, char **out, struct err *e)
{
	cJSON *columns = encoder_describe(b->encoder);

	*out = columns ? cJSON_PrintUnformatted(columns) : NULL;
	cJSON_Delete(columns);
	return *out ? OK : err_nomem(e);
}

enum status
export_write(const struct bundle *b, enum export_format format, size_t max_bytes, struct buf *out, struct err *e)
{
	static const char *const score[N_OOD_SCORES] = {"energy", "max_probability", "gradient_norm"};
	const size_t before = out->len;
	struct buf classes = {0};
	char *columns = NULL, *reading = reading_to_json(&b->reading), fpr[32];
	enum status s;

	put_classes(b, &classes);
	fpr[number_format(fpr, b->model->target_fpr)] = '\0';
	s = reading ? buf_status(&classes, e) : err_nomem(e);
	if (!s && !(s = describe_columns(b, &columns, e))) {
		const struct export_note note[] = {
			{"classes", (const char *)classes.data},
			{"label_column", b->label_column ? b->label_column : ""},
			{"columns", columns},
			{"ood_score", score[b->model->ood_score]},
			{"target_fpr", fpr},
			{"report", b->report},
			{"reading", reading},
		};
		const size_t n = sizeof note / sizeof *note - reading_is_default(&b->reading);

		s = format == EXPORT_ONNX ? onnx_write(b, note, n, max_bytes, out, e)
					  : safetensors_write(b, note, n, max_bytes, out, e);
	}
	if (s)
		out->len = before;
	free(columns);
	free(reading);
	buf_release(&classes);
	return s;
}
