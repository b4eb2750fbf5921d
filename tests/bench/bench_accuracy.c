/*
 * bench_accuracy: accuracy with ten labels a class on real tables, beside other people's classifiers.
 *
 * Every split of every classification set in DATA goes through protocol.h: training with the program's defaults, test
 * rows to the stored artefact. The supervised network that each run makes for comparison answers the same rows. The
 * peers' figures are DATA/peers.json (set -> peer -> accuracy, …). Settings: see runs.h. A set's line of the table
 * comes when its last split is through; progress goes to standard error. Writes OUT/accuracy.json.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/files.h"
#include "server/json.h"
#include "tests/bench/dataset.h"
#include "tests/bench/protocol.h"
#include "tests/bench/runs.h"

enum { MAX_PEERS = 64 };

struct set {
	const char *name; /* borrowed */
	size_t n_splits, n_done, n_failed;
	cJSON *result;      /* array of the splits' results as they came; owned */
	const cJSON *peers; /* borrowed; NULL: nobody else has run it */
};

struct bench {
	struct runs runs;
	cJSON *peers; /* owned; NULL without the file */
	char **name;  /* of the sets; owned */
	struct set *set;
	size_t n_sets;
	struct run *run;  /* [n_runs], split after split of set after set */
	size_t *set_of;   /* [n_runs] */
	size_t *split_of; /* [n_runs] */
	size_t n_runs, n_failed;
};

/* One run, in a process of its own ---------------------------------------------------------------------------- */

static enum status
measure(const struct bundle *b, const struct dataset *d, const unsigned char *role, struct json_build *build, cJSON *to,
	struct err *e)
{
	struct metrics m = {0};
	enum status s = protocol_measure(b, d, role, &m, e);

	if (s)
		return s;
	json_put_count(build, to, "n_test", m.n);
	json_put_number(build, to, "accuracy", m.accuracy);
	json_put_number(build, to, "balanced_accuracy", m.balanced_accuracy);
	json_put_number(build, to, "macro_f1", m.macro_f1);
	json_put_number(build, to, "log_loss", m.log_loss);
	json_put_number(build, to, "brier", m.brier);
	json_put_number(build, to, "ece", m.ece);
	json_put_number(build, to, "macro_auroc", m.macro_auroc);
	metrics_release(&m);
	return OK;
}

/* Whether the model's report claims that its probabilities are calibrated. */
static bool
claims_calibration(const struct bundle *b)
{
	cJSON *report = cJSON_Parse(b->report);
	const bool claims = cJSON_IsTrue(json_member(json_member(report, "calibration"), "calibrated"));

	cJSON_Delete(report);
	return claims;
}

static enum status
work(void *ctx, size_t i, struct json_build *build, cJSON *result, struct err *e)
{
	const struct bench *b = ctx;
	const char *folder = b->runs.data, *set = b->set[b->set_of[i]].name;
	struct dataset d = {0};
	struct trained t = {0};
	unsigned char *role = NULL;
	enum status s;

	if ((s = dataset_read(folder, set, &d, e)))
		goto out;
	if (!(role = malloc(d.n_rows + 1))) {
		s = err_nomem(e);
		goto out;
	}
	if ((s = dataset_split(folder, set, b->split_of[i], &d, role, e)) ||
		(s = protocol_train(&d, role, true, &b->runs.params, &t, e)) ||
		(s = measure(t.bundle, &d, role, build, result, e)))
		goto out;
	json_put_count(build, result, "index", b->split_of[i]);
	json_put_text(build, result, "method", t.method);
	json_put_count(build, result, "n_rows", t.n_rows);
	json_put_count(build, result, "n_labelled", t.n_labelled);
	json_put_count(build, result, "n_features", t.n_features);
	json_put_count(build, result, "n_classes", t.bundle->n_classes);
	json_put_count(build, result, "steps", t.steps);
	json_put_number(build, result, "seconds", t.seconds);
	json_put_bool(build, result, "calibrated", claims_calibration(t.bundle));
	if (t.baseline) {
		struct model *own = t.bundle->model;

		t.bundle->model = t.baseline;
		s = measure(t.bundle, &d, role, build, json_put_object(build, result, "baseline"), e);
		t.bundle->model = own;
	}
out:
	trained_release(&t);
	dataset_release(&d);
	free(role);
	return s;
}

/* Figures of a set -------------------------------------------------------------------------------------------- */

static double
mean(const struct set *set, bool of_baseline, const char *name)
{
	return results_mean(set->result, of_baseline ? "baseline" : NULL, name);
}

static double
deviation(const struct set *set, bool of_baseline, const char *name)
{
	return results_deviation(set->result, of_baseline ? "baseline" : NULL, name);
}

static const cJSON *
best_peer(const struct set *set)
{
	const cJSON *peer, *best = NULL;

	cJSON_ArrayForEach(peer, set->peers) if (!best || result_number(peer, NULL, "accuracy") >
								  result_number(best, NULL, "accuracy")) best = peer;
	return best;
}

/* 1 = none of the peers is better. */
static size_t
rank_of(const struct set *set, size_t *n)
{
	const double accuracy = mean(set, false, "accuracy");
	const cJSON *peer;
	size_t rank = 1;

	*n = 1;
	cJSON_ArrayForEach(peer, set->peers)
	{
		rank += result_number(peer, NULL, "accuracy") > accuracy;
		++*n;
	}
	return rank;
}

static bool
complete(const struct set *set)
{
	return !set->n_failed && set->n_done == set->n_splits;
}

static void
print_head(void)
{
	printf("%-16s %6s %8s %6s %5s  %-20s %6s %6s %8s %6s %8s %8s %6s %7s\n", "set", "splits", "accuracy", "sd",
		"rank", "best peer", "", "diff", "baseline", "diff", "balanced", "log-loss", "ECE", "cpu s");
}

static void
print_set(const struct set *set)
{
	const double accuracy = mean(set, false, "accuracy"), baseline = mean(set, true, "accuracy");
	const cJSON *best = best_peer(set);
	size_t n, rank = rank_of(set, &n);
	char place[16];

	snprintf(place, sizeof place, "%zu/%zu", rank, n);
	printf("%-16s %6zu %8.4f %6.4f %5s  ", set->name, set->n_splits, accuracy, deviation(set, false, "accuracy"),
		best ? place : "-");
	if (best)
		printf("%-20s %6.4f %+6.1f ", best->string, result_number(best, NULL, "accuracy"),
			100 * (accuracy - result_number(best, NULL, "accuracy")));
	else
		printf("%-20s %6s %6s ", "-", "", "");
	printf("%8.4f %+6.1f %8.4f %8.4f %6.4f %7.0f\n", baseline, 100 * (accuracy - baseline),
		mean(set, false, "balanced_accuracy"), mean(set, false, "log_loss"), mean(set, false, "ece"),
		mean(set, false, "seconds"));
	fflush(stdout);
}

static void
done(void *ctx, size_t i, const cJSON *result, const char *code, const char *message)
{
	struct bench *b = ctx;
	struct set *set = &b->set[b->set_of[i]];

	set->n_done++;
	if (result && results_insert(set->result, result)) {
		fprintf(stderr, "  %s, split %zu: %.4f, baseline %.4f, %.0f s\n", set->name, b->split_of[i] + 1,
			result_number(result, NULL, "accuracy"), result_number(result, "baseline", "accuracy"),
			result_number(result, NULL, "seconds"));
	} else {
		set->n_failed++;
		b->n_failed++;
		fprintf(stderr, "  %s, split %zu: failed: %s (%s)\n", set->name, b->split_of[i] + 1,
			result ? "out of memory" : message, result ? "out_of_memory" : code);
	}
	if (set->n_done == set->n_splits && complete(set))
		print_set(set);
}

/* Whether the models of all splits claim to be calibrated. */
static bool
calibrated(const struct set *set)
{
	const cJSON *result;

	cJSON_ArrayForEach(result, set->result) if (!cJSON_IsTrue(json_member(result, "calibrated"))) return false;
	return true;
}

/* Over the sets ----------------------------------------------------------------------------------------------- */

struct contender {
	const char *name;
	double sum;
	size_t n; /* sets it was run on */
};

static int
by_mean(const void *a, const void *b)
{
	const struct contender *x = a, *y = b;
	const double mx = x->sum / (double)x->n, my = y->sum / (double)y->n;

	return mx < my ? 1 : mx > my ? -1 : strcmp(x->name, y->name);
}

static void
add(struct contender *list, size_t *n, const char *name, double accuracy)
{
	size_t i = 0;

	while (i < *n && strcmp(list[i].name, name) != 0)
		i++;
	if (i == MAX_PEERS)
		return;
	if (i == *n)
		list[(*n)++] = (struct contender){.name = name};
	list[i].sum += accuracy;
	list[i].n++;
}

/* The means over the sets that are complete and have peers, so that all means are over the same tables. */
static void
compare(const struct bench *b, struct json_build *build, cJSON *root)
{
	struct contender list[MAX_PEERS];
	double own = 0, baseline = 0, of_best = 0, ece = 0, claimed = 0;
	size_t n_list = 0, n = 0, n_claimed = 0, wins = 0, ties = 0, below = 0;
	cJSON *to, *means;

	for (size_t i = 0; i < b->n_sets; i++) {
		const struct set *set = &b->set[i];
		const cJSON *best = best_peer(set), *peer;
		double accuracy;

		if (!complete(set) || !best)
			continue;
		accuracy = mean(set, false, "accuracy");
		n++;
		own += accuracy;
		baseline += mean(set, true, "accuracy");
		ece += mean(set, false, "ece");
		if (calibrated(set)) {
			claimed += mean(set, false, "ece");
			n_claimed++;
		}
		of_best += result_number(best, NULL, "accuracy");
		wins += accuracy > result_number(best, NULL, "accuracy");
		ties += accuracy == result_number(best, NULL, "accuracy");
		cJSON_ArrayForEach(peer, set->peers)
			add(list, &n_list, peer->string, result_number(peer, NULL, "accuracy"));
	}
	if (!n)
		return;
	qsort(list, n_list, sizeof *list, by_mean);
	own /= (double)n;
	baseline /= (double)n;
	of_best /= (double)n;
	ece /= (double)n;

	to = json_put_object(build, root, "over_sets");
	json_put_count(build, to, "n_sets", n);
	json_put_number(build, to, "verad", own);
	json_put_number(build, to, "baseline", baseline);
	json_put_number(build, to, "best_peer_of_each_set", of_best);
	json_put_count(build, to, "wins", wins);
	json_put_count(build, to, "ties", ties);
	json_put_count(build, to, "losses", n - wins - ties);
	json_put_number(build, to, "ece", ece);
	json_put_count(build, to, "n_calibrated_sets", n_claimed);
	if (n_claimed)
		json_put_number(build, to, "ece_where_calibrated", claimed / (double)n_claimed);
	means = json_put_object(build, to, "peers");

	printf("\nMean accuracy over %zu set%s\n", n, n == 1 ? "" : "s");
	printf("  %-24s %.4f   ECE %.4f", "verad", own, ece);
	if (n_claimed)
		printf(", %.4f over the %zu where the reports claim calibration", claimed / (double)n_claimed,
			n_claimed);
	printf("\n");
	printf("  %-24s %.4f   %+.1f\n", "supervised baseline", baseline, 100 * (own - baseline));
	printf("  %-24s %.4f   %+.1f\n", "best peer of each set", of_best, 100 * (own - of_best));
	for (size_t i = 0; i < n_list; i++)
		if (list[i].n == n) {
			double m = list[i].sum / (double)n;

			json_put_number(build, means, list[i].name, m);
			printf("  %-24s %.4f   %+.1f\n", list[i].name, m, 100 * (own - m));
		}
	printf("Against the best peer of each set: %zu won, %zu tied, %zu lost\n", wins, ties, n - wins - ties);
	for (size_t i = 0; i < b->n_sets; i++) {
		const struct set *set = &b->set[i];
		double difference = mean(set, false, "accuracy") - mean(set, true, "accuracy");

		if (complete(set) && difference < -0.01)
			printf("%s%s %+.1f", below++ ? ", " : "More than a point below the own baseline: ", set->name,
				100 * difference);
	}
	printf("%s\n", below ? "" : "No set is more than a point below the own baseline");
}

static void
describe_set(const struct set *set, struct json_build *build, cJSON *to)
{
	static const char *const names[] = {
		"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "ece", "macro_auroc", "seconds"};
	const cJSON *best = best_peer(set);
	cJSON *baseline;
	size_t n, rank = rank_of(set, &n);

	json_put_count(build, to, "n_splits", (size_t)cJSON_GetArraySize(set->result));
	json_put_count(build, to, "n_failed", set->n_failed);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		json_put_number(build, to, names[i], mean(set, false, names[i]));
	json_put_number(build, to, "accuracy_sd", deviation(set, false, "accuracy"));
	baseline = json_put_object(build, to, "baseline");
	for (size_t i = 0; i + 1 < sizeof names / sizeof names[0]; i++)
		json_put_number(build, baseline, names[i], mean(set, true, names[i]));
	json_put_number(build, baseline, "accuracy_sd", deviation(set, true, "accuracy"));
	if (best) {
		json_put_count(build, to, "rank", rank);
		json_put_text(build, to, "best_peer", best->string);
		json_put(build, to, "peers", cJSON_Duplicate(set->peers, true));
	}
	json_put(build, to, "splits", cJSON_Duplicate(set->result, true));
}

static enum status
report(const struct bench *b, struct err *e)
{
	struct json_build build = {0};
	cJSON *root = json_object(&build), *sets;

	runs_describe(&b->runs, &build, root);
	sets = json_put_object(&build, root, "sets");
	for (size_t i = 0; i < b->n_sets; i++)
		describe_set(&b->set[i], &build, json_put_object(&build, sets, b->set[i].name));
	compare(b, &build, root);
	if (b->n_failed)
		printf("%zu of %zu runs failed; their sets are left out of the means\n", b->n_failed, b->n_runs);
	return runs_write(&b->runs, "accuracy", &build, root, e);
}

/* The plan ---------------------------------------------------------------------------------------------------- */

static enum status
read_peers(struct bench *b, struct err *e)
{
	struct buf text = {0};
	char path[1024];
	enum status s;

	snprintf(path, sizeof path, "%s/peers.json", b->runs.data);
	if (access(path, F_OK) != 0) {
		fprintf(stderr, "bench: there is no %s: no peers to compare with\n", path);
		return OK;
	}
	if ((s = file_read_all(path, &text, e)) || (s = json_parse(text.data, text.len, &b->peers, e)))
		err_prefix(e, "%.200s", path);
	buf_release(&text);
	return s;
}

static enum status
plan(struct bench *b, struct err *e)
{
	size_t n;
	enum status s;

	if ((s = runs_sets(&b->name, e)) || (!b->name && (s = dataset_names(b->runs.data, NULL, &b->name, e))))
		return s;
	for (n = 0; b->name[n]; n++)
		;
	if (!n)
		return err_set(e, ERR_DATA, "no_data_sets", "no folder in \"%.200s\" has a splits.json", b->runs.data);
	if (!(b->set = calloc(n, sizeof *b->set)))
		return err_nomem(e);
	for (; b->n_sets < n; b->n_sets++) {
		struct set *set = &b->set[b->n_sets];
		size_t n_splits, more;
		void *larger;

		set->name = b->name[b->n_sets];
		set->peers = json_member(b->peers, set->name);
		if (!dataset_has_splits(b->runs.data, set->name))
			return err_set(e, ERR_DATA, "no_such_set", "\"%.200s\" has no \"%.60s\" with a splits.json",
				b->runs.data, set->name);
		if ((s = dataset_n_splits(b->runs.data, set->name, &n_splits, e)))
			return s;
		set->n_splits = n_splits < b->runs.n_splits ? n_splits : b->runs.n_splits;
		if (!(set->result = cJSON_CreateArray()))
			return err_nomem(e);
		more = b->n_runs + set->n_splits;
		if (!(larger = realloc(b->run, more * sizeof *b->run)))
			return err_nomem(e);
		b->run = larger;
		if (!(larger = realloc(b->set_of, more * sizeof *b->set_of)))
			return err_nomem(e);
		b->set_of = larger;
		if (!(larger = realloc(b->split_of, more * sizeof *b->split_of)))
			return err_nomem(e);
		b->split_of = larger;
		for (size_t k = 0; k < set->n_splits; k++, b->n_runs++) {
			struct run *run = &b->run[b->n_runs];

			snprintf(run->name, sizeof run->name, "%s/%zu", set->name, k);
			run->stamp = dataset_stamp(b->runs.data, set->name);
			b->set_of[b->n_runs] = b->n_sets;
			b->split_of[b->n_runs] = k;
		}
	}
	return OK;
}

static void
bench_release(struct bench *b)
{
	for (size_t i = 0; b->set && b->name && b->name[i]; i++)
		cJSON_Delete(b->set[i].result);
	free(b->set);
	free(b->run);
	free(b->set_of);
	free(b->split_of);
	dataset_names_free(b->name);
	cJSON_Delete(b->peers);
	runs_close(&b->runs);
}

int
main(void)
{
	struct bench b = {0};
	const struct runs_handler handler = {.work = work, .done = done, .ctx = &b};
	struct err e = {0};
	enum status s;

	if ((s = runs_open(&b.runs, "accuracy", true, &e)) || (s = read_peers(&b, &e)) || (s = plan(&b, &e)))
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
