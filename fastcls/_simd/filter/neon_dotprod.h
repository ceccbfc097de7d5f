/* The filter's kernels on NEON with the dot product extension: a lane adds four products, or four differences times 1. */
#ifndef FASTCLS_FILTER_NEON_DOTPROD_H
#define FASTCLS_FILTER_NEON_DOTPROD_H
#include "../search/neon_dotprod.h"
#include "neon.h"

FASTCLS_TARGET_BEGIN("arch=armv8.2-a+dotprod")

static inline uint32x4_t differences_neon_dotprod(uint32x4_t a, uint8x16_t x, uint8x16_t y) {
    return vdotq_u32(a, vabdq_u8(x, y), vdupq_n_u8(1));
}

/* L1: a lane adds half a row. */
typedef struct {
    uint32x4_t low, high;
} sums_l1_neon_dotprod;
static inline sums_l1_neon_dotprod zero_l1_neon_dotprod(void) {
    const sums_l1_neon_dotprod sums = {vdupq_n_u32(0), vdupq_n_u32(0)};
    return sums;
}
static inline sums_l1_neon_dotprod step_l1_neon_dotprod(sums_l1_neon_dotprod a, uint8x16_t q, rows_l1_neon r) {
    const sums_l1_neon_dotprod sums = {differences_neon_dotprod(a.low, q, r.low), differences_neon_dotprod(a.high, q, r.high)};
    return sums;
}
static inline int32x4_t add_l1_neon_dotprod(int32x4_t keys, sums_l1_neon_dotprod a) {
    return vaddq_s32(keys, vreinterpretq_s32_u32(vpaddq_u32(a.low, a.high)));
}

#define KERNEL screen_l1_neon_dotprod
#define BOTH both_l1_neon_dotprod
#define L1 1
#define TILE_QUERIES 6
#define TILE_UNITS 2
#define MOST_STEPS 4096 /* of the widest code */
#define SUMS sums_l1_neon_dotprod
#define ZERO zero_l1_neon_dotprod
#define QUERY QUERY_L1
#define STEP(a, i, r) step_l1_neon_dotprod(a, q, r)
#define ADD add_l1_neon_dotprod
#include "neon_screen.h"

#define KERNEL screen_l1_one_neon_dotprod
#define L1 1
#define TILE_QUERIES 1
#define TILE_UNITS 8
#define MOST_STEPS 4096 /* of the widest code */
#define SUMS sums_l1_neon_dotprod
#define ZERO zero_l1_neon_dotprod
#define QUERY QUERY_L1
#define STEP(a, i, r) step_l1_neon_dotprod(a, q, r)
#define ADD add_l1_neon_dotprod
#include "neon_screen.h"

/* L2: queries are multiplied lane by lane. The fifth lane of six_queries_neon() gives -128 times the sum of a row. */
static inline int32x4_t step_l2_neon_dotprod(int32x4_t a, int8x16_t q, int8x16_t r) { return vdotq_s32(a, r, q); }
static inline int32x4_t base_l2_neon_dotprod(int32x4_t a, int8x16_t r) { return vdotq_s32(a, r, vdupq_n_s8(-128)); }
static inline int32x4_t add_l2_neon_dotprod(int32x4_t keys, int32x4_t a, int32x4_t base) {
    return vsubq_s32(vaddq_s32(keys, a), base);
}

#define KERNEL screen_l2_neon_dotprod
#define BOTH both_l2_neon_dotprod
#define L1 0
#define TILE_QUERIES 6
#define TILE_UNITS 4
#define MOST_STEPS 8192 /* of the widest code */
#define SUMS int32x4_t
#define ZERO zero_i32x4_neon
#define QUERIES(p) const queries_l2_neon six = six_queries_neon(p);
#define QUERY(p, i)
#define STEP(a, i, r) vdotq_laneq_s32(a, r, (i) < 4 ? six.low : six.high, (i) & 3)
#define BASE(a, r) vdotq_laneq_s32(a, r, six.high, 2)
#define ADD add_l2_neon_dotprod
#include "neon_screen.h"

#define KERNEL screen_l2_one_neon_dotprod
#define L1 0
#define TILE_QUERIES 1
#define TILE_UNITS 8
#define MOST_STEPS 8192 /* of the widest code */
#define SUMS int32x4_t
#define ZERO zero_i32x4_neon
#define QUERIES(p) const int8x16_t q = one_query_neon(p);
#define QUERY(p, i)
#define STEP(a, i, r) step_l2_neon_dotprod(a, q, r)
#define BASE base_l2_neon_dotprod
#define ADD add_l2_neon_dotprod
#include "neon_screen.h"

static void at_l1_neon_dotprod(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                               const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    (void)starts;
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_neon(codes, width, rows, j, n);
        uint32x4_t a = vdupq_n_u32(0), b = a;
        ptrdiff_t i = 0;
        for (; i + 32 <= width; i += 32) {
            a = differences_neon_dotprod(a, vld1q_u8(query + i), vld1q_u8(r + i));
            b = differences_neon_dotprod(b, vld1q_u8(query + i + 16), vld1q_u8(r + i + 16));
        }
        if (i + 16 <= width) {
            a = differences_neon_dotprod(a, vld1q_u8(query + i), vld1q_u8(r + i));
            i += 16;
        }
        keys_out[j] = (int32_t)(vaddvq_u32(vaddq_u32(a, b)) + rest_l1_neon(query, r, i, width));
    }
}

static void at_l2_neon_dotprod(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                               const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    const uint32_t surplus = surplus_neon(query, width);
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = row_at_neon(codes, width, rows, j, n);
        uint32x4_t a = vdupq_n_u32(0), b = a;
        ptrdiff_t i = 0;
        for (; i + 32 <= width; i += 32) {
            a = vdotq_u32(a, vld1q_u8(query + i), flip_neon(vld1q_u8(r + i)));
            b = vdotq_u32(b, vld1q_u8(query + i + 16), flip_neon(vld1q_u8(r + i + 16)));
        }
        if (i + 16 <= width) {
            a = vdotq_u32(a, vld1q_u8(query + i), flip_neon(vld1q_u8(r + i)));
            i += 16;
        }
        const uint32_t sum = vaddvq_u32(vaddq_u32(a, b)) + rest_l2_neon(query, r, i, width);
        keys_out[j] = (int32_t)((uint32_t)starts[rows[j]] + sum - surplus);
    }
}

PROJECT(neon_dotprod)

static const fastcls_filter filter_neon_dotprod = {
    screen_l1_neon_dotprod, screen_l2_neon_dotprod, screen_l1_one_neon_dotprod, screen_l2_one_neon_dotprod,
    at_l1_neon_dotprod,     at_l2_neon_dotprod,     at_fine_neon,               project_neon_dotprod,
    bound_neon,             drop_neon,              both_l1_neon_dotprod,       both_l2_neon_dotprod};

FASTCLS_TARGET_END
#endif
