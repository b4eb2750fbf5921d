/*
 * paper_jem: a joint energy model of handwritten digits, every label given, trained by VERA and by Langevin chains: the
 * same network, rows and batches, each with the rate and penalty that are best for it among a few. Accuracy over time,
 * divergence over ten seeds, calibration, and how well three scores tell other pictures from digits.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/metric.h"
#include "engine/model.h"
#include "server/json.h"
#include "tests/bench/page.h"
#include "tests/bench/paper.h"
#include "tests/bench/plot.h"
#include "tests/bench/protocol.h"
#include "tests/bench/stepper.h"

/* As the trainer has it: beyond this a loss is no loss any more. */
#define DIVERGED 1e6

enum { N_CLASSES = 10, N_JEM_METHODS = 2, BY_VERA = 0, BY_SGLD = 1, N_SEEDS = 10 };

static const char *const jem_methods[N_JEM_METHODS] = {"vera", "jem"}, *const jem_names[N_JEM_METHODS] = {
									       "JEM by VERA", "JEM by SGLD"};
/* What both are tried with: factors of the profile's rate, and weights of the gradient penalty, at each eighth step.
 */
static const double rate_factors[] = {0.5, 1, 2}, penalties[] = {0, 1, 4};
enum { N_RATES = sizeof rate_factors / sizeof *rate_factors, N_PENALTIES = sizeof penalties / sizeof *penalties };
enum { BEST_RATE = 1, BEST_PENALTY = 2 }; /* of both, in the quick profile */
static const char *const score_names[N_OOD_SCORES] = {"energy", "max_probability", "gradient_norm"};

/* ---- A run -------------------------------------------------------------------------------------------------- */

/* n pictures, from number `first` on in steps, as rows in [-1, 1]; those of the label `without` are left out. */
static enum status
take_pictures(const struct pixels *p, size_t first, size_t end, size_t n, int without, bool only, struct rows *rows,
	int32_t **label, struct err *e)
{
	size_t at = 0;
	enum status s;

	*label = NULL;
	if ((s = rows_init(rows, n, p->d, 0, NULL, e)))
		return s;
	if (!(*label = malloc((n + 1) * sizeof **label))) {
		rows_release(rows);
		return err_nomem(e);
	}
	for (size_t i = first; i < end && at < n; i++) {
		if (without >= 0 && (p->label[i] == without) != only)
			continue;
		for (size_t j = 0; j < p->d; j++)
			rows->dense[at * p->d + j] = (float)p->value[i * p->d + j] / 127.5f - 1;
		/* With a class left out, the last one takes its number. */
		(*label)[at] = without >= 0 && p->label[i] == N_CLASSES - 1 ? without : p->label[i];
		at++;
	}
	rows->n = at;
	return OK;
}

struct trial {
	struct rows train, test, unseen, fashion;
	int32_t *train_label, *test_label, *unseen_label, *fashion_label;
	struct stepper stepper;
	struct model *model;
	struct model_workspace *workspace;
	float *p;
	double *score[4]; /* of test, unseen, fashion rows, and one to spare */
};

static void
trial_release(struct trial *t)
{
	rows_release(&t->train);
	rows_release(&t->test);
	rows_release(&t->unseen);
	rows_release(&t->fashion);
	free(t->train_label);
	free(t->test_label);
	free(t->unseen_label);
	free(t->fashion_label);
	stepper_release(&t->stepper);
	model_workspace_free(t->workspace);
	model_free(t->model);
	free(t->p);
	for (size_t i = 0; i < 4; i++)
		free(t->score[i]);
}

static enum status
load(const struct paper *p, const struct cell *c, struct trial *t, struct err *e)
{
	const size_t n = cell_count(c, "rows"), n_test = cell_count(c, "test"), d = p->mnist.d;
	const int without = (int)cell_number(c, "without");
	const size_t train_end = p->mnist.n_train ? p->mnist.n_train : p->mnist.n * 6 / 7;
	enum status s;

	if ((s = take_pictures(&p->mnist, 0, train_end, n, without, false, &t->train, &t->train_label, e)) ||
		(s = take_pictures(
			 &p->mnist, train_end, p->mnist.n, n_test, without, false, &t->test, &t->test_label, e)) ||
		(without >= 0 && (s = take_pictures(&p->mnist, train_end, p->mnist.n, n_test, without, true, &t->unseen,
					  &t->unseen_label, e))))
		return s;
	if (p->fashion.n && p->fashion.d == d &&
		(s = take_pictures(&p->fashion, 0, p->fashion.n, n_test, -1, false, &t->fashion, &t->fashion_label, e)))
		return s;
	t->p = calloc(n_test + 1, N_CLASSES * sizeof *t->p);
	for (size_t i = 0; i < 4; i++)
		if (!(t->score[i] = calloc(n_test + 1, sizeof *t->score[i])))
			return err_nomem(e);
	return t->p ? OK : err_nomem(e);
}

/* The model as it would be stored now: the moving average of the weights. */
static enum status
current_model(struct trial *t, struct err *e)
{
	struct fit *f = &t->stepper.fit;
	enum status s;

	model_workspace_free(t->workspace);
	model_free(t->model);
	t->workspace = NULL;
	t->model = NULL;
	if ((s = model_new(&f->shape, net_effective(&f->shape, f->average, f->plain), &t->model, e)))
		return s;
	return model_workspace_new(t->model, &t->workspace, e);
}

static double
accuracy_of(struct trial *t)
{
	const size_t k = model_n_classes(t->model);
	size_t right = 0;

	model_predict(t->model, &t->test, 0, t->test.n, OOD_ENERGY, t->workspace, t->p, NULL);
	for (size_t i = 0; i < t->test.n; i++) {
		size_t top = 0;

		for (size_t j = 1; j < k; j++)
			top = t->p[i * k + j] > t->p[i * k + top] ? j : top;
		right += (int32_t)top == t->test_label[i];
	}
	return (double)right / (double)t->test.n;
}

static void
put_reliability(const struct trial *t, struct json_build *b, cJSON *to)
{
	const size_t k = model_n_classes(t->model);
	double confidence[METRIC_ECE_BINS] = {0}, right[METRIC_ECE_BINS] = {0};
	size_t count[METRIC_ECE_BINS] = {0};
	cJSON *bins = json_put_array(b, to, "reliability");

	for (size_t i = 0; i < t->test.n; i++) {
		size_t top = 0, bin;

		for (size_t j = 1; j < k; j++)
			top = t->p[i * k + j] > t->p[i * k + top] ? j : top;
		bin = (size_t)fmax(0, ceil((double)t->p[i * k + top] * METRIC_ECE_BINS) - 1);
		bin = bin < METRIC_ECE_BINS ? bin : METRIC_ECE_BINS - 1;
		count[bin]++;
		confidence[bin] += (double)t->p[i * k + top];
		right[bin] += (int32_t)top == t->test_label[i];
	}
	for (size_t bin = 0; bin < METRIC_ECE_BINS; bin++) {
		cJSON *item;

		if (!count[bin])
			continue;
		item = json_add_object(b, bins);
		json_put_count(b, item, "rows", count[bin]);
		json_put_number(b, item, "confidence", confidence[bin] / (double)count[bin]);
		json_put_number(b, item, "accuracy", right[bin] / (double)count[bin]);
	}
}

static enum status
put_auroc(struct trial *t, const struct rows *foreign, const char *name, struct json_build *b, cJSON *to, struct err *e)
{
	cJSON *scores;
	enum status s;

	if (!foreign->n)
		return OK;
	scores = json_put_object(b, to, name);
	for (enum ood_score kind = 0; kind < N_OOD_SCORES; kind++) {
		struct metric_ood m;

		model_predict(t->model, &t->test, 0, t->test.n, kind, t->workspace, NULL, t->score[0]);
		model_predict(t->model, foreign, 0, foreign->n, kind, t->workspace, NULL, t->score[1]);
		if ((s = metric_ood(t->score[0], t->test.n, t->score[1], foreign->n, &m, e)))
			return s;
		json_put_number(b, scores, score_names[kind], m.auroc);
	}
	return OK;
}

static enum status
put_measures(struct trial *t, struct json_build *b, cJSON *to, struct err *e)
{
	struct metrics m;
	enum status s;

	model_predict(t->model, &t->test, 0, t->test.n, OOD_ENERGY, t->workspace, t->p, NULL);
	if ((s = metrics_compute(t->p, t->test_label, t->test.n, model_n_classes(t->model), &m, e)))
		return s;
	json_put_number(b, to, "accuracy", m.accuracy);
	json_put_number(b, to, "log_loss", m.log_loss);
	json_put_number(b, to, "ece", m.ece);
	metrics_release(&m);
	put_reliability(t, b, to);
	if ((s = put_auroc(t, &t->fashion, "auroc_fashion", b, to, e)))
		return s;
	return put_auroc(t, &t->unseen, "auroc_unseen", b, to, e);
}

static bool
sane(const struct train_terms *m)
{
	return fabs(m->loss) < DIVERGED && fabs(m->log_p_difference) < DIVERGED &&
	       fabs(m->gradient_penalty) < DIVERGED && fabs(m->generator_loss) < DIVERGED;
}

static enum status
work(const struct paper *p, const struct cell *c, struct json_build *b, cJSON *result, struct err *e)
{
	struct trial t = {0};
	const int without = (int)cell_number(c, "without");
	const size_t every = cell_count(c, "every");
	struct train_data data = {.rows = &t.train, .n_classes = without >= 0 ? N_CLASSES - 1 : N_CLASSES};
	struct train_terms terms = {0};
	struct params params;
	double seconds = 0;
	cJSON *curve;
	bool diverged = false;
	enum status s;

	if ((s = protocol_params(c->params, &params, e)) || (s = load(p, c, &t, e)))
		goto out;
	data.label = t.train_label;
	if ((s = stepper_init(&t.stepper, &params, &data, t.train.n, e)))
		goto out;
	t.stepper.fit.one_batch = true;
	curve = json_put_array(b, result, "curve"); /* of [steps, seconds of training, accuracy on the test rows] */
	for (size_t i = 1; i <= t.stepper.params.steps && !diverged; i++) {
		const double start = paper_cpu_seconds();

		t.stepper.fit.threads = 1;
		fit_step(&t.stepper.fit, &terms);
		seconds += paper_cpu_seconds() - start;
		diverged = !sane(&terms);
		if (!diverged && every && (i % every == 0 || i == t.stepper.params.steps)) {
			cJSON *point = json_add_array(b, curve);

			if ((s = current_model(&t, e)))
				goto out;
			json_add_number(b, point, (double)i);
			json_add_number(b, point, seconds);
			json_add_number(b, point, accuracy_of(&t));
		}
	}
	diverged = diverged || !stepper_sane(&t.stepper);
	json_put_bool(b, result, "diverged", diverged);
	json_put_count(b, result, "steps", t.stepper.fit.step);
	json_put_number(b, result, "seconds", seconds);
	if (!diverged && !(s = current_model(&t, e)))
		s = put_measures(&t, b, result, e);
out:
	trial_release(&t);
	return s;
}

/* ---- The plan ----------------------------------------------------------------------------------------------- */

static double
rate_of(const struct paper *p, size_t rate)
{
	return rate_factors[rate] * BY_PROFILE(p, 0.002, 0.002, 0.0003);
}

/* Both learn from the same rows with the same network and the same weight of the labels. VERA's runs have a quarter
 * more steps than those whose accuracy they are to reach, and are much shorter all the same. */
static void
describe(const struct paper *p, struct cell *c, size_t method, size_t seed, int without, size_t rate, size_t penalty)
{
	const int steps = BY_PROFILE(p, 20, 2000, 12000);

	snprintf(c->settings, sizeof c->settings, "set=mnist pictures=1 rows=%d test=%d without=%d every=%d",
		BY_PROFILE(p, 300, 10000, 60000), BY_PROFILE(p, 100, 2000, 10000), without,
		without < 0 ? BY_PROFILE(p, 10, 50, 250) : 0);
	snprintf(c->params, sizeof c->params,
		"method=%s seed=%zu steps=%d hidden_layers=%s learning_rate=%g gamma=%g penalty_interval=8 alpha=100 "
		"beta=0 "
		"input_noise=0.1 ema_decay=0.99 generator_layers=%s noise_dim=%d",
		jem_methods[method], seed, method == BY_VERA ? steps + steps / 4 : steps,
		BY_PROFILE(p, "16,16", "128,128,128", "1000,500,500,250,250,250"), rate_of(p, rate), penalties[penalty],
		BY_PROFILE(p, "16", "32,32", "500,500"), BY_PROFILE(p, 4, 16, 128));
}

static enum status
add_seed(struct paper *p, size_t method, size_t seed, struct err *e)
{
	struct cell *c = paper_add(p, &paper_jem, e, "%s seed %zu", jem_methods[method], seed);

	if (!c)
		return e->status;
	describe(p, c, method, seed, -1, BEST_RATE, BEST_PENALTY);
	return OK;
}

static enum status
add_without(struct paper *p, size_t method, int without, struct err *e)
{
	struct cell *c = paper_add(p, &paper_jem, e, "%s without %d", jem_methods[method], without);

	if (!c)
		return e->status;
	describe(p, c, method, 1, without, BEST_RATE, BEST_PENALTY);
	return OK;
}

static void
choice_name(char *name, size_t n, size_t method, size_t rate, size_t penalty, size_t seed)
{
	if (rate == BEST_RATE && penalty == BEST_PENALTY)
		snprintf(name, n, "%s seed %zu", jem_methods[method], seed);
	else
		snprintf(name, n, "%s choice %zu %zu seed %zu", jem_methods[method], rate, penalty, seed);
}

/* The first seeds with every rate and penalty; with the best they are among the ten. */
static enum status
add_choice(struct paper *p, size_t method, size_t rate, size_t penalty, size_t seed, struct err *e)
{
	char name[96];
	struct cell *c;

	if (rate == BEST_RATE && penalty == BEST_PENALTY)
		return OK;
	choice_name(name, sizeof name, method, rate, penalty, seed);
	if (!(c = paper_add(p, &paper_jem, e, "%s", name)))
		return e->status;
	describe(p, c, method, seed, -1, rate, penalty);
	return OK;
}

static size_t
n_choice_seeds(const struct paper *p)
{
	return BY_PROFILE(p, 1, 2, 2);
}

static enum status
plan(struct paper *p, struct err *e)
{
	enum status s;

	if (!p->has_mnist)
		return OK;
	for (size_t seed = 1; seed <= BY_PROFILE(p, 1, N_SEEDS, N_SEEDS); seed++)
		for (size_t m = 0; m < N_JEM_METHODS; m++)
			if ((s = add_seed(p, m, seed, e)))
				return s;
	for (int without = N_CLASSES - 1; without >= BY_PROFILE(p, 9, 8, 0); without--)
		for (size_t m = 0; m < N_JEM_METHODS; m++)
			if ((s = add_without(p, m, without, e)))
				return s;
	for (size_t i = 0; i < N_RATES * N_PENALTIES * n_choice_seeds(p) * N_JEM_METHODS; i++) {
		const size_t m = i % N_JEM_METHODS, choice = i / N_JEM_METHODS / n_choice_seeds(p),
			     seed = 1 + i / N_JEM_METHODS % n_choice_seeds(p);

		if ((s = add_choice(p, m, choice / N_PENALTIES, choice % N_PENALTIES, seed, e)))
			return s;
	}
	return OK;
}

/* ---- The report --------------------------------------------------------------------------------------------- */

struct summary {
	size_t n, n_diverged, n_finished;
	double accuracy, log_loss, ece, seconds, fashion[N_OOD_SCORES], unseen[N_OOD_SCORES];
	size_t n_unseen;
	struct plot_series curve, bins; /* mean over the runs that ended */
};

/* Of the method, and not one of the choices that were not taken. */
static bool
is_of(const struct cell *c, size_t method)
{
	const size_t len = strlen(jem_methods[method]);

	return c->of == &paper_jem && c->result && strncmp(c->name, jem_methods[method], len) == 0 &&
	       c->name[len] == ' ' && !strstr(c->name, "choice");
}

static void
add_curve(struct summary *s, const cJSON *curve)
{
	const cJSON *point;
	size_t i = 0;

	cJSON_ArrayForEach(point, curve)
	{
		struct plot_point *at = &s->curve.point[i];
		double x = cJSON_GetArrayItem(point, 1)->valuedouble, y = cJSON_GetArrayItem(point, 2)->valuedouble;

		if (++i > PLOT_MAX_POINTS)
			return;
		if (i > s->curve.n) {
			s->curve.n = i;
			*at = (struct plot_point){0, y, 0, y};
		}
		at->x += x;
		at->y += y;
		at->low = fmin(at->low, y);
		at->high = fmax(at->high, y);
	}
}

static void
summarise(const struct paper *p, size_t method, struct summary *s)
{
	double rows[METRIC_ECE_BINS] = {0}, confidence[METRIC_ECE_BINS] = {0}, right[METRIC_ECE_BINS] = {0};

	*s = (struct summary){.curve.name = jem_names[method], .bins.name = jem_names[method]};
	for (size_t i = 0; i < p->n_cells; i++) {
		const struct cell *c = &p->cell[i];
		const cJSON *bin;
		bool diverged;

		if (!is_of(c, method))
			continue;
		diverged = cJSON_IsTrue(json_member(c->result, "diverged"));
		if (cell_number(c, "without") >= 0) {
			if (diverged)
				continue;
			s->n_unseen++;
			for (enum ood_score k = 0; k < N_OOD_SCORES; k++)
				s->unseen[k] += result_number(c->result, "auroc_unseen", score_names[k]);
			continue;
		}
		s->n++;
		s->n_diverged += diverged;
		if (diverged)
			continue;
		s->n_finished++;
		s->accuracy += result_number(c->result, NULL, "accuracy");
		s->log_loss += result_number(c->result, NULL, "log_loss");
		s->ece += result_number(c->result, NULL, "ece");
		s->seconds += result_number(c->result, NULL, "seconds");
		for (enum ood_score k = 0; k < N_OOD_SCORES; k++)
			s->fashion[k] += json_member(c->result, "auroc_fashion")
						 ? result_number(c->result, "auroc_fashion", score_names[k])
						 : (double)NAN;
		add_curve(s, json_member(c->result, "curve"));
		cJSON_ArrayForEach(bin, json_member(c->result, "reliability"))
		{
			double n = result_number(bin, NULL, "rows"), mean = result_number(bin, NULL, "confidence");
			size_t at = (size_t)fmin(METRIC_ECE_BINS - 1, fmax(0, ceil(mean * METRIC_ECE_BINS) - 1));

			rows[at] += n;
			confidence[at] += n * mean;
			right[at] += n * result_number(bin, NULL, "accuracy");
		}
	}
	s->accuracy /= (double)s->n_finished;
	s->log_loss /= (double)s->n_finished;
	s->ece /= (double)s->n_finished;
	s->seconds /= (double)s->n_finished;
	for (enum ood_score k = 0; k < N_OOD_SCORES; k++) {
		s->fashion[k] /= (double)s->n_finished;
		s->unseen[k] /= (double)s->n_unseen;
	}
	for (size_t i = 0; i < s->curve.n; i++) {
		s->curve.point[i].x /= (double)s->n_finished;
		s->curve.point[i].y /= (double)s->n_finished;
	}
	for (size_t i = 0; i < METRIC_ECE_BINS; i++)
		if (rows[i] > 0) {
			double y = right[i] / rows[i];

			s->bins.point[s->bins.n++] = (struct plot_point){confidence[i] / rows[i], y, y, y};
		}
}

/* Seconds until the mean curve is at `accuracy`, between two points by the straight line; NaN where it never is. */
static double
seconds_to(const struct summary *s, double accuracy)
{
	for (size_t i = 0; i < s->curve.n; i++) {
		const struct plot_point *at = &s->curve.point[i];

		if (at->y < accuracy)
			continue;
		if (!i)
			return at->x;
		return at[-1].x + (at->x - at[-1].x) * (accuracy - at[-1].y) / (at->y - at[-1].y);
	}
	return (double)NAN;
}

/* Mean accuracy of the first seeds by one choice; NaN where one is missing or diverged. */
static double
choice_accuracy(const struct paper *p, size_t method, size_t rate, size_t penalty)
{
	double sum = 0;

	for (size_t seed = 1; seed <= n_choice_seeds(p); seed++) {
		double accuracy = (double)NAN;
		char name[96];

		choice_name(name, sizeof name, method, rate, penalty, seed);
		for (size_t i = 0; i < p->n_cells; i++)
			if (p->cell[i].of == &paper_jem && strcmp(p->cell[i].name, name) == 0 && p->cell[i].result &&
				json_member(p->cell[i].result, "accuracy"))
				accuracy = result_number(p->cell[i].result, NULL, "accuracy");
		sum += accuracy / (double)n_choice_seeds(p);
	}
	return sum;
}

static void
write_choices(const struct paper *p, FILE *out)
{
	static const char *const heads[] = {"rate", "gradient penalty", "by VERA", "by SGLD", NULL};

	page_table(out,
		"What was chosen from: accuracy at the end, VERA’s after a quarter more steps; means over the first "
		"seeds",
		heads, 1);
	for (size_t rate = 0; rate < N_RATES; rate++)
		for (size_t penalty = 0; penalty < N_PENALTIES; penalty++) {
			char text[24];

			snprintf(text, sizeof text, "%g", rate_of(p, rate));
			page_row(out);
			page_name(out, text);
			page_number(out, 0, penalties[penalty]);
			for (size_t m = 0; m < N_JEM_METHODS; m++)
				page_number(out, 4, choice_accuracy(p, m, rate, penalty));
			page_row_end(out);
		}
	page_table_end(out);
}

static void
write_scores(FILE *out, const struct summary s[N_JEM_METHODS], bool fashion)
{
	static const char *const heads[] = {"AUROC", "energy", "1 − largest probability", "norm of the gradient", NULL};

	page_table(out,
		fashion ? "Digits against Fashion-MNIST"
			: "Digits against the digit that training left out (mean over them)",
		heads, 1);
	for (size_t m = 0; m < N_JEM_METHODS; m++) {
		page_row(out);
		page_name(out, jem_names[m]);
		for (enum ood_score k = 0; k < N_OOD_SCORES; k++)
			page_number(out, 3, fashion ? s[m].fashion[k] : s[m].unseen[k]);
		page_row_end(out);
	}
	page_table_end(out);
}

static void
report(const struct paper *p, FILE *out)
{
	static const char *const heads[] = {"", "runs", "diverged", "accuracy", "log-loss", "calibration error",
		"seconds a run", "seconds to the SGLD run’s accuracy", NULL};
	struct plot_panel curves = {.title = "Accuracy over time",
				  .x_label = "seconds of processor time",
				  .y_label = "accuracy",
				  .linear_y = true,
				  .n_series = N_JEM_METHODS},
			  bins = {.title = "Reliability",
				  .x_label = "mean confidence",
				  .y_label = "accuracy",
				  .linear_x = true,
				  .linear_y = true,
				  .n_series = N_JEM_METHODS + 1};
	struct summary s[N_JEM_METHODS];
	double target;

	if (!p->has_mnist) {
		fputs("<p>Not run: there is no <code>mnist</code> in DATA.</p>\n", out);
		return;
	}
	for (size_t m = 0; m < N_JEM_METHODS; m++)
		summarise(p, m, &s[m]);
	target = s[BY_SGLD].accuracy;
	fprintf(out,
		"<p>One network, %s, every label of %d training pictures given, accuracy on %d test pictures; each "
		"seed is a run of its own. A run has diverged when a loss is not finite or beyond 10<sup>6</sup>. "
		"SGLD: 20 steps a chain, a replay buffer of 10,000. Both have the same weight of the cross-entropy, "
		"noise on the inputs and batch, which serves log p(x) and log p(y|x) alike, as in the JEM paper. Rate "
		"and gradient penalty are those of nine choices at which the quick profile’s runs were the most "
		"accurate in the end when it was made, the same for both; the last table has all nine as of this run. "
		"Both take the penalty at every eighth step alone, eight times as heavy. VERA’s runs have a quarter "
		"more steps. Counted in passes over the network’s weights for a batch, a step by SGLD takes 46: 2 for "
		"each of the 20 steps of its chains, 3 for the data, 3 for the generated rows. One by VERA takes 8, 2 "
		"of them for its generator’s step, and the generator’s own. The penalty’s 3 come to each eighth step "
		"of either: where both learn as much in a step, VERA takes about a sixth of the time.</p>\n",
		BY_PROFILE(p, "784-16-16-10", "784-128-128-128-10", "784-1000-500-500-250-250-250-10"),
		BY_PROFILE(p, 300, 10000, 60000), BY_PROFILE(p, 100, 2000, 10000));
	page_table(out, "Means over the seeds", heads, 1);
	for (size_t m = 0; m < N_JEM_METHODS; m++) {
		page_row(out);
		page_name(out, jem_names[m]);
		page_number(out, 0, (double)s[m].n);
		page_number(out, 0, (double)s[m].n_diverged);
		page_number(out, 4, s[m].accuracy);
		page_number(out, 3, s[m].log_loss);
		page_number(out, 4, s[m].ece);
		page_number(out, 1, s[m].seconds);
		page_number(out, 1, seconds_to(&s[m], target));
		page_row_end(out);
		curves.series[m] = s[m].curve;
		bins.series[m] = s[m].bins;
	}
	page_table_end(out);
	bins.series[N_JEM_METHODS] = (struct plot_series){
		.name = "calibrated", .n = 2, .point = {{0, 0, 0, 0}, {1, 1, 1, 1}}};
	page_figures(out, 0);
	plot_inline(out, &curves);
	plot_inline(out, &bins);
	page_figures_end(out,
		"Means over the seeds (“curve” of the cells), bars from the least to the greatest. Right: 15 bins of "
		"confidence (“reliability”).");
	if (isfinite(s[0].fashion[0]) || isfinite(s[1].fashion[0]))
		write_scores(out, s, true);
	else
		fputs("<p>Fashion-MNIST (Debian’s dataset-fashion-mnist) was not there: unseen digits only.</p>\n",
			out);
	write_scores(out, s, false);
	write_choices(p, out);
}

static void
claims(struct paper *p)
{
	struct summary s[N_JEM_METHODS];
	double to, own;

	for (size_t m = 0; m < N_JEM_METHODS; m++)
		summarise(p, m, &s[m]);
	to = seconds_to(&s[BY_VERA], s[BY_SGLD].accuracy);
	own = seconds_to(&s[BY_SGLD], s[BY_SGLD].accuracy);
	own = isfinite(own) ? own : s[BY_SGLD].seconds;
	/* A curve that never comes up to it is later than any. */
	paper_claim(p, &paper_jem,
		!s[0].n_finished || !s[1].n_finished ? (double)NAN
		: isfinite(to)                       ? to / own - 0.2
						     : (double)INFINITY,
		"of the time by SGLD", "JEM by VERA reaches the accuracy of JEM by SGLD in at most a fifth of its time",
		isfinite(to) ? "accuracy %.4f: VERA %.1f s, SGLD %.1f s, a share of %.2f"
			     : "accuracy %.4f: VERA does not reach it in its steps",
		s[1].accuracy, to, own, to / own);
	paper_claim(p, &paper_jem,
		!s[0].n            ? (double)NAN
		: s[0].n < N_SEEDS ? (double)INFINITY
				   : (double)s[0].n_diverged,
		"runs", "JEM by VERA: no diverged run in ten", "%zu of %zu diverged; by SGLD %zu of %zu",
		s[0].n_diverged, s[0].n, s[1].n_diverged, s[1].n);
}

const struct experiment paper_jem = {
	.name = "jem",
	.title = "3. JEM by VERA and JEM by SGLD",
	.plan = plan,
	.work = work,
	.report = report,
	.claims = claims,
};
