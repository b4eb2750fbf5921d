/*
 * store_model: models. They are made by store_job_succeed, in the transaction that ends their job, or imported; here
 * they are added, read, changed and deleted. A record is small, its bundle is a table of its own. What they are called
 * is for store_name.c.
 */
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

void
model_record_release(struct model_record *m)
{
	free(m->name);
	free(m->aliases);
	free(m->dataset_name);
	free(m->job);
	free(m->dataset);
	free(m->summary);
	memset(m, 0, sizeof *m);
}

/* Of `model m`. */
#define MODEL_FIELDS                                                                                                   \
	"m.id, (SELECT n.name FROM model_name n WHERE n.seq = m.name), m.version, "                                    \
	"(SELECT group_concat(a.alias, ',') FROM (SELECT alias FROM model_alias WHERE model = m.seq ORDER BY alias) "  \
	"a), m.dataset_name, m.job, m.dataset, m.created, m.n_bytes, m.revision"

/* The present row of MODEL_FIELDS; the summary is the caller's. Release m in any case. */
static void
model_fields(struct query *q, struct model_record *m)
{
	memset(m, 0, sizeof *m);
	row_short(q, 0, m->id, sizeof m->id);
	m->name = row_text(q, 1);
	m->version = row_is_null(q, 2) ? 0 : row_size(q, 2);
	m->aliases = row_text(q, 3);
	m->dataset_name = row_text(q, 4);
	m->job = row_text(q, 5);
	m->dataset = row_text(q, 6);
	m->created = row_real(q, 7);
	m->n_bytes = row_size(q, 8);
	m->revision = row_size(q, 9);
}

/* Reading -------------------------------------------------------------------------------------------------------- */

enum status
store_model_get(struct store *s, const char *ref, struct model_record *out, struct err *e)
{
	struct model_record m = {0};
	struct model_place place;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	if ((status = model_find(c, ref, &place, e)))
		return read_end(s, c, status);
	q = query_new(c, "SELECT " MODEL_FIELDS ", m.summary FROM model m WHERE m.seq = ?1");
	query_int(&q, place.seq);
	if (query_row(&q)) {
		model_fields(&q, &m);
		m.summary = row_text(&q, 10);
	}
	status = query_end(&q, e);
	if (status)
		model_record_release(&m);
	else
		*out = m;
	return read_end(s, c, status);
}

static void
read_model(struct query *q, void *item)
{
	model_fields(q, item);
}

static void
release_model(void *item)
{
	model_record_release(item);
}

static const struct list_kind model_list = {sizeof(struct model_record), read_model, release_model};

enum status
store_model_list(struct store *s, const char *after, size_t limit, struct model_record **out, size_t *n, struct err *e)
{
	void *list;
	enum status status = list_page(s, &model_list, "SELECT created, seq FROM model WHERE id = ?1",
		"SELECT " MODEL_FIELDS " FROM model m WHERE (m.created, m.seq) < (?1, ?2) "
		"ORDER BY m.created DESC, m.seq DESC LIMIT ?3",
		after, limit, &list, n, e);

	if (!status)
		*out = list;
	return status;
}

enum status
store_version_list(struct store *s, const char *ref, uint64_t before, size_t limit, struct model_record **out,
	size_t *n, struct err *e)
{
	struct model_place place;
	struct query q;
	struct conn *c;
	void *list;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	if (!(status = model_find(c, ref, &place, e))) {
		q = query_new(c, "SELECT " MODEL_FIELDS " FROM model m WHERE m.name = ?1 AND m.version < ?2 "
				 "ORDER BY m.version DESC LIMIT ?3");
		query_int(&q, place.name);
		query_limit(&q, before);
		query_limit(&q, limit);
		status = list_rows(&q, &model_list, &list, n, e);
	}
	if (!status)
		*out = list;
	return read_end(s, c, status);
}

enum status
store_model_bundle(struct store *s, const char *ref, struct buf *out, uint64_t *revision, struct err *e)
{
	struct model_place place;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	if ((status = model_find(c, ref, &place, e)))
		return read_end(s, c, status);
	q = query_new(
		c, "SELECT m.revision, b.bytes FROM model m JOIN model_bundle b ON b.model = m.seq WHERE m.seq = ?1");
	query_int(&q, place.seq);
	if (query_row(&q)) {
		if (revision)
			*revision = row_size(&q, 0);
		row_append(&q, 1, out);
	}
	return read_end(s, c, query_end(&q, e));
}

/* Writing -------------------------------------------------------------------------------------------------------- */

static enum status
insert_bundle(struct conn *c, int64_t model, const void *bundle, size_t n, struct err *e)
{
	struct query q = query_new(c, "INSERT INTO model_bundle (model, bytes) VALUES (?1, ?2)");

	query_int(&q, model);
	query_blob(&q, bundle, n);
	return query_run(&q, e);
}

/* job and dataset: ids, or "". */
static enum status
insert_model(struct conn *c, const char *id, const char *job, const char *dataset, const char *dataset_name,
	const char *summary, const void *bundle, size_t n, int64_t *seq, struct err *e)
{
	struct query q = query_new(c, "INSERT INTO model (id, dataset_name, job, dataset, created, n_bytes, summary) "
				      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING seq");
	enum status status;

	*seq = 0;
	query_text(&q, id);
	query_text(&q, dataset_name);
	query_text(&q, job);
	query_text(&q, dataset);
	query_real(&q, store_now());
	query_size(&q, n);
	query_text(&q, summary);
	while (query_row(&q))
		*seq = row_int(&q, 0);
	status = query_end(&q, e);
	return status ? status : insert_bundle(c, *seq, bundle, n, e);
}

enum status
model_of_job(struct conn *c, const char *id, int64_t job, const char *dataset_name, const char *summary,
	const void *bundle, size_t n, struct err *e)
{
	struct query q = query_new(c, "SELECT id, dataset, model_name FROM job WHERE seq = ?1");
	char job_id[STORE_ID_SIZE] = "", dataset[STORE_ID_SIZE] = "";
	char *name = NULL;
	int64_t seq;
	enum status status;

	query_int(&q, job);
	if (query_row(&q)) {
		row_short(&q, 0, job_id, sizeof job_id);
		row_short(&q, 1, dataset, sizeof dataset);
		name = row_text(&q, 2);
	}
	status = query_end(&q, e);
	if (!status)
		status = insert_model(c, id, job_id, dataset, dataset_name, summary, bundle, n, &seq, e);
	if (!status && name)
		status = model_give_name(c, seq, name, e);
	free(name);
	return status;
}

enum status
store_model_add(struct store *s, const char *name, const char *dataset_name, const char *summary, const void *bundle,
	size_t n, char id[STORE_ID_SIZE], struct err *e)
{
	char fresh[STORE_ID_SIZE];
	struct conn *c;
	int64_t seq;
	enum status status = store_new_id("mdl_", fresh, e);

	if (status || (status = write_begin(s, &c, e)))
		return status;
	status = insert_model(c, fresh, "", "", dataset_name, summary, bundle, n, &seq, e);
	if (!status && name)
		status = model_give_name(c, seq, name, e);
	status = write_end(s, status, e);
	if (!status)
		memcpy(id, fresh, sizeof fresh);
	return status;
}

enum status
store_model_revise(struct store *s, const char *id, uint64_t revision, const char *summary, const void *bundle,
	size_t n, struct err *e)
{
	struct model_place place;
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	if ((status = model_find(c, id, &place, e)))
		return write_end(s, status, e);
	q = query_new(c, "UPDATE model SET revision = revision + 1, summary = ?3, n_bytes = ?4 "
			 "WHERE seq = ?1 AND revision = ?2");
	query_int(&q, place.seq);
	query_size(&q, revision);
	query_text(&q, summary);
	query_size(&q, n);
	status = query_run(&q, e);
	if (!status && !conn_changes(c))
		status = err_set(
			e, ERR_CONFLICT, "model_changed", "somebody else changed model %.40s meanwhile: try again", id);
	if (!status) {
		q = query_new(c, "DELETE FROM model_bundle WHERE model = ?1");
		query_int(&q, place.seq);
		status = query_run(&q, e);
	}
	if (!status)
		status = insert_bundle(c, place.seq, bundle, n, e);
	return write_end(s, status, e);
}

static enum status
check_deletable(struct conn *c, const struct model_place *place, const char *ref, struct err *e)
{
	struct query q = query_new(c, "SELECT alias FROM model_alias WHERE model = ?1 ORDER BY alias LIMIT 1");
	char alias[80] = "";
	enum status status;

	query_int(&q, place->seq);
	if (query_row(&q))
		row_short(&q, 0, alias, sizeof alias);
	status = query_end(&q, e);
	if (!status && !strchr(ref, '@') && strcmp(ref, place->id))
		status = err_set(e, ERR_CONFLICT, "model_is_ambiguous",
			"\"%.80s\" is the name of all its versions: say which one to delete, as in %.80s@3", ref, ref);
	if (!status && alias[0])
		status = err_set(e, ERR_CONFLICT, "model_has_aliases",
			"the alias \"%s\" stands for model \"%.80s\": remove it first, or point it elsewhere", alias,
			ref);
	return status;
}

enum status
store_model_delete(struct store *s, const char *ref, struct err *e)
{
	static const char *const rows[] = {
		"DELETE FROM model_bundle WHERE model = ?1",
		"DELETE FROM model WHERE seq = ?1",
	};
	struct model_place place;
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	if (!(status = model_find(c, ref, &place, e)))
		status = check_deletable(c, &place, ref, e);
	for (size_t i = 0; i < sizeof rows / sizeof *rows && !status; i++) {
		q = query_new(c, rows[i]);
		query_int(&q, place.seq);
		status = query_run(&q, e);
	}
	status = write_end(s, status, e);
	if (!status)
		housekeeper_wake(s); /* to give the space back */
	return status;
}
