/* main: the program begins here, and everything else is in the library that tests link as well. */
#include <stdlib.h>
#include <unistd.h>

#include "server/cli.h"

/*
 * OpenMP's threads wait for each other by spinning, for about a millisecond: fine on an idle machine, ruinous on a busy
 * one, where they burn the time that the thread they wait for needs (measured beside eight other busy processes: 14
 * times slower). The library reads how long from the environment before main, and offers no call; so the program sets
 * it and starts itself again. Whoever sets one of the two variables has the say; where that fails, nothing but speed is
 * lost.
 */
static void
let_idle_threads_sleep(char *argv[])
{
	if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
		return;
	if (setenv("GOMP_SPINCOUNT", "300", 1) == 0)
		execv("/proc/self/exe", argv);
}

int
main(int argc, char *argv[])
{
	let_idle_threads_sleep(argv);
	return cli_main(argc, argv);
}
