/* pipeline: chunks arrive whole, in order and behind the reader; errors come through; nothing is left running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/pipeline.h"

struct seen {
	size_t n_chunks, n_rows, n_restarts;
	double sum;
	size_t n_texts;
	size_t fail_at; /* the chunk that cannot be taken, counted from 1; 0: none */
	bool slow;
	pthread_t thread;
	enum column_type type; /* of the first column */
};

static enum status
on_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct seen *s = ctx;

	if (s->slow)
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	s->thread = pthread_self();
	if (chunk_index != s->n_chunks)
		return err_set(e, ERR_INTERNAL, "order", "chunk %zu came as number %zu", chunk_index, s->n_chunks);
	if (++s->n_chunks == s->fail_at)
		return err_set(e, ERR_FULL, "disk_full", "no room for chunk %zu", chunk_index);
	s->n_rows += t->n_rows;
	s->type = t->column[0].type;
	for (size_t row = 0; row < t->n_rows; row++) {
		if (s->type == COLUMN_NUMBER)
			s->sum += t->column[0].number[row];
		s->n_texts += t->column[1].code[row] != TABLE_MISSING;
	}
	return OK;
}

static enum status
on_restart(void *ctx, struct err *e)
{
	struct seen *s = ctx;

	(void)e;
	s->n_restarts++;
	s->n_chunks = s->n_rows = s->n_texts = 0;
	s->sum = 0;
	return OK;
}

/* A pipeline to *s, and what feeds it. */
static void
begin(struct seen *s, struct pipeline **p, struct ingest **g)
{
	const struct ingest_sink to = {.chunk = on_chunk, .restart = on_restart, .ctx = s};
	struct ingest_sink sink;
	struct err e = {0};

	assert_int_equal(pipeline_new(&to, p, &e), OK);
	sink = pipeline_sink(*p);
	assert_int_equal(ingest_new(NULL, NULL, &sink, g, &e), OK);
}

/* A table of many chunks; row `odd`, if there is such a one, has a text among the numbers. */
static enum status
feed(struct ingest *g, size_t n, size_t odd, struct err *e)
{
	char text[64];

	if (ingest_feed(g, "x,y\n", 4, e))
		return e->status;
	for (size_t row = 0; row < n; row++) {
		int len = row == odd ? snprintf(text, sizeof text, "odd,%zu!\n", row)
				     : snprintf(text, sizeof text, "%zu,%zu!\n", row % 100, row % 7);

		if (ingest_feed(g, text, (size_t)len, e))
			return e->status;
	}
	return OK;
}

enum { N_ROWS = 5 * INGEST_CHUNK_ROWS + 1000 };

static void
chunks_arrive_whole_in_order_and_on_another_thread(void **state)
{
	struct seen s = {.slow = true};
	struct pipeline *p = NULL;
	struct ingest *g = NULL;
	struct err e = {0};
	double expected = 0;
	bool again;

	(void)state;
	for (size_t row = 0; row < N_ROWS; row++)
		expected += (double)(row % 100);
	begin(&s, &p, &g);
	assert_int_equal(feed(g, N_ROWS, SIZE_MAX, &e), OK);
	assert_int_equal(ingest_finish(g, &again, &e), OK);
	assert_int_equal(pipeline_wait(p, &e), OK);
	assert_int_equal(s.n_chunks, 6);
	assert_int_equal(s.n_rows, N_ROWS);
	assert_int_equal(s.n_texts, N_ROWS);
	assert_true(s.sum == expected);
	assert_false(pthread_equal(s.thread, pthread_self()));
	assert_int_equal(ingest_summary(g)->column[0].max, 99);
	ingest_free(g);
	pipeline_free(p);
}

static void
a_second_pass_finds_the_first_ones_chunks_dropped(void **state)
{
	struct seen s = {.slow = true};
	struct pipeline *p = NULL;
	struct ingest *g = NULL;
	struct err e = {0};
	bool again;

	(void)state;
	begin(&s, &p, &g);
	assert_int_equal(feed(g, N_ROWS, N_ROWS - 1, &e), OK);
	assert_int_equal(ingest_finish(g, &again, &e), OK);
	assert_true(again);
	assert_int_equal(ingest_restart(g, &e), OK);
	assert_int_equal(s.n_restarts, 1);
	assert_int_equal(feed(g, N_ROWS, N_ROWS - 1, &e), OK);
	assert_int_equal(ingest_finish(g, &again, &e), OK);
	assert_false(again);
	assert_int_equal(pipeline_wait(p, &e), OK);
	assert_int_equal(s.n_rows, N_ROWS);
	assert_int_equal(s.type, COLUMN_TEXT);
	ingest_free(g);
	pipeline_free(p);
}

static void
an_error_of_the_sink_comes_through_and_stays(void **state)
{
	struct seen s = {.fail_at = 2, .slow = true};
	struct pipeline *p = NULL;
	struct ingest *g = NULL;
	struct err e = {0}, again = {0};

	(void)state;
	begin(&s, &p, &g);
	assert_int_equal(feed(g, N_ROWS, SIZE_MAX, &e), ERR_FULL);
	assert_string_equal(e.code, "disk_full");
	assert_string_equal(e.msg, "no room for chunk 1");
	assert_int_equal(pipeline_wait(p, &again), ERR_FULL);
	assert_string_equal(again.msg, e.msg);
	assert_int_equal(s.n_chunks, 2); /* nothing came after it */
	ingest_free(g);
	pipeline_free(p);
}

static void
the_last_chunks_error_is_what_waiting_gives(void **state)
{
	struct seen s = {.fail_at = 6, .slow = true};
	struct pipeline *p = NULL;
	struct ingest *g = NULL;
	struct err e = {0};
	bool again;

	(void)state;
	begin(&s, &p, &g);
	assert_int_equal(feed(g, N_ROWS, SIZE_MAX, &e), OK);
	assert_int_equal(ingest_finish(g, &again, &e), OK);
	assert_int_equal(pipeline_wait(p, &e), ERR_FULL);
	ingest_free(g);
	pipeline_free(p);
}

static void
it_can_be_freed_with_a_chunk_under_way_or_unused(void **state)
{
	struct seen s = {.slow = true};
	struct pipeline *p = NULL;
	struct ingest *g = NULL;
	struct err e = {0};

	(void)state;
	begin(&s, &p, &g);
	pipeline_free(p);
	ingest_free(g);
	begin(&s, &p, &g);
	assert_int_equal(feed(g, INGEST_CHUNK_ROWS, SIZE_MAX, &e), OK);
	pipeline_free(p);
	assert_int_equal(s.n_chunks, 1);
	ingest_free(g);
	pipeline_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_arrive_whole_in_order_and_on_another_thread),
		cmocka_unit_test(a_second_pass_finds_the_first_ones_chunks_dropped),
		cmocka_unit_test(an_error_of_the_sink_comes_through_and_stays),
		cmocka_unit_test(the_last_chunks_error_is_what_waiting_gives),
		cmocka_unit_test(it_can_be_freed_with_a_chunk_under_way_or_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
