/* utf8: is this text? (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.) Thread rule: pure. */
#ifndef VERAD_SCHEMA_UTF8_H
#define VERAD_SCHEMA_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes, 1 to 4, of the character that the n bytes at p begin with; 0 where they begin with none. */
size_t utf8_length(const unsigned char *p, size_t n);
bool utf8_valid(const void *text, size_t n);

/* Of text that is still coming, n >= 1: the bytes of the character that p[n] begins with; 0: more are needed to tell;
 * -1: it begins with none. */
int utf8_character(const unsigned char *p, size_t n);
/* How many bytes of p[n] are whole characters other than NUL. */
size_t utf8_prefix(const unsigned char *p, size_t n);

/* Writes the 1 to 4 bytes of a code point (no surrogate, at most U+10FFFF) and returns how many. */
size_t utf8_encode(uint32_t code_point, unsigned char out[4]);

#endif
