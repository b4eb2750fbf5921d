/* err: see err.h. */
#include "engine/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status
err_set(struct err *e, enum status status, const char *code, const char *fmt, ...)
{
	va_list ap;

	e->status = status;
	e->code = code;
	e->line = 0;
	e->column[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	return status;
}

enum status
err_at(struct err *e, uint64_t line, const char *column)
{
	if (line)
		e->line = line;
	if (column)
		snprintf(e->column, sizeof e->column, "%s", column);
	return e->status;
}

enum status
err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof e->msg];
	va_list ap;
	int n;

	memcpy(old, e->msg, sizeof old);
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof e->msg)
		snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s", old);
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
