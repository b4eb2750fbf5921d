/*
 * golden: reading the files of tests/golden/ and comparing with them, for the tests that are built in both precisions.
 * The tolerance, 1e-4 in single precision and 1e-9 in double, is relative to the largest magnitude of the tensor
 * compared.
 */
#ifndef VERAD_TESTS_GOLDEN_H
#define VERAD_TESTS_GOLDEN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "engine/real.h"

#ifdef VERAD_DOUBLE
#define GOLDEN_TOLERANCE 1e-9
#else
#define GOLDEN_TOLERANCE 1e-4
#endif

enum { GOLDEN_MAX = 8192 }; /* numbers in a tensor */

static inline cJSON *
load(const char *name)
{
	char path[128];
	FILE *f;
	char *text;
	long n;
	cJSON *json;

	snprintf(path, sizeof path, "tests/golden/%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	text = malloc((size_t)n + 1);
	assert_int_equal(fread(text, 1, (size_t)n, f), n);
	text[n] = '\0';
	fclose(f);
	json = cJSON_Parse(text);
	free(text);
	assert_non_null(json);
	return json;
}

/* "a/b/c", each a key. */
static inline const cJSON *
at(const cJSON *json, const char *path)
{
	char key[64];

	while (*path) {
		size_t n = strcspn(path, "/");

		assert_true(n < sizeof key);
		memcpy(key, path, n);
		key[n] = '\0';
		json = cJSON_GetObjectItemCaseSensitive(json, key);
		if (!json)
			fail_msg("no %s", key);
		path += n + (path[n] == '/');
	}
	return json;
}

static inline size_t
flatten(const cJSON *json, double *out, size_t n)
{
	if (cJSON_IsNumber(json)) {
		assert_true(n < GOLDEN_MAX);
		out[n] = json->valuedouble;
		return n + 1;
	}
	for (const cJSON *i = json->child; i; i = i->next)
		n = flatten(i, out, n);
	return n;
}

static inline size_t
read_reals(const cJSON *json, const char *path, real *out)
{
	double v[GOLDEN_MAX];
	size_t n = flatten(at(json, path), v, 0);

	for (size_t i = 0; i < n; i++)
		out[i] = (real)v[i];
	return n;
}

static inline double
read_number(const cJSON *json, const char *path)
{
	return at(json, path)->valuedouble;
}

static inline void
compare(const real *got, const cJSON *json, const char *path)
{
	double want[GOLDEN_MAX], top = 0;
	size_t n = flatten(at(json, path), want, 0);

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++)
		top = fmax(top, fabs(want[i]));
	for (size_t i = 0; i < n; i++)
		if (!(fabs((double)got[i] - want[i]) <= GOLDEN_TOLERANCE * top))
			fail_msg("%s[%zu]: %.12g, should be %.12g (largest %g)", path, i, (double)got[i], want[i], top);
}

static inline void
compare_number(double got, const cJSON *json, const char *path)
{
	double want = read_number(json, path);

	if (!(fabs(got - want) <= GOLDEN_TOLERANCE * fabs(want)))
		fail_msg("%s: %.12g, should be %.12g", path, got, want);
}

#endif
