/*
 * log: see log.h. A line is built in memory and leaves in one write, under a mutex, so that lines of several threads
 * do not mix, not even in a pipe. A text line has no time of its own: a terminal needs none, and the journal and
 * container engines add it; JSON lines carry theirs.
 */
#include "server/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/json.h"

static const char *const level_names[] = {"debug", "info", "warning", "error"};

/* Set once, before other threads start. */
static enum log_level least_level = LOG_INFO;
static enum log_format line_format = LOG_TEXT;

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* of standard error */

void
log_setup(enum log_level least, enum log_format format)
{
	least_level = least;
	line_format = format;
}

static bool
is_bare(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("-_./:[]{}@%+,", c));
}

/* A bare word stands as it is; anything else is quoted, so that a value cannot pass for another key or line. */
static void
put_value(struct buf *line, const char *value)
{
	size_t n = 0;

	while (is_bare((unsigned char)value[n]))
		n++;
	if (n && !value[n])
		buf_put(line, value, n);
	else
		json_escape(line, value);
}

static void
put_text(struct buf *line, enum log_level level, const char *message, va_list pairs)
{
	const char *key;

	buf_puts(line, "verad: ");
	if (level != LOG_INFO)
		buf_printf(line, "%s: ", level_names[level]);
	for (const char *p = message; *p; p++)
		buf_put_u8(line, (unsigned char)*p < 0x20 ? ' ' : (unsigned char)*p);
	while ((key = va_arg(pairs, const char *))) {
		const char *value = va_arg(pairs, const char *);

		buf_put(line, " ", 1);
		buf_puts(line, key);
		buf_put(line, "=", 1);
		put_value(line, value ? value : "");
	}
}

/* What a program would compare or add up is a number in JSON. */
static bool
is_number(const char *key, const char *value)
{
	static const char *const counts[] = {"status", "bytes", "received", "ms", "attempt"};

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		if (!strcmp(counts[i], key))
			return *value >= '0' && *value <= '9' && strspn(value, "0123456789.") == strlen(value);
	}
	return false;
}

static void
put_json(struct buf *line, enum log_level level, const char *message, va_list pairs)
{
	char time_text[TIMESTAMP_SIZE];
	struct timespec now;
	const char *key;

	clock_gettime(CLOCK_REALTIME, &now);
	timestamp((double)now.tv_sec + (double)now.tv_nsec * 1e-9, time_text);
	buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", time_text, level_names[level]);
	json_escape(line, message);
	while ((key = va_arg(pairs, const char *))) {
		const char *value = va_arg(pairs, const char *);

		buf_put(line, ",", 1);
		json_escape(line, key);
		buf_put(line, ":", 1);
		if (value && is_number(key, value))
			buf_puts(line, value);
		else
			json_escape(line, value ? value : "");
	}
	buf_put(line, "}", 1);
}

/* Nobody is left to tell when standard error fails, so failures end the attempt. */
static void
write_all(const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t done = write(STDERR_FILENO, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		p += done;
		n -= (size_t)done;
	}
}

void
log_event(enum log_level level, const char *message, ...)
{
	static const char no_memory[] = "verad: error: out of memory while logging\n";
	struct buf line = {0};
	int saved = errno;
	va_list pairs;

	if (level < least_level)
		return;
	buf_reserve(&line, 512); /* what most take, at once */
	va_start(pairs, message);
	if (line_format == LOG_JSON)
		put_json(&line, level, message, pairs);
	else
		put_text(&line, level, message, pairs);
	va_end(pairs);
	buf_put(&line, "\n", 1);
	pthread_mutex_lock(&writing);
	if (line.failed)
		write_all((const unsigned char *)no_memory, sizeof no_memory - 1);
	else
		write_all(line.data, line.len);
	pthread_mutex_unlock(&writing);
	buf_release(&line);
	errno = saved;
}
