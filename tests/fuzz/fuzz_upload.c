/*
 * fuzz_upload: what an upload goes through before it is a table. The first byte chooses: any bytes as gzip or zstd, as
 * a form, in pieces of any size, which must come to the same end as whole; or as a file to look at.
 */
#include <stdlib.h>
#include <string.h>

#include "schema/inspect.h"
#include "server/inflate.h"
#include "server/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { ENOUGH = 1 << 20 };

struct outcome {
	struct buf seen;
	enum status status;
};

static enum status
take(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct buf *seen = ctx;

	if (seen->len > ENOUGH)
		return err_set(e, ERR_TOO_LARGE, "body_too_large", "enough");
	buf_put(seen, bytes, n);
	return buf_status(seen, e);
}

static enum status
take_part(void *ctx, const struct multipart_part *p, struct err *e)
{
	buf_printf(ctx, "[%s|%s|%s]", p->name, p->type, p->charset);
	return buf_status(ctx, e);
}

static enum status
end_part(void *ctx, struct err *e)
{
	buf_puts(ctx, "<");
	return buf_status(ctx, e);
}

static struct outcome
unpack(const char *coding, const uint8_t *data, size_t size, size_t piece)
{
	struct outcome o = {0};
	const struct inflate_sink sink = {.plain = take, .ctx = &o.seen};
	struct inflate *f = NULL;
	struct err e;

	REQUIRE(inflate_new(coding, &f, &e) == OK);
	for (size_t at = 0; at < size && !o.status; at += piece)
		o.status = inflate_feed(f, data + at, size - at < piece ? size - at : piece, sink, &e);
	if (!o.status)
		o.status = inflate_finish(f, &e);
	inflate_free(f);
	return o;
}

static struct outcome
parts(const uint8_t *data, size_t size, size_t piece)
{
	struct outcome o = {0};
	const struct multipart_handler handler = {take_part, take, end_part, &o.seen};
	struct multipart *m = NULL;
	struct err e;

	REQUIRE(multipart_new("multipart/form-data; boundary=x", &handler, &m, &e) == OK);
	for (size_t at = 0; at < size && !o.status; at += piece)
		o.status = multipart_feed(m, data + at, size - at < piece ? size - at : piece, &e);
	if (!o.status)
		o.status = multipart_finish(m, &e);
	multipart_free(m);
	return o;
}

static void
look(const uint8_t *data, size_t size, bool whole)
{
	char message[DATASET_WARNING_SIZE];
	struct inspection n = {0};
	struct err e;

	if (inspect(data, size, whole, NULL, &n, &e))
		return;
	REQUIRE(n.summary->n_rows && n.n_bytes <= size);
	for (size_t i = 0; i < n.summary->n_columns; i++)
		inspection_warning(&n, i, message);
	for (size_t k = 0; k < n.n_candidates; k++)
		REQUIRE(n.candidate[k].column < n.summary->n_columns && n.candidate[k].n_classes >= 2);
	inspection_release(&n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;
	unsigned choice;

	if (!size)
		return 0;
	choice = data[0];
	data++;
	size--;
	if (choice % 4 == 3) {
		look(data, size, choice & 4);
		return 0;
	}
	if (choice % 4 == 2) {
		whole = parts(data, size, size + 1);
		cut = parts(data, size, choice / 4 + 1);
	} else {
		whole = unpack(choice % 4 ? "gzip" : "zstd", data, size, size + 1);
		cut = unpack(choice % 4 ? "gzip" : "zstd", data, size, choice / 4 + 1);
	}
	REQUIRE(whole.status == cut.status);
	REQUIRE(whole.status || (whole.seen.len == cut.seen.len &&
					(!cut.seen.len || !memcmp(whole.seen.data, cut.seen.data, cut.seen.len))));
	buf_release(&whole.seen);
	buf_release(&cut.seen);
	return 0;
}
