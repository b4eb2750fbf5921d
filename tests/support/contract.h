/*
 * contract: schema/openapi.json as a test holds replies against it.
 *
 * As much of JSON Schema as the document uses: $ref, type, properties, required, additionalProperties, items, enum,
 * const, anyOf, minimum, maximum, minItems, pattern. Stricter in one thing: where additionalProperties is not given, a
 * member that is not declared is refused, because it is one that somebody forgot to describe.
 */
#ifndef VERAD_TESTS_SUPPORT_CONTRACT_H
#define VERAD_TESTS_SUPPORT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

struct cJSON *contract_load(void); /* the document; owned; NULL when it is no JSON */

/* What a $ref in `node` points to, or `node` itself; NULL where it points nowhere. */
const struct cJSON *contract_resolve(const struct cJSON *document, const struct cJSON *node);

/* Does `value` fit the schema? If not, `why` says where and what. */
bool contract_fits(
	const struct cJSON *document, const struct cJSON *schema, const struct cJSON *value, char *why, size_t size);
bool contract_fits_named(
	const struct cJSON *document, const char *name, const struct cJSON *value, char *why, size_t size);

#endif
