/*
 * api_oip: /v2, the Open Inference Protocol. Its errors are {"error": text}; http sees to that for all paths below /v2.
 *
 * One deliberate deviation: the server is ready when it can serve, whatever models are being loaded or trained;
 * readiness of a model is asked of the model.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/oip.h"
#include "server/api_private.h"
#include "server/version.h"

/* The server ------------------------------------------------------------------------------------------------------ */

enum status
api_oip_server(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	buf_puts(&reply->body, "{\"name\":\"verad\",\"version\":\"" VERAD_VERSION
			       "\",\"extensions\":[\"binary_tensor_data\",\"statistics\"]}\n");
	return OK;
}

enum status
api_oip_live(void *app, const struct http_request *r, void *state, const struct buf *gathered, struct http_reply *reply,
	struct err *e)
{
	(void)app, (void)r, (void)state, (void)gathered, (void)e;
	buf_puts(&reply->body, "{\"live\":true}\n");
	return OK;
}

enum status
api_oip_ready(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;

	(void)r, (void)state, (void)gathered;
	buf_puts(&reply->body, "{\"ready\":true}\n");
	return store_ping(service_store(api->service), e);
}

/* Models ---------------------------------------------------------------------------------------------------------- */

enum status
api_oip_model_ready(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct loaded_model *model;
	struct json_build b = {0};
	char ref[API_REF_SIZE];
	cJSON *root;
	enum status s;

	(void)state, (void)gathered;
	if ((s = service_model_acquire(api->service, api_model_ref(r, ref), &model, e)))
		return s;
	service_model_release(api->service, model);
	root = json_object(&b);
	json_put_text(&b, root, "name", r->path_param[0]);
	json_put_bool(&b, root, "ready", true);
	return api_reply(reply, 200, &b, root, e);
}

/* The versions of the model's name as texts, in one block that the caller frees; none where it has no name. */
static enum status
version_texts(struct store *store, const char *ref, char const ***out, size_t *n, struct err *e)
{
	enum { TEXT = 24 };
	struct model_record *list = NULL;
	struct model_name name = {0};
	const char **texts;
	enum status s;
	char *at;

	*out = NULL;
	*n = 0;
	s = store_name_get(store, ref, &name, e);
	model_name_release(&name);
	if (s && !strcmp(e->code, "model_has_no_name"))
		return OK;
	if (s || (s = store_version_list(store, ref, UINT64_MAX, API_MAX_PAGE, &list, n, e)))
		return s;
	texts = malloc(*n * (sizeof *texts + TEXT) + 1);
	at = (char *)(texts + *n);
	for (size_t i = 0; i < *n; i++) {
		if (texts) {
			snprintf(at, TEXT, "%" PRIu64, list[i].version);
			texts[i] = at;
			at += TEXT;
		}
		model_record_release(&list[i]);
	}
	free(list);
	*out = texts;
	return texts ? OK : err_nomem(e);
}

enum status
api_oip_metadata(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	struct loaded_model *model = NULL;
	const char **versions = NULL;
	char ref[API_REF_SIZE];
	size_t n = 0;
	enum status s;

	(void)state, (void)gathered;
	if ((s = service_model_acquire(api->service, api_model_ref(r, ref), &model, e)) ||
		(s = version_texts(service_store(api->service), api_model_ref(r, ref), &versions, &n, e)))
		goto out;
	oip_metadata(loaded_bundle(model), r->path_param[0], versions, n, &reply->body);
	buf_puts(&reply->body, "\n");
out:
	if (model)
		service_model_release(api->service, model);
	free(versions);
	return s;
}

/* As Triton's extension has it: of all the requests for the model's answers, by whatever route, since the start. */
enum status
api_oip_stats(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	static const struct prediction_tally none;
	const struct api *api = app;
	const struct prediction_tally *t;
	struct model_record m = {0};
	struct json_build b = {0};
	char ref[API_REF_SIZE], version[24] = "";
	cJSON *root, *stats, *part;
	enum status s;

	(void)state, (void)gathered;
	if ((s = store_model_get(service_store(api->service), api_model_ref(r, ref), &m, e)))
		return s;
	if (!(t = metrics_find(api->metrics, m.id)))
		t = &none;
	if (m.name)
		snprintf(version, sizeof version, "%" PRIu64, m.version);
	root = json_object(&b);
	stats = json_add_object(&b, json_put_array(&b, root, "model_stats"));
	json_put_text(&b, stats, "name", r->path_param[0]);
	json_put_text(&b, stats, "version", version);
	json_put_count(&b, stats, "last_inference", (size_t)t->last_ms);
	json_put_count(&b, stats, "inference_count", (size_t)t->rows);
	json_put_count(&b, stats, "execution_count", (size_t)t->answered);
	stats = json_put_object(&b, stats, "inference_stats");
	part = json_put_object(&b, stats, "success");
	json_put_count(&b, part, "count", (size_t)t->answered);
	json_put_count(&b, part, "ns", (size_t)t->answered_ns);
	part = json_put_object(&b, stats, "fail");
	json_put_count(&b, part, "count", (size_t)t->refused);
	json_put_count(&b, part, "ns", (size_t)t->refused_ns);
	model_record_release(&m);
	return api_reply(reply, 200, &b, root, e);
}

/* Inference ------------------------------------------------------------------------------------------------------- */

struct inference {
	struct loaded_model *model;
	size_t json_size; /* SIZE_MAX: all of the body is JSON */
	double seconds;   /* at work */
	bool answered;
};

/* Clients of this protocol do not always say what they send: JSON is what it is, with tensors behind it where a header
 * tells how long the JSON is. */
static enum status
read_headers(const struct http_request *r, struct inference *f, struct err *e)
{
	static const char *const types[] = {"application/json", "application/octet-stream"};
	const char *size = http_header(r, "Inference-Header-Content-Length");
	size_t which, n = size ? strlen(size) : 0;
	enum status s;

	if (r->content_type[0] && (s = api_body_type(r, types, 2, &which, e)))
		return s;
	f->json_size = SIZE_MAX;
	if (!size)
		return OK;
	if (!n || n > 15 || strspn(size, "0123456789") != n)
		return err_set(e, ERR_SYNTAX, "bad_header",
			"the header Inference-Header-Content-Length must be a number of bytes, not \"%.40s\"", size);
	f->json_size = (size_t)strtoull(size, NULL, 10);
	return OK;
}

enum status
api_oip_begin(void *app, const struct http_request *r, void **state, struct err *e)
{
	const struct api *api = app;
	struct inference *f = calloc(1, sizeof *f);
	char ref[API_REF_SIZE];
	enum status s;

	if (!f)
		return err_nomem(e);
	*state = f;
	s = service_model_acquire(api->service, api_model_ref(r, ref), &f->model, e);
	return s ? s : read_headers(r, f, e);
}

enum status
api_oip_infer(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e)
{
	const struct api *api = app;
	const struct oip_names names = {r->path_param[0], r->path_param[1]};
	struct inference *f = state;
	const size_t n_json = f->json_size < gathered->len ? f->json_size : gathered->len;
	const enum slot slot = api_slot(gathered->len, api_names_attributions(gathered->data, n_json));
	double began = api_now();
	size_t json_size = SIZE_MAX;
	enum status s;

	service_slot_take(api->service, slot);
	s = oip_infer(loaded_bundle(f->model), &names, gathered->data, gathered->len, f->json_size,
		api_max_answers(api), &reply->body, &json_size, e);
	service_slot_give(api->service, slot);
	f->seconds = api_now() - began;
	f->answered = !s;
	if (!s && json_size != SIZE_MAX) {
		reply->content_type = "application/octet-stream";
		reply->json_size = json_size;
	}
	return s;
}

void
api_oip_release(void *app, void *state)
{
	const struct api *api = app;
	struct inference *f = state;

	if (f && f->model) {
		api_count_request(loaded_bundle(f->model), f->answered, f->seconds);
		service_model_release(api->service, f->model);
	}
	free(f);
}
