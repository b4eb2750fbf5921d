/* append: a table cut in two anywhere and put together again is the table, whatever the order of its columns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema/append.h"

enum { MAX_CHUNKS = 8 };

static struct err err;

/* The chunks of a data set, as a store would keep them. */
struct kept {
	size_t n, n_columns;
	struct {
		size_t n_rows;
		struct buf column[8];
	} chunk[MAX_CHUNKS];
};

static enum status
keep(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct kept *k = ctx;

	(void)chunk_index;
	assert_true(k->n < MAX_CHUNKS);
	k->n_columns = t->n_columns;
	k->chunk[k->n].n_rows = t->n_rows;
	for (size_t i = 0; i < t->n_columns; i++) {
		column_write(t, i, &k->chunk[k->n].column[i]);
		assert_int_equal(buf_status(&k->chunk[k->n].column[i], e), OK);
	}
	k->n++;
	return OK;
}

static enum status
forget(void *ctx, struct err *e)
{
	struct kept *k = ctx;

	(void)e;
	for (size_t i = 0; i < k->n; i++)
		for (size_t c = 0; c < k->n_columns; c++)
			buf_release(&k->chunk[i].column[c]);
	k->n = 0;
	return OK;
}

static struct ingest *
read_table(const char *csv, const struct ingest_options *o, const struct ingest_sink *sink)
{
	struct ingest *g = NULL;
	bool again = true;

	if (ingest_new(o, NULL, sink, &g, &err))
		fail_msg("%s", err.msg);
	for (bool first = true; again; first = false) {
		if (!first)
			assert_int_equal(ingest_restart(g, &err), OK);
		if (ingest_feed(g, csv, strlen(csv), &err) || ingest_finish(g, &again, &err))
			fail_msg("%s: %s", err.code, err.msg);
	}
	return g;
}

/* `more` behind the table that g has read and k keeps: what an upload does. */
static struct dataset_summary
put_behind(const struct dataset_summary *before, struct kept *k, const char *more)
{
	const size_t n_before = k->n;
	const struct ingest_sink sink = {.chunk = keep, .restart = forget, .ctx = k};
	struct ingest_options o = {0};
	struct dataset_summary whole = {0};
	struct append *a = NULL;
	struct ingest_sink mapped;
	struct ingest *g;
	struct table t = {0};

	assert_int_equal(append_options(before, "kind", &o, &err), OK);
	assert_int_equal(append_new(before, &sink, &a, &err), OK);
	mapped = append_sink(a);
	g = read_table(more, &o, &mapped);
	assert_int_equal(dataset_table(before, &t, &err), OK);
	for (size_t i = 0; i < n_before && append_wants_old(a); i++) {
		table_clear(&t);
		assert_int_equal(table_reserve(&t, k->chunk[i].n_rows, &err), OK);
		t.n_rows = k->chunk[i].n_rows;
		for (size_t c = 0; c < t.n_columns; c++)
			assert_int_equal(
				column_read(&t, c, k->chunk[i].column[c].data, k->chunk[i].column[c].len, &err), OK);
		assert_int_equal(append_meet_old(a, &t, &err), OK);
	}
	assert_int_equal(append_sum(a, before, ingest_summary(g), &whole, &err), OK);
	table_release(&t);
	ingest_free(g);
	append_free(a);
	ingest_options_release(&o);
	return whole;
}

static void
assert_same_summary(const struct dataset_summary *a, const struct dataset_summary *b)
{
	assert_int_equal(a->n_rows, b->n_rows);
	assert_int_equal(a->n_labelled, b->n_labelled);
	assert_int_equal(a->n_unlabelled, b->n_unlabelled);
	assert_int_equal(a->n_columns, b->n_columns);
	assert_int_equal(a->label_column, b->label_column);
	assert_int_equal(a->n_classes, b->n_classes);
	for (size_t k = 0; k < a->n_classes; k++) {
		assert_string_equal(a->classes[k].label, b->classes[k].label);
		assert_int_equal(a->classes[k].count, b->classes[k].count);
	}
	for (size_t i = 0; i < a->n_columns; i++) {
		const struct column_summary *x = &a->column[i], *y = &b->column[i];

		assert_string_equal(x->name, y->name);
		assert_int_equal(x->type, y->type);
		assert_int_equal(x->role, y->role);
		assert_int_equal(x->n_missing, y->n_missing);
		assert_int_equal(x->n_distinct, y->n_distinct);
		assert_true(x->min == y->min || (isnan(x->min) && isnan(y->min)));
		assert_true(x->max == y->max || (isnan(x->max) && isnan(y->max)));
	}
}

/* Row i of the table; turned: with its columns in another order, and one too many. */
static void
put_row(char *out, size_t size, int i, bool turned)
{
	static const char *const kinds[] = {"b", "", "a", "", "", "c"};
	char x[16] = "", who[16];

	if (i % 5)
		snprintf(x, sizeof x, "%d", (i * 37) % 101 - 50);
	snprintf(who, sizeof who, "w%d", i % 13 < 9 ? i % 13 : i);
	if (turned)
		snprintf(out, size, "%s,%s,ignored %d,%s\n", kinds[i % 6], who, i, x);
	else
		snprintf(out, size, "%s,%s,%s\n", x, who, kinds[i % 6]);
}

static void
a_table_cut_in_two_is_put_together_again(void **state)
{
	enum { N = 40 };
	const struct ingest_options o = {.label_column = (char *)(uintptr_t) "kind"};
	char whole_csv[4000], first_csv[4000], second_csv[4000], row[80];

	(void)state;
	snprintf(whole_csv, sizeof whole_csv, "x,who,kind\n");
	for (int i = 0; i < N; i++) {
		put_row(row, sizeof row, i, false);
		strcat(whole_csv, row);
	}
	for (int cut = 3; cut < N; cut++) { /* from where both columns have shown their types */
		for (int turned = 0; turned < 2; turned++) {
			struct kept all = {0}, parts = {0};
			const struct ingest_sink to_all = {.chunk = keep, .restart = forget, .ctx = &all},
						 to_parts = {.chunk = keep, .restart = forget, .ctx = &parts};
			struct dataset_summary sum;
			struct ingest *one, *first;

			snprintf(first_csv, sizeof first_csv, "x,who,kind\n");
			snprintf(second_csv, sizeof second_csv, turned ? "kind,who,more,x\n" : "x,who,kind\n");
			for (int i = 0; i < N; i++) {
				put_row(row, sizeof row, i, turned && i >= cut);
				strcat(i < cut ? first_csv : second_csv, row);
			}
			one = read_table(whole_csv, &o, &to_all);
			first = read_table(first_csv, &o, &to_parts);
			sum = put_behind(ingest_summary(first), &parts, second_csv);
			assert_same_summary(&sum, ingest_summary(one));
			dataset_summary_release(&sum);
			ingest_free(one);
			ingest_free(first);
			forget(&all, &err);
			forget(&parts, &err);
		}
	}
}

static void
rows_without_the_label_column_are_unlabelled(void **state)
{
	const struct ingest_options o = {.label_column = (char *)(uintptr_t) "kind"};
	struct kept parts = {0};
	const struct ingest_sink sink = {.chunk = keep, .restart = forget, .ctx = &parts};
	struct ingest *first = read_table("x,who,kind\n1,a,u\n2,b,v\n", &o, &sink);
	struct dataset_summary sum = put_behind(ingest_summary(first), &parts, "who,x\nc,3\n");

	(void)state;
	assert_int_equal(sum.n_rows, 3);
	assert_int_equal(sum.n_labelled, 2);
	assert_int_equal(sum.column[2].n_missing, 1);
	assert_int_equal(sum.column[1].n_distinct, 3);
	assert_int_equal(parts.n, 2);
	dataset_summary_release(&sum);
	ingest_free(first);
	forget(&parts, &err);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_cut_in_two_is_put_together_again),
		cmocka_unit_test(rows_without_the_label_column_are_unlabelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
