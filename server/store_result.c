/*
 * store_result: what jobs leave to be downloaded, in parts of a megabyte at most, so that neither writing nor reading
 * one holds more of it in memory. A result grows with its job's checkpoint, in one transaction; the housekeeper removes
 * it bit by bit.
 */
#include <string.h>

#include "server/store_private.h"

enum { PART_BYTES = 1 << 20 };

/* The job's result, made where there is none, and its length. */
static enum status
open_result(struct conn *c, int64_t job, int64_t *result, size_t *n_bytes, struct err *e)
{
	struct query q = query_new(
		c, "SELECT r.seq, r.n_bytes FROM job j JOIN result r ON r.seq = j.result WHERE j.seq = ?1");
	enum status status;

	*result = 0;
	*n_bytes = 0;
	query_int(&q, job);
	if (query_row(&q)) {
		*result = row_int(&q, 0);
		*n_bytes = row_size(&q, 1);
	}
	if ((status = query_end(&q, e)) || *result)
		return status;
	q = query_new(c, "INSERT INTO result (state) VALUES ('there') RETURNING seq");
	while (query_row(&q))
		*result = row_int(&q, 0);
	if ((status = query_end(&q, e)))
		return status;
	q = query_new(c, "UPDATE job SET result = ?2 WHERE seq = ?1");
	query_int(&q, job);
	query_int(&q, *result);
	return query_run(&q, e);
}

enum status
result_append(struct conn *c, int64_t job, const void *bytes, size_t n, struct err *e)
{
	size_t at, size;
	int64_t result;
	struct query q;
	enum status status = open_result(c, job, &result, &at, e);

	for (size_t done = 0; done < n && !status; done += size) {
		size = n - done < PART_BYTES ? n - done : PART_BYTES;
		q = query_new(c, "INSERT INTO result_part (result, at, bytes) VALUES (?1, ?2, ?3)");
		query_int(&q, result);
		query_size(&q, at + done);
		query_blob(&q, (const unsigned char *)bytes + done, size);
		status = query_run(&q, e);
	}
	if (status)
		return status;
	q = query_new(c, "UPDATE result SET n_bytes = ?2 WHERE seq = ?1");
	query_int(&q, result);
	query_size(&q, at + n);
	return query_run(&q, e);
}

enum status
result_doom(struct conn *c, int64_t job, struct err *e)
{
	struct query q = query_new(
		c, "UPDATE result SET state = 'deleting' WHERE seq = (SELECT result FROM job WHERE seq = ?1)");
	enum status status;

	query_int(&q, job);
	if ((status = query_run(&q, e)))
		return status;
	q = query_new(c, "UPDATE job SET result = NULL WHERE seq = ?1");
	query_int(&q, job);
	return query_run(&q, e);
}

enum status
result_sweep(struct conn *c, size_t n_parts, bool *more, struct err *e)
{
	int64_t seq = 0;
	struct query q = query_new(c, "SELECT seq FROM result WHERE state = 'deleting' LIMIT 1");
	enum status status;

	if ((*more = query_row(&q)))
		seq = row_int(&q, 0);
	status = query_end(&q, e);
	if (status || !*more)
		return status;
	q = query_new(c, "DELETE FROM result_part WHERE seq IN "
			 "(SELECT seq FROM result_part WHERE result = ?1 LIMIT ?2)");
	query_int(&q, seq);
	query_size(&q, n_parts);
	status = query_run(&q, e);
	if (status || conn_changes(c))
		return status;
	q = query_new(c, "DELETE FROM result WHERE seq = ?1");
	query_int(&q, seq);
	return query_run(&q, e);
}

enum status
store_result_append(struct store *s, const char *job, const void *bytes, size_t n, const void *checkpoint,
	size_t n_checkpoint, struct err *e)
{
	enum job_state state;
	int64_t seq;
	struct conn *c;
	enum status status = check_room(s, n, e);

	if (status || (status = job_write_begin(s, job, job_find_at_work, &c, &seq, &state, e)))
		return status;
	status = result_append(c, seq, bytes, n, e);
	if (!status)
		status = checkpoint_put(c, seq, checkpoint, n_checkpoint, e);
	return write_end(s, status, e);
}

enum status
store_result_read(struct store *s, const char *job, uint64_t at, struct buf *out, uint64_t *first, struct err *e)
{
	struct query q;
	struct conn *c;
	bool found;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT p.at, p.bytes FROM job j JOIN result_part p ON p.result = j.result "
			 "WHERE j.id = ?1 AND p.at <= ?2 ORDER BY p.at DESC LIMIT 1");
	query_text(&q, job);
	query_limit(&q, at);
	if ((found = query_row(&q))) {
		*first = row_size(&q, 0);
		row_append(&q, 1, out);
	}
	status = query_end(&q, e);
	if (!status && !found)
		status = err_set(e, ERR_NOT_FOUND, "no_result", "job %.40s has no result", job);
	return read_end(s, c, status);
}
