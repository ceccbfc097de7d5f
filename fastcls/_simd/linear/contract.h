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
#if defined(__GNUC__)
#define FASTCLS_PREFETCH(p) __builtin_prefetch(p)
#else
#define FASTCLS_PREFETCH(p) (void)(p)
#endif

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

/* total[f] += sums[f] for one strip; in C, whose `restrict` lets any compiler do it in vectors. */
static inline void fastcls_add_strip_f32(double *restrict total, const float *restrict sums) {
    for (int f = 0; f < FASTCLS_STRIP; f++)
        total[f] += (double)sums[f];
}
static inline void fastcls_add_strip_f64(double *restrict total, const double *restrict sums) {
    for (int f = 0; f < FASTCLS_STRIP; f++)
        total[f] += sums[f];
}

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
} fastcls_linear;

#define FASTCLS_LINEAR_ROW(KERNEL, TYPE, ISA) {KERNEL##_##TYPE##_f32_##ISA, KERNEL##_##TYPE##_f64_##ISA}
#define FASTCLS_LINEAR_TABLE(KERNEL, ISA)                                                                                \
    {FASTCLS_LINEAR_ROW(KERNEL, u8, ISA), FASTCLS_LINEAR_ROW(KERNEL, i8, ISA), FASTCLS_LINEAR_ROW(KERNEL, f16, ISA),     \
     FASTCLS_LINEAR_ROW(KERNEL, f32, ISA), {NULL, KERNEL##_f64_f64_##ISA}}
#define FASTCLS_LINEAR(ISA, ROWS, COLUMNS)                                                                     \
    {ROWS, COLUMNS, FASTCLS_LINEAR_TABLE(scores, ISA), FASTCLS_LINEAR_TABLE(gradient, ISA),                        \
     {squares_u8_f64_##ISA, squares_i8_f64_##ISA, squares_f16_f64_##ISA, squares_f32_f64_##ISA, squares_f64_f64_##ISA},  \
     {descend_f32_##ISA, descend_f64_##ISA}}

#endif
