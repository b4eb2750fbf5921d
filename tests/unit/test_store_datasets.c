/* Data sets in the store: back to the bit, invisible until they are whole, listed page by page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "server/store.h"
#include "tests/unit/store_group.h"
#include "tests/unit/store_samples.h"

static void
chunks_come_back_to_the_bit(void **state)
{
	char id[STORE_ID_SIZE], wide[STORE_ID_SIZE];
	struct store *s = open_store();

	(void)state;
	upload(s, "tall", 5, 700, 3, 42, id);
	upload(s, "wide", 900, 300, 2, 7, wide); /* several segments a chunk */
	assert_chunks(s, id, 5, 700, 3, 42);
	assert_chunks(s, wide, 900, 300, 2, 7);
	store_close(s);
	s = open_store();
	assert_chunks(s, id, 5, 700, 3, 42);
	assert_chunks(s, wide, 900, 300, 2, 7);
	assert_ok(store_check(s, &err));
	store_close(s);
}

static void
a_chunk_is_refused_by_a_table_of_another_shape(void **state)
{
	struct store *s = open_store();
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	upload(s, "five", 5, 10, 1, 1, id);
	assert_ok(sample_table_init(&t, 4, &err));
	assert_int_equal(store_dataset_chunk(s, id, 0, &t, &err), ERR_CORRUPT);
	table_release(&t);
	assert_ok(sample_table_init(&t, 6, &err));
	assert_int_equal(store_dataset_chunk(s, id, 0, &t, &err), ERR_CORRUPT);
	table_release(&t);
	store_close(s);
}

static void
a_summary_comes_back_whole(void **state)
{
	struct dataset_summary expected = {0};
	struct store *s = open_store();
	char id[STORE_ID_SIZE];
	struct dataset d = {0};

	(void)state;
	upload(s, "Größe", 7, 20, 2, 1, id);
	assert_ok(sample_summary(&expected, 7, 40, &err));
	assert_ok(store_dataset_get(s, id, &d, &err));
	assert_string_equal(d.id, id);
	assert_int_equal(strlen(id), 23);
	assert_string_equal(d.name, "Größe");
	assert_string_equal(d.label_column, "c6");
	assert_true(fabs(d.created - (double)time(NULL)) < 600);
	assert_int_equal(d.summary.n_rows, 40);
	assert_int_equal(d.summary.n_labelled, expected.n_labelled);
	assert_int_equal(d.summary.n_unlabelled, expected.n_unlabelled);
	assert_int_equal(d.summary.n_bytes, expected.n_bytes);
	assert_int_equal(d.summary.n_bad_rows, 3);
	assert_string_equal(d.summary.options, expected.options);
	assert_string_equal(d.summary.bad_rows, expected.bad_rows);
	assert_int_equal(d.summary.label_column, 6);
	assert_int_equal(d.summary.n_columns, 7);
	for (size_t i = 0; i < 7; i++) {
		const struct column_summary *a = &expected.column[i], *b = &d.summary.column[i];

		assert_string_equal(a->name, b->name);
		assert_int_equal(a->type, b->type);
		assert_int_equal(a->role, b->role);
		assert_int_equal(a->n_missing, b->n_missing);
		assert_int_equal(a->n_na, b->n_na);
		assert_int_equal(a->n_distinct, b->n_distinct);
		assert_int_equal(a->n_numbers, b->n_numbers);
		assert_int_equal(a->text_line, b->text_line);
		assert_string_equal(a->text_cell, b->text_cell);
		assert_true(isnan(a->min) ? isnan(b->min) : a->min == b->min);
		assert_true(isnan(a->max) ? isnan(b->max) : a->max == b->max);
	}
	assert_int_equal(d.summary.n_classes, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(expected.classes[i].label, d.summary.classes[i].label);
		assert_int_equal(expected.classes[i].count, d.summary.classes[i].count);
	}
	dataset_release(&d);
	dataset_release(&d); /* accepts a zeroed one */
	dataset_summary_release(&expected);
	store_close(s);
}

static void
a_data_set_without_labels_has_no_label_column(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct dataset d = {0};

	(void)state;
	assert_ok(sample_summary(&summary, 1, 0, &err));
	summary.label_column = SIZE_MAX;
	assert_ok(store_upload_begin(s, "bare", NULL, &u, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	store_upload_free(u);
	assert_ok(store_dataset_get(s, id, &d, &err));
	assert_null(d.label_column);
	assert_true(d.summary.label_column == SIZE_MAX);
	dataset_release(&d);
	dataset_summary_release(&summary);
	store_close(s);
}

static void
an_upload_is_invisible_until_it_is_finished(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(sample_table_fill(&t, 10, 1, &err));
	assert_ok(store_upload_begin(s, "new", "c2", &u, &err));
	assert_ok(store_upload_chunk(u, &t, 0, &err));
	assert_int_equal(count_datasets(s), 0);
	assert_ok(sample_summary(&summary, 3, 10, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	assert_int_equal(count_datasets(s), 1);
	store_upload_free(u);
	assert_int_equal(count_datasets(s), 1);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

static void
an_upload_with_a_chunk_missing_cannot_be_finished(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(sample_table_fill(&t, 10, 1, &err));
	assert_ok(store_upload_begin(s, "holes", "c2", &u, &err));
	assert_ok(store_upload_chunk(u, &t, 1, &err));
	assert_ok(sample_summary(&summary, 3, 10, &err));
	assert_refused(store_upload_finish(u, &summary, id, &err), ERR_INTERNAL, "upload_incomplete");
	assert_ok(store_upload_chunk(u, &t, 0, &err));
	assert_refused(store_upload_finish(u, &summary, id, &err), ERR_INTERNAL, "upload_incomplete");
	assert_int_equal(count_datasets(s), 0);
	summary.n_rows = 20;
	assert_ok(store_upload_finish(u, &summary, id, &err));
	assert_int_equal(count_datasets(s), 1);
	store_upload_free(u);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

static void
a_restarted_upload_keeps_only_what_came_after(void **state)
{
	struct dataset_summary summary = {0};
	struct store *s = open_store();
	struct store_upload *u = NULL;
	char id[STORE_ID_SIZE];
	struct table t = {0};

	(void)state;
	assert_ok(sample_table_init(&t, 3, &err));
	assert_ok(store_upload_begin(s, "twice", "c2", &u, &err));
	for (size_t i = 0; i < 3; i++) {
		assert_ok(sample_table_fill(&t, 10, 100 + i, &err));
		assert_ok(store_upload_chunk(u, &t, i, &err));
	}
	assert_ok(store_upload_restart(u, &err));
	for (size_t i = 0; i < 2; i++) {
		assert_ok(sample_table_fill(&t, 10, 5 + i, &err));
		assert_ok(store_upload_chunk(u, &t, i, &err));
	}
	assert_ok(sample_summary(&summary, 3, 20, &err));
	assert_ok(store_upload_finish(u, &summary, id, &err));
	store_upload_free(u);
	assert_chunks(s, id, 3, 10, 2, 5);
	assert_int_equal(count_datasets(s), 1);
	dataset_summary_release(&summary);
	table_release(&t);
	store_close(s);
}

static void
lists_go_from_the_newest_page_by_page(void **state)
{
	struct store *s = open_store();
	char id[5][STORE_ID_SIZE];
	struct dataset *list = NULL;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		upload(s, "one", 2, 1, 1, i, id[i]);
	assert_ok(store_dataset_list(s, NULL, 2, &list, &n, &err));
	assert_int_equal(n, 2);
	assert_string_equal(list[0].id, id[4]);
	assert_string_equal(list[1].id, id[3]);
	assert_int_equal(list[0].summary.n_columns, 2);
	assert_int_equal(list[0].summary.n_classes, 3);
	assert_null(list[0].summary.column);
	dataset_release(&list[0]);
	dataset_release(&list[1]);
	free(list);
	assert_ok(store_dataset_list(s, id[1], 100, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].id, id[0]);
	dataset_release(&list[0]);
	free(list);
	assert_ok(store_dataset_list(s, id[0], 100, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	assert_ok(store_dataset_list(s, NULL, 0, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	assert_ok(store_dataset_delete(s, id[2], 0, &err));
	assert_refused(store_dataset_list(s, id[2], 1, &list, &n, &err), ERR_INVALID, "unknown_cursor");
	store_close(s);
}

static void
a_data_set_that_a_job_needs_cannot_be_deleted(void **state)
{
	struct store *s = open_store();
	char id[STORE_ID_SIZE], job[STORE_ID_SIZE];
	enum job_state was, now;

	(void)state;
	upload(s, "needed", 3, 4, 1, 1, id);
	assert_ok(store_job_add(s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, 10, job, &err));
	assert_refused(store_dataset_delete(s, id, 0, &err), ERR_CONFLICT, "dataset_in_use");
	assert_ok(store_job_cancel(s, job, &was, &now, &err));
	assert_ok(store_dataset_delete(s, id, 0, &err));
	assert_refused(store_dataset_delete(s, id, 0, &err), ERR_NOT_FOUND, "dataset_not_found");
	assert_refused(
		store_job_add(s, &(struct new_job){.type = "train", .dataset = id, .params = "{}"}, 10, job, &err),
		ERR_NOT_FOUND, "dataset_not_found");
	store_close(s);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(chunks_come_back_to_the_bit),
		TEST(a_chunk_is_refused_by_a_table_of_another_shape),
		TEST(a_summary_comes_back_whole),
		TEST(a_data_set_without_labels_has_no_label_column),
		TEST(an_upload_is_invisible_until_it_is_finished),
		TEST(an_upload_with_a_chunk_missing_cannot_be_finished),
		TEST(a_restarted_upload_keeps_only_what_came_after),
		TEST(lists_go_from_the_newest_page_by_page),
		TEST(a_data_set_that_a_job_needs_cannot_be_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
