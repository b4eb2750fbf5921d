/* magic: see magic.h. */
#include "schema/magic.h"

#include <string.h>

const char *
magic_encoding(const unsigned char *h, size_t n)
{
	if (n >= 4 && h[0] == 0xff && h[1] == 0xfe && !h[2] && !h[3])
		return "UTF-32LE";
	if (n >= 4 && !h[0] && !h[1] && h[2] == 0xfe && h[3] == 0xff)
		return "UTF-32BE";
	if (n >= 2 && h[0] == 0xff && h[1] == 0xfe)
		return "UTF-16LE";
	if (n >= 2 && h[0] == 0xfe && h[1] == 0xff)
		return "UTF-16BE";
	/* Without a mark: the zero bytes of plain letters. */
	if (n >= 4 && h[0] && !h[1] && !h[2] && !h[3])
		return "UTF-32LE";
	if (n >= 4 && !h[0] && !h[1] && !h[2] && h[3])
		return "UTF-32BE";
	if (n >= 4 && h[0] && !h[1] && h[2] && !h[3])
		return "UTF-16LE";
	if (n >= 4 && !h[0] && h[1] && !h[2] && h[3])
		return "UTF-16BE";
	return NULL;
}

const char *
magic_format(const unsigned char *h, size_t n)
{
	if (n >= 2 && h[0] == 0x1f && h[1] == 0x8b)
		return "compressed with gzip; decompress it";
	if (n >= 4 && h[0] == 0x28 && h[1] == 0xb5 && h[2] == 0x2f && h[3] == 0xfd)
		return "compressed with zstd; decompress it";
	if (n >= 4 && !memcmp(h, "PK\3\4", 4))
		return "a spreadsheet workbook or a zip archive; export the table as CSV";
	if (n >= 4 && !memcmp(h, "\xd0\xcf\x11\xe0", 4))
		return "an old spreadsheet workbook; export the table as CSV";
	if (n >= 4 && !memcmp(h, "PAR1", 4))
		return "a Parquet file; export the table as CSV";
	return NULL;
}
