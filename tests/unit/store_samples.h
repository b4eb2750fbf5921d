/* store_samples: tables and summaries made from a seed, for the tests of the store. */
#ifndef VERAD_TESTS_UNIT_STORE_SAMPLES_H
#define VERAD_TESTS_UNIT_STORE_SAMPLES_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/ingest.h"
#include "schema/table.h"

static inline uint64_t
sample_bits(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Every third column is of text; the last is the label. Names: c0, c1, … */
static inline enum status
sample_table_init(struct table *t, size_t n_columns, struct err *e)
{
	char(*name)[24] = calloc(n_columns, sizeof *name);
	const char **names = calloc(n_columns, sizeof *names);
	enum column_type *types = calloc(n_columns, sizeof *types);
	enum status status = ERR_NOMEM;

	if (name && names && types) {
		for (size_t i = 0; i < n_columns; i++) {
			snprintf(name[i], sizeof name[i], "c%zu", i);
			names[i] = name[i];
			types[i] = i % 3 == 2 || i == n_columns - 1 ? COLUMN_TEXT : COLUMN_NUMBER;
		}
		status = table_init(t, names, types, n_columns, e);
	}
	free(name);
	free(names);
	free(types);
	return status;
}

/* Cells of all kinds: missing, small integers, fractions, any double, texts short, long and not ASCII. */
static inline enum status
sample_table_fill(struct table *t, size_t n_rows, uint64_t seed, struct err *e)
{
	static const char *const texts[] = {
		"a", "b", "Straße 12", "\xe6\x97\xa5\xe6\x9c\xac", "-1", " spaces ", "\"quoted\"", "x,y"};
	enum status status = OK;

	table_clear(t);
	for (size_t row = 0; row < n_rows && !status; row++) {
		status = table_add_row(t, e);
		for (size_t c = 0; c < t->n_columns && !status; c++) {
			uint64_t bits = sample_bits(&seed);
			double v;

			if (c % 4 == 1 && bits % 5 == 0)
				continue; /* missing */
			if (t->column[c].type == COLUMN_TEXT) {
				const char *text = texts[bits / 7 % 8];

				status = table_set_text(t, c, row, text, strlen(text), e);
				continue;
			}
			switch (c % 4) {
			case 0:
				v = (double)(bits % 17);
				break;
			case 1:
				v = (double)(bits % 100000) / 1000;
				break;
			default:
				memcpy(&v, &bits, sizeof v);
				if (!isfinite(v))
					v = -0.0;
			}
			table_set_number(t, c, row, v);
		}
	}
	return status;
}

/* Same names, types and cells, numbers to the bit; NULL, or what differs. */
static inline const char *
sample_tables_differ(const struct table *a, const struct table *b)
{
	if (a->n_rows != b->n_rows || a->n_columns != b->n_columns)
		return "shape";
	for (size_t c = 0; c < a->n_columns; c++) {
		const struct column *x = &a->column[c], *y = &b->column[c];

		if (strcmp(x->name, y->name) != 0 || x->type != y->type || x->n_missing != y->n_missing)
			return "column";
		for (size_t row = 0; row < a->n_rows; row++) {
			if (x->type == COLUMN_NUMBER) {
				if (isnan(x->number[row]) ? !isnan(y->number[row])
							  : memcmp(&x->number[row], &y->number[row], 8) != 0)
					return "number";
			} else if (x->code[row] == TABLE_MISSING || y->code[row] == TABLE_MISSING) {
				if (x->code[row] != y->code[row])
					return "missing text";
			} else if (strcmp(x->dictionary.text[x->code[row]], y->dictionary.text[y->code[row]]) != 0) {
				return "text";
			}
		}
	}
	return NULL;
}

/* A summary that fits n_rows of such a table. Release it. */
static inline enum status
sample_summary(struct dataset_summary *s, size_t n_columns, size_t n_rows, struct err *e)
{
	static const char *const labels[] = {"-1", "a", "b"};
	char name[24];

	*s = (struct dataset_summary){.n_rows = n_rows,
		.n_labelled = n_rows / 2,
		.n_unlabelled = n_rows - n_rows / 2,
		.n_bytes = n_rows * 40,
		.label_column = n_columns - 1};
	s->column = calloc(n_columns, sizeof *s->column);
	s->classes = calloc(3, sizeof *s->classes);
	if (!s->column || !s->classes)
		return err_nomem(e);
	for (size_t i = 0; i < n_columns; i++) {
		bool text = i % 3 == 2 || i == n_columns - 1;

		snprintf(name, sizeof name, "c%zu", i);
		s->column[i] = (struct column_summary){.name = strdup(name),
			.type = text ? COLUMN_TEXT : COLUMN_NUMBER,
			.role = i == n_columns - 1 ? ROLE_LABEL : (enum column_role)(2 + i % 4),
			.n_missing = i,
			.n_na = i / 2,
			.min = text ? (double)NAN : -0.1 * (double)i,
			.max = text ? (double)NAN : 1e300,
			.n_distinct = text ? 8 : 0,
			.n_numbers = text ? i : 0,
			.text_line = text ? 17 + i : 0};
		if (text)
			strcpy(s->column[i].text_cell, "Größe");
		s->n_columns++;
	}
	s->n_bad_rows = 3;
	s->options = strdup("{\"max_bad_rows\":3}");
	s->bad_rows = strdup("[{\"line\":2}]");
	for (size_t i = 0; i < 3; i++)
		s->classes[s->n_classes++] = (struct class_count){strdup(labels[i]), 10 * i + 1};
	return OK;
}

#endif
