/* The kernels of linear_digits.h by vpdpbusd: 24 accumulators, named, of 32 registers. */
#ifndef FASTCLS_LINEAR_DIGITS_AVX512VNNI_H
#define FASTCLS_LINEAR_DIGITS_AVX512VNNI_H
#include "avx512vnni.h"
#include "linear_avx512.h"
#include "linear_digits.h"

FASTCLS_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")

/* Whole numbers of units, as the bytes of the three digits: v + 128 in every byte, taken off again without borrowing. */
static inline __m512i digits_of_avx512(__m512 values, __m512 inverse) {
    const __m512i half = _mm512_set1_epi32(0x808080), v = _mm512_cvtps_epi32(_mm512_mul_ps(values, inverse));
    return _mm512_xor_si512(_mm512_add_epi32(v, half), half);
}

/* One strip of a column of weights into its digits, (3, 64), by the unit it has; and the largest and the sum of their
   magnitudes, by which units are chosen. */
static void split_strip_avx512vnni(const float *w, float unit, int8_t *digits_out, float *measures_out) {
    __m512 top = _mm512_setzero_ps(), sum = _mm512_setzero_ps();
    const __m512 inverse = _mm512_set1_ps(unit > 0.0f ? 1.0f / unit : 0.0f);
    for (int f = 0; f < FASTCLS_STRIP; f += 16) {
        const __m512 value = _mm512_loadu_ps(w + f), size = _mm512_abs_ps(value);
        top = _mm512_max_ps(size, top); /* the second where one is NaN; then the sum is NaN */
        sum = _mm512_add_ps(sum, size);
        const __m512i v = digits_of_avx512(value, inverse);
        _mm_storeu_si128((__m128i *)(digits_out + f), _mm512_cvtepi32_epi8(v));
        _mm_storeu_si128((__m128i *)(digits_out + FASTCLS_STRIP + f), _mm512_cvtepi32_epi8(_mm512_srli_epi32(v, 8)));
        _mm_storeu_si128((__m128i *)(digits_out + 2 * FASTCLS_STRIP + f), _mm512_cvtepi32_epi8(_mm512_srli_epi32(v, 16)));
    }
    measures_out[0] = _mm512_reduce_max_ps(top);
    measures_out[1] = _mm512_reduce_add_ps(sum);
}

/* Slopes G (n_rows, n_columns) into digits[row / 4][digit][column], four rows' digits in an int32; whether they all fit. */
static int split_slopes_avx512vnni(const float *G, ptrdiff_t n_rows, ptrdiff_t n_columns, int32_t *digits_out,
                                   float *units_out) {
    const ptrdiff_t n_fours = (n_rows + 3) / 4;
    for (ptrdiff_t k = 0; k < n_columns; k += 16) {
        const __mmask16 here = (__mmask16)(n_columns - k < 16 ? (1u << (n_columns - k)) - 1 : 0xffff);
        __m512 top = _mm512_setzero_ps(), sum = _mm512_setzero_ps();
        for (ptrdiff_t r = 0; r < n_rows; r++) {
            const __m512 size = _mm512_abs_ps(_mm512_maskz_loadu_ps(here, G + r * n_columns + k));
            top = _mm512_max_ps(size, top);
            sum = _mm512_add_ps(sum, size);
        }
        float tops[16], sums[16], inverses[16] = {0};
        _mm512_storeu_ps(tops, top);
        _mm512_storeu_ps(sums, sum);
        for (int i = 0; i < 16 && k + i < n_columns; i++) {
            /* No spread is too much: a slope adds to the gradient no more than the largest does. */
            const float unit = fastcls_digit_unit(tops[i], sums[i], n_rows, (double)n_rows);
            if (unit < 0.0f)
                return 0;
            units_out[k + i] = unit;
            inverses[i] = unit > 0.0f ? 1.0f / unit : 0.0f;
        }
        const __m512 inverse = _mm512_loadu_ps(inverses);
        const __m512i byte = _mm512_set1_epi32(0xff);
        for (ptrdiff_t four = 0; four < n_fours; four++) {
            __m512i v[4];
            for (ptrdiff_t i = 0; i < 4; i++) {
                const __mmask16 there = 4 * four + i < n_rows ? here : 0;
                v[i] = digits_of_avx512(_mm512_maskz_loadu_ps(there, G + (4 * four + i) * n_columns + k), inverse);
            }
            int32_t *out = digits_out + four * FASTCLS_N_DIGITS * n_columns + k;
            for (int digit = 0; digit < FASTCLS_N_DIGITS; digit++, out += n_columns) {
                __m512i fours = _mm512_and_si512(v[0], byte);
                fours = _mm512_or_si512(fours, _mm512_slli_epi32(_mm512_and_si512(v[1], byte), 8));
                fours = _mm512_or_si512(fours, _mm512_slli_epi32(_mm512_and_si512(v[2], byte), 16));
                fours = _mm512_or_si512(fours, _mm512_slli_epi32(v[3], 24));
                _mm512_mask_storeu_epi32(out, here, fours);
                for (int i = 0; i < 4; i++)
                    v[i] = _mm512_srli_epi32(v[i], 8);
            }
        }
    }
    return 1;
}

static inline __m512 join_digits_avx512(__m512i d_0, __m512i d_1, __m512i d_2) {
    const __m512 low = _mm512_fmadd_ps(_mm512_cvtepi32_ps(d_1), _mm512_set1_ps(256.0f), _mm512_cvtepi32_ps(d_0));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(d_2), _mm512_set1_ps(65536.0f), low);
}

/* The sums of four rows at once, 13 operations for 32: ((0+2)+(1+3)) in each quarter, then the quarters' halves. */
static inline void fold_four_avx512(double *out, ptrdiff_t stride, double unit, __m512 a, __m512 b, __m512 c, __m512 d) {
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512 low = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd)));
    const __m512 high = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd)));
    const __m512 all = _mm512_add_ps(low, high);
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    const __m256d sums = _mm256_cvtps_pd(_mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
    double of_row[4];
    _mm256_storeu_pd(of_row, sums);
    for (int r = 0; r < 4; r++)
        out[r * stride] += unit * of_row[r];
}

#define EACH_DIGIT(F, k) F(k, 0) F(k, 1) F(k, 2)
#define START_DIGIT(k, d)                                                                                                \
    __m512i acc_##k##d##_0 = zero, acc_##k##d##_1 = zero, acc_##k##d##_2 = zero, acc_##k##d##_3 = zero;
#define ADD_DIGIT(k, d, w)                                                                                               \
    {                                                                                                                    \
        const __m512i digit = w;                                                                                         \
        acc_##k##d##_0 = dot_step_avx512(acc_##k##d##_0, x_0, digit);                                                    \
        acc_##k##d##_1 = dot_step_avx512(acc_##k##d##_1, x_1, digit);                                                    \
        acc_##k##d##_2 = dot_step_avx512(acc_##k##d##_2, x_2, digit);                                                    \
        acc_##k##d##_3 = dot_step_avx512(acc_##k##d##_3, x_3, digit);                                                    \
    }
#define ADD_WEIGHTS(k, d) ADD_DIGIT(k, d, _mm512_loadu_si512(W + (k * FASTCLS_N_DIGITS + d) * FASTCLS_STRIP))
#define ADD_SLOPES(k, d) ADD_DIGIT(k, d, _mm512_set1_epi32(G[d * g_plane + k]))
#define JOINED(k, i) join_digits_avx512(acc_##k##0_##i, acc_##k##1_##i, acc_##k##2_##i)
#define FINISH_SCORES(k)                                                                                                 \
    fold_four_avx512(out + k, out_stride, (double)units[k], JOINED(k, 0), JOINED(k, 1), JOINED(k, 2), JOINED(k, 3));
#define FINISH_GRADIENT(k)                                                                                               \
    store_features_avx512(out + k * FASTCLS_STRIP, _mm512_set1_ps(units[k]), JOINED(k, 0), JOINED(k, 1), JOINED(k, 2),   \
                          JOINED(k, 3));

/* Undoes the order of interleave_avx512. */
static inline void store_features_avx512(float *out, __m512 unit, __m512 a, __m512 b, __m512 c, __m512 d) {
    const __m512 ab_low = _mm512_shuffle_f32x4(a, b, 0x44), ab_high = _mm512_shuffle_f32x4(a, b, 0xee);
    const __m512 cd_low = _mm512_shuffle_f32x4(c, d, 0x44), cd_high = _mm512_shuffle_f32x4(c, d, 0xee);
    _mm512_storeu_ps(out, _mm512_mul_ps(unit, _mm512_shuffle_f32x4(ab_low, cd_low, 0x88)));
    _mm512_storeu_ps(out + 16, _mm512_mul_ps(unit, _mm512_shuffle_f32x4(ab_low, cd_low, 0xdd)));
    _mm512_storeu_ps(out + 32, _mm512_mul_ps(unit, _mm512_shuffle_f32x4(ab_high, cd_high, 0x88)));
    _mm512_storeu_ps(out + 48, _mm512_mul_ps(unit, _mm512_shuffle_f32x4(ab_high, cd_high, 0xdd)));
}

#define DIGIT_KERNELS(N, EACH_COLUMN_START, EACH_COLUMN_WEIGHTS, EACH_COLUMN_SLOPES, EACH_COLUMN_SCORES, EACH_COLUMN_GRADIENT) \
    static void digit_scores_##N##_avx512vnni(const void *const *rows, ptrdiff_t n_features, const int8_t *W,            \
                                              ptrdiff_t w_stride, const float *units, double *out, ptrdiff_t out_stride, \
                                              const char *ahead) {                                                       \
        const uint8_t *row_0 = rows[0], *row_1 = rows[1], *row_2 = rows[2], *row_3 = rows[3];                            \
        const __m512i zero = _mm512_setzero_si512();                                                                     \
        ptrdiff_t f = 0;                                                                                                 \
        EACH_COLUMN_START                                                                                                \
        for (; f + 64 <= n_features; f += 64, W += w_stride) {                                                                      \
            FASTCLS_PREFETCH_LATER(ahead + f);                                                                           \
            const __m512i x_0 = _mm512_loadu_si512(row_0 + f), x_1 = _mm512_loadu_si512(row_1 + f);                      \
            const __m512i x_2 = _mm512_loadu_si512(row_2 + f), x_3 = _mm512_loadu_si512(row_3 + f);                      \
            EACH_COLUMN_WEIGHTS                                                                                          \
        }                                                                                                                \
        if (f < n_features) {                                                                                            \
            const __mmask64 rest = (((__mmask64)1) << (n_features - f)) - 1; /* nothing is read beyond a row */          \
            const __m512i x_0 = _mm512_maskz_loadu_epi8(rest, row_0 + f), x_1 = _mm512_maskz_loadu_epi8(rest, row_1 + f);\
            const __m512i x_2 = _mm512_maskz_loadu_epi8(rest, row_2 + f), x_3 = _mm512_maskz_loadu_epi8(rest, row_3 + f);\
            EACH_COLUMN_WEIGHTS                                                                                          \
        }                                                                                                                \
        EACH_COLUMN_SCORES                                                                                               \
    }                                                                                                                    \
    static void digit_gradient_##N##_avx512vnni(const __m512i *fours, ptrdiff_t n_fours, const int32_t *G,               \
                                                ptrdiff_t g_plane, const float *units, float *out) {                     \
        const __m512i zero = _mm512_setzero_si512();                                                                     \
        EACH_COLUMN_START                                                                                                \
        for (ptrdiff_t i = 0; i < n_fours; i++, G += FASTCLS_N_DIGITS * g_plane) {                                       \
            const __m512i x_0 = fours[4 * i], x_1 = fours[4 * i + 1], x_2 = fours[4 * i + 2], x_3 = fours[4 * i + 3];    \
            EACH_COLUMN_SLOPES                                                                                           \
        }                                                                                                                \
        EACH_COLUMN_GRADIENT                                                                                             \
    }
DIGIT_KERNELS(1, EACH_DIGIT(START_DIGIT, 0), EACH_DIGIT(ADD_WEIGHTS, 0), EACH_DIGIT(ADD_SLOPES, 0), FINISH_SCORES(0),
              FINISH_GRADIENT(0))
DIGIT_KERNELS(2, EACH_DIGIT(START_DIGIT, 0) EACH_DIGIT(START_DIGIT, 1), EACH_DIGIT(ADD_WEIGHTS, 0) EACH_DIGIT(ADD_WEIGHTS, 1),
              EACH_DIGIT(ADD_SLOPES, 0) EACH_DIGIT(ADD_SLOPES, 1), FINISH_SCORES(0) FINISH_SCORES(1),
              FINISH_GRADIENT(0) FINISH_GRADIENT(1))
#undef DIGIT_KERNELS
#undef FINISH_GRADIENT
#undef FINISH_SCORES
#undef JOINED
#undef ADD_SLOPES
#undef ADD_WEIGHTS
#undef ADD_DIGIT
#undef START_DIGIT
#undef EACH_DIGIT

/* out[r * out_stride + k] += sum over f of rows[r][f] * W[k][f], four rows and one or two columns; W has 64 features of
   each column's digits, and those of the next strip w_stride further. `ahead` is a row to ask memory for meanwhile. */
static void digit_scores_avx512vnni(const void *const *rows, const void *ahead, ptrdiff_t n_features, const int8_t *W,
                                    ptrdiff_t w_stride, const float *units, int n_columns, double *out, ptrdiff_t out_stride) {
    if (n_columns == 2)
        digit_scores_2_avx512vnni(rows, n_features, W, w_stride, units, out, out_stride, ahead);
    else
        digit_scores_1_avx512vnni(rows, n_features, W, w_stride, units, out, out_stride, ahead);
}

/* 64 features of four rows, the rows side by side in every int32: vector j has features 16 l + 4 j + 0..3 in its quarter l. */
static inline void interleave_avx512(__m512i *out, const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d,
                                     ptrdiff_t feature) {
    const __m512i x_0 = _mm512_loadu_si512(a + feature), x_1 = _mm512_loadu_si512(b + feature);
    const __m512i x_2 = _mm512_loadu_si512(c + feature), x_3 = _mm512_loadu_si512(d + feature);
    const __m512i low_01 = _mm512_unpacklo_epi8(x_0, x_1), high_01 = _mm512_unpackhi_epi8(x_0, x_1);
    const __m512i low_23 = _mm512_unpacklo_epi8(x_2, x_3), high_23 = _mm512_unpackhi_epi8(x_2, x_3);
    out[0] = _mm512_unpacklo_epi16(low_01, low_23);
    out[1] = _mm512_unpackhi_epi16(low_01, low_23);
    out[2] = _mm512_unpacklo_epi16(high_01, high_23);
    out[3] = _mm512_unpackhi_epi16(high_01, high_23);
}

/* out[k * FASTCLS_STRIP + f] = sum over r of G[r][k] * rows[r][feature + f]; G as split_slopes left it, from its first
   column on. The rows' bytes are first put side by side four by four, once for all columns. */
static void digit_gradient_avx512vnni(const void *const *rows, ptrdiff_t n_rows, ptrdiff_t feature, const int32_t *G,
                                      ptrdiff_t g_plane, const float *units, int n_columns, float *out) {
    __m512i fours[FASTCLS_DIGIT_ROWS];
    const ptrdiff_t n_fours = (n_rows + 3) / 4;
    ptrdiff_t r = 0;
    for (; r + 4 + PREFETCHED_ROWS <= n_rows; r += 4) {
        for (int i = 0; i < 4; i++)
            FASTCLS_PREFETCH((const char *)rows[r + PREFETCHED_ROWS + i] + feature);
        interleave_avx512(fours + r, rows[r], rows[r + 1], rows[r + 2], rows[r + 3], feature);
    }
    for (; r < n_rows; r += 4) { /* a row that is not there is the last once more: its slopes are 0 */
        const ptrdiff_t last = n_rows - 1;
        interleave_avx512(fours + r, rows[r], rows[r + 1 < last ? r + 1 : last], rows[r + 2 < last ? r + 2 : last],
                          rows[r + 3 < last ? r + 3 : last], feature);
    }
    int k = 0;
    for (; k + 2 <= n_columns; k += 2)
        digit_gradient_2_avx512vnni(fours, n_fours, G + k, g_plane, units + k, out + k * FASTCLS_STRIP);
    if (k < n_columns)
        digit_gradient_1_avx512vnni(fours, n_fours, G + k, g_plane, units + k, out + k * FASTCLS_STRIP);
}

static const fastcls_digit_kernels digits_avx512vnni = {split_strip_avx512vnni, split_slopes_avx512vnni,
                                                        digit_scores_avx512vnni, digit_gradient_avx512vnni};

FASTCLS_TARGET_END
#endif
