/*
 * store_model: models. They are made by store_job_succeed, in the transaction that ends their job; here they are read
 * and deleted. A record is small, its bundle is a table of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

void
model_record_release(struct model_record *m)
{
	free(m->name);
	free(m->job);
	free(m->dataset);
	free(m->summary);
	memset(m, 0, sizeof *m);
}

static enum status
not_found(const char *id, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "model_not_found", "no model \"%.40s\"", id);
}

#define MODEL_FIELDS "id, name, job, dataset, created, n_bytes"

/* The present row of MODEL_FIELDS; the summary is the caller's. Release m in any case. */
static void
model_fields(struct query *q, struct model_record *m)
{
	memset(m, 0, sizeof *m);
	row_short(q, 0, m->id, sizeof m->id);
	m->name = row_text(q, 1);
	m->job = row_text(q, 2);
	m->dataset = row_text(q, 3);
	m->created = row_real(q, 4);
	m->n_bytes = row_size(q, 5);
}

enum status
store_model_get(struct store *s, const char *id, struct model_record *out, struct err *e)
{
	struct model_record m = {0};
	struct query q;
	struct conn *c;
	bool found;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT " MODEL_FIELDS ", summary FROM model WHERE id = ?1");
	query_text(&q, id);
	if ((found = query_row(&q))) {
		model_fields(&q, &m);
		m.summary = row_text(&q, 6);
	}
	status = query_end(&q, e);
	if (!status && !found)
		status = not_found(id, e);
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

enum status
store_model_list(struct store *s, const char *after, size_t limit, struct model_record **out, size_t *n, struct err *e)
{
	static const struct list_kind kind = {sizeof **out, read_model, release_model};
	void *list;
	enum status status = list_page(s, &kind, "SELECT created, seq FROM model WHERE id = ?1",
		"SELECT " MODEL_FIELDS " FROM model WHERE (created, seq) < (?1, ?2) "
		"ORDER BY created DESC, seq DESC LIMIT ?3",
		after, limit, &list, n, e);

	if (!status)
		*out = list;
	return status;
}

enum status
store_model_bundle(struct store *s, const char *id, struct buf *out, struct err *e)
{
	struct query q;
	struct conn *c;
	bool found;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT b.bytes FROM model m JOIN model_bundle b ON b.model = m.seq WHERE m.id = ?1");
	query_text(&q, id);
	if ((found = query_row(&q)))
		row_append(&q, 0, out);
	status = query_end(&q, e);
	if (!status && !found)
		status = not_found(id, e);
	return read_end(s, c, status);
}

enum status
store_model_delete(struct store *s, const char *id, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "DELETE FROM model_bundle WHERE model = (SELECT seq FROM model WHERE id = ?1)");
	query_text(&q, id);
	status = query_run(&q, e);
	if (!status) {
		q = query_new(c, "DELETE FROM model WHERE id = ?1");
		query_text(&q, id);
		status = query_run(&q, e);
	}
	if (!status && !conn_changes(c))
		status = not_found(id, e);
	status = write_end(s, status, e);
	if (!status)
		housekeeper_wake(s); /* to give the space back */
	return status;
}
