/* encode_bytes: an encoder as bytes and back, and its description; see encode.h. */
#include <assert.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "schema/encode_private.h"
#include "schema/utf8.h"

static const char *const unused_reason[N_USES] = {NULL, "constant", "empty", "identifier_or_free_text", "row_number"};

void
encoder_write(const struct encoder *c, struct buf *out)
{
	assert(!c->fit);
	buf_put_u32(out, (uint32_t)c->max_categories);
	buf_put_u32(out, (uint32_t)c->n_columns);
	for (size_t j = 0; j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];

		buf_put_text(out, column->name, strlen(column->name));
		buf_put_u8(out, (uint8_t)column->type);
		buf_put_u8(out, (uint8_t)column->use);
		buf_put_u8(out, column->missing_seen);
		if (!encoder_column_wanted(c, j))
			continue;
		if (encoder_is_dense(column)) {
			scale_write(&column->scale, out);
			if (column->type == COLUMN_DATE)
				buf_put_u8(out, (uint8_t)column->cycles);
			continue;
		}
		buf_put_u32(out, (uint32_t)column->category.n);
		for (size_t k = 0; k < column->category.n; k++)
			buf_put_text(out, column->category.text[k], column->category.len[k]);
		buf_put_u32(out, (uint32_t)column->n_rest);
		for (size_t k = 0; k < column->n_rest; k++)
			buf_put_u64(out, column->rest[k]);
	}
}

static enum status
corrupt(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's description of its columns is damaged");
}

static enum status
read_texts(struct reader *in, struct encoder_column *column, size_t max_categories, struct err *e)
{
	size_t n = reader_u32(in);
	enum status s;

	if (in->failed || !n || n > max_categories || n > reader_max_items(in, 4))
		return corrupt(e);
	for (size_t k = 0; k < n; k++) {
		size_t len = 0;
		char *text = reader_text(in, &len);
		uint32_t code = 0;

		if (!text)
			return corrupt(e);
		s = utf8_valid(text, len) ? dictionary_add(&column->category, text, len, &code, e) : corrupt(e);
		free(text);
		if (s)
			return s;
		if (code != k) /* a category listed twice */
			return corrupt(e);
	}
	n = reader_u32(in);
	if (in->failed || n > ENCODER_MAX_CANDIDATES || n > reader_max_items(in, 8))
		return corrupt(e);
	column->rest = malloc((n + 1) * sizeof *column->rest);
	if (!column->rest)
		return err_nomem(e);
	for (column->n_rest = 0; column->n_rest < n; column->n_rest++)
		column->rest[column->n_rest] = reader_u64(in);
	for (size_t k = 1; k < n; k++) {
		if (column->rest[k - 1] > column->rest[k])
			return corrupt(e);
	}
	return OK;
}

static enum status
read_column(struct reader *in, const struct encoder *c, struct encoder_column *column, struct err *e)
{
	unsigned type, use, missing_seen;
	size_t len = 0;
	enum status s;
	bool varies;

	column->name = reader_text(in, &len);
	type = reader_u8(in);
	use = reader_u8(in);
	missing_seen = reader_u8(in);
	if (in->failed || !len || !utf8_valid(column->name, len) || type >= N_COLUMN_TYPES || use >= N_USES ||
		missing_seen > 1)
		return corrupt(e);
	column->type = (enum column_type)type;
	column->use = (enum use)use;
	column->missing_seen = missing_seen;
	if (use != USED && use != UNUSED_CONSTANT)
		return OK;
	if (!encoder_is_dense(column)) {
		s = read_texts(in, column, c->max_categories, e);
		varies = column->category.n + column->n_rest > 1;
	} else {
		s = scale_read(in, &column->scale, e);
		varies = scale_varies(&column->scale);
		if (!s && column->type == COLUMN_DATE) {
			column->cycles = reader_u8(in);
			if (in->failed || column->cycles >= 1u << N_DATE_CYCLES || (column->cycles && !varies))
				return corrupt(e);
		}
	}
	if (s)
		return s;
	return (use == USED) == (varies || missing_seen) ? OK : corrupt(e);
}

enum status
encoder_read(struct reader *in, struct encoder **out, struct err *e)
{
	const size_t smallest_column = 4 + 1 + 3; /* bytes: a name of one letter, three flags */
	struct encoder *c = calloc(1, sizeof *c);
	struct dictionary names = {0};
	size_t n;
	enum status s;

	if (!c)
		return err_nomem(e);
	c->max_categories = reader_u32(in);
	n = reader_u32(in);
	if (in->failed || !c->max_categories || c->max_categories + 2 > ENCODER_MAX_WIDTH || !n ||
		n > reader_max_items(in, smallest_column)) {
		s = corrupt(e);
		goto out;
	}
	c->column = calloc(n, sizeof *c->column);
	if (!c->column) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t j = 0; j < n; j++) {
		uint32_t code = 0;

		c->n_columns++; /* first, so that what it holds is released */
		if ((s = read_column(in, c, &c->column[j], e)))
			goto out;
		if ((s = dictionary_add(&names, c->column[j].name, strlen(c->column[j].name), &code, e)))
			goto out;
		if (code != j) {
			s = corrupt(e);
			goto out;
		}
	}
	if ((s = encoder_lay_out(c, e)))
		goto out;
	if (!c->d)
		s = corrupt(e);
out:
	dictionary_release(&names);
	if (s) {
		encoder_free(c);
		return s;
	}
	*out = c;
	return OK;
}

static bool
describe_numbers(cJSON *o, const struct encoder_column *column, const char *scaling)
{
	const struct scale *s = &column->scale;

	return cJSON_AddStringToObject(o, "scaling", scaling) && cJSON_AddNumberToObject(o, "min", s->min) &&
	       cJSON_AddNumberToObject(o, "max", s->max) && cJSON_AddNumberToObject(o, "mean", s->mean) &&
	       cJSON_AddNumberToObject(o, "sd", s->sd) && cJSON_AddNumberToObject(o, "median", s->median) &&
	       (!s->n_knots || cJSON_AddNumberToObject(o, "knots", (double)s->n_knots));
}

static bool
describe_cycles(cJSON *o, const struct encoder_column *column)
{
	cJSON *list = cJSON_AddArrayToObject(o, "cycles");

	for (int c = 0; list && c < N_DATE_CYCLES; c++) {
		cJSON *name = column->cycles & 1u << c ? cJSON_CreateString(date_cycle_name[c]) : NULL;

		if (column->cycles & 1u << c && (!name || !cJSON_AddItemToArray(list, name))) {
			cJSON_Delete(name);
			return false;
		}
	}
	return list != NULL;
}

static bool
describe_texts(cJSON *o, const struct encoder_column *column)
{
	cJSON *list = cJSON_AddArrayToObject(o, "categories");

	for (size_t k = 0; list && k < column->category.n; k++) {
		cJSON *text = cJSON_CreateString(column->category.text[k]);

		if (!text || !cJSON_AddItemToArray(list, text)) {
			cJSON_Delete(text);
			return false;
		}
	}
	return list && cJSON_AddNumberToObject(o, "other_texts", (double)column->n_rest);
}

struct cJSON *
encoder_describe(const struct encoder *c)
{
	static const char *const scaling_name[N_SCALINGS] = {"by_column", "minmax", "standard", "quantile"};
	cJSON *list = cJSON_CreateArray();

	for (size_t j = 0; list && j < c->n_columns; j++) {
		const struct encoder_column *column = &c->column[j];
		cJSON *o = cJSON_CreateObject();
		bool ok = o && cJSON_AddItemToArray(list, o);

		if (!ok)
			cJSON_Delete(o);
		ok = ok && cJSON_AddStringToObject(o, "name", column->name) &&
		     cJSON_AddStringToObject(o, "type", column_type_name(column->type)) &&
		     cJSON_AddNumberToObject(
			     o, "n_features", (double)(encoder_n_dense_of(column) + encoder_width_of(column))) &&
		     cJSON_AddBoolToObject(o, "missing", column->missing_seen);
		if (ok && column->use != USED)
			ok = cJSON_AddStringToObject(o, "ignored", unused_reason[column->use]);
		if (ok && encoder_column_wanted(c, j))
			ok = encoder_is_dense(column)
				     ? describe_numbers(o, column, scaling_name[column->scale.kind]) &&
					       (column->type != COLUMN_DATE || describe_cycles(o, column))
				     : describe_texts(o, column);
		if (!ok) {
			cJSON_Delete(list);
			return NULL;
		}
	}
	return list;
}
