/*
 * What those who run the daemon rely on: metrics, limits, logs, backups made while it serves, what it tells systemd,
 * and how it stops. Who may do what is in test_access.c.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"

/* A daemon with a data set, a finished job and a model with an easy alarm, that may make backups. */
static struct daemon d;
static char dataset[API_ID_SIZE], job[API_ID_SIZE], model[API_ID_SIZE], backups[96], backup_option[128];

static void
assert_problem(const struct daemon *which, const char *method, const char *target, const char *body, int status,
	const char *code)
{
	cJSON *problem = api_call(which, method, target, body, status);

	assert_string_equal(api_text(problem, "code"), code);
	cJSON_Delete(problem);
}

/* Metrics --------------------------------------------------------------------------------------------------------- */

static char *
metrics_of(const struct daemon *which)
{
	struct http_answer a = http_call(which->port, "GET", "/metrics", NULL, NULL, 0);
	char type[64], *text = a.body;

	assert_int_equal(a.status, 200);
	assert_string_equal(
		http_answer_header(&a, "Content-Type", type, sizeof type), "text/plain; version=0.0.4; charset=utf-8");
	a.body = NULL;
	http_answer_release(&a);
	return text;
}

/* The value behind this name with its labels; -1: there is no such line. */
static double
value_of(const char *text, const char *series)
{
	size_t n = strlen(series);

	for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		if (!strncmp(line, series, n) && line[n] == ' ')
			return strtod(line + n, NULL);
	}
	return -1;
}

/*
 * The metrics once every request before is among them. Each has a connection of its own, is counted when its answer
 * has left, which may be after the client has it, and ends with its connection: when this one is the last, all are.
 */
static char *
settled_metrics_of(const struct daemon *which)
{
	char *text = metrics_of(which);

	for (int i = 0; i < 6000 && value_of(text, "verad_http_connections") != 1; i++) {
		usleep(10000);
		free(text);
		text = metrics_of(which);
	}
	assert_true(value_of(text, "verad_http_connections") == 1);
	return text;
}

static double
metric(const struct daemon *which, const char *series)
{
	char *text = metrics_of(which);
	double v = value_of(text, series);

	free(text);
	return v;
}

/* name{label="…",…} number, as Prometheus reads it, each below the HELP and TYPE of its name. */
static void
metrics_are_in_the_text_format(void **state)
{
	char *text = metrics_of(&d), *save = NULL, family[80] = "";

	(void)state;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n = strcspn(line, "{ ");
		char *end, *at = line + n;

		if (sscanf(line, "# TYPE %79s", family) == 1 || !strncmp(line, "# HELP ", 7))
			continue;
		if (strncmp(line, family, strlen(family)))
			fail_msg("\"%s\" stands below %s", line, family);
		if (*at == '{') {
			for (at++; *at != '}'; at += *at == ',') {
				n = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
				assert_true(n && at[n] == '=' && at[n + 1] == '"');
				at = strchr(at + n + 2, '"') + 1;
				assert_true(*at == ',' || *at == '}');
			}
			at++;
		}
		assert_int_equal(*at, ' ');
		strtod(at + 1, &end);
		if (end == at + 1 || *end || strstr(at, "nan") || strstr(at, "inf"))
			fail_msg("no number: %s", line);
	}
	free(text);
}

static double
at_least_0(double v)
{
	return v < 0 ? 0 : v;
}

static void
requests_are_counted_by_route_and_status(void **state)
{
	static const char found[] = "verad_http_requests_total{method=\"GET\",route=\"/v1/jobs/{id}\",code=\"200\"}";
	static const char missed[] = "verad_http_requests_total{method=\"GET\",route=\"/v1/jobs/{id}\",code=\"404\"}";
	static const char nowhere[] = "verad_http_requests_total{method=\"other\",route=\"none\",code=\"404\"}";
	static const char count[] = "verad_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/jobs/{id}\"}";
	static const char last[] =
		"verad_http_request_duration_seconds_bucket{method=\"GET\",route=\"/v1/jobs/{id}\",le=\"+Inf\"}";
	char target[128], *before = settled_metrics_of(&d), *after;

	(void)state;
	snprintf(target, sizeof target, "/v1/jobs/%s", job);
	cJSON_Delete(api_call(&d, "GET", target, NULL, 200));
	cJSON_Delete(api_call(&d, "GET", "/v1/jobs/job_x", NULL, 404));
	cJSON_Delete(api_call(&d, "GET", "/v1/jobs/job_y", NULL, 404));
	cJSON_Delete(api_call(&d, "GET", "/some/where", NULL, 404));
	after = settled_metrics_of(&d);
	assert_true(value_of(after, found) == value_of(before, found) + 1);
	assert_true(value_of(after, missed) == at_least_0(value_of(before, missed)) + 2);
	assert_true(value_of(after, nowhere) == at_least_0(value_of(before, nowhere)) + 1);
	assert_true(value_of(after, count) == value_of(before, count) + 3);
	assert_true(value_of(after, last) == value_of(after, count));
	assert_null(strstr(after, "job_x")); /* what callers make up is no label */
	assert_null(strstr(after, "/some/where"));
	free(before);
	free(after);
}

static double
n_times(const char *text, const char *part)
{
	double n = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		n++;
	return n;
}

static void
rows_are_counted_by_model_whatever_way_they_come_in(void **state)
{
	static const char rows[] = "x,y,colour\n0,0,red\n6,0,green\n-2,-2,mauve\n3,3,red\n5,5,red\n9,9,blue\n";
	static const char json[] =
		"{\"rows\":[{\"x\":3,\"y\":3,\"colour\":\"red\"},{\"x\":-2,\"y\":-2,\"colour\":\"q\"}]}";
	char answered[128], foreign[128], target[128], *csv;
	double n_answered, n_foreign, n_called;
	struct http_answer a;

	(void)state;
	snprintf(answered, sizeof answered, "verad_predicted_rows_total{model=\"%s\"}", model);
	snprintf(foreign, sizeof foreign, "verad_out_of_distribution_rows_total{model=\"%s\"}", model);
	snprintf(target, sizeof target, "/v1/models/%s/ood", model);
	free(api_predict_csv(&d, model, "predict", "x,y,colour\n0,0,red\n"));
	n_answered = metric(&d, answered);
	n_foreign = metric(&d, foreign);
	csv = api_predict_csv(&d, model, "predict", rows);
	a = http_call(d.port, "POST", target, "application/json", json, sizeof json - 1);
	assert_int_equal(a.status, 200);
	n_called = n_times(csv, ",true\n") + n_times(a.body, "\"is_ood\":true");
	assert_true(n_called > 0);
	assert_true(metric(&d, answered) == n_answered + 8);
	assert_true(metric(&d, foreign) == n_foreign + n_called);
	http_answer_release(&a);
	free(csv);
}

static void
jobs_and_sizes_are_what_they_are(void **state)
{
	char *text = metrics_of(&d);

	(void)state;
	assert_true(value_of(text, "verad_ready") == 1);
	assert_true(value_of(text, "verad_datasets") == (double)api_count(&d, "datasets"));
	assert_true(value_of(text, "verad_models") == (double)api_count(&d, "models"));
	assert_true(value_of(text, "verad_jobs{type=\"train\",state=\"succeeded\"}") == 1);
	assert_true(value_of(text, "verad_job_run_seconds_total{type=\"train\",state=\"succeeded\"}") > 0);
	assert_true(value_of(text, "verad_queue_depth") == 0);
	assert_true(value_of(text, "verad_store_bytes") > 0);
	assert_true(value_of(text, "verad_disk_free_bytes") > 0);
	assert_true(value_of(text, "process_resident_memory_bytes") > 1e6);
	assert_true(value_of(text, "process_open_fds") > 5);
	free(text);
}

static void
limits_are_those_that_hold(void **state)
{
	struct daemon o;
	char body[3000];
	cJSON *limits;

	(void)state;
	assert_true(daemon_make(&o));
	o.option[0] = "--max-upload=2k";
	o.option[1] = "--max-queued=1";
	o.option[2] = "--max-models=5";
	o.option[3] = "--max-connections=9";
	assert_true(daemon_start(&o));
	limits = api_call(&o, "GET", "/v1/limits", NULL, 200);
	assert_true(api_number(limits, "upload_bytes") == 2048);
	assert_true(api_number(limits, "queued_jobs") == 1);
	assert_true(api_number(limits, "models_in_memory") == 5);
	assert_true(api_number(limits, "connections") == 9);
	cJSON_Delete(limits);
	memset(body, 'x', sizeof body);
	body[sizeof body - 1] = '\0';
	assert_problem(&o, "POST", "/v1/datasets", body, 413, "body_too_large");
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
}

static void
assert_upload(const struct daemon *which, const char *csv, int status, const char *code)
{
	struct http_answer a = http_call(which->port, "POST", "/v1/datasets", "text/csv", csv, strlen(csv));
	cJSON *json = cJSON_Parse(a.body);

	assert_int_equal(a.status, status);
	assert_string_equal(api_text(json, "code"), code);
	cJSON_Delete(json);
	http_answer_release(&a);
}

static void
tables_over_the_limits_are_refused_and_those_at_them_are_not(void **state)
{
	char target[128], id[API_ID_SIZE];
	struct buf csv = {0};
	struct http_answer a;
	struct daemon o;

	(void)state;
	assert_true(daemon_make(&o));
	o.option[0] = "--max-rows=3";
	o.option[1] = "--max-cells=8";
	o.option[2] = "--max-columns=4";
	o.option[3] = "--max-cell=16";
	assert_true(daemon_start(&o));
	assert_upload(&o, "a,b\n1,2\n3,4\n5,6\n", 201, "");
	assert_upload(&o, "a,b\n1,2\n3,4\n5,6\n7,8\n", 413, "too_many_rows");
	assert_upload(&o, "a,b,c,d\n1,2,3,4\n1,2,3,4\n", 201, "");
	assert_upload(&o, "a,b,c,d\n1,2,3,4\n1,2,3,4\n1,2,3,4\n", 413, "too_many_cells");
	assert_upload(&o, "a,b,c,d,e\n1,2,3,4,5\n", 413, "too_many_columns");
	assert_upload(&o, "a\n12345678901234567890\n", 413, "cell_too_large");
	/* further rows count with those that are there */
	buf_puts(&csv, "a,b\n1,2\n3,4\n");
	api_upload(&o, &csv, NULL, id);
	buf_release(&csv);
	snprintf(target, sizeof target, "/v1/datasets/%s/rows", id);
	a = http_call(o.port, "POST", target, "text/csv", "a,b\n5,6\n7,8\n", 12);
	assert_int_equal(a.status, 413);
	http_answer_release(&a);
	a = http_call(o.port, "POST", target, "text/csv", "a,b\n5,6\n", 8);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	assert_int_equal(daemon_stop(&o), 0);
	o.option[0] = "--min-free=1024T"; /* no disk here has that */
	o.option[1] = NULL;
	assert_true(daemon_start(&o));
	assert_upload(&o, "a,b\n1,2\n", 507, "disk_full");
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
}

static void
more_jobs_than_may_wait_are_refused_for_now(void **state)
{
	char body[200], id[API_ID_SIZE], first[API_ID_SIZE], header[32];
	struct http_answer a = {0};
	struct buf csv = {0};
	struct daemon o;

	(void)state;
	assert_true(daemon_make(&o));
	o.option[0] = "--max-queued=1";
	assert_true(daemon_start(&o));
	blobs_csv(&csv, 60, 10, true);
	api_upload(&o, &csv, "label", id);
	buf_release(&csv);
	api_train(&o, id, "\"steps\":1000000", first);
	api_wait_for_steps(&o, first);
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\"}", id);
	cJSON_Delete(api_call(&o, "POST", "/v1/jobs", body, 202));
	a = http_call(o.port, "POST", "/v1/jobs", "application/json", body, strlen(body));
	assert_int_equal(a.status, 429);
	assert_non_null(http_answer_header(&a, "Retry-After", header, sizeof header));
	http_answer_release(&a);
	assert_true(metric(&o, "verad_queue_depth") == 1);
	assert_true(metric(&o, "verad_jobs{type=\"train\",state=\"running\"}") == 1);
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
}

/* Logs ------------------------------------------------------------------------------------------------------------ */

static void
a_trace_id_is_in_the_log_and_in_the_problem(void **state)
{
	static const char request[] =
		"GET /v1/jobs/job_x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: my.id\r\n"
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
	struct daemon o;
	struct http_answer a;
	cJSON *problem, *line = NULL;
	char path[96], text[1024];
	FILE *f;
	int fd;

	(void)state;
	assert_true(daemon_make(&o));
	o.option[0] = "--log-format=json";
	assert_true(daemon_start(&o));
	fd = http_dial(o.port);
	assert_true(http_send_text(fd, request));
	a = http_receive(fd, false);
	close(fd);
	problem = cJSON_Parse(a.body);
	assert_string_equal(api_text(problem, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_string_equal(api_text(problem, "request_id"), "my.id");
	cJSON_Delete(problem);
	http_answer_release(&a);
	assert_true(daemon_logged(&o, "4bf92f3577b34da6a3ce929d0e0e4736"));
	assert_int_equal(daemon_stop(&o), 0);
	snprintf(path, sizeof path, "%s/log", o.dir);
	f = fopen(path, "r");
	while (f && fgets(text, sizeof text, f)) {
		cJSON *now = cJSON_Parse(text);

		if (!now)
			fail_msg("a line of the log is no JSON: %s", text);
		if (strstr(text, "my.id")) {
			cJSON_Delete(line);
			line = now;
		} else {
			cJSON_Delete(now);
		}
	}
	assert_true(f && fclose(f) == 0);
	assert_string_equal(api_text(line, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_true(api_number(line, "status") == 404);
	assert_true(api_number(line, "ms") >= 0);
	cJSON_Delete(line);
	daemon_remove(&o);
}

/* Backups --------------------------------------------------------------------------------------------------------- */

/* A daemon on a copy of the store. */
static void
start_on(struct daemon *o, const char *copy)
{
	char command[400];

	assert_true(daemon_make(o));
	snprintf(command, sizeof command, "mkdir -m 700 %s/data && cp %s %s/data/verad.db", o->dir, copy, o->dir);
	assert_int_equal(system(command), 0);
	if (!daemon_start(o)) {
		daemon_show_log(o);
		fail_msg("it does not start on %s", copy);
	}
}

static void
a_backup_made_while_uploads_run_serves_what_was_there(void **state)
{
	static const char rows[] = "x,y,colour\n0.5,0.25,red\n6,0,green\n3,3,blue\n";
	char *want = api_predict_csv(&d, model, "predict", rows), *have, path[256], target[128];
	struct buf csv = {0};
	struct daemon o;
	cJSON *made;
	pid_t uploads;

	(void)state;
	blobs_csv(&csv, 3000, 10, true);
	fflush(NULL);
	uploads = fork(); /* writes all the while */
	if (uploads == 0) {
		for (;;) {
			struct http_answer a = http_call(
				d.port, "POST", "/v1/datasets?label_column=label", "text/csv", csv.data, csv.len);

			if (a.status != 201)
				_exit(1);
			http_answer_release(&a);
		}
	}
	usleep(100000);
	made = api_call(&d, "POST", "/v1/admin/backup", "{\"name\":\"while-it-runs.db\"}", 201);
	kill(uploads, SIGKILL);
	waitpid(uploads, NULL, 0);
	buf_release(&csv);
	snprintf(path, sizeof path, "%s/while-it-runs.db", backups);
	assert_string_equal(api_text(made, "path"), path);
	assert_true(api_number(made, "bytes") > 0);
	cJSON_Delete(made);
	start_on(&o, path);
	have = api_predict_csv(&o, model, "predict", rows);
	assert_string_equal(have, want);
	snprintf(target, sizeof target, "/v1/datasets/%s", dataset);
	cJSON_Delete(api_call(&o, "GET", target, NULL, 200));
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
	free(want);
	free(have);
}

static void
a_backup_names_a_file_in_its_folder_and_nothing_else(void **state)
{
	static const char *const names[] = {"../x.db", "/tmp/x.db", ".hidden", "", "a/b", "a b", "x\\u0000y"};
	char body[128], path[256];
	struct stat st;
	cJSON *made;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(body, sizeof body, "{\"name\":\"%s\"}", names[i]);
		cJSON_Delete(api_call(&d, "POST", "/v1/admin/backup", body, strchr(names[i], '\\') ? 400 : 422));
	}
	assert_problem(&d, "POST", "/v1/admin/backup", "{\"name\":5}", 422, "wrong_type");
	assert_problem(&d, "POST", "/v1/admin/backup", "{\"path\":\"x\"}", 422, "unknown_field");
	cJSON_Delete(api_call(&d, "POST", "/v1/admin/backup", "{\"name\":\"twice.db\"}", 201));
	assert_problem(&d, "POST", "/v1/admin/backup", "{\"name\":\"twice.db\"}", 409, "backup_exists");
	made = api_call(&d, "POST", "/v1/admin/backup", "{}", 201);
	snprintf(path, sizeof path, "%s", api_text(made, "path"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(api_number(made, "bytes") == (double)st.st_size);
	cJSON_Delete(made);
}

static void
without_a_folder_there_are_no_backups(void **state)
{
	struct daemon o;

	(void)state;
	assert_true(daemon_make(&o));
	assert_true(daemon_start(&o));
	assert_problem(&o, "POST", "/v1/admin/backup", "{}", 409, "backup_not_configured");
	assert_int_equal(daemon_stop(&o), 0);
	o.option[0] = "--backup-dir=/nonexistent/folder";
	assert_false(daemon_start(&o));
	daemon_remove(&o);
}

static void
the_command_line_backs_up_beside_the_daemon_and_without_it(void **state)
{
	char data[96], file[160], nowhere[96], out[512], target[128];
	const char *const backup[] = {"backup", file, "--data", data, NULL};
	const char *const of_nothing[] = {"backup", file, "--data", nowhere, NULL};
	struct daemon o, copy;
	struct buf csv = {0};
	char id[API_ID_SIZE];
	struct stat st;

	(void)state;
	assert_true(daemon_make(&o));
	snprintf(data, sizeof data, "%s/data", o.dir);
	snprintf(nowhere, sizeof nowhere, "%s/nowhere", o.dir);
	snprintf(file, sizeof file, "%s/beside.db", o.dir);
	assert_true(daemon_start(&o));
	blobs_csv(&csv, 60, 10, true);
	api_upload(&o, &csv, "label", id);
	buf_release(&csv);
	assert_int_equal(daemon_command(backup, out, sizeof out), 0);
	assert_int_equal(daemon_command(backup, out, sizeof out), 1); /* it replaces nothing */
	assert_non_null(strstr(out, "is there already"));
	assert_int_equal(daemon_stop(&o), 0);
	start_on(&copy, file);
	snprintf(target, sizeof target, "/v1/datasets/%s", id);
	cJSON_Delete(api_call(&copy, "GET", target, NULL, 200));
	assert_int_equal(daemon_stop(&copy), 0);
	daemon_remove(&copy);
	snprintf(file, sizeof file, "%s/without.db", o.dir);
	assert_int_equal(daemon_command(backup, out, sizeof out), 0);
	start_on(&copy, file);
	assert_int_equal(daemon_stop(&copy), 0);
	daemon_remove(&copy);
	snprintf(file, sizeof file, "%s/nothing.db", o.dir);
	assert_int_equal(daemon_command(of_nothing, out, sizeof out), 1);
	assert_int_not_equal(stat(file, &st), 0);
	assert_int_not_equal(stat(nowhere, &st), 0);
	daemon_remove(&o);
}

/* systemd --------------------------------------------------------------------------------------------------------- */

static int
notify_socket(const struct daemon *o)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s/notify", o->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	return fd;
}

/* Reads until a message has `part` in it; false: none came in time. */
static bool
was_told(int fd, const char *part)
{
	char message[1024];
	ssize_t n;

	while ((n = recv(fd, message, sizeof message - 1, 0)) > 0) {
		message[n] = '\0';
		if (strstr(message, part))
			return true;
	}
	return false;
}

static void
systemd_is_told_of_readiness_life_reload_and_end(void **state)
{
	struct daemon o;
	int fd;

	(void)state;
	assert_true(daemon_make(&o));
	fd = notify_socket(&o);
	setenv("WATCHDOG_USEC", "200000", 1);
	assert_true(daemon_start(&o));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	assert_true(was_told(fd, "READY=1"));
	assert_true(was_told(fd, "WATCHDOG=1"));
	kill(o.pid, SIGHUP);
	assert_true(was_told(fd, "RELOADING=1"));
	assert_true(was_told(fd, "READY=1"));
	assert_true(was_told(fd, "WATCHDOG=1"));
	assert_int_equal(daemon_stop(&o), 0);
	assert_true(was_told(fd, "STOPPING=1"));
	close(fd);
	daemon_remove(&o);
}

static void
a_socket_of_systemds_is_taken_over(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof a;
	struct daemon o;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	assert_true(daemon_make(&o));
	o.listen_fd = fd;
	o.option[0] = "--listen=192.0.2.1:1"; /* does not count then */
	assert_true(daemon_start(&o));
	assert_int_equal(o.port, ntohs(a.sin_port));
	cJSON_Delete(api_call(&o, "GET", "/v1/models", NULL, 200));
	assert_int_equal(daemon_stop(&o), 0);
	close(fd);
	daemon_remove(&o);
}

/* The end --------------------------------------------------------------------------------------------------------- */

static void
a_daemon_that_drains_serves_on_and_is_not_ready(void **state)
{
	static const char head[] = "POST /v1/datasets HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
				   "Content-Length: 8\r\n\r\nx,y\n";
	struct http_answer a;
	struct daemon o;
	int fd, status = 200;

	(void)state;
	assert_true(daemon_make(&o));
	o.option[0] = "--drain-seconds=3";
	assert_true(daemon_start(&o));
	fd = http_dial(o.port);
	assert_true(http_send_text(fd, head)); /* under way when the end is near */
	kill(o.pid, SIGTERM);
	for (int i = 0; i < 200 && status == 200; i++) {
		a = http_call(o.port, "GET", "/readyz", NULL, NULL, 0);
		status = a.status;
		http_answer_release(&a);
		usleep(10000);
	}
	assert_int_equal(status, 503);
	cJSON_Delete(api_call(&o, "GET", "/v1/models", NULL, 200));
	assert_true(http_send_text(fd, "1,2\n"));
	a = http_receive(fd, false);
	assert_int_equal(a.status, 201);
	http_answer_release(&a);
	close(fd);
	assert_int_equal(waitpid(o.pid, &status, 0), o.pid);
	assert_int_equal(status, 0);
	o.pid = 0;
	daemon_remove(&o);
}

/* The configuration ----------------------------------------------------------------------------------------------- */

static void
check_config_says_what_would_be_and_changes_nothing(void **state)
{
	static const char *const wrong[][6] = {{"check-config", "--data=x", "--listen=nowhere", NULL},
		{"check-config", "--data=x", "--tls-cert=/nonexistent", "--tls-key=/nonexistent", NULL},
		{"check-config", "--data=x", "--backup-dir=/nonexistent", NULL},
		{"check-config", "--data=/proc/version", NULL},
		{"check-config", "--data=x", "--admin-key-file=/nonexistent", NULL}};
	char data[96], out[2048];
	const char *const right[] = {"check-config", "--data", data, "--max-upload", "2M", "--auth", "keys", NULL};
	struct daemon o;
	struct stat st;

	(void)state;
	assert_true(daemon_make(&o));
	snprintf(data, sizeof data, "%s/data", o.dir);
	assert_int_equal(daemon_command(right, out, sizeof out), 0);
	assert_non_null(strstr(out, "max-upload = 2097152\n"));
	assert_non_null(strstr(out, "auth = keys\n"));
	assert_int_not_equal(stat(data, &st), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		if (daemon_command(wrong[i], out, sizeof out) != 1)
			fail_msg("%s %s: %s", wrong[i][1], wrong[i][2] ? wrong[i][2] : "", out);
	}
	daemon_remove(&o);
}

static int
set_up(void **state)
{
	if (!daemon_make(&d))
		return 1;
	snprintf(backups, sizeof backups, "%s/backups", d.dir);
	snprintf(backup_option, sizeof backup_option, "--backup-dir=%s", backups);
	d.option[0] = backup_option;
	if (mkdir(backups, 0700) || !api_group_begin(&d, NULL, state))
		return 1;
	api_train_blobs(&d, "\"steps\":300,\"evaluation_folds\":0,\"target_fpr\":0.5", dataset, job, model);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_are_in_the_text_format),
		cmocka_unit_test(requests_are_counted_by_route_and_status),
		cmocka_unit_test(rows_are_counted_by_model_whatever_way_they_come_in),
		cmocka_unit_test(jobs_and_sizes_are_what_they_are),
		cmocka_unit_test(limits_are_those_that_hold),
		cmocka_unit_test(tables_over_the_limits_are_refused_and_those_at_them_are_not),
		cmocka_unit_test(more_jobs_than_may_wait_are_refused_for_now),
		cmocka_unit_test(a_trace_id_is_in_the_log_and_in_the_problem),
		cmocka_unit_test(a_backup_made_while_uploads_run_serves_what_was_there),
		cmocka_unit_test(a_backup_names_a_file_in_its_folder_and_nothing_else),
		cmocka_unit_test(without_a_folder_there_are_no_backups),
		cmocka_unit_test(the_command_line_backs_up_beside_the_daemon_and_without_it),
		cmocka_unit_test(systemd_is_told_of_readiness_life_reload_and_end),
		cmocka_unit_test(a_socket_of_systemds_is_taken_over),
		cmocka_unit_test(a_daemon_that_drains_serves_on_and_is_not_ready),
		cmocka_unit_test(check_config_says_what_would_be_and_changes_nothing),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
