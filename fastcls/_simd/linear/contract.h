/* The contract of the linear kernels: scores of a few rows, and the sums over rows of a gradient. See README.md, too.

   Letters as everywhere: rows r, features f, columns k. A *column* is one class of one model: many models over the same
   data are more columns. `REAL` is the arithmetic, float or double; rows are widened to it in registers.

   Sums are in floating point, in an order that depends on the instruction set, but never on the number of threads, on the
   number of other columns or rows, or on the position of a row or a column in a tile. */
#ifndef FASTCLS_LINEAR_CONTRACT_H
#define FASTCLS_LINEAR_CONTRACT_H

#include "../contract.h"

enum { FASTCLS_SINGLES, FASTCLS_DOUBLES, FASTCLS_N_REALS };

/* Features of a strip: the gradient kernel takes one strip at a time, and weights are padded with zeros to whole strips. */
enum { FASTCLS_STRIP = 64 };

/* How many rows ahead the gradient kernel prefetches. It walks down a strip of 64 features, one cache line of each row. No
   hardware predicts that stride, and half of the lines are in another core's cache. */
enum { PREFETCHED_ROWS = 24 };

/* The most rows and columns of one call of a scores kernel, and columns of one call of a gradient kernel; rows that a scores
   kernel prefetches. */
enum { FASTCLS_MOST_ROWS = 4, FASTCLS_MOST_COLUMNS = 6, FASTCLS_ROWS_AHEAD = 2 };

/* out[r * out_stride + k] += sum over f of rows[r][f] * W[k * w_stride + f], for the kernel's number of rows (repeat a row
   if there are fewer) and the first n_columns columns. W is padded with zeros to a whole strip. Meanwhile the features of `ahead`
   are prefetched: rows of a later call (or any of this call). Rows of a minibatch are anywhere in memory, and no hardware predicts
   where the next one begins. */
typedef void (*fastcls_scores_fn)(const void *const *rows, const void *const *ahead, ptrdiff_t n_features, const void *W,
                                  ptrdiff_t w_stride, int n_columns, double *out, ptrdiff_t out_stride);

/* out[k * FASTCLS_STRIP + f] = sum over r of G[r * g_stride + k] * rows[r][feature + f], rows in their order, for one
   strip of features. */
typedef void (*fastcls_gradient_fn)(const void *const *rows, ptrdiff_t n_rows, ptrdiff_t feature, const void *G,
                                    ptrdiff_t g_stride, int n_columns, void *out);

/* total[f] += sums[f] for one strip of `real`. */
typedef void (*fastcls_add_fn)(double *total, const void *sums);

/* The packed product, for many classes. One operand has up to `product_rows` rows of at most FASTCLS_INNER terms, a fixed stride
   apart: weights of a few classes, or their slopes. The other is a panel: for every term `panel` adjacent values, one for each
   result of a row. The stride is not a power of two, so the rows do not share sets of the cache. */
enum { FASTCLS_INNER = 512, FASTCLS_INNER_STRIDE = 528, FASTCLS_MOST_PRODUCT_ROWS = 12 };

/* out[a * out_stride + j] = sum over i < n of A[a * FASTCLS_INNER_STRIDE + i] * panel[i * panel + j], terms in their order and
   fused, for the first n_rows rows; with `add` it is added to `out`. */
typedef void (*fastcls_product_fn)(const void *A, int n_rows, const void *panel, ptrdiff_t n, void *out, ptrdiff_t out_stride,
                                   int add);

/* One row as `real`, padded with zeros to whole strips: feature f to out[f / panel * panel_stride + f % panel]. */
typedef void (*fastcls_panels_fn)(const void *row, ptrdiff_t n_features, void *out, ptrdiff_t panel_stride);

/* `panel` rows of panels of features, whose rows are `panel` apart, as one panel of rows: out[f * panel + r] of
   in[f / panel * panel_stride + r * panel + f % panel]; n_features is a multiple of a strip. */
typedef void (*fastcls_turn_fn)(const void *in, ptrdiff_t panel_stride, ptrdiff_t n_features, void *out);

/* Softmax loss and slopes of FASTCLS_SOFTMAX_ROWS rows whose scores of class k are S[k * FASTCLS_INNER_STRIDE + r]. The slopes,
   times the row's weight, replace the scores; losses of the first n_rows rows. All rows must have scores; the slopes of those
   after n_rows have no meaning. A label that is no class gives a NaN loss. */
enum { FASTCLS_SOFTMAX_ROWS = 32 };
typedef void (*fastcls_softmax_fn)(void *S, ptrdiff_t n_classes, ptrdiff_t n_rows, const int64_t *labels,
                                   const double *weights, double *losses_out);

/* The class of the largest score of FASTCLS_SOFTMAX_ROWS rows, laid out as for the softmax; the first among equals. And by how
   much it is above the second largest: infinity for one class. Scores are finite. */
typedef void (*fastcls_best_fn)(const void *S, ptrdiff_t n_classes, int32_t *best_out, float *gap_out);

/* values[i] = e^(values[i] - top) for i < n, and their sum; no value is above `top`. */
typedef double (*fastcls_exponentials_fn)(double *values, ptrdiff_t n, double top);

/* Sum over f of (row[f] - center[f])^2; center is padded with zeros to a whole strip. */
typedef double (*fastcls_squares_fn)(const void *row, ptrdiff_t n_features, const double *center);

/* One step of descent for one strip of one column, in place; see descent.h. */
typedef struct {
    double rate, momentum, l2, l1; /* of this column's model; the penalty is l2 sum W^2 + l1 sum |W| */
    int nesterov;
    const double *center, *scale, *inverse_squared_scale; /* of this strip; the padding has 0, 1 and 0 */
} fastcls_step;
enum { FASTCLS_DOT_CENTER, FASTCLS_SQUARES, FASTCLS_MAGNITUDES, FASTCLS_N_PARTS };
typedef void (*fastcls_descend_fn)(void *W, void *velocity, const void *sums, const double *totals, double per_row,
                                   double bias_slope, const fastcls_step *step, double *parts_out);

typedef struct {
    int score_rows, columns; /* of one call: rows of a scores kernel, most columns of both kernels */
    fastcls_scores_fn scores[FASTCLS_N_TYPES][FASTCLS_N_REALS];
    fastcls_gradient_fn gradient[FASTCLS_N_TYPES][FASTCLS_N_REALS];
    fastcls_squares_fn squares[FASTCLS_N_TYPES];
    fastcls_descend_fn descend[FASTCLS_N_REALS];
    fastcls_add_fn add[FASTCLS_N_REALS];
    int product_rows;
    int panel[FASTCLS_N_REALS]; /* values of a panel for each term; divides FASTCLS_STRIP and FASTCLS_SOFTMAX_ROWS */
    fastcls_product_fn product[FASTCLS_N_REALS];
    fastcls_panels_fn panels[FASTCLS_N_TYPES][FASTCLS_N_REALS];
    fastcls_turn_fn turn[FASTCLS_N_REALS];
    fastcls_softmax_fn softmax[FASTCLS_N_REALS];
    fastcls_best_fn best; /* of float32 scores */
    fastcls_exponentials_fn exponentials;
} fastcls_linear;

#define FASTCLS_LINEAR_ROW(KERNEL, TYPE, ISA) {KERNEL##_##TYPE##_f32_##ISA, KERNEL##_##TYPE##_f64_##ISA}
#define FASTCLS_LINEAR_TABLE(KERNEL, ISA)                                                                                \
    {FASTCLS_LINEAR_ROW(KERNEL, u8, ISA), FASTCLS_LINEAR_ROW(KERNEL, i8, ISA), FASTCLS_LINEAR_ROW(KERNEL, f16, ISA),     \
     FASTCLS_LINEAR_ROW(KERNEL, bf16, ISA), FASTCLS_LINEAR_ROW(KERNEL, f32, ISA), {NULL, KERNEL##_f64_f64_##ISA}}
#define FASTCLS_LINEAR(ISA, ROWS, COLUMNS, PRODUCT_ROWS, SINGLES, DOUBLES)                                               \
    {ROWS, COLUMNS, FASTCLS_LINEAR_TABLE(scores, ISA), FASTCLS_LINEAR_TABLE(gradient, ISA),                              \
     {squares_u8_f64_##ISA, squares_i8_f64_##ISA, squares_f16_f64_##ISA, squares_bf16_f64_##ISA, squares_f32_f64_##ISA,  \
      squares_f64_f64_##ISA},                                                                                            \
     {descend_f32_##ISA, descend_f64_##ISA}, {add_f32_##ISA, add_f64_##ISA}, PRODUCT_ROWS, {SINGLES, DOUBLES},           \
     {product_f32_##ISA, product_f64_##ISA}, FASTCLS_LINEAR_TABLE(panels, ISA), {turn_f32_##ISA, turn_f64_##ISA},        \
     {softmax_f32_##ISA, softmax_f64_##ISA}, best_f32_##ISA, exponentials_f64_##ISA}

#endif
