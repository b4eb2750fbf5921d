/* pixels: see pixels.h. */
#include "tests/bench/pixels.h"

#include <stdlib.h>
#include <string.h>

#include "tests/bench/dataset.h"
#include "tests/bench/gz.h"

enum { IDX_HEAD = 16, IDX_IMAGES = 0x00000803, MOST_BYTES = 1 << 30 };

static enum status
allocate(struct pixels *p, struct err *e)
{
	size_t n;
	enum status s;

	if ((s = size_mul(p->n, p->d, &n, e)))
		return s;
	p->value = malloc(n + 1);
	p->label = malloc((p->n + 1) * sizeof *p->label);
	return p->value && p->label ? OK : err_nomem(e);
}

/* A whole number of 0 .. most; else -1. */
static int
small_number(const char *text, int most)
{
	char *end;
	long v = strtol(text, &end, 10);

	return *text && !*end && v >= 0 && v <= most ? (int)v : -1;
}

enum status
pixels_of_set(const char *folder, const char *set, struct pixels *p, struct err *e)
{
	struct dataset d = {0};
	enum status s;

	memset(p, 0, sizeof *p);
	if ((s = dataset_read(folder, set, &d, e)))
		return s;
	p->n = d.n_rows;
	p->d = d.n_columns - 1;
	p->n_train = d.n_train;
	if ((s = allocate(p, e)))
		goto out;
	for (size_t i = 0; i < d.n_rows; i++) {
		const char *cell = (const char *)d.cells.data + d.row_at[i];

		for (size_t c = 0, j = 0; c < d.n_columns; c++, cell += strlen(cell) + 1) {
			int v = small_number(cell, c == d.label_column ? 9 : 255);

			if (v < 0) {
				s = err_set(e, ERR_DATA, "no_pixels", "%s, row %zu: \"%.20s\" is no %s", set, i, cell,
					c == d.label_column ? "digit" : "pixel");
				goto out;
			}
			if (c == d.label_column)
				p->label[i] = v;
			else
				p->value[i * p->d + j++] = (unsigned char)v;
		}
	}
out:
	if (s)
		pixels_release(p);
	dataset_release(&d);
	return s;
}

static size_t
big_endian(const unsigned char *at)
{
	return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

enum status
pixels_of_idx(const char *path, size_t most, struct pixels *p, struct err *e)
{
	struct buf file = {0};
	size_t n = 0, d = 0, bytes = 0;
	enum status s;

	memset(p, 0, sizeof *p);
	if ((s = gz_read_all(path, MOST_BYTES, &file, e)))
		goto out;
	if (file.len >= IDX_HEAD && big_endian(file.data) == IDX_IMAGES) {
		n = big_endian(file.data + 4);
		d = big_endian(file.data + 8) * big_endian(file.data + 12);
	}
	if (!d || size_mul(n, d, &bytes, e) || bytes != file.len - IDX_HEAD) {
		s = err_set(e, ERR_DATA, "no_pixels", "%s: not images in IDX form", path);
		goto out;
	}
	p->n = n < most ? n : most;
	p->d = d;
	if ((s = allocate(p, e)))
		goto out;
	memcpy(p->value, file.data + IDX_HEAD, p->n * d);
	for (size_t i = 0; i < p->n; i++)
		p->label[i] = -1;
out:
	if (s)
		pixels_release(p);
	buf_release(&file);
	return s;
}

void
pixels_release(struct pixels *p)
{
	free(p->value);
	free(p->label);
	memset(p, 0, sizeof *p);
}
