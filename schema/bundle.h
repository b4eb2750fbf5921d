/*
 * bundle: the artefact. Encoder + model + class labels + report in one block of bytes; table rows in, answers out.
 *
 * A model trained without labels has none: it scores rows, and what asks it for labels gets ERR_CONFLICT "no_classes".
 *
 * Format: "VERADMDL", u32 version, u64 payload length, u64 checksum, payload; little-endian. Versions 3 to 6 are read,
 * 6 is written; 3 did not say how cells are read, neither 3 nor 4 had a doubt (blend.h) about a network, and none of
 * them a warp (warp.h). A bundle is const once made; any number of threads may use it, each with a predictor of its
 * own.
 */
#ifndef VERAD_SCHEMA_BUNDLE_H
#define VERAD_SCHEMA_BUNDLE_H

#include <stdatomic.h>

#include "engine/model.h"
#include "schema/encode.h"
#include "schema/reading.h"

/* Counts what is answered, whatever way the rows come in. */
struct prediction_tally {
	_Atomic uint64_t rows, out_of_distribution;
	/* Requests over HTTP, counted by who serves them: answered and not, nanoseconds at work for each kind, and when
	 * the last one ended, in milliseconds since the epoch. */
	_Atomic uint64_t answered, refused, answered_ns, refused_ns, last_ms;
};

struct bundle {
	struct encoder *encoder; /* owned */
	struct model *model;     /* owned */
	size_t n_classes;        /* 0: trained without labels, and the network has one output; else at least 2 */
	char **label;            /* [n_classes], owned; class k's text */
	struct reading reading;  /* of the table it was trained on, and so of rows to predict */
	char *label_column;      /* owned; ignored when it comes along in rows to predict; NULL: the table had none */
	char *report;            /* owned JSON object: parameters, data, measures, baseline, warnings, versions */
	struct prediction_tally *tally; /* borrowed; NULL: nobody counts */
	struct predictor_pool *idle;    /* owned; predictors between two requests; NULL: none are kept */
};
void bundle_free(struct bundle *b); /* accepts NULL; nobody may have a predictor of it any more */

/* For a bundle that serves requests: a few predictors that are done are kept for the next, with their memory and the
 * columns that they know. It makes no difference but to speed. */
enum status bundle_keep_predictors(struct bundle *b, struct err *e);

enum status bundle_write(const struct bundle *b, struct buf *out, struct err *e);
/* ERR_CORRUPT "not_a_model", "corrupt_model"; ERR_CONFLICT "unsupported_model_version": of another verad. Trusts
 * nothing but the machine's memory: what it returns can serve. */
enum status bundle_read(const void *bytes, size_t n, struct bundle **out, struct err *e);

/* ERR_CONFLICT "no_classes" where labels are wanted of a bundle that has none: what every way to predict answers. */
enum status bundle_check_classes(const struct bundle *b, bool want_labels, struct err *e);

/* What answers have beside out-of-distribution scores: a sum of these. */
enum include {
	INCLUDE_LABELS = 1,       /* and probabilities */
	INCLUDE_ATTRIBUTIONS = 2, /* of the scores to the columns that the model makes use of: some 50 times the work */
};

/* Adds what the name, "attributions", stands for: what a request may ask answers to have that they have not of
 * themselves. ERR_INVALID "unknown_include". */
enum status include_add(unsigned *include, const char *name, size_t len, struct err *e);

struct answers { /* arrays are borrowed from the predictor */
	size_t n;
	size_t n_classes;
	int32_t *label;     /* [n]: argmax of the probabilities, the first one of ties */
	float *probability; /* [n][n_classes] */
	double *score, *p_value;
	unsigned char *is_ood;
	double *attribution; /* [n][encoder_n_columns]: what each column adds to the score; see model_attribute */
	double *reference;   /* [n]: the score without them */
};

/*
 * A predictor reads rows by column name, from CSV or cell by cell, and answers them batch by batch.
 * Names are matched once: an extra name is noted as a warning, a missing one is ERR_DATA "missing_column" that names
 * it, a name given twice "duplicate_column". Columns that training left out as empty or as identifiers need not come,
 * and are not read where they do (encoder_column_wanted).
 */
struct predictor;
enum status predictor_new(const struct bundle *b, struct predictor **out, struct err *e);
void predictor_free(struct predictor *p);

/* Declares the columns that the rows to come have, in their order. Once, before the first row. */
enum status predictor_columns(struct predictor *p, const char *const *names, size_t n, struct err *e);

/* Which column of the encoder has the name; encoder_n_columns: none, it is the label's; SIZE_MAX: unknown. */
size_t predictor_find_column(const struct predictor *p, const char *name, size_t len);

/*
 * The batch in the making: one row after another, cells by index into the declared columns. line (0 = none) is for
 * errors. A cell that is never set is missing, as an empty text is; one of a column that is not read does nothing. Text
 * that is no number in a number column, and none that stands for a missing cell there (reading.h): ERR_DATA
 * "not_a_number" with line and column (the message has the column alone: the caller knows whether it counts lines or
 * rows). A number in a text column is taken as its shortest text.
 */
enum { PREDICTOR_BATCH = 1024 };
/* PREDICTOR_BATCH rows wait, or fewer of a wide table or with long texts: call predictor_answer before more. */
bool predictor_full(const struct predictor *p);
enum status predictor_begin_row(struct predictor *p, uint64_t line, struct err *e);
enum status predictor_cell_text(struct predictor *p, size_t column, const char *text, size_t len, struct err *e);
enum status predictor_cell_number(struct predictor *p, size_t column, double v, struct err *e);
/* The same for a row of a table whose columns are those declared, in their order. */
enum status predictor_add_row(struct predictor *p, const struct table *t, size_t row, struct err *e);

/* Answers the rows that wait and empties the batch; valid until the next call. include: a sum of enum include; what it
 * leaves out is NULL in the answers. */
enum status predictor_answer(struct predictor *p, unsigned include, struct answers *out, struct err *e);

/* A request that asks for attributions keeps a processor busy: no more rows than this, ERR_TOO_LARGE "too_many_rows".
 */
enum { MAX_ATTRIBUTED_ROWS = 10000 };
enum status attributions_fit(unsigned include, uint64_t n_rows, struct err *e);

/* Everything worth a word so far: {"column","code","count"} objects, codes "extra_column", "unseen_category",
 * "missing_cell", "clipped_number", "not_a_date", "infinite_number". */
struct warning {
	const char *column; /* borrowed from the predictor */
	const char *code;   /* static */
	size_t count;       /* cells; rows for extra columns are not counted: 1 */
};
enum status predictor_warnings(const struct predictor *p, struct warning **out, size_t *n, struct err *e); /* free() */

/*
 * CSV in, CSV out, the former written as usual, or with the delimiter and the quote of the table that the model was
 * trained on: feeds pieces, appends answers to `out` as they come (header line included). Columns of the output:
 * label, probability.<class> each, ood.score, ood.p_value, ood.is_ood ("true"/"false"); without labels the last three.
 * Attributions follow them, as ood.reference_score and ood.attribution.<column> each.
 * A header without a row below it is ERR_DATA "no_rows". After an error `out` holds answers to the rows before it.
 */
struct csv_predictor;
enum status csv_predictor_new(const struct bundle *b, unsigned include, struct csv_predictor **out, struct err *e);
/* Before the first piece: answers as json_predict's objects; no more attributions than MAX_ATTRIBUTED_ROWS. */
void csv_predictor_as_json(struct csv_predictor *p);
void csv_predictor_limit_attributions(struct csv_predictor *p);
enum status csv_predictor_feed(struct csv_predictor *p, const void *bytes, size_t n, struct buf *out, struct err *e);
enum status csv_predictor_finish(struct csv_predictor *p, struct buf *out, size_t *n_rows, struct err *e);
enum status csv_predictor_warnings(const struct csv_predictor *p, struct warning **out, size_t *n, struct err *e);
void csv_predictor_free(struct csv_predictor *p);

/* The names of an answer's columns in their order, each given to `put`, with commas between them. */
void answers_columns(
	const struct bundle *b, unsigned include, void (*put)(struct buf *out, const char *name), struct buf *out);
/* The cells of answer i under them, likewise: the label by `put`, numbers, true or false. */
void answers_cells(const struct bundle *b, const struct answers *a, size_t i,
	void (*put)(struct buf *out, const char *text), struct buf *out);

/* The lines that a csv_predictor writes, for answers that come another way. Without labels where the answers have none.
 */
void answers_csv_header(const struct bundle *b, unsigned include, struct buf *out);
void answers_csv_rows(const struct bundle *b, const struct answers *a, struct buf *out);

/*
 * JSON in, JSON out: a whole body {"rows":[{column:value,...},...]} to {"predictions":[...],"warnings":[...]} (or
 * {"scores":[...],...}), or {"columns":[name,...],"data":[[value,...],...]} to answers in that form; answers_json.h has
 * what answers look like, json_rows.h what cells may be. Strict: one JSON value, no trailing bytes, no NaN, bounded
 * depth. Every row must have every column that the model wants, null for a missing cell.
 *
 * ERR_SYNTAX "malformed_json" (line and byte in the message); ERR_INVALID "missing_rows", "unknown_field",
 * "duplicate_key", "invalid_columns"; ERR_TOO_LARGE "answer_too_large" past max_answers bytes, "too_many_rows" with
 * attributions for more than MAX_ATTRIBUTED_ROWS; and what json_rows gives. On an error `out` is as it was. In
 * json_predict.c.
 */
enum status json_predict(const struct bundle *b, const void *body, size_t n, unsigned include, uint64_t max_answers,
	struct buf *out, size_t *n_rows, struct err *e);

/* The same for a body of MLflow's clients, which has dataframe_split, dataframe_records, instances or inputs, and may
 * have "params", whose "include", a name or a list of them, adds to `include`; others are passed over. Answers are
 * objects. ERR_INVALID "unknown_include". In invocations.c. */
enum status invocations_predict(const struct bundle *b, const void *body, size_t n, unsigned include,
	uint64_t max_answers, struct buf *out, struct err *e);

#endif
