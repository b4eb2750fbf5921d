/*
 * api_predict: rows to predict or score, in verad's own forms and in those of MLflow's clients.
 *
 * CSV rows are answered as their pieces arrive; a slot of the service is held while a piece is computed and not while
 * the network is waited for, so slow clients cost fast ones nothing. The answers are kept until the last row is in:
 * only then is it known that there is no error to report, and clients send first and read later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schema/answers_json.h"
#include "server/api_private.h"

enum { ANSWER_FACTOR = 8 }; /* answers may be this many times max_predict: a row of one digit makes 100 bytes */

enum asked { PREDICTIONS, SCORES, INVOCATION };

struct prediction { /* of one request */
	enum asked asked;
	unsigned include; /* enum include */
	struct loaded_model *model;
	struct csv_predictor *csv; /* NULL: JSON */
	enum slot csv_slot;
	uint64_t max_answers; /* bytes */
	double seconds;       /* at work, and waiting for a slot */
	bool answered;
	struct buf json; /* the whole body */
	struct buf answers;
};

uint64_t
api_max_answers(const struct api *api)
{
	return api->max_predict * ANSWER_FACTOR;
}

void
api_count_request(const struct bundle *b, bool answered, double seconds)
{
	struct prediction_tally *t = b->tally;
	struct timespec now;

	if (!t)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	atomic_fetch_add_explicit(answered ? &t->answered : &t->refused, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(
		answered ? &t->answered_ns : &t->refused_ns, (uint64_t)(seconds * 1e9), memory_order_relaxed);
	atomic_store_explicit(
		&t->last_ms, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, memory_order_relaxed);
}

const char *const api_rows_query[] = {"include", NULL}, *const api_invocation_query[] = {"include", "model", NULL};

enum slot
api_slot(uint64_t n, bool attributions)
{
	return n <= SLOT_SHORT_BYTES && !attributions ? SLOT_SHORT : SLOT_LONG;
}

/* Some bodies ask for attributions themselves, and are read in a slot: one that has the word takes a long one. */
bool
api_names_attributions(const void *body, size_t n)
{
	static const char word[] = "attribution";

	return n >= sizeof word && n <= SLOT_SHORT_BYTES && memmem(body, n, word, sizeof word - 1);
}

/* A list of what answers are to have that they have not of themselves. */
static enum status
read_include(const struct http_request *r, unsigned *include, struct err *e)
{
	const char *text = http_query(r, "include");

	for (size_t n; text && *text; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		if (include_add(include, text, n, e))
			return err_set(e, ERR_SYNTAX, "bad_query_parameter",
				"the query parameter \"include\" has \"%.*s\", and only attributions can be included",
				(int)text_cut(text, n, 40), text);
	}
	return OK;
}

static enum status
begin_rows(
	struct api *api, const struct http_request *r, const char *model, enum asked asked, void **state, struct err *e)
{
	static const char *const types[] = {"text/csv", "application/json"};
	struct prediction *p = calloc(1, sizeof *p);
	enum status s;
	size_t which;

	if (!p)
		return err_nomem(e);
	*state = p;
	p->asked = asked;
	p->include = asked == SCORES ? 0 : INCLUDE_LABELS;
	p->max_answers = api_max_answers(api);
	if ((s = read_include(r, &p->include, e)) || (s = service_model_acquire(api->service, model, &p->model, e)) ||
		(s = bundle_check_classes(loaded_bundle(p->model), asked != SCORES, e)) ||
		(s = api_body_type(r, types, 2, &which, e)) || which == 1)
		return s;
	if ((s = csv_predictor_new(loaded_bundle(p->model), p->include, &p->csv, e)))
		return s;
	p->csv_slot = http_header(r, "Content-Encoding")
			      ? SLOT_LONG
			      : api_slot(r->content_length, p->include & INCLUDE_ATTRIBUTIONS);
	csv_predictor_limit_attributions(p->csv);
	if (asked == INVOCATION)
		csv_predictor_as_json(p->csv);
	return OK;
}

enum status
api_predict_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	return begin_rows(app, r, r->path_param[0], PREDICTIONS, state, e);
}

enum status
api_ood_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	return begin_rows(app, r, r->path_param[0], SCORES, state, e);
}

/* MLflow's servers have one model; here the path or the query says which, or it is the one of this name. */
enum status
api_invocation_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	const char *model = r->path_param[0] ? r->path_param[0] : http_query(r, "model");

	return begin_rows(app, r, model ? model : "default", INVOCATION, state, e);
}

static enum status
check_answers(const struct prediction *p, struct err *e)
{
	enum status s = buf_status(&p->answers, e);

	return s ? s : answers_fit(p->answers.len, p->max_answers, e);
}

enum status
api_rows_body(void *app, void *state, const void *bytes, size_t n, struct err *e)
{
	struct prediction *p = state;
	struct api *api = app;
	double began = api_now();
	enum status s;

	if (!p->csv) {
		buf_put(&p->json, bytes, n);
		return buf_status(&p->json, e);
	}
	service_slot_take(api->service, p->csv_slot);
	s = csv_predictor_feed(p->csv, bytes, n, &p->answers, e);
	service_slot_give(api->service, p->csv_slot);
	p->seconds += api_now() - began;
	return s ? s : check_answers(p, e);
}

/* A header value has room for plain ASCII alone: everything else is written as %XX. */
static void
put_header_text(struct buf *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c > 0x7E || *c == '"' || *c == '\\' || *c == '%')
			buf_printf(out, "%%%02X", *c);
		else
			buf_put_u8(out, *c);
	}
}

/* unseen_category; column="workclass"; count=3, … — as many as there is room for, then "more". */
static enum status
put_warnings(const struct csv_predictor *csv, struct http_reply *reply, struct err *e)
{
	static const char more[] = ", more";
	struct warning *list = NULL;
	struct buf item = {0};
	size_t n = 0, used = 0;
	enum status s;

	if ((s = csv_predictor_warnings(csv, &list, &n, e)))
		return s;
	for (size_t i = 0; i < n; i++) {
		size_t left = sizeof reply->warnings - used - sizeof more;

		buf_clear(&item);
		buf_printf(&item, "%s%s; column=\"", i ? ", " : "", list[i].code);
		put_header_text(&item, list[i].column);
		buf_printf(&item, "\"; count=%zu", list[i].count);
		if (item.failed || item.len > left) {
			memcpy(reply->warnings + used, used ? more : more + 2, sizeof more - (used ? 0 : 2));
			break;
		}
		memcpy(reply->warnings + used, item.data, item.len);
		used += item.len;
		reply->warnings[used] = '\0';
	}
	buf_release(&item);
	free(list);
	return OK;
}

enum status
api_rows_end(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	struct prediction *p = state;
	struct api *api = app;
	const bool attributions = p->include & INCLUDE_ATTRIBUTIONS ||
				  (p->asked == INVOCATION && api_names_attributions(p->json.data, p->json.len));
	const enum slot slot = p->csv ? p->csv_slot : api_slot(p->json.len, attributions);
	double began = api_now();
	size_t n_rows;
	enum status s;

	(void)r, (void)gathered;
	service_slot_take(api->service, slot);
	if (p->csv)
		s = csv_predictor_finish(p->csv, &p->answers, &n_rows, e);
	else if (p->asked == INVOCATION)
		s = invocations_predict(
			loaded_bundle(p->model), p->json.data, p->json.len, p->include, p->max_answers, &p->answers, e);
	else
		s = json_predict(loaded_bundle(p->model), p->json.data, p->json.len, p->include, p->max_answers,
			&p->answers, &n_rows, e);
	service_slot_give(api->service, slot);
	p->seconds += api_now() - began;
	if (s || (s = check_answers(p, e)) || (p->csv && (s = put_warnings(p->csv, reply, e))))
		return s;
	if (p->csv && p->asked != INVOCATION)
		reply->content_type = "text/csv; charset=utf-8; header=present";
	reply->body = p->answers;
	p->answers = (struct buf){0};
	p->answered = true;
	return OK;
}

void
api_rows_release(void *app, void *state)
{
	struct prediction *p = state;
	struct api *api = app;

	if (!p)
		return;
	csv_predictor_free(p->csv);
	if (p->model) {
		api_count_request(loaded_bundle(p->model), p->answered, p->seconds);
		service_model_release(api->service, p->model);
	}
	buf_release(&p->json);
	buf_release(&p->answers);
	free(p);
}
