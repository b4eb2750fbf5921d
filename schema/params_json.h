/* params_json: JSON objects to checked training parameters, and back. Walks the tables of engine/params and
 * schema/class_params, knows no names. */
#ifndef VERAD_SCHEMA_PARAMS_JSON_H
#define VERAD_SCHEMA_PARAMS_JSON_H

#include "engine/params.h"
#include "schema/class_params.h"

struct cJSON;

/* Sets defaults, then what the object gives. NULL or JSON null: defaults alone. Unknown names are ERR_INVALID
 * "unknown_parameter" with the nearest known one; the same name twice is refused ("duplicate_parameter"). Layers are
 * a list of sizes or one size; "auto" or 0 leaves a choice to the table. *p changes on success only; *c is zeroed
 * before, and the caller's to release whatever the status. c NULL: a parameter by class is unknown. */
enum status params_from_json(struct params *p, struct class_params *c, const struct cJSON *object, struct err *e);

/* Every parameter, and those by class that were given (c may be NULL), as params_from_json reads them: owned; NULL when
 * out of memory. What is still left to the table is "auto"; of the parameters of a trainer nothing is. */
struct cJSON *params_to_json(const struct params *p, const struct class_params *c);

#endif
