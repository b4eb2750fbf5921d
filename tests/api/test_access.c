/* Who may do what over a real socket: API keys and their scopes, who needs one, TLS, a socket in the file system. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"
#include "tests/support/certificate.h"

enum { KEY_SIZE = 96 };

/* A daemon that asks for keys, and one key of each scope. */
static struct daemon d;
static char admin[KEY_SIZE], reader[KEY_SIZE], predictor[KEY_SIZE], writer[KEY_SIZE];

static void
data_of(const struct daemon *which, char out[96])
{
	snprintf(out, 96, "%s/data", which->dir);
}

/* As a person makes one, beside the daemon or before it first runs. */
static void
make_key(const struct daemon *which, const char *scopes, char key[KEY_SIZE])
{
	char data[96], out[1024], *at;
	const char *const arguments[] = {
		"key", "create", "--data", data, "--scopes", scopes, "--name", "a \"test\"", NULL};

	data_of(which, data);
	assert_int_equal(daemon_command(arguments, out, sizeof out), 0);
	at = strstr(out, "verad_");
	assert_non_null(at);
	snprintf(key, KEY_SIZE, "%.*s", (int)strcspn(at, "\n"), at);
	assert_int_equal(strlen(key), 6 + 20 + 1 + 43);
}

/* One request with a key (NULL: none) and further header lines. */
static struct http_answer
call_with(unsigned port, const char *method, const char *target, const char *key, const char *headers, const char *body)
{
	struct http_answer a = {0};
	char text[4096];
	int fd = http_dial(port);

	assert_true(fd >= 0);
	snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s%s%s%s", method, target,
		key ? "Authorization: Bearer " : "", key ? key : "", key ? "\r\n" : "", headers);
	if (body)
		snprintf(text + strlen(text), sizeof text - strlen(text),
			"Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
	assert_true(http_send_text(fd, text) && http_send_text(fd, "\r\n") && http_send_text(fd, body ? body : ""));
	a = http_receive(fd, false);
	close(fd);
	return a;
}

static int
status_with(const char *method, const char *target, const char *key, const char *body)
{
	struct http_answer a = call_with(d.port, method, target, key, "", body);
	int status = a.status;

	http_answer_release(&a);
	return status;
}

static void
assert_refused(struct http_answer a, int status, const char *code)
{
	cJSON *problem = cJSON_Parse(a.body);

	assert_int_equal(a.status, status);
	assert_string_equal(api_text(problem, "code"), code);
	cJSON_Delete(problem);
	http_answer_release(&a);
}

/* Keys ------------------------------------------------------------------------------------------------------------ */

static void
without_a_key_nothing_but_the_free_routes_is_open(void **state)
{
	static const char *const free_routes[] = {"/healthz", "/readyz", "/openapi.json"};
	struct http_answer a;
	char header[128];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(status_with("GET", free_routes[i], NULL, NULL), 200);
	a = call_with(d.port, "GET", "/v1/models", NULL, "", NULL);
	assert_string_equal(
		http_answer_header(&a, "WWW-Authenticate", header, sizeof header), "Bearer realm=\"verad\"");
	assert_refused(a, 401, "no_api_key");
	assert_refused(call_with(d.port, "GET", "/metrics", NULL, "", NULL), 401, "no_api_key");
	assert_refused(call_with(d.port, "POST", "/v1/jobs", NULL, "", "{}"), 401, "no_api_key");
	assert_refused(call_with(d.port, "GET", "/nowhere", NULL, "", NULL), 404, "unknown_path");
}

static void
a_key_that_is_unknown_is_told_apart_from_none(void **state)
{
	struct http_answer a;
	char header[128], nearly[KEY_SIZE];

	(void)state;
	strcpy(nearly, reader);
	nearly[strlen(nearly) - 1] = nearly[strlen(nearly) - 1] == 'A' ? 'B' : 'A';
	a = call_with(d.port, "GET", "/v1/models", nearly, "", NULL);
	assert_string_equal(http_answer_header(&a, "WWW-Authenticate", header, sizeof header),
		"Bearer realm=\"verad\", error=\"invalid_token\"");
	assert_refused(a, 401, "bad_api_key");
	assert_refused(call_with(d.port, "GET", "/v1/models", "", "", NULL), 401, "bad_api_key");
	assert_refused(call_with(d.port, "GET", "/v1/models", NULL, "Authorization: Basic eDp5\r\n", NULL), 401,
		"bad_api_key");
}

static void
a_key_opens_what_its_scopes_say_and_nothing_else(void **state)
{
	static const char rows[] = "{\"rows\":[]}";
	static const char model[] = "/v1/models/mdl_a/predict", set[] = "/v1/datasets/ds_a";
	const char *const keys[] = {reader, predictor, writer, admin};
	/* what is not there is a 404 for those who may look */
	const int look[] = {200, 403, 403, 200}, predict[] = {403, 404, 403, 404}, change[] = {403, 403, 404, 404},
		  manage[] = {403, 403, 403, 200};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(status_with("GET", "/v1/models", keys[i], NULL), look[i]);
		assert_int_equal(status_with("GET", "/metrics", keys[i], NULL), look[i]);
		assert_int_equal(status_with("POST", model, keys[i], rows), predict[i]);
		assert_int_equal(status_with("DELETE", set, keys[i], NULL), change[i]);
		assert_int_equal(status_with("GET", "/v1/admin/keys", keys[i], NULL), manage[i]);
	}
	assert_refused(call_with(d.port, "DELETE", set, reader, "", NULL), 403, "missing_scope");
}

static void
a_key_made_by_the_api_works_at_once_and_not_after_it_was_revoked(void **state)
{
	struct http_answer a = call_with(
		d.port, "POST", "/v1/admin/keys", admin, "", "{\"scopes\":[\"read\",\"write\"]}");
	char target[128], key[KEY_SIZE];
	cJSON *made = cJSON_Parse(a.body);

	(void)state;
	assert_int_equal(a.status, 201);
	snprintf(key, sizeof key, "%s", api_text(made, "key"));
	snprintf(target, sizeof target, "/v1/admin/keys/%s", api_text(made, "id"));
	assert_int_equal(status_with("GET", "/v1/jobs", key, NULL), 200);
	assert_int_equal(status_with("DELETE", target, admin, NULL), 204);
	assert_refused(call_with(d.port, "GET", "/v1/jobs", key, "", NULL), 401, "bad_api_key");
	assert_int_equal(status_with("DELETE", target, admin, NULL), 204);
	assert_refused(call_with(d.port, "DELETE", "/v1/admin/keys/key_x", admin, "", NULL), 404, "key_not_found");
	cJSON_Delete(made);
	http_answer_release(&a);
}

static void
a_key_wanted_wrongly_is_refused_with_what_is_wrong(void **state)
{
	static const char *const bodies[] = {"{}", "{\"scopes\":[]}", "{\"scopes\":\"read\"}", "{\"scopes\":[1]}",
		"{\"scopes\":[\"raed\"]}", "{\"scopes\":[\"read\"],\"name\":7}",
		"{\"scopes\":[\"read\"],\"nom\":\"x\"}"};
	static const char *const codes[] = {"missing_field", "wrong_type", "wrong_type", "wrong_type", "unknown_scope",
		"wrong_type", "unknown_field"};

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		assert_refused(call_with(d.port, "POST", "/v1/admin/keys", admin, "", bodies[i]), 422, codes[i]);
}

static void
a_key_revoked_on_the_command_line_is_refused_soon_after(void **state)
{
	char key[KEY_SIZE], id[40], data[96], out[1024];
	const char *const revoke[] = {"key", "revoke", id, "--data", data, NULL};
	int status = 200;

	(void)state;
	make_key(&d, "read", key);
	snprintf(id, sizeof id, "key_%.20s", key + 6);
	data_of(&d, data);
	for (int i = 0; i < 100 && status_with("GET", "/v1/jobs", key, NULL) != 200; i++)
		usleep(100000); /* the daemon takes notice within a second */
	assert_int_equal(status_with("GET", "/v1/jobs", key, NULL), 200);
	assert_int_equal(daemon_command(revoke, out, sizeof out), 0);
	for (int i = 0; i < 100 && status == 200; i++) {
		usleep(100000);
		status = status_with("GET", "/v1/jobs", key, NULL);
	}
	assert_int_equal(status, 401);
}

static void
lists_of_keys_have_no_keys_in_them(void **state)
{
	char data[96], out[8192];
	const char *const list[] = {"key", "list", "--data", data, NULL};
	struct http_answer a = call_with(d.port, "GET", "/v1/admin/keys", admin, "", NULL);

	(void)state;
	data_of(&d, data);
	assert_int_equal(daemon_command(list, out, sizeof out), 0);
	assert_non_null(strstr(out, "predict\t"));
	assert_non_null(strstr(a.body, "\"scopes\":[\"predict\"]"));
	assert_null(strstr(a.body, reader + 27));
	assert_null(strstr(out, reader + 27));
	http_answer_release(&a);
}

static void
the_store_and_the_log_have_no_keys_in_them(void **state)
{
	static const char *const files[] = {"data/verad.db", "data/verad.db-wal", "log"};
	bool seen_id = false;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char path[128], *bytes = malloc(1 << 22);
		FILE *f;
		size_t n;

		snprintf(path, sizeof path, "%s/%s", d.dir, files[i]);
		f = fopen(path, "r");
		assert_true(bytes && f);
		n = fread(bytes, 1, 1 << 22, f);
		assert_null(memmem(bytes, n, reader + 27, 43));
		assert_null(memmem(bytes, n, admin + 27, 43));
		seen_id = seen_id || memmem(bytes, n, admin + 6, 20);
		fclose(f);
		free(bytes);
	}
	assert_true(seen_id); /* or the search would prove nothing */
}

static void
the_command_line_refuses_what_makes_no_key(void **state)
{
	static const char *const wrong[][8] = {{"key", NULL}, {"key", "make", NULL}, {"key", "create", NULL},
		{"key", "create", "--data", "/tmp", NULL}, {"key", "revoke", "--data", "/tmp", NULL},
		{"key", "list", "--data", "/tmp", "--scopes", "read", NULL},
		{"key", "create", "--data", "/nonexistent/x", "--scopes", "reed", NULL}};
	char out[1024];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong - 1; i++)
		assert_int_equal(daemon_command(wrong[i], out, sizeof out), 2);
	assert_int_not_equal(daemon_command(wrong[6], out, sizeof out), 0);
}

/* Who is asked for one -------------------------------------------------------------------------------------------- */

static void
a_daemon_without_keys_opens_no_address_that_others_reach(void **state)
{
	struct daemon o;

	(void)state;
	assert_true(daemon_make(&o));
	o.option[0] = "--listen=0.0.0.0:0";
	assert_false(daemon_start(&o));
	assert_true(daemon_logged(&o, "needs API keys, and there is none yet"));
	o.option[1] = "--auth=none";
	assert_true(daemon_start(&o));
	cJSON_Delete(api_call(&o, "GET", "/v1/models", NULL, 200));
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
}

static void
the_loopback_asks_for_no_key_unless_told_to(void **state)
{
	struct daemon o;
	char key[KEY_SIZE];
	struct http_answer a;

	(void)state;
	assert_true(daemon_make(&o));
	make_key(&o, "read", key); /* that there are keys changes nothing */
	assert_true(daemon_start(&o));
	cJSON_Delete(api_call(&o, "GET", "/v1/admin/keys", NULL, 200));
	assert_int_equal(daemon_stop(&o), 0);
	o.option[0] = "--auth=keys";
	assert_true(daemon_start(&o));
	cJSON_Delete(api_call(&o, "GET", "/v1/models", NULL, 401));
	a = call_with(o.port, "GET", "/v1/models", key, "", NULL);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
}

static void
where_no_key_is_asked_for_a_page_of_another_site_may_change_nothing(void **state)
{
	static const char cross[] = "Sec-Fetch-Site: cross-site\r\n", same[] = "Sec-Fetch-Site: same-origin\r\n";
	struct daemon o;
	struct http_answer a;

	(void)state;
	assert_true(daemon_make(&o));
	assert_true(daemon_start(&o));
	assert_refused(call_with(o.port, "POST", "/v1/jobs/job_x/cancel", NULL, cross, NULL), 403, "cross_site");
	assert_refused(call_with(o.port, "POST", "/v1/jobs/job_x/cancel", NULL, same, NULL), 404, "job_not_found");
	a = call_with(o.port, "GET", "/v1/models", NULL, cross, NULL);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
}

static void
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void
a_key_of_ones_own_in_a_file_is_the_admins_and_is_read_again_on_sighup(void **state)
{
	static const char first[] = "0123456789abcdef0123456789abcdef", second[] = "fedcba9876543210fedcba9876543210";
	char path[128], option[160];
	struct daemon o;
	struct http_answer a;

	(void)state;
	assert_true(daemon_make(&o));
	snprintf(path, sizeof path, "%s/admin.key", o.dir);
	snprintf(option, sizeof option, "--admin-key-file=%s", path);
	o.option[0] = "--listen=0.0.0.0:0";
	o.option[1] = option;
	assert_false(daemon_start(&o)); /* no such file */
	write_text(path, "too short\n");
	assert_false(daemon_start(&o));
	assert_true(daemon_logged(&o, "is shorter than 32 characters"));
	write_text(path, "0123456789abcdef0123456789abcdef\r\n");
	assert_true(daemon_start(&o));
	a = call_with(o.port, "GET", "/v1/admin/keys", first, "", NULL);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	write_text(path, second);
	kill(o.pid, SIGHUP);
	assert_true(daemon_logged(&o, "reloaded"));
	assert_refused(call_with(o.port, "GET", "/v1/admin/keys", first, "", NULL), 401, "bad_api_key");
	a = call_with(o.port, "GET", "/v1/admin/keys", second, "", NULL);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	unlink(path); /* what cannot be read leaves the last key in force */
	kill(o.pid, SIGHUP);
	assert_true(daemon_logged(&o, "not reloaded"));
	a = call_with(o.port, "GET", "/v1/admin/keys", second, "", NULL);
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	assert_int_equal(daemon_stop(&o), 0);
	daemon_remove(&o);
}

static void
a_socket_in_the_file_system_serves_its_owner_without_a_key(void **state)
{
	char option[160], command[256], line[256] = "";
	struct daemon o;
	FILE *f;

	(void)state;
	assert_true(daemon_make(&o));
	snprintf(option, sizeof option, "--listen=unix:%s/socket", o.dir);
	o.option[0] = option;
	for (int round = 0; round < 2; round++) {
		assert_true(daemon_start(&o));
		snprintf(command, sizeof command, "curl -sS --unix-socket %s/socket http://x/v1/models", o.dir);
		f = popen(command, "r");
		assert_true(f && fgets(line, sizeof line, f));
		assert_string_equal(line, "{\"models\":[],\"next\":null}\n");
		assert_int_equal(pclose(f), 0);
		daemon_kill(&o); /* and what it leaves is no obstacle */
	}
	daemon_remove(&o);
}

/* TLS ------------------------------------------------------------------------------------------------------------- */

struct tls_fixture {
	struct daemon o;
	char certificate[128], key[128], options[2][160];
};

static void
make_tls(struct tls_fixture *t)
{
	assert_true(daemon_make(&t->o));
	snprintf(t->certificate, sizeof t->certificate, "%s/cert.pem", t->o.dir);
	snprintf(t->key, sizeof t->key, "%s/key.pem", t->o.dir);
	snprintf(t->options[0], sizeof t->options[0], "--tls-cert=%s", t->certificate);
	snprintf(t->options[1], sizeof t->options[1], "--tls-key=%s", t->key);
	t->o.option[0] = t->options[0];
	t->o.option[1] = t->options[1];
}

static void
https_is_served_and_a_renewed_certificate_is_taken_up_on_sighup(void **state)
{
	char command[256], line[256] = "";
	struct tls_fixture t;
	struct http_answer a;
	FILE *f;

	(void)state;
	make_tls(&t);
	assert_true(certificate_make(t.certificate, t.key, 1));
	assert_true(daemon_start(&t.o));
	assert_true(daemon_logged(&t.o, "listening on https://"));
	snprintf(command, sizeof command,
		"curl -sS --cacert %s --resolve localhost:%u:127.0.0.1 https://localhost:%u/healthz", t.certificate,
		t.o.port, t.o.port);
	f = popen(command, "r");
	assert_true(f && fgets(line, sizeof line, f));
	assert_string_equal(line, "{\"status\":\"ok\"}\n");
	assert_int_equal(pclose(f), 0);
	a = http_call(t.o.port, "GET", "/healthz", NULL, NULL, 0); /* plain HTTP is not */
	assert_int_equal(a.status, 0);
	http_answer_release(&a);
	assert_int_equal(certificate_shown(t.o.port), 1);
	assert_true(certificate_make(t.certificate, t.key, 2));
	kill(t.o.pid, SIGHUP);
	assert_true(daemon_logged(&t.o, "reloaded"));
	assert_int_equal(certificate_shown(t.o.port), 2);
	write_text(t.key, "no key\n");
	kill(t.o.pid, SIGHUP);
	assert_true(daemon_logged(&t.o, "not reloaded"));
	assert_int_equal(certificate_shown(t.o.port), 2);
	assert_int_equal(daemon_stop(&t.o), 0);
	daemon_remove(&t.o);
}

static void
a_body_refused_half_way_is_answered_over_tls_too(void **state)
{
	char command[400], line[512] = "";
	struct tls_fixture t;
	FILE *f;

	(void)state;
	make_tls(&t);
	t.o.option[2] = "--max-upload=1M";
	assert_true(certificate_make(t.certificate, t.key, 1));
	assert_true(daemon_start(&t.o));
	snprintf(command, sizeof command,
		"{ echo x,y; yes 1,2 | head -c 3000000; echo 1; } | curl -sk -H 'Transfer-Encoding: chunked' "
		"-H 'Content-Type: text/csv' --data-binary @- 'https://127.0.0.1:%u/v1/datasets'",
		t.o.port);
	f = popen(command, "r");
	assert_true(f && fgets(line, sizeof line, f));
	assert_non_null(strstr(line, "\"code\":\"body_too_large\""));
	pclose(f);
	assert_int_equal(daemon_stop(&t.o), 0);
	daemon_remove(&t.o);
}

static void
a_certificate_that_cannot_serve_is_refused_at_start(void **state)
{
	char other[128];
	struct tls_fixture t;

	(void)state;
	make_tls(&t);
	snprintf(other, sizeof other, "%s/other.pem", t.o.dir);
	assert_false(daemon_start(&t.o)); /* no such files */
	assert_true(daemon_logged(&t.o, "cert.pem"));
	assert_true(certificate_make(t.certificate, t.key, 1));
	assert_true(certificate_make(other, t.key, 2));
	assert_false(daemon_start(&t.o));
	assert_true(daemon_logged(&t.o, "does not belong to"));
	write_text(t.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_false(daemon_start(&t.o));
	t.o.option[1] = NULL;
	assert_false(daemon_start(&t.o));
	assert_true(daemon_logged(&t.o, "go together"));
	daemon_remove(&t.o);
}

static int
set_up(void **state)
{
	if (!daemon_make(&d))
		return 1;
	make_key(&d, "admin", admin);
	make_key(&d, "read", reader);
	make_key(&d, "predict", predictor);
	make_key(&d, "write", writer);
	d.option[0] = "--listen=0.0.0.0:0";
	return api_group_begin(&d, NULL, state) ? 0 : 1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_key_nothing_but_the_free_routes_is_open),
		cmocka_unit_test(a_key_that_is_unknown_is_told_apart_from_none),
		cmocka_unit_test(a_key_opens_what_its_scopes_say_and_nothing_else),
		cmocka_unit_test(a_key_made_by_the_api_works_at_once_and_not_after_it_was_revoked),
		cmocka_unit_test(a_key_wanted_wrongly_is_refused_with_what_is_wrong),
		cmocka_unit_test(a_key_revoked_on_the_command_line_is_refused_soon_after),
		cmocka_unit_test(lists_of_keys_have_no_keys_in_them),
		cmocka_unit_test(the_store_and_the_log_have_no_keys_in_them),
		cmocka_unit_test(the_command_line_refuses_what_makes_no_key),
		cmocka_unit_test(a_daemon_without_keys_opens_no_address_that_others_reach),
		cmocka_unit_test(the_loopback_asks_for_no_key_unless_told_to),
		cmocka_unit_test(where_no_key_is_asked_for_a_page_of_another_site_may_change_nothing),
		cmocka_unit_test(a_key_of_ones_own_in_a_file_is_the_admins_and_is_read_again_on_sighup),
		cmocka_unit_test(a_socket_in_the_file_system_serves_its_owner_without_a_key),
		cmocka_unit_test(https_is_served_and_a_renewed_certificate_is_taken_up_on_sighup),
		cmocka_unit_test(a_body_refused_half_way_is_answered_over_tls_too),
		cmocka_unit_test(a_certificate_that_cannot_serve_is_refused_at_start),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
