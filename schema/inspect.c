/* inspect: see inspect.h. */
#include "schema/inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SNIFFED_LINES = 100, MIN_ID_ROWS = 20 };

void
inspection_release(struct inspection *n)
{
	ingest_options_release(&n->options);
	ingest_free(n->ingest);
	profile_free(n->profile);
	memset(n, 0, sizeof *n);
}

/* The delimiter ------------------------------------------------------------------------------------------------- */

/* How often c comes outside quotes in each of the first lines; *n of them. */
static void
count_in_lines(const char *at, const char *end, char c, char quote, size_t count[SNIFFED_LINES], size_t *n)
{
	bool quoted = false, blank = true;

	*n = 0;
	count[0] = 0;
	for (; at < end && *n < SNIFFED_LINES; at++) {
		if (quote && *at == quote)
			quoted = !quoted;
		if (!quoted && (*at == '\n' || *at == '\r')) {
			if (!blank && ++*n < SNIFFED_LINES)
				count[*n] = 0;
			blank = true;
			continue;
		}
		blank = false;
		count[*n] += !quoted && *at == c;
	}
	if (!*n && !blank) /* a header alone */
		*n = 1;
}

/* The one of which most lines have as many as the header; of several the one that makes more columns. */
static char
sniff_delimiter(const char *bytes, size_t n, char quote)
{
	static const char candidates[] = {',', ';', '\t', '|'};
	double best_share = 0;
	size_t best_count = 0;
	char best = ',';

	for (size_t k = 0; k < sizeof candidates; k++) {
		size_t count[SNIFFED_LINES], n_lines, agree = 0;
		double share;

		count_in_lines(bytes, bytes + n, candidates[k], quote, count, &n_lines);
		for (size_t i = 0; i < n_lines; i++)
			agree += count[i] == count[0];
		share = n_lines && count[0] ? (double)agree / (double)n_lines : 0;
		if (share > best_share || (share == best_share && count[0] > best_count)) {
			best = candidates[k];
			best_share = share;
			best_count = count[0];
		}
	}
	return best;
}

/* One reading --------------------------------------------------------------------------------------------------- */

static enum status
take_chunk(void *ctx, const struct table *t, size_t chunk_index, struct err *e)
{
	struct inspection *n = ctx;

	(void)chunk_index;
	if (!n->profile && profile_new(t, &n->profile, e))
		return e->status;
	return profile_add(n->profile, t, e);
}

static enum status
restart(void *ctx, struct err *e)
{
	struct inspection *n = ctx;

	(void)e;
	profile_free(n->profile);
	n->profile = NULL;
	return OK;
}

static enum status
read_as(const void *bytes, size_t n_bytes, const struct ingest_options *options, struct inspection *out, struct err *e)
{
	const struct ingest_sink sink = {.chunk = take_chunk, .restart = restart, .ctx = out};
	bool again = true;
	enum status s = ingest_new(options, NULL, &sink, &out->ingest, e);

	for (bool first = true; !s && again; first = false) {
		if (!first)
			s = ingest_restart(out->ingest, e);
		if (!s && !(s = ingest_feed(out->ingest, bytes, n_bytes, e)))
			s = ingest_finish(out->ingest, &again, e);
	}
	if (!s)
		out->summary = ingest_summary(out->ingest);
	out->n_bytes = n_bytes;
	return s;
}

/* Where line `line` (1-based) begins. */
static size_t
start_of_line(const char *bytes, size_t n, uint64_t line)
{
	size_t at = 0;

	while (at < n && line > 1) {
		if (bytes[at] == '\n' || (bytes[at] == '\r' && !(at + 1 < n && bytes[at + 1] == '\n')))
			line--;
		at++;
	}
	return at;
}

/* The bytes of whole rows; a row that goes on behind them may end in mid-quote. */
static enum status
read_beginning(const char *bytes, size_t n, bool whole, const struct ingest_options *options, struct inspection *out,
	struct err *e)
{
	enum status s;

	while (!whole && n && bytes[n - 1] != '\n' && bytes[n - 1] != '\r')
		n--;
	s = read_as(bytes, n, options, out, e);
	if (!s || whole || strcmp(e->code, "unterminated_quote") != 0 || !e->line)
		return s;
	inspection_release(out);
	return read_as(bytes, start_of_line(bytes, n, e->line), options, out, e);
}

/* Cells that are numbers, in columns of texts too. */
static size_t
count_numbers(const struct dataset_summary *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_columns; i++)
		n += s->column[i].type == COLUMN_NUMBER ? s->n_rows - s->column[i].n_missing : s->column[i].n_numbers;
	return n;
}

/* Labels -------------------------------------------------------------------------------------------------------- */

static bool
sounds_like_label(const char *name)
{
	static const char *const words[] = {"label", "labels", "class", "target", "y", "outcome", "category", "species",
		"diagnosis", "churn", "fraud", "result", "status"};
	size_t len = strlen(name);

	for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
		size_t n = strlen(words[k]);

		if (len >= n && !strcasecmp(name + len - n, words[k]) &&
			(len == n || name[len - n - 1] == '_' || name[len - n - 1] == ' '))
			return true;
	}
	return false;
}

/* The different values of column i among the rows looked at; SIZE_MAX: more than anybody counts, or not whole numbers.
 */
static enum status
count_distinct(const struct inspection *n, size_t i, size_t *out, struct err *e)
{
	const struct column_summary *c = &n->summary->column[i];
	struct number_profile p;
	enum status s;

	*out = c->n_distinct;
	if (c->type != COLUMN_NUMBER)
		return OK;
	if ((s = profile_number(n->profile, i, &p, e)))
		return s;
	*out = p.n_distinct > PROFILE_MAX_DISTINCT ? SIZE_MAX : p.n_distinct;
	for (size_t k = 0; k < PROFILE_N_QUANTILES; k++)
		if (p.quantile[k] != floor(p.quantile[k]))
			*out = SIZE_MAX;
	return OK;
}

static enum status
find_candidates(struct inspection *n, struct err *e)
{
	const struct dataset_summary *s = n->summary;
	double score[INSPECT_MAX_CANDIDATES] = {0};
	enum status status;

	for (size_t i = 0; i < s->n_columns; i++) {
		const struct column_summary *c = &s->column[i];
		size_t n_values = s->n_rows - c->n_missing, distinct, at;
		double points;

		if ((c->role != ROLE_FEATURE && c->role != ROLE_LABEL))
			continue;
		if ((status = count_distinct(n, i, &distinct, e)))
			return status;
		if (distinct < 2 || distinct > INSPECT_MAX_CLASSES || 2 * distinct > n_values)
			continue;
		points = (c->role == ROLE_LABEL ? 100 : 0) + (sounds_like_label(c->name) ? 8 : 0) +
			 (i + 1 == s->n_columns ? 4 : 0) +
			 (c->type == COLUMN_TEXT || c->type == COLUMN_BOOLEAN ? 2 : 0) +
			 (10 * c->n_missing > s->n_rows ? 2 : 0) - log2((double)distinct) / 2;
		if (n->n_candidates == INSPECT_MAX_CANDIDATES && points <= score[INSPECT_MAX_CANDIDATES - 1])
			continue;
		at = n->n_candidates < INSPECT_MAX_CANDIDATES ? n->n_candidates++ : INSPECT_MAX_CANDIDATES - 1;
		for (; at && score[at - 1] < points; at--) {
			score[at] = score[at - 1];
			n->candidate[at] = n->candidate[at - 1];
		}
		score[at] = points;
		n->candidate[at] = (struct label_candidate){i, distinct, n_values};
	}
	return OK;
}

const char *
inspection_warning(const struct inspection *n, size_t i, char message[DATASET_WARNING_SIZE])
{
	const struct column_summary *c = &n->summary->column[i];
	size_t n_values = n->summary->n_rows - c->n_missing, distinct;
	int cut = text_shown(c->name);
	struct err ignored;

	if (c->role != ROLE_FEATURE)
		return NULL;
	if (!n_values) {
		snprintf(message, DATASET_WARNING_SIZE, "column \"%.*s\" is empty: there is nothing to learn from it",
			cut, c->name);
		return "empty_column";
	}
	if (count_distinct(n, i, &distinct, &ignored)) /* out of memory: then without advice */
		return NULL;
	if (distinct == 1 && n_values == n->summary->n_rows && n_values > 1) {
		snprintf(message, DATASET_WARNING_SIZE,
			"column \"%.*s\" has the same value in every row: there is nothing to learn from it", cut,
			c->name);
		return "constant_column";
	}
	if (distinct == n_values && n_values >= MIN_ID_ROWS &&
		(c->type == COLUMN_TEXT || c->max - c->min == (double)(n_values - 1))) {
		snprintf(message, DATASET_WARNING_SIZE,
			"column \"%.*s\" has a different value in every row: if it names rows, give it the role id",
			cut, c->name);
		return "looks_like_id";
	}
	return NULL;
}

enum status
inspect(const void *bytes, size_t n, bool whole, const struct ingest_options *given, struct inspection *out,
	struct err *e)
{
	struct ingest_options o = {0};
	struct inspection with_comma = {0};
	struct err ignored;
	enum status s = OK;

	memset(out, 0, sizeof *out);
	if (given && (s = ingest_options_copy(&o, given, e)))
		return s;
	if (!o.delimiter)
		o.delimiter = sniff_delimiter(bytes, n, ingest_options_quote(&o));
	o.max_bad_rows = UINT32_MAX;
	if ((s = read_beginning(bytes, n, whole, &o, out, e)))
		goto out;
	if (!o.decimal && o.delimiter != ',') { /* which mark makes more cells numbers? */
		o.decimal = ',';
		if (!read_beginning(bytes, n, whole, &o, &with_comma, &ignored) &&
			count_numbers(with_comma.summary) > count_numbers(out->summary)) {
			inspection_release(out);
			*out = with_comma;
			with_comma = (struct inspection){0};
		} else {
			o.decimal = '.';
		}
	}
	o.max_bad_rows = given ? given->max_bad_rows : 0;
	out->options = o;
	o = (struct ingest_options){0};
	s = find_candidates(out, e);
out:
	ingest_options_release(&o);
	inspection_release(&with_comma);
	if (s)
		inspection_release(out);
	return s;
}
