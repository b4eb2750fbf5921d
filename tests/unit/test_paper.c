/* bench_paper and its rooms: tables in the form in which they are published, and a whole run of the tiny profile. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/files.h"
#include "server/json.h"
#include "tests/bench/originals.h"
#include "tests/bench/page.h"
#include "tests/bench/pixels.h"
#include "tests/bench/plot.h"
#include "tests/support/scratch.h"

static char dir[SCRATCH_SIZE];

static int
set_up(void **state)
{
	(void)state;
	return scratch_make(dir) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	return scratch_remove(dir) ? 0 : -1;
}

/* Writes dir/name, and the folders before it. */
static void
put_file(const char *name, const void *bytes, size_t n)
{
	char path[512];
	struct err e;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	for (char *at = path + strlen(dir) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		mkdir(path, 0777);
	}
	assert_int_equal(file_replace(path, bytes, n, &e), OK);
}

static void
put_text(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

/* `rows` lines: a label of 1 .. classes where with_label, then `columns` numbers. */
static void
put_rows(const char *name, const char *head, const char *separator, size_t rows, size_t columns, size_t classes,
	bool with_label)
{
	struct buf b = {0};

	buf_puts(&b, head);
	for (size_t i = 0; i < rows; i++) {
		if (with_label)
			buf_printf(&b, "%zu", i % classes + 1);
		for (size_t j = 0; j < columns; j++)
			buf_printf(&b, "%s%.7e", j || with_label ? separator : " ",
				(double)((i * 37 + j * 11) % 101) / 50 - 1 + (double)(i % classes) * (j % 2 ? 1 : -1));
		buf_puts(&b, "\n");
	}
	put_file(name, b.data, b.len);
	buf_release(&b);
}

/* ---- Tables in their original form -------------------------------------------------------------------------- */

static void
hepmass_is_read_in_its_original_form(void **state)
{
	struct dataset d;
	struct err e = {0};

	(void)state;
	assert_false(original_is_there(dir, ORIGINAL_HEPMASS));
	put_rows("HEPMASS/1000_train.csv", "# label,f0,f1,f2\n", ",", 60, 27, 2, true);
	assert_false(original_is_there(dir, ORIGINAL_HEPMASS));
	put_rows("HEPMASS/1000_test.csv", "# label,f0,f1,f2\n", ",", 25, 27, 2, true);
	assert_true(original_is_there(dir, ORIGINAL_HEPMASS));
	assert_int_equal(original_read(dir, ORIGINAL_HEPMASS, SIZE_MAX, &d, &e), OK);
	assert_int_equal(d.n_rows, 85);
	assert_int_equal(d.n_train, 60);
	assert_int_equal(d.n_columns, 28);
	assert_string_equal(d.name[0], "label");
	assert_string_equal(dataset_label(&d, 61), "2");
	dataset_release(&d);
	assert_int_equal(original_read(dir, ORIGINAL_HEPMASS, 10, &d, &e), OK);
	assert_int_equal(d.n_rows, 20);
	assert_int_equal(d.n_train, 10);
	dataset_release(&d);
}

static void
crop_is_split_at_random_and_human_by_its_files(void **state)
{
	struct dataset d;
	unsigned char role[700];
	size_t count[4] = {0};
	struct err e = {0};

	(void)state;
	put_rows("WinnipegDataset.txt", "label,f1,f2\n", ",", 700, 174, 7, true);
	assert_int_equal(original_read(dir, ORIGINAL_CROP, SIZE_MAX, &d, &e), OK);
	assert_int_equal(d.n_rows, 700);
	assert_int_equal(d.n_columns, 175);
	assert_int_equal(original_split(&d, 10, 1, role, &e), OK);
	for (size_t i = 0; i < 700; i++)
		count[role[i]]++;
	assert_int_equal(count[ROLE_TEST], 140);
	assert_int_equal(count[ROLE_LABELLED], 70);
	assert_int_equal(count[ROLE_UNLABELLED], 490);
	assert_int_equal(original_split(&d, 400, 1, role, &e), ERR_DATA);
	assert_string_equal(e.code, "too_few_labels");
	dataset_release(&d);

	put_rows("UCI HAR Dataset/train/X_train.txt", "", "  ", 90, 561, 6, false);
	put_rows("UCI HAR Dataset/train/y_train.txt", "", "", 90, 0, 6, true);
	put_rows("UCI HAR Dataset/test/X_test.txt", "", " ", 30, 561, 6, false);
	put_rows("UCI HAR Dataset/test/y_test.txt", "", "", 30, 0, 6, true);
	assert_int_equal(original_read(dir, ORIGINAL_HUMAN, SIZE_MAX, &d, &e), OK);
	assert_int_equal(d.n_rows, 120);
	assert_int_equal(d.n_train, 90);
	assert_int_equal(d.n_columns, 562);
	assert_string_equal(dataset_label(&d, 7), "2");
	assert_int_equal(original_split(&d, 10, 1, role, &e), OK);
	for (size_t i = 0; i < 120; i++)
		assert_true((role[i] == ROLE_TEST) == (i >= 90));
	dataset_release(&d);
}

static void
broken_originals_are_refused_with_their_line(void **state)
{
	struct dataset d;
	struct err e = {0};

	(void)state;
	put_text("CROP/WinnipegDataset.txt", "1,2,3\n2,3\n");
	assert_int_equal(original_read(dir, ORIGINAL_CROP, SIZE_MAX, &d, &e), ERR_DATA);
	assert_string_equal(e.code, "ragged_row");
	assert_int_equal(e.line, 2);
	put_text("CROP/WinnipegDataset.txt", "1,2,3\n2,3,4\n3,x,5");
	assert_int_equal(original_read(dir, ORIGINAL_CROP, SIZE_MAX, &d, &e), ERR_DATA);
	assert_string_equal(e.code, "not_a_number");
	assert_int_equal(e.line, 3);
	put_text("CROP/WinnipegDataset.txt", "1,2,nan\n1,2,inf\n");
	assert_int_equal(original_read(dir, ORIGINAL_CROP, SIZE_MAX, &d, &e), ERR_DATA);
	put_text("train/X_train.txt", " 1 2\n 3 4\n");
	put_text("train/y_train.txt", "1\n");
	put_text("test/X_test.txt", " 1 2\n");
	put_text("test/y_test.txt", "1\n");
	assert_int_equal(original_read(dir, ORIGINAL_HUMAN, SIZE_MAX, &d, &e), ERR_DATA);
	assert_string_equal(e.code, "rows_differ");
	put_text("train/y_train.txt", "1\n2\n1\n");
	assert_int_equal(original_read(dir, ORIGINAL_HUMAN, SIZE_MAX, &d, &e), ERR_DATA);
	assert_string_equal(e.code, "rows_differ");
}

static void
pictures_in_idx_form_are_read_and_others_refused(void **state)
{
	static const unsigned char two[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255};
	char path[128];
	struct pixels p;
	struct err e = {0};

	(void)state;
	snprintf(path, sizeof path, "%s/images", dir);
	put_file("images", two, sizeof two);
	assert_int_equal(pixels_of_idx(path, 10, &p, &e), OK);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.d, 3);
	assert_int_equal(p.value[5], 255);
	pixels_release(&p);
	assert_int_equal(pixels_of_idx(path, 1, &p, &e), OK);
	assert_int_equal(p.n, 1);
	pixels_release(&p);
	put_file("images", two, sizeof two - 1);
	assert_int_equal(pixels_of_idx(path, 10, &p, &e), ERR_DATA);
	assert_string_equal(e.code, "no_pixels");
}

/* ---- The report --------------------------------------------------------------------------------------------- */

/* Every element is closed in its turn, attributes are quoted, and no & is bare. Returns the place of a fault, or NULL.
 */
static const char *
fault_of(const char *text)
{
	char open[64][24];
	size_t depth = 0;

	for (const char *at = text; *at; at++) {
		const char *name, *end;
		bool closed;
		size_t n;

		if (*at == '&' && strcspn(at, ";") > strcspn(at, "< \n"))
			return at;
		if (*at == '>')
			return at;
		if (*at != '<')
			continue;
		if (at[1] == '!') {
			at += strcspn(at, ">");
			continue;
		}
		for (end = at + 1; *end && *end != '>'; end++)
			if (*end == '"' && !(end = strchr(end + 1, '"')))
				return at;
			else if (*end == '<')
				return at;
		if (!*end)
			return at;
		name = at + 1 + (at[1] == '/');
		n = strcspn(name, " />\n");
		closed = end[-1] == '/';
		if (n >= sizeof open[0] || depth == 64)
			return at;
		if (at[1] == '/') {
			if (!depth-- || strlen(open[depth]) != n || memcmp(open[depth], name, n) != 0)
				return at;
		} else if (!closed) {
			memcpy(open[depth], name, n);
			open[depth++][n] = '\0';
		}
		at = end;
	}
	return depth ? text + strlen(text) : NULL;
}

static void
a_page_escapes_what_it_is_given_and_is_well_formed(void **state)
{
	static const char *const heads[] = {"a<b", "\"c\"", NULL};
	const double xy[] = {0, 0, 0.5, -0.5, 9, 9}, density[] = {0, 1, 0.5, 0.25};
	const struct plot_panel panel = {.title = "t",
					.x_label = "x",
					.y_label = "y",
					.linear_x = true,
					.n_series = 1,
					.series = {{.name = "s", .n = 2, .point = {{-1, 1, 2, 3}, {4, 10, 20, 300}}}}},
				empty = {.title = "nothing", .x_label = "x", .y_label = "y"};
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	page_begin(out, "<title> & \"more\"");
	page_claim(out, "a < b", 1, "reached", "a & b");
	page_table(out, "x & y", heads, 1);
	page_row(out);
	page_name(out, "<script>alert(1)</script>");
	page_number(out, 2, 1.0 / 3);
	page_number(out, 2, strtod("nan", NULL));
	page_number(out, 1, -2.5);
	page_number(out, 1, -0.04);
	page_with_error(out, 1, 5, 0.25);
	page_row_end(out);
	page_table_end(out);
	page_figures(out, 0);
	plot_inline(out, &panel);
	plot_inline(out, &empty);
	plot_points(out, "points", xy, 3, -1, 1);
	plot_density(out, "density", density, 2);
	page_figures_end(out, "a caption <i>");
	page_end(out);
	assert_int_equal(fclose(out), 0);
	if (fault_of(text))
		fail_msg("not well-formed at: %.80s", fault_of(text));
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "nan"));
	assert_non_null(strstr(text, "0.33"));
	assert_non_null(strstr(text, "a &lt; b"));
	assert_non_null(strstr(text, ">−2.5</td>"));
	assert_null(strstr(text, "−0.0<"));
	assert_non_null(strstr(text, "nothing: no results."));
	free(text);
}

/* Runs the program of the benchmark with these settings; its exit status. */
static int
run_paper(const char *settings)
{
	const char *verad = getenv("VERAD_BIN");
	char bin[512], command[2048];

	snprintf(bin, sizeof bin, "%s", verad ? verad : "build/verad");
	*strrchr(bin, '/') = '\0';
	snprintf(command, sizeof command,
		"mkdir -p %s/out && OUT=%s/out JOBS=2 %s '%s/tests/bench/bench_paper' >%s/log 2>&1", dir, dir, settings,
		bin, dir);
	return system(command);
}

static char *
file_text(const char *name)
{
	char path[512];
	struct buf b = {0};
	struct err e;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(file_read_all(path, &b, &e), OK);
	buf_put_u8(&b, '\0');
	return (char *)b.data;
}

static size_t
n_lines(const char *name)
{
	char *text = file_text(name);
	size_t n = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		n++;
	free(text);
	return n;
}

/* A folder of data: a table of three classes, and pictures of six by six. */
static void
put_data(void)
{
	struct buf b = {0}, splits = {0};

	for (size_t i = 0; i < 450; i++) {
		if (!i || i == 400) {
			for (size_t j = 0; j < 36; j++)
				buf_printf(&b, "p%zu,", j);
			buf_puts(&b, "label\n");
		}
		for (size_t j = 0; j < 36; j++)
			buf_printf(&b, "%zu,", (i % 10 * 25 + j * (i % 10 + 1) * 7 + i * j % 13) % 256);
		buf_printf(&b, "%zu\n", i % 10);
		if (i == 399 || i == 449) {
			put_file(i == 399 ? "data/mnist/train.csv.gz" : "data/mnist/test.csv.gz", b.data, b.len);
			buf_clear(&b);
		}
	}
	put_text("data/mnist/splits.json", "{\"splits\":[]}");
	buf_puts(&b, "x,y,label\n");
	buf_puts(&splits, "{\"splits\":[{\"excluded\":[],\"labelled\":[0");
	for (size_t i = 0; i < 120; i++)
		buf_printf(&b, "%zu.5,%zu,%c\n", i % 3 * 7 + i % 5, i % 3 * 3 + i % 4, "abc"[i % 3]);
	for (size_t i = 1; i < 30; i++)
		buf_printf(&splits, ",%zu", i);
	buf_puts(&splits, "],\"test\":[90");
	for (size_t i = 91; i < 120; i++)
		buf_printf(&splits, ",%zu", i);
	buf_puts(&splits, "]}]}");
	put_file("data/toy/all.csv.gz", b.data, b.len);
	put_file("data/toy/splits.json", splits.data, splits.len);
	buf_release(&b);
	buf_release(&splits);
}

static void
the_tiny_profile_writes_a_report_and_goes_on_where_it_was(void **state)
{
	static const char *const outside[] = {
		"http:", "https:", "src=", "<link", "<script", "url(", "@import", "href="};
	static const char *const json[] = {
		"out/estimator.json", "out/likelihood.json", "out/jem.json", "out/tables.json", "out/modes.json"};
	char settings[512], *text;
	size_t n_runs;
	cJSON *root;
	struct err e;

	(void)state;
	put_data();
	put_rows("originals/HEPMASS/1000_train.csv", "# label,f0,f1,f2\n", ",", 60, 5, 2, true);
	put_rows("originals/HEPMASS/1000_test.csv", "# label,f0,f1,f2\n", ",", 25, 5, 2, true);
	snprintf(settings, sizeof settings, "PROFILE=tiny SETS=toy DATA=%s/data ORIGINALS=%s/originals", dir, dir);
	if (run_paper(settings)) {
		text = file_text("log");
		fail_msg("%s", text);
	}
	text = file_text("out/report.html");
	if (fault_of(text))
		fail_msg("not well-formed at: %.80s", fault_of(text));
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
		assert_null(strstr(text, outside[i]));
	assert_non_null(strstr(text, "name=\"viewport\""));
	assert_non_null(strstr(text, "prefers-color-scheme:dark"));
	assert_non_null(strstr(text, "recalled, not checked"));
	assert_non_null(strstr(text, "<td>toy</td>"));
	assert_non_null(strstr(text, "<td>HEPMASS</td><td class=\"n\">1</td>"));
	assert_null(strstr(text, ">nan"));
	assert_null(strstr(text, ">-nan"));
	free(text);
	for (size_t i = 0; i < sizeof json / sizeof *json; i++) {
		text = file_text(json[i]);
		assert_int_equal(json_parse(text, strlen(text), &root, &e), OK);
		assert_true(cJSON_GetArraySize(json_member(root, "cells")) > 0);
		cJSON_Delete(root);
		free(text);
	}

	n_runs = n_lines("out/paper.jsonl");
	assert_true(n_runs > 10);
	assert_int_equal(run_paper(settings), 0);
	assert_int_equal(n_lines("out/paper.jsonl"), n_runs);
	snprintf(settings, sizeof settings, "PROFILE=tiny ONLY=estimator FRESH=1");
	assert_int_equal(run_paper(settings), 0);
	assert_true(n_lines("out/paper.jsonl") > n_runs);
}

static void
what_cannot_be_run_is_said_and_the_rest_is_reported(void **state)
{
	char *text;

	(void)state;
	assert_int_not_equal(run_paper("PROFILE=huge"), 0);
	assert_int_not_equal(run_paper("PROFILE=tiny ONLY=nothing"), 0);
	/* No data: the one needs some, the other does not. */
	assert_int_equal(run_paper("PROFILE=tiny ONLY='jem modes'"), 0);
	text = file_text("out/report.html");
	assert_non_null(strstr(text, "Not run: there is no"));
	assert_non_null(strstr(text, "not measured"));
	assert_null(fault_of(text));
	free(text);
	/* A run that fails is named in the report, and the exit status says so. */
	put_rows("originals/HEPMASS/1000_train.csv", "", ",", 4, 5, 2, true);
	put_rows("originals/HEPMASS/1000_test.csv", "", ",", 4, 5, 2, true);
	{
		char settings[256];

		snprintf(settings, sizeof settings, "PROFILE=tiny ONLY=tables ORIGINALS=%s/originals", dir);
		assert_int_not_equal(run_paper(settings), 0);
	}
	text = file_text("out/report.html");
	assert_non_null(strstr(text, "Runs that failed"));
	assert_non_null(strstr(text, "too_few_labels"));
	assert_null(fault_of(text));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hepmass_is_read_in_its_original_form, set_up, tear_down),
		cmocka_unit_test_setup_teardown(crop_is_split_at_random_and_human_by_its_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broken_originals_are_refused_with_their_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pictures_in_idx_form_are_read_and_others_refused, set_up, tear_down),
		cmocka_unit_test(a_page_escapes_what_it_is_given_and_is_well_formed),
		cmocka_unit_test_setup_teardown(
			the_tiny_profile_writes_a_report_and_goes_on_where_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_run_is_said_and_the_rest_is_reported, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
