/*
 * paper_tables: accuracy with ten labels a class, by every method of the engine, and with all labels: the paper's
 * table, on every set of DATA and on the paper's own sets where they are (originals.h). A run goes as a user's file
 * goes (protocol.h), with the method's name and few other parameters.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/metric.h"
#include "server/json.h"
#include "tests/bench/originals.h"
#include "tests/bench/page.h"
#include "tests/bench/paper.h"
#include "tests/bench/protocol.h"

enum { LABELS = 10, MAX_SETS = 64 };

static const char *const columns[] = {"supervised", "vat", "meg", "jem", "vera", "full"};
static const char *const headings[] = {
	"set", "runs", "supervised", "VAT", "MEG", "JEM", "VERA", "full labels, supervised", "seconds, VERA", NULL};
enum { SUPERVISED, VAT, MEG, JEM, VERA, FULL, N_COLUMNS };
_Static_assert(sizeof columns / sizeof *columns == N_COLUMNS, "a name for each");

/* As remembered from the paper's table, in per cent; NaN: not remembered. In the order of `columns`. */
struct remembered {
	const char *set, *here; /* what stands for it in DATA */
	double percent[N_COLUMNS];
};

static const struct remembered remembered[] = {
	{"HEPMASS", NULL, {81.2, 86.7, NAN, NAN, 88.3, 90.9}},
	{"CROP", NULL, {87.8, 94.5, NAN, NAN, 94.9, 99.7}},
	{"HUMAN", NULL, {81.0, 84.0, NAN, NAN, 89.9, 98.0}},
	{"MNIST", "mnist", {91.0, 98.6, NAN, NAN, 98.6, 99.5}},
};
enum { N_REMEMBERED = sizeof remembered / sizeof *remembered };

static const char *
originals_folder(void)
{
	const char *folder = getenv("ORIGINALS");

	return folder && *folder ? folder : NULL;
}

/* ---- A run -------------------------------------------------------------------------------------------------- */

static enum status
read_original(const struct cell *c, const char *name, struct dataset *d, unsigned char **role, struct err *e)
{
	const size_t rows = cell_count(c, "rows");
	enum original which = 0;
	enum status s;

	while (which + 1 < N_ORIGINALS && strcmp(original_names[which], name) != 0)
		which++;
	if ((s = original_read(originals_folder(), which, rows ? rows : SIZE_MAX, d, e)))
		return s;
	if (!(*role = malloc(d->n_rows + 1)))
		return err_nomem(e);
	return original_split(d, LABELS, cell_count(c, "split"), *role, e);
}

static enum status
read_set(const struct paper *p, const struct cell *c, struct dataset *d, unsigned char **role, struct err *e)
{
	char name[64];
	enum status s;

	if (*cell_text(c, "original", name, sizeof name))
		return read_original(c, name, d, role, e);
	cell_text(c, "set", name, sizeof name);
	if ((s = dataset_read(p->runs.data, name, d, e)))
		return s;
	if (!(*role = malloc(d->n_rows + 1)))
		return err_nomem(e);
	return dataset_split(p->runs.data, name, cell_count(c, "split"), d, *role, e);
}

static enum status
work(const struct paper *p, const struct cell *c, struct json_build *b, cJSON *result, struct err *e)
{
	struct dataset d = {0};
	struct trained t = {0};
	struct metrics m = {0};
	struct params params;
	unsigned char *role = NULL;
	enum status s;

	if ((s = protocol_params(c->params, &params, e)) || (s = read_set(p, c, &d, &role, e)))
		goto out;
	for (size_t i = 0; cell_count(c, "full") && i < d.n_rows; i++)
		role[i] = role[i] == ROLE_UNLABELLED && *dataset_label(&d, i) ? ROLE_LABELLED : role[i];
	if ((s = protocol_train(&d, role, true, &params, &t, e)) || (s = protocol_measure(t.bundle, &d, role, &m, e)))
		goto out;
	json_put_number(b, result, "accuracy", m.accuracy);
	json_put_number(b, result, "log_loss", m.log_loss);
	json_put_number(b, result, "ece", m.ece);
	json_put_count(b, result, "rows", t.n_rows);
	json_put_count(b, result, "labelled", t.n_labelled);
	json_put_count(b, result, "features", t.n_features);
	json_put_count(b, result, "tested", m.n);
	json_put_number(b, result, "seconds", t.seconds);
out:
	metrics_release(&m);
	trained_release(&t);
	dataset_release(&d);
	free(role);
	return s;
}

/* ---- The plan ----------------------------------------------------------------------------------------------- */

/* The networks of the paper, for its own sets in full. */
#define PAPER_NETWORKS                                                                                                 \
	" hidden_layers=1000,500,500,250,250,250 generator_layers=500,500,500 noise_dim=128 importance_samples=20 "    \
	"learning_rate=0.0001 generator_learning_rate=0.0001 steps=20000"

static enum status
add(struct paper *p, const char *set, size_t split, bool original, struct err *e)
{
	const bool own = original || strcmp(set, "mnist") == 0;
	char rows[48] = "";

	if (original && getenv("ROWS") && *getenv("ROWS"))
		snprintf(rows, sizeof rows, " rows=%.20s", getenv("ROWS"));
	for (size_t m = 0; m < N_COLUMNS; m++) {
		struct cell *c = paper_add(p, &paper_tables, e, "%s split %zu %s", set, split + 1, columns[m]);

		if (!c)
			return e->status;
		snprintf(c->settings, sizeof c->settings, "%s=%s split=%zu full=%d%s", original ? "original" : "set",
			set, split, m == FULL, rows);
		snprintf(c->params, sizeof c->params, "method=%s seed=%zu evaluation_folds=0 base_measure=none%s%s%s",
			m == FULL ? "supervised" : columns[m], split + 1,
			BY_PROFILE(p, " steps=20 hidden_layers=16 generator_layers=16 noise_dim=4",
				" steps=2000 hidden_layers=128,128 generator_layers=128,128 noise_dim=16",
				own ? PAPER_NETWORKS : ""),
			*p->runs.changed ? " " : "", p->runs.changed);
	}
	return OK;
}

static enum status
plan_sets(struct paper *p, struct err *e)
{
	static const char *const quick[] = {"segmentation", "optdigits", "har6_1490", NULL}, *const tiny[] = {
												     "penguins", NULL};
	char **named = NULL, **found = NULL;
	enum status s = OK;

	if ((s = runs_sets(&named, e)) ||
		(!named && p->profile == PROFILE_FULL && (s = dataset_names(p->runs.data, NULL, &found, e))))
		goto out;
	for (const char *const *set = named                        ? (const char *const *)named
				      : p->profile == PROFILE_FULL ? (const char *const *)found
				      : p->profile == PROFILE_TINY ? tiny
								   : quick;
		*set && !s; set++) {
		size_t n = 0;

		if (!dataset_has_splits(p->runs.data, *set)) {
			if (!named)
				continue;
			s = err_set(e, ERR_DATA, "no_such_set", "\"%.200s\" has no \"%.60s\" with a splits.json",
				p->runs.data, *set);
			break;
		}
		s = dataset_n_splits(p->runs.data, *set, &n, e);
		n = n < p->runs.n_splits ? n : p->runs.n_splits;
		n = p->profile == PROFILE_FULL ? n : 1;
		for (size_t split = 0; split < n && !s; split++)
			s = add(p, *set, split, false, e);
	}
out:
	dataset_names_free(named);
	dataset_names_free(found);
	return s;
}

static enum status
plan(struct paper *p, struct err *e)
{
	size_t n_splits = BY_PROFILE(p, 1, 1, 5);
	enum status s = p->runs.data ? plan_sets(p, e) : OK;

	n_splits = n_splits < p->runs.n_splits ? n_splits : p->runs.n_splits;
	for (enum original which = 0; originals_folder() && which < N_ORIGINALS; which++)
		for (size_t split = 0; split < n_splits && !s; split++)
			if (original_is_there(originals_folder(), which))
				s = add(p, original_names[which], split, true, e);
	return s;
}

/* ---- The report --------------------------------------------------------------------------------------------- */

struct line {
	char set[64];
	size_t n[N_COLUMNS];
	double sum[N_COLUMNS], squares[N_COLUMNS], seconds;
};

static size_t
collect(const struct paper *p, struct line line[MAX_SETS])
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cell[i];
		char set[64];
		size_t at = 0, m = 0;
		double v;

		if (c->of != &paper_tables || !c->result)
			continue;
		if (!*cell_text(c, "set", set, sizeof set))
			cell_text(c, "original", set, sizeof set);
		while (at < n && strcmp(line[at].set, set) != 0)
			at++;
		if (at == MAX_SETS)
			continue;
		if (at == n) {
			line[n] = (struct line){0};
			memcpy(line[n++].set, set, sizeof set);
		}
		while (m + 1 < N_COLUMNS && strcmp(strrchr(c->name, ' ') + 1, columns[m]) != 0)
			m++;
		v = result_number(c->result, NULL, "accuracy");
		line[at].n[m]++;
		line[at].sum[m] += v;
		line[at].squares[m] += v * v;
		if (m == VERA)
			line[at].seconds += result_number(c->result, NULL, "seconds");
	}
	return n;
}

static void
write_line(FILE *out, const struct line *l)
{
	page_row(out);
	page_name(out, l->set);
	page_number(out, 0, (double)l->n[0]);
	for (size_t m = 0; m < N_COLUMNS; m++) {
		const double n = (double)l->n[m], mean = l->sum[m] / n;

		page_with_error(out, 1, 100 * mean, n > 1 ? 100 * sqrt(fmax(0, l->squares[m] / n - mean * mean)) : NAN);
	}
	page_number(out, 0, l->seconds / (double)l->n[VERA]);
	page_row_end(out);
}

static bool
was_run(const struct line *line, size_t n, const struct remembered *r)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(line[i].set, r->set) == 0 || (r->here && strcmp(line[i].set, r->here) == 0))
			return true;
	return false;
}

static void
report(const struct paper *p, FILE *out)
{
	static struct line line[MAX_SETS];
	const size_t n = collect(p, line);
	struct line mean = {.set = "mean of the sets"};

	fprintf(out,
		"<p>Test accuracy in per cent with %d labels a class, the other training rows without; all methods "
		"with the same "
		"network. ± is the standard deviation over the splits.%s</p>\n",
		LABELS,
		p->profile == PROFILE_FULL
			? ""
			: " Here one split of few sets, 2,000 steps and small networks: the sets and the "
			  "networks of the paper are for the full profile.");
	if (n) {
		page_table(out, "Accuracy, %", headings, 1);
		for (size_t i = 0; i < n; i++) {
			write_line(out, &line[i]);
			for (size_t m = 0; m < N_COLUMNS; m++)
				if (line[i].n[m]) {
					mean.n[m]++;
					mean.sum[m] += line[i].sum[m] / (double)line[i].n[m];
					mean.squares[m] += pow(line[i].sum[m] / (double)line[i].n[m], 2);
				}
			mean.seconds += line[i].seconds / fmax(1, (double)line[i].n[VERA]);
		}
		if (n > 1)
			write_line(out, &mean);
		page_table_end(out);
	} else {
		fputs("<p>Not run: DATA has none of the sets.</p>\n", out);
	}
	page_table(out, "The paper’s table, recalled, not checked; with its networks and its splits", headings, 1);
	for (size_t i = 0; i < N_REMEMBERED; i++) {
		const struct remembered *r = &remembered[i];

		page_row(out);
		page_name(out, r->set);
		page_name(out, was_run(line, n, r) ? "above" : "not run here");
		for (size_t m = 0; m < N_COLUMNS; m++)
			page_number(out, 1, r->percent[m]);
		page_name(out, "");
		page_row_end(out);
	}
	page_table_end(out);
	fputs("<p>Not to be had here, of the paper’s sets:", out);
	for (enum original which = 0; which < N_ORIGINALS; which++)
		if (!originals_folder() || !original_is_there(originals_folder(), which))
			fprintf(out, " %s,", original_names[which]);
	fprintf(out,
		"%s so that those lines have nothing of this program beside them. Who has their files sets ORIGINALS "
		"to the folder "
		"(see <code>tests/bench/README.md</code>). har6_1490 is a part of a redone HUMAN.</p>\n",
		p->has_mnist ? "" : " MNIST,");
}

static void
claims(struct paper *p)
{
	static struct line line[MAX_SETS];
	const size_t n = collect(p, line);
	double mean[N_COLUMNS] = {0};

	for (size_t i = 0; i < n; i++)
		for (size_t m = 0; m < N_COLUMNS; m++)
			mean[m] += 100 * line[i].sum[m] / (double)line[i].n[m] / (double)n;
	paper_claim(p, &paper_tables, n ? fmax(mean[SUPERVISED], fmax(mean[VAT], mean[JEM])) - mean[VERA] : (double)NAN,
		"points",
		"Ten labels a class: VERA is above the supervised network, VAT and JEM in the mean of the sets",
		"%zu sets: VERA %.1f%%; supervised %.1f, VAT %.1f, MEG %.1f, JEM %.1f", n, mean[VERA], mean[SUPERVISED],
		mean[VAT], mean[MEG], mean[JEM]);
}

const struct experiment paper_tables = {
	.name = "tables",
	.title = "4. Tables with ten labels a class",
	.plan = plan,
	.work = work,
	.report = report,
	.claims = claims,
};
