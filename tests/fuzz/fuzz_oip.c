/*
 * Fuzzes what reads tensors, and the bodies of MLflow's clients: the first two bytes say where the JSON ends and the
 * binary data begin. What is accepted must be answered with valid JSON.
 */
#include "schema/json_read.h"
#include "schema/oip.h"
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
	const struct oip_names names = {"m", NULL};
	struct buf out = {0};
	struct err e;
	size_t at, n = 0;

	if (size < 2)
		return 0;
	at = (size_t)data[0] << 8 | data[1];
	if (!oip_infer(bundle(), &names, data + 2, size - 2, at == 0xffff ? SIZE_MAX : at, 1 << 24, &out, &n, &e) &&
		json_check_object(out.data, n == SIZE_MAX ? out.len : n, &e))
		abort();
	buf_clear(&out);
	if (!invocations_predict(bundle(), data + 2, size - 2, INCLUDE_LABELS, 1 << 24, &out, &e) &&
		json_check_object(out.data, out.len, &e))
		abort();
	buf_release(&out);
	return 0;
}
