/*
 * Fuzzes the reading of artefacts: any bytes as they are, and as the payload behind a header that fits them, which the
 * checksum would keep every mutation from reaching. What is accepted must serve a row and write itself back the same,
 * and as whatever else it can be written, unless that takes too much.
 */
#include "schema/export.h"
#include "tests/unit/tiny_bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
serve(const struct bundle *b)
{
	struct predictor *p = NULL;
	const char **name = calloc(encoder_n_columns(b->encoder), sizeof *name);
	size_t n = encoder_n_columns(b->encoder);
	struct answers a;
	struct err e;

	if (!name)
		abort();
	for (size_t j = 0; j < n; j++)
		name[j] = encoder_column_name(b->encoder, j);
	if (!predictor_new(b, &p, &e) && !predictor_columns(p, name, n, &e)) {
		for (size_t row = 0; row < 3; row++) {
			if (predictor_begin_row(p, row, &e))
				abort();
			for (size_t j = 0; j < n && row; j++)
				if (row == 1 ? predictor_cell_number(p, j, -1e300, &e)
					     : predictor_cell_text(p, j, "7", 1, &e))
					abort();
		}
		if (!b->n_classes && predictor_answer(p, INCLUDE_LABELS, &a, &e) != ERR_CONFLICT)
			abort();
		if (predictor_answer(p, b->n_classes ? INCLUDE_LABELS : 0, &a, &e) || a.n != 3)
			abort();
		for (size_t i = 0; i < 3; i++)
			if (!(a.score[i] - a.score[i] == 0) || (a.label && (size_t)a.label[i] >= b->n_classes))
				abort();
	}
	predictor_free(p);
	free(name);
}

static void
try(const void *bytes, size_t n)
{
	struct bundle *b = NULL;
	struct buf again = {0};
	struct err e;

	if (bundle_read(bytes, n, &b, &e))
		return;
	serve(b);
	if (bundle_write(b, &again, &e) || again.len != n || memcmp(again.data, bytes, n))
		abort();
	for (size_t k = 0; k < N_EXPORT_FORMATS; k++) {
		buf_clear(&again);
		if (export_write(b, (enum export_format)k, 1 << 24, &again, &e) &&
			(e.status != ERR_TOO_LARGE || again.len))
			abort();
	}
	buf_release(&again);
	bundle_free(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf sealed = {0};

	try(data, size);
	buf_put(&sealed, "VERADMDL", 8);
	buf_put_u32(&sealed, 3);
	buf_put_u64(&sealed, size);
	buf_put_u64(&sealed, checksum64(data, size));
	buf_put(&sealed, data, size);
	try(sealed.data, sealed.len);
	buf_release(&sealed);
	return 0;
}
