/* inflate: what comes out is what went in, however it is cut; and what is not whole, or too much, is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/inflate.h"
#include "tests/support/pack.h"

static enum status
keep(void *ctx, const void *bytes, size_t n, struct err *e)
{
	buf_put(ctx, bytes, n);
	return buf_status(ctx, e);
}

static enum status
count(void *ctx, const void *bytes, size_t n, struct err *e)
{
	(void)bytes, (void)e;
	*(uint64_t *)ctx += n;
	return OK;
}

static enum status
refuse(void *ctx, const void *bytes, size_t n, struct err *e)
{
	(void)ctx, (void)bytes, (void)n;
	return err_set(e, ERR_DATA, "ragged_row", "enough");
}

/* A few hundred kilobytes that are neither random nor all the same. */
static void
sample(struct buf *out)
{
	for (int i = 0; i < 20000; i++)
		buf_printf(out, "%d,%d,abc%d\n", i, i * i % 1009, i % 7);
	assert_false(out->failed);
}

static void
pack(const char *coding, struct buf *out, const void *bytes, size_t n)
{
	if (!strcmp(coding, "zstd"))
		pack_zstd(out, bytes, n, 0);
	else
		pack_gzip(out, bytes, n);
	assert_false(out->failed);
}

static enum status
unpack(const char *coding, const struct buf *packed, size_t piece, struct inflate_sink sink, struct err *e)
{
	struct inflate *f = NULL;
	enum status s;

	assert_int_equal(inflate_new(coding, &f, e), OK);
	s = OK;
	for (size_t at = 0; at < packed->len && !s; at += piece)
		s = inflate_feed(f, packed->data + at, packed->len - at < piece ? packed->len - at : piece, sink, e);
	if (!s)
		s = inflate_finish(f, e);
	inflate_free(f);
	return s;
}

static const char *const codings[] = {"gzip", "zstd"};

static void
bytes_come_out_as_they_went_in_however_they_are_cut(void **state)
{
	static const size_t pieces[] = {1, 7, 4096, 1 << 20};
	struct buf plain = {0};
	struct err e;

	(void)state;
	sample(&plain);
	for (size_t k = 0; k < 2; k++) {
		struct buf packed = {0};

		pack(codings[k], &packed, plain.data, plain.len);
		for (size_t i = 0; i < 4; i++) {
			struct buf out = {0};

			assert_int_equal(
				unpack(codings[k], &packed, pieces[i], (struct inflate_sink){keep, &out}, &e), OK);
			assert_int_equal(out.len, plain.len);
			assert_memory_equal(out.data, plain.data, plain.len);
			buf_release(&out);
		}
		buf_release(&packed);
	}
	buf_release(&plain);
}

static void
several_members_are_one_text_and_an_empty_one_is_none(void **state)
{
	struct err e;

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct buf packed = {0}, out = {0};

		pack(codings[k], &packed, "a,b\n", 4);
		pack(codings[k], &packed, "", 0);
		pack(codings[k], &packed, "1,2\n", 4);
		for (size_t piece = 1; piece < 9; piece++) {
			buf_clear(&out);
			assert_int_equal(unpack(codings[k], &packed, piece, (struct inflate_sink){keep, &out}, &e), OK);
			assert_int_equal(out.len, 8);
			assert_memory_equal(out.data, "a,b\n1,2\n", 8);
		}
		buf_release(&packed);
		buf_release(&out);
	}
}

static void
what_is_cut_off_anywhere_is_refused(void **state)
{
	struct err e;

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct buf packed = {0}, out = {0};
		size_t whole;

		pack(codings[k], &packed, "x,y,label\n1,2,a\n1,2,b\n1,2,a\n", 28);
		whole = packed.len;
		for (packed.len = 0; packed.len < whole; packed.len++) {
			assert_int_equal(
				unpack(codings[k], &packed, 5, (struct inflate_sink){keep, &out}, &e), ERR_SYNTAX);
			assert_string_equal(e.code, "truncated_compression");
		}
		buf_release(&packed);
		buf_release(&out);
	}
}

static void
what_is_damaged_or_something_else_is_refused(void **state)
{
	struct buf plain = {0}, out = {0};
	struct err e;

	(void)state;
	sample(&plain);
	for (size_t k = 0; k < 2; k++) {
		struct buf packed = {0};
		const struct buf csv = {.data = plain.data, .len = 1000};

		pack(codings[k], &packed, plain.data, plain.len);
		for (size_t at = packed.len / 3; at < packed.len; at += packed.len / 17) {
			packed.data[at] ^= 0x10;
			buf_clear(&out);
			assert_int_equal(
				unpack(codings[k], &packed, 4096, (struct inflate_sink){keep, &out}, &e), ERR_SYNTAX);
			packed.data[at] ^= 0x10;
		}
		buf_puts(&packed, "and something behind");
		assert_int_equal(unpack(codings[k], &packed, 4096, (struct inflate_sink){keep, &out}, &e), ERR_SYNTAX);
		assert_string_equal(e.code, "bad_compression");
		assert_int_equal(unpack(codings[k], &csv, 4096, (struct inflate_sink){keep, &out}, &e), ERR_SYNTAX);
		assert_string_equal(e.code, "bad_compression");
		buf_release(&packed);
	}
	buf_release(&plain);
	buf_release(&out);
}

static void
a_bomb_is_refused_before_it_goes_off(void **state)
{
	enum { BOMB = 256 << 20 };
	unsigned char *zeros = calloc(1, BOMB);
	struct err e;

	(void)state;
	assert_non_null(zeros);
	for (size_t k = 0; k < 2; k++) {
		struct buf packed = {0};
		uint64_t seen = 0;

		pack(codings[k], &packed, zeros, BOMB);
		assert_true(packed.len < BOMB / 500);
		assert_int_equal(
			unpack(codings[k], &packed, 4096, (struct inflate_sink){count, &seen}, &e), ERR_TOO_LARGE);
		assert_string_equal(e.code, "compression_ratio");
		assert_in_range(seen, INFLATE_FREE / 2, INFLATE_FREE + packed.len * INFLATE_MAX_RATIO);
		buf_release(&packed);
	}
	free(zeros);
}

static void
a_window_larger_than_ours_is_refused(void **state)
{
	struct buf plain = {0}, packed = {0}, out = {0};
	struct err e;

	(void)state;
	sample(&plain);
	pack_zstd(&packed, plain.data, plain.len, 27);
	assert_int_equal(unpack("zstd", &packed, 4096, (struct inflate_sink){keep, &out}, &e), ERR_SYNTAX);
	assert_string_equal(e.code, "bad_compression");
	buf_release(&plain);
	buf_release(&packed);
	buf_release(&out);
}

static void
the_sinks_refusal_is_handed_on(void **state)
{
	struct buf packed = {0};
	struct err e;

	(void)state;
	pack("gzip", &packed, "abc", 3);
	assert_int_equal(unpack("gzip", &packed, 4096, (struct inflate_sink){refuse, NULL}, &e), ERR_DATA);
	assert_string_equal(e.code, "ragged_row");
	buf_release(&packed);
}

static void
codings_are_known_by_their_names(void **state)
{
	(void)state;
	assert_true(inflate_serves("gzip") && inflate_serves("X-GZip") && inflate_serves("ZSTD"));
	assert_false(inflate_serves("br") || inflate_serves("gzip, zstd") || inflate_serves(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_as_they_went_in_however_they_are_cut),
		cmocka_unit_test(several_members_are_one_text_and_an_empty_one_is_none),
		cmocka_unit_test(what_is_cut_off_anywhere_is_refused),
		cmocka_unit_test(what_is_damaged_or_something_else_is_refused),
		cmocka_unit_test(a_bomb_is_refused_before_it_goes_off),
		cmocka_unit_test(a_window_larger_than_ours_is_refused),
		cmocka_unit_test(the_sinks_refusal_is_handed_on),
		cmocka_unit_test(codings_are_known_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
