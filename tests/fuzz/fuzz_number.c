/*
 * fuzz_number: any bytes as the text of a number must be read, or refused, alike by every way of reading, amid whatever
 * bytes, and as the C library reads them. The first byte says where in the input the cell begins.
 * libFuzzer: clang -fsanitize=fuzzer,address,undefined; with any compiler: link with standalone.c and replay files.
 */
#include "schema/number_amid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

/* Like number_parse, only slowly: what it takes must be made of these bytes, and strtod must take all of it. */
static bool
by_the_library(const char *text, size_t len, double *out)
{
	char *copy = malloc(len + 1), *end = copy;
	bool is_number = copy && len;

	if (!is_number) {
		free(copy);
		return false;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	is_number = strlen(copy) == len && strspn(copy, "0123456789+-.eE \t") == len;
	if (is_number) {
		*out = strtod(copy, &end);
		is_number = end != copy && strspn(end, " \t") == strlen(end) && isfinite(*out);
	}
	free(copy);
	return is_number;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	double v = 0, other = 0, library = 0;
	char *text, *cell;
	size_t len;
	bool is_number;

	if (size < 1 || !(text = calloc(1, NUMBER_MARGIN + size + 1)))
		return 0;
	memcpy(text + NUMBER_MARGIN, data, size);
	cell = text + NUMBER_MARGIN + 1 + (size > 1 ? data[0] % (size - 1) : 0);
	len = (size_t)(text + NUMBER_MARGIN + size - cell);
	is_number = number_parse(cell, len, &v);
	REQUIRE(number_parse_amid(cell, len, '.', &other) == is_number);
	REQUIRE(!is_number || !memcmp(&v, &other, sizeof v));
	REQUIRE(by_the_library(cell, len, &library) == is_number);
	REQUIRE(!is_number || !memcmp(&v, &library, sizeof v));
	for (size_t i = 0; i < len; i++)
		cell[i] = cell[i] == '.' ? ',' : cell[i] == ',' ? '.' : cell[i];
	REQUIRE(number_parse_amid(cell, len, ',', &other) == is_number);
	REQUIRE(!is_number || !memcmp(&v, &other, sizeof v));
	free(text);
	return 0;
}
