/*
 * safetensors: every number of a model as a named tensor (github.com/huggingface/safetensors): a u64 of the header's
 * length, the header, which is JSON, then the numbers, little-endian.
 *
 *     network.M.layer.L.weight F32 [out, in], .bias F32 [out]    member M of the blend; LeakyReLU(0.2) between layers
 *     network.M.warp F32 [81, n]                                 where it has one: the values at -10, -9.75, ... 10 of
 *                                                                functions that its first n inputs go through, straight
 *                                                                between them and level beyond
 *     network.weight F64 [members], network.doubt, network.conditional, the same (0 or 1)    how the members are
 *                                                                blended: the formula in engine/model.h
 *     bias F64 [outputs]                                         added to the blended logits, where there is one
 *     base.weight F64 [C], base.noise F64 [C], base.variance F64 [C, rank], base.centre F32 [d], base.mean F32 [C, d],
 *     base.direction F32 [C, rank, d]                            of the Gaussian mixture, where there is one:
 *                                                                engine/mixture_parts.h; means lie about the centre
 *     of a density (engine/density.h), in the place of networks and base:
 *     density.direction F32 [d, Z], density.mean F32 [d], density.log_sigma F32 []              family ppca
 *     density.mean F32 [K, d], density.log_std F32 [K, d], density.logits F32 [K]               family mixture
 *     density.coupling.C.layer.L.weight F32 [out, in], .bias F32 [out], density.log_scale F32 [d]   family nice; the
 *                                                                first half, of even features, first; softplus
 *     column.NAME.median F64 []                                  of numbers: of a missing cell
 *     column.NAME.center, .divisor F64 []                        (v - center) / divisor
 *     column.NAME.knots, .scores F64 [knots], .run F64 [2]       or straight lines between (knot, score), beyond them a
 *                                                                unit of score for twice that distance below and above
 *     reference.SCORE F64 [rows]                                 ascending scores of the rows held out, for each kind
 *     threshold F64 []                                           of the kind that answers carry
 *
 * What is no number is in __metadata__ (export.h), categories among it, in "columns". The encoded features lie as
 * encode.h says: numbers and their indicators by column, then the one-hot blocks.
 */
#ifndef VERAD_SCHEMA_SAFETENSORS_H
#define VERAD_SCHEMA_SAFETENSORS_H

#include "schema/export.h"

/* As export_write. */
enum status safetensors_write(const struct bundle *b, const struct export_note *note, size_t n_notes, size_t max_bytes,
	struct buf *out, struct err *e);

#endif
