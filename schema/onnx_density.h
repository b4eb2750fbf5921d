/*
 * onnx_density: the score of a model of method density, as a part of its graph: the formulas of engine/density_*.c.
 */
#ifndef VERAD_SCHEMA_ONNX_DENSITY_H
#define VERAD_SCHEMA_ONNX_DENSITY_H

#include "engine/model.h"
#include "schema/onnx_graph.h"

/* -log p(x) of the rows x [N, d], or the length of its gradient: [N] DOUBLE. */
enum status onnx_density(
	struct onnx_graph *g, const struct model *m, size_t x, enum ood_score kind, size_t *score, struct err *e);

#endif
