/* daemon: see daemon.h. */
#include "tests/support/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
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
	return scratch_make(d->dir);
}

static void
run(const struct daemon *d)
{
	const char *program = getenv("VERAD_BIN");
	char data[96], log[96];
	const char *argv[32] = {program ? program : "build/verad", "serve", "--data", data, "--listen", "127.0.0.1:0"};
	size_t n = 6;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	path_in(d, "data", data);
	path_in(d, "log", log);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	program = argv[0];
	memcpy(argv + n, d->option, sizeof d->option);
	if (d->listen_fd > 0) {
		char pid[24];

		snprintf(pid, sizeof pid, "%ld", (long)getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		if (dup2(d->listen_fd, 3) < 0 || fcntl(3, F_SETFD, 0)) /* dup2 leaves a 3 as it is */
			_exit(126);
	}
	execv(program, (char **)(uintptr_t)argv);
	perror(program);
	_exit(127);
}

/* The port from the line that says where it listens; 0 for a socket in the file system. false: it is not there yet. */
static bool
logged_port(const struct daemon *d, unsigned *port)
{
	char path[96], line[512];
	bool found = false;
	FILE *f;

	path_in(d, "log", path);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f)) {
		if (!strstr(line, "listening on ") || !strchr(line, '\n'))
			continue;
		*port = (unsigned)strtoul(strrchr(line, ':') + 1, NULL, 10);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
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
		if (logged_port(d, &d->port))
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

bool
daemon_logged(const struct daemon *d, const char *text)
{
	char path[96], line[2048];

	path_in(d, "log", path);
	for (int i = 0; i < 6000; i++) {
		FILE *f = fopen(path, "r");
		bool found = false;

		while (f && !found && fgets(line, sizeof line, f))
			found = strstr(line, text);
		if (f)
			fclose(f);
		if (found)
			return true;
		usleep(10000);
	}
	return false;
}

int
daemon_command(const char *const *arguments, char *out, size_t size)
{
	const char *program = getenv("VERAD_BIN"), *argv[24] = {program ? program : "build/verad"};
	int pipes[2], status = 0;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	for (size_t i = 0; arguments[i] && i + 2 < 24; i++)
		argv[i + 1] = arguments[i];
	if (pipe(pipes))
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(pipes[1]);
	while (pid > 0 && n + 1 < size && (got = read(pipes[0], out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	close(pipes[0]);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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

void
daemon_remove(struct daemon *d)
{
	daemon_kill(d);
	scratch_remove(d->dir);
}
