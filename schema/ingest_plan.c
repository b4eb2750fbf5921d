/*
 * ingest_plan: what a whole pass over a table has shown of its columns of texts: numbers that are all of one form, "$5"
 * or "1,234", are numbers, which the next pass reads as such. It can only be said when every cell was seen, and costs
 * that pass where it is so.
 */
#include "schema/ingest_private.h"

/* Can what separates the groups of these numbers be their decimal mark? Not where a cell shows it, nor where the mark
 * was stated, with money, which has two decimals, nor in a file with commas between its cells: those who write decimal
 * commas use semicolons. */
static bool
is_certain(const struct ingest *g, const struct number_forms *f)
{
	bool percent = f->form.unit[0] == '%', money = f->form.unit[0] && !percent;

	return !f->form.group || f->certain || money || g->options.decimal ||
	       ingest_options_delimiter(&g->options) == ',';
}

enum status
ingest_plan(struct ingest *g, bool *again, struct err *e)
{
	const struct dataset_summary *s = &g->summary;
	enum status status;

	*again = false;
	for (size_t i = 0; i < s->n_columns && !g->planned; i++) {
		const struct number_forms *f = &g->forms[i];

		if (g->types[i] != COLUMN_TEXT || g->kinds[i].fixed || !number_forms_agree(f) || !is_certain(g, f) ||
			kinds_type(&g->kinds[i]) != COLUMN_TEXT)
			continue;
		if ((status = ingest_options_form(&g->options, s->column[i].name, &f->form, e)))
			return status;
		g->types[i] = COLUMN_NUMBER;
		g->form[i] = f->form;
		*again = true;
	}
	g->planned = true;
	return OK;
}
