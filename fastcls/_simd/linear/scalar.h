/* The linear kernels as plain loops: the definition. */
#ifndef FASTCLS_LINEAR_SCALAR_H
#define FASTCLS_LINEAR_SCALAR_H

#include "../search/scalar.h"
#include "contract.h"

#define LINEAR_SCALAR(TYPE, STORED, WIDEN, REAL_NAME, REAL)                                                              \
    static void scores_##TYPE##_##REAL_NAME##_scalar(const void *const *rows, const void *const *ahead,                  \
                                                     ptrdiff_t n_features, const void *W, ptrdiff_t w_stride,            \
                                                     int n_columns, double *out, ptrdiff_t out_stride) {                 \
        (void)ahead;                                                                                                     \
        for (int k = 0; k < n_columns; k++) {                                                                            \
            const STORED *x = (const STORED *)rows[0];                                                                   \
            const REAL *w = (const REAL *)W + k * w_stride;                                                              \
            REAL total = 0;                                                                                              \
            for (ptrdiff_t f = 0; f < n_features; f++)                                                                   \
                total += (REAL)WIDEN(x[f]) * w[f];                                                                       \
            out[k] += (double)total;                                                                                     \
        }                                                                                                                \
        (void)out_stride;                                                                                                \
    }                                                                                                                    \
    static void gradient_##TYPE##_##REAL_NAME##_scalar(const void *const *rows, ptrdiff_t n_rows, ptrdiff_t feature,     \
                                                       const void *G, ptrdiff_t g_stride, int n_columns, void *out) {    \
        REAL *total = (REAL *)out;                                                                                       \
        for (ptrdiff_t i = 0; i < n_columns * FASTCLS_STRIP; i++)                                                        \
            total[i] = 0;                                                                                                \
        for (ptrdiff_t r = 0; r < n_rows; r++) {                                                                         \
            const STORED *x = (const STORED *)rows[r] + feature;                                                         \
            const REAL *g = (const REAL *)G + r * g_stride;                                                              \
            for (int k = 0; k < n_columns; k++)                                                                          \
                for (int f = 0; f < FASTCLS_STRIP; f++)                                                                  \
                    total[k * FASTCLS_STRIP + f] += g[k] * (REAL)WIDEN(x[f]);                                            \
        }                                                                                                                \
    }

#define LINEAR_SQUARES(TYPE, STORED, WIDEN)                                                                              \
    static double squares_##TYPE##_f64_scalar(const void *row, ptrdiff_t n_features, const double *center) {             \
        double total = 0.0;                                                                                              \
        for (ptrdiff_t f = 0; f < n_features; f++) {                                                                     \
            const double difference = (double)WIDEN(((const STORED *)row)[f]) - center[f];                               \
            total += difference * difference;                                                                            \
        }                                                                                                                \
        return total;                                                                                                    \
    }

/* Panels of eight values. */
#define LINEAR_PANELS(TYPE, STORED, WIDEN, REAL_NAME, REAL)                                                               \
    static void panels_##TYPE##_##REAL_NAME##_scalar(const void *row, ptrdiff_t n_features, void *out,                    \
                                                    ptrdiff_t panel_stride) {                                            \
        const ptrdiff_t stop = (n_features + FASTCLS_STRIP - 1) / FASTCLS_STRIP * FASTCLS_STRIP;                         \
        for (ptrdiff_t f = 0; f < stop; f++)                                                                             \
            ((REAL *)out)[f / 8 * panel_stride + f % 8] = f < n_features ? (REAL)WIDEN(((const STORED *)row)[f]) : 0;    \
    }
#define LINEAR_PRODUCT(REAL_NAME, REAL)                                                                                  \
    static void product_##REAL_NAME##_scalar(const void *A, int n_rows, const void *panel, ptrdiff_t n, void *out,       \
                                             ptrdiff_t out_stride, int add) {                                            \
        for (int a = 0; a < n_rows; a++) {                                                                               \
            REAL total[8] = {0}, *to = (REAL *)out + a * out_stride;                                                     \
            for (ptrdiff_t i = 0; i < n; i++)                                                                            \
                for (int j = 0; j < 8; j++)                                                                              \
                    total[j] += ((const REAL *)A)[a * FASTCLS_INNER_STRIDE + i] * ((const REAL *)panel)[i * 8 + j];      \
            for (int j = 0; j < 8; j++)                                                                                  \
                to[j] = add ? to[j] + total[j] : total[j];                                                               \
        }                                                                                                                \
    }

LINEAR_SCALAR(u8, uint8_t, WIDEN_AS_IT_IS, f32, float)
LINEAR_PANELS(u8, uint8_t, WIDEN_AS_IT_IS, f32, float)
LINEAR_SCALAR(i8, int8_t, WIDEN_AS_IT_IS, f32, float)
LINEAR_PANELS(i8, int8_t, WIDEN_AS_IT_IS, f32, float)
LINEAR_SCALAR(f16, uint16_t, widen_f16, f32, float)
LINEAR_PANELS(f16, uint16_t, widen_f16, f32, float)
LINEAR_SCALAR(bf16, uint16_t, widen_bf16, f32, float)
LINEAR_PANELS(bf16, uint16_t, widen_bf16, f32, float)
LINEAR_SCALAR(f32, float, WIDEN_AS_IT_IS, f32, float)
LINEAR_PANELS(f32, float, WIDEN_AS_IT_IS, f32, float)
LINEAR_SCALAR(u8, uint8_t, WIDEN_AS_IT_IS, f64, double)
LINEAR_PANELS(u8, uint8_t, WIDEN_AS_IT_IS, f64, double)
LINEAR_SCALAR(i8, int8_t, WIDEN_AS_IT_IS, f64, double)
LINEAR_PANELS(i8, int8_t, WIDEN_AS_IT_IS, f64, double)
LINEAR_SCALAR(f16, uint16_t, widen_f16, f64, double)
LINEAR_PANELS(f16, uint16_t, widen_f16, f64, double)
LINEAR_SCALAR(bf16, uint16_t, widen_bf16, f64, double)
LINEAR_PANELS(bf16, uint16_t, widen_bf16, f64, double)
LINEAR_SCALAR(f32, float, WIDEN_AS_IT_IS, f64, double)
LINEAR_PANELS(f32, float, WIDEN_AS_IT_IS, f64, double)
LINEAR_SCALAR(f64, double, WIDEN_AS_IT_IS, f64, double)
LINEAR_PANELS(f64, double, WIDEN_AS_IT_IS, f64, double)
LINEAR_PRODUCT(f32, float)
LINEAR_PRODUCT(f64, double)

LINEAR_SQUARES(u8, uint8_t, WIDEN_AS_IT_IS)
LINEAR_SQUARES(i8, int8_t, WIDEN_AS_IT_IS)
LINEAR_SQUARES(f16, uint16_t, widen_f16)
LINEAR_SQUARES(bf16, uint16_t, widen_bf16)
LINEAR_SQUARES(f32, float, WIDEN_AS_IT_IS)
LINEAR_SQUARES(f64, double, WIDEN_AS_IT_IS)

#define ISA scalar
#define PANEL 8
#define FUSED(a, b, c) ((a) * (b) + (c))
#define REAL float
#define REAL_NAME f32
#define EXP_TERMS 8
#include "softmax.h"
#define TURN turn_f32_scalar
#include "turn.h"
#define DESCEND descend_f32_scalar
#define ADD_STRIP add_f32_scalar
#include "descent.h"
#undef REAL_NAME
#define PANEL 8
#define REAL double
#define REAL_NAME f64
#define EXP_TERMS 12
#include "softmax.h"
#define TURN turn_f64_scalar
#include "turn.h"
#define DESCEND descend_f64_scalar
#define ADD_STRIP add_f64_scalar
#include "descent.h"
#undef REAL_NAME
#undef FUSED
#undef ISA

static const fastcls_linear linear_scalar = FASTCLS_LINEAR(scalar, 1, FASTCLS_MOST_COLUMNS, FASTCLS_MOST_PRODUCT_ROWS, 8, 8);

#endif
