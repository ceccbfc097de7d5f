/* The filter's kernels on NEON, which every aarch64 has. The loop of the screens is in screen.h.

   L1: the differences of two bytes of a row are added to each lane of 16 bits. L2: the product of a query's code less 128 with a
   row's is within 128 x 127, so two of them fit into 16 bits; what is missing, 128 times the sum of the row, is the same for all
   queries and is summed once for six. */
#ifndef FASTCLS_FILTER_NEON_H
#define FASTCLS_FILTER_NEON_H
#include "../search/neon.h"
#include "contract.h"

/* Four entries of a list: those of a mask are stored one after another. A register is always written, see contract.h. */
#define LANE(i) 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3
#define FOUR(a, b, c, d) {LANE(a), LANE(b), LANE(c), LANE(d)}
static const uint8_t first_lanes_neon[16][16] = {
    FOUR(0, 0, 0, 0), FOUR(0, 0, 0, 0), FOUR(1, 0, 0, 0), FOUR(0, 1, 0, 0), FOUR(2, 0, 0, 0), FOUR(0, 2, 0, 0),
    FOUR(1, 2, 0, 0), FOUR(0, 1, 2, 0), FOUR(3, 0, 0, 0), FOUR(0, 3, 0, 0), FOUR(1, 3, 0, 0), FOUR(0, 1, 3, 0),
    FOUR(2, 3, 0, 0), FOUR(0, 2, 3, 0), FOUR(1, 2, 3, 0), FOUR(0, 1, 2, 3),
};
#undef LANE
#undef FOUR
/* The number of kept lanes times 16, plus the mask. */
static inline unsigned mask_neon(uint32x4_t kept) {
    static const uint32_t bits[4] = {0x11, 0x12, 0x14, 0x18};
    return vaddvq_u32(vandq_u32(kept, vld1q_u32(bits)));
}
static inline void store_lanes_neon(int32_t *p, int32x4_t v, unsigned mask) {
    vst1q_s32(p, vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(v), vld1q_u8(first_lanes_neon[mask & 15]))));
}
static inline int32x4_t from_neon(int32_t first) {
    static const int32_t steps[4] = {0, 1, 2, 3};
    return vaddq_s32(vdupq_n_s32(first), vld1q_s32(steps));
}
static inline void append_neon(fastcls_list *list, int32x4_t keys, uint32x4_t passed, int32_t first_row) {
    const unsigned mask = mask_neon(passed);
    store_lanes_neon(list->keys + list->n, keys, mask);
    store_lanes_neon(list->rows + list->n, from_neon(first_row), mask);
    list->n += mask >> 4;
}

/* Of four entries of which n_left are listed, those that are kept follow the first `kept`. NaN is kept: no comparison holds. */
static inline ptrdiff_t keep_neon(int32_t *rows, float *bounds, ptrdiff_t kept, int32x4_t row, float32x4_t bound,
                                  float32x4_t threshold, ptrdiff_t n_left) {
    uint32x4_t keeps = vmvnq_u32(vorrq_u32(vcgtq_f32(bound, threshold), vceqq_f32(bound, vdupq_n_f32(INFINITY))));
    if (n_left < 4)
        keeps = vandq_u32(keeps, vcltq_s32(from_neon(0), vdupq_n_s32((int32_t)n_left)));
    const unsigned mask = mask_neon(keeps);
    store_lanes_neon(rows + kept, row, mask);
    store_lanes_neon((int32_t *)bounds + kept, vreinterpretq_s32_f32(bound), mask);
    return kept + (mask >> 4);
}
static ptrdiff_t drop_neon(int32_t *rows, float *bounds, ptrdiff_t first, ptrdiff_t n, float threshold) {
    ptrdiff_t kept = first;
    for (ptrdiff_t i = first; i < n; i += 4)
        kept = keep_neon(rows, bounds, kept, vld1q_s32(rows + i), vld1q_f32(bounds + i), vdupq_n_f32(threshold), n - i);
    return kept;
}
static inline float32x4_t bound_four_neon(int gap, int32x4_t key, int32_t norm, float own, float32x4_t error) {
    if (gap == FASTCLS_GAP_DOT)
        key = vmaxq_s32(vsubq_s32(vdupq_n_s32(norm), vaddq_s32(key, key)), vdupq_n_s32(0));
    const float32x4_t of_key = vcvtq_f32_s32(key), v = gap == FASTCLS_GAP_SUM ? of_key : vsqrtq_f32(of_key);
    return vsubq_f32(vsubq_f32(vmulq_n_f32(v, 1.0f - 0x1p-20f), vdupq_n_f32(own)), error);
}
static inline ptrdiff_t bound_some_neon(int gap, const int32_t *keys, int32_t *rows, float *bounds, ptrdiff_t first,
                                        ptrdiff_t n, int32_t norm, float own, const float *errors, float threshold) {
    ptrdiff_t kept = first;
    for (ptrdiff_t i = first; i < n; i += 4) {
        const int32_t *r = rows + i;
        float32x4_t error = vdupq_n_f32(errors[r[0]]);
        if (n - i >= 4) {
            error = vld1q_lane_f32(errors + r[1], error, 1);
            error = vld1q_lane_f32(errors + r[2], error, 2);
            error = vld1q_lane_f32(errors + r[3], error, 3);
        } else { /* what is behind n is not a row */
            if (n - i > 1)
                error = vld1q_lane_f32(errors + r[1], error, 1);
            if (n - i > 2)
                error = vld1q_lane_f32(errors + r[2], error, 2);
        }
        const float32x4_t bound = bound_four_neon(gap, vld1q_s32(keys + i), norm, own, error);
        kept = keep_neon(rows, bounds, kept, vld1q_s32(r), bound, vdupq_n_f32(threshold), n - i);
    }
    return kept;
}
static ptrdiff_t bound_neon(int gap, const int32_t *keys, int32_t *rows, float *bounds, ptrdiff_t first, ptrdiff_t n,
                            int32_t norm, float own, const float *errors, float threshold) {
    if (gap == FASTCLS_GAP_SUM)
        return bound_some_neon(FASTCLS_GAP_SUM, keys, rows, bounds, first, n, norm, own, errors, threshold);
    if (gap == FASTCLS_GAP_SQUARE)
        return bound_some_neon(FASTCLS_GAP_SQUARE, keys, rows, bounds, first, n, norm, own, errors, threshold);
    return bound_some_neon(FASTCLS_GAP_DOT, keys, rows, bounds, first, n, norm, own, errors, threshold);
}

/* L1: two registers of two rows. */
typedef struct {
    uint8x16_t low, high;
} rows_l1_neon;
typedef struct {
    uint16x8_t low, high;
} sums_l1_neon;
static inline rows_l1_neon load_l1_neon(const uint8_t *p) {
    const rows_l1_neon rows = {vld1q_u8(p), vld1q_u8(p + 16)};
    return rows;
}
static inline sums_l1_neon zero_l1_neon(void) {
    const sums_l1_neon sums = {vdupq_n_u16(0), vdupq_n_u16(0)};
    return sums;
}
static inline sums_l1_neon step_l1_neon(sums_l1_neon a, uint8x16_t q, rows_l1_neon r) {
    const sums_l1_neon sums = {vpadalq_u8(a.low, vabdq_u8(q, r.low)), vpadalq_u8(a.high, vabdq_u8(q, r.high))};
    return sums;
}
static inline int32x4_t add_l1_neon(int32x4_t keys, sums_l1_neon a) {
    return vreinterpretq_s32_u32(
        vaddq_u32(vreinterpretq_u32_s32(keys), vpaddq_u32(vpaddlq_u16(a.low), vpaddlq_u16(a.high))));
}
static inline uint8x16_t query_l1_neon(const uint8_t *p) {
    return vreinterpretq_u8_u64(vdupq_lane_u64(vreinterpret_u64_u8(vld1_u8(p)), 0));
}
#define QUERY_L1(p, i) const uint8x16_t q = query_l1_neon((p) + (i)*8);

#define KERNEL screen_l1_neon
#define BOTH both_l1_neon
#define L1 1
#define TILE_QUERIES 6
#define TILE_UNITS 2
#define MOST_STEPS 128 /* 128 x 2 x 255 < 2^16 */
#define SUMS sums_l1_neon
#define ZERO zero_l1_neon
#define QUERY QUERY_L1
#define STEP(a, i, r) step_l1_neon(a, q, r)
#define ADD add_l1_neon
#include "neon_screen.h"

#define KERNEL screen_l1_one_neon
#define L1 1
#define TILE_QUERIES 1
#define TILE_UNITS 8
#define MOST_STEPS 128 /* 128 x 2 x 255 < 2^16 */
#define SUMS sums_l1_neon
#define ZERO zero_l1_neon
#define QUERY QUERY_L1
#define STEP(a, i, r) step_l1_neon(a, q, r)
#define ADD add_l1_neon
#include "neon_screen.h"

/* L2: one register of four rows. The queries' codes less 128 are in two registers; behind the last one are four times -128. */
typedef struct {
    int8x16_t low, high;
} queries_l2_neon;
static inline queries_l2_neon six_queries_neon(const uint8_t *p) {
    const uint8x16_t flip = vdupq_n_u8(0x80);
    const queries_l2_neon queries = {vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), flip)),
                                     vreinterpretq_s8_u8(veorq_u8(vcombine_u8(vld1_u8(p + 16), vdup_n_u8(0)), flip))};
    return queries;
}
static inline int8x16_t one_query_neon(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return vreinterpretq_s8_u32(vdupq_n_u32(v ^ 0x80808080u));
}
static inline int8x16_t load_i8x16_neon(const uint8_t *p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
/* Sums of four products in a lane; of two they fit into 16 bits: 2 x 128 x 127 < 2^15. */
static inline int32x4_t step_l2_neon(int32x4_t a, int8x16_t q, int8x16_t r) {
    return vpadalq_s16(a, vpaddq_s16(vmull_s8(vget_low_s8(q), vget_low_s8(r)), vmull_high_s8(q, r)));
}
static inline int32x4_t base_l2_neon(int32x4_t a, int8x16_t r) { return vpadalq_s16(a, vpaddlq_s8(r)); }
static inline int32x4_t add_l2_neon(int32x4_t keys, int32x4_t a, int32x4_t base) {
    return vaddq_s32(vaddq_s32(keys, a), vshlq_n_s32(base, 7));
}
#define LANE_OF(v, i) vdupq_laneq_s32(vreinterpretq_s32_s8((i) < 4 ? v.low : v.high), (i) & 3)

#define KERNEL screen_l2_neon
#define BOTH both_l2_neon
#define L1 0
#define TILE_QUERIES 6
#define TILE_UNITS 2
#define MOST_STEPS 8192 /* of the widest code */
#define SUMS int32x4_t
#define ZERO zero_i32x4_neon
#define QUERIES(p) const queries_l2_neon six = six_queries_neon(p);
#define QUERY(p, i) const int8x16_t q = vreinterpretq_s8_s32(LANE_OF(six, i));
#define STEP(a, i, r) step_l2_neon(a, q, r)
#define BASE base_l2_neon
#define ADD add_l2_neon
#include "neon_screen.h"

#define KERNEL screen_l2_one_neon
#define L1 0
#define TILE_QUERIES 1
#define TILE_UNITS 8
#define MOST_STEPS 8192 /* of the widest code */
#define SUMS int32x4_t
#define ZERO zero_i32x4_neon
#define QUERIES(p) const int8x16_t q = one_query_neon(p);
#define QUERY(p, i)
#define STEP(a, i, r) step_l2_neon(a, q, r)
#define BASE base_l2_neon
#define ADD add_l2_neon
#include "neon_screen.h"

/* Prefetch the codes of the next rows while this one is read: the rows are anywhere in memory. */
#define AHEAD 4
static inline const uint8_t *row_at_neon(const uint8_t *codes, ptrdiff_t width, const int32_t *rows, ptrdiff_t j, ptrdiff_t n) {
    if (j + AHEAD < n) {
        const uint8_t *next = codes + rows[j + AHEAD] * width;
        for (ptrdiff_t i = 0; i < width; i += 64)
            __builtin_prefetch(next + i);
    }
    return codes + rows[j] * width;
}
#undef AHEAD
/* What is left of a row after whole registers: fewer than 16 bytes. */
static inline uint32_t rest_l1_neon(const uint8_t *query, const uint8_t *r, ptrdiff_t i, ptrdiff_t width) {
    uint32_t sum = 0;
    if (i + 8 <= width) {
        sum = vaddlv_u8(vabd_u8(vld1_u8(query + i), vld1_u8(r + i)));
        i += 8;
    }
    for (; i < width; i++)
        sum += (uint32_t)abs((int32_t)query[i] - (int32_t)r[i]);
    return sum;
}
static inline uint32_t rest_l2_neon(const uint8_t *query, const uint8_t *r, ptrdiff_t i, ptrdiff_t width) {
    uint32_t sum = 0;
    for (; i < width; i++)
        sum += query[i] * (uint32_t)(r[i] ^ 0x80);
    return sum;
}
/* 128 times the sum of a query's code: what its products with c_r + 128, which are unsigned, have too much. */
static inline uint32_t surplus_neon(const uint8_t *query, ptrdiff_t width) {
    uint32_t sum = 0;
    for (ptrdiff_t i = 0; i < width; i++)
        sum += query[i];
    return 128 * sum;
}

static void at_l1_neon(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                       const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    (void)starts;
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_neon(codes, width, rows, j, n);
        uint32x4_t total = vdupq_n_u32(0);
        ptrdiff_t i = 0;
        while (i + 16 <= width) { /* 128 steps of a and of b: 128 x 2 x 255 < 2^16 */
            const ptrdiff_t end = i + 256 * 16 < width ? i + 256 * 16 : width;
            uint16x8_t a = vdupq_n_u16(0), b = a;
            for (; i + 32 <= end; i += 32) {
                a = vpadalq_u8(a, vabdq_u8(vld1q_u8(query + i), vld1q_u8(r + i)));
                b = vpadalq_u8(b, vabdq_u8(vld1q_u8(query + i + 16), vld1q_u8(r + i + 16)));
            }
            for (; i + 16 <= end; i += 16)
                a = vpadalq_u8(a, vabdq_u8(vld1q_u8(query + i), vld1q_u8(r + i)));
            total = vpadalq_u16(vpadalq_u16(total, a), b);
        }
        keys_out[j] = (int32_t)(vaddvq_u32(total) + rest_l1_neon(query, r, i, width));
    }
}

static void at_l2_neon(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                       const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    const uint32_t surplus = surplus_neon(query, width);
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_neon(codes, width, rows, j, n);
        uint32x4_t a = vdupq_n_u32(0), b = a; /* a row of 32,768 bytes adds less than 2^31 */
        ptrdiff_t i = 0;
        for (; i + 16 <= width; i += 16) {
            const uint8x16_t x = vld1q_u8(query + i), y = flip_neon(vld1q_u8(r + i));
            a = vpadalq_u16(a, vmull_u8(vget_low_u8(x), vget_low_u8(y)));
            b = vpadalq_u16(b, vmull_high_u8(x, y));
        }
        const uint32_t sum = vaddvq_u32(vaddq_u32(a, b)) + rest_l2_neon(query, r, i, width);
        keys_out[j] = (int32_t)((uint32_t)starts[rows[j]] + sum - surplus);
    }
}

static void at_fine_neon(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *rows, ptrdiff_t n,
                         int32_t *keys_out) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_neon(codes, width, rows, j, n);
        int64_t total = 0;
        for (ptrdiff_t start = 0; start < width; start += 2048) { /* 128 x 4,064^2 < 2^31 in a lane */
            const ptrdiff_t end = start + 2048 < width ? start + 2048 : width;
            int32x4_t a = vdupq_n_s32(0), b = a;
            for (ptrdiff_t i = start; i < end; i += 16) {
                const int16x8_t diff_i16x8 = vreinterpretq_s16_u16(
                    vsubq_u16(vreinterpretq_u16_u8(vld1q_u8(query + i)), vreinterpretq_u16_u8(vld1q_u8(r + i))));
                a = vmlal_s16(a, vget_low_s16(diff_i16x8), vget_low_s16(diff_i16x8));
                b = vmlal_high_s16(b, diff_i16x8, diff_i16x8);
            }
            total += vaddlvq_s32(a) + vaddlvq_s32(b);
        }
        keys_out[j] = total < INT32_MAX ? (int32_t)total : INT32_MAX;
    }
}

/* Eight columns at a time. A sum fits into int32: 65,536 x 127 x 128 < 2^31, and so does 128 sum(columns). */
#define EACH_SIX(F, ISA) F(0, ISA) F(1, ISA) F(2, ISA) F(3, ISA) F(4, ISA) F(5, ISA)
#define PROJECT_START(i, ISA) int32x4_t sums_##i##_0 = vdupq_n_s32(0), sums_##i##_1 = sums_##i##_0;
#define PROJECT_STEP(i, ISA)                                                                                             \
    {                                                                                                                    \
        uint32_t four = 0; /* the values of missing features are multiplied by zero columns */                           \
        memcpy(&four, x[i] + f, (size_t)n_here);                                                                         \
        const int8x16_t q = vreinterpretq_s8_u32(vdupq_n_u32(four ^ flips));                                             \
        sums_##i##_0 = step_l2_##ISA(sums_##i##_0, q, columns_0);                                                        \
        sums_##i##_1 = step_l2_##ISA(sums_##i##_1, q, columns_1);                                                        \
    }
#define PROJECT_STEPS(ISA)                                                                                               \
    {                                                                                                                    \
        const int8x16_t columns_0 = load_i8x16_neon(column), columns_1 = load_i8x16_neon(column + 16);                   \
        base_0 = base_l2_##ISA(base_0, columns_0);                                                                       \
        base_1 = base_l2_##ISA(base_1, columns_1);                                                                       \
        EACH_SIX(PROJECT_STEP, ISA)                                                                                      \
    }
#define PROJECT_STORE(i, ISA)                                                                                            \
    store_i32x4_neon(out + (i)*64, add_l2_##ISA(vdupq_n_s32(0), sums_##i##_0, base_0), 1);                               \
    store_i32x4_neon(out + (i)*64 + 4, add_l2_##ISA(vdupq_n_s32(0), sums_##i##_1, base_1), 1);
#define PROJECT(ISA)                                                                                                     \
    static void project_##ISA(const uint8_t *const *x, int flip, ptrdiff_t n_features, const uint8_t *columns,           \
                              double *out) {                                                                             \
        const uint32_t flips = (uint32_t)(flip ^ 0x80) * 0x01010101u;                                                    \
        for (const uint8_t *end = columns + 256; columns < end; columns += 32, out += 8) {                               \
            const uint8_t *column = columns;                                                                             \
            int32x4_t base_0 = vdupq_n_s32(0), base_1 = base_0;                                                          \
            ptrdiff_t f = 0, n_here = 4;                                                                                 \
            EACH_SIX(PROJECT_START, ISA)                                                                                 \
            for (n_here = 4; f + 4 <= n_features; f += 4, column += 256)                                                 \
                PROJECT_STEPS(ISA)                                                                                       \
            n_here = n_features - f;                                                                                     \
            if (n_here > 0)                                                                                              \
                PROJECT_STEPS(ISA)                                                                                       \
            EACH_SIX(PROJECT_STORE, ISA)                                                                                 \
        }                                                                                                                \
    }
PROJECT(neon)

static const fastcls_filter filter_neon = FASTCLS_FILTER(neon);

#endif
