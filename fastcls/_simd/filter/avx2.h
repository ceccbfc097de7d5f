/* The filter's kernels on AVX2. A tile is six queries x two registers of rows under L1 (twelve sums), x one under L2. The panel is
   read from the L1 cache, once per pair (L1) or once per register (L2) of its eight registers. Most have no row that passes, and
   then nothing is written.

   L2 multiplies bytes by vpmaddubsw, whose sums of two products saturate where a factor has all eight bits: so the query's
   code is taken as c = q - 128, within +-128, and |c| x (r with the sign of c) is at most 128 x 127, two of them below 2^15.
   The 128 that is missing of every q comes back as 128 sum(r), once for all six queries. */
#ifndef FASTCLS_FILTER_AVX2_H
#define FASTCLS_FILTER_AVX2_H
#include "../search/avx2.h"
#include "contract.h"

FASTCLS_TARGET_BEGIN("avx2,fma,f16c")

#define ISA avx2
#include "keep.h"

static inline void append_i32x8_avx2(fastcls_list *list, __m256i keys, unsigned passed, int32_t first_row) {
    int32_t lanes[8];
    _mm256_storeu_si256((__m256i *)lanes, keys);
    for (; passed; passed &= passed - 1) {
        const int lane = __builtin_ctz(passed);
        list->keys[list->n] = lanes[lane];
        list->rows[list->n++] = first_row + lane;
    }
}
/* Keys in the low halves of 64 bits. */
static inline void append_i64x4_avx2(fastcls_list *list, __m256i keys, unsigned passed, int32_t first_row) {
    const __m256i low = _mm256_permutevar8x32_epi32(keys, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
    append_i32x8_avx2(list, low, passed, first_row);
}

#define EACH_SIX(F) F(0) F(1) F(2) F(3) F(4) F(5)
#define EACH_EIGHT(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)

/* Sums as subnormals, off the ports of vpsadbw: see avx2.h. */
static inline __m256i add_l1_avx2(__m256i a, __m256i q, __m256i r) {
    return _mm256_castpd_si256(_mm256_add_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(_mm256_sad_epu8(q, r))));
}
static inline unsigned above_i64x4_avx2(__m256i keys, __m256i limit) {
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(keys, limit)));
}

#define L1_START(i) __m256i acc_##i##_0 = _mm256_setzero_si256(), acc_##i##_1 = _mm256_setzero_si256();
#define L1_STEP(i)                                                                                                       \
    {                                                                                                                    \
        const __m256i q = load_i64x1_avx2(query + (i)*8);                                                                \
        acc_##i##_0 = add_l1_avx2(acc_##i##_0, q, rows_0);                                                               \
        acc_##i##_1 = add_l1_avx2(acc_##i##_1, q, rows_1);                                                               \
    }
#define L1_PASS(i)                                                                                                       \
    {                                                                                                                    \
        const __m256i limit = _mm256_set1_epi64x(limits[i]);                                                             \
        unsigned out_0 = above_i64x4_avx2(acc_##i##_0, limit), out_1 = above_i64x4_avx2(acc_##i##_1, limit);             \
        if (row_limits) {                                                                                                \
            out_0 &= above_i64x4_avx2(acc_##i##_0, load_limits_avx2(row_limits));                                        \
            out_1 &= above_i64x4_avx2(acc_##i##_1, load_limits_avx2(row_limits + 4));                                    \
        }                                                                                                                \
        if ((out_0 & out_1) != 15) {                                                                                     \
            append_i64x4_avx2(&lists[i], acc_##i##_0, out_0 ^ 15, first_row);                                            \
            append_i64x4_avx2(&lists[i], acc_##i##_1, out_1 ^ 15, first_row + 4);                                        \
        }                                                                                                                \
    }
/* Rows among themselves: a row is out if it is out for the query, and the query for it. */
static inline __m256i load_limits_avx2(const int32_t *row_limits) {
    return _mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i *)row_limits));
}
FASTCLS_LOOP six_l1_avx2(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                         const int32_t *limits, const int32_t *halves, const int32_t *row_limits, int32_t first_row,
                         fastcls_list *lists) {
    const unsigned mode = keep_subnormals();
    (void)starts, (void)halves;
    for (const uint8_t *end = panel + 256; panel < end; panel += 64, first_row += 8) {
        const uint8_t *query = queries, *row = panel;
        EACH_SIX(L1_START)
        for (ptrdiff_t step = 0; step < n_steps; step++, query += 48, row += 256) {
            const __m256i rows_0 = load_bytes_avx2(row), rows_1 = load_bytes_avx2(row + 32);
            EACH_SIX(L1_STEP)
        }
        EACH_SIX(L1_PASS)
        if (row_limits)
            row_limits += 8;
    }
    restore_subnormals(mode);
}
FASTCLS_SCREEN(screen_l1_avx2, six_l1_avx2)
FASTCLS_BOTH(both_l1_avx2, six_l1_avx2)

/* One query: all eight registers of the panel at once. */
#define L1_ONE_START(r) __m256i acc_##r = _mm256_setzero_si256();
#define L1_ONE_STEP(r) acc_##r = add_l1_avx2(acc_##r, q, load_bytes_avx2(panel + (r)*32));
#define L1_ONE_PASS(r)                                                                                                   \
    {                                                                                                                    \
        const unsigned out = above_i64x4_avx2(acc_##r, limit);                                                           \
        if (out != 15)                                                                                                   \
            append_i64x4_avx2(lists, acc_##r, out ^ 15, first_row + (r)*4);                                              \
    }
static void screen_l1_one_avx2(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                               const int32_t *limits, int32_t first_row, fastcls_list *lists) {
    const unsigned mode = keep_subnormals();
    const __m256i limit = _mm256_set1_epi64x(limits[0]);
    (void)starts;
    EACH_EIGHT(L1_ONE_START)
    for (ptrdiff_t step = 0; step < n_steps; step++, queries += 8, panel += 256) {
        const __m256i q = load_i64x1_avx2(queries);
        EACH_EIGHT(L1_ONE_STEP)
    }
    restore_subnormals(mode);
    EACH_EIGHT(L1_ONE_PASS)
}

/* Sums of four products: of c = q - 128 with r, and of 128 with r. */
static inline __m256i add_pairs_avx2(__m256i a, __m256i pairs_i16x16) {
    return _mm256_add_epi32(a, _mm256_madd_epi16(pairs_i16x16, _mm256_set1_epi16(1)));
}
static inline __m256i add_signed_avx2(__m256i a, __m256i c_i8x32, __m256i r_i8x32) {
    return add_pairs_avx2(a, _mm256_maddubs_epi16(_mm256_abs_epi8(c_i8x32), _mm256_sign_epi8(r_i8x32, c_i8x32)));
}
static inline __m256i add_128_avx2(__m256i a, __m256i r_i8x32) {
    return add_pairs_avx2(a, _mm256_maddubs_epi16(_mm256_set1_epi8((char)0x80), r_i8x32));
}
static inline unsigned below_i32x8_avx2(__m256i keys, __m256i limit) {
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, keys)));
}

#define ZERO_START(i) __m256i acc_##i = _mm256_setzero_si256();
#define L2_STEP(i) acc_##i = add_signed_avx2(acc_##i, flip_avx2(load_i32x1_avx2(query + (i)*4)), rows);
#define L2_PASS(i)                                                                                                       \
    {                                                                                                                    \
        const __m256i keys = _mm256_add_epi32(acc_##i, base);                                                            \
        unsigned out = below_i32x8_avx2(keys, _mm256_set1_epi32(limits[i]));                                             \
        if (row_limits)                                                                                                  \
            out &= below_i32x8_avx2(keys, _mm256_add_epi32(of_row, _mm256_set1_epi32(halves[i])));                       \
        if (out != 255)                                                                                                  \
            append_i32x8_avx2(&lists[i], keys, out ^ 255, first_row);                                                    \
    }
FASTCLS_LOOP six_l2_avx2(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                         const int32_t *limits, const int32_t *halves, const int32_t *row_limits, int32_t first_row,
                         fastcls_list *lists) {
    for (const uint8_t *end = panel + 256; panel < end; panel += 32, starts += 8, first_row += 8) {
        const uint8_t *query = queries, *row = panel;
        __m256i base = load_bytes_avx2((const uint8_t *)starts);
        EACH_SIX(ZERO_START)
        for (ptrdiff_t step = 0; step < n_steps; step++, query += 24, row += 256) {
            const __m256i rows = load_bytes_avx2(row);
            base = add_128_avx2(base, rows);
            EACH_SIX(L2_STEP)
        }
        const __m256i of_row = load_bytes_avx2((const uint8_t *)(row_limits ? row_limits : starts));
        EACH_SIX(L2_PASS)
        if (row_limits)
            row_limits += 8;
    }
}
FASTCLS_SCREEN(screen_l2_avx2, six_l2_avx2)
FASTCLS_BOTH(both_l2_avx2, six_l2_avx2)

#define L2_ONE_START(r) __m256i acc_##r = load_bytes_avx2((const uint8_t *)(starts + (r)*8));
#define L2_ONE_STEP(r)                                                                                                   \
    {                                                                                                                    \
        const __m256i rows = load_bytes_avx2(panel + (r)*32);                                                            \
        acc_##r = add_signed_avx2(add_128_avx2(acc_##r, rows), q, rows);                                                 \
    }
#define L2_ONE_PASS(r)                                                                                                   \
    {                                                                                                                    \
        const unsigned out = below_i32x8_avx2(acc_##r, limit);                                                           \
        if (out != 255)                                                                                                  \
            append_i32x8_avx2(lists, acc_##r, out ^ 255, first_row + (r)*8);                                             \
    }
static void screen_l2_one_avx2(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                               const int32_t *limits, int32_t first_row, fastcls_list *lists) {
    const __m256i limit = _mm256_set1_epi32(limits[0]);
    EACH_EIGHT(L2_ONE_START)
    for (ptrdiff_t step = 0; step < n_steps; step++, queries += 4, panel += 256) {
        const __m256i q = flip_avx2(load_i32x1_avx2(queries));
        EACH_EIGHT(L2_ONE_STEP)
    }
    EACH_EIGHT(L2_ONE_PASS)
}

/* Prefetch the codes of the next rows while this one is read: the rows are anywhere in memory. */
#define AHEAD 4
static inline void ask_for_avx2(const uint8_t *p, ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < width; i += 64)
        __builtin_prefetch(p + i);
}

static void at_l1_avx2(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                       const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    (void)starts;
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = codes + rows[j] * width;
        if (j + AHEAD < n)
            ask_for_avx2(codes + rows[j + AHEAD] * width, width);
        __m256i a = _mm256_setzero_si256(), b = a;
        ptrdiff_t i = 0;
        for (; i + 64 <= width; i += 64) {
            a = step_l1_u8_avx2(a, load_bytes_avx2(query + i), load_bytes_avx2(r + i));
            b = step_l1_u8_avx2(b, load_bytes_avx2(query + i + 32), load_bytes_avx2(r + i + 32));
        }
        for (; i + 8 <= width; i += 8) {
            const __m128i sum = _mm_sad_epu8(_mm_loadl_epi64((const __m128i *)(query + i)), _mm_loadl_epi64((const __m128i *)(r + i)));
            a = _mm256_add_epi64(a, _mm256_zextsi128_si256(sum));
        }
        int32_t key = (int32_t)reduce_i64x4_avx2(_mm256_add_epi64(a, b));
        for (; i < width; i++)
            key += abs((int32_t)query[i] - (int32_t)r[i]);
        keys_out[j] = key;
    }
}

static void at_l2_avx2(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                       const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = codes + rows[j] * width;
        if (j + AHEAD < n)
            ask_for_avx2(codes + rows[j + AHEAD] * width, width);
        __m256i a = _mm256_setzero_si256();
        ptrdiff_t i = 0;
        for (; i + 16 <= width; i += 16)
            a = add_products_avx2(a, _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(query + i))),
                                  _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(r + i))));
        int32_t key = starts[rows[j]] + (int32_t)reduce_i32x8_avx2(a);
        for (; i < width; i++)
            key += (int32_t)query[i] * (int32_t)(int8_t)r[i];
        keys_out[j] = key;
    }
}

static void at_fine_avx2(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *rows, ptrdiff_t n,
                         int32_t *keys_out) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = codes + rows[j] * width;
        if (j + AHEAD < n)
            ask_for_avx2(codes + rows[j + AHEAD] * width, width);
        int64_t total = 0;
        for (ptrdiff_t start = 0; start < width; start += 2048) { /* 64 x 2 x 4,064^2 < 2^31 in a lane */
            const ptrdiff_t end = start + 2048 < width ? start + 2048 : width;
            __m256i a = _mm256_setzero_si256();
            for (ptrdiff_t i = start; i < end; i += 32) {
                const __m256i diff_i16x16 = _mm256_sub_epi16(load_bytes_avx2(query + i), load_bytes_avx2(r + i));
                a = add_products_avx2(a, diff_i16x16, diff_i16x16);
            }
            total += reduce_i32x8_avx2(a);
        }
        keys_out[j] = total < INT32_MAX ? (int32_t)total : INT32_MAX;
    }
}
#undef AHEAD

/* Eight columns at a time. A sum fits into int32: 65,536 x 127 x 128 < 2^31, and so does 128 sum(columns). */
#define PROJECT_STEP(i) acc_##i = add_signed_avx2(acc_##i, _mm256_xor_si256(load_i32x1_avx2(x[i] + f), flips), rows);
#define PROJECT_LAST(i)                                                                                                  \
    {                                                                                                                    \
        uint8_t last[4] = {0, 0, 0, 0};                                                                                  \
        for (ptrdiff_t rest = 0; f + rest < n_features; rest++)                                                          \
            last[rest] = x[i][f + rest];                                                                                 \
        acc_##i = add_signed_avx2(acc_##i, _mm256_xor_si256(load_i32x1_avx2(last), flips), rows);                        \
    }
#define PROJECT_STORE(i) store_i32x8_avx2(out + (i)*64, _mm256_add_epi32(acc_##i, base), 1);
static void project_avx2(const uint8_t *const *x, int flip, ptrdiff_t n_features, const uint8_t *columns, double *out) {
    const __m256i flips = _mm256_set1_epi8((char)(flip ^ 0x80));
    for (const uint8_t *end = columns + 256; columns < end; columns += 32, out += 8) {
        const uint8_t *column = columns;
        __m256i base = _mm256_setzero_si256();
        ptrdiff_t f = 0;
        EACH_SIX(ZERO_START)
        for (; f + 4 <= n_features; f += 4, column += 256) {
            const __m256i rows = load_bytes_avx2(column);
            base = add_128_avx2(base, rows);
            EACH_SIX(PROJECT_STEP)
        }
        if (f < n_features) { /* the values of missing features are multiplied by zero columns */
            const __m256i rows = load_bytes_avx2(column);
            base = add_128_avx2(base, rows);
            EACH_SIX(PROJECT_LAST)
        }
        EACH_SIX(PROJECT_STORE)
    }
}

static const fastcls_filter filter_avx2 = FASTCLS_FILTER(avx2);

#undef EACH_SIX
#undef EACH_EIGHT
#undef L1_START
#undef L1_STEP
#undef L1_PASS
#undef L1_ONE_START
#undef L1_ONE_STEP
#undef L1_ONE_PASS
#undef ZERO_START
#undef L2_STEP
#undef L2_PASS
#undef L2_ONE_START
#undef L2_ONE_STEP
#undef L2_ONE_PASS
#undef PROJECT_STEP
#undef PROJECT_LAST
#undef PROJECT_STORE

FASTCLS_TARGET_END
#endif
