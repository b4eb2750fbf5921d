/*
 * answers_json: answers as JSON, batch by batch: objects that name everything, or columns and data. Thread rule: pure
 * functions.
 *
 * Objects: {"predictions":[{"label","probabilities":{class:p},"ood":{"score","p_value","is_ood"}},…],"warnings":[…]},
 * or {"scores":[the inside of "ood",…],…} without labels. With attributions "ood" has "reference_score" and
 * "attribution":{column:number} as well. Split: {"columns":[names as in CSV],"data":[[…],…],…}. A
 * warning is {"column","code","count"}.
 */
#ifndef VERAD_SCHEMA_ANSWERS_JSON_H
#define VERAD_SCHEMA_ANSWERS_JSON_H

#include "schema/bundle.h"

enum answers_form { ANSWERS_OBJECTS, ANSWERS_SPLIT };

void answers_json_begin(const struct bundle *b, enum answers_form form, unsigned include, struct buf *out);
/* first: these are the first rows of the reply. Labels where the answers have them. */
void answers_json_rows(
	const struct bundle *b, enum answers_form form, const struct answers *a, bool first, struct buf *out);
/* n warnings of the predictor, then n_extra columns that it was never told of. */
void answers_json_end(
	const struct warning *warning, size_t n, const char *const *extra, size_t n_extra, struct buf *out);

/* ERR_TOO_LARGE "answer_too_large" where n bytes of answers are over max: a row of one digit may make a thousand. */
enum status answers_fit(uint64_t n, uint64_t max, struct err *e);

/* Valid UTF-8 as a JSON string with its quotes. */
void json_put_string(struct buf *out, const char *text);

#endif
