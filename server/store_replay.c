/* store_replay: what was answered to requests with an Idempotency-Key, until the keys expire. */
#include <stdlib.h>
#include <string.h>

#include "server/store_private.h"

enum status
key_insert(struct conn *c, const struct request_key *k, const char *job, struct err *e)
{
	struct query q = query_new(c, "DELETE FROM idempotency_key WHERE expires <= ?1 OR key = ?2");
	enum status status;

	/* One that is there under this key has expired: the caller has looked. */
	query_real(&q, store_now());
	query_text(&q, k->text);
	if ((status = query_run(&q, e)))
		return status;
	q = query_new(c, "INSERT INTO idempotency_key (key, fingerprint, job, expires) VALUES (?1, ?2, ?3, ?4)");
	query_text(&q, k->text);
	query_int(&q, (int64_t)k->fingerprint);
	query_text(&q, job);
	query_real(&q, store_now() + k->seconds);
	return query_run(&q, e);
}

enum status
store_key_answer(struct store *s, const char *key, const char *answer, struct err *e)
{
	struct query q;
	struct conn *c;
	enum status status = write_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "UPDATE idempotency_key SET answer = ?2 WHERE key = ?1");
	query_text(&q, key);
	query_text(&q, answer);
	return write_end(s, query_run(&q, e), e);
}

enum status
store_key_find(struct store *s, const struct request_key *k, struct key_answer *out, bool *found, struct err *e)
{
	struct key_answer answer = {0};
	uint64_t fingerprint = 0;
	struct query q;
	struct conn *c;
	enum status status = read_begin(s, &c, e);

	if (status)
		return status;
	q = query_new(c, "SELECT fingerprint, job, answer FROM idempotency_key WHERE key = ?1 AND expires > ?2");
	query_text(&q, k->text);
	query_real(&q, store_now());
	if ((*found = query_row(&q))) {
		fingerprint = (uint64_t)row_int(&q, 0);
		row_short(&q, 1, answer.job, sizeof answer.job);
		answer.body = row_text(&q, 2);
	}
	status = query_end(&q, e);
	if (!status && *found && fingerprint != k->fingerprint)
		status = err_set(e, ERR_INVALID, "idempotency_key_reused",
			"this Idempotency-Key came with another request before");
	if (status)
		free(answer.body);
	else
		*out = answer;
	return read_end(s, c, status);
}
