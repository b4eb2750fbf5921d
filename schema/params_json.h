/* params_json: JSON objects to checked training parameters, and back. Walks engine/params' table, knows no names. */
#ifndef VERAD_SCHEMA_PARAMS_JSON_H
#define VERAD_SCHEMA_PARAMS_JSON_H

#include "engine/params.h"

struct cJSON;

/* Sets defaults, then what the object gives. NULL or JSON null: defaults alone. Unknown names are ERR_INVALID
 * "unknown_parameter" with the nearest known one; the same name twice is refused. */
enum status params_from_json(struct params *p, const struct cJSON *object, struct err *e);
struct cJSON *params_to_json(const struct params *p); /* owned; every parameter, resolved ones as numbers */

#endif
