/* summary: what is known of a whole table; declared in ingest.h. */
#include "schema/ingest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "schema/unnamed.h"

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

/* ---- What its owner should know ---------------------------------------------------------------------------------- */

/* Labels that are compared with each other: of more, two alike are hardly what is wrong. */
enum { COMPARED_CLASSES = 256 };

/* Are two different labels the same but for spaces around them and the case of their letters, or the same number? */
static bool
alike(const char *a, const char *b)
{
	const char *a_end = a + strlen(a), *b_end = b + strlen(b);
	size_t n_a, n_b;
	double v, w;

	text_trim(&a, &a_end);
	text_trim(&b, &b_end);
	n_a = (size_t)(a_end - a);
	n_b = (size_t)(b_end - b);
	if (n_a == n_b && !strncasecmp(a, b, n_a))
		return true;
	return number_parse(a, n_a, &v) && number_parse(b, n_b, &w) && v == w;
}

/* A label that most of three or more have and that others write where there is none. */
static bool
means_none(const struct dataset_summary *s, const struct class_count *c)
{
	static const char *const spelling[] = {"-1", "-1.0", "-", "none", "unknown", "unlabeled", "unlabelled"};

	if (s->n_classes < 3 || c->count < s->n_labelled - c->count)
		return false;
	for (size_t i = 0; i < sizeof spelling / sizeof *spelling; i++)
		if (!strcasecmp(c->label, spelling[i]))
			return true;
	return false;
}

static bool
say(struct dataset_warning *out, const char *code, uint64_t line)
{
	out->code = code;
	out->line = line;
	return true;
}

static bool
of_name(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const struct column_summary *c = &s->column[i];

	if (!unnamed_given(c->name))
		return false;
	snprintf(out->message, sizeof out->message, "column %zu has no name and is called \"%.*s\"%s", i + 1,
		text_shown(c->name), c->name,
		c->role == ROLE_ID
			? "; it is taken to name the rows, role id, and not learned from: if it is to be, give it the "
			  "role feature"
		: c->n_missing == s->n_rows ? "; it is empty"
					    : "");
	return say(out, "unnamed_column", 0);
}

static bool
of_labels(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const char *name = s->column[i].name;

	for (size_t k = 0; i == s->label_column && k < s->n_classes; k++) {
		const struct class_count *c = &s->classes[k];

		if (!means_none(s, c))
			continue;
		snprintf(out->message, sizeof out->message,
			"column \"%.*s\": \"%s\" is a class as any other, and that of %zu of %zu labels; if it means "
			"unlabelled, list it in unlabelled_values",
			text_shown(name), name, c->label, c->count, s->n_labelled);
		return say(out, "suspect_label", 0);
	}
	return false;
}

static bool
of_like_labels(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const char *name = s->column[i].name;

	for (size_t k = 0; i == s->label_column && k < s->n_classes && s->n_classes <= COMPARED_CLASSES; k++)
		for (size_t j = 0; j < k; j++) {
			const char *a = s->classes[j].label, *b = s->classes[k].label;

			if (!alike(a, b))
				continue;
			snprintf(out->message, sizeof out->message,
				"column \"%.*s\": the labels \"%.*s\" and \"%.*s\" are two classes; if they are one, "
				"spell them alike",
				text_shown(name), name, text_shown(a), a, text_shown(b), b);
			return say(out, "similar_labels", 0);
		}
	return false;
}

/* The decimal mark with which a cell that is no number would be one; 0: none. */
static char
other_mark(const char *text)
{
	static const char marks[] = ",.";
	double v;

	for (const char *mark = marks; *mark; mark++)
		if (strchr(text, *mark) && number_parse_marked(text, strlen(text), *mark, &v))
			return *mark;
	return 0;
}

static bool
of_missing(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const struct column_summary *c = &s->column[i];
	bool label = i == s->label_column;

	if (!c->text_line || !c->n_na || (!label && c->type != COLUMN_NUMBER))
		return false;
	snprintf(out->message, sizeof out->message,
		"column \"%.*s\": %zu cell%s such as \"%s\" in line %llu %s taken as %s; list na_values to say what is",
		text_shown(c->name), c->name, c->n_na, c->n_na == 1 ? "" : "s", c->text_cell,
		(unsigned long long)c->text_line, c->n_na == 1 ? "is" : "are", label ? "unlabelled" : "missing");
	return say(out, label ? "na_among_labels" : "na_among_numbers", c->text_line);
}

static bool
of_infinite(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const struct column_summary *c = &s->column[i];

	if (!c->n_infinite)
		return false;
	snprintf(out->message, sizeof out->message,
		"column \"%.*s\": %zu infinite number%s, the first in line %llu, %s taken as missing",
		text_shown(c->name), c->name, c->n_infinite, c->n_infinite == 1 ? "" : "s",
		(unsigned long long)c->infinite_line, c->n_infinite == 1 ? "is" : "are");
	return say(out, "infinite_number", c->infinite_line);
}

static const char *
shown_group(char group, char text[4])
{
	snprintf(text, 4, "\"%c\"", group);
	return group == ' ' ? "a space" : text;
}

static bool
of_form(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const struct column_summary *c = &s->column[i];
	const struct number_form *f = &c->form;
	char unit[40] = "", group[48] = "", mark[4];

	if (c->type != COLUMN_NUMBER || number_form_is_plain(f))
		return false;
	if (f->unit[0])
		snprintf(unit, sizeof unit, " \"%s\" is left out", f->unit);
	if (f->group)
		snprintf(group, sizeof group, " %s separates thousands", shown_group(f->group, mark));
	snprintf(out->message, sizeof out->message,
		"column \"%.*s\" is read as numbers:%s%s%s; if it is not, give it the type text", text_shown(c->name),
		c->name, unit, *unit && *group ? " and" : "", group);
	return say(out, "number_with_unit", 0);
}

static bool
of_date(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const struct column_summary *c = &s->column[i];
	const bool month_first = s->options && strstr(s->options, "\"date_order\":\"mdy\"");

	if (c->type != COLUMN_DATE || !c->text_line || !date_orders(c->text_cell, strlen(c->text_cell)))
		return false;
	snprintf(out->message, sizeof out->message,
		"column \"%.*s\": dates such as \"%s\" in line %llu are read with the %s first; if that is wrong, set "
		"date_order to \"%s\"",
		text_shown(c->name), c->name, c->text_cell, (unsigned long long)c->text_line,
		month_first ? "month" : "day", date_order_name(month_first ? DATE_DMY : DATE_MDY));
	return say(out, "date_order", c->text_line);
}

/* Of a column that is text because of a cell. */
static bool
of_text(const struct dataset_summary *s, size_t i, struct dataset_warning *out)
{
	const struct column_summary *c = &s->column[i];
	unsigned long long line = (unsigned long long)c->text_line;
	size_t n = s->n_rows - c->n_missing;
	struct number_form form;
	char mark, shown[4];

	if (!c->text_line || c->type != COLUMN_TEXT || i == s->label_column)
		return false;
	if ((mark = other_mark(c->text_cell))) {
		snprintf(out->message, sizeof out->message,
			"column \"%.*s\" is text because of \"%s\" in line %llu, which is a number if its decimal mark "
			"is \"%c\"; if so, set decimal to that%s",
			text_shown(c->name), c->name, c->text_cell, line, mark,
			number_form_of(c->text_cell, strlen(c->text_cell), mark == ',' ? '.' : ',', &form)
				? ", else to the other"
				: "");
		return say(out, "other_decimal", c->text_line);
	}
	if (date_orders(c->text_cell, strlen(c->text_cell))) {
		snprintf(out->message, sizeof out->message,
			"column \"%.*s\" is text because of \"%s\" in line %llu; if its texts are dates, set "
			"date_order to \"mdy\" or \"dmy\"",
			text_shown(c->name), c->name, c->text_cell, line);
		return say(out, "ambiguous_date", c->text_line);
	}
	if (number_form_of(c->text_cell, strlen(c->text_cell), '.', &form) ||
		number_form_of(c->text_cell, strlen(c->text_cell), ',', &form)) {
		snprintf(out->message, sizeof out->message,
			"column \"%.*s\" is text because of \"%s\" in line %llu, a number with %s%s%s, and not all of "
			"its cells are such numbers",
			text_shown(c->name), c->name, c->text_cell, line, form.unit[0] ? "the unit " : "",
			form.unit[0] ? form.unit : shown_group(form.group, shown),
			form.unit[0] ? "" : " between its thousands");
		return say(out, "mixed_numbers", c->text_line);
	}
	if (c->n_numbers < n - c->n_numbers)
		return false;
	snprintf(out->message, sizeof out->message,
		"column \"%.*s\" is text because of \"%s\" in line %llu, but %.0f%% of its cells are numbers; if it "
		"means missing, list it in na_values",
		text_shown(c->name), c->name, c->text_cell, line, floor(100 * (double)c->n_numbers / (double)n));
	return say(out, "numbers_among_text", c->text_line);
}

bool
dataset_warning(const struct dataset_summary *s, size_t i, size_t nth, struct dataset_warning *out)
{
	static bool (*const about[])(const struct dataset_summary *, size_t, struct dataset_warning *) = {
		of_name, of_missing, of_infinite, of_form, of_date, of_text, of_labels, of_like_labels};

	for (size_t k = 0; k < sizeof about / sizeof *about; k++)
		if (about[k](s, i, out) && !nth--)
			return true;
	return false;
}
