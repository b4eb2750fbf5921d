/*
 * bundle: the artefact's bytes. See bundle.h; the format is given there.
 *
 * The checksum finds damage; it is no proof of origin, so everything behind it is checked as if there were none: what
 * has been read here once can be served without a further thought.
 */
#include "schema/bundle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "schema/json_read.h"
#include "schema/predictor_pool.h"
#include "schema/utf8.h"

enum { MAGIC_SIZE = 8 };
/* The first that is read, the first that says how cells are read, the first whose networks have a doubt: it is written.
 */
enum { OLDEST_VERSION = 3, READING_VERSION = 4, DOUBT_VERSION = 5, WARP_VERSION = 6, VERSION = WARP_VERSION };
static const char magic[MAGIC_SIZE + 1] = "VERADMDL";

void
bundle_free(struct bundle *b)
{
	if (!b)
		return;
	predictor_pool_free(b->idle);
	encoder_free(b->encoder);
	model_free(b->model);
	for (size_t k = 0; b->label && k < b->n_classes; k++)
		free(b->label[k]);
	free(b->label);
	free(b->label_column);
	free(b->report);
	reading_release(&b->reading);
	free(b);
}

enum status
bundle_keep_predictors(struct bundle *b, struct err *e)
{
	return b->idle ? OK : predictor_pool_new(&b->idle, e);
}

enum status
bundle_write(const struct bundle *b, struct buf *out, struct err *e)
{
	const char *label_column = b->label_column ? b->label_column : ""; /* no column of a table is called that */
	char *reading = reading_to_json(&b->reading);
	struct buf payload = {0};
	enum status s;

	if (!reading)
		return err_nomem(e);
	assert(encoder_n_features(b->encoder) == model_n_features(b->model));
	assert((b->n_classes ? b->n_classes : 1) == model_n_classes(b->model));
	encoder_write(b->encoder, &payload);
	model_write(b->model, &payload);
	buf_put_u32(&payload, (uint32_t)b->n_classes);
	for (size_t k = 0; k < b->n_classes; k++)
		buf_put_text(&payload, b->label[k], strlen(b->label[k]));
	buf_put_text(&payload, label_column, strlen(label_column));
	buf_put_text(&payload, b->report, strlen(b->report));
	buf_put_text(&payload, reading, strlen(reading));
	free(reading);

	if (!(s = buf_status(&payload, e))) {
		buf_put(out, magic, MAGIC_SIZE);
		buf_put_u32(out, VERSION);
		buf_put_u64(out, payload.len);
		buf_put_u64(out, checksum64(payload.data, payload.len));
		buf_put(out, payload.data, payload.len);
		s = buf_status(out, e);
	}
	buf_release(&payload);
	return s;
}

enum status
bundle_check_classes(const struct bundle *b, bool want_labels, struct err *e)
{
	if (!want_labels || b->n_classes)
		return OK;
	return err_set(e, ERR_CONFLICT, "no_classes",
		"the model was trained without labels: it has out-of-distribution scores (ood), but no classes to "
		"predict");
}

static enum status
corrupt(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's bytes are damaged: %s", what);
}

/* The payload, checked against length and checksum. */
static enum status
read_header(const void *bytes, size_t n, struct reader *payload, uint32_t *out_version, struct err *e)
{
	struct reader in = reader_over(bytes, n);
	uint64_t length, checksum;
	uint32_t version;

	if (n < MAGIC_SIZE || memcmp(bytes, magic, MAGIC_SIZE))
		return err_set(e, ERR_CORRUPT, "not_a_model", "these bytes are not a model of verad");
	reader_take(&in, MAGIC_SIZE);
	version = reader_u32(&in);
	length = reader_u64(&in);
	checksum = reader_u64(&in);
	if (in.failed)
		return corrupt(e, "they end within the header");
	if (version < OLDEST_VERSION || version > VERSION)
		return err_set(e, ERR_CONFLICT, "unsupported_model_version",
			"the model is of format version %lu, and this program reads versions %d to %d: it takes %s "
			"verad, "
			"or training again",
			(unsigned long)version, OLDEST_VERSION, VERSION,
			version < OLDEST_VERSION ? "an older" : "a newer");
	if (length != reader_left(&in))
		return corrupt(
			e, length > reader_left(&in) ? "they were cut short" : "there are more than there should be");
	if (checksum != checksum64(in.p, (size_t)length))
		return corrupt(e, "the checksum does not match");
	*payload = in;
	*out_version = version;
	return OK;
}

static char *
read_utf8(struct reader *in)
{
	size_t len = 0;
	char *text = reader_text(in, &len);

	if (text && !utf8_valid(text, len)) {
		free(text);
		return NULL;
	}
	return text;
}

static enum status
read_labels(struct reader *in, struct bundle *b, struct err *e)
{
	struct dictionary seen = {0};
	size_t n = reader_u32(in), n_outputs = model_n_classes(b->model);
	enum status s = OK;

	if (in->failed || n != (n_outputs == 1 ? 0 : n_outputs) || n > reader_max_items(in, 4))
		return corrupt(e, "the classes are not those of the network");
	if (!n)
		return OK;
	b->label = calloc(n, sizeof *b->label);
	if (!b->label)
		return err_nomem(e);
	b->n_classes = n;
	for (size_t k = 0; k < n && !s; k++) {
		uint32_t code = 0;

		b->label[k] = read_utf8(in);
		if (!b->label[k] || !*b->label[k])
			s = corrupt(e, "a class has no name");
		else if (!(s = dictionary_add(&seen, b->label[k], strlen(b->label[k]), &code, e)) && code != k)
			s = corrupt(e, "two classes have one name");
	}
	dictionary_release(&seen);
	return s;
}

static enum status
read_reading(struct reader *in, struct bundle *b, struct err *e)
{
	char *text = read_utf8(in);
	struct err why;
	enum status s;

	if (!text)
		return corrupt(e, "how cells are read is not readable");
	if ((s = reading_from_json(text, &b->reading, &why)) == ERR_NOMEM)
		s = err_nomem(e);
	else if (s)
		s = corrupt(e, "how cells are read makes no sense");
	free(text);
	return s;
}

static enum status
read_payload(struct reader *in, uint32_t version, struct bundle *b, struct err *e)
{
	const enum model_format format = version >= WARP_VERSION    ? MODEL_WARPS
					 : version >= DOUBT_VERSION ? MODEL_DOUBTS
								    : MODEL_BARE;
	struct err ignored;
	enum status s;

	if ((s = encoder_read(in, &b->encoder, e)) || (s = model_read(in, format, &b->model, e)))
		return s;
	if (encoder_n_features(b->encoder) != model_n_features(b->model))
		return corrupt(e, "the features are not those of the network");
	if ((s = read_labels(in, b, e)))
		return s;
	b->label_column = read_utf8(in);
	b->report = read_utf8(in);
	if (!b->label_column || !b->report || json_check_object(b->report, strlen(b->report), &ignored))
		return corrupt(e, "the report is not readable");
	if (!*b->label_column) {
		free(b->label_column);
		b->label_column = NULL;
	}
	if (b->n_classes && !b->label_column)
		return corrupt(e, "the label column has no name");
	if (version >= READING_VERSION && (s = read_reading(in, b, e)))
		return s;
	return reader_left(in) ? corrupt(e, "there are more than there should be") : OK;
}

enum status
bundle_read(const void *bytes, size_t n, struct bundle **out, struct err *e)
{
	struct bundle *b = NULL;
	struct reader in;
	uint32_t version = 0;
	enum status s;

	if ((s = read_header(bytes, n, &in, &version, e)))
		return s;
	b = calloc(1, sizeof *b);
	if (!b)
		return err_nomem(e);
	if ((s = read_payload(&in, version, b, e))) {
		bundle_free(b);
		return s;
	}
	*out = b;
	return OK;
}
