/* ingest_options: see ingest_options.h. */
#include "schema/ingest_options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "engine/suggest.h"

static const char *const role_names[N_COLUMN_ROLES] = {
	[ROLE_FEATURE] = "feature",
	[ROLE_LABEL] = "label",
	[ROLE_ID] = "id",
	[ROLE_WEIGHT] = "weight",
	[ROLE_SPLIT] = "split",
	[ROLE_IGNORE] = "ignore",
};

/* In the order in which they are documented, and written as JSON. */
static const char *const option_names[] = {"label_column", "delimiter", "quote", "decimal", "date_order", "na_values",
	"unlabelled_values", "columns", "max_bad_rows"};
enum { N_OPTIONS = sizeof option_names / sizeof option_names[0] };

static const struct {
	const char *name;
	char character;
} character_names[] = {
	{"comma", ','},
	{"semicolon", ';'},
	{"tab", '\t'},
	{"pipe", '|'},
	{"space", ' '},
};

const char *
column_role_name(enum column_role r)
{
	return role_names[r];
}

bool
column_role_find(const char *name, enum column_role *out)
{
	for (size_t i = 0; i < N_COLUMN_ROLES; i++)
		if (!strcmp(name, role_names[i])) {
			*out = (enum column_role)i;
			return true;
		}
	return false;
}

bool
column_type_find(const char *name, enum column_type *out)
{
	for (size_t i = 0; i < N_COLUMN_TYPES; i++)
		if (!strcmp(name, column_type_name((enum column_type)i))) {
			*out = (enum column_type)i;
			return true;
		}
	return false;
}

/* ---- lists of texts ---------------------------------------------------------------------------------------------- */

static void
text_list_release(struct text_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->text[i]);
	free(l->text);
	*l = (struct text_list){0};
}

static bool
text_list_has(const struct text_list *l, const char *text, size_t len)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strncmp(l->text[i], text, len) && !l->text[i][len])
			return true;
	return false;
}

static enum status
text_list_add(struct text_list *l, const char *name, const char *text, size_t len, struct err *e)
{
	char **grown;

	if (!len || text_list_has(l, text, len)) /* the empty one goes without saying */
		return OK;
	if (l->n == INGEST_MAX_LISTED || len > INGEST_MAX_LISTED_BYTES)
		return err_set(e, ERR_INVALID, "invalid_schema", "\"%s\" takes at most %d values of at most %d bytes",
			name, INGEST_MAX_LISTED, INGEST_MAX_LISTED_BYTES);
	if (!(grown = realloc(l->text, (l->n + 1) * sizeof *grown)))
		return err_nomem(e);
	l->text = grown;
	if (!(grown[l->n] = strndup(text, len)))
		return err_nomem(e);
	l->n++;
	return OK;
}

static enum status
text_list_copy(struct text_list *to, const struct text_list *from, struct err *e)
{
	for (size_t i = 0; i < from->n; i++)
		if (text_list_add(to, "", from->text[i], strlen(from->text[i]), e))
			return e->status;
	return OK;
}

/* Takes the place of what was there. */
static enum status
set_list(struct text_list *l, const char *name, const char *text, struct err *e)
{
	struct text_list made = {0};

	for (;;) {
		size_t len = strcspn(text, ",");

		if (text_list_add(&made, name, text, len, e)) {
			text_list_release(&made);
			return e->status;
		}
		if (!text[len])
			break;
		text += len + 1;
	}
	text_list_release(l);
	*l = made;
	return OK;
}

/* ---- the options ------------------------------------------------------------------------------------------------- */

void
ingest_options_release(struct ingest_options *o)
{
	free(o->label_column);
	text_list_release(&o->na_values);
	text_list_release(&o->unlabelled_values);
	dictionary_release(&o->names);
	free(o->column);
	*o = (struct ingest_options){0};
}

/* The entry of a column, made where it is new; NULL with *e set. */
static struct column_option *
column_entry(struct ingest_options *o, const char *name, struct err *e)
{
	size_t n = o->names.n;
	uint32_t code;

	if (!*name) {
		err_set(e, ERR_INVALID, "invalid_schema", "a column is given without its name");
		return NULL;
	}
	if (n == o->column_cap) {
		size_t cap = n ? n * 2 : 8;
		struct column_option *grown = realloc(o->column, cap * sizeof *grown);

		if (!grown) {
			err_nomem(e);
			return NULL;
		}
		o->column = grown;
		o->column_cap = cap;
	}
	if (dictionary_add(&o->names, name, strlen(name), &code, e))
		return NULL;
	if (code == n)
		o->column[code] = (struct column_option){0};
	return &o->column[code];
}

enum status
ingest_options_role(struct ingest_options *o, const char *column, enum column_role role, struct err *e)
{
	struct column_option *c = column_entry(o, column, e);

	if (!c)
		return e->status;
	c->role = role;
	return OK;
}

enum status
ingest_options_type(struct ingest_options *o, const char *column, enum column_type type, struct err *e)
{
	struct column_option *c = column_entry(o, column, e);

	if (!c)
		return e->status;
	c->typed = true;
	c->type = type;
	return OK;
}

enum status
ingest_options_form(struct ingest_options *o, const char *column, const struct number_form *form, struct err *e)
{
	struct column_option *c = column_entry(o, column, e);

	if (!c)
		return e->status;
	c->form = *form;
	return OK;
}

const struct number_form *
ingest_options_form_of(const struct ingest_options *o, const char *column)
{
	uint32_t code = dictionary_find(&o->names, column, strlen(column));

	return code == TABLE_MISSING || number_form_is_plain(&o->column[code].form) ? NULL : &o->column[code].form;
}

enum status
ingest_options_copy(struct ingest_options *to, const struct ingest_options *from, struct err *e)
{
	struct ingest_options o = *from;
	enum status s;

	o.label_column = NULL;
	o.na_values = o.unlabelled_values = (struct text_list){0};
	o.names = (struct dictionary){0};
	o.column = NULL;
	o.column_cap = 0;
	if (from->label_column && !(o.label_column = strdup(from->label_column))) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < from->names.n; i++) {
		struct column_option *c = column_entry(&o, from->names.text[i], e);

		if (!c) {
			s = e->status;
			goto out;
		}
		*c = from->column[i];
	}
	if ((s = text_list_copy(&o.na_values, &from->na_values, e)) ||
		(s = text_list_copy(&o.unlabelled_values, &from->unlabelled_values, e)))
		goto out;
	*to = o;
	o = (struct ingest_options){0};
out:
	ingest_options_release(&o);
	return s;
}

char
ingest_options_delimiter(const struct ingest_options *o)
{
	return o->delimiter ? o->delimiter : ',';
}

char
ingest_options_quote(const struct ingest_options *o)
{
	return o->unquoted ? '\0' : o->quote ? o->quote : '"';
}

char
ingest_options_decimal(const struct ingest_options *o)
{
	return o->decimal ? o->decimal : '.';
}

const char *
ingest_options_label(const struct ingest_options *o)
{
	if (o->label_column)
		return o->label_column;
	for (size_t i = 0; i < o->names.n; i++)
		if (o->column[i].role == ROLE_LABEL)
			return o->names.text[i];
	return NULL;
}

enum status
ingest_options_check(const struct ingest_options *o, struct err *e)
{
	const char *taken[N_COLUMN_ROLES] = {[ROLE_LABEL] = o->label_column};

	if (ingest_options_delimiter(o) == ingest_options_decimal(o))
		return err_set(e, ERR_INVALID, "invalid_schema",
			"the decimal mark and the delimiter are the same character, '%c'", ingest_options_decimal(o));
	for (size_t i = 0; i < o->names.n; i++) {
		const struct column_option *c = &o->column[i];
		const char *name = o->names.text[i];
		bool label = c->role == ROLE_LABEL || (o->label_column && !strcmp(name, o->label_column));

		if (c->form.group == ingest_options_decimal(o))
			return err_set(e, ERR_INVALID, "invalid_schema",
				"column \"%.*s\": \"grouping\" is the decimal mark, '%c'", text_shown(name), name,
				c->form.group);
		if (label && c->role != ROLE_LABEL && c->role != ROLE_FEATURE)
			return err_set(e, ERR_INVALID, "invalid_schema",
				"column \"%.*s\" is the label column and cannot have the role %s", text_shown(name),
				name, column_role_name(c->role));
		if ((label || c->role == ROLE_ID || c->role == ROLE_SPLIT) && c->typed && c->type != COLUMN_TEXT)
			return err_set(e, ERR_INVALID, "invalid_schema",
				"column \"%.*s\" has the role %s, whose values are texts, and cannot be of type %s",
				text_shown(name), name, label ? "label" : column_role_name(c->role),
				column_type_name(c->type));
		if (c->role == ROLE_WEIGHT && c->typed && c->type != COLUMN_NUMBER)
			return err_set(e, ERR_INVALID, "invalid_schema",
				"column \"%.*s\" has the role weight and cannot be of type %s", text_shown(name), name,
				column_type_name(c->type));
		if (c->role != ROLE_LABEL && c->role != ROLE_WEIGHT && c->role != ROLE_SPLIT)
			continue;
		if (taken[c->role] && strcmp(taken[c->role], name) != 0)
			return err_set(e, ERR_INVALID, "invalid_schema",
				"columns \"%.*s\" and \"%.*s\" both have the role %s; only one can",
				text_shown(taken[c->role]), taken[c->role], text_shown(name), name,
				column_role_name(c->role));
		taken[c->role] = name;
	}
	return OK;
}

bool
usual_na(const char *text, size_t len)
{
	static const char *const usual[] = {"?", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "-NaN", "-nan", "#N/A", "#NA",
		"<NA>", "NULL", "Null", "null", "\\N", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!",
		"1.#QNAN", "-1.#IND"};

	if (len < 1 || len > 7 || !strchr("?Nn-#<\\1", *text))
		return false;
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		if (!strncmp(usual[i], text, len) && !usual[i][len])
			return true;
	return false;
}

/* What counts of a cell: of a number all but the spaces around it, of a label nothing where it is spaces alone. */
static void
trim(enum cell_kind kind, const char **text, size_t *len)
{
	const char *first = *text, *end = *text + *len;

	if (kind == CELL_TEXT)
		return;
	text_trim(&first, &end);
	if (kind == CELL_LABEL && first < end)
		return;
	*text = first;
	*len = (size_t)(end - first);
}

/* A stroke, a dot or "None" in the place of a number is none; as a label each may mean something. */
static bool
usual_of(enum cell_kind kind, const char *text, size_t len)
{
	if (kind == CELL_NUMBER && ((len == 1 && *text == '.') || (len && len <= 2 && !memcmp(text, "--", len)) ||
					   (len == 4 && !memcmp(text, "None", 4))))
		return true;
	return kind != CELL_TEXT && usual_na(text, len);
}

static bool
is_listed(const struct ingest_options *o, enum cell_kind kind, const char *text, size_t len)
{
	return text_list_has(&o->na_values, text, len) ||
	       (kind == CELL_LABEL && text_list_has(&o->unlabelled_values, text, len));
}

bool
ingest_options_missing(const struct ingest_options *o, enum cell_kind kind, const char *text, size_t len)
{
	trim(kind, &text, &len);
	return !len || is_listed(o, kind, text, len) || (!o->na_given && usual_of(kind, text, len));
}

bool
ingest_options_assumed(const struct ingest_options *o, enum cell_kind kind, const char *text, size_t len)
{
	trim(kind, &text, &len);
	return !o->na_given && usual_of(kind, text, len) && !is_listed(o, kind, text, len);
}

size_t
ingest_options_na_numbers(const struct ingest_options *o, double *out)
{
	size_t n = 0;

	for (size_t i = 0; i < o->na_values.n; i++)
		n += number_parse_marked(
			o->na_values.text[i], strlen(o->na_values.text[i]), ingest_options_decimal(o), &out[n]);
	return n;
}

/* ---- from text --------------------------------------------------------------------------------------------------- */

static enum status
unknown_name(const char *what, const char *name, const char *const *known, size_t n, struct err *e)
{
	const char *near = suggest_nearest(name, known, n);

	if (near)
		return err_set(e, ERR_INVALID, "unknown_field", "%s has no \"%.*s\"; did you mean \"%s\"?", what,
			text_shown(name), name, near);
	return err_set(e, ERR_INVALID, "unknown_field", "%s has no \"%.*s\"", what, text_shown(name), name);
}

static bool
delimits(char c)
{
	unsigned char u = (unsigned char)c;

	return u && u < 0x7f && !strchr("\r\n\"'.+-_\\", c) && !(u >= '0' && u <= '9') && !(u >= 'a' && u <= 'z') &&
	       !(u >= 'A' && u <= 'Z');
}

static enum status
set_character(struct ingest_options *o, const char *name, const char *text, struct err *e)
{
	char c = strlen(text) == 1 ? text[0] : '\0';

	if (!strcmp(name, "decimal")) {
		if (c != '.' && c != ',')
			return err_set(e, ERR_INVALID, "invalid_schema",
				"\"decimal\" is \"%.*s\"; it can be \".\" or \",\"", text_shown(text), text);
		o->decimal = c;
		return OK;
	}
	if (!strcmp(name, "quote")) {
		bool none = !*text || !strcmp(text, "none");

		if (!none && c != '"' && c != '\'')
			return err_set(e, ERR_INVALID, "invalid_schema",
				"\"quote\" is \"%.*s\"; it can be a double quote, a single quote, or none",
				text_shown(text), text);
		o->unquoted = none;
		o->quote = c;
		return OK;
	}
	for (size_t i = 0; i < sizeof character_names / sizeof character_names[0]; i++)
		if (!strcmp(text, character_names[i].name))
			c = character_names[i].character;
	if (!delimits(c))
		return err_set(e, ERR_INVALID, "invalid_schema",
			"\"delimiter\" is \"%.*s\"; it must be one ASCII character that is no letter, digit, quote, "
			"point or sign, such as \",\", \";\" or \"tab\"",
			text_shown(text), text);
	o->delimiter = c;
	return OK;
}

static enum status
set_count(struct ingest_options *o, const char *text, struct err *e)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || v > UINT32_MAX)
		return err_set(e, ERR_INVALID, "invalid_schema",
			"\"max_bad_rows\" is \"%.*s\"; it must be a whole number of at most %u", text_shown(text), text,
			UINT32_MAX);
	o->max_bad_rows = (size_t)v;
	return OK;
}

static enum status
set_role_or_type(struct ingest_options *o, const char *column, bool is_role, const char *value, struct err *e)
{
	enum column_role role;
	enum column_type type;

	if (is_role && column_role_find(value, &role))
		return ingest_options_role(o, column, role, e);
	if (!is_role && column_type_find(value, &type))
		return ingest_options_type(o, column, type, e);
	return err_set(e, ERR_INVALID, "invalid_schema", "column \"%.*s\": the %s \"%.*s\" is none of %s",
		text_shown(column), column, is_role ? "role" : "type", text_shown(value), value,
		is_role ? "feature, label, id, weight, split, ignore" : "number, text, date, boolean");
}

/* COLUMN=VALUE; the column's name may have an equals sign, the value has none. */
static enum status
set_pair(struct ingest_options *o, const char *name, const char *text, struct err *e)
{
	const char *equals = strrchr(text, '=');
	char *column;
	enum status s;

	if (!equals || equals == text)
		return err_set(e, ERR_INVALID, "invalid_schema", "\"%.*s\" is not of the form COLUMN=%s",
			text_shown(text), text, strcmp(name, "role") != 0 ? "TYPE" : "ROLE");
	if (!(column = strndup(text, (size_t)(equals - text))))
		return err_nomem(e);
	s = set_role_or_type(o, column, !strcmp(name, "role"), equals + 1, e);
	free(column);
	return s;
}

static enum status
set_label(struct ingest_options *o, const char *text, struct err *e)
{
	char *label = *text ? strdup(text) : NULL;

	if (*text && !label)
		return err_nomem(e);
	free(o->label_column);
	o->label_column = label;
	return OK;
}

enum status
ingest_options_set(struct ingest_options *o, const char *name, const char *text, struct err *e)
{
	static const char *const known[] = {"label_column", "delimiter", "quote", "decimal", "date_order", "na_values",
		"unlabelled_values", "role", "type", "max_bad_rows"};

	if (!strcmp(name, "label_column"))
		return set_label(o, text, e);
	if (!strcmp(name, "delimiter") || !strcmp(name, "quote") || !strcmp(name, "decimal"))
		return set_character(o, name, text, e);
	if (!strcmp(name, "date_order"))
		return date_order_find(text, &o->date_order)
			       ? OK
			       : err_set(e, ERR_INVALID, "invalid_schema",
					 "\"date_order\" is \"%.*s\"; it can be \"mdy\" or \"dmy\"", text_shown(text),
					 text);
	if (!strcmp(name, "unlabelled_values"))
		return set_list(&o->unlabelled_values, name, text, e);
	if (!strcmp(name, "role") || !strcmp(name, "type"))
		return set_pair(o, name, text, e);
	if (!strcmp(name, "max_bad_rows"))
		return set_count(o, text, e);
	if (strcmp(name, "na_values") != 0)
		return unknown_name("the schema", name, known, sizeof known / sizeof known[0], e);
	if (set_list(&o->na_values, name, text, e))
		return e->status;
	o->na_given = true;
	return OK;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static enum status
list_from_json(struct text_list *l, const cJSON *v, struct err *e)
{
	struct text_list made = {0};
	const cJSON *item;
	enum status s = OK;

	if (!cJSON_IsArray(v))
		return err_set(e, ERR_INVALID, "invalid_schema", "\"%s\" must be a list of texts", v->string);
	cJSON_ArrayForEach(item, v)
	{
		if (!cJSON_IsString(item)) {
			s = err_set(e, ERR_INVALID, "invalid_schema",
				"\"%s\" must be a list of texts; write a number as it stands in the file, \"-1\"",
				v->string);
			goto out;
		}
		if ((s = text_list_add(&made, v->string, item->valuestring, strlen(item->valuestring), e)))
			goto out;
	}
	text_list_release(l);
	*l = made;
	made = (struct text_list){0};
out:
	text_list_release(&made);
	return s;
}

/* "unit" or "grouping" of the column. */
static enum status
form_from_json(struct ingest_options *o, const char *name, const cJSON *v, struct err *e)
{
	const struct number_form *known = ingest_options_form_of(o, name);
	struct number_form form = known ? *known : (struct number_form){0};
	const char *text = v->valuestring;
	bool is_unit = !strcmp(v->string, "unit");

	if (is_unit ? *text && !number_form_unit_known(text) : *text && (text[1] || !number_form_group_known(*text)))
		return err_set(e, ERR_INVALID, "invalid_schema",
			"column \"%.*s\": the %s \"%.20s\" is none that is read", text_shown(name), name, v->string,
			text);
	if (is_unit)
		snprintf(form.unit, sizeof form.unit, "%s", text);
	else
		form.group = *text;
	return ingest_options_form(o, name, &form, e);
}

static enum status
column_from_json(struct ingest_options *o, const cJSON *v, struct err *e)
{
	static const char *const known[] = {"name", "role", "type", "unit", "grouping"};
	const cJSON *name = cJSON_IsObject(v) ? cJSON_GetObjectItemCaseSensitive(v, "name") : NULL, *w;
	enum status s;

	if (!name || !cJSON_IsString(name))
		return err_set(e, ERR_INVALID, "invalid_schema",
			"\"columns\" must be a list of objects, each with the \"name\" of its column");
	if (!column_entry(o, name->valuestring, e))
		return e->status;
	cJSON_ArrayForEach(w, v)
	{
		bool is_role = !strcmp(w->string, "role"), is_form = false;

		if (w == name)
			continue;
		is_form = !strcmp(w->string, "unit") || !strcmp(w->string, "grouping");
		if (!is_role && !is_form && strcmp(w->string, "type") != 0)
			return unknown_name(
				"a column of the schema", w->string, known, sizeof known / sizeof *known, e);
		if (!cJSON_IsString(w))
			return err_set(e, ERR_INVALID, "invalid_schema", "column \"%.*s\": \"%s\" must be a text",
				text_shown(name->valuestring), name->valuestring, w->string);
		s = is_form ? form_from_json(o, name->valuestring, w, e)
			    : set_role_or_type(o, name->valuestring, is_role, w->valuestring, e);
		if (s)
			return s;
	}
	return OK;
}

static enum status
member_from_json(struct ingest_options *o, const cJSON *v, struct err *e)
{
	const char *name = v->string;
	const cJSON *item;

	for (size_t i = 0;; i++) {
		if (i == N_OPTIONS)
			return unknown_name("the schema", name, option_names, N_OPTIONS, e);
		if (!strcmp(name, option_names[i]))
			break;
	}
	if (!strcmp(name, "unlabelled_values"))
		return list_from_json(&o->unlabelled_values, v, e);
	if (!strcmp(name, "na_values")) {
		if (list_from_json(&o->na_values, v, e))
			return e->status;
		o->na_given = true;
		return OK;
	}
	if (!strcmp(name, "columns")) {
		if (!cJSON_IsArray(v))
			return err_set(e, ERR_INVALID, "invalid_schema", "\"columns\" must be a list of objects");
		cJSON_ArrayForEach(item, v)
		{
			if (column_from_json(o, item, e))
				return e->status;
		}
		return OK;
	}
	if (!strcmp(name, "max_bad_rows")) {
		if (!cJSON_IsNumber(v) || v->valuedouble < 0 || v->valuedouble > UINT32_MAX ||
			v->valuedouble != floor(v->valuedouble))
			return err_set(e, ERR_INVALID, "invalid_schema",
				"\"max_bad_rows\" must be a whole number of at most %u", UINT32_MAX);
		o->max_bad_rows = (size_t)v->valuedouble;
		return OK;
	}
	if (!strcmp(name, "label_column") && cJSON_IsNull(v))
		return set_label(o, "", e);
	if (!cJSON_IsString(v))
		return err_set(e, ERR_INVALID, "invalid_schema", "\"%s\" must be a text", name);
	return ingest_options_set(o, name, v->valuestring, e);
}

enum status
ingest_options_from_json(struct ingest_options *o, const struct cJSON *object, struct err *e)
{
	struct ingest_options made;
	const cJSON *v;
	enum status s;

	if (!cJSON_IsObject(object))
		return err_set(e, ERR_INVALID, "invalid_schema", "the schema must be a JSON object");
	if ((s = ingest_options_copy(&made, o, e)))
		return s;
	cJSON_ArrayForEach(v, object)
	{
		if ((s = member_from_json(&made, v, e))) {
			ingest_options_release(&made);
			return s;
		}
	}
	ingest_options_release(o);
	*o = made;
	return OK;
}

/* Adds `item` to the object or array `to`; false: out of memory. */
static bool
put(cJSON *to, const char *name, cJSON *item)
{
	if (item && (name ? cJSON_AddItemToObject(to, name, item) : cJSON_AddItemToArray(to, item)))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool
put_character(cJSON *to, const char *name, char c)
{
	const char text[2] = {c, '\0'};

	return put(to, name, cJSON_CreateString(text));
}

static bool
put_list(cJSON *to, const char *name, const struct text_list *l)
{
	cJSON *list = cJSON_CreateArray();

	if (!put(to, name, list))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (!put(list, NULL, cJSON_CreateString(l->text[i])))
			return false;
	return true;
}

static bool
put_columns(cJSON *to, const struct ingest_options *o)
{
	cJSON *columns = cJSON_CreateArray();

	if (!put(to, "columns", columns))
		return false;
	for (size_t i = 0; i < o->names.n; i++) {
		const struct column_option *c = &o->column[i];
		cJSON *column = cJSON_CreateObject();

		if (!put(columns, NULL, column) || !put(column, "name", cJSON_CreateString(o->names.text[i])) ||
			!put(column, "role", cJSON_CreateString(column_role_name(c->role))) ||
			(c->typed && !put(column, "type", cJSON_CreateString(column_type_name(c->type)))) ||
			(c->form.unit[0] && !put(column, "unit", cJSON_CreateString(c->form.unit))) ||
			(c->form.group && !put_character(column, "grouping", c->form.group)))
			return false;
	}
	return true;
}

struct cJSON *
ingest_options_to_json(const struct ingest_options *o)
{
	cJSON *root = cJSON_CreateObject();

	if (!root)
		return NULL;
	if ((!o->label_column || put(root, "label_column", cJSON_CreateString(o->label_column))) &&
		put_character(root, "delimiter", ingest_options_delimiter(o)) &&
		put_character(root, "quote", ingest_options_quote(o)) &&
		put_character(root, "decimal", ingest_options_decimal(o)) &&
		(!o->date_order || put(root, "date_order", cJSON_CreateString(date_order_name(o->date_order)))) &&
		(!o->na_given || put_list(root, "na_values", &o->na_values)) &&
		put_list(root, "unlabelled_values", &o->unlabelled_values) && put_columns(root, o) &&
		put(root, "max_bad_rows", cJSON_CreateNumber((double)o->max_bad_rows)))
		return root;
	cJSON_Delete(root);
	return NULL;
}
