/*
 * json_build: cJSON trees built with sticky failure, so that a long report is checked once, at its end.
 *
 * A number that is not finite becomes null: no NaN and no infinity ever leaves. `to` NULL means that its making failed
 * earlier: the item is dropped and the failure noted. Thread rule: plain values.
 */
#ifndef VERAD_SERVER_JSON_BUILD_H
#define VERAD_SERVER_JSON_BUILD_H

#include <stdbool.h>

#include "engine/err.h"

struct cJSON;

struct json_build { /* {0} before the first call */
	bool failed;
};

struct cJSON *json_object(struct json_build *b); /* a root, owned by the caller; NULL when out of memory */

/* Members of an object; the new ones are borrowed from `to`. json_put takes over `item`, also when it fails. */
void json_put(struct json_build *b, struct cJSON *to, const char *name, struct cJSON *item);
struct cJSON *json_put_object(struct json_build *b, struct cJSON *to, const char *name);
struct cJSON *json_put_array(struct json_build *b, struct cJSON *to, const char *name);
void json_put_number(struct json_build *b, struct cJSON *to, const char *name, double v);
void json_put_count(struct json_build *b, struct cJSON *to, const char *name, size_t v);
void json_put_text(struct json_build *b, struct cJSON *to, const char *name, const char *text); /* NULL: null */
void json_put_bool(struct json_build *b, struct cJSON *to, const char *name, bool v);
void json_put_null(struct json_build *b, struct cJSON *to, const char *name);

/* Items of an array. */
struct cJSON *json_add_object(struct json_build *b, struct cJSON *to);
struct cJSON *json_add_array(struct json_build *b, struct cJSON *to);
void json_add_number(struct json_build *b, struct cJSON *to, double v);
void json_add_text(struct json_build *b, struct cJSON *to, const char *text);

/* The tree as compact text into *out (owned, free()); deletes the tree in any case. */
enum status json_finish(struct json_build *b, struct cJSON *root, char **out, struct err *e);

#endif
