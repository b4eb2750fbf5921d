/* matrix_units: see matrix_units.h. */
#include "engine/matrix_units.h"

#include <string.h>

#include "engine/simd.h"

SIMD_CLONES void
matrix_units_narrow(uint16_t *to, const float *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, from + i, sizeof bits);
		/* Rounding may carry a NaN over into infinity and zero: a quiet one has a bit to spare. */
		to[i] = (bits & 0x7fffffff) > 0x7f800000 ? (uint16_t)(bits >> 16 | 0x40)
							 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
	}
}

#ifndef VERAD_DNNL

bool
matrix_units_available(void)
{
	return false;
}

bool
matrix_units_multiply(const struct matrix_shape *shape, const uint16_t *a, const uint16_t *b, float *c)
{
	(void)shape;
	(void)a;
	(void)b;
	(void)c;
	return false;
}

#else

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SEATS = 64 }; /* calls with one shape at a time; more are made by their callers in float32 */

/* What a call in progress needs for itself. */
struct seat {
	atomic_flag taken;
	bool made; /* by whoever has taken it */
	dnnl_stream_t stream;
	dnnl_memory_t a, b, c, scratch;
	void *scratch_bytes; /* owned */
};

struct program {
	struct matrix_shape shape;
	dnnl_primitive_desc_t description;
	dnnl_primitive_t primitive;
	struct seat seat[SEATS];
};

/* Open addressing; a slot is filled once, under the mutex, and read without it. */
static struct program *_Atomic programs[2 * MATRIX_SHAPES];
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* of the next two, and of filling a slot */
static dnnl_engine_t processor;
static size_t n_programs;

bool
matrix_units_available(void)
{
	dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();

	return isa == dnnl_cpu_isa_avx512_core_bf16 || isa == dnnl_cpu_isa_avx512_core_amx;
}

/* ---- Programs ----------------------------------------------------------------------------------------------- */

static bool
describe(dnnl_memory_desc_t *d, size_t rows, size_t columns, size_t row, size_t column, dnnl_data_type_t type)
{
	const dnnl_dims_t size = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
	const dnnl_dims_t stride = {(dnnl_dim_t)row, (dnnl_dim_t)column};

	return dnnl_memory_desc_init_by_strides(d, 2, size, type, stride) == dnnl_success;
}

static void
program_free(struct program *p)
{
	if (p && p->primitive)
		dnnl_primitive_destroy(p->primitive);
	if (p && p->description)
		dnnl_primitive_desc_destroy(p->description);
	free(p);
}

/* Scratch memory is the caller's: oneDNN's own belongs to the thread that made the program. */
static struct program *
program_new(const struct matrix_shape *s)
{
	struct program *p = calloc(1, sizeof *p);
	dnnl_primitive_attr_t attributes = NULL;
	dnnl_memory_desc_t a, b, c;
	dnnl_matmul_desc_t product;
	bool good;

	if (!p)
		return NULL;
	p->shape = *s;
	for (size_t i = 0; i < SEATS; i++)
		atomic_flag_clear(&p->seat[i].taken);
	good = describe(&a, s->m, s->k, s->a_row, s->a_column, dnnl_bf16) &&
	       describe(&b, s->k, s->n, s->b_row, s->b_column, dnnl_bf16) &&
	       describe(&c, s->m, s->n, s->c_row, 1, dnnl_f32) &&
	       dnnl_matmul_desc_init(&product, &a, &b, NULL, &c) == dnnl_success &&
	       dnnl_primitive_attr_create(&attributes) == dnnl_success &&
	       dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success &&
	       dnnl_primitive_desc_create(&p->description, &product, attributes, processor, NULL) == dnnl_success &&
	       dnnl_primitive_create(&p->primitive, p->description) == dnnl_success;
	if (attributes)
		dnnl_primitive_attr_destroy(attributes);
	if (good)
		return p;
	program_free(p);
	return NULL;
}

static size_t
hash_of(const struct matrix_shape *s)
{
	const size_t field[] = {s->m, s->n, s->k, s->a_row, s->a_column, s->b_row, s->b_column, s->c_row};
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < sizeof field / sizeof *field; i++)
		h = (h ^ field[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 29) % (2 * MATRIX_SHAPES);
}

static struct program *
program_of(const struct matrix_shape *s)
{
	const size_t n_slots = 2 * MATRIX_SHAPES;
	size_t at = hash_of(s);
	struct program *p;

	for (; (p = atomic_load_explicit(&programs[at], memory_order_acquire)); at = (at + 1) % n_slots)
		if (memcmp(&p->shape, s, sizeof *s) == 0)
			return p;
	pthread_mutex_lock(&making);
	/* The slot may have been filled in the meantime, and so on. */
	for (; (p = atomic_load_explicit(&programs[at], memory_order_acquire)); at = (at + 1) % n_slots)
		if (memcmp(&p->shape, s, sizeof *s) == 0)
			goto out;
	if (n_programs == MATRIX_SHAPES || (!processor && dnnl_engine_create(&processor, dnnl_cpu, 0) != dnnl_success))
		goto out;
	if ((p = program_new(s))) {
		n_programs++;
		atomic_store_explicit(&programs[at], p, memory_order_release);
	}
out:
	pthread_mutex_unlock(&making);
	return p;
}

/* ---- Calls -------------------------------------------------------------------------------------------------- */

static bool
seat_make(struct seat *s, const struct program *p)
{
	const dnnl_memory_desc_t *a = dnnl_primitive_desc_query_md(p->description, dnnl_query_src_md, 0);
	const dnnl_memory_desc_t *b = dnnl_primitive_desc_query_md(p->description, dnnl_query_weights_md, 0);
	const dnnl_memory_desc_t *c = dnnl_primitive_desc_query_md(p->description, dnnl_query_dst_md, 0);
	const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(p->description, dnnl_query_scratchpad_md, 0);
	size_t size = dnnl_memory_desc_get_size(scratch);

	/* What an attempt before has got as far as is kept. */
	if (!s->scratch_bytes && !(s->scratch_bytes = aligned_alloc(64, (size + 127) / 64 * 64)))
		return false;
	s->made = (s->stream || dnnl_stream_create(&s->stream, processor, dnnl_stream_in_order) == dnnl_success) &&
		  (s->a || dnnl_memory_create(&s->a, a, processor, DNNL_MEMORY_NONE) == dnnl_success) &&
		  (s->b || dnnl_memory_create(&s->b, b, processor, DNNL_MEMORY_NONE) == dnnl_success) &&
		  (s->c || dnnl_memory_create(&s->c, c, processor, DNNL_MEMORY_NONE) == dnnl_success) &&
		  (s->scratch || dnnl_memory_create(&s->scratch, scratch, processor, s->scratch_bytes) == dnnl_success);
	return s->made;
}

static bool
execute(const struct program *p, struct seat *s, const uint16_t *a, const uint16_t *b, float *c)
{
	const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, s->a}, {DNNL_ARG_WEIGHTS, s->b}, {DNNL_ARG_DST, s->c},
		{DNNL_ARG_SCRATCHPAD, s->scratch}};

	return dnnl_memory_set_data_handle(s->a, (void *)(uintptr_t)a) == dnnl_success &&
	       dnnl_memory_set_data_handle(s->b, (void *)(uintptr_t)b) == dnnl_success &&
	       dnnl_memory_set_data_handle(s->c, c) == dnnl_success &&
	       dnnl_primitive_execute(p->primitive, s->stream, sizeof args / sizeof *args, args) == dnnl_success;
}

bool
matrix_units_multiply(const struct matrix_shape *shape, const uint16_t *a, const uint16_t *b, float *c)
{
	struct program *p;
	bool good = false;

	omp_set_num_threads(1); /* of this thread: oneDNN makes and runs its programs for so many */
	if (!(p = program_of(shape)))
		return false;
	for (size_t i = 0; i < SEATS; i++) {
		struct seat *s = &p->seat[i];

		if (atomic_flag_test_and_set_explicit(&s->taken, memory_order_acquire))
			continue;
		good = (s->made || seat_make(s, p)) && execute(p, s, a, b, c);
		atomic_flag_clear_explicit(&s->taken, memory_order_release);
		break;
	}
	return good;
}

#endif
