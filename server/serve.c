/* serve: see serve.h. */
#include "server/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "server/api.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/log.h"
#include "server/service.h"
#include "server/store.h"
#include "server/version.h"

enum { DRAIN_SECONDS = 30 }; /* for requests under way when the daemon is told to stop */

static enum status
make_directory(const char *dir, struct err *e)
{
	struct stat st;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(
			e, ERR_IO, "no_data_directory", "cannot make the directory %.200s: %s", dir, strerror(errno));
	if (stat(dir, &st))
		return err_set(e, ERR_IO, "no_data_directory", "cannot use %.200s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "no_data_directory", "%.200s is not a directory", dir);
	return OK;
}

/* Blocked in all threads, so that they reach the one that waits for them; SIGPIPE is an error of write, not an end. */
static void
set_signals(sigset_t *ends)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(ends);
	sigaddset(ends, SIGTERM);
	sigaddset(ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, ends, NULL);
}

static void
wait_for_end(const sigset_t *ends)
{
	int got;

	while (sigwait(ends, &got))
		;
	log_event(LOG_INFO, "stopping", "signal", got == SIGINT ? "SIGINT" : "SIGTERM", NULL);
	/* From here on the signals have their usual effect: whoever repeats one does not want to wait. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, ends, NULL);
}

/* "http://127.0.0.1:8080", with the port that was really bound. */
static void
log_address(const char *listen, unsigned port)
{
	const char *colon = strrchr(listen, ':');
	char text[160];

	snprintf(text, sizeof text, "listening on http://%.*s:%u", colon ? (int)(colon - listen) : 100, listen, port);
	log_event(LOG_INFO, text, NULL);
}

enum status
serve(const struct config *c, struct err *e)
{
	const struct service_options service_options = {.spool_dir = c->data};
	const struct http_options http_options = {.listen = c->listen};
	struct store *store = NULL;
	struct service *service = NULL;
	struct jobs *jobs = NULL;
	struct http *http = NULL;
	struct api api = {.max_upload = c->max_upload, .max_predict = c->max_predict};
	const struct http_route *routes;
	size_t n_routes;
	sigset_t ends;
	enum status s;

	log_setup((enum log_level)c->log_level, (enum log_format)c->log_format);
	set_signals(&ends);
	if ((s = make_directory(c->data, e)) || (s = store_open(c->data, &store, e)) ||
		(s = service_new(store, &service_options, &service, e)) ||
		(s = jobs_start(service, (unsigned)c->workers, &jobs, e)))
		goto out;
	api.service = service;
	api.jobs = jobs;
	routes = api_routes(&n_routes);
	if ((s = http_start(&http_options, routes, n_routes, &api, &http, e)))
		goto out;
	log_event(LOG_INFO, "started", "version", VERAD_VERSION, "data", c->data, NULL);
	log_address(c->listen, http_port(http));
	wait_for_end(&ends);
	/* Workers save their jobs while the last requests are answered; readiness is refused from here on. */
	jobs_drain(jobs);
	http_stop(http, DRAIN_SECONDS);
	http = NULL;
out:
	jobs_stop(jobs);
	service_free(service);
	store_close(store);
	if (!s)
		log_event(LOG_INFO, "stopped", NULL);
	return s;
}
