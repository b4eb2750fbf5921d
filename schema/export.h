/*
 * export: a model in a form that other programs read. Beside these, the bundle's own bytes are verad's.
 *
 *   onnx         everything in one graph (onnx.h): cells in, answers out. For onnxruntime, Triton and the like.
 *   safetensors  every number of the model as a named tensor (safetensors.h), the rest as JSON beside them. For those
 *                who build on it.
 *
 * The same model gives the same bytes. Thread rule: pure functions.
 */
#ifndef VERAD_SCHEMA_EXPORT_H
#define VERAD_SCHEMA_EXPORT_H

#include "schema/bundle.h"

enum export_format { EXPORT_ONNX, EXPORT_SAFETENSORS, N_EXPORT_FORMATS };
extern const char *const export_format_names[N_EXPORT_FORMATS + 1]; /* NULL-terminated; suffixes of file names too */

/* What both have beside their numbers: "classes" and "columns" (JSON arrays), "label_column", "ood_score" (its kind),
 * "target_fpr", "report" (JSON); and "reading" (JSON) where cells are not read by default. */
struct export_note {
	const char *key, *text;
};

/* The most that protocol buffers can hold, whence ONNX's limit; kept for both. */
#define EXPORT_MAX_BYTES ((size_t)INT32_MAX)

/* ERR_TOO_LARGE "export_too_large" where it takes more than max_bytes. On an error `out` is as it was. */
enum status export_write(
	const struct bundle *b, enum export_format format, size_t max_bytes, struct buf *out, struct err *e);

#endif
