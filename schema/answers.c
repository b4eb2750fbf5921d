/*
 * answers: which columns answers have, in which order, and what their cells hold, for every form in which they are
 * lists; and answers as lines of CSV. Declared in bundle.h.
 */
#include <string.h>

#include "schema/bundle.h"
#include "schema/csv.h"

/* name: a buffer to use. */
static void
put_prefixed(struct buf *name, const char *prefix, const char *text, void (*put)(struct buf *, const char *),
	struct buf *out)
{
	buf_clear(name);
	buf_puts(name, prefix);
	buf_puts(name, text);
	buf_put_u8(name, 0);
	if (!name->failed)
		put(out, (const char *)name->data);
}

void
answers_columns(
	const struct bundle *b, unsigned include, void (*put)(struct buf *out, const char *name), struct buf *out)
{
	static const char *const scores[] = {"ood.score", "ood.p_value", "ood.is_ood", "ood.reference_score"};
	const size_t n_scores = include & INCLUDE_ATTRIBUTIONS ? 4 : 3;
	const bool want_labels = include & INCLUDE_LABELS;
	struct buf name = {0};

	if (want_labels)
		put(out, "label");
	for (size_t k = 0; want_labels && k < b->n_classes; k++) {
		buf_puts(out, ",");
		put_prefixed(&name, "probability.", b->label[k], put, out);
	}
	for (size_t i = 0; i < n_scores; i++) {
		buf_puts(out, want_labels || i ? "," : "");
		put(out, scores[i]);
	}
	for (size_t j = 0; include & INCLUDE_ATTRIBUTIONS && j < encoder_n_columns(b->encoder); j++) {
		if (!encoder_column_used(b->encoder, j))
			continue;
		buf_puts(out, ",");
		put_prefixed(&name, "ood.attribution.", encoder_column_name(b->encoder, j), put, out);
	}
	out->failed |= name.failed;
	buf_release(&name);
}

void
answers_cells(const struct bundle *b, const struct answers *a, size_t i, void (*put)(struct buf *out, const char *text),
	struct buf *out)
{
	const size_t n_columns = encoder_n_columns(b->encoder);
	char text[32];

	if (a->label) {
		put(out, b->label[a->label[i]]);
		buf_puts(out, ",");
		for (size_t k = 0; k < a->n_classes; k++) {
			buf_put(out, text, number_format_float(text, a->probability[i * a->n_classes + k]));
			buf_puts(out, ",");
		}
	}
	buf_put(out, text, number_format(text, a->score[i]));
	buf_puts(out, ",");
	buf_put(out, text, number_format(text, a->p_value[i]));
	buf_puts(out, a->is_ood[i] ? ",true" : ",false");
	if (a->attribution) {
		buf_puts(out, ",");
		buf_put(out, text, number_format(text, a->reference[i]));
	}
	for (size_t j = 0; a->attribution && j < n_columns; j++) {
		if (!encoder_column_used(b->encoder, j))
			continue;
		buf_puts(out, ",");
		buf_put(out, text, number_format_float(text, (float)a->attribution[i * n_columns + j]));
	}
}

static void
put_cell(struct buf *out, const char *text)
{
	csv_put_cell(out, text, strlen(text));
}

void
answers_csv_header(const struct bundle *b, unsigned include, struct buf *out)
{
	answers_columns(b, include, put_cell, out);
	buf_puts(out, "\n");
}

void
answers_csv_rows(const struct bundle *b, const struct answers *a, struct buf *out)
{
	for (size_t i = 0; i < a->n; i++) {
		answers_cells(b, a, i, put_cell, out);
		buf_puts(out, "\n");
	}
}
