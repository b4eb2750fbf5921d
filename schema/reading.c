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

/* Those about columns, and bad rows, are no part of it. */
static const char *const left_out[] = {"label_column", "columns", "max_bad_rows"};

enum status
reading_from_json(const char *options, struct reading *out, struct err *e)
{
	cJSON *object = cJSON_Parse(options ? options : "{}");
	struct reading r = {0};
	enum status s;

	for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
		cJSON_DeleteItemFromObjectCaseSensitive(object, left_out[i]);
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

	for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
		cJSON_DeleteItemFromObjectCaseSensitive(object, left_out[i]);
	text = object ? cJSON_PrintUnformatted(object) : NULL;
	cJSON_Delete(object);
	return text;
}

bool
reading_is_default(const struct reading *r)
{
	const struct ingest_options *o = &r->options;

	return ingest_options_delimiter(o) == ',' && ingest_options_quote(o) == '"' &&
	       ingest_options_decimal(o) == '.' && !o->na_given && !o->unlabelled_values.n;
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
reading_is_infinite(const struct reading *r, const char *text, size_t len)
{
	return !ingest_options_missing(&r->options, CELL_NUMBER, text, len) &&
	       number_is_infinite(text, len, ingest_options_decimal(&r->options));
}
