/*
 * scale: see scale.h. Differences of numbers are taken between their halves wherever the full ones could overflow.
 */
#include "schema/scale.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ascending.h"

void
sample_init(struct sample *s, size_t limit, uint64_t seed)
{
	*s = (struct sample){.limit = limit, .seed = seed};
}

void
sample_release(struct sample *s)
{
	free(s->value);
	memset(s, 0, sizeof *s);
}

/* One well mixed number per counter (the finaliser of splitmix64): the sample needs no stream, only a hash. */
static uint64_t
mix(uint64_t seed, uint64_t counter)
{
	uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

enum status
sample_add(struct sample *s, double v, struct err *e)
{
	uint64_t k = s->n_seen;

	v += 0.0; /* -0 sorts and prints as 0 */
	if (k < s->limit) {
		if (s->n == s->cap) {
			size_t cap = s->cap ? s->cap * 2 : 256;
			double *value = realloc(s->value, cap * sizeof *value);

			if (!value)
				return err_nomem(e);
			s->value = value;
			s->cap = cap;
		}
		s->value[s->n++] = v;
	} else {
		uint64_t place = mix(s->seed, k) % (k + 1);

		if (place < s->limit)
			s->value[place] = v;
	}
	s->min = k && s->min < v ? s->min : v;
	s->max = k && s->max > v ? s->max : v;
	s->n_seen++;
	return OK;
}

/* Peter Acklam's rational approximation of the inverse normal distribution function, relative error below 1.15e-9. */
double
normal_quantile(double p)
{
	static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
		1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00};
	static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
		6.680131188771972e+01, -1.328068155288572e+01};
	static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
		-2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00};
	static const double d[] = {
		7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00};
	double tail = p < 0.5 ? p : 1 - p, q, r, x;

	if (tail >= 0.02425) {
		q = p - 0.5;
		r = q * q;
		return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
		       (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
	}
	q = sqrt(-2 * log(tail));
	x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
	    ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
	return p < 0.5 ? x : -x;
}

static double
half_difference(double low, double high)
{
	return high / 2 - low / 2;
}

static double
clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

/* Mean and deviation of numbers up to the largest double: taken of the numbers divided by their largest magnitude. */
static void
fit_moments(struct scale *s, const double *v, size_t n)
{
	double unit = fmax(fabs(s->min), fabs(s->max)), mean = 0, square = 0;

	if (unit == 0)
		return;
	for (size_t i = 0; i < n; i++)
		mean += v[i] / unit;
	mean /= (double)n;
	for (size_t i = 0; i < n; i++)
		square += (v[i] / unit - mean) * (v[i] / unit - mean);
	s->mean = clamp(mean * unit, s->min, s->max);
	s->sd = fmin(sqrt(square / (double)n), 1) * unit;
}

/* The first index of sorted[n] whose value is above v; with `or_equal`, at least v. */
static size_t
first_above(const double *sorted, size_t n, double v, bool or_equal)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sorted[mid] > v || (or_equal && sorted[mid] == v))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* A tied value gets the normal score of its mean rank, as one knot. */
static enum status
fit_knots(struct scale *s, const double *sorted, size_t n, struct err *e)
{
	size_t m = n < SCALE_MAX_KNOTS ? n : SCALE_MAX_KNOTS;

	s->knot = malloc(m * sizeof *s->knot);
	s->score = malloc(m * sizeof *s->score);
	if (!s->knot || !s->score)
		return err_nomem(e);
	for (size_t k = 0; k < m; k++) {
		double v = sorted[k * (n - 1) / (m - 1)], first, last, score;

		first = (double)first_above(sorted, n, v, true);
		last = (double)first_above(sorted, n, v, false);
		score = normal_quantile((first + last) / 2 / (double)n);
		if (s->n_knots &&
			(half_difference(s->knot[s->n_knots - 1], v) <= 0 || score <= s->score[s->n_knots - 1]))
			continue;
		s->knot[s->n_knots] = v;
		s->score[s->n_knots++] = score;
	}
	return OK;
}

/* What follows from the stored figures; equal for a scale just fitted and one just read. */
static void
prepare(struct scale *s)
{
	double half = half_difference(s->min, s->max), span;
	size_t m = s->n_knots, low = 1, high = m - 2;

	if (s->kind == SCALING_MINMAX) {
		s->center = s->min / 2 + s->max / 2;
		s->divisor = half;
	} else if (s->kind == SCALING_STANDARD) {
		s->center = s->mean;
		s->divisor = fmax(s->sd, half / 50);
		if (s->divisor == 0)
			s->divisor = half;
	}
	if (m < 2)
		return;
	for (size_t i = 0; i < SCALE_BLOCKS; i++)
		s->coarse[i] = (i + 1) * SCALE_STRIDE < m ? s->knot[(i + 1) * SCALE_STRIDE] : INFINITY;
	/* A chord over a whole unit of score, and never so steep that a tenth of the range is worth more than all of
	 * it: two outermost values that happen to lie close together must not throw every number beyond them to the
	 * clip. */
	span = s->score[m - 1] - s->score[0];
	while (low < m - 1 && s->score[low] < s->score[0] + 1)
		low++;
	while (high > 0 && s->score[high] > s->score[m - 1] - 1)
		high--;
	s->run_below = half_difference(s->knot[0], s->knot[low]) / (s->score[low] - s->score[0]);
	s->run_above = half_difference(s->knot[high], s->knot[m - 1]) / (s->score[m - 1] - s->score[high]);
	s->run_below = fmax(fmax(s->run_below, half / (10 * span)), DBL_TRUE_MIN);
	s->run_above = fmax(fmax(s->run_above, half / (10 * span)), DBL_TRUE_MIN);
}

/* Heavy: the range is many times the middle nine tenths (2.2 times in four thousand normal numbers). */
enum { HEAVY_TAILS = 4, FEW_VALUES = 32 };

static enum scaling
choose_kind(const struct scale *s, const double *v, size_t n)
{
	size_t last = n - 1, n_distinct = 1;
	double middle = half_difference(v[last / 20], v[last - last / 20]);

	for (size_t i = 1; i < n && n_distinct <= FEW_VALUES; i++)
		n_distinct += v[i] != v[i - 1];
	return n_distinct > FEW_VALUES && half_difference(s->min, s->max) > HEAVY_TAILS * middle ? SCALING_QUANTILE
												 : SCALING_MINMAX;
}

enum status
scale_fit(struct scale *s, enum scaling kind, struct sample *sample, struct err *e)
{
	double *v = sample->value;
	size_t n = sample->n;
	enum status status;

	assert(n);
	*s = (struct scale){.kind = kind, .min = sample->min, .max = sample->max};
	qsort(v, n, sizeof *v, ascending);
	s->median = v[(n - 1) / 2] / 2 + v[n / 2] / 2;
	if (n % 2) /* halves of the smallest numbers round */
		s->median = v[n / 2];
	s->median = clamp(s->median, s->min, s->max);
	fit_moments(s, v, n);
	if (kind == SCALING_BY_COLUMN)
		s->kind = choose_kind(s, v, n);
	if (s->kind == SCALING_QUANTILE && scale_varies(s)) {
		assert(n > 1);
		v[0] = s->min; /* the sample may have lost the ends of the range, the knots must not */
		v[n - 1] = s->max;
		if ((status = fit_knots(s, v, n, e))) {
			scale_release(s);
			return status;
		}
	}
	prepare(s);
	return OK;
}

void
scale_release(struct scale *s)
{
	free(s->knot);
	free(s->score);
	memset(s, 0, sizeof *s);
}

bool
scale_varies(const struct scale *s)
{
	return half_difference(s->min, s->max) >
	       0; /* not for two neighbours among the smallest numbers, which have none */
}

/* How many of them are at most v. */
static inline size_t
count_up_to(const double *x, size_t n, double v)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += x[i] <= v;
	return k;
}

/*
 * The last knot at or below v, which lies between the outermost. A row has a search in every column, of knots that the
 * network's weights have pushed out of the cache since the last one, and halving waits for memory once for every
 * half: so it is two counts, whose numbers lie side by side and are waited for together.
 */
static size_t
knot_below(const struct scale *s, double v)
{
	size_t first = count_up_to(s->coarse, SCALE_BLOCKS, v) * SCALE_STRIDE, left = s->n_knots - first;

	return first + count_up_to(s->knot + first, left < SCALE_STRIDE ? left : SCALE_STRIDE, v) - 1;
}

static double
normal_score(const struct scale *s, double v)
{
	size_t m = s->n_knots, k;

	if (v <= s->knot[0])
		return s->score[0] - half_difference(v, s->knot[0]) / s->run_below;
	if (v >= s->knot[m - 1])
		return s->score[m - 1] + half_difference(s->knot[m - 1], v) / s->run_above;
	k = knot_below(s, v);
	return s->score[k] + (s->score[k + 1] - s->score[k]) *
				     (half_difference(s->knot[k], v) / half_difference(s->knot[k], s->knot[k + 1]));
}

float
scale_apply(const struct scale *s, double v, bool *clipped)
{
	/* an infinite difference divided by a finite number clips as it should; neither can be NaN */
	double z = s->kind == SCALING_QUANTILE ? normal_score(s, v) : (v - s->center) / s->divisor;

	if (clipped)
		*clipped = (z < -SCALE_CLIP || z > SCALE_CLIP) && (v < s->min || v > s->max);
	return (float)clamp(z, -SCALE_CLIP, SCALE_CLIP);
}

double
scale_log_slope(const struct scale *s, double z)
{
	size_t m = s->n_knots, k = 0;

	if (s->kind != SCALING_QUANTILE)
		return -log(s->divisor);
	if (z < s->score[0] || z >= s->score[m - 1])
		return -log(2) - log(z < s->score[0] ? s->run_below : s->run_above);
	k = first_above(s->score, m, z, false) - 1;
	return log(s->score[k + 1] - s->score[k]) - log(half_difference(s->knot[k], s->knot[k + 1])) - log(2);
}

/* A scaled value's number, within the range. */
static double
number_of(const struct scale *s, double z)
{
	size_t m = s->n_knots, k;
	double part;

	if (s->kind != SCALING_QUANTILE)
		return clamp(s->center + z * s->divisor, s->min, s->max);
	if (z < s->score[0] || z >= s->score[m - 1])
		return z < s->score[0] ? s->min : s->max;
	k = first_above(s->score, m, z, false) - 1;
	part = (z - s->score[k]) / (s->score[k + 1] - s->score[k]);
	return (1 - part) * s->knot[k] + part * s->knot[k + 1];
}

double
scale_position(const struct scale *s, double z)
{
	return 2 * (half_difference(s->min, number_of(s, z)) / half_difference(s->min, s->max)) - 1;
}

void
scale_write(const struct scale *s, struct buf *out)
{
	const double figures[] = {s->min, s->max, s->mean, s->sd, s->median};

	buf_put_u8(out, (uint8_t)s->kind);
	buf_put_f64s(out, figures, sizeof figures / sizeof *figures);
	buf_put_u32(out, (uint32_t)s->n_knots);
	buf_put_f64s(out, s->knot, s->n_knots);
	buf_put_f64s(out, s->score, s->n_knots);
}

static bool
figures_are_sound(const struct scale *s)
{
	if (!isfinite(s->min) || !isfinite(s->max) || !isfinite(s->sd) || s->sd < 0 || s->min > s->max)
		return false;
	if (!(s->mean >= s->min && s->mean <= s->max) || !(s->median >= s->min && s->median <= s->max))
		return false;
	if ((s->kind == SCALING_QUANTILE && scale_varies(s)) != (s->n_knots > 0))
		return false;
	for (size_t k = 0; k < s->n_knots; k++) {
		if (!(s->knot[k] >= s->min && s->knot[k] <= s->max) || !(fabs(s->score[k]) <= SCALE_CLIP))
			return false;
		if (k && (!(half_difference(s->knot[k - 1], s->knot[k]) > 0) || !(s->score[k - 1] < s->score[k])))
			return false;
	}
	return true;
}

enum status
scale_read(struct reader *in, struct scale *out, struct err *e)
{
	unsigned kind = reader_u8(in);
	struct scale s = {.kind = (enum scaling)kind};
	size_t n;

	s.min = reader_f64(in);
	s.max = reader_f64(in);
	s.mean = reader_f64(in);
	s.sd = reader_f64(in);
	s.median = reader_f64(in);
	n = reader_u32(in);
	if (in->failed || kind == SCALING_BY_COLUMN || kind >= N_SCALINGS || n == 1 || n > SCALE_MAX_KNOTS ||
		n > reader_max_items(in, 16))
		return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's scaling of a column is damaged");
	if (n) {
		s.knot = malloc(n * sizeof *s.knot);
		s.score = malloc(n * sizeof *s.score);
		if (!s.knot || !s.score) {
			scale_release(&s);
			return err_nomem(e);
		}
		s.n_knots = n;
		reader_f64s(in, s.knot, n);
		reader_f64s(in, s.score, n);
	}
	if (!figures_are_sound(&s)) {
		scale_release(&s);
		return err_set(e, ERR_CORRUPT, "corrupt_model", "the model's scaling of a column is damaged");
	}
	prepare(&s);
	*out = s;
	return OK;
}
