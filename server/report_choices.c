/*
 * report_choices: what the program chose of itself in a run, and why; declared in report.h. `composition` is for
 * programs, `choices` for people.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

#include "engine/spacing.h"
#include "server/report.h"

enum { MAX_SHARES = 200 }; /* of more classes the shares are read by nobody */

static const char *
method_name(size_t method)
{
	return params_find("method", NULL)->choices[method];
}

/* The methods of the model's networks, in their order. */
static const char *
member_method(const struct report_facts *f, size_t i)
{
	if (f->params->method != METHOD_AUTO)
		return method_name(f->params->method);
	switch (f->result->network[i]) {
	case TRAIN_LINEAR:
		return "linear";
	case TRAIN_PROPAGATED:
		return "propagated";
	case TRAIN_BASELINE:
		return method_name(METHOD_SUPERVISED);
	default:
		return method_name(METHOD_VERA);
	}
}

static double
labelled_share(const struct dataset_summary *s, size_t k)
{
	return (double)s->classes[k].count / (double)s->n_labelled;
}

void
report_composition(struct json_build *b, struct cJSON *to, const struct report_facts *f)
{
	const struct train_result *r = f->result;
	cJSON *list = json_put_array(b, to, "networks"), *part;

	for (size_t i = 0; i < r->n_members; i++) {
		cJSON *item = json_add_object(b, list);

		json_put_text(b, item, "method", member_method(f, i));
		json_put_number(b, item, "weight", r->model->member[i].weight);
	}
	if (r->n_members > 1)
		json_put_number(b, to, "agreement", r->agreement);
	else
		json_put_null(b, to, "agreement");
	if (r->model->base) {
		part = json_put_object(b, to, "base_measure");
		json_put_count(b, part, "components", r->base.n_components);
		json_put_number(b, part, "held_out_log_density", r->base.held_out);
		json_put_number(b, part, "held_out_log_density_of_one", r->base.held_out_single);
	} else {
		json_put_null(b, to, "base_measure");
	}
	report_density(b, to, f);
	if (!r->share || f->summary->n_classes > MAX_SHARES) {
		json_put_null(b, to, "class_shares");
		return;
	}
	list = json_put_array(b, to, "class_shares");
	for (size_t k = 0; k < f->summary->n_classes; k++) {
		cJSON *item = json_add_object(b, list);

		json_put_text(b, item, "label", f->summary->classes[k].label);
		json_put_number(b, item, "labelled", labelled_share(f->summary, k));
		json_put_number(b, item, f->prior_stated ? "stated" : "estimated", r->share[k]);
	}
}

static void
say_sizes(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	char layers[128], text[320];

	if ((f->asked->hidden_layers.n && f->asked->steps) || f->params->method == METHOD_DENSITY)
		return;
	params_get_text(f->params, params_find("hidden_layers", NULL), layers, sizeof layers);
	snprintf(text, sizeof text,
		"%zu rows of %zu features: energy networks with hidden layers of %s units, trained for %zu steps",
		f->summary->n_rows, encoder_n_features(f->encoder), layers, f->params->steps);
	json_add_text(b, to, text);
}

static void
say_noise(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	const double noise = f->params->input_noise;
	char text[160];

	if (f->asked->input_noise >= 0 || f->params->method == METHOD_SUPERVISED)
		return;
	snprintf(text, sizeof text,
		"noise of deviation %.3g on the scaled inputs in training: neighbouring rows are %s", noise,
		noise <= SPACING_LEAST_NOISE ? "as close or closer"
		: noise < SPACING_MOST_NOISE ? "as far apart"
					     : "as far apart or further");
	json_add_text(b, to, text);
}

static void
say_density(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	const struct params *p = f->params;
	char what[160], layers[128], text[400];

	if (p->method != METHOD_DENSITY)
		return;
	params_get_text(p, params_find("hidden_layers", NULL), layers, sizeof layers);
	if (p->family == FAMILY_NICE)
		snprintf(
			what, sizeof what, "a coupling flow whose networks have hidden layers of %.100s units", layers);
	else if (p->family == FAMILY_MIXTURE)
		snprintf(what, sizeof what, "a mixture of %zu diagonal Gaussians", p->components);
	else
		snprintf(what, sizeof what, "a Gaussian with %zu principal directions", p->components);
	snprintf(text, sizeof text, "%zu rows of %zu features: %s, trained for %zu steps", f->summary->n_rows,
		encoder_n_features(f->encoder), what, p->steps);
	json_add_text(b, to, text);
}

static void
say_blend(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	const struct train_result *r = f->result;
	char others[160] = "", text[560];

	if (r->n_members < 2)
		return;
	for (size_t i = 2, at = 0; i < r->n_members; i++)
		at += (size_t)snprintf(others + at, sizeof others - at, ", those of %s %.3g",
			r->network[i] == TRAIN_LINEAR ? "a linear network"
						      : "a network taught by labels spread to neighbours",
			r->weight[i]);
	snprintf(text, sizeof text,
		"the logits of %s count %.3g and those of %s %.3g%s: the answers of the first two for unlabelled rows "
		"agree to %.2f (Cohen's kappa)%s%s",
		member_method(f, 1), r->weight[1], member_method(f, 0), r->weight[0], others, r->agreement,
		r->agreement < 0.2 ? ", so little that the unlabelled rows seem to mislead" : "",
		r->evaluated ? "; the answers to labels held back settled the rest" : "");
	json_add_text(b, to, text);
}

static void
say_base(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	const struct mixture_report *base = &f->result->base;
	char text[320];

	if (!f->result->model->base)
		return;
	if (base->n_components == 1)
		snprintf(text, sizeof text,
			"a single Gaussian as base measure: more of them gave rows held back no higher density");
	else
		snprintf(text, sizeof text,
			"a mixture of %zu Gaussians as base measure: rows held back have a mean log density of %.4g "
			"under it, %.4g under a single one",
			base->n_components, base->held_out, base->held_out_single);
	json_add_text(b, to, text);
}

static void
say_shares(struct json_build *b, cJSON *to, const struct report_facts *f)
{
	const struct train_result *r = f->result;
	const struct dataset_summary *s = f->summary;
	char text[400];
	double most = 0.01; /* of smaller changes nothing is said */
	size_t moved = s->n_classes;

	for (size_t k = 0; r->share && k < s->n_classes; k++) {
		double change = fabs(r->share[k] - labelled_share(s, k));

		if (change > most) {
			most = change;
			moved = k;
		}
	}
	if (moved == s->n_classes || f->prior_stated)
		return;
	snprintf(text, sizeof text,
		"the unlabelled rows are taken to have other shares of the classes than the labels: \"%.100s\", for "
		"one, "
		"%.3g%% rather than %.3g%%; class_prior \"labelled\" would keep the labels' shares",
		s->classes[moved].label, 100 * r->share[moved], 100 * labelled_share(s, moved));
	json_add_text(b, to, text);
}

void
report_choices(struct json_build *b, struct cJSON *to, const struct report_facts *f)
{
	say_density(b, to, f);
	say_sizes(b, to, f);
	say_noise(b, to, f);
	say_blend(b, to, f);
	say_base(b, to, f);
	say_shares(b, to, f);
}
