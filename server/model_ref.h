/*
 * model_ref: what a model may be called. "mdl_…" is one model by its id; "fraud" the newest version of that name,
 * "fraud@3" its third, "fraud@production" the one that the alias stands for; "fraud@latest" is "fraud".
 *
 * Names and aliases are up to 64 of A-Z a-z 0-9 . _ -; a name begins with a letter or digit and not with "mdl_", an
 * alias with a letter, and is not "latest". Thread rule: pure functions.
 */
#ifndef VERAD_SERVER_MODEL_REF_H
#define VERAD_SERVER_MODEL_REF_H

#include "engine/err.h"

enum { MODEL_NAME_MAX = 64 };

struct model_ref {
	enum { REF_ID, REF_LATEST, REF_VERSION, REF_ALIAS } kind;
	char name[MODEL_NAME_MAX + 1]; /* the id, for REF_ID */
	uint64_t version;
	char alias[MODEL_NAME_MAX + 1];
};

/* ERR_NOT_FOUND "model_not_found" for a text that no model can be called by. */
enum status model_ref_parse(const char *text, struct model_ref *out, struct err *e);

/* ERR_INVALID "bad_model_name", "bad_alias". */
enum status model_name_check(const char *name, struct err *e);
enum status model_alias_check(const char *alias, struct err *e);

#endif
