/* AVX2 with FMA and F16C: vocabulary of the linear kernels; the loops are in tile.h. */
#ifndef FASTCLS_LINEAR_AVX2_H
#define FASTCLS_LINEAR_AVX2_H
#include <immintrin.h>

#include "contract.h"

FASTCLS_TARGET_BEGIN("avx2,fma,f16c")

static inline __m128i load_bytes_x4_avx2(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm_cvtsi32_si128(v);
}
static inline __m256 u8x8_f32_avx2(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline __m256 i8x8_f32_avx2(const int8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline __m256 f16x8_f32_avx2(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline __m256 bf16x8_f32_avx2(const uint16_t *p) {
    const __m256i upper = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(upper, 16));
}
static inline __m256d u8x4_f64_avx2(const uint8_t *p) {
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(load_bytes_x4_avx2(p)));
}
static inline __m256d i8x4_f64_avx2(const int8_t *p) {
    return _mm256_cvtepi32_pd(_mm_cvtepi8_epi32(load_bytes_x4_avx2(p)));
}
static inline __m256d f16x4_f64_avx2(const uint16_t *p) {
    return _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)p)));
}
static inline __m256d bf16x4_f64_avx2(const uint16_t *p) {
    const __m128i upper = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)p));
    return _mm256_cvtps_pd(_mm_castsi128_ps(_mm_slli_epi32(upper, 16)));
}
static inline __m256d f32x4_f64_avx2(const float *p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }

/* Add the halves, in an order that does not depend on other accumulators. */
static inline float fold_f32x8_avx2(__m256 v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline double fold_f64x4_avx2(__m256d v) {
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* 2 x 5 accumulators, two widened rows and one vector of weights: 13 of 16 registers. */
#define ISA avx2
#define TILE_ROWS 2
#define TILE_COLUMNS 5
#define PRODUCT_ROWS 6
#define FUSED(a, b, c) __builtin_fma(a, b, c)
#define VECTOR_F32 __m256
#define LANES_F32 8
#define ZERO_F32 _mm256_setzero_ps
#define LOAD_F32 _mm256_loadu_ps
#define STORE_F32 _mm256_storeu_ps
#define SPREAD_F32(p) _mm256_set1_ps(*(p))
#define FMA_F32 _mm256_fmadd_ps
#define FOLD_F32 fold_f32x8_avx2
#define WIDEN_U8_F32 u8x8_f32_avx2
#define WIDEN_I8_F32 i8x8_f32_avx2
#define WIDEN_F16_F32 f16x8_f32_avx2
#define WIDEN_BF16_F32 bf16x8_f32_avx2
#define VECTOR_F64 __m256d
#define LANES_F64 4
#define ZERO_F64 _mm256_setzero_pd
#define LOAD_F64 _mm256_loadu_pd
#define STORE_F64 _mm256_storeu_pd
#define SPREAD_F64(p) _mm256_set1_pd(*(p))
#define FMA_F64 _mm256_fmadd_pd
#define FOLD_F64 fold_f64x4_avx2
#define SUB_F64 _mm256_sub_pd
#define WIDEN_U8_F64 u8x4_f64_avx2
#define WIDEN_I8_F64 i8x4_f64_avx2
#define WIDEN_F16_F64 f16x4_f64_avx2
#define WIDEN_BF16_F64 bf16x4_f64_avx2
#define WIDEN_F32_F64 f32x4_f64_avx2
#include "types.h"
#include "undefine.h"

static const fastcls_linear linear_avx2 = FASTCLS_LINEAR(avx2, 2, 5, 6, 16, 8);

FASTCLS_TARGET_END
#endif
