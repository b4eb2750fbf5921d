/* json_read: see json_read.h. What may come next is one of six states; the nesting is a word of bits. */
#include "schema/json_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schema/table.h"
#include "schema/utf8.h"

enum expect {
	A_VALUE,
	A_VALUE_OR_END, /* just behind '[' */
	A_KEY,
	A_KEY_OR_END, /* just behind '{' */
	A_COMMA_OR_END,
	NOTHING,
};

const char *
json_type_name(enum json_type t)
{
	static const char *const name[] = {"the end", "an object", "the end of an object", "an array",
		"the end of an array", "a name", "a string", "a number", "true", "false", "null"};

	return name[t];
}

void
json_reader_init(struct json_reader *r, const void *bytes, size_t n)
{
	*r = (struct json_reader){.start = bytes, .expect = A_VALUE};
	r->at = r->start;
	r->end = r->start + n;
	if (n >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3))
		r->at += 3;
}

void
json_reader_release(struct json_reader *r)
{
	buf_release(&r->text);
	memset(r, 0, sizeof *r);
}

/* Counted only now that somebody wants to know it. */
static unsigned long long
line_of(const struct json_reader *r, const unsigned char *at, unsigned long long *byte)
{
	const unsigned char *line_start = r->start;
	unsigned long long line = 1;

	for (const unsigned char *p = r->start; p < at; p++) {
		if (*p == '\n') {
			line++;
			line_start = p + 1;
		}
	}
	*byte = (unsigned long long)(at - line_start) + 1;
	return line;
}

static enum status __attribute__((format(printf, 4, 5)))
malformed(const struct json_reader *r, const unsigned char *at, struct err *e, const char *fmt, ...)
{
	unsigned long long byte, line = line_of(r, at, &byte);
	char what[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	err_set(e, ERR_SYNTAX, "malformed_json", "malformed JSON at line %llu, byte %llu: %s", line, byte, what);
	return err_at(e, line, NULL);
}

static const char *
expected(const struct json_reader *r)
{
	bool in_object = r->depth && (r->in_object >> (r->depth - 1) & 1);

	switch ((enum expect)r->expect) {
	case A_VALUE:
		return "a value";
	case A_VALUE_OR_END:
		return "a value or ']'";
	case A_KEY:
		return "a name in quotes";
	case A_KEY_OR_END:
		return "a name in quotes or '}'";
	case A_COMMA_OR_END:
		return in_object ? "',' or '}'" : "',' or ']'";
	case NOTHING:
		return "nothing more";
	}
	return "";
}

static enum status
unexpected(const struct json_reader *r, struct err *e)
{
	static const char *const not_json[] = {"NaN", "nan", "NAN", "Infinity", "-Infinity", "inf", "-inf", "-NaN",
		"None", "undefined", "True", "False"};
	size_t left = (size_t)(r->end - r->at), len = utf8_length(r->at, left);

	if (!left)
		return malformed(r, r->at, e, "it ends where %s should follow", expected(r));
	if (r->expect == NOTHING)
		return malformed(r, r->at, e, "there is more behind the end of the value");
	for (size_t i = 0; i < sizeof not_json / sizeof *not_json; i++) {
		size_t n = strlen(not_json[i]);

		if (n <= left && !memcmp(r->at, not_json[i], n))
			return malformed(r, r->at, e, "%s is not JSON; write %s", not_json[i],
				i >= 10 ? (i == 10 ? "true" : "false") : "null for a missing value");
	}
	if (!len || *r->at < 0x20 || *r->at == 0x7f)
		return malformed(r, r->at, e, "%s should follow, not a byte 0x%02x", expected(r), *r->at);
	return malformed(r, r->at, e, "%s should follow, not '%.*s'", expected(r), (int)len, (const char *)r->at);
}

static void
skip_spaces(struct json_reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static void
value_done(struct json_reader *r)
{
	r->expect = r->depth ? A_COMMA_OR_END : NOTHING;
}

static bool
read_hex4(struct json_reader *r, uint32_t *out)
{
	*out = 0;
	if (r->end - r->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		unsigned char c = *r->at++;
		unsigned digit = c - '0';

		if (digit > 9) {
			digit = (c | 0x20u) - 'a' + 10;
			if (digit < 10 || digit > 15)
				return false;
		}
		*out = *out << 4 | digit;
	}
	return true;
}

/* at is behind the \u. */
static enum status
read_code_point(struct json_reader *r, struct err *e)
{
	const unsigned char *escape = r->at - 2;
	unsigned char bytes[4];
	uint32_t c, low;

	if (!read_hex4(r, &c))
		return malformed(r, escape, e, "\\u needs four hexadecimal digits");
	if (c >= 0xd800 && c < 0xdc00) {
		if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
			return malformed(r, escape, e, "half a surrogate pair");
		r->at += 2;
		if (!read_hex4(r, &low) || low < 0xdc00 || low > 0xdfff)
			return malformed(r, escape, e, "half a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c < 0xe000) {
		return malformed(r, escape, e, "half a surrogate pair");
	}
	if (!c)
		return malformed(r, escape, e, "\\u0000 cannot be part of a text");
	buf_put(&r->text, bytes, utf8_encode(c, bytes));
	return OK;
}

/* at is behind the backslash. */
static enum status
read_escape(struct json_reader *r, struct err *e)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *which;

	if (r->at == r->end)
		return malformed(r, r->at, e, "it ends within a string");
	if (*r->at == 'u') {
		r->at++;
		return read_code_point(r, e);
	}
	which = *r->at ? strchr(from, *r->at) : NULL;
	if (!which)
		return malformed(r, r->at - 1, e, "an escape that JSON does not have");
	buf_put_u8(&r->text, (uint8_t)to[which - from]);
	r->at++;
	return OK;
}

/* at is on the opening quote. */
static enum status
read_string(struct json_reader *r, struct json_token *t, struct err *e)
{
	enum status s;

	buf_clear(&r->text);
	for (r->at++;;) {
		const unsigned char *run = r->at;
		size_t len;

		while (r->at < r->end && *r->at >= 0x20 && *r->at < 0x80 && *r->at != '"' && *r->at != '\\')
			r->at++;
		buf_put(&r->text, run, (size_t)(r->at - run));
		if (r->at == r->end)
			return malformed(r, r->at, e, "it ends within a string");
		if (*r->at == '"')
			break;
		if (*r->at == '\\') {
			r->at++;
			if ((s = read_escape(r, e)))
				return s;
			continue;
		}
		if (*r->at < 0x20)
			return malformed(r, r->at, e, "a byte 0x%02x within a string must be escaped", *r->at);
		len = utf8_length(r->at, (size_t)(r->end - r->at));
		if (!len)
			return malformed(r, r->at, e, "a byte 0x%02x that is not UTF-8", *r->at);
		buf_put(&r->text, r->at, len);
		r->at += len;
	}
	r->at++;
	buf_put_u8(&r->text, 0);
	if ((s = buf_status(&r->text, e)))
		return s;
	t->text = (const char *)r->text.data;
	t->len = r->text.len - 1;
	return OK;
}

static size_t
skip_digits(struct json_reader *r)
{
	const unsigned char *from = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - from);
}

static enum status
out_of_range(const struct json_reader *r, const unsigned char *from, struct err *e)
{
	unsigned long long byte, line = line_of(r, from, &byte);
	bool is_long = r->at - from > 40;

	err_set(e, ERR_DATA, "number_out_of_range",
		"JSON at line %llu, byte %llu: %.*s%s is out of the range of numbers", line, byte,
		is_long ? 40 : (int)(r->at - from), (const char *)from, is_long ? "..." : "");
	return err_at(e, line, NULL);
}

static enum status
read_number(struct json_reader *r, struct json_token *t, struct err *e)
{
	const unsigned char *from = r->at;
	size_t whole;

	if (*r->at == '-')
		r->at++;
	if (r->at < r->end && (*r->at == 'I' || *r->at == 'N' || *r->at == 'i' || *r->at == 'n')) {
		r->at = from;
		return unexpected(r, e);
	}
	whole = skip_digits(r);
	if (!whole)
		return malformed(r, r->at, e, "a number needs a digit here");
	if (whole > 1 && r->at[-(ptrdiff_t)whole] == '0')
		return malformed(r, from, e, "a number must not begin with a zero");
	if (r->at < r->end && *r->at == '.') {
		r->at++;
		if (!skip_digits(r))
			return malformed(r, r->at, e, "a number needs a digit behind its point");
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		if (!skip_digits(r))
			return malformed(r, r->at, e, "a number needs a digit in its exponent");
	}
	if (!number_parse((const char *)from, (size_t)(r->at - from), &t->number))
		return out_of_range(r, from, e);
	t->type = JSON_NUMBER;
	return OK;
}

static bool
take_word(struct json_reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n))
		return false;
	r->at += n;
	return true;
}

static enum status
open_level(struct json_reader *r, bool object, struct err *e)
{
	uint64_t bit;

	if (r->depth == JSON_MAX_DEPTH)
		return malformed(r, r->at, e, "more than %d levels of nesting", JSON_MAX_DEPTH);
	bit = UINT64_C(1) << r->depth;
	r->in_object = object ? r->in_object | bit : r->in_object & ~bit;
	r->depth++;
	r->expect = object ? A_KEY_OR_END : A_VALUE_OR_END;
	r->at++;
	return OK;
}

static enum status
read_value(struct json_reader *r, struct json_token *t, struct err *e)
{
	enum status s;

	switch (*r->at) {
	case '{':
		t->type = JSON_OBJECT;
		return open_level(r, true, e);
	case '[':
		t->type = JSON_ARRAY;
		return open_level(r, false, e);
	case '"':
		t->type = JSON_STRING;
		s = read_string(r, t, e);
		break;
	case 't':
		t->type = JSON_TRUE;
		s = take_word(r, "true") ? OK : unexpected(r, e);
		break;
	case 'f':
		t->type = JSON_FALSE;
		s = take_word(r, "false") ? OK : unexpected(r, e);
		break;
	case 'n':
		t->type = JSON_NULL;
		s = take_word(r, "null") ? OK : unexpected(r, e);
		break;
	default:
		if (*r->at != '-' && (*r->at < '0' || *r->at > '9'))
			return unexpected(r, e);
		s = read_number(r, t, e);
	}
	if (!s)
		value_done(r);
	return s;
}

static enum status
read_key(struct json_reader *r, struct json_token *t, struct err *e)
{
	enum status s;

	t->type = JSON_KEY;
	if ((s = read_string(r, t, e)))
		return s;
	skip_spaces(r);
	if (r->at == r->end || *r->at != ':')
		return malformed(r, r->at, e, "':' should follow the name \"%.*s\"", (int)text_cut(t->text, t->len, 60),
			t->text);
	r->at++;
	r->expect = A_VALUE;
	return OK;
}

enum status
json_next(struct json_reader *r, struct json_token *t, struct err *e)
{
	bool in_object;

	*t = (struct json_token){.type = JSON_END};
	skip_spaces(r);
	if (r->at == r->end)
		return r->expect == NOTHING ? OK : unexpected(r, e);
	if (r->expect == NOTHING)
		return unexpected(r, e);
	in_object = r->depth && (r->in_object >> (r->depth - 1) & 1);
	if (*r->at == (in_object ? '}' : ']') && r->depth && r->expect != A_VALUE && r->expect != A_KEY) {
		r->at++;
		r->depth--;
		t->type = in_object ? JSON_OBJECT_END : JSON_ARRAY_END;
		value_done(r);
		return OK;
	}
	if (r->expect == A_COMMA_OR_END) {
		if (*r->at != ',')
			return unexpected(r, e);
		r->at++;
		r->expect = in_object ? A_KEY : A_VALUE;
		skip_spaces(r);
		if (r->at == r->end)
			return unexpected(r, e);
	}
	if (r->expect == A_KEY || r->expect == A_KEY_OR_END)
		return *r->at == '"' ? read_key(r, t, e) : unexpected(r, e);
	return read_value(r, t, e);
}

enum status
json_skip(struct json_reader *r, const struct json_token *first, struct err *e)
{
	unsigned outside = r->depth - 1;
	struct json_token t;
	enum status s;

	if (first->type != JSON_OBJECT && first->type != JSON_ARRAY)
		return OK;
	while (r->depth != outside) {
		if ((s = json_next(r, &t, e)))
			return s;
	}
	return OK;
}

enum status
json_check_object(const void *bytes, size_t n, struct err *e)
{
	struct json_reader r;
	struct json_token t;
	enum status s;

	json_reader_init(&r, bytes, n);
	s = json_next(&r, &t, e);
	if (!s && t.type != JSON_OBJECT)
		s = malformed(&r, r.start, e, "%s where an object should be", json_type_name(t.type));
	if (!s)
		s = json_skip(&r, &t, e);
	if (!s)
		s = json_next(&r, &t, e);
	json_reader_release(&r);
	return s;
}
