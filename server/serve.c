/* serve: see serve.h. */
#include "server/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/access.h"
#include "server/api.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/service.h"
#include "server/store.h"
#include "server/supervisor.h"
#include "server/tls.h"
#include "server/version.h"

enum {
	DRAIN_SECONDS = 30, /* for requests under way when the daemon is told to stop */
	SAVE_SECONDS = 60,  /* for checkpoints and the store */
};

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

static enum status
check_directory(const char *dir, const char *code, struct err *e)
{
	struct stat st;

	if (stat(dir, &st) || access(dir, R_OK | W_OK | X_OK))
		return err_set(e, ERR_INVALID, code, "%.200s cannot be used: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, code, "%.200s is not a directory", dir);
	return OK;
}

static pthread_t main_thread;

static void
hand_on(int signal)
{
	pthread_kill(main_thread, signal);
}

/*
 * Blocked in all threads that follow, so that they reach the one that waits for them. The BLAS library has made threads
 * before main began, where they are not blocked: what arrives there is handed on. SIGPIPE is an error of write, no end.
 */
static void
set_signals(sigset_t *ours)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction action = {.sa_handler = hand_on, .sa_flags = SA_RESTART};

	main_thread = pthread_self();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(ours);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(ours, signals[i]);
	pthread_sigmask(SIG_BLOCK, ours, NULL);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
}

/* The daemon's rooms, in the order in which they start. */
struct daemon {
	const struct config *config;
	sigset_t signals;
	struct tls *tls;
	struct store *store;
	struct access *access;
	struct metrics *metrics;
	struct service *service;
	struct jobs *jobs;
	struct http *http;
	struct api api;
};

/* The next signal of ours, or 0 after `milliseconds`; UINT64_MAX waits for ever. */
static int
next_signal(const sigset_t *signals, uint64_t milliseconds)
{
	struct timespec t = {.tv_sec = (time_t)(milliseconds / 1000), .tv_nsec = (long)(milliseconds % 1000) * 1000000};
	int got;

	do
		got = milliseconds == UINT64_MAX ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &t);
	while (got < 0 && errno == EINTR);
	return got < 0 ? 0 : got;
}

/* SIGHUP: what may change while it runs. What cannot be used leaves the old in use. */
static void
reload(struct daemon *d)
{
	struct err e = {0};

	supervisor_reloading();
	if ((d->tls && tls_reload(d->tls, &e)) || access_read_file(d->access, &e))
		log_event(LOG_ERROR, "not reloaded", "code", e.code, "error", e.msg, NULL);
	else
		log_event(LOG_INFO, "reloaded", NULL);
	access_refresh(d->access);
	supervisor_ready("serving");
}

/* The supervisor hears that we are alive while the store can be read and every worker is there. */
static void
wait_for_end(struct daemon *d)
{
	uint64_t pause = supervisor_watchdog_ms();
	struct err why = {0};
	bool store, workers;
	int got;

	while ((got = next_signal(&d->signals, pause ? pause : UINT64_MAX)) == SIGHUP || !got) {
		if (got)
			reload(d);
		else if (api_is_ready(&d->api, &why, &store, &workers))
			supervisor_alive();
		else
			log_event(LOG_ERROR, "not alive: the watchdog is not told otherwise", "store",
				store ? "ok" : why.msg, "workers", workers ? "ok" : "stopped", NULL);
	}
	log_event(LOG_INFO, "stopping", "signal", got == SIGINT ? "SIGINT" : "SIGTERM", NULL);
	/* From here on the signals have their usual effect: whoever repeats one does not want to wait. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	pthread_sigmask(SIG_UNBLOCK, &d->signals, NULL);
}

/* Not ready from here on, so that whoever balances loads sends no more; served all the same for drain_seconds. */
static void
stop(struct daemon *d)
{
	struct timespec t = {.tv_sec = (time_t)d->config->drain_seconds};

	supervisor_stopping((unsigned)d->config->drain_seconds + DRAIN_SECONDS + SAVE_SECONDS);
	jobs_drain(d->jobs); /* workers save their jobs meanwhile */
	while (t.tv_sec + t.tv_nsec > 0 && nanosleep(&t, &t) && errno == EINTR)
		;
	atomic_store(&d->api.stopping, true);
	atomic_store(&d->api.http, NULL);
	http_stop(d->http, DRAIN_SECONDS);
	d->http = NULL;
}

/* Others reach this address and nobody could be told from anybody else: only where that is what was asked for. */
static enum status
check_auth(const struct daemon *d, bool local, const char *address, struct err *e)
{
	const struct config *c = d->config;

	if (c->auth == AUTH_NONE || (c->auth == AUTH_AUTO && local) || access_n_keys(d->access))
		return OK;
	return err_set(e, ERR_INVALID, "no_api_keys",
		"%.80s needs API keys, and there is none yet: make one with `verad key create --data %.60s --scopes "
		"admin`, or name a file with --admin-key-file, or say --auth none to let everybody in",
		address, c->data);
}

static void
log_start(const struct daemon *d, const char *address)
{
	const struct config *c = d->config;
	char text[160];

	log_event(LOG_INFO, "started", "version", VERAD_VERSION, "data", c->data, "auth", d->api.open ? "none" : "keys",
		NULL);
	if (d->tls && tls_expires(d->tls) < (double)time(NULL))
		log_event(LOG_WARNING, "the certificate has expired", "file", c->tls_cert, NULL);
	snprintf(text, sizeof text, "listening on %s%s",
		!strncmp(address, "unix:", 5) ? ""
		: d->tls                      ? "https://"
					      : "http://",
		address);
	log_event(LOG_INFO, text, NULL);
}

/* The socket first: who is asked for a key depends on it. http takes it over. */
static enum status
start_serving(struct daemon *d, struct err *e)
{
	const struct config *c = d->config;
	struct http_options o = {.tls = d->tls,
		.max_connections = (unsigned)c->max_connections,
		.plain_errors = "/v2",
		.admit = api_admit,
		.observe = api_observe};
	const struct http_route *routes;
	char address[128];
	size_t n_routes;
	int fd = -1;
	bool local;
	enum status s;

	if ((s = supervisor_socket(&fd, e)) || (fd < 0 && (s = listen_on(c->listen, &fd, e))))
		return s;
	local = listen_is_local(fd);
	listen_address(fd, address, sizeof address);
	d->api.open = c->auth == AUTH_NONE || (c->auth == AUTH_AUTO && local);
	o.listen_fd = fd;
	if ((s = check_auth(d, local, address, e))) {
		close(fd);
		return s;
	}
	routes = api_routes(&n_routes);
	if ((s = http_start(&o, routes, n_routes, &d->api, &d->http, e)))
		return s;
	atomic_store(&d->api.http, d->http);
	log_start(d, address);
	return OK;
}

static enum status
start(struct daemon *d, struct err *e)
{
	const struct config *c = d->config;
	const struct metrics_route *routes;
	struct service_options options = {
		.spool_dir = c->data, .max_models = (size_t)c->max_models, .max_queued = (size_t)c->max_queued};
	size_t n_routes;
	enum status s;

	routes = api_metric_routes(&n_routes);
	if ((c->backup_dir && (s = check_directory(c->backup_dir, "no_backup_directory", e))) ||
		(c->tls_cert && (s = tls_new(c->tls_cert, c->tls_key, &d->tls, e))) ||
		(s = make_directory(c->data, e)) || (s = store_open(c->data, &d->store, e)) ||
		(s = access_new(d->store, c->admin_key_file, &d->access, e)) ||
		(s = metrics_new(routes, n_routes, &d->metrics, e)))
		return s;
	store_set_reserve(d->store, c->min_free);
	options.metrics = d->metrics;
	options.tables = (struct service_table_limits){.max_rows = c->max_rows,
		.max_cells = c->max_cells,
		.csv = {.max_columns = (size_t)c->max_columns, .max_cell = (size_t)c->max_cell}};
	if ((s = service_new(d->store, &options, &d->service, e)) ||
		(s = jobs_start(d->service, (unsigned)c->workers, &d->jobs, e)))
		return s;
	d->api.service = d->service;
	d->api.jobs = d->jobs;
	d->api.max_upload = c->max_upload;
	d->api.max_predict = c->max_predict;
	d->api.access = d->access;
	d->api.metrics = d->metrics;
	d->api.tls = d->tls;
	d->api.backup_dir = c->backup_dir;
	d->api.config = c;
	return start_serving(d, e);
}

enum status
serve(const struct config *c, struct err *e)
{
	struct daemon d = {.config = c};
	enum status s;

	log_setup((enum log_level)c->log_level, (enum log_format)c->log_format);
	set_signals(&d.signals);
	if (!(s = start(&d, e))) {
		supervisor_ready("serving");
		wait_for_end(&d);
		stop(&d);
	}
	jobs_stop(d.jobs);
	service_free(d.service);
	metrics_free(d.metrics);
	access_free(d.access);
	store_close(d.store);
	tls_free(d.tls);
	if (!s)
		log_event(LOG_INFO, "stopped", NULL);
	return s;
}

/* Checks ---------------------------------------------------------------------------------------------------------- */

enum status
serve_check(const struct config *c, struct err *e)
{
	struct access *keys = NULL;
	struct tls *tls = NULL;
	enum status s;

	if ((s = listen_check(c->listen, e)) || (c->tls_cert && (s = tls_new(c->tls_cert, c->tls_key, &tls, e))) ||
		/* a data directory that is not there is made */
		(!access(c->data, F_OK) && (s = check_directory(c->data, "no_data_directory", e))) ||
		(c->backup_dir && (s = check_directory(c->backup_dir, "no_backup_directory", e))))
		goto out;
	s = access_new(NULL, c->admin_key_file, &keys, e);
out:
	access_free(keys);
	tls_free(tls);
	return s;
}
