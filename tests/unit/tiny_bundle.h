/*
 * A small artefact for tests: 120 rows of columns x (number), size (number, some missing), colour (red, green, blue),
 * id (an identifier), fixed (constant), label; a network of a few units with arbitrary weights; three classes, one of
 * which needs quoting in CSV and escaping in JSON.
 */
#ifndef VERAD_TESTS_TINY_BUNDLE_H
#define VERAD_TESTS_TINY_BUNDLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/bundle.h"

#define TINY_REPORT "{\"measures\":{\"accuracy\":0.5},\"notes\":[\"\\u00e9\",null]}"

static const char *const tiny_labels[] = {"plain", "a,\"b\"\n", "\xc3\xa9t\xc3\xa9"};

static inline enum status
tiny_encoder(struct table *t, struct encoder **out, struct err *e)
{
	static const char *const names[] = {"x", "size", "colour", "id", "fixed", "label"};
	static const char *const colours[] = {"red", "green", "blue"};
	static const enum column_type types[] = {
		COLUMN_NUMBER, COLUMN_NUMBER, COLUMN_TEXT, COLUMN_TEXT, COLUMN_NUMBER, COLUMN_TEXT};
	const struct encoder_options o = {SCALING_MINMAX, 4, 1};
	char id[16];

	if (table_init(t, names, types, 6, e))
		return e->status;
	for (size_t i = 0; i < 120; i++) {
		if (table_add_row(t, e))
			return e->status;
		table_set_number(t, 0, i, (double)(i * 37 % 101) / 10);
		if (i % 7)
			table_set_number(t, 1, i, (double)(i * i % 53));
		snprintf(id, sizeof id, "id-%zu", i);
		if (table_set_text(t, 2, i, colours[i % 3], strlen(colours[i % 3]), e) ||
			table_set_text(t, 3, i, id, strlen(id), e) || table_set_text(t, 5, i, "plain", 5, e))
			return e->status;
		table_set_number(t, 4, i, 5);
	}
	if (encoder_new(&o, names, types, 6, "label", out, e) || encoder_observe(*out, t, NULL, e))
		return e->status;
	return encoder_finish(*out, e);
}

static inline enum status
tiny_model(const struct encoder *c, const struct table *t, size_t n_outputs, struct model **out, struct err *e)
{
	static const size_t map[] = {0, 1, 2, 3, 4};
	struct net_shape shape = {.n_layers = 2, .size = {encoder_n_features(c), 4, n_outputs}};
	struct model_workspace *w = NULL;
	struct rows rows = {0};
	real weights[128];
	double score[120];
	uint32_t h = 1;

	if (net_size(&shape) > 128)
		return err_set(e, ERR_INTERNAL, "test", "the tiny network has grown");
	for (size_t i = 0; i < 128; i++) {
		h = h * 1664525u + 1013904223u;
		weights[i] = (real)((double)(h >> 8) / (1 << 24) - 0.5) * 2;
	}
	if (model_new(&shape, weights, out, e) || encoder_rows_init(c, &rows, t->n_rows, e))
		return e->status;
	if (!model_workspace_new(*out, &w, e)) {
		encoder_apply(c, t, map, &rows, 0, NULL);
		model_predict(*out, &rows, 0, t->n_rows, OOD_ENERGY, w, NULL, score);
	}
	rows_release(&rows);
	if (!w)
		return e->status;
	model_workspace_free(w);
	return model_set_reference(*out, OOD_ENERGY, score, t->n_rows, 0.05, e);
}

/* Of the first so many classes, or of a table without a label column (0). */
static inline struct bundle *
tiny_bundle_of(size_t n_classes, struct err *e)
{
	struct bundle *b = calloc(1, sizeof *b);
	struct table t = {0};

	if (!b || tiny_encoder(&t, &b->encoder, e) ||
		tiny_model(b->encoder, &t, n_classes ? n_classes : 1, &b->model, e))
		goto fail;
	b->n_classes = n_classes;
	b->label = calloc(n_classes + 1, sizeof *b->label);
	b->label_column = n_classes ? strdup("label") : NULL;
	b->report = strdup(TINY_REPORT);
	if (!b->label || (n_classes && !b->label_column) || !b->report)
		goto fail;
	for (size_t k = 0; k < n_classes; k++) {
		if (!(b->label[k] = strdup(tiny_labels[k])))
			goto fail;
	}
	table_release(&t);
	return b;
fail:
	table_release(&t);
	bundle_free(b);
	return NULL;
}

/* Freed with bundle_free; NULL with e set when out of memory. */
static inline struct bundle *
tiny_bundle(struct err *e)
{
	return tiny_bundle_of(3, e);
}

#endif
