/* The filter's kernels on SSSE3, for x86-64-v2: those of avx2.h on half a register. A register has two rows under L1, four under
   L2; a tile is six queries x two registers of rows under L1, x one under L2. */
#ifndef FASTCLS_FILTER_SSSE3_H
#define FASTCLS_FILTER_SSSE3_H
#include <immintrin.h>

#include "contract.h"

FASTCLS_TARGET_BEGIN("ssse3")

#define ISA ssse3
#include "keep.h"

static inline __m128i load_bytes_ssse3(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline __m128i load_i32x1_ssse3(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm_set1_epi32(v);
}
static inline __m128i load_i64x1_ssse3(const uint8_t *p) {
    const __m128i v = _mm_loadl_epi64((const __m128i *)p);
    return _mm_unpacklo_epi64(v, v);
}
static inline void append_i32x4_ssse3(fastcls_list *list, __m128i keys, unsigned passed, int32_t first_row) {
    int32_t lanes[4];
    _mm_storeu_si128((__m128i *)lanes, keys);
    for (; passed; passed &= passed - 1) {
        const int lane = __builtin_ctz(passed);
        list->keys[list->n] = lanes[lane];
        list->rows[list->n++] = first_row + lane;
    }
}
/* Four keys from the low halves of 64 bits, and which of them are above, or below, a limit. */
static inline __m128i low_halves_ssse3(__m128i a, __m128i b) {
    return _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), _MM_SHUFFLE(2, 0, 2, 0)));
}
static inline unsigned above_i32x4_ssse3(__m128i a, __m128i b) {
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(a, b)));
}
static inline __m128i add_l1_ssse3(__m128i a, __m128i q, __m128i r) { return _mm_add_epi64(a, _mm_sad_epu8(q, r)); }

#define EACH_SIX(F) F(0) F(1) F(2) F(3) F(4) F(5)
#define EACH_EIGHT(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)

#define L1_START(i) __m128i acc_##i##_0 = _mm_setzero_si128(), acc_##i##_1 = _mm_setzero_si128();
#define L1_STEP(i)                                                                                                       \
    {                                                                                                                    \
        const __m128i q = load_i64x1_ssse3(query + (i)*8);                                                               \
        acc_##i##_0 = add_l1_ssse3(acc_##i##_0, q, rows_0);                                                              \
        acc_##i##_1 = add_l1_ssse3(acc_##i##_1, q, rows_1);                                                              \
    }
#define L1_PASS(list, limit, row_limits, a, b, first)                                                                    \
    {                                                                                                                    \
        const __m128i keys = low_halves_ssse3(a, b);                                                                     \
        unsigned out = above_i32x4_ssse3(keys, _mm_set1_epi32(limit));                                                   \
        if (row_limits) /* a row is out if it is out for the query, and the query for it */                              \
            out &= above_i32x4_ssse3(keys, load_bytes_ssse3((const uint8_t *)row_limits));                               \
        if (out != 15)                                                                                                   \
            append_i32x4_ssse3(list, keys, out ^ 15, first);                                                             \
    }
#define L1_PASS_QUERY(i) L1_PASS(&lists[i], limits[i], row_limits, acc_##i##_0, acc_##i##_1, first_row)
FASTCLS_LOOP six_l1_ssse3(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                          const int32_t *limits, const int32_t *halves, const int32_t *row_limits, int32_t first_row,
                          fastcls_list *lists) {
    (void)starts, (void)halves;
    for (const uint8_t *end = panel + 256; panel < end; panel += 32, first_row += 4) {
        const uint8_t *query = queries, *row = panel;
        EACH_SIX(L1_START)
        for (ptrdiff_t step = 0; step < n_steps; step++, query += 48, row += 256) {
            const __m128i rows_0 = load_bytes_ssse3(row), rows_1 = load_bytes_ssse3(row + 16);
            EACH_SIX(L1_STEP)
        }
        EACH_SIX(L1_PASS_QUERY)
        if (row_limits)
            row_limits += 4;
    }
}
FASTCLS_SCREEN(screen_l1_ssse3, six_l1_ssse3)
FASTCLS_BOTH(both_l1_ssse3, six_l1_ssse3)

#define L1_ONE_START(r) __m128i acc_##r = _mm_setzero_si128();
#define L1_ONE_STEP(r) acc_##r = add_l1_ssse3(acc_##r, q, load_bytes_ssse3(row + (r)*16));
static void screen_l1_one_ssse3(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                                const int32_t *limits, int32_t first_row, fastcls_list *lists) {
    const int32_t *none = NULL;
    (void)starts;
    for (const uint8_t *end = panel + 256; panel < end; panel += 128, first_row += 16) {
        const uint8_t *row = panel;
        EACH_EIGHT(L1_ONE_START)
        for (ptrdiff_t step = 0; step < n_steps; step++, row += 256) {
            const __m128i q = load_i64x1_ssse3(queries + step * 8);
            EACH_EIGHT(L1_ONE_STEP)
        }
        L1_PASS(lists, limits[0], none, acc_0, acc_1, first_row)
        L1_PASS(lists, limits[0], none, acc_2, acc_3, first_row + 4)
        L1_PASS(lists, limits[0], none, acc_4, acc_5, first_row + 8)
        L1_PASS(lists, limits[0], none, acc_6, acc_7, first_row + 12)
    }
}

/* Sums of four products: of c = q - 128 with r, and of 128 with r. See avx2.h: neither saturates. */
static inline __m128i flip_ssse3(__m128i v) { return _mm_xor_si128(v, _mm_set1_epi8((char)0x80)); }
static inline __m128i add_pairs_ssse3(__m128i a, __m128i pairs_i16x8) {
    return _mm_add_epi32(a, _mm_madd_epi16(pairs_i16x8, _mm_set1_epi16(1)));
}
static inline __m128i add_signed_ssse3(__m128i a, __m128i c_i8x16, __m128i r_i8x16) {
    return add_pairs_ssse3(a, _mm_maddubs_epi16(_mm_abs_epi8(c_i8x16), _mm_sign_epi8(r_i8x16, c_i8x16)));
}
static inline __m128i add_128_ssse3(__m128i a, __m128i r_i8x16) {
    return add_pairs_ssse3(a, _mm_maddubs_epi16(_mm_set1_epi8((char)0x80), r_i8x16));
}

#define ZERO_START(i) __m128i acc_##i = _mm_setzero_si128();
#define L2_STEP(i) acc_##i = add_signed_ssse3(acc_##i, flip_ssse3(load_i32x1_ssse3(query + (i)*4)), rows);
#define L2_PASS(list, limit, keys, first)                                                                                \
    {                                                                                                                    \
        const unsigned out = above_i32x4_ssse3(limit, keys);                                                             \
        if (out != 15)                                                                                                   \
            append_i32x4_ssse3(list, keys, out ^ 15, first);                                                             \
    }
#define L2_PASS_QUERY(i)                                                                                                 \
    {                                                                                                                    \
        const __m128i keys = _mm_add_epi32(acc_##i, base);                                                               \
        __m128i limit = _mm_set1_epi32(limits[i]);                                                                       \
        if (row_limits)                                                                                                  \
            limit = min_i32x4_ssse3(limit, _mm_add_epi32(of_row, _mm_set1_epi32(halves[i])));                            \
        L2_PASS(&lists[i], limit, keys, first_row)                                                                       \
    }
static inline __m128i min_i32x4_ssse3(__m128i a, __m128i b) {
    const __m128i is_above = _mm_cmpgt_epi32(a, b);
    return _mm_or_si128(_mm_and_si128(is_above, b), _mm_andnot_si128(is_above, a));
}
FASTCLS_LOOP six_l2_ssse3(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                          const int32_t *limits, const int32_t *halves, const int32_t *row_limits, int32_t first_row,
                          fastcls_list *lists) {
    for (const uint8_t *end = panel + 256; panel < end; panel += 16, starts += 4, first_row += 4) {
        const uint8_t *query = queries, *row = panel;
        __m128i base = load_bytes_ssse3((const uint8_t *)starts);
        EACH_SIX(ZERO_START)
        for (ptrdiff_t step = 0; step < n_steps; step++, query += 24, row += 256) {
            const __m128i rows = load_bytes_ssse3(row);
            base = add_128_ssse3(base, rows);
            EACH_SIX(L2_STEP)
        }
        const __m128i of_row = load_bytes_ssse3((const uint8_t *)(row_limits ? row_limits : starts));
        EACH_SIX(L2_PASS_QUERY)
        if (row_limits)
            row_limits += 4;
    }
}
FASTCLS_SCREEN(screen_l2_ssse3, six_l2_ssse3)
FASTCLS_BOTH(both_l2_ssse3, six_l2_ssse3)

#define L2_ONE_START(r) __m128i acc_##r = load_bytes_ssse3((const uint8_t *)(starts + (r)*4));
#define L2_ONE_STEP(r)                                                                                                   \
    {                                                                                                                    \
        const __m128i rows = load_bytes_ssse3(row + (r)*16);                                                             \
        acc_##r = add_signed_ssse3(add_128_ssse3(acc_##r, rows), q, rows);                                               \
    }
#define L2_ONE_PASS(r) L2_PASS(lists, _mm_set1_epi32(limits[0]), acc_##r, first_row + (r)*4)
static void screen_l2_one_ssse3(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                                const int32_t *limits, int32_t first_row, fastcls_list *lists) {
    for (const uint8_t *end = panel + 256; panel < end; panel += 128, starts += 32, first_row += 32) {
        const uint8_t *row = panel;
        EACH_EIGHT(L2_ONE_START)
        for (ptrdiff_t step = 0; step < n_steps; step++, row += 256) {
            const __m128i q = flip_ssse3(load_i32x1_ssse3(queries + step * 4));
            EACH_EIGHT(L2_ONE_STEP)
        }
        EACH_EIGHT(L2_ONE_PASS)
    }
}

/* Prefetch the codes of the next rows while this one is read: the rows are anywhere in memory. */
#define AHEAD 4
static inline const uint8_t *row_at_ssse3(const uint8_t *codes, ptrdiff_t width, const int32_t *rows, ptrdiff_t j, ptrdiff_t n) {
    if (j + AHEAD < n)
        for (ptrdiff_t i = 0; i < width; i += 64)
            __builtin_prefetch(codes + rows[j + AHEAD] * width + i);
    return codes + rows[j] * width;
}
#undef AHEAD
static inline int32_t reduce_i32x4_ssse3(__m128i a) {
    a = _mm_add_epi32(a, _mm_shuffle_epi32(a, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(_mm_add_epi32(a, _mm_shuffle_epi32(a, _MM_SHUFFLE(2, 3, 0, 1))));
}

static void at_l1_ssse3(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts, const int32_t *rows,
                        ptrdiff_t n, int32_t *keys_out) {
    (void)starts;
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_ssse3(codes, width, rows, j, n);
        __m128i a = _mm_setzero_si128(), b = a;
        ptrdiff_t i = 0;
        for (; i + 32 <= width; i += 32) {
            a = add_l1_ssse3(a, load_bytes_ssse3(query + i), load_bytes_ssse3(r + i));
            b = add_l1_ssse3(b, load_bytes_ssse3(query + i + 16), load_bytes_ssse3(r + i + 16));
        }
        for (; i + 8 <= width; i += 8)
            a = add_l1_ssse3(a, _mm_loadl_epi64((const __m128i *)(query + i)), _mm_loadl_epi64((const __m128i *)(r + i)));
        int32_t key = reduce_i32x4_ssse3(_mm_add_epi64(a, b)); /* the high halves are zero */
        for (; i < width; i++)
            key += abs((int32_t)query[i] - (int32_t)r[i]);
        keys_out[j] = key;
    }
}

static void at_l2_ssse3(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts, const int32_t *rows,
                        ptrdiff_t n, int32_t *keys_out) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_ssse3(codes, width, rows, j, n);
        __m128i a = _mm_setzero_si128(), base = a;
        ptrdiff_t i = 0;
        for (; i + 16 <= width; i += 16) {
            const __m128i y = load_bytes_ssse3(r + i);
            a = add_signed_ssse3(a, flip_ssse3(load_bytes_ssse3(query + i)), y);
            base = add_128_ssse3(base, y);
        }
        int32_t key = starts[rows[j]] + reduce_i32x4_ssse3(_mm_add_epi32(a, base));
        for (; i < width; i++)
            key += (int32_t)query[i] * (int32_t)(int8_t)r[i];
        keys_out[j] = key;
    }
}

static void at_fine_ssse3(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *rows, ptrdiff_t n,
                          int32_t *keys_out) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_ssse3(codes, width, rows, j, n);
        int64_t total = 0;
        for (ptrdiff_t start = 0; start < width; start += 1024) { /* 64 x 2 x 4,064^2 < 2^31 in a lane */
            const ptrdiff_t end = start + 1024 < width ? start + 1024 : width;
            __m128i a = _mm_setzero_si128();
            for (ptrdiff_t i = start; i < end; i += 16) {
                const __m128i diff_i16x8 = _mm_sub_epi16(load_bytes_ssse3(query + i), load_bytes_ssse3(r + i));
                a = _mm_add_epi32(a, _mm_madd_epi16(diff_i16x8, diff_i16x8));
            }
            int32_t lanes[4];
            _mm_storeu_si128((__m128i *)lanes, a);
            total += (int64_t)lanes[0] + lanes[1] + lanes[2] + lanes[3];
        }
        keys_out[j] = total < INT32_MAX ? (int32_t)total : INT32_MAX;
    }
}

/* Four columns at a time. A sum fits into int32: 65,536 x 127 x 128 < 2^31, and so does 128 sum(columns). */
#define PROJECT_STEP(i)                                                                                                  \
    {                                                                                                                    \
        int32_t four = 0; /* the values of missing features are multiplied by zero columns */                            \
        memcpy(&four, x[i] + f, n_here);                                                                                 \
        acc_##i = add_signed_ssse3(acc_##i, _mm_xor_si128(_mm_set1_epi32(four), flips), rows);                           \
    }
#define PROJECT_STEPS                                                                                                    \
    {                                                                                                                    \
        const __m128i rows = load_bytes_ssse3(column);                                                                   \
        base = add_128_ssse3(base, rows);                                                                                \
        EACH_SIX(PROJECT_STEP)                                                                                           \
    }
#define PROJECT_STORE(i)                                                                                                 \
    {                                                                                                                    \
        int32_t sums[4];                                                                                                 \
        _mm_storeu_si128((__m128i *)sums, _mm_add_epi32(acc_##i, base));                                                 \
        for (int lane = 0; lane < 4; lane++)                                                                             \
            out[(i)*64 + lane] += sums[lane];                                                                            \
    }
static void project_ssse3(const uint8_t *const *x, int flip, ptrdiff_t n_features, const uint8_t *columns, double *out) {
    const __m128i flips = _mm_set1_epi8((char)(flip ^ 0x80));
    for (const uint8_t *end = columns + 256; columns < end; columns += 16, out += 4) {
        const uint8_t *column = columns;
        __m128i base = _mm_setzero_si128();
        ptrdiff_t f = 0;
        size_t n_here = 4;
        EACH_SIX(ZERO_START)
        for (n_here = 4; f + 4 <= n_features; f += 4, column += 256)
            PROJECT_STEPS
        n_here = (size_t)(n_features - f);
        if (n_here > 0)
            PROJECT_STEPS
        EACH_SIX(PROJECT_STORE)
    }
}

static const fastcls_filter filter_ssse3 = FASTCLS_FILTER(ssse3);

#undef EACH_SIX
#undef EACH_EIGHT
#undef L1_START
#undef L1_STEP
#undef L1_PASS
#undef L1_PASS_QUERY
#undef L1_ONE_START
#undef L1_ONE_STEP
#undef ZERO_START
#undef L2_STEP
#undef L2_PASS
#undef L2_PASS_QUERY
#undef L2_ONE_START
#undef L2_ONE_STEP
#undef L2_ONE_PASS
#undef PROJECT_STEP
#undef PROJECT_STEPS
#undef PROJECT_STORE

FASTCLS_TARGET_END
#endif
