/* ingest_options: what can be said of a table, in words and as JSON; and what ingest makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/ingest.h"

/* The options in words, "delimiter=;", one each; they must be good. */
static void
set_all(struct ingest_options *o, const char *const *words)
{
	struct err e = {0};

	for (; *words; words++) {
		char name[64];
		size_t n = strcspn(*words, "=");

		snprintf(name, sizeof name, "%.*s", (int)n, *words);
		if (ingest_options_set(o, name, *words + n + 1, &e))
			fail_msg("%s: %s", *words, e.msg);
	}
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static char *
as_json(const struct ingest_options *o)
{
	cJSON *root = ingest_options_to_json(o);
	char *text;

	assert_non_null(root);
	text = cJSON_PrintUnformatted(root);
	assert_non_null(text);
	cJSON_Delete(root);
	return text;
}

static enum status
from_json(struct ingest_options *o, const char *text, struct err *e)
{
	cJSON *root = cJSON_Parse(text);
	enum status s;

	assert_non_null(root);
	s = ingest_options_from_json(o, root, e);
	cJSON_Delete(root);
	return s;
}

/* ---- saying it --------------------------------------------------------------------------------------------------- */

static void
nothing_said_is_the_defaults(void **state)
{
	struct ingest_options o = {0};
	struct err e = {0};
	char *text;

	(void)state;
	assert_int_equal(ingest_options_check(&o, &e), OK);
	assert_int_equal(ingest_options_delimiter(&o), ',');
	assert_int_equal(ingest_options_quote(&o), '"');
	assert_int_equal(ingest_options_decimal(&o), '.');
	assert_null(ingest_options_label(&o));
	text = as_json(&o);
	assert_string_equal(text, "{\"delimiter\":\",\",\"quote\":\"\\\"\",\"decimal\":\".\",\"unlabelled_values\":[],"
				  "\"columns\":[],\"max_bad_rows\":0}");
	free(text);
}

static void
words_and_json_say_the_same_and_come_back_unchanged(void **state)
{
	struct ingest_options words = {0}, json = {0}, copy = {0};
	struct err e = {0};
	char *a, *b, *c;

	(void)state;
	set_all(&words, WORDS("label_column=y", "delimiter=tab", "quote=none", "decimal=,", "na_values=NA,-,",
				"unlabelled_values=-1", "role=customer=id", "type=a=b=text", "role=w=weight",
				"type=w=number", "max_bad_rows=12"));
	a = as_json(&words);
	assert_string_equal(a,
		"{\"label_column\":\"y\",\"delimiter\":\"\\t\",\"quote\":\"\",\"decimal\":\",\",\"na_values\":[\"NA\","
		"\"-\"],\"unlabelled_values\":[\"-1\"],\"columns\":[{\"name\":\"customer\",\"role\":\"id\"},{\"name\":"
		"\"a=b\",\"role\":\"feature\",\"type\":\"text\"},{\"name\":\"w\",\"role\":\"weight\",\"type\":"
		"\"number\"}],"
		"\"max_bad_rows\":12}");
	assert_int_equal(from_json(&json, a, &e), OK);
	b = as_json(&json);
	assert_string_equal(a, b);
	assert_int_equal(ingest_options_copy(&copy, &json, &e), OK);
	ingest_options_release(&json);
	c = as_json(&copy);
	assert_string_equal(a, c);
	/* what is said again takes the place of what was said */
	assert_int_equal(from_json(&copy, "{\"na_values\":[],\"label_column\":null,\"quote\":\"'\"}", &e), OK);
	assert_true(copy.na_given && !copy.na_values.n && !copy.label_column);
	assert_int_equal(ingest_options_quote(&copy), '\'');
	assert_int_equal(copy.max_bad_rows, 12);
	free(a);
	free(b);
	free(c);
	ingest_options_release(&words);
	ingest_options_release(&copy);
}

static void
what_makes_no_sense_is_refused_and_changes_nothing(void **state)
{
	static const struct {
		const char *json, *code, *message;
	} bad[] = {
		{"[]", "invalid_schema", "must be a JSON object"},
		{"{\"delimeter\":\";\"}", "unknown_field", "did you mean \"delimiter\"?"},
		{"{\"delimiter\":\"ab\"}", "invalid_schema", "must be one ASCII character"},
		{"{\"delimiter\":\"1\"}", "invalid_schema", "must be one ASCII character"},
		{"{\"delimiter\":\"\xc2\xa7\"}", "invalid_schema", "must be one ASCII character"},
		{"{\"delimiter\":7}", "invalid_schema", "\"delimiter\" must be a text"},
		{"{\"quote\":\"x\"}", "invalid_schema", "a double quote, a single quote, or none"},
		{"{\"decimal\":\";\"}", "invalid_schema", "\"decimal\" is \";\""},
		{"{\"na_values\":\"NA\"}", "invalid_schema", "\"na_values\" must be a list"},
		{"{\"unlabelled_values\":[-1]}", "invalid_schema", "as it stands in the file"},
		{"{\"columns\":{}}", "invalid_schema", "\"columns\" must be a list"},
		{"{\"columns\":[{\"role\":\"id\"}]}", "invalid_schema", "the \"name\" of its column"},
		{"{\"columns\":[{\"name\":\"\"}]}", "invalid_schema", "without its name"},
		{"{\"columns\":[{\"name\":\"a\",\"role\":\"key\"}]}", "invalid_schema", "the role \"key\" is none of"},
		{"{\"columns\":[{\"name\":\"a\",\"type\":\"day\"}]}", "invalid_schema",
			"is none of number, text, date, boolean"},
		{"{\"columns\":[{\"name\":\"a\",\"kind\":\"id\"}]}", "unknown_field", "has no \"kind\""},
		{"{\"columns\":[{\"name\":\"a\",\"role\":1}]}", "invalid_schema", "\"role\" must be a text"},
		{"{\"max_bad_rows\":-1}", "invalid_schema", "must be a whole number"},
		{"{\"max_bad_rows\":1.5}", "invalid_schema", "must be a whole number"},
		{"{\"max_bad_rows\":1e300}", "invalid_schema", "must be a whole number"},
	};
	static const char *const words[][2] = {{"max_bad_rows", "-1"}, {"max_bad_rows", "1x"}, {"max_bad_rows", ""},
		{"max_bad_rows", "99999999999999999999"}, {"delimiter", ""}, {"role", "id"}, {"role", "=id"},
		{"type", "a=day"}};
	char long_list[INGEST_MAX_LISTED * 8 + 64];
	struct ingest_options o = {0};
	struct err e = {0};
	char *before, *after;

	(void)state;
	set_all(&o, WORDS("label_column=y", "delimiter=;", "na_values=-", "role=a=split"));
	before = as_json(&o);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(from_json(&o, bad[i].json, &e), ERR_INVALID);
		assert_string_equal(e.code, bad[i].code);
		if (!strstr(e.msg, bad[i].message))
			fail_msg("%s: %s", bad[i].json, e.msg);
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		assert_int_equal(ingest_options_set(&o, words[i][0], words[i][1], &e), ERR_INVALID);
	long_list[0] = '\0';
	for (size_t i = 0, n = 0; i <= INGEST_MAX_LISTED; i++)
		n += (size_t)snprintf(long_list + n, sizeof long_list - n, "v%zu,", i);
	assert_int_equal(ingest_options_set(&o, "na_values", long_list, &e), ERR_INVALID);
	after = as_json(&o);
	assert_string_equal(before, after);
	free(before);
	free(after);
	ingest_options_release(&o);
}

static void
what_does_not_fit_together_is_refused(void **state)
{
	static const struct {
		const char *words[4], *message;
	} bad[] = {
		{{"decimal=,"}, "the decimal mark and the delimiter are the same"},
		{{"label_column=y", "role=z=label"}, "columns \"y\" and \"z\" both have the role label"},
		{{"label_column=y", "role=y=id"}, "column \"y\" is the label column and cannot have the role id"},
		{{"label_column=y", "type=y=number"}, "has the role label, whose values are texts"},
		{{"role=k=id", "type=k=number"}, "has the role id, whose values are texts"},
		{{"role=w=weight", "type=w=text"}, "has the role weight and cannot be of type text"},
		{{"role=w=weight", "role=v=weight"}, "columns \"w\" and \"v\" both have the role weight"},
		{{"role=w=split", "role=v=split"}, "both have the role split"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct ingest_options o = {0};
		struct ingest_sink sink = {0};
		struct ingest *g = NULL;
		struct err e = {0};

		set_all(&o, bad[i].words);
		assert_int_equal(ingest_new(&o, NULL, &sink, &g, &e), ERR_INVALID);
		assert_string_equal(e.code, "invalid_schema");
		if (!strstr(e.msg, bad[i].message))
			fail_msg("%s", e.msg);
		ingest_options_release(&o);
	}
}

/* ---- what it does ------------------------------------------------------------------------------------------------ */

struct read {
	char text[8192]; /* every cell */
	size_t len;
	struct ingest *g;
	struct err e;
};

static enum status
on_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct read *r = ctx;

	(void)chunk_index, (void)e;
	for (size_t i = 0; i < t->n_columns && t->n_rows < 100; i++) {
		const struct column *c = &t->column[i];

		r->len += (size_t)snprintf(r->text + r->len, sizeof r->text - r->len, "%s%s", i ? "; " : "", c->name);
		for (size_t row = 0; row < t->n_rows; row++) {
			char cell[64] = "-";

			if (c->type == COLUMN_NUMBER && !isnan(c->number[row]))
				snprintf(cell, sizeof cell, "%g", c->number[row]);
			else if (c->type == COLUMN_TEXT && c->code[row] != TABLE_MISSING)
				snprintf(cell, sizeof cell, "'%.50s'", c->dictionary.text[c->code[row]]);
			r->len += (size_t)snprintf(r->text + r->len, sizeof r->text - r->len, " %s", cell);
			assert_true(r->len < sizeof r->text);
		}
	}
	return OK;
}

static enum status
on_restart(void *ctx, struct err *e)
{
	struct read *r = ctx;

	(void)e;
	r->len = 0;
	return OK;
}

static enum status
read_with(struct read *r, const char *csv, const char *const *words)
{
	const struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = r};
	struct ingest_options o = {0};
	bool again = true;
	enum status s;

	memset(r, 0, sizeof *r);
	set_all(&o, words);
	s = ingest_new(&o, NULL, &sink, &r->g, &r->e);
	ingest_options_release(&o); /* it has a copy of its own */
	for (int pass = 0; !s && again; pass++) {
		if (pass)
			s = ingest_restart(r->g, &r->e);
		if (!s && !(s = ingest_feed(r->g, csv, strlen(csv), &r->e)))
			s = ingest_finish(r->g, &again, &r->e);
	}
	return s;
}

static void
reads(const char *csv, const char *const *words, const char *cells)
{
	struct read r;

	if (read_with(&r, csv, words))
		fail_msg("%s", r.e.msg);
	assert_string_equal(r.text, cells);
	ingest_free(r.g);
}

static void
refuses(const char *csv, const char *const *words, const char *code, const char *message)
{
	struct read r;

	assert_int_equal(read_with(&r, csv, words), ERR_DATA);
	assert_string_equal(r.e.code, code);
	if (!strstr(r.e.msg, message))
		fail_msg("%s", r.e.msg);
	ingest_free(r.g);
}

static void
a_listed_number_is_missing_however_it_is_written(void **state)
{
	(void)state;
	reads("a,b\n1,x\n-999,-999\n-999.0,-999.0\n3,y\n", WORDS("na_values=-999"), "a 1 - - 3; b 'x' - '-999.0' 'y'");
	reads("a;b\n1;2\n-9,0;3\n", WORDS("na_values=-9", "delimiter=;", "decimal=,"), "a 1 -; b 2 3");
	reads("a\n1\n-999\n", WORDS("na_values=-999", "type=a=number"), "a 1 -");
	refuses("a,w\n1,2\n1,-1\n", WORDS("na_values=-1", "role=w=weight"), "bad_weight", "is missing");
}

static void
other_characters_are_read(void **state)
{
	(void)state;
	reads("a;b\n1,5;\"x;\"\"y\"\n", WORDS("delimiter=semicolon", "decimal=,"), "a 1.5; b 'x;\"y'");
	reads("a\tb\n1.5\t\"\n", WORDS("delimiter=tab", "quote=none"), "a 1.5; b '\"'");
	reads("a|'b|c'\n1|'it''s'\n", WORDS("delimiter=|", "quote='"), "a 1; b|c 'it's'");
	reads("a;b\n-1,25e2; ,5 \n", WORDS("delimiter=;", "decimal=,"), "a -125; b 0.5");
	reads("a;b\n1.5;1,5,0\n", WORDS("delimiter=;", "decimal=,"), "a '1.5'; b '1,5,0'");
	refuses("a;b\n1;'x'y\n", WORDS("delimiter=;", "quote='"), "stray_quote", "line 2");
}

static void
the_usual_spellings_are_missing_in_numbers_and_labels_alone(void **state)
{
	reads("a,b,y\n1,x,u\nNA,NA,NA\n ? ,?,?\n3,y,v\n", WORDS("label_column=y"),
		"a 1 - - 3; b 'x' 'NA' '?' 'y'; y 'u' - - 'v'");
	/* strokes and dots among numbers alone */
	reads("a,b,y\n1,x,u\n-,-,-\n . ,.,.\n--,y,v\n-.5,z,v\n", WORDS("label_column=y"),
		"a 1 - - - -0.5; b 'x' '-' '.' 'y' 'z'; y 'u' '-' '.' 'v' 'v'");
	reads("a\n+\n-\n.\n", WORDS("max_bad_rows=0"), "a '+' '-' '.'");
	/* a label of spaces is none */
	reads("a,b,y\n1,x, \n2, ,u\n3,y, v\n", WORDS("label_column=y"), "a 1 2 3; b 'x' ' ' 'y'; y - 'u' ' v'");
	/* of a column that turns out to be text they are what they were */
	reads("a\nNA\n1\nnull\nx\nNaN\n", WORDS("max_bad_rows=0"), "a 'NA' '1' 'null' 'x' 'NaN'");
	/* a list holds for every column, and is the whole list */
	reads("a,b,y\n1,x,u\n-,-,-\n3,NA,NA\n", WORDS("label_column=y", "na_values=-"),
		"a 1 - 3; b 'x' - 'NA'; y 'u' - 'NA'");
	reads("a,b\n1,x\nNA,\n", WORDS("na_values="), "a '1' 'NA'; b 'x' -");
	(void)state;
}

static void
minus_one_is_a_class_until_it_is_listed(void **state)
{
	struct read r;

	(void)state;
	reads("a,y\n1,-1\n2,b\n", WORDS("label_column=y"), "a 1 2; y '-1' 'b'");
	assert_int_equal(
		read_with(&r, "a,y\n1,-1\n2,b\n3,\n4,NA\n-1,b\n", WORDS("label_column=y", "unlabelled_values=-1,none")),
		OK);
	assert_string_equal(r.text, "a 1 2 3 4 -1; y - 'b' - - 'b'");
	assert_int_equal(ingest_summary(r.g)->n_labelled, 2);
	assert_int_equal(ingest_summary(r.g)->n_unlabelled, 3);
	assert_int_equal(ingest_summary(r.g)->n_classes, 1);
	ingest_free(r.g);
}

static void
what_was_taken_as_missing_unasked_is_warned_of(void **state)
{
	struct dataset_warning w;
	struct read r;

	(void)state;
	assert_int_equal(read_with(&r, "a,y\n1,u\nnull,NA\nNA,v\n", WORDS("label_column=y")), OK);
	assert_true(dataset_warning(ingest_summary(r.g), 0, 0, &w));
	assert_string_equal(w.code, "na_among_numbers");
	assert_string_equal(w.message,
		"column \"a\": 2 cells such as \"null\" in line 3 are taken as missing; list na_values "
		"to say what is");
	assert_true(dataset_warning(ingest_summary(r.g), 1, 0, &w));
	assert_string_equal(w.code, "na_among_labels");
	assert_string_equal(w.message,
		"column \"y\": 1 cell such as \"NA\" in line 3 is taken as unlabelled; list na_values to "
		"say what is");
	ingest_free(r.g);
	assert_int_equal(read_with(&r, "a,y\n1,u\nnull,NA\nNA,v\n", WORDS("label_column=y", "na_values=NA,null")), OK);
	assert_false(dataset_warning(ingest_summary(r.g), 0, 0, &w));
	assert_false(dataset_warning(ingest_summary(r.g), 1, 0, &w));
	ingest_free(r.g);
}

static void
declared_types_and_roles_hold(void **state)
{
	struct read r;

	(void)state;
	assert_int_equal(read_with(&r, "a,b,k,w,s,z\n1,2,007,0.5,train,9\n",
				 WORDS("type=b=text", "role=k=id", "role=w=weight", "role=s=split", "role=z=ignore")),
		OK);
	assert_string_equal(r.text, "a 1; b '2'; k '007'; w 0.5; s 'train'; z 9");
	assert_int_equal(ingest_summary(r.g)->column[0].role, ROLE_FEATURE);
	assert_int_equal(ingest_summary(r.g)->column[2].role, ROLE_ID);
	assert_int_equal(ingest_summary(r.g)->column[3].role, ROLE_WEIGHT);
	assert_int_equal(ingest_summary(r.g)->column[4].role, ROLE_SPLIT);
	assert_int_equal(ingest_summary(r.g)->column[5].role, ROLE_IGNORE);
	ingest_free(r.g);
	reads("a,y\n1,2\n", WORDS("role=y=label"), "a 1; y '2'");
	reads("a\n1\nNA\n", WORDS("type=a=number"), "a 1 -");
	refuses("a,b\n1,2\nx,3\n", WORDS("type=a=number"), "not_a_number",
		"line 3: column \"a\" is declared to be of numbers, and \"x\" is none");
	refuses("a,w\n1,-2\n", WORDS("role=w=weight"), "bad_weight", "line 2: the weight in column \"w\" is negative");
	refuses("a,w\n1,\n", WORDS("role=w=weight"), "bad_weight", "is missing");
	refuses("age,w\n1,\n", WORDS("type=agee=text"), "unknown_column", "did you mean \"age\"?");
	refuses("age,w\n1,\n", WORDS("role=agee=label"), "unknown_label_column", "did you mean \"age\"?");
}

static void
bad_rows_are_left_out_and_reported_as_far_as_allowed(void **state)
{
	static const char csv[] = "a,b,y\n1,2,u\n3\nx,5,v\n6,7,u\n\"8\",9,10,11\n12,\"1\n3\",z\n";
	char **words = (char *[]){(char[]){"max_bad_rows=4"}, (char[]){"type=a=number"}, (char[]){"type=b=number"},
		(char[]){"label_column=y"}, NULL};
	const struct dataset_summary *s;
	struct read r;

	(void)state;
	assert_int_equal(read_with(&r, csv, (const char *const *)words), OK);
	assert_string_equal(r.text, "a 1 6; b 2 7; y 'u' 'u'");
	s = ingest_summary(r.g);
	assert_int_equal(s->n_rows, 2);
	assert_int_equal(s->n_bad_rows, 4);
	assert_int_equal(s->n_classes, 1); /* the labels of rows left out are left out with them */
	assert_int_equal(ingest_bad_row(r.g, 0)->line, 3);
	assert_string_equal(ingest_bad_row(r.g, 0)->code, "ragged_row");
	assert_int_equal(ingest_bad_row(r.g, 1)->line, 4);
	assert_string_equal(ingest_bad_row(r.g, 1)->code, "not_a_number");
	assert_string_equal(ingest_bad_row(r.g, 1)->column, "a");
	assert_int_equal(ingest_bad_row(r.g, 2)->line, 6);
	assert_int_equal(ingest_bad_row(r.g, 3)->line, 7);
	assert_null(ingest_bad_row(r.g, 4));
	assert_non_null(
		strstr(s->bad_rows, "{\"line\":4,\"column\":\"a\",\"code\":\"not_a_number\",\"message\":\"line 4: "));
	assert_non_null(strstr(s->options, "\"max_bad_rows\":4"));
	ingest_free(r.g);
	words[0][strlen(words[0]) - 1] = '3';
	refuses(csv, (const char *const *)words, "too_many_bad_rows", "more than 3 bad rows; the last: line 7: ");
	words[0][strlen(words[0]) - 1] = '0';
	refuses(csv, (const char *const *)words, "ragged_row", "line 3: the row has 1 cell");
	refuses("a,b\n1\n", WORDS("max_bad_rows=5"), "no_rows", "no usable rows");
	refuses("a,b\n1\n1,\"x\"y\n", WORDS("max_bad_rows=5"), "stray_quote", "line 3");
}

static void
only_the_first_bad_rows_are_kept(void **state)
{
	char *csv = malloc(16 * 1000), *at = csv;
	struct read r;

	(void)state;
	assert_non_null(csv);
	at += sprintf(at, "a,b\n1,2\n");
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "1,2,3\n");
	assert_int_equal(read_with(&r, csv, WORDS("max_bad_rows=1000")), OK);
	assert_int_equal(ingest_summary(r.g)->n_bad_rows, 1000);
	assert_non_null(ingest_bad_row(r.g, INGEST_BAD_ROWS - 1));
	assert_null(ingest_bad_row(r.g, INGEST_BAD_ROWS));
	ingest_free(r.g);
	free(csv);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_defaults),
		cmocka_unit_test(words_and_json_say_the_same_and_come_back_unchanged),
		cmocka_unit_test(what_makes_no_sense_is_refused_and_changes_nothing),
		cmocka_unit_test(what_does_not_fit_together_is_refused),
		cmocka_unit_test(a_listed_number_is_missing_however_it_is_written),
		cmocka_unit_test(other_characters_are_read),
		cmocka_unit_test(the_usual_spellings_are_missing_in_numbers_and_labels_alone),
		cmocka_unit_test(minus_one_is_a_class_until_it_is_listed),
		cmocka_unit_test(what_was_taken_as_missing_unasked_is_warned_of),
		cmocka_unit_test(declared_types_and_roles_hold),
		cmocka_unit_test(bad_rows_are_left_out_and_reported_as_far_as_allowed),
		cmocka_unit_test(only_the_first_bad_rows_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
