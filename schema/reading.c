/* reading: see reading.h. */
#include "schema/reading.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

void
reading_release(struct reading *r)
{
	ingest_options_release(&r->options);
	r->n_na_numbers = 0;
}

/* Leaves what is a part of it: of single columns the form of their numbers. */
static void
strip(cJSON *object)
{
	static const char *const left_out[] = {"label_column", "max_bad_rows"};
	cJSON *columns = cJSON_GetObjectItemCaseSensitive(object, "columns"), *next;

	for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
		cJSON_DeleteItemFromObjectCaseSensitive(object, left_out[i]);
	for (cJSON *c = columns ? columns->child : NULL; c; c = next) {
		next = c->next;
		cJSON_DeleteItemFromObjectCaseSensitive(c, "role");
		cJSON_DeleteItemFromObjectCaseSensitive(c, "type");
		if (!cJSON_GetObjectItemCaseSensitive(c, "unit") && !cJSON_GetObjectItemCaseSensitive(c, "grouping"))
			cJSON_Delete(cJSON_DetachItemViaPointer(columns, c));
	}
	if (columns && !columns->child)
		cJSON_DeleteItemFromObjectCaseSensitive(object, "columns");
}

enum status
reading_from_json(const char *options, struct reading *out, struct err *e)
{
	cJSON *object = cJSON_Parse(options ? options : "{}");
	struct reading r = {0};
	enum status s;

	strip(object);
	if (!(s = ingest_options_from_json(&r.options, object, e)))
		s = ingest_options_check(&r.options, e);
	cJSON_Delete(object);
	if (s) {
		reading_release(&r);
		return s;
	}
	r.n_na_numbers = ingest_options_na_numbers(&r.options, r.na_number);
	*out = r;
	return OK;
}

char *
reading_to_json(const struct reading *r)
{
	cJSON *object = ingest_options_to_json(&r->options);
	char *text;

	strip(object);
	text = object ? cJSON_PrintUnformatted(object) : NULL;
	cJSON_Delete(object);
	return text;
}

bool
reading_is_default(const struct reading *r)
{
	const struct ingest_options *o = &r->options;

	return ingest_options_delimiter(o) == ',' && ingest_options_quote(o) == '"' &&
	       ingest_options_decimal(o) == '.' && !o->na_given && !o->unlabelled_values.n && !o->names.n &&
	       !o->date_order;
}

bool
reading_misses_number(const struct reading *r, double v)
{
	for (size_t i = 0; i < r->n_na_numbers; i++)
		if (r->na_number[i] == v)
			return true;
	return false;
}

bool
reading_misses_text(const struct reading *r, const char *text, size_t len)
{
	return ingest_options_missing(&r->options, CELL_TEXT, text, len);
}

bool
reading_misses_label(const struct reading *r, const char *text, size_t len)
{
	return ingest_options_missing(&r->options, CELL_LABEL, text, len);
}

bool
reading_number(const struct reading *r, const char *text, size_t len, double *v)
{
	if (number_parse_marked(text, len, ingest_options_decimal(&r->options), v)) {
		if (reading_misses_number(r, *v))
			*v = NAN;
		return true;
	}
	*v = NAN;
	return ingest_options_missing(&r->options, CELL_NUMBER, text, len) ||
	       number_is_infinite(text, len, ingest_options_decimal(&r->options));
}

bool
reading_number_as(const struct reading *r, const struct number_form *form, const char *text, size_t len, double *v)
{
	if (reading_number(r, text, len, v))
		return true;
	if (!form || !number_form_parse(form, text, len, ingest_options_decimal(&r->options), v))
		return false;
	if (reading_misses_number(r, *v))
		*v = NAN;
	return true;
}

const struct number_form *
reading_form(const struct reading *r, const char *column)
{
	return ingest_options_form_of(&r->options, column);
}

bool
reading_is_infinite(const struct reading *r, const char *text, size_t len)
{
	return !ingest_options_missing(&r->options, CELL_NUMBER, text, len) &&
	       number_is_infinite(text, len, ingest_options_decimal(&r->options));
}
