/* NEON: vocabulary of the linear kernels; the loops are in tile.h. */
#ifndef FASTCLS_LINEAR_NEON_H
#define FASTCLS_LINEAR_NEON_H
#include <arm_neon.h>

#include "contract.h"

static inline uint8x8_t load_bytes_x4_neon(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return vcreate_u8((uint64_t)v);
}
static inline float32x4_t zero_f32_neon(void) { return vdupq_n_f32(0.0f); }
static inline float64x2_t zero_f64_neon(void) { return vdupq_n_f64(0.0); }
static inline float32x4_t u8x4_f32_neon(const uint8_t *p) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(load_bytes_x4_neon(p)))));
}
static inline float32x4_t i8x4_f32_neon(const int8_t *p) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load_bytes_x4_neon(p))))));
}
static inline float32x4_t f16x4_f32_neon(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline float32x4_t bf16x4_f32_neon(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p)), 16));
}
static inline float64x2_t f32x2_f64_neon(const float *p) { return vcvt_f64_f32(vld1_f32(p)); }
static inline float64x2_t u8x2_f64_neon(const uint8_t *p) {
    const float64x2_t v = {p[0], p[1]};
    return v;
}
static inline float64x2_t i8x2_f64_neon(const int8_t *p) {
    const float64x2_t v = {p[0], p[1]};
    return v;
}
static inline float64x2_t f16x2_f64_neon(const uint16_t *p) {
    uint32_t both;
    memcpy(&both, p, sizeof both);
    return vcvt_f64_f32(vget_low_f32(vcvt_f32_f16(vreinterpret_f16_u16(vcreate_u16((uint64_t)both)))));
}
static inline float64x2_t bf16x2_f64_neon(const uint16_t *p) {
    uint32_t both;
    memcpy(&both, p, sizeof both);
    const uint32x4_t upper = vshlq_n_u32(vmovl_u16(vcreate_u16((uint64_t)both)), 16);
    return vcvt_f64_f32(vget_low_f32(vreinterpretq_f32_u32(upper)));
}
static inline float32x4_t fma_f32_neon(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(c, a, b); }
static inline float64x2_t fma_f64_neon(float64x2_t a, float64x2_t b, float64x2_t c) { return vfmaq_f64(c, a, b); }

#define ISA neon
#define TILE_ROWS 4
#define TILE_COLUMNS 6
#define PRODUCT_ROWS 12
#define FUSED(a, b, c) __builtin_fma(a, b, c)
#define VECTOR_F32 float32x4_t
#define LANES_F32 4
#define ZERO_F32 zero_f32_neon
#define LOAD_F32 vld1q_f32
#define STORE_F32 vst1q_f32
#define SPREAD_F32 vld1q_dup_f32
#define FMA_F32 fma_f32_neon
#define FOLD_F32 vaddvq_f32
#define WIDEN_U8_F32 u8x4_f32_neon
#define WIDEN_I8_F32 i8x4_f32_neon
#define WIDEN_F16_F32 f16x4_f32_neon
#define WIDEN_BF16_F32 bf16x4_f32_neon
#define VECTOR_F64 float64x2_t
#define LANES_F64 2
#define ZERO_F64 zero_f64_neon
#define LOAD_F64 vld1q_f64
#define STORE_F64 vst1q_f64
#define SPREAD_F64 vld1q_dup_f64
#define FMA_F64 fma_f64_neon
#define FOLD_F64 vaddvq_f64
#define SUB_F64 vsubq_f64
#define WIDEN_U8_F64 u8x2_f64_neon
#define WIDEN_I8_F64 i8x2_f64_neon
#define WIDEN_F16_F64 f16x2_f64_neon
#define WIDEN_BF16_F64 bf16x2_f64_neon
#define WIDEN_F32_F64 f32x2_f64_neon
#include "types.h"
#include "undefine.h"

static const fastcls_linear linear_neon = FASTCLS_LINEAR(neon, 4, 6, 12, 8, 4);

#endif
