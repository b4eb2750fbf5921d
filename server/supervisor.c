/* supervisor: see supervisor.h. */
#include "server/supervisor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum status
supervisor_socket(int *fd, struct err *e)
{
	int n = sd_listen_fds(1);

	*fd = -1;
	if (n == 0)
		return OK;
	if (n < 0 || n > 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
		return err_set(e, ERR_INVALID, "bad_listen_address",
			"LISTEN_FDS: one listening stream socket can be taken over, and this is something else");
	*fd = SD_LISTEN_FDS_START;
	fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK); /* who knocked may be gone when we open */
	return OK;
}

void
supervisor_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void
supervisor_reloading(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

void
supervisor_stopping(unsigned seconds)
{
	sd_notifyf(0, "STOPPING=1\nSTATUS=stopping: answering what is under way, saving jobs\nEXTEND_TIMEOUT_USEC=%llu",
		seconds * 1000000ULL);
}

void
supervisor_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

uint64_t
supervisor_watchdog_ms(void)
{
	uint64_t usec = 0;

	return sd_watchdog_enabled(0, &usec) > 0 ? usec / 2000 : 0;
}
