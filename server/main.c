/* main: the program begins here, and everything else is in the library that tests link as well. */
#include "server/cli.h"

int
main(int argc, char *argv[])
{
	return cli_main(argc, argv);
}
