/* The filter's kernels on AVX-512 with VNNI. A tile is six queries x four registers of rows, each accumulator a variable of
   its own name (tile.h explains why). Most panels have no row that passes, and then nothing is written. */
#ifndef FASTCLS_FILTER_AVX512VNNI_H
#define FASTCLS_FILTER_AVX512VNNI_H
#include "../search/avx512vnni.h"
#include "contract.h"

FASTCLS_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")

/* Compress in a register and store all of it: vpcompressd to memory takes about a hundred cycles on Zen 4. */
static inline void append_i32x16_avx512(fastcls_list *list, __m512i keys, __mmask16 passed, int32_t first_row) {
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i rows = _mm512_add_epi32(_mm512_set1_epi32(first_row), lane);
    _mm512_storeu_si512(list->keys + list->n, _mm512_maskz_compress_epi32(passed, keys));
    _mm512_storeu_si512(list->rows + list->n, _mm512_maskz_compress_epi32(passed, rows));
    list->n += __builtin_popcount(passed);
}
static inline void append_i64x8_avx512(fastcls_list *list, __m512i keys, __mmask8 passed, int32_t first_row) {
    append_i32x16_avx512(list, _mm512_castsi256_si512(_mm512_cvtepi64_epi32(keys)), passed, first_row);
}

/* Sums as subnormals, off the ports of vpsadbw: see avx2.h. */
static inline __m512i add_subnormal_avx512(__m512i a, __m512i b) {
    return _mm512_castpd_si512(_mm512_add_pd(_mm512_castsi512_pd(a), _mm512_castsi512_pd(b)));
}

#define EACH_SIX(F) F(0) F(1) F(2) F(3) F(4) F(5)
#define EACH_ONE(F) F(0)
#define START(i)                                                                                                         \
    __m512i acc_##i##_0 = start_0, acc_##i##_1 = start_1, acc_##i##_2 = start_2, acc_##i##_3 = start_3;

#define L1_STEP(i)                                                                                                       \
    {                                                                                                                    \
        const __m512i q = load_i64x1_avx512(queries + (i)*8);                                                            \
        acc_##i##_0 = add_subnormal_avx512(acc_##i##_0, _mm512_sad_epu8(q, rows_0));                                     \
        acc_##i##_1 = add_subnormal_avx512(acc_##i##_1, _mm512_sad_epu8(q, rows_1));                                     \
        acc_##i##_2 = add_subnormal_avx512(acc_##i##_2, _mm512_sad_epu8(q, rows_2));                                     \
        acc_##i##_3 = add_subnormal_avx512(acc_##i##_3, _mm512_sad_epu8(q, rows_3));                                     \
    }
/* Rows among themselves: the limit of a pair is the looser one of the query's and the row's. */
#define L1_LIMIT(r) (row_limits ? _mm512_max_epi64(limit, of_row_##r) : limit)
#define L1_PASS(i)                                                                                                       \
    {                                                                                                                    \
        const __m512i limit = _mm512_set1_epi64(limits[i]);                                                              \
        const __mmask8 p0 = _mm512_cmple_epi64_mask(acc_##i##_0, L1_LIMIT(0)),                                           \
                       p1 = _mm512_cmple_epi64_mask(acc_##i##_1, L1_LIMIT(1)),                                           \
                       p2 = _mm512_cmple_epi64_mask(acc_##i##_2, L1_LIMIT(2)),                                           \
                       p3 = _mm512_cmple_epi64_mask(acc_##i##_3, L1_LIMIT(3));                                           \
        if (p0 | p1 | p2 | p3) {                                                                                         \
            append_i64x8_avx512(&lists[i], acc_##i##_0, p0, first_row);                                                  \
            append_i64x8_avx512(&lists[i], acc_##i##_1, p1, first_row + 8);                                              \
            append_i64x8_avx512(&lists[i], acc_##i##_2, p2, first_row + 16);                                             \
            append_i64x8_avx512(&lists[i], acc_##i##_3, p3, first_row + 24);                                             \
        }                                                                                                                \
    }
static inline __m512i load_limits_avx512(const int32_t *row_limits, int r) {
    return row_limits ? _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(row_limits + r))) : _mm512_setzero_si512();
}
#define L1_SCREEN(NAME, N, EACH)                                                                                         \
    FASTCLS_LOOP NAME(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,            \
                      const int32_t *limits, const int32_t *halves, const int32_t *row_limits, int32_t first_row,        \
                      fastcls_list *lists) {                                                                             \
        const __m512i start_0 = _mm512_setzero_si512(), start_1 = start_0, start_2 = start_0, start_3 = start_0;         \
        const unsigned mode = keep_subnormals();                                                                         \
        (void)starts, (void)halves;                                                                                      \
        EACH(START)                                                                                                      \
        for (ptrdiff_t step = 0; step < n_steps; step++, queries += (N)*8, panel += 256) {                               \
            const __m512i rows_0 = _mm512_loadu_si512(panel), rows_1 = _mm512_loadu_si512(panel + 64),                   \
                          rows_2 = _mm512_loadu_si512(panel + 128), rows_3 = _mm512_loadu_si512(panel + 192);            \
            EACH(L1_STEP)                                                                                                \
        }                                                                                                                \
        restore_subnormals(mode);                                                                                        \
        const __m512i of_row_0 = load_limits_avx512(row_limits, 0), of_row_1 = load_limits_avx512(row_limits, 8),        \
                      of_row_2 = load_limits_avx512(row_limits, 16), of_row_3 = load_limits_avx512(row_limits, 24);      \
        EACH(L1_PASS)                                                                                                    \
    }
L1_SCREEN(six_l1_avx512vnni, 6, EACH_SIX)
L1_SCREEN(one_l1_avx512vnni, 1, EACH_ONE)
FASTCLS_SCREEN(screen_l1_avx512vnni, six_l1_avx512vnni)
FASTCLS_SCREEN(screen_l1_one_avx512vnni, one_l1_avx512vnni)
FASTCLS_BOTH(both_l1_avx512vnni, six_l1_avx512vnni)

#define L2_STEP(i)                                                                                                       \
    {                                                                                                                    \
        const __m512i q = load_i32x1_avx512(queries + (i)*4);                                                            \
        acc_##i##_0 = dot_step_avx512(acc_##i##_0, q, rows_0);                                                           \
        acc_##i##_1 = dot_step_avx512(acc_##i##_1, q, rows_1);                                                           \
        acc_##i##_2 = dot_step_avx512(acc_##i##_2, q, rows_2);                                                           \
        acc_##i##_3 = dot_step_avx512(acc_##i##_3, q, rows_3);                                                           \
    }
#define L2_LIMIT(r) (row_limits ? _mm512_min_epi32(limit, _mm512_add_epi32(of_row_##r, half)) : limit)
#define L2_PASS(i)                                                                                                       \
    {                                                                                                                    \
        const __m512i limit = _mm512_set1_epi32(limits[i]), half = _mm512_set1_epi32(row_limits ? halves[i] : 0);        \
        const __mmask16 p0 = _mm512_cmpge_epi32_mask(acc_##i##_0, L2_LIMIT(0)),                                          \
                        p1 = _mm512_cmpge_epi32_mask(acc_##i##_1, L2_LIMIT(1)),                                          \
                        p2 = _mm512_cmpge_epi32_mask(acc_##i##_2, L2_LIMIT(2)),                                          \
                        p3 = _mm512_cmpge_epi32_mask(acc_##i##_3, L2_LIMIT(3));                                          \
        if (p0 | p1 | p2 | p3) {                                                                                         \
            append_i32x16_avx512(&lists[i], acc_##i##_0, p0, first_row);                                                 \
            append_i32x16_avx512(&lists[i], acc_##i##_1, p1, first_row + 16);                                            \
            append_i32x16_avx512(&lists[i], acc_##i##_2, p2, first_row + 32);                                            \
            append_i32x16_avx512(&lists[i], acc_##i##_3, p3, first_row + 48);                                            \
        }                                                                                                                \
    }
#define L2_SCREEN(NAME, N, EACH)                                                                                         \
    FASTCLS_LOOP NAME(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,            \
                      const int32_t *limits, const int32_t *halves, const int32_t *row_limits, int32_t first_row,        \
                      fastcls_list *lists) {                                                                             \
        const __m512i start_0 = _mm512_loadu_si512(starts), start_1 = _mm512_loadu_si512(starts + 16),                   \
                      start_2 = _mm512_loadu_si512(starts + 32), start_3 = _mm512_loadu_si512(starts + 48);              \
        EACH(START)                                                                                                      \
        for (ptrdiff_t step = 0; step < n_steps; step++, queries += (N)*4, panel += 256) {                               \
            const __m512i rows_0 = _mm512_loadu_si512(panel), rows_1 = _mm512_loadu_si512(panel + 64),                   \
                          rows_2 = _mm512_loadu_si512(panel + 128), rows_3 = _mm512_loadu_si512(panel + 192);            \
            EACH(L2_STEP)                                                                                                \
        }                                                                                                                \
        const int32_t *of_rows = row_limits ? row_limits : starts;                                                       \
        const __m512i of_row_0 = _mm512_loadu_si512(of_rows), of_row_1 = _mm512_loadu_si512(of_rows + 16),               \
                      of_row_2 = _mm512_loadu_si512(of_rows + 32), of_row_3 = _mm512_loadu_si512(of_rows + 48);          \
        EACH(L2_PASS)                                                                                                    \
    }
L2_SCREEN(six_l2_avx512vnni, 6, EACH_SIX)
L2_SCREEN(one_l2_avx512vnni, 1, EACH_ONE)
FASTCLS_SCREEN(screen_l2_avx512vnni, six_l2_avx512vnni)
FASTCLS_SCREEN(screen_l2_one_avx512vnni, one_l2_avx512vnni)
FASTCLS_BOTH(both_l2_avx512vnni, six_l2_avx512vnni)

/* Prefetch the codes of the next rows while this one is read: the rows are anywhere in memory. */
#define AHEAD 4
static inline void ask_for(const uint8_t *p, ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < width; i += 64)
        __builtin_prefetch(p + i);
}
static inline __mmask64 tail_mask(ptrdiff_t width) { return width % 64 ? ((__mmask64)1 << width % 64) - 1 : ~(__mmask64)0; }

static void at_l1_avx512vnni(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                             const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    const ptrdiff_t whole = (width - 1) / 64 * 64;
    const __mmask64 tail = tail_mask(width);
    (void)starts;
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = codes + rows[j] * width;
        if (j + AHEAD < n)
            ask_for(codes + rows[j + AHEAD] * width, width);
        __m512i a = _mm512_sad_epu8(_mm512_maskz_loadu_epi8(tail, query + whole), _mm512_maskz_loadu_epi8(tail, r + whole));
        __m512i b = _mm512_setzero_si512();
        ptrdiff_t i = 0;
        for (; i + 128 <= whole; i += 128) {
            a = _mm512_add_epi64(a, _mm512_sad_epu8(_mm512_loadu_si512(query + i), _mm512_loadu_si512(r + i)));
            b = _mm512_add_epi64(b, _mm512_sad_epu8(_mm512_loadu_si512(query + i + 64), _mm512_loadu_si512(r + i + 64)));
        }
        if (i < whole)
            a = _mm512_add_epi64(a, _mm512_sad_epu8(_mm512_loadu_si512(query + i), _mm512_loadu_si512(r + i)));
        keys_out[j] = (int32_t)_mm512_reduce_add_epi64(_mm512_add_epi64(a, b));
    }
}

static void at_l2_avx512vnni(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                             const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    const ptrdiff_t whole = (width - 1) / 64 * 64;
    const __mmask64 tail = tail_mask(width);
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = codes + rows[j] * width;
        if (j + AHEAD < n)
            ask_for(codes + rows[j + AHEAD] * width, width);
        __m512i a = dot_step_avx512(_mm512_setzero_si512(), _mm512_maskz_loadu_epi8(tail, query + whole),
                                    _mm512_maskz_loadu_epi8(tail, r + whole));
        __m512i b = _mm512_setzero_si512();
        ptrdiff_t i = 0;
        for (; i + 128 <= whole; i += 128) {
            a = dot_step_avx512(a, _mm512_loadu_si512(query + i), _mm512_loadu_si512(r + i));
            b = dot_step_avx512(b, _mm512_loadu_si512(query + i + 64), _mm512_loadu_si512(r + i + 64));
        }
        if (i < whole)
            a = dot_step_avx512(a, _mm512_loadu_si512(query + i), _mm512_loadu_si512(r + i));
        keys_out[j] = starts[rows[j]] + _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
    }
}

static void at_fine_avx512vnni(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *rows,
                               ptrdiff_t n, int32_t *keys_out) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = codes + rows[j] * width;
        if (j + AHEAD < n)
            ask_for(codes + rows[j + AHEAD] * width, width);
        __m512i a = _mm512_setzero_si512();
        for (ptrdiff_t i = 0; i < width; i += 64) {
            const __m512i diff_i16x32 = _mm512_sub_epi16(_mm512_loadu_si512(query + i), _mm512_loadu_si512(r + i));
            a = _mm512_add_epi32(a, _mm512_madd_epi16(diff_i16x32, diff_i16x32));
        }
        const int64_t total = reduce_i32x16_avx512(a);
        keys_out[j] = total < INT32_MAX ? (int32_t)total : INT32_MAX;
    }
}
#undef AHEAD

#define PROJECT_START(i)                                                                                                 \
    __m512i acc_##i##_0 = zero, acc_##i##_1 = zero, acc_##i##_2 = zero, acc_##i##_3 = zero;                              \
    const uint8_t *x_##i = x[i];
#define PROJECT_STEP(i)                                                                                                  \
    {                                                                                                                    \
        const __m512i q = _mm512_xor_si512(load_i32x1_avx512(x_##i + f), flips);                                         \
        acc_##i##_0 = dot_step_avx512(acc_##i##_0, q, rows_0);                                                           \
        acc_##i##_1 = dot_step_avx512(acc_##i##_1, q, rows_1);                                                           \
        acc_##i##_2 = dot_step_avx512(acc_##i##_2, q, rows_2);                                                           \
        acc_##i##_3 = dot_step_avx512(acc_##i##_3, q, rows_3);                                                           \
    }
#define PROJECT_LAST(i)                                                                                                  \
    {                                                                                                                    \
        uint8_t last[4] = {0, 0, 0, 0};                                                                                  \
        for (ptrdiff_t rest = 0; f + rest < n_features; rest++)                                                          \
            last[rest] = x_##i[f + rest];                                                                                \
        const __m512i q = _mm512_xor_si512(load_i32x1_avx512(last), flips);                                              \
        acc_##i##_0 = dot_step_avx512(acc_##i##_0, q, rows_0);                                                           \
        acc_##i##_1 = dot_step_avx512(acc_##i##_1, q, rows_1);                                                           \
        acc_##i##_2 = dot_step_avx512(acc_##i##_2, q, rows_2);                                                           \
        acc_##i##_3 = dot_step_avx512(acc_##i##_3, q, rows_3);                                                           \
    }
#define PROJECT_STORE(i)                                                                                                 \
    store_i32x16_avx512(out + (i)*64, acc_##i##_0, 1);                                                                   \
    store_i32x16_avx512(out + (i)*64 + 16, acc_##i##_1, 1);                                                              \
    store_i32x16_avx512(out + (i)*64 + 32, acc_##i##_2, 1);                                                              \
    store_i32x16_avx512(out + (i)*64 + 48, acc_##i##_3, 1);
#define PROJECT_ROWS                                                                                                     \
    const __m512i rows_0 = _mm512_loadu_si512(columns), rows_1 = _mm512_loadu_si512(columns + 64),                       \
                  rows_2 = _mm512_loadu_si512(columns + 128), rows_3 = _mm512_loadu_si512(columns + 192);

static void project_avx512vnni(const uint8_t *const *x, int flip, ptrdiff_t n_features, const uint8_t *columns,
                               double *out) {
    const __m512i flips = _mm512_set1_epi8((char)flip), zero = _mm512_setzero_si512();
    ptrdiff_t f = 0;
    EACH_SIX(PROJECT_START)
    for (; f + 4 <= n_features; f += 4, columns += 256) {
        PROJECT_ROWS
        EACH_SIX(PROJECT_STEP)
    }
    if (f < n_features) { /* flipped zeros are multiplied by zero columns */
        PROJECT_ROWS
        EACH_SIX(PROJECT_LAST)
    }
    EACH_SIX(PROJECT_STORE)
}

/* Stores the lanes of `inside` that are not above the threshold at `kept`, which is never after the lanes' own place. */
static inline ptrdiff_t keep_avx512(int32_t *rows, float *bounds, ptrdiff_t kept, __m512i row, __m512 bound,
                                    __m512 threshold, __mmask16 inside) {
    const __mmask16 stays = _mm512_mask_cmp_ps_mask(inside, bound, threshold, _CMP_NGT_UQ) &
                            _mm512_cmp_ps_mask(bound, _mm512_set1_ps(INFINITY), _CMP_NEQ_UQ);
    _mm512_storeu_si512(rows + kept, _mm512_maskz_compress_epi32(stays, row));
    _mm512_storeu_ps(bounds + kept, _mm512_maskz_compress_ps(stays, bound));
    return kept + __builtin_popcount(stays);
}
static inline __mmask16 inside_avx512(ptrdiff_t left) { return left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1); }

static ptrdiff_t drop_avx512vnni(int32_t *rows, float *bounds, ptrdiff_t first, ptrdiff_t n, float threshold) {
    const __m512 limit = _mm512_set1_ps(threshold);
    ptrdiff_t kept = first;
    for (ptrdiff_t i = first; i < n; i += 16)
        kept = keep_avx512(rows, bounds, kept, _mm512_loadu_si512(rows + i), _mm512_loadu_ps(bounds + i), limit,
                           inside_avx512(n - i));
    return kept;
}
static ptrdiff_t bound_avx512vnni(int gap, const int32_t *keys, int32_t *rows, float *bounds, ptrdiff_t first, ptrdiff_t n,
                                  int32_t norm, float own, const float *errors, float threshold) {
    const __m512 limit = _mm512_set1_ps(threshold), shrink = _mm512_set1_ps(1.0f - 0x1p-20f), of_query = _mm512_set1_ps(own);
    const __m512i norms = _mm512_set1_epi32(norm);
    ptrdiff_t kept = first;
    for (ptrdiff_t i = first; i < n; i += 16) {
        const __mmask16 inside = inside_avx512(n - i);
        const __m512i row = _mm512_loadu_si512(rows + i);
        __m512i key = _mm512_loadu_si512(keys + i);
        if (gap == FASTCLS_GAP_DOT)
            key = _mm512_max_epi32(_mm512_sub_epi32(norms, _mm512_slli_epi32(key, 1)), _mm512_setzero_si512());
        __m512 bound = _mm512_cvtepi32_ps(key);
        if (gap != FASTCLS_GAP_SUM)
            bound = _mm512_sqrt_ps(bound);
        bound = _mm512_sub_ps(_mm512_mul_ps(bound, shrink), of_query);
        bound = _mm512_sub_ps(bound, _mm512_mask_i32gather_ps(_mm512_setzero_ps(), inside, row, errors, 4));
        kept = keep_avx512(rows, bounds, kept, row, bound, limit, inside);
    }
    return kept;
}

static const fastcls_filter filter_avx512vnni = FASTCLS_FILTER(avx512vnni);

#undef EACH_SIX
#undef EACH_ONE
#undef START
#undef L1_STEP
#undef L1_LIMIT
#undef L1_PASS
#undef L1_SCREEN
#undef L2_STEP
#undef L2_LIMIT
#undef L2_PASS
#undef L2_SCREEN
#undef PROJECT_START
#undef PROJECT_STEP
#undef PROJECT_LAST
#undef PROJECT_STORE
#undef PROJECT_ROWS

FASTCLS_TARGET_END
#endif
