/* encode and scale: what is fitted, what comes out of odd columns, independence of chunks, bytes that lie. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "schema/encode.h"
#include "schema/scale.h"

static const struct encoder_options minmax = {SCALING_MINMAX, 50, 1};

static struct err err;

/* A table whose column i is named names[i] and of text if the name begins with 't'; a cell "" is missing. */
static void
make_table(struct table *t, const char *const *names, size_t n_columns)
{
	enum column_type types[16];

	for (size_t i = 0; i < n_columns; i++)
		types[i] = names[i][0] == 't' ? COLUMN_TEXT : COLUMN_NUMBER;
	assert_int_equal(table_init(t, names, types, n_columns, &err), OK);
}

static void
add_row(struct table *t, const char *const *cell)
{
	size_t row = t->n_rows;

	assert_int_equal(table_add_row(t, &err), OK);
	for (size_t i = 0; i < t->n_columns; i++) {
		double v;

		if (!*cell[i])
			continue;
		if (t->column[i].type == COLUMN_TEXT) {
			assert_int_equal(table_set_text(t, i, row, cell[i], strlen(cell[i]), &err), OK);
		} else {
			assert_true(number_parse(cell[i], strlen(cell[i]), &v));
			table_set_number(t, i, row, v);
		}
	}
}

static void
make_column(struct table *t, const char *name, const char *const *cell, size_t n)
{
	make_table(t, &name, 1);
	for (size_t i = 0; i < n; i++)
		add_row(t, &cell[i]);
}

static struct encoder *
start(const struct encoder_options *o, const struct table *t, const char *skip)
{
	const char *names[16];
	enum column_type types[16];
	struct encoder *c = NULL;

	for (size_t i = 0; i < t->n_columns; i++) {
		names[i] = t->column[i].name;
		types[i] = t->column[i].type;
	}
	assert_int_equal(encoder_new(o, names, types, t->n_columns, skip, &c, &err), OK);
	return c;
}

static struct encoder *
fit(const struct encoder_options *o, const struct table *t)
{
	struct encoder *c = start(o, t, NULL);

	assert_int_equal(encoder_observe(c, t, NULL, &err), OK);
	assert_int_equal(encoder_finish(c, &err), OK);
	return c;
}

/* The encoded table as [n][d], to be freed. */
static real *
apply(const struct encoder *c, const struct table *t, struct encode_warnings *w)
{
	static const size_t map[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct rows rows;
	real *x;

	assert_int_equal(encoder_rows_init(c, &rows, t->n_rows, &err), OK);
	encoder_apply(c, t, map, &rows, 0, w);
	x = calloc(t->n_rows * rows.d + 1, sizeof *x);
	assert_non_null(x);
	rows_expand(&rows, NULL, 0, t->n_rows, x);
	for (size_t i = 0; i < t->n_rows * rows.d; i++)
		assert_true(x[i] >= -10 && x[i] <= 10);
	rows_release(&rows);
	return x;
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void
minmax_takes_the_range_to_minus_one_and_one(void **state)
{
	static const char *const cell[] = {"0", "10", "5", "2.5"};
	struct table t;
	struct encoder *c;
	real *x;

	(void)state;
	make_column(&t, "n", cell, COUNT(cell));
	c = fit(&minmax, &t);
	assert_int_equal(encoder_n_features(c), 1);
	x = apply(c, &t, NULL);
	assert_float_equal(x[0], -1, 1e-7);
	assert_float_equal(x[1], 1, 1e-7);
	assert_float_equal(x[2], 0, 1e-7);
	assert_float_equal(x[3], -0.5, 1e-7);
	free(x);
	encoder_free(c);
	table_release(&t);
}

static void
standard_does_not_blow_up_a_near_constant_column(void **state)
{
	const struct encoder_options o = {SCALING_STANDARD, 50, 1};
	struct table t;
	struct encoder *c;
	const char *name = "n";
	real *x;

	(void)state;
	make_table(&t, &name, 1);
	for (int i = 0; i < 20000; i++)
		add_row(&t, &(const char *){i == 77 ? "1" : "0"});
	c = fit(&o, &t);
	x = apply(c, &t, NULL);
	/* the deviation is 0.00707; a hundredth of the range is 0.01 */
	assert_float_equal(x[77] - x[0], 10, 0.01);
	free(x);
	encoder_free(c);
	table_release(&t);
}

static void
standard_has_mean_zero_and_deviation_one(void **state)
{
	static const char *const cell[] = {"2", "4", "4", "4", "5", "5", "7", "9"}; /* mean 5, deviation 2 */
	const struct encoder_options o = {SCALING_STANDARD, 50, 1};
	struct table t;
	struct encoder *c;
	real *x;

	(void)state;
	make_column(&t, "n", cell, COUNT(cell));
	c = fit(&o, &t);
	x = apply(c, &t, NULL);
	assert_float_equal(x[0], -1.5, 1e-6);
	assert_float_equal(x[7], 2, 1e-6);
	free(x);
	encoder_free(c);
	table_release(&t);
}

static void
the_normal_quantile_inverts_the_distribution(void **state)
{
	(void)state;
	for (double p = 1e-9; p < 1; p += p < 0.01 ? p : 0.0099)
		assert_true(fabs(0.5 * erfc(-normal_quantile(p) / sqrt(2)) - p) < 2e-9);
	assert_true(fabs(normal_quantile(0.975) - 1.959963984540054) < 1e-8);
	assert_true(fabs(normal_quantile(1e-9) + 5.997807015008182) < 1e-7);
}

static void
quantiles_are_normal_scores_whatever_the_shape(void **state)
{
	const struct encoder_options o = {SCALING_QUANTILE, 50, 1};
	struct table t;
	struct encoder *c;
	const char *name = "n";
	double sum = 0, square = 0, cubic = 0;
	real *x;

	(void)state;
	make_table(&t, &name, 1);
	for (size_t i = 0; i < 5000; i++) {
		assert_int_equal(table_add_row(&t, &err), OK);
		table_set_number(&t, 0, i, exp(10 * sin((double)i))); /* nine orders of magnitude */
	}
	c = fit(&o, &t);
	x = apply(c, &t, NULL);
	for (size_t i = 0; i < 5000; i++) {
		sum += (double)x[i] / 5000;
		square += (double)(x[i] * x[i]) / 5000;
		cubic += pow((double)x[i], 3) / 5000;
	}
	assert_float_equal(sum, 0, 0.02);
	assert_float_equal(square, 1, 0.03);
	assert_float_equal(cubic, 0, 0.1);
	free(x);
	encoder_free(c);
	table_release(&t);
}

static void
quantile_scores_rise_and_go_on_beyond_the_range(void **state)
{
	const struct encoder_options o = {SCALING_QUANTILE, 50, 1};
	static const double probe[] = {-1e308, -1e6, -300, -60, -1, 0, 0.5, 30.7, 99, 99.5, 101, 150, 400, 1e6, 1e308};
	struct table t;
	struct encoder *c;
	const char *name = "n";
	struct encode_warnings w;
	real *x;

	(void)state;
	make_table(&t, &name, 1);
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(table_add_row(&t, &err), OK);
		table_set_number(&t, 0, i, i % 2 ? 0 : (double)(i % 100)); /* half of them zero: one knot */
	}
	c = fit(&o, &t);
	table_clear(&t);
	for (size_t i = 0; i < COUNT(probe); i++) {
		assert_int_equal(table_add_row(&t, &err), OK);
		table_set_number(&t, 0, i, probe[i]);
	}
	assert_int_equal(encode_warnings_init(&w, c, &err), OK);
	x = apply(c, &t, &w);
	for (size_t i = 1; i < COUNT(probe); i++)
		assert_true(x[i] > x[i - 1] || fabs((double)x[i]) == 10);
	assert_true(x[9] < 4 && x[10] < 5 && x[10] > x[8]); /* a little beyond the range is a little more */
	assert_float_equal(x[0], -10, 0);
	assert_float_equal(x[COUNT(probe) - 1], 10, 0);
	assert_true(w.clipped[0] >= 4 && w.clipped[0] <= 8);
	free(x);
	encode_warnings_release(&w);
	encoder_free(c);
	table_release(&t);
}

/* The knots on both sides of each number, found one by one. */
static void
quantiles_go_straight_from_knot_to_knot_however_many(void **state)
{
	static const size_t sizes[] = {2, 3, 15, 16, 17, 31, 32, 33, 255, 256, 257, 900};

	(void)state;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		struct sample sample;
		struct scale s;

		sample_init(&sample, 1000, 1);
		for (size_t i = 0; i < sizes[k]; i++)
			assert_int_equal(sample_add(&sample, exp((double)(i * 7 % sizes[k]) / 50), &err), OK);
		assert_int_equal(scale_fit(&s, SCALING_QUANTILE, &sample, &err), OK);
		assert_true(s.n_knots > 1 && s.n_knots <= SCALE_MAX_KNOTS);
		for (size_t i = 0; i + 1 < s.n_knots; i++)
			for (double part = 0; part < 1; part += 0.25) {
				double width = s.knot[i + 1] - s.knot[i], v = s.knot[i] + part * width;
				double want = s.score[i] + (s.score[i + 1] - s.score[i]) * (v - s.knot[i]) / width;

				assert_true(fabs((double)scale_apply(&s, v, NULL) - want) < 1e-5);
			}
		scale_release(&s);
		sample_release(&sample);
	}
}

static void
slopes_are_those_that_numbers_are_scaled_with(void **state)
{
	static const enum scaling kinds[] = {SCALING_MINMAX, SCALING_STANDARD, SCALING_QUANTILE};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct sample sample;
		struct scale s;

		sample_init(&sample, 1000, 1);
		for (size_t i = 0; i < 300; i++)
			assert_int_equal(
				sample_add(&sample, exp((double)(i * 7 % 101) / 20 + (double)i / 1e4), &err), OK);
		assert_int_equal(scale_fit(&s, kinds[k], &sample, &err), OK);
		for (double v = -20.123; v < 200; v += 7.7) {
			const double step = 1e-2;
			double low = (double)scale_apply(&s, v - step, NULL),
			       high = (double)scale_apply(&s, v + step, NULL);
			double slope = exp(scale_log_slope(&s, (double)scale_apply(&s, v, NULL)));

			if (fabs(high) < SCALE_CLIP && fabs(low) < SCALE_CLIP)
				assert_true(fabs((high - low) / (2 * step) - slope) < 0.03 * slope + 1e-4);
		}
		scale_release(&s);
		sample_release(&sample);
	}
}

/* Whatever the scale, where a number lies in its range is what minmax has for it; all other features stay. */
static void
positions_undo_the_scale(void **state)
{
	const char *const names[] = {"a", "t", "same", "b"};
	struct table t;
	struct encoder *straight;
	real *want;
	size_t d;

	(void)state;
	make_table(&t, names, COUNT(names));
	for (int i = 0; i < 3000; i++) { /* heavy tails, and more different values than knots; few, and some missing */
		char a[32], b[32];

		snprintf(a, sizeof a, "%.17g", pow((i * 37 % 3000 - 1500) / 100.0, 5));
		snprintf(b, sizeof b, "%d", i % 7);
		add_row(&t, (const char *[]){a, i % 3 ? "x" : "y", "4", i % 11 ? b : ""});
	}
	straight = fit(&minmax, &t);
	d = encoder_n_features(straight);
	want = apply(straight, &t, NULL);
	for (enum scaling kind = 0; kind < N_SCALINGS; kind++) {
		const struct encoder_options o = {kind, 50, 1};
		struct encoder *c = fit(&o, &t);
		real *x = apply(c, &t, NULL);

		assert_int_equal(encoder_n_features(c), d);
		encoder_positions(c, x, t.n_rows);
		for (size_t i = 0; i < t.n_rows * d; i++)
			if (fabs((double)(x[i] - want[i])) > (kind == SCALING_STANDARD ? 2e-6 : 2e-5))
				fail_msg("%s, row %zu, feature %zu: %g, not %g",
					kind == SCALING_QUANTILE ? "quantile" : "?", i / d, i % d, (double)x[i],
					(double)want[i]);
		free(x);
		encoder_free(c);
	}
	free(want);
	encoder_free(straight);
	table_release(&t);
}

static void
no_numbers_however_absurd_make_anything_but_finite_features(void **state)
{
	static const double v[] = {0, DBL_MAX, -DBL_MAX, 1e300, -1e300, DBL_MIN, DBL_TRUE_MIN, -DBL_TRUE_MIN, 1, -1,
		DBL_MAX / 2, 3e-308, 1e15, 1e15 + 0.125};
	size_t n = COUNT(v);

	(void)state;
	/* fit on every pair and triple, probe with all: ranges that overflow, ranges below the smallest normal number
	 */
	for (size_t set = 0; set < n * n * n * N_SCALINGS; set++) {
		struct encoder_options o = {(enum scaling)(set % N_SCALINGS), 50, 1};
		double fitted[] = {v[set / N_SCALINGS % n], v[set / N_SCALINGS / n % n], v[set / N_SCALINGS / n / n]};
		const char *name = "n";
		struct table t;
		struct encoder *c;
		enum status s;

		make_table(&t, &name, 1);
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(table_add_row(&t, &err), OK);
			table_set_number(&t, 0, i, fitted[i]);
		}
		c = start(&o, &t, NULL);
		assert_int_equal(encoder_observe(c, &t, NULL, &err), OK);
		s = encoder_finish(c, &err);
		if (s) {
			assert_int_equal(s, ERR_DATA); /* constant, or all but */
			assert_string_equal(err.code, "no_features");
		} else {
			table_clear(&t);
			for (size_t i = 0; i < n; i++) {
				assert_int_equal(table_add_row(&t, &err), OK);
				table_set_number(&t, 0, i, v[i]);
			}
			free(apply(c, &t, NULL)); /* checks the bounds */
		}
		encoder_free(c);
		table_release(&t);
	}
}

static void
describe_ignored(const struct encoder *c, size_t column, const char *reason)
{
	cJSON *list = encoder_describe(c);
	cJSON *ignored = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, (int)column), "ignored");

	assert_non_null(list);
	if (reason)
		assert_string_equal(cJSON_GetStringValue(ignored), reason);
	else
		assert_null(ignored);
	cJSON_Delete(list);
}

static void
columns_without_variation_have_no_features(void **state)
{
	static const char *const names[] = {
		"n_const", "n_empty", "n_const_missing", "t_const", "t_empty", "t_const_missing", "n", "label"};
	static const char *const row[][8] = {{"3", "", "7", "a", "", "x", "1", "1"},
		{"3", "", "", "a", "", "", "2", "2"}, {"3", "", "7", "a", "", "x", "3", "3"}};
	struct table t;
	struct encoder *c;
	struct encode_warnings w;
	real *x;

	(void)state;
	make_table(&t, names, 8);
	for (size_t i = 0; i < 3; i++)
		add_row(&t, row[i]);
	c = start(&minmax, &t, "label");
	assert_int_equal(encoder_observe(c, &t, NULL, &err), OK);
	assert_int_equal(encoder_finish(c, &err), OK);
	assert_int_equal(encoder_n_columns(c), 7);
	/* dense: the indicator of n_const_missing, n; one-hot: x, missing, rest */
	assert_int_equal(encoder_n_features(c), 1 + 1 + 3);
	describe_ignored(c, 0, "constant");
	describe_ignored(c, 1, "empty");
	describe_ignored(c, 2, NULL);
	describe_ignored(c, 3, "constant");
	describe_ignored(c, 4, "empty");
	assert_true(encoder_column_wanted(c, 0));
	assert_false(encoder_column_wanted(c, 1));
	assert_int_equal(encode_warnings_init(&w, c, &err), OK);
	x = apply(c, &t, &w);
	{
		const real expected[] = {0, -1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0};

		for (size_t i = 0; i < COUNT(expected); i++)
			assert_float_equal(x[i], expected[i], 1e-6);
	}
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(w.missing_cell[i] + w.unseen_category[i] + w.clipped[i], 0);
	encode_warnings_release(&w);
	free(x);
	encoder_free(c);
	table_release(&t);
}

static void
a_missing_number_takes_the_median_and_sets_its_indicator(void **state)
{
	static const char *const cell[] = {"0", "", "10", "2", "2", "3"};
	struct table t;
	struct encoder *c;
	real *x;

	(void)state;
	make_column(&t, "n", cell, COUNT(cell));
	c = fit(&minmax, &t);
	assert_int_equal(encoder_n_features(c), 2);
	x = apply(c, &t, NULL);
	assert_float_equal(x[2], -0.6, 1e-6); /* median 2 of 0..10 */
	assert_float_equal(x[3], 1, 0);
	assert_float_equal(x[1], 0, 0);
	free(x);
	encoder_free(c);
	table_release(&t);
}

static void
the_most_frequent_texts_get_features_ties_in_byte_order(void **state)
{
	static const char *const cell[] = {"z", "b", "a", "c", "c", "c", "b", "a", "é"};
	const struct encoder_options o = {SCALING_MINMAX, 2, 1};
	struct table t;
	struct encoder *c;
	struct encode_warnings w;
	cJSON *list;
	char *text;
	real *x;

	(void)state;
	make_column(&t, "t", cell, COUNT(cell));
	c = fit(&o, &t);
	assert_int_equal(encoder_n_features(c), 3); /* c, a, rest */
	list = encoder_describe(c);
	text = cJSON_PrintUnformatted(list);
	assert_non_null(strstr(text, "\"categories\":[\"c\",\"a\"],\"other_texts\":3"));
	free(text);
	cJSON_Delete(list);

	table_clear(&t);
	add_row(&t, &(const char *){"c"});
	add_row(&t, &(const char *){"b"});     /* seen, in the rest */
	add_row(&t, &(const char *){"never"}); /* unseen */
	add_row(&t, &(const char *){""});      /* not seen missing */
	assert_int_equal(encode_warnings_init(&w, c, &err), OK);
	x = apply(c, &t, &w);
	assert_float_equal(x[0], 1, 0);
	for (size_t i = 1; i < 4; i++) {
		assert_float_equal(x[3 * i], 0, 0);
		assert_float_equal(x[3 * i + 2], 1, 0);
	}
	assert_int_equal(w.unseen_category[0], 1);
	assert_int_equal(w.missing_cell[0], 1);
	encode_warnings_clear(&w, c);
	assert_int_equal(w.unseen_category[0], 0);
	encode_warnings_release(&w);
	free(x);
	encoder_free(c);
	table_release(&t);
}

static void
fill_texts(struct table *t, size_t n, size_t n_distinct, size_t pad)
{
	static const char *const names[] = {"t", "n"};
	char *text = calloc(1, pad + 32);

	assert_non_null(text);
	make_table(t, names, 2);
	for (size_t i = 0; i < n; i++) {
		int len = snprintf(text, 32, "id-%zu", i % n_distinct);

		memset(text + len, '.', pad);
		text[(size_t)len + pad] = '\0';
		assert_int_equal(table_add_row(t, &err), OK);
		assert_int_equal(table_set_text(t, 0, i, text, strlen(text), &err), OK);
		table_set_number(t, 1, i, (double)(n - i));
	}
	free(text);
}

static void
texts_that_hardly_repeat_are_left_out(void **state)
{
	static const struct {
		size_t n, n_distinct, pad;
		const char *ignored;
	} cases[] = {
		{200, 200, 0, "identifier_or_free_text"}, {200, 101, 0, "identifier_or_free_text"},
		{200, 100, 0, NULL},                           /* half of them repeat */
		{99, 99, 0, NULL},                             /* too few rows to say */
		{60000, 19999, 0, NULL},                       /* many, but they repeat */
		{60000, 20001, 0, "identifier_or_free_text"},  /* more than are counted */
		{9000, 3000, 2000, "identifier_or_free_text"}, /* 6 MB of distinct texts */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct table t;
		struct encoder *c;

		fill_texts(&t, cases[i].n, cases[i].n_distinct, cases[i].pad);
		c = fit(&minmax, &t);
		describe_ignored(c, 0, cases[i].ignored);
		assert_int_equal(encoder_column_wanted(c, 0), !cases[i].ignored);
		assert_int_equal(encoder_n_features(c), cases[i].ignored ? 1 : 1 + 51);
		free(apply(c, &t, NULL));
		encoder_free(c);
		table_release(&t);
	}
}

static void
a_table_in_which_nothing_varies_is_refused(void **state)
{
	static const char *const cell[] = {"3", "3"};
	struct table t;
	struct encoder *c;
	static const unsigned char none[2];

	(void)state;
	make_column(&t, "n", cell, COUNT(cell));
	for (int i = 0; i < 2; i++) {
		c = start(&minmax, &t, NULL);
		assert_int_equal(encoder_observe(c, &t, i ? none : NULL, &err), OK);
		assert_int_equal(encoder_finish(c, &err), ERR_DATA);
		assert_string_equal(err.code, "no_features");
		encoder_free(c);
	}
	table_release(&t);
}

/* Pseudo-random rows first..first + n - 1 of an endless table of two number and two text columns. */
static void
make_mixed(struct table *t, size_t first, size_t n)
{
	static const char *const names[] = {"n1", "n2", "t1", "t2"};

	make_table(t, names, 4);
	for (size_t i = 0; i < n; i++) {
		uint64_t h = (first + i + 1) * 0x9e3779b97f4a7c15u;
		char text[32];

		h ^= h >> 29;
		assert_int_equal(table_add_row(t, &err), OK);
		table_set_number(t, 0, i, (double)(h % 100003) / 7);
		if (h % 11)
			table_set_number(t, 1, i, exp((double)(h % 41)));
		snprintf(text, sizeof text, "c%d", (int)(h % 97 * (h % 89) % 83));
		assert_int_equal(table_set_text(t, 2, i, text, strlen(text), &err), OK);
		if (h % 13)
			assert_int_equal(table_set_text(t, 3, i, h % 3 ? "x" : "y", 1, &err), OK);
	}
}

static void
encoder_bytes(const struct encoder *c, struct buf *out)
{
	encoder_write(c, out);
	assert_int_equal(buf_status(out, &err), OK);
}

static void
the_same_rows_fit_the_same_however_they_are_cut(void **state)
{
	static const size_t sizes[] = {300, 150000}; /* below and above the size of the sample */

	(void)state;
	for (size_t k = 0; k < 2 * N_SCALINGS; k++) {
		struct encoder_options o = {(enum scaling)(k / 2), 20, 9};
		size_t n = sizes[k % 2];
		struct table whole;
		struct encoder *one, *seven;
		struct buf a = {0}, b = {0};

		make_mixed(&whole, 0, n);
		one = fit(&o, &whole);
		encoder_bytes(one, &a);
		seven = start(&o, &whole, NULL);
		for (size_t i = 0, at = 0; i < 7; i++) {
			size_t end = i == 6 ? n : n * (i + 1) * (i + 1) / 49;
			struct table part;

			make_mixed(&part, at, end - at);
			assert_int_equal(encoder_observe(seven, &part, NULL, &err), OK);
			table_release(&part);
			at = end;
		}
		assert_int_equal(encoder_finish(seven, &err), OK);
		encoder_bytes(seven, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		buf_release(&a);
		buf_release(&b);
		encoder_free(one);
		encoder_free(seven);
		table_release(&whole);
	}
}

static void
rows_not_taken_leave_no_trace(void **state)
{
	const size_t n = 100000;
	struct table all, held, taken;
	struct encoder *with, *without;
	struct buf a = {0}, b = {0};
	unsigned char *take = calloc(n, 1);

	(void)state;
	assert_non_null(take);
	make_mixed(&held, 1000000, 500);
	make_mixed(&taken, 0, n);
	for (size_t i = 0; i < 250; i++) {
		table_set_number(&held, 0, i, 1e9);
		assert_int_equal(table_set_text(&held, 2, i, "foreign", 7, &err), OK);
	}
	with = start(&minmax, &held, NULL);
	assert_int_equal(encoder_observe(with, &held, take, &err), OK);
	/* skip every third row of the table, against a table that never had them */
	for (size_t i = 0; i < n; i++)
		take[i] = i % 3 != 0;
	assert_int_equal(encoder_observe(with, &taken, take, &err), OK);
	assert_int_equal(encoder_finish(with, &err), OK);
	make_mixed(&all, 0, 1);
	without = start(&minmax, &all, NULL);
	for (size_t i = 0; i < n; i += 3) {
		struct table two;

		make_mixed(&two, i + 1, i + 2 < n ? 2 : n - i - 1);
		assert_int_equal(encoder_observe(without, &two, NULL, &err), OK);
		table_release(&two);
	}
	assert_int_equal(encoder_finish(without, &err), OK);
	encoder_bytes(with, &a);
	encoder_bytes(without, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	free(take);
	buf_release(&a);
	buf_release(&b);
	encoder_free(with);
	encoder_free(without);
	table_release(&all);
	table_release(&held);
	table_release(&taken);
}

static void
an_encoder_read_back_encodes_the_same(void **state)
{
	(void)state;
	for (int k = 0; k < N_SCALINGS; k++) {
		struct encoder_options o = {(enum scaling)k, 20, 9};
		struct table t;
		struct encoder *c, *again = NULL;
		struct buf a = {0}, b = {0};
		struct reader in;
		real *x, *y;

		make_mixed(&t, 0, 3000);
		c = fit(&o, &t);
		encoder_bytes(c, &a);
		in = reader_over(a.data, a.len);
		assert_int_equal(encoder_read(&in, &again, &err), OK);
		assert_int_equal(reader_left(&in), 0);
		encoder_bytes(again, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		table_release(&t);
		make_mixed(&t, 5000, 500);
		x = apply(c, &t, NULL);
		y = apply(again, &t, NULL);
		assert_memory_equal(x, y, 500 * encoder_n_features(c) * sizeof *x);
		free(x);
		free(y);
		buf_release(&a);
		buf_release(&b);
		encoder_free(c);
		encoder_free(again);
		table_release(&t);
	}
}

static void
try_bytes(const void *bytes, size_t n, const struct table *t)
{
	struct reader in = reader_over(bytes, n);
	struct encoder *c = NULL;
	enum status s = encoder_read(&in, &c, &err);

	if (s) {
		assert_int_equal(s, ERR_CORRUPT);
		return;
	}
	/* it loaded: then it must serve, if its columns are still of the same kinds */
	for (size_t i = 0; i < encoder_n_columns(c); i++) {
		if (encoder_n_columns(c) != t->n_columns || encoder_column_type(c, i) != t->column[i].type) {
			encoder_free(c);
			return;
		}
	}
	free(apply(c, t, NULL));
	cJSON_Delete(encoder_describe(c));
	encoder_free(c);
}

/* One category and the rest bucket: the column varies, though its categories do not. */
static void
an_encoder_of_a_single_category_can_be_read_back(void **state)
{
	static const char *const cell[] = {"a", "b", "a", "c"};
	const struct encoder_options o = {SCALING_MINMAX, 1, 1};
	struct table t;
	struct encoder *c, *again = NULL;
	struct buf a = {0};
	struct reader in;

	(void)state;
	make_column(&t, "t", cell, COUNT(cell));
	c = fit(&o, &t);
	encoder_bytes(c, &a);
	in = reader_over(a.data, a.len);
	assert_int_equal(encoder_read(&in, &again, &err), OK);
	assert_int_equal(encoder_n_features(again), 2);
	buf_release(&a);
	encoder_free(c);
	encoder_free(again);
	table_release(&t);
}

static void
damaged_bytes_are_refused_or_harmless(void **state)
{
	(void)state;
	for (int k = 0; k < N_SCALINGS; k++) {
		struct encoder_options o = {(enum scaling)k, 3, 9};
		struct table t;
		struct encoder *c;
		struct buf a = {0};

		make_mixed(&t, 0, 12);
		c = fit(&o, &t);
		encoder_bytes(c, &a);
		for (size_t n = 0; n < a.len; n++) {
			void *copy = malloc(n + !n); /* of its own, so that a read past the end is seen */
			struct encoder *none = NULL;
			struct reader in = reader_over(copy, n);

			memcpy(copy, a.data, n);
			assert_int_equal(encoder_read(&in, &none, &err), ERR_CORRUPT);
			free(copy);
		}
		for (size_t i = 0; i < a.len; i++) {
			for (int bit = 0; bit < 8; bit++) {
				a.data[i] ^= (unsigned char)(1 << bit);
				try_bytes(a.data, a.len, &t);
				a.data[i] ^= (unsigned char)(1 << bit);
			}
		}
		buf_release(&a);
		encoder_free(c);
		table_release(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minmax_takes_the_range_to_minus_one_and_one),
		cmocka_unit_test(standard_has_mean_zero_and_deviation_one),
		cmocka_unit_test(standard_does_not_blow_up_a_near_constant_column),
		cmocka_unit_test(the_normal_quantile_inverts_the_distribution),
		cmocka_unit_test(quantiles_are_normal_scores_whatever_the_shape),
		cmocka_unit_test(quantile_scores_rise_and_go_on_beyond_the_range),
		cmocka_unit_test(quantiles_go_straight_from_knot_to_knot_however_many),
		cmocka_unit_test(slopes_are_those_that_numbers_are_scaled_with),
		cmocka_unit_test(positions_undo_the_scale),
		cmocka_unit_test(no_numbers_however_absurd_make_anything_but_finite_features),
		cmocka_unit_test(columns_without_variation_have_no_features),
		cmocka_unit_test(a_missing_number_takes_the_median_and_sets_its_indicator),
		cmocka_unit_test(the_most_frequent_texts_get_features_ties_in_byte_order),
		cmocka_unit_test(texts_that_hardly_repeat_are_left_out),
		cmocka_unit_test(a_table_in_which_nothing_varies_is_refused),
		cmocka_unit_test(the_same_rows_fit_the_same_however_they_are_cut),
		cmocka_unit_test(rows_not_taken_leave_no_trace),
		cmocka_unit_test(an_encoder_read_back_encodes_the_same),
		cmocka_unit_test(an_encoder_of_a_single_category_can_be_read_back),
		cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
