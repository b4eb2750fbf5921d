/* answers_json: see answers_json.h. */
#include "schema/answers_json.h"

enum status
answers_fit(uint64_t n, uint64_t max, struct err *e)
{
	if (n <= max)
		return OK;
	return err_set(e, ERR_TOO_LARGE, "answer_too_large",
		"the answers to these rows are over %llu bytes: send the rows in several requests",
		(unsigned long long)max);
}

void
json_put_string(struct buf *out, const char *text)
{
	const char *from = text;

	buf_puts(out, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buf_put(out, from, (size_t)(text - from));
		from = text + 1;
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_printf(out, "\\u%04x", c);
	}
	buf_put(out, from, (size_t)(text - from));
	buf_puts(out, "\"");
}

void
answers_json_begin(const struct bundle *b, enum answers_form form, unsigned include, struct buf *out)
{
	if (form == ANSWERS_SPLIT) {
		buf_puts(out, "{\"columns\":[");
		answers_columns(b, include, json_put_string, out);
		buf_puts(out, "],\"data\":[");
	} else {
		buf_puts(out, include & INCLUDE_LABELS ? "{\"predictions\":[" : "{\"scores\":[");
	}
}

static void
put_attribution(const struct bundle *b, const struct answers *a, size_t i, struct buf *out)
{
	const size_t n_columns = encoder_n_columns(b->encoder);
	bool first = true;
	char text[32];

	buf_puts(out, ",\"reference_score\":");
	buf_put(out, text, number_format(text, a->reference[i]));
	buf_puts(out, ",\"attribution\":{");
	for (size_t j = 0; j < n_columns; j++) {
		if (!encoder_column_used(b->encoder, j))
			continue;
		buf_puts(out, first ? "" : ",");
		json_put_string(out, encoder_column_name(b->encoder, j));
		buf_puts(out, ":");
		buf_put(out, text, number_format_float(text, (float)a->attribution[i * n_columns + j]));
		first = false;
	}
	buf_puts(out, "}");
}

static void
put_ood(const struct bundle *b, const struct answers *a, size_t i, struct buf *out)
{
	char text[32];

	buf_puts(out, "{\"score\":");
	buf_put(out, text, number_format(text, a->score[i]));
	buf_puts(out, ",\"p_value\":");
	buf_put(out, text, number_format(text, a->p_value[i]));
	buf_puts(out, a->is_ood[i] ? ",\"is_ood\":true" : ",\"is_ood\":false");
	if (a->attribution)
		put_attribution(b, a, i, out);
	buf_puts(out, "}");
}

static void
put_object(const struct bundle *b, const struct answers *a, size_t i, struct buf *out)
{
	char text[32];

	if (!a->label) {
		put_ood(b, a, i, out);
		return;
	}
	buf_puts(out, "{\"label\":");
	json_put_string(out, b->label[a->label[i]]);
	for (size_t k = 0; k < a->n_classes; k++) {
		buf_puts(out, k ? "," : ",\"probabilities\":{");
		json_put_string(out, b->label[k]);
		buf_puts(out, ":");
		buf_put(out, text, number_format_float(text, a->probability[i * a->n_classes + k]));
	}
	buf_puts(out, "},\"ood\":");
	put_ood(b, a, i, out);
	buf_puts(out, "}");
}

void
answers_json_rows(const struct bundle *b, enum answers_form form, const struct answers *a, bool first, struct buf *out)
{
	for (size_t i = 0; i < a->n; i++) {
		if (i || !first)
			buf_puts(out, ",");
		if (form == ANSWERS_SPLIT) {
			buf_puts(out, "[");
			answers_cells(b, a, i, json_put_string, out);
			buf_puts(out, "]");
		} else {
			put_object(b, a, i, out);
		}
	}
}

static void
put_warning(struct buf *out, bool first, const char *column, const char *code, size_t count)
{
	buf_puts(out, first ? "{\"column\":" : ",{\"column\":");
	json_put_string(out, column);
	buf_printf(out, ",\"code\":\"%s\",\"count\":%zu}", code, count);
}

void
answers_json_end(const struct warning *warning, size_t n, const char *const *extra, size_t n_extra, struct buf *out)
{
	buf_puts(out, "],\"warnings\":[");
	for (size_t i = 0; i < n; i++)
		put_warning(out, i == 0, warning[i].column, warning[i].code, warning[i].count);
	for (size_t k = 0; k < n_extra; k++)
		put_warning(out, n == 0 && k == 0, extra[k], "extra_column", 1);
	buf_puts(out, "]}");
}
