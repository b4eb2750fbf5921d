/* safetensors: see safetensors.h. */
#include "schema/safetensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/mixture_parts.h"
#include "schema/answers_json.h"
#include "schema/scale.h"

enum { ALIGNMENT = 8 }; /* of the header's end, and so of all numbers: doubles come first */

struct tensors {
	struct buf header, data;
	size_t max_bytes;
	bool too_large;
};

/* A shape is its sizes with a 0 behind the last. */
struct shape {
	size_t size[4];
};

static size_t
count_of(struct shape shape)
{
	size_t n = 1;

	for (size_t i = 0; shape.size[i]; i++)
		n *= shape.size[i];
	return n;
}

/* Its line in the header; false where its n_bytes are not to be put, since it is all too much. */
static bool
put_head(struct tensors *t, const char *name, const char *type, struct shape shape, size_t n_bytes)
{
	const size_t used = t->header.len + t->data.len;

	t->too_large |= used > t->max_bytes || n_bytes > t->max_bytes - used;
	if (t->too_large)
		return false;
	buf_puts(&t->header, ",");
	json_put_string(&t->header, name);
	buf_printf(&t->header, ":{\"dtype\":\"%s\",\"shape\":[", type);
	for (size_t i = 0; shape.size[i]; i++)
		buf_printf(&t->header, "%s%zu", i ? "," : "", shape.size[i]);
	buf_printf(&t->header, "],\"data_offsets\":[%zu,%zu]}", t->data.len, t->data.len + n_bytes);
	return true;
}

static void
put_doubles(struct tensors *t, const char *name, struct shape shape, const double *v)
{
	const size_t n = count_of(shape);

	if (put_head(t, name, "F64", shape, n * sizeof *v))
		buf_put_f64s(&t->data, v, n);
}

static void
put_floats(struct tensors *t, const char *name, struct shape shape, const real *v)
{
	const size_t n = count_of(shape);

	if (!put_head(t, name, "F32", shape, n * sizeof(float)))
		return;
	for (size_t i = 0; i < n; i++)
		buf_put_f32(&t->data, (float)v[i]);
}

/* ---- The encoder -------------------------------------------------------------------------------------------- */

static void
put_figure(struct tensors *t, const char *column, const char *what, struct shape shape, const double *v)
{
	struct buf name = {0};

	buf_puts(&name, "column.");
	buf_puts(&name, column);
	buf_puts(&name, what);
	buf_put(&name, "", 1);
	if (name.failed)
		t->header.failed = true;
	else
		put_doubles(t, (const char *)name.data, shape, v);
	buf_release(&name);
}

static void
put_scale(struct tensors *t, const char *column, const struct scale *s)
{
	const struct shape one = {{0}}, knots = {{s->n_knots}};
	const double run[] = {s->run_below, s->run_above};

	put_figure(t, column, ".median", one, &s->median);
	if (s->kind != SCALING_QUANTILE) {
		put_figure(t, column, ".center", one, &s->center);
		put_figure(t, column, ".divisor", one, &s->divisor);
		return;
	}
	put_figure(t, column, ".knots", knots, s->knot);
	put_figure(t, column, ".scores", knots, s->score);
	put_figure(t, column, ".run", (struct shape){{2}}, run);
}

/* ---- The model ---------------------------------------------------------------------------------------------- */

static void
put_model_doubles(struct tensors *t, const struct model *m)
{
	static const char *const reference[N_OOD_SCORES] = {
		"reference.energy", "reference.max_probability", "reference.gradient_norm"};
	const struct mixture *base = m->base;
	double weight[BLEND_MAX], doubt[BLEND_MAX], conditional[BLEND_MAX];

	for (size_t i = 0; i < m->n_members; i++) {
		weight[i] = m->member[i].weight;
		doubt[i] = m->member[i].doubt;
		conditional[i] = m->member[i].conditional;
	}
	if (m->n_members) {
		put_doubles(t, "network.weight", (struct shape){{m->n_members}}, weight);
		put_doubles(t, "network.doubt", (struct shape){{m->n_members}}, doubt);
		put_doubles(t, "network.conditional", (struct shape){{m->n_members}}, conditional);
	}
	if (m->bias)
		put_doubles(t, "bias", (struct shape){{model_n_classes(m)}}, m->bias);
	if (base) {
		put_doubles(t, "base.weight", (struct shape){{base->n_components}}, base->weight);
		put_doubles(t, "base.noise", (struct shape){{base->n_components}}, base->noise);
		if (base->rank)
			put_doubles(
				t, "base.variance", (struct shape){{base->n_components, base->rank}}, base->variance);
	}
	for (size_t k = 0; k < N_OOD_SCORES; k++)
		if (m->reference[k].n)
			put_doubles(t, reference[k], (struct shape){{m->reference[k].n}}, m->reference[k].score);
	put_doubles(t, "threshold", (struct shape){{0}}, &m->reference[m->ood_score].threshold);
}

/* The parameters of a density, as density.h lays them out. */
static void
put_density(struct tensors *t, const struct density_shape *s, const real *w)
{
	const size_t d = s->d, n = s->n_parts;
	char name[80]; /* two counts of any size and what names them */

	switch (s->family) {
	case FAMILY_PPCA:
		put_floats(t, "density.direction", (struct shape){{d, n}}, w);
		put_floats(t, "density.mean", (struct shape){{d}}, w + d * n);
		put_floats(t, "density.log_sigma", (struct shape){{0}}, w + d * n + d);
		return;
	case FAMILY_MIXTURE:
		put_floats(t, "density.mean", (struct shape){{n, d}}, w);
		put_floats(t, "density.log_std", (struct shape){{n, d}}, w + n * d);
		put_floats(t, "density.logits", (struct shape){{n}}, w + 2 * n * d);
		return;
	}
	for (size_t c = 0; c < n; c++) {
		const struct net_shape net = density_coupling(s, c);

		for (size_t l = 0; l < net.n_layers; l++) {
			snprintf(name, sizeof name, "density.coupling.%zu.layer.%zu.weight", c, l);
			put_floats(
				t, name, (struct shape){{net.size[l + 1], net.size[l]}}, w + net_weights_at(&net, l));
			snprintf(name, sizeof name, "density.coupling.%zu.layer.%zu.bias", c, l);
			put_floats(t, name, (struct shape){{net.size[l + 1]}}, w + net_biases_at(&net, l));
		}
		w += net_size(&net);
	}
	put_floats(t, "density.log_scale", (struct shape){{d}}, w);
}

static void
put_model_floats(struct tensors *t, const struct model *m)
{
	const struct mixture *base = m->base;
	char name[80];

	for (size_t i = 0; i < m->n_members; i++) {
		const struct net_shape *s = &m->member[i].shape;

		if (m->member[i].warp) {
			const struct warp *w = m->member[i].warp;

			snprintf(name, sizeof name, "network.%zu.warp", i);
			put_floats(t, name, (struct shape){{WARP_POINTS, w->n}}, w->at);
		}
		for (size_t l = 0; l < s->n_layers; l++) {
			snprintf(name, sizeof name, "network.%zu.layer.%zu.weight", i, l);
			put_floats(t, name, (struct shape){{s->size[l + 1], s->size[l]}},
				m->member[i].weights + net_weights_at(s, l));
			snprintf(name, sizeof name, "network.%zu.layer.%zu.bias", i, l);
			put_floats(
				t, name, (struct shape){{s->size[l + 1]}}, m->member[i].weights + net_biases_at(s, l));
		}
	}
	if (m->density_weights)
		put_density(t, &m->density, m->density_weights);
	if (!base)
		return;
	put_floats(t, "base.centre", (struct shape){{base->d}}, base->centre);
	put_floats(t, "base.mean", (struct shape){{base->n_components, base->d}}, base->mean);
	if (base->rank)
		put_floats(t, "base.direction", (struct shape){{base->n_components, base->rank, base->d}},
			base->direction);
}

enum status
safetensors_write(const struct bundle *b, const struct export_note *note, size_t n_notes, size_t max_bytes,
	struct buf *out, struct err *e)
{
	struct tensors t = {.max_bytes = max_bytes};
	enum status s;

	buf_puts(&t.header, "{\"__metadata__\":{\"format\":\"verad\"");
	for (size_t i = 0; i < n_notes; i++) {
		buf_puts(&t.header, ",");
		json_put_string(&t.header, note[i].key);
		buf_puts(&t.header, ":");
		json_put_string(&t.header, note[i].text);
	}
	buf_puts(&t.header, "}");
	for (size_t j = 0; j < encoder_n_columns(b->encoder); j++) {
		const struct scale *scale = encoder_column_features(b->encoder, j).scale;

		if (scale)
			put_scale(&t, encoder_column_name(b->encoder, j), scale);
	}
	put_model_doubles(&t, b->model);
	put_model_floats(&t, b->model);
	buf_puts(&t.header, "}");
	while (t.header.len % ALIGNMENT && !t.header.failed)
		buf_puts(&t.header, " ");

	if (t.too_large || t.header.len + t.data.len + sizeof(uint64_t) > max_bytes) {
		s = err_set(e, ERR_TOO_LARGE, "export_too_large",
			"the model is too large for one file of this format, which has at most %zu bytes here",
			max_bytes);
		goto out;
	}
	out->failed |= t.header.failed || t.data.failed;
	buf_put_u64(out, t.header.len);
	buf_put(out, t.header.data, t.header.len);
	buf_put(out, t.data.data, t.data.len);
	s = buf_status(out, e);
out:
	buf_release(&t.header);
	buf_release(&t.data);
	return s;
}
