/*
 * class_params: the training parameters that have a number for each class, by its label: what the table of parameters
 * (engine/params.h) has no room for. Beside the others in a job's "params":
 *
 *   class_weights   {"rare": 5}: how much a class's labelled rows count in training; 1 for classes not named
 *   stated_prior    {"ill": 0.01, "well": 0.99}: shares of the classes that probabilities assume, one for each, in
 * place of what class_prior says
 *
 * Labels are texts until a table says which classes there are. Thread rule: as struct params.
 */
#ifndef VERAD_SCHEMA_CLASS_PARAMS_H
#define VERAD_SCHEMA_CLASS_PARAMS_H

#include "schema/table.h"

struct cJSON;

enum class_param { CLASS_WEIGHTS, STATED_PRIOR, N_CLASS_PARAMS };

struct class_params { /* zeroed: none given */
	struct class_values {
		struct dictionary label;
		double *value; /* [label.n], owned */
		size_t cap;
	} of[N_CLASS_PARAMS];
};
void class_params_release(struct class_params *c); /* accepts a zeroed struct; leaves one */

struct class_param_entry {
	const char *name, *doc;
	double max; /* of a number; all are above 0 */
};
extern const struct class_param_entry class_param_table[N_CLASS_PARAMS];
bool class_params_known(const char *name);

/* Those of the object (NULL: none) that are class_params; the others are for params_from_json, which passes these over.
 * ERR_INVALID "parameter_type", "parameter_out_of_range", "duplicate_parameter" (a label twice). On an error *c is to
 * be released all the same, here and below. */
enum status class_params_from_json(struct class_params *c, const struct cJSON *params, struct err *e);
/* The same from an option's text: "label=number,label=number", or a JSON object where labels have commas in them. */
enum status class_params_set_text(struct class_params *c, enum class_param which, const char *text, struct err *e);
/* Adds those that were given to an object of parameters; false: out of memory. */
bool class_params_to_json(const struct class_params *c, struct cJSON *params);

/*
 * Numbers for the classes label[0 .. n - 1]: [n] each, owned by the caller; NULL where they were not given. prior is
 * brought to the sum 1 exactly. ERR_INVALID "unknown_class" (with the nearest label), "missing_class" (a prior has no
 * share for it), "parameter_out_of_range" (the shares of a prior do not add up to 1).
 */
enum status class_params_resolve(const struct class_params *c, const char *const *label, size_t n, double **weight,
	double **prior, struct err *e);

#endif
