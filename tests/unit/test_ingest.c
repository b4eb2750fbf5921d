/* ingest: types, chunks, second passes, labels, the summary, and every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/ingest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- an allocator that fails on demand --------------------------------------------------------------------------- */

/* Allocations until the first failure, and whether those behind it fail too; sanitizers have allocators of their own.
 */
static long fail_after = -1, n_fired;
static int fail_on;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { CAN_FAIL = 1 };

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static int
fails(void)
{
	if (fail_after < 0)
		return 0;
	if (fail_after > 0) {
		fail_after--;
		return 0;
	}
	if (!fail_on)
		fail_after = -1;
	n_fired++;
	return 1;
}

void *
malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
#else
enum { CAN_FAIL = 0 };
#endif

/* ---- everything an ingest says about some bytes, as one text ----------------------------------------------------- */

struct seen {
	char *text; /* of fixed size, so that failing allocations are ingest's alone */
	size_t len, cap;
	size_t n_chunks, n_rows, n_restarts;
	bool cells; /* write them out */
};

static void __attribute__((format(printf, 2, 3))) say(struct seen *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->text + s->len, s->cap - s->len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < s->cap - s->len);
	s->len += (size_t)n;
}

static enum status
on_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct seen *s = ctx;

	(void)e;
	assert_int_equal(chunk_index, s->n_chunks);
	s->n_chunks++;
	s->n_rows += t->n_rows;
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->column[i];
		size_t missing = 0;

		for (size_t row = 0; row < t->n_rows; row++)
			missing += c->type == COLUMN_TEXT ? c->code[row] == TABLE_MISSING : isnan(c->number[row]) != 0;
		assert_int_equal(missing, c->n_missing);
		if (!s->cells)
			continue;
		say(s, "%s %s:", column_type_name(c->type), c->name);
		for (size_t row = 0; row < t->n_rows; row++) {
			if (c->type == COLUMN_NUMBER && !isnan(c->number[row]))
				say(s, " %g", c->number[row]);
			else if (c->type == COLUMN_TEXT && c->code[row] != TABLE_MISSING)
				say(s, " '%s'", c->dictionary.text[c->code[row]]);
			else
				say(s, " -");
		}
		say(s, "\n");
	}
	return OK;
}

static enum status
on_restart(void *ctx, struct err *e)
{
	struct seen *s = ctx;

	(void)e;
	s->n_chunks = s->n_rows = s->len = 0;
	s->n_restarts++;
	return OK;
}

static enum status
run(struct ingest *g, const char *bytes, size_t n, size_t piece, struct err *e)
{
	bool again;

	for (;;) {
		for (size_t at = 0; at < n; at += piece)
			if (ingest_feed(g, bytes + at, piece < n - at ? piece : n - at, e))
				return e->status;
		if (ingest_finish(g, &again, e))
			return e->status;
		if (!again)
			return OK;
		if (ingest_restart(g, e))
			return e->status;
	}
}

static enum status
ingest_all(struct seen *s, const char *label, const char *bytes, size_t n, size_t piece, struct err *e)
{
	struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = s};
	const struct dataset_summary *sum;
	const struct ingest_options options = {.label_column = (char *)label};
	struct ingest *g = NULL;
	enum status status = ingest_new(&options, NULL, &sink, &g, e);

	if (status)
		return status;
	status = run(g, bytes, n, piece, e);
	fail_after = -1;
	sum = ingest_summary(g);
	if (!status && s->cells) {
		say(s, "%zu rows, %zu labelled, %zu unlabelled, %zu bytes\n", sum->n_rows, sum->n_labelled,
			sum->n_unlabelled, sum->n_bytes);
		for (size_t i = 0; i < sum->n_columns; i++) {
			const struct column_summary *c = &sum->column[i];

			say(s, "%s %s%s missing %zu", c->name, column_type_name(c->type),
				i == sum->label_column ? " label" : "", c->n_missing);
			if (c->type == COLUMN_TEXT)
				say(s, " distinct %zu\n", c->n_distinct);
			else
				say(s, " from %g to %g\n", c->min, c->max);
		}
		for (size_t i = 0; i < sum->n_classes; i++)
			say(s, "class '%s' %zu\n", sum->classes[i].label, sum->classes[i].count);
	}
	ingest_free(g);
	return status;
}

static void
check(const char *label, const char *text, const char *expected)
{
	size_t pieces[] = {strlen(text) + 1, 1, 3};

	for (size_t i = 0; i < 3; i++) {
		struct seen s = {.cells = true, .cap = 1 << 16};
		struct err e = {0};

		s.text = calloc(1, s.cap);
		assert_non_null(s.text);
		if (ingest_all(&s, label, text, strlen(text), pieces[i], &e))
			say(&s, "%s line %llu column '%s': %s\n", e.code, (unsigned long long)e.line, e.column, e.msg);
		if (strncmp(s.text, expected, strlen(expected)) != 0)
			fail_msg("got:\n%sexpected:\n%s", s.text, expected);
		assert_int_equal(s.n_restarts, 0);
		free(s.text);
	}
}

/* ---- small tables ------------------------------------------------------------------------------------------------ */

static void
numbers_texts_missing_cells_and_labels_are_told_apart(void **state)
{
	(void)state;
	check("label", "age,city,label\n31,Rome,yes\n,Oslo,\n-2.5,,no\n1e3,Rome,yes\n",
		"number age: 31 - -2.5 1000\n"
		"text city: 'Rome' 'Oslo' - 'Rome'\n"
		"text label: 'yes' - 'no' 'yes'\n"
		"4 rows, 3 labelled, 1 unlabelled, 56 bytes\n"
		"age number missing 1 from -2.5 to 1000\n"
		"city text missing 1 distinct 2\n"
		"label text label missing 1 distinct 2\n"
		"class 'no' 1\nclass 'yes' 2\n");
}

static void
labels_that_look_like_numbers_stay_texts_in_byte_order(void **state)
{
	(void)state;
	check("y", "y,x\n10,1\n9,2\n-1,3\n 9,4\n1.0,5\n",
		"text y: '10' '9' '-1' ' 9' '1.0'\nnumber x: 1 2 3 4 5\n5 rows, 5 labelled, 0 unlabelled, 29 bytes\n"
		"y text label missing 0 distinct 5\nx number missing 0 from 1 to 5\n"
		"class ' 9' 1\nclass '-1' 1\nclass '1.0' 1\nclass '10' 1\nclass '9' 1\n");
}

static void
a_column_that_turns_to_text_keeps_every_exact_text(void **state)
{
	(void)state;
	check(NULL, "a,b,c\n007,1,\n1.50,2,\n,3,\n 4 ,x,\n1e2,4,y\nz,5,\n",
		"text a: '007' '1.50' - ' 4 ' '1e2' 'z'\n"
		"text b: '1' '2' '3' 'x' '4' '5'\n"
		"text c: - - - - 'y' -\n"
		"6 rows, 0 labelled, 6 unlabelled, 45 bytes\n"
		"a text missing 1 distinct 5\n"
		"b text missing 0 distinct 6\n"
		"c text missing 5 distinct 1\n");
}

static void
an_empty_column_is_of_missing_numbers(void **state)
{
	(void)state;
	check(NULL, "a,b\n1,\n2,\n",
		"number a: 1 2\nnumber b: - -\n2 rows, 0 labelled, 2 unlabelled, 10 bytes\n"
		"a number missing 0 from 1 to 2\nb number missing 2 from nan to nan\n");
}

static void
an_unknown_label_column_is_refused_with_the_nearest_name(void **state)
{
	(void)state;
	check("lable", "age,label\n1,2\n",
		"unknown_label_column line 0 column 'lable': the table has no column \"lable\" to take labels from; "
		"did you "
		"mean \"label\"?\n");
	check("species", "age,label\n1,2\n",
		"unknown_label_column line 0 column 'species': the table has no column \"species\" to take labels "
		"from; its "
		"last column is \"label\"\n");
	check("label", "age;label\n1;2\n",
		"unknown_label_column line 0 column 'label': the table has no column \"label\" to take labels from; "
		"the header "
		"is a single column, and the delimiter seems to be ';'; a comma is expected\n");
}

static void
a_table_without_rows_is_refused(void **state)
{
	(void)state;
	check("b", "a,b\n", "no_rows line 0 column '': the table has a header but no rows\n");
	check("b", "", "empty_file ");
	check("b", "a,b\n1,2\n3\n", "ragged_row line 3 column 'b'");
}

static void
a_label_too_long_is_refused(void **state)
{
	char text[INGEST_MAX_LABEL + 32] = "y\n";

	(void)state;
	memset(text + 2, 'x', INGEST_MAX_LABEL + 1);
	check("y", text, "label_too_long line 2 column 'y': line 2, column \"y\": a label of 1025 bytes;");
}

static void
warned(const char *label, const struct buf *in, size_t i, const char *expected)
{
	struct seen s = {0};
	struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = &s};
	const struct ingest_options options = {.label_column = (char *)label};
	struct dataset_warning w = {0};
	struct ingest *g = NULL;
	struct err e = {0};

	assert_int_equal(ingest_new(&options, NULL, &sink, &g, &e), OK);
	assert_int_equal(run(g, (const char *)in->data, in->len, 10007, &e), OK);
	assert_int_equal(dataset_warning(ingest_summary(g), i, 0, &w), expected[0] != '\0');
	assert_string_equal(w.message, expected);
	ingest_free(g);
}

static void
numbers_among_texts_are_warned_of(void **state)
{
	struct buf in = {0};

	(void)state;
	buf_puts(&in, "a,b,c,d,y\n1,x,,1,1\n 2,1,,2,2\n\"N\nA\",y,,3,3\n,-,,?,z\n+.5,2,,---,\n");
	warned("y", &in, 0,
		"column \"a\" is text because of \"N A\" in line 4, but 75% of its cells are numbers; if it means "
		"missing, list it in na_values");
	warned("y", &in, 1, ""); /* 2 of 5 */
	warned("y", &in, 2, "");
	warned("y", &in, 3,
		"column \"d\" is text because of \"---\" in line 7, but 60% of its cells are numbers; if it means "
		"missing, list it in na_values");
	warned("y", &in, 4, ""); /* labels may be what they like */
	buf_release(&in);

	buf_puts(&in, "a,b\n"); /* past the first chunk: a second pass counts anew */
	for (int i = 0; i < INGEST_CHUNK_ROWS + 1000; i++)
		buf_printf(&in, "%s,%s\n", i == INGEST_CHUNK_ROWS + 10 ? "none" : "7",
			i == INGEST_CHUNK_ROWS + 20 ? "-" : "");
	warned(NULL, &in, 0,
		"column \"a\" is text because of \"none\" in line 65548, but 99% of its cells are numbers; if it "
		"means missing, list it in na_values");
	warned(NULL, &in, 1,
		"column \"b\": 1 cell such as \"-\" in line 65558 is taken as missing; list na_values to say what is");
	buf_release(&in);
}

static void
the_other_decimal_mark_is_warned_of(void **state)
{
	struct buf in = {0};

	(void)state;
	buf_puts(&in, "a,b,c,d\n\"14,2\",\"1,2,3\",x,1\n\"13,9\",\"2,2,3\",\"1,5\",\"2,5\"\n3,4,5,6\n");
	warned(NULL, &in, 0,
		"column \"a\" is text because of \"14,2\" in line 2, which is a number if its decimal mark is \",\"; "
		"if so, set decimal to that");
	warned(NULL, &in, 1, "");
	warned(NULL, &in, 2, ""); /* its first text is none */
	warned(NULL, &in, 3,
		"column \"d\" is text because of \"2,5\" in line 3, which is a number if its decimal mark is \",\"; if "
		"so, set decimal to that");
	buf_release(&in);
}

static void
labels_that_may_be_none_or_one_are_warned_of(void **state)
{
	static const struct {
		const char *csv, *message;
	} known[] = {
		{"y,x\n-1,1\n-1,2\na,3\nb,4\n", "column \"y\": \"-1\" is a class as any other, and that of 2 of 4 "
						"labels; if it means unlabelled, list it in unlabelled_values"},
		{"y,x\nUnknown,1\nUnknown,2\na,3\nb,4\n",
			"column \"y\": \"Unknown\" is a class as any other, and that of 2 of 4 labels; if it means "
			"unlabelled, list it in unlabelled_values"},
		{"y,x\n-1,1\n-1,2\n1,3\n,4\n", ""},   /* of two classes one may well be -1 */
		{"y,x\n-1,1\na,2\nb,3\na,4\n", ""},   /* as may one of several */
		{"y,x\nNA,1\n-1,2\n-1,3\na,4\nb,5\n", /* the surer thing first */
			"column \"y\": 1 cell such as \"NA\" in line 2 is taken as unlabelled; list na_values to say "
			"what "
			"is"},
		{"y,x\na,1\nb,2\n a\t,3\n,4\n", "column \"y\": the labels \" a\t\" and \"a\" are two classes; if they "
						"are one, spell them alike"},
		{"y,x\nYes,1\nno,2\nyes,3\n,4\n", "column \"y\": the labels \"Yes\" and \"yes\" are two classes; if "
						  "they are one, spell them alike"},
		{"y,x\n1,1\n2,2\n1.0,3\n,4\n", "column \"y\": the labels \"1\" and \"1.0\" are two classes; if they "
					       "are one, spell them alike"},
		{"y,x\na,1\nb,2\n   ,3\n\t,4\n", ""}, /* blanks are no label */
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct buf in = {0};

		buf_puts(&in, known[i].csv);
		warned("y", &in, 0, known[i].message);
		buf_release(&in);
	}
}

/* ---- tables of many chunks --------------------------------------------------------------------------------------- */

static void
expect(struct buf *in, const char *label, struct seen *s, enum status status, const char *code)
{
	static char text[1 << 10];
	struct err e = {0};

	s->text = text;
	s->cap = sizeof text;
	assert_false(in->failed);
	assert_int_equal(ingest_all(s, label, (const char *)in->data, in->len, 10007, &e), status);
	if (status)
		assert_string_equal(e.code, code);
	buf_release(in);
}

static void
chunks_end_at_their_rows_or_cells(void **state)
{
	struct buf in = {0};
	struct seen few = {0}, many = {0};

	(void)state;
	buf_puts(&in, "a\n");
	for (int i = 0; i < 2 * INGEST_CHUNK_ROWS + 5; i++)
		buf_puts(&in, "1\n");
	expect(&in, NULL, &few, OK, NULL);
	assert_int_equal(few.n_chunks, 3);
	assert_int_equal(few.n_rows, 2 * INGEST_CHUNK_ROWS + 5);

	for (int i = 0; i < 1000; i++)
		buf_printf(&in, "%sc%d", i ? "," : "", i);
	for (int row = 0; row < 2 * (INGEST_CHUNK_CELLS / 1000); row++)
		for (int i = 0; i < 1000; i++)
			buf_puts(&in, i ? ",2" : "\n1");
	expect(&in, NULL, &many, OK, NULL);
	assert_int_equal(many.n_chunks, 2);
	assert_int_equal(many.n_rows, 2 * (INGEST_CHUNK_CELLS / 1000));
}

static void
a_chunk_ends_early_where_its_texts_are_long(void **state)
{
	struct buf in = {0};
	struct seen s = {0};

	(void)state;
	buf_puts(&in, "a,b\n");
	for (int row = 0; row < 18; row++) {
		buf_printf(&in, "%d,x%d", row, row);
		for (int i = 0; i < (1 << 20) / 16 - 1; i++)
			buf_puts(&in, "0123456789abcdef");
		buf_puts(&in, "\n");
	}
	expect(&in, NULL, &s, OK, NULL);
	assert_int_equal(s.n_rows, 18);
	assert_int_equal(s.n_chunks, 2);
}

static void
a_text_after_the_first_chunk_asks_for_a_second_pass(void **state)
{
	struct buf in = {0};
	struct seen s = {0};

	(void)state;
	buf_puts(&in, "a,b,c\n");
	for (int i = 0; i < INGEST_CHUNK_ROWS + 10; i++)
		buf_printf(&in, "%d,,%s\n", i,
			i == INGEST_CHUNK_ROWS + 7   ? "late"
			: i == INGEST_CHUNK_ROWS + 5 ? "later"
						     : "");
	buf_puts(&in, "1,also,\n");
	expect(&in, "b", &s, OK, NULL);
	assert_int_equal(s.n_restarts, 1);
	assert_int_equal(s.n_chunks, 2);
	assert_int_equal(s.n_rows, INGEST_CHUNK_ROWS + 11);
}

static void
distinct_texts_are_counted_over_chunks_up_to_the_limit(void **state)
{
	static const int limits[] = {INGEST_MAX_DISTINCT - 1, INGEST_MAX_DISTINCT + 1000};

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct seen s = {0};
		struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = &s};
		struct ingest *g;
		struct err e = {0};
		char text[64];
		bool again;

		assert_int_equal(ingest_new(NULL, NULL, &sink, &g, &e), OK);
		assert_int_equal(ingest_feed(g, "a,b\n", 4, &e), OK);
		for (int i = 0; i < INGEST_MAX_DISTINCT + 2000; i++) {
			int n = snprintf(text, sizeof text, "x%d,y%d\n", i % limits[k], i % 2);

			assert_int_equal(ingest_feed(g, text, (size_t)n, &e), OK);
		}
		assert_int_equal(ingest_finish(g, &again, &e), OK);
		assert_false(again);
		assert_int_equal(ingest_summary(g)->column[0].n_distinct, k ? INGEST_MAX_DISTINCT : limits[0]);
		assert_int_equal(ingest_summary(g)->column[1].n_distinct, 2);
		ingest_free(g);
	}
}

static void
classes_are_limited(void **state)
{
	struct buf in = {0};
	struct seen most = {0}, over = {0};

	(void)state;
	buf_puts(&in, "y\n");
	for (int i = 0; i < INGEST_MAX_CLASSES; i++)
		buf_printf(&in, "%d\n", i);
	buf_puts(&in, "7\n");
	expect(&in, "y", &most, OK, NULL);
	buf_puts(&in, "y\n");
	for (int i = 0; i < INGEST_MAX_CLASSES + 1; i++)
		buf_printf(&in, "%d\n", i);
	expect(&in, "y", &over, ERR_DATA, "too_many_classes");
}

static void
a_header_that_changes_between_passes_is_refused(void **state)
{
	struct seen s = {0};
	struct ingest_sink sink = {.chunk = on_chunk, .restart = on_restart, .ctx = &s};
	struct ingest *g;
	struct err e = {0};
	bool again;

	(void)state;
	assert_int_equal(ingest_new(NULL, NULL, &sink, &g, &e), OK);
	assert_int_equal(ingest_feed(g, "a,b\n", 4, &e), OK);
	for (int i = 0; i < INGEST_CHUNK_ROWS; i++)
		assert_int_equal(ingest_feed(g, "1,2\n", 4, &e), OK);
	assert_int_equal(ingest_feed(g, "1,x\n", 4, &e), OK);
	assert_int_equal(ingest_finish(g, &again, &e), OK);
	assert_true(again);
	assert_int_equal(ingest_restart(g, &e), OK);
	assert_int_equal(ingest_feed(g, "a,c\n1,2\n", 8, &e), ERR_CONFLICT);
	assert_string_equal(e.code, "stream_changed");
	ingest_free(g);
}

/* ---- lack of memory ---------------------------------------------------------------------------------------------- */

/* The n-th allocation fails, alone or with all behind it, for every n: the result is whole, or ERR_NOMEM. */
static void
every_failing_allocation_is_reported(void **state)
{
	static const char text[] = "a,b,label\n1,2,x\n3,four,\n5,\"six,\n\"\"7\",y\n,,z\n8,nine,q\n";
	struct seen whole = {.cells = true, .cap = 4096}, s = {.cells = true, .cap = 4096};
	struct err e = {0};
	long n_failed = 0;

	(void)state;
	if (!CAN_FAIL)
		skip();
	whole.text = calloc(1, whole.cap);
	s.text = calloc(1, s.cap);
	assert_non_null(whole.text);
	assert_non_null(s.text);
	assert_int_equal(ingest_all(&whole, "label", text, sizeof text - 1, 7, &e), OK);
	for (fail_on = 0; fail_on < 2; fail_on++) {
		bool fired = true;

		for (long n = 0; fired; n++) {
			enum status status;

			s.len = s.n_chunks = s.n_rows = 0;
			n_fired = 0;
			fail_after = n;
			status = ingest_all(&s, "label", text, sizeof text - 1, 7, &e);
			fail_after = -1;
			fired = n_fired > 0;
			if (!status) { /* none failed, or libcsv tried again with less */
				assert_string_equal(s.text, whole.text);
				continue;
			}
			assert_int_equal(status, ERR_NOMEM);
			assert_string_equal(e.code, "out_of_memory");
			n_failed++;
		}
	}
	assert_true(n_failed > 40);
	free(whole.text);
	free(s.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_texts_missing_cells_and_labels_are_told_apart),
		cmocka_unit_test(labels_that_look_like_numbers_stay_texts_in_byte_order),
		cmocka_unit_test(a_column_that_turns_to_text_keeps_every_exact_text),
		cmocka_unit_test(an_empty_column_is_of_missing_numbers),
		cmocka_unit_test(an_unknown_label_column_is_refused_with_the_nearest_name),
		cmocka_unit_test(a_table_without_rows_is_refused),
		cmocka_unit_test(a_label_too_long_is_refused),
		cmocka_unit_test(numbers_among_texts_are_warned_of),
		cmocka_unit_test(the_other_decimal_mark_is_warned_of),
		cmocka_unit_test(labels_that_may_be_none_or_one_are_warned_of),
		cmocka_unit_test(chunks_end_at_their_rows_or_cells),
		cmocka_unit_test(a_chunk_ends_early_where_its_texts_are_long),
		cmocka_unit_test(a_text_after_the_first_chunk_asks_for_a_second_pass),
		cmocka_unit_test(distinct_texts_are_counted_over_chunks_up_to_the_limit),
		cmocka_unit_test(classes_are_limited),
		cmocka_unit_test(a_header_that_changes_between_passes_is_refused),
		cmocka_unit_test(every_failing_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
