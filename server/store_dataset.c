/*
 * store_dataset: the records of data sets, and reading their chunks. Only rows in state `ready` are visible here. How
 * they come to be is in store_upload.c, how they go in store_housekeeper.c. What is known of a data set's rows is known
 * for each version, and kept with the part that made it.
 */
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

void
dataset_release(struct dataset *d)
{
	free(d->name);
	free(d->label_column);
	if (!d->summary.column) /* of a list: counts alone */
		d->summary.n_columns = 0;
	if (!d->summary.classes)
		d->summary.n_classes = 0;
	dataset_summary_release(&d->summary);
	memset(d, 0, sizeof *d);
}

#define DATASET_FIELDS                                                                                                 \
	"d.id, d.name, d.label_column, d.label_index, d.created, p.n_rows, p.n_labelled, p.n_unlabelled, p.n_bytes, "  \
	"p.n_columns, p.n_classes, p.version, p.created, p.first_chunk + p.n_chunks, p.n_bad_rows, p.seq, "            \
	"d.options, p.bad_rows"

/* The present row of DATASET_FIELDS. Release d in any case. */
static void
dataset_fields(struct query *q, struct dataset *d)
{
	memset(d, 0, sizeof *d);
	row_short(q, 0, d->id, sizeof d->id);
	d->name = row_text(q, 1);
	d->label_column = row_text(q, 2);
	d->summary.label_column = row_is_null(q, 3) ? SIZE_MAX : row_size(q, 3);
	d->created = row_real(q, 4);
	d->summary.n_rows = row_size(q, 5);
	d->summary.n_labelled = row_size(q, 6);
	d->summary.n_unlabelled = row_size(q, 7);
	d->summary.n_bytes = row_size(q, 8);
	d->summary.n_columns = row_size(q, 9);
	d->summary.n_classes = row_size(q, 10);
	d->version = row_size(q, 11);
	d->changed = row_real(q, 12);
	d->n_chunks = row_size(q, 13);
	d->summary.n_bad_rows = row_size(q, 14);
}

enum status
dataset_not_found(const char *id, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "dataset_not_found", "no data set \"%.40s\"", id);
}

static enum status
damaged(struct conn *c, const char *id, const char *what, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "store_damaged",
		"%s of data set %s are damaged in the store %s; upload it again", what, id, c->path);
}

static enum status
read_columns(struct conn *c, int64_t part, struct dataset_summary *s, struct err *e)
{
	struct query q = query_new(c, "SELECT name, type, n_missing, min, max, n_distinct, n_numbers, text_line, "
				      "text_cell, role, n_na, n_infinite, infinite_line, unit, grouping FROM "
				      "dataset_column WHERE part = ?1 ORDER BY idx");
	size_t cap = 0;

	query_int(&q, part);
	s->n_columns = 0;
	while (query_row(&q)) {
		struct column_summary *grown = list_room(s->column, s->n_columns, &cap, sizeof *grown);
		char *type, *role, group[4];

		if (!grown) {
			query_nomem(&q);
			break;
		}
		s->column = grown;
		grown += s->n_columns++;
		grown->name = row_text(&q, 0);
		type = row_text(&q, 1);
		grown->type = COLUMN_TEXT;
		if (type)
			column_type_find(type, &grown->type); /* the table's check admits no others */
		free(type);
		grown->n_missing = row_size(&q, 2);
		grown->min = row_real(&q, 3);
		grown->max = row_real(&q, 4);
		grown->n_distinct = row_size(&q, 5);
		grown->n_numbers = row_size(&q, 6);
		grown->text_line = row_size(&q, 7);
		row_short(&q, 8, grown->text_cell, sizeof grown->text_cell);
		role = row_text(&q, 9);
		if (!role || !column_role_find(role, &grown->role))
			grown->role = ROLE_IGNORE; /* a role of another program's: nothing to learn from */
		free(role);
		grown->n_na = row_size(&q, 10);
		grown->n_infinite = row_size(&q, 11);
		grown->infinite_line = row_size(&q, 12);
		row_short(&q, 13, grown->form.unit, sizeof grown->form.unit);
		row_short(&q, 14, group, sizeof group);
		grown->form.group = group[0];
	}
	return query_end(&q, e);
}

static enum status
read_classes(struct conn *c, int64_t part, struct dataset_summary *s, struct err *e)
{
	struct query q = query_new(c, "SELECT label, count FROM dataset_class WHERE part = ?1 ORDER BY idx");
	size_t cap = 0;

	query_int(&q, part);
	s->n_classes = 0;
	while (query_row(&q)) {
		struct class_count *grown = list_room(s->classes, s->n_classes, &cap, sizeof *grown);

		if (!grown) {
			query_nomem(&q);
			break;
		}
		s->classes = grown;
		grown += s->n_classes++;
		grown->label = row_text(&q, 0);
		grown->count = row_size(&q, 1);
	}
	return query_end(&q, e);
}

/* The data set that the statement finds for ?1. *found = false: none. */
static enum status
get_dataset(struct conn *c, const char *sql, const char *key, struct dataset *out, bool *found, struct err *e)
{
	struct query q = query_new(c, sql);
	struct dataset d = {0};
	size_t n_columns, n_classes;
	int64_t part = 0;
	enum status status;

	query_text(&q, key);
	if ((*found = query_row(&q))) {
		dataset_fields(&q, &d);
		part = row_int(&q, 15);
		d.summary.options = row_text(&q, 16);
		d.summary.bad_rows = row_text(&q, 17);
	}
	n_columns = d.summary.n_columns;
	n_classes = d.summary.n_classes;
	status = query_end(&q, e);
	if (status || !*found)
		goto out;
	if ((status = read_columns(c, part, &d.summary, e)) || (status = read_classes(c, part, &d.summary, e)))
		goto out;
	if (d.summary.n_columns != n_columns || d.summary.n_classes != n_classes) {
		status = damaged(c, d.id, "the columns", e);
		goto out;
	}
	*out = d;
	memset(&d, 0, sizeof d);
out:
	dataset_release(&d);
	return status;
}

enum status
store_dataset_get(struct store *s, const char *id, struct dataset *out, struct err *e)
{
	bool found;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	status = get_dataset(c,
		"SELECT " DATASET_FIELDS " FROM dataset d JOIN dataset_part p ON p.dataset = d.seq "
		"AND p.version = d.version WHERE d.id = ?1 AND d.state = 'ready'",
		id, out, &found, e);
	if (!status && !found)
		status = dataset_not_found(id, e);
	return read_end(s, c, status);
}

static enum status
get_of_job(struct store *s, const char *sql, const char *job, struct dataset *out, struct err *e)
{
	bool found;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	status = get_dataset(c, sql, job, out, &found, e);
	if (!status && !found)
		status = err_set(e, ERR_NOT_FOUND, "dataset_not_found", "the data set of job %.40s is gone", job);
	return read_end(s, c, status);
}

enum status
store_dataset_of_job(struct store *s, const char *job, struct dataset *out, struct err *e)
{
	return get_of_job(s,
		"SELECT " DATASET_FIELDS " FROM job j JOIN dataset d ON d.id = j.dataset JOIN dataset_part p "
		"ON p.dataset = d.seq AND p.version = j.dataset_version WHERE j.id = ?1 AND d.state = 'ready'",
		job, out, e);
}

enum status
store_test_of_job(struct store *s, const char *job, struct dataset *out, struct err *e)
{
	return get_of_job(s,
		"SELECT " DATASET_FIELDS " FROM job j JOIN dataset d ON d.id = j.test_dataset JOIN dataset_part p "
		"ON p.dataset = d.seq AND p.version = j.test_version WHERE j.id = ?1 AND d.state = 'ready'",
		job, out, e);
}

static void
read_dataset(struct query *q, void *item)
{
	dataset_fields(q, item);
}

static void
release_dataset(void *item)
{
	dataset_release(item);
}

enum status
store_dataset_list(struct store *s, const char *after, size_t limit, struct dataset **out, size_t *n, struct err *e)
{
	static const struct list_kind kind = {sizeof **out, read_dataset, release_dataset};
	void *list;
	enum status status = list_page(s, &kind, "SELECT created, seq FROM dataset WHERE id = ?1 AND state = 'ready'",
		"SELECT " DATASET_FIELDS " FROM dataset d JOIN dataset_part p ON p.dataset = d.seq "
		"AND p.version = d.version WHERE d.state = 'ready' AND (d.created, d.seq) < (?1, ?2) "
		"ORDER BY d.created DESC, d.seq DESC LIMIT ?3",
		after, limit, &list, n, e);

	if (!status)
		*out = list;
	return status;
}

/* May the data set go? */
static enum status
check_delete(struct conn *c, const char *id, size_t version, struct err *e)
{
	size_t present = 0;
	bool in_use, found;
	struct query q = query_new(c, "SELECT version FROM dataset WHERE id = ?1 AND state = 'ready'");
	enum status status;

	query_text(&q, id);
	found = query_row(&q);
	if (found)
		present = (size_t)row_int(&q, 0);
	if ((status = query_end(&q, e)))
		return status;
	if (!found)
		return dataset_not_found(id, e);
	if (version && version != present)
		return err_set(e, ERR_CONFLICT, "version_mismatch", "data set %.40s is at version %zu, not %zu", id,
			present, version);
	q = query_new(c,
		"SELECT 1 FROM job WHERE dataset = ?1 AND state IN ('queued', 'validating', 'running', 'pausing', "
		"'paused', 'cancelling') UNION ALL SELECT 1 FROM job WHERE test_dataset = ?1 AND state IN ('queued', "
		"'validating', 'running', 'pausing', 'paused', 'cancelling') LIMIT 1");
	query_text(&q, id);
	in_use = query_row(&q);
	status = query_end(&q, e);
	if (!status && in_use)
		status = err_set(e, ERR_CONFLICT, "dataset_in_use",
			"a job that has not ended needs data set %.40s; cancel it first", id);
	return status;
}

enum status
store_dataset_delete(struct store *s, const char *id, size_t version, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	if (!(status = check_delete(c, id, version, e))) {
		q = query_new(c, "UPDATE dataset SET state = 'deleting' WHERE id = ?1");
		query_text(&q, id);
		status = query_run(&q, e);
	}
	if (!status) {
		q = query_new(c, "UPDATE dataset_part SET state = 'deleting' WHERE dataset = "
				 "(SELECT seq FROM dataset WHERE id = ?1)");
		query_text(&q, id);
		status = query_run(&q, e);
	}
	status = write_end(s, status, e);
	if (!status)
		housekeeper_wake(s);
	return status;
}

/* Chunks ---------------------------------------------------------------------------------------------------------*/

/* One segment's bytes into columns first .. first + n - 1 of t, whose n_rows is set. */
static enum status
read_segment(struct table *t, size_t first, size_t n, const void *bytes, size_t n_bytes, struct err *e)
{
	struct reader in = reader_over(bytes, n_bytes);
	enum status status = OK;

	for (size_t i = 0; i < n && !status; i++) {
		size_t len = reader_u32(&in);
		const unsigned char *at = reader_take(&in, len);

		status = at ? column_read(t, first + i, at, len, e)
			    : err_set(e, ERR_CORRUPT, "store_damaged", "a segment is cut short");
	}
	if (!status && reader_left(&in))
		status = err_set(e, ERR_CORRUPT, "store_damaged", "a segment has bytes left over");
	return status;
}

/* Which part has the chunk, under which number, and its rows; ERR_NOT_FOUND where there is no such data set or chunk.
 */
struct chunk_place {
	int64_t part;
	size_t chunk, n_rows;
};

static enum status
find_chunk(struct conn *c, const char *id, size_t chunk_index, struct chunk_place *out, struct err *e)
{
	struct query q = query_new(c,
		"SELECT p.seq, ?2 - p.first_chunk, k.n_rows FROM dataset d JOIN dataset_part p ON p.seq = "
		"(SELECT seq FROM dataset_part WHERE dataset = d.seq AND first_chunk <= ?2 "
		"ORDER BY first_chunk DESC LIMIT 1) "
		"LEFT JOIN dataset_chunk k ON k.part = p.seq AND k.chunk = ?2 - p.first_chunk "
		"WHERE d.id = ?1 AND d.state = 'ready'");
	bool found, past_end = false;
	enum status status;

	query_text(&q, id);
	query_size(&q, chunk_index);
	if ((found = query_row(&q))) {
		past_end = row_is_null(&q, 2);
		*out = (struct chunk_place){row_int(&q, 0), row_size(&q, 1), past_end ? 0 : row_size(&q, 2)};
	}
	status = query_end(&q, e);
	if (!status && !found)
		status = dataset_not_found(id, e);
	if (!status && past_end)
		status = err_set(
			e, ERR_NOT_FOUND, "chunk_not_found", "data set %.40s has no chunk %zu", id, chunk_index);
	return status;
}

enum status
store_dataset_chunk(struct store *s, const char *id, size_t chunk_index, struct table *t, struct err *e)
{
	struct chunk_place at = {0};
	size_t n_columns = 0;
	enum status status, bad = OK;
	struct query q;
	struct conn *c;

	status = read_begin(s, &c, e);
	if (status)
		return status;
	status = find_chunk(c, id, chunk_index, &at, e);
	if (status)
		return read_end(s, c, status);
	table_clear(t);
	status = table_reserve(t, at.n_rows, e);
	if (status)
		return read_end(s, c, status);
	t->n_rows = at.n_rows;

	q = query_new(c, "SELECT first_column, n_columns, checksum, bytes FROM dataset_segment "
			 "WHERE part = ?1 AND chunk = ?2 ORDER BY first_column");
	query_int(&q, at.part);
	query_size(&q, at.chunk);
	while (!bad && query_row(&q)) {
		size_t first = row_size(&q, 0), n = row_size(&q, 1), n_bytes;
		const void *bytes = row_bytes(&q, 3, &n_bytes);

		if (q.rc)
			break;
		if (first != n_columns || n > t->n_columns - n_columns ||
			checksum64(bytes, n_bytes) != (uint64_t)row_int(&q, 2))
			bad = damaged(c, id, "the rows", e);
		else
			bad = read_segment(t, first, n, bytes, n_bytes, e);
		n_columns += n;
	}
	status = query_end(&q, e);
	if (!status)
		status = bad;
	if (!status && n_columns != t->n_columns)
		status = damaged(c, id, "the rows", e);
	if (status)
		table_clear(t);
	return read_end(s, c, status);
}

enum status
store_dataset_extents(struct store *s, const char *id, struct chunk_extent *out, size_t n, struct err *e)
{
	size_t got = 0;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT k.n_rows, k.csv_bytes FROM dataset d JOIN dataset_part p ON p.dataset = d.seq "
			 "JOIN dataset_chunk k ON k.part = p.seq WHERE d.id = ?1 AND d.state = 'ready' "
			 "ORDER BY p.first_chunk, k.chunk LIMIT ?2");
	query_text(&q, id);
	query_size(&q, n);
	for (; query_row(&q) && got < n; got++)
		out[got] = (struct chunk_extent){row_size(&q, 0), row_size(&q, 1)};
	status = query_end(&q, e);
	if (!status && got < n)
		status = dataset_not_found(id, e);
	return read_end(s, c, status);
}

enum status
store_dataset_extents_put(struct store *s, const char *id, const struct chunk_extent *extent, size_t n, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	for (size_t i = 0; i < n && !status; i++) {
		if (!extent[i].csv_bytes)
			continue;
		q = query_new(c,
			"UPDATE dataset_chunk SET csv_bytes = ?3 FROM dataset d JOIN dataset_part p ON p.dataset = "
			"d.seq "
			"WHERE d.id = ?1 AND d.state = 'ready' AND dataset_chunk.part = p.seq AND csv_bytes = 0 "
			"AND dataset_chunk.chunk = ?2 - p.first_chunk");
		query_text(&q, id);
		query_size(&q, i);
		query_size(&q, extent[i].csv_bytes);
		status = query_run(&q, e);
	}
	return write_end(s, status, e);
}

/* Profiles ---------------------------------------------------------------------------------------------------------*/

enum status
store_profile_get(struct store *s, const char *id, size_t version, char **out, struct err *e)
{
	char *profile = NULL;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT f.profile FROM dataset d JOIN dataset_part p ON p.dataset = d.seq AND p.version = ?2 "
			 "JOIN dataset_profile f ON f.part = p.seq WHERE d.id = ?1 AND d.state = 'ready'");
	query_text(&q, id);
	query_size(&q, version);
	if (query_row(&q))
		profile = row_text(&q, 0);
	status = query_end(&q, e);
	if (status)
		free(profile);
	else
		*out = profile;
	return read_end(s, c, status);
}

enum status
store_profile_put(struct store *s, const char *id, size_t version, const char *profile, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "INSERT OR REPLACE INTO dataset_profile (part, profile) SELECT p.seq, ?3 FROM dataset d "
			 "JOIN dataset_part p ON p.dataset = d.seq AND p.version = d.version "
			 "WHERE d.id = ?1 AND d.version = ?2 AND d.state = 'ready'");
	query_text(&q, id);
	query_size(&q, version);
	query_text(&q, profile);
	status = query_run(&q, e);
	if (!status && !conn_changes(c))
		status = err_set(
			e, ERR_CONFLICT, "dataset_changed", "data set %.40s is no longer at version %zu", id, version);
	return write_end(s, status, e);
}
