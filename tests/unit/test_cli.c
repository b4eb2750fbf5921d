/*
 * Tests of the command line: the program itself (VERAD_BIN, else build/verad) in a temporary directory, and the rooms
 * server/options, config and files behind it.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/buf.h"
#include "server/config.h"
#include "server/files.h"
#include "tests/support/scratch.h"

/* The quickest training there is. */
#define QUICK                                                                                                          \
	"--label kind --steps 40 --hidden-layers 8 --generator-layers 8 --noise-dim 2 --importance-samples 2 "         \
	"--evaluation-folds 2 --learning-rate 0.01 --ema-decay 0.9"

static char dir[SCRATCH_SIZE];
static char out[1 << 16], err_text[1 << 16]; /* of the last command */

static void
read_text(const char *path, char *text, size_t n)
{
	struct buf b = {0};
	struct err e = {0};

	assert_int_equal(file_read_all(path, &b, &e), OK);
	snprintf(text, n, "%.*s", (int)b.len, b.data ? (char *)b.data : "");
	buf_release(&b);
}

/* Runs a shell command in the temporary directory, where $V is the program; its exit status. */
static int __attribute__((format(printf, 1, 2))) sh(const char *fmt, ...)
{
	char command[2048];
	va_list ap;
	int n, status;

	va_start(ap, fmt);
	n = vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof command - 40);
	memmove(command + 2, command, (size_t)n);
	memcpy(command, "{ ", 2);
	strcpy(command + 2 + n, "\n} >out.txt 2>err.txt");
	status = system(command);
	assert_true(WIFEXITED(status));
	read_text("out.txt", out, sizeof out);
	read_text("err.txt", err_text, sizeof err_text);
	return WEXITSTATUS(status);
}

static void
says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void
write_file(const char *path, const char *text)
{
	struct err e = {0};

	assert_int_equal(file_replace(path, text, strlen(text), &e), OK);
}

/* Two clouds: figs around (0, 0), pears around (3, 1). */
static void
put_row(struct buf *csv, size_t i)
{
	buf_printf(csv, "%g,%g,%s", (double)(i % 2) * 3 + (double)(i * 7 % 11) / 11,
		(double)(i % 2) + (double)(i * 5 % 13) / 13, i % 3 ? "red" : "green");
}

static int
make_files(void **state)
{
	struct buf csv = {0}, rows = {0}, truth = {0};
	struct err e = {0};

	(void)state;
	buf_puts(&csv, "x,y,colour,kind\n");
	for (size_t i = 0; i < 120; i++) {
		put_row(&csv, i);
		buf_printf(&csv, ",%s\n", i >= 20 ? "" : i % 2 ? "pear" : "fig");
	}
	buf_puts(&rows, "colour,y,x\n");
	buf_puts(&truth, "kind\n");
	for (size_t i = 200; i < 240; i++) {
		buf_printf(&rows, "red,%g,%g\n", (double)(i % 2) + (double)(i * 5 % 13) / 13,
			(double)(i % 2) * 3 + (double)(i * 7 % 11) / 11);
		buf_printf(&truth, "%s\n", i % 2 ? "pear" : "fig");
	}
	assert_int_equal(file_replace("train.csv", csv.data, csv.len, &e), OK);
	assert_int_equal(file_replace("rows.csv", rows.data, rows.len, &e), OK);
	assert_int_equal(file_replace("truth.csv", truth.data, truth.len, &e), OK);
	buf_release(&csv);
	buf_release(&rows);
	buf_release(&truth);
	return sh("$V fit train.csv -o model.vera -q " QUICK);
}

static void
a_column_of_numbers_and_na_is_warned_of(void **state)
{
	(void)state;
	assert_int_equal(sh("sed '3s/^[^,]*/NA/' train.csv >na.csv && $V fit na.csv -o na.vera " QUICK), 0);
	says(err_text, "na.csv: warning: column \"x\": 1 cell such as \"NA\" in line 3 is taken as missing; list");
	assert_int_equal(sh("$V fit na.csv -o na.vera -q " QUICK), 0);
	assert_string_equal(err_text, "");
}

/* Calling it ------------------------------------------------------------------------------------------------------- */

static void
called_wrongly_it_says_how_and_exits_with_2(void **state)
{
	static const struct {
		const char *arguments, *message;
	} wrong[] = {
		{"", "Usage:"},
		{"ft", "did you mean fit?"},
		{"fit", "which file?"},
		{"fit train.csv --label kind", "-o FILE is needed"},
		{"fit train.csv --lable kind -o m", "did you mean --label?"},
		{"fit train.csv --label kind -o m --learning-rat 1", "did you mean --learning-rate?"},
		{"fit train.csv --label kind -o m --steps many", "--steps"},
		{"fit train.csv --label kind -o m --set steps", "name=value"},
		{"fit train.csv --label kind -o m --set stepz=3", "\"steps\""},
		{"fit absent.csv --label kind -o m --batch-size 1", "batch_size must be at least 2"},
		{"fit absent.csv --label kind -o m --evaluation-folds 1", "evaluation_folds must be 0"},
		{"fit train.csv --label kind -o", "-o needs a value"},
		{"fit train.csv --label kind -o m --threads 0", "not between 1 and"},
		{"fit train.csv more.csv --label kind -o m", "more.csv"},
		{"predict", "which model?"},
		{"predict -x model.vera", "no option -x"},
		{"inspect", "which model?"},
		{"measure answers.csv --label kind", "two files"},
		{"measure answers.csv truth.csv", "--label COLUMN is needed"},
		{"serve", "--data DIR is needed"},
		{"serve --data d --max-upload 3Q", "number of bytes"},
		{"serve --data d --tls-cert c.pem", "go together"},
		{"serve --data d --auth keys?", "none of auto, keys, none"},
		{"serve --data d --log-format xml", "none of text, json"},
		{"help ft", "did you mean fit?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int status = sh("$V %s", wrong[i].arguments);

		if (status != 2)
			fail_msg("verad %s: exit status %d", wrong[i].arguments, status);
		says(err_text, wrong[i].message);
		assert_string_equal(out, "");
	}
}

static void
help_and_version_go_to_standard_output(void **state)
{
	(void)state;
	assert_int_equal(sh("$V --version"), 0);
	assert_int_equal(strncmp(out, "verad ", 6), 0);
	assert_int_equal(sh("$V help"), 0);
	says(out, "verad fit");
	assert_int_equal(sh("$V help fit"), 0);
	says(out, "learning_rate");
	assert_int_equal(sh("$V predict --help"), 0);
	says(out, "--ood");
	assert_string_equal(err_text, "");
}

static void
output_that_cannot_be_written_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(sh("$V help >/dev/full"), 1);
	says(err_text, "No space left");
	assert_int_equal(sh("$V predict model.vera rows.csv >/dev/full"), 1);
	says(err_text, "verad: predict: standard output: ");
	assert_int_equal(sh("$V inspect model.vera --json >/dev/full"), 1);
	assert_int_equal(sh("$V predict model.vera rows.csv >&-"), 1);
}

static void
a_reader_that_leaves_ends_it_quietly(void **state)
{
	(void)state;
	assert_int_equal(sh("{ head -n 1 rows.csv; for i in $(seq 500); do tail -n +2 rows.csv; done; } >many.csv"), 0);
	assert_int_equal(sh("{ $V predict model.vera many.csv; echo $? >status.txt; } | head -n 1"), 0);
	assert_int_equal(strncmp(out, "label,", 6), 0);
	assert_string_equal(err_text, "");
	assert_int_equal(sh("cat status.txt"), 0);
	assert_string_equal(out, "1\n");
}

/* Fitting ---------------------------------------------------------------------------------------------------------- */

static void
the_number_of_threads_and_the_way_in_do_not_enter_the_model(void **state)
{
	(void)state;
	assert_int_equal(sh("$V fit train.csv -o one.vera --threads 1 " QUICK), 0);
	assert_string_equal(out, "");
	says(err_text, "120 rows: 20 labelled");
	assert_int_equal(sh("$V fit train.csv -o two.vera --threads 2 -q " QUICK), 0);
	assert_string_equal(err_text, "");
	assert_int_equal(sh("cat train.csv | $V fit - -o pipe.vera -q " QUICK), 0);
	assert_int_equal(sh("$V fit train.csv -o - -q " QUICK " >standard.vera"), 0);
	assert_int_equal(sh("cmp one.vera two.vera && cmp one.vera pipe.vera && cmp one.vera standard.vera"), 0);
	assert_int_equal(sh("$V fit train.csv -o other.vera -q " QUICK " --set seed=2"), 0);
	assert_int_equal(sh("cmp -s one.vera other.vera"), 1);
}

static void
numbers_by_class_are_options(void **state)
{
	(void)state;
	assert_int_equal(sh("$V fit train.csv -o prior.vera -q " QUICK " --class-weights pear=2 --stated-prior "
			    "fig=0.9,pear=0.1 && $V inspect prior.vera --json"),
		0);
	says(out, "\"class_weights\":{\"pear\":2}");
	says(out, "\"stated_prior\":{\"fig\":0.9,\"pear\":0.1}");
	assert_int_equal(sh("$V fit train.csv -o set.vera -q " QUICK " --set class-weights=pear=2 --set "
			    "'stated_prior={\"fig\":0.9,\"pear\":0.1}' && cmp prior.vera set.vera"),
		0);
	assert_int_equal(sh("$V fit train.csv -o no.vera -q " QUICK " --stated-prior fig=0.9,plum=0.1"), 1);
	says(err_text, "class \"plum\"");
	assert_int_equal(sh("$V fit train.csv -o no.vera -q " QUICK " --class-weights fig"), 2);
	says(err_text, "class-weights");
}

static void
a_column_that_turns_to_text_late_is_read_again(void **state)
{
	(void)state;
	assert_int_equal(
		sh("awk 'BEGIN { print \"x,y,kind\"; for (i = 0; i < 66000; i++) "
		   "print i %% 10 \",\" i %% 2 * 3 + i %% 7 / 7 \",\" (i < 40 ? i %% 2 ? \"a\" : \"b\" : \"\"); "
		   "print \"none,1,\" }' >late.csv"),
		0);
	assert_int_equal(sh("$V fit late.csv -o file.vera -q " QUICK " --steps 2 --holdout-fraction 0.001"), 0);
	assert_int_equal(sh("cat late.csv | $V fit - -o pipe.vera -q " QUICK " --steps 2 --holdout-fraction 0.001"), 0);
	assert_int_equal(sh("cmp file.vera pipe.vera && $V inspect file.vera --json"), 0);
	says(out, "{\"name\":\"x\",\"type\":\"text\"");
}

static void
a_bad_file_is_named_with_its_line_and_nothing_is_written(void **state)
{
	(void)state;
	write_file("bad.csv", "x,kind\n1,a\n2\n");
	assert_int_equal(sh("echo old >kept.vera; $V fit bad.csv -o kept.vera --label kind"), 1);
	says(err_text, "verad: fit: bad.csv: line 3");
	assert_string_equal(out, "");
	assert_int_equal(sh("cat kept.vera; ls"), 0);
	assert_int_equal(strncmp(out, "old\n", 4), 0);
	assert_null(strstr(out, "kept.vera."));
	assert_int_equal(sh("$V fit nowhere.csv -o kept.vera --label kind"), 1);
	says(err_text, "verad: fit: nowhere.csv: cannot open: No such file");
	assert_int_equal(sh("$V fit train.csv -o nowhere/m.vera --label kind"), 1);
	says(err_text, "verad: fit: nowhere/m.vera: cannot write: No such file");
	assert_int_equal(sh("$V fit train.csv -o kept.vera --label kindd"), 1);
	says(err_text, "\"kind\"");
	assert_int_equal(sh("$V fit rows.csv -o kept.vera --method vat"), 1);
	says(err_text, "no column was named");
	write_file("one.csv", "x,kind\n1,a\n2,a\n3,a\n4,\n5,\n");
	assert_int_equal(sh("$V fit one.csv -o kept.vera --label kind"), 1);
	says(err_text, "two classes");
}

/* Using a model ---------------------------------------------------------------------------------------------------- */

static void
a_model_predicts_and_measure_says_how_well(void **state)
{
	const cJSON *accuracy;
	cJSON *report;

	(void)state;
	assert_int_equal(sh("$V predict model.vera rows.csv >answers.csv"), 0);
	assert_string_equal(err_text, "");
	assert_int_equal(sh("head -n 1 answers.csv; wc -l <answers.csv"), 0);
	assert_string_equal(out, "label,probability.fig,probability.pear,ood.score,ood.p_value,ood.is_ood\n41\n");
	assert_int_equal(sh("$V measure answers.csv truth.csv --label kind --json"), 0);
	assert_non_null(report = cJSON_Parse(out));
	accuracy = cJSON_GetObjectItemCaseSensitive(report, "accuracy");
	assert_true(cJSON_IsNumber(accuracy) && accuracy->valuedouble > 0.95);
	assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(report, "ood")));
	cJSON_Delete(report);
	assert_int_equal(sh("$V predict model.vera <rows.csv | cmp - answers.csv"), 0);
	assert_int_equal(sh("$V predict model.vera - --ood <rows.csv | head -n 1"), 0);
	assert_string_equal(out, "ood.score,ood.p_value,ood.is_ood\n");
	assert_int_equal(sh("$V predict model.vera rows.csv --ood --attributions | head -n 1"), 0);
	assert_string_equal(out, "ood.score,ood.p_value,ood.is_ood,ood.reference_score,ood.attribution.x,"
				 "ood.attribution.y,ood.attribution.colour\n");
}

static void
a_test_set_is_measured_and_not_learned_from(void **state)
{
	(void)state;
	assert_int_equal(
		sh("paste -d, rows.csv truth.csv >test.csv && $V fit train.csv --test test.csv -o tested.vera " QUICK),
		0);
	says(err_text, "on 40 labelled rows of another table");
	assert_int_equal(sh("$V inspect tested.vera --json"), 0);
	says(out, "\"test\":{\"rows\":40,\"labelled\":40,\"unlabelled\":0,\"measures\":{\"n\":40,");
	assert_int_equal(sh("$V inspect tested.vera"), 0);
	says(out, "on 40 labelled rows of another table");
	/* the answers are those of a model trained without */
	assert_int_equal(
		sh("$V predict tested.vera rows.csv >with.csv && $V predict model.vera rows.csv | cmp - with.csv"), 0);
	assert_int_equal(sh("$V fit train.csv --test rows.csv -o none.vera " QUICK), 1);
	says(err_text, "rows.csv");
	says(err_text, "kind");
	assert_int_equal(
		sh("cut -d, -f2- test.csv >narrow.csv; $V fit train.csv --test narrow.csv -o none.vera " QUICK), 1);
	says(err_text, "test set");
	assert_int_equal(sh("test ! -e none.vera"), 0);
}

static void
warnings_and_errors_of_rows_name_the_column(void **state)
{
	(void)state;
	write_file("extra.csv", "x,y,colour,size\n1,1,blue,9\n");
	assert_int_equal(sh("$V predict model.vera extra.csv"), 0);
	says(err_text, "warning: column \"size\": is not known");
	says(err_text, "column \"colour\": 1 ");
	assert_null(strstr(out, "warning"));
	write_file("lacking.csv", "x,colour\n1,red\n");
	assert_int_equal(sh("$V predict model.vera lacking.csv"), 1);
	says(err_text, "verad: predict: lacking.csv: ");
	says(err_text, "\"y\"");
	write_file("words.csv", "x,y,colour\n1,1,red\n1,two,red\n");
	assert_int_equal(sh("$V predict model.vera words.csv"), 1);
	says(err_text, "verad: predict: words.csv: line 3");
	says(err_text, "column \"y\"");
	assert_int_equal(sh("$V predict train.csv rows.csv"), 1);
	says(err_text, "verad: predict: train.csv: ");
}

static void
a_damaged_model_is_refused(void **state)
{
	(void)state;
	assert_int_equal(sh("head -c 500 model.vera >cut.vera; $V inspect cut.vera"), 1);
	says(err_text, "verad: inspect: cut.vera: ");
	assert_int_equal(
		sh("cp model.vera flipped.vera; printf '\\377' | "
		   "dd of=flipped.vera bs=1 seek=400 conv=notrunc status=none; $V predict flipped.vera rows.csv"),
		1);
	assert_string_equal(out, "");
}

static void
a_model_of_another_format_is_refused_by_every_command(void **state)
{
	static const char *const command[] = {
		"predict old.vera rows.csv", "inspect old.vera", "export old.vera old.onnx"};

	(void)state;
	assert_int_equal(sh("cp model.vera old.vera; printf '\\001' | "
			    "dd of=old.vera bs=1 seek=8 conv=notrunc status=none"),
		0);
	for (size_t i = 0; i < sizeof command / sizeof *command; i++) {
		assert_int_equal(sh("$V %s", command[i]), 1);
		assert_string_equal(out, "");
		says(err_text, "old.vera: the model is of format version 1, and this program reads version");
	}
}

static void
a_model_is_exported_for_other_programs(void **state)
{
	(void)state;
	assert_int_equal(sh("$V export model.vera model.onnx"), 0);
	assert_string_equal(err_text, "");
	assert_int_equal(sh("$V export model.vera - --format onnx >piped.onnx && cmp model.onnx piped.onnx"), 0);
	assert_int_equal(sh("$V export --format=safetensors - model.safetensors <model.vera"), 0);
	assert_int_equal(sh("grep -aq '\"network.0.layer.0.weight\"' model.safetensors"), 0);
	assert_int_equal(sh("grep -aq LabelEncoder model.onnx"), 0);

	assert_int_equal(sh("$V export"), 2);
	says(err_text, "which model?");
	assert_int_equal(sh("$V export model.vera"), 2);
	says(err_text, "to which file?");
	assert_int_equal(sh("$V export model.vera out --format pickle"), 2);
	says(err_text, "safetensors");
	assert_int_equal(sh("$V export train.csv out.onnx"), 1);
	says(err_text, "train.csv: these bytes are not a model of verad");
	assert_int_equal(sh("test -e out || test -e out.onnx"), 1);
	assert_int_equal(sh("$V export model.vera nowhere/out.onnx"), 1);
	says(err_text, "nowhere/out.onnx");
	assert_int_equal(sh("$V export model.vera - >/dev/full"), 1);
}

static void
a_model_without_labels_scores_rows_and_predicts_none(void **state)
{
	(void)state;
	assert_int_equal(sh("$V fit rows.csv -o density.vera --steps 40 --hidden-layers 8 --generator-layers 8"), 0);
	says(err_text, "40 rows: 0 labelled");
	says(err_text, "no labels to measure it by");
	assert_int_equal(sh("$V predict density.vera rows.csv --ood"), 0);
	assert_int_equal(strncmp(out, "ood.score,ood.p_value,ood.is_ood\n", 33), 0);
	assert_int_equal(sh("$V predict density.vera rows.csv"), 1);
	says(err_text, "verad: predict: density.vera: the model was trained without labels");
	assert_string_equal(out, "");
	assert_int_equal(sh("$V inspect density.vera"), 0);
	says(out, "classes      none");
	assert_null(strstr(out, "baseline"));
	assert_int_equal(sh("$V predict density.vera rows.csv --ood >scores.csv; "
			    "$V measure scores.csv truth.csv --label kind"),
		1);
	says(err_text, "answers without classes");
}

static void
inspect_shows_the_report(void **state)
{
	cJSON *report;

	(void)state;
	assert_int_equal(sh("$V inspect model.vera"), 0);
	says(out, "method       auto");
	says(out, "120 rows: 20 labelled");
	says(out, "steps=40");
	assert_int_equal(sh("$V inspect model.vera --json"), 0);
	assert_non_null(report = cJSON_Parse(out));
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(report, "method")->valuestring, "auto");
	cJSON_Delete(report);
}

static double
number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsNumber(item))
		fail_msg("%s is not there", name);
	return item->valuedouble;
}

static void
measure_counts_rows_of_other_classes_as_foreign(void **state)
{
	const cJSON *ood;
	cJSON *report;

	(void)state;
	write_file("a.csv", "label,probability.u,probability.v,ood.score,ood.p_value,ood.is_ood\n"
			    "u,0.9,0.1,1,1,false\n"  /* right */
			    "u,0.6,0.4,2,1,false\n"  /* wrong */
			    "v,0.2,0.8,3,0.5,true\n" /* right */
			    "v,0.3,0.7,4,0,true\n"   /* foreign, above all */
			    "v,0.3,0.7,2.5,0,true\n" /* foreign, above two of three */
			    "v,0.5,0.5,9,0,true\n"); /* nobody knows */
	write_file("t.csv", "n,kind\n1,u\n2,v\n3,v\n4,w\n5,zzz\n6,\n");
	assert_int_equal(sh("$V measure a.csv t.csv --label kind --json"), 0);
	assert_non_null(report = cJSON_Parse(out));
	assert_true(number(report, "rows") == 6 && number(report, "unlabelled") == 1 && number(report, "n") == 3);
	assert_true(number(report, "accuracy") > 0.66 && number(report, "accuracy") < 0.67);
	ood = cJSON_GetObjectItemCaseSensitive(report, "ood");
	assert_true(number(ood, "n_in") == 3 && number(ood, "n_out") == 2 && number(ood, "flagged_out") == 1);
	assert_true(number(ood, "auroc") > 0.83 && number(ood, "auroc") < 0.84);
	cJSON_Delete(report);
	assert_int_equal(sh("$V measure a.csv t.csv --label kind"), 0);
	says(out, "3 rows of known classes, 2 of others, 1 without");
	says(out, "AUROC                0.8333");
	write_file("t.csv", "kind\nu\n");
	assert_int_equal(sh("$V measure a.csv t.csv --label kind"), 1);
	says(err_text, "same rows");
	assert_int_equal(sh("$V measure a.csv t.csv --label kin"), 1);
	says(err_text, "did you mean \"kind\"");
	assert_int_equal(sh("$V measure t.csv t.csv --label kind"), 1);
	says(err_text, "probability");
}

/* The daemon ------------------------------------------------------------------------------------------------------- */

struct daemon {
	pid_t pid;
	FILE *log;
	unsigned port;
};

static void
start_daemon(struct daemon *d)
{
	char line[512];
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (!d->pid) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		execl(getenv("V"), "verad", "serve", "--data", "data", "--listen", "127.0.0.1:0", (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	assert_non_null(d->log = fdopen(fd[0], "r"));
	d->port = 0;
	while (!d->port && fgets(line, sizeof line, d->log))
		sscanf(line, "verad: listening on http://127.0.0.1:%u", &d->port);
	assert_true(d->port > 0);
}

static int
stop_daemon(struct daemon *d, int signal_number)
{
	char line[512];
	int status;

	assert_int_equal(kill(d->pid, signal_number), 0);
	while (fgets(line, sizeof line, d->log)) /* so that it never waits for us to read */
		;
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	fclose(d->log);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
ask_for(struct daemon *d, const char *path, char *answer, size_t n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)d->port)};
	char request[256];
	ssize_t got;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	got = read(fd, answer, n - 1);
	answer[got > 0 ? got : 0] = '\0';
	close(fd);
}

static void
the_daemon_starts_answers_and_stops_in_good_order(void **state)
{
	static const int ends[] = {SIGTERM, SIGINT};
	struct daemon d;
	char answer[1024];

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		start_daemon(&d);
		ask_for(&d, "/readyz", answer, sizeof answer);
		says(answer, "HTTP/1.1 200");
		assert_int_equal(stop_daemon(&d, ends[i]), 0);
	}
}

static void
a_second_daemon_on_the_same_data_is_refused(void **state)
{
	struct daemon d;

	(void)state;
	start_daemon(&d);
	assert_int_equal(sh("$V serve --data data --listen 127.0.0.1:0"), 1);
	says(err_text, "verad: serve: ");
	assert_int_equal(sh("$V serve --data other --listen 127.0.0.1:%u", d.port), 1);
	says(err_text, "verad: serve: ");
	assert_int_equal(stop_daemon(&d, SIGTERM), 0);
}

/* The rooms behind it ---------------------------------------------------------------------------------------------- */

struct settings {
	bool flag;
	const char *text;
	uint64_t bytes;
	size_t choice;
};

static const char *const words[] = {"small", "large", NULL};
static const struct option sample_options[] = {
	{.name = "flag", .letter = 'f', .type = OPTION_FLAG, .at = offsetof(struct settings, flag)},
	{.name = "some-text", .letter = 't', .value = "X", .type = OPTION_TEXT, .at = offsetof(struct settings, text)},
	{.name = "bytes",
		.value = "N",
		.type = OPTION_BYTES,
		.at = offsetof(struct settings, bytes),
		.max = UINT64_MAX},
	{.name = "choice",
		.value = "W",
		.type = OPTION_CHOICE,
		.at = offsetof(struct settings, choice),
		.choices = words},
};
static const struct option_table sample_table = {.option = sample_options, .n = 4};

static enum status
parse(struct settings *s, const char *operand[], size_t *n, struct err *e, ...)
{
	char *argv[16] = {(char *)(size_t) "command"};
	int argc = 1;
	va_list ap;

	va_start(ap, e);
	while ((argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	*s = (struct settings){0};
	return options_parse(&sample_table, s, argc, argv, operand, 2, n, e);
}

static void
options_come_in_every_usual_form(void **state)
{
	const char *operand[2];
	struct settings s;
	struct err e = {0};
	size_t n;

	(void)state;
	assert_int_equal(parse(&s, operand, &n, &e, "one", "--some-text", "-x", "-f", "-", "--bytes=2G", "--choice",
				 "large", NULL),
		OK);
	assert_true(s.flag && s.choice == 1 && s.bytes == (uint64_t)2 << 30);
	assert_string_equal(s.text, "-x");
	assert_int_equal(n, 2);
	assert_string_equal(operand[0], "one");
	assert_string_equal(operand[1], "-");
	assert_int_equal(parse(&s, operand, &n, &e, "-ftabc", "--", "--bytes", NULL), OK);
	assert_true(s.flag);
	assert_string_equal(s.text, "abc");
	assert_string_equal(operand[0], "--bytes");
	assert_int_equal(parse(&s, operand, &n, &e, "--flag=no", "--some-text=", NULL), OK);
	assert_false(s.flag);
	assert_string_equal(s.text, "");
}

static void
numbers_of_bytes_are_read_strictly(void **state)
{
	static const char *const good[] = {"0", "1024", "1k", "1K", "1KiB", "1kb", "1024b"};
	static const char *const bad[] = {
		"", "-1", " 1", "1 k", "k", "1kk", "1x", "0x10", "99999999999999999999", "20000000T"};
	const char *operand[2];
	struct settings s;
	struct err e = {0};
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(parse(&s, operand, &n, &e, "--bytes", good[i], NULL), OK);
		assert_int_equal(s.bytes, i ? 1024 : 0);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (parse(&s, operand, &n, &e, "--bytes", bad[i], NULL) != ERR_INVALID)
			fail_msg("\"%s\" was taken for a number of bytes", bad[i]);
}

static void
the_environment_stands_for_options_and_options_win(void **state)
{
	struct config c;
	char *bare[] = {(char *)(size_t) "serve", NULL};
	char *given[] = {(char *)(size_t) "serve", (char *)(size_t) "--workers=3", NULL};
	struct err e = {0};

	(void)state;
	setenv("VERAD_DATA", "somewhere", 1);
	setenv("VERAD_WORKERS", "2", 1);
	setenv("VERAD_LOG_FORMAT", "json", 1);
	setenv("VERAD_LISTEN", "", 1); /* empty: not set */
	assert_int_equal(config_read(&c, 1, bare, &e), OK);
	assert_string_equal(c.data, "somewhere");
	assert_string_equal(c.listen, "127.0.0.1:8080");
	assert_true(c.workers == 2 && c.log_format == 1);
	assert_int_equal(config_read(&c, 2, given, &e), OK);
	assert_int_equal(c.workers, 3);
	setenv("VERAD_WORKERS", "two", 1);
	assert_int_equal(config_read(&c, 2, given, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "VERAD_WORKERS"));
	unsetenv("VERAD_DATA");
	unsetenv("VERAD_WORKERS");
	unsetenv("VERAD_LOG_FORMAT");
	unsetenv("VERAD_LISTEN");
}

static void
only_the_loopback_is_taken_for_it(void **state)
{
	static const char *const local[] = {"127.0.0.1:80", "127.8.8.8:0", "[::1]:80", "localhost:80", "[::1]"};
	static const char *const remote[] = {"0.0.0.0:80", ":80", "[::]:80", "10.0.0.1:80", "127.0.0.1.example.org:80",
		"localhost.example.org:80", ""};

	(void)state;
	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
		assert_true(config_is_loopback(local[i]));
	for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++)
		assert_false(config_is_loopback(remote[i]));
}

static void
a_file_is_replaced_whole_and_keeps_its_mode_and_links(void **state)
{
	struct stat st;
	struct err e = {0};

	(void)state;
	write_file("plain.txt", "old");
	assert_int_equal(chmod("plain.txt", 0640), 0);
	assert_int_equal(symlink("plain.txt", "link.txt"), 0);
	assert_int_equal(file_replace("link.txt", "newer", 5, &e), OK);
	assert_int_equal(lstat("link.txt", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat("plain.txt", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(file_replace("/dev/null", "x", 1, &e), OK);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(file_replace("/dev/full", "x", 1, &e), ERR_FULL);
}

/* ------------------------------------------------------------------------------------------------------------------ */

static int
set_up(void **state)
{
	const char *program = getenv("VERAD_BIN");
	char absolute[PATH_MAX];

	if (!realpath(program ? program : "build/verad", absolute)) {
		fprintf(stderr, "there is no program: %s\n", program ? program : "build/verad");
		return 1;
	}
	if (setenv("V", absolute, 1) || !scratch_make(dir) || chdir(dir))
		return 1;
	return make_files(state);
}

static int
clean_up(void **state)
{
	(void)state;
	return chdir("/") || !scratch_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_column_of_numbers_and_na_is_warned_of),
		cmocka_unit_test(called_wrongly_it_says_how_and_exits_with_2),
		cmocka_unit_test(help_and_version_go_to_standard_output),
		cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
		cmocka_unit_test(a_reader_that_leaves_ends_it_quietly),
		cmocka_unit_test(the_number_of_threads_and_the_way_in_do_not_enter_the_model),
		cmocka_unit_test(numbers_by_class_are_options),
		cmocka_unit_test(a_column_that_turns_to_text_late_is_read_again),
		cmocka_unit_test(a_bad_file_is_named_with_its_line_and_nothing_is_written),
		cmocka_unit_test(a_model_predicts_and_measure_says_how_well),
		cmocka_unit_test(a_test_set_is_measured_and_not_learned_from),
		cmocka_unit_test(warnings_and_errors_of_rows_name_the_column),
		cmocka_unit_test(a_damaged_model_is_refused),
		cmocka_unit_test(a_model_of_another_format_is_refused_by_every_command),
		cmocka_unit_test(a_model_is_exported_for_other_programs),
		cmocka_unit_test(a_model_without_labels_scores_rows_and_predicts_none),
		cmocka_unit_test(inspect_shows_the_report),
		cmocka_unit_test(measure_counts_rows_of_other_classes_as_foreign),
		cmocka_unit_test(the_daemon_starts_answers_and_stops_in_good_order),
		cmocka_unit_test(a_second_daemon_on_the_same_data_is_refused),
		cmocka_unit_test(options_come_in_every_usual_form),
		cmocka_unit_test(numbers_of_bytes_are_read_strictly),
		cmocka_unit_test(the_environment_stands_for_options_and_options_win),
		cmocka_unit_test(only_the_loopback_is_taken_for_it),
		cmocka_unit_test(a_file_is_replaced_whole_and_keeps_its_mode_and_links),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
