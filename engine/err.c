/* err: see err.h. */
#include "engine/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copies what fits, and never half a UTF-8 character. dst has `size` bytes. */
static void
copy_cut(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (n >= size) {
		n = size - 1;
		while (n && ((unsigned char)src[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(dst, src, n);
	dst[n] = '\0';
}

enum status
err_set(struct err *e, enum status status, const char *code, const char *fmt, ...)
{
	char text[2 * sizeof e->msg]; /* an argument may be e->msg itself */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	e->status = status;
	e->code = code;
	e->line = 0;
	e->column[0] = '\0';
	copy_cut(e->msg, sizeof e->msg, text);
	return status;
}

enum status
err_at(struct err *e, uint64_t line, const char *column)
{
	if (line)
		e->line = line;
	if (column)
		copy_cut(e->column, sizeof e->column, column);
	return e->status;
}

enum status
err_prefix(struct err *e, const char *fmt, ...)
{
	char text[2 * sizeof e->msg];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof e->msg - 2, fmt, ap);
	va_end(ap);
	if (n < 0)
		return e->status;
	strcat(strcat(text, ": "), e->msg);
	copy_cut(e->msg, sizeof e->msg, text);
	return e->status;
}

enum status
err_nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out_of_memory", "out of memory");
}

enum status
size_mul(size_t a, size_t b, size_t *out, struct err *e)
{
	if (__builtin_mul_overflow(a, b, out))
		return err_set(e, ERR_TOO_LARGE, "too_large", "a size of %zu times %zu does not fit in memory", a, b);
	return OK;
}
