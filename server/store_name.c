/*
 * store_name: what models are called. A name has versions, numbered from 1 in the order in which they came and never
 * twice; an alias stands for one of them. References are resolved here, on the connection of whoever asks.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/model_ref.h"
#include "server/store_private.h"

/* References ----------------------------------------------------------------------------------------------------- */

#define PLACE "SELECT m.seq, m.name, m.id FROM model m "
#define NAMED PLACE "JOIN model_name n ON n.seq = m.name "

/* ERR_NOT_FOUND says which part of the reference leads nowhere: where the name has versions, it is not the name. */
static enum status
not_found(struct conn *c, const struct model_ref *r, struct err *e)
{
	struct query q = query_new(c, "SELECT 1 FROM model m JOIN model_name n ON n.seq = m.name WHERE n.name = ?1");
	enum status status;
	bool named;

	query_text(&q, r->name);
	named = query_row(&q);
	status = query_end(&q, e);
	if (status)
		return status;
	if (named && r->kind == REF_VERSION)
		return err_set(e, ERR_NOT_FOUND, "model_not_found", "model \"%s\" has no version %" PRIu64, r->name,
			r->version);
	if (named && r->kind == REF_ALIAS)
		return err_set(
			e, ERR_NOT_FOUND, "model_not_found", "model \"%s\" has no alias \"%s\"", r->name, r->alias);
	return err_set(e, ERR_NOT_FOUND, "model_not_found", "no model \"%s\"", r->name);
}

enum status
model_find(struct conn *c, const char *ref, struct model_place *out, struct err *e)
{
	struct model_ref r;
	struct query q;
	enum status status;
	bool found;

	memset(out, 0, sizeof *out);
	if ((status = model_ref_parse(ref, &r, e)))
		return status;
	switch (r.kind) {
	case REF_ID:
		q = query_new(c, PLACE "WHERE m.id = ?1");
		break;
	case REF_LATEST:
		q = query_new(c, NAMED "WHERE n.name = ?1 ORDER BY m.version DESC LIMIT 1");
		break;
	case REF_VERSION:
		q = query_new(c, NAMED "WHERE n.name = ?1 AND m.version = ?2");
		break;
	default:
		q = query_new(c, PLACE "JOIN model_alias a ON a.model = m.seq JOIN model_name n ON n.seq = a.name "
				       "WHERE n.name = ?1 AND a.alias = ?2");
	}
	query_text(&q, r.name);
	if (r.kind == REF_VERSION)
		query_size(&q, r.version);
	else if (r.kind == REF_ALIAS)
		query_text(&q, r.alias);
	if ((found = query_row(&q))) {
		out->seq = row_int(&q, 0);
		out->name = row_is_null(&q, 1) ? 0 : row_int(&q, 1);
		row_short(&q, 2, out->id, sizeof out->id);
	}
	status = query_end(&q, e);
	return status || found ? status : not_found(c, &r, e);
}

enum status
store_model_resolve(struct store *s, const char *ref, char id[STORE_ID_SIZE], struct err *e)
{
	struct model_place place;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	if (!(status = model_find(c, ref, &place, e)))
		memcpy(id, place.id, sizeof place.id);
	return read_end(s, c, status);
}

/* Names ---------------------------------------------------------------------------------------------------------- */

enum status
model_give_name(struct conn *c, int64_t model, const char *name, struct err *e)
{
	struct query q = query_new(c, "INSERT INTO model_name (name, last_version) VALUES (?1, 1) "
				      "ON CONFLICT (name) DO UPDATE SET last_version = last_version + 1 "
				      "RETURNING seq, last_version");
	int64_t seq = 0, version = 0;
	enum status status;

	query_text(&q, name);
	while (query_row(&q)) {
		seq = row_int(&q, 0);
		version = row_int(&q, 1);
	}
	if ((status = query_end(&q, e)))
		return status;
	q = query_new(c, "UPDATE model SET name = ?2, version = ?3 WHERE seq = ?1");
	query_int(&q, model);
	query_int(&q, seq);
	query_int(&q, version);
	return query_run(&q, e);
}

enum status
store_model_name(struct store *s, const char *ref, const char *name, struct err *e)
{
	struct model_place place;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	if (!(status = model_find(c, ref, &place, e)) && place.name)
		status = err_set(e, ERR_CONFLICT, "model_has_name",
			"model %s has its name and version already, and keeps them", place.id);
	if (!status)
		status = model_give_name(c, place.seq, name, e);
	return write_end(s, status, e);
}

/* Where `ref` leads, which must have a name. */
static enum status
find_named(struct conn *c, const char *ref, struct model_place *out, struct err *e)
{
	enum status status = model_find(c, ref, out, e);

	if (!status && !out->name)
		status = err_set(e, ERR_NOT_FOUND, "model_has_no_name",
			"model %s was trained without a name, and so has no versions and aliases", out->id);
	return status;
}

void
model_name_release(struct model_name *m)
{
	for (size_t i = 0; i < m->n_aliases; i++)
		free(m->alias[i].alias);
	free(m->alias);
	free(m->name);
	memset(m, 0, sizeof *m);
}

static void
read_alias(struct query *q, void *item)
{
	struct model_alias *a = item;

	a->alias = row_text(q, 0);
	a->version = row_size(q, 1);
}

static void
release_alias(void *item)
{
	free(((struct model_alias *)item)->alias);
}

enum status
store_name_get(struct store *s, const char *ref, struct model_name *out, struct err *e)
{
	static const struct list_kind aliases = {sizeof *out->alias, read_alias, release_alias};
	struct model_name m = {0};
	struct model_place place;
	void *list = NULL;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	if ((status = find_named(c, ref, &place, e)))
		goto out;
	q = query_new(c, "SELECT n.name, (SELECT max(version) FROM model WHERE name = n.seq) FROM model_name n "
			 "WHERE n.seq = ?1");
	query_int(&q, place.name);
	if (query_row(&q)) {
		m.name = row_text(&q, 0);
		m.latest = row_size(&q, 1);
	}
	if ((status = query_end(&q, e)))
		goto out;
	q = query_new(c, "SELECT a.alias, m.version FROM model_alias a JOIN model m ON m.seq = a.model "
			 "WHERE a.name = ?1 ORDER BY a.alias");
	query_int(&q, place.name);
	if ((status = list_rows(&q, &aliases, &list, &m.n_aliases, e)))
		goto out;
	m.alias = list;
	*out = m;
	m = (struct model_name){0};
out:
	model_name_release(&m);
	return read_end(s, c, status);
}

/* Aliases -------------------------------------------------------------------------------------------------------- */

static enum status
set_alias(struct conn *c, int64_t name, const char *ref, const struct alias_change *change, struct err *e)
{
	struct query q;
	enum status status;

	if (!change->version) {
		q = query_new(c, "DELETE FROM model_alias WHERE name = ?1 AND alias = ?2");
		query_int(&q, name);
		query_text(&q, change->alias);
		return query_run(&q, e);
	}
	q = query_new(c, "INSERT OR REPLACE INTO model_alias (name, alias, model) "
			 "SELECT ?1, ?2, seq FROM model WHERE name = ?1 AND version = ?3");
	query_int(&q, name);
	query_text(&q, change->alias);
	query_size(&q, change->version);
	status = query_run(&q, e);
	if (!status && !conn_changes(c))
		status = err_set(e, ERR_NOT_FOUND, "model_not_found", "model \"%.80s\" has no version %" PRIu64, ref,
			change->version);
	return status;
}

enum status
store_alias_set(struct store *s, const char *ref, const struct alias_change *change, size_t n, struct err *e)
{
	struct model_place place;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	status = find_named(c, ref, &place, e);
	for (size_t i = 0; i < n && !status; i++)
		status = set_alias(c, place.name, ref, &change[i], e);
	return write_end(s, status, e);
}
