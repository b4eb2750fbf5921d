/* runs: see runs.h. */
#include "tests/bench/runs.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/buf.h"
#include "server/files.h"
#include "server/json.h"
#include "server/version.h"
#include "tests/bench/dataset.h"
#include "tests/bench/protocol.h"

/* Settings -------------------------------------------------------------------------------------------------------- */

static const char *
setting(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

bool
runs_switch(const char *name)
{
	const char *value = setting(name);

	return value && strcmp(value, "0") != 0;
}

static enum status
count_setting(const char *name, size_t def, size_t *out, struct err *e)
{
	const char *text = setting(name);
	char *end;
	unsigned long v;

	*out = def;
	if (!text)
		return OK;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || *text == '-' || !v || v > 10000)
		return err_set(e, ERR_INVALID, "usage", "%s=%.60s: a number from 1 to 10000 is wanted", name, text);
	*out = v;
	return OK;
}

enum status
runs_sets(char ***names, struct err *e)
{
	const char *text = setting("SETS");
	char *copy, *rest = NULL;
	size_t n = 0;

	*names = NULL;
	if (!text)
		return OK;
	if (!(copy = strdup(text)) || !(*names = calloc(strlen(text) / 2 + 2, sizeof **names))) {
		free(copy);
		return err_nomem(e);
	}
	for (char *word = strtok_r(copy, " ,\t", &rest); word; word = strtok_r(NULL, " ,\t", &rest))
		if (!((*names)[n++] = strdup(word))) {
			free(copy);
			dataset_names_free(*names);
			return err_nomem(e);
		}
	free(copy);
	return OK;
}

/* What the loader maps of the program's file: code and constants, no debugging information. */
static enum status
own_checksum(uint64_t *out, struct err *e)
{
	struct buf file = {0}, loaded = {0};
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	enum status s;

	if ((s = file_read_all("/proc/self/exe", &file, e)))
		return s;
	memcpy(&head, file.data, sizeof head);
	for (size_t i = 0; i < head.e_phnum; i++) {
		memcpy(&part, file.data + head.e_phoff + i * head.e_phentsize, sizeof part);
		if (part.p_type == PT_LOAD)
			buf_put(&loaded, file.data + part.p_offset, part.p_filesz);
	}
	/* The first page begins with the file's own header, which says where the debugging information lies. */
	if (!(s = buf_status(&loaded, e))) {
		memset(loaded.data, 0, sizeof head);
		*out = checksum64(loaded.data, loaded.len);
	}
	buf_release(&file);
	buf_release(&loaded);
	return s;
}

/* The ledger ------------------------------------------------------------------------------------------------------ */

static const char *
text_of(const cJSON *object, const char *name)
{
	const cJSON *member = json_member(object, name);

	return cJSON_IsString(member) ? member->valuestring : "";
}

/* A line that is no record (the end of one that was being written) is passed over. */
static enum status
read_ledger(struct runs *r, struct err *e)
{
	struct buf file = {0};
	enum status s = OK;

	if (!(r->known = cJSON_CreateArray()))
		return err_nomem(e);
	if (r->fresh || access(r->ledger, F_OK) != 0)
		return OK;
	if ((s = file_read_all(r->ledger, &file, e)))
		goto out;
	for (size_t at = 0; at < file.len;) {
		const unsigned char *line = file.data + at, *end = memchr(line, '\n', file.len - at);
		size_t len = end ? (size_t)(end - line) : file.len - at;
		struct err odd = {0};
		cJSON *record = NULL;

		at += len + 1;
		if (json_parse(line, len, &record, &odd))
			continue;
		if (strcmp(text_of(record, "params"), r->changed) == 0 &&
			(r->reuse || strcmp(text_of(record, "build"), r->build) == 0))
			cJSON_AddItemToArray(r->known, record);
		else
			cJSON_Delete(record);
	}
out:
	buf_release(&file);
	return s;
}

static const char *
stamp_text(uint64_t stamp, char out[17])
{
	snprintf(out, 17, "%016llx", (unsigned long long)stamp);
	return out;
}

/* The last record of the run, preferably of this build. */
static const cJSON *
find_known(const struct runs *r, const struct run *run)
{
	const cJSON *record, *found = NULL;
	bool own = false;
	char stamp[17];

	stamp_text(run->stamp, stamp);
	cJSON_ArrayForEach(record, r->known)
	{
		bool same = strcmp(text_of(record, "build"), r->build) == 0;

		if (strcmp(text_of(record, "run"), run->name) != 0 || strcmp(text_of(record, "stamp"), stamp) != 0 ||
			(own && !same))
			continue;
		found = record;
		own = same;
	}
	return json_member(found, "result");
}

bool
runs_known(const struct runs *r, const struct run *run)
{
	return find_known(r, run) != NULL;
}

static enum status
append(const struct runs *r, const struct buf *record, struct err *e)
{
	struct buf line = {0};
	int fd = open(r->ledger, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	char last = '\n';
	enum status s;

	if (fd < 0)
		return err_set(e, ERR_IO, "io_error", "%.200s cannot be written: %s", r->ledger, strerror(errno));
	if (lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) == 1 && last != '\n')
		buf_puts(&line, "\n");
	buf_put(&line, record->data, record->len);
	buf_puts(&line, "\n");
	if (!(s = buf_status(&line, e)) && (s = file_write(fd, line.data, line.len, e)))
		err_prefix(e, "%.200s", r->ledger);
	buf_release(&line);
	close(fd);
	return s;
}

enum status
runs_open(struct runs *r, const char *name, bool needs_data, struct err *e)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct buf changed = {0};
	uint64_t sum;
	enum status s;

	memset(r, 0, sizeof *r);
	if (!(r->data = setting("DATA")) && needs_data)
		return err_set(e, ERR_INVALID, "usage", "DATA=FOLDER is needed: where the data sets are");
	if (!(r->out = setting("OUT")))
		return err_set(e, ERR_INVALID, "usage", "OUT=FOLDER is needed: where the results go");
	r->fresh = runs_switch("FRESH");
	r->reuse = runs_switch("REUSE");
	snprintf(r->ledger, sizeof r->ledger, "%s/%s.jsonl", r->out, name);
	if ((s = count_setting("SPLITS", SIZE_MAX, &r->n_splits, e)) ||
		(s = count_setting("JOBS", cores > 0 ? (size_t)cores : 1, &r->jobs, e)) ||
		(s = protocol_params(setting("PARAMS"), &r->params, e)) || (s = own_checksum(&sum, e)))
		return s;
	stamp_text(sum, r->build);
	protocol_changed(&r->params, &changed);
	buf_put_u8(&changed, '\0');
	if ((s = buf_status(&changed, e))) {
		buf_release(&changed);
		return s;
	}
	r->changed = (char *)changed.data;
	return read_ledger(r, e);
}

void
runs_close(struct runs *r)
{
	free(r->changed);
	cJSON_Delete(r->known);
	memset(r, 0, sizeof *r);
}

/* Processes ------------------------------------------------------------------------------------------------------- */

struct slot {
	pid_t pid; /* 0: free */
	int fd;
	size_t i;
	struct buf text;
};

/* The whole record, a failure's as well, down the pipe. */
static enum status
tell(const struct runs *r, const struct run *run, size_t i, const struct runs_handler *h, int fd)
{
	struct json_build b = {0};
	cJSON *record = json_object(&b), *result;
	struct err e = {0}, late = {0};
	char *text = NULL, stamp[17];

	json_put_text(&b, record, "run", run->name);
	json_put_text(&b, record, "stamp", stamp_text(run->stamp, stamp));
	json_put_text(&b, record, "params", r->changed);
	json_put_text(&b, record, "version", VERAD_VERSION);
	json_put_text(&b, record, "build", r->build);
	result = json_put_object(&b, record, "result");
	if (h->work(h->ctx, i, &b, result, &e)) {
		json_put_text(&b, record, "code", e.code);
		json_put_text(&b, record, "message", e.msg);
	}
	if (!json_finish(&b, record, &text, &late))
		file_write(fd, text, strlen(text), &late);
	free(text);
	return late.status;
}

static enum status
start(const struct runs *r, const struct run *run, size_t i, const struct runs_handler *h, struct slot *slot,
	struct err *e)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return err_set(e, ERR_IO, "io_error", "no pipe: %s", strerror(errno));
	fflush(NULL);
	slot->pid = fork();
	if (slot->pid < 0) {
		slot->pid = 0;
		close(fd[0]);
		close(fd[1]);
		return err_set(e, ERR_IO, "io_error", "no process: %s", strerror(errno));
	}
	if (!slot->pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		_exit(tell(r, run, i, h, fd[1]) ? 1 : 0);
	}
	close(fd[1]);
	slot->fd = fd[0];
	slot->i = i;
	buf_clear(&slot->text);
	return OK;
}

/* A run has closed its pipe: its record into the ledger and to the handler. */
static enum status
finish(const struct runs *r, const struct runs_handler *h, struct slot *slot, struct err *e)
{
	cJSON *record = NULL;
	struct err odd = {0};
	char message[64];
	int how = 0;
	enum status s = OK;

	close(slot->fd);
	waitpid(slot->pid, &how, 0);
	slot->pid = 0;
	if ((s = buf_status(&slot->text, e)))
		return s;
	if (how || json_parse(slot->text.data, slot->text.len, &record, &odd)) {
		snprintf(message, sizeof message, "the process ended by %s %d", WIFSIGNALED(how) ? "signal" : "status",
			WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
		h->done(h->ctx, slot->i, NULL, "crashed", message);
	} else if (json_member(record, "code")) {
		h->done(h->ctx, slot->i, NULL, text_of(record, "code"), text_of(record, "message"));
	} else if (!(s = append(r, &slot->text, e))) {
		h->done(h->ctx, slot->i, json_member(record, "result"), NULL, NULL);
	}
	cJSON_Delete(record);
	return s;
}

/* Waits for news from the running ones. */
static enum status
attend(const struct runs *r, const struct runs_handler *h, struct slot *slot, struct pollfd *want, struct err *e)
{
	unsigned char piece[4096];
	nfds_t n = 0;

	for (size_t k = 0; k < r->jobs; k++)
		if (slot[k].pid)
			want[n++] = (struct pollfd){.fd = slot[k].fd, .events = POLLIN};
	if (poll(want, n, -1) < 0)
		return errno == EINTR ? OK : err_set(e, ERR_IO, "io_error", "poll: %s", strerror(errno));
	n = 0;
	for (size_t k = 0; k < r->jobs; k++) {
		ssize_t got;
		enum status s;

		if (!slot[k].pid || !want[n++].revents)
			continue;
		if ((got = read(slot[k].fd, piece, sizeof piece)) > 0)
			buf_put(&slot[k].text, piece, (size_t)got);
		else if (!(got < 0 && errno == EINTR) && (s = finish(r, h, &slot[k], e)))
			return s;
	}
	return OK;
}

enum status
runs_do(struct runs *r, const struct run *run, size_t n, const struct runs_handler *h, struct err *e)
{
	struct slot *slot = calloc(r->jobs, sizeof *slot);
	struct pollfd *want = calloc(r->jobs, sizeof *want);
	size_t next = 0, running = 0;
	enum status s = OK;

	if (!slot || !want) {
		s = err_nomem(e);
		goto out;
	}
	while (!s && (next < n || running)) {
		while (!s && next < n && running < r->jobs) {
			const cJSON *known = find_known(r, &run[next]);
			size_t k = 0;

			if (known) {
				h->done(h->ctx, next++, known, NULL, NULL);
				continue;
			}
			while (slot[k].pid)
				k++;
			if (!(s = start(r, &run[next], next, h, &slot[k], e))) {
				next++;
				running++;
			}
		}
		if (!s && running)
			s = attend(r, h, slot, want, e);
		running = 0;
		for (size_t k = 0; k < r->jobs; k++)
			running += slot[k].pid != 0;
	}
out:
	for (size_t k = 0; slot && k < r->jobs; k++) {
		if (slot[k].pid) {
			kill(slot[k].pid, SIGTERM);
			waitpid(slot[k].pid, NULL, 0);
			close(slot[k].fd);
		}
		buf_release(&slot[k].text);
	}
	free(slot);
	free(want);
	return s;
}

/* Results --------------------------------------------------------------------------------------------------------- */

void
runs_describe(const struct runs *r, struct json_build *b, cJSON *to)
{
	json_put_text(b, to, "version", VERAD_VERSION);
	json_put_text(b, to, "build", r->build);
	json_put_text(b, to, "params", r->changed);
}

enum status
runs_write(const struct runs *r, const char *name, struct json_build *b, cJSON *root, struct err *e)
{
	char *text = NULL, path[1024];
	enum status s;

	snprintf(path, sizeof path, "%s/%s.json", r->out, name);
	if (!(s = json_finish(b, root, &text, e)) && !(s = file_replace(path, text, strlen(text), e)))
		printf("\nAll figures are in %s\n", path);
	free(text);
	return s;
}

double
result_number(const cJSON *result, const char *part, const char *name)
{
	const cJSON *inner = part ? json_member(result, part) : NULL,
		    *member = json_member(inner ? inner : result, name);

	return cJSON_IsNumber(member) ? member->valuedouble : (double)NAN;
}

bool
results_insert(cJSON *results, const cJSON *result)
{
	const double index = result_number(result, NULL, "index");
	cJSON *copy = cJSON_Duplicate(result, true);
	int n = cJSON_GetArraySize(results), at = 0;

	if (!copy)
		return false;
	while (at < n && result_number(cJSON_GetArrayItem(results, at), NULL, "index") < index)
		at++;
	/* Appended, and whatever is to come behind it appended anew: cJSON_InsertItemInArray was seen to refuse. */
	cJSON_AddItemToArray(results, copy);
	for (; at < n; n--)
		cJSON_AddItemToArray(results, cJSON_DetachItemFromArray(results, at));
	return true;
}

double
results_mean(const cJSON *results, const char *part, const char *name)
{
	const cJSON *result;
	double sum = 0;
	size_t n = 0;

	cJSON_ArrayForEach(result, results)
	{
		sum += result_number(result, part, name);
		n++;
	}
	return n ? sum / (double)n : (double)NAN;
}

double
results_deviation(const cJSON *results, const char *part, const char *name)
{
	const double centre = results_mean(results, part, name);
	const cJSON *result;
	double sum = 0;
	size_t n = 0;

	cJSON_ArrayForEach(result, results)
	{
		double v = result_number(result, part, name) - centre;

		sum += v * v;
		n++;
	}
	return n ? sqrt(sum / (double)n) : (double)NAN;
}
