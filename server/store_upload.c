/*
 * store_upload: data sets on their way in. The row is there from the start, in state `uploading`, invisible; each chunk
 * is a transaction of its own; the last transaction makes the row `ready`.
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
	struct query q;
	char id[STORE_ID_SIZE];
	int64_t seq = 0;
	enum status status = store_new_id("ds_", id, e);

	if (status)
		return status;
	q = query_new(c, "INSERT INTO dataset (id, state, name, label_column, created) "
			 "VALUES (?1, 'uploading', ?2, ?3, ?4) RETURNING seq");
	query_text(&q, id);
	query_text(&q, u->name);
	query_text(&q, u->label_column);
	query_real(&q, store_now());
	while (query_row(&q))
		seq = row_int(&q, 0);
	status = query_end(&q, e);
	if (!status) {
		u->seq = seq;
		memcpy(u->id, id, sizeof u->id);
	}
	return status;
}

enum status
store_upload_begin(
	struct store *s, const char *name, const char *label_column, struct store_upload **out, struct err *e)
{
	struct store_upload *u = calloc(1, sizeof *u);
	struct conn *c;
	enum status status;

	if (!u || !(u->name = strdup(name)) || (label_column && !(u->label_column = strdup(label_column)))) {
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
	struct query q = query_new(c, "UPDATE dataset SET state = 'deleting' WHERE seq = ?1");

	query_int(&q, seq);
	return query_run(&q, e);
}

enum status
store_upload_restart(struct store_upload *u, struct err *e)
{
	struct store_upload old = *u;
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
		*u = old;
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
	struct query q = query_new(c, "INSERT INTO dataset_chunk (dataset, chunk, n_rows) VALUES (?1, ?2, ?3)");
	enum status status;

	query_int(&q, seq);
	query_size(&q, chunk);
	query_size(&q, n_rows);
	status = query_run(&q, e);
	for (size_t i = 0; i < n && !status; i++) {
		const unsigned char *at = bytes->data + segment[i].at;

		q = query_new(c,
			"INSERT INTO dataset_segment (dataset, chunk, first_column, n_columns, checksum, bytes) "
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
 * Uploads are what fills a disk, and a disk filled to the last byte could not be emptied again: marking a data set as
 * deleted takes a few pages of log, and copying the log back takes what is in it. So a chunk is refused while there is
 * still room for that.
 */
static enum status
check_room(const struct store *s, size_t n_bytes, struct err *e)
{
	struct statvfs disk;
	double free_bytes;

	if (statvfs(s->path, &disk))
		return OK; /* a file system that does not say: the write will tell */
	free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
	if (free_bytes >= (double)STORE_RESERVE_BYTES + 2 * (double)n_bytes) /* once for the log, once for the file */
		return OK;
	return err_set(e, ERR_FULL, "disk_full",
		"the disk of the store %s has %.0f MB left; uploads leave %d MB free, so that there is room to delete",
		s->path, free_bytes / 1e6, (int)(STORE_RESERVE_BYTES / 1000000));
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

/* That the chunks are 0, 1, … and hold the rows that the summary counted: what is missing now is missing for good. */
static enum status
check_complete(struct conn *c, const struct store_upload *u, const struct dataset_summary *summary, struct err *e)
{
	struct query q = query_new(c, "SELECT count(*), coalesce(max(chunk) + 1, 0), coalesce(sum(n_rows), 0) "
				      "FROM dataset_chunk WHERE dataset = ?1");
	bool complete = false;
	enum status status;

	query_int(&q, u->seq);
	if (query_row(&q))
		complete = row_int(&q, 0) == row_int(&q, 1) && row_size(&q, 2) == summary->n_rows;
	status = query_end(&q, e);
	if (!status && !complete)
		status = err_set(e, ERR_INTERNAL, "upload_incomplete",
			"the chunks stored for data set \"%.60s\" are not the %zu rows of its summary", u->name,
			summary->n_rows);
	return status;
}

static enum status
insert_summary(struct conn *c, int64_t seq, const struct dataset_summary *s, struct err *e)
{
	enum status status = OK;
	struct query q;

	for (size_t i = 0; i < s->n_columns && !status; i++) {
		const struct column_summary *column = &s->column[i];

		q = query_new(c, "INSERT INTO dataset_column (dataset, idx, name, type, n_missing, min, max, "
				 "n_distinct, n_numbers, text_line, text_cell, role, n_na) "
				 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
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
		status = query_run(&q, e);
	}
	for (size_t i = 0; i < s->n_classes && !status; i++) {
		q = query_new(c, "INSERT INTO dataset_class (dataset, idx, label, count) VALUES (?1, ?2, ?3, ?4)");
		query_int(&q, seq);
		query_size(&q, i);
		query_text(&q, s->classes[i].label);
		query_size(&q, s->classes[i].count);
		status = query_run(&q, e);
	}
	return status;
}

static enum status
make_ready(struct conn *c, int64_t seq, const struct dataset_summary *s, struct err *e)
{
	struct query q = query_new(c,
		"UPDATE dataset SET state = 'ready', label_index = ?2, created = ?3, n_rows = ?4, n_labelled = ?5, "
		"n_unlabelled = ?6, n_bytes = ?7, n_columns = ?8, n_classes = ?9, options = ?10, n_bad_rows = ?11, "
		"bad_rows = ?12 WHERE seq = ?1");

	query_int(&q, seq);
	if (s->label_column == SIZE_MAX)
		query_null(&q);
	else
		query_size(&q, s->label_column);
	query_real(&q, store_now());
	query_size(&q, s->n_rows);
	query_size(&q, s->n_labelled);
	query_size(&q, s->n_unlabelled);
	query_size(&q, s->n_bytes);
	query_size(&q, s->n_columns);
	query_size(&q, s->n_classes);
	query_text(&q, s->options ? s->options : "{}");
	query_size(&q, s->n_bad_rows);
	query_text(&q, s->bad_rows ? s->bad_rows : "[]");
	return query_run(&q, e);
}

enum status
store_upload_finish(
	struct store_upload *u, const struct dataset_summary *summary, char id[STORE_ID_SIZE], struct err *e)
{
	struct conn *c;
	enum status status = write_begin(u->s, &c, e);

	assert(!u->finished);
	if (status)
		return status;
	if (!(status = check_complete(c, u, summary, e)) && !(status = insert_summary(c, u->seq, summary, e)))
		status = make_ready(c, u->seq, summary, e);
	status = write_end(u->s, status, e);
	if (!status) {
		u->finished = true;
		memcpy(id, u->id, sizeof u->id);
	}
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
	struct query q = query_new(c, "UPDATE dataset SET state = 'deleting' WHERE state = 'uploading'");

	return query_run(&q, e);
}
