/*
 * ingest_options: how a CSV file is to be read where the defaults do not fit: its characters, what stands for a missing
 * value or label, what each column is, how many bad rows are put up with. The "schema" part of an upload.
 *
 * All zero is the defaults, {0}:
 *   label_column       none; the same as giving that column the role "label"
 *   delimiter          ','    one ASCII character that no number or word is made of
 *   quote              '"'    or '\'', or none at all: quotes are then characters like any other
 *   decimal            '.'    or ','; the delimiter must differ
 *   date_order         "mdy" or "dmy": what 3/1/2024 is. Left out, the columns of such dates that leave no doubt,
 *                      25/12/2024, decide for all; where none does, or two differ, they are texts
 *   na_values          the texts that stand for a missing cell, beside the empty one, which always does. Left to the
 *                      defaults, the usual spellings (usual_na) are missing in columns of numbers and in the label
 *                      column, and texts like any other in columns of text, where "NA" may be Namibia. A list holds
 *                      for every column, exactly as it is written, and in columns of numbers a number in it for each
 *                      spelling of that number; an empty list leaves the empty cell alone. Columns declared to be of
 *                      dates or of yes and no are as columns of numbers in this, but for other spellings of numbers.
 *                      Spaces around a cell of numbers do not count, and nothing but spaces is an empty cell there.
 *   unlabelled_values  further texts that, as a label, mean that there is none. "-1" is a class unless it is listed.
 *   columns            for single columns, by name: a role, a type, and of numbers that are not plain their unit and
 *                      what separates groups of their digits (number_form.h), which are guessed too
 *   max_bad_rows       0; rows that cannot be used are refused with the whole file (0), or left out and counted, up to
 *                      this many: rows of another width than the header, cells that are no number, date or yes-or-no
 *                      in a column declared as one, weights that are missing or negative. What leaves the ends of the
 *                      rows in doubt (a stray or unterminated quote, bytes that are no text) is always refused. Rows
 *                      of several columns without a single cell are always left out, and counted with them, but not
 *                      against this.
 *
 * Roles: a feature is learned from, the label is what is learned; id, weight, split and ignore are stored and never
 * learned from. At most one column each is the label, the weight (numbers of 0 and above), the split. The columns
 * label, id and split are always of text, so that "007" stays what it is. Types that are not given are guessed, see
 * ingest.h.
 *
 * Every setter refuses with ERR_INVALID "invalid_schema" and leaves the options as they were. Thread rule: plain
 * values.
 */
#ifndef VERAD_SCHEMA_INGEST_OPTIONS_H
#define VERAD_SCHEMA_INGEST_OPTIONS_H

#include "schema/date.h"
#include "schema/number_form.h"
#include "schema/table.h"

enum column_role { ROLE_FEATURE, ROLE_LABEL, ROLE_ID, ROLE_WEIGHT, ROLE_SPLIT, ROLE_IGNORE, N_COLUMN_ROLES };
const char *column_role_name(enum column_role r);               /* "feature", … */
bool column_role_find(const char *name, enum column_role *out); /* false: there is no such role */
bool column_type_find(const char *name, enum column_type *out); /* the same of column_type_name's names */

struct text_list {
	char **text; /* [n], owned */
	size_t n;
};

struct column_option {
	enum column_role role;
	bool typed; /* else the type is guessed */
	enum column_type type;
	struct number_form form; /* of numbers that are not plain */
};

struct ingest_options {
	char *label_column;             /* owned; NULL: as the roles say */
	char delimiter, quote, decimal; /* 0: the default */
	bool unquoted;                  /* no character quotes */
	bool na_given;                  /* na_values is a list of the user's, maybe an empty one */
	enum date_order date_order;
	struct text_list na_values, unlabelled_values;
	struct dictionary names;      /* of the columns there is something to say of */
	struct column_option *column; /* [names.n], owned */
	size_t column_cap;
	size_t max_bad_rows;
	bool label_optional; /* the label column may be absent: then nothing is labelled. No option of a user's */
};
void ingest_options_release(struct ingest_options *o); /* accepts a zeroed struct; leaves one */
enum status ingest_options_copy(struct ingest_options *to, const struct ingest_options *from, struct err *e);

enum { INGEST_MAX_LISTED = 100, INGEST_MAX_LISTED_BYTES = 100 }; /* values of a list, and bytes of one */

/* One option by its name above, from text as a command line or a query gives it: delimiters also as "comma",
 * "semicolon", "tab", "pipe", "space", quote as "none" too; lists separated by commas; "role" and "type" take
 * "COLUMN=ROLE" and "COLUMN=TYPE" and may come again for other columns. A name that is none is ERR_INVALID
 * "unknown_field". */
enum status ingest_options_set(struct ingest_options *o, const char *name, const char *text, struct err *e);
enum status ingest_options_role(struct ingest_options *o, const char *column, enum column_role role, struct err *e);
enum status ingest_options_type(struct ingest_options *o, const char *column, enum column_type type, struct err *e);
enum status ingest_options_form(
	struct ingest_options *o, const char *column, const struct number_form *form, struct err *e);
/* That of a column of numbers; NULL: they are plain. Borrowed. */
const struct number_form *ingest_options_form_of(const struct ingest_options *o, const char *column);

/* An object with the names above, all optional: {"delimiter": ";", "na_values": ["NA", "-"], "columns": [{"name":
 * "age", "type": "number"}, {"name": "price", "unit": "$", "grouping": ","}, {"name": "customer", "role": "id"}],
 * "max_bad_rows": 10}. Sets what it names over what is set already. ERR_INVALID "unknown_field" for other members, with
 * the nearest name. */
struct cJSON;
enum status ingest_options_from_json(struct ingest_options *o, const struct cJSON *object, struct err *e);
/* As from_json reads it, defaults filled in but for na_values, which is there only when it was given. Owned; NULL when
 * out of memory. */
struct cJSON *ingest_options_to_json(const struct ingest_options *o);

/* What only holds for all of them together: one label, one weight, one split; types that fit roles; characters that
 * differ. ingest_new calls it. */
enum status ingest_options_check(const struct ingest_options *o, struct err *e);

char ingest_options_delimiter(const struct ingest_options *o);
char ingest_options_quote(const struct ingest_options *o); /* 0: nothing quotes */
char ingest_options_decimal(const struct ingest_options *o);
const char *ingest_options_label(const struct ingest_options *o); /* borrowed; NULL: no label column */

/* Is this text of a cell a missing value? Of a number: spaces around it left out. A label of spaces alone is one. */
enum cell_kind { CELL_NUMBER, CELL_TEXT, CELL_LABEL };
bool ingest_options_missing(const struct ingest_options *o, enum cell_kind kind, const char *text, size_t len);
/* Is it one only by being spelled as usual, although nobody listed it? */
bool ingest_options_assumed(const struct ingest_options *o, enum cell_kind kind, const char *text, size_t len);

/* The listed missing values that are numbers, into out[INGEST_MAX_LISTED]; returns how many. */
size_t ingest_options_na_numbers(const struct ingest_options *o, double *out);

/* The usual spellings of a missing value, those of pandas, R, SQL dumps (\N) and a workbook's errors; in a column of
 * numbers "-", "--", "." and "None" as well. */
bool usual_na(const char *text, size_t len);

#endif
