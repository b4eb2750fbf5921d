/*
 * multipart: see multipart.h.
 *
 * Parts end where CR LF "--" and the boundary come. A boundary has no CR, so of bytes that may be the beginning of one
 * only the last CR of a piece matters, and what was held back because of it is known without having been kept.
 */
#include "server/multipart.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/buf.h"
#include "server/http_route.h"

enum { MAX_BOUNDARY = 70, MAX_PART_HEADERS = 8 << 10, MAX_FIELD = 256 };

enum state {
	PREAMBLE,       /* before the first boundary: nobody's */
	AFTER_BOUNDARY, /* "--" ends the body, an end of line begins a part */
	HEADERS,
	DATA,
	EPILOGUE,
};

struct multipart {
	struct multipart_handler handler;
	enum state state;
	char delimiter[MAX_BOUNDARY + 5]; /* CR LF "--" boundary */
	size_t n_delimiter;
	size_t matched;  /* bytes of it that the last piece ended with */
	size_t ghost;    /* of these: the end of a line that came before, as no part of the data */
	struct buf line; /* of AFTER_BOUNDARY and HEADERS: what has come of the present line */
	size_t n_headers;
	char name[MAX_FIELD], type[96], charset[32];
};

static enum status
bad(struct err *e, const char *why)
{
	return err_set(e, ERR_SYNTAX, "bad_multipart", "the multipart/form-data body is broken: %s", why);
}

/*
 * The parameter `name` of a header's value, its quotes and backslashes undone; false: it is not there, or does not fit.
 * "form-data; name=\"a b\"; filename=x.csv"
 */
static bool
parameter(const char *value, const char *name, char *out, size_t size)
{
	size_t n_name = strlen(name);

	for (const char *at = value + strcspn(value, ";"); *at == ';';) {
		bool this_one, quoted;
		size_t n = 0;

		at += 1 + strspn(at + 1, " \t");
		this_one = !strncasecmp(at, name, n_name) && at[n_name] == '=';
		at += strcspn(at, "=;");
		if (*at != '=')
			continue;
		at++;
		quoted = *at == '"';
		for (at += quoted; *at && *at != (quoted ? '"' : ';'); at++) {
			if (quoted && *at == '\\' && at[1])
				at++;
			if (this_one && n + 1 >= size)
				return false;
			if (this_one)
				out[n++] = *at;
		}
		if (this_one) {
			while (!quoted && n && (out[n - 1] == ' ' || out[n - 1] == '\t'))
				n--;
			out[n] = '\0';
			return true;
		}
		at += strcspn(at, ";");
	}
	return false;
}

enum status
multipart_new(const char *content_type, const struct multipart_handler *handler, struct multipart **out, struct err *e)
{
	char boundary[MAX_BOUNDARY + 1];
	struct multipart *m;
	size_t n;

	if (!parameter(content_type, "boundary", boundary, sizeof boundary) || !(n = strlen(boundary)))
		return bad(e, "its Content-Type names no boundary of 1 to 70 characters");
	for (size_t i = 0; i < n; i++)
		if (boundary[i] < ' ' || boundary[i] > '~')
			return bad(e, "its boundary has a character that none may have");
	if (!(m = calloc(1, sizeof *m)))
		return err_nomem(e);
	m->handler = *handler;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary, n + 1);
	m->n_delimiter = n + 4;
	m->matched = m->ghost = 2; /* the first boundary may be the first thing of all */
	*out = m;
	return OK;
}

/* One line of a part's headers. */
static enum status
take_header(struct multipart *m, const char *line, struct err *e)
{
	const char *value = strchr(line, ':');
	char word[32], ignored[8];
	size_t n = value ? (size_t)(value - line) : 0;

	if (!value)
		return bad(e, "a header of a part has no colon");
	value += 1 + strspn(value + 1, " \t");
	if (n == 19 && !strncasecmp(line, "Content-Disposition", n)) {
		if (!parameter(value, "name", m->name, sizeof m->name) || !m->name[0])
			return bad(e, "a part has no name, or one of more than 255 bytes");
	} else if (n == 12 && !strncasecmp(line, "Content-Type", n)) {
		http_media_type(value, m->type, sizeof m->type, m->charset, sizeof m->charset);
	} else if (n == 25 && !strncasecmp(line, "Content-Transfer-Encoding", n)) {
		http_media_type(value, word, sizeof word, ignored, sizeof ignored);
		if (strcmp(word, "binary") != 0 && strcmp(word, "8bit") != 0 && strcmp(word, "7bit") != 0)
			return err_set(e, ERR_UNSUPPORTED, "unsupported_transfer_encoding",
				"a part comes with Content-Transfer-Encoding %.20s: send it as it is", word);
	}
	return OK;
}

/* The rest of a line of text, up to LF, is gathered in m->line; *whole: it is all there, its end cut off. */
static enum status
take_line(struct multipart *m, const char **p, size_t *n, bool *whole, struct err *e)
{
	const char *end = memchr(*p, '\n', *n);
	size_t len = end ? (size_t)(end - *p) : *n;

	m->n_headers += len;
	if (m->n_headers > MAX_PART_HEADERS)
		return bad(e, "the headers of a part are over 8 KiB");
	buf_put(&m->line, *p, len);
	*p += len + (end != NULL);
	*n -= len + (end != NULL);
	if ((*whole = end != NULL)) {
		while (m->line.len && m->line.data[m->line.len - 1] == '\r')
			m->line.len--;
		buf_put(&m->line, "", 1);
		if (!m->line.failed && memchr(m->line.data, '\0', m->line.len - 1))
			return bad(e, "a header of a part has a NUL character in it");
	}
	return buf_status(&m->line, e);
}

static enum status
after_boundary(struct multipart *m, const char **p, size_t *n, struct err *e)
{
	const char *text;
	bool whole;
	enum status s;

	if (m->line.len < 2 && **p == '-') { /* nothing need follow the last boundary, not even an end of line */
		buf_put(&m->line, "-", 1);
		++*p, --*n;
		if (m->line.len == 2 && !memcmp(m->line.data, "--", 2))
			m->state = EPILOGUE;
		return buf_status(&m->line, e);
	}
	if ((s = take_line(m, p, n, &whole, e)) || !whole)
		return s;
	text = (const char *)m->line.data;
	if (text[strspn(text, " \t")])
		return bad(e, "something follows a boundary on its line");
	buf_clear(&m->line);
	m->name[0] = m->type[0] = m->charset[0] = '\0';
	m->n_headers = 0;
	m->state = HEADERS;
	return OK;
}

static enum status
headers(struct multipart *m, const char **p, size_t *n, struct err *e)
{
	const struct multipart_part part = {.name = m->name, .type = m->type, .charset = m->charset};
	bool whole;
	enum status s;

	if ((s = take_line(m, p, n, &whole, e)) || !whole)
		return s;
	if (m->line.len > 1) {
		s = take_header(m, (const char *)m->line.data, e);
		buf_clear(&m->line);
		return s;
	}
	buf_clear(&m->line);
	if (!m->name[0])
		return bad(e, "a part has no Content-Disposition with a name");
	m->state = DATA;
	m->matched = m->ghost = 2; /* an empty part: the boundary follows its headers at once */
	return m->handler.part(m->handler.ctx, &part, e);
}

static enum status
emit(struct multipart *m, const char *bytes, size_t n, struct err *e)
{
	return m->state == DATA && n ? m->handler.data(m->handler.ctx, bytes, n, e) : OK;
}

static enum status
boundary_came(struct multipart *m, struct err *e)
{
	enum status s = m->state == DATA ? m->handler.end(m->handler.ctx, e) : OK;

	m->matched = m->ghost = m->n_headers = 0;
	m->state = AFTER_BOUNDARY;
	return s;
}

/* Of PREAMBLE and DATA: everything up to the next delimiter. */
static enum status
data(struct multipart *m, const char **p, size_t *n, struct err *e)
{
	const char *found, *tail;
	size_t held, last;
	enum status s;

	if (m->matched) {
		while (*n && m->matched < m->n_delimiter && **p == m->delimiter[m->matched])
			m->matched++, ++*p, --*n;
		if (m->matched == m->n_delimiter)
			return boundary_came(m, e);
		if (!*n)
			return OK;
		held = m->matched;
		last = m->ghost;
		m->matched = m->ghost = 0;
		return emit(m, m->delimiter + last, held - last, e); /* the next turn looks at the rest */
	}
	found = memmem(*p, *n, m->delimiter, m->n_delimiter);
	if (found) {
		if ((s = emit(m, *p, (size_t)(found - *p), e)))
			return s;
		*n -= (size_t)(found - *p) + m->n_delimiter;
		*p = found + m->n_delimiter;
		return boundary_came(m, e);
	}
	last = *n < m->n_delimiter - 1 ? *n : m->n_delimiter - 1;
	tail = memrchr(*p + *n - last, '\r', last);
	held = tail ? (size_t)(*p + *n - tail) : 0;
	if (held && memcmp(tail, m->delimiter, held) != 0)
		held = 0;
	if ((s = emit(m, *p, *n - held, e)))
		return s;
	m->matched = held;
	*p += *n;
	*n = 0;
	return OK;
}

enum status
multipart_feed(struct multipart *m, const void *bytes, size_t n, struct err *e)
{
	const char *p = bytes;
	enum status s = OK;

	while (n && !s) {
		switch (m->state) {
		case PREAMBLE:
		case DATA:
			s = data(m, &p, &n, e);
			break;
		case AFTER_BOUNDARY:
			s = after_boundary(m, &p, &n, e);
			break;
		case HEADERS:
			s = headers(m, &p, &n, e);
			break;
		case EPILOGUE:
			n = 0;
		}
	}
	return s;
}

enum status
multipart_finish(const struct multipart *m, struct err *e)
{
	return m->state == EPILOGUE ? OK : bad(e, "it ends before its last boundary");
}

void
multipart_free(struct multipart *m)
{
	if (!m)
		return;
	buf_release(&m->line);
	free(m);
}
