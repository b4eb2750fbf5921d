/*
 * json: reading control messages strictly, and text on its way into JSON.
 *
 * cJSON alone is lenient (trailing bytes, leading zeros, 1e999, \u0000, names without regard to case), so every text is
 * checked by schema/json_read first and parsed only then. Row data does not come through here: it is read by json_read
 * alone. Thread rule: pure functions.
 */
#ifndef VERAD_SERVER_JSON_H
#define VERAD_SERVER_JSON_H

#include "engine/buf.h"

struct cJSON;

/* One JSON object and nothing behind it into *out (owned, cJSON_Delete). ERR_SYNTAX "malformed_json" says what is wrong
 * and where; a name given twice in one object is "duplicate_name"; ERR_DATA "number_out_of_range". */
enum status json_parse(const void *bytes, size_t n, struct cJSON **out, struct err *e);

/* The member called exactly `name`; NULL when there is none, or when `object` is no object. */
const struct cJSON *json_member(const struct cJSON *object, const char *name);

/* ERR_INVALID "unknown_field" for the first member whose name is not among known[n], with the nearest that is. `what`
 * names the object in the message. */
enum status json_only(const struct cJSON *object, const char *what, const char *const *known, size_t n, struct err *e);

const char *json_kind(const struct cJSON *value); /* "a number", "an object", …: for messages */

/* `text` as a JSON string with its quotes; bytes that are not UTF-8 (a message cut in mid-character) become U+FFFD. */
void json_escape(struct buf *out, const char *text);

enum { TIMESTAMP_SIZE = 32 };
/* Seconds since the epoch as RFC 3339 in UTC, to the millisecond: "2026-11-23T13:51:54.123Z". Returns `out`. */
const char *timestamp(double seconds, char out[TIMESTAMP_SIZE]);

#endif
