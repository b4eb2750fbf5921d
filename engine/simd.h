/*
 * simd: SIMD_CLONES before a function compiles its loops for several vector widths; the loader picks the widest that
 * the processor has. The clones compute the same bits, because nothing is contracted or reassociated (see CFLAGS).
 * Sanitizer builds go without: their runtime is not up yet when the loader resolves the choice.
 */
#ifndef VERAD_ENGINE_SIMD_H
#define VERAD_ENGINE_SIMD_H

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SIMD_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SIMD_CLONES
#endif

#endif
