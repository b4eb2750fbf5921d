/* class_params: see class_params.h. */
#include "schema/class_params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "engine/suggest.h"
#include "schema/csv.h"

/* How far from 1 the shares of a prior may add up to: three thirds may be written as 0.333. */
#define SUM_TOLERANCE 0.005

const struct class_param_entry class_param_table[N_CLASS_PARAMS] = {
	[CLASS_WEIGHTS] = {"class_weights",
		"How much each class's labelled rows count in training, by label; 1 for classes that are not named.",
		1000},
	[STATED_PRIOR] = {"stated_prior",
		"Shares of the classes that probabilities assume, by label, one for each class, in place of what "
		"class_prior says.",
		1},
};

void
class_params_release(struct class_params *c)
{
	for (size_t i = 0; i < N_CLASS_PARAMS; i++) {
		dictionary_release(&c->of[i].label);
		free(c->of[i].value);
	}
	memset(c, 0, sizeof *c);
}

static size_t
find(const char *name)
{
	size_t i = 0;

	while (i < N_CLASS_PARAMS && strcmp(name, class_param_table[i].name))
		i++;
	return i;
}

bool
class_params_known(const char *name)
{
	return find(name) < N_CLASS_PARAMS;
}

/* ---- In ----------------------------------------------------------------------------------------------------- */

static enum status
wrong_type(enum class_param which, struct err *e)
{
	return err_set(e, ERR_INVALID, "parameter_type",
		"parameter \"%s\" must have a number for each label: {\"label\": 0.5}, or label=0.5,… as an option",
		class_param_table[which].name);
}

static enum status
add(struct class_params *c, enum class_param which, const char *label, size_t len, double v, struct err *e)
{
	const struct class_param_entry *d = &class_param_table[which];
	struct class_values *of = &c->of[which];
	uint32_t code;
	enum status s;

	if (!len)
		return wrong_type(which, e);
	if ((s = dictionary_add(&of->label, label, len, &code, e)))
		return s;
	label = of->label.text[code];
	if (code < of->cap)
		return err_set(e, ERR_INVALID, "duplicate_parameter", "parameter \"%s\" has class \"%.*s\" twice",
			d->name, text_shown(label), label);
	if (!(v > 0 && v <= d->max))
		return err_set(e, ERR_INVALID, "parameter_out_of_range",
			"parameter \"%s\" has %g for class \"%.*s\": it must be above 0 and at most %g", d->name, v,
			text_shown(label), label, d->max);
	{
		double *larger = realloc(of->value, of->label.n * sizeof *larger);

		if (!larger)
			return err_nomem(e);
		of->value = larger;
		of->value[code] = v;
		of->cap = of->label.n;
	}
	return OK;
}

static enum status
add_object(struct class_params *c, enum class_param which, const cJSON *object, struct err *e)
{
	const cJSON *v;
	enum status s = OK;

	if (!cJSON_IsObject(object))
		return wrong_type(which, e);
	cJSON_ArrayForEach(v, object)
	{
		if (!cJSON_IsNumber(v))
			return wrong_type(which, e);
		if ((s = add(c, which, v->string, strlen(v->string), v->valuedouble, e)))
			return s;
	}
	return OK;
}

enum status
class_params_from_json(struct class_params *c, const struct cJSON *params, struct err *e)
{
	bool seen[N_CLASS_PARAMS] = {false};
	const cJSON *v;
	enum status s;

	cJSON_ArrayForEach(v, params)
	{
		size_t i = find(v->string);

		if (i == N_CLASS_PARAMS)
			continue;
		if (seen[i])
			return err_set(
				e, ERR_INVALID, "duplicate_parameter", "parameter \"%s\" is given twice", v->string);
		seen[i] = true;
		if ((s = add_object(c, (enum class_param)i, v, e)))
			return s;
	}
	return OK;
}

enum status
class_params_set_text(struct class_params *c, enum class_param which, const char *text, struct err *e)
{
	enum status s = OK;

	if (*text == '{') {
		cJSON *object = cJSON_ParseWithOpts(text, NULL, true);

		s = object ? add_object(c, which, object, e) : wrong_type(which, e);
		cJSON_Delete(object);
		return s;
	}
	for (size_t n; !s; text += n + 1) {
		const char *equals;
		double v;

		n = strcspn(text, ",");
		equals = memrchr(text, '=', n);
		if (!equals || !number_parse(equals + 1, (size_t)(text + n - equals - 1), &v))
			return wrong_type(which, e);
		if ((s = add(c, which, text, (size_t)(equals - text), v, e)) || !text[n])
			break;
	}
	return s;
}

/* ---- Out ---------------------------------------------------------------------------------------------------- */

bool
class_params_to_json(const struct class_params *c, struct cJSON *params)
{
	for (size_t i = 0; i < N_CLASS_PARAMS; i++) {
		const struct class_values *of = &c->of[i];
		cJSON *object;

		if (!of->label.n)
			continue;
		if (!(object = cJSON_AddObjectToObject(params, class_param_table[i].name)))
			return false;
		for (size_t k = 0; k < of->label.n; k++) {
			char text[32];

			text[number_format(text, of->value[k])] = '\0';
			if (!cJSON_AddRawToObject(object, of->label.text[k], text))
				return false;
		}
	}
	return true;
}

static enum status
unknown_class(enum class_param which, const char *name, const char *const *label, size_t n, struct err *e)
{
	const char *near = suggest_nearest(name, label, n);

	if (near)
		return err_set(e, ERR_INVALID, "unknown_class",
			"parameter \"%s\" names class \"%.*s\", of which the table has no label: is it \"%.*s\"?",
			class_param_table[which].name, text_shown(name), name, text_shown(near), near);
	return err_set(e, ERR_INVALID, "unknown_class",
		"parameter \"%s\" names class \"%.*s\", of which the table has no label", class_param_table[which].name,
		text_shown(name), name);
}

/* Into value [n]; classes that are not named keep what is there. */
static enum status
fill(const struct class_params *c, enum class_param which, const char *const *label, size_t n, double *value,
	struct err *e)
{
	const struct class_values *of = &c->of[which];
	size_t n_found = 0;

	for (size_t k = 0; k < n; k++) {
		uint32_t code = dictionary_find(&of->label, label[k], strlen(label[k]));

		if (code == TABLE_MISSING)
			continue;
		value[k] = of->value[code];
		n_found++;
	}
	if (n_found == of->label.n)
		return OK;
	for (size_t i = 0; i < of->label.n; i++) {
		size_t k = 0;

		while (k < n && strcmp(label[k], of->label.text[i]))
			k++;
		if (k == n)
			return unknown_class(which, of->label.text[i], label, n, e);
	}
	return OK;
}

static enum status
check_prior(double *prior, const char *const *label, size_t n, struct err *e)
{
	double sum = 0;

	for (size_t k = 0; k < n; k++) {
		if (prior[k] == 0)
			return err_set(e, ERR_INVALID, "missing_class",
				"parameter \"stated_prior\" has no share for class \"%.*s\": it needs one for every "
				"class",
				text_shown(label[k]), label[k]);
		sum += prior[k];
	}
	if (fabs(sum - 1) > SUM_TOLERANCE)
		return err_set(e, ERR_INVALID, "parameter_out_of_range",
			"the shares of parameter \"stated_prior\" add up to %g, not to 1", sum);
	for (size_t k = 0; k < n; k++)
		prior[k] /= sum;
	return OK;
}

enum status
class_params_resolve(const struct class_params *c, const char *const *label, size_t n, double **weight, double **prior,
	struct err *e)
{
	double *w = NULL, *p = NULL;
	enum status s = OK;

	if (c->of[CLASS_WEIGHTS].label.n) {
		if (!(w = malloc((n + 1) * sizeof *w)))
			return err_nomem(e);
		for (size_t k = 0; k < n; k++)
			w[k] = 1;
		s = fill(c, CLASS_WEIGHTS, label, n, w, e);
	}
	if (!s && c->of[STATED_PRIOR].label.n) {
		if (!(p = calloc(n + 1, sizeof *p)))
			s = err_nomem(e);
		else if (!(s = fill(c, STATED_PRIOR, label, n, p, e)))
			s = check_prior(p, label, n, e);
	}
	if (s) {
		free(w);
		free(p);
		return s;
	}
	*weight = w;
	*prior = p;
	return OK;
}
