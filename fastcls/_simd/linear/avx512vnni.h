/* AVX-512 with BW, DQ and VL: vocabulary of the linear kernels; the loops are in tile.h. */
#ifndef FASTCLS_LINEAR_AVX512_H
#define FASTCLS_LINEAR_AVX512_H
#include <immintrin.h>

#include "contract.h"

FASTCLS_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")

static inline __m512 u8x16_f32_avx512(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline __m512 i8x16_f32_avx512(const int8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline __m512 f16x16_f32_avx512(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline __m512 bf16x16_f32_avx512(const uint16_t *p) {
    const __m512i upper = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(upper, 16));
}
static inline __m512d u8x8_f64_avx512(const uint8_t *p) {
    return _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline __m512d i8x8_f64_avx512(const int8_t *p) {
    return _mm512_cvtepi32_pd(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline __m512d f16x8_f64_avx512(const uint16_t *p) {
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)));
}
static inline __m512d bf16x8_f64_avx512(const uint16_t *p) {
    const __m256i upper = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(upper, 16)));
}
static inline __m512d f32x8_f64_avx512(const float *p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }

/* Add the halves, four times: ((0+8)+(4+12)) + ..., in an order that does not depend on other accumulators. */
static inline float fold_f32x16_avx512(__m512 v) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline double fold_f64x8_linear_avx512(__m512d v) {
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

#define ISA avx512
#define TILE_ROWS 4
#define TILE_COLUMNS 6
#define PRODUCT_ROWS 12
#define FUSED(a, b, c) __builtin_fma(a, b, c)
#define VECTOR_F32 __m512
#define LANES_F32 16
#define ZERO_F32 _mm512_setzero_ps
#define LOAD_F32 _mm512_loadu_ps
#define STORE_F32 _mm512_storeu_ps
#define SPREAD_F32(p) _mm512_set1_ps(*(p))
#define FMA_F32 _mm512_fmadd_ps
#define FOLD_F32 fold_f32x16_avx512
#define WIDEN_U8_F32 u8x16_f32_avx512
#define WIDEN_I8_F32 i8x16_f32_avx512
#define WIDEN_F16_F32 f16x16_f32_avx512
#define WIDEN_BF16_F32 bf16x16_f32_avx512
#define VECTOR_F64 __m512d
#define LANES_F64 8
#define ZERO_F64 _mm512_setzero_pd
#define LOAD_F64 _mm512_loadu_pd
#define STORE_F64 _mm512_storeu_pd
#define SPREAD_F64(p) _mm512_set1_pd(*(p))
#define FMA_F64 _mm512_fmadd_pd
#define FOLD_F64 fold_f64x8_linear_avx512
#define SUB_F64 _mm512_sub_pd
#define WIDEN_U8_F64 u8x8_f64_avx512
#define WIDEN_I8_F64 i8x8_f64_avx512
#define WIDEN_F16_F64 f16x8_f64_avx512
#define WIDEN_BF16_F64 bf16x8_f64_avx512
#define WIDEN_F32_F64 f32x8_f64_avx512
#include "types.h"
#include "undefine.h"

static const fastcls_linear linear_avx512vnni = FASTCLS_LINEAR(avx512, 4, 6, 12, 32, 16);

FASTCLS_TARGET_END
#endif
