/*
 * oip: tensors in, tensors out, as the Open Inference Protocol (version 2) writes them, with its extension for binary
 * tensor data (github.com/kserve/open-inference-protocol; the extension is Triton's).
 *
 * Rows come as one tensor [n,d] whose columns are those that the model wants, in its order, or as one tensor [n] or
 * [n,1] for each column, by name. Datatypes: BOOL, INT8 … INT64, UINT8 … UINT64, FP32, FP64, BYTES. A cell is missing
 * that is null, NaN, or a text of no bytes. A number for a column of texts is its shortest text; a text for a column of
 * numbers is read as CSV would read it. Tensors of no column are ignored, and reported.
 *
 * Answers: label BYTES [n], probabilities FP32 [n,K], ood_score FP32 [n], ood_p_value FP32 [n], is_ood BOOL [n]; all of
 * them, or those that "outputs" asks for; of a model without classes the last three. Only where they are asked for:
 * ood_attribution FP32 [n,C], what each column adds to the score, and ood_reference_score FP32 [n], the score without
 * them. What the K classes and the C columns are is in the metadata. Warnings are among the parameters. Thread rule:
 * pure functions.
 */
#ifndef VERAD_SCHEMA_OIP_H
#define VERAD_SCHEMA_OIP_H

#include "schema/bundle.h"

struct oip_names {                   /* what the reply calls the model; borrowed */
	const char *model, *version; /* version NULL: nobody asked for one */
};

/*
 * body[n], of which the first `json_size` bytes are JSON and the rest the binary tensors (SIZE_MAX: all of it is JSON).
 * *out_json_size: the same of what is appended to `out`; SIZE_MAX where it has no binary tensors.
 *
 * ERR_SYNTAX "malformed_json", "bad_tensor_size" (the binary part and what is said of it differ); ERR_INVALID
 * "bad_request" (a field is missing or of the wrong kind), "unknown_output"; ERR_DATA "bad_shape", "bad_datatype",
 * "missing_column", "duplicate_column", "not_a_number", "not_a_cell", "invalid_utf8", "no_rows"; ERR_TOO_LARGE
 * "answer_too_large" past max_answers bytes, "too_many_rows" with attributions for more than MAX_ATTRIBUTED_ROWS.
 */
enum status oip_infer(const struct bundle *b, const struct oip_names *names, const void *body, size_t n,
	size_t json_size, uint64_t max_answers, struct buf *out, size_t *out_json_size, struct err *e);

/* The model's metadata: inputs and outputs, classes, attributed columns. versions: n of them. */
void oip_metadata(const struct bundle *b, const char *name, const char *const *versions, size_t n, struct buf *out);

#endif
