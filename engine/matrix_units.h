/*
 * matrix_units: matrix products in bfloat16, summed in float32, by the units that some processors have for them (AMX,
 * or AVX-512's dot products), through oneDNN. The only <oneapi/dnnl/dnnl.h>; only a build with oneDNN (make DNNL=1) has
 * any of it.
 *
 * oneDNN makes a program for each shape. Programs are kept for the life of the process, at most MATRIX_SHAPES of them;
 * shapes beyond are not multiplied here. Nothing is allocated for a shape that as many threads have used before. Any
 * thread; no threads of its own.
 */
#ifndef VERAD_ENGINE_MATRIX_UNITS_H
#define VERAD_ENGINE_MATRIX_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MATRIX_SHAPES = 4096 };

/* Whether build and processor have what it takes. */
bool matrix_units_available(void);

struct matrix_shape { /* c [m][n] = a [m][k] b [k][n], each stored with these distances between rows and columns */
	size_t m, n, k;
	size_t a_row, a_column, b_row, b_column, c_row;
};

/* a, b in bfloat16. false: this one cannot be multiplied here (no memory, too many shapes), and c is as it was. */
bool matrix_units_multiply(const struct matrix_shape *shape, const uint16_t *a, const uint16_t *b, float *c);

/* The nearest bfloat16, ties to even; NaN stays NaN. */
void matrix_units_narrow(uint16_t *to, const float *from, size_t n);

#endif
