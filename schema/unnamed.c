/* unnamed: see unnamed.h. */
#include "schema/unnamed.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "Unnamed: ";
enum { PREFIX = sizeof prefix - 1 };

bool
unnamed_is(const char *name)
{
	return !name[strspn(name, " \t")];
}

bool
unnamed_given(const char *name)
{
	static const char digits[] = "0123456789";
	size_t n;

	if (strncmp(name, prefix, PREFIX) != 0)
		return false;
	name += PREFIX;
	if (!(n = strspn(name, digits)))
		return false;
	name += n;
	if (*name == '.' && (n = strspn(name + 1, digits)))
		name += 1 + n;
	return !*name;
}

enum status
unnamed_fill(const char **name, size_t n, struct dictionary *given, struct err *e)
{
	char text[PREFIX + 24];
	size_t number = 0, first;
	uint32_t code;
	enum status s;

	for (size_t i = 0; i < n; i++) /* what other columns are called */
		if (!strncmp(name[i], prefix, PREFIX) &&
			(s = dictionary_add(given, name[i], strlen(name[i]), &code, e)))
			return s;
	first = given->n;
	for (size_t i = 0; i < n; i++) {
		size_t len;

		if (!unnamed_is(name[i]))
			continue;
		do
			len = (size_t)snprintf(text, sizeof text, "%s%zu", prefix, number++);
		while (dictionary_find(given, text, len) != TABLE_MISSING);
		if ((s = dictionary_add(given, text, len, &code, e)))
			return s;
	}
	for (size_t i = 0; i < n; i++) /* now that the texts move no more */
		if (unnamed_is(name[i]))
			name[i] = given->text[first++];
	return OK;
}
