/*
 * kernel: the passes that touch every number. Matrix products with their element-wise epilogues, batch norm, softmax.
 * The only <cblas.h> (and of LAPACK, which lies in the same library, the routines used), and the only room with
 * threads.
 *
 * All matrices are row-major, rows are examples, weights are [out][in]. Each function is cut into tiles whose number
 * and borders depend on the shapes alone; a tile is one single-threaded sgemm and whatever follows on its output while
 * that is in the cache. Tiles are shared out over up to `threads` OpenMP threads, so the result is the same, bit for
 * bit, for any number of threads. No allocation. Pointers must not overlap unless said.
 */
#ifndef VERAD_ENGINE_KERNEL_H
#define VERAD_ENGINE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/err.h"
#include "engine/real.h"

/*
 * Once per process, before anything else here: one BLAS thread per call, and a check that this OpenBLAS is a
 * thread-safe build (its serial one is not: concurrent calls return wrong numbers). ERR_UNSUPPORTED "unsafe_blas".
 */
enum status kernel_init(struct err *e);

/* Name of the processor core that OpenBLAS chose its kernels for: results are reproducible per core type. */
const char *kernel_blas_core(void);

/*
 * While a workspace is lent, products of this thread's calls whose operands fit into it are made in bfloat16, summed in
 * float32, by the units of the processor that are for that; those of fewer than 16 rows, columns or terms are not. What
 * is made so depends on shapes alone. n numbers; space NULL: float32 again. For the float32 program, and where
 * kernel_narrow_available says that there are such units and that the build knows how to use them (matrix_units.h).
 */
bool kernel_narrow_available(void);
void kernel_narrow(uint16_t *space, size_t n);

#define LEAKY_SLOPE ((real)0.2)
#define BATCH_NORM_EPSILON ((real)1e-5)

enum activation { ACTIVATION_NONE, ACTIVATION_LEAKY_RELU, ACTIVATION_SOFTPLUS };

/* y [m][n] = activation(x [m][k] w^T + b), w [n][k], b [n]; NULL: no biases and no activation. */
void kernel_affine(real *y, const real *x, const real *w, const real *b, size_t m, size_t n, size_t k,
	enum activation activation, int threads);

/*
 * y [m][n] = mask * (x [m][k] w^T): the tangent of kernel_affine. a [m][n] is the output of the activation; the mask is
 * 1 where it is positive and LEAKY_SLOPE elsewhere. a NULL: no mask.
 */
void kernel_affine_tangent(
	real *y, const real *x, const real *w, const real *a, size_t m, size_t n, size_t k, int threads);

/* dx [m][k] = mask * (dy [m][n] w): the delta one layer down. a [m][k] is the activation that made x, or NULL. */
void kernel_affine_backward_input(
	real *dx, const real *dy, const real *w, const real *a, size_t m, size_t n, size_t k, int threads);

/*
 * dw [n][k] = dy^T x, over m rows; db [n] (or NULL) = the sums of dy's columns over its first m_bias rows. Rows behind
 * m_bias are the outer products of the gradient penalty, which has no part in the biases.
 */
void kernel_affine_backward_weights(
	real *dw, real *db, const real *dy, const real *x, size_t m, size_t m_bias, size_t n, size_t k, int threads);

/*
 * The generator's hidden layer. z = x w^T; xhat = (z - mean) * inv_std over the m rows; y = softplus(scale * xhat +
 * shift). xhat [m][n] and inv_std [n] are kept for the backward pass; xhat may be y itself when there will be none.
 */
void kernel_batch_norm_softplus(real *y, real *xhat, real *inv_std, const real *x, const real *w, const real *scale,
	const real *shift, size_t m, size_t n, size_t k, int threads);

/*
 * Its backward pass up to z, in place: on entry dy [m][n] is the gradient at y, on return that at z. dscale and dshift
 * [n] receive their gradients (both may be NULL).
 */
void kernel_batch_norm_softplus_backward(real *dy, const real *y, const real *xhat, const real *inv_std,
	const real *scale, real *dscale, real *dshift, size_t m, size_t n, int threads);

/* dy at y = softplus(v), n numbers, becomes the gradient at v: the derivative is 1 - e^-y. */
void kernel_softplus_backward(real *dy, const real *y, size_t n, int threads);

/* p [m][n] = softmax of each row of logits / temperature, lse [m] = logsumexp of each row of logits. Either may be
 * NULL. */
void kernel_softmax(real *p, real *lse, const real *logits, real temperature, size_t m, size_t n);

/* Squared Euclidean length of each row. */
void kernel_row_norms(real *norm2, const real *x, size_t m, size_t n);

/*
 * One step of Adam (Kingma & Ba 2015) with beta1 = 0, and the moving average of the weights, in one pass:
 * v = beta2 v + (1 - beta2) g^2;  w -= rate g / (sqrt(v / correction) + epsilon);  average += (1 - decay) (w -
 * average). average may be NULL.
 */
void kernel_adam(real *w, real *v, real *average, const real *g, size_t n, real rate, real beta2, real correction,
	real epsilon, real decay, int threads);

/*
 * Self-normalised importance weights and the score they estimate (method page, section 2). For each of m rows:
 * w_s = softmax over s of log_ratio[s][row] - |x - g_s|^2 / (2 sigma^2), and score = sum_s w_s (x - g_s) / sigma^2.
 * x, score [m][n]; g [samples][m][n]; log_ratio [samples][m] is overwritten with the weights.
 */
void kernel_importance_score(real *score, real *log_ratio, const real *x, const real *g, real sigma, size_t samples,
	size_t m, size_t n, int threads);

/* y += a x */
void kernel_add_scaled(real *y, real a, const real *x, size_t n);
double kernel_dot(const real *x, const real *y, size_t n); /* summed in double */
real kernel_squared_distance(const real *x, const real *y, size_t n);
bool kernel_finite(const real *x, size_t n);

/* Solves a x = b for m right-hand sides, the rows of b [m][n], in their place; a [n][n], symmetric and positive
 * definite, is overwritten. false: a is not positive definite, and b is as it was. */
bool kernel_solve_positive(double *a, double *b, size_t n, size_t m);

/* The symmetric a [n][n] becomes its orthonormal eigenvectors, one a row; their eigenvalues, ascending, go to value.
 * n <= KERNEL_EIGEN_MAX, everything finite. */
enum { KERNEL_EIGEN_MAX = 64 };
void kernel_symmetric_eigen(double *a, double *value, size_t n);

#endif
