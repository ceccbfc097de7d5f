/* AVX-512 with BW, DQ, VL and VNNI. Vocabulary only; the loops are in tile.h. Bounds and speeds: README.md. */
#ifndef FASTCLS_AVX512VNNI_H
#define FASTCLS_AVX512VNNI_H
#include <immintrin.h>

#include "avx2.h"

FASTCLS_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")

static inline __m512i load_i32x1_avx512(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}
static inline __m512i load_i64x1_avx512(const uint8_t *p) {
    int64_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi64(v);
}
static inline __m512 load_f32x1_avx512(const uint8_t *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_ps(v);
}
static inline void store_f64x8_avx512(double *p, __m512d v, int add) {
    _mm512_storeu_pd(p, add ? _mm512_add_pd(_mm512_loadu_pd(p), v) : v);
}
static inline void store_i32x16_avx512(double *p, __m512i a, int add) {
    store_f64x8_avx512(p, _mm512_cvtepi32_pd(_mm512_castsi512_si256(a)), add);
    store_f64x8_avx512(p + 8, _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(a, 1)), add);
}
static inline void store_f32x16_avx512(double *p, __m512 a, int add) {
    store_f64x8_avx512(p, _mm512_cvtps_pd(_mm512_castps512_ps256(a)), add);
    store_f64x8_avx512(p + 8, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)), add);
}

/* vpdpbusd in assembly: with the intrinsic, the register allocator of gcc 12 fails, and stores each accumulator to the stack
   after every step: 43 G multiply-adds/s instead of 213 (one core, Zen 4). */
static inline __m512i dot_step_avx512(__m512i a, __m512i q_u8x64, __m512i r_i8x64) {
#if defined(__GNUC__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(a) : "v"(q_u8x64), "v"(r_i8x64));
    return a;
#else
    return _mm512_dpbusd_epi32(a, q_u8x64, r_i8x64);
#endif
}

#define TILE_QUERIES 6

#define KERNEL l1_u8_avx512vnni /* sums as subnormals: see avx2.h */
#define VECTOR __m512d
#define ROWS __m512i
#define LANES 8
#define STEP_BYTES 8
#define ZERO _mm512_setzero_pd
#define LOAD(p) _mm512_loadu_si512(p)
#define BROADCAST load_i64x1_avx512
#define STEP(a, q, r) _mm512_add_pd(a, _mm512_castsi512_pd(_mm512_sad_epu8(q, r)))
#define STORE(p, a, add) store_f64x8_avx512(p, _mm512_cvtepi64_pd(_mm512_castpd_si512(a)), add)
#define ENTER const unsigned mode = keep_subnormals();
#define LEAVE restore_subnormals(mode);
#include "tile.h"

#define KERNEL dot_u8_avx512vnni /* queries unsigned, rows signed: 255 x 128 x 65,536 features < 2^31 */
#define VECTOR __m512i
#define LANES 16
#define STEP_BYTES 4
#define ZERO _mm512_setzero_si512
#define LOAD(p) _mm512_loadu_si512(p)
#define BROADCAST load_i32x1_avx512
#define STEP dot_step_avx512
#define STORE store_i32x16_avx512
#include "tile.h"

#define KERNEL max_f32_avx512vnni
#define VECTOR __m512
#define LANES 16
#define STEP_BYTES 4
#define ZERO _mm512_setzero_ps
#define LOAD(p) _mm512_loadu_ps(p)
#define BROADCAST load_f32x1_avx512
#define STEP(a, q, r) _mm512_fmadd_ps(_mm512_max_ps(q, r), one, a)
#define STORE store_f32x16_avx512
#define ENTER const __m512 one = _mm512_castsi512_ps(_mm512_set1_epi32(bits_of_one()));
#define LEAVE
#include "tile.h"

#define KERNEL dot_f32_avx512vnni
#define VECTOR __m512
#define LANES 16
#define STEP_BYTES 4
#define ZERO _mm512_setzero_ps
#define LOAD(p) _mm512_loadu_ps(p)
#define BROADCAST load_f32x1_avx512
#define STEP(a, q, r) _mm512_fmadd_ps(q, r, a)
#define STORE store_f32x16_avx512
#include "tile.h"

#undef TILE_QUERIES

/* Candidates: !(key > threshold), eight at a time; most panels have none. */
static ptrdiff_t select_avx512vnni(const double *sums, ptrdiff_t n, double scale, double query_term,
                                   const double *row_terms, const double *row_factors, double threshold,
                                   double *keys_out, int32_t *chosen_out) {
    const __m512d factor = _mm512_set1_pd(scale), term = _mm512_set1_pd(query_term), limit = _mm512_set1_pd(threshold);
    ptrdiff_t n_chosen = 0;
    for (ptrdiff_t j = 0; j < n; j += 8) {
        const __mmask8 inside = n - j >= 8 ? 0xff : (__mmask8)((1u << (n - j)) - 1);
        __m512d key = _mm512_mul_pd(_mm512_maskz_loadu_pd(inside, sums + j), factor);
        key = _mm512_add_pd(_mm512_add_pd(key, term), _mm512_maskz_loadu_pd(inside, row_terms + j));
        key = _mm512_mul_pd(key, _mm512_maskz_loadu_pd(inside, row_factors + j));
        unsigned found = _mm512_mask_cmp_pd_mask(inside, key, limit, _CMP_NGT_UQ);
        if (found) {
            double lanes[8];
            _mm512_storeu_pd(lanes, key);
            for (; found; found &= found - 1) {
                const int lane = __builtin_ctz(found);
                keys_out[n_chosen] = lanes[lane];
                chosen_out[n_chosen++] = (int32_t)(j + lane);
            }
        }
    }
    return n_chosen;
}

/* The eight lanes of the reference arithmetic are one register. */
static inline double fold_f64x8_avx512(__m512d lanes) {
    const __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(lanes), _mm512_extractf64x4_pd(lanes, 1));
    const __m128d quarter = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarter, _mm_unpackhi_pd(quarter, quarter)));
}
static inline __m512d widen_f16x8_avx512(const void *p) {
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)));
}
static inline __m512d widen_bf16x8_avx512(const void *p) {
    const __m256i upper = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(upper, 16)));
}
static inline __m512d widen_f32x8_avx512(const float *p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
static inline __m512d term_l1_avx512(__m512d p, __m512d q) { return _mm512_abs_pd(_mm512_sub_pd(p, q)); }
static inline __m512d term_sql2_avx512(__m512d p, __m512d q) {
    const __m512d difference = _mm512_sub_pd(p, q);
    return _mm512_mul_pd(difference, difference);
}

#define ISA avx512vnni
#define LANES8 __m512d
#define ZERO8 _mm512_setzero_pd
#define ADD8 _mm512_add_pd
#define FOLD8 fold_f64x8_avx512
#define TERM_L1 term_l1_avx512
#define TERM_SQL2 term_sql2_avx512
#define TERM_DOT _mm512_mul_pd
#define LOAD8_F16 widen_f16x8_avx512
#define LOAD8_BF16 widen_bf16x8_avx512
#define LOAD8_F32 widen_f32x8_avx512
#define LOAD8_F64 _mm512_loadu_pd
#include "float_pairs.h"

#define VALUES __m512d
#define NUMBERS __m512i
#define MASK __mmask8
#define WIDTH 8
#define LOAD_V(p) _mm512_loadu_pd(p)
#define STORE_V(p, v) _mm512_storeu_pd(p, v)
#define SET_V(x) _mm512_set1_pd(x)
#define LOAD_N(p) _mm512_loadu_si512(p)
#define STORE_N(p, v) _mm512_storeu_si512(p, v)
#define SET_N(x) _mm512_set1_epi64(x)
#define ADD_V _mm512_add_pd
#define SUB_V _mm512_sub_pd
#define MUL_V _mm512_mul_pd
#define ABS_V _mm512_abs_pd
#define LESS(a, b) _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ)
#define NOT_EQUAL _mm512_cmpneq_epi64_mask
#define ANY(m) (m)
#define PICK_V(m, a, b) _mm512_mask_blend_pd(m, b, a)
#define PICK_N(m, a, b) _mm512_mask_blend_epi64(m, b, a)
#include "eight.h"
#include "low_dimensional.h"

/* Bytes. For L1 and squared L2, signed bytes are shifted to unsigned, which does not change a difference. */
static inline __m512i flip_avx512(__m512i v) { return _mm512_xor_si512(v, _mm512_set1_epi8((char)0x80)); }
static inline __m512i step_l1_u8_avx512(__m512i a, __m512i x, __m512i y) {
    return _mm512_add_epi64(a, _mm512_sad_epu8(x, y));
}
static inline __m512i step_l1_i8_avx512(__m512i a, __m512i x, __m512i y) {
    return step_l1_u8_avx512(a, flip_avx512(x), flip_avx512(y));
}
static inline __m512i step_sql2_u8_avx512(__m512i a, __m512i x, __m512i y) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i diff_u8x64 = _mm512_or_si512(_mm512_subs_epu8(x, y), _mm512_subs_epu8(y, x));
    const __m512i low_i16x32 = _mm512_unpacklo_epi8(diff_u8x64, zero), high_i16x32 = _mm512_unpackhi_epi8(diff_u8x64, zero);
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(a, low_i16x32, low_i16x32), high_i16x32, high_i16x32);
}
static inline __m512i step_sql2_i8_avx512(__m512i a, __m512i x, __m512i y) {
    return step_sql2_u8_avx512(a, flip_avx512(x), flip_avx512(y));
}
static inline __m512i step_dot_u8_avx512(__m512i a, __m512i x, __m512i y) {
    const __m512i zero = _mm512_setzero_si512();
    a = _mm512_dpwssd_epi32(a, _mm512_unpacklo_epi8(x, zero), _mm512_unpacklo_epi8(y, zero));
    return _mm512_dpwssd_epi32(a, _mm512_unpackhi_epi8(x, zero), _mm512_unpackhi_epi8(y, zero));
}
static inline __m512i step_dot_i8_avx512(__m512i a, __m512i x, __m512i y) {
    const __m512i zero = _mm512_setzero_si512(); /* a byte in the high half of 16 bits, shifted down, keeps its sign */
    const __m512i x_low_i16x32 = _mm512_srai_epi16(_mm512_unpacklo_epi8(zero, x), 8),
                  y_low_i16x32 = _mm512_srai_epi16(_mm512_unpacklo_epi8(zero, y), 8),
                  x_high_i16x32 = _mm512_srai_epi16(_mm512_unpackhi_epi8(zero, x), 8),
                  y_high_i16x32 = _mm512_srai_epi16(_mm512_unpackhi_epi8(zero, y), 8);
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(a, x_low_i16x32, y_low_i16x32), x_high_i16x32, y_high_i16x32);
}
static inline int64_t reduce_i32x16_avx512(__m512i a) {
    return _mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(a)),
                                                    _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(a, 1))));
}

#define VECTOR __m512i
#define WIDTH 64
#define LOAD(p) _mm512_loadu_si512(p)
#define ZERO _mm512_setzero_si512
#define STEP_L1_U8 step_l1_u8_avx512
#define STEP_L1_I8 step_l1_i8_avx512
#define REDUCE_L1 _mm512_reduce_add_epi64
#define STEP_SQL2_U8 step_sql2_u8_avx512
#define STEP_SQL2_I8 step_sql2_i8_avx512
#define STEP_DOT_U8 step_dot_u8_avx512
#define STEP_DOT_I8 step_dot_i8_avx512
#define REDUCE_I32 reduce_i32x16_avx512
#include "byte_pairs.h"
#undef ISA

#define ISA avx512vnni
#include "pack.h"

static const fastcls_search search_avx512vnni = {
    {{l1_u8_avx512vnni, pack_avx512vnni, FASTCLS_BYTE, 8, 6, 32, 0, 0},
     {dot_u8_avx512vnni, pack_avx512vnni, FASTCLS_BYTE, 4, 6, 64, 0, 0x80},
     {max_f32_avx512vnni, pack_avx512vnni, FASTCLS_SINGLE, 1, 6, 64, 0, 0},
     {dot_f32_avx512vnni, pack_avx512vnni, FASTCLS_SINGLE, 1, 6, 64, 0, 0}},
    select_avx512vnni,
    low_dimensional_avx512vnni,
    FASTCLS_ALL_PAIRS(avx512vnni),
    eight_avx512vnni};

FASTCLS_TARGET_END
#endif
