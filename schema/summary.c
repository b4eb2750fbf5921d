/* summary: what is known of a whole table; declared in ingest.h. */
#include "schema/ingest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
dataset_summary_release(struct dataset_summary *s)
{
	for (size_t i = 0; s->column && i < s->n_columns; i++)
		free(s->column[i].name);
	for (size_t i = 0; s->classes && i < s->n_classes; i++)
		free(s->classes[i].label);
	free(s->column);
	free(s->classes);
	free(s->bad_rows);
	free(s->options);
	memset(s, 0, sizeof *s);
}

enum status
dataset_table(const struct dataset_summary *s, struct table *out, struct err *e)
{
	const char **names = calloc(s->n_columns, sizeof *names);
	enum column_type *types = calloc(s->n_columns, sizeof *types);
	enum status status;

	if (!names || !types) {
		status = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < s->n_columns; i++) {
		names[i] = s->column[i].name;
		types[i] = s->column[i].type;
	}
	status = table_init(out, names, types, s->n_columns, e);
out:
	free(names);
	free(types);
	return status;
}

const char *
dataset_warning(const struct dataset_summary *s, size_t i, char message[DATASET_WARNING_SIZE])
{
	const struct column_summary *c = &s->column[i];
	size_t n = s->n_rows - c->n_missing;
	bool label = i == s->label_column;

	if (!c->text_line)
		return NULL;
	if (c->n_na && (label || c->type == COLUMN_NUMBER)) {
		snprintf(message, DATASET_WARNING_SIZE,
			"column \"%.*s\": %zu cell%s such as \"%s\" in line %llu %s taken as %s; list na_values to say "
			"what is",
			text_shown(c->name), c->name, c->n_na, c->n_na == 1 ? "" : "s", c->text_cell,
			(unsigned long long)c->text_line, c->n_na == 1 ? "is" : "are",
			label ? "unlabelled" : "missing");
		return label ? "na_among_labels" : "na_among_numbers";
	}
	if (c->type != COLUMN_TEXT || label || c->n_numbers < n - c->n_numbers)
		return NULL;
	snprintf(message, DATASET_WARNING_SIZE,
		"column \"%.*s\" is text because of \"%s\" in line %llu, but %.0f%% of its cells are numbers; if it "
		"means "
		"missing, list it in na_values",
		text_shown(c->name), c->name, c->text_cell, (unsigned long long)c->text_line,
		floor(100 * (double)c->n_numbers / (double)n));
	return "numbers_among_text";
}
