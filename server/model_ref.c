/* model_ref: see model_ref.h. */
#include "server/model_ref.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool
is_word(const char *text, size_t n, const char *first)
{
	return n > 0 && n <= MODEL_NAME_MAX && strchr(first, text[0]) && strspn(text, LETTERS DIGITS "._-") >= n;
}

static bool
is_id(const char *text)
{
	return !strncmp(text, "mdl_", 4);
}

enum status
model_ref_parse(const char *text, struct model_ref *out, struct err *e)
{
	size_t n = strcspn(text, "@");
	const char *which = text + n + (text[n] == '@');
	size_t n_which = strlen(which);

	*out = (struct model_ref){.kind = REF_LATEST};
	if (!is_word(text, n, LETTERS DIGITS))
		goto none;
	memcpy(out->name, text, n);
	if (!text[n]) {
		out->kind = is_id(text) ? REF_ID : REF_LATEST;
		return OK;
	}
	if (!strcmp(which, "latest"))
		return OK;
	if (n_which && n_which <= 15 && strspn(which, DIGITS) == n_which) {
		out->kind = REF_VERSION;
		out->version = strtoull(which, NULL, 10);
		return OK;
	}
	if (!is_word(which, n_which, LETTERS))
		goto none;
	out->kind = REF_ALIAS;
	memcpy(out->alias, which, n_which);
	return OK;
none:
	return err_set(e, ERR_NOT_FOUND, "model_not_found", "no model \"%.80s\"", text);
}

enum status
model_name_check(const char *name, struct err *e)
{
	if (!is_word(name, strlen(name), LETTERS DIGITS))
		return err_set(e, ERR_INVALID, "bad_model_name",
			"a model's name has 1 to %d letters, digits, '.', '_' and '-' and begins with a letter or "
			"digit; \"%.80s\" does not",
			MODEL_NAME_MAX, name);
	if (is_id(name))
		return err_set(e, ERR_INVALID, "bad_model_name",
			"\"%.80s\" cannot be a model's name: what begins with mdl_ is an id", name);
	return OK;
}

enum status
model_alias_check(const char *alias, struct err *e)
{
	if (!is_word(alias, strlen(alias), LETTERS))
		return err_set(e, ERR_INVALID, "bad_alias",
			"an alias has 1 to %d letters, digits, '.', '_' and '-' and begins with a letter; \"%.80s\" "
			"does not",
			MODEL_NAME_MAX, alias);
	if (!strcmp(alias, "latest"))
		return err_set(e, ERR_INVALID, "bad_alias",
			"\"latest\" always stands for the newest version: choose another alias");
	return OK;
}
