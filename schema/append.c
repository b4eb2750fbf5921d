/* append: see append.h. */
#include "schema/append.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

enum { FRESH_BYTES = 64 << 20 }; /* of new texts, in all columns together; past it they are no longer counted */

/* The distinct texts of a column in the new file that no old chunk was seen to have. */
struct fresh {
	struct dictionary texts;
	bool *met; /* [texts.n], from the first meeting on */
	size_t n_unmet;
};

struct append {
	struct ingest_sink sink;
	size_t n_columns, label_column;
	char **name; /* [n_columns] */
	enum column_type *type;

	size_t *from; /* [n_columns], the column of the file; SIZE_MAX: the label, which it lacks */
	bool mapped;
	struct table view;    /* the table's columns, borrowed of the file's chunk */
	uint32_t *unlabelled; /* [n_unlabelled], a column of missing labels */
	size_t n_unlabelled;

	struct fresh *fresh; /* [n_columns] */
	size_t n_fresh_bytes;
};

enum status
append_options(const struct dataset_summary *table, const char *label_column, struct ingest_options *out, struct err *e)
{
	cJSON *as_read = cJSON_Parse(table->options ? table->options : "{}");
	enum status s = as_read ? ingest_options_from_json(out, as_read, e)
				: err_set(e, ERR_CORRUPT, "damaged_dataset", "how the data set was read is not known");

	cJSON_Delete(as_read);
	out->max_bad_rows = 0; /* what was put up with once is not put up with for ever */
	out->label_optional = true;
	if (!s && label_column)
		s = ingest_options_set(out, "label_column", label_column, e);
	for (size_t i = 0; i < table->n_columns && !s; i++)
		if (i != table->label_column)
			s = ingest_options_type(out, table->column[i].name, table->column[i].type, e);
	return s;
}

enum status
append_new(const struct dataset_summary *table, const struct ingest_sink *sink, struct append **out, struct err *e)
{
	size_t n = table->n_columns;
	struct append *a = calloc(1, sizeof *a);

	if (!a)
		return err_nomem(e);
	a->sink = *sink;
	a->label_column = table->label_column;
	a->name = calloc(n, sizeof *a->name);
	a->type = calloc(n, sizeof *a->type);
	a->from = calloc(n, sizeof *a->from);
	a->fresh = calloc(n, sizeof *a->fresh);
	a->view.column = calloc(n, sizeof *a->view.column);
	if (!a->name || !a->type || !a->from || !a->fresh || !a->view.column)
		goto nomem;
	a->n_columns = a->view.n_columns = n;
	for (size_t i = 0; i < n; i++) {
		a->type[i] = table->column[i].type;
		if (!(a->name[i] = strdup(table->column[i].name)))
			goto nomem;
	}
	*out = a;
	return OK;
nomem:
	append_free(a);
	return err_nomem(e);
}

void
append_free(struct append *a)
{
	if (!a)
		return;
	for (size_t i = 0; a->name && a->fresh && i < a->n_columns; i++) {
		free(a->name[i]);
		dictionary_release(&a->fresh[i].texts);
		free(a->fresh[i].met);
	}
	free(a->name);
	free(a->type);
	free(a->from);
	free(a->fresh);
	free(a->view.column);
	free(a->unlabelled);
	free(a);
}

/* Chunks --------------------------------------------------------------------------------------------------------- */

/* Where the table's columns are in the file's chunks, which all have the same. The ingest has checked that they are. */
static enum status
map_columns(struct append *a, const struct table *t, struct err *e)
{
	struct dictionary names = {0};
	enum status s = OK;
	uint32_t code;

	for (size_t i = 0; i < t->n_columns && !s; i++)
		s = dictionary_add(&names, t->column[i].name, strlen(t->column[i].name), &code, e);
	for (size_t i = 0; i < a->n_columns && !s; i++) {
		code = dictionary_find(&names, a->name[i], strlen(a->name[i]));
		a->from[i] = code == TABLE_MISSING ? SIZE_MAX : code;
		if (code == TABLE_MISSING ? i != a->label_column : t->column[code].type != a->type[i])
			s = err_set(e, ERR_DATA, "unknown_column", "the table has no column \"%.*s\" of %ss",
				text_shown(a->name[i]), a->name[i], column_type_name(a->type[i]));
	}
	dictionary_release(&names);
	a->mapped = !s;
	return s;
}

static enum status
borrow_column(struct append *a, const struct table *t, size_t i, struct err *e)
{
	struct column *to = &a->view.column[i];

	if (a->from[i] != SIZE_MAX) {
		*to = t->column[a->from[i]];
		return OK;
	}
	if (a->n_unlabelled < t->n_rows) {
		uint32_t *longer = realloc(a->unlabelled, t->n_rows * sizeof *longer);

		if (!longer)
			return err_nomem(e);
		a->unlabelled = longer;
		a->n_unlabelled = t->n_rows;
		memset(longer, 0xff, t->n_rows * sizeof *longer); /* TABLE_MISSING */
	}
	*to = (struct column){.name = a->name[i], .type = COLUMN_TEXT, .n_missing = t->n_rows, .code = a->unlabelled};
	return OK;
}

static enum status
note_texts(struct append *a, size_t i, struct err *e)
{
	const struct dictionary *d = &a->view.column[i].dictionary;
	struct dictionary *texts = &a->fresh[i].texts;
	enum status s = OK;
	uint32_t code;

	for (size_t k = 0; k < d->n && !s && texts->n < INGEST_MAX_DISTINCT && a->n_fresh_bytes < FRESH_BYTES; k++) {
		size_t n = texts->n;

		s = dictionary_add(texts, d->text[k], d->len[k], &code, e);
		if (texts->n > n)
			a->n_fresh_bytes += d->len[k];
	}
	return s;
}

static enum status
take_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct append *a = ctx;
	enum status s = a->mapped ? OK : map_columns(a, t, e);

	for (size_t i = 0; i < a->n_columns && !s; i++)
		if (!(s = borrow_column(a, t, i, e)) && a->type[i] != COLUMN_NUMBER)
			s = note_texts(a, i, e);
	a->view.n_rows = a->view.cap = t->n_rows;
	return s ? s : a->sink.chunk(a->sink.ctx, &a->view, chunk_index, e);
}

static enum status
restart(void *ctx, struct err *e)
{
	struct append *a = ctx;

	a->mapped = false;
	return a->sink.restart(a->sink.ctx, e); /* the texts noted so far come again */
}

struct ingest_sink
append_sink(struct append *a)
{
	return (struct ingest_sink){.chunk = take_chunk, .restart = restart, .ctx = a};
}

/* The whole -------------------------------------------------------------------------------------------------------- */

bool
append_wants_old(const struct append *a)
{
	for (size_t i = 0; i < a->n_columns; i++)
		if (a->fresh[i].met ? a->fresh[i].n_unmet : a->fresh[i].texts.n)
			return true;
	return false;
}

enum status
append_meet_old(struct append *a, const struct table *chunk, struct err *e)
{
	for (size_t i = 0; i < a->n_columns; i++) {
		const struct dictionary *d = &chunk->column[i].dictionary;
		struct fresh *f = &a->fresh[i];

		if (!f->texts.n)
			continue;
		if (!f->met) {
			if (!(f->met = calloc(f->texts.n, sizeof *f->met)))
				return err_nomem(e);
			f->n_unmet = f->texts.n;
		}
		for (size_t k = 0; k < d->n && f->n_unmet; k++) {
			uint32_t code = dictionary_find(&f->texts, d->text[k], d->len[k]);

			if (code == TABLE_MISSING || f->met[code])
				continue;
			f->met[code] = true;
			f->n_unmet--;
		}
	}
	return OK;
}

/* The label column of a part that lacks it has no summary. */
static const struct column_summary *
summary_of(const struct append *a, const struct dataset_summary *part, size_t i)
{
	return a->from[i] == SIZE_MAX ? NULL : &part->column[a->from[i]];
}

static enum status
sum_columns(const struct append *a, const struct dataset_summary *before, const struct dataset_summary *part,
	struct dataset_summary *whole, struct err *e)
{
	if (!(whole->column = calloc(a->n_columns, sizeof *whole->column)))
		return err_nomem(e);
	for (size_t i = 0; i < a->n_columns; i++) {
		const struct column_summary *more = summary_of(a, part, i);
		struct column_summary *c = &whole->column[i];
		const struct fresh *f = &a->fresh[i];

		*c = before->column[i];
		whole->n_columns = i + 1;
		if (!(c->name = strdup(before->column[i].name)))
			return err_nomem(e);
		c->n_missing += more ? more->n_missing : part->n_rows;
		if (!more)
			continue;
		c->n_na += more->n_na;
		c->n_infinite += more->n_infinite; /* its form is the table's, as append_options says */
		if (!c->infinite_line)
			c->infinite_line = more->infinite_line;
		c->n_numbers += more->n_numbers;
		if (isnan(c->min) || more->min < c->min)
			c->min = more->min;
		if (isnan(c->max) || more->max > c->max)
			c->max = more->max;
		if (!c->text_line) {
			c->text_line = more->text_line;
			memcpy(c->text_cell, more->text_cell, sizeof c->text_cell);
		}
		c->n_distinct += f->met ? f->n_unmet : f->texts.n;
		if (c->n_distinct > INGEST_MAX_DISTINCT)
			c->n_distinct = INGEST_MAX_DISTINCT;
	}
	return OK;
}

/* Both lists are in byte order of the labels. */
static enum status
sum_classes(const struct dataset_summary *before, const struct dataset_summary *part, struct dataset_summary *whole,
	struct err *e)
{
	size_t i = 0, k = 0;

	if (!(whole->classes = calloc(before->n_classes + part->n_classes + 1, sizeof *whole->classes)))
		return err_nomem(e);
	while (i < before->n_classes || k < part->n_classes) {
		int order = i == before->n_classes ? 1
			    : k == part->n_classes ? -1
						   : strcmp(before->classes[i].label, part->classes[k].label);
		struct class_count *c = &whole->classes[whole->n_classes++];

		c->label = strdup(order <= 0 ? before->classes[i].label : part->classes[k].label);
		if (!c->label)
			return err_nomem(e);
		if (order <= 0)
			c->count = before->classes[i++].count;
		if (order >= 0)
			c->count += part->classes[k++].count;
	}
	if (whole->n_classes > INGEST_MAX_CLASSES)
		return err_set(e, ERR_DATA, "too_many_classes", "with these rows there would be more than %d classes",
			INGEST_MAX_CLASSES);
	return OK;
}

enum status
append_sum(const struct append *a, const struct dataset_summary *before, const struct dataset_summary *part,
	struct dataset_summary *whole, struct err *e)
{
	enum status s;

	*whole = (struct dataset_summary){
		.n_rows = before->n_rows + part->n_rows,
		.n_labelled = before->n_labelled + part->n_labelled,
		.n_unlabelled = before->n_unlabelled + part->n_unlabelled,
		.n_bytes = before->n_bytes + part->n_bytes,
		.n_bad_rows = before->n_bad_rows + part->n_bad_rows,
		.label_column = before->label_column,
	};
	if ((s = sum_columns(a, before, part, whole, e)) || (s = sum_classes(before, part, whole, e)))
		dataset_summary_release(whole);
	return s;
}
