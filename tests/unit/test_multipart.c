/* multipart: the parts come out as they were put in, however the body is cut; what is broken is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/buf.h"
#include "server/multipart.h"

/* What came, as text: "[name|type|charset]data<" for each part. */
static enum status
on_part(void *ctx, const struct multipart_part *p, struct err *e)
{
	buf_printf(ctx, "[%s|%s|%s]", p->name, p->type, p->charset);
	return buf_status(ctx, e);
}

static enum status
on_data(void *ctx, const void *bytes, size_t n, struct err *e)
{
	buf_put(ctx, bytes, n);
	return buf_status(ctx, e);
}

static enum status
on_end(void *ctx, struct err *e)
{
	buf_puts(ctx, "<");
	return buf_status(ctx, e);
}

static enum status
parse(const char *type, const char *body, size_t n, size_t piece, struct buf *seen, struct err *e)
{
	const struct multipart_handler handler = {.part = on_part, .data = on_data, .end = on_end, .ctx = seen};
	struct multipart *m = NULL;
	enum status s = multipart_new(type, &handler, &m, e);

	buf_clear(seen);
	for (size_t at = 0; at < n && !s; at += piece)
		s = multipart_feed(m, body + at, n - at < piece ? n - at : piece, e);
	if (!s)
		s = multipart_finish(m, e);
	multipart_free(m);
	buf_put(seen, "", 1);
	return s;
}

static void
assert_parts(const char *type, const char *body, const char *want)
{
	struct buf seen = {0};
	struct err e = {0};

	for (size_t piece = 1; piece <= strlen(body) + 1; piece++) {
		if (parse(type, body, strlen(body), piece, &seen, &e))
			fail_msg("pieces of %zu: %s", piece, e.msg);
		assert_string_equal((const char *)seen.data, want);
	}
	buf_release(&seen);
}

static void
assert_broken(const char *type, const char *body, enum status status, const char *code)
{
	struct buf seen = {0};
	struct err e = {0};

	for (size_t piece = 1; piece <= strlen(body) + 1; piece++) {
		assert_int_equal(parse(type, body, strlen(body), piece, &seen, &e), status);
		assert_string_equal(e.code, code);
	}
	buf_release(&seen);
}

#define TYPE "multipart/form-data; boundary=xyz"

static void
parts_come_with_their_names_types_and_data(void **state)
{
	(void)state;
	assert_parts(TYPE,
		"--xyz\r\nContent-Disposition: form-data; name=\"schema\"\r\nContent-Type: application/json\r\n\r\n"
		"{\"a\":1}\r\n--xyz\r\ncontent-type: Text/CSV; Charset=\"UTF-8\"\r\n"
		"content-disposition:form-data;filename=\"a;b\\\".csv\" ; name = x; name=file \r\n\r\n"
		"a,b\r\n1,2\r\n\r\n--xyz--\r\n",
		"[schema|application/json|]{\"a\":1}<[file|text/csv|utf-8]a,b\r\n1,2\r\n<");
}

static void
what_only_begins_like_a_boundary_is_data(void **state)
{
	(void)state;
	assert_parts(TYPE,
		"--xyz\r\nContent-Disposition: form-data; name=f\r\n\r\n"
		"--xy\r\n--xy\r\r\n\r\n-\r\n--x\r\n--xyZ\n--xyz\r\n--xyz--",
		"[f||]--xy\r\n--xy\r\r\n\r\n-\r\n--x\r\n--xyZ\n--xyz<");
}

static void
a_part_may_be_empty_and_so_may_a_body(void **state)
{
	(void)state;
	assert_parts(TYPE,
		"--xyz\r\nContent-Disposition: form-data; name=f\r\n\r\n\r\n--xyz\r\n"
		"Content-Disposition: form-data; name=g\r\n\r\n--xyz--\r\n",
		"[f||]<[g||]<");
	assert_parts(TYPE, "--xyz--", "");
}

static void
what_lies_before_and_behind_the_parts_is_nobodys(void **state)
{
	(void)state;
	assert_parts("multipart/form-data; charset=utf-8; BOUNDARY=\"x y'z\"",
		"This is a message\r\n--x y'\r\n--x y'z \t\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n"
		"--x y'z--\r\n--x y'z\r\nepilogue",
		"[f||]1<");
}

static void
a_body_without_its_last_boundary_is_refused_wherever_it_is_cut(void **state)
{
	static const char whole[] = "--xyz\r\nContent-Disposition: form-data; name=f\r\n\r\na,b\r\n1,2\r\n--xyz--";
	struct buf seen = {0};
	struct err e = {0};

	(void)state;
	for (size_t n = 0; n < sizeof whole - 1; n++) {
		assert_int_equal(parse(TYPE, whole, n, 7, &seen, &e), ERR_SYNTAX);
		assert_string_equal(e.code, "bad_multipart");
	}
	assert_int_equal(parse(TYPE, whole, sizeof whole - 1, 7, &seen, &e), OK);
	buf_release(&seen);
}

static void
a_boundary_that_is_none_is_refused(void **state)
{
	char type[128] = "multipart/form-data; boundary=";

	(void)state;
	assert_broken("multipart/form-data", "--xyz--", ERR_SYNTAX, "bad_multipart");
	assert_broken("multipart/form-data; boundary=", "--xyz--", ERR_SYNTAX, "bad_multipart");
	assert_broken("multipart/form-data; boundary=\"\"", "--xyz--", ERR_SYNTAX, "bad_multipart");
	assert_broken("multipart/form-data; boundary=\"a\rb\"", "--xyz--", ERR_SYNTAX, "bad_multipart");
	assert_broken("multipart/form-data; boundary=other", "--xyz--", ERR_SYNTAX, "bad_multipart");
	memset(type + strlen(type), 'x', 71);
	assert_broken(type, "--x--", ERR_SYNTAX, "bad_multipart");
}

static void
broken_headers_are_refused(void **state)
{
	static char endless[9 << 10] = "--xyz\r\nA: ";
	struct buf seen = {0};
	struct err e = {0};

	(void)state;
	assert_broken(TYPE, "--xyz\r\n\r\n1\r\n--xyz--", ERR_SYNTAX, "bad_multipart");
	assert_broken(TYPE, "--xyz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xyz--", ERR_SYNTAX, "bad_multipart");
	assert_broken(TYPE, "--xyz\r\nnonsense\r\n\r\n1\r\n--xyz--", ERR_SYNTAX, "bad_multipart");
	assert_broken(TYPE, "--xyzt\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n--xyz--", ERR_SYNTAX,
		"bad_multipart");
	assert_broken(TYPE,
		"--xyz\r\nContent-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		"MQ==\r\n--xyz--",
		ERR_UNSUPPORTED, "unsupported_transfer_encoding");
	memset(endless + 10, 'a', sizeof endless - 11);
	assert_int_equal(parse(TYPE, endless, sizeof endless - 1, 1000, &seen, &e), ERR_SYNTAX);
	assert_non_null(strstr(e.msg, "8 KiB"));
	assert_int_equal(parse(TYPE, "--xyz\r\nA\0: b\r\n", 14, 5, &seen, &e), ERR_SYNTAX);
	buf_release(&seen);
}

static void
long_data_come_through_whole(void **state)
{
	static const char head[] = "--xyz\r\nContent-Disposition: form-data; name=f\r\n\r\n", tail[] = "\r\n--xyz--";
	struct buf body = {0}, seen = {0};
	uint32_t random = 1;
	struct err e = {0};

	(void)state;
	buf_puts(&body, head);
	for (int i = 0; i < 200000; i++) { /* letters of the boundary alone, in any order */
		random = random * 1664525 + 1013904223;
		buf_put_u8(&body, (uint8_t) "\r\n--xyzx"[random >> 29]);
	}
	buf_puts(&body, tail);
	for (size_t piece = 1; piece < 100000; piece = piece * 5 + 3) {
		assert_int_equal(parse(TYPE, (const char *)body.data, body.len, piece, &seen, &e), OK);
		assert_int_equal(seen.len, strlen("[f||]<") + 200000 + 1);
		assert_memory_equal(seen.data + 5, body.data + sizeof head - 1, 200000);
	}
	buf_release(&body);
	buf_release(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_come_with_their_names_types_and_data),
		cmocka_unit_test(what_only_begins_like_a_boundary_is_data),
		cmocka_unit_test(a_part_may_be_empty_and_so_may_a_body),
		cmocka_unit_test(what_lies_before_and_behind_the_parts_is_nobodys),
		cmocka_unit_test(a_body_without_its_last_boundary_is_refused_wherever_it_is_cut),
		cmocka_unit_test(a_boundary_that_is_none_is_refused),
		cmocka_unit_test(broken_headers_are_refused),
		cmocka_unit_test(long_data_come_through_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
