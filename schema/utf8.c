/* utf8: see utf8.h. */
#include "schema/utf8.h"

#include "schema/scan.h"

static bool
is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t
utf8_length(const unsigned char *p, size_t n)
{
	if (!n)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (n < 2 || !is_tail(p[1]))
		return 0;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return 2;
	if (n < 3 || !is_tail(p[2]))
		return 0;
	if ((p[0] & 0xf0) == 0xe0) /* E0 80..9F would be overlong, ED A0..BF are the surrogates */
		return (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ? 0 : 3;
	if (n < 4 || !is_tail(p[3]))
		return 0;
	if (p[0] >= 0xf0 && p[0] <= 0xf4) /* F0 80..8F would be overlong, F4 90.. is past the last code point */
		return (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f) ? 0 : 4;
	return 0;
}

bool
utf8_valid(const void *text, size_t n)
{
	const unsigned char *p = text, *end = p + n;

	while (p < end) {
		size_t len = utf8_length(p, (size_t)(end - p));

		if (!len)
			return false;
		p += len;
	}
	return true;
}

size_t
utf8_encode(uint32_t c, unsigned char out[4])
{
	if (c < 0x80) {
		out[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (unsigned char)(0xc0 | c >> 6);
		out[1] = (unsigned char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (unsigned char)(0xe0 | c >> 12);
		out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (unsigned char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | c >> 18);
	out[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (unsigned char)(0x80 | (c & 0x3f));
	return 4;
}

int
utf8_character(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80,
		      high = 0xbf; /* bounds of the second byte: no overlong forms, surrogates, or > U+10FFFF */
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return -1;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++) {
		if (i == n)
			return 0;
		if (p[i] < low || p[i] > high)
			return -1;
		low = 0x80;
		high = 0xbf;
	}
	return (int)len;
}

size_t
utf8_prefix(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		int len;

		i += scan_plain(p + i, n - i);
		if (i == n || !p[i])
			break;
		len = utf8_character(p + i, n - i);
		if (len <= 0)
			break;
		i += (size_t)len;
	}
	return i;
}
