/*
 * report_change: reports that are there already; declared in report.h.
 *
 * A report is changed as text, one member exchanged for another: through a parser its other numbers would not come out
 * the same to the last digit, and equal runs are to have equal reports.
 */
#include <stdlib.h>
#include <string.h>

#include "schema/json_read.h"
#include "server/report.h"

/* Where the value of the report's member `name` lies; *begin NULL: there is none. */
static enum status
find_member(const char *report, const char *name, const char **begin, const char **end, struct err *e)
{
	struct json_reader in;
	struct json_token t;
	enum status s;

	*begin = *end = NULL;
	json_reader_init(&in, report, strlen(report));
	s = json_next(&in, &t, e); /* '{': every report is an object */
	while (!s && !(s = json_next(&in, &t, e)) && t.type == JSON_KEY) {
		const char *from = (const char *)in.at;
		bool is_it = !strcmp(t.text, name);

		if (!(s = json_next(&in, &t, e)) && !(s = json_skip(&in, &t, e)) && is_it) {
			*begin = from;
			*end = (const char *)in.at;
		}
	}
	json_reader_release(&in);
	return s;
}

enum status
report_set_thresholds(const char *report, const struct model *m, char **out, struct err *e)
{
	struct json_build b = {0};
	struct buf fresh = {0};
	const char *begin, *end;
	char *thresholds = NULL;
	struct cJSON *root;
	enum status s;

	if ((s = find_member(report, "thresholds", &begin, &end, e)))
		return s;
	root = json_object(&b);
	report_thresholds(&b, root, m);
	if ((s = json_finish(&b, root, &thresholds, e)))
		return s;
	if (begin) {
		buf_put(&fresh, report, (size_t)(begin - report));
		buf_puts(&fresh, thresholds);
		buf_puts(&fresh, end);
	} else { /* of a program that knew of none */
		buf_puts(&fresh, report);
	}
	buf_put_u8(&fresh, 0);
	free(thresholds);
	if ((s = buf_status(&fresh, e))) {
		buf_release(&fresh);
		return s;
	}
	*out = (char *)fresh.data; /* a buf's bytes are malloc's */
	return OK;
}

/* What every report has. */
static const struct member {
	const char *name;
	enum json_type type;
	bool or_null;
} members[] = {
	{"verad", JSON_STRING, false},
	{"method", JSON_STRING, false},
	{"parameters", JSON_OBJECT, false},
	{"data", JSON_OBJECT, false},
	{"encoding", JSON_ARRAY, false},
	{"measures", JSON_OBJECT, false},
	{"baseline", JSON_OBJECT, true},
	{"thresholds", JSON_OBJECT, false},
	{"calibration", JSON_OBJECT, false},
	{"composition", JSON_OBJECT, false},
	{"choices", JSON_ARRAY, false},
	{"warnings", JSON_ARRAY, false},
};
enum { N_MEMBERS = sizeof members / sizeof *members };

/* What a model's record has beside the report, in the same object. */
static const char *const of_the_record[] = {
	"id", "name", "version", "aliases", "dataset", "dataset_name", "job", "bytes", "created_at"};

static enum status
odd_report(struct err *e, const char *what, const char *name)
{
	return err_set(e, ERR_DATA, "corrupt_model", "the report within the model %s \"%.60s\"", what, name);
}

static enum status
check_member(const char *name, enum json_type type, unsigned *seen, struct err *e)
{
	for (size_t i = 0; i < sizeof of_the_record / sizeof *of_the_record; i++)
		if (!strcmp(name, of_the_record[i]))
			return odd_report(e, "may not have a member", name);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		if (strcmp(name, members[i].name))
			continue;
		if (*seen & 1u << i)
			return odd_report(e, "has twice the member", name);
		if (type != members[i].type && !(members[i].or_null && type == JSON_NULL))
			return odd_report(e, "has something else for its member", name);
		*seen |= 1u << i;
	}
	return OK;
}

enum status
report_check(const char *report, struct err *e)
{
	struct json_reader in;
	struct json_token t;
	unsigned seen = 0;
	char name[64];
	enum status s;

	json_reader_init(&in, report, strlen(report));
	s = json_next(&in, &t, e);
	while (!s && !(s = json_next(&in, &t, e)) && t.type == JSON_KEY) {
		size_t n = t.len < sizeof name - 1 ? t.len : sizeof name - 1;

		memcpy(name, t.text, n);
		name[n] = '\0';
		if (!(s = json_next(&in, &t, e)) && !(s = check_member(name, t.type, &seen, e)))
			s = json_skip(&in, &t, e);
	}
	json_reader_release(&in);
	for (size_t i = 0; i < N_MEMBERS && !s; i++)
		if (!(seen & 1u << i))
			s = odd_report(e, "has no member", members[i].name);
	return s;
}
