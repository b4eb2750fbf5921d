/* options: see options.h. */
#include "server/options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/suggest.h"

/* Where a value came from, as messages name it: "--listen", "-o", "VERAD_LISTEN". */
struct origin {
	char text[64];
};

static enum status
usage(struct err *e, const char *fmt, const char *a, const char *b)
{
	char msg[sizeof e->msg];

	/* fmt is one of this file's own, with at most two %s */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(msg, sizeof msg, fmt, a, b);
#pragma GCC diagnostic pop
	return err_set(e, ERR_INVALID, "usage", "%s", msg);
}

/* Digits alone: no sign, no spaces, as strtoull would let pass. */
static bool
parse_digits(const char *text, uint64_t *v, const char **end)
{
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*v = strtoull(text, &stop, 10);
	*end = stop;
	return !errno;
}

static bool
parse_bytes(const char *text, uint64_t *v)
{
	static const char suffixes[] = "KMGT";
	const char *end, *s;

	if (!parse_digits(text, v, &end))
		return false;
	if (*end && (s = strchr(suffixes, toupper((unsigned char)*end)))) {
		for (size_t i = 0; i <= (size_t)(s - suffixes); i++)
			if (__builtin_mul_overflow(*v, (uint64_t)1024, v))
				return false;
		end++;
		if (*end == 'i')
			end++;
	}
	return !*end || strcasecmp(end, "b") == 0;
}

static enum status
set_number(const struct option *o, uint64_t *at, const struct origin *from, const char *text, struct err *e)
{
	const char *end = "";
	uint64_t v = 0;
	bool ok = o->type == OPTION_BYTES ? parse_bytes(text, &v) : parse_digits(text, &v, &end) && !*end;

	if (!ok)
		return err_set(e, ERR_INVALID, "usage", "%s: \"%.60s\" is not a %s", from->text, text,
			o->type == OPTION_BYTES ? "number of bytes (such as 1048576, 64M or 2G)" : "whole number");
	if (v < o->min || v > o->max)
		return err_set(e, ERR_INVALID, "usage", "%s: %.60s is not between %" PRIu64 " and %" PRIu64, from->text,
			text, o->min, o->max);
	*at = v;
	return OK;
}

static enum status
set_choice(const struct option *o, size_t *at, const struct origin *from, const char *text, struct err *e)
{
	char all[160] = "";
	size_t n = 0;

	for (size_t i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], text) == 0) {
			*at = i;
			return OK;
		}
		n += (size_t)snprintf(
			all + n, n < sizeof all ? sizeof all - n : 0, "%s%s", i ? ", " : "", o->choices[i]);
	}
	return err_set(e, ERR_INVALID, "usage", "%s: \"%.60s\" is none of %s", from->text, text, all);
}

static enum status
set_value(const struct option *o, void *settings, const struct origin *from, const char *text, struct err *e)
{
	unsigned char *at = (unsigned char *)settings + o->at;
	static const char *const words[] = {"0", "false", "no", "1", "true", "yes"};

	switch (o->type) {
	case OPTION_TEXT:
		*(const char **)(void *)at = text;
		return OK;
	case OPTION_COUNT:
	case OPTION_BYTES:
		return set_number(o, (uint64_t *)(void *)at, from, text, e);
	case OPTION_CHOICE:
		return set_choice(o, (size_t *)(void *)at, from, text, e);
	case OPTION_CALL:
		return o->call(settings, text, e) ? err_prefix(e, "%s", from->text) : OK;
	case OPTION_FLAG:
		for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
			if (strcasecmp(text, words[i]) == 0) {
				*(bool *)at = i >= 3;
				return OK;
			}
		return err_set(e, ERR_INVALID, "usage", "%s: \"%.60s\" is neither true nor false", from->text, text);
	}
	return OK;
}

static bool
same_name(const char *option, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if ((option[i] == '-' ? '_' : option[i]) != (name[i] == '-' ? '_' : name[i]))
			return false;
	return !name[n];
}

static size_t
count_more(const struct option_table *t)
{
	return t->n_more ? *t->n_more : 0;
}

static enum status
unknown(const struct option_table *t, const char *name, size_t len, struct err *e)
{
	size_t n_more = count_more(t), n = t->n + n_more;
	const char **known = calloc(n ? n : 1, sizeof *known);
	char *given = strndup(name, len), near[64] = "";
	const char *nearest;
	enum status s;

	if (!known || !given) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < t->n; i++)
		known[i] = t->option[i].name;
	for (size_t i = 0; i < n_more; i++)
		known[t->n + i] = t->more_name(i);
	nearest = suggest_nearest(given, known, n);
	if (!nearest) {
		s = usage(e, "there is no option --%.100s", given, NULL);
		goto out;
	}
	snprintf(near, sizeof near, "%s", nearest);
	for (char *c = near; *c; c++)
		if (*c == '_')
			*c = '-';
	s = usage(e, "there is no option --%.100s (did you mean --%s?)", given, near);
out:
	free(known);
	free(given);
	return s;
}

/* --name, --name=value. Moves *at on past a value that is an argument of its own. */
static enum status
parse_long(const struct option_table *t, void *settings, int argc, char *const argv[], int *at, struct err *e)
{
	const char *name = argv[*at] + 2, *equals = strchr(name, '='), *value = equals ? equals + 1 : NULL;
	size_t len = equals ? (size_t)(equals - name) : strlen(name), n_more = count_more(t), more = n_more;
	const struct option *o = NULL;
	struct origin from;

	for (size_t i = 0; i < t->n && !o; i++)
		if (strlen(t->option[i].name) == len && strncmp(t->option[i].name, name, len) == 0)
			o = &t->option[i];
	for (size_t i = 0; i < n_more && !o && more == n_more; i++)
		if (same_name(name, len, t->more_name(i)))
			more = i;
	if (!o && more == n_more)
		return unknown(t, name, len, e);
	snprintf(from.text, sizeof from.text, "--%.*s", (int)(len < 60 ? len : 60), name);
	if (o && o->type == OPTION_FLAG)
		return set_value(o, settings, &from, value ? value : "true", e);
	if (!value) {
		if (*at + 1 >= argc)
			return usage(e, "%s needs a value", from.text, NULL);
		value = argv[++*at];
	}
	if (o)
		return set_value(o, settings, &from, value, e);
	return t->set_more(settings, more, value, e) ? err_prefix(e, "%s", from.text) : OK;
}

/* -o value, -ovalue; flags may stand together: -qv. */
static enum status
parse_short(const struct option_table *t, void *settings, int argc, char *const argv[], int *at, struct err *e)
{
	const char *letters = argv[*at] + 1;
	struct origin from;
	enum status s;

	for (; *letters; letters++) {
		const struct option *o = NULL;
		const char *value = letters + 1;

		for (size_t i = 0; i < t->n && !o; i++)
			if (t->option[i].letter == *letters)
				o = &t->option[i];
		snprintf(from.text, sizeof from.text, "-%c", *letters);
		if (!o)
			return usage(e, "there is no option %s", from.text, NULL);
		if (o->type == OPTION_FLAG) {
			if ((s = set_value(o, settings, &from, "true", e)))
				return s;
			continue;
		}
		if (!*value) {
			if (*at + 1 >= argc)
				return usage(e, "%s needs a value", from.text, NULL);
			value = argv[++*at];
		}
		return set_value(o, settings, &from, value, e);
	}
	return OK;
}

enum status
options_parse(const struct option_table *t, void *settings, int argc, char *const argv[], const char *operand[],
	size_t max_operands, size_t *n_operands, struct err *e)
{
	bool options_over = false;
	size_t n = 0;
	enum status s;

	for (int i = 1; i < argc; i++) {
		if (!options_over && strcmp(argv[i], "--") == 0) {
			options_over = true;
			continue;
		}
		if (!options_over && argv[i][0] == '-' && argv[i][1]) {
			s = argv[i][1] == '-' ? parse_long(t, settings, argc, argv, &i, e)
					      : parse_short(t, settings, argc, argv, &i, e);
			if (s) {
				e->status = ERR_INVALID; /* of whatever room it is: here it is a matter of usage */
				return ERR_INVALID;
			}
			continue;
		}
		if (n == max_operands)
			return usage(e, "there is nothing to do for \"%.100s\"", argv[i], NULL);
		operand[n++] = argv[i];
	}
	*n_operands = n;
	return OK;
}

static void
environment_name(const struct option *o, const char *prefix, char *out, size_t n)
{
	snprintf(out, n, "%s_%s", prefix, o->name);
	for (char *c = out; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

enum status
options_environment(const struct option_table *t, void *settings, const char *prefix, struct err *e)
{
	struct origin from;
	enum status s;

	for (size_t i = 0; i < t->n; i++) {
		const char *value;

		environment_name(&t->option[i], prefix, from.text, sizeof from.text);
		value = getenv(from.text);
		if (value && *value && (s = set_value(&t->option[i], settings, &from, value, e)))
			return s;
	}
	return OK;
}

void
options_print(const struct option_table *t, const char *prefix, FILE *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct option *o = &t->option[i];
		char left[64], name[64];

		snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
			o->letter ? ", " : "  ", o->name, o->value ? " " : "", o->value ? o->value : "");
		fprintf(out, "  %-28s %s", left, o->doc);
		if (prefix) {
			environment_name(o, prefix, name, sizeof name);
			fprintf(out, " [%s]", name);
		}
		fputc('\n', out);
	}
}

void
options_print_values(const struct option_table *t, const void *settings, FILE *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct option *o = &t->option[i];
		const void *at = (const unsigned char *)settings + o->at;
		const char *text;

		switch (o->type) {
		case OPTION_TEXT:
			text = *(const char *const *)at;
			fprintf(out, "%s = %s\n", o->name, text ? text : "");
			break;
		case OPTION_COUNT:
		case OPTION_BYTES:
			fprintf(out, "%s = %" PRIu64 "\n", o->name, *(const uint64_t *)at);
			break;
		case OPTION_CHOICE:
			fprintf(out, "%s = %s\n", o->name, o->choices[*(const size_t *)at]);
			break;
		case OPTION_FLAG:
			fprintf(out, "%s = %s\n", o->name, *(const bool *)at ? "true" : "false");
			break;
		case OPTION_CALL:
			break;
		}
	}
}
