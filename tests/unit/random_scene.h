/*
 * random_scene: a model of a random table of numbers and texts, and rows to answer, with cells missing and texts never
 * seen; the same seed gives the same.
 */
#ifndef VERAD_TESTS_UNIT_RANDOM_SCENE_H
#define VERAD_TESTS_UNIT_RANDOM_SCENE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/bundle.h"

enum { MAX_COLUMNS = 9, N_CLASSES = 3, TRAIN_ROWS = 150, MAX_ROWS = 1500 };

static struct err err;
static uint64_t state_of_chance;

static inline uint64_t
chance(uint64_t n) /* splitmix64 */
{
	uint64_t z = state_of_chance += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % n;
}

static const char *const scene_labels[N_CLASSES] = {"a", "b", "c"};
static const char *const scene_names[MAX_COLUMNS + 1] = {
	"x", "two words", "\"quoted\", a", "\xe6\x97\xa5", "back\\slash", "tab\tbed", "y", "7", "colour", "label"};

struct scene {
	size_t n_columns;
	bool text[MAX_COLUMNS], number_like[MAX_COLUMNS]; /* texts that look like numbers */
	struct bundle *bundle;
	size_t n_rows;
	bool missing[MAX_ROWS][MAX_COLUMNS]; /* null, or empty */
	bool listed[MAX_ROWS][MAX_COLUMNS];  /* written as one of the values that stand for a missing cell */
	float number[MAX_ROWS][MAX_COLUMNS];
	char cell[MAX_ROWS][MAX_COLUMNS][32];
};

static inline float
random_number(void)
{
	switch (chance(6)) {
	case 0:
		return (float)chance(10);
	case 1:
		return (float)chance(1000000) / 128 - 3000;
	case 2:
		return 1e30f;
	case 3:
		return -1e-30f;
	default:
		return (float)chance(1 << 20) / (1 << 18);
	}
}

static inline void
random_text(bool number_like, bool seen, char out[32])
{
	static const char *const words[] = {"red", "green", "b\xc3\xa9", "a, \"b\"", " spaces ", "line\nfeed", "NULL"};

	if (number_like)
		snprintf(out, 32, "%03d", (int)chance(seen ? 5 : 9));
	else if (seen || chance(3))
		snprintf(out, 32, "%s", words[chance(sizeof words / sizeof *words)]);
	else
		snprintf(out, 32, "unseen-%d", (int)chance(5));
}

static inline void
fill_training_table(const struct scene *s, struct table *t)
{
	char text[32];

	for (size_t i = 0; i < TRAIN_ROWS; i++) {
		assert_int_equal(table_add_row(t, &err), OK);
		for (size_t j = 0; j < s->n_columns; j++) {
			if (chance(8) == 0)
				continue;
			if (s->text[j]) {
				random_text(s->number_like[j], true, text);
				assert_int_equal(table_set_text(t, j, i, text, strlen(text), &err), OK);
			} else {
				table_set_number(t, j, i, (double)chance(1 << 20) / (1 << 18));
			}
		}
		assert_int_equal(table_set_text(t, s->n_columns, i, scene_labels[chance(N_CLASSES)], 1, &err), OK);
	}
}

static inline struct model *
random_model(const struct encoder *c, const struct table *t)
{
	struct net_shape shape = {.n_layers = 2, .size = {encoder_n_features(c), 6, N_CLASSES}};
	struct model_workspace *w;
	size_t map[MAX_COLUMNS], n = net_size(&shape);
	double score[TRAIN_ROWS];
	struct rows rows = {0};
	struct model *m;
	real *weights = calloc(n, sizeof *weights);

	assert_non_null(weights);
	for (size_t i = 0; i < n; i++)
		weights[i] = (real)chance(1 << 20) / (1 << 18) - 2;
	for (size_t j = 0; j < encoder_n_columns(c); j++)
		map[j] = table_find(t, encoder_column_name(c, j));
	assert_int_equal(model_new(&shape, weights, &m, &err), OK);
	assert_int_equal(encoder_rows_init(c, &rows, t->n_rows, &err), OK);
	assert_int_equal(model_workspace_new(m, &w, &err), OK);
	encoder_apply(c, t, map, &rows, 0, NULL);
	model_predict(m, &rows, 0, t->n_rows, OOD_ENERGY, w, NULL, score);
	assert_int_equal(model_set_reference(m, OOD_ENERGY, score, t->n_rows, 0.1, &err), OK);
	model_workspace_free(w);
	rows_release(&rows);
	free(weights);
	return m;
}

static inline struct scene *
new_scene(uint64_t seed, bool numbers_alone, size_t n_rows)
{
	struct scene *s = calloc(1, sizeof *s);
	enum column_type types[MAX_COLUMNS + 1];
	const char *used[MAX_COLUMNS + 1];
	struct table t = {0};
	struct encoder_options o = {SCALING_STANDARD, 4, 1};
	struct bundle *b = calloc(1, sizeof *b);

	assert_true(s && b);
	state_of_chance = seed;
	o.scaling = chance(2) ? SCALING_STANDARD : SCALING_MINMAX;
	s->n_columns = 2 + chance(MAX_COLUMNS - 2);
	for (size_t j = 0; j < s->n_columns; j++) {
		s->text[j] = !numbers_alone && chance(2);
		s->number_like[j] = s->text[j] && chance(4) == 0;
		types[j] = s->text[j] ? COLUMN_TEXT : COLUMN_NUMBER;
		used[j] = scene_names[j];
	}
	used[s->n_columns] = "label";
	types[s->n_columns] = COLUMN_TEXT;
	assert_int_equal(table_init(&t, used, types, s->n_columns + 1, &err), OK);
	fill_training_table(s, &t);
	assert_int_equal(encoder_new(&o, used, types, s->n_columns + 1, "label", &b->encoder, &err), OK);
	assert_int_equal(encoder_observe(b->encoder, &t, NULL, &err), OK);
	assert_int_equal(encoder_finish(b->encoder, &err), OK);
	b->model = random_model(b->encoder, &t);
	b->label = calloc(N_CLASSES, sizeof *b->label);
	assert_non_null(b->label);
	for (; b->n_classes < N_CLASSES; b->n_classes++)
		b->label[b->n_classes] = strdup(scene_labels[b->n_classes]);
	b->label_column = strdup("label");
	b->report = strdup("{}");
	if (seed % 3 == 0) /* of a table that was read in its own way */
		assert_int_equal(reading_from_json("{\"na_values\":[\"-999\",\"not known\",\"-\"],\"delimiter\":\";\","
						   "\"decimal\":\",\",\"label_column\":\"label\",\"max_bad_rows\":3}",
					 &b->reading, &err),
			OK);
	s->bundle = b;
	table_release(&t);

	s->n_rows = n_rows;
	for (size_t i = 0; i < n_rows; i++) {
		for (size_t j = 0; j < s->n_columns; j++) {
			s->missing[i][j] = chance(6) == 0;
			s->listed[i][j] = !s->missing[i][j] && seed % 3 == 0 && chance(5) == 0;
			s->number[i][j] = s->listed[i][j] ? -999 : random_number();
			if (s->missing[i][j])
				s->cell[i][j][0] = '\0';
			else if (s->listed[i][j])
				strcpy(s->cell[i][j], s->text[j] ? "not known" : "-999");
			else if (s->text[j])
				random_text(s->number_like[j], false, s->cell[i][j]);
			else
				s->cell[i][j][number_format(s->cell[i][j], (double)s->number[i][j])] = '\0';
		}
	}
	return s;
}

static inline void
free_scene(struct scene *s)
{
	bundle_free(s->bundle);
	free(s);
}

/* columns "x" (number), "two words" (text) */
static inline struct scene *
plain_scene(void)
{
	struct scene *s = NULL;

	for (uint64_t seed = 1; !s; seed++) {
		s = new_scene(seed, false, 1);
		if (s->n_columns != 2 || s->text[0] || !s->text[1] || s->number_like[1]) {
			free_scene(s);
			s = NULL;
		}
	}
	return s;
}

#endif
