/*
 * report_density: what method density made, and how likely rows are under it; declared in report.h.
 *
 * The log-likelihood of the rows held out is exact: minus the mean of their energies. Those are nats of the encoded
 * columns, which scaling stretches; with the logs of its slopes added they are nats of the table's own columns, the
 * same whatever the scaling. That is a change of variables only where every feature is a scaled number: a one-hot
 * feature or a made-up median has no slope.
 */
#include <cjson/cJSON.h>
#include <math.h>

#include "server/report.h"

static const char *
choice(const char *parameter, size_t index)
{
	return params_find(parameter, NULL)->choices[index];
}

void
report_density(struct json_build *b, struct cJSON *to, const struct report_facts *f)
{
	const struct model *m = f->result->model;
	const struct ood_reference *r = &m->reference[OOD_ENERGY];
	double nats = r->n ? 0 : NAN, d = (double)model_n_features(m);
	cJSON *part;

	if (!m->density_weights) {
		json_put_null(b, to, "density");
		return;
	}
	for (size_t i = 0; i < r->n; i++)
		nats -= r->score[i] / (double)r->n;
	part = json_put_object(b, to, "density");
	json_put_text(b, part, "family", choice("family", f->params->family));
	json_put_text(b, part, "objective", choice("objective", f->params->objective));
	json_put_count(b, part, "parameters", density_size(&m->density));
	json_put_count(b, part, "held_out", r->n);
	json_put_number(b, part, "log_likelihood", nats);
	json_put_number(b, part, "log_likelihood_per_feature", nats / d);
	json_put_number(b, part, "log_likelihood_of_table", f->log_slopes ? nats + *f->log_slopes : NAN);
}
