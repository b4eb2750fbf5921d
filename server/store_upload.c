/*
 * store_upload: parts of data sets on their way in. The part's row is there from the start, in state `uploading`,
 * nobody's; each chunk is a transaction of its own; the last transaction makes a data set of it, or a data set's next
 * part.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "server/store_private.h"

enum {
	SEGMENT_BYTES = 1 << 20, /* a segment takes columns until it has this many */
};

void
upload_destroy(struct store_upload *u)
{
	free(u->name);
	free(u->label_column);
	free(u);
}

/* A new row for u, within a write. On failure u is as it was. */
static enum status
upload_row(struct conn *c, struct store_upload *u, struct err *e)
{
	struct query q = query_new(
		c, "INSERT INTO dataset_part (state, created) VALUES ('uploading', ?1) RETURNING seq");
	int64_t seq = 0;
	enum status status;

	query_real(&q, store_now());
	while (query_row(&q))
		seq = row_int(&q, 0);
	status = query_end(&q, e);
	if (!status)
		u->seq = seq;
	return status;
}

enum status
store_upload_begin(
	struct store *s, const char *name, const char *label_column, struct store_upload **out, struct err *e)
{
	struct store_upload *u = calloc(1, sizeof *u);
	struct conn *c;
	enum status status;

	if (!u || (name && !(u->name = strdup(name))) || (label_column && !(u->label_column = strdup(label_column)))) {
		status = err_nomem(e);
		goto out;
	}
	u->s = s;
	status = write_begin(s, &c, e);
	if (status)
		goto out;
	status = write_end(s, upload_row(c, u, e), e);
	if (status)
		goto out;
	*out = u;
	u = NULL;
out:
	if (u)
		upload_destroy(u);
	return status;
}

enum status
upload_doom(struct conn *c, int64_t seq, struct err *e)
{
	struct query q = query_new(c, "UPDATE dataset_part SET state = 'deleting' WHERE seq = ?1");

	query_int(&q, seq);
	return query_run(&q, e);
}

enum status
store_upload_restart(struct store_upload *u, struct err *e)
{
	int64_t old = u->seq;
	struct conn *c;
	enum status status = write_begin(u->s, &c, e);

	assert(!u->finished);
	if (status)
		return status;
	/* A fresh row takes the place of the old one, whose chunks go in the background like any deleted ones. */
	status = upload_doom(c, u->seq, e);
	if (!status)
		status = upload_row(c, u, e);
	status = write_end(u->s, status, e);
	if (status)
		u->seq = old;
	else
		housekeeper_wake(u->s);
	return status;
}

/* Some neighbouring columns of a chunk; bytes [at, at + n_bytes) of the whole chunk's. */
struct segment {
	size_t first_column, n_columns, at, n_bytes;
};

/* A chunk as the bytes of its segments, one behind the other. segment: [t->n_columns], *n of them used. */
static enum status
cut_into_segments(const struct table *t, struct buf *bytes, struct segment *segment, size_t *n, struct err *e)
{
	size_t k = 0;

	for (size_t c = 0; c < t->n_columns; c++) {
		size_t at = bytes->len, len;

		if (c && at - segment[k].at >= SEGMENT_BYTES)
			k++;
		if (!c || segment[k].n_columns == 0)
			segment[k] = (struct segment){.first_column = c, .at = at};
		buf_put_u32(bytes, 0); /* the length, known afterwards */
		column_write(t, c, bytes);
		if (bytes->failed)
			return err_nomem(e);
		len = bytes->len - at - 4;
		if (len > UINT32_MAX)
			return err_set(e, ERR_TOO_LARGE, "column_too_large",
				"the texts of column \"%.60s\" take more than 4 GiB in %zu rows", t->column[c].name,
				t->n_rows);
		for (size_t i = 0; i < 4; i++)
			bytes->data[at + i] = (unsigned char)(len >> (8 * i));
		segment[k].n_columns++;
		segment[k].n_bytes = bytes->len - segment[k].at;
	}
	*n = t->n_columns ? k + 1 : 0;
	return OK;
}

static enum status
insert_chunk(struct conn *c, int64_t seq, size_t chunk, size_t n_rows, const struct buf *bytes,
	const struct segment *segment, size_t n, struct err *e)
{
	struct query q = query_new(c, "INSERT INTO dataset_chunk (part, chunk, n_rows) VALUES (?1, ?2, ?3)");
	enum status status;

	query_int(&q, seq);
	query_size(&q, chunk);
	query_size(&q, n_rows);
	status = query_run(&q, e);
	for (size_t i = 0; i < n && !status; i++) {
		const unsigned char *at = bytes->data + segment[i].at;

		q = query_new(c, "INSERT INTO dataset_segment (part, chunk, first_column, n_columns, checksum, bytes) "
				 "VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
		query_int(&q, seq);
		query_size(&q, chunk);
		query_size(&q, segment[i].first_column);
		query_size(&q, segment[i].n_columns);
		query_int(&q, (int64_t)checksum64(at, segment[i].n_bytes));
		query_blob(&q, at, segment[i].n_bytes);
		status = query_run(&q, e);
	}
	return status;
}

/*
 * Uploads and results are what fills a disk, and a disk filled to the last byte could not be emptied again: marking a
 * data set as deleted takes a few pages of log, and copying the log back takes what is in it. So a chunk is refused
 * while there is still room for that.
 */
enum status
check_room(const struct store *s, size_t n_bytes, struct err *e)
{
	struct statvfs disk;
	double free_bytes;

	if (statvfs(s->path, &disk))
		return OK; /* a file system that does not say: the write will tell */
	free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
	if (free_bytes >= (double)s->reserve + 2 * (double)n_bytes) /* once for the log, once for the file */
		return OK;
	return err_set(e, ERR_FULL, "disk_full",
		"the disk of the store %s has %.0f MB left; uploads and results leave %.0f MB free, so that there is "
		"room to delete",
		s->path, free_bytes / 1e6, (double)s->reserve / 1e6);
}

enum status
store_upload_chunk(struct store_upload *u, const struct table *t, size_t chunk_index, struct err *e)
{
	struct segment *segment = calloc(t->n_columns ? t->n_columns : 1, sizeof *segment);
	struct buf bytes = {0};
	size_t n = 0;
	struct conn *c;
	enum status status;

	assert(!u->finished);
	if (!segment)
		return err_nomem(e);
	/* All the work that can be done before the writer is taken. */
	if ((status = cut_into_segments(t, &bytes, segment, &n, e)) || (status = check_room(u->s, bytes.len, e)))
		goto out;
	status = write_begin(u->s, &c, e);
	if (status)
		goto out;
	status = write_end(u->s, insert_chunk(c, u->seq, chunk_index, t->n_rows, &bytes, segment, n, e), e);
out:
	buf_release(&bytes);
	free(segment);
	return status;
}

/* That the chunks are 0, 1, … (*n of them) and hold the rows that were counted: what is missing now is missing for
 * good.
 */
static enum status
check_complete(struct conn *c, const struct store_upload *u, size_t n_rows, size_t *n, struct err *e)
{
	struct query q = query_new(c, "SELECT count(*), coalesce(max(chunk) + 1, 0), coalesce(sum(n_rows), 0) "
				      "FROM dataset_chunk WHERE part = ?1");
	bool complete = false;
	enum status status;

	query_int(&q, u->seq);
	if (query_row(&q)) {
		*n = row_size(&q, 0);
		complete = row_int(&q, 0) == row_int(&q, 1) && row_size(&q, 2) == n_rows;
	}
	status = query_end(&q, e);
	if (!status && !complete)
		status = err_set(e, ERR_INTERNAL, "upload_incomplete",
			"the chunks stored for an upload are not the %zu rows of its summary", n_rows);
	return status;
}

static enum status
insert_summary(struct conn *c, int64_t seq, const struct dataset_summary *s, struct err *e)
{
	enum status status = OK;
	struct query q;

	for (size_t i = 0; i < s->n_columns && !status; i++) {
		const struct column_summary *column = &s->column[i];

		q = query_new(c, "INSERT INTO dataset_column (part, idx, name, type, n_missing, min, max, "
				 "n_distinct, n_numbers, text_line, text_cell, role, n_na, n_infinite, "
				 "infinite_line, unit, grouping) "
				 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)");
		query_int(&q, seq);
		query_size(&q, i);
		query_text(&q, column->name);
		query_text(&q, column_type_name(column->type));
		query_size(&q, column->n_missing);
		query_real(&q, column->min);
		query_real(&q, column->max);
		query_size(&q, column->n_distinct);
		query_size(&q, column->n_numbers);
		query_size(&q, (size_t)column->text_line);
		query_text(&q, column->text_cell);
		query_text(&q, column_role_name(column->role));
		query_size(&q, column->n_na);
		query_size(&q, column->n_infinite);
		query_size(&q, (size_t)column->infinite_line);
		query_text(&q, column->form.unit);
		query_text(&q, (const char[]){column->form.group, '\0'});
		status = query_run(&q, e);
	}
	for (size_t i = 0; i < s->n_classes && !status; i++) {
		q = query_new(c, "INSERT INTO dataset_class (part, idx, label, count) VALUES (?1, ?2, ?3, ?4)");
		query_int(&q, seq);
		query_size(&q, i);
		query_text(&q, s->classes[i].label);
		query_size(&q, s->classes[i].count);
		status = query_run(&q, e);
	}
	return status;
}

/* Where a part belongs. */
struct place {
	int64_t dataset; /* its row */
	size_t version, first_chunk;
};

/* The part of u is there for every reader from the commit on, and so is the version that it makes. */
static enum status
make_ready(struct conn *c, const struct store_upload *u, const struct place *at, const struct dataset_summary *part,
	const struct dataset_summary *whole, struct err *e)
{
	size_t n_chunks = 0;
	struct query q;
	enum status status;

	if ((status = check_complete(c, u, part->n_rows, &n_chunks, e)) ||
		(status = insert_summary(c, u->seq, whole, e)))
		return status;
	q = query_new(c,
		"UPDATE dataset_part SET state = 'ready', dataset = ?2, version = ?3, created = ?4, first_chunk = ?5, "
		"n_chunks = ?6, part_rows = ?7, part_bytes = ?8, n_rows = ?9, n_labelled = ?10, n_unlabelled = ?11, "
		"n_bytes = ?12, n_columns = ?13, n_classes = ?14, n_bad_rows = ?15, bad_rows = ?16 WHERE seq = ?1");
	query_int(&q, u->seq);
	query_int(&q, at->dataset);
	query_size(&q, at->version);
	query_real(&q, store_now());
	query_size(&q, at->first_chunk);
	query_size(&q, n_chunks);
	query_size(&q, part->n_rows);
	query_size(&q, part->n_bytes);
	query_size(&q, whole->n_rows);
	query_size(&q, whole->n_labelled);
	query_size(&q, whole->n_unlabelled);
	query_size(&q, whole->n_bytes);
	query_size(&q, whole->n_columns);
	query_size(&q, whole->n_classes);
	query_size(&q, whole->n_bad_rows);
	query_text(&q, part->bad_rows ? part->bad_rows : "[]");
	return query_run(&q, e);
}

static enum status
insert_dataset(struct conn *c, const struct store_upload *u, const char *id, const struct dataset_summary *s,
	int64_t *seq, struct err *e)
{
	struct query q = query_new(c,
		"INSERT INTO dataset (id, state, name, label_column, label_index, created, version, options) "
		"VALUES (?1, 'ready', ?2, ?3, ?4, ?5, 1, ?6) RETURNING seq");

	query_text(&q, id);
	query_text(&q, u->name);
	query_text(&q, u->label_column);
	if (s->label_column == SIZE_MAX)
		query_null(&q);
	else
		query_size(&q, s->label_column);
	query_real(&q, store_now());
	query_text(&q, s->options ? s->options : "{}");
	while (query_row(&q))
		*seq = row_int(&q, 0);
	return query_end(&q, e);
}

enum status
store_upload_finish(
	struct store_upload *u, const struct dataset_summary *summary, char id[STORE_ID_SIZE], struct err *e)
{
	struct place first = {.version = 1};
	char fresh[STORE_ID_SIZE];
	struct conn *c;
	enum status status = store_new_id("ds_", fresh, e);

	assert(!u->finished && u->name);
	if (status || (status = write_begin(u->s, &c, e)))
		return status;
	if (!(status = insert_dataset(c, u, fresh, summary, &first.dataset, e)))
		status = make_ready(c, u, &first, summary, summary, e);
	status = write_end(u->s, status, e);
	if (!status) {
		u->finished = true;
		memcpy(id, fresh, sizeof fresh);
	}
	return status;
}

/* Where the next part goes, the data set being at version `seen`. */
static enum status
find_end(struct conn *c, const char *id, size_t seen, struct place *at, struct err *e)
{
	struct query q = query_new(c, "SELECT d.seq, d.version, p.first_chunk + p.n_chunks FROM dataset d "
				      "JOIN dataset_part p ON p.dataset = d.seq AND p.version = d.version "
				      "WHERE d.id = ?1 AND d.state = 'ready'");
	enum status status;
	bool found;

	query_text(&q, id);
	if ((found = query_row(&q)))
		*at = (struct place){row_int(&q, 0), row_size(&q, 1), row_size(&q, 2)};
	status = query_end(&q, e);
	if (status)
		return status;
	if (!found)
		return dataset_not_found(id, e);
	if (at->version++ != seen)
		return err_set(e, ERR_CONFLICT, "dataset_changed",
			"other rows came to data set %.40s meanwhile: it is at version %zu", id, at->version - 1);
	return OK;
}

/* Of the versions before the last, columns and classes are kept while an open job may want them. */
static enum status
forget_summaries(struct conn *c, int64_t dataset, struct err *e)
{
	static const char *const forget[] = {
		"DELETE FROM dataset_column WHERE part IN (SELECT p.seq FROM dataset_part p JOIN dataset d "
		"ON d.seq = p.dataset WHERE d.seq = ?1 AND p.version < d.version AND p.version NOT IN "
		"(SELECT dataset_version FROM job WHERE dataset = d.id AND state NOT IN " JOB_STATES_ENDED
		" UNION SELECT test_version FROM job WHERE test_dataset = d.id AND state NOT IN " JOB_STATES_ENDED "))",
		"DELETE FROM dataset_class WHERE part IN (SELECT p.seq FROM dataset_part p JOIN dataset d "
		"ON d.seq = p.dataset WHERE d.seq = ?1 AND p.version < d.version AND p.version NOT IN "
		"(SELECT dataset_version FROM job WHERE dataset = d.id AND state NOT IN " JOB_STATES_ENDED
		" UNION SELECT test_version FROM job WHERE test_dataset = d.id AND state NOT IN " JOB_STATES_ENDED "))",
		"DELETE FROM dataset_profile WHERE part IN (SELECT p.seq FROM dataset_part p JOIN dataset d "
		"ON d.seq = p.dataset WHERE d.seq = ?1 AND p.version < d.version)",
	};
	enum status status = OK;

	for (size_t i = 0; i < sizeof forget / sizeof *forget && !status; i++) {
		struct query q = query_new(c, forget[i]);

		query_int(&q, dataset);
		status = query_run(&q, e);
	}
	return status;
}

enum status
store_upload_append(struct store_upload *u, const char *id, size_t seen, const struct dataset_summary *part,
	const struct dataset_summary *whole, struct err *e)
{
	struct place at = {0};
	struct query q;
	struct conn *c;
	enum status status = write_begin(u->s, &c, e);

	assert(!u->finished);
	if (status)
		return status;
	if ((status = find_end(c, id, seen, &at, e)) || (status = make_ready(c, u, &at, part, whole, e)))
		goto out;
	q = query_new(c, "UPDATE dataset SET version = ?2 WHERE seq = ?1");
	query_int(&q, at.dataset);
	query_size(&q, at.version);
	if (!(status = query_run(&q, e)))
		status = forget_summaries(c, at.dataset, e);
out:
	status = write_end(u->s, status, e);
	u->finished = !status;
	return status;
}

void
store_upload_free(struct store_upload *u)
{
	struct store *s;

	if (!u)
		return;
	if (u->finished) {
		upload_destroy(u);
		return;
	}
	/* An upload that ends early often ends because the disk is full, so the row may not be writable right now: the
	 * housekeeper keeps trying. */
	s = u->s;
	pthread_mutex_lock(&s->housekeeper_lock);
	u->next = s->abandoned;
	s->abandoned = u;
	s->work_to_do = true;
	pthread_cond_signal(&s->housekeeper_wanted);
	pthread_mutex_unlock(&s->housekeeper_lock);
}

enum status
dataset_recover(struct conn *c, struct err *e)
{
	struct query q = query_new(c, "UPDATE dataset_part SET state = 'deleting' WHERE state = 'uploading'");

	return query_run(&q, e);
}
