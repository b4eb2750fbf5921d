/* json: see json.h. */
#include "server/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/suggest.h"
#include "schema/json_read.h"
#include "schema/utf8.h"

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that a body made of nothing but names costs n log n. */
static enum status
refuse_duplicates(const cJSON *value, struct err *e)
{
	const char **name = NULL;
	enum status s = OK;
	const cJSON *child;
	size_t n = 0;

	cJSON_ArrayForEach(child, value)
	{
		n++;
		if ((s = refuse_duplicates(child, e)))
			return s;
	}
	if (!cJSON_IsObject(value) || n < 2)
		return OK;
	name = malloc(n * sizeof *name);
	if (!name)
		return err_nomem(e);
	n = 0;
	cJSON_ArrayForEach(child, value)
	{
		name[n++] = child->string;
	}
	qsort(name, n, sizeof *name, by_name);
	for (size_t i = 1; i < n && !s; i++)
		if (!strcmp(name[i - 1], name[i]))
			s = err_set(
				e, ERR_SYNTAX, "duplicate_name", "\"%.100s\" is given twice in one object", name[i]);
	free(name);
	return s;
}

enum status
json_parse(const void *bytes, size_t n, struct cJSON **out, struct err *e)
{
	enum status s;
	cJSON *root;

	if (!n)
		return err_set(e, ERR_SYNTAX, "malformed_json", "the body is empty where a JSON object is expected");
	if ((s = json_check_object(bytes, n, e)))
		return s;
	root = cJSON_ParseWithLength(bytes, n);
	if (!root) /* the text was checked: either this, or memory ran out */
		return err_set(e, ERR_SYNTAX, "malformed_json",
			"the JSON cannot be read: a number in it has more than 60 characters");
	if ((s = refuse_duplicates(root, e))) {
		cJSON_Delete(root);
		return s;
	}
	*out = root;
	return OK;
}

const struct cJSON *
json_member(const struct cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

enum status
json_only(const struct cJSON *object, const char *what, const char *const *known, size_t n, struct err *e)
{
	const cJSON *child;

	cJSON_ArrayForEach(child, object)
	{
		const char *nearest;
		size_t i = 0;

		while (i < n && strcmp(known[i], child->string))
			i++;
		if (i < n)
			continue;
		nearest = suggest_nearest(child->string, known, n);
		return err_set(e, ERR_INVALID, "unknown_field", "%s has no field \"%.100s\"%s%s%s", what, child->string,
			nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	}
	return OK;
}

const char *
json_kind(const struct cJSON *value)
{
	if (cJSON_IsString(value))
		return "a string";
	if (cJSON_IsNumber(value))
		return "a number";
	if (cJSON_IsBool(value))
		return "true or false";
	if (cJSON_IsArray(value))
		return "an array";
	if (cJSON_IsObject(value))
		return "an object";
	return "null";
}

void
json_escape(struct buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text);

	buf_put(out, "\"", 1);
	while (left) {
		size_t n = utf8_length(p, left);

		if (!n) {
			buf_puts(out, "\xEF\xBF\xBD");
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			buf_put(out, "\\", 1);
			buf_put(out, p, 1);
		} else if (*p == '\n') {
			buf_puts(out, "\\n");
		} else if (*p < 0x20 || *p == 0x7F) {
			buf_printf(out, "\\u%04x", *p);
		} else {
			buf_put(out, p, n);
		}
		p += n;
		left -= n;
	}
	buf_put(out, "\"", 1);
}

const char *
timestamp(double seconds, char out[TIMESTAMP_SIZE])
{
	uint64_t ms = seconds > 0 && seconds < 2e11 ? (uint64_t)llround(seconds * 1000) : 0;
	time_t whole = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&whole, &tm); /* within range: cannot fail */
	n = strftime(out, TIMESTAMP_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, TIMESTAMP_SIZE - n, ".%03uZ", (unsigned)(ms % 1000));
	return out;
}
