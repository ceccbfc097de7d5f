/* NEON, which every aarch64 has. Vocabulary only; the loops are in tile.h. Bounds and speeds: README.md. */
#ifndef FASTCLS_NEON_H
#define FASTCLS_NEON_H
#include <arm_neon.h>

#include "contract.h"

static inline uint8x16_t load_u8x8_twice_neon(const uint8_t *p) {
    const uint8x8_t v = vld1_u8(p);
    return vcombine_u8(v, v);
}
static inline int16x4_t load_i16x1_neon(const uint8_t *p) {
    int16_t v;
    memcpy(&v, p, sizeof v);
    return vdup_n_s16(v);
}
static inline int16x4_t load_i16x4_neon(const uint8_t *p) { return vreinterpret_s16_u8(vld1_u8(p)); }
static inline float32x4_t load_f32x4_neon(const uint8_t *p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
static inline float32x4_t load_f32x1_neon(const uint8_t *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return vdupq_n_f32(v);
}
static inline void store_f64x2_neon(double *p, float64x2_t v, int add) {
    vst1q_f64(p, add ? vaddq_f64(vld1q_f64(p), v) : v);
}
static inline void store_u32x4_pairs_neon(double *p, uint32x4_t a, int add) {
    store_f64x2_neon(p, vcvtq_f64_u64(vpaddlq_u32(a)), add);
}
static inline void store_u32x4_neon(double *p, uint32x4_t a, int add) {
    store_f64x2_neon(p, vcvtq_f64_u64(vmovl_u32(vget_low_u32(a))), add);
    store_f64x2_neon(p + 2, vcvtq_f64_u64(vmovl_u32(vget_high_u32(a))), add);
}
static inline void store_i32x4_neon(double *p, int32x4_t a, int add) {
    store_f64x2_neon(p, vcvtq_f64_s64(vmovl_s32(vget_low_s32(a))), add);
    store_f64x2_neon(p + 2, vcvtq_f64_s64(vmovl_s32(vget_high_s32(a))), add);
}
static inline void store_f32x4_neon(double *p, float32x4_t a, int add) {
    store_f64x2_neon(p, vcvt_f64_f32(vget_low_f32(a)), add);
    store_f64x2_neon(p + 2, vcvt_high_f64_f32(a), add);
}
static inline uint32x4_t zero_u32x4_neon(void) { return vdupq_n_u32(0); }
static inline int32x4_t zero_i32x4_neon(void) { return vdupq_n_s32(0); }
static inline float32x4_t zero_f32x4_neon(void) { return vdupq_n_f32(0.0f); }

#define TILE_QUERIES 6

/* Each 32-bit lane adds four differences a step: 4 x 255 x 65,536 / 8 steps < 2^32. */
#define KERNEL l1_u8_neon
#define VECTOR uint32x4_t
#define ROWS uint8x16_t
#define LANES 2
#define STEP_BYTES 8
#define ZERO zero_u32x4_neon
#define LOAD vld1q_u8
#define BROADCAST load_u8x8_twice_neon
#define STEP(a, q, r) vpadalq_u16(a, vpaddlq_u8(vabdq_u8(q, r)))
#define STORE store_u32x4_pairs_neon
#include "tile.h"

#define KERNEL dot_i16_neon /* one feature of 16 bits per step: 32,768 features of 65,025 stay below 2^31 */
#define VECTOR int32x4_t
#define ROWS int16x4_t
#define LANES 4
#define STEP_BYTES 2
#define ZERO zero_i32x4_neon
#define LOAD load_i16x4_neon
#define BROADCAST load_i16x1_neon
#define STEP(a, q, r) vmlal_s16(a, q, r)
#define STORE store_i32x4_neon
#include "tile.h"

#define KERNEL max_f32_neon
#define VECTOR float32x4_t
#define LANES 4
#define STEP_BYTES 4
#define ZERO zero_f32x4_neon
#define LOAD load_f32x4_neon
#define BROADCAST load_f32x1_neon
#define STEP(a, q, r) vaddq_f32(a, vmaxq_f32(q, r))
#define STORE store_f32x4_neon
#include "tile.h"

#define KERNEL dot_f32_neon
#define VECTOR float32x4_t
#define LANES 4
#define STEP_BYTES 4
#define ZERO zero_f32x4_neon
#define LOAD load_f32x4_neon
#define BROADCAST load_f32x1_neon
#define STEP(a, q, r) vfmaq_f32(a, q, r)
#define STORE store_f32x4_neon
#include "tile.h"

#undef TILE_QUERIES

/* The eight lanes of the reference arithmetic, in four registers. */
typedef struct {
    float64x2_t part[4];
} f64x8_neon;
static inline f64x8_neon zero_f64x8_neon(void) {
    const float64x2_t z = vdupq_n_f64(0.0);
    const f64x8_neon v = {{z, z, z, z}};
    return v;
}
#define EACH_PART(EXPRESSION)                                                                                            \
    f64x8_neon v;                                                                                                        \
    for (int i = 0; i < 4; i++)                                                                                          \
        v.part[i] = EXPRESSION;                                                                                          \
    return v;
static inline f64x8_neon add_f64x8_neon(f64x8_neon a, f64x8_neon b) { EACH_PART(vaddq_f64(a.part[i], b.part[i])) }
static inline f64x8_neon mul_f64x8_neon(f64x8_neon a, f64x8_neon b) { EACH_PART(vmulq_f64(a.part[i], b.part[i])) }
static inline f64x8_neon term_l1_neon(f64x8_neon p, f64x8_neon q) { EACH_PART(vabdq_f64(p.part[i], q.part[i])) }
static inline f64x8_neon sub_f64x8_neon(f64x8_neon p, f64x8_neon q) { EACH_PART(vsubq_f64(p.part[i], q.part[i])) }
static inline f64x8_neon term_sql2_neon(f64x8_neon p, f64x8_neon q) {
    const f64x8_neon difference = sub_f64x8_neon(p, q);
    return mul_f64x8_neon(difference, difference);
}
static inline double fold_f64x8_neon(f64x8_neon v) {
    const float64x2_t half_low = vaddq_f64(v.part[0], v.part[2]), half_high = vaddq_f64(v.part[1], v.part[3]);
    const float64x2_t quarter = vaddq_f64(half_low, half_high);
    return vgetq_lane_f64(quarter, 0) + vgetq_lane_f64(quarter, 1);
}
static inline f64x8_neon widen_singles_neon(float32x4_t low, float32x4_t high) {
    const f64x8_neon v = {{vcvt_f64_f32(vget_low_f32(low)), vcvt_high_f64_f32(low), vcvt_f64_f32(vget_low_f32(high)),
                           vcvt_high_f64_f32(high)}};
    return v;
}
static inline f64x8_neon widen_f32x8_neon(const float *p) { return widen_singles_neon(vld1q_f32(p), vld1q_f32(p + 4)); }
static inline f64x8_neon widen_f16x8_neon(const uint16_t *p) {
    const float16x8_t half = vreinterpretq_f16_u16(vld1q_u16(p));
    return widen_singles_neon(vcvt_f32_f16(vget_low_f16(half)), vcvt_high_f32_f16(half));
}
static inline f64x8_neon widen_bf16x8_neon(const uint16_t *p) {
    const uint16x8_t upper = vld1q_u16(p);
    const uint32x4_t low = vshlq_n_u32(vmovl_u16(vget_low_u16(upper)), 16), high = vshlq_n_u32(vmovl_high_u16(upper), 16);
    return widen_singles_neon(vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high));
}
static inline f64x8_neon load_f64x8_neon(const double *p) { EACH_PART(vld1q_f64(p + 2 * i)) }
#undef EACH_PART

#define ISA neon
#define LANES8 f64x8_neon
#define ZERO8 zero_f64x8_neon
#define ADD8 add_f64x8_neon
#define FOLD8 fold_f64x8_neon
#define TERM_L1 term_l1_neon
#define TERM_SQL2 term_sql2_neon
#define TERM_DOT mul_f64x8_neon
#define LOAD8_F16 widen_f16x8_neon
#define LOAD8_BF16 widen_bf16x8_neon
#define LOAD8_F32 widen_f32x8_neon
#define LOAD8_F64 load_f64x8_neon
#include "float_pairs.h"

/* Bytes. A difference's square, below 2^16, is added to 32-bit lanes by pairs: 8 of them a lane and step. */
static inline uint8x16_t flip_neon(uint8x16_t v) { return veorq_u8(v, vdupq_n_u8(0x80)); }
static inline int32x4_t step_l1_u8_neon(int32x4_t a, uint8x16_t x, uint8x16_t y) {
    return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(a), vpaddlq_u8(vabdq_u8(x, y))));
}
static inline int32x4_t step_l1_i8_neon(int32x4_t a, uint8x16_t x, uint8x16_t y) {
    return step_l1_u8_neon(a, flip_neon(x), flip_neon(y));
}
static inline int32x4_t step_dot_u8_neon(int32x4_t a, uint8x16_t x, uint8x16_t y) {
    uint32x4_t sum = vreinterpretq_u32_s32(a);
    sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(x), vget_low_u8(y)));
    return vreinterpretq_s32_u32(vpadalq_u16(sum, vmull_high_u8(x, y)));
}
static inline int32x4_t step_sql2_u8_neon(int32x4_t a, uint8x16_t x, uint8x16_t y) {
    const uint8x16_t diff_u8x16 = vabdq_u8(x, y);
    return step_dot_u8_neon(a, diff_u8x16, diff_u8x16);
}
static inline int32x4_t step_sql2_i8_neon(int32x4_t a, uint8x16_t x, uint8x16_t y) {
    return step_sql2_u8_neon(a, flip_neon(x), flip_neon(y));
}
static inline int32x4_t step_dot_i8_neon(int32x4_t a, uint8x16_t x, uint8x16_t y) {
    const int8x16_t p = vreinterpretq_s8_u8(x), q = vreinterpretq_s8_u8(y);
    a = vpadalq_s16(a, vmull_s8(vget_low_s8(p), vget_low_s8(q)));
    return vpadalq_s16(a, vmull_high_s8(p, q));
}
static inline int64_t reduce_i32x4_neon(int32x4_t a) { return vaddlvq_s32(a); }

#define VECTOR int32x4_t
#define BYTES uint8x16_t
#define WIDTH 16
#define LOAD vld1q_u8
#define ZERO zero_i32x4_neon
#define STEP_L1_U8 step_l1_u8_neon
#define STEP_L1_I8 step_l1_i8_neon
#define REDUCE_L1 reduce_i32x4_neon
#define STEP_SQL2_U8 step_sql2_u8_neon
#define STEP_SQL2_I8 step_sql2_i8_neon
#define STEP_DOT_U8 step_dot_u8_neon
#define STEP_DOT_I8 step_dot_i8_neon
#define REDUCE_I32 reduce_i32x4_neon
#include "byte_pairs.h"
#undef ISA

#define ISA neon
#include "pack.h"

static const fastcls_search search_neon = {
    {{l1_u8_neon, pack_neon, FASTCLS_BYTE, 8, 6, 8, 0, 0},
     {dot_i16_neon, pack_neon, FASTCLS_I16, 1, 6, 16, 0, 0},
     {max_f32_neon, pack_neon, FASTCLS_SINGLE, 1, 6, 16, 0, 0},
     {dot_f32_neon, pack_neon, FASTCLS_SINGLE, 1, 6, 16, 0, 0}},
    0,
    0,
    FASTCLS_ALL_PAIRS(neon),
    0};

#endif
