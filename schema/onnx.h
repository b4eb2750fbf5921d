/*
 * onnx: a model as one graph of ONNX (opset 15 of ai.onnx, 2 of ai.onnx.ml): encoder, networks, base measure, softmax,
 * score, p-value and threshold.
 *
 * Inputs: those of onnx_encode.h. Outputs, N rows and K classes:
 *
 *     label          STRING [N]     the class of the greatest probability
 *     probabilities  FLOAT [N, K]   of the classes in the order of "classes" in the metadata
 *     ood_score      FLOAT [N]      higher is further out of distribution
 *     ood_p_value    FLOAT [N]      share of the rows held out whose scores are at least as high
 *     is_ood         BOOL [N]       ood_score > threshold, the constant "verad.threshold"
 *
 * They are called as in the Open Inference Protocol; one that has the name of an input gets a "_" behind it. A model
 * trained without labels has the last three. Networks and projections are in single precision, the rest of the score in
 * double, as in engine/model, so that answers differ from verad's by the rounding of float sums alone.
 */
#ifndef VERAD_SCHEMA_ONNX_H
#define VERAD_SCHEMA_ONNX_H

#include "schema/export.h"

/* As export_write. */
enum status onnx_write(const struct bundle *b, const struct export_note *note, size_t n_notes, size_t max_bytes,
	struct buf *out, struct err *e);

#endif
