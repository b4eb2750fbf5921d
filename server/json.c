/* json: see json.h. The check is a recursive descent over RFC 8259's grammar that builds nothing. */
#include "server/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/suggest.h"
#include "schema/table.h"
#include "schema/utf8.h"

/* Checking -------------------------------------------------------------------------------------------------------- */

struct checker {
	const unsigned char *start, *p, *end;
	struct err *e;
};

/* Fails at the place p is at. */
static enum status
malformed(struct checker *c, const char *code, const char *what)
{
	uint64_t line = 1;
	size_t character = 1;

	for (const unsigned char *q = c->start; q < c->p; q++) {
		if (*q == '\n') {
			line++;
			character = 1;
		} else if ((*q & 0xC0) != 0x80) {
			character++;
		}
	}
	err_set(c->e, ERR_SYNTAX, code, "malformed JSON at line %llu, character %zu: %s", (unsigned long long)line,
		character, what);
	return err_at(c->e, line, NULL);
}

static void
skip_space(struct checker *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

static bool
starts_with(const struct checker *c, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(c->end - c->p) >= n && !memcmp(c->p, word, n);
}

static int
hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a \u escape, p behind the "u"; -1 when they are not there. */
static int
hex4(struct checker *c)
{
	int v = 0;

	if (c->end - c->p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(c->p[i]);

		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	c->p += 4;
	return v;
}

static enum status
check_escape(struct checker *c)
{
	int v;

	c->p++; /* the backslash */
	if (c->p == c->end)
		return malformed(c, "malformed_json", "the text ends within a string");
	if (*c->p != 'u') {
		if (!*c->p || !strchr("\"\\/bfnrt", *c->p))
			return malformed(c, "malformed_json", "a backslash before a character that needs none");
		c->p++;
		return OK;
	}
	c->p++;
	v = hex4(c);
	if (v < 0)
		return malformed(c, "malformed_json", "\\u needs four hexadecimal digits");
	if (v == 0)
		return malformed(c, "malformed_json", "a NUL character (\\u0000) is not accepted in strings");
	if (v >= 0xDC00 && v <= 0xDFFF)
		return malformed(c, "malformed_json", "the second half of a surrogate pair without its first");
	if (v >= 0xD800 && v <= 0xDBFF) {
		if (!starts_with(c, "\\u"))
			return malformed(c, "malformed_json", "the first half of a surrogate pair without its second");
		c->p += 2;
		v = hex4(c);
		if (v < 0xDC00 || v > 0xDFFF)
			return malformed(c, "malformed_json", "the first half of a surrogate pair without its second");
	}
	return OK;
}

static enum status
check_string(struct checker *c)
{
	enum status s;
	size_t n;

	c->p++; /* the quote */
	while (c->p < c->end) {
		if (*c->p == '"') {
			c->p++;
			return OK;
		}
		if (*c->p < 0x20)
			return malformed(
				c, "malformed_json", "a control character within a string: write it as an escape");
		if (*c->p == '\\') {
			if ((s = check_escape(c)))
				return s;
			continue;
		}
		n = utf8_length(c->p, (size_t)(c->end - c->p));
		if (!n)
			return malformed(c, "malformed_json", "bytes that are not UTF-8");
		c->p += n;
	}
	return malformed(c, "malformed_json", "the text ends within a string");
}

static bool
digits(struct checker *c)
{
	const unsigned char *from = c->p;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		c->p++;
	return c->p > from;
}

static enum status
check_number(struct checker *c)
{
	const unsigned char *from = c->p;
	double v;

	if (*c->p == '-')
		c->p++;
	if (starts_with(c, "Infinity") || starts_with(c, "inf"))
		return malformed(c, "malformed_json", "infinity is not JSON");
	if (starts_with(c, "0") && c->end - c->p > 1 && c->p[1] >= '0' && c->p[1] <= '9')
		return malformed(c, "malformed_json", "a number with a leading zero");
	if (!digits(c))
		return malformed(c, "malformed_json", "a number without digits");
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		if (!digits(c))
			return malformed(c, "malformed_json", "no digit behind the decimal point");
	}
	if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		if (!digits(c))
			return malformed(c, "malformed_json", "no digit in the exponent");
	}
	if (!number_parse((const char *)from, (size_t)(c->p - from), &v))
		return malformed(c, "malformed_json", "a number too large to be represented");
	return OK;
}

static enum status check_value(struct checker *c, unsigned depth);

static enum status
check_members(struct checker *c, unsigned depth)
{
	bool object = *c->p == '{';
	unsigned char close = object ? '}' : ']';
	enum status s;

	if (depth == JSON_MAX_DEPTH)
		return malformed(c, "too_deep", "nested too deeply");
	c->p++;
	skip_space(c);
	if (c->p < c->end && *c->p == close) {
		c->p++;
		return OK;
	}
	for (;;) {
		skip_space(c);
		if (object) {
			if (c->p == c->end || *c->p != '"')
				return malformed(c, "malformed_json", "expected a name in double quotes");
			if ((s = check_string(c)))
				return s;
			skip_space(c);
			if (c->p == c->end || *c->p != ':')
				return malformed(c, "malformed_json", "expected a colon behind the name");
			c->p++;
		}
		if ((s = check_value(c, depth + 1)))
			return s;
		skip_space(c);
		if (c->p < c->end && *c->p == close) {
			c->p++;
			return OK;
		}
		if (c->p == c->end || *c->p != ',')
			return malformed(c, "malformed_json",
				object ? "expected a comma or the closing brace"
				       : "expected a comma or the closing bracket");
		c->p++;
	}
}

static enum status
check_value(struct checker *c, unsigned depth)
{
	static const char *const words[] = {"true", "false", "null"};

	skip_space(c);
	if (c->p == c->end)
		return malformed(c, "malformed_json", "the text ends where a value is expected");
	if (*c->p == '{' || *c->p == '[')
		return check_members(c, depth);
	if (*c->p == '"')
		return check_string(c);
	if (*c->p == '-' || (*c->p >= '0' && *c->p <= '9'))
		return check_number(c);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (starts_with(c, words[i])) {
			c->p += strlen(words[i]);
			return OK;
		}
	}
	if (starts_with(c, "NaN") || starts_with(c, "nan"))
		return malformed(c, "malformed_json", "NaN is not JSON");
	if (starts_with(c, "Infinity") || starts_with(c, "inf"))
		return malformed(c, "malformed_json", "infinity is not JSON");
	return malformed(c, "malformed_json", "expected a value");
}

/* Names ----------------------------------------------------------------------------------------------------------- */

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
	cJSON_ArrayForEach(child, value) name[n++] = child->string;
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
	struct checker c = {.start = bytes, .p = bytes, .end = (const unsigned char *)bytes + n, .e = e};
	enum status s;
	cJSON *root;

	if (n >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3)) {
		c.p += 3;
		c.start = c.p;
	}
	skip_space(&c);
	if (c.p == c.end)
		return err_set(e, ERR_SYNTAX, "malformed_json", "the body is empty where a JSON object is expected");
	if ((s = check_value(&c, 0)))
		return s;
	skip_space(&c);
	if (c.p < c.end)
		return malformed(&c, "malformed_json", "more text behind the end of the value");
	root = cJSON_ParseWithLength((const char *)c.start, (size_t)(c.end - c.start));
	if (!root)
		return err_nomem(e); /* the text was checked: only memory can have failed */
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
json_type_name(const struct cJSON *value)
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
