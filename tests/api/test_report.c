/* Reports over a real socket: what a model's says of test sets, calibration and the way there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/api_group.h"
#include "tests/support/contract.h"

static cJSON *document; /* of the API */
static struct daemon d; /* that all tests share */
static char dataset[API_ID_SIZE], labelled[API_ID_SIZE];

/* Of the same classes as `labelled`, in other columns' order; one row of a class that is none of theirs. */
static const char other_rows[] =
	"kind,colour,y,x\na,red,0,0\nb,green,0,6\nc,blue,6,0\nc,red,0.1,5.9\nz,red,50,50\n,red,0,0\n";

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void
upload(const char *text, const char *label, char id[API_ID_SIZE])
{
	struct buf csv = {0};

	buf_puts(&csv, text);
	api_upload(&d, &csv, label, id);
	buf_release(&csv);
}

static cJSON *
start_tested(const char *test, const char *params)
{
	char body[1024];

	snprintf(body, sizeof body,
		"{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":\"%s\",\"params\":{" API_SMALL_NET ",%s}}",
		dataset, test, params);
	return api_call(&d, "POST", "/v1/jobs", body, 202);
}

/* The finished job's report, held against the contract. */
static cJSON *
report_of(const cJSON *job)
{
	char target[128], why[512];
	cJSON *report;

	snprintf(target, sizeof target, "/v1/models/%s/report", api_text(job, "model"));
	report = api_call(&d, "GET", target, NULL, 200);
	if (!contract_fits_named(document, "Report", report, why, sizeof why))
		fail_msg("not a report as described: %s", why);
	return report;
}

static void
assert_same(const cJSON *a, const cJSON *b)
{
	char *x = cJSON_PrintUnformatted(a), *y = cJSON_PrintUnformatted(b);

	assert_string_equal(x, y);
	free(x);
	free(y);
}

static void
a_test_set_is_measured_as_an_evaluation_measures_it(void **state)
{
	char test[API_ID_SIZE], body[256], target[128], why[512];
	cJSON *job, *done, *report, *result, *evaluation;
	const cJSON *section;

	(void)state;
	upload(other_rows, "kind", test);
	job = start_tested(test, "\"steps\":200,\"evaluation_folds\":2");
	assert_string_equal(api_text(job, "test_dataset"), test);
	done = api_wait(&d, api_text(job, "id"), "succeeded");
	report = report_of(done);
	section = get(report, "test");
	assert_int_equal(api_number(section, "rows"), 6);
	assert_int_equal(api_number(section, "labelled"), 5);
	assert_int_equal(api_number(section, "unlabelled"), 1);
	assert_int_equal(api_number(get(section, "measures"), "n"), 4);
	assert_int_equal(api_number(get(section, "baseline"), "n"), 4);
	assert_int_equal(api_number(get(section, "ood"), "n_out"), 1);
	assert_true(
		api_number(get(done, "metrics"), "test_accuracy") == api_number(get(section, "measures"), "accuracy"));
	assert_true(api_number(get(done, "metrics"), "test_baseline_accuracy") ==
		    api_number(get(section, "baseline"), "accuracy"));
	assert_int_equal(cJSON_GetArraySize(get(get(section, "measures"), "reliability")), 15);
	assert_int_equal(cJSON_GetArraySize(get(get(report, "measures"), "reliability")), 15);
	/* of VERA's network and the baseline's, on all labels, each held back once */
	assert_int_equal(cJSON_GetArraySize(get(report, "learning_curves")), 2);
	for (int i = 0; i < 2; i++) {
		const cJSON *curve = cJSON_GetArrayItem(get(report, "learning_curves"), i);
		const cJSON *last = cJSON_GetArrayItem(get(curve, "points"), 19);

		assert_string_equal(api_text(curve, "method"), i ? "supervised" : "vera");
		assert_int_equal(cJSON_GetArraySize(get(curve, "points")), 20);
		assert_int_equal(api_number(cJSON_GetArrayItem(get(curve, "points"), 0), "step"), 10);
		assert_int_equal(api_number(last, "step"), 200);
		/* the last point is the end of the fits, which the baseline's measures are made of */
		assert_true(!i || api_number(last, "accuracy") == api_number(get(report, "baseline"), "accuracy"));
	}

	snprintf(body, sizeof body, "{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"%s\"}", test,
		api_text(done, "model"));
	evaluation = api_call(&d, "POST", "/v1/jobs", body, 202);
	snprintf(target, sizeof target, "/v1/jobs/%s/result", api_text(evaluation, "id"));
	cJSON_Delete(api_wait(&d, api_text(evaluation, "id"), "succeeded"));
	result = api_call(&d, "GET", target, NULL, 200);
	if (!contract_fits_named(document, "Evaluation", result, why, sizeof why))
		fail_msg("not an evaluation as described: %s", why);
	assert_same(get(section, "measures"), get(result, "measures"));
	assert_same(get(section, "ood"), get(result, "ood"));
	assert_same(get(section, "warnings"), get(result, "warnings"));
	cJSON_Delete(job);
	cJSON_Delete(done);
	cJSON_Delete(report);
	cJSON_Delete(evaluation);
	cJSON_Delete(result);
}

static void
a_test_set_is_kept_while_a_job_needs_it_and_survives_a_crash(void **state)
{
	static const char *const params[] = {"\"steps\":100000,\"evaluation_folds\":0"};
	char test[API_ID_SIZE], target[128];
	cJSON *reports[2] = {NULL};

	(void)state;
	upload(other_rows, "kind", test);
	snprintf(target, sizeof target, "/v1/datasets/%s", test);
	for (size_t i = 0; i < 2; i++) { /* undisturbed, killed */
		cJSON *job = start_tested(test, params[0]), *done, *problem;

		problem = api_call(&d, "DELETE", target, NULL, 409);
		assert_string_equal(api_text(problem, "code"), "dataset_in_use");
		cJSON_Delete(problem);
		if (i) {
			api_wait_for_steps(&d, api_text(job, "id"));
			daemon_kill(&d);
			assert_true(daemon_start(&d));
		}
		done = api_wait(&d, api_text(job, "id"), "succeeded");
		reports[i] = report_of(done);
		cJSON_Delete(job);
		cJSON_Delete(done);
	}
	assert_same(reports[0], reports[1]);
	cJSON_Delete(reports[0]);
	cJSON_Delete(reports[1]);
	assert_null(api_call(&d, "DELETE", target, NULL, 204));
}

static void
rows_that_come_to_a_test_set_later_do_not_enter(void **state)
{
	static const char more[] = "kind,colour,y,x\na,red,0,0\n";
	char test[API_ID_SIZE], target[128];
	cJSON *job, *done, *report;
	struct http_answer a;

	(void)state;
	upload(other_rows, "kind", test);
	job = start_tested(test, "\"steps\":4000,\"evaluation_folds\":0");
	snprintf(target, sizeof target, "/v1/datasets/%s/rows", test);
	a = http_call(d.port, "POST", target, "text/csv", more, strlen(more));
	assert_int_equal(a.status, 200);
	http_answer_release(&a);
	done = api_wait(&d, api_text(job, "id"), "succeeded");
	report = report_of(done);
	assert_int_equal(api_number(get(report, "test"), "rows"), 6);
	cJSON_Delete(job);
	cJSON_Delete(done);
	cJSON_Delete(report);
}

static void
what_cannot_test_is_refused_at_once(void **state)
{
	static const struct {
		const char *csv, *label;
		const char *code, *part;
	} cases[] = {
		{"x,y,colour\n1,2,red\n", NULL, "no_label_column", "test set"},
		{"x,y,colour,label\n1,2,red,\n", "label", "no_labels", "test set"},
		{"x,y,colour,label\n1,2,red,q\n", "label", "no_known_classes", "\"q\""},
		{"x,colour,label\n1,red,a\n", "label", "missing_column", "\"y\""},
		{"x,y,label\n1,2,a\n", "label", "missing_column", "\"colour\""},
		{"x,y,colour,label\n1,2,red,a\n1,far,red,b\n", "label", "not_a_number", "line 3"},
	};
	static const char *const routes[] = {"/v1/jobs", "/v1/jobs?dry_run=1"};
	char test[API_ID_SIZE], body[512];

	(void)state;
	for (size_t r = 0; r < 2; r++) {
		cJSON *problem;

		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
			upload(cases[i].csv, cases[i].label, test);
			snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":\"%s\"}",
				dataset, test);
			problem = api_call(&d, "POST", routes[r], body, 422);
			assert_string_equal(api_text(problem, "code"), cases[i].code);
			if (!strstr(api_text(problem, "detail"), cases[i].part))
				fail_msg("no %s in: %s", cases[i].part, api_text(problem, "detail"));
			cJSON_Delete(problem);
		}
		snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":\"ds_nobody\"}",
			dataset);
		problem = api_call(&d, "POST", routes[r], body, 404);
		assert_string_equal(api_text(problem, "code"), "dataset_not_found");
		cJSON_Delete(problem);
		snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":\"%s\"}", dataset,
			dataset);
		problem = api_call(&d, "POST", routes[r], body, 422);
		assert_string_equal(api_text(problem, "code"), "test_is_training_set");
		cJSON_Delete(problem);
		snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":7}", dataset);
		problem = api_call(&d, "POST", routes[r], body, 422);
		assert_string_equal(api_text(problem, "code"), "wrong_type");
		cJSON_Delete(problem);
		/* a table without labels to train on knows no classes */
		upload("x,y,colour\n1,2,red\n3,4,blue\n5,6,red\n7,8,red\n", NULL, test);
		snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":\"%s\"}", test,
			labelled);
		problem = api_call(&d, "POST", routes[r], body, 422);
		assert_string_equal(api_text(problem, "code"), "no_labels");
		cJSON_Delete(problem);
	}
	/* an evaluation has one data set */
	snprintf(body, sizeof body,
		"{\"type\":\"evaluate\",\"dataset\":\"%s\",\"model\":\"m\",\"test_dataset\":\"%s\"}", dataset,
		labelled);
	cJSON_Delete(api_call(&d, "POST", "/v1/jobs", body, 422));
	/* and a dry run shows the set it would test on */
	snprintf(body, sizeof body, "{\"type\":\"train\",\"dataset\":\"%s\",\"test_dataset\":\"%s\",\"params\":{%s}}",
		dataset, labelled, API_SMALL_NET ",\"steps\":50");
	{
		cJSON *dry = api_call(&d, "POST", "/v1/jobs?dry_run=1", body, 200);

		assert_string_equal(api_text(dry, "test_dataset"), labelled);
		cJSON_Delete(dry);
	}
}

/* The type that the data set's resource says its column has. */
static const char *
type_of(const cJSON *resource, const char *column)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(resource, "columns"))
	{
		if (!strcmp(api_text(item, "name"), column))
			return api_text(item, "type");
	}
	return "none";
}

static void
dates_and_booleans_are_read_as_what_they_are_by_every_way_in(void **state)
{
	static const char rows_csv[] =
		"when,member,x\n2024-01-20 07:00,yes,0\n20.7.2024,FALSE,1\nsoon,perhaps,0\n,,1\n";
	static const char rows_json[] =
		"{\"rows\":[{\"when\":\"2024-01-20 07:00\",\"member\":true,\"x\":0},"
		"{\"when\":\"2024-07-20T00:00:00Z\",\"member\":\"No\",\"x\":1},"
		"{\"when\":\"soon\",\"member\":\"perhaps\",\"x\":0},{\"when\":null,\"member\":null,\"x\":1}]}";
	struct buf csv = {0};
	char ds[API_ID_SIZE], job[API_ID_SIZE], target[128], *text, *at;
	cJSON *json, *answers, *report;
	const cJSON *item;
	size_t i = 0;

	(void)state;
	buf_puts(&csv, "when,member,x,kind\n");
	for (int k = 0; k < 120; k++) /* kinds are of a month and a membership */
		buf_printf(&csv, "%04d-%02d-%02d %02d:30,%s,%d,%s\n", 2020 + k % 5, k % 2 ? 1 : 7, 1 + k % 28, k % 24,
			k % 2 ? "yes" : "no", k % 3, k < 60 ? k % 2 ? "winter" : "summer" : "");
	api_upload(&d, &csv, "kind", ds);
	buf_release(&csv);
	snprintf(target, sizeof target, "/v1/datasets/%s", ds);
	json = api_call(&d, "GET", target, NULL, 200);
	assert_string_equal(type_of(json, "when"), "date");
	assert_string_equal(type_of(json, "member"), "boolean");
	assert_string_equal(type_of(json, "x"), "number");
	cJSON_Delete(json);
	snprintf(target, sizeof target, "/v1/datasets/%s/profile", ds);
	json = api_call(&d, "GET", target, NULL, 200);
	assert_string_equal(type_of(json, "when"), "date");
	cJSON_Delete(json);
	/* further rows are held to the types */
	snprintf(target, sizeof target, "/v1/datasets/%s/rows", ds);
	{
		static const char bad[] = "when,member,x,kind\n2024-13-01,yes,1,\n",
				  good[] = "when,member,x,kind\n2024-01-31,N,1,\n";
		struct http_answer a = http_call(d.port, "POST", target, "text/csv", bad, strlen(bad));

		assert_int_equal(a.status, 422);
		assert_non_null(strstr(a.body, "\"not_a_date\""));
		http_answer_release(&a);
		a = http_call(d.port, "POST", target, "text/csv", good, strlen(good));
		assert_int_equal(a.status, 200);
		http_answer_release(&a);
	}
	api_train(&d, ds, API_SMALL_NET ",\"steps\":300", job);
	json = api_wait(&d, job, "succeeded");
	report = report_of(json);
	assert_int_equal(api_number(cJSON_GetArrayItem(get(report, "encoding"), 0), "n_features"), 7);
	snprintf(target, sizeof target, "/v1/models/%s/predict", api_text(json, "model"));
	answers = api_call(&d, "POST", target, rows_json, 200);
	text = api_predict_csv(&d, api_text(json, "model"), "predict", rows_csv);
	at = strchr(text, '\n');
	cJSON_ArrayForEach(item, get(answers, "predictions"))
	{
		char label[32];

		assert_non_null(at);
		snprintf(label, sizeof label, "\n%s,%.8g", api_text(item, "label"),
			api_number(get(item, "probabilities"), "summer"));
		if (strncmp(at, label, 12) != 0)
			fail_msg("row %zu: %s is not %.40s", i, label, at);
		at = strchr(at + 1, '\n');
		i++;
	}
	assert_int_equal(i, 4);
	assert_string_equal(api_text(cJSON_GetArrayItem(get(answers, "predictions"), 0), "label"), "winter");
	free(text);
	text = cJSON_PrintUnformatted(get(answers, "warnings"));
	assert_non_null(strstr(text, "{\"column\":\"when\",\"code\":\"not_a_date\",\"count\":1}"));
	assert_non_null(strstr(text, "{\"column\":\"member\",\"code\":\"unseen_category\",\"count\":1}"));
	free(text);
	cJSON_Delete(answers);
	cJSON_Delete(report);
	cJSON_Delete(json);
}

/* Trained for a few steps, the report of it; the model answers a row of its own table. */
static cJSON *
report_of_table(const struct buf *csv, const char *first_row)
{
	char ds[API_ID_SIZE], job[API_ID_SIZE], *answer, *line = strdup((const char *)csv->data);
	struct buf rows = {0};
	cJSON *json, *report;

	line[strcspn(line, "\n")] = '\0';
	api_upload(&d, csv, "kind", ds);
	api_train(&d, ds, API_SMALL_NET ",\"steps\":40,\"evaluation_folds\":2", job);
	json = api_wait(&d, job, "succeeded");
	report = report_of(json);
	buf_printf(&rows, "%s\n%s\n", line, first_row);
	buf_put_u8(&rows, 0);
	answer = api_predict_csv(&d, api_text(json, "model"), "predict", (const char *)rows.data);
	assert_non_null(strchr(strchr(answer, '\n') + 1, '\n')); /* a header and an answer */
	free(answer);
	free(line);
	buf_release(&rows);
	cJSON_Delete(json);
	return report;
}

static const char *
warning_of(const cJSON *report, const char *what, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(report, "warnings"))
	{
		if (!strcmp(api_text(item, what), name))
			return api_text(item, "code");
	}
	return "none";
}

static double
features_of(const cJSON *report, const char *column)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(report, "encoding"))
	{
		if (!strcmp(api_text(item, "name"), column))
			return api_number(item, "n_features");
	}
	return -1;
}

static void
what_says_nothing_is_left_out_with_a_warning(void **state)
{
	static const struct {
		const char *column, *code;
		double n_features;
	} want[] = {{"passenger", "row_number_column", 0}, {"name", "identifier_column", 0},
		{"ticket", "identifier_column", 0}, {"ship", "constant_column", 0}, {"remark", "empty_column", 0},
		{"zip", "none", 1}, {"fare", "none", 1}, {"same_fare", "none", 1}, {"port", "none", 4}};
	struct buf csv = {0};
	cJSON *report;

	(void)state;
	buf_puts(&csv, "passenger,name,ticket,ship,remark,zip,fare,same_fare,port,kind\n");
	for (int i = 0; i < 200; i++)
		buf_printf(&csv, "%d,\"Name%d, Mr. J\",A/5 %d,Titanic,,%d,%d,%d,%.1s,%s\n", i + 1, i * 7919 % 1009,
			i * 104729 % 9973, 10000 + i * 37 % 50 * 100, i * 31 % 83, i * 31 % 83, &"SCQ"[i % 3],
			i < 60 ? i % 2 ? "yes" : "no" : "");
	buf_put_u8(&csv, 0);
	csv.len--;
	report = report_of_table(&csv, "900,X,Y,Titanic,,10100,5,5,S,");
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		const char *code = warning_of(report, "column", want[i].column);
		double n_features = features_of(report, want[i].column);

		if (strcmp(code, want[i].code) || n_features != want[i].n_features)
			fail_msg("%s: %s, %g features", want[i].column, code, n_features);
	}
	cJSON_Delete(report);
	buf_release(&csv);
}

static void
tables_of_odd_shapes_train(void **state)
{
	static const struct {
		int n_rows, n_columns, n_classes, lone; /* lone: the last class has a single label */
	} shapes[] = {{60, 500, 3, 0}, {60, 4, 2, 0}, {300, 6, 26, 0}, {90, 3, 4, 1}};

	(void)state;
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
		struct buf csv = {0}, row = {0};
		char lone[16];
		cJSON *report;

		for (int j = 0; j < shapes[k].n_columns; j++)
			buf_printf(&csv, "c%d,", j);
		buf_puts(&csv, "kind\n");
		for (int i = 0; i < shapes[k].n_rows; i++) {
			int class = i % (shapes[k].n_classes - (shapes[k].lone && i >= shapes[k].n_classes));

			for (int j = 0; j < shapes[k].n_columns; j++) {
				buf_printf(&csv, "%d,", (i * 31 + j * 17) % 101 + class * ((j % 5) * 40));
				if (!i)
					buf_printf(&row, "%d,", (j * 17) % 101);
			}
			buf_printf(&csv, "k%d\n", class);
		}
		buf_put_u8(&csv, 0);
		csv.len--;
		buf_put_u8(&row, 0);
		report = report_of_table(&csv, (const char *)row.data);
		assert_int_equal(cJSON_GetArraySize(get(get(report, "data"), "classes")), shapes[k].n_classes);
		assert_int_equal(api_number(get(report, "data"), "features"), shapes[k].n_columns);
		snprintf(lone, sizeof lone, "k%d", shapes[k].n_classes - 1);
		assert_string_equal(
			warning_of(report, "class", lone), shapes[k].lone ? "class_with_one_label" : "none");
		assert_true(cJSON_IsNull(get(get(report, "measures"), "accuracy")) == (shapes[k].lone != 0));
		assert_int_equal(cJSON_GetArraySize(get(report, "learning_curves")), shapes[k].lone ? 0 : 2);
		cJSON_Delete(report);
		buf_release(&csv);
		buf_release(&row);
	}
}

static int
set_up(void **state)
{
	struct buf csv = {0};

	if (!api_group_begin(&d, &document, state))
		return 1;
	blobs_csv(&csv, 60, 10, true);
	api_upload(&d, &csv, "label", dataset);
	api_upload(&d, &csv, "label", labelled);
	buf_release(&csv);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_test_set_is_measured_as_an_evaluation_measures_it),
		cmocka_unit_test(a_test_set_is_kept_while_a_job_needs_it_and_survives_a_crash),
		cmocka_unit_test(rows_that_come_to_a_test_set_later_do_not_enter),
		cmocka_unit_test(what_cannot_test_is_refused_at_once),
		cmocka_unit_test(dates_and_booleans_are_read_as_what_they_are_by_every_way_in),
		cmocka_unit_test(what_says_nothing_is_left_out_with_a_warning),
		cmocka_unit_test(tables_of_odd_shapes_train),
		cmocka_unit_test(the_daemon_stops_in_good_order),
	};

	return cmocka_run_group_tests(tests, set_up, api_group_end);
}
