/* number_form: see number_form.h. A text is taken apart into sign, unit and digits, and put together without the rest
 * for number_parse. */
#include "schema/number_form.h"

#include <string.h>

#include "schema/table.h"

enum { MAX_TEXT = 64 }; /* longer ones are not written for people */

static const char *const unit[] = {"%", "$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5", "\xe2\x82\xb9", "\xe2\x82\xa9",
	"\xe2\x82\xbd", "\xe2\x82\xba", "\xe2\x82\xaa", "\xe2\x82\xab", "\xe2\x82\xb4", "\xe2\x82\xb1", "\xe0\xb8\xbf",
	"USD", "EUR", "GBP", "JPY", "CHF", "CNY", "CAD", "AUD", "INR", "SEK", "NOK", "DKK", "PLN", "CZK", "BRL"};
enum { N_UNITS = sizeof unit / sizeof *unit };

bool
number_form_is_plain(const struct number_form *f)
{
	return !f->unit[0] && !f->group;
}

bool
number_form_unit_known(const char *text)
{
	for (size_t i = 0; i < N_UNITS; i++)
		if (!strcmp(unit[i], text))
			return true;
	return false;
}

bool
number_form_group_known(char group)
{
	return group && strchr(",.' ", group);
}

/* ---- taking a text apart ----------------------------------------------------------------------------------------- */

struct span {
	const char *at, *end;
};

static size_t
left(const struct span *s)
{
	return (size_t)(s->end - s->at);
}

static bool
starts(const struct span *s, const char *text)
{
	size_t n = strlen(text);

	return left(s) >= n && !memcmp(s->at, text, n);
}

static bool
ends(const struct span *s, const char *text)
{
	size_t n = strlen(text);

	return left(s) >= n && !memcmp(s->end - n, text, n);
}

/* Bytes of the space that begins here: a plain one, a no-break one or a narrow one; 0: there is none. */
static size_t
space_at(const struct span *s)
{
	return starts(s, " ") || starts(s, "\t") ? 1 : starts(s, "\xc2\xa0") ? 2 : starts(s, "\xe2\x80\xaf") ? 3 : 0;
}

static void
trim(struct span *s)
{
	size_t n;

	while ((n = space_at(s)))
		s->at += n;
	while ((n = ends(s, " ") || ends(s, "\t") ? 1 : ends(s, "\xc2\xa0") ? 2 : ends(s, "\xe2\x80\xaf") ? 3 : 0))
		s->end -= n;
}

/* A minus or plus, if there is one. */
static bool
take_sign(struct span *s, bool *signed_already, bool *negative)
{
	if (!left(s) || (*s->at != '-' && *s->at != '+'))
		return true;
	if (*signed_already)
		return false;
	*signed_already = true;
	*negative = *s->at++ == '-';
	return true;
}

/* The unit before or behind the number, if there is one. */
static const char *
take_unit(struct span *s)
{
	for (size_t i = 0; i < N_UNITS; i++) {
		size_t n = strlen(unit[i]);

		if (starts(s, unit[i]))
			s->at += n;
		else if (ends(s, unit[i]))
			s->end -= n;
		else
			continue;
		trim(s);
		return unit[i];
	}
	return "";
}

static size_t
digits_at(const struct span *s)
{
	size_t n = 0;

	while (n < left(s) && (unsigned char)(s->at[n] - '0') < 10)
		n++;
	return n;
}

/* What separates groups here, and its bytes; 0: nothing does. */
static char
group_at(const struct span *s, char mark, size_t *n)
{
	*n = space_at(s);
	if (*n)
		return ' ';
	*n = 1;
	return left(s) && *s->at != mark && number_form_group_known(*s->at) ? *s->at : 0;
}

/* Digits in groups of three to `out`, without what separates them. */
static bool
take_groups(struct span *s, char mark, char *out, size_t *n_out, char *group, size_t *n_groups)
{
	size_t n = digits_at(s), width;
	char c;

	*group = 0;
	*n_groups = 0;
	memcpy(out, s->at, n);
	*n_out = n;
	s->at += n;
	while ((c = group_at(s, mark, &width))) {
		if ((*group && c != *group) || !n || (!*n_groups && (n > 3 || *out == '0')))
			return false;
		s->at += width;
		if ((n = digits_at(s)) != 3)
			return false;
		memcpy(out + *n_out, s->at, n);
		*n_out += n;
		s->at += n;
		*group = c;
		++*n_groups;
	}
	return true;
}

struct parts {
	const char *unit; /* "": none */
	char group;
	bool certain; /* the groups can be nothing else */
	double value;
};

static bool
take_apart(const char *text, size_t len, char mark, struct parts *p)
{
	struct span s = {text, text + len};
	bool sign = false, negative = false, bracket;
	char plain[MAX_TEXT + 1];
	size_t n, n_groups;

	trim(&s);
	if (!left(&s) || left(&s) > MAX_TEXT)
		return false;
	bracket = starts(&s, "(") && ends(&s, ")");
	if (bracket) { /* as accountants write what is owed */
		s.at++;
		s.end--;
		sign = negative = true;
		trim(&s);
	}
	if (!take_sign(&s, &sign, &negative))
		return false;
	trim(&s);
	p->unit = take_unit(&s);
	if (!take_sign(&s, &sign, &negative) || !take_groups(&s, mark, plain, &n, &p->group, &n_groups))
		return false;
	p->certain = n_groups > 1 || (n_groups && left(&s)) || (p->group && !strchr(",.", p->group));
	memcpy(plain + n, s.at, left(&s));
	n += left(&s);
	if (!n || plain[0] == '-' || plain[0] == '+' || !number_parse_marked(plain, n, mark, &p->value))
		return false;
	if (bracket && !p->unit[0] && !p->group) /* 7 of a footnote, say */
		return false;
	p->value = negative ? -p->value : p->value;
	return true;
}

bool
number_form_parse(const struct number_form *f, const char *text, size_t len, char mark, double *out)
{
	struct parts p;

	if (!take_apart(text, len, mark, &p) || (p.unit[0] && strcmp(p.unit, f->unit) != 0) ||
		(p.group && p.group != f->group))
		return false;
	*out = p.value;
	return true;
}

bool
number_form_of(const char *text, size_t len, char mark, struct number_form *out)
{
	struct parts p;

	if (!take_apart(text, len, mark, &p))
		return false;
	memcpy(out->unit, p.unit, strlen(p.unit) + 1);
	out->group = p.group;
	return !number_form_is_plain(out);
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

void
number_forms_note(struct number_forms *f, const char *text, size_t len, char mark)
{
	struct parts p;

	if (f->none)
		return;
	if (!take_apart(text, len, mark, &p) || (f->any && strcmp(f->form.unit, p.unit) != 0) ||
		(p.group && f->form.group && p.group != f->form.group)) {
		f->none = true;
		return;
	}
	if (!f->any)
		memcpy(f->form.unit, p.unit, strlen(p.unit) + 1);
	if (p.group)
		f->form.group = p.group;
	f->any = true;
	f->certain |= p.certain;
}

bool
number_forms_agree(const struct number_forms *f)
{
	return f->any && !f->none && !number_form_is_plain(&f->form);
}
