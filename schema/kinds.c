/* kinds: see kinds.h. */
#include "schema/kinds.h"

#include "schema/boolean.h"

void
kinds_note(struct kinds *k, const char *text, size_t len)
{
	double days;
	bool yes;

	if (k->fixed || (k->no_date && k->no_boolean))
		return;
	k->any = true;
	if (!k->no_date && !date_parse(text, len, &days)) {
		unsigned orders = date_orders(text, len);

		k->orders = k->orders ? k->orders & orders : orders;
		k->no_date = !k->orders;
	}
	if (k->no_boolean)
		return;
	k->no_boolean = !boolean_parse(text, len, &yes);
	if (!k->no_boolean)
		*(yes ? &k->yes : &k->no) = true;
}

unsigned
kinds_date_orders(const struct kinds *k)
{
	return k->any && !k->no_date ? k->orders : 0;
}

enum column_type
kinds_type(const struct kinds *k)
{
	if (k->any && !k->no_date && !k->orders)
		return COLUMN_DATE;
	return k->yes && k->no && !k->no_boolean ? COLUMN_BOOLEAN : COLUMN_TEXT;
}

bool
kinds_fits(enum column_type type, enum date_order order, const char *text, size_t len)
{
	double v;
	bool yes;

	switch (type) {
	case COLUMN_NUMBER:
		return number_parse(text, len, &v);
	case COLUMN_DATE:
		return date_parse(text, len, &v) || (order && date_orders(text, len) & 1u << order);
	case COLUMN_BOOLEAN:
		return boolean_parse(text, len, &yes);
	default:
		return true;
	}
}

const char *
kinds_refusal(enum column_type type)
{
	return type == COLUMN_NUMBER ? "not_a_number" : type == COLUMN_DATE ? "not_a_date" : "not_a_boolean";
}
