/* requests: see requests.h. */
#include "tests/bench/requests.h"

#include <stdlib.h>

#include "engine/rng.h"
#include "schema/table.h"

static float values[N_BATCH][N_COLUMNS];
static int classes[N_BATCH];

void
requests_init(void)
{
	struct rng rng;
	real normal[N_COLUMNS];

	rng_init(&rng, 7, 0);
	for (size_t i = 0; i < N_BATCH; i++) {
		classes[i] = (int)(i % N_CLASSES);
		rng_normal(&rng, normal, N_COLUMNS);
		for (size_t j = 0; j < N_COLUMNS; j++) {
			double centre = (double)((size_t)classes[i] * 31 % (j + 7)) / 4;

			/* four decimals: what real tables have */
			values[i][j] = (float)((double)(long)((centre + (double)normal[j]) * 10000) / 10000);
		}
	}
}

static void
put_number(struct buf *out, float v)
{
	char text[32];

	buf_put(out, text, number_format_float(text, v));
}

void
requests_put_csv(struct buf *out, size_t first, size_t n, bool with_labels)
{
	for (size_t j = 0; j < N_COLUMNS; j++)
		buf_printf(out, "%sf%zu", j ? "," : "", j);
	buf_puts(out, with_labels ? ",label\n" : "\n");
	for (size_t i = first; i < first + n; i++) {
		for (size_t j = 0; j < N_COLUMNS; j++) {
			buf_puts(out, j ? "," : "");
			put_number(out, values[i][j]);
		}
		if (with_labels)
			buf_printf(out, ",c%d", classes[i]);
		buf_puts(out, "\n");
	}
}

static void
put_json(struct buf *out, size_t first, size_t n)
{
	buf_puts(out, "{\"rows\":[");
	for (size_t i = first; i < first + n; i++) {
		for (size_t j = 0; j < N_COLUMNS; j++) {
			buf_printf(out, "%s\"f%zu\":", j ? "," : i > first ? ",{" : "{", j);
			put_number(out, values[i][j]);
		}
		buf_puts(out, "}");
	}
	buf_puts(out, "]}");
}

/* *json: bytes of the part that is JSON. */
static void
put_tensor(struct buf *out, size_t first, size_t n, size_t *json)
{
	buf_printf(out,
		"{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\","
		"\"shape\":[%zu,%d],\"parameters\":{\"binary_data_size\":%zu}}]}",
		n, N_COLUMNS, n * N_COLUMNS * sizeof(float));
	*json = out->len;
	for (size_t i = first; i < first + n; i++)
		buf_put_f32s(out, values[i], N_COLUMNS);
}

const char *const form_name[N_FORMS] = {"json", "csv", "binary_tensor", "json"};

struct buf
request_of(enum form form, const char *to, size_t first, size_t n)
{
	struct buf body = {0}, out = {0};
	size_t json = 0;

	if (form == CSV)
		requests_put_csv(&body, first, n, false);
	else if (form == TENSOR)
		put_tensor(&body, first, n, &json);
	else
		put_json(&body, first, n);
	if (form == PEER_JSON)
		buf_puts(&out, "POST /predict HTTP/1.1\r\n");
	else
		buf_printf(&out,
			form == TENSOR ? "POST /v2/models/%s/infer HTTP/1.1\r\n"
				       : "POST /v1/models/%s/predict HTTP/1.1\r\n",
			to);
	buf_printf(&out, "Host: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
		form == CSV      ? "text/csv"
		: form == TENSOR ? "application/octet-stream"
				 : "application/json",
		body.len);
	if (form == TENSOR)
		buf_printf(&out, "Inference-Header-Content-Length: %zu\r\n", json);
	buf_puts(&out, "\r\n");
	buf_put(&out, body.data, body.len);
	buf_release(&body);
	if (out.failed)
		abort();
	return out;
}
