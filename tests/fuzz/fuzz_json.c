/*
 * Fuzzes what reads JSON: every token of any bytes, then the same bytes as a body of rows to predict. What is accepted
 * must be answered with valid JSON.
 */
#include "schema/json_read.h"
#include "tests/unit/tiny_bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bundle *
bundle(void)
{
	static struct bundle *b; /* kept: making one takes longer than most inputs */
	struct err e;

	if (!b && !(b = tiny_bundle(&e)))
		abort();
	return b;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_reader r;
	struct json_token t;
	struct buf out = {0};
	struct err e;
	size_t n = 0;

	json_reader_init(&r, data, size);
	while (!json_next(&r, &t, &e) && t.type != JSON_END) {
		if (t.text && strlen(t.text) != t.len)
			abort();
	}
	json_reader_release(&r);
	if (!json_predict(bundle(), data, size, size % 4, UINT64_MAX, &out, &n, &e) &&
		(!n || json_check_object(out.data, out.len, &e)))
		abort();
	buf_release(&out);
	return 0;
}
