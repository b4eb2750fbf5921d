/*
 * model_bytes: a model as bytes and back; declared in model.h. Networks or a density; bias and base measure;
 * yardsticks.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/model.h"

enum { MAX_UNITS = 1 << 20 }; /* of a layer in untrusted bytes: above any table or parameter */
#define MAX_MEMBER_WEIGHT 1e3
#define MAX_BIAS 1e3

static void
write_density(const struct model *m, struct buf *out)
{
	const struct density_shape *s = &m->density;

	buf_put_u32(out, (uint32_t)s->family);
	buf_put_u32(out, (uint32_t)s->d);
	buf_put_u32(out, (uint32_t)s->n_parts);
	buf_put_u32(out, (uint32_t)s->hidden.n);
	for (size_t l = 0; l < s->hidden.n; l++)
		buf_put_u32(out, (uint32_t)s->hidden.size[l]);
	for (size_t i = 0, n = density_size(s); i < n; i++)
		buf_put_f32(out, (float)m->density_weights[i]);
}

static void
write_member(const struct model_member *member, struct buf *out)
{
	buf_put_u32(out, (uint32_t)member->shape.n_layers);
	for (size_t l = 0; l <= member->shape.n_layers; l++)
		buf_put_u32(out, (uint32_t)member->shape.size[l]);
	for (size_t i = 0, n = net_size(&member->shape); i < n; i++)
		buf_put_f32(out, (float)member->weights[i]);
	buf_put_f64(out, member->weight);
	buf_put_f64(out, member->doubt);
	buf_put_u8(out, member->conditional);
	buf_put_u8(out, member->warp != NULL);
	if (member->warp)
		warp_write(member->warp, out);
}

void
model_write(const struct model *m, struct buf *out)
{
	buf_put_u32(out, (uint32_t)m->n_members); /* none: a density follows */
	if (m->density_weights)
		write_density(m, out);
	for (size_t i = 0; i < m->n_members; i++)
		write_member(&m->member[i], out);
	buf_put_u8(out, m->bias != NULL);
	if (m->bias)
		buf_put_f64s(out, m->bias, model_n_classes(m));
	buf_put_u8(out, m->base != NULL);
	if (m->base)
		mixture_write(m->base, out);
	buf_put_u32(out, (uint32_t)m->ood_score);
	buf_put_f64(out, m->target_fpr);
	for (size_t k = 0; k < N_OOD_SCORES; k++) {
		buf_put_u64(out, m->reference[k].n);
		buf_put_f64s(out, m->reference[k].score, m->reference[k].n);
		buf_put_f64(out, m->reference[k].threshold);
	}
}

static enum status
corrupt(const char *what, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's bytes are damaged: %s", what);
}

static bool
read_shape(struct reader *in, struct net_shape *s)
{
	size_t n_weights = 0;

	s->n_layers = reader_u32(in);
	if (in->failed || s->n_layers < 1 || s->n_layers > NET_MAX_LAYERS)
		return false;
	for (size_t l = 0; l <= s->n_layers; l++) {
		s->size[l] = reader_u32(in);
		if (s->size[l] < 1 || s->size[l] > MAX_UNITS)
			return false;
		if (l) /* at most 2^40 a layer: the sum cannot overflow */
			n_weights += s->size[l] * (s->size[l - 1] + 1);
	}
	return !in->failed && n_weights <= reader_max_items(in, sizeof(float));
}

static bool
read_reference(struct reader *in, struct ood_reference *r)
{
	size_t n = reader_u64(in);

	if (in->failed || n > reader_max_items(in, sizeof(double)))
		return false;
	r->score = malloc((n ? n : 1) * sizeof *r->score);
	if (!r->score)
		return false;
	r->n = n;
	reader_f64s(in, r->score, n);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(r->score[i]) || (i && r->score[i] < r->score[i - 1]))
			return false;
	r->threshold = reader_f64(in);
	return !in->failed && isfinite(r->threshold);
}

/* The member is the model's to free from the moment it has weights. */
static enum status
read_member(struct reader *in, enum model_format format, struct model *m, struct err *e)
{
	struct model_member *member = &m->member[m->n_members];
	const struct net_shape *s = &member->shape;
	size_t n;

	if (!read_shape(in, &member->shape))
		return corrupt("impossible layer sizes", e);
	if (m->n_members && (s->size[0] != model_n_features(m) || s->size[s->n_layers] != model_n_classes(m)))
		return corrupt("networks that do not fit together", e);
	n = net_size(s);
	if (!(member->weights = malloc(n * sizeof *member->weights)))
		return err_nomem(e);
	m->n_members++;
	for (size_t i = 0; i < n; i++)
		member->weights[i] = (real)reader_f32(in);
	member->weight = reader_f64(in);
	member->doubt = format >= MODEL_DOUBTS ? reader_f64(in) : 0;
	member->conditional = format >= MODEL_DOUBTS && reader_u8(in);
	if (in->failed || !kernel_finite(member->weights, n))
		return corrupt("weights that are no numbers", e);
	if (!(member->weight > 0 && member->weight < MAX_MEMBER_WEIGHT && member->doubt >= 0 && member->doubt < 1))
		return corrupt("a setting out of range", e);
	return format >= MODEL_WARPS && reader_u8(in) ? warp_read(in, s->size[0], &member->warp, e) : OK;
}

static enum status
read_bias(struct reader *in, struct model *m, struct err *e)
{
	size_t n = model_n_classes(m);

	if (n > reader_max_items(in, sizeof(double)))
		return corrupt("they were cut short", e);
	if (!(m->bias = malloc(n * sizeof *m->bias)))
		return err_nomem(e);
	reader_f64s(in, m->bias, n);
	for (size_t k = 0; k < n; k++)
		if (!(fabs(m->bias[k]) < MAX_BIAS))
			return corrupt("a setting out of range", e);
	return OK;
}

static bool
read_density_shape(struct reader *in, struct density_shape *s)
{
	size_t most;

	s->family = reader_u32(in);
	s->d = reader_u32(in);
	s->n_parts = reader_u32(in);
	s->hidden.n = reader_u32(in);
	if (in->failed || s->family >= N_FAMILIES || s->d < 1 || s->d > MAX_UNITS || s->n_parts < 1)
		return false;
	most = s->family == FAMILY_NICE ? DENSITY_MAX_COUPLINGS : DENSITY_MAX_PARTS;
	if (s->n_parts > most || s->hidden.n > (s->family == FAMILY_NICE ? PARAMS_MAX_LAYERS : 0) ||
		(s->family == FAMILY_NICE && s->d < 2))
		return false;
	for (size_t l = 0; l < s->hidden.n; l++) {
		s->hidden.size[l] = reader_u32(in);
		if (s->hidden.size[l] < 1 || s->hidden.size[l] > MAX_UNITS)
			return false;
	}
	/* at most 2^40 a layer, nine of them in eight couplings: the size cannot overflow */
	return !in->failed && density_size(s) <= reader_max_items(in, sizeof(float));
}

static enum status
read_density(struct reader *in, struct model *m, struct err *e)
{
	size_t n;

	if (!read_density_shape(in, &m->density))
		return corrupt("an impossible density", e);
	n = density_size(&m->density);
	if (!(m->density_weights = malloc(n * sizeof *m->density_weights)))
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		m->density_weights[i] = (real)reader_f32(in);
	if (in->failed || !kernel_finite(m->density_weights, n))
		return corrupt("weights that are no numbers", e);
	density_clamp(&m->density, m->density_weights);
	return OK;
}

static enum status
read_networks(struct reader *in, enum model_format format, struct model *m, struct err *e)
{
	size_t n = reader_u32(in);
	enum status s = OK;

	if (in->failed || n > BLEND_MAX)
		return corrupt("an impossible number of networks", e);
	if (!n && (s = read_density(in, m, e)))
		return s;
	for (size_t i = 0; i < n && !s; i++)
		s = read_member(in, format, m, e);
	if (!s && reader_u8(in))
		s = read_bias(in, m, e);
	if (!s && !n && m->bias)
		s = corrupt("a density with a bias", e);
	if (!s && reader_u8(in))
		s = mixture_read(in, &m->base, e);
	if (!s && m->base && (!n || mixture_n_features(m->base) != model_n_features(m)))
		s = corrupt("a base measure of other features than the network's", e);
	return s;
}

enum status
model_read(struct reader *in, enum model_format format, struct model **out, struct err *e)
{
	struct model *m = calloc(1, sizeof *m);
	enum status s;

	if (!m)
		return err_nomem(e);
	if ((s = read_networks(in, format, m, e)))
		goto out;
	m->ood_score = reader_u32(in);
	m->target_fpr = reader_f64(in);
	if (in->failed || m->ood_score >= N_OOD_SCORES || !(m->target_fpr >= 0 && m->target_fpr <= 1))
		s = corrupt("a setting out of range", e);
	for (size_t k = 0; k < N_OOD_SCORES && !s; k++)
		if (!read_reference(in, &m->reference[k]))
			s = corrupt("reference scores out of order", e);
out:
	if (s)
		model_free(m);
	else
		*out = m;
	return s;
}
