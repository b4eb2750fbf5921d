/* params_json: see params_json.h. */
#include "schema/params_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

static enum status
set_layers(struct params *p, const struct param *d, const cJSON *array, struct err *e)
{
	double size[PARAMS_MAX_LAYERS];
	const cJSON *item;
	size_t n = 0;

	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsNumber(item))
			return err_set(e, ERR_INVALID, "parameter_type",
				"parameter \"%s\" must be a list of layer sizes, such as [256, 256]", d->name);
		if (n < PARAMS_MAX_LAYERS)
			size[n] = item->valuedouble;
		n++;
	}
	return params_set_layers(p, d, size, n, e); /* reads no size where n is too large */
}

static enum status
set_from_json(struct params *p, const struct param *d, const cJSON *v, struct err *e)
{
	double size = v->valuedouble;

	if (cJSON_IsBool(v))
		return params_set_bool(p, d, cJSON_IsTrue(v), e);
	if (cJSON_IsNumber(v) && d->type == PARAM_LAYERS)
		return params_set_layers(p, d, &size, size == 0 ? 0 : 1, e);
	if (cJSON_IsNumber(v))
		return params_set_number(p, d, size, e);
	if (cJSON_IsRaw(v)) /* never parsed; made by params_to_json */
		return params_set_text(p, d, v->valuestring, e);
	if (cJSON_IsString(v) && !strcmp(v->valuestring, "auto"))
		return params_set_text(p, d, "auto", e);
	if (cJSON_IsString(v))
		return params_set_choice(p, d, v->valuestring, e);
	if (cJSON_IsArray(v) && d->type == PARAM_LAYERS)
		return set_layers(p, d, v, e);
	/* null, an object, a list where none belongs: the setter of another type words the refusal */
	if (d->type == PARAM_BOOL)
		return params_set_number(p, d, 0, e);
	return params_set_bool(p, d, false, e);
}

enum status
params_from_json(struct params *p, struct class_params *c, const struct cJSON *object, struct err *e)
{
	struct params made;
	const cJSON *v;
	uint64_t given = 0;
	enum status s;

	params_defaults(&made);
	if (object && !cJSON_IsNull(object) && !cJSON_IsObject(object))
		return err_set(
			e, ERR_INVALID, "parameter_type", "the parameters must be a JSON object of names and values");
	cJSON_ArrayForEach(v, object)
	{
		const struct param *d = params_find(v->string, NULL);

		if (!d && c && class_params_known(v->string))
			continue;
		if (!d)
			return params_unknown(v->string, e);
		for (const cJSON *w = object->child; w != v; w = w->next) {
			if (!strcmp(w->string, v->string))
				return err_set(e, ERR_INVALID, "duplicate_parameter", "parameter \"%s\" is given twice",
					d->name);
		}
		if ((s = set_from_json(&made, d, v, e)))
			return s;
		given |= params_bit(d);
	}
	if (c && (s = class_params_from_json(c, object, e)))
		return s;
	params_settle(&made, given);
	*p = made;
	return OK;
}

static cJSON *
layers_to_json(const struct layer_sizes *layers)
{
	int size[PARAMS_MAX_LAYERS];

	for (size_t i = 0; i < layers->n; i++)
		size[i] = (int)layers->size[i];
	return cJSON_CreateIntArray(size, (int)layers->n);
}

/* cJSON prints 15 digits where they come within one part in 2^52 of the value: not the same seed, not the same model.
 * A number that 15 digits do not give back goes out as text of ours. */
static cJSON *
number_to_json(const struct params *p, const struct param *d, double v)
{
	char text[128];

	snprintf(text, sizeof text, "%.15g", v);
	if (strtod(text, NULL) == v)
		return cJSON_CreateNumber(v);
	params_get_text(p, d, text, sizeof text);
	return cJSON_CreateRaw(text);
}

static cJSON *
value_to_json(const struct params *p, const struct param *d)
{
	const void *at = (const char *)p + d->at;

	if (params_left(p, d))
		return cJSON_CreateString("auto");
	switch (d->type) {
	case PARAM_COUNT:
		return number_to_json(p, d, (double)*(const size_t *)at);
	case PARAM_REAL:
		return number_to_json(p, d, *(const double *)at);
	case PARAM_BOOL:
		return cJSON_CreateBool(*(const bool *)at);
	case PARAM_CHOICE:
		return cJSON_CreateString(d->choices[*(const size_t *)at]);
	case PARAM_LAYERS:
		return layers_to_json(at);
	}
	return NULL;
}

struct cJSON *
params_to_json(const struct params *p, const struct class_params *c)
{
	cJSON *object = cJSON_CreateObject();

	for (size_t i = 0; object && i < params_count; i++) {
		cJSON *v = value_to_json(p, &params_table[i]);

		if (!v || !cJSON_AddItemToObject(object, params_table[i].name, v)) {
			cJSON_Delete(v);
			cJSON_Delete(object);
			object = NULL;
		}
	}
	if (object && c && !class_params_to_json(c, object)) {
		cJSON_Delete(object);
		object = NULL;
	}
	return object;
}
