/* kernel: see kernel.h. */
#include "engine/kernel.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "engine/elementary.h"
#include "engine/matrix_units.h"
#include "engine/simd.h"

/* ---- Tiles and threads -------------------------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__
/* libgomp's fork and join are invisible to the sanitizer; these tell it of them. What happens inside is still checked.
 */
void __tsan_acquire(void *);
void __tsan_release(void *);
#define HAPPENS_BEFORE(tag) __tsan_release(tag)
#define HAPPENS_AFTER(tag) __tsan_acquire(tag)
#define NOT_CHECKED __attribute__((no_sanitize("thread")))
#else
#define HAPPENS_BEFORE(tag) ((void)(tag))
#define HAPPENS_AFTER(tag) ((void)(tag))
#define NOT_CHECKED
#endif

struct job; /* the arguments of one kernel */
typedef void tile_function(const struct job *job, size_t first, size_t last);

/* Multiplications below which a fork and a join cost more than a second thread saves. */
enum { WORTH_A_THREAD = 1 << 20 };

/* Runs `tile` over [0, n) cut into pieces of `size`; `work` is about the number of multiplications altogether. */
NOT_CHECKED static void
run_tiles(tile_function *tile, const struct job *job, size_t n, size_t size, size_t work, int threads)
{
	size_t n_tiles = (n + size - 1) / size;
	char tag = 0;

	if (threads <= 1 || n_tiles <= 1 || work < WORTH_A_THREAD) {
		for (size_t first = 0; first < n; first += size)
			tile(job, first, first + size < n ? first + size : n);
		return;
	}
	HAPPENS_BEFORE(&tag);
#pragma omp parallel num_threads(threads)
	{
		HAPPENS_AFTER(&tag);
#pragma omp for schedule(dynamic, 1) nowait
		for (size_t i = 0; i < n_tiles; i++)
			tile(job, i * size, (i + 1) * size < n ? (i + 1) * size : n);
		HAPPENS_BEFORE(&tag);
	}
	HAPPENS_AFTER(&tag);
}

/*
 * Width of the tiles that cut n columns of an m x n x k product: whole vectors, at most eight tiles, and none so small
 * that packing the shared operand costs more than the product.
 */
static size_t
tile_width(size_t m, size_t n, size_t k)
{
	size_t tiles = m * n * k / (1 << 19);
	size_t width;

	tiles = tiles < 1 ? 1 : tiles > 8 ? 8 : tiles;
	if (tiles > 1)
		tiles &= ~(size_t)1; /* an even number shares out over two threads */
	width = (n + tiles - 1) / tiles;
	return width < 128 ? (n < 128 ? n : 128) : (width + 15) / 16 * 16;
}

#ifdef VERAD_DOUBLE
#define GEMM cblas_dgemm
#define GEMV cblas_dgemv
#else
#define GEMM cblas_sgemm
#define GEMV cblas_sgemv
#endif

/*
 * OpenBLAS packs both operands of a product into buffers, which for a row or two costs several times the product; for
 * processors with AVX-512 it has kernels for small ones that do not (measured, 1 x 256 x 256: 3.4 us there, 23 us
 * elsewhere, where matrix by vector takes 5). Set once, by kernel_init.
 */
static bool packs_small_products;
enum { FEW_ROWS = 3 };

static void
gemm(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, size_t m, size_t n, size_t k, const real *a, size_t lda,
	const real *b, size_t ldb, real *c, size_t ldc)
{
	const bool rows = packs_small_products && m <= FEW_ROWS && ta == CblasNoTrans;

	for (size_t i = 0; rows && i < m; i++)
		GEMV(CblasRowMajor, tb == CblasTrans ? CblasNoTrans : CblasTrans, (blasint)(tb == CblasTrans ? n : k),
			(blasint)(tb == CblasTrans ? k : n), 1, b, (blasint)ldb, a + i * lda, 1, 0, c + i * ldc, 1);
	if (!rows)
		GEMM(CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)k, 1, a, (blasint)lda, b, (blasint)ldb, 0,
			c, (blasint)ldc);
}

enum status
kernel_init(struct err *e)
{
	const char *core;

	/* 0 is the serial build, whose buffers concurrent callers would share. */
	if (openblas_get_parallel() == 0)
		return err_set(e, ERR_UNSUPPORTED, "unsafe_blas",
			"the serial build of OpenBLAS is not thread-safe: install libopenblas0-pthread");
	openblas_set_num_threads(1);
	core = openblas_get_corename();
	packs_small_products = strcmp(core, "SkylakeX") && strcmp(core, "Cooperlake") && strcmp(core, "Sapphirerapids");
	return OK;
}

const char *
kernel_blas_core(void)
{
	return openblas_get_corename();
}

/* ---- Affine layers ------------------------------------------------------------------------------------------ */

struct job {
	real *y, *y2, *y3;
	const real *x, *w, *a, *b, *b2, *b3;
	const uint16_t *x16, *w16; /* x and w once more in bfloat16, or NULL */
	uint16_t *to16;
	size_t m, m_bias, n, k;
	enum activation activation;
	real sigma, rate, beta2, correction, epsilon, decay;
};

#ifdef VERAD_DOUBLE

bool
kernel_narrow_available(void)
{
	return false;
}

void
kernel_narrow(uint16_t *space, size_t n)
{
	(void)space;
	(void)n;
}

static void
narrow_operands(struct job *job, size_t n_x, size_t n_w, int threads)
{
	(void)job;
	(void)n_x;
	(void)n_w;
	(void)threads;
}

static bool
multiply_narrow(const struct matrix_shape *shape, const uint16_t *a, const uint16_t *b, real *c)
{
	(void)shape;
	(void)a;
	(void)b;
	(void)c;
	return false;
}

#else

static _Thread_local struct {
	uint16_t *space; /* borrowed; NULL: float32 */
	size_t n;
} narrow;

bool
kernel_narrow_available(void)
{
	return matrix_units_available();
}

void
kernel_narrow(uint16_t *space, size_t n)
{
	narrow.space = space;
	narrow.n = n;
}

static void
narrow_tile(const struct job *t, size_t first, size_t last)
{
	matrix_units_narrow(t->to16 + first, t->x + first, last - first);
}

static void
narrow_operand(uint16_t *to, const real *from, size_t n, int threads)
{
	struct job job = {.to16 = to, .x = from};

	run_tiles(narrow_tile, &job, n, 32768, n * 4, threads);
}

static void
narrow_operands(struct job *job, size_t n_x, size_t n_w, int threads)
{
	const size_t at_w = (n_x + 31) & ~(size_t)31;

	if (!narrow.space || job->m < 16 || job->n < 16 || job->k < 16 || at_w + n_w > narrow.n)
		return;
	narrow_operand(narrow.space, job->x, n_x, threads);
	narrow_operand(narrow.space + at_w, job->w, n_w, threads);
	job->x16 = narrow.space;
	job->w16 = narrow.space + at_w;
}

static bool
multiply_narrow(const struct matrix_shape *shape, const uint16_t *a, const uint16_t *b, real *c)
{
	return matrix_units_multiply(shape, a, b, c);
}

#endif

/* y = a b: a lies in x from at_x on, b in w from at_w on; as gemm. */
static void
multiply(const struct job *t, enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, size_t m, size_t n, size_t k,
	size_t at_x, size_t lda, size_t at_w, size_t ldb, real *y, size_t ldy)
{
	const bool a_across = ta == CblasTrans, b_across = tb == CblasTrans;
	const struct matrix_shape shape = {.m = m,
		.n = n,
		.k = k,
		.a_row = a_across ? 1 : lda,
		.a_column = a_across ? lda : 1,
		.b_row = b_across ? 1 : ldb,
		.b_column = b_across ? ldb : 1,
		.c_row = ldy};

	if (!t->x16 || !multiply_narrow(&shape, t->x16 + at_x, t->w16 + at_w, y))
		gemm(ta, tb, m, n, k, t->x + at_x, lda, t->w + at_w, ldb, y, ldy);
}

SIMD_CLONES static void
add_bias(real *y, size_t ldy, const real *b, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			y[i * ldy + j] += b[j];
}

SIMD_CLONES static void
add_bias_leaky_relu(real *y, size_t ldy, const real *b, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			real v = y[i * ldy + j] + b[j];

			y[i * ldy + j] = v > 0 ? v : v * LEAKY_SLOPE;
		}
}

static inline real
softplus(real v)
{
	return (v > 0 ? v : 0) + real_log1p(real_exp(-real_abs(v)));
}

SIMD_CLONES static void
add_bias_softplus(real *y, size_t ldy, const real *b, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			y[i * ldy + j] = softplus(y[i * ldy + j] + b[j]);
}

SIMD_CLONES static void
apply_mask(real *y, const real *a, size_t ld, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			y[i * ld + j] *= a[i * ld + j] > 0 ? 1 : LEAKY_SLOPE;
}

SIMD_CLONES static void
column_sums(real *sum, const real *x, size_t ld, size_t m, size_t n)
{
	memset(sum, 0, n * sizeof *sum);
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			sum[j] += x[i * ld + j];
}

/*
 * A tile of a layer's output is some of its columns; of a tall output, some of its rows, so that the rows are packed
 * once and not again for every tile (measured on 4000 x 500 x 500: 70 GFLOP/s by columns, 92 by rows).
 */
static void
run_blocks(tile_function *by_columns, tile_function *by_rows, const struct job *job, size_t m, size_t n, size_t k,
	int threads)
{
	if (m >= 2 * n)
		run_tiles(by_rows, job, m, tile_width(n, m, k), m * n * k, threads);
	else
		run_tiles(by_columns, job, n, tile_width(m, n, k), m * n * k, threads);
}

static void
affine_block(const struct job *t, size_t row, size_t m, size_t column, size_t width)
{
	size_t at = row * t->n + column;
	real *y = t->y + at;

	multiply(t, CblasNoTrans, CblasTrans, m, width, t->k, row * t->k, t->k, column * t->k, t->k, y, t->n);
	if (t->b && t->activation == ACTIVATION_LEAKY_RELU)
		add_bias_leaky_relu(y, t->n, t->b + column, m, width);
	else if (t->b && t->activation == ACTIVATION_SOFTPLUS)
		add_bias_softplus(y, t->n, t->b + column, m, width);
	else if (t->b)
		add_bias(y, t->n, t->b + column, m, width);
	if (t->a)
		apply_mask(y, t->a + at, t->n, m, width);
}

static void
affine_columns(const struct job *t, size_t first, size_t last)
{
	affine_block(t, 0, t->m, first, last - first);
}

static void
affine_rows(const struct job *t, size_t first, size_t last)
{
	affine_block(t, first, last - first, 0, t->n);
}

void
kernel_affine(real *y, const real *x, const real *w, const real *b, size_t m, size_t n, size_t k,
	enum activation activation, int threads)
{
	struct job job = {.y = y, .x = x, .w = w, .b = b, .m = m, .n = n, .k = k, .activation = activation};

	if (!m)
		return;
	narrow_operands(&job, m * k, n * k, threads);
	run_blocks(affine_columns, affine_rows, &job, m, n, k, threads);
}

void
kernel_affine_tangent(real *y, const real *x, const real *w, const real *a, size_t m, size_t n, size_t k, int threads)
{
	struct job job = {.y = y, .x = x, .w = w, .a = a, .m = m, .n = n, .k = k};

	if (!m)
		return;
	narrow_operands(&job, m * k, n * k, threads);
	run_blocks(affine_columns, affine_rows, &job, m, n, k, threads);
}

static void
backward_input_block(const struct job *t, size_t row, size_t m, size_t column, size_t width)
{
	size_t at = row * t->k + column;

	multiply(t, CblasNoTrans, CblasNoTrans, m, width, t->n, row * t->n, t->n, column, t->k, t->y + at, t->k);
	if (t->a)
		apply_mask(t->y + at, t->a + at, t->k, m, width);
}

static void
backward_input_columns(const struct job *t, size_t first, size_t last)
{
	backward_input_block(t, 0, t->m, first, last - first);
}

static void
backward_input_rows(const struct job *t, size_t first, size_t last)
{
	backward_input_block(t, first, last - first, 0, t->k);
}

void
kernel_affine_backward_input(
	real *dx, const real *dy, const real *w, const real *a, size_t m, size_t n, size_t k, int threads)
{
	struct job job = {.y = dx, .x = dy, .w = w, .a = a, .m = m, .n = n, .k = k};

	if (!m)
		return;
	narrow_operands(&job, m * n, n * k, threads);
	run_blocks(backward_input_columns, backward_input_rows, &job, m, k, n, threads);
}

static void
backward_weights_tile(const struct job *t, size_t first, size_t last)
{
	multiply(
		t, CblasTrans, CblasNoTrans, last - first, t->k, t->m, first, t->n, 0, t->k, t->y + first * t->k, t->k);
	if (t->y2)
		column_sums(t->y2 + first, t->x + first, t->n, t->m_bias, last - first);
}

void
kernel_affine_backward_weights(
	real *dw, real *db, const real *dy, const real *x, size_t m, size_t m_bias, size_t n, size_t k, int threads)
{
	struct job job = {.y = dw, .y2 = db, .x = dy, .w = x, .m = m, .m_bias = m_bias, .n = n, .k = k};

	narrow_operands(&job, m * n, m * k, threads);
	run_tiles(backward_weights_tile, &job, n, tile_width(m, n, k), m * n * k, threads);
}

/* ---- Batch norm and softplus -------------------------------------------------------------------------------- */

enum { STRIP = 64 }; /* columns whose sums are kept at once */

SIMD_CLONES static void
batch_norm_softplus_strip(
	real *y, real *xhat, real *inv_std, const real *scale, const real *shift, size_t m, size_t n, size_t width)
{
	real mean[STRIP] = {0}, variance[STRIP] = {0};

	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < width; j++)
			mean[j] += y[i * n + j];
	for (size_t j = 0; j < width; j++)
		mean[j] /= (real)m;
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < width; j++) {
			real d = y[i * n + j] - mean[j];

			variance[j] += d * d;
		}
	for (size_t j = 0; j < width; j++)
		inv_std[j] = 1 / real_sqrt(variance[j] / (real)m + BATCH_NORM_EPSILON);
	for (size_t i = 0; i < m; i++) {
		real *row = y + i * n, *hat = xhat + i * n;

#pragma omp simd
		for (size_t j = 0; j < width; j++) {
			real h = (row[j] - mean[j]) * inv_std[j];
			real v = scale[j] * h + shift[j];

			hat[j] = h; /* may be row[j]'s place: written before y */
			row[j] = softplus(v);
		}
	}
}

static void
batch_norm_strips(const struct job *t, size_t first, size_t last)
{
	for (size_t j = first; j < last; j += STRIP)
		batch_norm_softplus_strip(t->y + j, t->y2 + j, t->y3 + j, t->b2 + j, t->b3 + j, t->m, t->n,
			last - j < STRIP ? last - j : STRIP);
}

/* A column needs all of its rows: where the product is cut by columns, the rest follows on the spot. */
static void
batch_norm_columns(const struct job *t, size_t first, size_t last)
{
	affine_columns(t, first, last);
	batch_norm_strips(t, first, last);
}

void
kernel_batch_norm_softplus(real *y, real *xhat, real *inv_std, const real *x, const real *w, const real *scale,
	const real *shift, size_t m, size_t n, size_t k, int threads)
{
	struct job job = {
		.y = y, .y2 = xhat, .y3 = inv_std, .x = x, .w = w, .b2 = scale, .b3 = shift, .m = m, .n = n, .k = k};

	narrow_operands(&job, m * k, n * k, threads);
	if (m >= 2 * n) {
		run_tiles(affine_rows, &job, m, tile_width(n, m, k), m * n * k, threads);
		run_tiles(batch_norm_strips, &job, n, STRIP, m * n * 16, threads);
	} else {
		run_tiles(batch_norm_columns, &job, n, tile_width(m, n, k + 16), m * n * (k + 16), threads);
	}
}

SIMD_CLONES static void
batch_norm_backward_strip(const struct job *t, size_t first, size_t width)
{
	real sum[STRIP] = {0}, sum_hat[STRIP] = {0};
	const real *scale = t->b + first, *inv_std = t->b2 + first;

	for (size_t i = 0; i < t->m; i++) {
		real *dy = t->y + i * t->n + first;
		const real *y = t->a + i * t->n + first, *hat = t->x + i * t->n + first;

#pragma omp simd
		for (size_t j = 0; j < width; j++) {
			real d = dy[j] * (1 - real_exp(-y[j])); /* sigmoid(v) from y = softplus(v) */

			dy[j] = d;
			sum[j] += d;
			sum_hat[j] += d * hat[j];
		}
	}
	if (t->y2) {
		memcpy(t->y2 + first, sum_hat, width * sizeof *sum_hat);
		memcpy(t->y3 + first, sum, width * sizeof *sum);
	}
	for (size_t j = 0; j < width; j++) {
		sum[j] /= (real)t->m;
		sum_hat[j] /= (real)t->m;
	}
	for (size_t i = 0; i < t->m; i++) {
		real *dy = t->y + i * t->n + first;
		const real *hat = t->x + i * t->n + first;

		for (size_t j = 0; j < width; j++)
			dy[j] = scale[j] * inv_std[j] * (dy[j] - sum[j] - hat[j] * sum_hat[j]);
	}
}

static void
batch_norm_backward_tile(const struct job *t, size_t first, size_t last)
{
	batch_norm_backward_strip(t, first, last - first);
}

void
kernel_batch_norm_softplus_backward(real *dy, const real *y, const real *xhat, const real *inv_std, const real *scale,
	real *dscale, real *dshift, size_t m, size_t n, int threads)
{
	struct job job = {
		.y = dy, .y2 = dscale, .y3 = dshift, .x = xhat, .a = y, .b = scale, .b2 = inv_std, .m = m, .n = n};

	run_tiles(batch_norm_backward_tile, &job, n, STRIP, m * n * 16, threads);
}

SIMD_CLONES static void
softplus_backward_tile(const struct job *t, size_t first, size_t last)
{
	real *dy = t->y;
	const real *y = t->x;

#pragma omp simd
	for (size_t i = first; i < last; i++)
		dy[i] *= 1 - real_exp(-y[i]);
}

void
kernel_softplus_backward(real *dy, const real *y, size_t n, int threads)
{
	struct job job = {.y = dy, .x = y};

	run_tiles(softplus_backward_tile, &job, n, 8192, n * 16, threads);
}

/* ---- Rows and flat blocks ----------------------------------------------------------------------------------- */

SIMD_CLONES void
kernel_softmax(real *p, real *lse, const real *logits, real temperature, size_t m, size_t n)
{
	const real inverse = 1 / temperature;

	for (size_t i = 0; i < m; i++) {
		const real *f = logits + i * n;
		real top = f[0], sum = 0, sum_scaled = 0;

		for (size_t j = 1; j < n; j++)
			top = f[j] > top ? f[j] : top;
		if (lse) {
			for (size_t j = 0; j < n; j++)
				sum += real_exp(f[j] - top);
			lse[i] = top + real_log(sum);
		}
		if (!p)
			continue;
		for (size_t j = 0; j < n; j++)
			p[i * n + j] = real_exp((f[j] - top) * inverse);
		for (size_t j = 0; j < n; j++)
			sum_scaled += p[i * n + j];
		for (size_t j = 0; j < n; j++)
			p[i * n + j] /= sum_scaled;
	}
}

/* Sixteen partial sums in a fixed order, as in kernel_dot below. */
static inline real
squared_distance(const real *x, const real *y, size_t n)
{
	enum { PARTS = 16 };
	real part[PARTS] = {0}, sum = 0;
	size_t i = 0;

	for (; i + PARTS <= n; i += PARTS)
		for (size_t j = 0; j < PARTS; j++)
			part[j] += (x[i + j] - y[i + j]) * (x[i + j] - y[i + j]);
	for (; i < n; i++)
		part[i % PARTS] += (x[i] - y[i]) * (x[i] - y[i]);
	for (size_t j = 0; j < PARTS; j++)
		sum += part[j];
	return sum;
}

SIMD_CLONES real
kernel_squared_distance(const real *x, const real *y, size_t n)
{
	return squared_distance(x, y, n);
}

SIMD_CLONES static void
importance_tile(const struct job *t, size_t first, size_t last)
{
	const size_t samples = t->k, m = t->m, n = t->n;
	const real inverse = 1 / (t->sigma * t->sigma);

	for (size_t i = first; i < last; i++) {
		const real *x = t->x + i * n;
		real *score = t->y + i * n, *weight = t->y2 + i; /* weight[s * m] */
		real top = -INFINITY, sum = 0;

		for (size_t s = 0; s < samples; s++) {
			const real *g = t->w + (s * m + i) * n;

			weight[s * m] -= squared_distance(x, g, n) * inverse / 2;
			top = weight[s * m] > top ? weight[s * m] : top;
		}
		for (size_t s = 0; s < samples; s++)
			sum += weight[s * m] = real_exp(weight[s * m] - top);
		memset(score, 0, n * sizeof *score);
		for (size_t s = 0; s < samples; s++) {
			const real *g = t->w + (s * m + i) * n;
			real w = weight[s * m] /= sum;

			for (size_t j = 0; j < n; j++)
				score[j] += w * inverse * (x[j] - g[j]);
		}
	}
}

void
kernel_importance_score(real *score, real *log_ratio, const real *x, const real *g, real sigma, size_t samples,
	size_t m, size_t n, int threads)
{
	struct job job = {.y = score, .y2 = log_ratio, .x = x, .w = g, .sigma = sigma, .m = m, .n = n, .k = samples};

	run_tiles(importance_tile, &job, m, 8, samples * m * n * 2, threads);
}

void
kernel_row_norms(real *norm2, const real *x, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++)
		norm2[i] = (real)kernel_dot(x + i * n, x + i * n, n);
}

SIMD_CLONES static void
adam_tile(const struct job *t, size_t first, size_t last)
{
	real *w = t->y, *v = t->y2, *average = t->y3;
	const real *g = t->x;
	const real inverse = 1 / t->correction, keep = t->beta2, take = 1 - t->beta2, blend = 1 - t->decay;

#pragma omp simd
	for (size_t i = first; i < last; i++) {
		v[i] = keep * v[i] + take * g[i] * g[i];
		w[i] -= t->rate * g[i] / (real_sqrt(v[i] * inverse) + t->epsilon);
	}
	if (average) {
#pragma omp simd
		for (size_t i = first; i < last; i++)
			average[i] += blend * (w[i] - average[i]);
	}
}

void
kernel_adam(real *w, real *v, real *average, const real *g, size_t n, real rate, real beta2, real correction,
	real epsilon, real decay, int threads)
{
	struct job job = {.y = w,
		.y2 = v,
		.y3 = average,
		.x = g,
		.rate = rate,
		.beta2 = beta2,
		.correction = correction,
		.epsilon = epsilon,
		.decay = decay};

	run_tiles(adam_tile, &job, n, 8192, n * 8, threads);
}

SIMD_CLONES void
kernel_add_scaled(real *y, real a, const real *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += a * x[i];
}

/* Sixteen partial sums in a fixed order: vectorises without reassociation. */
SIMD_CLONES double
kernel_dot(const real *x, const real *y, size_t n)
{
	enum { PARTS = 16 };
	double part[PARTS] = {0}, sum = 0;
	size_t i = 0;

	for (; i + PARTS <= n; i += PARTS)
		for (size_t j = 0; j < PARTS; j++)
			part[j] += (double)x[i + j] * (double)y[i + j];
	for (; i < n; i++)
		part[i % PARTS] += (double)x[i] * (double)y[i];
	for (size_t j = 0; j < PARTS; j++)
		sum += part[j];
	return sum;
}

bool
kernel_finite(const real *x, size_t n)
{
	real bad = 0;

	for (size_t i = 0; i < n; i++)
		bad += x[i] * 0; /* 0, or NaN where x is infinite or NaN */
	return bad == 0;
}

/* ---- LAPACK ------------------------------------------------------------------------------------------------- */

/* In OpenBLAS, which has no header for them here; the last arguments are the lengths of the texts. */
void dsyevd_(const char *job, const char *triangle, const blasint *n, double *a, const blasint *lda, double *w,
	double *work, const blasint *lwork, blasint *iwork, const blasint *liwork, blasint *info, size_t, size_t);
void dpotrf_(const char *triangle, const blasint *n, double *a, const blasint *lda, blasint *info, size_t);
void dpotrs_(const char *triangle, const blasint *n, const blasint *n_right, const double *a, const blasint *lda,
	double *b, const blasint *ldb, blasint *info, size_t);

/* Their columns are our rows, and either triangle will do. */
bool
kernel_solve_positive(double *a, double *b, size_t n, size_t m)
{
	const blasint order = (blasint)n, n_right = (blasint)m;
	blasint info = 0;

	if (!n || !m)
		return true;
	dpotrf_("L", &order, a, &order, &info, 1);
	if (info)
		return false;
	dpotrs_("L", &order, &n_right, a, &order, b, &order, &info, 1);
	return true;
}

void
kernel_symmetric_eigen(double *a, double *value, size_t n)
{
	enum { MAX = KERNEL_EIGEN_MAX };
	double work[1 + 6 * MAX + 2 * MAX * MAX];
	blasint iwork[3 + 5 * MAX], order = (blasint)n, info = 0;
	const blasint lwork = sizeof work / sizeof *work, liwork = sizeof iwork / sizeof *iwork;

	assert(n <= MAX);
	if (n)
		dsyevd_("V", "L", &order, a, &order, value, work, &lwork, iwork, &liwork, &info, 1, 1);
	assert(info == 0); /* finite symmetric matrices converge */
}
