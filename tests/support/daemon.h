/*
 * daemon: `verad serve` as a child process on a free port, for tests that talk to it, kill it and start it again.
 *
 * The program is $VERAD_BIN, or build/verad. Its log goes to a file beside the data; what a failing test wants to see
 * of it is printed by daemon_show_log. The child dies with the test.
 */
#ifndef VERAD_TESTS_SUPPORT_DAEMON_H
#define VERAD_TESTS_SUPPORT_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

struct daemon {
	char dir[64]; /* scratch directory: dir/data and dir/log */
	pid_t pid;    /* 0: not running */
	unsigned port;
};

bool daemon_make(struct daemon *d);  /* the scratch directory; nothing runs yet */
bool daemon_start(struct daemon *d); /* waits until it listens; false: it ended instead */
int daemon_stop(struct daemon *d);   /* SIGTERM; its exit status, or 128 + the signal that ended it */
void daemon_kill(struct daemon *d);  /* SIGKILL */
void daemon_show_log(const struct daemon *d);
void daemon_remove(struct daemon *d); /* kills it if need be, and removes the directory */

#endif
