/* boolean: see boolean.h. */
#include "schema/boolean.h"

#include <string.h>

static const struct spelling {
	const char *text;
	bool value;
} spelling[] = {{"true", true}, {"True", true}, {"TRUE", true}, {"yes", true}, {"Yes", true}, {"YES", true},
	{"t", true}, {"T", true}, {"y", true}, {"Y", true}, {"1", true}, {"false", false}, {"False", false},
	{"FALSE", false}, {"no", false}, {"No", false}, {"NO", false}, {"f", false}, {"F", false}, {"n", false},
	{"N", false}, {"0", false}};
enum { N_SPELLINGS = sizeof spelling / sizeof *spelling };

const char *
boolean_spelling(size_t i, bool *value)
{
	if (i >= N_SPELLINGS)
		return NULL;
	*value = spelling[i].value;
	return spelling[i].text;
}

bool
boolean_parse(const char *text, size_t len, bool *out)
{
	while (len && text[0] == ' ') {
		text++;
		len--;
	}
	while (len && text[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < N_SPELLINGS; i++) {
		if (strlen(spelling[i].text) == len && !memcmp(spelling[i].text, text, len)) {
			*out = spelling[i].value;
			return true;
		}
	}
	return false;
}
