/*
 * method_jem_sgld: the original training of joint energy models. The rows that the data are contrasted with come from
 * Langevin chains on the model's own density, kept in a replay buffer (method page, section 4). Slow, and known to
 * diverge: a chain may find a place where the energy falls without end, and the contrast then pushes on.
 */
#include <string.h>

#include "engine/method.h"
#include "engine/sgld.h"

struct jem_sgld {
	struct replay replay; /* state */
	real *x, *noise;      /* scratch: [B][D] */
	real *coin;           /* scratch: [B] */
	uint32_t *place;      /* scratch: [B] */
};

static void
jem_sgld_layout(struct fit *f, struct arena *state, struct arena *scratch)
{
	struct jem_sgld *m = f->own;
	const struct params *p = f->params;
	const size_t n_cells = p->batch_size * f->shape.size[0];

	replay_layout(&m->replay, p->replay_buffer, f->shape.size[0], state);
	m->x = arena_take(scratch, n_cells);
	m->noise = arena_take(scratch, n_cells);
	m->coin = arena_take(scratch, p->batch_size);
	m->place = (uint32_t *)arena_take(scratch, p->batch_size); /* a real is at least as wide and as aligned */
}

/* Chains start within the bounds of the data, whatever its scaling. */
static void
bound_by_data(struct fit *f, struct replay *r, real *x, size_t n_at_once)
{
	for (size_t first = 0; first < f->n_data; first += n_at_once) {
		size_t n = f->n_data - first < n_at_once ? f->n_data - first : n_at_once;

		rows_expand(f->data->rows, f->data_index + first, 0, n, x);
		if (!first) {
			memcpy(r->low, x, r->d * sizeof *x);
			memcpy(r->high, x, r->d * sizeof *x);
		}
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < r->d; j++) {
				real v = x[i * r->d + j];

				r->low[j] = v < r->low[j] ? v : r->low[j];
				r->high[j] = v > r->high[j] ? v : r->high[j];
			}
	}
}

static void
jem_sgld_init(struct fit *f)
{
	struct jem_sgld *m = f->own;

	bound_by_data(f, &m->replay, m->x, f->params->batch_size);
	replay_fill(&m->replay, &f->rng);
}

static void
jem_sgld_step(struct fit *f, struct train_terms *terms)
{
	struct jem_sgld *m = f->own;
	const struct params *p = f->params;
	const size_t n = p->batch_size, n_cells = n * f->shape.size[0];
	const real step = (real)p->sgld_step_size, noise_std = (real)p->sgld_noise_std;
	const real *w = fit_weights(f);
	real *x = fit_rows(f);

	replay_draw(&m->replay, x, m->place, m->coin, n, p->replay_restart, &f->rng);
	for (size_t k = 0; k < p->sgld_steps; k++) {
		rng_normal(&f->rng, m->noise, n_cells);
		sgld_step(x, fit_input_gradient(f, w, n, NULL), n_cells, step, noise_std, m->noise);
	}
	memcpy(m->x, x, n_cells * sizeof *x);
	replay_put(&m->replay, m->x, m->place, n);
	fit_contrast(f, m->x, terms);
}

const struct method_ops method_jem = {
	.name = "jem",
	.own_size = sizeof(struct jem_sgld),
	.uses_unlabelled = true,
	.contrasts = true,
	.beta2 = ADVERSARIAL_BETA2,
	.layout = jem_sgld_layout,
	.init = jem_sgld_init,
	.step = jem_sgld_step,
};
