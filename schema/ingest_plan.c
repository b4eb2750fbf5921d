/*
 * ingest_plan: what a whole pass over a table has shown of its columns of texts: numbers that are all of one form, "$5"
 * or "1,234", are numbers, and 3/1/2024 is a date where another one, 3/25/2024, says of which order, which the next
 * pass reads as such. It can only be said when every cell was seen, and costs that pass where it is so.
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

/* In which order are the dates of this table written that depend on it? As the options say, or else as those columns
 * say that leave no doubt, unless they differ. */
static enum date_order
order_of_dates(const struct ingest *g)
{
	unsigned said = 0;

	if (g->options.date_order)
		return g->options.date_order;
	for (size_t i = 0; i < g->summary.n_columns; i++) {
		unsigned orders = g->kinds[i].fixed ? 0 : kinds_date_orders(&g->kinds[i]);

		if (g->types[i] == COLUMN_TEXT && !(orders & (orders - 1)))
			said |= orders;
	}
	return said == 1u << DATE_MDY ? DATE_MDY : said == 1u << DATE_DMY ? DATE_DMY : DATE_ORDER_UNKNOWN;
}

enum status
ingest_plan(struct ingest *g, bool *again, struct err *e)
{
	const struct dataset_summary *s = &g->summary;
	const enum date_order order = order_of_dates(g);
	enum status status;

	*again = false;
	for (size_t i = 0; i < s->n_columns && !g->planned; i++) {
		const struct number_forms *f = &g->forms[i];

		if (g->types[i] != COLUMN_TEXT || g->kinds[i].fixed || kinds_type(&g->kinds[i]) != COLUMN_TEXT)
			continue;
		if (order && kinds_date_orders(&g->kinds[i]) & 1u << order) {
			g->types[i] = COLUMN_DATE;
			g->kinds[i].fixed = true;
			g->options.date_order = order;
			*again = true;
		} else if (number_forms_agree(f) && is_certain(g, f)) {
			if ((status = ingest_options_form(&g->options, s->column[i].name, &f->form, e)))
				return status;
			g->types[i] = COLUMN_NUMBER;
			g->form[i] = f->form;
			*again = true;
		}
	}
	g->planned = true;
	return OK;
}
