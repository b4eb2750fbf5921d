/* distinct: see distinct.h. Open addressing. */
#include "schema/distinct.h"

#include <stdlib.h>

#include "engine/buf.h"

static void
insert(struct distinct *d, uint64_t hash)
{
	size_t mask = d->n_slots - 1, i = (size_t)hash & mask;

	while (d->slot[i] && d->slot[i] != hash)
		i = (i + 1) & mask;
	d->n += !d->slot[i];
	d->slot[i] = hash;
}

void
distinct_release(struct distinct *d)
{
	free(d->slot);
	*d = (struct distinct){0};
}

enum status
distinct_add(struct distinct *d, const char *text, size_t len, size_t max_n, size_t *n_slots, size_t max_slots,
	struct err *e)
{
	uint64_t hash;

	if (d->full)
		return OK;
	if (4 * (d->n + 1) > 3 * d->n_slots) {
		struct distinct wider = {.n_slots = d->n_slots ? d->n_slots * 2 : 16};

		if (*n_slots + wider.n_slots - d->n_slots > max_slots) {
			d->full = true;
			return OK;
		}
		wider.slot = calloc(wider.n_slots, sizeof *wider.slot);
		if (!wider.slot)
			return err_nomem(e);
		for (size_t i = 0; i < d->n_slots; i++)
			if (d->slot[i])
				insert(&wider, d->slot[i]);
		*n_slots += wider.n_slots - d->n_slots;
		free(d->slot);
		*d = wider;
	}
	hash = checksum64(text, len);
	insert(d, hash ? hash : 1);
	d->full = d->n >= max_n;
	return OK;
}
