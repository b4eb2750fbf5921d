/* daemon: see daemon.h. */
#include "tests/support/daemon.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void
path_in(const struct daemon *d, const char *name, char out[96])
{
	snprintf(out, 96, "%s/%s", d->dir, name);
}

bool
daemon_make(struct daemon *d)
{
	memset(d, 0, sizeof *d);
	strcpy(d->dir, "/tmp/verad-test-XXXXXX");
	return mkdtemp(d->dir);
}

static void
run(const struct daemon *d)
{
	const char *program = getenv("VERAD_BIN");
	char data[96], log[96];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	path_in(d, "data", data);
	path_in(d, "log", log);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	if (!program)
		program = "build/verad";
	execl(program, program, "serve", "--data", data, "--listen", "127.0.0.1:0", (char *)NULL);
	perror(program);
	_exit(127);
}

/* The port from the line that says where it listens; 0: not there yet. */
static unsigned
logged_port(const struct daemon *d)
{
	static const char marker[] = "listening on http://127.0.0.1:";
	unsigned port = 0;
	char path[96], line[512];
	FILE *f;

	path_in(d, "log", path);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f)) {
		const char *at = strstr(line, marker);

		if (at && strchr(line, '\n'))
			port = (unsigned)strtoul(at + sizeof marker - 1, NULL, 10);
	}
	if (f)
		fclose(f);
	return port;
}

bool
daemon_start(struct daemon *d)
{
	char log[96];

	path_in(d, "log", log);
	unlink(log);
	fflush(NULL);
	d->pid = fork();
	if (d->pid == 0)
		run(d);
	for (int i = 0; i < 6000 && d->pid > 0; i++) {
		int status;

		if (waitpid(d->pid, &status, WNOHANG) == d->pid)
			break;
		d->port = logged_port(d);
		if (d->port)
			return true;
		usleep(10000);
	}
	d->pid = 0;
	return false;
}

static int
end(struct daemon *d, int signal)
{
	int status = 0;

	if (d->pid <= 0)
		return -1;
	kill(d->pid, signal);
	waitpid(d->pid, &status, 0);
	d->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
daemon_stop(struct daemon *d)
{
	return end(d, SIGTERM);
}

void
daemon_kill(struct daemon *d)
{
	end(d, SIGKILL);
}

void
daemon_show_log(const struct daemon *d)
{
	char path[96], line[1024];
	FILE *f;

	path_in(d, "log", path);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		fprintf(stderr, "# %s", line);
	if (f)
		fclose(f);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

void
daemon_remove(struct daemon *d)
{
	daemon_kill(d);
	nftw(d->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
