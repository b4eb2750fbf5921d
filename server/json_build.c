/* json_build: see json_build.h. */
#include "server/json_build.h"

#include <cjson/cJSON.h>
#include <math.h>

struct cJSON *
json_object(struct json_build *b)
{
	cJSON *root = cJSON_CreateObject();

	if (!root)
		b->failed = true;
	return root;
}

void
json_put(struct json_build *b, struct cJSON *to, const char *name, struct cJSON *item)
{
	if (!item || !cJSON_AddItemToObject(to, name, item)) {
		cJSON_Delete(item);
		b->failed = true;
	}
}

static void
add(struct json_build *b, struct cJSON *to, struct cJSON *item)
{
	if (!item || !cJSON_AddItemToArray(to, item)) {
		cJSON_Delete(item);
		b->failed = true;
	}
}

static cJSON *
number(double v)
{
	return isfinite(v) ? cJSON_CreateNumber(v) : cJSON_CreateNull();
}

static cJSON *
text_or_null(const char *text)
{
	return text ? cJSON_CreateString(text) : cJSON_CreateNull();
}

struct cJSON *
json_put_object(struct json_build *b, struct cJSON *to, const char *name)
{
	cJSON *item = to ? cJSON_AddObjectToObject(to, name) : NULL;

	if (!item)
		b->failed = true;
	return item;
}

struct cJSON *
json_put_array(struct json_build *b, struct cJSON *to, const char *name)
{
	cJSON *item = to ? cJSON_AddArrayToObject(to, name) : NULL;

	if (!item)
		b->failed = true;
	return item;
}

void
json_put_number(struct json_build *b, struct cJSON *to, const char *name, double v)
{
	json_put(b, to, name, number(v));
}

void
json_put_count(struct json_build *b, struct cJSON *to, const char *name, size_t v)
{
	json_put(b, to, name, cJSON_CreateNumber((double)v));
}

void
json_put_text(struct json_build *b, struct cJSON *to, const char *name, const char *text)
{
	json_put(b, to, name, text_or_null(text));
}

void
json_put_bool(struct json_build *b, struct cJSON *to, const char *name, bool v)
{
	json_put(b, to, name, cJSON_CreateBool(v));
}

void
json_put_null(struct json_build *b, struct cJSON *to, const char *name)
{
	json_put(b, to, name, cJSON_CreateNull());
}

struct cJSON *
json_add_object(struct json_build *b, struct cJSON *to)
{
	cJSON *item = cJSON_CreateObject();

	if (!item || !cJSON_AddItemToArray(to, item)) {
		cJSON_Delete(item);
		b->failed = true;
		return NULL;
	}
	return item;
}

struct cJSON *
json_add_array(struct json_build *b, struct cJSON *to)
{
	cJSON *item = cJSON_CreateArray();

	if (!item || !cJSON_AddItemToArray(to, item)) {
		cJSON_Delete(item);
		b->failed = true;
		return NULL;
	}
	return item;
}

void
json_add_number(struct json_build *b, struct cJSON *to, double v)
{
	add(b, to, number(v));
}

void
json_add_text(struct json_build *b, struct cJSON *to, const char *text)
{
	add(b, to, text_or_null(text));
}

enum status
json_finish(struct json_build *b, struct cJSON *root, char **out, struct err *e)
{
	char *text = b->failed || !root ? NULL : cJSON_PrintUnformatted(root);

	cJSON_Delete(root);
	if (!text)
		return err_nomem(e);
	*out = text; /* cJSON's allocator is malloc: nobody installs hooks */
	return OK;
}
