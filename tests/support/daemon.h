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

#include "tests/support/scratch.h"

struct daemon {
	char dir[SCRATCH_SIZE]; /* dir/data and dir/log */
	pid_t pid;              /* 0: not running */
	unsigned port;          /* 0: a socket in the file system */
	/* Set between daemon_make and daemon_start: */
	const char *option[24]; /* further arguments of `verad serve`, NULL-terminated; the last of its kind counts */
	int listen_fd;          /* > 0: handed over as systemd does */
};

bool daemon_make(struct daemon *d);  /* the scratch directory; nothing runs yet */
bool daemon_start(struct daemon *d); /* waits until it listens; false: it ended instead */
int daemon_stop(struct daemon *d);   /* SIGTERM; its exit status, or 128 + the signal that ended it */
void daemon_kill(struct daemon *d);  /* SIGKILL */
/* Is there a line in the log with `text`? Waits for it, for a minute at most. */
bool daemon_logged(const struct daemon *d, const char *text);
void daemon_show_log(const struct daemon *d);
void daemon_remove(struct daemon *d); /* kills it if need be, and removes the directory */

/* Runs the program with these arguments (NULL-terminated) to its end: its exit status, its output and errors in `out`.
 */
int daemon_command(const char *const *arguments, char *out, size_t size);

#endif
