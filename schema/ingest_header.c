/*
 * ingest_header: the names of a table's columns, held against those that the options name, and what the options make of
 * each column; on a second pass, against those of the first.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/suggest.h"
#include "schema/ingest_private.h"
#include "schema/unnamed.h"

static enum status
fail_unknown_label(const struct ingest *g, const char *const *names, size_t n, struct err *e)
{
	const char *near = suggest_nearest(g->label_name, names, n);
	const char *other = n == 1 && ingest_options_delimiter(&g->options) == ',' ? csv_other_delimiter(names[0])
										   : NULL;
	char hint[128];

	if (other)
		snprintf(hint, sizeof hint,
			"the header is a single column, and the delimiter seems to be %s; a comma is expected", other);
	else if (near)
		snprintf(hint, sizeof hint, "did you mean \"%.*s\"?", text_shown(near), near);
	else
		snprintf(hint, sizeof hint, "its last column is \"%.*s\"", text_shown(names[n - 1]), names[n - 1]);
	err_set(e, ERR_DATA, "unknown_label_column", "the table has no column \"%.*s\" to take labels from; %s",
		text_shown(g->label_name), g->label_name, hint);
	return text_err_at(e, 0, g->label_name);
}

/* Column i as the options want it; `index`: it stands at the front without a name, where others write what their rows
 * are called by. */
static void
plan_column(struct ingest *g, size_t i, bool index)
{
	struct column_summary *c = &g->summary.column[i];
	uint32_t code = dictionary_find(&g->options.names, c->name, strlen(c->name));
	const struct column_option usual = {.role = index ? ROLE_ID : ROLE_FEATURE};
	const struct column_option *o = code == TABLE_MISSING ? &usual : &g->options.column[code];

	c->role = i == g->summary.label_column ? ROLE_LABEL : o->role;
	if (c->role == ROLE_LABEL || c->role == ROLE_ID || c->role == ROLE_SPLIT) {
		g->types[i] = COLUMN_TEXT;
		g->kinds[i].fixed = true;
		return;
	}
	g->types[i] = o->typed ? o->type : COLUMN_NUMBER;
	g->form[i] = o->form;
	g->kinds[i].fixed = o->typed;
	g->declared[i] = (o->typed && o->type != COLUMN_TEXT) || o->role == ROLE_WEIGHT;
	if (g->declared[i])
		g->declared_column[g->n_declared++] = i;
}

static enum status
check_names(const struct ingest *g, const char *const *names, size_t n, struct err *e)
{
	const struct dictionary *wanted = &g->options.names;
	struct dictionary found = {0};
	const char *near;
	uint32_t code;
	enum status s = OK;

	for (size_t i = 0; wanted->n && i < n && !s; i++)
		s = dictionary_add(&found, names[i], strlen(names[i]), &code, e);
	for (size_t i = 0; i < wanted->n && !s; i++) {
		const char *name = wanted->text[i];

		if (dictionary_find(&found, name, wanted->len[i]) != TABLE_MISSING)
			continue;
		if (g->options.label_optional && g->options.column[i].role == ROLE_LABEL)
			continue;
		near = suggest_nearest(name, names, n);
		s = err_set(e, ERR_DATA, "unknown_column",
			"the table has no column \"%.*s\", which the schema names%s%.*s%s", text_shown(name), name,
			near ? "; did you mean \"" : "", near ? text_shown(near) : 0, near ? near : "",
			near ? "\"?" : "");
		text_err_at(e, 0, name);
	}
	dictionary_release(&found);
	return s;
}

static enum status
first_header(struct ingest *g, const char *const *names, size_t n, struct err *e)
{
	struct dataset_summary *s = &g->summary;
	bool index = true; /* no column with a name of its own yet */

	if (g->label_name) {
		size_t i = 0;

		while (i < n && strcmp(names[i], g->label_name) != 0)
			i++;
		if (i < n)
			s->label_column = i;
		else if (!g->options.label_optional)
			return fail_unknown_label(g, names, n, e);
	}
	if (check_names(g, names, n, e))
		return e->status;
	g->types = calloc(n, sizeof *g->types);
	g->tile = calloc(n, TILE * sizeof *g->tile);
	g->declared = calloc(n, sizeof *g->declared);
	g->declared_column = calloc(n, sizeof *g->declared_column);
	g->kinds = calloc(n, sizeof *g->kinds);
	g->form = calloc(n, sizeof *g->form);
	g->forms = calloc(n, sizeof *g->forms);
	g->distinct = calloc(n, sizeof *g->distinct);
	s->column = calloc(n, sizeof *s->column);
	if (!g->types || !g->tile || !g->declared || !g->declared_column || !g->kinds || !g->form || !g->forms ||
		!g->distinct || !s->column)
		return err_nomem(e);
	s->n_columns = n;
	for (size_t i = 0; i < n; i++) {
		s->column[i].name = strdup(names[i]);
		if (!s->column[i].name)
			return err_nomem(e);
		s->column[i].min = s->column[i].max = NAN;
		index = index && unnamed_given(names[i]);
		plan_column(g, i, index);
	}
	g->typed = true;
	g->chunk_cap = INGEST_CHUNK_CELLS / n;
	if (g->chunk_cap < 1)
		g->chunk_cap = 1;
	if (g->chunk_cap > INGEST_CHUNK_ROWS)
		g->chunk_cap = INGEST_CHUNK_ROWS;
	return OK;
}

enum status
ingest_header(void *ctx, const struct csv_cell *cell, size_t n, struct err *e)
{
	struct ingest *g = ctx;
	const char **names = calloc(n, sizeof *names);
	enum status status = OK;

	if (!names)
		return err_nomem(e);
	if (csv_delimiter(g->csv) != ingest_options_delimiter(&g->options))
		g->options.delimiter = csv_delimiter(g->csv); /* the file says so itself */
	for (size_t i = 0; i < n; i++)
		names[i] = cell[i].text;
	if (!g->typed) {
		status = first_header(g, names, n, e);
	} else {
		bool same = n == g->summary.n_columns;

		for (size_t i = 0; same && i < n; i++)
			same = !strcmp(names[i], g->summary.column[i].name);
		if (!same)
			status = err_set(
				e, ERR_CONFLICT, "stream_changed", "the file's header changed between two readings");
	}
	if (!status)
		status = table_init(&g->t, names, g->types, n, e);
	free(names);
	return status;
}
