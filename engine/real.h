/*
 * real: the one number type of the mathematics. float in the program; the tests build the same sources once more with
 * VERAD_DOUBLE to compare every number with an independent float64 implementation.
 */
#ifndef VERAD_ENGINE_REAL_H
#define VERAD_ENGINE_REAL_H

#ifdef VERAD_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
