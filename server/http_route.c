/* http_route: see http_route.h; here too are the problem details, http.h's http_status_of and http_problem. */
#include "server/http_route.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "engine/suggest.h"
#include "server/json.h"
#include "server/log.h"
#include "server/monotonic.h"

/* Matching -------------------------------------------------------------------------------------------------------- */

static bool
path_matches(
	const char *pattern, const char *path, size_t first[HTTP_MAX_PATH_PARAMS], size_t len[HTTP_MAX_PATH_PARAMS])
{
	const char *start = path;
	size_t n = 0;

	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		pattern += strcspn(pattern, "}") + 1;
		first[n] = (size_t)(path - start);
		len[n] = strcspn(path, "/");
		if (!len[n])
			return false;
		path += len[n++];
	}
	return !*path;
}

static void
add_method(char *allow, size_t size, const char *method)
{
	size_t used = strlen(allow);

	snprintf(allow + used, size - used, "%s%s", used ? ", " : "", method);
	if (!strcmp(method, "GET"))
		add_method(allow, size, "HEAD");
}

void
http_match(const struct http_route *routes, size_t n, const char *method, const char *path, struct http_match *out)
{
	size_t first[HTTP_MAX_PATH_PARAMS], len[HTTP_MAX_PATH_PARAMS];

	memset(out, 0, sizeof *out);
	if (strlen(path) >= sizeof out->text)
		return;
	if (!strcmp(method, "HEAD"))
		method = "GET";
	for (size_t i = 0; i < n; i++) {
		memset(len, 0, sizeof len);
		if (!path_matches(routes[i].path, path, first, len))
			continue;
		add_method(out->allow, sizeof out->allow, routes[i].method);
		if (strcmp(routes[i].method, method))
			continue;
		out->route = &routes[i];
		strcpy(out->text, path);
		for (size_t k = 0; k < HTTP_MAX_PATH_PARAMS && len[k]; k++) {
			out->path_param[k] = out->text + first[k];
			out->text[first[k] + len[k]] = '\0';
		}
	}
}

/* Header values --------------------------------------------------------------------------------------------------- */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void
copy_lower(char *to, size_t size, const char *from, size_t n)
{
	size_t i = 0;

	while (n && (from[n - 1] == ' ' || from[n - 1] == '\t'))
		n--;
	for (; i < n && i + 1 < size; i++)
		to[i] = lower(from[i]);
	to[i] = '\0';
}

void
http_media_type(const char *value, char *type, size_t type_size, char *charset, size_t charset_size)
{
	char name[16];

	charset[0] = '\0';
	value += strspn(value, " \t");
	copy_lower(type, type_size, value, strcspn(value, ";"));
	for (value += strcspn(value, ";"); *value; value += strcspn(value, ";")) {
		size_t equals;

		value++;
		value += strspn(value, " \t");
		equals = strcspn(value, "=;");
		copy_lower(name, sizeof name, value, equals);
		if (value[equals] != '=' || strcmp(name, "charset"))
			continue;
		value += equals + 1;
		if (*value == '"')
			copy_lower(charset, charset_size, value + 1, strcspn(value + 1, "\""));
		else
			copy_lower(charset, charset_size, value, strcspn(value, ";"));
	}
}

bool
http_etag_listed(const char *list, const char *etag, bool strong)
{
	size_t n = strlen(etag);

	for (list += strspn(list, " \t,"); *list; list += strspn(list, " \t,")) {
		bool weak = !strncmp(list, "W/", 2);
		const char *tag = list + (weak ? 2 : 0);
		size_t len;

		if (*list == '*')
			return true;
		if (*tag != '"')
			return false;
		len = strcspn(tag + 1, "\"") + 2;
		if (len == n && !strncmp(tag, etag, n) && !(weak && strong))
			return true;
		list = tag + strnlen(tag, len);
	}
	return false;
}

/* Digits alone, and as large a number as fits where there are more of them. */
static const char *
read_position(const char *text, uint64_t *out)
{
	*out = 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		*out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
	}
	return text;
}

enum http_range
http_range(const char *value, uint64_t size, uint64_t *first, uint64_t *n)
{
	uint64_t from, to;
	const char *dash, *end;

	if (strncasecmp(value, "bytes=", 6))
		return RANGE_NONE;
	value += 6;
	dash = read_position(value, &from);
	if (*dash != '-')
		return RANGE_NONE;
	end = read_position(dash + 1, &to);
	if (*end || (dash == value && end == dash + 1))
		return RANGE_NONE;
	if (dash == value) { /* the last so many */
		if (!to || !size)
			return RANGE_OUTSIDE;
		*n = to < size ? to : size;
		*first = size - *n;
		return RANGE_PART;
	}
	if (end == dash + 1)
		to = UINT64_MAX;
	if (to < from)
		return RANGE_NONE;
	if (from >= size)
		return RANGE_OUTSIDE;
	*first = from;
	*n = (to < size ? to + 1 : size) - from;
	return RANGE_PART;
}

bool
http_is_token(const char *text, size_t n)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			(!c || !strchr(others, c)))
			return false;
	}
	return n > 0;
}

/* Ids of requests: none twice in a process, since both the odd step and the spreading are one to one, and two processes
 * begin apart. They are no secrets. */
static pthread_once_t id_seeded = PTHREAD_ONCE_INIT;
static uint64_t id_seed;
static _Atomic uint64_t ids_given;

static void
seed_ids(void)
{
	if (getrandom(&id_seed, sizeof id_seed, GRND_NONBLOCK) != sizeof id_seed)
		id_seed = monotonic_ms() ^ (uint64_t)(uintptr_t)&id_seed; /* early at boot: unique enough for a log */
}

/* The finaliser of splitmix64. */
static uint64_t
spread(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void
http_request_id(const char *given, char out[HTTP_REQUEST_ID_SIZE])
{
	static const char sane[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	static const char hex[] = "0123456789abcdef";
	size_t n = given ? strlen(given) : 0;
	uint64_t id;

	if (n && n < HTTP_REQUEST_ID_SIZE && strspn(given, sane) == n) {
		memcpy(out, given, n + 1);
		return;
	}
	pthread_once(&id_seeded, seed_ids);
	id = spread(id_seed + atomic_fetch_add_explicit(&ids_given, 1, memory_order_relaxed) * 0x9e3779b97f4a7c15u);
	for (n = 0; n < 16; n++)
		out[n] = hex[id >> (60 - 4 * n) & 15];
	out[n] = '\0';
}

void
http_trace_id(const char *traceparent, char out[33])
{
	static const char hex[] = "0123456789abcdef";
	static const size_t lengths[] = {2, 32, 16, 2}; /* version, trace id, parent id, flags */
	const char *at = traceparent;

	out[0] = '\0';
	if (!traceparent)
		return;
	for (size_t i = 0; i < 4; i++) {
		if (strspn(at, hex) != lengths[i])
			return;
		at += lengths[i];
		/* a later version may have more behind */
		if (i < 3 ? *at++ != '-' : *at && (*at != '-' || !strncmp(traceparent, "00", 2)))
			return;
	}
	if (!strncmp(traceparent, "ff", 2) || strspn(traceparent + 3, "0") >= 32)
		return;
	memcpy(out, traceparent + 3, 32);
	out[32] = '\0';
}

enum status
http_unknown_query(const struct http_route *route, const char *name, struct err *e)
{
	struct buf known = {0};
	const char *nearest;
	enum status s;
	size_t n = 0;

	while (route->query && route->query[n])
		n++;
	nearest = n ? suggest_nearest(name, route->query, n) : NULL;
	for (size_t i = 0; i < n; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", route->query[i]);
	if (nearest)
		s = err_set(e, ERR_SYNTAX, "unknown_query_parameter",
			"%s %s has no query parameter \"%.60s\"; did you mean \"%s\"?", route->method, route->path,
			name, nearest);
	else if (known.len && !known.failed)
		s = err_set(e, ERR_SYNTAX, "unknown_query_parameter",
			"%s %s has no query parameter \"%.60s\"; there are: %s", route->method, route->path, name,
			(const char *)known.data);
	else
		s = err_set(e, ERR_SYNTAX, "unknown_query_parameter", "%s %s has no query parameters, so not \"%.60s\"",
			route->method, route->path, name);
	buf_release(&known);
	return s;
}

/* Problem details ------------------------------------------------------------------------------------------------- */

static const struct phrase {
	int status;
	const char *text;
} phrases[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{409, "Conflict"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{422, "Unprocessable Content"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{503, "Service Unavailable"},
	{507, "Insufficient Storage"},
};

const char *
http_status_phrase(int status)
{
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
		if (phrases[i].status == status)
			return phrases[i].text;
	}
	return "Unknown";
}

/* Where a code says more than its status. */
static const struct exception {
	const char *code;
	int status;
} exceptions[] = {
	{"method_not_allowed", 405},
	{"length_required", 411},
	{"headers_too_large", 431},
	{"range_not_satisfiable", 416},
	{"version_mismatch", 412},
	{"queue_full", 429},
	{"no_api_key", 401},
	{"bad_api_key", 401},
	{"missing_scope", 403},
	{"cross_site", 403},
	{"unknown_cursor", 400},
};

int
http_status_of(const struct err *e)
{
	for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++) {
		if (!strcmp(exceptions[i].code, e->code))
			return exceptions[i].status;
	}
	switch (e->status) {
	case ERR_SYNTAX:
		return 400;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_UNSUPPORTED:
		return 415;
	case ERR_INVALID:
	case ERR_DATA:
		return 422;
	case ERR_BUSY:
	case ERR_NOMEM:
		return 503;
	case ERR_FULL:
		return 507;
	case OK:
	case ERR_CANCELLED:
	case ERR_DIVERGED:
	case ERR_CORRUPT:
	case ERR_IO:
	case ERR_INTERNAL:
		break;
	}
	return 500;
}

/* All of a problem but its body; returns what may be said of it. */
static const char *
begin_problem(const struct err *e, const struct http_request *r, struct http_reply *reply)
{
	int status = http_status_of(e);
	const char *detail = e->msg;

	if (status >= 500)
		log_event(status == 503 ? LOG_WARNING : LOG_ERROR, "request failed", "code", e->code, "detail", e->msg,
			"method", r->method, "path", r->path, "request_id", r->request_id, NULL);
	if (status == 500)
		detail = "something went wrong inside the server; its log has the details under this request_id";
	reply->status = status;
	if (status == 429 || status == 503)
		reply->retry_after = status == 429 ? 10 : 1;
	if (status == 401)
		snprintf(reply->authenticate, sizeof reply->authenticate, "Bearer realm=\"verad\"%s",
			strcmp(e->code, "no_api_key") ? ", error=\"invalid_token\"" : "");
	buf_clear(&reply->body);
	return detail;
}

void
http_plain_problem(const struct err *e, const struct http_request *r, struct http_reply *reply)
{
	const char *detail = begin_problem(e, r, reply);
	struct buf text = {0}, *b = &reply->body;

	reply->content_type = "application/json";
	buf_printf(&text, "%s: %s", e->code, detail);
	buf_put_u8(&text, 0);
	buf_puts(b, "{\"error\":");
	json_escape(b, text.failed ? e->code : (const char *)text.data);
	buf_puts(b, "}\n");
	buf_release(&text);
	if (b->failed)
		buf_release(b);
}

void
http_problem(const struct err *e, const struct http_request *r, struct http_reply *reply)
{
	const char *detail = begin_problem(e, r, reply);
	struct buf *b = &reply->body;
	int status = reply->status;

	reply->content_type = "application/problem+json";
	buf_printf(b, "{\"type\":\"urn:verad:error:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":", e->code,
		http_status_phrase(status), status);
	json_escape(b, detail);
	buf_printf(b, ",\"code\":\"%s\",\"request_id\":", e->code);
	json_escape(b, r->request_id);
	if (r->trace_id[0])
		buf_printf(b, ",\"trace_id\":\"%s\"", r->trace_id);
	if (e->line || e->column[0]) {
		buf_puts(b, ",\"errors\":[{");
		if (e->line)
			buf_printf(b, "\"line\":%llu,", (unsigned long long)e->line);
		if (e->column[0]) {
			buf_puts(b, "\"column\":");
			json_escape(b, e->column);
			buf_puts(b, ",");
		}
		buf_printf(b, "\"code\":\"%s\",\"message\":", e->code);
		json_escape(b, detail);
		buf_puts(b, "}]");
	}
	buf_puts(b, "}\n");
	if (b->failed) /* without memory the status line has to do */
		buf_release(b);
}
