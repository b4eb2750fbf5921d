/* rows: see rows.h. */
#include "engine/rows.h"

#include <stdlib.h>
#include <string.h>

enum status
rows_init(struct rows *r, size_t n, size_t n_dense, size_t n_codes, const uint32_t width[], struct err *e)
{
	size_t n_values, n_code_cells;
	enum status s;

	memset(r, 0, sizeof *r);
	if ((s = size_mul(n, n_dense, &n_values, e)) || (s = size_mul(n, n_codes, &n_code_cells, e)))
		return s;
	r->n = n;
	r->n_dense = n_dense;
	r->n_codes = n_codes;
	r->on = 1;
	r->dense = calloc(n_values ? n_values : 1, sizeof *r->dense);
	r->code = calloc(n_code_cells ? n_code_cells : 1, sizeof *r->code);
	r->offset = calloc(n_codes + 1, sizeof *r->offset);
	if (!r->dense || !r->code || !r->offset) {
		rows_release(r);
		return err_nomem(e);
	}
	r->d = n_dense;
	for (size_t j = 0; j < n_codes; j++) {
		r->offset[j] = (uint32_t)r->d;
		r->d += width[j];
	}
	r->offset[n_codes] = (uint32_t)r->d;
	return OK;
}

void
rows_release(struct rows *r)
{
	free(r->dense);
	free(r->code);
	free(r->offset);
	memset(r, 0, sizeof *r);
}

void
rows_expand(const struct rows *r, const uint32_t *index, size_t first, size_t n, real *out)
{
	for (size_t i = 0; i < n; i++) {
		size_t row = index ? index[i] : first + i;
		const float *dense = r->dense + row * r->n_dense;
		const uint16_t *code = r->code + row * r->n_codes;
		real *x = out + i * r->d;

		for (size_t j = 0; j < r->n_dense; j++)
			x[j] = (real)dense[j];
		for (size_t j = r->n_dense; j < r->d; j++)
			x[j] = (real)r->off;
		for (size_t j = 0; j < r->n_codes; j++)
			x[r->offset[j] + code[j]] = (real)r->on;
	}
}
