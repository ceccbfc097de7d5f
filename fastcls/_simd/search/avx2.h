/* AVX2 with FMA and F16C. Vocabulary only; the loops are in tile.h. Bounds and speeds: README.md. */
#ifndef FASTCLS_AVX2_H
#define FASTCLS_AVX2_H
#include <immintrin.h>

#include "contract.h"
#include "scalar.h"

FASTCLS_TARGET_BEGIN("avx2,fma,f16c")

static inline __m256i load_i32x1_avx2(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}
static inline __m256i load_i64x1_avx2(const uint8_t *p) {
    int64_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi64x(v);
}
static inline __m256 load_f32x1_avx2(const uint8_t *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_ps(v);
}
static inline __m256i load_bytes_avx2(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline void store_f64x4_avx2(double *p, __m256d v, int add) {
    _mm256_storeu_pd(p, add ? _mm256_add_pd(_mm256_loadu_pd(p), v) : v);
}
static inline void store_i32x8_avx2(double *p, __m256i a, int add) {
    store_f64x4_avx2(p, _mm256_cvtepi32_pd(_mm256_castsi256_si128(a)), add);
    store_f64x4_avx2(p + 4, _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1)), add);
}
/* Sums of absolute differences are added as subnormal float64 numbers: below 2^52 the bits of such a number are the integer
   itself, and adding two numbers adds the integers exactly. vpaddq would be simpler, but it competes with vpsadbw for ports:
   171 G differences/s instead of 235 (one core, Zen 4, from registers). Subnormals must not be flushed to zero meanwhile, even
   if another library has set that mode. */
static inline unsigned keep_subnormals(void) {
    const unsigned before = _mm_getcsr();
    if (before & 0x8040) /* flush to zero, denormals are zero */
        _mm_setcsr(before & ~0x8040u);
    return before;
}
static inline void restore_subnormals(unsigned before) {
    if (before & 0x8040)
        _mm_setcsr(before);
}
/* Combine the bits of such a sum with those of 2^52 into a float64, and subtract 2^52. */
static inline void store_u52x4_avx2(double *p, __m256d a, int add) {
    const __m256d two_52 = _mm256_set1_pd(0x1p52);
    store_f64x4_avx2(p, _mm256_sub_pd(_mm256_or_pd(a, two_52), two_52), add);
}
static inline void store_f32x8_avx2(double *p, __m256 a, int add) {
    store_f64x4_avx2(p, _mm256_cvtps_pd(_mm256_castps256_ps128(a)), add);
    store_f64x4_avx2(p + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)), add);
}
/* The larger of two values is added as its product with 1: the multiply-add uses ports that the maximum leaves free, while an
   addition would compete with it (29 G/s instead of 58; one core, Zen 4). The compiler must not know that the factor is 1. */
static inline int32_t bits_of_one(void) {
    int32_t bits = 0x3f800000;
    __asm__("" : "+r"(bits));
    return bits;
}

#define TILE_QUERIES 3

#define KERNEL l1_u8_avx2
#define VECTOR __m256d
#define ROWS __m256i
#define LANES 4
#define STEP_BYTES 8
#define ZERO _mm256_setzero_pd
#define LOAD load_bytes_avx2
#define BROADCAST load_i64x1_avx2
#define STEP(a, q, r) _mm256_add_pd(a, _mm256_castsi256_pd(_mm256_sad_epu8(q, r)))
#define STORE store_u52x4_avx2
#define ENTER const unsigned mode = keep_subnormals();
#define LEAVE restore_subnormals(mode);
#include "tile.h"

/* Two features of 16 bits per step: vpmaddubsw would take bytes, but saturates on full-range bytes. 32,768 features of
   65,025 stay below 2^31. */
#define KERNEL dot_i16_avx2
#define VECTOR __m256i
#define LANES 8
#define STEP_BYTES 4
#define ZERO _mm256_setzero_si256
#define LOAD load_bytes_avx2
#define BROADCAST load_i32x1_avx2
#define STEP(a, q, r) _mm256_add_epi32(a, _mm256_madd_epi16(q, r))
#define STORE store_i32x8_avx2
#include "tile.h"

#define KERNEL max_f32_avx2
#define VECTOR __m256
#define LANES 8
#define STEP_BYTES 4
#define ZERO _mm256_setzero_ps
#define LOAD(p) _mm256_loadu_ps((const float *)(p))
#define BROADCAST load_f32x1_avx2
#define STEP(a, q, r) _mm256_fmadd_ps(_mm256_max_ps(q, r), one, a)
#define STORE store_f32x8_avx2
#define ENTER const __m256 one = _mm256_castsi256_ps(_mm256_set1_epi32(bits_of_one()));
#define LEAVE
#include "tile.h"

#define KERNEL dot_f32_avx2
#define VECTOR __m256
#define LANES 8
#define STEP_BYTES 4
#define ZERO _mm256_setzero_ps
#define LOAD(p) _mm256_loadu_ps((const float *)(p))
#define BROADCAST load_f32x1_avx2
#define STEP(a, q, r) _mm256_fmadd_ps(q, r, a)
#define STORE store_f32x8_avx2
#include "tile.h"

#undef TILE_QUERIES

/* Candidates: !(key > threshold), four at a time; most panels have none. */
static ptrdiff_t select_avx2(const double *sums, ptrdiff_t n, double scale, double query_term, const double *row_terms,
                             const double *row_factors, double threshold, double *keys_out, int32_t *chosen_out) {
    const __m256d factor = _mm256_set1_pd(scale), term = _mm256_set1_pd(query_term), limit = _mm256_set1_pd(threshold);
    ptrdiff_t n_chosen = 0, j = 0;
    for (; j + 4 <= n; j += 4) {
        __m256d key = _mm256_mul_pd(_mm256_loadu_pd(sums + j), factor);
        key = _mm256_add_pd(_mm256_add_pd(key, term), _mm256_loadu_pd(row_terms + j));
        key = _mm256_mul_pd(key, _mm256_loadu_pd(row_factors + j));
        unsigned found = (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(key, limit, _CMP_NGT_UQ));
        if (found) {
            double lanes[4];
            _mm256_storeu_pd(lanes, key);
            for (; found; found &= found - 1) {
                const int lane = __builtin_ctz(found);
                keys_out[n_chosen] = lanes[lane];
                chosen_out[n_chosen++] = (int32_t)(j + lane);
            }
        }
    }
    const ptrdiff_t rest = select_scalar(sums + j, n - j, scale, query_term, row_terms + j, row_factors + j, threshold,
                                         keys_out + n_chosen, chosen_out + n_chosen);
    for (ptrdiff_t i = 0; i < rest; i++)
        chosen_out[n_chosen + i] += (int32_t)j;
    return n_chosen + rest;
}

/* The eight lanes of the reference arithmetic, in two registers. */
typedef struct {
    __m256d low, high;
} f64x8_avx2;
static inline f64x8_avx2 zero_f64x8_avx2(void) {
    const f64x8_avx2 v = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    return v;
}
static inline f64x8_avx2 add_f64x8_avx2(f64x8_avx2 a, f64x8_avx2 b) {
    const f64x8_avx2 v = {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
    return v;
}
static inline f64x8_avx2 mul_f64x8_avx2(f64x8_avx2 a, f64x8_avx2 b) {
    const f64x8_avx2 v = {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
    return v;
}
static inline f64x8_avx2 term_l1_avx2(f64x8_avx2 p, f64x8_avx2 q) {
    const __m256d sign = _mm256_set1_pd(-0.0);
    const f64x8_avx2 v = {_mm256_andnot_pd(sign, _mm256_sub_pd(p.low, q.low)),
                          _mm256_andnot_pd(sign, _mm256_sub_pd(p.high, q.high))};
    return v;
}
static inline f64x8_avx2 term_sql2_avx2(f64x8_avx2 p, f64x8_avx2 q) {
    const f64x8_avx2 difference = {_mm256_sub_pd(p.low, q.low), _mm256_sub_pd(p.high, q.high)};
    return mul_f64x8_avx2(difference, difference);
}
static inline double fold_f64x8_avx2(f64x8_avx2 lanes) {
    const __m256d half = _mm256_add_pd(lanes.low, lanes.high);
    const __m128d quarter = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarter, _mm_unpackhi_pd(quarter, quarter)));
}
static inline f64x8_avx2 widen_f32x8_avx2(const float *p) {
    const f64x8_avx2 v = {_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
    return v;
}
static inline f64x8_avx2 widen_f16x8_avx2(const uint16_t *p) {
    const __m256 single = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
    const f64x8_avx2 v = {_mm256_cvtps_pd(_mm256_castps256_ps128(single)), _mm256_cvtps_pd(_mm256_extractf128_ps(single, 1))};
    return v;
}
static inline f64x8_avx2 widen_bf16x8_avx2(const uint16_t *p) {
    const __m256i upper = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    const __m256 single = _mm256_castsi256_ps(_mm256_slli_epi32(upper, 16));
    const f64x8_avx2 v = {_mm256_cvtps_pd(_mm256_castps256_ps128(single)), _mm256_cvtps_pd(_mm256_extractf128_ps(single, 1))};
    return v;
}
static inline f64x8_avx2 load_f64x8_avx2(const double *p) {
    const f64x8_avx2 v = {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
    return v;
}

#define ISA avx2
#define LANES8 f64x8_avx2
#define ZERO8 zero_f64x8_avx2
#define ADD8 add_f64x8_avx2
#define FOLD8 fold_f64x8_avx2
#define TERM_L1 term_l1_avx2
#define TERM_SQL2 term_sql2_avx2
#define TERM_DOT mul_f64x8_avx2
#define LOAD8_F16 widen_f16x8_avx2
#define LOAD8_BF16 widen_bf16x8_avx2
#define LOAD8_F32 widen_f32x8_avx2
#define LOAD8_F64 load_f64x8_avx2
#include "float_pairs.h"

#define VALUES __m256d
#define NUMBERS __m256i
#define MASK __m256d
#define WIDTH 4
#define LOAD_V(p) _mm256_loadu_pd(p)
#define STORE_V(p, v) _mm256_storeu_pd(p, v)
#define SET_V(x) _mm256_set1_pd(x)
#define LOAD_N(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE_N(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define SET_N(x) _mm256_set1_epi64x(x)
#define ADD_V _mm256_add_pd
#define SUB_V _mm256_sub_pd
#define MUL_V _mm256_mul_pd
#define ABS_V(v) _mm256_andnot_pd(_mm256_set1_pd(-0.0), v)
#define LESS(a, b) _mm256_cmp_pd(a, b, _CMP_LT_OQ)
#define NOT_EQUAL(a, b) _mm256_castsi256_pd(_mm256_xor_si256(_mm256_cmpeq_epi64(a, b), _mm256_set1_epi64x(-1)))
#define ANY(m) _mm256_movemask_pd(m)
#define PICK_V(m, a, b) _mm256_blendv_pd(b, a, m)
#define PICK_N(m, a, b) _mm256_castpd_si256(_mm256_blendv_pd(_mm256_castsi256_pd(b), _mm256_castsi256_pd(a), m))
#include "eight.h"
#include "low_dimensional.h"

/* Bytes. For L1 and squared L2, signed bytes are shifted to unsigned, which does not change a difference. */
static inline __m256i flip_avx2(__m256i v) { return _mm256_xor_si256(v, _mm256_set1_epi8((char)0x80)); }
static inline __m256i step_l1_u8_avx2(__m256i a, __m256i x, __m256i y) {
    return _mm256_add_epi64(a, _mm256_sad_epu8(x, y));
}
static inline __m256i step_l1_i8_avx2(__m256i a, __m256i x, __m256i y) {
    return step_l1_u8_avx2(a, flip_avx2(x), flip_avx2(y));
}
static inline __m256i add_products_avx2(__m256i a, __m256i x_i16x16, __m256i y_i16x16) {
    return _mm256_add_epi32(a, _mm256_madd_epi16(x_i16x16, y_i16x16));
}
static inline __m256i step_sql2_u8_avx2(__m256i a, __m256i x, __m256i y) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i diff_u8x32 = _mm256_or_si256(_mm256_subs_epu8(x, y), _mm256_subs_epu8(y, x));
    const __m256i low_i16x16 = _mm256_unpacklo_epi8(diff_u8x32, zero), high_i16x16 = _mm256_unpackhi_epi8(diff_u8x32, zero);
    return add_products_avx2(add_products_avx2(a, low_i16x16, low_i16x16), high_i16x16, high_i16x16);
}
static inline __m256i step_sql2_i8_avx2(__m256i a, __m256i x, __m256i y) {
    return step_sql2_u8_avx2(a, flip_avx2(x), flip_avx2(y));
}
static inline __m256i step_dot_u8_avx2(__m256i a, __m256i x, __m256i y) {
    const __m256i zero = _mm256_setzero_si256();
    a = add_products_avx2(a, _mm256_unpacklo_epi8(x, zero), _mm256_unpacklo_epi8(y, zero));
    return add_products_avx2(a, _mm256_unpackhi_epi8(x, zero), _mm256_unpackhi_epi8(y, zero));
}
static inline __m256i step_dot_i8_avx2(__m256i a, __m256i x, __m256i y) {
    const __m256i zero = _mm256_setzero_si256(); /* a byte in the high half of 16 bits, shifted down, keeps its sign */
    const __m256i x_low_i16x16 = _mm256_srai_epi16(_mm256_unpacklo_epi8(zero, x), 8),
                  y_low_i16x16 = _mm256_srai_epi16(_mm256_unpacklo_epi8(zero, y), 8),
                  x_high_i16x16 = _mm256_srai_epi16(_mm256_unpackhi_epi8(zero, x), 8),
                  y_high_i16x16 = _mm256_srai_epi16(_mm256_unpackhi_epi8(zero, y), 8);
    return add_products_avx2(add_products_avx2(a, x_low_i16x16, y_low_i16x16), x_high_i16x16, y_high_i16x16);
}
static inline int64_t reduce_i64x4_avx2(__m256i a) {
    int64_t lane[4];
    _mm256_storeu_si256((__m256i *)lane, a);
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}
static inline int64_t reduce_i32x8_avx2(__m256i a) {
    return reduce_i64x4_avx2(_mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(a)),
                                              _mm256_cvtepi32_epi64(_mm256_extracti128_si256(a, 1))));
}

#define VECTOR __m256i
#define WIDTH 32
#define LOAD load_bytes_avx2
#define ZERO _mm256_setzero_si256
#define STEP_L1_U8 step_l1_u8_avx2
#define STEP_L1_I8 step_l1_i8_avx2
#define REDUCE_L1 reduce_i64x4_avx2
#define STEP_SQL2_U8 step_sql2_u8_avx2
#define STEP_SQL2_I8 step_sql2_i8_avx2
#define STEP_DOT_U8 step_dot_u8_avx2
#define STEP_DOT_I8 step_dot_i8_avx2
#define REDUCE_I32 reduce_i32x8_avx2
#include "byte_pairs.h"
#undef ISA

#define ISA avx2
#include "pack.h"

static const fastcls_search search_avx2 = {
    {{l1_u8_avx2, pack_avx2, FASTCLS_BYTE, 8, 3, 16, 0, 0},
     {dot_i16_avx2, pack_avx2, FASTCLS_I16, 2, 3, 32, 0, 0},
     {max_f32_avx2, pack_avx2, FASTCLS_SINGLE, 1, 3, 32, 0, 0},
     {dot_f32_avx2, pack_avx2, FASTCLS_SINGLE, 1, 3, 32, 0, 0}},
    select_avx2,
    low_dimensional_avx2,
    FASTCLS_ALL_PAIRS(avx2),
    eight_avx2};

FASTCLS_TARGET_END
#endif
