/*
 * The store under kill -9: a child process works on it without pause and writes what was acknowledged into a pipe; it
 * is killed at a random moment, many times over. Each time the store must open, be sound, hold everything that was
 * acknowledged and nothing by halves, and say of the job under way that it goes on.
 *
 * What the child stores describes itself, so that things whose acknowledgement was lost are checked too: a data set's
 * name is the recipe of its cells, a checkpoint begins with its step, a bundle repeats its job's id.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/store.h"
#include "tests/unit/store_group.h"
#include "tests/unit/store_samples.h"

enum { N_KILLS = 60, N_COLUMNS = 5, MAX_DATASETS = 4000, MAX_JOBS = 4000, KEEP_DATASETS = 6 };

struct known_dataset {
	char id[STORE_ID_SIZE];
	bool may_be_gone, gone; /* deletion asked for; acknowledged */
};

struct known_job {
	char id[STORE_ID_SIZE];
	enum job_state state; /* as acknowledged: queued, running, succeeded */
	size_t attempt;
	size_t checkpoint; /* step acknowledged; 0: none */
	bool ending;       /* its success was under way */
};

/* What the parent knows to be true of the store. The child inherits a copy to choose its victims from. */
static struct known_dataset datasets[MAX_DATASETS];
static struct known_job jobs[MAX_JOBS];
static size_t n_datasets, n_jobs;

static struct known_dataset *
find_dataset(const char *id)
{
	for (size_t i = 0; i < n_datasets; i++)
		if (!strcmp(datasets[i].id, id))
			return &datasets[i];
	return NULL;
}

static struct known_dataset *
note_dataset(const char *id)
{
	struct known_dataset *d = find_dataset(id);

	if (!d) {
		if (n_datasets == MAX_DATASETS)
			abort();
		d = &datasets[n_datasets++];
		*d = (struct known_dataset){0};
		snprintf(d->id, sizeof d->id, "%s", id);
	}
	return d;
}

static struct known_job *
note_job(const char *id)
{
	struct known_job *j = NULL;

	for (size_t i = 0; i < n_jobs && !j; i++)
		if (!strcmp(jobs[i].id, id))
			j = &jobs[i];
	if (!j) {
		if (n_jobs == MAX_JOBS)
			abort();
		j = &jobs[n_jobs++];
		*j = (struct known_job){.attempt = 1};
		snprintf(j->id, sizeof j->id, "%s", id);
	}
	return j;
}

/* A checkpoint of `step`: the step, then 1 to 200,000 bytes that follow from it. */
static void
make_checkpoint(size_t step, struct buf *out)
{
	uint64_t bits = step;
	size_t n = sample_bits(&bits) % 25000;

	buf_clear(out);
	buf_put_u64(out, step);
	for (size_t i = 0; i < n; i++)
		buf_put_u64(out, sample_bits(&bits));
}

static void
make_bundle(const char *job, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < 3000; i++)
		buf_puts(out, job);
}

/* The child -------------------------------------------------------------------------------------------------------*/

static int acks; /* the pipe */
static uint64_t chance;

static void __attribute__((format(printf, 1, 2))) tell(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n > 0 && write(acks, line, (size_t)n) != n) /* short enough to arrive whole or not at all */
		_exit(2);
}

static void
need(enum status status)
{
	if (status) {
		tell("F %s: %s\n", err.code, err.msg);
		_exit(1);
	}
}

static void
work_upload(struct store *s)
{
	size_t n_chunks = 1 + sample_bits(&chance) % 3, n_rows = 1 + sample_bits(&chance) % 1500;
	uint64_t seed = sample_bits(&chance) % 1000000;
	bool abandon = sample_bits(&chance) % 4 == 0;
	struct dataset_summary summary = {0};
	struct store_upload *u = NULL;
	char name[64], id[STORE_ID_SIZE];
	struct table t = {0};

	snprintf(name, sizeof name, "%llu %zu %zu", (unsigned long long)seed, n_rows, n_chunks);
	need(sample_table_init(&t, N_COLUMNS, &err));
	need(store_upload_begin(s, name, "c4", &u, &err));
	for (size_t i = 0; i < n_chunks; i++) {
		need(sample_table_fill(&t, n_rows, seed + i, &err));
		need(store_upload_chunk(u, &t, i, &err));
		if (abandon && i == 0)
			need(store_upload_restart(u, &err));
		if (abandon)
			break;
	}
	if (!abandon) {
		need(sample_summary(&summary, N_COLUMNS, n_rows * n_chunks, &err));
		need(store_upload_finish(u, &summary, id, &err));
		tell("D %s\n", id);
		note_dataset(id);
	}
	store_upload_free(u);
	dataset_summary_release(&summary);
	table_release(&t);
}

static void
work_delete(struct store *s)
{
	size_t n_there = 0;

	for (size_t i = 0; i < n_datasets; i++)
		n_there += !datasets[i].gone;
	for (size_t i = 0; i < n_datasets && n_there > KEEP_DATASETS; i++) {
		struct known_dataset *d = &datasets[i];
		enum status status;

		if (d->gone)
			continue;
		tell("x %s\n", d->id);
		status = store_dataset_delete(s, d->id, 0, &err);
		if (status && !strcmp(err.code, "dataset_in_use"))
			continue;
		need(status);
		tell("X %s\n", d->id);
		d->gone = true;
		n_there--;
	}
}

static void
work_job(struct store *s)
{
	char id[STORE_ID_SIZE], model[STORE_ID_SIZE];
	struct buf bytes = {0};
	struct job j = {0};
	size_t step = 0;
	enum job_wish wish;
	bool found;

	for (size_t i = n_datasets; i-- > 0;)
		if (!datasets[i].gone) {
			need(store_job_add(s,
				&(struct new_job){.type = "train", .dataset = datasets[i].id, .params = "{}"}, SIZE_MAX,
				id, &err));
			tell("J %s\n", id);
			break;
		}
	need(store_job_claim(s, &j, &found, &err));
	if (!found)
		return;
	tell("C %s %zu\n", j.id, j.attempt);
	need(store_checkpoint_get(s, j.id, &bytes, &err));
	if (bytes.len) {
		struct reader in = reader_over(bytes.data, bytes.len);

		step = (size_t)reader_u64(&in);
	}
	for (size_t i = 0; i < 4; i++) {
		step++;
		need(store_job_progress(s, j.id,
			&(struct job_progress){.phase = "training", .step = step, .steps = 100, .metrics = "{}"}, &wish,
			&err));
		make_checkpoint(step, &bytes);
		need(store_checkpoint_put(s, j.id, bytes.data, bytes.len, &err));
		tell("P %s %zu\n", j.id, step);
	}
	make_bundle(j.id, &bytes);
	tell("s %s\n", j.id);
	need(store_job_succeed(s, j.id, "{}", "m", "{}", bytes.data, bytes.len, model, &err));
	tell("S %s\n", j.id);
	buf_release(&bytes);
	job_release(&j);
}

static void
work_until_killed(uint64_t seed)
{
	struct store *s = NULL;

	chance = seed;
	need(store_open(dir, &s, &err));
	for (;;) {
		work_upload(s);
		work_delete(s);
		work_job(s);
	}
}

/* The parent ------------------------------------------------------------------------------------------------------*/

static void
hear(char *line)
{
	char *save = NULL, *what = strtok_r(line, " ", &save), *id = strtok_r(NULL, " ", &save);
	char *number = strtok_r(NULL, " ", &save);
	struct known_job *j;

	assert_non_null(id);
	if (*what == 'F')
		fail_msg("the child: %s %s %s", id, number ? number : "", save ? save : "");
	if (strchr("DxX", *what)) {
		struct known_dataset *d = note_dataset(id);

		d->may_be_gone |= *what == 'x';
		d->gone |= *what == 'X';
		return;
	}
	j = note_job(id);
	switch (*what) {
	case 'J':
		j->state = JOB_QUEUED;
		break;
	case 'C':
		j->state = JOB_RUNNING;
		j->attempt = strtoul(number, NULL, 10);
		break;
	case 'P':
		j->checkpoint = strtoul(number, NULL, 10);
		break;
	case 's':
		j->ending = true;
		break;
	case 'S':
		j->state = JOB_SUCCEEDED;
		break;
	default:
		fail_msg("\"%s\"?", what);
	}
}

static void
hear_all(int fd)
{
	struct buf all = {0};
	char *save = NULL, *line;
	char piece[65536];
	ssize_t n;

	while ((n = read(fd, piece, sizeof piece)) > 0)
		buf_put(&all, piece, (size_t)n);
	buf_put_u8(&all, 0);
	assert_false(all.failed);
	for (line = strtok_r((char *)all.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		hear(line);
	buf_release(&all);
}

/* Every data set that is listed is whole, as its name says. */
static void
check_dataset(struct store *s, const struct dataset *listed)
{
	struct table expected = {0}, got = {0};
	unsigned long long seed;
	struct dataset d = {0};
	size_t n_rows, n_chunks;

	assert_int_equal(sscanf(listed->name, "%llu %zu %zu", &seed, &n_rows, &n_chunks), 3);
	assert_ok(store_dataset_get(s, listed->id, &d, &err));
	assert_int_equal(d.summary.n_rows, n_rows * n_chunks);
	assert_int_equal(d.summary.n_columns, N_COLUMNS);
	assert_int_equal(d.summary.n_classes, 3);
	dataset_release(&d);
	assert_ok(sample_table_init(&expected, N_COLUMNS, &err));
	assert_ok(sample_table_init(&got, N_COLUMNS, &err));
	for (size_t i = 0; i < n_chunks; i++) {
		assert_ok(sample_table_fill(&expected, n_rows, seed + i, &err));
		assert_ok(store_dataset_chunk(s, listed->id, i, &got, &err));
		assert_null(sample_tables_differ(&expected, &got));
	}
	assert_int_equal(store_dataset_chunk(s, listed->id, n_chunks, &got, &err), ERR_NOT_FOUND);
	table_release(&expected);
	table_release(&got);
}

static void
check_datasets(struct store *s)
{
	struct dataset *list = NULL, d = {0};
	size_t n = 0, n_unheard = 0;

	assert_ok(store_dataset_list(s, NULL, SIZE_MAX, &list, &n, &err));
	for (size_t i = 0; i < n; i++) {
		struct known_dataset *known = find_dataset(list[i].id);

		if (!known)
			n_unheard++;
		else if (known->gone)
			fail_msg("%s was deleted and is there", known->id);
		check_dataset(s, &list[i]);
		note_dataset(list[i].id);
		dataset_release(&list[i]);
	}
	free(list);
	assert_true(n_unheard <= 1); /* stored, and killed before it could say so */
	for (size_t i = 0; i < n_datasets; i++) {
		if (store_dataset_get(s, datasets[i].id, &d, &err)) {
			if (!datasets[i].gone && !datasets[i].may_be_gone)
				fail_msg("%s was acknowledged and is lost", datasets[i].id);
			datasets[i].gone = true;
		}
		datasets[i].may_be_gone = false;
		dataset_release(&d);
	}
}

static size_t
count_events(struct store *s, const char *job, const char *code)
{
	struct job_event *list = NULL;
	size_t n = 0, count = 0;

	assert_ok(store_event_list(s, job, 0, SIZE_MAX, &list, &n, &err));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].seq, i + 1);
		count += !strcmp(list[i].code, code);
		job_event_release(&list[i]);
	}
	free(list);
	return count;
}

static void
check_model(struct store *s, const struct job *j)
{
	struct model_record m = {0};
	struct buf expected = {0}, got = {0};

	assert_non_null(j->model);
	assert_ok(store_model_get(s, j->model, &m, &err));
	assert_string_equal(m.job, j->id);
	assert_ok(store_model_bundle(s, j->model, &got, NULL, &err));
	make_bundle(j->id, &expected);
	assert_int_equal(got.len, expected.len);
	assert_memory_equal(got.data, expected.data, got.len);
	model_record_release(&m);
	buf_release(&expected);
	buf_release(&got);
}

/* The checkpoint is the one acknowledged last or the one after it, and whole. */
static void
check_checkpoint(struct store *s, struct known_job *known, enum job_state state)
{
	struct buf expected = {0}, got = {0};
	struct reader in;
	size_t step;

	assert_ok(store_checkpoint_get(s, known->id, &got, &err));
	if (state != JOB_QUEUED) {
		assert_int_equal(got.len, 0);
	} else if (!got.len) {
		assert_int_equal(known->checkpoint, 0);
	} else {
		in = reader_over(got.data, got.len);
		step = (size_t)reader_u64(&in);
		assert_in_range(step, known->checkpoint, known->checkpoint + 1);
		make_checkpoint(step, &expected);
		assert_int_equal(got.len, expected.len);
		assert_memory_equal(got.data, expected.data, got.len);
		known->checkpoint = step;
	}
	buf_release(&expected);
	buf_release(&got);
}

static void
check_jobs(struct store *s)
{
	struct job *list = NULL;
	size_t n = 0, n_known = n_jobs, n_succeeded = 0;
	struct model_record *models = NULL;

	assert_ok(store_job_list(s, NULL, SIZE_MAX, &list, &n, &err));
	for (size_t i = 0; i < n; i++) {
		struct known_job *known = note_job(list[i].id);

		assert_true(list[i].state == JOB_QUEUED || list[i].state == JOB_SUCCEEDED);
		if (list[i].state == JOB_SUCCEEDED) {
			n_succeeded++;
			if (known->state != JOB_SUCCEEDED)
				assert_true(known->ending);
			check_model(s, &list[i]);
		} else {
			assert_null(list[i].model);
			if (known->state == JOB_RUNNING)
				assert_int_equal(list[i].attempt, known->attempt + 1);
			else /* perhaps claimed, and killed before it could say so */
				assert_in_range(list[i].attempt, known->attempt, known->attempt + 1);
			assert_int_not_equal(known->state, JOB_SUCCEEDED);
		}
		assert_int_equal(count_events(s, list[i].id, "requeued_after_crash"), list[i].attempt - 1);
		check_checkpoint(s, known, list[i].state);
		known->state = list[i].state;
		known->attempt = list[i].attempt;
		known->ending = false;
		job_release(&list[i]);
	}
	free(list);
	assert_int_equal(n, n_jobs); /* none lost, */
	assert_true(n_jobs - n_known <= 1);

	assert_ok(store_model_list(s, NULL, SIZE_MAX, &models, &n, &err)); /* and no model without its job */
	assert_int_equal(n, n_succeeded);
	while (n)
		model_record_release(&models[--n]);
	free(models);
}

/* Until the child has written so many bytes, or is no more. However slow the machine is, it has done that much. */
static void
await_words(pid_t child, int fd, int n_bytes)
{
	int written = 0;

	while (!ioctl(fd, FIONREAD, &written) && written < n_bytes) {
		siginfo_t ended = {0};

		assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
		if (ended.si_pid == child)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
}

/* Lets a child work on the store and kills it when it has acknowledged so much, and so many microseconds later. */
static void
kill_after(uint64_t seed, int n_bytes, long microseconds)
{
	int pipes[2], status = 0;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20); /* best effort: a child that waits for us would be killed idle */
	child = fork();
	if (!child) {
		acks = pipes[1];
		work_until_killed(seed);
	}
	assert_true(child > 0);
	close(pipes[1]);
	await_words(child, pipes[0], n_bytes);
	nanosleep(&(struct timespec){microseconds / 1000000, microseconds % 1000000 * 1000}, NULL);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	hear_all(pipes[0]); /* first, for what it says of a failure */
	close(pipes[0]);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
what_was_acknowledged_survives_kill_9_and_nothing_is_there_by_halves(void **state)
{
	uint64_t moments = 20101004230;
	struct store *s = NULL;

	(void)state;
	assert_true(scratch_make(dir));
	n_datasets = n_jobs = 0;
	for (size_t i = 0; i < N_KILLS; i++) {
		/* half of them before it has said anything, perhaps */
		kill_after(i, i % 2 ? (int)(sample_bits(&moments) % 400) : 0,
			(long)(5000 + sample_bits(&moments) % 200000));
		assert_ok(store_open(dir, &s, &err));
		assert_ok(store_check(s, &err));
		check_datasets(s);
		check_jobs(s);
		store_close(s);
	}
	assert_true(n_datasets > 0 && n_jobs > 0); /* else nothing was tried */
	if (getenv("VERAD_TEST_VERBOSE"))
		print_message("%zu data sets, %zu jobs\n", n_datasets, n_jobs);
	scratch_remove(dir);
}

static void
a_kill_while_the_store_is_made_leaves_one_that_opens(void **state)
{
	uint64_t moments = 1;
	struct store *s = NULL;

	(void)state;
	for (size_t i = 0; i < 15; i++) {
		assert_true(scratch_make(dir));
		n_datasets = n_jobs = 0;
		kill_after(i, 0, (long)(sample_bits(&moments) % 20000));
		assert_ok(store_open(dir, &s, &err));
		assert_ok(store_check(s, &err));
		check_datasets(s);
		check_jobs(s);
		store_close(s);
		scratch_remove(dir);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_survives_kill_9_and_nothing_is_there_by_halves),
		cmocka_unit_test(a_kill_while_the_store_is_made_leaves_one_that_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
