/*
 * onnx_encode: see onnx_encode.h. The formulas are those of encode.c and scale.c, step by step and in the same order.
 *
 * Of what is made in the arguments of one call there is one value at the most: their order is the compiler's choice,
 * and values are numbered as they come.
 */
#include "schema/onnx_encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/boolean.h"
#include "schema/date.h"
#include "schema/scale.h"

/* ---- Looking up --------------------------------------------------------------------------------------------- */

/* Does the entry `ahead` of where each table begins, and `from` (0: none) further on, stand in the relation? */
static size_t
compare_entry(
	struct onnx_graph *g, const struct onnx_table *t, const char *relation, size_t value, size_t from, size_t ahead)
{
	int64_t *first = malloc(t->n_tables * sizeof *first);
	size_t at;

	if (!first) {
		g->node.failed = true;
		return 0;
	}
	for (size_t i = 0; i < t->n_tables; i++)
		first[i] = t->first[i] + (int64_t)ahead;
	at = onnx_ints(g, onnx_namef("%s.at_%zu", t->name, ahead).text, onnx_vector(t->n_tables), first);
	free(first);
	if (from)
		at = onnx_op(g, "Add", from, at, 0);
	return onnx_op(g, relation, onnx_gather(g, t->value, at, 0), value, 0);
}

/* The first step leaves as many entries as a power of two less one, whichever half they are in; halving them then never
 * leads out of the table. */
size_t
onnx_count(struct onnx_graph *g, const struct onnx_table *t, const char *relation, size_t value)
{
	size_t step = 1, count, hit, further, none;

	while (step <= t->n / 2)
		step *= 2;
	none = onnx_int(g, onnx_namef("%s.none", t->name).text, 0);
	further = onnx_int(g, onnx_namef("%s.skip", t->name).text, (int64_t)(t->n + 1 - step));
	hit = compare_entry(g, t, relation, value, 0, step - 1);
	count = onnx_op(g, "Where", hit, further, none);
	while ((step /= 2)) {
		hit = compare_entry(g, t, relation, value, count, step - 1);
		further = onnx_int(g, onnx_namef("%s.step_%zu", t->name, step).text, (int64_t)step);
		further = onnx_op(g, "Add", count, further, 0);
		count = onnx_op(g, "Where", hit, further, count);
	}
	return count;
}

/* ---- Numbers ------------------------------------------------------------------------------------------------ */

struct numbers {
	size_t n; /* columns of numbers that have features */
	size_t *input;
	struct encoder_features *features;
	bool *is_date;

	size_t n_scaled, n_linear;
	size_t filled; /* [N, n] the cells, those missing as their columns' medians */
	size_t absent; /* [N, n] where they are missing */
	double *v;     /* room for a number of each feature, */
	int64_t *at;   /* and for an index */
};

static bool
is_linear(const struct encoder_features *f)
{
	return f->scale && f->scale->kind != SCALING_QUANTILE;
}

static bool
is_quantile(const struct encoder_features *f)
{
	return f->scale && f->scale->kind == SCALING_QUANTILE;
}

static bool
is_missing(const struct encoder_features *f)
{
	return f->missing;
}

/* Of `from` [N, n] those columns that pass the test. */
static size_t
pick(struct onnx_graph *g, struct numbers *q, size_t from, bool (*test)(const struct encoder_features *),
	const char *name, size_t *n_picked)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++)
		if (test(&q->features[i]))
			q->at[n++] = (int64_t)i;
	*n_picked = n;
	return n ? onnx_gather(g, from, onnx_ints(g, name, onnx_vector(n), q->at), 1) : 0;
}

enum figure { CENTER, DIVISOR, FIRST_KNOT, FIRST_SCORE, RUN_BELOW, LAST_KNOT, LAST_SCORE, RUN_ABOVE };

static double
figure_of(const struct scale *s, enum figure which)
{
	switch (which) {
	case CENTER:
		return s->center;
	case DIVISOR:
		return s->divisor;
	case FIRST_KNOT:
		return s->knot[0];
	case FIRST_SCORE:
		return s->score[0];
	case RUN_BELOW:
		return s->run_below;
	case LAST_KNOT:
		return s->knot[s->n_knots - 1];
	case LAST_SCORE:
		return s->score[s->n_knots - 1];
	default:
		return s->run_above;
	}
}

/* One figure of all columns that pass the test, times a factor. */
static size_t
figures(struct onnx_graph *g, struct numbers *q, bool (*test)(const struct encoder_features *), enum figure which,
	double factor, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++)
		if (test(&q->features[i]))
			q->v[n++] = figure_of(q->features[i].scale, which) * factor;
	return onnx_doubles(g, name, onnx_vector(n), q->v);
}

static size_t
scale_linear(struct onnx_graph *g, struct numbers *q)
{
	size_t v = pick(g, q, q->filled, is_linear, "linear.columns", &q->n_linear);

	if (!v)
		return 0;
	v = onnx_op(g, "Sub", v, figures(g, q, is_linear, CENTER, 1, "linear.center"), 0);
	return onnx_op(g, "Div", v, figures(g, q, is_linear, DIVISOR, 1, "linear.divisor"), 0);
}

struct knots {
	size_t n_columns, stride; /* numbers of each column, the longest one's; infinity fills up the others */
	size_t knot, score;       /* all columns behind each other */
	int64_t *first;           /* [n_columns]; owned */
};

static enum status
put_knots(struct onnx_graph *g, struct numbers *q, struct knots *k, struct err *e)
{
	double *knot = NULL, *score = NULL;
	size_t n, at = 0;
	enum status s;

	k->stride = 3; /* at the least, so that there is an inner one to look for */
	for (size_t i = 0; i < q->n; i++)
		if (is_quantile(&q->features[i]) && q->features[i].scale->n_knots > k->stride)
			k->stride = q->features[i].scale->n_knots;
	if ((s = size_mul(k->n_columns, k->stride, &n, e)))
		return s;
	if (n > g->max_bytes / (2 * sizeof(double))) { /* before they are in memory */
		g->too_large = true;
		return OK;
	}
	k->first = malloc(k->n_columns * sizeof *k->first);
	knot = malloc(n * sizeof *knot);
	score = malloc(n * sizeof *score);
	if (!k->first || !knot || !score) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < q->n; i++) {
		const struct scale *scale = q->features[i].scale;

		if (!is_quantile(&q->features[i]))
			continue;
		k->first[at / k->stride] = (int64_t)at;
		for (size_t j = 0; j < k->stride; j++, at++) {
			knot[at] = j < scale->n_knots ? scale->knot[j] : INFINITY;
			score[at] = j < scale->n_knots ? scale->score[j] : 0;
		}
	}
	k->knot = onnx_doubles(g, "quantile.knots", onnx_vector(n), knot);
	k->score = onnx_doubles(g, "quantile.scores", onnx_vector(n), score);
out:
	free(knot);
	free(score);
	return s;
}

/* Between the knots: s_k + (s_k+1 - s_k) (v - t_k) / (t_k+1 - t_k), differences taken between halves. */
static size_t
between_knots(struct onnx_graph *g, struct knots *k, size_t v, size_t half, size_t half_v)
{
	const struct onnx_shape columns = {{k->n_columns}};
	struct onnx_table inner = {k->knot, "quantile.search", k->first, k->n_columns, k->stride - 2};
	size_t first = onnx_ints(g, "quantile.first", columns, k->first), at, next, low, high, from, rise, part;

	for (size_t i = 0; i < k->n_columns; i++)
		k->first[i]++;
	at = onnx_op(g, "Add", onnx_count(g, &inner, "LessOrEqual", v), first, 0);
	next = onnx_op(g, "Add", at, onnx_int(g, "one", 1), 0);
	low = onnx_op(g, "Mul", onnx_gather(g, k->knot, at, 0), half, 0);
	high = onnx_op(g, "Mul", onnx_gather(g, k->knot, next, 0), half, 0);
	part = onnx_op(g, "Sub", half_v, low, 0);
	part = onnx_op(g, "Div", part, onnx_op(g, "Sub", high, low, 0), 0);
	from = onnx_gather(g, k->score, at, 0);
	rise = onnx_op(g, "Sub", onnx_gather(g, k->score, next, 0), from, 0);
	return onnx_op(g, "Add", from, onnx_op(g, "Mul", rise, part, 0), 0);
}

/* s_0 - (t_0 - v) / run below the first knot, s_last + (v - t_last) / run above the last. */
static size_t
beyond_knots(struct onnx_graph *g, struct numbers *q, bool above, size_t half_v)
{
	size_t end = figures(g, q, is_quantile, above ? LAST_KNOT : FIRST_KNOT, 0.5,
		above ? "quantile.last_half" : "quantile.first_half");
	size_t run = figures(g, q, is_quantile, above ? RUN_ABOVE : RUN_BELOW, 1,
		above ? "quantile.run_above" : "quantile.run_below");
	size_t score = figures(g, q, is_quantile, above ? LAST_SCORE : FIRST_SCORE, 1,
		above ? "quantile.last_score" : "quantile.first_score");
	size_t distance = above ? onnx_op(g, "Sub", half_v, end, 0) : onnx_op(g, "Sub", end, half_v, 0);

	return onnx_op(g, above ? "Add" : "Sub", score, onnx_op(g, "Div", distance, run, 0), 0);
}

static enum status
scale_quantile(struct onnx_graph *g, struct numbers *q, size_t *out, struct err *e)
{
	struct knots k = {0};
	size_t v = pick(g, q, q->filled, is_quantile, "quantile.columns", &k.n_columns), half, half_v, z;
	enum status s = OK;

	*out = 0;
	if (!v || (s = put_knots(g, q, &k, e)) || !k.first)
		goto out;
	half = onnx_double(g, "half", 0.5);
	half_v = onnx_op(g, "Mul", v, half, 0);
	z = between_knots(g, &k, v, half, half_v);
	for (int above = 1; above >= 0; above--) {
		size_t beyond = beyond_knots(g, q, above, half_v);
		size_t end = figures(g, q, is_quantile, above ? LAST_KNOT : FIRST_KNOT, 1,
			above ? "quantile.last_knot" : "quantile.first_knot");

		end = onnx_op(g, above ? "GreaterOrEqual" : "LessOrEqual", v, end, 0);
		z = onnx_op(g, "Where", end, beyond, z);
	}
	*out = z;
out:
	free(k.first);
	return s;
}

/* All cells of numbers as [N, n], and what is missing among them. */
static void
gather_cells(struct onnx_graph *g, struct numbers *q, const struct reading *reading)
{
	size_t cells = onnx_concat(g, q->input, q->n), listed;

	listed = onnx_op(g, "Sub", cells, cells, 0); /* an infinite cell is a missing one, and so it is NaN */
	q->absent = onnx_op(g, "IsNaN", listed, 0, 0);
	for (size_t k = 0; k < reading->n_na_numbers; k++) {
		for (size_t i = 0; i < q->n; i++) /* a date has no such number: NaN equals nothing */
			q->v[i] = q->is_date[i] ? NAN : reading->na_number[k];
		listed = onnx_doubles(g, onnx_namef("missing_%zu", k).text, onnx_vector(q->n), q->v);
		listed = onnx_op(g, "Equal", cells, listed, 0);
		q->absent = onnx_op(g, "Or", q->absent, listed, 0);
	}
	for (size_t i = 0; i < q->n; i++)
		q->v[i] = q->features[i].scale ? q->features[i].scale->median : 0;
	q->filled = onnx_op(g, "Where", q->absent, onnx_doubles(g, "medians", onnx_vector(q->n), q->v), cells);
}

/* Of every column of dates the angles that it has: all sines, then all cosines, each [N, n_angles]. */
static size_t
put_cycles(struct onnx_graph *g, struct numbers *q, size_t both[2])
{
	size_t n = 0, at, share, angle, absent, none;
	struct onnx_shape shape;

	for (size_t i = 0; i < q->n; i++)
		for (int c = 0; c < N_DATE_CYCLES; c++)
			if (q->features[i].cycles & 1u << c) {
				q->at[n] = (int64_t)i;
				q->v[n++] = date_cycle_days[c];
			}
	if (!n)
		return 0;
	shape = onnx_vector(n);
	at = onnx_ints(g, "cycles.columns", shape, q->at);
	share = onnx_gather(g, q->filled, at, 1);
	share = onnx_op(g, "Div", share, onnx_doubles(g, "cycles.days", shape, q->v), 0);
	share = onnx_op(g, "Sub", share, onnx_op(g, "Floor", share, 0, 0), 0);
	angle = onnx_op(
		g, "Mul", onnx_cast(g, share, ONNX_FLOAT), onnx_float(g, "cycles.turn", 6.28318530717958647692), 0);
	absent = onnx_gather(g, q->absent, at, 1);
	none = onnx_float(g, "cycles.none", 0);
	both[0] = onnx_op(g, "Where", absent, none, onnx_op(g, "Sin", angle, 0, 0));
	angle = onnx_op(g, "Add", angle, onnx_float(g, "cycles.quarter", 1.57079632679489661923), 0);
	both[1] = onnx_op(g, "Where", absent, none, onnx_op(g, "Sin", angle, 0, 0));
	return n;
}

/* The linear ones, the quantile ones, the indicators, sines and cosines, into the order of the columns. */
static size_t
in_order(struct onnx_graph *g, struct numbers *q, size_t all, size_t n, size_t n_angles)
{
	size_t linear = 0, quantile = q->n_linear, indicator = q->n_scaled, sine = n - 2 * n_angles, at = 0;

	for (size_t i = 0; i < q->n; i++) {
		const struct encoder_features *f = &q->features[i];

		if (f->scale)
			q->at[at++] = (int64_t)(is_linear(f) ? linear++ : quantile++);
		if (f->missing)
			q->at[at++] = (int64_t)indicator++;
		for (unsigned cycles = f->cycles; cycles; cycles >>= 1) {
			if (!(cycles & 1))
				continue;
			q->at[at++] = (int64_t)sine;
			q->at[at++] = (int64_t)(sine++ + n_angles);
		}
	}
	return onnx_gather(g, all, onnx_ints(g, "order", onnx_vector(n), q->at), 1);
}

static enum status
encode_numbers(struct onnx_graph *g, struct numbers *q, const struct reading *reading, size_t *out, struct err *e)
{
	size_t scaled[2], n = 0, dense[4], n_dense = 0, n_missing, quantile, missing, n_angles;
	enum status s;

	gather_cells(g, q, reading);
	for (size_t i = 0; i < q->n; i++)
		q->n_scaled += q->features[i].scale != NULL;
	if ((scaled[n] = scale_linear(g, q)))
		n++;
	if ((s = scale_quantile(g, q, &quantile, e)))
		return s;
	if (quantile)
		scaled[n++] = quantile;
	if (n) {
		size_t least = onnx_double(g, "least", -SCALE_CLIP), most = onnx_double(g, "most", SCALE_CLIP);

		dense[n_dense++] = onnx_cast(g, onnx_op(g, "Clip", onnx_concat(g, scaled, n), least, most), ONNX_FLOAT);
	}
	missing = pick(g, q, q->absent, is_missing, "missing.columns", &n_missing);
	if (missing)
		dense[n_dense++] = onnx_cast(g, missing, ONNX_FLOAT);
	if ((n_angles = put_cycles(g, q, dense + n_dense)))
		n_dense += 2;
	*out = in_order(g, q, onnx_concat(g, dense, n_dense), q->n_scaled + n_missing + 2 * n_angles, n_angles);
	return OK;
}

/* ---- Texts -------------------------------------------------------------------------------------------------- */

struct texts {
	size_t axis, off_on; /* what every block needs; 0 before the first */
	size_t n;
	size_t *block; /* [n] each [N, width] */
};

static bool
stands_for_missing(const struct text_list *na, const char *text)
{
	bool found = !*text;

	for (size_t i = 0; i < na->n && !found; i++)
		found = !strcmp(na->text[i], text);
	return found;
}

enum { MAX_SPELLINGS = 32 };

/* Every spelling of yes and no for what the column calls "true" and "false"; other texts of it as they are. */
static size_t
spell_out(const struct dictionary *category, const struct text_list *na, const char **key, int64_t *code)
{
	const char *text;
	size_t n = 0;
	bool yes;

	for (size_t i = 0; i < MAX_SPELLINGS && (text = boolean_spelling(i, &yes)); i++) {
		const char *name = yes ? "true" : "false";
		uint32_t k = dictionary_find(category, name, strlen(name));

		if (k == TABLE_MISSING || stands_for_missing(na, text))
			continue;
		key[n] = text;
		code[n++] = (int64_t)k;
	}
	for (size_t k = 0; k < category->n; k++)
		if (!stands_for_missing(na, category->text[k]) &&
			!boolean_parse(category->text[k], category->len[k], &yes)) {
			key[n] = category->text[k];
			code[n++] = (int64_t)k;
		}
	return n;
}

static enum status
encode_texts(struct onnx_graph *g, size_t input, const struct encoder_features *f, bool boolean,
	const struct text_list *na, struct texts *t, struct err *e)
{
	const size_t n = f->category->n, rest = f->width - 1, n_most = n + na->n + 1 + MAX_SPELLINGS;
	const int64_t absent = (int64_t)(f->missing ? n : rest);
	const char **key = malloc(n_most * sizeof *key);
	int64_t *code = malloc(n_most * sizeof *code);
	size_t n_keys = 0, at, width;
	enum status s = OK;

	if (!key || !code) {
		s = err_nomem(e);
		goto out;
	}
	for (size_t k = 0; k < n; k++) {
		if (stands_for_missing(na, f->category->text[k])) /* cannot come */
			continue;
		key[n_keys] = f->category->text[k];
		code[n_keys++] = (int64_t)k;
	}
	n_keys = boolean ? spell_out(f->category, na, key, code) : n_keys;
	key[n_keys] = "";
	code[n_keys++] = absent;
	for (size_t i = 0; i < na->n; i++) {
		key[n_keys] = na->text[i];
		code[n_keys++] = absent;
	}
	onnx_set_int(g, "default_int64", (int64_t)rest);
	onnx_set_texts(g, "keys_strings", key, n_keys);
	onnx_set_ints(g, "values_int64s", code, n_keys);
	at = onnx_op(g, "ml.LabelEncoder", input, 0, 0);
	if (!t->axis) {
		t->axis = onnx_ints(g, "axis", onnx_vector(1), (const int64_t[]){1});
		t->off_on = onnx_floats(g, "off_on", onnx_vector(2), (const real[]){0, 1});
	}
	at = onnx_op(g, "Squeeze", at, t->axis, 0);
	width = onnx_int(g, onnx_namef("width_%zu", t->n).text, (int64_t)f->width);
	t->block[t->n++] = onnx_op(g, "OneHot", at, width, t->off_on);
out:
	free(key);
	free(code);
	return s;
}

/* ---- Rows --------------------------------------------------------------------------------------------------- */

/* An input for every column wanted: those of numbers with features go to q, the others with features are encoded. */
static enum status
take_columns(struct onnx_graph *g, const struct encoder *c, const struct text_list *na, struct numbers *q,
	struct texts *t, struct err *e)
{
	enum status s = OK;

	for (size_t j = 0; j < encoder_n_columns(c) && !s && !g->too_large; j++) {
		const struct encoder_features f = encoder_column_features(c, j);
		const enum column_type type = encoder_column_type(c, j);
		const bool text = type == COLUMN_TEXT || type == COLUMN_BOOLEAN;
		size_t input;

		if (!encoder_column_wanted(c, j))
			continue;
		input = onnx_input(g, encoder_column_name(c, j), text ? ONNX_STRING : ONNX_DOUBLE,
			type == COLUMN_BOOLEAN ? "true or false, yes or no; empty where it is missing"
			: text                 ? "a text; empty where it is missing"
			: type == COLUMN_DATE  ? "a date, as days since 1970-01-01 00:00 UTC; NaN where it is missing"
					       : "a number; NaN where it is missing");
		if (f.category) {
			s = encode_texts(g, input, &f, type == COLUMN_BOOLEAN, na, t, e);
		} else if (f.scale || f.missing) { /* cycles come with a scale */
			q->is_date[q->n] = type == COLUMN_DATE;
			q->input[q->n] = input;
			q->features[q->n++] = f;
		}
	}
	return s;
}

enum status
onnx_encode(struct onnx_graph *g, const struct encoder *c, const struct reading *reading, size_t *x, struct err *e)
{
	const size_t n = encoder_n_columns(c);
	size_t *block = calloc(n + 1, sizeof *block); /* the first is the dense one */
	struct texts texts = {.block = block + 1};
	struct numbers q = {0};
	enum status s;

	q.input = calloc(n, sizeof *q.input);
	q.features = calloc(n, sizeof *q.features);
	q.is_date = calloc(n, sizeof *q.is_date);
	q.v = calloc((1 + N_DATE_CYCLES) * n, sizeof *q.v);
	q.at = calloc((2 + 2 * N_DATE_CYCLES) * n, sizeof *q.at);
	if (!block || !q.input || !q.features || !q.is_date || !q.v || !q.at)
		s = err_nomem(e);
	else
		s = take_columns(g, c, &reading->options.na_values, &q, &texts, e);
	if (!s && q.n)
		s = encode_numbers(g, &q, reading, block, e);
	if (!s)
		*x = q.n ? onnx_concat(g, block, texts.n + 1) : onnx_concat(g, texts.block, texts.n);
	free(block);
	free(q.input);
	free(q.features);
	free(q.is_date);
	free(q.v);
	free(q.at);
	return s;
}
