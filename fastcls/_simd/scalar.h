/* The definition of every kernel, as plain loops.

   Everything faster is tested against these, bit for bit where integers allow and, for floats, in the order of additions
   stated here. They are built with -ffp-contract=off: a fused multiply-add would round once where the definition rounds
   twice.

   Conventions
     queries   n_queries rows of n_features, C-contiguous          rows   n_rows rows of n_features, C-contiguous
     tile_out  n_queries x n_rows float64, C-contiguous: S (or the dot product) of each pair
   Names: <metric>_<type>_<isa>. */
#ifndef FASTCLS_SCALAR_H
#define FASTCLS_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void (*fastcls_tile_fn)(const void *queries, ptrdiff_t n_queries, const void *rows, ptrdiff_t n_rows,
                                ptrdiff_t n_features, double *tile_out);
typedef void (*fastcls_widen_fn)(const void *source, ptrdiff_t n, double *widened_out);

/* Integers. A block of 65,536 features adds at most 65,536 x 65,025 = 4,261,478,400 < 2^32, so uint32 cannot wrap inside
   a block (int32 for int8 dot products: 65,536 x 16,384 = 2^30); blocks are added in 64 bits. The result is at most
   65,025 x n_features, exact in float64 up to 1.3e11 features. */
#define FASTCLS_BLOCK 65536

#define FASTCLS_INTEGER_PAIR(NAME, TYPE, PART, TOTAL, TERM)                                                              \
    static inline double NAME##_pair(const TYPE *x, const TYPE *y, ptrdiff_t n_features) {                              \
        TOTAL total = 0;                                                                                                 \
        for (ptrdiff_t start = 0; start < n_features; start += FASTCLS_BLOCK) {                                          \
            const ptrdiff_t left = n_features - start;                                                                   \
            const ptrdiff_t n = left < FASTCLS_BLOCK ? left : FASTCLS_BLOCK;                                             \
            const TYPE *a = x + start, *b = y + start;                                                                   \
            PART part = 0;                                                                                               \
            for (ptrdiff_t i = 0; i < n; i++) {                                                                          \
                const int32_t p = a[i], q = b[i];                                                                        \
                part += (PART)(TERM);                                                                                    \
            }                                                                                                            \
            total += part;                                                                                               \
        }                                                                                                                \
        return (double)total;                                                                                            \
    }

FASTCLS_INTEGER_PAIR(l1_u8_scalar, uint8_t, uint32_t, uint64_t, abs(p - q))
FASTCLS_INTEGER_PAIR(l1_i8_scalar, int8_t, uint32_t, uint64_t, abs(p - q))
FASTCLS_INTEGER_PAIR(sql2_u8_scalar, uint8_t, uint32_t, uint64_t, (p - q) * (p - q))
FASTCLS_INTEGER_PAIR(sql2_i8_scalar, int8_t, uint32_t, uint64_t, (p - q) * (p - q))
FASTCLS_INTEGER_PAIR(dot_u8_scalar, uint8_t, uint32_t, uint64_t, p * q)
FASTCLS_INTEGER_PAIR(dot_i8_scalar, int8_t, int32_t, int64_t, p * q)

/* Floats. Feature i is added in lane i mod 8; the fold is fixed. The eight lanes are independent chains, so a compiler may
   put them in registers of any width without changing a bit. */
#define FASTCLS_FLOAT_PAIR(NAME, TERM)                                                                                   \
    static inline double NAME##_pair(const double *x, const double *y, ptrdiff_t n_features) {                           \
        double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};                                                                       \
        ptrdiff_t i = 0;                                                                                                 \
        for (; i + 8 <= n_features; i += 8)                                                                              \
            for (int j = 0; j < 8; j++) {                                                                                \
                const double p = x[i + j], q = y[i + j];                                                                 \
                lane[j] += (TERM);                                                                                       \
            }                                                                                                            \
        for (int j = 0; i + j < n_features; j++) {                                                                       \
            const double p = x[i + j], q = y[i + j];                                                                     \
            lane[j] += (TERM);                                                                                           \
        }                                                                                                                \
        return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));                \
    }

FASTCLS_FLOAT_PAIR(l1_f64_scalar, fabs(p - q))
FASTCLS_FLOAT_PAIR(sql2_f64_scalar, (p - q) * (p - q))
FASTCLS_FLOAT_PAIR(dot_f64_scalar, p *q)

/* Tiles: the pair function for every query and row of a tile. */
#define FASTCLS_TILE(NAME, TYPE)                                                                                         \
    static void NAME(const void *queries, ptrdiff_t n_queries, const void *rows, ptrdiff_t n_rows,                       \
                     ptrdiff_t n_features, double *tile_out) {                                                           \
        for (ptrdiff_t i = 0; i < n_queries; i++)                                                                        \
            for (ptrdiff_t j = 0; j < n_rows; j++)                                                                       \
                tile_out[i * n_rows + j] = NAME##_pair((const TYPE *)queries + i * n_features,                           \
                                                       (const TYPE *)rows + j * n_features, n_features);                 \
    }

FASTCLS_TILE(l1_u8_scalar, uint8_t)
FASTCLS_TILE(l1_i8_scalar, int8_t)
FASTCLS_TILE(l1_f64_scalar, double)
FASTCLS_TILE(sql2_u8_scalar, uint8_t)
FASTCLS_TILE(sql2_i8_scalar, int8_t)
FASTCLS_TILE(sql2_f64_scalar, double)
FASTCLS_TILE(dot_u8_scalar, uint8_t)
FASTCLS_TILE(dot_i8_scalar, int8_t)
FASTCLS_TILE(dot_f64_scalar, double)

/* Widening to float64; every conversion is exact. */
#define FASTCLS_WIDEN(NAME, TYPE)                                                                                        \
    static void NAME(const void *source, ptrdiff_t n, double *widened_out) {                                             \
        const TYPE *s = (const TYPE *)source;                                                                            \
        for (ptrdiff_t i = 0; i < n; i++)                                                                                \
            widened_out[i] = (double)s[i];                                                                               \
    }

FASTCLS_WIDEN(widen_u8_scalar, uint8_t)
FASTCLS_WIDEN(widen_i8_scalar, int8_t)
FASTCLS_WIDEN(widen_f32_scalar, float)
FASTCLS_WIDEN(widen_f64_scalar, double)

/* IEEE half: sign, 5 bits of exponent (bias 15), 10 of mantissa; a zero exponent means mantissa x 2^-24. Written with
   integers so that no flush-to-zero mode set by another library can touch subnormals. Input is finite. */
static void widen_f16_scalar(const void *source, ptrdiff_t n, double *widened_out) {
    const uint16_t *s = (const uint16_t *)source;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t sign = (uint64_t)(s[i] >> 15) << 63, exponent = (s[i] >> 10) & 31, mantissa = s[i] & 1023;
        const uint64_t bits = sign | (exponent + 1008) << 52 | mantissa << 42;
        double normal;
        memcpy(&normal, &bits, sizeof normal);
        const double subnormal = (double)(int64_t)mantissa * (sign ? -0x1p-24 : 0x1p-24);
        widened_out[i] = exponent ? normal : subnormal;
    }
}

/* The table. Storage types and tiles are numbered once, here; _kernels.pyx gives the numbers their names. */
enum { FASTCLS_U8, FASTCLS_I8, FASTCLS_F16, FASTCLS_F32, FASTCLS_F64, FASTCLS_N_TYPES };
enum { FASTCLS_L1, FASTCLS_SQL2, FASTCLS_DOT, FASTCLS_N_TILES };

static const fastcls_tile_fn fastcls_tiles[FASTCLS_N_TILES][FASTCLS_N_TYPES] = {
    {l1_u8_scalar, l1_i8_scalar, 0, 0, l1_f64_scalar},
    {sql2_u8_scalar, sql2_i8_scalar, 0, 0, sql2_f64_scalar},
    {dot_u8_scalar, dot_i8_scalar, 0, 0, dot_f64_scalar},
};
static const fastcls_widen_fn fastcls_widen[FASTCLS_N_TYPES] = {
    widen_u8_scalar, widen_i8_scalar, widen_f16_scalar, widen_f32_scalar, widen_f64_scalar,
};
static const ptrdiff_t fastcls_type_bytes[FASTCLS_N_TYPES] = {1, 1, 2, 4, 8};

/* S of cosine from a dot product D = x.y and the squared norms A = x.x, B = y.y. Bitwise equal rows have D = A = B in
   the same arithmetic, so the bytes are compared only then: in practice only for true duplicates. */
static inline double cosine_from_dot(double D, double A, double B, const void *x, const void *y, ptrdiff_t n_bytes,
                                     int x_is_zero) {
    if (D == A && D == B && !x_is_zero && memcmp(x, y, (size_t)n_bytes) == 0)
        return 0.0;
    if (A == 0.0 || B == 0.0)
        return 1.0;
    const double S = 1.0 - D / (sqrt(A) * sqrt(B));
    return S < 0.0 ? 0.0 : S > 2.0 ? 2.0 : S;
}

#endif
