/* The definition of every kernel, as plain loops.

   All faster kernels are tested against these, bit for bit: integers are exact, and for floats the order of additions is defined
   here and kept everywhere. Built with -ffp-contract=off: a fused multiply-add would round once where the definition rounds
   twice. */
#ifndef FASTCLS_SCALAR_H
#define FASTCLS_SCALAR_H

#include "contract.h"

/* Integers. A block of 65,536 features adds at most 65,536 x 65,025 = 4,261,478,400 < 2^32, so uint32 cannot wrap inside
   a block (int32 for int8 dot products: 65,536 x 16,384 = 2^30); blocks are added in 64 bits. The result is at most
   65,025 x n_features, exact in float64 up to 1.3e11 features. */
#define FASTCLS_BLOCK 65536

#define INTEGER_PAIR(NAME, TYPE, PART, TOTAL, TERM)                                                                      \
    static double NAME(const void *x, const void *y, ptrdiff_t n_features) {                                             \
        TOTAL total = 0;                                                                                                 \
        for (ptrdiff_t start = 0; start < n_features; start += FASTCLS_BLOCK) {                                          \
            const ptrdiff_t left = n_features - start, n = left < FASTCLS_BLOCK ? left : FASTCLS_BLOCK;                  \
            const TYPE *a = (const TYPE *)x + start, *b = (const TYPE *)y + start;                                       \
            PART part = 0;                                                                                               \
            for (ptrdiff_t i = 0; i < n; i++) {                                                                          \
                const int32_t p = a[i], q = b[i];                                                                        \
                part += (PART)(TERM);                                                                                    \
            }                                                                                                            \
            total += part;                                                                                               \
        }                                                                                                                \
        return (double)total;                                                                                            \
    }

INTEGER_PAIR(l1_u8_pair_scalar, uint8_t, uint32_t, uint64_t, abs(p - q))
INTEGER_PAIR(l1_i8_pair_scalar, int8_t, uint32_t, uint64_t, abs(p - q))
INTEGER_PAIR(sql2_u8_pair_scalar, uint8_t, uint32_t, uint64_t, (p - q) * (p - q))
INTEGER_PAIR(sql2_i8_pair_scalar, int8_t, uint32_t, uint64_t, (p - q) * (p - q))
INTEGER_PAIR(dot_u8_pair_scalar, uint8_t, uint32_t, uint64_t, p * q)
INTEGER_PAIR(dot_i8_pair_scalar, int8_t, int32_t, int64_t, p * q)

/* IEEE half: sign, 5 bits of exponent (bias 15), 10 of mantissa; a zero exponent means mantissa x 2^-24. Written with
   integers so that no flush-to-zero mode set by another library can touch subnormals. The last exponent, of infinity and NaN,
   becomes the last of a double: rows are finite at first, but may be changed later. */
static inline double widen_f16(uint16_t half) {
    const uint64_t sign = (uint64_t)(half >> 15) << 63, exponent = (half >> 10) & 31, mantissa = half & 1023;
    const uint64_t last = exponent == 31 ? 1008 : 0;
    const uint64_t bits = sign | (exponent + 1008 + last) << 52 | mantissa << 42;
    double normal;
    memcpy(&normal, &bits, sizeof normal);
    const double subnormal = (double)(int64_t)mantissa * (sign ? -0x1p-24 : 0x1p-24);
    return exponent ? normal : subnormal;
}
/* bfloat16 is the upper half of a single. */
static inline double widen_bf16(uint16_t upper) {
    const uint32_t bits = (uint32_t)upper << 16;
    float single;
    memcpy(&single, &bits, sizeof single);
    return (double)single;
}
#define WIDEN_AS_IT_IS(v) ((double)(v))

/* Floats. Feature i is added in lane i mod 8; the fold is fixed. The eight lanes are independent chains, so a compiler may
   put them in registers of any width without changing a bit. */
#define SCALAR_FLOAT_PAIR(NAME, TYPE, WIDEN, TERM)                                                                       \
    static double NAME(const void *x, const void *y, ptrdiff_t n_features) {                                             \
        const TYPE *a = (const TYPE *)x, *b = (const TYPE *)y;                                                           \
        double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};                                                                       \
        ptrdiff_t i = 0;                                                                                                 \
        for (; i + 8 <= n_features; i += 8)                                                                              \
            for (int j = 0; j < 8; j++) {                                                                                \
                const double p = WIDEN(a[i + j]), q = WIDEN(b[i + j]);                                                   \
                lane[j] += (TERM);                                                                                       \
            }                                                                                                            \
        for (int j = 0; i + j < n_features; j++) {                                                                       \
            const double p = WIDEN(a[i + j]), q = WIDEN(b[i + j]);                                                       \
            lane[j] += (TERM);                                                                                           \
        }                                                                                                                \
        return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));                \
    }

SCALAR_FLOAT_PAIR(l1_f16_pair_scalar, uint16_t, widen_f16, fabs(p - q))
SCALAR_FLOAT_PAIR(l1_bf16_pair_scalar, uint16_t, widen_bf16, fabs(p - q))
SCALAR_FLOAT_PAIR(l1_f32_pair_scalar, float, WIDEN_AS_IT_IS, fabs(p - q))
SCALAR_FLOAT_PAIR(l1_f64_pair_scalar, double, WIDEN_AS_IT_IS, fabs(p - q))
SCALAR_FLOAT_PAIR(sql2_f16_pair_scalar, uint16_t, widen_f16, (p - q) * (p - q))
SCALAR_FLOAT_PAIR(sql2_bf16_pair_scalar, uint16_t, widen_bf16, (p - q) * (p - q))
SCALAR_FLOAT_PAIR(sql2_f32_pair_scalar, float, WIDEN_AS_IT_IS, (p - q) * (p - q))
SCALAR_FLOAT_PAIR(sql2_f64_pair_scalar, double, WIDEN_AS_IT_IS, (p - q) * (p - q))
SCALAR_FLOAT_PAIR(dot_f16_pair_scalar, uint16_t, widen_f16, p * q)
SCALAR_FLOAT_PAIR(dot_bf16_pair_scalar, uint16_t, widen_bf16, p * q)
SCALAR_FLOAT_PAIR(dot_f32_pair_scalar, float, WIDEN_AS_IT_IS, p * q)
SCALAR_FLOAT_PAIR(dot_f64_pair_scalar, double, WIDEN_AS_IT_IS, p * q)

static ptrdiff_t select_scalar(const double *sums, ptrdiff_t n, double scale, double query_term, const double *row_terms,
                               const double *row_factors, double threshold, double *keys_out, int32_t *chosen_out) {
    ptrdiff_t n_chosen = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const double key = (sums[j] * scale + query_term + row_terms[j]) * row_factors[j];
        if (!(key > threshold)) {
            keys_out[n_chosen] = key;
            chosen_out[n_chosen++] = (int32_t)j;
        }
    }
    return n_chosen;
}

#define ISA scalar
#define VALUES double
#define NUMBERS int64_t
#define MASK int
#define WIDTH 1
#define LOAD_V(p) (*(p))
#define STORE_V(p, v) (*(p) = (v))
#define SET_V(x) (x)
#define LOAD_N(p) (*(p))
#define STORE_N(p, v) (*(p) = (v))
#define SET_N(x) (x)
#define ADD_V(a, b) ((a) + (b))
#define SUB_V(a, b) ((a) - (b))
#define MUL_V(a, b) ((a) * (b))
#define ABS_V fabs
#define LESS(a, b) ((a) < (b))
#define NOT_EQUAL(a, b) ((a) != (b))
#define ANY(m) (m)
#define PICK_V(m, a, b) ((m) ? (a) : (b))
#define PICK_N PICK_V
#include "low_dimensional.h"
#undef ISA

/* Conversion to float64, always exact. */
#define SCALAR_WIDEN(NAME, TYPE, WIDEN)                                                                                  \
    static void NAME(const void *source, ptrdiff_t n, double *widened_out) {                                             \
        const TYPE *s = (const TYPE *)source;                                                                            \
        for (ptrdiff_t i = 0; i < n; i++)                                                                                \
            widened_out[i] = WIDEN(s[i]);                                                                                \
    }

SCALAR_WIDEN(widen_u8_scalar, uint8_t, WIDEN_AS_IT_IS)
SCALAR_WIDEN(widen_i8_scalar, int8_t, WIDEN_AS_IT_IS)
SCALAR_WIDEN(widen_f16_scalar, uint16_t, widen_f16)
SCALAR_WIDEN(widen_bf16_scalar, uint16_t, widen_bf16)
SCALAR_WIDEN(widen_f32_scalar, float, WIDEN_AS_IT_IS)
SCALAR_WIDEN(widen_f64_scalar, double, WIDEN_AS_IT_IS)

static const fastcls_widen_fn fastcls_widen[FASTCLS_N_TYPES] = {
    widen_u8_scalar, widen_i8_scalar, widen_f16_scalar, widen_bf16_scalar, widen_f32_scalar, widen_f64_scalar,
};
static const ptrdiff_t fastcls_type_bytes[FASTCLS_N_TYPES] = {1, 1, 2, 2, 4, 8};

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

static const fastcls_search search_scalar = {{{0}}, select_scalar, low_dimensional_scalar, FASTCLS_ALL_PAIRS(scalar), 0};

#endif
