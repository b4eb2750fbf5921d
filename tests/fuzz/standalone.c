/* standalone: runs a fuzz target over the files named on the command line, without a fuzzer: to replay what one found.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		size_t size = 0, cap = 1 << 16, n;
		uint8_t *data = malloc(cap);

		if (!f || !data) {
			perror(argv[i]);
			return 2;
		}
		while ((n = fread(data + size, 1, cap - size, f))) {
			uint8_t *more;

			size += n;
			if (size < cap)
				continue;
			more = realloc(data, cap *= 2);
			if (!more) {
				perror(argv[i]);
				return 2;
			}
			data = more;
		}
		if (ferror(f)) {
			perror(argv[i]);
			return 2;
		}
		fclose(f);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return 0;
}
