/* NEON with the dot product extension (ARMv8.2 and later): four byte products per 32-bit lane and instruction. */
#ifndef FASTCLS_NEON_DOTPROD_H
#define FASTCLS_NEON_DOTPROD_H
#include "neon.h"

FASTCLS_TARGET_BEGIN("arch=armv8.2-a+dotprod")

static inline uint8x16_t load_u8x4_repeated_neon_dotprod(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return vreinterpretq_u8_u32(vdupq_n_u32(v));
}
static inline uint32x4_t zero_u32x4_neon_dotprod(void) { return vdupq_n_u32(0); }
static inline void store_u32x4_neon_dotprod(double *p, uint32x4_t a, int add) {
    const float64x2_t low = vcvtq_f64_u64(vmovl_u32(vget_low_u32(a))), high = vcvtq_f64_u64(vmovl_u32(vget_high_u32(a)));
    vst1q_f64(p, add ? vaddq_f64(vld1q_f64(p), low) : low);
    vst1q_f64(p + 2, add ? vaddq_f64(vld1q_f64(p + 2), high) : high);
}

#define TILE_QUERIES 6

#define KERNEL l1_u8_neon_dotprod
#define VECTOR uint32x4_t
#define ROWS uint8x16_t
#define LANES 4
#define STEP_BYTES 4
#define ZERO zero_u32x4_neon_dotprod
#define LOAD vld1q_u8
#define BROADCAST load_u8x4_repeated_neon_dotprod
#define STEP(a, q, r) vdotq_u32(a, vabdq_u8(q, r), vdupq_n_u8(1))
#define STORE store_u32x4_neon_dotprod
#include "tile.h"

#define KERNEL dot_u8_neon_dotprod /* both unsigned: 65,025 x 65,536 features < 2^32 */
#define VECTOR uint32x4_t
#define ROWS uint8x16_t
#define LANES 4
#define STEP_BYTES 4
#define ZERO zero_u32x4_neon_dotprod
#define LOAD vld1q_u8
#define BROADCAST load_u8x4_repeated_neon_dotprod
#define STEP vdotq_u32
#define STORE store_u32x4_neon_dotprod
#include "tile.h"

#undef TILE_QUERIES

static const fastcls_search search_neon_dotprod = {
    {{l1_u8_neon_dotprod, pack_neon, FASTCLS_BYTE, 4, 6, 16, 0, 0}, {dot_u8_neon_dotprod, pack_neon, FASTCLS_BYTE, 4, 6, 16, 0, 0}, {0}, {0}},
    0,
    0,
    {{0}},
    0};

FASTCLS_TARGET_END
#endif
