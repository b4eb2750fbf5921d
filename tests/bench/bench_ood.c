/*
 * bench_ood: out-of-distribution scores on real tables, beside scikit-learn's detectors on the same rows.
 *
 * Anomalies: of a set of DATA whose name begins with "adbench_", a model is trained on 70% of the normal rows, without
 * labels; the other normal rows and all anomalies are scored. Unseen classes: of a classification set's first split,
 * one class is left out of the training table, and its test rows are to score above the others'; each class in turn, at
 * most MAX_CLASSES. Models and scores come through protocol.h; the detectors (ood_peers.py) get the rows as the model's
 * own encoder makes them. Settings: see runs.h; SPLITS are repetitions with other 70% (3), ALL=1 takes every
 * classification set in place of a cheap few, PYTHON=… is the interpreter that has scikit-learn. Writes OUT/ood.json.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/metric.h"
#include "engine/rng.h"
#include "server/files.h"
#include "server/json.h"
#include "tests/bench/dataset.h"
#include "tests/bench/protocol.h"
#include "tests/bench/runs.h"

enum { MAX_CLASSES = 10, N_REPETITIONS = 3 };

static const char anomaly_prefix[] = "adbench_";
static const char *const cheap[] = {"penguins", "segmentation", "waveform40", "optdigits"};

/* As ood_peers.py calls them. */
static const char *const peer_names[] = {"IsolationForest", "OneClassSVM", "LocalOutlierFactor", "GaussianMixture"};
enum { N_PEERS = sizeof peer_names / sizeof peer_names[0] };

enum protocol { ANOMALIES, UNSEEN_CLASSES, N_PROTOCOLS };
static const char *const protocol_names[] = {"anomalies", "unseen_classes"};

struct set {
	const char *name; /* borrowed */
	enum protocol protocol;
	char **left_out; /* [n_runs] class texts of UNSEEN_CLASSES; owned, NULL-terminated */
	size_t n_runs, n_done, n_failed, n_refused;
	cJSON *result; /* array; owned */
};

struct bench {
	struct runs runs;
	char **name; /* of the sets; owned */
	struct set *set;
	size_t n_sets;
	struct run *run;  /* [n_runs], all of one set, then the next */
	size_t *set_of;   /* [n_runs] */
	size_t *index_of; /* [n_runs]: repetition or class within the set */
	size_t n_runs, n_failed;
	char refusal[400]; /* why training would not do without labels; "" = it did */
};

/* Peers ------------------------------------------------------------------------------------------------------- */

static void
put_rows(struct buf *out, const struct rows *rows)
{
	float *row = malloc((rows->d + 1) * sizeof *row);

	for (size_t i = 0; row && i < rows->n; i++) {
		rows_expand(rows, NULL, i, 1, row);
		buf_put_f32s(out, row, rows->d);
	}
	out->failed |= !row;
	free(row);
}

static enum status
write_rows(const char *path, const struct bundle *b, const struct dataset *d, const unsigned char *role, struct err *e)
{
	unsigned char *take = malloc(d->n_rows + 1);
	struct rows train = {0}, test = {0};
	struct buf out = {0};
	enum status s = OK;

	if (!take)
		return err_nomem(e);
	for (size_t i = 0; i < d->n_rows; i++)
		take[i] = role[i] == ROLE_LABELLED || role[i] == ROLE_UNLABELLED;
	if ((s = protocol_encode(b, d, take, &train, e)))
		goto out;
	for (size_t i = 0; i < d->n_rows; i++)
		take[i] = role[i] == ROLE_TEST;
	if ((s = protocol_encode(b, d, take, &test, e)))
		goto out;
	buf_put_u64(&out, train.n);
	buf_put_u64(&out, test.n);
	buf_put_u64(&out, train.d);
	put_rows(&out, &train);
	put_rows(&out, &test);
	if (!(s = buf_status(&out, e)))
		s = file_replace(path, out.data, out.len, e);
out:
	rows_release(&train);
	rows_release(&test);
	buf_release(&out);
	free(take);
	return s;
}

static enum status
run_script(const char *rows_path, const char *scores_path, struct err *e)
{
	const char *python = getenv("PYTHON");
	int how = 0;
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) < 0)
		return err_set(e, ERR_IO, "io_error", "no process: %s", strerror(errno));
	if (!pid) {
		/* One thread a process here as well. */
		setenv("OMP_NUM_THREADS", "1", 1);
		setenv("OPENBLAS_NUM_THREADS", "1", 1);
		execlp(python && *python ? python : "/usr/bin/python3", "python3", "tests/bench/ood_peers.py",
			rows_path, scores_path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &how, 0);
	if (how)
		return err_set(e, ERR_IO, "peers_failed",
			"tests/bench/ood_peers.py did not run to its end; is scikit-learn there (deploy/setup.sh "
			"bench)?");
	return OK;
}

/* Splits the scores of the test rows by is_out[] and measures them. */
static enum status
put_measures(
	const double *score, const unsigned char *is_out, size_t n, struct json_build *build, cJSON *to, struct err *e)
{
	double *in = malloc((n + 1) * sizeof *in), *out = malloc((n + 1) * sizeof *out);
	size_t n_in = 0, n_out = 0;
	struct metric_ood m;
	enum status s;

	if (!in || !out) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		if (is_out[i])
			out[n_out++] = score[i];
		else
			in[n_in++] = score[i];
	}
	if ((s = metric_ood(in, n_in, out, n_out, &m, e)))
		goto out;
	json_put_number(build, to, "auroc", m.auroc);
	json_put_number(build, to, "average_precision", m.average_precision);
	json_put_number(build, to, "fpr_at_95_tpr", m.fpr_at_95_tpr);
out:
	free(in);
	free(out);
	return s;
}

static enum status
measure_peers(const char *scores_path, const unsigned char *is_out, size_t n, struct json_build *build, cJSON *result,
	struct err *e)
{
	struct buf file = {0};
	struct reader in;
	double *score = malloc((n + 1) * sizeof *score);
	enum status s = score ? file_read_all(scores_path, &file, e) : err_nomem(e);

	in = reader_over(file.data, file.len);
	while (!s && reader_left(&in)) {
		char *name = reader_text(&in, NULL);
		cJSON *to;
		double seconds = reader_f64(&in);

		reader_f64s(&in, score, n);
		if (!name || in.failed) {
			s = err_set(e, ERR_IO, "peers_failed", "the detectors' scores are cut short");
		} else {
			to = json_put_object(build, result, name);
			s = put_measures(score, is_out, n, build, to, e);
			json_put_number(build, to, "seconds", seconds);
		}
		free(name);
	}
	buf_release(&file);
	free(score);
	return s;
}

static enum status
peers(const struct bench *b, const struct bundle *bundle, const struct dataset *d, const unsigned char *role,
	const unsigned char *is_out, size_t n, struct json_build *build, cJSON *result, struct err *e)
{
	char rows_path[1024], scores_path[1024];
	enum status s;

	snprintf(rows_path, sizeof rows_path, "%s/ood_rows.%ld", b->runs.out, (long)getpid());
	snprintf(scores_path, sizeof scores_path, "%s/ood_scores.%ld", b->runs.out, (long)getpid());
	if (!(s = write_rows(rows_path, bundle, d, role, e)) && !(s = run_script(rows_path, scores_path, e)))
		s = measure_peers(scores_path, is_out, n, build, result, e);
	unlink(rows_path);
	unlink(scores_path);
	return s;
}

/* One run, in a process of its own ---------------------------------------------------------------------------- */

static bool
is_normal(const struct dataset *d, size_t row)
{
	return strcmp(dataset_label(d, row), "0") == 0;
}

/* 70% of the normal rows for training, the choice being the repetition's; all other rows are to be scored. */
static enum status
choose_normal(const struct dataset *d, size_t repetition, unsigned char *role, struct err *e)
{
	uint32_t *order = malloc((d->n_rows + 1) * sizeof *order);
	size_t n = 0, left;
	struct rng rng;

	if (!order)
		return err_nomem(e);
	memset(role, ROLE_TEST, d->n_rows);
	for (size_t i = 0; i < d->n_rows; i++)
		n += is_normal(d, i);
	left = n * 7 / 10;
	rng_init(&rng, repetition, 0);
	rng_permutation(&rng, order, d->n_rows);
	for (size_t i = 0; i < d->n_rows && left; i++)
		if (is_normal(d, order[i])) {
			role[order[i]] = ROLE_UNLABELLED;
			left--;
		}
	free(order);
	return OK;
}

static enum status
choose_roles(const struct bench *b, const struct set *set, size_t index, const struct dataset *d, unsigned char *role,
	struct err *e)
{
	enum status s;

	if (set->protocol == ANOMALIES)
		return choose_normal(d, index, role, e);
	if ((s = dataset_split(b->runs.data, set->name, 0, d, role, e)))
		return s;
	for (size_t i = 0; i < d->n_rows; i++)
		if (role[i] != ROLE_TEST && strcmp(dataset_label(d, i), set->left_out[index]) == 0)
			role[i] = ROLE_EXCLUDED;
	return OK;
}

static enum status
work(void *ctx, size_t i, struct json_build *build, cJSON *result, struct err *e)
{
	const struct bench *b = ctx;
	const struct set *set = &b->set[b->set_of[i]];
	const size_t index = b->index_of[i];
	struct dataset d = {0};
	struct trained t = {0};
	struct scored scored = {0};
	unsigned char *role = NULL, *is_out = NULL;
	size_t n_out = 0;
	enum status s;

	if ((s = dataset_read(b->runs.data, set->name, &d, e)))
		goto out;
	if (!(role = malloc(d.n_rows + 1)) || !(is_out = malloc(d.n_rows + 1))) {
		s = err_nomem(e);
		goto out;
	}
	if ((s = choose_roles(b, set, index, &d, role, e)) ||
		(s = protocol_train(&d, role, set->protocol == UNSEEN_CLASSES, &b->runs.params, &t, e)) ||
		(s = protocol_score(t.bundle, &d, role, ROLE_TEST, false, &scored, e)))
		goto out;
	for (size_t k = 0; k < scored.n; k++) {
		const size_t row = scored.row[k];

		is_out[k] = set->protocol == ANOMALIES ? !is_normal(&d, row)
						       : strcmp(dataset_label(&d, row), set->left_out[index]) == 0;
		n_out += is_out[k];
	}
	json_put_count(build, result, "index", index);
	if (set->protocol == UNSEEN_CLASSES)
		json_put_text(build, result, "left_out", set->left_out[index]);
	json_put_count(build, result, "n_train", t.n_rows);
	json_put_count(build, result, "n_in", scored.n - n_out);
	json_put_count(build, result, "n_out", n_out);
	json_put_number(build, result, "seconds", t.seconds);
	if (!(s = put_measures(scored.score, is_out, scored.n, build, result, e)))
		s = peers(b, t.bundle, &d, role, is_out, scored.n, build, result, e);
out:
	scored_release(&scored);
	trained_release(&t);
	dataset_release(&d);
	free(role);
	free(is_out);
	return s;
}

/* Figures ----------------------------------------------------------------------------------------------------- */

static bool
complete(const struct set *set)
{
	return set->n_runs && !set->n_failed && !set->n_refused && set->n_done == set->n_runs;
}

static void
print_head(void)
{
	printf("%-20s %-14s %4s %8s %6s %5s", "set", "", "runs", "AUROC", "sd", "rank");
	for (size_t p = 0; p < N_PEERS; p++)
		printf(" %18s", peer_names[p]);
	printf(" %8s %7s\n", "FPR@95", "cpu s");
}

static void
print_set(const struct set *set)
{
	const double own = results_mean(set->result, NULL, "auroc");
	size_t rank = 1;
	char place[16];

	for (size_t p = 0; p < N_PEERS; p++)
		rank += results_mean(set->result, peer_names[p], "auroc") > own;
	snprintf(place, sizeof place, "%zu/%d", rank, N_PEERS + 1);
	printf("%-20s %-14s %4zu %8.4f %6.4f %5s", set->name, protocol_names[set->protocol], set->n_runs, own,
		results_deviation(set->result, NULL, "auroc"), place);
	for (size_t p = 0; p < N_PEERS; p++)
		printf(" %18.4f", results_mean(set->result, peer_names[p], "auroc"));
	printf(" %8.4f %7.0f\n", results_mean(set->result, NULL, "fpr_at_95_tpr"),
		results_mean(set->result, NULL, "seconds"));
	fflush(stdout);
}

/* A table without labels is something that a method may refuse, rather than fail at. */
static bool
is_refusal(const struct set *set, const char *code)
{
	return set->protocol == ANOMALIES && strcmp(code, "no_label_column") == 0;
}

static void
done(void *ctx, size_t i, const cJSON *result, const char *code, const char *message)
{
	struct bench *b = ctx;
	struct set *set = &b->set[b->set_of[i]];
	const char *left_out = set->protocol == UNSEEN_CLASSES ? set->left_out[b->index_of[i]] : NULL;
	char which[100];

	if (left_out)
		snprintf(which, sizeof which, "without class %.60s", left_out);
	else
		snprintf(which, sizeof which, "repetition %zu", b->index_of[i] + 1);
	set->n_done++;
	if (!result && is_refusal(set, code)) {
		set->n_refused++;
		snprintf(b->refusal, sizeof b->refusal, "%s", message);
	} else if (result && results_insert(set->result, result)) {
		fprintf(stderr, "  %s, %s: %.4f", set->name, which, result_number(result, NULL, "auroc"));
		for (size_t p = 0; p < N_PEERS; p++)
			fprintf(stderr, ", %s %.4f", peer_names[p], result_number(result, peer_names[p], "auroc"));
		fprintf(stderr, "\n");
	} else {
		set->n_failed++;
		b->n_failed++;
		fprintf(stderr, "  %s, %s: failed: %s (%s)\n", set->name, which, result ? "out of memory" : message,
			result ? "out_of_memory" : code);
	}
	if (complete(set))
		print_set(set);
}

/* Means over the sets of one protocol. */
static void
compare(const struct bench *b, enum protocol protocol, struct json_build *build, cJSON *to)
{
	double own = 0, peer[N_PEERS] = {0};
	size_t n = 0;
	cJSON *list;

	for (size_t i = 0; i < b->n_sets; i++) {
		const struct set *set = &b->set[i];

		if (set->protocol != protocol || !complete(set))
			continue;
		n++;
		own += results_mean(set->result, NULL, "auroc");
		for (size_t p = 0; p < N_PEERS; p++)
			peer[p] += results_mean(set->result, peer_names[p], "auroc");
	}
	json_put_count(build, to, "n_sets", n);
	if (!n)
		return;
	own /= (double)n;
	json_put_number(build, to, "verad", own);
	list = json_put_object(build, to, "peers");
	printf("\nMean AUROC, %s, %zu set%s\n  %-20s %.4f\n", protocol == ANOMALIES ? "anomalies" : "unseen classes", n,
		n == 1 ? "" : "s", "verad", own);
	for (size_t p = 0; p < N_PEERS; p++) {
		peer[p] /= (double)n;
		json_put_number(build, list, peer_names[p], peer[p]);
		printf("  %-20s %.4f   %+.1f\n", peer_names[p], peer[p], 100 * (own - peer[p]));
	}
}

static void
describe_set(const struct set *set, struct json_build *build, cJSON *to)
{
	json_put_text(build, to, "protocol", protocol_names[set->protocol]);
	json_put_count(build, to, "n_failed", set->n_failed);
	json_put_bool(build, to, "refused", set->n_refused > 0);
	if (cJSON_GetArraySize(set->result)) {
		cJSON *list;

		json_put_number(build, to, "auroc", results_mean(set->result, NULL, "auroc"));
		json_put_number(build, to, "auroc_sd", results_deviation(set->result, NULL, "auroc"));
		json_put_number(build, to, "fpr_at_95_tpr", results_mean(set->result, NULL, "fpr_at_95_tpr"));
		json_put_number(build, to, "seconds", results_mean(set->result, NULL, "seconds"));
		list = json_put_object(build, to, "peers");
		for (size_t p = 0; p < N_PEERS; p++)
			json_put_number(build, list, peer_names[p], results_mean(set->result, peer_names[p], "auroc"));
	}
	json_put(build, to, "runs", cJSON_Duplicate(set->result, true));
}

static enum status
report(const struct bench *b, struct err *e)
{
	struct json_build build = {0};
	cJSON *root = json_object(&build), *sets, *means;

	runs_describe(&b->runs, &build, root);
	sets = json_put_object(&build, root, "sets");
	for (size_t i = 0; i < b->n_sets; i++)
		describe_set(&b->set[i], &build, json_put_object(&build, sets, b->set[i].name));
	means = json_put_object(&build, root, "over_sets");
	for (int p = 0; p < N_PROTOCOLS; p++)
		compare(b, (enum protocol)p, &build, json_put_object(&build, means, protocol_names[p]));
	if (*b->refusal)
		printf("\nAnomalies: training without labels was refused: %s\n", b->refusal);
	if (b->n_failed)
		printf("\n%zu of %zu runs failed; their sets are left out of the means\n", b->n_failed, b->n_runs);
	return runs_write(&b->runs, "ood", &build, root, e);
}

/* The plan ---------------------------------------------------------------------------------------------------- */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The classes of the first split's test rows, in byte order, at most MAX_CLASSES; none where leaving one out would
 * leave fewer than two to learn. */
static enum status
list_classes(const struct bench *b, struct set *set, struct err *e)
{
	struct dataset d = {0};
	unsigned char *role = NULL;
	const char **label = NULL;
	size_t n = 0, n_classes = 0;
	enum status s;

	if ((s = dataset_read(b->runs.data, set->name, &d, e)))
		goto out;
	if (!(role = malloc(d.n_rows + 1)) || !(label = calloc(d.n_rows + 1, sizeof *label)) ||
		!(set->left_out = calloc(MAX_CLASSES + 1, sizeof *set->left_out))) {
		s = err_nomem(e);
		goto out;
	}
	if ((s = dataset_split(b->runs.data, set->name, 0, &d, role, e)))
		goto out;
	for (size_t i = 0; i < d.n_rows; i++)
		if (role[i] == ROLE_TEST)
			label[n++] = dataset_label(&d, i);
	qsort(label, n, sizeof *label, by_text);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(label[i], label[i - 1]) != 0)
			label[n_classes++] = label[i];
	if (n_classes < 3) {
		fprintf(stderr, "bench: %s has %zu classes: without one of them there are too few to learn\n",
			set->name, n_classes);
		goto out;
	}
	for (; set->n_runs < n_classes && set->n_runs < MAX_CLASSES; set->n_runs++)
		if (!(set->left_out[set->n_runs] = strdup(label[set->n_runs]))) {
			s = err_nomem(e);
			goto out;
		}
out:
	dataset_release(&d);
	free(role);
	free(label);
	return s;
}

/* The names of the sets when SETS gives none: all anomaly sets, and the cheap ones of classification or all. */
static enum status
usual_sets(struct bench *b, struct err *e)
{
	char **anomalies = NULL, **others = NULL;
	const bool all = runs_switch("ALL");
	size_t n = 0, room = 1;
	enum status s;

	if ((s = dataset_names(b->runs.data, anomaly_prefix, &anomalies, e)) ||
		(s = dataset_names(b->runs.data, NULL, &others, e)))
		goto out;
	for (size_t i = 0; anomalies[i]; i++)
		room++;
	for (size_t i = 0; others[i]; i++)
		room++;
	if (!(b->name = calloc(room, sizeof *b->name))) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; anomalies[i] && !s; i++)
		if (!(b->name[n++] = strdup(anomalies[i])))
			s = err_nomem(e);
	for (size_t i = 0; others[i] && !s; i++) {
		bool wanted = all;

		for (size_t k = 0; k < sizeof cheap / sizeof cheap[0]; k++)
			wanted |= strcmp(others[i], cheap[k]) == 0;
		if (wanted && !(b->name[n++] = strdup(others[i])))
			s = err_nomem(e);
	}
	if (!s && !n)
		s = err_set(e, ERR_DATA, "no_data_sets", "no folder in \"%.200s\" is a data set", b->runs.data);
out:
	dataset_names_free(anomalies);
	dataset_names_free(others);
	return s;
}

static enum status
plan_runs(struct bench *b, const struct set *set, size_t set_index, struct err *e)
{
	const size_t more = b->n_runs + set->n_runs;
	void *larger;

	if (!set->n_runs)
		return OK;
	if (!(larger = realloc(b->run, more * sizeof *b->run)))
		return err_nomem(e);
	b->run = larger;
	if (!(larger = realloc(b->set_of, more * sizeof *b->set_of)))
		return err_nomem(e);
	b->set_of = larger;
	if (!(larger = realloc(b->index_of, more * sizeof *b->index_of)))
		return err_nomem(e);
	b->index_of = larger;
	for (size_t k = 0; k < set->n_runs; k++, b->n_runs++) {
		struct run *run = &b->run[b->n_runs];

		snprintf(run->name, sizeof run->name, "%s/%s/%zu", protocol_names[set->protocol], set->name, k);
		run->stamp = dataset_stamp(b->runs.data, set->name);
		b->set_of[b->n_runs] = set_index;
		b->index_of[b->n_runs] = k;
	}
	return OK;
}

static enum status
plan(struct bench *b, struct err *e)
{
	size_t n;
	enum status s;

	if ((s = runs_sets(&b->name, e)) || (!b->name && (s = usual_sets(b, e))))
		return s;
	for (n = 0; b->name[n]; n++)
		;
	if (!(b->set = calloc(n + 1, sizeof *b->set)))
		return err_nomem(e);
	for (; b->n_sets < n; b->n_sets++) {
		struct set *set = &b->set[b->n_sets];

		set->name = b->name[b->n_sets];
		set->protocol = dataset_has_splits(b->runs.data, set->name) ? UNSEEN_CLASSES : ANOMALIES;
		if (!(set->result = cJSON_CreateArray()))
			return err_nomem(e);
		if (set->protocol == ANOMALIES)
			set->n_runs = b->runs.n_splits == SIZE_MAX ? N_REPETITIONS : b->runs.n_splits;
		else if ((s = list_classes(b, set, e)))
			return s;
		if ((s = plan_runs(b, set, b->n_sets, e)))
			return s;
	}
	return OK;
}

static void
bench_release(struct bench *b)
{
	for (size_t i = 0; b->set && b->name[i]; i++) {
		cJSON_Delete(b->set[i].result);
		dataset_names_free(b->set[i].left_out);
	}
	free(b->set);
	free(b->run);
	free(b->set_of);
	free(b->index_of);
	dataset_names_free(b->name);
	runs_close(&b->runs);
}

int
main(void)
{
	struct bench b = {0};
	const struct runs_handler handler = {.work = work, .done = done, .ctx = &b};
	struct err e = {0};
	enum status s;

	if ((s = runs_open(&b.runs, "ood", true, &e)) || (s = plan(&b, &e)))
		goto out;
	printf("%zu runs, build %s, defaults%s%s\n\n", b.n_runs, b.runs.build, *b.runs.changed ? " but for " : "",
		b.runs.changed);
	print_head();
	if (!(s = runs_do(&b.runs, b.run, b.n_runs, &handler, &e)))
		s = report(&b, &e);
out:
	if (s)
		fprintf(stderr, "bench: %s\n", e.msg);
	s = s || b.n_failed;
	bench_release(&b);
	return s ? EXIT_FAILURE : EXIT_SUCCESS;
}
