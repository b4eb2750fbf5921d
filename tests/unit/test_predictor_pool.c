/* predictor_pool: a predictor that is used again is as fresh as a new one, and a few are kept, not more. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema/oip.h"
#include "schema/predictor_pool.h"
#include "tests/unit/tiny_bundle.h"

static struct err err;

static struct bundle *
make(bool keep)
{
	struct bundle *b = tiny_bundle(&err);

	assert_non_null(b);
	if (keep)
		assert_int_equal(bundle_keep_predictors(b, &err), OK);
	return b;
}

struct request {
	enum { CSV, JSON, SCORES, INVOCATION, TENSORS } form;
	const char *text;
};

/* Whatever one request may leave behind for the next. */
static const struct request requests[] = {
	{CSV, "x,size,colour,fixed\n1,2,red,5\n3,,blue,5\n"},
	{CSV, "fixed,colour,size,x\n5,red,2,1\n"},
	{CSV, "x,size,colour,fixed,more,label\n99,2,mauve,5,1,plain\n"},
	{CSV, "x,size,colour\n1,2,red\n"},
	{CSV, "x,x,size,colour,fixed\n1,1,2,red,5\n"},
	{CSV, "x,size,colour,fixed\n1,2,red,5\n3,4,green,5\none,2,red,5\n"},
	{CSV, "x,size,colour,fixed\n1,2,mauve,5\n\"unfinished"},
	{CSV, "x,size,colour,fixed\n"},
	{JSON, "{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5}]}"},
	{JSON, "{\"rows\":[{\"more\":1,\"x\":1,\"size\":null,\"colour\":\"ochre\",\"fixed\":5,\"label\":\"?\"},"
	       "{\"x\":-50,\"other\":[],\"size\":2,\"colour\":3.5,\"fixed\":5}]}"},
	{JSON, "{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"ochre\",\"fixed\":5},{\"x\":1,\"size\":2}]}"},
	{JSON, "{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"ochre\",\"fixed\":5},{\"x\":1,\"x\":2}]}"},
	{JSON, "{\"rows\":[{\"more\":1,\"more\":2}]}"},
	{JSON, "{\"columns\":[\"colour\",\"x\",\"extra\",\"size\",\"fixed\"],\"data\":[[\"blue\",1,2,3,5]]}"},
	{JSON, "{\"columns\":[\"colour\",\"x\"],\"data\":[[\"blue\",1]]}"},
	{JSON, "{\"rows\":[]}"},
	{SCORES, "{\"rows\":[{\"x\":1,\"size\":2,\"colour\":\"red\",\"fixed\":5}]}"},
	{INVOCATION, "{\"instances\":[[1,2,\"red\",5],[1,2,\"mauve\",5]]}"},
	{INVOCATION, "{\"inputs\":{\"x\":[1,2],\"size\":[3,4],\"colour\":[\"red\",\"blue\"],\"fixed\":[5,5]}}"},
	{INVOCATION, "{\"inputs\":{\"x\":[1,2],\"size\":[3],\"colour\":[\"red\",\"blue\"],\"fixed\":[5,5]}}"},
	{TENSORS, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP64\",\"shape\":[1],\"data\":[1]},"
		  "{\"name\":\"size\",\"datatype\":\"INT32\",\"shape\":[1],\"data\":[2]},"
		  "{\"name\":\"colour\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"mauve\"]},"
		  "{\"name\":\"fixed\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[5]}]}"},
};
enum { N_REQUESTS = sizeof requests / sizeof *requests };

static enum status
predict_csv(const struct bundle *b, const char *text, struct buf *out, struct err *e)
{
	struct csv_predictor *p = NULL;
	struct warning *list = NULL;
	size_t n = 0;
	enum status s;

	if (!(s = csv_predictor_new(b, INCLUDE_LABELS, &p, e)) &&
		!(s = csv_predictor_feed(p, text, strlen(text), out, e)) &&
		!(s = csv_predictor_finish(p, out, &n, e)) && !(s = csv_predictor_warnings(p, &list, &n, e)))
		for (size_t i = 0; i < n; i++)
			buf_printf(out, "%s %s %zu\n", list[i].code, list[i].column, list[i].count);
	free(list);
	csv_predictor_free(p);
	return s;
}

/* Answers, or half of them and the error. */
static void
ask(const struct bundle *b, const struct request *r, struct buf *out)
{
	const struct oip_names names = {"tiny", NULL};
	size_t n = strlen(r->text), rows;
	struct err e = {0};
	enum status s = OK;

	switch (r->form) {
	case CSV:
		s = predict_csv(b, r->text, out, &e);
		break;
	case JSON:
	case SCORES:
		s = json_predict(b, r->text, n, r->form == JSON ? INCLUDE_LABELS : 0, UINT64_MAX, out, &rows, &e);
		break;
	case INVOCATION:
		s = invocations_predict(b, r->text, n, INCLUDE_LABELS, UINT64_MAX, out, &e);
		break;
	case TENSORS:
		s = oip_infer(b, &names, r->text, n, SIZE_MAX, UINT64_MAX, out, &rows, &e);
		break;
	}
	if (s)
		buf_printf(out, "%d %s %s %s %llu", (int)s, e.code, e.msg, e.column, (unsigned long long)e.line);
}

static void
any_request_after_any_other_is_answered_as_the_first_one(void **state)
{
	struct bundle *fresh = make(false), *kept = make(true);
	struct buf expected[N_REQUESTS] = {0}, got = {0};
	size_t n_served = 0;

	(void)state;
	for (size_t i = 0; i < N_REQUESTS; i++) {
		ask(fresh, &requests[i], &expected[i]);
		assert_false(expected[i].failed || !expected[i].len);
		n_served += expected[i].data[0] == '{' || expected[i].data[0] == 'l';
	}
	assert_true(n_served > 10);
	for (size_t before = 0; before < N_REQUESTS; before++) {
		for (size_t i = 0; i < N_REQUESTS; i++) {
			buf_clear(&got);
			ask(kept, &requests[before], &got);
			buf_clear(&got);
			ask(kept, &requests[i], &got);
			if (got.len != expected[i].len || memcmp(got.data, expected[i].data, got.len) != 0)
				fail_msg("after %s\nto %s\ncame %.*s\nnot %.*s", requests[before].text,
					requests[i].text, (int)got.len, got.data, (int)expected[i].len,
					expected[i].data);
		}
	}
	for (size_t i = 0; i < N_REQUESTS; i++)
		buf_release(&expected[i]);
	buf_release(&got);
	bundle_free(fresh);
	bundle_free(kept);
}

static void
a_predictor_that_is_done_is_the_next_one(void **state)
{
	struct bundle *b = make(true);
	struct predictor *first = NULL, *second = NULL, *p[POOL_PREDICTORS + 3];
	size_t n = 0;

	(void)state;
	assert_int_equal(predictor_new(b, &first, &err), OK);
	assert_int_equal(predictor_new(b, &second, &err), OK);
	assert_ptr_not_equal(first, second);
	predictor_free(first);
	assert_int_equal(predictor_new(b, &p[0], &err), OK);
	assert_ptr_equal(p[0], first);
	predictor_free(p[0]);
	predictor_free(second);

	for (size_t i = 0; i < POOL_PREDICTORS + 3; i++)
		assert_int_equal(predictor_new(b, &p[i], &err), OK);
	for (size_t i = 0; i < POOL_PREDICTORS + 3; i++)
		predictor_free(p[i]);
	while ((first = predictor_pool_take(b->idle))) {
		predictor_destroy(first);
		n++;
	}
	assert_int_equal(n, POOL_PREDICTORS);
	bundle_free(b);
}

static void
a_predictor_with_much_memory_is_not_kept(void **state)
{
	enum { LONG = 3 << 20, MANY = 100 };
	static const char *const names[] = {"x", "size", "colour", "fixed"};
	struct bundle *b = make(true);
	char *text = malloc(LONG);
	struct predictor *p = NULL;
	struct answers a;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', LONG);
	assert_int_equal(predictor_new(b, &p, &err), OK);
	assert_int_equal(predictor_columns(p, names, 4, &err), OK);
	assert_int_equal(predictor_begin_row(p, 0, &err), OK);
	assert_int_equal(predictor_cell_text(p, 2, text, LONG, &err), OK);
	predictor_free(p);
	assert_null(predictor_pool_take(b->idle));

	assert_int_equal(predictor_new(b, &p, &err), OK);
	assert_int_equal(predictor_columns(p, names, 4, &err), OK);
	for (size_t i = 0; i < MANY; i++) {
		if (predictor_full(p))
			assert_int_equal(predictor_answer(p, INCLUDE_LABELS, &a, &err), OK);
		assert_int_equal(predictor_begin_row(p, i, &err), OK);
	}
	predictor_free(p);
	assert_null(predictor_pool_take(b->idle));
	free(text);
	bundle_free(b);
}

struct asker {
	const struct bundle *bundle;
	size_t first, n_wrong;
	const struct buf *expected;
};

static void *
ask_often(void *arg)
{
	struct asker *a = arg;
	struct buf got = {0};

	for (size_t i = 0; i < 20 * (size_t)N_REQUESTS; i++) {
		size_t which = (a->first + i) % N_REQUESTS;
		const struct buf *expected = &a->expected[which];

		buf_clear(&got);
		ask(a->bundle, &requests[which], &got);
		a->n_wrong += got.len != expected->len || memcmp(got.data, expected->data, got.len) != 0;
	}
	buf_release(&got);
	return NULL;
}

static void
threads_that_share_a_bundle_share_no_predictor(void **state)
{
	struct bundle *fresh = make(false), *kept = make(true);
	struct buf expected[N_REQUESTS] = {0};
	struct asker asker[6];
	pthread_t thread[6];

	(void)state;
	for (size_t i = 0; i < N_REQUESTS; i++)
		ask(fresh, &requests[i], &expected[i]);
	for (size_t i = 0; i < 6; i++) {
		asker[i] = (struct asker){.bundle = kept, .first = i * 3, .expected = expected};
		assert_int_equal(pthread_create(&thread[i], NULL, ask_often, &asker[i]), 0);
	}
	for (size_t i = 0; i < 6; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(asker[i].n_wrong, 0);
	}
	for (size_t i = 0; i < N_REQUESTS; i++)
		buf_release(&expected[i]);
	bundle_free(fresh);
	bundle_free(kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_request_after_any_other_is_answered_as_the_first_one),
		cmocka_unit_test(a_predictor_that_is_done_is_the_next_one),
		cmocka_unit_test(a_predictor_with_much_memory_is_not_kept),
		cmocka_unit_test(threads_that_share_a_bundle_share_no_predictor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
