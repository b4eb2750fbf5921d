/* contract: see contract.h. */
#include "tests/support/contract.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
	const cJSON *document;
	char where[256]; /* path within the value */
	char *why;
	size_t size;
};

cJSON *
contract_load(void)
{
	FILE *f = fopen("schema/openapi.json", "r");
	cJSON *document = NULL;
	size_t n = 0, cap = 1 << 20;
	char *text = malloc(cap);

	if (f && text) {
		n = fread(text, 1, cap, f);
		document = n < cap ? cJSON_ParseWithLength(text, n) : NULL;
	}
	if (f)
		fclose(f);
	free(text);
	return document;
}

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

const cJSON *
contract_resolve(const cJSON *document, const cJSON *node)
{
	const cJSON *ref;
	char step[64];

	while (node && (ref = get(node, "$ref"))) {
		const char *at = ref->valuestring;

		if (strncmp(at, "#/", 2))
			return NULL;
		at += 2;
		node = document;
		while (*at && node) {
			size_t n = strcspn(at, "/");

			snprintf(step, sizeof step, "%.*s", (int)n, at);
			node = get(node, step);
			at += n + (at[n] == '/');
		}
	}
	return node;
}

static bool
complain(struct check *c, const char *what, const char *name)
{
	snprintf(c->why, c->size, "at %s: %s %s", c->where[0] ? c->where : "the top", what, name ? name : "");
	return false;
}

static bool
is_of_type(const cJSON *value, const char *type)
{
	if (!strcmp(type, "object"))
		return cJSON_IsObject(value);
	if (!strcmp(type, "array"))
		return cJSON_IsArray(value);
	if (!strcmp(type, "string"))
		return cJSON_IsString(value);
	if (!strcmp(type, "boolean"))
		return cJSON_IsBool(value);
	if (!strcmp(type, "null"))
		return cJSON_IsNull(value);
	if (!strcmp(type, "number"))
		return cJSON_IsNumber(value);
	return !strcmp(type, "integer") && cJSON_IsNumber(value) && floor(value->valuedouble) == value->valuedouble;
}

static bool
type_fits(struct check *c, const cJSON *type, const cJSON *value)
{
	const cJSON *one;

	if (cJSON_IsString(type) && !is_of_type(value, type->valuestring))
		return complain(c, "the type is not", type->valuestring);
	if (!cJSON_IsArray(type))
		return true;
	cJSON_ArrayForEach(one, type)
	{
		if (is_of_type(value, one->valuestring))
			return true;
	}
	return complain(c, "the type is none of those declared", NULL);
}

static bool
among(const cJSON *list, const cJSON *value)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, list)
	{
		if (cJSON_Compare(one, value, true))
			return true;
	}
	return false;
}

static bool
pattern_fits(const char *pattern, const char *text)
{
	regex_t re;
	bool fits;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	fits = !regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return fits;
}

static bool fits(struct check *c, const cJSON *schema, const cJSON *value);

static bool
child_fits(struct check *c, const cJSON *schema, const cJSON *value, const char *name)
{
	size_t n = strlen(c->where);
	bool ok;

	snprintf(c->where + n, sizeof c->where - n, "/%s", name);
	ok = fits(c, schema, value);
	if (ok)
		c->where[n] = '\0';
	return ok;
}

static bool
members_fit(struct check *c, const cJSON *schema, const cJSON *value)
{
	const cJSON *properties = get(schema, "properties"), *others = get(schema, "additionalProperties"), *m;

	cJSON_ArrayForEach(m, get(schema, "required"))
	{
		if (!get(value, m->valuestring))
			return complain(c, "there is no", m->valuestring);
	}
	if (!properties && !others)
		return true;
	cJSON_ArrayForEach(m, value)
	{
		const cJSON *declared = get(properties, m->string);

		if (declared) {
			if (!child_fits(c, declared, m, m->string))
				return false;
		} else if (cJSON_IsObject(others)) {
			if (!child_fits(c, others, m, m->string))
				return false;
		} else if (!cJSON_IsTrue(others)) {
			return complain(c, "not declared:", m->string);
		}
	}
	return true;
}

static bool
fits(struct check *c, const cJSON *schema, const cJSON *value)
{
	const cJSON *s = contract_resolve(c->document, schema), *one;
	bool any = true;

	if (!s)
		return complain(c, "a $ref that points nowhere", NULL);
	if (!type_fits(c, get(s, "type"), value))
		return false;
	if (get(s, "const") && !cJSON_Compare(get(s, "const"), value, true))
		return complain(c, "not the constant", NULL);
	if (get(s, "enum") && !among(get(s, "enum"), value))
		return complain(c, "not in the enum:", cJSON_IsString(value) ? value->valuestring : NULL);
	cJSON_ArrayForEach(one, get(s, "anyOf"))
	{
		struct check copy = *c;

		any = fits(&copy, one, value);
		if (any)
			break;
	}
	if (!any)
		return false; /* `why` has the last alternative's complaint */
	if (cJSON_IsNumber(value) && get(s, "minimum") && value->valuedouble < get(s, "minimum")->valuedouble)
		return complain(c, "below the minimum", NULL);
	if (cJSON_IsNumber(value) && get(s, "maximum") && value->valuedouble > get(s, "maximum")->valuedouble)
		return complain(c, "above the maximum", NULL);
	if (cJSON_IsString(value) && get(s, "pattern") &&
		!pattern_fits(get(s, "pattern")->valuestring, value->valuestring))
		return complain(c, "does not match the pattern:", value->valuestring);
	if (cJSON_IsArray(value) && get(s, "minItems") && cJSON_GetArraySize(value) < get(s, "minItems")->valuedouble)
		return complain(c, "too few items", NULL);
	if (cJSON_IsArray(value) && get(s, "items")) {
		cJSON_ArrayForEach(one, value)
		{
			if (!child_fits(c, get(s, "items"), one, "item"))
				return false;
		}
	}
	return !cJSON_IsObject(value) || members_fit(c, s, value);
}

bool
contract_fits(const cJSON *document, const cJSON *schema, const cJSON *value, char *why, size_t size)
{
	struct check c = {.document = document, .why = why, .size = size};

	return fits(&c, schema, value);
}

bool
contract_fits_named(const cJSON *document, const char *name, const cJSON *value, char *why, size_t size)
{
	const cJSON *schema = get(get(get(document, "components"), "schemas"), name);

	if (!schema) {
		snprintf(why, size, "there is no schema %s", name);
		return false;
	}
	return contract_fits(document, schema, value, why, size);
}
