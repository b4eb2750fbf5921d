/* Tests of server/training: from chunks of a table to a bundle with its report. */
#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernel.h"
#include "engine/spacing.h"
#include "server/chunks.h"
#include "server/pace.h"
#include "server/training.h"

/* A table in memory, as `fit` has it. */
struct sample {
	struct buf csv;
	struct ingest *ingest;
	struct chunks chunks;
};

static void
sample_release(struct sample *t)
{
	buf_release(&t->csv);
	ingest_free(t->ingest);
	chunks_release(&t->chunks);
}

/* Takes what was put into t->csv. */
static const struct dataset_summary *
sample_read(struct sample *t, const char *label)
{
	const struct ingest_sink sink = chunks_sink(&t->chunks);
	struct ingest_options options = {.label_column = (char *)label};
	struct err e = {0};
	bool again;

	assert_int_equal(ingest_new(&options, NULL, &sink, &t->ingest, &e), OK);
	assert_int_equal(ingest_feed(t->ingest, t->csv.data, t->csv.len, &e), OK);
	assert_int_equal(ingest_finish(t->ingest, &again, &e), OK);
	assert_false(again);
	return ingest_summary(t->ingest);
}

enum { N_ROWS = 60 };

/* Three clouds; the first `labels` rows of each class are labelled. Row `odd` has a value of its own in column x. */
static const struct dataset_summary *
clouds(struct sample *t, size_t labels, size_t odd)
{
	static const char *const name[] = {"pear", "Apple", "fig"};

	buf_puts(&t->csv, "x,y,colour,fruit\n");
	for (size_t i = 0; i < N_ROWS; i++) {
		size_t k = i % 3;
		double x = i == odd ? 500.0 : (double)k * 4 + (double)(i * 7 % 11) / 11;

		buf_printf(&t->csv, "%g,%g,%s,%s\n", x, (double)(i * 5 % 13) / 13 - (double)k, i % 2 ? "red" : "green",
			i / 3 < labels ? name[k] : "");
	}
	return sample_read(t, "fruit");
}

static struct params
quick(void)
{
	struct params p;

	params_defaults(&p);
	p.steps = 12;
	p.hidden_layers = (struct layer_sizes){.n = 2, .size = {8, 8}};
	p.generator_layers = (struct layer_sizes){.n = 1, .size = {8}};
	p.noise_dim = 2;
	p.importance_samples = 2;
	p.evaluation_folds = 2;
	return p;
}

static void
run_to_end(struct training *t)
{
	struct err e = {0};

	while (!trainer_done(training_trainer(t)))
		assert_int_equal(trainer_step(training_trainer(t), &e), OK);
}

static void
finish(struct training *t, struct bundle **b, struct buf *bytes)
{
	struct err e = {0};

	run_to_end(t);
	assert_int_equal(training_finish(t, b, &e), OK);
	assert_int_equal(bundle_write(*b, bytes, &e), OK);
}

/* A whole run: the bundle's bytes, and its report for the caller to cJSON_Delete where wanted. */
static void
train(struct sample *s, const struct params *p, int threads, struct buf *bytes, cJSON **report)
{
	const struct chunk_source source = chunks_source(&s->chunks);
	struct training *t = NULL;
	struct bundle *b = NULL;
	struct err e = {0};

	assert_int_equal(training_new(ingest_summary(s->ingest), &source, p, NULL, threads, &t, &e), OK);
	finish(t, &b, bytes);
	if (report)
		assert_non_null(*report = cJSON_Parse(b->report));
	bundle_free(b);
	training_free(t);
}

static void
only_features_are_learned_from(void **state)
{
	const char *const options[][2] = {{"label_column", "y"}, {"role", "key=id"}, {"role", "w=weight"},
		{"role", "part=split"}, {"role", "note=ignore"}};
	struct ingest_options reading = {0};
	struct sample s = {0};
	const struct ingest_sink sink = chunks_sink(&s.chunks);
	const struct chunk_source source = chunks_source(&s.chunks);
	const struct params p = quick();
	struct buf bytes = {0};
	struct training *t = NULL;
	struct bundle *b = NULL;
	struct err e = {0};
	bool again;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(ingest_options_set(&reading, options[i][0], options[i][1], &e), OK);
	buf_puts(&s.csv, "key,x,w,y,part,note,colour\n");
	for (int i = 0; i < N_ROWS; i++)
		buf_printf(&s.csv, "%d,%d,%d,%s,%s,%d,%s\n", i % 5, i % 7, i % 3, i % 2 ? "a" : "b",
			i % 4 ? "train" : "test", i % 11, i % 2 ? "red" : "green");
	assert_int_equal(ingest_new(&reading, NULL, &sink, &s.ingest, &e), OK);
	assert_int_equal(ingest_feed(s.ingest, s.csv.data, s.csv.len, &e), OK);
	assert_int_equal(ingest_finish(s.ingest, &again, &e), OK);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), OK);
	finish(t, &b, &bytes);
	assert_int_equal(encoder_n_columns(b->encoder), 2);
	assert_string_equal(encoder_column_name(b->encoder, 0), "x");
	assert_string_equal(encoder_column_name(b->encoder, 1), "colour");
	bundle_free(b);
	training_free(t);
	buf_release(&bytes);
	ingest_options_release(&reading);
	sample_release(&s);
}

static const cJSON *
at(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!item)
		fail_msg("no \"%s\"", name);
	return item;
}

static const cJSON *
warning(const cJSON *report, const char *code)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, at(report, "warnings"))
	{
		if (strcmp(at(item, "code")->valuestring, code) == 0)
			return item;
	}
	return NULL;
}

static void
refused(struct sample *t, size_t method, const char *label, const char *csv, const char *code)
{
	struct params p = quick();
	struct err e = {0};

	p.method = method;
	buf_puts(&t->csv, csv);
	assert_int_equal(training_check(sample_read(t, label), &p, NULL, &e), ERR_DATA);
	assert_string_equal(e.code, code);
	assert_true(strlen(e.msg) > 20);
	sample_release(t);
	*t = (struct sample){0};
}

static void
a_table_that_cannot_train_is_refused_with_its_reason(void **state)
{
	struct sample t = {0};

	(void)state;
	refused(&t, METHOD_SUPERVISED, NULL, "a,b\n1,2\n3,4\n", "no_label_column");
	refused(&t, METHOD_VAT, "b", "a,b\n1,\n3,\n", "no_labels");
	refused(&t, METHOD_VERA, "b", "a,b\n1,x\n3,x\n4,\n", "one_class");
	refused(&t, METHOD_VERA, "b", "a,b\n1,x\n3,y\n", "too_few_rows");
	refused(&t, METHOD_VERA, NULL, "a,b\n1,x\n3,y\n", "too_few_rows");
}

static void
classes_are_numbered_in_byte_order(void **state)
{
	struct sample s = {0};
	const struct chunk_source source = chunks_source(&s.chunks);
	struct params p = quick();
	struct training *t = NULL;
	struct bundle *b = NULL;
	struct buf bytes = {0};
	struct err e = {0};

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), OK);
	finish(t, &b, &bytes);
	assert_int_equal(b->n_classes, 3);
	assert_string_equal(b->label[0], "Apple");
	assert_string_equal(b->label[1], "fig");
	assert_string_equal(b->label[2], "pear");
	assert_string_equal(b->label_column, "fruit");
	bundle_free(b);
	training_free(t);
	buf_release(&bytes);
	sample_release(&s);
}

static void
the_report_says_what_was_done_and_how_well(void **state)
{
	static const char *const measures[] = {
		"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "ece", "macro_auroc"};
	struct sample s = {0};
	struct params p = quick();
	struct buf bytes = {0};
	const cJSON *networks;
	cJSON *r = NULL;

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	train(&s, &p, 1, &bytes, &r);
	assert_string_equal(at(r, "method")->valuestring, "auto");
	assert_int_equal(at(at(r, "parameters"), "steps")->valueint, 12);
	assert_int_equal(at(at(r, "data"), "rows")->valueint, N_ROWS);
	assert_int_equal(at(at(r, "data"), "labelled")->valueint, 12);
	assert_int_equal(at(at(r, "data"), "unlabelled")->valueint, N_ROWS - 12);
	assert_int_equal(at(at(r, "data"), "held_out")->valueint, 6);
	assert_int_equal(cJSON_GetArraySize(at(r, "encoding")), 3);
	assert_string_equal(at(at(r, "measures"), "how")->valuestring,
		"cross-fitting over 2 folds of the labelled rows, with their shares of the classes");
	assert_int_equal(at(at(r, "measures"), "n")->valueint, 12);
	for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++) {
		assert_true(cJSON_IsNumber(at(at(r, "measures"), measures[i])));
		assert_true(cJSON_IsNumber(at(at(r, "baseline"), measures[i])));
	}
	assert_string_equal(at(at(r, "baseline"), "method")->valuestring, "supervised");
	assert_int_equal(cJSON_GetArraySize(at(at(r, "measures"), "per_class")), 3);
	assert_int_equal(cJSON_GetArraySize(at(at(at(r, "measures"), "confusion"), "matrix")), 3);
	assert_string_equal(at(at(r, "thresholds"), "score")->valuestring, "energy");
	assert_int_equal(at(at(r, "thresholds"), "reference_rows")->valueint, 6);
	assert_true(cJSON_IsNumber(at(at(r, "thresholds"), "gradient_norm")));
	assert_true(cJSON_IsFalse(at(at(r, "calibration"), "calibrated"))); /* 12 labels */
	assert_non_null(strstr(at(at(r, "calibration"), "reason")->valuestring, "12 labelled rows"));
	networks = at(at(r, "composition"), "networks");
	assert_int_equal(cJSON_GetArraySize(networks), 4);
	assert_string_equal(at(cJSON_GetArrayItem(networks, 0), "method")->valuestring, "supervised");
	assert_string_equal(at(cJSON_GetArrayItem(networks, 1), "method")->valuestring, "vera");
	assert_string_equal(at(cJSON_GetArrayItem(networks, 2), "method")->valuestring, "linear");
	assert_string_equal(at(cJSON_GetArrayItem(networks, 3), "method")->valuestring, "propagated");
	assert_true(at(at(r, "composition"), "agreement")->valuedouble <= 1);
	assert_true(at(at(at(r, "composition"), "base_measure"), "components")->valueint >= 1);
	assert_int_equal(cJSON_GetArraySize(at(at(r, "composition"), "class_shares")), 3);
	assert_true(cJSON_GetArraySize(at(r, "choices")) >= 3);
	assert_true(at(at(r, "parameters"), "input_noise")->valuedouble >= SPACING_LEAST_NOISE);
	assert_true(at(at(r, "parameters"), "input_noise")->valuedouble <= SPACING_MOST_NOISE);
	assert_non_null(strstr(cJSON_GetArrayItem(at(r, "choices"), 0)->valuestring, "noise of deviation 0."));
	assert_int_equal(at(r, "recoveries")->valueint, 0);
	assert_non_null(warning(r, "small_reference")); /* 6 rows cannot give a threshold at 5% */
	cJSON_Delete(r);
	buf_release(&bytes);
	sample_release(&s);
}

static void
a_stated_prior_and_class_weights_are_in_the_report(void **state)
{
	struct class_params c = {0};
	struct sample s = {0};
	const struct chunk_source source = chunks_source(&s.chunks);
	struct training *t = NULL;
	struct bundle *b = NULL;
	struct buf bytes = {0};
	struct params p = quick();
	struct err e = {0};
	char text[128];
	const cJSON *share;
	cJSON *r;

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	snprintf(text, sizeof text, "%s=0.5,%s=0.3,%s=0.2", ingest_summary(s.ingest)->classes[0].label,
		ingest_summary(s.ingest)->classes[1].label, ingest_summary(s.ingest)->classes[2].label);
	assert_int_equal(class_params_set_text(&c, STATED_PRIOR, text, &e), OK);
	assert_int_equal(class_params_set_text(&c, CLASS_WEIGHTS, "Apple=3", &e), OK);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, &c, 1, &t, &e), OK);
	finish(t, &b, &bytes);
	assert_non_null(r = cJSON_Parse(b->report));
	assert_true(at(at(at(r, "parameters"), "class_weights"), "Apple")->valuedouble == 3);
	assert_int_equal(cJSON_GetArraySize(at(at(r, "parameters"), "stated_prior")), 3);
	share = cJSON_GetArrayItem(at(at(r, "composition"), "class_shares"), 1);
	assert_true(fabs(at(share, "stated")->valuedouble - 0.3) < 1e-12);
	assert_null(cJSON_GetObjectItemCaseSensitive(share, "estimated"));
	cJSON_Delete(r);
	buf_release(&bytes);
	bundle_free(b);
	training_free(t);
	class_params_release(&c);
	assert_int_equal(class_params_set_text(&c, CLASS_WEIGHTS, "Aple=3", &e), OK);
	assert_int_equal(training_check(ingest_summary(s.ingest), &p, &c, &e), ERR_INVALID);
	assert_string_equal(e.code, "unknown_class");
	assert_non_null(strstr(e.msg, "Apple"));
	class_params_release(&c);
	sample_release(&s);
}

static void
what_cannot_be_measured_is_null_with_a_reason(void **state)
{
	struct sample s = {0};
	struct params p = quick();
	struct buf bytes = {0};
	cJSON *r = NULL;

	(void)state;
	p.method = METHOD_SUPERVISED;
	clouds(&s, 1, SIZE_MAX);
	train(&s, &p, 1, &bytes, &r);
	assert_true(cJSON_IsNull(at(at(r, "measures"), "how")));
	assert_non_null(strstr(at(at(r, "measures"), "reason")->valuestring, "Apple"));
	assert_true(cJSON_IsNull(at(at(r, "measures"), "accuracy")));
	assert_true(cJSON_IsNull(at(r, "baseline")));
	assert_string_equal(at(warning(r, "class_with_one_label"), "class")->valuestring, "Apple");
	cJSON_Delete(r);
	buf_release(&bytes);
	sample_release(&s);
}

/* Once without a label column, once with one that is empty in every row. */
static void
a_table_without_labels_makes_a_model_of_density_alone(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		struct sample s = {0};
		const struct chunk_source source = chunks_source(&s.chunks);
		struct params p = quick();
		struct training_term term[TRAINING_MAX_TERMS];
		struct train_progress progress;
		struct training *t = NULL;
		struct bundle *b = NULL;
		struct buf bytes = {0};
		struct err e = {0};
		cJSON *r;

		buf_puts(&s.csv, named ? "x,y,kind\n" : "x,y\n");
		for (size_t i = 0; i < N_ROWS; i++)
			buf_printf(&s.csv, "%zu,%zu%s\n", i * 7 % 11, i * 5 % 13, named ? "," : "");
		sample_read(&s, named ? "kind" : NULL);
		assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), OK);
		finish(t, &b, &bytes);
		training_progress(t, &progress);
		for (size_t i = training_terms(&progress, term); i--;)
			assert_true(strcmp(term[i].name, "cross_entropy") && strcmp(term[i].name, "train_accuracy"));
		assert_null(training_take_baseline(t));
		assert_int_equal(b->n_classes, 0);
		assert_int_equal(model_n_classes(b->model), 1);
		assert_non_null(r = cJSON_Parse(b->report));
		assert_int_equal(at(at(r, "data"), "unlabelled")->valueint, N_ROWS);
		assert_int_equal(at(at(r, "data"), "held_out")->valueint, 6);
		assert_int_equal(cJSON_GetArraySize(at(at(r, "data"), "classes")), 0);
		assert_int_equal(cJSON_IsNull(at(at(r, "data"), "label_column")), !named);
		assert_int_equal(named, b->label_column && strcmp(b->label_column, "kind") == 0);
		assert_int_equal(cJSON_GetArraySize(at(r, "encoding")), 2);
		assert_true(cJSON_IsNull(at(at(r, "measures"), "how")));
		assert_non_null(strstr(at(at(r, "measures"), "reason")->valuestring, "no labels"));
		assert_true(cJSON_IsNull(at(r, "baseline")));
		assert_true(cJSON_IsNumber(at(at(r, "thresholds"), "threshold")));
		assert_true(cJSON_IsNull(at(at(r, "thresholds"), "max_probability")));
		assert_non_null(warning(r, "no_labels"));
		cJSON_Delete(r);
		bundle_free(b);
		training_free(t);
		buf_release(&bytes);
		sample_release(&s);
	}
}

static void
a_constant_column_is_warned_of(void **state)
{
	struct sample s = {0};
	struct params p = quick();
	struct buf bytes = {0};
	cJSON *r = NULL;

	(void)state;
	buf_puts(&s.csv, "x,same,id,label\n");
	for (size_t i = 0; i < N_ROWS; i++)
		buf_printf(&s.csv, "%zu,7,row%zu,%s\n", i % 10 + (i % 2) * 20, i, i > 10 ? "" : i % 2 ? "a" : "b");
	sample_read(&s, "label");
	p.max_categories = 10;
	train(&s, &p, 1, &bytes, &r);
	assert_string_equal(at(warning(r, "constant_column"), "column")->valuestring, "same");
	assert_string_equal(at(warning(r, "many_categories"), "column")->valuestring, "id");
	cJSON_Delete(r);
	buf_release(&bytes);
	sample_release(&s);
}

static void
the_number_of_threads_does_not_enter_the_bytes(void **state)
{
	struct sample s = {0};
	struct params p = quick();
	struct buf one = {0}, two = {0}, other = {0};

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	train(&s, &p, 1, &one, NULL);
	train(&s, &p, 2, &two, NULL);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	p.seed++;
	train(&s, &p, 1, &other, NULL);
	assert_true(one.len != other.len || memcmp(one.data, other.data, one.len) != 0);
	buf_release(&one);
	buf_release(&two);
	buf_release(&other);
	sample_release(&s);
}

static void
a_run_restored_from_a_checkpoint_ends_in_the_same_bytes(void **state)
{
	struct sample s = {0};
	const struct chunk_source source = chunks_source(&s.chunks);
	struct params p = quick();
	struct buf straight = {0}, resumed = {0}, saved = {0};
	struct training *t = NULL;
	struct bundle *b = NULL;
	struct err e = {0};

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	train(&s, &p, 1, &straight, NULL);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), OK);
	for (int i = 0; i < 17; i++) /* into the second fit */
		assert_int_equal(trainer_step(training_trainer(t), &e), OK);
	assert_int_equal(trainer_save(training_trainer(t), &saved, &e), OK);
	training_free(t);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 2, &t, &e), OK);
	assert_int_equal(trainer_restore(training_trainer(t), saved.data, saved.len, &e), OK);
	finish(t, &b, &resumed);
	assert_int_equal(straight.len, resumed.len);
	assert_memory_equal(straight.data, resumed.data, straight.len);
	bundle_free(b);
	training_free(t);
	buf_release(&straight);
	buf_release(&resumed);
	buf_release(&saved);
	sample_release(&s);
}

/* The rows of a packed table, `size` at a time. */
struct slices {
	struct chunks *whole;
	size_t size;
	size_t n_reads;
	enum status failure; /* of every read, when not OK */
};

static enum status
read_slice(void *ctx, size_t i, struct table *t, struct err *e)
{
	struct slices *s = ctx;
	const struct chunk_source source = chunks_source(s->whole);
	struct table all = {0};
	const char *names[8];
	enum column_type types[8];
	size_t n;

	s->n_reads++;
	if (s->failure)
		return err_set(e, s->failure, "from_the_source", "as asked for");
	for (size_t c = 0; c < t->n_columns; c++) {
		names[c] = t->column[c].name;
		types[c] = t->column[c].type;
	}
	assert_int_equal(table_init(&all, names, types, t->n_columns, e), OK);
	assert_int_equal(source.read(source.ctx, 0, &all, e), OK);
	n = all.n_rows;
	for (size_t row = i * s->size; row < n && row < (i + 1) * s->size; row++) {
		assert_int_equal(table_add_row(t, e), OK);
		for (size_t c = 0; c < t->n_columns; c++) {
			const struct column *from = &all.column[c];

			if (from->type == COLUMN_NUMBER && !isnan(from->number[row]))
				table_set_number(t, c, t->n_rows - 1, from->number[row]);
			else if (from->type == COLUMN_TEXT && from->code[row] != TABLE_MISSING)
				assert_int_equal(
					table_set_text(t, c, t->n_rows - 1, from->dictionary.text[from->code[row]],
						from->dictionary.len[from->code[row]], e),
					OK);
		}
	}
	table_release(&all);
	return i * s->size < n ? OK : err_set(e, ERR_NOT_FOUND, "no_such_chunk", "past the last");
}

static void
how_a_table_is_cut_into_chunks_changes_nothing(void **state)
{
	struct sample s = {0};
	struct slices slices = {.whole = &s.chunks, .size = 7};
	const struct chunk_source source = {.read = read_slice, .ctx = &slices};
	struct params p = quick();
	struct buf whole = {0}, cut = {0};
	struct training *t = NULL;
	struct bundle *b = NULL;
	struct err e = {0};

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	train(&s, &p, 1, &whole, NULL);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), OK);
	finish(t, &b, &cut);
	assert_int_equal(whole.len, cut.len);
	assert_memory_equal(whole.data, cut.data, whole.len);
	bundle_free(b);
	training_free(t);
	buf_release(&whole);
	buf_release(&cut);
	sample_release(&s);
}

static void
a_single_chunk_is_read_once(void **state)
{
	struct sample s = {0};
	struct slices slices = {.whole = &s.chunks, .size = N_ROWS};
	const struct chunk_source source = {.read = read_slice, .ctx = &slices};
	struct params p = quick();
	struct training *t = NULL;
	struct err e = {0};

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), OK);
	assert_int_equal(slices.n_reads, 1);
	training_free(t);
	sample_release(&s);
}

static void
failures_of_the_source_come_through_and_missing_chunks_are_damage(void **state)
{
	struct sample s = {0}, shorter = {0};
	struct slices slices = {.whole = &s.chunks, .size = 7, .failure = ERR_BUSY};
	const struct chunk_source source = {.read = read_slice, .ctx = &slices};
	struct params p = quick();
	struct training *t = NULL;
	struct err e = {0};

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), ERR_BUSY);
	assert_string_equal(e.code, "from_the_source");

	buf_puts(&shorter.csv, "x,y,colour,fruit\n1,2,red,fig\n2,3,red,pear\n2,4,green,Apple\n5,6,red,\n");
	sample_read(&shorter, "fruit");
	slices = (struct slices){.whole = &shorter.chunks, .size = 7};
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), ERR_CORRUPT);
	assert_string_equal(e.code, "damaged_dataset");
	sample_release(&s);
	sample_release(&shorter);
}

static void
a_stored_label_that_the_summary_lacks_is_damage(void **state)
{
	struct sample s = {0}, other = {0};
	struct slices slices = {.whole = &other.chunks, .size = N_ROWS};
	const struct chunk_source source = {.read = read_slice, .ctx = &slices};
	struct params p = quick();
	struct training *t = NULL;
	struct err e = {0};
	char *fig;

	(void)state;
	clouds(&s, 4, SIZE_MAX);
	buf_put(&other.csv, s.csv.data, s.csv.len);
	buf_put_u8(&other.csv, 0);
	fig = strstr((char *)other.csv.data, "fig");
	memcpy(fig, "fog", 3);
	other.csv.len--;
	sample_read(&other, "fruit");
	assert_int_equal(training_new(ingest_summary(s.ingest), &source, &p, NULL, 1, &t, &e), ERR_CORRUPT);
	assert_string_equal(e.code, "damaged_dataset");
	sample_release(&s);
	sample_release(&other);
}

static void
rows_held_out_do_not_shape_the_encoding(void **state)
{
	unsigned char held_out[N_ROWS] = {0};
	int32_t label[N_ROWS];
	struct sample s = {0};
	struct params p = quick();
	struct buf bytes = {0};
	struct err e = {0};
	size_t n_held_out, odd = SIZE_MAX;
	cJSON *r = NULL;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) /* as clouds numbers them: Apple, fig, pear */
		label[i] = i / 3 < 4 ? (int32_t[]){2, 0, 1}[i % 3] : -1;
	assert_int_equal(split_holdout(label, N_ROWS, 3, p.holdout_fraction, p.seed, held_out, &n_held_out, &e), OK);
	for (size_t i = 0; i < N_ROWS; i++)
		if (held_out[i])
			odd = i;
	assert_true(odd != SIZE_MAX);
	clouds(&s, 4, odd);
	train(&s, &p, 1, &bytes, &r);
	assert_string_equal(at(cJSON_GetArrayItem(at(r, "encoding"), 0), "name")->valuestring, "x");
	assert_true(at(cJSON_GetArrayItem(at(r, "encoding"), 0), "max")->valuedouble < 100);
	cJSON_Delete(r);
	buf_release(&bytes);
	sample_release(&s);
}

static void
the_time_left_counts_each_kind_of_fit_at_its_own_rate(void **state)
{
	struct params p = quick();
	struct train_progress run = {.steps = 300, .folds = 1}; /* baseline 50, vera 100, baseline 50, vera 100 */
	struct pace pace;

	(void)state;
	p.steps = 100;
	pace_start(&pace, &p, &run, 50);
	assert_true(isnan(pace_seconds_left(&pace, 300)));
	pace_update(&pace, 40, 51);
	assert_true(fabs(pace_rate(&pace) - 40) < 1e-9);
	assert_true(isnan(pace_seconds_left(&pace, 300))); /* nobody knows yet what VERA costs */
	pace_update(&pace, 60, 52);                        /* across a border: of neither fit */
	pace_update(&pace, 61, 52.01);                     /* too soon to say anything */
	pace_update(&pace, 70, 53);
	assert_true(fabs(pace_rate(&pace) - 10) < 1e-9);
	/* 80 and 100 steps at 10 a second, 50 at 40 a second */
	assert_true(fabs(pace_seconds_left(&pace, 300) - (8 + 10 + 1.25)) < 1e-9);
	pace_update(&pace, 60, 54); /* back to an earlier state */
	assert_true(fabs(pace_seconds_left(&pace, 300) - (9 + 10 + 1.25)) < 1e-9);
	pace_update(&pace, 300, 99);
	assert_true(pace_seconds_left(&pace, 300) == 0);

	run = (struct train_progress){.step = 40, .steps = 200, .folds = 1}; /* resumed, and without a baseline */
	pace_start(&pace, &p, &run, 0);
	pace_update(&pace, 60, 1);
	assert_true(fabs(pace_seconds_left(&pace, 200) - 7) < 1e-9);
}

static int
set_up(void **state)
{
	struct err e = {0};

	(void)state;
	return kernel_init(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_features_are_learned_from),
		cmocka_unit_test(a_table_that_cannot_train_is_refused_with_its_reason),
		cmocka_unit_test(classes_are_numbered_in_byte_order),
		cmocka_unit_test(the_report_says_what_was_done_and_how_well),
		cmocka_unit_test(a_stated_prior_and_class_weights_are_in_the_report),
		cmocka_unit_test(what_cannot_be_measured_is_null_with_a_reason),
		cmocka_unit_test(a_table_without_labels_makes_a_model_of_density_alone),
		cmocka_unit_test(a_constant_column_is_warned_of),
		cmocka_unit_test(the_number_of_threads_does_not_enter_the_bytes),
		cmocka_unit_test(a_run_restored_from_a_checkpoint_ends_in_the_same_bytes),
		cmocka_unit_test(how_a_table_is_cut_into_chunks_changes_nothing),
		cmocka_unit_test(a_single_chunk_is_read_once),
		cmocka_unit_test(failures_of_the_source_come_through_and_missing_chunks_are_damage),
		cmocka_unit_test(a_stored_label_that_the_summary_lacks_is_damage),
		cmocka_unit_test(rows_held_out_do_not_shape_the_encoding),
		cmocka_unit_test(the_time_left_counts_each_kind_of_fit_at_its_own_rate),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
