/*
 * api_private: what the api_*.c share: their handlers, named in the route table of api.c, and the manners of replies.
 * Every handler has `struct api *` as its app. Thread rule: handlers run in many threads at once and share nothing
 * else.
 */
#ifndef VERAD_SERVER_API_PRIVATE_H
#define VERAD_SERVER_API_PRIVATE_H

#include "server/api.h"
#include "server/json_build.h"

enum {
	API_MAX_CONTROL = 64 << 10, /* bytes of a JSON body that is no table */
	API_MAX_MODEL = 256 << 20,  /* bytes of a model to import */
	API_MAX_PAGE = 1000,        /* items of a list */
};

/* api_datasets.c */
/* The data set as JSON, with its columns and its ETag. */
enum status api_dataset_reply(struct api *api, const char *id, int status, struct http_reply *reply, struct err *e);
/* What ETag and If-Match name: a version, whose rows never change. */
void api_dataset_etag(const struct dataset *d, char etag[72]);
/* The version that the request's If-Match asks for, 0 without one; ERR_CONFLICT "version_mismatch" when it is another.
 */
enum status api_dataset_expect(struct api *api, const struct http_request *r, size_t *version, struct err *e);
enum status api_dataset_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_dataset_get(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_dataset_delete(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);

/* api_upload.c */
extern const char *const api_upload_query[], *const api_append_query[], *const api_inspect_query[];
enum status api_upload_begin(void *app, const struct http_request *r, void **state, struct err *e);
enum status api_inspect_begin(void *app, const struct http_request *r, void **state, struct err *e);
enum status api_inspect_end(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_append_begin(void *app, const struct http_request *r, void **state, struct err *e);
enum status api_upload_body(void *app, void *state, const void *bytes, size_t n, struct err *e);
enum status api_upload_end(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
void api_upload_release(void *app, void *state);

/* api_table.c */
struct profile;
enum status api_put_column_profile(struct json_build *b, struct cJSON *columns, const struct column_summary *c,
	struct profile *p, size_t i, struct err *e);
enum status api_dataset_rows(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_dataset_content(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_dataset_profile(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);

/* api_jobs.c */
enum status api_job_create(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_job_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_job_get(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_job_cancel(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_job_delete(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_job_pause(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_job_resume(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
void api_put_progress(struct json_build *b, struct cJSON *to, const struct job *j);

/* api_job_parts.c */
enum status api_job_metrics(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_job_result(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
const char *api_result_type(const struct job *j);
enum status api_job_events(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);

/* api_models.c */
enum status api_model_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_model_get(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_model_delete(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_model_patch(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_version_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_model_report(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_model_threshold(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_model_artifact(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_model_import_begin(void *app, const struct http_request *r, void **state, struct err *e);
enum status api_model_import(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);

/* api_predict.c */
extern const char *const api_rows_query[];       /* of a model named in the path */
extern const char *const api_invocation_query[]; /* where it is named in the query */
enum status api_predict_begin(void *app, const struct http_request *r, void **state, struct err *e);
enum status api_ood_begin(void *app, const struct http_request *r, void **state, struct err *e);
enum status api_rows_body(void *app, void *state, const void *bytes, size_t n, struct err *e);
enum status api_rows_end(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
void api_rows_release(void *app, void *state);
enum status api_invocation_begin(void *app, const struct http_request *r, void **state, struct err *e);
uint64_t api_max_answers(const struct api *api); /* bytes of the answers to one request */
enum slot api_slot(
	uint64_t n, bool attributions); /* for n bytes of rows: attributions take long however few they are */
bool api_names_attributions(const void *body, size_t n); /* false for a body that is long in any case */
/* A request for answers of the model is over: for its statistics. */
void api_count_request(const struct bundle *b, bool answered, double seconds);

/* api_oip.c */
enum status api_oip_server(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_oip_live(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_oip_ready(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_oip_metadata(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_oip_model_ready(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_oip_stats(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_oip_begin(void *app, const struct http_request *r, void **state, struct err *e);
enum status api_oip_infer(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
void api_oip_release(void *app, void *state);

/* api_operation.c */
enum status api_metrics(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_limits(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_key_create(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_key_list(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_key_revoke(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);
enum status api_backup(void *app, const struct http_request *r, void *state, const struct buf *gathered,
	struct http_reply *reply, struct err *e);

/* The tree as the reply's body, with a newline behind it; deletes the tree in any case. */
enum status api_reply(struct http_reply *reply, int status, struct json_build *b, struct cJSON *root, struct err *e);

/* The model that the path names, {model} or {model}/versions/{version}, as one reference: borrowed from r or `out`. */
enum { API_REF_SIZE = 256 };
const char *api_model_ref(const struct http_request *r, char out[API_REF_SIZE]);
/* The `begin` of a route that takes a JSON body and no more. */
enum status api_json_begin(void *app, const struct http_request *r, void **state, struct err *e);

/* A list's ?after (NULL when absent) and ?limit. Ask the store for limit + 1 to know whether more follows. */
struct api_page {
	const char *after;
	size_t limit;
};
enum status api_page(const struct http_request *r, struct api_page *out, struct err *e);
/* A query parameter that is a whole number from min to max; `def` when absent. */
enum status api_query_count(const struct http_request *r, const char *name, uint64_t def, uint64_t min, uint64_t max,
	uint64_t *out, struct err *e);

/* ERR_UNSUPPORTED unless the body's type is one of those named, in UTF-8 and not compressed. *which: its index. */
enum status api_charset(const char *charset, struct err *e); /* ERR_UNSUPPORTED for others than UTF-8 */
enum status api_body_type(
	const struct http_request *r, const char *const *types, size_t n, size_t *which, struct err *e);

double api_now(void); /* seconds of a steady clock */

/* Members of objects that many replies have. A time of 0 is null; text that is JSON goes in as it is. */
void api_put_time(struct json_build *b, struct cJSON *to, const char *name, double seconds);
void api_put_raw(struct json_build *b, struct cJSON *to, const char *name, const char *json);

#endif
