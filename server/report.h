/*
 * report: what a training run has to say of itself, as JSON. The same object lies in the model's bundle, is the summary
 * of the stored model, and is what `inspect --json` prints. It holds no time and no machine: equal runs give equal
 * bytes.
 *
 * Undefined measures are null. Thread rule: pure functions.
 */
#ifndef VERAD_SERVER_REPORT_H
#define VERAD_SERVER_REPORT_H

#include "engine/train.h"
#include "schema/class_params.h"
#include "schema/encode.h"
#include "schema/ingest.h"
#include "server/json_build.h"

struct report_facts {                       /* all borrowed */
	const struct params *params;        /* resolved */
	const struct params *asked;         /* as they were before */
	const struct class_params *classes; /* NULL: none given */
	bool prior_stated;                  /* the shares of the result are the user's */
	size_t n_ignored;                   /* labels that the method had no use for */
	const double *log_slopes;           /* of the scaling, mean over the held out rows: see report_density; NULL */
	const struct dataset_summary *summary;
	const struct encoder *encoder;
	const struct train_result *result;
	struct cJSON *test;  /* the section of the test set, taken over by report_build; NULL: none was named */
	size_t n_held_out;   /* rows kept out of training */
	size_t n_folds;      /* of the evaluation that was run */
	size_t n_recoveries; /* from divergence, as struct train_progress counts them */
};

/* The report as text into *json (owned, free()). */
enum status report_build(struct report_facts *f, char **json, struct err *e);

/* report_measures.c: the members of the measures (n, accuracy … per_class, confusion, reliability) into `to`, label[k]
 * being the name of class k; the same where nothing was measured. */
void report_measures(struct json_build *b, struct cJSON *to, const struct metrics *m, const char *const *label);
void report_no_measures(struct json_build *b, struct cJSON *to);
/* A learning curve's rows and points, into `to`. */
void report_curve(struct json_build *b, struct cJSON *to, const struct train_curve *curve);

/* The figures worth a line when a run has ended: method, accuracy and the baseline's, where there are any, and those on
 * the test set, into `to`. */
void report_headline(struct json_build *b, struct cJSON *to, const struct cJSON *report);

/* report_choices.c: what the model is made of, into `to`; and sentences on what the program chose, into a list. */
void report_composition(struct json_build *b, struct cJSON *to, const struct report_facts *f);
void report_choices(struct json_build *b, struct cJSON *to, const struct report_facts *f);

/* report_density.c: of method density what it is and how likely the held out rows are under it, in nats of the encoded
 * columns and, where every feature is a scaled number, of the table's own; of other methods null. */
void report_density(struct json_build *b, struct cJSON *to, const struct report_facts *f);

/* The thresholds of the model's references, and which of them answers go by, into `to`. */
void report_thresholds(struct json_build *b, struct cJSON *to, const struct model *m);

/* report_change.c: reports that are there already. set_thresholds gives the same text with the thresholds of `m` in it
 * (owned, free()). check is for reports of unknown origin: ERR_DATA "corrupt_model" where a member that every report
 * has is not there, or of another kind, or there twice, or called as the record of a model calls its own. */
enum status report_set_thresholds(const char *report, const struct model *m, char **out, struct err *e);
enum status report_check(const char *report, struct err *e);

#endif
